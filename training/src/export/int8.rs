//! The graph of a run in 8 bits: quantisation, its own calibration, and its agreement with the graph in f32.

use anyhow::{Context, Result, bail, ensure};
use inspectd_core::manifest::{Int8Parity, Precision};
use inspectd_core::maps::{MapCalibration, MapSize, combine};
use inspectd_engine::{EngineOptions, Session};
use prost::Message;

use super::quantize::{RangeMeter, last_convolutions, quantize};
use super::{CalibratedGraph, RunGraph, parity};
use crate::calibrate::{ImageMaps, score_of, without_frame};
use crate::dataset::loader::LoadedImage;
use crate::log::progress::Progress;
use crate::train::run::Run;

/// Largest number of training images on which the ranges of the activations are measured.
const CALIBRATION_IMAGES: usize = 64;

/// Smallest accepted correlation of the combined maps of both graphs.
const MIN_CORRELATION: f64 = 0.98;

/// Quantises the graph of `source`, calibrates it by its own maps, and compares it with `reference`, the graph of the same
/// networks in f32. The last convolution of each network stays in f32.
///
/// # Errors
/// When an image cannot be read, ONNX Runtime rejects the graph, a map is not finite, or the correlation of the maps of
/// the two graphs is less than [`MIN_CORRELATION`].
pub(super) fn quantized(
    source: &RunGraph<'_>,
    reference: &CalibratedGraph,
) -> Result<CalibratedGraph> {
    let run = source.run;
    let plain = source.model(None, &reference.calibration)?;
    let keep = last_convolutions(plain.graph.as_ref().context("the model has no graph")?);
    let mut meter = RangeMeter::new(&plain, &keep)?;
    measure(run, &mut meter)?;
    let calibration_images = meter.images();
    let ranges = meter.finish();

    // The maps before location normalisation, so that its statistics are those of the maps in 8 bits.
    let graph = quantize(&plain, &keep, &ranges)?.encode_to_vec();
    let mut graph = LoadedGraph::new(Precision::Int8, &graph)?;
    let frame = run.origin.architecture.frame();
    let measured = run.measure_calibration(|image| {
        let maps = graph.maps(image)?;
        Ok(without_frame(maps, frame))
    })?;
    let model = source.model(measured.location, &measured.calibration)?;
    let mut quantised = CalibratedGraph {
        graph: quantize(&model, &keep, &ranges)?.encode_to_vec(),
        calibration: measured.calibration,
        int8: None,
    };
    let agreement = compare(run, reference, &quantised)?;
    agreement.check()?;
    quantised.int8 = Some(agreement.entry(calibration_images));
    Ok(quantised)
}

/// Measures the ranges on training images that are selected evenly from the list, because neighbours are often similar.
fn measure(run: &Run, meter: &mut RangeMeter) -> Result<()> {
    let train = &run.dataset().train;
    let count = train.len().min(CALIBRATION_IMAGES);
    let paths: Vec<_> = (0..count)
        .map(|index| train[index * train.len() / count].clone())
        .collect();
    let mut progress = Progress::new("ranges of activations", count as u64, 0);
    for (done, image) in run.sequential_loader(&paths).enumerate() {
        meter.add(&image?.frame)?;
        progress.set(done as u64 + 1, "");
    }
    progress.finish();
    Ok(())
}

/// A graph in ONNX Runtime.
struct LoadedGraph {
    precision: Precision,
    session: Session,
}

impl LoadedGraph {
    fn new(precision: Precision, graph: &[u8]) -> Result<Self> {
        let session = Session::load(graph, &EngineOptions::default());
        Ok(Self {
            precision,
            session: session.with_context(|| format!("the {precision} graph"))?,
        })
    }

