//! One test for each way in which a bundle or a call is refused. Each says why it was refused, and that nothing was
//! done.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests read and damage files"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use carnet::author::AuthorError;
use carnet::bundle::component;
use carnet::digest::Digest;
use carnet::fetch::{FetchError, Fetched};
use carnet::grant::spec::{FileGrant, InvalidGrant};
use carnet::grant::{Consent, Shortfall};
use carnet::host::GuestError;
use carnet::host::progress::{LogEntry, Observer, Unready};
use carnet::install::{Answer, Approver, Decision, Error, Operation, Outcome};
use carnet::oci::OciError;
use carnet::plan::Plan;
use carnet::run::RunError;
use carnet::state::StateError;
use carnet::verify::{Flaw, Refusal, TrustPolicy, Verified, dangerously_unsigned};
use jiff::Timestamp;
use serde_json::json;
use support::guest::{Script, component, written};
use support::{Home, approving, build, config_map, fetch, object, reference, signed, unsigned};

const MAPS: &str = r#"
requests:
  kubernetes:
  - verbs: [apply, delete, get]
    kinds: [ConfigMap]
    namespaces: ["${namespace}"]
    names: ["${installation}-*"]
"#;

/// An installer of one ConfigMap, `web-a`.
fn one_map() -> Vec<u8> {
    Script::new().apply(&[&config_map("web-a")]).component()
}

fn install(home: &Home, fetched: Fetched) -> Result<Outcome, Error> {
    let verified = unsigned(fetched);
    let consent = approving(&verified);
    home.act(Some(verified), Operation { consent, ..home.operation("install") })
}

/// Installs a bundle with this grant, written as in a grant file.
fn install_with(home: &Home, fetched: Fetched, spec: &str) -> Result<Outcome, Error> {
    let verified = unsigned(fetched);
    let bundle = verified.digest();
    let text = format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata: {{name: test}}\nspec:\n  bundle: {bundle}\n{spec}"
    );
    let consent = Consent { documents: vec![support::grant(&text, Path::new(""))], ..Consent::default() };
    home.act(Some(verified), Operation { consent, ..home.operation("install") })
}

/// The errors that the component and the operator were told.
fn denied(result: Result<Outcome, Error>) -> (String, Vec<String>) {
    match result {
        Err(Error::Run { source: RunError::Reported(GuestError::Denied(text)), denials, .. }) => {
            (text, denials)
        }
        other => panic!("not denied: {other:?}"),
    }
}

fn shortfall(result: Result<Outcome, Error>) -> Shortfall {
    match result {
        Err(Error::Shortfall(shortfall)) => shortfall,
        other => panic!("no shortfall: {other:?}"),
    }
}

// ---- who made it

#[test]
fn without_a_signature_or_with_that_of_another_key_nothing_is_verified() {
    let home = Home::new();
    home.bundle("maps", &one_map(), MAPS);
    let (_, stranger) = {
        let other = Home::new();
        other.bundle("other", &one_map(), MAPS);
        signed(&other.path("other"))
    };
    let bare = fetch(&reference(&home.path("maps"))).unwrap();
    assert!(matches!(stranger.verify(bare, Timestamp::UNIX_EPOCH), Err(Refusal::Unsigned(_))));
    let (fetched, _) = signed(&home.path("maps"));
    let refused = stranger.verify(fetched, Timestamp::UNIX_EPOCH);
    let Err(Refusal::Signers { found: 0, flaws, .. }) = refused else { panic!("{refused:?}") };
    assert!(matches!(flaws[..], [(_, Flaw::UnknownKey(Some(_)))]), "{flaws:?}");
}

/// Everything that can refuse between the bytes of a layout and a run, in one text.
fn verified(layout: &Path, policy: &TrustPolicy) -> Result<Verified, String> {
    let fetched = fetch(&reference(layout)).map_err(|error| format!("fetch: {}", support::chain(&error)))?;
    policy
        .verify(fetched, Timestamp::UNIX_EPOCH)
        .map_err(|error| format!("verify: {}", support::chain(&error)))
}

