//! The planning pass: reads only, and gives the plan with all that carrying it out needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::host::watch::{Entry, Unready, Watcher};
use crate::host::work::{ObjectChange, Pass, Work};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::Rights;
use crate::plan::{self, BundleName, Inputs, InstallationName, Plan, Subject};
use crate::targets::{DryRunMode, Protected, Target};

use super::removal::{self, Removal};
use super::run::{Ran, Run};
use super::{Error, Mode, Outcome};

/// A planned action: what will be done, and the target to do it to.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) ran: Ran,
    pub(super) removals: Vec<Removal>,
    pub(super) kept: Vec<ObjectRef>,
    /// What the acting pass takes.
    pub(super) rights: Rights,
    /// What making the plan and the acting pass take.
    pub(super) all_rights: Rights,
}

impl Run<'_> {
    /// The planning pass: reads only.
    pub(super) async fn plan(&self, target: Target) -> Result<Planned, Error> {
        let pass = Pass::Planning { overlay: BTreeMap::new(), trial: self.trial() };
        let watcher: Arc<dyn Watcher> = Arc::new(Silent);
        let work = self.work(target, Kinds::default(), pass, BTreeMap::new(), watcher);
        let mut ran = self.pass(work).await?;
        if self.mode == Mode::Examine {
            ran.work.changes.iter_mut().for_each(ObjectChange::without_credentials);
        }
        let (removable, kept) = self.removable(&ran.work);
        let removals = removal::plan(&mut ran.work, removable.clone()).await?;
        self.check_cluster(&removals)?;
        let rows: Vec<_> = removals.iter().filter_map(Removal::row).collect();
        let rights = self.rights(&ran.work, &rows);
        let there = self.surroundings(&ran.work, &rows).await;
        let granted = self.decided.granted.as_deref();
        let plan = Plan::new(self.subject(&ran.work), granted, &ran.work, &ran.calls, rows, &rights, &there);
        self.check_replacements(&plan)?;
        self.check_powers(&plan)?;
        let all_rights = plan::with_planning(rights.clone(), &ran.work, &removable);
        Ok(Planned { plan, ran, removals, kept, rights, all_rights })
    }

    /// The rights in the cluster that the acting pass takes.
    fn rights(&self, work: &Work, removed: &[ObjectChange]) -> Rights {
        if matches!(work.target, Target::Directory(_)) {
            return Rights::default();
        }
        let granted = self.decided.granted.as_ref().filter(|_| self.responsibilities.component.is_some());
        let readable = granted.map(|granted| granted.capabilities().kubernetes).unwrap_or_default();
        plan::needed(work, removed, &readable)
    }

    /// A plan that somebody is to look at is tried out by the server; one that is confirmed already takes reads alone.
    fn trial(&self) -> DryRunMode {
        match self.mode {
            Mode::Act if self.operation.confirmed && self.operation.plan.is_none() => DryRunMode::Reads,
            Mode::Act => DryRunMode::DryRun,
            Mode::Examine | Mode::Plan => DryRunMode::DryRunIfAllowed,
        }
    }

    /// A plan may be looked at, whatever it replaces.
    fn check_replacements(&self, plan: &Plan) -> Result<(), Error> {
        let replaced: Vec<_> = plan
            .replacements()
            .map(|row| format!("{} ({} cannot change)", row.object, row.immutable.join(", ")))
            .collect();
        let may_be = self.mode != Mode::Act || self.operation.overrides.replace;
        if may_be || replaced.is_empty() { Ok(()) } else { Err(Error::Replaces(replaced)) }
    }

    /// A cluster at another address that has nothing of the installation is another cluster: an uninstall there would
    /// forget what is still in the right one. An address alone proves nothing, since a cluster may have several.
    fn check_cluster(&self, removals: &[Removal]) -> Result<(), Error> {
        let Some(earlier) = self.earlier else { return Ok(()) };
        let is_there = removals.iter().any(|removal| removal.found.is_some());
        let finds_nothing = self.responsibilities.remove && !is_there && !removals.is_empty();
        let is_elsewhere = earlier.settings.place.server() != self.operation.place.server();
        if finds_nothing && is_elsewhere { Err(self.operation.elsewhere(earlier)) } else { Ok(()) }
    }

    /// What the runtime removes after the component, last applied first, and what it leaves in place.
    fn removable(&self, work: &Work) -> (Vec<ObjectRef>, Vec<ObjectRef>) {
        if !self.responsibilities.prune && !self.responsibilities.remove {
            return (Vec::new(), Vec::new());
        }
        let keys: BTreeSet<_> = work.steps.iter().map(|step| step.object.key()).collect();
        let touched = |object: &ObjectRef| keys.contains(&object.key());
        let gone = work.inventory.iter().rev().map(|recorded| recorded.object.clone());
        let is_directory = matches!(work.target, Target::Directory(_));
        gone.filter(|object| !touched(object)).partition(|object| {
            is_directory || Protected::of(object).is_none_or(|kind| self.operation.delete.contains(&kind))
        })
    }

    fn subject(&self, work: &Work) -> Subject {
        let settings = self.settings();
        Subject {
            bundle: BundleName {
                name: settings.bundle_name,
                version: settings.bundle_version,
                digest: settings.bundle,
            },
            installation: InstallationName {
                name: self.operation.name.clone(),
                namespace: self.operation.namespace.clone(),
            },
            action: self.operation.action.clone(),
            revision: self.revision(),
            target: work.target.describe(),
            inputs: self.inputs(),
        }
    }

    fn inputs(&self) -> Inputs {
        let (secret, shown) = self.split_parameters();
        Inputs {
            reference: self.operation.reference.clone(),
            parameters: shown,
            secret_parameters: secret,
            grant: self.decided.terms.clone(),
            overrides: self.operation.overrides,
            delete: self.operation.delete.clone(),
            dangers: self.operation.dangers.clone(),
        }
    }
}

impl Planned {
    pub(super) fn target(&self) -> &Target {
        &self.ran.work.target
    }

    pub(super) fn target_mut(&mut self) -> &mut Target {
        &mut self.ran.work.target
    }

    pub(super) fn into_outcome(self) -> Outcome {
        Outcome {
            plan: self.plan,
            outputs: BTreeMap::new(),
            write_only: BTreeSet::new(),
            log: self.ran.log,
            denials: self.ran.denials,
            kept: self.kept,
            rights: self.all_rights,
        }
    }
}

/// Sees nothing: the planning pass writes the same log as the acting one.
struct Silent;

impl Watcher for Silent {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &Entry) {}
}
