//! The trained part of a fit: students that each have not seen a part of the photographs, for calibration, and
//! one that has seen all, for the bundle.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use inspectd_core::frame::Frame;
use tch::{Device, Kind, Tensor};

use super::photos::Photo;
use crate::calibrate::{
    ImageMaps, LocationNormalisation, LocationStatistics, image_maps, leave_one_out,
};
use crate::dataset::image_cache::ImageCache;
use crate::dataset::loader::{LoadedImage, Loader, Prefetch};
use crate::dataset::sampler::Sampler;
use crate::export::graph::Options;
use crate::export::student_graph;
use crate::feature_methods::ChannelNormalisation;
use crate::fit::checkpoint::Checkpoint;
use crate::fit::plan::{LearningRateDecay, Precision, TrainingPlan};
use crate::fit::{self, TrainingOutcome};
use crate::network::architecture::{Architecture, Method};
use crate::network::student::{LossWeights, Student};
use crate::network::teacher::{Teacher, TeacherNetwork};
use crate::train::folds::held_out;
use crate::train::objective::{HARD_QUANTILE, Objective};
use crate::train::penalty::PenaltyImages;
use crate::train::task::{StudentTraining, TrainingData};

/// Number of students of which each has not seen one part of the photographs.
pub(super) const FOLDS: usize = 3;
/// Images per step.
pub(super) const BATCH: usize = 2;
/// Learning rate. A short training needs a larger one than the paper's 80,000 steps.
pub(super) const LEARNING_RATE: f64 = 5e-4;
/// The learning rate falls to a tenth after this share of the steps.
const DECAY_AT: f64 = 0.9;
/// Share of the time for what follows the trainings.
const RESERVE: f64 = 0.08;
/// Smallest number of steps of a training.
const MIN_STEPS: u64 = 200;
/// Largest number of steps of a training: more gain little.
const MAX_STEPS: u64 = 10_000;
/// Memory for teacher features, bytes.
const CACHE_BYTES: usize = 1 << 30;

/// A student with the maps of the photographs by students that have not seen them.
#[derive(Debug)]
pub(super) struct FittedStudent {
    architecture: Architecture,
    networks: Rc<(Teacher, Student)>,
    location: LocationNormalisation,
    /// Maps of the photographs by students that have not seen them, before location normalisation.
    raw: Vec<ImageMaps>,
    unseen: [Tensor; 2],
    probes: [Tensor; 2],
}

/// What to train.
#[derive(Clone, Copy, Debug)]
pub(super) struct StudentPlan {
    /// Networks.
    pub(super) architecture: Architecture,
    /// Optimiser steps of each of the [`FOLDS`] + 1 trainings.
    pub(super) steps: u64,
    /// Arithmetic of the forward pass in training; not `Auto`.
    pub(super) precision: Precision,
    /// Random seed.
    pub(super) seed: u64,
}

/// Photographs with the statistics of their features.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrainingSet<'a> {
    /// The photographs.
    pub(super) photos: &'a [Photo],
    /// The teacher's features of the photographs before normalisation, `[N, C, HW]`.
    pub(super) features: &'a Tensor,
    /// Statistics that normalise the teacher's features.
    pub(super) normalisation: &'a ChannelNormalisation,
    /// Altered copies of the photographs, with the indices of their originals.
    pub(super) probes: &'a [(Frame, usize)],
}

impl TrainingSet<'_> {
    /// Features of the photograph at `index`, `[1, C, h, w]`.
    fn features_of(&self, index: usize, architecture: &Architecture) -> Tensor {
        let [height, width] = architecture.feature_sides();
        self.features
            .get(index as i64)
            .reshape([1, architecture.features(), height, width])
    }
}

impl FittedStudent {
    /// Trains all students in folders below `work`, from their last checkpoints if there are any.
    ///
    /// # Errors
    /// When the training is interrupted, a loss is not finite, or a file cannot be written.
    pub(super) fn train(
        set: TrainingSet<'_>,
        plan: &StudentPlan,
        work: &Path,
        interrupted: &AtomicBool,
    ) -> Result<Self> {
        let teacher = teacher(plan, set.normalisation)?;
        let count = set.photos.len();
        let mut maps: Vec<Option<ImageMaps>> = vec![None; count];
        let mut probes: Vec<Option<ImageMaps>> = vec![None; set.probes.len()];
        for fold in 0..FOLDS {
            let held_out = held_out(fold, FOLDS, count);
            let seen: Vec<usize> = (0..count)
                .filter(|index| !held_out.contains(index))
                .collect();
            let name = format!("training {} of {}", fold + 1, FOLDS + 1);
            let folder = work.join(format!("fold-{}", fold + 1));
            let student = train_one(set, &seen, plan, (&name, &folder), interrupted)?;
            for index in held_out.clone() {
                let image = loaded(index, &set.photos[index]);
                maps[index] = Some(image_maps(&teacher, &student, &image, Device::Cpu));
            }
            for (map, (frame, original)) in probes.iter_mut().zip(set.probes) {
                if held_out.contains(original) {
                    *map = Some(image_maps(
                        &teacher,
                        &student,
                        &of_frame(frame),
                        Device::Cpu,
                    ));
                }
            }
        }
        let all: Vec<usize> = (0..count).collect();
        let name = format!("training {} of {}", FOLDS + 1, FOLDS + 1);
        let student = train_one(set, &all, plan, (&name, &work.join("all")), interrupted)?;
        let maps: Vec<ImageMaps> = maps.into_iter().flatten().collect();
        let probes: Vec<ImageMaps> = probes.into_iter().flatten().collect();
        let networks = Rc::new((teacher, student));
        Ok(Self::new(plan.architecture, networks, maps, &probes))
    }

