//! The end of a run: what its networks say of good parts, kept in its folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tch::Device;

use super::run::Run;
use crate::calibrate::{
    Calibration, ImageMaps, LocationNormalisation, LocationStatistics, image_maps, normalised,
};
use crate::files;
use crate::log::progress::Progress;
use crate::network::student::{Student, Teacher};
use crate::settings;

impl Run {
    /// What the run's training found out about good parts.
    ///
    /// # Errors
    /// When the training is not over yet.
    pub fn calibration(&self) -> Result<Calibration> {
        let path = calibration_path(&self.folder);
        ensure!(
            path.exists(),
            "{} is not calibrated: its training is not over; `mhkd train --resume` ends it",
            self.folder.display()
        );
        toml::from_str(&std::fs::read_to_string(&path)?).with_context(|| path.display().to_string())
    }

    /// What the maps are normalised by, cell by cell, where the settings say so.
    ///
    /// # Errors
    /// When the training is not over yet.
    pub fn location(&self) -> Result<Option<LocationNormalisation>> {
        let path = location_path(&self.folder);
        self.settings
            .location_normalisation
            .then(|| LocationNormalisation::load(&path))
            .transpose()
    }

    /// Removes an earlier calibration and keeps the settings of the one to come, in this order: a run that
    /// ends in between has none.
    fn forget_calibration(&self) -> Result<()> {
        let path = calibration_path(&self.folder);
        if path.exists() {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
        settings::save(&self.settings, &settings::path(&self.folder))
    }

    /// Calibrates the run with its trained networks.
    pub(super) fn calibrate(
        &self,
        teacher: &Teacher,
        student: &Student,
        device: Device,
    ) -> Result<()> {
        self.forget_calibration()?;
        let networks = (teacher, student);
        let settings = &self.settings;
        if settings.location_normalisation {
            let mut statistics = LocationStatistics::default();
            let train = &self.dataset.train;
            self.each_map("location statistics", train, networks, device, |maps| {
                statistics.add(&maps);
            })?;
            statistics.finish().save(&location_path(&self.folder))?;
        }
        let location = self.location()?;
        let validation = &self.dataset.validation;
        let mut maps = Vec::with_capacity(validation.len());
        self.each_map("calibration", validation, networks, device, |image| {
            maps.push(normalised(location.as_ref(), image));
        })?;
        let calibration = Calibration::measure(&maps, settings.branch_weights)?;
        files::replace_text(
            &calibration_path(&self.folder),
            &toml::to_string_pretty(&calibration)?,
        )
    }

    /// Hands `take` the raw maps of the images at `paths`, one after the other.
    fn each_map(
        &self,
        label: &str,
        paths: &[PathBuf],
        (teacher, student): (&Teacher, &Student),
        device: Device,
        mut take: impl FnMut(ImageMaps),
    ) -> Result<()> {
        let mut progress = Progress::new(label, paths.len() as u64, 0);
        for (done, image) in self.in_turn(paths).enumerate() {
            take(image_maps(teacher, student, &image?, device));
            progress.set(done as u64 + 1, "");
        }
        progress.finish();
        Ok(())
    }
}

/// Whether the run in `folder` is over and calibrated.
pub fn calibrated(folder: &Path) -> bool {
    calibration_path(folder).exists()
}

fn calibration_path(folder: &Path) -> PathBuf {
    folder.join("calibration.toml")
}

fn location_path(folder: &Path) -> PathBuf {
    folder.join("location.safetensors")
}
