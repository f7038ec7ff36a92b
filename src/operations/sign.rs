//! Signs a bundle in a layout or registry, and makes keys for that.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;

use crate::author::{self, Signed};
use crate::digest::Digest;
use crate::oci::registry::RegistryClient;
use crate::reference::Reference;
use crate::signature::PrivateKey;

use super::{Document, Error};

/// A signature that a bundle has.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// The digest of the bundle's index, which is what is signed.
    pub digest: Digest,
    /// The digest of the key.
    pub key_id: Digest,
    /// Whether it was added. If not, the key's signature was there already.
    pub is_new: bool,
}

/// A key that was made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyPair {
    /// The digest of the public key.
    pub key_id: Digest,
    /// The file to sign with.
    pub private: String,
    /// The file to verify with.
    pub public: String,
}

impl Document for Signature {
    const KIND: &'static str = "Signature";
}

impl Document for KeyPair {
    const KIND: &'static str = "KeyPair";
}

/// Signs a bundle in a layout or registry.
///
/// # Errors
/// [`Error::Author`] when it cannot be fetched, or the signature cannot be written.
pub async fn sign(
    reference: &Reference,
    key: &PrivateKey,
    registries: &Arc<RegistryClient>,
) -> Result<Signature, Error> {
    let Signed { digest, key_id, is_new } = author::sign(reference, key, registries).await?;
    Ok(Signature { digest, key_id, is_new })
}

/// Makes a key, and writes its two files. Nothing is overwritten.
///
/// # Errors
/// [`Error::Key`] when a file is there, or cannot be written.
pub fn generate_key(prefix: &Path, password: &SecretString) -> Result<KeyPair, Error> {
    let key = PrivateKey::generate()?;
    key.write(prefix, password)?;
    let (key_id, prefix) = (key.public().id(), prefix.display());
    Ok(KeyPair { key_id, private: format!("{prefix}.key"), public: format!("{prefix}.pub") })
}
