//! Carries out one call that applies objects: concurrently, in waves, so that dependencies come first.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{self, concurrent};
use crate::grant::Granted;
use crate::host::pass::{ApplyItem, Site};
use crate::host::progress::Unready;
use crate::host::told::CallError;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::order::ApplyWave;
use crate::kubernetes::readiness::removes_itself;
use crate::kubernetes::{definition, metadata};
use crate::targets::{self, Awaited, Change, Overrides, Prepared, Recorded};

use super::Acting;
use super::reached::CallProgress;

/// How many applied objects are written down together. Until then this process alone knows their identities, as of all
/// that is under way: that they were about to be applied is on record.
const TOGETHER: usize = concurrent::MOST_AT_ONCE;

/// The result of one request.
enum Sent {
    /// The object was applied.
    Done(Change, Box<Recorded>),
    /// These fields are immutable, so the object has to be replaced.
    Fixed(Vec<String>),
}

impl Acting {
    /// Waits until objects are gone that are being deleted and are now applied again: the pending deletion would remove
    /// them. Either the component deleted them, or somebody had when the run was planned.
    pub(super) async fn let_go_first(&mut self, items: &[ApplyItem]) -> Result<(), CallError> {
        let objects: Vec<_> = items.iter().map(|item| item.step.object.clone()).collect();
        let mut held = self.await_gone_of(&objects).await?;
        let is_going =
            |item: &&ApplyItem| self.seen.get(&item.step.object.id()).is_some_and(metadata::is_being_deleted);
        let going: Vec<_> = items.iter().filter(is_going).collect();
        if held.is_empty() && !going.is_empty() {
            held = self.await_successors(&going).await?;
        }
        match held.first() {
            Some(held) => Err(targets::Error::held(held.object.to_string(), &held.why).into()),
            None => Ok(()),
        }
    }

    /// Waits until objects are gone that have the names of these. What takes their place is new.
    async fn await_successors(&mut self, items: &[&ApplyItem]) -> Result<Vec<Unready>, targets::Error> {
        let mut going = Vec::new();
        for item in items {
            let seen = self.seen.remove(&item.step.object.id());
            let uid = seen.as_ref().and_then(metadata::uid).map(str::to_owned);
            going.push(Awaited::Gone(item.prepared.wait(), uid));
        }
        let until = self.site.waiting().before_next_step();
        let late = self.site.waiter(until).settle(going).await?;
        Ok(late.iter().map(|late| late.row().clone()).collect())
    }

    /// Sends the objects wave by wave. All of them are in the inventory before the first request is sent.
    pub(super) async fn send_all(&mut self, items: &[ApplyItem], granted: &Granted) -> Result<(), CallError> {
        *self.progress = CallProgress::default();
        let recorded: Vec<_> = items.iter().map(|item| self.intended(&item.prepared)).collect();
        let is_new = |item: &&ApplyItem| self.site.inventory().find(item.prepared.object()).is_none();
        let new: Vec<_> = items.iter().filter(is_new).collect();
        self.ledger.intend(&recorded)?;
        self.site.record(&recorded);
        let sent = self.send_waves(items, granted).await;
        if sent.is_ok() {
            return sent;
        }
        // Of a call that failed, what was never written is nobody's: it would be looked for and shown for good.
        let unwritten = unwritten(&self.site, &self.progress, new).await;
        let forgotten = self.forget(unwritten.into_iter());
        sent.and(forgotten.map_err(CallError::from))
    }

    async fn send_waves(&mut self, items: &[ApplyItem], granted: &Granted) -> Result<(), CallError> {
        let mut waves = BTreeMap::<ApplyWave, Vec<&ApplyItem>>::new();
        for item in items {
            waves.entry(ApplyWave::of(&item.step.object)).or_default().push(item);
            self.applied.insert(item.step.object.clone(), item.prepared.wait());
            self.note_awaited(item);
        }
        for (wave, items) in waves {
            let changed = self.send(&items, granted).await?;
            if wave == ApplyWave::Definitions {
                self.await_served(&changed, granted).await?;
            }
        }
        Ok(())
    }

    /// Notes what waiting for an object depends on: the kinds that it defines; whether its controller removes it once it is
    /// done, by its manifest or as the server has it.
    fn note_awaited(&mut self, item: &ApplyItem) {
        let id = item.step.object.id();
        if item.step.object.is_definition() {
            self.defined.insert(id.clone(), definition::served_kinds(item.prepared.body()));
        }
        if removes_itself(item.prepared.body()) || self.seen.get(&id).is_some_and(removes_itself) {
            self.passing.insert(id);
        }
    }

    /// The record of an object before it is sent. It keeps the UID only if that is the planned object's: a new object
    /// will have another.
    fn intended(&self, prepared: &Prepared) -> Recorded {
        let there = self.seen.get(&prepared.object().id());
        let seen = there.and_then(|seen| seen.pointer("/metadata/uid")?.as_str());
        let old = self.site.inventory().find(prepared.object());
        let uid = old.and_then(|it| it.uid.clone()).filter(|uid| seen == Some(uid));
        let recorded = prepared.recorded();
        let before = there.filter(|_| old.is_none());
        let keys = recorded.keys.map(|keys| Box::new(keys.put_into(before)));
        Recorded { uid, keys, ..recorded }
    }

