//! A plan with the rights that it takes: one value, computed from what one planning pass noted.
//!
//! It is a type since a plan on its own is a document, which anybody can write or change, and rights on their own
//! belong to no plan. What is confirmed or asked for is this, so an identity never has the rights of anything else.

use serde_json::Value;

use crate::capability::kubernetes::KubernetesScope;
use crate::grant::Granted;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::Rights;
use crate::targets::{Change, Warning};

use super::cautions::Aftermath;
use super::powers::{ClusterContext, Images};
use super::rights::{self, Circumstances};
use super::trace::{ObjectChange, Trace};
use super::waits::Waits;
use super::{Plan, PlannedChange, Subject};

/// A plan that a planning pass made, with the rights that it takes.
///
/// Nobody else can put a plan and rights together, or say what came of it:
/// ```compile_fail
/// let forged = carnet::plan::Proposed { ..panic!() };
/// ```
/// ```compile_fail,E0624
/// # fn forge(proposed: &carnet::plan::Proposed, approved: carnet::verify::Approved) {
/// let forged = proposed.confirm(approved, |_| true);
/// # }
/// ```
/// ```compile_fail,E0624
/// # fn forge(proposed: &carnet::plan::Proposed, approved: carnet::verify::Approved) {
/// let forged = proposed.requested(approved);
/// # }
/// ```
#[derive(Debug)]
pub struct Proposed {
    plan: Plan,
    /// The rights that the acting pass needs.
    acting: Rights,
    /// The rights that planning and acting need together.
    all: Rights,
}

/// All that a planning pass noted, and what its rights depend on.
pub(crate) struct Noted<'a> {
    /// The grant. None: the runtime acts alone.
    pub(crate) granted: Option<&'a Granted>,
    /// The trace.
    pub(crate) trace: &'a Trace,
    /// The objects that the runtime removes after the component.
    pub(crate) removed: Vec<ObjectChange>,
    /// The objects that were looked for to be removed.
    pub(crate) looked_for: &'a [ObjectRef],
    /// The objects that the component may read in the cluster. None: the target is a directory, where acting takes no
    /// rights.
    pub(crate) readable: Option<KubernetesScope>,
    /// Admission policies that the plan does not write and its bindings name.
    pub(crate) policies: &'a [(ObjectRef, Value)],
    /// The images of the bundle that is there, which its objects are judged by as they are.
    pub(crate) images_before: Option<&'a Images>,
    /// Warnings of the server.
    pub(crate) warnings: &'a [Warning],
    /// The objects and conditions that the run waits for.
    pub(crate) waits: Waits,
    /// Whether the plan is one of a run that waits, whether or not this one does: what was saved is compared with it.
    pub(crate) shows_waits: bool,
    /// How kinds are served.
    pub(crate) kinds: &'a Kinds,
    /// The fate of objects that are not rows of the plan.
    pub(crate) aftermath: &'a Aftermath,
}

impl Proposed {
    /// The plan of a planning pass. `context` are the RBAC objects beside it. `tests/layers.rs` fails where anything
    /// but the planning pass says so.
    pub(crate) fn of(subject: Subject, noted: Noted<'_>, context: &ClusterContext) -> Self {
        let Noted { granted, trace, removed, looked_for, readable, policies, kinds, .. } = noted;
        let Noted { warnings, waits, shows_waits, aftermath, images_before, .. } = noted;
        let needed = |waits: Waits| {
            let readable = readable.as_ref()?;
            let beside = Circumstances { readable, looked_for, policies, waits };
            Some(rights::needed(trace, &removed, &beside, kinds))
        };
        let acting = needed(waits).unwrap_or_default();
        let shown = if shows_waits && waits != Waits::Everything {
            needed(Waits::Everything).unwrap_or_default()
        } else {
            acting.clone()
        };
        let all = match readable {
            Some(_) => rights::with_planning(acting.clone(), trace, looked_for, policies, kinds),
            None => Rights::default(),
        };
        let beside = (context, aftermath);
        let mut plan = Plan::new(subject, granted, trace, &removed, &shown, beside, images_before);
        plan.warn(warnings);
        Self { plan, acting, all }
    }

    /// Adds what the server has warned about while the plan was carried out.
    pub(crate) fn warned(&mut self, warnings: &[Warning]) {
        self.plan.warn(warnings);
    }

