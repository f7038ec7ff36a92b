//! What the acting verbs share: their flags, the target, the question, and how it goes on.

mod args;
mod console;
mod order;
mod outcome;
mod powers;
mod signals;
mod undo;
mod waiting;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::capability::Requests;
use crate::cluster::{ConnectOptions, written_for};
use crate::document;
use crate::grant::spec::GrantSpec;
use crate::install::{self, Approver, Environment, Mode, Outcome, act};
use crate::plan::{Plan, Planned};
use crate::reference::Reference;
use crate::state::{Installation, Revision, State};
use crate::targets::cluster::{Cluster, Owner};
use crate::targets::directory::{Directory, Secrets};
use crate::targets::{Change, Overrides, Place, Target};
use crate::verify::Verified;

use super::Context;
use super::acquire::{self, UnsignedArgs};
use super::exit::{self, Code};
use super::inputs;
use super::inputs::consent::FileArgs;

use order::{PLAIN, operation};

pub(super) use args::{
    BundleArgs, ChangeArgs, ClusterArgs, HomeArgs, IdentityArgs, InputArgs, PowerArgs, TargetArgs, time,
};
pub(super) use console::Console;
pub(super) use order::{Asked, Settled, check_parameters};
pub(super) use outcome::{PlanReport, diff_lines, report};
pub(super) use undo::{is_bundled, revision_before};

/// Opens the target of an installation. Gives the namespace too: the named one, else the context's, else `default`.
pub(super) async fn open(
    place: &Place,
    name: &str,
    namespace: Option<&str>,
    as_user: Option<&str>,
) -> anyhow::Result<(Target, String)> {
    let (kubeconfig, context) = match place {
        Place::Cluster { kubeconfig, context, .. } => (kubeconfig.clone(), context.clone()),
        Place::Directory { path, secrets } => {
            let directory = Directory::open(path, *secrets)?;
            return Ok((Target::Directory(directory), namespace.unwrap_or("default").to_owned()));
        }
    };
    let options = ConnectOptions { kubeconfig, context, as_user: as_user.map(str::to_owned) };
    let owner = |namespace: &str| Owner { namespace: namespace.into(), installation: name.into() };
    let cluster = Cluster::connect(&options, &owner(namespace.unwrap_or("default"))).await?;
    let namespace = namespace.unwrap_or(cluster.server().namespace()).to_owned();
    let cluster = cluster.owned_by(&owner(&namespace));
    Ok((Target::Cluster(Box::new(cluster)), namespace))
}

/// A runtime for one command.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the program cannot wait for anything")
}

/// Acts on a bundle that is named on the command line. Without an action, it is an upgrade where there is something to
/// upgrade, else an install.
pub(super) fn on_bundle(
    action: Option<&str>,
    args: &BundleArgs,
    change: &ChangeArgs,
    mode: Mode,
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let home = &args.target.home;
    let state = home.state(context)?;
    let verified = acquire::verified(&args.reference, args.unsigned, context)?;
    let earlier = state.find(&args.name)?;
    let is_installed = earlier.as_ref().is_some_and(Installation::is_installed);
    let action = action.unwrap_or(if is_installed { "upgrade" } else { "install" });
    let home = &args.target.home;
    let (place, namespace) = args.target.located(earlier, &state, context)?;
    let asked = Asked {
        action,
        name: &args.name,
        home,
        reference: args.reference.to_string(),
        consent: &args.consent,
        inputs: &args.inputs,
        unsigned: args.unsigned,
        change,
        mode,
        settled: None,
    };
    run(asked, Some(verified), &state, (place, namespace), context)
}

/// Acts on an installation, with the bundle that is kept of it where the action needs one.
pub(super) fn on_installation(
    asked: Asked<'_>,
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let state = asked.home.state(context)?;
    let installation = asked.home.installation(&state, asked.name)?;
    let verified = kept(&asked, &state, &installation, context)?;
    let place = asked.home.place(&installation)?;
    let namespace = Some(installation.namespace);
    let asked = Asked { reference: installation.settings.reference, ..asked };
    run(asked, verified, &state, (place, namespace), context)
}

/// What differs between the target and what was installed: the plan of the last action, made once more.
pub(super) fn examine(
    name: &str,
    home: &HomeArgs,
    (inputs, files): (&InputArgs, &FileArgs),
    unsigned: UnsignedArgs,
    context: &Context,
) -> anyhow::Result<Vec<Planned>> {
    let installation = home.installation(&home.state(context)?, name)?;
    anyhow::ensure!(!installation.is_deleted(), "the installation `{name}` is uninstalled");
    let last = installation.last.map_or_else(|| "install".to_owned(), |last| last.action);
    let asked = Asked {
        action: if ["install", "upgrade"].contains(&last.as_str()) { &last } else { "upgrade" },
        name,
        home,
        reference: String::new(),
        consent: &files.consent(),
        inputs,
        unsigned,
        change: &ChangeArgs::overriding(Overrides {
            force_conflicts: true,
            take_ownership: true,
            replace: false,
        }),
        mode: Mode::Examine,
        settled: None,
    };
    let (outcome, _) = on_installation(asked, context)?;
    Ok(outcome.plan.changes.into_iter().filter(|row| row.action != Change::Unchanged).collect())
}

