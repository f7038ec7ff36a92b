//! The lock on an installation in a directory: an advisory lock on a file, which the operating system releases with the
//! process.
//!
//! The file says whose lock it is, for the people who find it locked; whether it is locked does not depend on that
//! text.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::state::{Holder, StateError, timestamp};

use super::read;

/// The longest text of a lock file that is read, in bytes.
const MAX_HOLDER: u64 = 4096;

/// A locked file. It is unlocked when this is dropped.
pub(in crate::state) struct FileLock(#[expect(dead_code, reason = "held, not read")] File);

impl FileLock {
    /// Locks the file of an installation, and says in it whose lock it is.
    pub(super) fn take(folder: &Path, name: &str) -> Result<Self, StateError> {
        let file = open(folder, name)?;
        match try_lock(&file, folder)? {
            true => Self::signed(file).map_err(|error| StateError::Io(folder.to_owned(), error)),
            false => Err(StateError::Locked { name: name.into(), holder: Some(Box::new(holder_in(&file))) }),
        }
    }

    fn signed(mut file: File) -> std::io::Result<Self> {
        let who = format!("process {} of this machine", std::process::id());
        let holder = Holder { who, since: timestamp(), is_overdue: false };
        file.set_len(0)?;
        file.write_all(serde_json::to_string(&holder).unwrap_or_default().as_bytes())?;
        Ok(Self(file))
    }
}

/// Who holds the lock of an installation at this moment. Where nobody ever held it, there is no file, and none is made.
#[expect(clippy::disallowed_methods, reason = "an advisory lock needs a file of the operating system")]
pub(super) fn holder(folder: &Path, name: &str) -> Result<Option<Holder>, StateError> {
    let path = file_of(folder, name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StateError::Io(path, error)),
    };
    Ok((!try_lock(&file, folder)?).then(|| holder_in(&file)))
}

#[expect(clippy::disallowed_methods, reason = "an advisory lock needs a file of the operating system")]
fn open(folder: &Path, name: &str) -> Result<File, StateError> {
    let path = file_of(folder, name);
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(&path).map_err(|error| StateError::Io(path, error))
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(Digest::of(name.as_bytes()).hex())
}

/// Whether the file is locked by this process now. False: another one has it.
fn try_lock(file: &File, folder: &Path) -> Result<bool, StateError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(StateError::Io(folder.to_owned(), error)),
    }
}

fn holder_in(mut file: &File) -> Holder {
    let mut bytes = Vec::new();
    let taken = file.rewind().and_then(|()| file.take(MAX_HOLDER).read_to_end(&mut bytes));
    let text = taken.ok().and_then(|_| String::from_utf8(bytes).ok());
    text.and_then(|text| read(&text).ok()).unwrap_or_else(|| Holder {
        who: "a process of this machine".into(),
        since: "a moment ago".into(),
        is_overdue: false,
    })
}
