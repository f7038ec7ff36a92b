//! `carnet:credentials`: handles, credentials that the host makes, and for whom it is granted, values.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use wasmtime::component::{Resource, ResourceTable};

use crate::grant::{Generate, Granted, Lend, Permitted, Reveal};
use crate::kubernetes::object::is_label;
use crate::targets::credentials::{self, Encoding};

use super::bindings::carnet::credentials::handles as wit;
use super::installation::{Log, MIN_HIDDEN};
use super::pass::CredentialPass;
use super::told::CallError;
use super::{GuestError, check_name};

/// How many characters a generated credential may have. A shorter one could be guessed; a longer one than 128 (762
/// bits) is no harder to guess, and only fills Secrets.
const LENGTHS: std::ops::RangeInclusive<u32> = 16..=128;

/// The alphabet of generated credentials: no character that YAML, JSON, a URL, a shell or a connection string has to
/// escape.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A credential that a component holds: its name, never its value.
pub struct LentCredential {
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

    /// Whether the value of any of them stands in a text. One of a few letters stands in many.
    pub fn occur_in(&self, text: &str) -> bool {
        self.0
            .values()
            .map(ExposeSecret::expose_secret)
            .any(|value| value.len() >= MIN_HIDDEN && text.contains(value))
    }

    fn lent(&self, permit: &Permitted<Lend>) -> Result<SecretString, CallError> {
        self.find(&permit.0)
    }

    fn revealed(&self, permit: &Permitted<Reveal>) -> Result<SecretString, CallError> {
        self.find(&permit.0)
    }

    fn find(&self, name: &str) -> Result<SecretString, CallError> {
        let value = self.0.get(name).cloned();
        value.ok_or_else(|| GuestError::NotFound(format!("credential {name}")).into())
    }
}

/// The functions' view: the grant, the supplied credentials, the component's handles, the pass as far as it
/// lends credentials and finds them again, and the log, which redacts revealed credentials.
pub(super) struct Credentials<'a> {
    pub(super) granted: &'a Granted,
    pub(super) supplied: &'a Supplied,
    pub(super) table: &'a mut ResourceTable,
    pub(super) pass: CredentialPass<'a>,
    pub(super) log: &'a Log,
}

impl Credentials<'_> {
    pub(super) fn placeholder(
        &self,
        credential: &Resource<LentCredential>,
        encoding: wit::Encoding,
    ) -> wasmtime::Result<String> {
        let encoding = match encoding {
            wit::Encoding::Base64 => Encoding::Base64,
            wit::Encoding::Json => Encoding::Json,
            wit::Encoding::Raw => Encoding::Raw,
            wit::Encoding::Url => Encoding::Url,
        };
        Ok(credentials::placeholder(&self.table.get(credential)?.name, encoding))
    }

    pub(super) fn lend(&mut self, name: String) -> Result<Resource<LentCredential>, CallError> {
        check_name(&name)?;
        let permit = self.granted.lend(&name)?;
        let value = self.supplied.lent(&permit)?;
        self.pass.lend(permit, value);
        self.handle(name)
    }

    pub(super) async fn generate(
        &mut self,
        name: String,
        length: u32,
    ) -> Result<Resource<LentCredential>, CallError> {
        check_name(&name)?;
        check_generated(&name, length)?;
        let permit = self.granted.generate(&name)?;
        self.settle(&permit, length).await?;
        self.handle(name)
    }

    pub(super) fn reveal(&self, credential: &Resource<LentCredential>) -> Result<String, CallError> {
        let name = &self.table.get(credential).map_err(wasmtime::Error::from)?.name;
        let permit = self.granted.reveal(name)?;
        let value = self.supplied.revealed(&permit)?;
        let shown = value.expose_secret().to_owned();
        self.log.hide(value);
        Ok(shown)
    }

    /// Ensures that there is a value: that of this run, that of an earlier run, or a new one.
    async fn settle(&mut self, permit: &Permitted<Generate>, length: u32) -> Result<(), CallError> {
        if self.pass.holds(&permit.name) {
            return Ok(());
        }
        let kept = self.pass.generated(permit, &self.granted.names().owner()).await?;
        let value = kept.map_or_else(|| drawn(length), Ok)?;
        self.pass.lend_generated(permit, value);
        Ok(())
    }

    fn handle(&mut self, name: String) -> Result<Resource<LentCredential>, CallError> {
        Ok(self.table.push(LentCredential { name }).map_err(wasmtime::Error::from)?)
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

/// Random letters without modulo bias: bytes beyond the last whole multiple are drawn again.
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
