//! Configuration of the cluster: settings by name, traffic, storage, nodes, guards, and what keeps others from working.

use super::*;

fn rules(manifest: &str) -> Vec<(Severity, String)> {
    found(&[manifest]).into_iter().map(|(severity, rule, _)| (severity, rule)).collect()
}

#[track_caller]
fn assert_rule(manifest: &str, severity: Severity, rule: &str) {
    let rules = rules(manifest);
    assert!(
        rules.contains(&(severity, rule.to_owned())),
        "{severity} {rule} is not in {rules:?} of {manifest}"
    );
}

fn named(api: &str, kind: &str, namespace: &str, name: &str) -> String {
    format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}}}}}")
}

#[test]
fn objects_that_configure_the_cluster_are_known_by_their_names() {
    for (api, kind, namespace, name, severity) in [
        ("v1", "ConfigMap", "kube-system", "aws-auth", Critical),
        ("v1", "ConfigMap", "kube-system", "extension-apiserver-authentication", Critical),
        ("v1", "ConfigMap", "kube-system", "coredns", High),
        ("v1", "ConfigMap", "kube-system", "kubelet-config-1.30", High),
        ("v1", "ConfigMap", "kube-public", "cluster-info", High),
        ("v1", "ConfigMap", "istio-system", "istio", High),
        ("v1", "ConfigMap", "argocd", "argocd-rbac-cm", High),
        ("v1", "ConfigMap", "prod", "kube-root-ca.crt", High),
        ("v1", "ConfigMap", "kube-system", "anything", Low),
        ("coordination.k8s.io/v1", "Lease", "kube-system", "kube-controller-manager", High),
        ("coordination.k8s.io/v1", "Lease", "kube-system", "kube-scheduler", High),
        ("coordination.k8s.io/v1", "Lease", "kube-node-lease", "node-1", High),
    ] {
        assert_rule(&named(api, kind, namespace, name), severity, "cluster/setting");
    }
    for (api, kind) in [("v1", "ConfigMap"), ("coordination.k8s.io/v1", "Lease")] {
        assert_eq!(rules(&named(api, kind, "prod", "aws-auth")), []);
    }
    let cluster = "{apiVersion: v1, kind: Secret, metadata: {name: x, labels: {argocd.argoproj.io/secret-type: cluster}}}";
    assert_rule(cluster, High, "cluster/setting");
    let snippets = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {http-snippet: x}}";
    assert_rule(snippets, High, "cluster/snippet");
    let allowed =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {allow-snippet-annotations: 'true'}}";
    assert_rule(allowed, Medium, "cluster/snippet");
    assert_eq!(rules(&allowed.replace("true", "false")), []);
}

#[test]
fn the_traffic_of_others_is_found() {
    assert_rule(&named("v1", "Endpoints", "default", "kubernetes"), High, "traffic/api-server");
    let endpoints = named("v1", "Endpoints", "prod", "web");
    assert_rule(&endpoints, High, "traffic/endpoints");
    let slice = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, labels: {kubernetes.io/service-name: web}},
        endpoints: [{addresses: [169.254.169.254]}]}";
    assert_rule(slice, High, "traffic/endpoints");
    assert_rule(slice, High, "traffic/node-addresses");
    // With the Service they are the plan's own.
    let service = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}";
    assert_eq!(found(&[service, &endpoints]), []);
    for (api, kind, severity) in [
        ("networking.istio.io/v1alpha3", "EnvoyFilter", High),
        ("networking.istio.io/v1", "VirtualService", Medium),
        ("extensions.istio.io/v1alpha1", "WasmPlugin", High),
        ("security.istio.io/v1", "AuthorizationPolicy", Medium),
        ("cilium.io/v2", "CiliumLocalRedirectPolicy", High),
        ("cilium.io/v2", "CiliumEnvoyConfig", High),
        ("crd.projectcalico.org/v1", "BGPPeer", High),
        ("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", Medium),
        ("metallb.io/v1beta1", "IPAddressPool", Medium),
        ("traefik.io/v1alpha1", "Middleware", Medium),
    ] {
        assert_rule(&named(api, kind, "prod", "x"), severity, "traffic/others");
    }
    let class = "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: x, annotations:
        {ingressclass.kubernetes.io/is-default-class: 'true'}}}";
    assert_rule(class, Medium, "traffic/default-class");
    assert_eq!(rules(&class.replace("'true'", "'false'")), []);
    let server = "{apiVersion: k8s.nginx.org/v1, kind: VirtualServer, metadata: {name: x}, spec: {server-snippets: x}}";
    assert_rule(server, High, "traffic/snippet");
}

