//! Turns a `bundle.json` into the OCI manifest that names it, and any historical form of such a manifest into the
//! descriptor of the `bundle.json`.

use serde_json::Value;

use super::IndexError;
use crate::digest::Digest;
use crate::oci::media_type::{DOCKER_CONFIG, DOCKER_MANIFEST, EMPTY, OCI_CONFIG, OCI_MANIFEST};
use crate::oci::{Descriptor, DocumentMembers, EMPTY_BLOB, Malformed};

/// Media type of a `bundle.json`, as tools write it.
pub const CNAB_CONFIG: &str = "application/vnd.cnab.config.v1+json";

/// Media type of a `bundle.json`, as the specification writes it.
pub const CNAB_BUNDLE_CONFIG: &str = "application/vnd.cnab.bundle.config.v1+json";

const CONFIG_TYPES: [&str; 4] = [CNAB_CONFIG, CNAB_BUNDLE_CONFIG, OCI_CONFIG, DOCKER_CONFIG];

/// The form of a config manifest. Readers understand all; they differ in what registries accept, and in their digest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ConfigForm {
    /// As the reference tools write it first.
    Cnab,
    /// As OCI 1.1 wants it: carnet's own form.
    #[default]
    Default,
    /// Pretends to be a Docker image, for old registries.
    Docker,
    /// Pretends to be an OCI image, for old registries.
    OciImage,
}

impl ConfigForm {
    /// The media type of a config manifest in this form.
    pub fn media_type(self) -> &'static str {
        if self == Self::Docker { DOCKER_MANIFEST } else { OCI_MANIFEST }
    }
}

/// The bytes of the config manifest for the `bundle.json` that has the bytes `config`. In the default form,
/// [`EMPTY_BLOB`] has to be stored with it.
pub fn config_manifest(config: &[u8], form: ConfigForm) -> Vec<u8> {
    let (digest, size) = (Digest::of(config), config.len());
    let media_type = match form {
        ConfigForm::Cnab | ConfigForm::Default => CNAB_CONFIG,
        ConfigForm::Docker => DOCKER_CONFIG,
        ConfigForm::OciImage => OCI_CONFIG,
    };
    // Nothing here needs escaping: digests, numbers and constants.
    let text = match form {
        ConfigForm::Default => format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}},"layers":[{{"mediaType":"{EMPTY}","digest":"{}","size":{}}}]}}"#,
            Digest::of(EMPTY_BLOB),
            EMPTY_BLOB.len()
        ),
        ConfigForm::Cnab | ConfigForm::OciImage => format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}},"layers":null}}"#
        ),
        ConfigForm::Docker => format!(
            r#"{{
   "schemaVersion": 2,
   "mediaType": "{DOCKER_MANIFEST}",
   "config": {{
      "mediaType": "{media_type}",
      "size": {size},
      "digest": "{digest}"
   }},
   "layers": [
      {{
         "mediaType": "{media_type}",
         "size": {size},
         "digest": "{digest}"
      }}
   ]
}}"#
        ),
    };
    text.into_bytes()
}

/// The descriptor of `bundle.json` in a config manifest, in any of its forms. `child` is what the index says of the
/// config manifest.
///
/// # Errors
/// [`IndexError`] where the bytes are not those of `child`, or not a config manifest.
pub fn config_of(child: &Descriptor, manifest: &[u8]) -> Result<Descriptor, IndexError> {
    child.check(manifest)?;
    let members = DocumentMembers::parse(manifest)?;
    let media_type = members.optional_text("mediaType")?;
    if child.media_type != media_type.as_deref().unwrap_or(OCI_MANIFEST) {
        return Err(Malformed::MediaType(child.media_type.clone()).into());
    }
    members.check_manifest()?;
    let config = members.descriptor("config")?;
    if !CONFIG_TYPES.contains(&config.media_type.as_str()) {
        return Err(Malformed::MediaType(config.media_type).into());
    }
    let layers = match members.get("layers") {
        None | Some(Value::Null) => Vec::new(),
        Some(_) => members.descriptors("layers")?,
    };
    let empty = |layer: &Descriptor| layer.media_type == EMPTY && layer.check(EMPTY_BLOB).is_ok();
    match (media_type.as_deref(), layers.as_slice()) {
        (_, []) => Ok(config),
        (Some(OCI_MANIFEST), [layer]) if empty(layer) => Ok(config),
        (Some(DOCKER_MANIFEST), [layer]) if layer.is_same(&config) => Ok(config),
        _ => Err(IndexError::ConfigLayers),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config_refusal(media_type: &str, manifest: &Value) -> String {
        let bytes = manifest.to_string().into_bytes();
        config_of(&Descriptor::of(media_type, &bytes), &bytes).unwrap_err().to_string()
    }

    #[test]
    fn every_form_of_config_manifest_is_read_and_nothing_else() {
        for form in [ConfigForm::Cnab, ConfigForm::Default, ConfigForm::Docker, ConfigForm::OciImage] {
            let bytes = config_manifest(b"{}", form);
            let config = config_of(&Descriptor::of(form.media_type(), &bytes), &bytes).unwrap();
            assert_eq!((config.digest, config.size), (Digest::of(b"{}"), 2), "{form:?}");
        }
        let config = json!({"mediaType": CNAB_CONFIG, "digest": Digest::of(b"").to_string(), "size": 0});
        let manifest = |name: &str, value: Value| {
            let mut manifest = json!({"schemaVersion": 2, "config": config});
            manifest[name] = value;
            manifest
        };
        let layers = "the config manifest has layers that mean something";
        assert_eq!(config_refusal(OCI_MANIFEST, &manifest("layers", json!([config]))), layers);
        let empty = json!({"mediaType": EMPTY, "digest": Digest::of(EMPTY_BLOB).to_string(), "size": 2});
        assert_eq!(config_refusal(OCI_MANIFEST, &manifest("layers", json!([empty]))), layers);
        assert_eq!(
            config_refusal(OCI_MANIFEST, &manifest("manifests", json!([]))),
            "the document has `manifests` beside `config` or `layers`"
        );
        assert_eq!(
            config_refusal(OCI_MANIFEST, &manifest("mediaType", DOCKER_MANIFEST.into())),
            format!("the media type is `{OCI_MANIFEST}`")
        );
        assert_eq!(
            config_refusal(DOCKER_MANIFEST, &manifest("layers", Value::Null)),
            format!("the media type is `{DOCKER_MANIFEST}`")
        );
        assert_eq!(
            config_refusal(OCI_MANIFEST, &manifest("schemaVersion", 1.into())),
            "`schemaVersion` is not 2"
        );
    }

    #[test]
    fn other_bytes_than_those_described_are_refused() {
        let bytes = config_manifest(b"{}", ConfigForm::Default);
        let child = Descriptor::of(OCI_MANIFEST, &bytes);
        let mut longer = bytes.clone();
        longer.push(b'\n');
        assert!(matches!(config_of(&child, &longer), Err(IndexError::Malformed(Malformed::Size { .. }))));
        let mut changed = bytes;
        changed[1] = b' ';
        assert!(matches!(config_of(&child, &changed), Err(IndexError::Malformed(Malformed::Bytes(_)))));
    }
}
