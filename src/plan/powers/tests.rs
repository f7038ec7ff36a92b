//! Each kind of finding, in manifests as people write them.

mod agents;
mod cluster;
mod pods;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::found::MAX_TEXT;
use super::*;
use crate::digest::Digest;
use crate::document;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::manifest::Object;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::resource::Resource;
use crate::targets::Change;

use Severity::{Critical, High, Low, Medium};

/// The object of a manifest, as a plan has it.
fn row(manifest: &str) -> ObjectChange {
    let mut kinds = Kinds::default();
    let cluster_wide = Resource { plural: "things".into(), namespaced: false };
    kinds.learn("example.org/ClusterThing", cluster_wide);
    let object = Object::parse(manifest, "prod", &kinds).unwrap();
    let (object, after) = (object.reference().clone(), object.body().clone());
    ObjectChange::bare(object, Change::Create, None, Some(after))
}

fn rows(manifests: &[&str]) -> Vec<ObjectChange> {
    manifests.iter().map(|manifest| row(manifest)).collect()
}

fn found_in(changes: &[ObjectChange], context: &ClusterContext) -> Vec<Power> {
    Powers::of(changes, None, None, context).there
}

/// A cluster that holds nothing of its own.
fn found(manifests: &[&str]) -> Vec<(Severity, String, String)> {
    let powers = found_in(&rows(manifests), &ClusterContext::unknown(Coverage::All));
    powers
        .into_iter()
        .map(|power| (power.severity, power.rule, format!("{}: {}", power.object, power.what)))
        .collect()
}

/// Asserts that there is a finding of this severity and rule that says all of this.
fn assert_found(found: &[(Severity, String, String)], severity: Severity, rule: &str, says: &[&str]) {
    let is_it = |(s, r, what): &&(Severity, String, String)| {
        *s == severity && r == rule && says.iter().all(|text| what.contains(text))
    };
    assert!(found.iter().any(|row| is_it(&row)), "{severity} {rule} {says:?} is not in {found:#?}");
}

/// A pod that the policy "restricted" admits, with more members of its spec and of its container's security context.
fn pod(spec: &str, context: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {{automountServiceAccountToken: false, {spec}
          containers: [{{name: main, image: 'a/b@sha256:{}', securityContext: {{{context} {HARD}}}}}]}}}}",
        "0".repeat(64)
    )
}

const HARD: &str = "allowPrivilegeEscalation: false, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}, \
                    capabilities: {drop: [ALL]}";

/// As above, with another container.
fn pod_with(spec: &str, container: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {{automountServiceAccountToken: false, {spec}
          containers: [{{name: main, image: 'a/b@sha256:{}', {container}}}]}}}}",
        "0".repeat(64)
    )
}

#[test]
fn a_hardened_pod_has_no_powers() {
    assert_eq!(found(&[&pod("", "")]), []);
}

#[test]
fn what_a_pod_may_do_to_its_node_is_found() {
    for (spec, severity, rule, says) in [
        ("hostNetwork: true,", High, "pod-security/baseline/host-namespaces", "network of its node"),
        ("hostPID: true,", High, "pod-security/baseline/host-namespaces", "every process of its node"),
        ("hostIPC: true,", High, "pod-security/baseline/host-namespaces", "shares memory"),
        ("priorityClassName: system-node-critical,", Medium, "pod/priority", "priority of the system"),
        (
            "securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}, {name: kernel.shm_rmid_forced, value: '1'}]},",
            Medium,
            "pod-security/baseline/sysctls",
            "sets parameters of the kernel: `kernel.msgmax`",
        ),
        (
            "securityContext: {windowsOptions: {hostProcess: true}},",
            Critical,
            "pod-security/baseline/host-process",
            "Windows node",
        ),
        (
            "securityContext: {seLinuxOptions: {type: spc_t}},",
            Medium,
            "pod-security/baseline/selinux",
            "`spc_t`",
        ),
        (
            "securityContext: {appArmorProfile: {type: Unconfined}},",
            Medium,
            "pod-security/baseline/app-armor",
            "AppArmor",
        ),
    ] {
        let found = found(&[&pod(spec, "")]);
        assert_found(&found, severity, rule, &[says, "Pod prod/x"]);
        assert_eq!(found.len(), 1, "{found:#?}");
    }
}

#[test]
fn what_a_container_may_become_is_found() {
    for (context, severity, rule, says) in [
        ("privileged: true", Critical, "pod-security/baseline/privileged-containers", "(container `main`)"),
        (
            "capabilities: {drop: [all], add: [SYS_ADMIN]}",
            Critical,
            "pod-security/baseline/capabilities",
            "`SYS_ADMIN`",
        ),
        (
            "capabilities: {drop: [ALL], add: [cap_all]}",
            Critical,
            "pod-security/baseline/capabilities",
            "`ALL`",
        ),
        (
            "capabilities: {drop: [ALL], add: [NET_ADMIN]}",
            High,
            "pod-security/baseline/capabilities",
            "`NET_ADMIN`",
        ),
        (
            "capabilities: {drop: [ALL], add: [NET_RAW]}",
            Medium,
            "pod-security/baseline/capabilities",
            "`NET_RAW`",
        ),
        ("capabilities: {drop: [ALL], add: [CHOWN]}", Low, "pod-security/restricted/capabilities", "`CHOWN`"),
        (
            "capabilities: {add: [NET_BIND_SERVICE]}",
            Low,
            "pod-security/restricted/capabilities",
            "does not drop `ALL`",
        ),
        ("procMount: Unmasked", High, "pod-security/baseline/proc-mount", "/proc"),
        ("seccompProfile: {type: Unconfined}", Medium, "pod-security/baseline/seccomp", "system calls"),
        (
            "allowPrivilegeEscalation: true",
            Medium,
            "pod-security/restricted/privilege-escalation",
            "more privileges",
        ),
        (
            "runAsUser: 0, runAsNonRoot: false",
            Medium,
            "pod-security/restricted/running-as-non-root",
            "(runAsUser: 0)",
        ),
        ("runAsNonRoot: false", Low, "pod-security/restricted/running-as-non-root", "so the image decides"),
        ("seLinuxOptions: {role: r}", Medium, "pod-security/baseline/selinux", "role of its own"),
        ("windowsOptions: {hostProcess: true}", Critical, "pod-security/baseline/host-process", "Windows"),
    ] {
        let set: Vec<_> = context.split([':', ',']).map(str::trim).collect();
        let rest: Vec<_> = [
            ("allowPrivilegeEscalation", "allowPrivilegeEscalation: false"),
            ("runAsNonRoot", "runAsNonRoot: true"),
            ("seccompProfile", "seccompProfile: {type: RuntimeDefault}"),
            ("capabilities", "capabilities: {drop: [ALL]}"),
        ]
        .into_iter()
        .filter(|(name, _)| !set.contains(name))
        .map(|(_, text)| text)
        .collect();
        let manifest = pod_with("", &format!("securityContext: {{{context}, {}}}", rest.join(", ")));
        let found = found(&[&manifest]);
        assert_found(&found, severity, rule, &[says]);
        assert_eq!(found.len(), 1, "{context}: {found:#?}");
    }
}

