//! The command line: parse, call, print.

mod bench;
mod evaluate;
mod export;
mod metrics;
mod synth;
mod teacher;
mod train;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use tch::Device;

use crate::fit::Outcome;

/// Trains, calibrates, evaluates and exports the models that inspectd runs
#[derive(Debug, Parser)]
#[command(version, args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a dataset of the simulated inspection line
    Synth(synth::Synth),
    /// Make the teacher that a student learns from
    #[command(subcommand)]
    Teacher(teacher::Command),
    /// Train a student on good parts, and calibrate it
    Train(train::Train),
    /// Write a trained run as a model bundle, once ONNX Runtime has agreed with libtorch
    Export(export::Export),
    /// Score a dataset's test images with a bundle or a run, and report how well it does
    Evaluate(evaluate::Evaluate),
    /// Evaluate any method's anomaly maps: AUROC, AU-PRO, saturated PRO
    Metrics(metrics::Metrics),
    /// Measure speed
    #[command(subcommand)]
    Bench(bench::Command),
}

impl Cli {
    /// Does what the command line says. Exit code 130 after an interrupt.
    ///
    /// # Errors
    /// Whatever goes wrong, with what, where and what is allowed.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Synth(command) => command.run(),
            Command::Teacher(command) => command.run(),
            Command::Train(command) => command.run(),
            Command::Export(command) => command.run(),
            Command::Evaluate(command) => command.run(),
            Command::Metrics(command) => command.run(),
            Command::Bench(command) => command.run(),
        }
    }
}

/// Where libtorch computes.
#[derive(Clone, Debug, Args)]
struct Compute {
    /// auto, cpu, cuda or cuda:N; auto takes the first GPU where there is one
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads of libtorch on the CPU [default: all cores]
    #[arg(long)]
    threads: Option<u16>,
}

impl Compute {
    fn device(&self) -> Result<Device> {
        if let Some(threads) = self.threads {
            ensure!(threads > 0, "threads = 0: must be at least 1");
            tch::set_num_threads(i32::from(threads));
        }
        let cuda = self.device != "cpu" && crate::torch::open_cuda();
        let index = self
            .device
            .strip_prefix("cuda")
            .map(|rest| rest.strip_prefix(':').unwrap_or("0"));
        match (self.device.as_str(), index) {
            ("cpu", _) => Ok(Device::Cpu),
            ("auto", _) => Ok(Device::cuda_if_available()),
            (asked, Some(index)) => {
                let index: usize = index.parse().with_context(|| {
                    format!("device {asked}: allowed are auto, cpu, cuda and cuda:N")
                })?;
                ensure!(
                    cuda,
                    "device {asked}: no CUDA device; libtorch_cuda.so of PyTorch {} must be on LD_LIBRARY_PATH",
                    crate::torch::VERSION
                );
                let count = tch::Cuda::device_count();
                ensure!(
                    (index as i64) < count,
                    "device {asked}: there are {count} CUDA devices"
                );
                Ok(Device::Cuda(index))
            }
            (asked, None) => bail!("device {asked}: allowed are auto, cpu, cuda and cuda:N"),
        }
    }
}

/// A flag that Ctrl-C and SIGTERM set; the second one ends the process at once.
fn interrupts() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\ninterrupted: saving a checkpoint (again to leave at once)");
    })?;
    Ok(flag)
}

/// The exit code after a descent, and a line that says how it went on to standard error.
fn ended(outcome: Outcome, resume: &str) -> ExitCode {
    match outcome {
        Outcome::Finished => ExitCode::SUCCESS,
        Outcome::StoppedEarly => {
            eprintln!(
                "stopped early: the validation loss no longer falls; the best weights are kept"
            );
            ExitCode::SUCCESS
        }
        Outcome::Interrupted => {
            eprintln!("interrupted; continue with: {resume}");
            ExitCode::from(130)
        }
    }
}
