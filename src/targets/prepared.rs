//! Objects that are ready to be sent, in the form that their target takes.

use serde_json::Value;

use crate::grant::{Apply, Permitted, Wait, after_apply};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::removes_itself;

use super::credentials::{Filled, SecretKeys};
use super::directory::Rendered;
use super::inventory::Recorded;

/// An object that is ready to be sent: checked against the grant, its credentials in place. No `Debug`: it may hold
/// secrets.
pub struct Prepared {
    pub(super) permit: Permitted<Apply>,
    pub(super) form: Form,
    /// The keys of a Secret.
    pub(super) keys: Option<SecretKeys>,
}

/// The form of an object in a target.
pub(super) enum Form {
    /// The body of a request.
    Body(Filled),
    /// The content of a file.
    File(Rendered),
}

impl Prepared {
    /// Which object.
    pub fn object(&self) -> &ObjectRef {
        self.permit.0.reference()
    }

    /// The object as the component wrote it, with placeholders in the place of credentials.
    pub fn body(&self) -> &Value {
        self.permit.0.body()
    }

    /// The object as the component wrote it, taken out.
    pub fn into_body(self) -> Value {
        self.permit.into_inner().0.into_body()
    }

    /// The permit to wait for it, which follows from that to apply it.
    pub fn wait(&self) -> Permitted<Wait> {
        after_apply(&self.permit)
    }

    /// The keys that are put into a Secret. None: it is none.
    pub fn keys(&self) -> Option<&SecretKeys> {
        self.keys.as_ref()
    }

    /// The record that is written before the object is sent.
    pub fn recorded(&self) -> Recorded {
        // Nobody removes a file because a Job is done.
        let (intended, passing) = match &self.form {
            Form::Body(_) => (None, removes_itself(self.body())),
            Form::File(rendered) => (Some(rendered.digest()), false),
        };
        let keys = self.keys.clone().map(Box::new);
        Recorded { intended, passing, keys, ..Recorded::of(self.object().clone()) }
    }
}
