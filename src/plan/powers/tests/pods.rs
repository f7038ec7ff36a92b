//! Pods in part, what they read that is not theirs, and where they go.

use super::*;

fn rules(manifest: &str) -> Vec<(Severity, String)> {
    found(&[manifest]).into_iter().map(|(severity, rule, _)| (severity, rule)).collect()
}

fn custom(kind: &str, spec: &str) -> String {
    format!("{{apiVersion: example.org/v1, kind: {kind}, metadata: {{name: x}}, spec: {spec}}}")
}

fn has(manifest: &str, severity: Severity, rule: &str) -> bool {
    rules(manifest).contains(&(severity, rule.to_owned()))
}

#[test]
fn a_container_is_one_wherever_it_stands() {
    let privileged = (Critical, "pod-security/baseline/privileged-containers");
    let context = "securityContext: {privileged: true}";
    for spec in [
        // Whole pods, and parts of them that somebody completes.
        format!("{{template: {{spec: {{containers: [{{name: a, image: b, {context}}}]}}}}}}"),
        format!("{{containers: [{{name: prometheus, {context}}}]}}"),
        format!("{{initContainers: [{{name: a, {context}}}]}}"),
        // One by itself, in a list of another name, or beside others.
        format!("{{templates: [{{name: t, container: {{image: b, command: [c], {context}}}}}]}}"),
        format!("{{templates: [{{name: t, script: {{image: b, source: echo, {context}}}}}]}}"),
        format!("{{taskSpec: {{steps: [{{name: a, image: b, script: echo, {context}}}]}}}}"),
        format!("{{taskSpec: {{sidecars: [{{name: a, image: b, {context}}}]}}}}"),
        format!("{{taskSpec: {{stepTemplate: {{image: b, {context}}}}}}}"),
        format!("{{deep: [[{{any: {{name: a, image: b, command: [c], {context}}}}}]]}}"),
    ] {
        let manifest = custom("Thing", &spec);
        assert!(has(&manifest, privileged.0, privileged.1), "{spec}: {:#?}", rules(&manifest));
    }
}

#[test]
fn of_a_container_that_somebody_completes_only_what_it_says_counts() {
    let partial =
        custom("Prometheus", "{containers: [{name: p, securityContext: {readOnlyRootFilesystem: true}}]}");
    assert_eq!(rules(&partial), []);
    let root =
        custom("Prometheus", "{containers: [{name: p, securityContext: {privileged: false, runAsUser: 0}}]}");
    assert_eq!(rules(&root), [(Medium, "pod-security/restricted/running-as-non-root".to_owned())]);
}

#[test]
fn what_a_pod_in_part_takes_of_its_node_counts() {
    let volumes = "{volumes: [{name: v, hostPath: {path: /etc}}]}";
    assert!(has(&custom("Prometheus", volumes), Critical, "pod-security/baseline/host-path-volumes"));
    let network = "{podTemplate: {hostNetwork: true}}";
    assert!(has(&custom("TaskRun", network), High, "pod-security/baseline/host-namespaces"));
    // Words that only sound like it.
    for harmless in [
        "{image: quay.io/a, version: '1', securityContext: {runAsNonRoot: true}}",
        "{images: [{name: a, newName: b}]}",
        "{hostNetwork: {mode: x}}",
        "{volumes: [{name: v, emptyDir: {}}]}",
        "{command: echo}",
    ] {
        assert_eq!(rules(&custom("Thing", harmless)), [], "{harmless}");
    }
}

