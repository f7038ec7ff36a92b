//! Labels and annotations: those that carnet marks its own objects with, and those that nobody else may set.
//!
//! A component that could write these marks could pass an object off as another installation's, or as a part of the
//! state.

use serde_json::Value;

use super::api::COORDINATION;
use super::object::ObjectRef;

/// The annotation that names the installation an object belongs to, `NAMESPACE/NAME`.
pub const OWNER: &str = "carnet.dev/installation";

/// The annotation that names the record of the installation that an object belongs to. Installations of one name in two
/// states have two of them.
pub const RECORD: &str = "carnet.dev/record";

/// The annotation that says which keys of a Secret hold credentials, as JSON: key to names.
pub const CREDENTIALS: &str = "carnet.dev/credentials";

/// The annotation that says under which key of a Secret a generated credential stands whole, as JSON: name to key.
pub const GENERATED: &str = "carnet.dev/generated";

/// The annotation that says why each rule of a role is there, one line a rule.
pub const WHY: &str = "carnet.dev/why";

/// The label that identities of runs are found by; its value is their name.
pub const IDENTITY: &str = "carnet.dev/identity";

/// The label of namespaces that accounts of runs may be in. Who may be such an account, may do what any of them may.
pub const IDENTITIES: &str = "carnet.dev/identities";

/// The annotation with the time at which an identity expires.
pub const EXPIRES: &str = "carnet.dev/expires";

/// An annotation in which kubectl keeps whole objects, values of Secrets included. Differences leave it out, so a
/// manifest that sets it would make an invisible change.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The annotation that makes the server put a token of the named account into its Secret.
pub const TOKEN_OF: &str = "kubernetes.io/service-account.name";

/// Whether a label or annotation of this key says who owns an object, where credentials are, or what a run left behind:
/// only the host writes those.
pub fn is_reserved(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    domain == "carnet.dev" || domain.ends_with(".carnet.dev")
}

/// Whether an object has a name that only records of the state and Leases of runs have.
pub fn is_record(object: &ObjectRef) -> bool {
    (object.is_secret() || object.is(COORDINATION, "Lease")) && object.name.starts_with("carnet.")
}

/// The installation that an object names as its owner.
pub fn owner(object: &Value) -> Option<&str> {
    annotation(object, OWNER)
}

/// The record that an object names, if it names one: earlier versions of the program did not.
pub fn record(object: &Value) -> Option<&str> {
    annotation(object, RECORD)
}

/// An annotation of an object.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

/// The UID that the server gave an object.
pub fn uid(object: &Value) -> Option<&str> {
    object.pointer("/metadata/uid")?.as_str()
}

/// The version of an object, for comparison only.
pub fn resource_version(object: &Value) -> Option<&str> {
    object.pointer("/metadata/resourceVersion")?.as_str()
}

/// Whether an object is being deleted.
pub fn is_being_deleted(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// Whether finalizers delay the deletion of an object.
pub fn has_finalizers(object: &Value) -> bool {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|all| !all.is_empty())
}
