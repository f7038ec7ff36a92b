//! Which rights in a cluster a run takes, from what its planning pass noted.
//!
//! The acting pass sends these requests about objects and no others: it reads what the component reads and waits for,
//! what it applied and does not become ready at once, and what it removes; it writes what the plan would change. Where
//! an object that the plan found is gone meanwhile, no right here allows creating it: the run stops.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::capability::kubernetes::KubernetesScope;
use crate::kubernetes::api::{CORE, RBAC};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::manifest::is_gathering;
use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::kubernetes::objects::Objects;
use crate::kubernetes::rbac::{ApiVerb, Rights, bound, bound_policy};
use crate::kubernetes::readiness::is_ready_once_there;
use crate::targets::{Change, NotDryRun};

use super::trace::{GuardedStep, ObjectChange, Trace};
use super::waits::Waits;

/// The parts of a plan that its rights depend on, beside what was traced.
pub(super) struct Circumstances<'a> {
    /// The objects that the component may read.
    pub(super) readable: &'a KubernetesScope,
    /// All objects that the runtime would remove.
    pub(super) looked_for: &'a [ObjectRef],
    /// Admission policies that the plan does not write and its bindings name.
    pub(super) policies: &'a [(ObjectRef, Value)],
    /// What the run waits for.
    pub(super) waits: Waits,
}

/// The rights of a run. `removed` are the rows of what the runtime removes after the component.
pub(super) fn needed(
    trace: &Trace,
    removed: &[ObjectChange],
    beside: &Circumstances<'_>,
    kinds: &Kinds,
) -> Rights {
    let Circumstances { readable, looked_for, waits, .. } = *beside;
    let mut rights = Rights::default();
    let mut does = Objects::<(&ObjectRef, Vec<_>)>::default();
    for (step, change) in trace.writes() {
        let (_, mut done) = does.remove(&step.object).unwrap_or((&step.object, Vec::new()));
        done.push((step.delete, change));
        does.insert(&step.object, (&step.object, done));
    }
    for (object, does) in does.iter() {
        let row = trace.changes.get(object);
        let is_there = row.is_some_and(|row| row.change != Change::Create);
        for (verbs, why) in of_steps(does, is_there) {
            rights.uses(object, kinds, verbs, why);
        }
        if row.is_some_and(|row| row.marks.not_dry_run == Some(NotDryRun::Terminating)) {
            rights.uses(object, kinds, to_wait(object, None), "is gone before it is made");
        }
        let is_removed = |(deletes, change): &(bool, Change)| *deletes || *change == Change::Replace;
        if does.iter().any(is_removed) {
            rights.uses(object, kinds, to_wait(object, None), "is gone before the run goes on");
        }
        // Whether a definition is served, discovery tells.
        let is_awaited = waits.at_the_end() && !is_ready_once_there(object) && !object.is_definition();
        if does.last().is_some_and(|(deletes, _)| !deletes) && is_awaited {
            rights.uses(
                object,
                kinds,
                to_wait(object, row.and_then(|row| row.after.as_ref())),
                "is waited for",
            );
        }
    }
    for row in removed {
        rights.uses(&row.object, kinds, &[ApiVerb::Get, ApiVerb::Delete], "is removed");
        if waits.at_the_end() {
            rights.uses(
                &row.object,
                kinds,
                to_wait(&row.object, row.before.as_ref()),
                "is gone before the run goes on",
            );
        }
    }
    let going: HashSet<_> = removed.iter().map(|row| row.object.id()).collect();
    for object in looked_for.iter().filter(|object| !going.contains(&object.id())) {
        rights.uses(object, kinds, &[ApiVerb::Get], "is looked for again before it is forgotten");
    }
    for object in &trace.reads {
        rights.uses(object, kinds, &[ApiVerb::Get], "the component reads it");
    }
    let is_told = |object: &&ObjectRef| object.is_definition() && does.get(object).is_some();
    for object in trace.awaited.iter().filter(|it| waits.between_steps() && !is_told(it)) {
        rights.uses(object, kinds, to_wait(object, None), "the component waits for it");
    }
    let is_possible = |object: &ObjectRef| kinds.is_namespaced(object) == object.namespace.is_some();
    for object in readable.single_reads().into_iter().filter(is_possible) {
        rights.uses(&object, kinds, &[ApiVerb::Get], "the component may read it");
    }
    hand_on(&mut rights, trace, beside.policies, kinds);
    rights
}

