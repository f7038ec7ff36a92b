//! What the documents for operators and authors say of the program is true: the flags, verbs, exit codes and kinds that they
//! name are there, and the documents that they show as examples can be used.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read the documents and make files"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use carnet::signature::PrivateKey;

/// The documents, without `cli.md`, which is made from the program.
const DOCUMENTS: [&str; 4] =
    ["docs/operating.md", "docs/authoring.md", "README.md", "guest-examples/README.md"];

/// Flags that are those of other programs: of kubectl, tar, apt-get, cargo, clang, npm, componentize-… and wit-bindgen.
const OF_OTHERS: [&str; 22] = [
    "--server-side",
    "--no-install-recommends",
    "--version",
    "--locked",
    "--no-default-features",
    "--features",
    "--release",
    "--target",
    "--config",
    "--wit",
    "--js",
    "--sync",
    "--stub-wasi",
    "--world",
    "--out-dir",
    "--strip-all",
    "--lib",
    "--all-targets",
    "--field-manager",
    "--force",
    "--dry-run",
    "--test",
];

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// All flags of all verbs, and all verbs with theirs.
fn known(command: &clap::Command, flags: &mut BTreeSet<String>, verbs: &mut BTreeSet<String>, path: &str) {
    flags.extend(command.get_arguments().filter_map(|it| it.get_long()).map(|long| format!("--{long}")));
    flags.extend(["--help".to_owned(), "--version".to_owned()]);
    for verb in command.get_subcommands() {
        let path = format!("{path}{} ", verb.get_name());
        verbs.insert(path.trim_end().to_owned());
        known(verb, flags, verbs, &path);
    }
}

fn program() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut flags, mut verbs) = (BTreeSet::new(), BTreeSet::new());
    known(&carnet::cli::command(), &mut flags, &mut verbs, "");
    verbs.insert("help".into());
    (flags, verbs)
}

