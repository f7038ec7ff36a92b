//! One action with its decisions: the common part of its two passes, and the record of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::cluster;
use crate::grant::{Denied, LoweredGuard, RecordedGuard, Shortfall};
use crate::host::gate::Ended;
use crate::host::pass::{Pass, Phase, Site, Waiting};
use crate::host::progress::Observer;
use crate::host::{GuestError, Host, InputFiles};
use crate::plan::{Plan, Waits};
use crate::run::RunError;
use crate::state::{Installation, InstallationSettings, StateError};
use crate::targets::{self, Inventory, Target};
use crate::verify::TrustDecision;

use super::actor::Actor;
use super::decide::DecidedRun;
use super::responsibilities::Responsibilities;
use super::{Environment, Error, Mode, Operation};

/// One action, decided about.
pub(super) struct Run<'a> {
    pub(super) operation: &'a Operation,
    pub(super) environment: &'a Environment<'a>,
    pub(super) earlier: Option<&'a Installation>,
    pub(super) responsibilities: Responsibilities,
    pub(super) decided: DecidedRun,
    /// Who carries it out.
    pub(super) actor: Actor,
    /// The id of the installation's record. None: an earlier version of the program began it, and this run leaves it so.
    pub(super) record: Option<String>,
    pub(super) mode: Mode,
}

/// A pass that was run, with the trace, the log and the refusals.
pub(super) struct Ran<P> {
    pub(super) pass: P,
    pub(super) ended: Ended,
}

