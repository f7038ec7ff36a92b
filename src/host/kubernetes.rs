//! `carnet:kubernetes`: reading, applying, deleting and waiting for objects of the target.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use serde_json::Value;

use crate::document::MemoryBudget;
use crate::grant::{Granted, Permitted, PlaceCredential};
use crate::kubernetes::manifest::{self, Object};
use crate::kubernetes::metadata::{OWNER, RECORD};
use crate::kubernetes::object::ObjectRef;
use crate::plan::trace::Step;
use crate::targets::Change;
use crate::targets::credentials::{self, Account, Placements};

use super::GuestError;
use super::bindings::carnet::kubernetes as wit;
use super::meter::{Memory, Work};
use super::pass::{ApplyItem, ObjectPass};
use super::told::CallError;

/// The most objects in one call. Without it one call could start more requests than all the others together may.
const MAX_OBJECTS: usize = 500;

/// How often the credentials in an object are held until the run ends, counted in base64: in the object, in its file or
/// request, in what the target would make of it, and in the trace.
const COPIES: u64 = 4;

/// The functions' view: the grant, and the pass as far as it is about objects.
pub(super) struct Kubernetes<'a> {
    pub(super) granted: &'a Granted,
    pub(super) pass: ObjectPass<'a>,
    pub(super) memory: Memory,
    pub(super) work: Work,
}

/// An object that is to be applied.
struct Parsed {
    object: Object,
    placements: Placements,
    /// The permits to place its credentials.
    placed: Vec<Permitted<PlaceCredential>>,
}

impl Kubernetes<'_> {
    pub(super) async fn get(&mut self, object: ObjectRef) -> Result<String, CallError> {
        let object = self.all_resolved(vec![object]).await?.into_iter().next();
        let object = object.ok_or_else(|| CallError::invalid("no object"))?;
        let permit = self.granted.get(object)?;
        self.pass.spell(&permit.0)?;
        let Some(value) = self.pass.get(&permit).await? else {
            return Err(GuestError::NotFound(permit.0.to_string()).into());
        };
        let account = self.pass.account(&permit.0, &value, self.granted);
        Ok(shown(&permit.0, value, &account).to_string())
    }

    /// Nothing is applied unless every object is permitted. Of a call that fails, nothing is learned either.
    pub(super) async fn apply(
        &mut self,
        manifests: &[String],
    ) -> Result<Vec<wit::apply::Applied>, CallError> {
        let known = self.pass.kinds().clone();
        let applied = self.apply_all(manifests).await;
        if applied.is_err() {
            self.pass.unlearn(known);
        }
        applied
    }

    async fn apply_all(&mut self, manifests: &[String]) -> Result<Vec<wit::apply::Applied>, CallError> {
        if manifests.len() > MAX_OBJECTS {
            let text = format!("{} manifests in one call, more than {MAX_OBJECTS}", manifests.len());
            return Err(CallError::invalid(text));
        }
        let values = self.all_read(manifests)?;
        let objects = self.all_parsed(values).await?;
        check_distinct(objects.iter().map(|parsed| parsed.object.reference()))?;
        let decide = |Parsed { object, placements, placed }| {
            self.granted.apply(object).map(|permit| (permit, placements, placed))
        };
        let permitted = CallError::unless_denied(objects.into_iter().map(decide))?;
        let (mut items, mut told) = (Vec::new(), Vec::new());
        for (permit, placements, placed) in permitted {
            self.pass.spell(permit.0.reference())?;
            let step = Step::apply(&permit.0);
            told.push((step.object.clone(), !placements.is_empty()));
            self.hold(self.pass.added(&permit)?)?;
            items.push(ApplyItem::new(self.pass.prepare(permit, &placed)?, step, placements));
        }
        let changes = self.pass.apply(items, self.granted).await?;
        let answer = |((object, has_credentials), change): ((ObjectRef, bool), Change)| wit::apply::Applied {
            change: answered(change, has_credentials),
            object: object.into(),
        };
        Ok(told.into_iter().zip(changes).map(answer).collect())
    }

    pub(super) async fn delete(&mut self, objects: Vec<ObjectRef>) -> Result<(), CallError> {
        let objects = self.all_resolved(objects).await?.into_iter();
        let permits = CallError::unless_denied(objects.map(|object| self.granted.delete(object)))?;
        self.spell_all(permits.iter().map(|permit| &permit.0))?;
        check_distinct(permits.iter().map(|permit| &permit.0))?;
        self.pass.delete(permits).await
    }

    pub(super) async fn wait(&mut self, objects: Vec<ObjectRef>, seconds: u32) -> Result<(), CallError> {
        let objects = self.all_resolved(objects).await?.into_iter();
        let permits = CallError::unless_denied(objects.map(|object| self.granted.wait(object)))?;
        self.spell_all(permits.iter().map(|permit| &permit.0))?;
        self.pass.wait(permits, Duration::from_secs(seconds.into()), self.granted).await
    }

    fn spell_all<'a>(&mut self, objects: impl Iterator<Item = &'a ObjectRef>) -> Result<(), CallError> {
        for object in objects {
            self.pass.spell(object)?;
        }
        Ok(())
    }

    /// Reads manifests. The kinds that they define themselves are known to all of them, where the definitions are
    /// permitted.
    async fn all_parsed(&mut self, values: Vec<Value>) -> Result<Vec<Parsed>, CallError> {
        let named: Vec<_> = values.iter().map(manifest::named).collect::<Result<_, _>>()?;
        let (mut all, mut others) = (BTreeMap::new(), Vec::new());
        for (at, (value, object)) in values.into_iter().zip(&named).enumerate() {
            if !object.is_definition() {
                others.push((at, value));
                continue;
            }
            let Parsed { object, placements, placed } = self.parsed(value)?;
            // Invariant: nothing is learned before it is permitted, so that no permit changes what it is for.
            let permit = self.granted.apply(object)?;
            self.pass.learn_defined(&permit)?;
            all.insert(at, Parsed { object: permit.into_inner().0, placements, placed });
        }
        self.learn(&named).await?;
        for (at, value) in others {
            all.insert(at, self.parsed(value)?);
        }
        Ok(all.into_values().collect())
    }

    /// Reads the texts of manifests, and takes lists apart: each of their objects counts as one. What they take is held
    /// for the component until the run ends, so it counts as its memory, and a call that would take more than is left
    /// ends the run before it does.
    fn all_read(&mut self, manifests: &[String]) -> Result<Vec<Value>, CallError> {
        let budget = MemoryBudget::new(usize::try_from(self.memory.left()).unwrap_or(usize::MAX));
        let kept = self.pass.manifests();
        let read: Result<Vec<_>, _> = manifests.iter().map(|text| kept.read(text, &budget)).collect();
        if budget.is_exceeded() {
            return Err(CallError::Run(self.memory.hit().into()));
        }
        let spent = u64::try_from(budget.spent()).unwrap_or(u64::MAX);
        self.memory.take(spent).map_err(|hit| CallError::Run(hit.into()))?;
        let objects: Vec<_> = read?.into_iter().map(manifest::taken_apart).collect::<Result<_, _>>()?;
        let objects: Vec<_> = objects.into_iter().flatten().collect();
        if objects.len() > MAX_OBJECTS {
            let text = format!("{} objects in one call, more than {MAX_OBJECTS}", objects.len());
            return Err(CallError::invalid(text));
        }
        let more = objects.len().saturating_sub(manifests.len());
        self.work.take(more).map_err(|hit| CallError::Run(hit.into()))?;
        Ok(objects)
    }

    /// Counts credentials that are about to be filled in, before they are: a short placeholder may become much.
    fn hold(&self, bytes: usize) -> Result<(), CallError> {
        let encoded = u64::try_from(base64::encoded_len(bytes, true).unwrap_or(bytes)).unwrap_or(u64::MAX);
        self.memory.take(encoded.saturating_mul(COPIES)).map_err(|hit| CallError::Run(hit.into()))
    }

    /// Finds the credentials in a manifest, each of which must be permitted to go there.
    fn parsed(&self, value: Value) -> Result<Parsed, CallError> {
        let (names, pass) = (self.granted.names(), &self.pass);
        let object = Object::of(value, &names.namespace, pass.kinds())?;
        let placements = pass.placements(&object)?;
        let credentials: BTreeSet<_> = placements.values().flatten().collect();
        let place = |credential: &String| self.granted.place(credential, object.reference());
        let placed = CallError::unless_denied(credentials.into_iter().map(place))?;
        Ok(Parsed { object: object.annotated(OWNER, &names.owner()), placements, placed })
    }

    async fn all_resolved(&mut self, objects: Vec<ObjectRef>) -> Result<Vec<ObjectRef>, CallError> {
        if objects.len() > MAX_OBJECTS {
            let text = format!("{} objects in one call, more than {MAX_OBJECTS}", objects.len());
            return Err(CallError::invalid(text));
        }
        self.learn(&objects).await?;
        let (namespace, kinds) = (&self.granted.names().namespace, self.pass.kinds());
        objects.into_iter().map(|object| Ok(kinds.resolve(object, namespace)?)).collect()
    }

    /// Discovers only kinds that the grant mentions. Others are denied first, so that a component cannot probe which
    /// kinds the target serves.
    async fn learn(&mut self, objects: &[ObjectRef]) -> Result<(), CallError> {
        objects.iter().try_for_each(ObjectRef::check)?;
        let kinds = self.pass.kinds();
        let is_asked =
            |object: &&ObjectRef| kinds.find(object).is_none() && self.granted.concerns(&object.group_kind());
        let asked: Vec<_> = objects.iter().filter(is_asked).cloned().collect();
        Ok(self.pass.learn(&asked).await?)
    }
}

