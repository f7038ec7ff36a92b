//! What an operator meets at the terminal, by the real program: questions, hints that can be pasted, revisions, names that
//! are none, and places that were looked at.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests run the program and read files")]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::Home;
use support::guest::{Script, written};
use support::said::Said;

const REST: &str = "\
parameters:
  replicas: { schema: { type: integer, default: 1 }, description: How many, applyTo: [install, upgrade] }
  pin: { schema: { type: string, writeOnly: true }, description: Opens it }
  label: { schema: { type: string, default: none }, description: Of a backup, applyTo: [dev.carnet.web.backup] }
actions:
  dev.carnet.web.backup: { description: Backs up, modifies: true }
outputs:
  url: { schema: { type: string }, description: Where it is }
requests:
  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['web-*']}]
";

const GRANT: [&str; 2] = ["--allow-kube", "apply:ConfigMap:prod/web-*"];

/// A home with a directory as target.
struct Site(Home);

impl Site {
    /// With two versions of a bundle, in `layout:one` and `layout:two`.
    fn new() -> Self {
        let site = Self(Home::new());
        for (name, value) in [("one", "a"), ("two", "b")] {
            let manifest = format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: web-x}}, data: {{v: {value}}}}}"
            );
            let script = Script::new().apply(&[&manifest]).output("url", "\"https://web\"");
            site.0.bundle(name, &script.component(), REST);
        }
        site
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.0.path("home")).env("PATH", "/usr/bin:/bin");
        command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("operating"));
        command.current_dir(self.0.root.path());
        command
    }

    fn carnet(&self, arguments: &[&str]) -> Said {
        let mut command = self.command(env!("CARGO_BIN_EXE_carnet"));
        Said::of(command.args(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// A verb on a bundle that nobody signed, with what it asks for granted.
    fn on(&self, verb: &str, reference: &str, more: &[&str]) -> Said {
        let fixed =
            [verb, "web", reference, "--target", "dir:rendered", "-n", "prod", "--dangerous-unsigned"];
        self.carnet(&[&fixed[..], &GRANT, more].concat())
    }

    fn installed() -> Self {
        let site = Self::new();
        site.on("install", "layout:one", &["-y", "--param", "replicas=3", "--param", "pin=1234"]).expect(0);
        site
    }

    /// Runs the program on a terminal, and types an answer when it has asked.
    fn answered(&self, line: &str, answer: &str) -> (i32, String) {
        let mut terminal = self.command("script");
        let program = env!("CARGO_BIN_EXE_carnet");
        terminal.args(["-qec", &format!("{program} {line}"), "/dev/null"]).env("TERM", "dumb");
        let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut typed, mut shown) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut text, mut byte) = (Vec::new(), [0]);
        while shown.read(&mut byte).unwrap() == 1 {
            text.push(byte[0]);
            if text.ends_with(b"[y/N] ") {
                typed.write_all(format!("{answer}\n").as_bytes()).unwrap();
            }
        }
        (child.wait().unwrap().code().unwrap(), String::from_utf8(text).unwrap())
    }

    fn value(&self) -> String {
        fs::read_to_string(self.0.path("rendered/prod/configmap_web-x.yaml")).unwrap()
    }
}

const INSTALL: &str = "install web layout:one --target dir:rendered -n prod --dangerous-unsigned --allow-kube 'apply:ConfigMap:prod/web-*'";

#[test]
fn y_and_yes_are_yes_and_who_says_no_is_not_told_to_say_yes() {
    for (answer, code) in [("y", 0), ("YES", 0), ("", 1), ("n", 1), ("yea", 1)] {
        let site = Site::new();
        let (ended, text) = site.answered(INSTALL, answer);
        assert_eq!(ended, code, "{answer}: {text}");
        assert_eq!(site.0.rendered().is_empty(), code == 1, "{answer}");
        assert!(!text.contains("--yes") && !text.contains("hint:"), "{answer}: {text}");
    }
    let said = Site::new().on("install", "layout:one", &[]).expect(1);
    assert_eq!(said.hint(), "there is no terminal to ask on: add `--yes` to confirm the change");
}

