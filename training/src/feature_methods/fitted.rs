//! Fitted methods and their maps, and the maps of the good images by models that have not seen them.

use inspectd_core::maps::MapSize;
use inspectd_core::score::quantile;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{ChannelNormalisation, Padim, PadimSettings, PatchCore, PatchCoreSettings};
use crate::export::method_graph::{MapConstants, MapTerm};
use crate::fit::checkpoint::host;

/// Quantiles of a map's cells that become 0 and 1 before two maps are added.
const SUM_QUANTILES: [f64; 2] = [0.9, 0.995];

/// Number of groups of images that are scored by a fit to the others.
const GROUPS: i64 = 8;

/// A method without training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum FeatureMethod {
    /// A Gaussian in every cell. For parts that always lie at the same place.
    #[serde(rename = "padim")]
    #[value(name = "padim")]
    Padim,
    /// The nearest feature of a memory bank, wherever it was seen.
    #[serde(rename = "patchcore")]
    #[value(name = "patchcore")]
    PatchCore,
    /// The sum of both maps.
    #[serde(rename = "padim+patchcore")]
    #[value(name = "padim+patchcore")]
    Both,
}

impl FeatureMethod {
    /// All methods.
    pub const ALL: [Self; 3] = [Self::Padim, Self::PatchCore, Self::Both];

    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Padim => "padim",
            Self::PatchCore => "patchcore",
            Self::Both => "padim+patchcore",
        }
    }

    fn has_padim(self) -> bool {
        self != Self::PatchCore
    }

    fn has_patch_core(self) -> bool {
        self != Self::Padim
    }
}

/// Settings of all methods.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MethodSettings {
    /// Settings of `PaDiM`.
    pub padim: PadimSettings,
    /// Settings of `PatchCore`.
    pub patch_core: PatchCoreSettings,
}

/// Methods fitted to good images, of which one is selected.
#[derive(Debug)]
pub struct FittedMethod {
    normalisation: ChannelNormalisation,
    padim: Option<Part<Padim>>,
    patch_core: Option<Part<PatchCore>>,
    method: FeatureMethod,
    grid: MapSize,
}

/// One fit.
#[derive(Debug)]
struct Part<F> {
    fit: F,
    /// Maps of the good images, each by a fit to the other images, `[N, HW]`.
    unseen: Tensor,
    scale: MapScale,
}

impl<F> Part<F> {
    fn new(fit: F, unseen: Tensor) -> Self {
        let scale = MapScale::of(&unseen);
        Self { fit, unseen, scale }
    }
}

/// Centre and spread of a map's cells on good images. Maps are scaled by them before they are added.
#[derive(Clone, Copy, Debug)]
pub struct MapScale([f32; 2]);

