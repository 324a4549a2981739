//! Files that are replaced as a whole, with the folder created and the path in every error.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use inspectd_core::atomic_file;

/// Calls `write` with a temporary file in the folder of `path`, and replaces `path` by it
/// ([`atomic_file::replace`]). The folder is created.
///
/// # Errors
/// Those of `write`, and when the file cannot be written. The old file is then unchanged.
pub fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let attempt = || -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        atomic_file::replace(path, write)
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

/// Calls `fill` with a new folder, and replaces `folder` by it ([`atomic_file::replace_folder`]). The folder
/// that contains it is created.
///
/// # Errors
/// Those of `fill`, and when the folder cannot be written. The old folder is then in its place.
pub fn replace_folder<T>(folder: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let attempt = || -> Result<T> {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent)?;
        }
        atomic_file::replace_folder(folder, fill)
    };
    attempt().with_context(|| format!("cannot write {}", folder.display()))
}
