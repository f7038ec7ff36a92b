//! What is wrong with a place: a cluster, a target, the state.

use std::path::Path;

use crate::cluster;
use crate::digest::Digest;
use crate::kubernetes::object::ObjectRef;
use crate::state::{DatabaseFault, StateError};
use crate::targets;
use crate::text::CommandLine;

use super::super::{Circumstance, ERROR, LOCKED, NO_RIGHTS, NOT_READY};
use super::Meaning;
use super::bundles::of_fetch;

/// The labels of a namespace for accounts of runs.
const MARK: &str = "carnet.dev/identities=true pod-security.kubernetes.io/enforce=restricted";

/// The hint for immutable fields.
pub(super) const REPLACE: &str = "`--replace` removes such objects and makes them anew";

/// The hint for objects whose deletion is delayed by finalizers.
pub(super) const HELD: &str =
    "once what holds them has let go, the same command goes on; a longer `--timeout` waits longer";

/// The hint for a namespace that goes.
const TERMINATING: &str = "wait until it is gone and make it anew; what holds it: kubectl get namespace";

/// The hint where another state has an installation by now.
const TAKEN_OVER: &str = "go on with the state that has it, or take it back with `--take-ownership`; an uninstall with this \
    state removes nothing of the other's";

/// The hint where a target directory is not the one that it was.
const OTHER_DIRECTORY: &str =
    "mount or move it there again, or take what is there as it is with `--take-ownership`";

/// The hint for a state that cannot be written.
const OTHER_STATE: &str = "name a state that can be written: `--state DIR`";

pub(super) fn of_cluster(error: &cluster::Error) -> Meaning {
    match error {
        cluster::Error::Denied { .. } => NO_RIGHTS.into(),
        cluster::Error::Home { namespace, is_there, .. } => {
            let label = CommandLine::of("kubectl label namespace").word(namespace).own(MARK);
            let make = CommandLine::of("kubectl create namespace").word(namespace).own("&&");
            Meaning::from(NO_RIGHTS).hint(if *is_there { label } else { make.and(&label) })
        }
        cluster::Error::Displaced { name, .. } => {
            Meaning::from(LOCKED).hint(CommandLine::of("carnet status").word(name))
        }
        cluster::Error::NoDependency { .. } => Meaning::from(ERROR)
            .hint("what an object names has to be there first: apply it before, or in the same call"),
        cluster::Error::Terminating { object } => {
            Meaning::from(ERROR).hint(CommandLine::of(TERMINATING).word(namespace_of(object)).own("-o yaml"))
        }
        cluster::Error::Delegated { service, .. } => Meaning::from(ERROR).hint(
            CommandLine::of("see what is wrong with it: kubectl get apiservice").word(service).own("-o yaml"),
        ),
        cluster::Error::NoNamespace { object } => {
            Meaning::from(ERROR).hint(CommandLine::of("kubectl create namespace").word(namespace_of(object)))
        }
        _ => ERROR.into(),
    }
}

/// The namespace of an object, or which it is.
fn namespace_of(object: &ObjectRef) -> &str {
    object.namespace.as_deref().unwrap_or(&object.name)
}

pub(super) fn of_target(error: &targets::Error) -> Meaning {
    match error {
        targets::Error::Cluster(cluster::Error::Conflict { .. }) => {
            Meaning::from(ERROR).hint("`--force-conflicts` overwrites these fields")
        }
        targets::Error::Cluster(cluster::Error::Immutable { .. }) => Meaning::from(ERROR).hint(REPLACE),
        targets::Error::Cluster(error) => of_cluster(error),
        targets::Error::Edited { .. } => Meaning::from(ERROR).hint("`--force-conflicts` overwrites the file"),
        targets::Error::Held { .. } => Meaning::from(NOT_READY).hint(HELD),
        targets::Error::Unreplaced(_, error) => of_target(error),
        targets::Error::OtherDirectory { .. } => Meaning::from(ERROR).hint(OTHER_DIRECTORY),
        targets::Error::Foreign { .. } | targets::Error::Namesake { .. } => {
            Meaning::from(ERROR).hint("`--take-ownership` takes it over")
        }
        targets::Error::TakenOver { .. } => Meaning::from(LOCKED).hint(TAKEN_OVER),
        _ => ERROR.into(),
    }
}

pub(super) fn of_state(error: &StateError) -> Meaning {
    match error {
        StateError::Bundle(error) => of_fetch(error),
        StateError::Cluster(error) => of_cluster(error),
        StateError::Locked { name, .. } => {
            Meaning::from(LOCKED).hint(CommandLine::of("carnet unlock").word(name))
        }
        StateError::Lost { name, .. } => {
            Meaning::from(LOCKED).hint(CommandLine::of("carnet status").word(name))
        }
        StateError::Database { path, fault } => of_database(path, *fault),
        StateError::Exposed(path) => {
            Meaning::from(ERROR).hint(CommandLine::of("chmod go-rwx").word(path.display()))
        }
        StateError::Foreign(path) => {
            let line = CommandLine::of("sudo chown -R \"$USER\"").word(path.display());
            Meaning::from(ERROR).hint(line.own("# if it is yours, else name another `--state`"))
        }
        StateError::Replaceable { exposed, .. } => {
            Meaning::from(ERROR).hint(CommandLine::of("chmod o-w").word(exposed.display()))
        }
        StateError::Missing(_) => {
            Meaning::from(ERROR).hint("carnet list --all-namespaces").under(Circumstance::NothingThere)
        }
        StateError::Newer { .. } => {
            Meaning::from(ERROR).hint("use the newer carnet that has written it, or another `--state`")
        }
        // Claims from elsewhere need not say which one it was.
        StateError::NoBundle(digest) if *digest == Digest::default() => {
            Meaning::from(ERROR).hint("it is not on record which one that was: carnet upgrade NAME REF")
        }
        StateError::NoBundle(_) => {
            Meaning::from(ERROR).hint("say where it is from: the same command with `--bundle REF`")
        }
        StateError::ReadOnly(..) => Meaning::from(ERROR).hint(OTHER_STATE),
        _ => ERROR.into(),
    }
}

/// The remedy for a database that cannot be used. Nothing is lost where it is only a moment's trouble.
fn of_database(path: &Path, fault: DatabaseFault) -> Meaning {
    let hint: CommandLine = match fault {
        DatabaseFault::Busy => {
            "wait until the other program has ended, and type the same command again".into()
        }
        DatabaseFault::CannotOpen | DatabaseFault::ReadOnly => OTHER_STATE.into(),
        DatabaseFault::Failed | DatabaseFault::Full => {
            "make room on its disk, or mend it, and type the same command again".into()
        }
        _ => CommandLine::of("bring it back from a backup, or begin a state without records: mv")
            .word(path.display())
            .word(path.with_extension("db.damaged").display()),
    };
    Meaning::from(ERROR).hint(hint)
}
