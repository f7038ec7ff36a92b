//! The story: from a verified bundle to a recorded installation.
//!
//! [`act`] is all of it, for every action: decide, plan, ask, and do what was planned. Nothing is recorded before the plan
//! is confirmed, and nothing is done that is not recorded first.

mod claim;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::bundle::Bundle;
use crate::bundle::parameters::{self, ParameterError};
use crate::capability::kinds::Kinds;
use crate::capability::object::{ObjectRef, is_label};
use crate::capability::template::Names;
use crate::capability::{self, Requests};
use crate::digest::Digest;
use crate::grant::terms::Terms;
use crate::grant::{Consent, Denied, Granted, Shortfall, recorded};
use crate::host::meter::Calls;
use crate::host::work::{ObjectChange, Pass, Unready, Waiting, Watcher, Work, now};
use crate::host::{Context, Entry, Host, Supplied};
use crate::plan::{BundleName, InstallationName, Plan, Subject};
use crate::run::{Compiled, Engine, RunError};
use crate::state::{Claim, Ending, Installation, Settings, State, StateError, ulid};
use crate::target::lent::Lent;
use crate::target::{self, Change, Inventory, Overrides, Target};
use crate::verify::{Admission, Verified};

/// What an operator asks for.
pub struct Order {
    /// `install`, `upgrade`, `uninstall`, or an action of the bundle.
    pub action: String,
    /// The installation's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Where its objects go, as it is recorded.
    pub place: Place,
    /// What may be done.
    pub consent: Consent,
    /// Parameters that were given.
    pub parameters: BTreeMap<String, Value>,
    /// Credentials that were given.
    pub credentials: Supplied,
    /// What the operator insists on.
    pub overrides: Overrides,
    /// Whether to wait until objects are ready.
    pub wait: bool,
    /// How long to wait for the target, in all.
    pub timeout: Duration,
    /// Kinds that are removed although what they hold would go with them.
    pub delete: BTreeSet<Kept>,
    /// Where the bundle came from, as it was typed.
    pub reference: String,
    /// Guards that were lowered, as flags.
    pub dangers: Vec<String>,
}

/// A target, as an installation remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `dir:PATH`, absolute, or `kube`.
    pub target: String,
    /// The kubeconfig of a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// The context of a cluster.
    pub context: Option<String>,
    /// Whether Secrets are written to a directory with their values.
    pub plain_secrets: bool,
}

/// Kinds of objects that take more with them than themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// CustomResourceDefinitions, and with them all custom resources.
    Crds,
    /// Namespaces, and with them all that is in them.
    Namespaces,
    /// PersistentVolumeClaims, and with them the data.
    Pvcs,
}

/// The one who asks: sees the plan before anything is done, and the run while it goes on.
pub trait Operator: Watcher {
    /// Whether to go on. Nothing has been written yet.
    fn confirm(&self, plan: &Plan, decision: &Decision) -> bool;
}

/// What was decided before the plan was made.
#[derive(Debug, Clone)]
pub struct Decision {
    /// How the bundle was admitted.
    pub admission: Option<Admission>,
    /// What of the requests is granted, a rule a line.
    pub granted: Vec<String>,
    /// Whether the grant of the last run was carried over to a new bundle.
    pub carried_over: bool,
    /// What was ignored, and why.
    pub warnings: Vec<String>,
}

/// What came of an action.
#[derive(Debug)]
pub struct Outcome {
    /// The plan that was carried out.
    pub plan: Plan,
    /// The outputs that were set.
    pub outputs: BTreeMap<String, Value>,
    /// Outputs whose values must not be shown.
    pub write_only: BTreeSet<String>,
    /// The component's log.
    pub log: Vec<Entry>,
    /// Calls that were not permitted, explained for the operator.
    pub denials: Vec<String>,
    /// Objects that were left in place.
    pub kept: Vec<ObjectRef>,
}

