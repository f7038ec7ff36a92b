//! Reads many objects of one kind and namespace together: by a list, in the place of a request for each.
//!
//! Only the planning pass does, as the caller: who acts may read its objects by name and no others. Of what a list has,
//! only the objects that permits name are kept. A Secret is never listed, since the list would hold the values of all
//! others. A list is best effort and within bounds: whatever it does not tell is read by itself.

use std::collections::{BTreeMap, HashMap, HashSet};

use http::StatusCode;
use serde_json::Value;

use crate::cluster::concurrent::collect;
use crate::cluster::{ApiRequest, Error, path_of};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::text::url::percent_encoded;

use super::Cluster;

/// The fewest objects that are worth a list: for fewer it could be more to read than they are.
const FEWEST: usize = 8;

/// How many objects the server is asked for at once.
const PAGE: usize = 250;

/// How many others are read with each object that is wanted, at most. In a namespace with more of them, objects are
/// read by themselves.
const OTHERS: usize = 2;

/// Objects as lists have shown them.
#[derive(Default)]
pub struct ListedObjects {
    /// Objects as they are. None: they are not there.
    told: HashMap<ObjectId, Option<Value>>,
}

/// The wanted part of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Objects that should be there: all of each.
    Content,
    /// Objects that should not: only which there are. One that is there all the same is read by itself.
    Names,
}

impl ListedObjects {
    /// The object, if a list has told of it: itself, or that it is not there.
    pub fn told(&self, object: &ObjectRef) -> Option<Option<Value>> {
        // Most of the time nothing was listed, and an identity takes a while to make.
        if self.told.is_empty() { None } else { self.told.get(&object.id()).cloned() }
    }
}

impl Cluster {
    /// Lists those of these objects of which there are many of one kind in one namespace. `expected` says which of them
    /// should be there.
    pub(in crate::targets) async fn list(
        &self,
        objects: &[&ObjectRef],
        kinds: &Kinds,
        expected: impl Fn(&ObjectRef) -> bool,
    ) -> ListedObjects {
        // Invariant: a run acts with the rights of its plan, which name each object.
        if self.identity.is_some() {
            return ListedObjects::default();
        }
        let mut places = BTreeMap::<String, Vec<&ObjectRef>>::new();
        for object in objects.iter().filter(|object| object.namespace.is_some() && !object.is_secret()) {
            if let Some((place, _)) =
                path_of(object, kinds).ok().as_deref().and_then(|path| path.rsplit_once('/'))
            {
                places.entry(place.to_owned()).or_default().push(object);
            }
        }
        let lists = places
            .into_iter()
            .filter(|(place, of)| of.len() >= FEWEST && !self.unlisted.lock().contains(place));
        let lists = lists.map(|(place, of)| {
            let expected = of.iter().filter(|object| expected(object)).count();
            let wanted = if 2 * expected > of.len() { Wanted::Content } else { Wanted::Names };
            async move { Ok::<_, std::convert::Infallible>(self.list_one(place, &of, wanted).await) }
        });
        let told = collect(lists.collect()).await.unwrap_or_default();
        ListedObjects { told: told.into_iter().flatten().collect() }
    }

    /// Objects of one place, as far as a list tells.
    async fn list_one(
        &self,
        place: String,
        objects: &[&ObjectRef],
        wanted: Wanted,
    ) -> HashMap<ObjectId, Option<Value>> {
        let mut left: HashMap<&str, &ObjectRef> = objects.iter().map(|it| (it.name.as_str(), *it)).collect();
        let mut told = HashMap::new();
        let (mut next, mut read) = (String::new(), 0);
        let Some(first) = objects.first() else { return told };
        while let Ok(page) = self.page(&place, &next, first, wanted).await {
            read += page.items.len();
            for item in page.items {
                let name = item.pointer("/metadata/name").and_then(Value::as_str);
                let Some(object) = name.and_then(|name| left.remove(name)) else { continue };
                if wanted == Wanted::Content
                    && let Some(body) = named(item, object)
                {
                    told.insert(object.id(), Some(body));
                }
            }
            match page.next {
                // All was seen: what was not among it is not there.
                None => {
                    told.extend(left.into_values().map(|object| (object.id(), None)));
                    return told;
                }
                Some(_) if left.is_empty() || read >= objects.len() * (1 + OTHERS) => return told,
                Some(token) => next = token,
            }
        }
        // Who may not list, or would have to read too much, is not asked to again.
        self.unlisted.lock().insert(place);
        told
    }

