//! What the acting verbs share: their flags, the target, the question, and how it goes on.

mod console;
mod outcome;
mod powers;
mod undo;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::bundle::Bundle;
use crate::capability::Requests;
use crate::capability::severity::Severity;
use crate::document;
use crate::grant::Consent;
use crate::grant::terms::{Terms, parse_time};
use crate::host::Supplied;
use crate::install::{self, Identity, Mode, Operator, Order, Outcome, Place, Tools, act};
use crate::plan::{Plan, Planned};
use crate::reference::Reference;
use crate::state::{Installation, Revision, State, StateError};
use crate::target::cluster::{Cluster, Options, Owner, written_for};
use crate::target::directory::{Directory, Secrets};
use crate::target::{Change, Kept, Overrides, Target};
use crate::verify::Verified;

use super::Context;
use super::acquire::{self, UnsignedArgs};
use super::exit::{self, Code, Usage};
use super::inputs::consent::{ConsentArgs, FileArgs};
use super::inputs::credentials::CredentialArgs;
use super::inputs::parameters::ParameterArgs;
use super::inputs::{self, StatePlace};

pub(super) use console::Console;
pub(super) use outcome::{PlanReport, diff_lines, report};
pub(super) use undo::{is_bundled, revision_before};

/// Where objects go.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(super) struct TargetArgs {
    /// Put objects there: `dir:PATH` (a directory of manifests) or `kube` (a cluster)
    #[arg(long, value_name = "TARGET", env = "CARNET_TARGET", hide_env_values = true)]
    target: Option<String>,
    #[command(flatten)]
    home: HomeArgs,
    /// What Secrets become in a directory: files without credentials, or with them
    #[arg(long, value_name = "HOW", default_value = "omit")]
    secrets: SecretsArg,
}

/// Which namespace, of which cluster.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(super) struct HomeArgs {
    /// Namespace of the installation, and of objects without one
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Which cluster, and as whom.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(super) struct ClusterArgs {
    /// Find the cluster in this file
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Use this context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Act as this user of the cluster
    #[arg(long = "as", value_name = "USER")]
    as_user: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum SecretsArg {
    /// Leave credentials out.
    #[default]
    Omit,
    /// Write them, readable by you alone.
    Plain,
}

/// How a change is carried out.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Change")]
pub(super) struct ChangeArgs {
    /// Confirm the change; never a grant, never trust
    #[arg(short, long)]
    yes: bool,
    /// Wait until objects are ready (the default)
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Do not wait until objects are ready
    #[arg(long)]
    no_wait: bool,
    /// Wait for the target no longer than this, in all
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    timeout: Duration,
    /// Overwrite what others changed in objects of this installation
    #[arg(long)]
    force_conflicts: bool,
    /// Take over objects that this installation did not make
    #[arg(long)]
    take_ownership: bool,
    #[command(flatten)]
    powers: PowerArgs,
    /// Remove and make anew what cannot be changed
    #[arg(long)]
    replace: bool,
    /// Go back to what was there when it fails
    #[arg(long)]
    rollback_on_failure: bool,
    /// Also remove these kinds in a cluster, with all that goes with them
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    delete: Vec<KeptArg>,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// Who acts.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
#[command(next_help_heading = "Change")]
pub(super) struct IdentityArgs {
    /// Who acts in a cluster: an identity with just the rights of the plan, or you
    #[arg(long, value_name = "WHO", default_value = "scoped")]
    identity: IdentityArg,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum IdentityArg {
    /// You, with all your rights.
    Own,
    /// An identity made for the run.
    #[default]
    Scoped,
}

/// What installed objects may be able to do.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct PowerArgs {
    /// Refuse to install anything with powers of this severity: low, medium, high or critical
    #[arg(long, value_name = "SEVERITY")]
    refuse_powers: Option<Severity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum KeptArg {
    /// CustomResourceDefinitions.
    Crds,
    /// Namespaces.
    Namespaces,
    /// PersistentVolumeClaims.
    Pvcs,
}

/// What goes into a bundle.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Inputs")]
pub(super) struct InputArgs {
    #[command(flatten)]
    pub(super) parameters: ParameterArgs,
    #[command(flatten)]
    pub(super) credentials: CredentialArgs,
}

/// An action on a bundle that is named.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct BundleArgs {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// Where the bundle is
    #[arg(value_name = "REF")]
    pub(super) reference: Reference,
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) consent: ConsentArgs,
    #[command(flatten)]
    pub(super) inputs: InputArgs,
    #[command(flatten)]
    pub(super) unsigned: UnsignedArgs,
}

/// What an acting verb was asked for, before the target is known.
pub(super) struct Asked<'a> {
    pub(super) action: &'a str,
    pub(super) name: &'a str,
    pub(super) home: &'a HomeArgs,
    pub(super) reference: String,
    pub(super) consent: &'a ConsentArgs,
    pub(super) inputs: &'a InputArgs,
    pub(super) unsigned: UnsignedArgs,
    pub(super) change: &'a ChangeArgs,
    pub(super) mode: Mode,
    /// What was decided before, in the place of grants, parameters and overrides that are typed now.
    pub(super) settled: Option<Settled>,
}

