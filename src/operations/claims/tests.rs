//! History that leaves a state and comes into another one, and what must not come with it.
#![expect(clippy::disallowed_methods, reason = "tests make directories")]

use super::*;
use crate::bundle::parameters::RecordedValues;
use crate::targets::Place;

const CLAIM: &str = "01E5G8ZYP714JVM8NHTJQ4FH15";
const RESULT: &str = "01E5G8ZYP7ZZZZZZZZZZZZZZZZ";

/// What came of an import into a state whose installations are in a directory.
fn imported(text: &str, state: &State) -> Result<ClaimsImported, Error> {
    let place = Some(Place::directory("/rendered"));
    import(&ImportRequest { text: text.into(), place, namespace: "prod".into() }, state)
}

fn state() -> (tempfile::TempDir, State) {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(&directory.path().join("state")).unwrap();
    (directory, state)
}

fn bundle() -> Value {
    json!({
        "schemaVersion": "v1.2.0", "name": "shop", "version": "1.0.0",
        "invocationImages": [{ "image": "registry.example/c:1", "contentDigest": Digest::of(b"c") }],
        "definitions": { "text": { "type": "string" }, "secret": { "type": "string", "writeOnly": true } },
        "parameters": {
            "HOST": { "definition": "text", "destination": { "env": "HOST" } },
            "KEY": { "definition": "secret", "destination": { "env": "KEY" } },
        },
        "outputs": {
            "url": { "definition": "text", "path": "/cnab/app/outputs/url" },
            "token": { "definition": "secret", "path": "/cnab/app/outputs/token" },
        },
    })
}

/// A claim of another program: with a grant, signers and dangers that were none of ours to believe.
fn claim() -> Value {
    json!({
        "id": CLAIM, "installation": "web", "revision": "01E5G8ZYP7REV0000000000000",
        "created": "2026-01-02T03:04:05Z", "action": "install", "bundle": bundle(),
        "bundleReference": format!("registry.example/shop:1@{}", Digest::of(b"index")),
        "parameters": { "HOST": "shop.example", "KEY": "hunter2" },
        "custom": { RUN: {
            "bundle": Digest::of(b"index"),
            "terms": { "bundle": Digest::of(b"index"), "kubernetes": [
                { "verbs": ["apply"], "kinds": ["Secret"], "namespaces": ["kube-system"], "names": ["a"] }] },
            "files": [{ "name": "values", "digest": Digest::of(b"x"), "content": "x" }],
            "signers": ["ops"], "rule": "all", "rollbackTo": "01E5G8ZYP7REV0000000000000",
        } },
    })
}

fn result(status: &str) -> Value {
    json!({ "id": RESULT, "claimId": CLAIM, "created": "2026-01-02T03:05:05Z", "status": status,
        "outputs": { "url": { "contentDigest": Digest::of(b"https://shop.example") }, "token": {} } })
}

fn list() -> Value {
    json!({ "apiVersion": "carnet.dev/v1alpha1", "kind": "ClaimList", "items": [{
        "claim": claim(), "results": [result("succeeded")],
        "outputs": { "url": "https://shop.example", "token": "hunter3" },
    }] })
}

fn refusal(value: &Value) -> String {
    let (_directory, state) = state();
    let refused = imported(&value.to_string(), &state).unwrap_err().to_string();
    assert!(state.find("web").unwrap().is_none(), "nothing was recorded");
    refused
}

#[test]
fn an_imported_installation_has_a_history_and_nothing_else() {
    let (directory, state) = state();
    let imported = imported(&list().to_string(), &state).unwrap();
    assert_eq!(imported.claims, [CLAIM]);
    assert_eq!(imported.withheld, ["output `token`", "parameter `KEY`"]);
    let there = state.get("web").unwrap();
    assert_eq!((there.namespace.as_str(), there.settings.bundle_name.as_str()), ("prod", "shop"));
    assert!(there.inventory().is_empty() && there.recorded().is_empty());
    // Invariant: whoever can write the state widens nothing that an operator decided.
    assert_eq!(there.settings.grant, crate::grant::spec::GrantSpec::default());
    assert!(there.settings.consent.is_none() && there.settings.rule.is_none());
    assert!(there.settings.signers.is_empty() && there.settings.reference.is_empty());
    assert!(matches!(there.last_parameters(), RecordedValues::OfOthers(_)) && there.is_installed());
    let last = there.last.unwrap();
    assert!(last.imported && last.grant == crate::grant::spec::GrantSpec::default());
    assert!(last.files.is_none() && last.reference.is_empty() && last.rollback_to.is_none());
    assert_eq!(last.secret_parameters, ["KEY"]);
    assert_eq!(state.outputs("web").unwrap().len(), 1);
    for file in std::fs::read_dir(directory.path().join("state")).unwrap().map(Result::unwrap) {
        let written = std::fs::read(file.path()).unwrap_or_default();
        assert!(!written.windows(7).any(|it| it == b"hunter2" || it == b"hunter3"), "{:?}", file.path());
    }
}

