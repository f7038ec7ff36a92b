//! The record of an installation: its settings, the order of its claims, and its inventory.
//!
//! The order of claims is a list and not that of their ids: ids are made of the clocks of several machines. A claim
//! that is not in the list never began.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bundle::claim::ResultStatus;
use crate::grant::spec::GrantSpec;
use crate::kubernetes::metadata::is_record;
use crate::state::{
    Installation, InstallationSettings, Installations, NewClaim, NewResult, RecordedClaim, Revision,
    Revisions, StateError,
};
use crate::targets::{Inventory, Recorded};

use super::claim_record::{ClaimRecord, StoredResult};
use super::encoding::{Lines, RecordReader, UnreadableRecord};
use super::object::RecordObject;
use super::record_store::{Record, RecordStore, RecordVersion, corrupt, lost, unwritable};
use super::subject::RecordSubject;

/// How many claims are asked for by name, a request each.
const FEW: usize = 8;

/// How many claims of an installation are kept, beside those that hold the last value of an output. Without it, its record
/// would grow until none could be written any more.
const MAX_CLAIMS: usize = 100;

/// The record of an installation, as it was read or is about to be written.
pub(super) struct InstallationRecord {
    pub(super) head: Head,
    pub(super) inventory: Inventory,
    /// Which version was read. None: it was never written.
    pub(super) version: Option<RecordVersion>,
}

/// The first line of the record of an installation. A line for each object follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) name: String,
    namespace: String,
    pub(super) settings: InstallationSettings,
    claims: Vec<ClaimEntry>,
}

/// One claim of an installation.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ClaimEntry {
    claim: String,
    action: String,
    modifies: bool,
    /// The names of outputs that its result has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<String>,
}

/// All installations, in a namespace or in all, by name, and why others cannot be read.
pub(super) async fn list(store: &RecordStore, namespace: Option<&str>) -> Result<Installations, StateError> {
    let mut installations = Installations::default();
    for (name, found) in store.installations(namespace).await? {
        let there = RecordStore { namespace: name.namespace().into(), ..store.clone() };
        let read = match found {
            Ok(found) => installation_in(&there, &found).await,
            Err(error) => Err(error.into()),
        };
        match read {
            Ok(installation) => installations.readable.push(installation),
            Err(error) if error.is_of_a_record() => installations.unreadable.push(error),
            Err(error) => return Err(error),
        }
    }
    installations.readable.sort_by(|a, b| (&a.name, &a.namespace).cmp(&(&b.name, &b.namespace)));
    Ok(installations)
}

async fn installation_in(store: &RecordStore, found: &RecordObject) -> Result<Installation, StateError> {
    let record = store.whole(found).await?;
    let record = InstallationRecord::read(&record, None, store).map_err(|why| corrupt(&found.name, &why))?;
    if RecordSubject::Installation(record.head.name.clone()).name(&store.namespace).as_ref()
        != Some(&found.name)
    {
        return Err(corrupt(&found.name, &UnreadableRecord::Other));
    }
    record.installation(store).await
}

impl InstallationRecord {
    /// Reads the record of an installation. None: there is no such installation.
    pub(super) async fn open(store: &RecordStore, name: &str) -> Result<Option<Self>, StateError> {
        let subject = RecordSubject::Installation(name.into());
        let (Some(own), Some(record)) = (subject.name(&store.namespace), store.read(&subject).await?) else {
            return Ok(None);
        };
        Self::read(&record, Some(name), store).map(Some).map_err(|why| corrupt(&own, &why))
    }

    /// The record of an installation that is not there yet.
    pub(super) fn new(name: &str, namespace: &str, settings: InstallationSettings) -> Self {
        let head = Head { name: name.into(), namespace: namespace.into(), settings, claims: Vec::new() };
        Self { head, inventory: Inventory::default(), version: None }
    }

    /// Reads a record, which must be about what it was read for: one that was copied elsewhere is none.
    fn read(record: &Record, name: Option<&str>, store: &RecordStore) -> Result<Self, UnreadableRecord> {
        let (head, inventory) = parts(&record.content)?;
        let is_other = name.is_some_and(|name| head.name != name) || *head.namespace != *store.namespace;
        if is_other {
            return Err(UnreadableRecord::Other);
        }
        let head = Head { settings: settings_here(head.settings, store), ..head };
        Ok(Self { head, inventory, version: Some(record.version.clone()) })
    }

