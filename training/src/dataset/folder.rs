//! A plain folder: `train/good`, and what there is of `validation/good`, `test/good`, `test/TYPE` and
//! `ground_truth/TYPE/NAME_mask.png`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{Found, Group, Kind, TestItem, category, listing};

/// Whether an anomalous image must have a mask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Masks {
    /// Every one.
    Required,
    /// Those of a type that has a folder of masks.
    WhereDrawn,
}

pub(super) fn find(root: &Path) -> Result<Found> {
    let has_test = root.join("test").exists();
    Ok(Found {
        train: listing::images(&root.join("train/good"))?,
        validation: listing::images_if_any(&root.join("validation/good"))?,
        test: if has_test {
            test_items(root, Masks::WhereDrawn)?
        } else {
            Vec::new()
        },
    })
}

/// The images in `test/good` and `test/TYPE` with the masks in `ground_truth/TYPE`.
pub(super) fn test_items(root: &Path, masks: Masks) -> Result<Vec<TestItem>> {
    let mut items = Vec::new();
    for folder in listing::folders(&root.join("test"))? {
        let type_name = category::name(&folder);
        let drawn = root.join("ground_truth").join(&type_name);
        let has_masks = type_name != "good" && (masks == Masks::Required || drawn.is_dir());
        for path in listing::images(&folder)? {
            items.push(TestItem {
                kind: kind(&type_name, Group::Unspecified),
                masks: if has_masks {
                    vec![mask(&drawn, &path)?]
                } else {
                    Vec::new()
                },
                path,
            });
        }
    }
    Ok(items)
}

/// What the images of `test/TYPE` show.
pub(super) fn kind(type_name: &str, group: Group) -> Kind {
    match type_name {
        "good" => Kind::Good,
        _ => Kind::Anomalous {
            type_name: type_name.to_owned(),
            group,
        },
    }
}

fn mask(drawn: &Path, image: &Path) -> Result<PathBuf> {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let path = drawn.join(format!("{stem}_mask.png"));
    if path.is_file() {
        Ok(path)
    } else {
        bail!(
            "{}: no such file, the mask of {}",
            path.display(),
            image.display()
        )
    }
}
