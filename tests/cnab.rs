//! Bundles that other tools of CNAB make, by the real program: those whose program is a container image are looked at,
//! verified, carried with the digest that they have, and never run; extensions are used, or refused.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests run the program and make files")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use carnet::bundle::Bundle;
use carnet::bundle::canonical::canonical;
use carnet::bundle::index::{ConfigForm, IndexForm, config_manifest, write_index};
use carnet::digest::Digest;
use carnet::oci::media_type::{DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX};
use carnet::oci::{Descriptor, EMPTY_BLOB};
use serde_json::{Value, json};
use support::guest::Script;
use support::said::Said;

const TAR: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

struct Site(tempfile::TempDir);

impl Site {
    /// A home with a bundle in `layout:porter`, whose image is for one platform or for several.
    fn new(platforms: usize) -> (Self, Digest) {
        let site = Self(tempfile::tempdir().unwrap());
        let digest = bundle(&site.path("porter"), platforms);
        (site, digest)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn carnet(&self, arguments: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
            .env_clear()
            .env("HOME", self.path("home"))
            .env("COSIGN_PASSWORD", "")
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("opaque"))
            .current_dir(self.0.path())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Said::of(output)
    }
}

/// Writes a blob, and describes it.
fn blob(layout: &Path, media_type: &str, bytes: &[u8]) -> Value {
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    fs::write(layout.join("blobs/sha256").join(Digest::of(bytes).hex()), bytes).unwrap();
    json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() })
}

/// An image of containers, with one layer.
fn image(layout: &Path, content: &str) -> Value {
    let config = blob(layout, DOCKER_CONFIG, format!("{{\"of\":\"{content}\"}}").as_bytes());
    let layer = blob(layout, TAR, content.as_bytes());
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": [layer] });
    blob(layout, DOCKER_MANIFEST, manifest.to_string().as_bytes())
}

/// A bundle as porter makes one: an invocation image of containers, and members of its own.
fn bundle(layout: &Path, platforms: usize) -> Digest {
    let images: Vec<_> = (0..platforms).map(|number| image(layout, &format!("layer {number}"))).collect();
    let image = match images.as_slice() {
        [one] => one.clone(),
        several => {
            let list = json!({ "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": several });
            blob(layout, DOCKER_LIST, list.to_string().as_bytes())
        }
    };
    let text = json!({
        "schemaVersion": "v1.2.0", "name": "mysql", "version": "1.0.0", "description": "A database",
        "invocationImages": [{
            "image": format!("registry.example/mysql-installer@{}", image["digest"].as_str().unwrap()),
            "imageType": "docker", "mediaType": image["mediaType"], "contentDigest": image["digest"],
            "size": image["size"],
        }],
        "actions": { "io.cnab.status": {} },
        "definitions": {
            "password": { "$comment": "porter-internal", "$id": "https://porter.example/generated#password",
                "type": "string", "writeOnly": true },
            "user": { "type": "string", "default": "root" },
        },
        "parameters": { "user": { "definition": "user", "destination": { "env": "USER" } } },
        "credentials": { "kubeconfig": { "path": "/home/nonroot/.kube/config", "required": true } },
        "outputs": { "password": { "definition": "password", "path": "/cnab/app/outputs/password" } },
        "custom": { "sh.porter": { "manifest": "bmFtZTogbXlzcWw=", "manifestDigest": "x" },
            "sh.porter.file-parameters": {} },
        "requiredExtensions": ["sh.porter.file-parameters"],
    });
    let bytes = canonical(&text).unwrap();
    let (bundle, _) = Bundle::parse_published(&bytes).unwrap();
    // What cnab-to-oci writes.
    let form = ConfigForm::Cnab;
    let index = write_index(&bundle, form, IndexForm::Oci).unwrap();
    for bytes in [EMPTY_BLOB, bundle.bytes(), &config_manifest(bundle.bytes(), form), &index] {
        drop(blob(layout, "", bytes));
    }
    let entry = Descriptor::of(OCI_INDEX, &index);
    let entry = json!({ "mediaType": OCI_INDEX, "digest": entry.digest, "size": entry.size,
        "annotations": { "org.opencontainers.image.ref.name": "1.0.0" } });
    let entries = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
    fs::write(layout.join("index.json"), entries.to_string()).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    Digest::of(&index)
}

