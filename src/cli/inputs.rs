//! Reads what is the operator's own: configuration, trust policy, grants, parameters, credentials.
//!
//! The one place of the program that reads files by path, the environment and the clock on its own account. Everything
//! goes through the functions at the end.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use crate::document;
use crate::oci::file::open_named;
use crate::oci::registry::RegistrySettings;
use crate::operations::Deferred;
use crate::state::{is_own, private_directory};
use crate::text::CommandLine;
use crate::verify::TrustPolicy;

use super::exit::{Untrusted, Usage};

mod writing;
pub mod sets;
pub mod consent;
pub mod credentials;
pub mod manifests;
pub mod parameters;
pub mod prompt;
pub mod password;
pub mod registries;

pub use writing::{private_copy, remove, write, write_below, write_secret};

/// The trust policy of the machine, where the user has none.
pub const SYSTEM_TRUST: &str = "/etc/carnet/trust.yaml";

/// The longest file of an operator's that is read, in bytes. Something longer was named by mistake.
const MAX_FILE: u64 = 4 << 20;

/// The longest password that is read from standard input, in bytes. Some of them are tokens.
const MAX_SECRET: u64 = 64 << 10;

/// How long somebody is waited for who is to write into a pipe. Without an end, a pipe that nobody writes into would look
/// like a hang.
const PIPE_PATIENCE: Duration = Duration::from_secs(10);

/// The user's configuration file, `config.yaml`. Paths in it are below its directory.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// Where objects go: `dir:PATH` or `kube`.
    pub target: Option<String>,
    /// Where installations are recorded: a directory, or `kube`.
    pub state: Option<String>,
    /// The trust policy.
    pub trust: Option<PathBuf>,
    /// Registries, by host.
    pub registries: BTreeMap<String, registries::RegistryEntry>,
}

/// A trust policy, and where it comes from.
#[derive(Debug)]
pub struct Trust {
    /// The policy. Where there is none, one that trusts nobody.
    pub policy: TrustPolicy,
    /// Its file.
    pub file: Option<PathBuf>,
}

/// Where installations are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatePlace {
    /// In this directory.
    Directory(PathBuf),
    /// In the cluster.
    Kube,
}

impl Settings {
    /// Reads the configuration file; the default where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load() -> anyhow::Result<Self> {
        let Some(directory) = directory("XDG_CONFIG_HOME", ".config") else { return Ok(Self::default()) };
        let file = directory.join("config.yaml");
        let Some(text) = text_if_there(&file)? else { return Ok(Self::default()) };
        Self::parse(&text, &directory).with_context(|| cannot_use(&file))
    }

    /// The settings in a text. One without a value, as a file whose lines are all commented out, sets nothing.
    fn parse(text: &str, directory: &Path) -> anyhow::Result<Self> {
        if document::yaml(text)?.is_null() {
            return Ok(Self::default());
        }
        let mut settings: Self = document::yaml_as(text)?;
        settings.trust = settings.trust.map(|path| path_in(directory, &path)).transpose()?;
        if let Some(state) = settings.state.as_mut().filter(|state| *state != "kube") {
            *state = path_in(directory, Path::new(state))?.display().to_string();
        }
        if let Some(target) = &mut settings.target
            && let Some(path) = target.strip_prefix("dir:").filter(|path| path.starts_with('~'))
        {
            *target = format!("dir:{}", path_in(directory, Path::new(path))?.display());
        }
        Ok(settings)
    }
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
    let Some(text) = text_if_there(file).map_err(unusable)? else { return Ok(None) };
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

/// Where installations are recorded: the place that is named, else the configured one, else the user's data directory.
///
/// # Errors
/// When nothing says where, not even the home directory.
pub fn state(named: Option<&str>) -> anyhow::Result<StatePlace> {
    let settled = match given(named.map(str::as_ref), "CARNET_STATE", "--state DIR")?.and(named) {
        Some(text) => Some(text.to_owned()),
        None => Settings::load()?.state,
    };
    match settled.as_deref() {
        Some(path) if path.starts_with('~') => Err(unexpanded("--state", "", path)),
        Some("kube") => Ok(StatePlace::Kube),
        Some(path) => Ok(StatePlace::Directory(path.into())),
        None => directory("XDG_DATA_HOME", ".local/share")
            .map(StatePlace::Directory)
            .context("neither `--state`, CARNET_STATE nor HOME says where installations are recorded"),
    }
}

