//! `carnet apply`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::operations::apply::apply;
use crate::operations::approve::{self, Approval};
use crate::operations::{ChangeOptions, InstallationRequest};
use crate::plan::Plan;
use crate::reference::Reference;

use super::Context;
use super::act::{
    self, ClusterArgs, HomeArgs, IdentityArgs, InputArgs, NoWaitArgs, PowerArgs, TimeoutArgs, UnsignedArgs,
};
use super::exit::{self, Code};

/// Carry out a plan that was made earlier, and nothing else
///
/// The plan says which bundle, what is granted, with which parameters, and what happens to every object. It is made
/// once more before anything is written: where anything would come out differently, nothing is done, the differences
/// are shown, and the exit code is 13. The bundle is fetched and verified again. Credentials are in no plan; give them
/// again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet plan web layout:bundles/web --target kube --grants grants.yaml -o json > plan.json
  carnet apply plan.json -c credentials.yaml
  carnet apply plan.json --approval alice.json --approval bob.json")]
pub(super) struct Args {
    /// The plan, as `carnet plan -o json` wrote it; `-` reads it from standard input
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// Confirm the plan; naming it does so already
    #[arg(short, long)]
    yes: bool,
    /// Fetch the bundle from there; it must be the one that was planned
    #[arg(long, value_name = "REF")]
    bundle: Option<Reference>,
    /// An approval of the plan, as `carnet approve -o json` wrote it; may be given more than once
    #[arg(long, value_name = "FILE")]
    approval: Vec<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsigned: UnsignedArgs,
    #[command(flatten)]
    wait: WaitArgs,
}

/// How long to wait. All else was decided when the plan was made.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Change")]
struct WaitArgs {
    #[command(flatten)]
    no_wait: NoWaitArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
    /// Go back to what was there when it fails
    #[arg(long)]
    rollback_on_failure: bool,
    /// Where the bundle to go back to is from, with its digest, if the state is in a cluster
    #[arg(long, value_name = "REF", requires = "rollback_on_failure")]
    rollback_bundle: Option<Reference>,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    powers: PowerArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let plan = read(&args.plan)?;
    let home = HomeArgs::of(&args.cluster, &plan.installation.namespace);
    let request = InstallationRequest {
        inputs: args.inputs.given(),
        trust: args.unsigned.trust(),
        change: args.wait.options(),
        rollback_on_failure: args.wait.rollback_on_failure,
        rollback_bundle: args.wait.rollback_bundle.clone(),
        approvals: args.approval.iter().map(|file| approval(file)).collect::<anyhow::Result<_>>()?,
        ..home.request(&plan.installation.name)?
    };
    let reference = args.bundle.clone().map(|reference| reference.try_map_path(super::inputs::absolute));
    let reference = reference.transpose()?;
    let outcome = act::carry_out(&home, context, async |services| {
        apply(&plan, reference.as_ref(), &request, services).await
    })?;
    act::report(&outcome, &context.ui)?;
    Ok(exit::DONE)
}

impl WaitArgs {
    fn options(&self) -> ChangeOptions {
        ChangeOptions {
            waits: self.no_wait.waits(),
            timeout: self.timeout.timeout,
            refuse_powers: self.powers.refuse_powers,
            identity: self.identity.identity(),
            identity_namespace: self.identity.identity_namespace.clone(),
            ..ChangeOptions::default()
        }
    }
}

/// The plan in a file, or from standard input.
///
/// # Errors
/// When it cannot be read, or is none.
pub(super) fn read(file: &Path) -> anyhow::Result<Plan> {
    let most = u64::try_from(Plan::MAX_BYTES).unwrap_or(u64::MAX);
    let bytes = if file == Path::new("-") {
        standard_input(most)?
    } else {
        super::inputs::text_within(file, most)?.into_bytes()
    };
    Plan::read(&bytes).with_context(|| format!("`{}` cannot be carried out", file.display()))
}

fn approval(file: &Path) -> anyhow::Result<Approval> {
    let most = u64::try_from(approve::MAX_BYTES).unwrap_or(u64::MAX);
    let text = super::inputs::text_within(file, most)?;
    let approval = Approval::read(text.as_bytes());
    let approval = approval.with_context(|| format!("`{}` is no approval", file.display()))?;
    Ok(Approval { file: file.display().to_string(), ..approval })
}

fn standard_input(most: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut bytes).context("standard input")?;
    Ok(bytes)
}
