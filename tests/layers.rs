//! The order of the house. A module uses only what stands above it: modules of `lib.rs` those listed before them, and
//! below that each file its parents and the siblings listed before it in their parent's file. Crates that reach outside
//! have homes. Only the command line prints. What claims a proof does so where it is made.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test reads the source")]

#[path = "layers/claims.rs"]
mod claims;
#[path = "layers/source.rs"]
mod source;
#[path = "layers/variants.rs"]
mod variants;

use claims::Claim;
use source::{Source, Tree};

/// Where crates may be named: prefixes of files below `src/`.
const HOMES: &[(&str, &[&str])] = &[
    ("anstream", &["main.rs", "cli"]),
    ("anyhow", &["main.rs", "cli"]),
    ("clap", &["main.rs", "cli"]),
    ("clap_complete", &["main.rs", "cli"]),
    ("console", &["main.rs", "cli"]),
    ("crypto_secretbox", &["signature"]),
    ("granit_parser", &["document"]),
    ("hyper", &["oci/registry"]),
    ("hyper_rustls", &["cluster", "oci/registry"]),
    ("hyper_util", &["cluster", "oci/registry"]),
    ("indicatif", &["main.rs", "cli"]),
    ("kube", &["cluster"]),
    ("rusqlite", &["state"]),
    ("rustls", &["oci/registry"]),
    ("rustls_platform_verifier", &["oci/registry"]),
    ("scrypt", &["signature"]),
    ("serde_json_canonicalizer", &["bundle"]),
    ("similar", &["plan"]),
    ("wasmtime", &["host", "run"]),
    ("wasmtime_wasi", &["host", "run"]),
    ("zstd", &["state"]),
];

/// Where requests to an API server may be made: prefixes of files below `src/`. Everybody else needs a permit.
const REQUESTS: &[&str] = &["cluster", "targets/cluster", "state/cluster"];

/// Macros that print.
const PRINTING: &[&str] = &["print!(", "println!(", "eprint!(", "eprintln!(", "stdout()", "stderr()"];

