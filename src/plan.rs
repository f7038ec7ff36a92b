//! A plan: the changes of a run as a document that can be shown, stored and compared.
//!
//! A plan is made of the [`trace`] of a planning pass. It holds no secret: credentials are placeholders in it, and
//! values of Secrets are shown as changed or unchanged. Its digest stands for everything that decides what a run does.

mod redaction;
pub mod trace;
mod difference;
mod changed_fields;
pub mod powers;
pub mod foreign;
pub mod document;
mod waits;
mod rights;
mod computed;
mod collateral;
mod cautions;
mod proposed;
mod confirmed;
mod requested;
mod departures;
mod saved;

use std::collections::{BTreeMap, HashMap};

use crate::digest::Digest;
use crate::grant::Granted;
use crate::kubernetes::api::CORE;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::Rights;
use crate::targets::{Change, Take, Warning, untaken};

use difference::{difference, showable, showable_manifest};
use powers::{ClusterContext, Images, Powers};
use trace::{Calls, ObjectChange, Step, Trace};

pub(crate) use cautions::{Aftermath, generated};
pub(crate) use collateral::Collateral;
pub use confirmed::Confirmed;
pub use document::{
    BundleName, Flow, HeldFields, HostCall, InstallationName, Plan, PlanInputs, PlannedChange, Subject,
};
pub(crate) use proposed::Noted;
pub use proposed::Proposed;
pub use requested::Requested;
pub(crate) use rights::{namespaces_among, of_manifests, policies_beside};
pub use saved::Unusable;
pub use waits::Waits;

impl Plan {
    /// The plan of a planning pass. `removed` are the objects that the runtime removes after the component; `context`
    /// are the RBAC objects beside the plan, `images_before` the images of the bundle that is there.
    fn new(
        subject: Subject,
        granted: Option<&Granted>,
        trace: &Trace,
        removed: &[ObjectChange],
        rights: &Rights,
        (context, aftermath): (&ClusterContext, &Aftermath),
        images_before: Option<&Images>,
    ) -> Self {
        let steps = trace
            .writes()
            .map(|(step, _)| step.documented())
            .chain(removed.iter().map(|row| Step::delete(row.object.clone())));
        let steps = steps.collect();
        let changes: Vec<&ObjectChange> = trace.changes.iter().chain(removed).collect();
        let images = granted.map(|granted| Images::of(granted.verified().bundle()));
        let powers = Powers::of(&changes, images.as_ref(), images_before, context);
        let withheld = granted.map(Granted::withheld).unwrap_or_default();
        let mut plan = Self {
            digest: Digest::of(b""),
            bundle: subject.bundle,
            component: granted.map(|granted| granted.verified().component().digest()),
            installation: subject.installation.clone(),
            action: subject.action,
            rollback_to: subject.rollback_to,
            revision: subject.revision,
            target: subject.target,
            inputs: subject.inputs,
            credentials: flows(&changes, context),
            changes: changes.iter().copied().map(PlannedChange::of).collect(),
            rbac: rights.roles(&role_name(&subject.installation)),
            escalations: rights.escalations().map(ToString::to_string).collect(),
            powers: powers.there,
            powers_gone: powers.gone,
            host_calls: host_calls(&trace.calls),
            withheld: withheld.iter().map(ToString::to_string).collect(),
            refused: trace.refused.clone(),
            cautions: cautions::cautions(&changes, aftermath),
            steps,
        };
        plan.digest = plan.computed();
        plan
    }

    /// Adds what the server has warned about, each text once. The digest stays: it does not cover that.
    fn warn(&mut self, warnings: &[Warning]) {
        let mut rows: HashMap<_, _> = self.changes.iter_mut().map(|row| (row.object.id(), row)).collect();
        for warning in warnings {
            if let Some(row) = rows.get_mut(&warning.object.id())
                && !row.warnings.contains(&warning.text)
            {
                row.warnings.push(warning.text.clone());
            }
        }
    }

