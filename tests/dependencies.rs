//! An application of three bundles that depend on each other, through the program: looked at, installed from registries and from
//! an archive, upgraded, and removed in reverse order. Whatever stops on the way is finished by the same command.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run the program, read files and are a registry"
)]

mod support;
#[expect(dead_code, reason = "tests of the library use all of it")]
#[path = "../src/oci/registry/tests/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use server::Server;
use support::guest::Script;
use support::said::Said;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The grants of the bundle that is asked for, and of those that it depends on.
const GRANTS: [&str; 6] = [
    "--allow-kube",
    "apply:ConfigMap:prod/web-*",
    "--dependency",
    "api:allow-kube=apply:ConfigMap:prod/api-*",
    "--dependency",
    "api/db:allow-kube=apply:ConfigMap:prod/db-*",
];

/// `web` needs `api`, and `api` needs `db`; each in a registry of its own.
struct Site {
    home: support::Home,
    key: carnet::signature::PrivateKey,
    /// What the registries run on.
    _runtime: tokio::runtime::Runtime,
    servers: [Server; 3],
}

const NAMES: [&str; 3] = ["web", "api", "db"];

impl Site {
    /// Registries with the first version of each.
    fn new() -> Self {
        let home = support::Home::new();
        let runtime = support::runtime_for_servers();
        let key = carnet::signature::PrivateKey::generate().unwrap();
        let start = || runtime.block_on(Server::start());
        let servers = [start(), start(), start()];
        let site = Self { home, key, _runtime: runtime, servers };
        site.trust(&site.places());
        site.publish("db", "1.0.0", None);
        site.publish("api", "1.0.0", Some("1.x"));
        site.publish("web", "1.0.0", Some("1.x"));
        site
    }

    fn place(&self, name: &str) -> String {
        let at = NAMES.iter().position(|known| *known == name).unwrap();
        format!("{}/acme/{name}", self.servers[at].host())
    }

    fn places(&self) -> Vec<String> {
        NAMES.map(|name| self.place(name)).into_iter().chain(["layout".into(), "archive".into()]).collect()
    }

