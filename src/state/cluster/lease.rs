//! Who may act on an installation: the holder of a Lease.
//!
//! It is taken by server-side apply under a field manager of the run's own. The server refuses a second manager the
//! field `holderIdentity`, whoever comes at the same moment; under one manager for all, the second would overwrite the
//! first. All times are by the server's clock: those who compare them need not agree on anything else.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, watch};

use crate::cluster::{Error, Precondition, WriteRight};
use crate::document;
use crate::state::StateError;
use crate::sync;

use super::lease_record::{COUNTS, SeenLease, TRIES, content, micro, taken_by};
use super::object::{ObjectVersion, RecordName};
use super::record_store::RecordStore;
use super::records::Records;
use super::thread::StateThread;

/// How often it is renewed: a try may fail, and another one.
const RENEW: Duration = Duration::from_secs(10);

/// When a renewal is so old that a proof renews it as well: what a proof allows is over long before the Lease is.
const OLD: SignedDuration = SignedDuration::from_secs(15);

/// How long a proof that it is held may be used. So long a run may go on that somebody has unlocked.
const PROOF: SignedDuration = SignedDuration::from_secs(1);

/// How many requests a proof is good for.
const REQUESTS: usize = 32;

/// How long the end of a run waits until its Lease is given back. One that is not given back ends by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A Lease that is held. It is given back when this is dropped.
pub(crate) struct Lease {
    thread: Arc<StateThread>,
    hold: Arc<LeaseHold>,
}

/// A Lease that this run has taken, and its last renewal.
pub(super) struct LeaseHold {
    records: Arc<Records>,
    lease: RecordName,
    name: String,
    manager: String,
    who: String,
    since: String,
    last: Mutex<Renewed>,
    proof: sync::Mutex<Proof>,
    /// Held while it is proved, so that those who wait for a proof share one.
    proving: Mutex<()>,
    /// Whether it was another run's, which had not renewed it in time.
    took_over: bool,
    /// Why it is held no longer.
    lost: watch::Sender<Option<String>>,
}

struct Renewed {
    version: ObjectVersion,
    at: Timestamp,
}

/// That it was held, as the server has it.
struct Proof {
    at: Timestamp,
    /// For how many requests more it is good.
    left: usize,
}

/// The right to write that comes with a Lease.
struct LeaseRight {
    thread: Arc<StateThread>,
    hold: Arc<LeaseHold>,
}

impl Lease {
    pub(super) fn new(thread: Arc<StateThread>, hold: Arc<LeaseHold>) -> Self {
        let renewed = Arc::clone(&hold);
        thread.begin(async move { renewed.go_on().await });
        Self { thread, hold }
    }

    pub(super) fn hold(&self) -> &Arc<LeaseHold> {
        &self.hold
    }

    /// The right to write as long as it is held.
    pub(crate) fn write_right(&self) -> Arc<dyn WriteRight> {
        Arc::new(LeaseRight { thread: Arc::clone(&self.thread), hold: Arc::clone(&self.hold) })
    }

    /// Comes back when it is held no longer.
    pub(crate) async fn lost(&self) -> StateError {
        let mut lost = self.hold.lost.subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(why) => self.hold.error(why.clone().unwrap_or_default()),
            Err(_) => StateError::Unreachable,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let hold = Arc::clone(&self.hold);
        self.thread.wait_for(PATIENCE, async move { hold.give_back().await });
    }
}

