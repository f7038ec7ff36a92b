//! The planning pass: reads only, and returns the plan with all that the acting pass needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::capability::kubernetes::KubernetesScope;
use crate::grant::Denied;
use crate::grant::recorded::RecordedObject;
use crate::host::InputFiles;
use crate::host::gate::Ended;
use crate::host::pass::{Planning, Script, Site};
use crate::host::progress::{LogEntry, Observer, Unready};
use crate::kubernetes::api::BATCH;
use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::plan::trace::{ObjectChange, Trace};
use crate::plan::{
    Aftermath, BundleName, InstallationName, Noted, Plan, PlanInputs, Proposed, Subject, generated,
};
use crate::state::Installation;
use crate::targets::{DryRunMode, Protected, Target};
use crate::text::CommandLine;
use crate::verify::PlanToApprove;

use super::by_hand::removing;
use super::removal::{self, PlannedRemoval};
use super::run::{Ran, Run, exceeded};
use super::{Error, Examined, Mode, Outcome, Responsibilities};

/// A planned action: what will be done, and the target to do it to.
pub(super) struct PlannedRun {
    pub(super) proposed: Proposed,
    pub(super) site: Site,
    pub(super) trace: Trace,
    pub(super) script: Script,
    log: Vec<LogEntry>,
    denials: Vec<String>,
    pub(super) removals: Vec<PlannedRemoval>,
    /// Objects that are left in place, and belong to the installation no longer.
    pub(super) kept: Vec<ObjectRef>,
    /// Commands that remove them once nothing here knows of them.
    pub(super) by_hand: Vec<CommandLine>,
    /// Secrets that are left in place, and stay on record for the next installation of this name.
    pub(super) kept_credentials: Vec<ObjectRef>,
    /// The operator's files as the component read them, for both passes.
    pub(super) files: InputFiles,
    /// The comparison with what is there.
    examined: Option<Examined>,
    /// The plan, as far as somebody else has to approve it.
    pub(super) to_approve: PlanToApprove,
}

