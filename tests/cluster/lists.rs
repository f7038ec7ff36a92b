//! Planning reads many objects of a kind by one list, where the caller may. The audit log is the witness.

use serde_json::Value;

use crate::site::{Site, is_minting, text};
use crate::support::{Home, config_map};
use crate::{bundle, with};

const COUNT: usize = 12;

fn secret(name: &str) -> String {
    config_map(name).replace("ConfigMap", "Secret").replace(" data:", " stringData:")
}

/// The requests of the site since the last time, counted: lists of ConfigMaps, lists of anything else, reads of single
/// ConfigMaps and of single Secrets, by whom the run acts as included.
fn counted(site: &Site, seen: &mut usize) -> [usize; 4] {
    let events: Vec<Value> =
        site.audit().into_iter().skip(*seen).filter(|event| !is_minting(event)).collect();
    *seen = site.audit().len();
    let count = |verb: &str, resource: &dyn Fn(&str) -> bool| {
        let is_meant =
            |event: &&Value| event["verb"] == *verb && resource(&text(&event["objectRef"]["resource"]));
        events.iter().filter(is_meant).count()
    };
    let (maps, secrets) = (|it: &str| it == "configmaps", |it: &str| it == "secrets");
    [count("list", &maps), count("list", &|it| !maps(it)), count("get", &maps), count("get", &secrets)]
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn many_objects_take_a_list_for_each_kind_and_a_secret_is_never_listed() {
    let (site, home) = (Site::new(), Home::new());
    let maps: Vec<String> = (0..COUNT).map(|at| config_map(&format!("test-map-{at}"))).collect();
    let secrets: Vec<String> = (0..COUNT).map(|at| secret(&format!("test-secret-{at}"))).collect();
    let manifests: Vec<&str> = maps.iter().chain(&secrets).map(String::as_str).collect();
    let rest = bundle(&site, &home, "many", "ConfigMap, Secret", &manifests);
    let mut seen = site.audit().len();

    let installed = site.carnet(&with(&["install", "many"], &rest)).done();
    assert_eq!(installed.changed(&["create"]).len(), 2 * COUNT);
    assert_eq!(counted(&site, &mut seen), [1, 0, 0, COUNT]);
    let names = site.names();
    assert_eq!(names.len(), 2 * COUNT);

    // What somebody else changed is seen, and nothing else is sent.
    site.kubectl(&["patch", "configmap", "test-map-3", "--type=merge", "-p", r#"{"data":{"a":"by hand"}}"#]);
    seen = site.audit().len();
    let upgraded = site.carnet(&with(&["upgrade", "many", "--force-conflicts"], &rest)).done();
    let changed = upgraded.changed(&["update"]);
    assert_eq!(changed, ["ConfigMap/test-map-3"]);
    assert_eq!(counted(&site, &mut seen)[..2], [1, 0]);

    site.carnet(&["uninstall", "many", "--yes"]).done();
    let [lists, others, ..] = counted(&site, &mut seen);
    assert_eq!((lists, others), (1, 0));
    assert_eq!(site.names(), Vec::<String>::new());
}
