//! The `folder` layout: `train/good` and, optionally, `validation/good`, `test/good`, `test/TYPE` and
//! `ground_truth/TYPE/NAME_mask.png`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{DatasetFiles, Group, Kind, TestItem, category, listing};

pub(super) fn find(root: &Path) -> Result<DatasetFiles> {
    let has_test = root.join("test").exists();
    Ok(DatasetFiles {
        train: listing::images_below(&root.join("train/good"))?,
        validation: listing::images_if_any(&root.join("validation/good"))?,
        test: if has_test {
            test_items(root)?
        } else {
            Vec::new()
        },
    })
}

/// Returns the images in `test/good` and `test/TYPE` with their masks in `ground_truth/TYPE`, if there are any.
pub(super) fn test_items(root: &Path) -> Result<Vec<TestItem>> {
    let mut items = Vec::new();
    for folder in listing::folders(&root.join("test"))? {
        let type_name = category::name(&folder);
        let masks = if type_name == "good" {
            BTreeMap::new()
        } else {
            masks_by_image(&root.join("ground_truth").join(&type_name))?
        };
        for path in listing::images(&folder)? {
            items.push(TestItem {
                kind: kind(&type_name, Group::Unspecified),
                masks: masks.get(&stem(&path)).cloned().into_iter().collect(),
                path,
            });
        }
    }
    Ok(items)
}

/// Kind of the images in `test/TYPE`.
pub(super) fn kind(type_name: &str, group: Group) -> Kind {
    match type_name {
        "good" => Kind::Good,
        _ => Kind::Anomalous {
            type_name: type_name.to_owned(),
            group,
        },
    }
}

/// The masks of `folder` by the stem of their image. A mask is named as its image, with or without `_mask`
/// or `-mask`, in any case and with any extension.
fn masks_by_image(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let masks = listing::images_if_any(folder)?;
    Ok(masks
        .into_iter()
        .map(|path| {
            let name = stem(&path);
            let plain = name.strip_suffix("_mask").or(name.strip_suffix("-mask"));
            (plain.unwrap_or(&name).to_owned(), path)
        })
        .collect())
}

/// File name without extension, in lower case.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().to_lowercase()
}
