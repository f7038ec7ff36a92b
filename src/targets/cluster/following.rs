//! Follows an object by a watch of its own, by name: the right to watch it is given by name too, and reaches no other.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::cluster::{ApiRequest, Error, Watch, WatchEvent, path_of};
use crate::kubernetes::api::CORE;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::path;
use crate::kubernetes::readiness::{Readiness, is_ready_once_there, removes_itself};
use crate::targets::awaited::Awaited;
use crate::text::url::percent_encoded;

use super::Cluster;
use super::removal::going_of;

/// How often an object is judged anew although nothing happens: that nothing happens counts too.
const TICK: Duration = Duration::from_secs(1);

/// How long a server may take to tell how an object is. Of one that is not there it tells nothing.
const FIRST: Duration = Duration::from_millis(500);

/// How long a watch is relied on. What is between may lose it without a word.
const RELIABLE: Duration = Duration::from_secs(60);

/// How it went to follow an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It can be followed no further, and has to be looked at.
    Lost,
    /// Nobody can follow it: it is no single object, or who asks may not watch it.
    NotPossible,
    /// It is as it was to be, or will not be.
    Settled,
}

impl Cluster {
    /// Tells how far a condition is met, again and again, until it is or cannot be, or until it has to be looked at.
    ///
    /// # Errors
    /// [`Error`] when the server does not say.
    pub async fn follow(
        &self,
        awaited: &Awaited,
        kinds: &Kinds,
        mut told: impl FnMut(&Readiness),
    ) -> Result<Followed, Error> {
        let Some(mut watch) = self.watch(awaited, kinds).await? else { return Ok(Followed::NotPossible) };
        let (since, mut last) = (Instant::now(), None);
        while since.elapsed() < RELIABLE {
            let patience = if last.is_none() { FIRST } else { TICK };
            let event = timeout(patience, watch.next()).await;
            if let Ok(Some(WatchEvent::Now(found) | WatchEvent::Gone(found))) = &event
                && !is_about(found, awaited.object())
            {
                return Ok(Followed::Lost);
            }
            match event {
                Ok(Some(WatchEvent::Now(found))) => last = Some(found),
                Ok(Some(WatchEvent::Gone(found))) => {
                    told(&self.ended(awaited, &found, kinds).await?);
                    return Ok(Followed::Settled);
                }
                Ok(None) => return Ok(Followed::Lost),
                Err(_) => {}
            }
            // The first thing that is told is how it is. Who is told nothing has to look whether there is anything.
            let Some(found) = &last else { return Ok(Followed::Lost) };
            let readiness = match awaited {
                Awaited::Gone(_, uid) => going_of(found, uid.as_deref()),
                _ => self.judged(awaited.object(), found, kinds).await?,
            };
            told(&readiness);
            if readiness.is_met() || matches!(readiness, Readiness::Failed(_)) {
                return Ok(Followed::Settled);
            }
        }
        Ok(Followed::Lost)
    }

    /// How an object ended that is gone: one that was to be gone, or that removes itself once it is done.
    async fn ended(&self, awaited: &Awaited, last: &Value, kinds: &Kinds) -> Result<Readiness, Error> {
        let Awaited::Ready { permit, .. } = awaited else { return Ok(Readiness::Ready) };
        if !removes_itself(last) {
            return Err(Error::NotFound(permit.0.to_string()));
        }
        // How it was last says how it ended.
        match self.judged(&permit.0, last, kinds).await? {
            failed @ Readiness::Failed(_) => Ok(failed),
            _ => Ok(Readiness::Ready),
        }
    }

    /// Watches one object. None: it is not to be watched, or may not be.
    async fn watch(&self, awaited: &Awaited, kinds: &Kinds) -> Result<Option<Watch>, Error> {
        let object = awaited.object();
        if !may_be_watched(awaited) {
            return Ok(None);
        }
        let request = ApiRequest::watch(path_of_watch(object, kinds)?);
        // The status of a namespace lists what is left in it.
        let is_bare = matches!(awaited, Awaited::Gone(..)) && !object.is(CORE, "Namespace");
        let request = if is_bare { request.of_metadata() } else { request };
        match self.send(&request).await?.accepted("watch", object) {
            Ok(response) => Ok(response.into_watch()),
            Err(Error::Denied { .. } | Error::Invalid { .. } | Error::NoKind { .. } | Error::NotFound(_)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether an object is followed, rather than looked at now and then: a kind that is there at once is gone at once, so its
/// objects take no right to be watched.
pub(in crate::targets) fn may_be_watched(awaited: &Awaited) -> bool {
    match awaited {
        Awaited::Served(..) => false,
        Awaited::Gone(..) | Awaited::Ready { .. } => !is_ready_once_there(awaited.object()),
    }
}

fn is_about(found: &Value, object: &ObjectRef) -> bool {
    let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str);
    text("/metadata/name") == Some(&*object.name)
        && text("/metadata/namespace") == object.namespace.as_deref()
}

fn path_of_watch(object: &ObjectRef, kinds: &Kinds) -> Result<String, Error> {
    // An object that does not fit its kind would be looked for in all namespaces.
    path_of(object, kinds)?;
    let resource = kinds.find(object).ok_or_else(|| Error::no_kind(object))?;
    let list = path::of_list(&object.api_version, &resource.plural, object.namespace.as_deref());
    let selector = percent_encoded(&format!("metadata.name={}", object.name));
    Ok(format!("{list}?watch=true&fieldSelector={selector}&timeoutSeconds={}", RELIABLE.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{Permitted, Wait};

    fn object(kind: &str) -> ObjectRef {
        ObjectRef::new(if kind == "Deployment" { "apps/v1" } else { "v1" }, kind, Some("prod"), "web")
    }

    #[test]
    fn a_watch_is_of_one_object_and_ends() {
        let path = path_of_watch(&object("Deployment"), &Kinds::default()).unwrap();
        let expected = "/apis/apps/v1/namespaces/prod/deployments?watch=true&fieldSelector=metadata.name%3Dweb&timeoutSeconds=60";
        assert_eq!(path, expected);
        let nowhere = ObjectRef { namespace: None, ..object("Deployment") };
        assert!(
            matches!(path_of_watch(&nowhere, &Kinds::default()), Err(Error::Scope { .. })),
            "it would be everywhere"
        );
        let unknown = ObjectRef::new("example.com/v1", "Thing", Some("prod"), "web");
        assert!(matches!(path_of_watch(&unknown, &Kinds::default()), Err(Error::NoKind { .. })));
    }

    #[test]
    fn what_is_there_at_once_is_not_watched() {
        let permit = |kind: &str| Permitted::for_tests(Wait(object(kind)));
        for (kind, is_watched) in
            [("Deployment", true), ("Pod", true), ("ConfigMap", false), ("Secret", false)]
        {
            assert_eq!(may_be_watched(&Awaited::Gone(permit(kind), None)), is_watched, "{kind}");
            let ready = Awaited::Ready { permit: permit(kind), removes_itself: false };
            assert_eq!(may_be_watched(&ready), is_watched, "{kind}");
        }
        assert!(!may_be_watched(&Awaited::Served(permit("Deployment"), Vec::new())));
    }
}
