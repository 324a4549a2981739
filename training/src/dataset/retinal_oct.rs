//! The layout of retinal OCT (Kermany et al., 2018): training on healthy eyes, three diseases in the test
//! set, no masks. A patient has several images, so the published `val` split is used, which shares no
//! patient with `train`.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{DatasetFiles, Group, Kind, TestItem, listing};

const DISEASES: [&str; 3] = ["CNV", "DME", "DRUSEN"];

pub(super) fn find(root: &Path) -> Result<DatasetFiles> {
    let mut test = items(&root.join("test/NORMAL"), &Kind::Good)?;
    for disease in DISEASES {
        let kind = Kind::Anomalous {
            type_name: disease.to_owned(),
            group: Group::Unspecified,
        };
        let folder = root.join("test").join(disease);
        if folder.exists() {
            test.extend(items(&folder, &kind)?);
        }
    }
    ensure!(
        test.iter().any(|item| item.kind != Kind::Good),
        "{}: contains none of {}; at least one is required",
        root.join("test").display(),
        DISEASES.join(", ")
    );
    Ok(DatasetFiles {
        train: listing::images(&root.join("train/NORMAL"))?,
        validation: listing::images_if_any(&root.join("val/NORMAL"))?,
        test,
    })
}

fn items(folder: &Path, kind: &Kind) -> Result<Vec<TestItem>> {
    let item = |path| TestItem {
        path,
        kind: kind.clone(),
        masks: Vec::new(),
    };
    Ok(listing::images(folder)?.into_iter().map(item).collect())
}
