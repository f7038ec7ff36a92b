//! The program's documents are valid by the schema that it publishes for it, and nothing beside it is: by the real
//! program, on the examples and on what an operator writes for them.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests run the program and read files"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use jsonschema::Validator;
use serde_json::{Value, json};
use support::{Home, example};

/// Members whose names are somebody else's: parameters, outputs, objects of Kubernetes, documents of CNAB, signatures.
const OPEN: [&str; 7] = ["claim", "manifest", "outputs", "parameters", "rbac", "results", "signature"];

struct Site {
    home: Home,
    validated: BTreeSet<String>,
}

impl Site {
    fn new() -> Self {
        Self { home: Home::new(), validated: BTreeSet::new() }
    }

    /// The program's output, whatever its exit code.
    fn printed(&self, arguments: &[&str]) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
            .env_clear()
            .env("HOME", self.home.path("home"))
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("schema"))
            .env("CARNET_STATE", self.home.path("state"))
            .env("CARNET_CACHE", self.home.path("cache"))
            .env("CARNET_TARGET", format!("dir:{}", self.home.path("rendered").display()))
            .env("CARNET_TRUST", example("trust.yaml"))
            .env("COSIGN_PASSWORD", "")
            .current_dir(self.home.root.path())
            .args(["-o", "json"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {stderr}"))
    }

    fn schema(&self, kind: &str) -> Validator {
        jsonschema::draft202012::new(&self.printed(&["schema", kind])).unwrap()
    }

    /// Asserts that what is printed is a document of this kind, and that no more is.
    #[track_caller]
    fn prints(&mut self, kind: &str, arguments: &[&str]) -> Value {
        let document = self.printed(arguments);
        assert_eq!(document["kind"], kind, "{arguments:?}: {document}");
        self.accepts(kind, &document);
        document
    }

    /// Asserts that a document is valid, and that it is not with one member more, wherever that is.
    #[track_caller]
    fn accepts(&mut self, kind: &str, document: &Value) {
        let schema = self.schema(kind);
        let faults: Vec<_> =
            schema.iter_errors(document).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert_eq!(faults, Vec::<String>::new(), "{kind}");
        for pointer in closed(document, String::new()) {
            let mut more = document.clone();
            let object = more.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
            object.insert("unexpected".into(), Value::Null);
            assert!(!schema.is_valid(&more), "{kind}: {pointer}/unexpected");
        }
        self.validated.insert(kind.to_owned());
    }
}

