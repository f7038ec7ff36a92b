//! The cost of the gate: a call that needs a permit, beside one that needs none. `cargo bench --bench host_calls`
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
use std::time::{Duration, Instant};

use carnet::install::{Mode, Operation, act};
use support::{Home, Yes, approving, environment, fetch, guest, runtime, unsigned};

const CALLS: u32 = 9_000;
const RUNS: usize = 15;

const REQUESTS: &str = "handles: [install]
requests:
  kubernetes:
  - { verbs: [apply], kinds: [ConfigMap], namespaces: [prod], names: [a], reason: to wait for it }
";

fn main() {
    let ungated = median(&looping(
        r#"(import "carnet:installation/log@0.1.0" "log" (func $call (param i32 i32 i32)))"#,
        "(call $call (i32.const 0) (i32.const 64) (i32.const 0))",
    ));
    let gated = median(&looping(
        r#"(import "carnet:kubernetes/wait@0.1.0" "wait" (func $call (param i32 i32 i32 i32)))"#,
        "(call $call (i32.const 128) (i32.const 1) (i32.const 0) (i32.const 16))",
    ));
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(CALLS);
    println!("host call without a permit {:21.2} µs", each(ungated));
    println!("host call with a permit    {:21.2} µs (one object in, checked against the grant)", each(gated));
}

/// A component that makes one call over and over. The object `ConfigMap prod/a` is at 128.
fn looping(import: &str, call: &str) -> Vec<u8> {
    guest::component(&format!(
        r#"(module {import}
  (memory (export "memory") 1)
  (data (i32.const 64) "v1ConfigMapproda")
  (data (i32.const 128) "\40\00\00\00\02\00\00\00\42\00\00\00\09\00\00\00\01\00\00\00\4b\00\00\00\04\00\00\00\4f\00\00\00\01\00\00\00")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
    (local $n i32)
    (local.set $n (i32.const {CALLS}))
    (loop $again
      {call}
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (local.get $n)))
    (i32.store (i32.const 16) (i32.const 0))
    (i32.const 16)))"#
    ))
}

/// The time of the planning pass beyond that of a component that does nothing.
fn median(component: &[u8]) -> Duration {
    let home = Home::new();
    let state = home.state();
    let fetched = home.bundle("calls", component, REQUESTS);
    let layout = fetched.reference().clone();
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let verified = unsigned(fetch(&layout).unwrap());
            let consent = approving(&verified);
            let operation = Operation { consent, ..home.operation("install") };
            let environment = environment(&state, Arc::new(Yes::default()));
            let began = Instant::now();
            runtime()
                .block_on(act(Some(verified), home.directory(), operation, &environment, Mode::Plan))
                .unwrap();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}
