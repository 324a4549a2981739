//! A threshold is lowered through the values of all defect pixels, and every curve is followed.

use super::super::curve::{LimitedArea, Sum, Tracer};
use super::super::{order_key, ranking};
use super::good_pixels::GoodPixelCounts;
use super::ground_truth::GroundTruth;
use super::{GOOD, LOGICAL, PixelF1, PixelMetrics, STRUCTURAL, SaturatedPro, SproSubset};

/// Where the sweep is.
pub(super) struct ThresholdSweep<'a> {
    truth: &'a GroundTruth,
    /// Events not reached yet: so many of the lowest.
    left: usize,
    /// Good pixels of each class, in all.
    negatives: Vec<u64>,
    /// Those at or above the threshold.
    fp: Vec<u64>,
    /// Defect pixels at or above it.
    tp: u64,
    ranks: RankStatistics,
    roc: Tracer,
    pro: Tracer,
    /// Sum over the components of the share found.
    overlap: Sum,
    /// Logical and structural.
    subsets: [SubsetCurve; 2],
    /// Pixels found of each channel.
    found: Vec<u64>,
}

/// What is summed up over the ranking of all pixels.
#[derive(Default)]
struct RankStatistics {
    /// Twice the pairs of a good and a defect pixel in the right order, ties counted half.
    twice_won: u128,
    average_precision: Sum,
    best: Option<PixelF1>,
}

/// The curve of one subset of MVTec LOCO AD.
struct SubsetCurve {
    class: usize,
    defects: usize,
    /// Sum over the channels of their saturated shares.
    overlap: Sum,
    curve: Tracer,
}

impl SubsetCurve {
    fn new(truth: &GroundTruth, class: usize) -> Self {
        let channels = truth.channels.iter();
        Self {
            class,
            defects: channels.filter(|channel| channel.class == class).count(),
            overlap: Sum::default(),
            curve: Tracer::new(),
        }
    }
}

impl<'a> ThresholdSweep<'a> {
    /// Above all values.
    pub(super) fn new(truth: &'a GroundTruth) -> Self {
        Self {
            left: truth.defect_pixels.len(),
            negatives: truth.good_pixels(),
            fp: vec![0; truth.classes],
            tp: 0,
            ranks: RankStatistics::default(),
            roc: Tracer::new(),
            pro: Tracer::new(),
            overlap: Sum::default(),
            subsets: [LOGICAL, STRUCTURAL].map(|class| SubsetCurve::new(truth, class)),
            found: vec![0; truth.channels.len()],
            truth,
        }
    }

    /// Down to the lowest of `thresholds`, ascending keys, which follow on those that were before.
    pub(super) fn lower(&mut self, thresholds: &[u32], counts: &GoodPixelCounts) {
        for (index, &threshold) in thresholds.iter().enumerate().rev() {
            let good = |of: fn(&GoodPixelCounts, usize, usize) -> u64, fp: &mut [u64]| {
                (0..)
                    .zip(fp)
                    .map(|(class, fp)| {
                        let count = of(counts, index, class);
                        *fp += count;
                        count
                    })
                    .sum::<u64>()
            };
            let above = good(GoodPixelCounts::above, &mut self.fp);
            self.ranks.good(above, self.tp, self.tp);
            self.trace();
            let tp = self.tp;
            self.take(threshold);
            let equal = good(GoodPixelCounts::equal, &mut self.fp);
            self.ranks.good(equal, tp, self.tp);
            self.trace();
            self.rank(self.tp - tp, threshold);
        }
    }

    /// Takes the defect pixels with this value.
    fn take(&mut self, threshold: u32) {
        let truth = self.truth;
        while let Some(&pixel) = truth.defect_pixels[..self.left].last() {
            if (pixel >> 32) as u32 != threshold {
                break;
            }
            self.left -= 1;
            self.tp += 1;
            let group = &truth.groups[pixel as u32 as usize];
            self.overlap
                .add(1.0 / truth.regions[group.region as usize] as f64);
            for &channel in &group.channels {
                let found = &mut self.found[channel as usize];
                *found += 1;
                let channel = truth.channels[channel as usize];
                if *found <= channel.saturation {
                    self.subsets[channel.class - LOGICAL]
                        .overlap
                        .add(1.0 / channel.saturation as f64);
                }
            }
        }
    }

