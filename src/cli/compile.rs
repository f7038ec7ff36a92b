//! The program, started by itself to compile a component within limits of the operating system. Nobody types this.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::run::{CompileOrder, OUT_OF_MEMORY, RunError};

use super::exit;

/// Compiles, if the arguments say so.
pub(super) fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let order = CompileOrder::parse(arguments)?;
    let error = match order.carry_out(io::stdin().lock()) {
        Ok(()) => return Some(ExitCode::SUCCESS),
        Err(RunError::Limit(_)) => return Some(OUT_OF_MEMORY.into()),
        Err(error) => error,
    };
    let (code, text) = match error {
        RunError::Link(text) => (exit::ERROR, text),
        other => (exit::USAGE, other.to_string()),
    };
    // Whoever started it may be gone.
    drop(writeln!(io::stderr(), "{text}"));
    Some(code.into())
}
