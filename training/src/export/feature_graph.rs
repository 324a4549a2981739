//! The features of a frozen backbone as part of an ONNX graph: from the bytes of a frame to normalised
//! features on the grid of stride 8.
//!
//! Both stages are averaged over 3x3 cells, the coarser one is resized to the grid of the finer one, and the
//! two are concatenated (`PatchCore`, Roth et al. 2022, section 3.1, with the average over the
//! neighbourhood).

use std::collections::BTreeMap;

use crate::backbone::LiteVariant;
use crate::dataset::ImageSize;
use crate::network::layer::Filter;
use crate::tensors::{InputNormalisation, WeightTensor};
use inspectd_core::maps::MapSize;

use super::graph_builder::GraphBuilder;
use super::onnx::Dimension::{Free, Known};
use super::onnx::{
    AttributeProto, DataType, GraphProto, IR_VERSION, ModelProto, OPSET, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, ValueInfoProto,
};
use super::weights::TeacherNormalisation;

/// Size of the feature grid of images of `size`.
pub fn grid(size: ImageSize) -> MapSize {
    let cells = |side: u32| (side / crate::backbone::STRIDE) as usize;
    MapSize {
        width: cells(size.width),
        height: cells(size.height),
    }
}

/// Name of the input of [`stage_extractor`].
const IMAGE: &str = "image";

/// Name of the features, `[N, C, h, w]`, before normalisation.
pub const FEATURES: &str = "features";

/// Adds the backbone of the normalised `image` and returns the names of the features at strides 8 and 16.
///
/// # Panics
/// When a tensor of the backbone is missing: shipped weights are complete.
fn stages(
    builder: &mut GraphBuilder<'_>,
    variant: LiteVariant,
    weights: &BTreeMap<String, WeightTensor>,
    image: &str,
) -> [String; 2] {
    let low = builder.constant(TensorProto::f32("relu6/low", &[], &[0.0]));
    let high = builder.constant(TensorProto::f32("relu6/high", &[], &[6.0]));
    let mut value = image.to_owned();
    let mut stages: BTreeMap<i64, String> = BTreeMap::new();
    for (number, block) in variant.blocks().iter().enumerate() {
        let input = value.clone();
        for conv in &block.convolutions {
            let at = format!("backbone/{}", conv.name.replace('.', "/"));
            let parameter = |part: &str| {
                let name = format!("{}.{part}", conv.name);
                let tensor = &weights[&name];
                TensorProto::f32(&format!("backbone.{name}"), &tensor.shape, &tensor.values)
            };
            let weight = builder.constant(parameter("weight"));
            let bias = builder.constant(parameter("bias"));
            let [before, after] = conv.padding;
            let attributes = vec![
                AttributeProto::ints("kernel_shape", &[conv.kernel; 2]),
                AttributeProto::ints("strides", &[conv.stride; 2]),
                AttributeProto::ints("pads", &[before, before, after, after]),
                AttributeProto::int("group", conv.groups),
            ];
            let inputs = [&*value, &*weight, &*bias];
            value = builder.add("Conv", &format!("{at}/conv"), &inputs, attributes);
            if conv.relu6 {
                let inputs = [&*value, &*low, &*high];
                value = builder.add("Clip", &format!("{at}/relu6"), &inputs, vec![]);
            }
        }
        if block.residual {
            let name = format!("backbone/{number}/sum");
            value = builder.add("Add", &name, &[&value, &input], vec![]);
        }
        stages.insert(block.stride, value.clone());
    }
    [8, 16].map(|stride| stages[&stride].clone())
}

