//! `carnet drift`.

use serde::Serialize;

use crate::install::{Mode, Outcome};
use crate::plan::Planned;
use crate::targets::Change;

use super::Context;
use super::acquire::UnsignedArgs;
use super::act::{self, Asked, ChangeArgs, HomeArgs, InputArgs};
use super::exit::{self, Code};
use super::inputs::consent::FileArgs;
use super::ui::{Page, Report, Tone};

/// Show which objects are no longer as they were installed, and put them back
///
/// Compares only fields that the installation owns: what others add beside them is theirs. `carnet diff` shows the same
/// with all lines. With `--fix`, the recorded bundle is applied once more with the recorded inputs, and what others
/// changed in its fields is overwritten; credentials are asked for again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet drift web --exit-code
  carnet drift web --fix -c credentials.yaml")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    name: String,
    /// Exit with 3 when anything has drifted
    #[arg(long, conflicts_with = "fix")]
    exit_code: bool,
    /// Put it back
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsigned: UnsignedArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Serialize)]
struct Drift {
    name: String,
    objects: Vec<Drifted>,
}

/// An object that is not as it was installed.
#[derive(Serialize)]
struct Drifted {
    #[serde(flatten)]
    object: crate::kubernetes::object::ObjectRef,
    /// `changed`, `missing`, or `extra` for one that should be gone.
    state: &'static str,
    /// The fields that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    if args.fix {
        let outcome = fix(args, context)?;
        act::report(&outcome, &context.ui)?;
        return Ok(exit::DONE);
    }
    let changes = act::examine(&args.name, &args.home, (&args.inputs, &args.files), args.unsigned, context)?;
    let report = Drift { name: args.name.clone(), objects: changes.into_iter().map(Drifted::of).collect() };
    context.ui.report(&report)?;
    Ok(act::pending(args.exit_code, !report.objects.is_empty()))
}

/// An upgrade to what is installed, over what others have changed.
fn fix(args: &Args, context: &Context) -> anyhow::Result<Outcome> {
    let asked = Asked {
        action: "upgrade",
        name: &args.name,
        home: &args.home,
        reference: String::new(),
        consent: &args.files.consent(),
        inputs: &args.inputs,
        unsigned: args.unsigned,
        change: &args.change.putting_back(),
        mode: Mode::Act,
        settled: None,
    };
    Ok(act::on_installation(asked, context)?.0)
}

impl Drifted {
    fn of(row: Planned) -> Self {
        let state = match row.action {
            Change::Create => "missing",
            Change::Delete => "extra",
            Change::Replace | Change::Update | Change::Unchanged => "changed",
        };
        Self { object: row.object, state, fields: row.fields }
    }
}

impl Report for Drift {
    const KIND: &'static str = "Drift";

    fn show(&self, page: &mut Page) {
        if self.objects.is_empty() {
            page.line("", Tone::Good, "Everything is as it was installed.");
        }
        for row in &self.objects {
            page.heading(&format!("{} {}", row.state, row.object));
            for field in &row.fields {
                page.line("  ", Tone::Caution, field);
            }
        }
    }
}
