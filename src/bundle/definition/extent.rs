//! How much a schema holds with all its references written out, as a validator would follow them.
//!
//! This is where a definition is kept from referring to itself or to anything outside it, and from being too large.

use serde_json::{Map, Value};

use super::{InvalidDefinition, weight};

/// How deep schemas may be nested once references are written out. Without it, a chain of references would use up the
/// stack.
const MAX_DEPTH: usize = 128;

/// How much text may be matched with patterns: the product of both, where a pattern counts for what it may take.
/// Without it, a text of a megabyte and a hundred patterns that are made for it would keep the host busy for hours.
pub(super) const MAX_MATCHING: usize = 2 << 20;

/// How much the values of all definitions together may be compared with, in units of [`MAX_WORK`](super::MAX_WORK).
/// Without it, thousands of values that each take almost as much as one may would keep the host busy for minutes.
pub(in crate::bundle) const MAX_WORK_TOGETHER: usize = 10_000_000;

/// How many parts of definitions are read, those that mean nothing and what is referred to included. Without it, thousands of
/// parameters could each have the same long definition read.
const MAX_READ: usize = 4_000_000;

/// How many values a definition compares others with, as often as its references lead to them.
const MAX_LITERALS: usize = 1_000_000;

/// How much it weighs that no two items of a list may be equal: few are compared each with each.
const UNIQUE: usize = 8;

/// Members of a schema that hold one schema.
const SCHEMA: [&str; 8] =
    ["additionalItems", "additionalProperties", "contains", "else", "if", "not", "propertyNames", "then"];
/// Members that hold a list of schemas. `items` holds one or many.
const SCHEMAS: [&str; 4] = ["allOf", "anyOf", "items", "oneOf"];
/// Members that map names to schemas. An entry of `dependencies` may also be a list of names.
const NAMED_SCHEMAS: [&str; 4] = ["definitions", "dependencies", "patternProperties", "properties"];

/// How much the definitions of one bundle may hold in total.
#[derive(Debug)]
pub(crate) struct Budget {
    schemas: usize,
    patterns: usize,
    /// The texts that may be matched with patterns, in units of [`Extent`].
    matching: usize,
    read: usize,
    literals: usize,
    work: usize,
}

/// The parts of a schema, with references written out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// How many schemas.
    pub(super) schemas: usize,
    /// How many patterns.
    pub(super) patterns: usize,
    /// How much there is that each part of a value may be compared with: values of an `enum`, required names.
    pub(super) literals: usize,
}

impl Extent {
    /// What checking a part of a value may take.
    pub(super) fn work(self) -> usize {
        self.schemas.saturating_add(self.literals)
    }
}

impl Budget {
    /// The parts of `schema`, which are taken from the budget.
    ///
    /// # Errors
    /// [`InvalidDefinition`] when it is more than is left, and for references that are not followed.
    pub(super) fn spend_on(&mut self, schema: &Value) -> Result<Extent, InvalidDefinition> {
        spend(&mut self.read, weight(schema))?;
        if has_inner_id(schema, true) {
            return Err(InvalidDefinition::Id);
        }
        let before = Extent { schemas: self.schemas, patterns: self.patterns, literals: self.literals };
        WrittenOut { root: schema, budget: self, open: Vec::new() }.visit(schema, 0)?;
        Ok(Extent {
            schemas: before.schemas - self.schemas,
            patterns: before.patterns - self.patterns,
            literals: before.literals - self.literals,
        })
    }

    /// A budget for another document, whose values share with others what is left for checking them.
    pub(crate) fn of_work(work: usize) -> Self {
        Self { work, ..Self::default() }
    }

    /// Notes what is left for checking values.
    pub(crate) fn leave(&mut self, work: usize) {
        self.work = work;
    }

    /// What is left for checking values.
    pub(crate) fn left(&self) -> usize {
        self.work
    }

    /// Takes the checking of a value from the budget; false where there is not enough left.
    pub(super) fn check_values(&mut self, work: usize) -> bool {
        let left = self.work.checked_sub(work);
        self.work = left.unwrap_or(0);
        left.is_some()
    }

