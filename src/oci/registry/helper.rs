//! Asks the programs that keep credentials for container tools (`docker-credential-NAME`).
//!
//! They are given the name of a registry on standard input, and answer with JSON on standard output. Nothing that they
//! print is in an error.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::credential::RegistryCredential;
use crate::document;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 256 << 10;

/// How often it is looked whether a program has ended, and how often at most: such a program may ask its user something.
const LOOK: Duration = Duration::from_millis(2);
const MAX_LOOKS: u32 = 30_000;

/// How long the rest of an answer is waited for when the program has ended.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// The user name of answers that are tokens.
const TOKEN: &str = "<token>";

/// The credential that a program keeps for a registry; none where it has none.
pub(super) fn get(name: &str, registry: &str) -> Result<Option<RegistryCredential>, String> {
    let (is_success, answer) = run(name, "get", registry.as_bytes())?;
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
    done(name, "store", given.to_string().as_bytes())
}

/// Has a program forget a credential.
pub(super) fn erase(name: &str, registry: &str) -> Result<(), String> {
    done(name, "erase", registry.as_bytes())
}

fn done(name: &str, verb: &str, given: &[u8]) -> Result<(), String> {
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
fn run(name: &str, verb: &str, given: &[u8]) -> Result<(bool, Vec<u8>), String> {
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let told = |why: &str| format!("the program `{}` {why}", document::visible(&program(name)));
    if !is_name {
        return Err(told("has a name that no program for credentials has"));
    }
    #[expect(clippy::disallowed_methods, reason = "the rules of container tools for credentials")]
    let mut command = Command::new(program(name));
    command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let started = command.spawn().map_err(|error| {
        told(if error.kind() == io::ErrorKind::NotFound { "is not there" } else { "cannot be run" })
    })?;
    answered(started, given).map_err(|_| told("did not come to an end"))
}

fn answered(mut child: Child, given: &[u8]) -> io::Result<(bool, Vec<u8>)> {
    if let Some(mut input) = child.stdin.take() {
        // One that does not read what it is given has decided already.
        drop(input.write_all(given));
    }
    let output = child.stdout.take();
    let (sender, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.map(|output| output.take(MAX_ANSWER).read_to_end(&mut bytes));
        // Nobody may be waiting any more.
        drop(sender.send(read.transpose().map(|_| bytes)));
    });
    let mut looks = 0;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if looks > MAX_LOOKS => {
                child.kill()?;
                child.wait()?;
                return Err(io::ErrorKind::TimedOut.into());
            }
            None => {
                looks += 1;
                std::thread::sleep(LOOK);
            }
        }
    };
    // One that it started may hold its output open, and is not waited for.
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let answer = answer.recv_timeout(AFTERWARDS).map_err(late)??;
    Ok((status.success(), answer))
}
