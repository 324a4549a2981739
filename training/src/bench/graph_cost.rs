//! Cost of one image according to the exported graph: the number of parameters, and the multiply-accumulates
//! of convolutions and matrix products. Tensor shapes are propagated from node to node.
//!
//! The count does not use the network's layer lists, so the two counts verify each other.

use thiserror::Error;

use crate::export::onnx::{GraphProto, ModelProto, NodeProto};

mod shapes;

use shapes::ValueShapes;

/// Cost of one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GraphCost {
    /// Trained parameters: weights and biases of convolutions.
    pub parameters: u64,
    /// Multiply-accumulates of the convolutions.
    pub convolution_macs: u64,
    /// Multiply-accumulates of matrix products. Exported graphs implement bicubic resizing with them; other
    /// programs and published figures do not count resizing.
    pub product_macs: u64,
}

impl GraphCost {
    /// Floating-point operations of the convolutions: two per multiply-accumulate.
    pub fn flops(&self) -> u64 {
        2 * self.convolution_macs
    }

    /// Floating-point operations of the matrix products.
    pub fn product_flops(&self) -> u64 {
        2 * self.product_macs
    }
}

/// Why the cost of a graph cannot be determined.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CostError {
    /// The file has no graph.
    #[error("the file contains no graph")]
    NoGraph,
    /// An unsupported operator.
    #[error(
        "node {node}: unsupported operator {operator}; supported operators: {}",
        shapes::OPERATORS.join(", ")
    )]
    UnsupportedOperator {
        /// Node name.
        node: String,
        /// Operator name.
        operator: String,
    },
    /// A node whose output shape cannot be determined.
    #[error("node {node} ({operator}): {reason}")]
    Shape {
        /// Node name.
        node: String,
        /// Operator name.
        operator: String,
        /// Description of the problem.
        reason: String,
    },
}

/// Computes the cost of one image. Symbolic dimensions count as 1.
///
/// # Errors
/// Returns an error if an operator is unsupported or does not fit its inputs.
pub fn count(model: &ModelProto) -> Result<GraphCost, CostError> {
    let graph = model.graph.as_ref().ok_or(CostError::NoGraph)?;
    let mut values = ValueShapes::of(graph);
    let mut cost = GraphCost {
        parameters: parameters(graph),
        ..GraphCost::default()
    };
    for node in &graph.node {
        let shape = shapes::output_shape(node, &values)?;
        match node.op_type.as_str() {
            "Conv" => cost.convolution_macs += window_macs(node, &values, &shape)?,
            "MatMul" => cost.product_macs += product_macs(node, &values, &shape)?,
            _ => {}
        }
        for output in &node.output {
            values.insert(output, shape.clone());
        }
    }
    Ok(cost)
}

/// Each output element of a convolution sums over the channels of one group and the kernel.
fn window_macs(node: &NodeProto, values: &ValueShapes, shape: &[i64]) -> Result<u64, CostError> {
    let weight = values.shape(node, 1)?; // [out, in / groups, k, k]
    Ok(product(shape) * product(&weight[1..]))
}

/// Each output element of a matrix product sums over the shared dimension.
fn product_macs(node: &NodeProto, values: &ValueShapes, shape: &[i64]) -> Result<u64, CostError> {
    let shared = values.shape(node, 0)?.last().copied().unwrap_or(1);
    Ok(product(shape) * shared.unsigned_abs())
}

fn product(shape: &[i64]) -> u64 {
    shape.iter().map(|side| side.unsigned_abs()).product()
}

