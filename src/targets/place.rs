//! The place where the objects of an installation go, read from its text once and written back as the same text.
//!
//! Apart from the target itself because a place is only named here: it can be typed, compared and recorded without
//! being reached.

use std::fmt;
use std::path::{Path, PathBuf};

use super::directory::Secrets;

/// Where the objects of an installation go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A Kubernetes cluster.
    Cluster {
        /// Its address. The kubeconfig may lead to another cluster some day.
        server: Option<String>,
        /// The kubeconfig that leads to it; none for those that kubectl would use.
        kubeconfig: Option<PathBuf>,
        /// The context of the kubeconfig; none for its current one.
        context: Option<String>,
    },
    /// A directory of manifests.
    Directory {
        /// Its path, absolute where it is recorded.
        path: PathBuf,
        /// How Secrets are written.
        secrets: Secrets,
        /// Its identity, which tells it from another one at the same path, where it is known.
        identity: Option<String>,
    },
}

/// A text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no target")]
pub struct InvalidPlace(String);

/// The text of a cluster.
pub(super) const CLUSTER: &str = "kube";

/// The prefix of a directory's text.
const DIRECTORY: &str = "dir:";

impl Place {
    /// The cluster that kubectl would use.
    pub fn cluster() -> Self {
        Self::Cluster { server: None, kubeconfig: None, context: None }
    }

    /// A directory, whose Secrets are written without credentials.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self::Directory { path: path.into(), secrets: Secrets::Omit, identity: None }
    }

    /// Reads the target of a plan, which names the address of a cluster beside it: `dir:PATH`, `kube (SERVER)`.
    ///
    /// # Errors
    /// [`InvalidPlace`] when it is neither.
    pub fn of_plan(target: &str) -> Result<Self, InvalidPlace> {
        let is_cluster = target.split_once(" (").is_some_and(|(word, _)| word == CLUSTER);
        if is_cluster { Ok(Self::cluster()) } else { target.parse() }
    }

    /// The address of a cluster, where it is known.
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Cluster { server, .. } => server.as_deref(),
            Self::Directory { .. } => None,
        }
    }

    /// Whether both are the same directory, or both a cluster. Clusters are told apart by what is in them: one cluster
    /// may have several addresses.
    pub fn is_same_target(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Directory { path, .. }, Self::Directory { path: other, .. }) => path == other,
            _ => self.is_cluster() && other.is_cluster(),
        }
    }

    /// Whether it is a cluster.
    pub fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }

    /// Whether Secrets are written with their values.
    pub fn has_plain_secrets(&self) -> bool {
        matches!(self, Self::Directory { secrets: Secrets::Plain, .. })
    }

    /// Sets how a directory's Secrets are written. Leaves a cluster as it is.
    #[must_use]
    pub fn with_secrets(self, secrets: Secrets) -> Self {
        match self {
            Self::Directory { path, identity, .. } => Self::Directory { path, secrets, identity },
            Self::Cluster { .. } => self,
        }
    }

    /// Sets the address of a cluster. Leaves a directory as it is.
    #[must_use]
    pub fn with_server(self, server: Option<String>) -> Self {
        match self {
            Self::Cluster { kubeconfig, context, .. } => Self::Cluster { server, kubeconfig, context },
            Self::Directory { .. } => self,
        }
    }

    /// The path of a directory, if it begins with a `~` that no shell has expanded.
    pub fn path_of_home(&self) -> Option<&str> {
        match self {
            Self::Directory { path, .. } => path.to_str().filter(|path| path.starts_with('~')),
            Self::Cluster { .. } => None,
        }
    }

    /// The identity of a directory, where it is known.
    pub fn identity(&self) -> Option<&str> {
        match self {
            Self::Directory { identity, .. } => identity.as_deref(),
            Self::Cluster { .. } => None,
        }
    }

    /// Sets the identity of a directory. Leaves a cluster as it is.
    #[must_use]
    pub fn with_identity(self, identity: Option<String>) -> Self {
        match self {
            Self::Directory { path, secrets, .. } => Self::Directory { path, secrets, identity },
            Self::Cluster { .. } => self,
        }
    }

    /// Sets the kubeconfig and context of a cluster. Leaves a directory as it is.
    #[must_use]
    pub fn reached_by(self, kubeconfig: Option<PathBuf>, context: Option<String>) -> Self {
        match self {
            Self::Cluster { server, .. } => Self::Cluster { server, kubeconfig, context },
            Self::Directory { .. } => self,
        }
    }

    /// Changes the path of a directory. Leaves a cluster as it is.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn try_map_path<E>(self, change: impl FnOnce(&Path) -> Result<PathBuf, E>) -> Result<Self, E> {
        match self {
            Self::Directory { path, secrets, identity } => {
                Ok(Self::Directory { path: change(&path)?, secrets, identity })
            }
            Self::Cluster { .. } => Ok(self),
        }
    }
}

/// The cluster that kubectl would use.
impl Default for Place {
    fn default() -> Self {
        Self::cluster()
    }
}

impl std::str::FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(DIRECTORY) {
            Some(path) if !path.is_empty() => Ok(Self::directory(path)),
            None if text == CLUSTER => Ok(Self::cluster()),
            Some(_) | None => Err(InvalidPlace(text.into())),
        }
    }
}

/// `dir:PATH` or `kube`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { .. } => f.write_str(CLUSTER),
            Self::Directory { path, .. } => write!(f, "{DIRECTORY}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read_once_and_written_back() {
        for text in ["kube", "dir:/rendered", "dir:a/b"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in ["", "kubernetes", "dir:", "/rendered", "kube (https://x)", "Kube"] {
            assert_eq!(text.parse::<Place>().unwrap_err().to_string(), format!("`{text}` is no target"));
        }
    }

    #[test]
    fn the_target_of_a_plan_names_a_server_too() {
        assert_eq!(Place::of_plan("kube (https://a:6443)"), Ok(Place::cluster()));
        assert_eq!(Place::of_plan("kube"), Ok(Place::cluster()));
        assert_eq!(Place::of_plan("dir:/a (b)"), Ok(Place::directory("/a (b)")));
        assert!(Place::of_plan("kubernetes (x)").is_err());
    }

    #[test]
    fn a_path_that_no_shell_expanded_is_told_from_one_that_is_meant() {
        let of = |text: &str| text.parse::<Place>().unwrap().path_of_home().map(str::to_owned);
        assert_eq!((of("dir:~/t").as_deref(), of("dir:~").as_deref()), (Some("~/t"), Some("~")));
        assert_eq!((of("dir:./~t"), of("dir:/~"), of("kube")), (None, None, None));
    }

    #[test]
    fn two_addresses_may_be_one_cluster_and_two_paths_are_two_directories() {
        let at = |server: &str| Place::cluster().with_server(Some(server.into()));
        assert!(at("https://a").is_same_target(&at("https://b")));
        assert!(!at("https://a").is_same_target(&Place::directory("/a")));
        assert!(!Place::directory("/a").is_same_target(&Place::directory("/b")));
        let plain = Place::directory("/a").with_secrets(Secrets::Plain);
        assert!(plain.is_same_target(&Place::directory("/a")));
    }

    #[test]
    fn a_directory_is_reached_by_its_path_alone() {
        assert_eq!(Place::directory("/a").reached_by(Some("/k".into()), None), Place::directory("/a"));
    }
}
