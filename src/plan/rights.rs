//! Which rights in a cluster a run takes, from what its planning pass noted.
//!
//! The acting pass sends these requests about objects and no others: it reads what the component reads and waits for,
//! what it applied and does not become ready at once, and what it removes; it writes what the plan would change. Where
//! an object that the plan found is gone meanwhile, no right here allows creating it: the run stops.

mod steps;
mod manifests;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

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

use super::trace::{ObjectChange, Trace};
use super::waits::Waits;

pub(crate) use manifests::{namespaces_among, of_manifests};
use steps::{Standing, Steps, Write};

/// The parts of a plan that its rights depend on, beside what was traced.
pub(super) struct Circumstances<'a> {
    /// The objects that the component may read.
    pub(super) readable: &'a KubernetesScope,
    /// All objects that the runtime would remove.
    pub(super) looked_for: &'a [ObjectRef],
    /// Admission policies that the plan does not write and its bindings name.
    pub(super) policies: &'a [(ObjectRef, Value)],
    /// The objects and conditions that the run waits for.
    pub(super) waits: Waits,
}

/// The rights of a run. `removed` are the rows of what the runtime removes after the component.
pub(super) fn needed(
    trace: &Trace,
    removed: &[ObjectChange],
    beside: &Circumstances<'_>,
    kinds: &Kinds,
) -> Rights {
    let Circumstances { readable, looked_for, waits, policies } = *beside;
    let does = written(trace);
    let mut needed = Needed { rights: Rights::default(), kinds, waits };
    for (object, does) in does.iter() {
        needed.for_writing(object, does, trace.changes.get(object));
    }
    removed.iter().for_each(|row| needed.for_removing(row));
    needed.for_looking_again(looked_for, removed);
    needed.for_the_component(trace, &does, readable);
    hand_on(&mut needed.rights, &Steps::carried_out(trace), policies, kinds);
    needed.rights
}

/// What the steps of a trace do to each object, in order: whether one deletes it, and the change.
type Written<'a> = Objects<(&'a ObjectRef, Vec<(bool, Change)>)>;

fn written(trace: &Trace) -> Written<'_> {
    let mut written = Written::default();
    for (step, change) in trace.writes() {
        let (_, mut done) = written.remove(&step.object).unwrap_or((&step.object, Vec::new()));
        done.push((step.delete, change));
        written.insert(&step.object, (&step.object, done));
    }
    written
}

/// Rights that are being gathered.
struct Needed<'a> {
    rights: Rights,
    kinds: &'a Kinds,
    waits: Waits,
}

impl Needed<'_> {
    fn uses(&mut self, object: &ObjectRef, verbs: &[ApiVerb], why: &str) {
        self.rights.uses(object, self.kinds, verbs, why);
    }

    /// For what the steps do to an object.
    fn for_writing(&mut self, object: &ObjectRef, does: &[(bool, Change)], row: Option<&ObjectChange>) {
        let is_there = row.is_some_and(|row| row.change != Change::Create);
        for (verbs, why) in of_steps(does, is_there) {
            self.uses(object, verbs, why);
        }
        if row.is_some_and(|row| row.marks.not_dry_run == Some(NotDryRun::Terminating)) {
            self.uses(object, to_wait(object, None), "is gone before it is made");
        }
        let is_removed = |(deletes, change): &(bool, Change)| *deletes || *change == Change::Replace;
        if does.iter().any(is_removed) {
            self.uses(object, to_wait(object, None), "is gone before the run goes on");
        }
        // Whether a definition is served, discovery tells.
        let is_awaited = self.waits.at_the_end() && !is_ready_once_there(object) && !object.is_definition();
        if does.last().is_some_and(|(deletes, _)| !deletes) && is_awaited {
            let waiting = to_wait(object, row.and_then(|row| row.after.as_ref()));
            self.uses(object, waiting, "is waited for");
        }
    }

    /// For an object that the runtime removes.
    fn for_removing(&mut self, row: &ObjectChange) {
        self.uses(&row.object, &[ApiVerb::Get, ApiVerb::Delete], "is removed");
        if self.waits.at_the_end() {
            let waiting = to_wait(&row.object, row.before.as_ref());
            self.uses(&row.object, waiting, "is gone before the run goes on");
        }
    }

    /// For objects that were to be removed and were not found.
    fn for_looking_again(&mut self, looked_for: &[ObjectRef], removed: &[ObjectChange]) {
        let going: HashSet<_> = removed.iter().map(|row| row.object.id()).collect();
        for object in looked_for.iter().filter(|object| !going.contains(&object.id())) {
            self.uses(object, &[ApiVerb::Get], "is looked for again before it is forgotten");
        }
    }

    /// For what the component reads and waits for, and may read.
    fn for_the_component(&mut self, trace: &Trace, does: &Written<'_>, readable: &KubernetesScope) {
        for object in &trace.reads {
            self.uses(object, &[ApiVerb::Get], "the component reads it");
        }
        let is_told = |object: &ObjectRef| object.is_definition() && does.get(object).is_some();
        for object in trace.awaited.iter().filter(|it| self.waits.between_steps() && !is_told(it)) {
            self.rights.uses(object, self.kinds, to_wait(object, None), "the component waits for it");
        }
        let is_possible = |object: &ObjectRef| self.kinds.is_namespaced(object) == object.namespace.is_some();
        // Of what it may read besides, it can only come upon what is where it acts: it read the rest when the plan was made.
        let acted_on = trace.steps.iter().map(|(step, _)| &step.object).chain(&trace.reads);
        let near: HashSet<_> = acted_on.map(|object| object.namespace.as_deref()).collect();
        let readable = readable.single_reads(|namespace| near.contains(&namespace));
        for object in readable.into_iter().filter(is_possible) {
            self.rights.uses(&object, self.kinds, &[ApiVerb::Get], "the component may read it");
        }
    }
}

