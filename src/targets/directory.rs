//! The directory target: one YAML file per object, with stable names and bytes.
//!
//! Files are reached through one directory handle, so no name and no link leads out of it. A file that somebody changed
//! by hand is neither overwritten nor removed unless the operator says so, nor one that does not say itself that it is
//! this installation's.

mod unfinished;
mod file_name;
mod identity;
mod holder;
mod yaml;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::Value;

use crate::cluster::WriteRight;
use crate::digest::Digest;
use crate::document;
use crate::grant::{Apply, Delete, Get, Permitted, PlaceCredential};
use crate::kubernetes::fields::{self, Fields};
use crate::kubernetes::manifest;
use crate::kubernetes::metadata;
use crate::kubernetes::object::ObjectRef;
use crate::oci::file::open_plain;

use super::cluster::Owner;
use super::credentials::{Filled, LentCredentials};
use super::failure::Error;
use super::inventory::{Inventory, Recorded};
use super::overrides::Overrides;
use super::preview::{Change, Marks, NotDryRun, Preview};

use file_name::file;
use identity::{IDENTITY, identify, identity_in};
use unfinished::{UNFINISHED, Unfinished};
use yaml::yaml;

/// How Secrets are written to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Secrets {
    /// Files without the credentials' values.
    #[default]
    Omit,
    /// Files with them, readable by their owner alone.
    Plain,
}

/// A directory of manifests.
pub struct Directory {
    path: PathBuf,
    /// Empty while nobody has written there: planning creates nothing.
    root: OnceLock<Dir>,
    secrets: Secrets,
    /// The installation, as its files name it.
    owner: String,
    /// Proved before each change.
    right: Option<Arc<dyn WriteRight>>,
    /// Its identity, which tells it from another directory at the same path.
    identity: Identity,
}

/// The identity of a directory.
struct Identity {
    /// That which is in it, or is put into it with the first file.
    own: String,
    /// Whether it is in it.
    is_there: bool,
    /// That of the directory that the installation wrote to.
    expected: Option<String>,
}

/// An object as its file will hold it.
pub(super) struct Rendered {
    filled: Filled,
    bytes: Vec<u8>,
    /// Whether its fields were compared with those of its kind.
    is_checked: bool,
}

impl Directory {
    /// Opens the directory, if it is there, on behalf of an installation.
    ///
    /// # Ambient Authority
    /// The path is the operator's own word (`--target dir:PATH`).
    ///
    /// # Errors
    /// [`Error::Io`] when it is there and cannot be opened.
    #[expect(clippy::disallowed_methods, reason = "the target is the operator's own word")]
    pub fn open(path: &Path, secrets: Secrets, owner: &Owner) -> Result<Self, Error> {
        let root = match Dir::open_ambient_dir(path, ambient_authority()) {
            Ok(root) => OnceLock::from(root),
            Err(error) if error.kind() == io::ErrorKind::NotFound => OnceLock::new(),
            Err(error) => return Err(Error::Io(path.to_owned(), error)),
        };
        let found = root.get().map(identity_in).transpose();
        let found = found.map_err(|error| Error::Io(path.join(IDENTITY), error))?.flatten();
        let identity = Identity {
            is_there: found.is_some(),
            own: found.unwrap_or_else(|| ulid::Ulid::generate().to_string()),
            expected: None,
        };
        Ok(Self { path: path.to_owned(), root, secrets, owner: owner.to_string(), right: None, identity })
    }

    /// Notes the identity of the directory that the installation wrote to, if that is known.
    #[must_use]
    pub fn expected(self, expected: Option<String>) -> Self {
        Self { identity: Identity { expected, ..self.identity }, ..self }
    }

    /// Its identity.
    pub(super) fn identity(&self) -> &str {
        &self.identity.own
    }

    /// Checks that it is the one that the installation wrote to.
    pub(super) fn check_identity(&self) -> Result<(), Error> {
        let is_there = self.root.get().is_some();
        let is_same = match &self.identity.expected {
            Some(expected) => self.identity.is_there && *expected == self.identity.own,
            None => is_there,
        };
        let path = || self.path.clone();
        if is_same { Ok(()) } else { Err(Error::OtherDirectory { path: path(), is_there }) }
    }

    /// Whether there is no file of an object.
    pub(super) fn lacks(&self, object: &ObjectRef) -> bool {
        match self.read(object) {
            Ok(found) => found.is_none(),
            Err(Error::Io(_, error)) => error.kind() == io::ErrorKind::NotADirectory,
            Err(_) => false,
        }
    }