#[test]
fn a_bare_rollback_goes_over_actions_of_the_bundle_and_history_says_what_it_was() {
    let site = Site::installed();
    site.on("upgrade", "layout:two", &["-y"]).expect(0);
    site.carnet(&["invoke", "web", "dev.carnet.web.backup", "--dangerous-unsigned", "-y"]).expect(0);
    assert!(site.value().contains("v: b"));
    let said =
        site.carnet(&["rollback", "web", "-y", "--param", "pin=1234", "--dangerous-unsigned"]).expect(0);
    assert!(site.value().contains("v: a"), "it is back at what was there before the upgrade");

    let items = site.carnet(&["history", "web", "-o", "json"]).expect(0).document["items"].clone();
    let first = items[0]["revision"].as_str().unwrap();
    said.says(&[&format!("Going back to revision {first}")]);
    assert_eq!((&items[3]["action"], &items[3]["rollbackTo"]), (&json!("upgrade"), &json!(first)));
    assert!(items[1].get("rollbackTo").is_none());
    let table = site.carnet(&["history", "web"]).expect(0).stdout;
    let row = table.lines().last().unwrap();
    let shown = row.split("rollback to ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(table.starts_with("REVISION ") && first.starts_with(shown), "{table}");
    site.carnet(&["status", "web"]).says(&["rollback succeeded"]);
    // What is shown is enough to name it.
    let second = table.lines().nth(2).unwrap().split(' ').next().unwrap();
    site.carnet(&["rollback", "web", second, "-y", "--dangerous-unsigned"]).expect(0);
    assert!(site.value().contains("v: b"));
}

#[test]
fn parameters_outlive_actions_that_are_not_for_them_and_sensitive_ones_are_never_shown() {
    let site = Site::installed();
    let shown =
        |verb: &str| site.carnet(&[verb, "web", "-o", "json"]).expect(0).document["parameters"].clone();
    assert_eq!(shown("status"), json!({"replicas": 3}));
    site.carnet(&["invoke", "web", "dev.carnet.web.backup", "--dangerous-unsigned", "-y"]).expect(0);
    assert_eq!(shown("outputs"), json!({"replicas": 3, "label": "none"}));
    site.on("upgrade", "layout:two", &["-y"]).expect(0);
    assert_eq!(shown("status"), json!({"replicas": 3}), "the backup was for another parameter");
    site.carnet(&["status", "web"]).expect(0).says(&["Parameters", "replicas", "│ 3"]);
    site.carnet(&["uninstall", "web", "-y"]).expect(0);
    site.on("install", "layout:one", &["-y"]).expect(0);
    assert_eq!(shown("status"), json!({"replicas": 1}), "what was uninstalled is installed anew");
}

#[test]
fn a_name_that_is_none_comes_with_the_nearest_and_all_that_there_are() {
    let site = Site::installed();
    site.on("upgrade", "layout:two", &["-y", "--param", "replica=2"]).expect(1).says(&[
        "has no parameter `replica` (did you mean `replicas`? there are: `label`, `pin`, `replicas`)",
    ]);
    site.carnet(&["invoke", "web", "backup", "--dangerous-unsigned", "-y"])
        .expect(1)
        .says(&["no action `backup` (did you mean `dev.carnet.web.backup`?"]);
    site.carnet(&["outputs", "web", "urls"])
        .expect(1)
        .says(&["no output `urls` (did you mean `url`? there are: `url`)"]);
}

#[test]
fn hints_can_be_pasted() {
    let site = Site::new();
    let state = ["--state", "my state"];
    let refused = site.carnet(
        &[
            &[
                "install",
                "web",
                "layout:one",
                "--target",
                "dir:rendered",
                "-n",
                "prod",
                "--dangerous-unsigned",
            ][..],
            &state,
        ]
        .concat(),
    );
    refused.expect(11).says(&["write a grant: carnet grant new layout:one --to grant.yaml"]);

    site.on("install", "layout:one", &[&state[..], &["-y"]].concat()).expect(0);
    let again = site.on("install", "layout:one", &[&state[..], &["-y"]].concat()).expect(1);
    let place = format!("one 1.0.0 in dir:{} (namespace prod)", site.0.path("rendered").display());
    let again = again.says(&[&format!("`web` is there already: {place}")]);
    assert_eq!(
        again.hint(),
        "carnet upgrade web layout:one --state 'my state' -n prod --target dir:rendered"
    );
    let pasted = format!("{} --dangerous-unsigned -y", again.hint());
    let mut shell = site.command("bash");
    let line = pasted.replacen("carnet", env!("CARGO_BIN_EXE_carnet"), 1);
    Said::of(shell.args(["-c", &line]).stdin(Stdio::null()).output().unwrap()).expect(0);

    let missing = site.carnet(&[&["status", "wep", "-n", "prod"][..], &state].concat()).expect(1);
    assert_eq!(missing.hint(), "carnet list --all-namespaces --state 'my state'");
    missing.says(&["looked at: the state in `my state`, namespace `prod`"]);
    site.carnet(&["upgrade", "web", "layout:one", "--dangerous-unsigned"]).expect(2).says(&[
        "no target is named",
        "looked at: the state in `",
        "all namespaces",
    ]);
    let list = site.carnet(&["list"]).expect(0).stdout.replace("\n│", "");
    let own = site.0.path("home/.local/share/carnet");
    assert_eq!(list, format!("Nothing is installed: the state in `{}`, all namespaces.\n", own.display()));
    let list = site.carnet(&[&["list"][..], &state].concat()).expect(0).stdout;
    let row = list.lines().nth(1).unwrap();
    assert!(list.starts_with("NAME  NAMESPACE  BUNDLE     LAST ACTION "), "{list}");
    assert!(row.contains("one 1.0.0  upgrade") && row.contains("dir:/") && row.contains(" 20"), "{list}");
    let said = site.carnet(&[&["status", "web"][..], &state].concat()).expect(0);
    said.says(&[&format!("in dir:{}", site.0.path("rendered").display()), "upgrade succeeded, 20"]);
}

#[test]
fn a_grant_is_not_overwritten_and_a_document_is_checked_as_what_it_says_it_is() {
    let site = Site::new();
    site.carnet(&["grant", "new", "layout:one", "--to", "grant.yaml"]).expect(0);
    let said = site.carnet(&["grant", "new", "layout:two", "--to", "grant.yaml"]).expect(1);
    assert_eq!(said.hint(), "name another file, or overwrite this one with `--force`");
    let said = site.carnet(&["lint", "grant.yaml"]).expect(0);
    assert_eq!(said.stderr, "Errors: 0. Warnings: 0.\n");
    let grant = fs::read_to_string(site.0.path("grant.yaml")).unwrap();
    fs::write(site.0.path("grant.yaml"), grant.replace("kubernetes:", "kubernets:")).unwrap();
    site.carnet(&["lint", "grant.yaml"]).expect(1).says(&["(Grant of carnet.dev/v1alpha1)"]);
    fs::write(site.0.path("bundle.json"), r#"{"invocationImages": []}"#).unwrap();
    site.carnet(&["lint", "bundle.json"]).expect(1).says(&["/invocationImages"]);
    fs::write(site.0.path("other.yaml"), "kind: Deployment\n").unwrap();
    site.carnet(&["lint", "other.yaml"]).expect(2).says(&["does not say what it is"]);
    fs::write(site.0.path("other.yaml"), "kind: [\n").unwrap();
    site.carnet(&["lint", "other.yaml"]).expect(1).says(&["cannot use `other.yaml`"]);
    fs::write(site.0.path("web.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    let said = site.carnet(&["lint", "web.wasm"]).expect(2).says(&["`web.wasm` is a WebAssembly component"]);
    assert_eq!(said.hint(), "carnet lint DIR");
    fs::create_dir(site.0.path("source")).unwrap();
    let source =
        "apiVersion: carnet.dev/v1alpha1\nkind: Source\nname: A b\nversion: 1.0.0\ncomponent: web.wasm\n";
    fs::write(site.0.path("source/carnet.yaml"), source).unwrap();
    let whole = site.carnet(&["lint", "source"]).expect(1).says(&["/name: has ` ` in it", "/component: "]);
    assert_eq!(site.carnet(&["lint", "source/carnet.yaml"]).expect(1).stdout, whole.stdout);
}

#[test]
fn quiet_is_the_result_alone() {
    let site = Site::new();
    let said = site.on("install", "layout:one", &["-y", "-q"]).expect(0);
    assert!(said.stdout.starts_with("Done: install of web in dir:"), "{}", said.stdout);
    let told: Vec<_> = said.stderr.lines().filter(|line| !line.starts_with("DANGER: ")).collect();
    assert_eq!(told, Vec::<&str>::new());
    let plain = site.on("upgrade", "layout:two", &["-y"]).expect(0);
    assert!(
        plain.stdout.contains("Plan: upgrade") && plain.stdout.contains("Done: upgrade"),
        "{}",
        plain.stdout
    );
}

/// `script` is the terminal, and its standard input is what is typed there.
#[test]
fn ctrl_c_at_a_question_changes_nothing_and_leaves_the_terminal_as_it_was() {
    let site = Site::new();
    let line = format!("{} {INSTALL}; echo code=$?; stty -a", env!("CARGO_BIN_EXE_carnet"));
    let key = format!("{} key generate new; echo code=$?; stty -a", env!("CARGO_BIN_EXE_carnet"));
    for (line, question) in [(line, "[y/N] "), (key, "Password for the new key: ")] {
        let mut terminal = site.command("script");
        terminal.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = terminal.spawn().unwrap();
        let (mut shown, mut typed) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let mut seen = Vec::new();
        let mut byte = [0];
        // The key is pressed once the question is there.
        while !String::from_utf8_lossy(&seen).ends_with(question) {
            assert_eq!(shown.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        typed.write_all(b"\x03").unwrap();
        shown.read_to_end(&mut seen).unwrap();
        drop(typed);
        child.wait().unwrap();
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert!(seen.contains("error: stopped: nothing was changed") && seen.contains("code=1"), "{seen}");
        assert!(seen.contains(" echo ") && seen.contains(" icanon ") && seen.contains("isig "), "{seen}");
    }
    assert!(!site.0.path("rendered").exists() && !site.0.path("new.key").exists());
}

#[test]
fn a_long_plan_is_paged_on_a_terminal_and_printed_elsewhere() {
    let site = Site::new();
    let line = INSTALL.replace("install", "plan");
    fs::write(site.0.path("pager"), "cat > paged; echo shown\n").unwrap();
    let paged = format!("CARNET_PAGER='sh pager' {} {line} --diff", env!("CARGO_BIN_EXE_carnet"));
    let mut terminal = site.command("script");
    let output = terminal.args(["-qec", &paged, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    let shown = Said::of(output).expect(0);
    assert!(shown.stdout.contains("shown") && !shown.stdout.contains("as it is made"), "{}", shown.stdout);
    let paged = fs::read_to_string(site.0.path("paged")).unwrap();
    assert!(paged.contains("ConfigMap prod/web-x, as it is made") && paged.contains("1 create"), "{paged}");
    site.on("plan", "layout:one", &["--diff"]).expect(0).says(&["as it is made"]);
}

#[test]
fn help_is_asked_for_in_two_ways() {
    let site = Site::new();
    for verb in [&["install"][..], &["grant", "new"], &["trust", "new"]] {
        let first = site.carnet(&[&["help"], verb].concat()).expect(0).stdout;
        let second = site.carnet(&[verb, &["--help"]].concat()).expect(0).stdout;
        assert_eq!(first, second, "{verb:?}");
    }
    assert_eq!(site.carnet(&["help"]).expect(0).stdout, site.carnet(&["--help"]).expect(0).stdout);
    site.carnet(&["help", "instal"]).expect(2);
}

#[test]
fn whoever_has_no_policy_is_told_how_to_make_one() {
    let site = Site::new();
    let policy = site.0.path("home/.config/carnet/trust.yaml");
    let said = site.carnet(&["verify", "layout:one"]).expect(10);
    let command = format!("carnet trust new --key RELEASE.pub --name one --to {}", policy.display());
    assert_eq!(said.hint(), command);
    said.says(&["looked for `", "/etc/carnet/trust.yaml`", "CARNET_TRUST"]);
    let unnamed = command.replace("--name one", "--name BUNDLE");
    site.carnet(&["trust", "show"]).expect(10).says(&[&unnamed]);

    let mut key = site.command(env!("CARGO_BIN_EXE_carnet"));
    let made = key.args(["key", "generate", "release"]).env("COSIGN_PASSWORD", "").output().unwrap();
    Said::of(made).expect(0);
    let new = ["trust", "new", "--key", "release.pub", "--name", "one"];
    let file = policy.display().to_string();
    site.carnet(&[&new[..], &["--to", &file]].concat()).expect(0);
    let mut sign = site.command(env!("CARGO_BIN_EXE_carnet"));
    let signed =
        sign.args(["sign", "layout:one", "--key", "release.key"]).env("COSIGN_PASSWORD", "").output();
    Said::of(signed.unwrap()).expect(0);
    site.carnet(&["verify", "layout:one"]).expect(0).says(&["trusted by rule `layout`"]);
    site.carnet(&["verify", "layout:two"]).expect(10);
    site.carnet(&["trust", "show"]).expect(0).says(&[&file, "bundles named one, signed by 1 of release"]);

    assert_eq!(
        site.carnet(&[&new[..], &["--to", &file]].concat()).expect(1).hint(),
        "name another file, or overwrite this one with `--force`"
    );
    let printed = site.carnet(&[&new[..], &["-o", "json"]].concat()).expect(0).document;
    assert_eq!(
        (&printed["kind"], &printed["spec"]["rules"][0]["names"]),
        (&json!("TrustPolicy"), &json!(["one"]))
    );
    let wrong = site.carnet(&["trust", "new", "--key", "release.key", "--name", "one"]);
    wrong.expect(1).says(&["`release` is no public key", "ends in `.pub`"]);
}

#[test]
fn a_run_that_ended_early_is_told_with_the_way_on_from_there() {
    let site = Site::installed();
    site.0.bundle("trap", &written("trap"), "requests: {}\n");
    let said = site.on("upgrade", "layout:trap", &["-y"]).expect(1).says(&["the component trapped"]);
    assert_eq!(said.hint(), "nothing was done: the fault is in the bundle, for its author to mend");
    site.carnet(&["status", "web"]).expect(0).says(&["install succeeded"]);
}

#[test]
fn a_home_directory_that_no_shell_expanded_and_an_empty_state_are_refused_with_what_to_type() {
    let site = Site::new();
    let home = site.0.path("home");
    let at_home = |path: &str| home.join(path).display().to_string();
    for (arguments, hint) in [
        (&["list", "--state", ""][..], "hint: --state DIR".to_owned()),
        (&["verify", "layout:one", "--trust", ""], "--trust FILE needs a value".to_owned()),
        (&["list", "--state", "~/state"], format!("--state {}", at_home("state"))),
        (&["list", "--state", "~somebody/state"], "--state './~somebody/state'".to_owned()),
        (
            &["plan", "web", "layout:one", "--dangerous-unsigned", "--target", "dir:~/out"],
            format!("--target dir:{}", at_home("out")),
        ),
        (&["inspect", "layout:~/web"], "write `$HOME` for it".to_owned()),
        (&["push", "layout:web", "archive:~/web.tar"], "write `$HOME` for it".to_owned()),
    ] {
        site.carnet(arguments).expect(2).says(&[&hint]);
    }
    let mut unset = site.command(env!("CARGO_BIN_EXE_carnet"));
    Said::of(unset.arg("list").env("CARNET_STATE", "").output().unwrap()).expect(0);
    let made: Vec<_> = fs::read_dir(site.0.root.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(made.iter().all(|name| !name.to_string_lossy().starts_with('~')), "{made:?}");
}

#[test]
fn an_error_that_ends_with_its_cause_says_it_once() {
    let site = Site::new();
    let key = carnet::signature::PrivateKey::generate().unwrap().public().to_pem();
    fs::write(site.0.path("release.pub"), key).unwrap();
    let key = site.0.path("release.pub").display().to_string();
    let said =
        site.carnet(&["trust", "new", "--key", &key, "--name", "web", "--match", "Registry.example/**"]);
    let said = said.expect(10).says(&["that would be no trust policy: "]);
    assert_eq!(said.stderr.matches("is not a scope").count(), 1, "{}", said.stderr);
}

#[test]
fn of_two_states_with_one_name_one_has_a_directory_and_the_other_is_told() {
    let site = Site::new();
    let with = |state: &'static str, more: &[&'static str]| [&["-y", "--state", state][..], more].concat();
    let there = |verb: &str, state: &str| {
        let unsigned = ["--dangerous-unsigned"].into_iter().filter(|_| verb != "status");
        site.carnet(&[verb, "web", "--state", state].into_iter().chain(unsigned).collect::<Vec<_>>())
    };
    site.on("install", "layout:one", &with("a", &[])).expect(0);
    let refused = site.on("install", "layout:one", &with("b", &[])).expect(1);
    assert_eq!(refused.hint(), "`--take-ownership` takes it over");
    refused.says(&["prod/web is in `", "as another state has it on record"]);
    site.carnet(&["list", "--state", "b"]).expect(0).says(&["Nothing is installed"]);

    site.on("install", "layout:two", &with("b", &["--take-ownership"])).expect(0);
    let value = site.value();
    let lost = "is not this installation's any more: prod/web of another state has taken it over";
    for verb in ["diff", "drift"] {
        there(verb, "a").expect(16).says(&[lost, "`--take-ownership`"]);
    }
    site.on("upgrade", "layout:one", &with("a", &[])).expect(16).says(&[lost]);
    there("status", "a").expect(0).says(&["another state has taken it over"]);
    site.carnet(&["rollback", "web", "-y", "--dangerous-unsigned", "--state", "a"]).expect(1);
    let left = site.carnet(&["uninstall", "web", "-y", "--state", "a", "-o", "json"]).expect(0).document;
    let why = "it belongs to prod/web, as another state has it on record by now";
    assert_eq!(left["left"][0]["why"], why, "{left}");
    assert_eq!(site.value(), value, "nothing of another's is touched");

    there("drift", "b").expect(0);
    site.carnet(&["uninstall", "web", "-y", "--state", "b"]).expect(0);
    assert!(site.0.rendered().is_empty());
    // Nothing is left that would tell the next one to stay away.
    site.on("install", "layout:one", &with("a", &[])).expect(0);
}

/// A directory as an earlier version left it says nothing of its record, and its state has none.
#[test]
fn an_installation_of_an_earlier_version_goes_on_and_is_marked_when_it_is_upgraded() {
    let site = Site::installed();
    let holder = site.0.path("rendered/.carnet-installation_prod_web");
    let marked = fs::read_to_string(&holder).unwrap();
    fs::remove_file(&holder).unwrap();
    let database = rusqlite::Connection::open(site.0.path("home/.local/share/carnet/state.db")).unwrap();
    let unmarked = "update installations set settings = json_remove(settings, '$.record')";
    assert_eq!(database.execute(unmarked, []).unwrap(), 1);
    drop(database);
    site.carnet(&["drift", "web", "--dangerous-unsigned"]).expect(0);
    // One that has no record of it does not adopt what has the same bytes.
    let other = ["-y", "--param", "replicas=3", "--param", "pin=1234", "--state", "b"];
    site.on("install", "layout:one", &other).expect(1).says(&["as another state has it on record"]);
    let fix = ["drift", "web", "--fix", "-y", "--param", "pin=1", "--dangerous-unsigned"];
    site.carnet(&fix).expect(0);
    assert!(!holder.exists(), "what only corrects marks nothing");
    site.on("upgrade", "layout:two", &["-y", "--param", "pin=1"]).expect(0);
    assert_ne!(fs::read_to_string(&holder).unwrap(), marked);
    site.carnet(&["uninstall", "web", "-y"]).expect(0);
    assert!(!holder.exists());
}

#[test]
fn history_that_is_imported_is_no_right_to_anything() {
    let site = Site::installed();
    let here = site.value();
    site.carnet(&["claims", "export", "web", "--to", "web.json"]).expect(0);
    let written = fs::read_to_string(site.0.path("web.json")).unwrap();
    assert!(!written.contains("1234"), "a value that must not be shown: {written}");
    site.carnet(&["lint", "web.json"]).expect(0);

    let there = ["--state", "there"];
    let import = ["claims", "import", "web.json", "--target", "dir:rendered", "-n", "prod"];
    site.carnet(&[&import[..], &there].concat()).expect(0).says(&["Imported 1 claim of web in prod"]);
    site.carnet(&[&import[..], &there].concat()).expect(0).says(&["web has all of these claims"]);
    let history = site.carnet(&[&["history", "web", "-o", "json"][..], &there].concat()).expect(0).document;
    assert_eq!(
        (&history["items"][0]["imported"], &history["items"][0]["result"]),
        (&json!(true), &json!("succeeded"))
    );

    // What was granted there is granted here once more, and what was written there is somebody else's.
    let upgrade = [
        "upgrade",
        "web",
        "layout:two",
        "--target",
        "dir:rendered",
        "-n",
        "prod",
        "--dangerous-unsigned",
        "-y",
    ];
    site.carnet(&[&upgrade[..], &there].concat()).expect(11);
    site.carnet(&[&upgrade[..], &GRANT, &there].concat()).expect(1).says(&["--take-ownership"]);
    site.carnet(&[&["uninstall", "web", "-y"][..], &there].concat()).expect(0);
    assert_eq!(site.value(), here, "nothing that was not made here is removed");
    site.carnet(&[&import[..], &there].concat()).expect(1).says(&["with other claims"]);
    site.carnet(&["claims", "import", "web.json", "--state", "nowhere"])
        .expect(2)
        .says(&["no target is named"]);
}

#[test]
fn history_that_somebody_made_up_spoils_no_state() {
    let site = Site::installed();
    let text = site.carnet(&["claims", "export", "web", "-o", "json"]).expect(0).stdout;
    let exported: Value = serde_json::from_str(&text).unwrap();
    let runs = [
        json!("x"),
        json!(1),
        json!(["x"]),
        json!({"bundle": 7}),
        json!({"bundle": "x", "terms": 1, "dangers": {}}),
    ];
    for (at, run) in runs.into_iter().enumerate() {
        let mut list = exported.clone();
        list["items"][0]["claim"]["custom"]["dev.carnet.run"] = run.clone();
        fs::write(site.0.path("made-up.json"), list.to_string()).unwrap();
        let state = format!("state-{at}");
        let import =
            ["claims", "import", "made-up.json", "--target", "dir:rendered", "-n", "prod", "--state", &state];
        site.carnet(&import).expect(0);
        for verb in [&["list"][..], &["status", "web"], &["history", "web"], &["claims", "export", "web"]] {
            let said = site.carnet(&[verb, &["--state", &state]].concat());
            assert_eq!(said.code, 0, "{run} {verb:?}: {}", said.stderr);
        }
    }
    let mut list = exported;
    list["items"][0]["claim"]["installation"] = json!("@_x");
    list["items"][0]["results"] = json!([]);
    list["items"][0]["outputs"] = json!({});
    fs::write(site.0.path("made-up.json"), list.to_string()).unwrap();
    site.carnet(&["claims", "import", "made-up.json", "--target", "dir:rendered", "--state", "named"])
        .expect(1)
        .says(&["cannot name an installation here"]);
}

#[test]
fn sets_are_made_of_a_bundle_changed_in_an_editor_and_taken_by_name() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    site.carnet(&["params", "list"]).expect(0).says(&["There are none"]);
    site.carnet(&["params", "generate", "prod", "layout:one"]).expect(0).says(&["Written: "]);
    site.carnet(&["params", "generate", "prod", "layout:one"]).expect(1).says(&["is there already"]);
    let file = site.0.path("home/.config/carnet/params/prod.yaml");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert!(fs::read_to_string(&file).unwrap().contains("# How many (integer)"), "the author's words");

    let edit = |editor: &str| {
        let mut command = site.command(env!("CARGO_BIN_EXE_carnet"));
        command.env("EDITOR", editor).args(["params", "edit", "prod"]).stdin(Stdio::null());
        Said::of(command.output().unwrap())
    };
    let before = fs::read_to_string(&file).unwrap();
    let rejected = file.with_extension("rejected.yaml");
    let here = format!("what you wrote is in `{}`", rejected.display());
    edit("echo '- no map' >").expect(1).says(&["is as it was", &here]);
    assert_eq!((fs::read_to_string(&rejected).unwrap().as_str(), mode(&rejected)), ("- no map\n", 0o600));
    fs::remove_file(&rejected).unwrap();
    edit("false").expect(1).says(&["ended with an error"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    edit("true").expect(0).says(&["Nothing was changed"]);
    edit("echo 'pin: hunter2' >").expect(0).says(&["Kept: "]);
    let shown = site.carnet(&["params", "show", "prod"]).expect(0).says(&["pin", "a text"]);
    assert!(!shown.stdout.contains("hunter2"));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "no copy is left");
    assert_eq!(mode(&file), 0o600);

    site.on("install", "layout:one", &["-y", "-p", "prod"]).expect(0);
    let here = site.0.path("home/.config/carnet/params/none.yaml").display().to_string();
    site.on("upgrade", "layout:one", &["-y", "-p", "none"])
        .expect(1)
        .says(&["there is no set `none`", &here]);
    site.carnet(&["params", "delete", "prod"]).expect(1).says(&["was not removed"]);
    site.carnet(&["params", "delete", "prod", "-y"]).expect(0);
    site.carnet(&["params", "show", "prod"]).expect(1).says(&["there is no set `prod`"]);
    site.carnet(&["params", "show", "../prod"]).expect(2).says(&["is not the name of a set"]);
}
