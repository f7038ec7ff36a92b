//! What is recorded of one installation: its settings, its inventory, its claims in their order, and what became of them.
//!
//! The order of claims is a list and not that of their ids: ids are made of the clocks of several machines. A claim that
//! is not in the list never began.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::kubernetes::object::ObjectRef;
use crate::targets::{Inventory, Recorded};

use super::super::{Claim, Ending, Installation, Revision, Settings, StateError, timestamp, ulid};
use super::desk::{Desk, Record, Stamp, Subject, corrupt};
use super::lease::Hold;
use super::record::{Lines, Reader, Unreadable};

/// The book of the installation that this program acts on, and what entitles it to write there.
#[derive(Default)]
pub(super) struct Books {
    open: Mutex<Option<Book>>,
    hold: StdMutex<Option<Arc<Hold>>>,
}

/// The record of an installation.
pub(super) struct Book {
    head: Head,
    inventory: Inventory,
    /// None: it was never written.
    stamp: Option<Stamp>,
    /// The record of the claim that goes on.
    claim: Option<Stamp>,
    /// Whether anything happened that is not written yet.
    is_behind: bool,
    /// Whether somebody is about to write it.
    is_awaited: bool,
    /// Why that failed.
    failed: Option<StateError>,
}

/// The first line of the record of an installation. A line for each object follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    name: String,
    namespace: String,
    settings: Settings,
    claims: Vec<Entry>,
}

/// One claim of an installation.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    claim: String,
    action: String,
    modifies: bool,
    /// The names of outputs that its result has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<String>,
}

/// The record of a claim: the claim, its result or null, and a line for each output.
struct Claimed {
    document: Value,
    result: Option<Ended>,
    outputs: Vec<Output>,
}

/// A result of CNAB Claims.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    id: String,
    claim_id: String,
    created: String,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Output {
    name: String,
    value: Value,
}

impl Books {
    /// From now on, nothing is written unless this is held.
    pub(super) fn held_by(&self, hold: &Arc<Hold>) {
        *self.hold.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(hold));
    }

    /// Writes down that an action begins.
    pub(super) async fn begin(
        &self,
        desk: &Desk,
        name: &str,
        settings: Settings,
        claim: &Claim,
    ) -> Result<(), StateError> {
        self.check().await?;
        let mut open = self.open.lock().await;
        let book = Book::open(desk, name).await?;
        let mut book = book.unwrap_or_else(|| Book::new(name, &desk.namespace, settings.clone()));
        book.settle(desk).await?;
        book.head.settings = settings;
        book.claim(desk, claim).await?;
        book.write(desk).await?;
        *open = Some(book);
        Ok(())
    }

    /// Writes down how an action ended, and closes the book.
    pub(super) async fn finish(
        &self,
        desk: &Desk,
        claim: &Claim,
        ending: &Ending<'_>,
    ) -> Result<(), StateError> {
        self.check().await?;
        let mut open = self.open.lock().await;
        let mut book = open.take().ok_or_else(|| StateError::Missing(claim.id.clone()))?;
        book.finish(desk, claim, ending).await
    }

    /// Changes the inventory of an installation, and writes it at once or leaves that to [`catch_up`](Self::catch_up). The
    /// answer is whether that has to be called.
    pub(super) async fn change(&self, desk: &Desk, name: &str, change: Change) -> Result<bool, StateError> {
        self.check().await?;
        let mut open = self.open.lock().await;
        if open.as_ref().is_none_or(|book| book.head.name != name) {
            *open = Book::open(desk, name).await?;
        }
        // An action that leaves no record may run where nothing is installed.
        let Some(book) = open.as_mut() else { return Ok(false) };
        if let Some(error) = book.failed.take() {
            return Err(error);
        }
        let is_urgent = matches!(change, Change::Intend(_));
        change.made_in(&mut book.inventory);
        if is_urgent {
            book.write(desk).await?;
            return Ok(false);
        }
        book.is_behind = true;
        Ok(!std::mem::replace(&mut book.is_awaited, true))
    }

    /// Writes what has happened since the last time.
    pub(super) async fn catch_up(&self, desk: &Desk) {
        let checked = self.check().await;
        let mut open = self.open.lock().await;
        let Some(book) = open.as_mut() else { return };
        book.is_awaited = false;
        if book.is_behind {
            let written = match checked {
                Ok(()) => book.write(desk).await,
                error => error,
            };
            book.failed = written.err();
        }
    }

    async fn check(&self) -> Result<(), StateError> {
        let hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match hold {
            Some(hold) => hold.check().await,
            None => Ok(()),
        }
    }
}

