//! The credentials lent in one run: the placeholders a component gets instead, and the Secrets they are filled into.
//!
//! A component only ever holds placeholders. They are deterministic, so that a plan and its run name the same objects,
//! and they mean something only for a credential that was lent in the same run. What a filled object holds never becomes
//! text anywhere but in the request or the file it is made for.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::capability::object::Object;
use crate::digest::Digest;

/// The annotation that says which keys of a Secret hold credentials, as JSON: key to names.
pub const ANNOTATION: &str = "carnet.dev/credentials";

/// What a component reads instead of a credential.
pub const REDACTED: &str = "<redacted>";

const MARK: &str = "carnet-credential-";

/// How a credential is written where its placeholder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// In base64.
    Base64,
    /// As the inside of a JSON string.
    Json,
    /// As it is.
    Raw,
    /// Percent-encoded for a URL.
    Url,
}

/// Credentials that were lent, by the identity in their placeholders. No `Debug`: it holds secrets.
#[derive(Default)]
pub struct Lent(BTreeMap<String, (String, SecretString)>);

/// Which keys of a Secret hold which credentials.
pub type Placements = BTreeMap<String, BTreeSet<String>>;

/// An object as it goes to the target. No `Debug`: it may hold secrets.
pub struct Filled {
    /// The object.
    pub body: Value,
    /// Whether a credential is in it.
    pub is_secret: bool,
}

/// Why an object with placeholders is refused. The texts name places, never contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misplaced {
    /// In `data`, where the value must be base64 as a whole.
    #[error("in `data` a placeholder must be the whole value and in base64 encoding (key `{0}`)")]
    Data(String),
    /// Somewhere else than in the `data` or `stringData` of a Secret.
    #[error("a credential's placeholder stands outside `data` and `stringData` of a Secret")]
    Outside,
    /// A placeholder of a credential that was not lent in this run.
    #[error("a placeholder names a credential that was not lent in this run (key `{0}`)")]
    Unknown(String),
    /// `data` or `stringData` is not a mapping of text to text.
    #[error("`data` and `stringData` of a Secret must map text to text")]
    Shape,
    /// A key that is in both.
    #[error("the key `{0}` is in `data` and in `stringData`")]
    Twice(String),
}

impl Encoding {
    const ALL: [(Self, &str); 4] =
        [(Self::Base64, "base64"), (Self::Json, "json"), (Self::Raw, "raw"), (Self::Url, "url")];

    fn write(self, secret: &str) -> String {
        match self {
            Self::Base64 => BASE64.encode(secret),
            Self::Json => {
                let quoted = Value::from(secret).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Raw => secret.to_owned(),
            Self::Url => secret.bytes().fold(String::new(), |mut text, byte| {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    text.push(char::from(byte));
                } else {
                    text.push_str(&format!("%{byte:02X}"));
                }
                text
            }),
        }
    }
}

/// The placeholder of a credential.
pub fn placeholder(name: &str, encoding: Encoding) -> String {
    let (_, word) = Encoding::ALL.iter().find(|(each, _)| *each == encoding).unwrap_or(&Encoding::ALL[0]);
    format!("{MARK}{}-{word}", identity(name))
}

fn identity(name: &str) -> String {
    Digest::of(format!("carnet credential {name}").as_bytes()).hex()[..32].to_owned()
}

impl Lent {
    /// Adds a credential.
    pub fn lend(&mut self, name: &str, value: SecretString) {
        self.0.insert(identity(name), (name.to_owned(), value));
    }

    /// Finds every placeholder in an object.
    ///
    /// # Errors
    /// [`Misplaced`] for a placeholder anywhere but in a Secret's `data` and `stringData`.
    pub fn placements(&self, object: &Object) -> Result<Placements, Misplaced> {
        let mut outside = object.body().clone();
        let mut placements = Placements::new();
        if object.reference().group_kind() == "Secret" {
            for member in ["data", "stringData"] {
                let Some(value) = outside.as_object_mut().and_then(|body| body.remove(member)) else {
                    continue;
                };
                for (key, text) in texts(&value)? {
                    let names = self.named_in(key, text)?;
                    if member == "data" && !names.is_empty() && self.whole(text).is_none() {
                        return Err(Misplaced::Data(key.into()));
                    }
                    if key.contains(MARK) {
                        return Err(Misplaced::Outside);
                    }
                    if !names.is_empty() {
                        placements.entry(key.to_owned()).or_default().extend(names);
                    }
                }
            }
        }
        if mentions(&outside) { Err(Misplaced::Outside) } else { Ok(placements) }
    }

