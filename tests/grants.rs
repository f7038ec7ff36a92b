//! The laws of granting, for bundles, grants and refusals made up at random: *permitted ⊆ requested ∩ granted*, a
//! refusal always wins, and more of a grant never takes power away.
#![expect(clippy::unwrap_used, reason = "tests may fail anywhere")]

mod support;

use std::sync::LazyLock;

use carnet::capability::kubernetes::{RuleText, Verb};
use carnet::capability::template::Names;
use carnet::fetch::Fetched;
use carnet::grant::Granted;
use carnet::grant::spec::GrantSpec;
use carnet::kubernetes::kinds::Kinds;
use carnet::kubernetes::manifest::Object;
use carnet::kubernetes::object::ObjectRef;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::json;
use support::guest::Script;
use support::{Home, fetch, reference, unsigned};

const VERBS: [Verb; 4] = [Verb::Get, Verb::GetSecret, Verb::Apply, Verb::Delete];
const KINDS: [&str; 3] = ["ConfigMap", "Secret", "apps/Deployment"];
const NAMESPACES: [&str; 4] = ["${namespace}", "prod", "dev", "pr*"];
const NAMES: [&str; 5] = ["${installation}-a", "web-a", "web-b", "web-*", "w*"];

/// Every object that is asked about: of each kind, in each namespace, of each name.
static OBJECTS: LazyLock<Vec<ObjectRef>> = LazyLock::new(|| {
    let kinds = [("v1", "ConfigMap"), ("v1", "Secret"), ("apps/v1", "Deployment"), ("v1", "Service")];
    let one = |(api_version, kind): (&str, &str), namespace: &str, name: &str| {
        ObjectRef::new(api_version, kind, Some(namespace), name)
    };
    let names = ["web-a", "web-b", "web", "other"];
    let places = ["prod", "dev", "test"].into_iter().flat_map(move |place| names.map(|name| (place, name)));
    kinds
        .into_iter()
        .flat_map(|kind| places.clone().map(move |(place, name)| one(kind, place, name)))
        .collect()
});

/// A bundle that the others are made of.
static HONEST: LazyLock<Fetched> =
    LazyLock::new(|| Home::new().bundle("honest", &Script::new().component(), ""));

fn names() -> Names {
    Names { installation: "web".into(), namespace: "prod".into(), parameters: Default::default() }
}

fn rule() -> impl Strategy<Value = RuleText> {
    let some = |texts: &'static [&'static str]| {
        subsequence(texts, 1..=2).prop_map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let verbs = subsequence(&VERBS[..], 1..=3);
    (verbs, some(&KINDS), some(&NAMESPACES), some(&NAMES))
        .prop_map(|(verbs, kinds, namespaces, names)| RuleText { verbs, kinds, namespaces, names })
}

fn rules(most: usize) -> impl Strategy<Value = Vec<RuleText>> {
    prop::collection::vec(rule(), 0..=most)
}

/// Whether a rule covers an action, as one would say it in a sentence, and not as carnet computes it.
fn covers(rules: &[RuleText], verb: Verb, object: &ObjectRef) -> bool {
    let matches = |texts: &[String], name: &str| {
        texts.iter().any(|text| {
            let text = text.replace("${namespace}", "prod").replace("${installation}", "web");
            text.strip_suffix('*').map_or(text == name, |stem| name.starts_with(stem))
        })
    };
    rules.iter().any(|rule| {
        rule.verbs.contains(&verb)
            && matches(&rule.kinds, &object.group_kind())
            && matches(&rule.namespaces, object.namespace.as_deref().unwrap())
            && matches(&rule.names, &object.name)
    })
}

/// Whether a rule of a refusal covers an action. Whoever refuses reading means Secrets as well.
fn refuses(rules: &[RuleText], verb: Verb, object: &ObjectRef) -> bool {
    covers(rules, verb, object) || (verb == Verb::GetSecret && covers(rules, Verb::Get, object))
}

