//! `carnet:files`: the operator's files, by the names that the operator gave them.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component, Path};

use cap_std::fs::File;

use crate::grant::{BoundPath, Granted, Permitted, ReadFile};
use crate::oci::file::{open_directory, open_named, open_plain};

use super::told::CallError;
use super::{GuestError, check_name};

/// The operator's files, each as it was first read, so that they read the same all through one run. Their bytes count
/// towards the same limit as bytes handed over. No `Debug`: they are the operator's.
#[derive(Clone, Default)]
pub struct InputFiles(BTreeMap<String, Result<String, Unread>>);

/// Why a file could not be read: what the component is told, and the whole for the operator.
#[derive(Debug, Clone)]
pub(super) struct Unread {
    told: GuestError,
    explained: String,
}

/// The function's view: the grant, and the files that were read before.
pub(super) struct Files<'a> {
    pub(super) granted: &'a Granted,
    pub(super) kept: &'a mut InputFiles,
}

impl InputFiles {
    /// Files that read like this, whatever is there. None: there is none.
    pub fn given(files: impl IntoIterator<Item = (String, Option<String>)>) -> Self {
        let given = |(name, content): (String, Option<String>)| {
            let absent = || Unread {
                told: GuestError::NotFound(format!("file {name}")),
                explained: format!("file {name}: it was not there"),
            };
            let read = content.ok_or_else(absent);
            (name, read)
        };
        Self(files.into_iter().map(given).collect())
    }

    /// The files by name, each with its content. None: it could not be read.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, read)| (name.as_str(), read.as_deref().ok()))
    }

    /// The content of a file. None: nobody asked for it. `Some(None)`: it could not be read.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.0.get(name).map(|read| read.as_deref().ok())
    }
}

/// The content of a file of at most so many bytes, as it is now. None: it cannot be read.
pub fn current(permit: &Permitted<ReadFile>, most: u64) -> Option<String> {
    text(permit, most).ok()
}

impl Files<'_> {
    pub(super) fn read(&mut self, name: String) -> Result<String, CallError> {
        check_name(&name)?;
        let permit = self.granted.read(&name)?;
        // A file that may not be handed over is not even read.
        let most = self.granted.limits().bytes;
        let read = self.kept.0.entry(name).or_insert_with(|| text(&permit, most));
        read.clone().map_err(|Unread { told, explained }| CallError::Unread { told, explained })
    }
}

/// The texts for the component name the file as it knows it, never the path. The operator is told which one was tried.
fn text(permit: &Permitted<ReadFile>, most: u64) -> Result<String, Unread> {
    let name = &permit.name;
    let unread = |told: GuestError, why: String| {
        let path = match &permit.path {
            BoundPath::File(file) => file.clone(),
            BoundPath::Below(folder, name) => folder.join(name),
        };
        Unread { told, explained: format!("file {name}: `{}`: {why}", path.display()) }
    };
    let bytes = bytes(&permit.path, most).map_err(|error| {
        let told = match error.kind() {
            io::ErrorKind::FileTooLarge => {
                GuestError::Invalid(format!("the file {name} has more than the {most} bytes of the limit"))
            }
            io::ErrorKind::InvalidFilename => {
                GuestError::Invalid(format!("the file {name} is not below a directory"))
            }
            _ => GuestError::NotFound(format!("file {name}")),
        };
        let is_large = error.kind() == io::ErrorKind::FileTooLarge;
        let limit =
            || format!("it has more than the {most} bytes that may be handed over (limits: {{ bytes: … }})");
        unread(told, if is_large { limit() } else { error.to_string() })
    })?;
    String::from_utf8(bytes).map_err(|_| {
        let told = GuestError::Invalid(format!("the file {name} is not UTF-8 text"));
        unread(told, "it is not UTF-8 text".into())
    })
}

