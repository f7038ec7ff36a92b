//! The flags by which an operator grants, turned into the consent that the library decides by.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::capability::credentials::CredentialText;
use crate::capability::credentials::generate::GenerateText;
use crate::capability::files::FileText;
use crate::capability::kubernetes::RuleText;
use crate::cli::exit::Usage;
use crate::digest::Digest;
use crate::grant::Consent;
use crate::grant::spec::{FileGrant, GrantFile, GrantSpec};
use crate::operations::Deferred;

/// Actions that may be done.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Grants")]
pub struct ConsentArgs {
    /// Grant what this file says; may be repeated
    #[arg(long, value_name = "FILE")]
    grants: Vec<PathBuf>,
    /// Grant a verb on objects; without NAMESPACE/ for objects outside namespaces
    #[arg(long, value_name = "VERB:KIND:NAMESPACE/NAME")]
    allow_kube: Vec<String>,
    /// Hand over a file under a name that the bundle knows
    #[arg(long, value_name = "NAME=PATH")]
    allow_file: Vec<String>,
    /// Lend a credential, into these Secrets or into any that may be applied
    #[arg(long, value_name = "NAME[=NAMESPACE/Secret/NAME]")]
    allow_credential: Vec<String>,
    /// Have a credential made, and kept in these Secrets
    #[arg(long, value_name = "NAME=NAMESPACE/Secret/NAME")]
    allow_generate: Vec<String>,
    /// Let the component see a credential
    #[arg(long, value_name = "NAME")]
    allow_reveal: Vec<String>,
    /// Refuse a verb on objects, whatever else is granted
    #[arg(long, value_name = "VERB:KIND:NAMESPACE/NAME")]
    deny_kube: Vec<String>,
    /// Refuse a file, whatever else is granted
    #[arg(long, value_name = "NAME")]
    deny_file: Vec<String>,
    /// Refuse a credential, lent or made, whatever else is granted
    #[arg(long, value_name = "NAME")]
    deny_credential: Vec<String>,
    /// Refuse to let the component see a credential, whatever else is granted
    #[arg(long, value_name = "NAME")]
    deny_reveal: Vec<String>,
    /// Grant all that the bundle of this digest requests, and no other
    #[arg(long, value_name = "DIGEST")]
    approve: Option<Digest>,
    /// Accept a bare `*` in a grant
    #[arg(long)]
    dangerous_wildcards: bool,
}

impl ConsentArgs {
    /// The consent, which is not read before it is needed.
    pub fn deferred(&self) -> Deferred<Consent> {
        let flags = self.clone();
        super::deferred(move || flags.read())
    }

    /// The consent that the flags give, and no other.
    ///
    /// # Errors
    /// When a file or flag cannot be used.
    fn read(&self) -> anyhow::Result<Consent> {
        Ok(Consent {
            documents: self.grants.iter().map(|file| grant(file)).collect::<Result<_, _>>()?,
            grant: self.grant()?,
            approve: self.approve,
            dangerous_wildcards: self.dangerous_wildcards,
        })
    }

    fn grant(&self) -> anyhow::Result<GrantSpec> {
        let mut files = parsed("--allow-file", &self.allow_file, FileGrant::parse)?;
        for file in &mut files {
            file.path = super::absolute(&file.path)?;
        }
        let mut grant = GrantSpec {
            kubernetes: rules("--allow-kube", &self.allow_kube)?,
            files,
            credentials: self.allow_credential.iter().map(|text| lend(text)).collect(),
            generate: self.allow_generate.iter().map(|text| make(text)).collect::<Result<_, _>>()?,
            ..GrantSpec::default()
        };
        let reveal = |name: &String| CredentialText { name: name.clone(), into: None, reveal: true };
        grant.credentials.extend(self.allow_reveal.iter().map(reveal));
        grant.deny.kubernetes = rules("--deny-kube", &self.deny_kube)?;
        grant.deny.files = self.deny_file.iter().map(|name| FileText { name: name.clone() }).collect();
        grant.deny.credentials.clone_from(&self.deny_credential);
        grant.deny.reveal.clone_from(&self.deny_reveal);
        Ok(grant)
    }
}

