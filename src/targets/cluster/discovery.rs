//! Discovery: which kinds the server serves, and which of them have a status.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::MutexGuard;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use tokio::time::Instant;

use crate::cluster::concurrent::collect;
use crate::cluster::{ApiRequest, Error};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::{ObjectRef, is_label};
use crate::kubernetes::path;
use crate::kubernetes::resource::{Resource, builtin};
use crate::sync::Mutex;

use super::Cluster;

/// The resources of each group version that have a status, as far as somebody asked.
#[derive(Default)]
pub(super) struct Statuses(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Statuses {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.0.lock()
    }

    /// Whether a resource has a status. None: nobody asked about its group version.
    fn has(&self, api_version: &str, plural: &str) -> Option<bool> {
        Some(self.known().get(api_version)?.contains(plural))
    }
}

/// The kinds of one group and version.
struct Discovered {
    /// An object of this version.
    object: ObjectRef,
    served: Result<Vec<(String, Resource)>, Error>,
}

impl Discovered {
    fn learn(self, kinds: &mut Kinds) -> Result<(), Error> {
        for (kind, resource) in self.served? {
            kinds.learn(&ObjectRef { kind, ..self.object.clone() }.group_kind(), resource);
        }
        Ok(())
    }
}
/// How long what was found out about a group version holds for others who ask meanwhile.
const FRESH: Duration = Duration::from_millis(50);

/// The kinds of each group version that somebody waits for, as the server had them last.
#[derive(Default)]
pub(super) struct Served(tokio::sync::Mutex<BTreeMap<String, (Instant, BTreeSet<String>)>>);

impl Cluster {
    /// Whether the server has a kind by now. Definitions of one group come together, so who asks meanwhile shares the answer.
    pub(super) async fn is_served(&self, object: &ObjectRef) -> Result<bool, Error> {
        let mut served = self.served.0.lock().await;
        if let Some((at, kinds)) = served.get(&object.api_version)
            && at.elapsed() < FRESH
        {
            return Ok(kinds.contains(&object.kind));
        }
        let kinds: BTreeSet<_> = match self.discover(object).await {
            Ok(found) => found.into_iter().map(|(kind, _)| kind).collect(),
            Err(Error::NoKind { .. }) => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        let is_there = kinds.contains(&object.kind);
        served.insert(object.api_version.clone(), (Instant::now(), kinds));
        Ok(is_there)
    }

    /// Discovers the kinds of `objects` that `kinds` does not have yet: one request for each group and version, which
    /// brings all its other kinds too. To be called before a reference is resolved, since only then is it known whether
    /// the object has a namespace.
    ///
    /// # Errors
    /// [`Error::NoKind`] when the server has no such kind, and whatever goes wrong on the way.
    pub async fn learn(&self, objects: &[ObjectRef], kinds: &mut Kinds) -> Result<(), Error> {
        for discovered in self.discover_unknown(objects, kinds).await {
            discovered.learn(kinds)?;
        }
        let missing = objects.iter().find(|object| kinds.find(object).is_none());
        missing.map_or(Ok(()), |object| Err(Error::no_kind(object)))
    }

    /// Discovers kinds as [`learn`](Self::learn) does, as far as they are served in the versions of `objects`.
    pub(super) async fn learn_known(&self, objects: &[ObjectRef], kinds: &mut Kinds) -> Result<(), Error> {
        for discovered in self.discover_unknown(objects, kinds).await {
            match discovered.learn(kinds) {
                Err(Error::Delegated { .. } | Error::NoKind { .. }) => {}
                learned => learned?,
            }
        }
        Ok(())
    }

    /// Discovers the versions of kinds that are not known, side by side.
    async fn discover_unknown(&self, objects: &[ObjectRef], kinds: &Kinds) -> Vec<Discovered> {
        let unknown = objects.iter().filter(|object| kinds.find(object).is_none());
        let versions: BTreeMap<_, _> = unknown.map(|object| (&object.api_version, object)).collect();
        let discover = |object: &ObjectRef| {
            let object = object.clone();
            async move { Ok::<_, Infallible>(Discovered { served: self.discover(&object).await, object }) }
        };
        let Ok(discovered) = collect(versions.into_values().map(discover).collect()).await;
        discovered
    }

    /// Whether the server keeps a status for objects of a custom kind.
    pub(super) async fn has_status(&self, object: &ObjectRef, kinds: &Kinds) -> Result<bool, Error> {
        if builtin(object.group(), &object.kind).is_some() {
            return Ok(false);
        }
        let plural = kinds.find(object).ok_or_else(|| Error::no_kind(object))?.plural;
        if let Some(known) = self.statuses.has(&object.api_version, &plural) {
            return Ok(known);
        }
        self.discover(object).await?;
        Ok(self.statuses.has(&object.api_version, &plural).unwrap_or(false))
    }

    /// The versions that the server has in the group of `object`, the preferred one first.
    pub(super) async fn versions(&self, object: &ObjectRef) -> Result<Vec<String>, Error> {
        let response = self.send(&ApiRequest::get(path::of_group(object.group()))).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        let group = response.accepted("get", object)?.document(object)?;
        let preferred = group.pointer("/preferredVersion/groupVersion").and_then(Value::as_str);
        let all = group.get("versions").and_then(Value::as_array).into_iter().flatten();
        let mut versions: Vec<_> =
            all.filter_map(|it| it.get("groupVersion")?.as_str()).map(str::to_owned).collect();
        versions.retain(|version| version.split_once('/').is_some_and(|(group, _)| group == object.group()));
        versions.sort_by_key(|version| Some(&**version) != preferred);
        Ok(versions)
    }

    /// The kinds that the server has in the group and version of `object`.
    pub(super) async fn discover(&self, object: &ObjectRef) -> Result<Vec<(String, Resource)>, Error> {
        let response = self.send(&ApiRequest::get(path::of_version(&object.api_version))).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Err(Error::no_kind(object));
        }
        let list = response.accepted("get", object)?.document(object)?;
        let resources =
            list.get("resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let names = resources.iter().filter_map(|it| it.get("name")?.as_str()?.strip_suffix("/status"));
        self.statuses.known().insert(object.api_version.clone(), names.map(str::to_owned).collect());
        Ok(resources.iter().filter_map(served).collect())
    }
}

/// One line of discovery, unless it is a part of another resource or has a name that cannot stand in a URL.
fn served(entry: &Value) -> Option<(String, Resource)> {
    let plural = entry.get("name")?.as_str().filter(|name| is_label(name))?;
    let namespaced = entry.get("namespaced")?.as_bool()?;
    Some((entry.get("kind")?.as_str()?.to_owned(), Resource { plural: plural.to_owned().into(), namespaced }))
}
