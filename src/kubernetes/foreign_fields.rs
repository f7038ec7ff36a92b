//! The fields of an object that others hold beside one manager, from `metadata.managedFields`: a container, an extra port, an
//! extra key, a rule of a NetworkPolicy. A comparison of the manager's own fields does not see them.
//!
//! Who a manager is, it says itself, so its name decides nothing here.

use serde_json::Value;

use super::managed_fields::{Entry, KEYED, MEMBER, VALUED, children, entries, has_children, is_it, key};

/// The most fields of one object that are found: whoever can change it could add thousands.
const MAX_FIELDS: usize = 200;

/// How deep fields are looked for. The API server takes objects that are deeper than any type.
const MAX_DEPTH: usize = 64;

/// Annotations in which controllers of Kubernetes keep book, as prefixes: whatever stands there has no effect on the object.
const BOOKKEEPING: [&str; 7] = [
    "autoscaling.alpha.kubernetes.io/",
    "control-plane.alpha.kubernetes.io/",
    "deployment.kubernetes.io/",
    "deprecated.daemonset.template.generation",
    "kubectl.kubernetes.io/last-applied-configuration",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
];

/// A field that somebody else holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignField {
    /// The manager that holds it, as it calls itself.
    pub manager: String,
    /// Where it is: members by name, items by what tells them from others.
    pub path: Vec<Part>,
}

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The item of a list with this mark.
    Item(String),
    /// A member.
    Member(String),
}

/// The fields of an object that others hold and `manager` does not, as far as they are there. Fields of subresources, such as
/// the status, are none.
pub fn foreign_fields(live: &Value, manager: &str) -> Vec<ForeignField> {
    let (own, others): (Vec<_>, Vec<_>) = entries(live)
        .filter(|entry| !entry.is_of_subresource())
        .partition(|entry| entry.is_applied_by(manager));
    let own: Vec<_> = own.iter().filter_map(Entry::fields).collect();
    let mut found = Vec::new();
    for entry in &others {
        let manager = entry.text("manager").unwrap_or("unknown");
        let Some(held) = entry.fields() else { continue };
        let mut search = Search { manager, found: &mut found };
        search.below(held, &own, live, &mut Vec::new());
    }
    found.sort();
    found.dedup();
    found
}

/// The object without these fields.
pub fn without(live: &Value, fields: &[ForeignField]) -> Value {
    let mut bare = live.clone();
    for field in fields {
        remove(&mut bare, &field.path);
    }
    bare
}

/// A path as text: `/spec/ports[port=80,protocol="TCP"]`.
pub fn text(path: &[Part]) -> String {
    path.iter().fold(String::new(), |text, part| match part {
        Part::Member(name) => format!("{text}/{}", name.replace('~', "~0").replace('/', "~1")),
        Part::Item(mark) => format!("{text}[{}]", shown(mark)),
    })
}

/// The search through what one manager holds.
struct Search<'a> {
    manager: &'a str,
    found: &'a mut Vec<ForeignField>,
}

impl Search<'_> {
    fn below(&mut self, held: &Value, own: &[&Value], live: &Value, path: &mut Vec<Part>) {
        let Some(held) = children(held) else { return };
        for (mark, held) in held {
            let Some((part, there)) = part_of(mark, live) else { continue };
            let is_status = path.is_empty() && mark == "f:status";
            if is_status || self.found.len() >= MAX_FIELDS || path.len() >= MAX_DEPTH {
                continue;
            }
            let ours: Vec<_> = own.iter().filter_map(|own| own.get(mark)).collect();
            path.push(part);
            // A map that others have added is told member by member, an item as a whole.
            let is_item = !mark.starts_with(MEMBER);
            let is_theirs = ours.is_empty() && (is_item || !has_children(held) || !there.is_object());
            if is_theirs && !is_bookkeeping(path) {
                self.found.push(ForeignField { manager: self.manager.to_owned(), path: path.clone() });
            } else if !is_theirs && has_children(held) {
                self.below(held, &ours, there, path);
            }
            path.pop();
        }
    }
}

