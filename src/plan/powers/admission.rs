//! Objects by which others' requests are seen, changed, refused or answered: webhooks, admission policies, API services
//! and definitions of custom resources.

use serde_json::Value;

use crate::capability::severity::Severity;
use crate::kubernetes::api::{ADMISSION, API_REGISTRATION, RBAC};

use super::settings::is_of_the_system;
use super::untyped::{is_on, is_there, items, listed, quoted, text, texts};
use super::{Found, Item};

use Severity::{Critical, High, Low, Medium};

/// Looks at one object.
pub(super) fn look(item: &Item<'_>, found: &mut Found) {
    let body = item.body;
    match (item.object.group(), &*item.object.kind) {
        (ADMISSION, "MutatingWebhookConfiguration") => webhooks(body, true, found),
        (ADMISSION, "ValidatingWebhookConfiguration") => webhooks(body, false, found),
        (ADMISSION, "MutatingAdmissionPolicyBinding") => {
            let what = format!("changes what others write, by the policy {}", policy(body));
            found.add(High, "admission/mutating-policy", what);
        }
        (ADMISSION, "ValidatingAdmissionPolicyBinding") => {
            let refuses = texts(body, "/spec/validationActions").any(|action| action == "Deny");
            let what = format!("refuses what others write, by the policy {}", policy(body));
            found.add(if refuses { Medium } else { Low }, "admission/validating-policy", what);
        }
        _ if item.object.is_definition() => definition(body, found),
        (API_REGISTRATION, "APIService") => api_service(body, found),
        _ => {}
    }
}

fn policy(body: &Value) -> String {
    quoted(text(body, "/spec/policyName").unwrap_or("?"))
}

fn webhooks(body: &Value, changes: bool, found: &mut Found) {
    for webhook in items(body, "/webhooks") {
        let name = quoted(text(webhook, "/name").unwrap_or("?"));
        let reach = Reach::of(webhook);
        let does = if changes { "sees and can change" } else { "sees and can refuse" };
        let what = format!("the webhook {name} {does} {}{}", reach.what, failure(webhook));
        let rule = if changes { "admission/mutating-webhook" } else { "admission/validating-webhook" };
        found.add(reach.severity(changes), rule, what);
        if let Some(url) = text(webhook, "/clientConfig/url") {
            let what = format!("the webhook {name} sends what others write to {}", quoted(url));
            found.add(High, "admission/webhook-outside", what);
        }
    }
}

/// The effect on writers when the webhook does not answer, by its failure policy.
fn failure(webhook: &Value) -> &'static str {
    match text(webhook, "/failurePolicy") {
        Some("Ignore") => "",
        _ => "; while it does not answer, none of that can be written (failurePolicy Fail)",
    }
}

/// The requests that a webhook receives.
struct Reach {
    what: String,
    sees_everything: bool,
    sees_secrets: bool,
    sees_rights: bool,
    sees_workloads: bool,
    is_narrowed: bool,
}

impl Reach {
    fn of(webhook: &Value) -> Self {
        let sees = |group: &str, lookups: &[&str]| {
            items(webhook, "/rules").any(|rule| {
                let is_group = texts(rule, "/apiGroups").any(|it| it == "*" || it == group);
                let mut resources = texts(rule, "/resources");
                // For the server, `secrets/*` are Secrets too.
                let is_meant = |it: &str| {
                    let whole = it.strip_suffix("/*").unwrap_or(it);
                    whole == "*" || lookups.contains(&whole)
                };
                is_group && resources.any(is_meant)
            })
        };
        let resources = items(webhook, "/rules").flat_map(|rule| texts(rule, "/resources"));
        let mut resources: Vec<_> = resources.collect();
        resources.sort_unstable();
        resources.dedup();
        let is_narrowed = is_selective(webhook, "/namespaceSelector") && !takes_the_system(webhook)
            || is_selective(webhook, "/objectSelector");
        let narrowed = if is_narrowed { ", where a selector picks them" } else { "" };
        let scope = items(webhook, "/rules").all(|rule| text(rule, "/scope") == Some("Cluster"));
        let place = if scope { "" } else { " in every namespace" };
        Self {
            what: format!("{}{place}{narrowed}", listed(resources)),
            sees_everything: sees("*", &[]),
            sees_secrets: sees("", &["secrets", "serviceaccounts", "serviceaccounts/token"])
                || sees(
                    "certificates.k8s.io",
                    &["certificatesigningrequests", "certificatesigningrequests/approval"],
                ),
            sees_rights: sees(RBAC, &["clusterrolebindings", "clusterroles", "rolebindings", "roles"]),
            sees_workloads: sees("", &["pods"])
                || sees("apps", &["daemonsets", "deployments", "statefulsets"]),
            is_narrowed,
        }
    }

