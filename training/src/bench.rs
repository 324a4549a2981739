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
use crate::torch::{Autocast, allow_tf32, synchronise};
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
    /// Duration of the median step; of the mean step on a GPU, whose steps are not measured one by one.
    pub seconds_per_step_median: f64,
    /// Durations of the fastest and the slowest step; `None` on a GPU.
    pub seconds_per_step_range: Option<[f64; 2]>,
    /// Fraction of the timed duration that was spent waiting for data.
    pub wait_share: f64,
    /// Peak resident set size of the process.
    pub peak_memory_bytes: u64,
}

/// A training that is measured.
struct MeasuredTraining {
    task: StudentTraining,
    optimiser: Adam,
    precision: Precision,
    device: Device,
}

impl MeasuredTraining {
    /// Runs one step. On a GPU the call returns before the step is finished, as in a training.
    fn step(&mut self, number: u64) -> Result<()> {
        let losses = {
            let bf16 = self.precision == Precision::Bf16;
            let _autocast = bf16.then(|| Autocast::begin(self.device));
            self.task.forward(number)?
        };
        self.optimiser.step(&losses[losses.len() - 1], 1e-4);
        Ok(())
    }
}

/// Durations of `steps` steps, seconds.
struct Durations {
    total: f64,
    /// Each step in ascending order; empty on a GPU.
    ascending: Vec<f64>,
}

impl Durations {
    /// Measures `steps` calls of `step`. Waits for `device` only at the start and at the end: waiting in every step
    /// would leave a GPU idle while the next step is prepared.
    fn measure(
        steps: u64,
        device: Device,
        mut step: impl FnMut(u64) -> Result<()>,
    ) -> Result<Self> {
        synchronise(device);
        let started = Instant::now();
        let mut ascending = Vec::new();
        for number in 0..steps {
            let step_started = Instant::now();
            step(number)?;
            if !device.is_cuda() {
                ascending.push(step_started.elapsed().as_secs_f64());
            }
        }
        synchronise(device);
        let total = started.elapsed().as_secs_f64();
        ascending.sort_by(f64::total_cmp);
        Ok(Self { total, ascending })
    }

    /// Duration of the median step of `steps`; the mean on a GPU.
    fn median(&self, steps: u64) -> f64 {
        let middle = self.ascending.get(self.ascending.len() / 2);
        middle.copied().unwrap_or(self.total / steps as f64)
    }

    /// Durations of the fastest and the slowest step; `None` on a GPU.
    fn range(&self) -> Option<[f64; 2]> {
        Some([*self.ascending.first()?, *self.ascending.last()?])
    }
}

/// Measures training steps on `device`, with the rounding to TF32 that a training has by default. The weights are
/// random; their values do not affect the duration.
///
/// # Errors
/// Returns an error if the images cannot be written or read.
pub fn train(bench: &TrainBench, device: Device) -> Result<TrainSpeed> {
    ensure!(
        bench.steps > 0 && bench.batch > 0,
        "steps and batch must be at least 1"
    );
    let folder = tempfile::tempdir()?;
    allow_tf32(true);
    tch::Cuda::cudnn_set_benchmark(device.is_cuda());
    let task = task(bench, folder.path(), device)?;
    let learned = task.learned();
    let optimiser = Adam::new(
        learned.iter().map(|(name, tensor)| (name.clone(), tensor)),
        1e-5,
    );
    let mut training = MeasuredTraining {
        task,
        optimiser,
        precision: bench.precision,
        device,
    };
    // One epoch decodes every image and, with a cache, fills the cache of teacher features.
    let warm_up = IMAGES.div_ceil(bench.batch as u64).max(2);
    for number in 0..if bench.teacher_cache_mib > 0 {
        warm_up
    } else {
        2
    } {
        training.step(number)?;
    }
    let waited_before = training.task.waited();
    let durations = Durations::measure(bench.steps, device, |number| training.step(number))?;
    let waited = training.task.waited().saturating_sub(waited_before);
    Ok(TrainSpeed {
        of: *bench,
        seconds_per_step_median: durations.median(bench.steps),
        seconds_per_step_range: durations.range(),
        wait_share: waited.as_secs_f64() / durations.total,
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
        let range = self
            .seconds_per_step_range
            .map_or_else(String::new, |[fastest, slowest]| {
                format!(" ({:.0} to {:.0})", 1e3 * fastest, 1e3 * slowest)
            });
        write!(
            f,
            "{} at {}, {:?}, batch {}: {:.0} ms per step{range}, {:.3} steps/s, {:.2} % waiting for data, peak memory {:.0} MB",
            self.of.preset.name(),
            self.of.input_size,
            self.of.precision,
            self.of.batch,
            1e3 * self.seconds_per_step_median,
            self.seconds_per_step_median.recip(),
            100.0 * self.wait_share,
            self.peak_memory_bytes as f64 / 1e6,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_a_cpu_are_measured_one_by_one() {
        let mut numbers = Vec::new();
        let durations = Durations::measure(3, Device::Cpu, |number| {
            numbers.push(number);
            Ok(())
        })
        .expect("nothing fails");
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(durations.ascending.len(), 3);
        let [fastest, slowest] = durations.range().expect("single steps");
        let median = durations.median(3);
        assert!((fastest..=slowest).contains(&median));
        assert!(slowest <= durations.total);
    }

    #[test]
    fn steps_of_a_gpu_have_only_a_mean() {
        let durations = Durations {
            total: 6.0,
            ascending: Vec::new(),
        };
        assert!((durations.median(4) - 1.5).abs() < 1e-12);
        assert!(durations.range().is_none());
    }

    #[test]
    fn error_of_a_step_ends_the_measurement() {
        let measured = Durations::measure(3, Device::Cpu, |_| anyhow::bail!("unreadable image"));
        assert!(measured.is_err());
    }
}
