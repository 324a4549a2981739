//! A fitted model in 8 bits.
//!
//! The features in 8 bits differ from those in f32, by about as much as those of good parts differ from each other.
//! Methods without training are therefore fitted again, to features in 8 bits. A student is not trained again: its maps of
//! a photograph by students that have not seen it are taken to change as much as its map by the student of the bundle
//! does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::manifest::Int8Parity;
use inspectd_engine::{Elements, EngineOptions, Session};
use prost::Message;
use tch::Tensor;

use super::calibrated::{Calibrated, PhotoSize};
use super::go_on;
use super::model::Model;
use super::photos::Photo;
use super::student::FittedStudent;
use crate::backbone::{LiteVariant, shipped};
use crate::calibrate::ImageMaps;
use crate::dataset::ImageSize;
use crate::dataset::loader::LoadedImage;
use crate::export::feature_graph::{FEATURES, extractor};
use crate::export::graph::Options;
use crate::export::int8::{Compared, agreement, evenly};
use crate::export::onnx::Dimension::{Free, Known};
use crate::export::onnx::{DataType, ModelProto, ValueInfoProto};
use crate::export::quantize::{Activations, RangeMeter, last_convolutions, quantize};
use crate::export::student_model;
use crate::export::weights::WeightType;
use crate::feature_methods::{Copies, MethodSettings};
use crate::log::progress::Progress;

/// Largest number of images of each kind, good and with artificial defects, on which the two precisions are compared.
const COMPARED: usize = 40;

/// Everything that a model in 8 bits is made from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// The model in f32.
    pub(super) model: &'a Model,
    /// Its backbone.
    pub(super) variant: LiteVariant,
    /// Size of the network input.
    pub(super) size: ImageSize,
    /// The photographs.
    pub(super) photos: &'a [Photo],
    /// Altered copies of the photographs that the model was fitted to as well.
    pub(super) copies: &'a [(Frame, usize)],
    /// Settings of the methods without training.
    pub(super) settings: MethodSettings,
    /// Set when the fit is interrupted.
    pub(super) interrupted: &'a AtomicBool,
}

/// A model whose networks compute in 8 bits.
#[derive(Debug)]
pub(super) struct Int8Model {
    /// The model, with constants that suit networks in 8 bits. Its student is in f32.
    pub(super) model: Model,
    /// Its calibration, and the scores of the photographs.
    pub(super) calibrated: Calibrated,
    /// Ranges of the activations.
    activations: Activations,
    /// Number of photographs on which they were measured.
    measured: usize,
}

