//! Which rights in a cluster a run takes, from what its planning pass noted.
//!
//! The acting pass sends these requests about objects and no others: it reads what the component reads and waits for,
//! what it applied and does not become ready at once, and what it removes; it writes what the plan would change. Where
//! an object that the plan found is gone meanwhile, no right here allows creating it: the run stops.

use crate::capability::kubernetes::KubernetesScope;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::objects::Objects;
use crate::kubernetes::rbac::{ApiVerb, Rights};
use crate::kubernetes::readiness::is_ready_once_there;
use crate::targets::Change;

use super::trace::{ObjectChange, Trace};

/// The rights of a run. `removed` are the rows of what the runtime removes after the component; `readable` is what the
/// component may read.
pub(super) fn needed(
    trace: &Trace,
    removed: &[ObjectChange],
    readable: &KubernetesScope,
    kinds: &Kinds,
) -> Rights {
    let mut rights = Rights::default();
    let mut does = Objects::<(&ObjectRef, Vec<_>)>::default();
    for (step, change) in trace.writes() {
        let (_, mut done) = does.remove(&step.object).unwrap_or((&step.object, Vec::new()));
        done.push((step.delete, change));
        does.insert(&step.object, (&step.object, done));
    }
    for (object, does) in does.iter() {
        let is_there = trace.changes.get(object).is_some_and(|row| row.change != Change::Create);
        for (verbs, why) in of_steps(does, is_there) {
            rights.uses(object, kinds, verbs, why);
        }
        if does.last().is_some_and(|(deletes, _)| !deletes) && !is_ready_once_there(object) {
            rights.uses(object, kinds, &[ApiVerb::Get], "is waited for");
        }
    }
    for row in removed {
        rights.uses(&row.object, kinds, &[ApiVerb::Get, ApiVerb::Delete], "is removed");
    }
    for object in &trace.reads {
        rights.uses(object, kinds, &[ApiVerb::Get], "the component reads it");
    }
    let is_possible = |object: &ObjectRef| kinds.is_namespaced(object) == object.namespace.is_some();
    for object in readable.single_reads().into_iter().filter(is_possible) {
        rights.uses(&object, kinds, &[ApiVerb::Get], "the component may read it");
    }
    hand_on(&mut rights, trace, kinds);
    rights
}

/// Adds the rights that planning itself needs: every object of the plan is read.
pub(super) fn with_planning(
    mut rights: Rights,
    trace: &Trace,
    looked_for: &[ObjectRef],
    kinds: &Kinds,
) -> Rights {
    let applied = trace.steps.iter().map(|(step, _)| &step.object);
    for object in applied.chain(looked_for) {
        rights.uses(object, kinds, &[ApiVerb::Get], "is read to make the plan");
    }
    rights
}

/// The API verbs that the steps on one object need. A step is whether it deletes or applies, and its change on its own.
fn of_steps(steps: &[(bool, Change)], mut is_there: bool) -> Vec<(&'static [ApiVerb], &'static str)> {
    // One step that changes an object makes all of them necessary.
    let is_settled = steps.iter().all(|(_, change)| *change == Change::Unchanged);
    let mut uses: Vec<(&'static [ApiVerb], &'static str)> = Vec::new();
    for (deletes, change) in steps {
        uses.push(match (deletes, is_there) {
            (true, false) => (&[ApiVerb::Get], "is looked for before it is removed"),
            (true, true) => (&[ApiVerb::Get, ApiVerb::Delete], "is removed"),
            (false, false) => (&[ApiVerb::Create, ApiVerb::Patch], "is made"),
            (false, true) if is_settled => (&[], "is as it should be"),
            (false, true) if *change == Change::Replace => {
                (&[ApiVerb::Get, ApiVerb::Delete, ApiVerb::Create, ApiVerb::Patch], "is replaced")
            }
            (false, true) => (&[ApiVerb::Patch], "is changed"),
        });
        is_there = !deletes;
    }
    uses
}

/// Adds the rights that writing roles and bindings takes: the API server lets nobody grant more than they hold.
fn hand_on(rights: &mut Rights, trace: &Trace, kinds: &Kinds) {
    let written: Vec<_> = trace
        .changes
        .iter()
        .filter(|row| !matches!(row.change, Change::Unchanged | Change::Delete))
        .filter_map(|row| Some((&row.object, row.after.as_ref()?)))
        .collect();
    // The rules of an aggregated role are filled in by the server, so they are unknown and cannot be held beforehand.
    let with_known_rules = |role: &ObjectRef| {
        written.iter().any(|(object, body)| {
            object.id() == role.id() && body.get("aggregationRule").is_none_or(serde_json::Value::is_null)
        })
    };
    for (object, body) in &written {
        rights.hands_on(object, body, kinds, with_known_rules);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn verbs(steps: &[(bool, Change)], is_there: bool) -> String {
        let verbs: BTreeSet<_> =
            of_steps(steps, is_there).into_iter().flat_map(|(verbs, _)| verbs.to_vec()).collect();
        verbs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_change_takes_its_verbs_and_no_others() {
        use Change::{Create, Delete, Replace, Unchanged, Update};
        for (steps, is_there, expected) in [
            (vec![(false, Create)], false, "create patch"),
            (vec![(false, Update)], true, "patch"),
            (vec![(false, Unchanged)], true, ""),
            (vec![(false, Replace)], true, "create delete get patch"),
            (vec![(true, Delete)], true, "delete get"),
            (vec![(true, Delete)], false, "get"),
            // Made and removed again: the plan has no row for it.
            (vec![(false, Create), (true, Delete)], false, "create delete get patch"),
            (vec![(false, Update), (true, Delete)], true, "delete get patch"),
            (vec![(true, Delete), (false, Update)], true, "create delete get patch"),
            // Changed and changed back.
            (vec![(false, Update), (false, Unchanged)], true, "patch"),
            (vec![(false, Unchanged), (false, Unchanged)], true, ""),
        ] {
            assert_eq!(verbs(&steps, is_there), expected, "{steps:?}");
        }
    }
}
