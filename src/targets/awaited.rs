//! The condition that an object in a target is waited for.

use crate::grant::{Permitted, Wait};
use crate::kubernetes::object::ObjectRef;

/// A condition to wait for.
pub enum Awaited {
    /// An object is gone: the one with this UID, if there is one.
    Gone(Permitted<Wait>, Option<String>),
    /// An object is ready.
    Ready {
        /// The permit to look at it.
        permit: Permitted<Wait>,
        /// Whether its controller removes it once it is done.
        removes_itself: bool,
    },
    /// The target serves the kinds that a definition brings, in each of their versions.
    Served(Permitted<Wait>, Vec<ObjectRef>),
}

impl Awaited {
    /// Which object.
    pub fn object(&self) -> &ObjectRef {
        &self.permit().0
    }

    /// The permit to look at it.
    pub fn permit(&self) -> &Permitted<Wait> {
        match self {
            Self::Gone(permit, _) | Self::Ready { permit, .. } | Self::Served(permit, _) => permit,
        }
    }
}
