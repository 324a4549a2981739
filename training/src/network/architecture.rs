//! Presets: which networks, how wide, at which input size.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::layer::{self, Layers};
use super::tables::{self, Widths};

/// The networks' sizes that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The paper's: 37.3 M parameters, 236 GFLOP an image at 256x256.
    Medium,
    /// A third of the work: PDN-S and a narrower student, 384 features.
    Small,
    /// For demonstrations and tests: under 3 M parameters, 128 features.
    Tiny,
}

/// The input sizes that the networks are built for: a multiple of 32 from 128 to 512.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct InputSize(i64);

/// A side that the networks are not built for.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("input size {0}: must be a multiple of 32 from 128 to 512")]
pub struct InputSizeError(i64);

impl TryFrom<i64> for InputSize {
    type Error = InputSizeError;

    fn try_from(side: i64) -> Result<Self, InputSizeError> {
        if (128..=512).contains(&side) && side % 32 == 0 {
            Ok(Self(side))
        } else {
            Err(InputSizeError(side))
        }
    }
}

impl std::str::FromStr for InputSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = text
            .parse::<i64>()
            .map_err(|error| format!("{text}: {error}"))?;
        Self::try_from(side).map_err(|error| error.to_string())
    }
}

impl From<InputSize> for i64 {
    fn from(size: InputSize) -> i64 {
        size.0
    }
}

impl std::fmt::Display for InputSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl InputSize {
    /// The side of an image, pixels.
    pub fn side(self) -> i64 {
        self.0
    }

    /// The side of the features and of the maps, pixels.
    pub fn map_side(self) -> i64 {
        self.0 / 4
    }
}

/// All that says which networks a run has: two runs with equal architectures have tensors of the
/// same names and shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Widths of teacher and student.
    pub preset: Preset,
    /// Side of the input, pixels.
    pub input_size: InputSize,
    /// Whether the teacher pads its convolutions and pools (its checkpoint says so, not its shapes).
    pub padded_teacher: bool,
}

/// The five networks' tables, `f_t = teacher(x)`, `f_l = encoder1(x)`, `f_h = encoder2(f_l)`,
/// `f_s = structural(f_h)`, `f_g = logical(f_h)`.
#[derive(Clone, Debug)]
pub struct Tables {
    /// `F_t`.
    pub teacher: Layers,
    /// `SEncoder1`.
    pub encoder1: Layers,
    /// `SEncoder2`.
    pub encoder2: Layers,
    /// `LDecoder`.
    pub structural: Layers,
    /// `GDecoder`.
    pub logical: Layers,
}

impl Architecture {
    /// The networks of this architecture.
    pub fn tables(&self) -> Tables {
        let side = self.input_size.map_side();
        let widths = self.preset.widths();
        Tables {
            teacher: self.preset.teacher(self.padded_teacher),
            encoder1: tables::encoder1(&widths),
            encoder2: tables::encoder2(&widths),
            structural: tables::structural_decoder(&widths, side),
            logical: tables::logical_decoder(&widths, side),
        }
    }

    /// Channels of the features.
    pub fn features(&self) -> i64 {
        self.preset.widths().features
    }

    /// Weights and biases of teacher and student together.
    pub fn parameters(&self) -> i64 {
        let tables = self.tables();
        tables
            .student()
            .map(|(_, net)| layer::parameters(net))
            .sum::<i64>()
            + layer::parameters(&tables.teacher)
    }

    /// Multiply-accumulates of the convolutions, one image through teacher and student.
    pub fn macs(&self) -> i64 {
        let (input, side) = (self.input_size.side(), self.input_size.map_side());
        let tables = self.tables();
        layer::macs(&tables.teacher, input)
            + layer::macs(&tables.encoder1, input)
            + layer::macs(&tables.encoder2, side)
            + layer::macs(&tables.structural, side / 4)
            + layer::macs(&tables.logical, side / 4)
    }
}

impl Tables {
    /// The student's four networks with the names that their tensors bear.
    pub fn student(&self) -> impl Iterator<Item = (&'static str, &Layers)> {
        [
            ("sencoder1", &self.encoder1),
            ("sencoder2", &self.encoder2),
            ("ldecoder", &self.structural),
            ("gdecoder", &self.logical),
        ]
        .into_iter()
    }
}

impl Preset {
    /// The name that stands in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Medium => "medium",
            Self::Small => "small",
            Self::Tiny => "tiny",
        }
    }

    /// The student's widths.
    pub fn widths(self) -> Widths {
        match self {
            Self::Medium => Widths {
                encoder1: [128, 128, 256, 512],
                encoder2: [512, 512],
                structural: [512, 512],
                bottleneck: 64,
                logical: [128, 256],
                features: 384,
            },
            Self::Small => Widths {
                encoder1: [64, 64, 128, 128],
                encoder2: [256, 256],
                structural: [256, 256],
                bottleneck: 64,
                logical: [96, 128],
                features: 384,
            },
            Self::Tiny => Widths {
                encoder1: [32, 32, 64, 96],
                encoder2: [128, 96],
                structural: [128, 128],
                bottleneck: 32,
                logical: [64, 96],
                features: 128,
            },
        }
    }

    /// The teacher's table.
    pub fn teacher(self, padded: bool) -> Layers {
        match self {
            Self::Medium => tables::teacher_medium(padded),
            Self::Small => tables::teacher_small(padded, [128, 256, 256], 384),
            Self::Tiny => tables::teacher_small(padded, [64, 96, 128], 128),
        }
    }
}
