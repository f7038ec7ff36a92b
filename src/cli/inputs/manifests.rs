//! Reads manifests as people have them: files, directories of them, and what another program prints.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::operations::rbac::ManifestFile;

/// The most bytes of manifests that are read, in all.
const MAX_BYTES: u64 = 64 << 20;

/// The most files in one directory.
const MAX_FILES: usize = 10_000;

/// The manifests in these files and directories; `-` is standard input.
///
/// # Errors
/// When one cannot be read, is no text, or all of them are too long.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<ManifestFile>> {
    let (mut files, mut left) = (Vec::new(), MAX_BYTES);
    for path in paths {
        for path in listed(path)? {
            let name = path.display().to_string();
            let text =
                if path == Path::new("-") { from_stdin(left)? } else { super::text_within(&path, left)? };
            left = left.saturating_sub(u64::try_from(text.len()).unwrap_or(u64::MAX));
            files.push(ManifestFile { name, text });
        }
    }
    Ok(files)
}

/// The file itself, or the manifests of a directory in the order of their names.
fn listed(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path == Path::new("-") || !is_directory(path) {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = || format!("`{}` cannot be read", path.display());
    #[expect(clippy::disallowed_methods, reason = "the directory was named by the person who called us")]
    let entries = std::fs::read_dir(path).with_context(unreadable)?;
    let mut found = Vec::new();
    for entry in entries.take(MAX_FILES + 1) {
        found.push(entry.with_context(unreadable)?.path());
    }
    anyhow::ensure!(found.len() <= MAX_FILES, "`{}` holds more than {MAX_FILES} files", path.display());
    let is_manifest = |path: &PathBuf| {
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        ["json", "yaml", "yml"].contains(&extension) && !is_directory(path)
    };
    found.retain(is_manifest);
    found.sort();
    Ok(found)
}

fn is_directory(path: &Path) -> bool {
    #[expect(clippy::disallowed_methods, reason = "the path was named by the person who called us")]
    path.is_dir()
}

fn from_stdin(most: u64) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut bytes).context("standard input")?;
    super::files::checked_text(Path::new("-"), bytes, most)
}
