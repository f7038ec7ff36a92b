//! How far the requests of one call went: what of a call that failed was never written is nobody's.

use std::collections::HashMap;

use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::sync::Mutex;
use crate::targets::{Error, Reached};

/// How far the request for each object of a call went.
#[derive(Debug, Default)]
pub(super) struct CallProgress(Mutex<HashMap<ObjectId, Reached>>);

impl CallProgress {
    /// A request is about to be sent.
    pub(super) fn begun(&self, object: &ObjectRef) {
        self.set(object, Reached::Lost);
    }

    /// A request has ended.
    pub(super) fn ended<T>(&self, object: &ObjectRef, ended: &Result<T, Error>) {
        match ended {
            Ok(_) => self.set(object, Reached::Written),
            Err(error) if error.is_refusal() => self.set(object, Reached::Refused),
            Err(_) => {}
        }
    }

    /// An object is removed, to be made anew.
    pub(super) fn written(&self, object: &ObjectRef) {
        self.set(object, Reached::Written);
    }

    pub(super) fn of(&self, object: &ObjectRef) -> Reached {
        self.0.lock().get(&object.id()).copied().unwrap_or(Reached::NotSent)
    }

    /// Whether it is certain that nothing was written.
    pub(super) fn is_all_refused(&self) -> bool {
        let reached = self.0.lock();
        !reached.is_empty() && reached.values().all(|it| *it == Reached::Refused)
    }

    fn set(&self, object: &ObjectRef, reached: Reached) {
        self.0.lock().insert(object.id(), reached);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef::new("v1", "ConfigMap", Some("prod"), name)
    }

    #[test]
    fn a_request_without_an_answer_may_have_been_carried_out() {
        let progress = CallProgress::default();
        assert!(!progress.is_all_refused(), "nothing was sent, so nothing was refused");
        let ended = |name: &str, ended: Result<(), Error>| {
            progress.begun(&object(name));
            progress.ended(&object(name), &ended);
        };
        ended("refused", Err(Error::Foreign { object: String::new(), owner: None }));
        assert!(progress.is_all_refused());
        ended("lost", Err(Error::Ledger(String::new())));
        assert!(!progress.is_all_refused());
        ended("written", Ok(()));
        let reached = ["refused", "lost", "written", "other"].map(|name| progress.of(&object(name)));
        assert_eq!(reached, [Reached::Refused, Reached::Lost, Reached::Written, Reached::NotSent]);
    }
}
