//! The planning pass: nothing is written. Each step is traced, and reads see the effects of earlier steps (the
//! overlay).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use crate::cluster::{self, concurrent};
use crate::grant::{Delete, Get, Granted, Permitted, Wait, before_delete};
use crate::host::told::CallError;
use crate::kubernetes::api::{ADMISSION, RBAC};
use crate::kubernetes::definition;
use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::kubernetes::objects::Objects;
use crate::kubernetes::rbac::{bound, bound_policy, parameters};
use crate::kubernetes::resource::builtin;
use crate::plan::trace::{GuardedStep, ObjectChange, Step, Trace};
use crate::targets::credentials::{Account, FoundAs, Placements, SecretKeys};
use crate::targets::{
    self, Change, DryRunMode, ListedObjects, NotDryRun, Prepared, Preview, check_replaceable,
};

use super::script::Script;
use super::site::Site;
use super::{ApplyItem, steps_of};

/// A planning pass.
pub struct Planning {
    site: Site,
    mode: DryRunMode,
    /// The overlay: objects that earlier steps were about. Their changes say how they would have left them.
    overlay: HashSet<ObjectId>,
    /// The keys of Secrets, as earlier steps would have put them on record.
    keys: BTreeMap<ObjectId, SecretKeys>,
    reads: BTreeSet<ObjectRef>,
    awaited: BTreeSet<ObjectRef>,
    guarded: Vec<GuardedStep>,
    /// Kinds whose definitions the run makes or changes, as `group/Kind`.
    redefined: BTreeSet<String>,
    calls: usize,
    changes: Objects<ObjectChange>,
    script: Script,
}

impl Planning {
    /// A pass over a target that previews each write in this mode.
    pub fn new(site: Site, mode: DryRunMode) -> Self {
        Self {
            site,
            mode,
            overlay: HashSet::new(),
            keys: BTreeMap::new(),
            reads: BTreeSet::new(),
            awaited: BTreeSet::new(),
            guarded: Vec::new(),
            redefined: BTreeSet::new(),
            calls: 0,
            changes: Objects::default(),
            script: Script::new(mode == DryRunMode::Reads),
        }
    }

    /// The site, the trace, and the script that an acting pass has to follow.
    pub fn into_parts(self) -> (Site, Trace, Script) {
        let steps = self.script.steps().map(|(step, change)| (step.clone(), change)).collect();
        let Self { site, reads, awaited, guarded, changes, script, .. } = self;
        let trace = Trace { reads, awaited, guarded, steps, changes, ..Trace::default() };
        (site, trace, script)
    }

    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    pub(super) fn site_mut(&mut self) -> &mut Site {
        &mut self.site
    }

    /// Reads an object, as the run would have left it.
    pub(super) async fn get(&mut self, permit: &Permitted<Get>) -> Result<Option<Value>, targets::Error> {
        note(&mut self.reads, &permit.0);
        match self.overlaid(&permit.0) {
            Some(overlaid) => Ok(overlaid.cloned()),
            None => self.site.get(permit).await,
        }
    }

    /// What is known of a Secret that was read, as the run would have left it.
    pub(super) fn account(&self, secret: &ObjectRef, found: &Value, granted: &Granted) -> Account {
        let account = self.site.account(secret, found, granted);
        match self.overlaid(secret) {
            Some(_) => {
                Account { keys: self.keys.get(&secret.id()).cloned(), found: FoundAs::Written, ..account }
            }
            None => account,
        }
    }

    /// Notes which keys of a Secret would be on record after this step.
    fn note_keys(&mut self, prepared: &Prepared, before: Option<&Value>) {
        let object = prepared.object();
        let recorded = self.site.inventory().find(object).map(|recorded| recorded.keys.as_deref());
        let old = match self.overlaid(object) {
            Some(_) => self.keys.get(&object.id()).map(Some),
            None => recorded,
        };
        let before = before.filter(|_| old.is_none());
        let new = prepared.keys().cloned().map(|keys| keys.put_into(before));
        if let Some(keys) = SecretKeys::followed(old, new.as_ref()) {
            self.keys.insert(object.id(), keys);
        }
    }

    /// Returns at once: nothing was applied, so there is nothing to wait for.
    pub(super) fn wait(&mut self, permits: &[Permitted<Wait>]) {
        permits.iter().for_each(|permit| note(&mut self.awaited, &permit.0));
    }

    /// Notes what the acting pass may read.
    pub(super) fn note_reads(&mut self, objects: impl Iterator<Item = ObjectRef>) {
        self.reads.extend(objects);
    }

