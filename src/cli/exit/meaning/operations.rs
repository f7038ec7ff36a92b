//! What an operation could not do, or was not asked for rightly.

use crate::author::AuthorError;
use crate::operations::{self, DependencyError};
use crate::text::CommandLine;

use super::super::{Circumstance, Detail, ERROR, NOT_GRANTED, USAGE};
use super::bundles::{of_fetch, of_refusal, of_shortfall};
use super::places::{of_cluster, of_state, of_target};
use super::runs::of_install;
use super::{Meaning, meaning};

/// Passes on the error of a stage. Errors of the operation itself are mistakes in the request.
pub(super) fn of_operation(error: &operations::Error) -> Option<Meaning> {
    use operations::Error;
    Some(match error {
        Error::AmbiguousRevision { name, .. } | Error::NoRevision { name, .. } => {
            Meaning::from(ERROR).hint(CommandLine::of("carnet history").word(name))
        }
        Error::Author(error) => return of_author(error),
        Error::ClaimsThere(name) => Meaning::from(ERROR).hint(CommandLine::of("carnet history").word(name)),
        Error::Cluster(error) => of_cluster(error),
        Error::Keep(error) => return meaning(&**error),
        Error::Dependency(error) => of_dependency(error),
        Error::OfDependency { dependency, installation, source } => {
            return of_operation(source).or_else(|| meaning(&**source)).map(|inner| within(inner, dependency, installation.as_deref()));
        }
        Error::Directory => Meaning::from(USAGE).hint("--target kube"),
        Error::Fetch(error) => of_fetch(error),
        Error::Install(error) => of_install(error),
        Error::NamespaceOfPlan(name) => {
            Meaning::from(USAGE).hint(CommandLine::of("kubectl create namespace").word(name))
        }
        Error::Namespaces { .. } => Meaning::from(ERROR).hint("say which one: `-n NAMESPACE`"),
        Error::OtherBundle { name, .. } => {
            Meaning::from(ERROR).hint(CommandLine::of("carnet upgrade").word(name).own("REF"))
        }
        Error::OtherInstallation { owner, .. } => {
            let (namespace, name) = owner.split_once('/').unwrap_or_default();
            let line = CommandLine::of("carnet rbac").word(name).own("-n").word(namespace);
            Meaning::from(USAGE).hint(line.own("--kubeconfig FILE --revoke"))
        }
        Error::NotASource(_) => {
            Meaning::from(USAGE).hint("grant it with `--approve DIGEST`, or: carnet grant new REF --to grant.yaml")
        }
        Error::NoImages { images, copy, .. } => {
            let images: Vec<_> = images.iter().map(ToString::to_string).collect();
            let meaning = Meaning::from(ERROR).details(&images);
            match copy {
                Some(copy) => meaning.hint(copy.clone()),
                None => meaning.hint("a private registry may want a login first: carnet login HOST"),
            }
        }
        Error::NoPlace => Meaning::from(USAGE).hint("--target dir:PATH or --target kube").under(Circumstance::NothingThere),
        Error::PlanBundle { source, .. } => {
            let meaning = of_fetch(source);
            let elsewhere = "name where it is here: carnet apply PLAN --bundle REF";
            if meaning.code == ERROR { meaning.hint(elsewhere) } else { meaning }
        }
        Error::Input(error) | Error::Policy(error) => return meaning(&**error),
        Error::Refused(error) => of_refusal(error),
        Error::SettledGrant => Meaning::from(USAGE).hint("leave it out, or have it changed by an upgrade: carnet upgrade NAME REF"),
        Error::Shared { lines, .. } => Meaning::from(NOT_GRANTED).commands(lines).hint(
            "add these flags, and with `--grants FILE` what is granted, from what you know yourself: who can write the \
             record can write anything there",
        ),
        Error::SettledParameter(_) => Meaning::from(USAGE).hint("leave it out, or have it changed by an upgrade: carnet upgrade NAME REF"),
        Error::Shortfall(error) => of_shortfall(error),
        Error::State(error) => of_state(error),
        Error::Target(error) => of_target(error),
        Error::UnrecordedParameter(name) => Meaning::from(USAGE)
            .hint(CommandLine::of("give it again: --param").word(format_args!("{name}=VALUE"))),
        // The other errors get their meaning from their causes.
        _ => return None,
    })
}

fn of_dependency(error: &DependencyError) -> Meaning {
    match error {
        DependencyError::Missing(lines) => Meaning::from(NOT_GRANTED)
            .commands(lines)
            .hint("add these flags, or write a grant for each: carnet grant new REF --to grant.yaml"),
        DependencyError::Needed { by, .. } => Meaning::from(ERROR).hint(
            CommandLine::of("carnet uninstall")
                .word(by.first().map_or("", String::as_str))
                .own("--with-dependencies"),
        ),
        DependencyError::NotThere(_) => Meaning::from(ERROR).hint("carnet install NAME REF"),
        DependencyError::Occupied { dependency, .. } => Meaning::from(ERROR).hint(
            CommandLine::of("name another one: --dependency")
                .word(format_args!("{dependency}:installation=NAME")),
        ),
        DependencyError::NoVersion { dependency, .. }
        | DependencyError::NoPlace { dependency, .. }
        | DependencyError::OtherVersion { dependency, .. } => Meaning::from(ERROR).hint(
            CommandLine::of("say where one is: --dependency").word(format_args!("{dependency}:from=REF")),
        ),
        DependencyError::Shared(name) => Meaning::from(ERROR)
            .hint(CommandLine::of("look at its plan, without `-y`: carnet uninstall").word(name)),
        DependencyError::Unknown { .. } => Meaning::from(USAGE).hint("carnet inspect REF"),
        _ => ERROR.into(),
    }
}

/// What an error of a dependency means to whoever installs what needs it: flags are those of the dependency.
fn within(mut meaning: Meaning, dependency: &str, installation: Option<&str>) -> Meaning {
    for detail in &mut meaning.details {
        if let Detail::Command(line) = detail {
            *line = line.within("--dependency", dependency);
        }
    }
    let history = || installation.map(|name| CommandLine::of("carnet history").word(name));
    meaning.hint = meaning.hint.or_else(history);
    meaning
}

/// A source directory that is no bundle is whatever its cause is.
fn of_author(error: &AuthorError) -> Option<Meaning> {
    match error {
        AuthorError::NoComponent { build: Some(build), .. } => Some(Meaning::from(ERROR).hint(build.clone())),
        AuthorError::NoComponent { build: None, .. } => {
            Some(Meaning::from(ERROR).hint("build it first, or correct `component` in carnet.yaml"))
        }
        AuthorError::Faults(faults) => {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            Some(Meaning::from(ERROR).details(&faults))
        }
        error => meaning(error),
    }
}
