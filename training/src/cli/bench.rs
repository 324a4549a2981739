//! `mhkd bench train` and `mhkd bench inference`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use inspectd_core::bundle::Bundle;
use inspectd_engine::Provider;

use super::Compute;
use crate::bench::inference::{InferenceBench, inference};
use crate::bench::{TrainBench, train};
use crate::files;
use crate::fit::plan::Precision;
use crate::log::progress::Progress;
use crate::network::architecture::{InputSize, Preset};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Time a training step on rendered images: steps/s, waiting for data, peak memory
    Train(Train),
    /// Time inference of bundles as the line runs them: latency, images/s, parameters, FLOPs
    Inference(Inference),
}

/// Runs the training loop itself, images decoded from files of its own.
#[derive(Debug, Args)]
pub(super) struct Train {
    /// Widths of teacher and student
    #[arg(long, default_value = "medium")]
    preset: Preset,
    /// Side of the networks' input
    #[arg(long, default_value = "256")]
    input_size: InputSize,
    /// Arithmetic of the forward pass
    #[arg(long, default_value = "auto")]
    precision: Precision,
    /// Activations channels-last in memory
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    channels_last: bool,
    /// Images a step
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Memory for the teacher's features, MiB; 0 computes them every step, as other programs do
    #[arg(long, default_value_t = 0)]
    teacher_cache_mib: usize,
    /// Steps that are timed, after warm-up
    #[arg(long, default_value_t = 20)]
    steps: u64,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: Compute,
}

/// Several bundles are measured in turns, so that a busy machine slows all alike.
#[derive(Debug, Args)]
pub(super) struct Inference {
    /// The bundles' folders
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// Images a run, one number or several
    #[arg(long, value_delimiter = ',', default_value = "1,8")]
    batch: Vec<usize>,
    /// Where to run, one or several: cpu, cuda or cuda:N
    #[arg(long, value_delimiter = ',', default_value = "cpu")]
    provider: Vec<String>,
    /// Threads of one inference on the CPU [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Runs of each before the timed ones
    #[arg(long, default_value_t = 10)]
    warm_up: usize,
    /// Timed runs of each
    #[arg(long, default_value_t = 100)]
    repeats: usize,
    /// Write the result there
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
                .provider
                .into_iter()
                .map(|name| provider(&name).map(|provider| (name, provider)))
                .collect::<Result<_>>()?,
            threads: self.threads.unwrap_or(0),
            warm_up: self.warm_up,
            repeats: self.repeats,
        };
        let bundles = self
            .bundles
            .iter()
            .map(|folder| Ok(Bundle::open(folder)?))
            .collect::<Result<Vec<_>>>()?;
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

/// `cuda:1` and the like. f32 products stay f32, as the line has it unless told otherwise.
fn provider(name: &str) -> Result<Provider> {
    let number = match name {
        "cpu" => return Ok(Provider::Cpu),
        "cuda" => Some(0),
        other => other
            .strip_prefix("cuda:")
            .and_then(|number| number.parse().ok()),
    };
    let device_id =
        number.with_context(|| format!("provider {name}: allowed are cpu, cuda and cuda:N"))?;
    Ok(Provider::Cuda {
        device_id,
        tf32: false,
        memory_limit: None,
    })
}

impl Train {
    fn run(self) -> Result<ExitCode> {
        let device = self.compute.device()?;
        let bench = TrainBench {
            preset: self.preset,
            input_size: self.input_size,
            precision: self.precision.settle(device),
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
