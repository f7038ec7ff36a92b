//! Sets of parameters and of credential sources that the user keeps, by name, in the configuration directory.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::SecretString;

use crate::cli::exit::{NoSet, Usage};
use crate::text::CommandLine;

/// The subject of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetKind {
    /// Where credentials are found (CNAB 802).
    Credentials,
    /// Values of parameters.
    Parameters,
}

impl SetKind {
    /// The name of the folder, and of the verb.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Parameters => "params",
        }
    }

    /// The folder of the user's sets.
    ///
    /// # Errors
    /// Where nothing says which directory that is.
    pub fn directory(self) -> anyhow::Result<PathBuf> {
        let directory = super::environment::directory("XDG_CONFIG_HOME", ".config");
        Ok(directory
            .context("neither XDG_CONFIG_HOME nor HOME says where your sets are")?
            .join(self.folder()))
    }

    /// The file of the set of this name, whether it is there or not.
    ///
    /// # Errors
    /// For what is no name.
    pub fn file(self, name: &str) -> anyhow::Result<PathBuf> {
        if !is_name(name) {
            let what = format!("`{name}` is not the name of a set: letters, digits, `-` and `_`");
            return Err(Usage::new(what, CommandLine::of("carnet").own(self.folder()).own("list")).into());
        }
        Ok(self.directory()?.join(format!("{name}.yaml")))
    }

    /// The names of the sets that are there, in order.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn names(self) -> anyhow::Result<Vec<String>> {
        let directory = self.directory()?;
        #[expect(clippy::disallowed_methods, reason = "the user's own configuration directory")]
        let read = std::fs::read_dir(&directory);
        let entries = match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.with_context(|| format!("cannot read `{}`", directory.display()))?,
        };
        let name = |path: PathBuf| {
            let is_set = path.extension() == Some(OsStr::new("yaml"));
            let name = path.file_stem()?.to_str()?.to_owned();
            Some(name).filter(|name| is_set && is_name(name))
        };
        let mut names: Vec<_> = entries.filter_map(|entry| name(entry.ok()?.path())).collect();
        names.sort();
        Ok(names)
    }

    /// The file that a flag names: a set of the user's by its name, else a file by its path.
    ///
    /// # Errors
    /// Where there is neither.
    pub fn named(self, text: &Path) -> anyhow::Result<PathBuf> {
        let name = text.to_str().filter(|name| is_name(name));
        let Some(name) = name else { return Ok(text.to_owned()) };
        let Ok(set) = self.file(name) else { return Ok(text.to_owned()) };
        if super::has_entry(&set) {
            return Ok(set);
        }
        if super::has_entry(text) {
            return Ok(text.to_owned());
        }
        let message = format!(
            "there is no set `{name}`: neither `{}` nor a file `{name}` in this directory is there",
            set.display()
        );
        let hint = CommandLine::of("carnet").own(self.folder()).own("generate").word(name).own("REF");
        Err(NoSet { message, hint }.into())
    }

    /// Keeps a set, for its user alone.
    ///
    /// # Errors
    /// When it is there, and was not to be written over, or cannot be written.
    pub fn keep(self, name: &str, text: &SecretString, force: bool) -> anyhow::Result<PathBuf> {
        let (directory, file) = (self.directory()?, self.file(name)?);
        make_private(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
        if !force && super::has_entry(&file) {
            return Err(crate::cli::exit::Occupied(file).into());
        }
        super::write_secret(&file, text, force)?;
        Ok(file)
    }
}

/// Whether a text can only be a name: a path has a `/` or an extension.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[expect(clippy::disallowed_methods, reason = "the user's own configuration directory")]
fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Whether a file is the user's own, and nobody else can have written it.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "the file was named by the person who called us")]
pub fn is_users_own(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let others_write = 0o022;
    file.metadata().is_ok_and(|it| {
        it.uid() == rustix::process::geteuid().as_raw() && it.mode() & others_write == 0 && it.is_file()
    })
}

/// Whether a file is the user's own, and nobody else can have written it.
#[cfg(not(unix))]
pub fn is_users_own(_: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_never_taken_for_a_name() {
        for name in ["prod", "my-set_2", "0"] {
            assert!(is_name(name), "{name}");
        }
        for path in ["", "a.yaml", "./a", "a/b", "/a", "..", "~", "-a", "a b", "a\n", "é", &"x".repeat(101)]
        {
            assert!(!is_name(path), "{path}");
            assert_eq!(SetKind::Parameters.named(Path::new(path)).unwrap(), Path::new(path));
        }
    }
}
