//! Writes files that the operator named: whole or not at all.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::cli::exit::Occupied;

/// Writes a file whole or not at all, and over another one only where that is wanted.
///
/// # Errors
/// When the file is there, or cannot be written.
pub fn write(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    // As any new file: the user's umask takes the rest away.
    write_as(path, text, force, 0o666).map_err(|error| match error.downcast_ref::<io::Error>() {
        Some(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Occupied(path.to_owned()).into(),
        _ => error,
    })
}

/// Writes a file as [`write()`] does, and makes the directories on the way to it.
///
/// # Errors
/// When the file is there, or cannot be written.
pub fn write_below(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    let made = parent.map_or(Ok(()), std::fs::create_dir_all);
    made.with_context(|| format!("cannot write `{}`", path.display()))?;
    write(path, text, force)
}

/// Writes a file that holds a secret: nobody but its owner may read it.
///
/// # Errors
/// When the file is there, or cannot be written.
pub fn write_secret(path: &Path, text: &SecretString, force: bool) -> anyhow::Result<()> {
    write_as(path, text.expose_secret(), force, 0o600)
}

/// A copy of what a file is to hold, beside it and for its user alone, which is removed when it is dropped.
///
/// # Errors
/// When it cannot be written.
pub fn private_copy(path: &Path, text: &SecretString) -> anyhow::Result<tempfile::NamedTempFile> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let cannot_write = || format!("cannot write beside `{}`", path.display());
    let mut builder = tempfile::Builder::new();
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    let mut copy = builder.suffix(".yaml").tempfile_in(directory).with_context(cannot_write)?;
    copy.write_all(text.expose_secret().as_bytes()).with_context(cannot_write)?;
    Ok(copy)
}

/// Removes a file.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    std::fs::remove_file(path).with_context(|| format!("cannot remove `{}`", path.display()))
}

#[cfg_attr(not(unix), expect(unused_variables, reason = "modes are those of Unix"))]
fn write_as(path: &Path, text: &str, force: bool, mode: u32) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot_write = || format!("cannot write `{}`", path.display());
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    let mut file = builder.tempfile_in(directory).with_context(cannot_write)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).with_context(cannot_write)?;
    let persisted = if force { file.persist(path) } else { file.persist_noclobber(path) };
    persisted.map(drop).map_err(|error| error.error).with_context(cannot_write)
}
