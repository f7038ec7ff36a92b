//! Bundles in registries, through the program: pushed, inspected, installed and copied, with their digests and signatures
//! as they are.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run the program, read files and are a registry"
)]

#[path = "registries/cache.rs"]
mod cache;
mod support;
#[expect(dead_code, reason = "tests of the library use all of it")]
#[path = "../src/oci/registry/tests/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use server::{Seen, Server, reply};
use support::guest::Script;
use support::said::Said;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const PASSWORD: &str = "hunter2-of-the-registry";

/// A home with a signed bundle in a layout, and a trust policy for its key at any registry of this machine.
struct Site {
    home: support::Home,
    key: carnet::signature::PrivateKey,
    runtime: tokio::runtime::Runtime,
}

impl Site {
    fn new() -> Self {
        let home = support::Home::new();
        let runtime = support::runtime_for_servers();
        let key = carnet::signature::PrivateKey::generate().unwrap();
        std::fs::write(home.path("release.pub"), key.public().to_pem()).unwrap();
        let site = Self { home, key, runtime };
        site.sign_bundle("web", "");
        site
    }

    /// Makes and signs one more bundle.
    fn sign_bundle(&self, name: &str, rest: &str) {
        let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web-a}, data: {value: one}}";
        let requests = "requests:\n  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: \
                        ['${namespace}'], names: ['web-*']}]\n";
        let script = if rest.starts_with("images:") { Script::new().image("app") } else { Script::new() };
        let component = script.apply(&[manifest]).component();
        self.home.bundle(name, &component, &format!("{requests}{rest}"));
        support::sign(&support::reference(&self.home.path(name)), &self.key).unwrap();
    }

    /// A later version of the bundle in a layout of its own, signed by the same key, which makes this object alone.
    fn later(&self, object: &str) -> String {
        let manifest = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {object}}}, data: {{value: two}}}}"
        );
        let source = self.path("later-source");
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(source.join("component.wasm"), Script::new().apply(&[&manifest]).component()).unwrap();
        let earlier = std::fs::read_to_string(self.path("web-source/carnet.yaml")).unwrap();
        std::fs::write(source.join("carnet.yaml"), earlier.replace("version: 1.0.0", "version: 2.0.0"))
            .unwrap();
        self.home.built(&source, "later");
        support::sign(&support::reference(&self.path("later")), &self.key).unwrap();
        self.layout("later")
    }

    /// The files that an installation made, by name.
    fn made(&self) -> Vec<String> {
        self.home.rendered().into_keys().collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path(name)
    }

    fn registry(&self) -> Server {
        self.runtime.block_on(Server::start())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command.args(arguments).args(["-o", "json"]).stdin(Stdio::null()).env_clear();
        for (name, folder) in [("HOME", "."), ("XDG_CONFIG_HOME", "config"), ("XDG_DATA_HOME", "data")] {
            command.env(name, self.path(folder));
        }
        command.env("CARNET_CACHE", self.path("cache"));
        // Compiled code is shared by all tests of this file.
        command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("registries"));
        command.env("PATH", self.path("bin")).env("COSIGN_PASSWORD", "");
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    fn layout(&self, name: &str) -> String {
        format!("layout:{}", self.path(name).display())
    }

    fn archive(&self, name: &str) -> String {
        format!("archive:{}", self.path(name).display())
    }

    /// Gives a policy that trusts the key wherever the bundle is.
    fn trust(&self, server: &Server) -> String {
        let pem = std::fs::read_to_string(self.path("release.pub")).unwrap().replace('\n', "\\n");
        let rules: Vec<String> = [format!("{}/**", server.host()), "layout".to_owned(), "archive".to_owned()]
            .iter()
            .map(|scope| format!("  - {{ match: \"{scope}\", names: [\"*\"], require: {{ threshold: 1, anyOf: [release] }} }}\n"))
            .collect();
        let text = format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n    release: {{ pem: \"{pem}\" }}\n  rules:\n{}",
            rules.concat()
        );
        let file = self.path("trust.yaml");
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }
}

