//! Writes grants, and checks them against bundles.

mod write;
pub mod new;
pub mod check;
