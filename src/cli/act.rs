//! What the acting verbs share: their flags, the target, the question, and how it goes on.

mod console;
mod outcome;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::bundle::Bundle;
use crate::capability::Requests;
use crate::grant::terms::parse_time;
use crate::host::Supplied;
use crate::install::{Identity, Kept, Mode, Operator, Order, Outcome, Place, Tools, act};
use crate::reference::Reference;
use crate::state::{Installation, State};
use crate::target::cluster::{Cluster, Options, Owner};
use crate::target::directory::{Directory, Secrets};
use crate::target::{Overrides, Target};
use crate::verify::Verified;

use super::Context;
use super::acquire::{self, UnsignedArgs};
use super::exit::{self, Code, Usage};
use super::inputs::consent::ConsentArgs;
use super::inputs::credentials::CredentialArgs;
use super::inputs::parameters::ParameterArgs;
use super::inputs::{self, StatePlace};

pub(super) use console::Console;
pub(super) use outcome::{PlanReport, diff_lines, report};

/// Where objects go.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(super) struct TargetArgs {
    /// Put objects there: `dir:PATH` (a directory of manifests) or `kube` (a cluster)
    #[arg(long, value_name = "TARGET", env = "CARNET_TARGET", hide_env_values = true)]
    target: Option<String>,
    /// Namespace of the installation, and of objects without one
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Find the cluster in this file
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Use this context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Act as this user of the cluster
    #[arg(long = "as", value_name = "USER")]
    as_user: Option<String>,
    /// What Secrets become in a directory: files without credentials, or with them
    #[arg(long, value_name = "HOW", default_value = "omit")]
    secrets: SecretsArg,
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
    /// Also remove these kinds in a cluster, with all that goes with them
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    delete: Vec<KeptArg>,
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
    pub(super) reference: String,
    pub(super) consent: &'a ConsentArgs,
    pub(super) inputs: &'a InputArgs,
    pub(super) unsigned: UnsignedArgs,
    pub(super) change: &'a ChangeArgs,
    pub(super) mode: Mode,
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
            delete: Vec::new(),
            identity: IdentityArg::Scoped,
        }
    }
}

impl ChangeArgs {
    /// A change that is only looked at.
    pub(super) fn overriding(force_conflicts: bool, take_ownership: bool) -> Self {
        Self { force_conflicts, take_ownership, ..Self::default() }
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
        let kubeconfig = self.kubeconfig.as_deref().map(inputs::absolute).transpose()?;
        let plain_secrets = self.secrets == SecretsArg::Plain;
        Ok(Place { target, server: None, kubeconfig, context: self.context.clone(), plain_secrets })
    }

    /// Whether a flag names a place at all.
    fn is_named(&self) -> bool {
        self.target.is_some()
    }
}

