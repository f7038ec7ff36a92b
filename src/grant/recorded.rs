//! Permits for what an installation's own record names. They are the runtime's, for what the operator asks of an
//! installation (uninstall, prune, status); a component gets none of them.

use crate::kubernetes::object::ObjectRef;

use super::permit::{Delete, Get, Permitted, Wait};

/// An object that an installation's own record names.
///
/// Nobody else can claim that a record does:
/// ```compile_fail
/// let forged = carnet::grant::recorded::RecordedObject::read_back(panic!());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedObject(ObjectRef);

impl RecordedObject {
    /// Claims that a record which was read back names this object. `tests/layers.rs` fails where anything but `state`
    /// does.
    pub(crate) fn read_back(object: ObjectRef) -> Self {
        Self(object)
    }

    /// Which object.
    pub fn object(&self) -> &ObjectRef {
        &self.0
    }

    /// The same object, written in another version of its group. None: it is another object.
    pub fn written_as(&self, object: &ObjectRef) -> Option<Self> {
        (self.0.id() == object.id()).then(|| Self(object.clone()))
    }

    /// Reading it.
    pub fn get(&self) -> Permitted<Get> {
        Permitted::assertion(Get(self.0.clone()))
    }

    /// Removing it.
    pub fn delete(&self) -> Permitted<Delete> {
        Permitted::assertion(Delete(self.0.clone()))
    }

    /// Asking about its readiness.
    pub fn wait(&self) -> Permitted<Wait> {
        Permitted::assertion(Wait(self.0.clone()))
    }
}
