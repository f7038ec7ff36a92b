//! The common part of verbs that work with installations: their flags, the console, and one run of an operation.

mod dependencies;
mod args;
mod change;
mod powers;
mod outcome;
mod signals;
mod waiting;
mod console;

use std::sync::Arc;

use crate::install::{self, Approver, Environment};
use crate::operations::{self, Services};
use crate::state::State;

use super::Context;
use super::exit::{self, Code};
use super::inputs;
use super::inputs::prompt::Stopped;

pub(super) use args::{
    AnywhereArgs, BundleArgs, ClusterArgs, HomeArgs, InputArgs, InstalledArgs, TargetArgs, UnsignedArgs,
    installation, namespace,
};
pub(super) use change::{ChangeArgs, IdentityArgs, NoWaitArgs, PowerArgs, TakeArgs, TimeoutArgs, time};
pub(super) use console::{Console, Reply, ask};
pub(super) use outcome::{
    Show, diff_lines, manifest_lines, output_text, plan_page, report, show_outputs, show_parameters,
};
pub(super) use signals::ended_by_signal;

/// Has an operation done that works with installations. The console follows it.
pub(super) fn carry_out<T>(
    home: &HomeArgs,
    context: &Context,
    operation: impl AsyncFnOnce(&Services<'_>) -> Result<T, operations::Error>,
) -> anyhow::Result<T> {
    let state = home.state(context)?;
    let console = Arc::new(Console::new(context.ui.clone()));
    let ended = with_services(&state, &console, context, operation);
    console.done();
    ended.map_err(|error| match is_declined(&error) {
        true if console.was_stopped() => Stopped.into(),
        true if console.was_told_no() => SaidNo.into(),
        _ => error,
    })
}

/// A person looked at the plan and said no, so nothing is to be done about it.
#[derive(Debug, thiserror::Error)]
#[error("nothing was done: you did not say yes")]
struct SaidNo;

fn is_declined(error: &anyhow::Error) -> bool {
    let declined = error.downcast_ref::<operations::Error>();
    matches!(declined, Some(operations::Error::Install(install::Error::Declined)))
}

/// A time as tables have it, without its fraction: RFC 3339 in, UTC.
pub(super) fn time_of(created: &str) -> String {
    created.replace('T', " ").chars().take(19).collect()
}

fn with_services<T>(
    state: &State,
    console: &Arc<Console>,
    context: &Context,
    operation: impl AsyncFnOnce(&Services<'_>) -> Result<T, operations::Error>,
) -> anyhow::Result<T> {
    let approver: Arc<dyn Approver> = console.clone();
    let cancellation = console.cancellation();
    let (cache, compiler) = (inputs::cache(), Some(inputs::this_program()?));
    let environment = Environment { state, cache, compiler, approver, cancellation };
    let services = Services { bundles: context.bundles(), environment };
    context.wait(operation(&services))
}

/// The code of `--exit-code`.
pub(super) fn pending(is_wanted: bool, has_changes: bool) -> Code {
    if is_wanted && has_changes { exit::CHANGES } else { exit::DONE }
}