#[test]
fn one_flipped_bit_in_any_blob_is_refused() {
    let home = Home::new();
    home.bundle("maps", &one_map(), MAPS);
    let layout = home.path("maps");
    let (_, policy) = signed(&layout);
    let mut damaged = 0;
    for blob in std::fs::read_dir(layout.join("blobs/sha256")).unwrap().map(Result::unwrap) {
        let (path, sound) = (blob.path(), std::fs::read(blob.path()).unwrap());
        if sound == b"{}" {
            continue; // It means nothing, is the same for everybody and is written, never read.
        }
        for at in [0, sound.len() / 2, sound.len() - 1] {
            let mut changed = sound.clone();
            changed[at] ^= 1;
            std::fs::write(&path, changed).unwrap();
            let refused = verified(&layout, &policy).unwrap_err();
            let named =
                refused.contains("not the one that its name says") || refused.contains("cannot be read");
            assert!(named, "{}: {refused}", path.display());
            damaged += 1;
        }
        std::fs::write(&path, sound).unwrap();
    }
    // Index, config manifest, bundle.json, OCI manifest of the component, its config, the component, the signature and
    // its manifest and list.
    assert!(damaged >= 3 * 9, "{damaged}");
    verified(&layout, &policy).unwrap();
}

#[test]
fn a_changed_index_json_leads_to_no_other_bundle() {
    let home = Home::new();
    home.bundle("maps", &one_map(), MAPS);
    let layout = home.path("maps");
    let (_, policy) = signed(&layout);
    let digest = verified(&layout, &policy).unwrap().digest();
    let sound = std::fs::read(layout.join("index.json")).unwrap();
    for at in 0..sound.len() {
        let mut changed = sound.clone();
        changed[at] ^= 1;
        std::fs::write(layout.join("index.json"), changed).unwrap();
        // Some of its bytes are only names; none of them can make another bundle of it.
        if let Ok(verified) = verified(&layout, &policy) {
            assert_eq!(verified.digest(), digest, "byte {at}");
        }
    }
}

#[test]
fn a_bundle_with_the_signature_of_another_is_refused() {
    let home = Home::new();
    let honest = home.bundle("maps", &one_map(), MAPS);
    let (_, policy) = signed(&home.path("maps"));
    let forged = home.forged("forged", &honest, honest.component_bytes(), |bundle| {
        bundle["description"] = json!("another");
    });
    // The list of signatures of the honest bundle, at the tag of the forged one.
    let forged_digest = fetch(&reference(&forged)).unwrap().digest();
    for blob in std::fs::read_dir(home.path("maps/blobs/sha256")).unwrap().map(Result::unwrap) {
        std::fs::copy(blob.path(), forged.join("blobs/sha256").join(blob.file_name())).unwrap();
    }
    let read = |layout: &Path| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap()
    };
    let mut entries = read(&forged);
    let name = "org.opencontainers.image.ref.name";
    let mut list = read(&home.path("maps"))["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["annotations"][name].as_str().unwrap().starts_with("sha256-"))
        .unwrap()
        .clone();
    list["annotations"][name] = json!(format!("sha256-{}", forged_digest.hex()));
    entries["manifests"].as_array_mut().unwrap().push(list);
    std::fs::write(forged.join("index.json"), entries.to_string()).unwrap();

    let refused = verified(&forged, &policy).unwrap_err();
    assert!(refused.starts_with("verify: ") && !refused.contains("there is 1"), "{refused}");
}

// ---- what it imports

#[test]
fn an_import_that_is_not_requested_is_refused_when_building_and_when_granting() {
    let home = Home::new();
    let honest = home.bundle("maps", &one_map(), MAPS);
    let only_reading = MAPS.replace("apply, delete, get", "get");
    let source = home.path("maps-source");
    std::fs::write(
        source.join("carnet.yaml"),
        std::fs::read_to_string(source.join("carnet.yaml")).unwrap().replace(MAPS, &only_reading),
    )
    .unwrap();
    let built = build(&source, &home.path("other"), None);
    let Err(AuthorError::Unrequested(imports)) = built else { panic!("{built:?}") };
    assert_eq!(imports, ["carnet:kubernetes/apply@0.1.0"]);

    let forged = home.forged("forged", &honest, honest.component_bytes(), |bundle| {
        bundle["custom"]["dev.carnet.capabilities"]["kubernetes"][0]["verbs"] = json!(["get"]);
    });
    let refused = shortfall(install(&home, fetch(&reference(&forged)).unwrap()));
    assert!(matches!(&refused, Shortfall::Unrequested(found) if *found == imports), "{refused:?}");
    home.assert_untouched();
}

