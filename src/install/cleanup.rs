//! What becomes of the objects on record that the component does not see to: those that the runtime removes after it, and
//! those that stay.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::grant::recorded::RecordedObject;
use crate::host::pass::Site;
use crate::kubernetes::api::BATCH;
use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::plan::trace::{ObjectChange, Trace};
use crate::plan::{Aftermath, Collateral, generated};
use crate::state::Installation;
use crate::targets::{Protected, Target};
use crate::text::CommandLine;

use super::Error;
use super::by_hand::removing;
use super::removal::{self, PlannedRemoval};
use super::responsibilities::Removes;
use super::run::Run;

/// What the runtime does after the component.
pub(super) struct Cleanup {
    /// Objects that it removes, last applied first.
    pub(super) removals: Vec<PlannedRemoval>,
    /// Objects that are left in place, and belong to the installation no longer.
    pub(super) kept: Vec<ObjectRef>,
    /// Objects that go with others that are removed, and belong to the installation no longer.
    pub(super) swept: Vec<ObjectRef>,
    /// Secrets that are left in place, and stay on record for the next installation of this name.
    pub(super) kept_credentials: Vec<ObjectRef>,
    /// Commands that remove what is kept once nothing here knows of it.
    pub(super) by_hand: Vec<CommandLine>,
    /// What the plan says of all others, and of what it leaves behind.
    pub(super) aftermath: Aftermath,
    /// Objects that were looked for to be removed.
    pub(super) looked_for: Vec<ObjectRef>,
}

impl Cleanup {
    /// The rows of the plan that it makes.
    pub(super) fn rows(&self) -> Vec<ObjectChange> {
        self.removals.iter().filter_map(PlannedRemoval::row).collect()
    }
}