#[test]
fn a_bundle_goes_to_registries_and_comes_back_as_it_was() {
    let site = Site::new();
    let digest = support::fetch(&support::reference(&site.path("web"))).unwrap().digest().to_string();
    for has_api in [true, false] {
        let (first, second) = (site.registry(), site.registry());
        for server in [&first, &second] {
            server.contents().lists_referrers = has_api;
        }
        let (at_first, at_second) =
            (format!("{}/acme/web:1", first.host()), format!("{}/other/web:2", second.host()));
        let pushed = site.run(&["push", &site.layout("web"), &at_first]).expect(0).document;
        assert_eq!((&pushed["digest"], &pushed["kind"]), (&digest.clone().into(), &"Copy".into()));
        let again = site.run(&["push", &site.layout("web"), &at_first]).expect(0).document;
        assert_eq!((&again["copied"], &again["bytes"]), (&0.into(), &0.into()));
        site.run(&["copy", &at_first, &at_second]).expect(0);
        let back = format!("back-{has_api}");
        let pulled = site.run(&["pull", &at_second, &site.layout(&back)]).expect(0).document;
        assert_eq!(pulled["digest"], digest.clone());

        let trust = site.trust(&second);
        for place in [&at_second, &site.layout(&back)] {
            let verified = site.run(&["verify", place, "--trust", &trust]).expect(0).document;
            assert_eq!((&verified["digest"], &verified["trusted"]), (&digest.clone().into(), &true.into()));
            let inspected = site.run(&["inspect", place, "--trust", &trust]).expect(0).document;
            assert_eq!(inspected["signatures"][0]["trusted"], true);
        }
        // No blob was sent to the first registry twice, and a tag came after all else.
        let seen = first.seen();
        let written: Vec<_> = seen.iter().filter(|it| it.method == "PUT").collect();
        let tag = written.iter().position(|it| it.path.ends_with("/manifests/1")).unwrap();
        let blobs = written.iter().filter(|it| it.path.contains("/blobs/")).count();
        assert_eq!(blobs, first.contents().blobs.len());
        assert!(written[..tag].iter().filter(|it| it.path.contains("/blobs/")).count() == blobs);
    }
}

/// An image at a registry: its name there by digest, and the size of its manifest.
fn image(server: &Server) -> (String, usize) {
    image_of(server, 300_000)
}

fn image_of(server: &Server, length: usize) -> (String, usize) {
    let (config, layer) = (server.blob(b"{}"), server.blob(&vec![7; length]));
    let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": length}]});
    let bytes = manifest.to_string().into_bytes();
    (format!("{}/acme/app@{}", server.host(), server.document(OCI_MANIFEST, &bytes)), bytes.len())
}

#[test]
fn a_bundle_is_carried_to_where_no_network_is_and_installed_there() {
    let site = Site::new();
    let outside = site.registry();
    let (name, size) = image(&outside);
    let images = format!("images:\n  app: {{ image: \"{name}\", size: {size} }}\n");
    site.sign_bundle("web-with-image", &images);
    let (at, archive) = (format!("{}/acme/web:1", outside.host()), site.archive("web.tar"));
    let pushed = site.run(&["push", &site.layout("web-with-image"), &at]).expect(0).document;
    let copied = site.run(&["copy", &at, &archive]).expect(0).document;
    assert_eq!((&copied["digest"], &copied["missing"]), (&pushed["digest"], &serde_json::json!([])));
    let first = std::fs::read(site.path("web.tar")).unwrap();
    drop(outside);

    // Inside: another registry, and nothing else.
    let inside = site.registry();
    let there = format!("{}/mirror/web:1", inside.host());
    let carried = site.run(&["push", &archive, &there]).expect(0).document;
    assert_eq!((&carried["digest"], &carried["copied"]), (&pushed["digest"], &copied["copied"]));
    let trust = site.trust(&inside);
    let digest = pushed["digest"].as_str().unwrap().to_owned();
    let target = format!("dir:{}", site.path("rendered").display());
    let install = |name: &str, from: &str| {
        let place = ["--target", &target, "-n", name, "--approve", &digest, "-y"];
        let said = site.run(&[&["install", name, from, "--trust", &trust][..], &place].concat());
        assert_eq!(said.code, 0, "{}", said.text());
        let rendered = site.path(&format!("rendered/{name}"));
        assert!(std::fs::read_dir(rendered).unwrap().next().is_some());
        said.text()
    };
    // The component is told where the image is inside: nobody there reaches the other place.
    let (_, by_digest) = name.split_once('@').unwrap();
    let relocated = format!("{}/mirror/web@{by_digest}", inside.host());
    let told = install("from-registry", &there);
    assert!(told.contains(&relocated) && !told.contains(&name), "{told}");
    let map = site.path("map.json").display().to_string();
    let verbs: [&[&str]; 3] =
        [&["inspect", &there], &["copy", &archive, &there], &["pull", &there, &site.archive("mapped.tar")]];
    for verb in verbs {
        site.run(&[verb, &["--relocation-map", &map]].concat()).expect(0);
        let written: Value = serde_json::from_slice(&std::fs::read(&map).unwrap()).unwrap();
        assert_eq!(written[&name], relocated, "{verb:?}");
        assert_eq!(written.as_object().unwrap().len(), 2, "the component is one of them");
        std::fs::remove_file(&map).unwrap();
    }
    let local = site.run(&["inspect", &archive, "--relocation-map", &map]);
    assert!(local.code == 2 && !Path::new(&map).exists(), "{}", local.text());
    // And back: the same bytes, although another registry listed the signatures.
    site.run(&["pull", &there, &site.archive("back.tar")]).expect(0);
    drop(inside);
    assert!(install("from-archive", &archive).contains(&name), "no registry is known that has a copy");
    assert!(std::fs::read(site.path("back.tar")).unwrap() == first);
    assert!(std::fs::read(site.path("web.tar")).unwrap() == first, "reading changes nothing");
}

