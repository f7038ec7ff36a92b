//! Compares a manifest with the fields that its kind has, as an API server does before it looks at what they say.
//!
//! The kinds are those of Kubernetes itself, in one version of it. Their fields were read from a server of that version
//! (`tests/cluster/fields.rs` writes `schema.txt`, and compares it with the server). What a field may hold beyond its type is for
//! the server to say, and so are the kinds of others.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::document::slip::nearest;
use crate::document::visible;

/// The most faults of one manifest that are told.
const MAX_FAULTS: usize = 20;

/// The version of Kubernetes, then a line for each kind, an empty line, and a line for each type with its fields.
const TEXT: &str = include_str!("fields/schema.txt");

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::read(TEXT));

/// How the fields of a manifest compare with those of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fields {
    /// They are all there, and of their types.
    Declared,
    /// The kind is not one of Kubernetes itself, or not in this version of its API.
    Unchecked,
    /// Some are not: each with its place, as a server names it.
    Undeclared(Vec<String>),
}

/// The types of all fields.
struct Schema {
    version: &'static str,
    /// The type of each kind, by API version and kind.
    kinds: HashMap<(&'static str, &'static str), &'static str>,
    types: HashMap<&'static str, HashMap<&'static str, &'static str>>,
}

/// The version of Kubernetes whose fields these are, such as `1.36`.
pub fn version() -> &'static str {
    SCHEMA.version
}

/// Compares a manifest with the fields of its kind.
pub fn compare(manifest: &Value) -> Fields {
    let text = |name| manifest.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(of) = SCHEMA.kinds.get(&(text("apiVersion"), text("kind"))) else { return Fields::Unchecked };
    let mut faults = Vec::new();
    SCHEMA.check(of, manifest, "", &mut faults);
    if faults.is_empty() { Fields::Declared } else { Fields::Undeclared(faults) }
}

impl Schema {
    fn read(text: &'static str) -> Self {
        let mut lines = text.lines();
        let version = lines.next().unwrap_or_default();
        let kinds = lines.by_ref().map_while(|line| {
            let mut words = line.split(' ');
            Some(((words.next().filter(|word| !word.is_empty())?, words.next()?), words.next()?))
        });
        let kinds = kinds.collect();
        let fields =
            |words: std::str::Split<'static, char>| words.filter_map(|word| word.split_once('=')).collect();
        let types = lines.filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, fields(words)))
        });
        Self { version, kinds, types: types.collect() }
    }

    /// A null stands for a field that is not there, whatever its type.
    fn check(&self, of: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
        if faults.len() >= MAX_FAULTS || value.is_null() {
            return;
        }
        match (of.split_once(':'), value) {
            (Some(("list", of)), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.check(of, item, &format!("{at}[{index}]"), faults);
                }
            }
            (Some(("map", of)), Value::Object(members)) => {
                for (name, value) in members {
                    self.check(of, value, &format!("{at}.{}", visible(name)), faults);
                }
            }
            (Some((collection, _)), _) => {
                faults.push(format!("{at}: expected {collection}, got {}", word(value)));
            }
            (None, _) => self.check_plain(of, value, at, faults),
        }
    }

    fn check_plain(&self, of: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
        let fits = match of {
            "any" => true,
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "scalar" => value.is_number() || value.is_string(),
            "string" => value.is_string(),
            _ => return self.check_members(of, value, at, faults),
        };
        if !fits {
            let expected = if of == "scalar" { "string or number" } else { of };
            faults.push(format!("{at}: expected {expected}, got {}", word(value)));
        }
    }

    fn check_members(&self, of: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
        let Some(fields) = self.types.get(of) else { return };
        let Value::Object(members) = value else {
            return faults.push(format!("{at}: expected map, got {}", word(value)));
        };
        for (name, value) in members {
            let place = format!("{at}.{}", visible(name));
            match fields.get(name.as_str()) {
                Some(of) => self.check(of, value, &place, faults),
                None if faults.len() < MAX_FAULTS => {
                    let meant = nearest(name, fields.keys().copied());
                    let meant = meant.map(|meant| format!("; is `{meant}` meant?")).unwrap_or_default();
                    faults.push(format!("{place}: field not declared in schema{meant}"));
                }
                None => return,
            }
        }
    }
}

fn word(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "list",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(_) => "number",
        Value::Object(_) => "map",
        Value::String(_) => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(spec: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
    }

    fn faults(manifest: &Value) -> Vec<String> {
        match compare(manifest) {
            Fields::Undeclared(faults) => faults,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_type_that_is_named_is_there() {
        let known = |of: &str| {
            let plain = of.rsplit(':').next().unwrap();
            ["any", "boolean", "integer", "number", "scalar", "string"].contains(&plain)
                || SCHEMA.types.contains_key(plain)
        };
        for (at, fields) in &SCHEMA.types {
            for (name, of) in fields {
                assert!(known(of), "{at}.{name}: {of}");
            }
        }
        assert!(SCHEMA.kinds.len() > 60 && SCHEMA.kinds.values().all(|of| known(of)));
        assert!(version().starts_with("1."), "{}", version());
    }

    #[test]
    fn what_every_kind_has_is_declared() {
        let spec = json!({
            "replicas": 2, "paused": null, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{
                "name": "web", "image": "x", "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
                "livenessProbe": {"httpGet": {"port": "http", "path": "/"}},
            }]}},
        });
        assert_eq!(compare(&deployment(spec)), Fields::Declared);
    }

    #[test]
    fn misspelt_fields_and_wrong_types_are_told_by_their_place() {
        let container = json!({"name": "web", "imagePulPolicy": "Always", "ports": {"containerPort": 80}});
        let spec =
            json!({"replica": 2, "minReadySeconds": "5", "template": {"spec": {"containers": [container]}}});
        assert_eq!(
            faults(&deployment(spec)),
            [
                ".spec.minReadySeconds: expected integer, got string",
                ".spec.replica: field not declared in schema; is `replicas` meant?",
                ".spec.template.spec.containers[0].imagePulPolicy: field not declared in schema; is `imagePullPolicy` meant?",
                ".spec.template.spec.containers[0].ports: expected list, got map",
            ]
        );
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": 1}, "data": {"a": true}, "dat": {}});
        let mut found = faults(&map);
        found.sort_unstable();
        assert_eq!(
            found,
            [
                ".dat: field not declared in schema; is `data` meant?",
                ".data.a: expected string, got boolean",
                ".metadata.name: expected string, got number",
            ]
        );
    }

    #[test]
    fn other_kinds_are_not_checked_and_the_answer_is_short() {
        let other =
            json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spek": {}});
        assert_eq!(compare(&other), Fields::Unchecked);
        let old = json!({"apiVersion": "apps/v1beta1", "kind": "Deployment"});
        assert_eq!(compare(&old), Fields::Unchecked);
        let data: serde_json::Map<_, _> = (0..1000).map(|n| (format!("\u{1b}{n}"), json!(1))).collect();
        let many = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
        assert_eq!(faults(&many).len(), MAX_FAULTS);
        assert!(faults(&many)[0].starts_with(".data.\\u{1b}0: expected string"));
    }
}
