//! Architectures: method, preset, input size and ablations.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::layer::{self, Layers};
use super::layer_tables::{self, Widths};

/// Named network sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The paper's size: 37.3 M parameters, 236 GFLOP per image at 256x256.
    Medium,
    /// About a third of the operations of `medium`: PDN-S and a narrower student, 384 feature channels.
    Small,
    /// For demonstrations and tests: under 3 M parameters, 128 feature channels.
    Tiny,
}

/// Side of the network input in pixels: a multiple of 32 from 128 to 512.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct InputSize(i64);

/// An unsupported input size.
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

/// A text that is not a supported input size.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InputSizeParseError {
    /// Not an integer.
    #[error("{text}: {source}")]
    NotAnInteger {
        /// The text.
        text: String,
        /// Why it is not an integer.
        source: std::num::ParseIntError,
    },
    /// An unsupported size.
    #[error(transparent)]
    Unsupported(#[from] InputSizeError),
}

impl std::str::FromStr for InputSize {
    type Err = InputSizeParseError;

    fn from_str(text: &str) -> Result<Self, InputSizeParseError> {
        let side = text.parse::<i64>();
        let side = side.map_err(|source| InputSizeParseError::NotAnInteger {
            text: text.to_owned(),
            source,
        })?;
        Ok(Self::try_from(side)?)
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
    /// Side of the image in pixels.
    pub fn side(self) -> i64 {
        self.0
    }

    /// Side of the features and of the anomaly maps in pixels.
    pub fn map_side(self) -> i64 {
        self.0 / 4
    }
}

/// The student and the definition of its two anomaly maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Multi-task hybrid knowledge distillation: two encoders, two decoders.
    #[default]
    Mhkd,
    /// `EfficientAD` (Batzner et al., WACV 2024): a student with the teacher's layers and twice its feature
    /// channels, and an autoencoder.
    #[value(name = "efficientad")]
    EfficientAd,
}

/// The choices that determine the networks of a run. Two runs with equal architectures have tensors with
/// the same names and shapes, and compute their maps from the same features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Channel widths of teacher and student.
    pub preset: Preset,
    /// Side of the input in pixels.
    pub input_size: InputSize,
    /// Whether the teacher pads its convolutions and pools. Tensor shapes do not show it, so the checkpoint
    /// records it.
    pub padded_teacher: bool,
    /// Method.
    #[serde(default)]
    pub method: Method,
    /// Whether MHKD has the second encoder. Without it the decoders read `f_l`, average-pooled to their grid
    /// (ablation in Table IV).
    #[serde(default = "default_true")]
    pub second_encoder: bool,
    /// Whether MHKD uses self-distillation. Without it the logical map compares `f_g` with `f_t` (ablation in
    /// Table IV).
    #[serde(default = "default_true")]
    pub self_distillation: bool,
}

fn default_true() -> bool {
    true
}

/// A tensor that the networks read or write. The letters are the paper's; the networks of `EfficientAD`
/// write the tensors with the same role in the anomaly maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TensorId {
    /// Normalised image, `[3, S, S]`.
    Image,
    /// `f_l` of `SEncoder1`; in `EfficientAD` the half of the student that is trained on the autoencoder.
    Low,
    /// `f_h` of `SEncoder2`.
    High,
    /// `f_s` of `LDecoder`; in `EfficientAD` the half of the student that is trained on the teacher.
    Structural,
    /// `f_g` of `GDecoder`; in `EfficientAD` the autoencoder's output.
    Logical,
}

impl TensorId {
    /// Name in the exported graph. The graph has a different name for the image.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Low => "f_l",
            Self::High => "f_h",
            Self::Structural => "f_s",
            Self::Logical => "f_g",
        }
    }
}

/// One network of the student with its input and outputs.
#[derive(Clone, Debug)]
pub struct StudentNetwork {
    /// Prefix of its tensor names.
    pub name: &'static str,
    /// Its layers.
    pub layers: Layers,
    /// Its input: the image, or an output of an earlier network.
    pub input: TensorId,
    /// Its outputs; two outputs get one half of the channels each.
    pub outputs: &'static [TensorId],
}

