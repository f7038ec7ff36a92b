//! Kubernetes objects and their names, read from manifests that a component wrote.
//!
//! A manifest is guest-controlled text. What leaves here names exactly one object, by names that Kubernetes accepts, and
//! carries nothing by which a component could reach around the grant: no `generateName` (an object nobody named), no
//! `resourceVersion`, `uid` or `managedFields` (the host's business), no list of several objects. Nor does it carry what
//! has others act on the component's behalf: an owner, by which a controller or the garbage collector would take the
//! object for a part of something else, or a finalizer, which would hold it and its namespace for good once the component
//! is gone.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document;

use super::kinds::{self, Kinds};

/// The longest manifest, in bytes: 1 MiB, more than the 1.5 MiB request limit of etcd lets through with overhead.
/// Without it one call could make the host hold many copies of a huge document.
pub const MAX_MANIFEST: usize = 1 << 20;

/// An annotation in which kubectl keeps whole objects, values of Secrets included. It is no part of any difference, so a
/// manifest that sets it would change what nobody sees.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Has a token of the account that it names put into its Secret.
const TOKEN_OF: &str = "kubernetes.io/service-account.name";

/// Names one Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// One object as a manifest describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    reference: ObjectRef,
    body: Value,
}

/// Why a text is not a manifest, or a reference not one of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A member that decides something has the wrong type or is missing.
    #[error("`{0}` must be text")]
    Member(&'static str),
    /// A name that Kubernetes would not accept.
    #[error("`{text}` is not a {what}")]
    Name {
        /// What it should have been.
        what: &'static str,
        /// The text, made visible and cut.
        text: String,
    },
    /// A record of the state, or the Lease of a run, where they are in the cluster.
    #[error("`{0}` has a name that only carnet's own objects have")]
    Own(String),
    /// A member that is not the component's to set.
    #[error("a manifest may not set `{0}`")]
    Reserved(&'static str),
    /// The text is no document.
    #[error("the manifest cannot be read: {0}")]
    Text(String),
    /// The manifest is longer than [`MAX_MANIFEST`].
    #[error("the manifest has {0} bytes, more than {MAX_MANIFEST}")]
    TooLong(usize),
}

impl ObjectRef {
    /// The group, empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The version without its group.
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&self.api_version, |(_, version)| version)
    }

    /// `group/Kind`, or the bare kind for the core group: how scopes write it.
    pub fn group_kind(&self) -> String {
        match self.group() {
            "" => self.kind.clone(),
            group => format!("{group}/{}", self.kind),
        }
    }

    /// Whether it defines a kind of its own.
    pub fn is_definition(&self) -> bool {
        self.group() == "apiextensions.k8s.io" && self.kind == "CustomResourceDefinition"
    }

    /// The object's identity, whatever version of its group it was written in.
    pub fn key(&self) -> (String, Option<&str>, &str) {
        (self.group_kind(), self.namespace.as_deref(), &self.name)
    }

    /// Checks every part, and puts an object without a namespace where it belongs: into `namespace`, or outside
    /// namespaces if its kind lives there.
    ///
    /// # Errors
    /// [`Invalid::Name`] for what Kubernetes would not accept.
    pub fn resolved(mut self, namespace: &str, kinds: &Kinds) -> Result<Self, Invalid> {
        self.check()?;
        // What is recorded decides what later runs may do, so no grant, however wide, reaches it.
        let is_of_own_kind = ["Secret", "coordination.k8s.io/Lease"].contains(&&*self.group_kind());
        if is_of_own_kind && self.name.starts_with("carnet.") {
            return Err(Invalid::Own(self.name));
        }
        if kinds.is_namespaced(&self) {
            self.namespace.get_or_insert_with(|| namespace.to_owned());
        } else {
            self.namespace = None;
        }
        Ok(self)
    }

    /// Checks every part.
    ///
    /// # Errors
    /// [`Invalid::Name`] for what Kubernetes would not accept.
    pub fn check(&self) -> Result<(), Invalid> {
        let (group, version) = (self.group(), self.version());
        let api_version_fits = (group.is_empty() != self.api_version.contains('/') && is_subdomain(group)
            || group.is_empty())
            && is_label(version);
        fits("version of an API", &self.api_version, api_version_fits && !self.api_version.starts_with('/'))?;
        fits("kind", &self.kind, is_kind(&self.kind))?;
        fits("name of an object", &self.name, is_object_name(&self.name) && self.name_fits_kind())?;
        self.namespace
            .as_deref()
            .map_or(Ok(()), |namespace| fits("namespace", namespace, is_label(namespace)))
    }
}

