//! The steps that the server judges by more than the right to write, each with what is there when it is taken.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::plan::trace::{GuardedStep, Trace};
use crate::targets::Change;

/// The steps of a plan. It may have thousands, so each is found by its object rather than looked for among all others.
pub(super) struct Steps<'a> {
    all: Vec<&'a GuardedStep>,
    /// The steps about each object, in order.
    about: HashMap<ObjectId, Vec<&'a GuardedStep>>,
    /// Objects that are written. One such step makes all steps about the object necessary.
    written: HashSet<ObjectId>,
    /// Whether the steps are only tried out, so that each finds what is there before the run.
    are_tried: bool,
}

/// A step that writes an object, and the object before and after it.
pub(super) struct Write<'a> {
    pub(super) object: &'a ObjectRef,
    pub(super) call: usize,
    pub(super) before: Option<&'a Value>,
    pub(super) after: &'a Value,
}

/// An object at one moment of a run.
pub(super) enum Standing<'a> {
    /// It is not there.
    Absent,
    /// The plan has no step about it, so it may be anything.
    Elsewhere,
    /// It is this.
    Known(&'a Value),
}

impl<'a> Steps<'a> {
    /// The steps as they are carried out.
    pub(super) fn carried_out(trace: &'a Trace) -> Self {
        Self::of(trace, |step| step.change != Change::Unchanged, false)
    }

    /// The steps as a dry run sees them, those that only a dry run shows to change nothing included.
    pub(super) fn tried_out(trace: &'a Trace) -> Self {
        Self::of(trace, |step| step.change != Change::Unchanged || step.in_doubt, true)
    }

    fn of(trace: &'a Trace, is_written: impl Fn(&GuardedStep) -> bool, are_tried: bool) -> Self {
        let mut steps = Self { all: Vec::new(), about: HashMap::new(), written: HashSet::new(), are_tried };
        for step in &trace.guarded {
            let id = step.object.id();
            if is_written(step) {
                steps.written.insert(id.clone());
            }
            steps.about.entry(id).or_default().push(step);
            steps.all.push(step);
        }
        steps
    }

    /// Whether they are only tried out.
    pub(super) fn are_tried(&self) -> bool {
        self.are_tried
    }

    /// Whether the plan has steps about an object.
    pub(super) fn has(&self, object: &ObjectRef) -> bool {
        self.about.contains_key(&object.id())
    }

    /// The steps that are requests to write, in order.
    pub(super) fn writes(&self) -> impl Iterator<Item = Write<'a>> {
        let mut last = HashMap::<ObjectId, &GuardedStep>::new();
        self.all.iter().filter_map(move |step| {
            let id = step.object.id();
            let is_written = self.written.contains(&id);
            let earlier = last.insert(id, step).filter(|_| !self.are_tried);
            let before = earlier.map_or(step.before.as_ref(), |earlier| earlier.after.as_ref());
            let after = step.after.as_ref().filter(|_| is_written)?;
            Some(Write { object: &step.object, call: step.call, before, after })
        })
    }

    /// An object when this call looks for it. Within a call, what others refer to comes first.
    pub(super) fn standing(&self, object: &ObjectRef, call: usize) -> Standing<'a> {
        let Some(about) = self.about.get(&object.id()) else { return Standing::Elsewhere };
        let latest = about.iter().rfind(|step| step.call <= call && !self.are_tried);
        let first = about.first().and_then(|first| first.before.as_ref());
        match latest.map_or(first, |step| step.after.as_ref()) {
            Some(body) => Standing::Known(body),
            None => Standing::Absent,
        }
    }
}
