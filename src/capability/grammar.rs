//! The grammar of the names in scopes: a text that could not name anything is refused when it is read, before it is
//! compared, shown or written anywhere.

use crate::document::shortened;
use crate::kubernetes::object::{is_kind, is_label, is_object_name, is_subdomain};

use super::InvalidScope;
use super::pattern::Pattern;

/// The most characters of a wrong name that are shown.
const MAX_SHOWN: usize = 100;

/// The longest name of anything, in bytes: that of a DNS subdomain.
const MAX_NAME: usize = 253;

/// The thing that a text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// A credential of a bundle.
    Credential,
    /// A file, by the name that a bundle knows.
    File,
    /// `group/Kind`, or a bare kind.
    Kind,
    /// A namespace.
    Namespace,
    /// An object of any kind.
    Object,
    /// A Secret.
    Secret,
}

impl Grammar {
    /// Reads a pattern of such names.
    ///
    /// # Errors
    /// [`InvalidScope`] for a text that is no pattern, and for one that no such name fits.
    pub(super) fn pattern(self, text: &str) -> Result<Pattern, InvalidScope> {
        let pattern = Pattern::parse(text)?;
        let fits = match &pattern {
            Pattern::Exact(name) => self.is_name(name),
            Pattern::Prefix(stem) => stem.is_empty() || self.is_beginning(stem),
        };
        if fits { Ok(pattern) } else { Err(self.fault(text)) }
    }

    /// Checks a name that is no pattern.
    ///
    /// # Errors
    /// [`InvalidScope::Name`] where it is none.
    pub(super) fn check(self, name: &str) -> Result<(), InvalidScope> {
        if self.is_name(name) { Ok(()) } else { Err(self.fault(name)) }
    }

    fn fault(self, text: &str) -> InvalidScope {
        let what = match self {
            Self::Credential => "the name of a credential: letters, digits, `.`, `_` and `-`",
            Self::File => "the name of a file: words of letters, digits and `._@+-`, with `/` between them",
            Self::Kind => "a kind: `Kind` or `group/Kind`",
            Self::Namespace => "the name of a namespace",
            Self::Object => "the name of an object",
            Self::Secret => "the name of a Secret",
        };
        InvalidScope::Name { what, text: shortened(text, MAX_SHOWN) }
    }

    fn is_name(self, name: &str) -> bool {
        match self {
            Self::Credential => is_word(name, b"._-") && !name.starts_with(['.', '-']),
            Self::File => name.split('/').all(is_file) && name.len() <= MAX_NAME,
            Self::Kind => match name.rsplit_once('/') {
                Some((group, kind)) => is_subdomain(group) && is_kind(group, kind),
                None => is_kind("", name),
            },
            Self::Namespace => is_label(name),
            Self::Object => is_object_name(name),
            Self::Secret => is_subdomain(name),
        }
    }

    /// Whether a name may begin so. A name that ends is longer than its beginning, so each of these can go on with `a`.
    fn is_beginning(self, stem: &str) -> bool {
        match self {
            Self::Kind => match stem.rsplit_once('/') {
                Some((group, kind)) => {
                    is_subdomain(group) && (kind.is_empty() || is_kind(group, &format!("{kind}a")))
                }
                None => is_kind("", stem) || is_subdomain(&format!("{stem}a")),
            },
            _ => self.is_name(&format!("{stem}a")),
        }
    }
}

/// Whether these are letters, digits and some marks.
fn is_word(text: &str, marks: &[u8]) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(fits)
}

/// A part of the name of a file. The name is no path, but people take it for one.
fn is_file(part: &str) -> bool {
    is_word(part, b"._@+-") && !part.starts_with('-') && ![".", ".."].contains(&part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_those_of_what_they_name() {
        use Grammar::{Credential, File, Kind, Namespace, Object, Secret};
        for (grammar, good, bad) in [
            (
                Credential,
                vec!["db-password", "a.b_C", "_x"],
                vec!["", "-a", ".a", "a b", "a'", "a;b", "a=b", "é"],
            ),
            (
                File,
                vec!["site.conf", "certs/*", ".ssh/id", "a@b"],
                vec!["", "/a", "a//b", "../a", "a/..", "-a", "a b", "a'b", "/*", "a//*", "../*", "a;*", "-*"],
            ),
            (
                Kind,
                vec![
                    "Pod",
                    "apps/Deployment",
                    "apps/*",
                    "apps/Dep*",
                    "*",
                    "app*",
                    "example.com/*",
                    "example.com/gizmo",
                    "example.com/my-gi*",
                ],
                vec![
                    "",
                    "pod",
                    "a/b/C",
                    "apps/",
                    "/Pod",
                    "Apps/Pod",
                    "Apps/*",
                    "Apps/Dep*",
                    "-a/Dep*",
                    "Pod';x",
                    "Po-d",
                    "a'*",
                    "apps/gizmo",
                    "example.com/-g",
                    "example.com/g_",
                ],
            ),
            (Namespace, vec!["prod", "team-*", "*"], vec!["", "Prod", "a.b", "-*", "$x", "a/b"]),
            (
                Object,
                vec!["web", "system:node", "me@example.com", ":a", "web-*", "a.b.*", "*"],
                vec!["", ".", "..", "web'", "a;b", "a$b*", "a/b"],
            ),
            (Secret, vec!["web", "a.b", "web-*"], vec!["a:b", "Web", "-a"]),
        ] {
            for text in good {
                assert!(grammar.pattern(text).is_ok(), "{grammar:?} {text}");
            }
            for text in bad {
                assert!(grammar.pattern(text).is_err(), "{grammar:?} {text}");
            }
        }
        // No file below it would have a name that is short enough.
        assert!(File.pattern(&format!("{}/*", "a".repeat(MAX_NAME))).is_err());
        assert!(File.pattern(&format!("{}/*", "a".repeat(MAX_NAME - 2))).is_ok());
        let long = "a".repeat(MAX_NAME + 1);
        assert!(
            [Credential, File, Kind, Namespace, Object, Secret].iter().all(|it| it.pattern(&long).is_err())
        );
    }

    proptest! {
        /// Whatever a name is of, it holds nothing that a shell or a terminal acts on.
        #[test]
        fn a_name_is_harmless(text in "(\\PC|[a-zA-Z/*.'\";$`&|<>(){}!~#\n\t -]){1,12}") {
            use Grammar::{Credential, File, Kind, Namespace, Object, Secret};
            for grammar in [Credential, File, Kind, Namespace, Object, Secret] {
                if grammar.pattern(&text).is_ok() {
                    let is_harmless = |c: char| c.is_ascii_alphanumeric() || "*/._@+:-".contains(c);
                    prop_assert!(text.chars().all(is_harmless), "{text:?}");
                }
            }
        }
    }
}
