//! The credentials lent or made in one run: the placeholders a component gets instead, and the Secrets they are filled
//! into.
//!
//! A component only ever holds placeholders. They are deterministic, so that a plan and its run name the same objects,
//! and they mean something only for a credential that was lent in the same run. A filled object is serialized only into
//! the request or the file that it is made for. A credential that the host made lives in those Secrets alone; an
//! annotation says under which key, so that the next run finds it there.

mod placeholder;
mod filling;
mod keys;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use crate::grant::{Generate, Lend, Permitted, PlaceCredential};
use crate::kubernetes::manifest::Object;
use crate::kubernetes::metadata::{CREDENTIALS, GENERATED};

use placeholder::{MARK, identity, mentions};

pub use keys::SecretKeys;
pub use placeholder::{Encoding, placeholder};
pub use stored::{Account, FoundAs, REDACTED, Unrecoverable, generated, redacted};

/// The members of a Secret that may hold credentials.
const VALUES: [&str; 2] = ["data", "stringData"];

/// Credentials that were lent or made, by the identity in their placeholders. No `Debug`: it holds secrets.
#[derive(Default)]
pub struct LentCredentials(BTreeMap<String, Held>);

struct Held {
    name: String,
    value: SecretString,
    is_generated: bool,
    /// Its length in each encoding.
    lengths: [usize; Encoding::ALL.len()],
}

/// Which keys of a Secret hold which credentials.
pub type Placements = BTreeMap<String, BTreeSet<String>>;

/// The placeholders of an object.
struct Found {
    placements: Placements,
    /// The key under which each generated credential stands whole.
    kept: BTreeMap<String, String>,
}

/// An object as it goes to the target. No `Debug`: it may hold secrets.
pub struct Filled {
    /// The object, where it is another one than the component wrote: most are not, and some are long.
    changed: Option<Value>,
    /// Whether a credential is in it.
    pub is_secret: bool,
}

impl Filled {
    #[cfg(test)]
    pub(super) fn for_tests(is_secret: bool) -> Self {
        Self { changed: None, is_secret }
    }

    /// The object, which the component wrote so.
    pub fn body<'a>(&'a self, written: &'a Value) -> &'a Value {
        self.changed.as_ref().unwrap_or(written)
    }

    /// This object with an annotation of the host's, where the component wrote `written`.
    pub(super) fn annotated(self, written: &Value, key: &str, value: &str) -> Self {
        let mut body = self.changed.unwrap_or_else(|| written.clone());
        if let Some(Value::Object(annotations)) = body.pointer_mut("/metadata/annotations") {
            annotations.insert(key.into(), value.into());
        }
        Self { changed: Some(body), ..self }
    }
}

/// Why an object with placeholders is refused. The texts name places, never contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misplaced {
    /// In `data`, where the value must be base64 as a whole.
    #[error("in `data` a placeholder must be the whole value and in base64 encoding (key `{0}`)")]
    Data(String),
    /// More than a Secret may hold, once the credentials are in it.
    #[error("with its credentials in place the Secret would have more than 1 MiB; put less into one Secret")]
    Large,
    /// Somewhere else than in the `data` or `stringData` of a Secret.
    #[error("a credential's placeholder stands outside `data` and `stringData` of a Secret")]
    Outside,
    /// A generated credential that no key of its Secret holds by itself.
    #[error("the generated credential `{0}` must stand whole under one key of each Secret that it goes into")]
    Part(String),
    /// `data` or `stringData` is not a mapping of text to text.
    #[error("`data` and `stringData` of a Secret must map text to text")]
    Shape,
    /// A key that is in both.
    #[error("the key `{0}` is in `data` and in `stringData`")]
    Twice(String),
    /// A placeholder of a credential that was not lent in this run.
    #[error("a placeholder names a credential that was not lent in this run (key `{0}`)")]
    Unknown(String),
    /// A credential that was not permitted to go into this Secret.
    #[error("the credential `{0}` was not permitted to go there")]
    Unpermitted(String),
}

impl LentCredentials {
    /// Adds a credential that the operator supplied.
    pub fn lend(&mut self, permit: Permitted<Lend>, value: SecretString) {
        let name = permit.into_inner().0;
        self.0.insert(identity(&name), Held::new(&name, value, false));
    }

