//! Decisions about a bundle that is signed on the spot: who counts, when, how many, and who else has a say.

#![expect(clippy::disallowed_methods, reason = "tests make files")]

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::*;
use crate::fetch::fetch;
use crate::oci::media_type::OCI_INDEX;
use crate::oci::registry::RegistryClient;
use crate::oci::{Descriptor, Layout, Repository};
use crate::signature::{NewSignature, PrivateKey};

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guest-examples/bundles/hello");

fn key() -> PrivateKey {
    PrivateKey::generate().unwrap()
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-06-01T00:00:00Z")
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copied(&path, &copy);
        } else {
            assert!(std::fs::copy(&path, copy).is_ok(), "{}", path.display());
        }
    }
}

/// The example bundle `hello`, which another key has signed already, with signatures of these keys.
async fn signed_by(keys: &[&PrivateKey]) -> Fetched {
    let home = tempfile::tempdir().unwrap();
    copied(Path::new(HELLO), home.path());
    let reference = format!("layout:{}", home.path().display()).parse().unwrap();
    let digest = fetch(&reference, &RegistryClient::anonymous()).await.unwrap().digest();
    let index = std::fs::read(home.path().join("blobs/sha256").join(digest.hex())).unwrap();
    let directory = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
    let mut repository = Repository::Layout(Layout::open_or_new(directory).await.unwrap());
    for key in keys {
        let signature = NewSignature::of(&Descriptor::of(OCI_INDEX, &index), key).unwrap();
        signature.write(digest, &mut repository).await.unwrap();
    }
    repository.finish().await.unwrap();
    fetch(&reference, &RegistryClient::anonymous()).await.unwrap()
}

/// A policy with these keys, whose one rule lists them all. `more` stands in the key's entry, `rule` in the rule.
fn policy(keys: &[(&str, &PrivateKey)], threshold: usize, more: &str, rule: &str) -> TrustPolicy {
    let entry = |(name, key): &(&str, &PrivateKey)| {
        format!("    {name}: {{ pem: {:?}{more} }}\n", key.public().to_pem())
    };
    let names: Vec<_> = keys.iter().map(|(name, _)| *name).collect();
    TrustPolicy::parse(&format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n{}  rules:\n  - {{ {rule}, require: {{ threshold: \
         {threshold}, anyOf: [{}] }} }}\n",
        keys.iter().map(entry).collect::<String>(),
        names.join(", ")
    ))
    .unwrap()
}

const RULE: &str = "match: layout, names: [hello]";

fn names(decision: Result<TrustDecision, Refusal>) -> Vec<String> {
    match decision.unwrap() {
        TrustDecision::Signed { signers, .. } => signers.into_iter().map(|signer| signer.name).collect(),
        TrustDecision::Unsigned => panic!("it is signed"),
    }
}

#[tokio::test]
async fn as_many_distinct_keys_as_the_rule_wants_have_to_sign() {
    let (alice, bob) = (key(), key());
    let both = [("alice", &alice), ("bob", &bob)];
    let twice = signed_by(&[&alice, &alice]).await;
    assert_eq!(twice.signatures().len(), 3);
    assert_eq!(names(policy(&both, 1, "", RULE).decide(&twice, now())), ["alice"]);
    let refusal = policy(&both, 2, "", RULE).decide(&twice, now()).unwrap_err();
    match refusal {
        Refusal::Signers { rule, threshold: 2, found: 1, flaws } => {
            assert_eq!((rule.as_str(), flaws.len()), ("layout", 1));
            assert!(matches!(flaws[0].1, Flaw::UnknownKey(Some(_))), "{:?}", flaws[0].1);
        }
        other => panic!("{other}"),
    }
    let by_both = signed_by(&[&alice, &bob]).await;
    let mut found = names(policy(&both, 2, "", RULE).decide(&by_both, now()));
    found.sort();
    assert_eq!(found, ["alice", "bob"]);
    let verified = policy(&both, 2, "", RULE).verify(by_both, now()).unwrap();
    assert_eq!(verified.digest(), twice.digest());
    assert!(matches!(verified.decision(), TrustDecision::Signed { rule, .. } if rule == "layout"));
}

#[tokio::test]
async fn a_key_counts_from_its_first_moment_and_until_its_last() {
    let alice = key();
    let fetched = signed_by(&[&alice]).await;
    let window = ", validFrom: '2026-01-01T00:00:00Z', validUntil: '2027-01-01T00:00:00Z'";
    let policy = policy(&[("alice", &alice)], 1, window, RULE);
    for (time, counts) in [
        ("2025-12-31T23:59:59Z", false),
        ("2026-01-01T00:00:00Z", true),
        ("2026-12-31T23:59:59Z", true),
        ("2027-01-01T00:00:00Z", false),
    ] {
        let decided = policy.decide(&fetched, at(time));
        assert_eq!(decided.is_ok(), counts, "{time}");
        let Err(Refusal::Signers { flaws, .. }) = decided else { continue };
        let is_early =
            flaws.iter().any(|(_, flaw)| matches!(flaw, Flaw::NotYetValid { key, .. } if key == "alice"));
        let is_late =
            flaws.iter().any(|(_, flaw)| matches!(flaw, Flaw::Expired { key, .. } if key == "alice"));
        assert_eq!((is_early, is_late), (time.starts_with("2025"), time.starts_with("2027")), "{time}");
    }
}

