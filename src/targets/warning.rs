//! Warnings of a server while it takes an object: an old version of its API, a field that has no effect.

use crate::kubernetes::object::ObjectRef;
use crate::sync::Mutex;

/// The most warnings that are kept of one pass. A component may apply one object again and again.
const MAX_WARNINGS: usize = 500;

/// Stands for what is said about an object whose values nobody is to see.
const UNSAID: &str = "the server warns about it; what it says may quote a value, and is not shown";

/// A warning about an object, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Which object.
    pub object: ObjectRef,
    /// The words of the server.
    pub text: String,
}

/// The warnings of one pass.
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<Vec<Warning>>);

impl Warnings {
    /// Notes what the server says about an object, each text once.
    pub(super) fn note(&self, object: &ObjectRef, texts: &[String], may_be_said: bool) {
        let mut noted = self.0.lock();
        for text in texts {
            let text = if may_be_said { text.clone() } else { UNSAID.to_owned() };
            let warning = Warning { object: object.clone(), text };
            if noted.len() < MAX_WARNINGS && !noted.contains(&warning) {
                noted.push(warning);
            }
        }
    }

    /// Those that were noted since the last time.
    pub(super) fn take(&self) -> Vec<Warning> {
        std::mem::take(&mut *self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_noted_once_and_what_is_said_of_a_secret_is_not_told() {
        let warnings = Warnings::default();
        let (map, secret) = (
            ObjectRef::new("v1", "ConfigMap", Some("prod"), "a"),
            ObjectRef::new("v1", "Secret", Some("prod"), "a"),
        );
        for _ in 0..3 {
            warnings.note(&map, &["old".into(), "older".into()], true);
            warnings.note(&secret, &["unknown field: hunter2".into(), "another".into()], false);
        }
        let texts: Vec<_> = warnings.take().into_iter().map(|warning| warning.text).collect();
        assert_eq!(texts, ["old", "older", UNSAID]);
        assert_eq!(warnings.take(), []);
        for n in 0..1000 {
            warnings.note(&map, &[n.to_string()], true);
        }
        assert_eq!(warnings.take().len(), MAX_WARNINGS);
    }
}