impl Run<'_> {
    /// The planning pass: reads only.
    pub(super) async fn plan(&self, target: Target) -> Result<PlannedRun, Error> {
        let planning = Planning::new(self.site(target, Arc::new(Silent)), self.dry_run_mode());
        let ran = self.pass(planning, self.operation.files.restored()).await;
        let Ran { pass, mut ended } = ran.inspect_err(|error| self.tell_log(error))?;
        exceeded(&ended.denied).map_or(Ok(()), Err)?;
        let files = std::mem::take(&mut ended.files);
        if self.mode != Mode::Examine {
            self.operation.files.check(&files).map_err(Error::OtherFiles)?;
        }
        let (mut site, trace, script) = pass.into_parts();
        let (trace, log, denials) = self.noted(trace, ended);
        let (removable, kept) = self.removable(site.target(), &trace);
        let removals = removal::plan(&mut site, removable).await?;
        let looked_for: Vec<_> = removals.iter().map(|it| it.recorded.object().clone()).collect();
        self.check_cluster(&removals)?;
        let (mut removals, kept_credentials) = self.keeping_credentials(removals);
        let (claims, left) = self.claims(&site, &trace, &removals).await?;
        removals.extend(claims);
        let aftermath = Aftermath {
            kept: kept.clone(),
            untouched: self.untouched(&trace, &looked_for, &kept),
            claims: left,
            gone: absent(&removals),
            jobs: self.jobs_that_stay(&site, &trace, &removals).await,
            goes_back: self.operation.rollback_to.is_some(),
        };
        let kept: Vec<_> =
            kept.into_iter().chain(aftermath.claims.iter().map(|(claim, _)| claim.clone())).collect();
        let is_forgotten = self.responsibilities.remove;
        let by_hand = if is_forgotten { removing(&kept, &self.operation.place) } else { Vec::new() };
        let rows: Vec<_> = removals.iter().filter_map(PlannedRemoval::row).collect();
        let context = self.cluster_context(&site, &trace, &rows).await;
        let granted = self.decided.granted.as_deref();
        let readable = self.readable(site.target());
        let policies = self.policies_beside(&site, &trace).await;
        let images_before = self.images_before().await;
        let (waits, warnings) = (self.operation.options.waits, site.target().take_warnings());
        let noted = Noted {
            policies: &policies,
            images_before: images_before.as_ref(),
            warnings: &warnings,
            waits,
            shows_waits: self.operation.plan.is_some(),
            granted,
            trace: &trace,
            removed: rows,
            looked_for: &looked_for,
            readable,
            kinds: site.kinds(),
            aftermath: &aftermath,
        };
        let proposed = Proposed::of(self.subject(site.target()), noted, &context);
        self.check_replacements(proposed.plan())?;
        self.check_conflicts(proposed.plan())?;
        self.check_powers(proposed.plan())?;
        let examined = match self.mode {
            Mode::Examine => Some(self.examined(&mut site, &trace, &removals, &files).await?),
            Mode::Act | Mode::Plan => None,
        };
        Ok(PlannedRun {
            to_approve: self.to_approve(proposed.plan()),
            proposed,
            site,
            trace,
            script,
            files,
            log,
            denials,
            removals,
            kept,
            by_hand,
            kept_credentials,
            examined,
        })
    }

    /// What the component wrote before it failed: there will be no acting pass that says it again.
    fn tell_log(&self, error: &Error) {
        if let Error::Run { log, .. } = error {
            log.iter().for_each(|entry| self.environment.approver.logged(entry));
        }
    }

    /// The trace of the pass, completed with the host's counts, log and refusals.
    fn noted(&self, trace: Trace, ended: Ended) -> (Trace, Vec<LogEntry>, Vec<String>) {
        let refused = ended.failed.iter().map(ToString::to_string).collect();
        let mut trace = Trace { calls: ended.calls, refused, ..trace };
        if self.mode == Mode::Examine {
            trace.changes.iter_mut().for_each(ObjectChange::without_credentials);
            let inventory = self.earlier.map(Installation::inventoried).unwrap_or_default();
            let was_made =
                |row: &&mut ObjectChange| inventory.find(&row.object).is_some_and(|it| it.uid.is_some());
            trace.changes.iter_mut().filter(was_made).for_each(ObjectChange::without_what_is_done);
        }
        (trace, ended.log, ended.denied.iter().map(Denied::explained).collect())
    }

    /// The objects that the component may read in the cluster. None: the target is a directory.
    fn readable(&self, target: &Target) -> Option<KubernetesScope> {
        if matches!(target, Target::Directory(_)) {
            return None;
        }
        let granted = self.decided.granted.as_ref().filter(|_| self.responsibilities.component.is_some());
        Some(granted.map(|granted| granted.capabilities().kubernetes).unwrap_or_default())
    }

    /// A plan that somebody will look at gets a full dry run; one that is confirmed beforehand takes reads where they
    /// suffice.
    fn dry_run_mode(&self) -> DryRunMode {
        match self.mode {
            Mode::Act if self.operation.options.confirmed && self.operation.plan.is_none() => {
                DryRunMode::Reads
            }
            Mode::Act => DryRunMode::DryRun,
            Mode::Examine => DryRunMode::ReadsIfAllowed,
            Mode::Plan => DryRunMode::DryRunIfAllowed,
        }
    }

    /// Refuses replacements that were not allowed, unless the plan is only shown.
    fn check_replacements(&self, plan: &Plan) -> Result<(), Error> {
        let replaced: Vec<_> = plan
            .replacements()
            .map(|row| format!("{} ({} cannot change)", row.object, row.immutable.join(", ")))
            .collect();
        let may_be = self.mode != Mode::Act || self.operation.options.overrides.replace;
        if may_be || replaced.is_empty() { Ok(()) } else { Err(Error::Replaces(replaced)) }
    }

    /// Refuses to take over what others hold and nobody named, all of it at once, unless the plan is only shown.
    fn check_conflicts(&self, plan: &Plan) -> Result<(), Error> {
        let options = &self.operation.options;
        if self.mode != Mode::Act || options.overrides.force_conflicts || options.overrides.take_ownership {
            return Ok(());
        }
        let held = plan.conflicts(&options.take);
        if held.is_empty() { Ok(()) } else { Err(Error::Conflicts(held)) }
    }

    /// A cluster at another address that has nothing of the installation is another cluster: an uninstall there would
    /// forget what is still in the right one. An address alone proves nothing, since a cluster may have several.
    fn check_cluster(&self, removals: &[PlannedRemoval]) -> Result<(), Error> {
        let Some(earlier) = self.earlier else { return Ok(()) };
        let is_there = removals.iter().any(|removal| removal.found.is_some());
        let finds_nothing = self.responsibilities.remove && !is_there && !removals.is_empty();
        let is_elsewhere = earlier.settings.place.server() != self.operation.place.server();
        if finds_nothing && is_elsewhere { Err(self.operation.elsewhere(earlier)) } else { Ok(()) }
    }

    /// Objects that the runtime removes after the component, last applied first, and those that it leaves in place.
    fn removable(&self, target: &Target, trace: &Trace) -> (Vec<RecordedObject>, Vec<ObjectRef>) {
        let Responsibilities { prune, remove, .. } = self.responsibilities;
        if !prune && !remove && self.operation.undone.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let touched = self.touched(trace);
        let is_directory = matches!(target, Target::Directory(_));
        let is_removed = |recorded: &RecordedObject| {
            let kind = Protected::of(recorded.object());
            is_directory || kind.is_none_or(|kind| self.operation.options.delete.contains(&kind))
        };
        let inventory = self.earlier.map(Installation::inventoried).unwrap_or_default();
        // What an action of the bundle made, a backup say, is not left out by an upgrade that does not know of it.
        let is_an_actions =
            |object: &ObjectRef| inventory.find(object).is_some_and(|recorded| recorded.made_by.is_some());
        // A component that carries out upgrades itself removes what it knows of, and nothing of revisions after its own.
        let is_left_out = |object: &ObjectRef| {
            let since = inventory.find(object).and_then(|recorded| recorded.since.as_deref());
            prune || since.is_some_and(|since| self.operation.undone.contains(since))
        };
        let recorded = self.earlier.map(Installation::recorded).unwrap_or_default().into_iter().rev();
        let (removed, kept): (Vec<_>, Vec<_>) = recorded
            .filter(|it| !touched.contains(&it.object().id()))
            .filter(|it| remove || !is_an_actions(it.object()) && is_left_out(it.object()))
            .partition(is_removed);
        (removed, kept.iter().map(|recorded| recorded.object().clone()).collect())
    }

    /// The objects that the component has seen to. One that it only reads or waits for is known to it as well, where it
    /// is the component that decides what goes.
    fn touched(&self, trace: &Trace) -> BTreeSet<ObjectId> {
        let written = trace.steps.iter().map(|(step, _)| step.object.id());
        let is_its_own = !self.responsibilities.prune && !self.responsibilities.remove;
        let known = trace.reads.iter().chain(&trace.awaited).filter(|_| is_its_own).map(ObjectRef::id);
        written.chain(known).collect()
    }

    /// The objects on record that stay as they are because the component carries out its upgrades itself, and does not
    /// touch them. Whether they are there nobody has looked.
    fn untouched(&self, trace: &Trace, removed: &[ObjectRef], kept: &[ObjectRef]) -> Vec<ObjectRef> {
        if self.operation.action != "upgrade" || self.responsibilities.prune {
            return Vec::new();
        }
        let written = trace.steps.iter().map(|(step, _)| &step.object);
        let seen: BTreeSet<_> = written.chain(removed).chain(kept).map(ObjectRef::id).collect();
        let recorded = self.earlier.map(Installation::inventory).unwrap_or_default().iter();
        let recorded = recorded.filter(|it| it.made_by.is_none() && !seen.contains(&it.object.id()));
        recorded.map(|it| it.object.clone()).collect()
    }

    /// Takes out what the operator wants to keep: without its password, a volume that stays could not be opened.
    fn keeping_credentials(&self, removals: Vec<PlannedRemoval>) -> (Vec<PlannedRemoval>, Vec<ObjectRef>) {
        let is_kept = |removal: &PlannedRemoval| {
            let found = removal.found.as_ref().filter(|_| removal.recorded.object().is_secret());
            self.operation.options.keep_credentials && found.is_some_and(|secret| generated(secret).is_some())
        };
        let (kept, removals): (Vec<_>, Vec<_>) = removals.into_iter().partition(is_kept);
        (removals, kept.iter().map(|removal| removal.recorded.object().clone()).collect())
    }

    /// The Jobs of the installation that a plan which goes back leaves as they are. One that cannot be read is not named.
    async fn jobs_that_stay(
        &self,
        site: &Site,
        trace: &Trace,
        removals: &[PlannedRemoval],
    ) -> Vec<(ObjectRef, Value)> {
        let mut jobs = Vec::new();
        if self.operation.rollback_to.is_none() {
            return jobs;
        }
        let going: BTreeSet<_> = removals.iter().map(|removal| removal.recorded.object().id()).collect();
        for recorded in self.earlier.map(Installation::recorded).unwrap_or_default() {
            let object = recorded.object();
            let is_an_actions = site.inventory().find(object).is_some_and(|it| it.made_by.is_some());
            let has_row = trace.changes.get(object).is_some() || going.contains(&object.id());
            if object.is(BATCH, "Job") && !has_row && !is_an_actions {
                let found = site.get(&recorded.get()).await.ok().flatten();
                jobs.extend(found.map(|job| (object.clone(), job)));
            }
        }
        jobs
    }

    fn subject(&self, target: &Target) -> Subject {
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
            rollback_to: self.operation.rollback_to.clone(),
            revision: self.revision(),
            target: target.describe(),
            inputs: self.inputs(),
        }
    }

    fn inputs(&self) -> PlanInputs {
        let (secret, shown) = self.split_parameters();
        PlanInputs {
            reference: self.operation.reference.clone(),
            parameters: shown,
            secret_parameters: secret,
            grant: self.decided.grant.clone(),
            overrides: self.operation.options.overrides,
            delete: self.operation.options.delete.clone(),
            take: self.operation.options.take.clone(),
            dangers: self.operation.dangers.clone(),
        }
    }
}

