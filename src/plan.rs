//! What a run would change, as a document that can be shown, stored and compared.
//!
//! A plan holds no secret: credentials are placeholders in it, and values of Secrets are shown as changed or unchanged.
//! Its digest stands for everything that decides what a run does.

pub mod powers;
mod delta;
mod follow;
mod rights;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use similar::TextDiff;

use crate::bundle::canonical::canonical;
use crate::digest::Digest;
use crate::document;
use crate::grant::Granted;
use crate::grant::terms::Terms;
use crate::host::meter::Calls;
use crate::host::work::{ObjectChange, Step, Work};
use crate::kubernetes::difference::without_bookkeeping;
use crate::kubernetes::metadata::LAST_APPLIED;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::Rights;
use crate::targets::{Change, NotDryRun, Overrides, Protected};

pub use follow::Unusable;

pub use rights::{needed, with_planning};

use powers::{Images, Power, Powers, Reader, Surroundings};

/// The plan of one action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The digest of all the rest, but for the revision and the texts of differences.
    pub digest: Digest,
    /// The bundle.
    pub bundle: BundleName,
    /// The digest of the component; none where the runtime acts alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub component: Option<Digest>,
    /// The installation.
    pub installation: InstallationName,
    /// The action.
    pub action: String,
    /// The revision that the action makes, a ULID.
    pub revision: String,
    /// The target, as the command line writes it.
    pub target: String,
    /// What the operator put in: all that it takes to carry out the plan elsewhere, but for credentials.
    pub inputs: Inputs,
    /// Every object, in the order of the run.
    pub changes: Vec<Planned>,
    /// The rights that the run takes.
    pub rbac: Vec<Value>,
    /// How the run hands rights on, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub escalations: Vec<String>,
    /// What the installed objects will be able to do, the worst first.
    pub powers: Vec<Power>,
    /// What those that are there could do, and no longer will.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub powers_gone: Vec<Power>,
    /// Where credentials go.
    pub credentials: Vec<Flow>,
    /// How often the component calls the host.
    pub host_calls: Vec<HostCall>,
    /// Requests that are not granted, as lines that would grant them.
    pub withheld: Vec<String>,
    /// What the target refused, and the component went on without. For people: another target says it in other words.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refused: Vec<String>,
    /// The writes of the run, in order.
    pub steps: Vec<Step>,
}

/// What an operator puts into a run, as far as it is no secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// Where the bundle is, as it was typed.
    pub reference: String,
    /// The values of all parameters but those that are `writeOnly`.
    pub parameters: BTreeMap<String, Value>,
    /// The names of `writeOnly` parameters that have a value: they have to be given again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_parameters: Vec<String>,
    /// What is granted.
    pub grant: Terms,
    /// What the operator insists on.
    pub overrides: Overrides,
    /// Kinds that are removed although what they hold would go with them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub delete: BTreeSet<Protected>,
    /// Guards that are lowered, as flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dangers: Vec<String>,
}

/// A bundle's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleName {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The digest of its index.
    pub digest: Digest,
}

/// An installation's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationName {
    /// The name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// What happens to one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// What happens.
    pub action: Change,
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The difference, as a unified diff of YAML. For people: the digest of the plan does not cover it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub diff: Option<String>,
    /// The fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fields: Vec<String>,
    /// The digest of the fields that change, with what they are and what they will be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delta: Option<Digest>,
    /// The object is there and belongs to nobody: it becomes this installation's.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub adopts: bool,
    /// Why the server did not try the change out, so that the difference is only foretold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dry_run: Option<NotDryRun>,
    /// The fields for which it has to be replaced: they stay as they were created.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub immutable: Vec<String>,
}

/// Where a credential goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The credential.
    pub name: String,
    /// `NAMESPACE/Secret/NAME:KEY`, each.
    pub into: Vec<String>,
    /// What reads it there.
    #[serde(default)]
    pub readers: Vec<Reader>,
}

/// How often a function is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCall {
    /// The interface.
    pub interface: String,
    /// The function.
    pub function: String,
    /// How often.
    pub count: u64,
}

