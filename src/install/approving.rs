//! Effects of a plan, as far as they decide whether somebody else has to approve it.

use std::collections::BTreeSet;

use crate::grant;
use crate::kubernetes::api::CORE;
use crate::plan::{Collateral, Plan, PlannedChange};
use crate::targets::Change;
use crate::verify::{Forbidden, PlanFacts, PlanToApprove, TargetKind};

use super::Operation;
use super::actor::Actor;
use super::decide::granted_before;
use super::run::Run;

impl Run<'_> {
    /// The plan, as far as approvals depend on it. Powers and objects are those of the plan that was made just now, also
    /// where a saved one is carried out: what a document says beside its digest decides nothing.
    pub(super) fn to_approve(&self, plan: &Plan, collateral: &Collateral) -> PlanToApprove {
        let facts = facts(plan);
        PlanToApprove {
            made: plan.digest,
            digest: self.operation.plan.as_ref().map(|saved| saved.digest),
            target: if self.operation.place.is_cluster() { TargetKind::Kube } else { TargetKind::Dir },
            changes_anything: !plan.is_empty(),
            facts: PlanFacts {
                has_grant: matches!(self.actor, Actor::Component(_)),
                has_wider_grant: self.has_wider_grant(),
                signers: self.signers(),
                deletes: facts.deletes.into_iter().chain(collateral.kinds()).collect(),
                deletes_namespaces: collateral.has_namespaces(),
                ..facts
            },
            liberties: liberties(self.operation),
        }
    }

    /// The plan of going back after this one has failed, at the worst: what it applies may have to be removed or put back, with
    /// the grant that was there before. It is not saved, so nobody has approved it.
    pub(super) fn way_back(&self, plan: &Plan) -> PlanToApprove {
        let forward = self.to_approve(plan, &Collateral::default());
        let earlier = self.earlier.filter(|earlier| !earlier.is_deleted());
        let regrants = earlier.is_some_and(|earlier| {
            let granted = self.actor.granted();
            granted.is_none_or(|granted| {
                grant::is_wider(&self.decided.grant, &earlier.settings.grant, granted.names())
            })
        });
        let changed = || plan.changes.iter().filter(|row| row.action != Change::Unchanged);
        let powers = plan.powers_gone.iter().map(|power| power.severity).max();
        PlanToApprove {
            digest: None,
            facts: PlanFacts {
                has_grant: forward.facts.has_grant && earlier.is_some(),
                has_wider_grant: regrants,
                deletes: changed().map(|row| row.object.group_kind().into_owned()).collect(),
                deletes_namespaces: changed().any(|row| row.object.is(CORE, "Namespace")),
                powers: forward.facts.powers.max(powers),
                ..forward.facts
            },
            liberties: forward.liberties.into_iter().chain([Forbidden::Yes]).collect(),
            ..forward
        }
    }

    /// The keys that signed the bundle, whether or not the rule that admitted it lists them.
    /// A copy may have fewer signatures than what was planned, and is the same bundle.
    pub(super) fn signers(&self) -> BTreeSet<String> {
        let found = self.actor.granted();
        let found = found.map(|granted| self.operation.approvals.signers(granted.verified().fetched()));
        let planned = self.operation.plan.iter().flat_map(|plan| plan.inputs.signers.iter().cloned());
        found.into_iter().flatten().chain(planned).collect()
    }

    /// Whether more is granted than to the installation as it is. A record that others can write counts for nothing.
    fn has_wider_grant(&self) -> bool {
        let Some(granted) = self.actor.granted() else { return false };
        let earlier = self.earlier.filter(|earlier| !earlier.is_deleted() && !earlier.is_shared());
        let before = earlier.and_then(|earlier| granted_before(earlier, granted.names()));
        before.is_none_or(|before| grant::is_wider(&before, &self.decided.grant, granted.names()))
    }
}

/// The effects that can be read off a plan.
fn facts(plan: &Plan) -> PlanFacts {
    let changed = || plan.changes.iter().filter(|row| row.action != Change::Unchanged);
    let namespaces = changed().filter_map(|row| row.object.namespace.clone());
    let is_removed = |row: &&PlannedChange| matches!(row.action, Change::Delete | Change::Replace);
    PlanFacts {
        namespaces: namespaces.chain([plan.installation.namespace.clone()]).collect(),
        is_cluster_wide: changed().any(|row| row.object.namespace.is_none()),
        deletes: changed().filter(is_removed).map(|row| row.object.group_kind().into_owned()).collect(),
        powers: plan.powers.iter().map(|power| power.severity).max(),
        ..PlanFacts::default()
    }
}

