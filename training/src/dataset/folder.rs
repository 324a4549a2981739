//! The `folder` layout: `train/good` and, optionally, `validation/good`, `test/good`, `test/TYPE` and
//! `ground_truth/TYPE/NAME_mask.png`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{DatasetFiles, Group, Kind, TestItem, category, listing};

/// Which anomalous images must have a mask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MaskRequirement {
    /// Every anomalous image.
    AllTypes,
    /// Images of a defect type that has a folder of masks.
    TypesWithMasks,
}

pub(super) fn find(root: &Path) -> Result<DatasetFiles> {
    let has_test = root.join("test").exists();
    Ok(DatasetFiles {
        train: listing::images(&root.join("train/good"))?,
        validation: listing::images_if_any(&root.join("validation/good"))?,
        test: if has_test {
            test_items(root, MaskRequirement::TypesWithMasks)?
        } else {
            Vec::new()
        },
    })
}

/// Returns the images in `test/good` and `test/TYPE` with their masks in `ground_truth/TYPE`.
pub(super) fn test_items(root: &Path, requirement: MaskRequirement) -> Result<Vec<TestItem>> {
    let mut items = Vec::new();
    for folder in listing::folders(&root.join("test"))? {
        let type_name = category::name(&folder);
        let mask_folder = root.join("ground_truth").join(&type_name);
        let has_masks = type_name != "good"
            && (requirement == MaskRequirement::AllTypes || mask_folder.is_dir());
        for path in listing::images(&folder)? {
            items.push(TestItem {
                kind: kind(&type_name, Group::Unspecified),
                masks: if has_masks {
                    vec![mask(&mask_folder, &path)?]
                } else {
                    Vec::new()
                },
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

fn mask(mask_folder: &Path, image: &Path) -> Result<PathBuf> {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let path = mask_folder.join(format!("{stem}_mask.png"));
    if path.is_file() {
        Ok(path)
    } else {
        bail!("{}: mask of {} not found", path.display(), image.display())
    }
}