    /// The installation as its last run left it.
    pub(super) async fn installation(self, store: &RecordStore) -> Result<Installation, StateError> {
        let last = match self.head.claims.iter().rev().find(|entry| entry.modifies) {
            Some(entry) => {
                let claimed = ClaimRecord::open(store, &self.head.name, &entry.claim).await?;
                Some(self.revision(entry, claimed.map(|(claimed, _)| claimed))?)
            }
            None => None,
        };
        let Self { head, inventory, .. } = self;
        Ok(Installation {
            name: head.name,
            namespace: head.namespace,
            settings: head.settings,
            last,
            inventory: inventory.into_recorded(),
            is_shared: true,
        })
    }

    /// The actions, oldest first, as far as the records of their claims can be read.
    pub(super) async fn revisions(&self, store: &RecordStore) -> Result<Revisions, StateError> {
        let wanted = self.head.claims.iter().map(|entry| &*entry.claim).collect();
        let (mut claims, mut revisions) = (self.found(store, &wanted).await?, Revisions::default());
        for entry in &self.head.claims {
            let claimed = claims.remove(&*entry.claim).transpose();
            let bare = |claimed: ClaimRecord| ClaimRecord { outputs: Vec::new(), ..claimed };
            revisions.push(claimed.and_then(|claimed| self.revision(entry, claimed.map(bare))))?;
        }
        Ok(revisions)
    }

    /// The claims, oldest first, as they are stored.
    pub(super) async fn recorded_claims(
        &self,
        store: &RecordStore,
    ) -> Result<Vec<RecordedClaim>, StateError> {
        let wanted = self.head.claims.iter().map(|entry| &*entry.claim).collect();
        let mut claims = self.listed(store, &wanted).await?;
        let claims = self.head.claims.iter().filter_map(|entry| claims.remove(&*entry.claim));
        Ok(claims.map(ClaimRecord::into_recorded).collect())
    }

