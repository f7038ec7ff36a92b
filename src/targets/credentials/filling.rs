//! Fills placeholders in a text, and says beforehand how long it becomes: a placeholder is short and may stand there
//! thousands of times, so its text says nothing of the memory that filling it takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::placeholder::{Encoding, MARK};
use super::{Held, LentCredentials, Misplaced, texts};

/// The most bytes that the values of a Secret have together: the API server takes no more.
pub(super) const MAX_SECRET: usize = 1 << 20;

/// A part of a text.
enum Part<'a> {
    Text(&'a str),
    Credential(&'a Held, Encoding),
}

impl Held {
    pub(super) fn new(name: &str, value: SecretString, is_generated: bool) -> Self {
        let lengths = Encoding::ALL.map(|(encoding, _)| encoding.write(value.expose_secret()).len());
        Self { name: name.to_owned(), value, is_generated, lengths }
    }

    fn length(&self, encoding: Encoding) -> usize {
        let known = Encoding::ALL.iter().zip(self.lengths);
        known.filter(|((each, _), _)| *each == encoding).map(|(_, length)| length).sum()
    }
}

impl LentCredentials {
    /// The bytes of a Secret's values once its credentials are in place. Nothing is filled for that. A Secret without
    /// credentials has none: it takes no more than its text does.
    ///
    /// # Errors
    /// [`Misplaced::Large`] when they are more than a Secret may hold.
    pub(super) fn filled_length(&self, body: &Value) -> Result<usize, Misplaced> {
        let (mut length, mut is_filled) = (0_usize, false);
        for member in ["data", "stringData"] {
            for (_, text) in body.get(member).map_or_else(|| Ok(Vec::new()), texts)? {
                let filled = match self.whole(text) {
                    Some(held) if member == "data" => held.length(Encoding::Raw),
                    _ if member == "data" => base64::decoded_len_estimate(text.len()),
                    _ => self.text_length(text),
                };
                is_filled |= text.contains(MARK);
                length = length.saturating_add(filled);
            }
        }
        match is_filled {
            true if length > MAX_SECRET => Err(Misplaced::Large),
            true => Ok(length),
            false => Ok(0),
        }
    }

    fn text_length(&self, text: &str) -> usize {
        let lengths = self.parts(text).into_iter().map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Credential(held, encoding) => held.length(encoding),
        });
        lengths.fold(0, usize::saturating_add)
    }

    /// The base64 of a text with its credentials in place. What a credential holds is never taken for a placeholder.
    pub(super) fn filled(&self, text: &str) -> String {
        let mut filled = String::with_capacity(self.text_length(text));
        for part in self.parts(text) {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Credential(held, encoding) => {
                    filled.push_str(&encoding.write(held.value.expose_secret()));
                }
            }
        }
        BASE64.encode(filled)
    }

    fn parts<'a>(&'a self, text: &'a str) -> Vec<Part<'a>> {
        let (mut parts, mut done) = (Vec::new(), 0);
        for (at, _) in text.match_indices(MARK) {
            let Some((held, encoding, end)) = self.at(text, at) else { continue };
            parts.extend([Part::Text(&text[done..at]), Part::Credential(held, encoding)]);
            done = end;
        }
        parts.push(Part::Text(&text[done..]));
        parts
    }

    /// The credential whose placeholder begins with the mark at this place, and where the placeholder ends.
    pub(super) fn at(&self, text: &str, at: usize) -> Option<(&Held, Encoding, usize)> {
        let (identity, word) = text[at + MARK.len()..].split_once('-')?;
        let held = self.0.get(identity)?;
        let (encoding, known) = Encoding::ALL.iter().find(|(_, known)| word.starts_with(known))?;
        Some((held, *encoding, text.len() - word.len() + known.len()))
    }
}