impl Int8Model {
    /// Quantises the networks of a model, and fits and calibrates what depends on their results.
    ///
    /// # Errors
    /// When the fit is interrupted, ONNX Runtime rejects a graph, or a value is not finite.
    pub(super) fn fit(source: &Source<'_>) -> Result<Self> {
        let Source { model, photos, .. } = *source;
        let networks = source.networks()?;
        let graph = networks.graph.as_ref();
        let keep = last_convolutions(graph.context("the model has no graph")?);
        let mut meter = RangeMeter::new(&networks, &keep)?;
        let has_student = model.student().is_some();
        let frames = photos.len() * if has_student { 2 } else { 1 } + source.copies.len();
        let total = evenly(photos.len()).count() + frames;
        let mut progress = Progress::new("8 bits", total as u64, 0);
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress.set(done, "");
            go_on(source.interrupted)
        };
        for index in evenly(photos.len()) {
            meter.add(&photos[index].frame)?;
            step()?;
        }
        let measured = meter.images();
        let activations = meter.finish();
        let int8 = quantize(&networks, &keep, &activations)?;
        let mut int8 = Networks::load(&int8, model)?;
        let mut features = Vec::with_capacity(photos.len());
        let mut maps = Vec::new();
        for photo in photos {
            let found = int8.run(&photo.frame, photo.size)?;
            features.push(found.features);
            maps.extend(found.maps);
            step()?;
        }
        let features = Tensor::stack(&features, 0);
        let mut copies = Copies::none(&features);
        if !source.copies.is_empty() {
            let mut found = Vec::with_capacity(source.copies.len());
            for (frame, _) in source.copies {
                found.push(int8.run(frame, (frame.width(), frame.height()))?.features);
                step()?;
            }
            copies = Copies {
                features: Tensor::stack(&found, 0),
                originals: source
                    .copies
                    .iter()
                    .map(|(_, index)| *index as i64)
                    .collect(),
            };
        }
        let student = match model.student() {
            None => None,
            Some(student) => {
                let mut plain = Networks::load(&networks, model)?;
                let mut changes = Vec::with_capacity(photos.len());
                for (photo, after) in photos.iter().zip(maps) {
                    let before = plain.run(&photo.frame, photo.size)?.maps;
                    changes.push([before.context("the student has maps")?, after]);
                    step()?;
                }
                Some(student.changed(&changes))
            }
        };
        progress.finish();
        Self::calibrated(
            source,
            (&features, &copies),
            student,
            (activations, measured),
        )
    }

    fn calibrated(
        source: &Source<'_>,
        (features, copies): (&Tensor, &Copies),
        student: Option<FittedStudent>,
        (activations, measured): (Activations, usize),
    ) -> Result<Self> {
        let plain = source.model;
        let mut progress: Option<Progress> = None;
        let fitted = plain
            .features()
            .refit(features, copies, source.settings, |done, total| {
                progress
                    .get_or_insert_with(|| Progress::new("fit in 8 bits", total, 0))
                    .set(done, "");
            });
        if let Some(progress) = progress {
            progress.finish();
        }
        let model = plain.with_parts(fitted, student);
        let sizes: Vec<PhotoSize> = source.photos.iter().map(|photo| photo.size).collect();
        Ok(Self {
            calibrated: Calibrated::measure(&model, &sizes)?,
            model,
            activations,
            measured,
        })
    }

    /// Quantises `graph`, that of [`Self::model`].
    ///
    /// # Errors
    /// When the graph has other networks than the model.
    pub(super) fn quantised(&self, graph: &ModelProto) -> Result<Vec<u8>> {
        let keep: BTreeSet<String> =
            last_convolutions(graph.graph.as_ref().context("the model has no graph")?);
        Ok(quantize(graph, &keep, &self.activations)?.encode_to_vec())
    }

    /// Compares the quantised `int8` graph with that in `f32`, whose calibration is `plain`, on photographs and on `defective`
    /// ones.
    ///
    /// # Errors
    /// When ONNX Runtime rejects a graph, or the two do not agree.
    pub(super) fn compare(
        &self,
        [f32, int8]: [&[u8]; 2],
        plain: &Calibrated,
        photos: &[Photo],
        defective: &[(Frame, usize)],
    ) -> Result<Int8Parity> {
        let step = |count: usize| count.div_ceil(COMPARED).max(1);
        let image = |frame: Arc<Frame>, size| LoadedImage {
            index: 0,
            frame,
            size,
        };
        let good: Vec<LoadedImage> = photos
            .iter()
            .step_by(step(photos.len()))
            .map(|photo| image(Arc::clone(&photo.frame), photo.size))
            .collect();
        let bad: Vec<LoadedImage> = defective
            .iter()
            .step_by(step(defective.len()))
            .map(|(frame, original)| image(Arc::new(frame.clone()), photos[*original].size))
            .collect();
        agreement(&Compared {
            graphs: [f32, int8],
            calibrations: [plain.maps, self.calibrated.maps],
            scores: [&plain.scores, &self.calibrated.scores],
            good: &good,
            defective: &bad,
            measured: self.measured,
        })
    }
}

impl Source<'_> {
    /// The graph from the frame to the features and, with a student, its maps without location normalisation.
    fn networks(&self) -> Result<ModelProto> {
        let Some(student) = self.model.student() else {
            let weights = shipped::weights(self.variant)?;
            return Ok(extractor(self.variant, &weights, self.size));
        };
        let options = Options {
            weights: WeightType::F16,
            ..Options::default()
        };
        let architecture = student.architecture();
        let mut model = student_model(architecture, student.networks(), &options)?;
        let grid = self.model.grid();
        let shape = [
            Free("N"),
            Known(architecture.features()),
            Known(grid.height as i64),
            Known(grid.width as i64),
        ];
        let features = ValueInfoProto::tensor(FEATURES, DataType::Float, &shape, "");
        model.graph.get_or_insert_default().output.push(features);
        Ok(model)
    }
}

/// The networks of a model in ONNX Runtime.
#[derive(Debug)]
struct Networks<'a> {
    session: Session,
    model: &'a Model,
}

/// Results of the networks for one image.
#[derive(Debug)]
struct NetworkResults {
    /// Features before normalisation, `[C, HW]`.
    features: Tensor,
    /// Maps of the student, without location normalisation.
    maps: Option<ImageMaps>,
}

impl<'a> Networks<'a> {
    fn load(graph: &ModelProto, model: &'a Model) -> Result<Self> {
        let session = Session::load(&graph.encode_to_vec(), &EngineOptions::default());
        Ok(Self {
            session: session.context("the networks in 8 bits")?,
            model,
        })
    }

    fn run(&mut self, frame: &Frame, size: PhotoSize) -> Result<NetworkResults> {
        let names: &[&str] = match self.model.student() {
            Some(_) => &[FEATURES, "structural", "logical"],
            None => &[FEATURES],
        };
        let (height, width) = (i64::from(frame.height()), i64::from(frame.width()));
        let shape = [1, height, width, CHANNELS as i64];
        let input = Elements::U8(frame.rgb());
        let mut results = self.session.run_named(&shape, input, names)?.into_iter();
        let features = results.next().context("an output for each name")?;
        let grid = self.model.grid();
        let features = Tensor::from_slice(&features.elements).reshape([-1, grid.cells() as i64]);
        let maps = results.next().zip(results.next());
        Ok(NetworkResults {
            features,
            maps: maps.map(|(structural, logical)| ImageMaps {
                structural: structural.elements,
                logical: logical.elements,
                grid,
                size,
            }),
        })
    }
}
