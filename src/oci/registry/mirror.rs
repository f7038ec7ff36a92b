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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_its_own_name_or_one_below_the_path() {
        let named = |below: Option<&str>| {
            Mirror { host: "m.example".into(), below: below.map(str::to_owned) }.repository("acme/web")
        };
        assert_eq!((&*named(None), &*named(Some("cache/a"))), ("acme/web", "cache/a/acme/web"));
    }
}
