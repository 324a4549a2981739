//! The bytes of the frame as 8-bit activations.
//!
//! The bytes of the frame are the 256 levels of the normalised image. If all channels are normalised alike, so that
//! `x = scale * byte + constant`, convolutions read the bytes themselves: no rounding, and no pass over the image in f32.
//! The zero point must be a whole level. The fraction of a level that is missing goes to the bias of the convolution; where it
//! pads, the image continues with a value that differs from 0 by this fraction of a level.

use super::arithmetic::ByteScale;
use super::graph_index::GraphIndex;
use crate::export::onnx::{DataType, TensorProto};

/// A value that is an affine function of the bytes of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FrameBytes<'a> {
    /// Name of the bytes, in the layout of the value.
    pub(super) bytes: &'a str,
    /// Scale and zero point with which the bytes stand for the value, except for `rest`.
    pub(super) scale: ByteScale,
    /// What has to be added to the value of the bytes.
    pub(super) rest: f32,
}

impl<'a> FrameBytes<'a> {
    /// Returns the bytes behind `value`; `None` if it is not computed from bytes of the graph's input by the same scale and
    /// constant for all channels.
    pub(super) fn behind(index: &GraphIndex<'a>, value: &str) -> Option<Self> {
        let (mut slope, mut constant) = (1.0_f64, 0.0_f64);
        let mut node = index.node(index.writer(value)?);
        while node.op_type != "Cast" {
            let operand = f64::from(uniform(index.float_constant(node.input.get(1)?)?)?);
            match node.op_type.as_str() {
                "Div" => slope /= operand,
                "Mul" => slope *= operand,
                "Sub" => constant -= slope * operand,
                "Add" => constant += slope * operand,
                _ => return None,
            }
            node = index.node(index.writer(node.input.first()?)?);
        }
        let bytes = node.input.first()?.as_str();
        let transposed = index.writer(bytes).map(|number| index.node(number));
        let source = match transposed {
            Some(node) if node.op_type == "Transpose" => node.input.first()?,
            Some(_) => return None,
            None => bytes,
        };
        let zero_point = (-constant / slope).round_ties_even();
        let representable = slope > 0.0 && (0.0..=255.0).contains(&zero_point);
        (representable && index.is_input(source, DataType::Uint8)).then(|| Self {
            bytes,
            scale: ByteScale {
                scale: slope as f32,
                zero_point: zero_point as u8,
            },
            rest: slope.mul_add(zero_point, constant) as f32,
        })
    }
}

/// The only element of a constant, if all are equal.
fn uniform(constant: &TensorProto) -> Option<f32> {
    let elements = constant.floats()?;
    let first = *elements.first()?;
    let same = |element: &f32| element.to_bits() == first.to_bits();
    elements.iter().all(same).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::onnx::Dimension::{Free, Known};
    use crate::export::onnx::{GraphProto, ValueInfoProto};
    use crate::export::quantize::tests::node;

    /// The normalisation of a frame, `(byte / 255 - mean) / std`.
    fn graph(mean: [f32; 3], element: DataType) -> GraphProto {
        let shape = [Free("N"), Known(8), Known(8), Known(3)];
        GraphProto {
            node: vec![
                node("Transpose", &["frame"], "planes"),
                node("Cast", &["planes"], "levels"),
                node("Div", &["levels", "full"], "unit"),
                node("Sub", &["unit", "mean"], "centred"),
                node("Div", &["centred", "std"], "image"),
                node("Relu", &["image"], "other"),
            ],
            initializer: vec![
                TensorProto::f32("full", &[], &[255.0]),
                TensorProto::f32("mean", &[1, 3, 1, 1], &mean),
                TensorProto::f32("std", &[1, 3, 1, 1], &[0.5; 3]),
            ],
            input: vec![ValueInfoProto::tensor("frame", element, &shape, "")],
            ..GraphProto::default()
        }
    }

    #[test]
    fn bytes_and_rest_are_the_normalised_image() {
        let graph = graph([0.5; 3], DataType::Uint8);
        let found = FrameBytes::behind(&GraphIndex::of(&graph), "image").expect("bytes");
        assert_eq!((found.bytes, found.scale.zero_point), ("planes", 128));
        for byte in [0_u8, 1, 127, 128, 255] {
            let image = (f32::from(byte) / 255.0 - 0.5) / 0.5;
            let level = f32::from(byte) - f32::from(found.scale.zero_point);
            let value = level.mul_add(found.scale.scale, found.rest);
            assert!((value - image).abs() < 1e-6, "{byte}: {value} and {image}");
        }
    }

    #[test]
    fn other_values_are_not_bytes() {
        let behind = |graph: &GraphProto, value: &str| {
            FrameBytes::behind(&GraphIndex::of(graph), value).is_some()
        };
        let same = graph([0.5; 3], DataType::Uint8);
        assert!(behind(&same, "unit") && !behind(&same, "other") && !behind(&same, "frame"));
        assert!(!behind(&graph([0.5, 0.5, 0.4], DataType::Uint8), "image"));
        assert!(!behind(&graph([0.5; 3], DataType::Float), "image"));
    }
}