#[test]
fn a_container_without_any_security_context_is_told_once_for_each_lack() {
    let found = found(&[&pod_with("", "")]);
    let rules: Vec<_> = found.iter().map(|(severity, rule, _)| (*severity, rule.as_str())).collect();
    let lacks = ["capabilities", "privilege-escalation", "running-as-non-root", "seccomp"];
    let lacks: Vec<_> = lacks.iter().map(|lack| (Low, format!("pod-security/restricted/{lack}"))).collect();
    assert_eq!(rules, lacks.iter().map(|(severity, rule)| (*severity, rule.as_str())).collect::<Vec<_>>());
}

#[test]
fn a_container_is_as_root_as_its_pod_unless_it_says_otherwise() {
    let root = |spec: &str, context: &str| {
        let container = format!("securityContext: {{{context}}}");
        let found = found(&[&pod_with(spec, &container)]);
        found.into_iter().find(|(_, rule, _)| rule.ends_with("root")).map(|(severity, ..)| severity)
    };
    assert_eq!(root("securityContext: {runAsUser: 0},", ""), Some(Medium));
    assert_eq!(root("securityContext: {runAsUser: 0},", "runAsUser: 1000"), None);
    assert_eq!(root("securityContext: {runAsUser: 1000},", ""), None);
    assert_eq!(root("securityContext: {runAsNonRoot: true},", ""), None);
    assert_eq!(root("securityContext: {runAsNonRoot: true},", "runAsNonRoot: false"), Some(Low));
    assert_eq!(root("securityContext: {runAsNonRoot: true},", "runAsUser: 0"), Some(Medium));
    assert_eq!(root("hostUsers: false, securityContext: {runAsUser: 0},", ""), Some(Low));
    assert_eq!(root("hostUsers: false,", ""), None);
    assert_eq!(root("securityContext: {runAsUser: '0'},", ""), Some(Medium));
}

#[test]
fn directories_of_nodes_count_by_what_they_hold() {
    let host_path = |path: &str, mount: &str| {
        let spec = format!("volumes: [{{name: v, hostPath: {{path: '{path}'}}}}],");
        let container = format!("securityContext: {{{HARD}}}, volumeMounts: [{mount}]");
        let found = found(&[&pod_with(&spec, &container)]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].1, "pod-security/baseline/host-path-volumes");
        (found[0].0, found[0].2.clone())
    };
    let (written, read) = ("{name: v, mountPath: /x}", "{name: v, mountPath: /x, readOnly: true}");
    for (path, mount, severity, says) in [
        ("/", written, Critical, "`/`"),
        ("/", read, Critical, "sockets at `/`"),
        ("/var/run/docker.sock", read, Critical, "sockets"),
        ("//run/./containerd/containerd.sock", read, Critical, "sockets"),
        ("/run/containerd", read, Critical, "sockets"),
        ("/etc/cron.d", written, Critical, "writes to"),
        ("/var", written, Critical, "writes to"),
        ("/data/../etc", written, Critical, "sockets"),
        ("data", read, Critical, "sockets"),
        ("/etc", read, High, "kept secret"),
        ("/data", written, High, "writes to `/data`"),
        ("/data", "", High, "writes to `/data`"),
        ("/data", "{name: v, mountPath: /a, readOnly: true}, {name: v, mountPath: /b}", High, "writes to"),
        ("/data", read, Medium, "reads `/data`"),
        ("/etcetera", read, Medium, "reads"),
    ] {
        let (found, what) = host_path(path, mount);
        assert_eq!(found, severity, "{path}: {what}");
        assert!(what.contains(says), "{what}");
    }
    let volume =
        "{apiVersion: v1, kind: PersistentVolume, metadata: {name: x}, spec: {hostPath: {path: /etc}}}";
    assert_found(
        &found(&[volume]),
        Critical,
        "volume/host-path",
        &["PersistentVolume x: offers", "writes to `/etc`"],
    );
}

#[test]
fn ports_probes_tokens_and_storage_are_found() {
    let container = format!(
        "securityContext: {{{HARD}}}, ports: [{{containerPort: 80, hostPort: 8080}}, {{containerPort: 1}}]"
    );
    assert_found(
        &found(&[&pod_with("", &container)]),
        Medium,
        "pod-security/baseline/host-ports",
        &["`8080`"],
    );
    let container = format!(
        "securityContext: {{{HARD}}}, livenessProbe: {{httpGet: {{host: 169.254.169.254, port: 80}}}}"
    );
    assert_found(
        &found(&[&pod_with("", &container)]),
        Medium,
        "pod-security/baseline/host-probes",
        &["another host"],
    );
    let spec =
        "volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t, audience: vault}}]}}],";
    assert_found(
        &found(&[&pod(spec, "")]),
        Medium,
        "pod/foreign-token",
        &["for others than the cluster: `vault`"],
    );
    let spec = "volumes: [{name: v, nfs: {server: x, path: /}}, {name: w, emptyDir: {}}],";
    assert_found(&found(&[&pod(spec, "")]), Low, "pod-security/restricted/volume-types", &["`nfs`"]);
}

