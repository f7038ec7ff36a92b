//! `carnet rbac`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use crate::cluster::written_for;
use crate::document;
use crate::kubernetes::rbac::IdentityRecord;
use crate::operations::rbac::{
    self, Account, AccountKeeper, AccountRequest, Manifests, RevokeRequest, RightsCheck, RightsReport,
    RightsRequest,
};
use crate::operations::{Document as _, InstallRequest, InstallationRequest, OwnWord};
use crate::reference::Reference;
use crate::text::YamlText;

use super::Context;
use super::act::{self, HomeArgs, InputArgs, TargetArgs, UnsignedArgs};
use super::exit::{self, Code, Usage};
use super::inputs::consent::ConsentArgs;
use super::inputs::{self, manifests};
use super::ui::{Page, Report, Tone, Words, mixed};

/// Print the rights in a cluster that an install, an upgrade or a rollback takes
///
/// Makes the plan, and prints roles that name every object, with the reason for each rule, bound to a ServiceAccount:
/// ready for `kubectl apply`. Whoever acts as that account can make this plan and carry it out with `--identity own`,
/// and can do nothing else. `--kubeconfig FILE` makes such an account for a while and writes a kubeconfig for it; for
/// this verb the cluster itself is the one that kubectl would use.
#[derive(Debug, clap::Args)]
#[command(mut_arg("kubeconfig", |argument| argument
    .help("Make an account with these rights, and write a kubeconfig for it to this file (mode 0600)")
    .help_heading("Account")))]
#[command(after_help = "\
Examples:
  carnet rbac web layout:bundles/web --target kube -n prod --grants grants.yaml | kubectl apply -f -
  carnet rbac web layout:bundles/web --target kube -n prod --grants grants.yaml --check
  carnet rbac web layout:bundles/web --target kube -n prod --grants grants.yaml --kubeconfig run.kubeconfig --ttl 1h
  carnet apply plan.json --kubeconfig run.kubeconfig --identity own
  carnet rbac web --rollback --kubeconfig back.kubeconfig
  carnet rollback web --kubeconfig back.kubeconfig --identity own
  carnet rbac web --target kube --kubeconfig run.kubeconfig --revoke
  helm template web chart | carnet rbac web -n prod --from - | kubectl apply -f -
  carnet rbac --from manifests/ crds.yaml -n prod")]
pub(super) struct Args {
    /// Name of the installation
    #[arg(value_name = "NAME", required_unless_present = "from", value_parser = act::installation)]
    name: Option<String>,
    /// Where the bundle is
    #[arg(value_name = "REF", required_unless_present_any = ["from", "revoke", "rollback"])]
    reference: Option<Reference>,
    /// The rights to apply, wait for, change and remove these manifests, without a bundle: files, directories (all `.yaml`,
    /// `.yml` and `.json` in them), or `-` for standard input. Kinds that others define have to be defined among them
    #[arg(long, value_name = "FILE|DIR|-", num_args = 1.., conflicts_with_all = ["reference", "rollback", "check", "kubeconfig", "revoke"])]
    from: Vec<PathBuf>,
    /// The rights to go back to a revision, or else to the last one that succeeded before the current one
    #[arg(long, value_name = "REVISION", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with = "revoke")]
    rollback: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsigned: UnsignedArgs,
    /// Say what you lack to have it done, all at once, and exit with 12 if that is anything
    #[arg(long, conflicts_with_all = ["kubeconfig", "revoke"])]
    check: bool,
    /// The namespace of the account, where its rights go beyond the installation's namespace
    #[arg(long, value_name = "NS", value_parser = act::namespace, help_heading = "Account")]
    identity_namespace: Option<String>,
    /// How long the account is good for, at least 10m
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = act::time, help_heading = "Account")]
    ttl: Duration,
    /// Remove the account that the kubeconfig is for, and the file
    #[arg(long, requires = "kubeconfig", help_heading = "Account")]
    revoke: bool,
}

