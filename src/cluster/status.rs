//! Turns the statuses by which the API server refuses a request into errors that name the object, and nothing that is
//! in it.
//!
//! The server quotes values in its messages. For most objects that helps whoever wrote them. A Secret holds credentials
//! that its author never saw, so for Secrets only the code, the reason and the paths of fields leave this module. Of an
//! object that a credential was placed into, not even the paths: what is wrong with which value says something about
//! it.

use std::collections::BTreeSet;
use std::fmt;

use http::StatusCode;
use serde_json::Value;

use crate::document;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::path;
use crate::kubernetes::resource::builtin;

use super::response::ApiResponse;

mod error;

pub use error::{Error, FieldConflict};

/// The longest text of the server that is passed on, in characters.
const MAX_TEXT: usize = 1000;

impl Error {
    /// The error of a response by which the server refuses to do `verb` with `object`.
    pub(crate) fn of(response: &ApiResponse, verb: &'static str, object: &ObjectRef) -> Self {
        let status = Status(response.json().unwrap_or_default());
        let text = || status.text(response.status, object);
        let name = object.to_string();
        match response.status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN if status.is_terminating() => {
                Self::Terminating { object: Box::new(object.clone()) }
            }
            StatusCode::FORBIDDEN => {
                Self::Denied { verb, object: name, text: text(), lacks_right: status.lacks_right() }
            }
            StatusCode::NOT_FOUND => status.missing(verb, object),
            StatusCode::CONFLICT => match status.conflicts() {
                fields if fields.is_empty() => Self::Changed(name),
                fields => Self::Conflict { object: name, fields },
            },
            StatusCode::SERVICE_UNAVAILABLE if status.message().is_none() && is_delegable(object) => {
                Self::delegated(object)
            }
            StatusCode::TOO_MANY_REQUESTS => Self::Troubled(text()),
            StatusCode::UNPROCESSABLE_ENTITY if status.is_other_uid() => Self::Changed(name),
            StatusCode::UNPROCESSABLE_ENTITY if status.lacks_parameters() => {
                Self::Denied { verb, object: name, text: text(), lacks_right: true }
            }
            StatusCode::UNPROCESSABLE_ENTITY if status.is_immutable() => {
                Self::Immutable { object: name, fields: status.fields() }
            }
            code if code.is_client_error() => Self::Invalid { object: name, text: text() },
            StatusCode::INTERNAL_SERVER_ERROR if status.reason().is_none() && status.message().is_some() => {
                Self::Invalid { object: name, text: text() }
            }
            code if code.is_server_error() => Self::Troubled(text()),
            code => Self::unusable(object, format!("code {}", code.as_u16())),
        }
    }

    /// This error about an object that a credential was placed into: code and reason alone.
    pub(crate) fn of_credential(response: &ApiResponse, verb: &'static str, object: &ObjectRef) -> Self {
        let code_and_reason = || Status(response.json().unwrap_or_default()).code_and_reason(response.status);
        match Self::of(response, verb, object) {
            Self::Denied { verb, object, lacks_right, .. } => {
                Self::Denied { verb, object, lacks_right, text: code_and_reason() }
            }
            // The member alone, since a plan says what has to be replaced.
            Self::Immutable { object, fields } => {
                let members: BTreeSet<_> = fields.iter().map(|field| member(field)).collect();
                Self::Immutable { object, fields: members.into_iter().collect() }
            }
            Self::Invalid { object, .. } => Self::Invalid { object, text: code_and_reason() },
            Self::Troubled(_) => Self::Troubled(code_and_reason()),
            other => other,
        }
    }

    /// The response about `object` is not what the API promises.
    pub(crate) fn unusable(object: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::Response { object: object.to_string(), why: why.to_string() }
    }

    /// Whoever serves the version of `object` is away.
    fn delegated(object: &ObjectRef) -> Self {
        let api_version = object.api_version.clone();
        let service = match api_version.split_once('/') {
            Some((group, version)) => format!("{version}.{group}"),
            None => api_version.clone(),
        };
        Self::Delegated { api_version, service }
    }

    /// Whether it is certain that the server has done nothing.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Changed(_)
                | Self::Conflict { .. }
                | Self::Denied { .. }
                | Self::Immutable { .. }
                | Self::Invalid { .. }
                | Self::NoDependency { .. }
                | Self::NoKind { .. }
                | Self::NoNamespace { .. }
                | Self::OtherObject(_)
                | Self::Scope { .. }
        )
    }

    /// The server has no kind like that of `object`.
    pub(crate) fn no_kind(object: &ObjectRef) -> Self {
        Self::NoKind { api_version: object.api_version.clone(), kind: object.kind.clone() }
    }
}

