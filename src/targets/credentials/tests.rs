use super::*;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::metadata::LAST_APPLIED;
use crate::kubernetes::object::ObjectRef;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

const VALUE: &str = "p\"ä/ss w:rd";

fn lent() -> LentCredentials {
    let mut lent = LentCredentials::default();
    lent.lend(Permitted::for_tests(Lend("db".into())), VALUE.into());
    lent
}

fn object(kind: &str, rest: Value) -> Object {
    let mut body = json!({"apiVersion":"v1","kind":kind,"metadata":{"name":"a"}});
    body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    Object::of(body, "prod", &Kinds::default()).unwrap()
}

/// The permit to place a credential into the Secret of these tests.
fn placed(credential: &str) -> Vec<Permitted<PlaceCredential>> {
    placed_into(credential, "prod", "a")
}

fn placed_into(credential: &str, namespace: &str, name: &str) -> Vec<Permitted<PlaceCredential>> {
    let secret = ObjectRef::new("v1", "Secret", Some(namespace), name);
    vec![Permitted::for_tests(PlaceCredential { credential: credential.into(), secret })]
}

#[test]
fn a_credential_goes_only_where_a_permit_places_it() {
    let secret = object("Secret", json!({"stringData": {"x": placeholder("db", Encoding::Raw)}}));
    let refused = Misplaced::Unpermitted("db".into());
    for permits in
        [Vec::new(), placed("other"), placed_into("db", "prod", "b"), placed_into("db", "dev", "a")]
    {
        assert_eq!(lent().fill(&secret, &permits).err(), Some(refused.clone()), "{permits:?}");
        assert_eq!(lent().omit(&secret, &permits).err(), Some(refused.clone()), "{permits:?}");
    }
    assert!(lent().fill(&secret, &placed("db")).is_ok() && lent().omit(&secret, &placed("db")).is_ok());
    let without = object("Secret", json!({"stringData": {"x": "y"}}));
    assert!(lent().fill(&without, &[]).is_ok(), "nothing is placed there");
}

/// The object, which is another one than was written.
fn body(filled: &Filled) -> &Value {
    filled.body(&Value::Null)
}

fn decoded(filled: &Filled, key: &str) -> String {
    let text = body(filled)["data"][key].as_str().unwrap();
    String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
}

#[test]
fn each_encoding_writes_the_credential_its_way() {
    let url = format!("postgres://me:{}@db/x", placeholder("db", Encoding::Url));
    let json = format!("{{\"password\":\"{}\"}}", placeholder("db", Encoding::Json));
    let secret = object(
        "Secret",
        json!({
            "stringData": {"raw": placeholder("db", Encoding::Raw), "url": url, "json": json},
            "data": {"base64": placeholder("db", Encoding::Base64), "other": "eA=="},
        }),
    );
    let filled = lent().fill(&secret, &placed("db")).unwrap();
    assert_eq!(decoded(&filled, "raw"), VALUE);
    assert_eq!(decoded(&filled, "base64"), VALUE);
    assert_eq!(decoded(&filled, "url"), "postgres://me:p%22%C3%A4%2Fss%20w%3Ard@db/x");
    let parsed: Value = serde_json::from_str(&decoded(&filled, "json")).unwrap();
    assert_eq!(parsed["password"], VALUE);
    assert_eq!(body(&filled)["data"]["other"], "eA==");
    assert!(filled.is_secret && body(&filled).get("stringData").is_none());
}

/// Secrets that hold this credential's placeholder so often, in each place and encoding.
fn repeated(times: usize) -> Vec<Object> {
    let text = |encoding| placeholder("db", encoding).repeat(times);
    let keys: Map<_, _> =
        (0..times).map(|key| (format!("k{key}"), placeholder("db", Encoding::Base64).into())).collect();
    let texts = Encoding::ALL.map(|(encoding, _)| json!({"stringData": {"a": text(encoding)}}));
    texts.into_iter().chain([json!({ "data": keys })]).map(|rest| object("Secret", rest)).collect()
}

#[test]
fn what_would_be_more_than_a_secret_holds_is_never_filled() {
    let mut lent = LentCredentials::default();
    lent.lend(Permitted::for_tests(Lend("db".into())), "x".repeat(2 << 10).into());
    for secret in repeated(1000) {
        assert!(lent.placements(&secret).is_ok());
        assert_eq!(lent.length(&secret), Err(Misplaced::Large));
        assert_eq!(lent.fill(&secret, &placed("db")).err(), Some(Misplaced::Large));
        assert!(lent.omit(&secret, &placed("db")).is_ok(), "what is left out takes no room");
    }
}

