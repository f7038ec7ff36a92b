//! Turns a source directory into a signed bundle.

pub mod key;