    /// Computes the maps of `image`, which must be finite.
    fn maps(&mut self, image: &LoadedImage) -> Result<ImageMaps> {
        let precision = self.precision;
        let [structural, logical] = parity::run_graph(&mut self.session, image)?;
        for (name, map) in [("structural", &structural), ("logical", &logical)] {
            let cell = map.elements.iter().position(|value| !value.is_finite());
            if let Some(cell) = cell {
                bail!(
                    "the {precision} graph: cell {cell} of the {name} map of image {} is {}; must be finite",
                    image.index,
                    map.elements[cell]
                );
            }
        }
        let &[_, height, width] = structural.shape.as_slice() else {
            bail!(
                "the {precision} graph: the structural map has the shape {:?}; must be [1, height, width]",
                structural.shape
            );
        };
        Ok(ImageMaps {
            grid: MapSize {
                width: width as usize,
                height: height as usize,
            },
            structural: structural.elements,
            logical: logical.elements,
            size: image.size,
        })
    }
}

/// A graph in ONNX Runtime with its calibration.
struct Model {
    graph: LoadedGraph,
    calibration: MapCalibration,
}

impl Model {
    fn new(precision: Precision, graph: &CalibratedGraph) -> Result<Self> {
        Ok(Self {
            graph: LoadedGraph::new(precision, &graph.graph)?,
            calibration: graph.calibration.maps()?,
        })
    }

    /// The combined map of `image`.
    fn combined(&mut self, image: &LoadedImage) -> Result<Vec<f32>> {
        let maps = self.graph.maps(image)?;
        Ok(combine(&maps.structural, &maps.logical, &self.calibration))
    }

    /// The score of `image`.
    fn score(&mut self, image: &LoadedImage) -> Result<f64> {
        Ok(score_of(&self.graph.maps(image)?, &self.calibration))
    }
}

/// Compares two graphs, each with its own calibration: the maps of the images of the parity check, and the scores of the
/// validation images.
fn compare(
    run: &Run,
    reference: &CalibratedGraph,
    quantised: &CalibratedGraph,
) -> Result<Agreement> {
    let mut reference = Model::new(Precision::F32, reference)?;
    let mut quantised = Model::new(Precision::Int8, quantised)?;
    let validation = &run.dataset().validation;
    let total = parity::IMAGES + validation.len();
    let mut progress = Progress::new("comparing with f32", total as u64, 0);
    let mut agreement = Agreement::default();
    for image in parity::images(run)? {
        agreement.add(&reference.combined(&image)?, &quantised.combined(&image)?);
        progress.set(agreement.images, "");
    }
    for (done, image) in run.sequential_loader(validation).enumerate() {
        let image = image?;
        let scores = [reference.score(&image)?, quantised.score(&image)?];
        agreement.scores.add(scores);
        progress.set(agreement.images + done as u64 + 1, "");
    }
    progress.finish();
    Ok(agreement)
}

/// How far the maps and scores of two graphs agree.
#[derive(Clone, Debug, Default)]
struct Agreement {
    images: u64,
    largest: f64,
    /// Sum of the differences of all cells.
    total: f64,
    maps: Correlation,
    scores: Correlation,
}

impl Agreement {
    /// Adds the combined maps of one image. Differences are fractions of the largest absolute value of `reference`.
    fn add(&mut self, reference: &[f32], quantised: &[f32]) {
        let scale = reference
            .iter()
            .fold(f32::MIN_POSITIVE, |scale, value| scale.max(value.abs()));
        for (reference, quantised) in reference.iter().zip(quantised) {
            let difference = f64::from((quantised - reference).abs()) / f64::from(scale);
            self.largest = self.largest.max(difference);
            self.total += difference;
            self.maps
                .add([f64::from(*reference), f64::from(*quantised)]);
        }
        self.images += 1;
    }

