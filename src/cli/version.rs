//! `carnet version`.

use serde::Serialize;

use crate::capability::functions;

use super::Context;
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone};

/// Print the version
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: &'static str,
    cnab: &'static str,
    host_interfaces: String,
}

pub(super) fn run(_: &Args, context: &Context) -> anyhow::Result<Code> {
    context.ui.report(&Version {
        version: env!("CARGO_PKG_VERSION"),
        cnab: "1.2.0",
        host_interfaces: functions::VERSION.to_string(),
    })?;
    Ok(exit::DONE)
}

impl Report for Version {
    const KIND: &'static str = "Version";

    fn show(&self, page: &mut Page) {
        page.line("", Tone::Plain, &format!("carnet {}", self.version));
        if page.is_verbose() {
            page.rows(&[
                (Tone::Plain, "CNAB Core", self.cnab),
                (Tone::Plain, "host interfaces", &self.host_interfaces),
            ]);
        }
    }
}
