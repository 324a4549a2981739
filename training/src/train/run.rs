//! A run: one folder with everything of a training, from its settings to its calibration.
//!
//! | file | content |
//! |---|---|
//! | `settings.toml` | all settings, as resolved when the run was started |
//! | `run.toml` | origin: networks, teacher, dataset |
//! | `teacher.safetensors` | a copy of the teacher file, so that an export needs only this folder; none if the teacher is a backbone |
//! | `checkpoint.safetensors`, `best.safetensors` | weights after the last step; best weights, with early stopping |
//! | `losses.csv`, `events.out.tfevents.*`, `curves.png` | logs of the training |
//! | `location.safetensors` | mean and spread of every map cell, with location normalisation |
//! | `fold-N/` | checkpoint and logs of a student that calibrates the run, with `calibration_folds` |
//! | `calibration.toml` | quantiles and validation scores; written when the training is finished |

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use inspectd_core::score::upper_bound;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::settings::{CHANGEABLE_ON_RESUME, Settings};
use super::task::StudentTraining;
use super::teacher_source::TeacherSource;
use crate::dataset::{self, Dataset};
use crate::files;
use crate::fit::checkpoint::Checkpoint;
use crate::fit::{self, TrainingOutcome};
use crate::log::progress::Progress;
use crate::network::architecture::Architecture;
use crate::network::student::Student;
use crate::network::teacher::{Teacher, TeacherNetwork};
use crate::settings;
use crate::teacher::statistics::ChannelStatistics;
use crate::tensors;

/// Origin of a run, saved as `run.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Architecture of the networks.
    pub architecture: Architecture,
    /// Origin of the teacher, one line.
    pub teacher_description: String,
    /// SHA-256 of the teacher file.
    pub teacher_sha256: String,
    /// Layout of the dataset.
    pub dataset_layout: String,
    /// Category of the dataset.
    pub category: String,
    /// SHA-256 over the names and contents of the training and validation images.
    pub dataset_fingerprint: String,
    /// The same over the training images alone; runs of version 0.1.0 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_fingerprint: Option<String>,
    /// SHA-256 over the names and lengths of the penalty images of a folder, or a description of generated ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty_fingerprint: Option<String>,
    /// Git revision that the program was built from.
    pub revision: String,
}

/// One training of a run.
#[derive(Debug)]
pub(super) struct Part {
    /// Folder of its checkpoint and logs.
    pub(super) folder: PathBuf,
    /// Its training images.
    pub(super) train: Vec<PathBuf>,
    /// Title of its progress bar.
    pub(super) title: String,
}

impl Part {
    /// Path of its last checkpoint.
    pub(super) fn checkpoint(&self) -> PathBuf {
        fit::checkpoint_path(&self.folder)
    }
}

/// An open run.
#[derive(Debug)]
pub struct Run {
    /// Folder of the run.
    pub folder: PathBuf,
    /// Settings of the run.
    pub settings: Settings,
    /// Origin of the run.
    pub origin: Origin,
    pub(super) dataset: Dataset,
    teacher: TeacherSource,
    /// Whether the validation images are others than those of the calibration.
    pub(super) validation_changed: bool,
}

impl Run {
    /// Creates a run in `folder`, which must not contain a run.
    ///
    /// # Errors
    /// When a setting is out of range, the dataset or the teacher cannot be read, or `folder` contains a run.
    pub fn create(folder: &Path, settings: Settings, device: Device) -> Result<Self> {
        settings.validate()?;
        let exists = fit::checkpoint_path(folder).exists() || settings::path(folder).exists();
        ensure!(
            !exists,
            "{} already contains a run: use --resume to continue it, or another --out",
            folder.display()
        );
        let settings = Settings {
            precision: settings.precision.resolve(device),
            steps: Some(settings.steps()),
            penalty_images: Some(settings.penalty()),
            ..settings
        };
        let dataset = open(&settings)?;
        check_images(&dataset, &settings)?;
        let teacher = TeacherSource::of(&settings)?;
        let origin = Origin::of(&settings, &dataset, &teacher)?;
        teacher.copy_to(folder, &settings)?;
        origin.save(folder)?;
        settings::save(&settings, &settings::path(folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            settings,
            origin,
            dataset,
            teacher,
            validation_changed: false,
        })
    }