/// What a plan is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The bundle.
    pub bundle: BundleName,
    /// The installation.
    pub installation: InstallationName,
    /// The action.
    pub action: String,
    /// The revision.
    pub revision: String,
    /// The target.
    pub target: String,
    /// What the operator put in.
    pub inputs: Inputs,
}

impl Plan {
    /// The plan of a planning pass. `removed` are the objects that the runtime removes after the component;
    /// `surroundings` is what is known of rights beside the plan.
    pub fn new(
        subject: Subject,
        granted: Option<&Granted>,
        work: &Work,
        calls: &Calls,
        removed: Vec<ObjectChange>,
        rights: &Rights,
        surroundings: &Surroundings,
    ) -> Self {
        let steps = work
            .writes()
            .map(|(step, _)| step.clone())
            .chain(removed.iter().map(|row| Step::delete(row.object.clone())));
        let steps = steps.collect();
        let changes: Vec<_> = work.changes.iter().cloned().chain(removed).collect();
        let images = granted.map(|granted| Images::of(granted.verified().bundle()));
        let powers = Powers::of(&changes, images.as_ref(), surroundings);
        let mut plan = Self {
            digest: Digest::of(b""),
            bundle: subject.bundle,
            component: granted.map(|granted| granted.verified().component().digest()),
            installation: subject.installation.clone(),
            action: subject.action,
            revision: subject.revision,
            target: subject.target,
            inputs: subject.inputs,
            credentials: flows(&changes, surroundings),
            changes: changes.iter().map(Planned::of).collect(),
            rbac: rights.roles(&role_name(&subject.installation)),
            escalations: rights.escalations().map(ToString::to_string).collect(),
            powers: powers.there,
            powers_gone: powers.gone,
            host_calls: host_calls(calls),
            withheld: granted.map(Granted::withheld).unwrap_or_default(),
            refused: work.failures.iter().map(ToString::to_string).collect(),
            steps,
        };
        plan.digest = plan.computed();
        plan
    }

    /// Whether anything would change.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|row| row.action == Change::Unchanged)
    }

    /// How many objects a change would happen to.
    pub fn count(&self, change: Change) -> usize {
        self.changes.iter().filter(|row| row.action == change).count()
    }

    /// What the plan would replace.
    pub fn replacements(&self) -> impl Iterator<Item = &Planned> {
        self.changes.iter().filter(|row| row.action == Change::Replace)
    }

    fn computed(&self) -> Digest {
        let mut value = json!(self);
        if let Value::Object(members) = &mut value {
            members.remove("digest");
            members.remove("revision");
            // They are read off the objects, which count themselves, and off whatever else is in the cluster at the moment.
            members.remove("powers");
            members.remove("powersGone");
            members.remove("refused");
        }
        let flows = value.pointer_mut("/credentials").and_then(Value::as_array_mut);
        for flow in flows.into_iter().flatten().filter_map(Value::as_object_mut) {
            flow.remove("readers");
        }
        for row in value.pointer_mut("/changes").and_then(Value::as_array_mut).into_iter().flatten() {
            row.as_object_mut().and_then(|row| row.remove("diff"));
        }
        Digest::of(&canonical(&value).unwrap_or_default())
    }
}

impl Planned {
    fn of(row: &ObjectChange) -> Self {
        let bare = Self {
            action: row.change,
            object: row.object.clone(),
            diff: None,
            fields: Vec::new(),
            delta: None,
            adopts: row.marks.adopts,
            dry_run: row.marks.not_dry_run,
            immutable: row.immutable.clone(),
        };
        match row.change {
            Change::Replace | Change::Update => bare.with_difference(row),
            Change::Create | Change::Delete | Change::Unchanged => bare,
        }
    }

    fn with_difference(self, row: &ObjectChange) -> Self {
        let (before, after) = showable(&row.object, row.before.as_ref(), row.after.as_ref());
        let delta = delta::delta(before.as_ref(), after.as_ref());
        let diff = Some(difference(before.as_ref(), after.as_ref()));
        let digest = Some(delta::digest(&delta));
        Self { diff, delta: digest, fields: delta.into_keys().collect(), ..self }
    }
}

/// What the roles of an installation are called. No two installations share a name, also where one has rights in the
/// namespace of another.
pub fn role_name(installation: &InstallationName) -> String {
    format!("carnet:{}:{}", installation.namespace, installation.name)
}

