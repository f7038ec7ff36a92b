//! A CNAB credential set: where the values of credentials are found on this machine.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::operations::CredentialSource;
use crate::subprocess::{self, Answered, Bounds, Given, Group};

use super::sets::{SetKind, is_users_own};

/// The longest value that a command may print, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// How long a command may take that gives the value of a credential.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where credentials come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CredentialArgs {
    /// Take credentials from this CNAB credential set, or from a set of yours by its name
    #[arg(short, long, value_name = "FILE|NAME")]
    credentials: Option<PathBuf>,
    /// Run the commands that the credential set has for values; it has to be a file of your own
    #[arg(long)]
    allow_credential_command: bool,
}

impl CredentialArgs {
    /// The credential set, which is not read before it is used.
    pub fn source(&self) -> Option<Arc<dyn CredentialSource>> {
        let named = self.credentials.clone()?;
        Some(Arc::new(CredentialSet { named, runs_commands: self.allow_credential_command }))
    }
}

/// A credential set.
#[derive(Debug)]
struct CredentialSet {
    named: PathBuf,
    runs_commands: bool,
}

impl CredentialSource for CredentialSet {
    /// Nothing else of the set is looked at. What is wrong is said of all at once.
    fn values(&self, names: &[&str]) -> Result<BTreeMap<String, SecretString>, Box<dyn Error + Send + Sync>> {
        let file = SetKind::Credentials.named(&self.named)?;
        let sources = load(&file)?;
        let (mut values, mut faults) = (BTreeMap::new(), Vec::new());
        for &name in names {
            let Some(source) = sources.get(name) else { continue };
            let value = self.check(source, &file).and_then(|()| source.value());
            match value.with_context(|| no_value(name)) {
                Ok(value) => drop(values.insert(name.to_owned(), value)),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.len() > 1 {
            let all: Vec<_> = faults.iter().map(|fault| format!("{fault:#}")).collect();
            return Err(anyhow::anyhow!(all.join("; ")).into());
        }
        faults.pop().map_or(Ok(values), |fault| Err(fault.into()))
    }
}

impl CredentialSet {
    /// A command is run only by its user's own word, and from a file that nobody else can have written.
    fn check(&self, source: &Source, file: &Path) -> anyhow::Result<()> {
        if !matches!(source, Source::Command(_)) {
            return Ok(());
        }
        anyhow::ensure!(
            self.runs_commands,
            "a command gives it, and commands are run only with `--allow-credential-command`"
        );
        anyhow::ensure!(
            is_users_own(file),
            "a command gives it, and `{}` is not a file of yours that nobody else can write",
            file.display()
        );
        Ok(())
    }
}

/// Checks that a text can be used as a set.
///
/// # Errors
/// Where it is none.
pub fn check(text: &str) -> anyhow::Result<()> {
    parse(text, Path::new("")).map(drop)
}

/// The names of a set, and where the value of each comes from, without those that are in the set.
///
/// # Errors
/// As for [`check`].
pub fn sources(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let source = |source: &Source| match source {
        Source::Command(line) => format!("command {line}"),
        Source::Env(name) => format!("env {name}"),
        Source::Path(path) => format!("path {}", path.display()),
        Source::Value(_) => "value (in the set)".into(),
    };
    Ok(parse(text, Path::new(""))?.into_iter().map(|(name, it)| (name, source(&it))).collect())
}

fn no_value(name: &str) -> String {
    format!("the credential `{name}` has no value")
}

/// The set as written (CNAB 802, which is not normative: other programs add members of their own).
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct CredentialSetFile {
    #[serde(rename = "schemaVersion")]
    _schema_version: Option<String>,
    #[serde(rename = "name")]
    _name: String,
    credentials: Vec<Entry>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[schemars(with = "SourceText")]
    source: BTreeMap<String, Value>,
}

/// Where a value comes from: exactly one of these.
// Only for the schema. `Source::of` reads the member, and says more about what is wrong with it.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum SourceText {
    Command(String),
    Env(String),
    Path(String),
    Value(String),
}

/// Where one value comes from.
enum Source {
    Command(String),
    Env(String),
    Path(PathBuf),
    Value(SecretString),
}

impl Source {
    /// Exactly one source. A relative path is below the directory of the set, as in a grant.
    fn of(entry: &Entry, directory: &Path) -> anyhow::Result<Self> {
        let one = entry.source.iter().next().filter(|_| entry.source.len() == 1);
        match one.map(|(kind, value)| (kind.as_str(), value.as_str())) {
            Some(("command", Some(line))) => Ok(Self::Command(line.into())),
            Some(("env", Some(name))) => Ok(Self::Env(name.into())),
            Some(("path", Some(path))) => Ok(Self::Path(super::path_in(directory, Path::new(path))?)),
            Some(("value", Some(value))) => Ok(Self::Value(value.into())),
            Some(("command" | "env" | "path" | "value", None)) => {
                anyhow::bail!("the source of the credential `{}` is not text: put it in quotes", entry.name)
            }
            _ => anyhow::bail!(
                "the source of the credential `{}` is not exactly one of `env`, `path`, `value`, `command`",
                entry.name
            ),
        }
    }

