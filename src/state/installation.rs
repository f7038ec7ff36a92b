//! The stored documents of an installation: what is installed, from where, and how its last action ended.
//!
//! The stored documents are these types; both backends store them, so they are apart from either. A member that an
//! older version of the program did not write has a default.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bundle::UNINSTALL;
use crate::bundle::claim::ResultStatus;
use crate::bundle::parameters::RecordedValues;
use crate::digest::Digest;
use crate::document;
use crate::grant::recorded::RecordedObject;
use crate::grant::spec::GrantSpec;
use crate::grant::{ConsentKey, RecordedGuard};
use crate::kubernetes::rbac::IdentityRecord;
use crate::targets::{Inventory, Recorded, RecordedPlace};

use super::StateError;
use super::claim::IMPORTED;
use super::recorded_files::RecordedFiles;

/// An installation, as its last run left it.
///
/// Where others can write the state, its record names the installation, its bundle by digest and its objects, and
/// decides nothing: what was granted, which guards were lowered, and places on the reader's machine are the reader's
/// own word. The grant is not even read from there.
///
/// What its inventory names may be read and removed, so nobody else can make one with an inventory, or add to it:
/// ```compile_fail,E0451
/// use carnet::state::{Installation, InstallationSettings};
/// let (settings, inventory) = (InstallationSettings::default(), Vec::new());
/// Installation { name: "web".into(), namespace: "prod".into(), settings, last: None, inventory, is_shared: false };
/// ```
/// ```compile_fail,E0616
/// # fn forge(installation: &mut carnet::state::Installation, forged: carnet::targets::Recorded) {
/// installation.inventory.push(forged);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Installation {
    /// The name, unique in the state.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// Where its objects are.
    pub settings: InstallationSettings,
    /// The last modifying claim and its result.
    pub last: Option<Revision>,
    /// Its objects, as they were read back.
    pub(super) inventory: Vec<Recorded>,
    /// Whether others can write the state that it was read from.
    pub(super) is_shared: bool,
}

/// The settings that an installation keeps between runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstallationSettings {
    /// Where the objects are.
    #[serde(flatten)]
    pub place: RecordedPlace,
    /// The id of this record, which no other state has for an installation of the same name. None: an earlier version of
    /// the program began it, and nobody has upgraded it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The digest of the bundle.
    pub bundle: Digest,
    /// The bundle's name and version, for people.
    pub bundle_name: String,
    /// The bundle's version.
    pub bundle_version: String,
    /// Where it came from, as it was typed.
    pub reference: String,
    /// The rule of the trust policy that admitted it; none where it ran unsigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The names of the keys that count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// The grant.
    #[serde(rename = "terms")]
    pub grant: GrantSpec,
    /// The bundle, the signers and the terms that the grant was given to. None: it was not signed, or an earlier
    /// version of the program wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentKey>,
    /// Guards that the operator lowered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dangers: Vec<RecordedGuard>,
    /// The installations that it needs, in the order in which they were there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<RequiredInstallation>,
    /// The installation that it was made for, and with which it may go. None: somebody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_for: Option<MadeFor>,
}

/// An installation that another needs, since its bundle depends on the other's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequiredInstallation {
    /// The name of the dependency in the bundle.
    pub dependency: String,
    /// The installation.
    pub installation: String,
}

/// The installation that another one was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeFor {
    /// The installation whose bundle depends on it.
    pub installation: String,
    /// What that bundle depends on, `REGISTRY/NAME`: where the dependency came from may be elsewhere.
    pub bundle: String,
}

