//! The flags that say which installation, where, and what goes into it, as requests.

use std::path::PathBuf;

use super::dependencies::DependencyArgs;

use crate::cli::Context;
use crate::cli::exit::Usage;
use crate::cli::inputs::consent::ConsentArgs;
use crate::cli::inputs::credentials::CredentialArgs;
use crate::cli::inputs::parameters::ParameterArgs;
use crate::cli::inputs::{self, Settings, StatePlace};
use crate::cluster::{ConnectOptions, is_ours};
use crate::kubernetes::object::is_label;
use crate::operations::list::namespace_of;
use crate::operations::{
    Access, GivenInputs, InstallRequest, InstallationRequest, OwnWord, RequestedPlace, TrustMode,
};
use crate::reference::Reference;
use crate::state::State;
use crate::targets::directory::Secrets;
use crate::targets::{InvalidPlace, Place};

/// Whether a bundle that nobody signed may be used.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(in crate::cli) struct UnsignedArgs {
    /// Use a bundle of this machine although nobody signed it
    #[arg(long)]
    dangerous_unsigned: bool,
}

/// Whether a bundle is being developed here.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct DevelopmentArgs {
    /// Use a source directory of this machine unsigned, and grant all that it asks for
    #[arg(long, conflicts_with = "approve")]
    approve_all_for_development: bool,
}

/// Where objects go.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(in crate::cli) struct TargetArgs {
    /// Put objects there: `dir:PATH` (a directory of manifests) or `kube` (a cluster)
    #[arg(long, value_name = "TARGET", env = "CARNET_TARGET", hide_env_values = true)]
    target: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) home: HomeArgs,
    /// What Secrets become in a directory: files without credentials, or with them
    #[arg(long, value_name = "HOW", default_value = "omit")]
    secrets: SecretsArg,
}

/// Which namespace, of which cluster.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(in crate::cli) struct HomeArgs {
    /// Namespace of the installation, and of objects without one
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace)]
    namespace: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Where an installation is looked for.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(in crate::cli) struct AnywhereArgs {
    /// Look in all namespaces: of a state in a cluster, else only one is looked at
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
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

/// Inputs of a bundle.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Inputs")]
pub(in crate::cli) struct InputArgs {
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    credentials: CredentialArgs,
}

/// An action on a bundle that is named.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct BundleArgs {
    /// Name of the installation
    #[arg(value_name = "NAME", value_parser = installation)]
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
    dependencies: DependencyArgs,
    #[command(flatten)]
    pub(in crate::cli) unsigned: UnsignedArgs,
    #[command(flatten)]
    development: DevelopmentArgs,
}

/// Settings that are recorded, and have to be said again where others can write the record.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Where the state is in a cluster, each time")]
pub(in crate::cli) struct OwnWordArgs {
    /// Where the bundle of the installation is from
    #[arg(long, value_name = "REF")]
    bundle: Option<Reference>,
    /// Where its objects are, if they are in a directory: `dir:PATH`
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// What Secrets become in a directory: files without credentials, or with them
    #[arg(long, value_name = "HOW", default_value = "omit")]
    secrets: SecretsArg,
}

/// An action on an installation that is there.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct InstalledArgs {
    #[command(flatten)]
    pub(in crate::cli) home: HomeArgs,
    #[command(flatten)]
    own_word: OwnWordArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsigned: UnsignedArgs,
}

/// The name of an installation.
pub(in crate::cli) fn installation(text: &str) -> Result<String, String> {
    let why =
        "an installation has lower-case letters, digits and `-`, 63 of them at most, and no `-` at an end";
    if is_label(text) { Ok(text.into()) } else { Err(why.into()) }
}

/// The name of a namespace.
pub(in crate::cli) fn namespace(text: &str) -> Result<String, String> {
    let why = "a namespace has lower-case letters, digits and `-`, 63 of them at most, and no `-` at an end";
    if is_label(text) { Ok(text.into()) } else { Err(why.into()) }
}

impl UnsignedArgs {
    /// What a bundle has to be to be used.
    pub(in crate::cli) fn trust(self) -> TrustMode {
        if self.dangerous_unsigned { TrustMode::DangerouslyUnsigned } else { TrustMode::ByPolicy }
    }
}

impl AnywhereArgs {
    /// Which namespace the installation of this name is in, of which cluster.
    pub(in crate::cli) fn home(
        self,
        name: &str,
        home: &HomeArgs,
        context: &Context,
    ) -> anyhow::Result<HomeArgs> {
        if !self.all_namespaces {
            return Ok(home.clone());
        }
        let namespace = namespace_of(name, &home.state(context)?)?;
        Ok(HomeArgs { namespace: Some(namespace), cluster: home.cluster.clone() })
    }
}

impl InstalledArgs {
    /// The same action, where the installation is.
    pub(in crate::cli) fn in_namespace(&self, home: HomeArgs) -> Self {
        Self { home, ..self.clone() }
    }

