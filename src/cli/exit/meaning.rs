//! The meaning of the library's errors to whoever typed the command: which code, and what to do about it.

use std::error::Error;
use std::path::Path;

use crate::author::AuthorError;
use crate::bundle::component::InvalidComponent;
use crate::bundle::parameters::{ParameterError, ParameterFault};
use crate::cluster;
use crate::document::{chain, visible};
use crate::fetch::FetchError;
use crate::grant::Shortfall;
use crate::grant::spec::InvalidGrant;
use crate::host::GuestError;
use crate::host::progress::Unready;
use crate::install;
use crate::oci::registry::RegistryError;
use crate::oci::{ArchiveFault, OciError};
use crate::operations;
use crate::operations::rbac::UnusableManifest;
use crate::plan::HeldFields;
use crate::plan::powers::{By, RefusedPowers};
use crate::run::RunError;
use crate::state::{DatabaseFault, StateError};
use crate::targets::{self, Take};
use crate::text::CommandLine;
use crate::verify::{PolicyError, Refusal, Unapproved, Unruled};

use super::{
    Circumstance, Code, Detail, ERROR, FAILED, LIMIT, LOCKED, NO_RIGHTS, NOT_GRANTED, NOT_READY, NOT_TRUSTED,
    NoSet, Occupied, STALE, USAGE, Unasked, Untrusted, Usage,
};

/// The most powers that an error lists.
const MAX_POWERS: usize = 50;

/// The labels of a namespace for accounts of runs.
const MARK: &str = "carnet.dev/identities=true pod-security.kubernetes.io/enforce=restricted";

/// The hint where there is nobody to ask.
const UNASKED: &str = "there is no terminal to ask on: add `--yes` to confirm the change";

/// The hint where somebody else has to approve a plan.
const UNAPPROVED: &str = "the plan of an install or upgrade can be saved (`-o json`), approved, and carried out: carnet apply PLAN --approval FILE";

/// The hint where a component trapped before anything was done.
const TRAPPED: &str = "nothing was done: the fault is in the bundle, for its author to mend";

/// The hint for immutable fields.
const REPLACE: &str = "`--replace` removes such objects and makes them anew";

/// The hint for objects whose deletion is delayed by finalizers.
const HELD: &str =
    "once what holds them has let go, the same command goes on; a longer `--timeout` waits longer";

/// The hint for a namespace that goes.
const TERMINATING: &str = "wait until it is gone and make it anew; what holds it: kubectl get namespace";

/// The hint for a bundle whose program is a container image.
const OPAQUE: &str = "run it with a tool of CNAB that runs containers, or ask its author for a component";

/// The hint for a state that cannot be written.
const OTHER_STATE: &str = "name a state that can be written: `--state DIR`";

/// An error's exit code, details and hint.
pub(super) struct Meaning {
    pub(super) code: Code,
    pub(super) details: Vec<Detail>,
    pub(super) unready: Vec<Unready>,
    pub(super) hint: Option<CommandLine>,
    pub(super) circumstance: Option<Circumstance>,
}

