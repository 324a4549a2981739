//! `mhkd train`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{Compute, interrupt_flag, report_outcome};
use crate::settings::layered;
use crate::train::run::Run;
use crate::train::settings::Flags;

/// Settings come from the defaults of the paper, then --config, then flags. They are saved with the run.
#[derive(Debug, Args)]
pub(super) struct Train {
    /// Folder of the run; this command creates it
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Resume the run in the folder from its last checkpoint
    #[arg(long, conflicts_with = "config")]
    resume: bool,
    /// TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Flags,
    #[command(flatten)]
    compute: Compute,
}

impl Train {
    pub(super) fn run(self) -> Result<ExitCode> {
        let device = self.compute.device()?;
        let run = if self.resume {
            Run::open(&self.out, &self.settings)?
        } else {
            Run::create(
                &self.out,
                layered(self.config.as_deref(), &self.settings)?,
                device,
            )?
        };
        println!("{}", run.summary(device));
        let outcome = run.train(device, &*interrupt_flag()?)?;
        Ok(report_outcome(
            outcome,
            &format!("mhkd train --out {} --resume", self.out.display()),
        ))
    }
}
