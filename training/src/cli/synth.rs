//! `mhkd synth`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::Result;
use clap::Args;

use crate::log::progress::Progress;
use crate::synth::{self, SynthOptions};

/// Writes OUT/line in the layout of MVTec LOCO AD, with masks and defects_config.json.
#[derive(Debug, Args)]
pub(super) struct Synth {
    /// Folder to create; must not exist or must be empty
    out: PathBuf,
    /// Random seed; equal seeds give equal images
    #[arg(long, default_value_t = SynthOptions::default().seed)]
    seed: u64,
    /// Image width in pixels
    #[arg(long, default_value_t = SynthOptions::default().width)]
    width: u32,
    /// Image height in pixels
    #[arg(long, default_value_t = SynthOptions::default().height)]
    height: u32,
    /// Number of good training images
    #[arg(long, default_value_t = SynthOptions::default().train)]
    train: u32,
    /// Number of good validation images, used for calibration
    #[arg(long, default_value_t = SynthOptions::default().validation)]
    validation: u32,
    /// Number of good test images
    #[arg(long, default_value_t = SynthOptions::default().good_test)]
    good_test: u32,
    /// Number of test images for each of the nine defects
    #[arg(long, default_value_t = SynthOptions::default().per_defect)]
    per_defect: u32,
}

impl Synth {
    pub(super) fn run(self) -> Result<ExitCode> {
        let options = SynthOptions {
            seed: self.seed,
            width: self.width,
            height: self.height,
            train: self.train,
            validation: self.validation,
            good_test: self.good_test,
            per_defect: self.per_defect,
        };
        let progress = Mutex::new(None);
        let summary = synth::write(&options, &self.out, |done, total| {
            let mut progress = progress
                .lock()
                .expect("no thread panics while it holds the lock");
            progress
                .get_or_insert_with(|| Progress::new("rendering", total, 0))
                .set(done, "");
        })?;
        println!(
            "{}: {} images, {} masks",
            summary.category.display(),
            summary.images,
            summary.channels
        );
        Ok(ExitCode::SUCCESS)
    }
}
