//! Turns a name below a directory handle into the bytes of a plain file, and bytes into a file that is whole or absent.
//!
//! No name and no link leads out of the handle. What is not a regular file is never waited for: a pipe without a writer
//! would block for ever. All calls block; asynchronous callers make them
//! by [`blocking`], on a thread for that.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use bytes::Bytes;
use cap_std::fs::{Dir, File, OpenOptions};
use futures_util::stream::{self, Stream};

mod shared;

pub(super) use shared::SharedFile;

use super::OciError;

/// How many bytes are read or written at once: enough for a switch of threads not to count, and little beside what a
/// blob may have.
pub(super) const CHUNK: usize = 256 << 10;

/// Opens a directory that a person named. The one place where bundles, sources and keys are reached by a path;
/// everything below goes through the handle, which nothing inside the directory can lead out of.
pub(crate) fn open_directory(path: &Path) -> io::Result<Dir> {
    #[expect(clippy::disallowed_methods, reason = "the place was named by the person who called us")]
    Dir::open_ambient_dir(path, cap_std::ambient_authority())
}

/// Opens a directory that a person named, and makes it where there is none.
pub(crate) fn make_directory(path: &Path) -> io::Result<Dir> {
    #[expect(clippy::disallowed_methods, reason = "the place was named by the person who called us")]
    std::fs::create_dir_all(path)?;
    open_directory(path)
}

/// Opens a file that a person named: a plain one, or a stream that the program was started with. A pipe that stands
/// anywhere else would be waited for, and nobody may ever write into it.
pub(crate) fn open_named(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    without_waiting(options.read(true), false);
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    let opened = File::open_ambient_with(path, &options, cap_std::ambient_authority());
    if is_stream(path) { opened.and_then(waiting) } else { plain(opened) }
}

/// Whether a name is that of a stream that the program was started with: standard input, process substitution in a
/// shell.
pub(crate) fn is_stream(path: &Path) -> bool {
    ["/dev/stdin", "/dev/null"].iter().any(|stream| path == Path::new(stream))
        || ["/dev/fd", "/proc/self/fd"].iter().any(|folder| path.starts_with(folder))
}

/// A stream whose reader waits for what comes.
#[cfg(unix)]
fn waiting(file: File) -> io::Result<File> {
    rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::empty())?;
    Ok(file)
}

#[cfg(not(unix))]
fn waiting(file: File) -> io::Result<File> {
    Ok(file)
}

/// Reads a file that a person or the environment named; none where there is none.
pub(crate) fn read_named(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match open_named(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_dangling(path) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        Ok(Some(bytes))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than is read"))
    }
}

/// Whether there is a link that leads nowhere: that is not the same as nothing.
fn is_dangling(path: &Path) -> bool {
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    std::fs::symlink_metadata(path).is_ok()
}

/// Writes a file for its owner alone, whole or not at all. Its directory is made where it is not there.
pub(crate) fn write_named_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a link stays a link, and what it leads to is written")]
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = folder_of(&target);
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    std::fs::create_dir_all(folder)?;
    // A temporary file is its owner's alone, and stays so when it takes its place.
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&target).map(drop).map_err(|error| error.error)
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

/// Writes a file that has all of its bytes, or is of no use, after a power cut: whoever reads it can tell.
pub(super) fn write_unsynced(directory: &Dir, name: &str, bytes: &[u8]) -> Result<(), OciError> {
    let mut file = Unfinished::new(directory, name)?;
    file.write(bytes)?;
    file.named()
}

/// Opens a plain file. Links are none.
pub(super) fn open(directory: &Dir, name: &str) -> Result<File, OciError> {
    let mut options = OpenOptions::new();
    without_waiting(&mut options, true);
    plain(directory.open_with(name, options.read(true))).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => OciError::NotAFile(name.to_owned()),
        _ => OciError::system(name)(error),
    })
}

/// Opens a plain file, or the one that a link inside the directory leads to.
pub(super) fn open_linked(directory: &Dir, name: &str) -> Result<File, OciError> {
    open_plain(directory, name).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => OciError::NotAFile(name.to_owned()),
        // Whatever a link out of the handle leads to is never looked at.
        io::ErrorKind::PermissionDenied if is_link(directory, name) => OciError::Outside(name.to_owned()),
        _ => OciError::system(name)(error),
    })
}

fn is_link(directory: &Dir, name: &str) -> bool {
    directory.symlink_metadata(name).is_ok_and(|entry| entry.is_symlink())
}

/// Opens a plain file below a directory, links inside it included. Anything else is an error of the kind
/// [`InvalidInput`](io::ErrorKind::InvalidInput), and is not waited for.
pub(crate) fn open_plain(directory: &Dir, name: impl AsRef<Path>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    without_waiting(&mut options, false);
    plain(directory.open_with(name, options.read(true)))
}

/// The file, if it is a plain one. It is asked what it is once it is open: until then, it may become something else.
fn plain(opened: io::Result<File>) -> io::Result<File> {
    let not_plain = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(not_plain()),
        Err(error) if is_no_file(&error) => Err(not_plain()),
        Err(error) => Err(error),
    }
}

/// Has opening not wait for the other end of a pipe, nor make a terminal the process's own.
#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions, refuse_links: bool) {
    use cap_std::fs::OpenOptionsExt as _;
    use rustix::fs::OFlags;
    let links = if refuse_links { OFlags::NOFOLLOW } else { OFlags::empty() };
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | links;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
}

#[cfg(not(unix))]
fn without_waiting(_: &mut OpenOptions, _: bool) {}

