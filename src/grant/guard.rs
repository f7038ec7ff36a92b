//! Guards that an operator lowered for a run. They are recorded with it, and shown with the installation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A guard that is lowered, written as the flags that lower it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum LoweredGuard {
    /// No identity is made for the run: it has all rights of the caller.
    OwnIdentity,
    /// Credentials are written into a directory.
    PlainSecrets,
    /// A bundle that nobody signed is used.
    Unsigned,
    /// A bare `*` may stand in a grant.
    Wildcards,
}

/// A text names no guard.
#[derive(Debug, thiserror::Error)]
#[error("there is no guard `{0}`")]
pub struct UnknownGuard(String);

impl LoweredGuard {
    /// All guards that can be lowered.
    pub const ALL: [Self; 4] = [Self::OwnIdentity, Self::PlainSecrets, Self::Unsigned, Self::Wildcards];

    fn text(self) -> &'static str {
        match self {
            Self::OwnIdentity => "--identity own",
            Self::PlainSecrets => "--secrets plain",
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
        let texts = ["--identity own", "--secrets plain", "--dangerous-unsigned", "--dangerous-wildcards"];
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
}
