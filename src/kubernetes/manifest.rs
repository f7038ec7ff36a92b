//! Reads manifests that a component wrote into objects.
//!
//! A manifest is guest-controlled text. What leaves here names exactly one object, by names that Kubernetes accepts,
//! and carries nothing by which a component could reach around the grant: no `generateName` (an object nobody named),
//! no `resourceVersion`, `uid` or `managedFields` (the host's business). A list is taken apart before. Nor does it
//! carry what has others act on the component's behalf: an owner, by which a controller or the garbage collector would
//! take the object for a part of something else, or a finalizer, which would hold it and its namespace for good once
//! the component is gone.

use serde_json::{Map, Value};

use crate::document::{self, MemoryBudget};

use super::api::RBAC;
use super::kinds::Kinds;
use super::metadata::{self, LAST_APPLIED, TOKEN_OF};
use super::object::{InvalidObjectRef, ObjectRef};

/// The largest object, in bytes of JSON: the 1.5 MiB that etcd takes in a request. Its text may be longer: indentation
/// alone makes four of it.
pub const MAX_OBJECT: usize = 3 << 19;

/// One object as a manifest describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    reference: ObjectRef,
    body: Value,
}

/// Why a text is not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidManifest {
    /// A member that decides something has the wrong type or is missing.
    #[error("`{0}` must be text")]
    Member(&'static str),
    /// It names no object.
    #[error(transparent)]
    Reference(#[from] InvalidObjectRef),
    /// A member that is not the component's to set.
    #[error("a manifest may not set `{0}`")]
    Reserved(&'static str),
    /// The text is no document.
    #[error("the manifest cannot be read: {0}")]
    Text(String),
    /// The object is larger than [`MAX_OBJECT`].
    #[error("{object} has {bytes} bytes as JSON, more than the {MAX_OBJECT} that an object may have")]
    TooLarge {
        /// Which one.
        object: ObjectRef,
        /// Its size.
        bytes: usize,
    },
}

impl Object {
    /// Reads one manifest (YAML or JSON, one object).
    ///
    /// # Errors
    /// [`InvalidManifest`] for what is not one well-named object.
    pub fn parse(manifest: &str, namespace: &str, kinds: &Kinds) -> Result<Self, InvalidManifest> {
        Self::of(read(manifest, &MemoryBudget::default())?, namespace, kinds)
    }

    /// Takes a document that is already read.
    ///
    /// # Errors
    /// [`InvalidManifest`] for what is not one well-named object.
    pub fn of(mut value: Value, namespace: &str, kinds: &Kinds) -> Result<Self, InvalidManifest> {
        // Programs that print objects write a status without content, which means nothing.
        if let Value::Object(members) = &mut value
            && members.get("status").is_some_and(is_empty)
        {
            members.remove("status");
        }
        let Value::Object(mut body) = value else {
            return Err(InvalidManifest::Text("it is not a mapping".into()));
        };
        let reference = kinds.resolve(named_by(&body)?, namespace)?;
        let bytes = size(&body);
        if bytes > MAX_OBJECT {
            return Err(InvalidManifest::TooLarge { object: reference, bytes });
        }
        refuse_reserved(&body)?;
        if reference.is(RBAC, "ClusterRole") && has_selectors(&body) {
            // They are its controller's, who overwrites whatever stands there.
            body.remove("rules");
        }
        settle(&mut body, &reference);
        Ok(Self { reference, body: Value::Object(body) })
    }

    /// The reference of the object.
    pub fn reference(&self) -> &ObjectRef {
        &self.reference
    }

    /// The object, its members sorted, its namespace filled in.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// The body, taken out.
    pub fn into_body(self) -> Value {
        self.body
    }

    /// A second object that applying this one acts through: the account whose token the server would put into a Secret.
    pub fn acts_through(&self) -> Option<ObjectRef> {
        let account = self.body.pointer("/metadata/annotations")?.get(TOKEN_OF)?.as_str().unwrap_or_default();
        let is_secret = self.reference.is_secret();
        let namespace = self.reference.namespace.as_deref();
        is_secret.then(|| ObjectRef::new("v1", "ServiceAccount", namespace, account))
    }

    /// Adds an annotation of the host's own.
    #[must_use]
    pub fn annotated(mut self, key: &str, value: &str) -> Self {
        if let Some(Value::Object(metadata)) = self.body.get_mut("metadata")
            && let Value::Object(annotations) =
                metadata.entry("annotations").or_insert_with(|| Map::new().into())
        {
            annotations.insert(key.into(), value.into());
        }
        self
    }
}

/// Reads the text of a manifest within a budget of memory, without asking what is in it: an object, or a list of them.
///
/// # Errors
/// [`InvalidManifest`] for what is no document or takes too much memory.
pub fn read(manifest: &str, memory: &MemoryBudget) -> Result<Value, InvalidManifest> {
    let value = document::manifest_within(manifest, memory);
    let value = value.map_err(|error| InvalidManifest::Text(error.to_string()))?;
    // Servers take `1.0` for no whole number, and what programs of Kubernetes send of it is `1`.
    Ok(document::with_whole_numbers(value))
}

/// The documents of a stream of YAML, each with the number of its first line, without those that hold nothing but
/// comments. A line that begins with `---` separates them wherever it stands (YAML 1.2.2, 9.1.2).
pub fn documents(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut begin, mut first, mut at) = (Vec::new(), 0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if is_separator(line) {
            found.push((first, &text[begin..at]));
            (begin, first) = (at, number + 1);
        }
        at += line.len();
    }
    found.push((first, &text[begin..]));
    let is_nothing =
        |line: &str| is_separator(line) || line.trim().is_empty() || line.trim_start().starts_with('#');
    found.retain(|(_, document)| !document.lines().all(is_nothing));
    found
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// The objects of a document: its items, if it is a list (`List`, `ConfigMapList`), and those of lists among them, else
/// itself. An item of a typed list need not say what it is.
///
/// # Errors
/// [`InvalidManifest`] for a list of something else than mappings.
pub fn taken_apart(value: Value) -> Result<Vec<Value>, InvalidManifest> {
    let Some(of) = list_of(&value) else { return Ok(vec![value]) };
    let Value::Object(mut list) = value else { return Ok(Vec::new()) };
    let version = list.remove("apiVersion").filter(|_| !of.is_empty());
    let Some(Value::Array(items)) = list.remove("items") else { return Ok(Vec::new()) };
    let mut objects = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let Value::Object(mut item) = item else {
            return Err(InvalidManifest::Text(format!("`/items/{index}` of the list is no mapping")));
        };
        if let Some(version) = version.as_ref().filter(|_| !item.contains_key("kind")) {
            item.insert("kind".into(), of.as_str().into());
            item.entry("apiVersion").or_insert_with(|| version.clone());
        }
        objects.extend(taken_apart(Value::Object(item))?);
    }
    Ok(objects)
}

/// The kind of the items of a list: empty for one of any kinds. None for what is no list.
fn list_of(value: &Value) -> Option<String> {
    let kind = value.get("kind")?.as_str()?.strip_suffix("List")?;
    value.get("items")?.is_array().then(|| kind.to_owned())
}

/// Whether the rules of a role are gathered from other roles: then nobody knows them beforehand.
pub fn is_gathering(role: &Value) -> bool {
    role.as_object().is_some_and(has_selectors)
}

fn has_selectors(role: &Map<String, Value>) -> bool {
    let selectors = role.get("aggregationRule").and_then(|rule| rule.get("clusterRoleSelectors"));
    selectors.and_then(Value::as_array).is_some_and(|selectors| !selectors.is_empty())
}

/// The reference that a document declares, unchecked.
///
/// # Errors
/// [`InvalidManifest`] for a document that does not name one object.
pub fn named(value: &Value) -> Result<ObjectRef, InvalidManifest> {
    value.as_object().ok_or_else(|| InvalidManifest::Text("it is not a mapping".into())).and_then(named_by)
}

fn named_by(body: &Map<String, Value>) -> Result<ObjectRef, InvalidManifest> {
    let text = |value: Option<&Value>, name| {
        value.and_then(Value::as_str).map(str::to_owned).ok_or(InvalidManifest::Member(name))
    };
    let metadata =
        body.get("metadata").and_then(Value::as_object).ok_or(InvalidManifest::Member("metadata.name"))?;
    if metadata.contains_key("generateName") {
        return Err(InvalidManifest::Reserved("metadata.generateName"));
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
fn refuse_reserved(body: &Map<String, Value>) -> Result<(), InvalidManifest> {
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
        return Err(InvalidManifest::Reserved(path));
    }
    if body.contains_key("status") {
        return Err(InvalidManifest::Reserved("status"));
    }
    if body.contains_key("items")
        && body.get("kind").and_then(Value::as_str).is_some_and(|k| k.ends_with("List"))
    {
        return Err(InvalidManifest::Text("it is a list, not one object".into()));
    }
    let marks = |member| metadata.and_then(|metadata| metadata.get(member));
    refuse_marks(marks("annotations"), "`metadata.annotations` must be a mapping")?;
    refuse_marks(marks("labels"), "`metadata.labels` must be a mapping")
}

/// Rejects labels and annotations that only the host writes, or that no difference shows.
fn refuse_marks(marks: Option<&Value>, otherwise: &str) -> Result<(), InvalidManifest> {
    match marks {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(all)) if all.keys().any(|key| metadata::is_reserved(key)) => {
            Err(InvalidManifest::Reserved("labels and annotations below `carnet.dev/`"))
        }
        Some(Value::Object(all)) if all.contains_key(LAST_APPLIED) => Err(InvalidManifest::Reserved(
            "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
        )),
        Some(Value::Object(_)) => Ok(()),
        Some(_) => Err(InvalidManifest::Text(otherwise.into())),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_empty),
        Value::Object(members) => members.values().all(is_empty),
    }
}