/// Guards that whoever acts has lowered. The grant of a saved plan is part of what was approved.
fn liberties(operation: &Operation) -> BTreeSet<Forbidden> {
    let Operation { options, consent, plan, .. } = operation;
    let is_new = plan.is_none();
    let has_flags = consent.approve.is_some() || consent.grant != grant::spec::GrantSpec::default();
    [
        (!operation.dangers.is_empty() || operation.is_unawaited(), Forbidden::Dangerous),
        (is_new && !operation.complete && has_flags, Forbidden::GrantFlags),
        (operation.acts_as_caller(), Forbidden::OwnIdentity),
        (is_new && options.confirmed, Forbidden::Yes),
    ]
    .into_iter()
    .filter_map(|(is_taken, liberty)| is_taken.then_some(liberty))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::LoweredGuard;
    use crate::install::operation::tests::operation;
    use crate::install::{ChangeOptions, Identity};
    use crate::targets::Place;
    use serde_json::json;

    fn plan(changes: serde_json::Value) -> Plan {
        let digest = crate::digest::Digest::of(b"x");
        let plan = json!({
            "digest": digest, "action": "install", "revision": "1", "target": "kube",
            "bundle": {"name": "web", "version": "1.0.0", "digest": digest},
            "installation": {"name": "web", "namespace": "dev"},
            "inputs": {"reference": "layout:x", "parameters": {}, "grant": {},
                       "overrides": {"forceConflicts": false, "takeOwnership": false, "replace": false}},
            "changes": changes, "rbac": [], "powers": [], "credentials": [], "hostCalls": [], "withheld": [],
            "steps": [],
        });
        serde_json::from_value(plan).unwrap()
    }

    #[test]
    fn the_facts_are_those_of_what_changes() {
        let row = |action: &str, api: &str, kind: &str, namespace: Option<&str>| {
            let mut row = json!({"action": action, "apiVersion": api, "kind": kind, "name": "x"});
            if let Some(namespace) = namespace {
                row["namespace"] = json!(namespace);
            }
            row
        };
        let found = facts(&plan(json!([
            row("unchanged", "v1", "Namespace", None),
            row("unchanged", "v1", "ConfigMap", Some("idle")),
            row("update", "v1", "ConfigMap", Some("prod")),
            row("delete", "apps/v1", "Deployment", Some("prod")),
            row("replace", "v1", "Service", Some("stage")),
        ])));
        assert_eq!(found.namespaces, ["dev", "prod", "stage"].map(str::to_owned).into());
        assert_eq!(found.deletes, ["Service", "apps/Deployment"].map(str::to_owned).into());
        assert!(!found.is_cluster_wide);
        assert!(facts(&plan(json!([row("create", "v1", "Namespace", None)]))).is_cluster_wide);
    }

    #[test]
    fn a_liberty_is_what_nobody_else_has_seen() {
        let free = || Operation { place: Place::cluster(), ..operation("install") };
        assert!(liberties(&free()).is_empty());
        let confirmed = || ChangeOptions { confirmed: true, ..ChangeOptions::default() };
        let yes = Operation { options: confirmed(), ..free() };
        assert_eq!(liberties(&yes), [Forbidden::Yes].into());
        let saved = Some(Box::new(plan(json!([]))));
        let saved = Operation { plan: saved, complete: true, options: confirmed(), ..free() };
        assert!(liberties(&saved).is_empty(), "naming a plan confirms it");
        let own = ChangeOptions { identity: Identity::Own, ..ChangeOptions::default() };
        assert_eq!(liberties(&Operation { options: own, ..free() }), [Forbidden::OwnIdentity].into());
        let lowered = Operation { dangers: vec![LoweredGuard::Unsigned], ..free() };
        assert_eq!(liberties(&lowered), [Forbidden::Dangerous].into());
        let mut flags = free();
        flags.consent.grant.deny.credentials.push("x".into());
        assert_eq!(liberties(&flags), [Forbidden::GrantFlags].into());
    }
}
