//! However a component ends, the program outlives it and says how: by the real program, which comes back from traps in
//! native code. The released program has no unwind tables, so `.ci/test` also runs this with `CARNET_PROGRAM` set to
//! it.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run the program and read its answers"
)]

mod support;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::Home;
use support::guest::{Script, component, written};

fn program() -> OsString {
    std::env::var_os("CARNET_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_carnet").into())
}

/// The exit code and the error of an installation of this component.
fn ended(guest: &[u8], limits: &str) -> (i32, String) {
    let home = Home::new();
    let digest = home.bundle("traps", guest, "").digest().to_string();
    let grant = format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata: {{ name: traps }}\nspec: {{ bundle: {digest}, limits: {{ {limits} }} }}\n"
    );
    std::fs::write(home.path("grants.yaml"), grant).unwrap();
    let output = Command::new(program())
        .env_clear()
        .env("HOME", home.path("home"))
        .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("traps"))
        .env("CARNET_STATE", home.path("state"))
        .args([
            "-o",
            "json",
            "install",
            "web",
            "-n",
            "prod",
            "-y",
            "--dangerous-unsigned",
            "--approve",
            &digest,
        ])
        .arg(format!("--target=dir:{}", home.path("rendered").display()))
        .arg(format!("--grants={}", home.path("grants.yaml").display()))
        .arg(format!("layout:{}", home.path("traps").display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    // A signal would have ended the program where there is no code.
    let code = output.status.code().unwrap();
    (code, format!("{} {}", document["message"], document["causes"]))
}

/// A guest whose entry has this body.
fn body(text: &str) -> Vec<u8> {
    component(&format!(
        r#"(module (memory (export "memory") 1) (table 1 funcref) (type $other (func (param i64)))
          (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32) {text})
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))"#
    ))
}

#[test]
fn each_kind_of_trap_is_an_error_of_the_run() {
    for (text, why) in [
        ("unreachable", "unreachable"),
        ("i32.const 1 i32.const 0 i32.div_s", "divide by zero"),
        ("i32.const -1 i32.load", "out of bounds memory access"),
        ("i64.const 0 i32.const 0 call_indirect (type $other) i32.const 0", "uninitialized element"),
        ("i64.const 0 i32.const 7 call_indirect (type $other) i32.const 0", "undefined element"),
        ("f64.const nan i32.trunc_f64_s", "invalid conversion to integer"),
    ] {
        let (code, error) = ended(&body(text), "timeout: 10s");
        assert_eq!(code, 1, "{text}: {error}");
        assert!(error.contains(why), "{text}: {error}");
    }
    let (code, error) = ended(&written("recurses"), "timeout: 10s");
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("call stack exhausted"), "{error}");
}

#[test]
fn a_limit_ends_the_component_and_not_the_program() {
    for (guest, limits, name) in [
        ("loops", "timeout: 200ms", "timeout"),
        ("sleeps", "timeout: 200ms", "timeout"),
        ("grows", "memory: 1Mi", "memory"),
        ("tables", "memory: 1Mi", "memory"),
        ("talks", "log: 100Ki", "log"),
        ("prints", "log: 100Ki", "log"),
    ] {
        let (code, error) = ended(&written(guest), limits);
        assert_eq!(code, 14, "{guest}: {error}");
        assert!(error.contains(name), "{guest}: {error}");
    }
}

/// After a trap the program can still carry out a run that ends well.
#[test]
fn without_a_trap_a_run_ends_well() {
    let (code, error) = ended(&Script::new().log("here").component(), "timeout: 10s");
    assert_eq!(code, 0, "{error}");
}
