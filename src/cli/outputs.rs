//! `carnet outputs`.

use crate::operations::Document;
use crate::operations::outputs::{OutputList, OutputValue, outputs};

use super::Context;
use super::act::{self, AnywhereArgs, HomeArgs, output_text, show_outputs, show_parameters};
use super::exit::{self, Code};
use super::ui::{Page, Report};

/// Show the outputs of an installation, and the parameters that it has
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME", value_parser = act::installation)]
    name: String,
    /// Show this output alone, as it is; with `-o json` or `-o yaml` as a document
    #[arg(value_name = "OUTPUT")]
    only: Option<String>,
    #[command(flatten)]
    anywhere: AnywhereArgs,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let home = args.anywhere.home(&args.name, &args.home, context)?;
    let state = home.state(context)?;
    let outputs = outputs(&args.name, home.namespace(), &state)?;
    match &args.only {
        None => context.ui.report(&outputs)?,
        Some(name) => {
            let output = outputs.get(name)?;
            if context.ui.is_for_people() {
                context.ui.value(&output_text(&output.value))?;
            } else {
                context.ui.document(OutputValue::KIND, &output)?;
            }
        }
    }
    Ok(exit::DONE)
}

impl Report for OutputList {
    fn show(&self, page: &mut Page) {
        show_outputs(page, &self.outputs);
        show_parameters(page, &self.parameters);
    }
}
