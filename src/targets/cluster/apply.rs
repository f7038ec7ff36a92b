//! Applies one object by server-side apply, or previews that.

use std::fmt;

use http::StatusCode;
use serde_json::Value;

use crate::cluster::{ApiRequest, ApiResponse, Error, path_of};
use crate::grant::{Apply, Permitted};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::managed_fields;
use crate::kubernetes::metadata;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::path::percent_encoded;
use crate::targets::preview::{Change, DryRunMode, Marks, NotDryRun, Preview};

use super::Cluster;

/// The body of a request that applies an object. No `Debug`: it may hold a credential.
#[derive(Clone, Copy)]
pub struct Body<'a> {
    /// The object.
    pub value: &'a Value,
    /// Whether a credential was placed into it: what the server says of its contents is then told to nobody.
    pub has_credential: bool,
}

/// A body without credentials.
impl<'a> From<&'a Value> for Body<'a> {
    fn from(value: &'a Value) -> Self {
        Self { value, has_credential: false }
    }
}

/// An object that was applied. Its content is not in `Debug`, for it may be a Secret.
#[derive(Clone, PartialEq)]
pub struct Applied {
    /// Whether it was created. (False also where the answer to a first try was lost, and a second one found it.)
    pub created: bool,
    /// The UID that the server gave it.
    pub uid: String,
    /// Its resource version, for comparison only.
    pub resource_version: String,
    /// The object as it is now.
    pub after: Value,
}

