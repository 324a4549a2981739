//! The layout of `MVTec` AD (Bergmann et al., 2019): one mask for each anomalous test image.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{DatasetFiles, folder, listing};

pub(super) fn find(root: &Path) -> Result<DatasetFiles> {
    for required in ["test/good", "ground_truth"] {
        let required = root.join(required);
        ensure!(
            required.is_dir(),
            "{}: folder not found; the mvtec-ad layout requires it",
            required.display()
        );
    }
    Ok(DatasetFiles {
        train: listing::images_below(&root.join("train/good"))?,
        validation: Vec::new(),
        test: folder::test_items(root)?,
    })
}
