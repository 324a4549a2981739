//! Element types of tensors in checkpoints.

use std::fmt;

use half::{bf16, f16};

/// Element type of a tensor in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementType {
    /// IEEE half precision.
    F16,
    /// The upper 16 bits of an f32.
    Bf16,
    /// Single precision.
    F32,
    /// Double precision, rounded to single precision.
    F64,
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

impl ElementType {
    /// Size of a value in bytes.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Decodes the little-endian values in `bytes`. Trailing bytes that are not a whole value are ignored.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F16 => each(bytes, |value| f16::from_le_bytes(value).to_f32()),
            Self::Bf16 => each(bytes, |value| bf16::from_le_bytes(value).to_f32()),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |value| f64::from_le_bytes(value) as f32),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let chunks = bytes.chunks_exact(N);
    chunks
        .map(|chunk| value(chunk.try_into().expect("a chunk of N bytes")))
        .collect()
}
