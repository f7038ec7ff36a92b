//! Names that are none: what no name could be is a mistake of usage (2), and what is a name of nothing that is there is an
//! error (1), whichever verb is asked. What a name can be found by, and who decides about it.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests run the program and read files")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use carnet::signature::PrivateKey;
use serde_json::json;
use support::Home;
use support::guest::Script;
use support::said::Said;

const REST: &str = "\
parameters:
  replicas: { schema: { type: integer, minimum: 1, maximum: 9, default: 1 }, description: How many }
  color: { schema: { type: string, enum: [red, blue], default: red }, description: Of the door }
credentials:
  token: { description: Opens it }
actions:
  dev.carnet.web.backup: { description: Backs up, modifies: true }
outputs:
  url: { schema: { type: string }, description: Where it is }
requests:
  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['web-*']}]
  credentials: [{name: token, optional: true}]
";

struct Site(Home);

impl Site {
    fn new() -> Self {
        let site = Self(Home::new());
        let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web-x}}";
        let script = Script::new().apply(&[manifest]).output("url", "\"https://web\"");
        site.0.bundle("one", &script.component(), REST);
        site
    }

    fn installed() -> Self {
        let site = Self::new();
        site.on("install", "web", &["-y"]).expect(0);
        site
    }

    fn carnet(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command.env_clear().env("HOME", self.0.path("home")).env("PATH", "/usr/bin:/bin");
        command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("names"));
        command.current_dir(self.0.root.path()).stdin(Stdio::null());
        Said::of(command.args(arguments).output().unwrap())
    }

    fn on(&self, verb: &str, name: &str, more: &[&str]) -> Said {
        let fixed =
            [verb, name, "layout:one", "--target", "dir:rendered", "-n", "prod", "--dangerous-unsigned"];
        self.carnet(&[&fixed[..], &["--allow-kube", "apply:ConfigMap:prod/web-*"], more].concat())
    }
}

/// The verbs that take the name of an installation, which stands at `@`.
const NAMING: [&[&str]; 16] = [
    &["status", "@"],
    &["history", "@"],
    &["outputs", "@"],
    &["outputs", "@", "url"],
    &["diff", "@"],
    &["drift", "@"],
    &["drift", "@", "--fix", "-y"],
    &["invoke", "@", "dev.carnet.web.backup", "-y"],
    &["rollback", "@", "-y"],
    &["rollback", "@", "01KB", "-y"],
    &["uninstall", "@", "-y"],
    &["unlock", "@", "-y"],
    &["claims", "export", "@"],
    &["status", "@", "-A"],
    &["history", "@", "--all-namespaces"],
    &["rbac", "@", "--rollback"],
];

/// The verbs that take a bundle as well.
const WITH_BUNDLE: [&[&str]; 5] = [
    &["plan", "@", "layout:one", "--target", "dir:rendered"],
    &["install", "@", "layout:one", "--target", "dir:rendered", "-y"],
    &["upgrade", "@", "layout:one", "--target", "dir:rendered", "-y"],
    &["rbac", "@", "layout:one", "--target", "kube"],
    &["grant", "check", "layout:one", "--name", "@"],
];

fn named(line: &[&'static str], name: &'static str) -> Vec<&'static str> {
    line.iter().map(|&word| if word == "@" { name } else { word }).collect()
}

#[test]
fn what_cannot_be_a_name_is_a_mistake_of_usage_for_every_verb() {
    let site = Site::installed();
    let long = "a23456789012345678901234567890123456789012345678901234567890abcd";
    for name in ["Web", "a b", "web.example", "web-", "a/b", "\u{202e}web", "", long] {
        for line in NAMING.iter().chain(&WITH_BUNDLE) {
            let said = site.carnet(&named(line, name));
            assert_eq!(said.code, 2, "{line:?} {name:?}: {said}");
            assert!(said.stderr.contains("63 of them at most"), "{line:?} {name:?}: {said}");
            assert!(!said.text().contains('\u{202e}'), "{line:?}: {said}");
        }
    }
    assert_eq!(site.0.rendered().len(), 1, "nothing was done");
}

