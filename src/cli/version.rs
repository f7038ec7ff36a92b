//! `carnet version`.

use crate::operations::version::{Version, version};

use super::Context;
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, Words, mixed};

/// Print the version
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, context: &Context) -> anyhow::Result<Code> {
    context.ui.report(&version())?;
    Ok(exit::DONE)
}

impl Report for Version {
    fn show(&self, page: &mut Page) {
        page.line("", Tone::Plain, mixed!("carnet {}", self.version));
        if page.is_verbose() {
            page.rows([
                (Tone::Plain, "CNAB Core", Words::mixed(self.cnab)),
                (Tone::Plain, "host interfaces", Words::mixed(&self.host_interfaces)),
            ]);
        }
    }
}
