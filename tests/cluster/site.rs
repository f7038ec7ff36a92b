//! A place in a real cluster: a namespace that is the test's own, a volume for it, and a home for the program.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "a test runs programs, reads files, and may fail anywhere"
)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::example;
pub use crate::support::said::Said;

/// How long anything may take that happens soon, however busy the machine is.
const SOON: Duration = Duration::from_secs(60);

/// The version of Kubernetes that makes no difference: kinds of the guestbook's objects, as kubectl takes them.
pub const KINDS: &str = "configmaps,cronjobs,deployments,ingresses,jobs,networkpolicies,poddisruptionbudgets,secrets,\
     serviceaccounts,services,statefulsets";

/// A namespace, and a home that is gone after the test like it.
pub struct Site {
    pub home: tempfile::TempDir,
    pub namespace: String,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
}

impl Site {
    pub fn new() -> Self {
        Self::at(shared())
    }

    /// A site in another cluster than the one that all tests share.
    pub fn at(kubeconfig: PathBuf) -> Self {
        let beside = || shared().with_file_name("bin").join("kubectl");
        let kubectl = env::var_os("CARNET_TEST_KUBECTL").map_or_else(beside, PathBuf::from);
        let site = Self {
            home: tempfile::tempdir().unwrap(),
            namespace: format!("road-{:08x}", random() & 0xffff_ffff),
            kubeconfig,
            kubectl,
        };
        fs::create_dir(site.path("inputs")).unwrap();
        let credentials = format!(
            "{{schemaVersion: 1.0.0, name: test, credentials: [{{name: db-password, source: {{value: '{}'}}}}]}}",
            site.password()
        );
        fs::write(site.path("inputs/credentials.yaml"), credentials).unwrap();
        site.kubectl(&["create", "namespace", &site.namespace]);
        site
    }

    /// A site where the guestbook's database gets its volume.
    pub fn with_volume() -> Self {
        let site = Self::new();
        site.add_volume();
        site
    }

    /// The test cluster provides no volumes; this one can be claimed by the guestbook of this namespace alone.
    pub fn add_volume(&self) {
        self.add_volume_for("guestbook");
    }