/// The state that the flags, the environment or the configuration name.
pub(super) fn state(context: &Context) -> anyhow::Result<State> {
    match context.state()? {
        StatePlace::Directory(path) => Ok(State::open(&path)?),
        StatePlace::Kube => {
            anyhow::bail!("state in the cluster is not supported by this version: use a directory")
        }
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
    let state = state(context)?;
    let verified = acquire::verified(&args.reference, args.unsigned, context)?;
    let earlier = state.find(&args.name)?;
    let is_installed = earlier.as_ref().is_some_and(Installation::is_installed);
    let action = action.unwrap_or(if is_installed { "upgrade" } else { "install" });
    let place = match &earlier {
        Some(earlier) if !args.target.is_named() && !earlier.is_deleted() => recorded(earlier),
        _ => args.target.place(context)?,
    };
    let namespace = args
        .target
        .namespace
        .clone()
        .or_else(|| earlier.filter(|earlier| !earlier.is_deleted()).map(|earlier| earlier.namespace));
    let asked = Asked {
        action,
        name: &args.name,
        reference: args.reference.to_string(),
        consent: &args.consent,
        inputs: &args.inputs,
        unsigned: args.unsigned,
        change,
        mode,
    };
    let as_user = args.target.as_user.as_deref();
    run(asked, Some(verified), &state, (place, namespace, as_user), context)
}

/// Acts on an installation, with the bundle that is kept of it where the action needs one.
pub(super) fn on_installation(
    asked: Asked<'_>,
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let state = state(context)?;
    let installation = state.get(asked.name)?;
    let verified = kept(&asked, &state, &installation, context)?;
    let place = recorded(&installation);
    let namespace = Some(installation.namespace);
    let asked = Asked { reference: installation.settings.reference, ..asked };
    run(asked, verified, &state, (place, namespace, None), context)
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

fn run(
    asked: Asked<'_>,
    verified: Option<Verified>,
    state: &State,
    (place, namespace, as_user): (Place, Option<String>, Option<&str>),
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let runtime = runtime()?;
    let (target, namespace) = runtime.block_on(open(&place, asked.name, namespace.as_deref(), as_user))?;
    let console = Arc::new(Console::new(context.ui.clone(), asked.change.yes));
    let place = Place { server: target.server().map(str::to_owned), ..place };
    if asked.mode == Mode::Act && acts_as_caller(&asked, &place) {
        context.ui.danger("the run acts as you, with all your rights (--identity own)");
    }
    let order = order(&asked, verified.as_ref().map(Verified::bundle), place, namespace)?;
    let operator: Arc<dyn Operator> = console.clone();
    let tools = Tools { state, cache: inputs::cache(), operator };
    let acted = runtime.block_on(act(verified, target, order, &tools, asked.mode));
    console.done();
    Ok((acted?, console))
}

fn order(
    asked: &Asked<'_>,
    bundle: Option<&Bundle>,
    place: Place,
    namespace: String,
) -> anyhow::Result<Order> {
    let change = asked.change;
    let parameters = bundle.map(|bundle| asked.inputs.parameters.read(bundle)).transpose()?;
    let credentials = bundle.filter(|_| asked.mode != Mode::Examine);
    let credentials =
        credentials.map(|bundle| asked.inputs.credentials.read(bundle, asked.action)).transpose()?;
    Ok(Order {
        action: asked.action.to_owned(),
        name: asked.name.to_owned(),
        namespace,
        dangers: dangers(asked, &place),
        place,
        consent: asked.consent.read()?,
        parameters: parameters.unwrap_or_default(),
        credentials: Supplied::new(credentials.unwrap_or_default()),
        overrides: Overrides {
            force_conflicts: change.force_conflicts,
            take_ownership: change.take_ownership,
        },
        wait: change.wait || !change.no_wait,
        timeout: change.timeout,
        delete: change.delete.iter().map(KeptArg::kind).collect::<BTreeSet<_>>(),
        reference: asked.reference.clone(),
        identity: match change.identity {
            IdentityArg::Own => Identity::Own,
            IdentityArg::Scoped => Identity::Scoped,
        },
    })
}

/// The guard that is lowered where no identity is made for a run.
const OWN_IDENTITY: &str = "--identity own";

fn acts_as_caller(asked: &Asked<'_>, place: &Place) -> bool {
    asked.change.identity == IdentityArg::Own && place.target == "kube"
}

fn dangers(asked: &Asked<'_>, place: &Place) -> Vec<String> {
    [
        (asked.unsigned.dangerous_unsigned, "--dangerous-unsigned"),
        (asked.consent.is_dangerous(), "--dangerous-wildcards"),
        (place.plain_secrets, "--secrets plain"),
        (acts_as_caller(asked, place), OWN_IDENTITY),
    ]
    .into_iter()
    .filter(|(is_set, _)| *is_set)
    .map(|(_, flag)| flag.to_owned())
    .collect()
}

/// Where an installation is.
pub(super) fn recorded(installation: &Installation) -> Place {
    let settings = &installation.settings;
    Place {
        target: settings.target.clone(),
        server: settings.server.clone(),
        kubeconfig: settings.kubeconfig.clone(),
        context: settings.context.clone(),
        plain_secrets: settings.plain_secrets,
    }
}

/// The code of `--exit-code`.
pub(super) fn pending(is_wanted: bool, has_changes: bool) -> Code {
    if is_wanted && has_changes { exit::CHANGES } else { exit::DONE }
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

fn time(text: &str) -> Result<Duration, String> {
    parse_time(text).map_err(|_| "write a whole number with ms, s, m or h, such as 5m".into())
}
