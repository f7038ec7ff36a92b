#![expect(clippy::disallowed_methods, reason = "tests look at the files of the state")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;
use serde_json::json;

use super::*;
use crate::grant::RecordedGuard;
use crate::state::tests::{claim, example, in_directory, now, object, recorded, settings, succeeded};
use crate::state::{Backend, State};
use crate::targets::directory::Secrets;
use crate::targets::{Place, Recorded};

thread_local! {
    static READS: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn count_read() {
    READS.set(READS.get() + 1);
}

/// A database as version 1 of the tables wrote it, which knew no identities: a run that ended, and one that was cut
/// off.
const VERSION_1: &str = r#"
create table installations (id integer primary key, name text not null unique, namespace text not null,
  settings text not null) strict;
create table claims (id text primary key, installation integer not null references installations,
  document text not null, modifies integer not null) strict;
create table results (id text primary key, claim text not null references claims, created text not null,
  status text not null, message text) strict;
create table outputs (result text not null references results, name text not null, value text not null,
  digest text not null, primary key (result, name)) strict;
create table inventory (at integer primary key, installation integer not null references installations,
  object text not null, recorded text not null, unique (installation, object)) strict;
pragma user_version = 1;
insert into installations values (1, 'web', 'prod',
  '{"target":"dir:/srv/web","bundle":"sha256:0000000000000000000000000000000000000000000000000000000000000000","bundleName":"web","bundleVersion":"1.0.0","reference":"layout:/a","terms":{}}');
insert into claims values ('01A', 1, '{"id":"01A","revision":"01A","created":"2025-01-01T00:00:00Z","action":"install","bundle":{"name":"web","version":"1.0.0"},"parameters":{"port":80}}', 1);
insert into results values ('01B', '01A', '2025-01-01T00:00:01Z', 'succeeded', null);
insert into outputs values ('01B', 'url', '"http://a"', 'sha256:00');
insert into claims values ('01C', 1, '{"id":"01C","revision":"01C","created":"2025-01-02T00:00:00Z","action":"upgrade","bundle":{"name":"web","version":"1.1.0"}}', 1);
insert into inventory values (1, 1, 'ConfigMap prod/a',
  '{"object":{"apiVersion":"v1","kind":"ConfigMap","namespace":"prod","name":"a"},"uid":"u"}');
"#;

/// The state in a directory whose database a test has written.
fn written(sql: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    private_directory(&path).unwrap();
    Connection::open(path.join("state.db")).unwrap().execute_batch(sql).unwrap();
    (folder, path)
}

impl State {
    /// Opens it as one that cannot be written.
    fn to_read(path: &Path) -> Result<Self, StateError> {
        DirectoryState::open_to_read(path, io::ErrorKind::PermissionDenied)
            .map(|directory| Self(Backend::Directory(directory)))
    }
}

fn text_of(path: &Path, query: &str) -> String {
    Connection::open(path.join("state.db")).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}

fn reason<T>(result: Result<T, StateError>) -> String {
    let Err(error) = result else { panic!("no error") };
    chain(&error)
}

#[test]
fn a_state_of_the_first_version_opens_with_all_that_is_in_it() {
    let (_folder, path) = written(VERSION_1);
    let state = State::open(&path).unwrap();
    let found = state.get("web").unwrap();
    assert_eq!((&*found.namespace, found.settings.place.place()), ("prod", Ok(Place::directory("/srv/web"))));
    assert_eq!(found.settings.rule, None);
    assert_eq!(found.inventory.len(), 1);
    let history = state.history("web").unwrap();
    let told: Vec<_> = history.iter().map(|it| (&*it.bundle, it.result.as_str())).collect();
    assert_eq!(told, [("web 1.0.0", "succeeded"), ("web 1.1.0", "unknown")]);
    assert_eq!(state.outputs("web").unwrap()["url"], json!("http://a"));
    assert!(found.is_interrupted());
}

#[test]
fn a_state_of_the_first_version_is_brought_to_this_one_and_goes_on_from_there() {
    let (_folder, path) = written(VERSION_1);
    let state = State::open(&path).unwrap();
    assert_eq!(state.identities(None).unwrap().readable, []);
    let next = claim("upgrade", true);
    state.begin("web", "prod", &settings(), &next).unwrap();
    state.finish(&next, &succeeded(&BTreeMap::new())).unwrap();
    let history = state.history("web").unwrap();
    let told: Vec<_> = history.iter().map(|it| (it.result.as_str(), it.message.as_deref())).collect();
    assert_eq!(
        told,
        [("succeeded", None), ("unknown", Some("the run was interrupted")), ("succeeded", None)]
    );
    drop(state);
    assert_eq!(State::open(&path).unwrap().history("web").unwrap(), history);
    assert_eq!(
        text_of(&path, "select user_version || '' from pragma_user_version"),
        fault::VERSION.to_string()
    );
}

#[test]
fn a_state_of_a_later_version_is_refused_and_stays_as_it_is() {
    let (_folder, path) = written("create table installations (later text); pragma user_version = 4;");
    let before = std::fs::read(path.join("state.db")).unwrap();
    let error = State::open(&path).map(drop).unwrap_err();
    let file = path.join("state.db");
    let expected = format!("the state database `{}` has version 4, and this program knows 3", file.display());
    assert_eq!(error.to_string(), expected);
    assert_eq!(reason(State::to_read(&path)), expected);
    let table = "select sql from sqlite_schema where name = 'installations'";
    assert_eq!(text_of(&path, table), "CREATE TABLE installations (later text)");
    assert_eq!(std::fs::read(path.join("state.db")).unwrap().len(), before.len());
}

#[test]
fn a_link_that_leads_nowhere_begins_no_other_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    private_directory(&path).unwrap();
    std::os::unix::fs::symlink(folder.path().join("unmounted/state.db"), path.join("state.db")).unwrap();
    std::fs::create_dir(folder.path().join("unmounted")).unwrap();
    assert!(reason(State::open(&path)).contains("state.db"));
    assert_eq!(std::fs::read_dir(folder.path().join("unmounted")).unwrap().count(), 0);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    assert!(State::open(&link).is_err());
    assert!(!folder.path().join("nowhere").exists());
}