#[test]
fn a_name_of_nothing_that_is_there_is_an_error_for_every_verb() {
    let site = Site::installed();
    for line in NAMING {
        let said = site.carnet(&named(line, "nope"));
        assert_eq!(said.code, 1, "{line:?}: {said}");
        assert!(said.stderr.contains("`nope`"), "{line:?}: {said}");
    }
    for (line, told) in [
        (&["rollback", "web", "nope", "-y"][..], "has no revision `NOPE`"),
        (&["invoke", "web", "nope", "-y", "--dangerous-unsigned"], "`nope` (there are: "),
        (&["invoke", "web", "Not a name", "-y", "--dangerous-unsigned"], "`Not a name` (there are: "),
        (&["outputs", "web", "nope"], "no output `nope` (there are: `url`)"),
        (&["outputs", "web", "A b"], "no output `A b`"),
        (&["params", "show", "nope"], "no set `nope`"),
        (&["params", "edit", "nope"], "no set `nope`"),
        (&["credentials", "delete", "nope", "-y"], "no set `nope`"),
        (&["status", "web", "-n", "elsewhere"], "`web`"),
    ] {
        let said = site.carnet(line);
        assert_eq!(said.code, 1, "{line:?}: {said}");
        assert!(said.stderr.contains(told), "{line:?}: {said}");
    }
    for (more, told) in [
        (["--param", "nope=1"], "no parameter `nope` (there are: "),
        (["-p", "nope"], "no set `nope`"),
        (["-c", "nope"], "no set `nope`"),
        (["-p", "nope.yaml"], "`nope.yaml`"),
    ] {
        for verb in ["plan", "upgrade"] {
            let said =
                site.on(verb, "web", &[&more[..], if verb == "plan" { &[] } else { &["-y"] }].concat());
            assert_eq!(said.code, 1, "{verb} {more:?}: {said}");
            assert!(said.stderr.contains(told), "{verb} {more:?}: {said}");
        }
    }
    assert_eq!(site.0.rendered().len(), 1, "nothing was done");
}

#[test]
fn a_value_that_is_not_allowed_is_told_with_what_is() {
    let site = Site::installed();
    for (given, told) in [
        ("replicas=0", "the given value of the parameter `replicas` is not allowed: it must be at least 1"),
        ("replicas=10", "it must be at most 9"),
        ("replicas=\"2\"", "it must be a whole number, and is text"),
        ("replicas=1.5", "it must be a whole number, and is a number with a fraction"),
        ("replicas=two", "it must be a whole number, at least 1 and at most 9"),
        ("color=green", "it must be one of `red`, `blue`"),
    ] {
        let said = site.on("upgrade", "web", &["-y", "--param", given]).expect(1);
        let message = said.stderr.replace("\n            ", " ");
        assert!(
            message.contains(told)
                || told.starts_with("it must be a whole number, at") && message.contains(&told[3..]),
            "{given}: {said}"
        );
        assert!(!message.contains("value is") && !message.contains("type \""), "{given}: {said}");
    }
}

#[test]
fn a_name_is_found_in_whichever_namespace_it_is() {
    let site = Site::installed();
    for line in [
        &["status", "web", "-A"][..],
        &["history", "web", "-A"],
        &["outputs", "web", "--all-namespaces"],
        &["diff", "web", "-A", "--dangerous-unsigned"],
        &["drift", "web", "-A", "--dangerous-unsigned"],
    ] {
        site.carnet(line).expect(0);
        let both = site.carnet(&[line, &["-n", "prod"]].concat());
        assert_eq!(both.code, 2, "{line:?}: {both}");
    }
    assert_eq!(site.carnet(&["status", "web", "-A", "-o", "json"]).document["namespace"], "prod");
}

#[test]
fn an_export_says_what_it_wrote_and_counts_one_as_one() {
    let site = Site::installed();
    site.carnet(&["claims", "export", "web", "--to", "web.json"])
        .expect(0)
        .says(&["Wrote `web.json`: 1 claim."]);
    site.carnet(&["claims", "export", "web", "--to", "web.json"]).expect(1).says(&["--force"]);
    let import = ["claims", "import", "web.json", "--target", "dir:other", "-n", "prod", "--state", "second"];
    site.carnet(&import).expect(0).says(&["Imported 1 claim of web in prod."]);
    site.carnet(&["doctor"]).says(&["1 installation"]);
    site.carnet(&["drift", "web", "--dangerous-unsigned"]).expect(0).says(&["Looked at 1 object:"]);
}

