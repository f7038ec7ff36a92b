//! Waits until objects are ready, or gone: only those that are not yet are looked at again, many at once and ever more
//! slowly.
//!
//! Whoever follows the run sees what is missing, and every few seconds why. Finding that out goes on beside the looking
//! and never delays it.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::concurrent;
use crate::grant::{Delete, Permitted, Wait};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::Readiness;
use crate::targets::{self, Target};

use super::progress::{Observer, Unready};

/// The first pause between two looks; each further one is half as long again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often somebody asks why objects are not ready.
const ASK_WHY: Duration = Duration::from_secs(3);

/// Of how many objects it is asked at a time why they are not ready: nobody reads about more.
const MAX_ASKED: usize = 8;

/// How long a look that began in time may take, and how long may be asked why when the waiting is over.
const GRACE: Duration = Duration::from_secs(5);

/// What is waited with.
pub struct Waiter<'a> {
    /// Where the objects are.
    pub target: &'a Target,
    /// How kinds are served.
    pub kinds: &'a Kinds,
    /// Who follows.
    pub observer: &'a dyn Observer,
    /// When the waiting ends.
    pub until: Instant,
}

/// What is waited for.
pub enum Awaited {
    /// That an object is gone: the one with this UID, if there is one.
    Gone(Permitted<Delete>, Option<String>),
    /// That an object is ready.
    Ready(Permitted<Wait>),
    /// That the target takes objects of the kinds that a definition, given as it was applied, brings.
    Served(Permitted<Wait>, Value),
}

/// An object that was not ready, or not gone, when the waiting ended.
pub struct TimedOut {
    awaited: Awaited,
    row: Unready,
}

/// What is known of each object that is waited for. None: it is as it should be.
struct Rows(Mutex<Vec<Option<Unready>>>);

impl Waiter<'_> {
    /// Waits until every object is as it should be, one of them never will be, or the time is over; gives those that are
    /// not.
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
        ended?;
        let left = awaited.into_iter().zip(rows.into_inner());
        Ok(left.filter_map(|(awaited, row)| Some(TimedOut { awaited, row: row? })).collect())
    }

    /// The same objects, with what hinders them as far as it is known within a few seconds.
    pub async fn explained(&self, late: Vec<TimedOut>) -> Vec<Unready> {
        let (awaited, unready): (Vec<_>, Vec<_>) = late.into_iter().map(|it| (it.awaited, it.row)).unzip();
        let rows = Rows(Mutex::new(unready.into_iter().map(Some).collect()));
        // What is not known by then stays unknown.
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

    /// Looks once at every object that is not as it should be.
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
            Awaited::Ready(permit) => self.target.readiness(permit, self.kinds).await,
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
            // It says itself what holds it.
            Awaited::Gone(..) | Awaited::Served(..) => Vec::new(),
            Awaited::Ready(permit) => self.target.diagnosis(permit, self.kinds).await,
        })
    }
}

impl Awaited {
    /// Which object.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Gone(permit, _) => &permit.0,
            Self::Ready(permit) | Self::Served(permit, _) => &permit.0,
        }
    }
}

impl TimedOut {
    /// What is known of it.
    pub fn row(&self) -> &Unready {
        &self.row
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
        Self(Mutex::new(awaited.iter().map(|awaited| Some(row(awaited))).collect()))
    }

    fn set(&self, at: usize, found: &Readiness) {
        let (why, failed) = match found {
            Readiness::Ready => return self.change(at, |row| *row = None),
            Readiness::NotReady(why) => (why, false),
            Readiness::Failed(why) => (why, true),
        };
        self.change(at, |row| row.iter_mut().for_each(|row| (row.why, row.failed) = (why.clone(), failed)));
    }

    fn explain(&self, at: usize, reasons: &[String]) {
        self.change(at, |row| row.iter_mut().for_each(|row| row.reasons = reasons.to_vec()));
    }

    fn change(&self, at: usize, change: impl FnOnce(&mut Option<Unready>)) {
        if let Some(row) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(at) {
            change(row);
        }
    }

    fn left(&self) -> Vec<Unready> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().cloned().collect()
    }

    fn places(&self) -> Vec<usize> {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (0..rows.len()).filter(|at| rows[*at].is_some()).collect()
    }

    fn into_inner(self) -> Vec<Option<Unready>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The moment.
#[expect(clippy::disallowed_methods, reason = "waiting for the target ends at the command's --timeout")]
pub fn now() -> Instant {
    Instant::now()
}
