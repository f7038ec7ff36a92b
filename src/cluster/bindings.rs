//! Reads who is bound to which roles: for people who want to know what a plan's service accounts may do already.

use http::StatusCode;
use serde_json::Value;

use crate::grant::{Permitted, ReadBindings};
use crate::kubernetes::object::ObjectRef;

use super::request::Ask;
use super::status::refusal;
use super::{Cluster, Error, encoded};

const API_VERSION: &str = "rbac.authorization.k8s.io/v1";

/// How many bindings the server is asked for at once.
const PAGE: usize = 500;

/// The most bindings that are read. A cluster with more is looked at no further: it would take seconds and tens of MiB.
const MAX: usize = 10_000;

/// Bindings of roles in a cluster.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    /// Those that could be read.
    pub found: Vec<(ObjectRef, Value)>,
    /// Whether those are all.
    pub is_complete: bool,
}

impl Cluster {
    /// Reads the bindings of all roles; where the caller may not see those of the whole cluster, at least those in the
    /// given namespaces. Best effort: what cannot be read is missing, and the answer says so.
    pub async fn bindings<'a>(
        &self,
        _permit: &Permitted<ReadBindings>,
        namespaces: impl IntoIterator<Item = &'a str>,
    ) -> Bindings {
        let mut bindings = Bindings { found: Vec::new(), is_complete: true };
        bindings.is_complete &= self.list("ClusterRoleBinding", None, &mut bindings.found).await.is_ok();
        if self.list("RoleBinding", None, &mut bindings.found).await.is_ok() {
            return bindings;
        }
        bindings.is_complete = false;
        for namespace in namespaces {
            // What lacks in one namespace may be there in the next.
            drop(self.list("RoleBinding", Some(namespace), &mut bindings.found).await);
        }
        bindings
    }

    async fn list(
        &self,
        kind: &str,
        namespace: Option<&str>,
        found: &mut Vec<(ObjectRef, Value)>,
    ) -> Result<(), Error> {
        let all = ObjectRef {
            api_version: API_VERSION.into(),
            kind: kind.into(),
            namespace: namespace.map(str::to_owned),
            name: String::new(),
        };
        let (mut page, mut read) = (String::new(), Vec::new());
        loop {
            let answer = self.ask(&Ask::get(path(kind, namespace, &page))).await?;
            if answer.status != StatusCode::OK {
                return Err(refusal(&answer, "list", &all));
            }
            let unusable = |why: String| Error::Answer { object: all.to_string(), why };
            let list = answer.json().map_err(|error| unusable(error.to_string()))?;
            let items = list.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            read.extend(items.iter().filter_map(|item| Some((named(item, &all)?, item.clone()))));
            let next = list.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default();
            match next {
                "" => break,
                _ if found.len() + read.len() >= MAX || items.is_empty() => {
                    found.append(&mut read);
                    return Err(unusable(format!("it has more than {MAX} bindings")));
                }
                next => page = next.to_owned(),
            }
        }
        found.append(&mut read);
        Ok(())
    }
}

/// Items of a list do not say what kind they are.
fn named(item: &Value, all: &ObjectRef) -> Option<ObjectRef> {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let namespace = if all.kind == "RoleBinding" { Some(text("/metadata/namespace")?) } else { None };
    let object = ObjectRef { namespace, name: text("/metadata/name")?, ..all.clone() };
    object.check().is_ok().then_some(object)
}

fn path(kind: &str, namespace: Option<&str>, page: &str) -> String {
    let namespace = namespace.map(|name| format!("/namespaces/{}", encoded(name))).unwrap_or_default();
    let plural = format!("{}s", kind.to_lowercase());
    let page = if page.is_empty() { String::new() } else { format!("&continue={}", encoded(page)) };
    format!("/apis/{API_VERSION}{namespace}/{plural}?limit={PAGE}{page}")
}