/// The bundle that is kept of an installation, verified again. An uninstall that the component does not handle needs none,
/// so neither a lost trust policy nor a damaged copy can keep it from happening.
fn kept(
    asked: &Asked<'_>,
    state: &State,
    installation: &Installation,
    context: &Context,
) -> anyhow::Result<Option<Verified>> {
    let settings = &installation.settings;
    let fetched = runtime()?.block_on(state.load(settings.bundle, &settings.reference));
    if asked.action == "uninstall" {
        let requests = fetched.as_ref().ok().and_then(|fetched| Requests::of(fetched.bundle()).ok());
        if !requests.is_some_and(|requests| requests.handle("uninstall")) {
            return Ok(None);
        }
    }
    acquire::admitted(fetched?, asked.unsigned, context).map(Some)
}

/// Carries out a plan that was made earlier.
pub(super) fn on_plan(
    asked: Asked<'_>,
    reference: &Reference,
    plan: &Plan,
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let state = asked.home.state(context)?;
    let fetched = acquire::fetched(&reference.clone().pinned(plan.bundle.digest), context)?;
    if fetched.digest() != plan.bundle.digest {
        let found = format!("bundle: {} was planned, now it is {}", plan.bundle.digest, fetched.digest());
        return Err(install::Error::Stale(vec![found]).into());
    }
    let verified = acquire::admitted(fetched, asked.unsigned, context)?;
    check_still(plan, state.find(&plan.installation.name)?.as_ref())?;
    let is_plain = plan.inputs.dangers.iter().any(|danger| danger == PLAIN);
    let secrets = if is_plain { Secrets::Plain } else { Secrets::Omit };
    let place = Place::of_plan(&plan.target).context("the plan does not say where its objects go")?;
    let place = asked.home.cluster.reaching(place.with_secrets(secrets))?;
    let namespace = Some(plan.installation.namespace.clone());
    run(asked, Some(verified), &state, (place, namespace), context)
}

/// A plan is one of an install or an upgrade, and which of both is to be done must not have changed.
fn check_still(plan: &Plan, earlier: Option<&Installation>) -> anyhow::Result<()> {
    let is_installed = earlier.is_some_and(Installation::is_installed);
    if is_installed == (plan.action == "upgrade") {
        return Ok(());
    }
    let now = if is_installed { "is there by now" } else { "is not there, or its last run failed" };
    let found = format!("{} was planned, and `{}` {now}", plan.action, plan.installation.name);
    Err(install::Error::Stale(vec![found]).into())
}

/// Brings an installation back to one of its revisions, with the bundle that is kept of it.
pub(super) fn on_revision(
    asked: Asked<'_>,
    revision: &Revision,
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let state = asked.home.state(context)?;
    let installation = asked.home.installation(&state, asked.name)?;
    let fetched = runtime()?.block_on(state.load(revision.digest, &revision.reference))?;
    let verified = acquire::admitted(fetched, asked.unsigned, context)?;
    let place = asked.home.place(&installation)?;
    let settled = Settled {
        parameters: revision.parameters.clone(),
        secret_parameters: revision.secret_parameters.clone(),
        terms: GrantSpec { files: asked.consent.files(&revision.terms)?, ..revision.terms.clone() },
        overrides: asked.change.overrides(),
        delete: asked.change.delete(),
        dangers: revision.dangers.clone(),
        plan: None,
    };
    let asked = Asked { reference: revision.reference.clone(), settled: Some(settled), ..asked };
    run(asked, Some(verified), &state, (place, Some(installation.namespace)), context)
}

fn run(
    asked: Asked<'_>,
    verified: Option<Verified>,
    state: &State,
    (place, namespace): (Place, Option<String>),
    context: &Context,
) -> anyhow::Result<(Outcome, Arc<Console>)> {
    let runtime = runtime()?;
    let as_user = asked.home.as_user();
    let (target, namespace) = runtime.block_on(open(&place, asked.name, namespace.as_deref(), as_user))?;
    let console = Arc::new(Console::new(context.ui.clone(), asked.change.yes));
    // A kubeconfig that is good for one plan is not the way to the installation.
    let place = match place {
        Place::Cluster { kubeconfig: Some(file), context, .. } if is_lent(&file) => {
            Place::cluster().reached_by(None, context)
        }
        place => place,
    };
    let place = place.with_server(target.server().map(str::to_owned));
    let operation = operation(&asked, verified.as_ref().map(Verified::bundle), place, namespace)?;
    if asked.mode == Mode::Act && operation.acts_as_caller() {
        context.ui.danger("the run acts as you, with all your rights (--identity own)");
    }
    let before = state.find(asked.name)?.and_then(|earlier| earlier.last);
    let approver: Arc<dyn Approver> = console.clone();
    let cancellation = console.cancellation();
    let environment = Environment { state, cache: inputs::cache(), approver, cancellation };
    let acted = runtime.block_on(act(verified, target, operation, &environment, asked.mode));
    console.done();
    match acted {
        Ok(outcome) => Ok((outcome, console)),
        Err(error) if asked.change.rollback_on_failure => {
            Err(undo::after(error, &asked, before.as_ref(), state, context))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a kubeconfig is one that `carnet rbac` wrote.
fn is_lent(file: &Path) -> bool {
    let document = inputs::text(file).ok().and_then(|text| document::json(text.as_bytes()).ok());
    document.is_some_and(|document| written_for(&document).is_some())
}

/// The code of `--exit-code`.
pub(super) fn pending(is_wanted: bool, has_changes: bool) -> Code {
    if is_wanted && has_changes { exit::CHANGES } else { exit::DONE }
}
