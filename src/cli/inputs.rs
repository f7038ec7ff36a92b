//! Reads what is the operator's own: configuration, trust policy, grants, parameters, credentials.
//!
//! The one place of the program that reads files by path, the environment and the clock on its own account. Everything
//! goes through what is listed here.

use std::error::Error;
use std::io::{self, Read as _};

use anyhow::Context as _;
use secrecy::SecretString;

use crate::operations::Deferred;

mod files;
mod environment;
mod writing;
pub mod registries;
pub mod store;
mod settings;
mod trust;
pub mod sets;
pub mod consent;
pub mod credentials;
pub mod manifests;
pub mod parameters;
pub mod prompt;
pub mod password;

pub use environment::{absolute, cache, now, path_in, scratch, this_program, who};
pub use files::{has_entry, is_component, text, text_if_there, text_or_pipe, text_within};
pub use settings::{Settings, StatePlace, registry_settings, state, unexpanded};
pub use trust::{SYSTEM_TRUST, Trust, machine_policy, trust, usual_policies};
pub use writing::{private_copy, remove, write, write_below, write_secret};

pub(super) use environment::{raw_variable, variable};

/// The longest password that is read from standard input, in bytes. Some of them are tokens.
const MAX_SECRET: u64 = 64 << 10;

/// A part of a request that is read when it is needed, and not before the bundle was admitted.
pub fn deferred<T>(read: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Deferred<T> {
    Deferred::new(|| read().map_err(unreadable))
}

/// Why something cannot be read, for the library, which hands it back.
pub fn unreadable(error: anyhow::Error) -> Box<dyn Error + Send + Sync> {
    error.reallocate_into_boxed_dyn_error_without_backtrace()
}

/// A secret from standard input, without the line break at its end.
///
/// # Errors
/// When it cannot be read, is empty, too long or no text.
pub fn secret_from_stdin() -> anyhow::Result<SecretString> {
    let mut bytes = Vec::new();
    io::stdin().take(MAX_SECRET + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
    let text =
        String::from_utf8(bytes).ok().filter(|text| text.len() <= usize::try_from(MAX_SECRET).unwrap_or(0));
    let text = text.context("what comes from standard input is too long for a password, or no text")?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    anyhow::ensure!(!text.is_empty(), "the password is empty");
    Ok(text.to_owned().into())
}

/// A line that somebody types at the terminal, without what surrounds it. None: there is no terminal to ask on.
///
/// # Errors
/// When it cannot be read, or is at its end.
pub fn line(question: &str) -> anyhow::Result<Option<String>> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() || !io::IsTerminal::is_terminal(&io::stdin()) {
        return Ok(None);
    }
    match prompt::line(question, false) {
        prompt::Typed::Line(line) => Ok(Some(line.trim().to_owned())),
        prompt::Typed::Stopped => Err(prompt::Stopped.into()),
        prompt::Typed::Unreadable => anyhow::bail!("there was no answer, so nothing was written"),
    }
}
