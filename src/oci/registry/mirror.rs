//! A registry that has what another one has.

/// A registry that has what another one has, for those who read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Host and port.
    pub host: String,
    /// The path below which it has the repositories of the other one; none where they have their own names.
    pub below: Option<String>,
}

impl Mirror {
    /// The name of a repository there.
    pub(super) fn repository(&self, name: &str) -> String {
        self.below.as_ref().map_or_else(|| name.to_owned(), |below| format!("{below}/{name}"))
    }
}
