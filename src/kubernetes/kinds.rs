//! The kinds that are known in one run: those of Kubernetes itself, and those learned on the way.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::metadata;
use super::object::{InvalidObjectRef, ObjectRef};
use super::resource::{Resource, builtin};

/// The kinds of Kubernetes itself, and those learned on the way: from definitions that a run applies, or from the
/// server's discovery.
#[derive(Debug, Clone, Default)]
pub struct Kinds {
    learned: BTreeMap<String, Resource>,
    /// The kinds that this run had to do with, as they were written.
    spelt: BTreeSet<String>,
}

/// A definition says that a kind is served in another way than is known already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is served in another way than the definition says")]
pub struct Redefined(pub String);

impl Kinds {
    /// Adds a kind, written `group/Kind`. Built-in kinds cannot be redefined.
    pub fn learn(&mut self, group_kind: &str, resource: Resource) {
        self.learned.insert(group_kind.to_owned(), resource);
    }

    /// Adds a kind that a definition of the run brings, written `group/Kind`.
    ///
    /// # Errors
    /// [`Redefined`] when the kind is known already, and as another one: what was permitted so far would mean another
    /// object from here on.
    pub fn define(&mut self, group_kind: &str, resource: Resource) -> Result<(), Redefined> {
        match self.learned.entry(group_kind.to_owned()) {
            Entry::Occupied(known) if *known.get() != resource => Err(Redefined(group_kind.to_owned())),
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(free) => {
                free.insert(resource);
                Ok(())
            }
        }
    }

    /// Holds on to how the kind of an object is written. Where nobody but the objects themselves says how, as in a
    /// directory, two spellings could be two objects in one place and one in another.
    ///
    /// # Errors
    /// [`InvalidObjectRef::Spelling`] when it was written in other letters before.
    pub fn spell(&mut self, object: &ObjectRef) -> Result<(), InvalidObjectRef> {
        let text = object.group_kind();
        if self.spelt.contains(&*text) {
            return Ok(());
        }
        if let Some(known) = self.spelt.iter().find(|known| known.eq_ignore_ascii_case(&text)) {
            return Err(InvalidObjectRef::Spelling { text: text.into_owned(), kind: known.clone() });
        }
        self.spelt.insert(text.into_owned());
        Ok(())
    }

    /// How the kind of `object` is served, if known.
    pub fn find(&self, object: &ObjectRef) -> Option<Resource> {
        builtin(object.group(), &object.kind).or_else(|| self.learned.get(&*object.group_kind()).cloned())
    }

    /// Whether `object` lives in a namespace. A kind nobody knows is taken to: most do.
    pub fn is_namespaced(&self, object: &ObjectRef) -> bool {
        self.find(object).is_none_or(|resource| resource.namespaced)
    }

    /// Whether only a definition or the server's discovery told of the kind of `object`.
    pub fn is_learned(&self, object: &ObjectRef) -> bool {
        builtin(object.group(), &object.kind).is_none() && self.learned.contains_key(&*object.group_kind())
    }

    /// Checks every part of a reference, and puts an object without a namespace where it belongs: into `namespace`, or
    /// outside namespaces if its kind lives there.
    ///
    /// # Errors
    /// [`InvalidObjectRef`] for what Kubernetes would not accept, and for records of carnet's own.
    pub fn resolve(&self, mut object: ObjectRef, namespace: &str) -> Result<ObjectRef, InvalidObjectRef> {
        object.check()?;
        // The records of the state decide which objects later runs may change, so no grant, however wide, covers them.
        if metadata::is_record(&object) {
            return Err(InvalidObjectRef::Own(object.name));
        }
        if self.is_namespaced(&object) {
            object.namespace.get_or_insert_with(|| namespace.to_owned());
        } else {
            object.namespace = None;
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_serves_cannot_be_redefined() {
        let mut kinds = Kinds::default();
        kinds.learn("Secret", Resource { plural: "configmaps".into(), namespaced: false });
        let secret = ObjectRef::new("v1", "Secret", None, "x");
        assert_eq!(kinds.find(&secret), builtin("", "Secret"));
        assert!(!kinds.is_learned(&secret));
    }

    #[test]
    fn a_definition_does_not_change_what_is_known() {
        let widgets = |namespaced| Resource { plural: "widgets".into(), namespaced };
        let mut kinds = Kinds::default();
        assert_eq!(kinds.define("example.com/Widget", widgets(true)), Ok(()));
        assert_eq!(kinds.define("example.com/Widget", widgets(true)), Ok(()));
        let refused = Err(Redefined("example.com/Widget".into()));
        assert_eq!(kinds.define("example.com/Widget", widgets(false)), refused);
        let widget = ObjectRef::new("example.com/v1", "Widget", None, "x");
        assert_eq!(kinds.find(&widget), Some(widgets(true)));
    }

    #[test]
    fn a_kind_has_one_spelling_in_a_run() {
        let object = |kind: &str| ObjectRef::new("example.com/v1", kind, None, "x");
        let mut kinds = Kinds::default();
        assert_eq!(kinds.spell(&object("Widget")), Ok(()));
        assert_eq!(kinds.spell(&object("Widget")), Ok(()));
        let text = kinds.spell(&object("WIDGET")).unwrap_err().to_string();
        assert_eq!(text, "the kind `example.com/WIDGET` is written `example.com/Widget`");
    }

    #[test]
    fn records_of_the_state_cannot_be_named() {
        let resolved = |api_version: &str, kind: &str, name: &str| {
            let object = ObjectRef::new(api_version, kind, None, name);
            Kinds::default().resolve(object, "prod").map(|object| object.to_string())
        };
        for (api_version, kind, name) in [
            ("v1", "Secret", "carnet.installation.web"),
            ("coordination.k8s.io/v1", "Lease", "carnet.web"),
            ("coordination.k8s.io/v1beta1", "Lease", "carnet.web"),
        ] {
            assert_eq!(resolved(api_version, kind, name), Err(InvalidObjectRef::Own(name.into())), "{kind}");
        }
        assert_eq!(resolved("v1", "Secret", "carnet-web").unwrap(), "Secret prod/carnet-web");
        assert_eq!(resolved("v1", "ConfigMap", "carnet.web").unwrap(), "ConfigMap prod/carnet.web");
    }
}
