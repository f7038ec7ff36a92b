//! `carnet lint`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::operations::lint::{Lint, LintFault, LintKind, LintSeverity, lint, lint_document};
use crate::reference::{self, Reference};

use super::exit::{self, Code, Usage};
use super::ui::{Page, Report, Words, mixed};
use super::{Context, inputs};

/// Check a bundle or a document against the rules, and print every fault
///
/// A fault is printed as `POINTER: what is wrong (rule)`. Exits with 1 when one of them is an error; warnings are
/// marked as such.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet lint web
  carnet lint layout:bundles/web
  carnet lint grant.yaml
  carnet lint --kind bundle definition.json")]
pub(super) struct Args {
    /// A source directory, where a bundle is, or a document
    #[arg(value_name = "DIR|REF|FILE", default_value = ".")]
    subject: String,
    /// Check one document of this kind, whatever it says it is
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

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let lint = match args.kind {
        Some(kind) => lint_document(kind.kind(), &inputs::text(Path::new(&args.subject))?),
        None => match document(Path::new(&args.subject))? {
            Some((kind, text)) => lint_document(kind, &text),
            None => {
                let reference = reference(&args.subject)?;
                context.wait(lint(&reference, &context.registries()))?
            }
        },
    };
    context.ui.report(&lint)?;
    let (errors, all) = (lint.errors(), lint.faults.len());
    context.ui.status(format_args!("Errors: {errors}. Warnings: {}.", all - errors));
    Ok(if errors == 0 { exit::DONE } else { exit::ERROR })
}

/// A document that says itself which kind it is, and its text. None: the subject is no file of YAML or JSON.
fn document(file: &Path) -> anyhow::Result<Option<(LintKind, String)>> {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !["yaml", "yml", "json"].contains(&extension) {
        return Ok(None);
    }
    let Some(text) = inputs::text_if_there(file)? else { return Ok(None) };
    let unknown = || {
        let kinds = "`kind: Grant`, `kind: TrustPolicy` or the members of a bundle.json";
        let what = format!("`{}` does not say what it is: it has neither {kinds}", file.display());
        Usage::new(
            what,
            "carnet lint --kind KIND FILE; a `carnet.yaml` is checked with its directory: carnet lint DIR",
        )
    };
    let kind = LintKind::of(&text).with_context(|| format!("cannot use `{}`", file.display()))?;
    Ok(Some((kind.ok_or_else(unknown)?, text)))
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

impl Kind {
    fn kind(self) -> LintKind {
        match self {
            Self::Bundle => LintKind::Bundle,
            Self::Grant => LintKind::Grant,
            Self::TrustPolicy => LintKind::TrustPolicy,
        }
    }
}

impl Report for Lint {
    /// One line for each fault, however long: scripts read these too.
    fn show(&self, page: &mut Page) {
        for fault in &self.faults {
            page.unwrapped(line(fault));
        }
    }
}

fn line(fault: &LintFault) -> Words {
    let pointer = if fault.pointer.is_empty() { "/" } else { &fault.pointer };
    let mark = if fault.severity == LintSeverity::Error { "" } else { " [warning]" };
    let line = fault.line.map(|line| format!(", line {line}")).unwrap_or_default();
    mixed!("{pointer}: {} ({}{line}){mark}", fault.what, fault.rule)
}
