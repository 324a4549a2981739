//! Scales that make the maps of different methods comparable.

use inspectd_core::score::quantile;
use tch::Tensor;

use crate::fit::checkpoint::host;

/// Quantiles of a map's cells that become 0 and 1 before two maps are added.
const SUM_QUANTILES: [f64; 2] = [0.9, 0.995];

/// Quantile of a map's cells that becomes 0 before a norm of maps is taken. Values below it do not count, so it must be
/// below the maximum of every image, also if some images are unlike the others.
const NORM_CENTRE: f64 = 0.5;
/// Number of good images whose maximum is above 1 before a norm of maps is taken, so that each map rejects about as many
/// good images on its own. Fewer would make the scale depend on single images, which may be unlike the others.
const NORM_BEYOND: f64 = 5.0;

/// Centre and spread of a map's cells on good images. Maps are scaled by them before they are added.
#[derive(Clone, Copy, Debug)]
pub struct MapScale([f32; 2]);

impl MapScale {
    /// Neither centres nor scales.
    pub const NONE: Self = Self([0.0, 1.0]);

    /// Scale for a sum of maps, measured on `maps` of good images, `[N, HW]`.
    pub fn of(maps: &Tensor) -> Self {
        let mut cells = host(maps);
        let [low, high] = SUM_QUANTILES.map(|q| quantile(&mut cells, q) as f32);
        Self::between(low, high)
    }

    /// Scale for a norm of maps, measured on `maps` of good images, `[N, HW]`.
    pub fn of_norm(maps: &Tensor) -> Self {
        let mut maxima = host(&maps.amax([1].as_slice(), false));
        let centre = quantile(&mut host(maps), NORM_CENTRE);
        let below = (1.0 - NORM_BEYOND / maxima.len() as f64).max(0.5);
        Self::between(centre as f32, quantile(&mut maxima, below) as f32)
    }

    /// The scale that maps `low` to 0 and `high` to 1. A constant map has no spread; it is only centred.
    fn between(low: f32, high: f32) -> Self {
        Self([low, if high > low { high - low } else { 1.0 }])
    }

    /// Returns (maps - centre) / spread.
    pub fn apply(self, maps: &Tensor) -> Tensor {
        let [centre, spread] = self.0.map(f64::from);
        (maps - centre) / spread
    }

    /// Centre and spread.
    pub fn values(self) -> [f32; 2] {
        self.0
    }
}
