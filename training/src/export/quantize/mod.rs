//! Static quantisation of a finished f32 graph: its convolutions compute in 8 bits.
//!
//! The result is in the QDQ format: a value is stored in 8 bits by `QuantizeLinear` and read through
//! `DequantizeLinear`. ONNX Runtime replaces a convolution between the two by `QLinearConv`, which multiplies 8-bit
//! integers and adds 32-bit ones. A runtime without that step computes nearly the same in f32.
//!
//! - Weights are signed, with a scale for each output channel and without a zero point; biases are 32-bit integers.
//! - Activations are unsigned, with one scale and one zero point for each value. Consecutive convolutions pass them on
//!   in 8 bits, and so do pools and residual sums between them.
//! - A `Relu`, or a `Clip` at 0, after such a convolution is left out: the range of its output begins at 0, so the
//!   conversion to unsigned bytes also clips at 0.
//! - Everything else stays in f32: the normalisation of the frame, resizes, the convolutions named in `keep`, and the
//!   arithmetic of the maps.

mod arithmetic;
mod graph_index;
mod plan;
mod ranges;
mod rewrite;

pub use arithmetic::Range;
pub use plan::last_convolutions;
pub use ranges::{RangeMeter, Ranges};
pub use rewrite::quantize;

#[cfg(test)]
mod tests {
    use crate::export::onnx::NodeProto;

    /// A node with the name of its output.
    pub(super) fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
        NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: operator.to_owned(),
            attribute: vec![],
        }
    }
}
