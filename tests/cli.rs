//! The program from outside: pages and exit codes of the verbs that need neither a cluster nor a state.
//!
//! The cases are in `cli/`, one verb each, and run in a directory that is made here. `TRYCMD=overwrite` writes what is
//! printed into them.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests make files")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use carnet::author::{self, Built, Signed};
use carnet::digest::Digest;
use carnet::fetch::{self, Fetched};
use carnet::oci::registry::RegistryClient;
use carnet::reference::{LayoutReference, Reference};
use carnet::signature::PrivateKey;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const HELLO: &str = "\
apiVersion: carnet.dev/v1alpha1
kind: Source
name: hello
version: 1.0.0
description: Says hello
component: ./hello.wasm
handles: [install]
parameters:
  greeting: { schema: { type: string, default: hello }, description: What it says }
credentials:
  password: { description: Of the database, required: true }
outputs:
  applied: { schema: { type: string }, description: What was applied }
images:
  web: { image: 'registry.example/web@sha256:4444444444444444444444444444444444444444444444444444444444444444', size: 528, description: The server }
requests:
  kubernetes:
  - { verbs: [apply], kinds: [ConfigMap, Secret], namespaces: ['${namespace}'], names: ['${installation}-*'], reason: It is all there is }
  - { verbs: [delete], kinds: [ConfigMap], namespaces: ['${namespace}'], names: ['old'], optional: true, reason: Tidies up }
  files:
  - { name: manifest.yaml, reason: You write it }
  credentials:
  - { name: password, into: ['${namespace}/Secret/${installation}-db'], reason: The database wants it }
";