/// Adds the backbone up to the concatenated features of the normalised `image` and returns their name.
///
/// # Panics
/// When a tensor of the backbone is missing: shipped weights are complete.
pub(super) fn features(
    builder: &mut GraphBuilder<'_>,
    variant: LiteVariant,
    weights: &BTreeMap<String, WeightTensor>,
    image: &str,
    size: ImageSize,
) -> String {
    let stages = stages(builder, variant, weights, image);
    let averaged = [(8, &stages[0]), (16, &stages[1])].map(|(stride, stage)| {
        let name = format!("stride{stride}/mean");
        let attributes = vec![
            AttributeProto::ints("kernel_shape", &[3, 3]),
            AttributeProto::ints("strides", &[1, 1]),
            AttributeProto::ints("pads", &[1, 1, 1, 1]),
            AttributeProto::int("count_include_pad", 1),
        ];
        builder.add("AveragePool", &name, &[stage], attributes)
    });
    let [fine, coarse] = averaged;
    let MapSize { width, height } = grid(size);
    let (width, height) = (width as i64, height as i64);
    let coarse = builder.resize(
        "stride16",
        &coarse,
        Filter::Bilinear,
        [height / 2, width / 2],
        [height, width],
    );
    let channels = AttributeProto::int("axis", 1);
    builder.add("Concat", FEATURES, &[&fine, &coarse], vec![channels])
}

/// Adds the normalisation of `features`, `[N, C, h, w]`, as the tensor `name`.
pub(super) fn normalised(
    builder: &mut GraphBuilder<'_>,
    name: &str,
    features: &str,
    statistics: &TeacherNormalisation,
) {
    let shape = [1, statistics.mean.len() as i64, 1, 1];
    let mean = TensorProto::f32("features/mean", &shape, &statistics.mean);
    let std = TensorProto::f32("features/std", &shape, &statistics.std);
    let (mean, std) = (builder.constant(mean), builder.constant(std));
    let centred = builder.add("Sub", "features/centred", &[features, &mean], vec![]);
    builder.add("Div", name, &[&centred, &std], vec![]);
}

/// Builds the graph that maps `frame` to `features`, before normalisation.
pub fn extractor(
    variant: LiteVariant,
    weights: &BTreeMap<String, WeightTensor>,
    size: ImageSize,
) -> ModelProto {
    let mut builder = GraphBuilder::without_networks();
    let image = builder.frame(InputNormalisation::Half);
    features(&mut builder, variant, weights, &image, size);
    let mut graph = builder.into_graph();
    graph.input = vec![frame_info(size)];
    let MapSize { width, height } = grid(size);
    let channels = variant.channels().iter().sum();
    graph.output = vec![ValueInfoProto::tensor(
        FEATURES,
        DataType::Float,
        &[
            Free("N"),
            Known(channels),
            Known(height as i64),
            Known(width as i64),
        ],
        "Features of both stages on the grid of stride 8.",
    )];
    model(graph, "features", vec![])
}

/// Builds the graph that maps `image`, a square of `side` pixels normalised for the backbone, to the features at strides
/// 8 and 16. Returns it with their names.
pub fn stage_extractor(
    variant: LiteVariant,
    weights: &BTreeMap<String, WeightTensor>,
    side: i64,
) -> (ModelProto, [String; 2]) {
    let mut builder = GraphBuilder::without_networks();
    let names = stages(&mut builder, variant, weights, IMAGE);
    let mut graph = builder.into_graph();
    let tensor = |name: &str, channels, side, text: &'static str| {
        let shape = [Free("N"), Known(channels), Known(side), Known(side)];
        ValueInfoProto::tensor(name, DataType::Float, &shape, text)
    };
    graph.input = vec![tensor(IMAGE, 3, side, "Normalised RGB images.")];
    let [fine, coarse] = variant.channels();
    graph.output = vec![
        tensor(&names[0], fine, side / 8, "Features at stride 8."),
        tensor(&names[1], coarse, side / 16, "Features at stride 16."),
    ];
    (model(graph, "stages", vec![]), names)
}

/// Description of the graph's input.
pub(super) fn frame_info(size: ImageSize) -> ValueInfoProto {
    let (width, height) = (Known(i64::from(size.width)), Known(i64::from(size.height)));
    ValueInfoProto::tensor(
        "frame",
        DataType::Uint8,
        &[Free("N"), height, width, Known(3)],
        "RGB images, rows from the top.",
    )
}

/// Wraps `graph` as a model.
pub(super) fn model(
    mut graph: GraphProto,
    name: &str,
    metadata: Vec<(String, String)>,
) -> ModelProto {
    name.clone_into(&mut graph.name);
    let entry = |(key, value)| StringStringEntryProto { key, value };
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: metadata.into_iter().map(entry).collect(),
        ..ModelProto::default()
    }
}
