//! Fields that others hold in objects of an installation, and what these objects can do by them.
//!
//! What they can do is found by the rules of [`powers`](super::powers): what an object can do as it is, and could not without
//! these fields.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::capability::severity::Severity;
use crate::kubernetes::foreign_fields::{self, ForeignField, Part};
use crate::kubernetes::object::ObjectRef;
use crate::targets::Change;

use super::powers::{ClusterContext, Coverage, Power, Powers};
use super::trace::ObjectChange;

/// Fields of one object that one manager holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForeignFields {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The field manager, as it calls itself.
    pub manager: String,
    /// The fields.
    pub fields: Vec<String>,
}

/// Fields that others hold in the objects of an installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreign {
    /// The fields, by object and manager.
    pub fields: Vec<ForeignFields>,
    /// The powers that the objects have by them, the worst first.
    pub powers: Vec<Power>,
}

impl Foreign {
    /// The fields of others than `manager` in these objects.
    pub fn of(objects: &[(&ObjectRef, &Value)], manager: &str) -> Self {
        let (mut fields, mut powers, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for (object, live) in objects.iter().copied() {
            let found = foreign_fields::foreign_fields(live, manager);
            if found.is_empty() {
                continue;
            }
            powers.extend(found.iter().filter_map(|field| container(object, field)));
            let before = foreign_fields::without(live, &found);
            rows.push(ObjectChange::bare(object.clone(), Change::Update, Some(before), Some(live.clone())));
            fields.extend(by_manager(object, found));
        }
        let by_rules = Powers::of(&rows, None, None, &ClusterContext::unknown(Coverage::NotAsked)).there;
        powers.extend(by_rules.into_iter().filter(|power| power.new));
        powers.sort_by_key(|power| std::cmp::Reverse(power.severity));
        Self { fields, powers }
    }

    /// Whether others hold nothing.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

fn by_manager(object: &ObjectRef, found: Vec<ForeignField>) -> Vec<ForeignFields> {
    let mut rows: Vec<ForeignFields> = Vec::new();
    for ForeignField { manager, path } in found {
        let path = foreign_fields::text(&path);
        match rows.last_mut().filter(|row| row.manager == manager) {
            Some(row) => row.fields.push(path),
            None => rows.push(ForeignFields { object: object.clone(), manager, fields: vec![path] }),
        }
    }
    rows
}

/// Whatever a container does, it does so with what its pod is given.
fn container(object: &ObjectRef, field: &ForeignField) -> Option<Power> {
    let [.., Part::Member(list), Part::Item(_)] = field.path.as_slice() else { return None };
    let is_one = ["containers", "ephemeralContainers", "initContainers"].contains(&list.as_str());
    is_one.then(|| Power {
        severity: Severity::High,
        object: object.to_string(),
        what: format!("runs a container that others added: {}", foreign_fields::text(&field.path)),
        rule: "foreign/container".into(),
        new: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const US: &str = "carnet/prod/web";

    fn live(spec: Value, theirs: Value) -> (ObjectRef, Value) {
        let entry = |manager: &str, operation: &str, fields: Value| json!({ "manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": { "f:spec": fields } });
        let ours =
            json!({ "f:containers": { "k:{\"name\":\"web\"}": { ".": {}, "f:name": {}, "f:image": {} } } });
        let metadata = json!({ "name": "web", "namespace": "prod",
            "managedFields": [entry(US, "Apply", ours), entry("kubectl-edit", "Update", theirs)] });
        let object = ObjectRef::new("v1", "Pod", Some("prod"), "web");
        (object, json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec }))
    }

    fn web() -> Value {
        json!({ "name": "web", "image": "a/b" })
    }

    fn foreign_in((object, live): &(ObjectRef, Value)) -> Foreign {
        Foreign::of(&[(object, live)], US)
    }

    #[test]
    fn what_others_added_is_told_by_manager_and_what_it_can_do_by_the_rules_of_powers() {
        let spec = json!({ "hostNetwork": true, "containers": [web(), { "name": "side", "image": "c/d" }] });
        let theirs = json!({ "f:hostNetwork": {}, "f:containers": { "k:{\"name\":\"side\"}": { ".": {}, "f:name": {} } } });
        let foreign = foreign_in(&live(spec, theirs));
        assert_eq!(foreign.fields.len(), 1);
        assert_eq!(foreign.fields[0].manager, "kubectl-edit");
        assert_eq!(foreign.fields[0].fields, ["/spec/containers[name=\"side\"]", "/spec/hostNetwork"]);
        let told: Vec<_> = foreign.powers.iter().map(|power| (power.severity, power.rule.as_str())).collect();
        assert!(told.contains(&(Severity::High, "foreign/container")), "{told:?}");
        assert!(told.contains(&(Severity::High, "pod-security/baseline/host-namespaces")), "{told:?}");
        assert!(told.is_sorted_by_key(|(severity, _)| std::cmp::Reverse(*severity)), "{told:?}");
    }

    #[test]
    fn what_the_object_could_do_before_is_not_told() {
        let spec = json!({ "hostNetwork": true, "containers": [web()], "hostname": "x" });
        let theirs = json!({ "f:hostname": {} });
        let foreign = foreign_in(&live(spec, theirs));
        assert_eq!(foreign.fields[0].fields, ["/spec/hostname"]);
        assert!(foreign.powers.is_empty(), "{:?}", foreign.powers);
        assert!(foreign_in(&live(json!({ "containers": [web()] }), json!({}))).is_empty());
    }
}
