//! **carnet** runs installers that you do not have to trust.
//!
//! The modules stand in the order in which a bundle passes through them, and each uses only modules above it.
//! Terms are explained once, in the words and the glossary of `docs/design.md`.

#[cfg(all(doc, not(doctest)))]
#[doc = include_str!("../docs/design.md")]
pub mod design {}

pub mod sync;
mod subprocess;
pub mod digest;
pub mod reference;
pub mod document;
pub mod text;
pub mod oci;
pub mod bundle;
pub mod kubernetes;
pub mod capability;
pub mod signature;
pub mod fetch;
pub mod verify;
pub mod author;
pub mod grant;
pub mod cluster;
pub mod targets;
pub mod plan;
pub mod host;
pub mod run;
pub mod state;
pub mod install;
pub mod operations;
pub mod cli;
