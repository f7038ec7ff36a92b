//! Applies one object by server-side apply, or previews that.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use serde_json::{Value, json};

use crate::cluster::{ApiRequest, ApiResponse, Error, path_of};
use crate::grant::{Apply, Permitted};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::managed_fields;
use crate::kubernetes::metadata;
use crate::kubernetes::object::ObjectRef;
use crate::targets::preview::{Change, DryRunMode, Marks, NotDryRun, Preview};
use crate::text::url::percent_encoded;

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
        if matches!(mode, DryRunMode::Reads | DryRunMode::ReadsIfAllowed) {
            let foretold = self.foretold(body.value, before, None);
            // A change gets a dry run all the same: it may be in conflict with others, or need a replacement, and that
            // should stop the run before anything is written.
            if mode.trusts(foretold.change) {
                return Ok(foretold);
            }
            before = foretold.before;
        }
        let response = self.patch(object, body, kinds, &Patch { force, dry_run: true }).await;
        match (response.and_then(|response| response.object(object)), before) {
            (Ok(after), before) => Ok(self.tried(body.value, before, after)),
            (Err(Error::Immutable { .. }), Some(_)) if is_contradictory(body.value) => Err(Error::Invalid {
                object: object.to_string(),
                text: "a Service whose `spec.clusterIP` is `None` has no port on nodes".into(),
            }),
            (Err(Error::Immutable { fields, .. }), Some(before)) => {
                Ok(Preview::replacing(before, body.value, fields))
            }
            (Err(Error::NoNamespace { .. }), None) => {
                Ok(self.foretold(body.value, None, Some(NotDryRun::Impossible)))
            }
            (Err(Error::NoKind { .. }), before) if kinds.is_learned(object) => {
                Ok(self.foretold(body.value, before, Some(NotDryRun::Impossible)))
            }
            (Err(error), Some(before)) if self.is_recorded_elsewhere(&error, body.value, &before) => {
                Ok(self.foretold(body.value, Some(before), Some(NotDryRun::OtherVersion)))
            }
            (Err(Error::Denied { lacks_right: true, .. }), before) if mode.is_lenient() => {
                Ok(self.foretold(body.value, before, Some(NotDryRun::Forbidden)))
            }
            // Whoever has just the rights of a plan has none to write what stays as it is, and reads tell that it does.
            (Err(Error::Denied { lacks_right: true, .. }), Some(live))
                if managed_fields::is_unchanged(body.value, &live, &self.manager) =>
            {
                Ok(self.foretold(body.value, Some(live), None))
            }
            // A role that the plan makes on its way, say: whoever may not bind every role is told that it is not there.
            (Err(Error::NoDependency { .. }), before)
                if mode.is_lenient() || mode == DryRunMode::DryRunIfPossible =>
            {
                Ok(self.foretold(body.value, before, Some(NotDryRun::Impossible)))
            }
            // A policy that is not there yet may take any parameters: who may not read all is refused.
            (Err(Error::Denied { .. }), None) if mode == DryRunMode::DryRunIfPossible => {
                Ok(self.foretold(body.value, None, Some(NotDryRun::Impossible)))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The change from `before` to `after`, field managers included.
    pub fn change(&self, before: Option<&Value>, after: &Value) -> Change {
        let is_held_alike = |before| managed_fields::is_held_alike(before, after, &self.manager);
        match Change::between(before, after) {
            Change::Unchanged if !before.is_none_or(is_held_alike) => Change::Update,
            change => change,
        }
    }

    /// Previews applying `body` by reads alone, where a dry run would be about something else.
    pub fn foretell(&self, body: &Value, before: Option<Value>, why: NotDryRun) -> Preview {
        self.foretold(body, before, Some(why))
    }

    /// The change that the server says applying `body` would make, and whether reads alone had told it.
    fn tried(&self, body: &Value, before: Option<Value>, after: Value) -> Preview {
        let is_told =
            before.as_ref().is_some_and(|live| managed_fields::is_unchanged(body, live, &self.manager));
        let change = self.change(before.as_ref(), &after);
        let marks = Marks { in_doubt: change == Change::Unchanged && !is_told, ..Marks::default() };
        Preview { before, after, marks, ..Preview::done(change) }
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
        Preview { before, after, marks: Marks { not_dry_run, ..Marks::default() }, ..Preview::done(change) }
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

    /// Applies `body` over an object that was seen so. Where the server cannot, since the fields of this installation
    /// are on record under another version of the kind, they are put on record under this one first.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply), and [`Error::Changed`] when the object was changed since.
    pub async fn apply_over(
        &self,
        permit: &Permitted<Apply>,
        body: Body<'_>,
        seen: Option<&Value>,
        kinds: &Kinds,
        force: bool,
    ) -> Result<Applied, Error> {
        match (self.apply(permit, body, kinds, force).await, seen) {
            (Err(error), Some(seen)) if self.is_recorded_elsewhere(&error, body.value, seen) => {
                self.carry_over(permit.0.reference(), body.value, seen, kinds).await?;
                self.apply(permit, body, kinds, force).await
            }
            (applied, _) => applied,
        }
    }

    /// Whether the server cannot compare an object with what it has on record of it. It says so in these words, for
    /// kinds that have other fields in the version that is on record.
    fn is_recorded_elsewhere(&self, error: &Error, body: &Value, before: &Value) -> bool {
        let Error::Invalid { text, .. } = error else { return false };
        text.contains("field not declared in schema")
            && managed_fields::carried_over(body, before, &self.manager).is_some()
    }

    /// Puts the fields that the installation holds on record under the version that `body` is written in. The fields
    /// stay the same, and so does all else: the server takes it for no other object or version than the one that was
    /// seen.
    async fn carry_over(
        &self,
        object: &ObjectRef,
        body: &Value,
        seen: &Value,
        kinds: &Kinds,
    ) -> Result<(), Error> {
        let Some(entries) = managed_fields::carried_over(body, seen, &self.manager) else { return Ok(()) };
        let patch = json!({ "metadata": { "uid": metadata::uid(seen),
            "resourceVersion": metadata::resource_version(seen), "managedFields": entries } });
        let url = format!("{}?fieldManager={}", path_of(object, kinds)?, percent_encoded(&self.manager));
        let request = ApiRequest::merge(url, &patch).under(self.right.as_ref());
        self.send(&request).await?.accepted("apply", object).map(drop)
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

/// Whether a Service would be refused also when it is made anew.
fn is_contradictory(body: &Value) -> bool {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let has_ports = ["LoadBalancer", "NodePort"].contains(&text("/spec/type").unwrap_or_default());
    text("/kind") == Some("Service") && has_ports && text("/spec/clusterIP") == Some("None")
}

fn check_names(body: &Value, object: &ObjectRef) -> Result<(), Error> {
    if object.names(body) { Ok(()) } else { Err(Error::OtherObject(object.to_string())) }
}

/// The body with the UID of the planned object as a precondition: the server refuses another object that has taken its
/// name since.
pub(in crate::targets) fn same_as_seen<'a>(body: &'a Value, seen: Option<&Value>) -> Cow<'a, Value> {
    let Some(uid) = seen.and_then(metadata::uid) else { return Cow::Borrowed(body) };
    let mut body = body.clone();
    if let Some(Value::Object(metadata)) = body.get_mut("metadata") {
        metadata.insert("uid".into(), uid.into());
    }
    Cow::Owned(body)
}
