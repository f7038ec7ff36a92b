//! Annotations by which controllers act: text that an ingress controller runs, roles of a cloud, copies of Secrets.

use serde_json::Value;

use crate::capability::severity::Severity;

use super::pods::PodView;
use super::untyped::{listed, members, quoted};
use super::{Found, Item};

use Severity::{High, Low, Medium};

/// The effect of an annotation.
struct Annotation {
    /// With a leading or trailing `*`, how the name ends or begins.
    name: &'static str,
    severity: Severity,
    rule: &'static str,
    what: &'static str,
}

const SNIPPET: &str = "brings configuration text for the ingress controller, which runs it as its own";
const ASKS: &str = "sends each request that comes in to another place first";
const LEADS: &str = "leads requests that come in elsewhere";
const LENDS: &str = "uses a Secret or certificate, which may be of another namespace";
const COPIES: &str = "has a controller copy Secrets or ConfigMaps between namespaces";
const CLOUD: &str = "acts in the cloud as a role that the cloud gives it";

const ANNOTATIONS: &[Annotation] = &[
    row("*-snippet", High, "exposure/ingress-snippet", SNIPPET),
    row("*-snippets", High, "exposure/ingress-snippet", SNIPPET),
    row("haproxy-ingress.github.io/config-*", High, "exposure/ingress-snippet", SNIPPET),
    row("ingress.kubernetes.io/config-*", High, "exposure/ingress-snippet", SNIPPET),
    row("haproxy.router.openshift.io/*-config", High, "exposure/ingress-snippet", SNIPPET),
    row("nginx.ingress.kubernetes.io/auth-tls-secret", Medium, "exposure/ingress-secret", LENDS),
    row("nginx.ingress.kubernetes.io/auth-secret", Medium, "exposure/ingress-secret", LENDS),
    row("nginx.ingress.kubernetes.io/proxy-ssl-secret", Medium, "exposure/ingress-secret", LENDS),
    row("nginx.ingress.kubernetes.io/auth-url", Medium, "exposure/ingress-auth", ASKS),
    row("nginx.ingress.kubernetes.io/auth-signin", Medium, "exposure/ingress-auth", ASKS),
    row(
        "nginx.ingress.kubernetes.io/mirror-*",
        Medium,
        "exposure/ingress-redirect",
        "sends a copy of each request elsewhere",
    ),
    row("nginx.ingress.kubernetes.io/permanent-redirect", Medium, "exposure/ingress-redirect", LEADS),
    row("nginx.ingress.kubernetes.io/temporal-redirect", Medium, "exposure/ingress-redirect", LEADS),
    row("nginx.ingress.kubernetes.io/upstream-vhost", Low, "exposure/ingress-redirect", LEADS),
    row(
        "nginx.ingress.kubernetes.io/server-alias",
        Low,
        "exposure/ingress-redirect",
        "takes requests to further hosts",
    ),
    row("ingress.kubernetes.io/auth-url", Medium, "exposure/ingress-auth", ASKS),
    row("haproxy-ingress.github.io/auth-url", Medium, "exposure/ingress-auth", ASKS),
    row("traefik.ingress.kubernetes.io/auth-url", Medium, "exposure/ingress-auth", ASKS),
    row(
        "konghq.com/plugins",
        Medium,
        "exposure/ingress-plugins",
        "has plugins run on each request that comes in",
    ),
    row(
        "alb.ingress.kubernetes.io/group.name",
        Medium,
        "exposure/shared-balancer",
        "shares a load balancer with Ingresses of others",
    ),
    row("alb.ingress.kubernetes.io/auth-idp-*", Medium, "exposure/ingress-auth", ASKS),
    row("alb.ingress.kubernetes.io/actions.*", Medium, "exposure/ingress-redirect", LEADS),
    row(
        "external-dns.alpha.kubernetes.io/hostname",
        Low,
        "exposure/dns",
        "has a controller give it a name in DNS",
    ),
    row(
        "external-dns.alpha.kubernetes.io/target",
        Medium,
        "exposure/dns",
        "has a controller lead a name in DNS elsewhere",
    ),
    row("eks.amazonaws.com/role-arn", Medium, "cloud/identity", CLOUD),
    row("iam.amazonaws.com/role", Medium, "cloud/identity", CLOUD),
    row(
        "iam.amazonaws.com/permitted",
        High,
        "cloud/identity",
        "decides which roles of the cloud its pods may have",
    ),
    row(
        "iam.amazonaws.com/allowed-roles",
        High,
        "cloud/identity",
        "decides which roles of the cloud its pods may have",
    ),
    row("iam.gke.io/gcp-service-account", Medium, "cloud/identity", CLOUD),
    row("azure.workload.identity/client-id", Medium, "cloud/identity", CLOUD),
    row("azure.workload.identity/tenant-id", Low, "cloud/identity", CLOUD),
    row("pod-identity.alibabacloud.com/role-name", Medium, "cloud/identity", CLOUD),
    row("tke.cloud.tencent.com/role-arn", Medium, "cloud/identity", CLOUD),
    row("cloud.ibm.com/trusted-profile*", Medium, "cloud/identity", CLOUD),
    row("iam.cloud.yandex.com/*", Medium, "cloud/identity", CLOUD),
    row(
        "cnrm.cloud.google.com/project-id",
        Medium,
        "cloud/identity",
        "has resources of a cloud made in a project",
    ),
    row(
        "services.k8s.aws/owner-account-id",
        Medium,
        "cloud/identity",
        "has resources of a cloud made in an account",
    ),
    row("vault.hashicorp.com/role", Medium, "cloud/identity", "is given secrets by a vault, by a role there"),
    row("reflector.v1.k8s.emberstack.com/reflects", High, "agent/copies", COPIES),
    row("reflector.v1.k8s.emberstack.com/*", Medium, "agent/copies", COPIES),
    row("replicator.v1.mittwald.de/replicate-from", High, "agent/copies", COPIES),
    row("replicator.v1.mittwald.de/*", Medium, "agent/copies", COPIES),
    row("kubed.appscode.com/sync", Medium, "agent/copies", COPIES),
    row("clonesecret.appscode.com/*", Medium, "agent/copies", COPIES),
    row("secret-generator.v1.mittwald.de/*", Low, "agent/copies", "has a controller make its values"),
    row("cert-manager.io/inject-ca-from-secret", Medium, "agent/copies", COPIES),
];

