//! The story, step by step: in which order it decides, asks, records and acts, and what is left of it when it ends
//! early.

#![expect(clippy::disallowed_methods, reason = "tests make files")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::bundle::claim::ResultStatus;
use crate::fetch::tests::installer;
use crate::grant::tests::verified_of;
use crate::host::progress::{LogEntry, Observer, Unready};
use crate::plan::Plan;
use crate::state::{Installation, State, StateError};
use crate::sync::Mutex;
use crate::targets::Place;
use crate::targets::cluster::Owner;
use crate::targets::directory::{Directory, Secrets};

const BUNDLE: &str = "
outputs:
  url: { schema: { type: string, default: nowhere } }
  pin: { schema: { type: string, default: '0000', writeOnly: true } }
parameters:
  theme: { schema: { type: string, default: plain } }
  secret: { schema: { type: string, writeOnly: true } }
actions:
  dev.carnet.web.look: { description: Looks, modifies: false, stateless: true }
  dev.carnet.web.check: { description: Checks, modifies: false }
requests:
  kubernetes:
  - { verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['${installation}-*'] }
";

/// Where objects go, and where they are recorded.
pub(super) struct Home(tempfile::TempDir);

impl Home {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn state(&self) -> State {
        State::open(&self.path("state")).unwrap()
    }

    pub(super) fn target(&self) -> Target {
        let owner = Owner { namespace: "prod".into(), installation: "web".into() };
        Target::Directory(Directory::open(&self.path("rendered"), Secrets::Omit, &owner).unwrap())
    }

    /// An action with everything granted that the bundle requests.
    pub(super) fn operation(&self, action: &str) -> Operation {
        let mut operation = Operation::new(action, "web", "prod", Place::directory(self.path("rendered")));
        let rule = json!({
            "verbs": ["apply"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": ["web-*"],
        });
        operation.consent.grant = serde_json::from_value(json!({ "kubernetes": [rule] })).unwrap();
        operation
    }

    fn file(&self) -> PathBuf {
        self.path("rendered/prod/configmap_web-a.yaml")
    }
}

/// Somebody who answers, after something has happened.
struct Asked {
    answer: Option<bool>,
    meanwhile: Box<dyn Fn(&Plan) + Send + Sync>,
    plans: Mutex<usize>,
}

impl Asked {
    fn answering(answer: bool) -> Arc<Self> {
        Self::after(answer, |_| ())
    }

    fn after(answer: bool, meanwhile: impl Fn(&Plan) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Some(answer), meanwhile: Box::new(meanwhile), plans: Mutex::new(0) })
    }

    fn times(&self) -> usize {
        *self.plans.lock()
    }
}

impl Observer for Asked {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &LogEntry) {}
}

impl Approver for Asked {
    fn confirm<'a>(&'a self, plan: &'a Plan, _: &'a Decision) -> Answer<'a> {
        *self.plans.lock() += 1;
        (self.meanwhile)(plan);
        match self.answer {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => Box::pin(std::future::pending()),
        }
    }
}

/// A bundle whose component applies one ConfigMap, with this value.
pub(super) async fn bundle(value: &str) -> Verified {
    let manifest =
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: web-a}}, data: {{value: {value}}}}}");
    let length = u8::try_from(manifest.len()).unwrap();
    let fields = format!(
        r#"(import "carnet:kubernetes/apply@0.1.0" "apply" (func $apply (param i32 i32 i32)))
        (data (i32.const 200) "\00\01\00\00\{length:02x}\00\00\00")
        (data (i32.const 256) "{manifest}")"#
    );
    let body = "(call $apply (i32.const 200) (i32.const 1) (i32.const 32)) i32.const 16";
    verified_of(&installer(&fields, body), BUNDLE).await
}

async fn run(home: &Home, action: &str, approver: Arc<dyn Approver>) -> Result<Outcome, Error> {
    acted(home, Some(bundle("one").await), home.operation(action), approver, Mode::Act).await
}

