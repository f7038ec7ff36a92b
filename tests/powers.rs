//! The powers of installed objects are in the plan before anything is written, and can be refused.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests make files and run programs"
)]

mod support;

use std::process::Command;

use carnet::capability::severity::Severity;
use carnet::fetch::Fetched;
use carnet::grant::spec::FileGrant;
use carnet::host::Supplied;
use carnet::install::{ChangeOptions, Error, Operation};
use carnet::plan::Plan;
use carnet::plan::powers::{By, RefusedPowers};
use carnet::signature::PrivateKey;
use carnet::verify::{TrustPolicy, Verified};
use serde_json::{Value, json};
use support::guest::Script;
use support::{Home, approving, example, fetch, reference, sign, signed, unsigned};

const PODS: &str = r#"
requests:
  kubernetes:
  - { verbs: [apply], kinds: [Pod], namespaces: ["${namespace}"], names: ["${installation}-*"] }
"#;

/// A pod with one unusual power.
fn pod(power: &str) -> String {
    let image = format!("registry.example/a@sha256:{}", "0".repeat(64));
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web-a}}, spec: {{{power}: true, automountServiceAccountToken: false,
           containers: [{{name: main, image: '{image}', securityContext: {{allowPrivilegeEscalation: false,
             runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}, capabilities: {{drop: [ALL]}}}}}}]}}}}"
    )
}

fn pods(home: &Home, name: &str, power: &str) -> Fetched {
    home.bundle(name, &Script::new().apply(&[&pod(power)]).component(), PODS)
}

fn operation(home: &Home, action: &str, verified: &Verified, refuse_powers: Option<Severity>) -> Operation {
    let operation = home.operation(action);
    let options = ChangeOptions { refuse_powers, ..operation.options };
    Operation { consent: approving(verified), options, ..operation }
}

