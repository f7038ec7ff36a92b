//! Credentials are in no log, error, plan, journal, database or JSON: whatever an installation produces is searched for
//! one. And what an operator changed by hand is theirs.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read and write files")]

#[path = "secrets/generated.rs"]
mod generated;
mod support;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carnet::grant::spec::FileGrant;
use carnet::host::{GuestError, Supplied};
use carnet::install::{Error, Operation, Outcome};
use carnet::run::RunError;
use carnet::targets::credentials::{Encoding, placeholder};
use carnet::targets::directory::Secrets;
use carnet::targets::{self, Overrides};
use carnet::verify::Verified;
use support::guest::Script;
use support::{Home, approving, config_map, example, object, signed, unsigned};

/// It differs in every encoding, and no part of it occurs elsewhere.
const PASSWORD: &str = "K\u{e4}se \"hunter2\" & Br\u{f6}tchen/+?";

/// Texts by which the password could be recognised: as it is, and the middle of it in the encodings that change it.
fn disguises() -> Vec<(String, Vec<u8>)> {
    let mut disguises = vec![("raw".to_owned(), b"hunter2".to_vec())];
    // In base64 the text around it moves it by up to two bytes; whole groups of three are the same wherever it stands.
    for shift in 0..3 {
        let encoded = BASE64.encode([&vec![b'x'; shift], PASSWORD.as_bytes()].concat());
        let end = encoded.len() / 4 * 4 - 8;
        disguises.push((format!("base64 moved by {shift}"), encoded.as_bytes()[8..end].to_vec()));
    }
    let bytes = PASSWORD.bytes();
    disguises.push((
        "hexadecimal".into(),
        bytes.map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes(),
    ));
    disguises
}

fn leaks(text: &[u8]) -> Vec<String> {
    let found = |needle: &[u8]| text.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle));
    disguises().into_iter().filter(|(_, needle)| found(needle)).map(|(name, _)| name).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The files below a home that hold the password.
fn leaking(home: &Home) -> Vec<PathBuf> {
    let all = files(home.root.path());
    assert!(all.iter().any(|file| file.ends_with("state/state.db")), "{all:?}");
    all.into_iter().filter(|file| !leaks(&std::fs::read(file).unwrap()).is_empty()).collect()
}

fn guestbook(home: &Home) -> Verified {
    home.built(&example("guestbook"), "guestbook");
    let (fetched, policy) = signed(&home.path("guestbook"));
    policy.verify(fetched, jiff::Timestamp::UNIX_EPOCH).unwrap()
}

fn operation(home: &Home, action: &str, verified: &Verified) -> Operation {
    let mut consent = approving(verified);
    consent.grant.files.push(FileGrant { name: "site.conf".into(), path: example("guestbook/site.conf") });
    let credentials = Supplied::new([("db-password".to_owned(), PASSWORD.into())].into());
    Operation { consent, credentials, ..home.operation(action) }
}

fn plain(mut operation: Operation) -> Operation {
    operation.place = operation.place.with_secrets(Secrets::Plain);
    operation
}

/// Everything that a caller of the library gets to see of a run.
fn everything(outcome: &Outcome) -> String {
    let mut text = format!("{outcome:?} {}", serde_json::to_string(outcome.plan()).unwrap());
    for output in outcome.outputs.values() {
        text += &output.to_string();
    }
    text
}

#[test]
fn the_search_finds_what_it_searches_for() {
    let url = format!("postgres://x:{PASSWORD}@db/");
    for text in [PASSWORD.to_owned(), url.clone(), BASE64.encode(PASSWORD), BASE64.encode(url)] {
        assert!(!leaks(text.as_bytes()).is_empty(), "{text}");
    }
    assert!(leaks(placeholder("db-password", Encoding::Base64).as_bytes()).is_empty());
}

#[test]
fn a_credential_is_nowhere_after_an_installation() {
    let home = Home::new();
    let verified = guestbook(&home);
    let asked = operation(&home, "install", &verified);
    let outcome = home.act(Some(verified), asked).unwrap();
    assert_eq!(leaks(everything(&outcome).as_bytes()), [""; 0]);
    assert_eq!(leaking(&home), Vec::<PathBuf>::new());

    let verified = guestbook(&home);
    let asked = operation(&home, "upgrade", &verified);
    let outcome = home.act(Some(verified), asked).unwrap();
    assert_eq!(leaks(everything(&outcome).as_bytes()), [""; 0]);
    assert_eq!(leaks(format!("{:?}", home.state().get("web").unwrap()).as_bytes()), [""; 0]);
    home.act(None, home.operation("uninstall")).unwrap();
    assert_eq!(leaking(&home), Vec::<PathBuf>::new());
}

