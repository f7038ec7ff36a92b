//! The host side of `carnet:kubernetes`: reading, applying, deleting and waiting for objects of the target.

mod carry;
mod replace;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{self, concurrent};
use crate::grant::{self, Apply, Denied, Granted, Permitted};
use crate::kubernetes::definition;
use crate::kubernetes::manifest::{self, InvalidManifest, Object};
use crate::kubernetes::metadata::OWNER;
use crate::kubernetes::object::{InvalidReference, ObjectRef};
use crate::targets::credentials::{self, Misplaced, Placements};
use crate::targets::{self, Change, Prepared, Preview};

use super::bindings::carnet::kubernetes as wit;
use super::meter::Meter;
use super::remove::Doomed;
use super::wait::{Late, now};
use super::work::{self, Pass, Step, Work};
use super::{GuestError, deny};

use carry::Item;

/// The most objects in one call. Without it one call could start more requests than all the others together may.
const MAX_OBJECTS: usize = 500;

/// What the functions reach: the grant that decides, the meter that counts, and the work on the target.
pub(super) struct Kubernetes<'a> {
    pub(super) granted: &'a Granted,
    pub(super) meter: &'a mut Meter,
    pub(super) work: &'a mut Work,
    pub(super) denials: &'a mut Vec<Denied>,
}

type Answer<T> = wasmtime::Result<Result<T, GuestError>>;

impl wit::get::Host for Kubernetes<'_> {
    async fn get(&mut self, object: wit::get::ObjectRef) -> Answer<String> {
        let _working = self.meter.call("carnet:kubernetes/get", "get", length(&object))?;
        let answer = match self.read(object.into()).await {
            Ok(answer) => answer,
            Err(stop) => return stop.answer(self),
        };
        self.meter.hand_over(answer.len())?;
        Ok(Ok(answer))
    }
}

impl wit::apply::Host for Kubernetes<'_> {
    async fn apply(&mut self, manifests: Vec<String>) -> Answer<Vec<wit::apply::Applied>> {
        let bytes = manifests.iter().map(String::len).sum();
        let _working = self.meter.call("carnet:kubernetes/apply", "apply", bytes)?;
        match self.apply_all(&manifests).await {
            Ok(applied) => Ok(Ok(applied)),
            Err(stop) => stop.answer(self),
        }
    }
}

impl wit::delete::Host for Kubernetes<'_> {
    async fn delete(&mut self, objects: Vec<wit::delete::ObjectRef>) -> Answer<()> {
        let bytes = objects.iter().map(length).sum();
        let _working = self.meter.call("carnet:kubernetes/delete", "delete", bytes)?;
        match self.delete_all(objects).await {
            Ok(()) => Ok(Ok(())),
            Err(stop) => stop.answer(self),
        }
    }
}

impl wit::wait::Host for Kubernetes<'_> {
    async fn wait(&mut self, objects: Vec<wit::wait::ObjectRef>, seconds: u32) -> Answer<()> {
        let bytes = objects.iter().map(length).sum();
        let _working = self.meter.call("carnet:kubernetes/wait", "wait", bytes)?;
        match self.wait_all(objects, Duration::from_secs(seconds.into())).await {
            Ok(()) => Ok(Ok(())),
            Err(stop) => stop.answer(self),
        }
    }
}

/// Why a call was not carried out.
enum Stop {
    /// Not permitted.
    Denied(Denied),
    /// An answer that the component may have.
    Guest(GuestError),
    /// The run ends.
    Run(wasmtime::Error),
    /// The target refused. The component learns what kind of refusal, the operator all of it.
    Target(targets::Error),
}

impl Stop {
    fn answer<T>(self, host: &mut Kubernetes<'_>) -> Answer<T> {
        match self {
            Self::Denied(denied) => Ok(Err(deny(host.denials, denied))),
            Self::Guest(error) => Ok(Err(error)),
            Self::Run(error) => Err(error),
            Self::Target(error) => {
                let told = told(&error);
                host.work.failed(error);
                Ok(Err(told))
            }
        }
    }
}

