//! `carnet push`, `carnet pull` and `carnet copy`: the same, by the names that people look for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use crate::bundle::canonical::canonical;
use crate::oci::{CopyObserver, Descriptor};
use crate::operations::cache;
use crate::operations::copy::{CarriedDependency, Carries, Copied, copy};
use crate::reference::Reference;
use crate::text::CommandLine;

use super::exit::{self, Code, Usage};
use super::ui::{Page, Report, Tone, Words, mixed};
use super::{Context, inputs};

/// Copy a bundle into a registry, with its images and signatures
///
/// No byte changes on the way, so the digest stays, and so does every signature. What is there already is not sent
/// again. The tag is written last: until then nobody sees an unfinished bundle.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet push layout:bundles/web registry.example/acme/web:1.2
  carnet push archive:web.tar localhost:5000/web:1.2")]
pub(super) struct Push {
    #[command(flatten)]
    places: Places,
}

/// Copy a bundle out of a registry, with its images and signatures
///
/// Every byte is checked against its digest as it comes. A connection that breaks is taken up again where it broke. The
/// bundle is not verified, as nothing of it runs: `carnet verify` does that.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet pull registry.example/acme/web:1.2 layout:bundles/web
  carnet pull registry.example/acme/web@sha256:… archive:web.tar:1.2
  carnet pull registry.example/acme/web:1.2")]
pub(super) struct Pull {
    /// Where the bundle is
    #[arg(value_name = "SRC")]
    from: Reference,
    /// Where it goes: a layout or archive, which is made where there is none. Without it, what an installation needs is
    /// kept in the cache, for later runs and for `--offline`
    #[arg(value_name = "DST")]
    to: Option<Reference>,
    /// Leave out what the bundle depends on, which goes along into a layout or archive
    #[arg(long)]
    without_dependencies: bool,
    #[command(flatten)]
    map: RelocationMap,
}

/// Copy a bundle from one place to another, with its images and signatures
///
/// Places are registries, layouts and archives. Within one registry, blobs are taken over from the other repository and not
/// sent at all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet copy registry.example/acme/web:1.2 mirror.example/acme/web:1.2
  carnet copy registry.example/acme/web:1.2 archive:web.tar
  carnet copy archive:web.tar inside.example/acme/web:1.2")]
pub(super) struct Copy {
    #[command(flatten)]
    places: Places,
}

#[derive(Debug, clap::Args)]
struct Places {
    /// Where the bundle is
    #[arg(value_name = "SRC")]
    from: Reference,
    /// Where it goes: a registry, or a layout or archive, which is made where there is none
    #[arg(value_name = "DST")]
    to: Reference,
    /// Leave out what the bundle depends on, which goes along into a layout or archive
    #[arg(long)]
    without_dependencies: bool,
    #[command(flatten)]
    map: RelocationMap,
}

/// The relocation mapping of CNAB, to be written to a file.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RelocationMap {
    /// Write where the images are to be pulled from, by their names in the bundle (a relocation mapping, CNAB 103)
    #[arg(long, value_name = "FILE")]
    relocation_map: Option<PathBuf>,
}

impl RelocationMap {
    /// Checks that one of the places can have a map, before anything is done.
    pub(super) fn check(&self, places: &[&Reference]) -> Result<(), Usage> {
        if self.relocation_map.is_none() || places.iter().any(|place| !place.is_local()) {
            return Ok(());
        }
        let message = "--relocation-map: images are pulled from a registry, and none is named";
        Err(Usage::new(message, "name a registry, or leave the flag out"))
    }

    /// Writes the map, in canonical form as other tools for CNAB do.
    pub(super) fn write(&self, map: Option<&BTreeMap<String, String>>) -> anyhow::Result<()> {
        let (Some(file), Some(map)) = (&self.relocation_map, map) else { return Ok(()) };
        let text = String::from_utf8(canonical(&serde_json::json!(map))?)?;
        inputs::write(file, &text, true)
    }
}

pub(super) fn push(args: &Push, context: &Context) -> anyhow::Result<Code> {
    run(&args.places, context)
}

pub(super) fn pull(args: &Pull, context: &Context) -> anyhow::Result<Code> {
    let Some(to) = &args.to else { return keep(args, context) };
    let (from, to, map) = (args.from.clone(), to.clone(), args.map.clone());
    run(&Places { from, to, without_dependencies: args.without_dependencies, map }, context)
}

fn keep(args: &Pull, context: &Context) -> anyhow::Result<Code> {
    args.map.check(&[])?;
    if args.from.is_local() {
        let message = "there is no DST, and a bundle that is in no registry needs none";
        return Err(Usage::new(message, CommandLine::of("carnet copy").word(&args.from).own("DST")).into());
    }
    // Without it nothing would be kept.
    drop(inputs::store::opened(&inputs::Settings::load()?.cache)?);
    context.ui.report(&context.wait(cache::keep(&args.from, &context.registries()))?)?;
    Ok(exit::DONE)
}

pub(super) fn copy_verb(args: &Copy, context: &Context) -> anyhow::Result<Code> {
    run(&args.places, context)
}

fn run(places: &Places, context: &Context) -> anyhow::Result<Code> {
    places.map.check(&[&places.from, &places.to])?;
    let bar = Arc::new(Bar(context.ui.has_progress().then(|| ProgressBar::new(0))));
    let observer: Arc<dyn CopyObserver> = bar.clone();
    let carries = if places.without_dependencies { Carries::Alone } else { Carries::Dependencies };
    let copied = context.wait(copy(&places.from, &places.to, carries, &context.registries(), &observer));
    bar.show(ProgressBar::finish_and_clear);
    let copied = copied?;
    places.map.write(copied.relocation_map.as_ref())?;
    context.ui.report(&copied)?;
    Ok(exit::DONE)
}

/// Bytes that have passed, on a terminal.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn show(&self, change: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = &self.0 {
            change(bar);
        }
    }
}

impl CopyObserver for Bar {
    fn planned(&self, _: usize, bytes: u64) {
        self.show(|bar| {
            if let Ok(style) =
                ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes} {bytes_per_sec}")
            {
                bar.set_style(style);
            }
            bar.set_length(bytes);
        });
    }

    fn moved(&self, bytes: u64) {
        self.show(|bar| bar.inc(bytes));
    }

    fn skipped(&self, blob: &Descriptor) {
        self.show(|bar| bar.inc(blob.size));
    }
}

impl Report for Copied {
    fn show(&self, page: &mut Page) {
        page.line("", Tone::Heading, Words::mixed(&self.reference));
        let sum = mixed!("{} copied ({} bytes), {} there before", self.copied, self.bytes, self.present);
        page.line("", Tone::Plain, sum);
        for CarriedDependency { bundle, version, digest } in &self.dependencies {
            match (version, digest) {
                (Some(version), Some(digest)) => {
                    let text = mixed!("{bundle} {version} sha256:{}, which it depends on", digest.short());
                    page.line("with ", Tone::Plain, text);
                }
                _ => page.line(
                    "without ",
                    Tone::Caution,
                    mixed!("{bundle}, which it depends on: it stays where it is"),
                ),
            }
        }
        for name in &self.missing {
            page.line(
                "missing ",
                Tone::Caution,
                mixed!("{name}: this image is not there, as it was not before"),
            );
        }
    }
}
