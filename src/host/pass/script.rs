//! The script of a run: the steps of the planning pass, in order, with the result of each, which the acting pass has to
//! follow.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::GuestError;
use crate::host::told::CallError;
use crate::kubernetes::object::ObjectId;
use crate::plan::trace::Step;
use crate::targets::Change;

/// The steps of a planning pass.
#[derive(Debug, Clone, Default)]
pub struct Script {
    steps: Vec<(Step, Answer)>,
    /// Whether they were foretold from reads, so that nobody has tried out what the target says to all of them.
    is_foretold: bool,
}

/// The planned result of a step.
#[derive(Debug, Clone)]
enum Answer {
    /// It makes this change.
    Does(Change),
    /// The target refused the call that it is a part of, with this error. The acting pass does not send it.
    Refused(GuestError),
}

/// Follows a script, step by step.
#[derive(Debug)]
pub(super) struct Follower {
    script: Script,
    taken: usize,
    /// The first step that was taken and failed.
    failed: Option<Step>,
}

/// The run departed from its plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the run departs from its plan: {actual}, where the plan has {planned}")]
pub struct Departure {
    /// The planned step.
    pub planned: String,
    /// The step that the component took.
    pub actual: String,
}

impl Script {
    /// A script without steps. Those of a foretold one were not all tried out.
    pub(super) fn new(is_foretold: bool) -> Self {
        Self { steps: Vec::new(), is_foretold }
    }

    /// Notes the steps of one call, and its result.
    pub(super) fn note(&mut self, steps: Vec<Step>, outcome: &Result<Vec<Change>, CallError>) {
        match outcome {
            Ok(changes) => {
                let does = changes.iter().map(|change| Answer::Does(*change));
                self.steps.extend(steps.into_iter().zip(does));
            }
            Err(error) => {
                let told = error.told();
                let refused = |step| Some((step, Answer::Refused(told.clone()?)));
                self.steps.extend(steps.into_iter().filter_map(refused));
            }
        }
    }

    /// The steps, each with what it does. None: it was refused.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&Step, Option<Change>)> {
        self.steps.iter().map(|(step, answer)| match answer {
            Answer::Does(change) => (step, Some(*change)),
            Answer::Refused(_) => (step, None),
        })
    }

    /// Objects whose apply is a no-op: no request is sent for them.
    pub(super) fn settled(&self) -> BTreeSet<ObjectId> {
        let mut is_settled = BTreeMap::<ObjectId, bool>::new();
        for (step, change) in self.steps() {
            // If one step changes an object, all steps on it are needed: each was compared with the object's first
            // state.
            if let Some(change) = change {
                *is_settled.entry(step.object.id()).or_insert(true) &= change == Change::Unchanged;
            }
        }
        is_settled.into_iter().filter(|(_, is_settled)| *is_settled).map(|(id, _)| id).collect()
    }
}

impl Follower {
    pub(super) fn new(script: Script) -> Self {
        Self { script, taken: 0, failed: None }
    }

    /// Takes the steps of one call, and returns the planned change of each.
    ///
    /// # Errors
    /// The [`Departure`] from the plan; or the planned error, where the target refused the call in the dry run. Such a
    /// call is never sent for real: it was no part of the confirmed plan.
    pub(super) fn take(&mut self, steps: impl Iterator<Item = Step>) -> Result<Vec<Change>, CallError> {
        let mut changes = Vec::new();
        let mut refused = None;
        for step in steps {
            // Invariant: what is applied is what was planned, or it stops.
            match self.script.steps.get(self.taken) {
                Some((planned, answer)) if *planned == step => match answer {
                    Answer::Does(change) => changes.push(*change),
                    Answer::Refused(told) => refused = Some(told.clone()),
                },
                expected => {
                    let planned = expected.map_or_else(|| "nothing more".to_owned(), |it| it.0.describe());
                    let departure = Departure { planned, actual: step.describe() };
                    return Err(CallError::Run(departure.into()));
                }
            }
            self.taken += 1;
        }
        refused.map_or(Ok(changes), |told| Err(CallError::Guest(told)))
    }

    /// Notes what came of a call that began with this step. A component may pass over an error, but what was planned
    /// and not done is no success. The exception is a call of which the target refused all (`was_refused`), in a plan that was
    /// foretold from reads: had it been tried out, the plan would have said so, and the component could have gone on
    /// without.
    pub(super) fn note<T>(
        &mut self,
        step: Option<Step>,
        outcome: Result<T, CallError>,
        was_refused: bool,
    ) -> Result<T, CallError> {
        let is_tolerable = was_refused && self.script.is_foretold;
        if outcome.is_err() && !is_tolerable && self.failed.is_none() {
            self.failed = step;
        }
        outcome
    }

