//! The model under evaluation: a bundle on ONNX Runtime, as in the daemon, or a run on libtorch, which does
//! not need an export. The rest of the evaluation is independent of this choice.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use inspectd_core::bundle::{Bundle, MANIFEST_FILE};
use inspectd_core::manifest::Precision;
use inspectd_core::maps::{MapCalibration, MapSize};
use inspectd_core::score::{ScoreDistribution, suggest_threshold};
use inspectd_engine::Engine;
use serde::Serialize;
use tch::{Device, Tensor};

use crate::calibrate::{Calibration, ImageMaps, LocationNormalisation, image_maps, normalised};
use crate::dataset::loader::LoadedImage;
use crate::dataset::{Dataset, ImageSize};
use crate::device::DeviceChoice;
use crate::fit::checkpoint::host;
use crate::network::net::Mode;
use crate::network::student::Student;
use crate::network::teacher::Teacher;
use crate::train::run::Run;
use crate::{settings, tensors, torch};

/// Description of a model for reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelIdentity {
    /// Bundle or run.
    pub kind: ModelKind,
    /// Name of the bundle, or folder name of the run.
    pub name: String,
    /// Version of the bundle.
    pub version: Option<String>,
    /// SHA-256 of the bundle's graph.
    pub graph_sha256: Option<String>,
    /// Preset of the networks.
    pub preset: String,
    /// Size of the network input in pixels.
    pub input_size: ImageSize,
    /// Category of the training images.
    pub category: String,
    /// Configured number of training steps.
    pub steps: u64,
    /// Seed of the training.
    pub seed: u64,
    /// Origin of the teacher.
    pub teacher: String,
    /// Runtime that computed the maps, with its version, and the precision of a bundle's graph if it is not `f32`.
    pub runtime: String,
}

/// Kind of a model folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// A folder with `manifest.toml`.
    Bundle,
    /// A folder with `settings.toml` and `run.toml`.
    Run,
}

/// A model that computes anomaly maps of images.
#[derive(Debug)]
pub struct Model {
    identity: ModelIdentity,
    calibration: MapCalibration,
    threshold: f64,
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Bundle(Engine),
    Run(Box<Networks>),
}

#[derive(Debug)]
struct Networks {
    run: Run,
    teacher: Teacher,
    student: Student,
    location: Option<LocationNormalisation>,
    calibration: Calibration,
    device: Device,
}

/// Features behind the logical map of one image, `[channels, side, side]` each: `f_t`, `f_g` and `f_l` of
/// the paper.
#[derive(Clone, Debug)]
pub struct LogicalFeatures {
    /// Normalised features of the teacher.
    pub teacher: Vec<f32>,
    /// Features of `GDecoder`.
    pub logical: Vec<f32>,
    /// Features of `SEncoder1`.
    pub low: Vec<f32>,
    /// Number of channels of each.
    pub channels: usize,
}

impl Model {
    /// Opens the bundle or run in `folder`, on `device`. `moved_dataset` is the location of
    /// a run's dataset if it has been moved. `precision` selects a graph of a bundle; the main one if unset.
    ///
    /// # Errors
    /// Returns an error if `folder` contains neither or both, if the model is incomplete, if a bundle does not have the
    /// precision or a run is to have one, or if its runtime is not available.
    pub fn open(
        folder: &Path,
        device: DeviceChoice,
        moved_dataset: Option<&Path>,
        precision: Option<Precision>,
    ) -> Result<Self> {
        let is_bundle = folder.join(MANIFEST_FILE).exists();
        let is_run = settings::path(folder).exists();
        match (is_bundle, is_run) {
            (true, false) => {
                let bundle = match precision {
                    Some(precision) => Bundle::open_in(folder, &[precision]),
                    None => Bundle::open(folder),
                };
                Self::of_bundle(&bundle?, device)
            }
            (false, true) => {
                ensure!(
                    precision.is_none(),
                    "{} is a run, which has no graphs; leave out --precision",
                    folder.display()
                );
                Self::of_run(open_run(folder, moved_dataset)?, device)
            }
            (true, true) => bail!(
                "{} contains both a bundle and a run; move one of them to a different folder",
                folder.display()
            ),
            (false, false) => bail!(
                "{} is neither a bundle (no {MANIFEST_FILE}) nor a run (no settings.toml)",
                folder.display()
            ),
        }
    }

    fn of_bundle(bundle: &Bundle, device: DeviceChoice) -> Result<Self> {
        let engine = device.engine(bundle)?;
        let contents = bundle.manifest();
        let provenance = &contents.provenance;
        Ok(Self {
            identity: ModelIdentity {
                kind: ModelKind::Bundle,
                name: contents.name.clone(),
                version: Some(contents.version.clone()),
                graph_sha256: Some(contents.graph.sha256.clone()),
                preset: provenance.preset.clone(),
                input_size: ImageSize {
                    width: contents.input.width,
                    height: contents.input.height,
                },
                category: provenance.category.clone(),
                steps: provenance.steps,
                seed: provenance.seed,
                teacher: provenance.teacher.description.clone(),
                runtime: runtime(&engine, contents.graph.precision),
            },
            calibration: contents.maps.calibration(),
            threshold: f64::from(contents.threshold.value),
            backend: Backend::Bundle(engine),
        })
    }

