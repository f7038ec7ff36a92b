//! Diagnoses the environment of carnet, and finds leftovers of earlier runs.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cluster::identity::HOME;
use crate::cluster::{Leftover, Server, identity};
use crate::document::{chain, visible};
use crate::grant::{self, beside};
use crate::kubernetes::rbac::{IdentityRecord, RoleScope};
use crate::state::{Installations, State, StateError};
use crate::targets::{Place, Target};
use crate::text::counted;

use super::places::Located;
use super::{Access, Document};

/// The allowance for clock skew before an expired identity is removed.
const SPARE: SignedDuration = SignedDuration::from_mins(10);

/// A request to diagnose the environment.
pub struct DoctorRequest<'a> {
    /// Whether leftovers are removed.
    pub fix: bool,
    /// The state, or why it cannot be opened.
    pub state: Result<&'a State, String>,
    /// The file of the trust policy, if there is one, or why it cannot be used.
    pub trust: Result<Option<PathBuf>, String>,
    /// Where compiled components are kept.
    pub cache: Option<PathBuf>,
    /// How the cluster is reached.
    pub access: Access,
    /// The namespace there. None: that of the context.
    pub namespace: Option<String>,
    /// The time.
    pub now: Timestamp,
}

/// The diagnosis.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// The results of the checks.
    pub checks: Vec<Check>,
}

/// The result of one check.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Check {
    /// The subject of the check.
    pub what: &'static str,
    /// The finding.
    pub state: Finding,
    /// The explanation of the finding.
    pub text: String,
    /// Details, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// The finding of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// It cannot be used.
    Error,
    /// It works.
    Ok,
    /// It works, with a warning.
    Warning,
}

impl Document for Diagnosis {
    const KIND: &'static str = "Diagnosis";
}

/// Checks the state, the trust policy, the cache and, where one is configured, the cluster.
pub async fn doctor(request: &DoctorRequest<'_>) -> Diagnosis {
    let mut checks = vec![
        check_state(request.state.as_ref().copied()),
        check_trust(&request.trust),
        check_cache(request.cache.as_deref()),
    ];
    checks.extend(check_cluster(request).await);
    Diagnosis { checks }
}

impl Diagnosis {
    /// Whether everything can be used.
    pub fn is_fine(&self) -> bool {
        self.checks.iter().all(|check| check.state != Finding::Error)
    }
}

fn check_state(state: Result<&State, &String>) -> Check {
    let state = match state {
        Ok(state) => state,
        Err(error) => return Check::new("state", Finding::Error, visible(error)),
    };
    match state.readable(false) {
        Err(error) => Check::failed("state", &error),
        Ok(Installations { readable: installations, unreadable: spoiled }) => {
            let cut_off = installations.iter().filter(|installation| installation.is_interrupted());
            let cut_off = cut_off
                .map(|it| format!("the last run of `{}` was cut off: the same command finishes it", it.name));
            let unreadable = installations.iter().filter_map(|it| {
                let error = it.settings.place.place().err()?;
                Some(format!("the record of `{}` does not say where its objects are: {error}", it.name))
            });
            let identities = state.identities(None).map(|identities| identities.unreadable);
            let identities = identities.unwrap_or_else(|error| vec![error]);
            let unreadable = unreadable.chain(spoiled.iter().chain(&identities).map(|error| chain(error)));
            let details: Vec<_> = cut_off.chain(unreadable).map(|line| visible(&line)).collect();
            let state = if details.is_empty() { Finding::Ok } else { Finding::Warning };
            Check { what: "state", state, text: counted(installations.len(), "installation"), details }
        }
    }
}

fn check_trust(trust: &Result<Option<PathBuf>, String>) -> Check {
    match trust {
        Err(error) => Check::new("trust policy", Finding::Error, visible(error)),
        Ok(Some(file)) => Check::new("trust policy", Finding::Ok, file.display().to_string()),
        Ok(None) => Check::new("trust policy", Finding::Warning, "none: nothing is trusted".into()),
    }
}

fn check_cache(cache: Option<&Path>) -> Check {
    match cache {
        Some(path) => Check::new("cache", Finding::Ok, path.display().to_string()),
        None => Check::new("cache", Finding::Warning, "none: components are compiled each time".into()),
    }
}

async fn check_cluster(request: &DoctorRequest<'_>) -> Vec<Check> {
    let DoctorRequest { access, namespace, .. } = request;
    let place = Place::cluster().reached_by(access.kubeconfig.clone(), access.context.clone());
    let located = Located { place, namespace: namespace.clone() };
    let (cluster, namespace) = match located.open("", access).await {
        Ok((Target::Cluster(cluster), namespace)) => (cluster, namespace),
        Ok((Target::Directory(_), _)) => return Vec::new(),
        Err(error) => return vec![Check::new("cluster", Finding::Warning, chain(&error))],
    };
    let server = cluster.server();
    let version = match server.version().await {
        Ok(version) => version,
        Err(error) => return vec![Check::failed("cluster", &error)],
    };
    let text = format!("{} ({})", server.address(), visible(&version));
    let reached = Check::new("cluster", Finding::Ok, text);
    let minting = check_minting(server, &namespace).await;
    let mut checks = vec![reached, minting];
    checks.extend(check_leftovers(request, server, &namespace).await);
    checks
}