    /// Opens the run in `folder`. `flags` may change only [`CHANGEABLE_ON_RESUME`]. The validation images may have
    /// changed, unless they have decided when the training stops; [`Run::train`] then calibrates again.
    ///
    /// # Errors
    /// When `folder` does not contain a run, other settings are changed, or the training images differ from those
    /// that the run was started with.
    pub fn open(folder: &Path, flags: &impl Serialize) -> Result<Self> {
        let path = settings::path(folder);
        ensure!(
            path.exists(),
            "{}: not a run, settings.toml not found",
            folder.display()
        );
        let (saved, mut settings) = settings::saved::<Settings>(&path, flags)?;
        if settings.precision == fit::plan::Precision::Auto {
            settings.precision = saved.precision;
        }
        settings::check_resumable(&saved, &settings, &CHANGEABLE_ON_RESUME)?;
        settings.validate()?;
        ensure!(
            settings.steps() >= saved.steps(),
            "steps = {}: the run has {}; a resumed run may have more steps, not fewer",
            settings.steps(),
            saved.steps()
        );
        let mut origin = Origin::load(folder)?;
        let dataset = open(&settings)?;
        let fingerprint = dataset.fingerprint()?;
        let validation_changed = fingerprint != origin.dataset_fingerprint;
        if validation_changed {
            ensure!(
                settings.early_stopping_every.is_none()
                    && origin.train_fingerprint == Some(dataset.train_fingerprint()?),
                "the images of {} differ from those that the run was started with (fingerprint {fingerprint}, the run has {})",
                settings.dataset.display(),
                origin.dataset_fingerprint
            );
            origin.dataset_fingerprint = fingerprint;
        }
        let penalty = settings.penalty();
        ensure!(
            penalty.fingerprint()? == origin.penalty_fingerprint,
            "penalty_images = \"{penalty}\": the penalty images differ from those that the run was started with ({})",
            origin.penalty_fingerprint.as_deref().unwrap_or("none")
        );
        Ok(Self {
            teacher: TeacherSource::open(folder, &origin.architecture, &origin.teacher_sha256)?,
            folder: folder.to_owned(),
            settings,
            origin,
            dataset,
            validation_changed,
        })
    }

    /// Trains from the last checkpoint, or from the start if no checkpoint exists. Calibrates at the end.
    ///
    /// # Errors
    /// When an image cannot be read, a loss is non-finite, or a file cannot be written.
    pub fn train(&self, device: Device, interrupted: &AtomicBool) -> Result<TrainingOutcome> {
        if self.validation_changed {
            eprintln!(
                "the validation images have changed since the run was started; the run is calibrated with the present ones"
            );
            check_images(&self.dataset, &self.settings)?;
            self.remove_calibration()?;
            self.origin.save(&self.folder)?;
        }
        let main = self.main_part();
        let mut outcome = self.train_part(&main, device, interrupted)?;
        if outcome != TrainingOutcome::Interrupted && self.folds() > 0 {
            outcome = self.train_folds(device, interrupted)?;
        }
        if outcome != TrainingOutcome::Interrupted {
            let (teacher, student) = self.networks(device)?;
            self.calibrate(&teacher, &student, device)?;
        }
        Ok(outcome)
    }

    /// The training of the student of the bundle.
    fn main_part(&self) -> Part {
        Part {
            folder: self.folder.clone(),
            train: self.dataset.train.clone(),
            title: match self.folds() {
                0 => "training".to_owned(),
                folds => format!("training 1 of {}", folds + 1),
            },
        }
    }

