//! Makes files and folders that only their user can read, and refuses those that others can write.
//!
//! It is a module since a record that others can write decides nothing, and one that they can read tells them what they
//! were not meant to know: parameters, outputs, what is granted. Only what is made here, or lies below it under a name of
//! ours, is changed; a folder that was there before is its owner's matter.

use std::io;
use std::path::Path;

use super::StateError;

/// Makes a directory that only its user can enter. One that was there before stays as it is.
///
/// # Errors
/// [`StateError::Exposed`] where others can write in it, [`StateError::Foreign`] where it is somebody else's, and [`StateError::Io`] when it cannot be made.
#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
pub fn private_directory(path: &Path) -> Result<(), StateError> {
    if path.is_dir() {
        return refuse_exposed(path);
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path).map_err(|error| StateError::Io(path.to_owned(), error))
}

/// Makes a file that only its user can read, and takes it from others where it is there.
#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
pub(super) fn private_file(path: &Path) -> Result<(), StateError> {
    let io = |error| StateError::Io(path.to_owned(), error);
    match path.metadata() {
        Ok(_) => {
            refuse_exposed(path)?;
            hide(path).map_err(io)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map_err(io),
        Err(error) => Err(io(error)),
    }
}

/// Takes a file of ours from others, if it is there.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
pub(super) fn hide(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match path.metadata() {
        Ok(metadata) => metadata.permissions().mode(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700))
}

#[cfg(not(unix))]
pub(super) fn hide(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes an empty file under another name first. Were it opened under its own, closing it could end locks that this
/// process has on it by now.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    #[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
    let file = tempfile::Builder::new().prefix(".carnet-").tempfile_in(folder)?;
    match file.into_temp_path().persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|error| error.error),
    }
}

/// Refuses what others can write, and what is somebody else's: they could put another record, or another program, in its
/// place.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
fn refuse_exposed(path: &Path) -> Result<(), StateError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = path.metadata().map_err(|error| StateError::Io(path.to_owned(), error))?;
    let is_exposed = metadata.permissions().mode() & 0o022 != 0;
    match (is_exposed, is_own(path)) {
        (true, _) => Err(StateError::Exposed(path.to_owned())),
        (false, false) => Err(StateError::Foreign(path.to_owned())),
        (false, true) => Ok(()),
    }
}

/// Refuses a directory that others can move away, to put their own in its place: one somewhere below a directory in which
/// everybody may rename everything.
///
/// # Errors
/// [`StateError::Replaceable`], and [`StateError::Io`] when it cannot be told.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "the state directory is the operator's own word")]
pub(super) fn refuse_replaceable(path: &Path) -> Result<(), StateError> {
    use std::os::unix::fs::PermissionsExt as _;
    let io = |error| StateError::Io(path.to_owned(), error);
    for above in path.canonicalize().map_err(io)?.ancestors().skip(1) {
        let mode = above.metadata().map_err(io)?.permissions().mode();
        // With the sticky bit only its owner may rename what is in there.
        if mode & 0o1002 == 0o002 {
            return Err(StateError::Replaceable { state: path.to_owned(), exposed: above.to_owned() });
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn refuse_replaceable(_: &Path) -> Result<(), StateError> {
    Ok(())
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path) -> Result<(), StateError> {
    Ok(())
}

/// Whether a directory belongs to the user of this process.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "the directory is the operator's own word")]
pub fn is_own(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    path.metadata().is_ok_and(|metadata| metadata.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
pub fn is_own(_: &Path) -> bool {
    true
}

/// Why nothing can be written in a directory or to a file that is there, if that is not for this program to change.
#[cfg(unix)]
pub(super) fn unwritable(path: &Path) -> Option<io::ErrorKind> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let error = accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).err()?;
    Some(io::Error::from(error).kind()).filter(|kind| is_lasting(*kind))
}

#[cfg(not(unix))]
pub(super) fn unwritable(_: &Path) -> Option<io::ErrorKind> {
    None
}

/// Whether an error says that nothing may be written.
pub(super) fn is_lasting(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}
