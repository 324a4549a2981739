//! Builder for an ONNX graph: adds nodes, constants and the layers of networks.

use crate::network::layer::{self, Filter, Layer, Sides};
use crate::tensors::InputNormalisation;

use super::onnx::{AttributeProto, DataType, GraphProto, NodeProto, TensorProto};
use super::resize;
use super::weights::{GraphError, TeacherNormalisation, WeightType, Weights};

/// Nodes and constants added so far. Each node has one output with the name of the node.
pub(super) struct GraphBuilder<'a> {
    graph: GraphProto,
    weights: &'a Weights,
    weight_type: WeightType,
}

/// Kernel, stride and padding of a convolution or pool in pixels.
#[derive(Clone, Copy)]
struct Window {
    kernel: Sides,
    stride: i64,
    padding: i64,
}

impl Window {
    fn attributes(self) -> Vec<AttributeProto> {
        vec![
            AttributeProto::ints("kernel_shape", &self.kernel),
            AttributeProto::ints("strides", &[self.stride; 2]),
            AttributeProto::ints("pads", &[self.padding; 4]),
        ]
    }
}

impl<'a> GraphBuilder<'a> {
    pub(super) fn new(weights: &'a Weights, weight_type: WeightType) -> Self {
        Self {
            graph: GraphProto::default(),
            weights,
            weight_type,
        }
    }

