//! A rule as a document or a flag writes it, before its placeholders are filled.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rule, Verb};
use crate::capability::InvalidScope;
use crate::capability::grammar::Grammar;
use crate::capability::pattern::Pattern;
use crate::capability::template::{Names, outline, outlines};
use crate::document::visible;
use crate::kubernetes::resource;

/// Some verbs on some objects, as a document writes it: its texts may still hold `${…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// The verbs.
    pub verbs: Vec<Verb>,
    /// `group/Kind`, or a bare kind for the core group.
    pub kinds: Vec<String>,
    /// Namespaces. Left out for objects that live outside namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Names of objects.
    pub names: Vec<String>,
}

impl RuleText {
    /// Reads `VERBS:KIND:NAMESPACE/NAME`, or `VERBS:KIND:NAME` for objects outside namespaces; several verbs with
    /// commas between them. Patterns and placeholders stay as they are until the names of an installation are known.
    ///
    /// # Errors
    /// [`InvalidScope`] with the part that cannot be used.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let form = || InvalidScope::Form(text.into());
        let (verbs, rest) = text.split_once(':').ok_or_else(form)?;
        let (kind, object) = rest.split_once(':').ok_or_else(form)?;
        let (namespaces, name) = match object.split_once('/') {
            Some((namespace, name)) => (vec![namespace.to_owned()], name),
            None => (Vec::new(), object),
        };
        let verbs = verbs.split(',').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { verbs, kinds: vec![kind.into()], namespaces, names: vec![name.into()] })
    }

    /// The rule with any value in the place of its placeholders.
    ///
    /// # Errors
    /// [`InvalidScope`] for a placeholder that is none.
    pub(in crate::capability) fn outlined(&self) -> Result<Self, InvalidScope> {
        // A placeholder may stand for a kind.
        let kind = |text: &String| outline(text, if text.starts_with("${") { "example.com/X" } else { "x" });
        Ok(Self {
            verbs: self.verbs.clone(),
            kinds: self.kinds.iter().map(kind).collect::<Result<_, _>>()?,
            namespaces: outlines(&self.namespaces)?,
            names: outlines(&self.names)?,
        })
    }

    /// The rule with its placeholders filled, as a text.
    ///
    /// # Errors
    /// [`InvalidScope`] with the placeholder that cannot be filled.
    pub fn filled(&self, names: &Names) -> Result<Self, InvalidScope> {
        let fill = |texts: &[String]| -> Result<Vec<String>, InvalidScope> {
            texts.iter().map(|text| Ok(names.fill(text)?)).collect()
        };
        Ok(Self {
            verbs: self.verbs.clone(),
            kinds: fill(&self.kinds)?,
            namespaces: fill(&self.namespaces)?,
            names: fill(&self.names)?,
        })
    }

    /// Leaves out kinds that live elsewhere than the rule is for, if others live there: they would cover nothing, and
    /// the rest is meant. Whoever writes a rule is told.
    pub(in crate::capability) fn leave_out_misplaced(&mut self) {
        let has_namespaces = !self.namespaces.is_empty();
        let fits = |kind: &String| {
            split(kind, resource::builtin).is_none_or(|resource| resource.namespaced == has_namespaces)
        };
        if self.kinds.iter().any(fits) {
            self.kinds.retain(fits);
        }
    }

    /// Fills the placeholders.
    ///
    /// # Errors
    /// [`InvalidScope`] with the text that cannot be used.
    pub fn resolve(&self, names: &Names) -> Result<Rule, InvalidScope> {
        let rule = Rule::of(
            self.verbs.iter().copied().collect(),
            kinds(&self.kinds, names)?,
            patterns(&self.namespaces, names, Grammar::Namespace)?,
            patterns(&self.names, names, Grammar::Object)?,
        )?;
        check_scope(&rule.kinds, !rule.namespaces.is_empty())?;
        Ok(rule)
    }
}

impl fmt::Display for RuleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verbs = self.verbs.iter().map(Verb::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "{verbs} {}", self.kinds.join(", "))?;
        if self.namespaces.is_empty() {
            f.write_str(" outside namespaces")?;
        } else {
            write!(f, " in {}", self.namespaces.join(", "))?;
        }
        write!(f, " named {}", self.names.join(", "))
    }
}

/// Reads kinds. One that is known, and written in another way than the API writes it, would cover nothing: what is
/// requested or granted by it could not be used, and what is denied by it would be allowed.
fn kinds(texts: &[String], names: &Names) -> Result<BTreeSet<Pattern>, InvalidScope> {
    texts.iter().map(|text| kind(&names.fill(text)?)).collect()
}

/// Checks that kinds live where a rule is for: in a namespace, or outside. Elsewhere it would cover nothing of them.
fn check_scope(kinds: &BTreeSet<Pattern>, has_namespaces: bool) -> Result<(), InvalidScope> {
    for kind in kinds {
        let Pattern::Exact(text) = kind else { continue };
        match split(text, resource::builtin).map(|resource| resource.namespaced) {
            Some(true) if !has_namespaces => return Err(InvalidScope::InNamespaces(text.clone())),
            Some(false) if has_namespaces => return Err(InvalidScope::OutsideNamespaces(text.clone())),
            _ => {}
        }
    }
    Ok(())
}

/// Reads `group/Kind` or a bare kind, perhaps with a `*` at its end. One that names nothing is refused, with the right
/// spelling where it can be told.
///
/// # Errors
/// [`InvalidScope`] with that.
pub fn kind_pattern(text: &str) -> Result<Pattern, InvalidScope> {
    kind(text)
}

/// Reads the name of a namespace, perhaps with a `*` at its end.
///
/// # Errors
/// [`InvalidScope`] for a text that names none.
pub fn namespace_pattern(text: &str) -> Result<Pattern, InvalidScope> {
    Grammar::Namespace.pattern(text)
}

/// Reads a kind. One that is only spelled wrongly is told first: the grammar could not say how it is written.
fn kind(text: &str) -> Result<Pattern, InvalidScope> {
    let meant = match Pattern::parse(text)? {
        Pattern::Exact(text) => split(&text, resource::misspelt).or_else(|| split(&text, resource::nearest)),
        Pattern::Prefix(text) => split(&text, resource::misspelt_start),
    };
    if let Some(kind) = meant {
        return Err(InvalidScope::Kind { text: visible(text), kind });
    }
    let pattern = Grammar::Kind.pattern(text)?;
    if is_served(&pattern) { Ok(pattern) } else { Err(InvalidScope::NoKind(visible(text))) }
}

/// Whether somebody may serve a kind of this name.
fn is_served(kinds: &Pattern) -> bool {
    match kinds {
        Pattern::Exact(text) => split(text, |group, kind| {
            !resource::is_reserved(group) || resource::builtin(group, kind).is_some()
        }),
        Pattern::Prefix(text) => match text.split_once('/') {
            Some((group, start)) => resource::may_begin(Some(group), start),
            None => resource::may_begin(None, text),
        },
    }
}

fn split<T>(text: &str, of: fn(&str, &str) -> T) -> T {
    let (group, kind) = text.split_once('/').unwrap_or(("", text));
    of(group, kind)
}

/// Fills the placeholders of texts, and reads them as patterns.
///
/// # Errors
/// [`InvalidScope`] with the text that cannot be used.
pub(in crate::capability) fn patterns(
    texts: &[String],
    names: &Names,
    grammar: Grammar,
) -> Result<BTreeSet<Pattern>, InvalidScope> {
    texts.iter().map(|text| grammar.pattern(&names.fill(text)?)).collect()
}
