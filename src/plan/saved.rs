//! A plan that was made earlier, perhaps elsewhere: read back, and compared with what would be done now.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::document::{self, visible};
use crate::kubernetes::object::ObjectId;
use crate::targets::{Change, Place};
use crate::text::CommandLine;

use super::departures::{calls, credentials, parameters, rights};
use super::powers::{ClusterContext, Coverage, Powers};
use super::trace::ObjectChange;
use super::{InstallationName, Plan, PlannedChange};

/// The members that the command line adds around a plan.
const ENVELOPE: [(&str, &str); 2] = [("apiVersion", "carnet.dev/v1alpha1"), ("kind", "Plan")];

/// Why a document is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It is something else.
    #[error("its {0} is not `{1}`")]
    Another(&'static str, &'static str),
    /// It was changed after it was made.
    #[error("its digest is {computed}, and it says {stated}: it was changed after it was made")]
    Digest {
        /// The digest that the document states.
        stated: Digest,
        /// The digest computed from its contents.
        computed: Digest,
    },
    /// It is no document of this shape.
    #[error("it is not a plan document")]
    Document(#[from] document::InvalidDocument),
    /// It does not say what it would apply: it was made before plans did.
    #[error(
        "it does not show the manifest of `{0}`, so an earlier version of carnet has made it: make it once more"
    )]
    NoManifest(String),
    /// It has members that this version does not know, and that its digest does not cover.
    #[error("it has members that a plan does not have: {}", .0.join(", "))]
    Unknown(Vec<String>),
}

impl Plan {
    /// The longest plan that is read, in bytes: the manifests of a run, whose calls may hand over as many by default.
    pub const MAX_BYTES: usize = 64 << 20;

    /// Reads a plan that `carnet plan -o json` has written. That it was not changed since is checked; that whoever made
    /// it meant well is not.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn read(bytes: &[u8]) -> Result<Self, Unusable> {
        let mut value = document::json_within(bytes, Self::MAX_BYTES)?;
        for (name, expected) in ENVELOPE {
            let found = value.as_object_mut().and_then(|members| members.remove(name));
            if found != Some(Value::from(expected)) {
                return Err(Unusable::Another(name, expected));
            }
        }
        let (plan, unknown): (Self, _) = document::typed(value)?;
        if !unknown.is_empty() {
            return Err(Unusable::Unknown(unknown.iter().map(|name| visible(name)).collect()));
        }
        let computed = plan.computed();
        if computed != plan.digest {
            return Err(Unusable::Digest { stated: plan.digest, computed });
        }
        let applies =
            |row: &PlannedChange| matches!(row.action, Change::Create | Change::Replace | Change::Update);
        match plan.changes.iter().find(|row| applies(row) && row.manifest.is_none()) {
            Some(row) => Err(Unusable::NoManifest(visible(&row.object.to_string()))),
            None => Ok(plan),
        }
    }

    /// The command that makes a plan of the same once more, without what is granted and given.
    pub fn again(&self) -> CommandLine {
        let InstallationName { name, namespace } = &self.installation;
        let line = CommandLine::of("carnet plan").word(name).word(&self.inputs.reference);
        let target = Place::of_plan(&self.target).map_or_else(|_| self.target.clone(), |it| it.to_string());
        line.own("-n").word(namespace).own("--target").word(target)
    }

    /// The plan without whatever its digest does not cover, which anybody could have written into the document: powers are
    /// read off the manifests again, differences and sentences for people are left out.
    #[must_use]
    pub fn vouched_for(&self) -> Self {
        let mut plan = self.clone();
        for row in &mut plan.changes {
            *row = PlannedChange { diff: None, not_tried: None, warnings: Vec::new(), ..row.clone() };
        }
        for flow in &mut plan.credentials {
            flow.readers.clear();
        }
        let rows: Vec<_> = plan.changes.iter().map(as_change).collect();
        let context = ClusterContext::unknown(Coverage::NotAsked);
        let (powers_gone, refused, cautions) = (Vec::new(), Vec::new(), Vec::new());
        Self { powers: Powers::of(&rows, None, None, &context).there, powers_gone, refused, cautions, ..plan }
    }

    /// Differences between this saved plan and `now`, a fresh one, a line each. Any of them means that this plan is
    /// stale.
    pub fn departures(&self, now: &Self) -> Vec<String> {
        let untried: BTreeSet<_> = self.untried().chain(now.untried()).collect();
        let (planned, mut now) = (self.without_trials(&untried), now.without_trials(&untried));
        // Who signed it counts for what it was known to be signed by, wherever its bytes come from by now.
        now.inputs.signers.clone_from(&planned.inputs.signers);
        if planned.computed() == now.computed() {
            return Vec::new();
        }
        planned.departures_of(&now)
    }

    /// The objects that were not tried out: whoever made the plan may not write them, or the server could not judge
    /// them yet, which may depend on who asks.
    fn untried(&self) -> impl Iterator<Item = ObjectId> {
        self.changes.iter().filter(|row| row.dry_run.is_some()).map(|row| row.object.id())
    }

    /// The plan without what trying out these objects has shown. Their manifests are still compared.
    fn without_trials(&self, objects: &BTreeSet<ObjectId>) -> Self {
        let mut plan = self.clone();
        for row in plan.changes.iter_mut().filter(|row| objects.contains(&row.object.id())) {
            *row = PlannedChange {
                fields: Vec::new(),
                delta: None,
                dry_run: None,
                not_tried: None,
                conflicts: Vec::new(),
                ..row.clone()
            };
        }
        plan
    }

    fn departures_of(&self, now: &Self) -> Vec<String> {
        let mut found = self.departing_objects(now);
        found.extend(parameters(&self.inputs.parameters, &now.inputs.parameters));
        found.extend(rights(&self.rbac, &now.rbac));
        found.extend(credentials(&self.credentials, &now.credentials));
        found.extend(calls(&self.host_calls, &now.host_calls));
        if self.inputs.grant != now.inputs.grant {
            found.push("the grant is another one".into());
        }
        for (name, planned, actual) in self.members_beside(now) {
            if planned != actual {
                found.push(format!("{name}: {} was planned, now it is {}", shown(&planned), shown(&actual)));
            }
        }
        if self.steps != now.steps && found.is_empty() {
            found.push("the objects that are applied, or their order".into());
        }
        if found.is_empty() {
            found.push("the plan as a whole".into());
        }
        found
    }

    fn departing_objects(&self, now: &Self) -> Vec<String> {
        let rows = |plan: &Self| -> BTreeMap<ObjectId, PlannedChange> {
            plan.changes.iter().map(|row| (row.object.id(), row.clone())).collect()
        };
        let (planned, mut actual) = (rows(self), rows(now));
        let (planned_manifests, manifests) = (self.manifests(), now.manifests());
        let mut found = Vec::new();
        for (id, row) in planned {
            let name = &row.object;
            match actual.remove(&id) {
                None => found.push(format!("{name}: {} was planned, now it is not touched", row.action)),
                Some(new) if new.action != row.action => {
                    found.push(format!("{name}: {} was planned, now it would be {}", row.action, new.action));
                    found.extend(lines(&new));
                }
                Some(new) if new.delta != row.delta => {
                    found.push(format!("{name}: the difference is another one"));
                    found.extend(lines(&new));
                }
                Some(_) if planned_manifests.get(&id) != manifests.get(&id) => {
                    found.push(format!("{name}: another manifest would be applied"));
                }
                Some(_) => {}
            }
        }
        found.extend(actual.values().map(|row| format!("{}: {} is new", row.object, row.action)));
        found
    }

    /// The planned members apart from the objects, by name.
    fn members_beside(&self, now: &Self) -> Vec<(&'static str, Value, Value)> {
        let of = |plan: &Self| {
            [
                json!(plan.bundle.digest),
                json!(plan.component),
                json!(format!("{}/{}", plan.installation.namespace, plan.installation.name)),
                json!(plan.action),
                json!(plan.target),
                json!(plan.withheld.join(" ")),
            ]
        };
        const NAMES: [&str; 6] =
            ["bundle", "component", "installation", "action", "target", "what is not granted"];
        NAMES
            .into_iter()
            .zip(of(self))
            .zip(of(now))
            .map(|((name, planned), actual)| (name, planned, actual))
            .collect()
    }

    /// The manifest that each object is left with.
    fn manifests(&self) -> BTreeMap<ObjectId, Option<Digest>> {
        self.steps.iter().map(|step| (step.object.id(), step.manifest)).collect()
    }
}