#[test]
fn an_import_that_nothing_provides_is_refused_when_building_and_when_granting() {
    let home = Home::new();
    let honest = home.bundle("maps", &one_map(), MAPS);
    for (interface, function) in [("carnet:later/orders@0.1.0", "give"), ("wasi:http/requests@0.2.6", "send")]
    {
        let guest = component(&format!(
            r#"(module (import "{interface}" "{function}" (func $f))
              (memory (export "memory") 1)
              (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32) (call $f) i32.const 16)
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))"#
        ));
        std::fs::write(home.path("maps-source/component.wasm"), &guest).unwrap();
        let built = build(&home.path("maps-source"), &home.path("other"), None);
        assert!(
            matches!(&built, Err(AuthorError::Unprovided(found)) if found[..] == [interface]),
            "{built:?}"
        );

        let forged = home.forged(function, &honest, &guest, |_| ());
        let refused = shortfall(install(&home, fetch(&reference(&forged)).unwrap()));
        assert!(matches!(&refused, Shortfall::Unprovided(found) if found[..] == [interface]), "{refused:?}");
    }
    home.assert_untouched();
}

#[test]
fn what_is_no_installer_is_never_admitted() {
    let home = Home::new();
    let honest = home.bundle("maps", &one_map(), MAPS);
    let nothing = wat::parse_str("(component)").unwrap();
    let core = wat::parse_str("(module)").unwrap();
    type Expected = fn(&component::InvalidComponent) -> bool;
    let cases: [(&str, &[u8], Expected); 4] = [
        ("component", &nothing, |error| matches!(error, component::InvalidComponent::NoInstaller)),
        ("core", &core, |error| matches!(error, component::InvalidComponent::CoreModule)),
        ("empty", b"", |error| matches!(error, component::InvalidComponent::Empty)),
        ("zeroes", &[0; 4096], |error| matches!(error, component::InvalidComponent::NotWasm)),
    ];
    for (name, bytes, is_expected) in cases {
        let fetched = fetch(&reference(&home.forged(name, &honest, bytes, |_| ()))).unwrap();
        assert!(is_expected(fetched.component().unwrap_err()), "{name}");
        let refused = dangerously_unsigned(fetched, &TrustPolicy::none());
        assert!(
            matches!(&refused, Err(Refusal::Component(error)) if is_expected(error)),
            "{name}: {refused:?}"
        );

        std::fs::write(home.path("maps-source/component.wasm"), bytes).unwrap();
        let built = build(&home.path("maps-source"), &home.path("other"), None);
        assert!(
            matches!(built, Err(AuthorError::Component(_) | AuthorError::Encode(_))),
            "{name}: {built:?}"
        );
    }
    home.assert_untouched();
}

#[test]
fn a_component_that_is_too_large_is_refused_by_its_size_alone() {
    let home = Home::new();
    let honest = home.bundle("maps", &one_map(), MAPS);
    let zeroes = vec![0; 100 << 20];
    let layout = home.forged("zeroes", &honest, &zeroes, |_| ());
    // Nothing could be read from it any more.
    let blob = layout.join("blobs/sha256").join(Digest::of(&zeroes).hex());
    std::fs::remove_file(blob).unwrap();
    let fetched = fetch(&reference(&layout));
    let Err(FetchError::Oci(OciError::TooLong { what, limit })) = fetched else { panic!("{fetched:?}") };
    assert_eq!((what, limit), (Digest::of(&zeroes).to_string(), 64 << 20));
}

// ---- what it may do

#[test]
fn a_required_request_that_is_not_granted_is_named_with_the_line_that_grants_it() {
    let home = Home::new();
    let requests = format!(
        "{MAPS}  - {{verbs: [apply], kinds: [Service], namespaces: [\"${{namespace}}\"], names: [\"${{installation}}-*\"]}}\n"
    );
    let bundle = home.bundle("maps", &one_map(), &requests);
    let narrower =
        "  kubernetes: [{verbs: [get, apply], kinds: [ConfigMap], namespaces: [prod], names: [web-*]}]";
    let Shortfall::Missing(lines) = shortfall(install_with(&home, bundle, narrower)) else { panic!() };
    assert_eq!(lines, ["--allow-kube 'apply:Service:prod/web-*'"]);
    home.assert_untouched();
}

/// What a plan does beyond a grant that is narrower than the request.
#[track_caller]
fn exceeded(result: Result<Outcome, Error>) -> Vec<String> {
    let Shortfall::Exceeded(lines) = shortfall(result) else { panic!() };
    lines.iter().map(ToString::to_string).collect()
}

