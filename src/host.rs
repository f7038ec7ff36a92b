//! What a component can call: the host side of `wit/`, behind one gate.
//!
//! Each API has a file of the name of its WIT package: a view of what it may reach, the trait that the bindings ask for,
//! and nothing else. Every function first passes the [`Meter`] and then asks the grant for a permit; only then does
//! anything happen. An answer to the component is the inner result; the outer one ends the run, because a limit was hit
//! or the host itself failed.

pub mod meter;
pub mod watch;
pub mod wait;
pub mod work;
pub mod remove;
mod credentials;
mod files;
mod installation;
mod kubernetes;
mod wasi;

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::grant::{Denied, Granted};

pub use credentials::{Credential, Supplied};
pub use installation::{Context, Installation, Log};

use kubernetes::Kubernetes;
use meter::Meter;
use work::Work;

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
        with: { "carnet:credentials/handles.credential": super::Credential },
    });
}

pub use bindings::carnet::types::types::Error as GuestError;

/// The most resources that a component may hold at once. Without it handles would pile up in the host's memory, outside
/// the component's own.
const MAX_RESOURCES: usize = 10_000;

/// The state of one run.
pub struct Host {
    granted: Arc<Granted>,
    /// What the run uses up.
    pub meter: Meter,
    /// What it does to its target.
    pub work: Work,
    /// What it says about itself.
    pub installation: Installation,
    credentials: Supplied,
    /// The operator's files as they were first read: they read the same all through one run.
    files: BTreeMap<String, Result<String, GuestError>>,
    table: ResourceTable,
    wasi: WasiCtx,
    /// Calls that were not permitted, in order.
    pub denials: Vec<Denied>,
}

impl Host {
    /// A host for one pass over a target.
    pub fn new(granted: Arc<Granted>, context: Context, credentials: Supplied, work: Work) -> Self {
        let meter = Meter::new(granted.limits());
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let log = Log::new(Arc::clone(&work.watcher));
        let wasi = wasi::context(&context, &meter, &log);
        Self {
            installation: Installation::new(context, log),
            granted,
            meter,
            work,
            credentials,
            files: BTreeMap::new(),
            table,
            wasi,
            denials: Vec::new(),
        }
    }

    /// Adds every function of the host API.
    ///
    /// # Errors
    /// When a function is defined twice.
    pub fn add_to_linker(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        use bindings::carnet;
        carnet::types::types::add_to_linker::<_, HasHost>(linker, |host| host)?;
        carnet::kubernetes::get::add_to_linker::<_, HasKubernetes>(linker, Self::kubernetes)?;
        carnet::kubernetes::apply::add_to_linker::<_, HasKubernetes>(linker, Self::kubernetes)?;
        carnet::kubernetes::delete::add_to_linker::<_, HasKubernetes>(linker, Self::kubernetes)?;
        carnet::kubernetes::wait::add_to_linker::<_, HasKubernetes>(linker, Self::kubernetes)?;
        carnet::files::read::add_to_linker::<_, HasHost>(linker, |host| host)?;
        carnet::credentials::handles::add_to_linker::<_, HasHost>(linker, |host| host)?;
        carnet::credentials::lend::add_to_linker::<_, HasHost>(linker, |host| host)?;
        carnet::credentials::generate::add_to_linker::<_, HasHost>(linker, |host| host)?;
        carnet::credentials::reveal::add_to_linker::<_, HasHost>(linker, |host| host)?;
        carnet::installation::context::add_to_linker::<_, HasHost>(linker, |host| host)?;
        carnet::installation::outputs::add_to_linker::<_, HasHost>(linker, |host| host)?;
        carnet::installation::log::add_to_linker::<_, HasHost>(linker, |host| host)?;
        Ok(())
    }

    /// Adds WASI, which reaches nothing here.
    ///
    /// # Errors
    /// When a function is defined twice.
    pub fn add_wasi_to_linker(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        wasmtime_wasi::p2::add_to_linker_async(linker)
    }

    fn kubernetes(&mut self) -> Kubernetes<'_> {
        Kubernetes {
            granted: &self.granted,
            meter: &mut self.meter,
            work: &mut self.work,
            denials: &mut self.denials,
        }
    }

    /// Notes a refusal, and gives the answer to the component.
    fn denied(&mut self, denied: Denied) -> GuestError {
        deny(&mut self.denials, denied)
    }
}

/// The longest name of a file or credential, in bytes. Without it a refusal would repeat megabytes to the operator.
const MAX_NAME: usize = 1024;

fn check_name(name: &str) -> Result<(), GuestError> {
    if name.len() > MAX_NAME {
        return Err(GuestError::Invalid(format!("a name has at most {MAX_NAME} bytes")));
    }
    Ok(())
}

/// The most refusals that are kept for the operator: each further one would only repeat what is wrong.
const MAX_DENIALS: usize = 100;

fn deny(denials: &mut Vec<Denied>, denied: Denied) -> GuestError {
    let answer = GuestError::Denied(denied.to_string());
    if denials.len() < MAX_DENIALS && !denials.contains(&denied) {
        denials.push(denied);
    }
    answer
}

impl bindings::carnet::types::types::Host for Host {}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

struct HasHost;

impl HasData for HasHost {
    type Data<'a> = &'a mut Host;
}

struct HasKubernetes;

impl HasData for HasKubernetes {
    type Data<'a> = Kubernetes<'a>;
}
