//! Training objectives of the student, one per method.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::penalty::{PenaltyImages, uniform};
use crate::network::net::Mode;
use crate::network::student::{LossWeights, Student, hard_mse, losses, mse};
use crate::network::teacher::Teacher;
use crate::tensors;

/// `p_hard` of `EfficientAD`: the loss covers the 0.1 % of the features with the largest differences.
pub const HARD_QUANTILE: f64 = 0.999;

/// Maximum relative change of brightness, contrast or saturation in the input of the `EfficientAD`
/// autoencoder.
const JITTER: f64 = 0.2;

/// Training objective.
#[derive(Debug)]
pub enum Objective {
    /// The three losses of MHKD (eq. 8).
    Mhkd {
        /// Factors of the losses.
        weights: LossWeights,
        /// If set, `L_L` covers only the features above this quantile. Not in the paper.
        hard_quantile: Option<f64>,
        /// Arbitrary images on which the structural branch must not reproduce the teacher. Not in the paper.
        penalty: Option<PenaltyImages>,
    },
    /// The loss of S-T: the mean squared error of each student (Bergmann et al., equation 5, without its constant
    /// variance).
    UninformedStudents,
    /// The losses of `EfficientAD` (algorithm 1 of its paper): the student on the hardest features, the
    /// student on penalty images, the autoencoder, and the second output half of the student on the
    /// autoencoder.
    EfficientAd {
        /// Quantile above which a feature is hard.
        hard_quantile: f64,
        /// Arbitrary images on which the student must not reproduce the teacher.
        penalty: Option<PenaltyImages>,
    },
}

/// A batch of images with its networks and teacher features.
pub(super) struct Batch<'a> {
    pub teacher: &'a Teacher,
    pub student: &'a Student,
    /// Images with values in [0, 1], `[N, 3, S, S]`.
    pub unit: &'a Tensor,
    /// Normalised teacher features of the images.
    pub f_t: &'a Tensor,
}

impl Objective {
    /// Names of the losses. The last one is the minimised sum.
    pub(super) fn names(&self) -> &'static [&'static str] {
        match self {
            Self::Mhkd { penalty: None, .. } => {
                &["structural", "logical", "self_distillation", "total"]
            }
            Self::Mhkd { .. } => &[
                "structural",
                "logical",
                "self_distillation",
                "penalty",
                "total",
            ],
            Self::UninformedStudents => &["student1", "student2", "student3", "total"],
            Self::EfficientAd { .. } => &[
                "hard_features",
                "penalty",
                "autoencoder",
                "student_autoencoder",
                "total",
            ],
        }
    }

    /// Computes the losses of a training batch: scalars in the order of [`Self::names`].
    pub(super) fn losses(&mut self, batch: &Batch) -> Result<Vec<Tensor>> {
        let x = batch.teacher.input(batch.unit);
        match self {
            Self::Mhkd {
                weights,
                hard_quantile,
                penalty,
            } => {
                let features = batch.student.forward(&x, Mode::Train);
                let losses = losses(batch.f_t, &features, *weights, *hard_quantile);
                let mut all = vec![losses.structural, losses.logical, losses.self_distillation];
                match penalty {
                    Some(images) => {
                        let penalty = penalty_loss(batch, images)?;
                        let total = &losses.total + &penalty;
                        all.extend([penalty, total]);
                    }
                    None => all.push(losses.total),
                }
                Ok(all)
            }
            Self::UninformedStudents => {
                let features = batch.student.forward(&x, Mode::Train);
                let [one, two, three] = features.grid().map(|student| mse(student, batch.f_t));
                let total = &one + &two + &three;
                Ok(vec![one, two, three, total])
            }
            Self::EfficientAd {
                hard_quantile,
                penalty,
            } => {
                let plain = batch.student.forward(&x, Mode::Train);
                let hard = hard_mse(&plain.structural, batch.f_t, *hard_quantile);
                let penalty = match penalty {
                    Some(images) => penalty_loss(batch, images)?,
                    None => hard.zeros_like(),
                };
                let changed = batch.teacher.input(&jittered(batch.unit));
                let f_t = batch.teacher.forward(&changed);
                let features = batch.student.forward(&changed, Mode::Train);
                let autoencoder = mse(&features.logical, &f_t);
                let student_autoencoder = mse(&features.logical, &features.low);
                let total = &hard + &penalty + &autoencoder + &student_autoencoder;
                Ok(vec![hard, penalty, autoencoder, student_autoencoder, total])
            }
        }
    }

    /// Computes the minimised sum for a validation batch, without dropout, penalty images and jitter.
    pub(super) fn validation_loss(&self, batch: &Batch) -> Tensor {
        let features = batch
            .student
            .forward(&batch.teacher.input(batch.unit), Mode::Evaluate);
        match self {
            Self::Mhkd {
                weights,
                hard_quantile,
                ..
            } => losses(batch.f_t, &features, *weights, *hard_quantile).total,
            Self::UninformedStudents => {
                let [one, two, three] = features.grid().map(|student| mse(student, batch.f_t));
                one + two + three
            }
            Self::EfficientAd { hard_quantile, .. } => {
                hard_mse(&features.structural, batch.f_t, *hard_quantile)
                    + mse(&features.logical, batch.f_t)
                    + mse(&features.logical, &features.low)
            }
        }
    }
}