/// One tracked action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The claim's id, a ULID.
    pub claim: String,
    /// The revision, a ULID.
    pub revision: String,
    /// When the action began (RFC 3339).
    pub created: String,
    /// The action.
    pub action: String,
    /// The bundle's name and version.
    pub bundle: String,
    /// The digest of the bundle.
    pub digest: Digest,
    /// The result status of CNAB Claims; `unknown` where the run was interrupted.
    pub result: ResultStatus,
    /// The result's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The parameters, without those that are `writeOnly`.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// Whether the action could change the installation.
    #[serde(default)]
    pub modifies: bool,
    /// Where the bundle came from, as it was typed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// The names of `writeOnly` parameters that had a value: what it was is stored nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_parameters: Vec<String>,
    /// The revision that it went back to, where it was a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<String>,
    /// Whether it was recorded elsewhere and imported: it says what was done, and decides nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// The grant.
    #[serde(skip)]
    pub grant: GrantSpec,
    /// The operator's files as they were read. None: an earlier version of the program did not record them.
    #[serde(skip)]
    pub files: Option<RecordedFiles>,
    /// Guards that the operator lowered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dangers: Vec<RecordedGuard>,
}

/// Actions on an installation, oldest first, and why the records of others cannot be read.
#[derive(Debug, Default)]
pub struct Revisions {
    /// Those whose records can be read.
    pub readable: Vec<Revision>,
    /// The faults of other records, each of which names its record.
    pub unreadable: Vec<StateError>,
}

impl Revisions {
    /// Adds one, or why it cannot be read.
    ///
    /// # Errors
    /// Every fault that is not one of its record alone.
    pub(super) fn push(&mut self, read: Result<Revision, StateError>) -> Result<(), StateError> {
        match read {
            Ok(revision) => self.readable.push(revision),
            Err(error) if error.is_of_a_record() => self.unreadable.push(error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The actions, if all can be read.
    ///
    /// # Errors
    /// The first fault.
    pub fn whole(self) -> Result<Vec<Revision>, StateError> {
        self.unreadable.into_iter().next().map_or(Ok(self.readable), Err)
    }
}

/// Installations, and why the records of others cannot be read.
#[derive(Debug, Default)]
pub struct Installations {
    /// Those whose records can be read.
    pub readable: Vec<Installation>,
    /// The faults of other records, each of which names its record.
    pub unreadable: Vec<StateError>,
}

/// Identities on record, and why the records of others cannot be read.
#[derive(Debug, Default)]
pub struct Identities {
    /// Those whose records can be read.
    pub readable: Vec<IdentityRecord>,
    /// The faults of other records, each of which names its record.
    pub unreadable: Vec<StateError>,
}

impl Identities {
    /// Sorts records into those that can be read and the faults of the others.
    pub(super) fn of(records: impl IntoIterator<Item = Result<IdentityRecord, StateError>>) -> Self {
        let mut identities = Self::default();
        for record in records {
            match record {
                Ok(record) => identities.readable.push(record),
                Err(fault) => identities.unreadable.push(fault),
            }
        }
        identities
    }
}

impl Installations {
    /// The installations, if all can be read.
    ///
    /// # Errors
    /// The first fault.
    pub fn whole(self) -> Result<Vec<Installation>, StateError> {
        self.unreadable.into_iter().next().map_or(Ok(self.readable), Err)
    }
}

impl Installation {
    /// Whether the last modifying action was an uninstall that succeeded.
    pub fn is_deleted(&self) -> bool {
        self.last
            .as_ref()
            .is_none_or(|last| last.action == UNINSTALL && last.result == ResultStatus::Succeeded)
    }

    /// Whether the last modifying action left something that can be upgraded.
    pub fn is_installed(&self) -> bool {
        !self.is_deleted() && self.last.as_ref().is_some_and(|last| last.result == ResultStatus::Succeeded)
    }

    /// The parameters of its last action, which may be somebody else's choice. What was uninstalled has none left.
    pub fn last_parameters(&self) -> RecordedValues<'_> {
        match &self.last {
            Some(last) if self.is_shared || last.imported => RecordedValues::OfOthers(&last.parameters),
            Some(last) => RecordedValues::Own(&last.parameters),
            None => RecordedValues::Nothing,
        }
    }

    /// Whether others can write the record, so that it decides nothing.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Its objects, as they are recorded.
    pub fn inventory(&self) -> &[Recorded] {
        &self.inventory
    }

    /// Its objects, as a run goes by them.
    pub fn inventoried(&self) -> Inventory {
        let inventory: Inventory = self.inventory.iter().cloned().collect();
        let record = self.settings.record.as_deref();
        let inventory = inventory.marked(record.map(|record| mark(record, self.is_shared)));
        if self.is_shared { inventory.shared() } else { inventory }
    }

    /// Its objects, the first recorded first, with the permits that come of being recorded.
    pub fn recorded(&self) -> Vec<RecordedObject> {
        self.inventoried().iter().map(|recorded| RecordedObject::read_back(recorded.object.clone())).collect()
    }

    /// This installation, with this id of its record.
    #[must_use]
    pub(crate) fn with_record(mut self, record: &str) -> Self {
        self.settings.record = Some(record.to_owned());
        self
    }

    /// Whether the last run was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.result == ResultStatus::Unknown)
    }

    /// An installation that is in no state, for the tests of other modules.
    #[cfg(test)]
    pub(crate) fn unrecorded(
        settings: InstallationSettings,
        last: Option<Revision>,
        inventory: Vec<Recorded>,
    ) -> Self {
        Self { name: "web".into(), namespace: "prod".into(), settings, last, inventory, is_shared: false }
    }

    /// This installation, as read from where others can write, for the tests of other modules.
    #[cfg(test)]
    pub(crate) fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }
}

