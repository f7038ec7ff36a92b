//! Asks the programs that keep credentials for container tools (`docker-credential-NAME`).
//!
//! They are given the name of a registry on standard input, and answer with JSON on standard output. Nothing that they
//! print is in an error.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::credential::RegistryCredential;
use crate::document;
use crate::subprocess::{self, Answered, AskError, Bounds, Given, Group};

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 << 10;

/// How long a program may take: it may ask its user something.
const TIME: Duration = Duration::from_secs(60);

/// The user name of answers that are tokens.
const TOKEN: &str = "<token>";

/// The credential that a program keeps for a registry; none where it has none.
pub(super) fn get(name: &str, registry: &str) -> Result<Option<RegistryCredential>, String> {
    let (is_success, answer) = run(name, "get", registry.to_owned().into())?;
    let told = |why: &str| format!("the program `{}` {why}", document::visible(&program(name)));
    if !is_success {
        // All of them say so in this way, and some end with an error then.
        let is_none = answer.windows(b"not found".len()).any(|part| part == b"not found");
        return if is_none { Ok(None) } else { Err(told("failed")) };
    }
    let answer = document::json(&answer).map_err(|_| told("printed no JSON"))?;
    let text = |member: &str| answer.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (user, secret) = (text("Username"), text("Secret"));
    match (user.as_str(), secret.is_empty()) {
        ("", true) => Ok(None),
        (TOKEN, false) => Ok(Some(RegistryCredential::Identity(secret.into()))),
        (_, false) if !user.is_empty() && !format!("{user}{secret}").chars().any(char::is_control) => {
            Ok(Some(RegistryCredential::Password { user, password: secret.into() }))
        }
        _ => Err(told("printed no credential that can be used")),
    }
}

/// Has a program keep a credential.
pub(super) fn store(name: &str, registry: &str, user: &str, password: &SecretString) -> Result<(), String> {
    let given = json!({ "ServerURL": registry, "Username": user, "Secret": password.expose_secret() });
    done(name, "store", given.to_string().into())
}

/// Has a program forget a credential.
pub(super) fn erase(name: &str, registry: &str) -> Result<(), String> {
    done(name, "erase", registry.to_owned().into())
}

fn done(name: &str, verb: &str, given: SecretString) -> Result<(), String> {
    let (is_success, _) = run(name, verb, given)?;
    let failed = || format!("the program `{}` failed", document::visible(&program(name)));
    if is_success { Ok(()) } else { Err(failed()) }
}

fn program(name: &str) -> String {
    format!("docker-credential-{name}")
}

/// Whether a program succeeded, and what it printed.
///
/// # Ambient Authority
/// Runs the program that the file with credentials names, from the search path.
fn run(name: &str, verb: &str, given: SecretString) -> Result<(bool, Vec<u8>), String> {
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let told = |why: &str| format!("the program `{}` {why}", document::visible(&program(name)));
    if !is_name {
        return Err(told("has a name that no program for credentials has"));
    }
    #[expect(clippy::disallowed_methods, reason = "the rules of container tools for credentials")]
    let mut command = Command::new(program(name));
    command.arg(verb).stderr(Stdio::null());
    let bounds = Bounds { answer: MAX_ANSWER, time: TIME, group: Group::here() };
    match subprocess::ask(command, Given::Text(given), &bounds) {
        Ok(Answered { status, answer }) => Ok((status.success(), answer)),
        Err(AskError::NoEnd(_)) => Err(told("did not come to an end")),
        Err(AskError::Start(error)) if error.kind() == io::ErrorKind::NotFound => Err(told("is not there")),
        Err(AskError::Start(_)) => Err(told("cannot be run")),
        Err(AskError::TooLong(_)) => Err(told("printed too much")),
    }
}