#[test]
fn every_kind_that_brings_pods_is_looked_into() {
    let template = "template: {spec: {hostPID: true, containers: [{name: a, image: b}]}}";
    for (api, kind, spec) in [
        ("apps/v1", "Deployment", format!("spec: {{{template}}}")),
        ("apps/v1", "StatefulSet", format!("spec: {{{template}}}")),
        ("apps/v1", "DaemonSet", format!("spec: {{{template}}}")),
        ("apps/v1", "ReplicaSet", format!("spec: {{{template}}}")),
        ("batch/v1", "Job", format!("spec: {{{template}}}")),
        ("batch/v1", "CronJob", format!("spec: {{jobTemplate: {{spec: {{{template}}}}}}}")),
        ("v1", "ReplicationController", format!("spec: {{{template}}}")),
        ("v1", "PodTemplate", template.to_owned()),
        ("v1", "Pod", "spec: {hostPID: true, initContainers: [{name: a, image: b}]}".to_owned()),
        // Where nobody says what the members mean, containers with names and images do.
        ("argoproj.io/v1alpha1", "Rollout", format!("spec: {{{template}}}")),
        ("serving.knative.dev/v1", "Service", format!("spec: {{{template}}}")),
        ("extensions/v1beta1", "Deployment", format!("spec: {{{template}}}")),
        ("apps/v1", "ControllerRevision", format!("data: {{spec: {{{template}}}}}")),
    ] {
        let manifest = format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: x}}, {spec}}}");
        assert_found(&found(&[&manifest]), High, "pod-security/baseline/host-namespaces", &["every process"]);
    }
    let other = "{apiVersion: example.org/v1, kind: Thing, metadata: {name: x}, spec: {containers: [{name: a}], hostPID: false}}";
    assert_eq!(found(&[other]), []);
}

#[test]
fn containers_that_begin_or_look_count_like_the_others() {
    for list in ["initContainers", "ephemeralContainers"] {
        let image = format!("a/b@sha256:{}", "0".repeat(64));
        let spec =
            format!("{list}: [{{name: other, image: '{image}', securityContext: {{privileged: true}}}}],");
        let found = found(&[&pod(&spec, "")]);
        assert_found(
            &found,
            Critical,
            "pod-security/baseline/privileged-containers",
            &["(container `other`)"],
        );
    }
}

#[test]
fn images_must_be_pinned_and_be_the_bundles() {
    let pinned = Digest::of(b"pinned");
    let images = Images::from_iter([pinned]);
    let rule = |image: &str| {
        let container = format!("image: '{image}', name: main, securityContext: {{{HARD}}}");
        let manifest = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {{automountServiceAccountToken: false,
               containers: [{{{container}}}]}}}}"
        );
        let powers =
            Powers::of(&rows(&[&manifest]), Some(&images), None, &ClusterContext::unknown(Coverage::All))
                .there;
        powers.into_iter().map(|power| (power.severity, power.rule)).next()
    };
    let not_pinned = Some((Medium, "image/not-pinned".to_owned()));
    assert_eq!(rule(&format!("ghcr.io/acme/web@{pinned}")), None);
    assert_eq!(rule(&format!("ghcr.io/acme/web:1.2@{pinned}")), None);
    assert_eq!(rule("ghcr.io/acme/web:1.2"), not_pinned);
    assert_eq!(rule("ghcr.io/acme/web"), not_pinned);
    assert_eq!(rule("ghcr.io/acme/web@sha256:short"), not_pinned);
    assert_eq!(
        rule(&format!("ghcr.io/acme/web@{}", Digest::of(b"other"))),
        Some((Medium, "image/not-of-the-bundle".to_owned()))
    );
    assert_eq!(rule(""), Some((Low, "image/unset".to_owned())));
    let volume = pod("volumes: [{name: v, image: {reference: 'a/b:1'}}],", "");
    assert_found(&found(&[&volume]), Medium, "image/not-pinned", &["a/b:1 (`v`)"]);
}

const ACCOUNT: &str = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: agent}}";

fn role(kind: &str, rules: &str) -> String {
    format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: r}}, rules: [{rules}]}}"
    )
}

fn binding(kind: &str, role_kind: &str, role: &str, subjects: &str) -> String {
    format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: b}},
           roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {role_kind}, name: {role}}}, subjects: [{subjects}]}}"
    )
}

const AGENT: &str = "{kind: ServiceAccount, name: agent, namespace: prod}";

#[test]
fn rights_that_lead_further_are_named_at_their_binding() {
    for (rule, cluster, namespaced, id) in [
        ("{apiGroups: ['*'], resources: ['*'], verbs: ['*']}", Some(Critical), Some(High), "rbac/everything"),
        (
            "{apiGroups: [''], resources: [secrets], verbs: [get]}",
            Some(High),
            Some(Medium),
            "rbac/secrets-read",
        ),
        ("{apiGroups: [''], resources: ['*'], verbs: [list]}", Some(High), Some(Medium), "rbac/secrets-read"),
        (
            "{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [one]}",
            Some(Medium),
            Some(Low),
            "rbac/secrets-read",
        ),
        (
            "{apiGroups: ['*'], resources: [secrets], verbs: ['*']}",
            Some(High),
            Some(Medium),
            "rbac/secrets-write",
        ),
        (
            "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate]}",
            Some(Critical),
            Some(High),
            "rbac/escalate",
        ),
        (
            "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind], resourceNames: [x]}",
            Some(Critical),
            Some(High),
            "rbac/bind",
        ),
        (
            "{apiGroups: [''], resources: [users, groups], verbs: [impersonate]}",
            Some(Critical),
            Some(High),
            "rbac/impersonate",
        ),
        (
            "{apiGroups: [''], resources: [pods/exec], verbs: [create]}",
            Some(Critical),
            Some(High),
            "rbac/exec",
        ),
        (
            "{apiGroups: [''], resources: ['*/exec'], verbs: [create]}",
            Some(Critical),
            Some(High),
            "rbac/exec",
        ),
        (
            "{apiGroups: [''], resources: [nodes/proxy], verbs: [get]}",
            Some(Critical),
            None,
            "rbac/nodes-proxy",
        ),
        (
            "{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}",
            Some(Critical),
            Some(High),
            "rbac/token-create",
        ),
        (
            "{apiGroups: [apps], resources: [deployments], verbs: [patch]}",
            Some(High),
            Some(Medium),
            "rbac/pods",
        ),
        (
            "{apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], verbs: [update]}",
            Some(Critical),
            None,
            "rbac/admission",
        ),
        (
            "{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve]}",
            Some(Critical),
            None,
            "rbac/certificates",
        ),
        (
            "{apiGroups: [example.org], resources: ['*'], verbs: [get]}",
            Some(Medium),
            Some(Low),
            "rbac/every-resource",
        ),
    ] {
        let severity = |manifests: &[&str]| {
            let found = found(manifests);
            let of_binding = |row: &&(Severity, String, String)| {
                row.1 == id && row.2.contains("lets `ServiceAccount prod/agent`")
            };
            found.iter().find(of_binding).map(|(severity, ..)| *severity)
        };
        let (wide, narrow) = (role("ClusterRole", rule), role("Role", rule));
        assert_eq!(
            severity(&[&wide, &binding("ClusterRoleBinding", "ClusterRole", "r", AGENT)]),
            cluster,
            "{rule}"
        );
        assert_eq!(
            severity(&[&wide, &binding("RoleBinding", "ClusterRole", "r", AGENT)]),
            namespaced,
            "{rule}"
        );
        assert_eq!(severity(&[&narrow, &binding("RoleBinding", "Role", "r", AGENT)]), namespaced, "{rule}");
    }
}

