//! Powers that an operator or a policy refuses.

use crate::capability::severity::Severity;

use super::power::Power;

/// Why a plan is not carried out: what it installs could do too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", told(.by, *.refused, .powers))]
pub struct RefusedPowers {
    /// Who refuses it.
    pub by: By,
    /// The severity from which on it is refused.
    pub refused: Severity,
    /// The refused powers.
    pub powers: Vec<Power>,
}

/// Who refuses powers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// The operator, for this run.
    Operator,
    /// The trust policy, by the rule of this scope.
    Policy(String),
}

impl RefusedPowers {
    /// Refuses powers from this severity on.
    pub(super) fn check(there: &[Power], by: By, refused: Severity) -> Result<(), Self> {
        let powers: Vec<_> = there.iter().filter(|power| power.severity >= refused).cloned().collect();
        if powers.is_empty() { Ok(()) } else { Err(Self { by, refused, powers }) }
    }
}

fn told(by: &By, refused: Severity, powers: &[Power]) -> String {
    let who = match by {
        By::Operator => "`--refuse-powers`".to_owned(),
        By::Policy(rule) => format!("rule `{rule}` of the trust policy"),
    };
    let count = match powers.len() {
        1 => "there is 1".to_owned(),
        count => format!("there are {count}"),
    };
    format!("{who} refuses powers of severity {refused} and above, and {count}")
}
