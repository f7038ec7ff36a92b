//! Each signal that asks a program to end stops a run in the same way: what was done is recorded, and the next command
//! goes on from there.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests run the program")]

mod support;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Home, config_map, guest::Script};

/// How many objects the bundle applies, one after the other: enough that a run takes a while.
const OBJECTS: usize = 400;

/// The longest that a run may take to begin.
const PATIENCE: Duration = Duration::from_secs(120);

const REQUESTS: &str = r#"handles: [install]
requests:
  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: ["${namespace}"], names: ["${installation}-*"]}]
"#;

/// A bundle that takes a while to install.
struct Site {
    home: Home,
    digest: String,
}

impl Site {
    fn new() -> Self {
        let home = Home::new();
        let names = (0..OBJECTS).map(|n| format!("web-{n}"));
        let script = names.fold(Script::new(), |script, name| script.apply(&[&config_map(&name)]));
        let digest = home.bundle("slow", &script.component(), REQUESTS).digest().to_string();
        Self { home, digest }
    }

    fn carnet(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command.env_clear().env("HOME", self.home.root.path());
        command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("program"));
        command.env("CARNET_STATE", self.home.path("state")).stdin(Stdio::null());
        command
    }

    fn install(&self) -> Command {
        let mut command = self.carnet();
        command.args(["install", "web", &format!("layout:{}", self.home.path("slow").display())]);
        command.args(["--target", &self.home.place().to_string(), "-n", "prod", "--yes"]);
        command.args(["--dangerous-unsigned", "--approve", &self.digest]);
        command
    }

    /// Starts an installation, and comes back when it is in the middle.
    fn begun(&self) -> Child {
        let child = self.install().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while self.written() < 3 {
            assert!(began.elapsed() < PATIENCE, "nothing was written");
            std::thread::sleep(Duration::from_millis(2));
        }
        child
    }

    /// How many files are there. They are not read: unfinished ones come and go.
    fn written(&self) -> usize {
        std::fs::read_dir(self.home.path("rendered/prod")).map_or(0, Iterator::count)
    }

    fn status(&self) -> Value {
        let output = self.carnet().args(["status", "web", "-o", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// An editor that says that it is there, and then waits until it is told to end.
const EDITOR: &str = "sh -c 'echo > there; exec cat hold'";

#[test]
fn an_editor_leaves_no_copy_whatever_ends_the_program() {
    for (kind, text) in
        [("params", "a: 1\n"), ("credentials", "{schemaVersion: 1.0.1, name: a, credentials: []}\n")]
    {
        for signal in ["TERM", "HUP"] {
            let site = Site { home: Home::new(), digest: String::new() };
            let sets = site.home.path(".config/carnet").join(kind);
            std::fs::create_dir_all(&sets).unwrap();
            std::fs::write(sets.join("prod.yaml"), text).unwrap();
            for pipe in ["there", "hold"] {
                assert!(Command::new("mkfifo").arg(site.home.path(pipe)).status().unwrap().success());
            }
            let mut edit = site.carnet();
            edit.args([kind, "edit", "prod"]).env("EDITOR", EDITOR).env("PATH", "/usr/bin:/bin");
            let mut child = edit.current_dir(site.home.root.path()).stderr(Stdio::null()).spawn().unwrap();
            drop(std::fs::read(site.home.path("there")).unwrap());
            let copies = std::fs::read_dir(&sets).unwrap().count();
            assert_eq!(copies, 2, "there is a copy to be edited");
            let sent = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
            assert!(sent.unwrap().success());
            assert_eq!(child.wait().unwrap().code(), Some(1), "{kind} {signal}");
            // Whatever the shell made of the editor ends as well.
            drop(std::fs::OpenOptions::new().read(true).write(true).open(site.home.path("hold")).unwrap());
            let left: Vec<_> = std::fs::read_dir(&sets).unwrap().map(|it| it.unwrap().file_name()).collect();
            assert_eq!(left, ["prod.yaml"], "{kind} {signal}");
            assert_eq!(std::fs::read_to_string(sets.join("prod.yaml")).unwrap(), text);
        }
    }
}

#[test]
fn each_signal_that_asks_a_program_to_end_stops_a_run_like_ctrl_c() {
    let ends = ["INT", "TERM", "HUP"].map(|signal| {
        let site = Site::new();
        let child = site.begun();
        let sent = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();

        let found = site.status();
        let done = found["objects"].as_array().unwrap().len();
        assert!((3..OBJECTS).contains(&done), "{signal}: {done} objects");
        assert!(site.home.rendered().len() <= done, "{signal}: a file is on no record");
        let error = stderr.lines().find(|line| line.starts_with("error:")).map(str::to_owned);
        let hint = "hint: the same command goes on where it was; to undo it: carnet uninstall web -n prod";
        assert!(stderr.lines().any(|line| line == hint), "{signal}: {stderr}");
        let finished = site.install().output().unwrap();
        assert!(finished.status.success(), "{signal}: {}", String::from_utf8_lossy(&finished.stderr));
        (status.code(), error, found["result"].clone(), found["message"].clone())
    });
    let stopped = "the run was stopped";
    let expected = (Some(1), Some(format!("error: {stopped}")), "canceled".into(), stopped.into());
    assert_eq!(ends, [expected.clone(), expected.clone(), expected]);
}
