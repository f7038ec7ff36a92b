//! Decisions about bundles: what they get, what is carried over from the last run, and what is refused.

#![expect(clippy::disallowed_methods, reason = "tests make files")]

use std::fs;

use serde_json::json;

use super::*;
use crate::fetch::Fetched;
use crate::fetch::tests::component;
use crate::install::operation::tests::{earlier, operation};
use crate::oci::registry::RegistryClient;
use crate::signature::PrivateKey;
use crate::verify::{TrustPolicy, dangerously_unsigned};

const SOURCE: &str = "\
apiVersion: carnet.dev/v1alpha1
kind: Source
name: web
version: 1.0.0
description: A test
component: ./web.wasm
parameters:
  theme: { schema: { type: string, default: plain } }
credentials:
  db-password: { description: Of the database, required: true }
actions:
  dev.carnet.web.look: { description: Looks, modifies: false, stateless: true }
requests:
  kubernetes:
  - { verbs: [apply], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['${installation}-*'] }
  - { verbs: [get], kinds: [Service], namespaces: ['${namespace}'], names: [db] }
  files: [{ name: site.conf }]
";

/// A layout with one bundle, and the key that signs it.
struct Site {
    home: tempfile::TempDir,
    key: PrivateKey,
}

impl Site {
    async fn new() -> Self {
        let site = Self { home: tempfile::tempdir().unwrap(), key: PrivateKey::generate().unwrap() };
        let source = site.home.path().join("source");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("carnet.yaml"), SOURCE).unwrap();
        fs::write(source.join("web.wasm"), component()).unwrap();
        crate::author::build(&source, &site.home.path().join("layout"), None).await.unwrap();
        site
    }

    async fn fetched(&self) -> Fetched {
        let reference = format!("layout:{}", self.home.path().join("layout").display()).parse().unwrap();
        crate::fetch::fetch(&reference, &RegistryClient::anonymous()).await.unwrap()
    }

    async fn unsigned(&self) -> Verified {
        dangerously_unsigned(self.fetched().await, &TrustPolicy::none()).unwrap()
    }

    async fn signed(&self) -> Verified {
        let reference = format!("layout:{}", self.home.path().join("layout").display()).parse().unwrap();
        crate::author::sign(&reference, &self.key, &RegistryClient::anonymous()).await.unwrap();
        let policy = TrustPolicy::of_key(&self.key.public().to_pem()).unwrap();
        policy.verify(self.fetched().await, jiff::Timestamp::UNIX_EPOCH).unwrap()
    }
}

