//! The claim that records an action (CNAB Claims 1.0.0, chapter 400).

use serde_json::{Value, json};

use crate::document;
use crate::plan::Plan;
use crate::state::{Claim, InstallationSettings, timestamp, ulid};

use super::run::Run;

/// Where a claim says how carnet ran the action: which bundle, who signed it, what was granted.
const CUSTOM: &str = "dev.carnet.run";

/// The claim of a run that is about to begin. Parameters marked `writeOnly` are left out, since nothing here is
/// encrypted at rest; the next action asks for them again.
pub(super) async fn document(run: &Run<'_>, settings: &InstallationSettings, plan: &Plan) -> Claim {
    let id = ulid();
    let (secret_parameters, parameters) = run.split_parameters();
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
            "rule": settings.rule,
            "signers": settings.signers,
            "secretParameters": secret_parameters,
            "terms": settings.grant,
            "dangers": settings.dangers,
            "carnet": env!("CARGO_PKG_VERSION"),
        } },
    });
    Claim { id, document, modifies: run.responsibilities.modifies }
}

/// The whole bundle definition; where only the runtime acts, the one that is kept.
async fn bundle(run: &Run<'_>, settings: &InstallationSettings) -> Value {
    let bytes = match &run.decided.granted {
        Some(granted) => Some(granted.verified().bundle().bytes().to_vec()),
        None => {
            let kept = run.environment.state.load(settings.bundle, &settings.reference).await;
            kept.ok().map(|fetched| fetched.bundle().bytes().to_vec())
        }
    };
    let read = bytes.and_then(|bytes| document::json(&bytes).ok());
    read.unwrap_or_else(|| json!({ "name": settings.bundle_name, "version": settings.bundle_version }))
}