    /// `raw` are the maps of the photographs and `probes` those of the probes, before location normalisation.
    fn new(
        architecture: Architecture,
        networks: Rc<(Teacher, Student)>,
        raw: Vec<ImageMaps>,
        probes: &[ImageMaps],
    ) -> Self {
        let mut statistics = LocationStatistics::default();
        for map in &raw {
            statistics.add(map);
        }
        let location = statistics.finish();
        let probes: Vec<ImageMaps> = probes.iter().map(|maps| location.apply(maps)).collect();
        Self {
            architecture,
            networks,
            location,
            unseen: stacked(&leave_one_out(&raw)),
            raw,
            probes: stacked(&probes),
        }
    }

    /// The same student with maps that differ: `changes` has the structural and the logical map of each photograph before
    /// and after the change, by the student that has seen all, without location normalisation. The maps by students
    /// that have not seen a photograph are taken to change as much. Without probes.
    pub(super) fn changed(&self, changes: &[[ImageMaps; 2]]) -> Self {
        let photographs = self.raw.iter().zip(changes);
        let raw = photographs.map(|(raw, [before, after])| raw.changed(before, after));
        let networks = Rc::clone(&self.networks);
        Self::new(self.architecture, networks, raw.collect(), &[])
    }

    /// The objective that the student was trained by.
    pub(super) fn method(&self) -> Method {
        self.architecture.method
    }

    /// The networks' table.
    pub(super) fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Teacher and student.
    pub(super) fn networks(&self) -> (&Teacher, &Student) {
        (&self.networks.0, &self.networks.1)
    }

    /// Statistics of every cell over good photographs.
    pub(super) fn location(&self) -> &LocationNormalisation {
        &self.location
    }

    /// Structural and logical maps of the photographs by students that have not seen them, `[N, HW]` each.
    pub(super) fn unseen_maps(&self) -> [Tensor; 2] {
        self.unseen.each_ref().map(Tensor::shallow_clone)
    }

    /// Structural and logical maps of the probes by students that have not seen their originals, `[M, HW]` each.
    pub(super) fn probe_maps(&self) -> [Tensor; 2] {
        self.probes.each_ref().map(Tensor::shallow_clone)
    }

    /// Structural and logical maps of `frames`, `[N, HW]` each.
    pub(super) fn maps(&self, frames: &[Frame]) -> [Tensor; 2] {
        let maps: Vec<ImageMaps> = frames
            .iter()
            .map(|frame| {
                let image = of_frame(frame);
                let (teacher, student) = self.networks();
                let maps = image_maps(teacher, student, &image, Device::Cpu);
                self.location.apply(&maps)
            })
            .collect();
        stacked(&maps)
    }
}

/// Number of steps of each training that fit into the rest of `minutes` since `started`.
///
/// # Errors
/// When the time is too short, or the backbone is not part of the program.
pub(super) fn steps(
    set: TrainingSet<'_>,
    plan: &StudentPlan,
    minutes: f64,
    started: Instant,
) -> Result<u64> {
    let per_step = seconds_per_step(set, plan)?;
    // Calibration, choice, export and report follow the trainings.
    let rest = 60.0 * minutes * (1.0 - RESERVE) - started.elapsed().as_secs_f64();
    let steps = rest / (FOLDS + 1) as f64 / per_step;
    ensure!(
        steps >= MIN_STEPS as f64,
        "--minutes {minutes}: a training step takes {per_step:.2} s here, so there is time for {:.0} steps of each of {} trainings; at least {MIN_STEPS} are needed. Give more minutes, a smaller --size, or --method padim+patchcore+fre, which needs no training",
        steps.max(0.0),
        FOLDS + 1
    );
    Ok((steps as u64).min(MAX_STEPS))
}

/// Measures the duration of a training step in seconds.
fn seconds_per_step(set: TrainingSet<'_>, plan: &StudentPlan) -> Result<f64> {
    const WARM_UP: u64 = 4;
    const TIMED: u64 = 16;
    let folder = tempfile::tempdir()?;
    let few: Vec<usize> = (0..set.photos.len().min(BATCH)).collect();
    let run = |steps| -> Result<f64> {
        let plan = StudentPlan { steps, ..*plan };
        let path = folder.path().join(steps.to_string());
        let started = Instant::now();
        let title = ("timing", path.as_path());
        train_one(set, &few, &plan, title, &AtomicBool::new(false))?;
        Ok(started.elapsed().as_secs_f64())
    };
    // The shorter training has the same start, teacher features and end.
    let short = run(WARM_UP)?;
    Ok((run(WARM_UP + TIMED)? - short).max(1e-3) / TIMED as f64)
}

