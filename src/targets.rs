//! Where objects go: a Kubernetes cluster, or a directory of manifests.
//!
//! Every method that reaches outside takes a permit. A target knows what an installation has put there (its inventory)
//! and says so before it writes, through a [`Ledger`], so that nothing it leaves behind is ever unknown.

pub mod credentials;
mod awaited;
mod overrides;
mod take;
mod preview;
mod failure;
mod inventory;
mod protected;
mod ownership;
mod warning;
pub mod cluster;
pub mod directory;
mod place;
mod recorded_place;
mod prepared;

use std::sync::Arc;

use serde_json::Value;

use crate::cluster::{Error as ClusterError, WriteRight};
use crate::grant::recorded::RecordedObject;
use crate::grant::{Apply, Delete, Get, Permitted, PlaceCredential, Wait};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::metadata;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::{Readiness, going};

use self::cluster::{Body, Cluster, may_be_watched, same_as_seen};
use credentials::{Filled, LentCredentials};
use directory::Directory;
use ownership::{Ownership, is_recorded, refused};
use prepared::Form;

pub use self::cluster::{Followed, Listing, Removed, Sight};
pub use awaited::Awaited;
pub use failure::{Error, Reached};
pub use inventory::{Inventory, Ledger, MadeBy, Recorded};
pub use overrides::Overrides;
pub use ownership::{Spared, is_own};
pub use place::{InvalidPlace, Place};
pub use prepared::Prepared;
pub use preview::{Change, DryRunMode, Marks, NotDryRun, Preview};
pub use protected::{Protected, check_replaceable};
pub use recorded_place::RecordedPlace;
pub use take::{InvalidTake, Take, overrides_of, untaken};
pub use warning::Warning;

/// An object that a record names, as it was looked for.
pub struct Looked {
    /// The object, in the version of its group in which it was found.
    pub recorded: RecordedObject,
    /// What was found, or why nobody could look.
    pub sight: Result<Sight, Error>,
}

/// A target.
pub enum Target {
    /// A Kubernetes cluster.
    Cluster(Box<Cluster>),
    /// A directory of manifests.
    Directory(Directory),
}

impl Target {
    /// Learns how the kind of an object is served, if only the target can know.
    ///
    /// # Errors
    /// [`Error::Cluster`] when the cluster does not serve it.
    pub async fn learn(&self, object: &ObjectRef, kinds: &mut Kinds) -> Result<(), Error> {
        self.learn_all(std::slice::from_ref(object), kinds).await
    }

    /// Learns how the kinds of several objects are served, at once.
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

    /// Reads objects together, as far as that takes fewer requests than each by itself.
    pub async fn list(&self, permits: &[Permitted<Get>], kinds: &Kinds, inventory: &Inventory) -> Listing {
        let objects: Vec<_> = permits.iter().map(|permit| &permit.0).collect();
        self.list_all(&objects, kinds, inventory).await
    }

    /// As [`list`](Self::list), of objects that may be applied, before it is tried what that would change.
    pub async fn list_before(
        &self,
        prepared: impl Iterator<Item = &Prepared>,
        kinds: &Kinds,
        inventory: &Inventory,
    ) -> Listing {
        self.list_all(&prepared.map(Prepared::object).collect::<Vec<_>>(), kinds, inventory).await
    }

    async fn list_all(&self, objects: &[&ObjectRef], kinds: &Kinds, inventory: &Inventory) -> Listing {
        match self {
            Self::Cluster(cluster) => cluster.list(objects, kinds, |it| inventory.find(it).is_some()).await,
            Self::Directory(_) => Listing::default(),
        }
    }

    /// The bytes that preparing an object adds to it.
    ///
    /// # Errors
    /// [`Error::Misplaced`] for credentials that are more than the object may hold.
    pub fn added(&self, permit: &Permitted<Apply>, lent: &LentCredentials) -> Result<usize, Error> {
        match self {
            Self::Directory(directory) if directory.omits() => Ok(0),
            Self::Cluster(_) | Self::Directory(_) => Ok(lent.length(&permit.0)?),
        }
    }

    /// Prepares an object for sending, its credentials in place or left out. Each of them needs its own permit to go
    /// there.
    ///
    /// # Errors
    /// [`Error::Misplaced`] for a credential that stands where it may not.
    pub fn prepare(
        &self,
        permit: Permitted<Apply>,
        placed: &[Permitted<PlaceCredential>],
        lent: &LentCredentials,
    ) -> Result<Prepared, Error> {
        let form = match self {
            Self::Cluster(_) => Form::Body(lent.fill(&permit.0, placed)?),
            Self::Directory(directory) => Form::File(directory.render(&permit, placed, lent)?),
        };
        Ok(Prepared { permit, form })
    }

