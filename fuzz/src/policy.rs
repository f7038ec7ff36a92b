//! What is asked of trust policies: a document demands the same in each notation, and one that demands more, of keys, names,
//! times or digests, admits nothing that it did not admit before.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use carnet::digest::Digest;
use carnet::document;
use carnet::fetch::{Fetched, fetch, load};
use carnet::oci::registry::RegistryClient;
use carnet::verify::{Refusal, TrustDecision, TrustPolicy};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{KEY, as_json, shown};

/// Where the signed bundle is from, in turn: what a policy says of a place must not count for another one.
const ORIGINS: [&str; 4] = ["layout:x", "archive:x.tar", "ghcr.io/acme/hello:1", "ghcr.io/acme-evil/hello:1"];

/// Trust policies.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let policy = match TrustPolicy::parse(text) {
        Ok(policy) => policy,
        Err(error) => return shown(&error),
    };
    assert_eq!(policy.digest(), Digest::of(bytes));
    let written = document::yaml(text).unwrap();
    let again = as_json(&written).map(|text| TrustPolicy::parse(&text).unwrap());
    for bundle in bundles() {
        let decided = decided(&policy, bundle);
        if let Some(again) = &again {
            assert_eq!(verdict(&self::decided(again, bundle)), verdict(&decided));
        }
        refuses_what_it_is_told_to(&written, bundle);
        admits_no_more_when_it_demands_more(&written, bundle, &decided);
        decides_by_the_place_alone(&written, bundle, &decided);
    }
}

fn refuses_what_it_is_told_to(written: &Value, bundle: &Fetched) {
    let refusing = changed(written, |spec| {
        let refused = spec.as_object_mut()?.entry("refusedDigests").or_insert(json!([]));
        refused.as_array_mut()?.push(json!(bundle.digest()));
        Some(())
    });
    if let Some(refusing) = refusing {
        assert!(matches!(decided(&refusing, bundle), Err(Refusal::RefusedDigest(_))));
    }
}

fn admits_no_more_when_it_demands_more(written: &Value, bundle: &Fetched, before: &Decided) {
    let rules = written["spec"]["rules"].as_array().map_or(0, Vec::len);
    let of_rules = (0..rules).flat_map(|rule| {
        [
            changed(written, |spec| {
                let threshold = spec.pointer_mut(&format!("/rules/{rule}/require/threshold"))?;
                *threshold = json!(threshold.as_u64()?.checked_add(1)?);
                Some(())
            }),
            changed(written, |spec| first_removed(spec, &format!("/rules/{rule}/require/anyOf"))),
            changed(written, |spec| first_removed(spec, &format!("/rules/{rule}/names"))),
        ]
    });
    let keys: Vec<_> =
        written["spec"]["keys"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
    let of_keys = keys.into_iter().flat_map(|name| {
        let window = |member: &'static str, time: &'static str| {
            changed(written, |spec| {
                let key = spec.get_mut("keys")?.get_mut(name)?.as_object_mut()?;
                key.remove(["validFrom", "validUntil"].into_iter().find(|other| *other != member)?);
                drop(key.insert(member.into(), json!(time)));
                Some(())
            })
        };
        [window("validUntil", "2020-01-01T00:00:00Z"), window("validFrom", "2100-01-01T00:00:00Z")]
    });
    for narrower in of_rules.chain(of_keys).flatten() {
        let after = decided(&narrower, bundle);
        if let Ok(TrustDecision::Signed { signers, .. }) = &after {
            let Ok(TrustDecision::Signed { signers: all, .. }) = before else {
                panic!("{before:?} became {after:?}");
            };
            let was_one = |key_id: &String| all.iter().any(|signer| signer.key_id == *key_id);
            assert!(signers.iter().all(|signer| was_one(&signer.key_id)), "{before:?} became {after:?}");
        }
    }
}

fn decides_by_the_place_alone(written: &Value, bundle: &Fetched, before: &Decided) {
    let place = bundle.reference().to_string();
    let place = place.rsplit_once(':').map(|(place, _)| place).unwrap_or_default();
    for scope in ["registry.example/elsewhere/**", place] {
        let stranger = changed(written, |spec| {
            let keys = spec.as_object_mut()?.entry("keys").or_insert(json!({}));
            drop(keys.as_object_mut()?.insert("nobody's key".into(), json!({ "pem": KEY })));
            let require = json!({ "threshold": 1, "anyOf": ["nobody's key"] });
            spec.get_mut("rules")?
                .as_array_mut()?
                .push(json!({ "match": scope, "names": ["**"], "require": require }));
            Some(())
        });
        // There may be such a rule already, or none can be about the place.
        let Some(stranger) = stranger else { continue };
        let after = decided(&stranger, bundle);
        if scope == place {
            assert!(after.is_err(), "a rule for this place alone was passed over: {after:?}");
        } else if before.is_ok() || after.is_ok() {
            assert_eq!(verdict(&after), verdict(before));
        }
    }
}

type Decided = Result<TrustDecision, Refusal>;

fn decided(policy: &TrustPolicy, bundle: &Fetched) -> Decided {
    let decided = policy.decide(bundle, "2026-06-01T00:00:00Z".parse::<Timestamp>().unwrap());
    if let Err(refusal) = &decided {
        shown(refusal);
    }
    decided
}

/// A decision without the digest of the policy's text.
fn verdict(decided: &Decided) -> String {
    match decided {
        Ok(TrustDecision::Signed { rule, signers, terms, refuse_powers, .. }) => {
            format!("{rule} {signers:?} {terms} {refuse_powers:?}")
        }
        other => format!("{other:?}"),
    }
}

/// The policy with a change to its `spec`. None: there is nothing to change, or the outcome is no policy.
fn changed(written: &Value, change: impl FnOnce(&mut Value) -> Option<()>) -> Option<TrustPolicy> {
    let mut document = written.clone();
    change(document.get_mut("spec")?)?;
    TrustPolicy::parse(&as_json(&document)?).ok()
}

fn first_removed(spec: &mut Value, pointer: &str) -> Option<()> {
    let items = spec.pointer_mut(pointer)?.as_array_mut()?;
    (!items.is_empty()).then(|| drop(items.remove(0)))
}

/// An example bundle with its signature, as if it came from each of the places.
fn bundles() -> &'static [Fetched] {
    static BUNDLES: OnceLock<Vec<Fetched>> = OnceLock::new();
    BUNDLES.get_or_init(|| {
        let layout = root().join("guest-examples/bundles/hello");
        let digest = now(fetch(
            &format!("layout:{}", layout.display()).parse().unwrap(),
            &RegistryClient::anonymous(),
        ))
        .unwrap()
        .digest();
        let directory = Dir::open_ambient_dir(layout, ambient_authority()).unwrap();
        let from = |origin: &str| now(load(&directory, digest, origin.parse().unwrap())).unwrap();
        ORIGINS.map(from).into()
    })
}

/// The project's folder: this is compiled in it, and in `fuzz`.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().find(|folder| folder.join("guest-examples").exists()).unwrap().to_owned()
}

fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}