const fn row(name: &'static str, severity: Severity, rule: &'static str, what: &'static str) -> Annotation {
    Annotation { name, severity, rule, what }
}

/// Words in the name of a role that may do much.
const MUCH: [&str; 6] = ["admin", "owner", "poweruser", "root", "superuser", "fullaccess"];

/// Looks at the annotations of one object.
pub(super) fn look(item: &Item<'_>, found: &mut Found) {
    judge(members(item.body, "/metadata/annotations"), found);
}

/// Looks at the annotations of one pod that an object brings.
pub(super) fn look_at_pod(pod: &PodView<'_>, found: &mut Found) {
    judge(pod.annotations.into_iter().flat_map(|annotations| members(annotations, "")), found);
}

fn judge<'a>(annotations: impl Iterator<Item = (&'a str, &'a Value)>, found: &mut Found) {
    let mut rows = Vec::<(&Annotation, Severity, Vec<String>)>::new();
    for (name, value) in annotations {
        let Some(known) = ANNOTATIONS.iter().find(|known| is_named(known.name, name)) else { continue };
        let value = value.as_str().unwrap_or("?");
        let is_much = known.rule == "cloud/identity"
            && MUCH.iter().any(|much| value.to_ascii_lowercase().contains(much));
        let severity = if is_much { High } else { known.severity };
        // A snippet for an ingress controller may be long; its name says enough.
        let shown =
            if known.rule.ends_with("snippet") { name.to_owned() } else { format!("{name}: {value}") };
        match rows.iter_mut().find(|(other, worst, _)| (other.what, *worst) == (known.what, severity)) {
            Some((.., names)) => names.push(shown),
            None => rows.push((known, severity, vec![shown])),
        }
    }
    for (known, severity, names) in rows {
        let what = match names.as_slice() {
            [name] => format!("{} ({})", known.what, quoted(name)),
            names => format!("{} ({})", known.what, listed(names)),
        };
        found.add(severity, known.rule, what);
    }
}

fn is_named(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => pattern == name,
    }
}