#[test]
fn what_a_plan_does_beyond_a_narrower_grant_is_named_object_by_object() {
    let narrow =
        "  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: [prod], names: [web-a, web-c]}]";
    let maps = |names: &[&str]| names.iter().map(|name| config_map(name)).collect::<Vec<_>>();
    let apply = |script: Script, names: &[&str]| {
        script.apply(&maps(names).iter().map(String::as_str).collect::<Vec<_>>())
    };
    let home = Home::new();
    // All of one call, and not the one that is granted.
    let script = apply(Script::new(), &["web-a"]);
    let bundle = home.bundle("maps", &apply(script, &["web-b", "web-c", "web-d"]).component(), MAPS);
    let lines = exceeded(install_with(&home, bundle, narrow));
    let line = |name: &str| format!("--allow-kube 'apply:ConfigMap:prod/{name}'");
    assert_eq!(lines, [line("web-b"), line("web-d")]);
    home.assert_untouched();
    // A component that passes over a refusal does not make up for it.
    let script = apply(Script::new().tolerant(), &["web-b"]);
    let bundle = home.bundle("tolerant", &apply(script, &["web-a"]).component(), MAPS);
    assert_eq!(exceeded(install_with(&home, bundle, narrow)), [line("web-b")]);
    home.assert_untouched();
    let gone = [object("v1", "ConfigMap", "web-a"), object("v1", "ConfigMap", "web-b")];
    let script = Script::new().delete(&gone);
    let bundle = home.bundle("deletes", &script.component(), MAPS);
    let lines = exceeded(install_with(&home, bundle, narrow));
    assert_eq!(lines, [line("web-a"), line("web-b")].map(|line| line.replace("apply", "delete")));
    home.assert_untouched();
    // What the plan does is granted, however much else was asked for.
    let bundle = home.bundle("enough", &apply(Script::new(), &["web-a", "web-c"]).component(), MAPS);
    let outcome = install_with(&home, bundle, narrow).unwrap();
    assert_eq!(outcome.plan().withheld.len(), 3, "{:?}", outcome.plan().withheld);
    let written: Vec<_> = home.rendered().into_keys().collect();
    assert_eq!(written, ["prod/configmap_web-a.yaml", "prod/configmap_web-c.yaml"]);
}

#[test]
fn without_any_grant_nothing_starts() {
    let home = Home::new();
    let bundle = home.bundle("maps", &one_map(), MAPS);
    let Shortfall::Missing(lines) = shortfall(home.act(Some(unsigned(bundle)), home.operation("install")))
    else {
        panic!()
    };
    let line = |verb| format!("--allow-kube '{verb}:ConfigMap:prod/web-*'");
    assert_eq!(lines, ["apply", "delete", "get"].map(line));
    home.assert_untouched();
}

#[test]
fn an_optional_request_that_is_not_granted_is_denied_to_the_component_and_told_to_the_operator() {
    let home = Home::new();
    let guest = Script::new()
        .apply(&[&config_map("web-a")])
        .tolerant()
        .apply(&["{apiVersion: v1, kind: Service, metadata: {name: web-a}}"])
        .component();
    let requests = format!(
        "{MAPS}  - {{verbs: [apply], kinds: [Service], namespaces: [\"${{namespace}}\"], names: [\"${{installation}}-*\"], optional: true}}\n"
    );
    let bundle = home.bundle("maps", &guest, &requests);
    let granted = "  kubernetes: [{verbs: [apply, delete, get], kinds: [ConfigMap], namespaces: [prod], names: [web-*]}]";
    let outcome = install_with(&home, bundle, granted).unwrap();
    assert_eq!(outcome.log[0].text, "not permitted: apply Service prod/web-a");
    let line = "--allow-kube 'apply:Service:prod/web-a'";
    assert_eq!(outcome.denials, [format!("apply Service prod/web-a: no grant allows it: {line}")]);
    assert_eq!(outcome.plan().withheld, ["--allow-kube 'apply:Service:prod/web-*'"]);
    assert_eq!(home.rendered().into_keys().collect::<Vec<_>>(), ["prod/configmap_web-a.yaml"]);
}