/// Whether the system says that there is a link, a socket or a device without a driver.
#[cfg(unix)]
fn is_no_file(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::LOOP, Errno::NXIO, Errno::NODEV].iter().any(|it| error.raw_os_error() == Some(it.raw_os_error()))
}

#[cfg(not(unix))]
fn is_no_file(_: &io::Error) -> bool {
    false
}

/// Waits until nobody else writes here, for as long as the handle is open.
#[cfg(unix)]
pub(super) fn lock(directory: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(directory, rustix::fs::FlockOperation::LockExclusive)?)
}

#[cfg(not(unix))]
pub(super) fn lock(_: &File) -> io::Result<()> {
    Ok(())
}

/// Runs a blocking call on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OciError> + Send + 'static,
) -> Result<T, OciError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| OciError::system("the layout")(io::Error::other(error)))?
}

/// The bytes of a file, `left` of them at most.
pub(super) fn chunks(
    file: File,
    name: String,
    left: u64,
) -> impl Stream<Item = Result<Bytes, OciError>> + Send {
    stream::unfold(Some((file, left)), move |state| {
        let name = name.clone();
        async move {
            let (file, left) = state?;
            match blocking(move || chunk(file, left).map_err(OciError::system(name))).await {
                Ok((_, chunk)) if chunk.is_empty() => None,
                Ok((file, chunk)) => {
                    let left = left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                    Some((Ok(chunk), Some((file, left))))
                }
                Err(error) => Some((Err(error), None)),
            }
        }
    })
}

fn chunk(mut file: File, left: u64) -> io::Result<(File, Bytes)> {
    let mut chunk = vec![0; usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK))];
    let length = loop {
        match file.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    chunk.truncate(length);
    Ok((file, chunk.into()))
}

/// Removes unfinished files that nobody writes any more: their writers were cut off. Which names they would have had,
/// `is_ours` says.
pub(super) fn remove_unfinished(directory: &Dir, is_ours: impl Fn(&str) -> bool) -> Result<(), OciError> {
    for entry in directory.entries().map_err(OciError::system("."))? {
        let Ok(name) = entry.map_err(OciError::system("."))?.file_name().into_string() else { continue };
        let is_unfinished = name.rsplit_once('.').is_some_and(|(stem, own)| {
            is_ours(stem) && own.len() == 26 && own.bytes().all(|it| it.is_ascii_alphanumeric())
        });
        if is_unfinished && open(directory, &name).is_ok_and(|file| is_free(&file)) {
            // Somebody else may do the same at this moment.
            drop(directory.remove_file(&name));
        }
    }
    Ok(())
}

/// Takes the lock of a file, if nobody has it.
#[cfg(unix)]
pub(super) fn is_free(file: &File) -> bool {
    rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(not(unix))]
pub(super) fn is_free(_: &File) -> bool {
    false
}

#[cfg(unix)]
pub(super) fn is_named(file: &File) -> io::Result<bool> {
    Ok(rustix::fs::fstat(file)?.st_nlink > 0)
}

#[cfg(not(unix))]
pub(super) fn is_named(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// Has the system write down which names are in a directory: a file that was renamed is there under its name then.
pub(super) fn sync(directory: &File) -> io::Result<()> {
    if cfg!(unix) { directory.sync_all() } else { Ok(()) }
}

/// The directory of a file that a person named, which is made where it is not there, and the file's name in it. A link
/// stays a link: what it leads to is meant.
pub(super) fn home(path: &Path) -> io::Result<(Dir, String)> {
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let unusable = || io::Error::new(io::ErrorKind::InvalidInput, "it cannot be the name of a file");
    let name = target.file_name().and_then(|name| name.to_str()).ok_or_else(unusable)?.to_owned();
    Ok((make_directory(folder_of(&target))?, name))
}

/// A file without a name on the disk of a file that a person named. It is gone when nobody has it open.
pub(super) fn nameless_beside(path: &Path) -> io::Result<File> {
    let folder = folder_of(path);
    make_directory(folder)?;
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    let file = tempfile::tempfile_in(folder)?;
    Ok(File::from_std(file))
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name of its own for a file on its way, which keeps two writers of one blob apart. It need not be a secret: the
/// cryptographic generator would take 40 ms to gather entropy before its first byte.
pub(super) fn temporary(name: &str) -> String {
    format!("{name}.{}", ulid::Ulid::generate())
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
        Self::begun(directory, name).map_err(OciError::system(name))
    }

    /// One that may be read and written by those who may do so with what it takes the place of.
    pub(super) fn like(directory: &Dir, name: &str) -> Result<Self, OciError> {
        let begun = Self::new(directory, name)?;
        if let Ok(before) = directory.metadata(name) {
            begun.file.set_permissions(before.permissions()).map_err(OciError::system(name))?;
        }
        Ok(begun)
    }

    fn begun(directory: &Dir, name: &str) -> io::Result<Self> {
        loop {
            let temporary = temporary(name);
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            let file = directory.open_with(&temporary, &options)?;
            // Who clears away what others left behind takes only what nobody holds; it may have come first.
            lock(&file)?;
            if is_named(&file)? {
                let directory = directory.try_clone()?;
                return Ok(Self { directory, file, name: name.to_owned(), temporary: Some(temporary) });
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), OciError> {
        self.file.write_all(bytes).map_err(OciError::system(&*self.name))
    }

    pub(super) fn finish(self) -> Result<(), OciError> {
        self.file.sync_all().map_err(OciError::system(&*self.name))?;
        self.named()
    }

    fn named(mut self) -> Result<(), OciError> {
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
mod tests;
