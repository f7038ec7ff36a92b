//! Granted files that hold something else than they did: a rollback brings back what they held, or refuses; a comparison says
//! which file changed and does not call it a change of the target.

use std::fs;

use serde_json::{Value, json};

use super::{Said, Site, config_map};
use crate::support::guest::Script;

const REQUESTS: &str = "
requests:
  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['web-*']}]
  files: [{name: values}]
";

impl Site {
    /// A bundle that applies the file `values`, installed with this value in it.
    fn installed_with(value: &str) -> (Self, String) {
        let site = Self::new();
        site.0.bundle("files", &Script::new().apply_file("values").component(), REQUESTS);
        let reference = format!("layout:{}", site.0.path("files").display());
        site.hold(value);
        site.act("install", &reference).expect(0);
        (site, reference)
    }

    fn hold(&self, value: &str) {
        fs::write(self.0.path("values"), config_map("web-a", value)).unwrap();
    }

    fn act(&self, verb: &str, reference: &str) -> Said {
        let file = format!("values={}", self.0.path("values").display());
        self.on(verb, reference, &["-y", "--allow-file", &file])
    }

    fn unsigned(&self, arguments: &[&str]) -> Said {
        self.carnet(&[arguments, &["--dangerous-unsigned"]].concat())
    }
}

fn inputs(said: &Said) -> Vec<Value> {
    said.document["inputs"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_rollback_brings_back_what_a_file_held() {
    let (site, reference) = Site::installed_with("first");
    site.hold("second");
    site.act("upgrade", &reference).expect(0);
    assert_eq!(site.value("web-a"), "second");
    site.unsigned(&["rollback", "web", "-y"]).expect(0);
    assert_eq!(site.value("web-a"), "first");
    // The file is the operator's, and stays as it is.
    assert!(fs::read_to_string(site.0.path("values")).unwrap().contains("second"));
    // Also where it is gone by now.
    fs::remove_file(site.0.path("values")).unwrap();
    site.unsigned(&["rollback", "web", "-y"]).expect(0);
    assert_eq!(site.value("web-a"), "second");
}

#[test]
fn a_rollback_refuses_where_what_a_file_held_is_not_recorded_and_it_is_another_now() {
    let large = |value: &str| format!("{value} # {}", "x".repeat(65 << 10));
    let (site, reference) = Site::installed_with("first");
    let first = fs::read_to_string(site.0.path("values")).unwrap();
    fs::write(site.0.path("values"), large(&first)).unwrap();
    site.act("upgrade", &reference).expect(0);
    site.hold("second");
    site.act("upgrade", &reference).expect(0);
    let said = site.unsigned(&["rollback", "web", "-y"]).expect(1);
    let message = said.document["message"].as_str().unwrap();
    assert!(
        message.contains("these files are not what they were") && message.ends_with(": values"),
        "{message}"
    );
    assert_eq!(site.value("web-a"), "second", "nothing was written");
    // Put back as it was, it is what was read.
    fs::write(site.0.path("values"), large(&first)).unwrap();
    site.unsigned(&["rollback", "web", "-y"]).expect(0);
    assert_eq!(site.value("web-a"), "first");
}

#[test]
fn a_file_that_changed_is_named_and_is_no_change_of_the_target() {
    let (site, _) = Site::installed_with("first");
    let drift = |more: &[&str]| site.unsigned(&[&["drift", "web", "--exit-code"], more].concat());
    assert!(inputs(&drift(&[]).expect(0)).is_empty());
    site.hold("second");
    let said = drift(&[]).expect(0);
    assert_eq!((&said.document["objects"], inputs(&said)[0]["name"].as_str()), (&json!([]), Some("values")));
    assert_ne!(inputs(&said)[0]["was"], inputs(&said)[0]["is"]);
    let said = site.unsigned(&["diff", "web", "--exit-code"]).expect(0);
    assert_eq!((&said.document["changes"], inputs(&said).len()), (&json!([]), 1));
    // What changed in the target is told beside it, against what was installed.
    let edited = fs::read_to_string(site.file("web-a")).unwrap().replace("first", "edited");
    fs::write(site.file("web-a"), edited).unwrap();
    let said = drift(&[]).expect(3);
    assert_eq!(said.document["objects"][0]["fields"], json!(["/data/value"]));
    // Putting it back rolls no file out.
    site.unsigned(&["drift", "web", "--fix", "-y"]).expect(0);
    assert_eq!(site.value("web-a"), "first");
    fs::remove_file(site.0.path("values")).unwrap();
    let said = drift(&[]).expect(0);
    assert_eq!((inputs(&said).len(), &inputs(&said)[0]["is"]), (1, &Value::Null));
}

#[test]
fn what_a_file_held_is_recorded_unless_it_is_a_credential() {
    let (site, _) = Site::installed_with("first");
    let claims = || {
        let database = fs::read(site.0.path("state/state.db")).unwrap();
        let log = fs::read(site.0.path("state/state.db-wal")).unwrap_or_default();
        String::from_utf8_lossy(&[database, log].concat()).into_owned()
    };
    assert!(claims().contains("value: first"));
    let key = "-----BEGIN PRIVATE KEY----- hunter2";
    site.hold(&format!("'{key}'"));
    let reference = format!("layout:{}", site.0.path("files").display());
    site.act("upgrade", &reference).expect(0);
    assert!(!claims().contains("hunter2"), "a private key is in the state");
}
