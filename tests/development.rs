//! An author's loop: a source directory is installed unsigned, with all that it asks for, when the author says so; nothing
//! else is.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run the program and read its answers"
)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use support::guest::Script;
use support::{Home, config_map};

const SOURCE: &str = r#"apiVersion: carnet.dev/v1alpha1
kind: Source
name: web
version: 1.0.0
description: A test
component: web.wasm
handles: [install]
requests:
  kubernetes:
  - { verbs: [apply], kinds: [ConfigMap], namespaces: ["${namespace}"], names: ["${installation}-*"], reason: It is all there is }
"#;

/// The exit code of the program, the document that it printed, and what it said.
fn carnet(home: &Home, arguments: &[&str]) -> (i32, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .env_clear()
        .env("HOME", home.path("home"))
        .env("CARNET_STATE", home.path("state"))
        .current_dir(home.root.path())
        .args(["-o", "json"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), document, String::from_utf8(output.stderr).unwrap())
}

fn source(home: &Home, guest: &Script) {
    fs::create_dir_all(home.path("web")).unwrap();
    fs::write(home.path("web/carnet.yaml"), SOURCE).unwrap();
    fs::write(home.path("web/web.wasm"), guest.component()).unwrap();
}

const TARGET: [&str; 4] = ["--target", "dir:out", "-n", "prod"];

