//! Lines that are ready to be copied, read by the shells that people copy them into: each text is one word, and it is
//! the text. What the program prints for a bundle is given to a shell as it stands.

#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests run shells and the program"
)]

mod support;

use std::process::{Command, Output};

use carnet::capability::Requests;
use carnet::document::visible;
use carnet::text::CommandLine;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use support::Home;
use support::guest::Script;

/// Texts that have broken out of somebody's quotes.
const HOSTILE: [&str; 30] = [
    "",
    " ",
    "web",
    "'",
    "''",
    "x';touch$IFS/tmp/x;''",
    "\\",
    "\\'",
    "'\\''",
    "a\\",
    "$(id)",
    "`id`",
    "${HOME}",
    "~",
    "~/x",
    "=ls",
    "a=~/x",
    "{a,b}",
    "*",
    "[a]",
    "!!",
    "!$",
    "a\nb",
    "a\u{1b}[2J",
    "-y",
    "--yes",
    "#x",
    "a;b&c|d>e<f",
    "\u{202e}x",
    "%self ^ é",
];

/// The words that a shell makes of a line, as a program gets them.
fn words(shell: &[&str], line: &str) -> Vec<String> {
    let (program, flags) = shell.split_first().unwrap();
    let read = Command::new(program)
        .args(flags)
        .arg(format!("env printf '%s\\0' {line}"))
        .current_dir("/")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        read.status.success() && read.stderr.is_empty(),
        "{line}: {}",
        String::from_utf8_lossy(&read.stderr)
    );
    let text = String::from_utf8(read.stdout).unwrap();
    text.strip_suffix('\0').unwrap().split('\0').map(str::to_owned).collect()
}

/// One line with all texts is read as our own word and then these texts. Those that hold what may not be printed are
/// spelled out, and are still one word each.
fn assert_read(shell: &[&str], texts: &[String]) {
    let ways: [fn(CommandLine, &String) -> CommandLine; 2] =
        [|line, text| line.word(text), |line, text| line.quoted(text)];
    for add in ways {
        let line = texts.iter().fold(CommandLine::of("carnet"), add).to_string();
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
        let mut meant: Vec<String> = vec!["carnet".into()];
        for text in texts {
            meant.extend(text.starts_with('-').then(|| "--".to_owned()));
            meant.push(visible(text));
        }
        assert_eq!(words(shell, &line), meant, "{line}");
    }
}

fn assert_every_word_is_read(shell: &[&str]) {
    assert_read(shell, &HOSTILE.map(str::to_owned));
    let text = prop_oneof![any::<String>(), "[ '\"\\\\$`;&|<>(){}\\[\\]!*?~#=%^@+,:a/\n\t-]{0,12}"];
    let texts = proptest::collection::vec(text, 1..200);
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    runner
        .run(&texts, |texts| {
            let texts: Vec<_> = texts.into_iter().filter(|text| !text.contains('\0')).collect();
            assert_read(shell, &texts);
            Ok(())
        })
        .unwrap();
}

#[test]
fn bash_reads_every_text_as_the_one_word_that_it_is() {
    assert_every_word_is_read(&["bash", "-c"]);
}

#[test]
#[ignore = "needs zsh"]
fn zsh_reads_every_text_as_the_one_word_that_it_is() {
    assert_every_word_is_read(&["zsh", "-f", "-c"]);
    assert_every_word_is_read(&[
        "zsh",
        "-f",
        "-o",
        "rcquotes",
        "-o",
        "extendedglob",
        "-o",
        "magicequalsubst",
        "-c",
    ]);
}

#[test]
#[ignore = "needs fish"]
fn fish_reads_every_text_as_the_one_word_that_it_is() {
    assert_every_word_is_read(&["fish", "--no-config", "-c"]);
}

#[test]
fn what_follows_a_flag_belongs_to_it() {
    for (text, expected) in
        [("-x", vec!["--param=-x"]), ("a b", vec!["--param", "a b"]), ("", vec!["--param", ""])]
    {
        let line = CommandLine::of("--param").word(text).to_string();
        assert_eq!(words(&["bash", "-c"], &line), expected);
    }
}

