//! Permits for identities: made for a plan that somebody confirmed, or that an operator asked an account for, and
//! removed by a name of its form, where the object itself says the same.

use crate::kubernetes::api::{CORE, RBAC};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::{IdentityName, IdentityRecord};

use super::permit::{Delete, Mint, Permitted};

/// Making the identity of a run. `tests/layers.rs` fails where anything but `plan::Confirmed` claims that its plan was
/// confirmed.
pub(crate) fn confirmed(identity: Mint) -> Permitted<Mint> {
    Permitted::assertion(identity)
}

/// Making an account that an operator asked for. `tests/layers.rs` fails where anything but `plan::Requested` claims
/// that.
pub(crate) fn requested(account: Mint) -> Permitted<Mint> {
    Permitted::assertion(account)
}

/// Removing a part of an identity: an account, a role or a binding that has the name of one, and its marks, which are
/// looked at before. None for anything else.
pub fn part(object: ObjectRef) -> Option<Permitted<Delete>> {
    let is_part = matches!(
        (object.group(), &*object.kind),
        (CORE, "ServiceAccount") | (RBAC, "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding")
    );
    (is_part && IdentityName::parse(&object.name).is_some()).then(|| Permitted::assertion(Delete(object)))
}

/// Removing all that an identity may consist of.
pub fn parts(record: &IdentityRecord) -> Vec<Permitted<Delete>> {
    record.objects().into_iter().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "carnet-01k8zt3w9x5s7q2m4n6p8r0v1y";

    fn object(api_version: &str, kind: &str, name: &str) -> ObjectRef {
        ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: Some("a".into()),
            name: name.into(),
        }
    }

    #[test]
    fn nothing_but_a_part_of_an_identity_is_removed_as_one() {
        let rbac = "rbac.authorization.k8s.io/v1";
        assert!(part(object("v1", "ServiceAccount", NAME)).is_some());
        assert!(part(object(rbac, "ClusterRoleBinding", NAME)).is_some());
        for (api_version, kind, name) in [
            ("v1", "ServiceAccount", "default"),
            ("v1", "ServiceAccount", "carnet-"),
            ("v1", "ServiceAccount", "carnet-web"),
            ("v1", "ServiceAccount", "carnet-01K8ZT3W9X5S7Q2M4N6P8R0V1Y"),
            ("v1", "Secret", NAME),
            ("example.com/v1", "ServiceAccount", NAME),
            (rbac, "ClusterRole", "cluster-admin"),
        ] {
            assert!(part(object(api_version, kind, name)).is_none(), "{kind} {name}");
        }
    }

    #[test]
    fn a_record_that_somebody_changed_removes_nothing_else() {
        let record = |name: &str| IdentityRecord {
            name: name.into(),
            owner: "a/b".into(),
            server: String::new(),
            namespaces: vec!["a".into()],
            is_apart: false,
            scopes: [crate::kubernetes::rbac::RoleScope::Cluster].into(),
            expires: String::new(),
        };
        assert_eq!(parts(&record(NAME)).len(), 3);
        assert!(parts(&record("cluster-admin")).is_empty());
    }
}