    /// Previews applying these objects.
    pub(super) async fn apply(
        &mut self,
        items: Vec<ApplyItem>,
        granted: &Granted,
    ) -> Result<Vec<Change>, CallError> {
        let steps = steps_of(&items).collect();
        let tried = self.try_all(items, granted).await;
        self.script.note(steps, &tried);
        tried
    }

    /// Previews removing these objects.
    pub(super) async fn delete(&mut self, permits: &[Permitted<Delete>]) -> Result<(), CallError> {
        let looked = self.look_all(permits).await;
        let steps = permits.iter().map(|permit| Step::delete(permit.0.clone())).collect();
        self.script.note(steps, &looked);
        looked.map(drop)
    }

    async fn try_all(&mut self, items: Vec<ApplyItem>, granted: &Granted) -> Result<Vec<Change>, CallError> {
        let together: HashSet<_> = items.iter().map(|item| item.prepared.object().id()).collect();
        let mut previews = self.preview_all(&items, &together).await?;
        // A call is traced only if all of it would succeed.
        for (item, preview) in items.iter().zip(&mut previews) {
            self.check_replacement(item.prepared.object(), preview, granted)?;
            if preview.marks.not_dry_run == Some(NotDryRun::Impossible) {
                self.check_place(&item.prepared, &together)?;
            }
        }
        let changes = previews.iter().map(|preview| preview.change).collect();
        self.guard(&items, &previews).await;
        for (item, preview) in items.into_iter().zip(previews) {
            self.note_keys(&item.prepared, preview.before.as_ref());
            let ApplyItem { step, prepared, placements } = item;
            self.overlay.insert(step.object.id());
            self.changed(&step.object, preview, Some(prepared.into_body()), placements);
        }
        Ok(changes)
    }

    /// Previews all objects of a call, definitions first: what the server says of objects of their kinds may be about
    /// the definitions that it has now.
    async fn preview_all(
        &mut self,
        items: &[ApplyItem],
        together: &HashSet<ObjectId>,
    ) -> Result<Vec<Preview>, targets::Error> {
        let listing = self.site.list_before(items.iter().map(|item| &item.prepared)).await;
        let mut previews: Vec<Option<Preview>> = items.iter().map(|_| None).collect();
        for are_definitions in [true, false] {
            let is_meant = |at: &usize| items[*at].prepared.object().is_definition() == are_definitions;
            let meant: Vec<_> = (0..items.len()).filter(is_meant).collect();
            let tried = meant.iter().map(|at| self.preview(&items[*at], together, &listing));
            let tried = concurrent::collect(tried.collect()).await?;
            for (at, preview) in meant.into_iter().zip(tried) {
                let defined = definition::resource(items[at].prepared.body()).filter(|_| are_definitions);
                if preview.change != Change::Unchanged {
                    self.redefined.extend(defined.map(|(group_kind, _)| group_kind));
                }
                previews[at] = Some(preview);
            }
        }
        Ok(previews.into_iter().flatten().collect())
    }

    /// Previews one object. By reads alone, where the server's refusal is about what this run changes first.
    async fn preview(
        &self,
        item: &ApplyItem,
        together: &HashSet<ObjectId>,
        listing: &ListedObjects,
    ) -> Result<Preview, targets::Error> {
        let object = item.prepared.object();
        let mode = self.mode_for(&item.prepared, together);
        let why = match self.site.preview(&item.prepared, mode, listing).await {
            Err(targets::Error::Cluster(cluster::Error::Invalid { .. }))
                if self.redefined.contains(&*object.group_kind()) =>
            {
                NotDryRun::Redefined
            }
            Err(targets::Error::Cluster(cluster::Error::Terminating { .. }))
                if self.brings_namespace_of(object, together) =>
            {
                NotDryRun::Impossible
            }
            preview => return preview,
        };
        self.site.foretell(&item.prepared, why).await
    }

    /// How an object is previewed. A binding whose role or policy this run makes can be tried out by those alone who
    /// may do anything.
    fn mode_for(&self, prepared: &Prepared, together: &HashSet<ObjectId>) -> DryRunMode {
        match self.mode {
            DryRunMode::DryRun if self.refers_to_own(prepared, together) => DryRunMode::DryRunIfPossible,
            mode => mode,
        }
    }

    /// Whether an object is the binding of a role or a policy that this run makes.
    fn refers_to_own(&self, prepared: &Prepared, together: &HashSet<ObjectId>) -> bool {
        let (object, body) = (prepared.object(), prepared.body());
        let named = if object.group() == RBAC { bound(object, body) } else { bound_policy(object, body) };
        named.is_some_and(|named| self.overlaid(&named).flatten().is_some() || together.contains(&named.id()))
    }