/// Number of elements of the constants that convolutions read, directly or after a conversion to 32-bit floats.
fn parameters(graph: &GraphProto) -> u64 {
    let source = |name: &str| {
        let conversion = |node: &&NodeProto| {
            ["Cast", "DequantizeLinear"].contains(&node.op_type.as_str())
                && node.output.iter().any(|o| o == name)
        };
        let node = graph.node.iter().find(conversion);
        node.and_then(|node| node.input.first())
            .map_or_else(|| name.to_owned(), Clone::clone)
    };
    let convolutions = graph.node.iter().filter(|node| node.op_type == "Conv");
    let mut read: Vec<String> = convolutions
        .flat_map(|node| node.input.iter().skip(1))
        .map(|name| source(name))
        .collect();
    // A constant that two convolutions share counts once.
    read.sort_unstable();
    read.dedup();
    graph
        .initializer
        .iter()
        .filter(|constant| read.binary_search(&constant.name).is_ok())
        .map(|constant| product(&constant.dims))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::onnx::Dimension::{Free, Known};
    use crate::export::onnx::{AttributeProto, DataType, TensorProto, ValueInfoProto};

    fn node(operator: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> NodeProto {
        NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec!["y".to_owned()],
            name: format!("the {operator}"),
            op_type: operator.to_owned(),
            attribute: attributes,
        }
    }

    /// A graph with one node on `x` [N, 3, 8, 8] and constants with the given shapes.
    fn graph(node: NodeProto, constants: &[(&str, &[i64])]) -> ModelProto {
        let shape = [Free("N"), Known(3), Known(8), Known(8)];
        let constant = |(name, shape): &(&str, &[i64])| {
            let values = vec![0.0; shape.iter().product::<i64>() as usize];
            TensorProto::f32(name, shape, &values)
        };
        ModelProto {
            graph: Some(GraphProto {
                node: vec![node],
                initializer: constants.iter().map(constant).collect(),
                input: vec![ValueInfoProto::tensor("x", DataType::Float, &shape, "")],
                ..GraphProto::default()
            }),
            ..ModelProto::default()
        }
    }

    #[test]
    fn convolution_costs_kernel_times_outputs() {
        let window = vec![
            AttributeProto::ints("strides", &[2; 2]),
            AttributeProto::ints("pads", &[1; 4]),
        ];
        let model = graph(
            node("Conv", &["x", "w", "b"], window),
            &[("w", &[5, 3, 4, 4]), ("b", &[5])],
        );
        let cost = GraphCost {
            parameters: 5 * 3 * 16 + 5,
            convolution_macs: 5 * 4 * 4 * 3 * 16,
            product_macs: 0,
        };
        assert_eq!(count(&model), Ok(cost));
    }

    #[test]
    fn matrix_product_is_counted_separately_without_parameters() {
        let model = graph(node("MatMul", &["x", "m"], vec![]), &[("m", &[8, 16])]);
        let cost = GraphCost {
            product_macs: 3 * 8 * 16 * 8,
            ..GraphCost::default()
        };
        assert_eq!(count(&model), Ok(cost));
    }

    #[test]
    fn split_and_reshape_shapes_are_propagated() {
        let shape = |node: NodeProto, constants: &[(&str, &[i64])]| {
            let mut model = graph(node, constants);
            let graph = model.graph.as_mut().expect("the model has a graph");
            graph.initializer.push(TensorProto::i64s("s", &[-1, 2, 1]));
            let values = ValueShapes::of(graph);
            shapes::output_shape(&graph.node[0], &values).expect("the operator is supported")
        };
        let mut split = node("Split", &["x"], vec![AttributeProto::int("axis", 2)]);
        split.output.push("z".to_owned());
        assert_eq!(shape(split, &[]), [1, 3, 4, 8]);
        assert_eq!(shape(node("Reshape", &["x", "s"], vec![]), &[]), [96, 2, 1]);
    }

    #[test]
    fn unsupported_nodes_are_reported_by_name() {
        let check = |node: NodeProto, constants: &[(&str, &[i64])], expected: &str| {
            let error = count(&graph(node, constants)).expect_err(expected);
            assert!(error.to_string().starts_with(expected), "{error}");
        };
        check(
            node("Einsum", &["x"], vec![]),
            &[],
            "node the Einsum: unsupported operator Einsum; supported operators: Add, ",
        );
        check(
            node("Conv", &["x", "w"], vec![]),
            &[("w", &[5, 4, 3, 3])],
            "node the Conv (Conv): input has 3 channels, weights expect 4",
        );
        check(
            node("MatMul", &["x", "m"], vec![]),
            &[("m", &[9, 16])],
            "node the MatMul (MatMul): factors [1, 3, 8, 8] and [9, 16] are incompatible",
        );
        check(
            node("Sub", &["x", "m"], vec![]),
            &[("m", &[7])],
            "node the Sub (Sub): shapes [1, 3, 8, 8] and [7] are incompatible",
        );
        check(
            node("Relu", &["z"], vec![]),
            &[],
            "node the Relu (Relu): input z is not written by an earlier node",
        );
        assert_eq!(count(&ModelProto::default()), Err(CostError::NoGraph));
    }
}
