//! The words for what a component may do: what it imports, what its author requests, and the scopes of both.

pub mod kinds;
pub mod object;
