//! Rights of plans, step by step.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::kubernetes::object::tests::ids_made;
use crate::kubernetes::rbac::rules_read;
use crate::plan::trace::{GuardedStep, Step};
use crate::targets::Marks;

fn verbs(steps: &[(bool, Change)], is_there: bool) -> String {
    let verbs: BTreeSet<_> =
        of_steps(steps, is_there).into_iter().flat_map(|(verbs, _)| verbs.to_vec()).collect();
    verbs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn guarded(call: usize, change: Change, before: Option<Value>, after: Value) -> GuardedStep {
    let text = |name: &str| after[name].as_str().unwrap().to_owned();
    let namespace = if text("kind").starts_with("Cluster") { None } else { Some("prod") };
    let object = ObjectRef::new("rbac.authorization.k8s.io/v1", text("kind"), namespace, "a");
    GuardedStep { call, object, change, before, after: Some(after), in_doubt: false }
}

/// The removal of the role.
fn removed(call: usize, before: Value) -> GuardedStep {
    let step = guarded(call, Change::Delete, Some(before.clone()), before);
    GuardedStep { after: None, ..step }
}

fn role(resources: &[&str]) -> Value {
    json!({"kind": "Role", "rules": [{"apiGroups": [""], "resources": resources, "verbs": ["get"]}]})
}

fn binding() -> Value {
    json!({"kind": "RoleBinding", "roleRef": {"kind": "Role", "name": "a"}})
}

fn held(guarded: Vec<GuardedStep>) -> Vec<String> {
    let trace = Trace { guarded, ..Trace::default() };
    taken(&Steps::carried_out(&trace), &[])
}

/// The rights that dry runs of these steps take.
fn tried(guarded: Vec<GuardedStep>) -> Vec<String> {
    let trace = Trace { guarded, ..Trace::default() };
    taken(&Steps::tried_out(&trace), &[])
}

fn taken(steps: &Steps<'_>, policies: &[(ObjectRef, Value)]) -> Vec<String> {
    let mut rights = Rights::default();
    hand_on(&mut rights, steps, policies, &Kinds::default());
    let scopes: Vec<_> = rights.scopes().cloned().collect();
    scopes.iter().flat_map(|scope| rights.rules(scope)).map(|justified| justified.rule.line()).collect()
}

#[test]
fn only_what_may_take_a_while_is_watched() {
    let takes = |api_version: &str, kind: &str, after: Option<Value>| {
        to_wait(&ObjectRef::new(api_version, kind, Some("prod"), "a"), after.as_ref())
            .contains(&ApiVerb::Watch)
    };
    assert!(takes("apps/v1", "Deployment", None) && takes("example.com/v1", "Thing", Some(json!({}))));
    assert!(!takes("v1", "ConfigMap", None) && !takes("v1", "Service", Some(json!({"spec": {}}))));
    assert!(takes("v1", "Service", None), "nobody knows its type");
    assert!(takes("v1", "Service", Some(json!({"spec": {"type": "LoadBalancer"}}))));
}

#[test]
fn a_role_is_judged_at_each_step() {
    let (wide, narrow) = (role(&["pods", "secrets"]), role(&["pods"]));
    let steps = vec![
        guarded(1, Change::Create, None, wide.clone()),
        guarded(2, Change::Create, None, narrow.clone()),
    ];
    assert_eq!(held(steps), ["get pods, secrets"]);
    // Changed, and changed back to what is there: both are requests.
    let back = vec![
        guarded(1, Change::Update, Some(narrow.clone()), wide),
        guarded(2, Change::Unchanged, Some(narrow.clone()), narrow.clone()),
    ];
    assert_eq!(held(back), ["get pods, secrets"]);
    let settled = vec![guarded(1, Change::Unchanged, Some(narrow.clone()), narrow)];
    assert_eq!(held(settled), Vec::<String>::new());
}

#[test]
fn a_binding_takes_the_rules_of_its_role_as_far_as_they_are_known() {
    let bound = |steps: Vec<GuardedStep>| held(steps);
    let update = || guarded(1, Change::Update, Some(binding()), binding());
    assert_eq!(bound(vec![update()]), ["bind roles.rbac.authorization.k8s.io a"]);
    let stays = guarded(1, Change::Unchanged, Some(role(&["pods"])), role(&["pods"]));
    assert_eq!(bound(vec![stays, update()]), ["get pods"]);
    // The role changes after the binding, which hands on what the role was.
    let later = guarded(2, Change::Update, Some(role(&["secrets"])), role(&["pods"]));
    assert_eq!(bound(vec![update(), later]), ["get pods", "get secrets"]);
    // The role is made after the binding: there are no rules yet that the server could compare.
    let create = |call: usize, body: Value| guarded(call, Change::Create, None, body);
    let to_be = bound(vec![create(1, binding()), create(2, role(&["pods"]))]);
    assert_eq!(to_be, ["bind roles.rbac.authorization.k8s.io a", "get pods"]);
    // Of one call, roles come first.
    assert_eq!(bound(vec![create(1, binding()), create(1, role(&["pods"]))]), ["get pods"]);
}

#[test]
fn a_role_that_is_made_anew_is_not_there_in_between() {
    let stays = || role(&["pods"]);
    let create = |call| guarded(call, Change::Create, None, binding());
    let anew = |call| guarded(call, Change::Unchanged, Some(stays()), stays());
    // Removed, bound, and made again as it was: nobody can compare its rules when it is bound.
    let between = held(vec![removed(1, stays()), create(2), anew(3)]);
    assert_eq!(between, ["bind roles.rbac.authorization.k8s.io a", "get pods"]);
    let before = held(vec![create(1), removed(2, stays()), anew(3)]);
    assert_eq!(before, ["get pods"], "it was still there");
    let after = held(vec![removed(1, stays()), anew(2), create(3)]);
    assert_eq!(after, ["get pods"], "it is there again");
    assert_eq!(held(vec![anew(1), removed(2, stays()), create(3)])[0], between[0], "it is gone for good");
}

#[test]
fn a_policy_counts_for_a_binding_as_it_is_when_that_is_written() {
    let group = "admissionregistration.k8s.io/v1";
    let policy = |kind: &str| json!({"spec": {"paramKind": {"apiVersion": "v1", "kind": kind}}});
    let step = |call, kind: &str, before: Option<Value>, after: Option<Value>| GuardedStep {
        call,
        object: ObjectRef::new(group, kind, None, "a"),
        change: Change::Update,
        before,
        after,
        in_doubt: false,
    };
    let binds = |call, before| {
        let after = json!({"spec": {"policyName": "a", "paramRef": {"name": "x", "namespace": "prod"}}});
        step(call, "ValidatingAdmissionPolicyBinding", before, Some(after))
    };
    let writes = |call, before, after| step(call, "ValidatingAdmissionPolicy", before, after);
    let (maps, secrets) = (|| Some(policy("ConfigMap")), || Some(policy("Secret")));
    for (steps, expected) in [
        (vec![writes(1, None, maps()), binds(2, None)], vec!["get configmaps *", "get configmaps x"]),
        (vec![binds(1, None), writes(1, None, maps())], vec!["get configmaps *", "get configmaps x"]),
        // It comes later: the server finds none, and asks for all.
        (vec![binds(1, None), writes(2, None, maps())], vec!["get configmaps *", "get *.* x"]),
        // It is another one until later.
        (vec![binds(1, None), writes(2, secrets(), maps())], vec!["get configmaps *", "get secrets x"]),
        // Removed and made again, it is asked about again although it stays as it is.
        (
            vec![writes(1, maps(), None), writes(2, maps(), maps()), binds(3, None)],
            vec!["get configmaps *", "get configmaps x"],
        ),
        (vec![writes(1, maps(), maps()), binds(2, None)], vec!["get configmaps x"]),
    ] {
        assert_eq!(held(steps), expected);
    }
}

#[test]
fn a_dry_run_is_judged_by_what_is_there_before_the_run() {
    let update = |call| guarded(call, Change::Update, Some(binding()), binding());
    let (wide, narrow) = (role(&["secrets"]), role(&["pods"]));
    let changes = || guarded(1, Change::Update, Some(wide.clone()), narrow.clone());
    assert_eq!(held(vec![changes(), update(2)]), ["get pods"]);
    assert_eq!(tried(vec![changes(), update(2)]), ["get pods", "get secrets"]);
    let makes = || guarded(1, Change::Create, None, narrow.clone());
    assert_eq!(tried(vec![makes(), update(2)]), ["get pods"], "it is not tried out before its role is there");
}

#[test]
fn only_what_is_in_doubt_is_tried_out_without_being_changed() {
    let stays = |in_doubt| {
        let step = guarded(1, Change::Unchanged, Some(role(&["pods"])), role(&["pods"]));
        GuardedStep { in_doubt, ..step }
    };
    assert_eq!(tried(vec![stays(true)]), ["get pods"]);
    assert_eq!(tried(vec![stays(false)]), Vec::<String>::new());
    assert_eq!(held(vec![stays(true)]), Vec::<String>::new());
}

#[test]
fn each_change_takes_its_verbs_and_no_others() {
    use Change::{Create, Delete, Replace, Unchanged, Update};
    for (steps, is_there, expected) in [
        (vec![(false, Create)], false, "create patch"),
        (vec![(false, Update)], true, "patch"),
        (vec![(false, Unchanged)], true, ""),
        (vec![(false, Replace)], true, "create delete get patch"),
        (vec![(true, Delete)], true, "delete get"),
        (vec![(true, Delete)], false, "get"),
        // Made and removed again: the plan has no row for it.
        (vec![(false, Create), (true, Delete)], false, "create delete get patch"),
        (vec![(false, Update), (true, Delete)], true, "delete get patch"),
        (vec![(true, Delete), (false, Update)], true, "create delete get patch"),
        // Changed and changed back.
        (vec![(false, Update), (false, Unchanged)], true, "patch"),
        (vec![(false, Unchanged), (false, Unchanged)], true, ""),
    ] {
        assert_eq!(verbs(&steps, is_there), expected, "{steps:?}");
    }
}

/// One object of a run: what is done with it, and what is noted about it.
struct Part {
    object: ObjectRef,
    change: Option<Change>,
    not_dry_run: Option<NotDryRun>,
}

fn part(api_version: &str, kind: &str, change: Option<Change>) -> Part {
    let namespace = (kind != "CustomResourceDefinition").then_some("prod");
    Part { object: ObjectRef::new(api_version, kind, namespace, "web"), change, not_dry_run: None }
}

fn deployment(change: Option<Change>) -> Part {
    part("apps/v1", "Deployment", change)
}

/// The rights of a run that does this to an object, and more about it.
fn takes(part: &Part, waits: Waits, more: impl FnOnce(&mut Trace, &ObjectRef)) -> Vec<String> {
    let mut trace = Trace::default();
    if let Some(change) = part.change {
        let marks = Marks { not_dry_run: part.not_dry_run, ..Marks::default() };
        let removal = ObjectChange::removal(part.object.clone(), Value::Null);
        trace.changes.insert(&part.object, ObjectChange { change, marks, ..removal });
        let object = part.object.clone();
        let step = if change == Change::Delete { Step::delete(object) } else { Step::of(object) };
        trace.steps.push((step, Some(change)));
    }
    more(&mut trace, &part.object);
    rights_of(&trace, &[], &[], &KubernetesScope::default(), waits)
}

fn rights_of(
    trace: &Trace,
    removed: &[ObjectChange],
    looked_for: &[ObjectRef],
    readable: &KubernetesScope,
    waits: Waits,
) -> Vec<String> {
    let beside = Circumstances { readable, looked_for, policies: &[], waits };
    let rights = needed(trace, removed, &beside, &Kinds::default());
    let scopes: Vec<_> = rights.scopes().cloned().collect();
    scopes.iter().flat_map(|scope| rights.rules(scope)).map(|justified| justified.rule.line()).collect()
}

#[test]
fn what_a_run_waits_for_takes_watching_and_nothing_else_does() {
    use Change::{Create, Delete, Replace, Update};
    use Waits::{Everything, Nothing, Steps};
    let on = |verbs: &str| vec![format!("{verbs} deployments.apps web")];
    for (change, waits, verbs) in [
        (Create, Everything, "create, get, patch, watch"),
        (Create, Steps, "create, patch"),
        (Update, Everything, "get, patch, watch"),
        (Update, Nothing, "patch"),
        // Its place is needed by what follows, whatever the run waits for.
        (Replace, Nothing, "create, delete, get, patch, watch"),
        (Delete, Nothing, "delete, get, watch"),
    ] {
        assert_eq!(takes(&deployment(Some(change)), waits, |_, _| ()), on(verbs), "{change:?} {waits:?}");
    }
    let terminating = Part { not_dry_run: Some(NotDryRun::Terminating), ..deployment(Some(Create)) };
    assert_eq!(takes(&terminating, Nothing, |_, _| ()), on("create, get, patch, watch"));
    let impossible = Part { not_dry_run: Some(NotDryRun::Impossible), ..deployment(Some(Create)) };
    assert_eq!(takes(&impossible, Nothing, |_, _| ()), on("create, patch"));
    let plain = takes(&part("v1", "ConfigMap", Some(Create)), Everything, |_, _| ());
    assert_eq!(plain, ["create, patch configmaps web"], "it is ready once it is there");
}

#[test]
fn what_a_component_reads_and_waits_for_is_read_and_watched() {
    use Waits::{Nothing, Steps};
    let awaits = |part: &Part, waits| takes(part, waits, |trace, it| trace.awaited.extend([it.clone()]));
    assert_eq!(awaits(&deployment(None), Steps), ["get, watch deployments.apps web"]);
    assert!(awaits(&deployment(None), Nothing).is_empty());
    let definition = |change| part("apiextensions.k8s.io/v1", "CustomResourceDefinition", change);
    let on = |verbs: &str| vec![format!("{verbs} customresourcedefinitions.apiextensions.k8s.io web")];
    assert_eq!(awaits(&definition(None), Steps), on("get, watch"));
    assert_eq!(awaits(&definition(Some(Change::Create)), Steps), on("create, patch"), "discovery tells");
    let reads = takes(&deployment(None), Nothing, |trace, it| trace.reads.extend([it.clone()]));
    assert_eq!(reads, ["get deployments.apps web"]);
    let rule = crate::capability::kubernetes::RuleText::parse("get:ConfigMap:prod/a").unwrap();
    let readable = KubernetesScope::resolve([&rule], &Default::default()).unwrap();
    let rights = |reads: Option<&str>| {
        let read = reads.map(|namespace| ObjectRef::new("v1", "ConfigMap", Some(namespace), "b"));
        rights_of(
            &Trace { reads: read.into_iter().collect(), ..Trace::default() },
            &[],
            &[],
            &readable,
            Nothing,
        )
    };
    assert_eq!(rights(Some("prod")), ["get configmaps a, b"], "it may come upon that");
    assert_eq!(rights(Some("other")), ["get configmaps b"], "it has nothing to do there");
    assert!(rights(None).is_empty());
}

#[test]
fn what_the_runtime_removes_is_looked_for_removed_and_waited_for() {
    use Waits::{Everything, Steps};
    let (going, gone) = (deployment(None).object, part("v1", "ConfigMap", None).object);
    let removed = [ObjectChange::removal(going.clone(), Value::Null)];
    let of = |looked_for: &[ObjectRef], waits| {
        rights_of(&Trace::default(), &removed, looked_for, &KubernetesScope::default(), waits)
    };
    assert_eq!(of(&[], Everything), ["delete, get, watch deployments.apps web"]);
    assert_eq!(of(std::slice::from_ref(&going), Steps), ["delete, get deployments.apps web"]);
    let both: BTreeSet<_> = of(&[going, gone], Steps).into_iter().collect();
    let expected = ["delete, get deployments.apps web", "get configmaps web"].map(str::to_owned);
    assert_eq!(both, expected.into());
}

/// A plan with that many roles, bindings of them, objects to remove, and policies that are bound and not written.
fn ids_made_for(many: usize) -> usize {
    let name =
        |kind: &str, at: usize| ObjectRef::new(format!("{RBAC}/v1"), kind, Some("prod"), format!("n{at}"));
    let step = |object: ObjectRef, after: Value| GuardedStep {
        call: 1,
        object,
        change: Change::Create,
        before: None,
        after: Some(after),
        in_doubt: false,
    };
    let admission =
        |kind: &str, at| ObjectRef::new("admissionregistration.k8s.io/v1", kind, None, format!("n{at}"));
    let guarded = (0..many).flat_map(|at| {
        let bound = json!({"roleRef": {"kind": "Role", "name": format!("n{at}")}});
        let named = json!({"spec": {"policyName": format!("n{at}"), "paramRef": {"name": "x"}}});
        [
            step(name("Role", at), role(&["pods"])),
            step(name("RoleBinding", at), bound),
            step(admission("ValidatingAdmissionPolicyBinding", at), named),
        ]
    });
    let trace = Trace { guarded: guarded.collect(), ..Trace::default() };
    let objects: Vec<_> = (0..many).map(|at| name("Role", many + at)).collect();
    let removed: Vec<_> =
        objects.iter().map(|object| ObjectChange::removal(object.clone(), Value::Null)).collect();
    let beside = policies_beside(&trace);
    assert_eq!(beside.len(), many);
    let policies: Vec<_> = beside.into_iter().map(|policy| (policy, json!({}))).collect();
    let readable = KubernetesScope::default();
    let beside = Circumstances {
        readable: &readable,
        looked_for: &objects,
        policies: &policies,
        waits: Waits::Everything,
    };
    ids_made(|| {
        let rights = needed(&trace, &removed, &beside, &Kinds::default());
        assert!(!rights.is_empty());
        policies_beside(&trace);
    })
}

#[test]
fn no_object_of_a_plan_is_compared_with_every_other() {
    assert_eq!(ids_made_for(40), 2 * ids_made_for(20));
}

#[test]
fn a_role_that_many_bindings_name_is_read_once() {
    let wide: Vec<_> = (0..20).map(|at| format!("r{at}")).collect();
    let rules: Vec<_> =
        wide.iter().map(|it| json!({"apiGroups": [""], "resources": [it], "verbs": ["get"]})).collect();
    let role = guarded(1, Change::Create, None, json!({"kind": "Role", "rules": rules}));
    let bindings = (0..30).map(|at| {
        let step = guarded(1, Change::Create, None, binding());
        GuardedStep { object: ObjectRef { name: format!("b{at}"), ..step.object.clone() }, ..step }
    });
    let trace = Trace { guarded: std::iter::once(role).chain(bindings).collect(), ..Trace::default() };
    let read = rules_read(|| assert_eq!(taken(&Steps::carried_out(&trace), &[]).len(), 20));
    assert_eq!(read, 40, "once for the role that is written, and once for all its bindings");
    // One that changes in between is read again, as it is then.
    let steps = [
        guarded(1, Change::Create, None, json!({"kind": "Role", "rules": rules[..2]})),
        guarded(2, Change::Create, None, binding()),
        guarded(3, Change::Update, None, json!({"kind": "Role", "rules": rules[2..3]})),
        guarded(4, Change::Update, None, binding()),
    ];
    assert_eq!(held(steps.to_vec()), ["get r0", "get r1", "get r2"]);
}

#[test]
fn a_policy_that_many_bindings_name_is_read_once() {
    let binding = |name: &str| GuardedStep {
        call: 1,
        object: ObjectRef::new(
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicyBinding",
            None,
            name,
        ),
        change: Change::Create,
        before: None,
        after: Some(json!({"spec": {"policyName": "shared", "paramRef": {"name": "x"}}})),
        in_doubt: false,
    };
    let trace = Trace { guarded: vec![binding("a"), binding("b")], ..Trace::default() };
    let names: Vec<_> = policies_beside(&trace).into_iter().map(|policy| policy.name).collect();
    assert_eq!(names, ["shared"]);
}