impl ApiResponse {
    /// The response, unless the server refuses to do `verb` with `object`.
    pub(crate) fn accepted(self, verb: &'static str, object: &ObjectRef) -> Result<Self, Error> {
        if self.status.is_success() { Ok(self) } else { Err(Error::of(&self, verb, object)) }
    }

    /// The response about an object that a credential was placed into.
    pub(crate) fn accepted_credential(self, verb: &'static str, object: &ObjectRef) -> Result<Self, Error> {
        if self.status.is_success() { Ok(self) } else { Err(Error::of_credential(&self, verb, object)) }
    }

    /// Whether it refuses since somebody may not read the parameters of an admission policy.
    pub(super) fn lacks_parameters(&self) -> bool {
        Status(self.json().unwrap_or_default()).lacks_parameters()
    }

    /// The document in the response about `object`.
    pub(crate) fn document(&self, object: impl fmt::Display) -> Result<Value, Error> {
        self.json().map_err(|error| Error::unusable(object, error))
    }

    /// The object in the response. It must be the one of the request: whoever reads it takes its name for granted.
    pub(crate) fn object(&self, object: &ObjectRef) -> Result<Value, Error> {
        let found = self.document(object)?;
        if object.names(&found) {
            Ok(found)
        } else {
            Err(Error::unusable(object, "it is about another object"))
        }
    }
}

/// Whether another server may serve the kind of an object: those that are built in are the API server's own.
fn is_delegable(object: &ObjectRef) -> bool {
    !object.group().is_empty() && builtin(object.group(), &object.kind).is_none()
}

impl ApiResponse {
    /// The metadata in the response about an object, which must be that of the request.
    pub(crate) fn metadata(&self, object: &ObjectRef) -> Result<Value, Error> {
        let found = self.document(object)?;
        let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str);
        let is_it = text("/metadata/name") == Some(&*object.name)
            && text("/metadata/namespace") == object.namespace.as_deref();
        if is_it { Ok(found) } else { Err(Error::unusable(object, "it is about another object")) }
    }
}

/// Where an object is served.
pub(crate) fn path_of(object: &ObjectRef, kinds: &Kinds) -> Result<String, Error> {
    let resource = kinds.find(object).ok_or_else(|| Error::no_kind(object))?;
    let wrong_scope = || Error::Scope { object: object.to_string(), namespaced: resource.namespaced };
    path::of_object(object, &resource).ok_or_else(wrong_scope)
}

/// A `Status` document. Everything in it is optional: a proxy in between answers with text of its own.
struct Status(Value);

impl Status {
    fn message(&self) -> Option<&str> {
        self.0.get("message")?.as_str()
    }

    fn reason(&self) -> Option<&str> {
        self.0.get("reason")?.as_str()
    }

    fn detail(&self, name: &str) -> Option<&str> {
        self.0.pointer("/details")?.get(name)?.as_str()
    }

    fn causes(&self) -> impl Iterator<Item = (Option<&str>, &str, &str)> {
        let all = self.0.pointer("/details/causes").and_then(Value::as_array).into_iter().flatten();
        all.map(|cause| {
            let text = |name| cause.get(name).and_then(Value::as_str);
            (text("reason"), text("field").unwrap_or_default(), text("message").unwrap_or_default())
        })
    }

    /// A 404 says one of four things: no such object, no such namespace, no such kind, or that another object is
    /// missing which this one names.
    fn missing(&self, verb: &str, object: &ObjectRef) -> Error {
        match (self.detail("kind"), self.detail("name")) {
            (Some("namespaces"), Some(name)) if object.namespace.as_deref() == Some(name) => {
                Error::NoNamespace { object: Box::new(object.clone()) }
            }
            // An apply makes what is not there, so that is not what is missing.
            (kind, Some(name)) if verb != "apply" && name == object.name && self.may_be(object, kind) => {
                Error::NotFound(object.to_string())
            }
            (Some(kind), Some(name)) => {
                let group = self.detail("group").filter(|group| !group.is_empty());
                let resource = group.map_or_else(|| kind.to_owned(), |group| format!("{kind}.{group}"));
                // Of a role that a binding names, the server tells the name, and the kind of the binding.
                let is_own = self.may_be(object, Some(kind));
                let missing = if is_own { name.to_owned() } else { format!("{resource} {name}") };
                Error::NoDependency { object: object.to_string(), missing: shown(&missing) }
            }
            _ => Error::no_kind(object),
        }
    }

