//! What somebody who follows a run gets to see of it.

use crate::capability::object::ObjectRef;

/// Sees a run while it goes on.
pub trait Watcher: Send + Sync {
    /// These objects are not ready, each with the reason. An empty list when the waiting is over.
    fn waiting(&self, objects: &[Unready]);

    /// The component wrote a message.
    fn logged(&self, entry: &Entry);

    /// Something about the run itself, in a sentence.
    fn noted(&self, _sentence: &str) {}
}

/// An object that is not ready, why, and whether it will not become so by itself.
pub type Unready = (ObjectRef, String, bool);

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
