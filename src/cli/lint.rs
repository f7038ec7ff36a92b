//! `carnet lint`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::bundle::{CnabKind, Fault, Whole};
use crate::document::{self, slip};
use crate::operations::conform::conform;
use crate::operations::lint::{Lint, LintFault, LintKind, LintSeverity, lint, lint_document};
use crate::operations::schema::DocumentKind;
use crate::reference::{self, Reference};

use super::exit::{self, Code, Usage};
use super::ui::{Page, Report, Words, mixed};
use super::{Context, inputs, schema};

/// Check a bundle or a document against the rules, and print every fault
///
/// A fault is printed as `POINTER: what is wrong (rule)`. Exits with 1 when one of them is an error; warnings are
/// marked as such. Documents of CNAB are checked by its rules: `bundle`, `claim`, `claim-result`, `dependencies`,
/// `parameter-sources`, `relocation-mapping` and `status`; those of carnet by their schema, in lower case with hyphens
/// as in `carnet schema`: `grant`, `trust-policy`, `plan` and so on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet lint web
  carnet lint layout:bundles/web
  carnet lint grant.yaml
  carnet lint --kind bundle definition.json
  carnet lint --kind relocation-mapping relocation-map.json --of bundle.json
  carnet lint --kind claim-result result.json --of claim.json")]
pub(super) struct Args {
    /// A source directory, where a bundle is, or a document
    #[arg(value_name = "DIR|REF|FILE", default_value = ".")]
    subject: String,
    /// Check one document of this kind, whatever it says it is
    #[arg(long, value_name = "KIND", value_parser = Kind::named)]
    kind: Option<Kind>,
    /// The document that it belongs to: the bundle of a relocation mapping, the claim of a result
    #[arg(long, value_name = "FILE")]
    of: Option<PathBuf>,
}

/// A kind of document. Those of ours are named by their place in the list of kinds that have a schema.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Cnab(CnabKind),
    Ours(usize),
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let file = Path::new(&args.subject);
    let lint = match args.kind {
        // It is checked with what it stands for, which takes the files beside it.
        None if file.file_name().is_some_and(|name| name == "carnet.yaml") && args.of.is_none() => {
            let directory = file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
            context.wait(lint(&Reference::Path(directory.to_owned()), &context.registries()))?
        }
        None if inputs::is_component(file) => {
            let what = format!(
                "`{}` is a WebAssembly component, which is checked as a part of its bundle",
                file.display()
            );
            return Err(Usage::new(what, "carnet lint DIR").into());
        }
        Some(kind) => kind.lint(&inputs::text(Path::new(&args.subject))?, args.of.as_deref())?,
        None => match document(Path::new(&args.subject))? {
            Some((kind, text)) => kind.lint(&text, args.of.as_deref())?,
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
fn document(file: &Path) -> anyhow::Result<Option<(Kind, String)>> {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !["yaml", "yml", "json"].contains(&extension) {
        return Ok(None);
    }
    let Some(text) = inputs::text_if_there(file)? else { return Ok(None) };
    let unknown = || {
        let kinds = "`kind:` with a kind of `carnet schema` or members that only one document of CNAB has";
        let what = format!("`{}` does not say what it is: it has neither {kinds}", file.display());
        Usage::new(
            what,
            "carnet lint --kind KIND FILE; a `carnet.yaml` is checked with its directory: carnet lint DIR",
        )
    };
    let value = document::yaml(&text).with_context(|| format!("cannot use `{}`", file.display()))?;
    Ok(Some((Kind::of(&value).ok_or_else(unknown)?, text)))
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

/// The names of all kinds: those of CNAB, and those of ours, in which `Status` would mean two things.
pub(super) fn names() -> Vec<String> {
    let ours = schema::all().iter().map(DocumentKind::hyphenated).collect::<Vec<_>>();
    let cnab = CnabKind::ALL.iter().map(|kind| kind.name().to_owned());
    cnab.chain(ours).collect()
}

impl Kind {
    fn named(name: &str) -> Result<Self, String> {
        if let Some(kind) = CnabKind::ALL.into_iter().find(|kind| kind.name() == name) {
            return Ok(Self::Cnab(kind));
        }
        let ours = schema::all().iter().position(|kind| kind.is_named(name)).map(Self::Ours);
        ours.ok_or_else(|| format!("no such kind {}", slip::known(name, names().iter().map(String::as_str))))
    }

    /// The kind that a document says it is, or that its members show.
    fn of(value: &Value) -> Option<Self> {
        match value.get("kind").and_then(Value::as_str) {
            Some(name) => {
                schema::all().iter().position(|kind| kind.kind == name && kind.is_headed()).map(Self::Ours)
            }
            None => CnabKind::of(value).map(Self::Cnab),
        }
    }

    fn lint(self, text: &str, of: Option<&Path>) -> anyhow::Result<Lint> {
        let whole = match of {
            Some(file) => self.whole(file)?,
            None => Whole::Unknown,
        };
        let index = match self {
            Self::Cnab(kind) => return Ok(lint_document(LintKind::Cnab(kind), text, &whole)),
            Self::Ours(index) => index,
        };
        let kinds = schema::all();
        let Some(kind) = kinds.get(index) else { anyhow::bail!("this kind has no schema") };
        let by_schema = conform(kind, text);
        let own = match kind.kind {
            "Grant" => LintKind::Grant,
            "TrustPolicy" => LintKind::TrustPolicy,
            _ => return Ok(by_schema),
        };
        // The reader checks what a schema cannot say.
        Ok(if by_schema.faults.is_empty() { lint_document(own, text, &whole) } else { by_schema })
    }

    /// The document that this one belongs to.
    fn whole(self, file: &Path) -> anyhow::Result<Whole> {
        let of_none = || {
            Usage::new(
                "only relocation mappings and results belong to another document",
                "carnet lint --help",
            )
        };
        let Self::Cnab(kind) = self else { return Err(of_none().into()) };
        let text = inputs::text(file)?;
        match Whole::of(kind, text.as_bytes()) {
            None => Err(of_none().into()),
            Some(Ok(whole)) => Ok(whole),
            Some(Err(faults)) => {
                let faults: Vec<_> = faults.iter().filter(|it| it.is_error()).map(Fault::to_string).collect();
                Err(anyhow::anyhow!(faults.join("; ")))
                    .with_context(|| format!("cannot use `{}`", file.display()))
            }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_means_one_kind() {
        let names = names();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        for (index, kind) in schema::all().iter().enumerate() {
            let named = Kind::named(&kind.hyphenated());
            assert!(matches!(named, Ok(Kind::Ours(found)) if found == index), "{}", kind.kind);
        }
    }
}
