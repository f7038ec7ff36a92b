//! Waiting: how far a condition is met, and why not further. In a directory everything is ready as soon as it is there.

use serde_json::Value;

use crate::grant::{Permitted, Wait};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::Readiness;

use super::cluster::may_be_watched;
use super::{Awaited, Error, Followed, Target};

impl Target {
    /// The readiness of an object as it was read. In a directory everything is ready.
    ///
    /// # Errors
    /// [`Error`] when the target cannot be read.
    pub async fn judged(&self, object: &ObjectRef, found: &Value, kinds: &Kinds) -> Result<Readiness, Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.judged(object, found, kinds).await?),
            Self::Directory(_) => Ok(Readiness::Ready),
        }
    }

    /// How far a condition is met: `Ready` when it is. In a directory each is met at once.
    ///
    /// # Errors
    /// [`Error`] when the target cannot be read.
    pub async fn look(&self, awaited: &Awaited, kinds: &Kinds) -> Result<Readiness, Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.look(awaited, kinds).await?),
            Self::Directory(_) => Ok(Readiness::Ready),
        }
    }

    /// Whether it can be told how far a condition is met, as far as that depends on what is waited for.
    pub fn can_follow(&self, awaited: &Awaited) -> bool {
        match self {
            Self::Cluster(_) => may_be_watched(awaited),
            Self::Directory(_) => false,
        }
    }

    /// Tells how far a condition is met, again and again, until it is or cannot be, or until it has to be looked at.
    ///
    /// # Errors
    /// [`Error`] when the target cannot be read.
    pub async fn follow(
        &self,
        awaited: &Awaited,
        kinds: &Kinds,
        told: impl FnMut(&Readiness),
    ) -> Result<Followed, Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.follow(awaited, kinds, told).await?),
            Self::Directory(_) => Ok(Followed::NotPossible),
        }
    }

    /// Whether an object is ready. In a directory everything is, as soon as it is there.
    ///
    /// # Errors
    /// [`Error`] when the target cannot be read.
    pub async fn readiness(&self, permit: &Permitted<Wait>, kinds: &Kinds) -> Result<Readiness, Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.readiness(permit, kinds).await?),
            Self::Directory(_) => Ok(Readiness::Ready),
        }
    }

    /// Diagnoses why an object is not ready, as far as the caller may know.
    pub async fn diagnosis(&self, permit: &Permitted<Wait>, kinds: &Kinds) -> Vec<String> {
        match self {
            Self::Cluster(cluster) => cluster.diagnosis(permit, kinds).await,
            Self::Directory(_) => Vec::new(),
        }
    }

    /// Why a definition is not served, as far as the caller may know.
    pub async fn definition(&self, permit: &Permitted<Wait>) -> Option<Readiness> {
        match self {
            Self::Cluster(cluster) => cluster.definition(permit).await,
            Self::Directory(_) => None,
        }
    }
}
