//! The state of a team: records in the namespace of the installation, in the cluster.
//!
//! Records are Secrets and not ConfigMaps, though no credential is in them: parameters and outputs are nobody else's
//! business, and rights to read Secrets are handed out with care. There is one record for an installation (its settings,
//! its inventory and the order of its claims), one for each claim with its result and outputs, and one for each bundle.
//! Only the holder of the installation's Lease writes; and every write over a record names the version that was read, so
//! that one who lost the Lease without noticing changes nothing.

mod record;
mod desk;
mod office;
mod lease;
mod book;
mod bundle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::ConnectOptions;
use crate::cluster::records::{Own, Records};
use crate::digest::Digest;
use crate::document::{self, chain};
use crate::fetch::Fetched;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::IdentityRecord;
use crate::targets::{self, Ledger, Recorded};

use super::{Claim, Ending, Holder, Installation, Revision, Settings, StateError, ulid};

use book::{Book, Books, Change};
use bundle::Unpacked;
use desk::{Desk, Record, Subject, corrupt};
use lease::Hold;
pub(super) use lease::Lease;
use office::Office;
use record::Unreadable;

/// How long what has happened may be known to this process alone.
const SOON: Duration = Duration::from_millis(500);

/// The state in one namespace of a cluster.
#[derive(Clone)]
pub(super) struct Cluster {
    office: Arc<Office>,
    desk: Desk,
    who: Arc<str>,
    books: Arc<Books>,
}

impl Cluster {
    /// Prepares to talk to the cluster.
    pub(super) fn connect(
        options: &ConnectOptions,
        namespace: Option<&str>,
        who: &str,
    ) -> Result<Self, StateError> {
        let office = Arc::new(Office::open()?);
        let options = options.clone();
        let records = office.wait(async move { Ok(Records::connect(&options).await?) })?;
        let namespace = namespace.unwrap_or(records.server().namespace()).into();
        let run = ulid();
        let desk = Desk { records: Arc::new(records), namespace, run: run.to_lowercase().into() };
        Ok(Self { office, desk, who: format!("{who}, run {run}").into(), books: Arc::default() })
    }

    /// The same state in another namespace.
    pub(super) fn within(&self, namespace: &str) -> Self {
        let desk = Desk { namespace: namespace.into(), ..self.desk.clone() };
        Self { desk, ..self.clone() }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.desk.namespace
    }

    pub(super) fn lock(&self, name: &str) -> Result<Lease, StateError> {
        let (desk, own, who, name) =
            (self.desk.clone(), self.lease(name)?, self.who.clone(), name.to_owned());
        let hold = self.office.wait(async move { Hold::take(&desk, &name, own, &who).await })?;
        let lease = Lease::new(Arc::clone(&self.office), Arc::new(hold));
        self.books.held_by(lease.hold());
        Ok(lease)
    }

    pub(super) fn holder(&self, name: &str) -> Result<Option<Holder>, StateError> {
        let (desk, own) = (self.desk.clone(), self.lease(name)?);
        self.office.wait(async move { lease::holder(&desk.records, &own).await })
    }

    pub(super) fn unlock(&self, name: &str, holder: &Holder) -> Result<(), StateError> {
        let (desk, own) = (self.desk.clone(), self.lease(name)?);
        let (name, holder) = (name.to_owned(), holder.clone());
        self.office.wait(async move { lease::unlock(&desk.records, &name, &own, &holder).await })
    }

    pub(super) fn list(&self, namespace: Option<&str>) -> Result<Vec<Installation>, StateError> {
        let (desk, namespace) = (self.desk.clone(), namespace.map(str::to_owned));
        self.office.wait(async move { book::list(&desk, namespace.as_deref()).await })
    }

    pub(super) fn find(&self, name: &str) -> Result<Option<Installation>, StateError> {
        let (desk, name) = (self.desk.clone(), name.to_owned());
        self.office.wait(async move {
            match Book::open(&desk, &name).await? {
                Some(book) => book.installation(&desk).await.map(Some),
                None => Ok(None),
            }
        })
    }

    pub(super) fn history(&self, name: &str) -> Result<Vec<Revision>, StateError> {
        let (desk, name) = (self.desk.clone(), name.to_owned());
        self.office.wait(async move {
            match Book::open(&desk, &name).await? {
                Some(book) => book.history(&desk).await,
                None => Ok(Vec::new()),
            }
        })
    }

    pub(super) fn outputs(&self, name: &str) -> Result<BTreeMap<String, Value>, StateError> {
        let (desk, name) = (self.desk.clone(), name.to_owned());
        self.office.wait(async move {
            match Book::open(&desk, &name).await? {
                Some(book) => book.outputs(&desk).await,
                None => Ok(BTreeMap::new()),
            }
        })
    }

    /// Keeps a bundle, beside the signatures that are kept of it already. What is there and cannot be read is written anew.
    pub(super) async fn keep(&self, fetched: &Fetched) -> Result<(), StateError> {
        let (subject, layout) = (Subject::Bundle(fetched.digest()), Unpacked::empty()?);
        let kept = self.record(&subject)?;
        if let Some(kept) = &kept {
            // What it lacks or has too much of shows below.
            drop(layout.fill(&kept.content));
        }
        let layout = match layout.add(fetched).await {
            Ok(()) => layout,
            Err(_) => Unpacked::of(fetched).await?,
        };
        let Some(content) = layout.pack()? else { return Ok(()) };
        if kept.as_ref().is_some_and(|kept| kept.stamp.digest() == Digest::of(&content)) {
            return Ok(());
        }
        let desk = self.desk.clone();
        let written = self
            .office
            .wait(async move { desk.write(&subject, &content, kept.map(|kept| kept.stamp).as_ref()).await });
        match written {
            // Whoever needs it will be told.
            Err(StateError::TooLarge { .. }) => Ok(()),
            written => written.map(drop),
        }
    }