#[test]
fn secrets_and_volumes_that_the_plan_does_not_bring_are_somebody_elses() {
    let reads =
        |spec: &str, container: &str| pod_with(spec, &format!("securityContext: {{{HARD}}}, {container}"));
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: db}}";
    let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}}";
    for (spec, container, rule) in [
        ("", "env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: k}}}]", "pod/foreign-secret"),
        ("", "envFrom: [{secretRef: {name: db}}]", "pod/foreign-secret"),
        ("volumes: [{name: v, secret: {secretName: db}}],", "", "pod/foreign-secret"),
        ("volumes: [{name: v, projected: {sources: [{secret: {name: db}}]}}],", "", "pod/foreign-secret"),
        ("volumes: [{name: v, persistentVolumeClaim: {claimName: data}}],", "", "pod/foreign-volume"),
    ] {
        let pod = reads(spec, container);
        assert!(has(&pod, Medium, rule), "{spec}{container}: {:?}", rules(&pod));
        assert_eq!(found(&[&pod, secret, claim]), [], "{spec}{container}");
        let system = pod.replace("metadata: {name: x}", "metadata: {name: x, namespace: kube-system}");
        assert!(has(&system, High, rule), "{system}");
    }
    let set = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {volumeClaimTemplates: [{metadata: {name: data}}]}}";
    let pod = reads("volumes: [{name: v, persistentVolumeClaim: {claimName: data-db-0}}],", "");
    assert_eq!(found(&[&pod, set]), []);
}

#[test]
fn a_secret_that_an_account_of_the_plan_may_make_counts_less() {
    let pod = pod_with(
        "volumes: [{name: v, secret: {secretName: made}}],",
        &format!("securityContext: {{{HARD}}}"),
    );
    let may = role("Role", "{apiGroups: [''], resources: [secrets], verbs: [create]}");
    let bound = binding("RoleBinding", "Role", "r", AGENT);
    assert_found(&found(&[&pod, &may, &bound]), Low, "pod/foreign-secret", &["`made`", "may make"]);
    let reads = may.replace("create", "get");
    assert_found(&found(&[&pod, &reads, &bound]), Medium, "pod/foreign-secret", &["does not bring"]);
}

#[test]
fn where_pods_go_and_what_they_share_is_found() {
    for (spec, severity, rule) in [
        ("nodeName: node-1,", Medium, "pod/node"),
        ("tolerations: [{operator: Exists}],", Low, "pod/tolerations"),
        ("nodeSelector: {node-role.kubernetes.io/control-plane: ''},", Low, "pod/control-plane"),
        ("runtimeClassName: kata,", Low, "pod/runtime"),
        ("schedulerName: mine,", Low, "pod/scheduler"),
        ("shareProcessNamespace: true,", Low, "pod/shared-processes"),
        ("securityContext: {fsGroup: 0},", Low, "pod/root-group"),
        ("securityContext: {supplementalGroups: [0]},", Low, "pod/root-group"),
        (
            "volumes: [{name: v, csi: {driver: a.b, volumeAttributes: {hostPath: /etc}}}],",
            High,
            "pod/csi-path",
        ),
    ] {
        assert_eq!(rules(&pod(spec, "")), [(severity, rule.to_owned())], "{spec}");
    }
    let devices = pod_with(
        "",
        &format!("securityContext: {{{HARD}}}, volumeDevices: [{{name: v, devicePath: /dev/x}}]"),
    );
    assert_eq!(rules(&devices), [(Medium, "pod/raw-device".to_owned())]);
    for harmless in [
        "tolerations: [{key: a, operator: Exists, effect: NoSchedule}],",
        "schedulerName: default-scheduler,",
        "securityContext: {fsGroup: 1000},",
        "volumes: [{name: v, csi: {driver: a.b, volumeAttributes: {size: 1Gi}}}],",
    ] {
        assert_eq!(rules(&pod(harmless, "")), [], "{harmless}");
    }
    // A pod that is there has the node that the scheduler chose.
    let mut there = row(&pod("nodeName: node-1,", ""));
    there.after.as_mut().unwrap()["status"] = json!({"conditions": [{"type": "PodScheduled"}]});
    assert_eq!(found_in(&[there], &ClusterContext::unknown(Coverage::All)), []);
}
