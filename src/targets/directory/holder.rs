//! Which record of an installation the files of a directory are on: two states may have installations of one name.
//!
//! It stands in a file for each installation, not in the manifests: those have the same bytes wherever they are made.

use std::io::{self, Read as _};
use std::path::PathBuf;

use cap_std::fs::Dir;

use crate::kubernetes::object::ObjectRef;
use crate::oci::file::open_plain;
use crate::targets::failure::Error;
use crate::targets::inventory::Inventory;
use crate::targets::overrides::Overrides;
use crate::targets::ownership::namesake;

use super::Directory;
use super::unfinished::Unfinished;

/// How the names of the files begin; the namespace and the name of the installation follow.
const HOLDER: &str = ".carnet-installation";

impl Directory {
    /// Checks that the installation of this name that is in the directory is the one with this inventory, unless the operator
    /// takes it over. One that earlier versions made has no file that tells.
    pub(in crate::targets) fn check_held(
        &self,
        object: &ObjectRef,
        inventory: &Inventory,
        overrides: Overrides,
    ) -> Result<(), Error> {
        let Some(holder) = self.holder()? else { return Ok(()) };
        if overrides.take_ownership || inventory.mark() == Some(&*holder) {
            return Ok(());
        }
        let owner = self.owner.clone();
        if inventory.iter().next().is_some() {
            return Err(Error::TakenOver { object: object.to_string(), owner });
        }
        Err(Error::Namesake { path: self.path.clone(), owner })
    }

    /// Refuses a file of this installation's name and content that was there before it was ever recorded here, and is on no
    /// record that is noted: an earlier version wrote it for another state.
    pub(super) fn check_known(
        &self,
        object: &ObjectRef,
        inventory: &Inventory,
        overrides: Overrides,
    ) -> Result<(), Error> {
        if overrides.take_ownership || inventory.find(object).is_some() || self.holder()?.is_some() {
            return Ok(());
        }
        Err(Error::Foreign { object: object.to_string(), owner: Some(namesake(&self.owner)) })
    }

    /// The mark of the record that its files are on.
    pub(super) fn holder(&self) -> Result<Option<String>, Error> {
        let Some(root) = self.root.get() else { return Ok(None) };
        let file = self.holder_file();
        held_by(root, &file).map_err(|error| Error::Io(self.path.join(&file), error))
    }

    /// Notes that the files are on this record: whole, or not at all. Of two runs that come at the same moment, one is noted,
    /// and the other ends before it writes anything.
    pub(super) fn hold(&self, inventory: &Inventory, overrides: Overrides) -> Result<(), Error> {
        let Some(mark) = inventory.mark() else { return Ok(()) };
        let file = self.holder_file();
        let hold = || -> io::Result<()> {
            let root = self.writable()?;
            if held_by(root, &file)?.as_deref() == Some(mark) {
                return Ok(());
            }
            let written = Unfinished::new(root, &file, format!("{mark}\n").as_bytes(), false)?;
            // There are file systems without links, and an empty file is of a run that could write no more.
            if root.hard_link(&written.name, root, &file).is_err()
                && (overrides.take_ownership || held_by(root, &file)?.is_none())
            {
                root.rename(&written.name, root, &file)?;
            }
            match held_by(root, &file)? {
                Some(held) if held == mark => Ok(()),
                _ => Err(io::Error::new(io::ErrorKind::AlreadyExists, "another run began to write there")),
            }
        };
        hold().map_err(|error| Error::Io(self.path.join(&file), error))
    }

    /// Lets go of the directory, once nothing of the installation is there.
    pub(in crate::targets) fn release(&self, inventory: &Inventory) -> Result<(), Error> {
        let (Some(root), Some(mark)) = (self.root.get(), inventory.mark()) else { return Ok(()) };
        if inventory.iter().next().is_some() || self.holder()?.as_deref() != Some(mark) {
            return Ok(());
        }
        let file = self.holder_file();
        root.remove_file(&file).map_err(|error| Error::Io(self.path.join(&file), error))
    }

    fn holder_file(&self) -> PathBuf {
        format!("{HOLDER}_{}", self.owner.replace('/', "_")).into()
    }
}

/// What a file says. One that says nothing counts as none.
fn held_by(root: &Dir, file: &std::path::Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    match open_plain(root, file) {
        Ok(opened) => opened.take(128).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(text.trim().to_owned()).filter(|mark| !mark.is_empty()))
}