/// Why an action was not carried out, by stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator stopped the run.
    #[error("the run was stopped")]
    Canceled,
    /// The operator said no.
    #[error("nothing was done: the plan was not confirmed")]
    Declined,
    /// The installation is there already.
    #[error("the installation `{0}` is there already")]
    Exists(String),
    /// A credential that the action needs was not given.
    #[error("the bundle needs the credential `{0}` for this action")]
    Credential(String),
    /// The name cannot be that of an installation.
    #[error(
        "`{0}` cannot name an installation: it must be a DNS label, as names of objects are made from it"
    )]
    Name(String),
    /// The component did not set an output that it must set.
    #[error("the component did not set the output `{0}`")]
    Output(String),
    /// The parameters cannot be used.
    #[error("the parameters cannot be used: {}", join(&.0.0))]
    Parameters(ParameterError),
    /// The installation lives elsewhere.
    #[error("the installation `{name}` is in {recorded}, not in {asked}")]
    Place {
        /// The installation.
        name: String,
        /// Where it is.
        recorded: String,
        /// Where it was looked for.
        asked: String,
    },
    /// Objects did not become ready.
    #[error("not ready: {}", unready_text(.0))]
    Unready(Vec<Unready>),
    /// The requests cannot be used.
    #[error("the bundle's requests cannot be used")]
    Requests(#[from] capability::Invalid),
    /// The run failed.
    #[error("the run failed")]
    Run {
        /// How it ended.
        #[source]
        source: RunError,
        /// What the target refused last.
        refusal: Option<Box<target::Error>>,
        /// Calls that were not permitted, explained for the operator.
        denials: Vec<String>,
        /// The component's log.
        log: Vec<Entry>,
    },
    /// The engine or the component could not be set up.
    #[error(transparent)]
    SetUp(RunError),
    /// The grant does not cover what is required.
    #[error(transparent)]
    Shortfall(#[from] Shortfall),
    /// The state could not be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The target refused.
    #[error(transparent)]
    Target(#[from] target::Error),
    /// The bundle has no such action.
    #[error("the bundle has no action `{0}`")]
    UnknownAction(String),
}

/// How far an order is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All the way.
    Act,
    /// Only the plan of what was done last, without its credentials: to compare it with what is there.
    Examine,
    /// Only the plan.
    Plan,
}

/// What is needed to act at all.
pub struct Tools<'a> {
    /// The state.
    pub state: &'a State,
    /// Where compiled components are kept.
    pub cache: Option<PathBuf>,
    /// The one who asks.
    pub operator: Arc<dyn Operator>,
}

/// Carries out an action of a bundle, whatever it is: decides, plans, asks, records, does what was planned, and records
/// what came of it.
///
/// # Errors
/// [`Error`], by stage. Once anything was done, the installation is recorded as failed and can be finished or undone.
pub async fn act(
    verified: Option<Verified>,
    target: Target,
    order: Order,
    tools: &Tools<'_>,
    mode: Mode,
) -> Result<Outcome, Error> {
    let _lock = if mode == Mode::Act { Some(tools.state.lock(&order.name)?) } else { None };
    let earlier = tools.state.find(&order.name)?;
    order.check(earlier.as_ref(), mode)?;
    let part = Part::of(verified.as_ref(), &order)?;
    let decided = decide(verified, &order, earlier.as_ref(), &part, mode)?;
    let compiled = decided.compile(tools, &part)?;

    let run = Run { order: &order, tools, earlier: earlier.as_ref(), part, decided, compiled, mode };
    let planned = run.plan(target).await?;
    if mode != Mode::Act {
        return Ok(planned.into_outcome());
    }
    if !tools.operator.confirm(&planned.plan, &run.decided.decision) {
        return Err(Error::Declined);
    }
    run.carry_out(planned).await
}

/// Who does what: the component, the runtime, or both.
struct Part {
    /// What the component is called with; none where the runtime acts alone.
    component: Option<String>,
    /// Whether the runtime then removes what this run did not apply.
    prune: bool,
    /// Whether it removes everything.
    remove: bool,
    /// Whether the action may change anything.
    modifies: bool,
    /// Whether it leaves no record.
    stateless: bool,
}