    /// Gives a policy that trusts the key in these places and nowhere else.
    fn trust(&self, places: &[String]) {
        let pem = self.key.public().to_pem().replace('\n', "\\n");
        let rule = |place: &String| {
            format!(
                "  - {{ match: \"{place}\", names: [\"*\"], require: {{ threshold: 1, anyOf: [release] }} }}\n"
            )
        };
        let rules: String = places.iter().map(rule).collect();
        let text = format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n    release: {{ pem: \"{pem}\" }}\n  rules:\n{rules}"
        );
        std::fs::write(self.home.path("trust.yaml"), text).unwrap();
    }

    /// Makes and signs a version of a bundle that needs such versions of the next one, in `layout:NAME-VERSION`.
    fn make(&self, name: &str, version: &str, needs: Option<&str>) -> PathBuf {
        let next = NAMES.iter().skip_while(|known| **known != name).nth(1);
        let needs = next.zip(needs).map(|(next, range)| (*next, self.place(next), range.to_owned()));
        let manifest = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}-x}}, data: {{v: '{version}'}}}}"
        );
        let component =
            Script::new().apply(&[&manifest]).output("url", &format!("https://{name}/{version}")).component();
        let rest = format!(
            "parameters:\n  address: {{ schema: {{ type: string, maxLength: 20 }}, description: Of what it needs }}\n\
             outputs:\n  url: {{ schema: {{ type: string }}, description: Where it is }}\n\
             requests:\n  kubernetes: [{{verbs: [apply], kinds: [ConfigMap], namespaces: ['${{namespace}}'], names: ['{name}-*']}}]\n"
        );
        let layout = format!("{name}-{version}");
        let like = self.home.bundle(&format!("{layout}-like"), &component, &rest);
        let made = self.home.forged(&layout, &like, &component, |bundle| {
            bundle["name"] = name.into();
            bundle["version"] = version.into();
            let Some((next, place, range)) = needs else { return };
            bundle["custom"]["io.cnab.dependencies"] =
                json!({ "requires": { next: { "bundle": place, "version": { "ranges": [range] } } } });
            bundle["custom"]["io.cnab.parameter-sources"] = json!({ "address": {
                "priority": ["dependencies.output"],
                "sources": { "dependencies.output": { "dependency": next, "name": "url" } },
            } });
            let required = bundle["requiredExtensions"].as_array_mut().unwrap();
            required.extend(["io.cnab.dependencies".into(), "io.cnab.parameter-sources".into()]);
        });
        support::sign(&support::reference(&made), &self.key).unwrap();
        made
    }

    /// The same, also in its registry, by its version.
    fn publish(&self, name: &str, version: &str, needs: Option<&str>) {
        let layout = self.make(name, version, needs);
        let to = format!("{}:{version}", self.place(name));
        self.run(&["push", &format!("layout:{}", layout.display()), &to]).expect(0);
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path("home"))
            .env("CARNET_TRUST", self.home.path("trust.yaml"))
            .env("COSIGN_PASSWORD", "")
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("dependencies"))
            .current_dir(self.home.root.path())
            .args(["-o", "json"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Said::of(output)
    }

    /// Installs or upgrades `web`.
    fn act(&self, verb: &str, reference: &str, more: &[&str]) -> Said {
        let target = ["--target", "dir:rendered", "-n", "prod", "-y", "--no-wait"];
        self.run(&[&[verb, "web", reference][..], &target, more].concat())
    }

    /// Installs something by itself.
    fn install_alone(&self, name: &str, bundle: &str, version: &str) -> Said {
        let (reference, grant) =
            (format!("{}:{version}", self.place(bundle)), format!("apply:ConfigMap:prod/{bundle}-*"));
        let target = ["--target", "dir:rendered", "-n", "prod", "-y", "--no-wait"];
        self.run(&[&["install", name, &reference][..], &target, &["--allow-kube", &grant]].concat())
    }

    fn status(&self, name: &str) -> Value {
        self.run(&["status", name]).expect(0).document
    }

    /// The installations that are there, with their bundles.
    fn there(&self) -> Vec<String> {
        let listed = self.run(&["list"]).expect(0).document;
        let items = listed["items"].as_array().or(listed["installations"].as_array()).unwrap().clone();
        let line =
            |it: &Value| format!("{} {}", it["name"].as_str().unwrap(), it["bundle"].as_str().unwrap());
        items.iter().map(line).collect()
    }

    /// The files that are there, by name.
    fn made(&self) -> Vec<String> {
        self.home.rendered().into_keys().collect()
    }
}

/// Installations of an outcome in the order in which something was done to them.
fn done(outcome: &Value) -> Vec<String> {
    let below = outcome["dependencies"].as_array().cloned().unwrap_or_default();
    let below = below.iter().flat_map(done);
    let own = std::iter::once(outcome["name"].as_str().unwrap().to_owned());
    if outcome["action"] == "uninstall" { own.chain(below).collect() } else { below.chain(own).collect() }
}

