//! What differs between a saved plan and one that is made now, in words: rights, parameters, credentials, calls to the host.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{Flow, HostCall};

/// The rights of roles: in which namespace (none: in the whole cluster), to what, and of which name.
type Rights = BTreeMap<(Option<String>, String, String), BTreeSet<String>>;

/// The rights that are needed now and were not, and the other way round, a line for each object or kind.
pub(super) fn rights(planned: &[Value], now: &[Value]) -> Vec<String> {
    if planned == now {
        return Vec::new();
    }
    let (planned, now) = (rights_of(planned), rights_of(now));
    let mut said = lacking(&now, &planned, "is needed now, and was not planned");
    said.extend(lacking(&planned, &now, "was planned, and is not needed now"));
    if said.is_empty() {
        said.push("the rights are the same, and the reasons for them are not".into());
    }
    said
}

/// The parameters that have another value.
pub(super) fn parameters(planned: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Vec<String> {
    let names: BTreeSet<_> = planned.keys().chain(now.keys()).collect();
    let differ = names.into_iter().filter(|name| planned.get(*name) != now.get(*name));
    differ.map(|name| format!("the parameter `{name}` has another value")).collect()
}

/// The credentials that go elsewhere.
pub(super) fn credentials(planned: &[Flow], now: &[Flow]) -> Vec<String> {
    let places = |flows: &[Flow]| -> BTreeSet<(String, String)> {
        let of =
            |flow: &Flow| flow.into.iter().map(|into| (flow.name.clone(), into.clone())).collect::<Vec<_>>();
        flows.iter().flat_map(of).collect()
    };
    let (planned, now) = (places(planned), places(now));
    let more =
        now.difference(&planned).map(|(name, into)| format!("the credential `{name}` would go into {into}"));
    let less = planned.difference(&now);
    more.chain(less.map(|(name, into)| format!("the credential `{name}` would not go into {into}"))).collect()
}

/// The functions of the host that are called more or less often.
pub(super) fn calls(planned: &[HostCall], now: &[HostCall]) -> Vec<String> {
    let counts = |calls: &[HostCall]| -> BTreeMap<String, u64> {
        calls.iter().map(|call| (format!("{} {}", call.interface, call.function), call.count)).collect()
    };
    let (planned, now) = (counts(planned), counts(now));
    let names: BTreeSet<_> = planned.keys().chain(now.keys()).collect();
    let count = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or_default();
    let differ = names.into_iter().filter(|name| count(&planned, name) != count(&now, name));
    let line = |name: &String| {
        format!(
            "{name} is called {} times, and {} times were planned",
            count(&now, name),
            count(&planned, name)
        )
    };
    differ.map(line).collect()
}

/// A line for each right of `all` that `known` does not have.
fn lacking(all: &Rights, known: &Rights, how: &str) -> Vec<String> {
    let nothing = BTreeSet::new();
    let rest = |(place, verbs): (&(Option<String>, String, String), &BTreeSet<String>)| {
        let verbs: Vec<_> = verbs.difference(known.get(place).unwrap_or(&nothing)).cloned().collect();
        let (namespace, resource, name) = place;
        let place = namespace.as_ref().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
        (!verbs.is_empty())
            .then(|| format!("the right to {} {resource}{name}{place} {how}", verbs.join(", ")))
    };
    all.iter().filter_map(rest).collect()
}

fn rights_of(roles: &[Value]) -> Rights {
    let mut rights = Rights::new();
    for role in roles {
        let namespace = role.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned);
        for rule in role.get("rules").and_then(Value::as_array).into_iter().flatten() {
            let names = match texts(rule, "resourceNames") {
                names if names.is_empty() => vec![" of any name".to_owned()],
                names => names.iter().map(|name| format!(" `{name}`")).collect(),
            };
            for resource in resources_of(rule) {
                for name in &names {
                    let place = (namespace.clone(), resource.clone(), name.clone());
                    rights.entry(place).or_default().extend(texts(rule, "verbs"));
                }
            }
        }
    }
    rights
}

/// The resource of a rule, as `resource.group`.
fn resources_of(rule: &Value) -> Vec<String> {
    let groups = texts(rule, "apiGroups");
    let of_group = |resource: &String| {
        let named = |group: &String| {
            if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") }
        };
        groups.iter().map(named).collect::<Vec<_>>()
    };
    texts(rule, "resources").iter().flat_map(of_group).chain(texts(rule, "nonResourceURLs")).collect()
}

fn texts(rule: &Value, member: &str) -> Vec<String> {
    let items = rule.get(member).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(namespace: Option<&str>, rules: &Value) -> Value {
        json!({ "kind": "Role", "metadata": { "namespace": namespace }, "rules": rules })
    }

    fn rule(group: &str, resource: &str, names: &[&str], verbs: &[&str]) -> Value {
        json!({ "apiGroups": [group], "resources": [resource], "resourceNames": names, "verbs": verbs })
    }

    #[test]
    fn rights_that_differ_are_named_one_by_one() {
        let planned =
            [role(Some("prod"), &json!([rule("apps", "deployments", &["a", "b"], &["get", "patch"])]))];
        let now = [
            role(Some("prod"), &json!([rule("apps", "deployments", &["a"], &["get", "patch", "delete"])])),
            role(None, &json!([rule("", "nodes", &[], &["list"])])),
        ];
        assert_eq!(
            rights(&planned, &now),
            [
                "the right to list nodes of any name is needed now, and was not planned",
                "the right to delete deployments.apps `a` in prod is needed now, and was not planned",
                "the right to get, patch deployments.apps `b` in prod was planned, and is not needed now",
            ]
        );
        assert!(rights(&planned, &planned).is_empty());
        let mut explained = planned.clone();
        explained[0]["metadata"]["annotations"] = json!({ "why": "x" });
        assert_eq!(rights(&planned, &explained).len(), 1, "no difference goes unsaid");
    }

    #[test]
    fn parameters_credentials_and_calls_that_differ_are_named_without_their_values() {
        let values = |value: Value| BTreeMap::from([("a".to_owned(), value), ("b".into(), json!("same"))]);
        let said = parameters(&values(json!("one")), &values(json!("two")));
        assert_eq!(said, ["the parameter `a` has another value"]);
        let flow = |into: &[&str]| {
            [Flow {
                name: "db".into(),
                into: into.iter().map(|it| (*it).into()).collect(),
                readers: Vec::new(),
            }]
        };
        assert_eq!(
            credentials(&flow(&["prod/Secret/a:x"]), &flow(&["prod/Secret/b:x"])),
            [
                "the credential `db` would go into prod/Secret/b:x",
                "the credential `db` would not go into prod/Secret/a:x"
            ]
        );
        let call =
            |count| [HostCall { interface: "carnet:kubernetes/get".into(), function: "get".into(), count }];
        assert_eq!(
            calls(&call(1), &call(3)),
            ["carnet:kubernetes/get get is called 3 times, and 1 times were planned"]
        );
        assert!(calls(&call(1), &call(1)).is_empty());
    }
}
