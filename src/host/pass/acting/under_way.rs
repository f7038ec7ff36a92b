//! The objects whose requests are under way: should the run turn out to hold its installation no longer, they may still
//! arrive, or have arrived when nobody knew of them any more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::sync::Mutex;

/// So many requests may go out by one proof that the run holds its installation. Those that were answered since may
/// have been sent when it was over.
const PROVED: usize = 32;

/// Objects that are being applied, or were a moment ago. Whoever has a copy sees the same ones.
#[derive(Clone, Default)]
pub struct UnderWay(Arc<Mutex<Sent>>);

#[derive(Default)]
struct Sent {
    open: BTreeMap<ObjectId, ObjectRef>,
    answered: VecDeque<ObjectRef>,
}

impl UnderWay {
    /// A request is about to be sent.
    pub(super) fn begin(&self, object: &ObjectRef) {
        self.0.lock().open.insert(object.id(), object.clone());
    }

    /// It was answered.
    pub(super) fn end(&self, object: &ObjectRef) {
        let mut sent = self.0.lock();
        if sent.open.remove(&object.id()).is_some() {
            sent.answered.push_back(object.clone());
            if sent.answered.len() > PROVED {
                sent.answered.pop_front();
            }
        }
    }

    /// The objects of requests that were sent since the run last proved for certain that it may.
    pub fn objects(&self) -> Vec<ObjectRef> {
        let sent = self.0.lock();
        sent.answered.iter().chain(sent.open.values()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_by_the_last_proof_is_named() {
        let object = |at: usize| ObjectRef::new("v1", "ConfigMap", Some("prod"), format!("n{at:03}"));
        let under_way = UnderWay::default();
        let seen_elsewhere = under_way.clone();
        (0..100).map(object).for_each(|object| under_way.begin(&object));
        (0..60).map(object).for_each(|object| under_way.end(&object));
        // One that was not sent at all, since nothing was to be changed.
        under_way.end(&object(200));
        let expected: Vec<_> = (60 - PROVED..100).map(object).collect();
        assert_eq!(seen_elsewhere.objects(), expected);
    }
}
