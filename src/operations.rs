//! Everything that can be asked of carnet, one file each: a typed request goes in, a typed result comes out.
//!
//! Between the pipeline ([`install`](crate::install)) and its callers: the command line, or a program that uses this
//! library. A request holds values that were decided, not arguments; a result is a [`Document`] that can be printed as
//! it is. Nothing here prints, reads the environment, listens for signals or finds files by itself: [`Services`] and
//! [`Bundles`] are handed in.

pub mod version;
mod dependency_error;
mod failure;
mod deferred;
pub mod init;
pub mod build;
pub mod watch;
pub mod sign;
pub mod approve;
mod request;
mod listener;
mod bundles;
mod services;
mod places;
mod decided;
mod revisions;
mod act;
mod undo;
mod outcome;
mod dependencies;
pub mod install;
pub mod invoke;
pub mod plan;
pub mod test;
pub mod apply;
pub mod rollback;
pub mod uninstall;
pub mod examine;
pub mod diff;
pub mod drift;
pub mod copy;
pub mod login;
pub mod cache;
pub mod verify;
pub mod inspect;
pub mod explain;
pub mod trust;
pub mod lint;
pub mod grant;
pub mod rbac;
pub mod status;
pub mod list;
pub mod history;
pub mod outputs;
pub mod unlock;
pub mod claims;
pub mod doctor;
pub mod schema;
pub mod conform;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

pub use crate::install::ChangeOptions;

pub use bundles::Bundles;
pub use deferred::Deferred;
pub use dependency_error::DependencyError;
pub use failure::{AbsentImage, Error};
pub use listener::{Listener, Notice};
pub use outcome::OutcomeDocument;
pub use request::{
    Access, CredentialSource, DependencyRequest, GivenInputs, InstallRequest, InstallationRequest, OwnWord,
    Parameters, RequestedPlace, TrustMode,
};
pub use revisions::WayOn;
pub use services::Services;

/// The version of every document.
pub const API_VERSION: &str = "carnet.dev/v1alpha1";

/// A result that can be written down as one document, which says what it is, and has a published schema.
pub trait Document: Serialize + JsonSchema {
    /// The `kind` of the document.
    const KIND: &'static str;

    /// The document.
    ///
    /// # Errors
    /// When a member cannot be written as JSON.
    fn document(&self) -> serde_json::Result<Value>
    where
        Self: Sized,
    {
        document(Self::KIND, self)
    }
}

/// A document of this kind. The value must be a map.
///
/// # Errors
/// When a member cannot be written as JSON.
pub fn document(kind: &str, value: &impl Serialize) -> serde_json::Result<Value> {
    let mut document = json!({ "apiVersion": API_VERSION, "kind": kind });
    if let (Value::Object(document), Value::Object(members)) = (&mut document, serde_json::to_value(value)?) {
        document.extend(members);
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: &T) {}

    #[expect(dead_code, reason = "it holds if it compiles")]
    fn futures_of_operations_may_move_between_threads(
        (install, request): (&InstallRequest, &InstallationRequest),
        (plan, asked): (&crate::plan::Plan, &status::StatusRequest),
        rights: &rbac::RightsRequest,
        services: &Services<'_>,
        listener: &dyn Listener,
    ) {
        is_send(&install::install(install, services));
        is_send(&install::upgrade(install, services));
        is_send(&plan::plan(install, services));
        is_send(&apply::apply(plan, None, request, services));
        is_send(&invoke::invoke("dev.carnet.test.look", request, services));
        is_send(&rollback::rollback(None, request, services));
        is_send(&uninstall::uninstall(request, services));
        is_send(&diff::diff(request, services));
        is_send(&drift::drift(request, services));
        is_send(&drift::fix(request, services));
        is_send(&rbac::rights(rights, services));
        is_send(&status::status(asked, services.state(), listener));
    }
}