impl Part {
    /// Design §3: what a component does not handle itself, the runtime does as usual.
    fn of(verified: Option<&Verified>, order: &Order) -> Result<Self, Error> {
        let part = |component: Option<&str>, prune, remove| Self {
            component: component.map(str::to_owned),
            prune,
            remove,
            modifies: true,
            stateless: false,
        };
        let requests = verified.map(|verified| Requests::of(verified.bundle())).transpose()?;
        let handles = |action| requests.as_ref().is_some_and(|requests| requests.handle(action));
        Ok(match (order.action.as_str(), verified) {
            ("install", Some(_)) => part(Some("install"), true, false),
            ("upgrade", Some(_)) if handles("upgrade") => part(Some("upgrade"), false, false),
            ("upgrade", Some(_)) => part(Some("install"), true, false),
            ("uninstall", Some(_)) if handles("uninstall") => part(Some("uninstall"), false, true),
            ("uninstall", _) => part(None, false, true),
            (action, Some(verified)) => {
                let known = verified.bundle().actions().get(action);
                let action = known.ok_or_else(|| Error::UnknownAction(order.action.clone()))?;
                Self {
                    modifies: action.modifies,
                    stateless: action.stateless,
                    ..part(Some(&order.action), false, false)
                }
            }
            _ => return Err(Error::UnknownAction(order.action.clone())),
        })
    }
}

impl Order {
    fn check(&self, earlier: Option<&Installation>, mode: Mode) -> Result<(), Error> {
        if !is_label(&self.name) {
            return Err(Error::Name(self.name.clone()));
        }
        match (self.action.as_str(), earlier) {
            ("install", Some(earlier)) if mode != Mode::Examine => self.check_new(earlier),
            ("install", None) => Ok(()),
            (_, Some(earlier)) if !earlier.is_deleted() => self.check_same(earlier),
            _ => Err(StateError::Missing(self.name.clone()).into()),
        }
    }

    /// An installation that failed, was cut off or is gone may be installed; one that succeeded is upgraded.
    fn check_new(&self, earlier: &Installation) -> Result<(), Error> {
        let last = earlier.last.as_ref();
        if !earlier.is_deleted() && last.is_some_and(|last| last.result == "succeeded") {
            return Err(Error::Exists(self.name.clone()));
        }
        if earlier.inventory.is_empty() { Ok(()) } else { self.check_same(earlier) }
    }

    fn check_same(&self, earlier: &Installation) -> Result<(), Error> {
        if (&self.place.target, &self.namespace) == (&earlier.settings.target, &earlier.namespace) {
            return Ok(());
        }
        Err(Error::Place {
            name: self.name.clone(),
            recorded: format!("{} (namespace {})", earlier.settings.target, earlier.namespace),
            asked: format!("{} (namespace {})", self.place.target, self.namespace),
        })
    }
}

/// A bundle whose run was decided about.
struct Decided {
    granted: Option<Arc<Granted>>,
    terms: Terms,
    context: Context,
    credentials: Supplied,
    decision: Decision,
}

fn decide(
    verified: Option<Verified>,
    order: &Order,
    earlier: Option<&Installation>,
    part: &Part,
    mode: Mode,
) -> Result<Decided, Error> {
    let Some(verified) = verified else { return Ok(Decided::by_the_runtime(earlier)) };
    let previous = earlier.and_then(|earlier| earlier.last.as_ref()).map(|last| last.parameters.clone());
    let resolved = parameters::resolve(
        verified.bundle(),
        &order.action,
        &order.parameters,
        &previous.unwrap_or_default(),
    )
    .map_err(Error::Parameters)?;
    let credentials = if mode == Mode::Examine {
        stand_ins(verified.bundle(), order)
    } else {
        check_credentials(verified.bundle(), order, part)?;
        order.credentials.clone()
    };

    let requests = Requests::of(verified.bundle())?;
    let mut terms = order.consent.terms(verified.digest(), &requests)?;
    let kept = earlier
        .filter(|earlier| continues(earlier, order, mode))
        .and_then(|earlier| kept(&verified, order, earlier));
    let carried_over = kept.as_ref().is_some_and(|(_, is_new)| *is_new);
    if let Some((kept, _)) = kept {
        terms.add(kept).map_err(Shortfall::from)?;
    }
    let names = Names {
        installation: order.name.clone(),
        namespace: order.namespace.clone(),
        parameters: resolved.values.clone(),
    };
    let context = context(verified.bundle(), order, resolved.values);
    let admission = Some(verified.admission().clone());
    let granted = if part.modifies {
        Granted::new(verified, &terms, names)?
    } else {
        Granted::new(verified, &terms, names)?.reading_only()
    };
    let decision =
        Decision { admission, granted: granted.explained(), carried_over, warnings: resolved.warnings };
    Ok(Decided { granted: Some(Arc::new(granted)), terms, context, credentials, decision })
}

