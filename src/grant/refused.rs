//! Capabilities that an operator denies, whatever else is granted.

use std::fmt::Display;

use crate::capability::Capabilities;
use crate::capability::files::FileScope;
use crate::capability::kubernetes::{KubernetesScope, RuleText, Verb};
use crate::capability::template::Names;
use crate::kubernetes::object::ObjectRef;
use crate::text::CommandLine;

use super::spec::{GrantSpec, InvalidGrant};

/// The capabilities that the operator denies.
#[derive(Debug, Default)]
pub(super) struct Refused {
    pub(super) kubernetes: KubernetesScope,
    pub(super) files: FileScope,
    credentials: Vec<String>,
    reveal: Vec<String>,
}

impl Refused {
    pub(super) fn resolve(grant: &GrantSpec, names: &Names) -> Result<Self, InvalidGrant> {
        let kubernetes: Vec<_> = grant.deny.kubernetes.iter().map(reading_secrets).collect();
        Ok(Self {
            kubernetes: KubernetesScope::resolve(&kubernetes, names)?,
            files: FileScope::resolve(&grant.deny.files, names)?,
            credentials: grant.deny.credentials.clone(),
            reveal: grant.deny.reveal.clone(),
        })
    }

    /// Whether the verb on this object is refused, also by another spelling of its kind: only the server of a kind of
    /// others knows how it is written, and a refusal that refuses nothing would be found out too late.
    pub(super) fn object(&self, verb: Verb, object: &ObjectRef) -> bool {
        self.kubernetes.allows(verb, object) || self.kubernetes.may_mean(verb, object)
    }

    /// Whether the credential of this name is refused altogether.
    pub(super) fn credential(&self, name: &str) -> bool {
        self.credentials.iter().any(|refused| refused == name)
    }

    /// Whether the value of the credential of this name may not be shown.
    pub(super) fn reveal(&self, name: &str) -> bool {
        self.credential(name) || self.reveal.iter().any(|refused| refused == name)
    }

    /// Whether anything of these capabilities is not denied.
    pub(super) fn leaves_any(&self, granted: &Capabilities) -> bool {
        let Capabilities { kubernetes, files, credentials, generate } = granted;
        let is_left = |name: &str| {
            credentials.allows_any_place(name) || credentials.allows_reveal(name) && !self.reveal(name)
        };
        !kubernetes.minus(&self.kubernetes).is_empty()
            || !self.files.covers(files)
            || credentials.names().any(|name| !self.credential(name) && is_left(name))
            || generate.names().any(|name| !self.credential(name))
    }

    /// The part of `wanted` that is not covered by `allowed`, or is denied, as lines.
    pub(super) fn missing(&self, allowed: &Capabilities, wanted: &Capabilities) -> Vec<CommandLine> {
        let mut lines = allowed.missing(wanted);
        let refused = wanted.kubernetes.intersect(&self.kubernetes).lines();
        lines.extend(refused.iter().map(|line| refusal("# refused by deny:", line)));
        let files = wanted.files.intersect(&self.files);
        lines.extend(files.names().map(|name| refusal("# refused by deny: the file", name)));
        let credentials = wanted.credentials.names().chain(wanted.generate.names()).filter(|name| {
            self.credential(name)
                || (wanted.credentials.allows_reveal(name)
                    && self.reveal.iter().any(|refused| refused == name))
        });
        lines.extend(credentials.map(|name| refusal("# refused by deny: the credential", name)));
        lines
    }
}

/// Who refuses reading refuses it for Secrets as well.
fn reading_secrets(rule: &RuleText) -> RuleText {
    let mut rule = rule.clone();
    if rule.verbs.contains(&Verb::Get) && !rule.verbs.contains(&Verb::GetSecret) {
        rule.verbs.push(Verb::GetSecret);
    }
    rule
}

/// A line beside those that would grant something: a comment, since no flag does.
fn refusal(what: &'static str, name: impl Display) -> CommandLine {
    CommandLine::of(what).quoted(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(value: Value) -> GrantSpec {
        serde_json::from_value(value).unwrap()
    }

    fn refused(deny: Value) -> Refused {
        Refused::resolve(&spec(json!({ "deny": deny })), &Names::default()).unwrap()
    }

    fn granted(grant: Value) -> Capabilities {
        super::super::allowed(&spec(grant), &Names::default()).unwrap()
    }

    #[test]
    fn who_may_not_use_a_credential_may_not_see_it_and_not_the_other_way_round() {
        let refused = refused(json!({ "credentials": ["token"], "reveal": ["key"] }));
        assert!(refused.credential("token") && refused.reveal("token"));
        assert!(!refused.credential("key") && refused.reveal("key"));
        assert!(!refused.credential("other") && !refused.reveal("other"));
        assert!(!refused.credential("Token") && !refused.credential(""), "names are what they are");
    }

    #[test]
    fn a_deny_leaves_any_unless_it_covers_all_that_is_granted() {
        let rule = |name: &str| json!([{ "verbs": ["apply"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": [name] }]);
        let objects = granted(json!({ "kubernetes": rule("web-*") }));
        assert!(!refused(json!({ "kubernetes": rule("web-*") })).leaves_any(&objects));
        assert!(refused(json!({ "kubernetes": rule("web-a") })).leaves_any(&objects));
        let file = granted(json!({ "files": [{ "name": "site.conf", "path": "/a" }] }));
        assert!(!refused(json!({ "files": [{ "name": "site.conf" }] })).leaves_any(&file));
        assert!(refused(json!({ "files": [{ "name": "other" }] })).leaves_any(&file));
        let token = json!({ "name": "token", "into": ["prod/Secret/db"], "reveal": true });
        let credential = granted(json!({ "credentials": [token] }));
        assert!(refused(json!({ "reveal": ["token"] })).leaves_any(&credential), "it may be placed");
        assert!(!refused(json!({ "credentials": ["token"] })).leaves_any(&credential));
        let made = granted(json!({ "generate": [{ "name": "pin", "into": ["prod/Secret/pin"] }] }));
        assert!(!refused(json!({ "credentials": ["pin"] })).leaves_any(&made));
        assert!(
            refused(json!({})).leaves_any(&made) && !refused(json!({})).leaves_any(&Capabilities::default())
        );
    }
}
