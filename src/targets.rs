//! Where objects go: a Kubernetes cluster, or a directory of manifests.
//!
//! Every method that reaches outside takes a permit. A target knows what an installation has put there (its inventory)
//! and says so before it writes, through a [`Ledger`], so that nothing it leaves behind is ever unknown.

pub mod credentials;
pub mod directory;
mod place;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cluster::{self, Cluster, Deleted, Identity};
use crate::digest::Digest;
use crate::grant::{Apply, Delete, Get, Permitted, Wait, after_apply, before_delete};
use crate::kubernetes::annotations::OWNER;
use crate::kubernetes::kinds::{Kinds, Resource};
use crate::kubernetes::object::{ObjectRef, is_label};
use crate::kubernetes::objects::Objects;
use crate::kubernetes::readiness::Readiness;

use credentials::{Filled, Lent, Misplaced, NotText};
use directory::{Directory, Rendered};

pub use crate::cluster::preview::{Change, Marks, Preview, Trial, Untried};
pub use place::{InvalidPlace, Place};

/// A target.
pub enum Target {
    /// A Kubernetes cluster.
    Cluster(Box<Cluster>),
    /// A directory of manifests.
    Directory(Directory),
}

/// What the operator insists on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overrides {
    /// Overwrite what somebody else changed in our objects.
    pub force_conflicts: bool,
    /// Take over objects that this installation did not make.
    pub take_ownership: bool,
    /// Remove and make anew what cannot be changed.
    #[serde(default)]
    pub replace: bool,
}

/// Kinds of objects that take more with them than themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// CustomResourceDefinitions, and with them all custom resources.
    Crds,
    /// Namespaces, and with them all that is in them.
    Namespaces,
    /// PersistentVolumeClaims, and with them the data.
    Pvcs,
}

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
pub struct Inventory(Objects<Recorded>);

/// What came of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// The object is not there any more.
    Gone,
    /// It is being removed, and still there with this UID.
    Going(Option<String>),
}

/// Where a run writes down what it does to a target, before and after it does it.
pub trait Ledger: Send {
    /// Objects are about to be applied. When this has returned, the record outlives the process.
    ///
    /// # Errors
    /// [`Error::Ledger`] when it cannot be written down; nothing is applied then.
    fn intend(&mut self, objects: &[Recorded]) -> Result<(), Error>;

    /// An object was applied.
    ///
    /// # Errors
    /// [`Error::Ledger`] when it cannot be written down.
    fn applied(&mut self, object: &Recorded) -> Result<(), Error>;

    /// An object is gone.
    ///
    /// # Errors
    /// [`Error::Ledger`] when it cannot be written down.
    fn removed(&mut self, object: &ObjectRef) -> Result<(), Error>;
}

/// An object that is ready to go out: checked against the grant, its credentials in place. No `Debug`: it may hold
/// secrets.
pub struct Prepared {
    permit: Permitted<Apply>,
    form: Form,
}

enum Form {
    Body(Filled),
    File(Rendered),
}

