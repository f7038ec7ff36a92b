//! What `docs/authoring.md` tells an author to type is typed here, as it stands there, up to an installation: a document that
//! no longer works does not pass.
//!
//! Walks in C need what `apt-get install make clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32` installs. Those in Rust
//! compile a standard library and macros first, and those in a cluster need one: they are ignored unless asked for, as
//! `.ci/test` does.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests run programs and may fail anywhere"
)]

use std::env;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const DOCUMENT: &str = include_str!("../docs/authoring.md");

/// An author's desk: a home that is gone after the test, and the programs that an author has.
struct Desk {
    root: tempfile::TempDir,
    path: String,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Desk {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let carnet = Path::new(env!("CARGO_BIN_EXE_carnet")).parent().unwrap();
        let path = format!("{}:{}", carnet.display(), env::var("PATH").unwrap());
        Self { root, path, variables: Vec::new() }
    }

    /// One with a compiler of Rust for WebAssembly: rustup's, or else the one that the repository sets up.
    fn with_rust() -> Self {
        let mut desk = Self::new();
        let home = PathBuf::from(env::var_os("HOME").unwrap());
        let folder = |name: &'static str, below: &str| {
            (name, env::var_os(name).map_or_else(|| home.join(below), PathBuf::from))
        };
        let places = [
            folder("CARGO_HOME", ".cargo"),
            folder("RUSTUP_HOME", ".rustup"),
            folder("XDG_CACHE_HOME", ".cache"),
        ];
        desk.variables.extend(places);
        let library = desk.typed(".", "rustc --print target-libdir --target wasm32-unknown-unknown");
        if !Path::new(library.trim()).exists() {
            let toolchain = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest-examples/toolchain");
            desk.path = format!("{}:{}", toolchain.display(), desk.path);
        }
        desk
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What is printed when this is typed in a folder; all of it must end well.
    fn typed(&self, folder: &str, commands: &str) -> String {
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", commands])
            .current_dir(self.at(folder))
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.root.path())
            .env("COSIGN_PASSWORD", "")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands}\n{printed}\n{said}");
        printed
    }

    fn exists(&self, name: &str) -> bool {
        self.at(name).exists()
    }
}

/// The blocks of commands of a chapter.
fn blocks(chapter: &str) -> Vec<String> {
    let text = DOCUMENT.split("\n## ").find(|text| text.starts_with(&format!("{chapter}\n")));
    let text = text.unwrap_or_else(|| panic!("docs/authoring.md has no chapter `{chapter}`"));
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    let blocks: Vec<_> = blocks.collect();
    assert!(!blocks.is_empty(), "the chapter `{chapter}` has no commands");
    blocks
}

/// A line of the document that begins so, without its indent.
fn line(start: &str) -> &'static str {
    let found = DOCUMENT.lines().map(str::trim).find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("docs/authoring.md has no line `{start}`"))
}

/// The size of a language's component, in KB, as the document has it.
fn stated(language: &str) -> f64 {
    let row = line(&format!("| `{language}`"));
    let cell = row.trim_end_matches(" |").rsplit('|').next().unwrap().trim();
    let (number, unit) = cell.split_once(' ').unwrap();
    number.parse::<f64>().unwrap() * if unit == "MB" { 1000.0 } else { 1.0 }
}

/// That the built component is as large as the document says, give or take what another version of a compiler may do.
fn assert_size(desk: &Desk, language: &str) {
    let page: Value = serde_json::from_str(&desk.typed("web", "carnet inspect layout:dist -o json")).unwrap();
    let size = page["component"]["size"].as_f64().unwrap() / 1000.0;
    let stated = stated(language);
    assert!(
        (size / stated - 1.0).abs() < 0.15,
        "{language}: {size:.1} KB, and the document says {stated} KB"
    );
}

/// From `init` to an installation in a directory, as the chapter has it, and its upgrade.
fn build_and_try(desk: &Desk, chapter: &str) {
    let [first, again] = &blocks(chapter)[..] else { panic!("{chapter}: two blocks") };
    let printed = desk.typed(".", first);
    let rendered = fs::read_to_string(desk.at("web/out/default/configmap_try-greeting.yaml")).unwrap();
    assert!(rendered.contains("greeting: Hello"), "{rendered}");
    assert!(rendered.contains("app.kubernetes.io/version: \"0.1.0\""), "{rendered}");
    assert!(printed.contains("--approve-all-for-development"), "the installation says so: {printed}");
    desk.typed("web", "carnet lint -o json | grep -q '\"faults\": \\[\\]'");
    desk.typed("web", again);
    assert!(!desk.exists("web/out/default/configmap_try-greeting.yaml"));
}

/// From there to a bundle that is signed, and installed by who trusts the key and grants what is asked for.
fn publish(desk: &Desk, language: &str) {
    for block in blocks("Signed, and installed as others do it") {
        desk.typed("web", &block);
    }
    desk.typed("web", "carnet lint layout:dist -o json | grep -q '\"faults\": \\[\\]'");
    assert_size(desk, language);
}

