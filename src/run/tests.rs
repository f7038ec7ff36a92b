//! How runs end, and that the host comes back from each of them with all that happened.

#![expect(clippy::disallowed_methods, reason = "tests make files")]

use serde_json::{Value, json};

use super::*;
use crate::fetch::tests::installer;
use crate::grant::tests::granted_to;
use crate::host::gate::Ended;
use crate::host::gate::tests::planning;
use crate::host::pass::Planning;

/// Writes `begun` to the log.
const IMPORTS: &str = r#"(import "carnet:installation/log@0.1.0" "log" (func $log (param i32 i32 i32)))
    (data (i32.const 64) "begun")"#;

/// The end of a component that does this: how it ended, and what the host has of it.
async fn ran(data: &str, body: &str, limits: Value) -> (Result<(), RunError>, Ended) {
    let body = format!("(call $log (i32.const 1) (i32.const 64) (i32.const 5)) {body}");
    let component = installer(&format!("{IMPORTS} {data}"), &body);
    let granted = granted_to(&component, "", json!({"limits": limits})).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let compiled = Engine::new(None).unwrap().compile(&granted, None).await.unwrap();
    let (host, ended) = compiled.run(planning(granted, home.path()), "install").await;
    (ended, host.into_parts::<Planning>().map(|(_, ended)| ended).unwrap())
}

fn texts(ended: &Ended) -> Vec<&str> {
    ended.log.iter().map(|entry| entry.text.as_str()).collect()
}

/// The bytes of an error that a component returns: its kind, and where its text is.
fn error(kind: u8, text: &str) -> String {
    let length = u8::try_from(text.len()).unwrap();
    format!(
        r#"(data (i32.const 16) "\01\00\00\00\{kind:02x}\00\00\00\80\00\00\00\{length:02x}\00\00\00")
        (data (i32.const 128) "{text}")"#
    )
}

#[tokio::test]
async fn a_run_that_goes_well_says_nothing_else() {
    let (ended, host) = ran("", "i32.const 16", json!({})).await;
    ended.unwrap();
    assert_eq!(texts(&host), ["begun"]);
    assert_eq!(host.calls.values().sum::<u64>(), 1);
}

/// A trap takes nothing with it: what was logged, counted and refused before is there.
#[tokio::test]
async fn after_a_trap_the_host_is_there_with_all_that_happened() {
    let (ended, host) = ran("", "unreachable", json!({})).await;
    let Err(RunError::Trapped(trap)) = ended else { panic!("{ended:?}") };
    assert!(trap.what.contains("unreachable"), "{trap}");
    assert!(trap.frames[0].starts_with("at "), "{trap:?}");
    assert_eq!(texts(&host), ["begun"]);
}

#[tokio::test]
async fn after_a_limit_the_host_is_there_with_all_that_happened() {
    let (ended, host) = ran("", "(loop (br 0)) unreachable", json!({"timeout": "50ms"})).await;
    assert!(matches!(ended, Err(RunError::Limit(LimitHit { limit: "timeout", .. }))), "{ended:?}");
    assert_eq!(texts(&host), ["begun"]);
    let log = "(call $log (i32.const 1) (i32.const 64) (i32.const 5)) i32.const 16";
    let (ended, host) = ran("", log, json!({"hostCalls": 1})).await;
    assert!(matches!(ended, Err(RunError::Limit(LimitHit { limit: "hostCalls", .. }))), "{ended:?}");
    assert_eq!(texts(&host), ["begun"]);
}

/// Who swallows the error of a call that hit a limit does not go on: the run ends in the call.
#[tokio::test]
async fn what_a_component_does_after_a_limit_is_not_done() {
    let twice = "(call $log (i32.const 1) (i32.const 64) (i32.const 5))
        (call $log (i32.const 1) (i32.const 64) (i32.const 1)) i32.const 16";
    let (ended, host) = ran("", twice, json!({"log": "9"})).await;
    assert!(matches!(ended, Err(RunError::Limit(LimitHit { limit: "log", .. }))), "{ended:?}");
    assert_eq!(texts(&host), ["begun"]);
}