    fn severity(&self, changes: bool) -> Severity {
        let is_vital = self.sees_everything || self.sees_secrets;
        let severity = match (is_vital, self.sees_rights, self.sees_workloads) {
            (true, ..) | (_, true, _) if changes => Critical,
            (true, ..) => High,
            (_, _, true) if changes => High,
            _ => Medium,
        };
        if self.is_narrowed { severity.lowered() } else { severity }
    }
}

/// Whether a selector matches few objects. One that only excludes some, or asks for a label that all have, matches
/// nearly all.
fn is_selective(webhook: &Value, selector: &str) -> bool {
    let labels = webhook.pointer(selector).and_then(|it| it.get("matchLabels")).and_then(Value::as_object);
    let lookups = items(webhook, &format!("{selector}/matchExpressions"));
    let positive = |it: &Value| match text(it, "/operator") {
        Some("In") => true,
        Some("Exists") => text(it, "/key") != Some("kubernetes.io/metadata.name"),
        _ => false,
    };
    labels.is_some_and(|labels| !labels.is_empty()) || lookups.into_iter().any(positive)
}

/// Whether a selector of namespaces picks those that the cluster itself lives in.
fn takes_the_system(webhook: &Value) -> bool {
    const NAME: &str = "kubernetes.io/metadata.name";
    let is_system = |name: &Value| name.as_str().is_some_and(is_of_the_system);
    let labels = webhook.pointer("/namespaceSelector/matchLabels").and_then(|labels| labels.get(NAME));
    let picked = |it: &Value| {
        text(it, "/key") == Some(NAME)
            && text(it, "/operator") == Some("In")
            && items(it, "/values").any(is_system)
    };
    labels.is_some_and(is_system) || items(webhook, "/namespaceSelector/matchExpressions").any(picked)
}

fn definition(body: &Value, found: &mut Found) {
    let name = |part: &str| text(body, part).unwrap_or("?");
    let kind = quoted(&format!("{}/{}", name("/spec/group"), name("/spec/names/kind")));
    found.add(Low, "crd/new-kind", format!("adds the kind {kind} to the cluster, for everybody"));
    if text(body, "/spec/conversion/strategy") == Some("Webhook") {
        let what =
            format!("sends every object of the kind {kind} to a webhook, which may change it as it is read");
        found.add(Medium, "crd/conversion-webhook", what);
    }
}

fn api_service(body: &Value, found: &mut Found) {
    if !is_there(body, "/spec/service") {
        return;
    }
    let part = |part: &str| text(body, part).unwrap_or("?");
    let group = quoted(&format!("{}/{}", part("/spec/group"), part("/spec/version")));
    let what = format!("answers for {group} in the place of the API server, and sees who asks what");
    found.add(High, "api/service", what);
    if is_on(body, "/spec/insecureSkipTLSVerify") {
        let what = format!("lets anybody in between answer for {group}: insecureSkipTLSVerify is set");
        found.add(Critical, "api/insecure", what);
    }
}
