//! A model as one ONNX graph: from the bytes of a frame to the two anomaly maps.
//!
//! Tensors are named after the layers (`teacher/0/conv`) and the paper's letters: `f_t`, `f_l`, `f_h`,
//! `f_s`, `f_g`.

use crate::backbone::shipped;
use crate::network::architecture::{Architecture, Method, TeacherTable, TensorId};
use crate::network::layer::Sides;
use crate::tensors::InputNormalisation;

use super::feature_graph;
use super::graph_builder::GraphBuilder;
use super::method_graph::{self, FeatureMapsInput, FeatureTerms};
use super::onnx::Dimension::{Free, Known};
use super::onnx::{
    DataType, IR_VERSION, ModelProto, OPSET, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, ValueInfoProto,
};
use super::weights::{GraphError, TeacherNormalisation, WeightType, Weights};
use crate::calibrate::{CellStatistics, LocationNormalisation};

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

/// Maps of methods without training over the teacher's features that are combined with the student's by their norm.
#[derive(Clone, Debug)]
pub struct Fused {
    /// The maps.
    pub terms: FeatureTerms,
    /// Scales of the student's structural and logical map: centre and spread.
    pub scales: [[f32; 2]; 2],
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
    /// Maps that are combined with the student's. They require a backbone as the teacher, whose features they use.
    pub fused: Option<Fused>,
    /// Values of the cells around the structural and the logical map that have no features
    /// ([`Architecture::frame`]): those that the calibration maps to 0.
    pub frame: [f32; 2],
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
    let image = input(
        &mut builder,
        options.input,
        architecture.input_normalisation(),
    );
    networks(&mut builder, architecture, normalisation, &image)?;
    let sides = architecture.feature_sides();
    let location = options.location.as_ref();
    let of = |cells: fn(&LocationNormalisation) -> &CellStatistics| {
        location.map(|location| (cells(location), sides))
    };
    let names = match options.fused {
        None => ["structural", "logical"],
        Some(_) => ["student/structural", "student/logical"],
    };
    let [structural, logical] = squares(&mut builder, architecture);
    let [frame_structural, frame_logical] = options
        .frame
        .map(|value| (architecture.frame() as i64, value));
    let means = [(names[0], structural), (names[1], logical)].map(|(name, squares)| {
        let raw = format!("{name}/raw");
        builder.channel_mean(&raw, &squares, architecture.features(), sides)
    });
    let cells = of(|location| &location.structural);
    map(&mut builder, names[0], &means[0], cells, frame_structural);
    let cells = of(|location| &location.logical);
    map(&mut builder, names[1], &means[1], cells, frame_logical);
    if let Some(Fused { terms, scales }) = &options.fused {
        let features = FeatureMapsInput {
            features: "f_t",
            channels: architecture.features(),
            grid: feature_graph::grid(architecture.input_size.into()),
        };
        let [mut structural, mut logical] = features.both(&mut builder, terms);
        structural.push(method_graph::scaled(&mut builder, names[0], scales[0]));
        logical.push(method_graph::scaled(&mut builder, names[1], scales[1]));
        method_graph::norm(&mut builder, &structural, &logical);
    }

