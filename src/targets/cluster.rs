//! The cluster as a target: reads, previews, applies and removes single objects of a Kubernetes API server.
//!
//! Every method that is about an object takes the permit for exactly that, and names the object in the URL by what the
//! permit says. Objects are only ever written by server-side apply, under a field manager of the installation's own, so
//! that the server knows what belongs to whom, and a right to create can be given by name.

mod owner;
mod discovery;
mod apply;
mod removal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::{
    ApiRequest, ApiResponse, ConnectOptions, Error, ScopedIdentity, Server, Unconfigured, WriteRight,
    diagnosis, path_of,
};
use crate::grant::{Apply, Get, Permitted, Wait};
use crate::kubernetes::definition;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::{Readiness, readiness};

use super::warning::{Warning, Warnings};

use discovery::Statuses;

pub(super) use apply::same_as_seen;

pub use apply::{Applied, Body};
pub use owner::Owner;
pub use removal::{Deleted, Removed};

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
            warnings: Warnings::default(),
        })
    }

    /// This cluster, on behalf of another installation.
    #[must_use]
    pub fn owned_by(self, owner: &Owner) -> Self {
        Self { manager: owner.manager(), ..self }
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
    pub async fn before(&self, permit: &Permitted<Apply>, kinds: &Kinds) -> Result<Option<Value>, Error> {
        let object = permit.0.reference();
        match self.read(object, kinds).await {
            Err(Error::NoKind { .. }) if kinds.is_learned(object) => Ok(None),
            before => before,
        }
    }

    /// The current readiness of an object.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not there, [`Error`] when the server does not say.
    pub async fn readiness(&self, permit: &Permitted<Wait>, kinds: &Kinds) -> Result<Readiness, Error> {
        let object = &permit.0;
        let found = self.read(object, kinds).await?.ok_or_else(|| Error::NotFound(object.to_string()))?;
        let expects_status = found.get("status").is_none() && self.has_status(object, kinds).await?;
        Ok(readiness(&found, expects_status))
    }

    /// Diagnoses why an object is not ready, a line for each reason, the newest warnings first. Empty where no reason
    /// can be known.
    pub async fn diagnosis(&self, permit: &Permitted<Wait>, kinds: &Kinds) -> Vec<String> {
        let object = &permit.0;
        // Whatever is said about a Secret could quote it.
        if object.is_secret() || object.namespace.is_none() {
            return Vec::new();
        }
        match self.read(object, kinds).await {
            Ok(Some(found)) => diagnosis(&self.server, object, &found).await,
            _ => Vec::new(),
        }
    }

    /// Whether the server takes objects of the kinds that a definition brings: a little later than it says so.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the definition is not there, [`Error`] when the server does not say.
    pub async fn serves(
        &self,
        permit: &Permitted<Wait>,
        definition: &Value,
        kinds: &Kinds,
    ) -> Result<Readiness, Error> {
        let readiness = self.readiness(permit, kinds).await?;
        if readiness != Readiness::Ready {
            return Ok(readiness);
        }
        for kind in definition::served_kinds(definition) {
            match self.discover(&kind).await {
                Ok(served) if served.iter().any(|(name, _)| *name == kind.kind) => {}
                Ok(_) | Err(Error::NoKind { .. }) => {
                    return Ok(Readiness::NotReady(format!("`{}` is not served yet", kind.api_version)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Readiness::Ready)
    }

    async fn read(&self, object: &ObjectRef, kinds: &Kinds) -> Result<Option<Value>, Error> {
        let response = self.send(&ApiRequest::get(path_of(object, kinds)?)).await?;
        match response.accepted("get", object) {
            Ok(response) => response.object(object).map(Some),
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
