//! A credential that the host makes: once, for the Secrets that the grant names, and for nobody's eyes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use carnet::capability;
use carnet::grant::spec::GrantSpec;
use carnet::grant::{Consent, Shortfall};
use carnet::host::GuestError;
use carnet::install::{Error, Operation, Outcome};
use carnet::run::RunError;
use carnet::targets::credentials::{Encoding, placeholder};

use crate::support::guest::Script;
use crate::support::{Home, approving, chain, config_map, fetch, object, reference, unsigned};
use crate::{BASE64, everything, files, plain};

const REQUESTS: &str = r#"
requests:
  kubernetes:
  - verbs: [apply, get-secret]
    kinds: [Secret, ConfigMap]
    namespaces: ["${namespace}"]
    names: ["${installation}-*"]
  generate: [{name: session-key, into: ["${namespace}/Secret/${installation}-a"], optional: true}]
"#;

fn secret(name: &str, data: &[(&str, &str)]) -> String {
    let data: BTreeMap<_, _> = data.iter().copied().collect();
    let data = serde_json::json!(data);
    format!("{{apiVersion: v1, kind: Secret, metadata: {{name: {name}}}, stringData: {data}}}")
}

/// An installer whose Secret holds the credential whole, and in a longer text.
fn script() -> Script {
    let url = format!("redis://:{}@cache", placeholder("session-key", Encoding::Url));
    let whole = placeholder("session-key", Encoding::Raw);
    Script::new()
        .generate("session-key", 32)
        .generate("session-key", 32)
        .apply(&[&secret("web-a", &[("key", &whole), ("url", &url)])])
}

fn act(
    home: &Home,
    action: &str,
    change: impl FnOnce(Operation) -> Operation,
    script: Script,
) -> Result<Outcome, Error> {
    let verified = unsigned(home.bundle("made", &script.component(), REQUESTS));
    let consent = approving(&verified);
    home.act(Some(verified), change(Operation { consent, ..home.operation(action) }))
}

/// The contents of the Secret's file: the credential, and the URL.
fn held(home: &Home) -> (String, String) {
    let file: serde_json::Value = carnet::document::yaml(&home.rendered()["prod/secret_web-a.yaml"]).unwrap();
    let value = |key: &str| {
        let bytes = BASE64.decode(file["data"][key].as_str().unwrap()).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    (value("key"), value("url"))
}

#[test]
fn it_is_made_once_and_kept() {
    let home = Home::new();
    let planned = act(&home, "install", plain, script()).unwrap().proposed.into_plan();
    let (made, url) = held(&home);
    assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{made}");
    assert_eq!(url, format!("redis://:{made}@cache"));
    assert_eq!(planned.credentials[0].into, ["prod/Secret/web-a:key", "prod/Secret/web-a:url"]);

    let again = act(&home, "upgrade", plain, script()).unwrap();
    assert!(again.plan().is_empty());
    assert_eq!(held(&home).0, made);

    // All that was recorded is lost.
    std::fs::remove_dir_all(home.path("state")).unwrap();
    let taken = |operation| {
        let mut operation = plain(operation);
        operation.options.overrides.take_ownership = true;
        operation
    };
    act(&home, "install", taken, script()).unwrap();
    assert_eq!(held(&home).0, made);

    act(&home, "uninstall", plain, Script::new()).unwrap();
    act(&home, "install", plain, script()).unwrap();
    assert_ne!(held(&home).0, made);
}

/// Runs the program, with a directory as target, and returns all that it said.
fn carnet(home: &Home, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command
        .env_clear()
        .env("HOME", home.path("home"))
        .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("secrets"))
        .env("CARNET_STATE", home.path("state"))
        .env("CARNET_TARGET", format!("dir:{}", home.path("rendered").display()))
        .args(["-o", "json"])
        .args(arguments)
        .current_dir(home.root.path())
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn a_rollback_keeps_the_value_that_the_installation_has() {
    let home = Home::new();
    let act = |verb: &str, name: &str, script: &Script, more: &[&str]| {
        let fetched = home.bundle(name, &script.component(), REQUESTS);
        let (layout, digest) =
            (format!("layout:{}", home.path(name).display()), fetched.digest().to_string());
        let fixed = [verb, "web", &layout, "-n", "prod", "-y", "--dangerous-unsigned", "--secrets", "plain"];
        carnet(&home, &[&fixed[..], &["--approve", &digest], more].concat())
    };
    let mut said = act("install", "one", &script(), &[]);
    let (first, installed) = (held(&home).0, home.rendered());

    // Somebody empties the Secret, so the next run makes another value.
    let path = home.path("rendered/prod/secret_web-a.yaml");
    let file = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, file.replace(&BASE64.encode(&first), "\"\"")).unwrap();
    let more = script().apply(&[&config_map("web-b")]);
    said += &act("upgrade", "two", &more, &["--force-conflicts"]);
    let second = held(&home).0;
    assert_ne!(second, first);
    assert_ne!(home.rendered().len(), installed.len());

    said += &carnet(&home, &["rollback", "web", "-y", "--dangerous-unsigned"]);
    assert!(home.rendered().keys().eq(installed.keys()), "what the second revision brought is gone");
    assert_eq!(held(&home), (second.clone(), format!("redis://:{second}@cache")));
    for value in [first, second] {
        assert!(!said.contains(&value) && !said.contains(&BASE64.encode(&value)), "{said}");
    }
}

