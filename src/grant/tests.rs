//! Decisions, one by one: who is asked for them, who wins, and which proof is given.

#![expect(clippy::disallowed_methods, reason = "tests make files")]

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::fetch::tests::component;
use crate::kubernetes::kinds::Kinds;
use crate::oci::registry::RegistryClient;
use crate::verify::{TrustPolicy, dangerously_unsigned};

/// Everything that can be requested, one of each. `OPTIONAL` stands where a request may be one.
const REQUESTS: &str = "requests:
  kubernetes:
  - { verbs: [get, apply, delete], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['${installation}-*'] OPTIONAL }
  - { verbs: [get-secret, apply], kinds: [Secret], namespaces: [prod], names: [web-db] OPTIONAL }
  - { verbs: [get], kinds: [Service], namespaces: [prod], names: [db], optional: true }
  files: [{ name: site.conf OPTIONAL }, { name: 'themes/*', optional: true }]
  credentials: [{ name: token, into: [prod/Secret/web-db], reveal: true OPTIONAL }]
  generate: [{ name: pin, into: [prod/Secret/web-pin, prod/Secret/web-copy] OPTIONAL }]
";

fn required() -> String {
    REQUESTS.replace(" OPTIONAL", "")
}

fn optional() -> String {
    REQUESTS.replace(" OPTIONAL", ", optional: true")
}

/// A bundle that requests this, and that nobody signed.
async fn verified(requests: &str) -> Verified {
    verified_of(&component(), requests).await
}

/// Such a bundle of a component.
pub(crate) async fn verified_of(component: &[u8], requests: &str) -> Verified {
    let home = tempfile::tempdir().unwrap();
    let (source, layout) = (home.path().join("source"), home.path().join("layout"));
    fs::create_dir(&source).unwrap();
    let text = format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: Source\nname: web\nversion: 1.0.0\ndescription: A test\n\
         component: ./web.wasm\ncredentials:\n  token: {{ description: A token }}\n{requests}"
    );
    fs::write(source.join("carnet.yaml"), text).unwrap();
    fs::write(source.join("web.wasm"), component).unwrap();
    crate::author::build(&source, &layout, None).await.unwrap();
    let reference = format!("layout:{}", layout.display()).parse().unwrap();
    dangerously_unsigned(
        crate::fetch::fetch(&reference, &RegistryClient::anonymous()).await.unwrap(),
        &TrustPolicy::none(),
    )
    .unwrap()
}

/// A run of that bundle, with what a grant of these members allows.
async fn granted(requests: &str, grant: Value) -> Result<Granted, Shortfall> {
    granted_to(&component(), requests, grant).await
}

/// A run of a component that requests this, with what a grant of these members allows.
pub(crate) async fn granted_to(component: &[u8], requests: &str, grant: Value) -> Result<Granted, Shortfall> {
    Granted::new(verified_of(component, requests).await, &serde_json::from_value(grant).unwrap(), names())
}

fn names() -> Names {
    Names { installation: "web".into(), namespace: "prod".into(), parameters: Default::default() }
}

/// Just what is required.
fn enough() -> Value {
    json!({
        "kubernetes": [
            {"verbs": ["get", "apply", "delete"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": ["web-*"]},
            {"verbs": ["get-secret", "apply"], "kinds": ["Secret"], "namespaces": ["prod"], "names": ["web-db"]},
        ],
        "files": [{"name": "site.conf", "path": "/etc/site.conf"}],
        "credentials": [{"name": "token", "into": ["prod/Secret/web-db"], "reveal": true}],
        "generate": [{"name": "pin", "into": ["prod/Secret/web-pin", "prod/Secret/web-copy"]}],
    })
}

/// That, but for what the changes say.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut grant = enough();
    change(&mut grant);
    grant
}

fn add(list: &mut Value, item: Value) {
    list.as_array_mut().unwrap().push(item);
}

async fn all() -> Granted {
    granted(&required(), enough()).await.unwrap()
}

fn config_map(name: &str) -> ObjectRef {
    ObjectRef::new("v1", "ConfigMap", Some("prod"), name)
}

fn secret(name: &str) -> ObjectRef {
    ObjectRef::new("v1", "Secret", Some("prod"), name)
}

fn manifest(body: Value) -> Object {
    Object::of(body, "prod", &Kinds::default()).unwrap()
}

/// Why an action is denied, in short.
#[track_caller]
fn reason<T: std::fmt::Debug>(decision: Result<T, Denied>) -> &'static str {
    match decision.unwrap_err().reason {
        Reason::NotGranted(_) => "not granted",
        Reason::NotRequested => "not requested",
        Reason::ReadingOnly => "reading only",
        Reason::Refused => "refused",
    }
}

