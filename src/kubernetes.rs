//! Kubernetes as it is, without a server: objects, their names and kinds, when they are ready, who holds their fields, and
//! the rights in a cluster.
//!
//! Everything here is pure, and knows nothing of bundles, requests or grants. What talks to an API server is in
//! [`cluster`](crate::cluster).

pub mod annotations;
pub mod kinds;
pub mod object;
pub mod objects;
pub mod difference;
pub mod managed_fields;
pub mod readiness;
pub mod rbac;
