//! Threshold sweep: lowers a threshold through the values of all defect pixels and traces all curves.

use super::super::curve::{LimitedArea, Sum, Tracer};
use super::super::{order_key, ranking};
use super::good_pixels::GoodPixelCounts;
use super::ground_truth::GroundTruth;
use super::{GOOD, LOGICAL, PixelF1, PixelMetrics, STRUCTURAL, SaturatedPro, SproSubset};

/// State of the sweep at the current threshold.
pub(super) struct ThresholdSweep<'a> {
    truth: &'a GroundTruth,
    /// Number of defect pixels below the threshold; they are the lowest ones of the sorted list.
    remaining: usize,
    /// Total number of good pixels of each class.
    negatives: Vec<u64>,
    /// Good pixels of each class at or above the threshold.
    fp: Vec<u64>,
    /// Defect pixels at or above the threshold.
    tp: u64,
    ranks: RankStatistics,
    roc: Tracer,
    pro: Tracer,
    /// Sum over the components of the detected fraction.
    overlap: Sum,
    /// Curves of logical and structural anomalies.
    subsets: [SubsetCurve; 2],
    /// Number of detected pixels of each channel.
    detected: Vec<u64>,
}

/// Sums over the ranking of all pixels.
#[derive(Default)]
struct RankStatistics {
    /// Twice the number of pairs of a good and a defect pixel in correct order; ties count half.
    twice_correct_pairs: u128,
    average_precision: Sum,
    best: Option<PixelF1>,
}

/// Curve of one subset of MVTec LOCO AD.
struct SubsetCurve {
    class: usize,
    defects: usize,
    /// Sum over the channels of their saturated overlaps.
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
    /// Starts above all values.
    pub(super) fn new(truth: &'a GroundTruth) -> Self {
        Self {
            remaining: truth.defect_pixels.len(),
            negatives: truth.good_pixels(),
            fp: vec![0; truth.classes],
            tp: 0,
            ranks: RankStatistics::default(),
            roc: Tracer::new(),
            pro: Tracer::new(),
            overlap: Sum::default(),
            subsets: [LOGICAL, STRUCTURAL].map(|class| SubsetCurve::new(truth, class)),
            detected: vec![0; truth.channels.len()],
            truth,
        }
    }

    /// Lowers the threshold to the lowest of `thresholds`. These are ascending keys and directly below all
    /// earlier thresholds.
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
            self.ranks.add_good(above, self.tp, self.tp);
            self.trace();
            let tp = self.tp;
            self.take(threshold);
            let equal = good(GoodPixelCounts::equal, &mut self.fp);
            self.ranks.add_good(equal, tp, self.tp);
            self.trace();
            self.rank(self.tp - tp, threshold);
        }
    }

    /// Counts the defect pixels with this value.
    fn take(&mut self, threshold: u32) {
        let truth = self.truth;
        while let Some(&pixel) = truth.defect_pixels[..self.remaining].last() {
            if (pixel >> 32) as u32 != threshold {
                break;
            }
            self.remaining -= 1;
            self.tp += 1;
            let group = &truth.groups[pixel as u32 as usize];
            self.overlap
                .add(1.0 / truth.regions[group.region as usize] as f64);
            for &channel in &group.channels {
                let detected = &mut self.detected[channel as usize];
                *detected += 1;
                let channel = truth.channels[channel as usize];
                if *detected <= channel.saturation {
                    self.subsets[channel.class - LOGICAL]
                        .overlap
                        .add(1.0 / channel.saturation as f64);
                }
            }
        }
    }

    /// Extends each curve to the current point.
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
            .line_to(fpr, rate(self.tp, self.truth.defect_pixels.len() as u64));
        self.pro
            .line_to(fpr, mean(self.overlap, self.truth.regions.len()));
        for subset in self.subsets.iter_mut().filter(|subset| subset.defects > 0) {
            let of_subset = |counts: &[u64]| counts[GOOD] + counts[subset.class];
            let fpr = rate(of_subset(&self.fp), of_subset(&self.negatives));
            subset
                .curve
                .line_to(fpr, mean(subset.overlap, subset.defects));
        }
    }

    /// Updates average precision and F1 after a threshold at which `taken` defect pixels were reached.
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

    /// Extends the curves to the end and returns the metrics.
    pub(super) fn finish(mut self) -> PixelMetrics {
        let (negatives, fp): (u64, u64) = (self.negatives.iter().sum(), self.fp.iter().sum());
        let positives = self.truth.defect_pixels.len() as u64;
        self.ranks.add_good(negatives - fp, positives, positives);
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
            au_roc: self.ranks.twice_correct_pairs as f64 / 2.0 / pairs as f64,
            average_precision: self.ranks.average_precision.value(),
            max_f1: self
                .ranks
                .best
                .expect("there is at least one defect pixel, so there is a threshold"),
            au_pro,
            spro: (!self.truth.channels.is_empty()).then(|| saturated(self.subsets)),
            roc,
            pro,
        }
    }
}

impl RankStatistics {
    /// Adds `count` good pixels while the number of defect pixels above goes from `before` to `after`.
    fn add_good(&mut self, count: u64, before: u64, after: u64) {
        self.twice_correct_pairs += u128::from(count) * u128::from(before + after);
    }
}

/// Mean of `count` summed fractions; limited to 1 because of rounding.
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