/// The bytes of an object as compact JSON, but for escapes.
fn size(members: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::Null => 4,
            Value::Bool(_) => 5,
            // The longest number of 64 bits.
            Value::Number(_) => 20,
            Value::String(text) => text.len() + 2,
            Value::Array(items) => items.iter().map(|item| of(item) + 1).sum::<usize>() + 1,
            Value::Object(members) => size(members),
        }
    }
    members.iter().map(|(name, value)| name.len() + of(value) + 4).sum::<usize>() + 1
}

fn settle(body: &mut Map<String, Value>, reference: &ObjectRef) {
    let Some(Value::Object(metadata)) = body.get_mut("metadata") else { return };
    metadata.retain(|_, value| !value.is_null());
    metadata.remove("namespace");
    if let Some(namespace) = &reference.namespace {
        metadata.insert("namespace".into(), namespace.clone().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(members: Value) -> Result<Object, InvalidManifest> {
        let mut body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        Object::of(body, "prod", &Kinds::default())
    }

    #[test]
    fn what_only_others_write_is_refused() {
        for member in ["finalizers", "ownerReferences", "managedFields", "uid", "deletionGracePeriodSeconds"]
        {
            let refused = object(json!({"metadata": {"name": "a", member: ["x"]}}));
            let Err(InvalidManifest::Reserved(path)) = refused else { panic!("{member}: {refused:?}") };
            assert_eq!(path, format!("metadata.{member}"));
        }
        assert_eq!(object(json!({"status": {"x": 1}})), Err(InvalidManifest::Reserved("status")));
        for key in ["carnet.dev/x", "run.carnet.dev/x", LAST_APPLIED] {
            let refused = object(json!({"metadata": {"name": "a", "annotations": {key: "x"}}}));
            assert!(matches!(refused, Err(InvalidManifest::Reserved(_))), "{key}: {refused:?}");
        }
    }

    #[test]
    fn numbers_are_those_that_programs_of_kubernetes_read() {
        let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: octal}\nspec:\n  volumes:\n  - name: v\n    \
                        configMap: {defaultMode: 0644, items: [{mode: 0o400}]}\n    replicas: 1.0\n";
        let body = Object::parse(manifest, "prod", &Kinds::default()).unwrap().body().clone();
        let volume = &body["spec"]["volumes"][0];
        assert_eq!(volume["configMap"], json!({"defaultMode": 420, "items": [{"mode": 256}]}));
        assert_eq!(volume["replicas"], json!(1));
        let refused = Object::parse(&manifest.replace("0644", "0649"), "prod", &Kinds::default());
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("line 7, `/spec/volumes/0/configMap/defaultMode`"), "{told}");
    }

    #[test]
    fn lists_are_taken_apart_and_typed_ones_say_what_their_items_are() {
        let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        let apart = |value: Value| taken_apart(value).unwrap();
        assert_eq!(apart(map("a")), [map("a")]);
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [map("a"), map("b")]});
        assert_eq!(apart(list.clone()), [map("a"), map("b")]);
        let nested = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [list, map("c")]});
        assert_eq!(apart(nested), [map("a"), map("b"), map("c")]);
        let rbac = "rbac.authorization.k8s.io/v1";
        let typed =
            json!({"apiVersion": rbac, "kind": "RoleList", "items": [{"metadata": {"name": "r"}}, map("m")]});
        let role = json!({"apiVersion": rbac, "kind": "Role", "metadata": {"name": "r"}});
        assert_eq!(apart(typed), [role, map("m")]);
        assert!(apart(json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": []})).is_empty());
        let lookalike =
            json!({"apiVersion": "example.com/v1", "kind": "AllowList", "metadata": {"name": "a"}});
        assert_eq!(apart(lookalike.clone()), [lookalike]);
        let error = taken_apart(json!({"apiVersion": "v1", "kind": "List", "items": ["x"]})).unwrap_err();
        assert!(error.to_string().contains("`/items/0` of the list is no mapping"), "{error}");
    }

    #[test]
    fn the_rules_of_a_role_that_gathers_them_are_its_controllers() {
        let role = |kind: &str, selectors: Value| {
            object(json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "rules": [],
                "aggregationRule": { "clusterRoleSelectors": selectors } }))
        };
        let has_rules = |role: Result<Object, InvalidManifest>| role.unwrap().body().get("rules").is_some();
        assert!(!has_rules(role("ClusterRole", json!([{}]))));
        assert!(has_rules(role("ClusterRole", json!([]))), "it gathers nothing");
        assert!(has_rules(role("Role", json!([{}]))), "only a ClusterRole gathers");
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
    fn a_secret_for_the_token_of_an_account_acts_through_it() {
        let members =
            |kind: &str| json!({"kind": kind, "metadata": {"name": "a", "annotations": {TOKEN_OF: "admin"}}});
        let through = object(members("Secret")).unwrap().acts_through();
        assert_eq!(through.map(|account| account.to_string()), Some("ServiceAccount prod/admin".into()));
        assert_eq!(object(members("ConfigMap")).unwrap().acts_through(), None);
    }

    #[test]
    fn words_for_true_and_false_are_those_of_kubectl() {
        let text = "{apiVersion: v1, kind: X, metadata: {name: a}, \
                    spec: {a: yes, b: 'yes', c: off, d: \"no\", e: True, f: on, g: yesterday, h: [No, n]}}";
        let value = read(text, &MemoryBudget::default()).unwrap();
        let expected = json!({"a": true, "b": "yes", "c": false, "d": "no", "e": true, "f": true, "g": "yesterday",
                              "h": [false, false]});
        assert_eq!(value["spec"], expected);
        // Documents of carnet's own are read as YAML is written today.
        assert_eq!(document::yaml("{a: yes, b: off}").unwrap(), json!({"a": "yes", "b": "off"}));
    }

    #[test]
    fn a_status_that_says_nothing_is_left_out() {
        for status in [
            json!({}),
            json!(null),
            json!({"loadBalancer": {}}),
            json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []}),
            json!({"currentHealthy": 0, "disruptionsAllowed": 0, "ready": false}),
        ] {
            let body =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "status": status});
            let object = Object::of(body, "prod", &Kinds::default());
            assert_eq!(object.map(|it| it.body().get("status").cloned()), Ok(None), "{status}");
        }
        for status in [json!({"replicas": 1}), json!({"phase": "Active"}), json!([true])] {
            let body =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "status": status});
            let refused = Object::of(body, "prod", &Kinds::default());
            assert_eq!(refused, Err(InvalidManifest::Reserved("status")), "{status}");
        }
    }

    /// Definitions are mostly indentation.
    #[test]
    fn an_object_is_as_large_as_its_json() {
        let manifest = |lines: usize, indent: usize| {
            let data: String = (0..lines).map(|at| format!("{}k{at}: v\n", " ".repeat(indent))).collect();
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n{data}")
        };
        let indented = manifest(20_000, 80);
        assert!(indented.len() > MAX_OBJECT);
        assert!(Object::parse(&indented, "prod", &Kinds::default()).is_ok());
        let large = format!("{}  long: {}\n", manifest(1, 2), "x".repeat(MAX_OBJECT));
        let refused = Object::parse(&large, "prod", &Kinds::default()).unwrap_err().to_string();
        assert!(refused.starts_with("ConfigMap prod/a has 157") && refused.contains("1572864"), "{refused}");
    }

    #[test]
    fn the_size_of_an_object_is_that_of_its_json() {
        let value = json!({"a": [1, true, null, "text", {}, []], "b": {"c": "d", "e": {"f": -1.5}}});
        let Value::Object(members) = &value else { unreachable!() };
        let (size, written) = (size(members), value.to_string().len());
        assert!((written..written + 60).contains(&size), "{size} for {written}");
    }
}
