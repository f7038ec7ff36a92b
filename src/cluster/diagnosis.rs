//! Diagnosis of an object that does not become ready: the states of its pods, and the events about it and them.
//!
//! Nobody knows the names of pods and events beforehand, so no right by name covers them. They are read with the
//! caller's own identity, for the caller's eyes: nothing of this ever reaches a component. A pod or event that the
//! caller may not read is left out: a missing diagnosis is no error.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kubernetes::api::{STORAGE, v1};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::path;
use crate::kubernetes::readiness::{Beside, Readiness, readiness, shown};
use crate::text::url::percent_encoded;

use super::request::ApiRequest;
use super::server::Server;

/// The most pods, and the most events, that are asked for.
const MAX_ASKED: usize = 200;

/// The most pods that are told of, and the most events.
const MAX_TOLD: usize = 3;

/// A pod that is not ready.
struct Pod {
    name: String,
    uid: String,
    why: String,
}

/// A warning that somebody raised.
struct Event {
    /// The UID of the object that it is about.
    about: String,
    /// The last time, as text: RFC 3339 sorts by itself.
    time: String,
    text: String,
}

/// Tells why `found`, which `object` names, is not ready: a line for each reason, the newest warnings first. Empty
/// where no reason can be known.
pub(crate) async fn diagnosis(caller: &Server, object: &ObjectRef, found: &Value) -> Vec<String> {
    let Some(namespace) = &object.namespace else { return Vec::new() };
    let pods = pods_of(caller, object, found, namespace).await;
    let warnings = warnings(caller, found, &pods, namespace).await;
    let pods = pods.iter().take(MAX_TOLD).map(|pod| format!("pod {}: {}", pod.name, pod.why));
    pods.chain(warnings).collect()
}

/// Whether claims of a storage class get a volume once a pod uses them. False where the caller may not know.
pub(crate) async fn binds_with_pod(caller: &Server, class: &str) -> bool {
    let list = path::of_list(&v1(STORAGE), "storageclasses", None);
    let request = ApiRequest::get(format!("{list}/{}", percent_encoded(class)));
    let Ok(response) = caller.send(&request).await else { return false };
    response.text_at("/volumeBindingMode").as_deref() == Some("WaitForFirstConsumer")
}

/// The pods of a workload that are not ready.
async fn pods_of(caller: &Server, object: &ObjectRef, found: &Value, namespace: &str) -> Vec<Pod> {
    let Some(selector) = selector(found) else { return Vec::new() };
    let query = format!("labelSelector={}", percent_encoded(&selector));
    let pods = list(caller, namespace, "pods", &query).await;
    pods.iter().filter(|pod| is_owned(pod, object, found)).filter_map(Pod::unready).collect()
}

/// The newest warnings about an object and its pods, each text once.
async fn warnings(caller: &Server, found: &Value, pods: &[Pod], namespace: &str) -> Vec<String> {
    let query = format!("fieldSelector={}", percent_encoded("type=Warning"));
    let mut events: Vec<_> =
        list(caller, namespace, "events", &query).await.iter().filter_map(Event::of).collect();
    let own = text(found, "/metadata/uid");
    events.retain(|event| own == Some(&*event.about) || pods.iter().any(|pod| pod.uid == event.about));
    events.sort_by(|one, other| other.time.cmp(&one.time));
    let mut said = BTreeSet::new();
    events.retain(|event| said.insert(event.text.clone()));
    events.into_iter().take(MAX_TOLD).map(|event| event.text).collect()
}

/// Objects of a namespace that the caller may list.
async fn list(caller: &Server, namespace: &str, plural: &str, query: &str) -> Vec<Value> {
    let url = format!("{}?{query}&limit={MAX_ASKED}", path::of_list("v1", plural, Some(namespace)));
    let Ok(response) = caller.send(&ApiRequest::get(url)).await else { return Vec::new() };
    let list = response.json().ok().filter(|_| response.status.is_success());
    match list.as_ref().and_then(|list| list.get("items")) {
        Some(Value::Array(items)) => items.clone(),
        _ => Vec::new(),
    }
}

impl Pod {
    fn unready(pod: &Value) -> Option<Self> {
        let (Readiness::NotReady(why) | Readiness::Failed(why)) = readiness(&typed(pod), &Beside::default())
        else {
            return None;
        };
        Some(Self {
            name: shown(text(pod, "/metadata/name")?),
            uid: text(pod, "/metadata/uid")?.to_owned(),
            why,
        })
    }
}

/// The items of a list do not say what they are.
fn typed(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if let Value::Object(members) = &mut pod {
        members.extend([("apiVersion".into(), "v1".into()), ("kind".into(), "Pod".into())]);
    }
    pod
}

impl Event {
    fn of(event: &Value) -> Option<Self> {
        let about = |member: &str| text(event, &format!("/involvedObject/{member}"));
        let time =
            ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]
                .iter()
                .find_map(|pointer| text(event, pointer))?;
        let count = event.pointer("/series/count").or_else(|| event.get("count")).and_then(Value::as_u64);
        let times = count.filter(|count| *count > 1).map(|count| format!(" ({count} times)"));
        let what = match (about("kind")?, about("name")?) {
            ("Pod", name) => format!("pod {}, ", shown(name)),
            _ => String::new(),
        };
        Some(Self {
            about: about("uid")?.to_owned(),
            time: time.to_owned(),
            text: format!(
                "{what}event {}{}: {}",
                shown(text(event, "/reason")?),
                times.unwrap_or_default(),
                shown(text(event, "/message")?.trim())
            ),
        })
    }
}