    /// From here on, changes something only as long as this right is held.
    pub(super) fn write_under(&mut self, right: Arc<dyn WriteRight>) {
        self.right = Some(right);
    }

    /// Proves that something may be changed.
    pub(super) async fn prove(&self) -> Result<(), Error> {
        match &self.right {
            Some(right) => Ok(right.proved().await?),
            None => Ok(()),
        }
    }

    /// The directory's path, as the operator wrote it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads an object's file.
    ///
    /// # Errors
    /// [`Error`] when the file is there and cannot be read as an object.
    pub fn get(&self, permit: &Permitted<Get>) -> Result<Option<Value>, Error> {
        let Some(bytes) = self.read(&permit.0)? else { return Ok(None) };
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::Unreadable(permit.0.to_string(), "it is not UTF-8".into()))?;
        let value = document::yaml(&text)
            .map_err(|error| Error::Unreadable(permit.0.to_string(), error.to_string()))?;
        check_alone(&permit.0, &value)?;
        Ok(Some(value))
    }

    /// Whether an object's file is as it was written, or was about to be.
    pub(super) fn is_as_written(&self, object: &ObjectRef, found: &Value, inventory: &Inventory) -> bool {
        let digest = Digest::of(&yaml(found));
        inventory.find(object).is_some_and(|recorded| recorded.digests().any(|known| known == digest))
    }

    /// Whether credentials are left out.
    pub(super) fn omits(&self) -> bool {
        self.secrets == Secrets::Omit
    }

    /// Renders the object's file.
    pub(super) fn render(
        &self,
        permit: &Permitted<Apply>,
        placed: &[Permitted<PlaceCredential>],
        lent: &LentCredentials,
    ) -> Result<Rendered, Error> {
        let is_checked = check_fields(&permit.0)?;
        let filled = match self.secrets {
            Secrets::Omit => lent.omit(&permit.0, placed)?,
            Secrets::Plain => lent.fill(&permit.0, placed)?,
        };
        Ok(Rendered { bytes: yaml(filled.body(permit.0.body())), filled, is_checked })
    }

    /// Compares the file that would be written with the current one.
    pub(super) fn preview(
        &self,
        permit: &Permitted<Apply>,
        rendered: &Rendered,
        inventory: &Inventory,
        overrides: Overrides,
    ) -> Result<Preview, Error> {
        let object = permit.0.reference();
        self.check_held(object, inventory, overrides)?;
        let after = rendered.filled.body(permit.0.body()).clone();
        let not_dry_run = (!rendered.is_checked).then_some(NotDryRun::Unchecked);
        let marks = Marks { not_dry_run, ..Marks::default() };
        let Some(bytes) = self.read(object)? else {
            return Ok(Preview { marks, ..Preview::of(None, after) });
        };
        // One that was only written otherwise, as formatters do, holds the same.
        if bytes == rendered.bytes || parsed(object, &bytes).is_ok_and(|found| found == after) {
            self.check_known(object, inventory, overrides)?;
            return Ok(Preview::of(Some(after.clone()), after));
        }
        self.may_replace(object, &bytes, inventory, overrides)?;
        Ok(Preview { before: parsed(object, &bytes).ok(), after, marks, ..Preview::done(Change::Update) })
    }

    /// Writes the object's file: whole, or not at all.
    pub(super) fn apply(
        &self,
        permit: &Permitted<Apply>,
        rendered: &Rendered,
        inventory: &Inventory,
        overrides: Overrides,
    ) -> Result<Change, Error> {
        let change = self.preview(permit, rendered, inventory, overrides)?.change;
        self.hold(inventory, overrides)?;
        if change != Change::Unchanged {
            let object = permit.0.reference();
            self.write(object, rendered).map_err(|error| Error::Io(self.path.join(file(object)), error))?;
        }
        Ok(change)
    }

    /// Removes the object's file, and its folder when that is empty.
    pub(super) fn delete(
        &self,
        permit: &Permitted<Delete>,
        inventory: &Inventory,
        overrides: Overrides,
    ) -> Result<(), Error> {
        let Some(bytes) = self.read(&permit.0)? else { return Ok(()) };
        self.check_held(&permit.0, inventory, overrides)?;
        self.may_replace(&permit.0, &bytes, inventory, overrides)?;
        let file = file(&permit.0);
        let Some(root) = self.root.get() else { return Ok(()) };
        root.remove_file(&file).map_err(|error| Error::Io(self.path.join(&file), error))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        // A folder that holds something else stays; that is the usual case and no failure.
        drop(root.remove_dir(folder));
        Ok(())
    }

    /// Removes temporary files of a run that was killed.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory cannot be read.
    pub fn sweep(&self) -> Result<(), Error> {
        let Some(root) = self.root.get() else { return Ok(()) };
        self.sweep_folders(root).map_err(|error| Error::Io(self.path.clone(), error))
    }

    fn sweep_folders(&self, root: &Dir) -> io::Result<()> {
        for folder in root.entries()? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            let dir = folder.open_dir()?;
            for entry in dir.entries()? {
                let name = entry?.file_name();
                if name.to_string_lossy().ends_with(UNFINISHED) {
                    dir.remove_file(&name)?;
                }
            }
        }
        Ok(())
    }

    /// A file may be replaced when it is as this installation last wrote it, or was about to. Where others can write
    /// the record, that is not enough: the file says itself whose it is.
    fn may_replace(
        &self,
        object: &ObjectRef,
        bytes: &[u8],
        inventory: &Inventory,
        overrides: Overrides,
    ) -> Result<(), Error> {
        let found = parsed(object, bytes).ok();
        found.as_ref().map_or(Ok(()), |found| check_alone(object, found))?;
        let owner = found.as_ref().and_then(metadata::owner);
        let is_ours = owner == Some(&*self.owner) || owner.is_none() && !inventory.is_shared();
        match inventory.find(object) {
            Some(recorded) if is_ours && is_known(recorded, bytes, found.as_ref()) => Ok(()),
            Some(_) if overrides.force_conflicts && is_ours => Ok(()),
            _ if overrides.take_ownership => Ok(()),
            Some(_) if is_ours => {
                Err(Error::Edited { object: object.to_string(), file: self.path.join(file(object)) })
            }
            _ => Err(Error::Foreign { object: object.to_string(), owner: owner.map(str::to_owned) }),
        }
    }

    fn read(&self, object: &ObjectRef) -> Result<Option<Vec<u8>>, Error> {
        let Some(root) = self.root.get() else { return Ok(None) };
        let file = file(object);
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let limit = u64::try_from(document::MAX_BYTES).unwrap_or(u64::MAX);
            open_plain(root, &file)?.take(limit + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::Io(self.path.join(&file), error)),
        }
    }

    fn write(&self, object: &ObjectRef, rendered: &Rendered) -> io::Result<()> {
        let root = self.writable()?;
        let file = file(object);
        root.create_dir_all(file.parent().unwrap_or(Path::new("")))?;
        let unfinished = Unfinished::new(root, &file, &rendered.bytes, rendered.filled.is_secret)?;
        root.rename(&unfinished.name, root, &file)
    }

    #[expect(clippy::disallowed_methods, reason = "the target is the operator's own word")]
    fn writable(&self) -> io::Result<&Dir> {
        let root = match self.root.get() {
            Some(root) => root,
            None => {
                Dir::create_ambient_dir_all(&self.path, ambient_authority())?;
                let root = Dir::open_ambient_dir(&self.path, ambient_authority())?;
                self.root.get_or_init(|| root)
            }
        };
        if !self.identity.is_there {
            identify(root, &self.identity.own)?;
        }
        Ok(root)
    }
}

