//! How the API serves a kind, and the table of the kinds that Kubernetes itself serves.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use crate::document::slip::is_slip;

/// How the API serves a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The plural name, as URLs and roles have it.
    pub plural: Cow<'static, str>,
    /// Whether objects of the kind live in namespaces.
    pub namespaced: bool,
}

/// A kind that Kubernetes itself serves.
pub fn builtin(group: &str, kind: &str) -> Option<Resource> {
    let found = BUILTIN.get(&(group, kind))?;
    Some(Resource { plural: Cow::Borrowed(found.2), namespaced: found.3 })
}

/// The table by group and kind. Every object of every call is looked up several times, and comparing it with seven others
/// each time was more than half of what a host call took.
static BUILTIN: LazyLock<HashMap<(&str, &str), &Known>> =
    LazyLock::new(|| TABLE.iter().map(|known| ((known.0, known.1), known)).collect());

/// How the API writes the kind that a text means and does not write so, as `group/Kind`: in other letters, by its
/// plural or its short name, with a version, as `kubectl` has it (`deployments.apps`), or without its group. None: it
/// is written as it should be, or means no kind that is known.
pub fn misspelt(group: &str, kind: &str) -> Option<String> {
    if builtin(group, kind).is_some() {
        return None;
    }
    // A version is no part of a kind: `v1/ConfigMap`, `apps/v1/Deployment`.
    let versioned = if is_version(group) { Some(("", kind)) } else { None };
    let versioned =
        versioned.or_else(|| Some((group, kind.split_once('/').filter(|(it, _)| is_version(it))?.1)));
    if let Some((group, kind)) = versioned {
        let plain = if group.is_empty() { kind.to_owned() } else { format!("{group}/{kind}") };
        return Some(misspelt(group, kind).unwrap_or(plain));
    }
    if let Some((name, of)) = kind.split_once('.').filter(|_| group.is_empty()) {
        let of = of.split_once('.').filter(|(it, _)| is_version(it)).map_or(of, |(_, of)| of);
        return in_group(of).find(|known| is_named(known, name)).map(written);
    }
    let is_meant = |known: &&Known| is_named(known, kind);
    in_group(group)
        .find(is_meant)
        .or_else(|| TABLE.iter().filter(|_| group.is_empty()).find(is_meant))
        .map(written)
}

/// As above, for how the names of several kinds begin.
pub fn misspelt_start(group: &str, start: &str) -> Option<String> {
    if is_version(group) {
        return Some(format!("{start}*"));
    }
    if start.is_empty() || TABLE.iter().any(|known| known.0 == group && known.1.starts_with(start)) {
        return None;
    }
    let begins = |name: &str| name.get(..start.len()).is_some_and(|name| name.eq_ignore_ascii_case(start));
    in_group(group).find(|known| begins(known.1) || begins(known.2)).map(written)
}

/// Whether a kind has this name: its own in any letters, its plural, or the short one of `kubectl`.
fn is_named(known: &Known, name: &str) -> bool {
    let is_short = |(short, kind): &(&str, &str)| short.eq_ignore_ascii_case(name) && *kind == known.1;
    known.1.eq_ignore_ascii_case(name)
        || known.2.eq_ignore_ascii_case(name)
        || SHORT_NAMES.iter().any(is_short)
}

/// Whether a text is a version of an API: `v1`, `v2beta1`.
fn is_version(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('v') else { return false };
    let stage = rest.split_once("alpha").or_else(|| rest.split_once("beta"));
    stage.map_or_else(|| digits(rest), |(major, minor)| digits(major) && digits(minor))
}

/// The short names that `kubectl` has for kinds.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("cj", "CronJob"),
    ("cm", "ConfigMap"),
    ("crd", "CustomResourceDefinition"),
    ("crds", "CustomResourceDefinition"),
    ("csr", "CertificateSigningRequest"),
    ("deploy", "Deployment"),
    ("ds", "DaemonSet"),
    ("ep", "Endpoints"),
    ("ev", "Event"),
    ("hpa", "HorizontalPodAutoscaler"),
    ("ing", "Ingress"),
    ("limits", "LimitRange"),
    ("netpol", "NetworkPolicy"),
    ("no", "Node"),
    ("ns", "Namespace"),
    ("pc", "PriorityClass"),
    ("pdb", "PodDisruptionBudget"),
    ("po", "Pod"),
    ("pv", "PersistentVolume"),
    ("pvc", "PersistentVolumeClaim"),
    ("quota", "ResourceQuota"),
    ("rc", "ReplicationController"),
    ("rs", "ReplicaSet"),
    ("sa", "ServiceAccount"),
    ("sc", "StorageClass"),
    ("sts", "StatefulSet"),
    ("svc", "Service"),
];

