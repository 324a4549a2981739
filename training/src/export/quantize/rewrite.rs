//! The quantised graph.

use std::collections::{BTreeSet, HashSet};

use anyhow::{Context, Result};

use super::arithmetic::{ByteScale, StoredWeights};
use super::frame_bytes::FrameBytes;
use super::plan::{Plan, activations};
use super::ranges::Activations;
use crate::export::onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto,
};

/// Returns `model` with convolutions in 8 bits. `measured` are ranges and means of its values
/// ([`RangeMeter`](super::RangeMeter)). Convolutions whose names are in `keep` stay in f32. Name only convolutions whose
/// results stay in f32 too, such as [`last_convolutions`](super::last_convolutions): ONNX Runtime itself quantises a
/// convolution whose input and result are stored in 8 bits.
///
/// # Errors
/// When the model has no graph, or the range of a value is missing.
pub fn quantize(
    model: &ModelProto,
    keep: &BTreeSet<String>,
    measured: &Activations,
) -> Result<ModelProto> {
    let graph = model.graph.as_ref().context("the model has no graph")?;
    let plan = Plan::of(graph, keep);
    let mut rewriter = Rewriter {
        plan: &plan,
        measured,
        nodes: Vec::with_capacity(3 * graph.node.len()),
        constants: Vec::new(),
    };
    for input in &graph.input {
        rewriter.store(&input.name, &input.name)?;
    }
    for (number, node) in graph.node.iter().enumerate() {
        rewriter.node(number, node)?;
    }
    let Rewriter {
        nodes, constants, ..
    } = rewriter;
    let mut metadata_props = model.metadata_props.clone();
    metadata_props.push(StringStringEntryProto {
        key: "precision".to_owned(),
        value: "int8".to_owned(),
    });
    Ok(ModelProto {
        ir_version: model.ir_version,
        producer_name: model.producer_name.clone(),
        producer_version: model.producer_version.clone(),
        doc_string: model.doc_string.clone(),
        graph: Some(with_nodes(graph, nodes, constants)),
        opset_import: model.opset_import.clone(),
        metadata_props,
    })
}

/// Returns `graph` with other nodes and further constants, without those that are not read.
fn with_nodes(
    graph: &GraphProto,
    mut nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
) -> GraphProto {
    let read = |nodes: &[NodeProto]| -> HashSet<String> {
        let inputs = nodes.iter().flat_map(|node| &node.input);
        let outputs = graph.output.iter().map(|output| &output.name);
        inputs.chain(outputs).cloned().collect()
    };
    // Removes the casts of weights that are now stored as integers, and the normalisation of a frame whose bytes are read.
    let mut used = read(&nodes);
    loop {
        let count = nodes.len();
        nodes.retain(|node| node.output.iter().any(|output| used.contains(output)));
        used = read(&nodes);
        if nodes.len() == count {
            break;
        }
    }
    let kept = graph.initializer.iter();
    let kept = kept.filter(|constant| used.contains(&constant.name));
    GraphProto {
        name: graph.name.clone(),
        doc_string: graph.doc_string.clone(),
        initializer: kept.cloned().chain(constants).collect(),
        input: graph.input.clone(),
        output: graph.output.clone(),
        node: nodes,
    }
}

/// The nodes and constants written so far.
struct Rewriter<'p, 'a> {
    plan: &'p Plan<'a>,
    measured: &'p Activations,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Rewriter<'_, '_> {
    /// Writes a node of the f32 graph, with the conversions of what it reads and writes.
    fn node(&mut self, number: usize, node: &NodeProto) -> Result<()> {
        if self.plan.is_omitted(number) {
            return Ok(());
        }
        let result = self.plan.result(number);
        let mut written = node.clone();
        for (position, input) in node.input.iter().enumerate() {
            let reads_bytes = result.is_some() && position < activations(node).len();
            if reads_bytes || self.plan.is_computed(input) {
                let output = format!("{}/input{position}", node.name);
                self.load(input, &output)?;
                written.input[position] = output;
            }
        }
        if result.is_some() && node.op_type == "Conv" {
            self.weights(node, &mut written)?;
        }
        self.nodes.push(written);
        for output in &node.output {
            // The result of a convolution with an activation function has the name of that function's output.
            self.store(output, result.unwrap_or(output))?;
        }
        Ok(())
    }

