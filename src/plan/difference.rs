//! The difference between two states of an object, as it may be shown: without what the server writes, and without a
//! value of a Secret.

use serde_json::Value;
use similar::TextDiff;

use crate::kubernetes::difference::without_bookkeeping;
use crate::kubernetes::metadata::{self, LAST_APPLIED, RECORD};
use crate::kubernetes::object::ObjectRef;
use crate::targets::credentials::Placements;

use super::redaction::{OTHER_VALUE, VALUE, made_of, redacted};

/// The manifest of an object as it may be shown: as the component wrote it, without values of Secrets.
pub(super) fn showable_manifest(object: &ObjectRef, body: &Value, placements: &Placements) -> Value {
    let body = body.clone();
    if object.is_secret() { redacted(body, |_, key, _| made_of(placements, key)) } else { body }
}

/// Two states of an object as they may be shown and compared: without what the server writes and values of Secrets.
pub(super) fn showable(
    object: &ObjectRef,
    before: Option<&Value>,
    after: Option<&Value>,
) -> (Option<Value>, Option<Value>) {
    let (before, after) = without_mark(before.map(comparable), after.map(comparable));
    if object.is_secret() { hidden(before, after) } else { (before, after) }
}

/// The difference between two states that may be shown, as a unified diff of YAML.
pub(super) fn difference(before: Option<&Value>, after: Option<&Value>) -> String {
    // A value that YAML cannot write is shown as JSON, never as nothing.
    let written = |value: &Value| serde_saphyr::to_string(value).unwrap_or_else(|_| format!("{value:#}\n"));
    let text = |value: Option<&Value>| value.map(written).unwrap_or_default();
    TextDiff::from_lines(text(before), text(after)).unified_diff().context_radius(3).to_string()
}

/// An object without what the server writes, and without copies of itself.
fn comparable(value: &Value) -> Value {
    let mut value = without_bookkeeping(value);
    if let Some(Value::Object(annotations)) = value.pointer_mut("/metadata/annotations") {
        annotations.remove(LAST_APPLIED);
    }
    value
}

/// Two states of an object without the mark of its record, which is another one each time a first installation is planned.
/// Where it changes, words say so.
fn without_mark(mut before: Option<Value>, mut after: Option<Value>) -> (Option<Value>, Option<Value>) {
    let mark = |state: &Option<Value>| state.as_ref().and_then(metadata::record).map(str::to_owned);
    let changes = before.is_some() && after.is_some() && mark(&before) != mark(&after);
    for (state, words) in [(&mut before, "(that of another state)"), (&mut after, "(that of this state)")] {
        let annotations = state.as_mut().and_then(|it| it.pointer_mut("/metadata/annotations"));
        let Some(Value::Object(annotations)) = annotations else { continue };
        if let Some(mark) = annotations.get_mut(RECORD) {
            *mark = words.into();
        }
        if !changes {
            annotations.remove(RECORD);
        }
    }
    (before, after)
}

/// Values of Secrets become words that tell only whether they differ.
fn hidden(before: Option<Value>, after: Option<Value>) -> (Option<Value>, Option<Value>) {
    let old = before.clone().unwrap_or_default();
    let changed = |member: &str, key: &str, value: &Value| {
        let same = old.get(member).and_then(|values| values.get(key)) == Some(value);
        if same { VALUE } else { OTHER_VALUE }.to_owned()
    };
    (before.map(|it| redacted(it, |_, _, _| VALUE.into())), after.map(|it| redacted(it, changed)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::changed_fields;

    fn secret() -> ObjectRef {
        ObjectRef::new("v1", "Secret", Some("a"), "b")
    }

    #[test]
    fn a_difference_never_shows_a_value_of_a_secret() {
        let before = json!({"data": {"same": "c2FtZQ==", "other": "b25l"},
            "metadata": {"annotations": {LAST_APPLIED: "b25l"}}});
        let after = json!({"data": {"same": "c2FtZQ==", "other": "dHdv", "new": "bmV3"}, "metadata": {"annotations": {}}});
        let (before, after) = showable(&secret(), Some(&before), Some(&after));
        let diff = difference(before.as_ref(), after.as_ref());
        for value in ["c2FtZQ==", "b25l", "dHdv", "bmV3"] {
            assert!(!diff.contains(value), "{diff}");
        }
        assert!(diff.contains("-  other: (a value)") && diff.contains("+  other: (another value)"), "{diff}");
    }

    #[test]
    fn a_manifest_is_shown_as_it_was_written_and_that_of_a_secret_without_values() {
        let body = json!({"kind": "ConfigMap", "data": {"b": "1", "a": "2"}});
        let config = ObjectRef::new("v1", "ConfigMap", Some("a"), "b");
        assert_eq!(showable_manifest(&config, &body, &Placements::new()), body);
        let placements = [("b".to_owned(), ["db".to_owned()].into_iter().collect())].into();
        let shown = showable_manifest(&secret(), &body, &placements);
        assert_eq!(shown["data"], json!({"a": VALUE, "b": "(with the credential `db`)"}));
    }

    #[test]
    fn the_mark_of_a_record_is_no_part_of_a_plan_and_words_say_that_it_changes() {
        let config = ObjectRef::new("v1", "ConfigMap", Some("a"), "b");
        let with = |mark: Option<&str>| json!({"metadata": {"annotations": {"a": "b", RECORD: mark}}});
        let shown = |before: Option<Value>, after: Option<Value>| {
            let (before, after) = showable(&config, before.as_ref(), after.as_ref());
            difference(before.as_ref(), after.as_ref())
        };
        let made = shown(None, Some(with(Some("directory/1"))));
        assert_eq!(made, shown(None, Some(with(Some("directory/2")))));
        assert!(made.contains("a: b") && !made.contains(RECORD), "{made}");
        assert!(!shown(Some(with(Some("directory/1"))), None).contains(RECORD));
        let same = with(Some("directory/1"));
        assert_eq!(shown(Some(same.clone()), Some(same)), "");
        let bare = json!({"metadata": {"annotations": {"a": "b"}}});
        for (before, expected) in [
            (bare, "+    carnet.dev/record: (that of this state)"),
            (with(Some("cluster/2")), "-    carnet.dev/record: (that of another state)"),
        ] {
            let diff = shown(Some(before), Some(with(Some("directory/1"))));
            assert!(diff.contains(expected) && !diff.contains("directory/1"), "{diff}");
        }
    }

    #[test]
    fn what_the_server_writes_is_no_difference() {
        let before =
            json!({"metadata": {"name": "b", "uid": "1", "resourceVersion": "2"}, "status": {"x": 1}});
        let after =
            json!({"metadata": {"name": "b", "uid": "1", "resourceVersion": "3"}, "status": {"x": 2}});
        let (before, after) = showable(&secret(), Some(&before), Some(&after));
        assert_eq!(difference(before.as_ref(), after.as_ref()), "");
        assert!(changed_fields::between(before.as_ref(), after.as_ref()).is_empty());
    }
}
