//! The manifests: one template for each object, and filling them.
//!
//! A template is YAML with `${name}` where a value goes. Values are escaped for the double quotes that they stand in;
//! only numbers stand without.

use alloc::{string::String, vec::Vec};

use crate::json;

/// What the web server and the database both need, before either runs.
pub const DATABASE: [&str; 6] = [
    include_str!("../manifests/service-account.yaml"),
    include_str!("../manifests/config.yaml"),
    include_str!("../manifests/db-secret.yaml"),
    include_str!("../manifests/db-service.yaml"),
    include_str!("../manifests/db-network-policy.yaml"),
    include_str!("../manifests/db.yaml"),
];

/// Brings the database's tables to this version.
pub const MIGRATION: [&str; 1] = [include_str!("../manifests/migrate.yaml")];

/// The web server, and the ways to it.
#[cfg(not(feature = "cleanup"))]
pub const WEB: [&str; 5] = [
    include_str!("../manifests/web.yaml"),
    include_str!("../manifests/web-service.yaml"),
    include_str!("../manifests/web-network-policy.yaml"),
    include_str!("../manifests/web-disruption-budget.yaml"),
    include_str!("../manifests/web-ingress.yaml"),
];

/// The web server, the ways to it, and what tidies up behind it.
#[cfg(feature = "cleanup")]
pub const WEB: [&str; 6] = [
    include_str!("../manifests/web.yaml"),
    include_str!("../manifests/web-service.yaml"),
    include_str!("../manifests/web-network-policy.yaml"),
    include_str!("../manifests/web-disruption-budget.yaml"),
    include_str!("../manifests/web-ingress.yaml"),
    include_str!("../manifests/cleanup.yaml"),
];

/// Copies the entries to where `site.conf` says.
pub const BACKUP: [&str; 1] = [include_str!("../manifests/backup.yaml")];

/// What the templates have in common, filled in like values; each is the inside of a mapping in braces.
const PIECES: [(&str, &str); 5] = [
    ("selector", r#"app.kubernetes.io/name: guestbook, app.kubernetes.io/instance: "${name}""#),
    ("labels", r#"${selector}, app.kubernetes.io/version: "${version}""#),
    ("pod-security", "runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}"),
    (
        "container-security",
        "allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}",
    ),
    ("database-url", r#"name: DATABASE_URL, valueFrom: {secretKeyRef: {name: "${name}-db", key: url}}"#),
];

/// What goes into the templates, by name.
pub struct Values(Vec<(&'static str, String)>);

impl Values {
    /// The values that every template needs, and the pieces made of them.
    pub fn new(name: &str, namespace: &str, version: &str) -> Result<Self, Unset> {
        let mut values = Self(Vec::new());
        values.set("name", name);
        values.set("namespace", namespace);
        values.set("version", version);
        values.set("version-in-name", &version.replace('.', "-"));
        for (name, piece) in PIECES {
            let piece = values.fill(piece)?;
            values.0.push((name, piece));
        }
        Ok(values)
    }

    /// Adds one.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.0.push((name, json::escaped(value)));
    }

    /// The template with every value in its place.
    pub fn fill(&self, template: &str) -> Result<String, Unset> {
        let mut filled = String::with_capacity(template.len() * 2);
        let mut parts = template.split('$');
        filled.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (name, after) =
                part.strip_prefix('{').and_then(|part| part.split_once('}')).unwrap_or((part, ""));
            let value = self.0.iter().find(|(known, _)| *known == name).ok_or_else(|| Unset(name.into()))?;
            filled.push_str(&value.1);
            filled.push_str(after);
        }
        Ok(filled)
    }
}

/// A template names a value that was not set: a mistake in this component.
#[derive(Debug)]
pub struct Unset(pub String);
