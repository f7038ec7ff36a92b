//! Cautions before a plan is carried out: its leftovers, and losses that nothing brings back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::kubernetes::api::{APPS, BATCH, CORE};
use crate::kubernetes::metadata::{self, GENERATED};
use crate::kubernetes::object::ObjectRef;
use crate::targets::{Change, Protected};

use super::collateral::Collateral;
use super::trace::ObjectChange;

/// The most objects that one sentence names.
const MAX_NAMED: usize = 20;

/// The fate of objects that are not rows of the plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aftermath {
    /// Objects that are left in place.
    pub(crate) kept: Vec<ObjectRef>,
    /// Objects on record that no step is about, and that nobody else removes.
    pub(crate) untouched: Vec<ObjectRef>,
    /// Claims that are left in place, each with the StatefulSet that made it.
    pub(crate) claims: Vec<(ObjectRef, ObjectRef)>,
    /// Recorded objects that are not there any more.
    pub(crate) gone: Vec<ObjectRef>,
    /// Recorded Jobs that the plan has no row for, as they are.
    pub(crate) jobs: Vec<(ObjectRef, Value)>,
    /// Whether the plan goes back to an earlier revision.
    pub(crate) goes_back: bool,
    /// What goes with what is removed. Nothing of it is among the objects that are left in place.
    pub(crate) collateral: Collateral,
}

/// The sentences about a plan with these rows.
pub(super) fn cautions(changes: &[&ObjectChange], beside: &Aftermath) -> Vec<String> {
    let mut said: Vec<_> = beside.collateral.cautions().collect();
    said.extend(beside.kept.iter().map(stays));
    said.extend(left_alone(&beside.untouched));
    for (claim, set) in &beside.claims {
        said.push(format!("{claim} stays, with what is in it: {set} made it (`--delete=pvcs` removes it)"));
    }
    let has_volume = !beside.claims.is_empty() || beside.kept.iter().any(is_claim);
    said.extend(changes.iter().filter(|_| has_volume).filter_map(|row| lost_password(row)));
    if beside.goes_back {
        said.extend(
            beside
                .gone
                .iter()
                .filter(|object| is_job(object))
                .map(|job| format!("{job} is not there any more: what it did, if it ran, is not undone")),
        );
        let ran = beside.jobs.iter().filter(|(_, job)| has_begun(job));
        said.extend(ran.map(|(job, _)| format!("{job} has run: what it did is not undone")));
        said.extend(changes.iter().flat_map(|row| not_undone(row)));
    }
    said
}

fn stays(object: &ObjectRef) -> String {
    match Protected::of(object) {
        Some(kind) => {
            format!("{object} stays, with all that goes with it (`--delete={}` removes it)", kind.word())
        }
        None => format!("{object} stays"),
    }
}

/// The objects that a component which carries out its upgrades itself does not touch.
fn left_alone(untouched: &[ObjectRef]) -> Option<String> {
    if untouched.is_empty() {
        return None;
    }
    let mut named: Vec<_> = untouched.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    let more = untouched.len() - named.len();
    named.extend((more > 0).then(|| format!("{more} more")));
    Some(format!(
        "what is on record and not touched stays where it is there, since the bundle does its upgrades itself: {}",
        named.join(", ")
    ))
}

/// A generated password goes, and a volume that only it opens stays.
fn lost_password(row: &ObjectChange) -> Option<String> {
    let before = row.before.as_ref().filter(|_| row.change == Change::Delete && row.object.is_secret())?;
    let names = generated(before)?;
    Some(format!(
        "{} goes, and a volume stays: a new installation makes {names} anew, and may not be able to open it \
         (`--keep-credentials` keeps the Secret)",
        row.object
    ))
}

/// The credentials that were made for a Secret, where there are any. One whose annotation cannot be read has some.
pub(crate) fn generated(secret: &Value) -> Option<String> {
    let text = metadata::annotation(secret, GENERATED)?;
    let names = serde_json::from_str::<BTreeMap<String, Value>>(text).unwrap_or_default();
    let names: Vec<_> = names.keys().map(|name| format!("`{name}`")).collect();
    Some(if names.is_empty() { "a password".into() } else { names.join(", ") })
}

