//! The status of an installation and the readiness of its objects.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::bundle::claim::ResultStatus;
use crate::cluster::{self, concurrent};
use crate::digest::Digest;
use crate::document::chain;
use crate::grant::RecordedGuard;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::Readiness;
use crate::state::{Installation, MadeFor, RequiredInstallation, State, StateError};
use crate::targets::{self, Looked, Recorded, Sight};

use super::places::{Located, installation};
use super::{Access, Document, Error, Listener, Notice};

/// A request to show an installation.
#[derive(Debug, Clone, Default)]
pub struct StatusRequest {
    /// Its name.
    pub name: String,
    /// Its namespace. None: any.
    pub namespace: Option<String>,
    /// How its cluster is reached from here.
    pub access: Access,
}

/// An installation as recorded, and, where its target was asked, the readiness of its objects.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallationStatus {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The bundle's name and version.
    pub bundle: String,
    /// The digest of the bundle.
    pub digest: Digest,
    /// The target, as the command line writes it.
    pub target: String,
    /// The address of its cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The revision of the last action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The last action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// When the last action began (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The revision that the last action went back to, where it was a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<String>,
    /// The result status of CNAB Claims, or `running`.
    pub result: ResultStatus,
    /// The result's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The names of the keys that signed the bundle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// Guards that were lowered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dangers: Vec<RecordedGuard>,
    /// The installations that it needs, since its bundle depends on theirs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub requires: Vec<RequiredInstallation>,
    /// The installation that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_for: Option<MadeFor>,
    /// Its parameters, but for those that must not be shown.
    pub parameters: BTreeMap<String, Value>,
    /// Its objects.
    pub objects: Vec<ObjectStatus>,
    /// Its outputs.
    pub outputs: BTreeMap<String, Value>,
}

/// An object of an installation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Whether it is ready. None: the target was not asked, or does not tell the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Why it is not, does nothing yet although it is, or why nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Document for InstallationStatus {
    const KIND: &'static str = "Installation";
}

/// Shows an installation, and asks its target about every object. A target that cannot be asked is no error: what is
/// recorded is shown all the same.
///
/// # Errors
/// [`Error::State`] when the state cannot be read, or has no such installation.
pub async fn status(
    request: &StatusRequest,
    state: &State,
    listener: &dyn Listener,
) -> Result<InstallationStatus, Error> {
    let installation = installation(state, &request.name, request.namespace.as_deref())?;
    let mut status = InstallationStatus::of(&installation, state)?;
    match ask(&installation, &request.access).await {
        Ok(objects) => status.objects = objects,
        Err(error) => listener.told(&Notice::Unasked(chain(&error))),
    }
    Ok(status)
}

/// Asks the target about every object: one read each, side by side.
async fn ask(installation: &Installation, access: &Access) -> Result<Vec<ObjectStatus>, Error> {
    use targets::Error::{Shared, Unreadable};
    let (target, _) = Located::of(installation, access, None)?.open(&installation.name, access).await?;
    let mut kinds = Kinds::default();
    let looked = target.look_all(installation.recorded(), &mut kinds).await?;
    let (target, kinds, inventory) = (&target, &kinds, &installation.inventoried());
    let judge = |looked: Looked| async move {
        let object = looked.recorded.object().clone();
        let (ready, reason) = match looked.sight {
            Ok(Sight::There(found)) => match target.lost(&object, &found, inventory) {
                Some(_) => (Some(false), Some("another state has taken it over".into())),
                None => readiness(target.judged(&object, &found, kinds).await?),
            },
            Ok(Sight::Absent) if inventory.find(&object).is_some_and(|it| it.passing) => {
                (Some(true), Some("finished and removed by its TTL".to_owned()))
            }
            Ok(Sight::Absent) => (Some(false), Some("it is not there".to_owned())),
            Ok(Sight::Unknown(why)) => (Some(false), Some(format!("it may be there: {why}"))),
            Err(error @ targets::Error::Cluster(cluster::Error::Denied { .. })) => {
                (None, Some(error.to_string()))
            }
            // The fault of one file, which says nothing about the others.
            Err(error @ (Unreadable(..) | Shared { .. })) => (Some(false), Some(error.to_string())),
            Err(error) => return Err(error),
        };
        Ok::<_, targets::Error>(ObjectStatus { object, ready, reason })
    };
    Ok(concurrent::collect(looked.into_iter().map(judge).collect()).await?)
}