/// Mean square of the structural features, which reproduce the teacher's, on as many penalty images as `batch` has
/// images.
fn penalty_loss(batch: &Batch<'_>, images: &mut PenaltyImages) -> Result<Tensor> {
    let size = batch.unit.size();
    let unit = images.next([size[0], size[2], size[3]], batch.unit.device())?;
    let structural = batch
        .student
        .structural(&batch.teacher.input(&unit), Mode::Train);
    Ok(structural.square().mean(Kind::Float))
}

/// Changes either the brightness, the contrast or the saturation of `unit` [N, 3, H, W].
fn jittered(unit: &Tensor) -> Tensor {
    let kind = uniform();
    let factor = 1.0 + JITTER * (2.0 * uniform() - 1.0);
    let towards = if kind < 1.0 / 3.0 {
        unit.zeros_like()
    } else if kind < 2.0 / 3.0 {
        tensors::grey(unit)
            .mean_dim([1, 2, 3].as_slice(), true, Kind::Float)
            .expand_as(unit)
    } else {
        tensors::grey(unit)
    };
    (unit * factor + towards * (1.0 - factor)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_changes_values_within_the_limit_and_keeps_the_range() {
        let unit = Tensor::rand([1, 3, 8, 8], (Kind::Float, tch::Device::Cpu));
        for seed in 0..30 {
            tch::manual_seed(seed);
            let changed = jittered(&unit);
            let value = |tensor: Tensor| tensor.double_value(&[]);
            assert!(value(changed.min()) >= 0.0 && value(changed.max()) <= 1.0);
            let largest = value((&changed - &unit).abs().max());
            assert!(largest > 0.0 && largest <= JITTER, "{seed}: {largest}");
        }
    }

    #[test]
    fn hard_loss_averages_the_differences_above_the_quantile() {
        let zero = Tensor::zeros([1, 1, 2, 5], (Kind::Float, tch::Device::Cpu));
        let ramp = Tensor::arange(10, (Kind::Float, tch::Device::Cpu)).reshape([1, 1, 2, 5]);
        let check = |quantile: f64, expected: f64| {
            let loss = hard_mse(&ramp, &zero, quantile).double_value(&[]);
            assert!((loss - expected).abs() < 1e-4, "{quantile}: {loss}");
        };
        check(0.0, 28.5);
        check(0.9, 81.0);
        check(0.75, (49.0 + 64.0 + 81.0) / 3.0);
        check(1.0, 81.0);
    }
}
