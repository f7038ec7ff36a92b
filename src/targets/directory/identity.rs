//! The identity of a directory, which tells it from another one at the same path.

use std::io::{self, Read as _};

use cap_std::fs::Dir;

use crate::oci::file::open_plain;

use super::unfinished::Unfinished;

/// The file that holds the identity of a directory.
pub(super) const IDENTITY: &str = ".carnet-directory";

/// The identity in a directory, if it has one.
pub(super) fn identity_in(root: &Dir) -> io::Result<Option<String>> {
    let mut text = String::new();
    match open_plain(root, IDENTITY) {
        Ok(file) => file.take(64).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// Puts an identity into a directory that has none: whole, or not at all. Of two runs that come at the same moment, one
/// gives the directory its identity, and the other ends before it writes anything.
pub(super) fn identify(root: &Dir, own: &str) -> io::Result<()> {
    if identity_in(root)?.is_none() {
        let written = Unfinished::new(root, IDENTITY, format!("{own}\n").as_bytes(), false)?;
        match root.hard_link(&written.name, root, IDENTITY) {
            Ok(()) => {}
            // An empty one is of a run that could write no more, and there are file systems without links.
            Err(_) if identity_in(root)?.is_none() => root.rename(&written.name, root, IDENTITY)?,
            Err(_) => {}
        }
    }
    if identity_in(root)?.is_some_and(|found| found == own) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "another run began to write there at the same moment"))
}