#[test]
fn harmless_rights_are_of_low_severity() {
    let rule = "{apiGroups: [''], resources: [configmaps, pods], verbs: [get, list, watch]}";
    let found = found(&[&role("Role", rule), &binding("RoleBinding", "Role", "r", AGENT)]);
    assert_eq!(
        found.iter().map(|(severity, rule, _)| (*severity, rule.as_str())).collect::<Vec<_>>(),
        [(Low, "rbac/other")]
    );
}

#[test]
fn bindings_of_roles_that_every_cluster_has_are_known() {
    let admin = binding("ClusterRoleBinding", "ClusterRole", "cluster-admin", AGENT);
    assert_found(
        &found(&[&admin]),
        Critical,
        "rbac/everything",
        &["ClusterRoleBinding b", "agent", "whole cluster"],
    );
    let edit = binding("RoleBinding", "ClusterRole", "edit", AGENT);
    assert_found(&found(&[&edit]), High, "rbac/exec", &["in the namespace `prod`"]);
    assert_eq!(found(&[&binding("RoleBinding", "ClusterRole", "view", AGENT)]), []);
    let other = binding("ClusterRoleBinding", "ClusterRole", "system:masters-friend", AGENT);
    assert_found(&found(&[&other]), Medium, "rbac/unknown", &["not known here"]);
}

#[test]
fn rights_for_everybody_are_found() {
    let secrets = role("ClusterRole", "{apiGroups: [''], resources: [secrets], verbs: [get]}");
    let maps = role("ClusterRole", "{apiGroups: [''], resources: [configmaps], verbs: [get]}");
    for (subject, secret, harmless) in [
        ("{kind: Group, name: 'system:authenticated'}", High, Medium),
        ("{kind: Group, name: 'system:serviceaccounts'}", High, Medium),
        ("{kind: Group, name: 'system:unauthenticated'}", Critical, High),
        ("{kind: User, name: 'system:anonymous'}", Critical, High),
    ] {
        let bound = binding("ClusterRoleBinding", "ClusterRole", "r", subject);
        assert_found(&found(&[&secrets, &bound]), secret, "rbac/everybody", &["to everybody in `system:"]);
        assert_found(&found(&[&maps, &bound]), harmless, "rbac/everybody", &["to everybody in `system:"]);
    }
}

#[test]
fn a_role_that_nobody_is_bound_to_yet_counts_less() {
    let all = role("ClusterRole", "{apiGroups: ['*'], resources: ['*'], verbs: ['*']}");
    assert_found(&found(&[&all]), High, "rbac/everything", &["lets whoever is bound to it do everything"]);
    let bound = row(&binding("ClusterRoleBinding", "ClusterRole", "r", "{kind: User, name: eve}"));
    let context =
        ClusterContext { objects: vec![(bound.object, bound.after.unwrap())], coverage: Coverage::All };
    let powers = found_in(&rows(&[&all]), &context);
    assert_eq!((powers[0].severity, powers[0].rule.as_str()), (Critical, "rbac/everything"));
    assert!(powers[0].what.contains("those who are bound to it already"), "{powers:?}");
}

#[test]
fn rules_that_gather_or_spread_are_found() {
    let gathers = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: g},
        aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: g}}]}}";
    let part =
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: p, labels: {to: g}},
        rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]}";
    let found_there = found(&[gathers, part, &binding("ClusterRoleBinding", "ClusterRole", "g", AGENT)]);
    assert_found(&found_there, Medium, "rbac/aggregation", &["ClusterRole g"]);
    assert_found(&found_there, High, "rbac/secrets-read", &["ClusterRoleBinding b"]);
    let spreads = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole,
        metadata: {name: s, labels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}},
        rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]}";
    assert_found(&found(&[spreads]), High, "rbac/aggregation", &["everybody who has the role `view`"]);
}

fn workload(more: &str) -> String {
    let image = format!("a/b@sha256:{}", "0".repeat(64));
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: agent}}, spec: {{template: {{spec: {{{more}
           containers: [{{name: main, image: '{image}', securityContext: {{{HARD}}}}}]}}}}}}}}"
    )
}

#[test]
fn a_pod_can_do_what_its_service_account_may() {
    let role = role("ClusterRole", "{apiGroups: [''], resources: [secrets], verbs: [get]}");
    let bound = binding("ClusterRoleBinding", "ClusterRole", "r", AGENT);
    let says = ["Deployment prod/agent", "`prod/agent`", "which may read Secrets in the whole cluster"];
    let found_with = |pod: &str, account: &str| {
        let found = found(&[&role, &bound, account, &workload(pod)]);
        found.into_iter().filter(|(_, rule, _)| rule == "pod/service-account").collect::<Vec<_>>()
    };
    assert_found(&found_with("serviceAccountName: agent,", ACCOUNT), High, "pod/service-account", &says);
    assert_found(&found_with("serviceAccount: agent,", ACCOUNT), High, "pod/service-account", &says);
    // Another account, or no token, and there is nothing to tell.
    assert_eq!(found_with("", ACCOUNT), []);
    assert_eq!(found_with("serviceAccountName: agent, automountServiceAccountToken: false,", ACCOUNT), []);
    let without = ACCOUNT.replace("metadata:", "automountServiceAccountToken: false, metadata:");
    assert_eq!(found_with("serviceAccountName: agent,", &without), []);
    // The pod's word counts more than the account's, and a token can be mounted by hand.
    let insists = "serviceAccountName: agent, automountServiceAccountToken: true,";
    assert_found(&found_with(insists, &without), High, "pod/service-account", &says);
    let by_hand = "serviceAccountName: agent, automountServiceAccountToken: false, \
                   volumes: [{name: t, projected: {sources: [{serviceAccountToken: {path: t}}]}}],";
    assert_found(&found_with(by_hand, ACCOUNT), High, "pod/service-account", &says);
}