#[test]
fn a_container_image_is_shown_as_what_could_do_anything() {
    for platforms in [1, 2] {
        let (site, digest) = Site::new(platforms);
        let said = site.carnet(&["inspect", "layout:porter", "-o", "json"]);
        assert_eq!(said.code, 0, "{}", said.text());
        let found = said.document;
        assert_eq!((&found["level"], &found["digest"]), (&json!("opaque"), &json!(digest)));
        assert_eq!(found["bundle"]["name"], "mysql");
        assert_eq!(found["credentials"][0]["name"], "kubeconfig");
        assert_eq!(found["actions"][0]["by"], "container");
        for nothing in ["can", "cannot"] {
            assert_eq!(found[nothing], json!([]), "nothing can be said about it");
        }
        assert!(found["component"]["unread"].as_str().unwrap().contains("never run"), "{found}");
        let page = site.carnet(&["inspect", "layout:porter"]).text();
        for told in ["level: opaque", "ANYTHING", "NEVER RUN", "credentials in clear: kubeconfig"] {
            assert!(page.contains(told), "{told}: {page}");
        }
        assert!(!page.contains("What it cannot do") && !page.contains("the component"), "{page}");
    }
}

#[test]
fn a_container_image_is_signed_verified_and_carried_with_its_digest() {
    let (site, digest) = Site::new(2);
    assert_eq!(site.carnet(&["key", "generate", "key"]).code, 0);
    let signed = site.carnet(&["sign", "layout:porter", "--key", "key.key"]);
    assert_eq!(signed.code, 0, "{}", signed.text());
    for place in ["layout:copied", "layout:copied-again"] {
        let from = if place == "layout:copied" { "layout:porter" } else { "layout:copied" };
        let copied = site.carnet(&["copy", from, place, "-o", "json"]);
        assert_eq!((copied.code, &copied.document["digest"]), (0, &json!(digest)), "{}", copied.text());
        let verified = site.carnet(&["verify", place, "--key", "key.pub", "-o", "json"]);
        assert_eq!((verified.code, &verified.document["trusted"]), (0, &json!(true)), "{}", verified.text());
    }
    for blob in fs::read_dir(site.path("porter/blobs/sha256")).unwrap().map(|blob| blob.unwrap().file_name())
    {
        let is_carried = site.path("copied-again/blobs/sha256").join(&blob).exists();
        // The empty blob belongs to our own form of the config manifest, and nothing here names it.
        assert!(is_carried || blob.to_str() == Some(Digest::of(EMPTY_BLOB).hex().as_str()), "{blob:?}");
    }
    let other = site.carnet(&["key", "generate", "other"]);
    assert_eq!(other.code, 0);
    assert_eq!(site.carnet(&["verify", "layout:copied", "--key", "other.pub"]).code, 10);
}

#[test]
fn a_container_image_is_never_run() {
    let (site, _) = Site::new(1);
    let place = ["--target", "dir:rendered", "-n", "prod", "--dangerous-unsigned"];
    for verb in ["plan", "install", "upgrade"] {
        let yes: &[&str] = if verb == "plan" { &[] } else { &["-y"] };
        let said = site.carnet(&[&[verb, "db", "layout:porter"][..], &place, yes].concat());
        assert_eq!(said.code, 1, "{verb}: {}", said.text());
        for told in
            ["is a container image", "never run", "hint: run it with a tool of CNAB that runs containers"]
        {
            assert!(said.text().contains(told), "{verb}, {told}: {}", said.text());
        }
    }
    assert!(!site.path("rendered/prod").exists());
    let unsigned = site.carnet(&["install", "db", "layout:porter", "--target", "dir:rendered", "-y"]);
    assert_eq!(unsigned.code, 10, "who made it is asked first: {}", unsigned.text());
}

const REST: &str = "\
parameters:
  address: { schema: { type: string, maxLength: 11 }, description: Where it was }