/// Whether the fields of a manifest could be compared with those of its kind, as a server would do. There is none.
fn check_fields(object: &manifest::Object) -> Result<bool, Error> {
    match fields::compare(object.body()) {
        Fields::Declared => Ok(true),
        Fields::Unchecked => Ok(false),
        Fields::Undeclared(faults) => {
            let version = fields::version();
            Err(Error::Fields { object: object.reference().to_string(), version, faults })
        }
    }
}

impl Rendered {
    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// Whether a file is as it was written. It counts by what it holds: a formatter changes nothing that anybody would lose.
fn is_known(recorded: &Recorded, bytes: &[u8], found: Option<&Value>) -> bool {
    let holds = |digest: Digest| recorded.digests().any(|known| known == digest);
    holds(Digest::of(bytes)) || found.is_some_and(|found| holds(Digest::of(&yaml(found))))
}

/// Refuses a file that holds another object of the same file name.
fn check_alone(object: &ObjectRef, found: &Value) -> Result<(), Error> {
    match manifest::named(found) {
        Ok(other) if other.id() != object.id() && file(&other) == file(object) => {
            Err(Error::Shared { object: object.to_string(), other: other.to_string() })
        }
        _ => Ok(()),
    }
}

fn parsed(object: &ObjectRef, bytes: &[u8]) -> Result<Value, Error> {
    let unreadable = |why: String| Error::Unreadable(object.to_string(), why);
    let text = std::str::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    document::yaml(text).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests;
