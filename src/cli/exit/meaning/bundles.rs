//! What is wrong with a bundle: where it is, what is in it, whether it is trusted, what it asks for.

use crate::bundle::component::InvalidComponent;
use crate::fetch::FetchError;
use crate::grant::Shortfall;
use crate::grant::spec::InvalidGrant;
use crate::oci::registry::RegistryError;
use crate::oci::{ArchiveFault, OciError};
use crate::operations::rbac::UnusableManifest;
use crate::text::CommandLine;
use crate::verify::{Refusal, Unruled};

use super::super::{Circumstance, ERROR, LIMIT, NOT_GRANTED, NOT_TRUSTED};
use super::Meaning;

/// The hint for a bundle whose program is a container image.
const OPAQUE: &str = "run it with a tool of CNAB that runs containers, or ask its author for a component";

/// Bytes that are not what a digest promised, or not there, are a matter of trust; the rest is a matter of files.
pub(super) fn of_fetch(error: &FetchError) -> Meaning {
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

pub(super) fn of_oci(error: &OciError) -> Meaning {
    match error {
        // An archive that was cut lacks blobs, whichever they are.
        OciError::Absent(_)
        | OciError::Archive { source: ArchiveFault::Cut, .. }
        | OciError::Digest(_)
        | OciError::NotAFile(_)
        | OciError::Size { .. } => NOT_TRUSTED.into(),
        OciError::Registry(error) => of_registry(error),
        OciError::System { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            Meaning::from(ERROR)
                .hint("the disk is full; what is kept of registries can go: carnet cache clear")
        }
        _ => ERROR.into(),
    }
}

fn of_registry(error: &RegistryError) -> Meaning {
    let meaning = Meaning::from(ERROR);
    match error {
        RegistryError::Denied { with_credential: false, host, .. } => {
            meaning.hint(CommandLine::of("carnet login").word(host).own("-u USER"))
        }
        RegistryError::Offline { .. } => meaning.hint("with a network: carnet pull REF"),
        RegistryError::Realm { .. } => meaning.hint(
            "if that host belongs to the registry, name it among its `tokenHosts` in `config.yaml` (docs/operating.md)",
        ),
        _ => meaning,
    }
}

pub(super) fn of_refusal(refusal: &Refusal) -> Meaning {
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
    // A policy is about bundles in layouts unless it says otherwise.
    if place == "layout" { line } else { line.own("--match").word(place) }
}

/// A bundle that takes too much to look at has hit a limit; anything else is a fault of the bundle.
pub(super) fn of_component(fault: &InvalidComponent) -> Meaning {
    match fault {
        InvalidComponent::Costly { .. } | InvalidComponent::Handed | InvalidComponent::TooLarge(_) => {
            LIMIT.into()
        }
        InvalidComponent::Opaque => Meaning::from(ERROR).hint(OPAQUE),
        _ => ERROR.into(),
    }
}

pub(super) fn of_shortfall(shortfall: &Shortfall) -> Meaning {
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

pub(super) fn of_manifests(error: &UnusableManifest) -> Meaning {
    match error {
        UnusableManifest::UnknownKinds(_) => Meaning::from(ERROR)
            .hint("name the files of their CustomResourceDefinitions as well: carnet rbac --from FILE FILE"),
        _ => ERROR.into(),
    }
}