/// The rights to wait for an object. A kind that is there at once is gone at once too, and is not watched; nor is a
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

/// Adds the rights that planning itself needs, also in a run with just these rights: every object of the plan is read,
/// and what would change, or might, is tried out.
pub(super) fn with_planning(
    mut rights: Rights,
    trace: &Trace,
    looked_for: &[ObjectRef],
    policies: &[(ObjectRef, Value)],
    kinds: &Kinds,
) -> Rights {
    let applied = trace.steps.iter().map(|(step, _)| &step.object);
    for object in applied.chain(looked_for) {
        rights.uses(object, kinds, &[ApiVerb::Get], "is read to make the plan");
    }
    for row in trace.changes.iter().filter(|row| row.marks.in_doubt) {
        rights.uses(&row.object, kinds, &[ApiVerb::Patch], "is tried out to make the plan");
    }
    for policy in policies_beside(trace) {
        rights.uses(&policy, kinds, &[ApiVerb::Get], "is read to know which parameters are read");
    }
    hand_on(&mut rights, &Steps::tried_out(trace), policies, kinds);
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
fn hand_on(rights: &mut Rights, steps: &Steps<'_>, policies: &[(ObjectRef, Value)], kinds: &Kinds) {
    let (mut beside, mut held) = (Objects::default(), HashSet::new());
    policies.iter().for_each(|(policy, body)| beside.insert(policy, body));
    for write in steps.writes() {
        let Write { object, before, after, .. } = write;
        match (object.group(), &*object.kind) {
            (RBAC, "Role" | "ClusterRole") => rights.hands_on(object, before, after, kinds),
            (RBAC, _) => bind(rights, &write, steps, &mut held, kinds),
            (_, "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy") => {
                rights.takes_parameters(object, before, after, kinds);
            }
            _ => refer(rights, &write, steps, &beside, kinds),
        }
    }
}

/// The rules of a role of the plan are known, and are held, also where the role stays as it is. Those of any other role
/// may be anything. One that is not there yet has no rules: whoever holds its rules to be is not let through. A role that
/// many bindings name is read once, `held` are those that were.
fn bind(
    rights: &mut Rights,
    binding: &Write<'_>,
    steps: &Steps<'_>,
    held: &mut HashSet<(ObjectId, *const Value)>,
    kinds: &Kinds,
) {
    let Some(role) = bound(binding.object, binding.after) else { return };
    match steps.standing(&role, binding.call) {
        Standing::Known(body) if !is_gathering(body) => {
            if held.insert((role.id(), std::ptr::from_ref(body))) {
                rights.holds_rules(&role, body);
            }
        }
        // An object that the server cannot judge yet is not tried out.
        Standing::Absent if steps.are_tried() => {}
        _ => rights.binds(binding.object, role, kinds),
    }
}

/// The parameters that a binding of an admission policy names are of the kind that its policy takes. Where there is no
/// such policy at that moment, they may be anything.
fn refer(
    rights: &mut Rights,
    binding: &Write<'_>,
    steps: &Steps<'_>,
    beside: &Objects<&Value>,
    kinds: &Kinds,
) {
    let Some(named) = bound_policy(binding.object, binding.after) else { return };
    let policy = match steps.standing(&named, binding.call) {
        Standing::Absent if steps.are_tried() => return,
        Standing::Absent => None,
        Standing::Elsewhere => beside.get(&named).copied(),
        Standing::Known(body) => Some(body),
    };
    rights.refers_to_parameters(binding.object, (binding.before, binding.after), policy, kinds);
}

/// The admission policies that bindings of the plan name, and the plan does not write, once each.
pub(crate) fn policies_beside(trace: &Trace) -> Vec<ObjectRef> {
    let (steps, mut beside) = (Steps::tried_out(trace), Objects::default());
    for policy in steps.writes().filter_map(|write| bound_policy(write.object, write.after)) {
        if !steps.has(&policy) {
            beside.insert(&policy, policy.clone());
        }
    }
    beside.into_values().collect()
}