impl LeaseHold {
    /// Takes the Lease of an installation, if nobody holds it, or has not renewed it in time.
    pub(super) async fn take(
        store: &RecordStore,
        name: &str,
        lease: RecordName,
        who: &str,
    ) -> Result<Self, StateError> {
        let (records, manager) = (Arc::clone(&store.records), store.manager());
        // Before the first answer the server's clock is not known.
        let mut seen = SeenLease::of(&records, &lease).await?;
        for _ in 0..TRIES {
            let over = match &seen {
                None => Precondition::default(),
                Some(seen) if seen.holder.is_overdue => seen.version.unchanged(),
                Some(seen) => return Err(seen.locked(name)),
            };
            let now = records.now();
            match records.apply(&lease, content(who, &micro(now), now), &manager, &over).await {
                Ok(found) => {
                    return Ok(Self {
                        lease,
                        name: name.into(),
                        manager,
                        who: who.into(),
                        since: micro(now),
                        proof: sync::Mutex::new(Proof { at: now, left: REQUESTS }),
                        proving: Mutex::default(),
                        took_over: seen.is_some(),
                        last: Mutex::new(Renewed { version: found.version, at: now }),
                        lost: watch::Sender::new(None),
                        records,
                    });
                }
                Err(Error::Conflict { .. } | Error::Changed(_)) => {
                    seen = SeenLease::of(&records, &lease).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StateError::Locked { name: name.into(), holder: seen.map(|seen| Box::new(seen.holder)) })
    }

    /// Whether it was another run's, which had not renewed it in time.
    pub(super) fn took_over(&self) -> bool {
        self.took_over
    }

    /// Fails where it is known to be held no longer.
    pub(super) fn is_not_lost(&self) -> Result<(), StateError> {
        match &*self.lost.borrow() {
            Some(why) => Err(self.error(why.clone())),
            None => Ok(()),
        }
    }

    /// Uses what was proved a moment ago. None: it has to be proved.
    fn use_proof(&self) -> Option<Result<(), StateError>> {
        if let Err(error) = self.is_not_lost() {
            return Some(Err(error));
        }
        self.proof.lock().serves(self.records.now()).then_some(Ok(()))
    }

    /// Proves that it is held, for one request more.
    async fn prove(&self) -> Result<(), StateError> {
        if let Some(known) = self.use_proof() {
            return known;
        }
        let _alone = self.proving.lock().await;
        match self.use_proof() {
            Some(known) => known,
            None => self.ask().await,
        }
    }

    /// Makes sure that it is still held, before something is written.
    pub(super) async fn prove_anew(&self) -> Result<(), StateError> {
        let _alone = self.proving.lock().await;
        self.is_not_lost()?;
        self.ask().await
    }

    /// Asks the server whose it is. One that was not renewed for a while is renewed: the machine slept, or the server
    /// was away, and if nobody came meanwhile it is as if nothing had been.
    async fn ask(&self) -> Result<(), StateError> {
        let at = self.records.now();
        let (renewed, uid) = {
            let last = self.last.lock().await;
            (last.at, last.version.uid.clone())
        };
        if at.duration_since(renewed) > OLD {
            self.renew().await?;
        } else {
            let asked = tokio::time::timeout(RENEW, SeenLease::of(&self.records, &self.lease)).await;
            let seen = asked.unwrap_or_else(|_| Err(no_answer().into()))?;
            let is_own =
                seen.as_ref().is_some_and(|seen| seen.version.uid == uid && seen.identity == self.who);
            if !is_own {
                return Err(self.lose(taken_by(seen)));
            }
        }
        self.is_not_lost()?;
        *self.proof.lock() = Proof { at, left: REQUESTS - 1 };
        Ok(())
    }

    /// Renews until it is lost or given back.
    async fn go_on(&self) {
        loop {
            tokio::time::sleep(RENEW).await;
            if self.lost.borrow().is_some() {
                return;
            }
            if let Err(error) = self.renew().await {
                let last = self.last.lock().await.at;
                if self.records.now().duration_since(last) > COUNTS {
                    drop(self.lose(format!("it could not be renewed in time ({error})")));
                }
            }
        }
    }

    /// Writes that the run goes on. The identity keeps the server from making anew a Lease that somebody removed.
    async fn renew(&self) -> Result<(), StateError> {
        let mut last = self.last.lock().await;
        if self.lost.borrow().is_some() {
            return Ok(());
        }
        let now = self.records.now();
        let content = content(&self.who, &self.since, now);
        let over = last.version.same();
        let applied = self.records.apply(&self.lease, content, &self.manager, &over);
        match tokio::time::timeout(RENEW, applied).await.unwrap_or_else(|_| Err(no_answer())) {
            Ok(found) => {
                *last = Renewed { version: found.version, at: now };
                Ok(())
            }
            Err(Error::Conflict { .. } | Error::Changed(_)) => {
                // Whose it is has to be known before it is lost: no answer is not that it is gone.
                let seen = SeenLease::of(&self.records, &self.lease).await?;
                Err(self.lose(taken_by(seen)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes it, as it was renewed last: what somebody else has taken over stays.
    async fn give_back(&self) {
        let last = self.last.lock().await;
        if self.lost.borrow().is_none() {
            drop(self.lose("it was given back".into()));
            // Whatever goes wrong here, it ends by itself.
            drop(self.records.delete(&self.lease, &last.version.unchanged()).await);
        }
    }

    /// Holds it no longer. The first reason is the one that counts.
    pub(super) fn lose(&self, why: String) -> StateError {
        let mut first = why.clone();
        self.lost.send_modify(|lost| first = lost.get_or_insert(why).clone());
        self.error(first)
    }

    fn error(&self, why: String) -> StateError {
        StateError::Lost { name: self.name.clone(), why }
    }
}

impl Proof {
    /// Whether it is good for a request now, which it is good for one time less then.
    fn serves(&mut self, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        // A clock that goes back proves nothing.
        let is_fresh = !age.is_negative() && age <= PROOF;
        let left = self.left.checked_sub(1).filter(|_| is_fresh);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

impl WriteRight for LeaseRight {
    fn proved(&self) -> BoxFuture<'_, Result<(), Error>> {
        match self.hold.use_proof() {
            Some(known) => Box::pin(std::future::ready(known.map_err(displaced))),
            None => {
                let hold = Arc::clone(&self.hold);
                Box::pin(async move {
                    self.thread.ask(async move { hold.prove().await }).await.map_err(displaced)
                })
            }
        }
    }

    fn proved_anew(&self) -> BoxFuture<'_, Result<(), Error>> {
        let hold = Arc::clone(&self.hold);
        Box::pin(
            async move { self.thread.ask(async move { hold.prove_anew().await }).await.map_err(displaced) },
        )
    }
}

/// Why a run may not write, as an error of what it would write to.
pub(super) fn displaced(error: StateError) -> Error {
    match error {
        StateError::Lost { name, why } => Error::Displaced { name, why },
        StateError::Cluster(error) => error,
        error => Error::Unavailable(document::chain(&error)),
    }
}

fn no_answer() -> Error {
    Error::Unavailable(format!("no answer within {} s", RENEW.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_serves_so_many_requests_for_a_second_and_no_others() {
        let at = Timestamp::UNIX_EPOCH;
        let later = |millis| at.checked_add(SignedDuration::from_millis(millis)).unwrap();
        let mut proof = Proof { at, left: 3 };
        let served = [-1, 0, 500, 1001, 1000, 1000].map(|millis| proof.serves(later(millis)));
        assert_eq!(served, [false, true, true, false, true, false]);
    }
}
