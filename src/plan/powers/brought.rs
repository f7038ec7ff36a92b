//! The objects that a plan brings itself, by kind and name: a reference to any other is to somebody else's.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Item;
use super::untyped::{items, text};

/// The objects of a plan, and the claims that its StatefulSets have made for them.
pub(super) struct Brought<'a> {
    objects: BTreeSet<(Cow<'a, str>, &'a str, &'a str)>,
    /// StatefulSets make claims that begin so.
    claims: Vec<(&'a str, String)>,
}

impl<'a> Brought<'a> {
    pub(super) fn of(all: &[Item<'a>]) -> Self {
        let mut brought = Self { objects: BTreeSet::new(), claims: Vec::new() };
        for item in all {
            let namespace = item.object.namespace.as_deref().unwrap_or_default();
            brought.objects.insert((item.object.group_kind(), namespace, &item.object.name));
            if item.object.is("apps", "StatefulSet") {
                let templates = items(item.body, "/spec/volumeClaimTemplates");
                let named = templates.filter_map(|template| text(template, "/metadata/name"));
                brought.claims.extend(named.map(|name| (namespace, format!("{name}-{}-", item.object.name))));
            }
        }
        brought
    }

    /// Whether the plan brings an object of this kind, written `group/Kind`.
    pub(super) fn has(&self, group_kind: &str, namespace: &'a str, name: &'a str) -> bool {
        self.objects.contains(&(Cow::Borrowed(group_kind), namespace, name))
    }

    /// Whether the plan brings a claim for a volume, or has it made.
    pub(super) fn has_claim(&self, namespace: &'a str, name: &'a str) -> bool {
        let is_made = |(home, start): &(&str, String)| *home == namespace && name.starts_with(start);
        self.has("PersistentVolumeClaim", namespace, name) || self.claims.iter().any(is_made)
    }
}
