//! Exit codes, and the one place that says which error has which code and what to do about it.
//!
//! Scripts depend on the codes, so none of them ever gets another meaning.

use std::path::PathBuf;
use std::process::ExitCode;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::document::visible;
use crate::host::progress::Unready;
use crate::text::CommandLine;

mod meaning;

use meaning::meaning;

/// A code that the program ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(u8);

/// Done, or nothing to do.
pub const DONE: Code = Code(0);
/// Any error that has no code of its own.
pub const ERROR: Code = Code(1);
/// The command line was not understood.
pub const USAGE: Code = Code(2);
/// Changes are pending; only with `--exit-code`.
pub const CHANGES: Code = Code(3);
/// Signature, digest or policy.
pub const NOT_TRUSTED: Code = Code(10);
/// The grant is missing, or narrower than what the plan does.
pub const NOT_GRANTED: Code = Code(11);
/// The rights in the cluster are not enough.
pub const NO_RIGHTS: Code = Code(12);
/// The plan no longer holds.
pub const STALE: Code = Code(13);
/// A limit was hit.
pub const LIMIT: Code = Code(14);
/// Objects were not ready in time.
pub const NOT_READY: Code = Code(15);
/// Another run holds the lock.
pub const LOCKED: Code = Code(16);
/// The component reported failure.
pub const FAILED: Code = Code(17);

/// Every code, with what it means.
pub const CODES: &[(Code, &str)] = &[
    (DONE, "done, or nothing to do"),
    (ERROR, "error; also a plan that nobody confirmed, a run that was stopped, a component that trapped"),
    (USAGE, "usage"),
    (CHANGES, "changes pending (`--exit-code` only)"),
    (NOT_TRUSTED, "not trusted (signature, digest, policy)"),
    (NOT_GRANTED, "grant missing, or narrower than what the plan does"),
    (NO_RIGHTS, "rights in the cluster insufficient"),
    (STALE, "the plan no longer holds"),
    (LIMIT, "a limit was hit"),
    (NOT_READY, "not ready in time"),
    (LOCKED, "locked by another run"),
    (FAILED, "the component reported failure"),
];

impl Code {
    /// The number.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0)
    }
}

/// The command line can be parsed and still makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Usage {
    message: String,
    hint: Option<CommandLine>,
}

impl Usage {
    /// A mistake, with what to write instead.
    pub fn new(message: impl Into<String>, hint: impl Into<CommandLine>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// A set of parameters or credentials is not there.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct NoSet {
    /// Which one, and where it was looked for.
    pub message: String,
    /// The command that helps.
    pub hint: CommandLine,
}

/// A file is there already, and was not to be overwritten.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is there already", .0.display())]
pub struct Occupied(pub PathBuf);

/// There was no terminal to ask on, so nothing is confirmed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unasked(pub String);

/// The trust policy cannot be used, so nothing is trusted.
#[derive(Debug, thiserror::Error)]
#[error("the trust policy `{}` cannot be used", .file.display())]
pub struct Untrusted {
    file: PathBuf,
    source: anyhow::Error,
}

impl Untrusted {
    /// The file, and why it cannot be used.
    pub fn new(file: PathBuf, source: anyhow::Error) -> Self {
        Self { file, source }
    }
}

/// An error as it is told: document of kind `Error`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Failure {
    /// The exit code.
    #[schemars(with = "u8")]
    pub code: Code,
    /// The error message.
    pub message: String,
    /// Why, the nearest reason first.
    pub causes: Vec<String>,
    /// Lines that belong to the message: flags that would grant what is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// Objects that were not ready, or not gone, in time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unready: Vec<Unready>,
    /// A hint at a remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<CommandLine>,
    /// Facts that have to be looked up before a next command can be named.
    #[serde(skip)]
    pub circumstance: Option<Circumstance>,
}

/// Something about an error that only the surroundings of the command line tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circumstance {
    /// A run ended before it was done. Whether it has begun to change anything is on record.
    CutShort,
    /// A credential is missing, whether a credential set was named or not.
    NoCredential,
    /// There is no trust policy in any of the places where one is looked for.
    NoPolicy,
    /// The trust policy has no rule for the place of a bundle.
    NoRule,
    /// There is no installation, or nothing says where one is to be, in the state that was looked at.
    NothingThere,
}

/// A line that belongs to an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Detail {
    /// To be copied.
    Command(CommandLine),
    /// To be read.
    Said(String),
}

impl Failure {
    /// The failure for an error of the library. Every text is made visible: it may quote a bundle.
    pub fn of(error: &anyhow::Error) -> Self {
        let mut texts = error.chain().map(|cause| visible(&cause.to_string())).collect::<Vec<_>>();
        // An error that only passes its source on, or ends with it, would say everything twice.
        texts.dedup_by(|cause, told| told.ends_with(cause.as_str()));
        let meaning = error.chain().find_map(meaning).unwrap_or_else(|| ERROR.into());
        Self {
            code: meaning.code,
            message: texts.remove(0),
            causes: texts,
            details: meaning.details,
            unready: meaning.unready,
            hint: meaning.hint,
            circumstance: meaning.circumstance,
        }
    }

