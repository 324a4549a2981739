//! Atomic replacement of files: readers see the old content or the new content, never a part.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// Calls `write` with a temporary file in the folder of `path`, syncs it to disk and renames it to `path`.
///
/// # Errors
/// When a step fails. The previous file at `path` is then unchanged and the temporary file is removed.
pub fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let attempt = || -> Result<()> {
        fs::create_dir_all(folder)?;
        let part = NamedTempFile::with_suffix_in(".part", folder)?.into_temp_path();
        write(&part)?;
        File::open(&part)?.sync_all()?;
        part.persist(path)?;
        // The rename is durable only after the folder itself is synced.
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    attempt().with_context(|| format!("cannot write {}", path.display()))
}

/// Replaces the content of `path` with `text`.
///
/// # Errors
/// Same as [`replace`].
pub fn replace_text(path: &Path, text: &str) -> Result<()> {
    replace(path, |part| Ok(fs::write(part, text)?))
}