#[test]
fn storage_that_is_not_ones_own_is_found() {
    let of = |kind: &str, api: &str, rest: &str| {
        format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: x}}, {rest}}}")
    };
    let storage = "storage.k8s.io/v1";
    assert_rule(
        &of("CSIDriver", storage, "spec: {tokenRequests: [{audience: vault}]}"),
        High,
        "storage/tokens",
    );
    let secret = "parameters: {csi.storage.k8s.io/provisioner-secret-namespace: kube-system}";
    assert_rule(&of("StorageClass", storage, secret), Medium, "storage/secrets");
    let own = "parameters: {csi.storage.k8s.io/provisioner-secret-namespace: '${pvc.namespace}'}";
    assert_eq!(rules(&of("StorageClass", storage, own)), []);
    assert_rule(&of("VolumeAttachment", storage, "spec: {nodeName: a}"), High, "storage/attachment");
    let volume = of("PersistentVolume", "v1", "spec: {claimRef: {namespace: prod, name: data}}");
    assert_rule(&volume, Medium, "storage/claim");
    let claim = of("PersistentVolumeClaim", "v1", "spec: {}").replace("name: x", "name: data");
    assert_eq!(found(&[&volume, &claim]), []);
    let copy =
        of("PersistentVolumeClaim", "v1", "spec: {dataSource: {kind: PersistentVolumeClaim, name: theirs}}");
    assert_rule(&copy, Medium, "storage/copy");
    let taken = of("PersistentVolumeClaim", "v1", "spec: {volumeName: theirs}");
    assert_rule(&taken, Medium, "storage/volume");
    // A claim that is bound names the volume that it was given.
    let mut bound = row(&taken);
    bound.after.as_mut().unwrap()["status"] = json!({"phase": "Bound"});
    assert_eq!(found_in(&[bound], &ClusterContext::unknown(Coverage::All)), []);
    let snapshot = "spec: {source: {persistentVolumeClaimName: theirs}}";
    assert_rule(&of("VolumeSnapshot", "snapshot.storage.k8s.io/v1", snapshot), Medium, "storage/copy");
}

#[test]
fn nodes_devices_and_trust_are_found() {
    let node = |rest: &str| format!("{{apiVersion: v1, kind: Node, metadata: {{name: node, {rest}}}");
    assert_rule(&node("labels: {a: b}}"), Medium, "node/labels");
    assert_rule(&node("labels: {node-role.kubernetes.io/control-plane: ''}}"), High, "node/labels");
    assert_rule(&node("}, spec: {taints: [{key: a, effect: NoSchedule}]}"), Medium, "node/taints");
    assert_rule(&node("}, spec: {taints: [{key: a, effect: NoExecute}]}"), High, "node/taints");
    let claim = |request: &str| {
        format!(
            "{{apiVersion: resource.k8s.io/v1, kind: ResourceClaim, metadata: {{name: x}}, spec: {{devices: {{requests: [{request}]}}}}}}"
        )
    };
    assert_rule(&claim("{name: a, adminAccess: true}"), High, "node/device-admin");
    assert_rule(&claim("{name: a, exactly: {adminAccess: true}}"), High, "node/device-admin");
    assert_eq!(rules(&claim("{name: a, exactly: {deviceClassName: gpu}}")), []);
    let trust = "{apiVersion: certificates.k8s.io/v1beta1, kind: ClusterTrustBundle, metadata: {name: x}, spec: {signerName: a/b}}";
    assert_rule(trust, High, "certificate/trust");
    let request = "{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: c}, spec: {signerName: kubernetes.io/kube-apiserver-client}}";
    assert_rule(request, High, "certificate/request");
}

