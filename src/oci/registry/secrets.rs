//! Keeps credentials out of what servers say. A server knows what it was sent, and may say it again, in another form, in
//! any text of an answer that people and logs will see: a reason, a host to go to, a type, the name of a member.
//!
//! Every error that holds such a text passes here. A server that cuts a secret into short pieces among other words is not
//! caught; nor are secrets of fewer than four letters, which any text holds by chance.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::RegistryError;
use crate::document;
use crate::oci::OciError;
use crate::sync::Mutex;
use crate::text::url::percent_encoded;

/// The longest text of a server that is shown, in characters.
const MAX_SHOWN: usize = 200;

/// The fewest letters by which a secret is known.
const FEWEST: usize = 4;

/// So many letters in a row of a longer secret are as good as all of it.
const PIECE: usize = 16;

/// In place of a text that repeats a credential.
const HIDDEN: &str = "(a text that repeats a credential, and is not shown)";

/// All that was sent to servers and is secret.
#[derive(Default)]
pub(super) struct Secrets(Mutex<Vec<String>>);

impl Secrets {
    /// From now on this text is not shown, in no form that it could be written in.
    pub(super) fn add(&self, secret: &str) {
        let mut known = self.0.lock();
        for form in forms(secret) {
            if form.chars().count() >= FEWEST && !known.contains(&form) {
                known.push(form);
            }
        }
    }

    /// An error of a registry without what repeats a credential. `own` is the name by which a person named the registry.
    pub(super) fn hush(&self, own: &str, mut error: RegistryError) -> RegistryError {
        match &mut error {
            RegistryError::Denied { host, said, .. } | RegistryError::Status { host, said, .. } => {
                self.hide(host, own);
                if let Some(said) = said {
                    self.hide(said, own);
                }
            }
            RegistryError::Realm { realm: text, .. }
            | RegistryError::SentOn { to: text, .. }
            | RegistryError::Protocol { host: text, .. }
            | RegistryError::TimedOut { host: text, .. } => self.hide(text, own),
            RegistryError::Unreachable { host, why } => {
                self.hide(host, own);
                self.hide(why, own);
            }
            RegistryError::Configuration(_)
            | RegistryError::Credential { .. }
            | RegistryError::Offline { .. } => {}
        }
        error
    }

    /// As [`Self::hush`], for an error about a document that a registry sent.
    pub(super) fn hush_document(&self, own: &str, error: OciError) -> OciError {
        match error {
            OciError::Registry(error) => self.hush(own, error).into(),
            error if self.is_in(&document::chain(&error)) => {
                let why = "a document of it that cannot be used repeats a credential".into();
                RegistryError::Protocol { host: own.to_owned(), why }.into()
            }
            error => error,
        }
    }

    fn hide(&self, text: &mut String, own: &str) {
        if text.as_str() != own && self.is_in(text) {
            HIDDEN.clone_into(text);
        } else if text.chars().nth(MAX_SHOWN).is_some() {
            *text = text.chars().take(MAX_SHOWN).collect();
        }
    }

    fn is_in(&self, text: &str) -> bool {
        let known = self.0.lock();
        [text.to_lowercase(), letters(text), letters(&percent_decoded(text))]
            .iter()
            .any(|text| known.iter().any(|form| holds(text, form)))
    }
}

/// Whether a text holds a form of a secret, or so much of it that the rest does not matter.
fn holds(text: &str, form: &str) -> bool {
    if text.contains(form) {
        return true;
    }
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]).skip(PIECE);
    form.len() > PIECE
        && text
            .char_indices()
            .zip(ends)
            .any(|((start, _), end)| form.contains(text.get(start..end).unwrap_or(form)))
}

/// A secret in the forms that a text could have it in, as they are compared.
fn forms(secret: &str) -> Vec<String> {
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let encoded = (0..3).map(|before| base64_within(secret, before));
    let written = [secret.to_owned(), hex, percent_encoded(secret)].into_iter().chain(encoded);
    [secret.to_lowercase()].into_iter().chain(written.map(|form| letters(&form))).collect()
}

