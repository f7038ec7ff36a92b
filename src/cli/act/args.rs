//! The flags that acting verbs share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::capability::severity::Severity;
use crate::cli::Context;
use crate::cli::acquire::UnsignedArgs;
use crate::cli::exit::Usage;
use crate::cli::inputs::consent::ConsentArgs;
use crate::cli::inputs::credentials::CredentialArgs;
use crate::cli::inputs::parameters::ParameterArgs;
use crate::cli::inputs::{self, StatePlace};
use crate::cluster::ConnectOptions;
use crate::grant::limits::parse_time;
use crate::install::Identity;
use crate::reference::Reference;
use crate::state::{Installation, State, StateError};
use crate::targets::cluster::Cluster;
use crate::targets::directory::Secrets;
use crate::targets::{InvalidPlace, Overrides, Place, Protected, Target};

use super::open;

/// Where objects go.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(in crate::cli) struct TargetArgs {
    /// Put objects there: `dir:PATH` (a directory of manifests) or `kube` (a cluster)
    #[arg(long, value_name = "TARGET", env = "CARNET_TARGET", hide_env_values = true)]
    target: Option<String>,
    #[command(flatten)]
    pub(super) home: HomeArgs,
    /// What Secrets become in a directory: files without credentials, or with them
    #[arg(long, value_name = "HOW", default_value = "omit")]
    secrets: SecretsArg,
}

/// Which namespace, of which cluster.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(in crate::cli) struct HomeArgs {
    /// Namespace of the installation, and of objects without one
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
}

/// Which cluster, and as whom.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(in crate::cli) struct ClusterArgs {
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
pub(in crate::cli) struct ChangeArgs {
    /// Confirm the change; never a grant, never trust
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Wait until objects are ready (the default)
    #[arg(long, overrides_with = "no_wait")]
    pub(super) wait: bool,
    /// Do not wait until objects are ready
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Wait for the target no longer than this, in all
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    pub(super) timeout: Duration,
    /// Overwrite what others changed in objects of this installation
    #[arg(long)]
    force_conflicts: bool,
    /// Take over objects that this installation did not make
    #[arg(long)]
    take_ownership: bool,
    #[command(flatten)]
    pub(super) powers: PowerArgs,
    /// Remove and make anew what cannot be changed
    #[arg(long)]
    replace: bool,
    /// Go back to what was there when it fails
    #[arg(long)]
    pub(super) rollback_on_failure: bool,
    /// Also remove these kinds in a cluster, with all that goes with them
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    delete: Vec<KeptArg>,
    #[command(flatten)]
    pub(super) identity: IdentityArgs,
}

/// Who acts.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
#[command(next_help_heading = "Change")]
pub(in crate::cli) struct IdentityArgs {
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
pub(in crate::cli) struct PowerArgs {
    /// Refuse to install anything with powers of this severity: low, medium, high or critical
    #[arg(long, value_name = "SEVERITY")]
    pub(super) refuse_powers: Option<Severity>,
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
pub(in crate::cli) struct InputArgs {
    #[command(flatten)]
    pub(in crate::cli) parameters: ParameterArgs,
    #[command(flatten)]
    pub(in crate::cli) credentials: CredentialArgs,
}

/// An action on a bundle that is named.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct BundleArgs {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: String,
    /// Where the bundle is
    #[arg(value_name = "REF")]
    pub(in crate::cli) reference: Reference,
    #[command(flatten)]
    pub(in crate::cli) target: TargetArgs,
    #[command(flatten)]
    pub(in crate::cli) consent: ConsentArgs,
    #[command(flatten)]
    pub(in crate::cli) inputs: InputArgs,
    #[command(flatten)]
    pub(in crate::cli) unsigned: UnsignedArgs,
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
    pub(super) fn delete(&self) -> BTreeSet<Protected> {
        self.delete.iter().map(KeptArg::kind).collect()
    }

    /// What the operator insists on.
    pub(in crate::cli) fn overrides(&self) -> Overrides {
        Overrides {
            force_conflicts: self.force_conflicts,
            take_ownership: self.take_ownership,
            replace: self.replace,
        }
    }

    /// The same change, putting back what others have changed.
    pub(in crate::cli) fn putting_back(&self) -> Self {
        Self { force_conflicts: true, ..self.clone() }
    }

    /// The same change, to undo one that failed. What was there before is put back whatever it can do.
    pub(super) fn undoing(&self) -> Self {
        Self { yes: true, rollback_on_failure: false, powers: PowerArgs::default(), ..self.clone() }
    }

