//! From a dependency to the bundle that will do: the newest version, beside the bundle that depends on it or where its author
//! says.

use std::sync::Arc;

use crate::bundle::dependencies::Dependency;
use crate::fetch::{self, TaggedVersion};
use crate::oci::registry::RegistryClient;
use crate::operations::{DependencyError, Error};
use crate::reference::Reference;

use super::{repository, wanted};

/// How many versions are told of that will not do.
const TOLD: usize = 5;

/// The bundle that will do for a dependency, by its digest: a tag is resolved here, once.
///
/// # Errors
/// [`DependencyError::NoVersion`], and [`Error::Fetch`] where nobody can be asked.
pub(in crate::operations) async fn find(
    name: &str,
    dependency: &Dependency,
    beside: &Reference,
    registries: &Arc<RegistryClient>,
) -> Result<Reference, Error> {
    let repository = repository(dependency);
    let carried = fetch::carried(beside, repository).await?;
    if let Some(best) = best(dependency, &carried) {
        return Ok(best.reference.clone());
    }
    if repository != dependency.bundle {
        return pinned(&place(name, dependency, &dependency.bundle)?, registries).await;
    }
    // Where it is, and no version yet.
    let Reference::Registry(place) = place(name, dependency, &format!("{repository}:0.0.0"))? else {
        return Err(none(name, dependency, &carried));
    };
    let published = fetch::published(&place, registries).await?;
    match best(dependency, &published) {
        Some(best) => pinned(&best.reference, registries).await,
        None => Err(none(name, dependency, &published)),
    }
}

fn place(name: &str, dependency: &Dependency, text: &str) -> Result<Reference, Error> {
    let (dependency, bundle) = (name.to_owned(), dependency.bundle.clone());
    text.parse().map_err(|source| DependencyError::NoPlace { dependency, bundle, source }.into())
}

async fn pinned(reference: &Reference, registries: &Arc<RegistryClient>) -> Result<Reference, Error> {
    let located = fetch::locate(reference, registries).await?;
    Ok(located.reference.pinned(located.index.digest))
}

/// The newest version that will do.
fn best<'a>(dependency: &Dependency, found: &'a [TaggedVersion]) -> Option<&'a TaggedVersion> {
    found.iter().filter(|it| dependency.accepts(&it.version)).max_by(|a, b| a.version.cmp(&b.version))
}

fn none(name: &str, dependency: &Dependency, found: &[TaggedVersion]) -> Error {
    let mut found: Vec<_> = found.iter().map(|it| &it.version).collect();
    found.sort_by(|a, b| b.cmp(a));
    found.dedup();
    DependencyError::NoVersion {
        dependency: name.into(),
        bundle: repository(dependency).into(),
        wanted: wanted(dependency),
        found: found.into_iter().take(TOLD).map(ToString::to_string).collect(),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::dependencies::VersionRange;

    fn tagged(version: &str) -> TaggedVersion {
        let reference = format!("registry.example/db:{}", version.replace('+', "_")).parse().unwrap();
        TaggedVersion { version: version.parse().unwrap(), reference }
    }

    fn dependency(ranges: &[&str], prereleases: bool) -> Dependency {
        let ranges = ranges.iter().map(|text| VersionRange::parse(text).unwrap()).collect();
        Dependency { bundle: "registry.example/db".into(), ranges, prereleases }
    }

    #[test]
    fn the_newest_version_that_will_do_is_taken() {
        let there: Vec<_> =
            ["1.2.0", "1.10.0", "1.9.9", "2.0.0-rc.1", "2.0.0", "2.1.0-rc.1"].map(tagged).into();
        for (ranges, prereleases, expected) in [
            (&["1.x"][..], false, Some("1.10.0")),
            (&["1.2.x", "1.9.x"], false, Some("1.9.9")),
            (&[], false, Some("2.0.0")),
            (&[], true, Some("2.1.0-rc.1")),
            (&["2.0.0-rc.1"], false, Some("2.0.0-rc.1")),
            (&["3.x"], true, None),
        ] {
            let found = best(&dependency(ranges, prereleases), &there).map(|it| it.version.to_string());
            assert_eq!(found.as_deref(), expected, "{ranges:?} {prereleases}");
        }
    }

    #[test]
    fn where_none_will_do_the_newest_are_told() {
        let there: Vec<_> =
            ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.5.0"].map(tagged).into();
        let told = none("db", &dependency(&["2.x", "3.x"], false), &there).to_string();
        assert_eq!(
            told,
            "no version of `registry.example/db` will do for the dependency `db`: 2.x or 3.x is wanted, and there are \
             1.5.0, 1.4.0, 1.3.0, 1.2.0, 1.1.0"
        );
        let told = none("db", &dependency(&["2.x"], false), &[]).to_string();
        assert!(told.ends_with("2.x is wanted, and there is none"), "{told}");
    }
}
