//! Training of a teacher: a folder with settings, logs and checkpoints, and finally the teacher file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor};

use super::distill::{Distillation, Sampling};
use super::file::{TeacherFile, TeacherVariant};
use super::pretext::{CropSampling, PretextTask};
use super::settings::{CHANGEABLE_ON_RESUME, DistillSettings, PretrainSettings};
use super::synthetic_images::{self, LabelledImage};
use super::targets::Targets;
use crate::backbone::{Backbone, shipped};
use crate::checkpoint_import;
use crate::dataset::ImageSize;
use crate::dataset::image_cache::ImageCache;
use crate::dataset::loader::{Loader, Prefetch};
use crate::dataset::sampler::Sampler;
use crate::fit::checkpoint::Checkpoint;
use crate::fit::{self, Task, TrainingOutcome};
use crate::log::progress::Progress;
use crate::network::layer_tables::Padding;
use crate::network::net::Net;
use crate::settings::{self, value_name};

/// Memory for cached resized images: 5,000 images of 256x256 pixels.
const IMAGE_CACHE_BYTES: usize = 1 << 30;

/// Path of the teacher file in `folder`.
pub fn teacher_path(folder: &Path) -> PathBuf {
    folder.join("teacher.safetensors")
}

/// Returns the settings of a new training in `folder`. With `resume`, returns the settings of the existing
/// training with `flags` applied, which must not change the result.
///
/// # Errors
/// When a file cannot be read, a new training is started in a `folder` that already contains one, or a
/// training is resumed with different settings.
pub fn resolve_settings<S>(
    folder: &Path,
    config: Option<&Path>,
    flags: &impl Serialize,
    resume: bool,
) -> Result<S>
where
    S: Default + Serialize + DeserializeOwned,
{
    let path = settings::path(folder);
    if resume {
        ensure!(
            path.exists(),
            "{}: nothing to resume, settings.toml not found",
            folder.display()
        );
        let (saved, requested) = settings::saved::<S>(&path, flags)?;
        settings::check_resumable(&saved, &requested, &CHANGEABLE_ON_RESUME)?;
        return Ok(requested);
    }
    ensure!(
        !path.exists(),
        "{} already contains a training: use --resume to continue it, or another --out",
        folder.display()
    );
    settings::layered(config, flags)
}

/// Distills a teacher in `folder` according to `settings`.
///
/// # Errors
/// When the backbone or an image cannot be read, a loss is non-finite, or a file cannot be written.
pub fn distill(
    folder: &Path,
    mut settings: DistillSettings,
    device: Device,
    interrupted: &AtomicBool,
) -> Result<TrainingOutcome> {
    settings.validate()?;
    settings.precision = settings.precision.resolve(device);
    let backbone = load_backbone(&settings, device)?;
    let paths = crate::dataset::images_below(&settings.images)?;
    settings::save(&settings, &settings::path(folder))?;
    let checkpoint = last_checkpoint(folder)?;
    let (side, features) = (settings.side(), settings.preset.features());
    let padding = if settings.padded {
        Padding::Zeros
    } else {
        Padding::Reflected
    };
    let net = new_network(
        settings.seed,
        || settings.preset.layers(padding),
        settings.channels_last,
        device,
    );
    let mut targets = Targets::new(
        backbone,
        paths.clone(),
        (features, side),
        settings.cache_mib << 20,
        device,
    )?;
    match &checkpoint {
        Some(checkpoint) => targets.normalise_by(
            &restore_vector(checkpoint, "target.mean", features)?,
            &restore_vector(checkpoint, "target.std", features)?,
        ),
        None => measure_statistics(&mut targets, settings.statistics_images.min(paths.len()))?,
    }
    let start = start_step(checkpoint.as_ref())? * settings.batch as u64;
    let sampler = Sampler::shuffled(settings.seed, paths.len());
    let images = Arc::new(ImageCache::new(
        paths,
        ImageSize::square(side as u32),
        IMAGE_CACHE_BYTES,
    ));
    let prefetch = Prefetch {
        workers: settings.workers,
        depth: 2 * settings.batch,
    };
    let sampling = Sampling {
        batch: settings.batch,
        crop: settings.crop(),
        greyscale: settings.greyscale,
    };
    let loader = Loader::new(&images, sampler, start..u64::MAX, prefetch);
    let mut task = Distillation::new(net, targets, loader, sampling, side, settings.seed, device);
    let outcome = fit::run(
        &mut task,
        &settings.plan(),
        folder,
        checkpoint.as_ref(),
        interrupted,
    )?;
    let description = format!(
        "{} distilled from {} over {} images, {} steps",
        settings.preset.name(),
        value_name(&settings.backbone),
        images.paths().len(),
        settings.steps
    );
    let variant = TeacherVariant {
        preset: settings.preset,
        padded: settings.padded,
    };
    save_teacher(folder, outcome, &task, variant, &description)
}

