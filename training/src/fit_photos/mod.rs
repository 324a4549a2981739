//! `mhkd fit`: from a folder of photographs of good parts to a bundle.
//!
//! The steps: check every photograph, choose the size of the network input, compute the features, fit the
//! methods without training, find photographs that look unlike the others, train a student if there is time,
//! choose a method by artificial defects, calibrate with models that have not seen the scored photograph, and
//! write the bundle with its report.

mod augmentation;
mod bundle;
mod calibrated;
mod choice;
mod folder;
pub mod image_size;
mod int8;
mod maps;
mod method;
mod model;
pub mod photos;
mod pseudo_defects;
mod report;
mod settings;
mod student;
mod suspicious;
mod work_folder;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use inspectd_core::bundle::{Bundle, MANIFEST_FILE};
use inspectd_core::frame::Frame;
use inspectd_core::manifest::Precision as GraphPrecision;
use inspectd_core::score::ThresholdSuggestion;
use tch::Tensor;

use crate::backbone::LiteVariant;
use crate::dataset::ImageSize;
use crate::export::Label;
use crate::export::feature_graph;
use crate::feature_methods::extractor::FeatureExtractor;
use crate::feature_methods::{Copies, FeatureMethods, FittedMethod, MethodSettings};
use crate::fit::plan::Precision;
use crate::log::progress::Progress;
use bundle::{BundleParts, ImageOrigin, Written};
use calibrated::{Calibrated, PhotoSize};
use choice::Defective;
use model::Model;
use photos::{Photo, View};
use student::{FittedStudent, StudentPlan, TrainingSet};
use work_folder::WorkFolder;

pub use augmentation::Augmentation;
pub use choice::MethodScore;
pub use method::{FitMethod, MethodChoice};
pub use report::{PAGE, configuration};
pub use settings::{FitSettings, MIN_TRAINING_MINUTES};
pub use suspicious::Suspicion;

/// Minimum number of photographs.
pub const MIN_PHOTOS: usize = 5;
/// Number of photographs below which the user is warned.
const FEW_PHOTOS: usize = 20;
/// Memory for the features of all photographs, bytes; a fit needs about eight times as much. With more photographs, an
/// even selection is used.
const FEATURE_BYTES: usize = 1 << 29;
/// Result of a fit.
#[derive(Debug)]
pub struct Fit {
    /// The bundle.
    pub bundle: Bundle,
    /// The method.
    pub method: FitMethod,
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
    /// Optimiser steps of each student; 0 without training.
    pub steps: u64,
    /// Time of the whole fit.
    pub took: Duration,
}