#[tokio::test]
async fn names_places_and_refused_digests_are_asked_beside_signatures() {
    let alice = key();
    let fetched = signed_by(&[&alice]).await;
    let (keys, digest) = ([("alice", &alice)], fetched.digest());
    let other = policy(&keys, 1, "", "match: layout, names: [other]").decide(&fetched, now()).unwrap_err();
    assert!(
        matches!(other, Refusal::Name { name, rule } if (name.as_str(), rule.as_str()) == ("hello", "layout"))
    );
    let elsewhere = policy(&keys, 1, "", "match: archive, names: [hello]");
    match elsewhere.decide(&fetched, now()).unwrap_err() {
        Refusal::NoRule(unruled) => {
            assert_eq!((unruled.place.as_str(), unruled.name.as_deref()), ("layout", Some("hello")));
        }
        other => panic!("{other}"),
    }
    assert!(matches!(TrustPolicy::none().decide(&fetched, now()), Err(Refusal::NoPolicy(Some(_)))));
    let mut refusing = policy(&keys, 1, "", RULE);
    refusing.refused.extend([digest]);
    assert!(matches!(refusing.decide(&fetched, now()), Err(Refusal::RefusedDigest(it)) if it == digest));
    let below = policy(&keys, 1, "", RULE).below(refusing.clone());
    assert!(matches!(below.decide(&fetched, now()), Err(Refusal::RefusedDigest(_))));
    // No flag makes up for it.
    let refused = dangerously_unsigned(signed_by(&[]).await, &refusing).unwrap_err();
    assert!(matches!(refused, Refusal::RefusedDigest(it) if it == digest));
    let unsigned = dangerously_unsigned(signed_by(&[]).await, &TrustPolicy::none()).unwrap();
    assert_eq!(unsigned.decision(), &TrustDecision::Unsigned);
}

#[tokio::test]
async fn what_two_policies_have_to_agree_on_is_what_both_demand() {
    let (alice, bob) = (key(), key());
    let rule = |powers: &str| format!("{RULE}, powers: {{ refuse: {powers} }}");
    let own = || policy(&[("alice", &alice)], 1, "", &rule("critical"));
    let machine = || policy(&[("bob", &bob)], 1, "", &rule("medium"));
    let by_alice = signed_by(&[&alice]).await;
    let refusal = own().below(machine()).decide(&by_alice, now()).unwrap_err();
    assert!(matches!(refusal, Refusal::Machine(why) if matches!(*why, Refusal::Signers { found: 0, .. })));
    let by_both = signed_by(&[&alice, &bob]).await;
    let parts = |policy: TrustPolicy| match policy.decide(&by_both, now()).unwrap() {
        TrustDecision::Signed { policy, terms, refuse_powers, .. } => (policy, terms, refuse_powers),
        TrustDecision::Unsigned => panic!("it is signed"),
    };
    let (alone, theirs, joint) = (parts(own()), parts(machine()), parts(own().below(machine())));
    assert_eq!(
        (alone.2, theirs.2, joint.2),
        (Some(Severity::Critical), Some(Severity::Medium), Some(Severity::Medium))
    );
    // Consent to the terms of one is none to those of both, and changes with either.
    assert_ne!(joint.1, alone.1);
    assert_ne!(joint.0, alone.0);
    assert_eq!(joint.1, parts(own().below(machine())).1);
    let changed = parts(own().below(policy(&[("bob", &bob)], 1, "", RULE)));
    assert_ne!(changed.1, joint.1);
    assert!(matches!(
        dangerously_unsigned(signed_by(&[]).await, &own().below(machine())),
        Err(Refusal::UnsignedHere)
    ));
}

/// What is told of each signature is what was decided about it.
#[tokio::test]
async fn each_signature_is_reported_with_its_key_or_the_reason_against_it() {
    let (alice, bob) = (key(), key());
    let fetched = signed_by(&[&alice, &bob]).await;
    let mut policy = policy(&[("alice", &alice), ("bob", &bob)], 1, "", RULE);
    policy.rules[0].any_of.retain(|name| name != "bob");
    let mut told: Vec<_> = policy
        .examine(&fetched, now())
        .into_iter()
        .map(|it| (it.key, it.is_trusted, it.reason.unwrap_or_default(), it.key_id.is_some(), it.format))
        .collect();
    told.sort();
    let [unknown, trusted, unlisted] = &told[..] else { panic!("{told:?}") };
    assert!(unknown.2.starts_with("no key of the trust policy made it") && !unknown.1, "{unknown:?}");
    assert_eq!(*trusted, (Some("alice".into()), true, String::new(), true, "sigstore-bundle"));
    let reason = "key `bob` signed it, which the rule does not list".to_owned();
    assert_eq!(*unlisted, (Some("bob".into()), false, reason, true, "sigstore-bundle"));
}