#[test]
fn what_is_exported_is_valid_and_comes_back_as_it_was() {
    let (_directory, first) = state();
    drop(imported(&list().to_string(), &first).unwrap());
    let exported = export(Some("web"), None, &first).unwrap();
    assert_eq!(exported.left_out, Vec::<String>::new());
    let text = exported.document().unwrap().to_string();
    for secret in ["hunter2", "hunter3", "\"content\"", IMPORTED] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let entry = &exported.items[0];
    assert_eq!(entry.results[0]["id"], RESULT);
    assert_eq!(entry.results[0]["created"], "2026-01-02T03:05:05Z");
    assert_eq!(entry.claim["bundle"], bundle());
    let (_directory, second) = state();
    drop(imported(&text, &second).unwrap());
    let again = export(None, Some("prod"), &second).unwrap();
    assert_eq!(again.document().unwrap().to_string(), text);
    assert!(export(None, Some("other"), &second).unwrap().items.is_empty());
    assert!(matches!(export(Some("none"), None, &second), Err(Error::State(_))));
}

#[test]
fn every_status_comes_back_and_one_that_was_to_pass_is_unknown() {
    for (status, expected) in [
        ("succeeded", "succeeded"),
        ("failed", "failed"),
        ("canceled", "canceled"),
        ("unknown", "unknown"),
        ("pending", "unknown"),
        ("running", "unknown"),
    ] {
        let (_directory, state) = state();
        let items = json!([claim(), result(status)]);
        drop(imported(&items.to_string(), &state).unwrap());
        assert_eq!(state.get("web").unwrap().last.unwrap().result.as_str(), expected, "{status}");
    }
    let (_directory, state) = state();
    drop(imported(&claim().to_string(), &state).unwrap());
    assert!(state.get("web").unwrap().is_interrupted());
}

#[test]
fn importing_goes_on_where_it_was_cut_off_and_never_changes_what_is_there() {
    let mut second = claim();
    (second["id"], second["action"]) = ("01E5G8ZYP8AAAAAAAAAAAAAAAA".into(), "upgrade".into());
    let whole = json!([second, claim(), result("succeeded")]).to_string();
    let (_directory, state) = state();
    drop(imported(&claim().to_string(), &state).unwrap());
    assert_eq!(imported(&whole, &state).unwrap().claims, ["01E5G8ZYP8AAAAAAAAAAAAAAAA"]);
    assert_eq!(imported(&whole, &state).unwrap().claims, Vec::<String>::new());
    let actions = state.revisions("web").unwrap().whole().unwrap();
    assert_eq!(actions.iter().map(|it| it.action.as_str()).collect::<Vec<_>>(), ["install", "upgrade"]);
    let mut changed = claim();
    changed["parameters"]["HOST"] = "evil.example".into();
    for others in [changed.to_string(), claim().to_string()] {
        assert!(matches!(imported(&others, &state), Err(Error::ClaimsThere(name)) if name == "web"));
    }
}

#[test]
fn what_breaks_a_rule_is_not_recorded() {
    let with = |pointer: &str, value: Value| {
        let mut list = list();
        *list.pointer_mut(pointer).unwrap() = value;
        refusal(&list)
    };
    for (pointer, value, expected) in [
        ("/items/0/claim/id", json!("1"), "/items/0/claim/id: `1` is not a ULID"),
        (
            "/items/0/claim/parameters",
            json!({ "NOPE": 1 }),
            "/items/0/claim/parameters/NOPE: is no parameter",
        ),
        ("/items/0/results/0/status", json!("success"), "/items/0/results/0/status: `success` is none of"),
        ("/items/0/results/0/claimId", json!(RESULT), "/items/0/results/0/claimId: is not the id"),
        ("/items/0/results/0/outputs", json!({ "x": {} }), "/items/0/results/0/outputs/x: is no output"),
        (
            "/items/0/outputs/url",
            json!("https://evil.example"),
            "/items/0/outputs/url: is not what the digest",
        ),
        ("/items/0/outputs/url", json!(7), "/items/0/outputs/url: it must be text, and is a number"),
        ("/items/0/outputs", json!([]), "/items/0/outputs: must be a mapping"),
        ("/items/0/results", json!({}), "/items/0/results: must be a list"),
        ("/items", json!([]), "has no claim"),
        ("/items", json!(1), "/items: must be a list"),
        ("/items", json!([{}]), "/items/0/claim: is missing"),
        ("/kind", json!("Plan"), "is neither a claim"),
    ] {
        let refused = with(pointer, value);
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    let mut other = claim();
    (other["id"], other["installation"]) = (RESULT.into(), "other".into());
    assert!(refusal(&json!([claim(), other])).contains("has claims of `web` and of `other`"));
    let mut same = claim();
    same["created"] = "2026-01-02T03:04:06Z".into();
    assert!(refusal(&json!([claim(), same])).contains("is the id of another claim too"));
    assert!(refusal(&json!([claim(), 7])).contains("is neither a claim nor a result"));
    let mut stray = result("failed");
    stray["claimId"] = RESULT.into();
    assert!(refusal(&json!([claim(), stray])).contains("is the id of no claim here"));
    let secret = with("/items/0/claim/parameters/KEY", json!(12));
    assert!(!secret.contains("12"), "{secret}");
}
