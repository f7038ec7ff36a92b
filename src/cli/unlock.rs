//! `carnet unlock`.

use crate::operations::unlock::{LockReport, look, unlock};

use super::Context;
use super::act::{self, HomeArgs, Reply, ask};
use super::exit::{self, Code, Unasked};
use super::inputs::prompt::Stopped;
use super::ui::{Page, Report, Tone, mixed};

/// Show who holds an installation, and end that hold
///
/// A run holds its installation, so that no other one acts on it at the same time. Where the state is in a cluster, a
/// run that was killed holds it until half a minute after it was heard of last; this ends it at once. A run that still
/// goes on stops before it writes anything more, and what it acts as in the cluster is removed. In a state directory, a
/// hold ends with its process, and in no other way.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet unlock web --state kube -n prod
  carnet unlock web --state kube -n prod --yes")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME", value_parser = act::installation)]
    name: String,
    /// Confirm it
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let state = args.home.state(context)?;
    let lock = look(&args.name, &state)?;
    let Some(holder) = &lock.holder else {
        context.ui.report(&lock)?;
        return Ok(exit::DONE);
    };
    context.ui.status(format_args!("{} is held by {holder}.", args.name));
    if lock.ends_with_process {
        context.ui.report(&lock)?;
        return Ok(exit::LOCKED);
    }
    let reply = if args.yes { Reply::Yes } else { ask("End this hold?") };
    let stays = format!("`{}` stays locked: this was not confirmed", args.name);
    match reply {
        Reply::Yes => {}
        Reply::No => anyhow::bail!(stays),
        Reply::Stopped => return Err(Stopped.into()),
        Reply::Unasked => return Err(Unasked(stays).into()),
    }
    context.ui.report(&unlock(lock, &state)?)?;
    Ok(exit::DONE)
}

impl Report for LockReport {
    fn show(&self, page: &mut Page) {
        match &self.holder {
            None => page.line("", Tone::Good, mixed!("Nobody holds {}.", self.name)),
            Some(holder) if self.unlocked => {
                page.line("", Tone::Good, mixed!("{} is no longer held by {holder}.", self.name));
                for identity in &self.identities_left {
                    let text = mixed!(
                        "{identity} could not be removed: `carnet doctor --fix` does when its time is over."
                    );
                    page.line("", Tone::Caution, text);
                }
            }
            Some(holder) => {
                let text = mixed!("{} is held by {holder}: it ends when that process does.", self.name);
                page.line("", Tone::Caution, text);
            }
        }
    }
}
