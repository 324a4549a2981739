//! A run: one folder that holds all of a training, from its settings to its calibration.
//!
//! | file | what |
//! |---|---|
//! | `settings.toml` | every setting, as resolved when the run started |
//! | `run.toml` | what it was made from: networks, teacher, dataset |
//! | `teacher.safetensors` | a copy of the teacher, so that the folder is enough for an export |
//! | `checkpoint.safetensors`, `best.safetensors` | the last step; the best validation where asked for |
//! | `losses.csv`, `events.out.tfevents.*`, `curves.png` | what happened |
//! | `location.safetensors` | cell by cell, what the maps are normalised by; where asked for |
//! | `calibration.toml` | quantiles and validation scores; there once the training is over |

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

pub use super::calibration::calibrated;
use super::objective::{HARD_QUANTILE, Objective};
use super::settings::{FREE, Settings};
use super::task::{Data, StudentTraining};
use crate::dataset::image_cache::Frames;
use crate::dataset::loader::{Loader, Prefetch};
use crate::dataset::sampler::Order;
use crate::dataset::{self, Dataset};
use crate::files;
use crate::fit::checkpoint::Checkpoint;
use crate::fit::{self, Outcome};
use crate::log::progress::Progress;
use crate::network::architecture::{Architecture, Method};
use crate::network::net::Net;
use crate::network::student::{Student, Teacher};
use crate::settings;
use crate::teacher::file::TeacherFile;
use crate::teacher::statistics::ChannelStatistics;
use crate::tensors;

/// Resized images that are kept in memory: 5,000 of 256x256.
const IMAGE_CACHE_BYTES: usize = 1 << 30;

/// What a run was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The networks.
    pub architecture: Architecture,
    /// Where the teacher came from, one line.
    pub teacher_description: String,
    /// SHA-256 of the teacher's file.
    pub teacher_sha256: String,
    /// The dataset's layout.
    pub dataset_layout: String,
    /// Its category.
    pub category: String,
    /// SHA-256 over the names and bytes of the training and validation images.
    pub dataset_fingerprint: String,
    /// The commit that the program was built from.
    pub revision: String,
}

/// A run's folder with what it says of itself.
#[derive(Debug)]
pub struct Run {
    /// Where it is.
    pub folder: PathBuf,
    /// What it was told.
    pub settings: Settings,
    /// What it was made from.
    pub origin: Origin,
    pub(super) dataset: Dataset,
    teacher: TeacherFile,
}

impl Run {
    /// Starts a run in `folder`, which must not be one yet.
    ///
    /// # Errors
    /// When a setting is out of range, the dataset or the teacher cannot be read, or `folder` is taken.
    pub fn create(folder: &Path, settings: Settings, device: Device) -> Result<Self> {
        settings.validate()?;
        let taken = fit::checkpoint_path(folder).exists() || settings::path(folder).exists();
        ensure!(
            !taken,
            "{} holds a run already: give --resume to continue it, or another --out",
            folder.display()
        );
        let settings = Settings {
            precision: settings.precision.settle(device),
            ..settings
        };
        let dataset = open(&settings)?;
        penalty_paths(&settings)?;
        let teacher = TeacherFile::load(&settings.teacher)?;
        let origin = Origin::of(&settings, &dataset, &teacher)?;
        let copy = |part: &Path| Ok(std::fs::copy(&settings.teacher, part).map(|_| ())?);
        files::replace(&teacher_path(folder), copy)?;
        files::replace_text(&folder.join("run.toml"), &toml::to_string_pretty(&origin)?)?;
        settings::save(&settings, &settings::path(folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            settings,
            origin,
            dataset,
            teacher,
        })
    }