    /// Adds a credential that the host made.
    pub fn generate(&mut self, permit: &Permitted<Generate>, value: SecretString) {
        self.0.insert(identity(&permit.name), Held::new(&permit.name, value, true));
    }

    /// Whether a credential is among these.
    pub fn holds(&self, name: &str) -> bool {
        self.0.contains_key(&identity(name))
    }

    /// Finds every placeholder in an object.
    ///
    /// # Errors
    /// [`Misplaced`] for a placeholder anywhere but in a Secret's `data` and `stringData`, and for a generated
    /// credential that could not be found again.
    pub fn placements(&self, object: &Object) -> Result<Placements, Misplaced> {
        Ok(self.find(object)?.placements)
    }

    /// The keys of a Secret, and which of them hold credentials. None: the object is no Secret.
    ///
    /// # Errors
    /// [`Misplaced`] as for [`LentCredentials::placements`].
    pub fn keys(&self, object: &Object) -> Result<Option<SecretKeys>, Misplaced> {
        Ok(SecretKeys::of(object, &self.find(object)?.placements))
    }

    fn find(&self, object: &Object) -> Result<Found, Misplaced> {
        let mut found = Found { placements: Placements::new(), kept: BTreeMap::new() };
        let inside = if object.reference().is_secret() { &VALUES[..] } else { &[] };
        for member in inside {
            if let Some(value) = object.body().get(member) {
                for (key, text) in texts(value)? {
                    let names = self.named_in(key, text)?;
                    if *member == "data" && !names.is_empty() && self.whole(text).is_none() {
                        return Err(Misplaced::Data(key.into()));
                    }
                    if key.contains(MARK) {
                        return Err(Misplaced::Outside);
                    }
                    if let Some(name) = self.kept_by(member, text) {
                        found.kept.entry(name.to_owned()).or_insert_with(|| key.to_owned());
                    }
                    if !names.is_empty() {
                        found.placements.entry(key.to_owned()).or_default().extend(names);
                    }
                }
            }
        }
        if mentions_outside(object.body(), inside) {
            return Err(Misplaced::Outside);
        }
        let generated = self.0.values().filter(|held| held.is_generated).map(|held| &held.name);
        let mut placed =
            generated.filter(|name| found.placements.values().any(|names| names.contains(*name)));
        match placed.find(|name| !found.kept.contains_key(*name)) {
            Some(part) => Err(Misplaced::Part(part.clone())),
            None => Ok(found),
        }
    }

    /// Finds every placeholder in an object that is to be sent, each of whose credentials was permitted to go there.
    fn find_placed(
        &self,
        object: &Object,
        placed: &[Permitted<PlaceCredential>],
    ) -> Result<Found, Misplaced> {
        let (found, id) = (self.find(object)?, object.reference().id());
        let is_permitted = |name: &&String| {
            placed.iter().any(|permit| permit.credential == **name && permit.secret.id() == id)
        };
        match found.placements.values().flatten().find(|name| !is_permitted(name)) {
            Some(name) => Err(Misplaced::Unpermitted(name.clone())),
            None => Ok(found),
        }
    }

    /// The generated credential of which this text is the whole placeholder, so that its value can be read back from
    /// there.
    fn kept_by(&self, member: &str, text: &str) -> Option<&str> {
        let encoding = if member == "data" { "-base64" } else { "-raw" };
        let identity = text.strip_prefix(MARK)?.strip_suffix(encoding)?;
        self.0.get(identity).filter(|held| held.is_generated).map(|held| held.name.as_str())
    }

    /// The object with the credentials in it. A Secret's `stringData` becomes `data`, which is what the API server
    /// keeps and compares.
    ///
    /// # Errors
    /// [`Misplaced`] as for [`LentCredentials::placements`], and for a credential that none of these permits places
    /// there. [`Misplaced::Large`] as for [`LentCredentials::length`].
    pub fn fill(&self, object: &Object, placed: &[Permitted<PlaceCredential>]) -> Result<Filled, Misplaced> {
        let found = self.find_placed(object, placed)?;
        self.length(object)?;
        if !object.reference().is_secret() {
            // There is no other place for a credential.
            return Ok(Filled { changed: None, is_secret: false });
        }
        let mut body = object.body().clone();
        self.fill_secret(&mut body)?;
        annotate(&mut body, &found)?;
        Ok(Filled { changed: Some(body), is_secret: !found.placements.is_empty() })
    }

