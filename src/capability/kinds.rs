//! The kinds that Kubernetes serves: their plural names, and whether their objects live in namespaces.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::object::ObjectRef;

/// How the API serves a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The plural name, as URLs and roles have it.
    pub plural: Cow<'static, str>,
    /// Whether objects of the kind live in namespaces.
    pub namespaced: bool,
}

/// The kinds of Kubernetes itself, and those learned on the way: from definitions that a run applies, or from the
/// server's discovery.
#[derive(Debug, Clone, Default)]
pub struct Kinds {
    learned: BTreeMap<String, Resource>,
}

impl Kinds {
    /// Adds a kind, written `group/Kind`. What Kubernetes itself serves cannot be redefined.
    pub fn learn(&mut self, group_kind: &str, resource: Resource) {
        self.learned.insert(group_kind.to_owned(), resource);
    }

    /// How the kind of `object` is served, if known.
    pub fn find(&self, object: &ObjectRef) -> Option<Resource> {
        builtin(object.group(), &object.kind).or_else(|| self.learned.get(&object.group_kind()).cloned())
    }

    /// Whether `object` lives in a namespace. A kind nobody knows is taken to: most do.
    pub fn is_namespaced(&self, object: &ObjectRef) -> bool {
        self.find(object).is_none_or(|resource| resource.namespaced)
    }
}

/// A kind that Kubernetes itself serves.
pub fn builtin(group: &str, kind: &str) -> Option<Resource> {
    let found = TABLE.iter().find(|(g, k, ..)| *g == group && *k == kind)?;
    Some(Resource { plural: Cow::Borrowed(found.2), namespaced: found.3 })
}

/// Group, kind, plural, namespaced.
const TABLE: &[(&str, &str, &str, bool)] = &[
    ("", "ConfigMap", "configmaps", true),
    ("", "Namespace", "namespaces", false),
    ("", "PersistentVolume", "persistentvolumes", false),
    ("", "Secret", "secrets", true),
    ("", "Service", "services", true),
    ("apps", "Deployment", "deployments", true),
    ("apps", "StatefulSet", "statefulsets", true),
    ("batch", "Job", "jobs", true),
    ("networking.k8s.io", "Ingress", "ingresses", true),
];
