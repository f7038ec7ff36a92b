//! Waits until objects are ready, or gone: polls those that are not, concurrently and with growing pauses.
//!
//! The observer sees which objects are missing, and every few seconds a diagnosis. The diagnosis runs beside the
//! polling and never delays it.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{self, concurrent};
use crate::grant::{Permitted, Wait};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::Readiness;
use crate::sync::Mutex;
use crate::targets::{self, Target};

use super::progress::{Observer, RunEvent, Unready};

/// The first pause between two polls; each further one is half as long again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two polls.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The interval between two diagnoses.
const ASK_WHY: Duration = Duration::from_secs(2);

/// The most objects that are diagnosed at a time: nobody reads about more.
const MAX_ASKED: usize = 8;

/// The time limit of a poll that began before the timeout, and of the diagnosis after it.
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

/// A condition to wait for.
pub enum Awaited {
    /// An object is gone: the one with this UID, if there is one.
    Gone(Permitted<Wait>, Option<String>),
    /// An object is ready.
    Ready {
        /// The permit to look at it.
        permit: Permitted<Wait>,
        /// Whether its controller removes it once it is done.
        removes_itself: bool,
    },
    /// The target serves the kinds of a definition, given as it was applied.
    Served(Permitted<Wait>, Value),
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
    /// What there was nothing to wait for.
    idle: Mutex<Vec<RunEvent>>,
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

    async fn look_on(&self, awaited: &[Awaited], rows: &Rows) -> Result<(), targets::Error> {
        let mut pause = FIRST_PAUSE;
        self.look(awaited, rows).await?;
        loop {
            let left = rows.left();
            if left.is_empty() || now() >= self.until || left.iter().any(|row| row.failed) {
                return Ok(());
            }
            self.observer.waiting(&left);
            let rest = self.until.saturating_duration_since(now());
            tokio::time::sleep(pause.min(rest)).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            match tokio::time::timeout(rest.max(GRACE), self.look(awaited, rows)).await {
                Ok(looked) => looked?,
                Err(_) => return Ok(()),
            }
        }
    }

    /// Polls once every object whose condition is not met.
    async fn look(&self, awaited: &[Awaited], rows: &Rows) -> Result<(), targets::Error> {
        let places = rows.places();
        let looks = places.iter().map(|at| self.look_at(&awaited[*at])).collect();
        concurrent::for_each(looks, |nth, found| {
            places.get(nth).into_iter().for_each(|at| rows.set(*at, &found));
            Ok(())
        })
        .await
    }

    async fn look_at(&self, awaited: &Awaited) -> Result<Readiness, targets::Error> {
        match awaited {
            Awaited::Gone(permit, uid) => self.target.gone(permit, uid.as_deref(), self.kinds).await,
            Awaited::Ready { permit, removes_itself } => {
                match self.target.readiness(permit, self.kinds).await {
                    Err(targets::Error::Cluster(cluster::Error::NotFound(_))) if *removes_itself => {
                        Ok(Readiness::Ready)
                    }
                    readiness => readiness,
                }
            }
            Awaited::Served(permit, definition) => self.target.serves(permit, definition, self.kinds).await,
        }
    }

    async fn keep_asking(&self, awaited: &[Awaited], rows: &Rows) -> Infallible {
        loop {
            tokio::time::sleep(ASK_WHY).await;
            self.ask_why(awaited, rows).await;
            self.observer.waiting(&rows.left());
        }
    }

    async fn ask_why(&self, awaited: &[Awaited], rows: &Rows) {
        let places = rows.places();
        let asked = places.iter().take(MAX_ASKED).map(|at| self.ask_about(&awaited[*at])).collect();
        let Ok(()) = concurrent::for_each(asked, |nth, reasons| {
            places.get(nth).into_iter().for_each(|at| rows.explain(*at, &reasons));
            Ok::<_, Infallible>(())
        })
        .await;
    }

    async fn ask_about(&self, awaited: &Awaited) -> Result<Vec<String>, Infallible> {
        Ok(match awaited {
            // An object that is being deleted names its finalizers itself.
            Awaited::Gone(..) | Awaited::Served(..) => Vec::new(),
            Awaited::Ready { permit, .. } => self.target.diagnosis(permit, self.kinds).await,
        })
    }
}

impl Awaited {
    /// Which object.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Gone(permit, _) | Self::Ready { permit, .. } | Self::Served(permit, _) => &permit.0,
        }
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
            why: "nobody has looked yet".into(),
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
        let event = |row: Unready| RunEvent::NotAwaited { object: row.object, why: why.to_owned() };
        self.idle.lock().extend(row.map(event));
    }

    /// What is as it is meant to be and does nothing yet.
    fn idle(&self) -> Vec<RunEvent> {
        std::mem::take(&mut *self.idle.lock())
    }

    fn explain(&self, at: usize, reasons: &[String]) {
        self.change(at, |row| row.iter_mut().for_each(|row| row.reasons = reasons.to_vec()));
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
