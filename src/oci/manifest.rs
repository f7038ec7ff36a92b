//! Reads an OCI or Docker manifest: its configuration, layers and subject.

use std::collections::BTreeMap;

use serde_json::Value;

use super::media_type::is_manifest;
use super::{Descriptor, DocumentMembers, Malformed};

/// A manifest: of an image for one platform, or of another artifact such as a component or a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// OCI or Docker manifest.
    pub media_type: String,
    /// The type of the artifact.
    pub artifact_type: Option<String>,
    /// Its configuration.
    pub config: Descriptor,
    /// Its content.
    pub layers: Vec<Descriptor>,
    /// The document that the artifact is about.
    pub subject: Option<Descriptor>,
    /// Remarks.
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads an OCI or Docker manifest.
    ///
    /// # Errors
    /// [`Malformed`] for everything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let members = DocumentMembers::parse(bytes)?;
        let media_type = members.text("mediaType")?;
        let layers = members.descriptors("layers")?;
        Self::read(&members, media_type, layers)
    }

    /// Reads a manifest that may leave out its type and have `null` for its layers, as that of the bundle's configuration does
    /// which other tools for CNAB write: it is what it was named as then.
    ///
    /// # Errors
    /// [`Malformed`] for everything else, also for one that says it is of another type than it was named as.
    pub fn parse_as(named: &str, bytes: &[u8]) -> Result<Self, Malformed> {
        let members = DocumentMembers::parse(bytes)?;
        if let Some(other) = members.optional_text("mediaType")?.filter(|other| other != named) {
            return Err(Malformed::MediaType(other));
        }
        let layers = match members.get("layers") {
            Some(Value::Null) => Vec::new(),
            _ => members.descriptors("layers")?,
        };
        Self::read(&members, named.to_owned(), layers)
    }

    fn read(
        members: &DocumentMembers,
        media_type: String,
        layers: Vec<Descriptor>,
    ) -> Result<Self, Malformed> {
        if !is_manifest(&media_type) {
            return Err(Malformed::MediaType(media_type));
        }
        members.check_manifest()?;
        Ok(Self {
            media_type,
            artifact_type: members.optional_text("artifactType")?,
            config: members.descriptor("config")?,
            layers,
            subject: members.get("subject").map(|_| members.descriptor("subject")).transpose()?,
            annotations: members.texts("annotations")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::media_type::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
    use super::*;

    fn good() -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor::of("text/plain", b"c").to_value(),
            "layers": [Descriptor::of("text/plain", b"l").to_value()],
        })
    }

    fn parse(change: impl FnOnce(&mut Value)) -> Result<Manifest, Malformed> {
        let mut manifest = good();
        change(&mut manifest);
        Manifest::parse(manifest.to_string().as_bytes())
    }

    proptest! {
        #[test]
        fn what_a_manifest_holds_is_read(
            config in proptest::collection::vec(any::<u8>(), 0..8),
            layers in proptest::collection::vec((".{0,8}", proptest::collection::vec(any::<u8>(), 0..8)), 0..4),
            artifact_type in proptest::option::of(".{0,8}"),
            annotations in proptest::collection::btree_map(".{0,4}", ".{0,4}", 0..3),
            is_of_docker: bool,
            has_subject: bool,
        ) {
            let expected = Manifest {
                media_type: if is_of_docker { DOCKER_MANIFEST } else { OCI_MANIFEST }.to_owned(),
                artifact_type,
                config: Descriptor::of("text/plain", &config),
                layers: layers.iter().map(|(kind, bytes)| Descriptor::of(kind, bytes)).collect(),
                subject: has_subject.then(|| Descriptor::of(OCI_INDEX, &config)),
                annotations,
            };
            let mut document = json!({
                "schemaVersion": 2,
                "mediaType": expected.media_type,
                "config": expected.config.to_value(),
                "layers": expected.layers.iter().map(Descriptor::to_value).collect::<Vec<_>>(),
                "annotations": expected.annotations,
            });
            if let Some(artifact_type) = &expected.artifact_type {
                document["artifactType"] = json!(artifact_type);
            }
            if let Some(subject) = &expected.subject {
                document["subject"] = subject.to_value();
            }
            prop_assert_eq!(Manifest::parse(document.to_string().as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn a_manifest_says_what_it_names() {
        let manifest = parse(|manifest| {
            manifest["artifactType"] = "text/x".into();
            manifest["subject"] = Descriptor::of("text/plain", b"s").to_value();
            manifest["annotations"] = json!({"a": "b"});
        })
        .unwrap();
        assert_eq!(manifest.layers, [Descriptor::of("text/plain", b"l")]);
        assert_eq!(manifest.subject, Some(Descriptor::of("text/plain", b"s")));
        assert_eq!((manifest.artifact_type.as_deref(), &*manifest.annotations["a"]), (Some("text/x"), "b"));
        assert!(parse(|manifest| manifest["mediaType"] = DOCKER_MANIFEST.into()).is_ok());
    }

    #[test]
    fn everything_else_is_refused_for_its_reason() {
        assert!(matches!(parse(|it| it["mediaType"] = OCI_INDEX.into()), Err(Malformed::MediaType(_))));
        assert!(matches!(parse(|it| it["manifests"] = json!([])), Err(Malformed::Mixed)));
        assert!(matches!(parse(|it| it["schemaVersion"] = 1.into()), Err(Malformed::SchemaVersion)));
        for (name, value) in [("layers", json!(null)), ("layers", json!([1])), ("subject", json!(null))] {
            let refused = parse(|it| it[name] = value);
            assert!(matches!(refused, Err(Malformed::Member(found)) if found == name), "{name}");
        }
        // One that leaves out its type is what it was named as.
        let mut document = good();
        document.as_object_mut().unwrap().remove("mediaType");
        let untyped = document.to_string().into_bytes();
        assert!(matches!(Manifest::parse(&untyped), Err(Malformed::Member(found)) if found == "mediaType"));
        for (named, bytes, is_read) in [
            (OCI_MANIFEST, untyped.clone(), true),
            (DOCKER_MANIFEST, untyped.clone(), true),
            (OCI_INDEX, untyped, false),
            (OCI_MANIFEST, good().to_string().into_bytes(), true),
            (DOCKER_MANIFEST, good().to_string().into_bytes(), false),
        ] {
            let read = Manifest::parse_as(named, &bytes);
            assert_eq!(read.as_ref().is_ok_and(|read| read.media_type == named), is_read, "{named} {read:?}");
        }
        document["layers"] = Value::Null;
        let read = Manifest::parse_as(OCI_MANIFEST, document.to_string().as_bytes()).unwrap();
        assert!(read.layers.is_empty());
        document["layers"] = json!({});
        assert!(Manifest::parse_as(OCI_MANIFEST, document.to_string().as_bytes()).is_err());
        assert!(matches!(Manifest::parse(b"{"), Err(Malformed::Document(_))));
        assert!(matches!(Manifest::parse(b"[]"), Err(Malformed::Member(_))));
    }
}