/// What happens to an inventory.
pub(super) enum Change {
    /// Objects are about to be applied: nothing of it happens before it is written.
    Intend(Vec<Recorded>),
    /// An object was applied.
    Applied(Recorded),
    /// An object is gone.
    Removed(ObjectRef),
}

impl Change {
    fn made_in(self, inventory: &mut Inventory) {
        match self {
            Self::Intend(objects) => inventory.record(&objects),
            Self::Applied(object) => inventory.record(std::slice::from_ref(&object)),
            Self::Removed(object) => inventory.forget(&object),
        }
    }
}

/// All installations, in a namespace or in all, by name.
pub(super) async fn list(desk: &Desk, namespace: Option<&str>) -> Result<Vec<Installation>, StateError> {
    let mut installations = Vec::new();
    for found in desk.installations(namespace).await? {
        let there = Desk { namespace: found.own.namespace().into(), ..desk.clone() };
        let record = there.whole(&found).await?;
        let book = Book::read(&record, None, &there).map_err(|why| corrupt(&found.own, &why))?;
        installations.push(book.installation(&there).await?);
    }
    installations.sort_by(|a, b| (&a.name, &a.namespace).cmp(&(&b.name, &b.namespace)));
    Ok(installations)
}

impl Book {
    /// The record of an installation. None: there is no such installation.
    pub(super) async fn open(desk: &Desk, name: &str) -> Result<Option<Self>, StateError> {
        let subject = Subject::Installation(name.into());
        let (Some(own), Some(record)) = (subject.own(&desk.namespace), desk.read(&subject).await?) else {
            return Ok(None);
        };
        Self::read(&record, Some(name), desk).map(Some).map_err(|why| corrupt(&own, &why))
    }

    fn new(name: &str, namespace: &str, settings: Settings) -> Self {
        let head = Head { name: name.into(), namespace: namespace.into(), settings, claims: Vec::new() };
        Self {
            head,
            inventory: Inventory::default(),
            stamp: None,
            claim: None,
            is_behind: false,
            is_awaited: false,
            failed: None,
        }
    }

    /// What is recorded must be about what it was read for: a record that was copied elsewhere is none.
    fn read(record: &Record, name: Option<&str>, desk: &Desk) -> Result<Self, Unreadable> {
        let mut reader = Reader::new(&record.content);
        let head: Head = reader.expect()?;
        let is_other = name.is_some_and(|name| head.name != name) || *head.namespace != *desk.namespace;
        if is_other {
            return Err(Unreadable::Other);
        }
        let inventory = reader.rest::<Recorded>()?.into_iter().collect();
        let head = Head { settings: settings_here(head.settings, desk), ..head };
        let stamp = Some(record.stamp.clone());
        Ok(Self { inventory, stamp, ..Self::new("", "", Settings::default()) }.headed(head))
    }

    fn headed(self, head: Head) -> Self {
        Self { head, ..self }
    }

    /// The installation as its last run left it.
    pub(super) async fn installation(self, desk: &Desk) -> Result<Installation, StateError> {
        let last = match self.head.claims.iter().rev().find(|entry| entry.modifies) {
            Some(entry) => {
                let claimed = Claimed::open(desk, &self.head.name, &entry.claim).await?;
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
        })
    }

