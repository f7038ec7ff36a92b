//! Grants as an operator wrote them: grant files and flags, merged.
//!
//! Grants only ever add up: one more file or flag never takes power away, except by a `deny`, which always wins.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::InvalidScope;
use crate::capability::credentials::CredentialText;
use crate::capability::credentials::generate::GenerateText;
use crate::capability::files::FileText;
use crate::capability::kubernetes::RuleText;
use crate::digest::Digest;
use crate::document;

use super::limits::{InvalidLimit, LimitTexts};

/// A grant file: `apiVersion: carnet.dev/v1alpha1`, `kind: Grant`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantFile {
    /// `carnet.dev/v1alpha1`.
    pub api_version: String,
    /// `Grant`.
    pub kind: String,
    /// Its name, for people.
    pub metadata: Metadata,
    /// The bundle it is for, and what it may do.
    pub spec: GrantFileSpec,
}

/// The name of a document.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name.
    pub name: String,
}

/// A grant for one bundle, pinned to its digest.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantFileSpec {
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
    /// Denied capabilities, whatever else is granted.
    #[serde(default, skip_serializing_if = "Deny::is_empty")]
    pub deny: Deny,
    /// Limits of the run.
    #[serde(default, skip_serializing_if = "LimitTexts::is_empty")]
    pub limits: LimitTexts,
}

/// A grant. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GrantSpec {
    /// Objects.
    pub kubernetes: Vec<RuleText>,
    /// Files.
    pub files: Vec<FileGrant>,
    /// Credentials.
    pub credentials: Vec<CredentialText>,
    /// Credentials that the host makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub generate: Vec<GenerateText>,
    /// Denied capabilities, whatever else is granted.
    pub deny: Deny,
    /// Limits of the run.
    pub limits: LimitTexts,
}

/// A file, bound to a path of the operator's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileGrant {
    /// The logical name, which the component knows; with a trailing `/*`, the files below a directory.
    pub name: String,
    /// The path, which it does not.
    pub path: PathBuf,
}

/// Denied capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Why a grant cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidGrant {
    /// The document has the wrong shape.
    #[error(transparent)]
    Document(#[from] document::InvalidDocument),
    /// `NAME=PATH` was expected.
    #[error("`{0}` is not of the form NAME=PATH")]
    File(String),
    /// A path that a shell would read otherwise.
    #[error("the path `{0}` begins with `~`, which means nothing here: write the whole path, or `./{0}`")]
    Home(String),
    /// Another kind of document.
    #[error(
        "this is `{}` of `{}`, not `Grant` of `carnet.dev/v1alpha1`",
        document::visible(.kind), document::visible(.api_version)
    )]
    Kind {
        /// Its `kind`.
        kind: String,
        /// Its `apiVersion`.
        api_version: String,
    },
    /// A limit that is no size or time.
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
    /// A rule that cannot be used.
    #[error(transparent)]
    Rule(#[from] InvalidScope),
    /// A bare `*`, which would cover objects unknown at the time.
    #[error("`{0}` allows everything by a bare `*`")]
    Wildcard(String),
}

impl GrantFile {
    /// Reads a grant file. Relative paths in it are below `base`.
    ///
    /// # Errors
    /// [`InvalidGrant`] with what cannot be used.
    pub fn parse(text: &str, base: &Path) -> Result<Self, InvalidGrant> {
        let mut document: Self = document::yaml_as(text)?;
        if (document.kind.as_str(), document.api_version.as_str()) != ("Grant", "carnet.dev/v1alpha1") {
            return Err(InvalidGrant::Kind { kind: document.kind, api_version: document.api_version });
        }
        for file in &mut document.spec.files {
            if file.path.as_os_str().to_string_lossy().starts_with('~') {
                return Err(InvalidGrant::Home(file.path.display().to_string()));
            }
            file.path = base.join(&file.path);
        }
        Ok(document)
    }
}

impl From<GrantFileSpec> for GrantSpec {
    fn from(pinned: GrantFileSpec) -> Self {
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

impl GrantSpec {
    /// Adds more of it. Of two values for one limit, the larger counts.
    ///
    /// # Errors
    /// [`InvalidGrant::Limit`] for a limit that is no size or time.
    pub fn add(&mut self, more: Self) -> Result<(), InvalidGrant> {
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

    /// Refuses a bare `*`, which would cover objects unknown at the time.
    ///
    /// # Errors
    /// [`InvalidGrant::Wildcard`] with the rule.
    pub fn check_bounded(&self) -> Result<(), InvalidGrant> {
        let everything = |texts: &[String]| texts.iter().any(|text| text == "*");
        for rule in &self.kubernetes {
            if everything(&rule.kinds) || everything(&rule.namespaces) || everything(&rule.names) {
                return Err(InvalidGrant::Wildcard(rule.to_string()));
            }
        }
        let file = self.files.iter().find(|file| file.name == "*");
        file.map_or(Ok(()), |file| Err(InvalidGrant::Wildcard(file.name.clone())))
    }
}

impl FileGrant {
    /// Reads `NAME=PATH`.
    ///
    /// # Errors
    /// [`InvalidGrant::File`] for another form.
    pub fn parse(text: &str) -> Result<Self, InvalidGrant> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(Self { name: name.into(), path: path.into() })
            }
            _ => Err(InvalidGrant::File(text.into())),
        }
    }
}

