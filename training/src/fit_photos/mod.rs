//! `mhkd fit`: from a folder of photographs of good parts to a bundle.
//!
//! The steps: check every photograph, choose the size of the network input, compute the features, fit the
//! methods, choose one by artificial defects, find photographs that look unlike the others, calibrate with
//! models that have not seen the scored photograph, and write the bundle with its report.

mod choice;
mod folder;
pub mod image_size;
pub mod photos;
mod pseudo_defects;
mod report;
mod suspicious;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use inspectd_core::bundle::{Bundle, MANIFEST_FILE};
use inspectd_core::frame::Frame;
use inspectd_core::score::ThresholdSuggestion;
use tch::Tensor;

use crate::backbone::LiteVariant;
use crate::dataset::ImageSize;
use crate::export::Label;
use crate::export::feature_graph;
use crate::feature_methods::bundle::{BundleParts, ImageOrigin, MapScores};
use crate::feature_methods::extractor::FeatureExtractor;
use crate::feature_methods::{FeatureMethod, FittedMethod, MethodSettings, bundle};
use crate::log::progress::Progress;
use photos::{Photo, View};

pub use choice::{MethodChoice, MethodScore};
pub use report::{PAGE, configuration};
pub use suspicious::Suspicion;

/// Minimum number of photographs.
pub const MIN_PHOTOS: usize = 5;
/// Number of photographs below which the user is warned.
const FEW_PHOTOS: usize = 20;
/// Memory for the features of all photographs, bytes. With more photographs, an even selection is used.
const FEATURE_BYTES: usize = 1 << 30;
/// Photographs of the parity check.
const PARITY_IMAGES: usize = 4;

/// Settings of a fit.
#[derive(Clone, Debug)]
pub struct FitSettings {
    /// The inspected part of the photographs.
    pub view: View,
    /// Size of the network input; chosen if unset.
    pub size: Option<ImageSize>,
    /// Side of a square with the largest number of input pixels.
    pub side_limit: u32,
    /// Rate of the line, images per second; unlimited if unset.
    pub fps: Option<f64>,
    /// The backbone.
    pub backbone: LiteVariant,
    /// The method, or automatic.
    pub method: Option<FeatureMethod>,
    /// Requested false-reject rate, 0 to 1.
    pub false_reject_rate: f64,
    /// Random seed.
    pub seed: u64,
    /// Whether suspicious photographs are left out.
    pub leave_out_suspicious: bool,
    /// CPU threads of the features; 0 for all.
    pub threads: usize,
}

/// Result of a fit.
#[derive(Debug)]
pub struct Fit {
    /// The bundle.
    pub bundle: Bundle,
    /// The suggested threshold.
    pub threshold: ThresholdSuggestion,
    /// The page in the bundle's folder.
    pub report: PathBuf,
    /// Number of photographs used.
    pub used: usize,
    /// Photographs that look unlike the others.
    pub suspicious: Vec<Suspicion>,
    /// Texts for the user.
    pub warnings: Vec<String>,
    /// How each method found artificial defects; empty if the method was given.
    pub choice: Vec<MethodScore>,
    /// Time of the whole fit.
    pub took: Duration,
}

