//! The rights that manifests take, with or without a bundle: of files as people have them, or as a renderer prints them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::document::{MemoryBudget, visible};
use crate::kubernetes::definition;
use crate::kubernetes::kinds::{Kinds, Redefined};
use crate::kubernetes::manifest::{self, InvalidManifest};
use crate::kubernetes::object::{ObjectId, ObjectRef};
use crate::plan::{InstallationName, namespaces_among, of_manifests};

use super::RightsReport;

/// The most objects whose rights are told together: more than the largest application has.
const MAX_OBJECTS: usize = 10_000;

/// A file of manifests.
#[derive(Debug, Clone)]
pub struct ManifestFile {
    /// Its name, for people.
    pub name: String,
    /// Its text: YAML, of one or several documents, or JSON.
    pub text: String,
}

/// Manifests, and whom they are for.
#[derive(Debug, Clone)]
pub struct Manifests {
    /// The files.
    pub files: Vec<ManifestFile>,
    /// The name that the roles and the account have.
    pub name: String,
    /// The namespace of objects without one, and of the account.
    pub namespace: String,
    /// The namespace of the account, where it is another one.
    pub home: Option<String>,
}

/// Why the rights of manifests cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableManifest {
    /// A document is none of an object.
    #[error("`{}`, from line {line}: {source}", visible(.file))]
    Document {
        /// The file.
        file: String,
        /// The first line of the document.
        line: usize,
        /// The fault.
        source: InvalidManifest,
    },
    /// There is nothing in the files.
    #[error("there is no manifest in what was named")]
    Empty,
    /// A definition says otherwise than another one how a kind is served.
    #[error(transparent)]
    Redefined(#[from] Redefined),
    /// There are more objects than are read.
    #[error("there are more than {MAX_OBJECTS} objects")]
    TooMany,
    /// Nobody says how these kinds are served.
    #[error("nothing says how these kinds are served: {}", .0.join(", "))]
    UnknownKinds(Vec<String>),
}

/// The rights to apply, wait for, change and remove these manifests, with an account that has just those.
///
/// # Errors
/// [`UnusableManifest`] for a file that is none of manifests, and for kinds whose definition is not among them.
pub fn rights_of_manifests(manifests: &Manifests) -> Result<RightsReport, UnusableManifest> {
    let documents = documents(&manifests.files)?;
    let kinds = kinds(&documents)?;
    let objects = objects(documents, &kinds, &manifests.namespace)?;
    let rights = of_manifests(&objects, &kinds);
    let later = namespaces_among(&objects).into_iter().collect::<Vec<_>>();
    let bare = |name: &String| super::body(&ObjectRef::new("v1", "Namespace", None, name));
    let made = later.iter().map(bare).collect();
    let owner = InstallationName { name: manifests.name.clone(), namespace: manifests.namespace.clone() };
    let report = RightsReport::granting(&rights, &owner, manifests.home.as_deref(), made);
    Ok(RightsReport { later, ..report }.in_order())
}

/// A document, and where it is from.
struct ManifestDocument<'a> {
    file: &'a str,
    line: usize,
    value: Value,
}

impl ManifestDocument<'_> {
    fn fault(&self, source: InvalidManifest) -> UnusableManifest {
        UnusableManifest::Document { file: self.file.to_owned(), line: self.line, source }
    }
}

/// The objects of all files, lists taken apart, within one budget of memory.
fn documents(files: &[ManifestFile]) -> Result<Vec<ManifestDocument<'_>>, UnusableManifest> {
    let (memory, mut found) = (MemoryBudget::default(), Vec::new());
    for file in files {
        for (line, text) in manifest::documents(&file.text) {
            let of = |value| ManifestDocument { file: &file.name, line, value };
            let read = manifest::read(text, &memory).and_then(manifest::taken_apart);
            let values = read.map_err(|source| of(Value::Null).fault(source))?;
            found.extend(values.into_iter().map(of));
            if found.len() > MAX_OBJECTS {
                return Err(UnusableManifest::TooMany);
            }
        }
    }
    if found.is_empty() { Err(UnusableManifest::Empty) } else { Ok(found) }
}

