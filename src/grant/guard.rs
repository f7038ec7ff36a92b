//! Guards that an operator lowered for a run. They are recorded with it, and shown with the installation.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document;

/// A guard that is lowered, written as the flags that lower it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(extend("enum" = Self::ALL))]
#[non_exhaustive]
pub enum LoweredGuard {
    /// A source directory of this machine is used unsigned, with all that it asks for.
    Development,
    /// No identity is made for the run: it has all rights of the caller.
    OwnIdentity,
    /// Credentials are written into a directory.
    PlainSecrets,
    /// The steps of the component follow each other without the waits that it asks for in between.
    Unawaited,
    /// A bundle that nobody signed is used.
    Unsigned,
    /// A bare `*` may stand in a grant.
    Wildcards,
}

/// A guard that a record says was lowered. Another version of the program may know guards that this one does not: its
/// records stay readable, and what they say is shown. Nothing is lowered by a guard that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", from = "String")]
pub enum RecordedGuard {
    /// One of this version's.
    Known(LoweredGuard),
    /// The text of another one.
    Unknown(String),
}

/// A text names no guard.
#[derive(Debug, thiserror::Error)]
#[error("there is no guard `{0}`")]
pub struct UnknownGuard(String);

impl LoweredGuard {
    /// All guards that can be lowered.
    pub const ALL: [Self; 6] = [
        Self::Development,
        Self::OwnIdentity,
        Self::PlainSecrets,
        Self::Unawaited,
        Self::Unsigned,
        Self::Wildcards,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Development => "--approve-all-for-development",
            Self::OwnIdentity => "--identity own",
            Self::PlainSecrets => "--secrets plain",
            Self::Unawaited => "--no-wait=all",
            Self::Unsigned => "--dangerous-unsigned",
            Self::Wildcards => "--dangerous-wildcards",
        }
    }
}

impl fmt::Display for LoweredGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl FromStr for LoweredGuard {
    type Err = UnknownGuard;

    fn from_str(text: &str) -> Result<Self, UnknownGuard> {
        let known = Self::ALL.into_iter().find(|guard| guard.text() == text);
        known.ok_or_else(|| UnknownGuard(text.into()))
    }
}

impl RecordedGuard {
    /// The guard, if this version has it.
    pub fn known(&self) -> Option<LoweredGuard> {
        match self {
            Self::Known(guard) => Some(*guard),
            Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for RecordedGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(guard) => guard.fmt(f),
            Self::Unknown(text) => f.write_str(&document::visible(text)),
        }
    }
}

impl From<LoweredGuard> for RecordedGuard {
    fn from(guard: LoweredGuard) -> Self {
        Self::Known(guard)
    }
}

impl From<String> for RecordedGuard {
    fn from(text: String) -> Self {
        text.parse().map_or(Self::Unknown(text), Self::Known)
    }
}

impl From<RecordedGuard> for String {
    fn from(guard: RecordedGuard) -> Self {
        match guard {
            RecordedGuard::Known(guard) => guard.into(),
            RecordedGuard::Unknown(text) => text,
        }
    }
}

impl From<LoweredGuard> for String {
    fn from(guard: LoweredGuard) -> Self {
        guard.text().into()
    }
}

impl TryFrom<String> for LoweredGuard {
    type Error = UnknownGuard;

    fn try_from(text: String) -> Result<Self, UnknownGuard> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_are_stored_as_their_flags_and_read_back() {
        let texts = [
            "--approve-all-for-development",
            "--identity own",
            "--secrets plain",
            "--no-wait=all",
            "--dangerous-unsigned",
            "--dangerous-wildcards",
        ];
        assert_eq!(serde_json::to_value(LoweredGuard::ALL).unwrap(), serde_json::json!(texts));
        for (guard, text) in LoweredGuard::ALL.into_iter().zip(texts) {
            assert_eq!((text.parse().ok(), guard.to_string().as_str()), (Some(guard), text));
        }
    }

    #[test]
    fn an_unknown_guard_is_refused_and_never_skipped() {
        for text in ["", "--dangerous", "--identity", "--secrets omit"] {
            let error = text.parse::<LoweredGuard>().unwrap_err().to_string();
            assert_eq!(error, format!("there is no guard `{text}`"));
        }
        assert!(serde_json::from_value::<Vec<LoweredGuard>>(serde_json::json!(["--dangerous"])).is_err());
    }

    #[test]
    fn a_guard_that_another_version_recorded_is_kept_shown_and_lowers_nothing() {
        let texts = serde_json::json!(["--secrets plain", "--dangerous-\u{202e}new"]);
        let recorded: Vec<RecordedGuard> = serde_json::from_value(texts.clone()).unwrap();
        let known: Vec<_> = recorded.iter().map(RecordedGuard::known).collect();
        assert_eq!(known, [Some(LoweredGuard::PlainSecrets), None]);
        assert_eq!(serde_json::to_value(&recorded).unwrap(), texts);
        assert_eq!(recorded[1].to_string(), "--dangerous-\\u{202e}new");
    }
}
