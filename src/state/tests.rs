//! Both backends keep the same promises: each test here runs on a directory and on a cluster.

#![expect(
    clippy::disallowed_methods,
    reason = "tests find their servers through files, sockets and the environment"
)]

pub(in crate::state) mod server;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::bundle::claim::ResultStatus;
use crate::fetch::fetch;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::RoleScope;
use crate::oci::registry::RegistryClient;
use crate::targets::{Place, Recorded};
use server::Server;

/// The state in a new directory.
pub(in crate::state) fn in_directory() -> (tempfile::TempDir, State) {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(&folder.path().join("state")).unwrap();
    (folder, state)
}

/// The state in a cluster, as another program sees it.
pub(in crate::state) fn in_cluster(server: &Server, who: &str) -> State {
    State::connect(&server.options(), None, who).unwrap()
}

/// Runs a test on both backends. It is given a way to open the state, as another program does.
fn on_both(test: impl Fn(&dyn Fn() -> State)) {
    let folder = tempfile::tempdir().unwrap();
    test(&|| State::open(&folder.path().join("state")).unwrap());
    let server = Server::start();
    test(&|| in_cluster(&server, "somebody"));
}

pub(in crate::state) fn settings() -> InstallationSettings {
    InstallationSettings {
        place: Place::cluster().into(),
        bundle: Digest::of(b"bundle"),
        bundle_name: "web".into(),
        bundle_version: "1.0.0".into(),
        reference: "layout:/somewhere".into(),
        ..InstallationSettings::default()
    }
}

pub(in crate::state) fn claim(action: &str, modifies: bool) -> NewClaim {
    let id = ulid();
    let document = json!({
        "id": id, "installation": "web", "revision": id, "created": "2026-01-01T00:00:00Z", "action": action,
        "bundle": { "name": "web", "version": "1.0.0" }, "bundleReference": "layout:/somewhere",
        "parameters": { "port": 80 },
        "custom": { "dev.carnet.run": { "bundle": Digest::of(b"bundle"), "secretParameters": ["token"] } },
    });
    NewClaim { id, document, modifies }
}

pub(in crate::state) fn object(name: &str) -> ObjectRef {
    ObjectRef::new("v1", "ConfigMap", Some("prod"), name)
}

pub(in crate::state) fn recorded(name: &str, uid: Option<&str>) -> Recorded {
    Recorded { uid: uid.map(str::to_owned), ..Recorded::of(object(name)) }
}

pub(in crate::state) fn succeeded(outputs: &BTreeMap<String, Value>) -> NewResult<'_> {
    NewResult { status: ResultStatus::Succeeded, message: None, outputs, stamp: None }
}

fn outputs(pairs: &[(&str, Value)]) -> BTreeMap<String, Value> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn act(state: &State, action: &str, outputs: &BTreeMap<String, Value>) -> NewClaim {
    let claim = claim(action, true);
    state.begin("web", "prod", &settings(), &claim).unwrap();
    state.finish(&claim, &succeeded(outputs)).unwrap();
    claim
}

fn identity(id: &str) -> IdentityRecord {
    IdentityRecord {
        name: format!("carnet-{}", id.to_lowercase()),
        owner: "prod/web".into(),
        server: "https://elsewhere".into(),
        namespaces: vec!["prod".into()],
        is_apart: false,
        scopes: [RoleScope::Cluster].into(),
        expires: "2026-01-01T00:00:00Z".into(),
    }
}

#[test]
fn what_one_program_has_recorded_another_one_reads() {
    on_both(|open| {
        assert_eq!(open().find("web").unwrap(), None);
        assert!(matches!(open().get("web"), Err(StateError::Missing(name)) if name == "web"));
        assert_eq!(open().history("web").unwrap(), []);
        let claim = act(&open(), "install", &outputs(&[("url", json!("http://a"))]));
        let found = open().get("web").unwrap();
        assert_eq!((&*found.name, &*found.namespace), ("web", "prod"));
        assert_eq!(found.settings.bundle, settings().bundle);
        let last = found.last.as_ref().unwrap();
        assert_eq!((&*last.claim, &*last.action, last.result.as_str()), (&*claim.id, "install", "succeeded"));
        assert_eq!(last.parameters, outputs(&[("port", json!(80))]));
        assert_eq!(last.secret_parameters, ["token"]);
        assert!(found.is_installed() && !found.is_deleted() && !found.is_interrupted());
        assert_eq!(open().history("web").unwrap(), std::slice::from_ref(last));
        assert_eq!(open().list().unwrap(), std::slice::from_ref(&found));
        assert_eq!(open().list_all().unwrap(), [found]);
    });
}

#[test]
fn a_run_that_was_cut_off_is_settled_as_unknown_by_the_next_one_and_never_twice() {
    on_both(|open| {
        let cut_off = claim("install", true);
        open().begin("web", "prod", &settings(), &cut_off).unwrap();
        let found = open().get("web").unwrap();
        assert!(found.is_interrupted(), "{found:?}");
        assert_eq!(found.last.unwrap().message, None);

        act(&open(), "upgrade", &BTreeMap::new());
        act(&open(), "upgrade", &BTreeMap::new());
        let history = open().history("web").unwrap();
        let told: Vec<_> = history.iter().map(|it| (it.result.as_str(), it.message.as_deref())).collect();
        assert_eq!(
            told,
            [("unknown", Some("the run was interrupted")), ("succeeded", None), ("succeeded", None)]
        );
        assert_eq!(history[0].claim, cut_off.id);
    });
}

