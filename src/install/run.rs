//! The two passes of an action: the plan, and the same again for real, written down before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::ScopedIdentity;
use crate::grant::{Denied, recorded};
use crate::host::meter::Calls;
use crate::host::wait::now;
use crate::host::watch::Entry;
use crate::host::watch::{Unready, Watcher};
use crate::host::work::{ObjectChange, Pass, Waiting, Work};
use crate::host::{GuestError, Host};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::objects::Objects;
use crate::kubernetes::rbac::Rights;
use crate::kubernetes::readiness::is_ready_once_there;
use crate::plan::{self, BundleName, Inputs, InstallationName, Plan, Subject};
use crate::run::{Compiled, RunError};
use crate::state::{Claim, Ending, Installation, Lock, Settings, StateError};
use crate::targets::credentials::Lent;
use crate::targets::{Kept, Target, Trial};
use crate::verify::TrustDecision;

use super::decide::{Decided, Part};
use super::removal::{self, Removal};
use super::{Error, Mode, Order, Outcome, Place, Tools, claim};

/// The guard that is lowered where no identity is made for a run.
const OWN_IDENTITY: &str = "--identity own";

/// One action, decided about.
pub(super) struct Run<'a> {
    pub(super) order: &'a Order,
    pub(super) tools: &'a Tools<'a>,
    pub(super) earlier: Option<&'a Installation>,
    pub(super) part: Part,
    pub(super) decided: Decided,
    pub(super) compiled: Option<Compiled>,
    pub(super) mode: Mode,
}

/// What one pass of a run left.
struct Ran {
    work: Work,
    calls: Calls,
    outputs: BTreeMap<String, Value>,
    log: Vec<Entry>,
    denials: Vec<String>,
}

/// What came of an action, and the outputs that may be stored.
type Acted = (Outcome, BTreeMap<String, Value>);