/// Into a namespace of its own in the test cluster, which kubectl beside its kubeconfig reaches.
fn install_in_cluster(desk: &mut Desk) {
    let kubeconfig = env::var_os("CARNET_TEST_KUBECONFIG").map(PathBuf::from).unwrap();
    let kubeconfig = fs::canonicalize(kubeconfig).unwrap();
    desk.path = format!("{}:{}", desk.path, kubeconfig.with_file_name("bin").display());
    desk.variables.push(("KUBECONFIG", kubeconfig));
    let namespace = format!("greetings-{:08x}", RandomState::new().hash_one("") & 0xffff_ffff);
    for block in blocks("Into a cluster") {
        let printed = desk.typed("web", &block.replace("greetings", &namespace));
        assert!(printed.contains("web-greeting"), "{printed}");
    }
    let left =
        desk.typed("web", &format!("kubectl get configmaps,roles,serviceaccounts -n {namespace} -o name"));
    desk.typed("web", &format!("kubectl delete namespace {namespace} --wait=false"));
    assert!(!left.contains("greeting") && !left.contains("carnet"), "{left}");
}

#[test]
fn an_author_in_c_gets_from_nothing_to_a_signed_bundle_in_a_directory() {
    let desk = Desk::new();
    build_and_try(&desk, "In C");
    let made = fs::read(desk.at("web/web.wasm")).unwrap();
    desk.typed("web", line("clang-19 "));
    assert_eq!(fs::read(desk.at("web/web.wasm")).unwrap(), made, "the line is not the one that `make` types");
    publish(&desk, "c");
}

#[test]
#[ignore = "needs a cluster: CARNET_TEST_KUBECONFIG"]
fn an_author_in_c_gets_from_nothing_to_a_cluster() {
    let mut desk = Desk::new();
    build_and_try(&desk, "In C");
    publish(&desk, "c");
    install_in_cluster(&mut desk);
}

#[test]
#[ignore = "compiles a standard library first, and needs a cluster: CARNET_TEST_KUBECONFIG"]
fn an_author_in_rust_gets_from_nothing_to_a_directory_and_to_a_cluster() {
    let mut desk = Desk::with_rust();
    build_and_try(&desk, "In Rust");
    publish(&desk, "rust");
    install_in_cluster(&mut desk);
}

#[test]
#[ignore = "installs compilers of JavaScript and Python"]
fn an_author_in_javascript_or_python_gets_to_a_bundle() {
    for (language, tools, start) in [
        (
            "javascript",
            "npm install --silent && export PATH=$PWD/node_modules/.bin:$PATH",
            "componentize-qjs ",
        ),
        (
            "python",
            "python3 -m venv ../py && ../py/bin/pip install -q componentize-py==0.25.1 && export PATH=$PWD/../py/bin:$PATH",
            "componentize-py ",
        ),
    ] {
        let mut desk = Desk::new();
        let home = PathBuf::from(env::var_os("HOME").unwrap());
        desk.variables.push((
            "PYENV_ROOT",
            env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from),
        ));
        desk.typed(".", &format!("carnet init web --lang {language}"));
        desk.typed("web", &format!("{tools}\n{}\ncarnet lint\ncarnet build --to dist", line(start)));
        assert_size(&desk, language);
    }
}

/// Where nothing was built yet, what to type is told: for each language, and from outside of the directory as well.
#[test]
fn what_makes_a_missing_component_is_told() {
    let desk = Desk::new();
    for (language, build) in [
        ("c", "make"),
        ("javascript", "npm install && npm run build"),
        ("python", "make"),
        ("rust", "cargo build --release --target wasm32-unknown-unknown"),
    ] {
        desk.typed(".", &format!("carnet init {language} --lang {language}"));
        let (inside, outside) = (format!("hint: {build}"), format!("hint: cd ./{language} && {build}"));
        for (folder, command, expected) in
            [(language, "build --to dist", inside), (".", "inspect ./LANG", outside)]
        {
            let command = command.replace("LANG", language);
            let said = desk.typed(folder, &format!("if carnet {command} 2>&1; then false; fi"));
            assert!(said.contains("is not there") && said.ends_with(&format!("{expected}\n")), "{said}");
        }
    }
}

/// All that `init` prints can be typed, in that order.
#[test]
fn what_init_says_to_type_leads_to_the_installed_bundle() {
    let desk = Desk::new();
    let printed: Value = serde_json::from_str(&desk.typed(".", "carnet init web --lang c -o json")).unwrap();
    let lines = |member: &str| -> Vec<String> { serde_json::from_value(printed[member].clone()).unwrap() };
    let confirmed = |line: String| if line.starts_with("carnet install") { line + " -y" } else { line };
    let all: Vec<_> = lines("attempt").into_iter().chain(lines("publish")).map(confirmed).collect();
    desk.typed(".", &all.join("\n"));
    assert!(desk.exists("web/out/default/configmap_try-greeting.yaml"));
    assert!(desk.exists("web/out/default/configmap_web-greeting.yaml"));
}
