//! Content digests: computed from bytes or parsed from text, never made up.
//!
//! Every stage names bytes by digest and checks them again wherever they come from, so the type has no constructor
//! that takes a finished hash from anywhere else.

use std::fmt;
use std::io;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The SHA-256 digest of some bytes, written `sha256:` and 64 lower-case hexadecimal digits (OCI image specification,
/// descriptors). Other algorithms are refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(extend("pattern" = "^sha256:[0-9a-f]{64}$"))]
pub struct Digest([u8; 32]);

/// The text is not a digest that carnet accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a digest of the form `sha256:` and 64 lower-case hexadecimal digits", .0.escape_debug())]
pub struct InvalidDigest(String);

/// Bytes are not those that their digest promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bytes have digest {actual}, not {expected}")]
pub struct Mismatch {
    /// The digest that was asked for.
    pub expected: Digest,
    /// The digest of the bytes that came.
    pub actual: Digest,
}

/// Computes the digest of bytes that come piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl io::Write for Hasher {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.update(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Checks that `bytes` are the ones this digest names.
    ///
    /// # Errors
    /// [`Mismatch`] when they are not.
    pub fn check(&self, bytes: &[u8]) -> Result<(), Mismatch> {
        let actual = Self::of(bytes);
        if actual == *self { Ok(()) } else { Err(Mismatch { expected: *self, actual }) }
    }

    /// The 64 hexadecimal digits alone, as file names in an OCI layout have them.
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            text.push(hex_digit(byte >> 4));
            text.push(hex_digit(byte & 15));
            text
        })
    }

    /// The first twelve hexadecimal digits: enough for people, never for a decision.
    pub fn short(&self) -> String {
        self.hex().chars().take(12).collect()
    }
}

/// The digest of no bytes.
impl Default for Digest {
    fn default() -> Self {
        Self::of(b"")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        parse(text).ok_or_else(|| InvalidDigest(text.chars().take(100).collect()))
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

fn parse(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:")?.as_bytes();
    let mut bytes = [0; 32];
    if hex.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = hex_value(pair[0])? << 4 | hex_value(pair[1])?;
    }
    Some(Digest(bytes))
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn hex_digit(value: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_digest_round_trip() {
        let digest = Digest::of(b"{}");
        let text = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
    }

    #[test]
    fn anything_but_lower_case_sha256_is_refused() {
        let hex = Digest::of(b"").hex();
        for text in [
            format!("sha512:{hex}{hex}"),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{hex}0"),
            "sha256:../../../../etc/passwd".into(),
            hex,
            String::new(),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(InvalidDigest(text.chars().take(100).collect())));
        }
    }

    #[test]
    fn pieces_have_the_digest_of_the_whole() {
        let whole = [7; 1000];
        for length in [1, 63, 64, 65, 1000] {
            let mut hasher = Hasher::default();
            whole.chunks(length).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), Digest::of(&whole));
        }
        assert_eq!(Hasher::default().finish(), Digest::of(b""));
    }

    #[test]
    fn other_bytes_are_a_mismatch_that_names_both() {
        let mismatch = Digest::of(b"a").check(b"b").unwrap_err();
        assert_eq!(mismatch, Mismatch { expected: Digest::of(b"a"), actual: Digest::of(b"b") });
    }
}