#[test]
fn a_call_outside_the_scope_is_denied_by_kind_namespace_name_and_verb() {
    let manifest = |kind: &str, namespace: &str, name: &str| {
        format!("{{apiVersion: v1, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}}}}}")
    };
    let apply = |kind, namespace, name| Script::new().apply(&[&manifest(kind, namespace, name)]);
    let secret = object("v1", "Secret", "web-a");
    let cases = [
        (apply("Service", "prod", "web-a"), "apply Service prod/web-a"),
        (apply("Secret", "prod", "web-a"), "apply Secret prod/web-a"),
        (apply("ConfigMap", "kube-system", "web-a"), "apply ConfigMap kube-system/web-a"),
        (apply("ConfigMap", "prod", "other"), "apply ConfigMap prod/other"),
        (Script::new().delete(&[object("v1", "ConfigMap", "web-a")]), "delete ConfigMap prod/web-a"),
        (Script::new().get(&object("v1", "ConfigMap", "other")), "get ConfigMap prod/other"),
        (Script::new().get(&secret), "get-secret Secret prod/web-a"),
        (Script::new().wait(&[secret], 1), "wait for Secret prod/web-a"),
    ];
    // The verb `delete` is requested for another kind, so that the import itself is in order.
    let requests = r#"
requests:
  kubernetes:
  - {verbs: [apply, get], kinds: [ConfigMap], namespaces: ["${namespace}"], names: ["${installation}-*"]}
  - {verbs: [delete], kinds: [Service], namespaces: ["${namespace}"], names: ["${installation}-*"]}
"#;
    for (script, action) in cases {
        let home = Home::new();
        let bundle = home.bundle("maps", &script.component(), requests);
        let (told, denials) = denied(install(&home, bundle));
        assert_eq!(told, format!("not permitted: {action}"));
        assert_eq!(denials, [format!("{action}: the bundle does not request it")]);
        home.assert_untouched();
    }
}

#[test]
fn of_several_objects_in_one_call_none_is_applied_when_one_is_denied() {
    let home = Home::new();
    let guest = Script::new().apply(&[&config_map("web-a"), &config_map("other")]).component();
    let (told, _) = denied(install(&home, home.bundle("maps", &guest, MAPS)));
    assert_eq!(told, "not permitted: apply ConfigMap prod/other");
    home.assert_untouched();
}

#[test]
fn a_deny_wins_over_every_grant() {
    let home = Home::new();
    let granted = "  kubernetes: [{verbs: [apply, delete, get], kinds: [ConfigMap], namespaces: [prod], names: [web-*]}]\n";
    let refused =
        "  deny: {kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: [prod], names: [web-a]}]}";
    let bundle = home.bundle("maps", &one_map(), MAPS);
    let spec = format!("{granted}{refused}");
    let lines = exceeded(install_with(&home, bundle, &spec));
    assert_eq!(lines, ["# refused by deny: 'apply ConfigMap prod/web-a'"]);
    home.assert_untouched();

    let optional = MAPS.trim_end().to_owned() + "\n    optional: true\n";
    let bundle = home.bundle("optional", &one_map(), &optional);
    let (told, denials) = denied(install_with(&home, bundle, &spec));
    assert_eq!(told, "not permitted: apply ConfigMap prod/web-a");
    assert_eq!(denials, ["apply ConfigMap prod/web-a: a `deny` refuses it"]);
    home.assert_untouched();
}

#[test]
fn a_grant_or_an_approval_for_another_digest_grants_nothing() {
    let home = Home::new();
    let verified = unsigned(home.bundle("maps", &one_map(), MAPS));
    let other = Digest::of(b"another bundle");
    let consent = Consent { approve: Some(other), ..Consent::default() };
    let refused = shortfall(home.act(Some(verified), Operation { consent, ..home.operation("install") }));
    assert!(matches!(refused, Shortfall::Approved { approved, .. } if approved == other), "{refused:?}");

    let text = format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata: {{name: mine}}\nspec: {{bundle: '{other}', kubernetes: [{{verbs: [apply, delete, get], kinds: [ConfigMap], namespaces: [prod], names: [web-*]}}]}}"
    );
    let consent = Consent { documents: vec![support::grant(&text, Path::new(""))], ..Consent::default() };
    let verified = unsigned(fetch(&reference(&home.path("maps"))).unwrap());
    let refused = shortfall(home.act(Some(verified), Operation { consent, ..home.operation("install") }));
    let Shortfall::OtherBundle { name, pinned, .. } = refused else { panic!("{refused:?}") };
    assert_eq!((name.as_str(), pinned), ("mine", other));
    home.assert_untouched();
}

