//! Comparisons of scopes, by examples and by properties over small ones.

use super::*;
use crate::capability::pattern::InvalidPattern;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

pub(crate) fn pattern() -> impl Strategy<Value = Pattern> {
    "[ab]{0,2}\\*?".prop_filter_map("empty", |text| Pattern::parse(&text).ok())
}

fn verb() -> impl Strategy<Value = Verb> {
    prop::sample::select(vec![Verb::Get, Verb::GetSecret, Verb::Apply, Verb::Delete])
}

pub(crate) fn rule() -> impl Strategy<Value = Rule> {
    (
        btree_set(verb(), 1..3),
        btree_set(pattern(), 1..3),
        btree_set(pattern(), 0..3),
        btree_set(pattern(), 1..3),
    )
        .prop_map(|(verbs, kinds, namespaces, names)| Rule { verbs, kinds, namespaces, names })
}

pub(crate) fn scope() -> impl Strategy<Value = KubernetesScope> {
    vec(rule(), 0..4).prop_map(KubernetesScope)
}

pub(crate) fn action() -> impl Strategy<Value = (Verb, ObjectRef)> {
    let object = ("[ab]{1,3}", prop::option::of("[ab]{1,3}"), "[ab]{1,3}")
        .prop_map(|(kind, namespace, name)| ObjectRef::new("v1", kind, namespace.as_deref(), name));
    (verb(), object)
}

fn parse(text: &str) -> KubernetesScope {
    KubernetesScope(vec![RuleText::parse(text).unwrap().resolve(&Names::default()).unwrap()])
}

#[test]
fn the_default_is_nothing() {
    assert!(KubernetesScope::default().is_empty());
    assert!(!KubernetesScope::default().covers(&parse("get:ConfigMap:a/b")));
}

#[test]
fn a_rule_without_a_set_is_refused_rather_than_taken_for_everything() {
    let names = Names::default();
    let text = RuleText {
        verbs: vec![],
        kinds: vec!["Service".into()],
        namespaces: vec![],
        names: vec!["a".into()],
    };
    assert_eq!(text.resolve(&names), Err(InvalidScope::Empty("verbs")));
    assert_eq!(
        RuleText { verbs: vec![Verb::Get], kinds: vec![], ..text.clone() }.resolve(&names),
        Err(InvalidScope::Empty("kinds"))
    );
    assert_eq!(
        RuleText { verbs: vec![Verb::Get], names: vec![], ..text }.resolve(&names),
        Err(InvalidScope::Empty("names"))
    );
    assert_eq!(
        RuleText::parse("get:Service:/a").and_then(|rule| rule.resolve(&names)),
        Err(InvalidScope::Pattern(InvalidPattern::Empty))
    );
    assert_eq!(
        RuleText::parse("list:Service:a/a").and_then(|rule| rule.resolve(&names)),
        Err(InvalidScope::Verb("list".into()))
    );
    assert_eq!(
        RuleText::parse("get:Service").and_then(|rule| rule.resolve(&names)),
        Err(InvalidScope::Form("get:Service".into()))
    );
}

#[test]
fn a_rule_without_namespaces_is_for_objects_outside_them_alone() {
    let scope = parse("get:Namespace:prod");
    let object = |namespace: Option<&str>| ObjectRef::new("v1", "Namespace", namespace, "prod");
    assert!(scope.allows(Verb::Get, &object(None)));
    assert!(!scope.allows(Verb::Get, &object(Some("prod"))));
    assert!(!parse("get:*:*/*").allows(Verb::Get, &object(None)));
}

#[test]
fn a_kind_concerns_a_scope_that_has_anything_of_it() {
    let mut scope = parse("get:apps/Deployment:a/x");
    scope.extend(parse("delete:example.com/*:a/x"));
    let concerns =
        ["apps/Deployment", "example.com/Gizmo", "Deployment", "apps/StatefulSet", "example.com.evil/Gizmo"]
            .map(|kind| scope.concerns(kind));
    assert_eq!(concerns, [true, true, false, false, false]);
    assert!(!KubernetesScope::default().concerns("Pod"));
    assert_eq!(KubernetesScope::of(scope.rules().to_vec()), scope);
}