/// What a plan or an earlier revision settles.
pub(super) struct Settled {
    pub(super) parameters: BTreeMap<String, Value>,
    /// Parameters that have to be given again.
    pub(super) secret_parameters: Vec<String>,
    pub(super) terms: Terms,
    pub(super) overrides: Overrides,
    pub(super) delete: BTreeSet<Kept>,
    pub(super) dangers: Vec<String>,
    pub(super) plan: Option<Box<Plan>>,
}

impl Default for ChangeArgs {
    fn default() -> Self {
        Self {
            yes: false,
            wait: true,
            no_wait: false,
            timeout: Duration::from_secs(300),
            force_conflicts: false,
            take_ownership: false,
            powers: PowerArgs::default(),
            replace: false,
            rollback_on_failure: false,
            delete: Vec::new(),
            identity: IdentityArgs::default(),
        }
    }
}

impl ChangeArgs {
    /// Kinds that are removed with all that goes with them.
    fn delete(&self) -> BTreeSet<Kept> {
        self.delete.iter().map(KeptArg::kind).collect()
    }

    /// What the operator insists on.
    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            force_conflicts: self.force_conflicts,
            take_ownership: self.take_ownership,
            replace: self.replace,
        }
    }

    /// The same change, putting back what others have changed.
    pub(super) fn putting_back(&self) -> Self {
        Self { force_conflicts: true, ..self.clone() }
    }

    /// The same change, to undo one that failed. What was there before is put back whatever it can do.
    fn undoing(&self) -> Self {
        Self { yes: true, rollback_on_failure: false, powers: PowerArgs::default(), ..self.clone() }
    }

    /// A change that was confirmed when its plan was handed over.
    pub(super) fn waiting(
        is_wanted: bool,
        timeout: Duration,
        rollback_on_failure: bool,
        identity: IdentityArgs,
    ) -> Self {
        Self {
            yes: true,
            wait: is_wanted,
            no_wait: !is_wanted,
            timeout,
            rollback_on_failure,
            identity,
            ..Self::default()
        }
    }

    /// A change that is only looked at.
    pub(super) fn overriding(overrides: Overrides) -> Self {
        let Overrides { force_conflicts, take_ownership, replace } = overrides;
        Self { force_conflicts, take_ownership, replace, ..Self::default() }
    }

    /// The same, refusing some powers.
    pub(super) fn refusing(self, powers: PowerArgs) -> Self {
        Self { powers, ..self }
    }
}

impl TargetArgs {
    /// The place that the flags, the environment or the configuration name.
    fn place(&self, context: &Context) -> anyhow::Result<Place> {
        let configured = || anyhow::Ok(context.settings()?.target);
        let target = self.target.clone().map_or_else(configured, |target| Ok(Some(target)))?;
        let Some(target) = target else {
            return Err(Usage::new("no target is named", "--target dir:PATH or --target kube").into());
        };
        let target = match target.strip_prefix("dir:") {
            Some(path) if !path.is_empty() => format!("dir:{}", inputs::absolute(Path::new(path))?.display()),
            None if target == "kube" => target,
            _ => return Err(Usage::new(format!("`{target}` is no target"), "dir:PATH or kube").into()),
        };
        self.home.cluster.place(target, self.secrets == SecretsArg::Plain)
    }