    async fn page(&self, place: &str, next: &str, object: &ObjectRef, wanted: Wanted) -> Result<Page, Error> {
        let next =
            if next.is_empty() { String::new() } else { format!("&continue={}", percent_encoded(next)) };
        let path = format!("{place}?limit={PAGE}{next}");
        let request = match wanted {
            Wanted::Content => ApiRequest::get(path),
            Wanted::Names => ApiRequest::list_names(path),
        };
        let response = self.server.send(&request).await?;
        if response.status != StatusCode::OK {
            return Err(Error::of(&response, "list", object));
        }
        Page::of(response.document(object)?).ok_or_else(|| Error::unusable(object, "it is no list"))
    }
}

/// A page of a list.
struct Page {
    items: Vec<Value>,
    /// Where the list goes on. None: it is complete.
    next: Option<String>,
}

impl Page {
    /// None: what came is no list. Without its items nothing is known to be absent.
    fn of(mut list: Value) -> Option<Self> {
        let next = list.pointer("/metadata/continue").and_then(Value::as_str).filter(|next| !next.is_empty());
        let next = next.map(str::to_owned);
        match list.get_mut("items")?.take() {
            Value::Array(items) => Some(Self { items, next }),
            // The server writes so where there is nothing.
            Value::Null => Some(Self { items: Vec::new(), next }),
            _ => None,
        }
    }
}

/// An item of a list as the object by itself would be read. Items do not say what kind they are. None: it is another
/// one.
fn named(mut item: Value, object: &ObjectRef) -> Option<Value> {
    let members = item.as_object_mut()?;
    members.entry("apiVersion").or_insert_with(|| object.api_version.clone().into());
    members.entry("kind").or_insert_with(|| object.kind.clone().into());
    object.names(&item).then_some(item)
}

/// Places of which no list is to be had.
pub(super) type Unlisted = crate::sync::Mutex<HashSet<String>>;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_without_items_tells_nothing() {
        assert!(Page::of(json!({"kind": "Status"})).is_none());
        assert!(Page::of(json!({"items": {"a": 1}})).is_none());
        let empty = Page::of(json!({"items": null, "metadata": {"continue": ""}})).unwrap();
        assert!(empty.items.is_empty() && empty.next.is_none());
        let first = Page::of(json!({"items": [1, 2], "metadata": {"continue": "x"}})).unwrap();
        assert_eq!((first.items.len(), first.next.as_deref()), (2, Some("x")));
    }

    #[test]
    fn an_item_is_the_object_that_is_wanted_or_nothing() {
        let object = ObjectRef::new("v1", "ConfigMap", Some("prod"), "a");
        let item = json!({"metadata": {"name": "a", "namespace": "prod", "uid": "1"}, "data": {"x": "y"}});
        let whole = named(item.clone(), &object).unwrap();
        assert_eq!(
            (&whole["kind"], &whole["apiVersion"], &whole["data"]),
            (&json!("ConfigMap"), &json!("v1"), &item["data"])
        );
        for (pointer, other) in [("name", "b"), ("namespace", "dev")] {
            let mut item = item.clone();
            item["metadata"][pointer] = other.into();
            assert!(named(item, &object).is_none(), "{pointer}");
        }
        assert!(
            named(json!({"kind": "Secret", "apiVersion": "v1", "metadata": item["metadata"]}), &object)
                .is_none()
        );
        assert!(named(json!([]), &object).is_none());
    }
}