/// Pretrains a teacher on synthetic images in `folder` according to `settings`.
///
/// # Errors
/// When a loss is non-finite or a file cannot be written.
pub fn pretrain(
    folder: &Path,
    mut settings: PretrainSettings,
    device: Device,
    interrupted: &AtomicBool,
) -> Result<TrainingOutcome> {
    settings.validate()?;
    settings.precision = settings.precision.resolve(device);
    settings::save(&settings, &settings::path(folder))?;
    let checkpoint = last_checkpoint(folder)?;
    let net = new_network(
        settings.seed,
        || settings.preset.layers(Padding::Zeros),
        settings.channels_last,
        device,
    );
    let images = generate_images(&settings);
    let sampling = CropSampling {
        batch: settings.batch,
        crop: settings.crop,
    };
    let mut task = PretextTask::new(
        net,
        images,
        settings.lesson,
        sampling,
        settings.seed,
        device,
    );
    let outcome = fit::run(
        &mut task,
        &settings.plan(),
        folder,
        checkpoint.as_ref(),
        interrupted,
    )?;
    let description = format!(
        "{} pretrained with objective {} on {} synthetic images, {} steps",
        settings.preset.name(),
        value_name(&settings.lesson),
        settings.pictures,
        settings.steps
    );
    let variant = TeacherVariant {
        preset: settings.preset,
        padded: true,
    };
    save_teacher(folder, outcome, &task, variant, &description)
}

fn generate_images(settings: &PretrainSettings) -> Vec<LabelledImage> {
    let progress = Mutex::new(Progress::new("generating images", settings.pictures, 0));
    let done = AtomicU64::new(0);
    let side = settings.input_size.sides()[0] as u32;
    synthetic_images::generate(settings.seed, settings.pictures, side, || {
        // The lock is taken before counting, so that the progress never goes backwards.
        let mut progress = progress.lock();
        progress.set(done.fetch_add(1, Ordering::Relaxed) + 1, "");
    })
}

/// Writes the teacher file, unless the training was interrupted.
fn save_teacher(
    folder: &Path,
    outcome: TrainingOutcome,
    task: &dyn Task,
    variant: TeacherVariant,
    description: &str,
) -> Result<TrainingOutcome> {
    if outcome != TrainingOutcome::Interrupted {
        let learned = task.learned();
        let teacher = learned
            .iter()
            .filter(|(name, _)| name.starts_with("teacher."));
        let named = teacher.map(|(name, tensor)| (name.clone(), tensor));
        TeacherFile::save(&teacher_path(folder), variant, named, description)?;
    }
    Ok(outcome)
}

fn new_network(
    seed: u64,
    layers: impl FnOnce() -> crate::network::layer::Layers,
    channels_last: bool,
    device: Device,
) -> Net {
    tch::manual_seed(seed as i64);
    Net::new("teacher", layers(), device).channels_last(channels_last)
}

fn load_backbone(settings: &DistillSettings, device: Device) -> Result<Backbone> {
    let Some(weights) = &settings.weights else {
        let variant = settings.shipped()?;
        return Ok(Backbone::EfficientNetLite(Box::new(
            shipped::load(variant)?.to_device(device),
        )));
    };
    let read = checkpoint_import::read(weights)?;
    let tensors: BTreeMap<String, Tensor> = read
        .into_iter()
        .map(|(name, host)| {
            let shape: Vec<i64> = host.shape.iter().map(|&side| side as i64).collect();
            (
                name,
                Tensor::from_slice(&host.data)
                    .reshape(shape)
                    .to_device(device),
            )
        })
        .collect();
    let mismatch = || {
        format!(
            "{}: does not contain the weights of {}",
            weights.display(),
            value_name(&settings.backbone)
        )
    };
    settings.backbone.load(&tensors).with_context(mismatch)
}

fn measure_statistics(targets: &mut Targets, images: usize) -> Result<()> {
    let mut progress = Progress::new("embedding statistics", images as u64, 0);
    targets.measure(images, |done| progress.set(done as u64, ""))?;
    progress.finish();
    Ok(())
}

fn last_checkpoint(folder: &Path) -> Result<Option<Checkpoint>> {
    let path = fit::checkpoint_path(folder);
    path.exists().then(|| Checkpoint::load(&path)).transpose()
}

fn start_step(checkpoint: Option<&Checkpoint>) -> Result<u64> {
    checkpoint.map_or(Ok(0), |checkpoint| checkpoint.metadata_value("step"))
}

fn restore_vector(checkpoint: &Checkpoint, name: &str, length: i64) -> Result<Tensor> {
    let tensor = Tensor::zeros([length], (Kind::Float, Device::Cpu));
    checkpoint.restore(std::iter::once((name.to_owned(), &tensor)))?;
    Ok(tensor)
}
