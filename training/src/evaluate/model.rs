//! What is evaluated: a bundle through ONNX Runtime, as the line runs it, or a run through libtorch,
//! which needs no export. The only place of the evaluation that knows the two apart.

use std::path::Path;

use anyhow::{Context, Result, bail};
use inspectd::bundle::{Bundle, MANIFEST_FILE};
use inspectd::engine::{Engine, EngineOptions, Provider};
use inspectd::maps::MapCalibration;
use inspectd::score::{ScoreDistribution, suggest_threshold};
use serde::Serialize;
use tch::{Device, Tensor};

use crate::calibrate::{ImageMaps, LocationNormalisation, image_maps, normalised};
use crate::dataset::Dataset;
use crate::dataset::loader::Loaded;
use crate::fit::checkpoint::host;
use crate::network::net::Mode;
use crate::network::student::{Student, Teacher};
use crate::train::run::Run;
use crate::{pixels, settings, torch};

/// What a report says of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelIdentity {
    /// Bundle or run.
    pub kind: ModelKind,
    /// The bundle's name, or the run's folder.
    pub name: String,
    /// The bundle's version.
    pub version: Option<String>,
    /// SHA-256 of the bundle's graph.
    pub graph_sha256: Option<String>,
    /// The networks' preset.
    pub preset: String,
    /// Side of the networks' input, pixels.
    pub input_size: u32,
    /// The category that it was trained on.
    pub category: String,
    /// Training steps that it was to take.
    pub steps: u64,
    /// What its training's random choices followed from.
    pub seed: u64,
    /// Where its teacher came from.
    pub teacher: String,
    /// What computed the maps, with its version.
    pub runtime: String,
}

/// The two forms of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// A folder with `manifest.toml`.
    Bundle,
    /// A folder with `settings.toml` and `run.toml`.
    Run,
}

/// A model that makes maps of images.
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
    device: Device,
}

/// The features behind the logical map of one image, `[channels, side, side]` each: the paper's `f_t`,
/// `f_g` and `f_l`.
#[derive(Clone, Debug)]
pub struct LogicalFeatures {
    /// Normalised, of the teacher.
    pub teacher: Vec<f32>,
    /// Of `GDecoder`.
    pub logical: Vec<f32>,
    /// Of `SEncoder1`.
    pub low: Vec<f32>,
    /// How many channels each has.
    pub channels: usize,
}

impl Model {
    /// Opens the bundle or the run in `folder`, on the GPU `cuda` or on the processor. `elsewhere` is
    /// where a run's dataset lies if it is no longer where it was.
    ///
    /// # Errors
    /// When `folder` holds neither, or both; when the model is not complete, or its runtime not there.
    pub fn open(folder: &Path, cuda: Option<i32>, elsewhere: Option<&Path>) -> Result<Self> {
        let is_bundle = folder.join(MANIFEST_FILE).exists();
        let is_run = settings::path(folder).exists();
        match (is_bundle, is_run) {
            (true, false) => Self::of_bundle(&Bundle::open(folder)?, cuda),
            (false, true) => Self::of_run(open_run(folder, elsewhere)?, cuda),
            (true, true) => bail!(
                "{} holds a bundle and a run: move one of them to a folder of its own",
                folder.display()
            ),
            (false, false) => bail!(
                "{} is neither a bundle (no {MANIFEST_FILE}) nor a run (no settings.toml)",
                folder.display()
            ),
        }
    }

    fn of_bundle(bundle: &Bundle, cuda: Option<i32>) -> Result<Self> {
        let provider = cuda.map_or(Provider::Cpu, |device_id| Provider::Cuda {
            device_id,
            tf32: false,
            memory_limit: None,
        });
        let options = EngineOptions {
            provider,
            ..EngineOptions::default()
        };
        let engine = Engine::load(bundle, &options)?;
        let contents = bundle.manifest();
        let provenance = &contents.provenance;
        Ok(Self {
            identity: ModelIdentity {
                kind: ModelKind::Bundle,
                name: contents.name.clone(),
                version: Some(contents.version.clone()),
                graph_sha256: Some(contents.graph.sha256.clone()),
                preset: provenance.preset.clone(),
                input_size: contents.input.width,
                category: provenance.category.clone(),
                steps: provenance.steps,
                seed: provenance.seed,
                teacher: provenance.teacher.description.clone(),
                runtime: format!("ONNX Runtime {} on {}", engine.version(), engine.provider()),
            },
            calibration: contents.maps.calibration(),
            threshold: f64::from(contents.threshold.value),
            backend: Backend::Bundle(engine),
        })
    }

