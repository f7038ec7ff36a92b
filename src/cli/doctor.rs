//! `carnet doctor`.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::cluster::{Leftover, Server, identity};
use crate::document::visible;
use crate::grant::{self, beside};
use crate::kubernetes::rbac::{IdentityRecord, RoleScope};
use crate::state::{State, StateError};
use crate::targets::Target;

use super::Context;
use super::act::{self, HomeArgs};
use super::exit::{self, Code};
use super::inputs;
use super::ui::{Page, Report, Tone};

/// How much longer than it says an identity is left alone: clocks differ.
const SPARE: SignedDuration = SignedDuration::from_mins(10);

/// Check what carnet works with, and find what runs left behind
///
/// Looks at the state, the trust policy, the cache for compiled code and, where one is configured, the cluster: whether it
/// can be reached, whether you may make identities for runs there, and whether identities of earlier runs are left.
/// `--fix` removes those that no run can be using any more.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet doctor
  carnet doctor --fix")]
pub(super) struct Args {
    /// Remove what runs left behind
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Serialize)]
struct Diagnosis {
    checks: Vec<Check>,
}

/// What one look found.
#[derive(Serialize)]
struct Check {
    what: &'static str,
    state: Finding,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Finding {
    Error,
    Ok,
    Warning,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let opened = args.home.state(context);
    let mut checks = vec![check_state(opened.as_ref()), check_trust(context), check_cache()];
    let runtime = act::runtime()?;
    checks.extend(runtime.block_on(check_cluster(args, opened.as_ref().ok())));
    let is_fine = checks.iter().all(|check| check.state != Finding::Error);
    context.ui.report(&Diagnosis { checks })?;
    Ok(if is_fine { exit::DONE } else { exit::ERROR })
}

fn check_state(state: Result<&State, &anyhow::Error>) -> Check {
    let listed = match state {
        Ok(state) => state.list().map_err(anyhow::Error::from),
        Err(error) => return Check::failed("state", error),
    };
    match listed {
        Err(error) => Check::failed("state", &error),
        Ok(installations) => {
            let cut_off = installations.iter().filter(|installation| installation.is_interrupted());
            let details: Vec<_> = cut_off
                .map(|it| format!("the last run of `{}` was cut off: the same command finishes it", it.name))
                .collect();
            let state = if details.is_empty() { Finding::Ok } else { Finding::Warning };
            Check { what: "state", state, text: format!("{} installations", installations.len()), details }
        }
    }
}

fn check_trust(context: &Context) -> Check {
    match context.trust() {
        Err(error) => Check::failed("trust policy", &error),
        Ok(trust) => match trust.file {
            Some(file) => Check::new("trust policy", Finding::Ok, file.display().to_string()),
            None => Check::new("trust policy", Finding::Warning, "none: nothing is trusted".into()),
        },
    }
}

fn check_cache() -> Check {
    match inputs::cache() {
        Some(path) => Check::new("cache", Finding::Ok, path.display().to_string()),
        None => Check::new("cache", Finding::Warning, "none: components are compiled each time".into()),
    }
}

async fn check_cluster(args: &Args, state: Option<&State>) -> Vec<Check> {
    let (cluster, namespace) = match args.home.open().await {
        Ok((Target::Cluster(cluster), namespace)) => (cluster, namespace),
        Ok((Target::Directory(_), _)) => return Vec::new(),
        Err(error) => return vec![Check::new("cluster", Finding::Warning, format!("{error:#}"))],
    };
    let server = cluster.server();
    let version = match server.version().await {
        Ok(version) => version,
        Err(error) => return vec![Check::failed("cluster", &error.into())],
    };
    let text = format!("{} ({})", server.address(), visible(&version));
    let reached = Check::new("cluster", Finding::Ok, text);
    let minting = check_minting(server, &namespace).await;
    let mut checks = vec![reached, minting];
    checks.extend(check_leftovers(args, server, &namespace, state).await);
    checks
}

/// Whether the caller may make identities, whatever rights they are to have.
async fn check_minting(server: &Server, namespace: &str) -> Check {
    let minted = IdentityRecord {
        name: String::new(),
        owner: String::new(),
        server: String::new(),
        namespaces: vec![namespace.to_owned()],
        scopes: [RoleScope::Cluster, RoleScope::Namespace(namespace.to_owned())].into(),
        expires: String::new(),
    };
    match identity::missing_rights(server, &beside::own_rights(minted.required_rights())).await {
        Err(error) => Check::failed("identities", &error.into()),
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
async fn check_leftovers(args: &Args, server: &Server, namespace: &str, state: Option<&State>) -> Vec<Check> {
    let found = match identity::leftovers(server, None).await {
        Ok(found) => Ok(found),
        // Who may not look everywhere may look at home.
        Err(_) => identity::leftovers(server, Some(namespace)).await,
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return vec![Check::failed("leftovers", &error.into())],
    };
    if found.is_empty() {
        return vec![Check::new("leftovers", Finding::Ok, "no identities of earlier runs".into())];
    }
    let mut checks = Vec::new();
    for leftover in &found {
        checks.push(check_leftover(args, server, leftover, state).await);
    }
    checks
}

async fn check_leftover(args: &Args, server: &Server, leftover: &Leftover, state: Option<&State>) -> Check {
    let (name, owner) = (visible(&leftover.name), visible(&leftover.owner));
    let new = |state, text| Check::new("leftovers", state, text);
    if !is_over(leftover, state) {
        let text = format!("{name} of {owner} may still be in use, until {}", visible(&leftover.expires));
        return new(Finding::Ok, text);
    }
    if !args.fix {
        let text = format!("{name} of {owner} is left from an earlier run: `carnet doctor --fix` removes it");
        return new(Finding::Warning, text);
    }
    let permits: Vec<_> = leftover.objects.iter().cloned().filter_map(grant::identity::part).collect();
    match identity::remove(server, &permits).await {
        Ok(_) => {
            if let Some((state, minted)) = state.and_then(|state| Some((state, known(leftover, state)?))) {
                // What is gone is gone, whether or not that can be written down.
                drop(state.forget_identity(&minted));
            }
            new(Finding::Ok, format!("{name} of {owner} was removed"))
        }
        Err(error) => new(Finding::Error, format!("{name} of {owner} cannot be removed: {error}")),
    }
}

/// Whether no run can be using an identity any more: its time is over, or it is of an installation that nobody acts on.
fn is_over(leftover: &Leftover, state: Option<&State>) -> bool {
    let expires = leftover.expires.parse::<Timestamp>().ok().and_then(|it| it.checked_add(SPARE).ok());
    let is_expired = expires.is_some_and(|expires| expires < inputs::now());
    let is_cut_off = state.is_some_and(|state| known(leftover, state).is_some() && !is_held(leftover, state));
    is_expired || is_cut_off
}

/// What the state knows of an identity.
fn known(leftover: &Leftover, state: &State) -> Option<IdentityRecord> {
    state.identities(None).ok()?.into_iter().find(|minted| minted.name == leftover.name)
}

fn is_held(leftover: &Leftover, state: &State) -> bool {
    let name = leftover.owner.rsplit('/').next().unwrap_or_default();
    !matches!(state.holder(name), Ok(None) | Err(StateError::Missing(_)))
}

impl Check {
    fn new(what: &'static str, state: Finding, text: String) -> Self {
        Self { what, state, text, details: Vec::new() }
    }

    fn failed(what: &'static str, error: &anyhow::Error) -> Self {
        Self::new(what, Finding::Error, visible(&format!("{error:#}")))
    }
}

impl Report for Diagnosis {
    const KIND: &'static str = "Diagnosis";

    fn show(&self, page: &mut Page) {
        let rows: Vec<_> = self
            .checks
            .iter()
            .map(|check| {
                let tone = match check.state {
                    Finding::Error => Tone::Danger,
                    Finding::Ok => Tone::Good,
                    Finding::Warning => Tone::Caution,
                };
                (
                    tone,
                    check.what,
                    [std::slice::from_ref(&check.text), &check.details[..]].concat().join("; "),
                )
            })
            .collect();
        page.rows(&rows);
    }
}
