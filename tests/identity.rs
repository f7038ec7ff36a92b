//! An object has one identity and a number one value, whoever writes them: what is permitted, planned and written is
//! about the same thing.
#![expect(clippy::disallowed_methods, clippy::panic, reason = "tests read files")]

mod support;

use carnet::capability::Requests;
use carnet::capability::template::Names;
use carnet::fetch::Fetched;
use carnet::grant::spec::InvalidGrant;
use carnet::grant::{Consent, Shortfall};
use carnet::host::GuestError;
use carnet::install::{Error, Operation, Outcome};
use carnet::run::RunError;
use serde_json::json;
use support::guest::Script;
use support::{Home, approving, config_map, fetch, object, reference, unsigned};

/// Installs a bundle with all that it requests, a bare `*` included.
fn install(home: &Home, fetched: Fetched) -> Result<Outcome, Error> {
    let verified = unsigned(fetched);
    let consent = Consent { dangerous_wildcards: true, ..approving(&verified) };
    home.act(Some(verified), Operation { consent, ..home.operation("install") })
}

fn requests(lines: &str) -> String {
    format!("requests:\n  kubernetes:\n  - {lines}\n")
}

fn told_invalid(result: Result<Outcome, Error>) -> String {
    match result {
        Err(Error::Run { source: RunError::Reported(GuestError::Invalid(text)), .. }) => text,
        other => panic!("not refused as invalid: {other:?}"),
    }
}

#[test]
fn a_secret_in_capitals_is_not_read_with_the_right_to_read_other_kinds() {
    let lines = "{verbs: [get], kinds: ['*'], namespaces: ['${namespace}'], names: ['web-*']}";
    for (api_version, kind, meant) in [
        ("v1", "SECRET", "Secret"),
        ("v1", "Secrets", "Secret"),
        ("v1", "secret", "Secret"),
        ("v2", "SECRET", "Secret"),
    ] {
        let home = Home::new();
        let secret = "{apiVersion: v1, kind: Secret, metadata: {name: web-x}, stringData: {a: hunter2}}";
        std::fs::create_dir_all(home.path("rendered/prod")).unwrap();
        std::fs::write(home.path("rendered/prod/secret_web-x.yaml"), secret).unwrap();
        let guest = Script::new().show(&object(api_version, kind, "web-x")).component();
        let told = told_invalid(install(&home, home.bundle("reader", &guest, &requests(lines))));
        assert_eq!(told, format!("the kind `{kind}` is written `{meant}`"));
    }
}

#[test]
fn a_kind_in_another_spelling_is_refused_in_manifests_requests_grants_and_denials() {
    let home = Home::new();
    let all = "{verbs: [apply], kinds: ['*'], namespaces: ['${namespace}'], names: ['web-*']}";
    let manifest = "{apiVersion: v1, kind: CONFIGMAP, metadata: {name: web-a}}";
    let guest = Script::new().apply(&[manifest]).component();
    let told = told_invalid(install(&home, home.bundle("writer", &guest, &requests(all))));
    assert_eq!(told, "the kind `CONFIGMAP` is written `ConfigMap`");
    let manifest = "{apiVersion: apps/v1, kind: ConfigMap, metadata: {name: web-a}}";
    let guest = Script::new().apply(&[manifest]).component();
    let told = told_invalid(install(&home, home.bundle("elsewhere", &guest, &requests(all))));
    assert_eq!(told, "the kind `apps/ConfigMap` is written `ConfigMap`");

    let request =
        json!({"verbs": ["apply"], "kinds": ["configmaps"], "namespaces": ["prod"], "names": ["a"]});
    let requested: Requests = serde_json::from_value(json!({ "kubernetes": [request] })).unwrap();
    let refused = requested.all(&Names::default()).unwrap_err().to_string();
    assert_eq!(refused, "`configmaps` names no kind: write `ConfigMap`");

    let guest = Script::new().apply(&[&config_map("web-a")]).component();
    let lines = "{verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['web-*']}";
    let verified = unsigned(home.bundle("denied", &guest, &requests(lines)));
    let mut consent = approving(&verified);
    let rule = carnet::capability::kubernetes::RuleText::parse("apply:configmap:prod/web-a").unwrap();
    consent.grant.deny.kubernetes = vec![rule];
    let refused = home.act(Some(verified), Operation { consent, ..home.operation("install") });
    assert!(matches!(refused, Err(Error::Shortfall(Shortfall::InvalidGrant(_)))), "{refused:?}");
    home.assert_untouched();
}

#[test]
fn two_kinds_that_differ_in_case_alone_do_not_share_a_file() {
    let home = Home::new();
    let widget = |kind: &str, a: &str| {
        format!("{{apiVersion: example.com/v1, kind: {kind}, metadata: {{name: web-a}}, spec: {{a: {a}}}}}")
    };
    let lines =
        "{verbs: [apply, get], kinds: ['example.com/*'], namespaces: ['${namespace}'], names: ['web-*']}";
    let both = Script::new().apply(&[&widget("Widget", "one")]).apply(&[&widget("WIDGET", "two")]);
    let told = told_invalid(install(&home, home.bundle("both", &both.component(), &requests(lines))));
    assert_eq!(told, "the kind `example.com/WIDGET` is written `example.com/Widget`");
    home.assert_untouched();

    let one = Script::new().apply(&[&widget("Widget", "one")]).component();
    install(&home, home.bundle("one", &one, &requests(lines))).unwrap();
    let other = Script::new().show(&object("example.com/v1", "WIDGET", "web-a")).component();
    let verified = unsigned(home.bundle("other", &other, &requests(lines)));
    let consent = Consent { dangerous_wildcards: true, ..approving(&verified) };
    let refused = home.act(Some(verified), Operation { consent, ..home.operation("upgrade") });
    assert_eq!(told_invalid(refused), "the target has no place for example.com/WIDGET prod/web-a");
}

