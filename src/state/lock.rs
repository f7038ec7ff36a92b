//! The lock on an installation, whichever backend gives it.
//!
//! A run takes it before it reads what it is going to change, so that no two runs act on the same installation at once.

use std::sync::Arc;

use crate::cluster::WriteRight;

use super::StateError;
use super::cluster::Lease;
use super::directory::FileLock;

/// Nobody else can act on the installation while this is held. It ends with the process, however that ends: at once in
/// a directory, and in a cluster soon after.
pub struct InstallationLock(Hold);

enum Hold {
    File(#[expect(dead_code, reason = "held, not read")] FileLock),
    Lease(Lease),
}

impl InstallationLock {
    /// The right to write as long as it is held. None: it cannot be lost, and ends with the process.
    pub fn write_right(&self) -> Option<Arc<dyn WriteRight>> {
        match &self.0 {
            Hold::File(_) => None,
            Hold::Lease(lease) => Some(lease.write_right()),
        }
    }

    /// Returns when the installation is no longer held, with the reason. In a directory that never happens.
    pub async fn lost(&self) -> StateError {
        match &self.0 {
            Hold::File(_) => std::future::pending().await,
            Hold::Lease(lease) => lease.lost().await,
        }
    }
}

impl From<FileLock> for InstallationLock {
    fn from(lock: FileLock) -> Self {
        Self(Hold::File(lock))
    }
}

impl From<Lease> for InstallationLock {
    fn from(lease: Lease) -> Self {
        Self(Hold::Lease(lease))
    }
}