impl From<Denied> for Stop {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<InvalidManifest> for Stop {
    fn from(error: InvalidManifest) -> Self {
        Self::Guest(GuestError::Invalid(error.to_string()))
    }
}

impl From<InvalidReference> for Stop {
    fn from(error: InvalidReference) -> Self {
        Self::Guest(GuestError::Invalid(error.to_string()))
    }
}

impl From<targets::Error> for Stop {
    fn from(error: targets::Error) -> Self {
        Self::Target(error)
    }
}

impl From<Misplaced> for Stop {
    fn from(error: Misplaced) -> Self {
        Self::Guest(GuestError::Invalid(error.to_string()))
    }
}

impl Kubernetes<'_> {
    async fn read(&mut self, object: ObjectRef) -> Result<String, Stop> {
        let object = self.resolved(object).await?;
        let permit = self.granted.get(object)?;
        self.work.reads.insert(permit.0.clone());
        let found = match self.work.overlaid(&permit.0) {
            Some(overlaid) => overlaid,
            None => self.work.target.get(&permit, &self.work.kinds).await?,
        };
        let Some(value) = found else {
            return Err(Stop::Guest(GuestError::NotFound(permit.0.to_string())));
        };
        Ok(shown(&permit.0, value).to_string())
    }

    /// Nothing is applied unless all of it is permitted.
    async fn apply_all(&mut self, manifests: &[String]) -> Result<Vec<wit::apply::Applied>, Stop> {
        if manifests.len() > MAX_OBJECTS {
            return Err(invalid(format!(
                "{} manifests in one call, more than {MAX_OBJECTS}",
                manifests.len()
            )));
        }
        let objects = self.all_parsed(manifests).await?;
        check_distinct(objects.iter().map(|(object, _)| object.reference()))?;
        let mut items = Vec::new();
        for (object, placements) in objects {
            let permit = self.granted.apply(object)?;
            let step = Step::apply(&permit.0);
            items.push(Item { step, prepared: self.prepared(permit)?, placements });
        }
        self.carry_out(items).await
    }

    /// Reads manifests. The kinds that they define themselves are known to all of them.
    async fn all_parsed(&mut self, manifests: &[String]) -> Result<Vec<(Object, Placements)>, Stop> {
        let values: Vec<_> = manifests.iter().map(|text| manifest::read(text)).collect::<Result<_, _>>()?;
        let named: Vec<_> = values.iter().map(manifest::named).collect::<Result<_, _>>()?;
        for (value, _) in values.iter().zip(&named).filter(|(_, object)| object.is_definition()) {
            if let Some((group_kind, resource)) = definition::resource(value) {
                self.work.kinds.learn(&group_kind, resource);
            }
        }
        self.learn(&named).await?;
        values.into_iter().map(|value| self.parsed(value)).collect()
    }

    /// Finds the credentials in a manifest, each of which must be permitted to go there.
    fn parsed(&self, value: Value) -> Result<(Object, Placements), Stop> {
        let names = self.granted.names();
        let object = Object::of(value, &names.namespace, &self.work.kinds)?;
        let placements = self.work.lent.placements(&object)?;
        for credential in placements.values().flatten() {
            self.granted.place(credential, object.reference())?;
        }
        Ok((object.annotated(OWNER, &format!("{}/{}", names.namespace, names.installation)), placements))
    }

    fn prepared(&self, permit: Permitted<Apply>) -> Result<Prepared, Stop> {
        Ok(self.work.target.prepare(permit, &self.work.lent)?)
    }

    async fn delete_all(&mut self, objects: Vec<wit::delete::ObjectRef>) -> Result<(), Stop> {
        let mut permits = Vec::new();
        for object in self.all_resolved(objects).await? {
            permits.push(self.granted.delete(object)?);
        }
        check_distinct(permits.iter().map(|permit| &permit.0))?;
        let first = self.steps(permits.iter().map(|permit| Step::delete(permit.0.clone())))?;
        if let Pass::Acting { .. } = self.work.pass {
            let seen = |permit: &Permitted<grant::Delete>| self.work.seen.get(&permit.0.to_string()).cloned();
            let doomed = permits.into_iter().map(|permit| Doomed { seen: seen(&permit), permit }).collect();
            return Ok(self.work.remove(doomed, |_| false).await?);
        }
        self.plan_removals(&permits).await.map_err(|stop| self.refused(first, stop))
    }

