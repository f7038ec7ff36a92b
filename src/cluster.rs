//! An API server: requests and responses, who asks, and an identity for one run.
//!
//! Knows how a server is reached and what its statuses mean. Of installations it knows only what an identity says of
//! the one that it acts for ([`Leftover`]): its name, as text. Everything that leaves this process for a cluster goes
//! through [`Server`].

pub mod concurrent;
mod unreachable;
mod watch;
mod response;
mod status;
mod write_right;
mod clock;
mod file;
mod plugin;
mod proxy;
mod kubeconfig;
mod credential;
mod connection;
mod request;
mod precondition;
mod endpoint;
mod connect;
mod server;
mod bindings;
mod diagnosis;
pub mod identity;

pub use bindings::Bindings;
pub use connect::{ConnectOptions, Unconfigured, contexts};
pub use credential::CredentialError;
pub use identity::{Leftover, ScopedIdentity, is_ours, written_for};
pub use kubeconfig::{InvalidKubeconfig, check_kubeconfig};
pub use plugin::PluginError;
pub use precondition::Precondition;
pub use server::Server;
pub use status::{Error, FieldConflict};
pub use write_right::WriteRight;

pub(crate) use diagnosis::{binds_with_pod, diagnosis};
pub(crate) use request::ApiRequest;
pub(crate) use response::ApiResponse;
pub(crate) use status::path_of;
pub(crate) use watch::{Watch, WatchEvent};
