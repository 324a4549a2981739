//! Retinal OCT (Kermany et al., 2018): healthy eyes to train on, three diseases to find, no masks.
//! Several images are of one patient, so the published `val` is used, which shares none with `train`.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{Found, Group, Kind, TestItem, listing};

const DISEASES: [&str; 3] = ["CNV", "DME", "DRUSEN"];

pub(super) fn find(root: &Path) -> Result<Found> {
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
        "{}: none of {} there, one is needed",
        root.join("test").display(),
        DISEASES.join(", ")
    );
    Ok(Found {
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
