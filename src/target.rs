//! Where objects go: a Kubernetes cluster, or a directory of manifests.
//!
//! Every method that reaches outside takes a permit. A target knows what an installation has put there (its inventory)
//! and says so before it writes, through a [`Ledger`], so that nothing it leaves behind is ever unknown.

pub mod cluster;
pub mod directory;
pub mod lent;
pub mod ready;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::capability::kinds::{Kinds, Resource};
use crate::capability::object::ObjectRef;
use crate::digest::Digest;
use crate::grant::{Apply, Delete, Get, Permitted, Wait, before_delete};

use cluster::Cluster;
use directory::{Directory, Rendered};
use lent::{Filled, Lent, Misplaced, NotText};
use ready::Readiness;

/// The annotation that names the installation an object belongs to, `NAMESPACE/NAME`.
pub const OWNER: &str = "carnet.dev/installation";

/// A target.
pub enum Target {
    /// A Kubernetes cluster.
    Cluster(Box<Cluster>),
    /// A directory of manifests.
    Directory(Directory),
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is not there yet.
    Create,
    /// It is removed.
    Delete,
    /// It is there, as it is to be.
    Unchanged,
    /// It is there, otherwise.
    Update,
}

/// What applying an object would do. Its content is not in `Debug`, for it may be a Secret.
#[derive(Clone, PartialEq)]
pub struct Preview {
    /// What would happen.
    pub change: Change,
    /// The object as it is.
    pub before: Option<Value>,
    /// The object as it would be.
    pub after: Value,
    /// `after` is only what was sent: the server cannot say more, since the namespace or the definition of the kind is
    /// not there yet.
    pub unsure: bool,
}

/// What the operator insists on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overrides {
    /// Overwrite what somebody else changed in our objects.
    pub force_conflicts: bool,
    /// Take over objects that this installation did not make.
    pub take_ownership: bool,
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
pub struct Inventory(pub Vec<Recorded>);

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
    /// A file that is not an object.
    #[error("the file of {0} cannot be read: {1}")]
    Unreadable(String, String),
}

impl Preview {
    /// What makes `after` of `before`.
    pub fn of(before: Option<Value>, after: Value) -> Self {
        let change = match &before {
            None => Change::Create,
            Some(before) if without_bookkeeping(before) == without_bookkeeping(&after) => Change::Unchanged,
            Some(_) => Change::Update,
        };
        Self { change, before, after, unsure: false }
    }
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preview")
            .field("change", &self.change)
            .field("unsure", &self.unsure)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Learns how the kind of an object is served, if only the target can know.
    ///
    /// # Errors
    /// [`Error::Cluster`] when the cluster does not serve it.
    pub async fn learn(&self, object: &ObjectRef, kinds: &mut Kinds) -> Result<(), Error> {
        match self {
            Self::Cluster(cluster) => Ok(cluster.learn(object, kinds).await?),
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
    ) -> Result<Preview, Error> {
        match (self, &prepared.form) {
            (Self::Cluster(cluster), Form::Body(filled)) => {
                let force = overrides.forces();
                let preview = cluster.preview(&prepared.permit, &filled.body, kinds, force).await;
                let preview = preview.map_err(refused)?;
                check_owner(&preview, prepared, inventory, overrides)?;
                Ok(preview)
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
        &mut self,
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
                let change = Preview::of(before, applied.after).change;
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

    /// Whether an object that was found may be removed. It may not when it belongs to another installation by now, or to
    /// nobody and a run that was to write it never did.
    ///
    /// # Errors
    /// [`Error::Foreign`] when it is not this installation's.
    pub fn check_removal(
        &self,
        object: &ObjectRef,
        found: &Value,
        inventory: &Inventory,
        overrides: Overrides,
    ) -> Result<(), Error> {
        match self {
            Self::Cluster(cluster) => check_removal(cluster, object, found, inventory, overrides),
            // The bytes of its file tell, when it is removed.
            Self::Directory(_) => Ok(()),
        }
    }

    /// Removes an object. One that is already gone is no error; whether it was there is the answer.
    ///
    /// # Errors
    /// [`Error`] when it is still there.
    pub async fn delete(
        &mut self,
        permit: &Permitted<Delete>,
        inventory: &Inventory,
        kinds: &Kinds,
        overrides: Overrides,
    ) -> Result<bool, Error> {
        match self {
            Self::Cluster(cluster) => {
                let Some(found) = cluster.get(&before_delete(permit), kinds).await? else { return Ok(false) };
                check_removal(cluster, &permit.0, &found, inventory, overrides)?;
                let recorded = inventory.find(&permit.0).and_then(|recorded| recorded.uid.as_deref());
                let uid = recorded.or_else(|| found.pointer("/metadata/uid")?.as_str());
                Ok(cluster.delete(permit, uid, kinds).await?)
            }
            Self::Directory(directory) => directory.delete(permit, inventory, overrides),
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
        self.0.iter().find(|recorded| recorded.object.key() == object.key())
    }

    /// Records objects, in the place of what was recorded of them. What their files held stays known until they are
    /// written.
    pub fn record(&mut self, more: &[Recorded]) {
        for new in more {
            match self.0.iter_mut().find(|old| old.object.key() == new.object.key()) {
                Some(old) => {
                    let kept = Recorded {
                        uid: new.uid.clone().or(old.uid.take()),
                        written: new.written.or(old.written),
                        ..new.clone()
                    };
                    *old = kept;
                }
                None => self.0.push(new.clone()),
            }
        }
    }

    /// Forgets an object.
    pub fn forget(&mut self, object: &ObjectRef) {
        self.0.retain(|recorded| recorded.object.key() != object.key());
    }
}

/// The object without its status and without what the server writes by itself: what two states of it differ in, if they
/// differ.
pub fn without_bookkeeping(object: &Value) -> Value {
    const WRITTEN_BY_THE_SERVER: [&str; 6] =
        ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
    let mut bare = object.clone();
    if let Value::Object(members) = &mut bare {
        members.remove("status");
        if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
            metadata.retain(|name, _| !WRITTEN_BY_THE_SERVER.contains(&name.as_str()));
        }
    }
    bare
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
/// remove them.
fn check_owner(
    preview: &Preview,
    prepared: &Prepared,
    inventory: &Inventory,
    overrides: Overrides,
) -> Result<(), Error> {
    let Some(before) = &preview.before else { return Ok(()) };
    let theirs = owner(before);
    let is_ours = match &theirs {
        Some(_) => theirs == owner(prepared.permit.0.body()),
        None => inventory.find(prepared.object()).is_some_and(|recorded| recorded.uid.is_some()),
    };
    if is_ours || overrides.take_ownership {
        return Ok(());
    }
    Err(Error::Foreign { object: prepared.object().to_string(), owner: theirs })
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

/// How a kind is served that a run's own definition brings.
pub fn defined(definition: &Value) -> Option<(String, Resource)> {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
    let group_kind = format!("{}/{}", text("/spec/group")?, text("/spec/names/kind")?);
    let plural = text("/spec/names/plural")?.to_owned();
    Some((group_kind, Resource { plural: plural.into(), namespaced: text("/spec/scope")? == "Namespaced" }))
}
