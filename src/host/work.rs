//! What a run does to its target, in the planning pass and in the acting one.
//!
//! The planning pass writes nothing: it notes each step, and reads see what the run would have done (the overlay). The
//! acting pass does the same steps and no others; one that differs ends the run before it is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::canonical::canonical;
use crate::digest::Digest;
use crate::grant::{Generate, Permitted, Wait, before_generate};
use crate::kubernetes::difference::without_bookkeeping;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::manifest::Object;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::objects::Objects;
use crate::targets::credentials::{self, LentCredentials, Placements};
use crate::targets::{
    self, Change, DryRunMode, Inventory, Ledger, Marks, Overrides, Prepared, Preview, Recorded, Target,
};

use super::GuestError;
use super::wait::{Awaited, Late, Waiter, now};
use super::watch::{Unready, Watcher};

/// A target, and what one pass of a run does to it.
pub struct Work {
    /// The target.
    pub target: Target,
    /// How kinds are served.
    pub kinds: Kinds,
    /// What the installation has there.
    pub inventory: Inventory,
    /// What the operator insists on.
    pub overrides: Overrides,
    /// Whether the run waits until objects are ready.
    pub waiting: Waiting,
    /// Which pass this is.
    pub pass: Pass,
    /// The credentials that were lent.
    pub lent: LentCredentials,
    /// What the component read or waited for.
    pub reads: BTreeSet<ObjectRef>,
    /// The steps taken, in order.
    pub steps: Vec<Step>,
    /// What each step does, as the planning pass found it out: what the component is told in both passes.
    pub answers: Vec<Answer>,
    /// Objects as they were when the run was planned, by what they are called.
    pub seen: BTreeMap<String, Value>,
    /// What each object's last step did.
    pub changes: Objects<ObjectChange>,
    /// What the target refused, in order.
    pub failures: Vec<targets::Error>,
    /// Sees what the run waits for.
    pub watcher: Arc<dyn Watcher>,
    /// What was not ready when the last waiting ended.
    pub late: Vec<Late>,
    /// What was removed and is still there.
    pub going: Vec<Awaited>,
}

/// The most refusals of the target that are kept for the operator.
const MAX_FAILURES: usize = 100;

/// How long the run may wait for its target.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// Whether it waits at all.
    pub enabled: bool,
    /// When it ends, for all waiting together.
    pub until: Instant,
}

/// The two passes of a run.
pub enum Pass {
    /// Everything is done again, and compared with the plan.
    Acting {
        /// The steps of the plan.
        planned: Vec<Step>,
        /// Objects that are as they are to be, by what they are called: nothing is sent for them.
        settled: BTreeSet<String>,
        /// Where it is written down.
        ledger: Box<dyn Ledger>,
    },
    /// Nothing is written. Objects that the run would have applied or deleted.
    Planning {
        /// What reads see in the place of the target: an object, or that it is gone.
        overlay: BTreeMap<String, Option<Value>>,
        /// How it is found out what a write would do.
        trial: DryRunMode,
    },
}

/// What the planning pass found out about a step.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It does this.
    Does(Change),
    /// The target refused the call that it is a part of, in these words. The acting pass does not even try.
    Refused(GuestError),
}

/// One write to the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Whether the object is removed, rather than applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// Which object.
    pub object: ObjectRef,
    /// The digest of the manifest, with placeholders in the place of credentials.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub manifest: Option<Digest>,
}

/// What happens to one object.
#[derive(Debug, Clone)]
pub struct ObjectChange {
    /// Which object.
    pub object: ObjectRef,
    /// What happens.
    pub change: Change,
    /// The object as it is.
    pub before: Option<Value>,
    /// The object as it would be.
    pub after: Option<Value>,
    /// The credentials that flow into it.
    pub placements: Placements,
    /// What else is to be known.
    pub marks: Marks,
    /// The fields that stay as they were created, where it is to be replaced for them.
    pub immutable: Vec<String>,
}

/// The run departed from its plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the run departs from its plan: {actual}, where the plan has {planned}")]
pub struct Departure {
    /// What the plan has at this place.
    pub planned: String,
    /// What the component did.
    pub actual: String,
}