#[test]
fn an_archive_is_signed_built_copied_and_found_like_a_layout() {
    let site = Site::new();
    site.sign_bundle("other", "parameters: {size: {schema: {type: integer, default: 1}}}\n");
    let (archive, path) = (site.archive("a.tar"), site.path("a.tar").display().to_string());
    let built = site
        .run(&["build", &site.path("web-source").display().to_string(), "--to", &archive])
        .expect(0)
        .document;
    assert_eq!(built["reference"], format!("{archive}:1.0.0"));
    let trust = site.trust(&site.registry());
    let unsigned = site.run(&["verify", &path, "--trust", &trust]);
    assert_eq!(unsigned.code, 10, "{}", unsigned.text());
    let key = site.path("other");
    site.run(&["key", "generate", &key.display().to_string()]).expect(0);
    let key = format!("{}.key", key.display());
    for is_new in [true, false] {
        let signed = site.run(&["sign", &path, "--key", &key]).expect(0).document;
        assert_eq!((&signed["digest"], &signed["isNew"]), (&built["digest"], &is_new.into()));
    }
    let public = key.replace(".key", ".pub");
    site.run(&["verify", &format!("{archive}:1.0.0"), "--key", &public]).expect(0);
    // A second bundle in it, and back out by its tag.
    site.run(&["copy", &site.layout("other"), &format!("{archive}:signed")]).expect(0);
    let several = site.run(&["inspect", &archive]);
    assert!(several.code == 1 && several.text().contains("`1.0.0`, `signed`"), "{}", several.text());
    let copy = site.path("copy.tar").display().to_string();
    let copied = site.run(&["copy", &format!("{archive}:signed"), &copy]).expect(0).document;
    assert_eq!(copied["reference"], format!("archive:{copy}:signed"), "a path that ends so is an archive");
    site.run(&["verify", &copy, "--trust", &trust]).expect(0);
    // What is recorded of a path that was an archive is that it was one.
    let target = format!("dir:{}", site.path("rendered").display());
    let digest = copied["digest"].as_str().unwrap();
    let place = ["--target", &target, "-n", "prod", "--approve", digest, "-y", "--trust", &trust];
    site.run(&[&["install", "web", &copy][..], &place].concat()).expect(0);
    std::fs::remove_file(&copy).unwrap();
    let history = site.run(&["history", "web", "-n", "prod"]);
    assert!(history.code == 0, "{}", history.text());
    site.run(&["diff", "web", "-n", "prod", "--trust", &trust]).expect(0);
}