impl Run<'_> {
    /// Runs the component over the target, if it handles the action.
    pub(super) async fn pass<P: Phase>(&self, pass: P, files: InputFiles) -> Result<Ran<P>, Error> {
        let component = match &self.actor {
            Actor::Component(component) => component,
            Actor::Runtime { .. } => return Ok(Ran { pass, ended: Ended::default() }),
        };
        let (context, credentials) = (self.decided.context.clone(), self.decided.credentials.clone());
        let host = Host::new(Arc::clone(&component.granted), context, credentials, pass).with_files(files);
        let (host, result) = component.compiled.run(host, &component.action).await;
        let (pass, ended) = host.into_parts::<P>().map_err(|error| Error::SetUp(error.into()))?;
        match result {
            Ok(()) => Ok(Ran { pass, ended }),
            Err(source) => Err(failed(pass.into(), ended, source).await),
        }
    }

    pub(super) fn site(&self, target: Target, observer: Arc<dyn Observer>) -> Site {
        let inventory = match (self.earlier, &self.record) {
            (Some(earlier), Some(record)) => earlier.clone().with_record(record).inventoried(),
            (Some(earlier), None) => earlier.inventoried(),
            (None, Some(record)) => self.environment.state.inventory_of(record),
            (None, None) => Inventory::default(),
        };
        let options = &self.operation.options;
        let site = Site::new(target, inventory, options.overrides, self.waiting(), observer);
        let site = site.taking(options.take.clone());
        // Where something may follow the plan, the component hands over the same manifests again.
        if self.mode == Mode::Act { site.keeping_manifests() } else { site }
    }

    pub(super) fn waiting(&self) -> Waiting {
        Waiting::begin(self.operation.options.waits, self.operation.options.timeout)
    }

    /// The waiting of the acting pass. A run that is to correct something waits for nothing where nothing is wrong.
    pub(super) fn waiting_for(&self, plan: &Plan) -> Waiting {
        let waiting = self.waiting();
        let is_idle = self.operation.options.waits_for_changes_only && plan.is_empty();
        if is_idle { Waiting { waits: Waits::Nothing, ..waiting } } else { waiting }
    }

    /// The settings that are recorded after this run.
    pub(super) fn settings(&self) -> InstallationSettings {
        let Some(granted) = self.actor.granted() else {
            // Where only the runtime acts, the installation exists, and its settings stay as they are.
            return self.earlier.map(|earlier| earlier.settings.clone()).unwrap_or_default();
        };
        let verified = granted.verified();
        // What was uninstalled and is installed anew was asked for anew.
        let there = self.earlier.filter(|earlier| !earlier.is_deleted());
        let recorded = there.map(|earlier| earlier.settings.clone()).unwrap_or_default();
        let (rule, signers) = match verified.decision() {
            TrustDecision::Signed { rule, signers, .. } => {
                (Some(rule.clone()), signers.iter().map(|signer| signer.name.clone()).collect())
            }
            TrustDecision::Unsigned => (None, Vec::new()),
        };
        InstallationSettings {
            place: self.operation.place.clone().into(),
            record: self.record.clone(),
            bundle: verified.digest(),
            bundle_name: verified.bundle().name().to_owned(),
            bundle_version: verified.bundle().version().to_string(),
            reference: self.operation.reference.clone(),
            rule,
            signers,
            grant: self.decided.grant.clone(),
            consent: self.decided.consent.clone(),
            dangers: self.dangers(),
            requires: self.operation.requires.clone().unwrap_or_else(|| recorded.requires.clone()),
            made_for: self.operation.made_for.clone().or_else(|| recorded.made_for.clone()),
        }
    }

    /// The guards that are lowered. Who carries a plan out, and what for that waits, is no part of it, but of what is
    /// recorded.
    fn dangers(&self) -> Vec<RecordedGuard> {
        let own = self.operation.acts_as_caller().then_some(LoweredGuard::OwnIdentity);
        let unawaited = self.operation.is_unawaited().then_some(LoweredGuard::Unawaited);
        let dangers = self.operation.dangers.iter().copied().chain(own).chain(unawaited);
        dangers.map(RecordedGuard::from).collect()
    }

    /// CNAB Claims: a new revision for whatever may change something, the last one for the rest.
    pub(super) fn revision(&self) -> String {
        let last = self
            .earlier
            .and_then(|earlier| earlier.last.as_ref())
            .filter(|_| !self.responsibilities.modifies);
        last.map_or_else(|| self.decided.context.revision.clone(), |last| last.revision.clone())
    }

    /// The names of the parameters that must not be shown, and the others with their values.
    pub(super) fn split_parameters(&self) -> (Vec<String>, BTreeMap<String, Value>) {
        let bundle = self.actor.bundle();
        let is_secret = |name: &str| bundle.is_some_and(|bundle| bundle.is_write_only_parameter(name));
        let all = self.decided.context.parameters.clone();
        let (secret, shown): (BTreeMap<_, _>, _) = all.into_iter().partition(|(name, _)| is_secret(name));
        (secret.into_keys().collect(), shown)
    }

    /// CNAB 101: an output that the component did not set has its default; without one the action has failed.
    pub(super) fn complete_outputs(
        &self,
        mut set: BTreeMap<String, Value>,
    ) -> Result<BTreeMap<String, Value>, Error> {
        for (name, schema) in &self.decided.context.outputs {
            if !set.contains_key(name) {
                let default = schema.get("default").ok_or_else(|| Error::Output(name.clone()))?;
                set.insert(name.clone(), default.clone());
            }
        }
        Ok(set)
    }

    /// The names of outputs that must not be shown, and the outputs that may be stored.
    pub(super) fn split_outputs(
        &self,
        outputs: &BTreeMap<String, Value>,
    ) -> (BTreeSet<String>, BTreeMap<String, Value>) {
        let bundle = self.actor.bundle();
        let is_hidden = |name: &String| bundle.is_some_and(|bundle| bundle.is_write_only_output(name));
        let hidden: BTreeSet<String> = outputs.keys().filter(|name| is_hidden(name)).cloned().collect();
        let shown = outputs.iter().filter(|(name, _)| !hidden.contains(*name));
        let shown = shown.map(|(name, value)| (name.clone(), value.clone())).collect();
        (hidden, shown)
    }
}

/// Why a plan is not to be carried out that does what the bundle requires and the grant leaves out. None: it does not.
pub(super) fn exceeded(denied: &[Denied]) -> Option<Error> {
    let lines: Vec<_> = denied.iter().filter_map(Denied::beyond).collect();
    (!lines.is_empty()).then(|| Shortfall::Exceeded(lines).into())
}

/// The error of a failed run. The component sees only the kind of a refusal; the operator is told the whole.
async fn failed(mut pass: Pass, mut ended: Ended, source: RunError) -> Error {
    if let (Pass::Planning(_), Some(error)) = (&pass, exceeded(&ended.denied)) {
        return error;
    }
    let refusal = match ended.failed.pop() {
        Some(targets::Error::Cluster(cluster::Error::Displaced { name, why })) => {
            return StateError::Lost { name, why }.into();
        }
        refusal => refusal.map(Box::new),
    };
    let timed_out = matches!(source, RunError::Reported(GuestError::Timeout(_)));
    let unready = if timed_out { pass.unready().await } else { Vec::new() };
    let denials = ended.denied.iter().map(Denied::explained).chain(ended.unread).collect();
    let done = pass.done();
    Error::Run { source, refusal, denials, unready: unready.into(), done, log: ended.log }
}
