//! The flags that say how a change is carried out.

use std::time::Duration;

use crate::capability::severity::Severity;
use crate::grant::limits::parse_time;
use crate::install::Identity;
use crate::operations::{ChangeOptions, InstallationRequest};
use crate::plan::Waits;
use crate::reference::Reference;
use crate::targets::{Overrides, Protected, Take};

/// How a change is carried out.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Change")]
pub(in crate::cli) struct ChangeArgs {
    /// Confirm the change; never a grant, never trust
    #[arg(short, long)]
    yes: bool,
    /// Wait until objects are ready (the default)
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    #[command(flatten)]
    no_wait: NoWaitArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
    /// Overwrite what others changed in objects of this installation
    #[arg(long)]
    force_conflicts: bool,
    /// Take over objects that this installation did not make
    #[arg(long)]
    take_ownership: bool,
    #[command(flatten)]
    take: TakeArgs,
    #[command(flatten)]
    powers: PowerArgs,
    /// Remove and make anew what cannot be changed
    #[arg(long)]
    replace: bool,
    /// Go back to what was there when it fails
    #[arg(long)]
    rollback_on_failure: bool,
    /// Where the bundle to go back to is from, with its digest, if the state is in a cluster
    #[arg(long, value_name = "REF", requires = "rollback_on_failure")]
    rollback_bundle: Option<Reference>,
    /// Also remove these kinds in a cluster, with all that goes with them
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    delete: Vec<KeptArg>,
    /// Keep Secrets with generated credentials that would be removed, for volumes that stay
    #[arg(long)]
    keep_credentials: bool,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// What not to wait for.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
#[command(next_help_heading = "Change")]
pub(in crate::cli) struct NoWaitArgs {
    /// Do not wait at the end until objects are ready; with `=all`, not between the bundle's steps either
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "end")]
    no_wait: Option<NoWaitArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum NoWaitArg {
    /// Those that the bundle asks for between its steps as well.
    All,
    /// The wait at the end.
    End,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Change")]
pub(in crate::cli) struct TimeoutArgs {
    /// Wait for the target no longer than this, in all
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    pub(in crate::cli) timeout: Duration,
}

/// The fields to take over from others.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Change")]
pub(in crate::cli) struct TakeArgs {
    /// Take over this from others and nothing else: a field (`.spec.replicas`) or an object (`apps/Deployment:prod/web`)
    #[arg(long, value_name = "FIELD|OBJECT")]
    pub(in crate::cli) take: Vec<Take>,
}

/// Who acts.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Change")]
pub(in crate::cli) struct IdentityArgs {
    /// Who acts in a cluster: an identity with just the rights of the plan, or you
    #[arg(long, value_name = "WHO", default_value = "scoped")]
    identity: IdentityArg,
    /// The namespace of that identity's account, where its rights go beyond the installation's namespace
    #[arg(long, value_name = "NS")]
    pub(in crate::cli) identity_namespace: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum IdentityArg {
    /// You, with all your rights.
    Own,
    /// An identity made for the run.
    #[default]
    Scoped,
}

/// Powers of installed objects.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(in crate::cli) struct PowerArgs {
    /// Refuse to install anything with powers of this severity: low, medium, high or critical
    #[arg(long, value_name = "SEVERITY")]
    pub(in crate::cli) refuse_powers: Option<Severity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum KeptArg {
    /// CustomResourceDefinitions.
    Crds,
    /// Namespaces.
    Namespaces,
    /// PersistentVolumeClaims.
    Pvcs,
}

impl ChangeArgs {
    /// The request, carried out as these flags say.
    pub(in crate::cli) fn on(&self, request: InstallationRequest) -> InstallationRequest {
        InstallationRequest {
            change: self.options(),
            rollback_on_failure: self.rollback_on_failure,
            rollback_bundle: self.rollback_bundle.clone(),
            ..request
        }
    }

    fn options(&self) -> ChangeOptions {
        ChangeOptions {
            confirmed: self.yes,
            waits: if self.wait { Waits::Everything } else { self.no_wait.waits() },
            waits_for_changes_only: false,
            timeout: self.timeout.timeout,
            overrides: Overrides {
                force_conflicts: self.force_conflicts,
                take_ownership: self.take_ownership,
                replace: self.replace,
            },
            refuse_powers: self.powers.refuse_powers,
            delete: self.delete.iter().map(KeptArg::kind).collect(),
            keep_credentials: self.keep_credentials,
            take: self.take.take.clone(),
            identity: self.identity.identity(),
            identity_namespace: self.identity.identity_namespace.clone(),
        }
    }
}

impl NoWaitArgs {
    /// The remaining waits.
    pub(in crate::cli) fn waits(self) -> Waits {
        match self.no_wait {
            None => Waits::Everything,
            Some(NoWaitArg::End) => Waits::Steps,
            Some(NoWaitArg::All) => Waits::Nothing,
        }
    }
}

impl IdentityArgs {
    /// Who acts.
    pub(in crate::cli) fn identity(&self) -> Identity {
        match self.identity {
            IdentityArg::Own => Identity::Own,
            IdentityArg::Scoped => Identity::Scoped,
        }
    }
}

impl KeptArg {
    fn kind(&self) -> Protected {
        match self {
            Self::Crds => Protected::Crds,
            Self::Namespaces => Protected::Namespaces,
            Self::Pvcs => Protected::Pvcs,
        }
    }
}

pub(in crate::cli) fn time(text: &str) -> Result<Duration, String> {
    parse_time(text).map_err(|_| "write a whole number with ms, s, m or h, such as 5m".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::TIMEOUT;

    #[test]
    fn the_flags_have_the_defaults_of_the_library() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            change: ChangeArgs,
        }
        let options = <Line as clap::Parser>::parse_from(["carnet"]).change.options();
        assert_eq!(format!("{options:?}"), format!("{:?}", ChangeOptions::default()));
        assert_eq!(time("5m"), Ok(TIMEOUT));
        for (flags, waits) in [
            (&["--no-wait"][..], Waits::Steps),
            (&["--no-wait=end"], Waits::Steps),
            (&["--no-wait=all"], Waits::Nothing),
            (&["--no-wait", "--wait"], Waits::Everything),
        ] {
            let line = <Line as clap::Parser>::parse_from([&["carnet"], flags].concat());
            assert_eq!(line.change.options().waits, waits, "{flags:?}");
        }
    }
}
