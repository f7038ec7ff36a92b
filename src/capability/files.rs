//! The scope of `carnet:files`: logical names, never paths.

use std::collections::BTreeSet;
use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::InvalidScope;
use super::grammar::Grammar;
use super::invalid_scope::check_count;
use super::kubernetes::patterns;
use super::pattern::Pattern;
use super::template::{Names, outline};
use crate::text::CommandLine;

/// A set of logical file names. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FileScope(BTreeSet<Pattern>);

/// A file, or with a trailing `*` the files below a directory, as a document names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileText {
    /// The logical name, such as `site.conf` or `certs/*`.
    pub name: String,
}

/// The flag that hands over a file of this name.
pub fn flag(name: impl Display) -> CommandLine {
    CommandLine::of("--allow-file").quoted(format_args!("{name}=PATH"))
}

impl FileText {
    /// The name with any value in the place of its placeholders.
    ///
    /// # Errors
    /// [`InvalidScope`] for a placeholder that is none.
    pub(super) fn outlined(&self) -> Result<Self, InvalidScope> {
        Ok(Self { name: outline(&self.name, "x")? })
    }
}

/// The files of one name, or those below a directory.
///
/// # Errors
/// [`InvalidScope`] for a text that names none.
pub fn pattern(text: &str, names: &Names) -> Result<Pattern, InvalidScope> {
    Grammar::File.pattern(&names.fill(text)?)
}

impl FileScope {
    /// The files with these names.
    pub fn of(names: impl IntoIterator<Item = Pattern>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Reads names and fills their placeholders.
    ///
    /// # Errors
    /// [`InvalidScope`] with the text that cannot be used.
    pub fn resolve(files: &[FileText], names: &Names) -> Result<Self, InvalidScope> {
        check_count(files.len())?;
        let texts: Vec<_> = files.iter().map(|file| file.name.clone()).collect();
        patterns(&texts, names, Grammar::File).map(Self)
    }

    /// Whether the file of this name is in the set.
    pub fn allows(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether every file of `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        self.missing(other).next().is_none()
    }

    /// The names of `other` that are not in this set.
    pub fn missing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Pattern> {
        other.0.iter().filter(|name| !self.0.iter().any(|pattern| pattern.covers(name)))
    }

    /// The files that are in both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self(self.0.iter().flat_map(|a| other.0.iter().filter_map(|b| a.intersect(b))).collect())
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &Pattern> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(names: &[&str]) -> FileScope {
        let files: Vec<_> = names.iter().map(|name| FileText { name: (*name).into() }).collect();
        FileScope::resolve(&files, &Names::default()).unwrap()
    }

    #[test]
    fn files_are_compared_by_name_and_below_a_directory() {
        let all = scope(&["site.conf", "certs/*"]);
        let cases: [(&[&str], &[&str], &[&str]); 6] = [
            (&[], &[], &[]),
            (&["site.conf"], &[], &["site.conf"]),
            (&["certs/*"], &[], &["certs/*"]),
            (&["certs/ca.pem", "site.conf"], &[], &["certs/ca.pem", "site.conf"]),
            (&["site.conf2", "certs"], &["certs", "site.conf2"], &[]),
            (&["c*"], &["c*"], &["certs/*"]),
        ];
        for (names, missing, common) in cases {
            let other = scope(names);
            let found: Vec<_> = all.missing(&other).map(ToString::to_string).collect();
            assert_eq!(found, missing, "{names:?}");
            assert_eq!(all.covers(&other), missing.is_empty(), "{names:?}");
            assert_eq!(all.intersect(&other), scope(common), "{names:?}");
            assert_eq!(other.intersect(&all), scope(common), "{names:?}");
        }
        assert!(all.allows("site.conf") && all.allows("certs/a/b.pem"));
        assert!(!all.allows("site.conf2") && !all.allows("certs") && !scope(&[]).allows("site.conf"));
        assert_eq!(scope(&["b", "a"]).names().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b"]);
    }
}
