//! The rights in a cluster that an install, an upgrade or a rollback takes, and accounts that have just these.

mod manifests;

use std::time::Duration;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cluster::identity::{HOME, missing_rights, namespace_body};
use crate::cluster::{ScopedIdentity, Server};
use crate::digest::Digest;
use crate::grant::beside;
use crate::install::{self, Mode, Outcome};
use crate::kubernetes::metadata::OWNER;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::{IdentityRecord, Rights, account, body};
use crate::plan::{InstallationName, Proposed, role_name};
use crate::targets::Target;
use crate::targets::cluster::Cluster;
use crate::verify::TargetKind;

use super::places::Located;
use super::plan::plan;
use super::rollback::returning;
use super::{Document, Error, InstallRequest, InstallationRequest, RequestedPlace, Services};

/// The rights that a plan or some manifests take, as objects for `kubectl apply`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RightsReport {
    /// The installation.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The digest of the plan. None: they are those of manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
    /// A ServiceAccount, and roles that are bound to it; what is in namespaces that the plan makes itself comes last.
    pub objects: Vec<Value>,
    /// How the run grants rights to others, a sentence each.
    pub escalations: Vec<String>,
    /// Namespaces that the plan makes itself: what is in them can only be applied when they are there.
    pub later: Vec<String>,
}

/// The rights that the caller lacks to have a plan carried out.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RightsCheck {
    /// The installation.
    pub name: String,
    /// The rights, a line each.
    pub missing: Vec<String>,
}

/// A short-lived ServiceAccount that has just the rights of a plan.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The kubeconfig that is for it.
    pub kubeconfig: String,
    /// The objects of the account.
    #[serde(flatten)]
    pub record: IdentityRecord,
}

pub use manifests::{ManifestFile, Manifests, UnusableManifest, rights_of_manifests};

/// The action whose rights are asked for.
#[derive(Debug)]
pub enum RightsRequest {
    /// An install, or an upgrade where there is an installation of this name.
    Install(InstallRequest),
    /// Going back to an earlier revision.
    Rollback {
        /// How the name of the revision begins. None: the last one that succeeded before the current one.
        revision: Option<String>,
        /// Where the objects are.
        destination: RequestedPlace,
        /// The installation, and the rest.
        installation: InstallationRequest,
    },
}

/// A request for an account that has just the rights of a plan.
#[derive(Debug)]
pub struct AccountRequest {
    /// The action whose rights it has.
    pub rights: RightsRequest,
    /// How long its token counts.
    pub lifetime: Duration,
    /// An earlier account, which is removed.
    pub earlier: Option<IdentityRecord>,
}

/// A request to remove an account that was made for an installation.
#[derive(Debug)]
pub struct RevokeRequest {
    /// The account.
    pub account: IdentityRecord,
    /// Where the objects of the installation are.
    pub destination: RequestedPlace,
    /// The installation.
    pub installation: InstallationRequest,
}

/// Keeps the kubeconfig of an account, which holds its token.
pub trait AccountKeeper {
    /// Keeps it, and says where.
    ///
    /// # Errors
    /// When it cannot be kept; the account is removed then.
    fn keep(&self, kubeconfig: &SecretString) -> Result<String, Box<dyn std::error::Error + Send + Sync>>;
}

impl Document for RightsReport {
    const KIND: &'static str = "Rights";
}

impl Document for RightsCheck {
    const KIND: &'static str = "RightsCheck";
}

impl Document for Account {
    const KIND: &'static str = "Account";
}

impl RightsRequest {
    /// The installation, and the rest.
    pub fn installation(&self) -> &InstallationRequest {
        match self {
            Self::Install(request) => &request.installation,
            Self::Rollback { installation, .. } => installation,
        }
    }

    /// Where the objects go.
    pub fn destination(&self) -> &RequestedPlace {
        match self {
            Self::Install(request) => &request.destination,
            Self::Rollback { destination, .. } => destination,
        }
    }
}

/// The rights that an action takes. Makes the plan, and changes nothing.
///
/// # Errors
/// [`Error`], by stage; [`Error::Directory`] where there are no rights.
pub async fn rights(request: &RightsRequest, services: &Services<'_>) -> Result<RightsReport, Error> {
    let outcome = planned(request, services).await?;
    let home = request.installation().change.identity_namespace.as_deref();
    Ok(RightsReport::of(&outcome.proposed, home, rights_of_state(request, services)))
}