#[test]
fn a_bare_wildcard_is_refused_unless_the_operator_insists() {
    let home = Home::new();
    let wide =
        "  kubernetes: [{verbs: [apply, delete, get], kinds: [ConfigMap], namespaces: [prod], names: ['*']}]";
    let refused = shortfall(install_with(&home, home.bundle("maps", &one_map(), MAPS), wide));
    let Shortfall::InvalidGrant(InvalidGrant::Wildcard(rule)) = refused else { panic!("{refused:?}") };
    assert_eq!(rule, "apply, delete, get ConfigMap in prod named *");
    home.assert_untouched();

    let verified = unsigned(fetch(&reference(&home.path("maps"))).unwrap());
    let bundle = verified.digest();
    let text = format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata: {{name: test}}\nspec:\n  bundle: {bundle}\n{wide}"
    );
    let documents = vec![support::grant(&text, Path::new(""))];
    let consent = Consent { documents, dangerous_wildcards: true, ..Consent::default() };
    home.act(Some(verified), Operation { consent, ..home.operation("install") }).unwrap();
    assert_eq!(home.rendered().len(), 1);
}

#[test]
fn a_file_is_read_by_its_granted_name_alone() {
    let home = Home::new();
    std::fs::write(home.path("mine"), "text").unwrap();
    std::fs::write(home.path("secret"), "text").unwrap();
    let requests = format!("{MAPS}  files: [{{name: mine}}, {{name: other, optional: true}}]\n");
    let cases = [
        ("other", "read the file other: no grant allows it: --allow-file 'other=PATH'"),
        ("secret", "read the file secret: the bundle does not request it"),
        ("../secret", "read the file ../secret: the bundle does not request it"),
        ("/etc/passwd", "read the file /etc/passwd: the bundle does not request it"),
    ];
    for (name, explained) in cases {
        let guest = Script::new().read("mine").read(name).component();
        let verified = unsigned(home.bundle(&format!("b{}", name.len()), &guest, &requests));
        let mut consent = approving(&verified);
        consent.grant.files.push(FileGrant { name: "mine".into(), path: home.path("mine") });
        let (told, denials) =
            denied(home.act(Some(verified), Operation { consent, ..home.operation("install") }));
        assert_eq!(told, format!("not permitted: read the file {name}"));
        assert_eq!(denials, [explained]);
    }
    home.assert_untouched();
}

/// The errors that a component gets when it reads these names, of which it was granted `conf/*`.
fn told_of_files(home: &Home, names: &[&str]) -> Vec<String> {
    let script = names.iter().fold(Script::new().tolerant(), |script, name| script.read(name));
    let requests = "requests: {files: [{name: conf/*}]}\n";
    let verified = unsigned(home.bundle("below", &script.component(), requests));
    let mut consent = approving(&verified);
    consent.grant.files.push(FileGrant { name: "conf/*".into(), path: home.path("folder") });
    let outcome = home.plan(Some(verified), Operation { consent, ..home.operation("install") }).unwrap();
    outcome.log.into_iter().map(|entry| entry.text).collect()
}

#[test]
fn below_a_granted_directory_no_name_and_no_link_leads_out() {
    let home = Home::new();
    std::fs::create_dir(home.path("folder")).unwrap();
    std::fs::write(home.path("secret"), "out of reach").unwrap();
    std::fs::write(home.path("folder/inside"), "within reach").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(home.path("secret"), home.path("folder/link")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret", home.path("folder/relative")).unwrap();
    assert_eq!(told_of_files(&home, &["conf/inside"]), [""; 0]);
    let out = ["conf/../secret", "conf//etc/passwd", "conf/inside/../../secret", "conf/."];
    let expected = out.map(|name| format!("the file {name} is not below a directory"));
    assert_eq!(told_of_files(&home, &out), expected);
    let absent = ["conf/link", "conf/relative", "conf/nothing"];
    let expected = absent.map(|name| format!("file {name}"));
    assert_eq!(told_of_files(&home, &absent), expected);
}

#[test]
fn a_file_may_be_as_large_as_the_grant_lets_it() {
    let home = Home::new();
    let path = home.path("mine");
    std::fs::write(&path, "x".repeat((1 << 20) + 1)).unwrap();
    let guest = Script::new().tolerant().read("mine").log("read").component();
    let bundle = || unsigned(home.bundle("large", &guest, "requests: {files: [{name: mine}]}\n"));
    let told = |bytes: &str| {
        let verified = bundle();
        let mut consent = approving(&verified);
        consent.grant.files.push(FileGrant { name: "mine".into(), path: path.clone() });
        consent.grant.limits.bytes = Some(bytes.into());
        let outcome = home.plan(Some(verified), Operation { consent, ..home.operation("install") }).unwrap();
        outcome.log.into_iter().map(|entry| entry.text).collect::<Vec<_>>()
    };
    assert_eq!(told("4Mi"), ["read"]);
    assert_eq!(told("1Mi"), ["the file mine has more than the 1048576 bytes of the limit", "read"]);
}

/// Changes a file whenever the component says something.
struct Meddling(std::path::PathBuf);

impl Observer for Meddling {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &LogEntry) {
        std::fs::write(&self.0, "changed").unwrap();
    }
}

