//! The cluster as a target: reads, previews, applies and deletes single objects of a Kubernetes API server.
//!
//! Every method that is about an object takes the permit for exactly that, and names the object in the URL by what the
//! permit says. Objects are only ever written by server-side apply, under a field manager of the installation's own, so
//! that the server knows what belongs to whom, and a right to create can be given by name.

pub mod concurrent;
pub mod preview;
mod request;
mod status;
mod connect;
mod identity;
pub mod records;
mod bindings;
mod diagnosis;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use kube::Client;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cluster::concurrent::collect;
use crate::digest::Digest;
use crate::grant::{Apply, Delete, Get, Permitted, Wait};
use crate::kubernetes::kinds::{Kinds, Resource, builtin};
use crate::kubernetes::managed_fields;
use crate::kubernetes::object::{ObjectRef, is_label};
use crate::kubernetes::readiness::{Readiness, going, readiness};

use identity::base::Base;
use preview::{Change, Marks, Preview, Trial, Untried};
use request::{Answer, Ask, Silence};
use status::refusal;

pub use bindings::Bindings;
pub use connect::{Options, Unconfigured};
pub use identity::{Leftover, ScopedIdentity, written_for};
pub use status::{Error, Field};

/// The longest name of a field manager that the API server accepts, in characters.
const MAX_MANAGER: usize = 128;

/// A Kubernetes API server, and the installation on whose behalf it is asked.
pub struct Cluster {
    /// Acts as the caller, whoever asks about objects.
    client: Client,
    /// The way to the server, without the caller.
    base: Base,
    /// Who asks about objects, if not the caller.
    identity: Option<Arc<ScopedIdentity>>,
    namespace: String,
    server: String,
    manager: String,
    /// The resources of each group version that have a status, as far as somebody asked.
    with_status: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// The installation that owns what is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The namespace of the installation.
    pub namespace: String,
    /// Its name.
    pub installation: String,
}

/// An object that was applied. Its content is not in `Debug`, for it may be a Secret.
#[derive(Clone, PartialEq)]
pub struct Applied {
    /// Whether it came into being. (False also where the answer to a first try was lost, and a second one found it.)
    pub created: bool,
    /// The identity that the server gave it.
    pub uid: String,
    /// Its version, for comparison only.
    pub resource_version: String,
    /// The object as it is now.
    pub after: Value,
}

/// Which object is meant, and in which state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The UID that the server gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its version, where nothing in it may have changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

/// How the server took a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The object is going, and may still be there.
    Accepted,
    /// The object is not the one that was meant, or not any more as it was.
    Changed,
    /// It is gone, or was before.
    Gone,
}

impl Identity {
    /// That of an object as it was read; in just that state, if `unchanged`.
    pub fn of(object: &Value, unchanged: bool) -> Self {
        let text = |member| Some(object.pointer("/metadata")?.get(member)?.as_str()?.to_owned());
        let resource_version = unchanged.then(|| text("resourceVersion")).flatten();
        Self { uid: text("uid"), resource_version }
    }
}

impl Deleted {
    /// The server answers with a status when nothing is left, and with the object when it is kept for a while. Of some
    /// kinds it always answers with the object.
    fn of(answer: &Answer) -> Self {
        let answer = answer.json().unwrap_or_default();
        let is_status = answer.get("kind").and_then(Value::as_str) == Some("Status");
        if is_status { Self::Gone } else { Self::Accepted }
    }
}

impl Cluster {
    /// Prepares to talk to the cluster that kubectl would talk to. Sends nothing; must be called within a runtime.
    ///
    /// # Ambient Authority
    /// Reads the kubeconfig files and the environment as kubectl does, and runs the credential plugin that they name.
    ///
    /// # Errors
    /// [`Unconfigured`] where no cluster is configured, or the configuration is wrong.
    pub async fn connect(options: &Options, owner: &Owner) -> Result<Self, Unconfigured> {
        let connect::Place { client, base, namespace, server } = connect::place(options).await?;
        let manager = owner.manager();
        Ok(Self { client, base, identity: None, namespace, server, manager, with_status: Mutex::default() })
    }