/// Reads a grant file. Relative paths in it are below its directory.
///
/// # Errors
/// When it cannot be used.
pub fn grant(file: &Path) -> anyhow::Result<GrantFile> {
    let text = super::text(file)?;
    // Paths are kept with the installation, so they must not depend on where a later command is typed.
    let whole = super::absolute(file)?;
    let base = whole.parent().unwrap_or(Path::new("/"));
    GrantFile::parse(&text, base).with_context(|| format!("the grant `{}` cannot be used", file.display()))
}

fn rules(flag: &str, texts: &[String]) -> Result<Vec<RuleText>, Usage> {
    parsed(flag, texts, RuleText::parse)
}

fn parsed<T, E: std::error::Error>(
    flag: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Usage> {
    let usage = |error: E| Usage::new(format!("{flag}: {error}"), "carnet grant new --help");
    texts.iter().map(|text| parse(text).map_err(usage)).collect()
}

/// Reads `NAME` or `NAME=NAMESPACE/Secret/NAME`, with commas between several Secrets.
fn lend(text: &str) -> CredentialText {
    let (name, into) = match text.split_once('=') {
        Some((name, into)) => (name, Some(into.split(',').map(Into::into).collect())),
        None => (text, None),
    };
    CredentialText { name: name.into(), into, reveal: false }
}

/// Reads `NAME=NAMESPACE/Secret/NAME`, with commas between several Secrets.
fn make(text: &str) -> Result<GenerateText, Usage> {
    let (name, into) = text.split_once('=').ok_or_else(|| {
        Usage::new(
            format!("--allow-generate: `{text}` does not say which Secret it is kept in"),
            "--allow-generate NAME=NAMESPACE/Secret/NAME",
        )
    })?;
    Ok(GenerateText { name: name.into(), into: into.split(',').map(Into::into).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::kubernetes::Verb;

    #[test]
    fn flags_become_a_grant() {
        let args = ConsentArgs {
            allow_kube: vec!["apply,delete:apps/Deployment:${namespace}/web-*".into(), "get:Node:n1".into()],
            allow_file: vec!["site.conf=/etc/site.conf".into()],
            allow_credential: vec!["a".into(), "b=prod/Secret/x,prod/Secret/y".into()],
            allow_generate: vec!["k=prod/Secret/x".into()],
            allow_reveal: vec!["c".into()],
            deny_reveal: vec!["d".into()],
            ..ConsentArgs::default()
        };
        let grant = args.grant().unwrap();
        assert_eq!(grant.kubernetes[0].verbs, [Verb::Apply, Verb::Delete]);
        assert_eq!(grant.kubernetes[0].namespaces, ["${namespace}"]);
        assert!(grant.kubernetes[1].namespaces.is_empty());
        assert_eq!(grant.credentials[1].into.as_deref().unwrap(), ["prod/Secret/x", "prod/Secret/y"]);
        assert!(grant.credentials[2].reveal && !grant.credentials[0].reveal);
        assert_eq!(
            (&*grant.generate[0].name, &*grant.generate[0].into),
            ("k", &["prod/Secret/x".into()][..])
        );
        assert_eq!(grant.deny.reveal, ["d"]);
    }

    #[test]
    fn a_flag_that_cannot_be_read_is_named() {
        let args = ConsentArgs { allow_kube: vec!["all:Pod:a/b".into()], ..ConsentArgs::default() };
        let error = args.grant().unwrap_err().to_string();
        assert!(error.starts_with("--allow-kube: `all` is not one of the verbs"), "{error}");
        let args = ConsentArgs { allow_generate: vec!["key".into()], ..ConsentArgs::default() };
        let error = args.grant().unwrap_err().to_string();
        assert_eq!(error, "--allow-generate: `key` does not say which Secret it is kept in");
    }
}
