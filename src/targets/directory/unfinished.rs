//! Files that are being written, below a directory handle.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions};

/// Files that are being written end so; one that is found was left behind by a run that was killed.
pub(super) const UNFINISHED: &str = ".carnet-unfinished";

/// A file under a name that says that it is not finished. Unless it is given another one, it is removed.
pub(super) struct Unfinished<'a> {
    root: &'a Dir,
    pub(super) name: PathBuf,
}

impl<'a> Unfinished<'a> {
    /// Writes it anew. What stands there is not written into: it may be a pipe, which would be waited for, or a file that
    /// others may read.
    pub(super) fn new(
        root: &'a Dir,
        name: impl AsRef<Path>,
        bytes: &[u8],
        is_secret: bool,
    ) -> io::Result<Self> {
        let name = name.as_ref().with_added_extension(&UNFINISHED[1..]);
        if let Err(error) = root.remove_file(&name)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if is_secret {
            use cap_std::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = root.open_with(&name, &options)?;
        let unfinished = Self { root, name };
        file.write_all(bytes)?;
        Ok(unfinished)
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // Once it has its own name, nothing has this one.
        drop(self.root.remove_file(&self.name));
    }
}
