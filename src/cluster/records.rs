//! Objects of our own in a cluster: the records of the state, which are Secrets, and the Lease that a run holds.
//!
//! A permit says that an object of a *bundle* was checked against what its operator granted. Records are no bundle's: no
//! component names them, and none is asked for. What keeps these methods from reaching anything else is [`RecordName`] in the
//! place of a permit: it can only be made of two kinds and of names that begin with `carnet.`, from parts that are labels;
//! and what is found under such a name and does not call itself a record is refused.

use std::fmt;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::kubernetes::api::{COORDINATION, v1};
use crate::kubernetes::object::{ObjectRef, is_label};
use crate::kubernetes::path::{self, percent_encoded};

use super::connect::{ConnectOptions, Unconfigured};
use super::request::ApiRequest;
use super::server::Server;
use super::status::Error;

/// The type of the Secrets that are records.
pub const RECORD: &str = "carnet.dev/record";

/// How many records are asked for at once: so many of the largest stay below what is read of an answer.
const PAGE: usize = 20;

/// The most pages of a list. Without it, a server could go on for ever.
const MAX_PAGES: usize = 1000;

/// The longest name of an object.
const MAX_NAME: usize = 253;

/// A Kubernetes API server, as a place for records.
pub struct Records {
    server: Server,
}

/// The name of an object of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordName {
    is_lease: bool,
    namespace: String,
    name: String,
}

/// Which state of which object: what is only to be done to this one names both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The identity of the object.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
}

/// An object of ours as it is. Its content is not in `Debug`.
#[derive(Clone)]
pub struct RecordObject {
    /// Its name.
    pub name: RecordName,
    /// Its version.
    pub version: ObjectVersion,
    /// All of it.
    pub value: Value,
}

