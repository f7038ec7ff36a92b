//! Looks for objects that a record names, in whatever version of their group the server has them.
//!
//! A definition may drop the version that an object was applied in, and the object lives on in another one. An object is
//! absent where the server says so, or where its kind is defined no more; where neither can be told, it may be there.
//!
//! Invariant: nothing leaves the record while it may be there.

use serde_json::Value;

use crate::cluster::concurrent::collect;
use crate::cluster::{ApiRequest, Error};
use crate::grant::recorded::RecordedObject;
use crate::kubernetes::api::{API_EXTENSIONS, API_REGISTRATION, v1};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::path;
use crate::kubernetes::resource::{Resource, builtin};
use crate::targets::{self, Looked};
use crate::text::url::percent_encoded;

use super::Cluster;

/// The most versions of a group that are looked at. A server could otherwise have any number of requests sent.
const MAX_VERSIONS: usize = 20;

/// The most definitions of a group that are looked at.
const MAX_DEFINITIONS: usize = 100;

/// How many names of definitions the server is asked for at once, and how often.
const PAGE: usize = 500;
const MAX_PAGES: usize = 20;

/// The fate of an object. Its content is not in `Debug`, for it may be a Secret.
pub enum Sight {
    /// It is not there.
    Absent,
    /// It is there.
    There(Value),
    /// It may be there, and why that cannot be told.
    Unknown(String),
}

/// An object that was looked for.
pub struct Seen {
    /// The object, in the version in which it is served.
    pub object: ObjectRef,
    /// How its kind is served, where that had to be found out.
    pub resource: Option<Resource>,
    /// Its fate.
    pub sight: Sight,
}

impl Sight {
    pub(in crate::targets) fn of(found: Option<Value>) -> Self {
        found.map_or(Self::Absent, Self::There)
    }
}

impl Cluster {
    /// Looks for an object, also in other versions of its group where it is not served in its own.
    ///
    /// # Errors
    /// [`Error`] when the server does not say.
    pub async fn sight(&self, object: &ObjectRef, kinds: &Kinds) -> Result<Seen, Error> {
        let seen = match self.read(object, kinds).await {
            Err(Error::NoKind { .. }) => self.sight_elsewhere(object, kinds.find(object).is_some()).await,
            read => sight_of(read).map(|sight| Seen { object: object.clone(), resource: None, sight }),
        };
        match seen {
            // Whoever serves its kind is away, and may be back.
            Err(away @ Error::Delegated { .. }) => {
                Ok(Seen { object: object.clone(), resource: None, sight: Sight::Unknown(away.to_string()) })
            }
            seen => seen,
        }
    }

    /// Looks for several objects, side by side.
    pub(in crate::targets) async fn look_all(
        &self,
        recorded: Vec<RecordedObject>,
        kinds: &mut Kinds,
    ) -> Result<Vec<Looked>, Error> {
        let objects: Vec<_> = recorded.iter().map(|recorded| recorded.object().clone()).collect();
        self.learn_known(&objects, kinds).await?;
        let known = &*kinds;
        let listing = &self.list(&objects.iter().collect::<Vec<_>>(), known, |_| true).await;
        let look = |recorded: RecordedObject| async move {
            let object = recorded.object();
            let seen = match listing.told(object) {
                Some(found) => Ok(Seen { object: object.clone(), resource: None, sight: Sight::of(found) }),
                None => self.sight(object, known).await,
            };
            Ok::<_, Error>((recorded, seen))
        };
        let seen = collect(recorded.into_iter().map(look).collect()).await?;
        let mut looked = Vec::new();
        for (recorded, seen) in seen {
            looked.push(match seen {
                Ok(seen) => {
                    if let Some(resource) = seen.resource {
                        kinds.learn(&seen.object.group_kind(), resource);
                    }
                    let recorded = recorded.written_as(&seen.object).unwrap_or(recorded);
                    Looked { recorded, sight: Ok(seen.sight) }
                }
                Err(error) => Looked { recorded, sight: Err(targets::Error::Cluster(error)) },
            });
        }
        Ok(looked)
    }

