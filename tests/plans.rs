//! Plans that hold, and ways back: `apply PLAN`, `rollback`, `--rollback-on-failure` and `drift`, by the real program.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests run the program and read files")]

#[path = "plans/files.rs"]
mod files;
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::Home;
use support::guest::Script;
use support::said::Said;

const REQUESTS: &str = "
requests:
  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['web-*']}]
";

/// The program's document (`-o json`).
/// A home with a directory as target.
struct Site(Home);

impl Site {
    fn new() -> Self {
        Self(Home::new())
    }

    /// A bundle that applies ConfigMaps of these names, with this value in each, and sets the output `done` if it is
    /// told to.
    fn bundle(&self, name: &str, names: &[&str], value: &str, succeeds: bool) -> String {
        let manifests: Vec<_> = names.iter().map(|name| config_map(name, value)).collect();
        let mut script = Script::new().apply(&manifests.iter().map(String::as_str).collect::<Vec<_>>());
        script = if succeeds { script.output("done", "\"yes\"") } else { script.log("not done") };
        let rest = format!("outputs: {{done: {{schema: {{type: string}}}}}}{REQUESTS}");
        self.0.bundle(name, &script.component(), &rest);
        format!("layout:{}", self.0.path(name).display())
    }

    /// The same of a bundle that carries out its upgrades itself.
    fn bundle_that_upgrades(&self, name: &str, names: &[&str], succeeds: bool) -> String {
        let manifests: Vec<_> = names.iter().map(|it| config_map(it, name)).collect();
        let script = Script::new().apply(&manifests.iter().map(String::as_str).collect::<Vec<_>>());
        let script = if succeeds { script.output("done", "\"yes\"") } else { script.log("not done") };
        let rest =
            format!("handles: [install, upgrade]\noutputs: {{done: {{schema: {{type: string}}}}}}{REQUESTS}");
        self.0.bundle(name, &script.component(), &rest);
        format!("layout:{}", self.0.path(name).display())
    }

    fn carnet(&self, arguments: &[&str]) -> Said {
        self.carnet_in(self.0.root.path(), arguments)
    }

    fn carnet_in(&self, directory: &Path, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command
            .env_clear()
            .env("HOME", self.0.path("home"))
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("plans"))
            .env("CARNET_STATE", self.0.path("state"))
            .env("CARNET_TARGET", format!("dir:{}", self.0.path("rendered").display()))
            .args(["-o", "json"])
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null());
        Said::of(command.output().unwrap())
    }

    /// A verb on a bundle that nobody signed, with all that it may need granted.
    fn on(&self, verb: &str, reference: &str, more: &[&str]) -> Said {
        let fixed = [verb, "web", reference, "-n", "prod", "--dangerous-unsigned"];
        self.carnet(&[&fixed[..], &["--allow-kube", "apply:ConfigMap:prod/web-*"], more].concat())
    }

    /// A plan, as a file.
    fn plan(&self, reference: &str) -> Value {
        let said = self.on("plan", reference, &[]).expect(0);
        fs::write(self.0.path("plan.json"), said.document.to_string()).unwrap();
        said.document
    }

    fn apply(&self) -> Said {
        self.carnet(&["apply", "plan.json", "--dangerous-unsigned"])
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path(&format!("rendered/prod/configmap_{name}.yaml"))
    }

    fn value(&self, name: &str) -> String {
        let text = fs::read_to_string(self.file(name)).unwrap();
        text.lines().find_map(|line| line.trim().strip_prefix("value: ")).unwrap().to_owned()
    }
}

fn config_map(name: &str, value: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{value: {value}}}}}")
}

#[test]
fn a_plan_is_carried_out_as_it_was_made() {
    let site = Site::new();
    let reference = site.bundle("one", &["web-a"], "first", true);
    let plan = site.plan(&reference);
    assert!(site.0.rendered().is_empty(), "a plan wrote something");
    let said = site.apply().expect(0);
    assert_eq!(said.document["plan"], plan["digest"]);
    assert_eq!(site.value("web-a"), "first");

    let again = site.apply().expect(13);
    assert_eq!(again.document["details"], json!(["install was planned, and `web` is there by now"]));
}

