//! Resources that make others act.

use super::*;

/// The worst finding of a rule, by severity.
fn worst(manifest: &str, rule: &str) -> Option<Severity> {
    found(&[manifest]).into_iter().filter(|(_, found, _)| found == rule).map(|(severity, ..)| severity).max()
}

fn resource(api: &str, kind: &str, spec: &str) -> String {
    format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: x}}, spec: {spec}}}")
}

#[test]
fn what_makes_others_act_is_found_by_its_kind() {
    for (api, kind, severity) in [
        ("helm.cattle.io/v1", "HelmChart", High),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease", High),
        ("kustomize.toolkit.fluxcd.io/v1", "Kustomization", High),
        ("source.toolkit.fluxcd.io/v1", "GitRepository", Medium),
        ("argoproj.io/v1alpha1", "Application", High),
        ("argoproj.io/v1alpha1", "CronWorkflow", High),
        ("kubernetes.crossplane.io/v1alpha2", "Object", High),
        ("s3.aws.upbound.io/v1beta1", "Bucket", High),
        ("kyverno.io/v1", "ClusterPolicy", High),
        ("kyverno.io/v2", "PolicyException", Medium),
        ("operators.coreos.com/v1alpha1", "Subscription", High),
        ("tekton.dev/v1", "PipelineRun", High),
        ("triggers.tekton.dev/v1beta1", "EventListener", High),
        ("cluster.x-k8s.io/v1beta1", "Cluster", High),
        ("addons.cluster.x-k8s.io/v1beta1", "ClusterResourceSet", High),
        ("upgrade.cattle.io/v1", "Plan", Critical),
        ("velero.io/v1", "Restore", High),
        ("external-secrets.io/v1", "ClusterSecretStore", High),
        ("external-secrets.io/v1", "ExternalSecret", Medium),
    ] {
        assert_eq!(worst(&resource(api, kind, "{}"), "agent/acts"), Some(severity), "{api} {kind}");
    }
    // A group that only sounds like one of these, and kinds of the same group that act on nothing.
    for (api, kind) in [
        ("notcrossplane.io/v1", "Object"),
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
        ("monitoring.coreos.com/v1", "PrometheusRule"),
        ("argoproj.io/v1alpha1", "Rollout"),
    ] {
        assert_eq!(worst(&resource(api, kind, "{}"), "agent/acts"), None, "{api} {kind}");
    }
}

#[test]
fn a_whole_object_in_a_resource_of_others_is_written_by_somebody() {
    let role =
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: []}";
    let spec = format!("{{deep: {{list: [{role}]}}}}");
    let found_in = found(&[&resource("example.org/v1", "Thing", &spec)]);
    assert_found(&found_in, High, "agent/objects", &["`ClusterRole`", "makes a controller write"]);
    for harmless in [
        "{ref: {apiVersion: v1, kind: Secret, name: x}}",
        "{ref: {apiVersion: v1, kind: Secret, metadata: {name: x}}}",
        "{storage: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {}, spec: {}}}",
        "{text: 'kind: ClusterRole'}",
    ] {
        assert_eq!(
            worst(&resource("example.org/v1", "Thing", harmless), "agent/objects"),
            None,
            "{harmless}"
        );
    }
}

#[test]
fn a_store_of_the_whole_cluster_lends_its_rights() {
    let by = |kind: &str| {
        let spec = format!("{{secretStoreRef: {{kind: {kind}, name: vault}}}}");
        worst(&resource("external-secrets.io/v1", "ExternalSecret", &spec), "agent/cluster-store")
    };
    assert_eq!((by("ClusterSecretStore"), by("SecretStore")), (Some(High), None));
}

#[test]
fn annotations_by_which_controllers_act_are_found_on_any_kind_and_on_pods() {
    for (annotation, value, severity, rule) in [
        ("eks.amazonaws.com/role-arn", "arn:aws:iam::1:role/reader", Medium, "cloud/identity"),
        ("eks.amazonaws.com/role-arn", "arn:aws:iam::1:role/ClusterAdmin", High, "cloud/identity"),
        ("iam.gke.io/gcp-service-account", "a@b.iam.gserviceaccount.com", Medium, "cloud/identity"),
        ("azure.workload.identity/client-id", "0", Medium, "cloud/identity"),
        ("reflector.v1.k8s.emberstack.com/reflects", "kube-system/x", High, "agent/copies"),
        ("replicator.v1.mittwald.de/replicate-from", "kube-system/x", High, "agent/copies"),
        ("nginx.org/server-snippets", "x", High, "exposure/ingress-snippet"),
        ("nginx.ingress.kubernetes.io/configuration-snippet", "x", High, "exposure/ingress-snippet"),
        ("nginx.ingress.kubernetes.io/auth-url", "https://x", Medium, "exposure/ingress-auth"),
        ("nginx.ingress.kubernetes.io/permanent-redirect", "https://x", Medium, "exposure/ingress-redirect"),
        ("external-dns.alpha.kubernetes.io/target", "x", Medium, "exposure/dns"),
    ] {
        let manifest = |kind: &str| {
            format!(
                "{{apiVersion: v1, kind: {kind}, metadata: {{name: x, annotations: {{{annotation}: '{value}'}}}}}}"
            )
        };
        for kind in ["ServiceAccount", "Service"] {
            assert_eq!(worst(&manifest(kind), rule), Some(severity), "{annotation}: {value}");
        }
    }
    for harmless in [
        "nginx.ingress.kubernetes.io/auth-type",
        "nginx.ingress.kubernetes.io/rewrite-target",
        "example.org/snippet",
    ] {
        let manifest = format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: x, annotations: {{{harmless}: x}}}}}}"
        );
        assert_eq!(found(&[&manifest]), [], "{harmless}");
    }
    let of_pods = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {template: {metadata: {annotations:
        {iam.amazonaws.com/role: a}}, spec: {containers: []}}}}";
    assert_eq!(worst(of_pods, "cloud/identity"), Some(Medium));
}