/// Effects on one object that going back does not undo.
fn not_undone(row: &ObjectChange) -> Vec<String> {
    let object = &row.object;
    match (&row.before, &row.after) {
        (Some(before), None) if is_job(object) && has_begun(before) => {
            vec![format!("{object} has run: what it did is not undone")]
        }
        (Some(before), Some(_)) if is_job(object) && row.change == Change::Replace && has_begun(before) => {
            vec![format!("{object} has run: what it did is not undone, and it runs again")]
        }
        (None, Some(_)) if is_job(object) => {
            vec![format!("{object} is made anew and runs, whether or not it ran at that revision")]
        }
        (Some(before), Some(after)) if object.is_definition() => versions(object, before, after),
        (Some(before), Some(_)) if has_claims(object, before) => {
            vec![format!("{object} keeps its volumes as they are: what was written there since stays")]
        }
        (Some(_), Some(_)) if is_claim(object) => {
            vec![format!("{object} keeps its data as it is: what was written there since stays")]
        }
        _ => Vec::new(),
    }
}

/// Objects are stored in the versions of their definition. Nobody converts them when one comes or goes.
fn versions(object: &ObjectRef, before: &Value, after: &Value) -> Vec<String> {
    let (had, has) = (served(before), served(after));
    let stored = stored(before).join(", ");
    let lost = had.difference(&has).map(|version| {
        format!("{object} loses the version {version}: what uses it fails, and objects are not converted")
    });
    let back = has.difference(&had).map(|version| {
        format!("{object} has the version {version} again: objects stay as they are stored by now ({stored})")
    });
    lost.chain(back).collect()
}

fn served(definition: &Value) -> BTreeSet<String> {
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    let name = |version: &Value| version.get("name")?.as_str().map(str::to_owned);
    versions.filter_map(name).collect()
}

fn stored(definition: &Value) -> Vec<String> {
    let versions = definition.pointer("/status/storedVersions").and_then(Value::as_array);
    versions.into_iter().flatten().filter_map(|version| version.as_str().map(str::to_owned)).collect()
}

fn is_job(object: &ObjectRef) -> bool {
    object.is(BATCH, "Job")
}

fn is_claim(object: &ObjectRef) -> bool {
    object.is(CORE, "PersistentVolumeClaim")
}

fn has_claims(object: &ObjectRef, body: &Value) -> bool {
    let claims = body.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    object.is(APPS, "StatefulSet") && claims.is_some_and(|claims| !claims.is_empty())
}

