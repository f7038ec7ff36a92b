//! The program. Everything is in the library; here its arguments come in and its exit code goes out.

use std::process::ExitCode;

fn main() -> ExitCode {
    carnet::cli::run(std::env::args_os())
}