impl Approver for Meddling {
    fn confirm<'a>(&'a self, _: &'a Plan, _: &'a Decision) -> Answer<'a> {
        Box::pin(std::future::ready(true))
    }
}

#[test]
fn a_file_reads_the_same_all_through_one_run() {
    let home = Home::new();
    let path = home.path("mine");
    std::fs::write(&path, "as it was").unwrap();
    let guest = Script::new().tell("mine").tell("mine").component();
    let verified = unsigned(home.bundle("twice", &guest, "requests: {files: [{name: mine}]}\n"));
    let mut consent = approving(&verified);
    consent.grant.files.push(FileGrant { name: "mine".into(), path: path.clone() });
    let operation = Operation { consent, ..home.operation("install") };
    let outcome = home.act_watched(Some(verified), operation, Arc::new(Meddling(path.clone()))).unwrap();
    let told: Vec<_> = outcome.log.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(told, ["as it was", "as it was"]);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "changed");
}

#[test]
fn a_refusal_repeats_no_megabytes_to_the_operator() {
    let home = Home::new();
    let long = "x".repeat(1 << 20);
    let requests = "credentials: {c: {required: false}}\nrequests: {files: [{name: mine, optional: true}], credentials: [{name: c, into: [a/Secret/b], optional: true}]}\n";
    let guest = Script::new().tolerant().read(&long).lend(&long).component();
    let outcome = install(&home, home.bundle("long", &guest, requests)).unwrap();
    let told: Vec<_> = outcome.log.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(told, ["a name has at most 1024 bytes"; 2]);
    assert_eq!(outcome.denials, [""; 0]);
}

#[test]
fn while_another_run_holds_the_installation_nothing_is_done() {
    let home = Home::new();
    let state = home.state();
    let held = state.lock("web").unwrap();
    let result = install(&home, home.bundle("maps", &one_map(), MAPS));
    let Err(Error::State(StateError::Locked { name, .. })) = result else { panic!("{result:?}") };
    assert_eq!(name, "web");
    home.assert_untouched();
    drop(held);
    install(&home, fetch(&reference(&home.path("maps"))).unwrap()).unwrap();
}

#[cfg(unix)]
#[test]
fn no_link_in_the_target_leads_out_of_it() {
    let home = Home::new();
    std::fs::create_dir(home.path("rendered")).unwrap();
    std::fs::create_dir(home.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(home.path("elsewhere"), home.path("rendered/prod")).unwrap();
    let error = install(&home, home.bundle("maps", &one_map(), MAPS)).unwrap_err();
    let text = format!("{error:?}");
    assert!(matches!(&error, Error::Run { refusal: Some(_), .. }), "{text}");
    assert_eq!(std::fs::read_dir(home.path("elsewhere")).unwrap().count(), 0);
    assert!(home.state().find("web").unwrap().is_none());
}

#[test]
fn a_credential_is_neither_lent_nor_shown_beyond_its_grant() {
    let home = Home::new();
    let requests = format!(
        "credentials: {{a: {{}}, b: {{}}}}\n{MAPS}  credentials: [{{name: a, into: [\"${{namespace}}/Secret/${{installation}}-a\"]}}]\n"
    );
    let guest = Script::new().lend("b").component();
    let (_, denials) = denied(install(&home, home.bundle("lend", &guest, &requests)));
    assert_eq!(denials, ["use the credential b: the bundle does not request it"]);

    // The binary imports `reveal` because another credential may be shown.
    let requests = requests.replace(
        "credentials: [{name: a,",
        "credentials: [{name: b, reveal: true, optional: true}, {name: a,",
    );
    let guest = Script::new().reveal("a").component();
    let verified = unsigned(home.bundle("reveal", &guest, &requests));
    let consent = approving(&verified);
    let credentials = carnet::host::Supplied::new([("a".to_owned(), "hunter2".into())].into());
    let operation = Operation { consent, credentials, ..home.operation("install") };
    let (_, denials) = denied(home.act(Some(verified), operation));
    assert_eq!(denials, ["see the credential a: the bundle does not request it"]);
    home.assert_untouched();
}

#[test]
fn an_action_that_modifies_nothing_can_modify_nothing() {
    let home = Home::new();
    let actions = "actions: {dev.carnet.test.look: {description: looks, modifies: false}}\n";
    let bundle = home.bundle("maps", &one_map(), &format!("{actions}{MAPS}"));
    install(&home, bundle).unwrap();
    let before = home.rendered();
    // The file is gone, so that looking would have to write it again.
    let verified = unsigned(fetch(&reference(&home.path("maps"))).unwrap());
    let consent = approving(&verified);
    let operation = Operation { consent, ..home.operation("dev.carnet.test.look") };
    let (_, denials) = denied(home.act(Some(verified), operation));
    assert_eq!(
        denials,
        ["apply ConfigMap prod/web-a: the bundle declares that this action modifies nothing"]
    );
    assert_eq!(home.rendered(), before);
}

// ---- how it ends

#[test]
fn a_trap_ends_the_run() {
    let home = Home::new();
    let result = install(&home, home.bundle("trap", &written("trap"), MAPS));
    let Err(Error::Run { source: RunError::Trapped(trap), .. }) = result else { panic!("{result:?}") };
    assert!(trap.what.contains("unreachable"), "{trap}");
    home.assert_untouched();
}

#[test]
fn the_gate_stands_while_the_component_is_being_instantiated() {
    let home = Home::new();
    let result = install(&home, home.bundle("starts", &written("starts"), MAPS));
    // The `start` function applies what is not requested, and traps when it is told so.
    let Err(Error::Run { source: RunError::Trapped(trap), denials, log, .. }) = result else {
        panic!("{result:?}")
    };
    assert!(trap.what.contains("unreachable"), "{trap}");
    assert_eq!(denials, ["apply ConfigMap prod/other: the bundle does not request it"]);
    assert_eq!(log[0].text, "starting");
    home.assert_untouched();
}

/// Says yes, and changes a file between the plan and the deed.
struct Changing {
    path: std::path::PathBuf,
    text: String,
}

impl Observer for Changing {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &LogEntry) {}
}

