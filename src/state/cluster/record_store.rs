//! Turns a record into the one Secret, or the several, that it takes, and back.
//!
//! It is a module so that nobody else sees a part of a record: one is read whole or not at all, and written so that
//! whoever reads meanwhile finds the old one or the new one.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::cluster::{Error, Precondition};
use crate::digest::Digest;
use crate::state::StateError;

use super::encoding::{self, Header, MAX_PACKED, UnreadableRecord};
use super::object::{ObjectVersion, RECORD, RecordName, RecordObject};
use super::records::{ListedRecord, Records};
use super::subject::{INSTALLATION, KIND, RecordSubject};

/// The field manager of records that are written over. One that is new has a manager of the run's own, so that two who
/// write the first one get in each other's way.
const MANAGER: &str = "carnet-state";

/// The label that says which record a piece belongs to.
const PIECE_OF: &str = "carnet.dev/piece-of";

/// The annotation of a record that was taken from a run: by whom. The next write removes it.
const FENCED: &str = "carnet.dev/taken-by";

/// How often a record is read that somebody writes at the same moment.
const TRIES: usize = 4;

/// Where records are, and which run writes them.
#[derive(Clone)]
pub(super) struct RecordStore {
    pub(super) records: Arc<Records>,
    pub(super) namespace: Arc<str>,
    /// The id of the run, in lower case.
    pub(super) run: Arc<str>,
}

/// A record as it was read.
pub(super) struct Record {
    pub(super) content: Vec<u8>,
    pub(super) version: RecordVersion,
}

/// Which state of a record it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordVersion {
    version: ObjectVersion,
    header: Header,
}

impl RecordVersion {
    /// The digest of what was read.
    pub(super) fn digest(&self) -> Digest {
        self.header.digest
    }
}

impl RecordStore {
    /// Reads a record. None: it is not there.
    pub(super) async fn read(&self, subject: &RecordSubject) -> Result<Option<Record>, StateError> {
        let Some(name) = subject.name(&self.namespace) else { return Ok(None) };
        for _ in 1..TRIES {
            let Some(found) = self.records.get(&name).await? else { return Ok(None) };
            match self.whole(&found).await {
                // A piece is gone because somebody has written the record anew: there is another whole by now.
                Err(StateError::Corrupt { .. }) => {}
                whole => return whole.map(Some),
            }
        }
        match self.records.get(&name).await? {
            Some(found) => self.whole(&found).await.map(Some),
            None => Ok(None),
        }
    }

    /// The record that a first piece is of.
    pub(super) async fn whole(&self, found: &RecordObject) -> Result<Record, StateError> {
        let name = &found.name;
        let corrupt = |why: UnreadableRecord| corrupt(name, &why);
        let header = Header::read(&data(found, "header")?).map_err(corrupt)?;
        let mut pieces = vec![data(found, "content")?];
        for number in 1..header.pieces {
            let piece = piece(name, &header, number).ok_or_else(|| corrupt(UnreadableRecord::Incomplete))?;
            let found = self.records.get(&piece).await?;
            pieces.push(data(&found.ok_or_else(|| corrupt(UnreadableRecord::Incomplete))?, "content")?);
        }
        let content = header.unpack(&pieces).map_err(corrupt)?;
        Ok(Record { content, version: RecordVersion { version: found.version.clone(), header } })
    }

    /// Writes a record, over nothing or over the one that was read. The first piece is last: until it is there, all is
    /// as it was.
    pub(super) async fn write(
        &self,
        subject: &RecordSubject,
        content: &[u8],
        over: Option<&RecordVersion>,
    ) -> Result<RecordVersion, StateError> {
        let too_large = || StateError::TooLarge {
            what: format!("the record of the {}", subject.word()),
            max: MAX_PACKED,
        };
        let name = subject.name(&self.namespace).ok_or_else(|| StateError::Missing(subject.word().into()))?;
        let (header, pieces) = encoding::pack(content).ok_or_else(too_large)?;
        for (number, bytes) in pieces.iter().enumerate().skip(1) {
            let piece = piece(&name, &header, number).ok_or_else(too_large)?;
            let body = self.piece_body(subject, &name, bytes);
            self.records.apply(&piece, body, &self.manager(), &Precondition::default()).await?;
        }
        let body = json!({
            "type": RECORD,
            "metadata": { "labels": subject.labels() },
            "data": {
                "header": BASE64.encode(serde_json::to_vec(&header).unwrap_or_default()),
                "content": BASE64.encode(pieces.first().map(Vec::as_slice).unwrap_or_default()),
            },
        });
        let found = match over {
            Some(version) => self.records.apply(&name, body, MANAGER, &version.version.unchanged()).await?,
            None => self.records.apply(&name, body, &self.manager(), &Precondition::default()).await?,
        };
        if header.pieces > 1 || over.is_some_and(|version| version.header.pieces > 1) {
            self.sweep(&name, &header).await?;
        }
        Ok(RecordVersion { version: found.version, header })
    }

    /// Writes a record anew as it is, so that nobody who read it before writes over it any more.
    pub(super) async fn fence(&self, subject: &RecordSubject) -> Result<(), StateError> {
        let Some(name) = subject.name(&self.namespace) else { return Ok(()) };
        for _ in 0..TRIES {
            let Some(found) = self.records.get(&name).await? else { return Ok(()) };
            let body = json!({
                "type": RECORD,
                "metadata": { "labels": subject.labels(), "annotations": { FENCED: *self.run } },
                "data": found.value.get("data"),
            });
            match self.records.apply(&name, body, MANAGER, &found.version.unchanged()).await {
                Err(Error::Changed(_)) => {}
                done => return Ok(done.map(drop)?),
            }
        }
        Err(Error::Changed(name.to_string()).into())
    }

