use std::time::Duration;

use super::*;
use crate::capability::severity::Severity;
use crate::signature::{PrivateKey, sigstore};
use crate::verify::PolicyError;

/// Two approvers and a stranger, and a policy of one rule.
struct Case {
    alice: PrivateKey,
    bob: PrivateKey,
    stranger: PrivateKey,
}

const NOW: &str = "2026-06-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

fn digest() -> Digest {
    Digest::of(b"plan")
}

fn plan() -> PlanToApprove {
    PlanToApprove {
        made: Digest::of(b"made"),
        digest: Some(digest()),
        target: TargetKind::Kube,
        changes_anything: true,
        facts: PlanFacts { namespaces: ["prod".to_owned()].into(), ..PlanFacts::default() },
        liberties: BTreeSet::new(),
    }
}

fn approval(key: &PrivateKey, plan: Digest, from: Timestamp, until: Timestamp) -> Vec<u8> {
    sigstore::approve(&ApprovalStatement { plan, approved_at: from, expires_at: until }, key).unwrap()
}

/// These approvals, each in a file.
fn files(given: &[Vec<u8>]) -> Vec<GivenApproval> {
    let file =
        |(at, bytes): (usize, &Vec<u8>)| GivenApproval { file: format!("{at}.json"), bytes: bytes.clone() };
    given.iter().enumerate().map(file).collect()
}

/// An approval of the plan that holds for an hour.
fn by(key: &PrivateKey) -> Vec<u8> {
    approval(key, digest(), now(), after(now(), 3600))
}

impl Case {
    fn new() -> Self {
        let key = || PrivateKey::generate().unwrap();
        Self { alice: key(), bob: key(), stranger: key() }
    }

    fn parsed(&self, rules: &str) -> Result<TrustPolicy, PolicyError> {
        let key =
            |name: &str, key: &PrivateKey| format!("    {name}: {{ pem: {:?} }}\n", key.public().to_pem());
        let same = key("alice-again", &self.alice);
        TrustPolicy::parse(&format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n{}{}{same}  rules: []\n  approvals:\n{rules}",
            key("alice", &self.alice),
            key("bob", &self.bob),
        ))
    }

    fn policy(&self, rules: &str) -> TrustPolicy {
        self.parsed(rules).unwrap()
    }

    /// A policy that wants so many of both approvers, with these lines in its rule.
    fn wanting(&self, threshold: usize, lines: &str) -> TrustPolicy {
        self.policy(&format!(
            "  - require: {{ threshold: {threshold}, anyOf: [alice, bob, alice-again] }}\n{lines}"
        ))
    }
}

fn missing(result: Result<Approved, Unapproved>) -> (usize, Vec<String>) {
    match result.unwrap_err() {
        Unapproved::Missing { found, flaws, .. } => (found.len(), flaws),
        other => panic!("{other}"),
    }
}

#[test]
fn as_many_distinct_keys_as_are_demanded_have_to_approve() {
    let case = Case::new();
    let policy = case.wanting(2, "");
    let check = |given: &[Vec<u8>]| policy.approved(&plan(), &files(given), now());
    let names = |given: &[Vec<u8>]| {
        check(given).unwrap().into_by().into_iter().map(|by| by.name).collect::<BTreeSet<_>>()
    };
    assert_eq!(missing(check(&[])).0, 0);
    assert_eq!(missing(check(&[by(&case.alice)])).0, 1);
    assert_eq!(missing(check(&[by(&case.alice), by(&case.alice)])).0, 1, "one key under two names is one");
    let (_, flaws) = missing(check(&[by(&case.alice), by(&case.alice)]));
    assert_eq!(flaws.len(), 1);
    let again = "`1.json`: key `alice";
    assert!(flaws[0].starts_with(again) && flaws[0].contains("already, in `0.json`"), "{flaws:?}");
    let (found, flaws) = missing(check(&[by(&case.alice), by(&case.stranger)]));
    assert_eq!((found, flaws.len()), (1, 1));
    assert_eq!(names(&[by(&case.bob), by(&case.alice)]).len(), 2);
    let more = [by(&case.stranger), b"{}".to_vec(), by(&case.bob), by(&case.alice)];
    assert_eq!(names(&more).len(), 2, "what does not count spoils nothing");
}

