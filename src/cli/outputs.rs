//! `carnet outputs`.

use crate::operations::outputs::{OutputList, outputs};

use super::Context;
use super::act::{HomeArgs, output_text, show_outputs};
use super::exit::{self, Code};
use super::ui::{Page, Report};

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
        Some(name) => context.ui.value(&output_text(outputs.get(name)?))?,
    }
    Ok(exit::DONE)
}

impl Report for OutputList {
    fn show(&self, page: &mut Page) {
        show_outputs(page, &self.outputs);
    }
}