    /// The same cluster, on behalf of another installation.
    #[must_use]
    pub fn owned_by(self, owner: &Owner) -> Self {
        Self { manager: owner.manager(), ..self }
    }

    /// The namespace of the context, else `default`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The address of the server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Whether this is the installation that an object names as its owner, `NAMESPACE/NAME`.
    pub fn acts_for(&self, owner: &str) -> bool {
        owner.split_once('/').is_some_and(|(namespace, installation)| {
            let owner = Owner { namespace: namespace.into(), installation: installation.into() };
            owner.manager() == self.manager
        })
    }

    /// Adds what the server knows about the kinds of `objects` to `kinds`, unless it is there already: one request for each
    /// group and version, which brings all its other kinds too. To be called before a reference is resolved, since only then
    /// is it known whether the object has a namespace.
    ///
    /// # Errors
    /// [`Error::NoKind`] when the server has no such kind, and whatever goes wrong on the way.
    pub async fn learn(&self, objects: &[ObjectRef], kinds: &mut Kinds) -> Result<(), Error> {
        let unknown = objects.iter().filter(|object| kinds.find(object).is_none());
        let versions: BTreeMap<_, _> = unknown.map(|object| (&object.api_version, object)).collect();
        let served = collect(versions.values().map(|object| self.discover(object)).collect()).await?;
        for (object, served) in versions.into_values().zip(served) {
            for (kind, resource) in served {
                kinds.learn(&ObjectRef { kind, ..object.clone() }.group_kind(), resource);
            }
        }
        let missing = objects.iter().find(|object| kinds.find(object).is_none());
        missing.map_or(Ok(()), |object| Err(no_kind(object)))
    }

    /// Reads an object. None: it is not there.
    ///
    /// # Errors
    /// [`Error`] for every other answer.
    pub async fn get(&self, permit: &Permitted<Get>, kinds: &Kinds) -> Result<Option<Value>, Error> {
        self.read(&permit.0, kinds).await
    }

    /// What is there in the place of an object that may be applied.
    ///
    /// # Errors
    /// [`Error`] when the server does not say.
    pub async fn before(&self, permit: &Permitted<Apply>, kinds: &Kinds) -> Result<Option<Value>, Error> {
        let object = permit.0.reference();
        match self.read(object, kinds).await {
            Err(Error::NoKind { .. }) if is_defined_here(object, kinds) => Ok(None),
            before => before,
        }
    }