impl Cluster {
    /// Previews a server-side apply of `body` over the current object, forced or not. Writes nothing: requests are dry
    /// runs.
    ///
    /// # Errors
    /// [`Error::OtherObject`] when `body` is not what the permit names, [`Error::Conflict`] for fields of others
    /// (unless forced), and [`Error`] for any other refusal. Changes of immutable fields make it a replacement.
    pub async fn preview(
        &self,
        permit: &Permitted<Apply>,
        body: impl Into<Body<'_>>,
        kinds: &Kinds,
        before: Option<Value>,
        (mode, force): (DryRunMode, bool),
    ) -> Result<Preview, Error> {
        let (object, body) = (permit.0.reference(), body.into());
        check_names(body.value, object)?;
        let mut before = before;
        if mode == DryRunMode::Reads {
            let foretold = self.foretold(body.value, before, None);
            // A change gets a dry run all the same: it may be in conflict with others, or need a replacement, and that
            // should stop the run before anything is written.
            if foretold.change != Change::Update {
                return Ok(foretold);
            }
            before = foretold.before;
        }
        let response = self.patch(object, body, kinds, &Patch { force, dry_run: true }).await;
        match (response.and_then(|response| response.object(object)), before) {
            (Ok(after), before) => Ok(self.compared(before, after)),
            (Err(Error::Immutable { fields, .. }), Some(before)) => {
                Ok(Preview::replacing(before, body.value, fields))
            }
            (Err(Error::NoNamespace { .. }), None) => {
                Ok(self.foretold(body.value, None, Some(NotDryRun::Impossible)))
            }
            (Err(Error::NoKind { .. }), None) if kinds.is_learned(object) => {
                Ok(self.foretold(body.value, None, Some(NotDryRun::Impossible)))
            }
            (Err(Error::Denied { lacks_right: true, .. }), before) if mode == DryRunMode::DryRunIfAllowed => {
                Ok(self.foretold(body.value, before, Some(NotDryRun::Forbidden)))
            }
            // A role that the plan makes on its way, say: whoever may not bind every role is told that it is not there.
            (Err(Error::NoDependency { .. }), before) if mode == DryRunMode::DryRunIfAllowed => {
                Ok(self.foretold(body.value, before, Some(NotDryRun::Impossible)))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The change from `before` to `after`, field managers included.
    pub fn compared(&self, before: Option<Value>, after: Value) -> Preview {
        let held_alike =
            before.as_ref().is_none_or(|before| managed_fields::is_held_alike(before, &after, &self.manager));
        let preview = Preview::of(before, after);
        match preview.change {
            Change::Unchanged if !held_alike => Preview { change: Change::Update, ..preview },
            _ => preview,
        }
    }

    /// The change that applying `body` would make, estimated from reads.
    fn foretold(&self, body: &Value, before: Option<Value>, not_dry_run: Option<NotDryRun>) -> Preview {
        let (change, after) = match &before {
            None => (Change::Create, body.clone()),
            Some(live) if managed_fields::is_unchanged(body, live, &self.manager) => {
                (Change::Unchanged, live.clone())
            }
            Some(live) => (Change::Update, managed_fields::merged(body, live, &self.manager)),
        };
        Preview { before, after, marks: Marks { not_dry_run, adopts: false }, ..Preview::done(change) }
    }

    /// Applies `body`, which is the object that the permit names, by now with the credentials that go into it. Where it
    /// has a `metadata.uid`, only the object with that identity is changed.
    ///
    /// # Errors
    /// As for [`preview`](Self::preview), and [`Error::Immutable`] for changes of immutable fields.
    pub async fn apply(
        &self,
        permit: &Permitted<Apply>,
        body: impl Into<Body<'_>>,
        kinds: &Kinds,
        force: bool,
    ) -> Result<Applied, Error> {
        let (object, body) = (permit.0.reference(), body.into());
        let response = self.patch(object, body, kinds, &Patch { force, dry_run: false }).await?;
        Applied::of(response.status == StatusCode::CREATED, response.object(object)?, object)
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        body: Body<'_>,
        kinds: &Kinds,
        how: &Patch,
    ) -> Result<ApiResponse, Error> {
        check_names(body.value, object)?;
        let url = format!("{}?{}", path_of(object, kinds)?, how.query(&self.manager));
        let request = ApiRequest::apply(url, body.value);
        let request = if how.dry_run { request } else { request.under(self.right.as_ref()) };
        let response = self.send(&request).await?;
        self.warnings.note(object, &response.warnings, !body.has_credential && !object.is_secret());
        if body.has_credential {
            response.accepted_credential("apply", object)
        } else {
            response.accepted("apply", object)
        }
    }
}

impl Applied {
    fn of(created: bool, after: Value, object: &ObjectRef) -> Result<Self, Error> {
        let (uid, version) = (metadata::uid(&after), metadata::resource_version(&after));
        let (Some(uid), Some(version)) = (uid, version) else {
            return Err(Error::unusable(object, "it has no identity"));
        };
        Ok(Self { created, uid: uid.to_owned(), resource_version: version.to_owned(), after })
    }
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applied")
            .field("created", &self.created)
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

/// How an object is applied.
struct Patch {
    force: bool,
    dry_run: bool,
}

impl Patch {
    /// Field validation is strict: a misspelt member would otherwise be dropped silently, and the object would differ
    /// from the plan.
    fn query(&self, manager: &str) -> String {
        let dry_run = if self.dry_run { "&dryRun=All" } else { "" };
        format!(
            "fieldManager={}&fieldValidation=Strict&force={}{dry_run}",
            percent_encoded(manager),
            self.force
        )
    }
}

fn check_names(body: &Value, object: &ObjectRef) -> Result<(), Error> {
    if object.names(body) { Ok(()) } else { Err(Error::OtherObject(object.to_string())) }
}

/// The body with the UID of the planned object as a precondition: the server refuses another object that has taken its
/// name since.
pub(in crate::targets) fn same_as_seen(body: &Value, seen: Option<&Value>) -> Value {
    let mut body = body.clone();
    let uid = seen.and_then(metadata::uid);
    if let (Some(uid), Some(Value::Object(metadata))) = (uid, body.get_mut("metadata")) {
        metadata.insert("uid".into(), uid.into());
    }
    body
}