    /// Opens the run in `folder`. `flags` may change only what changes no number.
    ///
    /// # Errors
    /// When `folder` holds no run, other settings are asked for, or the dataset is not the one that
    /// the run was started with.
    pub fn open(folder: &Path, flags: &impl Serialize) -> Result<Self> {
        let path = settings::path(folder);
        ensure!(
            path.exists(),
            "{} holds no run (no settings.toml)",
            folder.display()
        );
        let (saved, mut settings) = settings::saved::<Settings>(&path, flags)?;
        if settings.precision == fit::plan::Precision::Auto {
            settings.precision = saved.precision;
        }
        settings::check_resumable(&saved, &settings, &FREE)?;
        settings.validate()?;
        let text =
            std::fs::read_to_string(folder.join("run.toml")).context("cannot read run.toml")?;
        let origin: Origin =
            toml::from_str(&text).with_context(|| format!("{}/run.toml", folder.display()))?;
        let dataset = open(&settings)?;
        let fingerprint = dataset.fingerprint()?;
        ensure!(
            fingerprint == origin.dataset_fingerprint,
            "the images of {} are not those that the run was started with (fingerprint {fingerprint}, the run has {})",
            settings.dataset.display(),
            origin.dataset_fingerprint
        );
        Ok(Self {
            teacher: TeacherFile::load(&teacher_path(folder))?,
            folder: folder.to_owned(),
            settings,
            origin,
            dataset,
        })
    }

    /// Trains from the last checkpoint, or from the start where there is none; calibrates when done.
    ///
    /// # Errors
    /// When an image cannot be read, a loss is not finite, or a file cannot be written.
    pub fn train(&self, device: Device, interrupted: &AtomicBool) -> Result<Outcome> {
        let path = fit::checkpoint_path(&self.folder);
        let checkpoint = path.exists().then(|| Checkpoint::load(&path)).transpose()?;
        let start = checkpoint
            .as_ref()
            .map_or(Ok(0), |checkpoint| checkpoint.word("step"))?;
        tch::manual_seed(self.settings.seed as i64);
        let student = Student::new(
            &self.origin.architecture,
            self.settings.channels_last,
            device,
        )
        .dropout(self.settings.dropout);
        let teacher = match &checkpoint {
            Some(checkpoint) => self.restore_teacher(checkpoint, device)?,
            None => self.measure_teacher(device)?,
        };
        let data = self.data(start)?;
        let objective = self.objective(start)?;
        let mut task = StudentTraining::new(teacher, student, data, objective, device);
        let outcome = fit::run(
            &mut task,
            &self.settings.plan(),
            &self.folder,
            checkpoint.as_ref(),
            interrupted,
        )?;
        if outcome != Outcome::Interrupted {
            drop(task);
            let (teacher, student) = self.networks(device)?;
            self.calibrate(&teacher, &student, device)?;
        }
        Ok(outcome)
    }

    /// Teacher and student as the run left them: the best ones where early stopping kept some.
    ///
    /// # Errors
    /// When there is no checkpoint, or it is not this run's.
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

    /// One paragraph for whoever starts it.
    pub fn summary(&self, device: Device) -> String {
        let (settings, architecture) = (&self.settings, &self.origin.architecture);
        format!(
            "{} ({}): {} training, {} validation images\n{} at {}x{}, {:.1} M parameters, {:.0} GFLOP an image; {} steps of batch {} in {:?} on {device:?}\nteacher: {}",
            self.origin.category,
            self.origin.dataset_layout,
            self.dataset.train.len(),
            self.dataset.validation.len(),
            architecture.preset.name(),
            settings.input_size,
            settings.input_size,
            architecture.parameters() as f64 / 1e6,
            2.0 * architecture.macs() as f64 / 1e9,
            settings.steps,
            settings.batch,
            settings.precision,
            self.origin.teacher_description,
        )
    }

    /// The run's images.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// What is minimised from step `start` on.
    fn objective(&self, start: u64) -> Result<Objective> {
        let settings = &self.settings;
        Ok(match settings.method {
            Method::Mhkd => Objective::Mhkd {
                weights: settings.loss_weights(),
                hard_quantile: settings.hard_quantile,
            },
            Method::EfficientAd => Objective::EfficientAd {
                hard_quantile: settings.hard_quantile.unwrap_or(HARD_QUANTILE),
                penalty: penalty_paths(settings)?.map(|paths| self.penalty_images(paths, start)),
            },
        })
    }

    /// Pictures of anything, twice the input's side: their middle is what the student must not learn from.
    fn penalty_images(&self, paths: Vec<PathBuf>, start: u64) -> Loader {
        let settings = &self.settings;
        let order = Order::shuffled(settings.seed, paths.len());
        let side = 2 * settings.input_size.side() as u32;
        let frames = Arc::new(Frames::new(paths, side, 0));
        let steps = start * settings.batch as u64..u64::MAX;
        Loader::new(&frames, order, steps, self.prefetch())
    }

