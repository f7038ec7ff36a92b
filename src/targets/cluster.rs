//! The cluster as a target: reads, previews, applies and removes single objects of a Kubernetes API server.
//!
//! Every method that is about an object takes the permit for exactly that, and names the object in the URL by what the
//! permit says. Objects are written by server-side apply, under a field manager of the installation's own, so that the
//! server knows what belongs to whom, and a right to create can be given by name; the one exception is in `apply`.

mod owner;
mod discovery;
mod listing;
mod apply;
mod sight;
mod removal;
mod waiting;
mod following;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::{
    ApiRequest, ApiResponse, ConnectOptions, Error, ScopedIdentity, Server, Unconfigured, WriteRight, path_of,
};
use crate::grant::{Apply, Get, Permitted};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;

use super::warning::{Warning, Warnings};

use discovery::{Served, Statuses};
use listing::Unlisted;
use waiting::Classes;

pub(super) use apply::same_as_seen;
pub(super) use following::may_be_watched;

pub use apply::{Applied, Body};
pub use following::Followed;
pub use listing::ListedObjects;
pub use owner::Owner;
pub use removal::{Deleted, Removed};
pub use sight::{Seen, Sight};

/// A Kubernetes API server, and the installation on whose behalf it is asked.
pub struct Cluster {
    /// The server, asked as the caller.
    server: Server,
    /// Who asks about objects, if not the caller.
    identity: Option<Arc<ScopedIdentity>>,
    /// Proved before each request that changes something.
    right: Option<Arc<dyn WriteRight>>,
    manager: String,
    statuses: Statuses,
    classes: Classes,
    unlisted: Unlisted,
    served: Served,
    warnings: Warnings,
}

impl Cluster {
    /// Prepares to talk to the cluster that kubectl would talk to. Sends nothing; must be called within a runtime.
    ///
    /// # Ambient Authority
    /// As for [`Server::connect`].
    ///
    /// # Errors
    /// [`Unconfigured`] where no cluster is configured, or the configuration is wrong.
    pub async fn connect(options: &ConnectOptions, owner: &Owner) -> Result<Self, Unconfigured> {
        let server = Server::connect(options).await?;
        Ok(Self {
            server,
            identity: None,
            right: None,
            manager: owner.manager(),
            statuses: Statuses::default(),
            classes: Classes::default(),
            unlisted: Unlisted::default(),
            served: Served::default(),
            warnings: Warnings::default(),
        })
    }

    /// This cluster, on behalf of another installation.
    #[must_use]
    pub fn owned_by(self, owner: &Owner) -> Self {
        Self { manager: owner.manager(), ..self }
    }

    /// The field manager of the installation.
    pub fn manager(&self) -> &str {
        &self.manager
    }

    /// The server, asked as the caller.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Asks everything about objects as this identity from here on.
    pub fn assume(&mut self, identity: Arc<ScopedIdentity>) {
        self.identity = Some(identity);
    }

    /// From here on, changes something only as long as this right is held.
    pub(super) fn write_under(&mut self, right: Arc<dyn WriteRight>) {
        self.right = Some(right);
    }

    /// Warnings of the server since the last time.
    pub(super) fn take_warnings(&self) -> Vec<Warning> {
        self.warnings.take()
    }

    /// Whether this is the installation that an object names as its owner, `NAMESPACE/NAME`.
    pub fn acts_for(&self, owner: &str) -> bool {
        Owner::read(owner).is_some_and(|owner| owner.manager() == self.manager)
    }

    /// Reads an object. None: it is not there.
    ///
    /// # Errors
    /// [`Error`] for every other response.
    pub async fn get(&self, permit: &Permitted<Get>, kinds: &Kinds) -> Result<Option<Value>, Error> {
        self.read(&permit.0, kinds).await
    }

    /// Reads the current state of an object that may be applied.
    ///
    /// # Errors
    /// [`Error`] when the server does not say.
    pub async fn before(
        &self,
        permit: &Permitted<Apply>,
        kinds: &Kinds,
        listing: &ListedObjects,
    ) -> Result<Option<Value>, Error> {
        let object = permit.0.reference();
        if let Some(told) = listing.told(object) {
            return Ok(told);
        }
        match self.read(object, kinds).await {
            Err(Error::NoKind { .. }) if kinds.is_learned(object) => self.read_elsewhere(object, kinds).await,
            before => before,
        }
    }

    /// Whether the caller sees that an object is not there. False also where they may not look.
    pub async fn is_absent(&self, permit: &Permitted<Apply>, kinds: &Kinds) -> bool {
        let object = permit.0.reference();
        let Ok(path) = path_of(object, kinds) else { return false };
        match self.server.send(&ApiRequest::get(path)).await {
            Ok(response) => matches!(
                response.accepted("get", object),
                Err(Error::NoKind { .. } | Error::NoNamespace { .. } | Error::NotFound(_))
            ),
            Err(_) => false,
        }
    }

    /// Reads an object of a version that a definition brings in one that is served already: it is the same object. None
    /// where no version of its kind is.
    async fn read_elsewhere(&self, object: &ObjectRef, kinds: &Kinds) -> Result<Option<Value>, Error> {
        for api_version in self.versions(object).await? {
            match self.read(&ObjectRef { api_version, ..object.clone() }, kinds).await {
                Err(Error::NoKind { .. }) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    async fn read(&self, object: &ObjectRef, kinds: &Kinds) -> Result<Option<Value>, Error> {
        let response = self.send(&ApiRequest::get(path_of(object, kinds)?)).await?;
        match response.accepted("get", object) {
            Ok(response) => response.object(object).map(Some),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the metadata of an object, and, of a server that knows no better, the rest too.
    async fn read_metadata(&self, object: &ObjectRef, kinds: &Kinds) -> Result<Option<Value>, Error> {
        let response = self.send(&ApiRequest::get(path_of(object, kinds)?).of_metadata()).await?;
        match response.accepted("get", object) {
            Ok(response) => response.metadata(object).map(Some),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a request about an object, as whoever asks about objects.
    async fn send(&self, request: &ApiRequest) -> Result<ApiResponse, Error> {
        match &self.identity {
            Some(identity) => identity.send(request).await,
            None => self.server.send(request).await,
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("server", &self.server).finish_non_exhaustive()
    }
}
