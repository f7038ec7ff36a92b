//! The cost of host calls: of one that needs no permit, of one that needs one, and of applies of manifests of different
//! lengths, in the processor's time, so that what else the machine does counts little.
//! `cargo run --release --example host_calls`
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    missing_docs,
    reason = "a benchmark prints and measures"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use carnet::install::{Mode, Operation, act};
use rustix::time::{ClockId, clock_gettime};
use support::{Home, Yes, approving, environment, fetch, guest, runtime, unsigned};

/// How often each call is made, and how often that is timed.
const CALLS: u32 = 9_000;
const RUNS: usize = 15;

const REQUESTS: &str = "handles: [install]
requests:
  kubernetes:
  - { verbs: [apply], kinds: [ConfigMap], namespaces: [prod], names: [a], reason: to time it }
";

const LOG: &str = r#"(import "carnet:installation/log@0.1.0" "log" (func $call (param i32 i32 i32)))"#;
const WAIT: &str = r#"(import "carnet:kubernetes/wait@0.1.0" "wait" (func $call (param i32 i32 i32 i32)))"#;
const APPLY: &str = r#"(import "carnet:kubernetes/apply@0.1.0" "apply" (func $call (param i32 i32 i32)))"#;

fn main() {
    let idle = least(&looping(LOG, "(nop)", 1, ""));
    let each = |import: &str, call: &str, count: u32, data: &str| {
        let time = least(&looping(import, call, count, data)).saturating_sub(idle);
        time.as_secs_f64() * 1e6 / f64::from(count)
    };
    let ungated = each(LOG, "(call $call (i32.const 0) (i32.const 64) (i32.const 0))", CALLS, "");
    let gated =
        each(WAIT, "(call $call (i32.const 128) (i32.const 1) (i32.const 0) (i32.const 16))", CALLS, "");
    println!("without a permit  {ungated:.2} µs");
    println!("with a permit (one object in, checked against the grant)  {gated:.2} µs");
    println!("the permit alone  {:.2} µs", gated - ungated);
    for (name, manifest, count) in [
        ("apply, 1 KB of JSON", json(1), 900),
        ("apply, 1 KB of YAML", yaml(1), 900),
        ("apply, 100 KB of JSON", json(100), 45),
        ("apply, 100 KB of YAML", yaml(100), 45),
    ] {
        let call = format!("(call $call (i32.const {LIST}) (i32.const 1) (i32.const 16))");
        println!("{name}  {:.1} µs", each(APPLY, &call, count, &manifest));
    }
}

/// A ConfigMap with so many entries of about a kilobyte.
fn yaml(kilobytes: usize) -> String {
    let entry = |at: usize| format!("  key-{at}: {}\n", "value ".repeat(165).trim());
    let entries: String = (0..kilobytes).map(entry).collect();
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: prod\ndata:\n{entries}")
}

fn json(kilobytes: usize) -> String {
    carnet::document::yaml(&yaml(kilobytes)).unwrap().to_string()
}

/// Where a list of one text is in the memory of the component, and where the text is.
const LIST: usize = 256;
const TEXT: usize = 65_536;

/// A component that makes one call over and over. The object `ConfigMap prod/a` is at 128.
fn looping(import: &str, call: &str, count: u32, text: &str) -> Vec<u8> {
    let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let list: Vec<u8> =
        [TEXT, text.len()].iter().flat_map(|word| u32::try_from(*word).unwrap().to_le_bytes()).collect();
    let (list, text) = (escaped(&list), escaped(text.as_bytes()));
    guest::component(&format!(
        r#"(module {import}
  (memory (export "memory") 4)
  (data (i32.const 64) "v1ConfigMapproda")
  (data (i32.const 128) "\40\00\00\00\02\00\00\00\42\00\00\00\09\00\00\00\01\00\00\00\4b\00\00\00\04\00\00\00\4f\00\00\00\01\00\00\00")
  (data (i32.const {LIST}) "{list}")
  (data (i32.const {TEXT}) "{text}")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
    (local $n i32)
    (local.set $n (i32.const {count}))
    (loop $again
      {call}
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (local.get $n)))
    (i32.store (i32.const 16) (i32.const 0))
    (i32.const 16)))"#
    ))
}

/// The least time of a planning pass.
fn least(component: &[u8]) -> Duration {
    let home = Home::new();
    let state = home.state();
    let fetched = home.bundle("calls", component, REQUESTS);
    let layout = fetched.reference().clone();
    let pass = || {
        let verified = unsigned(fetch(&layout).unwrap());
        let consent = approving(&verified);
        let operation = Operation { consent, ..home.operation("install") };
        let environment = environment(&state, Arc::new(Yes::default()));
        let began = processor_time();
        runtime()
            .block_on(act(Some(verified), home.directory(), operation, &environment, Mode::Plan))
            .unwrap();
        processor_time().saturating_sub(began)
    };
    (0..RUNS).map(|_| pass()).min().unwrap()
}

/// How long this process has had a processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
