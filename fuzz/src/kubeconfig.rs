//! What is asked of kubeconfigs: one is judged the same in each notation, and no value of its users is in an error.

use carnet::cluster::{InvalidKubeconfig, check_kubeconfig};
use carnet::document;
use serde_json::{Value, json};

use super::{as_json, shown};

/// Stands for whatever is secret in the corpus. Names are told, so it is none there.
const SECRET: &str = "hunter2";

/// The longest error: the names in it are cut.
const MAX_ERROR: usize = 1500;

/// Kubeconfig files.
pub fn kubeconfig(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let outcome = check_kubeconfig(text);
    let document = document::yaml(text).ok();
    if let Err(error) = &outcome {
        shown(error);
        let told = document::chain(error);
        assert!(told.chars().count() <= MAX_ERROR, "{told}");
        let may_be_named =
            !matches!(error, InvalidKubeconfig::Document { .. }) && document.as_ref().is_none_or(is_named);
        assert!(may_be_named || !told.contains(SECRET), "{told}");
    }
    let Some(document) = document else { return };
    // Whoever wrote it, and how: a document that can be read is judged by what it says.
    if let Some(again) = as_json(&document)
        && !matches!(outcome, Err(InvalidKubeconfig::Document { .. }))
    {
        assert_eq!(check_kubeconfig(&again), outcome);
    }
    if outcome.is_ok() {
        stands_on_its_clusters_and_not_on_its_users(&document);
    }
}

/// As for kubectl, a user that is not there is nobody, and a cluster that is not there is a fault.
fn stands_on_its_clusters_and_not_on_its_users(document: &Value) {
    let without = |list: &str| {
        let mut document = document.clone();
        *document.get_mut(list)? = json!([]);
        Some(check_kubeconfig(&as_json(&document)?))
    };
    if let Some(outcome) = without("users") {
        assert_eq!(outcome, Ok(()));
    }
    let has_context = document["contexts"].as_array().is_some_and(|contexts| !contexts.is_empty());
    if let Some(outcome) = without("clusters").filter(|_| has_context) {
        assert!(matches!(outcome, Err(InvalidKubeconfig::Context(_))), "{outcome:?}");
    }
}

/// Whether the secret stands where names do, which are told.
fn is_named(document: &Value) -> bool {
    let lists = ["contexts", "clusters", "users"].map(|list| document[list].as_array());
    let entries = lists.into_iter().flatten().flatten();
    let names =
        entries.flat_map(|entry| [&entry["name"], &entry["context"]["cluster"], &entry["context"]["user"]]);
    let names = names.chain([&document["current-context"]]).filter_map(Value::as_str);
    names.into_iter().any(|name| name.contains(SECRET))
}
