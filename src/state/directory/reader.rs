//! Reads what is recorded of installations, with queries that are prepared once for however many are read.

use rusqlite::{Connection, OptionalExtension as _, Statement};

use crate::state::{Installation, Revision, Revisions};
use crate::targets::Recorded;

use super::fault::Fault;
use super::{of_claim, read, schema};

/// The queries about one installation.
pub(super) struct Reader<'a> {
    settings: Statement<'a>,
    history: Statement<'a>,
    inventory: Statement<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn of(database: &'a Connection) -> Result<Self, Fault> {
        Ok(Self {
            settings: database
                .prepare("select id, namespace, settings from installations where name = ?1")?,
            history: database.prepare(schema::HISTORY)?,
            inventory: database
                .prepare("select recorded from inventory where installation = ?1 order by at")?,
        })
    }

    /// An installation, if there is one of this name.
    pub(super) fn find(&mut self, name: &str) -> Result<Option<Installation>, Fault> {
        #[cfg(test)]
        super::tests::count_read();
        let row: Option<(i64, String, String)> =
            self.settings.query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let Some((id, namespace, settings)) = row else { return Ok(None) };
        Ok(Some(Installation {
            name: name.into(),
            namespace,
            settings: read(&settings)?,
            last: self.revisions(name)?.whole()?.into_iter().rev().find(|revision| revision.modifies),
            inventory: self.inventory(id)?,
            is_shared: false,
        }))
    }

    /// The tracked actions of an installation, oldest first.
    pub(super) fn revisions(&mut self, name: &str) -> Result<Revisions, Fault> {
        #[cfg(test)]
        super::tests::count_read();
        let rows = self.history.query_map([name], |row| {
            Ok((
                row.get::<_, String>(4)?,
                row.get::<_, String>(0)?,
                row.get::<_, Option<String>>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get::<_, bool>(3)?,
            ))
        })?;
        let mut revisions = Revisions::default();
        for row in rows {
            let (id, claim, status, message, modifies) = row?;
            let read = Revision::read(&claim, status.as_deref(), message, modifies);
            revisions.push(read.map_err(|error| of_claim(&id, error)))?;
        }
        Ok(revisions)
    }

    fn inventory(&mut self, installation: i64) -> Result<Vec<Recorded>, Fault> {
        #[cfg(test)]
        super::tests::count_read();
        let rows = self.inventory.query_map([installation], |row| row.get::<_, String>(0))?;
        rows.map(|row| Ok(read::<Recorded>(&row?)?)).collect()
    }
}