/// Where a document has objects whose members it names.
fn closed(value: &Value, at: String) -> Vec<String> {
    let mut found = Vec::new();
    match value {
        Value::Object(members) => {
            found.push(at.clone());
            for (name, member) in members.iter().filter(|(name, _)| !OPEN.contains(&name.as_str())) {
                found.extend(closed(member, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                found.extend(closed(item, format!("{at}/{index}")));
            }
        }
        _ => {}
    }
    found
}

fn yaml(path: &Path) -> Value {
    carnet::document::yaml(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Kinds that only a cluster makes.
const OF_A_CLUSTER: [&str; 3] = ["Account", "Rights", "RightsCheck"];

#[test]
fn every_document_that_is_printed_or_read_is_valid_by_its_schema_and_no_other_is() {
    let mut site = Site::new();
    let path = |name: &str| example(name).display().to_string();
    let layout = |name: &str| format!("layout:{}", path(&format!("bundles/{name}")));
    let (first, next) = (layout("guestbook"), layout("guestbook-1.1"));
    let (grants, parameters, credentials) =
        (path("guestbook/grants.yaml"), path("guestbook/params.yaml"), path("guestbook/credentials.yaml"));
    let inputs = ["--grants", &grants, "-p", &parameters, "-c", &credentials];
    let with = |arguments: &[&'static str], reference: &str| {
        let arguments = arguments.iter().map(|&text| text.to_owned()).chain([reference.to_owned()]);
        arguments.chain(inputs.iter().map(|&text| text.to_owned())).collect::<Vec<_>>()
    };
    let texts =
        |arguments: &[String]| arguments.iter().map(|text| text.as_str().to_owned()).collect::<Vec<_>>();
    let run = |site: &mut Site, kind: &str, arguments: Vec<String>| {
        let texts = texts(&arguments);
        site.prints(kind, &texts.iter().map(String::as_str).collect::<Vec<_>>())
    };

    site.prints("Version", &["version"]);
    site.prints("SchemaList", &["schema"]);
    site.prints("Inspection", &["inspect", &first]);
    site.prints("Explanation", &["explain", &first]);
    site.prints("Verification", &["verify", &first]);
    site.prints("Trust", &["trust", "show"]);
    site.prints("TrustCheck", &["trust", "check"]);
    site.prints("TrustExplanation", &["trust", "explain", &first]);
    site.prints("Lint", &["lint", &first]);
    let grant = site.prints("Grant", &["grant", "new", &first]);
    assert_eq!(grant["spec"]["bundle"], site.printed(&["inspect", &first])["digest"]);
    let plan = run(&mut site, "Plan", with(&["plan", "guestbook"], &first));
    assert_eq!(plan["changes"].as_array().unwrap().len(), 12);
    run(&mut site, "GrantCheck", ["grant", "check", &first, "--grants", &grants].map(String::from).into());
    run(&mut site, "Outcome", with(&["install", "guestbook", "--yes"], &first));
    site.prints("Installation", &["status", "guestbook"]);
    site.prints("InstallationList", &["list"]);
    site.prints("RevisionList", &["history", "guestbook"]);
    let list = site.prints("OutputList", &["outputs", "guestbook"]);
    let (name, value) = list["outputs"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(&site.prints("Output", &["outputs", "guestbook", name])["value"], value);
    site.prints("Difference", &["diff", "guestbook"]);
    let claims = site.prints("ClaimList", &["claims", "export", "guestbook"]);
    for (kind, document) in
        [("claim", &claims["items"][0]["claim"]), ("claim-result", &claims["items"][0]["results"][0])]
    {
        std::fs::write(site.home.path("document.json"), document.to_string()).unwrap();
        let lint = site.printed(&["lint", "--kind", kind, "document.json"]);
        assert_eq!(lint["faults"], json!([]), "{kind}");
    }
    std::fs::write(site.home.path("claims.json"), claims.to_string()).unwrap();
    assert_eq!(site.printed(&["lint", "claims.json"])["faults"], json!([]));
    site.prints("ClaimsImported", &["claims", "import", "claims.json", "--state", "elsewhere"]);
    let (file, text) = site.home.rendered().into_iter().next().unwrap();
    let file = site.home.path("rendered").join(file);
    std::fs::write(&file, "{apiVersion: v1, kind: Gone, metadata: {name: x}}").unwrap();
    site.prints("Drift", &["drift", "guestbook"]);
    std::fs::write(&file, text).unwrap();
    site.prints("Lock", &["unlock", "guestbook"]);
    let made = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .env_clear()
        .env("HOME", site.home.path("home"))
        .args(["credentials", "generate", "prod", &first])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(site.prints("SetList", &["credentials", "list"])["items"], json!(["prod"]));
    site.prints("Set", &["credentials", "show", "prod"]);
    site.prints("Diagnosis", &["doctor"]);
    let failed = site.prints("Error", &["upgrade", "guestbook", &next, "-c", &credentials, "--yes"]);
    assert_eq!(failed["code"], 11);
    site.prints("Outcome", &["uninstall", "guestbook", "--yes"]);

    site.prints("SourceDirectory", &["init", "mine"]);
    site.prints("TestReport", &["test", "mine"]);
    let mut cases = yaml(&site.home.path("mine/carnet.test.yaml"));
    assert!(site.schema("SourceTest").is_valid(&cases));
    // Objects that are expected may have whatever members they have.
    cases["cases"][0]["expect"].as_object_mut().unwrap().remove("objects");
    site.accepts("SourceTest", &cases);
    site.prints("KeyPair", &["key", "generate", "key"]);
    let policy = site.prints("TrustPolicy", &["trust", "new", "--key", "key.pub", "--name", "web"]);
    assert_eq!(policy["spec"]["rules"][0]["names"], json!(["web"]));
    std::fs::copy(example("guestbook/guestbook.wasm"), site.home.path("guestbook.wasm")).unwrap();
    let source = path("guestbook");
    site.prints("Build", &["build", &source, "--to", "layout"]);
    site.prints("Signature", &["sign", "layout:layout", "--key", "key.key"]);
    std::fs::write(site.home.path("plan.json"), plan.to_string()).unwrap();
    site.prints("Approval", &["approve", "plan.json", "--key", "key.key", "--yes"]);
    site.prints("Copy", &["copy", "layout:layout", "layout:other"]);
    site.prints("Login", &["logout", "registry.example"]);
    std::fs::create_dir_all(site.home.path("cache/blobs/sha256")).unwrap();
    let (digest, empty) = (format!("sha256:{}", "0".repeat(64)), site.home.path("cache/blobs/sha256"));
    std::fs::write(empty.join("0".repeat(64)), "damaged").unwrap();
    assert_eq!(site.prints("Cache", &["cache", "list"])["items"][0]["digest"], digest);
    assert_eq!(site.prints("CacheCheck", &["cache", "verify"])["damaged"], json!([digest]));
    site.prints("CacheRemoval", &["cache", "clear"]);
    let bundle = json!({"apiVersion": "carnet.dev/v1alpha1", "kind": "CachedBundle", "digest": digest,
        "reference": "registry.example/acme/web:1.2"});
    site.accepts("CachedBundle", &bundle);

    for (kind, file) in [
        ("Grant", example("guestbook/grants.yaml")),
        ("Source", example("guestbook/carnet.yaml")),
        ("Source", site.home.path("mine/carnet.yaml")),
        ("TrustPolicy", example("trust.yaml")),
    ] {
        site.accepts(kind, &yaml(&file));
    }
    let set = site.schema("CredentialSet");
    let mut credentials = yaml(&example("guestbook/credentials.yaml"));
    assert!(set.is_valid(&credentials));
    credentials["created"] = json!("other programs have members of their own");
    assert!(set.is_valid(&credentials));
    credentials["credentials"][0]["source"] = json!({"run": "rm"});
    assert!(!set.is_valid(&credentials));
    site.validated.insert("CredentialSet".into());
    let configuration = site.schema("Configuration");
    for (document, is_valid) in [
        (json!({"target": "kube", "state": "kube", "trust": "./trust.yaml"}), true),
        (
            json!({"registries": {"a.example": {"mirrors": ["b.example/cache"], "plainHttp": false, "ca": "a.pem",
            "clientCertificate": "c.pem", "clientKey": "k.pem", "tokenHosts": ["c.example"]}}}),
            true,
        ),
        (json!({"registries": {"a.example": {"mirror": "b.example"}}}), false),
        (json!({"cache": {"directory": "~/kept", "size": "1Gi"}}), true),
        (json!({"cache": {"limit": "1Gi"}}), false),
        (json!({"registry": {}}), false),
    ] {
        assert_eq!(configuration.is_valid(&document), is_valid, "{document}");
    }
    site.validated.insert("Configuration".into());

    let list = site.printed(&["schema"]);
    let kinds =
        list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned());
    let left: Vec<_> = kinds.filter(|kind| !site.validated.contains(kind)).collect();
    assert_eq!(left, OF_A_CLUSTER, "a kind has a schema that no test compares with a document");
}

#[test]
fn every_document_of_the_reference_has_a_schema() {
    let site = Site::new();
    let list = site.printed(&["schema"]);
    let kinds: BTreeSet<_> =
        list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    let page = carnet::cli::manual::markdown();
    let documents = page.split("## Documents").nth(1).unwrap();
    for kind in documents.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()) {
        assert!(kinds.contains(kind), "{kind}");
    }
    for kind in &kinds {
        let text = site.printed(&["schema", kind]).to_string();
        assert!(
            !text.contains("[`") && !text.contains("```"),
            "{kind}: a description is written for the library"
        );
    }
    let hyphenated = site.printed(&["schema", "trust-policy"]);
    assert_eq!(hyphenated, site.printed(&["schema", "TrustPolicy"]));
    let unknown = site.printed(&["schema", "Unknown"]);
    assert_eq!((&unknown["code"], &unknown["hint"]), (&json!(2), &json!("carnet schema")));
}