outputs:
  url: { schema: { type: string }, description: Where it is }
requests:
  kubernetes: [{verbs: [apply], kinds: [ConfigMap], namespaces: [prod], names: ['web-*']}]
";

/// A bundle that puts out where it is, and takes that as a parameter, forged into `layout:NAME`.
fn with_extensions(home: &support::Home, name: &str, url: &str, change: impl FnOnce(&mut Value)) {
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web-x}, data: {v: a}}";
    let component = Script::new().apply(&[manifest]).output("url", url).component();
    let like = home.bundle(&format!("{name}-like"), &component, REST);
    drop(home.forged(name, &like, &component, change));
}

fn in_home(home: &support::Home, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .env_clear()
        .env("HOME", home.path("home"))
        .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cnab"))
        .current_dir(home.root.path())
        .args(arguments)
        .args(["-o", "json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said::of(output)
}

const INSTALLED: [&str; 9] = [
    "--target",
    "dir:rendered",
    "-n",
    "prod",
    "-y",
    "--dangerous-unsigned",
    "--allow-kube",
    "apply:ConfigMap:prod/web-*",
    "--no-wait",
];

#[test]
fn an_output_comes_back_as_a_parameter_that_nobody_gives_and_is_checked_then() {
    let sourced = |bundle: &mut Value| {
        bundle["custom"]["io.cnab.parameter-sources"] =
            json!({ "address": { "priority": ["output"], "sources": { "output": { "name": "url" } } } });
        bundle["requiredExtensions"].as_array_mut().unwrap().push("io.cnab.parameter-sources".into());
    };
    let home = support::Home::new();
    with_extensions(&home, "short", "https://web", sourced);
    with_extensions(&home, "long", "https://elsewhere", sourced);
    let act = |verb: &str, layout: &str, more: &[&str]| {
        in_home(&home, &[&[verb, "web", layout][..], &INSTALLED, more].concat())
    };
    let address = || in_home(&home, &["status", "web"]).document["parameters"]["address"].clone();
    let installed = act("install", "layout:short", &[]);
    assert_eq!((installed.code, address()), (0, Value::Null), "{}", installed.text());
    let upgraded = act("upgrade", "layout:short", &[]);
    assert_eq!((upgraded.code, address()), (0, json!("https://web")), "{}", upgraded.text());
    let given = act("upgrade", "layout:long", &["--param", "address=mine"]);
    assert_eq!((given.code, address()), (0, json!("mine")), "{}", given.text());
    // What was installed is compared, and put back, as it was: an output since then is no reason to change it.
    for verb in [
        &["drift", "web", "--dangerous-unsigned"][..],
        &["drift", "web", "--fix", "-y", "--dangerous-unsigned"],
    ] {
        let said = in_home(&home, verb);
        assert_eq!((said.code, address()), (0, json!("mine")), "{verb:?}: {}", said.text());
    }
    let too_long = act("upgrade", "layout:long", &[]);
    assert_eq!(too_long.code, 1, "{}", too_long.text());
    assert!(too_long.text().contains("the parameter `address` is not allowed"), "{}", too_long.text());
    assert_eq!(address(), "mine");
}

#[test]
fn an_extension_that_is_required_and_not_known_is_refused() {
    let home = support::Home::new();
    with_extensions(&home, "web", "x", |bundle| {
        bundle["custom"]["org.example.more"] = json!({});
        bundle["custom"]["org.example.optional"] = json!({});
        bundle["requiredExtensions"].as_array_mut().unwrap().push("org.example.more".into());
    });
    let refused = in_home(&home, &[&["install", "web", "layout:web"][..], &INSTALLED].concat());
    assert_eq!(refused.code, 1, "{}", refused.text());
    assert!(refused.text().contains("does not support: `org.example.more`"), "{}", refused.text());
    home.assert_untouched();
    let inspected = in_home(&home, &["inspect", "layout:web"]);
    assert_eq!(inspected.code, 0);
    let fault = inspected.document["requestsFault"].as_str().unwrap().to_owned();
    assert!(fault.contains("`org.example.more`") && !fault.contains("optional"), "{fault}");
}