#[test]
fn lowered_guards_are_found() {
    let namespace = |labels: &str| {
        format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: space, labels: {{{labels}}}}}}}")
    };
    assert_rule(&namespace("pod-security.kubernetes.io/enforce-version: v1.20"), Low, "namespace/old-rules");
    assert_eq!(rules(&namespace("pod-security.kubernetes.io/enforce-version: v1.30")), []);
    assert_eq!(rules(&namespace("pod-security.kubernetes.io/enforce-version: latest")), []);
    assert_rule(&namespace("admission.gatekeeper.sh/ignore: x"), Medium, "namespace/exempt");
    let change = |was: &str, is: &str| {
        let level = |level: &str| {
            let label = if level.is_empty() {
                String::new()
            } else {
                format!("pod-security.kubernetes.io/enforce: {level}")
            };
            row(&namespace(&label))
        };
        let (was, is) = (level(was), level(is));
        let changed = ObjectChange { change: Change::Update, before: was.after, ..is };
        let powers = Powers::of(&[changed], None, None, &ClusterContext::unknown(Coverage::All)).there;
        powers
            .into_iter()
            .find(|power| power.rule == "namespace/lowered")
            .map(|power| (power.severity, power.new))
    };
    assert_eq!(change("restricted", "baseline"), Some((Low, true)));
    assert_eq!(change("restricted", "privileged"), Some((Medium, true)));
    assert_eq!(change("baseline", ""), Some((Medium, true)));
    assert_eq!(change("baseline", "restricted"), None);
    assert_eq!(change("baseline", "baseline"), None);
    let flow = |level: &str| {
        format!(
            "{{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: FlowSchema, metadata: {{name: x}}, spec: {{priorityLevelConfiguration: {{name: {level}}}}}}}"
        )
    };
    assert_rule(&flow("exempt"), Medium, "api/exempt");
    assert_rule(&flow("workload-low"), Low, "api/priority");
    let policy = |kind: &str| {
        format!(
            "{{apiVersion: admissionregistration.k8s.io/v1, kind: {kind}, metadata: {{name: p}}, spec: {{}}}}"
        )
    };
    assert_rule(&policy("ValidatingAdmissionPolicy"), Medium, "admission/unbound-policy");
    assert_rule(&policy("MutatingAdmissionPolicy"), High, "admission/unbound-policy");
    let bound = "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: b}, spec: {policyName: p}}";
    let both = found(&[&policy("ValidatingAdmissionPolicy"), bound]);
    assert!(both.iter().all(|(_, rule, _)| rule != "admission/unbound-policy"), "{both:?}");
}

#[test]
fn what_keeps_others_from_working_is_found() {
    let of = |api: &str, kind: &str, spec: &str| {
        format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: x}}, spec: {spec}}}")
    };
    for (api, kind, spec, rule) in [
        ("v1", "ResourceQuota", "{hard: {pods: '0'}}", "denial/quota"),
        ("v1", "ResourceQuota", "{hard: {requests.memory: 0Gi}}", "denial/quota"),
        ("v1", "LimitRange", "{limits: [{type: Pod, max: {cpu: 0}}]}", "denial/quota"),
        ("policy/v1", "PodDisruptionBudget", "{maxUnavailable: 0}", "denial/budget"),
        ("policy/v1", "PodDisruptionBudget", "{minAvailable: 100%}", "denial/budget"),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "{maxReplicas: 100000}", "denial/many"),
        ("batch/v1", "Job", "{parallelism: 100000}", "denial/many"),
        ("apps/v1", "Deployment", "{replicas: 5000}", "denial/many"),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "{podSelector: {}, policyTypes: [Ingress]}",
            "network/closed",
        ),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "{podSelector: {}, policyTypes: [Egress]}",
            "network/closed",
        ),
        ("networking.k8s.io/v1", "NetworkPolicy", "{podSelector: {}, ingress: [{}]}", "network/open"),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "{podSelector: {}, egress: [{}], policyTypes: [Egress]}",
            "network/open",
        ),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "{podSelector: {matchLabels: {a: b}}, ingress: [{}]}",
            "network/open",
        ),
    ] {
        assert_rule(&of(api, kind, spec), Low, rule);
    }
    for (api, kind, spec) in [
        ("v1", "ResourceQuota", "{hard: {pods: '10'}}"),
        ("policy/v1", "PodDisruptionBudget", "{maxUnavailable: 1}"),
        ("policy/v1", "PodDisruptionBudget", "{minAvailable: 1}"),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "{maxReplicas: 10}"),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "{podSelector: {matchLabels: {a: b}}, egress: [{}], ingress: [{from: [{podSelector: {}}]}], policyTypes: [Egress, Ingress]}",
        ),
    ] {
        assert_eq!(rules(&of(api, kind, spec)), [], "{kind} {spec}");
    }
}