    fn of_run(run: Run, device: DeviceChoice) -> Result<Self> {
        let calibration = run.calibration()?;
        let scores = ScoreDistribution::new(calibration.scores.clone())?;
        let threshold = suggest_threshold(&scores, run.settings.false_reject_rate)?;
        let device = device.libtorch()?;
        let (teacher, student) = run.networks(device)?;
        let on = if device.is_cuda() { "cuda" } else { "cpu" };
        let origin = &run.origin;
        Ok(Self {
            identity: ModelIdentity {
                kind: ModelKind::Run,
                name: folder_name(&run.folder),
                version: None,
                graph_sha256: None,
                preset: origin.architecture.preset.name().to_owned(),
                input_size: run.settings.input_size.into(),
                category: origin.category.clone(),
                steps: run.settings.steps(),
                seed: run.settings.seed,
                teacher: origin.teacher_description.clone(),
                runtime: format!("libtorch {} on {on}", torch::VERSION),
            },
            calibration: calibration.maps()?,
            // Same precision as in a bundle's manifest.
            threshold: f64::from(threshold.threshold as f32),
            backend: Backend::Run(Box::new(Networks {
                location: run.location()?,
                calibration,
                run,
                teacher,
                student,
                device,
            })),
        })
    }

    /// Description of the model.
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    /// Calibration that combines the two maps.
    pub fn calibration(&self) -> MapCalibration {
        self.calibration
    }

    /// Suggested threshold: images with a score above it are rejected.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Dataset that a run was trained on; `None` for a bundle, whose manifest has no dataset path.
    pub fn dataset(&self) -> Option<&Dataset> {
        match &self.backend {
            Backend::Bundle(_) => None,
            Backend::Run(networks) => Some(networks.run.dataset()),
        }
    }

    /// Computes the two maps of `image` as input for the calibration, with per-cell normalisation if the model
    /// has one.
    ///
    /// # Errors
    /// Returns an error if the runtime fails.
    pub fn maps(&mut self, image: &LoadedImage) -> Result<ImageMaps> {
        match &mut self.backend {
            Backend::Bundle(engine) => {
                let maps = engine.run(&[image.frame.as_ref()])?;
                Ok(ImageMaps {
                    grid: MapSize {
                        width: maps.width,
                        height: maps.height,
                    },
                    structural: maps.structural,
                    logical: maps.logical,
                    size: image.size,
                })
            }
            Backend::Run(networks) => Ok(networks.maps(image)),
        }
    }

    /// Computes the features behind the logical map of `image`; `None` for a bundle, whose graph outputs only
    /// the two maps.
    pub fn features(&self, image: &LoadedImage) -> Option<LogicalFeatures> {
        match &self.backend {
            Backend::Bundle(_) => None,
            Backend::Run(networks) => Some(networks.features(image)),
        }
    }
}

impl Networks {
    fn maps(&self, image: &LoadedImage) -> ImageMaps {
        let raw = image_maps(&self.teacher, &self.student, image, self.device);
        let maps = normalised(self.location.as_ref(), raw);
        self.calibration
            .framed(&maps, self.run.origin.architecture.frame())
    }

    fn features(&self, image: &LoadedImage) -> LogicalFeatures {
        tch::no_grad(|| {
            let unit = tensors::unit(&[image.frame.as_ref()], self.device);
            let x = self.teacher.input(&unit);
            let teacher = self.teacher.forward(&x);
            let student = self.student.forward(&x, Mode::Evaluate);
            let values = |features: &Tensor| host(&features.to_kind(tch::Kind::Float).contiguous());
            LogicalFeatures {
                channels: teacher.size()[1] as usize, // [1, C, h, w]
                teacher: values(&teacher),
                logical: values(&student.logical),
                low: values(&student.low),
            }
        })
    }
}

/// Opens the run in `folder` with its own dataset, or with `moved_dataset` if its own is not found.
fn open_run(folder: &Path, moved_dataset: Option<&Path>) -> Result<Run> {
    let own = Run::open(folder, &toml::Table::new());
    let (Err(error), Some(moved_dataset)) = (&own, moved_dataset) else {
        return own;
    };
    let moved = toml::Table::from_iter([(
        "dataset".to_owned(),
        toml::Value::String(moved_dataset.display().to_string()),
    )]);
    Run::open(folder, &moved)
        .with_context(|| format!("{error:#}; opening it with --dataset also failed"))
}

/// Runtime of a bundle; the precision of its graph is named if it is not `f32`.
fn runtime(engine: &Engine, precision: Precision) -> String {
    let name = format!("ONNX Runtime {} on {}", engine.version(), engine.provider());
    match precision {
        Precision::F32 => name,
        Precision::Int8 => format!("{name}, {precision}"),
    }
}

fn folder_name(folder: &Path) -> String {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    whole
        .file_name()
        .unwrap_or(whole.as_os_str())
        .to_string_lossy()
        .into_owned()
}
