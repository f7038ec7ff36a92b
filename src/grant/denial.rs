//! Denials: what the component and the operator are told of an action that is not permitted, and why a run does not
//! start.

use std::fmt;

use crate::capability::{self, files};
use crate::digest::Digest;
use crate::text::CommandLine;

use super::spec::InvalidGrant;

/// One action that was not permitted. Its text is for the component, and is the same for every reason, so that trying
/// reveals nothing about the grant or about existing objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    pub(super) action: String,
    pub(super) reason: Reason,
    /// Whether it is part of what the bundle cannot do without.
    pub(super) is_required: bool,
}

/// Why an action was not permitted. For the operator alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing grants it.
    #[error("no grant allows it: {0}")]
    NotGranted(CommandLine),
    /// The bundle's author does not ask for it, so it cannot be granted.
    #[error("the bundle does not request it")]
    NotRequested,
    /// The action is declared not to modify anything.
    #[error("the bundle declares that this action modifies nothing")]
    ReadingOnly,
    /// The operator refuses it.
    #[error("a `deny` refuses it")]
    Refused,
}

/// Why a run does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Shortfall {
    /// `--approve` names another bundle.
    #[error("`--approve` names {approved}, and the bundle is {bundle}")]
    Approved {
        /// The digest that was approved.
        approved: Digest,
        /// The bundle's.
        bundle: Digest,
    },
    /// The plan does what is required and lies outside the granted part.
    #[error("the plan does more than is granted")]
    Exceeded(Vec<CommandLine>),
    /// Requests that are required and not granted: the grant of the last run was given to something else.
    #[error("the grant of the last run is not carried over, since {}", changes.join(", and "))]
    GivenToAnother {
        /// Each difference, as a clause.
        changes: Vec<String>,
        /// The requests, as flags that grant them.
        missing: Vec<CommandLine>,
    },
    /// The grant cannot be used.
    #[error("the grant cannot be used")]
    InvalidGrant(#[from] InvalidGrant),
    /// Requests that are required, and of which nothing is granted.
    #[error("the bundle requests what is not granted")]
    Missing(Vec<CommandLine>),
    /// A grant file for another bundle.
    #[error("the grant `{name}` is for the bundle {pinned}, and this one is {bundle}")]
    OtherBundle {
        /// The grant's name.
        name: String,
        /// The digest in it.
        pinned: Digest,
        /// The bundle's digest.
        bundle: Digest,
    },
    /// The requests cannot be used.
    #[error("the bundle's requests cannot be used")]
    Requests(#[from] capability::InvalidRequests),
    /// Requests that are required and not granted: the grant of the last run is recorded where others can write it.
    #[error("what was granted is recorded where others can write, so it has to be granted again")]
    Shared(Vec<CommandLine>),
    /// Imports that nothing here provides.
    #[error("the component imports what carnet does not provide: {}", .0.join(", "))]
    Unprovided(Vec<String>),
    /// Imports that the bundle does not request.
    #[error("the component imports what the bundle does not request: {}", .0.join(", "))]
    Unrequested(Vec<String>),
}

impl Shortfall {
    /// Whether requests are missing, which grants would mend.
    pub fn names_requests(&self) -> bool {
        matches!(self, Self::GivenToAnother { .. } | Self::Missing(_) | Self::Shared(_))
    }

    /// With a flag that is missing as well, where any is.
    #[must_use]
    pub fn with(mut self, flag: Option<CommandLine>) -> Self {
        if let Self::Missing(lines) = &mut self {
            lines.extend(flag);
        }
        self
    }
}

impl Denied {
    /// The denied action, with the reason: for the operator, never for the component.
    pub fn explained(&self) -> String {
        format!("{}: {}", self.action, self.reason)
    }

    /// Why it was not permitted.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// What would have permitted it, as a line, where the bundle requires it and only the grant leaves it out: a plan
    /// that does it is not to be carried out.
    pub fn beyond(&self) -> Option<CommandLine> {
        match &self.reason {
            Reason::NotGranted(line) if self.is_required => Some(line.clone()),
            Reason::Refused if self.is_required => {
                Some(CommandLine::of("# refused by deny:").quoted(&self.action))
            }
            _ => None,
        }
    }

    /// The denial for another action: `wait` is covered by `apply` or `get`, but `wait` is what the component called.
    pub(super) fn of(self, action: String) -> Self {
        Self { action, ..self }
    }

    pub(super) fn unbound(name: &str) -> Self {
        let reason = Reason::NotGranted(files::flag(name));
        Self { action: format!("read the file {name}"), reason, is_required: false }
    }

    pub(super) fn reading_only(action: String) -> Self {
        Self { action, reason: Reason::ReadingOnly, is_required: false }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not permitted: {}", self.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(reason: Reason, is_required: bool) -> Denied {
        Denied { action: "apply ConfigMap prod/web".into(), reason, is_required }
    }

    fn not_granted() -> Reason {
        Reason::NotGranted(CommandLine::of("--allow x"))
    }

    #[test]
    fn the_component_is_told_the_same_whatever_the_reason_and_the_operator_why() {
        for (reason, why) in [
            (not_granted(), "no grant allows it: --allow x"),
            (Reason::NotRequested, "the bundle does not request it"),
            (Reason::ReadingOnly, "the bundle declares that this action modifies nothing"),
            (Reason::Refused, "a `deny` refuses it"),
        ] {
            let denied = denied(reason.clone(), true);
            assert_eq!(denied.to_string(), "not permitted: apply ConfigMap prod/web", "{reason:?}");
            assert_eq!(denied.explained(), format!("apply ConfigMap prod/web: {why}"));
        }
    }

    #[test]
    fn only_what_the_bundle_requires_and_the_operator_left_out_stops_a_plan() {
        let beyond = |reason, is_required| denied(reason, is_required).beyond().map(|line| line.to_string());
        assert_eq!(beyond(not_granted(), true).as_deref(), Some("--allow x"));
        let refused = beyond(Reason::Refused, true).unwrap();
        assert!(
            refused.starts_with("# refused by deny:") && refused.contains("ConfigMap prod/web"),
            "{refused}"
        );
        for (reason, is_required) in [
            (not_granted(), false),
            (Reason::Refused, false),
            (Reason::NotRequested, true),
            (Reason::ReadingOnly, true),
        ] {
            assert_eq!(beyond(reason.clone(), is_required), None, "{reason:?} {is_required}");
        }
        assert_eq!(Denied::unbound("a").beyond(), None, "nobody can grant a file that has no path");
    }

    #[test]
    fn a_flag_is_added_to_lines_that_are_missing_and_to_nothing_else() {
        let flag = || Some(CommandLine::of("--dangerous-wildcards"));
        let lines = |shortfall: Shortfall| match shortfall {
            Shortfall::Missing(lines) | Shortfall::Shared(lines) => lines.len(),
            other => panic!("{other}"),
        };
        let one = || vec![CommandLine::of("--allow x")];
        assert_eq!(lines(Shortfall::Missing(one()).with(flag())), 2);
        assert_eq!(lines(Shortfall::Missing(one()).with(None)), 1);
        assert_eq!(lines(Shortfall::Shared(one()).with(flag())), 1);
    }

    #[test]
    fn grants_mend_what_is_missing_and_nothing_else() {
        let given = Shortfall::GivenToAnother { changes: Vec::new(), missing: Vec::new() };
        assert!(given.names_requests());
        assert!(
            Shortfall::Missing(Vec::new()).names_requests() && Shortfall::Shared(Vec::new()).names_requests()
        );
        let others = [
            Shortfall::Exceeded(Vec::new()),
            Shortfall::Unprovided(Vec::new()),
            Shortfall::Unrequested(Vec::new()),
        ];
        assert!(!others.iter().any(Shortfall::names_requests));
    }
}
