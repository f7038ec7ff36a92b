//! What an operator says of the bundles that a bundle depends on: the flags that say it of the bundle itself, each behind the name
//! of the dependency.

use std::collections::BTreeMap;

use clap::Parser as _;

use crate::cli::exit::Usage;
use crate::cli::inputs;
use crate::cli::inputs::consent::ConsentArgs;
use crate::cli::inputs::credentials::CredentialArgs;
use crate::cli::inputs::parameters::ParameterArgs;
use crate::operations::{DependencyRequest, GivenInputs, TrustMode};
use crate::reference::Reference;

const FORM: &str = "--dependency db:grants=db.yaml";

/// What is said of dependencies.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Dependencies")]
pub(in crate::cli) struct DependencyArgs {
    /// Say something of a dependency, by its name in the bundle (or NAME/NAME: of a dependency's dependency): any flag for
    /// grants, parameters or credentials, `installation=NAME` (which it is), `from=REF` (where its bundle is)
    #[arg(long, value_name = "NAME:FLAG[=VALUE]")]
    dependency: Vec<String>,
}

/// All flags that there are for a dependency.
#[derive(Debug, clap::Parser)]
#[command(name = "--dependency", no_binary_name = true, disable_help_flag = true)]
struct Flags {
    /// The installation that it is, or is to be
    #[arg(long)]
    installation: Option<String>,
    /// Where its bundle is
    #[arg(long)]
    from: Option<Reference>,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    credentials: CredentialArgs,
    /// Use a bundle of this machine although nobody signed it
    #[arg(long)]
    dangerous_unsigned: bool,
}

impl DependencyArgs {
    /// What is said of each of them.
    ///
    /// # Errors
    /// [`Usage`] for what is no flag of a dependency.
    pub(super) fn requests(&self) -> anyhow::Result<BTreeMap<String, DependencyRequest>> {
        let mut flags: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for text in &self.dependency {
            let (name, flag) = split(text)?;
            flags.entry(name).or_default().push(format!("--{flag}"));
        }
        flags.into_iter().map(|(name, flags)| Ok((name.to_owned(), request(name, &flags)?))).collect()
    }
}

fn split(text: &str) -> Result<(&str, &str), Usage> {
    let is_some =
        |(name, flag): &(&str, &str)| !name.is_empty() && flag.starts_with(|c: char| c.is_ascii_lowercase());
    text.split_once(':')
        .filter(is_some)
        .ok_or_else(|| Usage::new(format!("--dependency: `{text}` is not of the form NAME:FLAG=VALUE"), FORM))
}

fn request(name: &str, flags: &[String]) -> anyhow::Result<DependencyRequest> {
    let flags = Flags::try_parse_from(flags).map_err(|error| {
        let told = error.to_string();
        let told = told.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Usage::new(format!("--dependency {name}: {told}"), FORM)
    })?;
    let reference = flags.from.map(|reference| reference.try_map_path(inputs::absolute)).transpose()?;
    Ok(DependencyRequest {
        installation: flags.installation,
        reference,
        consent: flags.consent.deferred(),
        inputs: GivenInputs {
            parameters: flags.parameters.deferred(),
            credentials: flags.credentials.source(),
        },
        trust: if flags.dangerous_unsigned { TrustMode::DangerouslyUnsigned } else { TrustMode::ByPolicy },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn requests(texts: &[&str]) -> anyhow::Result<BTreeMap<String, DependencyRequest>> {
        DependencyArgs { dependency: texts.iter().map(|text| (*text).to_owned()).collect() }.requests()
    }

    #[test]
    fn what_is_said_of_a_dependency_is_said_of_no_other() {
        let digest = Digest::of(b"");
        let said = requests(&[
            "db:allow-kube=apply:ConfigMap:prod/db-*",
            "db:param=a=b=c",
            "db/cache:installation=shared",
            "db/cache:dangerous-unsigned",
            &format!("api:approve={digest}"),
            "api:from=registry.example/api:1.0.0",
        ])
        .unwrap();
        let names: Vec<_> = said.keys().map(String::as_str).collect();
        assert_eq!(names, ["api", "db", "db/cache"]);
        let (api, db, cache) = (&said["api"], &said["db"], &said["db/cache"]);
        let consent = db.consent.get().unwrap();
        assert_eq!((consent.grant.kubernetes.len(), consent.approve), (1, None));
        assert_eq!(db.inputs.parameters.get().unwrap().texts["a"], "b=c");
        assert_eq!(api.consent.get().unwrap().approve, Some(digest));
        assert_eq!(api.reference.as_ref().unwrap().to_string(), "registry.example/api:1.0.0");
        assert!(
            cache.trust == TrustMode::DangerouslyUnsigned
                && db.trust != cache.trust
                && cache.consent.get().unwrap().grant.kubernetes.is_empty()
        );
        assert_eq!(cache.installation.as_deref(), Some("shared"));
        assert!(requests(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_flag_of_a_dependency_is_a_mistake_of_usage() {
        for (text, expected) in [
            ("db", "`db` is not of the form"),
            (":grants=x", "is not of the form"),
            ("db:", "is not of the form"),
            ("db:--grants=x", "is not of the form"),
            ("db:yes", "--dependency db: unexpected argument '--yes'"),
            ("db:approve=x", "--dependency db: invalid value 'x'"),
            ("db:from=web", "--dependency db: invalid value 'web'"),
            ("db:help", "--dependency db: unexpected argument '--help'"),
        ] {
            let error = requests(&[text]).unwrap_err();
            assert!(
                error.downcast_ref::<Usage>().is_some() && error.to_string().contains(expected),
                "{text}: {error}"
            );
        }
    }
}