/// The rights that the caller lacks to make an identity for the run, which must not have more than the caller has.
///
/// # Errors
/// As for [`rights`], and when the cluster cannot be asked.
pub async fn check(
    request: &RightsRequest,
    lifetime: Duration,
    services: &Services<'_>,
) -> Result<RightsCheck, Error> {
    let outcome = planned(request, services).await?;
    let (cluster, _) = cluster(request.destination(), request.installation(), services).await?;
    let rights = outcome.proposed.all_rights();
    let home = request.installation().change.identity_namespace.as_deref();
    let record = install::identity_record(outcome.plan(), rights, cluster.server(), (lifetime, home));
    let mut needed = install::required_rights(&record, rights);
    needed.extend(rights_of_state(request, services).all_rules());
    let review = beside::own_rights(needed);
    let missing = missing_rights(cluster.server(), &review).await?;
    Ok(RightsCheck { name: request.installation().name.clone(), missing })
}

/// Makes an account that has just the rights of the plan, and has its kubeconfig kept. An earlier account of ours is
/// removed.
///
/// # Errors
/// As for [`rights`], and when the account cannot be made or kept.
pub async fn make(
    request: &AccountRequest,
    keeper: &dyn AccountKeeper,
    services: &Services<'_>,
) -> Result<Account, Error> {
    let AccountRequest { rights: request, lifetime, earlier } = request;
    let Outcome { proposed, to_approve, .. } = planned(request, services).await?;
    // Invariant: nobody gets the rights of a plan that somebody else has to approve first.
    let approvals = services.bundles.approvals(&request.installation().approvals)?;
    let approved = approvals.check(&to_approve).map_err(install::Error::from)?;
    let requested = proposed.requested(approved).map_err(Error::NamespaceOfPlan)?;
    let requested = requested.keeping_state(rights_of_state(request, services));
    let (cluster, namespace) = cluster(request.destination(), request.installation(), services).await?;
    if let Some(earlier) = earlier {
        remove(cluster.server(), earlier, request.installation()).await?;
    }
    let home = request.installation().change.identity_namespace.as_deref();
    let record =
        install::identity_record(proposed.plan(), requested.rights(), cluster.server(), (*lifetime, home));
    let identity = ScopedIdentity::new(cluster.server(), requested.mint(record, *lifetime), None);
    let made = match identity.make().await {
        Ok(()) => keep(&identity, &namespace, keeper).await,
        Err(error) => Err(error.into()),
    };
    match made {
        Ok(kubeconfig) => Ok(Account { kubeconfig, record: identity.record().clone() }),
        Err(error) => {
            drop(identity.remove().await);
            Err(error)
        }
    }
}

/// Removes an account that [`make`] made.
///
/// # Errors
/// [`Error::OtherServer`] when it is one of another cluster, [`Error::OtherInstallation`] when it acts for another
/// installation, and when it cannot be removed.
pub async fn revoke(request: &RevokeRequest, services: &Services<'_>) -> Result<(), Error> {
    let RevokeRequest { account, destination, installation } = request;
    let (cluster, _) = cluster(destination, installation, services).await?;
    remove(cluster.server(), account, installation).await
}

/// What keeping the state of the installation takes: nothing where it is on this machine.
fn rights_of_state(request: &RightsRequest, services: &Services<'_>) -> Rights {
    let namespace = services.state().namespace();
    namespace.map(|namespace| Rights::of_state(namespace, &request.installation().name)).unwrap_or_default()
}

async fn planned(request: &RightsRequest, services: &Services<'_>) -> Result<Outcome, Error> {
    let outcome = match request {
        RightsRequest::Install(request) => plan(request, services).await?,
        RightsRequest::Rollback { revision, installation, .. } => {
            returning(revision.as_deref(), installation, Mode::Plan, services).await?.run(services).await?
        }
    };
    let is_directory = outcome.to_approve.target == TargetKind::Dir;
    if outcome.proposed.all_rights().is_empty() && is_directory { Err(Error::Directory) } else { Ok(outcome) }
}

async fn keep(
    identity: &ScopedIdentity,
    namespace: &str,
    keeper: &dyn AccountKeeper,
) -> Result<String, Error> {
    let text = identity.kubeconfig(namespace).await?;
    keeper.keep(&text).map_err(Error::Keep)
}

