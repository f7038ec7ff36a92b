//! Parameters as an operator gives them: `--param NAME=VALUE` and files of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::cli::exit::Usage;
use crate::document;
use crate::operations::{Deferred, Parameters};

/// Values for parameters.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Parameters")]
pub struct ParameterArgs {
    /// Set a parameter; text where its definition allows text, else JSON
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// Read parameters from a flat YAML map; `--param` wins over it
    #[arg(short, long, value_name = "FILE")]
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
            parameters.values.extend(map(file)?);
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
    let cannot_use = || format!("the parameters `{}` cannot be used", file.display());
    match document::yaml(&text).with_context(cannot_use)? {
        Value::Object(members) => Ok(members.into_iter().collect()),
        Value::Null => Ok(BTreeMap::new()),
        _ => Err(anyhow::anyhow!("the file is not a map of names to values")).with_context(cannot_use),
    }
}
