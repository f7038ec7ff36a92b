//! The gate: calls that pass, calls that count, and the record of refused ones.

#![expect(clippy::disallowed_methods, reason = "tests make files")]

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::capability::functions;
use crate::fetch::tests::component;
use crate::grant::tests::granted_to;
use crate::host::bindings::carnet::types::types::ObjectRef as Named;
use crate::host::bindings::carnet::{credentials, files, installation, kubernetes};
use crate::host::pass::{Acting, Planning, Site, Waiting};
use crate::host::progress::{Observer, Unready};
use crate::plan::Waits;
use crate::targets::cluster::Owner;
use crate::targets::directory::{Directory, Secrets};
use crate::targets::{DryRunMode, Inventory, Overrides, Target};

/// One of everything, which nobody has to grant.
const REQUESTS: &str = "requests:
  kubernetes:
  - { verbs: [get, apply, delete], kinds: [ConfigMap], namespaces: [prod], names: ['web-*'], optional: true }
  files: [{ name: site.conf, optional: true }]
  credentials: [{ name: token, into: [prod/Secret/db], reveal: true, optional: true }]
  generate: [{ name: pin, into: [prod/Secret/pin], optional: true }]
";

/// Sees nothing.
struct Nobody;

impl Observer for Nobody {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &LogEntry) {}
}

/// A host of a planning pass over a directory.
pub(crate) fn planning(granted: Granted, folder: &Path) -> Host {
    let owner = Owner { namespace: "prod".into(), installation: "web".into() };
    let target = Target::Directory(Directory::open(folder, Secrets::Omit, &owner).unwrap());
    let waiting = Waiting::begin(Waits::Nothing, Duration::ZERO);
    let site = Site::new(target, Inventory::default(), Overrides::default(), waiting, Arc::new(Nobody));
    let context = InstallationContext {
        name: "web".into(),
        namespace: "prod".into(),
        outputs: [("url".to_owned(), json!({"type": "string"}))].into(),
        parameters: [("theme".to_owned(), json!("dark"))].into(),
        ..InstallationContext::default()
    };
    let supplied = Supplied::new([("token".to_owned(), "hunter2-hunter2".into())].into());
    Host::new(Arc::new(granted), context, supplied, Planning::new(site, DryRunMode::Reads))
}

struct Gate {
    host: Host,
    _home: tempfile::TempDir,
}

/// A gate, with the grant of these members.
async fn gate(grant: Value) -> Gate {
    let home = tempfile::tempdir().unwrap();
    let host = planning(with(grant).await, &home.path().join("rendered"));
    Gate { host, _home: home }
}

async fn with(grant: Value) -> Granted {
    granted_to(&component(), REQUESTS, grant).await.unwrap()
}

/// Everything that is requested.
fn everything(more: Value) -> Value {
    let mut grant = json!({
        "kubernetes": [{"verbs": ["get", "apply", "delete"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": ["web-*"]}],
        "files": [{"name": "site.conf", "path": "/nowhere/site.conf"}],
        "credentials": [{"name": "token", "into": ["prod/Secret/db"], "reveal": true}],
        "generate": [{"name": "pin", "into": ["prod/Secret/pin"]}],
    });
    grant["limits"] = more;
    grant
}

fn named(name: &str) -> Named {
    Named {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some("prod".into()),
        name: name.into(),
    }
}

fn manifest(name: &str) -> String {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}).to_string()
}

impl Gate {
    async fn get(&mut self, name: &str) -> HostAnswer<String> {
        kubernetes::get::Host::get(&mut self.host, named(name)).await
    }

    async fn apply(&mut self, names: &[&str]) -> HostAnswer<Vec<kubernetes::apply::Applied>> {
        let manifests = names.iter().map(|name| manifest(name)).collect();
        kubernetes::apply::Host::apply(&mut self.host, manifests).await
    }

    async fn lend(&mut self, name: &str) -> HostAnswer<Resource<LentCredential>> {
        credentials::lend::Host::lend(&mut self.host, name.into()).await
    }

    fn ended(self) -> Ended {
        self.host.into_parts::<Planning>().map(|(_, ended)| ended).unwrap()
    }
}

#[track_caller]
fn limit<T>(answer: wasmtime::Result<T>) -> &'static str {
    let error = answer.err().unwrap();
    error.downcast_ref::<LimitHit>().unwrap().limit
}

