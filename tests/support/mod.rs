//! Shared by the tests of the road: a temporary home, bundles made on the spot, and an operator who says yes.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses its own part, and tests read and write files"
)]

pub mod guest;
pub mod said;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carnet::author::{self, AuthorError, Built, Signed};
use carnet::bundle::Bundle;
use carnet::bundle::canonical::canonical;
use carnet::bundle::index::{self, ConfigForm, IndexForm, WASM, WASM_CONFIG};
use carnet::digest::Digest;
use carnet::fetch::{self, FetchError, Fetched};
use carnet::grant::Consent;
use carnet::grant::spec::GrantFile;
use carnet::host::progress::{LogEntry, Observer, Unready};
use carnet::install::{
    Answer, Approver, Cancellation, ChangeOptions, Decision, Environment, Error, Mode, Operation, Outcome,
    act,
};
use carnet::kubernetes::object::ObjectRef;
use carnet::oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use carnet::oci::registry::RegistryClient;
use carnet::oci::{Descriptor, EMPTY_BLOB};
use carnet::plan::Plan;
use carnet::reference::{LayoutReference, Reference};
use carnet::signature::PrivateKey;
use carnet::state::State;
use carnet::targets::cluster::Owner;
use carnet::targets::directory::{Directory, Secrets};
use carnet::targets::{Place, Target};
use carnet::verify::{TrustPolicy, Verified, dangerously_unsigned};
use serde_json::{Value, json};

/// A home that is gone after the test.
pub struct Home {
    pub root: tempfile::TempDir,
}

/// Says yes, and remembers what it saw.
#[derive(Default)]
pub struct Yes {
    pub plans: Mutex<Vec<Plan>>,
    pub log: Mutex<Vec<LogEntry>>,
}

impl Observer for Yes {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, entry: &LogEntry) {
        self.log.lock().unwrap().push(entry.clone());
    }
}

impl Approver for Yes {
    fn confirm<'a>(&'a self, plan: &'a Plan, _: &'a Decision) -> Answer<'a> {
        self.plans.lock().unwrap().push(plan.clone());
        Box::pin(std::future::ready(true))
    }
}

/// The installation `web` in `prod`.
fn owner() -> Owner {
    Owner { namespace: "prod".into(), installation: "web".into() }
}

impl Home {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn state(&self) -> State {
        State::open(&self.path("state")).unwrap()
    }

    /// Builds a source directory into a layout of this home.
    pub fn built(&self, source: &Path, name: &str) -> Fetched {
        let layout = self.path(name);
        build(source, &layout, None).unwrap();
        fetch(&reference(&layout)).unwrap()
    }

