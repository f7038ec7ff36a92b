//! Powers: the rights and privileges that the objects of a plan will have once they exist.
//!
//! The rights of an installer do not bound the rights of what it installs, so this is told beforehand: what pods may do
//! to their nodes, what their service accounts may do in the cluster, who can see or change what others write, which
//! images nobody vouches for, and what can be reached from outside. Everything here is pure and total: objects are the
//! work of a component, may have any shape, and are looked at in bounded space.

mod untyped;
mod power;
mod item;
mod found;
mod brought;
mod table;
mod refused;
mod coverage;
mod rights_table;
mod dangers;
mod pods;
mod accounts;
mod context;
mod settings;
mod admission;
mod exposure;
mod images;
mod security;
mod volumes;
mod kinds;
mod storage;
mod nodes;
mod agents;
mod traffic;
mod annotations;
mod guards;
mod denial;
mod placement;
mod reads;
mod credentials;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::capability::severity::Severity;
use crate::plan::trace::ObjectChange;

use accounts::Rbac;
use brought::Brought;
use context::beside;
use found::{Found, MORE};
use item::{Item, items};
use pods::PodView;

pub use context::{ClusterContext, Lookups};
pub use coverage::Coverage;
pub use credentials::CredentialReader;
pub use images::Images;
pub use power::Power;
pub use refused::{By, RefusedPowers};

pub(super) use credentials::readers;

/// The most findings about one object. Without it, one manifest with thousands of containers would fill the plan.
const MAX_OF_ONE: usize = 50;

/// The most findings of a plan. The rest is counted.
const MAX: usize = 1000;

/// The powers of a plan's objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Powers {
    /// Powers after the plan, the worst first.
    pub there: Vec<Power>,
    /// Powers that exist now and are lost by the plan.
    pub gone: Vec<Power>,
}

impl Powers {
    /// Finds the powers of a plan's objects. `images` are those of the bundle, if there is one; `images_before` those of the
    /// bundle that the objects come from as they are now. None: that is not known, and nothing is said about them.
    pub fn of<R: Borrow<ObjectChange>>(
        changes: &[R],
        images: Option<&Images>,
        images_before: Option<&Images>,
        context: &ClusterContext,
    ) -> Self {
        let after = items(changes.iter().map(Borrow::borrow), |row| row.after.as_ref());
        let mut after = looked(&after, changes, images, context);
        for row in changes.iter().map(Borrow::borrow) {
            let mut found = Found::new(row.object.to_string(), MAX_OF_ONE);
            guards::look_at_change(row, &mut found);
            after.rows.extend(found.rows);
        }
        after.rows.sort_by_key(|power| Reverse(power.severity));
        let before = items(changes.iter().map(Borrow::borrow), |row| row.before.as_ref());
        if before.is_empty() {
            return Self { there: after.rows, gone: Vec::new() };
        }
        let before = looked(&before, changes, images_before, context);
        let known: BTreeSet<_> = before.rows.iter().map(Power::key).collect();
        let mut there = after.rows;
        there.iter_mut().for_each(|power| power.new = !known.contains(&power.key()));
        // Findings beyond the limit are unknown, so with a truncated list no power can be called gone.
        let is_cut = there.iter().any(|power| power.rule == MORE);
        let kept: BTreeSet<_> = there.iter().map(Power::key).collect();
        let gone = before.rows.iter().filter(|power| !is_cut && !kept.contains(&power.key()));
        Self { gone: gone.cloned().collect(), there }
    }

    /// The powers from this severity on.
    ///
    /// # Errors
    /// [`RefusedPowers`] where there are any.
    pub fn check(there: &[Power], by: By, refused: Severity) -> Result<(), RefusedPowers> {
        RefusedPowers::check(there, by, refused)
    }
}

fn looked<R: Borrow<ObjectChange>>(
    items: &[Item<'_>],
    changes: &[R],
    images: Option<&Images>,
    context: &ClusterContext,
) -> Found {
    let rbac = Rbac::new(items, &beside(changes, context), context.coverage);
    let brought = Brought::of(items);
    let (mut all, mut known) = (Found::new("the plan".into(), MAX), BTreeMap::new());
    for item in items {
        let mut found = Found::new(item.object.to_string(), MAX_OF_ONE);
        for pod in PodView::all(item) {
            pod.check_shape(&mut found);
            security::look(&pod, &mut found);
            volumes::look(&pod, &mut found);
            images::look(&pod, images, &mut found);
            storage::look_at_pod(&pod, &mut found);
            placement::look(item, &pod, &mut found);
            reads::look(item, &pod, &brought, &rbac, &mut found);
            annotations::look_at_pod(&pod, &mut found);
            rbac.look_at_pod(item, &pod, &mut known, &mut found);
        }
        rbac.look(item, &mut found);
        admission::look(item, &mut found);
        exposure::look(item, &mut found);
        kinds::look(item, &mut found);
        settings::look(item, &mut found);
        storage::look(item, &brought, &mut found);
        nodes::look(item, &mut found);
        agents::look(item, &mut found);
        traffic::look(item, &brought, &mut found);
        annotations::look(item, &mut found);
        guards::look(item, items, &mut found);
        denial::look(item, &mut found);
        found.finished().rows.into_iter().for_each(|power| all.push(power));
    }
    let mut all = all.finished();
    // The last row, which counts the rest, is the least of all.
    all.rows.sort_by_key(|power| Reverse(power.severity));
    all
}