impl ObjectRef {
    /// Most kinds of Kubernetes itself want a DNS subdomain. Of kinds that others define the server decides.
    fn name_fits_kind(&self) -> bool {
        let is_lenient = self.group() == "rbac.authorization.k8s.io"
            || ["ClusterTrustBundle", "IPAddress"].contains(&self.kind.as_str());
        is_lenient || kinds::builtin(self.group(), &self.kind).is_none() || is_subdomain(&self.name)
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

impl Object {
    /// Reads one manifest (YAML or JSON, one object).
    ///
    /// # Errors
    /// [`Invalid`] for what is not one well-named object.
    pub fn parse(manifest: &str, namespace: &str, kinds: &Kinds) -> Result<Self, Invalid> {
        Self::of(read(manifest)?, namespace, kinds)
    }

    /// Takes a document that is already read.
    ///
    /// # Errors
    /// [`Invalid`] for what is not one well-named object.
    pub fn of(mut value: Value, namespace: &str, kinds: &Kinds) -> Result<Self, Invalid> {
        // Programs that print objects write a status without content, which means nothing.
        if let Value::Object(members) = &mut value
            && members.get("status").is_some_and(is_empty)
        {
            members.remove("status");
        }
        let Value::Object(mut body) = document::sorted(&value) else {
            return Err(Invalid::Text("it is not a mapping".into()));
        };
        let reference = named_by(&body)?.resolved(namespace, kinds)?;
        refuse_reserved(&body)?;
        settle(&mut body, &reference);
        Ok(Self { reference, body: Value::Object(body) })
    }

    /// What the object is called.
    pub fn reference(&self) -> &ObjectRef {
        &self.reference
    }

    /// The object, its members sorted, its namespace filled in.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Another object that is acted through when this one is applied: the account whose token would be put into a Secret.
    pub fn acts_through(&self) -> Option<ObjectRef> {
        let account = self.body.pointer("/metadata/annotations")?.get(TOKEN_OF)?;
        let is_secret = self.reference.group_kind() == "Secret";
        is_secret.then(|| ObjectRef {
            kind: "ServiceAccount".into(),
            name: account.as_str().unwrap_or_default().into(),
            ..self.reference.clone()
        })
    }

    /// The same object with an annotation of the host's own.
    #[must_use]
    pub fn annotated(mut self, key: &str, value: &str) -> Self {
        if let Some(Value::Object(metadata)) = self.body.get_mut("metadata")
            && let Value::Object(annotations) =
                metadata.entry("annotations").or_insert_with(|| Map::new().into())
        {
            annotations.insert(key.into(), value.into());
            self.body = document::sorted(&self.body);
        }
        self
    }
}

/// Reads the text of a manifest, without asking what is in it.
///
/// # Errors
/// [`Invalid`] for what is too long or no document.
pub fn read(manifest: &str) -> Result<Value, Invalid> {
    if manifest.len() > MAX_MANIFEST {
        return Err(Invalid::TooLong(manifest.len()));
    }
    document::yaml(manifest).map_err(|error| Invalid::Text(error.to_string()))
}

/// The reference that a document declares, unchecked.
///
/// # Errors
/// [`Invalid`] for a document that does not name one object.
pub fn named(value: &Value) -> Result<ObjectRef, Invalid> {
    value.as_object().ok_or_else(|| Invalid::Text("it is not a mapping".into())).and_then(named_by)
}

fn named_by(body: &Map<String, Value>) -> Result<ObjectRef, Invalid> {
    let text = |value: Option<&Value>, name| {
        value.and_then(Value::as_str).map(str::to_owned).ok_or(Invalid::Member(name))
    };
    let metadata = body.get("metadata").and_then(Value::as_object).ok_or(Invalid::Member("metadata.name"))?;
    if metadata.contains_key("generateName") {
        return Err(Invalid::Reserved("metadata.generateName"));
    }
    let namespace = match metadata.get("namespace") {
        None | Some(Value::Null) => None,
        namespace => Some(text(namespace, "metadata.namespace")?),
    };
    Ok(ObjectRef {
        api_version: text(body.get("apiVersion"), "apiVersion")?,
        kind: text(body.get("kind"), "kind")?,
        namespace,
        name: text(metadata.get("name"), "metadata.name")?,
    })
}

/// Members by which a component could claim what only the server, a controller or the host may say.
fn refuse_reserved(body: &Map<String, Value>) -> Result<(), Invalid> {
    const RESERVED: [(&str, &str); 10] = [
        ("creationTimestamp", "metadata.creationTimestamp"),
        ("deletionGracePeriodSeconds", "metadata.deletionGracePeriodSeconds"),
        ("deletionTimestamp", "metadata.deletionTimestamp"),
        ("finalizers", "metadata.finalizers"),
        ("generation", "metadata.generation"),
        ("managedFields", "metadata.managedFields"),
        ("ownerReferences", "metadata.ownerReferences"),
        ("resourceVersion", "metadata.resourceVersion"),
        ("selfLink", "metadata.selfLink"),
        ("uid", "metadata.uid"),
    ];
    let metadata = body.get("metadata").and_then(Value::as_object);
    let reserved = RESERVED
        .iter()
        .find(|(name, _)| metadata.is_some_and(|m| m.get(*name).is_some_and(|v| !v.is_null())));
    if let Some((_, path)) = reserved {
        return Err(Invalid::Reserved(path));
    }
    if body.contains_key("status") {
        return Err(Invalid::Reserved("status"));
    }
    if body.contains_key("items")
        && body.get("kind").and_then(Value::as_str).is_some_and(|k| k.ends_with("List"))
    {
        return Err(Invalid::Text("it is a list, not one object".into()));
    }
    let marks = |member| metadata.and_then(|metadata| metadata.get(member));
    refuse_marks(marks("annotations"), "`metadata.annotations` must be a mapping")?;
    refuse_marks(marks("labels"), "`metadata.labels` must be a mapping")
}

/// Labels and annotations below `carnet.dev` say who owns an object, where credentials are, and what a run left behind: the
/// host writes them.
fn refuse_marks(marks: Option<&Value>, otherwise: &str) -> Result<(), Invalid> {
    let is_ours = |key: &String| {
        let domain = key.split_once('/').map_or("", |(domain, _)| domain);
        domain == "carnet.dev" || domain.ends_with(".carnet.dev")
    };
    match marks {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(all)) if all.keys().any(is_ours) => {
            Err(Invalid::Reserved("labels and annotations below `carnet.dev/`"))
        }
        Some(Value::Object(all)) if all.contains_key(LAST_APPLIED) => {
            Err(Invalid::Reserved("metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"))
        }
        Some(Value::Object(_)) => Ok(()),
        Some(_) => Err(Invalid::Text(otherwise.into())),
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

fn settle(body: &mut Map<String, Value>, reference: &ObjectRef) {
    let Some(Value::Object(metadata)) = body.get_mut("metadata") else { return };
    metadata.retain(|_, value| !value.is_null());
    metadata.remove("namespace");
    if let Some(namespace) = &reference.namespace {
        metadata.insert("namespace".into(), namespace.clone().into());
    }
    let sorted = document::sorted(&Value::Object(std::mem::take(metadata)));
    if let Value::Object(sorted) = sorted {
        *metadata = sorted;
    }
}

fn fits(what: &'static str, text: &str, fits: bool) -> Result<(), Invalid> {
    if fits {
        Ok(())
    } else {
        Err(Invalid::Name { what, text: document::visible(text).chars().take(100).collect() })
    }
}

/// An RFC 1123 label: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63.
pub fn is_label(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_kind(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// A path segment name as the API server accepts it for the most permissive kinds (RBAC's `system:node`): no `/`, no
/// `%`, not `.` or `..`. We also leave out what no kind needs, so that a name is safe in a file name and in a URL.
fn is_object_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:_".contains(&b);
    !text.is_empty()
        && text.len() <= 253
        && ![".", ".."].contains(&text)
        && text.bytes().all(|b| inner(b) || b.is_ascii_uppercase())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(members: Value) -> Result<Object, Invalid> {
        let mut body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        Object::of(body, "prod", &Kinds::default())
    }

    fn named(api_version: &str, kind: &str, name: &str) -> bool {
        let namespace = Some("prod".into());
        let reference =
            ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace, name: name.into() };
        reference.check().is_ok()
    }

    #[test]
    fn records_of_the_state_cannot_be_named() {
        let resolved = |api_version: &str, kind: &str, name: &str| {
            let object = ObjectRef {
                api_version: api_version.into(),
                kind: kind.into(),
                namespace: None,
                name: name.into(),
            };
            object.resolved("prod", &Kinds::default()).map(|object| object.to_string())
        };
        for (api_version, kind, name) in [
            ("v1", "Secret", "carnet.installation.web"),
            ("coordination.k8s.io/v1", "Lease", "carnet.web"),
            ("coordination.k8s.io/v1beta1", "Lease", "carnet.web"),
        ] {
            assert_eq!(resolved(api_version, kind, name), Err(Invalid::Own(name.into())), "{kind}");
        }
        assert_eq!(resolved("v1", "Secret", "carnet-web").unwrap(), "Secret prod/carnet-web");
        assert_eq!(resolved("v1", "ConfigMap", "carnet.web").unwrap(), "ConfigMap prod/carnet.web");
    }

    #[test]
    fn what_only_others_write_is_refused() {
        for member in ["finalizers", "ownerReferences", "managedFields", "uid", "deletionGracePeriodSeconds"]
        {
            let refused = object(json!({"metadata": {"name": "a", member: ["x"]}}));
            let Err(Invalid::Reserved(path)) = refused else { panic!("{member}: {refused:?}") };
            assert_eq!(path, format!("metadata.{member}"));
        }
        assert_eq!(object(json!({"status": {"x": 1}})), Err(Invalid::Reserved("status")));
        for key in ["carnet.dev/x", "run.carnet.dev/x", LAST_APPLIED] {
            let refused = object(json!({"metadata": {"name": "a", "annotations": {key: "x"}}}));
            assert!(matches!(refused, Err(Invalid::Reserved(_))), "{key}: {refused:?}");
        }
    }

    #[test]
    fn what_programs_write_that_print_objects_means_nothing() {
        let printed = json!({
            "metadata": {"name": "a", "creationTimestamp": null, "annotations": {"notcarnet.dev/x": "x"}},
            "status": {},
        });
        let body = object(printed).unwrap().body().clone();
        assert_eq!(body.get("status"), None);
        assert_eq!(
            body["metadata"],
            json!({"name": "a", "annotations": {"notcarnet.dev/x": "x"}, "namespace": "prod"})
        );
    }

    #[test]
    fn a_name_is_what_its_kind_takes() {
        assert!(named("v1", "ConfigMap", "web.example-1"));
        for name in ["Web", "a:b", "a_b", "a..b", "a-"] {
            assert!(!named("v1", "ConfigMap", name), "{name}");
        }
        assert!(named("rbac.authorization.k8s.io/v1", "Role", "system:Web_1"));
        assert!(named("networking.k8s.io/v1", "IPAddress", "fe80::1"));
        assert!(named("image.openshift.io/v1", "ImageStreamTag", "web:1.0"));
        assert!(!named("image.openshift.io/v1", "ImageStreamTag", "web/1.0"));
    }

    #[test]
    fn a_secret_for_the_token_of_an_account_acts_through_it() {
        let members =
            |kind: &str| json!({"kind": kind, "metadata": {"name": "a", "annotations": {TOKEN_OF: "admin"}}});
        let through = object(members("Secret")).unwrap().acts_through();
        assert_eq!(through.map(|account| account.to_string()), Some("ServiceAccount prod/admin".into()));
        assert_eq!(object(members("ConfigMap")).unwrap().acts_through(), None);
    }
}