impl Deny {
    /// Whether nothing is refused.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn of_two_limits_the_larger_counts() {
        let limits = |memory: &str| LimitTexts { memory: Some(memory.into()), ..LimitTexts::default() };
        let mut grant = GrantSpec { limits: limits("1Gi"), ..GrantSpec::default() };
        grant.add(GrantSpec { limits: limits("64Mi"), ..GrantSpec::default() }).unwrap();
        assert_eq!(grant.limits, limits("1Gi"));
    }

    #[test]
    fn a_path_is_below_the_grant_and_never_somebodys_home() {
        let digest = Digest::of(b"");
        let read = |path: &str| {
            let text = format!(
                "apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata: {{name: x}}\n\
                 spec: {{bundle: '{digest}', files: [{{name: a, path: {path}}}]}}"
            );
            GrantFile::parse(&text, Path::new("/g")).map(|grant| grant.spec.files[0].path.clone())
        };
        assert_eq!(read("b").unwrap(), Path::new("/g/b"));
        assert!(matches!(read("~/b"), Err(InvalidGrant::Home(path)) if path == "~/b"));
    }

    #[test]
    fn an_unknown_member_of_a_grant_is_refused() {
        let digest = Digest::of(b"");
        let text = format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata: {{name: x}}\nspec: {{bundle: '{digest}', network: all}}"
        );
        let error = GrantFile::parse(&text, Path::new("")).unwrap_err().to_string();
        assert!(error.contains("network"), "{error}");
    }

    /// A grant of one of everything, which denies one of everything.
    fn whole() -> Value {
        let rule = json!({"verbs": ["get"], "kinds": ["Pod"], "namespaces": ["a"], "names": ["b"]});
        json!({
            "kubernetes": [rule], "files": [{"name": "a", "path": "/a"}], "credentials": [{"name": "c"}],
            "generate": [{"name": "d", "into": ["a/Secret/b"]}],
            "deny": {"kubernetes": [rule], "files": [{"name": "a"}], "credentials": ["c"], "reveal": ["c"]},
            "limits": {"memory": "1Mi"},
        })
    }

    #[test]
    fn what_is_added_is_granted_or_denied_beside_what_was() {
        let whole: GrantSpec = serde_json::from_value(whole()).unwrap();
        let mut twice = whole.clone();
        twice.add(whole.clone()).unwrap();
        let doubled = |value: &Value| json!([value[0], value[0]]);
        let (once, twice) = (serde_json::to_value(&whole).unwrap(), serde_json::to_value(&twice).unwrap());
        for member in ["kubernetes", "files", "credentials", "generate"] {
            assert_eq!(twice[member], doubled(&once[member]), "{member}");
        }
        for member in ["kubernetes", "files", "credentials", "reveal"] {
            assert_eq!(twice["deny"][member], doubled(&once["deny"][member]), "{member}");
        }
        assert_eq!(twice["limits"], once["limits"]);
    }

    #[test]
    fn a_grant_file_says_all_that_a_grant_does() {
        let mut pinned = whole();
        pinned["bundle"] = json!(Digest::of(b""));
        let pinned: GrantFileSpec = serde_json::from_value(pinned).unwrap();
        assert_eq!(serde_json::to_value(GrantSpec::from(pinned)).unwrap(), whole());
    }

    #[test]
    fn a_bare_star_is_refused_in_each_place_and_no_other_is() {
        assert!(serde_json::from_value::<GrantSpec>(whole()).unwrap().check_bounded().is_ok());
        for pointer in
            ["/kubernetes/0/kinds/0", "/kubernetes/0/namespaces/0", "/kubernetes/0/names/0", "/files/0/name"]
        {
            let with = |text: &str| {
                let mut grant = whole();
                *grant.pointer_mut(pointer).unwrap() = text.into();
                serde_json::from_value::<GrantSpec>(grant).unwrap().check_bounded()
            };
            assert!(matches!(with("*"), Err(InvalidGrant::Wildcard(_))), "{pointer}");
            assert!(with("a*").is_ok(), "{pointer}");
        }
    }

    #[test]
    fn a_file_is_bound_by_a_name_and_a_path() {
        let parsed = |text| FileGrant::parse(text).map(|file| (file.name, file.path));
        assert_eq!(parsed("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        for odd in ["", "=", "a=", "=b", "a"] {
            assert!(matches!(parsed(odd), Err(InvalidGrant::File(text)) if text == odd), "{odd}");
        }
    }

    #[test]
    fn who_denies_anything_denies() {
        assert!(Deny::default().is_empty());
        let all: Deny = serde_json::from_value(whole()["deny"].clone()).unwrap();
        for one in [
            Deny { kubernetes: all.kubernetes, ..Deny::default() },
            Deny { files: all.files, ..Deny::default() },
            Deny { credentials: all.credentials, ..Deny::default() },
            Deny { reveal: all.reveal, ..Deny::default() },
        ] {
            assert!(!one.is_empty(), "{one:?}");
        }
    }
}
