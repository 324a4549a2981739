//! Second pass: counts good pixels between the values of defect pixels.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use anyhow::{Result, ensure};
use rayon::prelude::*;

use super::super::order_key;
use super::super::source::{MapSource, Sample};
use super::ground_truth::GroundTruth;

/// Numbers of good pixels of each class at and above each of a range of thresholds.
pub(super) struct GoodPixelCounts {
    classes: usize,
    /// Two slots per threshold, each with one counter per class: pixels equal to the threshold, and pixels
    /// above it but below the next threshold.
    slots: Vec<AtomicU32>,
}

impl GoodPixelCounts {
    fn new(thresholds: usize, classes: usize) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(2 * thresholds * classes, AtomicU32::default);
        Self { classes, slots }
    }

    /// Returns the number of good pixels of `class` equal to the threshold with this index in the range.
    pub(super) fn equal(&self, index: usize, class: usize) -> u64 {
        self.at(2 * index, class)
    }

    /// Returns the number of good pixels of `class` between this threshold and the next.
    pub(super) fn above(&self, index: usize, class: usize) -> u64 {
        self.at(2 * index + 1, class)
    }

    fn at(&self, slot: usize, class: usize) -> u64 {
        u64::from(self.slots[slot * self.classes + class].load(Ordering::Relaxed))
    }

    fn add(&self, slot: usize, class: usize, count: u32) {
        // Relaxed is sufficient: all threads are joined before the counters are read.
        self.slots[slot * self.classes + class].fetch_add(count, Ordering::Relaxed);
    }
}

/// Splits `count` thresholds into ranges of at most `at_once`, highest first.
pub(super) fn ranges_from_above(
    count: usize,
    at_once: usize,
) -> impl Iterator<Item = Range<usize>> {
    let ranges = count.div_ceil(at_once);
    (0..ranges)
        .rev()
        .map(move |i| i * at_once..((i + 1) * at_once).min(count))
}

/// Reads all images with a class and counts their good pixels, from the lowest threshold in `range` to below
/// the first threshold after it.
pub(super) fn count(
    source: &dyn MapSource,
    truth: &GroundTruth,
    thresholds: &[u32],
    range: Range<usize>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<GoodPixelCounts> {
    let good_pixels = truth.good_pixels();
    ensure!(
        good_pixels
            .iter()
            .all(|&pixels| u32::try_from(pixels).is_ok()),
        "{} good pixels; at most {} are supported for the good images and for each group of anomalous images",
        good_pixels.iter().sum::<u64>(),
        u32::MAX
    );
    let end = thresholds.get(range.end).copied();
    let thresholds = &thresholds[range];
    let counts = GoodPixelCounts::new(thresholds.len(), truth.classes);
    let done = AtomicU64::new(0);
    (0..source.len()).into_par_iter().try_for_each(|index| {
        let image = truth.images[index];
        if let Some(class) = image.class {
            let sample = source.read(index)?;
            let (mut good, total) = good_keys(&sample, thresholds[0], end);
            let name = || source.name(index);
            ensure!(
                total == image.good_pixels,
                "{}: the file changed during the evaluation",
                name()
            );
            good.sort_unstable();
            tally(&good, thresholds, |slot, count| {
                counts.add(slot, class, count);
            });
        }
        progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(())
    })?;
    Ok(counts)
}

/// Returns the keys of good pixels from `least` to below `end`, and the total number of good pixels.
fn good_keys(sample: &Sample, least: u32, end: Option<u32>) -> (Vec<u32>, u64) {
    let values = &sample.map.values;
    let mut keys = Vec::with_capacity(values.len());
    let mut total = 0;
    let mut take = |value: f32| {
        total += 1;
        let key = order_key::of(value);
        if key >= least && end.is_none_or(|end| key < end) {
            keys.push(key);
        }
    };
    match &sample.masks[..] {
        [] => values.iter().for_each(|&value| take(value)),
        masks => {
            for (at, &value) in values.iter().enumerate() {
                if masks.iter().all(|mask| mask.values.get(at) == Some(&0)) {
                    take(value);
                }
            }
        }
    }
    (keys, total)
}

/// Counts `sorted` keys, none of them below the first threshold: calls `add` with each slot and its number
/// of keys. Both lists are traversed once with exponential search, because either can be much longer.
fn tally(sorted: &[u32], thresholds: &[u32], mut add: impl FnMut(usize, u32)) {
    let mut rest = sorted;
    let mut at = 0;
    while let Some(&first) = rest.first() {
        at += leading(&thresholds[at..], |threshold| threshold <= first) - 1;
        let equal = leading(rest, |key| key == thresholds[at]);
        let above = match thresholds.get(at + 1) {
            Some(&next) => leading(&rest[equal..], |key| key < next),
            None => rest.len() - equal,
        };
        for (slot, count) in [(2 * at, equal), (2 * at + 1, above)] {
            if count > 0 {
                add(slot, count as u32);
            }
        }
        rest = &rest[equal + above..];
    }
}

/// Returns the number of leading items for which `inside` is true; `inside` must be false for all items after
/// the first false one. Exponential search (steps of 1, 2, 4, ...), then binary search.
fn leading(items: &[u32], inside: impl Fn(u32) -> bool) -> usize {
    let mut step = 1;
    while step <= items.len() && inside(items[step - 1]) {
        step *= 2;
    }
    let (from, to) = (step / 2, step.min(items.len()));
    from + items[from..to].partition_point(|&item| inside(item))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tally_counts_every_key_in_its_slot(
            keys in prop::collection::vec(3u32..60, 0..200),
            mut thresholds in prop::collection::vec(4u32..60, 0..30),
        ) {
            let mut sorted = keys;
            sorted.sort_unstable();
            thresholds.push(3);
            thresholds.sort_unstable();
            thresholds.dedup();
            let mut found = vec![0; 2 * thresholds.len()];
            tally(&sorted, &thresholds, |slot, count| found[slot] += count as usize);
            for (at, &threshold) in thresholds.iter().enumerate() {
                let next = thresholds.get(at + 1).copied().unwrap_or(u32::MAX);
                let among = |range: Range<u32>| {
                    sorted.iter().filter(|key| range.contains(key)).count()
                };
                prop_assert_eq!(found[2 * at], among(threshold..threshold + 1));
                prop_assert_eq!(found[2 * at + 1], among(threshold + 1..next));
            }
        }
    }

    #[test]
    fn ranges_are_descending_and_complete() {
        let check = |count, at_once, expected: &[Range<usize>]| {
            let found: Vec<_> = ranges_from_above(count, at_once).collect();
            assert_eq!(found, expected);
        };
        check(7, 3, &[6..7, 3..6, 0..3]);
        check(6, 3, &[3..6, 0..3]);
        check(4, 3, &[3..4, 0..3]);
    }
}
