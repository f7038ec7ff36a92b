//! Capabilities that an operator denies, whatever else is granted.

use std::fmt::Display;

use crate::capability::Capabilities;
use crate::capability::files::FileScope;
use crate::capability::kubernetes::KubernetesScope;
use crate::capability::template::Names;
use crate::text::CommandLine;

use super::spec::{GrantSpec, InvalidGrant};

/// The capabilities that the operator denies.
#[derive(Debug, Default)]
pub(super) struct Refused {
    pub(super) kubernetes: KubernetesScope,
    pub(super) files: FileScope,
    credentials: Vec<String>,
    reveal: Vec<String>,
}

impl Refused {
    pub(super) fn resolve(grant: &GrantSpec, names: &Names) -> Result<Self, InvalidGrant> {
        Ok(Self {
            kubernetes: KubernetesScope::resolve(&grant.deny.kubernetes, names)?,
            files: FileScope::resolve(&grant.deny.files, names)?,
            credentials: grant.deny.credentials.clone(),
            reveal: grant.deny.reveal.clone(),
        })
    }

    /// Whether the credential of this name is refused altogether.
    pub(super) fn credential(&self, name: &str) -> bool {
        self.credentials.iter().any(|refused| refused == name)
    }

    /// Whether the value of the credential of this name may not be shown.
    pub(super) fn reveal(&self, name: &str) -> bool {
        self.credential(name) || self.reveal.iter().any(|refused| refused == name)
    }

    /// Whether anything of these capabilities is not denied.
    pub(super) fn leaves_any(&self, granted: &Capabilities) -> bool {
        let Capabilities { kubernetes, files, credentials, generate } = granted;
        let is_left = |name: &str| {
            credentials.allows_any_place(name) || credentials.allows_reveal(name) && !self.reveal(name)
        };
        !kubernetes.minus(&self.kubernetes).is_empty()
            || !self.files.covers(files)
            || credentials.names().any(|name| !self.credential(name) && is_left(name))
            || generate.names().any(|name| !self.credential(name))
    }

    /// The part of `wanted` that is not covered by `allowed`, or is denied, as lines.
    pub(super) fn missing(&self, allowed: &Capabilities, wanted: &Capabilities) -> Vec<CommandLine> {
        let mut lines = allowed.missing(wanted);
        let refused = wanted.kubernetes.intersect(&self.kubernetes).lines();
        lines.extend(refused.iter().map(|line| refusal("# refused by deny:", line)));
        let files = wanted.files.intersect(&self.files);
        lines.extend(files.names().map(|name| refusal("# refused by deny: the file", name)));
        let credentials = wanted.credentials.names().chain(wanted.generate.names()).filter(|name| {
            self.credential(name)
                || (wanted.credentials.allows_reveal(name)
                    && self.reveal.iter().any(|refused| refused == name))
        });
        lines.extend(credentials.map(|name| refusal("# refused by deny: the credential", name)));
        lines
    }
}

/// A line beside those that would grant something: a comment, since no flag does.
fn refusal(what: &'static str, name: impl Display) -> CommandLine {
    CommandLine::of(what).quoted(name)
}
