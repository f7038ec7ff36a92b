//! The host API that a component can call: the host side of `wit/`, behind one gate.
//!
//! Each API has a file of the name of its WIT package: a view of what its functions may reach, and what they do with
//! it. Every function first passes the [gate], which counts it and hands it that view; then it asks the grant for a
//! permit; only then does anything happen. The inner result is returned to the component; an outer error ends the run,
//! because a limit was hit or the host itself failed.

pub mod progress;
pub mod meter;
pub mod told;
pub mod wait;
pub mod pass;
mod kubernetes;
mod files;
mod installation;
mod credentials;
mod wasi;
pub mod gate;
mod functions;

pub use credentials::{LentCredential, Supplied};
pub use files::{InputFiles, current};
pub use gate::Host;
pub use installation::{InstallationContext, Log};

/// The bindings that wasmtime generates from `wit/`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::as_conversions,
    clippy::unwrap_used,
    reason = "generated"
)]
pub mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "bundle",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "carnet:credentials/handles.credential": super::LentCredential },
    });
}

pub use bindings::carnet::types::types::Error as GuestError;

/// The longest name of a file or credential, in bytes. Without it a refusal would repeat megabytes to the operator.
const MAX_NAME: usize = 1024;

fn check_name(name: &str) -> Result<(), GuestError> {
    if name.len() > MAX_NAME {
        return Err(GuestError::Invalid(format!("a name has at most {MAX_NAME} bytes")));
    }
    Ok(())
}