/// An installer that could call one function.
fn importing(interface: &str, function: &str) -> Component {
    let text = format!(
        r#"(component
            (import "{interface}" (instance (export "{function}" (func))))
            (core module $module (func (export "run")))
            (core instance $instance (instantiate $module))
            (func $run (canon lift (core func $instance "run")))
            (instance $installer (export "run" (func $run)))
            (export "carnet:bundle/installer@0.1.0" (instance $installer)))"#
    );
    Component::read(wat::parse_str(text).unwrap()).unwrap()
}

#[track_caller]
fn missing(decision: Result<Granted, Shortfall>) -> Vec<String> {
    match decision.err() {
        Some(Shortfall::Missing(lines)) => lines.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_run_starts_with_just_what_is_required_and_says_what_it_does_without() {
    let granted = all().await;
    let withheld = ["--allow-kube 'get:Service:prod/db'", "--allow-file 'themes/*=PATH'"];
    assert_eq!(granted.withheld(), withheld);
    assert_eq!(reason(granted.get(ObjectRef::new("v1", "Service", Some("prod"), "db"))), "not granted");
    assert_eq!(reason(granted.read("themes/dark")), "not granted");
}

/// Lines, as they are printed.
fn lines(lines: &[CommandLine]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

/// A grant that lacks all of a request does not start a run, and only that is missing.
#[tokio::test]
async fn a_run_does_not_start_where_nothing_of_a_required_request_is_granted() {
    type Cut = (fn(&mut Value), &'static [&'static str]);
    const MAPS: [&str; 3] = [
        "--allow-kube 'apply:ConfigMap:prod/web-*'",
        "--allow-kube 'delete:ConfigMap:prod/web-*'",
        "--allow-kube 'get:ConfigMap:prod/web-*'",
    ];
    let cuts: [Cut; 6] = [
        (|it| it["kubernetes"][0]["namespaces"] = json!(["dev"]), &MAPS),
        (|it| it["kubernetes"][0]["names"] = json!(["other"]), &MAPS),
        (
            |it| it["kubernetes"][1]["kinds"] = json!(["ConfigMap"]),
            &["--allow-kube 'apply:Secret:prod/web-db'", "--allow-kube 'get-secret:Secret:prod/web-db'"],
        ),
        (|it| it["files"] = json!([{"name": "other", "path": "/a"}]), &["--allow-file 'site.conf=PATH'"]),
        (
            |it| it["credentials"] = json!([{"name": "token", "into": ["dev/Secret/x"]}]),
            &["--allow-credential token=prod/Secret/web-db", "--allow-reveal token"],
        ),
        (
            |it| it["generate"][0]["into"] = json!(["prod/Secret/other"]),
            &["--allow-generate pin=prod/Secret/web-copy", "--allow-generate pin=prod/Secret/web-pin"],
        ),
    ];
    for (cut, expected) in cuts {
        assert_eq!(missing(granted(&required(), changed(cut)).await), expected);
        let nothing = missing(granted(&required(), json!({})).await);
        assert!(expected.iter().all(|line| nothing.iter().any(|found| found == line)), "{nothing:?}");
    }
}

/// Less than was asked for starts a run; what lies outside is denied, and is named where the run tries it.
#[tokio::test]
async fn a_part_of_each_required_request_starts_a_run_that_can_do_no_more() {
    let narrow = changed(|it| {
        it["kubernetes"][0]["names"] = json!(["web-a"]);
        it["kubernetes"][1]["verbs"] = json!(["apply"]);
        it["credentials"][0]["reveal"] = json!(false);
        it["generate"][0]["into"] = json!(["prod/Secret/web-pin"]);
    });
    let granted = granted(&required(), narrow).await.unwrap();
    assert!(granted.delete(config_map("web-a")).is_ok() && granted.lend("token").is_ok());
    assert!(granted.place("pin", &secret("web-pin")).is_ok());
    let beyond = [
        granted.delete(config_map("web-b")).unwrap_err(),
        granted.get(secret("web-db")).unwrap_err(),
        granted.reveal("token").unwrap_err(),
        granted.place("pin", &secret("web-copy")).unwrap_err(),
    ];
    let named: Vec<_> = beyond.iter().map(|denied| denied.beyond().unwrap().to_string()).collect();
    assert_eq!(
        named,
        [
            "--allow-kube 'delete:ConfigMap:prod/web-b'",
            "--allow-kube 'get-secret:Secret:prod/web-db'",
            "--allow-reveal token",
            "--allow-generate pin=prod/Secret/web-copy",
        ]
    );
}

/// Only what is required and left out stops a plan: the component may try what it can do without, and what nobody asked
/// for no grant would help.
#[tokio::test]
async fn what_is_optional_or_not_requested_stops_no_plan() {
    let requests = "requests: { kubernetes: [
        { verbs: [get], kinds: [ConfigMap], namespaces: [prod], names: ['web-*'] },
        { verbs: [get], kinds: [Service], namespaces: [prod], names: [db], optional: true }] }";
    let rule = json!({"verbs": ["get"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": ["web-*"]});
    let denied = json!({"verbs": ["get"], "kinds": ["*"], "namespaces": ["prod"], "names": ["web-b", "db"]});
    let grant = json!({"kubernetes": [rule], "deny": {"kubernetes": [denied]}});
    let granted = granted(requests, grant).await.unwrap();
    let beyond = |object: ObjectRef| granted.get(object).unwrap_err().beyond().map(|line| line.to_string());
    assert_eq!(beyond(config_map("other")), None, "not requested");
    assert_eq!(beyond(ObjectRef::new("v1", "Service", Some("prod"), "db")), None, "optional");
    let refused = "# refused by deny: 'get ConfigMap prod/web-b'";
    assert_eq!(beyond(config_map("web-b")).as_deref(), Some(refused));
    assert_eq!(granted.reading_only().delete(config_map("web-a")).unwrap_err().beyond(), None);
}

/// Whoever has to be asked about a wider grant is asked about all that lets a run do more.
#[test]
fn a_grant_is_wider_that_allows_anything_the_one_before_did_not() {
    type Named = (&'static str, fn(&mut Value));
    let spec = |grant: &Value| serde_json::from_value::<GrantSpec>(grant.clone()).unwrap();
    let is_wider = |before: &Value, now: &Value| is_wider(&spec(before), &spec(now), &names());
    let before = changed(|it| {
        it["kubernetes"][0]["names"] = json!(["${installation}-*"]);
        it["limits"] = json!({"memory": "128Mi"});
    });
    assert!(!is_wider(&before, &before));
    let with = |change: fn(&mut Value)| {
        let mut grant = before.clone();
        change(&mut grant);
        grant
    };
    let wider: [Named; 11] = [
        ("a name", |it| it["kubernetes"][0]["names"] = json!(["w*"])),
        ("a verb", |it| it["kubernetes"][1]["verbs"] = json!(["get-secret", "apply", "delete"])),
        ("a file", |it| add(&mut it["files"], json!({"name": "other", "path": "/etc/other"}))),
        ("another file of that name", |it| it["files"][0]["path"] = json!("/etc/shadow")),
        ("a place", |it| it["credentials"][0]["into"] = json!(["prod/Secret/*"])),
        ("a credential", |it| add(&mut it["credentials"], json!({"name": "other"}))),
        ("a credential that is made", |it| add(&mut it["generate"][0]["into"], json!("prod/Secret/other"))),
        ("a limit", |it| it["limits"]["memory"] = json!("129Mi")),
        ("a limit beyond the default", |it| it["limits"]["timeout"] = json!("61s")),
        ("denials", |it| it["deny"] = json!({"files": [{"name": "site.conf"}]})),
        ("what cannot be read", |it| it["kubernetes"][0]["names"] = json!([])),
    ];
    for (what, change) in wider {
        assert!(is_wider(&before, &with(change)), "{what}");
    }
    let narrower: [Named; 5] = [
        ("the same in other words", |it| it["kubernetes"][0]["names"] = json!(["web-*"])),
        ("a part", |it| it["kubernetes"][0]["names"] = json!(["web-a"])),
        ("no file", |it| it["files"] = json!([])),
        ("not shown", |it| it["credentials"][0]["reveal"] = json!(false)),
        ("a lower limit", |it| it["limits"] = json!({"memory": "64Mi", "timeout": "5s"})),
    ];
    for (what, change) in narrower {
        assert!(!is_wider(&before, &with(change)), "{what}");
        assert!(is_wider(&with(change), &before) || what == "the same in other words", "{what}, from there");
    }
    // Where no limit is written the default is one.
    assert!(is_wider(&with(|it| it["limits"]["timeout"] = json!("5s")), &before));
    // Nobody knows what was granted by a record that cannot be read.
    assert!(is_wider(&with(|it| it["limits"]["memory"] = json!("much")), &before));
}

#[tokio::test]
async fn what_is_granted_is_told_with_the_files_that_names_stand_for() {
    let explained = all().await.explained();
    assert_eq!(
        explained,
        [
            "get-secret, apply Secret in prod named web-db",
            "get, apply, delete ConfigMap in prod named web-*",
            "read the file site.conf: /etc/site.conf",
            "SEE the credential token into prod/Secret/web-db",
            "make the credential pin, and keep it in prod/Secret/web-copy, prod/Secret/web-pin",
        ]
    );
    let odd = changed(|it| it["files"][0]["path"] = json!("/tmp/a\nread everything\u{202e}"));
    let explained = granted(&required(), odd).await.unwrap().explained();
    assert_eq!(explained[2], "read the file site.conf: /tmp/a\\u{a}read everything\\u{202e}");
}

/// How a kind is served is asked only where something of it is both requested and granted.
#[tokio::test]
async fn a_kind_concerns_a_run_that_may_do_something_with_it() {
    let grant = json!({"kubernetes": [
        {"verbs": ["get"], "kinds": ["ConfigMap", "Pod"], "namespaces": ["prod"], "names": ["web-*"]},
    ]});
    let granted = granted(&optional(), grant).await.unwrap();
    let concerns =
        ["ConfigMap", "Pod", "Service", "Secret", "apps/ConfigMap"].map(|kind| granted.concerns(kind));
    assert_eq!(concerns, [true, false, false, false, false]);
    assert!(!granted.requests().kubernetes.is_empty());
}

/// A value that may not be shown leaves the places where it may go, and a credential without any leaves nothing.
#[tokio::test]
async fn a_deny_of_showing_does_not_start_a_run_that_needs_nothing_else_of_a_credential() {
    let requests =
        |into: &str| format!("requests: {{ credentials: [{{ name: token{into}, reveal: true }}] }}");
    let grant = |into: Value| {
        let mut credential = json!({"name": "token", "reveal": true});
        if !into.is_null() {
            credential["into"] = into;
        }
        json!({"credentials": [credential], "deny": {"reveal": ["token"]}})
    };
    assert_eq!(
        missing(granted(&requests(""), grant(Value::Null)).await),
        ["# refused by deny: the credential 'token'"]
    );
    let placed =
        granted(&requests(", into: [prod/Secret/a]"), grant(json!(["prod/Secret/a"]))).await.unwrap();
    assert!(placed.place("token", &secret("a")).is_ok());
    assert_eq!(lines(&placed.withheld()), ["# refused by deny: the credential 'token'"]);
    let other = json!({"credentials": [{"name": "token", "reveal": true}], "deny": {"reveal": ["other"]}});
    let shown = granted(&requests(""), other).await.unwrap();
    assert!(shown.reveal("token").is_ok() && shown.withheld().is_empty());
}

#[tokio::test]
async fn a_denial_of_what_can_be_done_without_names_no_line_to_add() {
    let deny = json!({"deny": {"files": [{"name": "site.conf"}]}});
    let granted = granted(&optional(), deny).await.unwrap();
    let refused = granted.read("site.conf").unwrap_err();
    assert!(matches!(refused.reason(), Reason::Refused) && refused.beyond().is_none());
    let left_out = granted.lend("token").unwrap_err();
    assert!(matches!(left_out.reason(), Reason::NotGranted(_)) && left_out.beyond().is_none());
}

/// What grants would mend is asked for; the rest is an error whatever is granted.
#[tokio::test]
async fn a_shortfall_says_whether_grants_would_mend_it() {
    let missing = granted(&required(), json!({})).await.err().unwrap();
    assert!(missing.names_requests());
    assert!(Shortfall::Shared(Vec::new()).names_requests());
    let unreadable = granted(&required(), json!({"limits": {"memory": "much"}})).await.err().unwrap();
    assert!(!unreadable.names_requests());
    assert!(!Shortfall::Unprovided(vec!["evil:host/exec".into()]).names_requests());
}

/// Permits that follow from another one are for the object of that one.
#[tokio::test]
async fn permits_that_follow_are_for_the_objects_of_the_permit_before() {
    let granted = all().await;
    let deleted = granted.delete(config_map("web-a")).unwrap();
    assert_eq!(before_delete(&deleted).0, config_map("web-a"));
    assert_eq!(after_delete(&deleted).0, config_map("web-a"));
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web-a"}});
    assert_eq!(after_apply(&granted.apply(manifest(map)).unwrap()).0, config_map("web-a"));
    let reads = before_generate(&granted.generate("pin").unwrap());
    let read: Vec<_> = reads.iter().map(|permit| permit.0.clone()).collect();
    assert_eq!(read, [secret("web-copy"), secret("web-pin")]);
}

/// A deny of all that is required: nothing would be left to do.
#[tokio::test]
async fn a_deny_of_all_of_something_required_does_not_start_a_run_and_says_so() {
    let rule = json!([{"verbs": ["get", "apply", "delete"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": ["web-*"]}]);
    let maps =
        ["apply", "delete", "get"].map(|verb| format!("# refused by deny: '{verb}:ConfigMap:prod/web-*'"));
    let one = |line: &str| vec![line.to_owned()];
    let denials = [
        (json!({"kubernetes": rule}), maps.to_vec()),
        (json!({"files": [{"name": "site.conf"}]}), one("# refused by deny: the file 'site.conf'")),
        (json!({"credentials": ["token"]}), one("# refused by deny: the credential 'token'")),
        (json!({"credentials": ["pin"]}), one("# refused by deny: the credential 'pin'")),
    ];
    for (deny, expected) in denials {
        let grant = changed(|grant| grant["deny"] = deny.clone());
        assert_eq!(missing(granted(&required(), grant).await), expected, "{deny}");
    }
    // A part of it is left, so it starts.
    for deny in [
        json!({"reveal": ["token"]}),
        json!({"kubernetes": [{"verbs": ["apply"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": ["web-a"]}]}),
    ] {
        let grant = changed(|grant| grant["deny"] = deny.clone());
        assert!(granted(&required(), grant).await.is_ok(), "{deny}");
    }
}

/// The shortfall as somebody sees it who only asks.
#[tokio::test]
async fn asking_what_is_missing_says_what_a_run_would_say() {
    let (verified, verified_again) = (verified(&required()).await, verified(&required()).await);
    let ask = |grant: Value| {
        let grant = serde_json::from_value(grant).unwrap();
        shortfall(verified.bundle(), verified.component(), &grant, &names())
    };
    let optional = ["--allow-kube 'get:Service:prod/db'", "--allow-file 'themes/*=PATH'"];
    let asked = ask(enough()).unwrap();
    assert_eq!(
        (lines(&asked.required), lines(&asked.optional)),
        (Vec::new(), optional.map(str::to_owned).to_vec())
    );
    let asked = ask(changed(|grant| grant["kubernetes"][0]["verbs"] = json!(["get", "apply"]))).unwrap();
    assert_eq!(lines(&asked.required), ["--allow-kube 'delete:ConfigMap:prod/web-*'"]);
    assert_eq!(lines(&asked.optional), optional);
    let nothing = missing(Granted::new(verified_again, &GrantSpec::default(), names()));
    assert!(matches!(ask(json!({})), Err(Shortfall::Missing(lines)) if lines.iter().eq(&nothing)));
    let unreadable = changed(|grant| grant["limits"] = json!({"memory": "much"}));
    assert!(matches!(ask(unreadable), Err(Shortfall::InvalidGrant(InvalidGrant::Limit(_)))));
}

#[tokio::test]
async fn a_grant_or_a_request_that_cannot_be_used_does_not_start_a_run() {
    let requests = required();
    let limit = changed(|grant| grant["limits"] = json!({"timeout": "soon"}));
    assert!(matches!(
        granted(&requests, limit).await.err(),
        Some(Shortfall::InvalidGrant(InvalidGrant::Limit(_)))
    ));
    for member in ["kubernetes", "generate"] {
        let empty = changed(|grant| grant[member][0]["names"] = json!([]));
        let unreadable = changed(|grant| grant[member][0]["into"] = json!(["prod/ConfigMap/x"]));
        let grant = if member == "generate" { unreadable } else { empty };
        assert!(
            matches!(
                granted(&requests, grant).await.err(),
                Some(Shortfall::InvalidGrant(InvalidGrant::Rule(_)))
            ),
            "{member}"
        );
    }
    let deny = changed(|grant| {
        grant["deny"] =
            json!({"kubernetes": [{"verbs": ["get"], "kinds": ["a b"], "namespaces": ["x"], "names": ["y"]}]})
    });
    assert!(matches!(
        granted(&requests, deny).await.err(),
        Some(Shortfall::InvalidGrant(InvalidGrant::Rule(_)))
    ));
    // A parameter's text is part of the request.
    let requests = "parameters: { file: { schema: { type: string } } }
requests: { files: [{ name: '${parameters.file}' }] }";
    let names = Names { parameters: [("file".to_owned(), json!("*"))].into(), ..names() };
    let refused = Granted::new(verified(requests).await, &GrantSpec::default(), names).err();
    assert!(matches!(refused, Some(Shortfall::Requests(_))));
}

/// Imports come first: what the binary may not even import is no matter of granting.
#[tokio::test]
async fn imports_that_nobody_requested_or_provides_are_told_apart_and_come_before_the_grant() {
    let verified = verified("requests: { files: [{ name: a }] }").await;
    let refusal = |interface: &str, function: &str| {
        let component = importing(interface, function);
        shortfall(verified.bundle(), &component, &GrantSpec::default(), &names()).unwrap_err()
    };
    match refusal("carnet:kubernetes/apply@0.1.0", "apply") {
        Shortfall::Unrequested(interfaces) => assert_eq!(interfaces.len(), 1, "{interfaces:?}"),
        other => panic!("{other:?}"),
    }
    match refusal("carnet:kubernetes/apply@0.1.0", "apply-all") {
        Shortfall::Unprovided(interfaces) => assert_eq!(interfaces.len(), 1, "{interfaces:?}"),
        other => panic!("{other:?}"),
    }
    match refusal("evil:host/exec@1.0.0", "exec") {
        Shortfall::Unprovided(interfaces) => {
            assert!(interfaces[0].contains("evil:host/exec"), "{interfaces:?}")
        }
        other => panic!("{other:?}"),
    }
    let requested = refusal("carnet:files/read@0.1.0", "read");
    assert!(matches!(requested, Shortfall::Missing(_)), "{requested:?}");
}

#[tokio::test]
async fn an_object_is_permitted_by_its_verb_kind_namespace_and_name_together() {
    let granted = all().await;
    assert_eq!(granted.get(config_map("web-a")).unwrap().0, config_map("web-a"));
    assert_eq!(granted.delete(config_map("web-a")).unwrap().0, config_map("web-a"));
    let of_another_kind = ObjectRef::new("v1", "Pod", Some("prod"), "web-a");
    let elsewhere = ObjectRef::new("v1", "ConfigMap", Some("dev"), "web-a");
    let of_another_group = ObjectRef::new("example.com/v1", "ConfigMap", Some("prod"), "web-a");
    for object in [of_another_kind, elsewhere, of_another_group, config_map("other")] {
        assert_eq!(reason(granted.get(object.clone())), "not requested", "{object}");
        assert_eq!(reason(granted.delete(object.clone())), "not requested", "{object}");
    }
    // Its values are another verb than its name.
    assert!(granted.get(secret("web-db")).is_ok());
    assert_eq!(reason(granted.delete(secret("web-db"))), "not requested");
}

#[tokio::test]
async fn a_verb_is_no_other_verb() {
    let requests = "requests: { kubernetes: [
        { verbs: [get], kinds: [ConfigMap, Secret], namespaces: [prod], names: [read] },
        { verbs: [apply], kinds: [ConfigMap, Secret], namespaces: [prod], names: [write] },
        { verbs: [delete], kinds: [ConfigMap], namespaces: [prod], names: [gone] }] }";
    let rule = |verb: &str, name: &str| json!({"verbs": [verb], "kinds": ["ConfigMap", "Secret"], "namespaces": ["prod"], "names": [name]});
    let grant = json!({"kubernetes": [rule("get", "read"), rule("apply", "write"), rule("delete", "gone")]});
    let granted = granted(requests, grant).await.unwrap();
    let apply = |name: &str| {
        granted.apply(manifest(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})))
    };
    for (name, get, put, delete, wait) in [
        ("read", true, false, false, true),
        ("write", false, true, false, true),
        ("gone", false, false, true, false),
    ] {
        assert_eq!(granted.get(config_map(name)).is_ok(), get, "get {name}");
        assert_eq!(apply(name).is_ok(), put, "apply {name}");
        assert_eq!(granted.delete(config_map(name)).is_ok(), delete, "delete {name}");
        assert_eq!(granted.wait(config_map(name)).is_ok(), wait, "wait {name}");
    }
    // `get` reads no Secret, and who applies one does not read it; waiting shows no value.
    assert_eq!(reason(granted.get(secret("read"))), "not requested");
    assert_eq!(reason(granted.get(secret("write"))), "not requested");
    assert!(granted.wait(secret("write")).is_ok());
    assert_eq!(reason(granted.wait(secret("read"))), "not requested");
    assert_eq!(
        granted.wait(config_map("gone")).unwrap_err().to_string(),
        "not permitted: wait for ConfigMap prod/gone"
    );
}

/// A token Secret acts through its ServiceAccount: the server fills in a token of that account.
#[tokio::test]
async fn who_acts_through_another_object_must_be_allowed_to_apply_that_one_as_well() {
    let requests = |more: &str| {
        format!(
            "requests: {{ kubernetes: [{{ verbs: [apply], kinds: [Secret{more}], namespaces: [prod], names: [bot] }}] }}"
        )
    };
    let grant = json!({"kubernetes": [{"verbs": ["apply"], "kinds": ["Secret", "ServiceAccount"], "namespaces": ["prod"], "names": ["bot"]}]});
    let token = || {
        manifest(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"name": "bot", "annotations": {"kubernetes.io/service-account.name": "bot"}},
        }))
    };
    let alone = granted(&requests(""), grant.clone()).await.unwrap();
    assert_eq!(reason(alone.apply(token())), "not requested");
    let both = granted(&requests(", ServiceAccount"), grant).await.unwrap();
    assert!(both.apply(token()).is_ok());
}

#[tokio::test]
async fn an_action_that_only_reads_writes_nothing_whatever_is_granted() {
    let granted = all().await.reading_only();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web-a"}});
    assert_eq!(reason(granted.apply(manifest(map))), "reading only");
    assert_eq!(reason(granted.delete(config_map("web-a"))), "reading only");
    assert!(granted.get(config_map("web-a")).is_ok());
    assert!(granted.wait(config_map("web-a")).is_ok());
    assert!(granted.read("site.conf").is_ok());
}

/// A deny of what can be done without: the run starts, and the deny wins over the grant.
#[tokio::test]
async fn a_deny_wins_for_every_kind_of_power_and_for_nothing_beside_it() {
    let grant = changed(|grant| {
        grant["deny"] = json!({
            "kubernetes": [{"verbs": ["delete"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": ["web-a"]}],
            "files": [{"name": "site.conf"}],
            "reveal": ["token"],
            "credentials": ["pin"],
        });
    });
    let granted = granted(&optional(), grant).await.unwrap();
    assert_eq!(reason(granted.delete(config_map("web-a"))), "refused");
    assert!(granted.delete(config_map("web-b")).is_ok());
    assert!(granted.get(config_map("web-a")).is_ok());
    assert_eq!(reason(granted.read("site.conf")), "refused");
    assert_eq!(reason(granted.reveal("token")), "refused");
    assert!(granted.lend("token").is_ok() && granted.place("token", &secret("web-db")).is_ok());
    assert_eq!(reason(granted.generate("pin")), "refused");
    assert_eq!(reason(granted.place("pin", &secret("web-pin"))), "refused");
}

#[tokio::test]
async fn a_deny_counts_in_any_spelling_of_a_kind_of_others_and_for_reading_secrets() {
    let rule = "{ verbs: [delete, get-secret], kinds: [x.example/Thing, Secret], namespaces: [prod], names: ['web-*'], optional: true }";
    let allowed = json!([{
        "verbs": ["delete", "get-secret"], "kinds": ["x.example/Thing", "Secret"], "namespaces": ["prod"], "names": ["web-*"],
    }]);
    let denying = async |deny: Value| {
        let grant = json!({"kubernetes": allowed, "deny": {"kubernetes": [deny]}});
        granted(&format!("requests: {{ kubernetes: [{rule}] }}"), grant).await.unwrap()
    };
    let thing = || ObjectRef::new("x.example/v1", "Thing", Some("prod"), "web-a");
    for kind in ["Thing", "thing", "THING", "things"] {
        let deny = json!({"verbs": ["delete"], "kinds": [format!("x.example/{kind}")], "namespaces": ["prod"], "names": ["web-a"]});
        let granted = denying(deny).await;
        assert_eq!(reason(granted.delete(thing())), "refused", "{kind}");
        assert!(
            granted.delete(ObjectRef { name: "web-b".into(), ..thing() }).is_ok(),
            "{kind}: another name"
        );
    }
    let anywhere = json!({"verbs": ["delete"], "kinds": ["x.example/Thing"], "names": ["web-a"]});
    assert_eq!(reason(denying(anywhere).await.delete(thing())), "refused", "without a namespace");
    for kind in ["x.example/Thin", "y.example/Thing", "x.example/Things2"] {
        let other = json!({"verbs": ["delete"], "kinds": [kind], "namespaces": ["prod"], "names": ["web-a"]});
        assert!(denying(other).await.delete(thing()).is_ok(), "{kind}");
    }
    let reading = json!({"verbs": ["get"], "kinds": ["Secret"], "namespaces": ["prod"], "names": ["web-a"]});
    let granted = denying(reading).await;
    assert_eq!(reason(granted.get(secret("web-a"))), "refused");
    assert!(granted.get(secret("web-b")).is_ok());
}

#[tokio::test]
async fn a_denied_credential_is_neither_lent_placed_nor_shown() {
    let requests = "requests: { credentials: [{ name: token, into: [prod/Secret/web-db], reveal: true, optional: true }] }";
    let grant = json!({
        "credentials": [{"name": "token", "into": ["prod/Secret/web-db"], "reveal": true}],
        "deny": {"credentials": ["token"]},
    });
    let granted = granted(requests, grant).await.unwrap();
    assert_eq!(reason(granted.lend("token")), "refused");
    assert_eq!(reason(granted.reveal("token")), "refused");
    assert_eq!(reason(granted.place("token", &secret("web-db"))), "refused");
}

#[tokio::test]
async fn a_credential_goes_only_where_both_sides_let_it_go() {
    let granted = all().await;
    assert_eq!(granted.lend("token").unwrap().0, "token");
    assert_eq!(reason(granted.lend("pin")), "not requested");
    assert_eq!(reason(granted.reveal("pin")), "not requested");
    let placed = granted.place("token", &secret("web-db")).unwrap();
    assert_eq!((&*placed.credential, &placed.secret), ("token", &secret("web-db")));
    for elsewhere in
        [secret("web-pin"), secret("other"), ObjectRef::new("v1", "Secret", Some("dev"), "web-db")]
    {
        assert_eq!(reason(granted.place("token", &elsewhere)), "not requested", "{elsewhere}");
    }
    // One that is made has Secrets of its own.
    assert!(granted.place("pin", &secret("web-copy")).is_ok());
    assert_eq!(reason(granted.place("pin", &secret("web-db"))), "not requested");
}

#[tokio::test]
async fn a_made_credential_lives_where_both_sides_say_and_its_denial_names_every_flag() {
    let optional =
        "requests: { generate: [{ name: pin, into: [prod/Secret/a, prod/Secret/b], optional: true }] }";
    let one = json!({"generate": [{"name": "pin", "into": ["prod/Secret/b", "prod/Secret/c"]}]});
    let permit = granted(optional, one).await.unwrap().generate("pin").unwrap();
    assert_eq!((&*permit.name, &*permit.secrets), ("pin", &[secret("b")][..]));
    let denied = granted(optional, json!({})).await.unwrap().generate("pin").unwrap_err();
    let flags = "--allow-generate pin=prod/Secret/a --allow-generate pin=prod/Secret/b";
    assert_eq!(denied.explained(), format!("make the credential pin: no grant allows it: {flags}"));
    let other =
        granted(optional, json!({"generate": [{"name": "pin", "into": ["prod/Secret/c"]}]})).await.unwrap();
    assert_eq!(reason(other.generate("pin")), "not granted");
    assert_eq!(reason(other.generate("key")), "not requested");
}

#[tokio::test]
async fn a_file_is_the_one_that_is_bound_and_below_a_directory_the_rest_of_its_name() {
    let requests =
        "requests: { files: [{ name: site.conf }, { name: 'themes/*' }, { name: spare, optional: true }] }";
    let grant = json!({"files": [
        {"name": "site.conf", "path": "/etc/site.conf"},
        {"name": "themes/*", "path": "/srv/themes"},
        {"name": "other", "path": "/etc/shadow"},
    ]});
    let granted = granted(requests, grant).await.unwrap();
    assert_eq!(granted.read("site.conf").unwrap().path, BoundPath::File("/etc/site.conf".into()));
    let below = granted.read("themes/dark/main.css").unwrap();
    assert_eq!(below.path, BoundPath::Below("/srv/themes".into(), "dark/main.css".into()));
    assert_eq!(below.name, "themes/dark/main.css");
    assert_eq!(reason(granted.read("other")), "not requested");
    assert_eq!(reason(granted.read("site.conf2")), "not requested");
    let spare = granted.read("spare").unwrap_err();
    assert_eq!(spare.explained(), "read the file spare: no grant allows it: --allow-file 'spare=PATH'");
}

/// The component is told one thing whatever the reason, so that trying tells it nothing.
#[tokio::test]
async fn the_operator_is_told_the_reason_and_the_component_is_not() {
    let requests = "requests: { kubernetes: [
        { verbs: [get], kinds: [ConfigMap, Service], namespaces: [prod], names: [a, b], optional: true }] }";
    let deny = json!([{"verbs": ["get"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": ["b"]}]);
    let granted = granted(requests, json!({"deny": {"kubernetes": deny}})).await.unwrap();
    let denied =
        [config_map("a"), config_map("b"), config_map("c")].map(|object| granted.get(object).unwrap_err());
    let reasons = denied.each_ref().map(|denied| denied.reason().to_string());
    assert_eq!(
        reasons,
        [
            "no grant allows it: --allow-kube 'get:ConfigMap:prod/a'",
            "a `deny` refuses it",
            "the bundle does not request it",
        ]
    );
    let told = denied
        .each_ref()
        .map(|denied| denied.to_string().replace("prod/b", "prod/a").replace("prod/c", "prod/a"));
    assert!(told.iter().all(|text| *text == told[0]), "{told:?}");
}
