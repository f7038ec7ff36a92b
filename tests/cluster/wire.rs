//! How requests go out: how many, in what order, and what becomes of them when the server is busy or away.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::site::Site;
use crate::support::{Home, config_map};
use crate::{bundle, text, with};

/// Manifests of this many ConfigMaps.
fn config_maps(count: usize, value: &str) -> Vec<String> {
    (0..count)
        .map(|at| config_map(&format!("test-{at:03}")).replace("a: b", &format!("a: {value}")))
        .collect()
}

fn texts(manifests: &[String]) -> Vec<&str> {
    manifests.iter().map(String::as_str).collect()
}

/// How often each verb was used, a dry run counted apart.
fn requests(events: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        let is_trial = text(&event["requestURI"]).contains("dryRun=All");
        let verb = if is_trial { "try".to_owned() } else { text(&event["verb"]) };
        *counts.entry(verb).or_default() += 1;
    }
    counts
}

/// What a command asks of the server.
fn asked(site: &Site, arguments: &[&str]) -> BTreeMap<String, usize> {
    let before = site.audit().len();
    site.carnet(arguments).done();
    requests(&site.audit()[before..])
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(verb, count)| ((*verb).to_owned(), *count)).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn each_object_takes_as_few_requests_as_it_can() {
    let (site, home) = (Site::new(), Home::new());
    let first = bundle(&site, &home, "first", "ConfigMap", &texts(&config_maps(20, "b")));
    let mut changed = config_maps(20, "b");
    changed[7] = changed[7].replace("a: b", "a: c");
    let second = bundle(&site, &home, "second", "ConfigMap", &texts(&changed));
    let own = ["--no-wait"];

    let install = [&["install", "test"], &own[..]].concat();
    assert_eq!(asked(&site, &with(&install, &first)), counts(&[("get", 20), ("patch", 20)]));
    let upgrade = [&["upgrade", "test"], &own[..]].concat();
    assert_eq!(asked(&site, &with(&upgrade, &first)), counts(&[("get", 20)]));
    let once = counts(&[("get", 20), ("patch", 1), ("try", 1)]);
    assert_eq!(
        asked(&site, &with(&upgrade, &second)),
        once,
        "what changes is tried out before anything is written"
    );

    let looked_at: Vec<_> = first.iter().filter(|it| *it != "--yes").cloned().collect();
    let tried = counts(&[("get", 20), ("try", 20)]);
    assert_eq!(asked(&site, &with(&["plan", "test"], &looked_at)), tried);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn as_many_objects_as_one_call_may_have_are_installed_and_left_alone() {
    let (site, home) = (Site::new(), Home::new());
    let rest = bundle(&site, &home, "many", "ConfigMap", &texts(&config_maps(500, "b")));
    let said = site.carnet(&with(&["install", "test", "--no-wait"], &rest)).done();
    let names: Vec<_> = (0..500).map(|at| format!("ConfigMap/test-{at:03}")).collect();
    assert_eq!(said.changed(&["create"]), names, "the plan is in the order of the call");
    let status = site.carnet(&["status", "test"]).done().document;
    assert_eq!(status["objects"].as_array().unwrap().len(), 500);
    assert_eq!(asked(&site, &with(&["upgrade", "test", "--no-wait"], &rest)), counts(&[("get", 500)]));
    site.carnet(&["uninstall", "test", "--yes"]).done();
    assert_eq!(site.names(), Vec::<String>::new());
}