    /// Whether the details can be about `object`: they have its group and its resource, as far as both are known.
    fn may_be(&self, object: &ObjectRef, kind: Option<&str>) -> bool {
        let resource = Kinds::default().find(object);
        let is_resource = resource.zip(kind).is_none_or(|(resource, kind)| resource.plural == kind);
        is_resource && self.detail("group").is_none_or(|group| group == object.group())
    }

    /// `conflict with "MANAGER" using VERSION`, once for each field.
    fn conflicts(&self) -> Vec<FieldConflict> {
        let held = self.causes().filter(|(reason, ..)| *reason == Some("FieldManagerConflict"));
        held.map(|(_, field, message)| FieldConflict {
            path: shown(field),
            manager: shown(message.split('"').nth(1).unwrap_or("unknown")),
        })
        .collect()
    }

    /// Admission refuses with the same code and reason; these are the words of who decides about rights.
    fn lacks_right(&self) -> bool {
        self.message()
            .is_some_and(|text| text.contains(" is forbidden: User \"") && text.contains("\" cannot "))
    }

    /// Admission lets nothing new into a namespace that is being deleted.
    fn is_terminating(&self) -> bool {
        self.causes().any(|(reason, ..)| reason == Some("NamespaceTerminating"))
    }

    /// Whoever writes an admission policy must be able to read its parameters; these are the words of that check.
    fn lacks_parameters(&self) -> bool {
        let is_lacking =
            |message: &str| message.contains(" permission on ") || message.contains(" permission for all ");
        let mut causes = self.causes().peekable();
        causes.peek().is_some()
            && causes.all(|(reason, _, message)| reason == Some("FieldValueForbidden") && is_lacking(message))
    }

    /// The server has no reason of its own for this; these are the words of its validation. Nothing else may be wrong:
    /// the object would be refused when it is made anew, too.
    fn is_immutable(&self) -> bool {
        const WORDS: [&str; 9] = [
            "can not be unset",
            "cannot be changed",
            "cannot change",
            "immutable",
            "may not be changed",
            "may not be set to 'None' for",
            "may not change",
            "must not be changed",
            "updates to",
        ];
        let is_fixed = |message: &str| WORDS.iter().any(|words| message.contains(words));
        self.causes().next().is_some() && self.causes().all(|(_, _, message)| is_fixed(message))
    }

    /// Another object has the name by now.
    fn is_other_uid(&self) -> bool {
        self.causes().any(|(_, field, _)| field == "metadata.uid")
    }

    fn fields(&self) -> Vec<String> {
        self.causes().map(|(_, field, _)| shown(field)).filter(|field| !field.is_empty()).collect()
    }

    fn text(&self, code: StatusCode, object: &ObjectRef) -> String {
        match self.message() {
            Some(message) if !object.is_secret() => shown(message),
            _ => self.bare_text(code),
        }
    }

    /// Code, reason and fields.
    fn bare_text(&self, code: StatusCode) -> String {
        let mut fields = self.fields();
        fields.extend(self.message().and_then(field_of_patch_error));
        let place = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
        format!("{}{place}", self.code_and_reason(code))
    }

    fn code_and_reason(&self, code: StatusCode) -> String {
        let reason = self.reason().or(code.canonical_reason()).unwrap_or("no reason");
        format!("{} {}", code.as_u16(), shown(reason))
    }
}

/// The path in `failed to create typed patch object (…): .data.a: expected string, got …`, which ends in the value.
fn field_of_patch_error(message: &str) -> Option<String> {
    let (_, rest) = message.strip_prefix("failed to create typed patch object (")?.split_once("): ")?;
    let (path, _) = rest.split_once(':')?;
    let fits =
        path.starts_with('.') && path.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    fits.then(|| path.to_owned())
}

/// The member of an object that a field is in.
fn member(field: &str) -> String {
    let field = field.trim_start_matches('.');
    field.split(['.', '[']).next().unwrap_or_default().to_owned()
}

fn shown(text: &str) -> String {
    document::visible_line(text).chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests;