/// Whether what was decided about the installation still counts: not for one that is installed anew.
fn continues(earlier: &Installation, order: &Order, mode: Mode) -> bool {
    mode == Mode::Examine || (order.action != "install" && !earlier.is_deleted())
}

/// The grant of the last run, for the same bundle, or for a new one that the same rule admitted (Design §4). An explicit
/// grant file or approval is a decision of its own.
fn kept(verified: &Verified, order: &Order, earlier: &Installation) -> Option<(Terms, bool)> {
    let is_new = verified.digest() != earlier.settings.bundle;
    let same_rule = match verified.admission() {
        Admission::Signed { rule, .. } => earlier.settings.rule.as_ref() == Some(rule),
        Admission::Unsigned => false,
    };
    let decided_anew = !order.consent.documents.is_empty() || order.consent.approve.is_some();
    (!decided_anew && (!is_new || same_rule)).then(|| (earlier.settings.terms.clone(), is_new))
}

/// CNAB 101: a required credential must be there, for a tracked action that it applies to.
fn check_credentials(bundle: &Bundle, order: &Order, part: &Part) -> Result<(), Error> {
    if part.stateless {
        return Ok(());
    }
    let missing = bundle.credentials().iter().find(|(name, credential)| {
        credential.required
            && credential.applies_to(&order.action)
            && !order.credentials.names().any(|given| given == *name)
    });
    missing.map_or(Ok(()), |(name, _)| Err(Error::Credential(name.clone())))
}

/// Credentials whose values do not matter, because nothing that holds one is compared.
fn stand_ins(bundle: &Bundle, order: &Order) -> Supplied {
    let wanted = bundle.credentials().iter().filter(|(_, credential)| credential.applies_to(&order.action));
    Supplied::new(wanted.map(|(name, _)| (name.clone(), "unknown".into())).collect())
}

fn context(bundle: &Bundle, order: &Order, parameters: BTreeMap<String, Value>) -> Context {
    let outputs = bundle.outputs().iter().filter(|(_, output)| output.applies_to(&order.action));
    let schema = |definition: &str| bundle.definition(definition).cloned().unwrap_or_default();
    Context {
        action: order.action.clone(),
        name: order.name.clone(),
        namespace: order.namespace.clone(),
        revision: ulid(),
        bundle_name: bundle.name().to_owned(),
        bundle_version: bundle.version().to_string(),
        parameters,
        images: bundle
            .images()
            .iter()
            .map(|(name, image)| (name.clone(), pinned(&image.image, image.digest)))
            .collect(),
        outputs: outputs.map(|(name, output)| (name.clone(), schema(&output.definition))).collect(),
    }
}

/// A reference without its tag, by digest.
fn pinned(image: &str, digest: Digest) -> String {
    let repository = image.split_once('@').map_or(image, |(repository, _)| repository);
    let repository = match repository.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => repository,
    };
    format!("{repository}@{digest}")
}

impl Decided {
    fn by_the_runtime(earlier: Option<&Installation>) -> Self {
        Self {
            granted: None,
            terms: earlier.map(|earlier| earlier.settings.terms.clone()).unwrap_or_default(),
            context: Context { revision: ulid(), ..Context::default() },
            credentials: Supplied::default(),
            decision: Decision {
                admission: None,
                granted: Vec::new(),
                carried_over: false,
                warnings: Vec::new(),
            },
        }
    }

    fn compile(&self, tools: &Tools<'_>, part: &Part) -> Result<Option<Compiled>, Error> {
        let (Some(granted), Some(_)) = (&self.granted, &part.component) else { return Ok(None) };
        let engine = Engine::new(tools.cache.as_deref()).map_err(Error::SetUp)?;
        engine.compile(granted).map(Some).map_err(Error::SetUp)
    }
}

/// One action, decided about.
struct Run<'a> {
    order: &'a Order,
    tools: &'a Tools<'a>,
    earlier: Option<&'a Installation>,
    part: Part,
    decided: Decided,
    compiled: Option<Compiled>,
    mode: Mode,
}

