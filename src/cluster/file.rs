//! Files of the caller's that a kubeconfig leads to, and the kubeconfig itself: text of a bounded length.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::oci::file::{is_stream, open_named};

/// The texts of streams, such as those of a shell's `<(…)`. They come once, and a run connects more than once: for the
/// state, and for the target.
static STREAMS: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

/// Reads a text, in one of the encodings that kubectl's users have: UTF-8, or UTF-16 with its mark.
///
/// # Ambient Authority
/// Reads a file by its path.
///
/// # Errors
/// When the file cannot be read, is longer than `most` bytes, or is no text.
pub(super) fn read(path: &Path, most: u64) -> io::Result<String> {
    if !is_stream(path) {
        return read_now(path, most);
    }
    let mut streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = streams.get(path) {
        return Ok(text.clone());
    }
    let text = read_now(path, most)?;
    streams.insert(path.to_owned(), text.clone());
    Ok(text)
}

fn read_now(path: &Path, most: u64) -> io::Result<String> {
    let file = open_named(path)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    text(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no text"))
}

fn text(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        rest.is_empty().then(|| String::from_utf16(&units).ok())?
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_read_and_half_a_character_is_none() {
        for bytes in [&b"abc"[..], b"\xef\xbb\xbfabc", b"\xff\xfea\0b\0c\0", b"\xfe\xff\0a\0b\0c"] {
            assert_eq!(text(bytes).as_deref(), Some("abc"));
        }
        for bytes in [&b"\xff\xfea"[..], b"\xfe\xffa", b"\xff\xfe\0\xd8", b"\xff", b"a\xc3"] {
            assert_eq!(text(bytes), None);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test writes a file")]
    fn a_file_is_read_within_its_bound_and_one_without_end_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        assert_eq!(read(file.path(), 3).unwrap(), "abc");
        assert_eq!(read(file.path(), 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(read(Path::new("/dev/zero"), 100).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_stream_is_read_once_and_is_the_same_from_then_on() {
        use std::io::Write as _;
        use std::os::fd::AsRawFd as _;
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"abc").unwrap();
        drop(writer);
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        assert_eq!(read(&path, 3).unwrap(), "abc");
        assert_eq!(read(&path, 3).unwrap(), "abc");
    }
}