#[test]
fn what_is_no_database_is_refused() {
    let (_folder, path) = written("");
    std::fs::write(path.join("state.db"), "not a database, and long enough to be looked at".repeat(40))
        .unwrap();
    let expected = format!(
        "the state database `{}` cannot be used: it is no state database of carnet's",
        path.join("state.db").display()
    );
    assert_eq!((reason(State::open(&path)), reason(State::to_read(&path))), (expected.clone(), expected));
}

#[test]
fn what_is_wrong_with_a_database_is_told_with_its_file_and_in_our_words() {
    let (_folder, path) = written(VERSION_1);
    let state = State::open(&path).unwrap();
    let other = Connection::open(path.join("state.db")).unwrap();
    let told = |error| match error {
        StateError::Database { path: file, fault } if file == path.join("state.db") => fault.to_string(),
        other => panic!("{other}"),
    };
    let begin = || told(state.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap_err());
    for (damage, undo, expected) in [
        (
            "alter table claims rename to c",
            "alter table c rename to claims",
            "it is no state database of carnet's",
        ),
        (
            "create trigger no before insert on claims begin select raise(abort, 'x'); end",
            "drop trigger no",
            "SQLite fails with its code 1811",
        ),
    ] {
        other.execute_batch(damage).unwrap();
        assert_eq!(begin(), expected);
        other.execute_batch(undo).unwrap();
    }
    state.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap();
}