    /// Notes what the server judges by more than the right to write it.
    async fn guard(&mut self, items: &[ApplyItem], previews: &[Preview]) {
        self.calls += 1;
        for (item, preview) in items.iter().zip(previews) {
            let object = item.prepared.object();
            if !is_guarded(object) {
                continue;
            }
            let (before, after) = (preview.before.clone(), preview.after.clone());
            if let Some(parameters) = parameters(&after) {
                // Where nobody serves that kind, the right is for all kinds of its group.
                drop(self.site.learn(std::slice::from_ref(&parameters)).await);
            }
            let (call, change) = (self.calls, preview.change);
            let (object, in_doubt) = (object.clone(), preview.marks.in_doubt);
            let after = Some(after);
            self.guarded.push(GuardedStep { call, object, change, before, after, in_doubt });
        }
    }

    async fn look_all(&mut self, permits: &[Permitted<Delete>]) -> Result<Vec<Change>, CallError> {
        let look = |permit: &Permitted<Delete>| {
            let overlaid = self.overlaid(&permit.0).map(Option::<&Value>::cloned);
            let permit = before_delete(permit);
            let site = &self.site;
            async move {
                match overlaid {
                    Some(overlaid) => Ok(overlaid),
                    None => site.get(&permit).await,
                }
            }
        };
        let found = concurrent::collect(permits.iter().map(look).collect()).await?;
        self.calls += 1;
        for (permit, before) in permits.iter().zip(found) {
            self.overlay.insert(permit.0.id());
            self.keys.remove(&permit.0.id());
            if is_guarded(&permit.0) {
                let (call, object, before) = (self.calls, permit.0.clone(), before.clone());
                let step = GuardedStep {
                    call,
                    object,
                    change: Change::Delete,
                    before,
                    after: None,
                    in_doubt: false,
                };
                self.guarded.push(step);
            }
            if before.is_some() {
                let preview = Preview { before, ..Preview::done(Change::Delete) };
                self.changed(&permit.0, preview, None, Placements::new());
            }
        }
        Ok(vec![Change::Delete; permits.len()])
    }

    /// Decides about a preview that is a replacement. An object that this run has removed before is created anew
    /// anyway.
    fn check_replacement(
        &self,
        object: &ObjectRef,
        preview: &mut Preview,
        granted: &Granted,
    ) -> Result<(), CallError> {
        let Some(before) = &preview.before else { return Ok(()) };
        if preview.change != Change::Replace {
            return Ok(());
        }
        if self.overlaid(object) == Some(None) {
            preview.change = Change::Update;
            return Ok(());
        }
        check_replaceable(object, before, &preview.immutable)?;
        if self.site.overrides().replace {
            granted.delete(object.clone())?;
        }
        Ok(())
    }

    /// Checks that an object without a dry run depends on a namespace or a definition that this run creates, in an
    /// earlier call or together with it.
    fn check_place(&self, prepared: &Prepared, together: &HashSet<ObjectId>) -> Result<(), CallError> {
        let object = prepared.object();
        let is_ours = object.namespace.is_none()
            || self.refers_to_own(prepared, together)
            || self.brings_namespace_of(object, together)
            || builtin(object.group(), &object.kind).is_none();
        let missing = cluster::Error::NoNamespace { object: Box::new(object.clone()) };
        if is_ours { Ok(()) } else { Err(CallError::Target(missing.into())) }
    }

    /// Whether this run makes the namespace of an object, in an earlier call or together with it.
    fn brings_namespace_of(&self, object: &ObjectRef, together: &HashSet<ObjectId>) -> bool {
        object.namespace.as_ref().is_some_and(|namespace| {
            let home = ObjectRef::new("v1", "Namespace", None, namespace.clone());
            self.overlaid(&home).is_some() || together.contains(&home.id())
        })
    }

    fn changed(
        &mut self,
        object: &ObjectRef,
        preview: Preview,
        manifest: Option<Value>,
        placements: Placements,
    ) {
        let earlier = self.changes.remove(object);
        if let Some(row) = ObjectChange::after(earlier, object, preview, manifest, placements) {
            self.changes.insert(object, row);
        }
    }

    /// The overlay's answer to a read: `None` where the target itself is to be read.
    fn overlaid(&self, object: &ObjectRef) -> Option<Option<&Value>> {
        let left = || self.changes.get(object).and_then(|row| row.after.as_ref());
        self.overlay.contains(&object.id()).then(left)
    }
}

/// Whether the server judges by more than the right to write it.
fn is_guarded(object: &ObjectRef) -> bool {
    [RBAC, ADMISSION].contains(&object.group())
}

/// Notes an object. A component may name the same one over and over.
fn note(objects: &mut BTreeSet<ObjectRef>, object: &ObjectRef) {
    if !objects.contains(object) {
        objects.insert(object.clone());
    }
}
