//! Reads members of objects that may have any shape: strings where maps belong, numbers where lists do.
//!
//! A member of the wrong shape is as good as none where it would give a power away that the server refuses anyhow, and
//! as good as switched on where it would take one: nothing here fails, and nothing is believed that is not written
//! plainly.

use serde_json::Value;

use crate::document::visible;

/// The most names in one sentence; the rest is counted.
const MAX_NAMES: usize = 5;

/// The longest name in a sentence, in characters.
const MAX_NAME: usize = 100;

/// The text at a JSON pointer.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// The items of the list at a JSON pointer; none where there is no list.
pub(super) fn items<'a>(value: &'a Value, pointer: &str) -> std::slice::Iter<'a, Value> {
    list_of(value.pointer(pointer)).iter()
}

/// The texts in the list at a JSON pointer.
pub(super) fn texts<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> {
    items(value, pointer).filter_map(Value::as_str)
}

/// The members of the map at a JSON pointer.
pub(super) fn members<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let map = value.pointer(pointer).and_then(Value::as_object);
    map.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// Whether a dangerous switch is on: everything but `false` and nothing at all counts.
pub(super) fn is_on(value: &Value, pointer: &str) -> bool {
    !matches!(value.pointer(pointer), None | Some(Value::Null | Value::Bool(false)))
}

/// Whether a safeguard is on: `true` alone counts.
pub(super) fn is_true(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer) == Some(&Value::Bool(true))
}

/// Whether a safeguard against something is there: `false` alone counts.
pub(super) fn is_false(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer) == Some(&Value::Bool(false))
}

/// Whether something is there at all.
pub(super) fn is_there(value: &Value, pointer: &str) -> bool {
    !matches!(value.pointer(pointer), None | Some(Value::Null))
}

/// Names for a sentence: a few of them, the rest counted.
pub(super) fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let mut names = names.into_iter();
    let shown: Vec<_> = names.by_ref().take(MAX_NAMES).map(|name| quoted(name.as_ref())).collect();
    match names.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A name, quoted for a sentence.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", cut(name, MAX_NAME))
}

/// A text made visible, and not longer than this.
pub(super) fn cut(text: &str, most: usize) -> String {
    // The truncated rest need not be made visible first.
    let shown = visible(&text.chars().take(most + 1).collect::<String>());
    if shown.chars().count() <= most {
        return shown;
    }
    shown.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn list_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_switch_of_the_wrong_shape_is_on_and_a_safeguard_off() {
        let value = json!({"a": "true", "b": false, "c": null, "d": true});
        let on: Vec<_> = ["/a", "/b", "/c", "/d", "/e"].iter().map(|at| is_on(&value, at)).collect();
        assert_eq!(on, [true, false, false, true, false]);
        assert!(!is_true(&value, "/a") && is_true(&value, "/d"));
        assert!(!is_false(&value, "/c") && is_false(&value, "/b"));
    }

    #[test]
    fn long_lists_and_names_are_cut_and_hostile_ones_made_visible() {
        let names: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        assert_eq!(listed(&names), "`0`, `1`, `2`, `3`, `4` and 4 more");
        assert_eq!(listed(["a\u{1b}[2Jb"]), "`a\\u{1b}[2Jb`");
        assert_eq!(cut(&"x".repeat(1000), 10), "xxxxxxxxx…");
        assert_eq!(cut("0123456789", 10), "0123456789");
    }
}