    /// Where an installation is, or is to be: its place, and its namespace unless it is the context's.
    fn located(
        &self,
        earlier: Option<Installation>,
        state: &State,
        context: &Context,
    ) -> anyhow::Result<(Place, Option<String>)> {
        let earlier = earlier.filter(|earlier| !earlier.is_deleted());
        let place = match &earlier {
            Some(earlier) if !self.is_named() => self.home.place(earlier)?,
            _ => self.place(context)?,
        };
        let recorded = earlier.map(|earlier| earlier.namespace);
        let namespace = self.home.namespace.clone().or(recorded);
        Ok((place, namespace.or_else(|| state.namespace().map(str::to_owned))))
    }

    /// The cluster that an installation is in, or is to be in, and its namespace there.
    ///
    /// # Errors
    /// When it is in a directory, or nothing says where the cluster is.
    pub(super) async fn cluster(
        &self,
        name: &str,
        context: &Context,
    ) -> anyhow::Result<(Box<Cluster>, String)> {
        let state = self.home.state(context)?;
        let (place, namespace) = self.located(state.find(name)?, &state, context)?;
        match open(&place, name, namespace.as_deref(), self.home.as_user()).await? {
            (Target::Cluster(cluster), namespace) => Ok((cluster, namespace)),
            (Target::Directory(_), _) => {
                Err(Usage::new("a directory takes no rights", "--target kube").into())
            }
        }
    }

    /// Takes the kubeconfig away, for a verb to which it is something else than the way to the cluster.
    pub(super) fn take_kubeconfig(&mut self) -> Option<PathBuf> {
        self.home.cluster.kubeconfig.take()
    }

    /// Whether a flag names a place at all.
    fn is_named(&self) -> bool {
        self.target.is_some()
    }
}

impl ClusterArgs {
    fn place(&self, target: String, plain_secrets: bool) -> anyhow::Result<Place> {
        let kubeconfig = self.kubeconfig.as_deref().map(inputs::absolute).transpose()?;
        Ok(Place { target, server: None, kubeconfig, context: self.context.clone(), plain_secrets })
    }

    fn options(&self) -> Options {
        Options {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            as_user: self.as_user.clone(),
        }
    }
}

impl HomeArgs {
    /// The state that the flags, the environment or the configuration name.
    pub(super) fn state(&self, context: &Context) -> anyhow::Result<State> {
        match context.state()? {
            StatePlace::Directory(path) => Ok(State::open(&path)?),
            StatePlace::Kube => {
                Ok(State::connect(&self.cluster.options(), self.namespace.as_deref(), &inputs::who())?)
            }
        }
    }

    /// An installation of the namespace that is named, or of any.
    pub(super) fn installation(&self, state: &State, name: &str) -> anyhow::Result<Installation> {
        let installation = state.get(name)?;
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != installation.namespace) {
            return Err(StateError::Missing(name.into()).into());
        }
        Ok(installation)
    }

    /// Where an installation is: flags say how its cluster is reached from here.
    pub(super) fn place(&self, installation: &Installation) -> anyhow::Result<Place> {
        let recorded = recorded(installation);
        if self.cluster.kubeconfig.is_none() && self.cluster.context.is_none() {
            return Ok(recorded);
        }
        let place = self.cluster.place(recorded.target, recorded.plain_secrets)?;
        Ok(Place { server: recorded.server, ..place })
    }

    /// Who to be there.
    pub(super) fn as_user(&self) -> Option<&str> {
        self.cluster.as_user.as_deref()
    }

    /// Whether a namespace is named.
    pub(super) fn names(&self, namespace: &str) -> bool {
        self.namespace.as_ref().is_none_or(|named| named == namespace)
    }

    /// The cluster of a plan, in the plan's namespace.
    pub(super) fn of(cluster: &ClusterArgs, namespace: &str) -> Self {
        Self { namespace: Some(namespace.into()), cluster: cluster.clone() }
    }
}

/// Opens the target of an installation. Gives the namespace too: the named one, else the context's, else `default`.
pub(super) async fn open(
    place: &Place,
    name: &str,
    namespace: Option<&str>,
    as_user: Option<&str>,
) -> anyhow::Result<(Target, String)> {
    if let Some(path) = place.target.strip_prefix("dir:") {
        let secrets = if place.plain_secrets { Secrets::Plain } else { Secrets::Omit };
        let directory = Directory::open(Path::new(path), secrets)?;
        return Ok((Target::Directory(directory), namespace.unwrap_or("default").to_owned()));
    }
    let options = Options {
        kubeconfig: place.kubeconfig.clone(),
        context: place.context.clone(),
        as_user: as_user.map(str::to_owned),
    };
    let owner = |namespace: &str| Owner { namespace: namespace.into(), installation: name.into() };
    let cluster = Cluster::connect(&options, &owner(namespace.unwrap_or("default"))).await?;
    let namespace = namespace.unwrap_or(cluster.namespace()).to_owned();
    let cluster = cluster.owned_by(&owner(&namespace));
    Ok((Target::Cluster(Box::new(cluster)), namespace))
}