#[test]
fn damage_in_the_middle_of_a_database_is_told_as_damage() {
    let (_folder, path) = written(VERSION_1);
    let file = path.join("state.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let half = bytes.len() / 4;
    bytes[half..].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    for opened in [State::open(&path), State::to_read(&path)] {
        let text = reason(opened.and_then(|state| state.list()));
        assert_eq!(text, format!("the state database `{}` cannot be used: it is damaged", file.display()));
    }
}

#[test]
fn programs_that_find_an_empty_directory_at_once_all_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || State::open(&path).and_then(|state| state.list()))
        })
        .collect();
    for opened in opening {
        assert_eq!(opened.join().unwrap().unwrap(), []);
    }
}

#[test]
fn documents_are_stored_byte_for_byte_as_ever() {
    let (folder, state) = in_directory();
    let path = folder.path().join("state");
    let settings = InstallationSettings {
        place: Place::directory("/srv").with_secrets(Secrets::Plain).into(),
        ..settings()
    };
    state.begin("web", "prod", &settings, &claim("install", true)).unwrap();
    let digest = Digest::of(b"bundle");
    assert_eq!(
        text_of(&path, "select settings from installations"),
        format!(
            r#"{{"target":"dir:/srv","plainSecrets":true,"bundle":"{digest}","bundleName":"web","bundleVersion":"1.0.0","reference":"layout:/somewhere","terms":{{"kubernetes":[],"files":[],"credentials":[],"deny":{{}},"limits":{{}}}}}}"#
        )
    );
    state.ledger("web").intend(&[recorded("a", Some("u"))]).unwrap();
    assert_eq!(
        text_of(&path, "select recorded from inventory"),
        r#"{"object":{"apiVersion":"v1","kind":"ConfigMap","namespace":"prod","name":"a"},"uid":"u"}"#
    );
    assert_eq!(text_of(&path, "select object from inventory"), "ConfigMap prod/a");
}

#[test]
fn a_damaged_document_is_an_error_and_never_left_out() {
    let cases = [
        ("update installations set settings = '{'", "the state holds a record that cannot be read"),
        (
            "update installations set settings = '{\"target\":1}'",
            "the state holds a record that cannot be read",
        ),
        ("update inventory set recorded = '{\"object\":{}}'", "the state holds a record that cannot be read"),
        ("update claims set document = '[1'", "the record `claim 01A` cannot be used: "),
        (
            "update claims set document = '{\"custom\":{\"dev.carnet.run\":{\"terms\":{\"more\":1}}}}'",
            "the record `claim 01A` cannot be used: ",
        ),
    ];
    for (damage, expected) in cases {
        let (_folder, path) = written(VERSION_1);
        let state = State::open(&path).unwrap();
        Connection::open(path.join("state.db")).unwrap().execute_batch(damage).unwrap();
        let text = reason(state.get("web"));
        assert!(text.starts_with(expected), "{damage}: {text}");
        assert!(reason(state.list()).starts_with(expected), "{damage}");
    }
}

#[test]
fn a_spoiled_claim_hides_no_other_in_a_history() {
    let (_folder, path) = written(VERSION_1);
    let state = State::open(&path).unwrap();
    let damage = "update claims set document = '{' where id = '01A'";
    Connection::open(path.join("state.db")).unwrap().execute_batch(damage).unwrap();
    let Revisions { readable, unreadable } = state.revisions("web").unwrap();
    assert_eq!(readable.iter().map(|it| &*it.claim).collect::<Vec<_>>(), ["01C"]);
    assert!(chain(&unreadable[0]).starts_with("the record `claim 01A` cannot be used: "));
    assert!(reason(state.history("web")).contains("01A"), "who goes back must not choose among some");
}