    /// Replaces the weights and the bias of a convolution by integers.
    fn weights(&mut self, node: &NodeProto, written: &mut NodeProto) -> Result<()> {
        let index = self.plan.index();
        let constant = |position: usize| {
            let name = node.input.get(position).filter(|name| !name.is_empty());
            name.and_then(|name| index.float_constant(name))
        };
        let missing = || format!("{}: the weights are not constant floats", node.name);
        let weight = constant(1).with_context(missing)?;
        let values = weight.floats().with_context(missing)?;
        let mut bias = constant(2).and_then(TensorProto::floats);
        let channels = weight.dims.first().copied().unwrap_or_default() as usize;
        let input_scale = self.scale(&node.input[0])?.scale;
        if let Some(frame) = self.frame_bytes(&node.input[0]) {
            let bias = bias.get_or_insert_with(|| vec![0.0; channels]);
            let filters = values.chunks_exact(values.len() / channels.max(1));
            for (bias, filter) in bias.iter_mut().zip(filters) {
                *bias += frame.rest * filter.iter().sum::<f32>();
            }
        }
        let stored = StoredWeights::of(&values, channels, bias.as_deref(), input_scale);
        let means = self.measured.means.get(&node.input[0]);
        let errors = means.map(|means| stored.mean_errors(&values, &weight.dims, means));
        if let Some(errors) = errors {
            let bias = bias.get_or_insert_with(|| vec![0.0; channels]);
            for (bias, error) in bias.iter_mut().zip(errors) {
                *bias -= error;
            }
        }
        // The weights are the same, unless the changed bias does not fit.
        let stored = StoredWeights::of(&values, channels, bias.as_deref(), input_scale);

        let by_channel = [channels as i64];
        let at = |part: &str| format!("{}/{part}", node.name);
        let names = ["weight/int8", "weight/scale", "weight/zero_point"].map(at);
        self.constants.extend([
            TensorProto::i8(&names[0], &weight.dims, &stored.weights),
            TensorProto::f32(&names[1], &by_channel, &stored.scales),
            TensorProto::i8(&names[2], &by_channel, &vec![0; channels]),
        ]);
        written.input[1] = self.by_channel(names.to_vec(), at("input1"));
        if let Some(bias) = stored.bias {
            let names = ["bias/int32", "bias/scale"].map(at);
            self.constants.extend([
                TensorProto::i32(&names[0], &by_channel, &bias),
                TensorProto::f32(&names[1], &by_channel, &stored.bias_scales),
            ]);
            let input = self.by_channel(names.to_vec(), at("input2"));
            written.input.truncate(2);
            written.input.push(input);
        }
        Ok(())
    }

    /// Adds the conversion of a constant with a scale for each output channel; returns its name.
    fn by_channel(&mut self, inputs: Vec<String>, output: String) -> String {
        let attribute = vec![AttributeProto::int("axis", 0)];
        self.convert("DequantizeLinear", inputs, &output, attribute);
        output
    }

    /// Adds the conversion of `value`, whose f32 elements are in `source`, to 8 bits, if it is stored in 8 bits.
    fn store(&mut self, source: &str, value: &str) -> Result<()> {
        if !self.plan.is_stored(value) || self.frame_bytes(value).is_some() {
            return Ok(());
        }
        let [scale, zero_point] = self.scale_constants(value)?;
        let inputs = vec![source.to_owned(), scale, zero_point];
        self.convert("QuantizeLinear", inputs, &bytes(value), vec![]);
        Ok(())
    }

    /// Adds the conversion of `value` from 8 bits to f32 as `output`. Each reader has its own, as
    /// ONNX Runtime requires.
    fn load(&mut self, value: &str, output: &str) -> Result<()> {
        let [scale, zero_point] = self.scale_constants(value)?;
        let bytes = self
            .frame_bytes(value)
            .map_or_else(|| bytes(value), |frame| frame.bytes.to_owned());
        self.convert(
            "DequantizeLinear",
            vec![bytes, scale, zero_point],
            output,
            vec![],
        );
        Ok(())
    }

    fn convert(
        &mut self,
        operator: &str,
        input: Vec<String>,
        output: &str,
        attribute: Vec<AttributeProto>,
    ) {
        self.nodes.push(NodeProto {
            input,
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: operator.to_owned(),
            attribute,
        });
    }

    /// Names of the constants with the scale and the zero point of `value`. Adds them if they do not exist.
    fn scale_constants(&mut self, value: &str) -> Result<[String; 2]> {
        let ByteScale { scale, zero_point } = self.scale(value)?;
        let source = self.plan.scale_source(value);
        let names = ["scale", "zero_point"].map(|part| format!("{source}/{part}"));
        if self
            .constants
            .iter()
            .all(|constant| constant.name != names[0])
        {
            self.constants.extend([
                TensorProto::f32(&names[0], &[], &[scale]),
                TensorProto::u8(&names[1], &[], &[zero_point]),
            ]);
        }
        Ok(names)
    }

