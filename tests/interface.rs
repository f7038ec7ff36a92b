//! What people and scripts rely on changes only on purpose: the reference of the command line equals the committed one.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the test reads and writes a file of the repository"
)]

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

/// Words in capitals that stand for what nobody but the reader knows.
const UNKNOWN: [&str; 8] = ["BUNDLE", "DIR", "FILE", "KIND", "LAYOUT", "RELEASE.pub", "USER", "-"];

/// A line to be copied that no parser would take, or that ends in the middle of a sentence, is worse than none. Flags for what
/// was typed are added at its end, so nothing may follow it there.
#[test]
fn every_command_that_a_hint_names_is_one() {
    let mut lines = Vec::new();
    each_source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |file, text| {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let hints = literals(code)
            .into_iter()
            .filter(|it| !it.contains('{') && (it.starts_with("carnet ") || it.contains(": carnet ")));
        lines.extend(hints.map(|line| (file.to_owned(), line)));
    });
    assert!(lines.len() > 20, "they were looked for in the wrong way: {lines:?}");
    let faults: Vec<_> =
        lines.iter().flat_map(|(file, line)| faults(line).map(|it| (file, line, it))).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_hint_has_a_command_in_the_middle_of_a_sentence() {
    let mut lines = Vec::new();
    each_source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/exit"), &mut |_, text| {
        lines.extend(literals(text.split("#[cfg(test)]").next().unwrap_or_default()));
    });
    let quoted: Vec<_> = lines.into_iter().filter(|line| line.contains("`carnet ")).collect();
    assert!(quoted.is_empty(), "{quoted:#?}");
}

/// What is wrong with a hint that ends with a command.
fn faults(line: &str) -> Option<String> {
    let (_, command) = line.rsplit_once("carnet ").unwrap_or_default();
    let top = carnet::cli::command();
    let (mut verb, mut is_known) = (&top, false);
    for word in command.split_whitespace() {
        if let Some(inner) = verb.find_subcommand(word) {
            (verb, is_known) = (inner, true);
            continue;
        }
        let flag = word.split('=').next().unwrap_or(word);
        let all = top.get_arguments().chain(verb.get_arguments());
        let takes = |argument: &clap::Arg| {
            let long = argument.get_long().map(|long| format!("--{long}"));
            let short = argument.get_short().map(|short| format!("-{short}"));
            [long, short].iter().flatten().any(|name| name == flag)
        };
        let is_taken = flag == "--help" || all.into_iter().any(takes);
        if !is_known && flag != "--help" {
            return Some(format!("`{word}` is no verb"));
        }
        if flag.starts_with('-') && !is_taken {
            return Some(format!("`{flag}` is no flag of it"));
        }
        let is_blank = carnet::text::Blank::ALL.iter().any(|blank| blank.word() == word);
        let is_capital = word.chars().next().is_some_and(|c| c.is_ascii_uppercase());
        if is_capital && !is_blank && !UNKNOWN.contains(&word) {
            return Some(format!("`{word}` may be known, and stays"));
        }
        if word.contains(['`', ',', ';']) {
            return Some(format!("the sentence goes on after `{word}`"));
        }
    }
    None
}

/// The texts in quotes, without what continues a line.
fn literals(code: &str) -> Vec<String> {
    let (mut found, mut current, mut chars) = (Vec::new(), None::<String>, code.chars());
    while let Some(c) = chars.next() {
        match (c, &mut current) {
            ('\'', None) if chars.as_str().starts_with("\"'") => drop(chars.by_ref().nth(1)),
            ('/', None) if chars.as_str().starts_with('/') => {
                while chars.next().is_some_and(|c| c != '\n') {}
            }
            ('"', None) => current = Some(String::new()),
            ('"', Some(_)) => found.extend(current.take()),
            ('\\', Some(text)) => match chars.next() {
                Some('\n') => {
                    let rest = chars.as_str().trim_start();
                    chars = rest.chars();
                }
                Some(c) => text.push(c),
                None => {}
            },
            (c, Some(text)) => text.push(c),
            (_, None) => {}
        }
    }
    found
}

fn each_source(directory: &Path, with: &mut impl FnMut(&str, &str)) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            each_source(&path, with);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            with(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap());
        }
    }
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