#[test]
fn it_is_nowhere_but_in_its_secret() {
    let home = Home::new();
    let shown = object("v1", "Secret", "web-a");
    let outcome = act(&home, "install", plain, script().show(&shown)).unwrap();
    let (made, _) = held(&home);
    assert!(outcome.log[0].text.contains(&BASE64.encode("<redacted>")), "{:?}", outcome.log);
    assert!(!everything(&outcome).contains(&made));
    let forms = [made.clone(), BASE64.encode(&made)];
    for file in files(home.root.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let is_there =
            forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form.as_bytes()));
        assert_eq!(is_there, file.ends_with("rendered/prod/secret_web-a.yaml"), "{}", file.display());
    }
}

#[test]
fn it_is_left_out_of_a_directory_unless_it_is_asked_for_in_plain() {
    let home = Home::new();
    act(&home, "install", |operation| operation, script()).unwrap();
    let file = &home.rendered()["prod/secret_web-a.yaml"];
    assert!(!file.contains("\ndata:") && !file.contains("stringData"), "{file}");
    assert!(file.contains("session-key") && file.contains("carnet.dev/generated"), "{file}");
    assert!(act(&home, "upgrade", |operation| operation, script()).unwrap().plan().is_empty());
    act(&home, "upgrade", plain, script()).unwrap();
    assert_eq!(held(&home).0.len(), 32);
}

#[test]
fn a_key_that_is_gone_is_made_anew_and_one_that_is_no_text_is_an_error() {
    let home = Home::new();
    act(&home, "install", plain, script()).unwrap();
    let made = held(&home).0;
    let path = home.path("rendered/prod/secret_web-a.yaml");
    let file = std::fs::read_to_string(&path).unwrap();
    let encoded = BASE64.encode(&made);
    let insist = |operation| {
        let mut operation = plain(operation);
        operation.options.overrides.force_conflicts = true;
        operation
    };

    std::fs::write(&path, file.replace(&encoded, "/w==")).unwrap();
    let error = act(&home, "upgrade", insist, script()).unwrap_err();
    assert!(
        chain(&error).contains("the generated credential `session-key` is not text any more"),
        "{error:?}"
    );

    std::fs::write(&path, file.replace(&encoded, "\"\"")).unwrap();
    act(&home, "upgrade", insist, script()).unwrap();
    assert!(held(&home).0.len() == 32 && held(&home).0 != made);
}

