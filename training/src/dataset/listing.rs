//! Lists the files and folders in a folder, sorted by name, so that the order is the same on every machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use walkdir::{DirEntry, WalkDir};

/// File name extensions of images, in lower case.
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp"];

fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
}

fn is_image(path: &Path) -> bool {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

fn entries(folder: &Path, depth: usize) -> Result<Vec<DirEntry>> {
    WalkDir::new(folder)
        .min_depth(1)
        .max_depth(depth)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !is_hidden(entry))
        .collect::<walkdir::Result<_>>()
        .with_context(|| format!("cannot list {}", folder.display()))
}

fn images_to_depth(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    ensure!(folder.is_dir(), "{}: folder not found", folder.display());
    let images: Vec<PathBuf> = entries(folder, depth)?
        .into_iter()
        .filter(|entry| entry.file_type().is_file() && is_image(entry.path()))
        .map(DirEntry::into_path)
        .collect();
    ensure!(
        !images.is_empty(),
        "{}: contains no images ({})",
        folder.display(),
        EXTENSIONS.join(", ")
    );
    Ok(images)
}

/// Returns the images in `folder`, which must contain at least one.
pub(super) fn images(folder: &Path) -> Result<Vec<PathBuf>> {
    images_to_depth(folder, 1)
}

/// Returns the images in `folder`, or an empty list if the folder does not exist.
pub(super) fn images_if_any(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.exists() {
        images(folder)
    } else {
        Ok(Vec::new())
    }
}

/// Returns every image in `folder` and its subfolders.
///
/// # Errors
/// When the folder does not exist or contains no image.
pub fn images_below(folder: &Path) -> Result<Vec<PathBuf>> {
    images_to_depth(folder, usize::MAX)
}

/// Returns the direct subfolders of `folder`.
pub(super) fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let inner = entries(folder, 1)?;
    Ok(inner
        .into_iter()
        .filter(|entry| entry.file_type().is_dir())
        .map(DirEntry::into_path)
        .collect())
}