/// Returns the serialised graph of `architecture` with random weights, for measurements of its speed.
///
/// # Errors
/// When the backbone is not part of the program.
pub(super) fn untrained_graph(architecture: &Architecture) -> Result<Vec<u8>> {
    let channels = Tensor::ones([architecture.features()], (Kind::Float, Device::Cpu));
    let network = TeacherNetwork::untrained(architecture, Device::Cpu)?;
    let teacher = Teacher::new(network, &(&channels * 0.0), &channels);
    let student = Student::new(architecture, true, Device::Cpu);
    student_graph(architecture, (&teacher, &student), &Options::default())
}

fn teacher(plan: &StudentPlan, normalisation: &ChannelNormalisation) -> Result<Teacher> {
    let network = TeacherNetwork::untrained(&plan.architecture, Device::Cpu)?;
    Ok(Teacher::new(
        network,
        &normalisation.mean(),
        &normalisation.std(),
    ))
}

/// Trains a student on the photographs at `indices` in the folder `name.1`, under the title `name.0`.
fn train_one(
    set: TrainingSet<'_>,
    indices: &[usize],
    plan: &StudentPlan,
    (title, folder): (&str, &Path),
    interrupted: &AtomicBool,
) -> Result<Student> {
    let checkpoint = fit::checkpoint_path(folder);
    let checkpoint = checkpoint
        .exists()
        .then(|| Checkpoint::load(&checkpoint))
        .transpose()?;
    let start: u64 = checkpoint
        .as_ref()
        .map_or(Ok(0), |checkpoint| checkpoint.metadata_value("step"))?;
    let images: Vec<LoadedImage> = indices
        .iter()
        .enumerate()
        .map(|(place, &index)| loaded(place, &set.photos[index]))
        .collect();
    let count = images.len();
    let loader = Loader::new(
        &Arc::new(ImageCache::filled(images)),
        Sampler::shuffled(plan.seed, count),
        start * BATCH as u64..u64::MAX,
        Prefetch {
            workers: 1,
            depth: 2 * BATCH,
        },
    );
    let data = TrainingData {
        train: loader,
        features: indices
            .iter()
            .map(|&index| Some(set.features_of(index, &plan.architecture)))
            .collect(),
        validation: Vec::new(),
        batch: BATCH,
        cache_bytes: CACHE_BYTES,
    };
    tch::manual_seed(plan.seed as i64);
    let student = Student::new(&plan.architecture, true, Device::Cpu);
    let objective = match plan.architecture.method {
        Method::Mhkd => Objective::Mhkd {
            weights: LossWeights::default(),
            hard_quantile: None,
            penalty: None,
        },
        Method::UninformedStudents => Objective::UninformedStudents,
        Method::EfficientAd => Objective::EfficientAd {
            hard_quantile: HARD_QUANTILE,
            penalty: Some(PenaltyImages::generated(
                plan.architecture.input_size.into(),
            )),
        },
    };
    let teacher = teacher(plan, set.normalisation)?;
    let mut task =
        StudentTraining::new(teacher, student, data, objective, Device::Cpu).titled(title);
    let training = TrainingPlan {
        steps: plan.steps,
        learning_rate: LEARNING_RATE,
        decay: LearningRateDecay {
            at: DECAY_AT,
            factor: 0.1,
        },
        weight_decay: 1e-5,
        seed: plan.seed,
        precision: plan.precision,
        tf32: false,
        log_every: 10,
        checkpoint_every: 250,
        early_stopping: None,
    };
    let outcome = fit::run(
        &mut task,
        &training,
        folder,
        checkpoint.as_ref(),
        interrupted,
    )?;
    if outcome == TrainingOutcome::Interrupted {
        bail!("interrupted; the same command continues from the last checkpoint");
    }
    let (_, student) = task.into_networks();
    // As in the bundle, so that calibration and choice are of the same weights.
    student.round_to_f16();
    Ok(student)
}

/// A photograph as an image of a loader; `index` is its place in the list.
fn loaded(index: usize, photo: &Photo) -> LoadedImage {
    LoadedImage {
        index,
        frame: Arc::clone(&photo.frame),
        size: photo.size,
    }
}

/// A frame as an image of a loader.
fn of_frame(frame: &Frame) -> LoadedImage {
    LoadedImage {
        index: 0,
        frame: Arc::new(frame.clone()),
        size: (frame.width(), frame.height()),
    }
}

/// Structural and logical maps as `[N, HW]`.
fn stacked(maps: &[ImageMaps]) -> [Tensor; 2] {
    let stack = |map: fn(&ImageMaps) -> &Vec<f32>| {
        let rows: Vec<Tensor> = maps
            .iter()
            .map(|maps| Tensor::from_slice(map(maps)))
            .collect();
        if rows.is_empty() {
            return Tensor::zeros([0, 0], (Kind::Float, Device::Cpu));
        }
        Tensor::stack(&rows, 0)
    };
    [stack(|maps| &maps.structural), stack(|maps| &maps.logical)]
}
