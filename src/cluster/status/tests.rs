//! A 404 is about the object of the request, or about another one that it names.

use serde_json::json;

use super::*;

/// The error of an apply that a server refuses with this code and this status.
fn refused(code: u16, status: &Value) -> Error {
    let response = ApiResponse::of(StatusCode::from_u16(code).unwrap(), status);
    Error::of(&response, "apply", &ObjectRef::new("v1", "Service", Some("prod"), "web"))
}

#[test]
fn a_namespace_that_is_being_deleted_is_no_lack_of_rights() {
    let cause = json!({"reason": "NamespaceTerminating", "message": "namespace prod is being terminated", "field": "metadata.namespace"});
    let error = refused(403, &json!({"reason": "Forbidden", "details": {"causes": [cause]}}));
    let object = ObjectRef::new("v1", "Service", Some("prod"), "web");
    assert_eq!(error, Error::Terminating { object: Box::new(object) });
    assert_eq!(
        error.to_string(),
        "`Service prod/web` cannot be there: its namespace is being deleted, and takes nothing new"
    );
}

#[test]
fn what_only_a_new_object_can_have_is_told_by_the_words_of_the_servers_validation() {
    let of = |field: &str, message: &str| {
        let cause = json!({"reason": "FieldValueInvalid", "message": message, "field": field});
        refused(422, &json!({"reason": "Invalid", "message": "x", "details": {"causes": [cause]}}))
    };
    for message in [
        "Invalid value: \"None\": may not be set to 'None' for NodePort services",
        "Invalid value: [\"None\"]: may not change once set",
        "Invalid value: []: primary clusterIP can not be unset",
        "Forbidden: updates to parameters are forbidden.",
        "Invalid value: \"x\": field is immutable",
    ] {
        assert!(matches!(of("spec.x", message), Error::Immutable { .. }), "{message}");
    }
    assert!(matches!(of("spec.ports", "Required value"), Error::Invalid { .. }));
}

fn told(object: &ObjectRef, details: &Value) -> String {
    Error::of(&ApiResponse::not_found(details), "apply", object).to_string()
}

#[test]
fn a_404_is_about_the_object_that_it_names() {
    let rbac = |kind: &str, namespace| ObjectRef::new("rbac.authorization.k8s.io/v1", kind, namespace, "web");
    let binding = rbac("RoleBinding", Some("prod"));
    let of_rbac =
        |kind: &str, name: &str| json!({"kind": kind, "group": "rbac.authorization.k8s.io", "name": name});
    let no_role = |name: &str| {
        format!(
            "`rbac.authorization.k8s.io/RoleBinding prod/web` cannot be there: it names \
             `roles.rbac.authorization.k8s.io {name}`, which does not exist"
        )
    };
    assert_eq!(told(&binding, &of_rbac("roles", "other")), no_role("other"));
    // Of the same name it is another object all the same.
    assert_eq!(told(&binding, &of_rbac("roles", "web")), no_role("web"));
    // The server itself says it so.
    let named = told(&binding, &of_rbac("rolebindings", "web"));
    assert!(named.ends_with("cannot be there: it names `web`, which does not exist"), "{named}");
    let response = ApiResponse::not_found(&of_rbac("rolebindings", "web"));
    let itself = Error::of(&response, "get", &binding).to_string();
    assert_eq!(itself, "`rbac.authorization.k8s.io/RoleBinding prod/web` does not exist");
    let of_all = told(&rbac("ClusterRoleBinding", None), &of_rbac("clusterroles", "web"));
    assert!(
        of_all.ends_with(
            "cannot be there: it names `clusterroles.rbac.authorization.k8s.io web`, which does not exist"
        ),
        "{of_all}"
    );
    let namespace = told(&binding, &json!({"kind": "namespaces", "name": "prod"}));
    assert!(namespace.ends_with("cannot be there: its namespace does not exist"), "{namespace}");
    // One that only a reference names is a thing like any other.
    let other = told(&binding, &json!({"kind": "namespaces", "name": "web"}));
    assert!(other.ends_with("cannot be there: it names `namespaces web`, which does not exist"), "{other}");
    assert!(told(&binding, &json!({})).starts_with("the server has no kind `RoleBinding`"));
    // Nobody knows the resource of this kind; the group is enough to tell.
    let widget = ObjectRef::new("example.com/v1", "Widget", Some("prod"), "web");
    let details = |group: &str| json!({"kind": "widgetries", "group": group, "name": "web"});
    assert!(told(&widget, &details("example.com")).contains("it names `web`"));
    assert!(told(&widget, &details("example.org")).contains("`widgetries.example.org web`"));
}

fn told_of(status: u16, body: &str, object: &ObjectRef) -> String {
    let response = ApiResponse::of_text(StatusCode::from_u16(status).unwrap(), body.into());
    Error::of(&response, "apply", object).to_string()
}

#[test]
fn an_answer_that_came_is_not_that_the_cluster_is_away() {
    let (own, other) = (
        ObjectRef::new("apps/v1", "Deployment", Some("prod"), "web"),
        ObjectRef::new("metrics.k8s.io/v1beta1", "PodMetrics", Some("prod"), "web"),
    );
    let status = r#"{"kind":"Status","message":"etcd is away","code":503}"#;
    let now = "the server answers that it cannot do this now: ";
    assert_eq!(told_of(503, "service unavailable\n", &own), format!("{now}503 Service Unavailable"));
    assert_eq!(told_of(502, "<html>", &own), format!("{now}502 Bad Gateway"));
    assert_eq!(told_of(429, "", &own), format!("{now}429 Too Many Requests"));
    assert_eq!(told_of(503, status, &other), format!("{now}etcd is away"));
    // This is all that the API server itself says where it asks another server in vain.
    assert_eq!(
        told_of(503, "service unavailable\n", &other),
        "`metrics.k8s.io/v1beta1` is served by another server, which is away (APIService `v1beta1.metrics.k8s.io`)"
    );
}
