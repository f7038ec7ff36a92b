//! Turns chunks that come from somewhere into the bytes of one blob, or into an error before the last of them.
//!
//! Digest and size are checked as the bytes pass, here and nowhere else, whatever the repository is. Nothing is held:
//! who wants the whole blob in memory says how much that may be.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};

use super::{Descriptor, OciError};
use crate::digest::{Digest, Hasher, Mismatch};

/// Follows a copy.
pub trait CopyObserver: Send + Sync {
    /// So much will be copied: blobs and bytes.
    fn planned(&self, blobs: usize, bytes: u64);

    /// So many bytes have passed.
    fn moved(&self, bytes: u64);

    /// A blob or document was there already.
    fn skipped(&self, blob: &Descriptor);
}

/// The bytes of a blob, on their way.
///
/// Invariant: bytes are what their digest says. The stream ends with `None` only after all bytes came and were the
/// right ones; until then, the bytes may be stored aside, and not used.
pub struct BlobStream {
    media_type: String,
    digest: Digest,
    size: u64,
    chunks: BoxStream<'static, Result<Bytes, OciError>>,
    hasher: Hasher,
    passed: u64,
    is_whole: bool,
    watch: Option<Arc<dyn CopyObserver>>,
}

impl BlobStream {
    /// The blob that `chunks` should be.
    pub fn new(
        blob: &Descriptor,
        chunks: impl Stream<Item = Result<Bytes, OciError>> + Send + 'static,
    ) -> Self {
        Self {
            media_type: blob.media_type.clone(),
            digest: blob.digest,
            size: blob.size,
            chunks: chunks.fuse().boxed(),
            hasher: Hasher::default(),
            passed: 0,
            is_whole: false,
            watch: None,
        }
    }

