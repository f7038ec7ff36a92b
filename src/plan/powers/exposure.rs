//! Ways in from outside the cluster.

use serde_json::Value;

use crate::capability::severity::Severity;

use super::untyped::{is_there, items, listed, quoted, text, texts};
use super::{Found, Item};

use Severity::{High, Low, Medium};

/// Looks at one object.
pub(super) fn look(item: &Item<'_>, found: &mut Found) {
    match (item.object.group(), item.object.kind.as_str()) {
        ("", "Service") => service(item.body, found),
        ("networking.k8s.io" | "extensions", "Ingress") => ingress(item.body, found),
        ("gateway.networking.k8s.io", "Gateway") => gateway(item.body, found),
        ("gateway.networking.k8s.io", kind) if kind.ends_with("Route") => route(item.body, found),
        ("route.openshift.io", "Route") => {
            hosts("exposure/route", [text(item.body, "/spec/host").unwrap_or_default()], found);
        }
        _ => {}
    }
}

fn service(body: &Value, found: &mut Found) {
    let ports = || {
        let number = |port: &Value| port.get("port").map(ToString::to_string);
        listed(items(body, "/spec/ports").filter_map(number))
    };
    match text(body, "/spec/type") {
        Some("LoadBalancer") => {
            let what = format!("can be reached from outside through a load balancer, at port {}", ports());
            found.add(Medium, "exposure/load-balancer", what);
        }
        Some("NodePort") => {
            let what =
                format!("can be reached through every node of the cluster, in front of port {}", ports());
            found.add(Medium, "exposure/node-port", what);
        }
        Some("ExternalName") => {
            let host = quoted(text(body, "/spec/externalName").unwrap_or("?"));
            found.add(
                Low,
                "exposure/external-name",
                format!("leads whoever uses it to {host}, outside the cluster"),
            );
        }
        _ => {}
    }
    if is_there(body, "/spec/externalIPs") {
        let addresses = listed(texts(body, "/spec/externalIPs"));
        let what =
            format!("takes traffic of the cluster to the addresses {addresses}, whoever they belong to");
        found.add(High, "exposure/external-ips", what);
    }
}

fn ingress(body: &Value, found: &mut Found) {
    let rules = items(body, "/spec/rules");
    // A rule without a host, and a backend without rules, is for any host.
    let mut named: Vec<_> = rules.map(|rule| text(rule, "/host").unwrap_or_default()).collect();
    if is_there(body, "/spec/defaultBackend") || named.is_empty() {
        named.push("");
    }
    hosts("exposure/ingress", named, found);
}

fn gateway(body: &Value, found: &mut Found) {
    let listeners = items(body, "/spec/listeners");
    let listeners: Vec<_> = listeners
        .map(|listener| {
            let port = listener.get("port").map(ToString::to_string).unwrap_or_default();
            format!("{}:{port}", text(listener, "/hostname").unwrap_or("*"))
        })
        .collect();
    let what = format!("opens a gateway to the outside: {}", listed(listeners));
    found.add(Medium, "exposure/gateway", what);
}

fn route(body: &Value, found: &mut Found) {
    let named: Vec<_> = texts(body, "/spec/hostnames").collect();
    hosts("exposure/route", if named.is_empty() { vec![""] } else { named }, found);
}

/// Adds what host names expose. An empty one matches any host.
fn hosts<'a>(rule: &'static str, hosts: impl IntoIterator<Item = &'a str>, found: &mut Found) {
    let (any, named): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|host| ["", "*"].contains(host));
    if !any.is_empty() {
        found.add(Medium, rule, "can be reached from outside at any host name that leads there");
    }
    if !named.is_empty() {
        found.add(Low, rule, format!("can be reached from outside at {}", listed(named)));
    }
}
