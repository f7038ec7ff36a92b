//! What the system tells this program: variables, directories, the time, who runs it. It is
//! read nowhere else.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use crate::state::{is_own, private_directory};

use super::files::text;

/// Who runs this program, for others who find that it is running.
pub fn who() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(variable);
    let machine = variable("HOSTNAME").or_else(|| text(Path::new("/proc/sys/kernel/hostname")).ok());
    let (user, machine) = (user.unwrap_or_else(|| "somebody".into()), machine.unwrap_or_default());
    let at = if machine.trim().is_empty() { String::new() } else { format!("@{}", machine.trim()) };
    format!("{user}{at}, process {}", std::process::id())
}

/// The directory for compiled code, which only the user may enter: it is native code that nothing authenticates when it
/// is loaded. None where it cannot be made, or others could have put something into it; then nothing is kept.
pub fn cache() -> Option<PathBuf> {
    let path = directory("XDG_CACHE_HOME", ".cache")?.join("code");
    private_directory(&path).ok().filter(|()| is_own(&path)).map(|()| path)
}

/// The program that is running, which starts itself to compile components. On Linux by a name that stays right when the
/// program is replaced meanwhile.
///
/// # Errors
/// When the system does not tell.
pub fn this_program() -> anyhow::Result<PathBuf> {
    let link = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") {
        return Ok(link);
    }
    #[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
    std::env::current_exe().context("the system does not tell which program this is")
}

/// The directory for temporary files.
pub fn scratch() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "what is built only to be looked at has to lie somewhere")]
    std::env::temp_dir()
}

/// A path that does not depend on the current directory any more.
///
/// # Errors
/// When there is no current directory.
pub fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "what is recorded must mean the same elsewhere")]
    std::path::absolute(path).with_context(|| format!("`{}`", path.display()))
}

/// A path as a file of the operator's has it: below the file's directory, and `~` is the home directory, as in a shell.
///
/// # Errors
/// For the home directory of somebody else, and where none is known.
pub fn path_in(directory: &Path, path: &Path) -> anyhow::Result<PathBuf> {
    if let Ok(rest) = path.strip_prefix("~") {
        let home = home().with_context(|| {
            format!("`{}`: HOME does not say which directory `~` is; write the whole path", path.display())
        })?;
        return Ok(home.join(rest));
    }
    let is_others = path.as_os_str().to_string_lossy().starts_with('~');
    let plain = path.display();
    anyhow::ensure!(!is_others, "`{plain}`: only `~/` is understood; write the whole path, or `./{plain}`");
    Ok(directory.join(path))
}

/// Our directory below one of the XDG base directories. As their specification says, a relative path counts as none.
pub(super) fn directory(name: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let base = variable(name).map(PathBuf::from).and_then(absolute);
    base.or_else(|| home().map(|home| home.join(below_home))).map(|base| base.join("carnet"))
}

/// The user's home directory.
pub(super) fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A variable of the environment; none where it is empty or no text.
pub(in crate::cli) fn variable(name: &str) -> Option<String> {
    raw_variable(name).filter(|value| !value.is_empty())
}

/// A variable of the environment, which may be empty.
pub(in crate::cli) fn raw_variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
    std::env::var(name).ok()
}

/// The time, which windows of trust are compared with and claims are stamped with.
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the command line is where the clock is read")]
    Timestamp::now()
}