impl PlannedRun {
    pub(super) fn plan(&self) -> &Plan {
        self.proposed.plan()
    }

    pub(super) fn target(&self) -> &Target {
        self.site.target()
    }

    pub(super) fn target_mut(&mut self) -> &mut Target {
        self.site.target_mut()
    }

    pub(super) fn into_outcome(self) -> Outcome {
        Outcome {
            to_approve: self.to_approve,
            proposed: self.proposed,
            outputs: BTreeMap::new(),
            write_only: BTreeSet::new(),
            log: self.log,
            denials: self.denials,
            kept: [self.kept, self.kept_credentials].concat(),
            by_hand: self.by_hand,
            left: self.removals.iter().filter_map(PlannedRemoval::left).collect(),
            examined: self.examined,
        }
    }
}

/// The recorded objects that are to be removed and are not there.
fn absent(removals: &[PlannedRemoval]) -> Vec<ObjectRef> {
    let absent = removals.iter().filter(|removal| removal.found.is_none() && removal.left().is_none());
    absent.map(|removal| removal.recorded.object().clone()).collect()
}

/// Ignores progress: the planning pass writes the same log as the acting pass, which is shown once. Where there will be
/// no acting pass, because planning failed, the log is told afterwards.
struct Silent;

impl Observer for Silent {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &LogEntry) {}
}