#[test]
fn a_call_or_place_that_is_not_granted_or_makes_no_sense_is_refused() {
    let whole = placeholder("session-key", Encoding::Raw);
    let made = || Script::new().generate("session-key", 32);
    let cases = [
        (Script::new().generate("other", 32), "not permitted: make the credential other"),
        (Script::new().generate("a/b", 32), "`a/b` cannot name a generated credential"),
        (Script::new().generate("session-key", 0), "a generated credential has 16 to 128 characters, not 0"),
        (
            Script::new().generate("session-key", 100_000),
            "a generated credential has 16 to 128 characters, not 100000",
        ),
        (
            made().apply(&[&secret("web-b", &[("key", &whole)])]),
            "not permitted: place the credential session-key into Secret prod/web-b",
        ),
        (
            made().apply(&[&secret("web-a", &[("key", &whole)]).replace("Secret", "ConfigMap")]),
            "a credential's placeholder stands outside `data` and `stringData` of a Secret",
        ),
        (
            made().apply(&[&secret("web-a", &[("key", &format!("x{whole}"))])]),
            "the generated credential `session-key` must stand whole under one key of each Secret that it goes into",
        ),
    ];
    for (script, expected) in cases {
        let home = Home::new();
        let Err(Error::Run { source: RunError::Reported(told), .. }) = act(&home, "install", plain, script)
        else {
            panic!("not refused: {expected}")
        };
        let (GuestError::Invalid(text) | GuestError::Denied(text)) = told else { panic!("{told:?}") };
        assert_eq!(text, expected);
        home.assert_untouched();
    }
}

#[test]
fn without_a_grant_nothing_is_made_and_the_line_that_grants_it_is_named() {
    let home = Home::new();
    let refused = |mut grant: serde_json::Value| {
        grant["kubernetes"] = serde_json::json!([{
            "verbs": ["apply", "get-secret"], "kinds": ["Secret", "ConfigMap"], "namespaces": ["prod"], "names": ["web-*"],
        }]);
        let grant: GrantSpec = serde_json::from_value(grant).unwrap();
        let verified = unsigned(home.bundle("made", &script().component(), REQUESTS));
        let consent = Consent { grant, ..Consent::default() };
        let Err(Error::Run { source: RunError::Reported(GuestError::Denied(_)), denials, .. }) =
            home.act(Some(verified), Operation { consent, ..home.operation("install") })
        else {
            panic!("not refused")
        };
        home.assert_untouched();
        denials
    };
    let action = "make the credential session-key";
    let line = "no grant allows it: --allow-generate session-key=prod/Secret/web-a";
    assert_eq!(refused(serde_json::json!({})), [format!("{action}: {line}")]);
    // A grant for another Secret gives nothing, nor does one for a credential that is handed over.
    let elsewhere = serde_json::json!({
        "generate": [{"name": "session-key", "into": ["prod/Secret/web-b"]}],
        "credentials": [{"name": "session-key"}],
    });
    assert_eq!(refused(elsewhere), [format!("{action}: {line}")]);
    let denied = serde_json::json!({
        "generate": [{"name": "session-key", "into": ["prod/Secret/web-a"]}],
        "deny": {"credentials": ["session-key"]},
    });
    assert_eq!(refused(denied), [format!("{action}: a `deny` refuses it")]);
}

#[test]
fn a_bundle_that_does_not_ask_cannot_have_it_and_asks_for_one_kind_of_a_name_alone() {
    let home = Home::new();
    let component = script().component();
    let asking = home.bundle("asking", &component, REQUESTS);
    let forged = home.forged("forged", &asking, &component, |bundle| {
        bundle["custom"][capability::EXTENSION].as_object_mut().unwrap().remove("generate");
    });
    let verified = unsigned(fetch(&reference(&forged)).unwrap());
    let consent = approving(&verified);
    let error = home.act(Some(verified), Operation { consent, ..home.operation("install") }).unwrap_err();
    let Error::Shortfall(Shortfall::Unrequested(imports)) = error else { panic!("{error:?}") };
    assert_eq!(imports, ["carnet:credentials/generate@0.1.0"]);
    home.assert_untouched();

    let both: serde_json::Value = serde_json::json!({
        "credentials": [{"name": "a"}, {"name": "key"}],
        "generate": [{"name": "key", "into": ["a/Secret/b"]}],
    });
    let requests: capability::Requests = serde_json::from_value(both).unwrap();
    assert_eq!(requests.check().unwrap_err().to_string(), "`credentials` and `generate` both name `key`");
}
