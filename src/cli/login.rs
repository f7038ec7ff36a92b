//! `carnet login` and `carnet logout`.

use crate::operations::login::{Login, LoginRequest, login, logout};

use super::Context;
use super::exit::{self, Code, Usage};
use super::inputs::{self, password};
use super::ui::{Page, Report, Tone, mixed};

/// Keep a user and password for a registry
///
/// The registry is asked first whether it knows them. They are kept where other container tools keep theirs: by the
/// program that `credsStore` or `credHelpers` names in Docker's configuration, else in that file, which is its owner's
/// alone. REGISTRY_AUTH_FILE names another file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet login registry.example -u somebody
  pass show registry | carnet login registry.example -u somebody --password-stdin")]
pub(super) struct Args {
    /// The registry
    #[arg(value_name = "HOST", value_parser = inputs::registries::named)]
    registry: String,
    /// The user
    #[arg(short, long, value_name = "USER")]
    user: String,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

/// Forget the user and password for a registry
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet logout registry.example")]
pub(super) struct Logout {
    /// The registry
    #[arg(value_name = "HOST", value_parser = inputs::registries::named)]
    registry: String,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    if args.user.contains(':') {
        return Err(Usage::new("the name of a user has no colon in it", "-u USER").into());
    }
    let password = if args.password_stdin {
        inputs::secret_from_stdin()?
    } else {
        password::of_registry(&args.registry)?
    };
    let (settings, files) = (context.registry_settings()?, inputs::registries::auth_files());
    let request = LoginRequest { registry: args.registry.clone(), user: args.user.clone(), password };
    let known = context.wait(login(&request, settings, &files))?;
    context.ui.report(&known)?;
    Ok(exit::DONE)
}

pub(super) fn forget(args: &Logout, context: &Context) -> anyhow::Result<Code> {
    let forgotten = logout(&args.registry, &inputs::registries::auth_files()).map_err(anyhow::Error::from)?;
    context.ui.report(&forgotten)?;
    Ok(exit::DONE)
}

impl Report for Login {
    fn show(&self, page: &mut Page) {
        let text = match &self.user {
            Some(user) => mixed!("{user} is known at {}", self.registry),
            None => mixed!("nobody is known at {}", self.registry),
        };
        page.line("", Tone::Plain, text);
    }
}
