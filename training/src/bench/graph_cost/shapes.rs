//! Shape inference for graphs: the operators that the export writes, and some that similar graphs contain.

use std::collections::HashMap;

use super::CostError;
use crate::export::onnx::{
    AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto, tensor_shape_proto,
    type_proto,
};

/// Operators that [`output_shape`] supports.
pub(super) const OPERATORS: [&str; 30] = [
    "Add",
    "AveragePool",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "DequantizeLinear",
    "Div",
    "Identity",
    "LeakyRelu",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Mul",
    "Pad",
    "QuantizeLinear",
    "ReduceMean",
    "ReduceMin",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Resize",
    "Sigmoid",
    "Slice",
    "Split",
    "Sqrt",
    "Sub",
    "Sum",
    "Transpose",
];

type Shape = Vec<i64>;

/// Shapes and constants known so far.
pub(super) struct ValueShapes<'a> {
    shapes: HashMap<String, Shape>,
    constants: HashMap<&'a str, &'a TensorProto>,
}

impl<'a> ValueShapes<'a> {
    /// Starts with the inputs and constants of the graph.
    pub(super) fn of(graph: &'a GraphProto) -> Self {
        let inputs = graph
            .input
            .iter()
            .map(|input| (input.name.clone(), declared_shape(input)));
        let constants = graph.initializer.iter();
        Self {
            shapes: inputs
                .chain(
                    constants
                        .clone()
                        .map(|constant| (constant.name.clone(), constant.dims.clone())),
                )
                .collect(),
            constants: constants
                .map(|constant| (constant.name.as_str(), constant))
                .collect(),
        }
    }

    /// Adds the shape of a node's output.
    pub(super) fn insert(&mut self, name: &str, shape: Shape) {
        self.shapes.insert(name.to_owned(), shape);
    }

    /// Returns the shape of input `index` of `node`.
    pub(super) fn shape(&self, node: &NodeProto, index: usize) -> Result<&[i64], CostError> {
        let name = input(node, index)
            .ok_or_else(|| shape_error(node, format!("input {index} is missing")))?;
        let shape = self.shapes.get(name).map(Vec::as_slice);
        shape.ok_or_else(|| {
            shape_error(
                node,
                format!("input {name} is not written by an earlier node"),
            )
        })
    }

    /// Returns the constant integers in input `index` of `node`, or `None` if that input is absent.
    fn numbers(&self, node: &NodeProto, index: usize) -> Result<Option<Vec<i64>>, CostError> {
        let Some(name) = input(node, index) else {
            return Ok(None);
        };
        let constant = self.constants.get(name);
        let constant =
            constant.ok_or_else(|| shape_error(node, format!("input {name} is not a constant")))?;
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, i64::from_le_bytes);
        Ok(Some(
            constant.raw_data.chunks_exact(8).map(number).collect(),
        ))
    }
}

fn input(node: &NodeProto, index: usize) -> Option<&str> {
    let name = node.input.get(index).map(String::as_str);
    name.filter(|name| !name.is_empty())
}

/// Shape that a graph declares for an input. Symbolic dimensions are 1.
fn declared_shape(input: &ValueInfoProto) -> Shape {
    let kind = input.r#type.as_ref().and_then(|kind| kind.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = kind else {
        return Shape::new();
    };
    let side = |dimension: &tensor_shape_proto::Dimension| match dimension.value {
        Some(tensor_shape_proto::dimension::Value::DimValue(side)) => side,
        _ => 1,
    };
    let dimensions = tensor.shape.iter().flat_map(|shape| &shape.dim);
    dimensions.map(side).collect()
}

fn shape_error(node: &NodeProto, reason: impl Into<String>) -> CostError {
    CostError::Shape {
        node: node.name.clone(),
        operator: node.op_type.clone(),
        reason: reason.into(),
    }
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute
        .iter()
        .find(|attribute| attribute.name == name)
}

fn ints(node: &NodeProto, name: &str, default: &[i64]) -> Vec<i64> {
    attribute(node, name).map_or_else(|| default.to_vec(), |attribute| attribute.ints.clone())
}

fn int(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |attribute| attribute.i)
}

/// Returns the shape of the output of `node`.
pub(super) fn output_shape(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    match node.op_type.as_str() {
        "Relu" | "LeakyRelu" | "Sigmoid" | "Sqrt" | "Cast" | "Clip" | "Identity"
        | "QuantizeLinear" | "DequantizeLinear" => Ok(values.shape(node, 0)?.to_vec()),
        "Add" | "Sub" | "Mul" | "Div" | "Max" | "Mean" | "Sum" => elementwise(node, values),
        "Conv" => convolution(node, values),
        "AveragePool" | "MaxPool" => {
            let kernel = ints(node, "kernel_shape", &[]);
            window_shape(node, values.shape(node, 0)?, &kernel)
        }
        "MatMul" => product(node, values),
        "Transpose" => transpose(node, values),
        "Pad" => pad(node, values),
        "ReduceMean" | "ReduceMin" | "ReduceSumSquare" => reduced(node, values),
        "Resize" => resize(node, values),
        "Reshape" => reshape(node, values),
        "Slice" => slice(node, values),
        "Split" => split(node, values),
        "Concat" => concat(node, values),
        _ => Err(CostError::UnsupportedOperator {
            node: node.name.clone(),
            operator: node.op_type.clone(),
        }),
    }
}

