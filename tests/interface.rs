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
