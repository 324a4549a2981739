//! Fitted methods and their maps, and the maps of the good images by models that have not seen them.

use inspectd_core::maps::MapSize;
use tch::Tensor;

use super::cross_fit::{Copies, CrossFit};
use super::map_scale::MapScale;
use super::subspace::SubspaceFit;
use super::{
    ChannelNormalisation, Padim, PadimSettings, PatchCore, PatchCoreSettings, Subspace,
    SubspaceSettings,
};
use crate::export::method_graph::{MapConstants, MapTerm};
use crate::fit::checkpoint::host;

/// A choice of methods without training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureMethods {
    /// `PaDiM`: a Gaussian in every cell. For parts that always lie at the same place.
    pub padim: bool,
    /// `PatchCore`: the nearest feature of a memory bank, wherever it was seen.
    pub patch_core: bool,
    /// FRE: the error of a projection of the whole image on the subspace of good images.
    pub fre: bool,
}

impl FeatureMethods {
    /// None of them.
    pub const NONE: Self = Self {
        padim: false,
        patch_core: false,
        fre: false,
    };

    /// All of them.
    pub const ALL: Self = Self {
        padim: true,
        patch_core: true,
        fre: true,
    };

    /// Whether all methods of `other` are among these.
    pub fn contain(self, other: Self) -> bool {
        (self.padim || !other.padim)
            && (self.patch_core || !other.patch_core)
            && (self.fre || !other.fre)
    }
}

/// Settings of all methods.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MethodSettings {
    /// Settings of `PaDiM`.
    pub padim: PadimSettings,
    /// Settings of `PatchCore`.
    pub patch_core: PatchCoreSettings,
    /// Settings of FRE.
    pub subspace: SubspaceSettings,
}

/// Methods fitted to good images, of which some are selected.
#[derive(Debug)]
pub struct FittedMethod {
    normalisation: ChannelNormalisation,
    padim: Option<Part<Padim>>,
    patch_core: Option<Part<PatchCore>>,
    subspace: Option<Part<Subspace>>,
    fitted: FeatureMethods,
    selected: FeatureMethods,
    grid: MapSize,
}

/// Maps of N images, `[N, HW]` each.
#[derive(Debug)]
pub struct FeatureMaps {
    /// `PaDiM` or `PatchCore`, or the sum of both, scaled.
    pub structural: Option<Tensor>,
    /// FRE.
    pub logical: Option<Tensor>,
}

impl FeatureMaps {
    /// The only map.
    ///
    /// # Panics
    /// When there is none.
    pub fn single(self) -> Tensor {
        self.structural
            .or(self.logical)
            .expect("at least one method is selected")
    }
}

/// Terms of the graph of both maps; empty for a map that the methods do not have.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Terms of the structural map, scaled if there are two.
    pub structural: Vec<MapTerm>,
    /// Term of the logical map.
    pub logical: Vec<MapTerm>,
}

/// Images to fit to.
#[derive(Clone, Copy, Debug)]
struct Images<'a> {
    /// Features of the good images, `[N, C, HW]`.
    features: &'a Tensor,
    /// Altered copies of them, to fit to as well.
    copies: &'a Copies,
    /// Altered copies of them that are only scored.
    probes: &'a Copies,
}

/// One fit.
#[derive(Debug)]
struct Part<F> {
    fit: F,
    /// Maps of the good images, each by a fit to the other images, `[N, HW]`.
    unseen: Tensor,
    /// Maps of the probes, each by a fit without its original, `[M, HW]`.
    probes: Tensor,
    scale: MapScale,
}

impl<F> Part<F> {
    /// `maps` are those of `good` images, then of the probes.
    fn new(fit: F, maps: &Tensor, good: i64) -> Self {
        let unseen = maps.narrow(0, 0, good);
        Self {
            fit,
            scale: MapScale::of(&unseen),
            probes: maps.narrow(0, good, maps.size()[0] - good),
            unseen,
        }
    }
}

impl FittedMethod {
    /// Fits `methods` to `features`, `[N, C, HW]` of at least three good images, before normalisation, and to `copies` of
    /// them, on the cells of `grid`, and scores images and `probes` by fits without their originals. All are selected.
    /// Calls `progress` with the done and the total amount of work.
    pub fn fit(
        features: &Tensor,
        copies: &Copies,
        probes: &Copies,
        grid: MapSize,
        methods: FeatureMethods,
        settings: MethodSettings,
        progress: impl FnMut(u64, u64),
    ) -> Self {
        let normalisation = ChannelNormalisation::measure(features);
        let images = Images {
            features,
            copies,
            probes,
        };
        Self::fit_normalised(normalisation, &images, grid, methods, settings, progress)
    }