/// What may be asked for by name, so as to find out how its kind is served.
#[test]
fn single_reads_are_of_whole_names_and_by_the_verb_that_reads_them() {
    let mut scope = parse("get:apps/Deployment:a/x");
    for more in [
        "get:Namespace:prod",
        "get-secret:Secret:a/db",
        "get:Secret:a/not-by-this-verb",
        "apply:ConfigMap:a/x",
        "get:apps/*:a/x",
        "get:ConfigMap:a*/x",
        "get:ConfigMap:a/x*",
    ] {
        scope.extend(parse(more));
    }
    let reads: Vec<_> = scope
        .single_reads(|_| true)
        .iter()
        .map(|object| (object.group_kind().into_owned(), object.namespace.clone(), object.name.clone()))
        .collect();
    let read = |kind: &str, namespace: Option<&str>, name: &str| {
        (kind.to_owned(), namespace.map(str::to_owned), name.to_owned())
    };
    assert_eq!(
        reads,
        [
            read("apps/Deployment", Some("a"), "x"),
            read("Namespace", None, "prod"),
            read("Secret", Some("a"), "db")
        ]
    );
}

#[test]
fn a_rule_is_told_as_it_was_written() {
    let told = |text: &str| RuleText::parse(text).unwrap().to_string();
    assert_eq!(
        told("apply:apps/Deployment:${namespace}/web-*"),
        "apply apps/Deployment in ${namespace} named web-*"
    );
    assert_eq!(told("get:Namespace:prod"), "get Namespace outside namespaces named prod");
    let more = RuleText {
        verbs: vec![Verb::Get, Verb::Delete],
        kinds: vec!["Pod".into(), "Service".into()],
        ..RuleText::parse("get:Pod:a/b").unwrap()
    };
    assert_eq!(more.to_string(), "get, delete Pod, Service in a named b");
    assert_eq!(parse("delete:Pod:a/b").rules()[0].verbs().collect::<Vec<_>>(), [Verb::Delete]);
}

#[test]
fn reading_secrets_is_not_reading() {
    let secret = ObjectRef::new("v1", "Secret", Some("a"), "b");
    assert_eq!(Verb::read(&secret), Verb::GetSecret);
    assert!(!parse("get:Secret:a/b").allows(Verb::read(&secret), &secret));
}

#[test]
fn condensing_joins_what_belongs_together() {
    let mut scope = parse("apply:Service:a/x");
    scope.extend(parse("delete:Service:a/x"));
    scope.extend(parse("apply:ConfigMap:a/x"));
    scope.extend(parse("delete:ConfigMap:a/x"));
    let rules: Vec<_> = scope.condensed().rules().iter().map(Rule::to_string).collect();
    assert_eq!(rules, ["apply, delete ConfigMap, Service in a named x"]);
}

proptest! {
    #[test]
    fn an_intersection_allows_what_both_allow(a in scope(), b in scope(), (verb, object) in action()) {
        prop_assert_eq!(a.intersect(&b).allows(verb, &object), a.allows(verb, &object) && b.allows(verb, &object));
    }

    #[test]
    fn what_covers_allows_everything(a in scope(), b in scope(), (verb, object) in action()) {
        if a.covers(&b) && b.allows(verb, &object) {
            prop_assert!(a.allows(verb, &object));
        }
    }

    #[test]
    fn a_difference_is_empty_exactly_when_covered(a in scope(), b in scope()) {
        prop_assert_eq!(a.minus(&b).is_empty(), b.covers(&a));
    }

    #[test]
    fn a_difference_loses_nothing_and_adds_nothing(a in scope(), b in scope(), (verb, object) in action()) {
        let left = a.minus(&b).allows(verb, &object);
        if a.allows(verb, &object) && !b.allows(verb, &object) {
            prop_assert!(left);
        }
        if left {
            prop_assert!(a.allows(verb, &object));
        }
    }

    #[test]
    fn granting_the_difference_is_enough(a in scope(), mut b in scope()) {
        b.extend(a.minus(&b));
        prop_assert!(b.covers(&a));
    }

    #[test]
    fn adding_never_removes(mut a in scope(), b in scope(), (verb, object) in action()) {
        let before = a.allows(verb, &object);
        a.extend(b);
        prop_assert!(!before || a.allows(verb, &object));
    }

    #[test]
    fn condensing_changes_nothing(a in scope(), (verb, object) in action()) {
        let condensed = a.condensed();
        prop_assert_eq!(condensed.allows(verb, &object), a.allows(verb, &object));
        prop_assert!(condensed.covers(&a) && a.covers(&condensed));
    }
}

