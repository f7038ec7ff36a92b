//! Records without a cluster: what is stored of one, and back, for whoever checks the reader.

use crate::document;

use super::encoding::{Header, UnreadableRecord, pack};
use super::installation_record::rewritten;

/// A record as it is stored: the header of its first piece, and the pieces. None: it is too large.
pub fn packed_record(content: &[u8]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let (header, pieces) = pack(content)?;
    Some((serde_json::to_vec(&header).ok()?, pieces))
}

/// The record that was stored as this header and these pieces.
///
/// # Errors
/// Why it cannot be read.
pub fn unpacked_record(header: &[u8], pieces: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    Header::read(header).and_then(|header| header.unpack(pieces)).map_err(why)
}

/// Reads the record of an installation, and returns it as it would be written.
///
/// # Errors
/// Why it cannot be read.
pub fn installation_record(content: &[u8]) -> Result<Vec<u8>, String> {
    rewritten(content).map(|lines| lines.bytes().to_vec()).map_err(why)
}

fn why(error: UnreadableRecord) -> String {
    document::chain(&error)
}