#[test]
fn a_credential_is_in_no_error() {
    let home = Home::new();
    let verified = guestbook(&home);
    let asked = operation(&home, "install", &verified);
    home.act(Some(verified), asked).unwrap();
    std::fs::write(home.path("rendered/prod/secret_web-db.yaml"), "changed: by hand\n").unwrap();
    let verified = guestbook(&home);
    let asked = plain(operation(&home, "upgrade", &verified));
    let error = home.act(Some(verified), asked).unwrap_err();
    assert!(matches!(&error, Error::Run { refusal: Some(_), .. }), "{error:?}");
    assert_eq!(leaks(format!("{error:?} {}", support::chain(&error)).as_bytes()), [""; 0]);
    assert_eq!(leaking(&home), Vec::<PathBuf>::new());
}

#[cfg(unix)]
#[test]
fn a_credential_that_is_asked_for_in_plain_is_in_one_file_of_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let verified = guestbook(&home);
    let asked = plain(operation(&home, "install", &verified));
    let outcome = home.act(Some(verified), asked).unwrap();
    assert_eq!(leaks(everything(&outcome).as_bytes()), [""; 0]);
    let secret = home.path("rendered/prod/secret_web-db.yaml");
    assert_eq!(leaking(&home), std::slice::from_ref(&secret));
    assert_eq!(secret.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // Without `--secrets plain` the values are gone again, and with it they come back for their owner alone.
    let verified = guestbook(&home);
    let asked = operation(&home, "upgrade", &verified);
    let outcome = home.act(Some(verified), asked).unwrap();
    assert_eq!(leaks(everything(&outcome).as_bytes()), [""; 0]);
    assert_eq!(leaking(&home), Vec::<PathBuf>::new());
    let verified = guestbook(&home);
    let asked = plain(operation(&home, "upgrade", &verified));
    home.act(Some(verified), asked).unwrap();
    assert_eq!(secret.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

const SECRETS: &str = r#"credentials: {pw: {description: a password, required: true}}
requests:
  kubernetes:
  - verbs: [apply, get-secret, get]
    kinds: [Secret, ConfigMap]
    namespaces: ["${namespace}"]
    names: ["${installation}-*"]
  credentials: [{name: pw, into: ["${namespace}/Secret/${installation}-a"]}]
"#;

fn secret(member: &str, text: &str) -> String {
    format!("{{apiVersion: v1, kind: Secret, metadata: {{name: web-a}}, {member}: {{pw: \"{text}\"}}}}")
}

fn install(home: &Home, script: Script) -> Result<Outcome, Error> {
    let verified = unsigned(home.bundle("secrets", &script.component(), SECRETS));
    let credentials = Supplied::new([("pw".to_owned(), PASSWORD.into())].into());
    let consent = approving(&verified);
    home.act(Some(verified), plain(Operation { consent, credentials, ..home.operation("install") }))
}

#[test]
fn a_component_that_reads_its_secret_back_reads_no_credential() {
    let object = object("v1", "Secret", "web-a");
    let cases = [
        ("stringData", Encoding::Raw),
        ("stringData", Encoding::Url),
        ("stringData", Encoding::Json),
        ("data", Encoding::Base64),
    ];
    for (member, encoding) in cases {
        let home = Home::new();
        let manifest = secret(member, &placeholder("pw", encoding));
        let outcome = install(&home, Script::new().lend("pw").apply(&[&manifest]).show(&object)).unwrap();
        let read = &outcome.log[0].text;
        assert!(
            read.contains("web-a")
                && (read.contains("<redacted>") || read.contains(&BASE64.encode("<redacted>"))),
            "{read}"
        );
        assert_eq!(leaks(everything(&outcome).as_bytes()), [""; 0]);
        assert!(home.rendered()["prod/secret_web-a.yaml"].contains("pw:"));
    }
}

#[test]
fn what_a_component_is_told_of_an_apply_compares_no_credentials() {
    let home = Home::new();
    let told = |encoding: Encoding| {
        let script = Script::new()
            .lend("pw")
            .apply_and_tell(&secret("stringData", &placeholder("pw", encoding)))
            .apply_and_tell(&config_map("web-b"));
        let verified = unsigned(home.bundle("secrets", &script.component(), SECRETS));
        let credentials = Supplied::new([("pw".to_owned(), "same-in-a-url".into())].into());
        let consent = approving(&verified);
        let action = if home.rendered().is_empty() { "install" } else { "upgrade" };
        let outcome = home
            .act(Some(verified), plain(Operation { consent, credentials, ..home.operation(action) }))
            .unwrap();
        let told = outcome.log.iter().map(|entry| entry.text.trim().to_owned()).collect::<Vec<_>>();
        (outcome.plan().is_empty(), told)
    };
    assert_eq!(told(Encoding::Raw), (false, vec!["created".into(), "created".into()]));
    // The Secret does not change, and the operator sees that; the component would learn that nothing is escaped.
    assert_eq!(told(Encoding::Url), (true, vec!["updated".into(), "unchanged".into()]));
}

#[test]
fn a_placeholder_in_any_other_place_is_refused() {
    let raw = placeholder("pw", Encoding::Raw);
    let named = |name: &str| secret("stringData", &raw).replace("web-a", name);
    let outside = "a credential's placeholder stands outside `data` and `stringData` of a Secret";
    let in_data = "in `data` a placeholder must be the whole value and in base64 encoding (key `pw`)";
    let whole = secret("data", &placeholder("pw", Encoding::Base64));
    let cases = [
        (config_map("web-a").replace("a: b", &format!("a: {raw}")), outside),
        (
            secret("stringData", "x").replace("name: web-a", &format!("name: web-a, labels: {{a: {raw}}}")),
            outside,
        ),
        (secret("stringData", "x").replace("pw:", &format!("{raw}:")), outside),
        (secret("data", &raw), in_data),
        (whole.replace("pw: \"", "pw: \"eA=="), in_data),
        (named("web-b"), "not permitted: place the credential pw into Secret prod/web-b"),
    ];
    for (manifest, expected) in cases {
        let home = Home::new();
        let result = install(&home, Script::new().lend("pw").apply(&[&manifest]));
        let Err(Error::Run { source: RunError::Reported(told), .. }) = result else {
            panic!("{manifest}: {result:?}")
        };
        let (GuestError::Invalid(text) | GuestError::Denied(text)) = told else { panic!("{told:?}") };
        assert_eq!(text, expected);
        home.assert_untouched();
    }
    // A placeholder of a credential that this run has not lent stands for nothing.
    let home = Home::new();
    let result = install(&home, Script::new().apply(&[&secret("stringData", &raw)]));
    assert!(
        matches!(&result, Err(Error::Run { source: RunError::Reported(GuestError::Invalid(_)), .. })),
        "{result:?}"
    );
    home.assert_untouched();
}

// ---- what was changed by hand

/// Installs `web-a` and `web-b`, and changes the file of `web-a`.
fn edited(home: &Home) -> PathBuf {
    let guest = Script::new().apply(&[&config_map("web-a"), &config_map("web-b")]).component();
    let verified =
        unsigned(home.bundle("secrets", &guest, &SECRETS.replace("required: true", "required: false")));
    let operation = Operation { consent: approving(&verified), ..home.operation("install") };
    home.act(Some(verified), operation).unwrap();
    let file = home.path("rendered/prod/configmap_web-a.yaml");
    std::fs::write(&file, "mine: true\n").unwrap();
    file
}

fn upgrade(home: &Home, overrides: Overrides) -> Result<Outcome, Error> {
    let guest = Script::new().apply(&[&config_map("web-a").replace("a: b", "a: c"), &config_map("web-b")]);
    let requests = &SECRETS.replace("required: true", "required: false");
    let verified = unsigned(home.bundle("secrets", &guest.component(), requests));
    let mut operation = Operation { consent: approving(&verified), ..home.operation("upgrade") };
    operation.options.overrides = overrides;
    home.act(Some(verified), operation)
}

fn is_web_a(object: &impl ToString) -> bool {
    object.to_string() == "ConfigMap prod/web-a"
}

#[test]
fn a_file_that_was_changed_by_hand_is_not_overwritten_unless_the_operator_insists() {
    let home = Home::new();
    let file = edited(&home);
    let before = home.rendered();
    let result = upgrade(&home, Overrides::default());
    let Err(Error::Run {
        source: RunError::Reported(GuestError::Conflict(told)),
        refusal: Some(refusal),
        ..
    }) = result
    else {
        panic!("{result:?}")
    };
    assert_eq!(told, "another owner holds ConfigMap prod/web-a");
    assert!(
        matches!(&*refusal, targets::Error::Edited { object, file: named } if is_web_a(object) && *named == file)
    );
    assert_eq!(home.rendered(), before);

    upgrade(&home, Overrides { force_conflicts: true, ..Overrides::default() }).unwrap();
    assert!(home.rendered()["prod/configmap_web-a.yaml"].contains("a: c"));
}

#[test]
fn a_file_that_was_changed_by_hand_is_not_removed_unless_the_operator_insists() {
    let home = Home::new();
    let file = edited(&home);
    let before = home.rendered();
    let result = home.act(None, home.operation("uninstall"));
    let Err(Error::Target(targets::Error::Edited { object, .. })) = &result else { panic!("{result:?}") };
    assert!(is_web_a(object));
    assert_eq!(home.rendered()["prod/configmap_web-a.yaml"], before["prod/configmap_web-a.yaml"]);
    assert!(file.exists());
    assert!(!home.state().get("web").unwrap().is_deleted());

    let overrides = Overrides { force_conflicts: true, ..Overrides::default() };
    let mut operation = home.operation("uninstall");
    operation.options.overrides = overrides;
    home.act(None, operation).unwrap();
    assert!(home.rendered().is_empty());
    assert!(home.state().get("web").unwrap().is_deleted());
}

#[test]
fn a_file_of_somebody_else_is_not_taken_unless_the_operator_insists() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("rendered/prod")).unwrap();
    let file = home.path("rendered/prod/secret_web-a.yaml");
    std::fs::write(&file, "{metadata: {annotations: {carnet.dev/installation: prod/other}}}\n").unwrap();
    let result = install(&home, Script::new().apply(&[&secret("stringData", "x")]));
    let Err(Error::Run { refusal: Some(refusal), .. }) = &result else { panic!("{result:?}") };
    assert!(
        matches!(&**refusal, targets::Error::Foreign { owner: Some(owner), .. } if owner == "prod/other"),
        "{refusal:?}"
    );
    assert!(home.state().find("web").unwrap().is_none());
    assert_eq!(home.rendered().len(), 1);
}

