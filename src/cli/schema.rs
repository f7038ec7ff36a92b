//! `carnet schema`.

use crate::operations::schema::{DocumentKind, SchemaList, Writer, kinds, list};

use super::Context;
use super::exit::{self, Code, Failure, Usage};
use super::inputs::Settings;
use super::inputs::credentials::CredentialSetFile;
use super::sets::{Set, SetList};
use super::ui::{Page, Report, Tone};

/// Print the JSON Schema of a kind of document, or the kinds that have one
///
/// Schemas are of the version 2020-12. They are made from the program itself: what it prints is valid, and so is what
/// it reads. Members that a document does not have are not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet schema
  carnet schema Inspection
  carnet schema trust-policy > trust-policy.schema.json")]
pub(super) struct Args {
    /// The kind, as in `kind:` or in lower case with hyphens
    #[arg(value_name = "KIND")]
    kind: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let kinds = all();
    let Some(name) = &args.kind else {
        context.ui.report(&list(&kinds))?;
        return Ok(exit::DONE);
    };
    let kind = kinds.iter().find(|kind| kind.is_named(name));
    let kind =
        kind.ok_or_else(|| Usage::new(format!("no document is of the kind `{name}`"), "carnet schema"))?;
    context.ui.own_document(&kind.schema())?;
    Ok(exit::DONE)
}

/// The kinds of the library, and those that only the command line knows.
pub(super) fn all() -> Vec<DocumentKind> {
    let mut kinds = kinds();
    kinds.push(DocumentKind::foreign::<Settings>("Configuration"));
    kinds.push(DocumentKind::foreign::<CredentialSetFile>("CredentialSet"));
    kinds.push(DocumentKind::printed_as::<Failure>("Error"));
    kinds.push(DocumentKind::printed::<Set>());
    kinds.push(DocumentKind::printed::<SetList>());
    kinds
}

impl Report for SchemaList {
    fn show(&self, page: &mut Page) {
        page.rows(self.items.iter().map(|item| (Tone::Plain, item.name, by(item.written_by))));
    }
}

fn by(writer: Writer) -> &'static str {
    match writer {
        Writer::Carnet => "printed",
        Writer::Person => "read",
    }
}
