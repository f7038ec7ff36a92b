//! The order of the house. A module uses only what stands above it: modules of `lib.rs` those listed before them, and
//! below that each file its parents and the siblings listed before it in their parent's file. Crates that reach outside
//! have homes. Only the command line prints. What claims a proof does so where it is made.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test reads the source")]

#[path = "layers/source.rs"]
mod source;

use source::{Source, Tree};

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
    ("proposed.confirm(", &["install/acting.rs"]),
    ("proposed.requested(", &["operations/rbac.rs"]),
    ("Permitted::assertion(", &["grant"]),
    ("RecordedObject::read_back(", &["state/installation.rs"]),
    ("Verified::assertion(", &["verify"]),
    ("state.ledger(", &["install/acting.rs"]),
];

#[test]
fn a_module_uses_only_what_stands_above_it() {
    assert_eq!(Tree::of_the_library().upward_uses(), Vec::<String>::new());
}

/// The check itself is checked: each of these uses is one that it has to find.
#[test]
fn uses_of_what_stands_below_are_found_in_every_form() {
    let lib = ("lib", "pub mod above;\npub mod middle;\npub mod below;");
    let middle = ("middle", "mod first;\nmod second;\npub use second::Second;\nuse crate::above;");
    let cases = [
        ("use crate::below;", "below"),
        ("use crate::{above, below::{self, Name}};", "below"),
        ("use super::super::below::Name;", "below"),
        ("let name = crate::below::name();", "below"),
        ("use super::second;", "middle::second"),
        ("use super::{second::Second};", "middle::second"),
        ("use crate::middle::second::Second;", "middle::second"),
        ("fn make() -> super::second::Second;", "middle::second"),
        // Named by the parent, and yet the sibling's.
        ("use super::Second;", "middle::second"),
        ("use crate::middle::Second;", "middle::second"),
    ];
    for (code, used) in cases {
        let tree = Tree::of(&[
            lib,
            ("above", ""),
            middle,
            ("middle::first", code),
            ("middle::second", ""),
            ("below", ""),
        ]);
        assert_eq!(tree.upward_uses(), [format!("middle::first uses {used}")], "{code}");
    }
    let fine = [
        "use crate::above::Name;",
        "use super::Name;",
        "use self::inner::Name;",
        "other_crate::below::name();",
    ];
    for code in fine {
        let tree = Tree::of(&[
            lib,
            ("above", ""),
            middle,
            ("middle::second", code),
            ("middle::first", ""),
            ("below", ""),
        ]);
        assert_eq!(tree.upward_uses(), Vec::<String>::new(), "{code}");
    }
}

#[test]
fn every_module_has_a_place_in_the_order() {
    assert_eq!(Tree::of_the_library().without_a_place(), Vec::<String>::new());
}

#[test]
fn crates_that_reach_outside_stay_at_home() {
    let mut wrong = Vec::new();
    for source in source::all() {
        for (name, homes) in HOMES {
            let is_home = homes.iter().any(|home| source.path.starts_with(home));
            if !is_home && source.names(name) {
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
        let claiming: Vec<_> =
            source::all().into_iter().filter(|source| source.code.contains(claim)).collect();
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
    let wrong: Vec<_> = source::all()
        .into_iter()
        .filter(|source| !is_home(source) && source.code.contains("ApiRequest"))
        .map(|source| source.path)
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn only_the_command_line_prints() {
    let prints = |source: &Source| PRINTING.iter().any(|text| source.code.contains(text));
    let wrong: Vec<_> = source::all()
        .into_iter()
        .filter(|source| source.module.first().is_some_and(|module| module != "cli") && prints(source))
        // The component's own streams, which are captured.
        .filter(|source| !source.path.starts_with("host/"))
        // Whether a credential plugin may talk to the person at the terminal.
        .filter(|source| source.path != "cluster/plugin.rs")
        .map(|source| source.path)
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}