fn readiness(judged: Readiness) -> (Option<bool>, Option<String>) {
    match judged {
        Readiness::Ready => (Some(true), None),
        Readiness::Idle(why) => (Some(true), Some(why)),
        Readiness::NotReady(why) | Readiness::Failed(why) => (Some(false), Some(why)),
    }
}

impl InstallationStatus {
    /// The target with its cluster, in words.
    pub fn place(&self) -> String {
        match &self.server {
            Some(server) => format!("{} at {server}", self.target),
            None => self.target.clone(),
        }
    }

    /// The last action, as people call it: a rollback is an upgrade for everything else.
    pub fn last_action(&self) -> &str {
        let action = self.action.as_deref().unwrap_or_default();
        if self.rollback_to.is_some() { "rollback" } else { action }
    }

    /// The status as far as it is recorded.
    pub(super) fn of(installation: &Installation, state: &State) -> Result<Self, StateError> {
        let settings = &installation.settings;
        let last = installation.last.as_ref();
        Ok(Self {
            name: installation.name.clone(),
            namespace: installation.namespace.clone(),
            bundle: format!("{} {}", settings.bundle_name, settings.bundle_version),
            digest: settings.bundle,
            target: settings.place.to_string(),
            server: settings.place.server().map(str::to_owned),
            created: last.map(|last| last.created.clone()),
            rollback_to: last.and_then(|last| last.rollback_to.clone()),
            revision: last.map(|last| last.revision.clone()),
            action: last.map(|last| last.action.clone()),
            result: result(installation, state),
            message: last.and_then(|last| last.message.clone()),
            signers: settings.signers.clone(),
            dangers: settings.dangers.clone(),
            requires: settings.requires.clone(),
            made_for: settings.made_for.clone(),
            parameters: last.map(|last| last.parameters.clone()).unwrap_or_default(),
            objects: installation.inventory().iter().map(ObjectStatus::unasked).collect(),
            outputs: state.outputs(&installation.name)?,
        })
    }
}

impl ObjectStatus {
    fn unasked(recorded: &Recorded) -> Self {
        Self { object: recorded.object.clone(), ready: None, reason: None }
    }
}

/// A claim without a result belongs to a run that is in progress, or that was interrupted.
fn result(installation: &Installation, state: &State) -> ResultStatus {
    match &installation.last {
        Some(last) if last.result != ResultStatus::Unknown => last.result,
        _ if matches!(state.holder(&installation.name), Ok(Some(holder)) if !holder.is_overdue) => {
            ResultStatus::Running
        }
        _ => ResultStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make files")]

    use super::*;
    use crate::operations::places::tests::ended;

    #[test]
    fn an_action_without_a_result_is_running_as_long_as_somebody_holds_its_lock() {
        let home = tempfile::tempdir().unwrap();
        let state = State::open(&home.path().join("state")).unwrap();
        let mut interrupted = ended("upgrade", "unknown");
        assert_eq!(result(&interrupted, &state), ResultStatus::Unknown);
        let lock = state.lock("web").unwrap();
        assert_eq!(result(&interrupted, &state), ResultStatus::Running);
        assert_eq!(result(&ended("upgrade", "failed"), &state), ResultStatus::Failed);
        drop(lock);
        assert_eq!(result(&interrupted, &state), ResultStatus::Unknown);
        interrupted.last = None;
        assert_eq!(result(&interrupted, &state), ResultStatus::Unknown);
    }

    #[test]
    fn a_status_is_what_is_recorded_and_guesses_no_readiness() {
        let home = tempfile::tempdir().unwrap();
        let state = State::open(&home.path().join("state")).unwrap();
        let status = InstallationStatus::of(&ended("upgrade", "succeeded"), &state).unwrap();
        assert_eq!((status.name.as_str(), status.namespace.as_str()), ("web", "prod"));
        assert_eq!((status.target.as_str(), status.result), ("dir:/recorded", ResultStatus::Succeeded));
        assert_eq!(status.action.as_deref(), Some("upgrade"));
        assert!(status.objects.is_empty() && status.dangers.is_empty());
    }
}
