//! Failed calls: the component is told the kind of error, the operator the whole.

use crate::cluster;
use crate::grant::Denied;
use crate::kubernetes::kinds::Redefined;
use crate::kubernetes::manifest::InvalidManifest;
use crate::kubernetes::object::InvalidObjectRef;
use crate::targets;
use crate::targets::credentials::Misplaced;

use super::GuestError;

/// Why a call failed.
pub enum CallError {
    /// Not permitted. The component is told of the first, the operator of all.
    Denied(Denied, Vec<Denied>),
    /// An error that is returned to the component.
    Guest(GuestError),
    /// The run ends.
    Run(wasmtime::Error),
    /// The target refused. The component learns the kind of refusal, the operator the whole.
    Target(targets::Error),
    /// A file could not be read. The component learns the kind of error, the operator which path was tried, and why
    /// not.
    Unread {
        /// The error that is returned to the component.
        told: GuestError,
        /// The whole, for the operator.
        explained: String,
    },
}

impl CallError {
    /// Permits for all that a call is about, or each refusal.
    ///
    /// # Errors
    /// [`CallError::Denied`] when any of it is not permitted.
    pub(super) fn unless_denied<T>(
        decisions: impl Iterator<Item = Result<T, Denied>>,
    ) -> Result<Vec<T>, Self> {
        let (mut permitted, mut denied) = (Vec::new(), Vec::new());
        for decision in decisions {
            match decision {
                Ok(permit) => permitted.push(permit),
                Err(refusal) => denied.push(refusal),
            }
        }
        let mut denied = denied.into_iter();
        denied.next().map_or(Ok(permitted), |first| Err(Self::Denied(first, denied.collect())))
    }

    /// A call with invalid arguments.
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::Guest(GuestError::Invalid(text.into()))
    }

    /// The error that the component receives. None: the run ends.
    pub(super) fn told(&self) -> Option<GuestError> {
        match self {
            Self::Denied(denied, _) => Some(GuestError::Denied(denied.to_string())),
            Self::Guest(error) | Self::Unread { told: error, .. } => Some(error.clone()),
            Self::Run(_) => None,
            Self::Target(targets::Error::Cluster(cluster::Error::Displaced { .. })) => None,
            // A component that could go on would learn how long a credential is, by asking again.
            Self::Target(targets::Error::Misplaced(Misplaced::Large)) => None,
            Self::Target(error) => Some(told(error)),
        }
    }
}

impl From<Denied> for CallError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied, Vec::new())
    }
}

impl From<GuestError> for CallError {
    fn from(error: GuestError) -> Self {
        Self::Guest(error)
    }
}

impl From<Misplaced> for CallError {
    fn from(error: Misplaced) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<InvalidManifest> for CallError {
    fn from(error: InvalidManifest) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<InvalidObjectRef> for CallError {
    fn from(error: InvalidObjectRef) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<Redefined> for CallError {
    fn from(error: Redefined) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<targets::Error> for CallError {
    fn from(error: targets::Error) -> Self {
        Self::Target(error)
    }
}

impl From<wasmtime::Error> for CallError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Run(error)
    }
}

/// The kind of a target's refusal, without anything about the object's contents.
fn told(error: &targets::Error) -> GuestError {
    match error {
        targets::Error::Cluster(error) => told_of_cluster(error),
        targets::Error::Edited { object, .. }
        | targets::Error::Foreign { object, .. }
        | targets::Error::TakenOver { object, .. } => {
            GuestError::Conflict(format!("another owner holds {object}"))
        }
        targets::Error::Namesake { .. } => GuestError::Conflict("another owner holds the target".into()),
        targets::Error::Held { object, .. } => {
            GuestError::Timeout(format!("the target does not let go of {object}"))
        }
        targets::Error::Fields { object, .. } | targets::Error::Irreplaceable { object, .. } => {
            GuestError::Invalid(format!("the target does not accept {object}"))
        }
        targets::Error::Misplaced(misplaced) => GuestError::Invalid(misplaced.to_string()),
        targets::Error::Shared { object, .. } => {
            GuestError::Invalid(format!("the target has no place for {object}"))
        }
        targets::Error::Unrecoverable(error) => GuestError::Invalid(error.to_string()),
        targets::Error::Unreplaced(_, error) => told(error),
        _ => GuestError::Unavailable("the target cannot be used".into()),
    }
}

fn not_accepted(object: &dyn std::fmt::Display) -> GuestError {
    GuestError::Invalid(format!("the target does not accept {object}"))
}

fn told_of_cluster(error: &cluster::Error) -> GuestError {
    use cluster::Error as Refusal;
    match error {
        Refusal::Denied { object, .. } => GuestError::Denied(format!("the target refuses {object}")),
        Refusal::Changed(object) | Refusal::Conflict { object, .. } => {
            GuestError::Conflict(format!("another owner holds {object}"))
        }
        Refusal::NotFound(object) => GuestError::NotFound(object.clone()),
        Refusal::Immutable { object, .. }
        | Refusal::Invalid { object, .. }
        | Refusal::NoDependency { object, .. }
        | Refusal::Scope { object, .. } => not_accepted(object),
        Refusal::NoNamespace { object } | Refusal::Terminating { object } => not_accepted(object),
        Refusal::NoKind { api_version, kind } => {
            GuestError::Invalid(format!("the target has no kind {kind} in {api_version}"))
        }
        _ => GuestError::Unavailable("the target cannot be used".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_of(error: targets::Error) -> String {
        format!("{:?}", CallError::from(error).told())
    }

    #[test]
    fn a_component_learns_the_kind_of_a_refusal_and_not_what_is_there() {
        let object = || "apps/Deployment a/b".to_owned();
        let foreign = targets::Error::Foreign { object: object(), owner: Some("their/installation".into()) };
        let told = GuestError::Conflict("another owner holds apps/Deployment a/b".into());
        assert_eq!(told_of(foreign), format!("{:?}", Some(told)));
        let fields = vec!["/spec/selector".to_owned()];
        let immutable = cluster::Error::Immutable { object: object(), fields };
        let unreplaced = targets::Error::Unreplaced(object(), Box::new(immutable.into()));
        let told = GuestError::Invalid("the target does not accept apps/Deployment a/b".into());
        assert_eq!(told_of(unreplaced), format!("{:?}", Some(told)));
    }

    #[test]
    fn no_path_of_the_operators_is_told() {
        let error = targets::Error::Io("/home/operator/site".into(), std::io::ErrorKind::NotFound.into());
        let told = GuestError::Unavailable("the target cannot be used".into());
        assert_eq!(told_of(error), format!("{:?}", Some(told)));
    }

    #[test]
    fn what_ends_the_run_is_told_to_nobody() {
        assert!(CallError::Run(wasmtime::Error::msg("over")).told().is_none());
        let displaced = cluster::Error::Displaced { name: "web".into(), why: "it was unlocked".into() };
        assert!(CallError::from(targets::Error::from(displaced)).told().is_none());
        assert!(CallError::from(targets::Error::from(Misplaced::Large)).told().is_none());
    }
}
