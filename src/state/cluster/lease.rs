//! Who may act on an installation: the holder of a Lease.
//!
//! It is taken by server-side apply under a field manager of the run's own. The server refuses a second manager the field
//! `holderIdentity`, whoever comes at the same moment; under one manager for all, the second would overwrite the first.
//! All times are by the server's clock: those who compare them need not agree on anything else.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

use crate::cluster::{Error, Precondition};
use crate::document;
use crate::state::{Holder, StateError};

use super::object::{ObjectVersion, RecordName, RecordObject};
use super::record_store::RecordStore;
use super::records::Records;
use super::thread::StateThread;

/// How long a Lease counts after it was renewed last. A run that was killed keeps the installation for so long.
const COUNTS: SignedDuration = SignedDuration::from_secs(30);

/// How often it is renewed: a try may fail, and another one.
const RENEW: Duration = Duration::from_secs(10);

/// How long the end of a run waits until its Lease is given back. One that is not given back ends by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest text about a holder that is read, in characters.
const MAX_HOLDER: usize = 200;

/// How often it is tried to take a Lease that others take or give back at the same moment.
const TRIES: usize = 5;

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
    /// Why it is held no longer.
    lost: watch::Sender<Option<String>>,
}

struct Renewed {
    version: ObjectVersion,
    at: Timestamp,
}

/// A Lease of anybody's, as it is.
struct Seen {
    holder: Holder,
    version: ObjectVersion,
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
        let mut seen = Seen::of(&records, &lease).await?;
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
                        last: Mutex::new(Renewed { version: found.version, at: now }),
                        lost: watch::Sender::new(None),
                        records,
                    });
                }
                Err(Error::Conflict { .. } | Error::Changed(_)) => {
                    seen = Seen::of(&records, &lease).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StateError::Locked { name: name.into(), holder: seen.map(|seen| Box::new(seen.holder)) })
    }

    /// Makes sure that it is still held, before something is written.
    pub(super) async fn check(&self) -> Result<(), StateError> {
        let is_overdue = self.records.now().duration_since(self.last.lock().await.at) > COUNTS;
        if is_overdue {
            // The machine slept, or the server was away. If nobody came meanwhile, it is as if nothing had been.
            self.renew().await?;
        }
        match &*self.lost.borrow() {
            Some(why) => Err(self.error(why.clone())),
            None => Ok(()),
        }
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
                    self.lose(format!("it could not be renewed in time ({error})"));
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
            Err(error @ (Error::Conflict { .. } | Error::Changed(_))) => {
                self.lose(self.taken_by().await);
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn taken_by(&self) -> String {
        match Seen::of(&self.records, &self.lease).await {
            Ok(Some(seen)) => format!("it was taken over by {}", seen.holder),
            _ => "somebody has unlocked it".into(),
        }
    }

    /// Removes it, as it was renewed last: what somebody else has taken over stays.
    async fn give_back(&self) {
        let last = self.last.lock().await;
        if self.lost.borrow().is_none() {
            self.lose("it was given back".into());
            // Whatever goes wrong here, it ends by itself.
            drop(self.records.delete(&self.lease, &last.version.unchanged()).await);
        }
    }

    fn lose(&self, why: String) {
        self.lost.send_replace(Some(why));
    }

    fn error(&self, why: String) -> StateError {
        StateError::Lost { name: self.name.clone(), why }
    }
}

impl Seen {
    async fn of(records: &Records, lease: &RecordName) -> Result<Option<Self>, StateError> {
        let found = records.get(lease).await?;
        Ok(found.map(|found| Self::read(&found, records.now())))
    }

    /// Reads a Lease. One that does not say until when it counts is overdue.
    fn read(found: &RecordObject, now: Timestamp) -> Self {
        let text = |name: &str| found.value.pointer("/spec")?.get(name)?.as_str();
        let short = |text: &str| document::visible(&text.chars().take(MAX_HOLDER).collect::<String>());
        let renewed = text("renewTime").and_then(|text| text.parse::<Timestamp>().ok());
        let seconds = found.value.pointer("/spec/leaseDurationSeconds").and_then(Value::as_i64).unwrap_or(0);
        let until = renewed.and_then(|at| at.checked_add(SignedDuration::from_secs(seconds)).ok());
        let holder = Holder {
            who: short(text("holderIdentity").unwrap_or("somebody")),
            since: short(text("acquireTime").unwrap_or("an unknown time")),
            is_overdue: until.is_none_or(|until| until < now),
        };
        Self { holder, version: found.version.clone() }
    }

    fn locked(&self, name: &str) -> StateError {
        StateError::Locked { name: name.into(), holder: Some(Box::new(self.holder.clone())) }
    }
}

/// Who holds an installation, whether or not they are overdue.
pub(super) async fn holder(records: &Records, lease: &RecordName) -> Result<Option<Holder>, StateError> {
    Ok(Seen::of(records, lease).await?.map(|seen| seen.holder))
}

fn no_answer() -> Error {
    Error::Unavailable(format!("no answer within {} s", RENEW.as_secs()))
}

fn content(who: &str, since: &str, now: Timestamp) -> Value {
    json!({
        "metadata": { "labels": { "app.kubernetes.io/managed-by": "carnet" } },
        "spec": {
            "holderIdentity": who,
            "leaseDurationSeconds": COUNTS.as_secs(),
            "acquireTime": since,
            "renewTime": micro(now),
        },
    })
}

/// A time as Leases have it, to the microsecond.
fn micro(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// Ends a hold, and no other one: whoever took over since it was looked at keeps theirs.
pub(super) async fn unlock(
    records: &Records,
    name: &str,
    lease: &RecordName,
    holder: &Holder,
) -> Result<(), StateError> {
    for _ in 0..TRIES {
        let Some(seen) = Seen::of(records, lease).await? else { return Ok(()) };
        if (&seen.holder.who, &seen.holder.since) != (&holder.who, &holder.since) {
            return Err(seen.locked(name));
        }
        match records.delete(lease, &seen.version.unchanged()).await {
            // It was renewed at the same moment.
            Err(Error::Changed(_)) => {}
            done => return Ok(done?),
        }
    }
    Err(StateError::Locked { name: name.into(), holder: Some(Box::new(holder.clone())) })
}