    fn data(&self, start: u64) -> Result<Data> {
        let settings = &self.settings;
        let side = settings.input_size.side() as u32;
        let wanted = settings.early_stopping_every.is_some();
        let validation = if wanted {
            self.in_turn(&self.dataset.validation)
                .collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        let frames = Arc::new(Frames::new(
            self.dataset.train.clone(),
            side,
            IMAGE_CACHE_BYTES,
        ));
        let order = Order::shuffled(settings.seed, self.dataset.train.len());
        let steps = start * settings.batch as u64..u64::MAX;
        Ok(Data {
            train: Loader::new(&frames, order, steps, self.prefetch()),
            train_images: self.dataset.train.len(),
            validation,
            batch: settings.batch,
            cache_bytes: settings.teacher_cache_mib << 20,
        })
    }

    /// `paths` once, resized, decoded ahead.
    pub fn in_turn(&self, paths: &[PathBuf]) -> Loader {
        let frames = Arc::new(Frames::new(
            paths.to_vec(),
            self.settings.input_size.side() as u32,
            0,
        ));
        let end = paths.len() as u64;
        Loader::new(
            &frames,
            Order::in_turn(paths.len()),
            0..end,
            self.prefetch(),
        )
    }

    fn prefetch(&self) -> Prefetch {
        let workers = self.settings.workers;
        Prefetch {
            workers,
            depth: workers * self.settings.batch.max(4),
        }
    }

    /// The teacher with its statistics over the training images, one image in memory at a time.
    fn measure_teacher(&self, device: Device) -> Result<Teacher> {
        let net = self
            .teacher
            .net(device)?
            .channels_last(self.settings.channels_last);
        let mut progress = Progress::new("teacher statistics", self.dataset.train.len() as u64, 0);
        let mut statistics = ChannelStatistics::new(net.channels());
        for (done, image) in self.in_turn(&self.dataset.train).enumerate() {
            let x = tensors::input(&[image?.frame.as_ref()], device);
            statistics.add(&tch::no_grad(|| {
                net.forward(&x, crate::network::net::Mode::Evaluate)
            }));
            progress.set(done as u64 + 1, "");
        }
        progress.finish();
        let (mean, std) = statistics.finish().context("the teacher's statistics")?;
        Ok(Teacher::new(
            net,
            &mean.to_device(device),
            &std.to_device(device),
        ))
    }

    fn restore_teacher(&self, checkpoint: &Checkpoint, device: Device) -> Result<Teacher> {
        let net: Net = self
            .teacher
            .net(device)?
            .channels_last(self.settings.channels_last);
        let shape = [net.channels()];
        let named = |name: &str| -> Result<Tensor> {
            let tensor = Tensor::zeros(shape, (tch::Kind::Float, device));
            checkpoint.restore(std::iter::once((name.to_owned(), &tensor)))?;
            Ok(tensor)
        };
        Ok(Teacher::new(
            net,
            &named("teacher.mean")?,
            &named("teacher.std")?,
        ))
    }
}

impl Origin {
    fn of(settings: &Settings, dataset: &Dataset, teacher: &TeacherFile) -> Result<Self> {
        Ok(Self {
            architecture: Architecture {
                preset: teacher.preset,
                input_size: settings.input_size,
                padded_teacher: teacher.padded,
                method: settings.method,
                second_encoder: settings.second_encoder,
                self_distillation: settings.self_distillation,
            },
            teacher_description: teacher.description.clone(),
            teacher_sha256: teacher.sha256.clone(),
            dataset_layout: settings::value_name(&dataset.layout),
            category: dataset.category.clone(),
            dataset_fingerprint: dataset.fingerprint()?,
            revision: env!("MHKD_REVISION").to_owned(),
        })
    }
}

fn open(settings: &Settings) -> Result<Dataset> {
    dataset::open(
        &settings.dataset,
        settings.category.as_deref(),
        settings.layout,
        settings.seed,
    )
}

/// The penalty pictures, where the settings name a folder of some.
fn penalty_paths(settings: &Settings) -> Result<Option<Vec<PathBuf>>> {
    let folder = settings.penalty_images.as_deref();
    let paths = folder.map(dataset::images_below).transpose();
    paths.context("penalty_images")
}

fn teacher_path(folder: &Path) -> PathBuf {
    folder.join("teacher.safetensors")
}
