//! Reads a Secret in which credentials were placed: a generated one back, or the whole without them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::document;
use crate::kubernetes::managed_fields;
use crate::kubernetes::metadata::{self, CREDENTIALS, GENERATED, LAST_APPLIED};

use super::keys::{is_marked, is_of_installation};
use super::{Encoding, Placements, SecretKeys};

/// The text that a component reads instead of a credential.
pub const REDACTED: &str = "<redacted>";

/// How long a value is at least that is looked for in labels and annotations.
const MIN_COPY: usize = 4;

/// Why a generated credential cannot be found again. It is not made anew then: somebody may use it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unrecoverable {
    /// The annotation that says where it is cannot be read.
    #[error("the annotation that says where the generated credential `{0}` is cannot be read")]
    Annotation(String),
    /// The value is not text any more.
    #[error("the generated credential `{0}` is not text any more")]
    NotText(String),
}

/// The generated credential that a Secret holds by this name. A key that is empty or not there holds none.
///
/// # Errors
/// [`Unrecoverable`] for what cannot be a credential, and where it cannot be told whether there is one.
pub fn generated(secret: &Value, name: &str) -> Result<Option<SecretString>, Unrecoverable> {
    let unreadable = || Unrecoverable::Annotation(name.to_owned());
    let Some(keys) = annotated::<BTreeMap<String, String>>(secret, GENERATED).map_err(|()| unreadable())?
    else {
        return Ok(None);
    };
    let Some(key) = keys.get(name) else { return Ok(None) };
    let held = secret.get("data").and_then(|data| data.get(key)).filter(|held| **held != "");
    let Some(held) = held else { return Ok(None) };
    // Both annotations are written together. Where one of them was moved to another key, that holds something else.
    let placed = annotated::<Placements>(secret, CREDENTIALS).map_err(|()| unreadable())?.unwrap_or_default();
    if !placed.get(key).is_some_and(|names| names.contains(name)) {
        return Err(unreadable());
    }
    let bytes = held.as_str().and_then(|held| BASE64.decode(held).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(|text| Some(text.into())).ok_or_else(|| Unrecoverable::NotText(name.to_owned()))
}

/// What is known of a Secret that a component reads, apart from what it says itself.
pub struct Account {
    /// Its keys, as they are on record.
    pub keys: Option<SecretKeys>,
    /// The state in which it was found.
    pub found: FoundAs,
    /// The installation that reads it, `NAMESPACE/NAME`.
    pub reader: String,
    /// Whether a credential of the reader's may be in it by what is granted.
    pub may_hold: bool,
}

/// The state in which a Secret was found, which says what of it the installation has put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundAs {
    /// In a file, which somebody has changed since.
    Edited,
    /// On a server, which notes who put what there.
    Managed,
    /// As it was written.
    Written,
}

/// `secret` as a component may read it: without the values that are credentials, or may be.
///
/// Where credentials are or were in it, only those values are shown of which it is known that they are none: the
/// installation put them there itself, without one. Where nothing tells what is in it, nothing is shown.
pub fn redacted(mut secret: Value, account: &Account) -> Value {
    let mut hidden = Vec::new();
    let hides = account.hides(&secret);
    for (member, word) in [("data", BASE64.encode(REDACTED)), ("stringData", REDACTED.to_owned())] {
        match secret.get_mut(member) {
            None | Some(Value::Null) => {}
            Some(Value::Object(values)) => {
                for (_, held) in values.iter_mut().filter(|(key, _)| hides.key(key)) {
                    hidden.push(std::mem::replace(held, word.clone().into()));
                }
            }
            Some(odd) if hides.any() => *odd = word.into(),
            Some(_) => {}
        }
    }
    let hidden: Vec<_> = hidden.iter().filter_map(Value::as_str).flat_map(copies).collect();
    for member in ["annotations", "labels"] {
        if let Some(Value::Object(marks)) = secret.get_mut("metadata").and_then(|it| it.get_mut(member)) {
            marks.remove(LAST_APPLIED);
            let is_copy =
                |text: &Value| text.as_str().is_none_or(|it| hidden.iter().any(|copy| it.contains(&**copy)));
            marks.retain(|key, text| metadata::is_reserved(key) || !is_copy(text));
        }
    }
    secret
}

