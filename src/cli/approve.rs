//! `carnet approve`.

use std::path::PathBuf;
use std::time::Duration;

use crate::operations::approve::{Approval, approve};
use crate::plan::Plan;
use crate::signature::PrivateKey;

use super::Context;
use super::act::{Reply, Show, ask, manifest_lines, plan_page, time};
use super::exit::{self, Code, Occupied, Unasked, Usage};
use super::inputs::prompt::Stopped;
use super::inputs::{self, password};
use super::ui::{Page, Report, Tone, Words, mixed};

/// Approve a plan that somebody else is to carry out
///
/// Shows the plan and asks. What is signed is the digest of the plan that was shown, so nothing can be put in its place.
/// Only what that digest covers is shown: manifests, rights, grant and parameters; powers are read off the manifests
/// again, and differences, which anybody could have written into the file, are left out. Whether an approval is needed,
/// and whose, is said by `approvals` in the trust policy of the one who carries it out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet plan web layout:bundles/web --target kube --grants grants.yaml -o json > plan.json
  carnet approve plan.json --key keys/alice.key --to alice.json
  carnet apply plan.json --approval alice.json")]
pub(super) struct Args {
    /// The plan, as `carnet plan -o json` wrote it; `-` reads it from standard input
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The approver's private key, as `carnet key generate` and cosign make it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The approval ends after this time
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = time)]
    valid_for: Duration,
    /// Write the approval into this file
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Overwrite that file
    #[arg(long, requires = "to")]
    force: bool,
    /// Approve without being asked
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    if args.to.is_none() && context.ui.is_for_people() {
        let what = "an approval that is written nowhere is none";
        return Err(Usage::new(what, "name a file with `--to FILE`, or print it with `-o json`").into());
    }
    if let Some(file) = args.to.as_ref().filter(|file| !args.force && inputs::has_entry(file)) {
        return Err(Occupied(file.clone()).into());
    }
    let plan = super::apply::read(&args.plan)?;
    let key = PrivateKey::read(&args.key, &password::known()?)?;
    show(&plan.vouched_for(), context)?;
    if !args.yes {
        match ask("Approve this plan?") {
            Reply::Yes => {}
            Reply::No => anyhow::bail!("the plan was not approved"),
            Reply::Unasked => return Err(Unasked("the plan was not approved".into()).into()),
            Reply::Stopped => return Err(Stopped.into()),
        }
    }
    let approval = approve(&plan, &key, inputs::now(), args.valid_for)?;
    if let Some(file) = &args.to {
        let text = format!("{:#}\n", crate::operations::Document::document(&approval)?);
        inputs::write(file, &text, args.force)?;
    }
    context.ui.report(&approval)?;
    Ok(exit::DONE)
}

/// Shows the plan to whoever is to approve it, on stderr where stdout is for the document.
fn show(plan: &Plan, context: &Context) -> anyhow::Result<()> {
    let mut page = Page::new(context.ui.is_verbose());
    page.heading(mixed!("{} {}", plan.bundle.name, plan.bundle.version));
    page.line("  ", Tone::Quiet, mixed!("{}, from {}", plan.bundle.digest, plan.inputs.reference));
    page.heading("What is granted and given, and which guards are lowered");
    manifest_lines(&mut page, &serde_json::to_value(&plan.inputs)?);
    plan_page(&mut page, plan, Show::Manifests);
    if context.ui.is_for_people() {
        return context.ui.page(page);
    }
    context.ui.beside(page);
    Ok(())
}

impl Report for Approval {
    fn show(&self, page: &mut Page) {
        page.rows([
            (Tone::Good, "approved", Words::mixed(self.plan)),
            (Tone::Plain, "by key", Words::mixed(self.key_id.hex())),
            (Tone::Plain, "until", Words::mixed(&self.expires_at)),
        ]);
    }
}
