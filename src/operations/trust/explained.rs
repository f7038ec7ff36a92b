//! What the trust policies that decide here say about a place, and what is the matter with them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::operations::Document;
use crate::reference::Reference;
use crate::verify::{PlaceExplanation, PolicyRemark, TrustPolicy};

/// Which rules decide about a reference, and what they demand. Nothing is fetched.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustExplanation {
    /// The reference.
    pub reference: String,
    /// Whether a bundle from there can be trusted: each policy can admit it.
    pub can_be_trusted: bool,
    /// The policies, all of which have to agree.
    pub policies: Vec<ExplainedPolicy>,
}

/// What one policy says about a reference.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPolicy {
    /// Its file.
    pub file: String,
    /// Whether it is the machine's.
    pub is_machines: bool,
    /// What it says.
    #[serde(flatten)]
    pub says: PlaceExplanation,
}

/// What is the matter with the policies that decide here.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TrustCheck {
    /// The policies.
    pub policies: Vec<CheckedPolicy>,
}

/// What is the matter with one policy.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckedPolicy {
    /// Its file.
    pub file: String,
    /// Whether it is the machine's.
    pub is_machines: bool,
    /// The number of its rules.
    pub rules: usize,
    /// What its author should know, faults first.
    pub remarks: Vec<PolicyRemark>,
}

impl Document for TrustExplanation {
    const KIND: &'static str = "TrustExplanation";
}

impl Document for TrustCheck {
    const KIND: &'static str = "TrustCheck";
}

/// Which rules decide about a reference. `file` is that of the policy, and `machine` that of the machine's.
pub fn explain(
    reference: &Reference,
    (file, policy): (&str, &TrustPolicy),
    machine: &str,
    now: Timestamp,
) -> TrustExplanation {
    let explained = |(file, policy): (&str, &TrustPolicy)| ExplainedPolicy {
        file: file.into(),
        is_machines: file == machine,
        says: policy.explain(reference, now),
    };
    let policies: Vec<_> = deciding((file, policy), machine).into_iter().map(explained).collect();
    let can_be_trusted = policies.iter().all(|it| it.says.can_admit);
    TrustExplanation { reference: reference.to_string(), can_be_trusted, policies }
}

/// What is the matter with the policies.
pub fn check((file, policy): (&str, &TrustPolicy), machine: &str, now: Timestamp) -> TrustCheck {
    let checked = |(file, policy): (&str, &TrustPolicy)| CheckedPolicy {
        file: file.into(),
        is_machines: file == machine,
        rules: policy.summary().rules.len(),
        remarks: policy.remarks(now),
    };
    TrustCheck { policies: deciding((file, policy), machine).into_iter().map(checked).collect() }
}

/// The policy, and the machine's where that is another one.
pub(super) fn deciding<'a>(
    (file, policy): (&'a str, &'a TrustPolicy),
    machine: &'a str,
) -> Vec<(&'a str, &'a TrustPolicy)> {
    let other = policy.machine().filter(|_| file != machine);
    std::iter::once((file, policy)).chain(other.map(|policy| (machine, policy))).collect()
}

impl TrustCheck {
    /// Whether anything can never be met as the policies are now.
    pub fn has_faults(&self) -> bool {
        self.policies.iter().any(|it| it.remarks.iter().any(|remark| remark.is_fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::trust::{NewPolicy, new};
    use crate::signature::PrivateKey;

    const MACHINE: &str = "/etc/carnet/trust.yaml";

    fn policy(place: &str) -> TrustPolicy {
        let pem = PrivateKey::generate().unwrap().public().to_pem();
        let asked = NewPolicy {
            keys: vec![("release".into(), pem)],
            names: vec!["web".into()],
            places: vec![place.into()],
            threshold: 1,
        };
        TrustPolicy::parse(new(&asked).unwrap().text.as_str()).unwrap()
    }

    #[test]
    fn both_policies_have_to_admit_it_and_each_is_told() {
        let both = policy("layout").below(policy("archive"));
        let now = Timestamp::UNIX_EPOCH;
        let explained = explain(&"layout:x".parse().unwrap(), ("mine.yaml", &both), MACHINE, now);
        assert!(!explained.can_be_trusted);
        let told: Vec<_> = explained
            .policies
            .iter()
            .map(|it| (it.file.as_str(), it.is_machines, it.says.can_admit))
            .collect();
        assert_eq!(told, [("mine.yaml", false, true), (MACHINE, true, false)]);
        let agreeing = policy("layout").below(policy("layout"));
        assert!(explain(&"layout:x".parse().unwrap(), ("mine.yaml", &agreeing), MACHINE, now).can_be_trusted);
    }

    #[test]
    fn whoever_has_the_machines_policy_alone_has_one() {
        let machine = policy("layout");
        let own = machine.clone().below(machine);
        let explained =
            explain(&"layout:x".parse().unwrap(), (MACHINE, &own), MACHINE, Timestamp::UNIX_EPOCH);
        assert_eq!(explained.policies.len(), 1);
        assert!(explained.policies[0].is_machines && explained.can_be_trusted);
        let checked = check((MACHINE, &own), MACHINE, Timestamp::UNIX_EPOCH);
        assert_eq!((checked.policies.len(), checked.has_faults()), (1, false));
    }
}