#[test]
fn only_a_source_directory_is_approved_unseen_and_that_is_recorded() {
    let home = Home::new();
    source(&home, &Script::new().apply(&[&config_map("web-a")]));
    let install = |reference: &str, more: &[&str]| {
        carnet(&home, &[&["install", "web", reference, "-y"], &TARGET[..], more].concat())
    };
    assert_eq!(install("./web", &[]).0, 10, "a source directory is not signed");
    assert_eq!(install("./web", &["--dangerous-unsigned"]).0, 11, "and nothing of it is granted");
    let (code, _, _) = carnet(&home, &["build", "web", "--to", "dist"]);
    assert_eq!(code, 0);
    for built in ["layout:dist", "./dist"] {
        let (code, document, said) = install(built, &["--approve-all-for-development"]);
        assert_eq!(code, 2, "{said}");
        assert!(document["message"].as_str().unwrap().contains("is not a source directory"), "{document}");
    }
    assert!(!home.path("out").exists());

    let (code, _, said) = install("./web", &["--approve-all-for-development"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("DANGER: all that the bundle asks for is granted"), "{said}");
    assert!(home.path("out/prod/configmap_web-a.yaml").exists());
    let dangers = &carnet(&home, &["status", "web"]).1["dangers"];
    assert_eq!(*dangers, serde_json::json!(["--approve-all-for-development", "--dangerous-unsigned"]));

    // The next change is approved again, or not at all.
    source(&home, &Script::new().apply(&[&config_map("web-b")]));
    assert_eq!(carnet(&home, &["upgrade", "web", "./web", "-y"]).0, 10);
    let (code, _, said) = carnet(&home, &["upgrade", "web", "./web", "-y", "--approve-all-for-development"]);
    assert_eq!(code, 0, "{said}");
    assert!(home.path("out/prod/configmap_web-b.yaml").exists());
    assert!(!home.path("out/prod/configmap_web-a.yaml").exists());
}

#[test]
fn a_bare_star_takes_its_flag_also_here_and_a_denial_wins() {
    let home = Home::new();
    source(&home, &Script::new().apply(&[&config_map("web-a")]));
    let install = |more: &[&str]| {
        let approved = ["install", "web", "./web", "-y", "--approve-all-for-development"];
        carnet(&home, &[&approved[..], &TARGET[..], more].concat()).0
    };
    assert_eq!(install(&["--deny-kube", "apply:ConfigMap:prod/web-a"]), 11);
    let bare = SOURCE.replace("${installation}-*", "*");
    fs::write(home.path("web/carnet.yaml"), bare).unwrap();
    assert_eq!(install(&[]), 11);
    assert_eq!(install(&["--dangerous-wildcards"]), 0);
}

#[test]
fn what_a_component_said_before_it_failed_in_planning_is_shown_and_a_trap_says_where() {
    let home = Home::new();
    let trap = support::guest::component(
        r#"(module
          (import "carnet:installation/log@0.1.0" "log" (func $log (param i32 i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 16) "about to fail")
          (func $deep unreachable)
          (func $outer (call $deep))
          (func $entry (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
            (call $log (i32.const 1) (i32.const 16) (i32.const 13)) (call $outer) i32.const 0)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))"#,
    );
    source(&home, &Script::new());
    fs::write(home.path("web/web.wasm"), trap).unwrap();
    fs::write(home.path("web/carnet.yaml"), SOURCE.split("requests:").next().unwrap()).unwrap();
    let plan = ["plan", "web", "./web", "--approve-all-for-development"];
    let (code, document, said) = carnet(&home, &[&plan[..], &TARGET[..]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("  | about to fail\n"), "{said}");
    let frames: Vec<_> =
        document["details"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let starts: Vec<_> = frames.iter().map(|frame| frame.split(" (").next().unwrap()).collect();
    assert_eq!(starts, ["at deep", "at outer", "at entry"], "{frames:?}");
    assert!(document["causes"][0].as_str().unwrap().ends_with("instruction executed"), "{document}");
}

#[test]
fn the_cases_of_an_author_pass_or_say_what_differs() {
    let home = Home::new();
    source(&home, &Script::new().apply(&[&config_map("test-a")]));
    let cases = |text: &str| {
        let head = "apiVersion: carnet.dev/v1alpha1\nkind: SourceTest\ncases:\n";
        fs::write(home.path("web/carnet.test.yaml"), format!("{head}{text}")).unwrap();
        let (code, document, said) = carnet(&home, &["test", "web"]);
        let differences = document["cases"].as_array().map(|cases| {
            cases.iter().flat_map(|case| case["differences"].as_array().unwrap()).cloned().collect::<Vec<_>>()
        });
        (code, differences.unwrap_or_default(), said)
    };
    let object = "{ kind: ConfigMap, metadata: { name: test-a }, data: { a: b } }";
    let (code, differences, said) = cases(&format!("- {{ name: one, expect: {{ objects: [{object}] }} }}"));
    assert_eq!((code, differences.len()), (0, 0), "{said}");
    let denied =
        "- { name: two, deny: ['apply:ConfigMap:default/test-a'], expect: { error: \"names: ['test-a']\" } }";
    assert_eq!(cases(denied).0, 1, "that is not what is said");
    let denied = "- { name: two, deny: ['apply:ConfigMap:default/test-a'], expect: { error: 'ConfigMap default/test-a' } }";
    let (code, differences, _) = cases(denied);
    assert_eq!((code, differences), (0, Vec::new()), "the object that may not be written is named");
    let allowed = "- { name: three, allow: ['apply:ConfigMap:default/test-*'], expect: {} }";
    assert_eq!(cases(allowed).0, 0);
    let (code, differences, _) =
        cases("- { name: four, expect: { objects: [] } }\n- { name: five, expect: { error: x } }");
    assert_eq!(code, 1);
    assert_eq!(differences, ["ConfigMap test-a is not expected", "it succeeds, and does not fail with `x`"]);
    let (code, _, said) = cases("- { nam: six, expect: {} }");
    assert_eq!(code, 1);
    assert!(said.contains("/cases/0/nam: is not known here; is `name` meant?"), "{said}");
    assert!(!home.path("out").exists() && !home.path("state").exists(), "nothing of the author's is touched");
}

#[test]
fn what_no_change_of_files_would_mend_is_told_once() {
    let home = Home::new();
    source(&home, &Script::new().apply(&[&config_map("dev-a")]));
    for (arguments, code, told) in [
        (["dev", "nowhere", "--target", "dir:out"], 1, "nowhere"),
        (["dev", "web/web.wasm", "--target", "dir:out"], 1, ""),
        (["dev", "web", "--target", "nowhere"], 2, "is no target"),
        (["dev", "web", "--target", "dir:~/out"], 2, "did not expand the `~`"),
    ] {
        let (ended, document, said) = carnet(&home, &arguments);
        assert_eq!(ended, code, "{said}");
        assert!(document["message"].as_str().unwrap().contains(told), "{document}");
    }
}

#[test]
fn while_an_author_works_the_plan_is_made_again_after_each_change() {
    let home = Home::new();
    source(&home, &Script::new().apply(&[&config_map("dev-a")]));
    let mut child = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .env_clear()
        .env("HOME", home.path("home"))
        .env("CARNET_STATE", home.path("state"))
        .current_dir(home.root.path())
        .args(["dev", "web", "--target", "dir:out", "-q"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = |wanted: &str| lines.by_ref().any(|line| line.unwrap().contains(wanted));
    assert!(told("ConfigMap default/dev-a"));
    source(&home, &Script::new().apply(&[&config_map("dev-b")]).log("another"));
    assert!(told("ConfigMap default/dev-b"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!home.path("out").exists());
}