/// Claims that something was proved, and the only places that may make them.
const CLAIMS: &[(Claim, &[&str])] = &[
    (Claim::Maker("Proposed", "of"), &["install/planning.rs"]),
    (Claim::Function("confirmed"), &["plan/confirmed.rs"]),
    (Claim::Function("requested"), &["plan/requested.rs"]),
    (Claim::Method("confirm"), &["install/acting.rs"]),
    (Claim::Method("requested"), &["operations/rbac.rs"]),
    (Claim::Maker("Approved", "undemanded"), &["install/approval.rs"]),
    (Claim::Maker("Permitted", "assertion"), &["grant"]),
    (Claim::Maker("RecordedObject", "read_back"), &["state/installation.rs"]),
    (Claim::Maker("Verified", "assertion"), &["verify"]),
    (Claim::Method("ledger"), &["install/acting.rs", "state.rs"]),
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
    let (all, mut wrong) = (source::all(), Vec::new());
    for (claim, places) in CLAIMS {
        let names = claim.names(&all);
        let claiming: Vec<_> = all.iter().filter(|source| claim.is_in(source, &names)).collect();
        assert!(!claiming.is_empty(), "nobody says {claim:?} any more");
        let is_place = |source: &Source| places.iter().any(|place| source.path.starts_with(place));
        wrong.extend(
            claiming
                .into_iter()
                .filter(|source| !is_place(source))
                .map(|it| format!("{}: {claim:?}", it.path)),
        );
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The check itself is checked: each of these says it, whatever the value, the module or the type is called there.
#[test]
fn claims_are_found_in_every_form() {
    use Claim::{Function, Maker, Method};
    let elsewhere =
        "use crate::verify::Verified;\npub type Proof = Box<Verified>;\npub use Permitted as Ticket;";
    let is_found = |claim: Claim, code: &str| {
        let all = [Source::of("made/elsewhere.rs", elsewhere), Source::of("made/up.rs", code)];
        claim.is_in(&all[1], &claim.names(&all))
    };
    for (claim, code) in [
        (Function("confirmed"), "identity::confirmed(mint)"),
        (Function("confirmed"), "use crate::grant::identity::confirmed;\nfn a() { confirmed(mint) }"),
        (
            Function("confirmed"),
            "use crate::grant::identity::{self, confirmed as yes};\nfn a() { yes(mint) }",
        ),
        (Function("confirmed"), "use crate::grant::identity::*;\nfn a() { confirmed(mint) }"),
        (Function("confirmed"), "use crate::grant::identity as i;\nfn a() { i::confirmed\n(mint) }"),
        (Function("confirmed"), "mints.map(identity::confirmed)"),
        (Method("confirm"), "proposed.confirm(|_| true)"),
        (Method("confirm"), "plan.confirm(|_| true)"),
        (Method("confirm"), "planned\n    .confirm (|_| true)"),
        (Method("confirm"), "plan.confirm::<F>(yes)"),
        (Method("confirm"), "Proposed::confirm(&plan, |_| true)"),
        (Method("confirm"), "<Proposed>::confirm(&plan, |_| true)"),
        (Method("confirm"), "plans.map(Proposed::confirm)"),
        (Method("requested"), "p.requested()"),
        (Method("ledger"), "s.ledger(name)"),
        (Maker("Verified", "assertion"), "Verified::assertion(bundle)"),
        (
            Maker("Verified", "assertion"),
            "use crate::verify::Verified as V;\nfn a() { V::assertion(bundle) }",
        ),
        (
            Maker("Verified", "assertion"),
            "use crate::verify::Verified;\nfn a() { <Verified>::assertion(bundle) }",
        ),
        (Maker("Permitted", "assertion"), "Permitted::<Get>::assertion(get)"),
        (
            Maker("Verified", "assertion"),
            "type V = crate::verify::Verified;\nfn a() { V::assertion(bundle) }",
        ),
        (
            Maker("Permitted", "assertion"),
            "pub(crate) type P<T> = crate::grant::Permitted<T>;\nfn a() { P::<Get>::assertion(get) }",
        ),
        (
            Maker("Permitted", "assertion"),
            "type A = Permitted<Get>;\ntype B = A;\nfn a() { B::assertion(get) }",
        ),
        (
            Maker("Permitted", "assertion"),
            "trait Made { type It; }\nimpl Made for X { type It = Permitted<X>; }\nfn a() { It::assertion(get) }",
        ),
        (
            Maker("Verified", "assertion"),
            "impl crate::verify::Verified { fn a() { Self::assertion(bundle) } }",
        ),
        // Named elsewhere.
        (Maker("Verified", "assertion"), "use super::elsewhere::Proof;\nfn a() { Proof::assertion(bundle) }"),
        (
            Maker("Verified", "assertion"),
            "use super::elsewhere::Proof as P;\nfn a() { P::assertion(bundle) }",
        ),
        (Maker("Permitted", "assertion"), "super::elsewhere::Ticket::assertion(get)"),
    ] {
        assert!(is_found(claim, code), "{claim:?} in {code}");
    }
    for (claim, code) in [
        (Function("confirmed"), "pub(crate) fn confirmed(mint: Mint) {}"),
        (
            Function("confirmed"),
            "mod confirmed;\npub use confirmed::Confirmed;\nuse super::confirmed::Other;",
        ),
        (Function("confirmed"), "if options.confirmed && !is_confirmed(text) {}"),
        (Function("requested"), "proposed.requested()"),
        (Method("confirm"), "fn confirm(&self) {}"),
        (Method("requested"), "identity::requested(mint)"),
        (Method("requested"), "self.requested.files"),
        (Method("ledger"), "self.ledger.removed(object)"),
        (
            Maker("Verified", "assertion"),
            "use crate::verify::Verified;\nfn a() { Permitted::assertion(get) }",
        ),
        (Maker("Verified", "assertion"), "type Other = Fetched;\nfn a() { Other::assertion(get) }"),
    ] {
        assert!(!is_found(claim, code), "{claim:?} in {code}");
    }
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
        // Whether a credential plugin, or a program that keeps credentials, may talk to the person at the terminal.
        .filter(|source| !["cluster/plugin.rs", "subprocess.rs"].contains(&source.path.as_str()))
        .map(|source| source.path)
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn variants_of_errors_stand_in_alphabetical_order() {
    let wrong: Vec<_> = source::all().iter().flat_map(variants::out_of_order).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// The check itself is checked.
#[test]
fn a_variant_that_is_out_of_order_is_found() {
    let found = |code: &str| variants::out_of_order(&Source::of("a.rs", code));
    let error =
        |variants: &str| format!("#[derive(Debug, thiserror::Error)]\n#[x]\npub enum Error {{ {variants} }}");
    let wrong = [
        "B, A",
        r#"#[error("{0}, \"}")] B(#[from] X, (Y, Z)), #[error(transparent)] A"#,
        "A { b: C }, C, B { a: A },",
    ];
    let named = ["A", "A", "B"];
    for (variants, named) in wrong.into_iter().zip(named) {
        assert_eq!(found(&error(variants)), [format!("a.rs: Error::{named}")], "{variants}");
    }
    assert_eq!(found(&error(r#"#[error("{0}: B, A")] A(B, A), B { b: X, a: Y }, C"#)), Vec::<String>::new());
    assert_eq!(found("#[derive(Debug)] enum Verb { B, A }"), Vec::<String>::new());
}