/// The part of a path that a mark stands for, and the value that is there. None: nothing is.
fn part_of<'a>(mark: &str, live: &'a Value) -> Option<(Part, &'a Value)> {
    if let Some(name) = mark.strip_prefix(MEMBER) {
        return Some((Part::Member(name.to_owned()), live.get(name)?));
    }
    let item = live.as_array()?.iter().find(|item| is_it(mark, item))?;
    Some((Part::Item(mark.to_owned()), item))
}

fn is_bookkeeping(path: &[Part]) -> bool {
    let member = |at: usize| match path.get(at) {
        Some(Part::Member(name)) => name.as_str(),
        _ => "",
    };
    let is_meant = |name: &str| BOOKKEEPING.iter().any(|known| name.starts_with(known));
    path.len() == 3 && member(0) == "metadata" && member(1) == "annotations" && is_meant(member(2))
}

fn remove(value: &mut Value, path: &[Part]) {
    match (path, value) {
        ([Part::Member(name)], Value::Object(members)) => drop(members.remove(name)),
        ([Part::Item(mark)], Value::Array(items)) => items.retain(|item| !is_it(mark, item)),
        ([Part::Member(name), rest @ ..], Value::Object(members)) => {
            members.get_mut(name).into_iter().for_each(|value| remove(value, rest));
        }
        ([Part::Item(mark), rest @ ..], Value::Array(items)) => {
            items.iter_mut().filter(|item| is_it(mark, item)).for_each(|item| remove(item, rest));
        }
        _ => {}
    }
}