    /// Those of these claims that there is a record of. Few are asked for by name; of many there is a list, so that a
    /// record that names thousands costs no more requests than there are.
    async fn claims<'a>(
        &self,
        store: &RecordStore,
        wanted: &BTreeSet<&'a str>,
    ) -> Result<BTreeMap<&'a str, ClaimRecord>, StateError> {
        if wanted.len() > FEW {
            return self.listed(store, wanted).await;
        }
        let mut claims = BTreeMap::new();
        for id in wanted {
            if let Some((claimed, _)) = ClaimRecord::open(store, &self.head.name, id).await? {
                claims.insert(*id, claimed);
            }
        }
        Ok(claims)
    }

    async fn listed<'a>(
        &self,
        store: &RecordStore,
        wanted: &BTreeSet<&'a str>,
    ) -> Result<BTreeMap<&'a str, ClaimRecord>, StateError> {
        self.found(store, wanted).await?.into_iter().map(|(id, claimed)| Ok((id, claimed?))).collect()
    }

    /// Those of these claims that there is a record of, or why it is none. One that somebody spoiled hides no other.
    async fn found<'a>(
        &self,
        store: &RecordStore,
        wanted: &BTreeSet<&'a str>,
    ) -> Result<BTreeMap<&'a str, Result<ClaimRecord, StateError>>, StateError> {
        let own = |id: &str| RecordSubject::Claim(self.head.name.clone(), id.into()).name(&store.namespace);
        let ids: BTreeMap<_, _> = wanted.iter().filter_map(|id| Some((own(id)?, *id))).collect();
        let mut claims = BTreeMap::new();
        for (name, found) in store.claims(&self.head.name).await? {
            let Some(id) = ids.get(&name) else { continue };
            let record = match found {
                Ok(found) => store.whole(&found).await,
                Err(error) => Err(corrupt(&name, &error)),
            };
            let read = |record: Record| {
                ClaimRecord::read(&record, &self.head.name, id).map_err(|why| corrupt(&name, &why))
            };
            match record.and_then(read) {
                Err(error) if !error.is_of_a_record() => return Err(error),
                claimed => drop(claims.insert(*id, claimed)),
            }
        }
        Ok(claims)
    }

    /// Of each output, the last value. What the last claim set counts even where its run was cut off before it said so.
    pub(super) async fn outputs(&self, store: &RecordStore) -> Result<BTreeMap<String, Value>, StateError> {
        let mut holds: BTreeMap<&str, &str> = BTreeMap::new();
        for entry in &self.head.claims {
            holds.extend(entry.outputs.iter().map(|name| (&**name, &*entry.claim)));
        }
        let last = self.head.claims.last().map(|entry| &*entry.claim);
        let wanted: BTreeSet<&str> = holds.values().copied().chain(last).collect();
        let (mut claims, mut outputs) = (self.claims(store, &wanted).await?, BTreeMap::new());
        for claimed in self.head.claims.iter().filter_map(|entry| claims.remove(&*entry.claim)) {
            outputs.extend(claimed.outputs.into_iter().map(|output| (output.name, output.value)));
        }
        Ok(outputs)
    }

    /// A claim that somebody removed is one whose end is not known.
    fn revision(&self, entry: &ClaimEntry, claimed: Option<ClaimRecord>) -> Result<Revision, StateError> {
        let (document, status, message) = match claimed {
            Some(ClaimRecord { document, result: Some(ended), .. }) => {
                (document, Some(ended.status), ended.message)
            }
            Some(ClaimRecord { document, .. }) => (document, None, None),
            None => (self.missing(entry), None, Some("the record of its claim is gone".into())),
        };
        let read = Revision::read(&document.to_string(), status.as_deref(), message, entry.modifies)?;
        Ok(Revision { grant: GrantSpec::default(), ..read })
    }

    fn missing(&self, entry: &ClaimEntry) -> Value {
        let settings = &self.head.settings;
        json!({
            "id": entry.claim,
            "revision": entry.claim,
            "action": entry.action,
            "bundle": { "name": settings.bundle_name, "version": settings.bundle_version },
            "custom": { "dev.carnet.run": { "bundle": settings.bundle } },
        })
    }

    /// Settles the last claim if its run was cut off, and removes what such runs have left.
    pub(super) async fn settle(&mut self, store: &RecordStore) -> Result<(), StateError> {
        let name = &self.head.name;
        if let Some(version) = &self.version {
            store.clean(name, self.head.claims.iter().map(|entry| &*entry.claim), version).await?;
        }
        let Some(entry) = self.head.claims.last_mut() else { return Ok(()) };
        let Some((mut claim, version)) = ClaimRecord::open(store, name, &entry.claim).await? else {
            return Ok(());
        };
        entry.outputs = claim.output_names();
        if claim.result.is_none() {
            let message = Some("the run was interrupted".into());
            claim.result = Some(StoredResult::new(&entry.claim, ResultStatus::Unknown, message));
            claim.write(store, name, &entry.claim, Some(&version)).await?;
        }
        Ok(())
    }

    /// Writes the record of a claim that begins. The installation's record, which makes it one of its claims, follows.
    pub(super) async fn begin(
        &mut self,
        store: &RecordStore,
        claim: &NewClaim,
    ) -> Result<RecordVersion, StateError> {
        let action = claim.document.get("action").and_then(Value::as_str).unwrap_or_default().to_owned();
        let record = ClaimRecord::begun(claim.document.clone());
        let version = record.write(store, &self.head.name, &claim.id, None).await?;
        let entry =
            ClaimEntry { claim: claim.id.clone(), action, modifies: claim.modifies, outputs: Vec::new() };
        self.head.claims.push(entry);
        retire(&mut self.head.claims, MAX_CLAIMS);
        Ok(version)
    }

    /// Writes how an action ended: into the record of its claim, over the version that it began with, and into this
    /// one.
    pub(super) async fn finish(
        &mut self,
        store: &RecordStore,
        claim: &NewClaim,
        result: &NewResult<'_>,
        over: Option<&RecordVersion>,
    ) -> Result<(), StateError> {
        let ended = ClaimRecord::ended(&claim.id, claim.document.clone(), result);
        ended.write(store, &self.head.name, &claim.id, over).await?;
        if let Some(entry) = self.head.claims.last_mut().filter(|entry| entry.claim == claim.id) {
            entry.outputs = ended.output_names();
        }
        self.write(store).await
    }

    /// Writes the record, over the version that was read or written last.
    pub(super) async fn write(&mut self, store: &RecordStore) -> Result<(), StateError> {
        let subject = RecordSubject::Installation(self.head.name.clone());
        let lines = self.lines().map_err(|why| unwritable(&subject, store, &why))?;
        let written = store.write(&subject, lines.bytes(), self.version.as_ref()).await;
        self.version = Some(written.map_err(|error| lost(&self.head.name, error))?);
        Ok(())
    }

    fn lines(&self) -> Result<Lines, UnreadableRecord> {
        written(&self.head, &self.inventory)
    }
}

