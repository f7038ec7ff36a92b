//! A Lease as the server has it, whoever holds it: read, written, and removed.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cluster::Error;
use crate::document;
use crate::state::{Holder, StateError};

use super::object::{ObjectVersion, RecordName, RecordObject};
use super::records::Records;

/// How long a Lease counts after it was renewed last. A run that was killed keeps the installation for so long.
pub(super) const COUNTS: SignedDuration = SignedDuration::from_secs(30);

/// The longest text about a holder that is read, in characters.
const MAX_HOLDER: usize = 200;

/// How often it is tried to take a Lease that others take or give back at the same moment.
pub(super) const TRIES: usize = 5;

/// A Lease of anybody's, as it is.
pub(super) struct SeenLease {
    pub(super) holder: Holder,
    /// Who holds it, word for word.
    pub(super) identity: String,
    pub(super) version: ObjectVersion,
}

impl SeenLease {
    pub(super) async fn of(records: &Records, lease: &RecordName) -> Result<Option<Self>, StateError> {
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
        let identity = text("holderIdentity").unwrap_or_default().to_owned();
        Self { holder, identity, version: found.version.clone() }
    }

    pub(super) fn locked(&self, name: &str) -> StateError {
        StateError::Locked { name: name.into(), holder: Some(Box::new(self.holder.clone())) }
    }
}

/// Who holds an installation, whether or not they are overdue.
pub(super) async fn holder(records: &Records, lease: &RecordName) -> Result<Option<Holder>, StateError> {
    Ok(SeenLease::of(records, lease).await?.map(|seen| seen.holder))
}

/// Why a Lease that was held is not held any more.
pub(super) fn taken_by(seen: Option<SeenLease>) -> String {
    match seen {
        Some(seen) => format!("it was taken over by {}", seen.holder),
        None => "somebody has unlocked it".into(),
    }
}

/// The members of a Lease that is renewed now.
pub(super) fn content(who: &str, since: &str, now: Timestamp) -> Value {
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
pub(super) fn micro(time: Timestamp) -> String {
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
        let Some(seen) = SeenLease::of(records, lease).await? else { return Ok(()) };
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