/// A runtime for one command.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the program cannot wait for anything")
}

/// Acts on a bundle that is named on the command line. Without an action, it is an upgrade where there is something to
/// upgrade, else an install.
pub(super) fn on_bundle(
    action: Option<&str>,
    args: &BundleArgs,
    change: &ChangeArgs,
    mode: Mode,
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let home = &args.target.home;
    let state = home.state(context)?;
    let verified = acquire::verified(&args.reference, args.unsigned, context)?;
    let earlier = state.find(&args.name)?;
    let is_installed = earlier.as_ref().is_some_and(Installation::is_installed);
    let action = action.unwrap_or(if is_installed { "upgrade" } else { "install" });
    let home = &args.target.home;
    let (place, namespace) = args.target.located(earlier, &state, context)?;
    let asked = Asked {
        action,
        name: &args.name,
        home,
        reference: args.reference.to_string(),
        consent: &args.consent,
        inputs: &args.inputs,
        unsigned: args.unsigned,
        change,
        mode,
        settled: None,
    };
    run(asked, Some(verified), &state, (place, namespace), context)
}

/// Acts on an installation, with the bundle that is kept of it where the action needs one.
pub(super) fn on_installation(
    asked: Asked<'_>,
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let state = asked.home.state(context)?;
    let installation = asked.home.installation(&state, asked.name)?;
    let verified = kept(&asked, &state, &installation, context)?;
    let place = asked.home.place(&installation)?;
    let namespace = Some(installation.namespace);
    let asked = Asked { reference: installation.settings.reference, ..asked };
    run(asked, verified, &state, (place, namespace), context)
}

/// What differs between the target and what was installed: the plan of the last action, made once more.
pub(super) fn examine(
    name: &str,
    home: &HomeArgs,
    (inputs, files): (&InputArgs, &FileArgs),
    unsigned: UnsignedArgs,
    context: &Context,
) -> anyhow::Result<Vec<Planned>> {
    let installation = home.installation(&home.state(context)?, name)?;
    anyhow::ensure!(!installation.is_deleted(), "the installation `{name}` is uninstalled");
    let last = installation.last.map_or_else(|| "install".to_owned(), |last| last.action);
    let asked = Asked {
        action: if ["install", "upgrade"].contains(&last.as_str()) { &last } else { "upgrade" },
        name,
        home,
        reference: String::new(),
        consent: &files.consent(),
        inputs,
        unsigned,
        change: &ChangeArgs::overriding(Overrides {
            force_conflicts: true,
            take_ownership: true,
            replace: false,
        }),
        mode: Mode::Examine,
        settled: None,
    };
    let (outcome, _) = on_installation(asked, context)?;
    Ok(outcome.plan.changes.into_iter().filter(|row| row.action != Change::Unchanged).collect())
}

/// The bundle that is kept of an installation, verified again. An uninstall that the component does not handle needs none,
/// so neither a lost trust policy nor a damaged copy can keep it from happening.
fn kept(
    asked: &Asked<'_>,
    state: &State,
    installation: &Installation,
    context: &Context,
) -> anyhow::Result<Option<Verified>> {
    let settings = &installation.settings;
    let fetched = state.load(settings.bundle, &settings.reference);
    if asked.action == "uninstall" {
        let requests = fetched.as_ref().ok().and_then(|fetched| Requests::of(fetched.bundle()).ok());
        if !requests.is_some_and(|requests| requests.handle("uninstall")) {
            return Ok(None);
        }
    }
    acquire::admitted(fetched?, asked.unsigned, context).map(Some)
}

