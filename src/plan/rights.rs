//! Which rights in a cluster a run takes, from what its planning pass noted.
//!
//! The acting pass sends these requests about objects and no others: it reads what the component reads and waits for, what
//! it applied and does not become ready at once, and what it removes; it writes what the plan would change. Where an object that
//! the plan found is gone meanwhile, nothing here allows to make it: the run stops.

use std::collections::BTreeSet;

use crate::capability::kubernetes::KubernetesScope;
use crate::capability::object::ObjectRef;
use crate::capability::rights::{Rights, Verb};
use crate::host::work::{ObjectChange, Step, Work};
use crate::target::Change;
use crate::target::ready::is_ready_once_there;

/// The rights of a run. `removed` are the rows of what the runtime removes after the component; `readable` is what the
/// component may read.
pub fn needed(work: &Work, removed: &[ObjectChange], readable: &KubernetesScope) -> Rights {
    let mut rights = Rights::default();
    for object in work.steps.iter().map(|step| &step.object).collect::<BTreeSet<_>>() {
        let row = work.changes.iter().find(|row| row.object.key() == object.key());
        let steps: Vec<_> = work.steps.iter().filter(|step| step.object.key() == object.key()).collect();
        for (verbs, why) in of_steps(&steps, row.map(|row| row.change)) {
            rights.uses(object, &work.kinds, verbs, why);
        }
        if steps.last().is_some_and(|step| !step.delete) && !is_ready_once_there(object) {
            rights.uses(object, &work.kinds, &[Verb::Get], "is waited for");
        }
    }
    for row in removed {
        rights.uses(&row.object, &work.kinds, &[Verb::Get, Verb::Delete], "is removed");
    }
    for object in &work.reads {
        rights.uses(object, &work.kinds, &[Verb::Get], "the component reads it");
    }
    let is_possible = |object: &ObjectRef| work.kinds.is_namespaced(object) == object.namespace.is_some();
    for object in readable.single_reads().into_iter().filter(is_possible) {
        rights.uses(&object, &work.kinds, &[Verb::Get], "the component may read it");
    }
    hand_on(&mut rights, work);
    rights
}

/// The same rights, and those that making the plan takes: everything that the plan is about is read.
pub fn with_planning(mut rights: Rights, work: &Work, looked_for: &[ObjectRef]) -> Rights {
    let applied = work.steps.iter().map(|step| &step.object);
    for object in applied.chain(looked_for) {
        rights.uses(object, &work.kinds, &[Verb::Get], "is read to make the plan");
    }
    rights
}

/// What the steps on one object take. Without a row it was not there before, and is not afterwards.
fn of_steps(steps: &[&Step], change: Option<Change>) -> Vec<(&'static [Verb], &'static str)> {
    let is_settled = change == Some(Change::Unchanged) && steps.iter().all(|step| *step == steps[0]);
    let mut is_there = !matches!(change, None | Some(Change::Create));
    let mut uses: Vec<(&'static [Verb], &'static str)> = Vec::new();
    for step in steps {
        uses.push(match (step.delete, is_there) {
            (true, false) => (&[Verb::Get], "is looked for before it is removed"),
            (true, true) => (&[Verb::Get, Verb::Delete], "is removed"),
            (false, false) => (&[Verb::Create, Verb::Patch], "is made"),
            (false, true) if is_settled => (&[], "is as it should be"),
            (false, true) if change == Some(Change::Replace) => {
                (&[Verb::Get, Verb::Delete, Verb::Create, Verb::Patch], "is replaced")
            }
            (false, true) => (&[Verb::Patch], "is changed"),
        });
        is_there = !step.delete;
    }
    uses
}

/// Roles and bindings that are written hand rights on.
fn hand_on(rights: &mut Rights, work: &Work) {
    let written: Vec<_> = work
        .changes
        .iter()
        .filter(|row| !matches!(row.change, Change::Unchanged | Change::Delete))
        .filter_map(|row| Some((&row.object, row.after.as_ref()?)))
        .collect();
    // What the rules of a role are that gathers them is not known, so they cannot be held.
    let with_known_rules = |role: &ObjectRef| {
        written.iter().any(|(object, body)| {
            object.key() == role.key() && body.get("aggregationRule").is_none_or(serde_json::Value::is_null)
        })
    };
    for (object, body) in &written {
        rights.hands_on(object, body, &work.kinds, with_known_rules);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn step(delete: bool, content: &str) -> Step {
        let object = ObjectRef {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("prod".into()),
            name: "a".into(),
        };
        Step { delete, object, manifest: (!delete).then(|| Digest::of(content.as_bytes())) }
    }

    fn verbs(steps: &[Step], change: Option<Change>) -> String {
        let uses = of_steps(&steps.iter().collect::<Vec<_>>(), change);
        let verbs: BTreeSet<_> = uses.into_iter().flat_map(|(verbs, _)| verbs.to_vec()).collect();
        verbs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_change_takes_its_verbs_and_no_others() {
        let (apply, other, delete) = (step(false, "a"), step(false, "b"), step(true, ""));
        let cases: [(&[&Step], Option<Change>, &str); 11] = [
            (&[&apply], Some(Change::Create), "create patch"),
            (&[&apply], Some(Change::Update), "patch"),
            (&[&apply], Some(Change::Unchanged), ""),
            (&[&apply], Some(Change::Replace), "create delete get patch"),
            (&[&delete], Some(Change::Delete), "delete get"),
            (&[&delete], None, "get"),
            // Made and removed again: the plan has no row for it.
            (&[&apply, &delete], None, "create delete get patch"),
            (&[&apply, &delete], Some(Change::Delete), "delete get patch"),
            (&[&delete, &apply], Some(Change::Update), "create delete get patch"),
            // Changed and changed back.
            (&[&other, &apply], Some(Change::Unchanged), "patch"),
            (&[&apply, &apply], Some(Change::Unchanged), ""),
        ];
        for (steps, change, expected) in cases {
            let steps: Vec<_> = steps.iter().map(|step| (*step).clone()).collect();
            assert_eq!(verbs(&steps, change), expected, "{change:?}");
        }
    }
}
