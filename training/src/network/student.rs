//! The student: features, losses and anomaly maps (sections III-B to III-D of the paper).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::architecture::{Architecture, Method, StudentNetwork, TensorId};
use super::net::{Mode, Net};

const COMPLETE: &str = "every architecture writes the three features";

/// `F_s`: the student's networks in evaluation order. Each reads the image or an earlier output.
#[derive(Debug)]
pub struct Student {
    parts: Vec<(Wiring, Net)>,
    method: Method,
    self_distillation: bool,
}

/// Inputs and outputs of one network.
#[derive(Clone, Copy, Debug)]
struct Wiring {
    input: TensorId,
    outputs: &'static [TensorId],
}

/// Features that the student computes from images `[N, 3, H, W]`. `h` and `w` are the sides of the maps: 1/4
/// of the image's, 1/8 with a backbone as the teacher. `C` is the number of the teacher's channels. The letters are those of MHKD; [`TensorId`] names their counterparts in
/// `EfficientAD`.
#[derive(Debug)]
pub struct StudentFeatures {
    /// `f_l` of `SEncoder1`, `[N, C, h, w]`.
    pub low: Tensor,
    /// `f_h` of `SEncoder2`, `[N, C', h/4, w/4]`; MHKD only.
    pub high: Option<Tensor>,
    /// `f_s` of `LDecoder`, `[N, C, h, w]`.
    pub structural: Tensor,
    /// `f_g` of `GDecoder`, `[N, C, h, w]`.
    pub logical: Tensor,
}

impl StudentFeatures {
    /// The three tensors on the grid of the maps: `f_s`, `f_g` and `f_l`.
    pub fn grid(&self) -> [&Tensor; 3] {
        [&self.structural, &self.logical, &self.low]
    }
}

impl Student {
    /// Creates a trainable student with weights drawn from libtorch's generator.
    pub fn new(architecture: &Architecture, channels_last: bool, device: Device) -> Self {
        let build = |part: StudentNetwork| {
            let net = Net::new(part.name, part.layers, device)
                .channels_last(channels_last)
                .train();
            let StudentNetwork { input, outputs, .. } = part;
            (Wiring { input, outputs }, net)
        };
        Self {
            parts: architecture
                .layer_tables()
                .student
                .into_iter()
                .map(build)
                .collect(),
            method: architecture.method,
            self_distillation: architecture.self_distillation,
        }
    }

    /// Sets the dropout probability of the decoders; the default is the paper's.
    #[must_use]
    pub fn dropout(self, probability: f64) -> Self {
        let set = |(wiring, net): (Wiring, Net)| (wiring, net.dropout(probability));
        Self {
            parts: self.parts.into_iter().map(set).collect(),
            ..self
        }
    }

    /// Returns the features of normalised images `x` [N, 3, H, W].
    ///
    /// # Panics
    /// Never: the networks of every architecture write the three features.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> StudentFeatures {
        let mut values = self.evaluate(x, mode, None);
        let mut take = |value| values.remove(&value);
        StudentFeatures {
            high: take(TensorId::High),
            low: take(TensorId::Low).expect(COMPLETE),
            structural: take(TensorId::Structural).expect(COMPLETE),
            logical: take(TensorId::Logical).expect(COMPLETE),
        }
    }

    /// Returns `f_s` of normalised images `x` [N, 3, H, W], without the networks that it does not need.
    ///
    /// # Panics
    /// Never: the networks of every architecture write this feature.
    pub fn structural(&self, x: &Tensor, mode: Mode) -> Tensor {
        let mut values = self.evaluate(x, mode, Some(TensorId::Structural));
        values.remove(&TensorId::Structural).expect(COMPLETE)
    }

    /// Evaluates the networks in order, up to the one that writes `last`.
    fn evaluate(
        &self,
        x: &Tensor,
        mode: Mode,
        last: Option<TensorId>,
    ) -> BTreeMap<TensorId, Tensor> {
        let mut values = BTreeMap::from([(TensorId::Image, x.shallow_clone())]);
        for (Wiring { input, outputs }, net) in &self.parts {
            let result = net.forward(&values[input], mode);
            let shares = result.chunk(outputs.len() as i64, 1);
            values.extend(outputs.iter().copied().zip(shares));
            if last.is_some_and(|last| outputs.contains(&last)) {
                break;
            }
        }
        values
    }

    /// Returns the anomaly maps of `features` and the normalised `f_t` (eq. 9). For S-T they are the squared error
    /// of the students' mean and the students' variance (Bergmann et al., section 3.3), averaged over the channels.
    pub fn maps(&self, f_t: &Tensor, features: &StudentFeatures) -> Maps {
        let float = |x: &Tensor| x.to_kind(Kind::Float);
        let mean = |x: Tensor| x.mean_dim([1].as_slice(), false, Kind::Float);
        let map = |a: &Tensor, b: &Tensor| mean((float(a) - float(b)).square());
        match self.method {
            Method::Mhkd | Method::EfficientAd => {
                let against = if self.self_distillation {
                    &features.low
                } else {
                    f_t
                };
                Maps {
                    structural: map(f_t, &features.structural),
                    logical: map(&features.logical, against),
                }
            }
            Method::UninformedStudents => {
                let students = features.grid().map(float);
                let average = (&students[0] + &students[1] + &students[2]) / 3.0;
                let spread = students.map(|student| (student - &average).square());
                let [one, two, three] = spread;
                Maps {
                    structural: map(f_t, &average),
                    logical: mean((one + two + three) / 3.0),
                }
            }
        }
    }

    /// Rounds the weights of all convolutions to 16 bits, in which a bundle may store them.
    pub fn round_to_f16(&self) {
        tch::no_grad(|| {
            for (_, tensor) in self.tensors().filter(|(name, _)| name.ends_with(".weight")) {
                let rounded = tensor.to_kind(Kind::Half).to_kind(Kind::Float);
                tensor.shallow_clone().copy_(&rounded);
            }
        });
    }

    /// Iterates over all tensors with their names.
    pub fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.parts.iter().flat_map(|(_, net)| net.tensors())
    }
}