    /// The actions, oldest first.
    pub(super) async fn history(&self, desk: &Desk) -> Result<Vec<Revision>, StateError> {
        let own =
            |entry: &Entry| Subject::Claim(self.head.name.clone(), entry.claim.clone()).own(&desk.namespace);
        let ids: BTreeMap<_, _> =
            self.head.claims.iter().filter_map(|entry| Some((own(entry)?, &*entry.claim))).collect();
        let mut claims = BTreeMap::new();
        for found in desk.claims(&self.head.name).await? {
            if let Some(id) = ids.get(&found.own) {
                let record = desk.whole(&found).await?;
                let read = Claimed::read(&record, &self.head.name, id);
                let read = read.map_err(|why| corrupt(&found.own, &why))?;
                claims.insert(*id, Claimed { outputs: Vec::new(), ..read });
            }
        }
        let mut claimed = |entry: &Entry| claims.remove(&*entry.claim);
        self.head.claims.iter().map(|entry| self.revision(entry, claimed(entry))).collect()
    }

    /// Of each output, the last value. What the last claim set counts even where its run was cut off before it said so.
    pub(super) async fn outputs(&self, desk: &Desk) -> Result<BTreeMap<String, Value>, StateError> {
        let mut holds: BTreeMap<&str, &str> = BTreeMap::new();
        for entry in &self.head.claims {
            holds.extend(entry.outputs.iter().map(|name| (&**name, &*entry.claim)));
        }
        let last = self.head.claims.last().map(|entry| &*entry.claim);
        let wanted: BTreeSet<&str> = holds.values().copied().chain(last).collect();
        let mut outputs = BTreeMap::new();
        for entry in self.head.claims.iter().filter(|entry| wanted.contains(&*entry.claim)) {
            let claimed = Claimed::open(desk, &self.head.name, &entry.claim).await?;
            let set = claimed.map(|(claimed, _)| claimed.outputs).unwrap_or_default();
            outputs.extend(set.into_iter().map(|output| (output.name, output.value)));
        }
        Ok(outputs)
    }

    /// A claim that somebody removed is one whose end is not known.
    fn revision(&self, entry: &Entry, claimed: Option<Claimed>) -> Result<Revision, StateError> {
        let (document, status, message) = match claimed {
            Some(Claimed { document, result: Some(ended), .. }) => {
                (document, Some(ended.status), ended.message)
            }
            Some(Claimed { document, .. }) => (document, None, None),
            None => (self.missing(entry), None, Some("the record of its claim is gone".into())),
        };
        Revision::read(&document.to_string(), status, message, entry.modifies)
    }

    fn missing(&self, entry: &Entry) -> Value {
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
    async fn settle(&mut self, desk: &Desk) -> Result<(), StateError> {
        let name = &self.head.name;
        if let Some(stamp) = &self.stamp {
            desk.clean(name, self.head.claims.iter().map(|entry| &*entry.claim), stamp).await?;
        }
        let Some(entry) = self.head.claims.last_mut() else { return Ok(()) };
        let Some((mut claimed, stamp)) = Claimed::open(desk, name, &entry.claim).await? else {
            return Ok(());
        };
        entry.outputs = claimed.outputs.iter().map(|output| output.name.clone()).collect();
        if claimed.result.is_none() {
            let message = Some("the run was interrupted".into());
            claimed.result = Some(Ended::new(&entry.claim, "unknown", message));
            claimed.write(desk, name, &entry.claim, Some(&stamp)).await?;
        }
        Ok(())
    }

    /// Writes a claim that begins. The installation's record, which makes it one of its claims, follows.
    async fn claim(&mut self, desk: &Desk, claim: &Claim) -> Result<(), StateError> {
        let action = claim.document.get("action").and_then(Value::as_str).unwrap_or_default().to_owned();
        let document = without_files(claim.document.clone());
        let claimed = Claimed { document, result: None, outputs: Vec::new() };
        self.claim = Some(claimed.write(desk, &self.head.name, &claim.id, None).await?);
        let entry = Entry { claim: claim.id.clone(), action, modifies: claim.modifies, outputs: Vec::new() };
        self.head.claims.push(entry);
        Ok(())
    }

    async fn finish(&mut self, desk: &Desk, claim: &Claim, ending: &Ending<'_>) -> Result<(), StateError> {
        let result = Some(Ended::new(&claim.id, ending.status, ending.message.clone()));
        let output = |(name, value): (&String, &Value)| Output { name: name.clone(), value: value.clone() };
        let outputs = ending.outputs.iter().map(output).collect();
        let claimed = Claimed { document: without_files(claim.document.clone()), result, outputs };
        claimed.write(desk, &self.head.name, &claim.id, self.claim.as_ref()).await?;
        if let Some(entry) = self.head.claims.last_mut().filter(|entry| entry.claim == claim.id) {
            entry.outputs = ending.outputs.keys().cloned().collect();
        }
        self.write(desk).await
    }

    async fn write(&mut self, desk: &Desk) -> Result<(), StateError> {
        let subject = Subject::Installation(self.head.name.clone());
        let lines = self.lines().map_err(|why| unwritable(&subject, desk, &why))?;
        self.stamp = Some(desk.write(&subject, lines.bytes(), self.stamp.as_ref()).await?);
        self.is_behind = false;
        Ok(())
    }

    fn lines(&self) -> Result<Lines, Unreadable> {
        let mut lines = Lines::default();
        let settings = settings_for_all(self.head.settings.clone());
        lines.push(&Head { settings, ..self.head.clone() })?;
        self.inventory.iter().try_for_each(|recorded| lines.push(recorded))?;
        Ok(lines)
    }
}

impl Claimed {
    async fn open(desk: &Desk, name: &str, id: &str) -> Result<Option<(Self, Stamp)>, StateError> {
        let subject = Subject::Claim(name.into(), id.into());
        let (Some(own), Some(record)) = (subject.own(&desk.namespace), desk.read(&subject).await?) else {
            return Ok(None);
        };
        let claimed = Self::read(&record, name, id).map_err(|why| corrupt(&own, &why))?;
        Ok(Some((claimed, record.stamp)))
    }

