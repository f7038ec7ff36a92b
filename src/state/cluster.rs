//! The state of a team: records in the namespace of the installation, in the cluster.
//!
//! Records are Secrets and not ConfigMaps, though no credential is in them: parameters and outputs are nobody else's
//! business, and rights to read Secrets are handed out with care. There is one record for an installation (its
//! settings, its inventory and the order of its claims), one for each claim with its result and outputs, and one for
//! each bundle. Only the holder of the installation's Lease writes; and every write over a record names the version
//! that was read, so that one who lost the Lease without noticing changes nothing.

mod thread;
mod encoding;
mod object;
mod records;
mod subject;
mod record_store;
mod lease_record;
mod lease;
mod claim_record;
mod installation_record;
mod record_writer;
mod inventory_writer;
mod bundle;
pub mod record_text;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::{ConnectOptions, identity};
use crate::digest::Digest;
use crate::document::{self, chain};
use crate::fetch::Fetched;
use crate::grant;
use crate::kubernetes::rbac::{IdentityName, IdentityRecord};
use crate::targets::Ledger;

use super::{
    Holder, Identities, Installation, InstallationSettings, Installations, NewClaim, NewResult,
    RecordedClaim, Revisions, StateError, ulid,
};

use bundle::UnpackedBundle;
use encoding::UnreadableRecord;
use installation_record::InstallationRecord;
use inventory_writer::ClusterInventoryWriter;
pub(super) use lease::Lease;
use lease::LeaseHold;
use object::RecordName;
use record_store::{Record, RecordStore, corrupt};
use record_writer::RecordWriter;
use records::Records;
use subject::RecordSubject;
use thread::StateThread;

/// The state in one namespace of a cluster.
#[derive(Clone)]
pub(super) struct ClusterState {
    thread: Arc<StateThread>,
    store: RecordStore,
    who: Arc<str>,
    writer: Arc<RecordWriter>,
}

impl fmt::Display for ClusterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.store.records.server();
        let context = server.context().map(|name| format!("context `{name}`, ")).unwrap_or_default();
        write!(f, "the state in the cluster ({context}{})", server.address())
    }
}

impl ClusterState {
    /// Prepares to talk to the cluster.
    pub(super) fn connect(
        options: &ConnectOptions,
        namespace: Option<&str>,
        who: &str,
    ) -> Result<Self, StateError> {
        let thread = Arc::new(StateThread::start()?);
        let options = options.clone();
        let records = thread.wait(async move { Ok(Records::connect(&options).await?) })?;
        let namespace = namespace.unwrap_or(records.server().namespace()).into();
        let run = ulid();
        let store = RecordStore { records: Arc::new(records), namespace, run: run.to_lowercase().into() };
        Ok(Self { thread, store, who: format!("{who}, run {run}").into(), writer: Arc::default() })
    }

    /// This state, in another namespace.
    pub(super) fn within(&self, namespace: &str) -> Self {
        let store = RecordStore { namespace: namespace.into(), ..self.store.clone() };
        Self { store, ..self.clone() }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.store.namespace
    }

    pub(super) fn lock(&self, installation: &str) -> Result<Lease, StateError> {
        let (store, lease) = (self.store.clone(), self.lease(installation)?);
        let (who, name) = (self.who.clone(), installation.to_owned());
        let hold = self.thread.wait(async move { LeaseHold::take(&store, &name, lease, &who).await })?;
        // From here on it is given back, whatever goes wrong.
        let lease = Lease::new(Arc::clone(&self.thread), Arc::new(hold));
        if lease.hold().took_over() {
            self.fence(installation)?;
        }
        self.writer.held_by(lease.hold());
        Ok(lease)
    }

    pub(super) fn holder(&self, name: &str) -> Result<Option<Holder>, StateError> {
        let (store, lease) = (self.store.clone(), self.lease(name)?);
        self.thread.wait(async move { lease_record::holder(&store.records, &lease).await })
    }

    pub(super) fn unlock(&self, name: &str, holder: &Holder) -> Result<(), StateError> {
        let (store, lease) = (self.store.clone(), self.lease(name)?);
        let (name, holder) = (name.to_owned(), holder.clone());
        self.thread.wait(async move { lease_record::unlock(&store.records, &name, &lease, &holder).await })
    }

    /// Takes the record of an installation from whoever held it: they may go on without knowing, and must not write
    /// what they still have in mind.
    pub(super) fn fence(&self, name: &str) -> Result<(), StateError> {
        let (store, subject) = (self.store.clone(), RecordSubject::Installation(name.to_owned()));
        self.thread.wait(async move { store.fence(&subject).await })
    }