/// Why a target did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cluster refused or cannot be reached.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A file that was changed by hand.
    #[error("{object} was changed by hand ({})", file.display())]
    Edited {
        /// Which object.
        object: String,
        /// Its file.
        file: PathBuf,
    },
    /// An object that is to be made anew is not gone in time.
    #[error("{object} cannot be made anew: {why}")]
    Held {
        /// Which object.
        object: String,
        /// What keeps it.
        why: String,
    },
    /// An object that would have to be replaced, and holds what would be lost.
    #[error("{object} cannot be changed in {}, and is never replaced, since what it holds would be lost", fields.join(", "))]
    Irreplaceable {
        /// Which object.
        object: String,
        /// The fields that stay as they were created.
        fields: Vec<String>,
    },
    /// An object that this installation did not make.
    #[error("{object} is already there and belongs to {}", owner.as_deref().unwrap_or("nobody that is known"))]
    Foreign {
        /// Which object.
        object: String,
        /// The installation it belongs to, if it says so.
        owner: Option<String>,
    },
    /// A file or directory that cannot be read or written.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] std::io::Error),
    /// What happens cannot be recorded.
    #[error("what the run does cannot be recorded: {0}")]
    Ledger(String),
    /// A credential stands where it may not.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// A generated credential that cannot be used any more.
    #[error(transparent)]
    NotText(#[from] NotText),
    /// An object was removed, and its replacement was refused.
    #[error("{0} was removed, and could not be made anew")]
    Unreplaced(String, #[source] Box<Self>),
    /// A file that is not an object.
    #[error("the file of {0} cannot be read: {1}")]
    Unreadable(String, String),
}

impl Error {
    pub(crate) fn held(object: String, why: &str) -> Self {
        Self::Held { object, why: why.to_owned() }
    }
}

impl Kept {
    /// The kind that an object is of, if it is one of these.
    pub fn of(object: &ObjectRef) -> Option<Self> {
        match object.group_kind().as_str() {
            "apiextensions.k8s.io/CustomResourceDefinition" => Some(Self::Crds),
            "Namespace" => Some(Self::Namespaces),
            "PersistentVolumeClaim" => Some(Self::Pvcs),
            _ => None,
        }
    }
}

impl Target {
    /// Learns how the kind of an object is served, if only the target can know.
    ///
    /// # Errors
    /// [`Error::Cluster`] when the cluster does not serve it.
    pub async fn learn(&self, object: &ObjectRef, kinds: &mut Kinds) -> Result<(), Error> {
        self.learn_all(std::slice::from_ref(object), kinds).await
    }

    /// The same for several objects at once.
    ///
    /// # Errors
    /// [`Error::Cluster`] when the cluster does not serve one of them.
    pub async fn learn_all(&self, objects: &[ObjectRef], kinds: &mut Kinds) -> Result<(), Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.learn(objects, kinds).await?),
            Self::Directory(_) => Ok(()),
        }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`Error`] when the target cannot be read.
    pub async fn get(&self, permit: &Permitted<Get>, kinds: &Kinds) -> Result<Option<Value>, Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.get(permit, kinds).await?),
            Self::Directory(directory) => directory.get(permit),
        }
    }

    /// Makes an object ready to go out, its credentials in place or left out.
    ///
    /// # Errors
    /// [`Error::Misplaced`] for a credential that stands where it may not.
    pub fn prepare(&self, permit: Permitted<Apply>, lent: &Lent) -> Result<Prepared, Error> {
        let form = match self {
            Self::Cluster(_) => Form::Body(lent.fill(&permit.0)?),
            Self::Directory(directory) => Form::File(directory.render(&permit, lent)?),
        };
        Ok(Prepared { permit, form })
    }

    /// What applying an object would do. Writes nothing.
    ///
    /// # Errors
    /// [`Error`] when it could not be applied.
    pub async fn preview(
        &self,
        prepared: &Prepared,
        inventory: &Inventory,
        kinds: &Kinds,
        overrides: Overrides,
        trial: Trial,
    ) -> Result<Preview, Error> {
        match (self, &prepared.form) {
            (Self::Cluster(cluster), Form::Body(filled)) => {
                let before = cluster.before(&prepared.permit, kinds).await?;
                let adopts = check_owner(before.as_ref(), prepared, inventory, overrides, trial)?;
                let force = overrides.forces() || adopts;
                let preview = cluster.preview(&prepared.permit, &filled.body, kinds, before, (trial, force));
                let preview = preview.await.map_err(refused)?;
                Ok(Preview { marks: Marks { adopts, ..preview.marks }, ..preview })
            }
            (Self::Directory(directory), Form::File(rendered)) => {
                directory.preview(&prepared.permit, rendered, inventory, overrides)
            }
            _ => Err(Error::Ledger("the object was prepared for another target".into())),
        }
    }

    /// Applies an object. `seen` is what was there when it was planned, to tell whether anything changed.
    ///
    /// # Errors
    /// [`Error`] when it was not applied.
    pub async fn apply(
        &self,
        prepared: &Prepared,
        seen: Option<&Value>,
        inventory: &Inventory,
        kinds: &Kinds,
        overrides: Overrides,
    ) -> Result<(Change, Recorded), Error> {
        match (self, &prepared.form) {
            (Self::Cluster(cluster), Form::Body(filled)) => {
                let force = overrides.forces();
                let body = same_as_seen(&filled.body, seen);
                let applied = cluster.apply(&prepared.permit, &body, kinds, force).await.map_err(refused)?;
                let before = if applied.created { None } else { Some(seen.unwrap_or(&Value::Null).clone()) };
                let change = cluster.compared(before, applied.after).change;
                Ok((change, Recorded { uid: Some(applied.uid), ..prepared.recorded() }))
            }
            (Self::Directory(directory), Form::File(rendered)) => {
                let change = directory.apply(&prepared.permit, rendered, inventory, overrides)?;
                Ok((
                    change,
                    Recorded { written: Some(rendered.digest()), intended: None, ..prepared.recorded() },
                ))
            }
            _ => Err(Error::Ledger("the object was prepared for another target".into())),
        }
    }

    /// What is recorded of an object that was seen to be as it is to be, so that it need not be applied. A directory
    /// compares its files when it writes them.
    pub fn settled(&self, prepared: &Prepared, seen: &Value) -> Option<Recorded> {
        let Self::Cluster(_) = self else { return None };
        let uid = seen.pointer("/metadata/uid")?.as_str()?.to_owned();
        Some(Recorded { uid: Some(uid), ..prepared.recorded() })
    }

    /// Whether an object that was found may be removed. It may not when it belongs to another installation by now, or to
    /// nobody and a run that was to write it never did, or is another object than the one that is recorded.
    pub fn may_remove(
        &self,
        object: &ObjectRef,
        found: &Value,
        inventory: &Inventory,
        overrides: Overrides,
    ) -> bool {
        match self {
            Self::Cluster(cluster) => {
                check_removal(cluster, object, found, inventory, overrides).is_ok()
                    && is_recorded(object, found, inventory)
            }
            // The bytes of its file tell, when it is removed.
            Self::Directory(_) => true,
        }
    }

    /// Removes an object. One that is already gone is no error, nor is one that has another UID by now: it is another
    /// object. `seen` is what was there when it was planned; where that still holds, the removal is one request.
    ///
    /// # Errors
    /// [`Error`] when it may not be removed, or the target does not do it.
    pub async fn delete(
        &self,
        permit: &Permitted<Delete>,
        seen: Option<&Value>,
        inventory: &Inventory,
        kinds: &Kinds,
        overrides: Overrides,
    ) -> Result<Removed, Error> {
        match self {
            Self::Cluster(cluster) => {
                delete(cluster, permit, seen, kinds, |found| {
                    check_removal(cluster, &permit.0, found, inventory, overrides)?;
                    Ok(is_recorded(&permit.0, found, inventory))
                })
                .await
            }
            Self::Directory(directory) => {
                directory.delete(permit, inventory, overrides)?;
                Ok(Removed::Gone)
            }
        }
    }

    /// Whether an object that was removed is gone: `Ready` when it is.
    ///
    /// # Errors
    /// [`Error`] when the target cannot be read.
    pub async fn gone(
        &self,
        permit: &Permitted<Delete>,
        uid: Option<&str>,
        kinds: &Kinds,
    ) -> Result<Readiness, Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.gone(permit, uid, kinds).await?),
            Self::Directory(_) => Ok(Readiness::Ready),
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

    /// What hinders an object from becoming ready, as far as the caller may know.
    pub async fn why(&self, permit: &Permitted<Wait>, kinds: &Kinds) -> Vec<String> {
        match self {
            Self::Cluster(cluster) => cluster.why(permit, kinds).await,
            Self::Directory(_) => Vec::new(),
        }
    }

    /// Whether objects of the kinds that a definition brings can be applied. In a directory they always can.
    ///
    /// # Errors
    /// [`Error`] when the target cannot be read.
    pub async fn serves(
        &self,
        permit: &Permitted<Wait>,
        definition: &Value,
        kinds: &Kinds,
    ) -> Result<Readiness, Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.serves(permit, definition, kinds).await?),
            Self::Directory(_) => Ok(Readiness::Ready),
        }
    }

    /// Removes what a run that was killed left half-written.
    ///
    /// # Errors
    /// [`Error::Io`] when a directory cannot be read.
    pub fn sweep(&self) -> Result<(), Error> {
        match self {
            Self::Cluster(_) => Ok(()),
            Self::Directory(directory) => directory.sweep(),
        }
    }

    /// The address of a cluster.
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Cluster(cluster) => Some(cluster.server()),
            Self::Directory(_) => None,
        }
    }

    /// How the target is written on the command line.
    pub fn describe(&self) -> String {
        match self {
            Self::Cluster(cluster) => format!("kube ({})", cluster.server()),
            Self::Directory(directory) => format!("dir:{}", directory.path().display()),
        }
    }
}

