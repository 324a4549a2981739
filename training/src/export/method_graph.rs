//! Graphs of the methods without training: the features of a frozen backbone and one anomaly map of them.

use std::collections::BTreeMap;

use inspectd_core::maps::MapSize;

use crate::backbone::LiteVariant;
use crate::dataset::ImageSize;
use crate::tensors::{InputNormalisation, WeightTensor};

use super::feature_graph;
use super::graph_builder::GraphBuilder;
use super::onnx::Dimension::{Free, Known};
use super::onnx::{AttributeProto, DataType, ModelProto, TensorProto, ValueInfoProto};
use super::weights::TeacherNormalisation;

/// Backbone, input size and channel statistics of a graph.
#[derive(Debug)]
pub struct FeatureInput<'a> {
    /// The backbone.
    pub variant: LiteVariant,
    /// Its weights with folded batch norms.
    pub weights: &'a BTreeMap<String, WeightTensor>,
    /// Size of the input images.
    pub size: ImageSize,
    /// Mean and standard deviation of each channel over the good images.
    pub normalisation: &'a TeacherNormalisation,
}

/// Constants of one anomaly map.
#[derive(Clone, Debug)]
pub enum MapConstants {
    /// Mahalanobis distance to a Gaussian with a low-rank covariance in every cell.
    Padim {
        /// Mean of every cell, `[HW, C]`.
        mean: Vec<f32>,
        /// Scaled eigenvectors of every cell, rounded to 16 bits, `[HW, rank, C]`.
        basis: Vec<f32>,
        /// Number of eigenvectors.
        rank: i64,
        /// Variance of the other directions.
        noise: f32,
    },
    /// Distance to the nearest entry of a memory bank.
    PatchCore {
        /// The entries, `[M, C]`.
        bank: Vec<f32>,
        /// Squared norms of the entries, `[M]`.
        squares: Vec<f32>,
    },
}

/// One map with its share of the sum.
#[derive(Clone, Debug)]
pub struct MapTerm {
    /// Constants of the map.
    pub constants: MapConstants,
    /// If set, the map is centred by the first value and divided by the second.
    pub scale: Option<[f32; 2]>,
}

/// Builds the graph of the sum of `terms`, each smoothed over 3x3 cells. A single term is not scaled.
///
/// # Panics
/// When `terms` is empty or a constant has a wrong number of elements.
pub fn build(
    input: &FeatureInput<'_>,
    terms: &[MapTerm],
    metadata: Vec<(String, String)>,
) -> ModelProto {
    assert!(!terms.is_empty(), "a graph has at least one map");
    let mut builder = GraphBuilder::without_networks();
    let image = builder.frame(InputNormalisation::Half);
    let features = feature_graph::features(
        &mut builder,
        input.variant,
        input.weights,
        &image,
        input.size,
    );
    feature_graph::normalised(&mut builder, "f_t", &features, input.normalisation);
    let grid = feature_graph::grid(input.size);
    let channels = input.variant.features();
    let maps = self::terms(&mut builder, "f_t", channels, grid, terms);
    sum(&mut builder, &maps);
    let mut graph = builder.into_graph();
    graph.input = vec![feature_graph::frame_info(input.size)];
    let (width, height) = (Known(grid.width as i64), Known(grid.height as i64));
    graph.output = vec![ValueInfoProto::tensor(
        "structural",
        DataType::Float,
        &[Free("N"), height, width],
        "Distance of the features from those of good parts, before quantile normalisation.",
    )];
    feature_graph::model(graph, "features", metadata)
}