/// With no call left nothing is done, whatever is granted: the gate refuses before a function sees its view.
#[tokio::test]
async fn a_call_too_many_does_nothing_and_is_not_counted() {
    let mut gate = gate(everything(json!({"hostCalls": 0}))).await;
    assert_eq!(limit(gate.get("web-a").await), "hostCalls");
    assert_eq!(limit(gate.apply(&["web-a"]).await), "hostCalls");
    assert_eq!(limit(gate.lend("token").await), "hostCalls");
    let host = &mut gate.host;
    assert_eq!(limit(kubernetes::delete::Host::delete(host, vec![named("web-a")]).await), "hostCalls");
    assert_eq!(limit(kubernetes::wait::Host::wait(host, vec![named("web-a")], 1).await), "hostCalls");
    assert_eq!(limit(files::read::Host::read(host, "site.conf".into()).await), "hostCalls");
    assert_eq!(limit(credentials::generate::Host::generate(host, "pin".into(), 32).await), "hostCalls");
    assert_eq!(limit(installation::context::Host::name(host).await), "hostCalls");
    assert_eq!(limit(installation::outputs::Host::set(host, "url".into(), "x".into()).await), "hostCalls");
    let level = installation::log::Level::Info;
    assert_eq!(limit(installation::log::Host::log(host, level, "x".into()).await), "hostCalls");
    assert!(host.table.is_empty());
    let (planning, ended) = gate.host.into_parts::<Planning>().unwrap();
    let (_, trace, _) = planning.into_parts();
    assert!(trace.reads.is_empty() && trace.steps.is_empty() && trace.changes.iter().next().is_none());
    assert!(ended.calls.is_empty() && ended.outputs.is_empty() && ended.log.is_empty());
    assert!(ended.denied.is_empty() && ended.failed.is_empty());
}

#[tokio::test]
async fn the_path_of_a_file_that_is_not_there_is_told_to_the_operator_alone() {
    let mut gate = gate(everything(json!({}))).await;
    for _ in 0..2 {
        let told = files::read::Host::read(&mut gate.host, "site.conf".into()).await.unwrap().unwrap_err();
        assert!(matches!(&told, GuestError::NotFound(what) if what == "file site.conf"), "{told:?}");
    }
    let unread = gate.ended().unread;
    assert!(
        unread.len() == 1 && unread[0].starts_with("file site.conf: `/nowhere/site.conf`: "),
        "{unread:?}"
    );
}

/// Arguments of a call count before the call is looked at, and answers before they are handed over.
#[tokio::test]
async fn bytes_count_on_the_way_in_and_on_the_way_out() {
    let length = manifest("web-a").len();
    let mut exact = gate(everything(json!({"bytes": length.to_string()}))).await;
    assert!(exact.apply(&["web-a"]).await.unwrap().is_ok());
    let mut short = gate(everything(json!({"bytes": (length - 1).to_string()}))).await;
    assert_eq!(limit(short.apply(&["web-a"]).await), "bytes");
    let (planning, _) = short.host.into_parts::<Planning>().unwrap();
    assert!(planning.into_parts().1.changes.iter().next().is_none());
    // `web` has three bytes; the name of a parameter counts on the way in, its value on the way out.
    for (bytes, is_enough) in [(3, true), (2, false)] {
        let mut gate = gate(everything(json!({"bytes": bytes.to_string()}))).await;
        assert_eq!(installation::context::Host::name(&mut gate.host).await.is_ok(), is_enough, "{bytes}");
    }
    for (bytes, is_enough) in [(9, true), (8, false)] {
        let mut gate = gate(everything(json!({"bytes": bytes.to_string()}))).await;
        let value = installation::context::Host::parameter(&mut gate.host, "theme".into()).await;
        assert_eq!(value.is_ok(), is_enough, "{bytes}");
    }
}

#[tokio::test]
async fn a_message_counts_as_log_and_as_nothing_else() {
    let mut gate = gate(everything(json!({"bytes": "1", "log": "4"}))).await;
    let level = installation::log::Level::Warn;
    installation::log::Host::log(&mut gate.host, level, "four".into()).await.unwrap();
    assert_eq!(limit(installation::log::Host::log(&mut gate.host, level, "x".into()).await), "log");
    let ended = gate.ended();
    assert_eq!(ended.log.iter().map(|entry| &*entry.text).collect::<Vec<_>>(), ["four"]);
    assert_eq!(ended.calls[&functions::LOG], 2);
}