#[test]
fn an_archive_that_was_cut_changed_or_compressed_is_refused_for_its_reason() {
    let site = Site::new();
    let archive = site.archive("web.tar");
    site.run(&["copy", &site.layout("web"), &archive]).expect(0);
    let whole = std::fs::read(site.path("web.tar")).unwrap();
    let refused = |bytes: &[u8], code: i32, why: &str| {
        std::fs::write(site.path("web.tar"), bytes).unwrap();
        let said = site.run(&["inspect", &archive]);
        assert!(said.code == code && said.text().contains(why), "{}", said.text());
    };
    refused(&whole[..whole.len() / 2], 10, "its end is missing");
    // One bit in each blob; the one that says nothing is known without being read.
    let names = whole.windows(77).enumerate().filter(|(at, name)| {
        at % 512 == 0
            && name.starts_with(b"blobs/sha256/")
            && name[13] != 0
            && !name[13..].starts_with(b"44136fa3")
    });
    for (position, _) in names {
        let mut flipped = whole.clone();
        flipped[position + 512] ^= 1;
        refused(&flipped, 10, "not the one that its name says");
    }
    refused(&[&[0x1f, 0x8b][..], &whole].concat(), 1, "`gunzip`");
    refused(b"no archive", 1, "it is no tar file");
    refused(&[&whole[..], b"more"].concat(), 1, "something follows its end");
}