#[test]
fn a_call_that_was_refused_when_it_was_planned_is_no_part_of_the_run() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("rendered/prod")).unwrap();
    let file = home.path("rendered/prod/configmap_web-a.yaml");
    std::fs::write(&file, "{metadata: {annotations: {carnet.dev/installation: prod/other}}}\n").unwrap();
    let both = [&*config_map("web-c"), &*config_map("web-a")];
    let script = Script::new().tolerant().apply(&both).apply_and_tell(&config_map("web-b"));
    let outcome = install(&home, script).unwrap();
    let told: Vec<_> = outcome.log.iter().map(|entry| entry.text.trim()).collect();
    assert_eq!(told, ["another owner holds ConfigMap prod/web-a", "created"]);
    let planned: Vec<_> = outcome.plan().steps.iter().map(|step| step.object.to_string()).collect();
    assert_eq!(planned, ["ConfigMap prod/web-b"]);
    assert_eq!(outcome.plan().changes.len(), 1);
    assert_eq!(home.rendered().len(), 2);
}

#[test]
fn a_component_that_was_shown_a_credential_cannot_put_it_into_its_log_by_carelessness() {
    let home = Home::new();
    let rest = "handles: [install]
credentials:
  key: { required: true }
requests:
  credentials:
  - { name: key, reveal: true, reason: to look at it }
";
    let bundle = unsigned(home.bundle("careless", &Script::new().reveal("key").component(), rest));
    let operation = Operation {
        consent: approving(&bundle),
        credentials: Supplied::new([("key".to_owned(), PASSWORD.into())].into()),
        ..home.operation("install")
    };
    let outcome = home.act(Some(bundle), operation).unwrap();
    let texts: Vec<_> = outcome.log.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(texts, ["<redacted>"]);
    assert_eq!(leaking(&home), Vec::<PathBuf>::new());
}
