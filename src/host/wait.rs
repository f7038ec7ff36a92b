//! Waits until objects are ready, or gone: looks at each once, and follows those that are not by a watch; polls what cannot
//! be watched, with growing pauses.
//!
//! The observer sees which objects are missing, and every few seconds a diagnosis. The diagnosis runs beside the rest and
//! never delays it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Semaphore;

use crate::cluster::concurrent;
use crate::kubernetes::api::CORE;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::Readiness;
use crate::sync::Mutex;
use crate::targets::{self, Awaited, Followed, Target};

use super::progress::{Observer, RunEvent, Unready};

/// The first pause between two polls; each further one is half as long again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two polls.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The time until the first diagnosis, and until the second after it; each further one takes half as long again.
const ASK_WHY: Duration = Duration::from_secs(2);

/// The longest interval between two diagnoses.
const ASK_SELDOM: Duration = Duration::from_secs(10);

/// How often the observer sees what is not as it is to be.
const SHOWN: Duration = Duration::from_millis(500);

/// The most objects that are watched at a time. Servers let one connection have a hundred requests under way or more, and
/// a run has others.
const MAX_WATCHED: usize = 32;

/// The most objects that are looked at at once, of those that are not watched.
const MAX_LOOKS: usize = 16;

/// The most objects that are diagnosed at a time: nobody reads about more.
const MAX_ASKED: usize = 8;

/// The time limit of the diagnosis after the timeout.
const GRACE: Duration = Duration::from_secs(5);

/// Waits for objects of a target.
pub struct Waiter<'a> {
    /// Where the objects are.
    pub target: &'a Target,
    /// How kinds are served.
    pub kinds: &'a Kinds,
    /// The observer of the run.
    pub observer: &'a dyn Observer,
    /// The deadline.
    pub until: Instant,
}

/// An object that was not ready, or not gone, at the deadline.
pub struct TimedOut {
    awaited: Awaited,
    row: Unready,
}

/// The state of each object that is waited for.
struct Rows {
    /// None: its condition is met.
    left: Mutex<Vec<Option<Unready>>>,
    /// Objects that there was nothing to wait for, by why.
    idle: Mutex<BTreeMap<String, Vec<ObjectRef>>>,
}