fn granted(requests: &[RuleText], allowed: &[RuleText], denied: &[RuleText]) -> Granted {
    let requests: Vec<_> = requests
        .iter()
        .map(|rule| {
            let mut request = json!(rule);
            request["optional"] = true.into();
            request
        })
        .collect();
    let home = Home::new();
    let layout = home.forged("forged", &HONEST, HONEST.component_bytes(), |bundle| {
        bundle["custom"]["dev.carnet.capabilities"] = json!({"kubernetes": requests});
    });
    let verified = unsigned(fetch(&reference(&layout)).unwrap());
    let mut grant = GrantSpec { kubernetes: allowed.to_vec(), ..GrantSpec::default() };
    grant.deny.kubernetes = denied.to_vec();
    Granted::new(verified, &grant, names()).unwrap()
}

fn permits(granted: &Granted, verb: Verb, object: &ObjectRef) -> bool {
    match verb {
        Verb::Get | Verb::GetSecret => granted.get(object.clone()).is_ok(),
        Verb::Delete => granted.delete(object.clone()).is_ok(),
        Verb::Apply => {
            let ObjectRef { api_version, kind, namespace, name } = object;
            let metadata = json!({"name": name, "namespace": namespace});
            let manifest = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
            granted.apply(Object::of(manifest, "prod", &Kinds::default()).unwrap()).is_ok()
        }
    }
}

/// Every action on every object. Which verb reads an object depends on the object.
fn actions() -> impl Iterator<Item = (Verb, &'static ObjectRef)> {
    OBJECTS.iter().flat_map(|object| {
        let read = if object.kind == "Secret" { Verb::GetSecret } else { Verb::Get };
        [read, Verb::Apply, Verb::Delete].map(|verb| (verb, object))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_permitted_is_requested_and_granted_and_not_refused(
        requested in rules(4), allowed in rules(4), denied in rules(2),
    ) {
        let granted = granted(&requested, &allowed, &denied);
        for (verb, object) in actions() {
            let expected = covers(&requested, verb, object)
                && covers(&allowed, verb, object)
                && !refuses(&denied, verb, object);
            prop_assert_eq!(permits(&granted, verb, object), expected, "{} {}", verb, object);
        }
    }

    #[test]
    fn more_of_a_request_or_grant_takes_nothing_away_and_more_of_a_refusal_adds_nothing(
        requested in rules(3), allowed in rules(3), denied in rules(2), more in rule(),
    ) {
        let with = |rules: &[RuleText]| [rules, std::slice::from_ref(&more)].concat();
        let before = granted(&requested, &allowed, &denied);
        let (asked, given) = (granted(&with(&requested), &allowed, &denied), granted(&requested, &with(&allowed), &denied));
        let refused = granted(&requested, &allowed, &with(&denied));
        for (verb, object) in actions() {
            let was = permits(&before, verb, object);
            prop_assert!(!was || permits(&asked, verb, object), "{} {}", verb, object);
            prop_assert!(!was || permits(&given, verb, object), "{} {}", verb, object);
            prop_assert!(was || !permits(&refused, verb, object), "{} {}", verb, object);
        }
    }

    #[test]
    fn what_is_withheld_is_exactly_what_lacks(requested in rules(4), allowed in rules(4)) {
        let before = granted(&requested, &allowed, &[]);
        let lines: Vec<_> = before.withheld();
        let rest: Vec<_> = lines.iter().map(|line| line.as_str().strip_prefix("--allow-kube '").unwrap()).collect();
        let rest = rest.iter().map(|line| line.strip_suffix('\'').unwrap());
        let rest = rest.map(|line| {
            let (verb, line) = line.split_once(':').unwrap();
            let (kind, line) = line.split_once(':').unwrap();
            let (namespace, name) = line.split_once('/').unwrap();
            let [kind, namespace, name] = [kind, namespace, name].map(|text| vec![text.to_owned()]);
            RuleText { verbs: vec![verb.parse().unwrap()], kinds: kind, namespaces: namespace, names: name }
        });
        let after = granted(&requested, &allowed.iter().cloned().chain(rest).collect::<Vec<_>>(), &[]);
        prop_assert!(after.withheld().is_empty(), "{:?}", after.withheld());
        for (verb, object) in actions() {
            prop_assert_eq!(permits(&after, verb, object), covers(&requested, verb, object), "{} {}", verb, object);
        }
    }
}
