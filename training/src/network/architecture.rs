//! Architectures: method, preset, input size and ablations.

use serde::{Deserialize, Serialize};

use super::input_size::InputSize;
use super::layer::{self, Layers, Sides};
use super::layer_tables::{self, LOST_CELLS, Padding};
use super::preset::{Preset, TeacherKind};
use crate::backbone::LiteVariant;
use crate::tensors::InputNormalisation;

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
    /// Uninformed Students (Bergmann et al., CVPR 2020), the paper's S-T: three students with the teacher's
    /// layers, each trained from other random weights.
    #[value(name = "st")]
    #[serde(rename = "st")]
    UninformedStudents,
}

/// The choices that determine the networks of a run. Two runs with equal architectures have tensors with
/// the same names and shapes, and compute their maps from the same features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Channel widths of teacher and student.
    pub preset: Preset,
    /// Size of the input.
    pub input_size: InputSize,
    /// Whether a PDN teacher was trained with padding. Tensor shapes do not show it, so the checkpoint records it;
    /// see [`Architecture::padding`].
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
/// write the tensors with the same role in the anomaly maps. The students of S-T, which have equal roles, write
/// `f_s`, `f_g` and `f_l`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TensorId {
    /// Normalised image, `[3, H, W]`.
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
    /// The teacher `F_t`.
    pub teacher: TeacherTable,
    /// The student's networks, each after the networks that it reads from.
    pub student: Vec<StudentNetwork>,
}

/// The teacher as a table.
#[derive(Clone, Debug)]
pub enum TeacherTable {
    /// Layers of a PDN.
    Pdn(Layers),
    /// A backbone, which has its own table: [`LiteVariant::blocks`].
    Backbone(LiteVariant),
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
        LayerTables {
            teacher: self.teacher_table(),
            student: match self.method {
                Method::Mhkd => self.mhkd_student(),
                Method::EfficientAd => self.efficient_ad_student(),
                Method::UninformedStudents => self.uninformed_students(),
            },
        }
    }

    /// Border of a PDN teacher. Without padding, `EfficientAD` runs as published: its features do not reach the
    /// border of the image. The decoders of MHKD need features of all cells.
    pub fn padding(&self) -> Padding {
        match (self.padded_teacher, self.method) {
            (true, _) => Padding::Zeros,
            (false, Method::EfficientAd) => Padding::None,
            (false, Method::Mhkd | Method::UninformedStudents) => Padding::Reflected,
        }
    }

    /// Cells on each side of the maps that have no features; the maps are 0 there after calibration.
    pub fn frame(&self) -> usize {
        match (self.preset.teacher(), self.padding()) {
            (TeacherKind::Pdn(_), Padding::None) => LOST_CELLS as usize,
            _ => 0,
        }
    }

    fn teacher_table(&self) -> TeacherTable {
        match self.preset.teacher() {
            TeacherKind::Pdn(pdn) => TeacherTable::Pdn(pdn.layers(self.padding())),
            TeacherKind::Backbone(variant) => TeacherTable::Backbone(variant),
        }
    }

    fn mhkd_student(&self) -> Vec<StudentNetwork> {
        use TensorId::{High, Image, Logical, Low, Structural};
        let (image, sides) = (self.input_size.sides(), self.feature_sides());
        let widths = self.preset.widths();
        let encoder1 = match self.preset.teacher() {
            TeacherKind::Pdn(_) => layer_tables::encoder1(&widths),
            TeacherKind::Backbone(_) => layer_tables::encoder1_at_stride8(&widths),
        };
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
            part("sencoder1", encoder1, Image, &[Low]),
            part("sencoder2", encoder2, Low, &[High]),
            part(
                "ldecoder",
                layer_tables::structural_decoder(&widths, channels, sides),
                High,
                &[Structural],
            ),
            part(
                "gdecoder",
                layer_tables::logical_decoder(&widths, channels, image, sides),
                High,
                &[Logical],
            ),
        ]
    }

    /// Layers from the image to the features: with a PDN those of the teacher, as published for the compared
    /// methods; with a backbone those of MHKD's first encoder.
    fn patch_layers(&self) -> Layers {
        match self.teacher_table() {
            TeacherTable::Pdn(layers) => layers,
            TeacherTable::Backbone(_) => layer_tables::encoder1_at_stride8(&self.preset.widths()),
        }
    }

    fn uninformed_students(&self) -> Vec<StudentNetwork> {
        use TensorId::{Image, Logical, Low, Structural};
        let student = |name, outputs| StudentNetwork {
            name,
            layers: self.patch_layers(),
            input: Image,
            outputs,
        };
        vec![
            student("student1", &[Structural]),
            student("student2", &[Logical]),
            student("student3", &[Low]),
        ]
    }

    fn efficient_ad_student(&self) -> Vec<StudentNetwork> {
        let features = self.features();
        let layers = self.patch_layers();
        vec![
            StudentNetwork {
                name: "student",
                layers: layer_tables::doubled_features(&layers, features),
                input: TensorId::Image,
                outputs: &[TensorId::Structural, TensorId::Low],
            },
            StudentNetwork {
                name: "autoencoder",
                layers: layer_tables::autoencoder(
                    self.input_size.sides(),
                    self.feature_sides(),
                    features,
                ),
                input: TensorId::Image,
                outputs: &[TensorId::Logical],
            },
        ]
    }

    /// Height and width of the anomaly maps.
    pub fn map_sides(&self) -> Sides {
        let stride = self.preset.teacher().stride();
        self.input_size.sides().map(|side| side / stride)
    }

    /// Height and width of the features `f_t`, `f_l`, `f_s` and `f_g`: those of the maps without the frame.
    pub fn feature_sides(&self) -> Sides {
        let frame = self.frame() as i64;
        self.map_sides().map(|side| side - 2 * frame)
    }

    /// Returns the height and width of a tensor.
    pub fn sides(&self, id: TensorId) -> Sides {
        match id {
            TensorId::Image => self.input_size.sides(),
            TensorId::High => self.feature_sides().map(|side| side / 4),
            TensorId::Low | TensorId::Structural | TensorId::Logical => self.feature_sides(),
        }
    }

    /// Returns the number of feature channels.
    pub fn features(&self) -> i64 {
        self.preset.widths().features
    }

    /// Normalisation of the images that teacher and student read.
    pub fn input_normalisation(&self) -> InputNormalisation {
        match self.preset.teacher() {
            TeacherKind::Pdn(_) => InputNormalisation::ImageNet,
            TeacherKind::Backbone(_) => InputNormalisation::Half,
        }
    }

    /// Returns the number of weights and biases of teacher and student.
    pub fn parameters(&self) -> i64 {
        let LayerTables { teacher, student } = self.layer_tables();
        let parts = student.iter().map(|part| layer::parameters(&part.layers));
        let teacher = match teacher {
            TeacherTable::Pdn(layers) => layer::parameters(&layers),
            TeacherTable::Backbone(variant) => variant.parameters(),
        };
        parts.sum::<i64>() + teacher
    }

    /// Returns the multiply-accumulates of all convolutions for one image through teacher and student.
    pub fn macs(&self) -> i64 {
        let LayerTables { teacher, student } = self.layer_tables();
        let image = self.input_size.sides();
        let parts = student
            .iter()
            .map(|part| layer::macs(&part.layers, self.sides(part.input)));
        let teacher = match teacher {
            TeacherTable::Pdn(layers) => layer::macs(&layers, image),
            TeacherTable::Backbone(variant) => variant.macs(image),
        };
        parts.sum::<i64>() + teacher
    }
}