#[test]
fn an_approval_is_of_one_plan_and_ends() {
    let case = Case::new();
    let policy = case.wanting(1, "");
    let check = |bytes: Vec<u8>, at: Timestamp| policy.approved(&plan(), &files(&[bytes]), at);
    let hour = |key| approval(key, digest(), now(), after(now(), 3600));
    assert!(check(hour(&case.alice), after(now(), 3599)).is_ok());
    for (bytes, at, said) in [
        (hour(&case.alice), after(now(), 3600), "it ended at"),
        (approval(&case.alice, Digest::of(b"other"), now(), after(now(), 60)), now(), "another plan"),
        (approval(&case.alice, digest(), after(now(), 301), after(now(), 900)), now(), "has not come"),
        (
            approval(&case.alice, digest(), now(), after(now(), 90 * 86_400 + 1)),
            now(),
            "for more than 90 days",
        ),
        (hour(&case.stranger), now(), "no key of the trust policy"),
        (sigstore::sign(digest(), &case.alice).unwrap(), now(), "not the approval of a plan"),
        (b"no json".to_vec(), now(), "malformed"),
    ] {
        let (found, flaws) = missing(check(bytes, at));
        assert!(found == 0 && flaws[0].contains(said), "{said}: {flaws:?}");
    }
    let unsaved = PlanToApprove { digest: None, ..plan() };
    let (_, flaws) = missing(policy.approved(&unsaved, &files(&[hour(&case.alice)]), now()));
    assert!(flaws[0].contains("not saved"), "{flaws:?}");
}

#[test]
fn the_clock_of_an_approver_may_be_five_minutes_ahead() {
    let case = Case::new();
    let policy = case.wanting(1, "");
    let ahead = |seconds| approval(&case.alice, digest(), after(now(), seconds), after(now(), 900));
    assert!(policy.approved(&plan(), &files(&[ahead(300)]), now()).is_ok());
    let (_, flaws) = missing(policy.approved(&plan(), &files(&[ahead(301)]), now()));
    assert_eq!(flaws, ["`0.json`: it is of 2026-06-01T12:05:01Z, which has not come"]);
}

/// Whoever is stopped reads what is wanted, by whom and why, and what is wrong with each approval at hand.
#[test]
fn what_is_wanted_and_what_is_there_is_said_in_words() {
    let case = Case::new();
    let policy =
        case.wanting(2, "    when: { powers: high, deletes: [ConfigMap, 'apps/*'], widerGrant: true }\n");
    let mut plan = plan();
    plan.facts.powers = Some(Severity::Critical);
    let reason = "since it installs powers of severity high or more";
    let rule = "rule 1 of `approvals` in the trust policy";
    let demanded = format!("approved by 2 of alice, alice-again, bob ({rule}, {reason})");
    assert_eq!(policy.demands(&plan), [demanded]);
    let wanted = format!("{rule} wants 2 of alice, alice-again, bob to approve this plan, {reason}");
    let said = |given: &[Vec<u8>]| policy.approved(&plan, &files(given), now()).unwrap_err().to_string();
    assert_eq!(said(&[]), format!("{wanted}, and nobody has"));
    assert_eq!(said(&[by(&case.alice)]), format!("{wanted}, and only alice has"));
    let ended = approval(&case.bob, digest(), now(), now());
    assert_eq!(
        said(&[by(&case.alice), ended, b"{}".to_vec()])
            .split("; an approval does not count: ")
            .take(2)
            .collect::<Vec<_>>(),
        [format!("{wanted}, and only alice has"), format!("`1.json`: it ended at {NOW}")]
    );
    assert_eq!(have(&["alice".into(), "bob".into()]), "only alice, bob have");
    plan.facts.has_wider_grant = true;
    plan.facts.deletes = ["apps/Deployment".to_owned()].into();
    assert_eq!(
        policy.demands(&plan),
        [format!(
            "approved by 2 of alice, alice-again, bob ({rule}, since it removes or replaces objects of ConfigMap, \
             apps/*, and it installs powers of severity high or more, and more is granted than before)"
        )]
    );
    // One that is about whatever a plan does has no reason.
    let plain = case.wanting(1, "").demands(&plan);
    assert_eq!(plain, [format!("approved by 1 of alice, alice-again, bob ({rule})")]);
    plan.changes_anything = false;
    assert!(policy.demands(&plan).is_empty());
}

#[test]
fn what_is_forbidden_is_named_as_it_is_written() {
    let case = Case::new();
    for (member, liberty, words) in [
        (
            "dangerous",
            Forbidden::Dangerous,
            "lowering a guard (`--dangerous-…`, `--no-wait=all` and the like)",
        ),
        ("grantFlags", Forbidden::GrantFlags, "granting by flags instead of a file"),
        ("ownIdentity", Forbidden::OwnIdentity, "`--identity own`"),
        ("yes", Forbidden::Yes, "`--yes` on a plan that nobody has seen"),
    ] {
        let policy = case.policy(&format!("  - forbid: [{member}]\n"));
        let acting = PlanToApprove { liberties: [liberty].into(), ..plan() };
        let refusal = policy.approved(&acting, &[], now()).unwrap_err().to_string();
        assert_eq!(refusal, format!("rule 1 of `approvals` in the trust policy forbids {words} here"));
        assert!(policy.approved(&plan(), &[], now()).is_ok() && policy.demands(&acting).is_empty());
    }
}

