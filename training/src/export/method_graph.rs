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
    /// Error of a projection of the whole image on a subspace.
    Subspace {
        /// Mean, `[C HW]`.
        mean: Vec<f32>,
        /// Orthonormal rows times `scale`, rounded to 16 bits, `[rank, C HW]`.
        basis: Vec<f32>,
        /// Number of rows.
        rank: i64,
        /// Factor of the rows.
        scale: f32,
        /// Mean of the error in every cell, `[HW]`.
        cell_mean: Vec<f32>,
        /// Spread of the error in every cell, `[HW]`.
        cell_spread: Vec<f32>,
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

/// How the maps of a method are combined.
#[derive(Clone, Debug)]
pub enum Combination {
    /// One map, the sum of the terms, which is the structural map.
    Single(Vec<MapTerm>),
    /// Two maps whose norm is the score.
    Both(FeatureTerms),
}

/// The terms of two maps.
#[derive(Clone, Debug)]
pub struct FeatureTerms {
    /// Terms whose sum is the structural map; empty without a structural map.
    pub structural: Vec<MapTerm>,
    /// Terms whose sum is the logical map; empty without a logical map.
    pub logical: Vec<MapTerm>,
    /// Scales that make the structural and the logical map comparable: centre and spread.
    pub scales: [[f32; 2]; 2],
}

/// Builds the graph of a method without training.
///
/// # Panics
/// When a constant has a wrong number of elements.
pub fn build(
    input: &FeatureInput<'_>,
    combination: &Combination,
    metadata: Vec<(String, String)>,
) -> ModelProto {
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
    let maps = FeatureMapsInput {
        features: "f_t",
        channels: input.variant.features(),
        grid,
    };
    let outputs: &[&str] = match combination {
        Combination::Single(terms) => {
            let map = maps.terms(&mut builder, "map", terms);
            sum(&mut builder, "structural", &map);
            &["structural"]
        }
        Combination::Both(terms) => {
            let [structural, logical] = maps.both(&mut builder, terms);
            norm(&mut builder, &structural, &logical);
            &["structural", "logical"]
        }
    };
    let mut graph = builder.into_graph();
    graph.input = vec![feature_graph::frame_info(input.size)];
    let shape = [
        Free("N"),
        Known(grid.height as i64),
        Known(grid.width as i64),
    ];
    graph.output = outputs
        .iter()
        .map(|name| {
            ValueInfoProto::tensor(
                name,
                DataType::Float,
                &shape,
                "Deviation of the features from those of good parts.",
            )
        })
        .collect();
    feature_graph::model(graph, "features", metadata)
}

/// Normalised features in a graph, `[N, C, h, w]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct FeatureMapsInput<'a> {
    /// Their name.
    pub(super) features: &'a str,
    /// Number of channels.
    pub(super) channels: i64,
    /// Size of the grid.
    pub(super) grid: MapSize,
}

impl FeatureMapsInput<'_> {
    /// Adds the structural and the logical map, scaled, and returns their names: at most one each.
    pub(super) fn both(
        self,
        builder: &mut GraphBuilder<'_>,
        terms: &FeatureTerms,
    ) -> [Vec<String>; 2] {
        let mut add = |name, terms: &[MapTerm], scale| {
            if terms.is_empty() {
                return Vec::new();
            }
            let maps = self.terms(builder, name, terms);
            sum(builder, name, &maps);
            vec![scaled(builder, name, scale)]
        };
        let [structural, logical] = terms.scales;
        [
            add("appearance", &terms.structural, structural),
            add("arrangement", &terms.logical, logical),
        ]
    }

    /// Adds the maps of `terms` below `name`, each smoothed over 3x3 cells, and returns their names. Each with a
    /// scale is scaled.
    fn terms(self, builder: &mut GraphBuilder<'_>, name: &str, terms: &[MapTerm]) -> Vec<String> {
        let cells = self.grid.cells() as i64;
        let mut tail = Tail {
            builder,
            channels: self.channels,
            cells,
            grid: self.grid,
        };
        let flat = format!("{name}/features");
        let flat = tail.reshape(&flat, self.features, &[0, self.channels, cells]);
        terms
            .iter()
            .enumerate()
            .map(|(number, term)| {
                let smooth = tail.term(&flat, &format!("{name}/{number}"), &term.constants);
                match term.scale {
                    Some(scale) => scaled(tail.builder, &smooth, scale),
                    None => smooth,
                }
            })
            .collect()
    }
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

/// Adds the sum of `maps` as `name`.
fn sum(builder: &mut GraphBuilder<'_>, name: &str, maps: &[String]) {
    let inputs: Vec<&str> = maps.iter().map(String::as_str).collect();
    let operator = if maps.len() == 1 { "Identity" } else { "Sum" };
    builder.add(operator, name, &inputs, vec![]);
}

/// Adds the outputs `structural` and `logical`, whose sum in each cell is the 4-norm of all given maps: the fourth root
/// of the sum of their fourth powers. It is close to the largest map, so a map in which an anomaly does not show adds
/// little noise to the others. The share of a side is that of its fourth powers, with [`STRUCTURAL_SHARE`]. Negative
/// values, which are usual on good parts, count as 0. A value that is not a number remains one.
pub(super) fn norm(builder: &mut GraphBuilder<'_>, structural: &[String], logical: &[String]) {
    let one = fourth_powers(builder, "structural/powers", structural);
    let other = fourth_powers(builder, "logical/powers", logical);
    let smallest = TensorProto::f32("norm/smallest", &[], &[SMALLEST_POWER]);
    let smallest = builder.constant(smallest);
    let total = builder.add("Sum", "norm/powers", &[&one, &other, &smallest], vec![]);
    let squared = builder.add("Sqrt", "norm/squared", &[&total], vec![]);
    let root = builder.add("Sqrt", "norm/root", &[&squared], vec![]);
    let factor = TensorProto::f32("norm/structural_share", &[], &[STRUCTURAL_SHARE]);
    let factor = builder.constant(factor);
    let own = builder.add("Mul", "structural/share", &[&one, &factor], vec![]);
    let shares = builder.add("Sum", "norm/shares", &[&own, &other, &smallest], vec![]);
    let unit = builder.add("Div", "norm/unit", &[&root, &shares], vec![]);
    builder.add("Mul", "structural", &[&own, &unit], vec![]);
    builder.add("Mul", "logical", &[&other, &unit], vec![]);
}