fn in_group(group: &str) -> impl Iterator<Item = &'static Known> {
    TABLE.iter().filter(move |known| known.0.eq_ignore_ascii_case(group))
}

fn written((group, kind, ..): &Known) -> String {
    if group.is_empty() { (*kind).to_owned() } else { format!("{group}/{kind}") }
}

/// The kind, as `group/Kind`, that a text most likely means which names no kind: with the group `core`, of another
/// group, or with a slip in a name. None: it names a kind, or may be one that others define.
pub fn nearest(group: &str, kind: &str) -> Option<String> {
    if builtin(group, kind).is_some() {
        return None;
    }
    if is_core(group) {
        return misspelt("", kind).or_else(|| nearest("", kind)).or_else(|| Some(kind.to_owned()));
    }
    let is_meant = |known: &&Known| known.1.eq_ignore_ascii_case(kind) || known.2.eq_ignore_ascii_case(kind);
    let is_near = |known: &&Known| is_slip(&known.1.to_ascii_lowercase(), &kind.to_ascii_lowercase());
    let near = if group.is_empty() { None } else { in_group(group).find(is_near) };
    if is_reserved(group) {
        let elsewhere = || TABLE.iter().find(is_meant).or_else(|| TABLE.iter().find(is_near));
        return near.or_else(elsewhere).map(written);
    }
    if in_group(group).next().is_some() {
        return near.map(written);
    }
    TABLE
        .iter()
        .find(|known| known.0.contains('.') && is_meant(known) && is_slip(known.0, group))
        .map(written)
}

/// Where Kubernetes has a kind of this very name, as `group/Kind`, if it is not in this group and nobody else has kinds
/// in it: `Service` of `apps`, `Pod` of `core`.
pub fn elsewhere(group: &str, kind: &str) -> Option<String> {
    // An early Kubernetes had kinds in `extensions` that later ones have elsewhere: there the server decides.
    let may_be_there = group.is_empty() || group == "extensions";
    let is_ours = !may_be_there && is_reserved(group) && builtin(group, kind).is_none();
    let found = TABLE.iter().filter(|_| is_ours).find(|known| known.1 == kind);
    found.map(written)
}

/// Whether some kind of the group begins so, or may: of a group that is a domain others define kinds. A text without a
/// group may also be how a group begins.
pub fn may_begin(group: Option<&str>, start: &str) -> bool {
    let begins = |group: &str| TABLE.iter().any(|known| known.0 == group && known.1.starts_with(start));
    match group {
        Some(group) => !is_reserved(group) || begins(group),
        None => !start.starts_with(|c: char| c.is_ascii_uppercase()) || begins(""),
    }
}

/// Whether nobody but Kubernetes itself has kinds in the group: one that is no domain.
pub fn is_reserved(group: &str) -> bool {
    !group.contains('.')
}

fn is_core(group: &str) -> bool {
    group.eq_ignore_ascii_case("core")
}

