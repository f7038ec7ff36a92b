//! `carnet lint`.

use std::error::Error;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::author::AuthorError;
use crate::bundle::{Fault, FaultSeverity, lint};
use crate::document::visible;
use crate::fetch::{FetchError, fetch};
use crate::grant::spec::GrantFile;
use crate::reference::{self, Reference};
use crate::verify::TrustPolicy;

use super::exit::{self, Code, Usage};
use super::ui::{Page, Report};
use super::{Context, acquire, act, inputs};

/// Check a bundle or a document against the rules, and print every fault
///
/// A fault is printed as `POINTER: what is wrong (rule)`. Exits with 1 when one of them is an error; warnings are marked
/// as such.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet lint web
  carnet lint layout:bundles/web
  carnet lint --kind grant grant.yaml")]
pub(super) struct Args {
    /// A source directory or where a bundle is; with `--kind`, the document
    #[arg(value_name = "DIR|REF|FILE", default_value = ".")]
    subject: String,
    /// Check one document of this kind
    #[arg(long)]
    kind: Option<Kind>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// A `bundle.json`.
    Bundle,
    /// A grant.
    Grant,
    /// A trust policy.
    TrustPolicy,
}

#[derive(Serialize)]
struct Lint {
    faults: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    pointer: String,
    what: String,
    rule: String,
    severity: &'static str,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let faults = match args.kind {
        Some(kind) => document(kind, Path::new(&args.subject))?,
        None => subject(&args.subject, context)?,
    };
    let report = Lint { faults };
    let errors = report.faults.iter().filter(|fault| fault.severity == "error").count();
    context.ui.report(&report)?;
    let warnings = report.faults.len() - errors;
    context.ui.status(format_args!("Errors: {errors}. Warnings: {warnings}."));
    Ok(if errors == 0 { exit::DONE } else { exit::ERROR })
}

fn document(kind: Kind, file: &Path) -> anyhow::Result<Vec<Found>> {
    let text = inputs::text(file)?;
    let fault = |error: &dyn Error, kind| vec![Found::whole(error, kind)];
    Ok(match kind {
        Kind::Bundle => lint(text.as_bytes()).into_iter().map(Into::into).collect(),
        Kind::Grant => GrantFile::parse(&text, Path::new(""))
            .map_or_else(|error| fault(&error, "Grant of carnet.dev/v1alpha1"), |_| Vec::new()),
        Kind::TrustPolicy => TrustPolicy::parse(&text)
            .map_or_else(|error| fault(&error, "TrustPolicy of carnet.dev/v1alpha1"), |_| Vec::new()),
    })
}

fn subject(text: &str, context: &Context) -> anyhow::Result<Vec<Found>> {
    let faults = match act::runtime()?.block_on(fetch(&reference(text)?)) {
        Err(FetchError::Source(directory)) => return source(&directory, context),
        fetched => lint(fetched?.bundle().bytes()),
    };
    Ok(faults.into_iter().map(Into::into).collect())
}

/// A reference, or a directory by its bare name.
fn reference(text: &str) -> Result<Reference, Usage> {
    match text.parse() {
        Ok(reference) => Ok(reference),
        Err(reference::InvalidReference::Host(_) | reference::InvalidReference::Open(_)) => {
            Ok(Reference::Path(PathBuf::from(text)))
        }
        Err(error) => Err(Usage::new(error.to_string(), "carnet lint --help")),
    }
}

/// Everything that building would say.
fn source(directory: &Path, context: &Context) -> anyhow::Result<Vec<Found>> {
    let faults = match acquire::build(directory, context) {
        Ok((_, built)) => built.warnings,
        Err(error) => match error.downcast()? {
            AuthorError::Lint(faults) => faults,
            other => return Err(other.into()),
        },
    };
    Ok(faults.into_iter().map(Into::into).collect())
}

impl Found {
    /// A document that could not be read as what it should be.
    fn whole(error: &dyn Error, rule: &str) -> Self {
        let mut texts = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            texts.push(error.to_string());
            cause = error.source();
        }
        texts.dedup();
        Self { pointer: String::new(), what: texts.join(": "), rule: rule.into(), severity: "error" }
    }

    fn line(&self) -> String {
        let pointer = if self.pointer.is_empty() { "/" } else { &self.pointer };
        let mark = if self.severity == "error" { "" } else { " [warning]" };
        visible(&format!("{pointer}: {} ({}){mark}", self.what, self.rule))
    }
}

impl From<Fault> for Found {
    fn from(fault: Fault) -> Self {
        let severity = match fault.severity {
            FaultSeverity::Error => "error",
            FaultSeverity::Warning => "warning",
        };
        Self { pointer: fault.pointer, what: fault.what, rule: fault.rule.into(), severity }
    }
}

impl Report for Lint {
    const KIND: &'static str = "Lint";

    /// One line for each fault, however long: scripts read these too.
    fn show(&self, page: &mut Page) {
        for fault in &self.faults {
            page.unwrapped(&fault.line());
        }
    }
}
