//! Numeric precision of a graph.

use serde::{Deserialize, Serialize};

/// Precision in which a graph computes its convolutions. Inputs and outputs do not depend on it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 8-bit integers, with 32-bit sums.
    Int8,
}

impl Precision {
    /// Returns the name: `f32` or `int8`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }

    /// Returns the precision with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::F32, Self::Int8]
            .into_iter()
            .find(|precision| precision.name() == name)
    }

    /// File name of a variant in this precision: `model.int8.onnx`.
    pub fn variant_file(self) -> String {
        format!("model.{self}.onnx")
    }

    /// Returns whether this is [`Self::F32`].
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
