//! The trace of a planning pass, as plain values without permits: a plan is made of it, and it authorizes nothing.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::capability::functions::Function;
use crate::cluster::FieldConflict;
use crate::digest::Digest;
use crate::document;
use crate::kubernetes::difference::without_bookkeeping;
use crate::kubernetes::manifest::Object;
use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::kubernetes::objects::Objects;
use crate::kubernetes::readiness::removes_itself;
use crate::targets::credentials::Placements;
use crate::targets::{Change, Marks, Preview};

use super::redaction::{VALUE, redacted};

/// How often each function of the host was called.
pub type Calls = BTreeMap<Function, u64>;

/// The trace of a planning pass.
#[derive(Debug, Default)]
pub struct Trace {
    /// Objects that the component read.
    pub reads: BTreeSet<ObjectRef>,
    /// Objects that the component waited for.
    pub awaited: BTreeSet<ObjectRef>,
    /// The steps about objects by which rights are given or parameters are read, in order.
    pub guarded: Vec<GuardedStep>,
    /// The steps taken, in order, each with what it does. None: the target refused the call that it is a part of.
    pub steps: Vec<(Step, Option<Change>)>,
    /// The change of each object, all its steps together.
    pub changes: Objects<ObjectChange>,
    /// Requests that the target refused and after which the component went on, a sentence each.
    pub refused: Vec<String>,
    /// How often the component called the host.
    pub calls: Calls,
}

/// One write to the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Whether the object is removed, rather than applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// Which object.
    pub object: ObjectRef,
    /// The digest of the manifest, with placeholders in the place of credentials. That of a Secret is without its values:
    /// who reads the digest of a value that has few letters can find it by trying.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub manifest: Option<Digest>,
    /// The digest of all of it, which no document has: both passes of one run are compared by it.
    #[serde(skip)]
    whole: Option<Digest>,
}

/// A step about a role, a binding or an admission policy. The server judges each by itself, so that what a run writes
/// or removes in between counts as well as what it leaves.
#[derive(Debug, Clone)]
pub struct GuardedStep {
    /// Which call it is a part of. Within one call, roles come before bindings.
    pub call: usize,
    /// Which object.
    pub object: ObjectRef,
    /// Its change on its own, against what is there.
    pub change: Change,
    /// The object as it is.
    pub before: Option<Value>,
    /// The object as this step leaves it. None: it is removed.
    pub after: Option<Value>,
    /// Whether only a dry run told that it stays as it is.
    pub in_doubt: bool,
}

/// The change of one object: its state before and after.
#[derive(Debug, Clone)]
pub struct ObjectChange {
    /// Which object.
    pub object: ObjectRef,
    /// The kind of change.
    pub change: Change,
    /// The object as it is.
    pub before: Option<Value>,
    /// The object as it would be.
    pub after: Option<Value>,
    /// The object as the component wrote it, with placeholders in the place of credentials. None: it is not applied.
    pub manifest: Option<Value>,
    /// The credentials that flow into it.
    pub placements: Placements,
    /// Further properties of the change.
    pub marks: Marks,
    /// The immutable fields for which the object has to be replaced.
    pub immutable: Vec<String>,
    /// The fields that other managers hold, and that would be taken over.
    pub conflicts: Vec<FieldConflict>,
}

impl Trace {
    /// The steps that are writes, with what each of them does: all but those that were refused.
    pub fn writes(&self) -> impl Iterator<Item = (&Step, Change)> {
        self.steps.iter().filter_map(|(step, change)| Some((step, (*change)?)))
    }

    /// Each object as it was when this was noted.
    pub fn into_seen(self) -> BTreeMap<ObjectId, Value> {
        let seen = |row: ObjectChange| Some((row.object.id(), row.before?));
        self.changes.into_values().filter_map(seen).collect()
    }
}

impl Step {
    /// The step that applies an object.
    pub fn apply(object: &Object) -> Self {
        let whole = document::digest(object.body());
        let shown = object.reference().is_secret().then(|| {
            let word = |_: &str, _: &str, _: &Value| VALUE.to_owned();
            document::digest(&redacted(object.body().clone(), word))
        });
        let (object, manifest) = (object.reference().clone(), Some(shown.unwrap_or(whole)));
        Self { delete: false, object, manifest, whole: Some(whole) }
    }

