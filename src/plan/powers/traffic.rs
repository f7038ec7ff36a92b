//! Traffic of others: what decides where the requests of other workloads go, and what they meet on the way.

use serde_json::Value;

use crate::capability::severity::Severity;

use super::brought::Brought;
use super::table::{self, KindRule, row};
use super::untyped::{is_true, items, listed, members, quoted, text, texts};
use super::{Found, Item};

use Severity::{High, Low, Medium};

const ROUTES: &str = "decides where requests of others go";
const PROXIES: &str = "changes the proxies that requests of others pass through";
const POLICIES: &str = "decides which requests of others are let through, beyond the policies of namespaces";
const ADDRESSES: &str = "decides how addresses are reached from outside, and who answers for them";

/// Kinds of meshes, networks and gateways.
const TABLE: &[KindRule] = &[
    row("networking.istio.io", &["EnvoyFilter"], High, PROXIES),
    row("networking.istio.io", &["ProxyConfig", "Sidecar"], Medium, PROXIES),
    row("networking.istio.io", &["Gateway"], Medium, "opens a gateway to the outside"),
    row("networking.istio.io", &[], Medium, ROUTES),
    row("extensions.istio.io", &[], High, PROXIES),
    row("security.istio.io", &[], Medium, POLICIES),
    row(".linkerd.io", &[], Medium, ROUTES),
    row("split.smi-spec.io", &[], Medium, ROUTES),
    row("consul.hashicorp.com", &[], Medium, ROUTES),
    row("kuma.io", &[], Medium, ROUTES),
    row("cilium.io", &["CiliumClusterwideEnvoyConfig", "CiliumEnvoyConfig"], High, PROXIES),
    row("cilium.io", &["CiliumLocalRedirectPolicy"], High, ROUTES),
    row("cilium.io", &["CiliumClusterwideNetworkPolicy", "CiliumCIDRGroup"], Medium, POLICIES),
    row("cilium.io", &["CiliumNetworkPolicy"], Low, "decides which requests reach its pods"),
    row(
        "cilium.io",
        &["CiliumEndpoint", "CiliumEndpointSlice", "CiliumIdentity", "CiliumNode"],
        High,
        ROUTES,
    ),
    row("cilium.io", &[], Medium, ADDRESSES),
    row(".projectcalico.org", &["NetworkPolicy", "NetworkSet"], Low, "decides which requests reach its pods"),
    row(".projectcalico.org", &[], High, POLICIES),
    row("crd.antrea.io", &[], Medium, POLICIES),
    row("policy.networking.k8s.io", &[], Medium, POLICIES),
    row("k8s.ovn.org", &[], Medium, POLICIES),
    row("kubeovn.io", &[], Medium, ADDRESSES),
    row("metallb.io", &[], Medium, ADDRESSES),
    row("kube-vip.io", &[], Medium, ADDRESSES),
    row("multicluster.x-k8s.io", &[], Medium, ROUTES),
    row("submariner.io", &[], Medium, ROUTES),
    row(
        "gateway.networking.k8s.io",
        &["ReferenceGrant"],
        Medium,
        "lets other namespaces refer to its Services and Secrets",
    ),
    row("gateway.envoyproxy.io", &[], High, PROXIES),
    row("traefik.io", &["IngressRoute", "IngressRouteTCP", "IngressRouteUDP"], Medium, ROUTES),
    row("traefik.io", &[], Medium, PROXIES),
    row("traefik.containo.us", &[], Medium, PROXIES),
    row("configuration.konghq.com", &["KongClusterPlugin", "KongPlugin"], High, PROXIES),
    row(".konghq.com", &[], Medium, ROUTES),
    row("projectcontour.io", &[], Medium, ROUTES),
    row("getambassador.io", &[], Medium, ROUTES),
    row("apisix.apache.org", &[], Medium, ROUTES),
    row("k8s.nginx.org", &[], Medium, ROUTES),
    row("voyager.appscode.com", &[], Medium, ROUTES),
    row("networking.k8s.io", &["IPAddress", "ServiceCIDR"], Medium, ADDRESSES),
];

/// The label by which a slice names its Service.
const SERVICE: &str = "kubernetes.io/service-name";

/// Looks at one object. What its plan brings besides is its own.
pub(super) fn look(item: &Item<'_>, brought: &Brought<'_>, found: &mut Found) {
    match (item.object.group(), item.object.kind.as_str()) {
        ("", "Endpoints") => endpoints(item, Some(&item.object.name), brought, found),
        ("discovery.k8s.io", "EndpointSlice") => {
            let labels = item.body.pointer("/metadata/labels");
            let named = labels.and_then(|labels| labels.get(SERVICE)).and_then(Value::as_str);
            endpoints(item, named, brought, found);
        }
        ("networking.k8s.io", "IngressClass") => {
            by_default(item, "ingressclass.kubernetes.io/is-default-class", found)
        }
        ("k8s.nginx.org", _) if has_snippet(item.body) => {
            found.add(
                High,
                "traffic/snippet",
                "brings configuration text for the ingress controller, which runs it as its own",
            );
        }
        _ => table::look(TABLE, "traffic/others", item, found),
    }
}

/// Addresses behind a Service: whoever asks for the Service is sent there.
fn endpoints(item: &Item<'_>, service: Option<&str>, brought: &Brought<'_>, found: &mut Found) {
    let namespace = item.object.namespace.as_deref().unwrap_or_default();
    let named = quoted(&format!("{namespace}/{}", service.unwrap_or("?")));
    if (namespace, service) == ("default", Some("kubernetes")) {
        found.add(
            High,
            "traffic/api-server",
            "answers in the place of the API server for all who ask `default/kubernetes`",
        );
    } else if service.is_some_and(|service| !brought.has("Service", namespace, service)) {
        let what =
            format!("sends the requests to the Service {named} elsewhere, which this plan does not bring");
        found.add(High, "traffic/endpoints", what);
    }
    let of_subsets = items(item.body, "/subsets").flat_map(|subset| items(subset, "/addresses"));
    let of_subsets = of_subsets.filter_map(|address| text(address, "/ip"));
    let of_slices = items(item.body, "/endpoints").flat_map(|endpoint| texts(endpoint, "/addresses"));
    let odd: Vec<_> = of_subsets.chain(of_slices).filter(|address| is_of_the_node(address)).collect();
    if !odd.is_empty() {
        let what = format!("sends requests to what only nodes should reach: {}", listed(odd));
        found.add(High, "traffic/node-addresses", what);
    }
}

/// Loopback, and where clouds tell machines who they are.
fn is_of_the_node(address: &str) -> bool {
    ["127.", "169.254.", "fe80:", "::1"].iter().any(|start| address.starts_with(start))
}

fn by_default(item: &Item<'_>, annotation: &str, found: &mut Found) {
    let value = item.body.pointer("/metadata/annotations").and_then(|it| it.get(annotation));
    if value.and_then(Value::as_str) == Some("true") {
        found.add(Medium, "traffic/default-class", "takes the traffic of everybody who names no class");
    }
}

/// Whether any member holds configuration text.
fn has_snippet(body: &Value) -> bool {
    let mut left = vec![body];
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(_) => {
                for (name, value) in members(value, "") {
                    let name = name.to_ascii_lowercase();
                    if (name.ends_with("snippet") || name.ends_with("snippets"))
                        && !is_true(value, "")
                        && !value.is_null()
                    {
                        return true;
                    }
                    left.push(value);
                }
            }
            _ => {}
        }
    }
    false
}