/// A bundle with a place for each kind of name.
const SOURCE: &str = "handles: [install]\n\
    parameters:\n  team: { schema: { type: string, default: blue } }\n\
    credentials:\n  db_password.1: { required: true }\n\
    requests:\n  kubernetes:\n  \
    - { verbs: [apply, get], kinds: [apps/Deployment, ConfigMap], namespaces: ['${namespace}'], names: ['${installation}-*', 'a.b:c_d'] }\n  \
    - { verbs: [get], kinds: [Node], names: ['n1'], optional: true }\n  \
    files:\n  - { name: 'certs/*' }\n  - { name: 'site_1.conf' }\n  \
    credentials:\n  - { name: db_password.1, into: ['${namespace}/Secret/${parameters.team}-*'], reveal: true }\n  \
    generate:\n  - { name: key, into: ['${namespace}/Secret/${installation}'] }\n";

struct Site {
    home: Home,
}

impl Site {
    fn new() -> Self {
        let home = Home::new();
        home.bundle("web", &Script::new().component(), SOURCE);
        Self { home }
    }

    /// Runs a line, in which `carnet` is the program that was built.
    fn run(&self, line: &str) -> Output {
        let program = env!("CARGO_BIN_EXE_carnet");
        let mut command = Command::new("bash");
        command.args(["-c", &format!("carnet() {{ '{program}' \"$@\"; }}; {line}")]);
        command
            .env_clear()
            .env("HOME", self.home.root.path())
            .current_dir(self.home.root.path())
            .output()
            .unwrap()
    }
}

#[test]
fn the_lines_that_are_printed_grant_what_is_missing_when_a_shell_reads_them() {
    let site = Site::new();
    let check = "carnet grant check layout:web -n prod";
    let refused = site.run(check);
    assert_eq!(refused.status.code(), Some(11), "{refused:?}");
    let lines = String::from_utf8(refused.stdout).unwrap();
    assert_eq!(lines.lines().count(), 13, "{lines}");
    let granted = site.run(&format!("{check} {} --allow-kube get:Node:n1", lines.replace('\n', " ")));
    assert_eq!(granted.status.code(), Some(0), "{lines}{granted:?}");
}

/// A request with this name in each place that has one.
fn requests_named(name: &str) -> Vec<Value> {
    let rule =
        json!({ "verbs": ["apply"], "kinds": ["ConfigMap"], "namespaces": ["prod"], "names": ["web"] });
    let with = |member: &str| {
        let mut rule = rule.clone();
        rule[member] = json!([name]);
        json!({ "kubernetes": [rule] })
    };
    let secret = |namespace: &str, name: &str| json!([format!("{namespace}/Secret/{name}")]);
    vec![
        with("kinds"),
        with("namespaces"),
        with("names"),
        json!({ "kubernetes": [{ "verbs": ["get"], "kinds": [format!("{name}.example/Thing")], "names": ["x"] }] }),
        json!({ "files": [{ "name": name }] }),
        json!({ "credentials": [{ "name": name }] }),
        json!({ "credentials": [{ "name": "a", "into": secret(name, "x") }] }),
        json!({ "credentials": [{ "name": "a", "into": secret("prod", name) }] }),
        json!({ "generate": [{ "name": name, "into": secret("prod", "x") }] }),
        json!({ "generate": [{ "name": "a", "into": secret("prod", name) }] }),
    ]
}

