//! Progress: a run, as somebody who follows it gets to see it.

use serde::Serialize;

use crate::kubernetes::object::ObjectRef;

/// Sees a run while it goes on.
pub trait Observer: Send + Sync {
    /// These objects are not ready, or not gone, each with the reason. An empty list when the waiting is over.
    fn waiting(&self, objects: &[Unready]);

    /// The component wrote a message.
    fn logged(&self, entry: &Entry);

    /// Something about the run itself, in a sentence.
    fn noted(&self, _sentence: &str) {}
}

/// An object that is not as it is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unready {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// What it says itself.
    pub why: String,
    /// Whether it will not become ready by itself.
    pub failed: bool,
    /// What its pods and the events about it say. For people who may look at them, never for a component.
    pub reasons: Vec<String>,
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only for whoever wrote the component.
    Debug,
    /// Something went as it should.
    Info,
    /// Something may need a look.
    Warn,
    /// Something went wrong.
    Error,
}

/// One message of a log. Its text is the component's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How much it matters.
    pub level: Level,
    /// The text, unchecked.
    pub text: String,
}
