//! Kubernetes as it is, without a server: objects, their names and kinds, when they are ready, who holds their fields,
//! and the rights in a cluster.
//!
//! Everything here is pure, and knows nothing of bundles, requests or grants. Of carnet's own there are two things: the
//! labels and annotations that say which installation an object is of ([`metadata`]), and what a run's identity
//! consists of ([`IdentityRecord`](rbac::IdentityRecord)). What talks to an API server is in
//! [`cluster`](crate::cluster).

pub mod api;
pub mod resource;
pub mod object;
pub mod metadata;
pub mod kinds;
pub mod manifest;
pub mod objects;
pub mod path;
pub mod definition;
pub mod fields;
pub mod order;
pub mod difference;
pub mod managed_fields;
pub mod foreign_fields;
pub mod readiness;
pub mod rbac;
