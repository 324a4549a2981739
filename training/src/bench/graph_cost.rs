//! What one image costs by the exported graph alone: its parameters, and the multiply-accumulates of
//! its convolutions and products, by following the shapes of its values from node to node.
//!
//! Nothing is taken from the network's own tables, so that the two counts check each other.

use thiserror::Error;

use crate::export::onnx::{GraphProto, ModelProto, NodeProto};

mod shapes;

use shapes::ValueShapes;

/// The cost of one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct GraphCost {
    /// Learned numbers: weights and biases of convolutions.
    pub parameters: u64,
    /// Multiply-accumulates of the convolutions.
    pub convolution_macs: u64,
    /// Multiply-accumulates of matrix products. The export writes bicubic resizing as these: other
    /// programs, and published figures, do not count a resizing.
    pub product_macs: u64,
}

impl GraphCost {
    /// Floating-point operations of the convolutions: a multiply-accumulate is two.
    pub fn flops(&self) -> u64 {
        2 * self.convolution_macs
    }

    /// Floating-point operations of the matrix products.
    pub fn product_flops(&self) -> u64 {
        2 * self.product_macs
    }
}

/// Why a graph cannot be counted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CostError {
    /// Nothing to count.
    #[error("the file holds no graph")]
    NoGraph,
    /// An operator that this count knows nothing about.
    #[error(
        "node {node}: operator {operator} is not counted; known are {}",
        shapes::OPERATORS.join(", ")
    )]
    UnsupportedOperator {
        /// The node's name.
        node: String,
        /// Its operator.
        operator: String,
    },
    /// A node whose shape cannot be told.
    #[error("node {node} ({operator}): {reason}")]
    Shape {
        /// The node's name.
        node: String,
        /// Its operator.
        operator: String,
        /// What is the matter.
        reason: String,
    },
}

/// Counts `model` for one image: dimensions that are free are 1.
///
/// # Errors
/// When a node's operator is unknown or does not fit what it reads.
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

/// Every output of a convolution sums over one group's channels and the kernel.
fn window_macs(node: &NodeProto, values: &ValueShapes, shape: &[i64]) -> Result<u64, CostError> {
    let weight = values.shape(node, 1)?; // [out, in / groups, k, k]
    Ok(product(shape) * product(&weight[1..]))
}

/// Every output of a product sums over what the two factors share.
fn product_macs(node: &NodeProto, values: &ValueShapes, shape: &[i64]) -> Result<u64, CostError> {
    let shared = values.shape(node, 0)?.last().copied().unwrap_or(1);
    Ok(product(shape) * shared.unsigned_abs())
}

fn product(shape: &[i64]) -> u64 {
    shape.iter().map(|side| side.unsigned_abs()).product()
}

/// The constants that convolutions read, as they are or after a change of type.
fn parameters(graph: &GraphProto) -> u64 {
    let source = |name: &str| {
        let cast =
            |node: &&NodeProto| node.op_type == "Cast" && node.output.iter().any(|o| o == name);
        let node = graph.node.iter().find(cast);
        node.and_then(|node| node.input.first())
            .map_or_else(|| name.to_owned(), Clone::clone)
    };
    let convolutions = graph.node.iter().filter(|node| node.op_type == "Conv");
    let mut read: Vec<String> = convolutions
        .flat_map(|node| node.input.iter().skip(1))
        .map(|name| source(name))
        .collect();
    // A constant that two convolutions share is learned once.
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

    /// A graph of one node on `x` [N, 3, 8, 8], with constants of these shapes.
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
    fn a_convolution_costs_its_kernel_at_every_output() {
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
    fn a_product_is_counted_apart_and_its_constant_is_not_learned() {
        let model = graph(node("MatMul", &["x", "m"], vec![]), &[("m", &[8, 16])]);
        let cost = GraphCost {
            product_macs: 3 * 8 * 16 * 8,
            ..GraphCost::default()
        };
        assert_eq!(count(&model), Ok(cost));
    }

    #[test]
    fn halves_and_shapes_are_followed() {
        let shape = |node: NodeProto, constants: &[(&str, &[i64])]| {
            let mut model = graph(node, constants);
            let graph = model.graph.as_mut().expect("there is one");
            graph.initializer.push(TensorProto::i64s("s", &[-1, 2, 1]));
            let values = ValueShapes::of(graph);
            shapes::output_shape(&graph.node[0], &values).expect("it is counted")
        };
        let mut split = node("Split", &["x"], vec![AttributeProto::int("axis", 2)]);
        split.output.push("z".to_owned());
        assert_eq!(shape(split, &[]), [1, 3, 4, 8]);
        assert_eq!(shape(node("Reshape", &["x", "s"], vec![]), &[]), [96, 2, 1]);
    }

    #[test]
    fn what_cannot_be_counted_is_named() {
        let check = |node: NodeProto, constants: &[(&str, &[i64])], expected: &str| {
            let error = count(&graph(node, constants)).expect_err(expected);
            assert!(error.to_string().starts_with(expected), "{error}");
        };
        check(
            node("Einsum", &["x"], vec![]),
            &[],
            "node the Einsum: operator Einsum is not counted; known are Add, ",
        );
        check(
            node("Conv", &["x", "w"], vec![]),
            &[("w", &[5, 4, 3, 3])],
            "node the Conv (Conv): reads 3 channels, its weights are for 4",
        );
        check(
            node("MatMul", &["x", "m"], vec![]),
            &[("m", &[9, 16])],
            "node the MatMul (MatMul): factors [1, 3, 8, 8] and [9, 16] do not fit",
        );
        check(
            node("Sub", &["x", "m"], vec![]),
            &[("m", &[7])],
            "node the Sub (Sub): [1, 3, 8, 8] and [7] do not fit",
        );
        check(
            node("Relu", &["z"], vec![]),
            &[],
            "node the Relu (Relu): reads z, which nothing before it writes",
        );
        assert_eq!(count(&ModelProto::default()), Err(CostError::NoGraph));
    }
}