/// What a flag or its variable says. An empty variable is as good as none; a flag without a value is a mistake, such as a
/// variable of a script's that is not set, and what is usual would not be what was meant.
fn given<'a>(text: Option<&'a OsStr>, name: &str, flag: &'static str) -> anyhow::Result<Option<&'a OsStr>> {
    let is_of_variable = raw_variable(name).is_some_and(|value| value.is_empty());
    match text.filter(|text| text.is_empty()) {
        Some(_) if is_of_variable => Ok(None),
        Some(_) => Err(Usage::new("a flag is there whose value is empty", flag).into()),
        None => Ok(text),
    }
}

/// The error about a path that a shell should have expanded, with what to type. A directory of that name is made by
/// mistake, and hardly ever meant.
pub fn unexpanded(flag: &'static str, prefix: &str, path: &str) -> anyhow::Error {
    let right = match path_in(Path::new("."), Path::new(path)) {
        Ok(right) => right.display().to_string(),
        Err(_) => format!("./{path}"),
    };
    let told = format!("`{prefix}{path}`: a shell did not expand the `~`, and nobody else does");
    Usage::new(told, CommandLine::of(flag).word(format_args!("{prefix}{right}"))).into()
}

/// A part of a request that is read when it is needed, and not before the bundle was admitted.
pub fn deferred<T>(read: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Deferred<T> {
    Deferred::new(|| read().map_err(unreadable))
}

/// Why something cannot be read, for the library, which hands it back.
pub fn unreadable(error: anyhow::Error) -> Box<dyn Error + Send + Sync> {
    error.reallocate_into_boxed_dyn_error_without_backtrace()
}

/// The settings for registries. `plain` are those that a flag names as without encryption.
///
/// # Errors
/// When the configuration, or a file that it names, cannot be read.
pub fn registry_settings(plain: &[String]) -> anyhow::Result<RegistrySettings> {
    let directory = directory("XDG_CONFIG_HOME", ".config").unwrap_or_default();
    registries::settings(&Settings::load()?.registries, &directory, plain)
}

/// A secret from standard input, without the line break at its end.
///
/// # Errors
/// When it cannot be read, is empty, too long or no text.
pub fn secret_from_stdin() -> anyhow::Result<SecretString> {
    let mut bytes = Vec::new();
    io::stdin().take(MAX_SECRET + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
    let text =
        String::from_utf8(bytes).ok().filter(|text| text.len() <= usize::try_from(MAX_SECRET).unwrap_or(0));
    let text = text.context("what comes from standard input is too long for a password, or no text")?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    anyhow::ensure!(!text.is_empty(), "the password is empty");
    Ok(text.to_owned().into())
}

/// A path that does not depend on the current directory any more.
///
/// # Errors
/// When there is no current directory.
pub fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "what is recorded must mean the same elsewhere")]
    std::path::absolute(path).with_context(|| format!("`{}`", path.display()))
}

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

/// The text of a file that the operator named.
///
/// # Errors
/// When it cannot be read, is too long or no text.
pub fn text(path: &Path) -> anyhow::Result<String> {
    text_within(path, MAX_FILE)
}

/// The text of a file that the operator named, of at most so many bytes.
///
/// # Errors
/// As for [`text`].
pub fn text_within(path: &Path, most: u64) -> anyhow::Result<String> {
    let file = open_named(path).with_context(|| cannot_use(path))?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).with_context(|| cannot_use(path))?;
    checked_text(path, bytes, most)
}

fn checked_text(path: &Path, bytes: Vec<u8>, most: u64) -> anyhow::Result<String> {
    let is_long = u64::try_from(bytes.len()).is_ok_and(|length| length > most);
    anyhow::ensure!(!is_long, "`{}` has more than the {most} bytes that are read", path.display());
    String::from_utf8(bytes)
        .map_err(|_| anyhow::Error::from(document::InvalidDocument::Utf8))
        .with_context(|| cannot_use(path))
}