/// The letters that only a secret decides in the base64 of a text that holds it after so many others.
fn base64_within(secret: &str, before: usize) -> String {
    let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(secret.bytes()).collect();
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    STANDARD_NO_PAD.encode(&bytes).get(first..end).unwrap_or_default().to_owned()
}

/// Letters and digits alone, in lower case: hosts are in lower case, and whatever stands between them can be another sign
/// in another form. What was escaped to be visible ([`document::visible`]) is no letter.
fn letters(text: &str) -> String {
    let mut pieces = text.split("\\u{");
    let first = pieces.next().unwrap_or_default();
    let others = pieces.map(|piece| piece.split_once('}').map_or(piece, |(_, rest)| rest));
    let whole = std::iter::once(first).chain(others).flat_map(str::chars);
    whole.filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => decoded.push(byte),
            None => decoded.push(byte),
        }
        at += if code.is_some_and(|code| u8::from_str_radix(code, 16).is_ok()) { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    const SECRET: &str = "Hunter2/of+the ~registry";

    fn knows(secret: &str) -> Secrets {
        let secrets = Secrets::default();
        secrets.add(secret);
        secrets
    }

    fn hex(text: &str, between: &str) -> String {
        text.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(between)
    }

    #[test]
    fn a_secret_is_known_in_each_form() {
        let secrets = knows(SECRET);
        let mut texts = vec![
            SECRET.to_owned(),
            SECRET.to_uppercase(),
            percent_encoded(SECRET),
            SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect(),
            SECRET.replace(' ', "+"),
            hex(SECRET, ""),
            hex(SECRET, ":"),
            STANDARD.encode(SECRET).to_lowercase(),
            document::visible(&SECRET.replace('t', "t\u{200b}")),
            SECRET.chars().map(|letter| format!("{letter}.")).collect(),
            SECRET[2..].to_owned(),
        ];
        for user in ["a", "ab", "abc", "abcd"] {
            texts.push(STANDARD.encode(format!("{user}:{SECRET}")));
            texts.push(URL_SAFE.encode(format!("{user}:{SECRET}!")).to_lowercase());
        }
        for text in texts {
            assert!(secrets.is_in(&format!("we know {text} well")), "{text}");
        }
    }

    #[test]
    fn other_texts_are_shown_as_they_are() {
        let secrets = knows(SECRET);
        for text in ["not for somebody", "Hunter2", "the registry", "100 %", "%zz", ""] {
            assert!(!secrets.is_in(text), "{text}");
        }
        // Of a secret that is in every text, nothing can be kept.
        assert!(!knows("a-b").is_in("a-b") && knows("abcd").is_in("(ABCD)"));
        assert!(!Secrets::default().is_in(SECRET));
    }

    #[test]
    fn each_text_of_a_server_in_an_error_is_hidden_and_the_name_that_a_person_gave_is_not() {
        let secrets = knows(SECRET);
        let text = || format!("x{SECRET}");
        let (said, status, with_credential) = (Some(text()), 403, true);
        for error in [
            RegistryError::Denied {
                host: text(),
                action: "a pull from",
                repository: "x".into(),
                status,
                said: said.clone(),
                with_credential,
            },
            RegistryError::Status { host: text(), status, said },
            RegistryError::Realm { registry: "own".into(), realm: text() },
            RegistryError::SentOn { registry: "own".into(), to: text(), why: "which is not encrypted" },
            RegistryError::Protocol { host: text(), why: "x".into() },
            RegistryError::TimedOut { host: text(), stage: "x" },
            RegistryError::Unreachable { host: text(), why: text() },
        ] {
            let hushed = secrets.hush("own", error);
            assert!(!format!("{hushed} {hushed:?}").contains(SECRET), "{hushed}");
            assert!(hushed.to_string().contains(HIDDEN), "{hushed}");
        }
        let own = RegistryError::TimedOut { host: text(), stage: "x" };
        assert!(secrets.hush(&text(), own).to_string().contains(SECRET));
        let long = RegistryError::Status { host: "own".into(), status, said: Some("x".repeat(9999)) };
        assert!(secrets.hush("own", long).to_string().len() < 300);
    }
}
