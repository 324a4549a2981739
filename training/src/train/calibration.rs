//! Calibration of a finished run, saved in its folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tch::Device;

use super::run::Run;
use crate::calibrate::{
    Calibration, ImageMaps, LocationNormalisation, LocationStatistics, image_maps, normalised,
};
use crate::dataset::loader::LoadedImage;
use crate::files;
use crate::log::progress::Progress;
use crate::network::student::Student;
use crate::network::teacher::Teacher;
use crate::settings;

/// A calibration with the statistics that normalise its maps.
#[derive(Clone, Debug)]
pub struct MeasuredCalibration {
    /// Statistics of every cell, if the settings enable them.
    pub location: Option<LocationNormalisation>,
    /// Calibration of the normalised maps.
    pub calibration: Calibration,
}

impl Run {
    /// Reads the calibration of the run.
    ///
    /// # Errors
    /// When the training is not finished, or the file cannot be read.
    pub fn calibration(&self) -> Result<Calibration> {
        let path = calibration_path(&self.folder);
        ensure!(
            !self.validation_changed,
            "{}: the validation images have changed since the run was calibrated; calibrate it again with `mhkd train --resume`",
            self.folder.display()
        );
        ensure!(
            path.exists(),
            "{}: the run is not calibrated, because its training is not finished; continue it with `mhkd train --resume`",
            self.folder.display()
        );
        toml::from_str(&std::fs::read_to_string(&path)?).with_context(|| path.display().to_string())
    }

    /// Reads the location normalisation, if the settings enable it.
    ///
    /// # Errors
    /// When the training is not finished, or the file cannot be read.
    pub fn location(&self) -> Result<Option<LocationNormalisation>> {
        let path = location_path(&self.folder);
        self.settings
            .location_normalisation
            .then(|| LocationNormalisation::load(&path))
            .transpose()
    }

    /// Removes an earlier calibration, then saves the settings of the new one. With this order, a run that is
    /// killed in between has no calibration.
    pub(super) fn remove_calibration(&self) -> Result<()> {
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
        self.remove_calibration()?;
        let measured = if self.folds() > 0 {
            self.calibrate_by_folds(device)?
        } else {
            self.calibrate_by_validation(|image| Ok(image_maps(teacher, student, image, device)))?
        };
        if let Some(location) = &measured.location {
            location.save(&location_path(&self.folder))?;
        }
        files::replace_text(
            &calibration_path(&self.folder),
            &toml::to_string_pretty(&measured.calibration)?,
        )
    }

    /// Calibrates another form of the run's student by the maps that `maps_of` computes, before location normalisation and
    /// without a frame.
    ///
    /// # Errors
    /// When an image cannot be read, `maps_of` fails, or a map is non-finite or constant.
    pub fn measure_calibration(
        &self,
        maps_of: impl FnMut(&LoadedImage) -> Result<ImageMaps>,
    ) -> Result<MeasuredCalibration> {
        if self.folds() > 0 {
            self.calibrate_changed_by_folds(maps_of)
        } else {
            self.calibrate_by_validation(maps_of)
        }
    }

    /// The statistics of every cell over the training images, if the settings enable them, then the rest over the
    /// validation images.
    fn calibrate_by_validation(
        &self,
        mut maps_of: impl FnMut(&LoadedImage) -> Result<ImageMaps>,
    ) -> Result<MeasuredCalibration> {
        let location = if self.settings.location_normalisation {
            let mut statistics = LocationStatistics::default();
            let train = &self.dataset.train;
            self.for_each_map("location statistics", train, &mut maps_of, |maps| {
                statistics.add(&maps);
            })?;
            Some(statistics.finish())
        } else {
            None
        };
        let validation = &self.dataset.validation;
        let mut maps = Vec::with_capacity(validation.len());
        self.for_each_map("calibration", validation, &mut maps_of, |image| {
            maps.push(normalised(location.as_ref(), image));
        })?;
        let frame = self.origin.architecture.frame();
        Ok(MeasuredCalibration {
            calibration: Calibration::measure(&maps, frame, self.settings.branch_weights)?,
            location,
        })
    }

    /// Calls `consume` with the maps of each image at `paths`, in order.
    fn for_each_map(
        &self,
        label: &str,
        paths: &[PathBuf],
        maps_of: &mut impl FnMut(&LoadedImage) -> Result<ImageMaps>,
        mut consume: impl FnMut(ImageMaps),
    ) -> Result<()> {
        let mut progress = Progress::new(label, paths.len() as u64, 0);
        for (done, image) in self.sequential_loader(paths).enumerate() {
            consume(maps_of(&image?)?);
            progress.set(done as u64 + 1, "");
        }
        progress.finish();
        Ok(())
    }
}

/// Returns whether the run in `folder` is finished and calibrated.
pub fn calibrated(folder: &Path) -> bool {
    calibration_path(folder).exists()
}

fn calibration_path(folder: &Path) -> PathBuf {
    folder.join("calibration.toml")
}

fn location_path(folder: &Path) -> PathBuf {
    folder.join("location.safetensors")
}
