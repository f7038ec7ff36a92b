//! `carnet list`.

use crate::operations::list::{InstallationList, ListRequest, list};

use super::Context;
use super::act::{HomeArgs, time_of};
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, Words, mixed};

/// List installations
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also list those that were uninstalled
    #[arg(short, long)]
    all: bool,
    /// List all namespaces: of a state in a cluster, else only one is listed
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let state = args.home.state(context)?;
    let namespace = args.home.namespace().map(str::to_owned);
    let request = ListRequest { namespace, all_namespaces: args.all_namespaces, all: args.all };
    context.ui.report(&list(&request, &state)?)?;
    Ok(exit::DONE)
}

impl Report for InstallationList {
    fn show(&self, page: &mut Page) {
        for why in &self.unreadable {
            page.line("", Tone::Caution, Words::outside(why));
        }
        if self.items.is_empty() {
            if self.unreadable.is_empty() {
                page.line("", Tone::Quiet, mixed!("Nothing is installed: {}.", self.looked_at));
            }
            return;
        }
        let rows: Vec<Vec<String>> = self
            .items
            .iter()
            .map(|row| {
                let last = format!("{} {}", row.last_action(), row.result);
                let time = row.created.as_deref().map(time_of).unwrap_or_default();
                vec![row.name.clone(), row.namespace.clone(), row.bundle.clone(), last, time, row.place()]
            })
            .collect();
        page.table(&["NAME", "NAMESPACE", "BUNDLE", "LAST ACTION", "TIME (UTC)", "TARGET"], &rows);
    }
}
