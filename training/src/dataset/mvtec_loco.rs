//! The layout of `MVTec` LOCO AD (Bergmann et al., 2022): separate validation images, and a folder of masks
//! for each anomalous test image with one mask per defect.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{DatasetFiles, Group, TestItem, category, folder, listing};

const TEST: [(&str, Group); 3] = [
    ("good", Group::Unspecified),
    ("logical_anomalies", Group::Logical),
    ("structural_anomalies", Group::Structural),
];

pub(super) fn find(root: &Path) -> Result<DatasetFiles> {
    let test = test_items(root)?;
    Ok(DatasetFiles {
        train: listing::images_below(&root.join("train/good"))?,
        validation: listing::images_below(&root.join("validation/good"))?,
        test,
    })
}

/// Returns the images in `test` with their masks in `ground_truth`.
pub(super) fn test_items(root: &Path) -> Result<Vec<TestItem>> {
    let config = root.join("defects_config.json");
    ensure!(
        config.is_file(),
        "{}: file not found; the mvtec-loco layout requires it",
        config.display()
    );
    let mut test = Vec::new();
    for (type_name, group) in TEST {
        for path in listing::images(&root.join("test").join(type_name))? {
            let kind = folder::kind(type_name, group);
            let stem = path.file_stem().unwrap_or_default();
            let masks = match kind {
                super::Kind::Good => Vec::new(),
                super::Kind::Anomalous { .. } => {
                    listing::images(&root.join("ground_truth").join(type_name).join(stem))
                        .with_context(|| format!("masks of {}", path.display()))?
                }
            };
            test.push(TestItem { path, kind, masks });
        }
    }
    Ok(test)
}

/// Returns the anomalous images that have masks. The image files may be missing.
pub(super) fn items_with_masks(root: &Path) -> Result<Vec<TestItem>> {
    let mut items = Vec::new();
    for (type_name, group) in TEST {
        let mask_folders = root.join("ground_truth").join(type_name);
        if !mask_folders.is_dir() {
            continue;
        }
        for folder in listing::folders(&mask_folders)? {
            let stem = category::name(&folder);
            items.push(TestItem {
                path: root
                    .join("test")
                    .join(type_name)
                    .join(format!("{stem}.png")),
                kind: folder::kind(type_name, group),
                masks: listing::images(&folder)?,
            });
        }
    }
    Ok(items)
}
