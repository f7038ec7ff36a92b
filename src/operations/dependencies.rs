//! The bundles that a bundle depends on (CNAB 500), as installations of their own: found, installed before the one that needs
//! them, and removed after it.
//!
//! All of them are found, verified and looked through before any is installed. Each has a plan, an approval and a record
//! of its own, and only what was granted to it. What is done already is found again by the record of the installation,
//! so whatever is interrupted is finished by the same command.

mod find;
mod survey;
mod removing;
mod installing;

pub(super) use find::find;
pub(super) use installing::with_dependencies;
pub(super) use removing::{check_needed, removed_with_dependencies};

use crate::bundle::dependencies::Dependency;

/// The most bundles that one may depend on, over others too. Each is fetched and verified before anything runs.
pub(super) const MAX_BUNDLES: usize = 50;

/// The most steps between a bundle and what it depends on.
pub(super) const MAX_DEPTH: usize = 8;

/// The versions that will do, in words.
fn wanted(dependency: &Dependency) -> String {
    let ranges: Vec<_> = dependency.ranges.iter().map(ToString::to_string).collect();
    match ranges.as_slice() {
        [] => "any version".into(),
        ranges => ranges.join(" or "),
    }
}

/// The place of a dependency without the tag or digest that some authors write behind it.
pub(super) fn repository(dependency: &Dependency) -> &str {
    let place = dependency.bundle.split('@').next().unwrap_or_default();
    match place.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') && repository.contains('/') => repository,
        _ => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(bundle: &str) -> Dependency {
        Dependency { bundle: bundle.into(), ranges: Vec::new(), prereleases: false }
    }

    #[test]
    fn a_place_is_one_without_tag_and_digest() {
        for (bundle, expected) in [
            ("registry.example/acme/db", "registry.example/acme/db"),
            ("registry.example/acme/db:1.0", "registry.example/acme/db"),
            ("registry.example:5000/db", "registry.example:5000/db"),
            ("registry.example:5000/db:1.0@sha256:00", "registry.example:5000/db"),
            ("registry.example/db@sha256:00", "registry.example/db"),
        ] {
            assert_eq!(repository(&dependency(bundle)), expected);
        }
        assert_eq!(wanted(&dependency("a/b")), "any version");
    }
}