    /// A bundle of a component and some lines of `carnet.yaml`.
    pub fn bundle(&self, name: &str, component: &[u8], rest: &str) -> Fetched {
        let source = self.path(&format!("{name}-source"));
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(source.join("component.wasm"), component).unwrap();
        let yaml = format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: Source\nname: {name}\nversion: 1.0.0\ndescription: a test\ncomponent: ./component.wasm\n{rest}"
        );
        std::fs::write(source.join("carnet.yaml"), yaml).unwrap();
        self.built(&source, name)
    }

    /// A bundle like another one, with another `bundle.json` or component: as somebody makes it who uses no `carnet`.
    pub fn forged(
        &self,
        name: &str,
        like: &Fetched,
        component: &[u8],
        change: impl FnOnce(&mut Value),
    ) -> PathBuf {
        let layout = self.path(name);
        let config = json!({"architecture": "wasm", "os": "wasip2", "layerDigests": [Digest::of(component)]});
        let config = canonical(&config).unwrap();
        let of = Descriptor::of;
        let manifest = index::component_manifest(&of(WASM_CONFIG, &config), &of(WASM, component));
        let mut bundle: Value = serde_json::from_slice(like.bundle().bytes()).unwrap();
        let image = of(OCI_MANIFEST, &manifest);
        bundle["invocationImages"][0]["image"] = format!("carnet.invalid/x@{}", image.digest).into();
        bundle["invocationImages"][0]["contentDigest"] = json!(image.digest);
        bundle["invocationImages"][0]["size"] = json!(image.size);
        change(&mut bundle);
        let (bundle, _) = Bundle::parse_published(&canonical(&bundle).unwrap()).unwrap();
        let index = index::write_index(&bundle, ConfigForm::Default, IndexForm::Oci).unwrap();
        let config_manifest = index::config_manifest(bundle.bytes(), ConfigForm::Default);
        let blobs: [&[u8]; 7] =
            [EMPTY_BLOB, &config, component, &manifest, bundle.bytes(), &config_manifest, &index];
        std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        for blob in blobs {
            std::fs::write(layout.join("blobs/sha256").join(Digest::of(blob).hex()), blob).unwrap();
        }
        let entry = json!({"mediaType": OCI_INDEX, "digest": Digest::of(&index), "size": index.len()});
        let entries = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
        std::fs::write(layout.join("index.json"), entries.to_string()).unwrap();
        std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        layout
    }

    /// Asserts that nothing was ever done here.
    pub fn assert_untouched(&self) {
        assert_eq!(self.rendered(), BTreeMap::new());
        assert!(self.state().find("web").unwrap().is_none());
    }

    /// An operation on an installation `web` in `prod`, into `rendered`.
    pub fn operation(&self, action: &str) -> Operation {
        Operation {
            options: ChangeOptions { timeout: Duration::from_secs(5), ..ChangeOptions::default() },
            reference: "layout:test".into(),
            ..Operation::new(action, "web", "prod", self.place())
        }
    }

    pub fn place(&self) -> Place {
        Place::directory(self.path("rendered"))
    }

    pub fn directory(&self) -> Target {
        Target::Directory(Directory::open(&self.path("rendered"), Secrets::Omit, &owner()).unwrap())
    }

    /// Carries out an operation on the directory target.
    pub fn act(&self, verified: Option<Verified>, operation: Operation) -> Result<Outcome, Error> {
        self.act_watched(verified, operation, Arc::new(Yes::default()))
    }

    pub fn act_watched(
        &self,
        verified: Option<Verified>,
        operation: Operation,
        operator: Arc<dyn Approver>,
    ) -> Result<Outcome, Error> {
        let state = self.state();
        let environment = environment(&state, operator);
        let secrets = if operation.place.has_plain_secrets() { Secrets::Plain } else { Secrets::Omit };
        let directory = Directory::open(&self.path("rendered"), secrets, &owner()).unwrap();
        runtime().block_on(act(verified, Target::Directory(directory), operation, &environment, Mode::Act))
    }

    /// Only plans an operation on the directory target.
    pub fn plan(&self, verified: Option<Verified>, operation: Operation) -> Result<Outcome, Error> {
        let state = self.state();
        let environment = environment(&state, Arc::new(Yes::default()));
        runtime().block_on(act(verified, self.directory(), operation, &environment, Mode::Plan))
    }

    /// The files below `rendered`, by name, but for those that say which directory it is, and whose.
    pub fn rendered(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        collect(&self.path("rendered"), "", &mut files);
        files.retain(|name, _| !name.starts_with(".carnet-"));
        files
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

/// All that an operation may use.
pub fn environment(state: &State, approver: Arc<dyn Approver>) -> Environment<'_> {
    Environment { state, cache: Some(cache()), compiler: None, approver, cancellation: Cancellation::new() }
}

/// Compiled components, kept between tests.
pub fn cache() -> PathBuf {
    let cache = Path::new(
        option_env!("CARGO_TARGET_TMPDIR").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp")),
    )
    .join("compiled");
    std::fs::create_dir_all(&cache).unwrap();
    cache
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// As above, for servers that answer while the test does something else.
pub fn runtime_for_servers() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Waits for a future, also where a runtime is at work already.
pub fn wait<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| runtime().block_on(future)).join().unwrap())
}

pub fn fetch(reference: &Reference) -> Result<Fetched, FetchError> {
    wait(fetch::fetch(reference, &RegistryClient::anonymous()))
}

pub fn build(source: &Path, layout: &Path, tag: Option<&str>) -> Result<Built, AuthorError> {
    wait(author::build(source, layout, tag))
}

pub fn sign(reference: &Reference, key: &PrivateKey) -> Result<Signed, AuthorError> {
    wait(author::sign(reference, key, &RegistryClient::anonymous()))
}

pub fn reference(layout: &Path) -> Reference {
    Reference::Layout(LayoutReference { directory: layout.to_owned(), tag: None, digest: None })
}

pub fn unsigned(fetched: Fetched) -> Verified {
    dangerously_unsigned(fetched, &TrustPolicy::none()).unwrap()
}

/// Signs a layout with a new key, and gives the policy that trusts it for local bundles of any name.
pub fn signed(layout: &Path) -> (Fetched, TrustPolicy) {
    let key = PrivateKey::generate().unwrap();
    sign(&reference(layout), &key).unwrap();
    let policy = TrustPolicy::of_key(&key.public().to_pem()).unwrap();
    (fetch(&reference(layout)).unwrap(), policy)
}

/// Everything that a bundle requests is granted.
pub fn approving(verified: &Verified) -> Consent {
    Consent { approve: Some(verified.digest()), ..Consent::default() }
}

pub fn grant(text: &str, base: &Path) -> GrantFile {
    GrantFile::parse(text, base).unwrap()
}

pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guest-examples").join(name)
}

pub fn object(api_version: &str, kind: &str, name: &str) -> ObjectRef {
    ObjectRef::new(api_version, kind, Some("prod"), name)
}

/// The error and its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

/// A ConfigMap of this name, as a manifest.
pub fn config_map(name: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{a: b}}}}")
}
