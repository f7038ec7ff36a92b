//! Permits for reading RBAC objects beside the plan, and for access reviews: to tell the operator what the plan's
//! objects could do, and what the operator may do. With the caller's own identity, and never for the component.

use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::{PolicyRule, RoleScope};

use super::permit::{Get, Permitted, ReadBindings, Review};

/// Reading all bindings of roles.
pub fn bindings() -> Permitted<ReadBindings> {
    Permitted::assertion(ReadBindings)
}

/// Reading a role. None for anything else.
pub fn role(object: ObjectRef) -> Option<Permitted<Get>> {
    let is_role = ["rbac.authorization.k8s.io/ClusterRole", "rbac.authorization.k8s.io/Role"]
        .contains(&&*object.group_kind());
    is_role.then(|| Permitted::assertion(Get(object)))
}

/// Reading an admission policy, which holds nothing but rules. None for anything else.
pub fn policy(object: ObjectRef) -> Option<Permitted<Get>> {
    let is_policy = [
        "admissionregistration.k8s.io/MutatingAdmissionPolicy",
        "admissionregistration.k8s.io/ValidatingAdmissionPolicy",
    ]
    .contains(&&*object.group_kind());
    is_policy.then(|| Permitted::assertion(Get(object)))
}

/// Asking which of these rights the caller has: a question about nobody else, that changes nothing.
pub fn own_rights(rights: Vec<(RoleScope, PolicyRule)>) -> Permitted<Review> {
    Permitted::assertion(Review(rights))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_roles_is_read_beside_a_plan() {
        let object = |api_version: &str, kind: &str| ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: Some("a".into()),
            name: "b".into(),
        };
        assert!(role(object("rbac.authorization.k8s.io/v1", "Role")).is_some());
        assert!(role(object("rbac.authorization.k8s.io/v1", "RoleBinding")).is_none());
        assert!(role(object("v1", "Secret")).is_none());
        assert!(policy(object("v1", "Secret")).is_none());
        assert!(policy(object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy")).is_some());
        assert!(role(object("example.com/v1", "Role")).is_none());
    }
}