    /// Removes what the runs of an installation act as in the cluster, and says which of it could not be removed.
    /// Nobody may hold the installation then.
    pub(super) fn revoke(&self, name: &str) -> Result<Vec<String>, StateError> {
        let (store, found) = (self.store.clone(), self.identities(Some(name))?);
        self.thread.wait(async move {
            let mut left: Vec<_> = found.unreadable.iter().map(|fault| chain(fault)).collect();
            for record in found.readable {
                let server = store.records.server();
                match identity::remove(server, &record.owner, &grant::identity::parts(&record)).await {
                    // It may be in another cluster.
                    Ok(0) => {}
                    Ok(_) => forget_identity(&store, &record).await?,
                    Err(_) => left.push(record.name),
                }
            }
            Ok(left)
        })
    }

    pub(super) fn list(&self, namespace: Option<&str>) -> Result<Installations, StateError> {
        let (store, namespace) = (self.store.clone(), namespace.map(str::to_owned));
        self.thread.wait(async move { installation_record::list(&store, namespace.as_deref()).await })
    }

    pub(super) fn find(&self, name: &str) -> Result<Option<Installation>, StateError> {
        let (store, name, writer) = (self.store.clone(), name.to_owned(), Arc::clone(&self.writer));
        self.thread.wait(async move {
            let record = InstallationRecord::open(&store, &name).await?;
            writer.saw(&store, &name, record.as_ref().and_then(|record| record.version.clone()));
            match record {
                Some(record) => record.installation(&store).await.map(Some),
                None => Ok(None),
            }
        })
    }

    pub(super) fn revisions(&self, name: &str) -> Result<Revisions, StateError> {
        let (store, name) = (self.store.clone(), name.to_owned());
        self.thread.wait(async move {
            match InstallationRecord::open(&store, &name).await? {
                Some(record) => record.revisions(&store).await,
                None => Ok(Revisions::default()),
            }
        })
    }

    pub(super) fn claims(&self, name: &str) -> Result<Vec<RecordedClaim>, StateError> {
        let (store, name) = (self.store.clone(), name.to_owned());
        self.thread.wait(async move {
            match InstallationRecord::open(&store, &name).await? {
                Some(record) => record.recorded_claims(&store).await,
                None => Ok(Vec::new()),
            }
        })
    }

    pub(super) fn outputs(&self, name: &str) -> Result<BTreeMap<String, Value>, StateError> {
        let (store, name) = (self.store.clone(), name.to_owned());
        self.thread.wait(async move {
            match InstallationRecord::open(&store, &name).await? {
                Some(record) => record.outputs(&store).await,
                None => Ok(BTreeMap::new()),
            }
        })
    }

    /// Keeps a bundle, beside the signatures that are kept of it already. What is there and cannot be read is written
    /// anew.
    pub(super) async fn keep(&self, fetched: &Fetched) -> Result<(), StateError> {
        let (subject, layout) = (RecordSubject::Bundle(fetched.digest()), UnpackedBundle::empty()?);
        let kept = self.record(&subject)?;
        if let Some(kept) = &kept {
            // A file that is missing or too many shows below.
            drop(layout.fill(&kept.content));
        }
        let layout = match layout.add(fetched).await {
            Ok(()) => layout,
            Err(_) => UnpackedBundle::of(fetched).await?,
        };
        let Some(content) = layout.pack()? else { return Ok(()) };
        if kept.as_ref().is_some_and(|kept| kept.version.digest() == Digest::of(&content)) {
            return Ok(());
        }
        let (store, writer) = (self.store.clone(), Arc::clone(&self.writer));
        let written = self.thread.wait(async move {
            writer.check().await?;
            store.write(&subject, &content, kept.map(|kept| kept.version).as_ref()).await
        });
        match written {
            // Whoever needs it will be told.
            Err(StateError::TooLarge { .. }) => Ok(()),
            written => written.map(drop),
        }
    }

    pub(super) async fn load(&self, digest: Digest, origin: &str) -> Result<Fetched, StateError> {
        let subject = RecordSubject::Bundle(digest);
        let record = self.record(&subject)?.ok_or(StateError::NoBundle(digest))?;
        let layout = UnpackedBundle::empty()?;
        let name = subject.name(&self.store.namespace).ok_or(StateError::NoBundle(digest))?;
        layout.fill(&record.content).map_err(|why| corrupt(&name, &why))?;
        Ok(layout.load(digest, origin).await?)
    }

