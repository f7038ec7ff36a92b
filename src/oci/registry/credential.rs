//! Whom a registry is told that we are.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

/// A credential for one registry.
#[derive(Clone)]
pub enum RegistryCredential {
    /// A user with a password, or with a token in its place.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// A token from which others are made (`identitytoken` of Docker's configuration).
    Identity(SecretString),
    /// A token that is sent as it is (`registrytoken`).
    Token(SecretString),
}

impl RegistryCredential {
    /// The value of `Authorization` that says so to the registry itself, or to whoever makes its tokens.
    pub(super) fn basic(&self) -> Option<SecretString> {
        match self {
            Self::Password { user, password } => {
                let both = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
                Some(format!("Basic {both}").into())
            }
            Self::Identity(_) | Self::Token(_) => None,
        }
    }

    /// The value of `Authorization` with each request, where it is sent as it is.
    pub(super) fn header(&self) -> Option<SecretString> {
        match self {
            Self::Token(token) => Some(format!("Bearer {}", token.expose_secret()).into()),
            _ => self.basic(),
        }
    }

    /// Its secret part.
    pub(super) fn secret(&self) -> &str {
        match self {
            Self::Password { password: secret, .. } | Self::Identity(secret) | Self::Token(secret) => {
                secret.expose_secret()
            }
        }
    }
}

impl fmt::Debug for RegistryCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::Identity(_) => "Identity",
            Self::Token(_) => "Token",
        })
    }
}

/// Where the credential for a registry is looked up, when one is asked for.
pub trait RegistryCredentials: Send + Sync {
    /// The credential for a repository of a registry, as references name them (`HOST[:PORT]` and `acme/web`); none where
    /// there is none.
    ///
    /// # Errors
    /// Why there should be one and cannot be had, for people.
    fn credential(&self, registry: &str, repository: &str) -> Result<Option<RegistryCredential>, String>;
}

/// Nobody is known anywhere.
pub struct Anonymous;

impl RegistryCredentials for Anonymous {
    fn credential(&self, _: &str, _: &str) -> Result<Option<RegistryCredential>, String> {
        Ok(None)
    }
}
