//! Which of several mistakes decides: a bundle that is not trusted comes before the operator's own files and flags, and
//! a record that cannot be used stops only what needs it.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests run the program")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{Home, config_map, guest::Script};

const REQUESTS: &str = r#"handles: [install]
requests:
  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: ["${namespace}"], names: ["${installation}-*"]}]
"#;

/// Verbs on a bundle that is named.
const BUNDLE_VERBS: [&str; 4] = ["install", "plan", "upgrade", "rbac"];

/// An installation `web`, the layout that it came from, and files that an operator may name.
struct Site {
    home: Home,
    digest: String,
    layout: String,
}

impl Site {
    fn new() -> Self {
        let home = Home::new();
        let script = Script::new().apply(&[&config_map("web-1")]);
        let fetched = home.bundle("web", &script.component(), REQUESTS);
        let layout = format!("layout:{}", home.path("web").display());
        let site = Self { digest: fetched.digest().to_string(), home, layout };
        fs::write(site.home.path("other.yaml"), "a: b\n").unwrap();
        let key = carnet::signature::PrivateKey::generate().unwrap();
        let pem = key.public().to_pem().replace('\n', "\n        ");
        let policy = format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n    release:\n      pem: |\n        {}\n  \
             rules:\n  - match: layout\n    names: ['**']\n    require: {{ threshold: 1, anyOf: [release] }}\n",
            pem.trim_end()
        );
        fs::write(site.home.path("trust.yaml"), policy).unwrap();
        let installed = site.carnet(&[
            &["install", "web", &site.layout, "--target", "dir:rendered", "-n", "prod", "--yes"],
            &["--dangerous-unsigned", "--approve", &site.digest][..],
        ]);
        assert!(installed.status.success(), "{}", told(&installed));
        site
    }

    fn carnet(&self, arguments: &[&[&str]]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command.env_clear().env("HOME", self.home.root.path()).current_dir(self.home.root.path());
        command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("program"));
        command.env("CARNET_STATE", self.home.path("state")).stdin(Stdio::null());
        command.args(arguments.concat()).output().unwrap()
    }

    /// Changes a byte of the bundle's index, in the layout and in the copy that is kept.
    fn damage(&self) {
        let hex = self.digest.split_once(':').unwrap().1;
        let blobs: Vec<_> =
            files(self.home.root.path()).into_iter().filter(|file| file.ends_with(hex)).collect();
        assert!(blobs.len() >= 2, "{blobs:?}");
        for blob in blobs {
            let mut bytes = fs::read(&blob).unwrap();
            let last = bytes.iter_mut().rfind(|byte| byte.is_ascii_lowercase()).unwrap();
            *last = if *last == b'a' { b'b' } else { b'a' };
            fs::remove_file(&blob).unwrap();
            fs::write(&blob, bytes).unwrap();
        }
    }

    /// Changes a member of the recorded settings of `web`.
    fn record(&self, member: &str, value: &str) {
        let changed = "update installations set settings = json_set(settings, ?1, ?2) where name = 'web'";
        assert_eq!(self.database().execute(changed, [format!("$.{member}"), value.to_owned()]).unwrap(), 1);
    }

    fn settings(&self) -> Value {
        let query = "select settings from installations where name = 'web'";
        let text: String = self.database().query_row(query, [], |row| row.get(0)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.home.path("state/state.db")).unwrap()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Mistakes in the operator's own files and flags, with the codes that they have alone, by what the verb takes.
fn mistakes(verb: &str) -> Vec<(&'static [&'static str], i32)> {
    let mut mistakes: Vec<(&[&str], i32)> = vec![(&["-p", "nofile"], 1), (&["--param", "x"], 2)];
    match verb {
        "diff" | "drift" => mistakes.push((&["--allow-file", "x"], 2)),
        _ => mistakes.extend([
            (&["--grants", "nofile"][..], 1),
            (&["--grants", "other.yaml"], 1),
            (&["--allow-kube", "bogus"], 2),
        ]),
    }
    if BUNDLE_VERBS.contains(&verb) {
        mistakes.push((&["--target", "bogus"], 2));
    }
    mistakes
}