/// A policy for one key, in a file of this name, with these lines after the rules.
fn policy(site: &Site, file: &str, key: &str, rest: &str) {
    let pem = PrivateKey::generate().unwrap().public().to_pem().replace('\n', "\\n");
    let text = format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys: {{ release: {{ pem: \"{pem}\"{key} }} }}\n  rules:\n{rest}"
    );
    fs::write(site.0.path(file), text).unwrap();
}

/// A page with its lines as they were before they were wrapped.
fn flat(page: &str) -> String {
    let mut flat = String::new();
    for line in page.lines() {
        match line.trim_start().strip_prefix("│ ") {
            Some(rest) => flat.extend([" ", rest]),
            None => flat.extend(["\n", line]),
        }
    }
    flat
}

const RULES: &str = "  - { match: 'r.example/**', names: ['*'], require: { threshold: 1, anyOf: [release] } }
  - { match: 'r.example/acme/**', names: ['acme/*'], powers: { refuse: high }, require: { threshold: 1, anyOf: [release] } }
";

#[test]
fn the_rule_that_decides_is_told_with_what_it_demands_and_why_it_is_that_one() {
    let site = Site::new();
    policy(&site, "trust.yaml", "", RULES);
    let explain = |reference: &str, more: &[&str]| {
        site.carnet(&[&["trust", "explain", reference, "--trust", "trust.yaml"], more].concat())
    };
    let page = flat(&explain("r.example/acme/web:1", &[]).expect(0).stdout);
    for said in [
        "The policy in trust.yaml",
        "rule r.example/acme/**, the longest place that r.example/acme/web lies in",
        "acme/*",
        "1 of release",
        "of severity high or worse are refused",
        "r.example/**: shorter, so not asked",
        "counts",
    ] {
        assert!(page.contains(said), "{said} is not in {page}");
    }
    let document = explain("r.example/acme/web:1", &["-o", "json"]).expect(0).document;
    assert_eq!(document["kind"], "TrustExplanation");
    let says = &document["policies"][0];
    assert_eq!((&says["isMachines"], &says["canAdmit"]), (&json!(false), &json!(true)));
    assert_eq!(says["rule"]["match"], "r.example/acme/**");
    assert_eq!(says["passedOver"], json!(["r.example/**"]));
    let none = explain("layout:one", &[]).expect(10);
    let told = "NOTHING from there is trusted: no rule is about `layout`";
    assert!(flat(&none.stdout).contains(told), "{none}");
    let hint = "add to trust.yaml the rule and the key that this prints: carnet trust new --key RELEASE.pub --name BUNDLE";
    assert_eq!(none.hint(), hint);
    explain("web", &[]).expect(2);
    let nowhere = site.carnet(&["trust", "explain", "layout:one"]).expect(10);
    assert!(nowhere.stderr.contains("there is no trust policy"), "{nowhere}");
}

#[test]
fn a_policy_that_nobody_could_meet_is_found_before_a_bundle_comes() {
    let site = Site::new();
    policy(&site, "sound.yaml", "", RULES);
    policy(&site, "over.yaml", ", validUntil: 2020-01-01T00:00:00Z", RULES);
    let check =
        |file: &str, more: &[&str]| site.carnet(&[&["trust", "check", "--trust", file], more].concat());
    check("sound.yaml", &[]).expect(0).says(&["2 rules", "Each rule can be met"]);
    let over = check("over.yaml", &[]).expect(10);
    assert!(flat(&over.stdout).contains("FAULT  rule `r.example/**` admits nothing"), "{over}");
    let document = check("over.yaml", &["-o", "json"]).expect(10).document;
    assert_eq!(document["kind"], "TrustCheck");
    let faults = document["policies"][0]["remarks"].as_array().unwrap();
    assert_eq!(faults.iter().filter(|it| it["isFault"] == true).count(), 2);
    fs::write(site.0.path("broken.yaml"), "kind: TrustPolicy").unwrap();
    check("broken.yaml", &[]).expect(10).says(&["cannot be used"]);
    check("nowhere.yaml", &[]).expect(10).says(&["nowhere.yaml"]);
}