    fn read(record: &Record, name: &str, id: &str) -> Result<Self, Unreadable> {
        let mut reader = Reader::new(&record.content);
        let document = without_files(reader.expect()?);
        let says = |member: &str| document.get(member).and_then(Value::as_str);
        if says("id") != Some(id) || says("installation") != Some(name) {
            return Err(Unreadable::Other);
        }
        Ok(Self { document, result: reader.expect()?, outputs: reader.rest()? })
    }

    async fn write(
        &self,
        desk: &Desk,
        name: &str,
        id: &str,
        over: Option<&Stamp>,
    ) -> Result<Stamp, StateError> {
        let subject = Subject::Claim(name.into(), id.into());
        let lines = self.lines().map_err(|why| unwritable(&subject, desk, &why))?;
        desk.write(&subject, lines.bytes(), over).await
    }

    fn lines(&self) -> Result<Lines, Unreadable> {
        let mut lines = Lines::default();
        lines.push(&self.document)?;
        lines.push(&self.result)?;
        self.outputs.iter().try_for_each(|output| lines.push(output))?;
        Ok(lines)
    }
}

impl Ended {
    fn new(claim: &str, status: &str, message: Option<String>) -> Self {
        Self { id: ulid(), claim_id: claim.into(), created: timestamp(), status: status.into(), message }
    }
}

fn unwritable(subject: &Subject, desk: &Desk, why: &Unreadable) -> StateError {
    match subject.own(&desk.namespace) {
        Some(own) => corrupt(&own, why),
        None => StateError::Missing(String::new()),
    }
}

/// What means the same to everybody. Where a kubeconfig or a file is, is each one's own matter.
fn settings_for_all(settings: Settings) -> Settings {
    let mut terms = settings.terms;
    terms.files.clear();
    Settings { place: settings.place.for_all(), terms, ..settings }
}

/// What was recorded, for the one who reads it. The installation is in the cluster that its record is in, by whatever
/// address that is reached.
fn settings_here(settings: Settings, desk: &Desk) -> Settings {
    let settings = settings_for_all(settings);
    let place = settings.place.with_server(Some(desk.records.server().address().to_owned()));
    Settings { place, ..settings }
}

/// A claim without the operator's own files. A path from a record is nobody's consent: whoever can write the record would
/// choose which file of the reader's a component sees.
fn without_files(mut claim: Value) -> Value {
    if let Some(Value::Object(terms)) = claim.pointer_mut("/custom/dev.carnet.run/terms") {
        terms.remove("files");
    }
    claim
}
