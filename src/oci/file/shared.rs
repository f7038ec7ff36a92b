//! A file that is read and written at places, by whoever holds it.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use cap_std::fs::File;

use crate::sync::Mutex;

/// A file that several read or write at places of their own.
#[derive(Clone)]
pub(in crate::oci) struct SharedFile(Arc<Mutex<File>>);

impl SharedFile {
    pub(in crate::oci) fn new(file: File) -> Self {
        Self(Arc::new(Mutex::new(file)))
    }

    /// So many bytes from a place on, or fewer at the end of the file.
    pub(in crate::oci) fn read_at(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        let mut file = self.0.lock();
        file.seek(SeekFrom::Start(start))?;
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes.into())
    }

    /// Writes pieces from a place on, and gives the place after them.
    pub(in crate::oci) fn write_at(&self, start: u64, pieces: &[Bytes]) -> io::Result<u64> {
        let mut file = self.0.lock();
        file.seek(SeekFrom::Start(start))?;
        pieces.iter().try_for_each(|piece| file.write_all(piece))?;
        file.stream_position()
    }

    /// Forgets all bytes.
    pub(in crate::oci) fn clear(&self) -> io::Result<()> {
        self.0.lock().set_len(0)
    }

    /// Has the system write the bytes down.
    pub(in crate::oci) fn sync(&self) -> io::Result<()> {
        self.0.lock().sync_all()
    }
}
