//! Other people's clients and registries: they pull, copy and verify what carnet pushed and signed, and the other way round.
//!
//! `CARNET_TEST_PEERS` names the folder with the programs, as `.ci/peers/build.sh` makes it. Tests that begin with `debian`
//! need the Debian packages `docker-registry` and `skopeo`.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run programs and may fail anywhere"
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};
use support::guest::Script;

/// A home with a signed bundle in `layout:web`, whose one image is in a registry.
struct Site {
    home: support::Home,
    registries: Vec<Registry>,
    /// The bytes of `bundle.json`.
    bundle: Vec<u8>,
    /// The digest of the index.
    digest: String,
}

/// A registry of somebody else's, on this machine.
struct Registry {
    host: String,
    child: Child,
    /// It ends when this is closed.
    _input: ChildStdin,
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn peer(name: &str) -> PathBuf {
    let folder = std::env::var("CARNET_TEST_PEERS").unwrap();
    Path::new(&folder).join(name)
}

impl Registry {
    /// The small one, with or without a list of referrers. It prints its port.
    fn small(lists_referrers: bool) -> Self {
        let mut command = Command::new(peer("registry"));
        command.arg(format!("-referrers={lists_referrers}")).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let port = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        Self { host: format!("127.0.0.1:{port}"), _input: child.stdin.take().unwrap(), child }
    }

    /// That of Distribution, which says in its log where it listens.
    fn debian(home: &support::Home) -> Self {
        let configuration = home.path("registry.yml");
        let text = "{version: '0.1', storage: {inmemory: {}}, http: {addr: '127.0.0.1:0'}}";
        std::fs::write(&configuration, text).unwrap();
        Self::configured(&configuration)
    }

    fn configured(configuration: &Path) -> Self {
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(configuration).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let port = lines.find_map(|line| {
            let (_, rest) = line.split_once("listening on 127.0.0.1:")?;
            Some(rest.chars().take_while(char::is_ascii_digit).collect::<String>())
        });
        // Somebody has to read on, or it would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { host: format!("127.0.0.1:{}", port.unwrap()), _input: child.stdin.take().unwrap(), child }
    }
}

impl Site {
    fn new(registries: Vec<Registry>) -> Self {
        let home = support::Home::new();
        let mut site = Self { home, registries, bundle: Vec::new(), digest: String::new() };
        std::fs::write(site.path("page.txt"), "an image").unwrap();
        let image = format!("{}/images/page", site.registries[0].host);
        site.oras(&["push", "--plain-http", &format!("{image}:1"), "page.txt:text/plain"]);
        let found = site.oras(&["manifest", "fetch", "--plain-http", "--descriptor", &format!("{image}:1")]);
        let found: Value = serde_json::from_str(&found).unwrap();
        let image = format!("{image}@{}", found["digest"].as_str().unwrap());
        let rest =
            format!("images:\n  page: {{ image: '{image}', size: {}, description: x }}\n", found["size"]);
        let fetched = site.home.bundle("web", &Script::new().component(), &rest);
        site.bundle = fetched.bundle().bytes().to_vec();
        site.digest = fetched.digest().to_string();
        site.carnet(&["key", "generate", "key"]);
        site.carnet(&["sign", "layout:web", "--key", "key.key"]);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path(name)
    }

    /// The place of a repository in one of the registries.
    fn at(&self, registry: usize, repository: &str) -> String {
        format!("{}/{repository}", self.registries[registry].host)
    }

    fn command(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env("COSIGN_PASSWORD", "")
            .env("PATH", "/usr/bin:/bin")
            // All is on this machine: whoever asks elsewhere, as cosign does for a root that these tests don't need, is
            // told at once that nobody is there.
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("NO_PROXY", "127.0.0.1,localhost");
        command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop"));
        command.current_dir(self.home.root.path()).args(arguments).stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn run(&self, program: impl AsRef<Path>, arguments: &[&str]) -> String {
        let program = program.as_ref();
        let output = self.command(program, arguments).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} {arguments:?}\n{stdout}{stderr}", program.display());
        stdout
    }