/// Shape of each output of a split into equal parts.
fn split(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let mut shape = values.shape(node, 0)?.to_vec();
    let (axis, shares) = (int(node, "axis", 0), node.output.len() as i64);
    let side = usize::try_from(axis)
        .ok()
        .and_then(|axis| shape.get_mut(axis));
    match side {
        Some(side) if shares > 0 && *side % shares == 0 && node.input.len() == 1 => *side /= shares,
        _ => {
            let reason =
                format!("splitting into {shares} equal parts along axis {axis} is not supported");
            return Err(shape_error(node, reason));
        }
    }
    Ok(shape)
}

/// Broadcast shape of all inputs.
fn elementwise(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let mut shape = values.shape(node, 0)?.to_vec();
    for index in 1..node.input.len() {
        let other = values.shape(node, index)?;
        shape = broadcast(&shape, other)
            .ok_or_else(|| incompatible_shapes(node, "shapes", &shape, other))?;
    }
    Ok(shape)
}

/// Requested shape; a side of -1 takes the remaining elements, a side of 0 is that of the input.
fn reshape(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let shape = values.shape(node, 0)?;
    let mut requested = values.numbers(node, 1)?.unwrap_or_default();
    for (side, &input) in requested.iter_mut().zip(shape) {
        if *side == 0 {
            *side = input;
        }
    }
    let elements: i64 = shape.iter().product();
    let known: i64 = requested.iter().filter(|&&side| side > 0).product();
    let free = requested.iter().filter(|&&side| side < 0).count();
    let fits = known > 0 && elements % known == 0 && (free == 1 || elements == known);
    if !fits || free > 1 || requested.contains(&0) {
        return Err(incompatible_shapes(node, "shapes", shape, &requested));
    }
    let side = |&side: &i64| if side < 0 { elements / known } else { side };
    Ok(requested.iter().map(side).collect())
}

fn incompatible_shapes(node: &NodeProto, what: &str, one: &[i64], other: &[i64]) -> CostError {
    shape_error(
        node,
        format!("{what} {one:?} and {other:?} are incompatible"),
    )
}

/// Broadcast shape: aligned at the last dimension, a side of 1 repeats.
fn broadcast(one: &[i64], other: &[i64]) -> Option<Shape> {
    let rank = one.len().max(other.len());
    let side = |shape: &[i64], at: usize| {
        let missing = rank - shape.len();
        at.checked_sub(missing).map_or(1, |at| shape[at])
    };
    (0..rank)
        .map(|at| match (side(one, at), side(other, at)) {
            (a, b) if a == b || b == 1 => Some(a),
            (1, b) => Some(b),
            _ => None,
        })
        .collect()
}

fn convolution(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let (image, weight) = (values.shape(node, 0)?, values.shape(node, 1)?);
    let (&[_, channels, _, _], &[output, input, high, wide]) = (image, weight) else {
        return Err(incompatible_shapes(
            node,
            "image and weights",
            image,
            weight,
        ));
    };
    let expected = input * int(node, "group", 1);
    if channels != expected {
        let reason = format!("input has {channels} channels, weights expect {expected}");
        return Err(shape_error(node, reason));
    }
    let mut shape = window_shape(node, image, &[high, wide])?;
    shape[1] = output;
    Ok(shape)
}

/// Output shape of a convolution or pool.
fn window_shape(node: &NodeProto, image: &[i64], kernel: &[i64]) -> Result<Shape, CostError> {
    let strides = ints(node, "strides", &[1, 1]);
    let pads = ints(node, "pads", &[0; 4]);
    let dilations = ints(node, "dilations", &[1, 1]);
    let plain = attribute(node, "auto_pad").is_none_or(|pad| pad.s == b"NOTSET");
    let fits = image.len() == 4
        && kernel.len() == 2
        && dilations.len() == 2
        && pads.len() == 4
        && strides.len() == 2
        && strides.iter().all(|&stride| stride > 0);
    if !plain || !fits {
        return Err(shape_error(
            node,
            format!(
                "kernel {kernel:?} with strides {strides:?} and pads {pads:?} on {image:?} is not supported"
            ),
        ));
    }
    let round_up = int(node, "ceil_mode", 0) == 1;
    let side = |axis: usize| {
        let reach = dilations[axis] * (kernel[axis] - 1) + 1;
        let room = image[axis + 2] + pads[axis] + pads[axis + 2] - reach;
        let steps = room + if round_up { strides[axis] - 1 } else { 0 };
        steps / strides[axis] + 1
    };
    Ok(vec![image[0], image[1], side(0), side(1)])
}