#[test]
fn groups_and_names_of_users_bind_service_accounts_too() {
    let role = role("ClusterRole", "{apiGroups: [''], resources: [secrets], verbs: [get]}");
    for subject in [
        "{kind: Group, name: 'system:authenticated'}",
        "{kind: Group, name: 'system:serviceaccounts'}",
        "{kind: Group, name: 'system:serviceaccounts:prod'}",
        "{kind: User, name: 'system:serviceaccount:prod:default'}",
        "{kind: ServiceAccount, name: default, namespace: prod}",
    ] {
        let bound = binding("ClusterRoleBinding", "ClusterRole", "r", subject);
        assert_found(
            &found(&[&role, &bound, &workload("")]),
            High,
            "pod/service-account",
            &["`prod/default`"],
        );
    }
    let other = binding(
        "ClusterRoleBinding",
        "ClusterRole",
        "r",
        "{kind: Group, name: 'system:serviceaccounts:test'}",
    );
    let found = found(&[&role, &other, &workload("")]);
    assert!(found.iter().all(|(_, rule, _)| rule != "pod/service-account"), "{found:#?}");
}

#[test]
fn rights_that_are_in_the_cluster_already_count_and_what_is_not_known_is_said() {
    let bound = row(&binding(
        "ClusterRoleBinding",
        "ClusterRole",
        "cluster-admin",
        "{kind: ServiceAccount, name: default, namespace: prod}",
    ));
    let there = |known| ClusterContext {
        objects: vec![(bound.object.clone(), bound.after.clone().unwrap())],
        coverage: known,
    };
    let plan = rows(&[&workload("")]);
    let told = |context: &ClusterContext| {
        let powers = found_in(&plan, context);
        powers.into_iter().map(|power| (power.severity, power.rule)).collect::<Vec<_>>()
    };
    assert_eq!(told(&there(Coverage::All)), [(Critical, "pod/service-account".to_owned())]);
    let unknown = (Low, "pod/service-account-unknown".to_owned());
    assert_eq!(told(&there(Coverage::Part)), [(Critical, "pod/service-account".to_owned()), unknown.clone()]);
    assert_eq!(told(&ClusterContext::unknown(Coverage::Directory)), [unknown]);
    assert_eq!(told(&ClusterContext::unknown(Coverage::All)), []);
    // An object that the plan removes does not count any more.
    let removed =
        ObjectChange { change: Change::Delete, before: bound.after.clone(), after: None, ..bound.clone() };
    let plan = [plan.clone(), vec![removed]].concat();
    let powers = Powers::of(&plan, None, None, &there(Coverage::All));
    assert_eq!(powers.there, []);
    assert_eq!(powers.gone.len(), 1, "{powers:?}");
}

#[test]
fn what_has_to_be_read_in_the_cluster_is_only_what_the_plan_needs() {
    assert!(Lookups::of(&rows(&[&pod("", ""), ACCOUNT])).is_nothing());
    let lookups = Lookups::of(&rows(&[&workload(""), &binding("RoleBinding", "ClusterRole", "edit", AGENT)]));
    assert_eq!(lookups.namespaces(), ["prod"].into());
    let mut there = ClusterContext::unknown(Coverage::All);
    let others = binding("ClusterRoleBinding", "ClusterRole", "other", "{kind: User, name: eve}");
    let ours = binding("RoleBinding", "Role", "mine", "{kind: Group, name: 'system:serviceaccounts'}");
    there.keep(
        &lookups,
        rows(&[&others, &ours]).into_iter().map(|row| (row.object, row.after.unwrap())).collect(),
    );
    let roles: Vec<_> = there.roles(&lookups).iter().map(ToString::to_string).collect();
    let group = "rbac.authorization.k8s.io";
    assert_eq!(roles, [format!("{group}/ClusterRole edit"), format!("{group}/Role prod/mine")]);
}

fn webhook(kind: &str, more: &str, resources: &str) -> String {
    format!(
        "{{apiVersion: admissionregistration.k8s.io/v1, kind: {kind}, metadata: {{name: w}}, webhooks: [{{name: w.example.org,
           {more} clientConfig: {{service: {{name: w, namespace: prod}}}}, sideEffects: None, admissionReviewVersions: [v1],
           rules: [{{apiGroups: ['*'], apiVersions: ['*'], operations: [CREATE], resources: [{resources}]}}]}}]}}"
    )
}

#[test]
fn webhooks_count_by_what_they_see() {
    let (mutating, validating) = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration");
    let selector = "namespaceSelector: {matchLabels: {inject: enabled}},";
    let all_but = "namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [x]}]},";
    for (kind, more, resources, severity, rule) in [
        (mutating, "", "'*'", Critical, "admission/mutating-webhook"),
        (mutating, "", "secrets", Critical, "admission/mutating-webhook"),
        (mutating, all_but, "secrets", Critical, "admission/mutating-webhook"),
        (mutating, selector, "secrets", High, "admission/mutating-webhook"),
        (mutating, "", "pods", High, "admission/mutating-webhook"),
        (mutating, "", "things", Medium, "admission/mutating-webhook"),
        (validating, "", "'*/*'", High, "admission/validating-webhook"),
        (validating, "", "things", Medium, "admission/validating-webhook"),
        (validating, selector, "things", Low, "admission/validating-webhook"),
    ] {
        assert_found(
            &found(&[&webhook(kind, more, resources)]),
            severity,
            rule,
            &["w.example.org", "failurePolicy Fail"],
        );
    }
    let lenient = found(&[&webhook(mutating, "failurePolicy: Ignore,", "pods")]);
    assert!(lenient.iter().all(|(.., what)| !what.contains("failurePolicy")), "{lenient:?}");
    let outside = webhook(mutating, "", "pods")
        .replace("service: {name: w, namespace: prod}", "url: 'https://evil.example/'");
    assert_found(&found(&[&outside]), High, "admission/webhook-outside", &["https://evil.example/"]);
}