/// An object as a component reads it.
fn shown(object: &ObjectRef, value: Value, account: &Account) -> Value {
    let mut value = if object.is_secret() { credentials::redacted(value, account) } else { value };
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        metadata.remove("managedFields");
        // Which record it is on is no matter of the component's, and differs from run to run while there is none yet.
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.remove(RECORD);
        }
    }
    value
}

/// The change that a component is told of. For an object with a credential in it, it does not learn whether anything
/// changed: that would be an oracle for comparing credentials (is one the same when percent-encoded? are two of them
/// equal?).
fn answered(change: Change, has_credentials: bool) -> wit::apply::Change {
    match change {
        Change::Create => wit::apply::Change::Created,
        Change::Unchanged if !has_credentials => wit::apply::Change::Unchanged,
        Change::Unchanged | Change::Update | Change::Delete | Change::Replace => wit::apply::Change::Updated,
    }
}

fn check_distinct<'a>(objects: impl Iterator<Item = &'a ObjectRef>) -> Result<(), CallError> {
    let mut seen = HashSet::new();
    for object in objects {
        if !seen.insert(object.id()) {
            return Err(CallError::invalid(format!("{object} occurs twice in one call")));
        }
    }
    Ok(())
}

/// How many bytes a reference has.
pub(super) fn length(object: &wit::get::ObjectRef) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_object_with_a_credential_it_is_never_said_that_it_is_unchanged() {
        assert_eq!(answered(Change::Unchanged, false), wit::apply::Change::Unchanged);
        assert_eq!(answered(Change::Unchanged, true), wit::apply::Change::Updated);
        assert_eq!(answered(Change::Create, true), wit::apply::Change::Created);
    }
}