    /// Checks that all steps were taken, and that none of them failed.
    ///
    /// # Errors
    /// [`Departure`] when the plan has more.
    pub(super) fn finished(&self) -> Result<(), Departure> {
        if let Some(failed) = &self.failed {
            return Err(Departure { planned: failed.describe(), actual: "a call that failed".into() });
        }
        match self.script.steps.get(self.taken) {
            Some((next, _)) => Err(Departure { planned: next.describe(), actual: "it ended".into() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::object::ObjectRef;

    fn step(name: &str) -> Step {
        Step::delete(ObjectRef {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("a".into()),
            name: name.into(),
        })
    }

    type Outcome = Result<Vec<Change>, CallError>;

    /// Calls, each with the names of what it is about and what came of it.
    fn script<const N: usize>(calls: [(&[&str], Outcome); N]) -> Script {
        let mut script = Script::default();
        for (names, outcome) in calls {
            script.note(names.iter().map(|name| step(name)).collect(), &outcome);
        }
        script
    }

    fn departure(taken: Outcome) -> String {
        match taken {
            Err(CallError::Run(error)) => error.to_string(),
            _ => panic!("it went on"),
        }
    }

    #[test]
    fn the_same_steps_do_the_same() {
        use Change::{Create, Update};
        let mut follower = Follower::new(script([(&["a", "b"], Ok(vec![Create, Update]))]));
        let taken = follower.take([step("a"), step("b")].into_iter()).ok();
        assert_eq!(taken, Some(vec![Create, Update]));
        assert_eq!(follower.finished(), Ok(()));
    }

    #[test]
    fn another_step_another_order_one_more_and_one_less_are_departures() {
        let planned = || Follower::new(script([(&["a", "b"], Ok(vec![Change::Create; 2]))]));
        let text = departure(planned().take([step("c")].into_iter()));
        assert_eq!(
            text,
            "the run departs from its plan: delete ConfigMap a/c, where the plan has delete ConfigMap a/a"
        );
        let text = departure(planned().take([step("b"), step("a")].into_iter()));
        assert!(text.contains("delete ConfigMap a/b, where the plan has delete ConfigMap a/a"), "{text}");
        let text = departure(planned().take([step("a"), step("b"), step("c")].into_iter()));
        assert!(text.contains("where the plan has nothing more"), "{text}");
        let mut one = planned();
        assert!(one.take([step("a")].into_iter()).is_ok());
        assert_eq!(one.finished().unwrap_err().actual, "it ended");
    }

    #[test]
    fn a_step_that_failed_is_a_departure_also_where_the_component_went_on() {
        let mut follower = Follower::new(script([(&["a", "b"], Ok(vec![Change::Create; 2]))]));
        assert!(follower.take([step("a"), step("b")].into_iter()).is_ok());
        // A step that was tried out when it was planned, and is refused now, is one as well.
        assert!(follower.note(Some(step("a")), Err::<(), _>(CallError::invalid("no")), true).is_err());
        assert!(follower.note(Some(step("b")), Err::<(), _>(CallError::invalid("no")), false).is_err());
        let text = follower.finished().unwrap_err().to_string();
        let expected = "a call that failed, where the plan has delete ConfigMap a/a";
        assert_eq!(text, format!("the run departs from its plan: {expected}"));
        let mut follower = Follower::new(script([(&["a"], Ok(vec![Change::Create]))]));
        assert!(follower.take([step("a")].into_iter()).is_ok());
        assert!(follower.note(Some(step("a")), Ok(()), false).is_ok());
        assert_eq!(follower.finished(), Ok(()));
    }

    #[test]
    fn what_was_foretold_and_refused_as_a_whole_is_what_a_dry_run_would_have_shown() {
        let foretold = || {
            let mut script = Script::new(true);
            script.note(vec![step("a")], &Ok(vec![Change::Create]));
            let mut follower = Follower::new(script);
            assert!(follower.take([step("a")].into_iter()).is_ok());
            follower
        };
        let refused = || Err::<(), _>(CallError::invalid("no"));
        let mut follower = foretold();
        assert!(follower.note(Some(step("a")), refused(), true).is_err(), "the component is told");
        assert_eq!(follower.finished(), Ok(()));
        let mut follower = foretold();
        assert!(follower.note(Some(step("a")), refused(), false).is_err());
        assert!(follower.finished().is_err(), "a part of it may have been written");
    }

    #[test]
    fn what_was_refused_is_not_tried_and_told_in_the_same_words() {
        let told = GuestError::Conflict("another owner".into());
        let calls: [(&[&str], _); 2] =
            [(&["a"], Err(CallError::Guest(told.clone()))), (&["b"], Ok(vec![Change::Create]))];
        let mut follower = Follower::new(script(calls));
        // A call without steps does not advance the script.
        assert_eq!(follower.take(std::iter::empty()).ok(), Some(Vec::new()));
        match follower.take([step("a")].into_iter()) {
            Err(CallError::Guest(error)) => assert_eq!(format!("{error:?}"), format!("{told:?}")),
            _ => panic!("it was tried"),
        }
        assert_eq!(follower.take([step("b")].into_iter()).ok(), Some(vec![Change::Create]));
    }

    #[test]
    fn one_change_makes_every_step_on_an_object_necessary() {
        use Change::{Unchanged, Update};
        let calls: [(&[&str], _); 3] = [
            (&["a", "b"], Ok(vec![Unchanged, Unchanged])),
            (&["b"], Ok(vec![Update])),
            (&["c"], Err(CallError::invalid("no"))),
        ];
        assert_eq!(script(calls).settled().into_iter().collect::<Vec<_>>(), [step("a").object.id()]);
    }
}
