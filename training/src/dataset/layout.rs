//! Folder layouts of published datasets, and their detection.

use std::path::Path;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// Folder layout of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::doc_markdown,
    reason = "the command line's help prints these lines as they are"
)]
pub enum Layout {
    /// MVTec AD: train/good, test/good, test/TYPE, ground_truth/TYPE/NAME_mask.png
    MvtecAd,
    /// MVTec LOCO AD: train/good, validation/good, test/{good,logical_anomalies,structural_anomalies}, ground_truth/TYPE/NAME/*.png
    MvtecLoco,
    /// VisA: CATEGORY/Data/Images/{Normal,Anomaly}, CATEGORY/Data/Masks/Anomaly, split_csv/1cls.csv
    Visa,
    /// Retinal OCT: {train,val,test}/{NORMAL,CNV,DME,DRUSEN}
    RetinalOct,
    /// Any other dataset: train/good and, optionally, validation/good, test/good, test/TYPE, ground_truth/TYPE/NAME_mask.png
    Folder,
}

/// Folder layout of anomaly maps, as used by the official MVTec evaluations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::doc_markdown,
    reason = "the command line's help prints these lines as they are"
)]
pub enum MvtecLayout {
    /// MVTec LOCO AD: defects_config.json and a folder of masks for each image
    Loco,
    /// MVTec AD: one mask for each image
    Ad,
}

impl Layout {
    /// Detects the layout of a category's folder from the subfolders that are specific to a layout.
    pub(super) fn detect(root: &Path) -> Result<Self> {
        let has = |name: &str| root.join(name).exists();
        if has("Data/Images") {
            Ok(Self::Visa)
        } else if has("train/NORMAL") {
            Ok(Self::RetinalOct)
        } else if !has("train/good") {
            bail!(
                "{}: not the folder of a dataset; must contain train/good (MVTec AD, MVTec LOCO AD, plain folder), Data/Images (VisA) or train/NORMAL (retinal OCT)",
                root.display()
            )
        } else if has("defects_config.json")
            || has("test/logical_anomalies")
            || has("test/structural_anomalies")
        {
            Ok(Self::MvtecLoco)
        } else if has("ground_truth") && has("test/good") && !has("validation") {
            Ok(Self::MvtecAd)
        } else {
            Ok(Self::Folder)
        }
    }
}