    /// Warnings of the server, a sentence each.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let of_row = |row: &PlannedChange| {
            let object = row.object.to_string();
            row.warnings.clone().into_iter().map(move |text| format!("{object}: {text}"))
        };
        self.changes.iter().flat_map(of_row)
    }

    /// Whether anything would change.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|row| row.action == Change::Unchanged)
    }

    /// How many objects a change would happen to.
    pub fn count(&self, change: Change) -> usize {
        self.changes.iter().filter(|row| row.action == change).count()
    }

    /// Objects that the plan would replace.
    pub fn replacements(&self) -> impl Iterator<Item = &PlannedChange> {
        self.changes.iter().filter(|row| row.action == Change::Replace)
    }

    /// Fields of its objects that other managers hold, but for those that are taken over.
    pub fn conflicts(&self, takes: &[Take]) -> Vec<HeldFields> {
        let held = |row: &PlannedChange| HeldFields {
            object: row.object.clone(),
            fields: untaken(takes, &row.object, &row.conflicts).cloned().collect(),
        };
        self.changes.iter().map(held).filter(|held| !held.fields.is_empty()).collect()
    }

    /// The namespaces that the plan makes.
    pub fn namespaces_made(&self) -> Vec<String> {
        let rows = self.changes.iter().filter(|row| row.action == Change::Create);
        rows.filter(|row| row.object.is(CORE, "Namespace")).map(|row| row.object.name.clone()).collect()
    }
}

impl PlannedChange {
    /// The row of an object that should be there, of which nothing else is known.
    pub(crate) fn missing(object: ObjectRef) -> Self {
        Self::bare(Change::Create, object)
    }

    fn of(row: &ObjectChange) -> Self {
        let bare = Self {
            adopts: row.marks.adopts,
            dry_run: row.marks.not_dry_run,
            not_tried: row.marks.not_dry_run.map(|why| why.reason().to_owned()),
            immutable: row.immutable.clone(),
            conflicts: row.conflicts.clone(),
            ..Self::bare(row.change, row.object.clone())
        };
        match row.change {
            Change::Replace | Change::Update => bare.with_manifest(row).with_difference(row),
            Change::Create => bare.with_manifest(row),
            Change::Delete | Change::Unchanged => bare,
        }
    }

    fn bare(action: Change, object: ObjectRef) -> Self {
        Self {
            action,
            object,
            manifest: None,
            diff: None,
            fields: Vec::new(),
            delta: None,
            adopts: false,
            dry_run: None,
            not_tried: None,
            immutable: Vec::new(),
            conflicts: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn with_manifest(self, row: &ObjectChange) -> Self {
        let manifest =
            row.manifest.as_ref().map(|body| showable_manifest(&row.object, body, &row.placements));
        Self { manifest, ..self }
    }

    fn with_difference(self, row: &ObjectChange) -> Self {
        let (before, after) = showable(&row.object, row.before.as_ref(), row.after.as_ref());
        let changed = changed_fields::between(before.as_ref(), after.as_ref());
        let diff = Some(difference(before.as_ref(), after.as_ref()));
        let digest = Some(changed_fields::digest(&changed));
        Self { diff, delta: digest, fields: changed.into_keys().collect(), ..self }
    }
}

/// The name of an installation's roles. No two installations share a name, also where one has rights in the namespace
/// of another.
pub fn role_name(installation: &InstallationName) -> String {
    format!("carnet:{}:{}", installation.namespace, installation.name)
}

fn flows(changes: &[&ObjectChange], context: &ClusterContext) -> Vec<Flow> {
    let mut readers = powers::readers(changes, context);
    let mut flows = BTreeMap::<String, Vec<String>>::new();
    for row in changes {
        for (key, names) in &row.placements {
            for name in names {
                let namespace = row.object.namespace.as_deref().unwrap_or_default();
                let place = format!("{namespace}/Secret/{}:{key}", row.object.name);
                flows.entry(name.clone()).or_default().push(place);
            }
        }
    }
    flows
        .into_iter()
        .map(|(name, into)| Flow { readers: readers.remove(&name).unwrap_or_default(), name, into })
        .collect()
}

fn host_calls(calls: &Calls) -> Vec<HostCall> {
    calls
        .iter()
        .map(|(function, count)| HostCall {
            interface: function.interface().to_owned(),
            function: function.name().to_owned(),
            count: *count,
        })
        .collect()
}
