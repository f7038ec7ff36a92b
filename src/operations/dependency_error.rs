//! Why the bundles that a bundle depends on cannot be had, or those of an installation cannot go.

use crate::bundle::Fault;
use crate::document::{slip, visible};
use crate::text::CommandLine;

/// Why something that another needs cannot be had, or cannot go.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DependencyError {
    /// The sequence of bundles has no end.
    #[error("the bundles depend on each other in a circle: {}", .0.iter().map(|it| visible(it)).collect::<Vec<_>>().join(", then "))]
    Cycle(Vec<String>),
    /// The extension cannot be used.
    #[error("the bundle's `io.cnab.dependencies` cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Fault>),
    /// Grants are missing, of the bundle or of those that it depends on.
    #[error("what the bundle and those that it depends on require is not granted")]
    Missing(Vec<CommandLine>),
    /// Others need the installation.
    #[error("`{name}` is needed by {}", .by.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "))]
    Needed {
        /// The installation.
        name: String,
        /// Who needs it.
        by: Vec<String>,
    },
    /// The place of a dependency is none.
    #[error("the dependency `{}` is in no registry: `{}`", visible(.dependency), visible(.bundle))]
    NoPlace {
        /// The dependency.
        dependency: String,
        /// Its place.
        bundle: String,
        /// The fault.
        source: crate::reference::InvalidReference,
    },
    /// No version will do.
    #[error("no version of `{}` will do for the dependency `{}`: {wanted} is wanted, and there {}", visible(.bundle), visible(.dependency), known(.found))]
    NoVersion {
        /// The dependency.
        dependency: String,
        /// Where it is.
        bundle: String,
        /// What would do.
        wanted: String,
        /// The newest of those that there are.
        found: Vec<String>,
    },
    /// A dependency is not installed yet.
    #[error("the bundle depends on `{}`, which is not installed", visible(.0))]
    NotThere(String),
    /// An installation is there in whose place the dependency would be, or that should be it.
    #[error("the dependency `{}` would be the installation `{installation}`, {why}", visible(.dependency))]
    Occupied {
        /// The dependency.
        dependency: String,
        /// The installation.
        installation: String,
        /// Why it cannot be.
        why: String,
    },
    /// What a tag or a reference names is another version.
    #[error("`{reference}` is version {found}, and for the dependency `{}` {wanted} is wanted", visible(.dependency))]
    OtherVersion {
        /// The dependency.
        dependency: String,
        /// Where the bundle is.
        reference: String,
        /// Its version.
        found: String,
        /// What would do.
        wanted: String,
    },
    /// Others can write the record that says what it was made for, and nobody looks at the plan.
    #[error("`{0}` is recorded where others can write, so its record does not decide that it goes unseen")]
    Shared(String),
    /// There are more than anybody could look through.
    #[error("the bundle depends on more than {bundles} bundles, or through more than {depth} others")]
    TooMany {
        /// How many there may be.
        bundles: usize,
        /// How many steps there may be between a bundle and what it depends on.
        depth: usize,
    },
    /// Something is said of a dependency that there is not.
    #[error("the bundle has no dependency `{}` {}", visible(.name), slip::known(.name, .known.iter().map(String::as_str)))]
    Unknown {
        /// The dependency.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

fn known(found: &[String]) -> String {
    match found {
        [] => "is none".into(),
        [one] => format!("is {one}"),
        several => format!("are {}", several.join(", ")),
    }
}