#[test]
fn a_name_that_a_shell_would_act_on_is_refused_when_the_bundle_is_read() {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._:/@+-*".contains(c);
    let hostile =
        HOSTILE.iter().filter(|text| !text.chars().all(harmless) || text.is_empty() || text.starts_with('-'));
    for name in hostile {
        for name in [(*name).to_owned(), format!("a{name}"), format!("${{installation}}{name}")] {
            if name.chars().all(|c| harmless(c) && c != '-') || name == "${installation}" {
                continue;
            }
            for value in requests_named(&name) {
                let requests: Requests = serde_json::from_value(value.clone()).unwrap();
                let is_refused = requests.check().is_err();
                assert!(
                    is_refused || name.trim_start_matches("${installation}").chars().all(harmless),
                    "{value}"
                );
            }
        }
    }
    for value in requests_named("prod") {
        let is_kind = value.pointer("/kubernetes/0/kinds/0") == Some(&json!("prod"));
        assert_eq!(serde_json::from_value::<Requests>(value).unwrap().check().is_err(), is_kind);
    }
}

#[test]
fn a_bundle_with_a_hostile_name_is_shown_as_unusable_and_grants_nothing() {
    let site = Site::new();
    let like = site.home.built(&site.home.path("web-source"), "like");
    let component = like.component_bytes().to_vec();
    let layout = site.home.forged("hostile", &like, &component, |bundle| {
        bundle["custom"]["dev.carnet.capabilities"]["kubernetes"][0]["names"] =
            json!(["web';touch$IFS/tmp/x;''"]);
    });
    let layout = layout.display();
    for verb in ["grant check", "grant new"] {
        let refused = site.run(&format!("carnet {verb} layout:{layout}"));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_ne!(refused.status.code(), Some(0), "{told}");
        assert!(told.contains("is not the name of an object"), "{told}");
        assert_eq!(String::from_utf8(refused.stdout).unwrap(), "");
    }
    let shown = site.run(&format!("carnet inspect layout:{layout}"));
    let page = String::from_utf8(shown.stdout).unwrap();
    assert!(page.contains("UNUSABLE  `web';touch$IFS/tmp/x;''` is not the name of an object"), "{page}");
}

/// A site with an installation `web`, whose bundle has an action, a parameter and an output.
fn installed() -> Site {
    let site = Site::new();
    let source = "handles: [install]\n\
        parameters:\n  team: { schema: { type: string, default: blue } }\n\
        actions:\n  dev.carnet.test.backup: { description: x, modifies: false }\n\
        outputs:\n  url: { schema: { type: string } }\n";
    let script = Script::new().output("url", "\"http://a\"");
    site.home.bundle("app", &script.component(), source);
    let contexts = "contexts: [{name: other, context: {cluster: a}}, {name: our, context: {cluster: a}}]\n";
    std::fs::write(site.home.path("config"), format!("apiVersion: v1\nkind: Config\n{contexts}")).unwrap();
    for name in ["web", "other"] {
        let line =
            format!("carnet install {name} layout:app --target dir:out -n prod --dangerous-unsigned -y");
        let done = site.run(&line);
        assert!(done.status.success(), "{done:?}");
    }
    site
}

/// What is completed in each place, the same in every shell.
const PLACES: [(&str, &[&str]); 15] = [
    ("carnet status ", &["other", "web"]),
    ("carnet uninstall -y w", &["web"]),
    ("carnet --state .local/share/carnet status w", &["web"]),
    ("carnet --state nowhere status w", &[]),
    ("carnet outputs web ", &["url"]),
    ("carnet invoke web ", &["dev.carnet.test.backup"]),
    ("carnet install x layout:app --param t", &["team="]),
    ("carnet install x layout:app:", &["layout:app:1.0.0"]),
    ("carnet install x layout:ap", &["layout:app", "layout:app-source"]),
    ("carnet install x layout:app --target k", &["kube"]),
    ("carnet install x layout:app --target dir:ap", &["dir:app-source/", "dir:app/"]),
    ("carnet status web -n p", &["prod"]),
    ("carnet status web --kubeconfig config --context o", &["other", "our"]),
    ("carnet schema Installation", &["Installation", "InstallationList"]),
    ("carnet lint --kind relo", &["relocation-mapping"]),
];

