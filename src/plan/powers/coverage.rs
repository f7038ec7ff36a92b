//! How much is known of the cluster beside the plan.

/// How much is known of rights in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All that there is.
    All,
    /// The target is a directory.
    Directory,
    /// Nobody looks at the plan, so nobody asked.
    NotAsked,
    /// Not all of it could be read.
    Part,
}