#[test]
fn a_changed_approval_is_nobodys() {
    let case = Case::new();
    let policy = case.wanting(1, "");
    let bytes = by(&case.alice);
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let result = policy.approved(&plan(), &files(&[changed]), now());
        refused += usize::from(result.is_err());
        if let Ok(found) = result {
            // The hint of the key is for people, and nothing follows from it.
            let found = found.into_by();
            assert_eq!(found[0].name, "alice", "byte {at}");
            assert_eq!(found[0].expires_at, after(now(), 3600), "byte {at}");
        }
    }
    assert!(refused > bytes.len() / 7 / 2, "{refused} of {}", bytes.len() / 7);
}

#[test]
fn who_signed_the_bundle_does_not_approve_its_plan_unless_the_rule_says_so() {
    let case = Case::new();
    let signers = [case.alice.public().id().hex()].into();
    let of_alice = PlanToApprove { facts: PlanFacts { signers, ..plan().facts }, ..plan() };
    let check = |policy: &TrustPolicy, key| policy.approved(&of_alice, &files(&[by(key)]), now());
    let (_, flaws) = missing(check(&case.wanting(1, ""), &case.alice));
    assert!(flaws[0].contains("signed the bundle"), "{flaws:?}");
    assert!(check(&case.wanting(1, ""), &case.bob).is_ok());
    let free = case.policy("  - require: { threshold: 1, anyOf: [alice], signersMayApprove: true }\n");
    assert!(check(&free, &case.alice).is_ok());
}

#[test]
fn a_rule_is_about_the_plans_that_it_describes() {
    let case = Case::new();
    let demands = |lines: &str, change: fn(&mut PlanToApprove)| {
        let mut plan = plan();
        change(&mut plan);
        case.wanting(1, lines).approved(&plan, &[], now()).is_err()
    };
    let dir = |plan: &mut PlanToApprove| plan.target = TargetKind::Dir;
    assert!(demands("", |_| ()) && demands("", dir));
    assert!(!demands("", |plan| plan.changes_anything = false));
    assert!(demands("    targets: [kube]\n", |_| ()) && !demands("    targets: [kube]\n", dir));
    let prod = "    namespaces: [prod, 'live-*']\n";
    assert!(demands(prod, |_| ()));
    assert!(demands(prod, |plan| plan.facts.namespaces = ["dev".to_owned(), "live-1".to_owned()].into()));
    assert!(!demands(prod, |plan| plan.facts.namespaces = ["dev".to_owned(), "prod-2".to_owned()].into()));
    let cluster_wide = |plan: &mut PlanToApprove| {
        plan.facts.namespaces = ["dev".to_owned()].into();
        plan.facts.is_cluster_wide = true;
    };
    assert!(demands(prod, cluster_wide), "what is outside of namespaces reaches into all of them");
    let powers = "    when: { powers: high }\n";
    assert!(!demands(powers, |_| ()) && !demands(powers, |plan| plan.facts.powers = Some(Severity::Medium)));
    assert!(demands(powers, |plan| plan.facts.powers = Some(Severity::Critical)));
    let deletes = "    when: { deletes: [PersistentVolumeClaim, 'apps/*'] }\n";
    assert!(!demands(deletes, |plan| plan.facts.deletes = ["ConfigMap".to_owned()].into()));
    assert!(demands(deletes, |plan| plan.facts.deletes = ["apps/Deployment".to_owned()].into()));
    assert!(demands(deletes, |plan| plan.facts.deletes_namespaces = true), "nobody knows what is in them");
    let wider = "    when: { widerGrant: true, powers: critical }\n";
    assert!(!demands(wider, |_| ()) && demands(wider, |plan| plan.facts.has_wider_grant = true));
}

#[test]
fn what_is_forbidden_is_so_whoever_approved_it() {
    let case = Case::new();
    let policy = case.wanting(1, "    forbid: [ownIdentity, yes]\n");
    let acting = |liberty| PlanToApprove { liberties: [liberty].into(), ..plan() };
    for liberty in [Forbidden::OwnIdentity, Forbidden::Yes] {
        let error = policy.approved(&acting(liberty), &files(&[by(&case.alice)]), now()).unwrap_err();
        assert!(matches!(error, Unapproved::Forbidden { rule: 1, .. }), "{error}");
    }
    assert!(policy.approved(&acting(Forbidden::Dangerous), &files(&[by(&case.alice)]), now()).is_ok());
}

