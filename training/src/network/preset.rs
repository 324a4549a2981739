//! Presets: named sizes of teacher and student.

use serde::{Deserialize, Serialize};

use super::layer::Layers;
use super::layer_tables::{self, Padding, Widths};
use crate::backbone::LiteVariant;

/// Named sizes of teacher and student.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The paper's size: a distilled PDN-M; 37.3 M parameters, 236 GFLOP per image at 256x256.
    Medium,
    /// About a third of the operations of `medium`: PDN-S and a narrower student, 384 feature channels.
    Small,
    /// For demonstrations and tests: under 3 M parameters, 128 feature channels.
    Tiny,
    /// The frozen `EfficientNet`-Lite2 as the teacher, 168 feature channels at 1/8 of the side.
    Standard,
    /// The frozen `EfficientNet`-Lite0 as the teacher, 152 feature channels at 1/8 of the side, and a narrower
    /// student.
    Edge,
}

/// Sizes of a distilled teacher: the patch description network (PDN) of `EfficientAD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Pdn {
    /// PDN-M, as in the paper.
    Medium,
    /// PDN-S.
    Small,
    /// Half of PDN-S, with 128 feature channels.
    Tiny,
}

/// The network behind `f_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeacherKind {
    /// A PDN that was distilled from a backbone; features at 1/4 of the side.
    Pdn(Pdn),
    /// The frozen backbone itself; features at 1/8 of the side.
    Backbone(LiteVariant),
}

impl TeacherKind {
    /// Ratio of the sides of the image to those of the features.
    pub fn stride(self) -> i64 {
        match self {
            Self::Pdn(_) => 4,
            Self::Backbone(_) => i64::from(crate::backbone::STRIDE),
        }
    }
}

impl Pdn {
    /// Layers of the network.
    pub fn layers(self, padding: Padding) -> Layers {
        match self {
            Self::Medium => layer_tables::teacher_medium(padding),
            Self::Small => layer_tables::teacher_small(padding, [128, 256, 256], 384),
            Self::Tiny => layer_tables::teacher_small(padding, [64, 96, 128], 128),
        }
    }

    /// Number of feature channels.
    pub fn features(self) -> i64 {
        Preset::from(self).widths().features
    }

    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        Preset::from(self).name()
    }
}

impl From<Pdn> for Preset {
    fn from(pdn: Pdn) -> Self {
        match pdn {
            Pdn::Medium => Self::Medium,
            Pdn::Small => Self::Small,
            Pdn::Tiny => Self::Tiny,
        }
    }
}

impl Preset {
    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Medium => "medium",
            Self::Small => "small",
            Self::Tiny => "tiny",
            Self::Standard => "standard",
            Self::Edge => "edge",
        }
    }

    /// The network behind `f_t`.
    pub fn teacher(self) -> TeacherKind {
        match self {
            Self::Medium => TeacherKind::Pdn(Pdn::Medium),
            Self::Small => TeacherKind::Pdn(Pdn::Small),
            Self::Tiny => TeacherKind::Pdn(Pdn::Tiny),
            Self::Standard => TeacherKind::Backbone(LiteVariant::Lite2),
            Self::Edge => TeacherKind::Backbone(LiteVariant::Lite0),
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
            Self::Standard => Widths {
                encoder1: [48, 96, 128, 192],
                encoder2: [256, 256],
                structural: [256, 192],
                bottleneck: 64,
                logical: [96, 128],
                features: LiteVariant::Lite2.features(),
            },
            Self::Edge => Widths {
                encoder1: [32, 64, 96, 128],
                encoder2: [160, 160],
                structural: [128, 112],
                bottleneck: 64,
                logical: [64, 96],
                features: LiteVariant::Lite0.features(),
            },
        }
    }
}
