//! The directory target: one YAML file per object, with stable names and bytes.
//!
//! Files are reached through one directory handle, so no name and no link leads out of it. A file that somebody changed
//! by hand is neither overwritten nor removed unless the operator says so, nor one that does not say itself that it is
//! this installation's.

mod unfinished;
mod identity;
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
use super::inventory::Inventory;
use super::overrides::Overrides;
use super::preview::{Change, Marks, NotDryRun, Preview};

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
    body: Value,
    bytes: Vec<u8>,
    is_secret: bool,
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
        let Filled { body, is_secret } = match self.secrets {
            Secrets::Omit => lent.omit(&permit.0, placed)?,
            Secrets::Plain => lent.fill(&permit.0, placed)?,
        };
        Ok(Rendered { bytes: yaml(&body), body, is_secret, is_checked })
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
        let after = rendered.body.clone();
        let not_dry_run = (!rendered.is_checked).then_some(NotDryRun::Unchecked);
        let marks = Marks { not_dry_run, ..Marks::default() };
        let Some(bytes) = self.read(object)? else {
            return Ok(Preview { marks, ..Preview::of(None, after) });
        };
        // One that was only written otherwise, as formatters do, holds the same.
        if bytes == rendered.bytes || parsed(object, &bytes).is_ok_and(|found| found == after) {
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
        // The file counts by what it holds: a formatter changes nothing that anybody would lose.
        let digests = [Some(Digest::of(bytes)), found.as_ref().map(|found| Digest::of(&yaml(found)))];
        found.as_ref().map_or(Ok(()), |found| check_alone(object, found))?;
        let owner = found.as_ref().and_then(metadata::owner);
        let is_ours = owner == Some(&*self.owner) || owner.is_none() && !inventory.is_shared();
        match inventory.find(object) {
            Some(recorded) if recorded.digests().any(|known| digests.contains(&Some(known))) && is_ours => {
                Ok(())
            }
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
        let unfinished = Unfinished::new(root, &file, &rendered.bytes, rendered.is_secret)?;
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

/// The object's file: `NAMESPACE/KIND.GROUP_NAME.yaml`, with `_cluster` for objects outside namespaces. No part can
/// hold `/` or `_` where it would matter, and capitals of a name are written so that they count where file names have
/// no case. So no two objects share a file, but for kinds of others that differ in case alone: see [`check_alone`].
pub(super) fn file(object: &ObjectRef) -> PathBuf {
    let folder = object.namespace.as_deref().unwrap_or("_cluster");
    let kind = object.kind.to_lowercase();
    let kind = if object.group().is_empty() { kind } else { format!("{kind}.{}", object.group()) };
    PathBuf::from(folder).join(format!("{}.yaml", fitting(format!("{kind}_{}", file_name(&object.name)))))
}

/// The most bytes of a file's name that file systems take, less what is added while it is written.
const MAX_FILE_NAME: usize = 255 - ".yaml".len() - UNFINISHED.len();

/// A name that is too long for a file ends in the digest of the whole. No other has a `%-` in it.
fn fitting(name: String) -> String {
    if name.len() <= MAX_FILE_NAME {
        return name;
    }
    let digest: String = Digest::of(name.as_bytes()).hex().chars().take(32).collect();
    // All letters here are ASCII.
    let begun: String = name.chars().take(MAX_FILE_NAME - "%-".len() - digest.len()).collect();
    format!("{begun}%-{digest}")
}

/// Colons and capitals are legal in names of roles; not all file systems have the one, or tell the other apart.
fn file_name(name: &str) -> String {
    name.chars().fold(String::with_capacity(name.len()), |mut written, c| {
        if c == ':' || c.is_ascii_uppercase() {
            written.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            written.push(c);
        }
        written
    })
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
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make files")]

    use super::*;
    use crate::kubernetes::metadata::OWNER;
    use crate::targets::Recorded;
    use serde_json::json;

    fn owner() -> Owner {
        Owner { namespace: "prod".into(), installation: "web".into() }
    }

    fn object(api_version: &str, kind: &str, name: &str) -> ObjectRef {
        ObjectRef::new(api_version, kind, Some("prod"), name)
    }

    fn get(object: &ObjectRef) -> Permitted<Get> {
        Permitted::for_tests(Get(object.clone()))
    }

    /// A directory with the file of an object in it.
    fn holding(object: &ObjectRef, owner: Option<&str>) -> (tempfile::TempDir, Vec<u8>) {
        let home = tempfile::tempdir().unwrap();
        let annotations = owner.map_or_else(|| json!({}), |owner| json!({ OWNER: owner }));
        let metadata = json!({"name": object.name, "namespace": "prod", "annotations": annotations});
        let bytes =
            yaml(&json!({"apiVersion": object.api_version, "kind": object.kind, "metadata": metadata}));
        let path = home.path().join(file(object));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &bytes).unwrap();
        (home, bytes)
    }

    #[test]
    fn no_two_objects_share_a_file_where_file_names_have_no_case() {
        let rbac = "rbac.authorization.k8s.io/v1";
        let names = ["Web", "web", "WEB", "wEB", "web:a", "web:A", "web%3aa", "Web%3AA"];
        let files: Vec<_> = names
            .iter()
            .filter(|name| object(rbac, "Role", name).check().is_ok())
            .map(|name| file(&object(rbac, "Role", name)).display().to_string().to_lowercase())
            .collect();
        let distinct: std::collections::BTreeSet<_> = files.iter().collect();
        assert_eq!((files.len(), distinct.len()), (6, 6), "{files:?}");
        assert_eq!(file(&object("v1", "ConfigMap", "web")), Path::new("prod/configmap_web.yaml"));
    }

    #[test]
    fn a_name_that_is_long_still_has_a_file_of_its_own() {
        let of = |name: &str| {
            file(&object("v1", "ConfigMap", name)).file_name().unwrap().to_str().unwrap().to_owned()
        };
        let (one, other) = (of(&"a".repeat(253)), of(&format!("{}b", "a".repeat(252))));
        assert_ne!(one, other);
        assert!([&one, &other].iter().all(|name| name.len() + UNFINISHED.len() <= 255), "{one}");
        assert_eq!(
            of(&"a".repeat(200)),
            format!("configmap_{}.yaml", "a".repeat(200)),
            "short ones stay as they were"
        );
    }

    #[test]
    fn a_file_that_was_only_formatted_is_as_it_was_written() {
        let map = object("v1", "ConfigMap", "a");
        let (home, bytes) = holding(&map, Some("prod/web"));
        let written = Some(Digest::of(&bytes));
        let inventory: Inventory =
            std::iter::once(Recorded { written, ..Recorded::of(map.clone()) }).collect();
        let directory = Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
        let body = parsed(&map, &bytes).unwrap();
        let rewrite = |body: &Value| {
            let text = format!("---\n# formatted\n{}\n", serde_json::to_string_pretty(body).unwrap());
            std::fs::write(home.path().join(file(&map)), text).unwrap();
        };
        let removed = || {
            let permit = Permitted::for_tests(Delete(map.clone()));
            directory.delete(&permit, &inventory, Overrides::default())
        };
        let mut edited = body.clone();
        edited["data"] = json!({"by": "hand"});
        rewrite(&edited);
        assert!(matches!(removed(), Err(Error::Edited { .. })));
        rewrite(&body);
        assert!(removed().is_ok() && directory.lacks(&map));
    }

    #[test]
    fn a_directory_is_the_one_that_it_was_by_what_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("rendered");
        let open = |expected: Option<&str>| {
            let directory = Directory::open(&path, Secrets::Omit, &owner()).unwrap();
            directory.expected(expected.map(str::to_owned))
        };
        let first = open(None);
        let identity = first.identity().to_owned();
        assert!(first.check_identity().is_err(), "it is not there");
        first.writable().unwrap();
        assert_eq!(open(None).identity(), identity);
        assert!(open(Some(&identity)).check_identity().is_ok());
        assert!(open(None).check_identity().is_ok(), "earlier records hold none");
        std::fs::rename(&path, home.path().join("elsewhere")).unwrap();
        let refused = open(Some(&identity)).check_identity();
        assert!(matches!(refused, Err(Error::OtherDirectory { is_there: false, .. })));
        std::fs::create_dir(&path).unwrap();
        let refused = open(Some(&identity)).check_identity();
        assert!(matches!(refused, Err(Error::OtherDirectory { is_there: true, .. })));
        open(Some(&identity)).writable().unwrap();
        assert_ne!(open(None).identity(), identity);
        assert!(open(Some(&identity)).check_identity().is_err());
    }

    #[test]
    fn a_kind_of_others_in_other_letters_is_not_read_from_the_same_file() {
        let widget = object("example.com/v1", "Widget", "a");
        let (home, _) = holding(&widget, None);
        let directory = Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
        assert!(directory.get(&get(&widget)).unwrap().is_some());
        let error = directory.get(&get(&object("example.com/v1", "WIDGET", "a"))).unwrap_err();
        assert!(matches!(error, Error::Shared { .. }), "{error}");
    }

    #[test]
    fn what_does_not_say_that_it_is_ours_is_not_removed_whatever_is_recorded() {
        let map = object("v1", "ConfigMap", "a");
        let removed = |owner_in_file: Option<&str>, is_shared: bool, overrides: Overrides| {
            let (home, bytes) = holding(&map, owner_in_file);
            let written = Some(Digest::of(&bytes));
            let recorded = Recorded { written, ..Recorded::of(map.clone()) };
            let directory = Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
            let permit = Permitted::for_tests(Delete(map.clone()));
            let inventory: Inventory = std::iter::once(recorded).collect();
            let inventory = if is_shared { inventory.shared() } else { inventory };
            let deleted = directory.delete(&permit, &inventory, overrides);
            (deleted, home.path().join(file(&map)).exists())
        };
        let (force, take) = (
            Overrides { force_conflicts: true, ..Overrides::default() },
            Overrides { take_ownership: true, ..Overrides::default() },
        );
        for is_shared in [false, true] {
            assert!(matches!(removed(Some("prod/web"), is_shared, Overrides::default()), (Ok(()), false)));
            for overrides in [Overrides::default(), force] {
                let (deleted, is_there) = removed(Some("dev/web"), is_shared, overrides);
                assert!(matches!(deleted, Err(Error::Foreign { .. })) && is_there);
            }
        }
        for overrides in [Overrides::default(), force] {
            let (deleted, is_there) = removed(None, true, overrides);
            assert!(matches!(deleted, Err(Error::Foreign { .. })) && is_there);
        }
        assert!(matches!(removed(None, true, take), (Ok(()), false)), "unless the operator takes it over");
    }

    #[test]
    fn an_identity_that_could_not_be_written_is_written_by_the_next_run() {
        let home = tempfile::tempdir().unwrap();
        for left in ["", "\n"] {
            std::fs::write(home.path().join(IDENTITY), left).unwrap();
            std::fs::write(home.path().join(format!("{IDENTITY}{UNFINISHED}")), "01").unwrap();
            let directory = Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
            directory.writable().unwrap();
            let next = Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
            let next = next.expected(Some(directory.identity().to_owned()));
            assert!(next.check_identity().is_ok());
            assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing else is left");
        }
    }

    #[test]
    fn of_two_runs_that_find_a_new_directory_one_writes() {
        let home = tempfile::tempdir().unwrap();
        let open = || Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
        let (first, second) = (open(), open());
        first.writable().unwrap();
        first.writable().unwrap();
        assert_eq!(second.writable().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(open().identity(), first.identity());
    }

    #[cfg(unix)]
    #[test]
    fn what_stands_where_a_file_is_written_is_not_written_into() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
        let home = tempfile::tempdir().unwrap();
        let object = object("v1", "Secret", "a");
        let place = home.path().join(file(&object));
        let unfinished = place.with_added_extension(&UNFINISHED[1..]);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        let directory = Directory::open(home.path(), Secrets::Plain, &owner()).unwrap();
        let rendered = Rendered { body: json!({}), bytes: b"{}".to_vec(), is_secret: true, is_checked: true };
        let elsewhere = home.path().join("elsewhere");
        let put: [&dyn Fn(); 3] = [
            &|| {
                std::fs::write(&unfinished, "left").unwrap();
                std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(0o666)).unwrap();
            },
            &|| symlink(&elsewhere, &unfinished).unwrap(),
            &|| assert!(std::process::Command::new("mkfifo").arg(&unfinished).status().unwrap().success()),
        ];
        for put in put {
            put();
            directory.write(&object, &rendered).unwrap();
            assert_eq!(std::fs::read(&place).unwrap(), b"{}");
            assert_eq!(std::fs::metadata(&place).unwrap().mode() & 0o777, 0o600);
            assert!(!unfinished.exists() && !elsewhere.exists());
        }
        std::fs::create_dir(&unfinished).unwrap();
        assert!(directory.write(&object, &rendered).is_err());
    }
}
