//! Mean and standard deviation by channel over any number of feature maps, in constant memory.

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

/// Running sums in f64: over 10^10 values their rounding stays below f32's.
#[derive(Debug)]
pub struct ChannelStatistics {
    count: i64,
    mean: Tensor,    // [C]
    squares: Tensor, // [C], sum of squared differences from the mean
}

impl ChannelStatistics {
    /// Of nothing yet.
    pub fn new(channels: i64) -> Self {
        let zeros = || Tensor::zeros([channels], (Kind::Double, tch::Device::Cpu));
        Self {
            count: 0,
            mean: zeros(),
            squares: zeros(),
        }
    }

    /// Adds `features` [N, C, H, W] (Chan, Golub and `LeVeque` 1979: means and squared differences of two
    /// sets join without the cancellation of a sum of squares).
    pub fn add(&mut self, features: &Tensor) {
        let dims: &[i64] = &[0, 2, 3];
        let features = features.to_kind(Kind::Float);
        let count = features.size()[0] * features.size()[2] * features.size()[3];
        let mean = features.mean_dim(dims, true, Kind::Double);
        // One channel's values are near its mean, so their differences may be taken in f32.
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

    /// Mean and standard deviation (of the population, not of a sample), f32 `[C]` each.
    ///
    /// # Errors
    /// When a channel does not vary or is not finite: nothing can be normalised by it.
    pub fn finish(&self) -> Result<(Tensor, Tensor)> {
        let std = (&self.squares / self.count as f64).sqrt();
        let values = Vec::<f64>::try_from(&std)?;
        if let Some(channel) = values
            .iter()
            .position(|std| !std.is_finite() || *std <= 0.0)
        {
            bail!(
                "channel {channel} has standard deviation {} over {} values: the network gives nothing there",
                values[channel],
                self.count
            );
        }
        Ok((self.mean.to_kind(Kind::Float), std.to_kind(Kind::Float)))
    }
}
