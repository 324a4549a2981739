//! `mhkd teacher distill`, `pretrain` and `import`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::{Compute, ended, interrupts};
use crate::network::architecture::Preset;
use crate::teacher::import::import;
use crate::teacher::settings::{DistillFlags, PretrainFlags};
use crate::teacher::training::{distil, enrol, pretrain};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Learn a teacher from an ImageNet backbone
    Distill(Course<DistillFlags>),
    /// Learn a teacher without photographs, on generated pictures
    Pretrain(Course<PretrainFlags>),
    /// Take a teacher from a .safetensors or .pth checkpoint
    Import(Import),
}

/// Settings come from the defaults, then --config, then flags, and are saved in the folder.
#[derive(Debug, Args)]
pub(super) struct Course<F: Args> {
    /// Folder to make; the teacher will be OUT/teacher.safetensors
    #[arg(long)]
    out: PathBuf,
    /// Continue from the folder's last checkpoint
    #[arg(long, conflicts_with = "config")]
    resume: bool,
    /// A TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: F,
    #[command(flatten)]
    compute: Compute,
}

/// Checks every tensor's name and shape, and says what it found.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The checkpoint
    checkpoint: PathBuf,
    /// Whose teacher it is
    #[arg(long)]
    preset: Preset,
    /// It was trained without padding (the shapes do not tell)
    #[arg(long)]
    unpadded: bool,
    /// The teacher's file
    #[arg(long)]
    out: PathBuf,
}

impl Command {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Distill(course) => {
                let device = course.compute.device()?;
                let settings = enrol(
                    &course.out,
                    course.config.as_deref(),
                    &course.flags,
                    course.resume,
                )?;
                let outcome = distil(&course.out, settings, device, &*interrupts()?)?;
                Ok(ended(
                    outcome,
                    &format!(
                        "mhkd teacher distill --out {} --resume",
                        course.out.display()
                    ),
                ))
            }
            Self::Pretrain(course) => {
                let device = course.compute.device()?;
                let settings = enrol(
                    &course.out,
                    course.config.as_deref(),
                    &course.flags,
                    course.resume,
                )?;
                let outcome = pretrain(&course.out, settings, device, &*interrupts()?)?;
                Ok(ended(
                    outcome,
                    &format!(
                        "mhkd teacher pretrain --out {} --resume",
                        course.out.display()
                    ),
                ))
            }
            Self::Import(command) => {
                println!(
                    "{}",
                    import(
                        &command.checkpoint,
                        (command.preset, !command.unpadded),
                        &command.out
                    )?
                );
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
