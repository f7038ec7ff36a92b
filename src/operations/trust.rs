//! Trust policies: a new one for keys that somebody has, and the one that decides here.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::signature::PublicKey;
use crate::text::YamlText;
use crate::verify::{PolicySummary, TrustPolicy};

use super::{API_VERSION, Document, Error};

mod explained;

pub use explained::{CheckedPolicy, ExplainedPolicy, TrustCheck, TrustExplanation, check, explain};

/// A policy to be written.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// The keys: what the policy calls each, and the public key as PEM text.
    pub keys: Vec<(String, String)>,
    /// The names that bundles may have.
    pub names: Vec<String>,
    /// The places that they may come from: a rule for each.
    pub places: Vec<String>,
    /// How many of the keys must have signed.
    pub threshold: usize,
}

/// A policy that was written, and reads as one.
#[derive(Debug)]
pub struct WrittenPolicy {
    /// The text.
    pub text: YamlText,
    /// The same as a document.
    pub document: Value,
}

/// The trust policy that decides here.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Trust {
    /// Its file.
    pub file: String,
    /// Keys, rules and refused digests.
    #[serde(flatten)]
    pub policy: PolicySummary,
    /// The machine's policy, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachinePolicy>,
}

/// The machine's policy, which has to agree whichever decides.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MachinePolicy {
    /// Its file.
    pub file: String,
    /// Keys, rules and refused digests.
    #[serde(flatten)]
    pub policy: PolicySummary,
}

impl Trust {
    /// The policy in a file, with the machine's.
    pub fn of((file, policy): (&str, &TrustPolicy), machine: &str) -> Self {
        let deciding = explained::deciding((file, policy), machine);
        let other = deciding.into_iter().nth(1);
        let machine =
            other.map(|(file, policy)| MachinePolicy { file: file.into(), policy: policy.summary() });
        Self { file: file.into(), policy: policy.summary(), machine }
    }
}

impl Document for Trust {
    const KIND: &'static str = "Trust";
}

/// Writes a policy that admits bundles of these names, from these places, by these keys, and nothing else.
///
/// # Errors
/// [`Error::PublicKey`] when a key is none, and [`Error::NewPolicy`] when the policy could not be loaded.
pub fn new(policy: &NewPolicy) -> Result<WrittenPolicy, Error> {
    let mut keys = Map::new();
    for (name, pem) in &policy.keys {
        let key = PublicKey::parse(pem).map_err(|source| Error::PublicKey { name: name.clone(), source })?;
        keys.insert(name.clone(), json!({ "pem": key.to_pem() }));
    }
    let rule = |place: &String| {
        json!({
            "match": place,
            "names": policy.names,
            "require": { "threshold": policy.threshold, "anyOf": keys.keys().collect::<Vec<_>>() },
        })
    };
    let rules: Vec<_> = policy.places.iter().map(rule).collect();
    let document = json!({
        "apiVersion": API_VERSION,
        "kind": "TrustPolicy",
        "spec": { "keys": keys, "rules": rules },
    });
    let mut text = YamlText::default();
    text.document(&document);
    // A text that would not be loaded must not be returned as a policy.
    TrustPolicy::parse(text.as_str())?;
    Ok(WrittenPolicy { text, document })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::PrivateKey;

    fn pem() -> String {
        PrivateKey::generate().unwrap().public().to_pem()
    }

    fn policy(keys: &[(&str, &str)]) -> NewPolicy {
        NewPolicy {
            keys: keys.iter().map(|(name, pem)| ((*name).to_owned(), (*pem).to_owned())).collect(),
            names: vec!["web".into()],
            places: vec!["layout".into()],
            threshold: 1,
        }
    }

    #[test]
    fn what_is_written_is_loaded_as_it_was_meant() {
        let (one, two) = (pem(), pem());
        let asked = NewPolicy {
            threshold: 2,
            places: vec!["layout".into(), "registry.example/acme/**".into()],
            ..policy(&[("release", one.as_str()), ("it's: # odd", two.as_str())])
        };
        let written = new(&asked).unwrap();
        assert!(written.text.as_str().contains("pem: |"), "{}", written.text);
        let summary = TrustPolicy::parse(written.text.as_str()).unwrap().summary();
        let names: Vec<_> = summary.keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["it's: # odd", "release"]);
        let rules: Vec<_> =
            summary.rules.iter().map(|rule| (rule.r#match.as_str(), rule.threshold)).collect();
        assert_eq!(rules, [("layout", 2), ("registry.example/acme/**", 2)]);
        assert!(summary.rules.iter().all(|rule| rule.any_of == ["it's: # odd", "release"]));
    }

    #[test]
    fn a_policy_that_could_not_work_is_not_written() {
        let key = pem();
        let asked = policy(&[("release", key.as_str())]);
        for (asked, why) in [
            (NewPolicy { threshold: 2, ..asked.clone() }, "wants 2 signers of 1"),
            (NewPolicy { names: Vec::new(), ..asked.clone() }, "has no `names`"),
            (NewPolicy { names: vec!["*x".into()], ..asked.clone() }, "only a `*` or `**` at the end"),
            (NewPolicy { places: vec!["registry.example".into()], ..asked.clone() }, "is not a scope"),
            (policy(&[("a", key.as_str()), ("b", "-----BEGIN")]), "`b` is no public key"),
        ] {
            let error = new(&asked).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
