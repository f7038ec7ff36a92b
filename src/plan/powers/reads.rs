//! Reads of pods outside the plan: Secrets and volumes of somebody else.

use std::collections::BTreeSet;

use crate::capability::severity::Severity;

use super::accounts::Rbac;
use super::brought::Brought;
use super::pods::PodView;
use super::settings::is_of_the_system;
use super::untyped::{items, listed, text};
use super::{Found, Item};

use Severity::{High, Low, Medium};

/// Looks at one pod.
pub(super) fn look<'a>(
    item: &Item<'a>,
    pod: &PodView<'a>,
    brought: &Brought<'a>,
    rbac: &Rbac<'a>,
    found: &mut Found,
) {
    let namespace = item.object.namespace.as_deref().unwrap_or_default();
    let secrets: BTreeSet<_> =
        secrets(pod).into_iter().filter(|name| !brought.has("Secret", namespace, name)).collect();
    if !secrets.is_empty() {
        // An application that installs itself in steps has its own accounts make what its pods read.
        let is_made = rbac.plan_makes_secrets(namespace);
        let (severity, who) = match (is_of_the_system(namespace), is_made) {
            (true, _) => (High, "which this plan does not bring"),
            (false, true) => (Low, "which an account of this plan may make"),
            (false, false) => (Medium, "which this plan does not bring"),
        };
        found.add(severity, "pod/foreign-secret", format!("reads the Secrets {}, {who}", listed(secrets)));
    }
    let claims =
        items(pod.spec, "/volumes").filter_map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
    let claims: BTreeSet<_> = claims.filter(|name| !brought.has_claim(namespace, name)).collect();
    if !claims.is_empty() {
        let severity = if is_of_the_system(namespace) { High } else { Medium };
        let what = format!("mounts the volumes of {}, which this plan does not bring", listed(claims));
        found.add(severity, "pod/foreign-volume", what);
    }
}

/// The Secrets whose values a pod gets to see.
fn secrets<'a>(pod: &PodView<'a>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for container in pod.containers() {
        let variables = items(container.body, "/env");
        names.extend(variables.filter_map(|variable| text(variable, "/valueFrom/secretKeyRef/name")));
        names.extend(items(container.body, "/envFrom").filter_map(|source| text(source, "/secretRef/name")));
    }
    for volume in items(pod.spec, "/volumes") {
        names.extend(text(volume, "/secret/secretName"));
        names.extend(items(volume, "/projected/sources").filter_map(|source| text(source, "/secret/name")));
        names.extend(text(volume, "/csi/nodePublishSecretRef/name"));
    }
    names
}