impl Meaning {
    fn hint(self, hint: impl Into<CommandLine>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn under(self, circumstance: Circumstance) -> Self {
        Self { circumstance: Some(circumstance), ..self }
    }

    fn details(mut self, details: &[String]) -> Self {
        self.details.extend(details.iter().map(|text| said(text)));
        self
    }

    /// What was done before a run failed, a line each.
    fn done(mut self, done: &[String]) -> Self {
        self.details.extend(done.iter().take(install::MAX_SAID).map(|line| said(&format!("done: {line}"))));
        let more = done.len().saturating_sub(install::MAX_SAID);
        self.details.extend((more > 0).then(|| said(&format!("done: {more} more changes"))));
        self
    }

    fn commands(self, lines: &[CommandLine]) -> Self {
        Self { details: lines.iter().cloned().map(Detail::Command).collect(), ..self }
    }

    /// The reasons why objects are not ready, a line each. The first `told` of them have their own status in the
    /// message already.
    fn unready(mut self, unready: &[Unready], told: usize) -> Self {
        for (at, row) in unready.iter().enumerate() {
            let own = (at >= told).then_some(&row.why);
            let lines =
                own.into_iter().chain(&row.reasons).map(|line| said(&format!("{}: {line}", row.object)));
            self.details.extend(lines);
        }
        Self { unready: unready.to_vec(), ..self }
    }
}

impl From<Code> for Meaning {
    fn from(code: Code) -> Self {
        Self { code, details: Vec::new(), unready: Vec::new(), hint: None, circumstance: None }
    }
}

/// The meaning of one error of a chain, if it is one of the library's stages.
pub(super) fn meaning(error: &(dyn Error + 'static)) -> Option<Meaning> {
    None.or_else(|| error.downcast_ref().and_then(of_operation))
        .or_else(|| error.downcast_ref().map(of_install))
        .or_else(|| error.downcast_ref().map(of_usage))
        .or_else(|| error.downcast_ref().map(of_refusal))
        .or_else(|| error.downcast_ref().map(|_: &PolicyError| NOT_TRUSTED.into()))
        .or_else(|| error.downcast_ref().map(|_: &Untrusted| NOT_TRUSTED.into()))
        .or_else(|| {
            error.downcast_ref().map(|_: &Occupied| Meaning::from(ERROR).hint("`--force` overwrites it"))
        })
        .or_else(|| error.downcast_ref().map(|none: &NoSet| Meaning::from(ERROR).hint(none.hint.clone())))
        .or_else(|| error.downcast_ref().map(of_manifests))
        .or_else(|| error.downcast_ref().map(|_: &Unasked| Meaning::from(ERROR).hint(UNASKED)))
        .or_else(|| error.downcast_ref().map(of_shortfall))
        .or_else(|| error.downcast_ref().map(of_state))
        .or_else(|| error.downcast_ref().map(of_fetch))
        .or_else(|| error.downcast_ref().map(of_oci))
        .or_else(|| error.downcast_ref().map(of_component))
        .or_else(|| error.downcast_ref().map(of_target))
        .or_else(|| error.downcast_ref().map(of_run))
}

/// Passes on the error of a stage. Errors of the operation itself are mistakes in the request.
fn of_operation(error: &operations::Error) -> Option<Meaning> {
    use operations::Error;
    Some(match error {
        Error::AmbiguousRevision { name, .. } | Error::NoRevision { name, .. } => {
            Meaning::from(USAGE).hint(CommandLine::of("carnet history").word(name))
        }
        Error::Author(error) => return of_author(error),
        Error::ClaimsThere(name) => Meaning::from(ERROR).hint(CommandLine::of("carnet history").word(name)),
        Error::Cluster(error) => of_cluster(error),
        Error::Keep(error) => return meaning(&**error),
        Error::Directory => Meaning::from(USAGE).hint("--target kube"),
        Error::Fetch(error) => of_fetch(error),
        Error::Install(error) => of_install(error),
        Error::NamespaceOfPlan(name) => {
            Meaning::from(USAGE).hint(CommandLine::of("kubectl create namespace").word(name))
        }
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

fn of_usage(usage: &Usage) -> Meaning {
    Meaning { hint: usage.hint.clone(), ..USAGE.into() }
}

fn of_manifests(error: &UnusableManifest) -> Meaning {
    match error {
        UnusableManifest::UnknownKinds(_) => Meaning::from(ERROR)
            .hint("name the files of their CustomResourceDefinitions as well: carnet rbac --from FILE FILE"),
        _ => ERROR.into(),
    }
}

fn of_refusal(refusal: &Refusal) -> Meaning {
    let meaning = Meaning::from(NOT_TRUSTED);
    match refusal {
        Refusal::NoPolicy(unruled) => {
            meaning.hint(trusting(unruled.as_deref())).under(Circumstance::NoPolicy)
        }
        Refusal::NoRule(unruled) => meaning.hint(trusting(Some(unruled))).under(Circumstance::NoRule),
        Refusal::Name { .. } => meaning
            .hint("if it may have that name, write it into the `names` of that rule: carnet trust show"),
        Refusal::Signers { .. } => meaning.hint("carnet inspect REF"),
        Refusal::Unsigned(_) => meaning.hint("carnet sign REF --key FILE"),
        Refusal::Component(fault) => of_component(fault),
        _ => meaning,
    }
}

/// The command that writes a policy for a bundle, as far as it is known.
fn trusting(unruled: Option<&Unruled>) -> CommandLine {
    let line = CommandLine::of("carnet trust new --key RELEASE.pub --name");
    let Some(Unruled { place, name, .. }) = unruled else { return line.own("BUNDLE") };
    let line = match name {
        Some(name) => line.word(name),
        None => line.own("BUNDLE"),
    };
    // What is in a layout is what a policy is about unless it says otherwise.
    if place == "layout" { line } else { line.own("--match").word(place) }
}

/// A bundle that takes too much to look at has hit a limit; anything else is a fault of the bundle.
fn of_component(fault: &InvalidComponent) -> Meaning {
    match fault {
        InvalidComponent::Costly { .. } | InvalidComponent::Handed | InvalidComponent::TooLarge(_) => {
            LIMIT.into()
        }
        InvalidComponent::Opaque => Meaning::from(ERROR).hint(OPAQUE),
        _ => ERROR.into(),
    }
}

fn of_shortfall(shortfall: &Shortfall) -> Meaning {
    let meaning = Meaning::from(NOT_GRANTED);
    match shortfall {
        Shortfall::Missing(lines)
        | Shortfall::Shared(lines)
        | Shortfall::GivenToAnother { missing: lines, .. } => {
            meaning.commands(lines).hint("add these flags, or write a grant: carnet grant new REF --to grant.yaml")
        }
        Shortfall::Exceeded(lines) => meaning.commands(lines).hint(
            "add these flags, or the same to the grant, and plan again: what was denied may have stopped there",
        ),
        Shortfall::InvalidGrant(InvalidGrant::Wildcard(_)) => meaning.hint(
            "name the objects, or add `--dangerous-wildcards` to allow also those that nobody has thought of",
        ),
        Shortfall::OtherBundle { .. } => {
            meaning.hint("another digest is another decision: carnet grant new REF --to grant.yaml")
        }
        Shortfall::Unprovided(_) | Shortfall::Unrequested(_) => meaning.hint("carnet inspect REF"),
        _ => meaning,
    }
}

/// Bytes that are not what a digest promised, or not there, are a matter of trust; the rest is a matter of files.
fn of_fetch(error: &FetchError) -> Meaning {
    match error {
        FetchError::Component(fault) => of_component(fault),
        FetchError::Oci(error) => of_oci(error),
        FetchError::OtherDigest { .. } => NOT_TRUSTED.into(),
        FetchError::NotThere(_) => Meaning::from(ERROR)
            .hint("look for a misspelt name; a private repository may hide from who is not logged in: carnet login HOST"),
        FetchError::Ambiguous(_) | FetchError::Tag { .. } => {
            Meaning::from(ERROR).hint("write `layout:DIR:TAG` or `archive:FILE:TAG`")
        }
        FetchError::Source(path) => {
            Meaning::from(ERROR).hint(CommandLine::of("carnet build").word(path.display()).own("--to LAYOUT"))
        }
        _ => ERROR.into(),
    }
}

fn of_oci(error: &OciError) -> Meaning {
    match error {
        // An archive that was cut lacks blobs, whichever they are.
        OciError::Absent(_)
        | OciError::Archive { source: ArchiveFault::Cut, .. }
        | OciError::Digest(_)
        | OciError::NotAFile(_)
        | OciError::Size { .. } => NOT_TRUSTED.into(),
        OciError::Registry(error) => of_registry(error),
        _ => ERROR.into(),
    }
}

fn of_registry(error: &RegistryError) -> Meaning {
    let meaning = Meaning::from(ERROR);
    match error {
        RegistryError::Denied { with_credential: false, host, .. } => {
            meaning.hint(CommandLine::of("carnet login").word(host).own("-u USER"))
        }
        RegistryError::Realm { .. } => meaning.hint(
            "if that host belongs to the registry, name it among its `tokenHosts` in `config.yaml` (docs/operating.md)",
        ),
        _ => meaning,
    }
}

fn of_cluster(error: &cluster::Error) -> Meaning {
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

/// The namespace of an object that is written as `KIND NAMESPACE/NAME`, or which it is.
fn namespace_of(object: &str) -> &str {
    let named = object.rsplit(' ').next().unwrap_or(object);
    named.split('/').next().unwrap_or(named)
}

/// The hint where a target directory is not the one that it was.
const OTHER_DIRECTORY: &str =
    "mount or move it there again, or take what is there as it is with `--take-ownership`";

fn of_target(error: &targets::Error) -> Meaning {
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
        targets::Error::Foreign { .. } => Meaning::from(ERROR).hint("`--take-ownership` takes it over"),
        _ => ERROR.into(),
    }
}

fn of_run(error: &RunError) -> Meaning {
    let code = match error {
        RunError::Departed(_) => STALE,
        RunError::Limit(_) => LIMIT,
        RunError::Reported(GuestError::Denied(_)) => NOT_GRANTED,
        RunError::Reported(GuestError::Timeout(_)) => NOT_READY,
        RunError::Reported(GuestError::Failed(_)) => FAILED,
        _ => ERROR,
    };
    match error {
        RunError::Limit(hit) => {
            Meaning::from(code).hint(CommandLine::of("raise it in the grant:").and(&hit.line()))
        }
        RunError::Trapped(trap) => {
            Meaning::from(code).details(&trap.frames).under(Circumstance::CutShort).hint(TRAPPED)
        }
        _ => Meaning::from(code).under(Circumstance::CutShort),
    }
}

fn of_state(error: &StateError) -> Meaning {
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

fn of_install(error: &install::Error) -> Meaning {
    match error {
        install::Error::Appeared(_) => {
            Meaning::from(STALE).hint("another run was still at work: the same command removes them")
        }
        install::Error::Canceled => Meaning::from(ERROR).under(Circumstance::CutShort),
        install::Error::Credential(_) => Meaning::from(ERROR)
            .hint("name a credential set with `-c`, or make one: carnet credentials generate NAME REF"),
        install::Error::Missing { first, more } => {
            let (mut first, more) = (of_install(first), more.iter().map(of_install));
            first.details.extend(more.flat_map(|it| it.details));
            first
        }
        install::Error::Credentials(error) => meaning(&**error).unwrap_or_else(|| ERROR.into()),
        install::Error::Displaced { source, under_way } => of_state(source).details(under_way),
        install::Error::Declined => Meaning::from(ERROR).hint(UNASKED),
        install::Error::Identity { source, missing } => of_identity(source, missing),
        install::Error::Parameters(ParameterError(faults)) => {
            let missing = faults.iter().filter_map(|fault| match fault {
                ParameterFault::Required(name) => {
                    Some(CommandLine::of("--param").word(format_args!("{name}=VALUE")))
                }
                _ => None,
            });
            let missing: Vec<_> = missing.collect();
            let how = "give each a value that its definition allows, with `--param` or in a file with `-p`";
            let meaning = Meaning::from(ERROR).commands(&missing);
            if missing.is_empty() { meaning.hint(how) } else { meaning.hint("add these flags, with their values") }
        }
        install::Error::Powers { refused, .. } => of_powers(refused),
        install::Error::Unapproved(Unapproved::Missing { .. }) => Meaning::from(NOT_TRUSTED).hint(UNAPPROVED),
        install::Error::Unapproved(_) => NOT_TRUSTED.into(),
        install::Error::Held(held) => Meaning::from(NOT_READY).unready(held, install::MAX_SAID).hint(HELD),
        install::Error::Name(_) => Meaning::from(USAGE)
            .hint("up to 63 lower-case letters, digits and `-`, with no `-` at either end"),
        install::Error::Place { name, .. } => {
            Meaning::from(ERROR).hint(CommandLine::of("carnet status").word(name))
        }
        install::Error::Exists { name, .. } => {
            Meaning::from(ERROR).hint(CommandLine::of("carnet upgrade").word(name).own("REF"))
        }
        install::Error::Run { source, refusal, denials, unready, done, .. } => {
            of_failed_run(source, refusal.as_deref(), denials).unready(unready, 0).done(done)
        }
        install::Error::Left(_) => Meaning::from(ERROR).hint(
            "once they can be looked at, the same command goes on; `--take-ownership` removes also what does not say \
             any more that it belongs to this installation",
        ),
        install::Error::OtherFiles(_) => {
            Meaning::from(ERROR).hint("put them back as they were, or roll them out: carnet upgrade NAME REF")
        }
        install::Error::SetUp(error) => of_run(error),
        install::Error::Conflicts(held) => of_held(held),
        install::Error::Replaces(_) => Meaning::from(ERROR).hint(REPLACE),
        install::Error::Shortfall(error) => of_shortfall(error),
        install::Error::State(error) => of_state(error),
        install::Error::Target(error) => of_target(error),
        install::Error::Stale { departures, again } => Meaning::from(STALE)
            .details(departures)
            .hint(CommandLine::of("make a new one, and look at it:").and(again)),
        install::Error::Unready(unready) => Meaning::from(NOT_READY)
            .unready(unready, install::MAX_SAID)
            .hint("wait longer with `--timeout`, or not with `--no-wait`"),
        _ => ERROR.into(),
    }
}

/// Each field with its manager, then the flags that take the objects over.
fn of_held(held: &[HeldFields]) -> Meaning {
    let fields = held
        .iter()
        .flat_map(|held| held.fields.iter().map(|field| said(&format!("{}: {field}", held.object))));
    let flag = |held: &HeldFields| Detail::Command(CommandLine::of("--take").word(Take::of(&held.object)));
    let details = fields.chain(held.iter().map(flag)).collect();
    Meaning { details, ..Meaning::from(ERROR) }.hint(
        "`--take FIELD` takes over a field (`--take .spec.replicas`), `--take OBJECT` all of an object, and \
         `--force-conflicts` whatever belongs to others",
    )
}

/// Powers that a policy refuses are a matter of trust; those that the operator refuses for this run are a matter of
/// grants.
fn of_powers(refused: &RefusedPowers) -> Meaning {
    let code = match refused.by {
        By::Operator => NOT_GRANTED,
        By::Policy(_) => NOT_TRUSTED,
    };
    let mut powers: Vec<_> = refused.powers.iter().take(MAX_POWERS).map(ToString::to_string).collect();
    let more = refused.powers.len() - powers.len();
    powers.extend((more > 0).then(|| format!("and {more} more")));
    Meaning::from(code).details(&powers).hint("carnet plan NAME REF")
}

/// Both ways forward: somebody else gives the rights, or the run has the caller's own.
fn of_identity(source: &cluster::Error, missing: &[String]) -> Meaning {
    match source {
        cluster::Error::Home { .. } => of_cluster(source).details(missing),
        cluster::Error::Denied { .. } => Meaning::from(NO_RIGHTS).details(missing).hint(
            "use `--identity own` with your own rights, or under those that an administrator gives you by what this \
             prints: carnet rbac NAME REF",
        ),
        _ => of_cluster(source),
    }
}

/// The refusal of the target explains more than the component's own error, which may or may not repeat it.
fn of_failed_run(source: &RunError, refusal: Option<&targets::Error>, denials: &[String]) -> Meaning {
    let run = of_run(source);
    let Some(refusal) = refusal else { return run.details(denials) };
    let told: Vec<String> =
        std::iter::once(format!("the target: {}", chain(refusal))).chain(denials.to_vec()).collect();
    let target = of_target(refusal);
    let decides = run.code == ERROR || target.code == NO_RIGHTS && run.code == NOT_GRANTED;
    if decides { target } else { run }.details(&told)
}

fn said(text: &str) -> Detail {
    Detail::Said(visible(text))
}

#[cfg(test)]
mod tests;
