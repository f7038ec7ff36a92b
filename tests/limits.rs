//! A component cannot make its host use unbounded time, memory, log, disk or requests: each limit ends the run, by
//! name.
#![expect(clippy::panic, reason = "tests may fail anywhere")]

mod support;

use carnet::grant::limits::LimitTexts;
use carnet::host::meter::LimitHit;
use carnet::install::{Error, Operation, Outcome};
use carnet::run::RunError;
use support::guest::{Script, written};
use support::{Home, approving, config_map, unsigned};

const MAPS: &str = r#"
requests:
  kubernetes:
  - {verbs: [apply, get], kinds: [ConfigMap], namespaces: ["${namespace}"], names: ["${installation}-*"]}
"#;

/// Grants everything but these limits.
fn run(home: &Home, guest: &[u8], limits: LimitTexts) -> Result<Outcome, Error> {
    let verified = unsigned(home.bundle("greedy", guest, MAPS));
    let mut consent = approving(&verified);
    consent.grant.limits = limits;
    home.act(Some(verified), Operation { consent, ..home.operation("install") })
}

/// The limit that ended the run, after which there is nothing.
fn hit(guest: &[u8], limits: LimitTexts) -> LimitHit {
    let home = Home::new();
    let hit = match run(&home, guest, limits) {
        Err(Error::Run { source: RunError::Limit(hit), .. }) => hit,
        other => panic!("no limit was hit: {other:?}"),
    };
    home.assert_untouched();
    hit
}

fn timeout(text: &str) -> LimitTexts {
    LimitTexts { timeout: Some(text.into()), ..LimitTexts::default() }
}

#[test]
fn an_endless_loop_is_ended_by_the_time_limit() {
    let hit = hit(&written("loops"), timeout("200ms"));
    assert_eq!(hit.to_string(), "the limit `timeout` of 200ms was hit");
    assert_eq!(hit.line(), "limits: { timeout: 400ms }");
}

#[test]
fn a_sleep_is_ended_by_the_time_limit() {
    assert_eq!(hit(&written("sleeps"), timeout("200ms")).limit, "timeout");
}

#[test]
fn memory_and_tables_end_at_the_memory_limit() {
    let small = LimitTexts { memory: Some("1Mi".into()), ..LimitTexts::default() };
    for guest in ["grows", "tables"] {
        assert_eq!(hit(&written(guest), small.clone()).to_string(), "the limit `memory` of 1Mi was hit");
        // The default is one, too.
        assert_eq!(hit(&written(guest), LimitTexts::default()).value, "64Mi");
    }
}

#[test]
fn a_component_that_begins_with_too_much_memory_does_not_begin() {
    let guest = support::guest::component(
        r#"(module (memory (export "memory") 1025)
          (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32) i32.const 0)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))"#,
    );
    assert_eq!(hit(&guest, LimitTexts::default()).limit, "memory");
}

#[test]
fn a_stack_that_overflows_is_a_trap() {
    let home = Home::new();
    let result = run(&home, &written("recurses"), LimitTexts::default());
    let Err(Error::Run { source: RunError::Trapped(trap), .. }) = result else { panic!("{result:?}") };
    assert!(trap.what.contains("call stack exhausted"), "{trap}");
    home.assert_untouched();
}

#[test]
fn a_flood_of_log_is_ended_whichever_way_it_comes() {
    for guest in ["talks", "prints"] {
        let log = LimitTexts { log: Some("100Ki".into()), ..LimitTexts::default() };
        assert_eq!(hit(&written(guest), log).to_string(), "the limit `log` of 100Ki was hit");
        assert_eq!(hit(&written(guest), LimitTexts::default()).value, "1Mi");
    }
}

#[test]
fn log_adds_up_to_the_last_byte() {
    let guest = Script::new().log("four").log("five+").component();
    let log = |bytes: usize| LimitTexts { log: Some(bytes.to_string()), ..LimitTexts::default() };
    assert_eq!(hit(&guest, log(8)).to_string(), "the limit `log` of 8 was hit");
    assert_eq!(run(&Home::new(), &guest, log(9)).unwrap().log.len(), 2);
}

#[test]
fn of_a_long_message_the_beginning_is_kept() {
    let home = Home::new();
    let text = "é".repeat(10_000);
    let outcome = run(&home, &Script::new().log(&text).component(), LimitTexts::default()).unwrap();
    assert_eq!(outcome.log[0].text, "é".repeat(8192));
}

#[test]
fn one_call_too_many_ends_the_run_and_one_less_does_not() {
    let three = Script::new().log("a").log("b").log("c").component();
    let calls = |host_calls| LimitTexts { host_calls: Some(host_calls), ..LimitTexts::default() };
    assert_eq!(hit(&three, calls(2)).to_string(), "the limit `hostCalls` of 2 was hit");
    assert_eq!(run(&Home::new(), &three, calls(3)).unwrap().log.len(), 3);
    assert_eq!(hit(&written("calls"), LimitTexts::default()).value, "10000");
}

#[test]
fn texts_that_overlap_count_as_often_as_they_are_handed_over() {
    assert_eq!(
        hit(&written("overlaps"), LimitTexts::default()).to_string(),
        "the limit `bytes` of 64Mi was hit"
    );
    let bytes = LimitTexts { bytes: Some("1Mi".into()), ..LimitTexts::default() };
    assert_eq!(hit(&written("overlaps"), bytes).value, "1Mi");
}

#[test]
fn bytes_add_up_over_calls() {
    let manifest = config_map("web-a");
    let many = (0..4).fold(Script::new(), |script, _| script.apply(&[&manifest])).component();
    let bytes = |count: usize| LimitTexts { bytes: Some(count.to_string()), ..LimitTexts::default() };
    assert_eq!(hit(&many, bytes(4 * manifest.len() - 1)).limit, "bytes");
    run(&Home::new(), &many, bytes(4 * manifest.len())).unwrap();
}

#[test]
fn handles_that_pile_up_end_the_run() {
    let home = Home::new();
    let result = run(&home, &written("timers"), LimitTexts::default());
    let Err(Error::Run { source: RunError::Trapped(trap), .. }) = result else { panic!("{result:?}") };
    assert!(trap.what.contains("resource table has no free keys") || trap.what.contains("handle"), "{trap}");
    home.assert_untouched();
}

#[test]
fn a_call_with_too_many_objects_is_an_error_of_the_component() {
    let home = Home::new();
    let maps: Vec<_> = (0..501).map(|n| config_map(&format!("web-{n}"))).collect();
    let maps: Vec<_> = maps.iter().map(String::as_str).collect();
    let guest = Script::new().tolerant().apply(&maps).component();
    let outcome = run(&home, &guest, LimitTexts::default()).unwrap();
    assert_eq!(outcome.log[0].text, "501 manifests in one call, more than 500");
    assert!(home.rendered().is_empty());
}
