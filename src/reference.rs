//! References: where a bundle is, as a person types it, parsed once and kept.
//!
//! `registry.example/acme/web:1.2@sha256:…` · `layout:DIR[:TAG][@sha256:…]` ·
//! `archive:FILE[:TAG][@sha256:…]` · a path. There is no
//! implicit registry and no implicit `latest`: what is not written is not guessed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::Digest;

mod host;

pub use host::{InvalidHost, check_host, check_registry};

/// Where a bundle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `archive:FILE[:TAG][@DIGEST]`: an OCI image layout as one tar file.
    Archive(ArchiveReference),
    /// `layout:DIR[:TAG][@DIGEST]`: an OCI image layout.
    Layout(LayoutReference),
    /// `/…`, `./…` or `../…`: a source directory, layout or archive, whichever is found there.
    Path(PathBuf),
    /// `REGISTRY/REPOSITORY[:TAG][@DIGEST]`: a bundle in a registry.
    Registry(RegistryReference),
}

/// A bundle in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveReference {
    /// The tar file.
    pub file: PathBuf,
    /// The tag. None where the archive holds one bundle.
    pub tag: Option<String>,
    /// The digest that the bundle must have.
    pub digest: Option<Digest>,
}

/// A bundle in an OCI image layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutReference {
    /// The directory that holds `oci-layout` and `index.json`.
    pub directory: PathBuf,
    /// The tag, an `org.opencontainers.image.ref.name` of the layout's index. None where the layout holds one bundle.
    pub tag: Option<String>,
    /// The digest that the bundle must have.
    pub digest: Option<Digest>,
}

/// A bundle in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryReference {
    /// Host and port.
    pub host: String,
    /// Path of the repository, without a leading `/`.
    pub repository: String,
    /// The tag. A reference has a tag, a digest, or both.
    pub tag: Option<String>,
    /// The digest that the bundle must have.
    pub digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReference {
    /// A reference is no address of the web.
    #[error("`{}` is an address, and not a reference: write `{}`", .0.escape_debug(), .1.escape_debug())]
    Address(String, String),
    /// The part after `@` is not a digest.
    #[error(transparent)]
    Digest(#[from] crate::digest::InvalidDigest),
    /// Nothing follows `layout:` or `archive:`.
    #[error("`{}` names no file or directory", .0.escape_debug())]
    Empty(String),
    /// A shell did not expand a home directory.
    #[error(
        "`{}`: a shell expands a `~` only where a word begins, and nobody else does: write `$HOME` for it, or `./~` for a \
         file of that name",
        .0.escape_debug()
    )]
    Home(String),
    /// There is no registry host in front.
    #[error("`{text}` names no registry: write `HOST/{text}`, `layout:{text}` or `./{text}`", text = .0.escape_debug())]
    Host(String),
    /// Neither tag nor digest.
    #[error("`{}` has neither a tag nor a digest", .0.escape_debug())]
    Open(String),
    /// The repository is not a path of lower-case segments.
    #[error("`{}` is not the name of a repository", .0.escape_debug())]
    Repository(String),
    /// The registry has another spelling.
    #[error(transparent)]
    Spelling(#[from] InvalidHost),
    /// The tag does not follow the distribution specification.
    #[error("`{}` is not a tag", .0.escape_debug())]
    Tag(String),
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if let Some(rest) = text.strip_prefix("layout:") {
            return layout(rest).map(Self::Layout);
        }
        if let Some(file) = text.strip_prefix("archive:") {
            let LayoutReference { directory: file, tag, digest } = layout(file)?;
            return Ok(Self::Archive(ArchiveReference { file, tag, digest }));
        }
        if [".", ".."].contains(&text) || ["/", "./", "../"].iter().any(|start| text.starts_with(start)) {
            return path(text).map(Self::Path);
        }
        registry(text.strip_prefix("oci://").unwrap_or(text)).map(Self::Registry)
    }
}

impl Reference {
    /// Whether the bundle is on this machine. Only such a bundle may be run unsigned.
    pub fn is_local(&self) -> bool {
        !matches!(self, Self::Registry(_))
    }

