//! What people and scripts rely on changes only on purpose: the reference of the command line equals the committed one.

#![expect(clippy::disallowed_methods, reason = "the test reads and writes a file of the repository")]

use std::path::Path;

/// `BLESS=1 cargo test --test interface` writes it anew.
#[test]
fn the_command_line_reference_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let made = carnet::cli::manual::markdown();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == made, "docs/cli.md is not what the program says: run with BLESS=1");
}

#[test]
fn every_document_is_in_the_reference() {
    let mut kinds = ["Error", "Grant", "TrustPolicy"].map(str::to_owned).to_vec();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut kinds);
    kinds.sort();
    let page = carnet::cli::manual::markdown();
    let documents = page.split("## Documents").nth(1).unwrap();
    let listed: Vec<_> =
        documents.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(listed, kinds);
}

/// The `KIND` of every document of the library.
fn collect(directory: &Path, kinds: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, kinds);
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let found = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("const KIND: &'static str = \"")?.split('"').next());
        kinds.extend(found.map(Into::into));
    }
}