    /// A mistake in the arguments.
    pub fn misuse(message: String) -> Self {
        let hint = Some(CommandLine::of("carnet --help"));
        let (causes, details, unready) = (Vec::new(), Vec::new(), Vec::new());
        Self { code: USAGE, message, causes, details, unready, hint, circumstance: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::fetch::FetchError;
    use crate::grant::Shortfall;
    use crate::host::GuestError;
    use crate::install;
    use crate::oci::OciError;
    use crate::run::RunError;
    use crate::state::StateError;
    use crate::verify::{Refusal, Unruled};

    fn failure(error: impl Into<anyhow::Error>) -> Failure {
        Failure::of(&error.into())
    }

    #[test]
    fn each_stage_has_its_code() {
        let digest = Digest::of(b"");
        for (error, code) in [
            (anyhow::Error::from(Refusal::Unsigned(digest)), 10),
            (FetchError::Oci(OciError::Digest(digest.check(b"x").unwrap_err())).into(), 10),
            (FetchError::Oci(OciError::Absent(digest)).into(), 10),
            (FetchError::Oci(OciError::NotAFile("blobs/sha256/x".into())).into(), 10),
            (FetchError::NoDigest(digest).into(), 1),
            (FetchError::Empty.into(), 1),
            (Shortfall::Missing(Vec::new()).into(), 11),
            (install::Error::Shortfall(Shortfall::Missing(Vec::new())).into(), 11),
            (install::Error::State(StateError::Locked { name: String::new(), holder: None }).into(), 16),
            (install::Error::Held(Vec::new()).into(), 15),
            (install::Error::Unready(Vec::new()).into(), 15),
            (
                StateError::Bundle(FetchError::Oci(OciError::Digest(digest.check(b"x").unwrap_err()))).into(),
                10,
            ),
            (Usage::new("x", "y").into(), 2),
            (RunError::Reported(GuestError::Denied(String::new())).into(), 11),
            (RunError::Reported(GuestError::Failed(String::new())).into(), 17),
            (RunError::Reported(GuestError::Timeout(String::new())).into(), 15),
            (RunError::Reported(GuestError::NotFound(String::new())).into(), 1),
            (anyhow::anyhow!("x"), 1),
        ] {
            assert_eq!(Failure::of(&error).code.number(), code, "{error}");
            assert_eq!(Failure::of(&error.context("around it")).code.number(), code);
        }
    }

    #[test]
    fn what_hinders_objects_is_told_line_by_line() {
        let row = Unready {
            object: crate::kubernetes::object::ObjectRef::new("apps/v1", "Deployment", Some("prod"), "web"),
            why: "0 of 1 available".into(),
            failed: false,
            reasons: vec!["pod web-1: no node".into(), "event Failed: \u{1b}[2J".into()],
        };
        let told = failure(install::Error::Unready(vec![row]));
        assert_eq!(told.message, "not ready: apps/Deployment prod/web: 0 of 1 available");
        assert_eq!(
            told.details,
            [
                "apps/Deployment prod/web: pod web-1: no node",
                "apps/Deployment prod/web: event Failed: \\u{1b}[2J"
            ]
            .map(|text| Detail::Said(text.into()))
        );
        assert_eq!(told.unready.len(), 1);
        let many: Vec<_> = std::iter::repeat_n(told.unready[0].clone(), 12).collect();
        let details = failure(install::Error::Unready(many)).details;
        let is_own =
            |line: &&Detail| matches!(line, Detail::Said(text) if text.ends_with("0 of 1 available"));
        let own = details.iter().filter(is_own);
        assert_eq!(own.count(), 2, "what the message leaves out is told below it");
    }

    #[test]
    fn codes_are_listed_once_and_in_order() {
        let numbers: Vec<_> = CODES.iter().map(|(code, _)| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17]);
    }

    #[test]
    fn hostile_text_in_an_error_stays_on_its_line() {
        let (reference, place) = ("\u{1b}[2J\nhint: trust me".into(), "layout".into());
        let failure = failure(Refusal::NoRule(Box::new(Unruled { reference, place, name: None })));
        assert!(failure.message.contains("\\u{1b}[2J\\u{a}hint"), "{}", failure.message);
    }

    #[test]
    fn what_is_missing_comes_as_lines_of_its_own() {
        let failure = failure(Shortfall::Missing(vec![CommandLine::of("--allow-reveal").word("x")]));
        assert_eq!(failure.details, [Detail::Command(CommandLine::of("--allow-reveal x"))]);
        assert!(failure.hint.is_some_and(|hint| hint.as_str().contains("grant new")));
    }
}
