//! Reads the members of an untrusted document by type, and collects their faults.
//!
//! Reading goes on after a fault, so that authors hear of everything at once.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::definition::Budget;
use super::fault::{Fault, FaultSeverity, Purpose};
use super::is_graphic;

/// The most faults that are collected. Without it, a hostile document of a few megabytes would turn into an answer of
/// hundreds.
pub(super) const MAX_FAULTS: usize = 200;

/// The longest text of a fault, in characters.
pub(super) const MAX_TEXT: usize = 500;

/// How bad it is to break a rule.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weight {
    /// Better not; only the author hears of it.
    Advice,
    /// The author must repair it, readers are warned.
    Author,
    /// The author must repair it, to readers it means nothing.
    Form,
    /// An error: the bundle cannot be used.
    Must,
}

/// The members of one object, and where it is.
pub(super) struct Members<'a> {
    pub(super) at: String,
    pub(super) map: &'a Map<String, Value>,
}

/// Collects faults.
pub(super) struct Validator {
    pub(super) purpose: Purpose,
    pub(super) faults: Vec<Fault>,
    pub(super) refused: bool,
    /// The budget that is left for definitions.
    pub(super) budget: Budget,
}

impl Validator {
    pub(super) fn new(purpose: Purpose) -> Self {
        Self { purpose, faults: Vec::new(), refused: false, budget: Budget::default() }
    }

    /// This one, which has that much left for checking values.
    pub(super) fn within(self, work: usize) -> Self {
        Self { budget: Budget::of_work(work), ..self }
    }
}

impl Members<'_> {
    pub(super) fn below(&self, name: &str) -> String {
        below(&self.at, name)
    }
}

/// The values of JSON.
impl Validator {
    pub(super) fn fault(
        &mut self,
        weight: Weight,
        pointer: String,
        what: impl Into<String>,
        rule: &'static str,
    ) {
        let Some(severity) = self.severity(weight) else { return };
        self.keep(Fault { pointer: clip(pointer), what: clip(what.into()), rule, severity, line: None });
    }

