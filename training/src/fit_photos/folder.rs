//! The photographs of a folder: all images in it and its subfolders, or the good training images of a
//! dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::dataset::{self, images_below};

/// Photographs with texts for the user.
#[derive(Debug)]
pub(super) struct Photographs {
    /// Files, sorted, without copies.
    pub(super) paths: Vec<PathBuf>,
    /// Texts for the user.
    pub(super) warnings: Vec<String>,
}

/// Finds the photographs of `folder`. Files with the same content are used once: a copy would be scored by
/// a model that has seen it.
pub(super) fn photographs(folder: &Path) -> Result<Photographs> {
    let mut warnings = Vec::new();
    let training = folder.join("train/good");
    let mut paths = if training.is_dir() {
        let mut paths = images_below(&training)?;
        let validation = folder.join("validation/good");
        if validation.is_dir() {
            paths.extend(images_below(&validation)?);
        }
        paths
    } else {
        let paths = images_below(folder)?;
        warnings.extend(subfolders(folder, &paths));
        paths
    };
    let copies = remove_copies(&mut paths)?;
    if copies > 0 {
        warnings.push(format!(
            "{copies} photographs have the same content as another one; each content is used once"
        ));
    }
    Ok(Photographs { paths, warnings })
}

/// Tells that photographs of subfolders are used, which may not be meant.
fn subfolders(folder: &Path, paths: &[PathBuf]) -> Option<String> {
    let inner: BTreeSet<String> = paths
        .iter()
        .filter_map(|path| path.strip_prefix(folder).ok()?.parent())
        .map(|parent| parent.display().to_string())
        .filter(|name| !name.is_empty())
        .collect();
    (!inner.is_empty()).then(|| {
        let names: Vec<String> = inner.into_iter().collect();
        format!(
            "photographs of subfolders are used as good parts too: {}",
            names.join(", ")
        )
    })
}

fn remove_copies(paths: &mut Vec<PathBuf>) -> Result<usize> {
    let mut sizes: BTreeMap<u64, usize> = BTreeMap::new();
    let mut lengths = Vec::with_capacity(paths.len());
    for path in paths.iter() {
        let length = std::fs::metadata(path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .len();
        *sizes.entry(length).or_default() += 1;
        lengths.push(length);
    }
    let before = paths.len();
    let mut seen = BTreeSet::new();
    let mut kept = Vec::with_capacity(before);
    for (path, length) in paths.drain(..).zip(lengths) {
        // Only files of equal length can have the same content.
        if sizes[&length] == 1 || seen.insert(dataset::file_sha256(&path)?) {
            kept.push(path);
        }
    }
    *paths = kept;
    Ok(before - paths.len())
}