    /// The digest that the bundle must have, if the reference says so.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Archive(archive) => archive.digest,
            Self::Layout(layout) => layout.digest,
            Self::Registry(registry) => registry.digest,
            Self::Path(_) => None,
        }
    }

    /// The same place by another path, where it has one.
    ///
    /// # Errors
    /// Those of the change.
    pub fn try_map_path<E>(self, change: impl FnOnce(&Path) -> Result<PathBuf, E>) -> Result<Self, E> {
        Ok(match self {
            Self::Archive(archive) => {
                Self::Archive(ArchiveReference { file: change(&archive.file)?, ..archive })
            }
            Self::Layout(layout) => {
                Self::Layout(LayoutReference { directory: change(&layout.directory)?, ..layout })
            }
            Self::Path(path) => Self::Path(change(&path)?),
            registry @ Self::Registry(_) => registry,
        })
    }

    /// The bundle of this digest, in the same place. What a tag means by now does not matter.
    #[must_use]
    pub fn pinned(self, digest: Digest) -> Self {
        match self {
            Self::Archive(archive) => {
                Self::Archive(ArchiveReference { tag: None, digest: Some(digest), ..archive })
            }
            Self::Layout(layout) => {
                Self::Layout(LayoutReference { tag: None, digest: Some(digest), ..layout })
            }
            Self::Registry(registry) => {
                Self::Registry(RegistryReference { digest: Some(digest), ..registry })
            }
            path @ Self::Path(_) => path,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(archive) => {
                write!(f, "archive:{}", archive.file.display())?;
                suffix(f, archive.tag.as_deref(), archive.digest)
            }
            Self::Layout(layout) => {
                let directory = layout.directory.display().to_string();
                write!(f, "layout:{directory}")?;
                // A colon in its last part would begin a tag.
                let ends = directory.rsplit('/').next().is_some_and(|part| part.contains(':'));
                if ends && layout.tag.is_none() {
                    f.write_str("/")?;
                }
                suffix(f, layout.tag.as_deref(), layout.digest)
            }
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Registry(registry) => {
                write!(f, "{}/{}", registry.host, registry.repository)?;
                suffix(f, registry.tag.as_deref(), registry.digest)
            }
        }
    }
}

fn suffix(f: &mut fmt::Formatter<'_>, tag: Option<&str>, digest: Option<Digest>) -> fmt::Result {
    if let Some(tag) = tag {
        write!(f, ":{tag}")?;
    }
    digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
}

fn path(text: &str) -> Result<PathBuf, InvalidReference> {
    if text.starts_with('~') {
        return Err(InvalidReference::Home(text.into()));
    }
    if text.is_empty() { Err(InvalidReference::Empty(text.into())) } else { Ok(text.into()) }
}

fn layout(text: &str) -> Result<LayoutReference, InvalidReference> {
    let (rest, digest) = split_digest(text)?;
    // A colon inside the last path segment starts a tag; one before a `/` belongs to the path.
    let (directory, tag) = match rest.rsplit_once(':') {
        Some((directory, tag)) if !tag.contains('/') => (directory, Some(checked_tag(tag)?)),
        _ => (rest, None),
    };
    Ok(LayoutReference { directory: path(directory)?, tag, digest })
}

fn registry(text: &str) -> Result<RegistryReference, InvalidReference> {
    if let Some((scheme, rest)) = text.split_once("://") {
        // A user and password that stand before the host are told to nobody.
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        return Err(InvalidReference::Address(format!("{scheme}://…"), format!("{host}{path}")));
    }
    let (rest, digest) = split_digest(text)?;
    let (host, rest) = rest.split_once('/').ok_or_else(|| InvalidReference::Host(text.into()))?;
    if let Err(error) = check_registry(host) {
        let is_named = error.right.is_some();
        return Err(if is_named { error.into() } else { InvalidReference::Host(text.into()) });
    }
    let (repository, tag) = match rest.rsplit_once(':') {
        Some((repository, tag)) => (repository, Some(checked_tag(tag)?)),
        None => (rest, None),
    };
    if !repository.split('/').all(is_segment) {
        return Err(InvalidReference::Repository(repository.into()));
    }
    if tag.is_none() && digest.is_none() {
        return Err(InvalidReference::Open(text.into()));
    }
    Ok(RegistryReference { host: host.into(), repository: repository.into(), tag, digest })
}

fn split_digest(text: &str) -> Result<(&str, Option<Digest>), InvalidReference> {
    match text.rsplit_once('@') {
        // One before a `/` belongs to a path.
        Some((rest, digest)) if !digest.contains('/') => Ok((rest, Some(digest.parse()?))),
        _ => Ok((text, None)),
    }
}

/// A path segment of the distribution specification: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_segment(segment: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = segment.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b))
        && !["..", "___", "._", "_.", "-.", ".-", "-_", "_-"].iter().any(|pair| segment.contains(pair))
}