/// Fits a bundle to the photographs of good parts in `folder` and writes it to `out`.
///
/// # Errors
/// When photographs cannot be used, there are too few, or the bundle cannot be written.
pub fn fit(folder: &Path, settings: &FitSettings, label: Label, out: &Path) -> Result<Fit> {
    let started = Instant::now();
    prepare(out)?;
    let mut warnings = Vec::new();
    let found = folder::photographs(folder)?;
    warnings.extend(found.warnings);
    let facts = photos::examine(&found.paths, settings.view)?;
    warnings.extend(facts.warnings);
    check_count(found.paths.len(), folder, &mut warnings)?;
    let size = input_size(settings, &facts.sizes, &mut warnings)?;
    let paths = within_memory(found.paths, size, settings.backbone, &mut warnings);
    let photos = load(&paths, settings.view, size)?;
    let mut extractor = FeatureExtractor::new(settings.backbone, size, settings.threads)?;
    let features = features_of(&mut extractor, &photos)?;

    let mut work = Work {
        photos,
        features,
        size,
        settings,
    };
    let (mut fitted, choice) = work.fit_and_choose(&mut extractor)?;
    let mut scores = work.calibrate(&fitted)?;
    let suspicious = suspicious::find(&work.photos, &scores.scores);
    if settings.leave_out_suspicious && !suspicious.is_empty() {
        work.leave_out(&suspicious);
        ensure!(
            work.photos.len() >= MIN_PHOTOS,
            "{} photographs are left without the suspicious ones; at least {MIN_PHOTOS} are needed",
            work.photos.len()
        );
        fitted = work.fit(fitted.method());
        scores = work.calibrate(&fitted)?;
    }
    let files = work.photos.iter().map(|photo| &photo.path);
    let origin = ImageOrigin {
        layout: "photographs".into(),
        category: label.name.clone(),
        fingerprint: crate::dataset::fingerprint_of(folder, files)?,
    };
    let frames: Vec<&Frame> = work
        .photos
        .iter()
        .take(PARITY_IMAGES)
        .map(|photo| &photo.frame)
        .collect();
    let parts = BundleParts {
        fitted: &fitted,
        variant: settings.backbone,
        size,
        scores: &scores,
        false_reject_rate: settings.false_reject_rate,
        origin,
        settings: work.as_table(&fitted),
        seed: settings.seed,
        frames: &frames,
    };
    let (bundle, threshold) = bundle::write(&parts, label, out)?;
    let mut fit = Fit {
        report: out.join(PAGE),
        bundle,
        threshold,
        used: work.photos.len(),
        suspicious,
        warnings,
        choice,
        took: started.elapsed(),
    };
    report::write(&fit, &work, &fitted, &scores)?;
    fit.took = started.elapsed();
    Ok(fit)
}

/// Creates the folder that will contain the bundle, so that a wrong path is found before the work.
fn prepare(out: &Path) -> Result<()> {
    let occupied = out.exists() && !out.join(MANIFEST_FILE).exists();
    let empty = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    ensure!(
        !occupied || empty,
        "{}: not replaced, because it is not a bundle (it has no {MANIFEST_FILE})",
        out.display()
    );
    let Some(parent) = out.parent() else {
        return Ok(());
    };
    std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))
}

fn check_count(count: usize, folder: &Path, warnings: &mut Vec<String>) -> Result<()> {
    ensure!(
        count >= MIN_PHOTOS,
        "{}: {count} photographs; at least {MIN_PHOTOS} different ones are needed, and 50 are recommended",
        folder.display()
    );
    if count < FEW_PHOTOS {
        warnings.push(format!(
            "only {count} photographs: the variation of good parts is hardly known, and more good parts will be rejected than with 50"
        ));
    }
    Ok(())
}

fn input_size(
    settings: &FitSettings,
    sizes: &[(u32, u32)],
    warnings: &mut Vec<String>,
) -> Result<ImageSize> {
    let photo = image_size::typical(sizes);
    let size = match settings.size {
        Some(size) => size,
        None => chosen_size(settings, photo)?,
    };
    if size.width > photo.0 || size.height > photo.1 {
        warnings.push(format!(
            "the photographs are {}x{} pixels, smaller than the input {size}: the daemon needs allow_upscaling = true for such frames",
            photo.0, photo.1
        ));
    }
    Ok(size)
}

fn chosen_size(settings: &FitSettings, photo: (u32, u32)) -> Result<ImageSize> {
    let mut side = settings.side_limit;
    if let Some(fps) = settings.fps {
        (side, _) = image_size::for_rate(settings.backbone, photo, side, fps)?;
    }
    // More pixels than the photograph has show nothing new.
    let available = (f64::from(photo.0) * f64::from(photo.1)).sqrt() as u32;
    Ok(image_size::with_aspect(photo, side.min(available)))
}

/// Selects evenly from `paths` if the features of all need too much memory.
fn within_memory(
    paths: Vec<PathBuf>,
    size: ImageSize,
    backbone: LiteVariant,
    warnings: &mut Vec<String>,
) -> Vec<PathBuf> {
    let channels: i64 = backbone.channels().iter().sum();
    let bytes = feature_graph::grid(size).cells() * channels as usize * size_of::<f32>();
    let limit = (FEATURE_BYTES / bytes).max(MIN_PHOTOS);
    let count = paths.len();
    if count <= limit {
        return paths;
    }
    warnings.push(format!(
        "{limit} of {count} photographs are used, evenly selected: the features of more need too much memory"
    ));
    (0..limit)
        .map(|index| paths[index * count / limit].clone())
        .collect()
}

