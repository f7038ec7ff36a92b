//! Carries out one call that applies objects: many at once, in an order in which each finds what it needs.

use std::collections::BTreeMap;

use crate::cluster::{self, concurrent};
use crate::host::wait::{Awaited, Waiter};
use crate::host::work::{Answer, Pass, Step, Work};
use crate::host::{GuestError, bindings};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::order::ApplyWave;
use crate::kubernetes::resource::builtin;
use crate::targets::credentials::Placements;
use crate::targets::{self, Change, NotDryRun, Overrides, Prepared, Preview, Recorded};

use super::{Kubernetes, Stop};

use bindings::carnet::kubernetes::apply::{self as wit, Applied};

/// An object of a call, ready to go out.
pub(super) struct Item {
    pub(super) step: Step,
    pub(super) prepared: Prepared,
    pub(super) placements: Placements,
}

/// What came of one request.
enum Sent {
    /// The object is as it is to be.
    Done(Change, Recorded),
    /// These fields stay as they were created, so it has to be replaced.
    Fixed(Vec<String>),
}

impl Kubernetes<'_> {
    /// The answers are in the order of the call, whatever was done first.
    pub(super) async fn carry_out(&mut self, items: Vec<Item>) -> Result<Vec<Applied>, Stop> {
        let first = self.steps(items.iter().map(|item| item.step.clone()))?;
        self.let_go_first(&items).await?;
        match self.work.pass {
            Pass::Planning { .. } => self.try_all(&items).await.map_err(|stop| self.refused(first, stop))?,
            Pass::Acting { .. } => self.send_all(&items).await?,
        }
        // Also when acting, a component is told what it was told when the run was planned: it has to do the same again.
        let answers = self.work.answers.get(first..).unwrap_or_default();
        let answer = |(item, answer): (Item, &Answer)| match answer {
            Answer::Does(change) => Ok(Applied {
                change: answered(*change, !item.placements.is_empty()),
                object: item.step.object.into(),
            }),
            Answer::Refused(told) => Err(Stop::Guest(told.clone())),
        };
        items.into_iter().zip(answers).map(answer).collect()
    }

    /// What the component removed and now applies again has to be gone first: it would take the new one with it.
    async fn let_go_first(&mut self, items: &[Item]) -> Result<(), Stop> {
        let objects: Vec<_> = items.iter().map(|item| item.step.object.clone()).collect();
        match self.work.await_gone_of(&objects).await?.first() {
            Some(held) => Err(targets::Error::held(held.object.to_string(), &held.why).into()),
            None => Ok(()),
        }
    }

    /// The planning pass: nothing is written, so nothing has to come first.
    async fn try_all(&mut self, items: &[Item]) -> Result<(), Stop> {
        let Work { target, inventory, kinds, overrides, pass, .. } = &*self.work;
        let Pass::Planning { trial, .. } = pass else { return Ok(()) };
        let tried = items.iter().map(|it| target.preview(&it.prepared, inventory, kinds, *overrides, *trial));
        let mut previews = concurrent::collect(tried.collect()).await?;
        // Nothing of a call is noted unless all of it can be done.
        for (item, preview) in items.iter().zip(&mut previews) {
            self.check_replacement(&item.prepared, preview)?;
            if preview.marks.not_dry_run == Some(NotDryRun::Impossible) {
                self.check_place(item.prepared.object(), items)?;
            }
        }
        for (item, preview) in items.iter().zip(previews) {
            self.work.overlay(item.prepared.object(), Some(preview.after.clone()));
            self.work.answers.push(Answer::Does(preview.change));
            self.work.changed(item.prepared.object(), preview, item.placements.clone());
        }
        Ok(())
    }

    /// What the target cannot try out must go into something that this run brings: a namespace, or a definition.
    fn check_place(&self, object: &ObjectRef, items: &[Item]) -> Result<(), Stop> {
        let Some(namespace) = &object.namespace else { return Ok(()) };
        let home = ObjectRef::new("v1", "Namespace", None, namespace.clone());
        let is_ours = self.work.overlaid(&home).is_some()
            || items.iter().any(|item| item.step.object.key() == home.key())
            || builtin(object.group(), &object.kind).is_none();
        let missing = cluster::Error::NoNamespace { object: object.to_string() };
        if is_ours { Ok(()) } else { Err(Stop::Target(missing.into())) }
    }

    /// The acting pass. All objects are in the record before the first goes out.
    async fn send_all(&mut self, items: &[Item]) -> Result<(), Stop> {
        let recorded: Vec<_> = items.iter().map(|item| self.work.intended(&item.prepared)).collect();
        let Work { inventory, pass, .. } = &mut *self.work;
        let Pass::Acting { ledger, .. } = pass else { return Ok(()) };
        ledger.intend(&recorded)?;
        inventory.record(&recorded);
        let mut waves = BTreeMap::<ApplyWave, Vec<&Item>>::new();
        for item in items {
            waves.entry(ApplyWave::of(&item.step.object)).or_default().push(item);
        }
        for (wave, items) in waves {
            let changed = self.send(&items).await?;
            if wave == ApplyWave::Definitions {
                self.await_served(&changed).await?;
            }
        }
        Ok(())
    }

    /// Sends one wave. Whatever was answered is written down, also when something else failed. Gives what was changed.
    async fn send<'a>(&mut self, items: &[&'a Item]) -> Result<Vec<&'a Item>, Stop> {
        let Work { target, inventory, kinds, overrides, pass, seen, .. } = &mut *self.work;
        let Pass::Acting { ledger, settled, .. } = pass else { return Ok(Vec::new()) };
        let (target, known, kinds, overrides) = (&*target, &*inventory, &*kinds, *overrides);
        let mut requests = Vec::new();
        for item in items {
            let (prepared, name) = (&item.prepared, item.step.object.to_string());
            let seen = seen.get(&name);
            let kept =
                seen.filter(|_| settled.contains(&name)).and_then(|seen| target.settled(prepared, seen));
            requests.push(async move {
                match kept {
                    Some(recorded) => Ok(Sent::Done(Change::Unchanged, recorded)),
                    None => Sent::of(target.apply(prepared, seen, known, kinds, overrides).await, overrides),
                }
            });
        }
        let mut sent = Vec::new();
        let flown = concurrent::for_each(requests, |at, answer| {
            if let Sent::Done(_, recorded) = &answer {
                ledger.applied(recorded)?;
            }
            sent.extend(items.get(at).map(|item| (at, *item, answer)));
            Ok(())
        });
        let flown = flown.await;
        sent.sort_by_key(|(at, ..)| *at);
        self.note(sent, flown).await
    }

    /// Notes what was sent, and replaces what cannot be changed, unless something failed.
    async fn note<'a>(
        &mut self,
        sent: Vec<(usize, &'a Item, Sent)>,
        flown: Result<(), targets::Error>,
    ) -> Result<Vec<&'a Item>, Stop> {
        let (mut changed, mut fixed) = (Vec::new(), Vec::new());
        for (_, item, answer) in sent {
            match answer {
                Sent::Done(change, recorded) => {
                    self.work.inventory.record(std::slice::from_ref(&recorded));
                    self.work.changed(&item.step.object, Preview::done(change), item.placements.clone());
                    changed.extend((change != Change::Unchanged).then_some(item));
                }
                Sent::Fixed(fields) => fixed.push((item, fields)),
            }
        }
        flown?;
        for (item, fields) in fixed {
            let object = item.step.object.to_string();
            let refusal = cluster::Error::Immutable { object, fields: fields.clone() };
            let (change, recorded) = self.replace(&item.prepared, refusal.into(), &fields).await?;
            self.work.applied(&recorded)?;
            self.work.changed(&item.step.object, Preview::done(change), item.placements.clone());
            changed.push(item);
        }
        Ok(changed)
    }

    /// Objects of a kind can be applied once its definition is served, whether or not the run waits for anything else.
    async fn await_served(&mut self, definitions: &[&Item]) -> Result<(), Stop> {
        let mut awaited = Vec::new();
        for item in definitions.iter().filter(|item| item.step.object.is_definition()) {
            let permit = self.granted.wait(item.step.object.clone())?;
            awaited.push(Awaited::Served(permit, item.prepared.body().clone()));
        }
        let Work { target, kinds, watcher, waiting, late, .. } = &mut *self.work;
        let waiter = Waiter { target, kinds, watcher: &**watcher, until: waiting.until };
        *late = waiter.settle(awaited).await?;
        if late.is_empty() { Ok(()) } else { Err(Stop::Guest(GuestError::Timeout(self.timeout_text()))) }
    }
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
            answer => answer.map(|(change, recorded)| Self::Done(change, recorded)),
        }
    }
}

/// What a component is told that its manifest did. Whether an object with a credential in it changed is not said: two
/// texts made of credentials would be compared by it (is one what it is percent-encoded? are two of them the same?).
fn answered(change: Change, has_credentials: bool) -> wit::Change {
    match change {
        Change::Create => wit::Change::Created,
        Change::Unchanged if !has_credentials => wit::Change::Unchanged,
        Change::Unchanged | Change::Update | Change::Delete | Change::Replace => wit::Change::Updated,
    }
}