#[test]
fn a_plan_made_with_a_relative_reference_holds_elsewhere_or_says_what_to_add() {
    let site = Site::new();
    let reference = site.bundle("one", &["web-a"], "first", true);
    let plan = site.plan("layout:one");
    assert_eq!(plan["inputs"]["reference"], Value::from(reference.as_str()));
    let [elsewhere, moved] = ["elsewhere", "moved"].map(|name| site.0.path(name));
    fs::create_dir(&elsewhere).unwrap();
    // The bundle is gone from there as well, as on another machine.
    fs::rename(site.0.path("one"), &moved).unwrap();
    let apply = ["apply", "../plan.json", "--dangerous-unsigned", "-y"];
    let said = site.carnet_in(&elsewhere, &apply).expect(1);
    let message = format!("the bundle of the plan cannot be fetched from `{reference}`");
    assert_eq!(said.document["message"], Value::from(message));
    assert_eq!(said.document["hint"], "name where it is here: carnet apply ../plan.json --bundle REF");
    site.carnet_in(&elsewhere, &[&apply[..], &["--bundle", "layout:../moved"]].concat()).expect(0);
    assert_eq!(site.value("web-a"), "first");

    site.plan("layout:moved");
    site.carnet_in(&elsewhere, &apply).expect(0);
}

#[test]
fn a_name_that_nothing_has_is_not_unlocked() {
    let site = Site::new();
    let said = site.carnet(&["unlock", "tpyo"]).expect(1);
    assert_eq!(said.document["message"], "there is no installation `tpyo`");
    site.on("install", &site.bundle("one", &["web-a"], "first", true), &["-y"]).expect(0);
    assert_eq!(site.carnet(&["unlock", "web"]).expect(0).document["unlocked"], false);
}

#[test]
fn a_flag_that_names_no_namespace_is_the_one_at_fault() {
    let site = Site::new();
    for name in ["Prod", "a/b", "", "-a", "a.b", "*"] {
        let said = site.carnet(&["status", "web", &format!("--namespace={name}")]).expect(2);
        let message = said.document["message"].as_str().unwrap();
        assert!(message.starts_with("--namespace NAMESPACE") && message.contains(name), "{message}");
    }
}

#[test]
fn a_change_of_what_is_ours_makes_a_plan_stale() {
    let site = Site::new();
    let reference = site.bundle("one", &["web-a"], "first", true);
    site.on("install", &reference, &["-y"]).expect(0);
    let next = site.bundle("two", &["web-a", "web-b"], "second", true);
    site.plan(&next);

    site.on("upgrade", &site.bundle("between", &["web-a"], "other", true), &["-y"]).expect(0);
    let before = site.0.rendered();
    let said = site.apply().expect(13);
    let details = said.document["details"].to_string();
    assert!(details.contains("ConfigMap prod/web-a: the difference is another one"), "{details}");
    assert!(details.contains("-  value: other") && details.contains("+  value: second"), "{details}");
    assert_eq!(site.0.rendered(), before, "a stale plan wrote something");

    site.plan(&next);
    site.apply().expect(0);
    assert_eq!((site.value("web-a"), site.value("web-b")), ("second".into(), "second".into()));
}

#[test]
fn a_plan_that_was_edited_is_refused() {
    let site = Site::new();
    let reference = site.bundle("one", &["web-a"], "first", true);
    let plan = site.plan(&reference);
    let edits: [(&str, Value, &str); 6] = [
        ("/inputs/grant/kubernetes/0/names/0", json!("*"), "it was changed after it was made"),
        ("/changes/0/name", json!("web-z"), "it was changed after it was made"),
        ("/inputs/overrides/takeOwnership", json!(true), "it was changed after it was made"),
        ("/target", json!("dir:/elsewhere"), "it was changed after it was made"),
        ("/kind", json!("Outcome"), "its kind is not `Plan`"),
        ("/inputs/overrides", json!({"forceConflicts": false, "takeOwnership": false, "more": 1}), "members"),
    ];
    for (pointer, value, reason) in edits {
        let mut edited = plan.clone();
        *edited.pointer_mut(pointer).unwrap() = value;
        fs::write(site.0.path("plan.json"), edited.to_string()).unwrap();
        let said = site.apply().expect(1);
        let told = format!("{} {}", said.document["message"], said.document["causes"]);
        assert!(told.contains(reason), "{pointer}: {told}");
    }
    assert!(site.0.rendered().is_empty());
}

