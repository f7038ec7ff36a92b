//! `carnet rbac`.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;

use crate::cluster::identity::missing_rights;
use crate::cluster::{ScopedIdentity, Server, written_for};
use crate::document;
use crate::grant::beside;
use crate::install::{self, Mode, Outcome};
use crate::kubernetes::rbac::{IdentityRecord, Rights, account, body};
use crate::plan::{Plan, role_name};
use crate::reference::Reference;

use super::Context;
use super::acquire::UnsignedArgs;
use super::act::{self, BundleArgs, ChangeArgs, InputArgs, TargetArgs};
use super::exit::{self, Code, Usage};
use super::inputs;
use super::inputs::consent::ConsentArgs;
use super::ui::{Page, Report, Tone};

/// Print the rights in a cluster that an install or upgrade takes
///
/// Makes the plan, and prints roles that name every object, with the reason for each rule, bound to a ServiceAccount:
/// ready for `kubectl apply`. Whoever acts as that account can make this plan and carry it out with `--identity own`, and
/// can do nothing else. `--kubeconfig FILE` makes such an account for a while and writes a kubeconfig for it; for this
/// verb the cluster itself is the one that kubectl would use.
#[derive(Debug, clap::Args)]
#[command(mut_arg("kubeconfig", |argument| argument
    .help("Make an account with these rights, and write a kubeconfig for it to this file (mode 0600)")
    .help_heading("Account")))]
#[command(after_help = "\
Examples:
  carnet rbac web layout:bundles/web --target kube -n prod --grants grants.yaml | kubectl apply -f -
  carnet rbac web layout:bundles/web --target kube -n prod --grants grants.yaml --check
  carnet rbac web layout:bundles/web --target kube -n prod --grants grants.yaml --kubeconfig run.kubeconfig --ttl 1h
  carnet apply plan.json --kubeconfig run.kubeconfig --identity own
  carnet rbac web --target kube --kubeconfig run.kubeconfig --revoke")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    name: String,
    /// Where the bundle is
    #[arg(value_name = "REF", required_unless_present = "revoke")]
    reference: Option<Reference>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsigned: UnsignedArgs,
    /// Say what you lack to have it done, all at once, and exit with 12 if that is anything
    #[arg(long, conflicts_with_all = ["kubeconfig", "revoke"])]
    check: bool,
    /// How long the account is good for, at least 10m
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = act::time, help_heading = "Account")]
    ttl: Duration,
    /// Remove the account that the kubeconfig is for, and the file
    #[arg(long, requires = "kubeconfig", help_heading = "Account")]
    revoke: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RightsReport {
    name: String,
    namespace: String,
    plan: crate::digest::Digest,
    objects: Vec<Value>,
    escalations: Vec<String>,
    /// Namespaces that the plan makes itself: what is in them can only be applied afterwards.
    later: Vec<String>,
}

#[derive(Serialize)]
struct RightsCheck {
    name: String,
    missing: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    kubeconfig: String,
    #[serde(flatten)]
    minted: IdentityRecord,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let mut target = args.target.clone();
    let file = target.take_kubeconfig();
    let reference = match (&args.reference, &file) {
        (_, Some(file)) if args.revoke => return revoke(args, &target, file, context),
        (Some(reference), _) => reference.clone(),
        (None, _) => return Err(Usage::new("no bundle is named", "carnet rbac NAME REF").into()),
    };
    let bundle = BundleArgs {
        name: args.name.clone(),
        reference,
        target,
        consent: args.consent.clone(),
        inputs: args.inputs.clone(),
        unsigned: args.unsigned,
    };
    let earlier = file.as_deref().map(written).transpose()?.flatten();
    let (outcome, _) = act::on_bundle(None, &bundle, &ChangeArgs::default(), Mode::Plan, context)?;
    if outcome.rights.is_empty() && !outcome.plan.target.starts_with("kube") {
        return Err(Usage::new("a directory takes no rights", "--target kube").into());
    }
    match file {
        Some(file) => make(args, &bundle.target, &outcome, (&file, earlier), context),
        None if args.check => check(args, &bundle.target, &outcome, context),
        None => print(&outcome, context),
    }
}

fn print(outcome: &Outcome, context: &Context) -> anyhow::Result<Code> {
    let report = RightsReport::of(&outcome.plan, &outcome.rights);
    if context.ui.is_for_people() {
        context.ui.text(&report.yaml()?)?;
    } else {
        context.ui.report(&report)?;
    }
    Ok(exit::DONE)
}

/// What the caller lacks to make an identity for the run, which must not have more than the caller has.
fn check(args: &Args, target: &TargetArgs, outcome: &Outcome, context: &Context) -> anyhow::Result<Code> {
    let runtime = act::runtime()?;
    let (cluster, _) = runtime.block_on(target.cluster(&args.name, context))?;
    let minted = install::minted(&outcome.plan, &outcome.rights, cluster.server(), args.ttl);
    let review = beside::own_rights(install::needs(&minted, &outcome.rights));
    let missing = runtime.block_on(missing_rights(cluster.server(), &review))?;
    let code = if missing.is_empty() { exit::DONE } else { exit::NO_RIGHTS };
    context.ui.report(&RightsCheck { name: args.name.clone(), missing })?;
    Ok(code)
}