#[test]
fn a_guard_that_this_version_does_not_know_hides_no_record_and_no_claim() {
    let (_folder, path) = written(VERSION_1);
    let state = State::open(&path).unwrap();
    let later = "update installations set settings = json_set(settings, '$.dangers', json('[\"--dangerous-new\"]'));
        update claims set document = json_set(document, '$.custom', json('{\"dev.carnet.run\":{\"dangers\":[\"--dangerous-new\"]}}'));";
    Connection::open(path.join("state.db")).unwrap().execute_batch(later).unwrap();
    let unknown = [RecordedGuard::Unknown("--dangerous-new".into())];
    let found = state.get("web").unwrap();
    assert_eq!(found.settings.dangers, unknown);
    assert_eq!(found.last.unwrap().dangers, unknown);
    assert_eq!(state.list().unwrap().len(), 1);
    assert_eq!(state.history("web").unwrap()[0].dangers, unknown);
}

#[test]
fn what_a_file_held_stays_known_until_it_is_written_anew() {
    let (_folder, state) = in_directory();
    state.begin("web", "prod", &settings(), &claim("install", true)).unwrap();
    let [old, new] = [Digest::of(b"old"), Digest::of(b"new")];
    let mut ledger = state.ledger("web");
    let row = |written, intended| Recorded { written, intended, ..recorded("a", None) };
    ledger.applied(&[row(Some(old), None)]).unwrap();
    ledger.intend(&[row(None, Some(new))]).unwrap();
    assert_eq!(state.get("web").unwrap().inventory, [row(Some(old), Some(new))]);
    ledger.applied(&[row(Some(new), None)]).unwrap();
    assert_eq!(state.get("web").unwrap().inventory, [row(Some(new), None)]);
    ledger.removed(&object("a")).unwrap();
    assert_eq!(state.get("web").unwrap().inventory, []);
}

#[test]
fn all_of_a_call_is_recorded_or_nothing() {
    let (folder, state) = in_directory();
    state.begin("web", "prod", &settings(), &claim("install", true)).unwrap();
    let database = Connection::open(folder.path().join("state/state.db")).unwrap();
    database
        .execute_batch(
            "create trigger refuse before insert on inventory when new.object like '%/b'
             begin select raise(abort, 'the disk is full'); end;",
        )
        .unwrap();
    let error = state.ledger("web").intend(&[recorded("a", None), recorded("b", None)]).unwrap_err();
    let told = "what the run does cannot be recorded: the state database `";
    assert!(error.to_string().starts_with(told), "{error}");
    assert_eq!(state.get("web").unwrap().inventory, []);
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Every file and folder below a path.
fn all(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|entry| [vec![entry.clone()], all(&entry)].concat()).collect()
}

#[test]
fn all_that_is_recorded_is_for_its_user_alone_also_where_the_directory_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    std::fs::create_dir(&path).unwrap();
    set_mode(&path, 0o755);
    let state = State::open(&path).unwrap();
    now(state.keep(&example())).unwrap();
    let _lock = state.lock("web").unwrap();
    state.begin("web", "prod", &settings(), &claim("install", true)).unwrap();
    let entries = all(&path);
    for name in ["state.db", "state.db-wal", "state.db-shm", "bundles", "locks"] {
        assert!(entries.contains(&path.join(name)), "{name}");
    }
    // Files below a folder that only its user enters are hidden with it.
    let [bundles, locks] = ["bundles", "locks"].map(|name| path.join(name));
    for entry in entries.iter().filter(|it| it.parent() == Some(&path)) {
        assert_eq!(mode(entry) & 0o077, 0, "{}", entry.display());
    }
    assert_eq!((mode(&path), mode(&bundles), mode(&locks)), (0o755, 0o700, 0o700));
    drop(state);

    set_mode(&path.join("state.db"), 0o644);
    drop(State::open(&path).unwrap());
    assert_eq!(mode(&path.join("state.db")), 0o600, "as an earlier version left it");
}

