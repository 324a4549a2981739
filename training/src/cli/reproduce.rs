//! `mhkd reproduce`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::interrupt_flag;
use crate::device::DeviceChoice;
use crate::reproduce::{ComputeOptions, ReproduceOptions, Target, TimingOptions, reproduce};
use crate::settings::layered;
use crate::train::settings::{Flags, Settings};

/// Trains and evaluates the methods of a table, for each category and seed, and prints the results next to
/// the published values. Running the command again continues with the remaining cells. The settings are
/// those of `mhkd train`.
#[derive(Debug, Args)]
pub(super) struct Reproduce {
    /// Table or figure
    target: Target,
    /// Folder of runs, results and tables; tables in the same folder share their common runs
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Categories, one or several [default: all categories of the dataset]
    #[arg(long, value_delimiter = ',')]
    categories: Vec<String>,
    /// Training seeds, one or several
    #[arg(long, value_delimiter = ',', default_value = "42")]
    seeds: Vec<u64>,
    /// Repeat evaluations that are already done
    #[arg(long)]
    evaluate_again: bool,
    /// TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Flags,
    /// Device of the trainings: auto, cpu, cuda or cuda:N
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Number of CPU threads of a training [default: all cores]
    #[arg(long)]
    threads: Option<u16>,
    /// Table V: images per run when the throughput is measured
    #[arg(long, default_value_t = 8)]
    timed_batch: usize,
    /// Table V: device of the timed inference: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    timed_device: DeviceChoice,
    /// Table V: number of timed runs
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
                device: self.timed_device,
                repeats: self.timed_repeats,
            },
        };
        let (table, ended) = reproduce(&options, &self.out, &*interrupt_flag()?)?;
        println!("{}", table.markdown());
        for (cell, reason) in &ended.failed {
            eprintln!("failed: {cell}: {reason}");
        }
        if ended.interrupted {
            eprintln!("interrupted; run the same command to resume");
            return Ok(ExitCode::from(130));
        }
        Ok(if ended.failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
