//! What goes with objects that are removed, without a row of its own: the server removes it, whoever made it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kubernetes::api::{APPS, CORE};
use crate::kubernetes::definition;
use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::targets::Change;

use super::trace::ObjectChange;

/// What goes with the removals of a plan on a cluster. The default is nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Collateral {
    /// Namespaces, with all that is in them.
    namespaces: Vec<ObjectRef>,
    /// Definitions, each with the kind of the objects that go with it, as `group/Kind`.
    definitions: Vec<(ObjectRef, String)>,
    /// StatefulSets that have their claims removed with them.
    sets: Vec<ObjectRef>,
}

impl Collateral {
    /// What goes with those of these changes that are removals.
    pub(crate) fn of<'a>(changes: impl Iterator<Item = &'a ObjectChange>) -> Self {
        let mut collateral = Self::default();
        for ObjectChange { object, before, .. } in changes.filter(|row| row.change == Change::Delete) {
            let before = before.as_ref();
            if object.is(CORE, "Namespace") {
                collateral.namespaces.push(object.clone());
            } else if object.is_definition() {
                let kind = before.and_then(definition::resource).map(|(kind, _)| kind);
                // One that cannot be read is of some kind of the group in its name.
                let kind = kind.unwrap_or_else(|| object.name.clone());
                collateral.definitions.push((object.clone(), kind));
            } else if object.is(APPS, "StatefulSet") && before.is_some_and(takes_claims) {
                collateral.sets.push(object.clone());
            }
        }
        collateral
    }

    /// Whether an object goes with one that is removed.
    pub(crate) fn takes(&self, object: &ObjectRef) -> bool {
        let is_in = |namespace: &ObjectRef| object.namespace.as_ref() == Some(&namespace.name);
        let is_of = |(_, kind): &(ObjectRef, String)| *object.group_kind() == **kind;
        self.namespaces.iter().any(is_in) || self.definitions.iter().any(is_of)
    }

    /// Whether a claim that a StatefulSet made goes.
    pub(crate) fn takes_claim(&self, claim: &ObjectRef, set: &ObjectId) -> bool {
        self.takes(claim) || self.sets.iter().any(|it| it.id() == *set)
    }

    /// The kinds of what goes, as far as that is known.
    pub(crate) fn kinds(&self) -> BTreeSet<String> {
        let claims = (!self.sets.is_empty()).then(|| "PersistentVolumeClaim".to_owned());
        self.definitions.iter().map(|(_, kind)| kind.clone()).chain(claims).collect()
    }

    /// Whether objects of any kind may go.
    pub(crate) fn has_namespaces(&self) -> bool {
        !self.namespaces.is_empty()
    }

    /// What goes, a sentence each.
    pub(super) fn cautions(&self) -> impl Iterator<Item = String> {
        let namespaces = self.namespaces.iter();
        let namespaces = namespaces.map(|it| format!("{it} goes with all that is in it, whoever made that"));
        let definitions = self.definitions.iter().map(|(definition, kind)| {
            format!("{definition} goes with every {kind} that there is, in all namespaces, whoever made it")
        });
        let sets = self.sets.iter().map(|set| format!("{set} goes with its claims, and what is in them"));
        namespaces.chain(definitions).chain(sets)
    }
}

/// Whether a StatefulSet has its claims removed when it goes.
fn takes_claims(set: &Value) -> bool {
    let when = set.pointer("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted");
    when.and_then(Value::as_str) == Some("Delete")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn removal(api_version: &str, kind: &str, namespace: Option<&str>, before: Value) -> ObjectChange {
        ObjectChange::removal(ObjectRef::new(api_version, kind, namespace, "foos.b3.example"), before)
    }

    #[test]
    fn what_a_namespace_a_definition_and_a_set_take_with_them_is_told() {
        let definition = json!({
            "metadata": {"name": "foos.b3.example"},
            "spec": {"group": "b3.example", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"}},
        });
        let set =
            |when: &str| json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": when}}});
        let kept = ObjectChange { change: Change::Update, ..removal("v1", "Namespace", None, json!({})) };
        let rows = [
            removal("v1", "ConfigMap", Some("a"), json!({})),
            kept,
            removal("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, definition),
            removal("apps/v1", "StatefulSet", Some("a"), set("Delete")),
        ];
        let collateral = Collateral::of(rows.iter());
        let kinds: Vec<_> = collateral.kinds().into_iter().collect();
        assert_eq!(kinds, ["PersistentVolumeClaim", "b3.example/Foo"]);
        assert!(!collateral.has_namespaces());
        let foo = |version: &str| ObjectRef::new(format!("b3.example/{version}"), "Foo", Some("z"), "x");
        assert!(collateral.takes(&foo("v1")) && collateral.takes(&foo("v2")), "in whatever version");
        let claim = ObjectRef::new("v1", "PersistentVolumeClaim", Some("a"), "data-0");
        assert!(!collateral.takes(&claim));
        assert!(collateral.takes_claim(&claim, &rows[3].object.id()));
        assert!(!collateral.takes_claim(&claim, &foo("v1").id()));
        assert_eq!(
            collateral.cautions().collect::<Vec<_>>(),
            [
                "apiextensions.k8s.io/CustomResourceDefinition foos.b3.example goes with every b3.example/Foo that there is, \
                 in all namespaces, whoever made it",
                "apps/StatefulSet a/foos.b3.example goes with its claims, and what is in them",
            ]
        );

        let retained = removal("apps/v1", "StatefulSet", Some("a"), set("Retain"));
        let gone = removal("v1", "Namespace", None, json!({}));
        let namespace = gone.object.name.clone();
        let collateral = Collateral::of([retained, gone].iter());
        assert!(collateral.has_namespaces() && collateral.kinds().is_empty());
        assert!(collateral.takes(&ObjectRef::new("v1", "PersistentVolumeClaim", Some(&*namespace), "x")));
        assert!(!collateral.takes(&claim));
        let said: Vec<_> = collateral.cautions().collect();
        assert_eq!(said, ["Namespace foos.b3.example goes with all that is in it, whoever made that"]);
    }
}
