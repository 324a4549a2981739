//! The command line: parse, call, print.

mod bench;
mod evaluate;
mod export;
mod fit;
mod man_pages;
mod metrics;
mod precision;
mod predict;
mod reproduce;
mod synth;
mod teacher;
mod train;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};
use inspectd_man_pages::{Shell, print_completion};
use tch::Device;

use crate::device::{DeviceChoice, set_threads};
use crate::fit::TrainingOutcome;

/// Trains, calibrates, evaluates and exports the models that inspectd runs
#[derive(Debug, Parser)]
#[command(version, args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a bundle from photographs of good parts, in a minute without training or in twenty with it
    Fit(Box<fit::FitPhotos>),
    /// Write a dataset of the simulated inspection line
    Synth(synth::Synth),
    /// Create the teacher that a student is distilled from
    #[command(subcommand)]
    Teacher(teacher::Command),
    /// Train a student on images of good parts, and calibrate it
    Train(train::Train),
    /// Export a trained run as a model bundle, after checking ONNX Runtime against libtorch
    Export(export::Export),
    /// Score the test images of a dataset with a bundle or a run, and report the metrics
    Evaluate(evaluate::Evaluate),
    /// Score a folder of images without ground truth: table and heatmaps
    Predict(predict::Predict),
    /// Evaluate anomaly maps of any method: AUROC, AU-PRO, saturated PRO
    Metrics(metrics::Metrics),
    /// Reproduce a table or figure of the paper: train, evaluate, and compare with the published values
    Reproduce(Box<reproduce::Reproduce>),
    /// Measure the speed of training or inference
    #[command(subcommand)]
    Bench(bench::Command),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages of mhkd
    ManPages(man_pages::ManPages),
}

impl Cli {
    /// Runs the command and returns the exit code: 130 after an interrupt.
    ///
    /// # Errors
    /// When the command fails. The message names the cause, its place and the allowed values.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Fit(command) => command.run(),
            Command::Synth(command) => command.run(),
            Command::Teacher(command) => command.run(),
            Command::Train(command) => command.run(),
            Command::Export(command) => command.run(),
            Command::Evaluate(command) => command.run(),
            Command::Predict(command) => command.run(),
            Command::Metrics(command) => command.run(),
            Command::Reproduce(command) => command.run(),
            Command::Bench(command) => command.run(),
            Command::Completions { shell } => {
                print_completion(Self::command(), shell)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::ManPages(command) => command.run(Self::command()),
        }
    }
}

/// Device and threads of libtorch.
#[derive(Clone, Debug, Args)]
struct Compute {
    /// Device: auto, cpu, cuda or cuda:N; auto selects the first GPU if there is one, or else the CPU
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Number of CPU threads of libtorch [default: all cores, within the quota of the control group]
    #[arg(long)]
    threads: Option<u16>,
}

impl Compute {
    fn device(&self) -> Result<Device> {
        set_threads(self.threads)?;
        self.device.libtorch()
    }
}

/// Returns a flag that Ctrl-C and SIGTERM set. The second signal exits the process immediately.
fn interrupt_flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\ninterrupted: saving a checkpoint (interrupt again to exit immediately)");
    })?;
    Ok(flag)
}

/// Returns the exit code for the outcome of a training. Prints the outcome to standard error unless all
/// steps are done.
fn report_outcome(outcome: TrainingOutcome, resume: &str) -> ExitCode {
    match outcome {
        TrainingOutcome::Finished => ExitCode::SUCCESS,
        TrainingOutcome::StoppedEarly => {
            eprintln!(
                "stopped early: the validation loss no longer decreases; the best weights were saved"
            );
            ExitCode::SUCCESS
        }
        TrainingOutcome::Interrupted => {
            eprintln!("interrupted; resume with: {resume}");
            ExitCode::from(130)
        }
    }
}