    fn of_run(run: Run, cuda: Option<i32>) -> Result<Self> {
        let calibration = run.calibration()?;
        let scores = ScoreDistribution::new(calibration.scores.clone())?;
        let threshold = suggest_threshold(&scores, run.settings.false_reject_rate)?;
        let device = device(cuda)?;
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
                input_size: run.settings.input_size.side() as u32,
                category: origin.category.clone(),
                steps: run.settings.steps,
                seed: run.settings.seed,
                teacher: origin.teacher_description.clone(),
                runtime: format!("libtorch {} on {on}", torch::VERSION),
            },
            calibration: calibration.maps()?,
            // As the manifest of its bundle would have it.
            threshold: f64::from(threshold.threshold as f32),
            backend: Backend::Run(Box::new(Networks {
                location: run.location()?,
                run,
                teacher,
                student,
                device,
            })),
        })
    }

    /// What a report says of it.
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    /// How its two maps become one.
    pub fn calibration(&self) -> MapCalibration {
        self.calibration
    }

    /// The suggested threshold: an image whose score is above it is rejected.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The dataset that a run was trained on; a bundle does not say where its own lies.
    pub fn dataset(&self) -> Option<&Dataset> {
        match &self.backend {
            Backend::Bundle(_) => None,
            Backend::Run(networks) => Some(networks.run.dataset()),
        }
    }

    /// The two maps of `image` as their calibration takes them: cell by cell normalised where the model
    /// has that.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn maps(&mut self, image: &Loaded) -> Result<ImageMaps> {
        match &mut self.backend {
            Backend::Bundle(engine) => {
                let maps = engine.run(&[image.frame.as_ref()])?;
                Ok(ImageMaps {
                    structural: maps.structural,
                    logical: maps.logical,
                    size: image.size,
                })
            }
            Backend::Run(networks) => Ok(networks.maps(image)),
        }
    }

    /// The features behind the logical map of `image`; nothing for a bundle, whose graph gives its two
    /// maps alone.
    pub fn features(&self, image: &Loaded) -> Option<LogicalFeatures> {
        match &self.backend {
            Backend::Bundle(_) => None,
            Backend::Run(networks) => Some(networks.features(image)),
        }
    }
}

impl Networks {
    fn maps(&self, image: &Loaded) -> ImageMaps {
        let raw = image_maps(&self.teacher, &self.student, image, self.device);
        normalised(self.location.as_ref(), raw)
    }

    fn features(&self, image: &Loaded) -> LogicalFeatures {
        tch::no_grad(|| {
            let x = pixels::input(&[image.frame.as_ref()], self.device);
            let teacher = self.teacher.forward(&x);
            let student = self.student.forward(&x, Mode::Evaluate);
            let values = |features: &Tensor| host(&features.to_kind(tch::Kind::Float).contiguous());
            LogicalFeatures {
                channels: teacher.size()[1] as usize, // [1, C, S/4, S/4]
                teacher: values(&teacher),
                logical: values(&student.logical),
                low: values(&student.low),
            }
        })
    }
}

/// The run in `folder`, with its own dataset or, if that has moved, the same images at `elsewhere`.
fn open_run(folder: &Path, elsewhere: Option<&Path>) -> Result<Run> {
    let own = Run::open(folder, &toml::Table::new());
    let (Err(error), Some(elsewhere)) = (&own, elsewhere) else {
        return own;
    };
    let moved = toml::Table::from_iter([(
        "dataset".to_owned(),
        toml::Value::String(elsewhere.display().to_string()),
    )]);
    Run::open(folder, &moved).with_context(|| format!("{error:#}; and with --dataset"))
}

fn device(cuda: Option<i32>) -> Result<Device> {
    torch::flush_denormals();
    let Some(number) = cuda else {
        return Ok(Device::Cpu);
    };
    let there = torch::open_cuda();
    let number = usize::try_from(number).ok();
    match number.filter(|&number| there && (number as i64) < tch::Cuda::device_count()) {
        Some(number) => Ok(Device::Cuda(number)),
        None => bail!(
            "--cuda: no such GPU; libtorch_cuda.so of PyTorch {} must be on LD_LIBRARY_PATH",
            torch::VERSION
        ),
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