    /// Trains a student from the last checkpoint of `part`, or from the start if no checkpoint exists.
    pub(super) fn train_part(
        &self,
        part: &Part,
        device: Device,
        interrupted: &AtomicBool,
    ) -> Result<TrainingOutcome> {
        let load = |path: PathBuf| path.exists().then(|| Checkpoint::load(&path)).transpose();
        let checkpoint = load(part.checkpoint())?;
        let start = checkpoint
            .as_ref()
            .map_or(Ok(0), |checkpoint| checkpoint.metadata_value("step"))?;
        // A fold takes the statistics of the teacher from the student of the run.
        let measured = match &checkpoint {
            Some(_) => None,
            None => load(self.main_part().checkpoint())?,
        };
        tch::manual_seed(self.settings.seed as i64);
        let student = Student::new(
            &self.origin.architecture,
            self.settings.channels_last,
            device,
        )
        .dropout(self.settings.dropout);
        let teacher = match checkpoint.as_ref().or(measured.as_ref()) {
            Some(checkpoint) => self.restore_teacher(checkpoint, device)?,
            None => self.measure_teacher(device)?,
        };
        if start < self.settings.steps() {
            // An extended run has the calibration of its shorter training.
            self.remove_calibration()?;
        }
        let data = self.data(&part.train, start)?;
        let objective = self.objective(start)?;
        let mut task =
            StudentTraining::new(teacher, student, data, objective, device).titled(&part.title);
        fit::run(
            &mut task,
            &self.settings.plan(),
            &part.folder,
            checkpoint.as_ref(),
            interrupted,
        )
    }

    /// Loads the trained teacher and student: the best weights if early stopping saved them, or else the
    /// last checkpoint.
    ///
    /// # Errors
    /// When the checkpoint cannot be read or does not match the architecture of the run.
    pub fn networks(&self, device: Device) -> Result<(Teacher, Student)> {
        let best = fit::best_path(&self.folder);
        let path = if best.exists() {
            best
        } else {
            fit::checkpoint_path(&self.folder)
        };
        let checkpoint = Checkpoint::load(&path)?;
        let student = Student::new(
            &self.origin.architecture,
            self.settings.channels_last,
            device,
        );
        checkpoint
            .restore(student.tensors())
            .with_context(|| path.display().to_string())?;
        Ok((self.restore_teacher(&checkpoint, device)?, student))
    }

    /// Summary of the run for the user, one paragraph.
    pub fn summary(&self, device: Device) -> String {
        let (settings, architecture) = (&self.settings, &self.origin.architecture);
        format!(
            "{} ({}): {} training images, {}\n{}\n{} at {}, {:.1} M parameters, {:.0} GFLOP per image; {} steps, batch size {}, {:?} on {device:?}\nteacher: {}",
            self.origin.category,
            self.origin.dataset_layout,
            self.dataset.train.len(),
            match self.folds() {
                0 => format!("{} validation images", self.dataset.validation.len()),
                folds => format!(
                    "calibrated by {folds} more students, each without a part of the images"
                ),
            },
            self.confidence(),
            architecture.preset.name(),
            settings.input_size,
            architecture.parameters() as f64 / 1e6,
            2.0 * architecture.macs() as f64 / 1e9,
            settings.steps(),
            settings.batch,
            settings.precision,
            self.origin.teacher_description,
        )
    }

    /// What the images of the calibration can say about a threshold, one line.
    fn confidence(&self) -> String {
        let count = self.dataset.calibration_images().len();
        let images = if self.folds() > 0 {
            "training"
        } else {
            "validation"
        };
        let bound = 100.0 * upper_bound(0, count, CONFIDENCE);
        let hint = if self.dataset.held_out {
            "; they are held out, because the dataset has no validation images; `--calibration-folds 3` calibrates with all images"
        } else {
            ""
        };
        format!(
            "a threshold that rejects none of {count} {images} images rejects at most {bound:.1} % of good parts, with {:.0} % confidence{hint}",
            100.0 * CONFIDENCE
        )
    }