impl MapScale {
    /// Measures `maps` of good images, `[N, HW]`.
    pub fn of(maps: &Tensor) -> Self {
        let mut cells = host(maps);
        let [low, high] = SUM_QUANTILES.map(|q| quantile(&mut cells, q) as f32);
        // A constant map has no spread; it is only centred.
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

impl FittedMethod {
    /// Fits `method` to `features`, `[N, C, HW]` of at least three good images, before normalisation, on the
    /// cells of `grid`. A fit of [`FeatureMethod::Both`] can select each of the methods. Calls `progress` with
    /// the done and the total amount of work.
    pub fn fit(
        features: &Tensor,
        grid: MapSize,
        method: FeatureMethod,
        settings: MethodSettings,
        mut progress: impl FnMut(u64, u64),
    ) -> Self {
        let normalisation = ChannelNormalisation::measure(features);
        let normalised = normalisation.apply(features);
        let groups = groups(features.size()[0]);
        let padim_steps = if method.has_padim() {
            1 + groups.len()
        } else {
            0
        };
        let bank_steps = if method.has_patch_core() { 2 } else { 0 };
        let total = (padim_steps + bank_steps) as u64;
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress(done, total);
        };
        let padim = method.has_padim().then(|| {
            let fit = Padim::fit(&normalised, settings.padim);
            step();
            let unseen = fit.cross_maps(&normalised, &groups, &mut step);
            Part::new(fit, smooth(&unseen, grid))
        });
        let patch_core = method.has_patch_core().then(|| {
            let fit = PatchCore::fit(&normalised, settings.patch_core);
            step();
            let unseen = fit.leave_one_out(&normalised);
            step();
            Part::new(fit, smooth(&unseen, grid))
        });
        Self {
            normalisation,
            padim,
            patch_core,
            method,
            grid,
        }
    }

    /// Selects one of the fitted methods.
    ///
    /// # Panics
    /// When the method was not fitted.
    pub fn select(&mut self, method: FeatureMethod) {
        assert!(
            (self.padim.is_some() || !method.has_padim())
                && (self.patch_core.is_some() || !method.has_patch_core()),
            "{} was not fitted",
            method.name()
        );
        self.method = method;
    }

    /// The selected method.
    pub fn method(&self) -> FeatureMethod {
        self.method
    }

    /// Size of the maps.
    pub fn grid(&self) -> MapSize {
        self.grid
    }

    /// Maps of the good images, each by a fit to the other images, `[N, HW]`.
    pub fn unseen_maps(&self) -> Tensor {
        self.combine(
            |padim| padim.unseen.shallow_clone(),
            |bank| bank.unseen.shallow_clone(),
        )
    }

    /// Returns the maps of `features`, `[N, C, HW]` before normalisation: `[N, HW]`.
    pub fn maps(&self, features: &Tensor) -> Tensor {
        let normalised = self.normalisation.apply(features);
        self.combine(
            |padim| smooth(&padim.fit.maps(&normalised), self.grid),
            |bank| smooth(&bank.fit.maps(&normalised), self.grid),
        )
    }

    /// The map of the selected method from the maps of its parts.
    fn combine(
        &self,
        padim: impl Fn(&Part<Padim>) -> Tensor,
        bank: impl Fn(&Part<PatchCore>) -> Tensor,
    ) -> Tensor {
        let (one, other) = (self.padim.as_ref(), self.patch_core.as_ref());
        match (self.method, one, other) {
            (FeatureMethod::Padim, Some(part), _) => padim(part),
            (FeatureMethod::PatchCore, _, Some(part)) => bank(part),
            (_, Some(one), Some(other)) => {
                one.scale.apply(&padim(one)) + other.scale.apply(&bank(other))
            }
            _ => unreachable!("select() accepts fitted methods only"),
        }
    }

    /// Channel statistics of the good images.
    pub fn normalisation(&self) -> &ChannelNormalisation {
        &self.normalisation
    }

    /// The maps of the selected method as constants of a graph; scaled if there are two.
    pub fn terms(&self) -> Vec<MapTerm> {
        let scaled = self.method == FeatureMethod::Both;
        let padim = self.padim.iter().filter(|_| self.method.has_padim());
        let padim = padim.map(|Part { fit, scale, .. }| MapTerm {
            constants: MapConstants::Padim {
                mean: host(fit.mean()),
                basis: host(&fit.basis()),
                rank: fit.basis().size()[1],
                noise: fit.noise() as f32,
            },
            scale: scaled.then_some(scale.0),
        });
        let bank = self.patch_core.iter();
        let bank = bank.filter(|_| self.method.has_patch_core());
        let bank = bank.map(|Part { fit, scale, .. }| MapTerm {
            constants: MapConstants::PatchCore {
                bank: host(fit.bank()),
                squares: host(fit.squares()),
            },
            scale: scaled.then_some(scale.0),
        });
        padim.chain(bank).collect()
    }
}

/// Divides the indices of `count` images into groups of neighbours; with few images, each is a group.
/// Neighbours in the list are often photographs of the same part, which a fit must not have seen.
fn groups(count: i64) -> Vec<Vec<i64>> {
    let number = if count < 2 * GROUPS { count } else { GROUPS };
    (0..number)
        .map(|group| (group * count / number..(group + 1) * count / number).collect())
        .collect()
}

/// Average over the 3x3 cells around each cell, of those that exist; `[N, HW]`.
fn smooth(maps: &Tensor, grid: MapSize) -> Tensor {
    let (height, width) = (grid.height as i64, grid.width as i64);
    maps.reshape([-1, 1, height, width])
        .avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None::<i64>)
        .reshape([-1, height * width])
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// Features of two channels on a 4x3 grid.
    fn features(images: i64) -> Tensor {
        tch::manual_seed(3);
        Tensor::randn([images, 6, 12], (Kind::Float, Device::Cpu))
    }

    const GRID: MapSize = MapSize {
        width: 4,
        height: 3,
    };

    fn fit(features: &Tensor, method: FeatureMethod) -> FittedMethod {
        let settings = MethodSettings::default();
        FittedMethod::fit(features, GRID, method, settings, |_, _| ())
    }

    #[test]
    fn good_images_score_higher_under_models_that_have_not_seen_them() {
        let features = features(12);
        for method in FeatureMethod::ALL {
            let fitted = fit(&features, method);
            assert_eq!(fitted.unseen_maps().size(), [12, 12]);
            let mean = |maps: Tensor| maps.mean(Kind::Float).double_value(&[]);
            let (seen, unseen) = (mean(fitted.maps(&features)), mean(fitted.unseen_maps()));
            assert!(unseen > seen, "{}: {unseen} {seen}", method.name());
        }
    }

    #[test]
    fn fit_of_both_methods_selects_each() {
        let features = features(12);
        let mut both = fit(&features, FeatureMethod::Both);
        let sum = both.maps(&features);
        let parts = [FeatureMethod::Padim, FeatureMethod::PatchCore].map(|method| {
            both.select(method);
            let single = fit(&features, method);
            let difference = (both.maps(&features) - single.maps(&features)).abs().max();
            assert!(difference.double_value(&[]) < 1e-4, "{}", method.name());
            MapScale::of(&single.unseen_maps()).apply(&single.maps(&features))
        });
        let [padim, bank] = parts;
        let difference = (sum - padim - bank).abs().max();
        assert!(difference.double_value(&[]) < 1e-3);
    }
}
