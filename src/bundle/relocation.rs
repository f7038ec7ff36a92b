//! A relocation mapping that somebody else made: where the images of a bundle are after it was copied (CNAB 103).
//!
//! Ours is computed from a bundle and its index, and never read.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Bundle;
use super::fault::{Fault, Purpose};
use super::validator::{Members, Validator, Weight};

const RULE: &str = "CNAB 103 #129";

/// Checks a relocation mapping, of this bundle if it is known.
pub(super) fn check(value: &Value, bundle: Option<&Bundle>, purpose: Purpose) -> Vec<Fault> {
    let mut validator = Validator::new(purpose);
    validator.relocation_mapping(value, bundle);
    validator.faults
}

impl Validator {
    fn relocation_mapping(&mut self, value: &Value, bundle: Option<&Bundle>) {
        let Some(members) = self.map(String::new(), value, RULE) else { return };
        let mut places: BTreeMap<String, (&str, String)> = BTreeMap::new();
        for (original, relocated) in members.map {
            let at = members.below(original);
            if !is_reference(original) {
                self.fault(Weight::Must, at.clone(), "must be a reference to an image", RULE);
            }
            let Some(relocated) = relocated.as_str().filter(|text| is_reference(text)) else {
                self.fault(Weight::Must, at, "must name a reference to an image", RULE);
                continue;
            };
            self.check_digests(&at, original, relocated);
            let place = normal(relocated);
            let first = places.entry(normal(original)).or_insert((original, place.clone()));
            if first.1 != place {
                let what = format!("means the same image as `{}`, and leads elsewhere", first.0);
                self.fault(Weight::Must, at, what, "CNAB 103 #130");
            }
        }
        match bundle {
            Some(bundle) => self.check_images_of(&members, bundle),
            None if members.map.is_empty() => {
                self.fault(Weight::Must, String::new(), "must have the images of its bundle", RULE);
            }
            None => {}
        }
    }

    fn check_digests(&mut self, at: &str, original: &str, relocated: &str) {
        match (digest_of(original), digest_of(relocated)) {
            (Some(expected), Some(found)) if expected != found => {
                let what = format!("leads to {found}, which is another image");
                self.fault(Weight::Must, at.into(), what, "CNAB 103 #130, 805 #132");
            }
            (_, None) => {
                let what = "should lead to a digest: what a tag means may change";
                self.fault(Weight::Advice, at.into(), what, "CNAB 805 #132");
            }
            _ => {}
        }
    }

    /// Every image is there, and is itself.
    fn check_images_of(&mut self, members: &Members<'_>, bundle: &Bundle) {
        let images: BTreeMap<_, _> = bundle
            .invocation_images()
            .iter()
            .chain(bundle.images().values())
            .map(|it| (&it.image, it))
            .collect();
        for (reference, image) in &images {
            let at = members.below(reference);
            let Some(relocated) = members.map.get(*reference) else {
                self.fault(Weight::Must, at, "is an image of the bundle, and is missing", RULE);
                continue;
            };
            let digest = image.digest.to_string();
            let found = relocated.as_str().and_then(digest_of);
            // Where the reference itself has the digest, that was said above.
            if digest_of(reference).is_none() && found.is_some_and(|found| found != digest) {
                let what = format!("must lead to {digest}, as the bundle says");
                self.fault(Weight::Must, at, what, "CNAB 805 #132");
            }
        }
        for reference in members.map.keys().filter(|reference| !images.contains_key(reference)) {
            let what = "is no image of the bundle";
            self.fault(Weight::Advice, members.below(reference), what, RULE);
        }
    }
}

fn digest_of(reference: &str) -> Option<&str> {
    reference.split_once('@').map(|(_, digest)| digest)
}