impl Approver for Changing {
    fn confirm<'a>(&'a self, _: &'a Plan, _: &'a Decision) -> Answer<'a> {
        std::fs::write(&self.path, &self.text).unwrap();
        Box::pin(std::future::ready(true))
    }
}

#[test]
fn a_file_that_changes_after_the_plan_was_shown_changes_nothing_of_it() {
    for text in [config_map("web-b"), config_map("web-a").replace("a: b", "a: c"), String::new()] {
        let home = Home::new();
        let path = home.path("manifest");
        std::fs::write(&path, config_map("web-a")).unwrap();
        let requests = format!("{MAPS}  files: [{{name: manifest}}]\n");
        let verified = unsigned(home.bundle("copies", &written("copies"), &requests));
        let mut consent = approving(&verified);
        consent.grant.files.push(FileGrant { name: "manifest".into(), path: path.clone() });
        let operation = Operation { consent, ..home.operation("install") };
        home.act_watched(Some(verified), operation, Arc::new(Changing { path, text })).unwrap();
        let rendered = home.rendered();
        let [(name, manifest)] = &rendered.iter().collect::<Vec<_>>()[..] else { panic!("{rendered:?}") };
        assert!(name.ends_with("web-a.yaml") && manifest.contains("a: b"), "{rendered:?}");
    }
}

#[test]
fn a_plan_that_is_not_confirmed_leaves_nothing() {
    struct No;
    impl Observer for No {
        fn waiting(&self, _: &[Unready]) {}

        fn logged(&self, _: &LogEntry) {
            panic!("the planning pass is silent");
        }
    }
    impl Approver for No {
        fn confirm<'a>(&'a self, _: &'a Plan, _: &'a Decision) -> Answer<'a> {
            Box::pin(std::future::ready(false))
        }
    }
    let home = Home::new();
    let guest = Script::new().log("hello").apply(&[&config_map("web-a")]).component();
    let verified = unsigned(home.bundle("maps", &guest, MAPS));
    let operation = Operation { consent: approving(&verified), ..home.operation("install") };
    assert!(matches!(home.act_watched(Some(verified), operation, Arc::new(No)), Err(Error::Declined)));
    home.assert_untouched();
}

#[test]
fn an_output_that_the_bundle_does_not_declare_is_refused() {
    let home = Home::new();
    let guest = Script::new().output("other", "x").component();
    let result = install(&home, home.bundle("outputs", &guest, MAPS));
    let Err(Error::Run { source: RunError::Reported(GuestError::NotFound(text)), .. }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(text, "the bundle declares no output other");
    home.assert_untouched();
}