    /// The bytes of an object's values once the credentials are in place; 0 where there are none. Nothing is filled for
    /// that.
    ///
    /// # Errors
    /// [`Misplaced::Large`] when they are more than a Secret may hold.
    pub fn length(&self, object: &Object) -> Result<usize, Misplaced> {
        if object.reference().is_secret() { self.filled_length(object.body()) } else { Ok(0) }
    }

    /// The object without the values that would hold credentials; an annotation says which they are.
    ///
    /// # Errors
    /// [`Misplaced`] as for [`LentCredentials::fill`].
    pub fn omit(&self, object: &Object, placed: &[Permitted<PlaceCredential>]) -> Result<Filled, Misplaced> {
        let found = self.find_placed(object, placed)?;
        let placements = &found.placements;
        if placements.is_empty() {
            return Ok(Filled { changed: None, is_secret: false });
        }
        let mut body = object.body().clone();
        for member in VALUES {
            let Some(Value::Object(values)) = body.get_mut(member) else { continue };
            values.retain(|key, _| !placements.contains_key(key));
            if values.is_empty() {
                body.as_object_mut().map(|body| body.remove(member));
            }
        }
        annotate(&mut body, &found)?;
        Ok(Filled { changed: Some(body), is_secret: false })
    }

    fn fill_secret(&self, body: &mut Value) -> Result<(), Misplaced> {
        let members = body.as_object_mut().ok_or(Misplaced::Shape)?;
        let mut data = Map::new();
        if let Some(given) = members.remove("data") {
            for (key, text) in texts(&given)? {
                let value = self.whole(text).map(|held| Encoding::Base64.write(held.value.expose_secret()));
                data.insert(key.into(), value.unwrap_or_else(|| text.into()).into());
            }
        }
        if let Some(given) = members.remove("stringData") {
            for (key, text) in texts(&given)? {
                if data.insert(key.into(), self.filled(text).into()).is_some() {
                    return Err(Misplaced::Twice(key.into()));
                }
            }
        }
        if !data.is_empty() {
            members.insert("data".into(), Value::Object(data));
        }
        Ok(())
    }

    /// The credential whose base64 placeholder is the whole text.
    fn whole(&self, text: &str) -> Option<&Held> {
        self.0.get(text.strip_prefix(MARK)?.strip_suffix("-base64")?)
    }

    /// The credentials that a text places, all of which must have been lent.
    fn named_in(&self, key: &str, text: &str) -> Result<BTreeSet<String>, Misplaced> {
        text.match_indices(MARK)
            .map(|(at, _)| {
                let known = self.at(text, at).map(|(held, ..)| held.name.clone());
                known.ok_or_else(|| Misplaced::Unknown(key.into()))
            })
            .collect()
    }
}

/// Whether a placeholder stands anywhere else than in these members of an object.
fn mentions_outside(body: &Value, inside: &[&str]) -> bool {
    let Value::Object(members) = body else { return mentions(body) };
    let mut outside = members.iter().filter(|(name, _)| !inside.contains(&name.as_str()));
    outside.any(|(name, value)| name.contains(MARK) || mentions(value))
}

fn texts(values: &Value) -> Result<Vec<(&str, &str)>, Misplaced> {
    let values = match values {
        Value::Null => return Ok(Vec::new()),
        values => values.as_object().ok_or(Misplaced::Shape)?,
    };
    values.iter().map(|(key, text)| Ok((key.as_str(), text.as_str().ok_or(Misplaced::Shape)?))).collect()
}

/// Says which credentials are where. Without that the values could be read back, so nothing is sent where there is no
/// place for it.
fn annotate(body: &mut Value, found: &Found) -> Result<(), Misplaced> {
    if found.placements.is_empty() {
        return Ok(());
    }
    let metadata = body.get_mut("metadata").and_then(Value::as_object_mut).ok_or(Misplaced::Shape)?;
    let annotations = metadata.entry("annotations").or_insert_with(|| Map::new().into());
    let annotations = annotations.as_object_mut().ok_or(Misplaced::Shape)?;
    let text = |value: Value| Value::from(value.to_string());
    annotations.insert(CREDENTIALS.into(), text(serde_json::json!(found.placements)));
    if !found.kept.is_empty() {
        annotations.insert(GENERATED.into(), text(serde_json::json!(found.kept)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