    /// Sends one wave. Every response is recorded, also when another request failed. Returns the changes.
    async fn send<'a>(
        &mut self,
        items: &[&'a ApplyItem],
        granted: &Granted,
    ) -> Result<Vec<&'a ApplyItem>, CallError> {
        let Self { site, ledger, settled, seen, redefined, progress, under_way, .. } = self;
        let (site, redefined, progress, under_way) = (&*site, &*redefined, &**progress, &*under_way);
        let mut requests = Vec::new();
        for item in items {
            let (prepared, id) = (&item.prepared, item.step.object.id());
            let seen = seen.get(&id);
            let kept = seen.filter(|_| settled.contains(&id)).and_then(|seen| site.settled(prepared, seen));
            requests.push(async move {
                match kept {
                    Some(recorded) => Ok(Sent::Done(Change::Unchanged, Box::new(recorded))),
                    None => {
                        under_way.begin(prepared.object());
                        progress.begun(prepared.object());
                        let answer = apply(site, prepared, seen, redefined).await;
                        progress.ended(prepared.object(), &answer);
                        Sent::of(answer, site.overrides())
                    }
                }
            });
        }
        let (mut sent, mut applied) = (Vec::new(), Vec::new());
        let flown = concurrent::for_each(requests, |at, answer| {
            if let Some(item) = items.get(at) {
                under_way.end(item.prepared.object());
            }
            if let Sent::Done(_, recorded) = &answer {
                applied.push(Recorded::clone(recorded));
            }
            sent.extend(items.get(at).map(|item| (at, *item, answer)));
            if applied.len() < TOGETHER { Ok(()) } else { ledger.applied(&std::mem::take(&mut applied)) }
        });
        let flown = flown.await;
        // Also of a wave that failed: what was applied is on record with its identity.
        let noted = if applied.is_empty() { Ok(()) } else { ledger.applied(&applied) };
        let flown = flown.and(noted);
        sent.sort_by_key(|(at, ..)| *at);
        self.note(sent, flown, granted).await
    }

    /// Records the responses, and replaces objects whose fields are immutable, unless something failed.
    async fn note<'a>(
        &mut self,
        sent: Vec<(usize, &'a ApplyItem, Sent)>,
        flown: Result<(), targets::Error>,
        granted: &Granted,
    ) -> Result<Vec<&'a ApplyItem>, CallError> {
        let (mut changed, mut fixed) = (Vec::new(), Vec::new());
        for (_, item, answer) in sent {
            match answer {
                Sent::Done(change, recorded) => {
                    self.done.applied(&item.step.object, change);
                    self.site.record(std::slice::from_ref(&*recorded));
                    changed.extend((change != Change::Unchanged).then_some(item));
                }
                Sent::Fixed(fields) => fixed.push((item, fields)),
            }
        }
        flown?;
        for (item, fields) in fixed {
            let object = item.step.object.to_string();
            let refusal = cluster::Error::Immutable { object, fields: fields.clone() };
            self.progress.written(&item.step.object);
            let recorded = self.replace(&item.prepared, refusal.into(), &fields, granted).await?;
            self.ledger.applied(std::slice::from_ref(&recorded))?;
            self.done.applied(&item.step.object, Change::Replace);
            self.site.record(std::slice::from_ref(&recorded));
            changed.push(item);
        }
        Ok(changed)
    }

    /// Objects of a kind can be applied once its definition is served, whether or not the run waits for anything else.
    async fn await_served(&mut self, definitions: &[&ApplyItem], granted: &Granted) -> Result<(), CallError> {
        let defined = definitions.iter().filter_map(|item| definition::resource(item.prepared.body()));
        self.redefined.extend(defined.map(|(group_kind, _)| group_kind));
        let mut awaited = Vec::new();
        for item in definitions.iter().filter(|item| item.step.object.is_definition()) {
            let permit = granted.wait(item.step.object.clone())?;
            awaited.push(self.ready(permit));
        }
        self.late = self.site.waiter(self.site.waiting().until).settle(awaited).await?;
        self.check_late(granted)
    }
}

/// The pauses, in milliseconds, while a server may take an object by the definition that its kind had before this run
/// changed it: each learns of the change a moment later.
const SETTLING: [u64; 6] = [50, 100, 200, 400, 800, 1600];

/// Applies an object. One whose definition has just changed is sent again where the server does not take it.
async fn apply(
    site: &Site,
    prepared: &Prepared,
    seen: Option<&Value>,
    redefined: &BTreeSet<String>,
) -> Result<(Change, Recorded), targets::Error> {
    use cluster::Error as Refusal;
    let mut pauses = SETTLING.iter().filter(|_| redefined.contains(&*prepared.object().group_kind()));
    loop {
        match (site.apply(prepared, seen).await, pauses.next()) {
            (Err(targets::Error::Cluster(Refusal::Invalid { .. } | Refusal::NoKind { .. })), Some(pause)) => {
                tokio::time::sleep(Duration::from_millis(*pause)).await
            }
            (applied, _) => return applied,
        }
    }
}

/// The objects of a call that failed that were certainly not written.
async fn unwritten(site: &Site, progress: &CallProgress, new: Vec<&ApplyItem>) -> Vec<ObjectRef> {
    let mut looks = Vec::new();
    for ApplyItem { prepared, .. } in new {
        let reached = progress.of(prepared.object());
        looks.push(async move {
            let is_absent = site.lacks(prepared, reached).await;
            Ok::<_, Infallible>(is_absent.then(|| prepared.object().clone()))
        });
    }
    let Ok(looked) = concurrent::collect(looks).await;
    looked.into_iter().flatten().collect()
}

impl Sent {
    fn of(
        answer: Result<(Change, Recorded), targets::Error>,
        overrides: Overrides,
    ) -> Result<Self, targets::Error> {
        match answer {
            Err(targets::Error::Cluster(cluster::Error::Immutable { fields, .. })) if overrides.replace => {
                Ok(Self::Fixed(fields))
            }
            answer => answer.map(|(change, recorded)| Self::Done(change, Box::new(recorded))),
        }
    }
}
