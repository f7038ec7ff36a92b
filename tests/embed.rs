//! Whoever uses the library gets what the program makes: the example is run as a program of its own.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests run programs")]

mod support;

use std::path::PathBuf;
use std::process::{Command, Output};

use support::{Home, example};

#[test]
fn the_example_installs_the_files_that_the_program_installs() {
    let (embedded, home) = (Home::new(), Home::new());
    succeed(Command::new(embed()).arg(embedded.root.path()));

    let path = |name: &str| example(name).display().to_string();
    let mut program = Command::new(env!("CARGO_BIN_EXE_carnet"));
    program.env_clear().env("HOME", home.root.path()).env("CARNET_STATE", home.path("state"));
    program.args(["install", "guestbook", &format!("layout:{}", path("bundles/guestbook")), "-n", "prod"]);
    program.args(["--target", &home.place().to_string(), "--trust", &path("trust.yaml"), "--yes"]);
    program.args(["--grants", &path("guestbook/grants.yaml"), "-c", &path("guestbook/credentials.yaml")]);
    succeed(&mut program);

    let files = home.rendered();
    assert!(!files.is_empty());
    assert_eq!(embedded.rendered(), files);
    let of = |home: &Home| home.state().find("guestbook").unwrap().unwrap();
    assert_eq!(of(&embedded).settings.signers, of(&home).settings.signers);
    assert_eq!(of(&embedded).last.unwrap().result.as_str(), "succeeded");
}

/// The example, which cargo builds beside the tests unless only some of them are wanted.
fn embed() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples/embed");
    if !program.exists() {
        succeed(Command::new(env!("CARGO")).args(["build", "--locked", "--quiet", "--example", "embed"]));
    }
    program
}

fn succeed(command: &mut Command) {
    let Output { status, stderr, .. } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
}