    /// The bytes as they come, for one who checks them together with others.
    pub(super) fn unchecked(self) -> impl Stream<Item = Result<Bytes, OciError>> + Send + 'static {
        self.chunks
    }

    /// Tells an observer of each chunk.
    pub(super) fn watched(self, observer: &Arc<dyn CopyObserver>) -> Self {
        Self { watch: Some(Arc::clone(observer)), ..self }
    }

    /// The media type under which the blob is known.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The blob that this is.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest,
            size: self.size,
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }

    /// The digest that the bytes have.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes; none when all came and were the right ones.
    ///
    /// # Errors
    /// [`OciError::Size`] and [`OciError::Digest`], and when they cannot be read.
    pub async fn next(&mut self) -> Result<Option<Bytes>, OciError> {
        if self.is_whole {
            return Ok(None);
        }
        match self.chunks.next().await.transpose()? {
            Some(chunk) => self.pass(chunk).map(Some),
            None => self.end().map(|()| None),
        }
    }

    /// The next pieces, `enough` bytes of them or as many as are left; none as for [`Self::next`].
    pub(super) async fn next_pieces(&mut self, enough: usize) -> Result<Option<Vec<Bytes>>, OciError> {
        let (mut pieces, mut length) = (Vec::new(), 0);
        while length < enough {
            let Some(piece) = self.next().await? else { break };
            length += piece.len();
            pieces.push(piece);
        }
        Ok(Some(pieces).filter(|pieces| !pieces.is_empty()))
    }

    /// Whether all bytes came and were the right ones.
    pub(super) async fn holds(mut self) -> Result<bool, OciError> {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(true),
                Err(OciError::Digest(_) | OciError::Size { .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// All of the bytes.
    ///
    /// # Errors
    /// [`OciError::TooLong`] for more than `limit`, before any are read, and as for [`Self::next`].
    pub async fn read(mut self, limit: u64) -> Result<Vec<u8>, OciError> {
        if self.size > limit {
            return Err(OciError::TooLong { what: self.digest.to_string(), limit });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn pass(&mut self, chunk: Bytes) -> Result<Bytes, OciError> {
        self.passed = self.passed.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if self.passed > self.size {
            return Err(self.other_size());
        }
        self.hasher.update(&chunk);
        if let Some(observer) = &self.watch {
            observer.moved(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        }
        Ok(chunk)
    }

    fn end(&mut self) -> Result<(), OciError> {
        if self.passed != self.size {
            return Err(self.other_size());
        }
        let actual = std::mem::take(&mut self.hasher).finish();
        if actual != self.digest {
            return Err(Mismatch { expected: self.digest, actual }.into());
        }
        self.is_whole = true;
        Ok(())
    }

    fn other_size(&self) -> OciError {
        OciError::Size { digest: self.digest, expected: self.size }
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digest, size, passed) = (&self.digest, &self.size, &self.passed);
        f.debug_struct("BlobStream")
            .field("digest", digest)
            .field("size", size)
            .field("passed", passed)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;

    const BYTES: &[u8] = b"0123456789";

    fn blob() -> Descriptor {
        Descriptor::of("text/plain", BYTES)
    }

    fn of(blob: &Descriptor, chunks: Vec<Result<&'static [u8], OciError>>) -> BlobStream {
        BlobStream::new(blob, stream::iter(chunks).map(|chunk| chunk.map(Bytes::from_static)))
    }

    fn lost() -> OciError {
        OciError::system("x")(io::ErrorKind::ConnectionReset.into())
    }

    /// The bytes that came before the end, and how it ended.
    async fn drain(stream: &mut BlobStream) -> (Vec<u8>, Result<(), OciError>) {
        let mut bytes = Vec::new();
        loop {
            match stream.next().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => return (bytes, Ok(())),
                Err(error) => return (bytes, Err(error)),
            }
        }
    }

    #[tokio::test]
    async fn a_blob_in_chunks_of_any_length_is_the_blob() {
        for length in 1..=BYTES.len() {
            let stream = of(&blob(), BYTES.chunks(length).map(Ok).collect());
            assert_eq!(stream.read(10).await.unwrap(), BYTES);
        }
        let mut stream = of(&blob(), vec![Ok(b""), Ok(BYTES), Ok(b"")]);
        assert_eq!(drain(&mut stream).await.0, BYTES);
        assert!(stream.next().await.unwrap().is_none(), "the end stays the end");
        let empty = Descriptor::of("text/plain", b"");
        assert_eq!(of(&empty, Vec::new()).read(0).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn one_flipped_bit_in_any_position_is_found_before_the_end() {
        for position in 0..BYTES.len() {
            let mut bytes = BYTES.to_vec();
            bytes[position] ^= 1;
            let bad: &'static [u8] = bytes.leak();
            let mut stream = of(&blob(), bad.chunks(3).map(Ok).collect());
            assert!(matches!(drain(&mut stream).await.1, Err(OciError::Digest(_))), "{position}");
            assert!(stream.next().await.is_err(), "a stream that failed never ends well");
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_cut_anywhere_has_another_size() {
        for length in 0..BYTES.len() {
            let mut stream = of(&blob(), BYTES[..length].chunks(4).map(Ok).collect());
            let (came, end) = drain(&mut stream).await;
            assert_eq!(came, &BYTES[..length]);
            assert!(matches!(end, Err(OciError::Size { expected: 10, .. })), "{length}");
            assert!(stream.next().await.is_err());
        }
    }

    #[tokio::test]
    async fn what_comes_after_the_last_byte_is_not_passed_on() {
        let mut stream = of(&blob(), vec![Ok(BYTES), Ok(b"x"), Ok(b"y")]);
        let (came, end) = drain(&mut stream).await;
        assert_eq!(came, BYTES);
        assert!(matches!(end, Err(OciError::Size { .. })));
        // A chunk that is longer than all that may come is no way around it.
        let mut stream = of(&blob(), vec![Ok(b"0123456789x")]);
        let (came, end) = drain(&mut stream).await;
        assert!(came.is_empty() && matches!(end, Err(OciError::Size { .. })));
    }

    #[tokio::test]
    async fn an_endless_stream_ends_at_its_size() {
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(BYTES)));
        let mut stream = BlobStream::new(&Descriptor { size: 1000, ..blob() }, endless);
        let (came, end) = drain(&mut stream).await;
        assert!(came.len() == 1000 && matches!(end, Err(OciError::Size { .. })));
    }

    #[tokio::test]
    async fn what_breaks_the_stream_is_told_and_never_the_end() {
        let mut stream = of(&blob(), vec![Ok(b"01234"), Err(lost())]);
        let (came, end) = drain(&mut stream).await;
        assert_eq!(came, b"01234");
        assert!(matches!(end, Err(OciError::System { .. })));
        assert!(stream.next().await.is_err());
    }

    #[tokio::test]
    async fn more_than_the_limit_is_refused_unread() {
        let unread = stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, OciError>>> {
            panic!("it was read")
        });
        let refused = BlobStream::new(&blob(), unread).read(9).await;
        assert!(matches!(refused, Err(OciError::TooLong { limit: 9, .. })));
    }
}