    /// The object with the credentials in it. A Secret's `stringData` becomes `data`, which is what the API server keeps
    /// and compares.
    ///
    /// # Errors
    /// [`Misplaced`] as for [`Lent::placements`].
    pub fn fill(&self, object: &Object) -> Result<Filled, Misplaced> {
        let placements = self.placements(object)?;
        let mut body = object.body().clone();
        if object.reference().group_kind() == "Secret" {
            self.fill_secret(&mut body)?;
        }
        annotate(&mut body, &placements);
        Ok(Filled { body, is_secret: !placements.is_empty() })
    }

    /// The object without the values that would hold credentials; an annotation says which they are.
    ///
    /// # Errors
    /// [`Misplaced`] as for [`Lent::placements`].
    pub fn omit(&self, object: &Object) -> Result<Filled, Misplaced> {
        let placements = self.placements(object)?;
        let mut body = object.body().clone();
        for member in ["data", "stringData"] {
            let Some(Value::Object(values)) = body.get_mut(member) else { continue };
            values.retain(|key, _| !placements.contains_key(key));
            if values.is_empty() && !placements.is_empty() {
                body.as_object_mut().map(|body| body.remove(member));
            }
        }
        annotate(&mut body, &placements);
        Ok(Filled { body, is_secret: false })
    }

    fn fill_secret(&self, body: &mut Value) -> Result<(), Misplaced> {
        let Some(members) = body.as_object_mut() else { return Ok(()) };
        let mut data = Map::new();
        if let Some(given) = members.remove("data") {
            for (key, text) in texts(&given)? {
                let value = self.whole(text).map(|value| Encoding::Base64.write(value.expose_secret()));
                data.insert(key.into(), value.unwrap_or_else(|| text.into()).into());
            }
        }
        if let Some(given) = members.remove("stringData") {
            for (key, text) in texts(&given)? {
                let value = BASE64.encode(self.replaced(text));
                if data.insert(key.into(), value.into()).is_some() {
                    return Err(Misplaced::Twice(key.into()));
                }
            }
        }
        if !data.is_empty() {
            members.insert("data".into(), Value::Object(data));
        }
        *body = crate::document::sorted(body);
        Ok(())
    }

    /// The credential whose base64 placeholder is the whole text.
    fn whole(&self, text: &str) -> Option<&SecretString> {
        let identity = text.strip_prefix(MARK)?.strip_suffix("-base64")?;
        self.0.get(identity).map(|(_, value)| value)
    }

    fn replaced(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (identity, (_, value)) in &self.0 {
            for (encoding, word) in Encoding::ALL {
                let placeholder = format!("{MARK}{identity}-{word}");
                if text.contains(&placeholder) {
                    text = text.replace(&placeholder, &encoding.write(value.expose_secret()));
                }
            }
        }
        text
    }

    /// The credentials that a text places, all of which must have been lent.
    fn named_in(&self, key: &str, text: &str) -> Result<BTreeSet<String>, Misplaced> {
        text.match_indices(MARK)
            .map(|(at, _)| {
                let rest = &text[at + MARK.len()..];
                let known = self.0.iter().find(|(identity, _)| {
                    let word = rest.strip_prefix(identity.as_str()).and_then(|rest| rest.strip_prefix('-'));
                    word.is_some_and(|word| Encoding::ALL.iter().any(|(_, known)| word.starts_with(known)))
                });
                known.map(|(_, (name, _))| name.clone()).ok_or_else(|| Misplaced::Unknown(key.into()))
            })
            .collect()
    }
}

/// `secret` as a component may read it: without the values that the host put there.
pub fn redacted(mut secret: Value) -> Value {
    let annotation = secret.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION));
    let placed =
        annotation.and_then(Value::as_str).and_then(|text| serde_json::from_str::<Placements>(text).ok());
    let keys: BTreeSet<String> = placed.unwrap_or_default().into_keys().collect();
    for (member, value) in [("data", BASE64.encode(REDACTED)), ("stringData", REDACTED.to_owned())] {
        if let Some(Value::Object(values)) = secret.get_mut(member) {
            for (_, held) in values.iter_mut().filter(|(key, _)| keys.contains(*key)) {
                *held = value.clone().into();
            }
        }
    }
    secret
}

fn texts(values: &Value) -> Result<Vec<(&str, &str)>, Misplaced> {
    let values = match values {
        Value::Null => return Ok(Vec::new()),
        values => values.as_object().ok_or(Misplaced::Shape)?,
    };
    values.iter().map(|(key, text)| Ok((key.as_str(), text.as_str().ok_or(Misplaced::Shape)?))).collect()
}