/// How the value of a key looks where somebody keeps a copy of it. One of a few letters stands in many texts.
fn copies(held: &str) -> Vec<String> {
    let decoded = BASE64.decode(held).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let quoted = decoded.as_deref().map(|text| Encoding::Json.write(text));
    let all = [Some(held.to_owned()), decoded, quoted];
    all.into_iter().flatten().filter(|copy| copy.len() >= MIN_COPY).collect()
}

/// Which values are hidden.
struct Hides {
    all: bool,
    /// Those that are known to be credentials.
    known: BTreeSet<String>,
    /// Those that are known to be none. None: all others are.
    only: Option<BTreeSet<String>>,
}

impl Hides {
    fn key(&self, key: &str) -> bool {
        self.all || self.known.contains(key) || self.only.as_ref().is_some_and(|only| !only.contains(key))
    }

    fn any(&self) -> bool {
        self.all || !self.known.is_empty() || self.only.is_some()
    }
}

impl Account {
    fn hides(&self, secret: &Value) -> Hides {
        // Invariant: what cannot be read in deciding code is redacted, never skipped.
        let annotated = annotated::<Placements>(secret, CREDENTIALS);
        let is_told = matches!(&annotated, Ok(Some(_)));
        let is_unreadable = annotated.is_err();
        let mut known: BTreeSet<_> = annotated.ok().flatten().unwrap_or_default().into_keys().collect();
        let is_partial = self.keys.as_ref().is_some_and(|keys| keys.is_partial);
        known.extend(self.keys.iter().flat_map(|keys| keys.lent.iter().cloned()));
        let only = (is_partial || !known.is_empty()).then(|| self.vouched(secret));
        Hides { all: is_unreadable || self.is_unknown(secret, is_told), known, only }
    }

    /// Whether nothing tells which values are credentials, of a Secret that an installation has written.
    fn is_unknown(&self, secret: &Value, is_told: bool) -> bool {
        if self.keys.is_some() || !is_marked(secret) {
            return false;
        }
        let is_own = metadata::owner(secret) == Some(&*self.reader);
        match is_told {
            // What somebody else has written there says nothing.
            true => {
                let path = ["metadata", "annotations", CREDENTIALS];
                self.found == FoundAs::Managed
                    && !managed_fields::is_applied_by(secret, &path, is_of_installation)
            }
            false => !is_own || self.may_hold,
        }
    }

    /// The keys that an installation has put there, as far as it is known that there is no credential in them.
    fn vouched(&self, secret: &Value) -> BTreeSet<String> {
        let is_put = |key: &str| match self.found {
            FoundAs::Edited => false,
            FoundAs::Managed => managed_fields::is_applied_by(secret, &["data", key], is_of_installation),
            FoundAs::Written => true,
        };
        let is_plain = |key: &str| self.keys.as_ref().is_none_or(|keys| keys.is_plain(key));
        let keys = |member| secret.get(member).and_then(Value::as_object).into_iter().flatten();
        let all = keys("data").chain(keys("stringData")).map(|(key, _)| key);
        all.filter(|key| is_put(key) && is_plain(key)).cloned().collect()
    }
}

/// The document in an annotation of the host's own. None: there is no such annotation.
///
/// # Errors
/// When there is something in its place that cannot be read.
fn annotated<T: DeserializeOwned>(secret: &Value, key: &str) -> Result<Option<T>, ()> {
    let annotations = match secret.get("metadata").and_then(|metadata| metadata.get("annotations")) {
        None | Some(Value::Null) => return Ok(None),
        Some(annotations) => annotations.as_object().ok_or(())?,
    };
    let Some(annotation) = annotations.get(key) else { return Ok(None) };
    let text = annotation.as_str().ok_or(())?;
    let (read, unknown) = document::json_as(text.as_bytes()).map_err(|_| ())?;
    if unknown.is_empty() { Ok(Some(read)) } else { Err(()) }
}