impl Waiter<'_> {
    /// Waits until every condition is met, one has failed for good, or the deadline has passed. Returns the objects
    /// whose conditions are not met.
    ///
    /// # Errors
    /// When the target cannot be read.
    pub async fn settle(&self, awaited: Vec<Awaited>) -> Result<Vec<TimedOut>, targets::Error> {
        let rows = Rows::of(&awaited);
        let ended = tokio::select! {
            ended = self.look_on(&awaited, &rows) => ended,
            never = self.keep_asking(&awaited, &rows) => match never {},
        };
        self.observer.waiting(&[]);
        rows.idle().iter().for_each(|event| self.observer.noted(event));
        ended?;
        let left = awaited.into_iter().zip(rows.into_inner());
        Ok(left.filter_map(|(awaited, row)| Some(TimedOut { awaited, row: row? })).collect())
    }

    /// Adds a diagnosis to objects that timed out, as far as it is known within a few seconds.
    pub async fn explained(&self, late: Vec<TimedOut>) -> Vec<Unready> {
        let (awaited, unready): (Vec<_>, Vec<_>) = late.into_iter().map(|it| (it.awaited, it.row)).unzip();
        let rows = Rows::from(unready.into_iter().map(Some).collect::<Vec<_>>());
        // A diagnosis that takes longer is left out.
        drop(tokio::time::timeout(GRACE, self.ask_why(&awaited, &rows)).await);
        rows.left()
    }

    /// Looks at everything once, and then follows what is not as it is to be.
    async fn look_on(&self, awaited: &[Awaited], rows: &Rows) -> Result<(), targets::Error> {
        let looks = awaited.iter().enumerate().filter(|(_, awaited)| !self.is_there(awaited));
        let looks = looks.map(|(at, awaited)| async move {
            let found = self.target.look(awaited, self.kinds).await?;
            Ok::<_, targets::Error>((at, found))
        });
        let looked = concurrent::for_each(looks.collect(), |_, (at, found)| {
            rows.set(at, &found);
            Ok(())
        });
        looked.await?;
        let turns = Turns::default();
        let followed = rows.places().into_iter().map(|at| self.follow(at, &awaited[at], rows, &turns));
        let mut followed: FuturesUnordered<_> = followed.collect();
        while !rows.is_over() && now() < self.until {
            self.observer.waiting(&rows.left());
            let rest = self.until.saturating_duration_since(now());
            if let Ok(Some(ended)) = tokio::time::timeout(rest.min(SHOWN), followed.next()).await {
                ended?;
            }
        }
        Ok(())
    }

    /// Whether an object is there still, so that a first look would tell nothing that following it does not: what
    /// belongs to it goes first.
    fn is_there(&self, awaited: &Awaited) -> bool {
        let object = awaited.object();
        matches!(awaited, Awaited::Gone(..))
            && (object.is_definition() || object.is(CORE, "Namespace"))
            && self.target.can_follow(awaited)
            && now() < self.until
    }

    /// Follows one object until it is as it was to be or will not be. Only so many are watched at a time; the others are
    /// looked at now and then.
    async fn follow(
        &self,
        at: usize,
        awaited: &Awaited,
        rows: &Rows,
        turns: &Turns,
    ) -> Result<(), targets::Error> {
        let (mut pause, mut is_possible) = (FIRST_PAUSE, true);
        loop {
            if let Ok(_turn) = turns.watches.try_acquire()
                && is_possible
            {
                let followed = self.target.follow(awaited, self.kinds, |found| rows.set(at, found)).await?;
                is_possible = followed != Followed::NotPossible;
            }
            if rows.is_settled(at) {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            // Nobody closes it.
            let _turn = turns.looks.acquire().await;
            rows.set(at, &self.target.look(awaited, self.kinds).await?);
            if rows.is_settled(at) {
                return Ok(());
            }
        }
    }

    async fn keep_asking(&self, awaited: &[Awaited], rows: &Rows) -> Infallible {
        let mut pause = ASK_WHY;
        loop {
            tokio::time::sleep(pause).await;
            self.ask_why(awaited, rows).await;
            self.observer.waiting(&rows.left());
            pause = (pause * 3 / 2).min(ASK_SELDOM);
        }
    }

    async fn ask_why(&self, awaited: &[Awaited], rows: &Rows) {
        let places = rows.places();
        let asked =
            places.iter().take(MAX_ASKED).map(|at| self.ask_about(*at, &awaited[*at], rows)).collect();
        let Ok(()) = concurrent::for_each(asked, |_, ()| Ok::<_, Infallible>(())).await;
    }

    async fn ask_about(&self, at: usize, awaited: &Awaited, rows: &Rows) -> Result<(), Infallible> {
        match awaited {
            // An object that is being deleted names its finalizers itself.
            Awaited::Gone(..) => {}
            Awaited::Ready { permit, .. } => {
                rows.explain(at, self.target.diagnosis(permit, self.kinds).await)
            }
            // The definition itself says why it is not served.
            Awaited::Served(permit, _) => match self.target.definition(permit).await {
                Some(failed @ Readiness::Failed(_)) => rows.set(at, &failed),
                Some(Readiness::NotReady(why)) => rows.explain(at, vec![why]),
                Some(Readiness::Ready | Readiness::Idle(_)) | None => {}
            },
        }
        Ok(())
    }
}

/// How many objects are watched and looked at at once.
struct Turns {
    watches: Semaphore,
    looks: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { watches: Semaphore::new(MAX_WATCHED), looks: Semaphore::new(MAX_LOOKS) }
    }
}

impl TimedOut {
    /// Its state when the deadline passed.
    pub fn row(&self) -> &Unready {
        &self.row
    }
}

impl From<Vec<Option<Unready>>> for Rows {
    fn from(rows: Vec<Option<Unready>>) -> Self {
        Self { left: Mutex::new(rows), idle: Mutex::default() }
    }
}

impl Rows {
    fn of(awaited: &[Awaited]) -> Self {
        let row = |awaited: &Awaited| Unready {
            object: awaited.object().clone(),
            why: match awaited {
                Awaited::Gone(..) => "it is still there".into(),
                Awaited::Ready { .. } | Awaited::Served(..) => "nobody has looked yet".into(),
            },
            failed: false,
            reasons: Vec::new(),
        };
        Self::from(awaited.iter().map(|awaited| Some(row(awaited))).collect::<Vec<_>>())
    }

    fn set(&self, at: usize, found: &Readiness) {
        let (why, failed) = match found {
            Readiness::Ready => return self.change(at, |row| *row = None),
            Readiness::Idle(why) => return self.change(at, |row| self.note_idle(row.take(), why)),
            Readiness::NotReady(why) => (why, false),
            Readiness::Failed(why) => (why, true),
        };
        self.change(at, |row| row.iter_mut().for_each(|row| (row.why, row.failed) = (why.clone(), failed)));
    }

    fn note_idle(&self, row: Option<Unready>, why: &str) {
        let object = row.map(|row| row.object);
        self.idle.lock().entry(why.to_owned()).or_default().extend(object);
    }

