//! `MVTec` LOCO AD (Bergmann et al., 2022): validation images of its own, and a folder of masks for each
//! anomalous test image, one mask a defect.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Found, Group, TestItem, category, folder, listing};

const TEST: [(&str, Group); 3] = [
    ("good", Group::Unspecified),
    ("logical_anomalies", Group::Logical),
    ("structural_anomalies", Group::Structural),
];

pub(super) fn find(root: &Path) -> Result<Found> {
    let test = test_items(root)?;
    Ok(Found {
        train: listing::images(&root.join("train/good"))?,
        validation: listing::images(&root.join("validation/good"))?,
        test,
    })
}

/// The images in `test` with the masks in `ground_truth`.
pub(super) fn test_items(root: &Path) -> Result<Vec<TestItem>> {
    let config = root.join("defects_config.json");
    ensure!(
        config.is_file(),
        "{}: no such file, and the mvtec-loco layout has it",
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
                        .with_context(|| format!("the masks of {}", path.display()))?
                }
            };
            test.push(TestItem { path, kind, masks });
        }
    }
    Ok(test)
}

/// The anomalous images that masks are there for, whether or not the images are there.
pub(super) fn drawn_items(root: &Path) -> Result<Vec<TestItem>> {
    let mut items = Vec::new();
    for (type_name, group) in TEST {
        let drawn = root.join("ground_truth").join(type_name);
        if !drawn.is_dir() {
            continue;
        }
        for folder in listing::folders(&drawn)? {
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