    fn keep(&mut self, fault: Fault) {
        self.refused |= fault.is_error();
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        } else if fault.is_error() && !self.faults.iter().any(Fault::is_error) {
            // A refusal always says why, however many warnings came before.
            self.faults[MAX_FAULTS - 1] = fault;
        }
    }

    fn severity(&self, weight: Weight) -> Option<FaultSeverity> {
        match (weight, self.purpose) {
            (Weight::Must, _) | (Weight::Author | Weight::Form, Purpose::Lint) => Some(FaultSeverity::Error),
            (Weight::Author, Purpose::Read) | (Weight::Advice, Purpose::Lint) => Some(FaultSeverity::Warning),
            (Weight::Form | Weight::Advice, Purpose::Read) => None,
        }
    }

    pub(super) fn object<'a>(&mut self, at: String, value: &'a Value, known: &[&str]) -> Option<Members<'a>> {
        let members = self.map(at, value, "CNAB 101 #16")?;
        self.check_known(&members, known, Weight::Author, "CNAB 101 #17");
        Some(members)
    }

    /// Members that the specification does not know, and those without a value.
    pub(super) fn check_known(
        &mut self,
        members: &Members<'_>,
        known: &[&str],
        unknown: Weight,
        rule: &'static str,
    ) {
        for (name, value) in members.map {
            let pointer = members.below(name);
            if !known.contains(&name.as_str()) {
                let ignored = if matches!(unknown, Weight::Must) { "" } else { "; it is ignored" };
                let what = format!("is a member that CNAB does not know{ignored}");
                self.fault(unknown, pointer, what, rule);
            } else if value.is_null() {
                self.fault(Weight::Form, pointer, "is null and should be left out", rule);
            }
        }
    }

    /// Takes over the faults of a document that stands at this place inside another.
    pub(super) fn adopt(&mut self, at: &str, faults: Vec<Fault>) {
        for fault in faults {
            self.keep(Fault { pointer: clip(format!("{at}{}", fault.pointer)), ..fault });
        }
    }

    pub(super) fn map<'a>(
        &mut self,
        at: String,
        value: &'a Value,
        rule: &'static str,
    ) -> Option<Members<'a>> {
        match value {
            Value::Object(map) => Some(Members { at, map }),
            _ => {
                self.fault(Weight::Must, at, "must be an object", rule);
                None
            }
        }
    }

    pub(super) fn member<'a>(&self, members: &Members<'a>, name: &str) -> Option<&'a Value> {
        members.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn required<'a>(
        &mut self,
        members: &Members<'a>,
        name: &str,
        rule: &'static str,
    ) -> Option<&'a Value> {
        let value = self.member(members, name);
        if value.is_none() {
            self.fault(Weight::Must, members.below(name), "is missing", rule);
        }
        value
    }

    pub(super) fn text(&mut self, members: &Members<'_>, name: &str, rule: &'static str) -> Option<String> {
        let value = self.member(members, name)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.fault(Weight::Must, members.below(name), "must be a string", rule);
        }
        text
    }

    pub(super) fn required_text(
        &mut self,
        members: &Members<'_>,
        name: &str,
        rule: &'static str,
    ) -> Option<String> {
        self.required(members, name, rule)?;
        let text = self.text(members, name, rule)?;
        if text.is_empty() {
            self.fault(Weight::Must, members.below(name), "must not be empty", rule);
        }
        Some(text)
    }

    pub(super) fn description(&mut self, members: &Members<'_>) -> String {
        self.text(members, "description", "CNAB 101 #52").unwrap_or_default()
    }

    pub(super) fn flag(&mut self, members: &Members<'_>, name: &str, rule: &'static str) -> bool {
        let Some(value) = self.member(members, name) else { return false };
        value.as_bool().unwrap_or_else(|| {
            self.fault(Weight::Must, members.below(name), "must be true or false", rule);
            false
        })
    }

    pub(super) fn items<T>(
        &mut self,
        members: &Members<'_>,
        name: &str,
        rule: &'static str,
        mut read: impl FnMut(&mut Self, String, &Value) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.member(members, name)?;
        let pointer = members.below(name);
        let Value::Array(items) = value else {
            self.fault(Weight::Must, pointer, "must be an array", rule);
            return None;
        };
        let read = |(index, item)| read(self, format!("{pointer}/{index}"), item);
        Some(items.iter().enumerate().filter_map(read).collect())
    }

    pub(super) fn texts(
        &mut self,
        members: &Members<'_>,
        name: &str,
        rule: &'static str,
    ) -> Option<Vec<String>> {
        self.items(members, name, rule, |validator, at, item| {
            if !item.is_string() {
                validator.fault(Weight::Must, at, "must be a string", rule);
            }
            item.as_str().map(str::to_owned)
        })
    }

    /// The entries of a member that maps names to values of one kind.
    pub(super) fn entries<T>(
        &mut self,
        members: &Members<'_>,
        name: &str,
        rule: &'static str,
        mut read: impl FnMut(&mut Self, String, &str, &Value) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let Some(value) = self.member(members, name) else { return BTreeMap::new() };
        let Some(entries) = self.map(members.below(name), value, rule) else { return BTreeMap::new() };
        let mut result = BTreeMap::new();
        for (key, value) in entries.map {
            let at = entries.below(key);
            if !is_graphic(key) {
                self.fault(
                    Weight::Must,
                    at.clone(),
                    "must have a name of visible characters",
                    "CNAB 101 #68",
                );
            }
            if let Some(value) = read(self, at, key, value) {
                result.insert(key.clone(), value);
            }
        }
        result
    }
}

/// Names and texts of the document may be as long as the document, and a fault must not.
fn clip(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

pub(super) fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