#[test]
fn an_application_of_three_is_installed_from_registries_upgraded_and_removed_in_reverse() {
    let site = Site::new();
    let web = format!("{}:1.0.0", site.place("web"));
    let seen = site.run(&["inspect", &web]).expect(0).document;
    assert_eq!(
        seen["dependencies"],
        json!([{ "name": "api", "bundle": site.place("api"), "versions": ["1.x"], "prereleases": false,
            "parameters": [{ "parameter": "address", "output": "url" }] }])
    );

    // Nothing that is granted to one is granted to another, and all that is missing is said before anything is done.
    let refused = site.act("install", &web, &GRANTS[..4]).expect(11);
    let refused = refused.says(&["--dependency 'api/db:allow-kube=apply:ConfigMap:prod/db-*'"]);
    assert!(!refused.text().contains("api:allow-kube"), "{refused}");
    let refused = site.act("install", &web, &[]).expect(11);
    refused.says(&[
        "--allow-kube 'apply:ConfigMap:prod/web-*'",
        "--dependency 'api:allow-kube=",
        "'api/db:allow-kube=",
    ]);
    assert_eq!((site.made(), site.there()), (vec![], vec![]));

    let planned =
        site.run(&["plan", "web", &web, "--target", "dir:rendered", "-n", "prod", GRANTS[0], GRANTS[1]]);
    planned.expect(0).says(&["the dependency `api` is not there", "the installation `web-api`"]);

    let installed = site.act("install", &web, &GRANTS).expect(0).document;
    assert_eq!(done(&installed), ["web-api-db", "web-api", "web"]);
    assert_eq!(site.there(), ["web web 1.0.0", "web-api api 1.0.0", "web-api-db db 1.0.0"]);
    let (status, of_api) = (site.status("web"), site.status("web-api"));
    assert_eq!(status["parameters"]["address"], "https://api/1.0.0");
    assert_eq!(of_api["parameters"]["address"], "https://db/1.0.0");
    assert_eq!(status["requires"], json!([{ "dependency": "api", "installation": "web-api" }]));
    assert_eq!(of_api["madeFor"], json!({ "installation": "web", "bundle": site.place("api") }));

    // What is needed stays, and who needs it is told.
    let kept =
        site.run(&["uninstall", "web-api-db", "-y"]).expect(1).says(&["`web-api-db` is needed by `web-api`"]);
    assert_eq!(kept.hint(), "carnet uninstall web-api --with-dependencies");

    // A newer version is taken where the new bundle asks for it, and what will do stays as it is.
    site.publish("db", "1.1.0", None);
    site.publish("api", "2.0.0", Some("1.x"));
    site.publish("api", "2.1.0", Some("1.x"));
    site.publish("web", "2.0.0", Some("2.x"));
    let upgraded = site.act("upgrade", &format!("{}:2.0.0", site.place("web")), &[]).expect(0).document;
    assert_eq!(done(&upgraded), ["web-api", "web"]);
    assert_eq!(site.there(), ["web web 2.0.0", "web-api api 2.1.0", "web-api-db db 1.0.0"]);
    assert_eq!(site.status("web")["parameters"]["address"], "https://api/2.1.0");
    assert_eq!(site.status("web-api")["madeFor"]["installation"], "web");

    let removed = site.run(&["uninstall", "web", "--with-dependencies", "-y"]).expect(0).document;
    assert_eq!(done(&removed), ["web", "web-api", "web-api-db"]);
    assert_eq!((site.made(), site.there()), (vec![], vec![]));
    site.run(&["uninstall", "web", "--with-dependencies", "-y"])
        .expect(1)
        .says(&["there is no installation `web`"]);
}

#[test]
fn an_archive_carries_all_of_them_to_where_no_registry_is() {
    let site = Site::new();
    // Each has two versions that would do, and the newest goes along.
    site.publish("db", "1.2.0", None);
    let pulled =
        site.run(&["pull", &format!("{}:1.0.0", site.place("web")), "archive:app.tar"]).expect(0).document;
    let carried: Vec<_> =
        pulled["dependencies"].as_array().unwrap().iter().map(|it| &it["version"]).collect();
    assert_eq!(carried, ["1.0.0", "1.2.0"]);
    site.run(&[
        "pull",
        &format!("{}:1.0.0", site.place("web")),
        "archive:alone.tar",
        "--without-dependencies",
    ])
    .expect(0);
    // Nobody is asked from here on: what is in an archive is carried on from there.
    site.servers.iter().for_each(|server| server.answer(|_| Some(server::reply(503, ""))));
    site.run(&["copy", "archive:app.tar", "layout:app"]).expect(0);
    drop(site.servers[0].seen());

    let alone = site.act("install", "archive:alone.tar", &GRANTS).expect(1);
    alone.says(&["the dependency `api` (installation `web-api`)"]);
    assert_eq!(site.there(), Vec::<String>::new());

    for place in ["archive:app.tar", "layout:app"] {
        let installed = site.act("install", place, &GRANTS).expect(0).document;
        assert_eq!(done(&installed), ["web-api-db", "web-api", "web"]);
        assert_eq!(site.there(), ["web web 1.0.0", "web-api api 1.0.0", "web-api-db db 1.2.0"]);
        assert_eq!(site.status("web")["parameters"]["address"], "https://api/1.0.0");
        site.run(&["uninstall", "web", "--with-dependencies", "-y"]).expect(0);
        assert_eq!(site.made(), Vec::<String>::new());
    }
    assert_eq!(site.servers[0].seen().len(), 0, "what is there is not asked for");
}