    /// Previews the apply of an object, of which a list may have told already. Writes nothing.
    ///
    /// # Errors
    /// [`Error`] when it could not be applied.
    pub async fn preview(
        &self,
        prepared: &Prepared,
        inventory: &Inventory,
        kinds: &Kinds,
        overrides: Overrides,
        (mode, listing): (DryRunMode, &Listing),
    ) -> Result<Preview, Error> {
        match (self, &prepared.form) {
            (Self::Cluster(cluster), Form::Body(filled)) => {
                let before = cluster.before(&prepared.permit, kinds, listing).await?;
                if let Some(going) = before.as_ref().filter(|before| metadata::is_being_deleted(before)) {
                    return Ok(Preview::succeeding(going.clone(), &filled.body));
                }
                let adopts = adopts(before.as_ref(), prepared, inventory, overrides, mode)?;
                let body = sent(filled, &filled.body);
                let tried = cluster.preview(&prepared.permit, body, kinds, before, (mode, adopts)).await;
                let preview = match tried.map_err(refused) {
                    Err(Error::Cluster(ClusterError::Conflict { fields, .. })) => {
                        let held = overridden(cluster, prepared, body, kinds, mode).await?;
                        Preview { conflicts: fields, ..held }
                    }
                    Err(Error::Foreign { .. }) if overrides.forces() => {
                        overridden(cluster, prepared, body, kinds, mode).await?
                    }
                    preview => preview?,
                };
                Ok(Preview { marks: Marks { adopts, ..preview.marks }, ..preview })
            }
            (Self::Directory(directory), Form::File(rendered)) => {
                directory.preview(&prepared.permit, rendered, inventory, overrides)
            }
            _ => Err(Error::Ledger("the object was prepared for another target".into())),
        }
    }

    /// Previews the apply of an object by reads alone, for this reason.
    ///
    /// # Errors
    /// [`Error`] when it could not be applied.
    pub async fn foretell(
        &self,
        prepared: &Prepared,
        inventory: &Inventory,
        kinds: &Kinds,
        overrides: Overrides,
        why: NotDryRun,
    ) -> Result<Preview, Error> {
        match (self, &prepared.form) {
            (Self::Cluster(cluster), Form::Body(filled)) => {
                let before = cluster.before(&prepared.permit, kinds, &Listing::default()).await?;
                adopts(before.as_ref(), prepared, inventory, overrides, DryRunMode::Reads)?;
                Ok(cluster.foretell(&filled.body, before, why))
            }
            (Self::Directory(directory), Form::File(rendered)) => {
                directory.preview(&prepared.permit, rendered, inventory, overrides)
            }
            _ => Err(Error::Ledger("the object was prepared for another target".into())),
        }
    }