    /// A volume that can be claimed by a guestbook of this name alone.
    pub fn add_volume_for(&self, installation: &str) {
        let namespace = &self.namespace;
        self.apply(&format!(
            "{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: {namespace}}}, spec: {{
               capacity: {{storage: 10Gi}}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain,
               claimRef: {{namespace: {namespace}, name: data-{installation}-db-0}}, hostPath: {{path: /nowhere}}}}}}"
        ));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The audit log of the API server, the making and removing of identities apart.
    pub fn audit(&self) -> Vec<Value> {
        self.whole_audit().into_iter().filter(|event| !is_minting(event)).collect()
    }

    /// All that it holds.
    pub fn whole_audit(&self) -> Vec<Value> {
        // An event is written a moment after its answer was sent.
        std::thread::sleep(Duration::from_millis(500));
        let log = fs::read_to_string(self.kubeconfig.with_file_name("log").join("audit.log")).unwrap();
        let ours = format!("carnet/{}", env!("CARGO_PKG_VERSION"));
        log.lines()
            .filter(|line| line.contains(&ours) && line.contains(&self.namespace))
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|event: &Value| event["userAgent"] == *ours && event["stage"] == "ResponseComplete")
            .collect()
    }

    /// A password that no other test has, with characters that a URL cannot hold.
    pub fn password(&self) -> String {
        format!("p@ss/word of {}", self.namespace)
    }

    /// The password as part of a URL.
    pub fn password_in_url(&self) -> String {
        self.password().replace('@', "%40").replace('/', "%2F").replace(' ', "%20")
    }

    /// The program, with nothing of its surroundings but what a test gives it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.bare_command(&[&["-o", "json"], arguments].concat())
    }

    /// As above, in the form that people see.
    pub fn bare_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        let name = |name: &str| name.starts_with("CARNET_") || name.starts_with("XDG_");
        for (inherited, _) in env::vars_os().filter(|(it, _)| it.to_str().is_some_and(name)) {
            command.env_remove(inherited);
        }
        command
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster"))
            .env("CARNET_TRUST", example("trust.yaml"))
            .env("CARNET_STATE", self.path("state"))
            .env("KUBECONFIG", &self.kubeconfig)
            .args(arguments)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn carnet(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    /// `install` or `upgrade` of an example, with all that it takes but grants, which `upgrade` keeps.
    pub fn on_example(&self, verb: &str, example_name: &str, more: &[&str]) -> Command {
        let reference = format!("layout:{}", example("bundles").join(example_name).display());
        let mut command = self.command(&[verb, "guestbook", &reference, "--target", "kube", "--yes"]);
        command.args(["-n", &self.namespace]).arg("-c").arg(self.path("inputs/credentials.yaml"));
        if verb != "upgrade" {
            command.arg("--grants").arg(example(example_name).join("grants.yaml"));
        }
        command.args(more);
        command
    }

    /// Installs the guestbook.
    pub fn install(&self, more: &[&str]) -> Said {
        Said::of(self.on_example("install", "guestbook", more).output().unwrap())
    }

    /// Installs the guestbook in the background.
    pub fn begin(&self, more: &[&str]) -> Child {
        self.on_example("install", "guestbook", more).spawn().unwrap()
    }

    pub fn upgrade(&self, example_name: &str, more: &[&str]) -> Said {
        Said::of(self.on_example("upgrade", example_name, more).output().unwrap())
    }

    /// Action and result of each recorded revision.
    pub fn history(&self) -> Vec<(String, String)> {
        let said = self.carnet(&["history", "guestbook"]).done();
        assert_eq!(said.document["kind"], "RevisionList");
        let row = |row: &Value| (text(&row["action"]), text(&row["result"]));
        said.document["items"].as_array().unwrap().iter().map(row).collect()
    }

    /// Asserts that nothing is recorded and nothing was made.
    pub fn assert_untouched(&self) {
        let said = self.carnet(&["list", "--all"]).done();
        assert_eq!(said.document["items"], Value::Array(Vec::new()));
        assert_eq!(self.names(), Vec::<String>::new());
    }

    /// The names of objects in the namespace, of the kinds that the guestbook makes.
    pub fn names(&self) -> Vec<String> {
        self.objects().into_keys().collect()
    }

    /// The objects of the kinds that the guestbook makes, by kind and name, without what every namespace has.
    pub fn objects(&self) -> BTreeMap<String, Value> {
        let list: Value =
            serde_json::from_str(&self.kubectl(&["get", KINDS, "-o", "json", "--show-managed-fields"]))
                .unwrap();
        let objects = list["items"].as_array().unwrap().iter();
        let of_everybody = ["ConfigMap/kube-root-ca.crt", "ServiceAccount/default"];
        objects
            .map(|object| {
                (format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"])), object.clone())
            })
            .filter(|(name, _)| !of_everybody.contains(&&**name))
            .collect()
    }

    /// The version of each object, once no controller has anything left to write.
    pub fn versions(&self) -> BTreeMap<String, String> {
        let versions = || -> BTreeMap<String, String> {
            let version =
                |(name, object): (String, Value)| (name, text(&object["metadata"]["resourceVersion"]));
            self.objects().into_iter().map(version).collect()
        };
        let start = Instant::now();
        let mut before = versions();
        loop {
            std::thread::sleep(Duration::from_millis(700));
            let now = versions();
            if now == before {
                return now;
            }
            assert!(start.elapsed() < SOON, "something changes all the time: {before:?} {now:?}");
            before = now;
        }
    }

    /// One object, as kubectl shows it in the form asked for.
    pub fn get(&self, object: &str, form: &str) -> String {
        self.kubectl(&["get", object, "-o", form])
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.kubectl_command(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// As above, for objects that name their namespace.
    pub fn kubectl_anywhere(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.kubectl);
        let output = command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {stderr}");
    }

    /// kubectl's answer, or its error.
    pub fn kubectl_said(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.kubectl_command(arguments).output().unwrap();
        let said = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(said(output.stdout)) } else { Err(said(output.stderr)) }
    }

    /// Applies a manifest as somebody else would.
    pub fn apply(&self, manifest: &str) {
        self.apply_in(&self.namespace, manifest);
    }

    /// As above, in another namespace.
    pub fn apply_in(&self, namespace: &str, manifest: &str) {
        let mut child = self
            .kubectl_command(&["apply", "-n", namespace, "--server-side", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{manifest}");
    }

    /// Whether the server would take a manifest.
    pub fn accepts(&self, manifest: &str) -> bool {
        let mut child = self
            .kubectl_command(&["apply", "--server-side", "--dry-run=server", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
        child.wait().unwrap().success()
    }

    /// Waits until an object is there.
    pub fn await_object(&self, object: &str) {
        let wanted = format!("{object} is there");
        eventually(&wanted, || self.kubectl_command(&["get", object]).output().unwrap().status.success());
    }

    pub fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(["-n", &self.namespace]).args(arguments);
        command
    }
}

/// The kubeconfig of the cluster that all tests share.
pub fn shared() -> PathBuf {
    env::var_os("CARNET_TEST_KUBECONFIG").map(PathBuf::from).unwrap_or_else(|| {
        panic!("CARNET_TEST_KUBECONFIG names no kubeconfig: start an API server with .ci/cluster/up.sh")
    })
}

impl Drop for Site {
    fn drop(&mut self) {
        for what in ["namespace", "persistentvolume"] {
            let arguments = ["delete", what, &self.namespace, "--wait=false", "--ignore-not-found"];
            drop(self.kubectl_command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).status());
        }
    }
}

impl Said {
    /// Asserts that all went well.
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self}");
        self
    }

    /// Asserts an error of this code, which says all of this.
    pub fn refused(self, code: i32, reasons: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self}");
        assert_eq!(
            (&self.document["kind"], &self.document["code"]),
            (&"Error".into(), &code.into()),
            "{self}"
        );
        for reason in reasons {
            assert!(self.stderr.contains(reason), "{reason} is not said in {self}");
        }
        self
    }

    /// The objects of a plan or outcome that have one of these actions.
    pub fn changed(&self, actions: &[&str]) -> Vec<String> {
        let rows = self.document["changes"].as_array().unwrap_or_else(|| panic!("no changes in {self}"));
        let rows = rows.iter().filter(|row| actions.contains(&row["action"].as_str().unwrap()));
        rows.map(|row| format!("{}/{}", text(&row["kind"]), text(&row["name"]))).collect()
    }
}

/// Whether a request is about an identity that was made for a run, rather than by it.
pub fn is_minting(event: &Value) -> bool {
    event["objectRef"]["name"].as_str().is_some_and(|name| name.starts_with("carnet-01"))
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < SOON, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A number that differs from run to run.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Every file below a folder, with what it holds.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(
            |path| if path.is_dir() { files(&path) } else { vec![(path.clone(), fs::read(&path).unwrap())] },
        )
        .collect()
}