/// Fits a bundle to the photographs of good parts in `folder` and writes it to `out`.
///
/// # Errors
/// When photographs cannot be used, there are too few, the fit is interrupted, or the bundle cannot be written.
pub fn fit(
    folder: &Path,
    settings: &FitSettings,
    label: Label,
    out: &Path,
    interrupted: &AtomicBool,
) -> Result<Fit> {
    let started = Instant::now();
    prepare(out)?;
    let mut warnings = Vec::new();
    let found = folder::photographs(folder)?;
    warnings.extend(found.warnings);
    let facts = photos::examine(&found.paths, settings.view)?;
    warnings.extend(facts.warnings);
    check_count(found.paths.len(), folder, &mut warnings)?;
    let size = settings.input_size(&facts.sizes, &mut warnings)?;
    let paths = within_memory(found.paths, size, settings.backbone, &mut warnings);
    let photos = load(&paths, settings.view, size)?;
    let mut extractor = FeatureExtractor::new(settings.backbone, size, settings.threads)?;
    let frames = photos.iter().map(|photo| &*photo.frame);
    let features = features_of("features", frames, &mut extractor, interrupted)?;
    let mut work = Work {
        defective: Defective::none(),
        photos,
        features,
        size,
        settings,
        interrupted,
    };
    let mut fitted = work.fit(&mut extractor)?;
    let suspicious = suspicious::find(&work.photos, &work.calibrated(&fitted)?.scores);
    if settings.leave_out_suspicious && !suspicious.is_empty() {
        work.leave_out(&suspicious)?;
        fitted = work.fit(&mut extractor)?;
    }
    let files = work.photos.iter().map(|photo| &photo.path);
    let fingerprint = crate::dataset::fingerprint_of(folder, files)?;
    let training = work.train(&fitted, out, &fingerprint, started)?;
    let (student, steps) = training.map_or((None, 0), |(student, steps)| (Some(student), steps));
    let (model, choice) = work.choose(fitted, student)?;
    let used_steps = if model.student().is_some() { steps } else { 0 };
    if used_steps < steps {
        warnings.push(format!(
            "the student that was trained for {steps} steps is not used: it does not find the artificial defects clearly better than {}",
            model.method()
        ));
    }
    let steps = used_steps;
    let calibrated = work.calibrated(&model)?;
    let rate = settings.false_reject_rate;
    warnings.extend(suspicious::influence(
        &work.photos,
        &calibrated.scores,
        rate,
    )?);
    if settings.precisions.contains(&GraphPrecision::Int8) && work.defective.frames.is_empty() {
        work.defective = Defective::draw(&work.photos, settings.seed);
    }
    let parts = BundleParts {
        model: &model,
        variant: settings.backbone,
        size,
        calibrated: &calibrated,
        false_reject_rate: settings.false_reject_rate,
        origin: ImageOrigin {
            layout: "photographs".into(),
            category: label.name.clone(),
            fingerprint,
        },
        settings: work.as_table(model.method()),
        steps,
        seed: settings.seed,
        photos: &work.photos,
        defective: &work.defective.frames,
        copies: &work.augmented(),
        methods: work.method_settings(),
        precisions: &settings.precisions,
        interrupted,
    };
    let Written {
        bundle,
        threshold,
        without_int8,
        calibrated,
    } = bundle::write(&parts, label, out)?;
    warnings.extend(without_int8.map(|reason| {
        format!(
            "the bundle has only a graph in f32, because that in 8 bits cannot be used: {reason}"
        )
    }));
    let mut fit = Fit {
        report: out.join(PAGE),
        bundle,
        method: model.method(),
        threshold,
        used: work.photos.len(),
        suspicious,
        warnings,
        choice,
        steps,
        took: started.elapsed(),
    };
    report::write(&fit, &work, &model, &calibrated)?;
    WorkFolder::remove(out)?;
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

/// Features of images, `[N, C, HW]`. `name` describes them in the progress bar.
fn features_of<'a>(
    name: &str,
    frames: impl ExactSizeIterator<Item = &'a Frame>,
    extractor: &mut FeatureExtractor,
    interrupted: &AtomicBool,
) -> Result<Tensor> {
    let mut progress = Progress::new(name, frames.len() as u64, 0);
    let mut features = Vec::with_capacity(frames.len());
    for frame in frames {
        go_on(interrupted)?;
        features.push(extractor.features(frame)?);
        progress.set(features.len() as u64, "");
    }
    progress.finish();
    Ok(Tensor::stack(&features, 0))
}

/// Fails if the fit was interrupted.
fn go_on(interrupted: &AtomicBool) -> Result<()> {
    ensure!(
        !interrupted.load(Ordering::Relaxed),
        "interrupted; nothing was written"
    );
    Ok(())
}

/// Photographs with their features.
#[derive(Debug)]
struct Work<'a> {
    photos: Vec<Photo>,
    features: Tensor, // [N, C, HW]
    defective: Defective,
    size: ImageSize,
    settings: &'a FitSettings,
    interrupted: &'a AtomicBool,
}