/// A planned action: what will be done, and the target to do it to.
pub(super) struct Planned {
    pub(super) plan: Plan,
    ran: Ran,
    removals: Vec<Removal>,
    kept: Vec<ObjectRef>,
    /// What the acting pass takes.
    pub(super) rights: Rights,
    /// What making the plan and the acting pass take.
    all_rights: Rights,
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
        let granted = self.decided.granted.as_ref().filter(|_| self.part.component.is_some());
        let readable = granted.map(|granted| granted.capabilities().kubernetes).unwrap_or_default();
        plan::needed(work, removed, &readable)
    }

    /// A plan that somebody is to look at is tried out by the server; one that is confirmed already takes reads alone.
    fn trial(&self) -> Trial {
        match self.mode {
            Mode::Act if self.order.confirmed && self.order.plan.is_none() => Trial::Reads,
            Mode::Act => Trial::DryRun,
            Mode::Examine | Mode::Plan => Trial::DryRunIfAllowed,
        }
    }

    /// A plan may be looked at, whatever it replaces.
    fn check_replacements(&self, plan: &Plan) -> Result<(), Error> {
        let replaced: Vec<_> = plan
            .replacements()
            .map(|row| format!("{} ({} cannot change)", row.object, row.immutable.join(", ")))
            .collect();
        let may_be = self.mode != Mode::Act || self.order.overrides.replace;
        if may_be || replaced.is_empty() { Ok(()) } else { Err(Error::Replaces(replaced)) }
    }

    /// A cluster at another address that has nothing of the installation is another cluster: an uninstall there would
    /// forget what is still in the right one. An address alone proves nothing, since a cluster may have several.
    fn check_cluster(&self, removals: &[Removal]) -> Result<(), Error> {
        let Some(earlier) = self.earlier else { return Ok(()) };
        let is_there = removals.iter().any(|removal| removal.found.is_some());
        let finds_nothing = self.part.remove && !is_there && !removals.is_empty();
        let is_elsewhere = earlier.settings.server != self.order.place.server;
        if finds_nothing && is_elsewhere { Err(self.order.elsewhere(earlier)) } else { Ok(()) }
    }

    /// Does what was planned, and records it. The identity that it is done with is gone before it is recorded as done:
    /// whoever kills the run before has the next one finish it.
    pub(super) async fn act_and_record(
        &self,
        planned: Planned,
        lock: Option<&Lock>,
        identity: Option<&ScopedIdentity>,
    ) -> Result<Outcome, Error> {
        let begun = if self.part.stateless { Ok(None) } else { self.record(&planned).await.map(Some) };
        let ended = match begun {
            Ok(claim) => Ok((claim, self.act_until_stopped(planned, lock).await)),
            Err(error) => Err(error),
        };
        if let Some(identity) = identity {
            self.dismiss(identity).await?;
        }
        let (claim, acted) = ended?;
        if let Some(claim) = claim {
            self.conclude(&claim, &acted)?;
        }
        acted.map(|(outcome, _)| outcome)
    }

    async fn act_until_stopped(&self, planned: Planned, lock: Option<&Lock>) -> Result<Acted, Error> {
        tokio::select! {
            acted = self.act(planned) => acted,
            _ = tokio::signal::ctrl_c() => Err(Error::Canceled),
            error = lost(lock) => Err(error.into()),
        }
    }

    /// Writes down how the action ended.
    fn conclude(&self, claim: &Claim, acted: &Result<Acted, Error>) -> Result<(), Error> {
        let ending = match acted {
            Ok((_, outputs)) => Ending { status: "succeeded", message: None, outputs },
            Err(error) => {
                Ending { status: error.status(), message: Some(error.summary()), outputs: &BTreeMap::new() }
            }
        };
        Ok(self.tools.state.finish(claim, &ending)?)
    }

    /// Writes down that the action begins, with all that is needed to finish or undo it.
    async fn record(&self, planned: &Planned) -> Result<Claim, Error> {
        let state = self.tools.state;
        if let Some(granted) = &self.decided.granted {
            state.keep(granted.verified().fetched()).await?;
        }
        let settings = self.settings();
        let claim = claim::document(self, &settings, &planned.plan).await;
        state.begin(&self.order.name, &self.order.namespace, &settings, &claim)?;
        Ok(claim)
    }

    /// The acting pass, what the runtime removes after it, and the waiting. The answer's second part are the outputs that
    /// may be stored.
    async fn act(&self, planned: Planned) -> Result<Acted, Error> {
        let Planned { plan, ran, removals, kept, all_rights: rights, .. } = planned;
        // The steps of the component alone: what is removed after it is not compared, and may be gone already.
        let Work { target, kinds, changes, steps, answers, .. } = ran.work;
        target.sweep()?;
        let seen =
            changes.into_values().filter_map(|row| Some((row.object.to_string(), row.before?))).collect();
        let pass = Pass::acting(steps, &answers, self.tools.state.ledger(&self.order.name));
        let operator = Arc::clone(&self.tools.operator);
        let watcher: Arc<dyn Watcher> = operator;
        let work = Work { answers, ..self.work(target, kinds, pass, seen, watcher) };
        let mut ran = self.pass(work).await?;
        removal::carry_out(&mut ran.work, removals).await?;
        self.let_go(&mut ran.work, &kept)?;
        await_ready(&mut ran.work).await?;
        let outputs = self.settled_outputs(ran.outputs)?;
        let (write_only, stored) = self.split_outputs(&outputs);
        let outcome = Outcome { plan, outputs, write_only, log: ran.log, denials: ran.denials, kept, rights };
        Ok((outcome, stored))
    }

    /// What an uninstall leaves in place is nobody's any more.
    fn let_go(&self, work: &mut Work, kept: &[ObjectRef]) -> Result<(), Error> {
        if let Pass::Acting { ledger, .. } = &mut work.pass
            && self.part.remove
        {
            kept.iter().try_for_each(|object| ledger.removed(object))?;
        }
        Ok(())
    }

    /// Runs the component over the target, if it has a part in this.
    async fn pass(&self, work: Work) -> Result<Ran, Error> {
        let (Some(compiled), Some(granted), Some(action)) =
            (&self.compiled, &self.decided.granted, &self.part.component)
        else {
            return Ok(Ran::nothing(work));
        };
        let context = self.decided.context.clone();
        let host = Host::new(Arc::clone(granted), context, self.decided.credentials.clone(), work);
        let (host, ended) = compiled.run(host, action).await;
        let ran = Ran::of(host);
        match ended {
            Ok(()) => Ok(ran),
            Err(source) => Err(ran.failed(source).await),
        }
    }

    fn work(
        &self,
        target: Target,
        kinds: Kinds,
        pass: Pass,
        seen: BTreeMap<String, Value>,
        watcher: Arc<dyn Watcher>,
    ) -> Work {
        Work {
            target,
            kinds,
            pass,
            seen,
            watcher,
            inventory: self.earlier.iter().flat_map(|it| it.inventory.iter().cloned()).collect(),
            overrides: self.order.overrides,
            waiting: Waiting { enabled: self.order.wait, until: now() + self.order.timeout },
            lent: Lent::default(),
            reads: BTreeSet::new(),
            steps: Vec::new(),
            answers: Vec::new(),
            changes: Objects::default(),
            failures: Vec::new(),
            late: Vec::new(),
            going: Vec::new(),
        }
    }

    /// What the runtime removes after the component, last applied first, and what it leaves in place.
    fn removable(&self, work: &Work) -> (Vec<ObjectRef>, Vec<ObjectRef>) {
        if !self.part.prune && !self.part.remove {
            return (Vec::new(), Vec::new());
        }
        let keys: BTreeSet<_> = work.steps.iter().map(|step| step.object.key()).collect();
        let touched = |object: &ObjectRef| keys.contains(&object.key());
        let gone = work.inventory.iter().rev().map(|recorded| recorded.object.clone());
        let is_directory = matches!(work.target, Target::Directory(_));
        gone.filter(|object| !touched(object)).partition(|object| {
            is_directory || Kept::of(object).is_none_or(|kind| self.order.delete.contains(&kind))
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
                name: self.order.name.clone(),
                namespace: self.order.namespace.clone(),
            },
            action: self.order.action.clone(),
            revision: self.revision(),
            target: work.target.describe(),
            inputs: self.inputs(),
        }
    }

    fn inputs(&self) -> Inputs {
        let (secret, shown) = self.split_parameters();
        Inputs {
            reference: self.order.reference.clone(),
            parameters: shown,
            secret_parameters: secret,
            grant: self.decided.terms.clone(),
            overrides: self.order.overrides,
            delete: self.order.delete.clone(),
            dangers: self.order.dangers.clone(),
        }
    }

    /// The names of the parameters that must not be shown, and the others with their values.
    pub(super) fn split_parameters(&self) -> (Vec<String>, BTreeMap<String, Value>) {
        let bundle = self.decided.granted.as_ref().map(|granted| granted.verified().bundle());
        let is_secret = |name: &str| bundle.is_some_and(|bundle| bundle.is_write_only_parameter(name));
        let all = self.decided.context.parameters.clone();
        let (secret, shown): (BTreeMap<_, _>, _) = all.into_iter().partition(|(name, _)| is_secret(name));
        (secret.into_keys().collect(), shown)
    }

    /// CNAB Claims: a new revision for whatever may change something, the last one for the rest.
    fn revision(&self) -> String {
        let last = self.earlier.and_then(|earlier| earlier.last.as_ref()).filter(|_| !self.part.modifies);
        last.map_or_else(|| self.decided.context.revision.clone(), |last| last.revision.clone())
    }

    /// What the installation keeps after this run.
    fn settings(&self) -> Settings {
        let Place { target, server, kubeconfig, context, plain_secrets } = self.order.place.clone();
        let Some(granted) = &self.decided.granted else {
            // Where only the runtime acts, an installation is there, and nothing about it was decided anew.
            return self.earlier.map(|earlier| earlier.settings.clone()).unwrap_or_default();
        };
        let verified = granted.verified();
        let (rule, signers) = match verified.decision() {
            TrustDecision::Signed { rule, signers, .. } => {
                (Some(rule.clone()), signers.iter().map(|signer| signer.name.clone()).collect())
            }
            TrustDecision::Unsigned => (None, Vec::new()),
        };
        Settings {
            target,
            server,
            kubeconfig,
            context,
            plain_secrets,
            bundle: verified.digest(),
            bundle_name: verified.bundle().name().to_owned(),
            bundle_version: verified.bundle().version().to_string(),
            reference: self.order.reference.clone(),
            rule,
            signers,
            terms: self.decided.terms.clone(),
            dangers: self.dangers(),
        }
    }

    /// The guards that are lowered. Who carries a plan out is no part of it, but of what is recorded.
    fn dangers(&self) -> Vec<String> {
        let is_caller = self.order.place.is_caller(self.order.identity);
        let own = is_caller.then(|| OWN_IDENTITY.to_owned());
        self.order.dangers.iter().cloned().chain(own).collect()
    }

    /// CNAB 101: an output that the component did not set has its default; without one the action has failed.
    fn settled_outputs(&self, mut set: BTreeMap<String, Value>) -> Result<BTreeMap<String, Value>, Error> {
        for (name, schema) in &self.decided.context.outputs {
            if !set.contains_key(name) {
                let default = schema.get("default").ok_or_else(|| Error::Output(name.clone()))?;
                set.insert(name.clone(), default.clone());
            }
        }
        Ok(set)
    }

    /// The names of outputs that must not be shown, and the outputs that may be stored.
    fn split_outputs(
        &self,
        outputs: &BTreeMap<String, Value>,
    ) -> (BTreeSet<String>, BTreeMap<String, Value>) {
        let bundle = self.decided.granted.as_ref().map(|granted| granted.verified().bundle());
        let is_hidden = |name: &String| bundle.is_some_and(|bundle| bundle.is_write_only_output(name));
        let hidden: BTreeSet<String> = outputs.keys().filter(|name| is_hidden(name)).cloned().collect();
        let shown = outputs.iter().filter(|(name, _)| !hidden.contains(*name));
        let shown = shown.map(|(name, value)| (name.clone(), value.clone())).collect();
        (hidden, shown)
    }
}