    /// Dataset of the run.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Creates the teacher with feature statistics measured over the training images, one image at a time.
    fn measure_teacher(&self, device: Device) -> Result<Teacher> {
        let network = self.teacher_network(device)?;
        let mut progress = Progress::new("teacher statistics", self.dataset.train.len() as u64, 0);
        let mut statistics = ChannelStatistics::new(network.channels());
        for (done, image) in self.sequential_loader(&self.dataset.train).enumerate() {
            let unit = tensors::unit(&[image?.frame.as_ref()], device);
            let x = network.input_normalisation().apply(&unit);
            statistics.add(&network.features(&x));
            progress.set(done as u64 + 1, "");
        }
        progress.finish();
        let (mean, std) = statistics.finish().context("teacher statistics")?;
        Ok(Teacher::new(
            network,
            &mean.to_device(device),
            &std.to_device(device),
        ))
    }

    fn teacher_network(&self, device: Device) -> Result<TeacherNetwork> {
        let padding = self.origin.architecture.padding();
        let channels_last = self.settings.channels_last;
        self.teacher.network(padding, channels_last, device)
    }

    pub(super) fn restore_teacher(
        &self,
        checkpoint: &Checkpoint,
        device: Device,
    ) -> Result<Teacher> {
        let network = self.teacher_network(device)?;
        let shape = [network.channels()];
        let named = |name: &str| -> Result<Tensor> {
            let tensor = Tensor::zeros(shape, (tch::Kind::Float, device));
            checkpoint.restore(std::iter::once((name.to_owned(), &tensor)))?;
            Ok(tensor)
        };
        Ok(Teacher::new(
            network,
            &named("teacher.mean")?,
            &named("teacher.std")?,
        ))
    }
}

impl Origin {
    fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("run.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    fn save(&self, folder: &Path) -> Result<()> {
        files::replace_text(&folder.join("run.toml"), &toml::to_string_pretty(self)?)
    }

    fn of(settings: &Settings, dataset: &Dataset, teacher: &TeacherSource) -> Result<Self> {
        Ok(Self {
            architecture: Architecture {
                preset: teacher.preset(),
                input_size: settings.input_size,
                padded_teacher: teacher.padded(),
                method: settings.method,
                second_encoder: settings.second_encoder,
                self_distillation: settings.self_distillation,
            },
            teacher_description: teacher.description(),
            teacher_sha256: teacher.sha256(),
            dataset_layout: settings::value_name(&dataset.layout),
            category: dataset.category.clone(),
            dataset_fingerprint: dataset.fingerprint()?,
            train_fingerprint: Some(dataset.train_fingerprint()?),
            penalty_fingerprint: settings.penalty().fingerprint()?,
            revision: env!("MHKD_REVISION").to_owned(),
        })
    }
}

/// Confidence of the stated rate.
const CONFIDENCE: f64 = 0.95;

/// Minimum number of validation images: a threshold needs a spread of scores.
const MIN_VALIDATION: usize = 2;

/// Checks, before the first step, what would otherwise fail after the last one.
fn check_images(dataset: &Dataset, settings: &Settings) -> Result<()> {
    if let Some(folds) = settings.calibration_folds {
        ensure!(
            dataset.train.len() >= MIN_VALIDATION * folds,
            "{}: {} training images; calibration_folds = {folds} needs at least {}",
            dataset.root.display(),
            dataset.train.len(),
            MIN_VALIDATION * folds
        );
    } else {
        ensure!(
            dataset.validation.len() >= MIN_VALIDATION,
            "{}: {} training images and {} validation image; the calibration needs at least {MIN_VALIDATION} validation images. Without a validation folder, a tenth of the training images is held out: provide at least 20 images, or use --calibration-folds, which needs no validation images",
            dataset.root.display(),
            dataset.train.len(),
            dataset.validation.len()
        );
    }
    let total = (dataset.train.len() + dataset.validation.len()) as u64;
    let progress = parking_lot::Mutex::new(Progress::new("checking images", total, 0));
    dataset.check_images(&|done| progress.lock().set(done, ""))?;
    progress.into_inner().finish();
    Ok(())
}

fn open(settings: &Settings) -> Result<Dataset> {
    let dataset = dataset::open(
        &settings.dataset,
        settings.category.as_deref(),
        settings.layout,
        settings.seed,
    )?;
    if settings.calibration_folds.is_some() {
        return dataset
            .without_held_out()
            .context("calibration_folds is set");
    }
    Ok(dataset)
}