/// Whether a Job did anything: it has begun, and may have ended.
fn has_begun(job: &Value) -> bool {
    job.pointer("/status/startTime").is_some_and(|time| !time.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(object: &ObjectRef, change: Change, before: Option<Value>, after: Option<Value>) -> ObjectChange {
        ObjectChange::bare(object.clone(), change, before, after)
    }

    fn object(kind: &str, name: &str) -> ObjectRef {
        let version = match kind {
            "Job" => "batch/v1",
            "StatefulSet" => "apps/v1",
            "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
            _ => "v1",
        };
        ObjectRef::new(version, kind, (kind != "CustomResourceDefinition").then_some("prod"), name)
    }

    fn cautions(changes: &[ObjectChange], beside: &Aftermath) -> Vec<String> {
        super::cautions(&changes.iter().collect::<Vec<_>>(), beside)
    }

    fn back() -> Aftermath {
        Aftermath { goes_back: true, ..Aftermath::default() }
    }

    #[test]
    fn what_is_kept_and_what_nobody_touches_is_named() {
        let kept = vec![
            object("PersistentVolumeClaim", "data"),
            object("CustomResourceDefinition", "things.example.com"),
        ];
        let untouched = (0..22).map(|at| object("ConfigMap", &format!("n{at}"))).collect();
        let said = cautions(&[], &Aftermath { kept, untouched, ..Aftermath::default() });
        assert_eq!(
            said[..2],
            [
                "PersistentVolumeClaim prod/data stays, with all that goes with it (`--delete=pvcs` removes it)",
                "apiextensions.k8s.io/CustomResourceDefinition things.example.com stays, with all that goes with it \
                 (`--delete=crds` removes it)",
            ]
        );
        assert!(said[2].contains(": ConfigMap prod/n0, ConfigMap prod/n1, "), "{said:?}");
        assert!(said[2].ends_with("ConfigMap prod/n19, 2 more") && said.len() == 3, "{said:?}");
    }

    #[test]
    fn a_password_that_goes_while_a_volume_stays_is_warned_about() {
        let secret = |annotation: Option<&str>| {
            let before = json!({ "metadata": { "annotations": { GENERATED: annotation } } });
            row(&object("Secret", "db"), Change::Delete, Some(before), None)
        };
        let claim = (object("PersistentVolumeClaim", "data-db-0"), object("StatefulSet", "db"));
        let left = Aftermath { claims: vec![claim], ..Aftermath::default() };
        let kept = Aftermath { kept: vec![object("PersistentVolumeClaim", "x")], ..Aftermath::default() };
        let generated = Some(r#"{"db-password":"password"}"#);
        let said = cautions(&[secret(generated)], &left);
        assert_eq!(
            said[0],
            "PersistentVolumeClaim prod/data-db-0 stays, with what is in it: apps/StatefulSet prod/db made it \
             (`--delete=pvcs` removes it)"
        );
        assert!(
            said[1].contains("makes `db-password` anew") && said[1].contains("--keep-credentials"),
            "{said:?}"
        );
        assert_eq!(cautions(&[secret(generated)], &kept).len(), 2);
        assert!(cautions(&[secret(Some("no JSON"))], &kept)[1].contains("makes a password anew"));
        assert_eq!(cautions(&[secret(generated)], &Aftermath::default()), Vec::<String>::new());
        assert_eq!(cautions(&[secret(None)], &kept).len(), 1, "the claim alone");
    }

    #[test]
    fn a_job_that_ran_and_one_that_will_are_named_when_going_back() {
        let ran = || Some(json!({ "status": { "startTime": "2026-01-01T00:00:00Z" } }));
        let waits = || Some(json!({ "status": {} }));
        let job = |name| object("Job", name);
        let rows = [
            row(&job("migrate-2"), Change::Delete, ran(), None),
            row(&job("never"), Change::Delete, waits(), None),
            row(&job("migrate-1"), Change::Create, None, waits()),
            row(&job("again"), Change::Replace, ran(), waits()),
        ];
        let stays = [("stays", ran()), ("sleeps", waits())].map(|(name, body)| (job(name), body.unwrap()));
        let gone = Aftermath {
            gone: vec![job("expired"), object("ConfigMap", "x")],
            jobs: stays.to_vec(),
            ..back()
        };
        assert_eq!(
            cautions(&rows, &gone),
            [
                "batch/Job prod/expired is not there any more: what it did, if it ran, is not undone",
                "batch/Job prod/stays has run: what it did is not undone",
                "batch/Job prod/migrate-2 has run: what it did is not undone",
                "batch/Job prod/migrate-1 is made anew and runs, whether or not it ran at that revision",
                "batch/Job prod/again has run: what it did is not undone, and it runs again",
            ]
        );
        assert_eq!(cautions(&rows, &Aftermath::default()), Vec::<String>::new(), "an upgrade");
    }

    #[test]
    fn a_definition_that_loses_a_version_or_has_one_again_is_named_when_going_back() {
        let definition = |versions: &[&str]| {
            let versions: Vec<_> = versions.iter().map(|name| json!({ "name": name })).collect();
            Some(json!({ "spec": { "versions": versions }, "status": { "storedVersions": ["v2"] } }))
        };
        let things = object("CustomResourceDefinition", "things.example.com");
        let name = "apiextensions.k8s.io/CustomResourceDefinition things.example.com";
        let change = |before: &[&str], after: &[&str]| {
            cautions(&[row(&things, Change::Update, definition(before), definition(after))], &back())
        };
        assert_eq!(
            change(&["v1", "v2"], &["v1"]),
            [format!("{name} loses the version v2: what uses it fails, and objects are not converted")]
        );
        assert_eq!(
            change(&["v2"], &["v1", "v2"]),
            [format!("{name} has the version v1 again: objects stay as they are stored by now (v2)")]
        );
        assert_eq!(change(&["v1"], &["v1"]), Vec::<String>::new());
    }

    #[test]
    fn data_stays_as_it_is_when_going_back() {
        let set = |templates: Value| Some(json!({ "spec": { "volumeClaimTemplates": templates } }));
        let (db, claim) = (object("StatefulSet", "db"), object("PersistentVolumeClaim", "data"));
        let said = |row: ObjectChange| cautions(&[row], &back());
        let with = set(json!([{}]));
        assert_eq!(
            said(row(&db, Change::Unchanged, with.clone(), with.clone())),
            ["apps/StatefulSet prod/db keeps its volumes as they are: what was written there since stays"]
        );
        assert_eq!(said(row(&db, Change::Update, set(json!([])), set(json!([])))), Vec::<String>::new());
        assert_eq!(said(row(&claim, Change::Unchanged, with.clone(), with.clone())).len(), 1);
        assert_eq!(said(row(&claim, Change::Create, None, with)), Vec::<String>::new());
    }
}
