//! A credential that the host makes, on a real API server: made once, found again, and seen by nobody.

use std::fs;

use carnet::targets::credentials::{Encoding, placeholder};
use serde_json::{Value, json};

use crate::site::{Said, Site, files, text};
use crate::support::Home;
use crate::support::guest::Script;
use crate::with;

const REQUESTS: &str = "\
handles: [install]
requests:
  kubernetes:
  - {verbs: [apply, get-secret], kinds: [Secret], namespaces: ['${namespace}'], names: ['test-*']}
  generate:
  - {name: session-key, into: ['${namespace}/Secret/test-a'], reason: signs cookies}
";

/// An installer whose Secret holds the credential whole, and in a longer text.
fn script(length: usize) -> Script {
    let (whole, url) = (placeholder("session-key", Encoding::Raw), placeholder("session-key", Encoding::Url));
    let data = json!({"key": whole, "url": format!("redis://:{url}@cache")});
    let secret = format!("{{apiVersion: v1, kind: Secret, metadata: {{name: test-a}}, stringData: {data}}}");
    Script::new().generate("session-key", length).apply(&[&secret])
}

/// The arguments after `install NAME` or `upgrade NAME`.
fn bundle(site: &Site, home: &Home, name: &str, script: &Script) -> Vec<String> {
    let fetched = home.bundle(name, &script.component(), REQUESTS);
    let reference = format!("layout:{}", home.path(name).display());
    let digest = fetched.digest().to_string();
    let flags = ["--dangerous-unsigned", "--target", "kube", "-n", &site.namespace];
    flags.into_iter().chain(["--approve", &digest, &reference]).map(str::to_owned).collect()
}

fn act(site: &Site, verb: &[&str], rest: &[String]) -> Said {
    site.carnet(&[&*with(verb, rest), &["--yes"]].concat())
}

fn held(site: &Site, key: &str) -> String {
    site.get("secret/test-a", &format!("go-template={{{{.data.{key} | base64decode}}}}"))
}

