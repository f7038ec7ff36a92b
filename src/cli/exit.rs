//! Exit codes, and the one place that says which error has which code and what to do about it.
//!
//! Scripts depend on the codes, so none of them ever gets another meaning.

use std::error::Error;
use std::process::ExitCode;

use serde::{Serialize, Serializer};

use crate::cluster;
use crate::document::visible;
use crate::fetch::FetchError;
use crate::grant::Shortfall;
use crate::host::GuestError;
use crate::host::progress::Unready;
use crate::install;
use crate::oci::OciError;
use crate::plan::powers::{By, Refused};
use crate::run::RunError;
use crate::state::StateError;
use crate::targets;
use crate::verify::{PolicyError, Refusal};

use super::inputs::Untrusted;

/// The most powers that an error lists.
const MAX_POWERS: usize = 50;

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
/// The grant is missing, or narrower than the request.
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
    (ERROR, "error"),
    (USAGE, "usage"),
    (CHANGES, "changes pending (`--exit-code` only)"),
    (NOT_TRUSTED, "not trusted (signature, digest, policy)"),
    (NOT_GRANTED, "grant missing or narrower than the request"),
    (NO_RIGHTS, "rights in the cluster insufficient"),
    (STALE, "the plan no longer holds"),
    (LIMIT, "a limit was hit"),
    (NOT_READY, "not ready in time"),
    (LOCKED, "locked by another run"),
    (FAILED, "the component reported failure"),
];

/// What to do about fields that stay as they were created.
const REPLACE: &str = "`--replace` removes such objects and makes them anew";

/// What to do about objects that something keeps.
const HELD: &str =
    "once what holds them has let go, the same command goes on; a longer `--timeout` waits longer";

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
    hint: Option<String>,
}

impl Usage {
    /// A mistake, with what to write instead.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// An error as it is told: document of kind `Error`.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// What the program ends with.
    pub code: Code,
    /// What went wrong.
    pub message: String,
    /// Why, the nearest reason first.
    pub causes: Vec<String>,
    /// Lines that belong to the message: flags that would grant what is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What was not ready, or not gone, in time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unready: Vec<Unready>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// What an error of the library means to who typed the command. Every text is made visible: it may quote a bundle.
    pub fn of(error: &anyhow::Error) -> Self {
        let mut texts = error.chain().map(|cause| visible(&cause.to_string())).collect::<Vec<_>>();
        // An error that only passes its source on would say everything twice.
        texts.dedup();
        let meaning = error.chain().find_map(meaning).unwrap_or_else(|| ERROR.into());
        Self {
            code: meaning.code,
            message: texts.remove(0),
            causes: texts,
            details: meaning.details.iter().map(|line| visible(line)).collect(),
            unready: meaning.unready,
            hint: meaning.hint.map(|hint| visible(&hint)),
        }
    }

    /// A mistake in the arguments, from clap's message.
    pub fn of_arguments(text: &str) -> Self {
        let message = text.lines().next().unwrap_or_default();
        let message = visible(message.strip_prefix("error: ").unwrap_or(message));
        let hint = Some("carnet --help".to_owned());
        Self { code: USAGE, message, causes: Vec::new(), details: Vec::new(), unready: Vec::new(), hint }
    }
}

/// What an error means to who typed the command.
struct Meaning {
    code: Code,
    details: Vec<String>,
    unready: Vec<Unready>,
    hint: Option<String>,
}

impl Meaning {
    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn details(self, details: &[String]) -> Self {
        Self { details: details.to_vec(), ..self }
    }

    /// What hinders objects, a line each. Of the first few the message has said what they say themselves.
    fn unready(mut self, unready: &[Unready], said: usize) -> Self {
        for (at, row) in unready.iter().enumerate() {
            let own = (at >= said).then_some(&row.why);
            let lines = own.into_iter().chain(&row.reasons).map(|line| format!("{}: {line}", row.object));
            self.details.extend(lines);
        }
        Self { unready: unready.to_vec(), ..self }
    }
}

