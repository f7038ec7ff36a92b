//! Progress of a run, as its observer sees it.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::kubernetes::object::ObjectRef;

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
    /// An object does nothing yet and is meant to, so the run does not wait for it.
    NotAwaited {
        /// Which object.
        object: ObjectRef,
        /// Why it does nothing.
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
            Self::NotAwaited { object, why } => write!(f, "{object} is not waited for: {why}."),
        }
    }
}

/// The level of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
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
    pub level: Level,
    /// The text, unchecked.
    pub text: String,
}
