//! Turns a name below a directory handle into the bytes of a plain file, and bytes into a file that is whole or absent.
//!
//! No name and no link leads out of the handle. Anything but a regular file is not even opened: opening a pipe would
//! block for ever. All calls block; asynchronous callers make them on a blocking thread.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use cap_std::fs::{Dir, File, OpenOptions};

use super::OciError;

/// Opens a directory that a person named. The one place where bundles, sources and keys are reached by a path;
/// everything below goes through the handle, which nothing inside the directory can lead out of.
pub(crate) fn open_directory(path: &Path) -> io::Result<Dir> {
    #[expect(clippy::disallowed_methods, reason = "the place was named by the person who called us")]
    Dir::open_ambient_dir(path, cap_std::ambient_authority())
}

/// Reads a plain file of at most `limit` bytes.
pub(crate) fn read(directory: &Dir, name: &str, limit: u64) -> Result<Vec<u8>, OciError> {
    let mut bytes = Vec::new();
    let file = open(directory, name)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(OciError::system(name))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        Ok(bytes)
    } else {
        Err(OciError::TooLong { what: format!("`{name}`"), limit })
    }
}

/// Writes a file that is there whole or not at all.
pub(crate) fn write(directory: &Dir, name: &str, bytes: &[u8]) -> Result<(), OciError> {
    let mut file = Unfinished::new(directory, name)?;
    file.write(bytes)?;
    file.finish()
}

/// Opens a plain file.
pub(super) fn open(directory: &Dir, name: &str) -> Result<File, OciError> {
    if !directory.symlink_metadata(name).map_err(OciError::system(name))?.is_file() {
        return Err(OciError::NotAFile(name.to_owned()));
    }
    directory.open(name).map_err(OciError::system(name))
}

/// A file that is being written under a name of its own. It takes its place when all of it is on the disk; until then
/// it is nothing to anybody, and it is gone when it is given up.
pub(super) struct Unfinished {
    directory: Dir,
    file: File,
    name: String,
    temporary: Option<String>,
}

impl Unfinished {
    pub(super) fn new(directory: &Dir, name: &str) -> Result<Self, OciError> {
        // A name of its own keeps two writers of one blob apart. It need not be a secret: the cryptographic generator
        // would take 40 ms to gather entropy before its first byte.
        let temporary = format!("{name}.{}", ulid::Ulid::generate());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let file = directory.open_with(&temporary, &options).map_err(OciError::system(name))?;
        let directory = directory.try_clone().map_err(OciError::system(name))?;
        Ok(Self { directory, file, name: name.to_owned(), temporary: Some(temporary) })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), OciError> {
        self.file.write_all(bytes).map_err(OciError::system(&*self.name))
    }

    pub(super) fn finish(mut self) -> Result<(), OciError> {
        self.file.sync_all().map_err(OciError::system(&*self.name))?;
        if let Some(temporary) = &self.temporary {
            let renamed = self.directory.rename(temporary, &self.directory, &self.name);
            renamed.map_err(OciError::system(&*self.name))?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // It is of no use to anybody, and the error that counts is the one before.
            drop(self.directory.remove_file(temporary));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Dir) {
        #[expect(clippy::disallowed_methods, reason = "the test makes a folder")]
        let (home, authority) = (tempfile::tempdir().unwrap(), cap_std::ambient_authority());
        #[expect(clippy::disallowed_methods, reason = "the test makes a folder")]
        let directory = Dir::open_ambient_dir(home.path(), authority).unwrap();
        (home, directory)
    }

    fn names(directory: &Dir) -> Vec<String> {
        directory.entries().unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let (_home, directory) = home();
        write(&directory, "a", b"12345").unwrap();
        assert_eq!(read(&directory, "a", 5).unwrap(), b"12345");
        assert!(matches!(read(&directory, "a", 4), Err(OciError::TooLong { limit: 4, .. })));
        assert!(matches!(read(&directory, "b", 4), Err(OciError::System { .. })));
        assert!(matches!(read(&directory, "../a", 4), Err(OciError::System { .. })));
    }

    #[test]
    fn what_is_given_up_leaves_nothing_and_changes_nothing() {
        let (_home, directory) = home();
        write(&directory, "a", b"old").unwrap();
        let mut file = Unfinished::new(&directory, "a").unwrap();
        file.write(b"new").unwrap();
        assert_eq!(read(&directory, "a", 9).unwrap(), b"old");
        drop(file);
        assert_eq!(
            (names(&directory), read(&directory, "a", 9).unwrap()),
            (vec!["a".to_owned()], b"old".to_vec())
        );
        let mut file = Unfinished::new(&directory, "a").unwrap();
        file.write(b"new").unwrap();
        file.finish().unwrap();
        assert_eq!(
            (names(&directory), read(&directory, "a", 9).unwrap()),
            (vec!["a".to_owned()], b"new".to_vec())
        );
    }
}
