//! The site that both passes of a run work on: a target, its kinds, the inventory and the credentials.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::Value;

use crate::cluster;
use crate::grant::recorded::RecordedObject;
use crate::grant::{Apply, Delete, Generate, Get, Granted, Lend, Permitted, PlaceCredential, after_delete};
use crate::kubernetes::definition;
use crate::kubernetes::kinds::{Kinds, Redefined};
use crate::kubernetes::manifest::Object;
use crate::kubernetes::object::{InvalidObjectRef, ObjectRef};
use crate::kubernetes::readiness::Readiness;
use crate::plan::Waits;
use crate::targets::credentials::{Account, LentCredentials, Misplaced, Placements};
use crate::targets::{
    self, Awaited, Change, DryRunMode, Inventory, ListedObjects, Looked, NotDryRun, Overrides, Prepared,
    Preview, Reached, Recorded, Removed, Spared, Take, Target, overrides_of, untaken,
};

use crate::host::pass::KeptManifests;
use crate::host::progress::Observer;
use crate::host::wait::{Waiter, now};

/// A target, with its kinds, the inventory and the credentials.
pub struct Site {
    target: Target,
    kinds: Kinds,
    inventory: Inventory,
    overrides: Overrides,
    takes: Vec<Take>,
    waiting: Waiting,
    lent: LentCredentials,
    manifests: KeptManifests,
    observer: Arc<dyn Observer>,
}

/// How long the run may wait for its target.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// What for.
    pub waits: Waits,
    /// When it ends, for all waiting together.
    pub until: Instant,
}

impl Waiting {
    /// Waiting that begins now.
    pub fn begin(waits: Waits, timeout: Duration) -> Self {
        Self { waits, until: now() + timeout }
    }

    /// When a wait ends that a next step needs, whoever asked for it.
    pub(super) fn before_next_step(self) -> Instant {
        if self.waits.between_steps() { self.until } else { now() }
    }

    /// When a wait of this length ends.
    pub(super) fn at_most(self, limit: Duration) -> Instant {
        now() + limit.min(self.until.saturating_duration_since(now()))
    }
}

