//! The inventory of one installation in the cluster, as a run changes it.
//!
//! A run calls it between its requests; the record is written on the state's own thread.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Error;
use crate::document::chain;
use crate::kubernetes::object::ObjectRef;
use crate::targets::{self, Ledger, Recorded};

use super::lease::displaced;
use super::record_store::RecordStore;
use super::record_writer::{InventoryChange, RecordWriter};
use super::thread::StateThread;

/// How long what has happened may be known to this process alone.
const SOON: Duration = Duration::from_millis(500);

/// Writes the inventory of one installation.
pub(super) struct ClusterInventoryWriter {
    pub(super) thread: Arc<StateThread>,
    pub(super) store: RecordStore,
    pub(super) writer: Arc<RecordWriter>,
    pub(super) name: String,
}

impl ClusterInventoryWriter {
    fn change(&self, change: InventoryChange) -> Result<(), targets::Error> {
        let (store, writer, name) = (self.store.clone(), Arc::clone(&self.writer), self.name.clone());
        let done = self.thread.wait(async move { writer.change(&store, &name, change).await });
        let is_behind = done.map_err(|error| match displaced(error) {
            lost @ Error::Displaced { .. } => lost.into(),
            error => targets::Error::Ledger(chain(&error)),
        })?;
        if is_behind {
            let (store, writer) = (self.store.clone(), Arc::clone(&self.writer));
            self.thread.begin(async move {
                tokio::time::sleep(SOON).await;
                writer.catch_up(&store).await;
            });
        }
        Ok(())
    }
}

impl Ledger for ClusterInventoryWriter {
    fn intend(&mut self, objects: &[Recorded]) -> Result<(), targets::Error> {
        self.change(InventoryChange::Intend(objects.to_vec()))
    }

    fn applied(&mut self, objects: &[Recorded]) -> Result<(), targets::Error> {
        self.change(InventoryChange::Applied(objects.to_vec()))
    }

    fn removed(&mut self, object: &ObjectRef) -> Result<(), targets::Error> {
        self.change(InventoryChange::Removed(object.clone()))
    }
}
