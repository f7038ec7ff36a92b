//! The field manager of an installation: the name under which the server knows who applied an object.

use std::fmt;

use crate::digest::Digest;

/// The longest name of a field manager that the API server accepts, in characters.
const MAX_MANAGER: usize = 128;

/// The installation that owns what is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The namespace of the installation.
    pub namespace: String,
    /// Its name.
    pub installation: String,
}

impl Owner {
    /// Reads `NAMESPACE/NAME`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (namespace, installation) = text.split_once('/')?;
        Some(Self { namespace: namespace.into(), installation: installation.into() })
    }

    /// `carnet/NAMESPACE/INSTALLATION`. A name that is too long for the server ends in a hash of the whole.
    pub(super) fn manager(&self) -> String {
        let full = format!("carnet/{}/{}", self.namespace, self.installation);
        if full.chars().count() <= MAX_MANAGER {
            return full;
        }
        let hash: String = Digest::of(full.as_bytes()).hex().chars().take(32).collect();
        format!("{}-{hash}", full.chars().take(MAX_MANAGER - 33).collect::<String>())
    }
}

/// `NAMESPACE/NAME`, as objects name their owner.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.installation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_owner_still_has_a_field_manager_of_its_own() {
        let of = |namespace: &str, installation: &str| {
            Owner { namespace: namespace.into(), installation: installation.into() }.manager()
        };
        assert_eq!(of("prod", "web"), "carnet/prod/web");
        let long = "n".repeat(63);
        let (one, other) = (of(&long, &"i".repeat(80)), of(&long, &"i".repeat(81)));
        assert_eq!((one.len(), other.len()), (MAX_MANAGER, MAX_MANAGER));
        assert_ne!(one, other);
    }
}
