//! `carnet status`.

use crate::bundle::claim::ResultStatus;
use crate::operations::status::{InstallationStatus, ObjectStatus, StatusRequest, status};
use crate::state::RequiredInstallation;

use super::Context;
use super::act::{self, AnywhereArgs, HomeArgs, show_outputs, show_parameters, time_of};
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, Words, mixed};

/// Show an installation and its objects
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carnet status web -o json")]
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
    let namespace = home.namespace().map(str::to_owned);
    let request = StatusRequest { name: args.name.clone(), namespace, access: home.access()? };
    let status = context.wait(status(&request, &state, &context.ui))?;
    context.ui.report(&status)?;
    Ok(exit::DONE)
}

impl Report for InstallationStatus {
    fn show(&self, page: &mut Page) {
        page.heading(mixed!("{}: {}", self.name, self.bundle));
        page.line("  ", Tone::Quiet, Words::mixed(self.digest));
        page.line("  ", Tone::Plain, mixed!("in {}, namespace {}", self.place(), self.namespace));
        let since =
            self.created.as_deref().map(|time| format!(", {} UTC", time_of(time))).unwrap_or_default();
        page.line("  ", tone(self.result), mixed!("{} {}{since}", self.last_action(), self.result));
        if let Some(message) = &self.message {
            page.line("  ", Tone::Plain, Words::outside(message));
        }
        if let Some(end) = cut_short(self.result) {
            page.line("  ", Tone::Caution, mixed!("{end}: the same command goes on where it was."));
            let undo = "To undo it: `carnet uninstall`, or after an upgrade `carnet rollback`.";
            page.line("  ", Tone::Caution, undo);
        }
        for needed in &self.requires {
            let RequiredInstallation { dependency, installation } = needed;
            page.line("  ", Tone::Plain, mixed!("needs {installation} (its dependency {dependency})"));
        }
        if let Some(made_for) = &self.made_for {
            page.line("  ", Tone::Plain, mixed!("made for {}", made_for.installation));
        }
        for guard in &self.dangers {
            page.line("  ", Tone::Danger, mixed!("a guard was lowered: {guard}"));
        }
        if !self.objects.is_empty() {
            page.heading("Objects");
            let rows: Vec<_> = self.objects.iter().map(object_row).collect();
            page.rows(rows);
        }
        show_parameters(page, &self.parameters);
        show_outputs(page, &self.outputs);
    }
}

/// How a run ended before it was done.
fn cut_short(result: ResultStatus) -> Option<&'static str> {
    match result {
        ResultStatus::Canceled => Some("The last run was stopped"),
        ResultStatus::Failed => Some("The last run failed"),
        ResultStatus::Unknown => Some("The last run was cut off"),
        ResultStatus::Pending | ResultStatus::Running | ResultStatus::Succeeded => None,
    }
}

fn tone(result: ResultStatus) -> Tone {
    match result {
        ResultStatus::Succeeded => Tone::Good,
        ResultStatus::Running => Tone::Plain,
        ResultStatus::Canceled | ResultStatus::Failed | ResultStatus::Pending | ResultStatus::Unknown => {
            Tone::Danger
        }
    }
}

fn object_row(object: &ObjectStatus) -> (Tone, &'static str, Words) {
    let (tone, word) = match object.ready {
        Some(true) => (Tone::Good, "ready"),
        Some(false) => (Tone::Danger, "NOT READY"),
        None => (Tone::Quiet, "not asked"),
    };
    let reason = object.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    (tone, word, mixed!("{}{reason}", object.object))
}
