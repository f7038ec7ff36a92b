//! Reads CustomResourceDefinitions: the kinds that they bring, and how those will be served.

use serde_json::Value;

use super::object::{ObjectRef, is_label};
use super::resource::Resource;

/// The kind that a run's own definition brings, as `group/Kind`, and how it will be served. None for a definition that
/// no server would take: its names would lead elsewhere.
pub fn resource(definition: &Value) -> Option<(String, Resource)> {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
    let (group, plural) = (text("/spec/group")?, text("/spec/names/plural")?);
    if !is_label(plural) || text("/metadata/name")? != format!("{plural}.{group}") {
        return None;
    }
    let group_kind = format!("{group}/{}", text("/spec/names/kind")?);
    let namespaced = text("/spec/scope")? == "Namespaced";
    Some((group_kind, Resource { plural: plural.to_owned().into(), namespaced }))
}

/// The kinds that a definition brings, one for each version in which the server is to serve it.
pub fn served_kinds(definition: &Value) -> Vec<ObjectRef> {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
    let (Some(group), Some(kind)) = (text("/spec/group"), text("/spec/names/kind")) else {
        return Vec::new();
    };
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    versions
        .filter(|version| version.get("served") == Some(&Value::Bool(true)))
        .filter_map(|version| version.get("name")?.as_str())
        .map(|version| ObjectRef::new(format!("{group}/{version}"), kind, None, ""))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(name: &str, plural: &str) -> Value {
        json!({ "metadata": { "name": name }, "spec": {
            "group": "example.com", "scope": "Cluster", "names": { "kind": "Widget", "plural": plural },
            "versions": [{ "name": "v1", "served": true }, { "name": "v1beta1", "served": false }, { "name": "v2" }],
        } })
    }

    #[test]
    fn a_definition_whose_name_is_not_that_of_its_kind_brings_nothing() {
        let widgets = Resource { plural: "widgets".into(), namespaced: false };
        let read = |name: &str, plural: &str| resource(&definition(name, plural));
        assert_eq!(read("widgets.example.com", "widgets"), Some(("example.com/Widget".into(), widgets)));
        for (name, plural) in [("secrets.example.com", "widgets"), ("../a.example.com", "../a")] {
            assert_eq!(read(name, plural), None, "{name}");
        }
    }

    #[test]
    fn only_versions_that_are_to_be_served_are_waited_for() {
        let kinds = served_kinds(&definition("widgets.example.com", "widgets"));
        assert_eq!(kinds, [ObjectRef::new("example.com/v1", "Widget", None, "")]);
        assert_eq!(served_kinds(&json!({})), []);
    }
}
