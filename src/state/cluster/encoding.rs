//! Turns what is recorded into the contents of Secrets, and back: compressed, in pieces, and checked as a whole.
//!
//! A Secret holds at most 1 MiB. What is longer is continued in further ones. The first says how many there are and
//! what the digest of the whole is, so a record is read as it was written or not at all. Whoever may write Secrets in
//! the namespace can write anything there: what is read is bounded before it is believed.

use std::io::Read as _;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::document;

/// The bytes of one piece. In base64 and with its metadata it is far below what a Secret may hold, and twenty of them
/// are below what is read of one answer.
pub(super) const PIECE: usize = 128 << 10;

/// The most bytes of a record, compressed: 8 MiB. A cluster's storage is small, and all of it is shared.
pub(super) const MAX_PACKED: usize = 8 << 20;

/// The most bytes of a record. Without it a few kilobytes could become all memory there is.
pub(super) const MAX_RECORD: usize = 32 << 20;

/// How far back compressed text may refer, as a power of two. Without it a frame of a few bytes could ask for 128 MiB.
const MAX_WINDOW: u32 = 23;

/// The only form of records that there is.
const FORMAT: u32 = 1;

/// The first piece's account of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The form of the record.
    format: u32,
    /// The digest of the record.
    pub(super) digest: Digest,
    /// Its length in bytes.
    size: usize,
    /// How many pieces there are.
    pub(super) pieces: usize,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnreadableRecord {
    #[error("it cannot be decompressed")]
    Compression(#[source] std::io::Error),
    #[error("its content is not what its digest says")]
    Digest,
    #[error("a line of it cannot be read: {0}")]
    Document(#[from] document::InvalidDocument),
    #[error("its files cannot be written")]
    Files(#[source] std::io::Error),
    #[error("it has the format {0}, and this program knows {FORMAT}")]
    Format(u32),
    #[error("it is cut off")]
    Incomplete,
    #[error("it is longer than it may be")]
    Large,
    #[error("a file of it has a name that no layout has")]
    Name,
    #[error("it names something that is no object of an installation")]
    Object,
    #[error("it is about something else")]
    Other,
    #[error("it names a claim twice")]
    Repeated,
    #[error("it has {found} bytes where it says {said}")]
    Size { said: usize, found: usize },
}

/// Compresses a record and cuts it into pieces, of which there is at least one. None: it is too large.
pub(super) fn pack(content: &[u8]) -> Option<(Header, Vec<Vec<u8>>)> {
    if content.len() > MAX_RECORD {
        return None;
    }
    let packed = zstd::encode_all(content, zstd::DEFAULT_COMPRESSION_LEVEL).ok()?;
    if packed.len() > MAX_PACKED {
        return None;
    }
    let pieces: Vec<_> = packed.chunks(PIECE).map(<[u8]>::to_vec).collect();
    let header =
        Header { format: FORMAT, digest: Digest::of(content), size: content.len(), pieces: pieces.len() };
    Some((header, pieces))
}

impl Header {
    /// Reads what the first piece says.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        let header: Self = document::json_as(bytes)?.0;
        if header.format != FORMAT {
            return Err(UnreadableRecord::Format(header.format));
        }
        if header.size > MAX_RECORD || header.pieces > MAX_PACKED.div_ceil(PIECE) {
            return Err(UnreadableRecord::Large);
        }
        Ok(header)
    }

    /// The record that the pieces are of.
    pub(super) fn unpack(&self, pieces: &[Vec<u8>]) -> Result<Vec<u8>, UnreadableRecord> {
        if pieces.len() != self.pieces || pieces.is_empty() {
            return Err(UnreadableRecord::Incomplete);
        }
        let packed = pieces.concat();
        if packed.len() > MAX_PACKED {
            return Err(UnreadableRecord::Large);
        }
        let content = self.decompress(&packed)?;
        if content.len() != self.size {
            return Err(UnreadableRecord::Size { said: self.size, found: content.len() });
        }
        self.digest.check(&content).map_err(|_| UnreadableRecord::Digest)?;
        Ok(content)
    }

    /// Stops one byte after the length that was promised.
    fn decompress(&self, packed: &[u8]) -> Result<Vec<u8>, UnreadableRecord> {
        let mut decoder = zstd::Decoder::new(packed).map_err(UnreadableRecord::Compression)?;
        decoder.window_log_max(MAX_WINDOW).map_err(UnreadableRecord::Compression)?;
        let limit = u64::try_from(self.size).unwrap_or(u64::MAX).saturating_add(1);
        let mut content = Vec::new();
        decoder.take(limit).read_to_end(&mut content).map_err(UnreadableRecord::Compression)?;
        Ok(content)
    }
}

/// A record as documents, a line each: no single one is larger than what is read of a document.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// Adds a document.
    pub(super) fn push<T: Serialize>(&mut self, document: &T) -> Result<(), UnreadableRecord> {
        let text = serde_json::to_vec(document).map_err(document::InvalidDocument::from)?;
        if text.len() > document::MAX_BYTES {
            return Err(document::InvalidDocument::TooLong(text.len(), document::MAX_BYTES).into());
        }
        self.0.extend(text);
        self.0.push(b'\n');
        Ok(())
    }

    /// The record.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a record, document by document.
pub(super) struct RecordReader<'a>(&'a [u8]);

impl<'a> RecordReader<'a> {
    pub(super) fn new(content: &'a [u8]) -> Self {
        Self(content)
    }

    /// The next document, or that there is none where there must be one.
    pub(super) fn expect<T: DeserializeOwned>(&mut self) -> Result<T, UnreadableRecord> {
        self.next()?.ok_or(UnreadableRecord::Incomplete)
    }

    /// The next document.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, UnreadableRecord> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let end = self.0.iter().position(|byte| *byte == b'\n').ok_or(UnreadableRecord::Incomplete)?;
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        Ok(Some(document::json_as(line)?.0))
    }

    /// All further documents.
    pub(super) fn rest<T: DeserializeOwned>(&mut self) -> Result<Vec<T>, UnreadableRecord> {
        let mut documents = Vec::new();
        while let Some(document) = self.next()? {
            documents.push(document);
        }
        Ok(documents)
    }

    /// So many bytes as they are.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], UnreadableRecord> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(UnreadableRecord::Incomplete)?;
        self.0 = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that cannot be compressed: the digest of a number after the other.
    fn noise(length: usize) -> Vec<u8> {
        let blocks = (0..length.div_ceil(64)).map(|n| Digest::of(n.to_string().as_bytes()).hex());
        let mut text: Vec<u8> = blocks.flat_map(String::into_bytes).collect();
        text.truncate(length);
        text
    }

    fn reason<T: std::fmt::Debug>(result: Result<T, UnreadableRecord>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_record_comes_back_as_it_was_whatever_its_length() {
        for length in [0, 1, 1000, PIECE, 3 << 20, MAX_RECORD / 3] {
            let content = noise(length);
            let (header, pieces) = pack(&content).unwrap();
            assert_eq!(header.pieces, pieces.len());
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE), "{length}");
            let read = Header::read(&serde_json::to_vec(&header).unwrap()).unwrap();
            assert_eq!(read.unpack(&pieces).unwrap(), content, "{length}");
        }
        assert!(pack(&noise(3 << 20)).unwrap().1.len() > 8, "it was not split");
        assert_eq!(pack(&vec![b'x'; MAX_RECORD]).unwrap().1.len(), 1, "it was not compressed");
    }

    #[test]
    fn what_is_too_large_is_not_packed() {
        assert!(pack(&vec![0; MAX_RECORD + 1]).is_none());
        assert!(pack(&noise(MAX_RECORD)).is_none());
    }

    #[test]
    fn a_record_is_read_whole_or_not_at_all() {
        let content = noise(PIECE * 4);
        let (header, pieces) = pack(&content).unwrap();
        assert!(pieces.len() > 2);
        assert_eq!(reason(header.unpack(&pieces[1..])), "it is cut off");
        assert_eq!(reason(header.unpack(&[])), "it is cut off");
        let mut swapped = pieces.clone();
        swapped.swap(0, 1);
        assert!(header.unpack(&swapped).is_err());
        let (other, _) = pack(b"another").unwrap();
        let forged = Header { digest: other.digest, ..header.clone() };
        assert_eq!(reason(forged.unpack(&pieces)), "its content is not what its digest says");
        let mut damaged = pieces;
        let middle = damaged[1].len() / 2;
        damaged[1][middle] ^= 1;
        assert!(header.unpack(&damaged).is_err());
    }

    #[test]
    fn a_record_that_unpacks_to_more_than_it_says_stops_there() {
        let bomb = zstd::encode_all(&vec![0; 64 << 20][..], 19).unwrap();
        assert!(bomb.len() < PIECE);
        let header = Header { format: FORMAT, digest: Digest::of(b""), size: 1000, pieces: 1 };
        assert_eq!(reason(header.unpack(&[bomb])), "it has 1001 bytes where it says 1000");
    }

    #[test]
    fn a_frame_that_asks_for_a_large_window_is_refused() {
        // Magic, a descriptor without content size, a window of 2^27 bytes, one raw block of a byte, the last.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3, 0x09, 0x00, 0x00, b'x'];
        let header = Header { format: FORMAT, digest: Digest::of(b"x"), size: 1, pieces: 1 };
        assert_eq!(reason(header.unpack(&[frame.to_vec()])), "it cannot be decompressed");
        let mut small = frame;
        small[5] = 0;
        assert_eq!(header.unpack(&[small.to_vec()]).unwrap(), b"x");
    }

    #[test]
    fn a_header_that_promises_too_much_is_refused() {
        let header = |change: fn(&mut Header)| {
            let mut header = Header { format: FORMAT, digest: Digest::of(b""), size: 0, pieces: 1 };
            change(&mut header);
            Header::read(&serde_json::to_vec(&header).unwrap())
        };
        assert!(header(|_| {}).is_ok());
        assert_eq!(reason(header(|it| it.size = MAX_RECORD + 1)), "it is longer than it may be");
        assert_eq!(reason(header(|it| it.pieces = 65)), "it is longer than it may be");
        assert_eq!(reason(header(|it| it.format = 2)), "it has the format 2, and this program knows 1");
        assert!(reason(Header::read(b"{}")).contains("is missing"));
    }

    #[test]
    fn documents_are_read_a_line_each() {
        let mut lines = Lines::default();
        lines.push(&1).unwrap();
        lines.push(&"two\nlines").unwrap();
        let mut reader = RecordReader::new(lines.bytes());
        assert_eq!(reader.expect::<u8>().unwrap(), 1);
        assert_eq!(reader.rest::<String>().unwrap(), ["two\nlines"]);
        assert_eq!(reason(reader.expect::<u8>()), "it is cut off");
        assert_eq!(reason(RecordReader::new(b"1").next::<u8>()), "it is cut off");
        assert!(
            reason(RecordReader::new(b"{\"a\":1,\"a\":2}\n").next::<serde_json::Value>()).contains("twice")
        );
    }
}