    pub(super) async fn load(&self, digest: Digest, origin: &str) -> Result<Fetched, StateError> {
        let subject = Subject::Bundle(digest);
        let record = self.record(&subject)?.ok_or(StateError::NoBundle(digest))?;
        let layout = Unpacked::empty()?;
        let own = subject.own(&self.desk.namespace).ok_or(StateError::NoBundle(digest))?;
        layout.fill(&record.content).map_err(|why| corrupt(&own, &why))?;
        Ok(layout.load(digest, origin).await?)
    }

    pub(super) fn begin(&self, name: &str, settings: &Settings, claim: &Claim) -> Result<(), StateError> {
        let (desk, books, name) = (self.desk.clone(), Arc::clone(&self.books), name.to_owned());
        let (settings, claim) = (settings.clone(), claim.clone());
        self.office.wait(async move { books.begin(&desk, &name, settings, &claim).await })
    }

    pub(super) fn finish(&self, claim: &Claim, ending: &Ending<'_>) -> Result<(), StateError> {
        let (desk, books, claim) = (self.desk.clone(), Arc::clone(&self.books), claim.clone());
        let (status, message) = (ending.status.to_owned(), ending.message.clone());
        let outputs = ending.outputs.clone();
        self.office.wait(async move {
            let ending = Ending { status: &status, message, outputs: &outputs };
            books.finish(&desk, &claim, &ending).await
        })
    }

    pub(super) fn identify(&self, minted: &IdentityRecord) -> Result<(), StateError> {
        let (desk, subject) = (self.desk.clone(), Subject::Identity(minted.name.clone()));
        let content = serde_json::to_vec(minted).map_err(document::Invalid::from)?;
        self.office.wait(async move { desk.write(&subject, &content, None).await.map(drop) })
    }

    pub(super) fn identities(&self, name: Option<&str>) -> Result<Vec<IdentityRecord>, StateError> {
        let (desk, owner) = (self.desk.clone(), name.map(|name| format!("{}/{name}", self.desk.namespace)));
        self.office.wait(async move {
            let mut identities = Vec::new();
            for found in desk.identities().await? {
                let content = desk.whole(&found).await?.content;
                identities.push(minted_in(&desk, &found.own, &content)?);
            }
            identities.retain(|minted| owner.as_ref().is_none_or(|owner| *owner == minted.owner));
            Ok(identities)
        })
    }

    pub(super) fn forget_identity(&self, minted: &IdentityRecord) -> Result<(), StateError> {
        let desk = self.desk.clone();
        let Some(own) = Subject::Identity(minted.name.clone()).own(&desk.namespace) else { return Ok(()) };
        self.office.wait(async move { Ok(desk.records.delete(&own, None).await?) })
    }

    pub(super) fn ledger(&self, name: &str) -> Box<dyn Ledger> {
        Box::new(Journal { cluster: self.clone(), name: name.into() })
    }

    fn record(&self, subject: &Subject) -> Result<Option<Record>, StateError> {
        let (desk, subject) = (self.desk.clone(), subject.clone());
        self.office.wait(async move { desk.read(&subject).await })
    }

    fn lease(&self, name: &str) -> Result<Own, StateError> {
        Own::lease(&self.desk.namespace, name).ok_or_else(|| StateError::Missing(name.into()))
    }
}

/// The identity that a record is about. What is left of it is removed with the reader's own rights, so its name must be one
/// that only identities of ours have. It is in the cluster that its record is in, by whatever address that is reached.
fn minted_in(desk: &Desk, own: &Own, content: &[u8]) -> Result<IdentityRecord, StateError> {
    let (minted, _): (IdentityRecord, _) = document::typed(document::json(content)?)?;
    let id = minted.name.strip_prefix("carnet-").unwrap_or_default();
    let is_ours = ulid::Ulid::from_string(id).is_ok();
    if !is_ours || Subject::Identity(minted.name.clone()).own(&desk.namespace).as_ref() != Some(own) {
        return Err(corrupt(own, &Unreadable::Other));
    }
    Ok(IdentityRecord { server: desk.records.server().address().to_owned(), ..minted })
}

/// The inventory of one installation, as a run changes it. What is about to happen is written at once; what has happened,
/// soon and together: a record that lacks it names the same objects, without their identity.
struct Journal {
    cluster: Cluster,
    name: String,
}

impl Journal {
    fn change(&self, change: Change) -> Result<(), targets::Error> {
        let (desk, books, name) =
            (self.cluster.desk.clone(), Arc::clone(&self.cluster.books), self.name.clone());
        let done = self.cluster.office.wait(async move { books.change(&desk, &name, change).await });
        let is_behind = done.map_err(|error| targets::Error::Ledger(chain(&error)))?;
        if is_behind {
            let (desk, books) = (self.cluster.desk.clone(), Arc::clone(&self.cluster.books));
            self.cluster.office.begin(async move {
                tokio::time::sleep(SOON).await;
                books.catch_up(&desk).await;
            });
        }
        Ok(())
    }
}

impl Ledger for Journal {
    fn intend(&mut self, objects: &[Recorded]) -> Result<(), targets::Error> {
        self.change(Change::Intend(objects.to_vec()))
    }

    fn applied(&mut self, object: &Recorded) -> Result<(), targets::Error> {
        self.change(Change::Applied(object.clone()))
    }

    fn removed(&mut self, object: &ObjectRef) -> Result<(), targets::Error> {
        self.change(Change::Removed(object.clone()))
    }
}