/// The words of a text that begin with two dashes, as far as they can be a flag.
fn flags_in(text: &str) -> BTreeSet<String> {
    let is_flag = |c: char| c.is_ascii_lowercase() || c == '-';
    let words = text.split(|c: char| !(is_flag(c) || c.is_ascii_digit() || c == '_'));
    words
        .filter(|word| word.len() > 3 && word.starts_with("--") && word.as_bytes()[2] != b'-')
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_flag_that_a_document_names_is_one() {
    let (flags, _) = program();
    for name in DOCUMENTS {
        let unknown: Vec<_> = flags_in(&text(name))
            .into_iter()
            .filter(|flag| !flags.contains(flag) && !OF_OTHERS.contains(&flag.as_str()))
            // A whole family is named by its beginning.
            .filter(|flag| {
                !(flag.ends_with('-') && flags.iter().any(|known| known.starts_with(flag.as_str())))
            })
            .collect();
        assert_eq!(unknown, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn every_command_that_a_document_names_is_one() {
    let (_, verbs) = program();
    for name in DOCUMENTS {
        let text = text(name).replace('\n', " ");
        for after in text.split("carnet ").skip(1) {
            let before_is_word = after.is_empty();
            let word: String = after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            // In a sentence the name stands without a verb of its own, and in code with one.
            let is_code =
                text.contains(&format!("`carnet {word}")) || text.contains(&format!("    carnet {word} "));
            if before_is_word || word.is_empty() || !is_code {
                continue;
            }
            assert!(verbs.contains(&word), "{name}: `carnet {word}`");
        }
    }
}

#[test]
fn the_exit_codes_of_the_operators_are_those_of_the_program() {
    let made = carnet::cli::manual::markdown();
    let codes = |text: &str| -> BTreeSet<u8> {
        text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()?.parse().ok()).collect()
    };
    let of_program = codes(made.split("## Exit codes").nth(1).unwrap());
    assert!(of_program.len() > 10, "{of_program:?}");
    assert_eq!(codes(&text("docs/operating.md")), of_program);
}

/// The blocks of a document that are indented by four spaces, without the indent.
fn blocks(text: &str) -> Vec<String> {
    let (mut all, mut block) = (Vec::new(), String::new());
    for line in text.lines().chain(["end"]) {
        match line.strip_prefix("    ") {
            Some(rest) => block.push_str(&format!("{rest}\n")),
            None if line.is_empty() && !block.is_empty() => block.push('\n'),
            None if !block.is_empty() => all.push(std::mem::take(&mut block)),
            None => {}
        }
    }
    all
}

/// The block that has this line.
fn block(name: &str, line: &str) -> String {
    let found = blocks(&text(name)).into_iter().find(|block| block.lines().any(|it| it == line));
    found.unwrap_or_else(|| format!("{name} has no block with `{line}`"))
}

/// Whether `carnet lint` finds nothing wrong with a document.
fn assert_sound(document: &str, kind: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document.yaml");
    fs::write(&file, document).unwrap();
    let mut lint = Command::new(env!("CARGO_BIN_EXE_carnet"));
    lint.env_clear().env("HOME", folder.path()).args(["lint", "--kind", kind]).arg(&file);
    let output = lint.stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{kind}:\n{document}\n{stdout}{stderr}");
}

#[test]
fn the_examples_of_documents_can_be_used() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let operating = "docs/operating.md";
    assert_sound(&block(operating, "kind: Grant").replace("sha256:…", &digest), "grant");
    let pem = PrivateKey::generate().unwrap().public().to_pem();
    let body: Vec<_> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let policy = block(operating, "kind: TrustPolicy").replace('…', &body.join("\n        "));
    assert_sound(&policy, "trust-policy");
    carnet::verify::TrustPolicy::parse(&policy).unwrap();
    assert_sound(&block(operating, "schemaVersion: 1.0.0"), "credential-set");
    let configuration = text(operating);
    let configuration = configuration.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_sound(configuration, "configuration");
    assert_sound(&block("docs/authoring.md", "kind: SourceTest"), "source-test");
    let source = block("docs/authoring.md", "kind: Source");
    assert_sound(&source, "source");
    let requests = block("docs/authoring.md", "requests:");
    assert_sound(&format!("{source}{requests}credentials: {{ db-password: {{}} }}\n"), "source");
}

#[test]
fn the_approvals_of_the_operators_document_are_read() {
    let pem = PrivateKey::generate().unwrap().public().to_pem().replace('\n', "\\n");
    let keys: Vec<_> =
        ["alice", "bob", "carol"].iter().map(|name| format!("{name}: {{ pem: \"{pem}\" }}")).collect();
    let approvals = block("docs/operating.md", "approvals:").replace('\n', "\n  ");
    let policy = format!(
        "apiVersion: carnet.dev/v1alpha1\nkind: TrustPolicy\nspec:\n  keys: {{ {} }}\n  rules: []\n  {approvals}",
        keys.join(", ")
    );
    // One key under three names is one, so two of them can never approve: all else of the example is understood.
    let error = carnet::verify::TrustPolicy::parse(&policy).unwrap_err().to_string();
    assert!(error.contains("wants 2") || error.contains("threshold"), "{error}");
}

#[test]
fn the_limits_that_the_documents_state_are_those_that_hold() {
    use carnet::grant::limits::LimitTexts;
    let limits = LimitTexts::default().resolve().unwrap();
    let stated = text("docs/operating.md");
    let row = stated.lines().find(|line| line.starts_with("| `limits` |")).unwrap().to_owned();
    let shown = format!("{limits:?}");
    assert!(row.contains("`memory` (64Mi)") && shown.contains(&(64u64 << 20).to_string()), "{shown}");
    assert!(row.contains("`hostCalls` (10000)") && shown.contains("10000"), "{shown}");
    assert!(row.contains("`timeout` (60s)") && shown.contains("60s"), "{shown}");
    assert!(row.contains("`compileMemory` (2Gi)") && shown.contains(&(2u64 << 30).to_string()), "{shown}");
    assert!(row.contains("`log` (1Mi)") && shown.contains(&(1u64 << 20).to_string()), "{shown}");
}
