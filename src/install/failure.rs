//! Why an action was not carried out.

use std::sync::Arc;

use crate::bundle::claim::ResultStatus;
use crate::bundle::parameters::ParameterError;
use crate::capability;
use crate::cluster;
use crate::document::{self, slip};
use crate::grant::Shortfall;
use crate::host::progress::{LeftObject, LogEntry, Unready};
use crate::plan::powers::RefusedPowers;
use crate::plan::{HeldFields, Plan};
use crate::run::RunError;
use crate::state::StateError;
use crate::targets;
use crate::text::CommandLine;
use crate::verify::Unapproved;

/// Why an action was not carried out, by stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Objects that were recorded and not there when their removal was planned are there by now.
    #[error("these appeared while the rest was removed, and stay on record: {}", some(.0))]
    Appeared(Vec<String>),
    /// The operator stopped the run.
    #[error("the run was stopped")]
    Canceled,
    /// Fields of its objects belong to others, and nobody said that they are to be taken over.
    #[error("not without taking over what belongs to others: {}", held_text(.0))]
    Conflicts(Vec<HeldFields>),
    /// Credentials that the action needs were not given: the name of each, and its author's words.
    #[error("the bundle needs the credential{} {} for this action", if .0.len() == 1 { "" } else { "s" }, credentials_text(.0))]
    Credential(Vec<(String, String)>),
    /// The values of the credentials cannot be read.
    #[error(transparent)]
    Credentials(Arc<dyn std::error::Error + Send + Sync>),
    /// The plan was rejected.
    #[error("nothing was done: the plan was not confirmed")]
    Declined,
    /// The run lost its hold on the installation while it wrote as the caller.
    #[error(
        "what the run was just writing may still arrive, and whoever holds the installation now may not know of it"
    )]
    Displaced {
        /// How the hold was lost.
        source: StateError,
        /// The objects, one each.
        under_way: Vec<String>,
    },
    /// The installation is there already.
    #[error("the installation `{name}` is there already: {bundle} in {place}")]
    Exists {
        /// The installation.
        name: String,
        /// The bundle's name and version.
        bundle: String,
        /// Where it is.
        place: String,
    },
    /// Objects are being deleted, but finalizers delay it.
    #[error("not gone: {}", unready_text(.0))]
    Held(Vec<Unready>),
    /// No identity could be made for the run.
    #[error("no identity could be made for this run")]
    Identity {
        /// The first error.
        #[source]
        source: cluster::Error,
        /// Rights that the caller lacks, a line each.
        missing: Vec<String>,
    },
    /// Objects that were to be removed are still there, or may be.
    #[error("left in place, and still on record: {}", some(&left_texts(.0)))]
    Left(Vec<LeftObject>),
    /// Several things that the action needs are missing.
    #[error("{}; {}", document::chain(first), more.iter().map(|error| document::chain(error)).collect::<Vec<_>>().join("; "))]
    Missing {
        /// The one that decides about the exit code.
        first: Box<Self>,
        /// The others.
        more: Vec<Self>,
    },
    /// The name cannot be that of an installation.
    #[error(
        "`{0}` cannot name an installation: it must be a DNS label, as names of objects are made from it"
    )]
    Name(String),
    /// Files that a component reads are not those that were read when it was decided what to do.
    #[error("these files are not what they were, and what they held is not recorded: {}", some(.0))]
    OtherFiles(Vec<String>),
    /// The component did not set an output that it must set.
    #[error("the component did not set the output `{0}`")]
    Output(String),
    /// The parameters cannot be used.
    #[error("the parameters cannot be used: {}", join(&.0.0))]
    Parameters(ParameterError),
    /// The installation lives elsewhere.
    #[error("the installation `{name}` is in {recorded}, not in {asked}")]
    Place {
        /// The installation.
        name: String,
        /// Its namespace.
        namespace: String,
        /// Where it is.
        recorded: String,
        /// Where it was looked for.
        asked: String,
    },
    /// The powers of its objects are refused.
    #[error("what it installs could do too much")]
    Powers {
        /// The refused powers, and who refuses them.
        #[source]
        refused: RefusedPowers,
        /// The plan, to be looked at.
        plan: Box<Plan>,
    },
    /// Objects would have to be replaced, and that was not allowed.
    #[error("not without replacing what cannot be changed: {}", join(.0))]
    Replaces(Vec<String>),
    /// The requests cannot be used.
    #[error("the bundle's requests cannot be used")]
    Requests(#[from] capability::InvalidRequests),
    /// The run failed.
    #[error("the run failed")]
    Run {
        /// How it ended.
        #[source]
        source: RunError,
        /// The last refusal of the target.
        refusal: Option<Box<targets::Error>>,
        /// Calls that were not permitted, and files that could not be read, explained for the operator.
        denials: Vec<String>,
        /// Objects that were not ready, where that ended the run.
        unready: Box<[Unready]>,
        /// Each change that was made before it ended.
        done: Vec<String>,
        /// The component's log.
        log: Vec<LogEntry>,
    },
    /// The engine or the component could not be set up.
    #[error(transparent)]
    SetUp(RunError),
    /// The grant does not cover what is required.
    #[error(transparent)]
    Shortfall(#[from] Shortfall),
    /// The saved plan is stale.
    #[error("the plan no longer holds")]
    Stale {
        /// The differences, a line each.
        departures: Vec<String>,
        /// The command that makes a new one.
        again: CommandLine,
    },
    /// The state could not be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The target refused.
    #[error(transparent)]
    Target(#[from] targets::Error),
    /// Somebody else has to say yes to the plan.
    #[error(transparent)]
    Unapproved(#[from] Unapproved),
    /// The bundle has no such action.
    #[error(
        "the bundle has no action `{}` {}",
        document::visible(.action), slip::known(.action, .known.iter().map(String::as_str))
    )]
    UnknownAction {
        /// The action.
        action: String,
        /// The actions that it has.
        known: Vec<String>,
    },
    /// Objects did not become ready.
    #[error("not ready: {}", unready_text(.0))]
    Unready(Vec<Unready>),
    /// Going back after a failure would need an approval that nobody can give beforehand.
    #[error("`--rollback-on-failure` would carry out a plan of its own, which nobody can have approved")]
    WayBack(#[source] Unapproved),
}

impl Error {
    /// The error that decides about the exit code, where several things are missing.
    pub fn deciding(&self) -> &Self {
        match self {
            Self::Missing { first, .. } => first.deciding(),
            error => error,
        }
    }

    /// The result status of CNAB Claims.
    pub(super) fn status(&self) -> ResultStatus {
        if matches!(self, Self::Canceled) { ResultStatus::Canceled } else { ResultStatus::Failed }
    }

    /// The error and its causes, on one line. No stage puts a secret into its error.
    pub(super) fn summary(&self) -> String {
        let why = document::chain(self);
        match self {
            Self::Run { refusal, done, .. } => {
                let refusal =
                    refusal.as_ref().map(|refusal| format!("; the target: {}", document::chain(refusal)));
                let done = if done.is_empty() { "nothing".to_owned() } else { some(done) };
                format!("{why}{}; done before that: {done}", refusal.unwrap_or_default())
            }
            _ => why,
        }
    }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn some(names: &[String]) -> String {
    let more = names.len().checked_sub(MAX_SAID).filter(|more| *more > 0);
    let more = more.map(|more| format!("and {more} more"));
    names.iter().take(MAX_SAID).cloned().chain(more).collect::<Vec<_>>().join("; ")
}

fn left_texts(left: &[LeftObject]) -> Vec<String> {
    let stays = left.iter().filter(|left| left.stays);
    stays.map(|left| format!("{}: {}", left.object, left.why)).collect()
}

/// How many objects that are not ready an error names: a bundle may have hundreds.
pub const MAX_SAID: usize = 10;

fn held_text(held: &[HeldFields]) -> String {
    let text = |held: &HeldFields| format!("{} (fields: {})", held.object, held.fields.len());
    held.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn unready_text(rows: &[Unready]) -> String {
    let said = rows.iter().take(MAX_SAID).map(|row| format!("{}: {}", row.object, row.why));
    let more = rows.len().checked_sub(MAX_SAID).filter(|more| *more > 0);
    said.chain(more.map(|more| format!("and {more} more"))).collect::<Vec<_>>().join("; ")
}

/// The most of an author's words that are said about a credential, in characters.
const MAX_WORDS: usize = 200;

fn credentials_text(missing: &[(String, String)]) -> String {
    let one = |(name, words): &(String, String)| {
        let words = document::shortened(words, MAX_WORDS);
        let name = document::visible(name);
        if words.is_empty() { format!("`{name}`") } else { format!("`{name}` ({words})") }
    };
    missing.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::object::ObjectRef;

    fn unready(count: usize) -> Vec<Unready> {
        let object = |n: usize| ObjectRef {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: Some("prod".into()),
            name: format!("web-{n}"),
        };
        let row =
            |n| Unready { object: object(n), why: "no node".into(), failed: false, reasons: Vec::new() };
        (0..count).map(row).collect()
    }

    #[test]
    fn an_error_names_some_objects_and_counts_the_rest() {
        let text = Error::Unready(unready(1)).to_string();
        assert_eq!(text, "not ready: Pod prod/web-0: no node");
        let text = Error::Held(unready(MAX_SAID)).to_string();
        assert!(text.starts_with("not gone: Pod prod/web-0: no node; ") && !text.contains("more"), "{text}");
        let text = Error::Unready(unready(MAX_SAID + 3)).to_string();
        assert!(text.ends_with("Pod prod/web-9: no node; and 3 more"), "{text}");
    }

    #[test]
    fn one_who_stops_a_run_is_told_from_a_run_that_failed() {
        assert_eq!(Error::Canceled.status(), ResultStatus::Canceled);
        assert_eq!(Error::Declined.status(), ResultStatus::Failed);
        let refused = Error::SetUp(RunError::Link("no such function".into()));
        assert_eq!(refused.status(), ResultStatus::Failed);
        assert_eq!(refused.summary(), "the component cannot be linked: no such function");
    }
}
