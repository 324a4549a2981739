//! A model as one ONNX graph: from the bytes of a frame to the two anomaly maps.
//!
//! Tensors are named after the layers (`teacher/0/conv`) and the paper's letters: `f_t`, `f_l`, `f_h`,
//! `f_s`, `f_g`.

use crate::network::architecture::{Architecture, TensorId};

use super::graph_builder::GraphBuilder;
use super::onnx::Dimension::{Free, Known};
use super::onnx::{
    AttributeProto, DataType, IR_VERSION, ModelProto, OPSET, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, ValueInfoProto,
};
use super::weights::{GraphError, TeacherNormalisation, WeightType, Weights};
use crate::calibrate::{CellStatistics, LocationNormalisation};

/// `ImageNet` mean of red, green and blue in `[0, 1]`, subtracted from every image.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// `ImageNet` standard deviation of red, green and blue in `[0, 1]`.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Input of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// `frame`, u8 `[N, H, W, 3]`, RGB: the input of a bundle's graph.
    #[default]
    FrameU8,
    /// `tensor`, f32 `[N, 3, H, W]`, passed to the networks without preprocessing: for comparisons with
    /// other implementations.
    TensorF32,
}

/// Options of a graph.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Input.
    pub input: Input,
    /// Storage type of the weights.
    pub weights: WeightType,
    /// Per-cell normalisation of the maps, if any.
    pub location: Option<LocationNormalisation>,
    /// Metadata entries of the file. Keys must be unique.
    pub metadata: Vec<(String, String)>,
}

/// Builds the graph of `architecture` with the given weights.
///
/// # Errors
/// Returns an error if a tensor of the architecture is missing, has a wrong shape, or has a non-finite value.
pub fn build(
    architecture: &Architecture,
    weights: &Weights,
    normalisation: &TeacherNormalisation,
    options: &Options,
) -> Result<ModelProto, GraphError> {
    normalisation.check(architecture.features())?;
    let mut builder = GraphBuilder::new(weights, options.weights);
    let size = architecture.input_size.side();
    let image = input(&mut builder, options.input);
    networks(&mut builder, architecture, normalisation, &image)?;
    let side = architecture.input_size.map_side();
    let against = if architecture.self_distillation {
        "f_l"
    } else {
        "f_t"
    };
    let location = options.location.as_ref();
    let of = |cells: fn(&LocationNormalisation) -> &CellStatistics| {
        location.map(|location| (cells(location), side))
    };
    map(
        &mut builder,
        "structural",
        ["f_t", "f_s"],
        of(|location| &location.structural),
    );
    map(
        &mut builder,
        "logical",
        ["f_g", against],
        of(|location| &location.logical),
    );

    let mut graph = builder.into_graph();
    "mhkd".clone_into(&mut graph.name);
    "The mean squared differences of teacher and student at every cell of the feature grid."
        .clone_into(&mut graph.doc_string);
    graph.input = vec![input_info(options.input, size)];
    graph.output = outputs(architecture.input_size.map_side());
    Ok(ModelProto {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: "Anomaly maps of a frame by Multi-task Hybrid Knowledge Distillation."
            .to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: options.metadata.iter().map(entry).collect(),
    })
}

fn entry((key, value): &(String, String)) -> StringStringEntryProto {
    StringStringEntryProto {
        key: key.clone(),
        value: value.clone(),
    }
}

/// Adds the preprocessing and returns the name of the network input, f32 `[N, 3, H, W]`.
///
/// The transpose is first, while a pixel has three bytes instead of twelve. The three steps after the cast
/// are exactly those of training, `(x / 255 - mean) / std`, including the rounding. Folding them into one
/// scale and one offset would save a step but change the result slightly.
fn input(builder: &mut GraphBuilder, input: Input) -> String {
    if input == Input::TensorF32 {
        return "tensor".to_owned();
    }
    let channels = [1, 3, 1, 1];
    let scale = builder.constant(TensorProto::f32("frame/scale", &[], &[255.0]));
    let mean = builder.constant(TensorProto::f32("frame/mean", &channels, &IMAGENET_MEAN));
    let std = builder.constant(TensorProto::f32("frame/std", &channels, &IMAGENET_STD));
    let to_nchw = AttributeProto::ints("perm", &[0, 3, 1, 2]);
    let to_float = AttributeProto::int("to", DataType::Float as i64);

    let planes = builder.add("Transpose", "frame/planes", &["frame"], vec![to_nchw]);
    let levels = builder.add("Cast", "frame/levels", &[&planes], vec![to_float]);
    let unit = builder.add("Div", "frame/unit", &[&levels, &scale], vec![]);
    let centred = builder.add("Sub", "frame/centred", &[&unit, &mean], vec![]);
    builder.add("Div", "frame/normalised", &[&centred, &std], vec![])
}