#[test]
fn a_bundle_is_installed_from_a_registry_and_rolled_back_without_it() {
    let site = Site::new();
    let server = site.registry();
    let at = format!("{}/acme/web:1", server.host());
    site.run(&["push", &site.layout("web"), &at]).expect(0);
    let trust = site.trust(&server);
    let target = format!("dir:{}", site.path("rendered").display());
    let install = ["install", "web", &at, "--trust", &trust, "--target", &target, "-n", "prod", "-y"];
    let refused = site.run(&install);
    assert_eq!(refused.code, 11, "{}", refused.text());
    let digest = site.run(&["inspect", &at, "--trust", &trust]).expect(0).document["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    site.run(&[&install[..], &["--approve", &digest]].concat()).expect(0);
    let first = site.home.rendered();

    let (later, at_later) = (site.later("web-b"), format!("{}/acme/web:2", server.host()));
    let later =
        site.run(&["push", &later, &at_later]).expect(0).document["digest"].as_str().unwrap().to_owned();
    let upgrade = ["upgrade", "web", &at_later, "--trust", &trust, "-n", "prod", "-y", "--approve", &later];
    site.run(&upgrade).expect(0);
    assert_eq!(site.made(), ["prod/configmap_web-b.yaml"]);

    drop(server);
    let status = site.run(&["status", "web", "-n", "prod"]).expect(0).document;
    assert_eq!(status["digest"], later, "{status}");
    site.run(&["rollback", "web", "--trust", &trust, "-n", "prod", "-y"]).expect(0);
    assert_eq!(site.home.rendered(), first);
    let status = site.run(&["status", "web", "-n", "prod"]).expect(0).document;
    assert_eq!(status["digest"], digest, "{status}");
    site.run(&["uninstall", "web", "-n", "prod", "-y"]).expect(0);
    assert!(site.made().is_empty());
}

/// The hint is pasted as it is, with the one thing in it that nobody else knows.
#[test]
fn whoever_has_no_rule_for_a_registry_is_told_the_one_that_is_missing() {
    let site = Site::new();
    let server = site.registry();
    let at = format!("{}/acme/web:1", server.host());
    site.run(&["push", &site.layout("web"), &at]).expect(0);
    let hint = |said: &Said| said.document["hint"].as_str().unwrap_or_default().to_owned();
    let paste = |command: &str| {
        let words: Vec<_> = command.split(' ').skip(1).collect();
        let key = site.path("release.pub").display().to_string();
        let words: Vec<_> =
            words.iter().map(|word| if *word == "RELEASE.pub" { &*key } else { word }).collect();
        site.run(&words).expect(0).document
    };
    let rule = format!("carnet trust new --key RELEASE.pub --name web --match {}/acme/web", server.host());
    let said = site.run(&["install", "web", &at, "--target", "dir:rendered", "-y"]);
    let file = site.path("config/carnet/trust.yaml");
    assert_eq!((said.code, hint(&said)), (10, format!("{rule} --to {}", file.display())), "{}", said.text());
    paste(&hint(&said));
    site.run(&["verify", &at]).expect(0);

    let said =
        site.run(&["plan", "web", &format!("{}/acme/web:9", server.host()), "--target", "dir:rendered"]);
    assert!(
        said.code == 1 && said.text().contains(&format!("carnet login {}", server.host())),
        "{}",
        said.text()
    );
    let elsewhere = format!("{}/more/web:1", server.host());
    site.run(&["push", &site.layout("web"), &elsewhere]).expect(0);
    let said = site.run(&["plan", "web", &elsewhere, "--target", "dir:rendered"]);
    let rule = rule.replace("/acme/web", "/more/web");
    let expected = format!("add to {} the rule and the key that this prints: {rule}", file.display());
    assert_eq!((said.code, hint(&said)), (10, expected), "{}", said.text());
    let printed = paste(&rule);
    assert_eq!(printed["spec"]["rules"][0]["match"], format!("{}/more/web", server.host()));
}

#[test]
fn what_a_registry_cannot_or_will_not_give_is_told_by_its_kind() {
    let site = Site::new();
    let server = site.registry();
    let at = format!("{}/acme/web:1", server.host());
    let absent = site.run(&["inspect", &at]);
    assert!(absent.code == 1 && absent.text().contains("is not there"), "{}", absent.text());
    site.run(&["push", &site.layout("web"), &at]).expect(0);
    // Bytes that are not what their digest says.
    server.answer(|seen| seen.path.contains("/blobs/").then(|| reply(200, "other bytes")));
    let damaged = site.run(&["inspect", &at]);
    assert_eq!(damaged.code, 10, "{}", damaged.text());
    // Signatures that are not shown are an error, and not a bundle without any.
    server.answer(|seen| seen.path.contains("/referrers/").then(|| reply(403, "")));
    let hidden = site.run(&["verify", &at, "--trust", &site.trust(&server)]);
    assert!(hidden.code == 1 && hidden.text().contains("403"), "{}", hidden.text());
    server.answer(|_| Some(reply(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")));
    let denied = site.run(&["inspect", &at]);
    assert!(denied.code == 1 && denied.text().contains("carnet login"), "{}", denied.text());
    // Something that is no bundle.
    let other = site.registry();
    let index = other.document(OCI_INDEX, br#"{"schemaVersion":2,"manifests":[]}"#);
    other.tag("1", &index);
    let text = site.run(&["inspect", &format!("{}/x:1", other.host())]).text();
    assert!(text.contains("something else than a bundle"), "{text}");
}

/// Wants this user and password for everything.
fn wants_password(seen: &Seen) -> Option<server::Reply> {
    use base64::Engine as _;
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("somebody:{PASSWORD}"));
    let is_known = seen.headers.get("authorization").is_some_and(|it| *it == format!("Basic {expected}"));
    match (is_known, &*seen.path) {
        (true, "/v2/") => Some(reply(200, "{}")),
        (true, _) => None,
        (false, _) => Some(reply(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")),
    }
}

fn login(site: &Site, host: &str, password: &str) -> Said {
    use std::io::Write as _;
    let mut command = site.command(&["login", host, "-u", "somebody", "--password-stdin"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    Said::of(child.wait_with_output().unwrap())
}

#[test]
fn one_logs_in_with_a_password_that_the_registry_knows_and_out_again() {
    let site = Site::new();
    let server = site.registry();
    server.answer(wants_password);
    let at = format!("{}/acme/web:1", server.host());
    let wrong = login(&site, &server.host(), "hunter3");
    assert!(wrong.code == 1 && !wrong.text().contains("hunter3"), "{}", wrong.text());
    assert!(!site.path(".docker/config.json").exists());
    assert_eq!(site.run(&["push", &site.layout("web"), &at]).code, 1);

    let known = login(&site, &server.host(), PASSWORD).expect(0);
    assert!(!known.text().contains(PASSWORD));
    site.run(&["push", &site.layout("web"), &at]).expect(0);
    site.run(&["logout", &server.host()]).expect(0);
    let denied = site.run(&["inspect", &at]);
    assert!(denied.code == 1 && !denied.text().contains(PASSWORD), "{}", denied.text());
}

/// A program that keeps one credential in a file beside it, and tells nobody else.
fn helper(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let script = "#!/bin/sh\nkept=${0%/*}/kept\ncase $1 in\nstore) /bin/cat > $kept ;;\nget) [ -e $kept ] || { echo 'credentials not found in native keychain'; exit 1; }; /bin/cat $kept ;;\nerase) /bin/rm -f $kept ;;\nesac\n";
    std::fs::create_dir_all(folder).unwrap();
    let program = folder.join("docker-credential-test");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_program_that_keeps_credentials_is_used_and_nothing_is_in_the_file() {
    let site = Site::new();
    helper(&site.path("bin"));
    std::fs::create_dir_all(site.path(".docker")).unwrap();
    std::fs::write(site.path(".docker/config.json"), r#"{"credsStore": "test"}"#).unwrap();
    let server = site.registry();
    server.answer(wants_password);
    let at = format!("{}/acme/web:1", server.host());
    login(&site, &server.host(), PASSWORD).expect(0);
    assert!(std::fs::read_to_string(site.path("bin/kept")).unwrap().contains(PASSWORD));
    assert_eq!(
        std::fs::read_to_string(site.path(".docker/config.json")).unwrap(),
        r#"{"credsStore": "test"}"#
    );
    site.run(&["push", &site.layout("web"), &at]).expect(0);
    site.run(&["logout", &server.host()]).expect(0);
    assert!(!site.path("bin/kept").exists());
    // One that is named and not there is an error: nobody asks as nobody instead.
    std::fs::write(site.path(".docker/config.json"), r#"{"credsStore": "absent"}"#).unwrap();
    let absent = site.run(&["inspect", &at]);
    assert!(absent.code == 1 && absent.text().contains("docker-credential-absent"), "{}", absent.text());
}

#[test]
fn a_tag_that_moves_while_a_bundle_is_installed_changes_nothing() {
    let site = Site::new();
    let server = site.registry();
    let at = format!("{}/acme/web:1", server.host());
    let honest = site.run(&["push", &site.layout("web"), &at]).expect(0).document["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    // The other one is as good: signed by the same key, and approved. It is just not the one that the tag meant.
    let (later, elsewhere) = (site.later("web-b"), format!("{}/acme/web:2", server.host()));
    let other =
        site.run(&["push", &later, &elsewhere]).expect(0).document["digest"].as_str().unwrap().to_owned();
    let (media_type, bytes) = server.contents().documents[&other].clone();
    let mut asked = 0;
    server.answer(move |seen| {
        let is_tag = seen.path.ends_with("/manifests/1");
        asked += i32::from(is_tag);
        (is_tag && asked > 1).then(|| reply(200, bytes.clone()).with("Content-Type", media_type.as_str()))
    });
    server.seen();
    let trust = site.trust(&server);
    let target = format!("dir:{}", site.path("rendered").display());
    let install = ["install", "web", &at, "--trust", &trust, "--target", &target, "-n", "prod", "-y"];
    site.run(&[&install[..], &["--approve", &honest]].concat()).expect(0);
    assert_eq!(site.made(), ["prod/configmap_web-a.yaml"]);
    assert_eq!(site.run(&["status", "web", "-n", "prod"]).expect(0).document["digest"], honest);
    let by_tag = server.seen().iter().filter(|it| it.path.ends_with("/manifests/1")).count();
    assert_eq!(by_tag, 1, "a tag is resolved once");
    // It had moved by then: whoever asks now gets the other one.
    assert_eq!(site.run(&["verify", &at, "--trust", &trust]).expect(0).document["digest"], other);
}

#[test]
fn what_is_not_developed_here_is_not_even_asked_for() {
    let site = Site::new();
    let server = site.registry();
    let at = format!("{}/acme/web:1", server.host());
    let target = format!("dir:{}", site.path("rendered").display());
    for verb in ["install", "plan"] {
        let refused = site.run(&[verb, "web", &at, "--target", &target, "--approve-all-for-development"]);
        assert!(
            refused.code == 2 && refused.text().contains("is not a source directory"),
            "{}",
            refused.text()
        );
    }
    assert!(server.seen().is_empty());
}

#[test]
fn images_that_are_nowhere_are_all_named_before_anything_is_written_with_a_way_on() {
    let site = Site::new();
    let server = site.registry();
    let image = |name: &str| {
        let digest = server::digest(name.as_bytes());
        format!(
            "  {name}: {{ image: '{}/elsewhere/{name}@{digest}', size: 3, description: x }}\n",
            server.host()
        )
    };
    let rest = format!("images:\n{}{}", image("one"), image("two"));
    site.home.bundle("lacking", &Script::new().component(), &rest);
    let refused = site.run(&["push", &site.layout("lacking"), &format!("{}/acme/lacking:1", server.host())]);
    assert_eq!(refused.code, 1, "{}", refused.text());
    assert!(refused.text().contains("2 images of the bundle can be had neither from"), "{}", refused.text());
    let details = refused.document["details"].as_array().unwrap();
    let names: Vec<_> = details.iter().map(|it| it.as_str().unwrap().split(':').next().unwrap()).collect();
    assert_eq!(names, ["one", "two"]);
    let hint = refused.document["hint"].as_str().unwrap();
    let copied = format!("{}/elsewhere/one@{}", server.host(), server::digest(b"one"));
    assert!(hint.starts_with("oras copy --to-oci-layout") && hint.contains(&copied), "{hint}");
    assert!(hint.contains(&site.path("lacking").display().to_string()), "{hint}");
    assert!(
        server.seen().iter().all(|it| it.method == "GET"),
        "no part of a bundle that cannot be whole is sent"
    );
}

/// A configuration in which one registry has mirrors.
fn mirrored(site: &Site, registry: &str, mirrors: &[&str]) {
    std::fs::create_dir_all(site.path("config/carnet")).unwrap();
    let text = format!("registries: {{ '{registry}': {{ mirrors: ['{}'] }} }}", mirrors.join("', '"));
    std::fs::write(site.path("config/carnet/config.yaml"), text).unwrap();
}

#[test]
fn mirrors_are_asked_in_their_order_by_those_who_read_and_never_written() {
    let site = Site::new();
    let (server, empty, mirror) = (site.registry(), site.registry(), site.registry());
    let at = format!("{}/acme/web:1", server.host());
    for host in [server.host(), format!("{}/cache", mirror.host())] {
        site.run(&["push", &site.layout("web"), &format!("{host}/acme/web:1")]).expect(0);
    }
    mirrored(&site, &server.host(), &[&empty.host(), &format!("{}/cache", mirror.host())]);
    for server in [&server, &empty, &mirror] {
        server.seen();
    }
    let trust = site.trust(&server);
    let verified = site.run(&["verify", &at, "--trust", &trust]).expect(0).document;
    assert_eq!(verified["trusted"], true);
    site.run(&["pull", &at, &site.layout("back")]).expect(0);
    let asked: Vec<_> = mirror.seen().into_iter().map(|it| it.path).collect();
    assert!(asked.iter().all(|path| path.starts_with("/v2/cache/acme/web/")), "{asked:?}");
    assert!(
        asked.iter().any(|path| path.ends_with("/manifests/1"))
            && asked.iter().any(|path| path.contains("/blobs/"))
    );
    assert!(
        empty.seen().iter().any(|it| it.path == "/v2/acme/web/manifests/1"),
        "the first one is asked first"
    );
    // Of the registry itself, only what no mirror has.
    let own: Vec<_> = server.seen().into_iter().map(|it| it.path).collect();
    let is_companion = |path: &String| path.contains("/referrers/") || path.contains("/manifests/sha256-");
    assert!(own.iter().all(is_companion), "{own:?}");

    site.run(&["push", &site.later("web-b"), &format!("{}/acme/web:2", server.host())]).expect(0);
    assert!(server.contents().tags.contains_key("2"));
    assert!(empty.seen().is_empty() && mirror.seen().is_empty(), "who writes, writes to the registry itself");
    // What no mirror has comes from the registry.
    site.run(&["inspect", &format!("{}/acme/web:2", server.host())]).expect(0);
}

#[test]
fn who_can_reach_a_mirror_alone_has_what_it_has() {
    let site = Site::new();
    let (server, mirror) = (site.registry(), site.registry());
    let at = format!("{}/acme/web:1", server.host());
    site.run(&["push", &site.layout("web"), &format!("{}/acme/web:1", mirror.host())]).expect(0);
    let trust = site.trust(&server);
    mirrored(&site, &server.host(), &[&mirror.host()]);
    drop(server);
    assert_eq!(site.run(&["verify", &at, "--trust", &trust]).expect(0).document["trusted"], true);
    // A mirror that fails is passed over; one that gives other bytes is not.
    mirror.answer(|_| Some(reply(403, "")));
    let unreachable = site.run(&["inspect", &at]);
    assert!(
        unreachable.code == 1 && unreachable.text().contains("cannot be reached"),
        "{}",
        unreachable.text()
    );
    mirror.answer(|seen| seen.path.contains("/blobs/").then(|| reply(200, "other bytes")));
    site.run(&["cache", "clear"]).expect(0);
    assert_eq!(site.run(&["inspect", &at]).code, 10);
}

#[test]
fn a_mirror_is_told_no_credential_of_the_registry() {
    let site = Site::new();
    let (server, mirror) = (site.registry(), site.registry());
    let at = format!("{}/acme/web:1", server.host());
    server.answer(wants_password);
    login(&site, &server.host(), PASSWORD).expect(0);
    site.run(&["push", &site.layout("web"), &at]).expect(0);
    mirror.answer(|_| Some(reply(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")));
    mirrored(&site, &server.host(), &[&mirror.host()]);
    site.run(&["inspect", &at]).expect(0);
    let seen = mirror.seen();
    assert!(!seen.is_empty() && seen.iter().all(|it| !it.headers.contains_key("authorization")), "{seen:?}");
}

/// Types what `explain` says about a bundle, in a directory that has the files that it names. What asks for a word is given
/// it by a flag, as there is no terminal.
fn typed(site: &Site, reference: &str, folder: &Path) -> Vec<String> {
    let explained = site.run(&["explain", reference]).expect(0).document;
    let prepared: Vec<_> = explained["prepare"].as_array().unwrap().iter().collect();
    let mut variables = Vec::new();
    for it in prepared {
        let name = it["name"].as_str().unwrap();
        match it["kind"].as_str().unwrap() {
            "file" => std::fs::write(folder.join(name), "# mine\n").unwrap(),
            "variable" => variables.push((name.to_owned(), "hunter2")),
            "publicKey" => assert!(folder.join(name).is_file(), "{name}"),
            other => assert_eq!(other, "file"),
        }
    }
    let steps = explained["steps"].as_array().unwrap().iter();
    let lines = steps.flat_map(|step| step["lines"].as_array().unwrap()).map(|line| line.as_str().unwrap());
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    std::fs::create_dir_all(site.path("bin")).unwrap();
    drop(std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_carnet"), site.path("bin/carnet")));
    for line in &lines {
        let asks =
            ["carnet install", "carnet invoke", "carnet uninstall"].iter().any(|verb| line.starts_with(verb));
        let usual = site.command(&[]);
        let mut shell = Command::new("/bin/bash");
        shell.env_clear().envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
            .env("PATH", format!("{}:/usr/bin:/bin", site.path("bin").display()))
            .envs(variables.iter().cloned());
        let shell =
            shell.args(["-c", &format!("{line}{}", if asks { " -y" } else { "" })]).current_dir(folder);
        let output = shell.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{line}\n{}", Said::of(output).text());
    }
    lines
}

#[test]
fn the_lines_that_explain_a_bundle_work_as_they_stand() {
    let site = Site::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest-examples");
    let folder = site.path("somewhere else's");
    std::fs::create_dir_all(&folder).unwrap();
    let policy = std::fs::read_to_string(examples.join("trust.yaml")).unwrap();
    let start = policy.find("-----BEGIN").unwrap();
    let pem: Vec<_> = policy[start..].lines().map(str::trim).take(4).collect();
    std::fs::write(folder.join("release.pub"), pem.join("\n") + "\n").unwrap();
    let reference = format!("layout:{}", examples.join("bundles/guestbook").display());
    let lines = typed(&site, &reference, &folder);
    let all = lines.join("\n");
    for part in
        ["--param replicas=2", "db-password", "dev.carnet.guestbook.backup", "carnet outputs guestbook"]
    {
        assert!(all.contains(part), "{part} is not in {all}");
    }
    assert!(!folder.join("rendered/default").exists(), "what was installed was removed again");

    // From a registry, and by a policy that is there already.
    let server = site.registry();
    let at = format!("{}/acme/web:1", server.host());
    site.run(&["push", &site.layout("web"), &at]).expect(0);
    let folder = site.path("there");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(site.path("release.pub"), folder.join("release.pub")).unwrap();
    let lines = typed(&site, &at, &folder);
    assert!(
        lines.iter().any(|line| line.contains(&format!("--match '{}/acme/web'", server.host()))),
        "{lines:?}"
    );
    std::fs::create_dir_all(site.path("config/carnet")).unwrap();
    std::fs::copy(site.trust(&server), site.path("config/carnet/trust.yaml")).unwrap();
    std::fs::remove_file(folder.join("web-grants.yaml")).unwrap();
    let lines = typed(&site, &at, &folder);
    assert!(lines.iter().all(|line| !line.contains("trust")), "{lines:?}");
}