    /// The request that these flags make.
    pub(in crate::cli) fn request(&self, name: &str) -> anyhow::Result<InstallationRequest> {
        Ok(InstallationRequest {
            own_word: self.own_word.given(&self.home)?,
            consent: self.consent.deferred(),
            inputs: self.inputs.given(),
            trust: self.unsigned.trust(),
            ..self.home.request(name)?
        })
    }
}

impl OwnWordArgs {
    fn given(&self, home: &HomeArgs) -> anyhow::Result<OwnWord> {
        let target = TargetArgs { target: self.target.clone(), home: home.clone(), secrets: self.secrets };
        let place = inputs::deferred(move || target.place(target.target.as_deref()));
        let bundle = self.bundle.clone().map(|reference| reference.try_map_path(inputs::absolute));
        Ok(OwnWord { bundle: bundle.transpose()?, place })
    }
}

impl BundleArgs {
    /// Which namespace, of which cluster.
    pub(in crate::cli) fn home(&self) -> &HomeArgs {
        &self.target.home
    }

    /// The request that these flags make.
    pub(in crate::cli) fn request(&self) -> anyhow::Result<InstallRequest> {
        let for_development = self.development.approve_all_for_development;
        let installation = InstallationRequest {
            consent: self.consent.deferred(),
            inputs: self.inputs.given(),
            dependencies: self.dependencies.requests()?,
            trust: if for_development { TrustMode::DangerouslyUnsigned } else { self.unsigned.trust() },
            ..self.target.home.request(&self.name)?
        };
        let destination = self.target.destination();
        // A path on record or in a plan must mean the same elsewhere.
        let reference = self.reference.clone().try_map_path(inputs::absolute)?;
        Ok(InstallRequest { reference, destination, installation, for_development })
    }
}

impl InputArgs {
    /// The inputs that these flags give.
    pub(in crate::cli) fn given(&self) -> GivenInputs {
        GivenInputs { parameters: self.parameters.deferred(), credentials: self.credentials.source() }
    }
}

impl TargetArgs {
    /// Where the objects go: the flags or the environment name it, or else, for a new installation, the configuration.
    pub(in crate::cli) fn destination(&self) -> RequestedPlace {
        let (named, configured) = (self.clone(), self.clone());
        RequestedPlace {
            named: inputs::deferred(move || named.place(named.target.as_deref())),
            default: inputs::deferred(move || configured.place(Settings::load()?.target.as_deref())),
        }
    }

    /// As above, for what is in a cluster in any case.
    pub(in crate::cli) fn destination_in_cluster(&self) -> RequestedPlace {
        let cluster = self.clone();
        RequestedPlace {
            default: inputs::deferred(move || cluster.reached(Place::cluster()).map(Some)),
            ..self.destination()
        }
    }

    fn place(&self, text: Option<&str>) -> anyhow::Result<Option<Place>> {
        text.map(|text| self.parse(text)).transpose()
    }

    fn parse(&self, text: &str) -> anyhow::Result<Place> {
        let place: Place =
            text.parse().map_err(|error: InvalidPlace| Usage::new(error.to_string(), "dir:PATH or kube"))?;
        if let Some(path) = place.path_of_home() {
            return Err(inputs::unexpanded("--target", "dir:", path));
        }
        self.reached(place)
    }

    /// The place, with what the flags say of it.
    fn reached(&self, place: Place) -> anyhow::Result<Place> {
        let Access { kubeconfig, context, .. } = self.home.cluster.access()?;
        let place = place.try_map_path(inputs::absolute)?.with_secrets(self.secrets.secrets());
        Ok(place.reached_by(kubeconfig, context))
    }

    /// Takes the kubeconfig away, for a verb to which it is something else than the way to the cluster.
    pub(in crate::cli) fn take_kubeconfig(&mut self) -> Option<PathBuf> {
        self.home.cluster.kubeconfig.take()
    }
}

impl ClusterArgs {
    /// How the cluster is reached from here.
    pub(in crate::cli) fn access(&self) -> anyhow::Result<Access> {
        let kubeconfig = self.kubeconfig.as_deref().map(inputs::absolute).transpose()?;
        let is_lent = kubeconfig.as_deref().is_some_and(is_ours);
        Ok(Access { kubeconfig, is_lent, context: self.context.clone(), as_user: self.as_user.clone() })
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

    /// A request about the installation of this name.
    pub(in crate::cli) fn request(&self, name: &str) -> anyhow::Result<InstallationRequest> {
        let (namespace, access) = (self.namespace.clone(), self.access()?);
        Ok(InstallationRequest { namespace, access, ..InstallationRequest::new(name) })
    }

    /// How the cluster is reached from here.
    pub(in crate::cli) fn access(&self) -> anyhow::Result<Access> {
        self.cluster.access()
    }

    /// The namespace that is named.
    pub(in crate::cli) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The cluster of a plan, in the plan's namespace.
    pub(in crate::cli) fn of(cluster: &ClusterArgs, namespace: &str) -> Self {
        Self { namespace: Some(namespace.into()), cluster: cluster.clone() }
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