impl Prepared {
    /// Which object.
    pub fn object(&self) -> &ObjectRef {
        self.permit.0.reference()
    }

    /// The object as the component wrote it, with placeholders in the place of credentials.
    pub fn body(&self) -> &Value {
        self.permit.0.body()
    }

    /// The permit to wait for it, which follows from that to apply it.
    pub fn wait(&self) -> Permitted<Wait> {
        after_apply(&self.permit)
    }

    /// What is recorded before the object goes out.
    pub fn recorded(&self) -> Recorded {
        let intended = match &self.form {
            Form::Body(_) => None,
            Form::File(rendered) => Some(rendered.digest()),
        };
        Recorded { object: self.object().clone(), uid: None, written: None, intended }
    }
}

impl Recorded {
    /// The digests that the object's file may have.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        self.written.into_iter().chain(self.intended)
    }
}

impl Inventory {
    /// What is recorded of an object, whatever version of its group it was written in.
    pub fn find(&self, object: &ObjectRef) -> Option<&Recorded> {
        self.0.get(object)
    }

    /// All objects, the first recorded first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Recorded> {
        self.0.iter()
    }

    /// Records objects, in the place of what was recorded of them. Only what their files held stays known until they are
    /// written.
    pub fn record(&mut self, more: &[Recorded]) {
        for new in more {
            let written = new.written.or(self.0.get(&new.object).and_then(|old| old.written));
            self.0.insert(&new.object, Recorded { written, ..new.clone() });
        }
    }

    /// Forgets an object.
    pub fn forget(&mut self, object: &ObjectRef) {
        self.0.remove(object);
    }

    /// All of it, the first recorded first.
    pub fn into_recorded(self) -> Vec<Recorded> {
        self.0.into_values().collect()
    }
}

