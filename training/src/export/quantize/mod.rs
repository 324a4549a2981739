//! Static quantisation of a finished f32 graph: its convolutions compute in 8 bits.
//!
//! The result is in the QDQ format: a value is stored in 8 bits by `QuantizeLinear` and read through
//! `DequantizeLinear`. ONNX Runtime replaces a convolution between the two by `QLinearConv`, which multiplies 8-bit
//! integers and adds 32-bit ones. A runtime without that step computes nearly the same in f32.
//!
//! - The mean error of each channel that the rounding of the weights causes on the measured images is subtracted from the
//!   bias (Nagel et al. 2019, section 4.2): the inputs of most convolutions are positive, so that errors add up.
//! - Weights are signed, with a scale for each output channel and without a zero point; biases are 32-bit integers.
//! - Activations are unsigned, with one scale and one zero point for each value. Consecutive convolutions pass them on
//!   in 8 bits, and so do pools and residual sums between them.
//! - A `Relu`, or a `Clip` at 0, after such a convolution is left out: the range of its output begins at 0, so the
//!   conversion to unsigned bytes also clips at 0.
//! - If all channels of the frame are normalised alike, convolutions read its bytes instead of the normalised image.
//! - Everything else stays in f32: another normalisation of the frame, resizes, the convolutions named in `keep`, and the
//!   arithmetic of the maps.

mod arithmetic;
mod frame_bytes;
mod graph_index;
mod plan;
mod ranges;
mod rewrite;

pub use arithmetic::Range;
pub use plan::last_convolutions;
pub use ranges::{Activations, RangeMeter};
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