/// Adds the maps of `terms` over the normalised `features`, `[N, C, h, w]`, each smoothed over 3x3 cells, and
/// returns their names. Each is scaled, unless it is the only one.
pub(super) fn terms(
    builder: &mut GraphBuilder<'_>,
    features: &str,
    channels: i64,
    grid: MapSize,
    terms: &[MapTerm],
) -> Vec<String> {
    let cells = grid.cells() as i64;
    let mut tail = Tail {
        builder,
        channels,
        cells,
        grid,
    };
    let flat = tail.reshape("features/flat", features, &[0, channels, cells]);
    terms
        .iter()
        .enumerate()
        .map(|(number, term)| {
            let distance = match &term.constants {
                MapConstants::Padim {
                    mean,
                    basis,
                    rank,
                    noise,
                } => tail.padim(&flat, mean, basis, *rank, *noise),
                MapConstants::PatchCore { bank, squares } => tail.patch_core(&flat, bank, squares),
            };
            let smooth = tail.smoothed(&distance, number);
            match term.scale {
                Some(scale) => scaled(tail.builder, &smooth, scale),
                None => smooth,
            }
        })
        .collect()
}

/// Adds `(map - centre) / spread` and returns its name.
pub(super) fn scaled(
    builder: &mut GraphBuilder<'_>,
    map: &str,
    [centre, spread]: [f32; 2],
) -> String {
    let at = |part: &str| format!("{map}/scaled/{part}");
    let centre = builder.constant(TensorProto::f32(&at("centre"), &[], &[centre]));
    let spread = builder.constant(TensorProto::f32(&at("spread"), &[], &[spread]));
    let centred = builder.add("Sub", &at("centred"), &[map, &centre], vec![]);
    builder.add(
        "Div",
        &format!("{map}/scaled"),
        &[&centred, &spread],
        vec![],
    )
}

/// Adds the sum of `maps` as the structural map.
pub(super) fn sum(builder: &mut GraphBuilder<'_>, maps: &[String]) {
    let inputs: Vec<&str> = maps.iter().map(String::as_str).collect();
    let operator = if maps.len() == 1 { "Identity" } else { "Sum" };
    builder.add(operator, "structural", &inputs, vec![]);
}

/// The part of the graph after the features.
struct Tail<'b, 'w> {
    builder: &'b mut GraphBuilder<'w>,
    channels: i64,
    cells: i64,
    grid: MapSize,
}

impl Tail<'_, '_> {
    fn constant(&mut self, name: &str, shape: &[i64], values: &[f32]) -> String {
        let elements = shape.iter().product::<i64>();
        assert_eq!(values.len() as i64, elements, "elements of {name}");
        self.builder.constant(TensorProto::f32(name, shape, values))
    }

    /// A constant that is stored in 16 bits, which must be able to represent `values`.
    fn half_constant(&mut self, name: &str, shape: &[i64], values: &[f32]) -> String {
        let elements = shape.iter().product::<i64>();
        assert_eq!(values.len() as i64, elements, "elements of {name}");
        let stored = TensorProto::f16(&format!("{name}/half"), shape, values);
        let stored = self.builder.constant(stored);
        let to_float = AttributeProto::int("to", DataType::Float as i64);
        self.builder.add("Cast", name, &[&stored], vec![to_float])
    }

    fn reshape(&mut self, name: &str, value: &str, shape: &[i64]) -> String {
        let target = TensorProto::i64s(&format!("{name}/shape"), shape);
        let target = self.builder.constant(target);
        self.builder.add("Reshape", name, &[value, &target], vec![])
    }

    fn transpose(&mut self, name: &str, value: &str, order: &[i64]) -> String {
        let order = AttributeProto::ints("perm", order);
        self.builder.add("Transpose", name, &[value], vec![order])
    }

    fn sum_of_squares(&mut self, name: &str, value: &str, axis: i64) -> String {
        let attributes = vec![
            AttributeProto::ints("axes", &[axis]),
            AttributeProto::int("keepdims", 0),
        ];
        self.builder
            .add("ReduceSumSquare", name, &[value], attributes)
    }