    /// The records of all claims of an installation.
    pub(super) async fn claims(&self, name: &str) -> Result<Vec<ListedRecord>, StateError> {
        Ok(self.records.list(Some(&self.namespace), &[(KIND, "claim"), (INSTALLATION, name)]).await?)
    }

    /// The records of all installations, in a namespace or in all.
    pub(super) async fn installations(
        &self,
        namespace: Option<&str>,
    ) -> Result<Vec<ListedRecord>, StateError> {
        Ok(self.records.list(namespace, &[(KIND, "installation")]).await?)
    }

    /// The records of all identities.
    pub(super) async fn identities(&self) -> Result<Vec<RecordObject>, StateError> {
        let found = self.records.list(Some(&self.namespace), &[(KIND, "identity")]).await?;
        Ok(found.into_iter().map(|(_, found)| found).collect::<Result<_, _>>()?)
    }

    /// Removes what runs that were cut off have left: claims that never began, and pieces of what was never whole.
    /// `known` are the claims that began, `version` is that of the installation's record.
    pub(super) async fn clean(
        &self,
        name: &str,
        known: impl Iterator<Item = &str>,
        version: &RecordVersion,
    ) -> Result<(), StateError> {
        let claims =
            known.filter_map(|id| RecordSubject::Claim(name.into(), id.into()).name(&self.namespace));
        let claims: BTreeSet<RecordName> = claims.collect();
        let marks: BTreeSet<String> = claims.iter().map(mark).collect();
        let installation = RecordSubject::Installation(name.into()).name(&self.namespace);
        let current = installation.as_ref().map(|name| pieces_of(name, &version.header));
        for (name, seen) in self.records.names(&self.namespace, &[(INSTALLATION, name)]).await? {
            let is_known = Some(&name) == installation.as_ref()
                || claims.contains(&name)
                || mark_in(&name).is_some_and(|mark| marks.contains(mark))
                || current.as_ref().is_some_and(|start| name.as_str().starts_with(start));
            if !is_known {
                self.records.delete(&name, &seen).await?;
            }
        }
        Ok(())
    }

    /// Removes the pieces of a record that are none of this one's.
    async fn sweep(&self, name: &RecordName, header: &Header) -> Result<(), StateError> {
        for (piece, seen) in self.records.names(&self.namespace, &[(PIECE_OF, &mark(name))]).await? {
            if !piece.as_str().starts_with(&pieces_of(name, header)) {
                self.records.delete(&piece, &seen).await?;
            }
        }
        Ok(())
    }

    fn piece_body(&self, subject: &RecordSubject, name: &RecordName, bytes: &[u8]) -> Value {
        let mark = mark(name);
        let mut labels = subject.labels();
        labels.extend([(KIND, "piece"), (PIECE_OF, &*mark)]);
        json!({ "type": RECORD, "metadata": { "labels": labels }, "data": { "content": BASE64.encode(bytes) } })
    }

    /// The field manager of this run alone.
    pub(super) fn manager(&self) -> String {
        format!("carnet-run/{}", self.run)
    }
}

/// An error about a record, with its name.
pub(super) fn corrupt(name: &RecordName, why: &dyn std::fmt::Display) -> StateError {
    StateError::Corrupt { record: name.to_string(), why: why.to_string() }
}

/// The error of writing over a record that is not the one that was read: another run has begun.
pub(super) fn lost(installation: &str, error: StateError) -> StateError {
    match error {
        StateError::Cluster(Error::Changed(_) | Error::Conflict { .. }) => StateError::Lost {
            name: installation.into(),
            why: "its record was changed by somebody else".into(),
        },
        error => error,
    }
}

/// An error about a record that cannot be written, by its subject.
pub(super) fn unwritable(
    subject: &RecordSubject,
    store: &RecordStore,
    why: &dyn std::fmt::Display,
) -> StateError {
    match subject.name(&store.namespace) {
        Some(name) => corrupt(&name, why),
        None => StateError::Missing(String::new()),
    }
}

/// A piece's name is made of digests, of the record's name and of its content.
fn piece(name: &RecordName, header: &Header, number: usize) -> Option<RecordName> {
    let digest = short(&header.digest);
    RecordName::record(name.namespace(), &["piece", &mark(name), &digest, &number.to_string()])
}

/// How the names of the pieces of a record begin.
fn pieces_of(name: &RecordName, header: &Header) -> String {
    format!("carnet.piece.{}.{}.", mark(name), short(&header.digest))
}

/// The mark of the record that a piece belongs to.
fn mark_in(piece: &RecordName) -> Option<&str> {
    piece.as_str().strip_prefix("carnet.piece.")?.split('.').next()
}

/// The mark of a record in the names and labels of its pieces.
fn mark(name: &RecordName) -> String {
    short(&Digest::of(name.as_str().as_bytes()))
}

fn short(digest: &Digest) -> String {
    digest.hex().chars().take(32).collect()
}

/// A member of a Secret's data.
fn data(found: &RecordObject, name: &str) -> Result<Vec<u8>, StateError> {
    let text = found.value.pointer("/data").and_then(|data| data.get(name)).and_then(Value::as_str);
    let text = text.ok_or_else(|| corrupt(&found.name, &format!("it has no `{name}`")))?;
    BASE64.decode(text).map_err(|_| corrupt(&found.name, &format!("its `{name}` is not base64")))
}
