//! Predicts from `metadata.managedFields` whether a server-side apply would be a no-op, without a request.
//!
//! The server notes there which fields each field manager owns. Applying a body is a no-op if it has exactly the fields
//! that its manager owns, with the values that are there. The rules of types are not known here (defaults, other
//! spellings of a quantity, lists that are sets), so in doubt the answer is that it might change something, and a dry
//! run decides.

use serde_json::{Map, Value};

use crate::document;

/// The mark of a member in a set of fields.
pub(super) const MEMBER: &str = "f:";

/// The mark of an item that is known by some of its members.
pub(super) const KEYED: &str = "k:";

/// The mark of an item that is known by its value.
pub(super) const VALUED: &str = "v:";

/// Whether applying `body` as `manager` leaves the object as it is, its managers included. `false` means that it might
/// not.
pub fn is_unchanged(body: &Value, live: &Value, manager: &str) -> bool {
    let mut own = entries(live).filter(|entry| entry.is_applied_by(manager));
    let (Some(entry), None) = (own.next(), own.next()) else { return false };
    entry.text("apiVersion") == body.get("apiVersion").and_then(Value::as_str)
        && entry.text("fieldsType") == Some("FieldsV1")
        && entry.fields().is_some_and(|held| is_same(&managed(body), held, live))
}

/// Whether the field managers of two states of an object own the same fields, as far as `manager` is concerned.
pub fn is_held_alike(before: &Value, after: &Value, manager: &str) -> bool {
    let held = |object| {
        let own = entries(object).filter(|entry| entry.is_applied_by(manager));
        own.map(|entry| (entry.text("apiVersion"), entry.fields()))
    };
    held(before).eq(held(after))
}

/// All entries of an object, with that of `manager` under the version that `body` is written in. None: it is already,
/// or there is none.
pub fn carried_over(body: &Value, live: &Value, manager: &str) -> Option<Vec<Value>> {
    let version = body.get("apiVersion")?;
    let is_elsewhere =
        |entry: Entry<'_>| entry.is_applied_by(manager) && entry.0.get("apiVersion") != Some(version);
    entries(live).any(is_elsewhere).then(|| {
        let carried = |entry: Entry<'_>| {
            let mut carried = entry.0.clone();
            if is_elsewhere(entry) {
                carried["apiVersion"] = version.clone();
            }
            carried
        };
        entries(live).map(carried).collect()
    })
}

/// Whether somebody has applied a member of an object, rather than changed it in passing.
pub fn is_applied(object: &Value, path: &[&str]) -> bool {
    is_applied_by(object, path, |_| true)
}

/// Whether a manager of such a name has applied a member of an object.
pub fn is_applied_by(object: &Value, path: &[&str], is_meant: impl Fn(&str) -> bool) -> bool {
    let holds = |entry: Entry<'_>| {
        let held = |fields: &Value| {
            let member = |fields, name: &&str| Value::get(fields, format!("{MEMBER}{name}"));
            path.iter().try_fold(fields, member).is_some()
        };
        entry.text("operation") == Some("Apply")
            && entry.text("manager").is_some_and(&is_meant)
            && entry.fields().is_some_and(held)
    };
    entries(object).any(holds)
}

/// Whether a manager of such a name holds anything of an object.
pub fn has_manager(object: &Value, is_meant: impl Fn(&str) -> bool) -> bool {
    entries(object).any(|entry| entry.text("manager").is_some_and(&is_meant))
}

/// Whether somebody has written the status of an object.
pub fn has_status_of_somebody(object: &Value) -> bool {
    entries(object).any(|entry| entry.text("subresource") == Some("status"))
}

/// When an object was last written to, as the server notes it (RFC 3339).
pub fn last_written(object: &Value) -> Option<&str> {
    let made = object.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
    // These texts sort by themselves.
    entries(object).filter_map(|entry| entry.text("time")).chain(made).max()
}

/// The object after a server-side apply of `body` by `manager`, as far as that can be told here: its members over those
/// that are there, without those that only this manager held and that the body has no more.
pub fn merged(body: &Value, live: &Value, manager: &str) -> Value {
    let (own, others): (Vec<_>, Vec<_>) = entries(live)
        .filter(|entry| !entry.is_of_subresource())
        .partition(|entry| entry.is_applied_by(manager));
    let held =
        |entries: Vec<Entry<'_>>| entries.iter().filter_map(Entry::fields).cloned().collect::<Vec<_>>();
    let mut after = live.clone();
    merge(&mut after, body, &held(own), &held(others));
    after
}

/// One manager's entry.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a>(&'a Value);

impl<'a> Entry<'a> {
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    pub(super) fn fields(&self) -> Option<&'a Value> {
        self.0.get("fieldsV1")
    }

    pub(super) fn is_of_subresource(self) -> bool {
        self.text("subresource").is_some_and(|name| !name.is_empty())
    }

    pub(super) fn is_applied_by(self, manager: &str) -> bool {
        self.text("manager") == Some(manager)
            && self.text("operation") == Some("Apply")
            && !self.is_of_subresource()
    }
}

pub(super) fn entries(object: &Value) -> impl Iterator<Item = Entry<'_>> {
    object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten().map(Entry)
}

/// The part of a body that managers own: all but the members that identify the object.
fn managed(body: &Value) -> Value {
    let mut body = body.clone();
    if let Value::Object(members) = &mut body {
        members.retain(|name, _| !["apiVersion", "kind"].contains(&name.as_str()));
        if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
            metadata.retain(|name, _| !["name", "namespace", "uid"].contains(&name.as_str()));
            if metadata.is_empty() {
                members.remove("metadata");
            }
        }
    }
    body
}

