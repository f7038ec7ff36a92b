//! Reads and writes whole records: the one Secret, or the several, that a record takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::cluster::records::{Found, Over, Own, RECORD, Records, Version};
use crate::digest::Digest;

use super::super::StateError;
use super::record::{self, Header, MAX_PACKED, Unreadable};

/// The field manager of records that are written over. One that is new has a manager of the run's own, so that two who
/// write the first one get in each other's way.
const MANAGER: &str = "carnet-state";

/// The label that says what a record is about.
const KIND: &str = "carnet.dev/record";

/// The label that says of which installation a record is.
const INSTALLATION: &str = "carnet.dev/installation";

/// The label that says which record a piece belongs to.
const PIECE_OF: &str = "carnet.dev/piece-of";

/// How often a record is read that somebody writes at the same moment.
const TRIES: usize = 4;

/// Where records are, and which run writes them.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) records: Arc<Records>,
    pub(super) namespace: Arc<str>,
    /// The id of the run, in lower case.
    pub(super) run: Arc<str>,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// A bundle, by its digest.
    Bundle(Digest),
    /// A claim of an installation, by its id.
    Claim(String, String),
    /// An identity that was made for a run, by its name. Whose it is, it says itself.
    Identity(String),
    /// An installation.
    Installation(String),
}

/// A record as it was read.
pub(super) struct Record {
    pub(super) content: Vec<u8>,
    pub(super) stamp: Stamp,
}

/// Which state of a record it was.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    version: Version,
    header: Header,
}

impl Subject {
    fn word(&self) -> &'static str {
        match self {
            Self::Bundle(_) => "bundle",
            Self::Claim(..) => "claim",
            Self::Identity(_) => "identity",
            Self::Installation(_) => "installation",
        }
    }

    fn installation(&self) -> Option<&str> {
        match self {
            Self::Bundle(_) | Self::Identity(_) => None,
            Self::Claim(name, _) | Self::Installation(name) => Some(name),
        }
    }

    /// The name of its record. None: it is about something that cannot have one.
    pub(super) fn own(&self, namespace: &str) -> Option<Own> {
        match self {
            Self::Bundle(digest) => {
                let hex = digest.hex();
                let (first, second) = hex.split_at(hex.len() / 2);
                Own::record(namespace, &[self.word(), first, second])
            }
            Self::Claim(name, id) => Own::record(namespace, &[self.word(), name, &id.to_lowercase()]),
            Self::Identity(name) | Self::Installation(name) => Own::record(namespace, &[self.word(), name]),
        }
    }

    fn labels(&self) -> BTreeMap<&'static str, &str> {
        let mut labels = BTreeMap::from([("app.kubernetes.io/managed-by", "carnet"), (KIND, self.word())]);
        labels.extend(self.installation().map(|name| (INSTALLATION, name)));
        labels
    }
}

impl Stamp {
    /// The digest of what was read.
    pub(super) fn digest(&self) -> Digest {
        self.header.digest
    }
}

impl Desk {
    /// Reads a record. None: it is not there.
    pub(super) async fn read(&self, subject: &Subject) -> Result<Option<Record>, StateError> {
        let Some(own) = subject.own(&self.namespace) else { return Ok(None) };
        for _ in 1..TRIES {
            let Some(found) = self.records.get(&own).await? else { return Ok(None) };
            match self.whole(&found).await {
                // A piece is gone because somebody has written the record anew: there is another whole by now.
                Err(StateError::Corrupt { .. }) => {}
                whole => return whole.map(Some),
            }
        }
        match self.records.get(&own).await? {
            Some(found) => self.whole(&found).await.map(Some),
            None => Ok(None),
        }
    }

    /// The record that a first piece is of.
    pub(super) async fn whole(&self, found: &Found) -> Result<Record, StateError> {
        let own = &found.own;
        let corrupt = |why: Unreadable| corrupt(own, &why);
        let header = Header::read(&data(found, "header")?).map_err(corrupt)?;
        let mut pieces = vec![data(found, "content")?];
        for number in 1..header.pieces {
            let piece = piece(own, &header, number).ok_or_else(|| corrupt(Unreadable::Incomplete))?;
            let found = self.records.get(&piece).await?;
            pieces.push(data(&found.ok_or_else(|| corrupt(Unreadable::Incomplete))?, "content")?);
        }
        let content = header.unpack(&pieces).map_err(corrupt)?;
        Ok(Record { content, stamp: Stamp { version: found.version.clone(), header } })
    }