/// Whether the caller may make identities, whatever rights they are to have: in the namespace of an installation, and
/// with rights beyond it.
async fn check_minting(server: &Server, namespace: &str) -> Check {
    let record = |home: &str, scope: RoleScope| IdentityRecord {
        name: String::new(),
        owner: String::new(),
        server: String::new(),
        namespaces: vec![home.to_owned()],
        is_apart: home != namespace,
        scopes: [scope].into(),
        expires: String::new(),
    };
    let here = record(namespace, RoleScope::Namespace(namespace.to_owned()));
    let beyond = record(HOME, RoleScope::Cluster);
    let rights = [here.required_rights(), beyond.required_rights()].concat();
    match identity::missing_rights(server, &beside::own_rights(rights)).await {
        Err(error) => Check::failed("identities", &error),
        Ok(missing) if missing.is_empty() => {
            Check::new("identities", Finding::Ok, format!("can be made in {namespace} and the cluster"))
        }
        Ok(details) => {
            let text = "you lack rights to make them; `--identity own` does without".to_owned();
            Check { details, ..Check::new("identities", Finding::Warning, text) }
        }
    }
}

/// Finds identities of earlier runs, and removes those that are to be removed.
async fn check_leftovers(request: &DoctorRequest<'_>, server: &Server, namespace: &str) -> Vec<Check> {
    let found = match identity::leftovers(server, None).await {
        Ok(found) => Ok(found),
        // A caller who may not list all namespaces may still list their own.
        Err(_) => identity::leftovers(server, Some(namespace)).await,
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return vec![Check::failed("leftovers", &error)],
    };
    if found.is_empty() {
        return vec![Check::new("leftovers", Finding::Ok, "no identities of earlier runs".into())];
    }
    let mut checks = Vec::new();
    for leftover in &found {
        checks.push(check_leftover(request, server, leftover).await);
    }
    checks
}

async fn check_leftover(request: &DoctorRequest<'_>, server: &Server, leftover: &Leftover) -> Check {
    let state = request.state.as_ref().ok().copied();
    let (name, owner) = (visible(&leftover.name), visible(&leftover.owner));
    let new = |state, text| Check::new("leftovers", state, text);
    if !is_over(leftover, state, request.now) {
        let text = format!("{name} of {owner} may still be in use, until {}", visible(&leftover.expires));
        return new(Finding::Ok, text);
    }
    if !request.fix {
        let text = format!("{name} of {owner} is left from an earlier run: `carnet doctor --fix` removes it");
        return new(Finding::Warning, text);
    }
    let permits: Vec<_> = leftover.objects.iter().cloned().filter_map(grant::identity::part).collect();
    match identity::remove(server, &leftover.owner, &permits).await {
        Ok(_) => {
            if let Some((state, record)) = state.and_then(|state| Some((state, known(leftover, state)?))) {
                // The identity is removed already, so a failure to update the record is no error.
                drop(state.forget_identity(&record));
            }
            new(Finding::Ok, format!("{name} of {owner} was removed"))
        }
        Err(error) => new(Finding::Error, format!("{name} of {owner} cannot be removed: {error}")),
    }
}

/// Whether no run can be using an identity any more: its time is over, or it is of an installation that nobody acts on.
fn is_over(leftover: &Leftover, state: Option<&State>, now: Timestamp) -> bool {
    let expires = leftover.expires.parse::<Timestamp>().ok().and_then(|it| it.checked_add(SPARE).ok());
    let is_expired = expires.is_some_and(|expires| expires < now);
    let is_cut_off = state.is_some_and(|state| known(leftover, state).is_some() && !is_held(leftover, state));
    is_expired || is_cut_off
}

/// The state's record of an identity.
fn known(leftover: &Leftover, state: &State) -> Option<IdentityRecord> {
    state
        .identities(None)
        .ok()?
        .readable
        .into_iter()
        .find(|it| it.name == leftover.name && it.owner == leftover.owner)
}

fn is_held(leftover: &Leftover, state: &State) -> bool {
    let name = leftover.owner.rsplit('/').next().unwrap_or_default();
    !matches!(state.holder(name), Ok(None) | Err(StateError::Missing(_)))
}

impl Check {
    fn new(what: &'static str, state: Finding, text: String) -> Self {
        Self { what, state, text, details: Vec::new() }
    }

    fn failed(what: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(what, Finding::Error, visible(&chain(error)))
    }
}
