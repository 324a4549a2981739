//! `mhkd bench train` and `mhkd bench inference`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use inspectd_core::bundle::Bundle;

use super::Compute;
use super::precision::{GraphPrecision, precisions};
use crate::bench::inference::{InferenceBench, inference};
use crate::bench::{TrainBench, train};
use crate::device::DeviceChoice;
use crate::files;
use crate::fit::plan::Precision;
use crate::log::progress::Progress;
use crate::network::input_size::InputSize;
use crate::network::preset::Preset;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Measure training steps on rendered images: steps/s, time spent waiting for data, peak memory
    Train(Train),
    /// Measure inference of bundles with the engine of inspectd: latency, images/s, parameters, FLOPs
    Inference(Inference),
}

/// Runs the real training loop on generated image files.
#[derive(Debug, Args)]
pub(super) struct Train {
    /// Network size of teacher and student
    #[arg(long, default_value = "medium")]
    preset: Preset,
    /// Size of the network input, pixels: one number for a square or WIDTHxHEIGHT
    #[arg(long, default_value = "256")]
    input_size: InputSize,
    /// Floating-point precision of the forward pass
    #[arg(long, default_value = "auto")]
    precision: Precision,
    /// Use the channels-last memory format for activations
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    channels_last: bool,
    /// Images per step
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Memory for cached teacher features, in MiB; 0 computes them in every step, as other programs do
    #[arg(long, default_value_t = 0)]
    teacher_cache_mib: usize,
    /// Number of timed steps, after the warm-up
    #[arg(long, default_value_t = 20)]
    steps: u64,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: Compute,
}

/// Several bundles are measured alternately, so that other load on the machine affects all of them equally.
#[derive(Debug, Args)]
pub(super) struct Inference {
    /// Folders of the bundles
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// Images per run, one value or several
    #[arg(long, value_delimiter = ',', default_value = "1,8")]
    batch: Vec<usize>,
    /// Device, one or several: cpu, cuda or cuda:N
    #[arg(long, value_delimiter = ',', default_value = "cpu")]
    device: Vec<DeviceChoice>,
    /// Precisions of the graphs, one or several; a bundle without one is left out for it [default: all graphs]
    #[arg(long, value_enum, value_delimiter = ',')]
    precision: Vec<GraphPrecision>,
    /// Number of CPU threads per inference [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Untimed warm-up runs per measurement
    #[arg(long, default_value_t = 10)]
    warm_up: usize,
    /// Timed runs per measurement
    #[arg(long, default_value_t = 100)]
    repeats: usize,
    /// Write the result as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Command {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Train(command) => command.run(),
            Self::Inference(command) => command.run(),
        }
    }
}

impl Inference {
    fn run(self) -> Result<ExitCode> {
        let bench = InferenceBench {
            batches: self.batch,
            providers: self
                .device
                .into_iter()
                .map(|device| (device.to_string(), device.provider()))
                .collect(),
            threads: self.threads.unwrap_or(0),
            warm_up: self.warm_up,
            repeats: self.repeats,
        };
        let wanted = precisions(&self.precision);
        let mut bundles = Vec::new();
        for folder in &self.bundles {
            let graphs = Bundle::read_manifest(folder)?;
            let graphs = graphs.precisions();
            for precision in graphs.filter(|found| wanted.is_empty() || wanted.contains(found)) {
                bundles.push(Bundle::open_in(folder, &[precision])?);
            }
        }
        ensure!(
            !bundles.is_empty(),
            "no bundle has a graph in a precision of --precision"
        );
        let mut progress = Progress::new("timing", (bench.warm_up + bench.repeats) as u64, 0);
        let speed = inference(&bundles, &bench, |done, _| progress.set(done, ""))?;
        progress.finish();
        println!("{}", speed.table());
        if let Some(path) = self.json {
            files::replace_text(&path, &serde_json::to_string_pretty(&speed)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Train {
    fn run(self) -> Result<ExitCode> {
        let device = self.compute.device()?;
        let bench = TrainBench {
            preset: self.preset,
            input_size: self.input_size,
            precision: self.precision.resolve(device),
            channels_last: self.channels_last,
            batch: self.batch,
            teacher_cache_mib: self.teacher_cache_mib,
            steps: self.steps,
        };
        let result = train(&bench, device)?;
        if self.json {
            println!("{}", serde_json::to_string(&result)?);
        } else {
            println!("{result}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