    /// Square root of `value`, which rounding may have made negative.
    fn root(&mut self, name: &str, value: &str) -> String {
        let zero = self
            .builder
            .constant(TensorProto::f32("distance/zero", &[], &[0.0]));
        let clipped = self
            .builder
            .add("Max", &format!("{name}/positive"), &[value, &zero], vec![]);
        self.builder.add("Sqrt", name, &[&clipped], vec![])
    }

    /// Adds the Mahalanobis distance: `[N, HW]`.
    fn padim(
        &mut self,
        normalised: &str,
        mean: &[f32],
        basis: &[f32],
        rank: i64,
        noise: f32,
    ) -> String {
        let (cells, channels) = (self.cells, self.channels);
        let by_cell = self.transpose("padim/cells", normalised, &[2, 1, 0]);
        let mean = self.constant("padim/mean", &[cells, channels, 1], mean);
        let basis = self.half_constant("padim/basis", &[cells, rank, channels], basis);
        let noise = self.constant("padim/noise", &[], &[noise]);
        let builder = &mut *self.builder;
        let centred = builder.add("Sub", "padim/centred", &[&by_cell, &mean], vec![]);
        let projected = builder.add("MatMul", "padim/projected", &[&basis, &centred], vec![]);
        let whole = self.sum_of_squares("padim/whole", &centred, 1);
        let explained = self.sum_of_squares("padim/explained", &projected, 1);
        let builder = &mut *self.builder;
        let rest = builder.add("Sub", "padim/rest", &[&whole, &explained], vec![]);
        let squared = builder.add("Div", "padim/squared", &[&rest, &noise], vec![]);
        let distance = self.root("padim/by_cell", &squared);
        self.transpose("padim/distance", &distance, &[1, 0])
    }

    /// Adds the distance to the nearest entry: `[N, HW]`. The squared distance is `|q|² - 2 q m + |m|²`.
    fn patch_core(&mut self, normalised: &str, bank: &[f32], squares: &[f32]) -> String {
        let (channels, entries) = (self.channels, squares.len() as i64);
        let queries = self.transpose("patchcore/queries", normalised, &[0, 2, 1]);
        let columns: Vec<f32> = (0..channels as usize)
            .flat_map(|channel| {
                let column = bank.iter().skip(channel).step_by(channels as usize);
                column.map(|value| -2.0 * value)
            })
            .collect();
        let columns = self.constant("patchcore/bank", &[channels, entries], &columns);
        let squares = self.constant("patchcore/squares", &[entries], squares);
        let builder = &mut *self.builder;
        let products = builder.add(
            "MatMul",
            "patchcore/products",
            &[&queries, &columns],
            vec![],
        );
        let shifted = builder.add("Add", "patchcore/shifted", &[&products, &squares], vec![]);
        let attributes = vec![
            AttributeProto::ints("axes", &[2]),
            AttributeProto::int("keepdims", 0),
        ];
        let nearest = builder.add("ReduceMin", "patchcore/nearest", &[&shifted], attributes);
        let norms = self.sum_of_squares("patchcore/norms", &queries, 2);
        let squared = self
            .builder
            .add("Add", "patchcore/squared", &[&nearest, &norms], vec![]);
        self.root("patchcore/distance", &squared)
    }

    /// Adds the average over 3x3 cells, of the cells that exist: `[N, h, w]`.
    fn smoothed(&mut self, distance: &str, number: usize) -> String {
        let (height, width) = (self.grid.height as i64, self.grid.width as i64);
        let name = format!("map/{number}");
        let image = self.reshape(&format!("{name}/image"), distance, &[-1, 1, height, width]);
        let attributes = vec![
            AttributeProto::ints("kernel_shape", &[3, 3]),
            AttributeProto::ints("strides", &[1, 1]),
            AttributeProto::ints("pads", &[1, 1, 1, 1]),
            AttributeProto::int("count_include_pad", 0),
        ];
        let mean = self.builder.add(
            "AveragePool",
            &format!("{name}/smooth"),
            &[&image],
            attributes,
        );
        self.reshape(&name, &mean, &[-1, height, width])
    }
}
