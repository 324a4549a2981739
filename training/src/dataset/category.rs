//! Location of a category's folder: the named category, or the only one in the dataset.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::listing;

/// Marker folders. A category of any layout has exactly one of them.
const MARKER_FOLDERS: [&str; 3] = ["train/good", "train/NORMAL", "Data/Images"];

fn is_category(folder: &Path) -> bool {
    MARKER_FOLDERS
        .iter()
        .any(|marker| folder.join(marker).is_dir())
}

/// Name of a category: the name of its folder.
pub(super) fn name(folder: &Path) -> String {
    folder
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Returns the sorted names of the categories in `path`. If `path` is the folder of a category, returns its
/// name.
///
/// # Errors
/// When `path` is not a folder or contains no category. The message lists the marker folders.
pub fn categories(path: &Path) -> Result<Vec<String>> {
    let path = path
        .canonicalize()
        .with_context(|| format!("{}: folder not found", path.display()))?;
    if is_category(&path) {
        return Ok(vec![name(&path)]);
    }
    let inner = listing::folders(&path)?;
    let mut names: Vec<String> = inner
        .iter()
        .filter(|folder| is_category(folder))
        .map(|folder| name(folder))
        .collect();
    ensure!(
        !names.is_empty(),
        "{}: contains no category; the folder of a category contains {}",
        path.display(),
        MARKER_FOLDERS.join(" or ")
    );
    names.sort();
    Ok(names)
}

/// Returns the folder of `category` in `path`, or `path` itself if it is the folder of that category.
pub(super) fn locate(path: &Path, category: Option<&str>) -> Result<PathBuf> {
    let path = path
        .canonicalize()
        .with_context(|| format!("{}: folder not found", path.display()))?;
    ensure!(
        path.is_dir(),
        "{}: not a folder; must be the folder of a dataset or of one of its categories",
        path.display()
    );
    let inner: Vec<PathBuf> = listing::folders(&path)?
        .into_iter()
        .filter(|folder| is_category(folder))
        .collect();
    let names = inner
        .iter()
        .map(|folder| name(folder))
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(category) = category {
        if let Some(folder) = inner.into_iter().find(|folder| name(folder) == category) {
            return Ok(folder);
        }
        if name(&path) == category {
            return Ok(path);
        }
        let available = match (names.is_empty(), is_category(&path)) {
            (false, _) => format!("available: {names}"),
            (true, true) => "the folder is a single category; omit the category name".to_owned(),
            (true, false) => format!(
                "none found; the folder of a category contains {}",
                MARKER_FOLDERS.join(" or ")
            ),
        };
        bail!(
            "{}: category {category:?} not found ({available})",
            path.display()
        );
    }
    match &inner[..] {
        _ if is_category(&path) => Ok(path),
        [only] => Ok(only.clone()),
        // Layout detection reports what is missing.
        [] => Ok(path),
        _ => bail!(
            "{}: contains several categories; choose one: {names}",
            path.display()
        ),
    }
}
