//! Turns the files that a bundle is made of into something that is another one when they change.

use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::Dir;

use super::source::{BundleSource, FILE};
use crate::document;
use crate::oci::file::{open_directory, read};

/// The files of a source directory at one moment. Equal ones mean that nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(Vec<Option<Stamp>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    name: String,
    length: u64,
    modified: Option<SystemTime>,
}

/// Whether there is a directory that can be read, so that a change in it could be seen.
pub fn is_there(path: &Path) -> bool {
    open_directory(path).is_ok()
}

/// Looks at `carnet.yaml` and the component that it names. What is not there, or cannot be read, is a state like any other.
pub fn snapshot(path: &Path) -> Snapshot {
    let Ok(directory) = open_directory(path) else { return Snapshot(Vec::new()) };
    let limit = u64::try_from(document::MAX_BYTES).unwrap_or(u64::MAX);
    let yaml = read(&directory, FILE, limit).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let component = yaml.and_then(|yaml| BundleSource::read(&yaml).source).map(|source| source.component);
    let names = [Some(FILE.to_owned()), component];
    Snapshot(names.into_iter().map(|name| stamp(&directory, name?)).collect())
}

fn stamp(directory: &Dir, name: String) -> Option<Stamp> {
    let found = directory.metadata(&name).ok()?;
    let modified = found.modified().ok().map(cap_std::time::SystemTime::into_std);
    Some(Stamp { name, length: found.len(), modified })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use super::*;

    #[test]
    fn each_change_makes_another_one() {
        let home = tempfile::tempdir().unwrap();
        let yaml =
            "apiVersion: carnet.dev/v1alpha1\nkind: Source\nname: x\nversion: 1.0.0\ncomponent: x.wasm\n";
        let mut seen = vec![snapshot(&home.path().join("missing")), snapshot(home.path())];
        for (file, text) in
            [("carnet.yaml", yaml), ("x.wasm", "1"), ("x.wasm", "12"), ("carnet.yaml", "broken: [")]
        {
            std::fs::write(home.path().join(file), text).unwrap();
            seen.push(snapshot(home.path()));
            assert_eq!(seen.last(), Some(&snapshot(home.path())));
        }
        for (at, one) in seen.iter().enumerate() {
            assert!(!seen[at + 1..].contains(one), "{at}");
        }
    }
}