/// The kinds of Kubernetes itself, and those that definitions among the documents bring.
fn kinds(documents: &[ManifestDocument<'_>]) -> Result<Kinds, UnusableManifest> {
    let mut kinds = Kinds::default();
    for document in documents {
        let is_definition = manifest::named(&document.value).is_ok_and(|object| object.is_definition());
        if let Some((kind, resource)) = definition::resource(&document.value).filter(|_| is_definition) {
            kinds.define(&kind, resource)?;
        }
    }
    Ok(kinds)
}

/// The objects, each once: the last of several manifests of one object counts, as where they are applied in this order.
fn objects(
    documents: Vec<ManifestDocument<'_>>,
    kinds: &Kinds,
    namespace: &str,
) -> Result<Vec<(ObjectRef, Value)>, UnusableManifest> {
    let (mut found, mut unknown) = (BTreeMap::<ObjectId, (ObjectRef, Value)>::new(), Vec::new());
    for document in documents {
        let named = manifest::named(&document.value);
        let resolved = named.and_then(|object| Ok(kinds.resolve(object, namespace)?));
        let object = resolved.map_err(|source| document.fault(source))?;
        if kinds.find(&object).is_none() {
            let kind = visible(&object.group_kind());
            if !unknown.contains(&kind) {
                unknown.push(kind);
            }
            continue;
        }
        found.insert(object.id(), (object, document.value));
    }
    if unknown.is_empty() {
        Ok(found.into_values().collect())
    } else {
        Err(UnusableManifest::UnknownKinds(unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(text: &str) -> Result<RightsReport, UnusableManifest> {
        rights_of_manifests(&Manifests {
            files: vec![ManifestFile { name: "x.yaml".into(), text: text.into() }],
            name: "web".into(),
            namespace: "prod".into(),
            home: None,
        })
    }

    /// The rules of the roles, as `NAMESPACE GROUP/RESOURCE NAMES: VERBS`.
    fn rules(report: &RightsReport) -> Vec<String> {
        let roles = report.objects.iter().filter(|it| it["kind"] == "Role" || it["kind"] == "ClusterRole");
        let text = |value: &Value| {
            let texts: Vec<_> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            texts.join(",")
        };
        roles
            .flat_map(|role| {
                let namespace = role["metadata"]["namespace"].as_str().unwrap_or("*").to_owned();
                let rules = role["rules"].as_array().cloned().unwrap_or_default();
                rules.into_iter().map(move |rule| {
                    let (group, resource) = (text(&rule["apiGroups"]), text(&rule["resources"]));
                    let (names, verbs) = (text(&rule["resourceNames"]), text(&rule["verbs"]));
                    format!("{namespace} {group}/{resource} {names}: {verbs}")
                })
            })
            .collect()
    }

    const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    #[test]
    fn each_object_is_named_and_nothing_else_is_granted() {
        let two = format!(
            "# a comment\n---\n{MAP}---\n{}---\n# the end\n",
            MAP.replace("name: a", "name: b, namespace: other")
        );
        let found = rules(&report(&two).unwrap());
        assert_eq!(
            found,
            ["other /configmaps b: create,delete,get,patch", "prod /configmaps a: create,delete,get,patch",]
        );
    }

    #[test]
    fn what_is_waited_for_is_watched_and_what_hands_on_rights_has_them() {
        let text = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}\n---\n\
            {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}, rules: [{apiGroups: [''], resources: [pods], verbs: [list]}]}\n";
        let found = report(text).unwrap();
        let rules = rules(&found);
        assert!(
            rules.contains(&"prod apps/deployments web: create,delete,get,patch,watch".to_owned()),
            "{rules:?}"
        );
        assert!(rules.contains(&"prod /pods : list".to_owned()), "{rules:?}");
        assert_eq!(found.escalations.len(), 1, "{:?}", found.escalations);
    }

    #[test]
    fn lists_are_taken_apart_and_what_the_server_writes_is_passed_over() {
        let list = json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [
            {"metadata": {"name": "a", "uid": "1", "resourceVersion": "2", "creationTimestamp": "x"}, "status": {"a": 1}},
            {"metadata": {"name": "b"}},
        ]});
        assert_eq!(
            rules(&report(&list.to_string()).unwrap()),
            ["prod /configmaps a,b: create,delete,get,patch"]
        );
    }

    #[test]
    fn a_kind_is_known_by_its_definition_wherever_that_stands() {
        let widget = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}}\n";
        let error = report(widget).unwrap_err();
        assert!(
            matches!(&error, UnusableManifest::UnknownKinds(kinds) if kinds == &["example.com/Widget"]),
            "{error}"
        );
        let definition = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: widgets.example.com}, \
            spec: {group: example.com, scope: Cluster, names: {kind: Widget, plural: widgets}, versions: []}}\n";
        let found = rules(&report(&format!("{widget}---\n{definition}")).unwrap());
        assert!(found.iter().any(|rule| rule.starts_with("* example.com/widgets w:")), "{found:?}");
    }

    #[test]
    fn what_takes_a_namespace_that_is_made_comes_after_it() {
        let text = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: prod}}}}\n---\n{MAP}");
        let found = report(&text).unwrap();
        let (first, second) = found.steps();
        assert!(first.iter().any(|it| it["kind"] == "Namespace" && it["metadata"]["name"] == "prod"));
        assert!(!second.is_empty() && second.iter().all(|it| it["metadata"]["namespace"] == "prod"));
    }

    #[test]
    fn a_fault_is_named_with_file_and_line() {
        let text = format!("{MAP}---\n\nkind: ConfigMap\nmetadata: {{}}\n");
        let error = report(&text).unwrap_err().to_string();
        assert!(error.starts_with("`x.yaml`, from line 4: "), "{error}");
        for (text, said) in [("", "no manifest"), ("# only\n---\n", "no manifest"), ("a: [", "from line 1")] {
            let error = report(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let generated = MAP.replace("name: a", "generateName: a-");
        assert!(report(&generated).unwrap_err().to_string().contains("generateName"));
    }
}
