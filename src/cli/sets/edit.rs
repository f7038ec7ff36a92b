//! Has the user's editor change a set: a copy of it, which replaces the set only where it can be used.
//!
//! The copy goes whatever ends the program, and what was written into it is not lost where it cannot be used, unless it may
//! hold credentials.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use secrecy::SecretString;
use tempfile::TempPath;

use crate::cli::act::{Reply, ask, ended_by_signal};
use crate::cli::inputs::prompt::Stopped;
use crate::cli::inputs::sets::SetKind;
use crate::cli::{Context, inputs, runtime};

use super::{check, there};

/// What came of a copy.
enum Edited {
    /// It can be used.
    Changed(SecretString),
    /// It cannot be used, and is not to be edited again.
    Rejected(anyhow::Error),
    /// It is as it was.
    Unchanged,
}

/// Changes a set.
pub(super) fn edit(kind: SetKind, name: &str, context: &Context) -> anyhow::Result<()> {
    let (file, before) = there(kind, name)?;
    let copy = inputs::private_copy(&file, &SecretString::from(before.clone()))?.into_temp_path();
    match until_signal(kind, &copy, before, context)? {
        Edited::Unchanged => context.ui.status(format_args!("Nothing was changed.")),
        Edited::Changed(after) => {
            kind.keep(name, &after, true)?;
            context.ui.status(format_args!("Kept: {}", file.display()));
        }
        Edited::Rejected(fault) => return Err(rejected(kind, &file, copy, fault)),
    }
    Ok(())
}

/// Has the copy edited, unless something ends the program. Then the editor is told, and not waited for.
fn until_signal(kind: SetKind, copy: &Path, before: String, context: &Context) -> anyhow::Result<Edited> {
    let editor = Arc::new(AtomicU32::new(0));
    let (running, copy, ui) = (Arc::clone(&editor), copy.to_owned(), context.ui.clone());
    let edited = move || loop {
        run_editor(&copy, &running)?;
        let after = inputs::text(&copy)?;
        let Err(fault) = check(kind, &after) else {
            return Ok(if after == before { Edited::Unchanged } else { Edited::Changed(after.into()) });
        };
        ui.warning(format_args!("{fault:#}"));
        match ask("It cannot be used so. Edit it again?") {
            Reply::Yes => {}
            Reply::Stopped => return Err(Stopped.into()),
            Reply::No | Reply::Unasked => return Ok(Edited::Rejected(fault)),
        }
    };
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        tokio::select! {
            edited = tokio::task::spawn_blocking(edited) => Some(edited),
            () = ended_by_signal() => None,
        }
    });
    runtime.shutdown_background();
    match ended {
        Some(edited) => edited.context("the set cannot be edited")?,
        None => {
            tell(editor.load(Ordering::SeqCst));
            Err(Stopped.into())
        }
    }
}

/// Has the editor end, if there is one.
#[cfg(unix)]
fn tell(editor: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(editor).ok().and_then(Pid::from_raw);
    // One that has ended just now needs no word.
    pid.into_iter().for_each(|pid| kill_process(pid, Signal::TERM).unwrap_or_default());
}

#[cfg(not(unix))]
fn tell(_: u32) {}

/// The error for a text that cannot be used, which says where it is kept.
fn rejected(kind: SetKind, file: &Path, copy: TempPath, fault: anyhow::Error) -> anyhow::Error {
    let as_it_was = format!("`{}` is as it was", file.display());
    let kept = match kind {
        // Whatever cannot be read may be a value.
        SetKind::Credentials => {
            let lost = "what you wrote is not kept, since it may hold credentials";
            return fault.context(format!("{as_it_was}; {lost}"));
        }
        SetKind::Parameters => beside(file),
    };
    match copy.persist(&kept) {
        Ok(()) => fault.context(format!("{as_it_was}; what you wrote is in `{}`", kept.display())),
        Err(error) => fault.context(format!("{as_it_was}; what you wrote cannot be kept: {}", error.error)),
    }
}

/// Where a text is kept that cannot be used. It is the name of no set.
fn beside(file: &Path) -> PathBuf {
    file.with_extension("rejected.yaml")
}

/// Runs the editor of the user's environment, as other programs do: as words of a shell, with the file after them.
fn run_editor(file: &Path, running: &AtomicU32) -> anyhow::Result<()> {
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(inputs::variable);
    let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    anyhow::ensure!(
        named.is_some() || has_terminal,
        "there is no terminal to edit on: set EDITOR to a program that needs none, or write the file"
    );
    let editor = named.unwrap_or_else(|| "vi".into());
    #[expect(clippy::disallowed_methods, reason = "the user's own editor, on a file of theirs")]
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file).stdin(Stdio::inherit());
    let child = command.spawn();
    let mut child = child.with_context(|| format!("the editor `{editor}` could not be started"))?;
    running.store(child.id(), Ordering::SeqCst);
    let status = child.wait();
    running.store(0, Ordering::SeqCst);
    let status = status.with_context(|| format!("the editor `{editor}` cannot be waited for"))?;
    anyhow::ensure!(status.success(), "the editor `{editor}` ended with an error, so nothing was changed");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make files")]

    use super::*;

    fn told(kind: SetKind) -> (tempfile::TempDir, String) {
        let home = tempfile::tempdir().unwrap();
        let set = home.path().join("prod.yaml");
        std::fs::write(&set, "a: 1\n").unwrap();
        let copy = inputs::private_copy(&set, &SecretString::from("a: [")).unwrap().into_temp_path();
        let error = rejected(kind, &set, copy, anyhow::anyhow!("no YAML"));
        assert_eq!(std::fs::read_to_string(&set).unwrap(), "a: 1\n");
        (home, format!("{error:#}"))
    }

    #[test]
    fn what_cannot_be_used_is_kept_for_its_user_alone_and_is_no_set() {
        let (home, told) = told(SetKind::Parameters);
        let kept = home.path().join("prod.rejected.yaml");
        assert!(told.contains(&format!("what you wrote is in `{}`", kept.display())), "{told}");
        assert!(told.ends_with(": no YAML"), "{told}");
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "a: [");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_may_hold_credentials_is_not_kept() {
        let (home, told) = told(SetKind::Credentials);
        assert!(told.contains("not kept, since it may hold credentials"), "{told}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
