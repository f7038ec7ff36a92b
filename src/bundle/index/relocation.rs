//! Turns a bundle and its index into the map from references that the author wrote to those of the copies beside the
//! index.

use std::collections::BTreeMap;

use super::super::Bundle;
use super::BundleIndex;

/// Where the images of the bundle are after they were copied to `repository`: reference in the bundle → reference
/// there, pinned by digest.
pub fn relocation_map(index: &BundleIndex, bundle: &Bundle, repository: &str) -> BTreeMap<String, String> {
    let repository = familiar(repository);
    let invocation = bundle.invocation_images().iter().map(|image| (image, &index.invocation));
    let named = bundle.images().iter().filter_map(|(name, image)| Some((image, index.components.get(name)?)));
    invocation
        .chain(named)
        .map(|(image, child)| (image.image.clone(), format!("{repository}@{}", child.digest)))
        .collect()
}

/// Docker Hub's repositories are written without host, and the official ones without `library`.
fn familiar(repository: &str) -> &str {
    let Some(rest) =
        repository.strip_prefix("docker.io/").or_else(|| repository.strip_prefix("index.docker.io/"))
    else {
        return repository;
    };
    rest.strip_prefix("library/").filter(|name| !name.contains('/')).unwrap_or(rest)
}