/// Runs a program that has the script of its shell, and `carnet` in its path.
fn completed(site: &Site, shell: &[&str], line: &str, code: &str) -> Vec<String> {
    let bin = site.home.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let link = bin.join("carnet");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_carnet"), &link).unwrap();
    }
    let script = site.run(&format!("carnet completion {}", shell[0]));
    std::fs::write(site.home.path("script"), script.stdout).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .arg(code)
        .env_clear()
        .env("HOME", site.home.root.path())
        .env("PATH", path)
        .env("LINE", line)
        .current_dir(site.home.root.path())
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_what_is_there() {
    let site = installed();
    let code = "source ./script; COMP_LINE=$LINE; COMP_POINT=${#LINE}; COMP_WORDS=($LINE); \
        [[ $LINE == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); \
        _carnet_words carnet \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
        (( ${#COMPREPLY[@]} )) && printf '%s\\n' \"${COMPREPLY[@]}\"";
    for (line, expected) in PLACES {
        let found = completed(&site, &["bash", "--norc", "-c"], line, code);
        // Bash takes what stands behind a colon for a word of its own.
        let expected: Vec<_> = expected.iter().map(|word| word.rsplit(':').next().unwrap()).collect();
        let found: Vec<_> = found.iter().filter(|word| !word.starts_with('-')).collect();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
#[ignore = "needs zsh"]
fn zsh_completes_what_is_there() {
    let site = installed();
    let code = "compdef() { }; compadd() { shift 3; print -rl -- \"$@\" }; _default() { }; source ./script; \
        LBUFFER=$LINE; _carnet_words";
    for (line, expected) in PLACES {
        assert_eq!(completed(&site, &["zsh", "-f", "-c"], line, code), expected, "{line}");
    }
    let script = String::from_utf8(site.run("carnet completion zsh").stdout).unwrap();
    assert!(script.starts_with("#compdef carnet\n") && script.contains(":_carnet_words' \\"), "{script}");
}

#[test]
#[ignore = "needs fish"]
fn fish_completes_what_is_there() {
    let site = installed();
    for (line, expected) in PLACES {
        let found =
            completed(&site, &["fish", "--no-config", "-c"], line, "source ./script; complete -C $LINE");
        for word in expected {
            assert!(found.iter().any(|found| found.split('\t').next() == Some(word)), "{line}: {found:?}");
        }
    }
}

#[test]
fn what_a_shell_would_act_on_is_not_offered() {
    let site = installed();
    let words =
        |line: &str| String::from_utf8(site.run(&format!("carnet complete-words {line}")).stdout).unwrap();
    assert_eq!(words("status ''"), "other\nweb\n");
    for line in
        ["", "status", "status -", "nothing ''", "status web ''", "install ''", "--state '' status '$(id)'"]
    {
        assert_eq!(words(line).replace("other\nweb\n", ""), "", "{line}");
    }
    let index = site.home.path("app/index.json");
    let text = std::fs::read_to_string(&index).unwrap().replace("\"1.0.0\"", "\"x;touch$IFS/tmp/x\"");
    std::fs::write(&index, text).unwrap();
    assert_eq!(words("inspect layout:app:"), "");
}

#[test]
fn a_credential_may_come_from_a_pipe_that_somebody_writes_into() {
    let site = Site::new();
    let source = "handles: [install]\ncredentials:\n  pw: { required: true }\n";
    site.home.bundle("app", &Script::new().component(), source);
    let set = "schemaVersion: 1.0.0\nname: x\ncredentials: [{ name: pw, source: { path: ./pipe } }]\n";
    std::fs::write(site.home.path("set.yaml"), set).unwrap();
    let install =
        "carnet install web layout:app --target dir:out -n prod --dangerous-unsigned -y -c set.yaml";
    let done = site
        .run(&format!("PATH=/usr/bin:/bin; mkfifo pipe; timeout 60 sh -c 'printf s3 > pipe' & {install}"));
    assert!(done.status.success(), "{done:?}");
    let missing = site.run(&install.replace("install web", "install other").replace("set.yaml", "no.yaml"));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("no.yaml"));
}
