//! Turns requests into the text of a grant, with the author's reasons as comments.
//!
//! Every text comes from the bundle, and is written as what it is: a scalar, or a comment, so that no reason can become
//! a line of the grant.

use std::path::Path;

use crate::capability::credentials::CredentialText;
use crate::capability::credentials::generate::GenerateText;
use crate::capability::files::FileText;
use crate::capability::kubernetes::RuleText;
use crate::capability::{Requests, ScopeRequest};
use crate::digest::Digest;
use crate::grant::spec::{FileGrant, GrantFile, GrantSpec};
use crate::operations::Error;
use crate::text::YamlText;
use crate::text::yaml::is_word;

/// The placeholder for a path where the bundle's name for the file suggests none.
const NO_PATH: &str = "CHANGE-ME";

/// The text of a grant of all these requests.
pub(super) fn grant(name: &str, bundle: Digest, requests: &Requests) -> YamlText {
    let mut text = YamlText::default();
    text.own("apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata:\n");
    text.member("  ", "name", name);
    text.own("spec:\n");
    text.member("  ", "bundle", &bundle.to_string());
    list(&mut text, "  kubernetes:\n", &requests.kubernetes, rule);
    list(&mut text, "  files:\n", &requests.files, file);
    list(&mut text, "  credentials:\n", &requests.credentials, credential);
    list(&mut text, "  generate:\n", &requests.generate, generate);
    text
}

/// Reads the text as a run would, and checks that it grants what is requested: no more, and no less.
///
/// # Errors
/// When it does not.
pub(super) fn read_back(text: &str, requests: &Requests, base: &Path) -> Result<GrantFile, Error> {
    let document = GrantFile::parse(text, base)?;
    let read = GrantSpec::from(document.spec.clone());
    let meant = GrantSpec {
        kubernetes: requests.kubernetes.iter().map(|request| request.text.clone()).collect(),
        files: requests
            .files
            .iter()
            .map(|request| FileGrant {
                name: request.text.name.clone(),
                path: base.join(path(&request.text.name)),
            })
            .collect(),
        credentials: requests.credentials.iter().map(|request| request.text.clone()).collect(),
        generate: requests.generate.iter().map(|request| request.text.clone()).collect(),
        ..GrantSpec::default()
    };
    if read == meant { Ok(document) } else { Err(Error::Unwritable) }
}

/// A member of a list's item.
enum Member {
    Text(&'static str, String),
    List(&'static str, Vec<String>),
    Revealed,
}

fn list<T>(
    text: &mut YamlText,
    heading: &'static str,
    requests: &[ScopeRequest<T>],
    members: fn(&T) -> Vec<Member>,
) {
    if requests.is_empty() {
        return;
    }
    text.own(heading);
    for request in requests {
        text.comment("  ", &comment(&request.reason, request.optional));
        let mut lead = "  - ";
        for member in members(&request.text) {
            match member {
                Member::Text(name, value) => text.member(lead, name, &value),
                Member::List(name, values) => text.list(lead, name, &values),
                Member::Revealed => text.own("    reveal: true\n"),
            }
            lead = "    ";
        }
    }
}

fn comment(reason: &str, is_optional: bool) -> String {
    let reason = if reason.is_empty() { "(no reason given)" } else { reason };
    if is_optional { format!("optional: {reason}") } else { reason.into() }
}

fn rule(rule: &RuleText) -> Vec<Member> {
    let verbs = rule.verbs.iter().map(ToString::to_string).collect();
    let mut members = vec![Member::List("verbs", verbs), Member::List("kinds", rule.kinds.clone())];
    if !rule.namespaces.is_empty() {
        members.push(Member::List("namespaces", rule.namespaces.clone()));
    }
    members.push(Member::List("names", rule.names.clone()));
    members
}

fn file(file: &FileText) -> Vec<Member> {
    vec![Member::Text("name", file.name.clone()), Member::Text("path", path(&file.name))]
}

fn credential(credential: &CredentialText) -> Vec<Member> {
    let mut members = vec![Member::Text("name", credential.name.clone())];
    members.extend(credential.into.as_ref().map(|into| Member::List("into", into.clone())));
    members.extend(credential.reveal.then_some(Member::Revealed));
    members
}

fn generate(credential: &GenerateText) -> Vec<Member> {
    vec![Member::Text("name", credential.name.clone()), Member::List("into", credential.into.clone())]
}

/// A path to begin with. The name is the author's, so nothing of it leads to another directory or to a hidden file.
fn path(name: &str) -> String {
    let last = name.trim_end_matches("/*").rsplit('/').next().unwrap_or_default();
    format!("./{}", if is_word(last) { last } else { NO_PATH })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn requests(value: serde_json::Value) -> Requests {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_request_is_written_with_its_reason_and_reads_back() {
        let requests = requests(json!({
            "kubernetes": [
                {"verbs": ["apply", "delete"], "kinds": ["apps/Deployment", "Service"],
                 "namespaces": ["${namespace}"], "names": ["${installation}-*"], "reason": "it runs there"},
                {"verbs": ["get"], "kinds": ["Node"], "names": ["n1"], "optional": true},
            ],
            "files": [{"name": "certs/*", "reason": "TLS"}],
            "credentials": [{"name": "db", "into": ["a/Secret/b"]}, {"name": "yes", "reveal": true}],
            "generate": [{"name": "key", "into": ["${namespace}/Secret/b"], "reason": "signs"}],
        }));
        let text = grant("web", Digest::of(b""), &requests);
        read_back(text.as_str(), &requests, Path::new("")).unwrap();
        for line in [
            "  # it runs there\n  - verbs: [apply, delete]\n    kinds: [apps/Deployment, Service]\n",
            "    namespaces: [\"${namespace}\"]\n    names: [\"${installation}-*\"]\n",
            "  # optional: (no reason given)\n  - verbs: [get]\n    kinds: [Node]\n    names: [n1]\n",
            "  # TLS\n  - name: \"certs/*\"\n    path: ./certs\n",
            "  - name: \"yes\"\n    reveal: true\n",
            "  generate:\n  # signs\n  - name: key\n    into: [\"${namespace}/Secret/b\"]\n",
        ] {
            assert!(text.as_str().contains(line), "{text}");
        }
    }

    #[test]
    fn no_reason_becomes_a_line_of_the_grant() {
        let hostile = "harmless\n  - verbs: [delete]\u{2028}\u{1b}[2K";
        let requests = requests(json!({
            "credentials": [{"name": "a\n  b: [", "reason": hostile, "reveal": false}],
        }));
        let text = grant("x: y\n", Digest::of(b""), &requests);
        assert!(
            text.as_str().contains("  # harmless\\u{a}  - verbs: [delete]\\u{2028}\\u{1b}[2K\n"),
            "{text}"
        );
        read_back(text.as_str(), &requests, Path::new("")).unwrap();
    }

    #[test]
    fn no_name_of_a_file_leads_elsewhere() {
        for (name, expected) in [
            ("site.conf", "./site.conf"),
            ("certs/*", "./certs"),
            ("../../etc/passwd", "./passwd"),
            ("/etc/passwd", "./passwd"),
            (".ssh", "./CHANGE-ME"),
            ("..", "./CHANGE-ME"),
            ("${installation}", "./CHANGE-ME"),
            ("*", "./CHANGE-ME"),
        ] {
            assert_eq!(path(name), expected, "{name}");
        }
    }
}
