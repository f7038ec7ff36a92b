//! A CNAB credential set: where the values of credentials are found on this machine.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::operations::CredentialSource;

/// Where credentials come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CredentialArgs {
    /// Take credentials from this CNAB credential set
    #[arg(short, long, value_name = "FILE")]
    credentials: Option<PathBuf>,
}

impl CredentialArgs {
    /// The credential set, which is not read before it is used.
    pub fn source(&self) -> Option<Arc<dyn CredentialSource>> {
        let file = self.credentials.clone()?;
        Some(Arc::new(CredentialSet { file }))
    }
}

/// A credential set in a file.
#[derive(Debug)]
struct CredentialSet {
    file: PathBuf,
}

impl CredentialSource for CredentialSet {
    /// Nothing else of the set is looked at.
    fn values(&self, names: &[&str]) -> Result<BTreeMap<String, SecretString>, Box<dyn Error + Send + Sync>> {
        let sources = load(&self.file)?;
        let mut values = BTreeMap::new();
        for &name in names {
            if let Some(source) = sources.get(name) {
                values.insert(name.to_owned(), source.value().with_context(|| no_value(name))?);
            }
        }
        Ok(values)
    }
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
    Env(String),
    Path(String),
    Value(String),
}

/// Where one value comes from.
enum Source {
    Env(String),
    Path(PathBuf),
    Value(SecretString),
}

impl Source {
    /// Exactly one source, of a kind that runs nothing: other programs also know commands. A relative path is below the
    /// directory of the set, as in a grant.
    fn of(entry: &Entry, directory: &Path) -> anyhow::Result<Self> {
        let one = entry.source.iter().next().filter(|_| entry.source.len() == 1);
        match one.map(|(kind, value)| (kind.as_str(), value.as_str())) {
            Some(("env", Some(name))) => Ok(Self::Env(name.into())),
            Some(("path", Some(path))) => Ok(Self::Path(super::path_in(directory, Path::new(path))?)),
            Some(("value", Some(value))) => Ok(Self::Value(value.into())),
            Some(("env" | "path" | "value", None)) => {
                anyhow::bail!("the source of the credential `{}` is not text: put it in quotes", entry.name)
            }
            _ => anyhow::bail!(
                "the source of the credential `{}` is not exactly one of `env`, `path`, `value`",
                entry.name
            ),
        }
    }

    /// The value, as it is: a line break at the end of a file is part of it.
    fn value(&self) -> anyhow::Result<SecretString> {
        match self {
            Self::Env(name) => super::variable(name)
                .map(Into::into)
                .with_context(|| format!("the environment has no variable `{name}`")),
            Self::Path(path) => Ok(super::text_or_pipe(path)?.into()),
            Self::Value(value) => Ok(value.clone()),
        }
    }
}

fn load(file: &Path) -> anyhow::Result<BTreeMap<String, Source>> {
    let text = super::text(file)?;
    let directory = file.parent().unwrap_or(Path::new(""));
    parse(&text, directory).with_context(|| format!("the credential set `{}` cannot be used", file.display()))
}

fn parse(text: &str, directory: &Path) -> anyhow::Result<BTreeMap<String, Source>> {
    let (set, _) = document::typed::<CredentialSetFile>(document::yaml(text)?)?;
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
    fn commands_and_doubtful_sources_are_refused() {
        for source in ["{command: rm}", "{}", "{env: A, value: b}", "{secret: x}"] {
            let error = set(&format!("[{{name: a, source: {source}}}]")).err().unwrap().to_string();
            assert!(error.contains("not exactly one of"), "{source}: {error}");
        }
        let number = set("[{name: a, source: {value: 1}}]").err().unwrap().to_string();
        assert!(number.contains("put it in quotes"), "{number}");
        let twice = set("[{name: a, source: {value: x}}, {name: a, source: {value: b}}]");
        assert!(twice.err().unwrap().to_string().contains("occurs twice"));
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
            (json!({"command": "a"}), false),
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
