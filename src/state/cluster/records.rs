//! Reads, writes, lists and removes the objects of the state in a cluster: Secrets that are records, and Leases.
//!
//! It is a module so that requests of the state are made here alone, each for a [`RecordName`].

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::cluster::{ApiRequest, ConnectOptions, Error, Precondition, Server, Unconfigured};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::path;
use crate::text::url::percent_encoded;

use super::object::{RecordName, RecordObject};

/// How many records are asked for at once: so many of the largest that we write stay below what is read of an answer.
const PAGE: usize = 20;

/// The most pages of a list. Without it, a server could go on for ever.
const MAX_PAGES: usize = 1000;

/// An item of a list: the record, or why it is none.
pub(super) type ListedRecord = (RecordName, Result<RecordObject, Error>);

/// A Kubernetes API server, as a place for records.
pub(super) struct Records {
    server: Server,
}

impl Records {
    /// Prepares to talk to the cluster that kubectl would talk to. Sends nothing; must be called within a runtime.
    ///
    /// # Ambient Authority
    /// As for [`Server::connect`].
    ///
    /// # Errors
    /// [`Unconfigured`] where no cluster is configured, or the configuration is wrong.
    pub(super) async fn connect(options: &ConnectOptions) -> Result<Self, Unconfigured> {
        Ok(Self { server: Server::connect(options).await? })
    }

    /// The time by the server's clock, which all who use it agree on, to about a second.
    pub(super) fn now(&self) -> Timestamp {
        self.server.now()
    }

    /// The server that they are at.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Reads an object of ours. None: it is not there.
    ///
    /// # Errors
    /// [`Error`] for every other answer.
    pub(super) async fn get(&self, name: &RecordName) -> Result<Option<RecordObject>, Error> {
        let response = self.server.send(&ApiRequest::get(name.path())).await?;
        match response.status {
            status if status.is_success() => RecordObject::read(response.document(name)?, name).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(Error::of(&response, "get", &name.reference())),
        }
    }

    /// Writes an object of ours by server-side apply: `metadata` without its name, and what else it consists of.
    /// Without a version in `precondition`, no field of it may be another manager's.
    ///
    /// # Errors
    /// [`Error::Conflict`] where its fields are another manager's, [`Error::Changed`] where it is not the version that
    /// it was to be, and [`Error`] for whatever else the server objects to.
    pub(super) async fn apply(
        &self,
        name: &RecordName,
        content: Value,
        manager: &str,
        precondition: &Precondition,
    ) -> Result<RecordObject, Error> {
        let body = body(name, content, precondition);
        // Under a version that was read, whoever wrote it is written over.
        let force = precondition.resource_version.is_some();
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

    /// Removes an object of ours, if it is there.
    ///
    /// # Errors
    /// [`Error::Changed`] when it is not what `precondition` says, and [`Error`] for every other answer.
    pub(super) async fn delete(&self, name: &RecordName, precondition: &Precondition) -> Result<(), Error> {
        let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions" });
        if *precondition != Precondition::default() {
            options["preconditions"] = json!(precondition);
        }
        let response = self.server.send(&ApiRequest::delete(name.path(), &options)).await?;
        match response.status {
            StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(Error::of(&response, "delete", &name.reference())),
        }
    }

    /// The records that have all these labels, in one namespace or in all; of one that is none, why. One that somebody
    /// spoiled hides no other.
    ///
    /// # Errors
    /// [`Error`] when the server does not say, or its list has no end.
    pub(super) async fn list(
        &self,
        namespace: Option<&str>,
        labels: &[(&str, &str)],
    ) -> Result<Vec<ListedRecord>, Error> {
        let items = self.pages(namespace, labels, ApiRequest::get).await?.into_iter();
        // Items of a list do not say their kind, and need not be ours, whatever their labels say.
        let read = |item: Value| {
            let name = RecordName::of_item(&item)?;
            Some((name.clone(), RecordObject::read(item, &name)))
        };
        Ok(items.filter_map(read).collect())
    }

    /// The names of the records that have all these labels, each with what says that it is still the one that was seen.
    ///
    /// # Errors
    /// As for [`list`](Self::list).
    pub(super) async fn names(
        &self,
        namespace: &str,
        labels: &[(&str, &str)],
    ) -> Result<Vec<(RecordName, Precondition)>, Error> {
        let items = self.pages(Some(namespace), labels, ApiRequest::list_names).await?;
        let seen = |item| Some((RecordName::of_item(item)?, Precondition::of(item, false)));
        Ok(items.iter().filter_map(seen).filter(|(_, seen)| seen.uid.is_some()).collect())
    }

    async fn pages(
        &self,
        namespace: Option<&str>,
        labels: &[(&str, &str)],
        request: fn(String) -> ApiRequest,
    ) -> Result<Vec<Value>, Error> {
        let selector: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = format!(
            "{}?labelSelector={}",
            path::of_list("v1", "secrets", namespace),
            percent_encoded(&selector.join(","))
        );
        let all = all_of(namespace);
        let (mut items, mut next, mut limit) = (Vec::new(), String::new(), PAGE);
        for _ in 0..MAX_PAGES {
            let asked = self.server.send(&request(format!("{path}&limit={limit}{next}"))).await;
            // Others may put larger Secrets there. One alone is never longer than what is read.
            if matches!(asked, Err(Error::TooLong)) && limit > 1 {
                limit = (limit / 4).max(1);
                continue;
            }
            let response = asked?;
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
            limit = (limit * 2).min(PAGE);
        }
        Err(Error::unusable("the list of records", "it has no end"))
    }
}

fn body(name: &RecordName, content: Value, precondition: &Precondition) -> Map<String, Value> {
    let Value::Object(mut body) = content else { return Map::new() };
    let reference = name.reference();
    let mut metadata = body.remove("metadata").and_then(|it| it.as_object().cloned()).unwrap_or_default();
    metadata.insert("name".into(), name.as_str().into());
    metadata.insert("namespace".into(), name.namespace().into());
    // The UID is what makes the server refuse when the object is gone; a version alone would make it anew.
    let Precondition { uid, resource_version } = precondition;
    let members = [("uid", uid), ("resourceVersion", resource_version)];
    metadata.extend(
        members.into_iter().filter_map(|(member, it)| Some((member.to_owned(), it.as_deref()?.into()))),
    );
    body.insert("apiVersion".into(), reference.api_version.into());
    body.insert("kind".into(), reference.kind.into());
    body.insert("metadata".into(), metadata.into());
    body
}

/// The object that errors about a list name: the records of a namespace, or of all.
fn all_of(namespace: Option<&str>) -> ObjectRef {
    ObjectRef::new("v1", "Secret", namespace, "carnet.*")
}

#[cfg(test)]
mod tests {
    use crate::state::cluster::object::ObjectVersion;

    use super::*;

    #[test]
    fn what_is_written_over_a_version_names_the_object_too() {
        let name = RecordName::lease("prod", "web").unwrap();
        let version = ObjectVersion { uid: "u".into(), resource_version: "7".into() };
        let content = || json!({"metadata": {"labels": {"a": "b"}}, "spec": {}});
        let metadata = |precondition: Precondition| body(&name, content(), &precondition)["metadata"].clone();
        let name = json!({"labels": {"a": "b"}, "name": "carnet.web", "namespace": "prod"});
        assert_eq!(metadata(Precondition::default()), name);
        assert_eq!(metadata(version.same())["uid"], "u");
        assert_eq!(metadata(version.unchanged())["resourceVersion"], "7");
        assert_eq!(metadata(version.unchanged())["uid"], "u");
    }
}