    let mut graph = builder.into_graph();
    "mhkd".clone_into(&mut graph.name);
    "The mean squared differences of teacher and student at every cell of the feature grid."
        .clone_into(&mut graph.doc_string);
    graph.input = vec![input_info(options.input, architecture.input_size.sides())];
    graph.output = outputs(architecture.map_sides());
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
fn input(builder: &mut GraphBuilder, input: Input, normalisation: InputNormalisation) -> String {
    if input == Input::TensorF32 {
        return "tensor".to_owned();
    }
    builder.frame(normalisation)
}

/// Adds the teacher, which writes `f_t`, and the student, which writes `f_l`, `f_h`, `f_s` and `f_g`.
fn networks(
    builder: &mut GraphBuilder,
    architecture: &Architecture,
    normalisation: &TeacherNormalisation,
    image: &str,
) -> Result<(), GraphError> {
    let tables = architecture.layer_tables();
    match &tables.teacher {
        TeacherTable::Pdn(layers) => {
            let input = (image, architecture.input_size.sides());
            builder.network("teacher", layers, input, &["f_t"], Some(normalisation))?;
        }
        TeacherTable::Backbone(variant) => {
            let size = architecture.input_size.into();
            let weights = shipped::weights(*variant).expect("presets use shipped backbones");
            let features = feature_graph::features(builder, *variant, &weights, image, size);
            feature_graph::normalised(builder, "f_t", &features, normalisation);
        }
    }
    for part in &tables.student {
        let input = match part.input {
            TensorId::Image => image,
            value => value.name(),
        };
        let input = (input, architecture.sides(part.input));
        let outputs: Vec<&str> = part.outputs.iter().map(|value| value.name()).collect();
        builder.network(part.name, &part.layers, input, &outputs, None)?;
    }
    Ok(())
}

/// Adds the squares whose means over the channels are the structural and the logical map, `[N, C, h, w]` each, as
/// [`Student::maps`](crate::network::student::Student::maps) does.
fn squares(builder: &mut GraphBuilder, architecture: &Architecture) -> [String; 2] {
    match architecture.method {
        Method::Mhkd | Method::EfficientAd => {
            let against = if architecture.self_distillation {
                "f_l"
            } else {
                "f_t"
            };
            [
                square(builder, "structural/square", ["f_t", "f_s"]),
                square(builder, "logical/square", ["f_g", against]),
            ]
        }
        Method::UninformedStudents => {
            let students = ["f_s", "f_g", "f_l"];
            let mean = builder.add("Mean", "students/mean", &students, vec![]);
            let spread = students
                .map(|student| square(builder, &format!("students/{student}"), [student, &mean]));
            let spread = spread.each_ref().map(String::as_str);
            [
                square(builder, "structural/square", ["f_t", &mean]),
                builder.add("Mean", "logical/square", &spread, vec![]),
            ]
        }
    }
}

/// Adds `(one - other)^2` and returns its name.
fn square(builder: &mut GraphBuilder, name: &str, [one, other]: [&str; 2]) -> String {
    let difference = builder.add("Sub", &format!("{name}/root"), &[one, other], vec![]);
    builder.add("Mul", name, &[&difference, &difference], vec![])
}

/// Adds the map `map`, `[N, h, w]`, from `raw`, the mean of the squares over the channels (equation 9). With cell
/// statistics, subtracts the mean of each cell and divides by its spread. Then adds the frame: a number of cells on each
/// side and their value.
fn map(
    builder: &mut GraphBuilder,
    map: &str,
    raw: &str,
    cells: Option<(&CellStatistics, Sides)>,
    (frame, value): (i64, f32),
) {
    let name = |part: &str, last: bool| {
        if last {
            map.to_owned()
        } else {
            format!("{map}/{part}")
        }
    };
    let mut last = raw.to_owned();
    if let Some((cells, [height, width])) = cells {
        let shape = [1, height, width];
        let mean = TensorProto::f32(&name("cell_mean", false), &shape, &cells.mean);
        let spread = TensorProto::f32(&name("cell_spread", false), &shape, &cells.spread);
        let (mean, spread) = (builder.constant(mean), builder.constant(spread));
        let centred = builder.add("Sub", &name("centred", false), &[&last, &mean], vec![]);
        let located = name("located", frame == 0);
        last = builder.add("Div", &located, &[&centred, &spread], vec![]);
    }
    if frame > 0 {
        let widths = [0, frame, frame, 0, frame, frame];
        let pads = builder.constant(TensorProto::i64s(&name("frame", false), &widths));
        let value = builder.constant(TensorProto::f32(&name("frame_value", false), &[], &[value]));
        builder.add("Pad", map, &[&last, &pads, &value], vec![]);
    } else if cells.is_none() {
        builder.add("Identity", map, &[&last], vec![]);
    }
}

fn input_info(input: Input, [height, width]: Sides) -> ValueInfoProto {
    let (height, width, three) = (Known(height), Known(width), Known(3));
    match input {
        Input::FrameU8 => ValueInfoProto::tensor(
            "frame",
            DataType::Uint8,
            &[Free("N"), height, width, three],
            "RGB images, rows from the top.",
        ),
        Input::TensorF32 => ValueInfoProto::tensor(
            "tensor",
            DataType::Float,
            &[Free("N"), three, height, width],
            "Images as the networks see them.",
        ),
    }
}

fn outputs([height, width]: Sides) -> Vec<ValueInfoProto> {
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
    let shape = [Free("N"), Known(height), Known(width)];
    docs.map(|(name, doc)| ValueInfoProto::tensor(name, DataType::Float, &shape, doc))
        .into()
}