/// Carries out a plan that was made earlier.
pub(super) fn on_plan(
    asked: Asked<'_>,
    reference: &Reference,
    plan: &Plan,
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let state = asked.home.state(context)?;
    let fetched = acquire::fetched(&reference.clone().pinned(plan.bundle.digest), context)?;
    if fetched.digest() != plan.bundle.digest {
        let found = format!("bundle: {} was planned, now it is {}", plan.bundle.digest, fetched.digest());
        return Err(install::Error::Stale(vec![found]).into());
    }
    let verified = acquire::admitted(fetched, asked.unsigned, context)?;
    check_still(plan, state.find(&plan.installation.name)?.as_ref())?;
    let target = if plan.target.starts_with("dir:") { plan.target.clone() } else { "kube".into() };
    let is_plain = plan.inputs.dangers.iter().any(|danger| danger == PLAIN);
    let place = asked.home.cluster.place(target, is_plain)?;
    let namespace = Some(plan.installation.namespace.clone());
    run(asked, Some(verified), &state, (place, namespace), context)
}

/// A plan is one of an install or an upgrade, and which of both is to be done must not have changed.
fn check_still(plan: &Plan, earlier: Option<&Installation>) -> anyhow::Result<()> {
    let is_installed = earlier.is_some_and(Installation::is_installed);
    if is_installed == (plan.action == "upgrade") {
        return Ok(());
    }
    let now = if is_installed { "is there by now" } else { "is not there, or its last run failed" };
    let found = format!("{} was planned, and `{}` {now}", plan.action, plan.installation.name);
    Err(install::Error::Stale(vec![found]).into())
}

/// Brings an installation back to one of its revisions, with the bundle that is kept of it.
pub(super) fn on_revision(
    asked: Asked<'_>,
    revision: &Revision,
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let state = asked.home.state(context)?;
    let installation = asked.home.installation(&state, asked.name)?;
    let fetched = state.load(revision.digest, &revision.reference)?;
    let verified = acquire::admitted(fetched, asked.unsigned, context)?;
    let place = asked.home.place(&installation)?;
    let settled = Settled {
        parameters: revision.parameters.clone(),
        secret_parameters: revision.secret_parameters.clone(),
        terms: Terms { files: asked.consent.files(&revision.terms)?, ..revision.terms.clone() },
        overrides: asked.change.overrides(),
        delete: asked.change.delete(),
        dangers: revision.dangers.clone(),
        plan: None,
    };
    let asked = Asked { reference: revision.reference.clone(), settled: Some(settled), ..asked };
    run(asked, Some(verified), &state, (place, Some(installation.namespace)), context)
}

fn run(
    asked: Asked<'_>,
    verified: Option<Verified>,
    state: &State,
    (place, namespace): (Place, Option<String>),
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let runtime = runtime()?;
    let as_user = asked.home.as_user();
    let (target, namespace) = runtime.block_on(open(&place, asked.name, namespace.as_deref(), as_user))?;
    let console = Arc::new(Console::new(context.ui.clone(), asked.change.yes));
    // A kubeconfig that is good for one plan is not the way to the installation.
    let kubeconfig = place.kubeconfig.filter(|file| !is_lent(file));
    let place = Place { server: target.server().map(str::to_owned), kubeconfig, ..place };
    if asked.mode == Mode::Act && place.is_caller(asked.change.identity.identity()) {
        context.ui.danger("the run acts as you, with all your rights (--identity own)");
    }
    let order = order(&asked, verified.as_ref().map(Verified::bundle), place, namespace)?;
    let before = state.find(asked.name)?.and_then(|earlier| earlier.last);
    let operator: Arc<dyn Operator> = console.clone();
    let tools = Tools { state, cache: inputs::cache(), operator };
    let acted = runtime.block_on(act(verified, target, order, &tools, asked.mode));
    console.done();
    match acted {
        Ok(outcome) => Ok((outcome, console)),
        Err(error) if asked.change.rollback_on_failure => {
            Err(undo::after(error, &asked, before.as_ref(), state, context))
        }
        Err(error) => Err(error.into()),
    }
}

fn order(
    asked: &Asked<'_>,
    bundle: Option<&Bundle>,
    place: Place,
    namespace: String,
) -> anyhow::Result<Order> {
    let change = asked.change;
    let settled = asked.settled.as_ref();
    let parameters = bundle.map(|bundle| parameters(asked, bundle)).transpose()?.unwrap_or_default();
    let credentials = bundle.filter(|_| asked.mode != Mode::Examine);
    let credentials =
        credentials.map(|bundle| asked.inputs.credentials.read(bundle, asked.action)).transpose()?;
    Ok(Order {
        action: asked.action.to_owned(),
        name: asked.name.to_owned(),
        namespace,
        dangers: dangers(asked, &place),
        place,
        consent: settled.map_or_else(|| asked.consent.read(), |settled| Ok(settled.consent()))?,
        parameters,
        complete: settled.is_some(),
        confirmed: change.yes,
        plan: settled.and_then(|settled| settled.plan.clone()),
        credentials: Supplied::new(credentials.unwrap_or_default()),
        overrides: settled.map_or_else(|| change.overrides(), |settled| settled.overrides),
        wait: change.wait || !change.no_wait,
        timeout: change.timeout,
        refuse_powers: change.powers.refuse_powers,
        delete: settled.map_or_else(|| change.delete(), |settled| settled.delete.clone()),
        reference: asked.reference.clone(),
        identity: change.identity.identity(),
    })
}