    /// Goes on to the present point of each curve.
    fn trace(&mut self) {
        let rate = |part: u64, of: u64| {
            if of == 0 {
                0.0
            } else {
                part as f64 / of as f64
            }
        };
        let fpr = rate(self.fp.iter().sum(), self.negatives.iter().sum());
        self.roc
            .go(fpr, rate(self.tp, self.truth.defect_pixels.len() as u64));
        self.pro
            .go(fpr, mean(self.overlap, self.truth.regions.len()));
        for subset in self.subsets.iter_mut().filter(|subset| subset.defects > 0) {
            let of_subset = |counts: &[u64]| counts[GOOD] + counts[subset.class];
            let fpr = rate(of_subset(&self.fp), of_subset(&self.negatives));
            subset.curve.go(fpr, mean(subset.overlap, subset.defects));
        }
    }

    /// Adds a threshold at which `taken` defect pixels were reached to average precision and F1.
    fn rank(&mut self, taken: u64, threshold: u32) {
        let (positives, fp) = (
            self.truth.defect_pixels.len() as u64,
            self.fp.iter().sum::<u64>(),
        );
        let precision = self.tp as f64 / (self.tp + fp) as f64;
        self.ranks
            .average_precision
            .add(taken as f64 / positives as f64 * precision);
        let f1 = ranking::f1(self.tp, fp, positives);
        if self.ranks.best.is_none_or(|best| f1 >= best.f1) {
            self.ranks.best = Some(PixelF1 {
                f1,
                threshold: f64::from(order_key::value(threshold)),
            });
        }
    }

    /// Down to the end, and the metrics.
    pub(super) fn finish(mut self) -> PixelMetrics {
        let (negatives, fp): (u64, u64) = (self.negatives.iter().sum(), self.fp.iter().sum());
        let positives = self.truth.defect_pixels.len() as u64;
        self.ranks.good(negatives - fp, positives, positives);
        let pairs = u128::from(negatives) * u128::from(positives);
        let (_, roc) = self.roc.finish();
        let (au_pro, pro) = self.pro.finish();
        let images = &self.truth.images;
        PixelMetrics {
            images: images.iter().filter(|image| image.class.is_some()).count(),
            images_without_masks: images.iter().filter(|image| image.class.is_none()).count(),
            images_with_empty_masks: images.iter().filter(|image| image.empty_masks).count(),
            good_pixels: negatives,
            defect_pixels: positives,
            regions: self.truth.regions.len(),
            au_roc: self.ranks.twice_won as f64 / 2.0 / pairs as f64,
            average_precision: self.ranks.average_precision.value(),
            max_f1: self
                .ranks
                .best
                .expect("there is a defect pixel, so there was a threshold"),
            au_pro,
            spro: (!self.truth.channels.is_empty()).then(|| saturated(self.subsets)),
            roc,
            pro,
        }
    }
}

impl RankStatistics {
    /// `count` good pixels come in while the defect pixels above go from `before` to `after`.
    fn good(&mut self, count: u64, before: u64, after: u64) {
        self.twice_won += u128::from(count) * u128::from(before + after);
    }
}

/// The mean of shares that were summed up; rounding takes it no further than 1.
fn mean(sum: Sum, count: usize) -> f64 {
    (sum.value() / count as f64).min(1.0)
}

fn saturated(subsets: [SubsetCurve; 2]) -> SaturatedPro {
    let [logical, structural] = subsets.map(|subset| {
        (subset.defects > 0).then(|| {
            let (au_spro, curve) = subset.curve.finish();
            SproSubset {
                defects: subset.defects,
                au_spro,
                curve,
            }
        })
    });
    let mean = logical
        .as_ref()
        .zip(structural.as_ref())
        .map(|(one, other)| {
            one.au_spro
                .iter()
                .zip(&other.au_spro)
                .map(|(one, other)| LimitedArea {
                    fpr_limit: one.fpr_limit,
                    area: f64::midpoint(one.area, other.area),
                })
                .collect()
        });
    SaturatedPro {
        logical,
        structural,
        mean,
    }
}
