//! The claim that records an action (CNAB Claims 1.0.0, chapter 400).

use serde_json::{Map, Value, json};

use crate::document;
use crate::plan::Plan;
use crate::state::{Claim, Settings, timestamp, ulid};

use super::run::Run;

/// Where a claim says how carnet ran the action: which bundle, who signed it, what was granted.
const CUSTOM: &str = "dev.carnet.run";

/// The claim of a run that is about to begin. Parameters marked `writeOnly` are left out, since nothing here is encrypted
/// at rest; the next action asks for them again.
pub(super) fn document(run: &Run<'_>, settings: &Settings, plan: &Plan) -> Claim {
    let id = ulid();
    let document = json!({
        "id": id,
        "installation": run.order.name,
        "revision": plan.revision,
        "created": timestamp(),
        "action": run.order.action,
        "bundle": bundle(run, settings),
        "bundleReference": settings.reference,
        "parameters": parameters(run),
        "custom": { CUSTOM: {
            "bundle": settings.bundle,
            "component": plan.component,
            "plan": plan.digest,
            "rule": settings.rule,
            "signers": settings.signers,
            "terms": settings.terms,
            "dangers": settings.dangers,
            "carnet": env!("CARGO_PKG_VERSION"),
        } },
    });
    Claim { id, document, modifies: run.part.modifies }
}

/// The whole bundle definition; where only the runtime acts, the one that is kept.
fn bundle(run: &Run<'_>, settings: &Settings) -> Value {
    let kept = || run.tools.state.load(settings.bundle, &settings.reference).ok();
    let bytes = match &run.decided.granted {
        Some(granted) => Some(granted.verified().bundle().bytes().to_vec()),
        None => kept().map(|fetched| fetched.bundle().bytes().to_vec()),
    };
    let read = bytes.and_then(|bytes| document::json(&bytes).ok());
    read.unwrap_or_else(|| json!({ "name": settings.bundle_name, "version": settings.bundle_version }))
}

fn parameters(run: &Run<'_>) -> Map<String, Value> {
    let bundle = run.decided.granted.as_ref().map(|granted| granted.verified().bundle());
    let is_secret = |name: &str| bundle.is_some_and(|bundle| bundle.is_write_only_parameter(name));
    let values = run.decided.context.parameters.iter().filter(|(name, _)| !is_secret(name));
    values.map(|(name, value)| (name.clone(), value.clone())).collect()
}
