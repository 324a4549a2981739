//! Making a teacher: a folder with settings, log and checkpoints, and the teacher's file at the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor};

use super::distill::{Distillation, Sampling};
use super::file::TeacherFile;
use super::pretext::{Drawing, Pretext};
use super::settings::{DistillSettings, FREE, PretrainSettings};
use super::synthetic_images;
use super::targets::Targets;
use crate::backbone::Backbone;
use crate::checkpoint_import;
use crate::dataset::image_cache::Frames;
use crate::dataset::loader::{Loader, Prefetch};
use crate::dataset::sampler::Order;
use crate::fit::checkpoint::Checkpoint;
use crate::fit::{self, Outcome, Task};
use crate::log::progress::Progress;
use crate::network::net::Net;
use crate::settings::{self, value_name};

/// Resized images that are kept in memory: 5,000 of 256x256.
const IMAGE_CACHE_BYTES: usize = 1 << 30;

/// The file of the teacher in its folder.
pub fn teacher_path(folder: &Path) -> PathBuf {
    folder.join("teacher.safetensors")
}

/// Settings of a new course in `folder`, or those of the one that is there with the `flags` that change
/// no number.
///
/// # Errors
/// When a file cannot be read, `folder` is taken, or other settings are asked for.
pub fn enrol<S>(
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
            "{} holds nothing to resume (no settings.toml)",
            folder.display()
        );
        let (saved, asked) = settings::saved::<S>(&path, flags)?;
        settings::check_resumable(&saved, &asked, &FREE)?;
        return Ok(asked);
    }
    ensure!(
        !path.exists(),
        "{} is taken: give --resume to continue it, or another --out",
        folder.display()
    );
    settings::layered(config, flags)
}

/// Distils a teacher in `folder` by `settings`.
///
/// # Errors
/// When the backbone or an image cannot be read, a loss is not finite, or a file cannot be written.
pub fn distil(
    folder: &Path,
    mut settings: DistillSettings,
    device: Device,
    interrupted: &AtomicBool,
) -> Result<Outcome> {
    settings.validate()?;
    settings.precision = settings.precision.settle(device);
    let backbone = load_backbone(&settings, device)?;
    let paths = crate::dataset::images_below(&settings.images)?;
    settings::save(&settings, &settings::path(folder))?;
    let checkpoint = last_checkpoint(folder)?;
    let (side, features) = (
        settings.input_size.side(),
        settings.preset.widths().features,
    );
    let net = fresh(
        settings.seed,
        || settings.preset.teacher(settings.padded),
        settings.channels_last,
        device,
    );
    let mut targets = Targets::new(
        backbone,
        paths.clone(),
        (features, side),
        settings.cache_mib << 20,
        device,
    );
    match &checkpoint {
        Some(checkpoint) => targets.normalise_by(
            &part(checkpoint, "target.mean", features)?,
            &part(checkpoint, "target.std", features)?,
        ),
        None => measure(&mut targets, settings.statistics_images.min(paths.len()))?,
    }
    let start = start(checkpoint.as_ref())? * settings.batch as u64;
    let order = Order::shuffled(settings.seed, paths.len());
    let frames = Arc::new(Frames::new(paths, side as u32, IMAGE_CACHE_BYTES));
    let ahead = Prefetch {
        workers: settings.workers,
        depth: 2 * settings.batch,
    };
    let sampling = Sampling {
        batch: settings.batch,
        crop: settings.crop(),
        greyscale: settings.greyscale,
    };
    let loader = Loader::new(&frames, order, start..u64::MAX, ahead);
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
        frames.paths().len(),
        settings.steps
    );
    graduate(
        folder,
        outcome,
        &task,
        (settings.preset, settings.padded),
        &description,
    )
}

/// Teaches a teacher on generated pictures in `folder` by `settings`.
///
/// # Errors
/// When a loss is not finite or a file cannot be written.
pub fn pretrain(
    folder: &Path,
    mut settings: PretrainSettings,
    device: Device,
    interrupted: &AtomicBool,
) -> Result<Outcome> {
    settings.validate()?;
    settings.precision = settings.precision.settle(device);
    settings::save(&settings, &settings::path(folder))?;
    let checkpoint = last_checkpoint(folder)?;
    let net = fresh(
        settings.seed,
        || settings.preset.teacher(true),
        settings.channels_last,
        device,
    );
    let progress = std::sync::Mutex::new((
        0,
        Progress::new("generating pictures", settings.pictures, 0),
    ));
    let examples = synthetic_images::generate(
        settings.seed,
        settings.pictures,
        settings.input_size.side() as u32,
        || {
            let mut progress = progress
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            progress.0 += 1;
            let done = progress.0;
            progress.1.set(done, "");
        },
    );
    let drawing = Drawing {
        batch: settings.batch,
        crop: settings.crop,
    };
    let mut task = Pretext::new(
        net,
        examples,
        settings.lesson,
        drawing,
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
        "{} taught {} on {} generated pictures, {} steps",
        settings.preset.name(),
        value_name(&settings.lesson),
        settings.pictures,
        settings.steps
    );
    graduate(
        folder,
        outcome,
        &task,
        (settings.preset, true),
        &description,
    )
}

/// Writes the teacher's file once the course is over.
fn graduate(
    folder: &Path,
    outcome: Outcome,
    task: &dyn Task,
    kind: (crate::network::architecture::Preset, bool),
    description: &str,
) -> Result<Outcome> {
    if outcome != Outcome::Interrupted {
        let learned = task.learned();
        let teacher = learned
            .iter()
            .filter(|(name, _)| name.starts_with("teacher."));
        let named = teacher.map(|(name, tensor)| (name.clone(), tensor));
        TeacherFile::save(&teacher_path(folder), kind, named, description)?;
    }
    Ok(outcome)
}

fn fresh(
    seed: u64,
    layers: impl FnOnce() -> crate::network::layer::Layers,
    channels_last: bool,
    device: Device,
) -> Net {
    tch::manual_seed(seed as i64);
    Net::new("teacher", layers(), device).channels_last(channels_last)
}

fn load_backbone(settings: &DistillSettings, device: Device) -> Result<Backbone> {
    let read = checkpoint_import::read(&settings.weights)?;
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
    let refused = || {
        format!(
            "{} is not {}",
            settings.weights.display(),
            value_name(&settings.backbone)
        )
    };
    settings.backbone.load(&tensors).with_context(refused)
}

fn measure(targets: &mut Targets, images: usize) -> Result<()> {
    let mut progress = Progress::new("embedding statistics", images as u64, 0);
    targets.measure(images, |done| progress.set(done as u64, ""))?;
    progress.finish();
    Ok(())
}

fn last_checkpoint(folder: &Path) -> Result<Option<Checkpoint>> {
    let path = fit::checkpoint_path(folder);
    path.exists().then(|| Checkpoint::load(&path)).transpose()
}

fn start(checkpoint: Option<&Checkpoint>) -> Result<u64> {
    checkpoint.map_or(Ok(0), |checkpoint| checkpoint.word("step"))
}

fn part(checkpoint: &Checkpoint, name: &str, length: i64) -> Result<Tensor> {
    let tensor = Tensor::zeros([length], (Kind::Float, Device::Cpu));
    checkpoint.restore(std::iter::once((name.to_owned(), &tensor)))?;
    Ok(tensor)
}