/// The pods of a workload as a selector in a query. A selector of nothing would select everything.
fn selector(workload: &Value) -> Option<String> {
    let selector = workload.pointer("/spec/selector")?.as_object()?;
    let is_plain = workload.get("kind").and_then(Value::as_str) == Some("ReplicationController");
    let labels =
        if is_plain { Some(selector) } else { selector.get("matchLabels").and_then(Value::as_object) };
    let labels =
        labels.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    let listed = if is_plain { None } else { selector.get("matchExpressions").and_then(Value::as_array) };
    let terms: Vec<_> = labels.chain(listed.into_iter().flatten().filter_map(expression)).collect();
    if terms.is_empty() { None } else { Some(terms.join(",")) }
}

fn expression(expression: &Value) -> Option<String> {
    let key = text(expression, "/key")?;
    let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
    let values = values.filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    match text(expression, "/operator")? {
        "DoesNotExist" => Some(format!("!{key}")),
        "Exists" => Some(key.to_owned()),
        "In" => Some(format!("{key} in ({values})")),
        "NotIn" => Some(format!("{key} notin ({values})")),
        _ => None,
    }
}

/// Whether a pod is one of a workload's own: a selector may match those of others. A Deployment's are made by a replica
/// set of its name.
fn is_owned(pod: &Value, object: &ObjectRef, found: &Value) -> bool {
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let uid = text(found, "/metadata/uid");
    owners.into_iter().flatten().any(|owner| {
        let by_replica_set = object.kind == "Deployment" && text(owner, "/kind") == Some("ReplicaSet");
        let named = text(owner, "/name").and_then(|name| name.strip_prefix(&*object.name));
        uid.is_some() && text(owner, "/uid") == uid
            || by_replica_set && named.is_some_and(|rest| rest.starts_with('-'))
    })
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> ObjectRef {
        ObjectRef::new("apps/v1", "Deployment", Some("prod"), "web")
    }

    #[test]
    fn a_selector_is_written_as_the_server_reads_it() {
        let expressions = json!([
            { "key": "a", "operator": "In", "values": ["b", "c"] }, { "key": "d", "operator": "NotIn", "values": ["e"] },
            { "key": "f", "operator": "Exists" }, { "key": "g", "operator": "DoesNotExist" },
        ]);
        let object = json!({ "kind": "Job", "spec": { "selector": { "matchLabels": { "app": "web" }, "matchExpressions": expressions } } });
        assert_eq!(selector(&object).as_deref(), Some("app=web,a in (b,c),d notin (e),f,!g"));
        let object = json!({ "kind": "ReplicationController", "spec": { "selector": { "app": "web" } } });
        assert_eq!(selector(&object).as_deref(), Some("app=web"));
        for nothing in [json!({}), json!({ "spec": { "selector": {} } })] {
            assert_eq!(selector(&nothing), None, "it would select every pod");
        }
    }

    #[test]
    fn only_a_workloads_own_pods_are_told_of() {
        let found = json!({ "metadata": { "uid": "1" } });
        let pod = |kind: &str, name: &str, uid: &str| json!({ "metadata": { "ownerReferences": [{ "kind": kind, "name": name, "uid": uid }] } });
        for (pod, is_own) in [
            (pod("Deployment", "web", "1"), true),
            (pod("ReplicaSet", "web-7d9c", "2"), true),
            (pod("ReplicaSet", "webshop-7d9c", "2"), false),
            (pod("StatefulSet", "web-7d9c", "2"), false),
            (json!({ "metadata": {} }), false),
        ] {
            assert_eq!(is_owned(&pod, &deployment(), &found), is_own, "{pod}");
        }
        assert!(!is_owned(&pod("Job", "x", ""), &deployment(), &json!({})), "nothing is owned by nobody");
    }

    #[test]
    fn an_event_is_one_visible_line() {
        let event = json!({
            "involvedObject": { "kind": "Pod", "name": "web-1", "uid": "2" }, "reason": "Failed\u{1b}[2J", "count": 3,
            "message": format!("one\ntwo {}", "x".repeat(500)), "lastTimestamp": "2026-01-01T00:00:00Z",
        });
        let Event { about, text, .. } = Event::of(&event).unwrap();
        assert_eq!(about, "2");
        assert!(text.starts_with(r"pod web-1, event Failed\u{1b}[2J (3 times): one two xx"), "{text}");
        assert!(text.chars().count() < 400, "{text}");
    }

    #[test]
    fn a_pod_that_is_ready_hinders_nothing() {
        let ready = json!({ "metadata": { "name": "a", "uid": "1" },
            "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
        assert!(Pod::unready(&ready).is_none());
        let waiting = json!([{ "name": "main", "state": { "waiting": { "reason": "ImagePullBackOff" } } }]);
        let pod = json!({ "metadata": { "name": "a", "uid": "1" }, "status": { "phase": "Pending", "containerStatuses": waiting } });
        assert_eq!(Pod::unready(&pod).unwrap().why, "container `main` waits: ImagePullBackOff");
    }
}
