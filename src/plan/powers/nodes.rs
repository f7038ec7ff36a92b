//! Nodes, devices and certificates: what decides where pods run, what of their nodes they get, and whom they believe.

use serde_json::Value;

use crate::capability::severity::Severity;

use super::untyped::{is_on, is_there, items, listed, members, quoted, text};
use super::{Found, Item};

use Severity::{High, Low, Medium};

const RESOURCES: &str = "resource.k8s.io";

/// Signers whose certificates the API server takes for somebody.
const IDENTITIES: &str = "kubernetes.io/";

/// Looks at one object.
pub(super) fn look(item: &Item<'_>, found: &mut Found) {
    match (item.object.group(), item.object.kind.as_str()) {
        ("", "Node") => node(item.body, found),
        (RESOURCES, "ResourceClaim") => devices(item.body.get("spec"), found),
        (RESOURCES, "ResourceClaimTemplate") => devices(item.body.pointer("/spec/spec"), found),
        (RESOURCES, "DeviceClass") => found.add(
            Medium,
            "node/devices",
            "decides which devices of nodes pods get, and how they are set up",
        ),
        (RESOURCES, "ResourceSlice") => found.add(Medium, "node/devices", "tells which devices nodes have"),
        (RESOURCES, "DeviceTaintRule") => {
            found.add(Medium, "node/devices", "keeps pods from devices, or drives them away")
        }
        ("node.k8s.io", "RuntimeClass") => {
            let handler = quoted(text(item.body, "/handler").unwrap_or("?"));
            found.add(Low, "node/runtime", format!("lets pods choose how they are run: by {handler}"));
        }
        ("certificates.k8s.io", "ClusterTrustBundle") => {
            let signer = text(item.body, "/spec/signerName").unwrap_or_default();
            let (severity, whom) = if signer.is_empty() {
                (Medium, "all who ask for it".to_owned())
            } else {
                (High, format!("all who trust the signer {}", quoted(signer)))
            };
            found.add(
                severity,
                "certificate/trust",
                format!("decides which certificates are believed by {whom}"),
            );
        }
        ("certificates.k8s.io", "CertificateSigningRequest" | "PodCertificateRequest") => {
            request(item.body, found)
        }
        _ => {}
    }
}

fn node(body: &Value, found: &mut Found) {
    let labels: Vec<_> = members(body, "/metadata/labels").map(|(name, _)| name).collect();
    if labels.iter().any(|label| {
        label.starts_with("node-role.kubernetes.io/") || label.contains("node-restriction.kubernetes.io/")
    }) {
        let what = "gives a node a role, by which pods are told apart that may run there";
        found.add(High, "node/labels", what);
    } else if !labels.is_empty() {
        found.add(
            Medium,
            "node/labels",
            format!("labels a node, and so decides which pods run there: {}", listed(labels)),
        );
    }
    let taints = items(body, "/spec/taints");
    if taints.len() > 0 {
        let evicts = taints.clone().any(|taint| text(taint, "/effect") == Some("NoExecute"));
        let what = if evicts {
            "drives pods away from a node (taint NoExecute)"
        } else {
            "keeps pods away from a node (taint)"
        };
        found.add(if evicts { High } else { Medium }, "node/taints", what);
    }
    if is_on(body, "/spec/unschedulable") {
        found.add(Medium, "node/taints", "keeps pods away from a node (unschedulable)");
    }
    if ["/spec/podCIDR", "/spec/podCIDRs", "/spec/providerID"].iter().any(|member| is_there(body, member)) {
        found.add(High, "node/identity", "says which machine a node is, and which addresses its pods have");
    }
}

fn devices(spec: Option<&Value>, found: &mut Found) {
    let requests = spec.map(|spec| items(spec, "/devices/requests")).into_iter().flatten();
    let is_admin = |request: &&Value| {
        let choices = items(request, "/firstAvailable");
        is_on(request, "/adminAccess")
            || is_on(request, "/exactly/adminAccess")
            || choices.clone().any(|it| is_on(it, "/adminAccess"))
    };
    if requests.filter(is_admin).count() > 0 {
        let what = "gets at devices that others use (adminAccess)";
        found.add(High, "node/device-admin", what);
    }
}

fn request(body: &Value, found: &mut Found) {
    let signer = text(body, "/spec/signerName").unwrap_or("?");
    let severity = if signer.starts_with(IDENTITIES) { High } else { Medium };
    found.add(severity, "certificate/request", format!("asks {} for a certificate", quoted(signer)));
}