fn mentions(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(MARK),
        Value::Array(items) => items.iter().any(mentions),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains(MARK) || mentions(value)),
        _ => false,
    }
}

fn annotate(body: &mut Value, placements: &Placements) {
    if placements.is_empty() {
        return;
    }
    let text = serde_json::json!(placements).to_string();
    if let Some(Value::Object(metadata)) = body.get_mut("metadata") {
        let annotations = metadata.entry("annotations").or_insert_with(|| Map::new().into());
        if let Value::Object(annotations) = annotations {
            annotations.insert(ANNOTATION.into(), text.into());
        }
    }
    *body = crate::document::sorted(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::kinds::Kinds;
    use serde_json::json;

    const VALUE: &str = "p\"ä/ss w:rd";

    fn lent() -> Lent {
        let mut lent = Lent::default();
        lent.lend("db", VALUE.into());
        lent
    }

    fn object(kind: &str, rest: Value) -> Object {
        let mut body = json!({"apiVersion":"v1","kind":kind,"metadata":{"name":"a"}});
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        Object::of(body, "prod", &Kinds::default()).unwrap()
    }

    fn decoded(filled: &Filled, key: &str) -> String {
        let text = filled.body["data"][key].as_str().unwrap();
        String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
    }

    #[test]
    fn each_encoding_writes_the_credential_its_way() {
        let url = format!("postgres://me:{}@db/x", placeholder("db", Encoding::Url));
        let json = format!("{{\"password\":\"{}\"}}", placeholder("db", Encoding::Json));
        let secret = object(
            "Secret",
            json!({
                "stringData": {"raw": placeholder("db", Encoding::Raw), "url": url, "json": json},
                "data": {"base64": placeholder("db", Encoding::Base64), "other": "eA=="},
            }),
        );
        let filled = lent().fill(&secret).unwrap();
        assert_eq!(decoded(&filled, "raw"), VALUE);
        assert_eq!(decoded(&filled, "base64"), VALUE);
        assert_eq!(decoded(&filled, "url"), "postgres://me:p%22%C3%A4%2Fss%20w%3Ard@db/x");
        let parsed: Value = serde_json::from_str(&decoded(&filled, "json")).unwrap();
        assert_eq!(parsed["password"], VALUE);
        assert_eq!(filled.body["data"]["other"], "eA==");
        assert!(filled.is_secret && filled.body.get("stringData").is_none());
    }

    #[test]
    fn a_placeholder_outside_a_secret_is_refused() {
        let text = placeholder("db", Encoding::Raw);
        for object in [
            object("ConfigMap", json!({"data": {"a": text}})),
            object("Secret", json!({"type": text})),
            object("Secret", json!({"stringData": {(text.clone()): "x"}})),
            object("ConfigMap", json!({(text.clone()): "x"})),
        ] {
            assert_eq!(lent().placements(&object), Err(Misplaced::Outside));
        }
    }

    #[test]
    fn a_placeholder_of_what_was_not_lent_is_refused() {
        let secret = object("Secret", json!({"stringData": {"a": placeholder("other", Encoding::Raw)}}));
        assert_eq!(lent().placements(&secret), Err(Misplaced::Unknown("a".into())));
    }

    #[test]
    fn data_takes_nothing_but_a_whole_base64_placeholder() {
        let raw = object("Secret", json!({"data": {"a": placeholder("db", Encoding::Raw)}}));
        assert_eq!(lent().placements(&raw), Err(Misplaced::Data("a".into())));
    }

    #[test]
    fn what_is_omitted_is_named_and_not_there() {
        let secret =
            object("Secret", json!({"stringData": {"a": placeholder("db", Encoding::Raw), "b": "x"}}));
        let filled = lent().omit(&secret).unwrap();
        assert_eq!(filled.body["stringData"], json!({"b": "x"}));
        assert_eq!(filled.body["metadata"]["annotations"][ANNOTATION], r#"{"a":["db"]}"#);
        assert!(!filled.body.to_string().contains("ss w"));
    }

    #[test]
    fn a_component_reads_back_a_redacted_value() {
        let secret =
            object("Secret", json!({"stringData": {"a": placeholder("db", Encoding::Raw), "b": "x"}}));
        let read = redacted(lent().fill(&secret).unwrap().body);
        assert_eq!(read["data"]["a"], BASE64.encode(REDACTED));
        assert_eq!(read["data"]["b"], BASE64.encode("x"));
    }
}
