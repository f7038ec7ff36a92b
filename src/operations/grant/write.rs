//! Turns requests into the text of a grant, with the author's reasons as comments.
//!
//! Every text comes from the bundle. Values are quoted unless they are plain words, and comments are made visible and
//! kept on their line, so that no reason can become a line of the grant.

use std::path::Path;

use crate::capability::credentials::CredentialText;
use crate::capability::credentials::generate::GenerateText;
use crate::capability::files::FileText;
use crate::capability::kubernetes::RuleText;
use crate::capability::{Requests, ScopeRequest};
use crate::digest::Digest;
use crate::document::visible;
use crate::grant::spec::{FileGrant, GrantFile, GrantSpec};
use crate::operations::Error;

/// The placeholder for a path where the bundle's name for the file suggests none.
const NO_PATH: &str = "CHANGE-ME";

/// The longest list on one line, in bytes.
const MAX_LINE: usize = 90;

/// The text of a grant of all these requests.
pub(super) fn grant(name: &str, bundle: Digest, requests: &Requests) -> String {
    let mut text = format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata:\n  name: {}\nspec:\n  bundle: {bundle}\n",
        value(name)
    );
    list(&mut text, "kubernetes", &requests.kubernetes, rule);
    list(&mut text, "files", &requests.files, file);
    list(&mut text, "credentials", &requests.credentials, credential);
    list(&mut text, "generate", &requests.generate, generate);
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

fn list<T>(text: &mut String, name: &str, requests: &[ScopeRequest<T>], members: fn(&T) -> Vec<String>) {
    if requests.is_empty() {
        return;
    }
    text.push_str(&format!("  {name}:\n"));
    for request in requests {
        text.push_str(&format!("  # {}\n", comment(&request.reason, request.optional)));
        let mut lead = "  - ";
        for member in members(&request.text) {
            text.push_str(&format!("{lead}{member}\n"));
            lead = "    ";
        }
    }
}

fn comment(reason: &str, is_optional: bool) -> String {
    let reason = if reason.is_empty() { "(no reason given)".into() } else { visible(reason) };
    if is_optional { format!("optional: {reason}") } else { reason }
}

fn rule(rule: &RuleText) -> Vec<String> {
    let verbs: Vec<_> = rule.verbs.iter().map(ToString::to_string).collect();
    let mut members = vec![values("verbs", &verbs), values("kinds", &rule.kinds)];
    if !rule.namespaces.is_empty() {
        members.push(values("namespaces", &rule.namespaces));
    }
    members.push(values("names", &rule.names));
    members
}

fn file(file: &FileText) -> Vec<String> {
    vec![format!("name: {}", value(&file.name)), format!("path: {}", path(&file.name))]
}

fn credential(credential: &CredentialText) -> Vec<String> {
    let mut members = vec![format!("name: {}", value(&credential.name))];
    members.extend(credential.into.as_ref().map(|into| values("into", into)));
    if credential.reveal {
        members.push("reveal: true".into());
    }
    members
}

fn generate(credential: &GenerateText) -> Vec<String> {
    vec![format!("name: {}", value(&credential.name)), values("into", &credential.into)]
}

/// A path to begin with. The name is the author's, so nothing of it leads to another directory or to a hidden file.
fn path(name: &str) -> String {
    let last = name.trim_end_matches("/*").rsplit('/').next().unwrap_or_default();
    format!("./{}", if is_word(last) { last } else { NO_PATH })
}

/// A list on one line, or where that would be long, a line for each.
fn values(name: &str, texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| value(text)).collect();
    let line = format!("{name}: [{}]", texts.join(", "));
    if line.len() <= MAX_LINE { line } else { format!("{name}:\n    - {}", texts.join("\n    - ")) }
}

/// A text as YAML: unquoted where it is a plain word, else quoted as JSON, which is YAML too.
fn value(text: &str) -> String {
    if is_word(text) && !is_special(text) { text.into() } else { serde_json::Value::from(text).to_string() }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
}

/// Words that some readers of YAML take for something else than text.
fn is_special(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str())
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
        read_back(&text, &requests, Path::new("")).unwrap();
        for line in [
            "  # it runs there\n  - verbs: [apply, delete]\n    kinds: [apps/Deployment, Service]\n",
            "    namespaces: [\"${namespace}\"]\n    names: [\"${installation}-*\"]\n",
            "  # optional: (no reason given)\n  - verbs: [get]\n    kinds: [Node]\n    names: [n1]\n",
            "  # TLS\n  - name: \"certs/*\"\n    path: ./certs\n",
            "  - name: \"yes\"\n    reveal: true\n",
            "  generate:\n  # signs\n  - name: key\n    into: [\"${namespace}/Secret/b\"]\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn no_reason_becomes_a_line_of_the_grant() {
        let hostile = "harmless\n  - verbs: [delete]\u{2028}\u{1b}[2K";
        let requests = requests(json!({
            "credentials": [{"name": "a\n  b: [", "reason": hostile, "reveal": false}],
        }));
        let text = grant("x: y\n", Digest::of(b""), &requests);
        assert!(text.contains("  # harmless\\u{a}  - verbs: [delete]\\u{2028}\\u{1b}[2K\n"), "{text}");
        read_back(&text, &requests, Path::new("")).unwrap();
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