impl Site {
    /// A target with an inventory, and no discovered kinds yet.
    pub fn new(
        target: Target,
        inventory: Inventory,
        overrides: Overrides,
        waiting: Waiting,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            target,
            kinds: Kinds::default(),
            inventory,
            overrides,
            takes: Vec::new(),
            waiting,
            lent: LentCredentials::default(),
            manifests: KeptManifests::none(),
            observer,
        }
    }

    /// Names what is taken over from others.
    #[must_use]
    pub fn taking(self, takes: Vec<Take>) -> Self {
        Self { takes, ..self }
    }

    /// Keeps the manifests that are read, for another pass that reads the same ones.
    #[must_use]
    pub fn keeping_manifests(self) -> Self {
        Self { manifests: KeptManifests::of_a_first_pass(), ..self }
    }

    /// Resets the site for another pass: no credential was lent in it yet.
    #[must_use]
    pub fn again(self, waiting: Waiting, observer: Arc<dyn Observer>) -> Self {
        let (lent, manifests) = (LentCredentials::default(), self.manifests.again());
        Self { waiting, observer, lent, manifests, ..self }
    }

    /// Discovers how these kinds are served.
    ///
    /// # Errors
    /// [`targets::Error`] when it does not serve one of them.
    pub async fn learn(&mut self, objects: &[ObjectRef]) -> Result<(), targets::Error> {
        self.target.learn_all(objects, &mut self.kinds).await
    }

    /// Learns how a kind is served that the run itself brings, by its definition, which was permitted.
    ///
    /// # Errors
    /// [`Redefined`] when the kind is known as another one.
    pub(crate) fn learn_defined(&mut self, permit: &Permitted<Apply>) -> Result<(), Redefined> {
        if permit.0.reference().is_definition()
            && let Some((group_kind, resource)) = definition::resource(permit.0.body())
        {
            self.kinds.define(&group_kind, resource)?;
        }
        Ok(())
    }

    /// Holds on to how the kind of a permitted object is written.
    ///
    /// # Errors
    /// [`InvalidObjectRef::Spelling`] when it was written in other letters before.
    pub(crate) fn spell(&mut self, object: &ObjectRef) -> Result<(), InvalidObjectRef> {
        self.kinds.spell(object)
    }

    /// Goes back to the kinds that were known before a call that failed.
    pub(crate) fn unlearn(&mut self, kinds: Kinds) {
        self.kinds = kinds;
    }

    /// The manifests that were read.
    pub(crate) fn manifests_mut(&mut self) -> &mut KeptManifests {
        &mut self.manifests
    }

    /// Lends a credential.
    pub(crate) fn lend(&mut self, permit: Permitted<Lend>, value: SecretString) {
        self.lent.lend(permit, value);
    }

    /// Lends a credential that the host made.
    pub(crate) fn lend_generated(&mut self, permit: &Permitted<Generate>, value: SecretString) {
        self.lent.generate(permit, value);
    }

    /// Notes what is recorded of objects.
    pub(super) fn record(&mut self, recorded: &[Recorded]) {
        self.inventory.record(recorded);
    }

    /// Forgets an object.
    pub(super) fn forget(&mut self, object: &ObjectRef) {
        self.inventory.forget(object);
    }

    /// The target, for operations outside of passes.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The target, to be changed.
    pub fn target_mut(&mut self) -> &mut Target {
        &mut self.target
    }

    /// How kinds are served.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// The installation's inventory.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Guards that the operator overrides.
    pub(super) fn overrides(&self) -> Overrides {
        self.overrides
    }

    /// Whether a run waits, and how long.
    pub(super) fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// The observer of the run.
    pub(crate) fn observer(&self) -> &Arc<dyn Observer> {
        &self.observer
    }

    /// Whether a credential of this name was lent.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.lent.holds(name)
    }

    /// The credentials in a manifest, by the key that they stand under.
    pub(crate) fn placements(&self, object: &Object) -> Result<Placements, Misplaced> {
        self.lent.placements(object)
    }

    /// The bytes that preparing an object adds to it.
    pub(crate) fn added(&self, permit: &Permitted<Apply>) -> Result<usize, targets::Error> {
        self.target.added(permit, &self.lent)
    }

    /// Prepares an object for sending, with the permits to place the credentials in it.
    pub(crate) fn prepare(
        &self,
        permit: Permitted<Apply>,
        placed: &[Permitted<PlaceCredential>],
    ) -> Result<Prepared, targets::Error> {
        self.target.prepare(permit, placed, &self.lent, &self.inventory)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`targets::Error`] when the target cannot be read.
    pub async fn get(&self, permit: &Permitted<Get>) -> Result<Option<Value>, targets::Error> {
        self.target.get(permit, &self.kinds).await
    }

    /// Checks before objects are removed that the target is where they were put, unless it is to be taken as it is.
    ///
    /// # Errors
    /// [`targets::Error::OtherDirectory`] when it is not.
    pub fn check_place(&self) -> Result<(), targets::Error> {
        if self.overrides.take_ownership { Ok(()) } else { self.target.check_place() }
    }

    /// Why an object that was found there may not be removed. None: it may.
    pub fn spares(&self, object: &ObjectRef, found: &Value) -> Option<Spared> {
        self.target.spares(object, found, &self.inventory, self.overrides)
    }

    /// Why an object that was found is another state's by now. None: it is not, or it is on no record here.
    pub fn lost(&self, object: &ObjectRef, found: &Value) -> Option<targets::Error> {
        self.target.lost(object, found, &self.inventory)
    }

    /// Looks for objects that a record names, side by side.
    ///
    /// # Errors
    /// [`targets::Error`] when the target cannot tell how they are served.
    pub async fn look_all(&mut self, recorded: Vec<RecordedObject>) -> Result<Vec<Looked>, targets::Error> {
        self.target.look_all(recorded, &mut self.kinds).await
    }

    /// Why an object is left in place whose removal was refused, and whether it stays on record: only where its record
    /// alone tells that it is this installation's.
    pub(super) fn left(&self, refused: &targets::Error) -> (String, bool) {
        match refused {
            targets::Error::Foreign { owner: Some(owner), .. } => {
                (Spared::Foreign(owner.clone()).to_string(), false)
            }
            targets::Error::TakenOver { .. } => (refused.to_string(), false),
            _ => {
                let unmarked = Spared::Unmarked { is_known: !self.inventory.is_shared() };
                (unmarked.to_string(), unmarked.stays())
            }
        }
    }

    /// Whether an object whose kind the target does not have in its version is not there in any other.
    pub(super) async fn is_gone(&self, permit: &Permitted<Delete>) -> Result<bool, targets::Error> {
        let gone = Awaited::Gone(after_delete(permit), None);
        Ok(self.target.look(&gone, &self.kinds).await? == Readiness::Ready)
    }

    /// Whether it is certain that an object that was never made before was not made now.
    pub(super) async fn lacks(&self, prepared: &Prepared, reached: Reached) -> bool {
        self.target.lacks(prepared, reached, &self.kinds).await
    }

    /// Whether an object's contents belong to the installation.
    pub(super) fn is_own(&self, object: &ObjectRef, found: &Value, installation: &str) -> bool {
        targets::is_own(object, found, installation, &self.inventory, self.overrides)
    }

    /// What is known of a Secret that was read from the target.
    pub(super) fn account(&self, secret: &ObjectRef, found: &Value, granted: &Granted) -> Account {
        let keys = self.inventory.find(secret).and_then(|recorded| recorded.keys.as_deref().cloned());
        let found = self.target.found_as(secret, found, &self.inventory);
        Account {
            keys,
            found,
            reader: granted.names().owner(),
            may_hold: granted.may_hold_credentials(secret),
        }
    }

    /// Reads objects together, as far as that takes fewer requests.
    pub async fn list(&self, permits: &[Permitted<Get>]) -> ListedObjects {
        self.target.list(permits, &self.kinds, &self.inventory).await
    }

    /// The same for objects that may be applied.
    pub(super) async fn list_before(&self, prepared: impl Iterator<Item = &Prepared>) -> ListedObjects {
        self.target.list_before(prepared, &self.kinds, &self.inventory).await
    }

    pub(super) async fn preview(
        &self,
        prepared: &Prepared,
        mode: DryRunMode,
        listing: &ListedObjects,
    ) -> Result<Preview, targets::Error> {
        let (how, overrides) = ((mode, listing), self.overrides_of(prepared));
        self.target.preview(prepared, &self.inventory, &self.kinds, overrides, how).await
    }

    /// Previews the apply of an object by reads alone, for this reason.
    pub(super) async fn foretell(
        &self,
        prepared: &Prepared,
        why: NotDryRun,
    ) -> Result<Preview, targets::Error> {
        let overrides = self.overrides_of(prepared);
        self.target.foretell(prepared, &self.inventory, &self.kinds, overrides, why).await
    }

    /// Applies an object. What others hold of it is taken over only where all of it was named: somebody may have taken a
    /// field since it was looked at.
    pub(super) async fn apply(
        &self,
        prepared: &Prepared,
        seen: Option<&Value>,
    ) -> Result<(Change, Recorded), targets::Error> {
        use targets::Error::Cluster;
        let overrides = self.overrides_of(prepared);
        let apply = |overrides| self.target.apply(prepared, seen, &self.inventory, &self.kinds, overrides);
        match apply(overrides).await {
            Err(Cluster(cluster::Error::Conflict { fields, .. }))
                if untaken(&self.takes, prepared.object(), &fields).next().is_none() =>
            {
                apply(Overrides { force_conflicts: true, ..overrides }).await
            }
            applied => applied,
        }
    }

    fn overrides_of(&self, prepared: &Prepared) -> Overrides {
        overrides_of(self.overrides, &self.takes, prepared.object())
    }

    /// The record of an object whose apply would be a no-op. None: it has to be applied.
    pub(super) fn settled(&self, prepared: &Prepared, seen: &Value) -> Option<Recorded> {
        self.target.settled(prepared, seen)
    }

    pub(super) async fn delete(
        &self,
        permit: &Permitted<Delete>,
        seen: Option<&Value>,
    ) -> Result<Removed, targets::Error> {
        self.target.delete(permit, seen, &self.inventory, &self.kinds, self.overrides).await
    }

    pub(super) fn waiter(&self, until: Instant) -> Waiter<'_> {
        Waiter { target: &self.target, kinds: &self.kinds, observer: &*self.observer, until }
    }
}