#[test]
fn policies_definitions_and_api_services_are_found() {
    let policy = |kind: &str, actions: &str| {
        format!(
            "{{apiVersion: admissionregistration.k8s.io/v1, kind: {kind}, metadata: {{name: p}},
               spec: {{policyName: tags, validationActions: [{actions}]}}}}"
        )
    };
    let (validating, mutating) = ("ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding");
    assert_found(&found(&[&policy(validating, "Deny")]), Medium, "admission/validating-policy", &["`tags`"]);
    assert_found(&found(&[&policy(validating, "Warn")]), Low, "admission/validating-policy", &["`tags`"]);
    assert_found(&found(&[&policy(mutating, "")]), High, "admission/mutating-policy", &["`tags`"]);
    let definition = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: things.example.org},
        spec: {group: example.org, names: {kind: Thing}, conversion: {strategy: Webhook}}}";
    assert_found(&found(&[definition]), Low, "crd/new-kind", &["`example.org/Thing`"]);
    assert_found(&found(&[definition]), Medium, "crd/conversion-webhook", &["`example.org/Thing`"]);
    let service =
        "{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.metrics.k8s.io},
        spec: {group: metrics.k8s.io, version: v1, service: {name: m}, insecureSkipTLSVerify: true}}";
    assert_found(&found(&[service]), High, "api/service", &["`metrics.k8s.io/v1`"]);
    assert_found(&found(&[service]), Critical, "api/insecure", &["insecureSkipTLSVerify"]);
}

#[test]
fn ways_in_from_outside_are_found() {
    let service = |spec: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: s}}, spec: {{ports: [{{port: 80}}], {spec}}}}}"
        )
    };
    assert_found(
        &found(&[&service("type: NodePort")]),
        Medium,
        "exposure/node-port",
        &["every node", "`80`"],
    );
    assert_found(
        &found(&[&service("type: LoadBalancer")]),
        Medium,
        "exposure/load-balancer",
        &["load balancer"],
    );
    assert_found(
        &found(&[&service("externalIPs: [203.0.113.7]")]),
        High,
        "exposure/external-ips",
        &["`203.0.113.7`"],
    );
    assert_found(
        &found(&[&service("type: ExternalName, externalName: evil.example")]),
        Low,
        "exposure/external-name",
        &["`evil.example`"],
    );
    assert_eq!(found(&[&service("type: ClusterIP")]), []);
    let ingress = |more: &str, spec: &str| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: i, {more}}}, spec: {{{spec}}}}}"
        )
    };
    assert_found(
        &found(&[&ingress("", "rules: [{host: a.example}]")]),
        Low,
        "exposure/ingress",
        &["`a.example`"],
    );
    for any in [
        "rules: [{http: {}}]",
        "rules: [{host: '*'}]",
        "rules: [{host: a.example}], defaultBackend: {service: {name: x}}",
    ] {
        assert_found(&found(&[&ingress("", any)]), Medium, "exposure/ingress", &["any host name"]);
    }
    let snippet = "annotations: {nginx.ingress.kubernetes.io/server-snippet: 'x'}";
    assert_found(
        &found(&[&ingress(snippet, "rules: [{host: a.example}]")]),
        High,
        "exposure/ingress-snippet",
        &["server-snippet"],
    );
    let gateway = "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g},
        spec: {listeners: [{name: a, port: 443, hostname: a.example}]}}";
    assert_found(&found(&[gateway]), Medium, "exposure/gateway", &["`a.example:443`"]);
    for kind in ["HTTPRoute", "GRPCRoute", "TCPRoute"] {
        let route = |spec: &str| {
            format!(
                "{{apiVersion: gateway.networking.k8s.io/v1, kind: {kind}, metadata: {{name: r}}, spec: {{{spec}}}}}"
            )
        };
        assert_found(&found(&[&route("hostnames: [a.example]")]), Low, "exposure/route", &["`a.example`"]);
        assert_found(&found(&[&route("")]), Medium, "exposure/route", &["any host name"]);
    }
}

#[test]
fn tokens_priorities_and_open_namespaces_are_found() {
    let token =
        "{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: t,
        annotations: {kubernetes.io/service-account.name: agent}}}";
    assert_found(
        &found(&[token]),
        Medium,
        "secret/service-account-token",
        &["`prod/agent`", "never expires"],
    );
    let admin = binding("ClusterRoleBinding", "ClusterRole", "cluster-admin", AGENT);
    assert_found(&found(&[token, &admin]), Critical, "secret/service-account-token", &["may do everything"]);
    let bootstrap =
        "{apiVersion: v1, kind: Secret, type: bootstrap.kubernetes.io/token, metadata: {name: t}}";
    assert_found(&found(&[bootstrap]), Critical, "secret/bootstrap-token", &["join the cluster"]);
    let priority = |value: i64| {
        format!(
            "{{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {{name: p}}, value: {value}, globalDefault: true}}"
        )
    };
    assert_found(&found(&[&priority(2_000_000_000)]), High, "priority/system", &["2000000000"]);
    assert_found(&found(&[&priority(10)]), Medium, "priority/default", &["every new pod"]);
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: space, labels: {pod-security.kubernetes.io/enforce: privileged}}}";
    assert_found(&found(&[namespace]), Medium, "namespace/privileged", &["any pod"]);
    let request = "{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: c}, spec: {signerName: a/b}}";
    assert_found(&found(&[request]), Medium, "certificate/request", &["`a/b`"]);
}

#[test]
fn on_an_upgrade_what_is_new_and_what_is_gone_is_told() {
    let mut change = row(&pod("hostNetwork: true, hostIPC: true,", ""));
    change.before = row(&pod("hostNetwork: true, hostPID: true,", "")).after;
    change.change = Change::Update;
    let powers = Powers::of(&[change.clone()], None, None, &ClusterContext::unknown(Coverage::All));
    let told = |powers: &[Power]| {
        powers.iter().map(|power| (power.what[..12].to_owned(), power.new)).collect::<Vec<_>>()
    };
    assert_eq!(told(&powers.there), [("shares memor".to_owned(), true), ("uses the net".to_owned(), false)]);
    assert_eq!(told(&powers.gone), [("sees every p".to_owned(), false)]);
    // Where nothing was there, nothing is new.
    change.before = None;
    assert!(found_in(&[change], &ClusterContext::unknown(Coverage::All)).iter().all(|power| !power.new));
}

