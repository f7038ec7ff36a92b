//! The tables of the state database, their versions, and the statements on them.
//!
//! All SQL that changes or joins tables is here, so that a new version is written beside the one that it follows.

use std::time::Duration;

use rusqlite::Connection;

use super::fault::{Fault, VERSION};

/// How long another program is waited for that uses the database.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
create table installations (
  id integer primary key,
  name text not null unique,
  namespace text not null,
  settings text not null
) strict;
create table claims (
  id text primary key,
  installation integer not null references installations,
  document text not null,
  modifies integer not null
) strict;
create table results (
  id text primary key,
  claim text not null references claims,
  created text not null,
  status text not null,
  message text
) strict;
create table outputs (
  result text not null references results,
  name text not null,
  value text not null,
  digest text not null,
  primary key (result, name)
) strict;
create table inventory (
  at integer primary key,
  installation integer not null references installations,
  object text not null,
  recorded text not null,
  unique (installation, object)
) strict;
";

/// Identities that were about to be made in a cluster, and are not known to be removed. The installation is there by
/// its name: an identity is made before anything else is recorded.
const IDENTITIES: &str = "
create table identities (
  name text primary key,
  installation text not null,
  document text not null
) strict;
";

/// The version whose tables have indexes beside them. Where nothing can be written, they are done without.
const INDEXED: i64 = 3;

/// Rows of one installation are found without a look at those of all others.
const INDEXES: &str = "
create index claims_of_an_installation on claims (installation);
create index results_of_a_claim on results (claim);
";

pub(super) const IDENTIFY: &str = "insert into identities (name, installation, document) values (?2, ?1, ?3)";

pub(super) const IDENTITIES_OF: &str =
    "select name, document from identities where installation = coalesce(?1, installation) order by name";

pub(super) const FORGET_IDENTITY: &str = "delete from identities where name = ?1";

/// The claims of an installation, oldest first, each with its last result.
pub(super) const HISTORY: &str = "
select c.document,
  (select status from results where claim = c.id order by id desc limit 1),
  (select message from results where claim = c.id order by id desc limit 1),
  c.modifies, c.id
from claims c join installations i on i.id = c.installation
where i.name = ?1 order by c.id";

/// The claims of an installation, oldest first, each with its last result.
pub(super) const CLAIMS: &str = "
select c.document, r.id, r.created, r.status, r.message
from claims c join installations i on i.id = c.installation
left join results r on r.id = (select id from results where claim = c.id order by id desc limit 1)
where i.name = ?1 order by c.id";

/// The last value of each output, last one last.
pub(super) const OUTPUTS: &str = "
select o.name, o.value
from outputs o join results r on r.id = o.result join claims c on c.id = r.claim
join installations i on i.id = c.installation
where i.name = ?1 order by r.id";

/// A result `unknown` for each claim that has none.
pub(super) const SETTLE: &str = "
insert into results (id, claim, created, status, message)
select substr(?1, 1, 18) || substr(c.id, 19), c.id, ?2, 'unknown', 'the run was interrupted'
from claims c join installations i on i.id = c.installation
where i.name = ?3 and not exists (select 1 from results where claim = c.id)";

pub(super) const UPSERT: &str = "
insert into installations (name, namespace, settings) values (?1, ?2, ?3)
on conflict (name) do update set namespace = excluded.namespace, settings = excluded.settings";

pub(super) const CLAIM: &str = "
insert into claims (id, installation, document, modifies)
select ?1, id, ?2, ?3 from installations where name = ?4";

pub(super) const RESULT: &str =
    "insert into results (id, claim, created, status, message) values (?1, ?2, ?3, ?4, ?5)";

pub(super) const OUTPUT: &str = "insert into outputs (result, name, value, digest) values (?1, ?2, ?3, ?4)";

pub(super) const RECORDED: &str = "
select recorded from inventory n join installations i on i.id = n.installation where i.name = ?1 and object = ?2";

pub(super) const RECORD: &str = "
insert into inventory (installation, object, recorded)
select id, ?2, ?3 from installations where name = ?1
on conflict (installation, object) do update set recorded = excluded.recorded";

pub(super) const FORGET: &str = "
delete from inventory
where object = ?2 and installation = (select id from installations where name = ?1)";

/// Makes the tables where there are none.
pub(super) fn prepare(connection: &Connection) -> Result<(), Fault> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    match version(connection)? {
        VERSION => Ok(()),
        0..VERSION => create(connection),
        found => Err(Fault::Newer(found)),
    }
}

/// Prepares a database that cannot be written: tables that it does not have yet are empty ones of this process.
pub(super) fn prepare_to_read(connection: &Connection) -> Result<(), Fault> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    let found = version(connection)?;
    if found > VERSION {
        return Err(Fault::Newer(found));
    }
    for tables in since(found) {
        connection.execute_batch(&tables.replace("create table", "create temp table"))?;
    }
    Ok(())
}

/// Migrates the tables of an older version, or of an empty database. Two programs may find an empty database at once:
/// the second one waits, and finds the first one's tables.
fn create(connection: &Connection) -> Result<(), Fault> {
    connection.execute_batch("begin immediate")?;
    let found = version(connection)?;
    for tables in since(found).chain((found < INDEXED).then_some(INDEXES)) {
        connection.execute_batch(tables)?;
    }
    connection.pragma_update(None, "user_version", VERSION)?;
    Ok(connection.execute_batch("commit")?)
}

/// The tables that came after a version.
fn since(version: i64) -> impl Iterator<Item = &'static str> {
    let tables = [(1, TABLES), (2, IDENTITIES)];
    tables.into_iter().filter(move |(came, _)| version < *came).map(|(_, tables)| tables)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("pragma user_version", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_statement_about_one_installation_looks_at_the_rows_of_all() {
        let database = Connection::open_in_memory().unwrap();
        assert!(prepare(&database).is_ok());
        let inventory = "select recorded from inventory where installation = ?1 order by at";
        for statement in [HISTORY, CLAIMS, OUTPUTS, SETTLE, CLAIM, RECORDED, RECORD, FORGET, inventory] {
            let mut plan = database.prepare(&format!("explain query plan {statement}")).unwrap();
            let count = plan.parameter_count();
            let steps =
                plan.query_map(rusqlite::params_from_iter(vec!["1"; count]), |row| row.get::<_, String>(3));
            let steps: Vec<_> = steps.unwrap().collect::<Result<_, _>>().unwrap();
            assert!(!steps.iter().any(|step| step.starts_with("SCAN ")), "{statement}: {steps:?}");
        }
    }
}