impl Work<'_> {
    fn method_settings(&self) -> MethodSettings {
        let mut settings = MethodSettings::default();
        settings.patch_core.seed = self.settings.seed;
        settings.subspace.rank = self.settings.fre_rank;
        settings
    }

    /// Fits the methods without training that may be used, and scores artificial defects if the method is not given.
    fn fit(&mut self, extractor: &mut FeatureExtractor) -> Result<Model> {
        let copies = self.copies(extractor)?;
        let mut probes = Copies::none(&self.features);
        if self.settings.method.is_none() {
            self.defective = Defective::draw(&self.photos, self.settings.seed);
            let defective = &self.defective.frames;
            probes = self.with_features("artificial defects", defective, extractor)?;
        }
        // A trained method needs the features' statistics, and suspicious photographs are found by their scores.
        let features = match self.settings.method {
            Some(method) if method.features != FeatureMethods::NONE => method.features,
            _ => FeatureMethods::ALL,
        };
        let mut progress: Option<Progress> = None;
        let fitted = FittedMethod::fit(
            &self.features,
            &copies,
            &probes,
            feature_graph::grid(self.size),
            features,
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
        let method = FitMethod {
            features,
            student: None,
        };
        Ok(Model::new(fitted, None, method))
    }

    /// Altered copies of the photographs, with the indices of their originals.
    fn augmented(&self) -> Vec<(Frame, usize)> {
        let augmentation = self.settings.augmentation;
        let mut frames = Vec::new();
        for (index, photo) in self.photos.iter().enumerate() {
            let seed = self.settings.seed ^ ((index as u64) << 8);
            let copies = augmentation.copies(&photo.frame, seed);
            frames.extend(copies.into_iter().map(|copy| (copy, index)));
        }
        frames
    }

    /// Features of the altered copies.
    fn copies(&self, extractor: &mut FeatureExtractor) -> Result<Copies> {
        let frames = self.augmented();
        if frames.is_empty() {
            return Ok(Copies::none(&self.features));
        }
        self.with_features("copies", &frames, extractor)
    }

    /// Copies with the indices of their originals.
    fn with_features(
        &self,
        name: &str,
        copies: &[(Frame, usize)],
        extractor: &mut FeatureExtractor,
    ) -> Result<Copies> {
        let frames = copies.iter().map(|(frame, _)| frame);
        Ok(Copies {
            features: features_of(name, frames, extractor, self.interrupted)?,
            originals: copies.iter().map(|(_, index)| *index as i64).collect(),
        })
    }

    /// Trains a student in the remaining time, if the method has one. Returns it with the number of steps.
    fn train(
        &self,
        fitted: &Model,
        out: &Path,
        fingerprint: &str,
        started: Instant,
    ) -> Result<Option<(FittedStudent, u64)>> {
        let Some(architecture) = self.settings.architecture(self.size)? else {
            return Ok(None);
        };
        let set = TrainingSet {
            photos: &self.photos,
            features: &self.features,
            normalisation: fitted.features().normalisation(),
            probes: &self.defective.frames,
        };
        let plan = StudentPlan {
            architecture,
            steps: 0,
            precision: Precision::Auto.resolve(tch::Device::Cpu),
            seed: self.settings.seed,
        };
        let measured = || student::steps(set, &plan, self.settings.minutes, started);
        let folder = WorkFolder::open(out, &plan, fingerprint, self.settings.steps, measured)?;
        let plan = folder.plan(plan);
        let student = FittedStudent::train(set, &plan, folder.path(), self.interrupted)?;
        Ok(Some((student, plan.steps)))
    }

    /// Combines what was fitted and selects the method.
    fn choose(
        &self,
        fitted: Model,
        student: Option<FittedStudent>,
    ) -> Result<(Model, Vec<MethodScore>)> {
        let mut model = fitted.with_student(student);
        if let Some(method) = self.settings.method {
            model.select(method);
            return Ok((model, Vec::new()));
        }
        let candidates = self.settings.candidates();
        let scores = choice::compare(&mut model, &candidates, &self.sizes(), &self.defective)?;
        model.select(choice::best(&scores, FitMethod::FEATURES));
        Ok((model, scores))
    }

    fn calibrated(&self, model: &Model) -> Result<Calibrated> {
        Calibrated::measure(model, &self.sizes())
    }

    /// Sizes of the photographs before they were resized.
    fn sizes(&self) -> Vec<PhotoSize> {
        self.photos.iter().map(|photo| photo.size).collect()
    }

    /// Removes the suspicious photographs, of which enough others must be left.
    fn leave_out(&mut self, suspicious: &[Suspicion]) -> Result<()> {
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
        ensure!(
            self.photos.len() >= MIN_PHOTOS,
            "{} photographs are left without the suspicious ones; at least {MIN_PHOTOS} are needed",
            self.photos.len()
        );
        Ok(())
    }

    /// Settings for the manifest.
    fn as_table(&self, method: FitMethod) -> toml::Table {
        let MethodSettings {
            padim,
            patch_core,
            subspace,
        } = self.method_settings();
        let mut table = toml::Table::new();
        let mut put = |key: &str, value: toml::Value| table.insert(key.to_owned(), value);
        put("method", method.to_string().into());
        put("photographs", (self.photos.len() as i64).into());
        if method.features != FeatureMethods::NONE {
            put("padim_rank", padim.rank.into());
            put("padim_noise", padim.noise.into());
            put("patchcore_bank", patch_core.bank.into());
            put("fre_rank", subspace.rank.into());
            put("augment", self.settings.augmentation.name().into());
        }
        if method.student.is_some() {
            put("folds", (student::FOLDS as i64).into());
            put("batch", (student::BATCH as i64).into());
            put("learning_rate", student::LEARNING_RATE.into());
        }
        put("false_reject_rate", self.settings.false_reject_rate.into());
        table
    }
}
