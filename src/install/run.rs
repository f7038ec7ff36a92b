//! The two passes of an action: the plan, and the same again for real, written down before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::ScopedIdentity;
use crate::grant::Denied;
use crate::grant::recorded::RecordedObject;
use crate::host::gate::Ended;
use crate::host::pass::{Acting, Pass, Phase, Planning, Script, Site, Waiting};
use crate::host::progress::{Entry, Observer, Unready};
use crate::host::{GuestError, Host};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::Rights;
use crate::plan::trace::{ObjectChange, Trace};
use crate::plan::{self, BundleName, Inputs, InstallationName, Plan, Subject};
use crate::run::{Compiled, RunError};
use crate::state::{Claim, Ending, Installation, Lock, Settings, StateError};
use crate::targets::{Kept, Target, Trial};
use crate::verify::Admission;

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

/// A pass that was run, and what was seen of it.
struct Ran<P> {
    pass: P,
    ended: Ended,
}

/// What came of an action, and the outputs that may be stored.
type Acted = (Outcome, BTreeMap<String, Value>);

/// A planned action: what will be done, and the target to do it to.
pub(super) struct Planned {
    pub(super) plan: Plan,
    site: Site,
    trace: Trace,
    script: Script,
    log: Vec<Entry>,
    denials: Vec<String>,
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
        let planning = Planning::new(self.site(target), self.trial());
        let Ran { pass, ended } = self.pass(planning).await?;
        let (mut site, trace, script) = pass.into_parts();
        let (trace, log, denials) = self.noted(trace, ended);
        let (removable, kept) = self.removable(site.target(), &trace);
        let looked_for: Vec<_> = removable.iter().map(|recorded| recorded.object().clone()).collect();
        let removals = removal::plan(&mut site, removable).await?;
        self.check_cluster(&removals)?;
        let rows: Vec<_> = removals.iter().filter_map(Removal::row).collect();
        let rights = self.rights(&site, &trace, &rows);
        let context = self.cluster_context(&site, &trace, &rows).await;
        let granted = self.decided.granted.as_deref();
        let plan = Plan::new(self.subject(site.target()), granted, &trace, rows, &rights, &context);
        self.check_replacements(&plan)?;
        self.check_powers(&plan)?;
        let all_rights = plan::with_planning(rights.clone(), &trace, &looked_for, site.kinds());
        Ok(Planned { plan, site, trace, script, log, denials, removals, kept, rights, all_rights })
    }

    /// What the pass noted, with what the host saw of it.
    fn noted(&self, trace: Trace, ended: Ended) -> (Trace, Vec<Entry>, Vec<String>) {
        let refused = ended.failed.iter().map(ToString::to_string).collect();
        let mut trace = Trace { calls: ended.calls, refused, ..trace };
        if self.mode == Mode::Examine {
            trace.changes.iter_mut().for_each(ObjectChange::without_credentials);
        }
        (trace, ended.log, ended.denied.iter().map(Denied::explained).collect())
    }

    /// The rights in the cluster that the acting pass takes.
    fn rights(&self, site: &Site, trace: &Trace, removed: &[ObjectChange]) -> Rights {
        if matches!(site.target(), Target::Directory(_)) {
            return Rights::default();
        }
        let granted = self.decided.granted.as_ref().filter(|_| self.part.component.is_some());
        let readable = granted.map(|granted| granted.capabilities().kubernetes).unwrap_or_default();
        plan::needed(trace, removed, &readable, site.kinds())
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
        let begun = if self.part.stateless { Ok(None) } else { self.record(&planned).map(Some) };
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
    fn record(&self, planned: &Planned) -> Result<Claim, Error> {
        let state = self.tools.state;
        if let Some(granted) = &self.decided.granted {
            state.keep(granted.verified().fetched())?;
        }
        let settings = self.settings();
        let claim = claim::document(self, &settings, &planned.plan);
        state.begin(&self.order.name, &self.order.namespace, &settings, &claim)?;
        Ok(claim)
    }

    /// The acting pass, what the runtime removes after it, and the waiting. The answer's second part are the outputs that
    /// may be stored.
    async fn act(&self, planned: Planned) -> Result<Acted, Error> {
        let Planned { plan, site, trace, script, removals, kept, all_rights: rights, .. } = planned;
        site.target().sweep()?;
        let operator: Arc<dyn Observer> = Arc::<dyn super::Operator>::clone(&self.tools.operator);
        let site = site.again(self.waiting(), operator);
        let ledger = self.tools.state.ledger(&self.order.name);
        let acting = Acting::new(site, script, trace.into_seen(), ledger);
        let Ran { pass: mut acting, ended } = self.pass(acting).await?;
        removal::carry_out(&mut acting, removals).await?;
        if self.part.remove {
            // What an uninstall leaves in place is nobody's any more.
            acting.forget(kept.iter().cloned())?;
        }
        let unready = acting.await_applied().await?;
        if !unready.is_empty() {
            return Err(Error::Unready(unready));
        }
        let outputs = self.settled_outputs(ended.outputs)?;
        let (write_only, stored) = self.split_outputs(&outputs);
        let denials = ended.denied.iter().map(Denied::explained).collect();
        let outcome = Outcome { plan, outputs, write_only, log: ended.log, denials, kept, rights };
        Ok((outcome, stored))
    }

    /// Runs the component over the target, if it has a part in this.
    async fn pass<P: Phase>(&self, pass: P) -> Result<Ran<P>, Error> {
        let (Some(compiled), Some(granted), Some(action)) =
            (&self.compiled, &self.decided.granted, &self.part.component)
        else {
            return Ok(Ran { pass, ended: Ended::default() });
        };
        let context = self.decided.context.clone();
        let host = Host::new(Arc::clone(granted), context, self.decided.credentials.clone(), pass);
        let (host, result) = compiled.run(host, action).await;
        let (pass, ended) = host.into_parts::<P>().ok_or_else(|| Error::SetUp(RunError::mixed_up()))?;
        match result {
            Ok(()) => Ok(Ran { pass, ended }),
            Err(source) => Err(failed(pass.into(), ended, source).await),
        }
    }

    fn site(&self, target: Target) -> Site {
        let inventory = self.earlier.iter().flat_map(|it| it.inventory.iter().cloned()).collect();
        Site::new(target, inventory, self.order.overrides, self.waiting(), Arc::new(Silent))
    }

    fn waiting(&self) -> Waiting {
        Waiting::begin(self.order.wait, self.order.timeout)
    }

    /// What the runtime removes after the component, last applied first, and what it leaves in place.
    fn removable(&self, target: &Target, trace: &Trace) -> (Vec<RecordedObject>, Vec<ObjectRef>) {
        if !self.part.prune && !self.part.remove {
            return (Vec::new(), Vec::new());
        }
        let touched: BTreeSet<_> = trace.steps.iter().map(|(step, _)| step.object.key()).collect();
        let is_directory = matches!(target, Target::Directory(_));
        let is_removed = |recorded: &RecordedObject| {
            let kind = Kept::of(recorded.object());
            is_directory || kind.is_none_or(|kind| self.order.delete.contains(&kind))
        };
        let recorded = self.earlier.map(Installation::recorded).unwrap_or_default().into_iter().rev();
        let (removed, kept): (Vec<_>, Vec<_>) =
            recorded.filter(|it| !touched.contains(&it.object().key())).partition(is_removed);
        (removed, kept.iter().map(|recorded| recorded.object().clone()).collect())
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
                name: self.order.name.clone(),
                namespace: self.order.namespace.clone(),
            },
            action: self.order.action.clone(),
            revision: self.revision(),
            target: target.describe(),
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
        let (rule, signers) = match verified.admission() {
            Admission::Signed { rule, signers, .. } => {
                (Some(rule.clone()), signers.iter().map(|signer| signer.name.clone()).collect())
            }
            Admission::Unsigned => (None, Vec::new()),
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

impl Planned {
    pub(super) fn target(&self) -> &Target {
        self.site.target()
    }

    pub(super) fn target_mut(&mut self) -> &mut Target {
        self.site.target_mut()
    }

    pub(super) fn into_outcome(self) -> Outcome {
        Outcome {
            plan: self.plan,
            outputs: BTreeMap::new(),
            write_only: BTreeSet::new(),
            log: self.log,
            denials: self.denials,
            kept: self.kept,
            rights: self.all_rights,
        }
    }
}

/// How a run failed. The component hands the target's refusal on; the operator is told all of it.
async fn failed(mut pass: Pass, mut ended: Ended, source: RunError) -> Error {
    let refusal = ended.failed.pop().map(Box::new);
    let timed_out = matches!(source, RunError::Reported(GuestError::Timeout(_)));
    let unready = if timed_out { pass.unready().await } else { Vec::new() };
    let denials = ended.denied.iter().map(Denied::explained).collect();
    Error::Run { source, refusal, denials, unready: unready.into(), log: ended.log }
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

impl Observer for Silent {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &Entry) {}
}
