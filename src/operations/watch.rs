//! Looks whether the files of a source directory change.

pub use crate::author::{Snapshot, is_there, snapshot};