impl ObjectChange {
    /// The same change, if the values that hold credentials are as they should be: for comparing without knowing them.
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

impl Step {
    /// The step that applies an object.
    pub fn apply(object: &Object) -> Self {
        let manifest = canonical(object.body()).ok().map(|bytes| Digest::of(&bytes));
        Self { delete: false, object: object.reference().clone(), manifest }
    }

    /// The step that removes an object.
    pub fn delete(object: ObjectRef) -> Self {
        Self { delete: true, object, manifest: None }
    }

    fn describe(&self) -> String {
        match (self.delete, &self.manifest) {
            (true, _) => format!("delete {}", self.object),
            (false, Some(manifest)) => format!("apply {} ({})", self.object, manifest.short()),
            (false, None) => format!("apply {}", self.object),
        }
    }
}

impl Pass {
    /// The acting pass of a plan, with what its steps do.
    pub fn acting(planned: Vec<Step>, answers: &[Answer], ledger: Box<dyn Ledger>) -> Self {
        let mut is_settled = BTreeMap::<String, bool>::new();
        for (step, answer) in planned.iter().zip(answers) {
            // One step that changes an object makes all of them necessary: each was compared with what was there first.
            if let Answer::Does(change) = answer {
                *is_settled.entry(key(&step.object)).or_insert(true) &= *change == Change::Unchanged;
            }
        }
        let settled = is_settled.into_iter().filter(|(_, is_settled)| *is_settled).map(|(name, _)| name);
        Self::Acting { settled: settled.collect(), planned, ledger }
    }
}

impl Work {
    /// Takes a step: notes it when planning, compares it with the plan when acting.
    ///
    /// # Errors
    /// [`Departure`] when the plan has something else at this place.
    pub fn step(&mut self, step: Step) -> Result<(), Departure> {
        // Invariant: what is applied is what was planned, or it stops.
        if let Pass::Acting { planned, .. } = &self.pass {
            match planned.get(self.steps.len()) {
                Some(expected) if *expected == step => {}
                expected => {
                    let planned = expected.map_or_else(|| "nothing more".to_owned(), Step::describe);
                    return Err(Departure { planned, actual: step.describe() });
                }
            }
        }
        self.steps.push(step);
        Ok(())
    }

    /// Notes that the target refused the call that began with this step, when it was planned.
    pub fn refused(&mut self, first: usize, told: &GuestError) {
        if let Pass::Planning { .. } = self.pass {
            self.answers.truncate(first);
            self.answers.resize(self.steps.len(), Answer::Refused(told.clone()));
        }
    }

    /// What the component was told when the call that begins with this step was planned and refused. Such a call is never
    /// made for real: what the target would not have when it was asked, it must not be handed unasked.
    pub fn refusal(&self, first: usize) -> Option<GuestError> {
        match (&self.pass, self.answers.get(first)) {
            (Pass::Acting { .. }, Some(Answer::Refused(told))) => Some(told.clone()),
            _ => None,
        }
    }

    /// The steps that are writes, with what each of them does: all but those that were refused when they were planned.
    pub fn writes(&self) -> impl Iterator<Item = (&Step, Change)> {
        self.steps.iter().zip(&self.answers).filter_map(|(step, answer)| match answer {
            Answer::Does(change) => Some((step, *change)),
            Answer::Refused(_) => None,
        })
    }

    /// Checks at the end of a run that it took all steps of its plan.
    ///
    /// # Errors
    /// [`Departure`] when the plan has more.
    pub fn finished(&self) -> Result<(), Departure> {
        match &self.pass {
            Pass::Acting { planned, .. } => match planned.get(self.steps.len()) {
                Some(next) => Err(Departure { planned: next.describe(), actual: "it ended".into() }),
                None => Ok(()),
            },
            Pass::Planning { .. } => Ok(()),
        }
    }

    /// What reads see in the place of the target: `None` where the target itself is to be asked.
    pub fn overlaid(&self, object: &ObjectRef) -> Option<Option<Value>> {
        match &self.pass {
            Pass::Planning { overlay, .. } => overlay.get(&key(object)).cloned(),
            Pass::Acting { .. } => None,
        }
    }

