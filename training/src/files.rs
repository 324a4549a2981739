//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// Lets `write` fill a temporary file beside `path`, flushes it to the disk and renames it to `path`.
///
/// # Errors
/// When anything of this fails; what was at `path` is then still there and the temporary file is not.
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
        // The rename itself is only as durable as the folder's entry.
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    attempt().with_context(|| format!("cannot write {}", path.display()))
}

/// Replaces `path` by `text`.
///
/// # Errors
/// As [`replace`].
pub fn replace_text(path: &Path, text: &str) -> Result<()> {
    replace(path, |part| Ok(fs::write(part, text)?))
}
