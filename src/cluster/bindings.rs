//! Reads who is bound to which roles: for people who want to know what a plan's service accounts may do already.

use http::StatusCode;
use serde_json::Value;

use crate::grant::{Permitted, ReadBindings};
use crate::kubernetes::api::{self, RBAC};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::path;
use crate::text::url::percent_encoded;

use super::request::ApiRequest;
use super::server::Server;
use super::status::Error;

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

impl Bindings {
    /// Reads the bindings of all roles; where the caller may not see those of the whole cluster, at least those in the
    /// given namespaces. Best effort: bindings that cannot be read are left out, and the result says so.
    pub async fn read<'a>(
        server: &Server,
        _permit: &Permitted<ReadBindings>,
        namespaces: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut bindings = Self { found: Vec::new(), is_complete: true };
        bindings.is_complete &= bindings.list(server, "ClusterRoleBinding", None).await.is_ok();
        if bindings.list(server, "RoleBinding", None).await.is_ok() {
            return bindings;
        }
        bindings.is_complete = false;
        for namespace in namespaces {
            // A namespace that cannot be listed does not hide the bindings of the next.
            drop(bindings.list(server, "RoleBinding", Some(namespace)).await);
        }
        bindings
    }

    async fn list(&mut self, server: &Server, kind: &str, namespace: Option<&str>) -> Result<(), Error> {
        let all = ObjectRef::new(api::v1(RBAC), kind, namespace, "");
        let (mut page, mut read) = (String::new(), Vec::new());
        loop {
            let response = server.send(&ApiRequest::get(page_path(&all, &page))).await?;
            if response.status != StatusCode::OK {
                return Err(Error::of(&response, "list", &all));
            }
            let list = response.document(&all)?;
            let items = match list.get("items") {
                Some(Value::Array(items)) => items.as_slice(),
                // The server writes so where there is nothing.
                Some(Value::Null) => &[],
                _ => return Err(Error::unusable(&all, "it is no list")),
            };
            for item in items {
                // A binding that is passed over would be a right that nobody hears of.
                let name = named(item, &all).ok_or_else(|| Error::unusable(&all, "a binding has no name"))?;
                read.push((name, item.clone()));
            }
            let next = list.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default();
            match next {
                "" => break,
                _ if self.found.len() + read.len() >= MAX || items.is_empty() => {
                    self.found.append(&mut read);
                    return Err(Error::unusable(&all, format_args!("it has more than {MAX} bindings")));
                }
                next => page = next.to_owned(),
            }
        }
        self.found.append(&mut read);
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

fn page_path(all: &ObjectRef, page: &str) -> String {
    let plural = format!("{}s", all.kind.to_lowercase());
    let list = path::of_list(&all.api_version, &plural, all.namespace.as_deref());
    let page = if page.is_empty() { String::new() } else { format!("&continue={}", percent_encoded(page)) };
    format!("{list}?limit={PAGE}{page}")
}
