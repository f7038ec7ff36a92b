//! How a change is carried out, whatever it is.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::capability::severity::Severity;
use crate::plan::Waits;
use crate::targets::{Overrides, Protected, Take};

/// How long a run waits for its target unless it is told otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(300);

/// How a change is carried out.
#[derive(Debug, Clone)]
pub struct ChangeOptions {
    /// Whether it is confirmed whatever the plan says, so that nobody is asked.
    pub confirmed: bool,
    /// What to wait for.
    pub waits: Waits,
    /// Whether to wait only where anything changes.
    pub waits_for_changes_only: bool,
    /// How long to wait for the target, in all.
    pub timeout: Duration,
    /// Guards that the operator overrides.
    pub overrides: Overrides,
    /// The severity of powers from which on the plan is refused.
    pub refuse_powers: Option<Severity>,
    /// Protected kinds that may be removed, although their contents are deleted with them.
    pub delete: BTreeSet<Protected>,
    /// Whether Secrets with generated credentials are kept when the installation goes.
    pub keep_credentials: bool,
    /// Fields and objects of others that are taken over, and no others.
    pub take: Vec<Take>,
    /// Who acts in a cluster.
    pub identity: Identity,
    /// The namespace of the account that acts, where its rights go beyond the installation's own. None: the usual one.
    pub identity_namespace: Option<String>,
}

/// Who acts in a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Identity {
    /// The caller, with all rights that the caller has.
    Own,
    /// An identity that is made for the run, with just the rights of its plan.
    #[default]
    Scoped,
}

impl Default for ChangeOptions {
    fn default() -> Self {
        Self {
            confirmed: false,
            waits: Waits::default(),
            waits_for_changes_only: false,
            timeout: TIMEOUT,
            overrides: Overrides::default(),
            refuse_powers: None,
            delete: BTreeSet::new(),
            keep_credentials: false,
            take: Vec::new(),
            identity: Identity::default(),
            identity_namespace: None,
        }
    }
}