type Known = (&'static str, &'static str, &'static str, bool);

/// Group, kind, plural, namespaced: everything that the API server of Kubernetes 1.36 serves with all its versions
/// switched on, sorted by group and kind. A kind has one plural in all versions of its group.
const TABLE: &[Known] = &[
    ("", "Binding", "bindings", true),
    ("", "ComponentStatus", "componentstatuses", false),
    ("", "ConfigMap", "configmaps", true),
    ("", "Endpoints", "endpoints", true),
    ("", "Event", "events", true),
    ("", "LimitRange", "limitranges", true),
    ("", "Namespace", "namespaces", false),
    ("", "Node", "nodes", false),
    ("", "PersistentVolume", "persistentvolumes", false),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("", "Pod", "pods", true),
    ("", "PodTemplate", "podtemplates", true),
    ("", "ReplicationController", "replicationcontrollers", true),
    ("", "ResourceQuota", "resourcequotas", true),
    ("", "Secret", "secrets", true),
    ("", "Service", "services", true),
    ("", "ServiceAccount", "serviceaccounts", true),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy", "mutatingadmissionpolicies", false),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybindings",
        false,
    ),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", false),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", false),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("apiregistration.k8s.io", "APIService", "apiservices", false),
    ("apps", "ControllerRevision", "controllerrevisions", true),
    ("apps", "DaemonSet", "daemonsets", true),
    ("apps", "Deployment", "deployments", true),
    ("apps", "ReplicaSet", "replicasets", true),
    ("apps", "StatefulSet", "statefulsets", true),
    ("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", false),
    ("authentication.k8s.io", "TokenReview", "tokenreviews", false),
    ("authorization.k8s.io", "LocalSubjectAccessReview", "localsubjectaccessreviews", true),
    ("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", false),
    ("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews", false),
    ("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", false),
    ("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true),
    ("batch", "CronJob", "cronjobs", true),
    ("batch", "Job", "jobs", true),
    ("certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequests", false),
    ("certificates.k8s.io", "ClusterTrustBundle", "clustertrustbundles", false),
    ("certificates.k8s.io", "PodCertificateRequest", "podcertificaterequests", true),
    ("coordination.k8s.io", "Lease", "leases", true),
    ("coordination.k8s.io", "LeaseCandidate", "leasecandidates", true),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices", true),
    ("events.k8s.io", "Event", "events", true),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", "flowschemas", false),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", "prioritylevelconfigurations", false),
    ("internal.apiserver.k8s.io", "StorageVersion", "storageversions", false),
    ("networking.k8s.io", "IPAddress", "ipaddresses", false),
    ("networking.k8s.io", "Ingress", "ingresses", true),
    ("networking.k8s.io", "IngressClass", "ingressclasses", false),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies", true),
    ("networking.k8s.io", "ServiceCIDR", "servicecidrs", false),
    ("node.k8s.io", "RuntimeClass", "runtimeclasses", false),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", false),
    ("rbac.authorization.k8s.io", "Role", "roles", true),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", true),
    ("resource.k8s.io", "DeviceClass", "deviceclasses", false),
    ("resource.k8s.io", "DeviceTaintRule", "devicetaintrules", false),
    ("resource.k8s.io", "ResourceClaim", "resourceclaims", true),
    ("resource.k8s.io", "ResourceClaimTemplate", "resourceclaimtemplates", true),
    ("resource.k8s.io", "ResourcePoolStatusRequest", "resourcepoolstatusrequests", false),
    ("resource.k8s.io", "ResourceSlice", "resourceslices", false),
    ("scheduling.k8s.io", "PodGroup", "podgroups", true),
    ("scheduling.k8s.io", "PriorityClass", "priorityclasses", false),
    ("scheduling.k8s.io", "Workload", "workloads", true),
    ("storage.k8s.io", "CSIDriver", "csidrivers", false),
    ("storage.k8s.io", "CSINode", "csinodes", false),
    ("storage.k8s.io", "CSIStorageCapacity", "csistoragecapacities", true),
    ("storage.k8s.io", "StorageClass", "storageclasses", false),
    ("storage.k8s.io", "VolumeAttachment", "volumeattachments", false),
    ("storage.k8s.io", "VolumeAttributesClass", "volumeattributesclasses", false),
    ("storagemigration.k8s.io", "StorageVersionMigration", "storageversionmigrations", false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_each_kind_once() {
        assert!(TABLE.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
    }

    #[test]
    fn no_two_kinds_of_a_group_differ_in_case_alone() {
        let mut names: Vec<_> = TABLE.iter().map(|known| (known.0, known.1.to_ascii_lowercase())).collect();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn a_known_kind_has_one_spelling() {
        for (group, kind, meant) in [
            ("", "SECRET", Some("Secret")),
            ("", "secrets", Some("Secret")),
            ("", "configmap", Some("ConfigMap")),
            ("", "Deployment", Some("apps/Deployment")),
            ("apps", "deployments", Some("apps/Deployment")),
            ("APPS", "Deployment", Some("apps/Deployment")),
            ("", "configmaps", Some("ConfigMap")),
            ("v1", "ConfigMap", Some("ConfigMap")),
            ("v1", "configmaps", Some("ConfigMap")),
            ("v1", "Deployment", Some("apps/Deployment")),
            ("v1beta1", "Widget", Some("Widget")),
            ("apps", "v1/Deployment", Some("apps/Deployment")),
            ("example.com", "v1alpha1/Widget", Some("example.com/Widget")),
            ("", "deployments.apps", Some("apps/Deployment")),
            ("", "Deployment.v1.apps", Some("apps/Deployment")),
            ("", "widgets.example.com", None),
            ("", "cm", Some("ConfigMap")),
            ("", "sts", Some("apps/StatefulSet")),
            ("vault.example.com", "Widget", None),
            ("", "Secret", None),
            ("events.k8s.io", "Event", None),
            ("example.com", "SECRET", None),
            ("example.com", "Widget", None),
        ] {
            assert_eq!(misspelt(group, kind).as_deref(), meant, "{group}/{kind}");
        }
        for (group, start, meant) in [
            ("", "", None),
            ("", "Secr", None),
            ("v1", "Config", Some("Config*")),
            ("v1", "", Some("*")),
            ("", "secr", Some("Secret")),
            ("", "SECR", Some("Secret")),
            ("apps", "deploy", Some("apps/Deployment")),
            ("apps", "Deploy", None),
            ("", "apps", None),
            ("example.com", "secr", None),
        ] {
            assert_eq!(misspelt_start(group, start).as_deref(), meant, "{group}/{start}*");
        }
    }

    #[test]
    fn what_names_no_kind_is_told_with_the_one_that_is_meant() {
        for (group, kind, meant) in [
            ("core", "Secret", Some("Secret")),
            ("Core", "secret", Some("Secret")),
            ("core", "Widget", Some("Widget")),
            ("app", "Deployment", Some("apps/Deployment")),
            ("extensions", "Ingress", Some("networking.k8s.io/Ingress")),
            ("", "Ingres", Some("networking.k8s.io/Ingress")),
            ("", "Secrte", Some("Secret")),
            ("apps", "Job", Some("batch/Job")),
            ("apps", "Deploymnet", Some("apps/Deployment")),
            ("networking.k8s.io", "Ingres", Some("networking.k8s.io/Ingress")),
            ("rbac.authorisation.k8s.io", "Role", Some("rbac.authorization.k8s.io/Role")),
            ("rbac.authorisation.k8s.io", "Widget", None),
            ("", "Widget", None),
            ("", "Pod", None),
            ("apps", "Deployment", None),
            ("networking.k8s.io", "Gateway", None),
            ("example.com", "Ingres", None),
            ("example.com", "Secret", None),
        ] {
            assert_eq!(nearest(group, kind).as_deref(), meant, "{group}/{kind}");
        }
        for (group, start, may) in [
            (None, "", true),
            (None, "Conf", true),
            (None, "Ingr", false),
            (None, "app", true),
            (Some("apps"), "", true),
            (Some("apps"), "Dep", true),
            (Some("apps"), "Wid", false),
            (Some("app"), "", false),
            (Some("core"), "", false),
            (Some("example.com"), "Wid", true),
        ] {
            assert_eq!(may_begin(group, start), may, "{group:?} {start}");
        }
    }

    #[test]
    fn a_kind_in_a_group_that_only_kubernetes_has_is_looked_for_where_it_is() {
        for (group, kind, expected) in [
            ("apps", "Service", Some("Service")),
            ("core", "Pod", Some("Pod")),
            ("extensions", "Ingress", None),
            ("batch", "Deployment", Some("apps/Deployment")),
            ("apps", "Deployment", None),
            ("", "Deployment", None),
            // One that a later Kubernetes may have, and those of others.
            ("apps", "Shiny", None),
            ("example.com", "Service", None),
            ("networking.k8s.io", "Service", None),
        ] {
            assert_eq!(elsewhere(group, kind).as_deref(), expected, "{group}/{kind}");
        }
    }

    #[test]
    fn a_kind_of_another_group_is_another_kind() {
        assert_eq!(
            builtin("apps", "Deployment").map(|found| (found.plural, found.namespaced)),
            Some(("deployments".into(), true))
        );
        assert_eq!(builtin("", "Deployment"), None);
        assert_eq!(
            builtin("networking.k8s.io", "NetworkPolicy").map(|found| found.plural),
            Some("networkpolicies".into())
        );
        assert_eq!(
            builtin("rbac.authorization.k8s.io", "ClusterRole").map(|found| found.namespaced),
            Some(false)
        );
    }
}