#[test]
fn what_stopped_on_the_way_is_finished_by_the_same_command_and_undone_by_one() {
    let site = Site::new();
    let web = format!("{}:1.0.0", site.place("web"));
    let too_long = "address=much-longer-than-twenty-letters";
    // The bundle itself fails, when all that it needs is there.
    site.act("install", &web, &[&GRANTS[..], &["--param", too_long]].concat()).expect(1);
    assert_eq!(site.there(), ["web-api api 1.0.0", "web-api-db db 1.0.0"]);
    // A version that came since then is no reason to change what is there.
    site.publish("api", "1.9.0", Some("1.x"));
    let finished = site.act("install", &web, &GRANTS).expect(0).document;
    assert_eq!(done(&finished), ["web"]);
    assert_eq!(site.there()[1], "web-api api 1.0.0");

    // A dependency fails half-way: it is gone on with, in the version with which it was begun.
    site.run(&["uninstall", "web", "--with-dependencies", "-y"]).expect(0);
    let fails = ["--dependency", "api/db:param=address=much-longer-than-twenty-letters"];
    site.act("install", &web, &[&GRANTS[..], &fails].concat()).expect(1).says(&["the dependency `api/db`"]);
    let finished = site.act("install", &web, &GRANTS).expect(0).document;
    assert_eq!(done(&finished), ["web-api-db", "web-api", "web"]);
    // Where somebody removed the bundle alone, what was made for it goes by the same command as ever.
    site.run(&["uninstall", "web", "-y"]).expect(0);
    let removed = site.run(&["uninstall", "web", "--with-dependencies", "-y"]).expect(0).document;
    assert_eq!(done(&removed), ["web-api", "web-api-db"]);
    assert_eq!(site.made(), Vec::<String>::new());
}

#[test]
fn what_is_there_is_used_where_it_will_do_and_stays_when_the_rest_goes() {
    let site = Site::new();
    let web = format!("{}:1.0.0", site.place("web"));
    site.install_alone("db", "db", "1.0.0").expect(0);
    let shared = [&GRANTS[..4], &["--dependency", "api/db:installation=db"]].concat();
    let installed = site.act("install", &web, &shared).expect(0).document;
    assert_eq!(done(&installed), ["web-api", "web"]);
    assert_eq!(site.status("web-api")["requires"], json!([{ "dependency": "db", "installation": "db" }]));
    assert_eq!(site.status("db").get("madeFor"), None);
    site.run(&["uninstall", "db", "-y"]).expect(1).says(&["`db` is needed by `web-api`"]);
    let removed = site.run(&["uninstall", "web", "--with-dependencies", "-y"]).expect(0).document;
    assert_eq!(done(&removed), ["web", "web-api"]);
    assert_eq!(site.there(), ["db db 1.0.0"]);

    // What will not do says why, and nothing is done.
    site.publish("db", "3.0.0", None);
    site.install_alone("new", "db", "3.0.0").expect(1);
    site.run(&["uninstall", "db", "-y"]).expect(0);
    site.install_alone("new", "db", "3.0.0").expect(0);
    for (name, expected) in [
        ("new", "which is db 3.0.0 and was not made for it, and 1.x is wanted"),
        ("web-api", "which is the one that needs it"),
    ] {
        let flag = format!("api/db:installation={name}");
        let refused = site.act("install", &web, &[&GRANTS[..4], &["--dependency", &flag]].concat()).expect(1);
        refused.says(&[expected]);
        assert_eq!(site.there(), ["new db 3.0.0"]);
    }
}