#[test]
fn webhooks_on_what_is_vital_are_critical_however_that_is_written() {
    let mutating = "MutatingWebhookConfiguration";
    let system = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}},";
    let listed = "namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [a, kube-system]}]},";
    let own = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: prod}},";
    for (more, resources, severity) in [
        ("", "'secrets/*'", Critical),
        ("", "'*/*'", Critical),
        ("", "clusterrolebindings", Critical),
        ("", "rolebindings", Critical),
        ("", "serviceaccounts/token", Critical),
        (system, "'*'", Critical),
        (listed, "'*'", Critical),
        (own, "'*'", High),
        ("", "'pods/*'", High),
        ("", "'things/*'", Medium),
    ] {
        assert_rule(&webhook(mutating, more, resources), severity, "admission/mutating-webhook");
    }
}

#[test]
fn rights_that_lead_further_are_known_by_kind() {
    let bound = |rules: &str, cluster: bool| {
        let (kind, binds) =
            if cluster { ("ClusterRole", "ClusterRoleBinding") } else { ("Role", "RoleBinding") };
        found(&[&role(kind, rules), &binding(binds, kind, "r", AGENT)])
    };
    for (group, resource, verb, everywhere, here, rule) in [
        ("''", "configmaps", "update", Medium, Some(Low), "rbac/config-maps"),
        ("''", "services", "patch", Medium, Some(Low), "rbac/services"),
        ("discovery.k8s.io", "endpointslices", "create", High, Some(Medium), "rbac/endpoints"),
        ("''", "endpoints", "update", High, Some(Medium), "rbac/endpoints"),
        ("''", "pods", "delete", Medium, Some(Low), "rbac/pods-delete"),
        ("''", "pods/eviction", "create", Medium, Some(Low), "rbac/pods-delete"),
        ("''", "persistentvolumeclaims", "deletecollection", High, Some(Medium), "rbac/data"),
        ("''", "pods/binding", "create", Medium, Some(Medium), "rbac/binding"),
        ("''", "pods/log", "get", Medium, Some(Low), "rbac/logs"),
        ("certificates.k8s.io", "signers", "attest", High, None, "rbac/certificates"),
        ("authentication.k8s.io", "uids", "impersonate", High, Some(Medium), "rbac/impersonate"),
        ("storage.k8s.io", "volumeattachments", "create", High, None, "rbac/storage"),
        ("networking.k8s.io", "networkpolicies", "delete", Medium, Some(Low), "rbac/isolation"),
    ] {
        let rules = format!("{{apiGroups: [{group}], resources: [{resource}], verbs: [{verb}]}}");
        assert_found(&bound(&rules, true), everywhere, rule, &["in the whole cluster"]);
        let in_one = bound(&rules, false);
        match here {
            Some(severity) => assert_found(&in_one, severity, rule, &["in the namespace `prod`"]),
            None => assert!(in_one.iter().all(|(_, found, _)| found != rule), "{in_one:?}"),
        }
    }
    let paths =
        |verbs: &str, path: &str| bound(&format!("{{nonResourceURLs: ['{path}'], verbs: [{verbs}]}}"), true);
    assert_found(&paths("get", "*"), Medium, "rbac/paths", &["beside objects"]);
    assert_found(&paths("'*'", "*"), High, "rbac/paths", &["beside objects"]);
    assert!(paths("get", "/metrics").iter().all(|(_, rule, _)| rule != "rbac/paths"));
}

#[test]
fn a_role_that_others_gather_adds_to_whoever_has_them() {
    let gathered = |labels: &str| {
        format!("{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: r, labels: {{{labels}}}}},
            rules: [{{apiGroups: [''], resources: [secrets], verbs: [get]}}]}}")
    };
    for name in ["admin", "edit"] {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{name}: 'true'");
        assert_found(&found(&[&gathered(&label)]), High, "rbac/aggregation", &[&format!("`{name}`")]);
    }
    let own = found(&[&gathered("rbac.example.org/aggregate-to-monitoring: 'true'")]);
    assert_found(&own, High, "rbac/aggregation", &["`monitoring`"]);
    let gatherer = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: g},
        aggregationRule: {clusterRoleSelectors: [{matchLabels: {mine: 'yes'}}]}}";
    let both = found(&[gatherer, &gathered("mine: 'yes'")]);
    assert_found(&both, High, "rbac/aggregation", &["adds to whoever has the role `g`"]);
}