/// A definition by which Widgets would live outside namespaces.
const DEFINITION: &str = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, \
    metadata: {name: widgets.example.com}, spec: {group: example.com, scope: Cluster, \
    names: {kind: Widget, plural: widgets}, versions: [{name: v1, served: true, storage: true}]}}";

#[test]
fn a_definition_that_is_denied_tells_nothing_about_its_kind() {
    let home = Home::new();
    let widget = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: web-a}}";
    let lines =
        "{verbs: [apply], kinds: [example.com/Widget], namespaces: ['${namespace}'], names: ['web-*']}";
    for calls in
        [Script::new().tolerant().apply(&[DEFINITION]), Script::new().tolerant().apply(&[DEFINITION, widget])]
    {
        let guest = calls.strict().apply(&[widget]).component();
        let outcome = install(&home, home.bundle("widgets", &guest, &requests(lines))).unwrap();
        let denied = "not permitted: apply apiextensions.k8s.io/CustomResourceDefinition widgets.example.com";
        assert_eq!(outcome.log[0].text, denied);
        assert_eq!(home.rendered().into_keys().collect::<Vec<_>>(), ["prod/widget.example.com_web-a.yaml"]);
        home.act(None, home.operation("uninstall")).unwrap();
    }
}

#[test]
fn an_approval_of_a_bare_wildcard_is_one_and_so_is_what_is_kept_of_it() {
    let home = Home::new();
    let lines = "{verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['*']}";
    let guest = Script::new().apply(&[&config_map("anything")]).component();
    home.bundle("wide", &guest, &requests(lines));
    let act = |action: &str, consent: fn(Consent) -> Consent| {
        let verified = unsigned(fetch(&reference(&home.path("wide"))).unwrap());
        let consent = consent(approving(&verified));
        home.act(Some(verified), Operation { consent, ..home.operation(action) })
    };
    let refused = |result: Result<Outcome, Error>| match result {
        Err(Error::Shortfall(Shortfall::InvalidGrant(InvalidGrant::Wildcard(rule)))) => rule,
        other => panic!("{other:?}"),
    };
    let given = refused(act("install", |approving| approving));
    assert_eq!(given, "apply ConfigMap in ${namespace} named *");
    home.assert_untouched();
    let insisting = |consent| Consent { dangerous_wildcards: true, ..consent };
    act("install", insisting).unwrap();

    // Grants kept from the last run are checked like those given now. They are kept as they were filled.
    let kept = |_| Consent::default();
    assert_eq!(refused(act("upgrade", kept)), "apply ConfigMap in prod named *");
    act("upgrade", |_| Consent { dangerous_wildcards: true, ..Consent::default() }).unwrap();
}

#[test]
fn a_number_is_planned_and_written_as_it_stands() {
    let lines =
        "{verbs: [apply], kinds: [example.com/Widget], namespaces: ['${namespace}'], names: ['web-*']}";
    let widget = |number: &str| {
        format!(
            "{{apiVersion: example.com/v1, kind: Widget, metadata: {{name: web-a}}, spec: {{a: {number}}}}}"
        )
    };
    let home = Home::new();
    let planned = |number: &str| {
        let name = format!("n{}", number.len());
        let guest = Script::new().apply(&[&widget(number)]).component();
        let verified = unsigned(home.bundle(&name, &guest, &requests(lines)));
        let consent = approving(&verified);
        home.plan(Some(verified), Operation { consent, ..home.operation("install") })
            .unwrap()
            .proposed
            .into_plan()
    };
    let numbers = ["9007199254740992", "9007199254740993", "-9007199254740993", "18446744073709551615"];
    let manifests: std::collections::BTreeSet<_> =
        numbers.iter().map(|number| planned(number).steps[0].manifest.unwrap()).collect();
    assert_eq!(manifests.len(), numbers.len());

    for number in ["9007199254740993", "18446744073709551615", "0.1", "-9223372036854775808"] {
        let home = Home::new();
        let guest = Script::new().apply(&[&widget(number)]).component();
        install(&home, home.bundle("exact", &guest, &requests(lines))).unwrap();
        let text = &home.rendered()["prod/widget.example.com_web-a.yaml"];
        assert!(text.contains(&format!("a: {number}\n")), "{text}");
    }
    for number in ["18446744073709551616", "0.10000000000000000001"] {
        let home = Home::new();
        let guest = Script::new().apply(&[&widget(number)]).component();
        let told = told_invalid(install(&home, home.bundle("inexact", &guest, &requests(lines))));
        assert!(told.contains(&format!("the number {number} would be changed")), "{told}");
        home.assert_untouched();
    }
}