fn checked_tag(tag: &str) -> Result<String, InvalidReference> {
    let start = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let fits = tag.len() <= 128
        && tag.as_bytes().first().is_some_and(start)
        && tag.bytes().all(|b| start(&b) || b == b'.' || b == b'-');
    if fits { Ok(tag.into()) } else { Err(InvalidReference::Tag(tag.into())) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn what_is_parsed_prints_as_it_was_written() {
        for text in [
            "registry.example/acme/web:1.2".to_owned(),
            format!("registry.example/acme/web@{DIGEST}"),
            format!("localhost:5000/web:1.2@{DIGEST}"),
            "[::1]:5000/acme/web:1.2".into(),
            format!("[fd00::1]/web@{DIGEST}"),
            "layout:bundles/web".into(),
            "layout:./a:b/web:1.0".into(),
            format!("layout:bundles/web:1.0@{DIGEST}"),
            "layout:/home/a@b/web:1.0".into(),
            format!("layout:a:b/@{DIGEST}"),
            "archive:web.tar".into(),
            "archive:./a:b/web.tar:1.0".into(),
            format!("archive:web.tar@{DIGEST}"),
            "./web".into(),
            "/srv/web".into(),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        assert_eq!("oci://a.b/c:1".parse::<Reference>(), "a.b/c:1".parse());
        let odd = "layout:a:b:c".parse::<Reference>().unwrap().pinned(DIGEST.parse().unwrap());
        assert_eq!(odd.to_string().parse(), Ok(odd));
    }

    #[test]
    fn nothing_is_guessed() {
        for (text, reason) in [
            ("web", InvalidReference::Host("web".into())),
            ("acme/web:1.0", InvalidReference::Host("acme/web:1.0".into())),
            ("registry.example/web", InvalidReference::Open("registry.example/web".into())),
            ("registry.example/We/b:1", InvalidReference::Repository("We/b".into())),
            ("registry.example/../b:1", InvalidReference::Repository("../b".into())),
            ("registry.example/web:-1", InvalidReference::Tag("-1".into())),
            ("layout:", InvalidReference::Empty(String::new())),
            ("layout:~/web:1", InvalidReference::Home("~/web".into())),
            ("archive:~me/web.tar", InvalidReference::Home("~me/web.tar".into())),
            ("layout:x:", InvalidReference::Tag(String::new())),
        ] {
            assert_eq!(text.parse::<Reference>(), Err(reason), "{text}");
        }
        for text in ["Registry.example/web:1", "registry.example:0500/web:1", "[::0]:5000/web:1"] {
            assert!(matches!(text.parse::<Reference>(), Err(InvalidReference::Spelling(_))), "{text}");
        }
        for text in ["https://registry.example/web:1", "http://somebody:hunter2@registry.example/web:1"] {
            let told = text.parse::<Reference>().unwrap_err().to_string();
            assert!(told.ends_with("write `registry.example/web:1`") && !told.contains("hunter2"), "{told}");
        }
        assert!(matches!("a.b/c@sha256:xyz".parse::<Reference>(), Err(InvalidReference::Digest(_))));
    }

    /// Texts that look like references, right ones and wrong ones.
    fn text() -> impl Strategy<Value = String> {
        let place = "(oci://|layout:|archive:|\\./|\\.\\./|/)?[a-zA-Z0-9.:_/@ \\[\\]-]{0,20}";
        (place, "(:[a-zA-Z0-9._-]{0,6})?", proptest::bool::ANY).prop_map(|(place, tag, pinned)| {
            place + &tag + &if pinned { format!("@{DIGEST}") } else { String::new() }
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same_reference(text in text()) {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse(), Ok(reference.clone()), "{}", text);
                let written = text.strip_prefix("oci://").unwrap_or(&text);
                prop_assert_eq!(reference.to_string(), written);
            }
        }

        #[test]
        fn what_the_grammar_has_is_read_and_printed_as_it_is(
            host in "(localhost|([a-z0-9]{1,4}\\.){1,2}[a-z]{1,4}|\\[fd00::[1-9]\\])(:[1-9][0-9]{0,3})?",
            repository in "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z]{1,3}){0,2}",
            tag in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9._-]{0,9}"),
            is_pinned: bool,
        ) {
            let tag = tag.or_else(|| (!is_pinned).then(|| "1".to_owned())).map(|tag| format!(":{tag}"));
            let pin = if is_pinned { format!("@{DIGEST}") } else { String::new() };
            let text = format!("{host}/{repository}{}{pin}", tag.unwrap_or_default());
            prop_assert_eq!(text.parse::<Reference>().map(|read| read.to_string()), Ok(text));
        }

        #[test]
        fn an_error_is_plain(text in "\\PC{0,8}[\u{0}-\u{1f}\u{7f}-\u{9f}\u{202e}]{1,3}\\PC{0,8}") {
            if let Err(error) = text.parse::<Reference>() {
                prop_assert!(!error.to_string().chars().any(char::is_control), "{error}");
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse(), Ok(reference));
            }
        }
    }
}