    /// Looks for an object in the versions of its group: but for its own, where that was tried.
    async fn sight_elsewhere(&self, object: &ObjectRef, was_tried: bool) -> Result<Seen, Error> {
        let group = object.group();
        // Kinds of the core group have one version.
        let versions = if group.is_empty() { vec![v1(group)] } else { self.versions(object).await? };
        for api_version in versions.into_iter().take(MAX_VERSIONS) {
            let served = ObjectRef { api_version, ..object.clone() };
            if served.check().is_err() || was_tried && served.api_version == object.api_version {
                continue;
            }
            let Some(resource) = self.resource(&served).await? else { continue };
            let mut kinds = Kinds::default();
            kinds.learn(&served.group_kind(), resource.clone());
            match self.read(&served, &kinds).await {
                // It was dropped meanwhile.
                Err(Error::NoKind { .. }) => {}
                read => return Ok(Seen { object: served, resource: Some(resource), sight: sight_of(read)? }),
            }
        }
        Ok(Seen { object: object.clone(), resource: None, sight: self.undefined(object).await? })
    }

    /// How the kind of an object is served in its version. None: it is not.
    async fn resource(&self, object: &ObjectRef) -> Result<Option<Resource>, Error> {
        match self.discover(object).await {
            Ok(served) => {
                Ok(served.into_iter().find(|(kind, _)| *kind == object.kind).map(|(_, resource)| resource))
            }
            Err(Error::NoKind { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What became of an object whose kind is served in no version. The caller asks, since a run's own rights are about its
    /// objects.
    async fn undefined(&self, object: &ObjectRef) -> Result<Sight, Error> {
        if builtin(object.group(), &object.kind).is_some() {
            return Ok(Sight::Unknown("the server serves its kind in no version".into()));
        }
        match self.kept_by(object).await {
            Ok(kept) => Ok(kept.map_or(Sight::Absent, Sight::Unknown)),
            Err(Error::Denied { .. }) => Ok(Sight::Unknown(
                "the server serves its kind in no version, and you may not see whether it is still defined"
                    .into(),
            )),
            Err(error) => Err(error),
        }
    }

    /// The storage of objects of a kind that is not served. None: there is none.
    async fn kept_by(&self, object: &ObjectRef) -> Result<Option<String>, Error> {
        let says =
            |body: &Value, pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        for definition in self.of_group(API_EXTENSIONS, "CustomResourceDefinition", object.group()).await? {
            let body = self.as_caller(&definition).await?;
            if body.is_some_and(|body| says(&body, "/spec/names/kind").as_deref() == Some(&*object.kind)) {
                return Ok(Some(format!(
                    "its definition `{}` has no version that is served",
                    definition.name
                )));
            }
        }
        for service in self.of_group(API_REGISTRATION, "APIService", object.group()).await? {
            let body = self.as_caller(&service).await?;
            if let Some(name) = body.and_then(|body| says(&body, "/spec/service/name")) {
                return Ok(Some(format!("the service `{name}`, which has its kind, does not serve it")));
            }
        }
        Ok(None)
    }

    async fn as_caller(&self, object: &ObjectRef) -> Result<Option<Value>, Error> {
        let path = super::path_of(object, &Kinds::default())?;
        let response = self.server.send(&ApiRequest::get(path)).await?;
        match response.accepted("get", object) {
            Ok(response) => response.object(object).map(Some),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Definitions, or services of other API servers, of a group: both are named `SOMETHING.GROUP`.
    async fn of_group(&self, home: &str, kind: &str, group: &str) -> Result<Vec<ObjectRef>, Error> {
        let all = ObjectRef::new(v1(home), kind, None, "all");
        let Some(resource) = builtin(home, kind) else { return Ok(Vec::new()) };
        let list = path::of_list(&all.api_version, &resource.plural, None);
        let (mut found, mut next) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let page = format!("{list}?limit={PAGE}{next}");
            let response = self.server.send(&ApiRequest::list_names(page)).await?;
            let names = response.accepted("list", &all)?.document(&all)?;
            let items = names.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let named = items.iter().filter_map(|item| item.pointer("/metadata/name")?.as_str());
            let named = named.filter(|name| name.split_once('.').is_some_and(|(_, of)| of == group));
            let named = named.map(|name| ObjectRef { name: name.to_owned(), ..all.clone() });
            found.extend(named.filter(|object| object.check().is_ok()));
            match names.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default() {
                "" => break,
                token => next = format!("&continue={}", percent_encoded(token)),
            }
        }
        found.truncate(MAX_DEFINITIONS);
        Ok(found)
    }
}

/// An object of a namespace is not there where its kind lives outside of them by now, and the other way round.
fn sight_of(read: Result<Option<Value>, Error>) -> Result<Sight, Error> {
    match read {
        Ok(found) => Ok(Sight::of(found)),
        Err(Error::Scope { .. }) => Ok(Sight::Absent),
        Err(error) => Err(error),
    }
}