/// Loss weights of eq. 8.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWeights {
    /// Weight of `L_L`.
    pub alpha: f64,
    /// Weight of `L_G`.
    pub beta: f64,
    /// Weight of `L_SG`.
    pub gamma: f64,
}

impl Default for LossWeights {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            beta: 1.0,
            gamma: 2.0,
        }
    }
}

/// Losses of one training step, scalar tensors.
#[derive(Debug)]
pub struct Losses {
    /// `L_L` = mean((f_t - f_s)^2), eq. 4.
    pub structural: Tensor,
    /// `L_G` = mean((f_t - f_g)^2), eq. 6.
    pub logical: Tensor,
    /// `L_SG` = mean((f_g - f_l)^2), eq. 7. Gradients flow into both operands.
    pub self_distillation: Tensor,
    /// alpha `L_L` + beta `L_G` + gamma `L_SG`, eq. 8.
    pub total: Tensor,
}

/// Computes the losses of the student's `features` against the normalised `f_t`. If `hard` is set to a
/// quantile, `L_L` is the mean of only the squared differences at or above that quantile.
pub fn losses(
    f_t: &Tensor,
    features: &StudentFeatures,
    weights: LossWeights,
    hard: Option<f64>,
) -> Losses {
    let structural = match hard {
        Some(quantile) => hard_mse(&features.structural, f_t, quantile),
        None => mse(&features.structural, f_t),
    };
    let logical = mse(&features.logical, f_t);
    let self_distillation = mse(&features.logical, &features.low);
    let total =
        &structural * weights.alpha + &logical * weights.beta + &self_distillation * weights.gamma;
    Losses {
        structural,
        logical,
        self_distillation,
        total,
    }
}

/// Mean of (a - b)^2.
pub(crate) fn mse(a: &Tensor, b: &Tensor) -> Tensor {
    a.mse_loss(b, tch::Reduction::Mean)
}

/// Mean of the elements of (a - b)^2 at or above their `quantile` (the hard feature loss of `EfficientAD`,
/// its equation 3). The quantile is interpolated linearly, as in `torch.quantile`.
pub(crate) fn hard_mse(a: &Tensor, b: &Tensor, quantile: f64) -> Tensor {
    let squares = (a - b).square().flatten(0, -1);
    let count = squares.size()[0];
    let below = (quantile * (count - 1) as f64).ceil() as i64;
    let (hardest, _) = squares.topk((count - below).max(1), 0, true, false);
    hardest.mean(Kind::Float)
}

/// The two anomaly maps of eq. 9 before normalisation, f32 `[N, h, w]` each.
#[derive(Debug)]
pub struct Maps {
    /// `A_s`, mean over channels of (f_t - f_s)^2.
    pub structural: Tensor,
    /// `A_g`, mean over channels of (f_g - f_l)^2, or of (f_g - f_t)^2 without self-distillation.
    pub logical: Tensor,
}
