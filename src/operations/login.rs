//! Keeps and forgets credentials for registries, where other container tools keep theirs.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;

use crate::fetch::FetchError;
use crate::oci::OciError;
use crate::oci::registry::{
    AuthFiles, RegistryClient, RegistryCredential, RegistryCredentials, RegistryError, RegistrySettings,
};

use super::{Document, Error};

/// A request to keep a credential.
#[derive(Debug)]
pub struct LoginRequest {
    /// The registry that it is for.
    pub registry: String,
    /// Who one is there.
    pub user: String,
    /// And how one proves it.
    pub password: SecretString,
}

/// A registry that one is logged in to, or no longer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// The registry.
    pub registry: String,
    /// Who one is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether a credential is kept now.
    pub is_known: bool,
}

impl Document for Login {
    const KIND: &'static str = "Login";
}

/// One credential, for whoever asks.
struct Given(RegistryCredential);

impl RegistryCredentials for Given {
    fn credential(&self, _: &str, _: &str) -> Result<Option<RegistryCredential>, String> {
        Ok(Some(self.0.clone()))
    }
}

/// Asks a registry whether it knows this user and password, and keeps them if it does.
///
/// # Errors
/// [`Error::Fetch`] when it does not, or they cannot be kept.
pub async fn login(
    request: &LoginRequest,
    settings: RegistrySettings,
    files: &AuthFiles,
) -> Result<Login, Error> {
    let LoginRequest { registry, user, password } = request;
    let credential = RegistryCredential::Password { user: user.to_owned(), password: password.clone() };
    let client =
        RegistryClient::new(RegistrySettings { credentials: Box::new(Given(credential)), ..settings });
    client.check(registry).await.map_err(failed)?;
    files.keep(registry, user, password).map_err(|why| unkept(registry, why))?;
    Ok(Login { registry: registry.clone(), user: Some(user.clone()), is_known: true })
}

/// Forgets the credential for a registry.
///
/// # Errors
/// [`Error::Fetch`] when the file with credentials cannot be read or written.
pub fn logout(registry: &str, files: &AuthFiles) -> Result<Login, Error> {
    files.forget(registry).map_err(|why| unkept(registry, why))?;
    Ok(Login { registry: registry.to_owned(), user: None, is_known: false })
}

fn failed(error: RegistryError) -> Error {
    FetchError::from(OciError::from(error)).into()
}

fn unkept(registry: &str, why: String) -> Error {
    failed(RegistryError::Credential { host: registry.to_owned(), why })
}
