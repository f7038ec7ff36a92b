//! Passwords of keys and registries: from the environment, or typed without being shown.

use std::io::IsTerminal as _;

use secrecy::{ExposeSecret as _, SecretString};

use super::prompt::{self, Stopped, Typed};
use crate::cli::exit::Usage;
use crate::document::visible;
use crate::text::CommandLine;

/// Where cosign looks for it. Set and empty, it means that there is none.
const VARIABLE: &str = "COSIGN_PASSWORD";

/// The password of a key that is there.
///
/// # Errors
/// [`Usage`] when nobody can be asked.
pub fn known() -> anyhow::Result<SecretString> {
    match super::raw_variable(VARIABLE) {
        Some(password) => Ok(password.into()),
        None => ask("Password of the key: ", &variable()),
    }
}

/// A password for a new key, typed twice.
///
/// # Errors
/// [`Usage`] when nobody can be asked; an error when the two differ or are empty.
pub fn new() -> anyhow::Result<SecretString> {
    if let Some(password) = super::raw_variable(VARIABLE) {
        return Ok(password.into());
    }
    let first = ask("Password for the new key: ", &variable())?;
    anyhow::ensure!(
        !first.expose_secret().is_empty(),
        "the password is empty: set {VARIABLE} to nothing if you mean it"
    );
    let second = ask("The same again: ", &variable())?;
    anyhow::ensure!(first.expose_secret() == second.expose_secret(), "the two passwords differ");
    Ok(first)
}

/// The password for a registry.
///
/// # Errors
/// [`Usage`] when nobody can be asked.
pub fn of_registry(registry: &str) -> anyhow::Result<SecretString> {
    ask(&format!("Password for {}: ", visible(registry)), &"--password-stdin".into())
}

/// Asks somebody at a terminal. `otherwise` is the hint where there is none.
fn ask(question: &str, otherwise: &CommandLine) -> anyhow::Result<SecretString> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() || !std::io::stdin().is_terminal() {
        let message = "a password is needed, and there is no terminal to ask on";
        return Err(Usage::new(message, otherwise.clone()).into());
    }
    match prompt::line(question, true) {
        Typed::Line(password) => Ok(password.into()),
        Typed::Stopped => Err(Stopped.into()),
        Typed::Unreadable => anyhow::bail!("what was typed cannot be read"),
    }
}

/// The hint for the password of a key.
fn variable() -> CommandLine {
    CommandLine::of("set").own(VARIABLE)
}
