//! Mean and standard deviation per channel over any number of feature maps, in constant memory.

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

/// Running statistics in f64. Over 10^10 values their rounding error stays below the precision of f32.
#[derive(Debug)]
pub struct ChannelStatistics {
    count: i64,
    mean: Tensor,    // [C]
    squares: Tensor, // [C], sum of squared differences from the mean
}

impl ChannelStatistics {
    /// Creates empty statistics for `channels` channels.
    pub fn new(channels: i64) -> Self {
        let zeros = || Tensor::zeros([channels], (Kind::Double, tch::Device::Cpu));
        Self {
            count: 0,
            mean: zeros(),
            squares: zeros(),
        }
    }

    /// Adds `features` [N, C, H, W]. Combines the means and squared differences of two sets (Chan, Golub and
    /// `LeVeque` 1979), which avoids the cancellation of a sum of squares.
    pub fn add(&mut self, features: &Tensor) {
        let dims: &[i64] = &[0, 2, 3];
        let features = features.to_kind(Kind::Float);
        let count = features.size()[0] * features.size()[2] * features.size()[3];
        let mean = features.mean_dim(dims, true, Kind::Double);
        // The values of a channel are close to its mean, so the differences can be computed in f32.
        let squares = (&features - mean.to_kind(Kind::Float))
            .square()
            .sum_dim_intlist(dims, false, Kind::Double);
        let mean = mean.flatten(0, -1).to_device(tch::Device::Cpu);
        let total = self.count + count;
        let delta = &mean - &self.mean;
        let share = self.count as f64 * count as f64 / total as f64;
        self.squares = &self.squares + squares.to_device(tch::Device::Cpu) + delta.square() * share;
        self.mean = &self.mean + delta * (count as f64 / total as f64);
        self.count = total;
    }

    /// Returns the mean and the population standard deviation, f32 `[C]` each.
    ///
    /// # Errors
    /// When a channel is constant or non-finite, and therefore cannot be normalised.
    pub fn finish(&self) -> Result<(Tensor, Tensor)> {
        let std = (&self.squares / self.count as f64).sqrt();
        let values = Vec::<f64>::try_from(&std)?;
        if let Some(channel) = values
            .iter()
            .position(|std| !std.is_finite() || *std <= 0.0)
        {
            bail!(
                "channel {channel} has standard deviation {} over {} values: the features of this channel cannot be normalised",
                values[channel],
                self.count
            );
        }
        Ok((self.mean.to_kind(Kind::Float), std.to_kind(Kind::Float)))
    }
}