#[test]
fn an_action_that_modifies_nothing_is_in_the_history_and_is_not_the_last_revision() {
    on_both(|open| {
        let installed = act(&open(), "install", &BTreeMap::new());
        let (state, looked, none) = (open(), claim("status", false), BTreeMap::new());
        state.begin("web", "prod", &settings(), &looked).unwrap();
        let message = Some("it broke".into());
        state
            .finish(
                &looked,
                &NewResult { status: ResultStatus::Failed, message, outputs: &none, stamp: None },
            )
            .unwrap();
        let found = state.get("web").unwrap();
        assert_eq!(found.last.unwrap().claim, installed.id);
        let history = state.history("web").unwrap();
        assert_eq!(history.len(), 2);
        assert_eq!((history[1].result.as_str(), history[1].message.as_deref()), ("failed", Some("it broke")));
    });
}

#[test]
fn of_each_output_the_last_value_counts() {
    on_both(|open| {
        act(&open(), "install", &outputs(&[("a", json!(1)), ("b", json!({"c": [true]}))]));
        act(&open(), "upgrade", &outputs(&[("a", json!(2))]));
        assert_eq!(open().outputs("web").unwrap(), outputs(&[("a", json!(2)), ("b", json!({"c": [true]}))]));
        assert_eq!(open().outputs("other").unwrap(), BTreeMap::new());
    });
}

#[test]
fn an_object_is_recorded_before_it_is_applied_and_keeps_its_place() {
    on_both(|open| {
        let state = open();
        state.begin("web", "prod", &settings(), &claim("install", true)).unwrap();
        let mut ledger = state.ledger("web");
        ledger.intend(&[recorded("a", None), recorded("b", None)]).unwrap();
        // Whoever comes after a kill at this moment knows of both.
        let names = |state: &State| -> Vec<_> {
            let inventory = state.get("web").unwrap().inventory;
            inventory.iter().map(|it| (it.object.name.clone(), it.uid.clone())).collect()
        };
        assert_eq!(names(&open()), [("a".to_owned(), None), ("b".to_owned(), None)]);
        ledger.applied(&[recorded("a", Some("1"))]).unwrap();
        ledger.removed(&object("b")).unwrap();
        ledger.intend(&[recorded("c", None)]).unwrap();
        assert_eq!(names(&open()), [("a".to_owned(), Some("1".to_owned())), ("c".to_owned(), None)]);
    });
}

#[test]
fn nobody_else_acts_while_a_run_goes_on_and_its_holder_is_named() {
    on_both(|open| {
        let (one, other) = (open(), open());
        let lock = one.lock("web").unwrap();
        let Err(StateError::Locked { name, holder: Some(holder) }) = other.lock("web").map(drop) else {
            panic!("not locked")
        };
        assert_eq!((&*name, holder.is_overdue), ("web", false));
        assert_eq!(other.holder("web").unwrap(), Some(*holder));
        drop(other.lock("another").unwrap());
        drop(lock);
        assert_eq!(other.holder("web").unwrap(), None);
        drop(other.lock("web").unwrap());
    });
}

#[test]
fn an_identity_is_known_until_it_is_removed() {
    on_both(|open| {
        let (one, other) = (identity(&ulid()), identity(&ulid()));
        open().identify("web", &one).unwrap();
        open().identify("web", &other).unwrap();
        assert_eq!(open().identities(Some("web")).unwrap().readable.len(), 2);
        assert_eq!(open().identities(Some("another")).unwrap().readable, []);
        open().forget_identity(&one).unwrap();
        open().forget_identity(&one).unwrap();
        let left = open().identities(None).unwrap().readable;
        assert_eq!(left.iter().map(|it| &it.name).collect::<Vec<_>>(), [&other.name]);
    });
}

/// A bundle of the examples, as it was fetched.
pub(in crate::state) fn example() -> Fetched {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/guest-examples/bundles/guestbook");
    now(fetch(&format!("layout:{path}").parse().unwrap(), &RegistryClient::anonymous())).unwrap()
}

/// Waits for a future that has a runtime of its own.
pub(in crate::state) fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn a_bundle_that_is_kept_is_the_one_that_was_fetched_and_another_one_is_not_there() {
    let fetched = example();
    on_both(|open| {
        now(open().keep(&fetched)).unwrap();
        now(open().keep(&fetched)).unwrap();
        let loaded = now(open().load(fetched.digest(), "layout:/gone")).unwrap();
        assert_eq!(loaded.index_bytes(), fetched.index_bytes());
        assert_eq!(loaded.signatures().len(), fetched.signatures().len());
        assert!(now(open().load(Digest::of(b"another"), "layout:/gone")).is_err());
    });
}

/// A record of an object that an action has made says so, in both backends, until an install has it.
#[test]
fn what_an_action_made_is_recorded_as_such() {
    on_both(|open| {
        let state = open();
        let _lock = state.lock("web").unwrap();
        state.begin("web", "prod", &settings(), &claim("install", true)).unwrap();
        let run = crate::targets::MadeBy { action: "dev.example.backup".into(), revision: "1".into() };
        let made =
            |name: &str| Recorded { made_by: Some(Box::new(run.clone())), ..recorded(name, Some("u")) };
        let mut ledger = state.ledger("web");
        ledger.intend(&[recorded("a", None), made("b"), made("c")]).unwrap();
        ledger.applied(&[made("a"), made("b")]).unwrap();
        ledger.intend(&[recorded("c", Some("u"))]).unwrap();
        let found = state.find("web").unwrap().unwrap();
        let of_actions: Vec<_> =
            found.inventory().iter().filter(|it| it.made_by.is_some()).map(|it| it.object.clone()).collect();
        assert_eq!(of_actions, [object("b")]);
    });
}
