//! Rules as data: kinds whose objects are a power whatever they hold.

use crate::capability::severity::Severity;

use super::{Found, Item};

/// A power of all objects of some kinds.
pub(super) struct KindRule {
    /// The group; with a leading `.`, every group that ends so.
    pub(super) group: &'static str,
    /// The kinds; all of the group where none are named.
    pub(super) kinds: &'static [&'static str],
    pub(super) severity: Severity,
    /// The power as a predicate.
    pub(super) what: &'static str,
}

/// A rule, as a row of a table.
pub(super) const fn row(
    group: &'static str,
    kinds: &'static [&'static str],
    severity: Severity,
    what: &'static str,
) -> KindRule {
    KindRule { group, kinds, severity, what }
}

impl KindRule {
    /// Whether an object is of such a kind.
    pub(super) fn is_about(&self, item: &Item<'_>) -> bool {
        let group = item.object.group();
        let is_group = if self.group.starts_with('.') {
            group.ends_with(self.group) || group == self.group.trim_start_matches('.')
        } else {
            group == self.group
        };
        is_group && (self.kinds.is_empty() || self.kinds.contains(&item.object.kind.as_str()))
    }
}

/// Looks an object up in a table, whose first row about it counts.
pub(super) fn look(table: &[KindRule], rule: &'static str, item: &Item<'_>, found: &mut Found) {
    if let Some(row) = table.iter().find(|row| row.is_about(item)) {
        found.add(row.severity, rule, row.what);
    }
}