    /// Keeps the changes that were made, each as it was made, and what the target refused meanwhile. The digest stays: it is
    /// that of the plan that was carried out.
    pub(crate) fn carried_out(
        &mut self,
        made: impl Fn(&ObjectRef, Change) -> Option<Change>,
        refused: impl IntoIterator<Item = String>,
    ) {
        let rows = std::mem::take(&mut self.plan.changes).into_iter();
        let rows =
            rows.filter_map(|row| Some(PlannedChange { action: made(&row.object, row.action)?, ..row }));
        self.plan.changes = rows.collect();
        for refused in refused {
            if !self.plan.refused.contains(&refused) {
                self.plan.refused.push(refused);
            }
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan alone, as a document.
    pub fn into_plan(self) -> Plan {
        self.plan
    }

    /// The rights in the cluster that it takes to carry out the plan.
    pub fn acting_rights(&self) -> &Rights {
        &self.acting
    }

    /// The rights in the cluster that it takes to make the plan and to carry it out.
    pub fn all_rights(&self) -> &Rights {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::digest::Digest;
    use crate::kubernetes::object::tests::ids_made;
    use crate::kubernetes::rbac::{ApiVerb, IdentityRecord};
    use crate::plan::powers::Coverage;
    use crate::plan::trace::Step;
    use crate::plan::{BundleName, InstallationName, PlanInputs};
    use crate::verify::{Approved, PlanFacts, PlanToApprove, TargetKind};

    fn subject() -> Subject {
        Subject {
            bundle: BundleName { name: "web".into(), version: "1.0.0".into(), digest: Digest::of(b"") },
            installation: InstallationName { name: "web".into(), namespace: "prod".into() },
            action: "install".into(),
            rollback_to: None,
            revision: "1".into(),
            target: "kube".into(),
            inputs: PlanInputs::default(),
        }
    }

    /// The plan that makes an object, of a run that waits.
    fn making(object: &ObjectRef, readable: Option<KubernetesScope>) -> Proposed {
        made(object, readable, (Waits::Everything, true))
    }

    fn made(
        object: &ObjectRef,
        readable: Option<KubernetesScope>,
        (waits, shows_waits): (Waits, bool),
    ) -> Proposed {
        let mut trace = Trace::default();
        let body = json!({ "apiVersion": "v1", "kind": object.kind });
        let row = ObjectChange::bare(object.clone(), Change::Create, None, Some(body));
        trace.changes.insert(object, row);
        let step = Step::of(object.clone());
        trace.steps.push((step, Some(Change::Create)));
        let (removed, kinds) = (Vec::new(), &Kinds::default());
        let noted = Noted {
            images_before: None,
            granted: None,
            trace: &trace,
            removed,
            looked_for: &[],
            readable,
            policies: &[],
            warnings: &[Warning { object: object.clone(), text: "it is old".into() }],
            waits,
            shows_waits,
            kinds,
            aftermath: &Aftermath::default(),
        };
        Proposed::of(subject(), noted, &ClusterContext::unknown(Coverage::NotAsked))
    }

    fn config_map() -> ObjectRef {
        ObjectRef::new("v1", "ConfigMap", Some("prod"), "web")
    }

    /// The proof that nobody else has to approve a plan.
    fn approved(proposed: &Proposed) -> Approved {
        Approved::undemanded(&PlanToApprove {
            made: proposed.plan().digest,
            digest: None,
            target: TargetKind::Kube,
            changes_anything: true,
            facts: PlanFacts::default(),
            liberties: BTreeSet::new(),
        })
    }

    fn record() -> IdentityRecord {
        IdentityRecord {
            name: "carnet-01k8zt3w9x5s7q2m4n6p8r0v1y".into(),
            owner: "prod/web".into(),
            server: String::new(),
            namespaces: Vec::new(),
            is_apart: false,
            scopes: BTreeSet::new(),
            expires: String::new(),
        }
    }

    #[test]
    fn a_plan_that_nobody_confirmed_makes_no_identity() {
        let proposed = making(&config_map(), Some(KubernetesScope::default()));
        assert!(proposed.confirm(approved(&proposed), |_| false).is_none());
        let confirmed = proposed.confirm(approved(&proposed), |plan| plan == proposed.plan()).unwrap();
        assert!(confirmed.approved_by().is_empty(), "nobody else was asked");
    }

    #[test]
    fn who_approved_another_plan_lets_nobody_say_yes_to_this_one() {
        let proposed = making(&config_map(), Some(KubernetesScope::default()));
        let other = making(&ObjectRef { name: "other".into(), ..config_map() }, None);
        let is_asked = Cell::new(false);
        let confirmed = proposed.confirm(approved(&other), |_| {
            is_asked.set(true);
            true
        });
        assert!(confirmed.is_none() && !is_asked.get(), "and nobody is asked in vain");
    }

    #[test]
    fn an_identity_has_the_rights_of_the_plan_that_was_confirmed_and_an_account_also_those_of_planning() {
        let proposed = making(&config_map(), Some(KubernetesScope::default()));
        let (acting, all) = (proposed.acting_rights(), proposed.all_rights());
        assert_ne!(acting, all);
        let mut planning_too = acting.clone();
        planning_too.uses(&config_map(), &Kinds::default(), &[ApiVerb::Get], "is read to make the plan");
        assert_eq!(*all, planning_too);
        let hour = Duration::from_secs(3600);
        let confirmed = proposed.confirm(approved(&proposed), |_| true).unwrap().mint(record(), hour);
        assert_eq!(confirmed.rights, *acting);
        assert_eq!(proposed.requested(approved(&proposed)).unwrap().mint(record(), hour).rights, *all);
    }

    #[test]
    fn a_plan_says_the_rights_that_it_is_confirmed_with() {
        let proposed = making(&config_map(), Some(KubernetesScope::default()));
        assert_eq!(proposed.plan().rbac, proposed.acting_rights().roles("carnet:prod:web"));
        assert!(!proposed.plan().rbac.is_empty());
    }

    #[test]
    fn who_does_not_wait_takes_no_rights_to_wait() {
        let deployment = ObjectRef::new("apps/v1", "Deployment", Some("prod"), "web");
        let waiting = |waits| {
            let proposed = made(&deployment, Some(KubernetesScope::default()), waits);
            let roles = [proposed.acting_rights().roles("x"), proposed.plan().rbac.clone()];
            roles.map(|roles| json!(roles).to_string().contains("is waited for"))
        };
        assert_eq!(waiting((Waits::Everything, true)), [true, true]);
        for waits in [Waits::Nothing, Waits::Steps] {
            assert_eq!(waiting((waits, false)), [false, false]);
        }
        // One that was saved is compared with one of a run that waits.
        assert_eq!(waiting((Waits::Nothing, true)), [false, true]);
    }

    #[test]
    fn warnings_of_the_server_are_in_the_plan_and_not_in_its_digest() {
        let mut proposed = making(&config_map(), Some(KubernetesScope::default()));
        let digest = proposed.plan().digest;
        assert_eq!(proposed.plan().computed(), digest);
        let warning = |text: &str| Warning { object: config_map(), text: text.into() };
        proposed.warned(&[warning("it is old"), warning("it is odd")]);
        assert_eq!(proposed.plan().computed(), digest);
        let said: Vec<_> = proposed.plan().warnings().collect();
        assert_eq!(said, ["ConfigMap prod/web: it is old", "ConfigMap prod/web: it is odd"]);
    }

    #[test]
    fn an_outcome_has_the_changes_that_were_made() {
        let mut proposed = making(&config_map(), Some(KubernetesScope::default()));
        let digest = proposed.plan().digest;
        proposed.carried_out(|_, _| Some(Change::Unchanged), ["no".to_owned(), "no".to_owned()]);
        assert_eq!((proposed.plan().changes[0].action, proposed.plan().digest), (Change::Unchanged, digest));
        proposed.carried_out(|_, _| None, []);
        assert!(proposed.plan().changes.is_empty());
        assert_eq!(proposed.plan().refused, ["no"]);
    }

    #[test]
    fn no_warning_is_compared_with_every_row() {
        let mut proposed = making(&config_map(), Some(KubernetesScope::default()));
        let named = |at: usize| ObjectRef { name: format!("n{at}"), ..config_map() };
        let row = proposed.plan.changes.remove(0);
        proposed.plan.changes =
            (0..20).map(|at| PlannedChange { object: named(at), ..row.clone() }).collect();
        let said = |at| Warning { object: named(at), text: "it is odd".into() };
        let warnings: Vec<_> = (10..30).map(said).collect();
        assert_eq!(ids_made(|| proposed.warned(&warnings)), 40, "one for each of both");
        assert_eq!(proposed.plan().warnings().count(), 20 + 10);
    }

    #[test]
    fn in_a_directory_acting_takes_no_rights() {
        let proposed = making(&config_map(), None);
        assert!(proposed.acting_rights().is_empty() && proposed.plan().rbac.is_empty());
    }

    #[test]
    fn no_account_is_made_for_a_plan_that_makes_a_namespace() {
        let namespace = ObjectRef::new("v1", "Namespace", None, "prod");
        let proposed = making(&namespace, Some(KubernetesScope::default()));
        assert_eq!(proposed.requested(approved(&proposed)).unwrap_err(), "prod");
        assert!(proposed.confirm(approved(&proposed), |_| true).is_some(), "the run itself may go on");
    }
}