impl FromIterator<Recorded> for Inventory {
    fn from_iter<I: IntoIterator<Item = Recorded>>(recorded: I) -> Self {
        let mut objects = Objects::default();
        recorded.into_iter().for_each(|recorded| objects.insert(&recorded.object.clone(), recorded));
        Self(objects)
    }
}

impl Overrides {
    /// Whether fields of others are taken over.
    fn forces(self) -> bool {
        self.force_conflicts || self.take_ownership
    }
}

/// The body with the UID of the object that was seen when it was planned: one that has taken its name since is refused.
fn same_as_seen(body: &Value, seen: Option<&Value>) -> Value {
    let mut body = body.clone();
    let uid = seen.and_then(|seen| seen.pointer("/metadata/uid")).cloned();
    if let (Some(uid), Some(Value::Object(metadata))) = (uid, body.get_mut("metadata")) {
        metadata.insert("uid".into(), uid);
    }
    body
}

/// Objects of another installation are not ours to change, nor are those that were there before: an uninstall would
/// remove them. The answer is whether an object that belongs to nobody is taken over; a plan that nothing follows shows that
/// instead of refusing it.
fn check_owner(
    before: Option<&Value>,
    prepared: &Prepared,
    inventory: &Inventory,
    overrides: Overrides,
    trial: Trial,
) -> Result<bool, Error> {
    let Some(before) = before else { return Ok(false) };
    let theirs = owner(before);
    let is_ours = match &theirs {
        Some(_) => theirs == owner(prepared.permit.0.body()),
        None => inventory.find(prepared.object()).is_some_and(|recorded| recorded.uid.is_some()),
    };
    let is_shown = theirs.is_none() && trial == Trial::DryRunIfAllowed;
    if is_ours || overrides.take_ownership || is_shown {
        return Ok(!is_ours && theirs.is_none());
    }
    Err(Error::Foreign { object: prepared.object().to_string(), owner: theirs })
}

/// Checks that an object may be removed and made anew: it holds nothing that would be lost with it.
///
/// # Errors
/// [`Error::Irreplaceable`] for volumes, claims and what makes them, and for what takes all that is in it along.
pub fn check_replaceable(object: &ObjectRef, found: &Value, fields: &[String]) -> Result<(), Error> {
    let claims = found.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let holds = Kept::of(object).is_some()
        || match object.group_kind().as_str() {
            "PersistentVolume" => true,
            "apps/StatefulSet" => claims.is_some_and(|all| !all.is_empty()),
            _ => false,
        };
    if holds {
        return Err(Error::Irreplaceable { object: object.to_string(), fields: fields.to_vec() });
    }
    Ok(())
}