#[test]
fn what_is_refused_goes_by_severity() {
    let powers = found_in(&rows(&[&pod("hostNetwork: true,", "")]), &ClusterContext::unknown(Coverage::All));
    assert_eq!(Powers::check(&powers, By::Operator, Critical), Ok(()));
    let refused = Powers::check(&powers, By::Policy("layout".into()), High).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "rule `layout` of the trust policy refuses powers of severity high and above, and there is 1"
    );
    assert_eq!(refused.powers, powers);
}

fn placed(manifest: &str, key: &str) -> ObjectChange {
    let placements = [(key.to_owned(), ["password".to_owned()].into())].into();
    ObjectChange { placements, ..row(manifest) }
}

#[test]
fn credentials_are_followed_to_whoever_reads_their_secret() {
    let secret = placed("{apiVersion: v1, kind: Secret, metadata: {name: db}}", "password");
    let image = "image: 'a/b:1'";
    let readers_of = |manifests: &[&str]| {
        let changes = [vec![secret.clone()], rows(manifests)].concat();
        let readers = readers(&changes, &ClusterContext::unknown(Coverage::All));
        let readers = readers.get("password").cloned().unwrap_or_default();
        readers.into_iter().map(|reader| (reader.object, reader.image, reader.how)).collect::<Vec<_>>()
    };
    let pod = |spec: &str, container: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {{automountServiceAccountToken: false, {spec}
               containers: [{{name: c, {image}, {container}}}]}}}}"
        )
    };
    let of_pod = |image: Option<&str>, how: &str| {
        vec![("Pod prod/x".to_owned(), image.map(str::to_owned), how.to_owned())]
    };
    for (spec, container, image, how) in [
        (
            "",
            "env: [{name: P, valueFrom: {secretKeyRef: {name: db, key: password}}}]",
            Some("a/b:1"),
            "environment variable `P` of container `c`",
        ),
        ("", "envFrom: [{secretRef: {name: db}}]", Some("a/b:1"), "environment of container `c`"),
        (
            "volumes: [{name: v, secret: {secretName: db}}],",
            "volumeMounts: [{name: v, mountPath: /s}]",
            Some("a/b:1"),
            "files at `/s` in container `c`",
        ),
        ("volumes: [{name: v, secret: {secretName: db}}],", "", None, "volume `v`"),
        (
            "volumes: [{name: v, projected: {sources: [{secret: {name: db, items: [{key: password, path: p}]}}]}}],",
            "volumeMounts: [{name: v, mountPath: /s}]",
            Some("a/b:1"),
            "files at `/s` in container `c`",
        ),
        (
            "volumes: [{name: v, csi: {driver: d, nodePublishSecretRef: {name: db}}}],",
            "",
            None,
            "volume `v`, by its driver `csi`",
        ),
        ("imagePullSecrets: [{name: db}],", "", None, "pulls its images with it"),
    ] {
        assert_eq!(readers_of(&[&pod(spec, container)]), of_pod(image, how));
    }
    // Other keys, other Secrets and other namespaces read nothing of it.
    for (spec, container) in [
        ("", "env: [{name: P, valueFrom: {secretKeyRef: {name: db, key: user}}}]"),
        ("", "env: [{name: P, valueFrom: {secretKeyRef: {name: other, key: password}}}]"),
        ("volumes: [{name: v, secret: {secretName: db, items: [{key: user, path: u}]}}],", ""),
    ] {
        assert_eq!(readers_of(&[&pod(spec, container)]), []);
    }
    let elsewhere = pod("imagePullSecrets: [{name: db}],", "").replace("name: x", "name: x, namespace: test");
    assert_eq!(readers_of(&[&elsewhere]), []);
}

#[test]
fn credentials_are_followed_through_accounts_certificates_and_other_kinds() {
    let secret = placed("{apiVersion: v1, kind: Secret, metadata: {name: db}}", "password");
    let hows = |manifests: &[&str]| {
        let changes = [vec![secret.clone()], rows(manifests)].concat();
        let readers = readers(&changes, &ClusterContext::unknown(Coverage::All));
        readers
            .get("password")
            .into_iter()
            .flatten()
            .map(|reader| format!("{}: {}", reader.object, reader.how))
            .collect::<Vec<_>>()
    };
    let account = ACCOUNT.replace("metadata:", "imagePullSecrets: [{name: db}], metadata:");
    let quiet = "serviceAccountName: agent, automountServiceAccountToken: false,";
    assert_eq!(
        hows(&[&account, &workload(quiet)]),
        ["apps/Deployment prod/agent: pulls its images with it, through the service account `agent`"]
    );
    let role = role("Role", "{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: [db]}");
    assert_eq!(
        hows(&[&role, &binding("RoleBinding", "Role", "r", AGENT), &workload("serviceAccountName: agent,")]),
        ["apps/Deployment prod/agent: through the API, as service account `prod/agent`"]
    );
    let other = role.replace("[db]", "[other]");
    assert_eq!(
        hows(&[&other, &binding("RoleBinding", "Role", "r", AGENT), &workload("serviceAccountName: agent,")]),
        [""; 0]
    );
    let ingress = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {tls: [{secretName: db}]}}";
    assert_eq!(hows(&[ingress]), ["networking.k8s.io/Ingress prod/i: is its TLS certificate"]);
    let custom = "{apiVersion: example.org/v1, kind: Database, metadata: {name: d}, spec: {auth: {passwordSecretRef: {name: db}}}}";
    assert_eq!(
        hows(&[custom]),
        ["example.org/Database prod/d: is named at `passwordSecretRef` of its `spec`"]
    );
}

#[test]
fn findings_about_one_object_and_in_all_are_bounded_and_the_worst_stay() {
    let containers: Vec<_> = (0..500)
        .map(|n| json!({"name": format!("c{n}"), "image": format!("x:{n}"), "ports": [{"hostPort": n + 1}]}))
        .chain([json!({"name": "last", "image": "x:1", "securityContext": {"privileged": true}})])
        .collect();
    let mut one = row(&pod("", ""));
    one.after = Some(json!({"spec": {"containers": containers}}));
    let powers = found_in(&vec![one; 50], &ClusterContext::unknown(Coverage::All));
    assert!(powers.len() <= MAX + 1, "{}", powers.len());
    assert_eq!(
        (powers[0].severity, powers[0].rule.as_str()),
        (Critical, "pod-security/baseline/privileged-containers")
    );
    assert_eq!(powers.iter().filter(|power| power.severity == Critical).count(), 50);
    let more = powers.iter().rfind(|power| power.rule == MORE).unwrap();
    assert!(more.what.contains("more things"), "{more}");
    assert!(powers.iter().all(|power| power.what.chars().count() <= MAX_TEXT));
}