    /// Takes the steps of one call, and gives the place of the first. A call that was refused when it was planned ends here.
    fn steps(&mut self, steps: impl Iterator<Item = Step>) -> Result<usize, Stop> {
        let first = self.work.steps.len();
        for step in steps {
            self.work.step(step).map_err(|departure| Stop::Run(departure.into()))?;
        }
        self.work.refusal(first).map_or(Ok(first), |told| Err(Stop::Guest(told)))
    }

    fn refused(&mut self, first: usize, stop: Stop) -> Stop {
        match &stop {
            Stop::Denied(denied) => self.work.refused(first, &GuestError::Denied(denied.to_string())),
            Stop::Guest(error) => self.work.refused(first, error),
            Stop::Run(_) => {}
            Stop::Target(error) => self.work.refused(first, &told(error)),
        }
        stop
    }

    async fn plan_removals(&mut self, permits: &[Permitted<grant::Delete>]) -> Result<(), Stop> {
        let mut looks = Vec::new();
        for permit in permits {
            let (overlaid, permit) = (self.work.overlaid(&permit.0), grant::before_delete(permit));
            let Work { target, kinds, .. } = &*self.work;
            looks.push(async move {
                match overlaid {
                    Some(overlaid) => Ok(overlaid),
                    None => target.get(&permit, kinds).await,
                }
            });
        }
        let found = concurrent::collect(looks).await?;
        for (permit, before) in permits.iter().zip(found) {
            self.work.answers.push(work::Answer::Does(Change::Delete));
            self.work.overlay(&permit.0, None);
            if before.is_some() {
                let preview = Preview { before, ..Preview::done(Change::Delete) };
                self.work.changed(&permit.0, preview, Placements::new());
            }
        }
        Ok(())
    }

    async fn wait_all(&mut self, objects: Vec<wit::wait::ObjectRef>, limit: Duration) -> Result<(), Stop> {
        let mut permits = Vec::new();
        for object in self.all_resolved(objects).await? {
            permits.push(self.granted.wait(object)?);
        }
        self.work.reads.extend(permits.iter().map(|permit| permit.0.clone()));
        if matches!(self.work.pass, Pass::Planning { .. }) || !self.work.waiting.enabled {
            return Ok(());
        }
        let until = now() + limit.min(self.work.patience());
        self.work.await_ready(permits, until).await?;
        if self.work.late.is_empty() {
            Ok(())
        } else {
            Err(Stop::Guest(GuestError::Timeout(self.timeout_text())))
        }
    }

    /// What an object says of itself is for a component that may read it; of the others it learns only that they are not
    /// ready. Pods and events of theirs are none of its business.
    fn timeout_text(&self) -> String {
        let row = |late: &Late| {
            let row = late.row();
            let why = match (self.granted.get(row.object.clone()), row.failed) {
                (Ok(_), _) => &*row.why,
                (Err(_), true) => "it failed",
                (Err(_), false) => "it is not ready",
            };
            format!("{}: {why}", row.object)
        };
        format!("not ready: {}", self.work.late.iter().map(row).collect::<Vec<_>>().join("; "))
    }

    async fn all_resolved(&mut self, objects: Vec<wit::wait::ObjectRef>) -> Result<Vec<ObjectRef>, Stop> {
        if objects.len() > MAX_OBJECTS {
            return Err(invalid(format!("{} objects in one call, more than {MAX_OBJECTS}", objects.len())));
        }
        let objects: Vec<_> = objects.into_iter().map(ObjectRef::from).collect();
        self.learn(&objects).await?;
        objects.into_iter().map(|object| self.settled(object)).collect()
    }

    async fn resolved(&mut self, object: ObjectRef) -> Result<ObjectRef, Stop> {
        self.learn(std::slice::from_ref(&object)).await?;
        self.settled(object)
    }

