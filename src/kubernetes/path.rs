//! The paths under which the API serves objects, with every part percent-encoded.

use super::object::ObjectRef;
use super::resource::Resource;
use crate::text::url::percent_encoded;

/// Where a version of a group is served.
pub fn of_version(api_version: &str) -> String {
    match api_version.split_once('/') {
        None => format!("/api/{}", percent_encoded(api_version)),
        Some((group, version)) => format!("/apis/{}/{}", percent_encoded(group), percent_encoded(version)),
    }
}

/// Where the versions of a group are told.
pub fn of_group(group: &str) -> String {
    format!("/apis/{}", percent_encoded(group))
}

/// Where the objects of a resource are listed: those of one namespace, or all.
pub fn of_list(api_version: &str, plural: &str, namespace: Option<&str>) -> String {
    let root = of_version(api_version);
    let namespace =
        namespace.map_or_else(String::new, |name| format!("/namespaces/{}", percent_encoded(name)));
    format!("{root}{namespace}/{}", percent_encoded(plural))
}

/// Where an object is served. None for a namespace with a cluster-scoped kind, or a namespaced kind without one: the
/// permit would be for another object.
pub fn of_object(object: &ObjectRef, resource: &Resource) -> Option<String> {
    let list = of_list(&object.api_version, &resource.plural, object.namespace.as_deref());
    let fits = object.namespace.is_some() == resource.namespaced;
    fits.then(|| format!("{list}/{}", percent_encoded(&object.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::kinds::Kinds;

    fn path(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<String> {
        let mut kinds = Kinds::default();
        kinds.learn("example.com/Widget", Resource { plural: "widgets".into(), namespaced: false });
        let object = ObjectRef::new(api_version, kind, namespace, name);
        of_object(&object, &kinds.find(&object).unwrap())
    }

    #[test]
    fn paths_hold_nothing_but_checked_names() {
        for (object, expected) in [
            (("v1", "Secret", Some("prod"), "db"), "/api/v1/namespaces/prod/secrets/db"),
            (("apps/v1", "Deployment", Some("p"), "d"), "/apis/apps/v1/namespaces/p/deployments/d"),
            (("example.com/v1", "Widget", None, "w"), "/apis/example.com/v1/widgets/w"),
            (
                ("rbac.authorization.k8s.io/v1", "ClusterRole", None, "system:a"),
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Aa",
            ),
            (
                ("v1", "Secret", Some("a/b"), "../x?y#z%"),
                "/api/v1/namespaces/a%2Fb/secrets/..%2Fx%3Fy%23z%25",
            ),
        ] {
            let (api_version, kind, namespace, name) = object;
            assert_eq!(path(api_version, kind, namespace, name).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_namespace_must_fit_the_kind() {
        assert_eq!(path("rbac.authorization.k8s.io/v1", "ClusterRole", Some("prod"), "x"), None);
        assert_eq!(path("v1", "Secret", None, "x"), None);
    }

    #[test]
    fn a_list_is_of_one_namespace_or_of_all() {
        assert_eq!(of_list("v1", "pods", Some("prod")), "/api/v1/namespaces/prod/pods");
        assert_eq!(of_list("apps/v1", "deployments", None), "/apis/apps/v1/deployments");
    }
}
