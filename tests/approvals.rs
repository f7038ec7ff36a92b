//! Plans that somebody else has to approve, by the real program: `approve`, `apply --approval`, and the policy of a machine
//! that nobody who acts there can widen.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests run the program and read files")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use carnet::signature::PrivateKey;
use serde_json::{Value, json};
use support::Home;
use support::guest::Script;
use support::said::Said;

const REQUESTS: &str = "
requests:
  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['web-*']}]
";

/// A home with keys, a signed bundle, and a directory as target.
struct Site(Home);

impl Site {
    /// A bundle signed by `release`, and keys of `alice` and `bob`.
    fn new() -> Self {
        let site = Self(Home::new());
        for name in ["alice", "bob", "release"] {
            let password = String::new().into();
            PrivateKey::generate().unwrap().write(&site.0.path(name), &password).unwrap();
        }
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web-a"}, "data": {"a": "1"}});
        let script = Script::new().apply(&[&manifest.to_string()]);
        site.0.bundle("web", &script.component(), REQUESTS);
        site.carnet(&["sign", &site.reference(), "--key", "release.key"]).expect(0);
        site.policy("trust.yaml", "");
        site
    }

    fn reference(&self) -> String {
        format!("layout:{}", self.0.path("web").display())
    }

    /// A policy that trusts `release`, with these lines below `spec`.
    fn policy(&self, file: &str, lines: &str) {
        let key = |name: &str| {
            let pem = fs::read_to_string(self.0.path(&format!("{name}.pub"))).unwrap();
            format!("    {name}: {{ pem: {pem:?} }}\n")
        };
        let keys: String = ["alice", "bob", "release"].map(key).concat();
        let text = format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n{keys}  rules:\n  - {{ match: layout, names: [web], require: {{ threshold: 1, anyOf: [release] }} }}\n{lines}"
        );
        fs::write(self.0.path(file), text).unwrap();
    }

    /// The policy wants two to approve.
    fn wants_two(&self) {
        self.policy("trust.yaml", "  approvals:\n  - require: { threshold: 2, anyOf: [alice, bob] }\n");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        self.environment(&mut command).args(["-o", "json"]).args(arguments);
        command
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env_clear()
            .env("HOME", self.0.path("home"))
            .env("COSIGN_PASSWORD", "")
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("approvals"))
            .env("CARNET_STATE", self.0.path("state"))
            .env("CARNET_TRUST", self.0.path("trust.yaml"))
            .env("CARNET_TARGET", format!("dir:{}", self.0.path("rendered").display()))
            .current_dir(self.0.root.path())
            .stdin(Stdio::null())
    }

    fn carnet(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    fn on(&self, verb: &str, more: &[&str]) -> Said {
        let reference = self.reference();
        let fixed = [verb, "web", &reference, "-n", "prod", "--allow-kube", "apply:ConfigMap:prod/web-*"];
        self.carnet(&[&fixed, more].concat())
    }

    /// A plan, as a file.
    fn plan(&self) -> Value {
        let said = self.on("plan", &[]).expect(0);
        fs::write(self.0.path("plan.json"), said.document.to_string()).unwrap();
        said.document
    }

    fn approve(&self, who: &str, more: &[&str]) -> Said {
        let (key, file) = (format!("{who}.key"), format!("{who}.json"));
        self.carnet(
            &[&["approve", "plan.json", "--key", &key, "--to", &file, "--force", "-y"], more].concat(),
        )
    }

    fn apply(&self, approvals: &[&str]) -> Said {
        let files = approvals.iter().flat_map(|file| ["--approval", *file]);
        self.carnet(&["apply", "plan.json"].into_iter().chain(files).collect::<Vec<_>>())
    }

    fn is_untouched(&self) -> bool {
        !self.0.path("rendered").exists()
    }
}