impl Run<'_> {
    /// Looks at all that a planning pass left alone. Only reads.
    pub(super) async fn cleanup(&self, site: &mut Site, trace: &Trace) -> Result<Cleanup, Error> {
        let (removable, kept) = self.removable(site.target(), trace);
        let removals = removal::plan(site, removable).await?;
        let looked_for: Vec<_> = removals.iter().map(|it| it.recorded.object().clone()).collect();
        self.check_cluster(&removals)?;
        let (mut removals, kept_credentials) = self.keeping_credentials(removals);
        let (claims, left) = self.claims(site, trace, &removals).await?;
        removals.extend(claims);
        let rows: Vec<_> = removals.iter().filter_map(PlannedRemoval::row).collect();
        let collateral = match site.target() {
            Target::Cluster(_) => Collateral::of(trace.changes.iter().chain(&rows)),
            Target::Directory(_) => Collateral::default(),
        };
        let (swept, kept): (Vec<_>, Vec<_>) = kept.into_iter().partition(|it| collateral.takes(it));
        let stays = |(claim, set): &(ObjectRef, ObjectRef)| !collateral.takes_claim(claim, &set.id());
        let left = left.into_iter().filter(stays).collect();
        let aftermath = Aftermath {
            kept: kept.clone(),
            untouched: self.untouched(trace, &looked_for, &kept),
            claims: left,
            gone: absent(&removals),
            jobs: self.jobs_that_stay(site, trace, &removals).await,
            goes_back: self.operation.rollback_to.is_some(),
            collateral,
        };
        let kept: Vec<_> =
            kept.into_iter().chain(aftermath.claims.iter().map(|(claim, _)| claim.clone())).collect();
        let is_forgotten = self.removes_everything();
        let by_hand = if is_forgotten { removing(&kept, &self.operation.place) } else { Vec::new() };
        Ok(Cleanup { removals, kept, swept, kept_credentials, by_hand, aftermath, looked_for })
    }

    /// Whether nothing of the installation is to stay.
    pub(super) fn removes_everything(&self) -> bool {
        self.responsibilities.removes == Removes::Everything
    }

    /// A cluster at another address that has nothing of the installation is another cluster: an uninstall there would
    /// forget what is still in the right one. An address alone proves nothing, since a cluster may have several.
    fn check_cluster(&self, removals: &[PlannedRemoval]) -> Result<(), Error> {
        let Some(earlier) = self.earlier else { return Ok(()) };
        let is_there = removals.iter().any(|removal| removal.found.is_some());
        let finds_nothing = self.removes_everything() && !is_there && !removals.is_empty();
        let is_elsewhere = earlier.settings.place.server() != self.operation.place.server();
        if finds_nothing && is_elsewhere { Err(self.operation.elsewhere(earlier)) } else { Ok(()) }
    }

    /// Objects that the runtime removes after the component, last applied first, and those that it leaves in place.
    fn removable(&self, target: &Target, trace: &Trace) -> (Vec<RecordedObject>, Vec<ObjectRef>) {
        let removes = self.responsibilities.removes;
        if removes == Removes::Nothing && self.operation.undone.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let touched = self.touched(trace);
        let is_directory = matches!(target, Target::Directory(_));
        let is_removed = |recorded: &RecordedObject| {
            let kind = Protected::of(recorded.object());
            is_directory || kind.is_none_or(|kind| self.operation.options.delete.contains(&kind))
        };
        let inventory = self.earlier.map(Installation::inventoried).unwrap_or_default();
        // What an action of the bundle made, a backup say, is not left out by an upgrade that does not know of it.
        let is_an_actions =
            |object: &ObjectRef| inventory.find(object).is_some_and(|recorded| recorded.made_by.is_some());
        // A component that carries out upgrades itself removes what it knows of, and nothing of revisions after its own.
        let is_left_out = |object: &ObjectRef| {
            let since = inventory.find(object).and_then(|recorded| recorded.since.as_deref());
            removes == Removes::LeftOut || since.is_some_and(|since| self.operation.undone.contains(since))
        };
        let recorded = self.earlier.map(Installation::recorded).unwrap_or_default().into_iter().rev();
        let (removed, kept): (Vec<_>, Vec<_>) = recorded
            .filter(|it| !touched.contains(&it.object().id()))
            .filter(|it| {
                removes == Removes::Everything || !is_an_actions(it.object()) && is_left_out(it.object())
            })
            .partition(is_removed);
        (removed, kept.iter().map(|recorded| recorded.object().clone()).collect())
    }

    /// The objects that the component has seen to. One that it only reads or waits for is known to it as well, where it
    /// is the component that decides what goes.
    fn touched(&self, trace: &Trace) -> BTreeSet<ObjectId> {
        let written = trace.steps.iter().map(|(step, _)| step.object.id());
        let is_its_own = self.responsibilities.removes == Removes::Nothing;
        let known = trace.reads.iter().chain(&trace.awaited).filter(|_| is_its_own).map(ObjectRef::id);
        written.chain(known).collect()
    }

    /// The objects on record that stay as they are because the component carries out its upgrades itself, and does not
    /// touch them. Whether they are there nobody has looked.
    fn untouched(&self, trace: &Trace, removed: &[ObjectRef], kept: &[ObjectRef]) -> Vec<ObjectRef> {
        if self.operation.action != "upgrade" || self.responsibilities.removes == Removes::LeftOut {
            return Vec::new();
        }
        let written = trace.steps.iter().map(|(step, _)| &step.object);
        let seen: BTreeSet<_> = written.chain(removed).chain(kept).map(ObjectRef::id).collect();
        let recorded = self.earlier.map(Installation::inventory).unwrap_or_default().iter();
        let recorded = recorded.filter(|it| it.made_by.is_none() && !seen.contains(&it.object.id()));
        recorded.map(|it| it.object.clone()).collect()
    }

    /// Takes out what the operator wants to keep: without its password, a volume that stays could not be opened.
    fn keeping_credentials(&self, removals: Vec<PlannedRemoval>) -> (Vec<PlannedRemoval>, Vec<ObjectRef>) {
        let is_kept = |removal: &PlannedRemoval| {
            let found = removal.found.as_ref().filter(|_| removal.recorded.object().is_secret());
            self.operation.options.keep_credentials && found.is_some_and(|secret| generated(secret).is_some())
        };
        let (kept, removals): (Vec<_>, Vec<_>) = removals.into_iter().partition(is_kept);
        (removals, kept.iter().map(|removal| removal.recorded.object().clone()).collect())
    }

    /// The Jobs of the installation that a plan which goes back leaves as they are. One that cannot be read is not named.
    async fn jobs_that_stay(
        &self,
        site: &Site,
        trace: &Trace,
        removals: &[PlannedRemoval],
    ) -> Vec<(ObjectRef, Value)> {
        let mut jobs = Vec::new();
        if self.operation.rollback_to.is_none() {
            return jobs;
        }
        let going: BTreeSet<_> = removals.iter().map(|removal| removal.recorded.object().id()).collect();
        for recorded in self.earlier.map(Installation::recorded).unwrap_or_default() {
            let object = recorded.object();
            let is_an_actions = site.inventory().find(object).is_some_and(|it| it.made_by.is_some());
            let has_row = trace.changes.get(object).is_some() || going.contains(&object.id());
            if object.is(BATCH, "Job") && !has_row && !is_an_actions {
                let found = site.get(&recorded.get()).await.ok().flatten();
                jobs.extend(found.map(|job| (object.clone(), job)));
            }
        }
        jobs
    }
}

/// The recorded objects that are to be removed and are not there.
fn absent(removals: &[PlannedRemoval]) -> Vec<ObjectRef> {
    let absent = removals.iter().filter(|removal| removal.found.is_none() && removal.left().is_none());
    absent.map(|removal| removal.recorded.object().clone()).collect()
}
