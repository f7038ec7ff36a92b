//! Turns a component into the OCI manifest of its artifact (CNCF Wasm OCI artifact), and such a manifest into the
//! descriptors of what it consists of.

use super::IndexError;
use crate::oci::media_type::{DOCKER_CONFIG, OCI_CONFIG, OCI_MANIFEST, is_index};
use crate::oci::{Descriptor, ImageIndex, Malformed, Manifest};

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

/// Whether the program of a bundle is an image of containers (CNAB 102), for one platform or several. `child` is the
/// index's entry for it.
///
/// # Errors
/// [`IndexError`] where the bytes are not those of `child`, or are no manifest.
pub fn is_container_image(child: &Descriptor, bytes: &[u8]) -> Result<bool, IndexError> {
    child.check(bytes)?;
    if is_index(&child.media_type) {
        ImageIndex::parse(bytes)?;
        return Ok(true);
    }
    let Manifest { media_type, config, layers, .. } = Manifest::parse(bytes)?;
    let is_wasm = |layer: &Descriptor| WASM_LAYERS.contains(&layer.media_type.as_str());
    let is_container = [OCI_CONFIG, DOCKER_CONFIG].contains(&config.media_type.as_str());
    Ok(media_type == child.media_type && is_container && !layers.iter().any(is_wasm))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::document;
    use crate::oci::media_type::{DOCKER_LIST, DOCKER_MANIFEST};

    fn component_refusal(change: impl FnOnce(&mut Value)) -> String {
        let bytes = component_manifest(&Descriptor::of(WASM_CONFIG, b"{}"), &Descriptor::of(WASM, b"\0asm"));
        let mut manifest = document::json(&bytes).unwrap();
        change(&mut manifest);
        let bytes = manifest.to_string().into_bytes();
        component_of(&Descriptor::of(OCI_MANIFEST, &bytes), &bytes).unwrap_err().to_string()
    }

    #[test]
    fn an_image_of_containers_is_told_from_a_component_and_from_what_is_neither() {
        let layer = |media_type: &str| json!({ "mediaType": media_type, "digest": crate::digest::Digest::of(b"l"), "size": 1 });
        let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
        let is_one = |media_type: &str, config: &str, layers: Value| {
            let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "config": layer(config), "layers": layers });
            let bytes = manifest.to_string().into_bytes();
            is_container_image(&Descriptor::of(media_type, &bytes), &bytes).unwrap()
        };
        assert!(is_one(OCI_MANIFEST, OCI_CONFIG, json!([layer(tar)])));
        assert!(is_one(DOCKER_MANIFEST, DOCKER_CONFIG, json!([layer(tar), layer(tar)])));
        assert!(!is_one(OCI_MANIFEST, WASM_CONFIG, json!([layer(WASM)])));
        assert!(!is_one(OCI_MANIFEST, OCI_CONFIG, json!([layer(WASM)])));
        assert!(!is_one(OCI_MANIFEST, "text/plain", json!([layer(tar)])));
        let bytes = json!({ "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [] }).to_string();
        let list = Descriptor::of(DOCKER_LIST, bytes.as_bytes());
        assert!(is_container_image(&list, bytes.as_bytes()).unwrap(), "for several platforms");
        assert!(is_container_image(&list, b"{}").is_err(), "other bytes");
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
