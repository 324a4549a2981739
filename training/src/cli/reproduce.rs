//! `mhkd reproduce`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::interrupts;
use crate::reproduce::{ComputeOptions, ReproduceOptions, Target, TimingOptions, reproduce};
use crate::settings::layered;
use crate::train::settings::{Flags, Settings};

/// Trains and evaluates what the table compares, category by category and seed by seed, and prints ours
/// beside the paper's figures. Started again it does what is left. Settings are those of `mhkd train`.
#[derive(Debug, Args)]
pub(super) struct Reproduce {
    /// The table or figure
    target: Target,
    /// Where trainings, results and tables are kept; tables in one folder share what they have in common
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Categories, one or several [default: all that the dataset has]
    #[arg(long, value_delimiter = ',')]
    categories: Vec<String>,
    /// Seeds of each training, one or several
    #[arg(long, value_delimiter = ',', default_value = "42")]
    seeds: Vec<u64>,
    /// Evaluate again what is evaluated already
    #[arg(long)]
    evaluate_again: bool,
    /// A TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Flags,
    /// Where trainings compute: auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads of a training on the CPU [default: all cores]
    #[arg(long)]
    threads: Option<u16>,
    /// Table V: images a run for the throughput
    #[arg(long, default_value_t = 8)]
    timed_batch: usize,
    /// Table V: where inference is timed: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    timed_provider: String,
    /// Table V: timed runs
    #[arg(long, default_value_t = 100)]
    timed_repeats: usize,
}

impl Reproduce {
    pub(super) fn run(self) -> Result<ExitCode> {
        let settings: Settings = layered(self.config.as_deref(), &self.settings)?;
        settings.validate()?;
        let options = ReproduceOptions {
            target: self.target,
            settings,
            categories: self.categories,
            seeds: self.seeds,
            evaluate_again: self.evaluate_again,
            compute: ComputeOptions {
                device: self.device,
                threads: self.threads,
            },
            timing: TimingOptions {
                batch: self.timed_batch,
                provider: self.timed_provider,
                repeats: self.timed_repeats,
            },
        };
        let (table, ended) = reproduce(&options, &self.out, &*interrupts()?)?;
        println!("{}", table.markdown());
        for (cell, reason) in &ended.failed {
            eprintln!("failed: {cell}: {reason}");
        }
        if ended.interrupted {
            eprintln!("interrupted; the same command goes on");
            return Ok(ExitCode::from(130));
        }
        Ok(if ended.failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
