//! What can be done with a bundle: its actions, and who carries them out.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::{Bundle, INSTALL, UNINSTALL, UPGRADE};
use crate::capability::Requests;

/// Something that can be done with a bundle.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionSummary {
    /// The action.
    pub name: String,
    /// Who carries it out: `component` or `carnet`; of a bundle that is opaque `container`, and nobody here.
    pub by: &'static str,
    /// Whether it may change anything.
    pub modifies: bool,
    /// Whether it leaves no record.
    pub stateless: bool,
    /// The author's description of the action.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// Actions of a container image, as other tools would have it carry them out.
pub(super) fn opaque_actions(bundle: &Bundle) -> Vec<ActionSummary> {
    let all = actions(bundle, &Requests::default()).into_iter();
    all.map(|action| {
        let description = if action.by == "carnet" { String::new() } else { action.description };
        ActionSummary { by: "container", description, ..action }
    })
    .collect()
}

pub(super) fn actions(bundle: &Bundle, requests: &Requests) -> Vec<ActionSummary> {
    let built_in = [INSTALL, UPGRADE, UNINSTALL].map(|name| ActionSummary {
        name: name.into(),
        by: if requests.handle(name) { "component" } else { "carnet" },
        modifies: true,
        stateless: false,
        description: usual(name, requests).into(),
    });
    let declared = bundle.actions().iter().map(|(name, action)| ActionSummary {
        name: name.clone(),
        by: "component",
        modifies: action.modifies,
        stateless: action.stateless,
        description: action.description.clone(),
    });
    built_in.into_iter().chain(declared).collect()
}

/// The runtime's default for a built-in action that the component does not handle.
fn usual(action: &str, requests: &Requests) -> &'static str {
    match action {
        _ if requests.handle(action) => "",
        "upgrade" => "runs install, then removes what is no longer applied",
        "uninstall" => "removes what was applied, without running anything of the bundle",
        _ => "",
    }
}