    fn settled(&self, object: ObjectRef) -> Result<ObjectRef, Stop> {
        Ok(self.work.kinds.resolve(object, &self.granted.names().namespace)?)
    }

    /// Only of kinds that the grant mentions is anything asked of the target: for the others the refusal comes first,
    /// and nobody can tell by it what the target serves.
    async fn learn(&mut self, objects: &[ObjectRef]) -> Result<(), Stop> {
        objects.iter().try_for_each(ObjectRef::check)?;
        let kinds = &self.work.kinds;
        let is_asked =
            |object: &&ObjectRef| kinds.find(object).is_none() && self.granted.concerns(&object.group_kind());
        let asked: Vec<_> = objects.iter().filter(is_asked).cloned().collect();
        Ok(self.work.target.learn_all(&asked, &mut self.work.kinds).await?)
    }
}

/// An object as a component reads it.
fn shown(object: &ObjectRef, mut value: Value) -> Value {
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    if object.is_secret() { credentials::redacted(value) } else { value }
}

/// What a component is told of the target's refusal: its kind, and nothing that reading the object would have shown.
pub(super) fn told(error: &targets::Error) -> GuestError {
    match error {
        targets::Error::Cluster(error) => told_of_cluster(error),
        targets::Error::Edited { object, .. } | targets::Error::Foreign { object, .. } => {
            GuestError::Conflict(format!("another owner holds {object}"))
        }
        targets::Error::Held { object, .. } => {
            GuestError::Timeout(format!("the target does not let go of {object}"))
        }
        targets::Error::Irreplaceable { object, .. } => {
            GuestError::Invalid(format!("the target does not accept {object}"))
        }
        targets::Error::Misplaced(misplaced) => GuestError::Invalid(misplaced.to_string()),
        targets::Error::NotText(not_text) => GuestError::Invalid(not_text.to_string()),
        targets::Error::Unreplaced(_, error) => told(error),
        _ => GuestError::Unavailable("the target cannot be used".into()),
    }
}

fn told_of_cluster(error: &cluster::Error) -> GuestError {
    use cluster::Error as Refusal;
    match error {
        Refusal::Denied { object, .. } => GuestError::Denied(format!("the target refuses {object}")),
        Refusal::Changed(object) | Refusal::Conflict { object, .. } => {
            GuestError::Conflict(format!("another owner holds {object}"))
        }
        Refusal::NotFound(object) => GuestError::NotFound(object.clone()),
        Refusal::Immutable { object, .. }
        | Refusal::Invalid { object, .. }
        | Refusal::NoNamespace { object }
        | Refusal::Scope { object, .. } => {
            GuestError::Invalid(format!("the target does not accept {object}"))
        }
        Refusal::NoKind { api_version, kind } => {
            GuestError::Invalid(format!("the target has no kind {kind} in {api_version}"))
        }
        _ => GuestError::Unavailable("the target cannot be used".into()),
    }
}

fn check_distinct<'a>(objects: impl Iterator<Item = &'a ObjectRef>) -> Result<(), Stop> {
    let mut seen = BTreeSet::new();
    for object in objects {
        if !seen.insert(object.to_string()) {
            return Err(invalid(format!("{object} occurs twice in one call")));
        }
    }
    Ok(())
}

fn invalid(text: String) -> Stop {
    Stop::Guest(GuestError::Invalid(text))
}

fn length(object: &wit::get::ObjectRef) -> usize {
    object.api_version.len()
        + object.kind.len()
        + object.name.len()
        + object.namespace.as_ref().map_or(0, String::len)
}

impl From<wit::get::ObjectRef> for ObjectRef {
    fn from(object: wit::get::ObjectRef) -> Self {
        Self {
            api_version: object.api_version,
            kind: object.kind,
            namespace: object.namespace,
            name: object.name,
        }
    }
}

impl From<ObjectRef> for wit::get::ObjectRef {
    fn from(object: ObjectRef) -> Self {
        Self {
            api_version: object.api_version,
            kind: object.kind,
            namespace: object.namespace,
            name: object.name,
        }
    }
}