/// The cluster that an installation is in, or is to be in, and its namespace there.
async fn cluster(
    destination: &RequestedPlace,
    request: &InstallationRequest,
    services: &Services<'_>,
) -> Result<(Box<Cluster>, String), Error> {
    let earlier = services.state().find(&request.name)?;
    let located = Located::of_request(destination, request, earlier.as_ref(), services.state())?;
    match located.open(&request.name, &request.access).await? {
        (Target::Cluster(cluster), namespace) => Ok((cluster, namespace)),
        (Target::Directory(_), _) => Err(Error::Directory),
    }
}

async fn remove(
    server: &Server,
    account: &IdentityRecord,
    request: &InstallationRequest,
) -> Result<(), Error> {
    let is_meant = account.owner.split_once('/').is_some_and(|(namespace, name)| {
        name == request.name && request.namespace.as_deref().is_none_or(|asked| asked == namespace)
    });
    if !is_meant {
        let (account, owner) = (account.name.clone(), account.owner.clone());
        return Err(Error::OtherInstallation { account, owner, name: request.name.clone() });
    }
    if account.server != server.address() {
        let (account, made_at) = (account.name.clone(), account.server.clone());
        return Err(Error::OtherServer { account, server: made_at, found: server.address().to_owned() });
    }
    Ok(install::remove_identity(server, account).await.map(drop)?)
}

impl RightsReport {
    /// `home` is the namespace for accounts that the operator named, `state` what keeping the state takes.
    fn of(proposed: &Proposed, home: Option<&str>, state: Rights) -> Self {
        let (plan, mut rights) = (proposed.plan(), proposed.all_rights().clone());
        let installation = &plan.installation;
        rights.add(state);
        let later = plan.namespaces_made();
        // Marked as the installation's own, a namespace that is made beforehand is what the plan makes of it.
        let made = later.iter().map(|name| owned_namespace(name, installation)).collect();
        let escalations = plan.escalations.clone();
        let report = Self::granting(&rights, installation, home, made);
        Self { plan: Some(plan.digest), escalations, later, ..report }.in_order()
    }

    /// An account, and roles with these rights that are bound to it. `made` are namespaces that have to be there before.
    fn granting(
        rights: &Rights,
        installation: &InstallationName,
        home: Option<&str>,
        made: Vec<Value>,
    ) -> Self {
        let InstallationName { name, namespace } = installation;
        let is_apart = home.is_some() || install::goes_beyond(rights, namespace);
        let account = match home.unwrap_or(HOME) {
            home if is_apart => account(home, &format!("carnet-{namespace}-{name}")),
            _ => account(namespace, &format!("carnet-{name}")),
        };
        let places = is_apart.then(|| namespace_body(account.namespace.as_deref().unwrap_or_default()));
        let role = role_name(installation);
        let granted = rights
            .scopes()
            .flat_map(|scope| [rights.role(scope, &role), Rights::binding(scope, &role, &account)]);
        Self {
            name: name.clone(),
            namespace: namespace.clone(),
            plan: None,
            objects: places.into_iter().chain(made).chain([body(&account)]).chain(granted).collect(),
            escalations: rights.escalations().map(ToString::to_string).collect(),
            later: Vec::new(),
        }
    }

    /// Objects in namespaces that are made later come last.
    fn in_order(mut self) -> Self {
        let later = &self.later;
        let (second, first): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.objects).into_iter().partition(|object| is_in(object, later));
        self.objects = first.into_iter().chain(second).collect();
        self
    }

    /// The objects that can be applied at once, and those that take the namespaces which the plan makes itself.
    pub fn steps(&self) -> (Vec<&Value>, Vec<&Value>) {
        self.objects.iter().partition(|object| !is_in(object, &self.later))
    }
}

fn is_in(object: &Value, namespaces: &[String]) -> bool {
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
    namespace.is_some_and(|namespace| namespaces.iter().any(|it| it == namespace))
}

/// A namespace with the mark of the installation that would make it.
fn owned_namespace(name: &str, installation: &InstallationName) -> Value {
    let mut namespace = body(&ObjectRef::new("v1", "Namespace", None, name));
    let owner = format!("{}/{}", installation.namespace, installation.name);
    namespace["metadata"]["annotations"] = json!({ OWNER: owner });
    namespace
}
