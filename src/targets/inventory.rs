//! The objects that an installation has put, or was about to put, into a target, and where a run writes them down.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::objects::Objects;

use super::failure::Error;

/// An object that an installation has put, or was about to put, into a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Which object.
    pub object: ObjectRef,
    /// Its UID in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The digest of the file that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Digest>,
    /// The digest of the file that was about to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended: Option<Digest>,
}

/// All objects of one installation.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    objects: Objects<Recorded>,
    /// Whether others can write it, so that it names objects and decides nothing about them.
    is_shared: bool,
}

/// Where a run writes down what it does to a target, before and after it does it.
pub trait Ledger: Send {
    /// Objects are about to be applied. When this has returned, the record outlives the process.
    ///
    /// # Errors
    /// [`Error::Ledger`] when it cannot be written down; nothing is applied then.
    fn intend(&mut self, objects: &[Recorded]) -> Result<(), Error>;

    /// Objects were applied.
    ///
    /// # Errors
    /// [`Error::Ledger`] when it cannot be written down.
    fn applied(&mut self, objects: &[Recorded]) -> Result<(), Error>;

    /// An object is gone.
    ///
    /// # Errors
    /// [`Error::Ledger`] when it cannot be written down.
    fn removed(&mut self, object: &ObjectRef) -> Result<(), Error>;
}

impl Recorded {
    /// The digests that the object's file may have.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        self.written.into_iter().chain(self.intended)
    }
}

impl Inventory {
    /// This inventory, as read from where others can write it.
    #[must_use]
    pub fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    /// Whether others can write it.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The record of an object, whatever version of its group it was written in.
    pub fn find(&self, object: &ObjectRef) -> Option<&Recorded> {
        self.objects.get(object)
    }

    /// All objects, the first recorded first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Recorded> {
        self.objects.iter()
    }

    /// Records objects, in the place of what was recorded of them. Only what their files held stays known until they
    /// are written.
    pub fn record(&mut self, more: &[Recorded]) {
        for new in more {
            let written = new.written.or(self.objects.get(&new.object).and_then(|old| old.written));
            self.objects.insert(&new.object, Recorded { written, ..new.clone() });
        }
    }

    /// Forgets an object.
    pub fn forget(&mut self, object: &ObjectRef) {
        self.objects.remove(object);
    }

    /// All of it, the first recorded first.
    pub fn into_recorded(self) -> Vec<Recorded> {
        self.objects.into_values().collect()
    }
}

impl FromIterator<Recorded> for Inventory {
    fn from_iter<I: IntoIterator<Item = Recorded>>(recorded: I) -> Self {
        let mut objects = Objects::default();
        recorded.into_iter().for_each(|recorded| objects.insert(&recorded.object.clone(), recorded));
        Self { objects, is_shared: false }
    }
}