/// Just what the bundle requests.
fn grant() -> GrantSpec {
    let grant = json!({
        "kubernetes": [
            { "verbs": ["apply"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": ["web-*"] },
            { "verbs": ["get"], "kinds": ["Service"], "namespaces": ["prod"], "names": ["db"] },
        ],
        "files": [{ "name": "site.conf", "path": "/etc/site.conf" }],
    });
    serde_json::from_value(grant).unwrap()
}

/// An installation that another bundle made, of the same name and signed by the same keys under the same terms.
fn made_by_another(verified: &Verified) -> Installation {
    let mut installation = earlier("install", "succeeded");
    installation.settings.bundle = Digest::of(b"another");
    installation.settings.consent = ConsentKey::of(verified);
    installation.settings.grant = grant();
    installation
}

/// A consent that was given to something else.
fn given_to_another(consent: Option<&ConsentKey>, member: &str, value: Value) -> Option<ConsentKey> {
    let mut text = serde_json::to_value(consent.unwrap()).unwrap();
    text[member] = value;
    Some(serde_json::from_value(text).unwrap())
}

/// An action with the credential that the bundle requires, and nothing granted.
fn with_credential(action: &str) -> Operation {
    let credentials = Supplied::new([("db-password".to_owned(), "hunter2".into())].into());
    Operation { credentials, ..operation(action) }
}

fn granting(mut operation: Operation) -> Operation {
    operation.consent.grant = grant();
    operation
}

fn decided(
    verified: Verified,
    operation: &Operation,
    earlier: Option<&Installation>,
    mode: Mode,
) -> Result<DecidedRun, Error> {
    let responsibilities = Responsibilities::of(Some(&verified), operation).unwrap();
    let (granted, decided) = decide(Some(verified), operation, earlier, &responsibilities, mode)?;
    assert!(granted.is_some());
    Ok(decided)
}

/// The lines of what is not granted.
#[track_caller]
fn missing(decided: Result<DecidedRun, Error>) -> Vec<String> {
    match decided.map(|decided| decided.decision) {
        Err(Error::Shortfall(Shortfall::Missing(missing) | Shortfall::GivenToAnother { missing, .. })) => {
            missing.iter().map(ToString::to_string).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_missing_is_said_all_at_once() {
    let site = Site::new().await;
    let asked = with_credential("install");
    let lines = missing(decided(site.unsigned().await, &asked, None, Mode::Act));
    let expected = ["apply:ConfigMap:prod/web-*", "get:Service:prod/db", "site.conf"];
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for part in expected {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:?}");
    }

    let asked = granting(with_credential("install"));
    let decided = decided(site.unsigned().await, &asked, None, Mode::Act).unwrap();
    assert_eq!(decided.grant, grant());
    assert_eq!(decided.decision.trust, Some(TrustDecision::Unsigned));
    assert_eq!(decided.decision.granted.len(), expected.len(), "{:?}", decided.decision.granted);
    assert!(!decided.decision.carried_over);
}

#[tokio::test]
async fn consent_is_carried_over_to_a_bundle_of_the_same_name_signers_and_terms() {
    let site = Site::new().await;
    let upgrade = |verified, earlier: &Installation| {
        decided(verified, &with_credential("upgrade"), Some(earlier), Mode::Act)
    };
    let verified = site.signed().await;
    let same = made_by_another(&verified);
    let carried = upgrade(verified, &same).unwrap();
    assert!(carried.decision.carried_over);
    assert_eq!(carried.grant, grant());

    let changes = [
        ("bundle", json!("other")),
        ("signers", json!({ "0123456789abcdef": "other" })),
        ("rule", json!("ghcr.io/acme/**")),
        ("terms", json!(Digest::of(b"other"))),
    ];
    for (member, value) in changes {
        let mut other = same.clone();
        other.settings.consent = given_to_another(same.settings.consent.as_ref(), member, value);
        assert_eq!(missing(upgrade(site.signed().await, &other)).len(), 3, "{member}");
    }
    let mut unknown = same.clone();
    unknown.settings.consent = None;
    assert_eq!(missing(upgrade(site.signed().await, &unknown)).len(), 3, "an older record does not say it");
    let verified = site.unsigned().await;
    let unsigned = made_by_another(&verified);
    assert_eq!(missing(upgrade(verified, &unsigned)).len(), 3, "an unsigned bundle hands nothing on");
}

/// What the bundle requests, as far as it is of this theme.
fn themed() -> GrantSpec {
    let mut grant = grant();
    grant.kubernetes[0].names = vec!["web-${parameters.theme}".into()];
    grant.deny.kubernetes = vec![grant.kubernetes[0].clone()];
    grant.deny.kubernetes[0].names = vec!["no-${parameters.theme}".into()];
    grant
}

/// The names that are granted and denied.
fn names_of(grant: &GrantSpec) -> (&str, &str) {
    (&grant.kubernetes[0].names[0], &grant.deny.kubernetes[0].names[0])
}

#[tokio::test]
async fn a_consent_is_to_the_names_that_a_parameter_had_when_it_was_given() {
    let site = Site::new().await;
    let theme = |theme: &str| [("theme".to_owned(), json!(theme))].into();
    let mut asked = with_credential("install");
    asked.consent.grant = themed();
    let installed = decided(site.signed().await, &asked, None, Mode::Act).unwrap();
    assert_eq!(names_of(&installed.grant), ("web-plain", "no-plain"), "the default of then");

    let verified = site.signed().await;
    let mut another = made_by_another(&verified);
    another.settings.grant = installed.grant;
    let mut same = another.clone();
    same.settings.bundle = verified.digest();
    for earlier in [another, same] {
        for parameters in [BTreeMap::new(), theme("kube")] {
            let asked = Operation { parameters, ..with_credential("upgrade") };
            let upgraded = decided(site.signed().await, &asked, Some(&earlier), Mode::Act).unwrap();
            assert_eq!(names_of(&upgraded.grant), ("web-plain", "no-plain"));
            assert!(upgraded.decision.granted.iter().any(|line| line.contains("web-plain")));
            assert!(!upgraded.decision.granted.iter().any(|line| line.contains("web-kube")));
        }
    }
}

#[tokio::test]
async fn of_a_consent_that_was_recorded_as_a_text_the_parameters_of_its_run_count() {
    let site = Site::new().await;
    let verified = site.signed().await;
    let mut texts = made_by_another(&verified);
    texts.settings.grant = themed();
    texts.last.as_mut().unwrap().parameters = [("theme".to_owned(), json!("dark"))].into();
    let given = [("theme".to_owned(), json!("kube"))].into();
    let asked = Operation { parameters: given, ..with_credential("upgrade") };
    let upgraded = decided(verified, &asked, Some(&texts), Mode::Act).unwrap();
    assert_eq!(names_of(&upgraded.grant), ("web-dark", "no-dark"));

    // Of a `writeOnly` one nobody knows what was granted then.
    texts.last.as_mut().unwrap().parameters.clear();
    let mut same = texts.clone();
    let verified = site.signed().await;
    same.settings.bundle = verified.digest();
    for earlier in [texts, same] {
        let refused = decided(site.signed().await, &asked, Some(&earlier), Mode::Act);
        let Err(Error::Shortfall(Shortfall::GivenToAnother { changes, missing })) =
            refused.map(|run| run.decision)
        else {
            panic!("it was carried over")
        };
        assert_eq!(changes, ["a parameter that filled a scope of it is not on record"]);
        assert_eq!(missing.len(), 3);
    }
}

#[tokio::test]
async fn consent_counts_while_the_installation_is_there_and_nobody_decides_anew() {
    let site = Site::new().await;
    let verified = site.signed().await;
    let mut same = made_by_another(&verified);
    same.settings.bundle = verified.digest();
    let again = decided(verified, &with_credential("upgrade"), Some(&same), Mode::Act).unwrap();
    assert_eq!(again.grant, grant());
    assert!(!again.decision.carried_over, "the same bundle keeps what it has");

    // Others have signed the same bytes by now, or nobody: that gives them nothing that was given to who signed it then.
    for verified in [site.signed().await, site.unsigned().await] {
        let mut others = same.clone();
        others.settings.consent = given_to_another(
            same.settings.consent.as_ref(),
            "signers",
            json!({ "0123456789abcdef": "mallory" }),
        );
        let upgraded = decided(verified, &with_credential("upgrade"), Some(&others), Mode::Act).unwrap();
        assert_eq!((upgraded.grant, &upgraded.consent), (grant(), &others.settings.consent));
    }
    let verified = site.signed().await;
    let signed = ConsentKey::of(&verified);
    let anew = decided(verified, &granting(with_credential("install")), None, Mode::Act).unwrap();
    assert_eq!(anew.consent, signed, "a new decision is about who signs it now");

    // Nobody vouched for this bundle, and it is still the one that the consent was given to.
    let mut unsigned = same.clone();
    unsigned.settings.consent = None;
    assert!(decided(site.unsigned().await, &with_credential("upgrade"), Some(&unsigned), Mode::Act).is_ok());

    let install = with_credential("install");
    assert_eq!(
        missing(decided(site.signed().await, &install, Some(&same), Mode::Act)).len(),
        3,
        "installed anew"
    );
    let mut gone = same.clone();
    gone.last = earlier("uninstall", "succeeded").last;
    let upgrade = with_credential("upgrade");
    assert_eq!(
        missing(decided(site.signed().await, &upgrade, Some(&gone), Mode::Act)).len(),
        3,
        "uninstalled"
    );
    let complete = Operation { complete: true, ..with_credential("upgrade") };
    assert_eq!(
        missing(decided(site.signed().await, &complete, Some(&same), Mode::Act)).len(),
        3,
        "by a plan"
    );
    assert!(
        decided(site.signed().await, &install, Some(&same), Mode::Examine).is_ok(),
        "examined, not installed"
    );

    let verified = site.signed().await;
    let mut wider = made_by_another(&verified);
    wider.settings.grant.kubernetes.extend(
        grant()
            .kubernetes
            .into_iter()
            .map(|rule| crate::capability::kubernetes::RuleText { names: vec!["everything".into()], ..rule }),
    );
    let mut approved = with_credential("upgrade");
    approved.consent.approve = Some(verified.digest());
    approved.consent.grant.files = grant().files;
    let decided = decided(verified, &approved, Some(&wider), Mode::Act).unwrap();
    assert!(!decided.decision.carried_over);
    assert!(
        !decided.grant.kubernetes.iter().any(|rule| rule.names == ["everything"]),
        "an approval adds to nothing"
    );
}

#[tokio::test]
async fn a_required_credential_must_be_given_to_whoever_acts() {
    let site = Site::new().await;
    let bare = granting(operation("install"));
    let refused = decided(site.unsigned().await, &bare, None, Mode::Act).map(|decided| decided.decision);
    assert!(
        matches!(&refused, Err(Error::Credential(missing)) if missing[0].0 == "db-password"),
        "{refused:?}"
    );

    let ungranted =
        decided(site.unsigned().await, &operation("install"), None, Mode::Act).map(|run| run.decision);
    let Err(Error::Missing { first, more }) = ungranted else { panic!("{ungranted:?}") };
    assert!(matches!(*first, Error::Shortfall(Shortfall::Missing(_))), "the grant decides: {first:?}");
    assert!(matches!(more.as_slice(), [Error::Credential(_)]), "{more:?}");
    let unreadable = |granted: bool| {
        let operation = if granted { granting(operation("install")) } else { operation("install") };
        let error: Box<dyn std::error::Error + Send + Sync> = "no such file".into();
        Operation { unsupplied: Some(Arc::from(error)), ..operation }
    };
    let refused = decided(site.unsigned().await, &unreadable(true), None, Mode::Act).map(|run| run.decision);
    assert!(
        matches!(&refused, Err(Error::Credentials(why)) if why.to_string() == "no such file"),
        "{refused:?}"
    );
    let refused = decided(site.unsigned().await, &unreadable(false), None, Mode::Act).map(|run| run.decision);
    assert!(
        matches!(&refused, Err(Error::Missing { first, .. }) if matches!(**first, Error::Shortfall(_))),
        "{refused:?}"
    );

    let examined = decided(site.unsigned().await, &bare, None, Mode::Examine).unwrap();
    assert_eq!(examined.credentials.names().collect::<Vec<_>>(), ["db-password"], "any value will do");
    let look = granting(operation("dev.carnet.web.look"));
    assert!(decided(site.unsigned().await, &look, None, Mode::Act).is_ok(), "a stateless action needs none");
}

#[tokio::test]
async fn parameters_of_the_last_run_count_unless_all_are_given() {
    let site = Site::new().await;
    let mut before = earlier("install", "succeeded");
    before.last.as_mut().unwrap().parameters = [("theme".to_owned(), json!("dark"))].into();
    let theme = async |operation: Operation| {
        let run = decided(site.unsigned().await, &granting(operation), Some(&before), Mode::Act).unwrap();
        run.context.parameters["theme"].clone()
    };
    assert_eq!(theme(with_credential("upgrade")).await, "dark");
    assert_eq!(theme(Operation { complete: true, ..with_credential("upgrade") }).await, "plain");
    let given = [("theme".to_owned(), json!("light"))].into();
    assert_eq!(theme(Operation { parameters: given, ..with_credential("upgrade") }).await, "light");

    let unknown = [("colour".to_owned(), json!("red"))].into();
    let asked = granting(Operation { parameters: unknown, ..with_credential("install") });
    let refused = decided(site.unsigned().await, &asked, None, Mode::Act).map(|decided| decided.decision);
    assert!(matches!(refused, Err(Error::Parameters(_))), "{refused:?}");
    let unknown = [("colour".to_owned(), json!("red"))].into();
    let nothing = Operation { parameters: unknown, ..operation("install") };
    let refused = decided(site.unsigned().await, &nothing, None, Mode::Act).map(|decided| decided.decision);
    let told = refused.unwrap_err().to_string();
    for part in ["requests what is not granted", "`colour`", "`db-password`"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn without_a_bundle_the_runtime_acts_and_what_was_granted_stays_recorded() {
    let mut before = earlier("install", "succeeded");
    before.settings.grant = grant();
    let asked = operation("uninstall");
    let responsibilities = Responsibilities::of(None, &asked).unwrap();
    let (granted, run) = decide(None, &asked, Some(&before), &responsibilities, Mode::Act).unwrap();
    assert!(granted.is_none());
    assert_eq!((run.grant, run.decision.granted.len(), run.decision.trust), (grant(), 0, None));
}

#[test]
fn an_image_is_pinned_by_its_digest_alone() {
    let digest = Digest::of(b"");
    let other = Digest::of(b"other");
    for (image, repository) in [
        ("web".to_owned(), "web"),
        ("web:1.0".to_owned(), "web"),
        ("registry.example:5000/a/web".to_owned(), "registry.example:5000/a/web"),
        ("registry.example:5000/a/web:1.0".to_owned(), "registry.example:5000/a/web"),
        (format!("registry.example/a/web:1.0@{other}"), "registry.example/a/web"),
    ] {
        assert_eq!(pinned(&image, digest), format!("{repository}@{digest}"));
    }
}

#[tokio::test]
async fn a_record_that_others_can_write_grants_nothing() {
    let site = Site::new().await;
    let verified = site.signed().await;
    let mut same = made_by_another(&verified);
    same.settings.bundle = verified.digest();
    let shared = same.clone().shared();
    assert!(decided(verified, &with_credential("upgrade"), Some(&same), Mode::Act).is_ok());
    for mode in [Mode::Act, Mode::Plan, Mode::Examine] {
        let upgrade = with_credential("upgrade");
        let refused = decided(site.signed().await, &upgrade, Some(&shared), mode);
        let refused = refused.map(|decided| decided.decision);
        assert!(
            matches!(&refused, Err(Error::Shortfall(Shortfall::Shared(lines))) if lines.len() == 3),
            "{refused:?}"
        );
    }
    let granted = granting(with_credential("upgrade"));
    let decided = decided(site.signed().await, &granted, Some(&shared), Mode::Act).unwrap();
    assert!(!decided.decision.carried_over && decided.decision.warnings.is_empty());
}

#[tokio::test]
async fn a_parameter_that_others_recorded_fills_no_scope() {
    let site = Site::new().await;
    let mut before = earlier("install", "succeeded");
    before.last.as_mut().unwrap().parameters = [("theme".to_owned(), json!("kube-system"))].into();
    let decide = async |operation: Operation, earlier: &Installation| {
        let mut asked = granting(operation);
        let rule = json!({ "verbs": ["apply"], "kinds": ["ConfigMap"], "namespaces": ["${parameters.theme}"], "names": ["a"] });
        asked.consent.grant.kubernetes.push(serde_json::from_value(rule).unwrap());
        decided(site.unsigned().await, &asked, Some(earlier), Mode::Act).map(|decided| decided.decision)
    };
    assert!(decide(with_credential("upgrade"), &before).await.is_ok());
    let shared = before.shared();
    let refused =
        decide(with_credential("upgrade"), &shared).await.map_err(|error| crate::document::chain(&error));
    assert!(refused.is_err_and(|text| text.contains("needs the parameter `theme` to be a text")));
    let given = [("theme".to_owned(), json!("light"))].into();
    assert!(decide(Operation { parameters: given, ..with_credential("upgrade") }, &shared).await.is_ok());
    // So does a revision's text: it is complete, and none of it was given.
    let recorded: BTreeMap<_, _> = [("theme".to_owned(), json!("kube-system"))].into();
    let doubtful = recorded.keys().cloned().collect();
    let back = Operation { parameters: recorded, doubtful, complete: true, ..with_credential("upgrade") };
    assert!(decide(back, &shared).await.is_err());
}