/// What one pass of a run left.
struct Ran {
    work: Work,
    calls: Calls,
    outputs: BTreeMap<String, Value>,
    log: Vec<Entry>,
    denials: Vec<String>,
}

/// A planned action: what will be done, and the target to do it to.
struct Planned {
    plan: Plan,
    ran: Ran,
    removed: Vec<ObjectRef>,
    kept: Vec<ObjectRef>,
}

impl Run<'_> {
    /// The planning pass: reads only.
    async fn plan(&self, target: Target) -> Result<Planned, Error> {
        let pass = Pass::Planning { overlay: BTreeMap::new() };
        let watcher: Arc<dyn Watcher> = Arc::new(Silent);
        let work = self.work(target, Kinds::default(), pass, BTreeMap::new(), watcher);
        let mut ran = self.pass(work).await?;
        if self.mode == Mode::Examine {
            ran.work.changes.iter_mut().for_each(ObjectChange::without_credentials);
        }
        let (removable, kept) = self.removable(&ran.work);
        let rows = removals(&mut ran.work, &removable).await?;
        let plan =
            Plan::new(self.subject(&ran.work), self.decided.granted.as_deref(), &ran.work, &ran.calls, rows);
        Ok(Planned { plan, ran, removed: removable, kept })
    }

    /// Does what was planned, and records it.
    async fn carry_out(&self, planned: Planned) -> Result<Outcome, Error> {
        if self.part.stateless {
            return Ok(self.act(planned).await?.0);
        }
        let claim = self.record(&planned)?;
        let acted = tokio::select! {
            acted = self.act(planned) => acted,
            _ = tokio::signal::ctrl_c() => Err(Error::Canceled),
        };
        let ending = match &acted {
            Ok((_, outputs)) => Ending { status: "succeeded", message: None, outputs },
            Err(error) => {
                Ending { status: error.status(), message: Some(error.summary()), outputs: &BTreeMap::new() }
            }
        };
        self.tools.state.finish(&claim, &ending)?;
        acted.map(|(outcome, _)| outcome)
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
    async fn act(&self, planned: Planned) -> Result<(Outcome, BTreeMap<String, Value>), Error> {
        let Planned { plan, ran, removed, kept } = planned;
        // The steps of the component alone: what is removed after it is not compared, and may be gone already.
        let Work { target, kinds, changes, steps, .. } = ran.work;
        target.sweep()?;
        let seen =
            changes.into_iter().filter_map(|row| Some((row.object.to_string(), row.before?))).collect();
        let pass = Pass::Acting { planned: steps, ledger: self.tools.state.ledger(&self.order.name) };
        let operator = Arc::clone(&self.tools.operator);
        let watcher: Arc<dyn Watcher> = operator;
        let mut ran = self.pass(self.work(target, kinds, pass, seen, watcher)).await?;
        remove(&mut ran.work, &removed).await?;
        self.let_go(&mut ran.work, &kept)?;
        await_ready(&mut ran.work).await?;
        let outputs = self.settled_outputs(ran.outputs)?;
        let (write_only, stored) = self.split_outputs(&outputs);
        let outcome = Outcome { plan, outputs, write_only, log: ran.log, denials: ran.denials, kept };
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
            Err(source) => Err(ran.failed(source)),
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
            inventory: Inventory(self.earlier.map(|earlier| earlier.inventory.clone()).unwrap_or_default()),
            overrides: self.order.overrides,
            waiting: Waiting { enabled: self.order.wait, until: now() + self.order.timeout },
            lent: Lent::default(),
            steps: Vec::new(),
            changes: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// What the runtime removes after the component, last applied first, and what it leaves in place.
    fn removable(&self, work: &Work) -> (Vec<ObjectRef>, Vec<ObjectRef>) {
        if !self.part.prune && !self.part.remove {
            return (Vec::new(), Vec::new());
        }
        let touched = |object: &ObjectRef| work.steps.iter().any(|step| step.object.key() == object.key());
        let gone = work.inventory.0.iter().rev().map(|recorded| recorded.object.clone());
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
        }
    }

    /// CNAB Claims: a new revision for whatever may change something, the last one for the rest.
    fn revision(&self) -> String {
        let last = self.earlier.and_then(|earlier| earlier.last.as_ref()).filter(|_| !self.part.modifies);
        last.map_or_else(|| self.decided.context.revision.clone(), |last| last.revision.clone())
    }

    /// What the installation keeps after this run.
    fn settings(&self) -> Settings {
        let Place { target, kubeconfig, context, plain_secrets } = self.order.place.clone();
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
            dangers: self.order.dangers.clone(),
        }
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

    fn failed(self, source: RunError) -> Error {
        let mut failures = self.work.failures;
        // The component hands the target's refusal on; the operator is told all of it.
        let refusal = failures.pop().map(Box::new);
        Error::Run { source, refusal, denials: self.denials, log: self.log }
    }
}

