//! `carnet install`, `carnet upgrade`.

use crate::install::Outcome;
use crate::operations::{self, InstallRequest, Services};

use super::Context;
use super::act::{self, BundleArgs, ChangeArgs};
use super::exit::{self, Code};

/// Install a bundle
///
/// Verifies it, checks what it asks for against what you grant, shows every object it would make, asks, and does just
/// that. An installation that failed or was cut off is finished by the same command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet install web layout:bundles/web --target dir:rendered -n prod --grants grants.yaml
  carnet install web layout:bundles/web --target kube --grants grants.yaml -p params.yaml -c credentials.yaml
  carnet install web ./web --target dir:rendered --approve-all-for-development")]
pub(super) struct Install {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Bring an installation to another bundle, or to other inputs
///
/// What was granted stays granted as long as the bundle is the same, or the new one has the same name and signers and
/// is admitted by the same trust rule. A bundle that asks for more is refused with the lines that would grant it. Where
/// the state is in a cluster, nothing stays granted: others can write what is recorded there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet upgrade web layout:bundles/web-1.1
  carnet upgrade web layout:bundles/web-1.1 --allow-kube 'apply:batch/CronJob:prod/web-*'")]
pub(super) struct Upgrade {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(super) fn install(args: &Install, context: &Context) -> anyhow::Result<Code> {
    run(&args.bundle, &args.change, context, async |request, services| {
        operations::install::install(request, services).await
    })
}

pub(super) fn upgrade(args: &Upgrade, context: &Context) -> anyhow::Result<Code> {
    run(&args.bundle, &args.change, context, async |request, services| {
        operations::install::upgrade(request, services).await
    })
}

fn run(
    bundle: &BundleArgs,
    change: &ChangeArgs,
    context: &Context,
    operation: impl AsyncFnOnce(&InstallRequest, &Services<'_>) -> Result<Outcome, operations::Error>,
) -> anyhow::Result<Code> {
    let mut request = bundle.request()?;
    request.installation = change.on(request.installation);
    let outcome =
        act::carry_out(bundle.home(), context, async |services| operation(&request, services).await)?;
    act::report(&outcome, &context.ui)?;
    Ok(exit::DONE)
}
