//! Parameters as an operator gives them: `--param NAME=VALUE` and files of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::cli::exit::Usage;
use crate::document;
use crate::operations::{Deferred, Parameters};

use super::sets::SetKind;

/// Values for parameters.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Parameters")]
pub struct ParameterArgs {
    /// Set a parameter; text where its definition allows text, else JSON
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// Read parameters from a flat YAML map, or a set of yours by its name; `--param` wins over it
    #[arg(short, long, value_name = "FILE|NAME")]
    params: Vec<PathBuf>,
}

impl ParameterArgs {
    /// The values and texts that are given, by name. Whether the bundle accepts them is not decided here.
    ///
    /// # Errors
    /// When a file or a flag cannot be used.
    pub fn read(&self) -> anyhow::Result<Parameters> {
        let mut parameters = Parameters::default();
        for file in &self.params {
            parameters.values.extend(map(&SetKind::Parameters.named(file)?)?);
        }
        for text in &self.param {
            let (name, value) = split(text)?;
            parameters.texts.insert(name.to_owned(), value.to_owned());
        }
        Ok(parameters)
    }

    /// The parameters, which are not read before they are needed.
    pub fn deferred(&self) -> Deferred<Parameters> {
        let flags = self.clone();
        super::deferred(move || flags.read())
    }
}

fn split(text: &str) -> Result<(&str, &str), Usage> {
    text.split_once('=').ok_or_else(|| {
        Usage::new(format!("--param: `{text}` is not of the form NAME=VALUE"), "--param host=example.org")
    })
}

fn map(file: &Path) -> anyhow::Result<BTreeMap<String, Value>> {
    let text = super::text(file)?;
    parse(&text).with_context(|| format!("the parameters `{}` cannot be used", file.display()))
}

fn parse(text: &str) -> anyhow::Result<BTreeMap<String, Value>> {
    match document::yaml(text)? {
        Value::Object(members) => Ok(members.into_iter().collect()),
        Value::Null => Ok(BTreeMap::new()),
        _ => anyhow::bail!("the file is not a map of names to values"),
    }
}

/// Checks that a text can be used as a set.
///
/// # Errors
/// Where it is no map of names to values.
pub fn check(text: &str) -> anyhow::Result<()> {
    parse(text).map(drop)
}

/// The names of a set, and of each value what kind it is: a value may be one that nobody is to see.
///
/// # Errors
/// As for [`check`].
pub fn names(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let kind = |value: &Value| match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Bool(_) => "true or false".into(),
        Value::Null => "nothing".into(),
        Value::Number(_) => "a number".into(),
        Value::Object(_) => "a mapping".into(),
        Value::String(_) => "a text".into(),
    };
    Ok(parse(text)?.into_iter().map(|(name, value)| (name, kind(&value))).collect())
}
