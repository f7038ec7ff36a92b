//! An object that is looked at, on one side of a plan.

use serde_json::Value;

use crate::kubernetes::object::ObjectRef;
use crate::plan::trace::ObjectChange;

/// An object as it would be, or as it is.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) object: &'a ObjectRef,
    pub(super) body: &'a Value,
}

/// The bodies of a plan's objects, on one side of it.
pub(super) fn items<'a>(
    changes: impl IntoIterator<Item = &'a ObjectChange>,
    side: impl Fn(&'a ObjectChange) -> Option<&'a Value>,
) -> Vec<Item<'a>> {
    changes.into_iter().filter_map(|row| Some(Item { object: &row.object, body: side(row)? })).collect()
}
