//! Progress of a run, as its observer sees it.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::kubernetes::object::ObjectRef;

/// The most objects that are named together.
const MAX_NAMED: usize = 3;

/// Observes a run in progress.
pub trait Observer: Send + Sync {
    /// These objects are not ready, or not gone, each with the reason. An empty list when the waiting is over.
    fn waiting(&self, objects: &[Unready]);

    /// The component wrote a message.
    fn logged(&self, entry: &LogEntry);

    /// Something happened to the run itself.
    fn noted(&self, _event: &RunEvent) {}
}

/// An object that is not ready, or not gone, while the run waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unready {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The reason in its own status.
    pub why: String,
    /// Whether it will not become ready by itself.
    pub failed: bool,
    /// The diagnosis from its pods and events. For people who may read those, never for a component.
    pub reasons: Vec<String>,
}

/// An object that a run was to remove, and left in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeftObject {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Why.
    pub why: String,
    /// Whether it is still on record.
    pub stays: bool,
}

/// Something that happens to a run itself. Its text is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunEvent {
    /// An identity was made for the run, and from now on the run acts as it.
    ActingAs {
        /// The name of the identity.
        identity: String,
        /// Where it has rights.
        scopes: Vec<String>,
    },
    /// The component is compiled, which takes a while and is done once on each machine.
    Compiling,
    /// An identity could not be removed, and the next run does it.
    IdentityLeft {
        /// The name of the identity.
        identity: String,
        /// Why it is still there.
        why: String,
    },
    /// Objects do nothing yet and are meant to, so the run does not wait for them.
    NotAwaited {
        /// Which objects.
        objects: Vec<ObjectRef>,
        /// Why they do nothing.
        why: String,
    },
    /// Something bears the name of an identity and not its marks, so it was not removed.
    IdentityUnmarked {
        /// The subject of the comparison.
        why: String,
    },
    /// The record of an identity cannot be read, so it is not known whether anything of it is left.
    IdentityUnread {
        /// The fault, with the name of the record.
        why: String,
    },
}

impl fmt::Display for RunEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ActingAs { identity, scopes } => {
                write!(f, "Acting as {identity}, with rights in {}.", scopes.join(", "))
            }
            Self::Compiling => f.write_str("Compiling the component, as it runs here for the first time."),
            Self::IdentityLeft { identity, why } => {
                write!(f, "{identity} was not removed ({why}): the next run does it.")
            }
            Self::NotAwaited { objects, why } => {
                let named: Vec<_> = objects.iter().take(MAX_NAMED).map(ToString::to_string).collect();
                let (more, are) = match objects.len().saturating_sub(named.len()) {
                    0 => (String::new(), if named.len() > 1 { "are" } else { "is" }),
                    more => (format!(" and {more} more"), "are"),
                };
                write!(f, "{}{more} {are} not waited for: {why}.", named.join(", "))
            }
            Self::IdentityUnmarked { why } => write!(f, "Left from an identity of an earlier run: {why}."),
            Self::IdentityUnread { why } => {
                write!(f, "An identity of an earlier run may be left, since its record is unreadable: {why}.")
            }
        }
    }
}

/// The level of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Debugging output of the component.
    Debug,
    /// Information.
    Info,
    /// A warning.
    Warn,
    /// An error.
    Error,
}

/// One message of a log. Its text is the component's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its level.
    pub level: LogLevel,
    /// The text, unchecked.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_waited_for_is_named_up_to_a_few() {
        let of = |count: usize| {
            let object = |at| ObjectRef::new("v1", "Pod", Some("prod"), format!("p{at}"));
            RunEvent::NotAwaited { objects: (0..count).map(object).collect(), why: "w".into() }.to_string()
        };
        assert_eq!(of(1), "Pod prod/p0 is not waited for: w.");
        assert_eq!(of(3), "Pod prod/p0, Pod prod/p1, Pod prod/p2 are not waited for: w.");
        assert_eq!(of(5), "Pod prod/p0, Pod prod/p1, Pod prod/p2 and 2 more are not waited for: w.");
    }
}