    /// Finds out what applying `body` over what is there would do, forcibly or not. Writes nothing: where the server is
    /// asked, it does all but storing the result.
    ///
    /// # Errors
    /// [`Error::OtherObject`] when `body` is not what the permit names, [`Error::Conflict`] for fields of others (unless
    /// forced), and [`Error`] for whatever else the server objects to. Fields that cannot change make it a replacement.
    pub async fn preview(
        &self,
        permit: &Permitted<Apply>,
        body: &Value,
        kinds: &Kinds,
        before: Option<Value>,
        (trial, force): (Trial, bool),
    ) -> Result<Preview, Error> {
        let object = permit.0.reference();
        same_object(body, object)?;
        let mut before = before;
        if trial == Trial::Reads {
            let foretold = self.foretold(body, before, None);
            // What would change is tried out all the same: it may be in conflict with others, or have to be replaced, and
            // that should stop the run before anything is written.
            if foretold.change != Change::Update {
                return Ok(foretold);
            }
            before = foretold.before;
        }
        let answer = self.patch(object, body, kinds, &Patch { force, dry_run: true }).await;
        match (answer.and_then(|answer| document_of(&answer, object)), before) {
            (Ok(after), before) => Ok(self.compared(before, after)),
            (Err(Error::Immutable { fields, .. }), Some(before)) => {
                Ok(Preview::replacing(before, body, fields))
            }
            (Err(Error::NoNamespace { .. }), None) => {
                Ok(self.foretold(body, None, Some(Untried::Impossible)))
            }
            (Err(Error::NoKind { .. }), None) if is_defined_here(object, kinds) => {
                Ok(self.foretold(body, None, Some(Untried::Impossible)))
            }
            (Err(Error::Denied { lacks_right: true, .. }), before) if trial == Trial::DryRunIfAllowed => {
                Ok(self.foretold(body, before, Some(Untried::Forbidden)))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// What makes `after` of `before`, who holds the fields included.
    pub fn compared(&self, before: Option<Value>, after: Value) -> Preview {
        let held_alike =
            before.as_ref().is_none_or(|before| managed_fields::is_held_alike(before, &after, &self.manager));
        let preview = Preview::of(before, after);
        match preview.change {
            Change::Unchanged if !held_alike => Preview { change: Change::Update, ..preview },
            _ => preview,
        }
    }

    /// What applying `body` will do, as far as that can be told from what is there.
    fn foretold(&self, body: &Value, before: Option<Value>, untried: Option<Untried>) -> Preview {
        let (change, after) = match &before {
            None => (Change::Create, body.clone()),
            Some(live) if managed_fields::is_unchanged(body, live, &self.manager) => {
                (Change::Unchanged, live.clone())
            }
            Some(live) => (Change::Update, managed_fields::merged(body, live, &self.manager)),
        };
        Preview { before, after, marks: Marks { untried, adopts: false }, ..Preview::done(change) }
    }

    /// Applies `body`, which is the object that the permit names, by now with the credentials that go into it. Where it has
    /// a `metadata.uid`, only the object with that identity is changed.
    ///
    /// # Errors
    /// As for [`preview`](Self::preview), and [`Error::Immutable`] for fields that cannot change.
    pub async fn apply(
        &self,
        permit: &Permitted<Apply>,
        body: &Value,
        kinds: &Kinds,
        force: bool,
    ) -> Result<Applied, Error> {
        let object = permit.0.reference();
        let answer = self.patch(object, body, kinds, &Patch { force, dry_run: false }).await?;
        Applied::of(answer.status == StatusCode::CREATED, document_of(&answer, object)?, object)
    }

    /// Deletes an object, and in the background what it owns: the one with this identity, if it is still the same.
    ///
    /// # Errors
    /// [`Error`] for every answer but those that [`Deleted`] stands for.
    pub async fn delete(
        &self,
        permit: &Permitted<Delete>,
        identity: &Identity,
        kinds: &Kinds,
    ) -> Result<Deleted, Error> {
        let object = &permit.0;
        let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": identity });
        let answer = self.ask(&Ask::delete(path(object, kinds)?, &options)).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(Deleted::Gone),
            StatusCode::CONFLICT => Ok(Deleted::Changed),
            status if status.is_success() => Ok(Deleted::of(&answer)),
            _ => Err(refusal(&answer, "delete", object)),
        }
    }

    /// Whether a deleted object is really gone: no longer there, or there is another with its name. `Ready` when it is,
    /// else what keeps it.
    ///
    /// # Errors
    /// [`Error`] when the server does not say.
    pub async fn gone(
        &self,
        permit: &Permitted<Delete>,
        uid: Option<&str>,
        kinds: &Kinds,
    ) -> Result<Readiness, Error> {
        let is_other = |found: &Value| {
            uid.is_some_and(|uid| found.pointer("/metadata/uid").and_then(Value::as_str) != Some(uid))
        };
        match self.read(&permit.0, kinds).await {
            Ok(Some(found)) if !is_other(&found) => Ok(Readiness::NotReady(going(&found))),
            Ok(_) | Err(Error::NoKind { .. }) => Ok(Readiness::Ready),
            Err(error) => Err(error),
        }
    }

    /// How ready an object is at this moment.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not there, [`Error`] when the server does not say.
    pub async fn readiness(&self, permit: &Permitted<Wait>, kinds: &Kinds) -> Result<Readiness, Error> {
        let object = &permit.0;
        let found = self.read(object, kinds).await?.ok_or_else(|| Error::NotFound(object.to_string()))?;
        let expects_status = found.get("status").is_none() && self.has_status(object, kinds).await?;
        Ok(readiness(&found, expects_status))
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
        for kind in brought(definition) {
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
        let answer = self.ask(&Ask::get(path(object, kinds)?)).await?;
        if answer.status.is_success() {
            return document_of(&answer, object).map(Some);
        }
        match refusal(&answer, "get", object) {
            Error::NotFound(_) => Ok(None),
            error => Err(error),
        }
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        body: &Value,
        kinds: &Kinds,
        how: &Patch,
    ) -> Result<Answer, Error> {
        same_object(body, object)?;
        let url = format!("{}?{}", path(object, kinds)?, how.query(&self.manager));
        let answer = self.ask(&Ask::apply(url, body)).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(refusal(&answer, "apply", object)) }
    }

    /// Whether the server keeps a status for objects of a custom kind.
    async fn has_status(&self, object: &ObjectRef, kinds: &Kinds) -> Result<bool, Error> {
        if builtin(object.group(), &object.kind).is_some() {
            return Ok(false);
        }
        let plural = resource(object, kinds)?.plural;
        let asked = |known: &BTreeMap<String, BTreeSet<String>>| {
            Some(known.get(&object.api_version)?.contains(&*plural))
        };
        if let Some(answer) = asked(&self.statuses()) {
            return Ok(answer);
        }
        self.discover(object).await?;
        Ok(asked(&self.statuses()).unwrap_or(false))
    }

    /// The kinds that the server has in the group and version of `object`.
    async fn discover(&self, object: &ObjectRef) -> Result<Vec<(String, Resource)>, Error> {
        let answer = self.ask(&Ask::get(root(object))).await?;
        match answer.status {
            StatusCode::NOT_FOUND => return Err(no_kind(object)),
            status if !status.is_success() => return Err(refusal(&answer, "get", object)),
            _ => {}
        }
        let list = answer.json().map_err(|error| unusable(object, &error))?;
        let resources =
            list.get("resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let names = resources.iter().filter_map(|it| it.get("name")?.as_str()?.strip_suffix("/status"));
        self.statuses().insert(object.api_version.clone(), names.map(str::to_owned).collect());
        Ok(resources.iter().filter_map(served).collect())
    }

    /// Asks the server. Where it does not answer, the error says which one that is.
    async fn ask(&self, ask: &Ask) -> Result<Answer, Error> {
        if let Some(identity) = &self.identity {
            return identity.ask(ask).await;
        }
        let silent = |silence: Silence| Error::Unavailable(format!("{}: {}", self.server, silence.why));
        ask.send(&self.client).await.map_err(silent)
    }

    fn statuses(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.with_status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Owner {
    /// `carnet/NAMESPACE/INSTALLATION`. What is too long for the server ends in a hash of the whole.
    fn manager(&self) -> String {
        let full = format!("carnet/{}/{}", self.namespace, self.installation);
        if full.chars().count() <= MAX_MANAGER {
            return full;
        }
        let hash: String = Digest::of(full.as_bytes()).hex().chars().take(32).collect();
        format!("{}-{hash}", full.chars().take(MAX_MANAGER - 33).collect::<String>())
    }
}

impl Applied {
    fn of(created: bool, after: Value, object: &ObjectRef) -> Result<Self, Error> {
        let text = |name: &str| Some(after.pointer("/metadata")?.get(name)?.as_str()?.to_owned());
        let (Some(uid), Some(resource_version)) = (text("uid"), text("resourceVersion")) else {
            return Err(Error::Answer { object: object.to_string(), why: "it has no identity".into() });
        };
        Ok(Self { created, uid, resource_version, after })
    }
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applied")
            .field("created", &self.created)
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

/// How an object is applied.
struct Patch {
    force: bool,
    dry_run: bool,
}

impl Patch {
    /// Validation is strict: a misspelt member would otherwise be dropped without a word, and what is there would not be
    /// what was planned.
    fn query(&self, manager: &str) -> String {
        let dry_run = if self.dry_run { "&dryRun=All" } else { "" };
        format!("fieldManager={}&fieldValidation=Strict&force={}{dry_run}", encoded(manager), self.force)
    }
}

/// The kinds that a definition brings, one for each version in which the server is to serve it.
fn brought(definition: &Value) -> Vec<ObjectRef> {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
    let (Some(group), Some(kind)) = (text("/spec/group"), text("/spec/names/kind")) else {
        return Vec::new();
    };
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    versions
        .filter(|version| version.get("served") == Some(&Value::Bool(true)))
        .filter_map(|version| version.get("name")?.as_str())
        .map(|version| ObjectRef {
            api_version: format!("{group}/{version}"),
            kind: kind.to_owned(),
            namespace: None,
            name: String::new(),
        })
        .collect()
}

/// Whether `body` is the object that `object` names.
fn names(body: &Value, object: &ObjectRef) -> bool {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    text("/apiVersion") == Some(&*object.api_version)
        && text("/kind") == Some(&*object.kind)
        && text("/metadata/name") == Some(&*object.name)
        && text("/metadata/namespace") == object.namespace.as_deref()
}

fn same_object(body: &Value, object: &ObjectRef) -> Result<(), Error> {
    if names(body, object) { Ok(()) } else { Err(Error::OtherObject(object.to_string())) }
}

/// The object in an answer. It must be the one that was asked for: whoever reads it takes its name for granted.
fn document_of(answer: &Answer, object: &ObjectRef) -> Result<Value, Error> {
    let found = answer.json().map_err(|error| unusable(object, &error))?;
    if names(&found, object) {
        Ok(found)
    } else {
        Err(Error::Answer { object: object.to_string(), why: "it is about another object".into() })
    }
}

fn unusable(object: &ObjectRef, error: &crate::document::Invalid) -> Error {
    Error::Answer { object: object.to_string(), why: error.to_string() }
}

/// Whether the kind is one that the run defines itself: known, though not from the table.
fn is_defined_here(object: &ObjectRef, kinds: &Kinds) -> bool {
    builtin(object.group(), &object.kind).is_none() && kinds.find(object).is_some()
}

fn no_kind(object: &ObjectRef) -> Error {
    Error::NoKind { api_version: object.api_version.clone(), kind: object.kind.clone() }
}

fn resource(object: &ObjectRef, kinds: &Kinds) -> Result<Resource, Error> {
    kinds.find(object).ok_or_else(|| no_kind(object))
}

/// One line of discovery, unless it is a part of another resource or has a name that cannot stand in a URL.
fn served(entry: &Value) -> Option<(String, Resource)> {
    let plural = entry.get("name")?.as_str().filter(|name| is_label(name))?;
    let namespaced = entry.get("namespaced")?.as_bool()?;
    Some((entry.get("kind")?.as_str()?.to_owned(), Resource { plural: plural.to_owned().into(), namespaced }))
}

/// Where the group and version of an object is served.
fn root(object: &ObjectRef) -> String {
    match object.group() {
        "" => format!("/api/{}", encoded(object.version())),
        group => format!("/apis/{}/{}", encoded(group), encoded(object.version())),
    }
}

/// Where an object is served. A namespace on a kind that has none is refused rather than left out: the permit was given
/// for something else.
fn path(object: &ObjectRef, kinds: &Kinds) -> Result<String, Error> {
    let resource = resource(object, kinds)?;
    let namespace = match (&object.namespace, resource.namespaced) {
        (Some(namespace), true) => format!("/namespaces/{}", encoded(namespace)),
        (None, false) => String::new(),
        (_, namespaced) => return Err(Error::Scope { object: object.to_string(), namespaced }),
    };
    Ok(format!("{}{namespace}/{}/{}", root(object), encoded(&resource.plural), encoded(&object.name)))
}

/// Percent-encodes everything but the unreserved characters of RFC 3986. References are checked long before; this makes
/// the URL safe even if one day they are not.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    })
}
