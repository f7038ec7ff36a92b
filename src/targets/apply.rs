//! Applying: an object into its body or its file, with its credentials, and that into a preview or a change.

use serde_json::Value;

use crate::cluster::Error as ClusterError;
use crate::grant::{Apply, Permitted, PlaceCredential};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::metadata::{self, RECORD};
use crate::kubernetes::readiness::going;

use super::cluster::{Body, Cluster, same_as_seen};
use super::credentials::{Filled, LentCredentials};
use super::ownership::{Ownership, refused};
use super::prepared::Form;
use super::{
    Change, DryRunMode, Error, Inventory, ListedObjects, Marks, NotDryRun, Overrides, Prepared, Preview,
    Reached, Recorded, Target,
};

impl Target {
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
        inventory: &Inventory,
    ) -> Result<Prepared, Error> {
        let keys = lent.keys(&permit.0)?;
        let form = match self {
            Self::Cluster(_) => Form::Body(marked(lent.fill(&permit.0, placed)?, permit.0.body(), inventory)),
            Self::Directory(directory) => Form::File(directory.render(&permit, placed, lent)?),
        };
        Ok(Prepared { permit, form, keys })
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
        (mode, listing): (DryRunMode, &ListedObjects),
    ) -> Result<Preview, Error> {
        match (self, &prepared.form) {
            (Self::Cluster(cluster), Form::Body(filled)) => {
                let before = cluster.before(&prepared.permit, kinds, listing).await?;
                if let Some(going) = before.as_ref().filter(|before| metadata::is_being_deleted(before)) {
                    return Ok(Preview::succeeding(going.clone(), filled.body(prepared.body())));
                }
                let adopts = adopts(before.as_ref(), prepared, inventory, overrides, mode)?;
                let body = sent(filled, filled.body(prepared.body()));
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
            _ => Err(Error::Misprepared(prepared.object().to_string())),
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
                let before = cluster.before(&prepared.permit, kinds, &ListedObjects::default()).await?;
                adopts(before.as_ref(), prepared, inventory, overrides, DryRunMode::Reads)?;
                Ok(cluster.foretell(filled.body(prepared.body()), before, why))
            }
            (Self::Directory(directory), Form::File(rendered)) => {
                directory.preview(&prepared.permit, rendered, inventory, overrides)
            }
            _ => Err(Error::Misprepared(prepared.object().to_string())),
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
                let body = same_as_seen(filled.body(prepared.body()), seen);
                let applied = cluster.apply_over(&prepared.permit, sent(filled, &body), seen, kinds, force);
                let applied = applied.await.map_err(refused)?;
                // A write to an object that is being deleted is lost with it.
                if metadata::is_being_deleted(&applied.after) {
                    return Err(Error::held(prepared.object().to_string(), &going(&applied.after)));
                }
                let before = if applied.created { None } else { Some(seen.unwrap_or(&Value::Null)) };
                let change = cluster.change(before, &applied.after);
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
            _ => Err(Error::Misprepared(prepared.object().to_string())),
        }
    }

    /// The record of an object whose apply would be a no-op, so that it need not be applied. A directory compares its
    /// files when it writes them.
    pub fn settled(&self, prepared: &Prepared, seen: &Value) -> Option<Recorded> {
        let Self::Cluster(_) = self else { return None };
        let uid = metadata::uid(seen)?.to_owned();
        Some(Recorded { uid: Some(uid), ..prepared.recorded() })
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
}

/// The change that an apply makes which takes over what other managers hold.
async fn overridden(
    cluster: &Cluster,
    prepared: &Prepared,
    body: Body<'_>,
    kinds: &Kinds,
    mode: DryRunMode,
) -> Result<Preview, Error> {
    let before = cluster.before(&prepared.permit, kinds, &ListedObjects::default()).await?;
    cluster.preview(&prepared.permit, body, kinds, before, (mode, true)).await.map_err(refused)
}

/// A body that says which record it belongs to. The steps of a plan do not: the record is made with the first run.
fn marked(filled: Filled, written: &Value, inventory: &Inventory) -> Filled {
    match inventory.mark() {
        Some(mark) => filled.annotated(written, RECORD, mark),
        None => filled,
    }
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
    let ownership = Ownership::of(prepared.object(), before, inventory, |owner| us == Some(owner));
    let ownership = ownership.or_recorded(prepared.object(), inventory);
    let ownership = ownership.before(prepared.object(), before, inventory);
    let adopts = ownership == Ownership::Nobodys;
    if !(adopts && mode.is_lenient()) {
        ownership.check(prepared.object(), overrides)?;
    }
    Ok(adopts)
}
