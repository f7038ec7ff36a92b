//! `carnet history`.

use crate::operations::history::{RevisionList, history};
use crate::state::Revision;

use super::Context;
use super::act::{self, AnywhereArgs, HomeArgs, time_of};
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, mixed};

/// The least of a revision that is shown: the part of it that is its time.
const SHORT: usize = 10;

/// Show what was done with an installation
///
/// A revision is what `carnet rollback NAME REVISION` goes back to; how it begins is enough.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME", value_parser = act::installation)]
    name: String,
    #[command(flatten)]
    anywhere: AnywhereArgs,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let home = args.anywhere.home(&args.name, &args.home, context)?;
    let state = home.state(context)?;
    context.ui.report(&history(&args.name, home.namespace(), &state)?)?;
    Ok(exit::DONE)
}

impl Report for RevisionList {
    fn show(&self, page: &mut Page) {
        let all: Vec<_> = self.items.iter().map(|row| row.revision.clone()).collect();
        let rows: Vec<Vec<String>> = self
            .items
            .iter()
            .map(|row| {
                let row = &row.revision;
                let revision = short(&row.revision, &all);
                let action = match &row.rollback_to {
                    Some(to) => format!("rollback to {}", short(to, &all)),
                    None => row.action.clone(),
                };
                vec![revision, time_of(&row.created), action, row.bundle.clone(), row.result.to_string()]
            })
            .collect();
        page.table(&["REVISION", "TIME (UTC)", "ACTION", "BUNDLE", "RESULT"], &rows);
        for row in self.items.iter().filter(|row| !row.objects.is_empty()) {
            page.heading(mixed!("Made by {}, removed by an uninstall alone", row.revision.action));
            for object in &row.objects {
                page.line("  ", Tone::Plain, mixed!("{object}"));
            }
        }
        for fault in &self.unreadable {
            page.line("", Tone::Caution, mixed!("not readable: {fault}"));
        }
    }
}

/// As much of a revision as `rollback` needs to tell it from the others.
fn short(revision: &str, all: &[Revision]) -> String {
    let is_told =
        |start: &str| all.iter().all(|it| it.revision == revision || !it.revision.starts_with(start));
    let mut starts = revision.char_indices().skip(SHORT).map(|(at, _)| &revision[..at]);
    starts.find(|start| is_told(start)).unwrap_or(revision).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_shortened_as_far_as_no_other_begins_so() {
        let revision = |name: &str| {
            serde_json::from_value::<Revision>(serde_json::json!({
                "claim": "1", "revision": name, "created": "", "action": "install", "bundle": "web 1",
                "digest": crate::digest::Digest::of(b""), "result": "succeeded",
            }))
        };
        let names = ["01KB1V2M3N4P", "01KB1V2M3NZZ", "01KC", "01KCXXXXXXXXXX"];
        let all: Vec<_> = names.iter().map(|name| revision(name).unwrap()).collect();
        let shown: Vec<_> = names.iter().map(|name| short(name, &all)).collect();
        assert_eq!(shown, ["01KB1V2M3N4", "01KB1V2M3NZ", "01KC", "01KCXXXXXX"]);
        assert_eq!(short("né", &all), "né");
    }
}