/// What must be there for an object to be written.
#[derive(Debug, Clone, Copy)]
pub enum Precondition<'a> {
    /// No field of it may be another manager's: it is new, or this manager's own.
    None,
    /// It must be the object of this UID, and none of its fields another manager's.
    Same(&'a str),
    /// It must be in just this version, whoever wrote it.
    Version(&'a ObjectVersion),
}

impl RecordName {
    /// A record. None: a part, or the namespace, is no label, or the whole is too long.
    pub fn record(namespace: &str, parts: &[&str]) -> Option<Self> {
        Self::new(false, namespace, parts)
    }

    /// The Lease of an installation. None: its name or namespace is no label.
    pub fn lease(namespace: &str, installation: &str) -> Option<Self> {
        Self::new(true, namespace, &[installation])
    }

    fn new(is_lease: bool, namespace: &str, parts: &[&str]) -> Option<Self> {
        let name = format!("carnet.{}", parts.join("."));
        let is_named = !parts.is_empty() && parts.iter().all(|part| is_label(part)) && name.len() <= MAX_NAME;
        (is_named && is_label(namespace)).then(|| Self { is_lease, namespace: namespace.into(), name })
    }

    /// The object that a list has under this name, if it is one of ours.
    fn listed(namespace: &str, name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.strip_prefix("carnet.")?.split('.').collect();
        Self::record(namespace, &parts)
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    fn reference(&self) -> ObjectRef {
        let (api_version, kind) =
            if self.is_lease { (v1(COORDINATION), "Lease") } else { ("v1".to_owned(), "Secret") };
        ObjectRef::new(api_version, kind, Some(&self.namespace), &*self.name)
    }

    fn path(&self) -> String {
        let plural = if self.is_lease { "leases" } else { "secrets" };
        let list = path::of_list(&self.reference().api_version, plural, Some(&self.namespace));
        format!("{list}/{}", percent_encoded(&self.name))
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference().fmt(f)
    }
}

impl RecordObject {
    fn read(value: Value, name: &RecordName) -> Result<Self, Error> {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        let unusable = |why: &str| Error::unusable(name, why);
        let is_named = text("/metadata/name") == Some(name.as_str())
            && text("/metadata/namespace") == Some(name.namespace());
        if !is_named {
            return Err(unusable("it is about another object"));
        }
        if !name.is_lease && text("/type") != Some(RECORD) {
            return Err(unusable("it is no record: it has another type"));
        }
        let (Some(uid), Some(version)) = (text("/metadata/uid"), text("/metadata/resourceVersion")) else {
            return Err(unusable("it has no identity"));
        };
        let version = ObjectVersion { uid: uid.into(), resource_version: version.into() };
        Ok(Self { name: name.clone(), version, value })
    }

    /// Whether the members of `body` are there, as they were sent.
    fn holds(&self, body: &Map<String, Value>) -> bool {
        body.iter().filter(|(name, _)| *name != "metadata").all(|(name, it)| self.value.get(name) == Some(it))
    }
}

impl fmt::Debug for RecordObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordObject").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Records {
    /// Prepares to talk to the cluster that kubectl would talk to. Sends nothing; must be called within a runtime.
    ///
    /// # Ambient Authority
    /// As for [`Server::connect`].
    ///
    /// # Errors
    /// [`Unconfigured`] where no cluster is configured, or the configuration is wrong.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, Unconfigured> {
        Ok(Self { server: Server::connect(options).await? })
    }

    /// The time by the server's clock, which all who use it agree on, to about a second.
    pub fn now(&self) -> Timestamp {
        self.server.now()
    }

    /// The server that they are at.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Reads an object of ours. None: it is not there.
    ///
    /// # Errors
    /// [`Error`] for every other answer.
    pub async fn get(&self, name: &RecordName) -> Result<Option<RecordObject>, Error> {
        let response = self.server.send(&ApiRequest::get(name.path())).await?;
        match response.status {
            status if status.is_success() => RecordObject::read(response.document(name)?, name).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(Error::of(&response, "get", &name.reference())),
        }
    }

    /// Writes an object of ours: `metadata` without its name, and what else it consists of.
    ///
    /// # Errors
    /// [`Error::Conflict`] where its fields are another manager's, [`Error::Changed`] where it is not the version that it
    /// was to be, and [`Error`] for whatever else the server objects to.
    pub async fn apply(
        &self,
        name: &RecordName,
        content: Value,
        manager: &str,
        over: Precondition<'_>,
    ) -> Result<RecordObject, Error> {
        let body = body(name, content, over);
        let force = matches!(over, Precondition::Version(_));
        let query = format!("fieldManager={}&fieldValidation=Strict&force={force}", percent_encoded(manager));
        let request = ApiRequest::apply(format!("{}?{query}", name.path()), &Value::Object(body.clone()));
        let response = self.server.send(&request).await?;
        if response.status.is_success() {
            return RecordObject::read(response.document(name)?, name);
        }
        let error = Error::of(&response, "apply", &name.reference());
        if !matches!(error, Error::Changed(_)) {
            return Err(error);
        }
        // The answer to a first try may have been lost, and the second one found what the first one had done.
        match self.get(name).await? {
            Some(found) if found.holds(&body) => Ok(found),
            _ => Err(error),
        }
    }

    /// Removes an object of ours, if it is there, and in this version.
    ///
    /// # Errors
    /// [`Error::Changed`] when it has another version, and [`Error`] for every other answer.
    pub async fn delete(&self, name: &RecordName, version: Option<&ObjectVersion>) -> Result<(), Error> {
        let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions" });
        if let Some(version) = version {
            options["preconditions"] =
                json!({ "uid": version.uid, "resourceVersion": version.resource_version });
        }
        let response = self.server.send(&ApiRequest::delete(name.path(), &options)).await?;
        match response.status {
            StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(Error::of(&response, "delete", &name.reference())),
        }
    }

    /// The records that have all these labels, in one namespace or in all.
    ///
    /// # Errors
    /// [`Error`] when the server does not say, or its list has no end.
    pub async fn list(
        &self,
        namespace: Option<&str>,
        labels: &[(&str, &str)],
    ) -> Result<Vec<RecordObject>, Error> {
        let mut found = Vec::new();
        for item in self.pages(namespace, labels, ApiRequest::get).await? {
            // Items of a list do not say their kind, and need not be ours, whatever their labels say.
            if let Some(name) = listed(&item) {
                found.push(RecordObject::read(item, &name)?);
            }
        }
        Ok(found)
    }

    /// The names of the records that have all these labels.
    ///
    /// # Errors
    /// As for [`list`](Self::list).
    pub async fn names(&self, namespace: &str, labels: &[(&str, &str)]) -> Result<Vec<RecordName>, Error> {
        let items = self.pages(Some(namespace), labels, ApiRequest::list_names).await?;
        Ok(items.iter().filter_map(listed).collect())
    }

    async fn pages(
        &self,
        namespace: Option<&str>,
        labels: &[(&str, &str)],
        request: fn(String) -> ApiRequest,
    ) -> Result<Vec<Value>, Error> {
        let selector: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = format!(
            "{}?limit={PAGE}&labelSelector={}",
            path::of_list("v1", "secrets", namespace),
            percent_encoded(&selector.join(","))
        );
        let all = all_of(namespace);
        let (mut items, mut next) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let response = self.server.send(&request(format!("{path}{next}"))).await?;
            if !response.status.is_success() {
                return Err(Error::of(&response, "list", &all));
            }
            let unusable = |why: &str| Error::unusable("the list of records", why);
            let mut page = response.document("the list of records")?;
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(found)) => items.extend(found),
                // The server writes so where there is nothing.
                Some(Value::Null) => {}
                _ => return Err(unusable("it is no list")),
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str) {
                None | Some("") => return Ok(items),
                Some(token) => next = format!("&continue={}", percent_encoded(token)),
            }
        }
        Err(Error::unusable("the list of records", "it has no end"))
    }
}

