//! The inventory of one installation in the database, as a run changes it.
//!
//! Each change is a transaction of its own: an object that is about to be applied is on disk before it is sent.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::document::chain;
use crate::kubernetes::object::ObjectRef;
use crate::state::StateError;
use crate::targets::{self, Inventory, Ledger, Recorded};

use super::database::Database;
use super::fault::Fault;
use super::{read, schema, text};

/// Writes the inventory of one installation.
pub(super) struct DirectoryInventoryWriter {
    pub(super) database: Arc<Database>,
    pub(super) name: String,
}

impl DirectoryInventoryWriter {
    fn write(&self, objects: &[Recorded]) -> Result<(), StateError> {
        self.database.using(|database| {
            let write = database.transaction()?;
            self.merge(&write, objects)?;
            Ok(write.commit()?)
        })
    }

    /// The statements are prepared once for all objects, since that takes longer than to carry them out.
    fn merge(&self, database: &Connection, objects: &[Recorded]) -> Result<(), Fault> {
        let mut recorded = database.prepare(schema::RECORDED)?;
        let mut record = database.prepare(schema::RECORD)?;
        for new in objects {
            let key = key(&new.object);
            let old =
                recorded.query_row(params![self.name, key], |row| row.get::<_, String>(0)).optional()?;
            let mut merged: Inventory = old.map(|old| read(&old)).transpose()?.into_iter().collect();
            merged.record(std::slice::from_ref(new));
            for recorded in merged.iter() {
                record.execute(params![self.name, key, text(recorded)?])?;
            }
        }
        Ok(())
    }
}

impl Ledger for DirectoryInventoryWriter {
    fn intend(&mut self, objects: &[Recorded]) -> Result<(), targets::Error> {
        self.write(objects).map_err(unwritten)
    }

    fn applied(&mut self, objects: &[Recorded]) -> Result<(), targets::Error> {
        self.write(objects).map_err(unwritten)
    }

    fn removed(&mut self, object: &ObjectRef) -> Result<(), targets::Error> {
        let forgotten = self.database.using(|database| {
            database.execute(schema::FORGET, params![self.name, key(object)])?;
            Ok(())
        });
        forgotten.map_err(unwritten)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn unwritten(error: StateError) -> targets::Error {
    targets::Error::Ledger(chain(&error))
}

fn key(object: &ObjectRef) -> String {
    object.to_string()
}
