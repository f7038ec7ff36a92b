//! Names one Kubernetes object, by names that Kubernetes accepts.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document;

use super::api::{API_EXTENSIONS, RBAC};
use super::resource::{builtin, elsewhere, misspelt};

/// Names one Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Group and version, such as `apps/v1`, or `v1` for the core group.
    pub api_version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// None for objects that live outside namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
}

/// The identity of an object, whatever version of its group it is written in. Two objects are the same exactly when
/// these are equal: nothing else compares them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    group: String,
    kind: String,
    namespace: Option<String>,
    name: String,
}

/// Why a reference is not one of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidObjectRef {
    /// A name that Kubernetes would not accept.
    #[error("`{text}` is not a {what}")]
    Name {
        /// The kind of name that was expected.
        what: &'static str,
        /// The text, made visible and cut.
        text: String,
    },
    /// A record of the state, or the Lease of a run, where they are in the cluster.
    #[error("`{0}` has a name that only carnet's own objects have")]
    Own(String),
    /// A kind in another spelling than the API's. It would be another object here, and the same one elsewhere.
    #[error("the kind `{text}` is written `{kind}`")]
    Spelling {
        /// The text.
        text: String,
        /// The kind that it means, as `group/Kind`.
        kind: String,
    },
}

impl ObjectRef {
    /// An object of this kind and name, in a namespace or outside of them.
    pub fn new(
        api_version: impl Into<String>,
        kind: impl Into<String>,
        namespace: Option<&str>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.map(str::to_owned),
            name: name.into(),
        }
    }

    /// The group, empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The version without its group.
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&self.api_version, |(_, version)| version)
    }

    /// `group/Kind`, or the bare kind for the core group: how scopes write it.
    pub fn group_kind(&self) -> Cow<'_, str> {
        match self.group() {
            "" => Cow::Borrowed(&self.kind),
            group => Cow::Owned(format!("{group}/{}", self.kind)),
        }
    }

    /// The object's identity.
    pub fn id(&self) -> ObjectId {
        #[cfg(test)]
        tests::count_id();
        ObjectId {
            group: self.group().to_owned(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Whether a document is the object that this names.
    pub fn names(&self, document: &Value) -> bool {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        text("/apiVersion") == Some(&*self.api_version)
            && text("/kind") == Some(&*self.kind)
            && text("/metadata/name") == Some(&*self.name)
            && text("/metadata/namespace") == self.namespace.as_deref()
    }

    /// Whether the object is of this kind, in any version of its group.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group() == group && self.kind == kind
    }

    /// Whether the object is a Secret.
    pub fn is_secret(&self) -> bool {
        self.is("", "Secret")
    }

    /// Whether the object is a CustomResourceDefinition.
    pub fn is_definition(&self) -> bool {
        self.is(API_EXTENSIONS, "CustomResourceDefinition")
    }

    /// Checks that every part is a name that Kubernetes accepts.
    ///
    /// # Errors
    /// [`InvalidObjectRef::Name`] for what Kubernetes would not accept, [`InvalidObjectRef::Spelling`] for a kind of
    /// Kubernetes itself that is written otherwise.
    pub fn check(&self) -> Result<(), InvalidObjectRef> {
        let (group, version) = (self.group(), self.version());
        let api_version_fits = (group.is_empty() != self.api_version.contains('/') && is_subdomain(group)
            || group.is_empty())
            && is_label(version);
        fits("version of an API", &self.api_version, api_version_fits && !self.api_version.starts_with('/'))?;
        let is_builtin = builtin(group, &self.kind).is_some();
        let other = || misspelt(group, &self.kind).or_else(|| elsewhere(group, &self.kind));
        if let Some(kind) = if is_builtin { None } else { other() } {
            return Err(InvalidObjectRef::Spelling { text: shown(&self.group_kind()), kind });
        }
        fits("kind", &self.kind, is_kind(group, &self.kind))?;
        fits("name of an object", &self.name, is_object_name(&self.name) && self.name_fits_kind(is_builtin))?;
        self.namespace
            .as_deref()
            .map_or(Ok(()), |namespace| fits("namespace", namespace, is_label(namespace)))
    }

    /// Most kinds of Kubernetes itself want a DNS subdomain. Of kinds that others define the server decides.
    fn name_fits_kind(&self, is_builtin: bool) -> bool {
        let is_lenient =
            self.group() == RBAC || ["ClusterTrustBundle", "IPAddress"].contains(&self.kind.as_str());
        !is_builtin || is_lenient || is_subdomain(&self.name)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.group_kind(), self.name),
            None => write!(f, "{} {}", self.group_kind(), self.name),
        }
    }
}

fn fits(what: &'static str, text: &str, fits: bool) -> Result<(), InvalidObjectRef> {
    if fits { Ok(()) } else { Err(InvalidObjectRef::Name { what, text: shown(text) }) }
}

fn shown(text: &str) -> String {
    document::shortened(text, 100)
}

/// An RFC 1123 label: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63.
pub fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_word(text)
}