/// The mark by which objects say which record they are on. Which kind of state that is comes from the state itself: who can
/// write a record in a cluster cannot make it that of somebody's directory.
pub(super) fn mark(record: &str, is_shared: bool) -> String {
    format!("{}/{record}", if is_shared { "cluster" } else { "directory" })
}

impl Revision {
    /// Reads a claim document. One without a result belongs to a run that is in progress or was interrupted.
    pub(super) fn read(
        claim: &str,
        status: Option<&str>,
        message: Option<String>,
        modifies: bool,
    ) -> Result<Self, StateError> {
        let mut claim = document::json(claim.as_bytes())?;
        let imported = claim.pointer("/custom").and_then(|custom| custom.get(IMPORTED)).is_some();
        if imported {
            without_decisions(&mut claim);
        }
        let text =
            |pointer: &str| claim.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let corrupt = |why: &str| StateError::Corrupt { record: text("/id"), why: why.into() };
        let parameters = match claim.get("parameters") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(parameters)) => parameters.clone(),
            Some(_) => return Err(corrupt("its parameters are none")),
        };
        // The first version did not write it.
        let digest = match claim.pointer("/custom/dev.carnet.run/bundle") {
            None => Digest::default(),
            Some(_) => {
                text("/custom/dev.carnet.run/bundle").parse().map_err(|_| corrupt("it names no bundle"))?
            }
        };
        let run = |member: &str| claim.pointer("/custom/dev.carnet.run")?.get(member).cloned();
        Ok(Self {
            claim: text("/id"),
            revision: text("/revision"),
            created: text("/created"),
            action: text("/action"),
            bundle: format!("{} {}", text("/bundle/name"), text("/bundle/version")),
            digest,
            // Who wrote another one knows more than is known here.
            result: status.and_then(ResultStatus::of).unwrap_or(ResultStatus::Unknown),
            message,
            parameters: parameters.into_iter().collect(),
            modifies,
            reference: text("/bundleReference"),
            secret_parameters: part(run("secretParameters"))?,
            rollback_to: part(run("rollbackTo"))?,
            imported,
            grant: part(run("terms"))?,
            files: run("files").map(|files| part(Some(files))).transpose()?,
            dangers: part(run("dangers"))?,
        })
    }
}

/// Takes from a claim of somebody else's what would decide something here: what was granted, the files that were read,
/// and where a bundle is from, which trust is decided by.
fn without_decisions(claim: &mut Value) {
    if let Some(Value::Object(run)) = claim.pointer_mut("/custom/dev.carnet.run") {
        for member in ["dangers", "files", "rollbackTo", "rule", "signers", "terms"] {
            run.remove(member);
        }
    }
    if let Value::Object(members) = claim {
        members.remove("bundleReference");
    }
}

fn part<T: Default + for<'de> Deserialize<'de>>(value: Option<Value>) -> Result<T, StateError> {
    Ok(value.map(document::typed).transpose()?.map(|(read, _)| read).unwrap_or_default())
}