    /// Builder of a graph without layer tables: all constants are added by the caller.
    pub(super) fn without_networks() -> GraphBuilder<'static> {
        static NONE: Weights = Weights(std::collections::BTreeMap::new());
        GraphBuilder::new(&NONE, WeightType::F32)
    }

    pub(super) fn into_graph(self) -> GraphProto {
        self.graph
    }

    /// Adds a node and returns the name of its output.
    pub(super) fn add(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: operator.to_owned(),
            attribute: attributes,
        });
        name.to_owned()
    }

    /// Adds a constant unless one with the same name exists; returns its name.
    pub(super) fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        if self
            .graph
            .initializer
            .iter()
            .all(|other| other.name != name)
        {
            self.graph.initializer.push(tensor);
        }
        name
    }

    /// Adds the conversion of `frame`, u8 `[N, H, W, 3]`, to f32 `[N, 3, H, W]` and returns its name.
    ///
    /// The transpose is first, while a pixel has three bytes instead of twelve. The three steps after the cast
    /// are exactly those of training, `(x / 255 - mean) / std`, including the rounding. Folding them into one
    /// scale and one offset would save a step but change the result slightly.
    pub(super) fn frame(&mut self, normalisation: InputNormalisation) -> String {
        let channels = [1, 3, 1, 1];
        let scale = self.constant(TensorProto::f32("frame/scale", &[], &[255.0]));
        let mean = self.constant(TensorProto::f32(
            "frame/mean",
            &channels,
            &normalisation.mean(),
        ));
        let std = self.constant(TensorProto::f32(
            "frame/std",
            &channels,
            &normalisation.std(),
        ));
        let to_nchw = AttributeProto::ints("perm", &[0, 3, 1, 2]);
        let to_float = AttributeProto::int("to", DataType::Float as i64);

        let planes = self.add("Transpose", "frame/planes", &["frame"], vec![to_nchw]);
        let levels = self.add("Cast", "frame/levels", &[&planes], vec![to_float]);
        let unit = self.add("Div", "frame/unit", &[&levels, &scale], vec![]);
        let centred = self.add("Sub", "frame/centred", &[&unit, &mean], vec![]);
        self.add("Div", "frame/normalised", &[&centred, &std], vec![])
    }

    /// Adds `value` with another shape as `name`.
    pub(super) fn reshape(&mut self, name: &str, value: &str, shape: &[i64]) -> String {
        let target = TensorProto::i64s(&format!("{name}/shape"), shape);
        let target = self.constant(target);
        self.add("Reshape", name, &[value, &target], vec![])
    }

    /// Adds the mean of `value`, `[N, C, h, w]`, over its channels as `name`, `[N, h, w]`. It is a product with a row of
    /// `1 / C`: ONNX Runtime's reduction over an inner dimension takes about ten times as long.
    pub(super) fn channel_mean(
        &mut self,
        name: &str,
        value: &str,
        channels: i64,
        [height, width]: Sides,
    ) -> String {
        let share = vec![(channels as f32).recip(); channels as usize];
        let row = TensorProto::f32(&format!("channel_share/{channels}"), &[1, channels], &share);
        let row = self.constant(row);
        let flat = format!("{name}/channels");
        let flat = self.reshape(&flat, value, &[0, channels, height * width]);
        let mean = self.add("MatMul", &format!("{name}/row"), &[&row, &flat], vec![]);
        self.reshape(name, &mean, &[-1, height, width])
    }

    /// Adds the network `net`. It reads `input` (name and sides) and writes `outputs`; two outputs get one half
    /// of the channels each. If `fold` is set, the last convolution includes that normalisation.
    pub(super) fn network(
        &mut self,
        net: &str,
        layers: &[Layer],
        (input, sides): (&str, Sides),
        outputs: &[&str],
        fold: Option<&TeacherNormalisation>,
    ) -> Result<(), GraphError> {
        let last = layer::convolutions(layers).last().map(|(number, _)| number);
        let (mut value, mut sides) = (input.to_owned(), sides);
        for (number, &layer) in layer::numbered(layers) {
            let fold = fold.filter(|_| Some(number) == last);
            value = self.layer(&format!("{net}/{number}"), layer, &value, sides, fold)?;
            sides = layer.sides_after(sides);
        }
        let outputs: Vec<String> = outputs.iter().map(|&output| output.to_owned()).collect();
        if outputs.len() > 1 {
            let channels = AttributeProto::int("axis", 1);
            self.add("Split", &format!("{net}/halves"), &[&value], vec![channels]);
        }
        let node = self.graph.node.last_mut().expect("a network has layers");
        node.output = outputs;
        Ok(())
    }

    /// Adds one layer that reads `value` of `sides`; returns the name of its output.
    fn layer(
        &mut self,
        at: &str,
        layer: Layer,
        value: &str,
        sides: Sides,
        fold: Option<&TeacherNormalisation>,
    ) -> Result<String, GraphError> {
        let pool = |padding| Window {
            kernel: [2, 2],
            stride: 2,
            padding,
        };
        Ok(match layer {
            Layer::Conv {
                input,
                output,
                kernel,
                stride,
                padding,
            } => {
                let window = Window {
                    kernel,
                    stride,
                    padding,
                };
                self.convolution(at, value, [output, input], window, fold)?
            }
            Layer::Relu => self.add("Relu", &format!("{at}/relu"), &[value], vec![]),
            Layer::AvgPool { padding } => {
                let mut attributes = pool(padding).attributes();
                attributes.push(AttributeProto::int("count_include_pad", 1));
                self.add("AveragePool", &format!("{at}/mean"), &[value], attributes)
            }
            Layer::MaxPool { padding } => self.add(
                "MaxPool",
                &format!("{at}/max"),
                &[value],
                pool(padding).attributes(),
            ),
            Layer::Resize {
                sides: targets,
                filter,
            } => self.resize(at, value, filter, sides, targets),
            Layer::Reflect { before, after } => self.reflect(at, value, before, after),
            // The graph is for inference only, so dropout is left out.
            Layer::Dropout => value.to_owned(),
        })
    }

    fn convolution(
        &mut self,
        at: &str,
        value: &str,
        [output, input]: [i64; 2],
        window: Window,
        fold: Option<&TeacherNormalisation>,
    ) -> Result<String, GraphError> {
        let [height, width] = window.kernel;
        let shape = [output, input, height, width];
        let [weight, bias] = self.parameters(at, &shape, fold)?;
        let inputs = [value, &weight, &bias];
        Ok(self.add("Conv", &format!("{at}/conv"), &inputs, window.attributes()))
    }

    /// Adds the weight and bias of the convolution at `at` and returns their names (`teacher/0` has the weight
    /// `teacher.0.weight`).
    fn parameters(
        &mut self,
        at: &str,
        shape: &[i64],
        fold: Option<&TeacherNormalisation>,
    ) -> Result<[String; 2], GraphError> {
        let weights = self.weights;
        let stored = at.replace('/', ".");
        let names = [format!("{stored}.weight"), format!("{stored}.bias")];
        let weight = weights.tensor(&names[0], shape)?;
        let bias = weights.tensor(&names[1], &shape[..1])?;
        if let Some(normalisation) = fold {
            // Divided weights are no longer exactly representable in f16, so these stay in f32.
            let (weight, bias) = normalisation.fold(weight, bias);
            self.constant(TensorProto::f32(&names[0], shape, &weight));
            self.constant(TensorProto::f32(&names[1], &shape[..1], &bias));
            return Ok(names);
        }
        self.constant(TensorProto::f32(&names[1], &shape[..1], bias));
        let [weight_name, bias_name] = names;
        let weight_name = match self.weight_type {
            WeightType::F32 => self.constant(TensorProto::f32(&weight_name, shape, weight)),
            WeightType::F16 => {
                let half = self.constant(TensorProto::f16(&weight_name, shape, weight));
                let to_float = AttributeProto::int("to", DataType::Float as i64);
                self.add("Cast", &format!("{at}/weight"), &[&half], vec![to_float])
            }
        };
        Ok([weight_name, bias_name])
    }

    /// Adds a resize of rows and columns from `sides` to `targets` (height, width) as `U X Vᵀ`. All resizes
    /// with the same sides share their matrices. The CPU kernel of ONNX Runtime's `Resize` operator works
    /// point by point; with it the medium graph takes a quarter more time.
    pub(super) fn resize(
        &mut self,
        at: &str,
        value: &str,
        filter: Filter,
        sides: Sides,
        targets: Sides,
    ) -> String {
        let kind = match filter {
            Filter::Bicubic => "bicubic",
            Filter::Bilinear => "bilinear",
        };
        let name = |side, target, axis| format!("{kind}/{side}-to-{target}/{axis}");
        let ([height, width], [rows, columns]) = (sides, targets);
        let matrix = resize::matrix(filter, height, rows);
        let vertical = name(height, rows, "rows");
        let vertical = self.constant(TensorProto::f32(&vertical, &[rows, height], &matrix));
        let matrix = resize::matrix(filter, width, columns);
        let transposed = resize::transposed(&matrix, width);
        let horizontal = name(width, columns, "columns");
        let horizontal = TensorProto::f32(&horizontal, &[width, columns], &transposed);
        let horizontal = self.constant(horizontal);
        let wide = self.add(
            "MatMul",
            &format!("{at}/widen"),
            &[value, &horizontal],
            vec![],
        );
        self.add(
            "MatMul",
            &format!("{at}/heighten"),
            &[&vertical, &wide],
            vec![],
        )
    }

    fn reflect(&mut self, at: &str, value: &str, before: i64, after: i64) -> String {
        let name = format!("{at}/reflect");
        let widths = [0, 0, before, before, 0, 0, after, after];
        let pads = self.constant(TensorProto::i64s(&format!("{name}/pads"), &widths));
        let mode = AttributeProto::string("mode", "reflect");
        self.add("Pad", &name, &[value, &pads], vec![mode])
    }
}