    /// A change that was confirmed when its plan was handed over.
    pub(in crate::cli) fn waiting(
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
    pub(in crate::cli) fn overriding(overrides: Overrides) -> Self {
        let Overrides { force_conflicts, take_ownership, replace } = overrides;
        Self { force_conflicts, take_ownership, replace, ..Self::default() }
    }

    /// The same, refusing some powers.
    pub(in crate::cli) fn refusing(self, powers: PowerArgs) -> Self {
        Self { powers, ..self }
    }
}

impl TargetArgs {
    /// The place that the flags, the environment or the configuration name.
    pub(super) fn place(&self, context: &Context) -> anyhow::Result<Place> {
        let configured = || anyhow::Ok(context.settings()?.target);
        let target = self.target.clone().map_or_else(configured, |target| Ok(Some(target)))?;
        let Some(target) = target else {
            return Err(Usage::new("no target is named", "--target dir:PATH or --target kube").into());
        };
        let place: Place = target
            .parse()
            .map_err(|error: InvalidPlace| Usage::new(error.to_string(), "dir:PATH or kube"))?;
        let place = place.try_map_path(inputs::absolute)?.with_secrets(self.secrets.secrets());
        self.home.cluster.reaching(place)
    }

    /// Where an installation is, or is to be: its place, and its namespace unless it is the context's.
    pub(super) fn located(
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
    pub(in crate::cli) async fn cluster(
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
    pub(in crate::cli) fn take_kubeconfig(&mut self) -> Option<PathBuf> {
        self.home.cluster.kubeconfig.take()
    }

    /// Whether a flag names a place at all.
    fn is_named(&self) -> bool {
        self.target.is_some()
    }
}

impl ClusterArgs {
    /// A place, reached as the flags say.
    pub(super) fn reaching(&self, place: Place) -> anyhow::Result<Place> {
        let kubeconfig = self.kubeconfig.as_deref().map(inputs::absolute).transpose()?;
        Ok(place.reached_by(kubeconfig, self.context.clone()))
    }

    fn options(&self) -> ConnectOptions {
        ConnectOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            as_user: self.as_user.clone(),
        }
    }
}

impl HomeArgs {
    /// The state that the flags, the environment or the configuration name.
    pub(in crate::cli) fn state(&self, context: &Context) -> anyhow::Result<State> {
        match context.state()? {
            StatePlace::Directory(path) => Ok(State::open(&path)?),
            StatePlace::Kube => {
                Ok(State::connect(&self.cluster.options(), self.namespace.as_deref(), &inputs::who())?)
            }
        }
    }

    /// An installation of the namespace that is named, or of any.
    pub(in crate::cli) fn installation(&self, state: &State, name: &str) -> anyhow::Result<Installation> {
        let installation = state.get(name)?;
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != installation.namespace) {
            return Err(StateError::Missing(name.into()).into());
        }
        Ok(installation)
    }

    /// Where an installation is: flags say how its cluster is reached from here.
    pub(in crate::cli) fn place(&self, installation: &Installation) -> anyhow::Result<Place> {
        let recorded = installation.settings.place.clone();
        if self.cluster.kubeconfig.is_none() && self.cluster.context.is_none() {
            return Ok(recorded);
        }
        self.cluster.reaching(recorded)
    }

    /// Who to be there.
    pub(in crate::cli) fn as_user(&self) -> Option<&str> {
        self.cluster.as_user.as_deref()
    }

    /// The cluster, and the namespace in it, for no installation in particular.
    pub(in crate::cli) async fn open(&self) -> anyhow::Result<(Target, String)> {
        let place = self.cluster.reaching(Place::cluster())?;
        open(&place, "", self.namespace.as_deref(), self.as_user()).await
    }

    /// Whether a namespace is named.
    pub(in crate::cli) fn names(&self, namespace: &str) -> bool {
        self.namespace.as_ref().is_none_or(|named| named == namespace)
    }

    /// The cluster of a plan, in the plan's namespace.
    pub(in crate::cli) fn of(cluster: &ClusterArgs, namespace: &str) -> Self {
        Self { namespace: Some(namespace.into()), cluster: cluster.clone() }
    }
}

impl IdentityArgs {
    /// Who acts.
    pub(in crate::cli) fn identity(self) -> Identity {
        match self.identity {
            IdentityArg::Own => Identity::Own,
            IdentityArg::Scoped => Identity::Scoped,
        }
    }
}

impl SecretsArg {
    fn secrets(self) -> Secrets {
        match self {
            Self::Omit => Secrets::Omit,
            Self::Plain => Secrets::Plain,
        }
    }
}

impl KeptArg {
    fn kind(&self) -> Protected {
        match self {
            Self::Crds => Protected::Crds,
            Self::Namespaces => Protected::Namespaces,
            Self::Pvcs => Protected::Pvcs,
        }
    }
}

pub(in crate::cli) fn time(text: &str) -> Result<Duration, String> {
    parse_time(text).map_err(|_| "write a whole number with ms, s, m or h, such as 5m".into())
}