fn load(paths: &[PathBuf], view: View, size: ImageSize) -> Result<Vec<Photo>> {
    let progress = parking_lot::Mutex::new(Progress::new("photographs", paths.len() as u64, 0));
    let photos = photos::load(paths, view, size, &|done| progress.lock().set(done, ""))?;
    progress.into_inner().finish();
    Ok(photos)
}

/// Features of all photographs, `[N, C, HW]`.
fn features_of(extractor: &mut FeatureExtractor, photos: &[Photo]) -> Result<Tensor> {
    let mut progress = Progress::new("features", photos.len() as u64, 0);
    let mut features = Vec::with_capacity(photos.len());
    for photo in photos {
        let computed = extractor
            .features(&photo.frame)
            .with_context(|| photo.path.display().to_string())?;
        features.push(computed);
        progress.set(features.len() as u64, "");
    }
    progress.finish();
    Ok(Tensor::stack(&features, 0))
}

/// Photographs with their features.
#[derive(Debug)]
struct Work<'a> {
    photos: Vec<Photo>,
    features: Tensor, // [N, C, HW]
    size: ImageSize,
    settings: &'a FitSettings,
}

impl Work<'_> {
    fn method_settings(&self) -> MethodSettings {
        let mut settings = MethodSettings::default();
        settings.patch_core.seed = self.settings.seed;
        settings
    }

    fn fit(&self, method: FeatureMethod) -> FittedMethod {
        let mut progress: Option<Progress> = None;
        let fitted = FittedMethod::fit(
            &self.features,
            feature_graph::grid(self.size),
            method,
            self.method_settings(),
            |done, total| {
                progress
                    .get_or_insert_with(|| Progress::new("fit", total, 0))
                    .set(done, "");
            },
        );
        if let Some(progress) = progress {
            progress.finish();
        }
        fitted
    }

    fn fit_and_choose(
        &self,
        extractor: &mut FeatureExtractor,
    ) -> Result<(FittedMethod, Vec<MethodScore>)> {
        if let Some(method) = self.settings.method {
            return Ok((self.fit(method), Vec::new()));
        }
        let mut fitted = self.fit(FeatureMethod::Both);
        let grid = feature_graph::grid(self.size);
        let scores = choice::compare(
            &mut fitted,
            &self.photos,
            grid,
            extractor,
            self.settings.seed,
        )?;
        fitted.select(choice::best(&scores));
        Ok((fitted, scores))
    }

    fn calibrate(&self, fitted: &FittedMethod) -> Result<MapScores> {
        let sizes: Vec<(u32, u32)> = self.photos.iter().map(|photo| photo.size).collect();
        MapScores::measure(
            &fitted.unseen_maps(),
            feature_graph::grid(self.size),
            &sizes,
        )
    }

    fn leave_out(&mut self, suspicious: &[Suspicion]) {
        let out = |index: usize| suspicious.iter().any(|found| found.index == index);
        let kept: Vec<i64> = (0..self.photos.len())
            .filter(|&index| !out(index))
            .map(|index| index as i64)
            .collect();
        self.features = self.features.index_select(0, &Tensor::from_slice(&kept));
        let mut index = 0;
        self.photos.retain(|_| {
            index += 1;
            !out(index - 1)
        });
    }

    /// Settings for the manifest.
    fn as_table(&self, fitted: &FittedMethod) -> toml::Table {
        let MethodSettings { padim, patch_core } = self.method_settings();
        let mut table = toml::Table::new();
        let mut put = |key: &str, value: toml::Value| table.insert(key.to_owned(), value);
        put("method", fitted.method().name().into());
        put("photographs", (self.photos.len() as i64).into());
        put("padim_rank", padim.rank.into());
        put("padim_noise", padim.noise.into());
        put("patchcore_bank", patch_core.bank.into());
        put("false_reject_rate", self.settings.false_reject_rate.into());
        table
    }
}