    #[track_caller]
    fn carnet(&self, arguments: &[&str]) -> Value {
        let stdout = self.run(env!("CARGO_BIN_EXE_carnet"), &[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&stdout).unwrap()
    }

    #[track_caller]
    fn oras(&self, arguments: &[&str]) -> String {
        self.run(peer("oras"), arguments)
    }

    #[track_caller]
    fn crane(&self, arguments: &[&str]) -> String {
        self.run(peer("crane"), arguments)
    }

    #[track_caller]
    fn cnab_to_oci(&self, arguments: &[&str]) -> String {
        let hosts = self.registries.iter().flat_map(|it| ["--insecure-registries", it.host.as_str()]);
        self.run(peer("cnab-to-oci"), &arguments.iter().copied().chain(hosts).collect::<Vec<_>>())
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// The bundle is there, unchanged, and its signature is good.
    #[track_caller]
    fn assert_signed_at(&self, place: &str) {
        let verified = self.carnet(&["verify", place, "--key", "key.pub"]);
        assert_eq!(
            (&verified["digest"], &verified["trusted"]),
            (&json!(self.digest), &json!(true)),
            "{verified}"
        );
    }
}

/// Two registries of each kind.
fn pairs() -> Vec<Vec<Registry>> {
    [false, true].map(|lists| vec![Registry::small(lists), Registry::small(lists)]).into()
}

#[test]
#[ignore = "needs other people's clients: CARNET_TEST_PEERS"]
fn cnab_to_oci_pulls_what_carnet_pushed() {
    for registries in pairs() {
        let site = Site::new(registries);
        let place = site.at(1, "acme/web");
        site.carnet(&["push", "layout:web", &format!("{place}:1")]);
        let pulled =
            ["pull", &format!("{place}:1"), "--bundle", "pulled.json", "--relocation-map", "map.json"];
        site.cnab_to_oci(&pulled);
        assert_eq!(std::fs::read(site.path("pulled.json")).unwrap(), site.bundle);
        let bundle = site.json("pulled.json");
        let of = |image: &Value| {
            let digest = image["contentDigest"].as_str().unwrap();
            (image["image"].as_str().unwrap().to_owned(), format!("{place}@{digest}"))
        };
        let expected = BTreeMap::from([of(&bundle["images"]["page"]), of(&bundle["invocationImages"][0])]);
        assert_eq!(site.json("map.json"), json!(expected));
        site.carnet(&["lint", "--kind", "relocation-mapping", "map.json", "--of", "pulled.json"]);
    }
}

#[test]
#[ignore = "needs other people's clients: CARNET_TEST_PEERS"]
fn carnet_pulls_what_cnab_to_oci_pushed() {
    for registries in pairs() {
        let site = Site::new(registries);
        // Its component has to be where the bundle says that it is.
        site.carnet(&["push", "layout:web", &site.at(0, "acme/web:1")]);
        let mut bundle: Value = serde_json::from_slice(&site.bundle).unwrap();
        let component = bundle["invocationImages"][0]["contentDigest"].as_str().unwrap().to_owned();
        bundle["invocationImages"][0]["image"] = site.at(0, &format!("acme/web@{component}")).into();
        std::fs::write(site.path("bundle.json"), bundle.to_string()).unwrap();
        let place = site.at(1, "third/web:1");
        site.cnab_to_oci(&["fixup", "bundle.json", "--target", &place, "--bundle", "fixed.json"]);
        site.cnab_to_oci(&["push", "fixed.json", "--target", &place, "--push-images=false"]);
        let index: Value =
            serde_json::from_str(&site.oras(&["manifest", "fetch", "--plain-http", &place])).unwrap();
        assert!(index.get("mediaType").is_none() && index.get("artifactType").is_none(), "{index}");

        let inspected = site.carnet(&["inspect", &place]);
        assert_eq!(inspected["digest"], site.crane(&["digest", &place]).trim());
        assert_eq!(
            (&inspected["bundle"]["name"], &inspected["images"][0]["present"]),
            (&json!("web"), &json!(true))
        );
        let (there, elsewhere) = ("layout:pulled", site.at(0, "fourth/web:1"));
        for to in [there, &elsewhere] {
            site.carnet(&["copy", &place, to]);
            assert_eq!(site.carnet(&["inspect", to])["digest"], inspected["digest"]);
        }
        for (at, file) in [(&place, "one.json"), (&elsewhere, "two.json")] {
            site.cnab_to_oci(&["pull", at, "--bundle", file, "--relocation-map", "map.json"]);
        }
        assert_eq!(site.json("one.json"), site.json("two.json"));
    }
}

#[test]
#[ignore = "needs other people's clients: CARNET_TEST_PEERS"]
fn others_list_and_copy_what_carnet_pushed_and_it_stays_what_it_is() {
    for registries in pairs() {
        let site = Site::new(registries);
        let place = site.at(0, "acme/web:1");
        site.carnet(&["push", "layout:web", &place]);
        assert_eq!(site.crane(&["digest", &place]).trim(), site.digest);
        for tags in [
            site.crane(&["ls", &site.at(0, "acme/web")]),
            site.oras(&["repo", "tags", "--plain-http", &site.at(0, "acme/web")]),
        ] {
            assert!(tags.lines().any(|tag| tag == "1"), "{tags}");
        }
        let found = site.oras(&["discover", "--plain-http", "--format", "json", &place]);
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["referrers"].as_array().map(Vec::len), Some(1), "{found}");

        let copied = site.at(1, "oras/web:1");
        site.oras(&["cp", "-r", "--from-plain-http", "--to-plain-http", &place, &copied]);
        site.assert_signed_at(&copied);
        site.oras(&["cp", "-r", "--from-plain-http", "--to-oci-layout", &place, "oras:1"]);
        site.assert_signed_at("layout:oras:1");

        let copied = site.at(1, "crane/web:1");
        site.crane(&["copy", &place, &copied]);
        site.crane(&["pull", "--format", "oci", &place, "crane"]);
        // Signatures are not copied by it, and are added as carnet adds them.
        for to in [copied.as_str(), "layout:crane"] {
            assert_eq!(site.carnet(&["inspect", to])["digest"], site.digest);
            site.carnet(&["copy", &place, to]);
            site.assert_signed_at(to);
        }
    }
}

#[test]
#[ignore = "needs other people's clients: CARNET_TEST_PEERS"]
fn an_image_that_a_layout_lacks_gets_there_by_the_command_that_is_told() {
    let site = Site::new(vec![Registry::small(true), Registry::small(true)]);
    let place = site.at(1, "acme/web:1");
    let image: Value = serde_json::from_slice(&site.bundle).unwrap();
    let image = image["images"]["page"]["image"].as_str().unwrap();
    site.oras(&["copy", "--from-plain-http", "--to-oci-layout", image, "web"]);
    // The registry of the image is not asked any more.
    let Site { mut registries, home, bundle, digest } = site;
    drop(registries.remove(0));
    let site = Site { registries, home, bundle, digest };
    site.carnet(&["push", "layout:web", &place]);
    site.assert_signed_at(&place);
}

#[test]
#[ignore = "needs other people's clients: CARNET_TEST_PEERS"]
fn cosign_and_carnet_verify_what_the_other_one_signed() {
    let offline = ["--key", "key.key", "--yes", "--tlog-upload=false"];
    let bundle = [&offline[..], &["--use-signing-config=false"]].concat();
    let classic = [&bundle[..], &["--new-bundle-format=false"]].concat();
    for registries in pairs() {
        let site = Site::new(registries);
        let place = site.at(0, "acme/web:1");
        site.carnet(&["push", "layout:web", &place]);
        let check = ["verify", "--key", "key.pub", "--insecure-ignore-tlog=true"];
        for at in [place.clone(), site.at(0, &format!("acme/web@{}", site.digest))] {
            let said = site.run(peer("cosign3"), &[&check[..], &[&at]].concat());
            assert!(said.contains(&site.digest), "{said}");
        }
        for (repository, program, flags) in [
            ("bundle/web", "cosign3", &bundle[..]),
            ("classic/web", "cosign3", &classic[..]),
            ("older/web", "cosign2", &offline[..]),
        ] {
            let to = site.at(1, repository);
            site.crane(&["copy", &place, &format!("{to}:1")]);
            let unsigned = site.carnet(&["inspect", &format!("{to}:1")]);
            assert_eq!(unsigned["signatures"], json!([]), "{unsigned}");
            let at = format!("{to}@{}", site.digest);
            site.run(peer(program), &[&["sign"], flags, &[&at]].concat());
            site.assert_signed_at(&format!("{to}:1"));
            // And further on.
            site.carnet(&["pull", &format!("{to}:1"), &format!("layout:{program}-{}", flags.len())]);
            site.assert_signed_at(&format!("layout:{program}-{}", flags.len()));
        }
        // The older one reads the older form.
        for repository in ["classic/web", "older/web"] {
            site.run(peer("cosign2"), &[&check[..], &[&site.at(1, &format!("{repository}:1"))]].concat());
        }
    }
}

#[test]
#[ignore = "needs Debian's docker-registry and skopeo, and CARNET_TEST_PEERS"]
fn debian_s_registry_and_skopeo_take_what_carnet_pushed() {
    let home = support::Home::new();
    let site = Site::new(vec![Registry::debian(&home), Registry::small(false)]);
    let (place, copied) = (site.at(0, "acme/web:1"), site.at(1, "skopeo/web:1"));
    site.carnet(&["push", "layout:web", &place]);
    site.assert_signed_at(&place);
    site.run(peer("cosign3"), &["verify", "--key", "key.pub", "--insecure-ignore-tlog=true", &place]);
    let docker = |place: &str| format!("docker://{place}");
    let plain = ["--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests"];
    let copy = |from: &str, to: &str| {
        site.run("/usr/bin/skopeo", &[&["copy", "--all"], &plain[..], &[from, to]].concat());
    };
    copy(&docker(&place), &docker(&copied));
    copy(&docker(&place), "oci:skopeo:1");
    for to in [copied.as_str(), "layout:skopeo:1"] {
        assert_eq!(site.carnet(&["inspect", to])["digest"], site.digest);
        site.carnet(&["copy", &place, to]);
        site.assert_signed_at(to);
    }
    let tags =
        site.run("/usr/bin/skopeo", &["list-tags", "--tls-verify=false", &docker(&site.at(0, "acme/web"))]);
    let tags: Value = serde_json::from_str(&tags).unwrap();
    assert!(tags["Tags"].as_array().unwrap().contains(&json!("1")), "{tags}");
}

#[test]
#[ignore = "needs Debian's docker-registry, and CARNET_TEST_PEERS"]
fn debian_s_registry_knows_us_by_our_certificate() {
    let site = Site::new(vec![Registry::small(false)]);
    let openssl = |line: &str| site.run("/usr/bin/openssl", &line.split(' ').collect::<Vec<_>>());
    std::fs::write(site.path("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
    for name in ["authority", "server", "client"] {
        openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"));
    }
    openssl("req -x509 -new -key authority.key -subj /CN=authority -days 2 -out authority.pem");
    for name in ["server", "client"] {
        openssl(&format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr"));
        let signed =
            format!("x509 -req -in {name}.csr -CA authority.pem -CAkey authority.key -CAcreateserial");
        openssl(&format!("{signed} -days 2 -extfile names -out {name}.pem"));
    }
    let at = |name: &str| site.path(name).display().to_string();
    let text = format!(
        "{{version: '0.1', storage: {{inmemory: {{}}}}, http: {{addr: '127.0.0.1:0', tls: {{certificate: '{}', key: '{}', clientcas: ['{}']}}}}}}",
        at("server.pem"),
        at("server.key"),
        at("authority.pem")
    );
    std::fs::write(site.path("tls.yml"), text).unwrap();
    let registry = Registry::configured(&site.path("tls.yml"));
    let host = &registry.host;
    let place = format!("{host}/acme/web:1");
    let folder = site.path("home/.config/carnet");
    std::fs::create_dir_all(&folder).unwrap();
    let configured = |more: &str| {
        let text = format!(
            "registries: {{ '{host}': {{ plainHttp: false, ca: '{}'{more} }} }}",
            at("authority.pem")
        );
        std::fs::write(folder.join("config.yaml"), text).unwrap();
    };
    configured("");
    let refused =
        site.command(env!("CARGO_BIN_EXE_carnet"), &["push", "layout:web", &place]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    configured(&format!(", clientCertificate: '{}', clientKey: '{}'", at("client.pem"), at("client.key")));
    site.carnet(&["push", "layout:web", &place]);
    site.assert_signed_at(&place);
}