/// Weight of the fourth powers of the structural maps in the shares: an anomaly counts as logical where the logical map
/// is more than twice the structural one. Most structural defects show in both.
pub const STRUCTURAL_SHARE: f32 = 16.0;

/// Added to the sum of fourth powers, so that its root is above 0.
pub const SMALLEST_POWER: f32 = 1e-12;

/// Adds the sum of the fourth powers of the positive values of `maps`.
fn fourth_powers(builder: &mut GraphBuilder<'_>, name: &str, maps: &[String]) -> String {
    let powers: Vec<String> = maps
        .iter()
        .enumerate()
        .map(|(number, map)| {
            let at = |part: &str| format!("{name}/{number}/{part}");
            let positive = builder.add("Relu", &at("positive"), &[map], vec![]);
            // The operator does not define the positive part of a value that is not a number; its product with
            // that value is none.
            let square = builder.add("Mul", &at("square"), &[&positive, map], vec![]);
            builder.add("Mul", &at("power"), &[&square, &square], vec![])
        })
        .collect();
    sum(builder, name, &powers);
    name.to_owned()
}

/// The part of the graph after the features.
struct Tail<'b, 'w> {
    builder: &'b mut GraphBuilder<'w>,
    channels: i64,
    cells: i64,
    grid: MapSize,
}

impl Tail<'_, '_> {
    /// Adds the smoothed map `name` of `constants` over the features `flat`, `[N, C, HW]`.
    fn term(&mut self, flat: &str, name: &str, constants: &MapConstants) -> String {
        let distance = match constants {
            MapConstants::Padim {
                mean,
                basis,
                rank,
                noise,
            } => self.padim(flat, mean, basis, *rank, *noise),
            MapConstants::PatchCore { bank, squares } => self.patch_core(flat, bank, squares),
            MapConstants::Subspace {
                mean,
                basis,
                rank,
                scale,
                cell_mean,
                cell_spread,
            } => {
                let error = self.projection_error(flat, mean, basis, *rank, *scale);
                self.located(&error, cell_mean, cell_spread)
            }
        };
        self.smoothed(&distance, name)
    }

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
        self.builder.reshape(name, value, shape)
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

    /// Adds the squared error of the projection, averaged over the channels: `[N, HW]`.
    fn projection_error(
        &mut self,
        normalised: &str,
        mean: &[f32],
        basis: &[f32],
        rank: i64,
        scale: f32,
    ) -> String {
        let (cells, channels) = (self.cells, self.channels);
        let features = cells * channels;
        let rows = self.reshape("fre/rows", normalised, &[0, features]);
        let mean = self.constant("fre/mean", &[features], mean);
        let basis = self.half_constant("fre/basis", &[rank, features], basis);
        let shrink = self.constant("fre/shrink", &[], &[(scale * scale).recip()]);
        let builder = &mut *self.builder;
        let centred = builder.add("Sub", "fre/centred", &[&rows, &mean], vec![]);
        let columns = self.transpose("fre/columns", &centred, &[1, 0]);
        let builder = &mut *self.builder;
        let scaled = builder.add("MatMul", "fre/scaled", &[&basis, &columns], vec![]);
        let within = builder.add("Mul", "fre/within", &[&scaled, &shrink], vec![]);
        let within = self.transpose("fre/coordinates", &within, &[1, 0]);
        let builder = &mut *self.builder;
        let projected = builder.add("MatMul", "fre/projected", &[&within, &basis], vec![]);
        let rest = builder.add("Sub", "fre/rest", &[&centred, &projected], vec![]);
        let square = builder.add("Mul", "fre/square", &[&rest, &rest], vec![]);
        let sides = [self.grid.height as i64, self.grid.width as i64];
        let by_channel = [0, channels, sides[0], sides[1]];
        let square = self.reshape("fre/square_by_channel", &square, &by_channel);
        let builder = &mut *self.builder;
        let error = builder.channel_mean("fre/error_of_cells", &square, channels, sides);
        self.reshape("fre/error", &error, &[0, cells])
    }

    /// Adds the centring and scaling of every cell: `[N, HW]`.
    fn located(&mut self, error: &str, mean: &[f32], spread: &[f32]) -> String {
        let cells = self.cells;
        let mean = self.constant("fre/cell_mean", &[cells], mean);
        let spread = self.constant("fre/cell_spread", &[cells], spread);
        let builder = &mut *self.builder;
        let centred = builder.add("Sub", "fre/error_centred", &[error, &mean], vec![]);
        builder.add("Div", "fre/located", &[&centred, &spread], vec![])
    }

    /// Adds the average over 3x3 cells, of the cells that exist: `[N, h, w]`.
    fn smoothed(&mut self, distance: &str, name: &str) -> String {
        let (height, width) = (self.grid.height as i64, self.grid.width as i64);
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
        self.reshape(name, &mean, &[-1, height, width])
    }
}
