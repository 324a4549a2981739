//! `mhkd fit`.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use clap::Args;
use inspectd_core::preprocess::{Crop, Rotation};

use super::interrupt_flag;
use super::precision::{GraphPrecision, agreement, graphs, precisions};
use crate::backbone::LiteVariant;
use crate::dataset::ImageSize;
use crate::device::set_threads;
use crate::export::Label;
use crate::feature_methods::SubspaceSettings;
use crate::fit_photos::photos::{View, parse_crop, parse_rotation};
use crate::fit_photos::{Augmentation, Fit, FitSettings, MethodChoice, fit, image_size};

/// Makes a bundle from photographs of good parts, in a minute without training or in twenty with it
///
/// PHOTOS is a folder of images (its subfolders count too) or a dataset with train/good. Checks every
/// photograph first. Writes manifest.toml, model.onnx, model.int8.onnx and report.html.
#[derive(Debug, Args)]
pub(super) struct FitPhotos {
    /// Folder of photographs of good parts
    photos: PathBuf,
    /// Folder of the bundle; an existing bundle is replaced
    #[arg(long, value_name = "BUNDLE")]
    out: PathBuf,
    /// Name of the bundle [default: the name of the folder of photographs]
    #[arg(long)]
    name: Option<String>,
    /// Version of the bundle
    #[arg(long, default_value = "1.0.0")]
    model_version: String,
    /// Time for the whole fit, minutes; from 3 on, auto also trains a student [default: 1, or 20 for a method that is
    /// trained]
    #[arg(long)]
    minutes: Option<f64>,
    /// Optimiser steps of each training of a student [default: as many as fit into --minutes]
    #[arg(long)]
    steps: Option<u64>,
    /// Method: auto, or a sum of padim, patchcore, fre and one of mhkd, efficientad and st, such as mhkd+fre; auto
    /// compares methods on artificial defects
    #[arg(long, default_value = "auto")]
    method: MethodChoice,
    /// Rate of the line, images per second: limits the size of the network input, measured on this machine
    #[arg(long)]
    fps: Option<f64>,
    /// Inspected rectangle in pixels, as the camera's `crop` [default: all]
    #[arg(long, value_name = "LEFT,TOP,RIGHT,BOTTOM", value_parser = parse_crop)]
    crop: Option<Crop>,
    /// Clockwise rotation before cropping, as the camera's `rotate`: 0, 90, 180 or 270
    #[arg(long, value_name = "DEGREES", default_value = "0", value_parser = parse_rotation)]
    rotate: Rotation,
    /// Size of the network input, WIDTHxHEIGHT, multiples of 16 [default: chosen]
    #[arg(long, value_name = "SIZE", value_parser = image_size::parse)]
    size: Option<ImageSize>,
    /// Backbone
    #[arg(long, value_enum, default_value_t = LiteBackbone::Lite2)]
    backbone: LiteBackbone,
    /// Largest number of dimensions of the subspace of fre; fewer make a smaller bundle
    #[arg(long, default_value_t = SubspaceSettings::default().rank, value_parser = clap::value_parser!(i64).range(1..=64))]
    fre_rank: i64,
    /// Altered copies of the photographs to fit to as well, three of each; for few photographs
    #[arg(long, value_enum, default_value_t = Augment::None)]
    augment: Augment,
    /// False-reject rate of good parts at the suggested threshold
    #[arg(long, default_value_t = 0.01)]
    false_reject_rate: f64,
    /// Precisions of the graphs in the bundle, one or several with a comma between them; the daemon selects one
    #[arg(long, value_enum, value_delimiter = ',', default_value = "f32,int8")]
    precision: Vec<GraphPrecision>,
    /// Do not use photographs that look unlike the others
    #[arg(long)]
    leave_out_suspicious: bool,
    /// Random seed
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Number of CPU threads [default: all cores, within the quota of the control group]
    #[arg(long)]
    threads: Option<u16>,
}

/// Altered copies of photographs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Augment {
    /// No copies
    None,
    /// Moved by up to two pixels of the network input
    Shift,
    /// A little brighter or darker
    Light,
    /// Moved, and brighter or darker
    Both,
}

impl From<Augment> for Augmentation {
    fn from(augment: Augment) -> Self {
        match augment {
            Augment::None => Self::None,
            Augment::Shift => Self::Shift,
            Augment::Light => Self::Light,
            Augment::Both => Self::Both,
        }
    }
}

/// The shipped backbones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LiteBackbone {
    /// Faster
    #[value(name = "efficientnet_lite0")]
    Lite0,
    /// Finds more
    #[value(name = "efficientnet_lite2")]
    Lite2,
}

/// Side of the square with as many pixels as the largest input that is chosen.
const SIDE_LIMIT: u32 = 384;

/// Environment variables of `OpenMP` that say how threads wait.
const WAITING: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];

