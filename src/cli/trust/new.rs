//! `carnet trust new`.

use std::path::{Path, PathBuf};

use crate::cli::exit::{self, Code};
use crate::cli::{Context, inputs};
use crate::operations::trust::{NewPolicy, new};

/// Write a trust policy for public keys, and the bundles that they may sign
///
/// It admits bundles of these names, from these places, that so many of the keys have signed, and nothing else. Get the
/// keys from whoever publishes the bundles, by a way that you trust: nothing here can check whose they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet trust new --key release.pub --name web
  carnet trust new --key release.pub --name 'acme/*' --to ~/.config/carnet/trust.yaml
  carnet trust new --key a.pub --key b.pub --threshold 2 --name web --match 'registry.example/acme/**'")]
pub(in crate::cli) struct Args {
    /// Trust this public key, which the policy calls by the name of the file; may be repeated
    #[arg(long = "key", value_name = "PUB", required = true)]
    keys: Vec<PathBuf>,
    /// Admit bundles of this name: a name, or with `*` or `**` at the end; may be repeated
    #[arg(long = "name", value_name = "BUNDLE", required = true)]
    names: Vec<String>,
    /// Admit them from this place: `layout`, `archive`, HOST/REPOSITORY or HOST/**; may be repeated
    #[arg(long = "match", value_name = "PLACE", default_value = "layout")]
    places: Vec<String>,
    /// Demand signatures of so many of the keys
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    threshold: usize,
    /// Write into this file, rather than to stdout
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Overwrite the file if it is there
    #[arg(long, requires = "to")]
    force: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let mut policy = NewPolicy {
        keys: Vec::new(),
        names: args.names.clone(),
        places: args.places.clone(),
        threshold: args.threshold,
    };
    for file in &args.keys {
        let pem = inputs::text(file)?;
        policy.keys.push((name_of(file, &policy.keys), pem));
    }
    let written = new(&policy)?;
    if let Some(file) = &args.to {
        inputs::write_below(file, written.text.as_str(), args.force)?;
        context.ui.status(format_args!(
            "Wrote `{}`. `carnet trust show` says which policy decides.",
            file.display()
        ));
    }
    match (context.ui.is_for_people(), &args.to) {
        (false, _) => context.ui.own_document(&written.document)?,
        (true, None) => context.ui.yaml(&written.text)?,
        (true, Some(_)) => {}
    }
    Ok(exit::DONE)
}

/// The name of the key in this file in a policy: two keys have two names.
fn name_of(file: &Path, others: &[(String, String)]) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let stem = stem.filter(|stem| !stem.is_empty()).unwrap_or_else(|| "key".into());
    let is_free = |name: &String| others.iter().all(|(other, _)| other != name);
    let numbered = (2..).map(|number| format!("{stem}-{number}"));
    std::iter::once(stem.clone()).chain(numbered).find(is_free).unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_called_as_its_file_and_no_two_alike() {
        let mut named = Vec::new();
        for (file, expected) in [
            ("a/release.pub", "release"),
            ("b/release.pub", "release-2"),
            ("release.old.pub", "release.old"),
            ("/", "key"),
        ] {
            let name = name_of(Path::new(file), &named);
            assert_eq!(name, expected);
            named.push((name, String::new()));
        }
    }
}
