//! `mhkd bench train`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::Compute;
use crate::bench::{TrainBench, train};
use crate::fit::plan::Precision;
use crate::network::architecture::{InputSize, Preset};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Time a training step on rendered images: steps/s, waiting for data, peak memory
    Train(Train),
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

impl Command {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self::Train(command) = self;
        let device = command.compute.device()?;
        let bench = TrainBench {
            preset: command.preset,
            input_size: command.input_size,
            precision: command.precision.settle(device),
            channels_last: command.channels_last,
            batch: command.batch,
            teacher_cache_mib: command.teacher_cache_mib,
            steps: command.steps,
        };
        let result = train(&bench, device)?;
        if command.json {
            println!("{}", serde_json::to_string(&result)?);
        } else {
            println!("{result}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
