//! `carnet outputs`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::operations::outputs::{OutputList, outputs};

use super::Context;
use super::act::HomeArgs;
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone};

/// Show the outputs of an installation
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    name: String,
    /// Show this output alone, as it is
    #[arg(value_name = "OUTPUT")]
    only: Option<String>,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let state = args.home.state(context)?;
    let outputs = outputs(&args.name, args.home.namespace(), &state)?;
    match &args.only {
        None => context.ui.report(&outputs)?,
        Some(name) => context.ui.text(&format!("{}\n", shown(outputs.get(name)?)))?,
    }
    Ok(exit::DONE)
}

impl Report for OutputList {
    fn show(&self, page: &mut Page) {
        show_outputs(page, &self.outputs);
    }
}

/// The outputs of an installation, as a section.
pub(super) fn show_outputs(page: &mut Page, outputs: &BTreeMap<String, Value>) {
    if !outputs.is_empty() {
        page.heading("Outputs");
        let rows: Vec<_> = outputs.iter().map(|(name, value)| (Tone::Plain, name, shown(value))).collect();
        page.rows(&rows);
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
