//! Turns the files that the operator named into text, within bounds.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use crate::document;
use crate::oci::file::open_named;

/// The longest file of an operator's that is read, in bytes. Something longer was named by mistake.
const MAX_FILE: u64 = 4 << 20;

/// How long somebody is waited for who is to write into a pipe. Without an end, a pipe that nobody writes into would look
/// like a hang.
const PIPE_PATIENCE: Duration = Duration::from_secs(10);

/// The text of a file that the operator named.
///
/// # Errors
/// When it cannot be read, is too long or no text.
pub fn text(path: &Path) -> anyhow::Result<String> {
    text_within(path, MAX_FILE)
}

/// The text of a file that the operator named, of at most so many bytes.
///
/// # Errors
/// As for [`text`].
pub fn text_within(path: &Path, most: u64) -> anyhow::Result<String> {
    let file = open_named(path).with_context(|| cannot_use(path))?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).with_context(|| cannot_use(path))?;
    checked_text(path, bytes, most)
}

pub(super) fn checked_text(path: &Path, bytes: Vec<u8>, most: u64) -> anyhow::Result<String> {
    let is_long = u64::try_from(bytes.len()).is_ok_and(|length| length > most);
    anyhow::ensure!(!is_long, "`{}` has more than the {most} bytes that are read", path.display());
    String::from_utf8(bytes)
        .map_err(|_| anyhow::Error::from(document::InvalidDocument::Utf8))
        .with_context(|| cannot_use(path))
}

/// The text of a file that is read once, or of a pipe that somebody writes into, as `mkfifo` and a secret store's program
/// make it.
///
/// # Errors
/// As for [`text`], and where nobody has written all of it in time.
pub fn text_or_pipe(path: &Path) -> anyhow::Result<String> {
    if !is_pipe(path) {
        return text(path);
    }
    let (tell, told) = mpsc::channel();
    let pipe = path.to_owned();
    // Whoever opens a pipe waits for its other end, and cannot be called back. It is over when the program is.
    thread::spawn(move || drop(tell.send(read_pipe(&pipe))));
    let read = told.recv_timeout(PIPE_PATIENCE).map_err(|_| {
        let seconds = PIPE_PATIENCE.as_secs();
        anyhow::anyhow!(
            "`{}` is a pipe, and nobody has written into it to its end in {seconds} s",
            path.display()
        )
    })?;
    checked_text(path, read.with_context(|| cannot_use(path))?, MAX_FILE)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

#[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
fn read_pipe(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file that need not be there. A link that leads nowhere is there: what it should lead to was meant, and
/// nothing else.
///
/// # Errors
/// When it is there and cannot be read.
pub fn text_if_there(path: &Path) -> anyhow::Result<Option<String>> {
    match text(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(is_absent) && !has_entry(path) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the file is a component or module of WebAssembly, by its first bytes.
pub fn is_component(path: &Path) -> bool {
    let mut magic = [0; 4];
    open_named(path).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok()) && magic == *b"\0asm"
}

/// Whether something has this name, or a link that leads to no directory stands on the way to it.
#[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
pub fn has_entry(path: &Path) -> bool {
    let blocks = |path: &Path| path.is_symlink() && !path.is_dir();
    path.symlink_metadata().is_ok() || path.ancestors().skip(1).any(blocks)
}

/// What stands on the way to a file and is no directory: then nobody can tell what was meant to be there.
#[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
pub(super) fn in_the_way(path: &Path) -> Option<&Path> {
    let mut above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
    above.find(|above| above.symlink_metadata().is_ok() && !above.is_dir())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(super) fn cannot_use(path: &Path) -> String {
    format!("cannot use `{}`", path.display())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make files")]

    use super::*;

    #[cfg(unix)]
    #[test]
    fn whatever_has_the_name_of_a_file_is_there() {
        use std::os::unix::fs::symlink;
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        assert!(text_if_there(&at("absent")).unwrap().is_none());
        assert!(text_if_there(&at("absent/below")).unwrap().is_none());
        std::fs::write(at("file"), "x").unwrap();
        assert_eq!(text_if_there(&at("file")).unwrap().as_deref(), Some("x"));
        assert!(text_if_there(Path::new("/dev/null/.config/carnet/trust.yaml")).unwrap().is_none());
        symlink("nowhere", at("dangling")).unwrap();
        symlink("file", at("link")).unwrap();
        symlink("loop", at("loop")).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        for name in ["dangling", "dangling/trust.yaml", "link/trust.yaml", "loop", "directory"] {
            assert!(text_if_there(&at(name)).is_err(), "{name}");
        }
        assert_eq!(text_if_there(&at("link")).unwrap().as_deref(), Some("x"));
        assert_eq!(in_the_way(&at("file/carnet/trust.yaml")), Some(&*at("file")));
        assert_eq!(in_the_way(&at("absent/trust.yaml")), None);
    }
}