#[test]
fn a_kind_that_is_known_is_written_as_the_api_writes_it() {
    let refusal =
        |text: &str| RuleText::parse(text).unwrap().resolve(&Names::default()).unwrap_err().to_string();
    for (kind, meant) in [
        ("SECRET", "Secret"),
        ("secrets", "Secret"),
        ("configmap", "ConfigMap"),
        ("secr*", "Secret"),
        ("Deployment", "apps/Deployment"),
        ("apps/deployment", "apps/Deployment"),
        ("APPS/Deployment", "apps/Deployment"),
    ] {
        let expected = format!("`{kind}` names no kind: write `{meant}`");
        assert_eq!(refusal(&format!("get:{kind}:prod/x")), expected);
    }
    for kind in ["Secret", "Secr*", "*", "apps/*", "apps*", "example.com/SECRET", "example.com/Secrets*"] {
        assert!(
            RuleText::parse(&format!("get:{kind}:prod/x")).unwrap().resolve(&Names::default()).is_ok(),
            "{kind}"
        );
    }
}

#[test]
fn a_kind_that_nobody_serves_is_refused() {
    let refusal =
        |text: &str| RuleText::parse(text).unwrap().resolve(&Names::default()).err().map(|it| it.to_string());
    for (kind, meant) in [
        ("core/Secret", "Secret"),
        ("app/Deployment", "apps/Deployment"),
        ("extensions/Ingress", "networking.k8s.io/Ingress"),
        ("Ingres", "networking.k8s.io/Ingress"),
    ] {
        let expected = format!("`{kind}` names no kind: write `{meant}`");
        assert_eq!(refusal(&format!("apply:{kind}:prod/x")), Some(expected));
    }
    for kind in ["Widget", "apps/Widget", "extensions/Widget", "Widg*", "app/Dep*", "core/*"] {
        let told = refusal(&format!("apply:{kind}:prod/x")).unwrap();
        assert!(told.starts_with(&format!("`{kind}` names no kind: write `Kind`")), "{told}");
    }
    assert_eq!(refusal("apply:example.com/widget:prod/x"), None);
}

#[test]
fn a_kind_is_named_where_it_lives() {
    let refusal = |text: &str| RuleText::parse(text).unwrap().resolve(&Names::default()).err();
    let (inside, outside) = (InvalidScope::InNamespaces, InvalidScope::OutsideNamespaces);
    assert_eq!(refusal("apply:Secret:p-db"), Some(inside("Secret".into())));
    assert_eq!(refusal("get:apps/Deployment:*"), Some(inside("apps/Deployment".into())));
    assert_eq!(refusal("apply:Namespace:ns/x"), Some(outside("Namespace".into())));
    for text in
        ["get:*:x", "get:*:a/x", "get:example.com/Widget:x", "get:example.com/Widget:a/x", "get:Node:x"]
    {
        assert_eq!(refusal(text), None, "{text}");
    }
}

/// A bundle that is there already is not the operator's to mend, and the rest of what it asks for is clear.
#[test]
fn a_request_that_mixes_kinds_is_one_for_those_that_live_where_it_is_for() {
    let left = |kinds: &[&str], namespaces: &[&str]| {
        let mut rule = RuleText::parse("apply:Secret:a/b").unwrap();
        rule.kinds = kinds.iter().map(|it| (*it).to_owned()).collect();
        rule.namespaces = namespaces.iter().map(|it| (*it).to_owned()).collect();
        rule.leave_out_misplaced();
        rule.kinds
    };
    let mixed = ["Namespace", "Secret", "example.com/Widget", "${parameters.kind}"];
    assert_eq!(left(&mixed, &["prod"]), mixed[1..]);
    assert_eq!(left(&mixed, &[]), [mixed[0], mixed[2], mixed[3]]);
    // One of which nothing is left is refused as it is.
    assert_eq!(left(&["Namespace"], &["prod"]), ["Namespace"]);
    assert_eq!(left(&["*"], &["prod"]), ["*"]);
}

