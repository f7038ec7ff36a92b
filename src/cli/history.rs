//! `carnet history`.

use crate::operations::history::{RevisionList, history};

use super::Context;
use super::act::HomeArgs;
use super::exit::{self, Code};
use super::ui::{Page, Report};

/// Show what was done with an installation
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let state = args.home.state(context)?;
    context.ui.report(&history(&args.name, args.home.namespace(), &state)?)?;
    Ok(exit::DONE)
}

impl Report for RevisionList {
    fn show(&self, page: &mut Page) {
        let rows: Vec<Vec<String>> = self
            .items
            .iter()
            .map(|row| {
                let time: String = row.created.replace('T', " ").chars().take(19).collect();
                vec![time, row.action.clone(), row.bundle.clone(), row.result.clone()]
            })
            .collect();
        page.table(&["TIME (UTC)", "ACTION", "BUNDLE", "RESULT"], &rows);
    }
}