#[test]
fn roles_that_many_share_are_looked_at_within_bounds() {
    let rule = json!({"apiGroups": ["example.org"], "resources": ["things"], "verbs": ["get"]});
    let mut role = row(&role("ClusterRole", ""));
    role.after = Some(json!({"rules": vec![rule; 20_000]}));
    let bound = row(&binding(
        "ClusterRoleBinding",
        "ClusterRole",
        "r",
        "{kind: Group, name: 'system:serviceaccounts'}",
    ));
    let workloads = (0..200).map(|n| row(&workload(&format!("serviceAccountName: a{n},"))));
    let changes: Vec<_> = [role, bound].into_iter().chain(workloads).collect();
    let powers = found_in(&changes, &ClusterContext::unknown(Coverage::All));
    // An object that nobody had room to look at is not taken for harmless.
    let unknown = powers.iter().filter(|power| power.rule == "pod/service-account-unknown");
    assert!(unknown.clone().count() > 100);
    assert!(unknown.clone().all(|power| power.severity == High));
}

#[test]
fn hostile_text_is_made_visible() {
    let mut one = row(&pod("", ""));
    let name = "x\u{1b}[2J\n\u{202e}";
    one.after = Some(json!({"spec": {"hostNetwork": "yes", "priorityClassName": 7, "containers": [
        {"name": name, "image": name, "securityContext": {"privileged": "false", "capabilities": {"add": [name, 7]}}}]}}));
    let powers = found_in(&[one], &ClusterContext::unknown(Coverage::All));
    assert!(powers.iter().any(|power| power.severity == Critical));
    assert!(powers.iter().all(|power| document::visible(&power.what) == power.what), "{powers:?}");
}

#[test]
fn a_pod_of_another_shape_is_told() {
    let mut one = row(&pod("", ""));
    for spec in [json!("x"), json!({"containers": {"name": "x"}}), json!({"initContainers": "x"})] {
        one.after = Some(json!({"spec": spec}));
        let powers = found_in(&[one.clone()], &ClusterContext::unknown(Coverage::All));
        assert!(
            powers.iter().any(|power| power.rule == "pod/unreadable" && power.severity == High),
            "{powers:?}"
        );
    }
}

/// Values with members that mean something, in places where they may or may not.
fn any_value() -> impl Strategy<Value = Value> {
    let words = [
        "*",
        "",
        "a",
        "secrets",
        "get",
        "ClusterRole",
        "Role",
        "r",
        "system:authenticated",
        "User",
        "Group",
        "true",
        "Webhook",
        "db",
        "\u{202e}",
        "sha256:",
        "/",
        "..",
        "NodePort",
    ];
    let members = [
        "spec",
        "template",
        "metadata",
        "containers",
        "initContainers",
        "securityContext",
        "capabilities",
        "add",
        "drop",
        "volumes",
        "hostPath",
        "path",
        "name",
        "image",
        "rules",
        "verbs",
        "resources",
        "apiGroups",
        "resourceNames",
        "roleRef",
        "kind",
        "subjects",
        "namespace",
        "webhooks",
        "clientConfig",
        "namespaceSelector",
        "matchLabels",
        "matchExpressions",
        "labels",
        "annotations",
        "aggregationRule",
        "clusterRoleSelectors",
        "projected",
        "sources",
        "serviceAccountToken",
        "audience",
        "secret",
        "secretName",
        "items",
        "env",
        "envFrom",
        "valueFrom",
        "secretKeyRef",
        "ports",
        "hostPort",
        "jobTemplate",
        "serviceAccountName",
        "automountServiceAccountToken",
        "imagePullSecrets",
        "tls",
        "listeners",
        "type",
        "data",
        "runAsUser",
        "volumeMounts",
        "sysctls",
        "host",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(words.to_vec()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 96, 6, move |inner| {
        let member = proptest::sample::select(members.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((member, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = ObjectRef> {
    let kinds = vec![
        ("v1", "Pod"),
        ("v1", "Secret"),
        ("v1", "Service"),
        ("v1", "ServiceAccount"),
        ("v1", "PersistentVolume"),
        ("v1", "Namespace"),
        ("v1", "PodTemplate"),
        ("apps/v1", "Deployment"),
        ("batch/v1", "CronJob"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("apiregistration.k8s.io/v1", "APIService"),
        ("networking.k8s.io/v1", "Ingress"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("scheduling.k8s.io/v1", "PriorityClass"),
        ("example.org/v1", "Thing"),
    ];
    (proptest::sample::select(kinds), proptest::option::of(Just("prod".to_owned())), "[a-z]").prop_map(
        |((api_version, kind), namespace, name)| {
            ObjectRef::new(api_version, kind, namespace.as_deref(), name)
        },
    )
}

proptest! {
    #[test]
    fn no_object_whatever_its_shape_stops_the_search(
        objects in proptest::collection::vec((any_object(), any_value(), proptest::option::of(any_value())), 1..6),
        beside in proptest::collection::vec((any_object(), any_value()), 0..4),
    ) {
        let changes: Vec<_> = objects
            .into_iter()
            .map(|(object, after, before)| ObjectChange {
                placements: [("password".to_owned(), ["x".to_owned()].into())].into(),
                ..ObjectChange::bare(object, Change::Update, before, Some(after))
            })
            .collect();
        let mut there = ClusterContext::unknown(Coverage::All);
        let lookups = Lookups::of(&changes);
        there.keep(&lookups, beside);
        prop_assert!(there.roles(&lookups).iter().all(|role| role.check().is_ok()));
        let powers = Powers::of(&changes, Some(&Images::default()), None, &there);
        prop_assert!(powers.there.is_sorted_by_key(|power| Reverse(power.severity)));
        prop_assert!(powers.there.iter().all(|power| document::visible(&power.what) == power.what));
        prop_assert!(readers(&changes, &there).values().all(|readers| readers.len() <= 101));
    }
}
