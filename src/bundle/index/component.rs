//! Turns a component into the OCI manifest of its artifact (CNCF Wasm OCI artifact), and such a manifest into the
//! descriptors of what it consists of.

use super::IndexError;
use crate::oci::media_type::OCI_MANIFEST;
use crate::oci::{Descriptor, Malformed, Manifest};

/// Media type of a component's configuration.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// Media type of a component.
pub const WASM: &str = "application/wasm";

/// Component artifacts are written in the first form; the others are older and still around.
const WASM_CONFIGS: [&str; 2] = [WASM_CONFIG, "application/vnd.wasm.config.v1+json"];
const WASM_LAYERS: [&str; 3] =
    [WASM, "application/vnd.wasm.content.layer.v1+wasm", "application/vnd.module.wasm.content.layer.v1+wasm"];

/// The bytes of a component's OCI manifest (CNCF Wasm OCI artifact).
pub fn component_manifest(config: &Descriptor, layer: &Descriptor) -> Vec<u8> {
    let part = |part: &Descriptor, media_type: &str| {
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#, part.digest, part.size)
    };
    let (config, layer) = (part(config, WASM_CONFIG), part(layer, WASM));
    format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{config},"layers":[{layer}]}}"#)
        .into_bytes()
}

/// The descriptors of configuration and bytes of a component. `child` is the index's entry for its OCI manifest.
///
/// # Errors
/// [`IndexError`] where the bytes are not those of `child`, or do not describe exactly one component.
pub fn component_of(child: &Descriptor, manifest: &[u8]) -> Result<(Descriptor, Descriptor), IndexError> {
    child.check(manifest)?;
    let Manifest { media_type, config, layers, .. } = Manifest::parse(manifest)?;
    if media_type != OCI_MANIFEST || media_type != child.media_type {
        return Err(Malformed::MediaType(child.media_type.clone()).into());
    }
    if !WASM_CONFIGS.contains(&config.media_type.as_str()) {
        return Err(IndexError::Component(format!("its config has the media type `{}`", config.media_type)));
    }
    match <[Descriptor; 1]>::try_from(layers) {
        Ok([layer]) if WASM_LAYERS.contains(&layer.media_type.as_str()) => Ok((config, layer)),
        Ok([layer]) => {
            Err(IndexError::Component(format!("its layer has the media type `{}`", layer.media_type)))
        }
        Err(layers) => Err(IndexError::Component(format!("it has {} layers instead of one", layers.len()))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::document;
    use crate::oci::media_type::DOCKER_MANIFEST;

    fn component_refusal(change: impl FnOnce(&mut Value)) -> String {
        let bytes = component_manifest(&Descriptor::of(WASM_CONFIG, b"{}"), &Descriptor::of(WASM, b"\0asm"));
        let mut manifest = document::json(&bytes).unwrap();
        change(&mut manifest);
        let bytes = manifest.to_string().into_bytes();
        component_of(&Descriptor::of(OCI_MANIFEST, &bytes), &bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_component_has_one_layer_and_a_wasm_configuration() {
        let bytes = component_manifest(&Descriptor::of(WASM_CONFIG, b"{}"), &Descriptor::of(WASM, b"\0asm"));
        let (config, layer) = component_of(&Descriptor::of(OCI_MANIFEST, &bytes), &bytes).unwrap();
        assert_eq!((config, layer), (Descriptor::of(WASM_CONFIG, b"{}"), Descriptor::of(WASM, b"\0asm")));
        let reason = |what| format!("the OCI manifest describes no WebAssembly component: {what}");
        let two = |manifest: &mut Value| {
            let layer = manifest["layers"][0].clone();
            manifest["layers"].as_array_mut().unwrap().push(layer);
        };
        assert_eq!(component_refusal(two), reason("it has 2 layers instead of one"));
        assert_eq!(component_refusal(|m| m["layers"] = json!([])), reason("it has 0 layers instead of one"));
        assert_eq!(
            component_refusal(|m| m["layers"][0]["mediaType"] = "text/plain".into()),
            reason("its layer has the media type `text/plain`")
        );
        assert_eq!(
            component_refusal(|m| m["config"]["mediaType"] = "text/plain".into()),
            reason("its config has the media type `text/plain`")
        );
        assert_eq!(
            component_refusal(|m| m["mediaType"] = DOCKER_MANIFEST.into()),
            format!("the media type is `{OCI_MANIFEST}`")
        );
        assert_eq!(
            component_refusal(|m| drop(m.as_object_mut().unwrap().remove("mediaType"))),
            "the member `mediaType` is missing or of the wrong type"
        );
    }
}