    /// Writes a record, over nothing or over the one that was read. The first piece is last: until it is there, all is as
    /// it was.
    pub(super) async fn write(
        &self,
        subject: &Subject,
        content: &[u8],
        over: Option<&Stamp>,
    ) -> Result<Stamp, StateError> {
        let too_large = || StateError::TooLarge {
            what: format!("the record of the {}", subject.word()),
            max: MAX_PACKED,
        };
        let own = subject.own(&self.namespace).ok_or_else(|| StateError::Missing(subject.word().into()))?;
        let (header, pieces) = record::pack(content).ok_or_else(too_large)?;
        for (number, bytes) in pieces.iter().enumerate().skip(1) {
            let piece = piece(&own, &header, number).ok_or_else(too_large)?;
            let body = self.piece_body(subject, &own, bytes);
            self.records.apply(&piece, body, &self.manager(), Over::Nothing).await?;
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
            Some(stamp) => self.records.apply(&own, body, MANAGER, Over::Version(&stamp.version)).await?,
            None => self.records.apply(&own, body, &self.manager(), Over::Nothing).await?,
        };
        if header.pieces > 1 || over.is_some_and(|stamp| stamp.header.pieces > 1) {
            self.sweep(&own, &header).await?;
        }
        Ok(Stamp { version: found.version, header })
    }

    /// The records of all claims of an installation.
    pub(super) async fn claims(&self, name: &str) -> Result<Vec<Found>, StateError> {
        Ok(self.records.list(Some(&self.namespace), &[(KIND, "claim"), (INSTALLATION, name)]).await?)
    }

    /// The records of all installations, in a namespace or in all.
    pub(super) async fn installations(&self, namespace: Option<&str>) -> Result<Vec<Found>, StateError> {
        Ok(self.records.list(namespace, &[(KIND, "installation")]).await?)
    }

    /// The records of all identities.
    pub(super) async fn identities(&self) -> Result<Vec<Found>, StateError> {
        Ok(self.records.list(Some(&self.namespace), &[(KIND, "identity")]).await?)
    }

    /// Removes what runs that were cut off have left: claims that never began, and pieces of what was never whole.
    /// `known` are the claims that began, `stamp` is that of the installation's record.
    pub(super) async fn clean(
        &self,
        name: &str,
        known: impl Iterator<Item = &str>,
        stamp: &Stamp,
    ) -> Result<(), StateError> {
        let claims = known.filter_map(|id| Subject::Claim(name.into(), id.into()).own(&self.namespace));
        let claims: Vec<Own> = claims.collect();
        let installation = Subject::Installation(name.into()).own(&self.namespace);
        let current = installation.iter().map(|own| pieces_of(own, &stamp.header));
        let pieces: Vec<String> =
            claims.iter().map(|own| format!("carnet.piece.{}.", mark(own))).chain(current).collect();
        for own in self.records.names(&self.namespace, &[(INSTALLATION, name)]).await? {
            let is_known = Some(&own) == installation.as_ref()
                || claims.contains(&own)
                || pieces.iter().any(|start| own.name().starts_with(start));
            if !is_known {
                self.records.delete(&own, None).await?;
            }
        }
        Ok(())
    }

    /// Removes the pieces of a record that are none of this one's.
    async fn sweep(&self, own: &Own, header: &Header) -> Result<(), StateError> {
        for piece in self.records.names(&self.namespace, &[(PIECE_OF, &mark(own))]).await? {
            if !piece.name().starts_with(&pieces_of(own, header)) {
                self.records.delete(&piece, None).await?;
            }
        }
        Ok(())
    }

    fn piece_body(&self, subject: &Subject, own: &Own, bytes: &[u8]) -> Value {
        let mark = mark(own);
        let mut labels = subject.labels();
        labels.extend([(KIND, "piece"), (PIECE_OF, &*mark)]);
        json!({ "type": RECORD, "metadata": { "labels": labels }, "data": { "content": BASE64.encode(bytes) } })
    }

    /// The field manager of this run alone.
    pub(super) fn manager(&self) -> String {
        format!("carnet-run/{}", self.run)
    }
}

/// What is wrong with a record, with its name.
pub(super) fn corrupt(own: &Own, why: &dyn std::fmt::Display) -> StateError {
    StateError::Corrupt { record: own.to_string(), why: why.to_string() }
}

/// A piece's name is made of digests, of the record's name and of its content.
fn piece(own: &Own, header: &Header, number: usize) -> Option<Own> {
    let digest = short(&header.digest);
    Own::record(own.namespace(), &["piece", &mark(own), &digest, &number.to_string()])
}

/// How the names of the pieces of a record begin.
fn pieces_of(own: &Own, header: &Header) -> String {
    format!("carnet.piece.{}.{}.", mark(own), short(&header.digest))
}

/// What stands for a record in the names and labels of its pieces.
fn mark(own: &Own) -> String {
    short(&Digest::of(own.name().as_bytes()))
}

fn short(digest: &Digest) -> String {
    digest.hex().chars().take(32).collect()
}

/// A member of a Secret's data.
fn data(found: &Found, name: &str) -> Result<Vec<u8>, StateError> {
    let text = found.value.pointer("/data").and_then(|data| data.get(name)).and_then(Value::as_str);
    let text = text.ok_or_else(|| corrupt(&found.own, &format!("it has no `{name}`")))?;
    BASE64.decode(text).map_err(|_| corrupt(&found.own, &format!("its `{name}` is not base64")))
}