/// Takes the oldest claims out of the list until it is so long. Their own records go with what the next run cleans up.
fn retire(claims: &mut Vec<ClaimEntry>, most: usize) {
    let mut holders: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, entry) in claims.iter().enumerate() {
        holders.extend(entry.outputs.iter().map(|output| (&**output, at)));
    }
    let holders: BTreeSet<usize> = holders.into_values().collect();
    let (mut at, mut spare) = (0, claims.len().saturating_sub(most));
    claims.retain(|_| {
        let goes = spare > 0 && !holders.contains(&at);
        (at, spare) = (at + 1, spare - usize::from(goes));
        !goes
    });
}

/// The record of an installation as it is written after it was read.
pub(super) fn rewritten(content: &[u8]) -> Result<Lines, UnreadableRecord> {
    let (head, inventory) = parts(content)?;
    written(&head, &inventory)
}

fn parts(content: &[u8]) -> Result<(Head, Inventory), UnreadableRecord> {
    let mut reader = RecordReader::new(content);
    let head: Head = reader.expect()?;
    // Each claim is a request to whoever reads it, and a repeated one takes no room in what is compressed.
    let mut claims = BTreeSet::new();
    if !head.claims.iter().all(|entry| claims.insert(entry.claim.to_lowercase())) {
        return Err(UnreadableRecord::Repeated);
    }
    let inventory: Inventory = reader.rest::<Recorded>()?.into_iter().collect();
    // An object that is read and removed by its name must have one, and none of the state's own.
    let is_object = |recorded: &Recorded| recorded.object.check().is_ok() && !is_record(&recorded.object);
    if inventory.iter().all(is_object) { Ok((head, inventory)) } else { Err(UnreadableRecord::Object) }
}

fn written(head: &Head, inventory: &Inventory) -> Result<Lines, UnreadableRecord> {
    let mut lines = Lines::default();
    let settings = settings_for_all(head.settings.clone());
    lines.push(&Head { settings, ..head.clone() })?;
    inventory.iter().try_for_each(|recorded| lines.push(recorded))?;
    Ok(lines)
}

/// The settings that mean the same to everybody: the path of a kubeconfig or a file is each one's own matter.
fn settings_for_all(settings: InstallationSettings) -> InstallationSettings {
    let mut grant = settings.grant;
    grant.files.clear();
    InstallationSettings { place: settings.place.for_all(), grant, ..settings }
}

/// The stored settings, for the one who reads them. The installation is in the cluster that its record is in, by
/// whatever address that is reached. Whoever can write records here is not the one who grants, so the grant is left
/// out, and with it what it was given to.
fn settings_here(settings: InstallationSettings, store: &RecordStore) -> InstallationSettings {
    let settings = settings_for_all(settings);
    let place = settings.place.with_server(store.records.server().address().to_owned());
    InstallationSettings { place, grant: GrantSpec::default(), consent: None, ..settings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_claims_are_let_go_but_for_those_that_hold_outputs() {
        let entry = |claim: usize, outputs: &[&str]| ClaimEntry {
            claim: claim.to_string(),
            action: "upgrade".into(),
            modifies: true,
            outputs: outputs.iter().map(ToString::to_string).collect(),
        };
        let claims = || {
            vec![entry(0, &["a", "b"]), entry(1, &["a"]), entry(2, &["c"]), entry(3, &["c"]), entry(4, &[])]
        };
        for (most, left) in [(9, "01234"), (5, "01234"), (4, "0134"), (3, "013"), (1, "013"), (0, "013")] {
            let mut kept = claims();
            retire(&mut kept, most);
            assert_eq!(kept.iter().map(|entry| &*entry.claim).collect::<String>(), left, "{most}");
        }
    }
}