/// What it takes to wait for an object. A kind that is there at once is gone at once too, and is not watched; nor is a
/// Service that needs no address from anybody, once it is there.
fn to_wait(object: &ObjectRef, after: Option<&Value>) -> &'static [ApiVerb] {
    let is_plain =
        |after: &Value| after.pointer("/spec/type").and_then(Value::as_str) != Some("LoadBalancer");
    let is_plain_service = object.is(CORE, "Service") && after.is_some_and(is_plain);
    if is_ready_once_there(object) || is_plain_service {
        &[ApiVerb::Get]
    } else {
        &[ApiVerb::Get, ApiVerb::Watch]
    }
}

/// Adds the rights that planning itself needs: every object of the plan is read.
pub(super) fn with_planning(
    mut rights: Rights,
    trace: &Trace,
    looked_for: &[ObjectRef],
    kinds: &Kinds,
) -> Rights {
    let applied = trace.steps.iter().map(|(step, _)| &step.object);
    for object in applied.chain(looked_for) {
        rights.uses(object, kinds, &[ApiVerb::Get], "is read to make the plan");
    }
    rights
}

/// The API verbs that the steps on one object need. A step is whether it deletes or applies, and its change on its own.
fn of_steps(steps: &[(bool, Change)], mut is_there: bool) -> Vec<(&'static [ApiVerb], &'static str)> {
    // One step that changes an object makes all of them necessary.
    let is_settled = steps.iter().all(|(_, change)| *change == Change::Unchanged);
    let mut uses: Vec<(&'static [ApiVerb], &'static str)> = Vec::new();
    for (deletes, change) in steps {
        uses.push(match (deletes, is_there) {
            (true, false) => (&[ApiVerb::Get], "is looked for before it is removed"),
            (true, true) => (&[ApiVerb::Get, ApiVerb::Delete], "is removed"),
            (false, false) => (&[ApiVerb::Create, ApiVerb::Patch], "is made"),
            (false, true) if is_settled => (&[], "is as it should be"),
            (false, true) if *change == Change::Replace => {
                (&[ApiVerb::Get, ApiVerb::Delete, ApiVerb::Create, ApiVerb::Patch], "is replaced")
            }
            (false, true) => (&[ApiVerb::Patch], "is changed"),
        });
        is_there = !deletes;
    }
    uses
}

/// Adds the rights that writing roles, bindings and admission policies takes: the API server lets nobody grant more
/// than they hold, and nobody have parameters read that they may not read. Each step is judged by what is there at that
/// moment.
fn hand_on(rights: &mut Rights, trace: &Trace, policies: &[(ObjectRef, Value)], kinds: &Kinds) {
    let steps = Steps::of(trace);
    let mut beside = Objects::default();
    policies.iter().for_each(|(policy, body)| beside.insert(policy, body));
    for (step, before) in steps.written() {
        match (step.object.group(), &*step.object.kind) {
            (RBAC, "Role" | "ClusterRole") => rights.hands_on(&step.object, before, &step.after, kinds),
            (RBAC, _) => steps.bind(rights, step, kinds),
            (_, "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy") => {
                rights.takes_parameters(&step.object, before, &step.after, kinds);
            }
            _ => {
                let named = bound_policy(&step.object, &step.after);
                let policy = named.as_ref().and_then(|named| {
                    let written = steps.about(named).last().map(|step| &step.after);
                    written.or_else(|| beside.get(named).copied())
                });
                rights.refers_to_parameters(&step.object, (before, &step.after), policy, kinds);
            }
        }
    }
}

/// The steps that the server judges by more than the right to write. A plan may have thousands of them, so each is
/// found by its object rather than looked for among all others.
struct Steps<'a> {
    /// All steps in order, each with the object as it is when the step is taken.
    all: Vec<(&'a GuardedStep, Option<&'a Value>)>,
    /// The steps about each object, in order.
    about: HashMap<ObjectId, Vec<&'a GuardedStep>>,
    /// Objects that a step changes. One such step makes all of them necessary.
    changed: HashSet<ObjectId>,
}