/// Each verb with each mistake ends with this code, or else with the one that the mistake has alone.
fn check_each(site: &Site, flags: &[&str], expected: Option<i32>) {
    let on_bundle = BUNDLE_VERBS.map(|verb| vec![verb, "web", &site.layout]);
    let on_installation =
        [vec!["invoke", "web", "dev.carnet.test.look"], vec!["diff", "web"], vec!["drift", "web", "--fix"]];
    for verb in on_bundle.into_iter().chain(on_installation) {
        for (mistake, own) in mistakes(verb[0]) {
            let output = site.carnet(&[&verb, mistake, flags]);
            let code = output.status.code();
            let expected = expected.unwrap_or(own);
            assert_eq!(code, Some(expected), "{verb:?} {mistake:?} {flags:?}: {}", told(&output));
        }
    }
}

#[test]
fn what_is_not_trusted_comes_before_files_and_flags_that_cannot_be_used() {
    let site = Site::new();
    check_each(&site, &["--dangerous-unsigned"], None);
    check_each(&site, &["--trust", "trust.yaml"], Some(10));
    check_each(&site, &[], Some(10));
    check_each(&site, &["--trust", "nofile"], Some(10));
    site.damage();
    check_each(&site, &["--dangerous-unsigned"], Some(10));
}

#[test]
fn a_damaged_bundle_comes_before_grants_that_are_checked_against_it() {
    let site = Site::new();
    let check = ["grant", "check", &site.layout];
    let codes = |mistake: &[&str]| site.carnet(&[&check, mistake]).status.code();
    let mistakes = mistakes("grant");
    for (mistake, own) in &mistakes {
        assert_eq!(codes(mistake), Some(*own), "{mistake:?}");
    }
    site.damage();
    for (mistake, _) in &mistakes {
        assert_eq!(codes(mistake), Some(10), "{mistake:?}");
    }
}

#[test]
fn what_is_not_there_comes_before_flags_that_cannot_be_used() {
    let site = Site::new();
    for verb in ["rollback", "uninstall", "invoke", "diff", "drift"] {
        let action: &[&str] = if verb == "invoke" { &["dev.carnet.test.look"] } else { &[] };
        let output = site.carnet(&[&[verb, "gone"], action, &["--param", "x"]]);
        assert_eq!(output.status.code(), Some(1), "{verb}: {}", told(&output));
        assert!(told(&output).contains("there is no installation `gone`"), "{verb}: {}", told(&output));
    }
}

#[test]
fn an_installation_whose_place_cannot_be_read_is_shown_and_not_acted_on() {
    let site = Site::new();
    for target in ["ssh:/x", "", "dir:"] {
        site.record("target", target);
        let before = site.settings();
        for verb in ["list", "status", "history", "outputs", "doctor"] {
            let name: &[&str] = if ["list", "doctor"].contains(&verb) { &[] } else { &["web"] };
            let output = site.carnet(&[&[verb, "-o", "json"], name]);
            assert!(output.status.success(), "{verb} {target}: {}", told(&output));
        }
        let status = site.carnet(&[&["status", "web", "-o", "json"]]);
        let shown: Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(shown["target"], target);
        let reason = format!("`{target}` is no target");
        assert!(told(&status).contains(&reason), "{}", told(&status));
        let doctor = String::from_utf8(site.carnet(&[&["doctor", "-o", "json"]]).stdout).unwrap();
        assert!(doctor.contains(&reason), "{doctor}");

        let unsigned = ["--dangerous-unsigned"];
        let verbs: [&[&str]; 5] = [
            &["upgrade", "web", &site.layout],
            &["uninstall", "web", "--yes"],
            &["invoke", "web", "dev.carnet.test.look"],
            &["diff", "web"],
            &["drift", "web"],
        ];
        for verb in verbs {
            let output = site.carnet(&[verb, &unsigned]);
            assert_eq!(output.status.code(), Some(1), "{verb:?} {target}: {}", told(&output));
            let error = "error: the record of `web` does not say where its objects are";
            assert!(told(&output).contains(error), "{verb:?} {target}: {}", told(&output));
            assert!(told(&output).contains(&reason), "{verb:?} {target}: {}", told(&output));
        }
        assert_eq!(site.settings(), before, "{target}");
    }
    let elsewhere = ["upgrade", "web", &site.layout, "--target", "dir:other", "--dangerous-unsigned"];
    let output = site.carnet(&[&elsewhere]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told(&output).contains("the installation `web` is in dir: (namespace prod)"),
        "{}",
        told(&output)
    );
}

#[test]
fn a_member_that_no_directory_has_stays_in_its_record() {
    let site = Site::new();
    site.record("server", "https://a.example");
    let before = site.settings();
    let output = site.carnet(&[&["uninstall", "web", "--yes"]]);
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(site.settings(), before);
}