async fn acted(
    home: &Home,
    verified: Option<Verified>,
    operation: Operation,
    approver: Arc<dyn Approver>,
    mode: Mode,
) -> Result<Outcome, Error> {
    let state = home.state();
    let environment = Environment { approver, ..Environment::new(&state) };
    act(verified, home.target(), operation, &environment, mode).await
}

fn found(home: &Home) -> Option<Installation> {
    home.state().find("web").unwrap()
}

#[tokio::test]
async fn a_plan_that_is_confirmed_is_carried_out_and_recorded() {
    let (home, approver) = (Home::new(), Asked::answering(true));
    let outcome = run(&home, "install", approver.clone()).await.unwrap();
    assert_eq!((approver.times(), outcome.outputs["url"].as_str()), (1, Some("nowhere")));
    assert!(home.file().exists());
    let installation = found(&home).unwrap();
    assert_eq!(installation.inventory().iter().count(), 1);
    assert_eq!(installation.last.unwrap().result, ResultStatus::Succeeded);
    let outputs = home.state().outputs("web").unwrap();
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["url"], "what is `writeOnly` is not stored");
}

#[tokio::test]
async fn a_plan_that_is_declined_leaves_nothing() {
    let (home, approver) = (Home::new(), Asked::answering(false));
    assert!(matches!(run(&home, "install", approver.clone()).await, Err(Error::Declined)));
    assert_eq!((approver.times(), home.file().exists()), (1, false));
    assert!(found(&home).is_none());
    // Nobody holds it any more.
    run(&home, "install", Asked::answering(true)).await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_stopped_while_somebody_is_asked_waits_for_no_answer_and_leaves_nothing() {
    let home = Home::new();
    let state = home.state();
    let cancellation = Cancellation::new();
    let stop = cancellation.clone();
    let approver =
        Arc::new(Asked { answer: None, meanwhile: Box::new(move |_| stop.cancel()), plans: Mutex::new(0) });
    let environment = Environment { approver, cancellation, ..Environment::new(&state) };
    let verified = Some(bundle("one").await);
    let ended = act(verified, home.target(), home.operation("install"), &environment, Mode::Act).await;
    assert!(matches!(ended, Err(Error::Canceled)));
    assert!(!home.file().exists() && state.find("web").unwrap().is_none());
}

/// An object that cannot be written after all is recorded before it is tried: so the next command finds it.
#[tokio::test]
async fn a_run_that_fails_is_recorded_without_what_it_never_wrote() {
    let home = Home::new();
    let folder = home.path("rendered/prod");
    let in_the_way = Asked::after(true, move |_| {
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        fs::write(&folder, "in the way").unwrap();
    });
    let failed = run(&home, "install", in_the_way).await.unwrap_err();
    assert!(matches!(failed, Error::Run { .. }), "{failed}");
    let installation = found(&home).unwrap();
    assert!(installation.inventory().is_empty(), "{:?}", installation.inventory());
    let last = installation.last.unwrap();
    assert_eq!((last.action.as_str(), last.result.as_str()), ("install", "failed"));
    // The next run finishes it.
    fs::remove_file(home.path("rendered/prod")).unwrap();
    run(&home, "install", Asked::answering(true)).await.unwrap();
    assert_eq!(found(&home).unwrap().last.unwrap().result, ResultStatus::Succeeded);
    assert_eq!(home.state().history("web").unwrap().len(), 2);
}

#[tokio::test]
async fn only_acting_asks_locks_and_records() {
    let home = Home::new();
    let approver = Asked::answering(true);
    let held = home.state();
    let lock = held.lock("web").unwrap();
    for mode in [Mode::Plan, Mode::Examine] {
        let verified = Some(bundle("one").await);
        let outcome =
            acted(&home, verified, home.operation("install"), approver.clone(), mode).await.unwrap();
        assert_eq!(outcome.plan().changes.len(), 1);
    }
    assert_eq!(approver.times(), 0);
    assert!(!home.file().exists() && found(&home).is_none());
    let locked = run(&home, "install", approver.clone()).await.unwrap_err();
    assert!(matches!(locked, Error::State(StateError::Locked { .. })), "{locked}");
    assert_eq!(approver.times(), 0, "nobody is asked about what cannot be done");
    drop(lock);
}

/// A lock that another run holds is said before anything is decided or compiled.
#[tokio::test]
async fn what_is_there_already_is_not_installed_again_and_what_is_not_cannot_be_upgraded() {
    let (home, approver) = (Home::new(), Asked::answering(true));
    let missing = run(&home, "upgrade", approver.clone()).await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no installation `web`");
    run(&home, "install", approver.clone()).await.unwrap();
    assert!(matches!(run(&home, "install", approver.clone()).await, Err(Error::Exists { .. })));
    assert_eq!(approver.times(), 1);
}

#[tokio::test]
async fn a_plan_that_no_longer_holds_is_not_asked_about() {
    let (home, approver) = (Home::new(), Asked::answering(true));
    let verified = Some(bundle("one").await);
    let planned =
        acted(&home, verified, home.operation("install"), approver.clone(), Mode::Plan).await.unwrap();
    let saved = |verified: Verified| {
        let plan = Some(Box::new(planned.plan().clone()));
        let operation = Operation { plan, complete: true, ..home.operation("install") };
        acted(&home, Some(verified), operation, approver.clone(), Mode::Act)
    };
    let Err(Error::Stale { departures, .. }) = saved(bundle("two").await).await else {
        panic!("it is another bundle")
    };
    assert!(!departures.is_empty());
    assert!(approver.times() == 0 && found(&home).is_none() && !home.file().exists());
    saved(bundle("one").await).await.unwrap();
    assert_eq!(approver.times(), 1);
}

/// Whoever runs nothing of the bundle removes what is recorded, and keeps nothing of it.
#[tokio::test]
async fn an_uninstall_without_a_bundle_removes_what_is_recorded() {
    let (home, approver) = (Home::new(), Asked::answering(true));
    run(&home, "install", approver.clone()).await.unwrap();
    let gone = acted(&home, None, home.operation("uninstall"), approver, Mode::Act).await.unwrap();
    assert_eq!(gone.plan().changes.len(), 1);
    assert!(!home.file().exists());
    let installation = found(&home).unwrap();
    assert!(installation.is_deleted() && installation.inventory().iter().next().is_none());
    let settings = installation.settings;
    assert_eq!(settings.bundle_name, "web", "what was installed stays known");
}

#[tokio::test]
async fn an_action_that_changes_nothing_makes_no_revision_and_one_without_state_no_record() {
    let home = Home::new();
    // It would apply an object, which such an action may not.
    run(&home, "install", Asked::answering(true)).await.unwrap();
    let before = home.state().history("web").unwrap();
    for action in ["dev.carnet.web.look", "dev.carnet.web.check"] {
        run(&home, action, Asked::answering(true)).await.unwrap();
    }
    let history = home.state().history("web").unwrap();
    assert_eq!(history.iter().filter(|it| it.action == "dev.carnet.web.look").count(), 0);
    assert!(history.len() <= before.len() + 1, "{history:?}");
    let last = found(&home).unwrap().last.unwrap();
    assert_eq!(last.revision, before[0].revision);
    assert!(matches!(
        run(&home, "dev.carnet.web.none", Asked::answering(true)).await,
        Err(Error::UnknownAction { .. })
    ));
}

#[tokio::test]
async fn a_parameter_that_is_secret_is_in_no_claim_and_its_name_is() {
    let home = Home::new();
    let mut operation = home.operation("install");
    operation.parameters =
        [("secret".to_owned(), Value::from("hunter2")), ("theme".to_owned(), "dark".into())].into();
    let verified = Some(bundle("one").await);
    let outcome = acted(&home, verified, operation, Asked::answering(true), Mode::Act).await.unwrap();
    let inputs = &outcome.plan().inputs;
    assert_eq!(
        (&inputs.parameters["theme"], &*inputs.secret_parameters),
        (&json!("dark"), &["secret".to_owned()][..])
    );
    assert!(!inputs.parameters.contains_key("secret"));
    let last = found(&home).unwrap().last.unwrap();
    assert_eq!(last.secret_parameters, ["secret"]);
    assert!(!last.parameters.contains_key("secret"));
}