fn body(name: &RecordName, content: Value, over: Precondition<'_>) -> Map<String, Value> {
    let Value::Object(mut body) = content else { return Map::new() };
    let reference = name.reference();
    let mut metadata = body.remove("metadata").and_then(|it| it.as_object().cloned()).unwrap_or_default();
    metadata.insert("name".into(), name.name.as_str().into());
    metadata.insert("namespace".into(), name.namespace.as_str().into());
    // The identity is what makes the server refuse when the object is gone; a version alone would make it anew.
    match over {
        Precondition::None => {}
        Precondition::Same(uid) => drop(metadata.insert("uid".into(), uid.into())),
        Precondition::Version(version) => {
            metadata.insert("uid".into(), version.uid.as_str().into());
            metadata.insert("resourceVersion".into(), version.resource_version.as_str().into());
        }
    }
    body.insert("apiVersion".into(), reference.api_version.into());
    body.insert("kind".into(), reference.kind.into());
    body.insert("metadata".into(), metadata.into());
    body
}

fn listed(item: &Value) -> Option<RecordName> {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str);
    RecordName::listed(text("/metadata/namespace")?, text("/metadata/name")?)
}

/// What errors call the records of a namespace, or of all.
fn all_of(namespace: Option<&str>) -> ObjectRef {
    ObjectRef::new("v1", "Secret", namespace, "carnet.*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_ours_is_made_of_labels_and_nothing_else() {
        let name = RecordName::record("prod", &["claim", "web", "01k"]).unwrap();
        assert_eq!(name.path(), "/api/v1/namespaces/prod/secrets/carnet.claim.web.01k");
        let lease = RecordName::lease("prod", "web").unwrap();
        assert_eq!(lease.path(), "/apis/coordination.k8s.io/v1/namespaces/prod/leases/carnet.web");
        for parts in [&["a/b"][..], &["a", ".."], &["A"], &[""], &["a.b"], &[&"a".repeat(64)], &[]] {
            assert_eq!(RecordName::record("prod", parts), None, "{parts:?}");
        }
        assert_eq!(RecordName::record("kube-system/secrets", &["a"]), None);
        let long = "a".repeat(63);
        assert_eq!(RecordName::record("prod", &[&long, &long, &long, &long]), None);
    }

    #[test]
    fn what_a_list_has_under_another_name_is_not_ours() {
        assert_eq!(RecordName::listed("prod", "db"), None);
        assert_eq!(RecordName::listed("prod", "carnet.."), None);
        assert_eq!(
            RecordName::listed("prod", "carnet.claim.web"),
            RecordName::record("prod", &["claim", "web"])
        );
    }

    #[test]
    fn an_object_that_is_no_record_is_refused() {
        let name = RecordName::record("prod", &["installation", "web"]).unwrap();
        let found = |change: fn(&mut Value)| {
            let mut value = json!({"type": RECORD, "metadata": {"name": "carnet.installation.web",
                "namespace": "prod", "uid": "1", "resourceVersion": "2"}});
            change(&mut value);
            RecordObject::read(value, &name).map(|found| found.version).map_err(|error| error.to_string())
        };
        assert!(found(|_| {}).is_ok());
        let refused = |change, reason| {
            let error = found(change).unwrap_err();
            assert!(error.contains(reason), "{error}");
        };
        refused(|value| value["type"] = "Opaque".into(), "another type");
        refused(|value| value["metadata"]["namespace"] = "other".into(), "another object");
        refused(|value| value["metadata"]["name"] = "other".into(), "another object");
        refused(|value| value["metadata"]["uid"] = Value::Null, "no identity");
    }

    #[test]
    fn what_is_written_over_a_version_names_the_object_too() {
        let name = RecordName::lease("prod", "web").unwrap();
        let version = ObjectVersion { uid: "u".into(), resource_version: "7".into() };
        let content = || json!({"metadata": {"labels": {"a": "b"}}, "spec": {}});
        let metadata = |over| body(&name, content(), over)["metadata"].clone();
        let name = json!({"labels": {"a": "b"}, "name": "carnet.web", "namespace": "prod"});
        assert_eq!(metadata(Precondition::None), name);
        assert_eq!(metadata(Precondition::Same("u"))["uid"], "u");
        assert_eq!(metadata(Precondition::Version(&version))["resourceVersion"], "7");
        assert_eq!(metadata(Precondition::Version(&version))["uid"], "u");
    }
}