    /// The step that removes an object.
    pub fn delete(object: ObjectRef) -> Self {
        Self { delete: true, object, manifest: None, whole: None }
    }

    /// The step that applies an object of which no manifest is known.
    pub fn of(object: ObjectRef) -> Self {
        Self { delete: false, ..Self::delete(object) }
    }

    /// The step as a document has it.
    #[must_use]
    pub fn documented(&self) -> Self {
        Self { whole: None, ..self.clone() }
    }

    /// The step, for people.
    pub fn describe(&self) -> String {
        match (self.delete, &self.manifest) {
            (true, _) => format!("delete {}", self.object),
            (false, Some(manifest)) => format!("apply {} ({})", self.object, manifest.short()),
            (false, None) => format!("apply {}", self.object),
        }
    }
}

impl ObjectChange {
    /// A change of which nothing else is known than the two states.
    pub fn bare(object: ObjectRef, change: Change, before: Option<Value>, after: Option<Value>) -> Self {
        Self {
            object,
            change,
            before,
            after,
            manifest: None,
            placements: Placements::new(),
            marks: Marks::default(),
            immutable: Vec::new(),
            conflicts: Vec::new(),
        }
    }

    /// The removal of an object that is there.
    pub fn removal(object: ObjectRef, before: Value) -> Self {
        Self::bare(object, Change::Delete, Some(before), None)
    }

    /// Merges a step into the change that `earlier` steps made: from the first state to the last. None: the object
    /// exists neither before nor after.
    pub fn after(
        earlier: Option<Self>,
        object: &ObjectRef,
        preview: Preview,
        manifest: Option<Value>,
        placements: Placements,
    ) -> Option<Self> {
        let Preview { change, before, after, marks, immutable, conflicts } = preview;
        let is_first = earlier.is_none();
        let was_there = earlier.as_ref().map_or(change, |row| row.change) != Change::Create;
        let in_doubt = marks.in_doubt || earlier.as_ref().is_some_and(|row| row.marks.in_doubt);
        let (before, adopts) = earlier.map_or((before, marks.adopts), |row| (row.before, row.marks.adopts));
        let change = match change {
            Change::Delete if !was_there => return None,
            Change::Delete => Change::Delete,
            _ if !was_there => Change::Create,
            change if is_first => change,
            _ if before.as_ref() == Some(&after) => Change::Unchanged,
            Change::Replace => Change::Replace,
            _ => Change::Update,
        };
        let after = (change != Change::Delete).then_some(after);
        let marks = Marks { adopts, in_doubt, ..marks };
        let object = object.clone();
        Some(Self { object, change, before, after, manifest, placements, marks, immutable, conflicts })
    }

    /// Assumes of an object that is gone, and that its controller removes once it is done, that it was done.
    pub fn without_what_is_done(&mut self) {
        if self.change == Change::Create && self.manifest.as_ref().is_some_and(removes_itself) {
            self.change = Change::Unchanged;
        }
    }

