//! The host side of `carnet:credentials`: handles, and for whom it is granted, values.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use wasmtime::component::Resource;

use crate::target::lent::{self, Encoding};

use super::bindings::carnet::credentials as wit;
use super::{GuestError, Host, check_name};

/// A credential that a component holds: its name, never its value.
pub struct Credential {
    name: String,
}

/// The credentials that the operator supplied, by name. No `Debug`: it holds secrets.
#[derive(Clone, Default)]
pub struct Supplied(Arc<BTreeMap<String, SecretString>>);

impl Supplied {
    /// These credentials.
    pub fn new(values: BTreeMap<String, SecretString>) -> Self {
        Self(Arc::new(values))
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl wit::handles::Host for Host {}

impl wit::handles::HostCredential for Host {
    async fn placeholder(
        &mut self,
        credential: Resource<Credential>,
        encoding: wit::handles::Encoding,
    ) -> wasmtime::Result<String> {
        let _working = self.meter.call("carnet:credentials/handles", "[method]credential.placeholder", 0)?;
        let encoding = match encoding {
            wit::handles::Encoding::Base64 => Encoding::Base64,
            wit::handles::Encoding::Json => Encoding::Json,
            wit::handles::Encoding::Raw => Encoding::Raw,
            wit::handles::Encoding::Url => Encoding::Url,
        };
        Ok(lent::placeholder(&self.table.get(&credential)?.name, encoding))
    }

    async fn drop(&mut self, credential: Resource<Credential>) -> wasmtime::Result<()> {
        self.table.delete(credential)?;
        Ok(())
    }
}

impl wit::lend::Host for Host {
    async fn lend(&mut self, name: String) -> wasmtime::Result<Result<Resource<Credential>, GuestError>> {
        let _working = self.meter.call("carnet:credentials/lend", "lend", name.len())?;
        if let Err(error) = check_name(&name) {
            return Ok(Err(error));
        }
        let permit = match self.granted.lend(&name) {
            Ok(permit) => permit,
            Err(denied) => return Ok(Err(self.denied(denied))),
        };
        let Some(value) = self.credentials.0.get(&permit.0) else {
            return Ok(Err(GuestError::NotFound(format!("credential {name}"))));
        };
        self.work.lent.lend(&permit.0, value.clone());
        Ok(Ok(self.table.push(Credential { name })?))
    }
}

impl wit::reveal::Host for Host {
    async fn reveal(
        &mut self,
        credential: Resource<Credential>,
    ) -> wasmtime::Result<Result<String, GuestError>> {
        let _working = self.meter.call("carnet:credentials/reveal", "reveal", 0)?;
        let name = self.table.get(&credential)?.name.clone();
        let permit = match self.granted.reveal(&name) {
            Ok(permit) => permit,
            Err(denied) => return Ok(Err(self.denied(denied))),
        };
        let Some(value) = self.credentials.0.get(&permit.0).cloned() else {
            return Ok(Err(GuestError::NotFound(format!("credential {name}"))));
        };
        let shown = value.expose_secret().to_owned();
        self.meter.hand_over(shown.len())?;
        self.installation.log.hide(value);
        Ok(Ok(shown))
    }
}
