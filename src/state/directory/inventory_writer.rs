//! The inventory of one installation in the database, as a run changes it.
//!
//! Each change is a transaction of its own: an object that is about to be applied is on disk before it is sent.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::kubernetes::object::ObjectRef;
use crate::sync::Mutex;
use crate::targets::{self, Inventory, Ledger, Recorded};

use super::{read, schema};
use crate::state::error::database_fault;

/// Writes the inventory of one installation.
pub(super) struct DirectoryInventoryWriter {
    pub(super) database: Arc<Mutex<Connection>>,
    pub(super) name: String,
}

impl DirectoryInventoryWriter {
    fn write(&self, objects: &[Recorded]) -> rusqlite::Result<()> {
        let mut database = self.database.lock();
        let write = database.transaction()?;
        for new in objects {
            let key = key(&new.object);
            let old: Option<String> =
                write.query_row(schema::RECORDED, params![self.name, key], |row| row.get(0)).optional()?;
            let old = old.map(|old| read(&old)).transpose().map_err(unusable)?;
            let mut merged: Inventory = old.into_iter().collect();
            merged.record(std::slice::from_ref(new));
            for recorded in merged.iter() {
                let text = serde_json::to_string(recorded).map_err(unusable)?;
                write.execute(schema::RECORD, params![self.name, key, text])?;
            }
        }
        write.commit()
    }
}

/// A record that cannot be read or written stops the run: what it says would be lost.
fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

impl Ledger for DirectoryInventoryWriter {
    fn intend(&mut self, objects: &[Recorded]) -> Result<(), targets::Error> {
        self.write(objects).map_err(unwritten)
    }

    fn applied(&mut self, object: &Recorded) -> Result<(), targets::Error> {
        self.write(std::slice::from_ref(object)).map_err(unwritten)
    }

    fn removed(&mut self, object: &ObjectRef) -> Result<(), targets::Error> {
        let database = self.database.lock();
        let done = database.execute(schema::FORGET, params![self.name, key(object)]);
        done.map(drop).map_err(unwritten)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn unwritten(error: rusqlite::Error) -> targets::Error {
    targets::Error::Ledger(database_fault(&error))
}

fn key(object: &ObjectRef) -> String {
    object.to_string()
}
