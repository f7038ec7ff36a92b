//! Which trust policy decides: the one that is named, below the machine's.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::verify::TrustPolicy;

use super::super::exit::Untrusted;
use super::environment::directory;
use super::files::{cannot_use, in_the_way, text, text_if_there};
use super::settings::{Settings, given};

/// The trust policy of the machine, where the user has none.
pub const SYSTEM_TRUST: &str = "/etc/carnet/trust.yaml";

/// A trust policy, and where it comes from.
#[derive(Debug)]
pub struct Trust {
    /// The policy. Where there is none, one that trusts nobody.
    pub policy: TrustPolicy,
    /// Its file.
    pub file: Option<PathBuf>,
}

/// The trust policy: the one that is named, else the configured one, else the user's, else the machine's.
///
/// # Errors
/// When there is one that cannot be used: nothing is trusted by mistake.
pub fn trust(named: Option<&Path>) -> anyhow::Result<Trust> {
    let own = own_trust(named)?;
    let Some(machine) = machine_policy()? else { return Ok(own) };
    let file = own.file.filter(|file| file != Path::new(SYSTEM_TRUST));
    // Whoever has no policy of their own has the machine's.
    let policy = if file.is_some() { own.policy } else { machine.clone() };
    Ok(Trust { policy: policy.below(machine), file: file.or_else(|| Some(SYSTEM_TRUST.into())) })
}

/// The machine's policy, which binds: only root can have written it, so whatever is named or configured by somebody else
/// can narrow it and not widen it. None: there is none.
///
/// # Errors
/// When it cannot be used, or others than root could have written it: then nobody knows whose it is.
pub fn machine_policy() -> anyhow::Result<Option<TrustPolicy>> {
    let file = Path::new(SYSTEM_TRUST);
    let unusable = |source| anyhow::Error::from(Untrusted::new(file.to_owned(), source));
    let Some(text) = text_if_there(file).map_err(unusable)? else {
        return match in_the_way(file) {
            None => Ok(None),
            Some(other) => Err(unusable(anyhow::anyhow!("`{}` is no directory", other.display()))),
        };
    };
    check_of_root(file).map_err(unusable)?;
    TrustPolicy::parse(&text).map(Some).map_err(|error| unusable(error.into()))
}

/// Checks that only root can write a file and all directories on the way to it, also where a link leads to it. In a user namespace root's files are nobody's, and that is
/// refused like any other owner.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "the place of the machine's policy is fixed")]
fn check_of_root(file: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let real = std::fs::canonicalize(file).with_context(|| cannot_use(file))?;
    for path in file.ancestors().chain(real.ancestors()) {
        let metadata = std::fs::metadata(path).with_context(|| cannot_use(path))?;
        let shown = path.display();
        anyhow::ensure!(metadata.uid() == 0, "`{shown}` is not root's: chown root:root {shown}");
        anyhow::ensure!(
            metadata.mode() & 0o022 == 0,
            "`{shown}` can be written by others: chmod go-w {shown}"
        );
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_of_root(_: &Path) -> anyhow::Result<()> {
    Ok(())
}

/// The policy that is named, else the configured one, else the user's, else the machine's.
fn own_trust(named: Option<&Path>) -> anyhow::Result<Trust> {
    let settled = match given(named.map(Path::as_os_str), "CARNET_TRUST", "--trust FILE")? {
        Some(path) => Some(path.into()),
        None => Settings::load()?.trust,
    };
    if let Some(file) = settled {
        let policy = text(&file).and_then(|text| Ok(TrustPolicy::parse(&text)?));
        return match policy {
            Ok(policy) => Ok(Trust { policy, file: Some(file) }),
            Err(source) => Err(Untrusted::new(file, source).into()),
        };
    }
    for file in usual_policies() {
        let policy =
            text_if_there(&file).and_then(|text| Ok(text.as_deref().map(TrustPolicy::parse).transpose()?));
        match policy {
            Ok(None) => {}
            Ok(Some(policy)) => return Ok(Trust { policy, file: Some(file) }),
            Err(source) => return Err(Untrusted::new(file, source).into()),
        }
    }
    Ok(Trust { policy: TrustPolicy::none(), file: None })
}

/// Where a trust policy is looked for that is not named, in this order.
pub fn usual_policies() -> Vec<PathBuf> {
    let user = directory("XDG_CONFIG_HOME", ".config").map(|directory| directory.join("trust.yaml"));
    user.into_iter().chain([PathBuf::from(SYSTEM_TRUST)]).collect()
}
