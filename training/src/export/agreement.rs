//! Agreement of two graphs of the same model in different precisions, in ONNX Runtime.

use anyhow::{Context, Result, bail, ensure};
use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::manifest::{DefectAuroc, Int8Parity, Precision};
use inspectd_core::maps::{MapCalibration, MapSize, combine};
use inspectd_engine::{Elements, EngineError, EngineOptions, Session, Tensor};

use crate::calibrate::{ImageMaps, score_of};
use crate::dataset::loader::LoadedImage;

/// Smallest accepted correlation of the combined maps of both graphs.
const MIN_CORRELATION: f64 = 0.98;

/// A graph in ONNX Runtime.
#[derive(Debug)]
pub(super) struct LoadedGraph {
    precision: Precision,
    session: Session,
    /// Whether it has a logical map.
    has_logical: bool,
}

impl LoadedGraph {
    /// Loads `graph`.
    ///
    /// # Errors
    /// When ONNX Runtime is not available or rejects the graph.
    pub(super) fn new(precision: Precision, graph: &[u8]) -> Result<Self> {
        let session = Session::load(graph, &EngineOptions::default());
        let session = session.with_context(|| format!("the {precision} graph"))?;
        Ok(Self {
            precision,
            has_logical: session.outputs().iter().any(|port| port.name == "logical"),
            session,
        })
    }

    /// Computes the maps of `image`, which must be finite. The logical map of a graph without one is zeros.
    ///
    /// # Errors
    /// When inference fails, or a map has another shape or a non-finite cell.
    pub(super) fn maps(&mut self, image: &LoadedImage) -> Result<ImageMaps> {
        let precision = self.precision;
        let [structural, logical] = self.run(&image.frame)?;
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

    fn run(&mut self, frame: &Frame) -> Result<[Tensor; 2], EngineError> {
        let (height, width) = (i64::from(frame.height()), i64::from(frame.width()));
        let shape = [1, height, width, CHANNELS as i64];
        let input = Elements::U8(frame.rgb());
        if self.has_logical {
            return self.session.run(&shape, input, ["structural", "logical"]);
        }
        let [structural] = self.session.run(&shape, input, ["structural"])?;
        let logical = Tensor {
            shape: structural.shape.clone(),
            elements: vec![0.0; structural.elements.len()],
        };
        Ok([structural, logical])
    }
}

/// A graph in ONNX Runtime with its calibration.
#[derive(Debug)]
pub(super) struct Model {
    graph: LoadedGraph,
    calibration: MapCalibration,
}

/// What a model computes from an image.
#[derive(Debug)]
pub(super) struct Inspected {
    /// The combined map.
    pub(super) map: Vec<f32>,
    /// The score.
    pub(super) score: f64,
}

impl Model {
    /// Loads `graph`, whose maps are combined by `calibration`.
    ///
    /// # Errors
    /// When ONNX Runtime is not available or rejects the graph.
    pub(super) fn new(
        precision: Precision,
        graph: &[u8],
        calibration: MapCalibration,
    ) -> Result<Self> {
        Ok(Self {
            graph: LoadedGraph::new(precision, graph)?,
            calibration,
        })
    }

    /// The combined map of `image`, and its score.
    ///
    /// # Errors
    /// As for [`LoadedGraph::maps`].
    pub(super) fn inspect(&mut self, image: &LoadedImage) -> Result<Inspected> {
        let maps = self.graph.maps(image)?;
        Ok(Inspected {
            map: combine(&maps.structural, &maps.logical, &self.calibration),
            score: score_of(&maps, &self.calibration),
        })
    }
}

/// How far the maps and scores of two graphs agree.
#[derive(Clone, Debug, Default)]
pub(super) struct Agreement {
    images: u64,
    largest: f64,
    /// Sum of the differences of all cells.
    total: f64,
    maps: Correlation,
    scores: Correlation,
}

impl Agreement {
    /// Adds the combined maps of one image. Differences are fractions of the largest absolute value of `reference`.
    pub(super) fn add(&mut self, reference: &[f32], quantised: &[f32]) {
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

    /// Adds the scores of one image: of the reference and of the quantised graph.
    pub(super) fn add_scores(&mut self, scores: [f64; 2]) {
        self.scores.add(scores);
    }

    /// Number of images whose maps were added.
    pub(super) fn images(&self) -> u64 {
        self.images
    }

    /// Checks that the correlation of the maps is at least [`MIN_CORRELATION`].
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn check(&self) -> Result<()> {
        let correlation = self.maps.value();
        let found = correlation.map_or_else(
            || "not defined, because the maps are constant".to_owned(),
            |correlation| format!("{correlation:.4}"),
        );
        ensure!(
            correlation.is_some_and(|correlation| correlation >= MIN_CORRELATION),
            "the int8 graph differs from the f32 graph: the correlation of the combined maps over {} images is {found}, must be at least {MIN_CORRELATION}",
            self.images
        );
        Ok(())
    }

    /// The entry of the manifest.
    pub(super) fn entry(
        &self,
        calibration_images: usize,
        defect_auroc: Option<DefectAuroc>,
    ) -> Int8Parity {
        Int8Parity {
            calibration_images: calibration_images as u32,
            images: self.images as u32,
            largest_relative: self.largest,
            mean_relative: self.total / self.maps.count.max(1.0),
            map_correlation: self.maps.value().unwrap_or_default(),
            score_correlation: self.scores.value(),
            defect_auroc,
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
        let entry = agreement.entry(5, None);
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