    /// Assumes that the values that hold credentials are up to date, so that changes can be compared without knowing
    /// them.
    pub fn without_credentials(&mut self) {
        let (Some(before), Some(after)) = (&self.before, &mut self.after) else { return };
        for key in self.placements.keys() {
            let held = before.get("data").and_then(|data| data.get(key)).cloned();
            if let (Some(held), Some(value)) =
                (held, after.pointer_mut("/data").and_then(|data| data.get_mut(key)))
            {
                *value = held;
            }
        }
        if self.change == Change::Update && without_bookkeeping(before) == without_bookkeeping(after) {
            self.change = Change::Unchanged;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_its_controller_removes_is_not_missed() {
        let row = |kind: &str, change, spec: Value| {
            let manifest = json!({ "apiVersion": "batch/v1", "kind": kind, "spec": spec });
            let mut row = ObjectChange {
                change,
                manifest: Some(manifest),
                ..ObjectChange::removal(object(), json!({}))
            };
            row.without_what_is_done();
            row.change
        };
        let passing = || json!({ "ttlSecondsAfterFinished": 0 });
        assert_eq!(row("Job", Change::Create, passing()), Change::Unchanged);
        assert_eq!(row("Job", Change::Update, passing()), Change::Update);
        assert_eq!(row("Job", Change::Create, json!({})), Change::Create);
        assert_eq!(row("CronJob", Change::Create, passing()), Change::Create);
    }

    fn object() -> ObjectRef {
        ObjectRef {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("a".into()),
            name: "b".into(),
        }
    }

    fn preview(change: Change, before: Option<u8>, after: u8) -> Preview {
        Preview { before: before.map(|it| json!(it)), after: json!(after), ..Preview::done(change) }
    }

    /// The row after these steps: what happens, the first state, the last.
    fn row(steps: Vec<Preview>) -> Option<(Change, Option<Value>, Option<Value>)> {
        let mut row = None;
        for step in steps {
            row = ObjectChange::after(row, &object(), step, None, Placements::new());
        }
        row.map(|row| (row.change, row.before, row.after))
    }

    #[test]
    fn of_several_steps_the_first_state_and_the_last_count() {
        use Change::{Create, Delete, Replace, Unchanged, Update};
        let (one, two, three) = (Some(json!(1)), Some(json!(2)), Some(json!(3)));
        for (steps, expected) in [
            (vec![preview(Create, None, 2)], Some((Create, None, two.clone()))),
            (
                vec![preview(Create, None, 2), preview(Update, Some(2), 3)],
                Some((Create, None, three.clone())),
            ),
            (vec![preview(Create, None, 2), preview(Delete, Some(2), 0)], None),
            (
                vec![preview(Update, Some(1), 2), preview(Update, Some(2), 1)],
                Some((Unchanged, one.clone(), one.clone())),
            ),
            (
                vec![preview(Update, Some(1), 2), preview(Delete, Some(2), 0)],
                Some((Delete, one.clone(), None)),
            ),
            (vec![preview(Delete, Some(1), 0), preview(Create, None, 3)], Some((Update, one.clone(), three))),
            (vec![preview(Unchanged, Some(1), 1), preview(Replace, Some(1), 2)], Some((Replace, one, two))),
        ] {
            let what = format!("{steps:?}");
            assert_eq!(row(steps), expected, "{what}");
        }
    }

    #[test]
    fn what_belonged_to_nobody_at_first_is_taken_over_by_all_steps_together() {
        let adopting = Preview {
            marks: Marks { adopts: true, ..Marks::default() },
            ..preview(Change::Update, Some(1), 2)
        };
        let row = ObjectChange::after(None, &object(), adopting, None, Placements::new());
        let row =
            ObjectChange::after(row, &object(), preview(Change::Update, Some(2), 3), None, Placements::new());
        assert!(row.unwrap().marks.adopts);
    }

    /// The step that applies a manifest.
    fn applied(manifest: Value) -> Step {
        Step::apply(&Object::of(manifest, "a", &crate::kubernetes::kinds::Kinds::default()).unwrap())
    }

    #[test]
    fn what_is_written_of_a_step_tells_nothing_about_the_values_of_a_secret() {
        let secret = |key: &str, value: &str| {
            applied(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b"}, "stringData": {key: value}}),
            )
        };
        let (one, other) = (secret("pin", "1234"), secret("pin", "1235"));
        assert_ne!(one, other, "both passes of a run apply the same");
        assert_eq!(one.documented(), other.documented());
        assert_eq!((json!(one), one.describe()), (json!(other), other.describe()));
        assert_ne!(one.documented(), secret("puk", "1234").documented(), "its keys count");
        let map = |value: &str| {
            applied(
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"a": value}}),
            )
        };
        assert_ne!(map("1").documented(), map("2").documented());
    }

    #[test]
    fn a_step_that_was_refused_is_no_write() {
        let trace = Trace { steps: vec![(Step::delete(object()), None)], ..Trace::default() };
        assert_eq!(trace.writes().count(), 0);
    }

    #[test]
    fn a_credential_alone_is_no_difference() {
        let placements = [("password".to_owned(), std::iter::once("db".to_owned()).collect())].into();
        let before = json!({"data": {"password": "a"}, "metadata": {"resourceVersion": "1"}});
        let after = json!({"data": {"password": "b"}, "metadata": {}});
        let row = ObjectChange::bare(object(), Change::Update, Some(before), Some(after));
        let mut row = ObjectChange { placements, ..row };
        row.without_credentials();
        let after = json!({"data": {"password": "a"}, "metadata": {}});
        assert_eq!((row.change, row.after), (Change::Unchanged, Some(after)));
    }
}
