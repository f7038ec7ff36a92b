//! Errors of operations.

use std::sync::Arc;

use crate::author::AuthorError;
use crate::bundle::Fault;
use crate::bundle::parameters::{ParameterError, ParameterFault};
use crate::capability;
use crate::cluster::{self, Unconfigured};
use crate::digest::Digest;
use crate::document::{self, slip, visible};
use crate::fetch::FetchError;
use crate::grant::Shortfall;
use crate::grant::spec;
use crate::install;
use crate::reference;
use crate::signature::{InvalidPublicKey, KeyError};
use crate::state::StateError;
use crate::targets::{self, InvalidPlace};
use crate::text::CommandLine;
use crate::verify::{PolicyError, Refusal};

use super::dependency_error::DependencyError;

/// An image that can be had nowhere.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {}: {}", visible(.name), visible(.image), visible(.why))]
pub struct AbsentImage {
    /// Its name in the bundle.
    pub name: String,
    /// Its name at a registry.
    pub image: String,
    /// Why it cannot be had from there.
    pub why: String,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Several revisions fit.
    #[error("several revisions of `{name}` begin with `{start}`")]
    AmbiguousRevision {
        /// The installation.
        name: String,
        /// How the revision begins.
        start: String,
    },
    /// A source directory is no bundle.
    #[error(transparent)]
    Author(#[from] AuthorError),
    /// Claims break rules of CNAB, or contradict each other.
    #[error("the claims cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Claims(Vec<Fault>),
    /// The installation is there, and has a history of its own.
    #[error("the installation `{0}` is recorded here already, with other claims")]
    ClaimsThere(String),
    /// The cluster refused, or cannot be reached.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The bundles that the bundle depends on cannot be had, or an installation cannot go that others need.
    #[error(transparent)]
    Dependency(#[from] DependencyError),
    /// There are no rights where there is no cluster.
    #[error("a directory takes no rights")]
    Directory,
    /// The bundle could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The generated grant does not read back as the requests.
    #[error(transparent)]
    Grant(#[from] spec::InvalidGrant),
    /// A part of the request cannot be read.
    #[error(transparent)]
    Input(Arc<dyn std::error::Error + Send + Sync>),
    /// The action was not carried out.
    #[error(transparent)]
    Install(#[from] install::Error),
    /// The kubeconfig cannot be stored.
    #[error(transparent)]
    Keep(Box<dyn std::error::Error + Send + Sync>),
    /// A key cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A namespace has to be there before rights in it can be given.
    #[error("no rights can be given in the namespace `{0}`, which the plan makes itself")]
    NamespaceOfPlan(String),
    /// Installations of one name are in several namespaces.
    #[error("`{name}` is in {} namespaces: {}", .namespaces.len(), .namespaces.join(", "))]
    Namespaces {
        /// The name.
        name: String,
        /// The namespaces, in order.
        namespaces: Vec<String>,
    },
    /// A policy could not be loaded, so it was not written.
    #[error("that would be no trust policy: {0}")]
    NewPolicy(#[from] PolicyError),
    /// There was no success to go back to.
    #[error("`{0}` has no earlier revision that succeeded")]
    NoEarlierRevision(String),
    /// Images of a bundle can be had nowhere, and no registry takes a bundle without all of its images.
    #[error("{} of the bundle can be had neither from `{from}` nor from where the bundle names {}",
        if .images.len() == 1 { "an image".into() } else { format!("{} images", .images.len()) },
        if .images.len() == 1 { "it" } else { "them" })]
    NoImages {
        /// Where the bundle was copied from.
        from: String,
        /// The images.
        images: Vec<AbsentImage>,
        /// The command that copies the first of them to where the bundle is, where that is a layout.
        copy: Option<CommandLine>,
    },
    /// The component set no such output.
    #[error("the installation `{name}` has no output `{output}` {}", slip::known(.output, .known.iter().map(String::as_str)))]
    NoOutput {
        /// The installation.
        name: String,
        /// The output.
        output: String,
        /// The outputs that it has.
        known: Vec<String>,
    },
    /// Nothing says where the objects go.
    #[error("no target is named")]
    NoPlace,
    /// No revision fits.
    #[error("`{name}` has no revision `{start}` that installed something")]
    NoRevision {
        /// The installation.
        name: String,
        /// How the revision begins.
        start: String,
    },
    /// Only what is being developed here is approved unseen.
    #[error("`{0}` is not a source directory, and only what is developed on this machine is approved unseen")]
    NotASource(String),
    /// A dependency could not be had or installed.
    #[error("the dependency `{}`{}", visible(.dependency), .installation.as_ref().map(|name| format!(" (installation `{name}`)")).unwrap_or_default())]
    OfDependency {
        /// The dependency; of one that is another's, with that one before it.
        dependency: String,
        /// The installation that it is or would be, if it is to be one.
        installation: Option<String>,
        /// Why.
        source: Box<Self>,
    },
    /// The bundle is not the one that is recorded.
    #[error("`{name}` is recorded with the bundle {recorded}, and the one that is named is {found}")]
    OtherBundle {
        /// The installation.
        name: String,
        /// The digest that is recorded.
        recorded: Digest,
        /// The digest of the one that is named.
        found: Digest,
    },
    /// The account acts for another installation.
    #[error("the account {account} acts for the installation `{owner}`, not for `{name}`")]
    OtherInstallation {
        /// The account.
        account: String,
        /// The installation it was made for, `NAMESPACE/NAME`.
        owner: String,
        /// The installation that is named.
        name: String,
    },
    /// The account is one of another cluster.
    #[error("the account {account} is at {server}, not at {found}")]
    OtherServer {
        /// The account.
        account: String,
        /// Where it was made.
        server: String,
        /// Where it was looked for.
        found: String,
    },
    /// A parameter cannot have the text that it was given.
    #[error(transparent)]
    Parameter(#[from] ParameterFault),
    /// The bundle names sources of parameters that cannot be used.
    #[error("the bundle's `io.cnab.parameter-sources` cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    ParameterSources(Vec<Fault>),
    /// The parameters cannot be used.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// The bundle of a plan is not where the plan says.
    #[error("the bundle of the plan cannot be fetched from `{reference}`")]
    PlanBundle {
        /// Where the plan says that it is.
        reference: String,
        /// Why it cannot be fetched.
        source: FetchError,
    },
    /// A plan names no place.
    #[error("the plan does not say where its objects go")]
    PlanPlace(#[source] InvalidPlace),
    /// A plan names no bundle.
    #[error("the plan does not say where its bundle is")]
    PlanReference(#[source] reference::InvalidReference),
    /// The trust policy cannot be used, so nothing is trusted.
    #[error(transparent)]
    Policy(Arc<dyn std::error::Error + Send + Sync>),
    /// A file holds no public key.
    #[error("`{}` is no public key: the file that ends in `.pub` is one", document::visible(.name))]
    PublicKey {
        /// Its name in the policy.
        name: String,
        /// Why it is none.
        source: InvalidPublicKey,
    },
    /// A record names no place, so nothing can be done there.
    #[error("the record of `{name}` does not say where its objects are")]
    RecordedPlace {
        /// The installation.
        name: String,
        /// The text that is no place.
        source: InvalidPlace,
    },
    /// The bundle is not trusted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The bundle's requests cannot be used.
    #[error(transparent)]
    Requests(#[from] capability::InvalidRequests),
    /// A source directory has nowhere to be built.
    #[error("there is no place for temporary files")]
    Scratch(#[source] std::io::Error),
    /// A grant was given although the revision has one.
    #[error("what is granted is settled already, but for files")]
    SettledGrant,
    /// A parameter was given although the plan or revision has its value.
    #[error("the parameter `{0}` is settled already")]
    SettledParameter(String),
    /// The installation is recorded where others can write, and the record says what only the operator may.
    #[error("`{name}` is recorded where others can write, so the record decides nothing")]
    Shared {
        /// The installation.
        name: String,
        /// The flags that the operator has to give.
        lines: Vec<CommandLine>,
    },
    /// The grant does not cover what is required.
    #[error(transparent)]
    Shortfall(#[from] Shortfall),
    /// The state could not be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The target refused.
    #[error(transparent)]
    Target(#[from] targets::Error),
    /// No cluster is configured.
    #[error(transparent)]
    Unconfigured(#[from] Unconfigured),
    /// A run failed, and a rollback was tried.
    #[error("{what}")]
    Undone {
        /// The result of the rollback.
        what: String,
        /// Why the run failed.
        source: install::Error,
    },
    /// The installation is not there any more.
    #[error("the installation `{0}` is uninstalled")]
    Uninstalled(String),
    /// A parameter is recorded nowhere, and was not given again.
    #[error("the value of the parameter `{0}` is recorded nowhere")]
    UnrecordedParameter(String),
    /// The requests of the bundle cannot be written as a grant of exactly those.
    #[error("the requests cannot be written as a grant")]
    Unwritable,
    /// An approval would be over at once, or last for ever.
    #[error("an approval is valid for some time, such as `24h`, and for 90 days at most")]
    Validity,
}