    /// Takes matching from the budget; false where there is not enough left.
    pub(super) fn match_patterns(&mut self, work: usize) -> bool {
        let left = self.matching.checked_sub(work);
        self.matching = left.unwrap_or(0);
        left.is_some()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            schemas: 10_000,
            patterns: 300,
            matching: MAX_MATCHING,
            read: MAX_READ,
            literals: MAX_LITERALS,
            work: MAX_WORK_TOGETHER,
        }
    }
}

/// Visits a schema and everything that it refers to, as a validator would.
struct WrittenOut<'a, 'b> {
    root: &'a Value,
    budget: &'b mut Budget,
    /// The references that are being followed.
    open: Vec<&'a str>,
}

impl<'a> WrittenOut<'a, '_> {
    fn visit(&mut self, schema: &'a Value, depth: usize) -> Result<(), InvalidDefinition> {
        spend(&mut self.budget.schemas, 1)?;
        if depth > MAX_DEPTH {
            return Err(InvalidDefinition::Large);
        }
        let Value::Object(members) = schema else { return Ok(()) };
        if let Some(Value::String(reference)) = members.get("$ref") {
            // In draft-07, nothing beside a `$ref` counts.
            return self.follow(reference, depth);
        }
        self.check(members)?;
        children(schema).try_for_each(|(_, child)| self.visit(child, depth + 1))
    }

    fn follow(&mut self, reference: &'a str, depth: usize) -> Result<(), InvalidDefinition> {
        if self.open.contains(&reference) {
            return Err(InvalidDefinition::Recursive(reference.into()));
        }
        let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(&decoded(pointer)?));
        let target = target.ok_or_else(|| InvalidDefinition::Reference(reference.into()))?;
        self.open.push(reference);
        self.visit(target, depth + 1)?;
        self.open.pop();
        Ok(())
    }

    fn check(&mut self, members: &Map<String, Value>) -> Result<(), InvalidDefinition> {
        let named = members.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len);
        spend(&mut self.budget.patterns, named + usize::from(members.contains_key("pattern")))?;
        spend(&mut self.budget.literals, compared(members))?;
        if members.get("enum").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            return Err(InvalidDefinition::NoValues);
        }
        match members.get("writeOnly") {
            None | Some(Value::Bool(_)) => Ok(()),
            Some(_) => Err(InvalidDefinition::WriteOnly),
        }
    }
}

/// How much a part of a value is compared with by a schema, apart from the schemas inside.
fn compared(members: &Map<String, Value>) -> usize {
    let values = ["const", "enum", "required"].into_iter().filter_map(|name| members.get(name));
    let named = members.get("dependencies").and_then(Value::as_object).into_iter().flatten();
    let lists = named.map(|(_, list)| list).filter(|list| list.is_array());
    let unique = members.get("uniqueItems") == Some(&Value::Bool(true));
    values.chain(lists).map(weight).sum::<usize>() + if unique { UNIQUE } else { 0 }
}

fn spend(budget: &mut usize, amount: usize) -> Result<(), InvalidDefinition> {
    *budget = budget.checked_sub(amount).ok_or(InvalidDefinition::Large)?;
    Ok(())
}

/// The schemas directly inside a schema, each with the member that holds it.
pub(in crate::bundle) fn children(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = schema.as_object().into_iter().flatten();
    members.flat_map(|(name, value)| inside(name, value).map(move |child| (name.as_str(), child)))
}

fn inside<'a>(name: &str, value: &'a Value) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
    match value {
        Value::Array(items) if SCHEMAS.contains(&name) => Box::new(items.iter()),
        Value::Object(members) if NAMED_SCHEMAS.contains(&name) => {
            Box::new(members.values().filter(|value| !value.is_array()))
        }
        Value::Object(_) if SCHEMA.contains(&name) || name == "items" => Box::new(std::iter::once(value)),
        _ => Box::new(std::iter::empty()),
    }
}

/// Whether there is an `$id` below the root that is more than a name. Everything that looks like one counts, wherever
/// it stands: a reference might make a schema of it.
fn has_inner_id(value: &Value, root: bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| has_inner_id(item, false)),
        Value::Object(members) => {
            let moves = |id: &Value| id.as_str().is_some_and(|id| !id.starts_with('#'));
            (!root && members.get("$id").is_some_and(moves))
                || members.values().any(|value| has_inner_id(value, false))
        }
        _ => false,
    }
}

/// A JSON pointer from the fragment of a URI.
fn decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, after) => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}