/// One rule for this many kinds, namespaces and names.
fn product(kinds: usize, namespaces: usize, names: usize) -> RuleText {
    let each = |count: usize, start: &str| (0..count).map(|at| format!("{start}{at}")).collect();
    RuleText {
        verbs: vec![Verb::Apply],
        kinds: each(kinds, "example.com/K"),
        namespaces: each(namespaces, "n"),
        names: each(names, "o"),
    }
}

#[test]
fn a_product_that_is_too_large_to_be_written_out_is_refused_when_it_is_read() {
    let read =
        |rules: &[RuleText]| KubernetesScope::resolve(rules, &Names::default()).map(|scope| scope.size());
    assert_eq!(read(&[product(50, 50, 20)]), Ok(50_000));
    assert_eq!(read(&[product(50, 50, 20), product(1, 1, 1)]), Err(InvalidScope::Large));
    assert_eq!(read(&[product(200, 200, 200)]), Err(InvalidScope::Large));
    assert_eq!(read(&[product(1, 1, 19_998)]), Ok(19_998));
    assert_eq!(read(&[product(1, 1, 19_998), product(1, 1, 1)]), Err(InvalidScope::Many(20_003)));
    let outside = RuleText { namespaces: Vec::new(), ..product(50, 1, 1001) };
    assert_eq!(read(&[outside]), Err(InvalidScope::Large));
}

#[test]
fn rules_are_taken_from_one_another_without_being_multiplied_out() {
    let scope = |rules: &[RuleText]| KubernetesScope::resolve(rules, &Names::default()).unwrap();
    let (all, part) = (scope(&[product(36, 36, 36)]), scope(&[product(35, 35, 35)]));
    assert!(all.minus(&all).is_empty() && part.minus(&all).is_empty());
    let left = all.minus(&part);
    assert_eq!((left.rules().len(), left.size()), (3, 36 * 36 * 36 - 35 * 35 * 35));
    assert!(left.intersect(&part).is_empty() && !part.covers(&all) && all.covers(&left));
    // Each has few, and what they have in common is many: it is not written out.
    let many = |kinds: usize, places: usize| RuleText {
        kinds: if kinds == 0 { vec!["example.com/K*".into()] } else { product(kinds, 1, 1).kinds },
        namespaces: if places == 0 { vec!["n*".into()] } else { product(1, places, 1).namespaces },
        names: if places == 0 { vec!["o*".into()] } else { product(1, 1, places).names },
        ..product(1, 1, 1)
    };
    let both = scope(&[many(0, 200)]).intersect(&scope(&[many(200, 0)]));
    assert_eq!((both.size(), both.condensed().rules().len(), both.lines().len()), (8_000_000, 1, 50_000));
}

#[test]
fn single_reads_are_those_of_the_places_that_are_meant() {
    let mut text = product(1, 3, 2);
    text.verbs = vec![Verb::Get];
    text.namespaces.push("m*".into());
    let scope =
        KubernetesScope::resolve(&[text, RuleText::parse("get:Node:a").unwrap()], &Names::default()).unwrap();
    let read = |place: Option<&str>| -> Vec<String> {
        scope.single_reads(|namespace| namespace == place).iter().map(ToString::to_string).collect()
    };
    assert_eq!(read(Some("n1")), ["example.com/K0 n1/o0", "example.com/K0 n1/o1"]);
    assert_eq!(read(None), ["Node a"]);
    assert!(read(Some("m1")).is_empty());
}

proptest! {
    #[test]
    fn taking_rules_away_leaves_what_no_rule_of_them_holds_alone(a in scope(), b in scope()) {
        let held = |atom: &Atom| {
            let alone = Rule {
                verbs: [atom.verb].into(),
                kinds: [atom.kind.clone()].into(),
                namespaces: atom.namespace.clone().into_iter().collect(),
                names: [atom.name.clone()].into(),
            };
            b.0.iter().any(|rule| rule.covers(&alone))
        };
        let all = |scope: &KubernetesScope| -> BTreeSet<Atom> { scope.0.iter().flat_map(Rule::atoms).collect() };
        let expected: BTreeSet<_> = all(&a).into_iter().filter(|atom| !held(atom)).collect();
        prop_assert_eq!(all(&a.minus(&b)), expected);
    }
}