#[tokio::test]
async fn an_error_that_the_component_returns_is_reported_by_its_kind() {
    let kinds = ["denied", "not found", "invalid", "conflict", "unavailable", "timeout", "failed"];
    for (kind, name) in (0..).zip(kinds) {
        let (ended, _) = ran(&error(kind, "why"), "i32.const 16", json!({})).await;
        let Err(error @ RunError::Reported(_)) = ended else { panic!("{ended:?}") };
        assert_eq!(error.to_string(), format!("the component reports: {name}: why"));
    }
}

#[tokio::test]
async fn a_reported_text_is_shortened_and_cannot_deceive() {
    let hidden = GuestError::Failed("\u{1b}[2J\u{202e}".into());
    assert_eq!(RunError::Reported(hidden).to_string(), "the component reports: failed: \\u{1b}[2J\\u{202e}");
    let long = RunError::Reported(GuestError::Invalid("é".repeat(10_000))).to_string();
    assert_eq!(long.chars().count(), "the component reports: invalid: ".chars().count() + 2000);
}

/// Whatever the kind of its error, a credential that the component was shown is not in it.
#[tokio::test]
async fn no_kind_of_error_carries_a_credential_that_was_shown() {
    let requests = "requests: { credentials: [{ name: token, reveal: true }] }";
    let grant = json!({"credentials": [{"name": "token", "reveal": true}]});
    let granted = granted_to(&installer("", "i32.const 16"), requests, grant).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut host = planning(granted, home.path());
    let kinds: [fn(String) -> GuestError; 7] = [
        GuestError::Conflict,
        GuestError::Denied,
        GuestError::Failed,
        GuestError::Invalid,
        GuestError::NotFound,
        GuestError::Timeout,
        GuestError::Unavailable,
    ];
    let shown = |host: &Host| {
        kinds.map(|kind| {
            Reported(&without_credentials(host, kind("it is hunter2-hunter2".into()))).to_string()
        })
    };
    assert!(shown(&host).iter().all(|text| text.contains("hunter2")), "nothing was shown yet");
    use crate::host::bindings::carnet::credentials::{lend, reveal};
    let handle = lend::Host::lend(&mut host, "token".into()).await.unwrap().unwrap();
    assert_eq!(reveal::Host::reveal(&mut host, handle).await.unwrap().unwrap(), "hunter2-hunter2");
    assert!(shown(&host).iter().all(|text| !text.contains("hunter2")), "{:?}", shown(&host));
}

/// What ended a call is looked for in this order, so that nothing of ours is told as a trap of the component.
#[tokio::test]
async fn a_limit_and_a_departure_are_told_from_a_trap() {
    let granted = granted_to(&installer("", "i32.const 16"), "", json!({})).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let engine = Engine::new(None).unwrap();
    let store = Store::new(&engine.engine, planning(granted, home.path()));
    let hit = LimitHit { limit: "log", value: "1Mi".into() };
    let told = ended(&store, wasmtime::Error::from(hit.clone()).context("in a call"));
    assert!(matches!(told, RunError::Limit(found) if found == hit));
    let fuel = wasmtime::Error::msg("fuel allocated for hostcalls has been exhausted").context("lifting");
    assert!(matches!(ended(&store, fuel), RunError::Limit(LimitHit { limit: "bytes", .. })));
    let told = ended(&store, wasmtime::Error::msg("\u{1b}out of bounds"));
    assert!(matches!(told, RunError::Trapped(trap) if trap.what == "\\u{1b}out of bounds"));
}

#[tokio::test]
async fn a_component_may_be_run_again_and_begins_anew() {
    let count = r#"(global $runs (mut i32) (i32.const 0))"#;
    let body = "(global.set $runs (i32.add (global.get $runs) (i32.const 1)))
        (if (i32.ne (global.get $runs) (i32.const 1)) (then unreachable)) i32.const 16";
    let granted = || async { granted_to(&installer(count, body), "", json!({})).await.unwrap() };
    let home = tempfile::tempdir().unwrap();
    let compiled = Engine::new(None).unwrap().compile(&granted().await, None).await.unwrap();
    for _ in 0..2 {
        let (_, ended) = compiled.run(planning(granted().await, home.path()), "install").await;
        ended.unwrap();
    }
}

#[tokio::test]
async fn a_component_that_does_not_fit_the_host_is_not_linked_and_a_cache_that_is_none_is_no_engine() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(Engine::new(Some(&file.join("below"))).map(drop), Err(RunError::Engine(_))));
    assert!(Engine::new(Some(&home.path().join("cache"))).is_ok());
}
