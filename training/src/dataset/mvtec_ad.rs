//! `MVTec` AD (Bergmann et al., 2019): a mask for each anomalous test image.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{Found, folder, listing};

pub(super) fn find(root: &Path) -> Result<Found> {
    for needed in ["test/good", "ground_truth"] {
        let needed = root.join(needed);
        ensure!(
            needed.is_dir(),
            "{}: no such folder, and the mvtec-ad layout has it",
            needed.display()
        );
    }
    Ok(Found {
        train: listing::images(&root.join("train/good"))?,
        validation: Vec::new(),
        test: folder::test_items(root, folder::Masks::Required)?,
    })
}