fn bytes(path: &BoundPath, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Opens a file that the operator bound to a name. Below a directory no name and no link leads out of it.
fn open(path: &BoundPath) -> io::Result<File> {
    match path {
        BoundPath::File(file) => open_named(file),
        BoundPath::Below(folder, name) => {
            // A link that leads out is stopped by the handle; such a name would only look like a file that is not
            // there.
            if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
                return Err(io::ErrorKind::InvalidFilename.into());
            }
            open_plain(&open_directory(folder)?, name)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make files")]

    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// A folder with a file, a folder and links, beside a file that is nobody's business.
    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("folder");
        fs::create_dir_all(folder.join("inner")).unwrap();
        fs::write(home.path().join("outside"), "not yours").unwrap();
        fs::write(folder.join("a"), "text").unwrap();
        fs::write(folder.join("inner/b"), "inner").unwrap();
        fs::write(folder.join("binary"), [0xff, 0xfe]).unwrap();
        for (to, name) in [("a", "link"), ("../outside", "leads-out"), ("/etc/passwd", "leads-away")] {
            std::os::unix::fs::symlink(to, folder.join(name)).unwrap();
        }
        home
    }

    /// The error that a component is told, with its kind.
    fn debug(error: &GuestError) -> String {
        format!("{error:?}")
    }

    fn reading(path: BoundPath, most: u64) -> Result<String, Unread> {
        text(&Permitted::for_tests(ReadFile { name: "values".into(), path }), most)
    }

    fn below(home: &tempfile::TempDir, name: &str, most: u64) -> Result<String, Unread> {
        reading(BoundPath::Below(home.path().join("folder"), name.into()), most)
    }

    #[test]
    fn below_a_directory_no_name_and_no_link_leads_out() {
        let home = home();
        for (name, expected) in [("a", "text"), ("link", "text"), ("inner/b", "inner")] {
            assert_eq!(below(&home, name, 100).unwrap(), expected, "{name}");
        }
        let passwd = home.path().join("outside");
        for name in ["..", "../outside", "inner/../../outside", "", ".", "./a", passwd.to_str().unwrap()] {
            let unread = below(&home, name, 100).unwrap_err();
            let told = GuestError::Invalid("the file values is not below a directory".into());
            if name.is_empty() {
                assert!(unread.explained.contains("folder"), "{}", unread.explained);
            } else {
                assert_eq!(debug(&unread.told), debug(&told), "{name}");
            }
        }
        for name in ["leads-out", "leads-away", "none", "inner", "a/b"] {
            let unread = below(&home, name, 100).unwrap_err();
            assert_eq!(debug(&unread.told), debug(&GuestError::NotFound("file values".into())), "{name}");
        }
    }

    #[test]
    fn a_file_has_as_many_bytes_as_may_be_handed_over_and_not_one_more() {
        let home = home();
        assert_eq!(below(&home, "a", 4).unwrap(), "text");
        let unread = below(&home, "a", 3).unwrap_err();
        let told = GuestError::Invalid("the file values has more than the 3 bytes of the limit".into());
        assert_eq!(debug(&unread.told), debug(&told));
        assert!(unread.explained.ends_with("(limits: { bytes: … })"), "{}", unread.explained);
        assert!(below(&home, "a", 0).is_err() && below(&home, "a", u64::MAX).is_ok());
    }

    #[test]
    fn the_component_is_told_no_path_and_the_operator_which_one() {
        let home = home();
        for (path, named) in [
            (BoundPath::File(home.path().join("gone")), "gone"),
            (BoundPath::Below(home.path().join("folder"), "binary".into()), "folder/binary"),
            (BoundPath::File(PathBuf::from("/dev/zero")), "/dev/zero"),
            (BoundPath::File(home.path().join("folder")), "folder"),
        ] {
            let unread = reading(path, 100).unwrap_err();
            assert!(unread.explained.contains(named), "{}", unread.explained);
            let told = debug(&unread.told);
            assert!(!told.contains(home.path().to_str().unwrap()) && !told.contains("/dev"), "{told}");
        }
        let binary = below(&home, "binary", 100).unwrap_err();
        let told = GuestError::Invalid("the file values is not UTF-8 text".into());
        assert_eq!(debug(&binary.told), debug(&told));
    }

    #[test]
    fn files_that_are_given_are_as_they_are_given() {
        let given = [("a".to_owned(), Some("x".to_owned())), ("b".to_owned(), None)];
        let files = InputFiles::given(given);
        assert_eq!((files.get("a"), files.get("b"), files.get("c")), (Some(Some("x")), Some(None), None));
        assert_eq!(files.iter().collect::<Vec<_>>(), [("a", Some("x")), ("b", None)]);
    }
}