    /// Checks that the correlation of the maps is at least [`MIN_CORRELATION`].
    fn check(&self) -> Result<()> {
        let correlation = self.maps.value();
        let found = correlation.map_or_else(
            || "not defined, because the maps are constant".to_owned(),
            |correlation| format!("{correlation:.4}"),
        );
        ensure!(
            correlation.is_some_and(|correlation| correlation >= MIN_CORRELATION),
            "the int8 graph differs from the f32 graph: the correlation of the combined maps over {} images is {found}, must be at least {MIN_CORRELATION}; nothing was written; export this run with --precision f32",
            self.images
        );
        Ok(())
    }

    /// The entry of the manifest.
    fn entry(&self, calibration_images: usize) -> Int8Parity {
        Int8Parity {
            calibration_images: calibration_images as u32,
            images: self.images as u32,
            largest_relative: self.largest,
            mean_relative: self.total / self.maps.count.max(1.0),
            map_correlation: self.maps.value().unwrap_or_default(),
            score_correlation: self.scores.value(),
        }
    }
}

/// Running Pearson correlation of pairs of numbers, in constant memory (Welford 1962).
#[derive(Clone, Debug, Default)]
struct Correlation {
    count: f64,
    mean: [f64; 2],
    /// Sums of squares of the centred numbers.
    squares: [f64; 2],
    /// Sum of products of the centred numbers.
    products: f64,
}

impl Correlation {
    fn add(&mut self, pair: [f64; 2]) {
        self.count += 1.0;
        let before = [0, 1].map(|side| pair[side] - self.mean[side]);
        for side in [0, 1] {
            self.mean[side] += before[side] / self.count;
            self.squares[side] += before[side] * (pair[side] - self.mean[side]);
        }
        self.products += before[0] * (pair[1] - self.mean[1]);
    }

    /// The correlation, -1 to 1; `None` if one side is constant.
    fn value(&self) -> Option<f64> {
        let scale = (self.squares[0] * self.squares[1]).sqrt();
        (scale > 0.0).then(|| (self.products / scale).clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correlation(pairs: &[[f64; 2]]) -> Option<f64> {
        let mut correlation = Correlation::default();
        for pair in pairs {
            correlation.add(*pair);
        }
        correlation.value()
    }

    #[test]
    fn correlation_of_small_cases() {
        let check = |pairs: &[[f64; 2]], expected: f64| {
            let found = correlation(pairs).expect("both sides vary");
            assert!((found - expected).abs() < 1e-12, "{pairs:?}: {found}");
        };
        check(&[[1.0, 12.0], [2.0, 14.0], [4.0, 18.0]], 1.0);
        check(&[[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]], -1.0);
        check(&[[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]], 0.0);
        // By hand: the sum of the products is 4, those of the squares are 5.
        check(&[[1.0, 1.0], [2.0, 3.0], [3.0, 2.0], [4.0, 4.0]], 4.0 / 5.0);
        assert_eq!(correlation(&[[1.0, 2.0], [1.0, 3.0]]), None);
        assert_eq!(correlation(&[]), None);
    }

    #[test]
    fn maps_with_little_in_common_are_rejected() {
        let reference: Vec<f32> = (0..100_u8).map(|i| f32::from(i % 10)).collect();
        let near: Vec<f32> = reference.iter().map(|value| value + 0.09).collect();
        let far: Vec<f32> = (0..100_u8).map(|i| f32::from(i % 7)).collect();
        let mut agreement = Agreement::default();
        agreement.add(&reference, &near);
        agreement.check().expect("the maps agree");
        let entry = agreement.entry(5);
        assert!((entry.largest_relative - 0.01).abs() < 1e-6, "{entry:?}");
        assert!((entry.mean_relative - 0.01).abs() < 1e-6, "{entry:?}");
        assert_eq!((entry.calibration_images, entry.images), (5, 1));
        assert_eq!(entry.score_correlation, None);
        agreement.add(&reference, &far);
        let error = agreement.check().expect_err("the maps differ").to_string();
        assert!(error.contains("over 2 images is 0."), "{error}");
        let constant = Agreement::default().check().expect_err("no maps");
        assert!(constant.to_string().contains("constant"), "{constant}");
    }
}
