//! Training speed, measured on the components of the training loop: decoding, teacher, student, Adam. The
//! inference speed of bundles is in [`inference`].

pub mod graph_cost;
pub mod inference;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;
use tch::{Device, Tensor};

use crate::dataset::ImageSize;
use crate::dataset::image_cache::ImageCache;
use crate::dataset::loader::{Loader, Prefetch};
use crate::dataset::sampler::Sampler;
use crate::fit::Task;
use crate::fit::adam::Adam;
use crate::fit::plan::Precision;
use crate::network::architecture::Architecture;
use crate::network::input_size::InputSize;
use crate::network::preset::Preset;
use crate::network::student::{LossWeights, Student};
use crate::network::teacher::{Teacher, TeacherNetwork};
use crate::synth::{self, SynthOptions};
use crate::torch::Autocast;
use crate::train::objective::Objective;
use crate::train::task::{StudentTraining, TrainingData};

/// Number of images rendered for the measurement. More would only take longer to render.
const IMAGES: u64 = 8;

/// What to measure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TrainBench {
    /// Preset of teacher and student.
    pub preset: Preset,
    /// Size of the input.
    pub input_size: InputSize,
    /// Arithmetic of the forward pass; not `Auto`.
    pub precision: Precision,
    /// Whether activations are channels-last.
    pub channels_last: bool,
    /// Images per step.
    pub batch: usize,
    /// Memory for cached teacher features in MiB.
    pub teacher_cache_mib: usize,
    /// Number of timed steps.
    pub steps: u64,
}

/// Result of a measurement.
#[derive(Clone, Debug, Serialize)]
pub struct TrainSpeed {
    /// What was measured.
    #[serde(flatten)]
    pub of: TrainBench,
    /// Duration of the median step.
    pub seconds_per_step_median: f64,
    /// Durations of the fastest and the slowest step.
    pub seconds_per_step_range: [f64; 2],
    /// Fraction of the timed duration that was spent waiting for data.
    pub wait_share: f64,
    /// Peak resident set size of the process.
    pub peak_memory_bytes: u64,
}

/// Measures training steps on `device`. The weights are random; their values do not affect the duration.
///
/// # Errors
/// Returns an error if the images cannot be written or read.
pub fn train(bench: &TrainBench, device: Device) -> Result<TrainSpeed> {
    ensure!(
        bench.steps > 0 && bench.batch > 0,
        "steps and batch must be at least 1"
    );
    let folder = tempfile::tempdir()?;
    let mut task = task(bench, folder.path(), device)?;
    let learned = task.learned();
    let mut optimiser = Adam::new(
        learned.iter().map(|(name, tensor)| (name.clone(), tensor)),
        1e-5,
    );
    let mut step = |number| -> Result<f64> {
        let started = Instant::now();
        let losses = {
            let _autocast = (bench.precision == Precision::Bf16).then(|| Autocast::begin(device));
            task.forward(number)?
        };
        optimiser.step(&losses[losses.len() - 1], 1e-4);
        // Reading the loss waits until a GPU has finished the step.
        std::hint::black_box(losses[0].double_value(&[]));
        Ok(started.elapsed().as_secs_f64())
    };
    // One epoch decodes every image and, with a cache, fills the cache of teacher features.
    let warm_up = IMAGES.div_ceil(bench.batch as u64).max(2);
    for number in 0..if bench.teacher_cache_mib > 0 {
        warm_up
    } else {
        2
    } {
        step(number)?;
    }
    let mut seconds = (0..bench.steps)
        .map(&mut step)
        .collect::<Result<Vec<f64>>>()?;
    let waited = task.waited().as_secs_f64();
    let total: f64 = seconds.iter().sum();
    seconds.sort_by(f64::total_cmp);
    Ok(TrainSpeed {
        of: *bench,
        seconds_per_step_median: seconds[seconds.len() / 2],
        seconds_per_step_range: [seconds[0], seconds[seconds.len() - 1]],
        wait_share: waited / total,
        peak_memory_bytes: peak_memory_bytes(),
    })
}

fn task(bench: &TrainBench, folder: &std::path::Path, device: Device) -> Result<StudentTraining> {
    let size = ImageSize::from(bench.input_size);
    let options = SynthOptions {
        train: IMAGES as u32,
        validation: 1,
        good_test: 1,
        per_defect: 1,
        width: size.width,
        height: size.height,
        ..SynthOptions::default()
    };
    let written = synth::write(&options, &folder.join("data"), |_, _| {})?;
    let paths = crate::dataset::images_below(&written.category.join("train"))?;
    let architecture = Architecture::mhkd(bench.preset, bench.input_size, true);
    tch::manual_seed(0);
    let network = match TeacherNetwork::untrained(&architecture, device)? {
        TeacherNetwork::Pdn(net) => TeacherNetwork::Pdn(net.channels_last(bench.channels_last)),
        backbone @ TeacherNetwork::Backbone(_) => backbone,
    };
    let column =
        |value: f64| Tensor::full([architecture.features()], value, (tch::Kind::Float, device));
    let student = Student::new(&architecture, bench.channels_last, device);
    // Decoded images are not cached, so every step includes decoding, as in the first epoch.
    let frames = Arc::new(ImageCache::new(paths, size, 0));
    let ahead = Prefetch {
        workers: 2,
        depth: 2 * bench.batch.max(4),
    };
    let data = TrainingData {
        train: Loader::new(
            &frames,
            Sampler::shuffled(0, IMAGES as usize),
            0..u64::MAX,
            ahead,
        ),
        features: (0..IMAGES).map(|_| None).collect(),
        validation: Vec::new(),
        batch: bench.batch,
        cache_bytes: bench.teacher_cache_mib << 20,
    };
    let teacher = Teacher::new(network, &column(0.0), &column(1.0));
    Ok(StudentTraining::new(
        teacher,
        student,
        data,
        Objective::Mhkd {
            weights: LossWeights::default(),
            hard_quantile: None,
            penalty: None,
        },
        device,
    ))
}

/// Peak resident set size from `/proc/self/status` on Linux; 0 if it cannot be read.
fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

impl fmt::Display for TrainSpeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [fastest, slowest] = self.seconds_per_step_range;
        write!(
            f,
            "{} at {}, {:?}, batch {}: {:.0} ms per step ({:.0} to {:.0}), {:.3} steps/s, {:.2} % waiting for data, peak memory {:.0} MB",
            self.of.preset.name(),
            self.of.input_size,
            self.of.precision,
            self.of.batch,
            1e3 * self.seconds_per_step_median,
            1e3 * fastest,
            1e3 * slowest,
            self.seconds_per_step_median.recip(),
            100.0 * self.wait_share,
            self.peak_memory_bytes as f64 / 1e6,
        )
    }
}