/// Two states of an object as they may be shown and compared: without what the server writes and values of Secrets.
fn showable(
    object: &ObjectRef,
    before: Option<&Value>,
    after: Option<&Value>,
) -> (Option<Value>, Option<Value>) {
    let (before, after) = (before.map(comparable), after.map(comparable));
    if object.is_secret() { hidden(before, after) } else { (before, after) }
}

/// The difference between two states that may be shown, as a unified diff of YAML.
fn difference(before: Option<&Value>, after: Option<&Value>) -> String {
    let text = |value: Option<&Value>| {
        value.and_then(|value| serde_saphyr::to_string(value).ok()).unwrap_or_default()
    };
    TextDiff::from_lines(text(before), text(after)).unified_diff().context_radius(3).to_string()
}

/// An object without what the server writes, and without copies of itself.
fn comparable(value: &Value) -> Value {
    let mut value = document::sorted(&without_bookkeeping(value));
    if let Some(Value::Object(annotations)) = value.pointer_mut("/metadata/annotations") {
        annotations.remove(LAST_APPLIED);
    }
    value
}

/// Values of Secrets become words that tell only whether they differ.
fn hidden(before: Option<Value>, after: Option<Value>) -> (Option<Value>, Option<Value>) {
    let old = before.clone().unwrap_or_default();
    let hide = |value: Option<Value>, word: &str| {
        value.map(|mut value| {
            for member in ["data", "stringData"] {
                let Some(Value::Object(values)) = value.get_mut(member) else { continue };
                for (key, held) in values.iter_mut() {
                    let same = old.get(member).and_then(|old| old.get(key)) == Some(held);
                    *held = Value::from(if same { "(a value)" } else { word });
                }
            }
            value
        })
    };
    (hide(before, "(a value)"), hide(after, "(another value)"))
}

fn flows(changes: &[ObjectChange], surroundings: &Surroundings) -> Vec<Flow> {
    let mut readers = powers::readers(changes, surroundings);
    let mut flows = BTreeMap::<String, Vec<String>>::new();
    for row in changes {
        for (key, names) in &row.placements {
            for name in names {
                let namespace = row.object.namespace.as_deref().unwrap_or_default();
                let place = format!("{namespace}/Secret/{}:{key}", row.object.name);
                flows.entry(name.clone()).or_default().push(place);
            }
        }
    }
    flows
        .into_iter()
        .map(|(name, into)| Flow { readers: readers.remove(&name).unwrap_or_default(), name, into })
        .collect()
}

fn host_calls(calls: &Calls) -> Vec<HostCall> {
    calls
        .iter()
        .map(|((interface, function), count)| HostCall {
            interface: (*interface).to_owned(),
            function: (*function).to_owned(),
            count: *count,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> ObjectRef {
        ObjectRef::new("v1", "Secret", Some("a"), "b")
    }

    #[test]
    fn a_difference_never_shows_a_value_of_a_secret() {
        let before = json!({"data": {"same": "c2FtZQ==", "other": "b25l"},
            "metadata": {"annotations": {LAST_APPLIED: "b25l"}}});
        let after = json!({"data": {"same": "c2FtZQ==", "other": "dHdv", "new": "bmV3"}, "metadata": {"annotations": {}}});
        let (before, after) = showable(&secret(), Some(&before), Some(&after));
        let diff = difference(before.as_ref(), after.as_ref());
        for value in ["c2FtZQ==", "b25l", "dHdv", "bmV3"] {
            assert!(!diff.contains(value), "{diff}");
        }
        assert!(diff.contains("-  other: (a value)") && diff.contains("+  other: (another value)"), "{diff}");
    }

    #[test]
    fn what_the_server_writes_is_no_difference() {
        let before =
            json!({"metadata": {"name": "b", "uid": "1", "resourceVersion": "2"}, "status": {"x": 1}});
        let after =
            json!({"metadata": {"name": "b", "uid": "1", "resourceVersion": "3"}, "status": {"x": 2}});
        let (before, after) = showable(&secret(), Some(&before), Some(&after));
        assert_eq!(difference(before.as_ref(), after.as_ref()), "");
        assert!(delta::delta(before.as_ref(), after.as_ref()).is_empty());
    }
}
