//! Reads `WWW-Authenticate` (RFC 9110, section 11.6.1): how a registry wants to be told who asks.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// A way to say who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token, which is made elsewhere.
    Bearer {
        /// The address where it is made.
        realm: String,
        /// The registry's name there.
        service: Option<String>,
    },
}

/// The longest text of a challenge that is read, in bytes.
const MAX_TEXT: usize = 8 << 10;

/// The ways that a response offers, of those that are known. Whatever cannot be read is none.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    texts.filter(|text| text.len() <= MAX_TEXT).flat_map(|text| Reader(text).challenges()).collect()
}

/// The rest of a text that is still to be read.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn challenges(mut self) -> Vec<Challenge> {
        let mut found = Vec::new();
        while let Some(scheme) = self.scheme() {
            let (mut realm, mut service) = (None, None);
            while let Some((name, value)) = self.parameter() {
                let place = match () {
                    () if name.eq_ignore_ascii_case("realm") => &mut realm,
                    () if name.eq_ignore_ascii_case("service") => &mut service,
                    () => continue,
                };
                // Readers would disagree about which of two counts.
                if place.replace(value).is_some() {
                    return found;
                }
            }
            match realm {
                _ if scheme.eq_ignore_ascii_case("basic") => found.push(Challenge::Basic),
                Some(realm) if scheme.eq_ignore_ascii_case("bearer") => {
                    found.push(Challenge::Bearer { realm, service });
                }
                _ => {}
            }
        }
        found
    }

    fn skip(&mut self, letters: &[char]) {
        self.0 = self.0.trim_start_matches(letters);
    }

    fn word(&mut self) -> Option<&'a str> {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/=".contains(letter);
        let end = self.0.find(|letter| !is_word(letter)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(word).filter(|word| !word.is_empty())
    }

    fn scheme(&mut self) -> Option<&'a str> {
        self.skip(&[' ', '\t', ',']);
        let scheme = self.word()?;
        Some(scheme).filter(|scheme| !scheme.contains('='))
    }

    /// The next `name=value`; none where another challenge begins.
    fn parameter(&mut self) -> Option<(&'a str, String)> {
        let before = self.0;
        self.skip(&[' ', '\t', ',']);
        let read = self.name_and_value();
        if read.is_none() {
            self.0 = before;
        }
        read
    }

    fn name_and_value(&mut self) -> Option<(&'a str, String)> {
        let end = self.0.find('=')?;
        let (name, rest) = self.0.split_at(end);
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !is_name {
            return None;
        }
        self.0 = rest.get(1..)?;
        let value = if self.0.starts_with('"') { self.quoted()? } else { self.unquoted()?.to_owned() };
        Some((name, value))
    }

    /// A value without quotes. Some registries write URLs so.
    fn unquoted(&mut self) -> Option<&'a str> {
        let end = self.0.find([' ', '\t', ',', '"']).unwrap_or(self.0.len());
        let (value, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(value).filter(|value| !value.is_empty())
    }

    fn quoted(&mut self) -> Option<String> {
        let mut letters = self.0.char_indices().skip(1);
        let mut value = String::new();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.0 = self.0.get(at + 1..)?;
                    return Some(value);
                }
                '\\' => value.push(letters.next()?.1),
                letter => value.push(letter),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(texts: &[&str]) -> Vec<Challenge> {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(text).unwrap());
        }
        challenges(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) }
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        for (text, expected) in [
            (r#"Basic realm="x""#, vec![Challenge::Basic]),
            ("Basic", vec![Challenge::Basic]),
            (
                r#"Bearer realm="https://a.example/token",service="registry",scope="repository:a/b:pull,push""#,
                vec![bearer("https://a.example/token", Some("registry"))],
            ),
            (
                r#"bearer  REALM="https://a.example/t?x=y" , error="x""#,
                vec![bearer("https://a.example/t?x=y", None)],
            ),
            (
                "Bearer realm=https://a.example/t, Basic",
                vec![bearer("https://a.example/t", None), Challenge::Basic],
            ),
            (
                r#"Negotiate, Basic realm="a, Bearer realm=\"x\"", Bearer realm="https://b",service=s"#,
                vec![Challenge::Basic, bearer("https://b", Some("s"))],
            ),
            (r#"Bearer service="x""#, vec![]),
            (r#"Bearer realm="https://a""#, vec![bearer("https://a", None)]),
            (r#"Bearer realm="https://a",realm="https://b""#, vec![]),
            (r#"Bearer realm="https://a"#, vec![]),
            ("", vec![]),
        ] {
            assert_eq!(read(&[text]), expected, "{text}");
        }
        assert_eq!(read(&["Basic", r#"Bearer realm="r""#]), [Challenge::Basic, bearer("r", None)]);
        assert!(read(&[&format!("Basic realm=\"{}\"", "x".repeat(MAX_TEXT))]).is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in "[ -~]{0,200}") {
            drop(read(&[&text]));
        }

        #[test]
        fn no_realm_comes_out_of_a_text_that_did_not_hold_it(text in "(Bearer |Basic |realm=|service=|\"|\\\\|,| |a){0,12}") {
            for challenge in read(&[&text]) {
                if let Challenge::Bearer { realm, .. } = challenge {
                    prop_assert!(text.replace('\\', "").contains(&realm.replace('\\', "")));
                }
            }
        }
    }
}