#[tokio::test]
async fn every_call_is_counted_by_its_function_also_one_that_is_refused() {
    let mut gate = gate(json!({})).await;
    for _ in 0..2 {
        assert!(matches!(gate.get("web-a").await.unwrap(), Err(GuestError::Denied(_))));
    }
    assert!(matches!(gate.apply(&["web-a"]).await.unwrap(), Err(GuestError::Denied(_))));
    installation::context::Host::namespace(&mut gate.host).await.unwrap();
    let ended = gate.ended();
    let counts: Vec<_> =
        [functions::GET, functions::APPLY, functions::NAMESPACE].map(|it| ended.calls[&it]).into();
    assert_eq!(counts, [2, 1, 1]);
    assert_eq!(ended.calls.len(), 3);
}

/// The component learns that it may not, the operator why; what repeats itself is told once.
#[tokio::test]
async fn refusals_are_kept_for_the_operator_once_each_and_not_without_end() {
    let mut gate = gate(json!({})).await;
    for _ in 0..3 {
        let told = gate.get("web-a").await.unwrap().unwrap_err();
        assert!(
            matches!(told, GuestError::Denied(text) if text == "not permitted: get ConfigMap prod/web-a")
        );
    }
    for n in 0..2 * MAX_REFUSALS {
        drop(gate.get(&format!("other-{n}")).await.unwrap());
    }
    let denied = gate.ended().denied;
    assert_eq!(denied.len(), MAX_REFUSALS);
    let flag = "--allow-kube 'get:ConfigMap:prod/web-a'";
    assert_eq!(denied[0].explained(), format!("get ConfigMap prod/web-a: no grant allows it: {flag}"));
    assert!(denied[1].explained().starts_with("get ConfigMap prod/other-0: the bundle does not request it"));
}

#[tokio::test]
async fn refusals_of_the_target_are_kept_and_the_component_is_told_their_kind() {
    let home = tempfile::tempdir().unwrap();
    // Something else is where the directory has its objects.
    std::fs::write(home.path().join("prod"), "in the way").unwrap();
    let host = planning(with(everything(json!({}))).await, home.path());
    let mut gate = Gate { host, _home: home };
    for _ in 0..2 {
        assert!(gate.apply(&["web-a"]).await.unwrap().is_err());
    }
    let ended = gate.ended();
    assert_eq!((ended.failed.len(), ended.denied.len()), (2, 0));
}

#[tokio::test]
async fn a_handle_is_let_go_without_a_call_and_only_once() {
    let mut gate = gate(everything(json!({"hostCalls": 2}))).await;
    let handle = gate.lend("token").await.unwrap().unwrap();
    let (again, copy) = (Resource::new_own(handle.rep()), Resource::new_own(handle.rep()));
    credentials::handles::HostCredential::drop(&mut gate.host, handle).await.unwrap();
    assert!(gate.host.table.is_empty());
    assert!(credentials::handles::HostCredential::drop(&mut gate.host, again).await.is_err());
    // A credential that was let go shows nothing any more. This is the second call.
    assert!(credentials::reveal::Host::reveal(&mut gate.host, copy).await.is_err());
    assert_eq!(gate.ended().calls.values().sum::<u64>(), 2);
}

/// Handles would pile up in the host's memory, where the component's own limit does not reach.
#[tokio::test]
async fn handles_have_a_bound_of_their_own() {
    let mut gate = gate(everything(json!({"hostCalls": 100_000, "bytes": "1Gi"}))).await;
    for _ in 0..MAX_RESOURCES {
        assert!(gate.lend("token").await.unwrap().is_ok());
    }
    assert!(gate.lend("token").await.is_err(), "the run ends");
}

#[tokio::test]
async fn a_pass_comes_back_as_what_it_was_handed_over_and_as_nothing_else() {
    let (mut one, another) = (gate(everything(json!({}))).await, gate(json!({})).await);
    one.apply(&["web-a"]).await.unwrap().unwrap();
    let (planning, _) = one.host.into_parts::<Planning>().unwrap();
    assert_eq!(planning.into_parts().1.steps.len(), 1);
    assert!(another.host.into_parts::<Acting>().is_err());
}
