//! Student and teacher together: features, losses and maps (sections III-B to III-D of the paper).

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::architecture::Architecture;
use super::net::{Mode, Net};

/// `F_s`: two encoders and two decoders.
#[derive(Debug)]
pub struct Student {
    encoder1: Net,
    encoder2: Net,
    structural: Net,
    logical: Net,
}

/// What the student makes of images `[N, 3, S, S]`; the four of side S/4 have the teacher's channels.
#[derive(Debug)]
pub struct Features {
    /// `f_l` of `SEncoder1`, `[N, C, S/4, S/4]`.
    pub low: Tensor,
    /// `f_h` of `SEncoder2`, `[N, C', S/16, S/16]`.
    pub high: Tensor,
    /// `f_s` of `LDecoder`, `[N, C, S/4, S/4]`.
    pub structural: Tensor,
    /// `f_g` of `GDecoder`, `[N, C, S/4, S/4]`.
    pub logical: Tensor,
}

impl Student {
    /// A student to be trained, drawn from libtorch's generator, channels-last in memory or not.
    pub fn new(architecture: &Architecture, channels_last: bool, device: Device) -> Self {
        let tables = architecture.tables();
        let net = |name, table| {
            Net::new(name, table, device)
                .channels_last(channels_last)
                .train()
        };
        Self {
            encoder1: net("sencoder1", tables.encoder1),
            encoder2: net("sencoder2", tables.encoder2),
            structural: net("ldecoder", tables.structural),
            logical: net("gdecoder", tables.logical),
        }
    }

    /// Sets the decoders' dropout probability, the paper's otherwise.
    #[must_use]
    pub fn dropout(self, probability: f64) -> Self {
        Self {
            structural: self.structural.dropout(probability),
            logical: self.logical.dropout(probability),
            ..self
        }
    }

    /// The features of normalised images `x` [N, 3, S, S].
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Features {
        let low = self.encoder1.forward(x, mode);
        let high = self.encoder2.forward(&low, mode);
        Features {
            structural: self.structural.forward(&high, mode),
            logical: self.logical.forward(&high, mode),
            low,
            high,
        }
    }

    /// Every tensor with its name.
    pub fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let nets = [
            &self.encoder1,
            &self.encoder2,
            &self.structural,
            &self.logical,
        ];
        nets.into_iter().flat_map(Net::tensors)
    }
}

/// `F_t` with the channel statistics that its features are normalised by.
#[derive(Debug)]
pub struct Teacher {
    net: Net,
    mean: Tensor, // [1, C, 1, 1]
    std: Tensor,  // [1, C, 1, 1]
}

impl Teacher {
    /// `net` with its features' mean and standard deviation by channel, `[C]` each.
    pub fn new(net: Net, mean: &Tensor, std: &Tensor) -> Self {
        let column = |tensor: &Tensor| tensor.to_kind(Kind::Float).reshape([1, -1, 1, 1]);
        Self {
            net,
            mean: column(mean),
            std: column(std),
        }
    }

    /// The normalised `f_t` of `x` [N, 3, S, S], without gradients.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.normalise(&self.features(x))
    }

    /// `f_t` before its normalisation, in the precision that it was computed in.
    pub fn features(&self, x: &Tensor) -> Tensor {
        tch::no_grad(|| self.net.forward(x, Mode::Evaluate))
    }

    /// `features` of [`Self::features`] less the mean over the deviation, f32.
    pub fn normalise(&self, features: &Tensor) -> Tensor {
        (features - &self.mean) / &self.std
    }

    /// Mean by channel, `[C]`.
    pub fn mean(&self) -> Tensor {
        self.mean.flatten(0, -1)
    }

    /// Standard deviation by channel, `[C]`.
    pub fn std(&self) -> Tensor {
        self.std.flatten(0, -1)
    }

    /// The network without normalisation.
    pub fn net(&self) -> &Net {
        &self.net
    }
}

/// The factors of eq. 8.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWeights {
    /// Of `L_L`.
    pub alpha: f64,
    /// Of `L_G`.
    pub beta: f64,
    /// Of `L_SG`.
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

/// The losses of one step, scalars.
#[derive(Debug)]
pub struct Losses {
    /// `L_L` = mean((f_t - f_s)^2), eq. 4.
    pub structural: Tensor,
    /// `L_G` = mean((f_t - f_g)^2), eq. 6.
    pub logical: Tensor,
    /// `L_SG` = mean((f_g - f_l)^2), eq. 7: its gradient flows into both sides.
    pub self_distillation: Tensor,
    /// alpha `L_L` + beta `L_G` + gamma `L_SG`, eq. 8.
    pub total: Tensor,
}

/// The losses of the student's `features` against the normalised `f_t`.
pub fn losses(f_t: &Tensor, features: &Features, weights: LossWeights) -> Losses {
    let mse = |a: &Tensor, b: &Tensor| a.mse_loss(b, tch::Reduction::Mean);
    let structural = mse(&features.structural, f_t);
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

/// The two anomaly maps of eq. 9 before any normalisation, f32 `[N, S/4, S/4]` each.
#[derive(Debug)]
pub struct Maps {
    /// `A_s`, mean over channels of (f_t - f_s)^2.
    pub structural: Tensor,
    /// `A_g`, mean over channels of (f_g - f_l)^2.
    pub logical: Tensor,
}

/// The maps of the student's `features` against the normalised `f_t`.
pub fn maps(f_t: &Tensor, features: &Features) -> Maps {
    let map = |a: &Tensor, b: &Tensor| {
        (a.to_kind(Kind::Float) - b.to_kind(Kind::Float))
            .square()
            .mean_dim([1].as_slice(), false, Kind::Float)
    };
    Maps {
        structural: map(f_t, &features.structural),
        logical: map(&features.logical, &features.low),
    }
}