#[test]
fn the_length_that_is_foretold_is_that_of_what_is_filled() {
    let lent = lent();
    for secret in repeated(3) {
        let filled = lent.fill(&secret, &placed("db")).unwrap();
        let keys = body(&filled)["data"].as_object().unwrap().keys();
        let length: usize = keys.map(|key| decoded(&filled, key).len()).sum();
        assert_eq!(lent.length(&secret), Ok(length));
    }
    assert_eq!(lent.length(&object("Secret", json!({"stringData": {"a": "x"}}))), Ok(0));
}

#[test]
fn a_credential_that_looks_like_a_placeholder_is_no_placeholder() {
    let mut lent = lent();
    lent.lend(Permitted::for_tests(Lend("odd".into())), placeholder("db", Encoding::Raw).into());
    let text = placeholder("odd", Encoding::Raw) + &placeholder("db", Encoding::Url);
    let permits: Vec<_> = placed("db").into_iter().chain(placed("odd")).collect();
    let filled = lent.fill(&object("Secret", json!({"stringData": {"a": text}})), &permits).unwrap();
    let expected = placeholder("db", Encoding::Raw) + &Encoding::Url.write(VALUE);
    assert_eq!(decoded(&filled, "a"), expected);
}

#[test]
fn a_placeholder_outside_a_secret_is_refused() {
    let text = placeholder("db", Encoding::Raw);
    for object in [
        object("ConfigMap", json!({"data": {"a": text}})),
        object("Secret", json!({"type": text})),
        object("Secret", json!({"stringData": {(text.clone()): "x"}})),
        object("ConfigMap", json!({(text.clone()): "x"})),
    ] {
        assert_eq!(lent().placements(&object), Err(Misplaced::Outside));
    }
}

#[test]
fn a_placeholder_of_what_was_not_lent_is_refused() {
    let secret = object("Secret", json!({"stringData": {"a": placeholder("other", Encoding::Raw)}}));
    assert_eq!(lent().placements(&secret), Err(Misplaced::Unknown("a".into())));
}

#[test]
fn data_takes_nothing_but_a_whole_base64_placeholder() {
    let raw = object("Secret", json!({"data": {"a": placeholder("db", Encoding::Raw)}}));
    assert_eq!(lent().placements(&raw), Err(Misplaced::Data("a".into())));
}

#[test]
fn an_object_that_takes_no_credential_goes_out_as_it_was_written() {
    let written = json!("as it was written");
    let map = object("ConfigMap", json!({"data": {"a": "b"}, "stringData": {"c": "d"}}));
    for filled in [lent().fill(&map, &[]).unwrap(), lent().omit(&map, &[]).unwrap()] {
        assert_eq!((filled.body(&written), filled.is_secret), (&written, false));
    }
    let secret = object("Secret", json!({"stringData": {"a": "b"}, "data": {"c": "eA=="}}));
    assert_eq!(lent().omit(&secret, &[]).unwrap().body(&written), &written);
    let filled = lent().fill(&secret, &[]).unwrap();
    assert_eq!(
        body(&filled)["data"],
        json!({"a": BASE64.encode("b"), "c": "eA=="}),
        "as the server keeps it"
    );
    assert!(body(&filled).get("stringData").is_none() && !filled.is_secret);
}

