//! A pass, as far as the functions of one host API may reach it. Each view has what its API does and no more, so that no
//! function for credentials can apply anything, and none for objects can lend.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use crate::grant::{
    Apply, Delete, Generate, Get, Granted, Lend, Permitted, PlaceCredential, Wait, before_generate,
};
use crate::host::told::CallError;
use crate::kubernetes::kinds::{Kinds, Redefined};
use crate::kubernetes::manifest::Object;
use crate::kubernetes::object::{InvalidObjectRef, ObjectRef};
use crate::targets::credentials::{self, Account, Misplaced, Placements};
use crate::targets::{self, Change, Prepared};

use super::{ApplyItem, KeptManifests, Pass};

/// The pass of functions for credentials: lends them, and finds those again that the host made.
///
/// Nothing else can be done through it:
/// ```compile_fail
/// let forged = carnet::host::pass::CredentialPass(panic!());
/// ```
pub struct CredentialPass<'a>(&'a mut Pass);

/// The pass of functions for objects: reads, applies, removes and waits for them, each with a permit.
pub struct ObjectPass<'a>(&'a mut Pass);

impl Pass {
    /// The pass, as far as credentials are concerned.
    pub(in crate::host) fn for_credentials(&mut self) -> CredentialPass<'_> {
        CredentialPass(self)
    }

    /// The pass, as far as objects are concerned.
    pub(in crate::host) fn for_objects(&mut self) -> ObjectPass<'_> {
        ObjectPass(self)
    }
}

impl CredentialPass<'_> {
    /// Lends a credential.
    pub(in crate::host) fn lend(&mut self, permit: Permitted<Lend>, value: SecretString) {
        self.0.site_mut().lend(permit, value);
    }

    /// Lends a credential that the host made.
    pub(in crate::host) fn lend_generated(&mut self, permit: &Permitted<Generate>, value: SecretString) {
        self.0.site_mut().lend_generated(permit, value);
    }

    /// Whether a credential of this name was lent.
    pub(in crate::host) fn holds(&self, name: &str) -> bool {
        self.0.site().holds(name)
    }

    /// Finds a generated credential again, in one of the Secrets that it may live in. These reads are the host's own,
    /// and the only ones of a run that the component did not ask for.
    ///
    /// # Errors
    /// When the target cannot be read, or the credential is no text any more.
    pub(in crate::host) async fn generated(
        &mut self,
        permit: &Permitted<Generate>,
        installation: &str,
    ) -> Result<Option<SecretString>, targets::Error> {
        let reads = before_generate(permit);
        if let Pass::Planning(planning) = &mut *self.0 {
            planning.note_reads(reads.iter().map(|read| read.0.clone()));
        }
        for read in reads {
            let found = self.0.get(&read).await?;
            let is_own = |secret: &Value| self.0.site().is_own(&read.0, secret, installation);
            let held = found
                .filter(is_own)
                .map(|secret| credentials::generated(&secret, &permit.name))
                .transpose()?;
            if let Some(value) = held.flatten() {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

impl ObjectPass<'_> {
    /// What is known of a Secret that was read.
    pub(in crate::host) fn account(&self, secret: &ObjectRef, found: &Value, granted: &Granted) -> Account {
        self.0.account(secret, found, granted)
    }

    /// Discovers how these kinds are served.
    pub(in crate::host) async fn learn(&mut self, objects: &[ObjectRef]) -> Result<(), targets::Error> {
        self.0.site_mut().learn(objects).await
    }

    /// Learns how a kind is served that the run itself brings, by its definition, which was permitted.
    pub(in crate::host) fn learn_defined(&mut self, permit: &Permitted<Apply>) -> Result<(), Redefined> {
        self.0.site_mut().learn_defined(permit)
    }

    /// The manifests that were read.
    pub(in crate::host) fn manifests(&mut self) -> &mut KeptManifests {
        self.0.site_mut().manifests_mut()
    }

    /// Goes back to the kinds that were known before a call that failed.
    pub(in crate::host) fn unlearn(&mut self, kinds: Kinds) {
        self.0.site_mut().unlearn(kinds);
    }

    /// Holds on to how the kind of a permitted object is written.
    pub(in crate::host) fn spell(&mut self, object: &ObjectRef) -> Result<(), InvalidObjectRef> {
        self.0.site_mut().spell(object)
    }

    /// How kinds are served.
    pub(in crate::host) fn kinds(&self) -> &Kinds {
        self.0.site().kinds()
    }

    /// The credentials in a manifest, by the key that they stand under.
    pub(in crate::host) fn placements(&self, object: &Object) -> Result<Placements, Misplaced> {
        self.0.site().placements(object)
    }

    /// The bytes that preparing an object adds to it.
    pub(in crate::host) fn added(&self, permit: &Permitted<Apply>) -> Result<usize, targets::Error> {
        self.0.site().added(permit)
    }

    /// Prepares an object for sending, with the permits to place the credentials in it.
    pub(in crate::host) fn prepare(
        &self,
        permit: Permitted<Apply>,
        placed: &[Permitted<PlaceCredential>],
    ) -> Result<Prepared, targets::Error> {
        self.0.site().prepare(permit, placed)
    }

    /// Reads an object, as the run has left it so far.
    pub(in crate::host) async fn get(
        &mut self,
        permit: &Permitted<Get>,
    ) -> Result<Option<Value>, targets::Error> {
        self.0.get(permit).await
    }

    /// Applies objects, and returns the change of each.
    pub(in crate::host) async fn apply(
        &mut self,
        items: Vec<ApplyItem>,
        granted: &Granted,
    ) -> Result<Vec<Change>, CallError> {
        self.0.apply(items, granted).await
    }

    /// Removes objects.
    pub(in crate::host) async fn delete(&mut self, permits: Vec<Permitted<Delete>>) -> Result<(), CallError> {
        self.0.delete(permits).await
    }

    /// Waits until objects are ready.
    pub(in crate::host) async fn wait(
        &mut self,
        permits: Vec<Permitted<Wait>>,
        limit: Duration,
        granted: &Granted,
    ) -> Result<(), CallError> {
        self.0.wait(permits, limit, granted).await
    }
}
