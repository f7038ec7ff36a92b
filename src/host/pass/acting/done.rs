//! Results of an acting pass, object by object. An outcome tells of this, and not of what was planned.

use std::collections::HashSet;

use crate::host::progress::LeftObject;
use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::kubernetes::objects::Objects;
use crate::targets::Change;

/// The changes that were made.
#[derive(Debug, Default)]
pub struct Done {
    applied: Objects<(ObjectRef, Change)>,
    removed: HashSet<ObjectId>,
    in_order: Vec<(ObjectRef, Change)>,
    left: Vec<LeftObject>,
}

impl Done {
    /// Notes that an object was applied, and its change against what was there when the run was planned.
    pub(super) fn applied(&mut self, object: &ObjectRef, change: Change) {
        if change != Change::Unchanged {
            self.in_order.push((object.clone(), change));
        }
        // A later step finds what an earlier one has made.
        let change = match self.applied.get(object) {
            Some((_, earlier @ (Change::Create | Change::Replace))) => *earlier,
            _ => change,
        };
        self.applied.insert(object, (object.clone(), change));
    }

    /// Notes that an object was removed.
    pub(super) fn removed(&mut self, object: &ObjectRef) {
        self.in_order.push((object.clone(), Change::Delete));
        self.removed.insert(object.id());
        self.applied.remove(object);
    }

    /// Notes that an object was to be removed, and was left in place.
    pub(super) fn left(&mut self, object: LeftObject) {
        self.left.push(object);
    }

    /// Takes the objects that were left in place.
    pub(super) fn take_left(&mut self) -> Vec<LeftObject> {
        std::mem::take(&mut self.left)
    }

    /// The result of a planned change. None: it was not made.
    pub fn change(&self, object: &ObjectRef, planned: Change) -> Option<Change> {
        let was_removed = self.removed.contains(&object.id());
        match (planned, self.applied.get(object)) {
            (Change::Delete, None) => was_removed.then_some(planned),
            (Change::Update, Some((_, actual @ (Change::Create | Change::Unchanged)))) if !was_removed => {
                Some(*actual)
            }
            (_, Some(_)) => Some(planned),
            (_, None) => None,
        }
    }

    /// Each change in the order in which they were made, as `create ConfigMap prod/a`.
    pub fn told(&self) -> Vec<String> {
        self.in_order.iter().map(|(object, change)| format!("{change} {object}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef::new("v1", "ConfigMap", Some("prod"), name)
    }

    #[test]
    fn a_change_that_was_planned_and_not_made_is_none() {
        let mut done = Done::default();
        done.applied(&object("made"), Change::Create);
        done.removed(&object("gone"));
        assert_eq!(done.change(&object("made"), Change::Create), Some(Change::Create));
        assert_eq!(done.change(&object("refused"), Change::Create), None);
        assert_eq!(done.change(&object("gone"), Change::Delete), Some(Change::Delete));
        assert_eq!(done.change(&object("spared"), Change::Delete), None);
        assert_eq!(done.told(), ["create ConfigMap prod/made", "delete ConfigMap prod/gone"]);
    }

    #[test]
    fn a_change_is_the_one_that_was_made() {
        use Change::{Create, Replace, Unchanged, Update};
        for (planned, steps, expected) in [
            (Update, vec![Unchanged], Unchanged),
            (Update, vec![Create], Create),
            (Update, vec![Update], Update),
            (Create, vec![Create, Update], Create),
            // The answer to a first try was lost, and a second one found what it had made.
            (Create, vec![Update], Create),
            (Replace, vec![Replace, Update], Replace),
            (Unchanged, vec![Unchanged], Unchanged),
        ] {
            let mut done = Done::default();
            steps.iter().for_each(|change| done.applied(&object("a"), *change));
            assert_eq!(done.change(&object("a"), planned), Some(expected), "{planned} {steps:?}");
        }
        // An object that the run removed first is made anew by design.
        let mut done = Done::default();
        done.removed(&object("a"));
        done.applied(&object("a"), Create);
        assert_eq!(done.change(&object("a"), Update), Some(Update));
        assert_eq!(done.told().len(), 2);
    }

    #[test]
    fn what_was_left_as_it_was_is_not_told() {
        let mut done = Done::default();
        done.applied(&object("a"), Change::Unchanged);
        assert!(done.told().is_empty());
    }
}