fn product(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let [one, other] = [values.shape(node, 0)?, values.shape(node, 1)?];
    let refusal = || incompatible_shapes(node, "factors", one, other);
    let ([stack @ .., rows, inner], [other_stack @ .., shared, columns]) = (one, other) else {
        return Err(refusal());
    };
    if inner != shared {
        return Err(refusal());
    }
    let mut shape = broadcast(stack, other_stack).ok_or_else(refusal)?;
    shape.extend([*rows, *columns]);
    Ok(shape)
}

fn transpose(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let shape = values.shape(node, 0)?;
    let reversed: Vec<i64> = (0..shape.len() as i64).rev().collect();
    let order = ints(node, "perm", &reversed);
    let axis = |&axis: &i64| shape.get(axis as usize).copied();
    let transposed: Option<Shape> = order.iter().map(axis).collect();
    transposed.ok_or_else(|| {
        shape_error(
            node,
            format!("permutation {order:?} does not fit shape {shape:?}"),
        )
    })
}

fn pad(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let shape = values.shape(node, 0)?;
    let pads = values.numbers(node, 1)?.unwrap_or_default();
    if pads.len() != 2 * shape.len() {
        return Err(shape_error(
            node,
            format!("pads {pads:?} do not fit shape {shape:?}"),
        ));
    }
    let (before, after) = pads.split_at(shape.len());
    let sides = shape.iter().zip(before).zip(after);
    Ok(sides
        .map(|((side, before), after)| side + before + after)
        .collect())
}

fn reduced(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let shape = values.shape(node, 0)?;
    let axes = positive_axes(shape, &ints(node, "axes", &[]));
    let keep = int(node, "keepdims", 1) == 1;
    let sides = shape.iter().enumerate().filter_map(|(axis, &side)| {
        // Without axes, the mean is over all dimensions.
        if axes.is_empty() || axes.contains(&axis) {
            keep.then_some(1)
        } else {
            Some(side)
        }
    });
    Ok(sides.collect())
}

/// Converts axes to indices. Negative axes count from the end.
fn positive_axes(shape: &[i64], axes: &[i64]) -> Vec<usize> {
    let place = |&axis: &i64| {
        (if axis < 0 {
            axis + shape.len() as i64
        } else {
            axis
        }) as usize
    };
    axes.iter().map(place).collect()
}

fn resize(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let shape = values.shape(node, 0)?;
    let sizes = values.numbers(node, 3)?.unwrap_or_default();
    if sizes.len() != shape.len() {
        return Err(shape_error(
            node,
            format!(
                "only resizing with an explicit size per dimension is supported; sizes {sizes:?} for shape {shape:?}"
            ),
        ));
    }
    // The batch dimension is not resized, whatever its size in the constant.
    Ok(shape[..1].iter().chain(&sizes[1..]).copied().collect())
}

fn slice(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let mut shape = values.shape(node, 0)?.to_vec();
    let [starts, ends, axes, steps] = [1, 2, 3, 4].map(|index| values.numbers(node, index));
    let (starts, ends) = (starts?.unwrap_or_default(), ends?.unwrap_or_default());
    let all: Vec<i64> = (0..starts.len() as i64).collect();
    let axes = positive_axes(&shape, &axes?.unwrap_or(all));
    let forward = steps?.is_none_or(|steps| steps.iter().all(|&step| step == 1));
    let fits = axes.iter().all(|&axis| axis < shape.len());
    if !forward || !fits || starts.len() != ends.len() || axes.len() != starts.len() {
        return Err(shape_error(
            node,
            format!("slice {starts:?} to {ends:?} of {shape:?} is not supported"),
        ));
    }
    for ((axis, start), end) in axes.into_iter().zip(starts).zip(ends) {
        let side = shape[axis];
        let within = |at: i64| (if at < 0 { at + side } else { at }).clamp(0, side);
        shape[axis] = (within(end) - within(start)).max(0);
    }
    Ok(shape)
}

fn concat(node: &NodeProto, values: &ValueShapes) -> Result<Shape, CostError> {
    let mut shape = values.shape(node, 0)?.to_vec();
    let axis = positive_axes(&shape, &[int(node, "axis", 0)])[0];
    for index in 1..node.input.len() {
        let other = values.shape(node, index)?;
        if axis >= shape.len() || other.len() != shape.len() {
            return Err(incompatible_shapes(node, "shapes", &shape, other));
        }
        shape[axis] += other[axis];
    }
    Ok(shape)
}
