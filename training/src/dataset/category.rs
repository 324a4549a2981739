//! Which folder is the category's: the one that was named, or the only one there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::listing;

/// Folders of which a category has one, whatever its layout.
const MARKS: [&str; 3] = ["train/good", "train/NORMAL", "Data/Images"];

fn is_category(folder: &Path) -> bool {
    MARKS.iter().any(|mark| folder.join(mark).is_dir())
}

/// The name of a category's folder.
pub(super) fn name(folder: &Path) -> String {
    folder
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The names of the categories in `path`, sorted, or of the one that `path` itself is.
///
/// # Errors
/// When `path` is no folder or there is no category; what a category's folder has is said.
pub fn categories(path: &Path) -> Result<Vec<String>> {
    let path = path
        .canonicalize()
        .with_context(|| format!("{}: no such folder", path.display()))?;
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
        "{}: no category in it; a category's folder has {}",
        path.display(),
        MARKS.join(" or ")
    );
    names.sort();
    Ok(names)
}

/// The folder of `category` in `path`, or `path` itself where it is that category's folder.
pub(super) fn locate(path: &Path, category: Option<&str>) -> Result<PathBuf> {
    let path = path
        .canonicalize()
        .with_context(|| format!("{}: no such folder", path.display()))?;
    ensure!(
        path.is_dir(),
        "{}: a file, where the folder of a dataset or of one of its categories is needed",
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
        let there = match (names.is_empty(), is_category(&path)) {
            (false, _) => format!("there: {names}"),
            (true, true) => "it is the folder of a single category; name none".to_owned(),
            (true, false) => format!(
                "there is none; a category's folder has {}",
                MARKS.join(" or ")
            ),
        };
        bail!("{}: no category {category:?} ({there})", path.display());
    }
    match &inner[..] {
        _ if is_category(&path) => Ok(path),
        [only] => Ok(only.clone()),
        // The layout says what it misses.
        [] => Ok(path),
        _ => bail!("{}: several categories, name one: {names}", path.display()),
    }
}