/// Adds the teacher, which writes `f_t`, and the student, which writes `f_l`, `f_h`, `f_s` and `f_g`.
fn networks(
    builder: &mut GraphBuilder,
    architecture: &Architecture,
    normalisation: &TeacherNormalisation,
    image: &str,
) -> Result<(), GraphError> {
    let tables = architecture.layer_tables();
    let size = architecture.input_size.side();
    let fold = Some(normalisation);
    builder.network("teacher", &tables.teacher, (image, size), &["f_t"], fold)?;
    for part in &tables.student {
        let input = match part.input {
            TensorId::Image => image,
            value => value.name(),
        };
        let input = (input, architecture.side(part.input));
        let outputs: Vec<&str> = part.outputs.iter().map(|value| value.name()).collect();
        builder.network(part.name, &part.layers, input, &outputs, None)?;
    }
    Ok(())
}

/// Adds an anomaly map of equation 9, `[N, h, w]`: the mean over channels of `(one - other)^2`. With cell
/// statistics, subtracts the mean of each cell and divides by its spread.
fn map(
    builder: &mut GraphBuilder,
    map: &str,
    features: [&str; 2],
    cells: Option<(&CellStatistics, i64)>,
) {
    let Some((cells, side)) = cells else {
        return difference(builder, map, map, features);
    };
    let raw = format!("{map}/raw");
    difference(builder, map, &raw, features);
    let shape = [1, side, side];
    let mean = builder.constant(TensorProto::f32(
        &format!("{map}/cell_mean"),
        &shape,
        &cells.mean,
    ));
    let spread = builder.constant(TensorProto::f32(
        &format!("{map}/cell_spread"),
        &shape,
        &cells.spread,
    ));
    let centred = builder.add("Sub", &format!("{map}/centred"), &[&raw, &mean], vec![]);
    builder.add("Div", map, &[&centred, &spread], vec![]);
}

fn difference(builder: &mut GraphBuilder, map: &str, output: &str, [one, other]: [&str; 2]) {
    let difference = builder.add("Sub", &format!("{map}/difference"), &[one, other], vec![]);
    let square = builder.add(
        "Mul",
        &format!("{map}/square"),
        &[&difference, &difference],
        vec![],
    );
    let channels = AttributeProto::ints("axes", &[1]);
    let without_them = AttributeProto::int("keepdims", 0);
    builder.add(
        "ReduceMean",
        output,
        &[&square],
        vec![channels, without_them],
    );
}

fn input_info(input: Input, size: i64) -> ValueInfoProto {
    let (pixels, three) = (Known(size), Known(3));
    match input {
        Input::FrameU8 => ValueInfoProto::tensor(
            "frame",
            DataType::Uint8,
            &[Free("N"), pixels, pixels, three],
            "RGB images, rows from the top.",
        ),
        Input::TensorF32 => ValueInfoProto::tensor(
            "tensor",
            DataType::Float,
            &[Free("N"), three, pixels, pixels],
            "Images as the networks see them.",
        ),
    }
}

fn outputs(side: i64) -> Vec<ValueInfoProto> {
    let docs = [
        (
            "structural",
            "A_s: mean over channels of (f_t - f_s)^2, before quantile normalisation.",
        ),
        (
            "logical",
            "A_g: mean over channels of the squared difference of f_g and f_l (f_t without self-distillation), before quantile normalisation.",
        ),
    ];
    let shape = [Free("N"), Known(side), Known(side)];
    docs.map(|(name, doc)| ValueInfoProto::tensor(name, DataType::Float, &shape, doc))
        .into()
}