/// The text of a file that is read once, or of a pipe that somebody writes into, as `mkfifo` and a secret store's program
/// make it.
///
/// # Errors
/// As for [`text`], and where nobody has written all of it in time.
pub fn text_or_pipe(path: &Path) -> anyhow::Result<String> {
    if !is_pipe(path) {
        return text(path);
    }
    let (tell, told) = mpsc::channel();
    let pipe = path.to_owned();
    // Whoever opens a pipe waits for its other end, and cannot be called back. It is over when the program is.
    thread::spawn(move || drop(tell.send(read_pipe(&pipe))));
    let read = told.recv_timeout(PIPE_PATIENCE).map_err(|_| {
        let seconds = PIPE_PATIENCE.as_secs();
        anyhow::anyhow!(
            "`{}` is a pipe, and nobody has written into it to its end in {seconds} s",
            path.display()
        )
    })?;
    checked_text(path, read.with_context(|| cannot_use(path))?, MAX_FILE)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    #[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

#[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
fn read_pipe(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file that need not be there. A link that leads nowhere is there: what it should lead to was meant, and
/// nothing else.
///
/// # Errors
/// When it is there and cannot be read.
pub fn text_if_there(path: &Path) -> anyhow::Result<Option<String>> {
    match text(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(is_absent) && !has_entry(path) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the file is a component or module of WebAssembly, by its first bytes.
pub fn is_component(path: &Path) -> bool {
    let mut magic = [0; 4];
    open_named(path).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok()) && magic == *b"\0asm"
}

/// Whether something has this name, or a link that leads to no directory stands on the way to it.
#[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
pub fn has_entry(path: &Path) -> bool {
    let blocks = |path: &Path| path.is_symlink() && !path.is_dir();
    path.symlink_metadata().is_ok() || path.ancestors().skip(1).any(blocks)
}

/// A line that somebody types at the terminal, without what surrounds it. None: there is no terminal to ask on.
///
/// # Errors
/// When it cannot be read, or is at its end.
pub fn line(question: &str) -> anyhow::Result<Option<String>> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() || !io::IsTerminal::is_terminal(&io::stdin()) {
        return Ok(None);
    }
    match prompt::line(question, false) {
        prompt::Typed::Line(line) => Ok(Some(line.trim().to_owned())),
        prompt::Typed::Stopped => Err(prompt::Stopped.into()),
        prompt::Typed::Unreadable => anyhow::bail!("there was no answer, so nothing was written"),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn cannot_use(path: &Path) -> String {
    format!("cannot use `{}`", path.display())
}

/// Our directory below one of the XDG base directories. As their specification says, a relative path counts as none.
fn directory(name: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let base = variable(name).map(PathBuf::from).and_then(absolute);
    base.or_else(|| home().map(|home| home.join(below_home))).map(|base| base.join("carnet"))
}

/// The user's home directory.
fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A variable of the environment; none where it is empty or no text.
pub(super) fn variable(name: &str) -> Option<String> {
    raw_variable(name).filter(|value| !value.is_empty())
}

/// A variable of the environment, which may be empty.
pub(super) fn raw_variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
    std::env::var(name).ok()
}

/// The time, which windows of trust are compared with and claims are stamped with.
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the command line is where the clock is read")]
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make files")]

    use super::*;

    #[test]
    fn settings_without_a_value_are_none() {
        for text in ["", "# target: kube\n", "---\n", "{}\n"] {
            let settings = Settings::parse(text, Path::new("/c")).unwrap();
            assert!(
                settings.target.is_none() && settings.state.is_none() && settings.trust.is_none(),
                "{text}"
            );
        }
        let error = Settings::parse("7", Path::new("/c")).unwrap_err().to_string();
        assert!(!error.contains("struct"), "{error}");
    }

    #[test]
    fn paths_in_files_are_below_them_or_at_home() {
        let at = |path: &str| path_in(Path::new("/c"), Path::new(path));
        assert_eq!(at("a/b").unwrap(), Path::new("/c/a/b"));
        assert_eq!(at("/a").unwrap(), Path::new("/a"));
        assert_eq!(at("./~a").unwrap(), Path::new("/c/./~a"));
        let home = home().unwrap();
        assert_eq!((at("~").unwrap(), at("~/x").unwrap()), (home.clone(), home.join("x")));
        assert!(at("~bob/x").unwrap_err().to_string().contains("only `~/` is understood"));
        let settings =
            Settings::parse("{state: ~/s, target: 'dir:~/t', trust: t.yaml}", Path::new("/c")).unwrap();
        assert_eq!(settings.state, Some(home.join("s").display().to_string()));
        assert_eq!(settings.target, Some(format!("dir:{}", home.join("t").display())));
        assert_eq!(settings.trust, Some("/c/t.yaml".into()));
    }

    #[cfg(unix)]
    #[test]
    fn whatever_has_the_name_of_a_file_is_there() {
        use std::os::unix::fs::symlink;
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        assert!(text_if_there(&at("absent")).unwrap().is_none());
        assert!(text_if_there(&at("absent/below")).unwrap().is_none());
        std::fs::write(at("file"), "x").unwrap();
        assert_eq!(text_if_there(&at("file")).unwrap().as_deref(), Some("x"));
        assert!(text_if_there(Path::new("/dev/null/.config/carnet/trust.yaml")).unwrap().is_none());
        symlink("nowhere", at("dangling")).unwrap();
        symlink("file", at("link")).unwrap();
        symlink("loop", at("loop")).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        for name in ["dangling", "dangling/trust.yaml", "link/trust.yaml", "loop", "directory"] {
            assert!(text_if_there(&at(name)).is_err(), "{name}");
        }
        assert_eq!(text_if_there(&at("link")).unwrap().as_deref(), Some("x"));
    }
}
