//! Conditions: reads an object's readiness from its status conditions, and writes them for people.

use serde_json::Value;

use crate::document;

use super::Readiness::{self, NotReady, Ready};

pub(super) fn unseen() -> Readiness {
    NotReady("its controller has not seen the change yet".into())
}

/// Ready when the condition says `True`.
pub(super) fn required(object: &Value, name: &str) -> Readiness {
    match condition(object, name) {
        Some(found) => said(object, found, name),
        None => NotReady(format!("it has no condition `{name}` yet")),
    }
}

/// Ready when the condition says `True`, or when there is none.
pub(super) fn required_if_said<'a>(object: &'a Value, name: &'static str) -> impl FnOnce() -> Readiness + 'a {
    move || condition(object, name).map_or(Ready, |found| said(object, found, name))
}

pub(super) fn said(object: &Value, found: &Value, name: &str) -> Readiness {
    match status_of(found) {
        Some("True") if is_stale(object, found) => unseen(),
        Some("True") => Ready,
        status => NotReady(because(
            &format!("`{name}` is {}", shown(status.unwrap_or("missing"))),
            text(found, "/message").filter(|text| !text.is_empty()).or_else(|| text(found, "/reason")),
        )),
    }
}

/// Whether a condition is about an earlier generation of its object.
pub(super) fn is_stale(object: &Value, condition: &Value) -> bool {
    let generation = number(object, "/metadata/generation");
    number(condition, "/observedGeneration").zip(generation).is_some_and(|(seen, now)| seen < now)
}

pub(super) fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    all.iter().find(|it| text(it, "/type") == Some(name))
}

pub(super) fn is_true(object: &Value, name: &str) -> bool {
    condition(object, name).and_then(status_of) == Some("True")
}

pub(super) fn status_of(condition: &Value) -> Option<&str> {
    text(condition, "/status")
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

pub(super) fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer)?.as_i64()
}

pub(super) fn because(what: &str, why: Option<&str>) -> String {
    match why {
        Some(why) if !why.is_empty() => format!("{what}: {}", shown(why)),
        _ => what.to_owned(),
    }
}

/// Messages of controllers are shown to people and go into errors: on one line, and of limited length.
pub(crate) fn shown(text: &str) -> String {
    document::visible_line(text).chars().take(300).collect()
}
