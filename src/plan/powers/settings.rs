//! Objects that configure the cluster by their names: whoever writes them decides for everybody.

use crate::capability::severity::Severity;
use crate::kubernetes::api::COORDINATION;

use super::untyped::{members, text};
use super::{Found, Item};

use Severity::{Critical, High, Low, Medium};

/// A setting, by the namespace and the name of the object that it stands in.
struct Setting {
    kind: &'static str,
    /// Any where it is empty.
    namespace: &'static str,
    /// With a trailing `*`, how the name begins.
    name: &'static str,
    severity: Severity,
    what: &'static str,
}

const SYSTEM: &str = "kube-system";
const DNS: &str = "decides what names mean for all pods";
const PROXY: &str = "decides how all nodes pass requests on";
const NETWORK: &str = "configures the network of all pods";
const WHO: &str = "decides who is who in the cluster, administrators included";
const NODES: &str = "configures nodes, and those that join";
const LEADER: &str =
    "decides which controller of the cluster works: whoever holds it can keep them all from it";
const MESH: &str = "configures the proxies of the whole mesh";
const TOOL: &str = "configures a deployment tool, and who may have it do what";

const SETTINGS: &[Setting] = &[
    setting("ConfigMap", SYSTEM, "aws-auth", Critical, WHO),
    setting("ConfigMap", SYSTEM, "extension-apiserver-authentication", Critical, WHO),
    setting("ConfigMap", SYSTEM, "kubeadm-config", High, NODES),
    setting("ConfigMap", SYSTEM, "kubelet-config*", High, NODES),
    setting("ConfigMap", SYSTEM, "kube-apiserver-legacy-service-account-token-tracking", Low, NODES),
    setting("ConfigMap", SYSTEM, "coredns*", High, DNS),
    setting("ConfigMap", SYSTEM, "kube-dns*", High, DNS),
    setting("ConfigMap", SYSTEM, "node-local-dns*", High, DNS),
    setting("ConfigMap", SYSTEM, "nodelocaldns*", High, DNS),
    setting("ConfigMap", SYSTEM, "kube-proxy*", High, PROXY),
    setting("ConfigMap", SYSTEM, "ip-masq-agent*", High, NETWORK),
    setting("ConfigMap", SYSTEM, "amazon-vpc-cni*", High, NETWORK),
    setting("ConfigMap", SYSTEM, "calico*", High, NETWORK),
    setting("ConfigMap", SYSTEM, "canal*", High, NETWORK),
    setting("ConfigMap", SYSTEM, "cilium*", High, NETWORK),
    setting("ConfigMap", SYSTEM, "antrea*", High, NETWORK),
    setting("ConfigMap", SYSTEM, "weave*", High, NETWORK),
    setting("ConfigMap", "", "kube-flannel-cfg", High, NETWORK),
    setting("ConfigMap", SYSTEM, "cluster-autoscaler*", Medium, NODES),
    setting("ConfigMap", SYSTEM, "cloud-*", High, NODES),
    setting("ConfigMap", "kube-public", "cluster-info", High, NODES),
    setting("ConfigMap", "", "kube-root-ca.crt", High, "decides whom pods take for the API server"),
    setting("ConfigMap", "istio-system", "istio*", High, MESH),
    setting("ConfigMap", "linkerd", "linkerd-config*", High, MESH),
    setting("ConfigMap", "", "argocd-cm", High, TOOL),
    setting("ConfigMap", "", "argocd-cmd-params-cm", High, TOOL),
    setting("ConfigMap", "", "argocd-rbac-cm", High, TOOL),
    setting("ConfigMap", "openshift-config", "*", High, "configures the cluster"),
    setting("ConfigMap", "openshift-config-managed", "*", High, "configures the cluster"),
    setting("Secret", "openshift-config", "*", High, "configures the cluster"),
    setting("Secret", SYSTEM, "cloud-*", High, NODES),
    setting("Secret", "", "argocd-secret", High, TOOL),
    setting(
        "Secret",
        "",
        "sh.helm.release.v1.*",
        High,
        "is a release that helm goes back to: it applies what stands there",
    ),
    setting("Lease", SYSTEM, "kube-controller-manager", High, LEADER),
    setting("Lease", SYSTEM, "kube-scheduler", High, LEADER),
    setting("Lease", SYSTEM, "cloud-controller-manager", High, LEADER),
    setting("Lease", SYSTEM, "apiserver-*", High, "is how API servers know of each other"),
    setting("Lease", SYSTEM, "*", Medium, LEADER),
    setting("Lease", "kube-node-lease", "*", High, "decides which nodes are taken to be alive"),
    setting(
        "ConfigMap",
        SYSTEM,
        "*",
        Low,
        "is in a namespace of the system, where its parts look for their settings",
    ),
    setting(
        "Secret",
        SYSTEM,
        "*",
        Low,
        "is in a namespace of the system, where its parts look for their settings",
    ),
    setting("ConfigMap", "kube-public", "*", Low, "can be read by everybody, without a name"),
    setting("Secret", "kube-public", "*", Low, "is in a namespace that everybody looks into"),
];

const fn setting(
    kind: &'static str,
    namespace: &'static str,
    name: &'static str,
    severity: Severity,
    what: &'static str,
) -> Setting {
    Setting { kind, namespace, name, severity, what }
}

/// Labels by which a Secret or a ConfigMap is a setting, and of what.
const LABELS: [(&str, Severity, &str); 3] = [
    ("argocd.argoproj.io/secret-type", High, "hands a deployment tool access to a cluster or a source"),
    ("multicluster.istio.io/secret", High, "hands the mesh access to another cluster"),
    ("istio/multiCluster", High, "hands the mesh access to another cluster"),
];

/// Whether a namespace is the system's own.
pub(super) fn is_of_the_system(namespace: &str) -> bool {
    namespace.starts_with("kube-") || namespace.starts_with("openshift-")
}

/// Looks at one object.
pub(super) fn look(item: &Item<'_>, found: &mut Found) {
    let group = item.object.group();
    if !["", COORDINATION].contains(&group) {
        return;
    }
    let namespace = item.object.namespace.as_deref().unwrap_or_default();
    let is_it = |setting: &&Setting| {
        setting.kind == item.object.kind
            && (setting.namespace.is_empty() || setting.namespace == namespace)
            && is_named(setting.name, &item.object.name)
    };
    if let Some(setting) = SETTINGS.iter().find(is_it) {
        found.add(setting.severity, "cluster/setting", setting.what);
    }
    for (label, _) in members(item.body, "/metadata/labels") {
        if let Some((_, severity, what)) = LABELS.iter().find(|(known, ..)| *known == label) {
            found.add(*severity, "cluster/setting", *what);
        }
    }
    if item.object.is("", "ConfigMap") {
        snippets(item, found);
    }
}

/// The settings of an ingress controller may hold configuration text, or let others bring such.
fn snippets(item: &Item<'_>, found: &mut Found) {
    let names = members(item.body, "/data").map(|(name, _)| name);
    let held = names.filter(|name| name.ends_with("-snippet") || name.ends_with("-snippets")).count();
    if held > 0 {
        found.add(
            High,
            "cluster/snippet",
            "brings configuration text for an ingress controller, which runs it as its own",
        );
    }
    if text(item.body, "/data/allow-snippet-annotations") == Some("true") {
        found.add(
            Medium,
            "cluster/snippet",
            "lets everybody with an Ingress bring configuration text for the ingress controller",
        );
    }
}

fn is_named(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}
