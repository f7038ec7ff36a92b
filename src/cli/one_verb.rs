//! Reads a command line by the arguments of the one verb that it names.
//!
//! The tree of all commands and flags takes most of the time in which a short command is done. A line that is understood
//! without the rest of the tree means the same with it, so the whole is made only for help and for mistakes.

use std::ffi::OsString;
use std::mem::ManuallyDrop;

use clap::{ArgMatches, Args, Command};

use super::{
    Global, apply, approve, build, cache, claims, completion, copy, dev, diff, doctor, drift, explain, grant,
    history, init, inspect, install, invoke, key, lint, list, login, outputs, plan, rbac, rollback, schema,
    sets, sign, status, test, trust, uninstall, unlock, verify, version,
};

/// Gives a verb its arguments.
type Augment = fn(Command) -> Command;

/// Every verb.
const VERBS: &[(&str, Augment)] = &[
    ("apply", apply::Args::augment_args),
    ("approve", approve::Args::augment_args),
    ("build", build::Args::augment_args),
    ("cache", cache::Args::augment_args),
    ("claims", claims::Args::augment_args),
    ("completion", completion::Args::augment_args),
    ("copy", copy::Copy::augment_args),
    ("credentials", sets::Credentials::augment_args),
    ("dev", dev::Args::augment_args),
    ("diff", diff::Args::augment_args),
    ("doctor", doctor::Args::augment_args),
    ("drift", drift::Args::augment_args),
    ("explain", explain::Args::augment_args),
    ("grant", grant::Args::augment_args),
    ("history", history::Args::augment_args),
    ("init", init::Args::augment_args),
    ("inspect", inspect::Args::augment_args),
    ("install", install::Install::augment_args),
    ("invoke", invoke::Args::augment_args),
    ("key", key::Args::augment_args),
    ("lint", lint::Args::augment_args),
    ("list", list::Args::augment_args),
    ("login", login::Args::augment_args),
    ("logout", login::Logout::augment_args),
    ("outputs", outputs::Args::augment_args),
    ("params", sets::Params::augment_args),
    ("plan", plan::Args::augment_args),
    ("pull", copy::Pull::augment_args),
    ("push", copy::Push::augment_args),
    ("rbac", rbac::Args::augment_args),
    ("rollback", rollback::Args::augment_args),
    ("schema", schema::Args::augment_args),
    ("sign", sign::Args::augment_args),
    ("status", status::Args::augment_args),
    ("test", test::Args::augment_args),
    ("trust", trust::Args::augment_args),
    ("uninstall", uninstall::Args::augment_args),
    ("unlock", unlock::Args::augment_args),
    ("upgrade", install::Upgrade::augment_args),
    ("verify", verify::Args::augment_args),
    ("version", version::Args::augment_args),
];

/// The arguments, if the first word that is a verb is the verb, and all else is understood. None: the whole tree tells.
pub(super) fn matches(arguments: &[OsString]) -> Option<ArgMatches> {
    let named = |argument: &OsString| VERBS.iter().find(|(name, _)| argument == name);
    let (name, augment) = arguments.get(1..)?.iter().find_map(named)?;
    ManuallyDrop::new(command(name, *augment)).try_get_matches_from_mut(arguments).ok()
}

/// The command line with one verb.
fn command(name: &'static str, augment: Augment) -> Command {
    let verb = augment(Command::new(name));
    Global::augment_args(Command::new("carnet")).subcommand_required(true).subcommand(verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_takes_what_it_takes_in_the_whole_tree() {
        let whole = super::super::command();
        let names =
            |command: &Command| command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
        let (mut all, ours): (Vec<_>, Vec<_>) =
            (names(&whole), VERBS.iter().map(|(name, _)| *name).collect());
        all.sort_unstable();
        assert_eq!(all, ours);
        for (name, augment) in VERBS {
            let one = command(name, *augment);
            // But for its place in the list of all of them.
            let verb = |tree: &Command| tree.find_subcommand(name).unwrap().clone().display_order(0);
            assert!(format!("{:?}", verb(&one)) == format!("{:?}", verb(&whole)), "{name}");
            let global = |tree: &Command| {
                let arguments = tree.get_arguments().map(|it| format!("{it:?}"));
                arguments
                    .filter(|it| !it.contains(r#"id: "help""#) && !it.contains(r#"id: "version""#))
                    .collect()
            };
            let (one, whole): (Vec<_>, Vec<_>) = (global(&one), global(&whole));
            assert_eq!(one, whole);
        }
    }

    #[test]
    fn what_is_not_understood_with_one_verb_is_left_to_the_whole_tree() {
        let is_read = |line: &str| {
            let arguments: Vec<_> = line.split(' ').map(OsString::from).collect();
            matches(&arguments).map(|found| found.subcommand_name().map(str::to_owned))
        };
        for (line, verb) in [
            ("carnet version", "version"),
            ("carnet -o json list", "list"),
            ("carnet --state list list", "list"),
            ("carnet status plan", "status"),
            ("carnet outputs web", "outputs"),
        ] {
            assert_eq!(is_read(line), Some(Some(verb.into())), "{line}");
        }
        for line in [
            "carnet",
            "carnet help list",
            "carnet list --help",
            "carnet --version list",
            "carnet --state list status web",
            "carnet lst",
            "carnet version more",
        ] {
            assert_eq!(is_read(line), None, "{line}");
        }
    }
}