#[test]
fn a_plan_shows_what_it_makes_and_one_that_does_not_is_refused() {
    let site = Site::new();
    let reference = site.bundle("one", &["web-a"], "first", true);
    let plan = site.plan(&reference);
    assert_eq!(plan.pointer("/changes/0/manifest/data/value"), Some(&json!("first")), "{plan}");
    // An earlier version wrote plans whose digest is right and that do not show what they make.
    let mut earlier = plan;
    earlier["changes"][0].as_object_mut().unwrap().remove("manifest");
    fs::write(site.0.path("plan.json"), earlier.to_string()).unwrap();
    let told = site.apply().expect(1).document["causes"].to_string();
    let computed = told.split("its digest is ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    earlier["digest"] = json!(computed);
    fs::write(site.0.path("plan.json"), earlier.to_string()).unwrap();
    let told = site.apply().expect(1).document["causes"].to_string();
    assert!(told.contains("it does not show the manifest of `ConfigMap prod/web-a`"), "{told}");
    assert!(site.0.rendered().is_empty());
}

#[test]
fn the_bundle_of_a_plan_must_still_be_there() {
    let site = Site::new();
    let reference = site.bundle("one", &["web-a"], "first", true);
    site.plan(&reference);
    let other = site.bundle("two", &["web-a"], "second", true);
    let said = site.carnet(&["apply", "plan.json", "--dangerous-unsigned", "--bundle", &other]);
    assert_ne!(said.code, 0, "{}", said.document);
    assert!(site.0.rendered().is_empty());
    // Somebody else's copy of the same bundle will do.
    let copy = site.0.path("copy");
    assert!(Command::new("cp").args(["-r"]).arg(site.0.path("one")).arg(&copy).status().unwrap().success());
    fs::remove_dir_all(site.0.path("one")).unwrap();
    let copy = format!("layout:{}", copy.display());
    site.carnet(&["apply", "plan.json", "--dangerous-unsigned", "--bundle", &copy]).expect(0);
}

#[test]
fn a_secret_parameter_is_in_no_plan_and_has_to_be_given_again() {
    let site = Site::new();
    let component = Script::new().apply(&[&config_map("web-a", "first")]).component();
    let rest = format!(
        "parameters: {{token: {{schema: {{type: string, writeOnly: true}}}}, host: {{schema: {{type: string}}}}}}{REQUESTS}"
    );
    site.0.bundle("secretive", &component, &rest);
    let reference = format!("layout:{}", site.0.path("secretive").display());
    let given = ["--param", "token=hunter2", "--param", "host=example.org"];
    let plan = site.on("plan", &reference, &given).expect(0).document;
    assert!(!plan.to_string().contains("hunter2"), "{plan}");
    assert_eq!(plan["inputs"]["secretParameters"], json!(["token"]));
    assert_eq!(plan["inputs"]["parameters"], json!({"host": "example.org"}));
    fs::write(site.0.path("plan.json"), plan.to_string()).unwrap();
    let said = site.apply().expect(2);
    assert!(said.document["message"].as_str().unwrap().contains("`token` is recorded nowhere"));
    let other = ["apply", "plan.json", "--dangerous-unsigned", "--param", "host=other.example"];
    assert!(site.carnet(&other).expect(2).document["message"].to_string().contains("settled already"));
    site.carnet(&["apply", "plan.json", "--dangerous-unsigned", "--param", "token=hunter2"]).expect(0);
}

#[test]
fn an_installation_goes_back_to_an_earlier_revision() {
    let site = Site::new();
    site.on("install", &site.bundle("one", &["web-a"], "first", true), &["-y"]).expect(0);
    let first = site.0.rendered();
    site.on("upgrade", &site.bundle("two", &["web-a", "web-b"], "second", true), &["-y"]).expect(0);
    let second = site.0.rendered();
    assert_ne!(first, second);

    site.carnet(&["rollback", "web", "-y", "--dangerous-unsigned"]).expect(0);
    assert_eq!(site.0.rendered(), first, "what the second revision brought is gone");
    let history = site.carnet(&["history", "web"]).expect(0).document;
    let upgraded = history["items"][1]["revision"].as_str().unwrap();
    site.carnet(&["rollback", "web", upgraded, "-y", "--dangerous-unsigned"]).expect(0);
    assert_eq!(site.0.rendered(), second);

    let said = site.carnet(&["rollback", "web", "nonsense", "-y", "--dangerous-unsigned"]).expect(1);
    assert!(said.document["message"].as_str().unwrap().contains("no revision"), "{}", said.document);
}

#[test]
fn what_only_a_later_revision_has_goes_also_where_the_bundle_upgrades_itself() {
    let site = Site::new();
    let later = site.bundle_that_upgrades("later", &["web-a", "web-new"], true);
    site.on("install", &site.bundle_that_upgrades("first", &["web-a", "web-old"], true), &["-y"]).expect(0);
    let lean = site.bundle_that_upgrades("lean", &["web-a"], true);
    let said = site.on("upgrade", &lean, &["-y"]).expect(0);
    let untouched = |said: &Said| said.document["cautions"].to_string().contains("ConfigMap prod/web-old");
    assert!(untouched(&said), "{}", said.document);
    let before = site.0.rendered();
    site.on("upgrade", &later, &["-y"]).expect(0);
    assert!(site.file("web-new").exists());

    let said = site.carnet(&["rollback", "web", "-y", "--dangerous-unsigned"]).expect(0);
    assert_eq!(site.0.rendered(), before, "web-old was there at that revision, and nobody removes it");
    let rows = said.document["changes"].as_array().unwrap();
    let removed: Vec<_> =
        rows.iter().filter(|row| row["action"] == "delete").map(|row| &row["name"]).collect();
    assert_eq!(removed, ["web-new"]);
    assert!(untouched(&said) && said.document["rollbackTo"].is_string(), "{}", said.document);
    let drift = site.carnet(&["drift", "web", "--dangerous-unsigned", "--exit-code"]).expect(0).document;
    assert_eq!((&drift["objects"], &drift["lookedAt"]), (&json!([]), &json!(2)));

    let broken = site.bundle_that_upgrades("broken", &["web-a", "web-more"], false);
    let said = site.on("upgrade", &broken, &["-y", "--rollback-on-failure"]).expect(1);
    assert!(said.document["message"].to_string().contains("it is back at revision"), "{}", said.document);
    assert_eq!(site.0.rendered(), before);
}

#[test]
fn what_fails_is_rolled_back_where_that_is_wanted() {
    let site = Site::new();
    let broken = site.bundle("broken", &["web-a", "web-b"], "third", false);
    let said = site.on("install", &broken, &["-y", "--rollback-on-failure"]).expect(1);
    let message = said.document["message"].as_str().unwrap();
    assert_eq!(message, "the install of `web` failed, and what it had made was removed");
    assert_eq!(said.document["causes"], json!(["the component did not set the output `done`"]));
    assert!(site.0.rendered().is_empty());

    site.on("install", &site.bundle("one", &["web-a"], "first", true), &["-y"]).expect(0);
    let first = site.0.rendered();
    site.on("upgrade", &broken, &["-y"]).expect(1);
    assert_ne!(site.0.rendered(), first, "without the flag, what was done stays");
    let said = site.on("upgrade", &broken, &["-y", "--rollback-on-failure"]).expect(1);
    assert!(
        said.document["message"].as_str().unwrap().contains("it is back at revision"),
        "{}",
        said.document
    );
    assert_eq!(site.0.rendered(), first);
    let status = site.carnet(&["status", "web"]).expect(0).document;
    assert_eq!((&status["bundle"], &status["result"]), (&json!("one 1.0.0"), &json!("succeeded")));
}

#[test]
fn drift_is_shown_and_put_back() {
    let site = Site::new();
    site.on("install", &site.bundle("one", &["web-a", "web-b"], "first", true), &["-y"]).expect(0);
    let installed = site.0.rendered();
    let clean = site.carnet(&["drift", "web", "--dangerous-unsigned", "--exit-code"]).expect(0).document;
    assert_eq!((&clean["kind"], &clean["objects"]), (&json!("Drift"), &json!([])));

    fs::remove_file(site.file("web-b")).unwrap();
    let edited = fs::read_to_string(site.file("web-a")).unwrap().replace("first", "edited");
    fs::write(site.file("web-a"), edited).unwrap();
    let said = site.carnet(&["drift", "web", "--dangerous-unsigned", "--exit-code"]).expect(3);
    let rows = said.document["objects"].as_array().unwrap();
    let told: Vec<_> = rows.iter().map(|row| (&row["name"], &row["state"], &row["fields"])).collect();
    assert_eq!(
        told,
        [
            (&json!("web-a"), &json!("changed"), &json!(["/data/value"])),
            (&json!("web-b"), &json!("missing"), &Value::Null),
        ]
    );
    let fix = || site.carnet(&["drift", "web", "--fix", "-y", "--dangerous-unsigned"]).expect(0);
    fix();
    assert_eq!(site.0.rendered(), installed);
    // Where nothing is wrong, nothing is done, and there is no revision of that.
    let revisions = || site.carnet(&["history", "web"]).expect(0).document["items"].as_array().unwrap().len();
    assert_eq!(revisions(), 2);
    fix();
    assert_eq!((revisions(), site.0.rendered()), (2, installed));
}

#[test]
fn what_the_target_refused_is_shown_although_the_component_goes_on() {
    let site = Site::new();
    let script = Script::new().tolerant().apply(&[&config_map("web-a", "first")]);
    site.0.bundle("tolerant", &script.component(), REQUESTS);
    fs::create_dir_all(site.file("web-a").parent().unwrap()).unwrap();
    fs::write(site.file("web-a"), config_map("web-a", "somebody")).unwrap();
    let reference = format!("layout:{}", site.0.path("tolerant").display());
    let plan = site.on("plan", &reference, &[]).expect(0).document;
    assert_eq!(plan["changes"], json!([]));
    let refused = plan["refused"][0].as_str().unwrap();
    assert!(refused.contains("ConfigMap prod/web-a is already there and belongs to nobody"), "{refused}");
}

#[test]
fn a_directory_that_is_not_the_one_that_it_was_is_neither_emptied_nor_forgotten() {
    let site = Site::new();
    site.on("install", &site.bundle("one", &["web-a"], "first", true), &["-y"]).expect(0);
    let (here, away) = (site.0.path("rendered"), site.0.path("unmounted"));
    fs::rename(&here, &away).unwrap();
    let message = |said: Said| said.document["message"].as_str().unwrap().to_owned();
    let refused = message(site.carnet(&["uninstall", "web", "-y"]).expect(1));
    assert!(refused.ends_with("is not there: nothing of it is removed or forgotten"), "{refused}");
    fs::create_dir(&here).unwrap();
    let refused = site.carnet(&["uninstall", "web", "-y"]).expect(1);
    assert!(refused.document["hint"].as_str().unwrap().contains("--take-ownership"), "{}", refused.document);
    let refused = message(refused);
    assert!(refused.contains("is not the directory that was written to"), "{refused}");
    let status = site.carnet(&["status", "web"]).expect(0).document;
    assert_eq!(status["result"], json!("succeeded"), "{status}");

    fs::remove_dir(&here).unwrap();
    fs::rename(&away, &here).unwrap();
    site.carnet(&["uninstall", "web", "-y"]).expect(0);
    assert!(site.0.rendered().is_empty());
}

#[test]
fn what_a_formatter_rewrote_is_as_it_was() {
    let site = Site::new();
    let reference = site.bundle("one", &["web-a"], "first", true);
    site.on("install", &reference, &["-y"]).expect(0);
    let text = fs::read_to_string(site.file("web-a")).unwrap();
    let value: Value = carnet::document::yaml(&text).unwrap();
    fs::write(site.file("web-a"), format!("# formatted\n{value:#}\n")).unwrap();
    let clean = site.carnet(&["drift", "web", "--dangerous-unsigned", "--exit-code"]).expect(0).document;
    assert_eq!(clean["objects"], json!([]));
    let plan = site.carnet(&["plan", "web", &reference, "--dangerous-unsigned"]);
    assert!(!plan.document["changes"].to_string().contains("update"), "{}", plan.document);
    site.carnet(&["uninstall", "web", "-y"]).expect(0);
    assert!(site.0.rendered().is_empty());
}

#[test]
fn a_list_stands_for_its_objects() {
    let site = Site::new();
    let list = format!(
        "{{apiVersion: v1, kind: List, items: [{}, {{apiVersion: v1, kind: ConfigMapList, items: [{}]}}]}}",
        config_map("web-a", "first"),
        config_map("web-b", "second").replace("apiVersion: v1, kind: ConfigMap, ", ""),
    );
    site.0.bundle("lists", &Script::new().apply(&[&list]).component(), REQUESTS);
    let reference = format!("layout:{}", site.0.path("lists").display());
    site.on("install", &reference, &["-y"]).expect(0);
    assert_eq!((site.value("web-a"), site.value("web-b")), ("first".into(), "second".into()));
    let denied = list.replace("web-b", "other-b");
    site.0.bundle("denied", &Script::new().apply(&[&denied]).component(), REQUESTS);
    let reference = format!("layout:{}", site.0.path("denied").display());
    site.on("upgrade", &reference, &["-y"]).expect(11);
    assert_eq!(site.value("web-a"), "first");
}

#[test]
fn a_file_of_somebody_else_is_taken_over_in_the_plan_and_in_the_run() {
    let site = Site::new();
    fs::create_dir_all(site.file("web-a").parent().unwrap()).unwrap();
    fs::write(site.file("web-a"), config_map("web-a", "somebody")).unwrap();
    let reference = site.bundle("one", &["web-a"], "first", true);
    site.on("install", &reference, &["-y"]).expect(1);
    assert!(fs::read_to_string(site.file("web-a")).unwrap().contains("somebody"));
    site.on("plan", &reference, &["--take-ownership"]).expect(0);
    site.on("install", &reference, &["-y", "--take-ownership"]).expect(0);
    assert_eq!(site.value("web-a"), "first");
}
