//! Writes what a run does into the record of its installation, as long as the run holds the Lease.
//!
//! An intention is written at once. Results are written soon and together: a record that lacks it
//! names the same objects, without their UIDs.

use std::sync::Arc;

use tokio::sync::Mutex as AsyncMutex;

use crate::kubernetes::object::ObjectRef;
use crate::state::{InstallationSettings, NewClaim, NewResult, StateError};
use crate::sync::Mutex;
use crate::targets::{Inventory, Recorded};

use super::installation_record::InstallationRecord;
use super::lease::LeaseHold;
use super::record_store::{RecordStore, RecordVersion};

/// The record of the installation that this program acts on, and what entitles it to write there.
#[derive(Default)]
pub(super) struct RecordWriter {
    open: AsyncMutex<Option<OpenRecord>>,
    hold: Mutex<Option<Arc<LeaseHold>>>,
    seen: Mutex<Option<SeenRecord>>,
}

/// The record of an installation as it was when the run had taken its Lease: what the run is about to do follows from
/// it.
struct SeenRecord {
    namespace: Arc<str>,
    name: String,
    /// None: there was none.
    version: Option<RecordVersion>,
}

/// A record that a run goes on to write.
struct OpenRecord {
    record: InstallationRecord,
    /// The record of the claim whose action goes on, as it was written when it began.
    claim: Option<RecordVersion>,
    /// Whether anything happened that is not written yet.
    is_behind: bool,
    /// Whether somebody is about to write it.
    is_awaited: bool,
    /// Why writing it failed.
    failed: Option<StateError>,
}

/// One change of an inventory.
pub(super) enum InventoryChange {
    /// Objects are about to be applied: nothing of it happens before it is written.
    Intend(Vec<Recorded>),
    /// Objects were applied.
    Applied(Vec<Recorded>),
    /// An object is gone.
    Removed(ObjectRef),
}

impl RecordWriter {
    /// From now on, nothing is written unless this is held.
    pub(super) fn held_by(&self, hold: &Arc<LeaseHold>) {
        *self.hold.lock() = Some(Arc::clone(hold));
        *self.seen.lock() = None;
    }

    /// Notes which version of a record the run has seen first.
    pub(super) fn saw(&self, store: &RecordStore, name: &str, version: Option<RecordVersion>) {
        if self.hold.lock().is_some() {
            let seen = || SeenRecord { namespace: Arc::clone(&store.namespace), name: name.into(), version };
            self.seen.lock().get_or_insert_with(seen);
        }
    }

    /// Refuses a record that is not the one that the run has seen: what it is about to do follows from another one.
    fn check_seen(
        &self,
        store: &RecordStore,
        name: &str,
        version: Option<&RecordVersion>,
    ) -> Result<(), StateError> {
        let seen = self.seen.lock().take();
        let is_other = seen.is_some_and(|seen| {
            seen.namespace == store.namespace && seen.name == name && seen.version.as_ref() != version
        });
        let why = || "its record was changed by somebody else since it was read".into();
        if is_other { Err(StateError::Lost { name: name.into(), why: why() }) } else { Ok(()) }
    }

    /// Writes that an action begins.
    pub(super) async fn begin(
        &self,
        store: &RecordStore,
        name: &str,
        settings: InstallationSettings,
        claim: &NewClaim,
    ) -> Result<(), StateError> {
        self.check().await?;
        let mut open = self.open.lock().await;
        let record = InstallationRecord::open(store, name).await?;
        self.check_seen(store, name, record.as_ref().and_then(|record| record.version.as_ref()))?;
        let mut record =
            record.unwrap_or_else(|| InstallationRecord::new(name, &store.namespace, settings.clone()));
        record.settle(store).await?;
        record.head.settings = settings;
        let claim = record.begin(store, claim).await?;
        record.write(store).await?;
        *open = Some(OpenRecord { claim: Some(claim), ..OpenRecord::of(record) });
        Ok(())
    }

    /// Writes how an action ended, and closes the record.
    pub(super) async fn finish(
        &self,
        store: &RecordStore,
        claim: &NewClaim,
        result: &NewResult<'_>,
    ) -> Result<(), StateError> {
        self.check().await?;
        let mut open = self.open.lock().await;
        let mut open = open.take().ok_or_else(|| StateError::Missing(claim.id.clone()))?;
        open.record.finish(store, claim, result, open.claim.as_ref()).await
    }

    /// Changes the inventory of an installation, and writes it at once or leaves that to [`catch_up`](Self::catch_up).
    /// The answer is whether that has to be called.
    pub(super) async fn change(
        &self,
        store: &RecordStore,
        name: &str,
        change: InventoryChange,
    ) -> Result<bool, StateError> {
        let is_urgent = matches!(change, InventoryChange::Intend(_));
        if is_urgent {
            self.check().await?;
        } else {
            // Nothing is written yet: who writes it proves that it may.
            self.check_known()?;
        }
        let mut open = self.open.lock().await;
        if open.as_ref().is_none_or(|open| open.record.head.name != name) {
            *open = InstallationRecord::open(store, name).await?.map(OpenRecord::of);
        }
        // An action that leaves no record may run where nothing is installed.
        let Some(open) = open.as_mut() else { return Ok(false) };
        if let Some(error) = open.failed.take() {
            return Err(error);
        }
        change.made_in(&mut open.record.inventory);
        if is_urgent {
            open.write(store).await?;
            return Ok(false);
        }
        open.is_behind = true;
        Ok(!std::mem::replace(&mut open.is_awaited, true))
    }

    /// Writes what has happened since the last time.
    pub(super) async fn catch_up(&self, store: &RecordStore) {
        let checked = self.check().await;
        let mut open = self.open.lock().await;
        let Some(open) = open.as_mut() else { return };
        open.is_awaited = false;
        if open.is_behind {
            let written = match checked {
                Ok(()) => open.write(store).await,
                error => error,
            };
            open.failed = written.err();
            // Nobody waits for what is written later: the run has to be told at once.
            if let Some(StateError::Lost { why, .. }) = &open.failed
                && let Some(hold) = &*self.hold.lock()
            {
                drop(hold.lose(why.clone()));
            }
        }
    }

    /// Refuses what a run does that is known to hold the Lease no longer. Asks nobody.
    fn check_known(&self) -> Result<(), StateError> {
        self.hold.lock().as_ref().map_or(Ok(()), |hold| hold.is_not_lost())
    }

    /// Proves that the run may write.
    pub(super) async fn check(&self) -> Result<(), StateError> {
        let hold = self.hold.lock().clone();
        match hold {
            Some(hold) => hold.prove_anew().await,
            None => Ok(()),
        }
    }
}

impl OpenRecord {
    fn of(record: InstallationRecord) -> Self {
        Self { record, claim: None, is_behind: false, is_awaited: false, failed: None }
    }

    async fn write(&mut self, store: &RecordStore) -> Result<(), StateError> {
        self.record.write(store).await?;
        self.is_behind = false;
        Ok(())
    }
}

impl InventoryChange {
    fn made_in(self, inventory: &mut Inventory) {
        match self {
            Self::Intend(objects) | Self::Applied(objects) => inventory.record(&objects),
            Self::Removed(object) => inventory.forget(&object),
        }
    }
}