#[test]
fn each_dependency_is_admitted_by_the_policy_or_nothing_is_done() {
    let site = Site::new();
    let web = format!("{}:1.0.0", site.place("web"));
    site.trust(&site.places().into_iter().filter(|place| *place != site.place("db")).collect::<Vec<_>>());
    site.act("install", &web, &GRANTS).expect(10).says(&["the dependency `api/db`"]);
    assert_eq!((site.made(), site.there()), (vec![], vec![]));
    // That the bundle itself may be unsigned says nothing of what it needs.
    let layout = format!("layout:{}", site.home.path("web-1.0.0").display());
    let unsigned = [&GRANTS[..], &["--dangerous-unsigned"]].concat();
    site.act("install", &layout, &unsigned).expect(10).says(&["the dependency `api/db`"]);
    assert_eq!(site.there(), Vec::<String>::new());
    // Where it is said to be elsewhere, the rule of that place counts.
    let elsewhere = format!("api/db:from=layout:{}", site.home.path("db-1.0.0").display());
    let installed =
        site.act("install", &web, &[&GRANTS[..], &["--dependency", &elsewhere]].concat()).expect(0);
    assert_eq!(done(&installed.document), ["web-api-db", "web-api", "web"]);
}

#[test]
fn what_nobody_has_and_what_never_ends_is_told_before_anything_is_done() {
    let site = Site::new();
    site.publish("web", "3.0.0", Some("3.x"));
    let refused = site.act("install", &format!("{}:3.0.0", site.place("web")), &GRANTS).expect(1);
    refused.says(&["no version of", "for the dependency `api`: 3.x is wanted, and there is 1.0.0"]);
    // A tag is only a name: the bundle itself says which version it is.
    site.run(&[
        "push",
        &format!("layout:{}", site.home.path("api-1.0.0").display()),
        &format!("{}:3.5.0", site.place("api")),
    ])
    .expect(0);
    let refused = site.act("install", &format!("{}:3.0.0", site.place("web")), &GRANTS).expect(1);
    refused.says(&["is version 1.0.0, and for the dependency `api` 3.x is wanted"]);

    let unknown =
        site.act("install", &format!("{}:1.0.0", site.place("web")), &["--dependency", "apo:approve=x"]);
    unknown.expect(2).says(&["--dependency apo: invalid value"]);
    let unknown = [&GRANTS[..], &["--dependency", "apo:installation=x"]].concat();
    site.act("install", &format!("{}:1.0.0", site.place("web")), &unknown)
        .expect(2)
        .says(&["the bundle has no dependency `apo`", "api/db"]);

    // `db` needs `web` now.
    let round = site.home.path("round");
    std::fs::create_dir_all(&round).unwrap();
    let component = Script::new().component();
    let like = site.home.bundle("round-like", &component, "requests: {}\n");
    let made = site.home.forged("round", &like, &component, |bundle| {
        bundle["name"] = "db".into();
        bundle["version"] = "1.5.0".into();
        bundle["custom"]["io.cnab.dependencies"] =
            json!({ "requires": { "api": { "bundle": site.place("api") } } });
    });
    support::sign(&support::reference(&made), &site.key).unwrap();
    site.run(&["push", &format!("layout:{}", made.display()), &format!("{}:1.5.0", site.place("db"))])
        .expect(0);
    let refused = site.act("install", &format!("{}:1.0.0", site.place("web")), &GRANTS).expect(1);
    refused.says(&["the bundles depend on each other in a circle"]);
    assert_eq!((site.made(), site.there()), (vec![], vec![]));
}