#[test]
fn what_others_can_write_is_refused_and_stays_as_it_is() {
    let (folder, state) = in_directory();
    state.begin("web", "prod", &settings(), &claim("install", true)).unwrap();
    drop(state);
    let path = folder.path().join("state");
    for (name, usual) in [("", 0o700), ("bundles", 0o700), ("locks", 0o700), ("state.db", 0o600)] {
        let exposed = if name.is_empty() { path.clone() } else { path.join(name) };
        for wide in [0o777, 0o770, 0o702] {
            set_mode(&exposed, wide);
            let StateError::Exposed(told) = State::open(&path).map(drop).unwrap_err() else {
                panic!("{name}")
            };
            assert_eq!((told, mode(&exposed)), (exposed.clone(), wide));
        }
        set_mode(&exposed, usual);
    }
    assert_eq!(State::open(&path).unwrap().list().unwrap().len(), 1);
}

#[test]
fn a_directory_that_others_can_put_another_in_the_place_of_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let above = folder.path().join("above");
    let path = above.join("deep/state");
    std::fs::create_dir_all(&above).unwrap();
    for (wide, is_refused) in [(0o777, true), (0o757, true), (0o1777, false), (0o755, false)] {
        set_mode(&above, wide);
        match State::open(&path).map(drop) {
            Ok(()) => assert!(!is_refused, "{wide:o}"),
            Err(StateError::Replaceable { state, exposed }) => {
                assert!(is_refused, "{wide:o}");
                assert_eq!((state, exposed), (path.clone(), above.canonicalize().unwrap()));
            }
            Err(error) => panic!("{wide:o}: {error}"),
        }
    }
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let (folder, state) = in_directory();
    drop(state);
    let path = folder.path().join("state");
    // Only root can give something away; anybody else finds the directories of root.
    for given in [path.clone(), path.join("locks")] {
        let foreign = match std::os::unix::fs::chown(&given, Some(65_534), None) {
            Ok(()) => State::open(&path).map(drop),
            Err(_) => private_directory(Path::new("/usr")),
        };
        assert!(matches!(foreign, Err(StateError::Foreign(_))), "{foreign:?}");
        drop(std::os::unix::fs::chown(&given, Some(rustix::process::geteuid().as_raw()), None));
    }
}

#[test]
fn what_cannot_be_written_can_be_read() {
    let (folder, state) = in_directory();
    let path = folder.path().join("state");
    state.begin("web", "prod", &settings(), &claim("install", true)).unwrap();
    state.ledger("web").intend(&[recorded("a", None)]).unwrap();
    let known = (state.list().unwrap(), state.history("web").unwrap());
    drop(state);
    let before: Vec<_> = all(&path);

    let state = State::to_read(&path).unwrap();
    assert_eq!((state.list().unwrap(), state.history("web").unwrap()), known);
    assert_eq!(state.holder("web").unwrap(), None);
    let identities = state.identities(None).unwrap().readable;
    assert_eq!((state.outputs("web").unwrap(), identities), Default::default());
    let refused = |done: Result<(), StateError>| match done {
        Err(error @ StateError::ReadOnly(..)) => chain(&error),
        other => panic!("{other:?}"),
    };
    let expected = format!("the state in `{}` can be read, and not be written: ", path.display());
    for text in [
        refused(state.lock("web").map(drop)),
        refused(state.begin("web", "prod", &settings(), &claim("upgrade", true))),
        refused(now(state.keep(&example()))),
    ] {
        assert!(text.starts_with(&expected), "{text}");
    }
    assert_eq!(all(&path), before);
}

#[test]
fn changes_that_a_killed_run_left_beside_the_database_are_read_too() {
    let (folder, state) = in_directory();
    let path = folder.path().join("state");
    state.begin("web", "prod", &settings(), &claim("install", true)).unwrap();
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        std::fs::copy(path.join(name), copy.join(name)).unwrap();
    }
    assert!(std::fs::metadata(copy.join("state.db-wal")).unwrap().len() > 0);
    assert_eq!(State::to_read(&copy).unwrap().list().unwrap(), state.list().unwrap());
}

#[test]
fn a_state_that_is_not_there_and_cannot_be_made_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/state");
    let state = State::to_read(&path).unwrap();
    assert_eq!((state.list().unwrap(), state.find("web").unwrap()), (Vec::new(), None));
    assert_eq!(state.identities(None).unwrap().readable, []);
    assert!(!folder.path().join("no").exists());
}

