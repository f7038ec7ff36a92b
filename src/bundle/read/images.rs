//! The images of a bundle: those with invocation logic, and those that its objects run.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::Image;
use super::super::validator::{Members, Validator, Weight};
use crate::digest::{self, Digest};

impl Validator {
    pub(super) fn invocation_images(&mut self, members: &Members<'_>) -> Option<Vec<Image>> {
        const NAME: &str = "invocationImages";
        self.required(members, NAME, "CNAB 101 #22")?;
        let faults = self.faults.len();
        let images = self
            .items(members, NAME, "CNAB 101 #22", |validator, at, value| validator.image(at, value, false))?;
        let pointer = members.below(NAME);
        if images.iter().any(Image::is_runnable) {
        } else if images.iter().any(|image| ["docker", "oci"].contains(&image.image_type.as_str())) {
            let what = "has no OCI artifact, so carnet could run no action of this bundle";
            self.fault(Weight::Advice, pointer, what, "CNAB 101 #23");
        } else if !images.is_empty() {
            self.fault(Weight::Form, pointer, "has no image of a type that can be run", "CNAB 101 #31");
        } else if self.faults.len() == faults {
            self.fault(Weight::Must, pointer, "must have at least one image", "CNAB 101 #22");
        }
        Some(images)
    }

    pub(super) fn image(&mut self, at: String, value: &Value, described: bool) -> Option<Image> {
        const KNOWN: [&str; 7] =
            ["contentDigest", "description", "image", "imageType", "labels", "mediaType", "size"];
        let members = self.object(at, value, &KNOWN)?;
        if !described && members.map.contains_key("description") {
            let what = "is a member that CNAB does not know here; it is ignored";
            self.fault(Weight::Author, members.below("description"), what, "CNAB 101 #17");
        }
        let image = self.required_text(&members, "image", "CNAB 101 #25");
        let digest = self.content_digest(&members);
        if let (Some(image), Some(digest)) = (&image, digest) {
            self.check_reference(&members, image, digest);
        }
        Some(Image {
            size: self.size(&members),
            media_type: self.text(&members, "mediaType", "CNAB 101 #33").filter(|text| !text.is_empty()),
            image_type: self
                .text(&members, "imageType", "CNAB 101 #31")
                .filter(|text| !text.is_empty())
                .unwrap_or_else(|| "oci".into()),
            description: self.description(&members),
            labels: self.labels(&members),
            image: image?,
            digest: digest?,
        })
    }

    fn content_digest(&mut self, members: &Members<'_>) -> Option<Digest> {
        let text = self.required_text(members, "contentDigest", "CNAB 101 #26")?;
        let digest = text.parse();
        if let Err(invalid) = &digest {
            let invalid: &digest::InvalidDigest = invalid;
            self.fault(Weight::Must, members.below("contentDigest"), invalid.to_string(), "CNAB 101 #26");
        }
        digest.ok()
    }

    fn check_reference(&mut self, members: &Members<'_>, image: &str, digest: Digest) {
        let Some((_, pinned)) = image.split_once('@') else {
            self.fault(
                Weight::Advice,
                members.below("image"),
                "should name its digest, not a tag",
                "CNAB 101 #34",
            );
            return;
        };
        if pinned != digest.to_string() {
            let what = format!("names another digest than `contentDigest`, {digest}");
            self.fault(Weight::Must, members.below("image"), what, "CNAB 101 #35");
        }
    }

    fn size(&mut self, members: &Members<'_>) -> Option<u64> {
        let value = self.member(members, "size")?;
        let size = value.as_u64();
        if size.is_none() {
            let what = "must be a number of bytes: whole and not negative";
            self.fault(Weight::Must, members.below("size"), what, "CNAB 101 #32");
        }
        size
    }

    fn labels(&mut self, members: &Members<'_>) -> BTreeMap<String, String> {
        const RULE: &str = "CNAB 101 #33";
        let Some(value) = self.member(members, "labels") else { return BTreeMap::new() };
        let Some(labels) = self.map(members.below("labels"), value, RULE) else { return BTreeMap::new() };
        let read = |(name, value): (&String, &Value)| {
            if !value.is_string() {
                self.fault(Weight::Must, labels.below(name), "must be a string", RULE);
            }
            Some((name.clone(), value.as_str()?.to_owned()))
        };
        labels.map.iter().filter_map(read).collect()
    }
}
