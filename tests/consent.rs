//! A grant is given to a bundle of one name, signed by certain keys, under the terms of a trust policy. By the real
//! program: whoever changes one of them asks for a new decision, and the message says which.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests run the program and read files")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use carnet::signature::PrivateKey;
use support::Home;
use support::guest::Script;
use support::said::Said;

const GRANT: &str = "apply:ConfigMap:prod/web-*";

/// The program's document (`-o json`).
/// A home with two keys, a trust policy for both, and a directory as target.
struct Site {
    home: Home,
    alice: PrivateKey,
    bob: PrivateKey,
}

impl Site {
    fn new() -> Self {
        let (alice, bob) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        let site = Self { home: Home::new(), alice, bob };
        site.trust("threshold: 1, anyOf: [alice, bob]");
        site
    }

    fn trust(&self, require: &str) {
        let key = |name: &str, key: &PrivateKey| {
            format!("    {name}: {{ pem: \"{}\" }}\n", key.public().to_pem().trim_end().replace('\n', "\\n"))
        };
        let keys = key("alice", &self.alice) + &key("bob", &self.bob);
        let policy = format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n{keys}  rules:\n  \
             - {{ match: layout, names: ['*'], require: {{ {require} }} }}\n"
        );
        fs::write(self.home.path("trust.yaml"), policy).unwrap();
    }

    /// A bundle of this name that applies a ConfigMap with this value.
    fn bundle(&self, name: &str, value: &str, signers: &[&PrivateKey]) -> String {
        let manifest = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: web-a}}, data: {{value: {value}}}}}"
        );
        let requests = "requests:\n  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: \
                        ['${namespace}'], names: ['web-*']}]\n";
        let component = Script::new().apply(&[&manifest]).component();
        // The folder says what is in it; the name of the bundle is the folder's of its source.
        let folder = self.home.path(&format!("{name}-{value}"));
        let source = Home::new();
        source.bundle(name, &component, requests);
        copy(&source.path(name), &folder);
        for key in signers {
            support::sign(&support::reference(&folder), key).unwrap();
        }
        format!("layout:{}", folder.display())
    }

    fn carnet(&self, arguments: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
            .env_clear()
            .env("HOME", self.home.path("home"))
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("consent"))
            .env("CARNET_STATE", self.home.path("state"))
            .env("CARNET_TARGET", format!("dir:{}", self.home.path("rendered").display()))
            .env("CARNET_TRUST", self.home.path("trust.yaml"))
            .args(["-o", "json"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Said::of(output)
    }

    fn install(&self, reference: &str) {
        self.carnet(&["install", "web", reference, "-n", "prod", "--allow-kube", GRANT, "-y"]).expect(0);
    }

    fn upgrade(&self, reference: &str) -> Said {
        self.carnet(&["upgrade", "web", reference, "-n", "prod", "-y"])
    }

    fn value(&self) -> String {
        let text = fs::read_to_string(self.home.path("rendered/prod/configmap_web-a.yaml")).unwrap();
        text.lines().find_map(|line| line.trim().strip_prefix("value: ")).unwrap().to_owned()
    }

    /// Asserts that an upgrade is a new decision for this reason, that nothing was done, and that the decision can be
    /// made.
    #[track_caller]
    fn assert_new_decision(&self, reference: &str, why: &str, value: &str) {
        let before = self.value();
        let said = self.upgrade(reference).expect(11);
        let message = said.document["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
        let details = said.document["details"].to_string();
        assert!(details.contains("--allow-kube"), "{details}");
        assert_eq!(self.value(), before);
        let said = self.carnet(&["upgrade", "web", reference, "-n", "prod", "-y", "--allow-kube", GRANT]);
        let said = said.expect(0);
        assert!(said.stderr.contains(why), "{}", said.stderr);
        assert_eq!(self.value(), value);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn the_next_bundle_of_the_same_name_signers_and_terms_keeps_the_grant() {
    let site = Site::new();
    site.install(&site.bundle("good", "one", &[&site.alice]));
    site.upgrade(&site.bundle("good", "two", &[&site.alice])).expect(0);
    assert_eq!(site.value(), "two");
}

#[test]
fn a_bundle_of_another_name_is_a_new_decision() {
    let site = Site::new();
    site.install(&site.bundle("good", "one", &[&site.alice]));
    let other = site.bundle("other", "two", &[&site.alice]);
    site.assert_new_decision(&other, "the bundle is named `other`, not `good`", "two");
}

#[test]
fn a_bundle_that_somebody_else_signed_is_a_new_decision() {
    let site = Site::new();
    site.install(&site.bundle("good", "one", &[&site.alice]));
    let bobs = site.bundle("good", "two", &[&site.bob]);
    site.assert_new_decision(&bobs, "it is signed by bob", "two");
}

#[test]
fn changed_terms_of_the_policy_are_a_new_decision() {
    let site = Site::new();
    site.install(&site.bundle("good", "one", &[&site.alice, &site.bob]));
    site.trust("threshold: 2, anyOf: [alice, bob]");
    let next = site.bundle("good", "two", &[&site.alice, &site.bob]);
    site.assert_new_decision(&next, "the rule `layout` of the trust policy was changed", "two");
}

#[test]
fn another_name_for_the_same_key_changes_nothing() {
    let site = Site::new();
    site.install(&site.bundle("good", "one", &[&site.alice]));
    let path = site.home.path("trust.yaml");
    let renamed = fs::read_to_string(&path).unwrap().replace("alice", "alicia");
    fs::write(&path, renamed).unwrap();
    site.upgrade(&site.bundle("good", "two", &[&site.alice])).expect(0);
    assert_eq!(site.value(), "two");
}

#[test]
fn what_an_earlier_version_recorded_counts_for_the_same_bundle_alone() {
    let site = Site::new();
    let first = site.bundle("good", "one", &[&site.alice]);
    site.install(&first);
    let database = rusqlite::Connection::open(site.home.path("state/state.db")).unwrap();
    let changed = database
        .execute("UPDATE installations SET settings = json_remove(settings, '$.consent')", [])
        .unwrap();
    assert_eq!(changed, 1);
    drop(database);
    let next = site.bundle("good", "two", &[&site.alice]);
    let said = site.upgrade(&next).expect(11);
    let message = said.document["message"].as_str().unwrap();
    assert!(message.contains("does not say who signed the last bundle"), "{message}");
    site.upgrade(&first).expect(0);
    site.upgrade(&next).expect(0);
}
