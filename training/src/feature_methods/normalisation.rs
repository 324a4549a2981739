//! Mean and standard deviation of every feature channel over the good images. All methods use normalised
//! features, so that no channel dominates a distance by its scale.

use tch::{Kind, Tensor};

use crate::export::weights::TeacherNormalisation;
use crate::fit::checkpoint::host;

/// Standard deviation below which a channel counts as constant and is only centred.
const CONSTANT: f64 = 1e-6;

/// Channel statistics.
#[derive(Debug)]
pub struct ChannelNormalisation {
    mean: Tensor, // [C, 1]
    std: Tensor,  // [C, 1]
}

impl ChannelNormalisation {
    /// Measures the statistics of `features`, `[N, C, HW]`.
    pub fn measure(features: &Tensor) -> Self {
        let dims = [0, 2];
        let mean = features.mean_dim(dims.as_slice(), true, Kind::Float);
        let std = features.std_dim(dims.as_slice(), false, true);
        let ones = std.ones_like();
        let std = std.where_self(&std.gt(CONSTANT), &ones);
        Self {
            mean: mean.squeeze_dim(0),
            std: std.squeeze_dim(0),
        }
    }

    /// Another handle of the same statistics.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        Self {
            mean: self.mean.shallow_clone(),
            std: self.std.shallow_clone(),
        }
    }

    /// Returns (features - mean) / std; `features` is `[N, C, HW]` or `[C, HW]`.
    pub fn apply(&self, features: &Tensor) -> Tensor {
        (features - &self.mean) / &self.std
    }

    /// The statistics as constants of a graph.
    pub fn constants(&self) -> TeacherNormalisation {
        TeacherNormalisation {
            mean: host(&self.mean()),
            std: host(&self.std()),
        }
    }

    /// Mean of each channel, `[C]`.
    pub fn mean(&self) -> Tensor {
        self.mean.flatten(0, -1)
    }

    /// Standard deviation of each channel, `[C]`; 1 for a constant channel.
    pub fn std(&self) -> Tensor {
        self.std.flatten(0, -1)
    }
}