    /// Applies an object. `seen` is the object as it was planned against, to tell whether anything changed.
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
                let applied = cluster.apply_over(&prepared.permit, sent(filled, &body), seen, kinds, force);
                let applied = applied.await.map_err(refused)?;
                // What is written to an object that goes, goes with it.
                if metadata::is_being_deleted(&applied.after) {
                    return Err(Error::held(prepared.object().to_string(), &going(&applied.after)));
                }
                let before = if applied.created { None } else { Some(seen.unwrap_or(&Value::Null).clone()) };
                let change = cluster.compared(before, applied.after).change;
                Ok((change, Recorded { uid: Some(applied.uid), ..prepared.recorded() }))
            }
            (Self::Directory(directory), Form::File(rendered)) => {
                directory.prove().await?;
                let change = directory.apply(&prepared.permit, rendered, inventory, overrides)?;
                Ok((
                    change,
                    Recorded { written: Some(rendered.digest()), intended: None, ..prepared.recorded() },
                ))
            }
            _ => Err(Error::Ledger("the object was prepared for another target".into())),
        }
    }

    /// The record of an object whose apply would be a no-op, so that it need not be applied. A directory compares its
    /// files when it writes them.
    pub fn settled(&self, prepared: &Prepared, seen: &Value) -> Option<Recorded> {
        let Self::Cluster(_) = self else { return None };
        let uid = metadata::uid(seen)?.to_owned();
        Some(Recorded { uid: Some(uid), ..prepared.recorded() })
    }

    /// Why an object that was found may not be removed: it belongs to another installation by now, or to nobody, or is
    /// another object than the one that is recorded. None: it may.
    pub fn spares(
        &self,
        object: &ObjectRef,
        found: &Value,
        inventory: &Inventory,
        overrides: Overrides,
    ) -> Option<Spared> {
        // The bytes of its file tell, when it is removed.
        let Self::Cluster(cluster) = self else { return None };
        let refused = check_removal(cluster, object, found, inventory, overrides).err();
        Spared::of(refused.as_ref(), object, found, inventory)
    }

    /// Looks for objects that a record names, side by side, in whatever versions of their groups the target has them. How
    /// their kinds are served is learned on the way: one request for each group and version that is not known.
    ///
    /// # Errors
    /// [`Error`] when the target cannot tell how they are served.
    pub async fn look_all(
        &self,
        recorded: Vec<RecordedObject>,
        kinds: &mut Kinds,
    ) -> Result<Vec<Looked>, Error> {
        if let Self::Cluster(cluster) = self {
            return Ok(cluster.look_all(recorded, kinds).await?);
        }
        let mut looked = Vec::new();
        for recorded in recorded {
            let sight = self.get(&recorded.get(), kinds).await.map(Sight::of);
            looked.push(Looked { recorded, sight });
        }
        Ok(looked)
    }

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

    /// Removes an object. One that is already gone is no error, nor is one that has another UID by now: it is another
    /// object. `seen` is the object as it was planned against; where it is still current, the removal is one request.
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
                let is_ours = |found: &Value| {
                    check_removal(cluster, &permit.0, found, inventory, overrides)?;
                    Ok(is_recorded(&permit.0, found, inventory))
                };
                cluster.remove(permit, seen, kinds, is_ours).await
            }
            Self::Directory(directory) => {
                directory.prove().await?;
                directory.delete(permit, inventory, overrides)?;
                Ok(Removed::Gone)
            }
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

    /// Checks before objects are removed that the target is where they were put. Of a directory that is another one by
    /// now, the absence of their files would tell nothing.
    ///
    /// # Errors
    /// [`Error::OtherDirectory`] when it is not.
    pub fn check_place(&self) -> Result<(), Error> {
        match self {
            Self::Cluster(_) => Ok(()),
            Self::Directory(directory) => directory.check_identity(),
        }
    }

    /// The identity of a directory.
    pub fn identity(&self) -> Option<String> {
        match self {
            Self::Cluster(_) => None,
            Self::Directory(directory) => Some(directory.identity().to_owned()),
        }
    }

    /// Whether it is certain that an object is not there, whose request went so far and was never made before, and that no
    /// request for it is under way.
    pub async fn lacks(&self, prepared: &Prepared, reached: Reached, kinds: &Kinds) -> bool {
        match (self, reached) {
            (_, Reached::Written) | (Self::Cluster(_), Reached::Lost) => false,
            (Self::Cluster(_), Reached::NotSent) => true,
            (Self::Cluster(cluster), Reached::Refused) => cluster.is_absent(&prepared.permit, kinds).await,
            (Self::Directory(directory), _) => directory.lacks(prepared.object()),
        }
    }

    /// Removes temporary files of a run that was killed.
    ///
    /// # Errors
    /// [`Error::Io`] when a directory cannot be read.
    pub fn sweep(&self) -> Result<(), Error> {
        match self {
            Self::Cluster(_) => Ok(()),
            Self::Directory(directory) => directory.sweep(),
        }
    }

    /// From here on, changes something only as long as this right is held.
    pub fn write_under(&mut self, right: Arc<dyn WriteRight>) {
        match self {
            Self::Cluster(cluster) => cluster.write_under(right),
            Self::Directory(directory) => directory.write_under(right),
        }
    }

    /// Warnings of the server since the last time. A directory warns about nothing.
    pub fn take_warnings(&self) -> Vec<Warning> {
        match self {
            Self::Cluster(cluster) => cluster.take_warnings(),
            Self::Directory(_) => Vec::new(),
        }
    }

    /// The address of a cluster.
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Cluster(cluster) => Some(cluster.server().address()),
            Self::Directory(_) => None,
        }
    }

    /// How the target is written on the command line.
    pub fn describe(&self) -> String {
        match self {
            Self::Cluster(cluster) => format!("kube ({})", cluster.server().address()),
            Self::Directory(directory) => format!("dir:{}", directory.path().display()),
        }
    }
}

/// The change that an apply makes which takes over what other managers hold.
async fn overridden(
    cluster: &Cluster,
    prepared: &Prepared,
    body: Body<'_>,
    kinds: &Kinds,
    mode: DryRunMode,
) -> Result<Preview, Error> {
    let before = cluster.before(&prepared.permit, kinds, &Listing::default()).await?;
    cluster.preview(&prepared.permit, body, kinds, before, (mode, true)).await.map_err(refused)
}

/// The body of a request, with what is known of it.
fn sent<'a>(filled: &Filled, value: &'a Value) -> Body<'a> {
    Body { value, has_credential: filled.is_secret }
}

/// Whether applying an object takes over one that belongs to nobody. A plan that nothing follows shows that instead of
/// refusing it.
fn adopts(
    before: Option<&Value>,
    prepared: &Prepared,
    inventory: &Inventory,
    overrides: Overrides,
    mode: DryRunMode,
) -> Result<bool, Error> {
    let Some(before) = before else { return Ok(false) };
    let us = metadata::owner(prepared.body());
    let ownership = Ownership::of(before, |owner| us == Some(owner));
    let ownership = ownership.or_recorded(prepared.object(), inventory);
    let ownership = ownership.before(prepared.object(), before, inventory);
    let adopts = ownership == Ownership::Nobodys;
    if !(adopts && mode.is_lenient()) {
        ownership.check(prepared.object(), overrides)?;
    }
    Ok(adopts)
}

/// Checks that an object may be removed. One that is recorded must say itself that it is this installation's: the
/// record may have been written by others. One that is not is removed because a component may remove it by its grant;
/// it may belong to nobody.
fn check_removal(
    cluster: &Cluster,
    object: &ObjectRef,
    found: &Value,
    inventory: &Inventory,
    overrides: Overrides,
) -> Result<(), Error> {
    match Ownership::of(found, |owner| cluster.acts_for(owner)) {
        Ownership::Nobodys if inventory.find(object).is_none() => Ok(()),
        ownership => ownership.check(object, overrides),
    }
}