fn patched(site: &Site, data: &Value) {
    let patch = json!({ "data": data }).to_string();
    site.kubectl(&["patch", "secret", "test-a", "--type=merge", "-p", &patch]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_generated_credential_outlives_upgrades_and_a_lost_state() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "made", &script(32));
    let plan = site.carnet(&with(&["plan", "test"], &rest)).done();
    assert_eq!(plan.changed(&["create"]), ["Secret/test-a"]);
    site.assert_untouched();

    act(&site, &["install", "test"], &rest).done();
    let made = held(&site, "key");
    assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{made}");
    assert_eq!(held(&site, "url"), format!("redis://:{made}@cache"));

    assert_eq!(act(&site, &["upgrade", "test"], &rest).done().changed(&["unchanged"]), ["Secret/test-a"]);
    // The length counts where it is made, and nowhere else.
    let longer = bundle(&site, &home, "longer", &script(64));
    assert_eq!(act(&site, &["upgrade", "test"], &longer).done().changed(&["unchanged"]), ["Secret/test-a"]);
    fs::remove_dir_all(site.path("state")).unwrap();
    // What another state may have on record is taken over by one's own word alone.
    act(&site, &["install", "test"], &rest).refused(1, &["as another state has it on record"]);
    let again = act(&site, &["install", "test", "--take-ownership"], &rest).done();
    // All that changes is which record it is on.
    assert_eq!(again.changed(&["update"]), ["Secret/test-a"]);
    assert_eq!(held(&site, "key"), made);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_generated_credential_of_a_volume_that_stays_is_warned_about_and_can_be_kept() {
    let (site, home) = (Site::new(), Home::new());
    let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: test-data}, spec: {
        accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: none}}";
    let more = "  - {verbs: [apply], kinds: [PersistentVolumeClaim], namespaces: ['${namespace}'], names: ['test-*']}\n";
    let requests = REQUESTS.replace("  generate:", &format!("{more}  generate:"));
    let fetched = home.bundle("volume", &script(32).apply(&[claim]).component(), &requests);
    let reference = format!("layout:{}", home.path("volume").display());
    let (digest, here) = (fetched.digest().to_string(), &site.namespace);
    let flags = ["--dangerous-unsigned", "--target", "kube", "-n", here, "--no-wait", "--approve", &digest];
    let rest: Vec<_> = flags.iter().chain([&&*reference]).map(|it| (*it).to_owned()).collect();
    act(&site, &["install", "test"], &rest).done();
    let made = held(&site, "key");

    let uninstall = |more: &[&str]| site.carnet(&[&["uninstall", "test", "--yes"], more].concat()).done();
    let said = uninstall(&["--keep-credentials"]);
    let cautions = said.document["cautions"].as_array().unwrap();
    assert!(cautions.len() == 1 && text(&cautions[0]).contains("/test-data stays"), "{said}");
    let kept = json!([format!("PersistentVolumeClaim {here}/test-data"), format!("Secret {here}/test-a")]);
    assert_eq!(said.document["kept"], kept);
    // The next installation of this name finds what it left.
    act(&site, &["install", "test"], &rest).done();
    assert_eq!(held(&site, "key"), made);

    let said = uninstall(&[]);
    let caution = text(&said.document["cautions"][1]);
    assert!(
        caution.contains("makes `session-key` anew") && caution.contains("--keep-credentials"),
        "{caution}"
    );
    assert_eq!(said.changed(&["delete"]), ["Secret/test-a"]);
    act(&site, &["install", "test"], &rest).done();
    assert_ne!(held(&site, "key"), made);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_generated_credential_is_in_no_file_log_or_plan() {
    let (site, home) = (Site::new(), Home::new());
    let shown = crate::support::object("v1", "Secret", "test-a");
    let shown = carnet::kubernetes::object::ObjectRef { namespace: Some(site.namespace.clone()), ..shown };
    let rest = bundle(&site, &home, "made", &script(32).show(&shown));
    let said = [
        act(&site, &["install", "test", "-v"], &rest).done(),
        act(&site, &["upgrade", "test", "-v"], &rest).done(),
        site.carnet(&with(&["plan", "test", "-v"], &rest)).done(),
        site.carnet(&["diff", "test", "-v", "--dangerous-unsigned"]).done(),
        site.carnet(&["status", "test", "-v"]).done(),
        site.carnet(&["history", "test", "-v"]).done(),
    ];
    assert!(said[0].stderr.contains(&site.get("secret/test-a", "jsonpath={.metadata.uid}")), "{}", said[0]);
    let forms = [held(&site, "key"), site.get("secret/test-a", "jsonpath={.data.key}")];
    let mut texts: Vec<_> = ["state", "data", "config"].iter().flat_map(|it| files(&site.path(it))).collect();
    assert!(texts.iter().any(|(path, _)| path.ends_with("state.db")), "the state was not searched");
    texts.extend(said.iter().map(|said| ("said".into(), format!("{said}").into_bytes())));
    texts.push(("audit log".into(), format!("{:?}", site.audit()).into_bytes()));
    for (path, bytes) in texts {
        let found =
            forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form.as_bytes()));
        assert!(!found, "the credential is in {}", path.display());
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn the_host_looks_for_a_generated_credential_by_the_name_of_its_secret_alone() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "made", &script(32));
    act(&site, &["install", "test"], &rest).done();
    let events = site.audit();
    let about_secrets: Vec<_> =
        events.iter().filter(|event| event["objectRef"]["resource"] == "secrets").collect();
    assert!(about_secrets.iter().any(|event| event["verb"] == "get"));
    for event in about_secrets {
        assert_eq!(event["objectRef"]["name"], "test-a", "{event}");
        assert!(event["verb"] == "get" || event["verb"] == "patch", "{event}");
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_is_lost_is_made_anew_and_what_somebody_set_is_kept() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "made", &script(32));
    act(&site, &["install", "test"], &rest).done();
    let made = held(&site, "key");
    let plan = || site.carnet(&with(&["plan", "test"], &rest)).done();

    patched(&site, &json!({"key": null}));
    assert_eq!(plan().changed(&["update"]), ["Secret/test-a"]);
    act(&site, &["upgrade", "test"], &rest).done();
    let second = held(&site, "key");
    assert!(second.len() == 32 && second != made);

    site.kubectl(&["delete", "secret", "test-a"]);
    assert_eq!(plan().changed(&["create"]), ["Secret/test-a"]);
    act(&site, &["upgrade", "test"], &rest).done();
    assert!(![made, second].contains(&held(&site, "key")));

    // A value that somebody chose is the credential from then on, wherever it goes.
    patched(&site, &json!({"key": "Y2hvc2Vu"}));
    act(&site, &["upgrade", "test"], &rest).done();
    assert_eq!((held(&site, "key"), held(&site, "url")), ("chosen".into(), "redis://:chosen@cache".into()));

    patched(&site, &json!({"key": "/w=="}));
    let reason = "the generated credential `session-key` is not text any more";
    act(&site, &["upgrade", "test"], &rest).refused(1, &[reason]);
    assert_eq!(held(&site, "url"), "redis://:chosen@cache");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn the_credential_of_another_installation_stays_theirs() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "made", &script(32));
    act(&site, &["install", "one"], &rest).done();
    let (made, before) = (held(&site, "key"), site.versions());
    let other = site.path("other").display().to_string();
    let reason = format!("belongs to {}/one", site.namespace);
    act(&site, &["--state", &other, "install", "two"], &rest).refused(1, &[&reason]);
    assert_eq!(site.versions(), before);
    // Whoever takes the Secret over takes the credential with it.
    act(&site, &["--state", &other, "install", "two", "--take-ownership"], &rest).done();
    assert_eq!(held(&site, "key"), made);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_may_not_read_the_secret_cannot_have_a_credential_kept_in_it() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "made", &script(32));
    site.kubectl(&["create", "role", "writer", "--verb=create,patch", "--resource=secrets"]);
    let user = format!("writer-in-{}", site.namespace);
    site.kubectl(&["create", "rolebinding", "writer", "--role=writer", &format!("--user={user}")]);
    let said = act(&site, &["install", "test", "--as", &user], &rest);
    let said = said.refused(12, &["the server refuses to get", "test-a"]);
    assert!(!said.stderr.contains("--allow-generate"), "{said}");
    site.assert_untouched();
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_directory_gets_a_generated_credential_only_where_that_is_asked_for() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "made", &script(32));
    let rest: Vec<_> =
        rest.iter().map(|text| if text == "kube" { "dir:out".to_owned() } else { text.clone() }).collect();
    let file =
        || fs::read_to_string(site.path(&format!("out/{}/secret_test-a.yaml", site.namespace))).unwrap();
    act(&site, &["install", "test"], &rest).done();
    assert!(file().contains("carnet.dev/generated") && !file().contains("\ndata:"), "{}", file());
    act(&site, &["upgrade", "test", "--secrets", "plain"], &rest).done();
    let written = file();
    let key = written.lines().find_map(|line| line.trim().strip_prefix("key: ")).unwrap_or_default();
    assert_eq!(key.trim_matches('"').len(), 44, "{written}");
    act(&site, &["upgrade", "test", "--secrets", "plain"], &rest).done();
    assert_eq!(file(), written);
    assert_eq!(text(&site.carnet(&["status", "test"]).done().document["result"]), "succeeded");
}