    pub(super) fn begin(
        &self,
        name: &str,
        settings: &InstallationSettings,
        claim: &NewClaim,
    ) -> Result<(), StateError> {
        let (store, writer, name) = (self.store.clone(), Arc::clone(&self.writer), name.to_owned());
        let (settings, claim) = (settings.clone(), claim.clone());
        self.thread.wait(async move { writer.begin(&store, &name, settings, &claim).await })
    }

    pub(super) fn finish(&self, claim: &NewClaim, result: &NewResult<'_>) -> Result<(), StateError> {
        let (store, writer, claim) = (self.store.clone(), Arc::clone(&self.writer), claim.clone());
        let (status, message) = (result.status, result.message.clone());
        let (outputs, stamp) = (result.outputs.clone(), result.stamp.clone());
        self.thread.wait(async move {
            let result = NewResult { status, message, outputs: &outputs, stamp };
            writer.finish(&store, &claim, &result).await
        })
    }

    pub(super) fn identify(&self, record: &IdentityRecord) -> Result<(), StateError> {
        let (store, subject) = (self.store.clone(), RecordSubject::Identity(record.name.clone()));
        let content = serde_json::to_vec(record).map_err(document::InvalidDocument::from)?;
        let writer = Arc::clone(&self.writer);
        self.thread.wait(async move {
            writer.check().await?;
            store.write(&subject, &content, None).await.map(drop)
        })
    }

    pub(super) fn identities(&self, name: Option<&str>) -> Result<Identities, StateError> {
        let (store, name) = (self.store.clone(), name.map(str::to_owned));
        self.thread.wait(async move {
            let mut identities = Vec::new();
            for found in store.identities().await? {
                let whole = store.whole(&found).await;
                identities.push(whole.and_then(|whole| identity_in(&store, &found.name, &whole.content)));
            }
            let mut identities = Identities::of(identities);
            identities.readable.retain(|record| is_of(&record.owner, &store.namespace, name.as_deref()));
            Ok(identities)
        })
    }

    pub(super) fn forget_identity(&self, record: &IdentityRecord) -> Result<(), StateError> {
        let (store, record) = (self.store.clone(), record.clone());
        self.thread.wait(async move { forget_identity(&store, &record).await })
    }

    pub(super) fn ledger(&self, name: &str) -> Box<dyn Ledger> {
        let (thread, writer) = (Arc::clone(&self.thread), Arc::clone(&self.writer));
        Box::new(ClusterInventoryWriter { thread, store: self.store.clone(), writer, name: name.into() })
    }

    fn record(&self, subject: &RecordSubject) -> Result<Option<Record>, StateError> {
        let (store, subject) = (self.store.clone(), subject.clone());
        self.thread.wait(async move { store.read(&subject).await })
    }

    fn lease(&self, name: &str) -> Result<RecordName, StateError> {
        RecordName::lease(&self.store.namespace, name).ok_or_else(|| StateError::Missing(name.into()))
    }
}

async fn forget_identity(store: &RecordStore, record: &IdentityRecord) -> Result<(), StateError> {
    match RecordSubject::Identity(record.name.clone()).name(&store.namespace) {
        Some(name) => match store.records.get(&name).await? {
            Some(found) => Ok(store.records.delete(&name, &found.version.same()).await?),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

/// Whether an owner is this installation in a namespace, or any one there. Who can write records in one namespace says
/// nothing about the installations of another.
fn is_of(owner: &str, namespace: &str, name: Option<&str>) -> bool {
    owner.split_once('/').is_some_and(|(its_namespace, its_name)| {
        its_namespace == namespace && name.is_none_or(|name| name == its_name)
    })
}

/// The identity that a record is about. What is left of it is removed with the reader's own rights, so its name must be
/// one that only identities of ours have. It is in the cluster that its record is in, by whatever address that is
/// reached.
fn identity_in(store: &RecordStore, name: &RecordName, content: &[u8]) -> Result<IdentityRecord, StateError> {
    let (record, _): (IdentityRecord, _) = document::typed(document::json(content)?)?;
    let is_ours = IdentityName::parse(&record.name).is_some();
    if !is_ours || RecordSubject::Identity(record.name.clone()).name(&store.namespace).as_ref() != Some(name)
    {
        return Err(corrupt(name, &UnreadableRecord::Other));
    }
    Ok(IdentityRecord { server: store.records.server().address().to_owned(), ..record })
}
