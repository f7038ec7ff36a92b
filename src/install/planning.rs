//! The planning pass: reads only, and returns the plan with all that the acting pass needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::capability::kubernetes::KubernetesScope;
use crate::grant::Denied;
use crate::host::InputFiles;
use crate::host::gate::Ended;
use crate::host::pass::{Planning, Script, Site};
use crate::host::progress::{LogEntry, Observer, Unready};
use crate::plan::trace::{ObjectChange, Trace};
use crate::plan::{BundleName, InstallationName, Noted, Plan, PlanInputs, Proposed, Subject};
use crate::state::Installation;
use crate::targets::{DryRunMode, Target};
use crate::verify::PlanToApprove;

use super::actor::Actor;
use super::cleanup::Cleanup;
use super::removal::PlannedRemoval;
use super::run::{Ran, Run, exceeded};
use super::{Error, Examined, Mode, Outcome};

/// A planned action: what will be done, and the target to do it to.
pub(super) struct PlannedRun {
    pub(super) proposed: Proposed,
    /// The plan, as far as somebody else has to approve it.
    pub(super) to_approve: PlanToApprove,
    pub(super) rehearsal: Rehearsal,
    pub(super) cleanup: Cleanup,
    said: Said,
    /// The comparison with what is there.
    examined: Option<Examined>,
}

/// What a planning pass hands to the acting pass.
pub(super) struct Rehearsal {
    pub(super) site: Site,
    pub(super) trace: Trace,
    pub(super) script: Script,
    /// The operator's files as the component read them, for both passes.
    pub(super) files: InputFiles,
}

/// What was said in a planning pass. An acting pass says it again.
struct Said {
    log: Vec<LogEntry>,
    denials: Vec<String>,
}

impl Run<'_> {
    /// The planning pass: reads only.
    pub(super) async fn plan(&self, target: Target) -> Result<PlannedRun, Error> {
        let (mut rehearsal, said) = self.rehearse(target).await?;
        let cleanup = self.cleanup(&mut rehearsal.site, &rehearsal.trace).await?;
        let proposed = self.propose(&rehearsal, &cleanup).await;
        self.check_replacements(proposed.plan())?;
        self.check_conflicts(proposed.plan())?;
        self.check_powers(proposed.plan())?;
        let examined = match self.mode {
            Mode::Examine => {
                let Rehearsal { site, trace, files, .. } = &mut rehearsal;
                Some(self.examined(site, (trace, files), &cleanup.removals).await?)
            }
            Mode::Act | Mode::Plan => None,
        };
        let to_approve = self.to_approve(proposed.plan(), &cleanup.aftermath.collateral);
        Ok(PlannedRun { proposed, to_approve, rehearsal, cleanup, said, examined })
    }

    /// Runs the component over the target, where it takes part, without a change to anything.
    async fn rehearse(&self, target: Target) -> Result<(Rehearsal, Said), Error> {
        let planning = Planning::new(self.site(target, Arc::new(Silent)), self.dry_run_mode());
        let ran = self.pass(planning, self.operation.files.restored()).await;
        let Ran { pass, mut ended } = ran.inspect_err(|error| self.tell_log(error))?;
        exceeded(&ended.denied).map_or(Ok(()), Err)?;
        let files = std::mem::take(&mut ended.files);
        if self.mode != Mode::Examine {
            self.operation.files.check(&files).map_err(Error::OtherFiles)?;
        }
        let (site, trace, script) = pass.into_parts();
        let (trace, said) = self.noted(trace, ended);
        Ok((Rehearsal { site, trace, script, files }, said))
    }

    /// The plan, with all that has to be read to say what it does.
    async fn propose(&self, rehearsal: &Rehearsal, cleanup: &Cleanup) -> Proposed {
        let Rehearsal { site, trace, .. } = rehearsal;
        let rows = cleanup.rows();
        let context = self.cluster_context(site, trace, &rows).await;
        let policies = self.policies_beside(site, trace).await;
        let images_before = self.images_before().await;
        let noted = Noted {
            policies: &policies,
            images_before: images_before.as_ref(),
            warnings: &site.target().take_warnings(),
            waits: self.operation.options.waits,
            shows_waits: self.operation.plan.is_some(),
            granted: self.actor.granted(),
            trace,
            removed: rows,
            looked_for: &cleanup.looked_for,
            readable: self.readable(site.target()),
            kinds: site.kinds(),
            aftermath: &cleanup.aftermath,
        };
        Proposed::of(self.subject(site.target()), noted, &context)
    }

    /// The component's log before it failed: there will be no acting pass that says it again.
    fn tell_log(&self, error: &Error) {
        if let Error::Run { log, .. } = error {
            log.iter().for_each(|entry| self.environment.approver.logged(entry));
        }
    }

    /// The trace of the pass, completed with the host's counts, log and refusals.
    fn noted(&self, trace: Trace, ended: Ended) -> (Trace, Said) {
        let refused = ended.failed.iter().map(ToString::to_string).collect();
        let mut trace = Trace { calls: ended.calls, refused, ..trace };
        if self.mode == Mode::Examine {
            trace.changes.iter_mut().for_each(ObjectChange::without_credentials);
            let inventory = self.earlier.map(Installation::inventoried).unwrap_or_default();
            let was_made =
                |row: &&mut ObjectChange| inventory.find(&row.object).is_some_and(|it| it.uid.is_some());
            trace.changes.iter_mut().filter(was_made).for_each(ObjectChange::without_what_is_done);
        }
        let denials = ended.denied.iter().map(Denied::explained).collect();
        (trace, Said { log: ended.log, denials })
    }

    /// The objects that the component may read in the cluster. None: the target is a directory.
    fn readable(&self, target: &Target) -> Option<KubernetesScope> {
        if matches!(target, Target::Directory(_)) {
            return None;
        }
        Some(match &self.actor {
            Actor::Component(component) => component.granted.capabilities().kubernetes,
            Actor::Runtime { .. } => KubernetesScope::default(),
        })
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
            signers: self.signers(),
        }
    }
}

impl PlannedRun {
    pub(super) fn plan(&self) -> &Plan {
        self.proposed.plan()
    }

    pub(super) fn target(&self) -> &Target {
        self.rehearsal.site.target()
    }

    pub(super) fn target_mut(&mut self) -> &mut Target {
        self.rehearsal.site.target_mut()
    }

    pub(super) fn into_outcome(self) -> Outcome {
        let Cleanup { removals, kept, kept_credentials, by_hand, .. } = self.cleanup;
        Outcome {
            to_approve: self.to_approve,
            proposed: self.proposed,
            outputs: BTreeMap::new(),
            write_only: BTreeSet::new(),
            log: self.said.log,
            denials: self.said.denials,
            kept: [kept, kept_credentials].concat(),
            by_hand,
            left: removals.iter().filter_map(PlannedRemoval::left).collect(),
            examined: self.examined,
            dependencies: Vec::new(),
        }
    }
}

/// Ignores progress: the planning pass writes the same log as the acting pass, which is shown once. Where there will be
/// no acting pass, because planning failed, the log is told afterwards.
struct Silent;

impl Observer for Silent {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &LogEntry) {}
}
