//! A module uses only modules above it, in the order of `lib.rs`; a sub-module what its parent may use, its parent and its
//! siblings. Crates that reach outside have homes. Only the command line prints.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test reads the source")]

use std::fs;
use std::path::{Path, PathBuf};

/// Where crates may be named: prefixes of files below `src/`.
const HOMES: &[(&str, &[&str])] = &[
    ("anstream", &["main.rs", "cli"]),
    ("anyhow", &["main.rs", "cli"]),
    ("clap", &["main.rs", "cli"]),
    ("clap_complete", &["main.rs", "cli"]),
    ("console", &["main.rs", "cli"]),
    ("indicatif", &["main.rs", "cli"]),
    ("kube", &["cluster", "operator"]),
    ("rusqlite", &["state"]),
    ("wasmtime", &["host", "run"]),
    ("wasmtime_wasi", &["host", "run"]),
];

/// Where requests to an API server may be made: prefixes of files below `src/`. Everybody else needs a permit.
const REQUESTS: &[&str] = &["cluster", "targets/cluster", "state/cluster"];

/// What prints.
const PRINTING: &[&str] = &["print!(", "println!(", "eprint!(", "eprintln!(", "stdout()", "stderr()"];

/// What claims that something was proved, and the only places where that may be said.
const CLAIMS: &[(&str, &[&str])] = &[
    ("Proposed::of(", &["install/planning.rs"]),
    ("identity::confirmed(", &["plan/confirmed.rs"]),
    ("identity::requested(", &["plan/requested.rs"]),
    ("proposed.confirm(", &["install.rs"]),
    ("proposed.requested(", &["operations/rbac.rs"]),
    ("Permitted::assertion(", &["grant"]),
    ("RecordedObject::read_back(", &["state/installation.rs"]),
    ("Verified::assertion(", &["verify"]),
    ("state.ledger(", &["install/acting.rs"]),
];

/// A file of the library, without its tests.
struct Source {
    /// Below `src/`.
    path: String,
    /// `cluster::request`, as a list.
    module: Vec<String>,
    code: String,
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let order = order();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(place) = order.iter().position(|module| *module == source.module[0]) else { continue };
        for used in uses(&source) {
            match order.iter().position(|module| *module == used) {
                Some(other) if other <= place => {}
                _ => wrong.push(format!("{} uses crate::{used}", source.path)),
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn uses_are_found_in_every_form() {
    let code = "use super::cli;\nuse crate::{digest::{self, x}, fetch};\nlet a = crate::state::open();\nmy_crate::run();";
    let source = Source { path: String::new(), module: vec!["grant".into()], code: code.into() };
    assert_eq!(uses(&source), ["digest", "fetch", "state", "cli"]);
}

#[test]
fn every_module_has_a_place_in_the_order() {
    let order = order();
    let missing = sources().into_iter().map(|source| source.module[0].clone());
    let missing: Vec<_> = missing.filter(|module| module != "main" && !order.contains(module)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn crates_that_reach_outside_stay_at_home() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, homes) in HOMES {
            let is_home = homes.iter().any(|home| source.path.starts_with(home));
            if !is_home && names(&source.code, name) {
                wrong.push(format!("{} uses {name}", source.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_proof_is_claimed_only_where_it_is_made() {
    let mut wrong = Vec::new();
    for (claim, places) in CLAIMS {
        let claiming: Vec<_> = sources().into_iter().filter(|source| source.code.contains(claim)).collect();
        assert!(!claiming.is_empty(), "nobody says {claim} any more");
        let is_place = |source: &Source| places.iter().any(|place| source.path.starts_with(place));
        wrong.extend(
            claiming.iter().filter(|source| !is_place(source)).map(|it| format!("{}: {claim}", it.path)),
        );
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn requests_to_a_cluster_are_made_by_those_alone_who_take_a_permit() {
    let is_home = |source: &Source| REQUESTS.iter().any(|home| source.path.starts_with(home));
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|source| !is_home(source) && names(&source.code, "ApiRequest"))
        .map(|source| source.path)
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn only_the_command_line_prints() {
    let prints = |source: &Source| PRINTING.iter().any(|text| source.code.contains(text));
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|source| source.module[0] != "cli" && prints(source))
        // The component's own streams, which are captured.
        .filter(|source| !source.path.starts_with("host/"))
        .map(|source| source.path)
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// The modules of `lib.rs`, in its order.
fn order() -> Vec<String> {
    let text = fs::read_to_string(root().join("lib.rs")).unwrap();
    let module = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    text.lines().filter_map(module).collect()
}

/// The modules of this crate that a file names, wherever it does.
fn uses(source: &Source) -> Vec<String> {
    let own = source.module[0].as_str();
    let mut found = Vec::new();
    for (index, _) in source.code.match_indices("crate::") {
        let rest = &source.code[index + "crate::".len()..];
        let before = source.code[..index].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        match rest.strip_prefix('{') {
            Some(list) => found.extend(first_words(list)),
            None => found.push(word(rest)),
        }
    }
    found.extend(of_root(source));
    found.retain(|module| module != own);
    found
}

/// In a module just below the root, `super::` at the start of a line is the root as well.
fn of_root(source: &Source) -> Vec<String> {
    let lines = source.code.lines().filter(|_| source.module.len() == 1);
    lines.filter_map(|line| line.strip_prefix("use super::")).map(word).collect()
}

/// The first word of each path in `a::b, c::{d, e}}`.
fn first_words(list: &str) -> Vec<String> {
    let (mut depth, mut words, mut is_start) = (0, Vec::new(), true);
    for (index, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_start = true,
            c if is_start && c.is_alphanumeric() => {
                words.push(word(&list[index..]));
                is_start = false;
            }
            _ => {}
        }
    }
    words
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether code names a crate, in a path or an attribute.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(index, _)| {
        let before = code[..index].chars().next_back();
        let after = &code[index + name.len()..];
        // `Self::wasmtime::…` or `crate::kube::…` would be a module of ours.
        !before.is_some_and(|c| c.is_alphanumeric() || "_:\"".contains(c))
            && (after.starts_with("::") || after.starts_with(';'))
    })
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root(), &mut files);
    files.sort();
    files.iter().filter(|file| !file.ends_with("lib.rs")).map(|file| source(file)).collect()
}

fn source(file: &Path) -> Source {
    let path = file.strip_prefix(root()).unwrap().display().to_string();
    let module = path.trim_end_matches(".rs").split('/').map(Into::into).collect();
    let text = fs::read_to_string(file).unwrap();
    // Tests stand last in a file and may use what they like.
    let tests = text.find("mod tests {").and_then(|end| text[..end].rfind("#[cfg(test)]"));
    let code = &text[..tests.unwrap_or(text.len())];
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    Source { module, code: lines.collect::<Vec<_>>().join("\n"), path }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