impl Ran {
    fn nothing(work: Work) -> Self {
        Self { work, calls: Calls::new(), outputs: BTreeMap::new(), log: Vec::new(), denials: Vec::new() }
    }

    fn of(host: Host) -> Self {
        Self {
            calls: host.meter.calls().clone(),
            outputs: host.installation.outputs.clone(),
            log: host.installation.log.entries(),
            denials: host.denials.iter().map(Denied::explained).collect(),
            work: host.work,
        }
    }

    async fn failed(mut self, source: RunError) -> Error {
        // The component hands the target's refusal on; the operator is told all of it.
        let refusal = self.work.failures.pop().map(Box::new);
        let timed_out = matches!(source, RunError::Reported(GuestError::Timeout(_)));
        let unready = if timed_out { self.work.unready().await } else { Vec::new() };
        Error::Run { source, refusal, denials: self.denials, unready: unready.into(), log: self.log }
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

/// Waits for everything that the run applied.
async fn await_ready(work: &mut Work) -> Result<(), Error> {
    if !work.waiting.enabled {
        return Ok(());
    }
    let applied: BTreeSet<ObjectRef> =
        work.writes().filter(|(step, _)| !step.delete).map(|(step, _)| step.object.clone()).collect();
    let left: Vec<_> = applied
        .into_iter()
        .filter(|object| work.inventory.find(object).is_some() && !is_ready_once_there(object))
        .map(recorded::wait)
        .collect();
    work.await_ready(left, work.waiting.until).await?;
    let unready = work.unready().await;
    if unready.is_empty() { Ok(()) } else { Err(Error::Unready(unready)) }
}

/// Why the installation is no longer held, when that is so: nothing more may be done with it then.
async fn lost(lock: Option<&Lock>) -> StateError {
    match lock {
        Some(lock) => lock.lost().await,
        None => std::future::pending().await,
    }
}

/// Sees nothing: the planning pass writes the same log as the acting one.
struct Silent;

impl Watcher for Silent {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &Entry) {}
}
