//! The claim that records an action (CNAB Claims 1.0.0, chapter 400).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bundle::is_installing;
use crate::document;
use crate::plan::Plan;
use crate::state::{InstallationSettings, NewClaim, RecordedFiles, timestamp, ulid};
use crate::verify::ApprovedBy;

use super::run::Run;

/// Where a claim says how carnet ran the action: which bundle, who signed it, what was granted.
const CUSTOM: &str = "dev.carnet.run";

/// The claim of a run that is about to begin. Parameters marked `writeOnly` are left out, since nothing here is
/// encrypted at rest; the next action asks for them again.
pub(super) async fn document(
    run: &Run<'_>,
    settings: &InstallationSettings,
    (plan, approved_by): (&Plan, &[ApprovedBy]),
    files: &RecordedFiles,
) -> NewClaim {
    let id = ulid();
    let (secret_parameters, parameters) = run.split_parameters();
    let parameters = with_those_of_others(run, parameters);
    let bundle = bundle(run, settings).await;
    let document = json!({
        "id": id,
        "installation": run.operation.name,
        "revision": plan.revision,
        "created": timestamp(),
        "action": run.operation.action,
        "bundle": bundle,
        "bundleReference": settings.reference,
        "parameters": parameters,
        "custom": { CUSTOM: {
            "bundle": settings.bundle,
            "component": plan.component,
            "plan": plan.digest,
            "approvals": approved_by.iter().map(approval).collect::<Vec<_>>(),
            "rule": settings.rule,
            "signers": settings.signers,
            "secretParameters": secret_parameters,
            "rollbackTo": run.operation.rollback_to,
            "terms": settings.grant,
            "files": files,
            "dangers": settings.dangers,
            "requires": settings.requires,
            "madeFor": settings.made_for,
            "carnet": env!("CARGO_PKG_VERSION"),
        } },
    });
    NewClaim { id, document, modifies: run.responsibilities.modifies }
}

/// Who approved the plan, and until when that counted.
fn approval(by: &ApprovedBy) -> Value {
    json!({
        "key": by.name,
        "keyId": by.key_id,
        "approvedAt": by.approved_at.to_string(),
        "expiresAt": by.expires_at.to_string(),
    })
}

/// The parameters of an action, and for one that installs nothing those of the last run that are for other actions: the
/// last claim is where the next upgrade finds the values that are not given again.
fn with_those_of_others(run: &Run<'_>, own: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let action = run.operation.action.as_str();
    let last = run.earlier.and_then(|earlier| earlier.last.as_ref());
    let Some(last) = last.filter(|_| !is_installing(action)) else { return own };
    let bundle = run.actor.bundle();
    let is_of_others = |name: &String| {
        let Some(bundle) = bundle else { return true };
        bundle.parameters().get(name).is_some_and(|parameter| !parameter.applies_to(action))
    };
    let others = last.parameters.clone().into_iter().filter(|(name, _)| is_of_others(name));
    others.chain(own).collect()
}

/// The whole bundle definition; where only the runtime acts, the one that is kept.
async fn bundle(run: &Run<'_>, settings: &InstallationSettings) -> Value {
    let bytes = match run.actor.bundle() {
        Some(bundle) => Some(bundle.bytes().to_vec()),
        None => {
            let kept = run.environment.state.load(settings.bundle, &settings.reference).await;
            kept.ok().map(|fetched| fetched.bundle().bytes().to_vec())
        }
    };
    let read = bytes.and_then(|bytes| document::json(&bytes).ok());
    read.unwrap_or_else(|| json!({ "name": settings.bundle_name, "version": settings.bundle_version }))
}
