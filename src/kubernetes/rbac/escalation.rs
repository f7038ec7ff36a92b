//! Privilege escalation prevention: the rights that writing and binding roles takes.
//!
//! The API server lets nobody give what they do not hold. Who writes a role must hold its rules (or may `escalate` it);
//! who writes a binding must hold the rules of its role (or may `bind` it). Holding the rules is by far the lesser
//! right: `escalate` on a role together with changing it would be every right there is.

use std::fmt;

use serde_json::Value;

use crate::kubernetes::api::{self, RBAC};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::manifest::is_gathering;
use crate::kubernetes::object::ObjectRef;

use super::Rights;
use super::rule::{ApiVerb, PolicyRule};
use super::scope::RoleScope;

/// One way in which rights are handed on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Escalation {
    /// A role is bound whose rules nobody knows at that moment: the run does not write it, or does so afterwards.
    Bind {
        /// The role.
        role: ObjectRef,
        /// The binding.
        binding: ObjectRef,
    },
    /// A ClusterRole is written whose rules are gathered from others, so nobody can hold them beforehand.
    Escalate {
        /// The ClusterRole.
        role: ObjectRef,
    },
    /// A role is written: the run must hold its rules.
    HandOn {
        /// The role.
        role: ObjectRef,
    },
}

impl fmt::Display for Escalation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { role, binding } => {
                write!(f, "{} hands on {}, whatever its rules are", named(binding), named(role))
            }
            Self::Escalate { role } => {
                write!(f, "{} gathers rules of other roles, whatever they are", named(role))
            }
            Self::HandOn { role } => write!(f, "{} hands its rules on", named(role)),
        }
    }
}

impl Rights {
    /// Adds what writing a role takes beyond the verbs on it. The server judges what the role was as well.
    pub fn hands_on(&mut self, role: &ObjectRef, before: Option<&Value>, after: &Value, kinds: &Kinds) {
        if is_gathering(after) || before.is_some_and(is_gathering) {
            self.uses(role, kinds, &[ApiVerb::Escalate], "its rules are gathered from other roles");
            self.escalations.insert(Escalation::Escalate { role: role.clone() });
        } else if self.holds_rules(role, after) {
            self.escalations.insert(Escalation::HandOn { role: role.clone() });
        }
    }

    /// Adds the rules of a role, which somebody who writes it or a binding of it has to hold. False: it has none.
    pub fn holds_rules(&mut self, role: &ObjectRef, body: &Value) -> bool {
        let rules: Vec<_> =
            body.get("rules").and_then(Value::as_array).into_iter().flatten().map(PolicyRule::read).collect();
        if rules.is_empty() {
            return false;
        }
        let held = self.scopes.entry(RoleScope::of(role)).or_default();
        for rule in rules {
            held.handed_on.entry(rule).or_default().insert(format!("handed on by {}", named(role)));
        }
        true
    }

    /// Adds what writing a binding takes beyond the verbs on it, where the rules of its role are not known.
    pub fn binds(&mut self, binding: &ObjectRef, role: ObjectRef, kinds: &Kinds) {
        // The server asks for the right where the binding is, also for a role that lives outside namespaces.
        let place = ObjectRef { namespace: binding.namespace.clone(), ..role.clone() };
        let why = format!("{} hands it on", named(binding));
        self.uses(&place, kinds, &[ApiVerb::Bind], &why);
        self.escalations.insert(Escalation::Bind { role, binding: binding.clone() });
    }
}

/// The role that a binding names.
pub fn bound(binding: &ObjectRef, body: &Value) -> Option<ObjectRef> {
    let text = |name: &str| body.pointer("/roleRef")?.get(name)?.as_str().map(str::to_owned);
    let kind = text("kind")?;
    let namespace = if kind == "Role" { binding.namespace.as_deref() } else { None };
    Some(ObjectRef::new(api::v1(RBAC), &*kind, namespace, text("name")?))
}

/// `Role prod/web`, without the group that all of them have.
fn named(object: &ObjectRef) -> String {
    match &object.namespace {
        Some(namespace) => format!("{} {namespace}/{}", object.kind, object.name),
        None => format!("{} {}", object.kind, object.name),
    }
}