/// A bundle whose words try to deceive whoever reads them.
fn hostile() -> String {
    HELLO
        .replace("Says hello", r#""\e[2J\e[32mtrusted by everybody\n\nhint: install it""#)
        .replace("It is all there is", r#""fine\n  trusted  key `release`\u202e""#)
        .replace("Tidies up", &"very-".repeat(60))
}

#[test]
fn pages_and_exit_codes_are_as_recorded() {
    let root = tempfile::tempdir().unwrap();
    let site = Site { root: root.path().to_owned() };
    let hello = site.layout("hello", HELLO);
    let key = site.key("release");
    let other = site.key("other");
    site.layout("signed", HELLO);
    sign(&reference(&site.root.join("signed")), &key);
    let carrier = fetch(&reference(&site.root.join("signed"))).signatures()[0].carrier();
    let hostile = site.layout("hostile", &hostile());
    site.layout("tampered", HELLO);
    let tampered = site.tamper("tampered", hello);
    let component = fetch(&reference(&site.root.join("hello"))).component_digest();
    site.write("trust.yaml", &policy(&key));
    site.write("other.yaml", &policy(&other));
    site.write("broken.yaml", "kind: TrustPolicy\n");
    site.write("unknown.yaml", &policy(&key).replace("spec:", "spec:\n  trustAll: true"));
    site.grant("grant.yaml", hello);
    site.grant("pinned.yaml", Digest::of(b"another bundle"));
    site.write("bundle.json", r#"{"schemaVersion":"1.2.0","name":"x"}"#);

    std::env::set_current_dir(&site.root).unwrap();
    let cases = trycmd::TestCases::new();
    for (name, value) in [
        ("[CARRIER]", carrier.short()),
        ("[COMPONENT]", component.to_string()),
        ("[DIGEST]", hello.to_string()),
        ("[HOSTILE]", hostile.to_string()),
        ("[KEY]", key.public().id().hex()),
        ("[SHORTCOMPONENT]", component.short()),
        ("[SHORTDIGEST]", hello.short()),
        ("[SHORTHOSTILE]", hostile.short()),
        ("[SHORTKEY]", key.public().id().short()),
        ("[TAMPERED]", tampered.to_string()),
    ] {
        cases.insert_var(name, value).unwrap();
    }
    cases.env("HOME", site.root.display().to_string()).env("COSIGN_PASSWORD", "");
    cases.case(format!("{}/tests/cli/*.trycmd", env!("CARGO_MANIFEST_DIR")));
    cases.run();
}

#[test]
fn no_line_is_wider_than_80_columns_and_nothing_moves_the_cursor() {
    let root = tempfile::tempdir().unwrap();
    let site = Site { root: root.path().to_owned() };
    site.layout("hostile", &hostile());
    for detail in ["-q", "-v"] {
        let printed = site.carnet(&["inspect", "layout:hostile", detail, "--color", "always"]);
        let text = String::from_utf8(printed.stdout).unwrap();
        let text = plain(&text);
        assert!(text.contains(r"\u{1b}[2J\u{1b}[32mtrusted by everybody\u{a}"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

/// Without the colours that the program itself uses; nothing else is taken out.
fn plain(text: &str) -> String {
    let colours = ["0", "1", "2", "31", "32", "33"].map(|code| format!("\u{1b}[{code}m"));
    colours.iter().fold(text.to_owned(), |text, colour| text.replace(colour, ""))
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let root = tempfile::tempdir().unwrap();
    let script = format!("{} completion bash | true; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_carnet"));
    let ended = Command::new("bash").args(["-c", &script]).current_dir(root.path()).output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn inspecting_writes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let site = Site { root: root.path().to_owned() };
    site.layout("hostile", &hostile());
    let before = files(&site.root);
    assert_eq!(site.carnet(&["inspect", "layout:hostile"]).status.code(), Some(0));
    assert_eq!(files(&site.root), before);
}

/// A directory with everything that the cases need.
struct Site {
    root: PathBuf,
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn build(source: &Path, layout: &Path) -> Built {
    wait(author::build(source, layout, None)).unwrap()
}

fn sign(reference: &Reference, key: &PrivateKey) -> Signed {
    wait(author::sign(reference, key, &RegistryClient::anonymous())).unwrap()
}

fn fetch(reference: &Reference) -> Fetched {
    wait(fetch::fetch(reference, &RegistryClient::anonymous())).unwrap()
}

impl Site {
    /// Builds `carnet.yaml` and the component of all cases into a layout, with the source beside it.
    fn layout(&self, name: &str, yaml: &str) -> Digest {
        let source = self.root.join(format!("{name}-source"));
        fs::create_dir(&source).unwrap();
        fs::write(source.join("carnet.yaml"), yaml).unwrap();
        fs::write(source.join("hello.wasm"), hello()).unwrap();
        build(&source, &self.root.join(name)).digest
    }

    fn key(&self, name: &str) -> PrivateKey {
        let key = PrivateKey::generate().unwrap();
        key.write(&self.root.join(name), &String::new().into()).unwrap();
        key
    }

    /// Changes one byte of the bundle's index, and gives the digest of what is there now.
    fn tamper(&self, layout: &str, digest: Digest) -> Digest {
        let blob = self.root.join(layout).join("blobs/sha256").join(digest.hex());
        let text = fs::read_to_string(&blob).unwrap();
        let changed = text.replacen("hello", "hallo", 1);
        fs::write(blob, &changed).unwrap();
        Digest::of(changed.as_bytes())
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.join(name), text).unwrap();
    }

    fn grant(&self, name: &str, bundle: Digest) {
        let printed = self.carnet(&["grant", "new", "layout:hello"]);
        let text = String::from_utf8(printed.stdout).unwrap();
        let pinned = text.lines().find(|line| line.starts_with("  bundle:")).unwrap();
        self.write(name, &text.replace(pinned, &format!("  bundle: {bundle}")));
    }

    fn carnet(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command.args(arguments).current_dir(&self.root).env("HOME", &self.root);
        command.env_remove("CARNET_TRUST").env_remove("XDG_CONFIG_HOME").output().unwrap()
    }
}

fn policy(key: &PrivateKey) -> String {
    let pem = key.public().to_pem().replace('\n', "\n        ");
    format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys:\n    release:\n      pem: |\n        {}\n  rules:\n  - match: layout\n    names: ['**']\n    require: {{ threshold: 1, anyOf: [release] }}\n",
        pem.trim_end()
    )
}

fn reference(layout: &Path) -> Reference {
    Reference::Layout(LayoutReference { directory: layout.to_owned(), tag: None, digest: None })
}

/// The installer of all cases, as a core module that knows its world.
fn hello() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut module = wat::parse_file(root.join("tests/guests/hello.wat")).unwrap();
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root.join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("bundle")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn the_users_own_policy_and_configuration_are_found() {
    let root = tempfile::tempdir().unwrap();
    let site = Site { root: root.path().to_owned() };
    site.layout("signed", HELLO);
    let key = site.key("release");
    sign(&reference(&site.root.join("signed")), &key);
    let verify = || site.carnet(&["verify", "layout:signed"]).status.code();
    assert_eq!(verify(), Some(10));

    let config = site.root.join(".config/carnet");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("trust.yaml"), policy(&key)).unwrap();
    assert_eq!(verify(), Some(0));

    fs::write(config.join("config.yaml"), "trust: strict.yaml\n").unwrap();
    assert_eq!(verify(), Some(10), "a configured policy that is not there is no policy");
    fs::write(config.join("strict.yaml"), policy(&site.key("other"))).unwrap();
    assert_eq!(verify(), Some(10), "the configured policy is used, not the other one");
    fs::write(config.join("config.yaml"), "trusted: strict.yaml\n").unwrap();
    assert_eq!(verify(), Some(1), "an unknown setting is an error");
}
