//! Which images pods run, and whether anybody vouched for them: the signature over a bundle covers its images by
//! digest.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::Bundle;
use crate::capability::severity::Severity;
use crate::digest::Digest;

use super::Found;
use super::pods::PodView;
use super::untyped::{cut, items, listed, text};

/// The longest reference of an image in a sentence, in characters.
const MAX_IMAGE: usize = 200;

/// The images of a bundle, by digest.
#[derive(Debug, Clone, Default)]
pub struct Images(BTreeSet<Digest>);

impl Images {
    /// Those that a bundle brings.
    pub fn of(bundle: &Bundle) -> Self {
        Self(bundle.images().values().map(|image| image.digest).collect())
    }
}

#[cfg(test)]
impl FromIterator<Digest> for Images {
    fn from_iter<I: IntoIterator<Item = Digest>>(digests: I) -> Self {
        Self(digests.into_iter().collect())
    }
}

/// Looks at the images of one pod.
pub(super) fn look(pod: &PodView<'_>, images: Option<&Images>, found: &mut Found) {
    let mut by_image = BTreeMap::<&str, Vec<&str>>::new();
    for container in pod.containers().filter(|container| !container.is_partial) {
        by_image.entry(text(container.body, "/image").unwrap_or_default()).or_default().push(container.name);
    }
    for volume in items(pod.spec, "/volumes") {
        if let Some(image) = text(volume, "/image/reference") {
            by_image.entry(image).or_default().push(text(volume, "/name").unwrap_or("?"));
        }
    }
    for (image, users) in by_image {
        if let Some((severity, rule, what)) = judged(image, images) {
            found.add(severity, rule, format!("{what} ({})", listed(users)));
        }
    }
}

fn judged(image: &str, images: Option<&Images>) -> Option<(Severity, &'static str, String)> {
    let shown = cut(image, MAX_IMAGE);
    let digest = image.rsplit_once('@').and_then(|(_, digest)| digest.parse::<Digest>().ok());
    match (digest, images) {
        (None, _) if image.is_empty() => Some((
            Severity::Low,
            "image/unset",
            "has a container without an image: something else must set it".into(),
        )),
        (None, _) => Some((
            Severity::Medium,
            "image/not-pinned",
            format!("runs an image that is not pinned by digest, so that it can become another one: {shown}"),
        )),
        (Some(digest), Some(images)) if !images.0.contains(&digest) => Some((
            Severity::Medium,
            "image/not-of-the-bundle",
            format!("runs an image that is not among the bundle's, so that nobody signed for it: {shown}"),
        )),
        (Some(_), _) => None,
    }
}