    /// Fits the selected methods again, to other `features` of the same images and their `copies`, with the same
    /// normalisation.
    #[must_use]
    pub fn refit(
        &self,
        features: &Tensor,
        copies: &Copies,
        settings: MethodSettings,
        progress: impl FnMut(u64, u64),
    ) -> Self {
        let images = Images {
            features,
            copies,
            probes: &Copies::none(features),
        };
        let normalisation = self.normalisation.shallow_clone();
        let (grid, methods) = (self.grid, self.selected);
        Self::fit_normalised(normalisation, &images, grid, methods, settings, progress)
    }

    fn fit_normalised(
        normalisation: ChannelNormalisation,
        images: &Images<'_>,
        grid: MapSize,
        methods: FeatureMethods,
        settings: MethodSettings,
        mut progress: impl FnMut(u64, u64),
    ) -> Self {
        let Images {
            features,
            copies,
            probes,
        } = *images;
        let normalised = normalisation.apply(features);
        let apply = |copies: &Copies| Copies {
            features: normalisation.apply(&copies.features),
            originals: copies.originals.clone(),
        };
        let cross_fit = CrossFit::new(&normalised, &apply(probes), &apply(copies));
        let all = cross_fit.fitted();
        let steps = |used, number| if used { number } else { 0 };
        let total = steps(methods.padim, 1 + cross_fit.len())
            + steps(methods.patch_core, 2)
            + steps(methods.fre, cross_fit.len());
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress(done, total as u64);
        };
        let padim = methods.padim.then(|| {
            let fit = Padim::fit(&all.features, settings.padim);
            step();
            let unseen = fit.cross_maps(&cross_fit, &mut step);
            Part::new(fit, &smooth(&unseen, grid), cross_fit.good)
        });
        let patch_core = methods.patch_core.then(|| {
            let fit = PatchCore::fit(&all.features, &all.originals, settings.patch_core);
            step();
            let unseen = fit.cross_maps(&cross_fit);
            step();
            Part::new(fit, &smooth(&unseen, grid), cross_fit.good)
        });
        let subspace = methods.fre.then(|| {
            let SubspaceFit { subspace, unseen } =
                Subspace::fit(&cross_fit, settings.subspace, &mut step);
            Part::new(subspace, &smooth(&unseen, grid), cross_fit.good)
        });
        Self {
            normalisation,
            padim,
            patch_core,
            subspace,
            fitted: methods,
            selected: methods,
            grid,
        }
    }

    /// Selects some of the fitted methods.
    ///
    /// # Panics
    /// When one was not fitted.
    pub fn select(&mut self, methods: FeatureMethods) {
        assert!(self.fitted.contain(methods), "{methods:?} were not fitted");
        self.selected = methods;
    }

    /// Size of the maps.
    pub fn grid(&self) -> MapSize {
        self.grid
    }

    /// Maps of the good images, each by a fit to the other images.
    pub fn unseen_maps(&self) -> FeatureMaps {
        self.combine(
            |padim| padim.unseen.shallow_clone(),
            |bank| bank.unseen.shallow_clone(),
            |subspace| subspace.unseen.shallow_clone(),
        )
    }

    /// Maps of the probes, each by a fit without its original.
    pub fn probe_maps(&self) -> FeatureMaps {
        self.combine(
            |padim| padim.probes.shallow_clone(),
            |bank| bank.probes.shallow_clone(),
            |subspace| subspace.probes.shallow_clone(),
        )
    }

    /// Returns the maps of `features`, `[N, C, HW]` before normalisation.
    pub fn maps(&self, features: &Tensor) -> FeatureMaps {
        let normalised = self.normalisation.apply(features);
        self.combine(
            |padim| smooth(&padim.fit.maps(&normalised), self.grid),
            |bank| smooth(&bank.fit.maps(&normalised), self.grid),
            |subspace| smooth(&subspace.fit.maps(&normalised), self.grid),
        )
    }

    /// The maps of the selected methods from those of each.
    fn combine(
        &self,
        padim: impl Fn(&Part<Padim>) -> Tensor,
        bank: impl Fn(&Part<PatchCore>) -> Tensor,
        subspace: impl Fn(&Part<Subspace>) -> Tensor,
    ) -> FeatureMaps {
        let (one, other) = (self.padim(), self.patch_core());
        FeatureMaps {
            structural: match (one, other) {
                (Some(one), Some(other)) => {
                    Some(one.scale.apply(&padim(one)) + other.scale.apply(&bank(other)))
                }
                (one, other) => one.map(padim).or_else(|| other.map(bank)),
            },
            logical: self.subspace().map(subspace),
        }
    }

    fn padim(&self) -> Option<&Part<Padim>> {
        self.padim.as_ref().filter(|_| self.selected.padim)
    }

    fn patch_core(&self) -> Option<&Part<PatchCore>> {
        self.patch_core
            .as_ref()
            .filter(|_| self.selected.patch_core)
    }

    fn subspace(&self) -> Option<&Part<Subspace>> {
        self.subspace.as_ref().filter(|_| self.selected.fre)
    }

    /// Channel statistics of the good images.
    pub fn normalisation(&self) -> &ChannelNormalisation {
        &self.normalisation
    }

    /// The selected methods as terms of a graph.
    pub fn terms(&self) -> Terms {
        let two = self.selected.padim && self.selected.patch_core;
        let padim = self.padim().map(|Part { fit, scale, .. }| MapTerm {
            constants: MapConstants::Padim {
                mean: host(fit.mean()),
                basis: host(&fit.basis()),
                rank: fit.basis().size()[1],
                noise: fit.noise() as f32,
            },
            scale: two.then_some(scale.values()),
        });
        let bank = self.patch_core().map(|Part { fit, scale, .. }| MapTerm {
            constants: MapConstants::PatchCore {
                bank: host(fit.bank()),
                squares: host(fit.squares()),
            },
            scale: two.then_some(scale.values()),
        });
        let subspace = self.subspace().map(|Part { fit, .. }| MapTerm {
            constants: MapConstants::Subspace {
                mean: host(fit.mean()),
                basis: host(fit.basis()),
                rank: fit.basis().size()[0],
                scale: fit.scale() as f32,
                cell_mean: host(fit.cell_mean()),
                cell_spread: host(fit.cell_spread()),
            },
            scale: None,
        });
        Terms {
            structural: padim.into_iter().chain(bank).collect(),
            logical: subspace.into_iter().collect(),
        }
    }
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

    fn fit(features: &Tensor, methods: FeatureMethods) -> FittedMethod {
        let settings = MethodSettings::default();
        let probes = Copies {
            features: features.narrow(0, 0, 1) * 9.0,
            originals: vec![0],
        };
        FittedMethod::fit(
            features,
            &Copies::none(features),
            &probes,
            GRID,
            methods,
            settings,
            |_, _| (),
        )
    }

    fn single() -> [FeatureMethods; 3] {
        let none = FeatureMethods::NONE;
        [
            FeatureMethods {
                padim: true,
                ..none
            },
            FeatureMethods {
                patch_core: true,
                ..none
            },
            FeatureMethods { fre: true, ..none },
        ]
    }

    #[test]
    fn good_images_score_higher_under_models_that_have_not_seen_them() {
        let features = features(12);
        for method in single() {
            let fitted = fit(&features, method);
            let mean = |maps: Tensor| maps.mean(Kind::Float).double_value(&[]);
            let unseen = fitted.unseen_maps().single();
            assert_eq!(unseen.size(), [12, 12]);
            let unseen = mean(unseen);
            let seen = mean(fitted.maps(&features).single());
            assert!(unseen > seen, "{method:?}: {unseen} {seen}");
            let probe = mean(fitted.probe_maps().single());
            assert!(probe > unseen, "{method:?}: {probe} {unseen}");
        }
    }

    #[test]
    fn scale_for_a_norm_is_that_of_the_maxima_and_ignores_an_outlier() {
        let image = |maximum: f32| [vec![1.0; 8], vec![3.0; 7], vec![maximum]].concat();
        let maps = |last: f32| {
            let values: Vec<f32> = (0..20)
                .flat_map(|index| image(if index == 19 { last } else { 5.0 }))
                .collect();
            Tensor::from_slice(&values).reshape([20, 16])
        };
        // Half of the cells are 1, and the maximum of all but one image is 5.
        for last in [5.0, 500.0] {
            let [centre, spread] = MapScale::of_norm(&maps(last)).values();
            assert!((1.0..=3.0).contains(&centre), "{centre}");
            assert!((centre + spread - 5.0).abs() < 1e-5, "{centre} {spread}");
        }
        let constant = Tensor::full([3, 4], 2.0, (Kind::Float, Device::Cpu));
        let bits = MapScale::of_norm(&constant).values().map(f32::to_bits);
        assert_eq!(bits, [2.0_f32, 1.0].map(f32::to_bits));
    }

    #[test]
    fn fit_of_all_methods_selects_each() {
        let features = features(12);
        let mut all = fit(&features, FeatureMethods::ALL);
        let FeatureMaps {
            structural,
            logical,
        } = all.maps(&features);
        let [padim, bank, subspace] = single().map(|method| {
            all.select(method);
            let maps = all.maps(&features).single();
            let alone = fit(&features, method);
            let difference = (&maps - alone.maps(&features).single()).abs().max();
            assert!(difference.double_value(&[]) < 1e-4, "{method:?}");
            (
                MapScale::of(&alone.unseen_maps().single()).apply(&maps),
                maps,
            )
        });
        let sum = structural.expect("two methods");
        let difference = (sum - padim.0 - bank.0).abs().max();
        assert!(difference.double_value(&[]) < 1e-3);
        assert!(logical.is_some_and(|logical| logical.equal(&subspace.1)));
    }
}
