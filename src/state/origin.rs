//! Says where a kept bundle counts as coming from: trust is decided by that, not by where the copy is.

use std::path::Path;

use crate::digest::Digest;
use crate::reference::{LayoutReference, Reference};

/// The archive or the registry that `typed` names. Else a layout: the copy that the state has on disk, or, where it has
/// none that lasts, the directory that `typed` names.
pub(super) fn origin(typed: &str, digest: Digest, copy: Option<&Path>) -> Reference {
    let named = match typed.parse() {
        Ok(elsewhere @ (Reference::Archive(_) | Reference::Registry(_))) => return elsewhere,
        Ok(Reference::Layout(layout)) => layout.directory,
        Ok(Reference::Path(path)) => path,
        Err(_) => "kube".into(),
    };
    let directory = copy.map_or(named, Path::to_owned);
    Reference::Layout(LayoutReference { directory, tag: None, digest: Some(digest) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_comes_from_where_it_was_fetched_or_from_a_layout() {
        let digest = Digest::of(b"");
        let layout = |directory: &str| {
            Reference::Layout(LayoutReference {
                directory: directory.into(),
                tag: None,
                digest: Some(digest),
            })
        };
        let kept = Some(Path::new("/state/bundle"));
        let registry = "registry.example/web:1";
        for copy in [None, kept] {
            assert_eq!(origin(registry, digest, copy), registry.parse().unwrap());
        }
        for (typed, directory) in [("layout:/a:1.0", "/a"), ("./a", "./a"), ("", "kube")] {
            assert_eq!(origin(typed, digest, None), layout(directory), "{typed}");
            assert_eq!(origin(typed, digest, kept), layout("/state/bundle"), "{typed}");
        }
    }
}