/// The members of a set of fields, without the mark that the whole is held too.
pub(super) fn children(held: &Value) -> Option<impl Iterator<Item = (&String, &Value)>> {
    Some(held.as_object()?.iter().filter(|(name, _)| *name != "."))
}

pub(super) fn has_children(held: &Value) -> bool {
    children(held).is_some_and(|mut all| all.next().is_some())
}

fn is_same(body: &Value, held: &Value, live: &Value) -> bool {
    match body {
        // Null means different things to different types.
        Value::Null => false,
        // Owned as a whole.
        _ if !has_children(held) => body == live,
        Value::Object(members) => {
            let named = |(name, value): (&String, &Value)| {
                held.get(format!("{MEMBER}{name}"))
                    .is_some_and(|held| live.get(name).is_some_and(|live| is_same(value, held, live)))
            };
            children(held).is_some_and(|all| all.count() == members.len()) && members.iter().all(named)
        }
        Value::Array(items) => are_same(items, held, live),
        _ => false,
    }
}

/// Items are compared in the order in which they are there: another order is another object.
fn are_same(items: &[Value], held: &Value, live: &Value) -> bool {
    let (Some(held), Some(live)) = (children(held), live.as_array()) else { return false };
    let mut held: Vec<_> = held.collect();
    let mut rest = live.iter();
    for item in items {
        let mut known = held.iter().enumerate().filter(|(_, (mark, _))| is_item(mark, item));
        let (Some((at, (mark, fields))), None) = (known.next(), known.next()) else { return false };
        let whole = Value::Object(Map::new());
        let fields = if mark.starts_with(VALUED) { &whole } else { *fields };
        if !rest.by_ref().find(|there| is_it(mark, there)).is_some_and(|there| is_same(item, fields, there)) {
            return false;
        }
        held.remove(at);
    }
    held.is_empty()
}

/// Whether an item of a body is the one that a mark names. A member of the key that is left out has its default.
fn is_item(mark: &str, item: &Value) -> bool {
    match key(mark) {
        Some(key) => {
            key.iter().all(|(name, value)| item.get(name).is_none_or(|it| it == value))
                && key.keys().any(|name| item.get(name).is_some())
        }
        None => is_it(mark, item),
    }
}

/// Whether an item of an object is the one that a mark names.
pub(super) fn is_it(mark: &str, item: &Value) -> bool {
    match (key(mark), mark.strip_prefix(VALUED)) {
        (Some(key), _) => key.iter().all(|(name, value)| item.get(name) == Some(value)),
        (None, Some(text)) => document::json(text.as_bytes()).is_ok_and(|value| value == *item),
        (None, None) => false,
    }
}

pub(super) fn key(mark: &str) -> Option<Map<String, Value>> {
    match document::json(mark.strip_prefix(KEYED)?.as_bytes()) {
        Ok(Value::Object(key)) => Some(key),
        _ => None,
    }
}

fn merge(live: &mut Value, body: &Value, own: &[Value], others: &[Value]) {
    match (live, body) {
        (Value::Object(there), Value::Object(members)) if !is_whole(own, others) => {
            let is_left = |name: &String| {
                let mark = format!("{MEMBER}{name}");
                let holds = |all: &[Value]| all.iter().any(|held| held.get(&mark).is_some());
                members.contains_key(name) || !holds(own) || holds(others)
            };
            there.retain(|name, _| is_left(name));
            for (name, value) in members {
                let below = |all: &[Value]| -> Vec<Value> {
                    all.iter().filter_map(|held| held.get(format!("{MEMBER}{name}"))).cloned().collect()
                };
                merge(there.entry(name.clone()).or_insert(Value::Null), value, &below(own), &below(others));
            }
        }
        (Value::Array(there), Value::Array(items)) if is_keyed(own) || is_keyed(others) => {
            merge_items(there, items, own, others);
        }
        (live, body) => *live = body.clone(),
    }
}

fn merge_items(there: &mut Vec<Value>, items: &[Value], own: &[Value], others: &[Value]) {
    let below = |all: &[Value], item: &Value| -> Vec<Value> {
        let all = all.iter().filter_map(children).flatten();
        all.filter(|(mark, _)| is_item(mark, item)).map(|(_, held)| held.clone()).collect()
    };
    there.retain(|it| {
        let is_in_body = items.iter().any(|item| is_alike(item, it, own) || is_alike(item, it, others));
        is_in_body || below(own, it).is_empty() || !below(others, it).is_empty()
    });
    for item in items {
        match there.iter_mut().find(|it| is_alike(item, it, own) || is_alike(item, it, others)) {
            Some(it) => merge(it, item, &below(own, item), &below(others, item)),
            None => there.push(item.clone()),
        }
    }
}

/// Whether an item of a body and one of an object have a mark in common.
fn is_alike(item: &Value, there: &Value, held: &[Value]) -> bool {
    held.iter().filter_map(children).flatten().any(|(mark, _)| is_item(mark, item) && is_it(mark, there))
}

/// Whether somebody holds the value as a whole, so that it is replaced and not merged.
fn is_whole(own: &[Value], others: &[Value]) -> bool {
    let mut held = own.iter().chain(others).peekable();
    held.peek().is_some() && !held.any(has_children)
}

fn is_keyed(held: &[Value]) -> bool {
    let mut marks = held.iter().filter_map(children).flatten();
    marks.any(|(mark, _)| mark.starts_with(KEYED) || mark.starts_with(VALUED))
}

#[cfg(test)]
mod tests;
