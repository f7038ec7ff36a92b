//! The life of an installation as `docs/operating.md` tells it, typed from the document itself: what stands there works as it
//! stands, on a directory and on a cluster.

#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests run programs and may fail anywhere"
)]

#[path = "cluster/site.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod site;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use site::Site;
use support::example;

/// Where the commands of a document run.
struct Walk {
    home: tempfile::TempDir,
    kubeconfig: Option<PathBuf>,
}

impl Walk {
    /// What the document says that one was given: a bundle and a newer version, a public key, a file and credentials.
    fn new() -> Self {
        let walk = Self { home: tempfile::tempdir().unwrap(), kubeconfig: None };
        for (name, from) in [("web", "guestbook"), ("web-1.1", "guestbook-1.1")] {
            copy(&example("bundles").join(from), &walk.path(name));
        }
        for name in ["site.conf", "credentials.yaml"] {
            fs::copy(example("guestbook").join(name), walk.path(name)).unwrap();
        }
        let policy = fs::read_to_string(example("trust.yaml")).unwrap();
        let key = policy.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN"));
        let key: Vec<_> = key.take_while(|line| !line.starts_with("rules:")).collect();
        fs::write(walk.path("release.pub"), key.join("\n") + "\n").unwrap();
        walk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs a line in a shell, as people do, with nothing of our surroundings.
    fn typed(&self, line: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_carnet"));
        let mut shell = Command::new("bash");
        shell.env_clear().env("HOME", self.home.path()).current_dir(self.home.path());
        shell.env("PATH", format!("{}:/usr/bin:/bin", program.parent().unwrap().display()));
        shell.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("walk"));
        if let Some(file) = &self.kubeconfig {
            shell.env("KUBECONFIG", file);
        }
        shell.args(["-c", line]).stdin(Stdio::null()).output().unwrap()
    }

    /// Types each line, which ends as the comment behind it says, or else well. Gives what the lines printed.
    fn walked(&self, lines: &[String]) -> Vec<String> {
        let walked = lines.iter().map(|line| {
            let output = self.typed(line);
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            let expected = line.split_once("exits with ").map_or("0", |(_, code)| &code[..2]);
            assert_eq!(output.status.code().unwrap().to_string(), expected, "{line}\n{stdout}\n{stderr}");
            format!("{line}\n{stdout}\n{stderr}")
        });
        walked.collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The commands in the blocks of shell of a section, a line each.
fn commands(section: &str) -> Vec<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let page = fs::read_to_string(page).unwrap();
    let heading = format!("## {section}\n");
    let section = page.split(&heading).nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| block.lines().map(str::to_owned).collect()).collect()
}

/// What a line of the walk printed, by how the line begins.
#[track_caller]
fn said<'a>(walked: &'a [String], start: &str) -> &'a str {
    walked
        .iter()
        .find(|text| text.starts_with(start))
        .unwrap_or_else(|| panic!("nothing begins with `{start}`"))
}

/// Asserts what people go by on the way, wherever the objects go.
fn check(walked: &[String]) {
    for (start, expected) in [
        (
            "carnet inspect",
            &["What you can set", "replicas", "integer; default 2", "Password of the database's user"][..],
        ),
        ("carnet verify", &["trusted by rule `layout`"]),
        ("carnet plan web layout:web ", &["12 create", "kind: StatefulSet"]),
        ("carnet install", &["Done: install of web"]),
        ("carnet status", &["guestbook 1.0.0", "install succeeded", "Parameters"]),
        ("carnet outputs", &["https://guestbook.example/"]),
        ("carnet upgrade", &["--allow-kube 'apply:batch/CronJob:", "carnet grant new layout:web-1.1 --to"]),
        ("carnet invoke", &["Done: dev.carnet.guestbook.backup of web"]),
        ("carnet rollback", &["Going back to revision", "guestbook 1.0.0"]),
        ("carnet uninstall", &["Done: uninstall of web"]),
    ] {
        let text = said(walked, start);
        for part in expected {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let history = said(walked, "carnet history");
    let rows: Vec<_> = history.lines().filter(|line| line.contains("succeeded")).collect();
    let actions = [" install ", " upgrade ", " dev.carnet."];
    assert!(
        rows.iter().zip(actions).all(|(row, action)| row.contains(action)) && rows.len() == 3,
        "{history}"
    );
}

#[test]
fn what_the_document_says_in_short_works_on_a_directory() {
    let walk = Walk::new();
    let [life, _] = &commands("In short")[..] else { panic!("there are two blocks of commands") };
    check(&walk.walked(life));
    let plan = walk.typed("carnet history web -o json");
    let history: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    let items = history["items"].as_array().unwrap();
    let (first, back) = (&items[0], &items[3]);
    assert_eq!((&back["action"], &back["rollbackTo"]), (&"upgrade".into(), &first["revision"]));
    let left = walk.typed("find rendered -name '*.yaml'");
    assert_eq!(text(&left.stdout), "", "nothing is left");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_the_document_says_in_short_works_on_a_cluster() {
    let site = Site::new();
    site.add_volume_for("web");
    let walk = Walk { kubeconfig: Some(site.kubeconfig().to_owned()), ..Walk::new() };
    let there = |line: &String| {
        let line = line.replace("dir:rendered", "kube").replace("prod/", &format!("{}/", site.namespace));
        line.replace("-n prod", &format!("-n {}", site.namespace))
    };
    let [life, lent] = &commands("In short")[..] else { panic!("there are two blocks of commands") };
    check(&walk.walked(&life.iter().map(there).collect::<Vec<_>>()));
    let kept: Vec<_> =
        site.names().into_iter().filter(|name| !name.starts_with("PersistentVolumeClaim")).collect();
    assert_eq!(kept, Vec::<String>::new());

    walk.walked(&lent.iter().map(there).collect::<Vec<_>>());
    assert!(site.names().contains(&"Deployment/web-web".to_owned()), "{:?}", site.names());
    assert!(!walk.path("run.kubeconfig").exists(), "it was revoked");
    walk.walked(&["carnet uninstall web -y".into()]);
}
