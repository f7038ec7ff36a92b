//! Every function that a component can call: which one it is in the table, what of it counts, and which view answers
//! it.

use wasmtime::component::{HasData, Linker, Resource};

use crate::capability::functions;
use crate::kubernetes::object::ObjectRef;

use super::bindings::Bundle;
use super::bindings::carnet::types::types::{self, ObjectRef as Named};
use super::bindings::carnet::{credentials, files, installation, kubernetes};
use super::credentials::LentCredential;
use super::gate::{Host, HostAnswer};
use super::kubernetes::length;
use super::progress::LogLevel;

impl Host {
    /// Adds every function of the host API.
    ///
    /// # Errors
    /// When a function is defined twice.
    pub fn add_to_linker(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        Bundle::add_to_linker::<_, HasHost>(linker, |host| host)
    }

    /// Adds WASI, which reaches nothing here.
    ///
    /// # Errors
    /// When a function is defined twice.
    pub fn add_wasi_to_linker(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        wasmtime_wasi::p2::add_to_linker_async(linker)
    }
}

struct HasHost;

impl HasData for HasHost {
    type Data<'a> = &'a mut Host;
}

impl kubernetes::get::Host for Host {
    async fn get(&mut self, object: Named) -> HostAnswer<String> {
        let mut call = self.kubernetes(functions::GET, 1, length(&object))?;
        let found = call.time.during(call.view.get(object.into())).await;
        call.answer_text(found)
    }
}

impl kubernetes::apply::Host for Host {
    async fn apply(&mut self, manifests: Vec<String>) -> HostAnswer<Vec<kubernetes::apply::Applied>> {
        let bytes = manifests.iter().map(String::len).sum();
        let mut call = self.kubernetes(functions::APPLY, manifests.len(), bytes)?;
        let applied = call.time.during(call.view.apply(&manifests)).await;
        call.answer(applied)
    }
}

impl kubernetes::delete::Host for Host {
    async fn delete(&mut self, objects: Vec<Named>) -> HostAnswer<()> {
        let bytes = objects.iter().map(length).sum();
        let mut call = self.kubernetes(functions::DELETE, objects.len(), bytes)?;
        let deleted = call.time.during(call.view.delete(ours(objects))).await;
        call.answer(deleted)
    }
}

impl kubernetes::wait::Host for Host {
    async fn wait(&mut self, objects: Vec<Named>, seconds: u32) -> HostAnswer<()> {
        let bytes = objects.iter().map(length).sum();
        let mut call = self.kubernetes(functions::WAIT, objects.len(), bytes)?;
        let waited = call.time.during(call.view.wait(ours(objects), seconds)).await;
        call.answer(waited)
    }
}

impl files::read::Host for Host {
    async fn read(&mut self, name: String) -> HostAnswer<String> {
        let mut call = self.files(functions::READ, name.len())?;
        let read = call.view.read(name);
        call.answer_text(read)
    }
}

impl credentials::handles::Host for Host {}

impl credentials::handles::HostCredential for Host {
    async fn placeholder(
        &mut self,
        credential: Resource<LentCredential>,
        encoding: credentials::handles::Encoding,
    ) -> wasmtime::Result<String> {
        let call = self.credentials(functions::PLACEHOLDER, 0)?;
        call.view.placeholder(&credential, encoding)
    }

    async fn drop(&mut self, credential: Resource<LentCredential>) -> wasmtime::Result<()> {
        self.release(credential)
    }
}

impl credentials::lend::Host for Host {
    async fn lend(&mut self, name: String) -> HostAnswer<Resource<LentCredential>> {
        let mut call = self.credentials(functions::LEND, name.len())?;
        let handle = call.view.lend(name);
        call.answer(handle)
    }
}

impl credentials::generate::Host for Host {
    async fn generate(&mut self, name: String, length: u32) -> HostAnswer<Resource<LentCredential>> {
        let mut call = self.credentials(functions::GENERATE, name.len())?;
        let handle = call.time.during(call.view.generate(name, length)).await;
        call.answer(handle)
    }
}

impl credentials::reveal::Host for Host {
    async fn reveal(&mut self, credential: Resource<LentCredential>) -> HostAnswer<String> {
        let call = self.credentials(functions::REVEAL, 0)?;
        let shown = call.view.reveal(&credential);
        call.answer_text(shown)
    }
}

impl installation::context::Host for Host {
    async fn name(&mut self) -> wasmtime::Result<String> {
        let call = self.installation(functions::NAME, 0)?;
        let name = call.view.context.name.clone();
        call.hand_over(name)
    }

    async fn namespace(&mut self) -> wasmtime::Result<String> {
        let call = self.installation(functions::NAMESPACE, 0)?;
        let namespace = call.view.context.namespace.clone();
        call.hand_over(namespace)
    }

    async fn revision(&mut self) -> wasmtime::Result<String> {
        let call = self.installation(functions::REVISION, 0)?;
        let revision = call.view.context.revision.clone();
        call.hand_over(revision)
    }

    async fn bundle_version(&mut self) -> wasmtime::Result<String> {
        let call = self.installation(functions::BUNDLE_VERSION, 0)?;
        let version = call.view.context.bundle_version.clone();
        call.hand_over(version)
    }

    async fn parameter(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let call = self.installation(functions::PARAMETER, name.len())?;
        let value = call.view.parameter(&name);
        value.map(|text| call.hand_over(text)).transpose()
    }

    async fn image(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let call = self.installation(functions::IMAGE, name.len())?;
        let image = call.view.image(&name);
        image.map(|text| call.hand_over(text)).transpose()
    }
}

impl installation::outputs::Host for Host {
    async fn set(&mut self, name: String, value: String) -> HostAnswer<()> {
        let mut call = self.installation(functions::SET, name.len() + value.len())?;
        let set = call.view.set(name, &value);
        call.answer(set)
    }
}

impl installation::log::Host for Host {
    async fn log(&mut self, level: installation::log::Level, message: String) -> wasmtime::Result<()> {
        let mut call = self.installation(functions::LOG, 0)?;
        call.count_log(message.len())?;
        let level = match level {
            installation::log::Level::Debug => LogLevel::Debug,
            installation::log::Level::Info => LogLevel::Info,
            installation::log::Level::Warn => LogLevel::Warn,
            installation::log::Level::Error => LogLevel::Error,
        };
        call.view.log.write(level, &message);
        Ok(())
    }
}

impl types::Host for Host {}

fn ours(objects: Vec<Named>) -> Vec<ObjectRef> {
    objects.into_iter().map(ObjectRef::from).collect()
}