fn refused(result: Result<impl Sized, Error>) -> (RefusedPowers, Box<Plan>) {
    match result {
        Err(Error::Powers { refused, plan }) => (refused, plan),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn the_guestbook_can_do_little_and_its_password_goes_where_it_should() {
    let home = Home::new();
    home.built(&example("guestbook"), "guestbook");
    let (fetched, policy) = signed(&home.path("guestbook"));
    let verified = policy.verify(fetched, jiff::Timestamp::UNIX_EPOCH).unwrap();
    let mut consent = approving(&verified);
    consent.grant.files.push(FileGrant { name: "site.conf".into(), path: example("guestbook/site.conf") });
    let credentials = Supplied::new([("db-password".to_owned(), "x".into())].into());
    let plan = home
        .plan(Some(verified), Operation { consent, credentials, ..home.operation("install") })
        .unwrap()
        .proposed
        .into_plan();

    let plan = json!(plan);
    let reached = "can be reached from outside at `guestbook.example`";
    let ingress = "networking.k8s.io/Ingress prod/web-web";
    let expected =
        json!([{"severity": "low", "object": ingress, "what": reached, "rule": "exposure/ingress"}]);
    assert_eq!(plan["powers"], expected);
    let flow = &plan["credentials"][0];
    assert_eq!(flow["name"], "db-password");
    assert_eq!(flow["into"], json!(["prod/Secret/web-db:password", "prod/Secret/web-db:url"]));
    let readers: Vec<_> = flow["readers"].as_array().unwrap().iter().map(told).collect();
    let image = |name: &str| plan_image(&plan, name);
    assert_eq!(
        readers,
        [
            format!(
                "apps/Deployment prod/web-web: environment variable `DATABASE_URL` of container `web` ({})",
                image("web")
            ),
            format!(
                "apps/StatefulSet prod/web-db: environment variable `POSTGRES_PASSWORD` of container `postgres` ({})",
                image("postgres")
            ),
            format!(
                "batch/Job prod/web-migrate-1-0-0: environment variable `DATABASE_URL` of container `migrate` ({})",
                image("web")
            ),
        ]
    );
}

fn told(reader: &Value) -> String {
    let text = |member: &str| reader[member].as_str().unwrap().to_owned();
    format!("{}: {} ({})", text("object"), text("how"), text("image"))
}

/// The image of this name that anything in the plan is handed to.
fn plan_image(plan: &Value, name: &str) -> String {
    let readers = plan["credentials"][0]["readers"].as_array().unwrap().iter();
    let mut images = readers.map(|reader| reader["image"].as_str().unwrap().to_owned());
    images.find(|image| image.starts_with(&format!("registry.example/guestbook/{name}@sha256:"))).unwrap()
}

#[test]
fn an_upgrade_tells_what_is_new_and_what_is_gone() {
    let home = Home::new();
    let first = unsigned(pods(&home, "first", "hostNetwork"));
    let asked = operation(&home, "install", &first, None);
    let installed = home.act(Some(first), asked).unwrap().proposed.into_plan();
    let of_node = |plan: &Plan| {
        let of_node =
            plan.powers.iter().filter(|power| power.rule == "pod-security/baseline/host-namespaces");
        of_node.map(|power| (power.what.clone(), power.new)).collect::<Vec<_>>()
    };
    let found = of_node(&installed);
    let [(network, false)] = found.as_slice() else { panic!("{found:?}") };
    assert!(network.starts_with("uses the network of its node"), "{network}");

    let second = unsigned(pods(&home, "second", "hostPID"));
    let asked = operation(&home, "upgrade", &second, None);
    let plan = home.act(Some(second), asked).unwrap().proposed.into_plan();
    let found = of_node(&plan);
    let [(processes, true)] = found.as_slice() else { panic!("{found:?}") };
    assert!(processes.starts_with("sees every process of its node"), "{processes}");
    assert_eq!(
        plan.powers_gone.iter().map(|power| power.what.clone()).collect::<Vec<_>>(),
        std::slice::from_ref(network)
    );
}

#[test]
fn an_image_of_the_version_before_is_judged_by_what_was_signed_with_it() {
    let home = Home::new();
    let bundle = |name: &str, digit: &str, signed: &str| {
        let pod = pod("hostNetwork").replace(&"0".repeat(64), &digit.repeat(64));
        let images = format!(
            "images: {{ a: {{ image: 'registry.example/a@sha256:{}', size: 100, description: x }} }}\n{PODS}",
            signed.repeat(64)
        );
        unsigned(home.bundle(name, &Script::new().apply(&[&pod]).component(), &images))
    };
    let of_images = |plan: &Plan| {
        let of_images = |powers: &[carnet::plan::powers::Power]| {
            let found = powers.iter().filter(|power| power.rule == "image/not-of-the-bundle");
            found.map(|power| power.new).collect::<Vec<_>>()
        };
        (of_images(&plan.powers), of_images(&plan.powers_gone).len())
    };
    let first = bundle("first", "1", "1");
    let asked = operation(&home, "install", &first, None);
    home.act(Some(first), asked).unwrap();
    let second = bundle("second", "2", "2");
    let asked = operation(&home, "upgrade", &second, None);
    let plan = home.act(Some(second), asked).unwrap().proposed.into_plan();
    assert_eq!(of_images(&plan), (vec![], 0), "each version runs its own images");

    let third = bundle("third", "3", "2");
    let asked = operation(&home, "upgrade", &third, None);
    let plan = home.act(Some(third), asked).unwrap().proposed.into_plan();
    assert_eq!(of_images(&plan), (vec![true], 0), "nobody signed for the one that comes");
    let last = bundle("last", "2", "2");
    let asked = operation(&home, "upgrade", &last, None);
    let plan = home.act(Some(last), asked).unwrap().proposed.into_plan();
    assert_eq!(of_images(&plan), (vec![], 1), "nor for the one that goes");
}

#[test]
fn the_operator_can_refuse_powers_and_then_nothing_is_written() {
    let home = Home::new();
    let install = |refuse_powers| {
        let verified = unsigned(pods(&home, "bundle", "hostNetwork"));
        let asked = operation(&home, "install", &verified, refuse_powers);
        home.act(Some(verified), asked)
    };
    let (refused, plan) = refused(install(Some(Severity::High)));
    assert_eq!((refused.by, refused.refused), (By::Operator, Severity::High));
    assert_eq!(refused.powers.len(), 1);
    assert_eq!(refused.powers[0].rule, "pod-security/baseline/host-namespaces");
    assert_eq!(plan.changes.len(), 1);
    home.assert_untouched();
    install(Some(Severity::Critical)).unwrap();
}

#[test]
fn a_trust_policy_can_refuse_powers_whatever_the_operator_says() {
    let home = Home::new();
    let layout = home.path("bundle");
    drop(pods(&home, "bundle", "hostNetwork"));
    let key = PrivateKey::generate().unwrap();
    sign(&reference(&layout), &key).unwrap();
    let pem = key.public().to_pem().trim_end().replace('\n', "\\n");
    let policy = |powers: &str| {
        TrustPolicy::parse(&format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys: {{ a: {{ pem: \"{pem}\" }} }}\n  rules:\n  - {{ match: layout, names: ['*'], {powers} require: {{ threshold: 1, anyOf: [a] }} }}\n"
        ))
        .unwrap()
    };
    let install = |powers: &str| {
        let fetched = fetch(&reference(&layout)).unwrap();
        let verified = policy(powers).verify(fetched, jiff::Timestamp::UNIX_EPOCH).unwrap();
        // The flag refuses less, and does not make up for the policy.
        let asked = operation(&home, "install", &verified, Some(Severity::Critical));
        home.act(Some(verified), asked)
    };
    let (refused, _) = refused(install("powers: { refuse: medium },"));
    assert_eq!((refused.by, refused.refused), (By::Policy("layout".into()), Severity::Medium));
    let rules: Vec<_> = refused.powers.iter().map(|power| power.rule.as_str()).collect();
    assert_eq!(rules, ["pod-security/baseline/host-namespaces", "image/not-of-the-bundle"]);
    home.assert_untouched();
    install("powers: { refuse: critical },").unwrap();
}

#[test]
fn a_plan_that_is_refused_is_shown_all_the_same() {
    let home = Home::new();
    let fetched = pods(&home, "bundle", "hostNetwork");
    let plan = |format: &str, refused: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
            .args(["-o", format, "plan", "web", &format!("layout:{}", home.path("bundle").display())])
            .args(["--target", &home.place().to_string(), "--dangerous-unsigned", "-n", "prod"])
            .args(["--approve", &fetched.digest().to_string(), "--refuse-powers", refused])
            .env("CARNET_STATE", home.path("state"))
            .env("HOME", home.path("home"))
            .env("XDG_CACHE_HOME", support::cache())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, stdout, stderr) = plan("json", "high");
    assert_eq!(code, Some(11), "{stderr}");
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&document["kind"], &document["powers"][0]["severity"]), (&json!("Plan"), &json!("high")));
    let reason = "`--refuse-powers` refuses powers of severity high and above, and there is 1";
    assert!(
        stderr.contains(reason) && stderr.contains("high: Pod prod/web-a uses the network of its node"),
        "{stderr}"
    );

    let (code, stdout, stderr) = plan("table", "critical");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stdout.contains("Powers: what it will be able to do\n  high    Pod prod/web-a uses the network"),
        "{stdout}"
    );
    assert!(plan("table", "much").2.contains("write `low`, `medium`, `high` or `critical`"));
}