    /// Objects that are as they are meant to be and do nothing yet.
    fn idle(&self) -> Vec<RunEvent> {
        let idle = std::mem::take(&mut *self.idle.lock()).into_iter();
        idle.map(|(why, objects)| RunEvent::NotAwaited { objects, why }).collect()
    }

    fn explain(&self, at: usize, reasons: Vec<String>) {
        self.change(at, |row| {
            if let Some(row) = row {
                row.reasons = reasons;
            }
        });
    }

    /// Whether an object is as it was to be, or will not be.
    fn is_settled(&self, at: usize) -> bool {
        self.left.lock().get(at).is_none_or(|row| row.as_ref().is_none_or(|row| row.failed))
    }

    /// Whether there is nothing to wait for any more, or no sense in it.
    fn is_over(&self) -> bool {
        let rows = self.left.lock();
        rows.iter().all(Option::is_none) || rows.iter().flatten().any(|row| row.failed)
    }

    fn change(&self, at: usize, change: impl FnOnce(&mut Option<Unready>)) {
        if let Some(row) = self.left.lock().get_mut(at) {
            change(row);
        }
    }

    fn left(&self) -> Vec<Unready> {
        self.left.lock().iter().flatten().cloned().collect()
    }

    fn places(&self) -> Vec<usize> {
        let rows = self.left.lock();
        (0..rows.len()).filter(|at| rows[*at].is_some()).collect()
    }

    fn into_inner(self) -> Vec<Option<Unready>> {
        self.left.into_inner()
    }
}

/// The current time.
#[expect(clippy::disallowed_methods, reason = "waiting for the target ends at the command's --timeout")]
pub fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef::new("apps/v1", "Deployment", Some("prod"), name)
    }

    /// Rows of this many objects, at which nobody has looked.
    fn rows(count: usize) -> Rows {
        let row = |at| Unready {
            object: object(&format!("d{at}")),
            why: "nobody has looked yet".into(),
            failed: false,
            reasons: Vec::new(),
        };
        Rows::from((0..count).map(|at| Some(row(at))).collect::<Vec<_>>())
    }

    #[test]
    fn waiting_is_over_when_all_is_ready_or_one_will_not_be() {
        let rows = rows(2);
        assert!(!rows.is_over() && rows.places() == [0, 1]);
        rows.set(0, &Readiness::Ready);
        assert!(rows.is_settled(0) && !rows.is_settled(1) && !rows.is_over());
        rows.set(1, &Readiness::NotReady("0 of 1".into()));
        assert!(!rows.is_over() && rows.left()[0].why == "0 of 1");
        rows.set(1, &Readiness::Failed("its Job failed".into()));
        assert!(rows.is_settled(1) && rows.is_over(), "there is no sense in waiting for the rest");
        let left = rows.into_inner();
        assert!(left[0].is_none() && left[1].as_ref().unwrap().failed);
    }

    #[test]
    fn what_failed_once_may_yet_be_ready_and_what_is_ready_stays_so() {
        let rows = rows(1);
        rows.set(0, &Readiness::Failed("w".into()));
        rows.set(0, &Readiness::NotReady("again".into()));
        assert!(!rows.is_over() && !rows.left()[0].failed);
        rows.set(0, &Readiness::Ready);
        rows.set(0, &Readiness::NotReady("late news".into()));
        assert!(rows.is_over() && rows.left().is_empty());
    }

    #[test]
    fn idle_objects_are_told_together_by_why_and_once() {
        let rows = rows(3);
        for (at, why) in [(0, "paused"), (1, "scaled to 0"), (2, "paused"), (2, "paused")] {
            rows.set(at, &Readiness::Idle(why.into()));
        }
        assert!(rows.is_over());
        let told: Vec<_> = rows.idle().iter().map(ToString::to_string).collect();
        let expected = [
            "apps/Deployment prod/d0, apps/Deployment prod/d2 are not waited for: paused.",
            "apps/Deployment prod/d1 is not waited for: scaled to 0.",
        ];
        assert_eq!(told, expected);
        assert!(rows.idle().is_empty());
    }

    #[test]
    fn a_diagnosis_is_of_what_is_left_and_no_place_is_out_of_bounds() {
        let rows = rows(2);
        rows.set(0, &Readiness::Ready);
        for at in [0, 1, 2] {
            rows.explain(at, vec![format!("because {at}")]);
        }
        rows.set(7, &Readiness::Ready);
        let reasons: Vec<_> = rows.left().into_iter().map(|row| row.reasons).collect();
        assert_eq!(reasons, [["because 1"]]);
        assert!(rows.is_settled(7), "nothing is waited for that is not there");
    }
}
