//! Calibration by folds, for a dataset without validation images: students that each have not seen one part of the
//! training images give the maps by which the student of the run, which has seen all of them, is calibrated. They train
//! with the settings of the run, in the folders `fold-1`, `fold-2`, ... of it.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use tch::Device;

use super::calibration::MeasuredCalibration;
use super::run::{Part, Run};
use crate::calibrate::{Calibration, ImageMaps, LocationStatistics, image_maps, leave_one_out};
use crate::dataset::loader::LoadedImage;
use crate::fit::TrainingOutcome;
use crate::fit::checkpoint::Checkpoint;
use crate::log::progress::Progress;
use crate::network::student::Student;

/// Indices of `count` images that the student of `fold` does not see. Neighbours in a list are often images of the same
/// part, so a fold is a block of them.
pub fn held_out(fold: usize, folds: usize, count: usize) -> Range<usize> {
    fold * count / folds..(fold + 1) * count / folds
}

impl Run {
    /// Trains the student of each fold, from its last checkpoint if there is one. Requires the trained student of the run,
    /// whose statistics of the teacher they use.
    pub(super) fn train_folds(
        &self,
        device: Device,
        interrupted: &AtomicBool,
    ) -> Result<TrainingOutcome> {
        for fold in 0..self.folds() {
            let outcome = self.train_part(&self.fold(fold), device, interrupted)?;
            if outcome == TrainingOutcome::Interrupted {
                return Ok(outcome);
            }
        }
        Ok(TrainingOutcome::Finished)
    }

    /// Maps of every training image by the student that has not seen it, before location normalisation, without a frame.
    fn unseen_maps(&self, device: Device) -> Result<Vec<ImageMaps>> {
        let train = &self.dataset.train;
        let mut progress = Progress::new("maps of unseen images", train.len() as u64, 0);
        let mut maps = Vec::with_capacity(train.len());
        for fold in 0..self.folds() {
            let checkpoint = Checkpoint::load(&self.fold(fold).checkpoint())?;
            let student = Student::new(
                &self.origin.architecture,
                self.settings.channels_last,
                device,
            );
            checkpoint
                .restore(student.tensors())
                .with_context(|| self.fold(fold).checkpoint().display().to_string())?;
            let teacher = self.restore_teacher(&checkpoint, device)?;
            let paths = &train[held_out(fold, self.folds(), train.len())];
            for image in self.sequential_loader(paths) {
                maps.push(image_maps(&teacher, &student, &image?, device));
                progress.set(maps.len() as u64, "");
            }
        }
        progress.finish();
        Ok(maps)
    }

    /// Calibration by the maps of students that have not seen an image.
    pub(super) fn calibrate_by_folds(&self, device: Device) -> Result<MeasuredCalibration> {
        self.calibrated_by(&self.unseen_maps(device)?)
    }

    /// The same for another form of the student of the run, whose maps `maps_of` computes. The maps by students that have
    /// not seen an image are taken to differ as much as those of the student of the run do.
    pub(super) fn calibrate_changed_by_folds(
        &self,
        mut maps_of: impl FnMut(&LoadedImage) -> Result<ImageMaps>,
    ) -> Result<MeasuredCalibration> {
        let device = Device::Cpu;
        let (teacher, student) = self.networks(device)?;
        let mut maps = self.unseen_maps(device)?;
        let mut progress = Progress::new("calibration", maps.len() as u64, 0);
        let images = self.sequential_loader(&self.dataset.train);
        for (done, (unseen, image)) in (1..).zip(maps.iter_mut().zip(images)) {
            let image = image?;
            let before = image_maps(&teacher, &student, &image, device);
            *unseen = unseen.changed(&before, &maps_of(&image)?);
            progress.set(done, "");
        }
        progress.finish();
        self.calibrated_by(&maps)
    }

    fn calibrated_by(&self, unseen: &[ImageMaps]) -> Result<MeasuredCalibration> {
        let normalise = self.settings.location_normalisation;
        let location = normalise.then(|| {
            let mut statistics = LocationStatistics::default();
            for maps in unseen {
                statistics.add(maps);
            }
            statistics.finish()
        });
        let normalised = normalise.then(|| leave_one_out(unseen));
        Ok(MeasuredCalibration {
            calibration: Calibration::measure(
                normalised.as_deref().unwrap_or(unseen),
                self.origin.architecture.frame(),
                self.settings.branch_weights,
            )?,
            location,
        })
    }

    /// Number of folds; 0 if validation images calibrate the run.
    pub(super) fn folds(&self) -> usize {
        self.settings.calibration_folds.unwrap_or(0)
    }

    fn fold(&self, fold: usize) -> Part {
        let train = &self.dataset.train;
        let unseen = held_out(fold, self.folds(), train.len());
        let seen = train.iter().enumerate();
        let seen: Vec<PathBuf> = seen
            .filter(|(index, _)| !unseen.contains(index))
            .map(|(_, path)| path.clone())
            .collect();
        Part {
            folder: self.folder.join(format!("fold-{}", fold + 1)),
            train: seen,
            title: format!("training {} of {}", fold + 2, self.folds() + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_is_held_out_by_one_fold() {
        for count in 2..40 {
            for folds in 2..=count.min(10) {
                let blocks: Vec<usize> = (0..folds)
                    .flat_map(|fold| held_out(fold, folds, count))
                    .collect();
                assert_eq!(blocks, (0..count).collect::<Vec<_>>(), "{count} {folds}");
                assert!((0..folds).all(|fold| !held_out(fold, folds, count).is_empty()));
            }
        }
    }
}