impl Args {
    /// The name of the installation, or of an account for manifests.
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("manifests")
    }

    /// The request for a plan's rights.
    fn request(&self, target: TargetArgs) -> anyhow::Result<RightsRequest> {
        let mut installation = InstallationRequest {
            consent: self.consent.deferred(),
            inputs: self.inputs.given(),
            trust: self.unsigned.trust(),
            ..target.home.request(self.name())?
        };
        installation.change.identity_namespace.clone_from(&self.identity_namespace);
        let destination = target.destination();
        match (&self.rollback, self.reference.clone()) {
            (Some(revision), bundle) => {
                installation.own_word = OwnWord { bundle, ..OwnWord::default() };
                let revision = Some(revision.clone()).filter(|it| !it.is_empty());
                Ok(RightsRequest::Rollback { revision, destination, installation })
            }
            (None, Some(reference)) => {
                let for_development = false;
                Ok(RightsRequest::Install(InstallRequest {
                    reference,
                    destination,
                    installation,
                    for_development,
                }))
            }
            (None, None) => Err(Usage::new("no bundle is named", "carnet rbac NAME REF").into()),
        }
    }
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    if !args.from.is_empty() {
        return of_manifests(args, context);
    }
    let mut target = args.target.clone();
    let file = target.take_kubeconfig();
    let home = target.home.clone();
    match file {
        Some(file) if args.revoke => revoke(args, &target, &file, context),
        Some(file) => make(args, (&home, args.request(target)?), &file, context),
        None if args.check => check(args, (&home, &args.request(target)?), context),
        None => print((&home, &args.request(target)?), context),
    }
}

fn print((home, request): (&HomeArgs, &RightsRequest), context: &Context) -> anyhow::Result<Code> {
    let report = act::carry_out(home, context, async |services| rbac::rights(request, services).await)?;
    printed(&report, context)
}

fn printed(report: &RightsReport, context: &Context) -> anyhow::Result<Code> {
    if context.ui.is_for_people() {
        context.ui.yaml(&yaml(report))?;
    } else {
        context.ui.document(RightsReport::KIND, report)?;
    }
    Ok(exit::DONE)
}

/// Prints the rights that manifests take. The cluster is not asked, and nothing is made.
fn of_manifests(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let report = rbac::rights_of_manifests(&Manifests {
        files: manifests::read(&args.from)?,
        name: args.name().to_owned(),
        namespace: args.target.home.namespace().unwrap_or("default").to_owned(),
        home: args.identity_namespace.clone(),
    })?;
    printed(&report, context)
}

fn check(
    args: &Args,
    (home, request): (&HomeArgs, &RightsRequest),
    context: &Context,
) -> anyhow::Result<Code> {
    let checked =
        act::carry_out(home, context, async |services| rbac::check(request, args.ttl, services).await)?;
    let code = if checked.missing.is_empty() { exit::DONE } else { exit::NO_RIGHTS };
    context.ui.report(&checked)?;
    Ok(code)
}

/// Makes an account, and writes the kubeconfig for it. One of ours that is there already is replaced.
fn make(
    args: &Args,
    (home, rights): (&HomeArgs, RightsRequest),
    file: &Path,
    context: &Context,
) -> anyhow::Result<Code> {
    let earlier = written(file)?;
    let keeper = KubeconfigFile { file, is_ours: earlier.is_some() };
    let request = AccountRequest { rights, lifetime: args.ttl, earlier };
    let account =
        act::carry_out(home, context, async |services| rbac::make(&request, &keeper, services).await)?;
    context.ui.report(&account)?;
    Ok(exit::DONE)
}

fn revoke(args: &Args, target: &TargetArgs, file: &Path, context: &Context) -> anyhow::Result<Code> {
    let Some(account) = written(file)? else {
        anyhow::bail!("`{}` is not there", file.display());
    };
    let (destination, installation) = (target.destination_in_cluster(), target.home.request(args.name())?);
    let request = RevokeRequest { account, destination, installation };
    act::carry_out(&target.home, context, async |services| rbac::revoke(&request, services).await)?;
    inputs::remove(file)?;
    context.ui.status(format_args!("Removed {} and `{}`.", request.account.name, file.display()));
    Ok(exit::DONE)
}

/// Writes a kubeconfig to the file that was named, over one of ours and over nothing else.
struct KubeconfigFile<'a> {
    file: &'a Path,
    is_ours: bool,
}

impl AccountKeeper for KubeconfigFile<'_> {
    fn keep(&self, kubeconfig: &SecretString) -> Result<String, Box<dyn Error + Send + Sync>> {
        inputs::write_secret(self.file, kubeconfig, self.is_ours)?;
        Ok(self.file.display().to_string())
    }
}