#[test]
fn each_rule_of_both_policies_has_to_be_met() {
    let case = Case::new();
    let both = "  - require: { threshold: 1, anyOf: [alice] }\n  - require: { threshold: 1, anyOf: [bob] }\n";
    let check = |policy: &TrustPolicy, given: &[Vec<u8>]| policy.approved(&plan(), &files(given), now());
    assert!(check(&case.policy(both), &[by(&case.alice)]).is_err());
    assert_eq!(check(&case.policy(both), &[by(&case.alice), by(&case.bob)]).unwrap().into_by().len(), 2);
    let machine = case.policy("  - require: { threshold: 1, anyOf: [bob] }\n");
    let narrowed = TrustPolicy::none().below(machine);
    let error = check(&narrowed, &[by(&case.alice)]).unwrap_err().to_string();
    assert!(error.contains("of this machine"), "{error}");
    assert!(check(&narrowed, &[by(&case.bob)]).is_ok());
    assert_eq!(narrowed.demands(&plan()).len(), 1);
}

#[test]
fn to_the_policy_of_a_machine_every_grant_is_a_wider_one() {
    let case = Case::new();
    let wider = || case.wanting(1, "    when: { widerGrant: true }\n");
    let granted = PlanToApprove { facts: PlanFacts { has_grant: true, ..plan().facts }, ..plan() };
    assert!(wider().approved(&granted, &[], now()).is_ok(), "it is the grant of before");
    let narrowed = || TrustPolicy::none().below(wider());
    assert!(
        narrowed().approved(&granted, &[], now()).is_err(),
        "the record of before is a file of the user's"
    );
    assert!(narrowed().approved(&plan(), &[], now()).is_ok(), "nothing is granted");
}

#[test]
fn a_key_whose_time_is_over_approves_nothing() {
    let case = Case::new();
    let text = format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n    alice: {{ pem: {:?}, validUntil: '{NOW}' }}\n  rules: []\n  approvals:\n  - require: {{ threshold: 1, anyOf: [alice] }}\n",
        case.alice.public().to_pem()
    );
    let policy = TrustPolicy::parse(&text).unwrap();
    let (_, flaws) = missing(policy.approved(&plan(), &files(&[by(&case.alice)]), now()));
    assert!(flaws[0].contains("was valid until"), "{flaws:?}");
    let earlier = now().checked_sub(Duration::from_secs(1)).unwrap();
    assert!(policy.approved(&plan(), &files(&[by(&case.alice)]), earlier).is_ok());
}

#[test]
fn a_rule_that_could_not_work_is_refused() {
    let case = Case::new();
    let require = "require: { threshold: 1, anyOf: [alice] }";
    for (rule, said) in [
        ("targets: [kube]".to_owned(), "demands nothing"),
        (format!("targets: [], {require}"), "no target"),
        (format!("namespaces: [], {require}"), "no namespace"),
        (format!("namespaces: [Prod], {require}"), "namespace"),
        (format!("when: {{}}, {require}"), "never holds"),
        (format!("when: {{ deletes: [pvc] }}, {require}"), "write `PersistentVolumeClaim`"),
        ("require: { threshold: 2, anyOf: [alice, alice-again] }".to_owned(), "wants 2 signers of 1"),
        ("require: { threshold: 0, anyOf: [alice] }".to_owned(), "from 1 to 1"),
        ("require: { threshold: 1, anyOf: [carol] }".to_owned(), "carol"),
        (format!("forbid: [everything], {require}"), "everything"),
        (format!("unless: x, {require}"), "unless"),
    ] {
        let error = case.parsed(&format!("  - {{ {rule} }}\n")).unwrap_err();
        let text = crate::document::chain(&error);
        assert!(text.contains(said), "{rule}: {text}");
    }
}

/// Who signed is found whichever rules list the key, in either policy, and each key once.
#[tokio::test]
async fn the_signers_of_a_bundle_are_those_whose_keys_either_policy_has() {
    let layout = concat!("layout:", env!("CARGO_MANIFEST_DIR"), "/guest-examples/bundles/hello");
    let registry = crate::oci::registry::RegistryClient::anonymous();
    let fetched = crate::fetch::fetch(&layout.parse().unwrap(), &registry).await.unwrap();
    let text = include_str!("../../../guest-examples/trust.yaml");
    let knowing = || TrustPolicy::parse(text).unwrap();
    let ids = knowing().signers_of(&fetched);
    assert_eq!(ids.iter().cloned().collect::<Vec<_>>(), [knowing().summary().keys[0].key_id.clone()]);
    assert_eq!(Case::new().wanting(1, "").signers_of(&fetched), BTreeSet::new());
    assert_eq!(TrustPolicy::none().below(knowing()).signers_of(&fetched), ids);
    assert_eq!(knowing().below(knowing()).signers_of(&fetched), ids);
}
