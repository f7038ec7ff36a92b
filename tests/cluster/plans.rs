//! Plans that hold on a real API server, and ways back: what others do to an object makes no plan stale, what they do
//! to the fields of the installation does.

use std::fs;

use serde_json::json;

use crate::site::{Said, Site};
use crate::support::{Home, config_map};
use crate::{bundle, with};

/// A Deployment, which the server's controllers write to as well.
fn deployment(image: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: test-web}}, spec: {{
           selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}},
             spec: {{containers: [{{name: main, image: 'registry.example/{image}'}}]}}}}}}}}"
    )
}

fn map(name: &str, value: &str) -> String {
    config_map(name).replace("a: b", &format!("a: {value}"))
}

/// A site with two revisions of an application, the first of them installed.
struct Place {
    site: Site,
    _home: Home,
    first: Vec<String>,
    second: Vec<String>,
}

impl Place {
    fn new() -> Self {
        let (site, home) = (Site::new(), Home::new());
        let kinds = "ConfigMap, apps/Deployment";
        let first = [map("test-map", "first"), deployment("web:1")];
        let second = [map("test-map", "second"), deployment("web:2"), map("test-more", "more")];
        let first = bundle(&site, &home, "first", kinds, &first.each_ref().map(|it| it.as_str()));
        let second = bundle(&site, &home, "second", kinds, &second.each_ref().map(|it| it.as_str()));
        site.carnet(&with(&["install", "test", "--no-wait"], &first)).done();
        Self { site, _home: home, first, second }
    }

    /// Keeps a plan in a file.
    fn plan(&self, rest: &[String]) {
        let rest: Vec<_> = rest.iter().filter(|it| *it != "--yes").cloned().collect();
        let said = self.site.carnet(&with(&["plan", "test"], &rest)).done();
        fs::write(self.site.path("plan.json"), said.stdout).unwrap();
    }

    fn apply(&self) -> Said {
        self.site.carnet(&["apply", "plan.json", "--dangerous-unsigned", "--no-wait"])
    }

    fn value(&self) -> String {
        self.site.get("configmap/test-map", "jsonpath={.data.a}")
    }

    fn write(&self, value: &str) {
        let patch = format!("{{\"data\": {{\"a\": \"{value}\"}}}}");
        self.site.kubectl(&["patch", "configmap", "test-map", "-p", &patch]);
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_plan_holds_while_only_others_write_what_is_theirs() {
    let place = Place::new();
    place.plan(&place.second);
    let before = place.site.versions();
    place.site.kubectl(&["annotate", "configmap", "test-map", "example.com/theirs=1"]);
    place.site.kubectl(&["label", "deployment", "test-web", "theirs=1"]);
    let scale = ["scale", "deployment", "test-web", "--replicas=2"];
    place.site.kubectl(&scale);
    assert_ne!(place.site.versions(), before);
    place.apply().done();
    assert_eq!(place.value(), "second");
    let theirs =
        place.site.get("configmap/test-map", "jsonpath={.metadata.annotations.example\\.com/theirs}");
    assert_eq!(theirs, "1");
    assert_eq!(place.site.get("deployment/test-web", "jsonpath={.spec.replicas}"), "2");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_plan_is_stale_when_a_field_of_the_installation_was_changed() {
    let place = Place::new();
    place.plan(&place.second);
    place.write("theirs");
    let object = format!("ConfigMap {}/test-map", place.site.namespace);
    place.apply().refused(13, &["the plan no longer holds", &object, ".data.a", "kubectl-patch"]);
    assert_eq!(place.value(), "theirs");
    assert!(!place.site.names().contains(&"ConfigMap/test-more".to_owned()), "a stale plan wrote something");

    place.site.kubectl(&["delete", "configmap", "test-map"]);
    let now = format!("{object}: update was planned, now it would be create");
    place.apply().refused(13, &["the plan no longer holds", &now]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn an_installation_goes_back_and_what_drifted_is_put_back() {
    let place = Place::new();
    place.site.carnet(&with(&["upgrade", "test", "--no-wait"], &place.second)).done();
    let back = ["rollback", "test", "--yes", "--no-wait", "--dangerous-unsigned"];
    place.site.carnet(&back).done();
    assert_eq!(place.value(), "first");
    assert!(!place.site.names().contains(&"ConfigMap/test-more".to_owned()));

    place.write("theirs");
    let drift = ["drift", "test", "--dangerous-unsigned"];
    let said = place.site.carnet(&[&drift[..], &["--exit-code"]].concat());
    assert_eq!(said.code, 3, "{said}");
    let rows = said.document["objects"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{said}");
    assert_eq!(
        (&rows[0]["name"], &rows[0]["state"], &rows[0]["fields"]),
        (&json!("test-map"), &json!("changed"), &json!(["/data/a"]))
    );
    place.site.carnet(&[&drift[..], &["--fix", "--yes", "--no-wait"]].concat()).done();
    assert_eq!(place.value(), "first");
    assert_eq!(place.site.carnet(&[&drift[..], &["--exit-code"]].concat()).code, 0);
    assert_eq!(place.site.carnet(&with(&["upgrade", "test", "--no-wait"], &place.first)).done().code, 0);
}
