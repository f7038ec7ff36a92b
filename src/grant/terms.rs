//! What an operator allows, as they wrote it: grant files and flags, merged.
//!
//! Terms only ever add up: one more file or flag never takes power away, except by a `deny`, which always wins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::capability::credentials::CredentialText;
use crate::capability::credentials::generate::GenerateText;
use crate::capability::files::FileText;
use crate::capability::kubernetes::{self, RuleText};
use crate::digest::Digest;
use crate::document;

/// A grant file: `apiVersion: carnet.dev/v1alpha1`, `kind: Grant`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// `carnet.dev/v1alpha1`.
    pub api_version: String,
    /// `Grant`.
    pub kind: String,
    /// Its name, for people.
    pub metadata: Metadata,
    /// The bundle it is for, and what it may do.
    pub spec: Pinned,
}

/// The name of a document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name.
    pub name: String,
}

/// Terms for one bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The digest of the bundle's index.
    pub bundle: Digest,
    /// Objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kubernetes: Vec<RuleText>,
    /// Files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileGrant>,
    /// Credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialText>,
    /// Credentials that the host makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generate: Vec<GenerateText>,
    /// What is refused, whatever else is granted.
    #[serde(default, skip_serializing_if = "Deny::is_empty")]
    pub deny: Deny,
    /// Limits of the run.
    #[serde(default, skip_serializing_if = "LimitTexts::is_empty")]
    pub limits: LimitTexts,
}

/// What an operator allows. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// Objects.
    pub kubernetes: Vec<RuleText>,
    /// Files.
    pub files: Vec<FileGrant>,
    /// Credentials.
    pub credentials: Vec<CredentialText>,
    /// Credentials that the host makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub generate: Vec<GenerateText>,
    /// What is refused, whatever else is granted.
    pub deny: Deny,
    /// Limits of the run.
    pub limits: LimitTexts,
}

/// A file, bound to a path of the operator's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileGrant {
    /// The logical name, which the component knows; with a trailing `/*`, the files below a directory.
    pub name: String,
    /// The path, which it does not.
    pub path: PathBuf,
}

/// What is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deny {
    /// Objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kubernetes: Vec<RuleText>,
    /// Files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileText>,
    /// Credentials, by name, those that are made included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<String>,
    /// Credentials that may not be shown, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reveal: Vec<String>,
}

/// Limits, as written: `64Mi`, `60s`, `10000`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitTexts {
    /// Memory of the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// The component's own time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Calls to the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_calls: Option<u64>,
    /// Bytes handed over in calls, in both directions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// Bytes of log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// What a run may use up. Each is a bound on what a hostile component could take from its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory and tables, 64 MiB. Without it the component could have all of the machine's.
    pub memory: u64,
    /// The component's own time, 60 s; waiting for the target does not count. Without it a loop would never end.
    pub timeout: Duration,
    /// Calls to the host, 10,000. Without it a loop of calls would load the target for as long as the time limit lets.
    pub host_calls: u64,
    /// Bytes handed over in calls, 64 MiB. Without it overlapping texts in one call could be lifted into terabytes.
    pub bytes: u64,
    /// Bytes of log, 1 MiB. Without it the log would fill the disk.
    pub log: u64,
}

/// Why terms cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The document has the wrong shape.
    #[error(transparent)]
    Document(#[from] document::Invalid),
    /// `NAME=PATH` was expected.
    #[error("`{0}` is not of the form NAME=PATH")]
    File(String),
    /// Another kind of document.
    #[error("this is `{kind}` of `{api_version}`, not `Grant` of `carnet.dev/v1alpha1`")]
    Kind {
        /// Its `kind`.
        kind: String,
        /// Its `apiVersion`.
        api_version: String,
    },
    /// A limit that is no size or time.
    #[error("the limit `{0}` is not a size such as `64Mi` or a time such as `60s`")]
    Limit(String),
    /// A rule that cannot be used.
    #[error(transparent)]
    Rule(#[from] kubernetes::Invalid),
    /// A bare `*`, by which one would allow what nobody has seen.
    #[error("`{0}` allows everything by a bare `*`")]
    Wildcard(String),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            timeout: Duration::from_secs(60),
            host_calls: 10_000,
            bytes: 64 << 20,
            log: 1 << 20,
        }
    }
}

impl Document {
    /// Reads a grant file. Relative paths in it are below `base`.
    ///
    /// # Errors
    /// [`Invalid`] with what cannot be used.
    pub fn parse(text: &str, base: &Path) -> Result<Self, Invalid> {
        let mut document: Self = document::yaml_as(text)?;
        if (document.kind.as_str(), document.api_version.as_str()) != ("Grant", "carnet.dev/v1alpha1") {
            return Err(Invalid::Kind { kind: document.kind, api_version: document.api_version });
        }
        for file in &mut document.spec.files {
            file.path = base.join(&file.path);
        }
        Ok(document)
    }
}

impl From<Pinned> for Terms {
    fn from(pinned: Pinned) -> Self {
        Self {
            kubernetes: pinned.kubernetes,
            files: pinned.files,
            credentials: pinned.credentials,
            generate: pinned.generate,
            deny: pinned.deny,
            limits: pinned.limits,
        }
    }
}

