//! What a component can call, in plain words, and what it cannot.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::component::{Imports, unversioned};
use crate::capability::functions::{INTERFACES, Interface, Provision, Risk, provision};

/// An interface that the binary imports, in plain words.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CallablePower {
    /// The interface.
    pub interface: String,
    /// Its functions that the binary names.
    pub functions: Vec<String>,
    /// How much they can do, in a word.
    pub danger: &'static str,
    /// The meaning of the functions in plain words.
    pub meaning: &'static str,
    /// How much they can do.
    #[serde(skip)]
    pub level: Risk,
}

/// Powers that no component has, since no host interface gives them.
const NEVER: [&str; 5] = [
    "reach the network",
    "open files that you did not hand to it",
    "read your environment variables",
    "tell the time",
    "start processes",
];

/// Powers of the host interfaces that the component imports, the most dangerous first.
pub(super) fn powers(imports: &Imports) -> Vec<CallablePower> {
    let mut powers: Vec<_> = provided(imports).collect();
    powers.sort_by(|a, b| (a.level, &a.interface).cmp(&(b.level, &b.interface)));
    powers
}

fn provided(imports: &Imports) -> impl Iterator<Item = CallablePower> {
    let power = |(name, functions): (&String, &BTreeSet<String>)| match provide(name, functions) {
        // An interface with types alone gives no power.
        Provision::Provided(interface) if !functions.is_empty() => {
            Some(CallablePower::of(name, functions, interface))
        }
        _ => None,
    };
    imports.0.iter().filter_map(power)
}

fn provide(name: &str, functions: &BTreeSet<String>) -> Provision {
    provision(name, functions.iter().map(String::as_str))
}

impl CallablePower {
    fn of(name: &str, functions: &BTreeSet<String>, interface: &Interface) -> Self {
        Self {
            interface: name.into(),
            functions: functions.iter().cloned().collect(),
            danger: word(interface.risk),
            meaning: interface.meaning,
            level: interface.risk,
        }
    }
}

fn word(danger: Risk) -> &'static str {
    match danger {
        Risk::Reveals => "reveals",
        Risk::Removes => "removes",
        Risk::Changes => "changes",
        Risk::Places => "places",
        Risk::Reads => "reads",
        Risk::None => "harmless",
    }
}

/// Powers that the component lacks, because its binary imports no function for them.
pub(super) fn cannot(imports: &Imports) -> Vec<String> {
    let called = |interface: &Interface| {
        imports.0.iter().any(|(name, calls)| unversioned(name) == interface.name && !calls.is_empty())
    };
    let uncalled = INTERFACES.iter().filter(|interface| !called(interface));
    uncalled.filter_map(|interface| interface.without).chain(NEVER).map(Into::into).collect()
}

pub(super) fn inert(imports: &Imports) -> Vec<(String, &'static str)> {
    let meaning = |(name, functions): (&String, &BTreeSet<String>)| match provide(name, functions) {
        Provision::Inert(meaning) => Some((name.clone(), meaning)),
        _ => None,
    };
    imports.0.iter().filter_map(meaning).collect()
}
