//! The credential plugin that a kubeconfig names: a program of the caller's that prints who the caller is.
//!
//! Its environment, its arguments and what it prints may hold secrets, and none of them is in an error: as kubectl,
//! carnet tells the program's name, its exit code, and what the kubeconfig says about installing it. What the program
//! says on standard error is for the person at the terminal, if there is one, and for no log.

use std::io::{self, IsTerminal as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use kube::config::{ExecConfig, ExecInteractiveMode};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::document::{self, shortened};
use crate::subprocess::{self, Answered, AskError, Bounds, Given, Group};

/// The interface of plugins, in the versions that kubectl knows.
const API_VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// The longest answer of a plugin that is read, in bytes. A token has a few thousand.
const MAX_ANSWER: usize = 1 << 20;

/// How long a plugin may take. One that can ask somebody waits for a person, who may have to log in elsewhere first.
const TIME: Duration = Duration::from_secs(60);
const TIME_OF_A_PERSON: Duration = Duration::from_secs(600);

/// The longest hint that is shown, in characters.
const MAX_HINT: usize = 500;

/// Why a plugin gave nothing. Nothing of what it was given or has printed is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// It printed something else than credentials.
    #[error("the credential plugin `{0}` printed no credentials that can be used: {1}")]
    Answer(String, &'static str),
    /// It ended with an error.
    #[error("the credential plugin `{command}` failed ({status}){}", hinted(.hint))]
    Failed {
        /// The program.
        command: String,
        /// How it ended.
        status: String,
        /// The kubeconfig's hint on installing it.
        hint: Option<String>,
    },
    /// It did not end in time, and was ended.
    #[error("the credential plugin `{0}` did not come to an end within {1} s")]
    NoEnd(String, u64),
    /// It wants to ask somebody, and nobody is there.
    #[error("the credential plugin `{0}` must be run on a terminal")]
    NoTerminal(String),
    /// It could not be started.
    #[error("the credential plugin `{command}` cannot be run: {why}{}", hinted(.hint))]
    Start {
        /// The program.
        command: String,
        /// Why not.
        why: &'static str,
        /// The kubeconfig's hint on installing it.
        hint: Option<String>,
    },
}

/// The credential that a plugin gave.
pub(super) struct Issued {
    pub(super) token: Option<SecretString>,
    /// A certificate and its key, both as PEM.
    pub(super) certificate: Option<(String, SecretString)>,
    pub(super) expires: Option<Timestamp>,
}

/// A plugin that can be run.
#[derive(Clone)]
pub(super) struct Plugin {
    exec: ExecConfig,
    command: String,
    api_version: &'static str,
}

impl Plugin {
    /// The plugin that a kubeconfig describes.
    ///
    /// # Errors
    /// The member that cannot be used, and why.
    pub(super) fn new(exec: ExecConfig) -> Result<Self, (&'static str, &'static str)> {
        let found = API_VERSIONS.into_iter().find(|version| exec.api_version.as_deref() == Some(*version));
        let api_version = found.ok_or((
            "exec.apiVersion",
            "is not `client.authentication.k8s.io/v1` or `client.authentication.k8s.io/v1beta1`",
        ))?;
        let command = exec.command.clone().filter(|command| !command.is_empty());
        let command = command.ok_or(("exec.command", "is missing"))?;
        let has_nul = |text: &String| text.contains('\0');
        if has_nul(&command) || exec.args.iter().flatten().any(has_nul) {
            return Err(("exec", "holds a character that no program can be given"));
        }
        for (name, value) in exec.env.iter().flatten().filter_map(variable) {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(("exec.env", "holds what cannot be a variable of the environment"));
            }
        }
        Ok(Self { exec, command, api_version })
    }

    /// Runs it. Blocks until it ends.
    ///
    /// # Ambient Authority
    /// Runs the program that the kubeconfig names, in the environment of this one.
    pub(super) fn run(&self) -> Result<Issued, PluginError> {
        self.run_within(if io::stdin().is_terminal() { TIME_OF_A_PERSON } else { TIME })
    }

    fn run_within(&self, time: Duration) -> Result<Issued, PluginError> {
        let has_terminal = io::stdin().is_terminal();
        let is_interactive = match self.exec.interactive_mode {
            Some(ExecInteractiveMode::Always) if !has_terminal => {
                return Err(PluginError::NoTerminal(self.name()));
            }
            Some(ExecInteractiveMode::Never) => false,
            _ => has_terminal,
        };
        let Answered { status, answer } =
            self.ask(is_interactive, time).map_err(|error| self.unanswered(&error))?;
        if !status.success() {
            let status = status.code().map_or("ended by a signal".into(), |code| format!("exit code {code}"));
            return Err(PluginError::Failed { command: self.name(), status, hint: self.hint() });
        }
        self.issued(&answer).map_err(|why| PluginError::Answer(self.name(), why))
    }

    fn ask(&self, is_interactive: bool, time: Duration) -> Result<Answered, AskError> {
        #[expect(clippy::disallowed_methods, reason = "kubectl's rules for credential plugins")]
        let mut command = Command::new(&self.command);
        command.args(self.exec.args.iter().flatten());
        command.envs(self.exec.env.iter().flatten().filter_map(variable));
        command.env("KUBERNETES_EXEC_INFO", self.info(is_interactive).to_string());
        command.stderr(if io::stderr().is_terminal() { Stdio::inherit() } else { Stdio::null() });
        let given = if is_interactive { Given::Terminal } else { Given::Nothing };
        subprocess::ask(command, given, &Bounds { answer: MAX_ANSWER, time, group: Group::here() })
    }

    fn info(&self, is_interactive: bool) -> Value {
        let mut spec = json!({ "interactive": is_interactive });
        if let Some(cluster) = &self.exec.cluster {
            spec["cluster"] = json!(cluster);
        }
        json!({ "apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec })
    }

    fn issued(&self, answer: &[u8]) -> Result<Issued, &'static str> {
        let text = std::str::from_utf8(answer).map_err(|_| "it is no text")?;
        let value = document::yaml(text).map_err(|_| "it is no JSON")?;
        let is = |member: &str, expected: &str| value.get(member).and_then(Value::as_str) == Some(expected);
        if !is("kind", "ExecCredential") || !is("apiVersion", self.api_version) {
            return Err("it is no ExecCredential of the version that was asked for");
        }
        let status = value.get("status").cloned().ok_or("it has no status")?;
        let (status, _): (Status, _) =
            document::typed(status).map_err(|_| "its status has the wrong shape")?;
        let expires = status.expiration_timestamp.map(|text| text.parse()).transpose();
        let expires = expires.map_err(|_| "its expirationTimestamp is no time")?;
        let certificate = match (status.client_certificate_data, status.client_key_data) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("it has a certificate without its key, or a key without its certificate"),
        };
        if status.token.is_none() && certificate.is_none() {
            return Err("it has neither a token nor a certificate");
        }
        Ok(Issued { token: status.token, certificate, expires })
    }

    /// The program, as it is shown.
    pub(super) fn name(&self) -> String {
        shown(&self.command)
    }

    fn unanswered(&self, error: &AskError) -> PluginError {
        let why = match error {
            AskError::NoEnd(time) => return PluginError::NoEnd(self.name(), time.as_secs()),
            AskError::TooLong(_) => return PluginError::Answer(self.name(), "it is too long"),
            AskError::Start(error) => match error.kind() {
                io::ErrorKind::NotFound => "it is not there",
                io::ErrorKind::PermissionDenied => "it may not be executed",
                _ => "it could not be started",
            },
        };
        PluginError::Start { command: self.name(), why, hint: self.hint() }
    }

    fn hint(&self) -> Option<String> {
        self.exec.install_hint.as_deref().map(str::trim).filter(|hint| !hint.is_empty()).map(shown)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<SecretString>,
    client_certificate_data: Option<String>,
    client_key_data: Option<SecretString>,
}

fn variable(entry: &std::collections::HashMap<String, String>) -> Option<(&String, &String)> {
    Some((entry.get("name")?, entry.get("value")?))
}

fn shown(text: &str) -> String {
    shortened(text, MAX_HINT)
}

fn hinted(hint: &Option<String>) -> String {
    hint.as_ref().map_or_else(String::new, |hint| format!("; the kubeconfig says: {hint}"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use secrecy::ExposeSecret as _;

    use super::*;

    /// A plugin that is a script of the shell.
    fn plugin(script: &str) -> Plugin {
        Plugin::new(ExecConfig {
            api_version: Some(API_VERSIONS[0].into()),
            command: Some("sh".into()),
            args: Some(vec!["-c".into(), script.into(), "hunter2-argument".into()]),
            env: Some(vec![HashMap::from([
                ("name".into(), "SECRET".into()),
                ("value".into(), "hunter2-environment".into()),
            ])]),
            install_hint: Some("brew install it\u{1b}[2J".into()),
            ..ExecConfig::default()
        })
        .unwrap_or_else(|(member, why)| panic!("{member} {why}"))
    }

    fn told(plugin: &Plugin) -> String {
        match plugin.run() {
            Ok(_) => panic!("it gave credentials"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn nothing_that_a_plugin_was_given_or_has_printed_is_in_an_error() {
        let secret = "echo hunter2-stdout $SECRET; echo hunter2-stderr >&2";
        for (script, expected) in [
            (
                format!("{secret}; exit 3"),
                r"the credential plugin `sh` failed (exit code 3); the kubeconfig says: brew install it\u{1b}[2J",
            ),
            (format!("{secret}; kill -9 $$"), "the credential plugin `sh` failed (ended by a signal)"),
            (secret.into(), "the credential plugin `sh` printed no credentials that can be used"),
            (r#"printf '{"kind":"hunter2"}'"#.into(), "it is no ExecCredential"),
            (r#"printf '\377hunter2'"#.into(), "it is no text"),
        ] {
            let told = told(&plugin(&script));
            assert!(told.contains(expected), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
        let missing = Plugin { command: "/nonexistent/plugin".into(), ..plugin("") };
        assert_eq!(
            told(&missing),
            r"the credential plugin `/nonexistent/plugin` cannot be run: it is not there; the kubeconfig says: brew install it\u{1b}[2J"
        );
    }

    #[test]
    fn a_plugin_is_told_what_is_asked_and_answers_in_json_or_yaml() {
        let answer = r#"printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s","expirationTimestamp":"2030-01-01T00:00:00Z"}}' "$SECRET""#;
        let issued = plugin(answer).run().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(issued.token.unwrap().expose_secret(), "hunter2-environment");
        assert_eq!(issued.expires.unwrap().to_string(), "2030-01-01T00:00:00Z");
        // The question has the shape of the answer, but for the status.
        assert!(told(&plugin("printf '%s' \"$KUBERNETES_EXEC_INFO\"")).ends_with("it has no status"));
    }

    #[test]
    fn a_plugin_that_hangs_or_prints_without_end_is_ended() {
        for (script, expected) in [
            ("sleep 1000", "the credential plugin `sh` did not come to an end within 0 s"),
            ("sleep 1000 & yes", "printed no credentials that can be used: it is too long"),
        ] {
            let is_endless = script.ends_with("yes");
            let time = if is_endless { TIME } else { Duration::from_millis(20) };
            let told = plugin(script).run_within(time).err().unwrap().to_string();
            assert!(told.ends_with(expected), "{told}");
        }
        // One that it leaves behind holds its output open.
        let answer = r#"printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"abc"}}'"#;
        let issued =
            plugin(&format!("sleep 1000 & {answer}")).run().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(issued.token.unwrap().expose_secret(), "abc");
    }

    #[test]
    fn a_plugin_that_must_ask_is_not_run_without_a_terminal() {
        let mut plugin = plugin("exit 0");
        plugin.exec.interactive_mode = Some(ExecInteractiveMode::Always);
        if !io::stdin().is_terminal() {
            assert_eq!(told(&plugin), "the credential plugin `sh` must be run on a terminal");
        }
    }
}