/// A row as a change from nothing to its manifest.
fn as_change(row: &PlannedChange) -> ObjectChange {
    ObjectChange {
        manifest: row.manifest.clone(),
        immutable: row.immutable.clone(),
        conflicts: row.conflicts.clone(),
        ..ObjectChange::bare(row.object.clone(), row.action, None, row.manifest.clone())
    }
}

/// The lines of a difference that say something, indented.
fn lines(row: &PlannedChange) -> Vec<String> {
    let diff = row.diff.as_deref().unwrap_or_default();
    diff.lines().filter(|line| line.starts_with(['+', '-'])).map(|line| format!("  {line}")).collect()
}

/// A value, short enough for one line.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 200;
    let text = match value {
        Value::Null => "none".to_owned(),
        value => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    format!("{}…", text.chars().take(LONGEST).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::computed::tests::plan;

    #[test]
    fn the_command_that_plans_anew_names_the_same_target() {
        let again = |target: &str| Plan { target: target.into(), ..plan() }.again();
        for (target, word) in [
            ("kube", "kube"),
            ("kube (https://a:6443)", "kube"),
            ("dir:/a", "dir:/a"),
            ("dir:/a (b)/c", "'dir:/a (b)/c'"),
            // Another version of the program wrote it.
            ("ssh:/x (y)", "'ssh:/x (y)'"),
        ] {
            assert_eq!(
                again(target),
                format!("carnet plan web layout:x -n prod --target {word}"),
                "{target}"
            );
        }
    }

    #[test]
    fn nothing_that_the_digest_does_not_cover_is_vouched_for() {
        let saved = plan();
        let vouched = saved.vouched_for();
        assert_eq!(vouched.computed(), saved.computed());
        for row in &vouched.changes {
            assert!(row.diff.is_none() && row.not_tried.is_none() && row.warnings.is_empty(), "{row:?}");
        }
        assert!(vouched.credentials.iter().all(|flow| flow.readers.is_empty()), "whose readers they are");
    }

    #[test]
    fn a_long_value_is_cut_between_letters_and_says_so() {
        assert_eq!(
            (shown(&Value::Null), shown(&json!("a")), shown(&json!([1]))),
            ("none".into(), "a".into(), "[1]".into())
        );
        let (fits, long) = ("ä".repeat(200), "ä".repeat(201));
        assert_eq!(shown(&json!(fits)), fits);
        assert_eq!(shown(&json!(long)), format!("{fits}…"));
    }
}