impl From<Code> for Meaning {
    fn from(code: Code) -> Self {
        Self { code, details: Vec::new(), unready: Vec::new(), hint: None }
    }
}

/// What one error of a chain means, if it is one of the library's stages.
fn meaning(error: &(dyn Error + 'static)) -> Option<Meaning> {
    None.or_else(|| error.downcast_ref().map(of_install))
        .or_else(|| error.downcast_ref().map(of_usage))
        .or_else(|| error.downcast_ref().map(of_refusal))
        .or_else(|| error.downcast_ref().map(|_: &PolicyError| NOT_TRUSTED.into()))
        .or_else(|| error.downcast_ref().map(|_: &Untrusted| NOT_TRUSTED.into()))
        .or_else(|| error.downcast_ref().map(of_shortfall))
        .or_else(|| error.downcast_ref().map(of_state))
        .or_else(|| error.downcast_ref().map(of_fetch))
        .or_else(|| error.downcast_ref().map(of_oci))
        .or_else(|| error.downcast_ref().map(of_target))
        .or_else(|| error.downcast_ref().map(of_run))
}

fn of_usage(usage: &Usage) -> Meaning {
    Meaning { hint: usage.hint.clone(), ..USAGE.into() }
}

fn of_refusal(refusal: &Refusal) -> Meaning {
    let meaning = Meaning::from(NOT_TRUSTED);
    match refusal {
        Refusal::NoPolicy => meaning.hint("name a trust policy with `--trust FILE`, or in CARNET_TRUST"),
        Refusal::NoRule(_) | Refusal::Signers { .. } => meaning.hint("carnet inspect REF"),
        Refusal::Unsigned(_) => meaning.hint("carnet sign REF --key FILE"),
        _ => meaning,
    }
}

fn of_shortfall(shortfall: &Shortfall) -> Meaning {
    let meaning = Meaning::from(NOT_GRANTED);
    match shortfall {
        Shortfall::Missing(lines) => {
            meaning.details(lines).hint("add these flags, or write a grant: carnet grant new REF --to FILE")
        }
        Shortfall::Pinned { .. } => {
            meaning.hint("another digest is another decision: carnet grant new REF --to FILE")
        }
        Shortfall::Unprovided(_) | Shortfall::Unrequested(_) => meaning.hint("carnet inspect REF"),
        _ => meaning,
    }
}

/// Bytes that are not what a digest promised are a matter of trust; the rest is a matter of files.
fn of_fetch(error: &FetchError) -> Meaning {
    match error {
        FetchError::Oci(error) => of_oci(error),
        FetchError::OtherDigest { .. } => NOT_TRUSTED.into(),
        FetchError::Ambiguous(_) | FetchError::Tag { .. } => {
            Meaning::from(ERROR).hint("write `layout:DIR:TAG`")
        }
        FetchError::Source(path) => {
            Meaning::from(ERROR).hint(format!("carnet build {} --to LAYOUT", path.display()))
        }
        _ => ERROR.into(),
    }
}

fn of_oci(error: &OciError) -> Meaning {
    match error {
        OciError::Digest(_) | OciError::Size { .. } => NOT_TRUSTED.into(),
        _ => ERROR.into(),
    }
}

fn of_cluster(error: &cluster::Error) -> Meaning {
    match error {
        cluster::Error::Denied { .. } => NO_RIGHTS.into(),
        cluster::Error::NoNamespace { .. } => Meaning::from(ERROR).hint("kubectl create namespace NAMESPACE"),
        _ => ERROR.into(),
    }
}

fn of_target(error: &targets::Error) -> Meaning {
    match error {
        targets::Error::Cluster(cluster::Error::Conflict { .. }) => {
            Meaning::from(ERROR).hint("`--force-conflicts` overwrites these fields")
        }
        targets::Error::Cluster(cluster::Error::Immutable { .. }) => Meaning::from(ERROR).hint(REPLACE),
        targets::Error::Cluster(error) => of_cluster(error),
        targets::Error::Edited { .. } => Meaning::from(ERROR).hint("`--force-conflicts` overwrites the file"),
        targets::Error::Held { .. } => Meaning::from(NOT_READY).hint(HELD),
        targets::Error::Unreplaced(_, error) => of_target(error),
        targets::Error::Foreign { .. } => Meaning::from(ERROR).hint("`--take-ownership` takes it over"),
        _ => ERROR.into(),
    }
}

fn of_run(error: &RunError) -> Meaning {
    let code = match error {
        RunError::Departed(_) => STALE,
        RunError::Limit(_) => LIMIT,
        RunError::Reported(GuestError::Denied(_)) => NOT_GRANTED,
        RunError::Reported(GuestError::Timeout(_)) => NOT_READY,
        RunError::Reported(GuestError::Failed(_)) => FAILED,
        _ => ERROR,
    };
    match error {
        RunError::Limit(hit) => Meaning::from(code).hint(format!("raise it in the grant: {}", hit.line())),
        _ => code.into(),
    }
}

fn of_state(error: &StateError) -> Meaning {
    match error {
        StateError::Bundle(error) => of_fetch(error),
        StateError::Cluster(error) => of_cluster(error),
        StateError::Locked { name, .. } => Meaning::from(LOCKED).hint(format!("carnet unlock {name}")),
        StateError::Lost { name, .. } => Meaning::from(LOCKED).hint(format!("carnet status {name}")),
        StateError::Missing(_) => Meaning::from(ERROR).hint("carnet list"),
        _ => ERROR.into(),
    }
}

fn of_install(error: &install::Error) -> Meaning {
    match error {
        install::Error::Credential(_) => Meaning::from(ERROR).hint("name a credential set with `-c FILE`"),
        install::Error::Declined => Meaning::from(ERROR).hint("add `--yes` to confirm the change"),
        install::Error::Identity { source, missing } => of_identity(source, missing),
        install::Error::Parameters(_) => {
            Meaning::from(ERROR).hint("give them with `--param NAME=VALUE` or `-p FILE`")
        }
        install::Error::Powers { refused, .. } => of_powers(refused),
        install::Error::Held(held) => Meaning::from(NOT_READY).unready(held, install::MAX_SAID).hint(HELD),
        install::Error::Place { name, .. } => Meaning::from(ERROR).hint(format!("carnet status {name}")),
        install::Error::Exists(name) => Meaning::from(ERROR).hint(format!("carnet upgrade {name} REF")),
        install::Error::Run { source, refusal, denials, unready, .. } => {
            of_failed_run(source, refusal.as_deref(), denials).unready(unready, 0)
        }
        install::Error::SetUp(error) => of_run(error),
        install::Error::Replaces(_) => Meaning::from(ERROR).hint(REPLACE),
        install::Error::Shortfall(error) => of_shortfall(error),
        install::Error::State(error) => of_state(error),
        install::Error::Target(error) => of_target(error),
        install::Error::Stale(departures) => Meaning::from(STALE)
            .details(departures)
            .hint("make a new plan with `carnet plan`, and look at it"),
        install::Error::Unready(unready) => Meaning::from(NOT_READY)
            .unready(unready, install::MAX_SAID)
            .hint("wait longer with `--timeout`, or not with `--no-wait`"),
        _ => ERROR.into(),
    }
}

/// What a policy refuses is not trusted; what the operator refuses for this run is not granted.
fn of_powers(refused: &Refused) -> Meaning {
    let code = match refused.by {
        By::Operator => NOT_GRANTED,
        By::Policy(_) => NOT_TRUSTED,
    };
    let mut powers: Vec<_> = refused.powers.iter().take(MAX_POWERS).map(ToString::to_string).collect();
    let more = refused.powers.len() - powers.len();
    powers.extend((more > 0).then(|| format!("and {more} more")));
    Meaning::from(code).details(&powers).hint("carnet plan NAME REF")
}

/// Both ways forward: somebody else gives the rights, or the run has the caller's own.
fn of_identity(source: &cluster::Error, missing: &[String]) -> Meaning {
    match source {
        cluster::Error::Denied { .. } => Meaning::from(NO_RIGHTS).details(missing).hint(
            "hand an administrator what `carnet rbac NAME REF` prints and use `--identity own` under it, \
             or use `--identity own` with your own rights",
        ),
        _ => ERROR.into(),
    }
}

/// What the target refused says more than the component's word for it; the component may have handed it on, or not.
fn of_failed_run(source: &RunError, refusal: Option<&targets::Error>, denials: &[String]) -> Meaning {
    let run = of_run(source);
    let Some(refusal) = refusal else { return run.details(denials) };
    let told: Vec<String> =
        std::iter::once(format!("the target: {}", chain(refusal))).chain(denials.to_vec()).collect();
    let target = of_target(refusal);
    let decides = run.code == ERROR || target.code == NO_RIGHTS && run.code == NOT_GRANTED;
    if decides { target } else { run }.details(&told)
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::severity::Severity;
    use crate::digest::Digest;
    use crate::oci::OciError;
    use crate::plan::powers::Power;

    fn failure(error: impl Into<anyhow::Error>) -> Failure {
        Failure::of(&error.into())
    }

    #[test]
    fn each_stage_has_its_code() {
        let digest = Digest::of(b"");
        for (error, code) in [
            (anyhow::Error::from(Refusal::Unsigned(digest)), 10),
            (FetchError::Oci(OciError::Digest(digest.check(b"x").unwrap_err())).into(), 10),
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
    fn powers_that_a_policy_refuses_are_not_trusted_and_those_that_the_operator_refuses_not_granted() {
        let power = |n: usize| Power {
            severity: Severity::High,
            object: format!("Pod a/{n}"),
            what: "uses the network of its node".into(),
            rule: "x".into(),
            new: false,
        };
        for (by, code) in [(By::Policy("layout".into()), 10), (By::Operator, 11)] {
            let refused = Refused { by, refused: Severity::High, powers: (0..60).map(power).collect() };
            let meaning = of_powers(&refused);
            assert_eq!(meaning.code.number(), code);
            assert_eq!(meaning.details.len(), MAX_POWERS + 1);
            assert_eq!(meaning.details[0], "high: Pod a/0 uses the network of its node");
            assert_eq!(meaning.details[MAX_POWERS], "and 10 more");
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
        );
        assert_eq!(told.unready.len(), 1);
        let many: Vec<_> = std::iter::repeat_n(told.unready[0].clone(), 12).collect();
        let details = failure(install::Error::Unready(many)).details;
        let own = details.iter().filter(|line| line.ends_with("0 of 1 available"));
        assert_eq!(own.count(), 2, "what the message leaves out is told below it");
    }

    #[test]
    fn codes_are_listed_once_and_in_order() {
        let numbers: Vec<_> = CODES.iter().map(|(code, _)| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17]);
    }

    #[test]
    fn hostile_text_in_an_error_stays_on_its_line() {
        let failure = failure(Refusal::NoRule("\u{1b}[2J\nhint: trust me".into()));
        assert!(failure.message.contains("\\u{1b}[2J\\u{a}hint"), "{}", failure.message);
    }

    #[test]
    fn what_is_missing_comes_as_lines_of_its_own() {
        let failure = failure(Shortfall::Missing(vec!["--allow-reveal x".into()]));
        assert_eq!(failure.details, ["--allow-reveal x"]);
        assert!(failure.hint.is_some_and(|hint| hint.contains("grant new")));
    }
}
