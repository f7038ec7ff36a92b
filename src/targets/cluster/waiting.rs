//! Tells whether an object is ready, from what stands in it and what the cluster says beside it; and why it is not.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cluster::{ApiRequest, Error, binds_with_pod, diagnosis, path_of};
use crate::grant::{Permitted, Wait};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::managed_fields;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::{Beside, Readiness, readiness};
use crate::sync::Mutex;
use crate::targets::awaited::Awaited;

use super::Cluster;

/// Whether claims of a storage class get a volume once a pod uses them, for each class that somebody asked about.
#[derive(Default)]
pub(super) struct Classes(Mutex<BTreeMap<String, bool>>);

impl Cluster {
    /// How far a condition is met: `Ready` when it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] when an object that is to be ready is not there, [`Error`] when the server does not say.
    pub async fn look(&self, awaited: &Awaited, kinds: &Kinds) -> Result<Readiness, Error> {
        match awaited {
            Awaited::Gone(permit, uid) => self.gone(permit, uid.as_deref(), kinds).await,
            Awaited::Ready { permit, removes_itself } => match self.readiness(permit, kinds).await {
                Err(Error::NotFound(_)) if *removes_itself => Ok(Readiness::Ready),
                readiness => readiness,
            },
            Awaited::Served(_, kinds) => self.serves(kinds).await,
        }
    }

    /// The current readiness of an object.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not there, [`Error`] when the server does not say.
    pub async fn readiness(&self, permit: &Permitted<Wait>, kinds: &Kinds) -> Result<Readiness, Error> {
        let object = &permit.0;
        let found = self.read(object, kinds).await?.ok_or_else(|| Error::NotFound(object.to_string()))?;
        self.judged(object, &found, kinds).await
    }

    /// The readiness of an object as it was read.
    ///
    /// # Errors
    /// [`Error`] when the server does not say whether it keeps a status.
    pub async fn judged(&self, object: &ObjectRef, found: &Value, kinds: &Kinds) -> Result<Readiness, Error> {
        let lacks_status = !found.get("status").is_some_and(is_something);
        let beside = Beside {
            binds_with_pod: object.is("", "PersistentVolumeClaim") && self.binds_with_pod(found).await,
            has_status: lacks_status && self.has_status(object, kinds).await?,
            quiet: managed_fields::last_written(found).and_then(|time| self.server.time_since(time)),
        };
        Ok(readiness(found, &beside))
    }

    /// Why a definition is not served, by what it says itself: read as the caller, for a run needs no right to read it.
    pub async fn definition(&self, permit: &Permitted<Wait>) -> Option<Readiness> {
        let path = path_of(&permit.0, &Kinds::default()).ok()?;
        let response = self.server.send(&ApiRequest::get(path)).await.ok()?;
        let found = response.accepted("get", &permit.0).ok()?.object(&permit.0).ok()?;
        Some(readiness(&found, &Beside::default()))
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

    /// Whether the server takes objects of these kinds, as far as its discovery says: a definition may be long, and is not
    /// read to know that.
    ///
    /// # Errors
    /// [`Error`] when the server does not say.
    pub async fn serves(&self, kinds: &[ObjectRef]) -> Result<Readiness, Error> {
        for kind in kinds {
            if !self.is_served(kind).await? {
                return Ok(Readiness::NotReady(format!("`{}` is not served yet", kind.api_version)));
            }
        }
        Ok(Readiness::Ready)
    }

    /// Whether the class of a claim that has no volume gives it one once a pod uses it. Which class that is, often only
    /// the server knows, so no right by name covers the class: it is read as the caller, and nothing of it is passed
    /// on.
    async fn binds_with_pod(&self, claim: &Value) -> bool {
        let text = |pointer: &str| claim.pointer(pointer).and_then(Value::as_str);
        let Some(class) = text("/spec/storageClassName").filter(|_| text("/status/phase") == Some("Pending"))
        else {
            return false;
        };
        if let Some(known) = self.classes.0.lock().get(class) {
            return *known;
        }
        let binds = binds_with_pod(&self.server, class).await;
        self.classes.0.lock().insert(class.to_owned(), binds);
        binds
    }
}

fn is_something(status: &Value) -> bool {
    status.as_object().is_some_and(|members| !members.is_empty())
}
