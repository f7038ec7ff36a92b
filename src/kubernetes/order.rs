//! The waves in which objects are applied, and those in which they are removed.
//!
//! Each wave is over before the next begins, so an object's dependencies exist when it is created and until it is gone.

use super::api::{ADMISSION, CORE, RBAC};
use super::object::ObjectRef;
use super::resource::builtin;

/// Objects that are applied together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApplyWave {
    /// Namespaces.
    Namespaces,
    /// Definitions of kinds.
    Definitions,
    /// Accounts and roles. Bindings refer to them: the server looks a role up when it decides whether a binding hands
    /// out too much.
    Roles,
    /// Bindings of roles.
    Bindings,
    /// All the rest. Pods need the accounts that came before.
    Rest,
    /// Bindings of admission policies. The server looks the policy up when it decides what somebody must be able to
    /// read, and what a policy refuses includes the rest of the same call.
    PolicyBindings,
}

/// Objects that are removed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemovalWave {
    /// Custom resources, while the controllers that have to clean up after them still run.
    CustomResources,
    /// Admission webhooks and policies: once the services that they call are gone, they would refuse the removal of the
    /// rest.
    Admission,
    /// All other objects of Kubernetes' own kinds.
    Rest,
    /// Claims of volumes. While a StatefulSet is there, it would make them anew.
    Claims,
    /// Definitions of kinds.
    Definitions,
    /// Namespaces, with the rights to look at what is in them.
    Namespaces,
}

impl ApplyWave {
    /// The wave that an object is applied in.
    pub fn of(object: &ObjectRef) -> Self {
        match (object.group(), &*object.kind) {
            _ if object.is_definition() => Self::Definitions,
            (CORE, "Namespace") => Self::Namespaces,
            (CORE, "ServiceAccount") | (RBAC, "ClusterRole" | "Role") => Self::Roles,
            (RBAC, "ClusterRoleBinding" | "RoleBinding") => Self::Bindings,
            (ADMISSION, "MutatingAdmissionPolicyBinding" | "ValidatingAdmissionPolicyBinding") => {
                Self::PolicyBindings
            }
            _ => Self::Rest,
        }
    }
}

impl RemovalWave {
    /// The wave that an object is removed in.
    pub fn of(object: &ObjectRef) -> Self {
        match (object.group(), &*object.kind) {
            _ if object.is_definition() => Self::Definitions,
            (ADMISSION, _) => Self::Admission,
            (CORE, "Namespace") => Self::Namespaces,
            (CORE, "PersistentVolumeClaim") => Self::Claims,
            (group, kind) if builtin(group, kind).is_some() => Self::Rest,
            _ => Self::CustomResources,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted<W: Ord>(objects: [(&str, &'static str); 6], wave: fn(&ObjectRef) -> W) -> Vec<&'static str> {
        let mut objects = objects;
        objects.sort_by_key(|(api_version, kind)| wave(&ObjectRef::new(*api_version, *kind, None, "a")));
        objects.map(|(_, kind)| kind).into()
    }

    #[test]
    fn what_an_object_needs_is_applied_before_it() {
        let objects = [
            ("apps/v1", "Deployment"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding"),
            ("v1", "ServiceAccount"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("v1", "Namespace"),
            ("example.com/v1", "Widget"),
        ];
        let expected = [
            "Namespace",
            "CustomResourceDefinition",
            "ServiceAccount",
            "RoleBinding",
            "Deployment",
            "Widget",
        ];
        assert_eq!(sorted(objects, ApplyWave::of), expected);
    }

    #[test]
    fn what_cleans_up_after_an_object_is_removed_after_it() {
        let objects = [
            ("v1", "Namespace"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("apps/v1", "Deployment"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            ("example.com/v1", "Widget"),
        ];
        let expected = [
            "Widget",
            "ValidatingWebhookConfiguration",
            "Deployment",
            "Role",
            "CustomResourceDefinition",
            "Namespace",
        ];
        assert_eq!(sorted(objects, RemovalWave::of), expected);
    }
}