/// The identity that a kubeconfig of ours is for. None: no such file.
///
/// # Errors
/// When it is somebody else's: it is neither overwritten nor removed.
fn written(file: &Path) -> anyhow::Result<Option<IdentityRecord>> {
    let Some(text) = inputs::text_if_there(file)? else { return Ok(None) };
    let record = document::json(text.as_bytes()).ok().and_then(|document| written_for(&document));
    match record {
        Some(record) => Ok(Some(record)),
        None => Err(Usage::new(
            format!("`{}` was not written by `carnet rbac`: it stays as it is", file.display()),
            "name another file; which cluster it is, KUBECONFIG or `--context` says",
        )
        .into()),
    }
}

/// One document for each object; what else there is to say are comments.
fn yaml(report: &RightsReport) -> YamlText {
    let mut text = YamlText::default();
    let (first, second) = report.steps();
    preface(&mut text, report, !second.is_empty());
    for object in first {
        text.own("---\n");
        text.document(object);
    }
    for (at, object) in second.into_iter().enumerate() {
        text.own("---\n");
        if at == 0 {
            text.own("# Step 2 of 2: what can be applied when these namespaces are there.\n");
        }
        text.document(object);
    }
    text
}

/// What whoever applies the objects has to know before.
fn preface(text: &mut YamlText, report: &RightsReport, has_second: bool) {
    let mut comment = |line: &str| text.comment("", line);
    if report.plan.is_none() {
        comment(
            "For `kubectl apply --server-side` of the manifests: only that creates objects by their names.",
        );
    }
    if let Some(home) = home_of(report) {
        comment(&format!(
            "The account is set apart, in the namespace `{home}`: its rights reach beyond `{}`, and whoever may",
            report.namespace
        ));
        comment(
            "act as accounts of that namespace (the built-in role `edit` is enough) would have them as well. Give nobody",
        );
        comment(&format!(
            "rights in `{home}` who does not have these; another one of that kind: `--identity-namespace`."
        ));
    }
    report.escalations.iter().for_each(|escalation| comment(escalation));
    let later = report.later.join(", ");
    match (has_second, &report.plan) {
        (false, _) => {}
        (true, Some(_)) => {
            comment(
                "Step 1 of 2: what can be applied at once. The plan makes namespaces itself; they are among this",
            );
            comment(&format!(
                "with the mark of the installation, so the plan takes them as its own: {later}"
            ));
        }
        (true, None) => {
            let what =
                "Step 1 of 2: what can be applied at once, with namespaces that are among the manifests";
            comment(&format!("{what}: {later}"));
        }
    }
    if report.objects.iter().any(|object| object["kind"] == "Namespace") {
        comment(
            "Namespaces below are shared: `kubectl delete -f` of this would remove them with all that is in them.",
        );
    }
}

/// The namespace of the account, where that is not the installation's.
fn home_of(report: &RightsReport) -> Option<&str> {
    let account = report.objects.iter().find(|object| object["kind"] == "ServiceAccount")?;
    account["metadata"]["namespace"].as_str().filter(|home| *home != report.namespace)
}

impl Report for RightsCheck {
    fn show(&self, page: &mut Page) {
        for line in &self.missing {
            page.unwrapped(Words::mixed(line));
        }
        if self.missing.is_empty() {
            page.line("", Tone::Good, "You have all rights that this takes.");
        }
    }
}

impl Report for Account {
    fn show(&self, page: &mut Page) {
        page.line("", Tone::Good, mixed!("Wrote `{}` for {}.", self.kubeconfig, self.record.name));
        page.line(
            "  ",
            Tone::Plain,
            mixed!("It can do this plan and nothing else, until {}.", self.record.expires),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(account_in: &str) -> String {
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "carnet-web", "namespace": account_in } });
        let report = RightsReport {
            name: "web".into(),
            namespace: "prod".into(),
            plan: None,
            objects: vec![account],
            escalations: vec!["it hands on: x".into()],
            later: Vec::new(),
        };
        yaml(&report).as_str().to_owned()
    }

    #[test]
    fn an_account_that_is_set_apart_says_why() {
        let apart = printed("carnet-identities");
        for line in ["# The account is set apart, in the namespace `carnet-identities`", "# it hands on: x"] {
            assert!(apart.contains(line), "{apart}");
        }
        assert!(apart.lines().all(|line| line.chars().count() <= 120), "{apart}");
        assert!(!printed("prod").contains("set apart"));
    }
}
