//! Turns PEM text into the bytes of its one block, and bytes into such text. Keys of both kinds are stored in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest key file that is read, in bytes. The longest that is of use has a few hundred.
pub(super) const MAX_PEM: usize = 16 << 10;

/// The bytes of the one PEM block that makes up `text`. Nothing but white space may stand around it: a file with two
/// keys would mean a different one to every reader.
pub(super) fn decode(text: &str, label: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_PEM {
        return None;
    }
    let body = text.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let body = body.strip_suffix(&format!("-----END {label}-----"))?;
    let base64: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(base64).ok()
}

/// One PEM block, 64 characters to the line.
pub(super) fn encode(label: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----");
    for (index, character) in STANDARD.encode(bytes).chars().enumerate() {
        if index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + &format!("\n-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for bytes in [&b""[..], b"x", &[7; 48], &[0; 4000]] {
            let text = encode("A KEY", bytes);
            assert_eq!(decode(&text, "A KEY").as_deref(), Some(bytes));
            assert!(text.lines().all(|line| line.len() <= 64));
            assert_eq!(decode(&text, "B KEY"), None);
            assert_eq!(decode(&format!("{text}{text}"), "A KEY"), None);
            assert_eq!(decode(&text[..text.len() - 2], "A KEY"), None);
        }
        assert_eq!(decode(&encode("A KEY", &[0; MAX_PEM]), "A KEY"), None);
        let text = encode("A KEY", b"x");
        let padded = |length: usize| decode(&format!("{text}{}", " ".repeat(length - text.len())), "A KEY");
        assert_eq!((padded(MAX_PEM).as_deref(), padded(MAX_PEM + 1)), (Some(&b"x"[..]), None));
    }
}
