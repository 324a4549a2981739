//! `mhkd train`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{Compute, ended, interrupts};
use crate::settings::layered;
use crate::train::run::Run;
use crate::train::settings::Flags;

/// Settings come from the paper's defaults, then --config, then flags, and are saved with the run.
#[derive(Debug, Args)]
pub(super) struct Train {
    /// The run's folder, made by this command
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Continue the run in the folder from its last checkpoint
    #[arg(long, conflicts_with = "config")]
    resume: bool,
    /// A TOML file of settings
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
        let outcome = run.train(device, &*interrupts()?)?;
        Ok(ended(
            outcome,
            &format!("mhkd train --out {} --resume", self.out.display()),
        ))
    }
}