impl Planned {
    fn into_outcome(self) -> Outcome {
        Outcome {
            plan: self.plan,
            outputs: BTreeMap::new(),
            write_only: BTreeSet::new(),
            log: self.ran.log,
            denials: self.ran.denials,
            kept: self.kept,
        }
    }
}

impl Kept {
    /// The kind that an object is of, if it is one of these.
    fn of(object: &ObjectRef) -> Option<Self> {
        match object.group_kind().as_str() {
            "apiextensions.k8s.io/CustomResourceDefinition" => Some(Self::Crds),
            "Namespace" => Some(Self::Namespaces),
            "PersistentVolumeClaim" => Some(Self::Pvcs),
            _ => None,
        }
    }
}

/// The rows of a plan for what the runtime removes. What is gone already has none.
async fn removals(work: &mut Work, objects: &[ObjectRef]) -> Result<Vec<ObjectChange>, Error> {
    let mut rows = Vec::new();
    for object in objects {
        learn(work, object).await?;
        let before = work.target.get(&recorded::get(object.clone()), &work.kinds).await;
        if let Some(before) = before.or_else(gone)? {
            rows.push(ObjectChange {
                object: object.clone(),
                change: Change::Delete,
                before: Some(before),
                after: None,
                placements: BTreeMap::new(),
            });
        }
    }
    Ok(rows)
}

async fn remove(work: &mut Work, objects: &[ObjectRef]) -> Result<(), Error> {
    for object in objects {
        let permit = recorded::delete(object.clone());
        let Work { target, inventory, kinds, overrides, pass, .. } = work;
        target.delete(&permit, inventory, kinds, *overrides).await.or_else(gone)?;
        if let Pass::Acting { ledger, .. } = pass {
            ledger.removed(object)?;
        }
        inventory.forget(object);
    }
    Ok(())
}

/// A custom resource whose definition is gone is gone with it.
async fn learn(work: &mut Work, object: &ObjectRef) -> Result<(), Error> {
    Ok(work.target.learn(object, &mut work.kinds).await.or_else(gone)?)
}

fn gone<T: Default>(error: target::Error) -> Result<T, target::Error> {
    match error {
        target::Error::Cluster(target::cluster::Error::NoKind { .. }) => Ok(T::default()),
        error => Err(error),
    }
}

/// Waits for everything that the run applied.
async fn await_ready(work: &mut Work) -> Result<(), Error> {
    if !work.waiting.enabled {
        return Ok(());
    }
    let applied: BTreeSet<ObjectRef> =
        work.steps.iter().filter(|step| !step.delete).map(|step| step.object.clone()).collect();
    let left: Vec<_> = applied
        .into_iter()
        .filter(|object| work.inventory.find(object).is_some())
        .map(recorded::wait)
        .collect();
    let unready = work.await_ready(&left, work.waiting.until).await?;
    if unready.is_empty() { Ok(()) } else { Err(Error::Unready(unready)) }
}

/// Sees nothing: the planning pass writes the same log as the acting one.
struct Silent;

impl Watcher for Silent {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &Entry) {}
}

impl Error {
    /// The result status of CNAB Claims.
    fn status(&self) -> &'static str {
        if matches!(self, Self::Canceled) { "canceled" } else { "failed" }
    }

    /// The error and its causes, on one line. No stage puts a secret into its error.
    fn summary(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        std::iter::once(self.to_string())
            .chain(causes.map(ToString::to_string))
            .collect::<Vec<_>>()
            .join(": ")
    }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn unready_text(rows: &[Unready]) -> String {
    rows.iter().map(|(object, why, _)| format!("{object}: {why}")).collect::<Vec<_>>().join("; ")
}
