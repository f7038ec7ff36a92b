//! The host side of `carnet:credentials`: handles, credentials that the host makes, and for whom it is granted, values.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use wasmtime::component::Resource;

use crate::grant::{Generate, Permitted};
use crate::kubernetes::object::is_label;
use crate::targets;
use crate::targets::credentials::{self, Encoding};

use super::bindings::carnet::credentials as wit;
use super::kubernetes::told;
use super::{GuestError, Host, check_name};

/// How many characters a generated credential may have. A shorter one could be guessed; a longer one than 128 (762 bits)
/// is no harder to guess, and only fills Secrets.
const LENGTHS: std::ops::RangeInclusive<u32> = 16..=128;

/// What generated credentials are made of: nothing that YAML, JSON, a URL, a shell or a connection string has to escape.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

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
        Ok(credentials::placeholder(&self.table.get(&credential)?.name, encoding))
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

impl wit::generate::Host for Host {
    async fn generate(
        &mut self,
        name: String,
        length: u32,
    ) -> wasmtime::Result<Result<Resource<Credential>, GuestError>> {
        let _working = self.meter.call("carnet:credentials/generate", "generate", name.len())?;
        if let Err(error) = check_name(&name).and_then(|()| check_generated(&name, length)) {
            return Ok(Err(error));
        }
        let permit = match self.granted.generate(&name) {
            Ok(permit) => permit,
            Err(denied) => return Ok(Err(self.denied(denied))),
        };
        if let Err(error) = self.settle(&permit, length).await? {
            let told = told(&error);
            self.work.failed(error);
            return Ok(Err(told));
        }
        Ok(Ok(self.table.push(Credential { name })?))
    }
}

impl Host {
    /// Sees to it that there is a value: the one of this run, the one that an earlier run made, or a new one.
    async fn settle(
        &mut self,
        permit: &Permitted<Generate>,
        length: u32,
    ) -> wasmtime::Result<Result<(), targets::Error>> {
        if self.work.lent.holds(&permit.name) {
            return Ok(Ok(()));
        }
        let names = self.granted.names();
        let installation = format!("{}/{}", names.namespace, names.installation);
        let value = match self.work.generated(permit, &installation).await {
            Ok(Some(kept)) => kept,
            Ok(None) => drawn(length)?,
            Err(error) => return Ok(Err(error)),
        };
        self.work.lent.generate(&permit.name, value);
        Ok(Ok(()))
    }
}

fn check_generated(name: &str, length: u32) -> Result<(), GuestError> {
    if !is_label(name) {
        return Err(GuestError::Invalid(format!("`{name}` cannot name a generated credential")));
    }
    if !LENGTHS.contains(&length) {
        let (least, most) = (LENGTHS.start(), LENGTHS.end());
        return Err(GuestError::Invalid(format!(
            "a generated credential has {least} to {most} characters, not {length}"
        )));
    }
    Ok(())
}

/// Letters by chance, each as likely as any other: bytes beyond the last whole multiple are drawn again.
fn drawn(length: u32) -> wasmtime::Result<SecretString> {
    let length = usize::try_from(length)?;
    let fair = u8::MAX - u8::MAX % 62;
    let mut value = String::with_capacity(length);
    while value.len() < length {
        let mut bytes = [0; 64];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| wasmtime::format_err!("no random numbers"))?;
        let letters = bytes.iter().filter(|byte| **byte < fair).map(|byte| LETTERS[usize::from(byte % 62)]);
        value.extend(letters.take(length - value.len()).map(char::from));
    }
    Ok(value.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_has_its_length_and_nothing_that_must_be_escaped() {
        for length in [16, 32, 128] {
            let (one, other) = (drawn(length).unwrap(), drawn(length).unwrap());
            assert_eq!(one.expose_secret().len(), usize::try_from(length).unwrap());
            assert!(one.expose_secret().bytes().all(|byte| LETTERS.contains(&byte)));
            assert_ne!(one.expose_secret(), other.expose_secret());
        }
    }

    #[test]
    fn every_letter_is_drawn() {
        let many: String = (0..100).map(|_| drawn(128).unwrap().expose_secret().to_owned()).collect();
        assert!(LETTERS.iter().all(|letter| many.contains(char::from(*letter))));
    }
}