fn shown(mark: &str) -> String {
    match key(mark) {
        Some(key) => key.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(","),
        None => mark.trim_start_matches(VALUED).trim_start_matches(KEYED).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const US: &str = "carnet/prod/web";

    fn live(mut object: Value, held: &[(&str, &str, Value)]) -> Value {
        let entry = |(manager, operation, fields): &(&str, &str, Value)| json!({ "manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields });
        object["metadata"]["managedFields"] = held.iter().map(entry).collect();
        object
    }

    fn found(live: &Value) -> Vec<String> {
        let fields = foreign_fields(live, US).into_iter();
        fields.map(|field| format!("{} {}", field.manager, text(&field.path))).collect()
    }

    fn deployment() -> Value {
        let spec = json!({ "hostNetwork": true, "containers": [{ "name": "web", "image": "a", "tty": true }, { "name": "x", "image": "b" }] });
        let ours = json!({ "f:metadata": { "f:annotations": { "f:own": {} } }, "f:spec": { "f:template": { "f:spec": {
            "f:containers": { "k:{\"name\":\"web\"}": { ".": {}, "f:name": {}, "f:image": {} } } } } } });
        let theirs = json!({ "f:metadata": { "f:annotations": { "f:deployment.kubernetes.io/revision": {}, "f:note": {} } },
            "f:spec": { "f:template": { "f:spec": { "f:hostNetwork": {}, "f:containers": {
                "k:{\"name\":\"web\"}": { ".": {}, "f:image": {}, "f:name": {}, "f:tty": {} },
                "k:{\"name\":\"x\"}": { ".": {}, "f:name": {}, "f:image": {} },
                "k:{\"name\":\"gone\"}": { ".": {}, "f:name": {} } } } } } });
        let annotations = json!({ "own": "1", "note": "2", "deployment.kubernetes.io/revision": "1" });
        let object = json!({ "metadata": { "name": "w", "annotations": annotations }, "spec": { "template": { "spec": spec } },
            "status": { "replicas": 1 } });
        live(object, &[(US, "Apply", ours), ("kubectl-edit", "Update", theirs)])
    }

    #[test]
    fn what_others_added_is_found_and_what_they_hold_with_us_is_not() {
        let expected = [
            "kubectl-edit /metadata/annotations/note",
            "kubectl-edit /spec/template/spec/containers[name=\"web\"]/tty",
            "kubectl-edit /spec/template/spec/containers[name=\"x\"]",
            "kubectl-edit /spec/template/spec/hostNetwork",
        ];
        let mut found = found(&deployment());
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn without_them_the_object_is_as_it_was() {
        let live = deployment();
        let bare = without(&live, &foreign_fields(&live, US));
        let spec = json!({ "containers": [{ "name": "web", "image": "a" }] });
        assert_eq!(bare["spec"]["template"]["spec"], spec);
        assert_eq!(bare["metadata"]["annotations"]["own"], "1");
        assert!(bare["metadata"]["annotations"].get("note").is_none());
    }

    #[test]
    fn extra_keys_ports_addresses_and_rules_are_found() {
        let ours = json!({ "f:spec": { "f:ports": { "k:{\"port\":80,\"protocol\":\"TCP\"}": { ".": {}, "f:port": {} } } } });
        let theirs = json!({ "f:spec": { "f:externalIPs": {}, "f:ports": {
            "k:{\"port\":22,\"protocol\":\"TCP\"}": { ".": {}, "f:port": {}, "f:protocol": {} } } } });
        let port = |port: u16| json!({ "port": port, "protocol": "TCP" });
        let service =
            json!({ "metadata": {}, "spec": { "externalIPs": ["1.2.3.4"], "ports": [port(80), port(22)] } });
        let service = live(service, &[(US, "Apply", ours), ("curl", "Update", theirs)]);
        assert_eq!(found(&service), ["curl /spec/externalIPs", "curl /spec/ports[port=22,protocol=\"TCP\"]"]);
        let ours = json!({ "f:spec": { "f:podSelector": {}, "f:policyTypes": {} } });
        let theirs = json!({ "f:spec": { "f:ingress": {} } });
        let policy = json!({ "metadata": {}, "spec": { "podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}] } });
        let policy = live(policy, &[(US, "Apply", ours), ("curl", "Update", theirs)]);
        assert_eq!(found(&policy), ["curl /spec/ingress"]);
        let theirs = json!({ "f:data": { ".": {}, "f:a": {}, "f:b": {} } });
        let map = json!({ "metadata": {}, "data": { "a": "1", "b": "2" } });
        assert_eq!(found(&live(map, &[("curl", "Update", theirs)])), ["curl /data/a", "curl /data/b"]);
    }

    #[test]
    fn subresources_and_the_status_are_no_part_of_it() {
        let mut object = live(
            json!({ "metadata": {}, "spec": { "replicas": 3 }, "status": { "x": 1 } }),
            &[
                ("scaler", "Update", json!({ "f:spec": { "f:replicas": {} } })),
                ("old", "Update", json!({ "f:status": { "f:x": {} } })),
            ],
        );
        assert_eq!(found(&object), ["scaler /spec/replicas"]);
        object["metadata"]["managedFields"][0]["subresource"] = "scale".into();
        assert_eq!(found(&object), Vec::<String>::new());
    }

    #[test]
    fn a_hostile_record_is_read_within_bounds() {
        let keys = (0..1000).map(|n| format!("f:k{n}"));
        let theirs = json!({ "f:data": keys.map(|key| (key, json!({}))).collect::<serde_json::Map<_, _>>() });
        let data = (0..1000).map(|n| (format!("k{n}"), json!("x"))).collect::<serde_json::Map<_, _>>();
        let many = live(json!({ "metadata": {}, "data": data }), &[("curl", "Update", theirs)]);
        assert_eq!(foreign_fields(&many, US).len(), MAX_FIELDS);
        for entries in [json!("x"), json!([1, null, {}]), json!([{ "fieldsV1": [1] }])] {
            let mut odd = json!({ "metadata": {} });
            odd["metadata"]["managedFields"] = entries;
            assert!(foreign_fields(&odd, US).is_empty());
        }
    }
}
