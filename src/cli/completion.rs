//! `carnet completion`.

use clap_complete::Shell;

use super::Context;
use super::exit::{self, Code};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet completion bash > /etc/bash_completion.d/carnet
  carnet completion fish > ~/.config/fish/completions/carnet.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "carnet", &mut script);
    context.ui.script(&script)?;
    Ok(exit::DONE)
}