/// An RFC 1123 subdomain: words with dots between them, at most 253. As for the server, only the whole has a longest.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_word)
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`.
fn is_word(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

/// A kind, as the server takes it: what is an RFC 1035 label in lower case, for a kind that a definition brings. Those
/// of Kubernetes itself, whose groups are no domains, are letters and digits, the first a capital.
pub fn is_kind(group: &str, text: &str) -> bool {
    let is_custom = group.contains('.');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || (is_custom && byte == b'-');
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_uppercase() || (is_custom && c.is_ascii_lowercase()))
        && text.bytes().all(fits)
        && !text.ends_with('-')
}

/// A path segment name as the API server accepts it for the most permissive kinds (RBAC's `system:node`,
/// `me@example.com`): no `/`, no `%`, not `.` or `..`. We also leave out what no kind needs, so that a name is safe in
/// a file name, in a URL and as a word of a shell.
pub fn is_object_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:_@+".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || ":_@".contains(c))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static IDS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count_id() {
        IDS.set(IDS.get() + 1);
    }

    /// How many identities something makes: who compares objects makes them, so this shows how its work grows.
    pub(crate) fn ids_made(by: impl FnOnce()) -> usize {
        let before = IDS.get();
        by();
        IDS.get() - before
    }

    fn named(api_version: &str, kind: &str, name: &str) -> bool {
        ObjectRef::new(api_version, kind, Some("prod"), name).check().is_ok()
    }

    #[test]
    fn a_name_is_what_its_kind_takes() {
        assert!(named("v1", "ConfigMap", "web.example-1"));
        for name in ["Web", "a:b", "a_b", "a..b", "a-"] {
            assert!(!named("v1", "ConfigMap", name), "{name}");
        }
        for name in ["system:Web_1", "me@example.com", ":a", "oidc:team+admins", &"x".repeat(253)] {
            assert!(named("rbac.authorization.k8s.io/v1", "Role", name), "{name}");
        }
        for name in [".", "..", "a/b", "a%b", "-a", "a b", "a'b", &"x".repeat(254)] {
            assert!(!named("rbac.authorization.k8s.io/v1", "Role", name), "{name}");
        }
        for long in ["a".repeat(64), "a".repeat(253), format!("{}.{}", "a".repeat(100), "b".repeat(152))] {
            assert!(named("v1", "ConfigMap", &long), "the server counts the whole: {long}");
        }
        assert!(!named("v1", "ConfigMap", &"a".repeat(254)));
        assert!(is_label(&"a".repeat(63)) && !is_label(&"a".repeat(64)), "a label is shorter");
        assert!(named("networking.k8s.io/v1", "IPAddress", "fe80::1"));
        assert!(named("image.openshift.io/v1", "ImageStreamTag", "web:1.0"));
        assert!(!named("image.openshift.io/v1", "ImageStreamTag", "web/1.0"));
    }

    #[test]
    fn a_known_kind_in_another_spelling_is_refused() {
        let check = |api_version: &str, kind: &str| {
            let object = ObjectRef::new(api_version, kind, Some("prod"), "a");
            object.check().err().map(|error| error.to_string())
        };
        assert_eq!(check("v1", "SECRET").unwrap(), "the kind `SECRET` is written `Secret`");
        assert_eq!(check("v1", "secrets").unwrap(), "the kind `secrets` is written `Secret`");
        assert_eq!(check("v1", "Deployment").unwrap(), "the kind `Deployment` is written `apps/Deployment`");
        assert_eq!(
            check("apps/v1", "deployment").unwrap(),
            "the kind `apps/deployment` is written `apps/Deployment`"
        );
        assert_eq!((check("v1", "Secret"), check("example.com/v1", "SECRET")), (None, None));
    }

    #[test]
    fn a_kind_that_others_define_is_whatever_the_server_takes() {
        for kind in ["Gizmo", "gizmo", "gizMo", "my-gizmo", "G2"] {
            assert!(named("example.com/v1", kind, "a"), "{kind}");
        }
        for kind in ["", "-gizmo", "gizmo-", "2g", "gi_zmo", "gi.zmo", "gi/zmo", "gizmö"] {
            assert!(!named("example.com/v1", kind, "a"), "{kind}");
        }
        for (api_version, kind) in
            [("v1", "gizmo"), ("apps/v1", "my-Gizmo"), ("rbac.authorization.k8s.io/v1", "role")]
        {
            assert!(!named(api_version, kind, "a"), "{api_version} {kind}");
        }
    }

    #[test]
    fn an_identity_does_not_depend_on_the_version() {
        let id = |api_version: &str, kind: &str| ObjectRef::new(api_version, kind, Some("prod"), "a").id();
        assert_eq!(id("apps/v1", "Deployment"), id("apps/v1beta1", "Deployment"));
        assert_ne!(id("apps/v1", "Deployment"), id("example.com/v1", "Deployment"));
        assert_ne!(id("example.com/v1", "Widget"), id("example.com/v1", "WIDGET"));
    }

    #[test]
    fn a_kind_is_told_by_its_group_whatever_the_version() {
        let definition =
            |api_version: &str| ObjectRef::new(api_version, "CustomResourceDefinition", None, "a");
        assert!(definition("apiextensions.k8s.io/v1").is_definition());
        assert!(definition("apiextensions.k8s.io/v1beta1").is_definition());
        assert!(!definition("example.com/v1").is_definition());
        assert!(ObjectRef::new("v1", "Secret", Some("prod"), "a").is_secret());
        assert!(!ObjectRef::new("example.com/v1", "Secret", Some("prod"), "a").is_secret());
    }
}