impl Terms {
    /// Adds more terms. Of two values for one limit, the larger counts.
    ///
    /// # Errors
    /// [`Invalid::Limit`] for a limit that is no size or time.
    pub fn add(&mut self, more: Self) -> Result<(), Invalid> {
        self.limits = self.limits.larger(&more.limits)?;
        self.kubernetes.extend(more.kubernetes);
        self.files.extend(more.files);
        self.credentials.extend(more.credentials);
        self.generate.extend(more.generate);
        self.deny.kubernetes.extend(more.deny.kubernetes);
        self.deny.files.extend(more.deny.files);
        self.deny.credentials.extend(more.deny.credentials);
        self.deny.reveal.extend(more.deny.reveal);
        Ok(())
    }

    /// Refuses a bare `*`: it allows what nobody has seen.
    ///
    /// # Errors
    /// [`Invalid::Wildcard`] with the rule.
    pub fn check_bounded(&self) -> Result<(), Invalid> {
        let everything = |texts: &[String]| texts.iter().any(|text| text == "*");
        for rule in &self.kubernetes {
            if everything(&rule.kinds) || everything(&rule.namespaces) || everything(&rule.names) {
                return Err(Invalid::Wildcard(rule.to_string()));
            }
        }
        let file = self.files.iter().find(|file| file.name == "*");
        file.map_or(Ok(()), |file| Err(Invalid::Wildcard(file.name.clone())))
    }
}

impl FileGrant {
    /// Reads `NAME=PATH`.
    ///
    /// # Errors
    /// [`Invalid::File`] for another form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(Self { name: name.into(), path: path.into() })
            }
            _ => Err(Invalid::File(text.into())),
        }
    }
}

impl Deny {
    /// Whether nothing is refused.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl LimitTexts {
    /// Whether no limit is written.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The limits, with the defaults for those that are not written.
    ///
    /// # Errors
    /// [`Invalid::Limit`] for a limit that is no size or time.
    pub fn resolve(&self) -> Result<Limits, Invalid> {
        let default = Limits::default();
        let size = |text: &Option<String>, default| text.as_deref().map_or(Ok(default), parse_size);
        Ok(Limits {
            memory: size(&self.memory, default.memory)?,
            timeout: self.timeout.as_deref().map_or(Ok(default.timeout), parse_time)?,
            host_calls: self.host_calls.unwrap_or(default.host_calls),
            bytes: size(&self.bytes, default.bytes)?,
            log: size(&self.log, default.log)?,
        })
    }

    fn larger(&self, other: &Self) -> Result<Self, Invalid> {
        Ok(Self {
            memory: larger(&self.memory, &other.memory, parse_size)?,
            timeout: larger(&self.timeout, &other.timeout, parse_time)?,
            host_calls: self.host_calls.max(other.host_calls),
            bytes: larger(&self.bytes, &other.bytes, parse_size)?,
            log: larger(&self.log, &other.log, parse_size)?,
        })
    }
}

fn larger<T: Ord>(
    a: &Option<String>,
    b: &Option<String>,
    parse: fn(&str) -> Result<T, Invalid>,
) -> Result<Option<String>, Invalid> {
    Ok(match (a, b) {
        (Some(a), Some(b)) => Some(if parse(a)? < parse(b)? { b.clone() } else { a.clone() }),
        (some, None) | (None, some) => some.clone(),
    })
}

/// Reads a size as Kubernetes writes it: bytes, or with `Ki`, `Mi`, `Gi`.
fn parse_size(text: &str) -> Result<u64, Invalid> {
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("", 0)];
    let (digits, shift) = units
        .iter()
        .find_map(|(unit, shift)| text.strip_suffix(unit).map(|digits| (digits, *shift)))
        .unwrap_or((text, 0));
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    number.ok_or_else(|| Invalid::Limit(text.into()))
}

/// Reads a time: a whole number with `ms`, `s`, `m` or `h`.
///
/// # Errors
/// [`Invalid::Limit`] for anything else.
pub fn parse_time(text: &str) -> Result<Duration, Invalid> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let found = units
        .iter()
        .find_map(|(unit, millis)| Some((text.strip_suffix(unit)?.parse::<u64>().ok()?, *millis)));
    let millis = found.and_then(|(number, millis)| number.checked_mul(millis));
    millis.map(Duration::from_millis).ok_or_else(|| Invalid::Limit(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_or_refused() {
        assert_eq!(parse_size("64Mi").ok(), Some(64 << 20));
        assert_eq!(parse_size("1000").ok(), Some(1000));
        assert_eq!(parse_time("90s").ok(), Some(Duration::from_secs(90)));
        assert_eq!(parse_time("250ms").ok(), Some(Duration::from_millis(250)));
        for text in ["", "Mi", "-1", "64MB", "99999999999Gi", "1.5s", "s"] {
            assert!(parse_size(text).is_err() && parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn of_two_limits_the_larger_counts() {
        let limits = |memory: &str| LimitTexts { memory: Some(memory.into()), ..LimitTexts::default() };
        let mut terms = Terms { limits: limits("1Gi"), ..Terms::default() };
        terms.add(Terms { limits: limits("64Mi"), ..Terms::default() }).unwrap();
        assert_eq!(terms.limits, limits("1Gi"));
    }

    #[test]
    fn an_unknown_member_of_a_grant_is_refused() {
        let digest = Digest::of(b"");
        let text = format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata: {{name: x}}\nspec: {{bundle: '{digest}', network: all}}"
        );
        let error = Document::parse(&text, Path::new("")).unwrap_err().to_string();
        assert!(error.contains("network"), "{error}");
    }
}