    /// The value, as it is: a line break at the end of a file is part of it.
    fn value(&self) -> anyhow::Result<SecretString> {
        match self {
            Self::Command(line) => answer(line),
            Self::Env(name) => super::variable(name)
                .map(Into::into)
                .with_context(|| format!("the environment has no variable `{name}`")),
            Self::Path(path) => Ok(super::text_or_pipe(path)?.into()),
            Self::Value(value) => Ok(value.clone()),
        }
    }
}

/// The output of a command, without the line breaks at its end, as in a shell.
fn answer(line: &str) -> anyhow::Result<SecretString> {
    #[expect(clippy::disallowed_methods, reason = "the user's own command, allowed by a flag")]
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    let bounds = Bounds { answer: MAX_ANSWER, time: PATIENCE, group: Group::here() };
    let Answered { status, answer } =
        subprocess::ask(command, Given::Nothing, &bounds).context("its command")?;
    anyhow::ensure!(status.success(), "its command ended with an error ({status})");
    let text = String::from_utf8(answer).ok().context("what its command printed is no text")?;
    Ok(text.trim_end_matches(['\n', '\r']).into())
}

fn load(file: &Path) -> anyhow::Result<BTreeMap<String, Source>> {
    let text = super::text(file)?;
    let directory = file.parent().unwrap_or(Path::new(""));
    parse(&text, directory).with_context(|| format!("the credential set `{}` cannot be used", file.display()))
}

fn parse(text: &str, directory: &Path) -> anyhow::Result<BTreeMap<String, Source>> {
    // A fault of shape is told without what stands there: it may be a secret in the wrong place.
    let value = document::yaml(text)?;
    for (member, example) in [("schemaVersion", "\"1.0.0\""), ("name", "web")] {
        let is_wrong = value.get(member).is_some_and(|found| !found.is_string());
        anyhow::ensure!(!is_wrong, "its `{member}` must be text, as in `{member}: {example}`");
    }
    let set = document::typed::<CredentialSetFile>(value);
    let (set, _) = set.map_err(|_| {
        anyhow::anyhow!(
            "it is no credential set: each of its `credentials` has a `name`, and a `source` with one of `env`, `path`, \
             `value` and `command`"
        )
    })?;
    let mut sources = BTreeMap::new();
    for entry in set.credentials {
        let source = Source::of(&entry, directory)?;
        anyhow::ensure!(!sources.contains_key(&entry.name), "the credential `{}` occurs twice", entry.name);
        sources.insert(entry.name, source);
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    fn set(credentials: &str) -> anyhow::Result<BTreeMap<String, Source>> {
        parse(
            &format!("schemaVersion: 1.0.1\nname: x\ncreated: today\ncredentials: {credentials}\n"),
            Path::new("/set"),
        )
    }

    #[test]
    fn the_three_sources_are_read() {
        let sources = set(
            "[{name: a, source: {value: s3}}, {name: b, source: {path: /x}}, {name: c, source: {env: X}}]",
        )
        .unwrap();
        assert_eq!(sources["a"].value().unwrap().expose_secret(), "s3");
        assert!(matches!(&sources["b"], Source::Path(path) if path == Path::new("/x")));
        let below = set("[{name: b, source: {path: x/y}}]").unwrap();
        assert!(matches!(&below["b"], Source::Path(path) if path == Path::new("/set/x/y")));
        assert!(matches!(&sources["c"], Source::Env(name) if name == "X"));
    }

    #[test]
    fn members_that_are_no_text_are_told_by_name() {
        for (text, told) in [
            ("schemaVersion: 1.0\nname: x\ncredentials: []\n", "its `schemaVersion` must be text"),
            ("schemaVersion: 1.0.0\nname: 7\ncredentials: []\n", "its `name` must be text"),
            ("schemaVersion: 1.0.0\ncredentials: []\n", "it is no credential set"),
            ("[]", "it is no credential set"),
        ] {
            let error = parse(text, Path::new("/")).err().unwrap().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn doubtful_sources_are_refused() {
        for source in ["{run: rm}", "{}", "{env: A, value: b}", "{secret: x}"] {
            let error = set(&format!("[{{name: a, source: {source}}}]")).err().unwrap().to_string();
            assert!(error.contains("not exactly one of"), "{source}: {error}");
        }
        let number = set("[{name: a, source: {value: 1}}]").err().unwrap().to_string();
        assert!(number.contains("put it in quotes"), "{number}");
        let twice = set("[{name: a, source: {value: x}}, {name: a, source: {value: b}}]");
        assert!(twice.err().unwrap().to_string().contains("occurs twice"));
    }

    #[cfg(unix)]
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test makes a file")]
    fn a_command_is_run_from_a_file_of_ones_own_and_by_a_flag_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("set.yaml");
        let source = "{command: 'printf \"s3\\n\\n\"; touch ran'}";
        let line = source.replace("touch ran", &format!("touch {}/ran", home.path().display()));
        let text = format!(
            "name: x\ncredentials: [{{name: a, source: {line}}}, {{name: b, source: {{env: NO_SUCH_VARIABLE}}}}]\n"
        );
        std::fs::write(&file, text).unwrap();
        let values = |runs_commands, mode, names: &[&str]| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let set = CredentialSet { named: file.clone(), runs_commands };
            set.values(names).map_err(|error| format!("{:#}", anyhow::anyhow!(error)))
        };
        let refused = values(false, 0o600, &["a"]).unwrap_err();
        assert!(refused.contains("only with `--allow-credential-command`"), "{refused}");
        let refused = values(true, 0o620, &["a"]).unwrap_err();
        assert!(refused.contains("is not a file of yours"), "{refused}");
        assert!(!home.path().join("ran").exists(), "nothing was run");
        assert_eq!(values(true, 0o600, &["a"]).unwrap()["a"].expose_secret(), "s3");
        let both = values(false, 0o600, &["a", "b"]).unwrap_err();
        assert!(both.contains("credential `a`") && both.contains("`NO_SUCH_VARIABLE`"), "{both}");
    }

    #[test]
    fn what_is_shown_of_a_set_has_no_value() {
        let text =
            "name: x\ncredentials: [{name: a, source: {value: hunter2}}, {name: b, source: {env: B}}]\n";
        let shown = sources(text).unwrap();
        assert_eq!(shown, [("a".into(), "value (in the set)".into()), ("b".into(), "env B".into())]);
        assert!(check("name: x\ncredentials: [{name: a, source: {}}]\n").is_err());
    }

    #[test]
    fn the_schema_admits_just_the_sources_that_are_read() {
        let schema = serde_json::to_value(schemars::schema_for!(CredentialSetFile)).unwrap();
        let schema = jsonschema::draft202012::new(&schema).unwrap();
        for (source, is_one) in [
            (json!({"env": "A"}), true),
            (json!({"path": "/a"}), true),
            (json!({"value": "a"}), true),
            (json!({"value": 1}), false),
            (json!({"command": "a"}), true),
            (json!({"command": 1}), false),
            (json!({"Env": "A"}), false),
            (json!({"env": "A", "value": "a"}), false),
            (json!({"env": "A", "command": "a"}), false),
            (json!({}), false),
            (json!("env"), false),
        ] {
            let set = json!({"schemaVersion": "1.0.1", "name": "x", "credentials": [{"name": "a", "source": source}]});
            assert_eq!(schema.is_valid(&set), is_one, "by the schema: {source}");
            let read = parse(&set.to_string(), Path::new("/"));
            assert_eq!(read.is_ok(), is_one, "by the reader: {source}");
        }
    }
}