fn is_reference(text: &str) -> bool {
    let name = text.split('@').next().unwrap_or_default();
    let is_digest = digest_of(text).is_none_or(super::is_digest);
    !name.is_empty()
        && name.split('/').all(|part| !part.is_empty())
        && is_digest
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// A reference in full, as tools read it that know a default registry and a default tag.
fn normal(reference: &str) -> String {
    let (name, digest) = reference.split_once('@').map_or((reference, None), |(name, it)| (name, Some(it)));
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path.to_owned()),
        _ => ("docker.io", name.to_owned()),
    };
    let host = if host == "index.docker.io" { "docker.io" } else { host };
    let path = if host == "docker.io" && !path.contains('/') { format!("library/{path}") } else { path };
    let has_tag = path.rsplit('/').next().is_some_and(|last| last.contains(':'));
    match digest {
        Some(digest) => format!("{host}/{path}@{digest}"),
        None if has_tag => format!("{host}/{path}"),
        None => format!("{host}/{path}:latest"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::digest::Digest;

    fn faults(value: &Value, bundle: Option<&Bundle>) -> Vec<String> {
        check(value, bundle, Purpose::Lint).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_image_of_the_bundle_leads_to_itself() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let bundle = json!({ "schemaVersion": "v1.2.0", "name": "a", "version": "1.0.0",
            "invocationImages": [{ "image": "registry.example/a:1", "contentDigest": one }] });
        let bundle = Bundle::parse(bundle.to_string().as_bytes()).unwrap().0;
        let map = |relocated: &str| json!({ "registry.example/a:1": relocated });
        assert_eq!(faults(&map(&format!("r/b@{one}")), Some(&bundle)), Vec::<String>::new());
        let told = faults(&map(&format!("r/b@{other}")), Some(&bundle));
        assert!(told.len() == 1 && told[0].contains("must lead to sha256:"), "{told:?}");
        let told = faults(&json!({ "registry.example/c:1": format!("r/b@{one}") }), Some(&bundle));
        assert!(told[0].contains("is an image of the bundle, and is missing"), "{told:?}");
        assert!(told[1].contains("is no image of the bundle"), "{told:?}");
    }

    #[test]
    fn every_fault_is_named_at_its_place() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        for (value, expected) in [
            (json!([]), "/: must be an object".to_owned()),
            (json!({}), "/: must have the images".into()),
            (json!({ "r/a": 1 }), "/r~1a: must name a reference".into()),
            (json!({ "r/a": "" }), "/r~1a: must name a reference".into()),
            (json!({ "r/a": "r/b c" }), "/r~1a: must name a reference".into()),
            (json!({ "r/a": "r/b@sha256:1" }), "/r~1a: must name a reference".into()),
            (json!({ "": format!("r/b@{one}") }), "/: must be a reference".into()),
            (json!({ "r/a": "r/b:1" }), "/r~1a: should lead to a digest".into()),
            (
                json!({ format!("r/a@{one}"): format!("r/b@{other}") }),
                format!("/r~1a@{one}: leads to {other}, which is another image"),
            ),
        ] {
            let faults = faults(&value, None);
            assert!(faults.iter().any(|fault| fault.starts_with(&expected)), "{expected}: {faults:?}");
        }
    }

    #[test]
    fn names_of_one_image_lead_to_one_place() {
        let digest = Digest::of(b"one");
        for (one, other) in [
            ("web", "docker.io/library/web:latest"),
            ("acme/web:1", "index.docker.io/acme/web:1"),
            ("localhost/web", "localhost/web:latest"),
        ] {
            let place = format!("r/b@{digest}");
            assert_eq!(faults(&json!({ one: place, other: place }), None), Vec::<String>::new(), "{one}");
            let told = faults(&json!({ one: place, other: format!("r/c@{digest}") }), None);
            assert!(told.len() == 1 && told[0].contains("means the same image"), "{told:?}");
        }
        let apart = json!({ "web:1": format!("r/b@{digest}"), "web:2": format!("r/c@{digest}") });
        assert_eq!(faults(&apart, None), Vec::<String>::new());
    }
}