    /// The bytes of the frame that are read instead of `value`.
    fn frame_bytes(&self, value: &str) -> Option<FrameBytes<'_>> {
        FrameBytes::behind(self.plan.index(), value)
    }

    fn scale(&self, value: &str) -> Result<ByteScale> {
        if let Some(frame) = self.frame_bytes(value) {
            return Ok(frame.scale);
        }
        let source = self.plan.scale_source(value);
        let range = self.measured.ranges.get(source).copied();
        let range = range.with_context(|| format!("the range of the value {source} is missing"))?;
        Ok(ByteScale::of(range))
    }
}

/// Name of the bytes of `value`.
fn bytes(value: &str) -> String {
    format!("{value}/bytes")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Range, last_convolutions};
    use super::*;
    use crate::export::onnx::Dimension::{Free, Known};
    use crate::export::onnx::{DataType, ValueInfoProto};
    use crate::export::quantize::tests::node;

    /// A convolution with a Relu and 16-bit weights, and a last convolution.
    fn model() -> ModelProto {
        let shape = [Free("N"), Known(2), Known(4), Known(4)];
        ModelProto {
            graph: Some(GraphProto {
                node: vec![
                    node("Cast", &["half"], "weight"),
                    node("Conv", &["image", "weight", "bias"], "first"),
                    node("Relu", &["first"], "active"),
                    node("Conv", &["active", "last_weight"], "last"),
                    node("Mul", &["last", "last"], "map"),
                ],
                initializer: vec![
                    TensorProto::f16("half", &[2, 2, 1, 1], &[1.0, -0.5, 0.25, 2.0]),
                    TensorProto::f32("bias", &[2], &[0.5, -1.0]),
                    TensorProto::f32("last_weight", &[2, 2, 1, 1], &[1.0; 4]),
                ],
                input: vec![ValueInfoProto::tensor("image", DataType::Float, &shape, "")],
                output: vec![ValueInfoProto::tensor("map", DataType::Float, &shape, "")],
                ..GraphProto::default()
            }),
            ..ModelProto::default()
        }
    }

    fn quantized() -> GraphProto {
        let model = model();
        let graph = model.graph.as_ref().expect("the model has a graph");
        let keep = last_convolutions(graph);
        let measured = Activations {
            ranges: BTreeMap::from([
                ("image".to_owned(), Range::new(-1.0, 3.0)),
                ("active".to_owned(), Range::new(0.0, 5.1)),
            ]),
            means: BTreeMap::new(),
        };
        let quantized = quantize(&model, &keep, &measured).expect("the ranges are complete");
        quantized.graph.expect("the model has a graph")
    }

    #[test]
    fn convolution_is_between_conversions_and_its_relu_is_left_out() {
        let graph = quantized();
        let found: Vec<(&str, &str)> = graph
            .node
            .iter()
            .map(|node| (node.op_type.as_str(), node.output[0].as_str()))
            .collect();
        let expected = [
            ("QuantizeLinear", "image/bytes"),
            ("DequantizeLinear", "first/input0"),
            ("DequantizeLinear", "first/input1"),
            ("DequantizeLinear", "first/input2"),
            ("Conv", "first"),
            ("QuantizeLinear", "active/bytes"),
            ("DequantizeLinear", "last/input0"),
            ("Conv", "last"),
            ("Mul", "map"),
        ];
        assert_eq!(found, expected);
        assert_eq!(graph.node[5].input[0], "first");
        assert_eq!(
            graph.node[4].input,
            ["first/input0", "first/input1", "first/input2"]
        );
    }

    #[test]
    fn weights_are_stored_as_bytes_and_what_is_not_read_is_removed() {
        let graph = quantized();
        let names: Vec<&str> = graph
            .initializer
            .iter()
            .map(|constant| constant.name.as_str())
            .collect();
        let expected = [
            "last_weight",
            "image/scale",
            "image/zero_point",
            "first/weight/int8",
            "first/weight/scale",
            "first/weight/zero_point",
            "first/bias/int32",
            "first/bias/scale",
            "active/scale",
            "active/zero_point",
        ];
        assert_eq!(names, expected);
        let bytes = |index: usize| graph.initializer[index].raw_data.as_slice();
        assert_eq!(bytes(2), [64]); // a quarter of 255
        let levels: Vec<i8> = bytes(3).iter().map(|&byte| byte as i8).collect();
        assert_eq!(levels, [64, -32, 8, 64]);
        assert_eq!(bytes(9), [0]);
    }

    #[test]
    fn missing_range_is_reported_by_the_name_of_the_value() {
        let ranges = BTreeMap::from([("image".to_owned(), Range::new(-1.0, 1.0))]);
        let ranges = Activations {
            ranges,
            means: BTreeMap::new(),
        };
        let error = quantize(&model(), &BTreeSet::new(), &ranges).expect_err("a range is missing");
        assert_eq!(
            error.to_string(),
            "the range of the value active is missing"
        );
    }
}