/// Rounds that a thread spins before it sleeps. On two free cores, 2000 and 50,000 took about the same time, less
/// than the default and much less than none; next to other work, fewer rounds leave more of the cores to it.
const SPINS: &str = "2000";

/// Starts the program again with `OpenMP` threads that spin only shortly, unless the environment says how they
/// wait. A fit has many short parallel sections, at the end of which threads would otherwise spin until the
/// slowest one is scheduled. `OpenMP` reads the variable before `main`.
fn limit_spinning() {
    if WAITING.iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        // Returns only if the program cannot be started; the fit then runs with the default.
        let _ = std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(WAITING[1], SPINS)
            .exec();
    }
}

impl FitPhotos {
    pub(super) fn run(self) -> Result<ExitCode> {
        limit_spinning();
        let rate = self.false_reject_rate;
        ensure!(
            rate > 0.0 && rate < 1.0,
            "--false-reject-rate {rate}: must be above 0 and below 1"
        );
        if let Some(fps) = self.fps {
            ensure!(fps.is_finite() && fps > 0.0, "--fps {fps}: must be above 0");
        }
        let method = self.method.method();
        let trained = method.is_some_and(|method| method.student.is_some());
        let minutes = self.minutes.unwrap_or(if trained { 20.0 } else { 1.0 });
        ensure!(
            minutes.is_finite() && minutes > 0.0,
            "--minutes {minutes}: must be above 0"
        );
        ensure!(self.steps != Some(0), "--steps 0: must be at least 1");
        let label = self.label()?;
        crate::torch::flush_denormals();
        let threads = set_threads(self.threads)?;
        let settings = FitSettings {
            view: View {
                rotation: self.rotate,
                crop: self.crop,
            },
            size: self.size,
            side_limit: SIDE_LIMIT,
            fps: self.fps,
            backbone: match self.backbone {
                LiteBackbone::Lite0 => LiteVariant::Lite0,
                LiteBackbone::Lite2 => LiteVariant::Lite2,
            },
            method,
            minutes,
            steps: self.steps,
            fre_rank: self.fre_rank,
            augmentation: self.augment.into(),
            false_reject_rate: rate,
            seed: self.seed,
            leave_out_suspicious: self.leave_out_suspicious,
            threads,
            precisions: precisions(&self.precision),
        };
        let interrupted = interrupt_flag()?;
        let fit = match fit(&self.photos, &settings, label, &self.out, &interrupted) {
            Err(error) if interrupted.load(Ordering::Relaxed) => {
                eprintln!("{error:#}");
                return Ok(ExitCode::from(130));
            }
            result => result?,
        };
        print(&fit, settings.view);
        Ok(ExitCode::SUCCESS)
    }

    /// Name, version and time of the bundle.
    fn label(&self) -> Result<Label> {
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let label = Label {
            name: self.name.clone().unwrap_or_else(|| self.default_name()),
            version: self.model_version.clone(),
            created: now.parse().context("chrono writes RFC 3339")?,
        };
        for (option, text) in [("--name", &label.name), ("--model-version", &label.version)] {
            ensure!(
                (1..=64).contains(&text.len()) && text.chars().all(legal),
                "{option} {text}: must be 1 to 64 letters, digits, '.', '_' or '-'"
            );
        }
        Ok(label)
    }

    /// The name of the folder, with the characters that a bundle's name may have.
    fn default_name(&self) -> String {
        let whole = std::path::absolute(&self.photos).unwrap_or_else(|_| self.photos.clone());
        let name = whole.file_name().unwrap_or_default().to_string_lossy();
        let name: String = name
            .chars()
            .take(64)
            .map(|c| if legal(c) { c } else { '-' })
            .collect();
        if name.is_empty() {
            "model".into()
        } else {
            name
        }
    }
}

/// Whether a bundle's name may have this character.
fn legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

fn print(fit: &Fit, view: View) {
    for warning in &fit.warnings {
        eprintln!("warning: {warning}");
    }
    for found in &fit.suspicious {
        eprintln!(
            "suspicious: {} (score {:.3}, {:.0} robust standard deviations above the others)",
            found.path.display(),
            found.score,
            found.distance
        );
    }
    let contents = fit.bundle.manifest();
    println!(
        "{}: {} photographs, {}x{} pixels, {}{}, {}, {:.0} s",
        fit.bundle.dir().display(),
        fit.used,
        contents.input.width,
        contents.input.height,
        fit.method,
        if fit.steps > 0 {
            format!(", {} steps", fit.steps)
        } else {
            String::new()
        },
        graphs(&fit.bundle),
        fit.took.as_secs_f64(),
    );
    println!("threshold {}", fit.threshold);
    if let Some(agreement) = agreement(contents) {
        println!("{agreement}");
    }
    println!("report: {}", fit.report.display());
    println!();
    println!(
        "{}",
        crate::fit_photos::configuration(fit.bundle.dir(), view)
    );
}