#[test]
fn what_is_omitted_is_named_and_not_there() {
    let secret = object("Secret", json!({"stringData": {"a": placeholder("db", Encoding::Raw), "b": "x"}}));
    let filled = lent().omit(&secret, &placed("db")).unwrap();
    assert_eq!(body(&filled)["stringData"], json!({"b": "x"}));
    assert_eq!(body(&filled)["metadata"]["annotations"][CREDENTIALS], r#"{"a":["db"]}"#);
    assert!(!body(&filled).to_string().contains("ss w"));
}

/// What a reader knows of a Secret that nothing but the Secret itself tells of.
fn unrecorded(found: FoundAs) -> Account {
    Account { keys: None, found, reader: "prod/web".into(), may_hold: true }
}

fn read_as_written(secret: Value) -> Value {
    redacted(secret, &unrecorded(FoundAs::Written))
}

#[test]
fn a_component_reads_back_a_redacted_value() {
    let secret = object("Secret", json!({"stringData": {"a": placeholder("db", Encoding::Raw), "b": "x"}}));
    let read = read_as_written(body(&lent().fill(&secret, &placed("db")).unwrap()).clone());
    assert_eq!(read["data"]["a"], BASE64.encode(REDACTED));
    assert_eq!(read["data"]["b"], BASE64.encode("x"));
}

fn made() -> LentCredentials {
    let mut made = LentCredentials::default();
    let permit = Permitted::for_tests(Generate { name: "key".into(), secrets: Vec::new() });
    made.generate(&permit, "letters".into());
    made
}

fn found(secret: &Value, name: &str) -> Option<String> {
    generated(secret, name).unwrap().map(|value| value.expose_secret().to_owned())
}

#[test]
fn a_generated_credential_is_found_again_where_it_stands_whole() {
    for (member, encoding) in [("stringData", Encoding::Raw), ("data", Encoding::Base64)] {
        let url = format!("redis://:{}@cache", placeholder("key", Encoding::Url));
        let mut text = json!({"stringData": {"a-url": url}});
        text[member]["z"] = placeholder("key", encoding).into();
        let filled = made().fill(&object("Secret", text), &placed("key")).unwrap();
        assert_eq!(body(&filled)["metadata"]["annotations"][GENERATED], r#"{"key":"z"}"#);
        assert_eq!(found(body(&filled), "key").as_deref(), Some("letters"));
        assert_eq!(found(body(&filled), "other"), None);
        assert_eq!(read_as_written(body(&filled).clone())["data"]["z"], BASE64.encode(REDACTED));
    }
}

#[test]
fn a_generated_credential_that_could_not_be_found_again_is_refused() {
    let whole_but_twice_encoded = placeholder("key", Encoding::Base64);
    let part = format!("x{}", placeholder("key", Encoding::Raw));
    for text in [whole_but_twice_encoded, part, placeholder("key", Encoding::Json)] {
        let secret = object("Secret", json!({"stringData": {"a": text}}));
        assert_eq!(made().placements(&secret), Err(Misplaced::Part("key".into())));
    }
}

#[test]
fn a_lent_credential_is_never_taken_for_a_generated_one() {
    let secret = object("Secret", json!({"stringData": {"a": placeholder("db", Encoding::Raw)}}));
    let filled = lent().fill(&secret, &placed("db")).unwrap();
    assert_eq!(body(&filled)["metadata"]["annotations"].get(GENERATED), None);
    assert_eq!(found(body(&filled), "db"), None);
}

#[test]
fn what_an_annotation_says_is_not_believed_blindly() {
    let secret = |annotation: &str, value: &str| {
        let annotations = json!({ GENERATED: annotation, CREDENTIALS: r#"{"a": ["key"], "z": ["db"]}"# });
        json!({"metadata": {"annotations": annotations}, "data": {"a": value, "z": "eA=="}})
    };
    for (annotation, value) in
        [(r#"{"key":"b"}"#, "eA=="), (r#"{"other":"a"}"#, "eA=="), (r#"{"key":"a"}"#, "")]
    {
        assert_eq!(found(&secret(annotation, value), "key"), None, "{annotation} {value}");
    }
    // The key of a credential that was lent, which could be placed as the generated one.
    for annotation in [r#"{"key":"z"}"#, r#"{"key":["a"]}"#, r#"{"key":"a","key":"a"}"#, "key", ""] {
        let error = generated(&secret(annotation, "eA=="), "key").err();
        assert_eq!(error, Some(Unrecoverable::Annotation("key".into())), "{annotation}");
    }
    for value in ["no base64", "/w=="] {
        let error = generated(&secret(r#"{"key":"a"}"#, value), "key").err();
        assert_eq!(error, Some(Unrecoverable::NotText("key".into())));
    }
}

#[test]
fn where_it_cannot_be_told_which_values_are_credentials_none_is_shown() {
    let long = format!("{{\"a\":[\"{}\"]}}", "x".repeat(crate::document::MAX_BYTES));
    for annotations in [
        json!({CREDENTIALS: "no document"}),
        json!({CREDENTIALS: "{\"a\":"}),
        json!({CREDENTIALS: "{\"a\":\"db\"}"}),
        json!({CREDENTIALS: "[]"}),
        json!({CREDENTIALS: 7}),
        json!({CREDENTIALS: null}),
        json!({ CREDENTIALS: long }),
        json!("carnet.dev/credentials"),
        json!([]),
    ] {
        let secret = json!({
            "metadata": {"annotations": annotations},
            "data": {"a": "aGVsbG8=", "b": "aGVsbG8="},
            "stringData": {"c": "hello"},
        });
        let text = read_as_written(secret).to_string();
        assert!(!text.contains("aGVsbG8=") && !text.contains("hello"), "{text}");
    }
    let odd = json!({"metadata": {"annotations": {CREDENTIALS: "{\"a\":[\"db\"]}"}}, "data": ["aGVsbG8="]});
    assert!(!read_as_written(odd).to_string().contains("aGVsbG8="));
    let plain = json!({"metadata": {}, "data": {"a": "aGVsbG8="}});
    assert_eq!(read_as_written(plain.clone()), plain);
}

#[test]
fn a_copy_that_kubectl_keeps_of_a_secret_is_not_shown() {
    let kept = json!({"metadata": {"annotations": {LAST_APPLIED: "aGVsbG8="}}, "data": {}});
    assert!(!read_as_written(kept).to_string().contains("aGVsbG8="));
}

/// A Secret as a server has it: each holder with the keys that it applied.
fn managed(data: &Value, annotations: &Value, holders: &[(&str, &[&str], bool)]) -> Value {
    let entry = |(manager, keys, has_annotation): &(&str, &[&str], bool)| {
        let keys: Map<_, _> = keys.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
        let marks = if *has_annotation { json!({ (format!("f:{CREDENTIALS}")): {} }) } else { json!({}) };
        json!({"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": keys, "f:metadata": {"f:annotations": marks}}})
    };
    let entries: Vec<_> = holders.iter().map(entry).collect();
    json!({"metadata": {"annotations": annotations, "managedFields": entries}, "data": data})
}

fn shown_keys(secret: &Value, account: &Account) -> Vec<String> {
    let read = redacted(secret.clone(), account);
    let is_shown = |(key, value): &(&String, &Value)| **value == secret["data"][key.as_str()];
    read["data"].as_object().unwrap().iter().filter(is_shown).map(|(key, _)| key.clone()).collect()
}

fn recorded(lent: &[&str], plain: &[&str], found: FoundAs) -> Account {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let keys = SecretKeys { lent: set(lent), plain: set(plain), is_partial: false };
    Account { keys: Some(keys), ..unrecorded(found) }
}

#[test]
fn a_credential_is_hidden_by_the_record_whatever_the_secret_says_of_itself() {
    let data = json!({"a": "aGVsbG8=", "b": "d29ybGQ=", "c": "b3RoZXI="});
    let ours = ("carnet/prod/web", &["a", "b"][..], true);
    let theirs = ("backup", &["a", "c"][..], false);
    let own = |credentials: Option<&str>| json!({ "carnet.dev/installation": "prod/web", CREDENTIALS: credentials });
    let removed = json!({ "carnet.dev/installation": "prod/web" });
    let account = recorded(&["a"], &["b"], FoundAs::Managed);
    for annotations in [own(Some(r#"{"a":["db"]}"#)), own(Some("{}")), own(None), removed, json!({})] {
        let secret = managed(&data, &annotations, &[ours, theirs]);
        let shown = shown_keys(&secret, &account);
        assert!(shown.is_empty() || shown == ["b"], "{annotations}: {shown:?}");
        assert!(!redacted(secret, &account).to_string().contains("aGVsbG8="));
    }
    // The next version does not apply `a`, which another manager holds as well.
    let left = managed(&data, &own(None), &[("carnet/prod/web", &["b"], false), theirs]);
    let removed = managed(&data, &json!({}), &[("carnet/prod/web", &["b"], false), theirs]);
    assert!(shown_keys(&left, &account).is_empty(), "the annotation is no text");
    assert_eq!(shown_keys(&removed, &account), ["b"], "`c` is on no record");
}

#[test]
fn a_plain_value_that_somebody_else_has_replaced_is_not_shown_beside_credentials() {
    let data = json!({"a": "aGVsbG8=", "b": "aGVsbG8="});
    let annotations = json!({ CREDENTIALS: r#"{"a":["db"]}"# });
    let account = recorded(&["a"], &["b"], FoundAs::Managed);
    let with = |keys: &[&str]| {
        managed(&data, &annotations, &[("carnet/prod/web", keys, true), ("backup", &["b"], false)])
    };
    assert_eq!(shown_keys(&with(&["a", "b"]), &account), ["b"]);
    assert!(shown_keys(&with(&["a"]), &account).is_empty(), "it is not the one that was applied");
    let file = json!({"metadata": {"annotations": annotations}, "data": data});
    assert_eq!(shown_keys(&file, &recorded(&["a"], &["b"], FoundAs::Written)), ["b"]);
    assert!(shown_keys(&file, &recorded(&["a"], &["b"], FoundAs::Edited)).is_empty());
}

#[test]
fn a_secret_that_never_held_a_credential_is_shown_as_it_is() {
    let data = json!({"a": "aGVsbG8=", "token": "d29ybGQ="});
    let own = json!({ "carnet.dev/installation": "prod/web" });
    let secret =
        managed(&data, &own, &[("carnet/prod/web", &["a"], false), ("controller", &["token"], false)]);
    assert_eq!(shown_keys(&secret, &recorded(&[], &["a"], FoundAs::Managed)), ["a", "token"]);
    let mut partial = recorded(&[], &["a"], FoundAs::Managed);
    partial.keys = partial.keys.map(|keys| SecretKeys { is_partial: true, ..keys });
    assert_eq!(shown_keys(&secret, &partial), ["a"], "it was there before it was on record");
    let foreign = json!({"metadata": {"annotations": {"x": "y"}}, "data": data});
    assert_eq!(shown_keys(&foreign, &unrecorded(FoundAs::Managed)), ["a", "token"]);
}

#[test]
fn of_a_secret_on_no_record_nothing_is_shown_that_it_does_not_account_for_itself() {
    let data = json!({"a": "aGVsbG8=", "b": "d29ybGQ="});
    let annotations = |owner: &str, credentials: Option<&str>| {
        let mut all = json!({ "carnet.dev/installation": owner });
        if let Some(text) = credentials {
            all[CREDENTIALS] = text.into();
        }
        all
    };
    let told = Some(r#"{"a":["db"]}"#);
    for (owner, manager, credentials, is_held, may_hold, shown) in [
        ("prod/web", "carnet/prod/web", told, true, true, &["b"][..]),
        ("prod/other", "carnet/prod/other", told, true, true, &["b"]),
        ("prod/web", "carnet/prod/web", told, false, true, &[]),
        ("prod/web", "carnet/prod/web", Some("{}"), false, true, &[]),
        ("prod/web", "carnet/prod/web", None, false, true, &[]),
        ("prod/web", "carnet/prod/web", None, false, false, &["a", "b"]),
        ("prod/other", "carnet/prod/other", None, false, false, &[]),
        ("prod/other", "backup", None, false, false, &[]),
    ] {
        let secret = managed(&data, &annotations(owner, credentials), &[(manager, &["a", "b"], is_held)]);
        let account = Account { may_hold, ..unrecorded(FoundAs::Managed) };
        assert_eq!(shown_keys(&secret, &account), shown, "{owner} {credentials:?} {is_held} {may_hold}");
    }
    let unmarked = managed(&data, &json!({}), &[("carnet/prod/other", &["a", "b"], false)]);
    assert!(
        shown_keys(&unmarked, &unrecorded(FoundAs::Managed)).is_empty(),
        "its manager tells whose it was"
    );
}

#[test]
fn no_label_and_no_annotation_repeats_a_value_that_is_hidden() {
    let marks = json!({
        CREDENTIALS: r#"{"a":["db"]}"#, "kapp/original": r#"{"data":{"a":"aGVsbG8="}}"#, "x": "say hello", "y": "z",
    });
    let secret = json!({
        "metadata": {"annotations": marks, "labels": {"l": "hello", "m": "n"}}, "data": {"a": "aGVsbG8="},
    });
    let read = read_as_written(secret);
    assert_eq!(read["metadata"]["annotations"], json!({ CREDENTIALS: r#"{"a":["db"]}"#, "y": "z" }));
    assert_eq!(read["metadata"]["labels"], json!({"m": "n"}));
}