/// Makes an account, and writes the kubeconfig for it. One of ours that is there already is replaced.
fn make(
    args: &Args,
    target: &TargetArgs,
    outcome: &Outcome,
    (file, earlier): (&Path, Option<IdentityRecord>),
    context: &Context,
) -> anyhow::Result<Code> {
    if let Some(namespace) = outcome.plan.namespaces_made().first() {
        let text =
            format!("no rights can be given in the namespace `{namespace}`, which the plan makes itself");
        return Err(Usage::new(text, format!("kubectl create namespace {namespace}")).into());
    }
    let runtime = act::runtime()?;
    runtime.block_on(async {
        let (cluster, namespace) = target.cluster(&args.name, context).await?;
        if let Some(earlier) = &earlier {
            removed(cluster.server(), earlier).await?;
        }
        let minted = install::minted(&outcome.plan, &outcome.rights, cluster.server(), args.ttl);
        // Who names a file for the account asks for it.
        let confirmed = outcome.plan.confirm(&outcome.rights, |_| true);
        let confirmed = confirmed.ok_or_else(|| anyhow::anyhow!("the plan was not confirmed"))?;
        let identity = ScopedIdentity::new(cluster.server(), confirmed.mint(minted, args.ttl));
        let made = match identity.make().await {
            Ok(()) => written_down(&identity, &namespace, file, earlier.is_some()).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = made {
            drop(identity.remove().await);
            return Err(error);
        }
        let minted = identity.record().clone();
        context.ui.report(&Account { kubeconfig: file.display().to_string(), minted })?;
        Ok(exit::DONE)
    })
}

async fn written_down(
    identity: &ScopedIdentity,
    namespace: &str,
    file: &Path,
    force: bool,
) -> anyhow::Result<()> {
    let text: SecretString = identity.kubeconfig(namespace).await?;
    inputs::write_secret(file, &text, force)
}

fn revoke(args: &Args, target: &TargetArgs, file: &Path, context: &Context) -> anyhow::Result<Code> {
    let Some(minted) = written(file)? else {
        anyhow::bail!("`{}` is not there", file.display());
    };
    let runtime = act::runtime()?;
    let (cluster, _) = runtime.block_on(target.cluster(&args.name, context))?;
    runtime.block_on(removed(cluster.server(), &minted))?;
    inputs::remove(file)?;
    context.ui.status(format_args!("Removed {} and `{}`.", minted.name, file.display()));
    Ok(exit::DONE)
}

/// The identity that a kubeconfig of ours is for. None: no such file.
///
/// # Errors
/// When it is somebody else's: it is neither overwritten nor removed.
fn written(file: &Path) -> anyhow::Result<Option<IdentityRecord>> {
    let Some(text) = inputs::text_if_there(file)? else { return Ok(None) };
    let minted = document::json(text.as_bytes()).ok().and_then(|document| written_for(&document));
    match minted {
        Some(minted) => Ok(Some(minted)),
        None => Err(Usage::new(
            format!("`{}` was not written by `carnet rbac`: it stays as it is", file.display()),
            "name another file; the cluster is found as kubectl finds it (KUBECONFIG, --context)",
        )
        .into()),
    }
}

async fn removed(server: &Server, minted: &IdentityRecord) -> anyhow::Result<()> {
    if minted.server != server.address() {
        anyhow::bail!("the account {} is at {}, not at {}", minted.name, minted.server, server.address());
    }
    Ok(install::removed(server, minted).await.map(drop)?)
}

impl RightsReport {
    fn of(plan: &Plan, rights: &Rights) -> Self {
        let installation = &plan.installation;
        let account = account(&installation.namespace, &format!("carnet-{}", installation.name));
        let name = role_name(installation);
        let granted = rights
            .scopes()
            .flat_map(|scope| [rights.role(scope, &name), Rights::binding(scope, &name, &account)]);
        Self {
            name: installation.name.clone(),
            namespace: installation.namespace.clone(),
            plan: plan.digest,
            objects: std::iter::once(body(&account)).chain(granted).collect(),
            escalations: plan.escalations.clone(),
            later: plan.namespaces_made(),
        }
    }

    /// One document for each object; what else there is to say are comments.
    fn yaml(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        for escalation in &self.escalations {
            text.push_str(&format!("# {}\n", document::visible(escalation)));
        }
        for object in &self.objects {
            text.push_str("---\n");
            let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
            if namespace.is_some_and(|namespace| self.later.iter().any(|later| later == namespace)) {
                text.push_str("# The plan makes this namespace itself: apply this when it is there.\n");
            }
            text.push_str(&serde_saphyr::to_string(object)?);
        }
        Ok(text)
    }
}

impl Report for RightsReport {
    const KIND: &'static str = "Rights";

    fn show(&self, page: &mut Page) {
        for line in self.yaml().unwrap_or_default().lines() {
            page.unwrapped(line);
        }
    }
}

impl Report for RightsCheck {
    const KIND: &'static str = "RightsCheck";

    fn show(&self, page: &mut Page) {
        for line in &self.missing {
            page.unwrapped(line);
        }
        if self.missing.is_empty() {
            page.line("", Tone::Good, "You have all rights that this takes.");
        }
    }
}

impl Report for Account {
    const KIND: &'static str = "Account";

    fn show(&self, page: &mut Page) {
        page.line("", Tone::Good, &format!("Wrote `{}` for {}.", self.kubeconfig, self.minted.name));
        page.line(
            "  ",
            Tone::Plain,
            &format!("It can do this plan and nothing else, until {}.", self.minted.expires),
        );
    }
}
