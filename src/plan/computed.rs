//! The digest of a plan: of all that decides what a run does.
//!
//! Apart from the plan, since it is taken without a copy of the manifests in it, which may be megabytes. What a plan
//! says is taken apart by name here, so that a member that is added to it does not stay out of its digest unnoticed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::document;

use super::document::{Flow, Plan, PlannedChange};

/// A part of what is digested, by reference where it is large.
#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a> {
    Own(Value),
    Lent(&'a Value),
    Objects(&'a [Value]),
    Rows(Vec<Members<'a>>),
}

/// A mapping, whose members are sorted.
type Members<'a> = BTreeMap<String, Part<'a>>;

impl Plan {
    /// The digest of what this plan says.
    pub(super) fn computed(&self) -> Digest {
        let Self {
            digest: _,
            bundle,
            component,
            installation,
            action,
            rollback_to,
            revision: _,
            target,
            inputs,
            changes,
            rbac,
            escalations,
            // They are read off the objects, which count themselves, and off whatever else is in the cluster at the
            // moment.
            powers: _,
            powers_gone: _,
            credentials,
            host_calls,
            withheld,
            refused: _,
            cautions: _,
            steps,
        } = self;
        let flow = |flow: &Flow| json!({ "name": flow.name, "into": flow.into });
        let mut members = members_of(json!({
            "bundle": bundle,
            "installation": installation,
            "action": action,
            "target": target,
            "inputs": inputs,
            "credentials": credentials.iter().map(flow).collect::<Vec<_>>(),
            "hostCalls": host_calls,
            "withheld": withheld,
            "steps": steps,
        }));
        members.insert("changes".into(), Part::Rows(changes.iter().map(row).collect()));
        members.insert("rbac".into(), Part::Objects(rbac));
        if let Some(component) = component {
            members.insert("component".into(), Part::Own(json!(component)));
        }
        if let Some(revision) = rollback_to {
            members.insert("rollbackTo".into(), Part::Own(json!(revision)));
        }
        if !escalations.is_empty() {
            members.insert("escalations".into(), Part::Own(json!(escalations)));
        }
        document::digest(&members)
    }
}

/// A row without what is for people.
fn row(row: &PlannedChange) -> Members<'_> {
    let PlannedChange {
        action, object, manifest, fields, delta, adopts, dry_run, immutable, conflicts, ..
    } = row;
    let bare = PlannedChange {
        action: *action,
        object: object.clone(),
        manifest: None,
        diff: None,
        fields: fields.clone(),
        delta: *delta,
        adopts: *adopts,
        dry_run: *dry_run,
        not_tried: None,
        immutable: immutable.clone(),
        conflicts: conflicts.clone(),
        warnings: Vec::new(),
    };
    let mut members = members_of(json!(bare));
    members.extend(manifest.as_ref().map(|manifest| ("manifest".into(), Part::Lent(manifest))));
    members
}

fn members_of(value: Value) -> Members<'static> {
    let Value::Object(members) = value else { return Members::new() };
    members.into_iter().map(|(name, value)| (name, Part::Own(value))).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A plan with each of its members, twice as many rows as there are forms of one.
    pub(in crate::plan) fn plan() -> Plan {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "namespace": "a", "name": "b"});
        let digest = Digest::of(b"x");
        let with = |more: Value| {
            let mut row = object.clone();
            row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            row
        };
        let plan = json!({
            "digest": digest, "component": digest, "action": "install", "revision": "1", "rollbackTo": "0", "target": "kube",
            "bundle": {"name": "web", "version": "1.0.0", "digest": digest},
            "installation": {"name": "web", "namespace": "prod"},
            "inputs": {"reference": "layout:x", "parameters": {"b": 1, "a": {"z": 1, "y": 2}}, "grant": {},
                       "secretParameters": ["s"], "overrides": {"forceConflicts": true, "takeOwnership": false, "replace": false}},
            "changes": [
                with(json!({"action": "create", "manifest": {"z": [{"b": 1, "a": "ä"}], "a": null}})),
                with(json!({"action": "update", "manifest": {}, "diff": "- a", "fields": ["/a"], "delta": digest,
                            "adopts": true, "dryRun": "forbidden", "notTried": "no", "warnings": ["w"]})),
                with(json!({"action": "replace", "immutable": ["spec.a"]})),
                with(json!({"action": "delete"})),
            ],
            "rbac": [{"kind": "Role", "apiVersion": "v1"}],
            "escalations": ["it hands on"],
            "powers": [], "powersGone": [],
            "credentials": [{"name": "db", "into": ["a"], "readers": []}],
            "hostCalls": [{"interface": "i", "function": "f", "count": 1}],
            "withheld": ["w"], "refused": ["r"],
            "steps": [{"object": object, "manifest": digest}, {"object": object, "delete": true}],
        });
        serde_json::from_value(plan).unwrap()
    }

    /// The digested part, by its definition: all that a plan says, but for what the digest does not cover.
    fn defined(plan: &Plan) -> Digest {
        let mut value = json!(plan);
        let members = value.as_object_mut().unwrap();
        for member in ["digest", "revision", "powers", "powersGone", "refused"] {
            members.remove(member);
        }
        for flow in members["credentials"].as_array_mut().unwrap() {
            flow.as_object_mut().unwrap().remove("readers");
        }
        for row in members["changes"].as_array_mut().unwrap() {
            for member in ["diff", "notTried", "warnings"] {
                row.as_object_mut().unwrap().remove(member);
            }
        }
        Digest::of(document::written(&value).as_bytes())
    }

    #[test]
    fn the_digest_is_that_of_all_that_a_plan_says_but_for_what_it_does_not_cover() {
        let whole = plan();
        assert_eq!(whole.computed(), defined(&whole));
        let bare = Plan {
            component: None,
            rollback_to: None,
            escalations: Vec::new(),
            changes: Vec::new(),
            ..whole
        };
        assert_eq!(bare.computed(), defined(&bare));
    }

    #[test]
    fn what_is_covered_changes_the_digest_and_what_is_not_does_not() {
        let digest = plan().computed();
        let changed = |change: fn(&mut Plan)| {
            let mut plan = plan();
            change(&mut plan);
            plan.computed() != digest
        };
        let covered: [fn(&mut Plan); 5] = [
            |plan| plan.rollback_to = None,
            |plan| plan.changes[0].manifest = Some(json!({})),
            |plan| plan.rbac.clear(),
            |plan| plan.escalations.clear(),
            |plan| plan.component = None,
        ];
        assert!(covered.into_iter().all(changed));
        let beside: [fn(&mut Plan); 4] = [
            |plan| plan.revision = "2".into(),
            |plan| plan.changes[1].diff = None,
            |plan| plan.changes[1].warnings.clear(),
            |plan| plan.refused.clear(),
        ];
        assert!(!beside.into_iter().any(changed));
    }
}