    /// Finds a generated credential again, in one of the Secrets that it may live in. These reads are the host's own, and
    /// the only ones of a run that the component did not ask for.
    ///
    /// # Errors
    /// When the target cannot be read, or the credential is no text any more.
    pub async fn generated(
        &mut self,
        permit: &Permitted<Generate>,
        installation: &str,
    ) -> Result<Option<SecretString>, targets::Error> {
        let homes = before_generate(permit);
        self.reads.extend(homes.iter().map(|home| home.0.clone()));
        for home in homes {
            let found = match self.overlaid(&home.0) {
                Some(overlaid) => overlaid,
                None => self.target.get(&home, &self.kinds).await?,
            };
            let is_own = |secret: &Value| {
                targets::is_own(&home.0, secret, installation, &self.inventory, self.overrides)
            };
            let held = found
                .filter(is_own)
                .map(|secret| credentials::generated(&secret, &permit.name))
                .transpose()?;
            if let Some(value) = held.flatten() {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Notes what the run would have made of an object.
    pub fn overlay(&mut self, object: &ObjectRef, value: Option<Value>) {
        if let Pass::Planning { overlay, .. } = &mut self.pass {
            overlay.insert(key(object), value);
        }
    }

    /// What is recorded of an object before it goes out. Its identity stays recorded only if it is the one that was there
    /// when this was planned: what is made now will have another.
    pub fn intended(&self, prepared: &Prepared) -> Recorded {
        let seen = self.seen.get(&prepared.object().to_string());
        let seen = seen.and_then(|seen| seen.pointer("/metadata/uid")?.as_str());
        let recorded = self.inventory.find(prepared.object()).and_then(|recorded| recorded.uid.clone());
        let uid = recorded.filter(|uid| seen == Some(uid));
        Recorded { uid, ..prepared.recorded() }
    }

    /// Writes down that an object was applied.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn applied(&mut self, recorded: &Recorded) -> Result<(), targets::Error> {
        if let Pass::Acting { ledger, .. } = &mut self.pass {
            ledger.applied(recorded)?;
        }
        self.inventory.record(std::slice::from_ref(recorded));
        Ok(())
    }

    /// Notes what happened to an object. Of several steps on one object, the plan shows the first state and the last.
    pub fn changed(&mut self, object: &ObjectRef, preview: Preview, placements: Placements) {
        let Preview { change, before, after, marks, immutable } = preview;
        let first = self.changes.remove(object);
        let is_first = first.is_none();
        let was_there = first.as_ref().map_or(change, |row| row.change) != Change::Create;
        let (before, adopts) = first.map_or((before, marks.adopts), |row| (row.before, row.marks.adopts));
        let change = match change {
            Change::Delete if !was_there => return,
            Change::Delete => Change::Delete,
            _ if !was_there => Change::Create,
            change if is_first => change,
            _ if before.as_ref() == Some(&after) => Change::Unchanged,
            Change::Replace => Change::Replace,
            _ => Change::Update,
        };
        let after = (change != Change::Delete).then_some(after);
        let marks = Marks { adopts, ..marks };
        let row =
            ObjectChange { object: object.clone(), change, before, after, placements, marks, immutable };
        self.changes.insert(object, row);
    }

    /// Notes what the target refused.
    pub fn failed(&mut self, error: targets::Error) {
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(error);
        }
    }

    /// Waits until every object is ready, one of them never will be, or the time is over. Those that are not are late.
    ///
    /// # Errors
    /// When the target cannot be read.
    pub async fn await_ready(
        &mut self,
        permits: Vec<Permitted<Wait>>,
        until: Instant,
    ) -> Result<(), targets::Error> {
        let Self { target, kinds, watcher, late, .. } = self;
        let awaited = permits.into_iter().map(Awaited::Ready).collect();
        *late = Waiter { target, kinds, watcher: &**watcher, until }.settle(awaited).await?;
        Ok(())
    }

    /// What was not ready when the last waiting ended, and what hinders it: for the operator alone.
    pub async fn unready(&mut self) -> Vec<Unready> {
        let Self { target, kinds, watcher, late, waiting, .. } = self;
        let waiter = Waiter { target, kinds, watcher: &**watcher, until: waiting.until };
        waiter.explained(std::mem::take(late)).await
    }

    /// How long the run may still wait.
    pub fn patience(&self) -> Duration {
        self.waiting.until.saturating_duration_since(now())
    }
}

fn key(object: &ObjectRef) -> String {
    object.to_string()
}