#[test]
fn a_state_of_the_first_version_can_be_read_as_it_is() {
    let (_folder, path) = written(VERSION_1);
    let state = State::to_read(&path).unwrap();
    let identities = state.identities(None).unwrap().readable;
    assert_eq!((state.history("web").unwrap().len(), identities), (2, Vec::new()));
    assert_eq!(text_of(&path, "select user_version || '' from pragma_user_version"), "1");
}

#[test]
fn a_path_with_odd_characters_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a?b%20c #d é");
    let state = State::open(&path).unwrap();
    state.begin("web", "prod", &settings(), &claim("install", true)).unwrap();
    drop(state);
    assert_eq!(State::to_read(&path).unwrap().list().unwrap().len(), 1);
}

#[test]
fn a_hold_is_a_process_s_own_and_nobody_can_end_it() {
    let (folder, state) = in_directory();
    let lock = state.lock("web").unwrap();
    let holder = state.holder("web").unwrap().unwrap();
    assert_eq!(holder.who, format!("process {} of this machine", std::process::id()));
    assert!(matches!(state.unlock("web", &holder), Err(StateError::Locked { .. })));
    assert_eq!(state.holder("web").unwrap().unwrap(), holder);

    // Whatever the file says, it is locked.
    let file = folder.path().join("state/locks").join(Digest::of(b"web").hex());
    for text in ["", "{", "{\"who\":1}", &"x".repeat(10_000)] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(state.holder("web").unwrap().unwrap().who, "a process of this machine", "{text:.9}");
        assert!(matches!(state.lock("web"), Err(StateError::Locked { .. })));
    }
    drop(lock);
    assert_eq!(state.holder("web").unwrap(), None);
}

#[test]
fn a_kept_bundle_that_was_changed_is_refused() {
    let fetched = example();
    let (folder, state) = in_directory();
    now(state.keep(&fetched)).unwrap();
    let blobs = folder.path().join("state/bundles").join(fetched.digest().hex()).join("blobs/sha256");
    let blob = blobs.join(fetched.digest().hex());
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    assert!(matches!(now(state.load(fetched.digest(), "layout:/a")), Err(StateError::Bundle(_))));
}

#[test]
fn an_identity_whose_record_is_unreadable_is_named_and_hides_no_other() {
    let (folder, state) = in_directory();
    let record = |id: &str| IdentityRecord {
        name: format!("carnet-{}", id.to_lowercase()),
        owner: "prod/web".into(),
        server: String::new(),
        namespaces: Vec::new(),
        is_apart: false,
        scopes: BTreeSet::new(),
        expires: String::new(),
    };
    let (spoiled, sound) = (record(&ulid()), record(&ulid()));
    state.identify("web", &spoiled).unwrap();
    state.identify("web", &sound).unwrap();
    let database = Connection::open(folder.path().join("state/state.db")).unwrap();
    let spoil = "update identities set document = '{\"name\": 1}' where name = ?1";
    assert_eq!(database.execute(spoil, [&spoiled.name]).unwrap(), 1);
    let found = state.identities(Some("web")).unwrap();
    assert_eq!(found.readable, [sound]);
    let [fault] = &found.unreadable[..] else { panic!("{:?}", found.unreadable) };
    assert!(chain(fault).contains(&spoiled.name), "{fault}");
}

#[test]
fn a_list_reads_each_record_of_each_installation_once() {
    let (_folder, state) = in_directory();
    let mut asked = Vec::new();
    for name in ["a", "b", "c", "d"] {
        state.begin(name, "prod", &settings(), &claim("install", true)).unwrap();
        let before = READS.get();
        assert!(state.readable(false).unwrap().unreadable.is_empty());
        asked.push(READS.get() - before);
    }
    let more: BTreeSet<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(more, [3].into(), "its settings, its claims, its objects");
}