#[test]
fn a_plan_is_carried_out_once_enough_others_have_approved_it() {
    let site = Site::new();
    site.wants_two();
    let plan = site.plan();
    site.on("install", &["-y"])
        .expect(10)
        .says(&["wants 2 of alice, bob to approve this plan, and nobody has"]);
    site.apply(&[]).expect(10).says(&["nobody has"]);
    let approved = site.approve("alice", &[]).expect(0).document;
    assert_eq!((&approved["kind"], &approved["plan"]), (&json!("Approval"), &plan["digest"]));
    site.apply(&["alice.json"]).expect(10).says(&["only alice has"]);
    site.apply(&["alice.json", "alice.json"]).expect(10).says(&["only alice has"]);
    site.approve("release", &[]).expect(0);
    site.apply(&["alice.json", "release.json"]).expect(10).says(&["which the rule does not list"]);
    assert!(site.is_untouched());
    site.approve("bob", &[]).expect(0);
    site.apply(&["alice.json", "bob.json"]).expect(0);
    let recorded = site.claim();
    let names: Vec<_> = recorded.iter().map(|by| by["key"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice", "bob"]);
}

impl Site {
    /// The approvals in the last claim.
    fn claim(&self) -> Vec<Value> {
        let database = self.0.path("state/state.db");
        let connection = rusqlite::Connection::open(database).unwrap();
        let query = "SELECT document FROM claims ORDER BY id DESC LIMIT 1";
        let text: String = connection.query_row(query, [], |row| row.get(0)).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        document["custom"]["dev.carnet.run"]["approvals"].as_array().unwrap().clone()
    }
}

#[test]
fn an_approval_holds_for_its_plan_and_its_time_alone() {
    let site = Site::new();
    site.policy("trust.yaml", "  approvals:\n  - require: { threshold: 1, anyOf: [alice] }\n");
    site.plan();
    site.approve("alice", &[]).expect(0);
    let reference = site.reference();
    let other = ["plan", "other", &reference, "-n", "prod", "--allow-kube", "apply:ConfigMap:prod/web-*"];
    let other = site.carnet(&other).expect(0).says(&["has to be approved by 1 of alice"]).document;
    fs::write(site.0.path("plan.json"), other.to_string()).unwrap();
    site.apply(&["alice.json"]).expect(10).says(&["approves another plan"]);
    site.approve("alice", &["--valid-for", "1s"]).expect(0);
    let ends: jiff::Timestamp = {
        let text = fs::read_to_string(site.0.path("alice.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["expiresAt"].as_str().unwrap().parse().unwrap()
    };
    while jiff::Timestamp::now() < ends {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    site.apply(&["alice.json"]).expect(10).says(&["it ended at"]);
    site.approve("alice", &["--valid-for", "0s"]).expect(1).says(&["valid for some time"]);
    assert!(site.is_untouched());
}

#[test]
fn a_plan_that_was_written_up_is_shown_as_its_digest_has_it() {
    let site = Site::new();
    let mut plan = site.plan();
    plan["powers"] = json!([]);
    plan["cautions"] = json!(["nothing to see here"]);
    plan["changes"][0]["diff"] = json!("+ something harmless");
    plan["changes"][0]["warnings"] = json!(["all is well"]);
    fs::write(site.0.path("plan.json"), plan.to_string()).unwrap();
    let said = site.approve("alice", &[]).expect(0).says(&["web-a"]);
    // Also what is granted, which the digest covers.
    for granted in ["kubernetes:", "- apply", "prod", "web-*"] {
        assert!(said.stderr.contains(granted), "{}", said.stderr);
    }
    for text in ["nothing to see", "harmless", "all is well"] {
        assert!(!said.stderr.contains(text), "{}", said.stderr);
    }
    plan["changes"][0]["manifest"]["data"]["a"] = json!("2");
    fs::write(site.0.path("plan.json"), plan.to_string()).unwrap();
    site.approve("alice", &[]).expect(1).says(&["it was changed after it was made"]);
}

#[test]
fn nobody_is_taken_to_have_approved_without_saying_so() {
    let site = Site::new();
    site.plan();
    site.carnet(&["approve", "plan.json", "--key", "alice.key"])
        .expect(1)
        .says(&["the plan was not approved"]);
    site.carnet(&["approve", "trust.yaml", "--key", "alice.key", "-y"]).expect(1);
}

#[test]
fn who_signed_the_bundle_does_not_approve_its_plan_whatever_rule_lists_the_key() {
    let site = Site::new();
    site.carnet(&["sign", &site.reference(), "--key", "alice.key"]).expect(0);
    site.policy("trust.yaml", "  approvals:\n  - require: { threshold: 1, anyOf: [alice, bob] }\n");
    site.plan();
    site.approve("alice", &[]).expect(0);
    site.apply(&["alice.json"]).expect(10).says(&["key `alice` signed the bundle"]);
    site.approve("bob", &[]).expect(0);
    site.apply(&["bob.json"]).expect(0);
}

#[test]
fn a_copy_without_a_signature_makes_nobody_an_approver_of_their_own_bundle() {
    let site = Site::new();
    site.policy("trust.yaml", "  approvals:\n  - require: { threshold: 1, anyOf: [alice, bob] }\n");
    let copy = format!("layout:{}", site.0.path("copy").display());
    site.carnet(&["copy", &site.reference(), &copy]).expect(0);
    site.carnet(&["sign", &site.reference(), "--key", "alice.key"]).expect(0);
    let plan = site.plan();
    assert_eq!(plan["inputs"]["signers"].as_array().unwrap().len(), 2, "{plan}");
    site.approve("alice", &[]).expect(0);
    let apply = |by: &str| site.carnet(&["apply", "plan.json", "--bundle", &copy, "--approval", by]);
    apply("alice.json").expect(10).says(&["key `alice` signed the bundle"]);
    assert!(site.is_untouched());
    site.approve("bob", &[]).expect(0);
    apply("bob.json").expect(0);
}

#[test]
fn a_way_back_that_would_have_to_be_approved_is_refused_before_anything_is_done() {
    let site = Site::new();
    site.wants_two();
    site.plan();
    let approved = ["--approval", "alice.json", "--approval", "bob.json"];
    for who in ["alice", "bob"] {
        site.approve(who, &[]).expect(0);
    }
    let back = ["apply", "plan.json", "--rollback-on-failure"];
    site.carnet(&[&back[..], &approved].concat())
        .expect(10)
        .says(&["`--rollback-on-failure` would carry out a plan of its own, which nobody can have approved"]);
    assert!(site.is_untouched());
    // What going back removes counts, although the plan itself only makes it.
    site.policy(
        "trust.yaml",
        "  approvals:\n  - { when: { deletes: [ConfigMap] }, require: { threshold: 1, anyOf: [alice] } }\n",
    );
    site.on("install", &["-y", "--rollback-on-failure"]).expect(10).says(&["rule 1 of `approvals`"]);
    assert!(site.is_untouched());
    site.policy(
        "trust.yaml",
        "  approvals:\n  - { when: { deletes: [Secret] }, require: { threshold: 1, anyOf: [alice] } }\n",
    );
    site.on("install", &["-y", "--rollback-on-failure"]).expect(0);
}

#[test]
fn an_approval_is_written_somewhere_and_nothing_is_overwritten() {
    let site = Site::new();
    site.plan();
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    site.environment(&mut command).args(["approve", "plan.json", "--key", "alice.key", "-y"]);
    Said::of(command.output().unwrap()).expect(2).says(&["`--to FILE`"]);
    site.approve("alice", &[]).expect(0);
    let again = ["approve", "plan.json", "--key", "alice.key", "--to", "alice.json", "-y"];
    site.carnet(&again).expect(1).says(&["is there already"]);
}

#[test]
fn what_a_rule_forbids_is_refused_with_the_rule() {
    let site = Site::new();
    site.policy("trust.yaml", "  approvals:\n  - { namespaces: [prod], forbid: [yes, grantFlags] }\n");
    site.on("install", &["-y"])
        .expect(10)
        .says(&["rule 1 of `approvals` in the trust policy forbids granting by flags"]);
    assert!(site.is_untouched());
    site.plan();
    site.apply(&[]).expect(0);
}

/// Runs a script on a machine whose policy is `machine.yaml`: with an `/etc` of its own, which takes a namespace of the
/// kernel that root has, and others may make.
fn on_a_machine_of_its_own(site: &Site, script: &str) -> Said {
    let may = |flags: &&str| {
        let probe = Command::new("unshare").args([flags, "mount", "-t", "tmpfs", "none", "/etc"]).output();
        probe.is_ok_and(|output| output.status.success())
    };
    let flags = ["-m", "-rm"].into_iter().find(may).unwrap();
    let setup = format!(
        "mount -t tmpfs -o mode=755 none /etc && mkdir -m 755 /etc/carnet && cp machine.yaml /etc/carnet/trust.yaml && \
         chmod 644 /etc/carnet/trust.yaml && {script}"
    );
    let mut command = Command::new("unshare");
    site.environment(&mut command).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command.env("CARNET", env!("CARGO_BIN_EXE_carnet")).env("REFERENCE", site.reference());
    Said::of(command.args([flags, "sh", "-c", &setup]).output().unwrap())
}

#[test]
#[ignore = "needs `unshare -m` or `unshare -rm`"]
fn on_a_machine_neither_flag_nor_environment_nor_file_widens_its_policy() {
    let site = Site::new();
    site.policy("machine.yaml", "  approvals:\n  - require: { threshold: 1, anyOf: [bob] }\n");
    let install =
        "$CARNET install web $REFERENCE -n prod --allow-kube 'apply:ConfigMap:prod/web-*' -y -o json";
    let wants = "of this machine wants 1 of bob";
    let ways = [
        (install.to_owned(), wants),
        (format!("{install} --trust trust.yaml"), wants),
        (format!("env -u CARNET_TRUST {install}"), wants),
        (format!("{install} --trust /nowhere"), "`/nowhere` cannot be used"),
        (format!("{install} --dangerous-unsigned"), "this machine has a trust policy of its own"),
        (format!("unshare -U {install}"), "is not root's"),
        (format!("CARNET_TRUST=trust.yaml XDG_CONFIG_HOME=home/config {install} --state other"), wants),
    ];
    for (way, why) in ways {
        on_a_machine_of_its_own(&site, &way).expect(10).says(&[why]);
        assert!(site.is_untouched(), "{way}");
    }
    site.plan();
    site.approve("bob", &[]).expect(0);
    let apply = "$CARNET apply plan.json --approval bob.json -o json";
    on_a_machine_of_its_own(&site, apply).expect(0);
}

#[test]
#[ignore = "needs `unshare -m` or `unshare -rm`"]
fn on_a_machine_a_policy_that_others_can_write_stops_everything() {
    let site = Site::new();
    site.policy("machine.yaml", "");
    let install =
        "$CARNET install web $REFERENCE -n prod --allow-kube 'apply:ConfigMap:prod/web-*' -y -o json";
    for (spoil, why) in [
        ("chmod 666 /etc/carnet/trust.yaml", "can be written by others"),
        ("chmod 777 /etc/carnet", "can be written by others"),
        ("echo '[' > /etc/carnet/trust.yaml", "the trust policy `/etc/carnet/trust.yaml` cannot be used"),
        (
            "mkdir -m 777 /etc/open && mv /etc/carnet/trust.yaml /etc/open && ln -s /etc/open/trust.yaml /etc/carnet",
            "can be written by others",
        ),
        ("rm -r /etc/carnet && touch /etc/carnet", "`/etc/carnet` is no directory"),
        ("rm /etc/carnet/trust.yaml && ln -s /nowhere /etc/carnet/trust.yaml", "cannot be used"),
    ] {
        on_a_machine_of_its_own(&site, &format!("{spoil} && {install}")).expect(10).says(&[why]);
        assert!(site.is_untouched(), "{spoil}");
    }
    // The same policy, as it should be, has nothing against it.
    on_a_machine_of_its_own(&site, install).expect(0);
}
