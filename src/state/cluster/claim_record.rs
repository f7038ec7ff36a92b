//! The record of a claim: the claim document, its result or null, and a line for each output.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::claim::ResultStatus;
use crate::state::{NewResult, RecordedClaim, RecordedResult, ResultStamp, StateError, timestamp, ulid};

use super::encoding::{Lines, RecordReader, UnreadableRecord};
use super::record_store::{Record, RecordStore, RecordVersion, corrupt, lost, unwritable};
use super::subject::RecordSubject;

/// A claim with what became of it.
pub(super) struct ClaimRecord {
    pub(super) document: Value,
    pub(super) result: Option<StoredResult>,
    pub(super) outputs: Vec<OutputRecord>,
}

/// A result of CNAB Claims.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredResult {
    id: String,
    claim_id: String,
    created: String,
    pub(super) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// An output that a result has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OutputRecord {
    pub(super) name: String,
    pub(super) value: Value,
}

impl ClaimRecord {
    /// The record of a claim whose action begins.
    pub(super) fn begun(document: Value) -> Self {
        Self { document: without_files(document), result: None, outputs: Vec::new() }
    }

    /// The record of a claim whose action has ended.
    pub(super) fn ended(id: &str, document: Value, result: &NewResult<'_>) -> Self {
        let output =
            |(name, value): (&String, &Value)| OutputRecord { name: name.clone(), value: value.clone() };
        Self {
            result: Some(StoredResult::of(id, result)),
            outputs: result.outputs.iter().map(output).collect(),
            ..Self::begun(document)
        }
    }

    /// Reads the record of a claim, and which version of it that is. None: there is none.
    pub(super) async fn open(
        store: &RecordStore,
        installation: &str,
        id: &str,
    ) -> Result<Option<(Self, RecordVersion)>, StateError> {
        let subject = RecordSubject::Claim(installation.into(), id.into());
        let (Some(name), Some(record)) = (subject.name(&store.namespace), store.read(&subject).await?) else {
            return Ok(None);
        };
        let claim = Self::read(&record, installation, id).map_err(|why| corrupt(&name, &why))?;
        Ok(Some((claim, record.version)))
    }

    /// Reads a record, which must be about this claim of this installation: one that was copied elsewhere is none.
    pub(super) fn read(record: &Record, installation: &str, id: &str) -> Result<Self, UnreadableRecord> {
        let mut reader = RecordReader::new(&record.content);
        let document = without_files(reader.expect()?);
        let says = |member: &str| document.get(member).and_then(Value::as_str);
        if says("id") != Some(id) || says("installation") != Some(installation) {
            return Err(UnreadableRecord::Other);
        }
        Ok(Self { document, result: reader.expect()?, outputs: reader.rest()? })
    }

    /// Writes the record: a new one, or over the version that was read.
    pub(super) async fn write(
        &self,
        store: &RecordStore,
        installation: &str,
        id: &str,
        over: Option<&RecordVersion>,
    ) -> Result<RecordVersion, StateError> {
        let subject = RecordSubject::Claim(installation.into(), id.into());
        let lines = self.lines().map_err(|why| unwritable(&subject, store, &why))?;
        store.write(&subject, lines.bytes(), over).await.map_err(|error| lost(installation, error))
    }

    /// The claim, for whoever wants it as it is stored.
    pub(super) fn into_recorded(self) -> RecordedClaim {
        let result = self.result.map(|it| RecordedResult {
            stamp: ResultStamp { id: it.id, created: it.created },
            status: it.status,
            message: it.message,
        });
        let outputs = self.outputs.into_iter().map(|output| (output.name, output.value)).collect();
        RecordedClaim { document: self.document, result, outputs }
    }

    /// The names of its outputs.
    pub(super) fn output_names(&self) -> Vec<String> {
        self.outputs.iter().map(|output| output.name.clone()).collect()
    }

    fn lines(&self) -> Result<Lines, UnreadableRecord> {
        let mut lines = Lines::default();
        lines.push(&self.document)?;
        lines.push(&self.result)?;
        self.outputs.iter().try_for_each(|output| lines.push(output))?;
        Ok(lines)
    }
}

impl StoredResult {
    /// The result of the claim of this id.
    fn of(claim: &str, result: &NewResult<'_>) -> Self {
        let ResultStamp { id, created } = result.stamp.clone().unwrap_or_else(ResultStamp::now);
        Self { id, created, ..Self::new(claim, result.status, result.message.clone()) }
    }

    /// A result of the claim of this id, made now.
    pub(super) fn new(claim: &str, status: ResultStatus, message: Option<String>) -> Self {
        Self { id: ulid(), claim_id: claim.into(), created: timestamp(), status: status.to_string(), message }
    }
}

/// A claim without the operator's own files. A path from a record is nobody's consent: whoever can write the record
/// would choose which file of the reader's a component sees.
/// Nor are contents: they would stand for the reader's files.
fn without_files(mut claim: Value) -> Value {
    if let Some(Value::Object(grant)) = claim.pointer_mut("/custom/dev.carnet.run/terms") {
        grant.remove("files");
    }
    let read = claim.pointer_mut("/custom/dev.carnet.run/files").and_then(Value::as_array_mut);
    for file in read.into_iter().flatten().filter_map(Value::as_object_mut) {
        file.remove("content");
    }
    claim
}