impl<'a> Steps<'a> {
    fn of(trace: &'a Trace) -> Self {
        let mut steps = Self { all: Vec::new(), about: HashMap::new(), changed: HashSet::new() };
        for step in &trace.guarded {
            let id = step.object.id();
            if step.change != Change::Unchanged {
                steps.changed.insert(id.clone());
            }
            let earlier = steps.about.entry(id).or_default();
            let before = earlier.last().map(|earlier| &earlier.after).or(step.before.as_ref());
            earlier.push(step);
            steps.all.push((step, before));
        }
        steps
    }

    fn about(&self, object: &ObjectRef) -> &[&'a GuardedStep] {
        self.about.get(&object.id()).map_or(&[], Vec::as_slice)
    }

    /// The steps that are requests, each with the object as it is then.
    fn written(&self) -> impl Iterator<Item = (&'a GuardedStep, Option<&'a Value>)> {
        self.all.iter().copied().filter(|(step, _)| self.changed.contains(&step.object.id()))
    }

    /// The rules of a role of the plan are known, and are held, also where the role stays as it is. Those of any other
    /// role may be anything.
    fn bind(&self, rights: &mut Rights, binding: &GuardedStep, kinds: &Kinds) {
        let Some(role) = bound(&binding.object, &binding.after) else { return };
        let about = self.about(&role);
        let mut known: Vec<&Value> = about.iter().map(|step| &step.after).collect();
        // One that is changed in a later call is still as it was.
        let first = about.first().filter(|first| first.call > binding.call);
        known.extend(first.and_then(|first| first.before.as_ref()));
        // One that is made in a later call has no rules yet: whoever holds its rules to be is not let through.
        let is_to_be = first.is_some_and(|first| first.before.is_none());
        if is_to_be || known.is_empty() || known.iter().any(|body| is_gathering(body)) {
            return rights.binds(&binding.object, role, kinds);
        }
        for body in known {
            rights.holds_rules(&role, body);
        }
    }
}

/// The admission policies that bindings of the plan name, and the plan does not write, once each.
pub(crate) fn policies_beside(trace: &Trace) -> Vec<ObjectRef> {
    let (steps, mut beside) = (Steps::of(trace), Objects::default());
    for policy in steps.written().filter_map(|(step, _)| bound_policy(&step.object, &step.after)) {
        if steps.about(&policy).is_empty() {
            beside.insert(&policy, policy.clone());
        }
    }
    beside.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::kubernetes::object::tests::ids_made;

    fn verbs(steps: &[(bool, Change)], is_there: bool) -> String {
        let verbs: BTreeSet<_> =
            of_steps(steps, is_there).into_iter().flat_map(|(verbs, _)| verbs.to_vec()).collect();
        verbs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    fn guarded(call: usize, change: Change, before: Option<Value>, after: Value) -> GuardedStep {
        let text = |name: &str| after[name].as_str().unwrap().to_owned();
        let namespace = if text("kind").starts_with("Cluster") { None } else { Some("prod") };
        let object = ObjectRef::new("rbac.authorization.k8s.io/v1", text("kind"), namespace, "a");
        GuardedStep { call, object, change, before, after }
    }

    fn role(resources: &[&str]) -> Value {
        json!({"kind": "Role", "rules": [{"apiGroups": [""], "resources": resources, "verbs": ["get"]}]})
    }

    fn binding() -> Value {
        json!({"kind": "RoleBinding", "roleRef": {"kind": "Role", "name": "a"}})
    }

    fn held(guarded: Vec<GuardedStep>) -> Vec<String> {
        let trace = Trace { guarded, ..Trace::default() };
        let mut rights = Rights::default();
        hand_on(&mut rights, &trace, &[], &Kinds::default());
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

    /// A plan with that many roles, bindings of them, objects to remove, and policies that are bound and not written.
    fn ids_made_for(many: usize) -> usize {
        let name = |kind: &str, at: usize| {
            ObjectRef::new(format!("{RBAC}/v1"), kind, Some("prod"), format!("n{at}"))
        };
        let step = |object: ObjectRef, after: Value| GuardedStep {
            call: 1,
            object,
            change: Change::Create,
            before: None,
            after,
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
            after: json!({"spec": {"policyName": "shared", "paramRef": {"name": "x"}}}),
        };
        let trace = Trace { guarded: vec![binding("a"), binding("b")], ..Trace::default() };
        let names: Vec<_> = policies_beside(&trace).into_iter().map(|policy| policy.name).collect();
        assert_eq!(names, ["shared"]);
    }
}