/// The parameters that are typed, or those that are settled and, typed again, the ones that are recorded nowhere.
fn parameters(asked: &Asked<'_>, bundle: &Bundle) -> anyhow::Result<BTreeMap<String, Value>> {
    let Some(settled) = &asked.settled else { return asked.inputs.parameters.read(bundle) };
    let is_secret = |name: &str| settled.secret_parameters.iter().any(|secret| secret == name);
    let secret = asked.inputs.parameters.read_those(bundle, is_secret)?;
    if let Some(missing) = settled.secret_parameters.iter().find(|name| !secret.contains_key(*name)) {
        let text = format!("the value of the parameter `{missing}` is recorded nowhere");
        return Err(Usage::new(text, format!("give it again: --param {missing}=…")).into());
    }
    Ok(settled.parameters.clone().into_iter().chain(secret).collect())
}

/// Whoever types a parameter that is settled expects it to count.
pub(super) fn check_parameters(inputs: &InputArgs, secret: &[String]) -> anyhow::Result<()> {
    let given = inputs.parameters.names()?;
    match given.into_iter().find(|name| !secret.iter().any(|secret| secret == name)) {
        Some(name) => {
            let text = format!("the parameter `{name}` is settled already");
            Err(Usage::new(text, "leave it out, or use `carnet upgrade`").into())
        }
        None => Ok(()),
    }
}

fn dangers(asked: &Asked<'_>, place: &Place) -> Vec<String> {
    [
        (asked.unsigned.dangerous_unsigned, "--dangerous-unsigned"),
        (asked.consent.is_dangerous() || asked.settled.as_ref().is_some_and(Settled::is_wild), WILD),
        (place.plain_secrets, PLAIN),
    ]
    .into_iter()
    .filter(|(is_set, _)| *is_set)
    .map(|(_, flag)| flag.to_owned())
    .collect()
}

/// The flag that writes credentials into a directory.
const PLAIN: &str = "--secrets plain";

/// The flag that accepts a bare `*` in a grant.
const WILD: &str = "--dangerous-wildcards";

impl Settled {
    fn consent(&self) -> Consent {
        Consent { terms: self.terms.clone(), dangerous_wildcards: self.is_wild(), ..Consent::default() }
    }

    fn is_wild(&self) -> bool {
        self.dangers.iter().any(|danger| danger == WILD)
    }
}

/// Where an installation is.
fn recorded(installation: &Installation) -> Place {
    let settings = &installation.settings;
    Place {
        target: settings.target.clone(),
        server: settings.server.clone(),
        kubeconfig: settings.kubeconfig.clone(),
        context: settings.context.clone(),
        plain_secrets: settings.plain_secrets,
    }
}

/// Whether a kubeconfig is one that `carnet rbac` wrote.
fn is_lent(file: &Path) -> bool {
    let document = inputs::text(file).ok().and_then(|text| document::json(text.as_bytes()).ok());
    document.is_some_and(|document| written_for(&document).is_some())
}

/// The code of `--exit-code`.
pub(super) fn pending(is_wanted: bool, has_changes: bool) -> Code {
    if is_wanted && has_changes { exit::CHANGES } else { exit::DONE }
}

impl IdentityArgs {
    /// Who acts.
    pub(super) fn identity(self) -> Identity {
        match self.identity {
            IdentityArg::Own => Identity::Own,
            IdentityArg::Scoped => Identity::Scoped,
        }
    }
}

impl KeptArg {
    fn kind(&self) -> Kept {
        match self {
            Self::Crds => Kept::Crds,
            Self::Namespaces => Kept::Namespaces,
            Self::Pvcs => Kept::Pvcs,
        }
    }
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    parse_time(text).map_err(|_| "write a whole number with ms, s, m or h, such as 5m".into())
}