/// Removes an object that `is_ours` lets go. It is told what was seen first, and asked again whenever that has changed.
async fn delete(
    cluster: &Cluster,
    permit: &Permitted<Delete>,
    seen: Option<&Value>,
    kinds: &Kinds,
    is_ours: impl Fn(&Value) -> Result<bool, Error>,
) -> Result<Removed, Error> {
    let mut found = seen.cloned();
    // What was read a moment ago is not compared again: the UID alone tells whether it is the same object.
    for is_fresh in [seen.is_none(), true, true] {
        if is_fresh {
            found = cluster.get(&before_delete(permit), kinds).await?;
        }
        let Some(found) = found.as_ref().filter(|found| same_uid(seen, found)) else {
            return Ok(Removed::Gone);
        };
        if !is_ours(found)? {
            return Ok(Removed::Gone);
        }
        let going = Removed::Going(uid(found).map(str::to_owned));
        if found.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok(going);
        }
        match cluster.delete(permit, &Identity::of(found, !is_fresh), kinds).await? {
            Deleted::Accepted => return Ok(going),
            Deleted::Changed => {}
            Deleted::Gone => return Ok(if is_held(found) { going } else { Removed::Gone }),
        }
    }
    Err(cluster::Error::Changed(permit.0.to_string()).into())
}

/// Whether an object that was found is the one that was seen before.
fn same_uid(seen: Option<&Value>, found: &Value) -> bool {
    seen.is_none_or(|seen| uid(seen) == uid(found))
}

/// Whether an object that was found is the one that is recorded, or none is.
fn is_recorded(object: &ObjectRef, found: &Value, inventory: &Inventory) -> bool {
    let recorded = inventory.find(object).and_then(|recorded| recorded.uid.as_deref());
    recorded.is_none_or(|recorded| uid(found) == Some(recorded))
}

fn uid(object: &Value) -> Option<&str> {
    object.pointer("/metadata/uid")?.as_str()
}

fn is_held(object: &Value) -> bool {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|all| !all.is_empty())
}

fn check_removal(
    cluster: &Cluster,
    object: &ObjectRef,
    found: &Value,
    inventory: &Inventory,
    overrides: Overrides,
) -> Result<(), Error> {
    let owner = owner(found);
    let is_ours = match &owner {
        Some(owner) => cluster.acts_for(owner),
        None => inventory.find(object).is_none_or(|recorded| recorded.uid.is_some()),
    };
    if is_ours || overrides.take_ownership {
        return Ok(());
    }
    Err(Error::Foreign { object: object.to_string(), owner })
}

/// Whether what an object holds is an installation's own: its annotation or the inventory says so, or the operator takes
/// it over.
pub fn is_own(
    object: &ObjectRef,
    found: &Value,
    installation: &str,
    inventory: &Inventory,
    overrides: Overrides,
) -> bool {
    let is_ours = match owner(found) {
        Some(owner) => owner == installation,
        None => inventory.find(object).is_some(),
    };
    is_ours || overrides.take_ownership
}

/// The installation that an object names as its owner.
fn owner(object: &Value) -> Option<String> {
    Some(object.pointer("/metadata/annotations")?.get(OWNER)?.as_str()?.to_owned())
}

/// What the cluster's refusal means: a conflict about the owner is one about the object, not about a field.
fn refused(error: cluster::Error) -> Error {
    let cluster::Error::Conflict { object, fields } = &error else { return error.into() };
    let Some(held) = fields.iter().find(|field| field.path.ends_with(OWNER)) else { return error.into() };
    let owner = held.manager.strip_prefix("carnet/").unwrap_or(&held.manager).to_owned();
    Error::Foreign { object: object.clone(), owner: Some(owner) }
}

/// How a kind is served that a run's own definition brings. None for a definition that no server would take: its names
/// would lead elsewhere.
pub fn defined(definition: &Value) -> Option<(String, Resource)> {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
    let (group, plural) = (text("/spec/group")?, text("/spec/names/plural")?);
    if !is_label(plural) || text("/metadata/name")? != format!("{plural}.{group}") {
        return None;
    }
    let group_kind = format!("{group}/{}", text("/spec/names/kind")?);
    let namespaced = text("/spec/scope")? == "Namespaced";
    Some((group_kind, Resource { plural: plural.to_owned().into(), namespaced }))
}