/// The layers of all networks of an architecture.
#[derive(Clone, Debug)]
pub struct LayerTables {
    /// Layers of the teacher `F_t`.
    pub teacher: Layers,
    /// The student's networks, each after the networks that it reads from.
    pub student: Vec<StudentNetwork>,
}

impl Architecture {
    /// Creates the paper's architecture.
    pub fn mhkd(preset: Preset, input_size: InputSize, padded_teacher: bool) -> Self {
        Self {
            preset,
            input_size,
            padded_teacher,
            method: Method::Mhkd,
            second_encoder: true,
            self_distillation: true,
        }
    }

    /// Returns the layers of all networks.
    pub fn layer_tables(&self) -> LayerTables {
        let teacher = self.preset.teacher(self.padded_teacher);
        let student = match self.method {
            Method::Mhkd => self.mhkd_student(),
            Method::EfficientAd => self.efficient_ad_student(&teacher),
        };
        LayerTables { teacher, student }
    }

    fn mhkd_student(&self) -> Vec<StudentNetwork> {
        use TensorId::{High, Image, Logical, Low, Structural};
        let side = self.input_size.map_side();
        let widths = self.preset.widths();
        let (encoder2, channels) = if self.second_encoder {
            (layer_tables::encoder2(&widths), widths.encoder2[1])
        } else {
            (layer_tables::average_pools(), widths.features)
        };
        let part = |name, layers, input, outputs| StudentNetwork {
            name,
            layers,
            input,
            outputs,
        };
        vec![
            part("sencoder1", layer_tables::encoder1(&widths), Image, &[Low]),
            part("sencoder2", encoder2, Low, &[High]),
            part(
                "ldecoder",
                layer_tables::structural_decoder(&widths, channels, side),
                High,
                &[Structural],
            ),
            part(
                "gdecoder",
                layer_tables::logical_decoder(&widths, channels, side),
                High,
                &[Logical],
            ),
        ]
    }

    fn efficient_ad_student(&self, teacher: &Layers) -> Vec<StudentNetwork> {
        let features = self.features();
        vec![
            StudentNetwork {
                name: "student",
                layers: layer_tables::doubled_features(teacher, features),
                input: TensorId::Image,
                outputs: &[TensorId::Structural, TensorId::Low],
            },
            StudentNetwork {
                name: "autoencoder",
                layers: layer_tables::autoencoder(self.input_size.side(), features),
                input: TensorId::Image,
                outputs: &[TensorId::Logical],
            },
        ]
    }

    /// Returns the side of a tensor in pixels.
    pub fn side(&self, id: TensorId) -> i64 {
        match id {
            TensorId::Image => self.input_size.side(),
            TensorId::High => self.input_size.map_side() / 4,
            TensorId::Low | TensorId::Structural | TensorId::Logical => self.input_size.map_side(),
        }
    }

    /// Returns the number of feature channels.
    pub fn features(&self) -> i64 {
        self.preset.widths().features
    }

    /// Returns the number of weights and biases of teacher and student.
    pub fn parameters(&self) -> i64 {
        let LayerTables { teacher, student } = self.layer_tables();
        let parts = student.iter().map(|part| layer::parameters(&part.layers));
        parts.sum::<i64>() + layer::parameters(&teacher)
    }

    /// Returns the multiply-accumulates of all convolutions for one image through teacher and student.
    pub fn macs(&self) -> i64 {
        let LayerTables { teacher, student } = self.layer_tables();
        let parts = student
            .iter()
            .map(|part| layer::macs(&part.layers, self.side(part.input)));
        parts.sum::<i64>() + layer::macs(&teacher, self.side(TensorId::Image))
    }
}

impl Preset {
    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Medium => "medium",
            Self::Small => "small",
            Self::Tiny => "tiny",
        }
    }

    /// Channel widths of the student.
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

    /// Layers of the teacher.
    pub fn teacher(self, padded: bool) -> Layers {
        match self {
            Self::Medium => layer_tables::teacher_medium(padded),
            Self::Small => layer_tables::teacher_small(padded, [128, 256, 256], 384),
            Self::Tiny => layer_tables::teacher_small(padded, [64, 96, 128], 128),
        }
    }
}
