//! Searches for an exposure: a mean grey level in the middle, and hardly a clipped pixel. Pure: the caller takes the
//! pictures.

/// Mean grey levels that are good.
const GOOD_MEAN: std::ops::RangeInclusive<f32> = 90.0..=140.0;

/// The mean that the search aims at.
const TARGET_MEAN: f32 = 115.0;

/// Largest share of clipped pixels.
const MOST_CLIPPED: f32 = 0.005;

/// Largest number of exposures that are tried.
const STEPS: usize = 10;

/// The search ends when the longest dark exposure and the shortest bright one differ by less than this factor.
const NARROW: f64 = 1.08;

/// Light at one exposure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExposureMeasurement {
    /// The exposure, microseconds.
    pub exposure_us: u32,
    /// Mean grey level, 0 to 255.
    pub mean: f32,
    /// Share of clipped pixels, 0 to 1.
    pub clipped: f32,
}

impl ExposureMeasurement {
    fn too_bright(&self) -> bool {
        self.mean > *GOOD_MEAN.end() || self.clipped > MOST_CLIPPED
    }

    fn too_dark(&self) -> bool {
        self.mean < *GOOD_MEAN.start() && self.clipped <= MOST_CLIPPED
    }
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct ExposureResult {
    /// The best exposure that was tried.
    pub best: ExposureMeasurement,
    /// What is wrong with it, for people; none if it is good.
    pub complaint: Option<String>,
}

/// A search in progress.
#[derive(Clone, Debug)]
pub struct ExposureSearch {
    /// The longest exposure that is too dark, or the least allowed one.
    low_us: f64,
    /// The shortest exposure that is too bright, or the largest allowed one.
    high_us: f64,
    range: [u32; 2],
    next: Option<u32>,
    tried: Vec<ExposureMeasurement>,
}

impl ExposureSearch {
    /// A search between two exposures in microseconds, beginning with `first`.
    pub fn new(least_us: u32, most_us: u32, first_us: u32) -> Self {
        let least_us = least_us.max(1);
        let most_us = most_us.max(least_us);
        Self {
            low_us: f64::from(least_us),
            high_us: f64::from(most_us),
            range: [least_us, most_us],
            next: Some(first_us.clamp(least_us, most_us)),
            tried: Vec::new(),
        }
    }

    /// The exposure to try next; none when the search is over.
    pub fn next_us(&self) -> Option<u32> {
        self.next
    }

    /// Takes the measurement of the exposure that [`Self::next_us`] named.
    pub fn measured(&mut self, found: ExposureMeasurement) {
        self.tried.push(found);
        let exposure = f64::from(found.exposure_us);
        let [least, most] = self.range;
        if found.too_bright() {
            self.high_us = self.high_us.min(exposure);
        } else if found.too_dark() {
            self.low_us = self.low_us.max(exposure);
        } else {
            self.next = None;
            return;
        }
        let at_end = (found.too_bright() && found.exposure_us == least)
            || (found.too_dark() && found.exposure_us == most);
        let narrow = self.high_us < NARROW * self.low_us;
        let over = at_end || self.tried.len() >= STEPS;
        let guess = self.guess(found);
        let repeated = self.tried.iter().any(|tried| tried.exposure_us == guess);
        self.next = (!over && !repeated && (!narrow || !self.tried_both_ends())).then_some(guess);
    }

    /// Whether the bracket is one of measured exposures.
    fn tried_both_ends(&self) -> bool {
        let tried = |end: f64| {
            self.tried
                .iter()
                .any(|tried| (f64::from(tried.exposure_us) - end).abs() < 0.5)
        };
        tried(self.low_us) && tried(self.high_us)
    }

    /// The level of a pixel is about proportional to the exposure; gamma makes it grow more slowly, so that the guess
    /// becomes better with each step. Clipped pixels hide how bright the frame is: then the middle of the bracket.
    fn guess(&self, found: ExposureMeasurement) -> u32 {
        let middle = (self.low_us * self.high_us).sqrt();
        let proportional =
            f64::from(found.exposure_us) * f64::from(TARGET_MEAN / found.mean.max(0.5));
        let inside = proportional > self.low_us && proportional < self.high_us;
        let at_limit =
            proportional >= self.high_us && found.too_dark() && self.untried(self.high_us);
        let at_least =
            proportional <= self.low_us && found.too_bright() && self.untried(self.low_us);
        let guess = if inside && found.clipped <= MOST_CLIPPED && self.tried.len() < STEPS / 2 {
            proportional
        } else if at_limit {
            self.high_us
        } else if at_least {
            self.low_us
        } else {
            middle
        };
        let [least, most] = self.range;
        (guess.round() as u32).clamp(least, most)
    }

    fn untried(&self, exposure_us: f64) -> bool {
        !self
            .tried
            .iter()
            .any(|tried| (f64::from(tried.exposure_us) - exposure_us).abs() < 0.5)
    }

    /// The result; none if nothing was measured. Among exposures that are not good, the longest one that is not too bright
    /// is best, as scores depend on clipped pixels more than on dark ones.
    pub fn result(&self) -> Option<ExposureResult> {
        let good = self
            .tried
            .iter()
            .find(|found| !found.too_bright() && !found.too_dark());
        if let Some(good) = good {
            return Some(ExposureResult {
                best: *good,
                complaint: None,
            });
        }
        let dark = self.tried.iter().filter(|found| !found.too_bright());
        if let Some(dark) = dark.max_by_key(|found| found.exposure_us) {
            let complaint = if dark.exposure_us == self.range[1] {
                format!(
                    "the light is weak: at the longest allowed exposure, {} us, the mean level is {:.0} of 255",
                    dark.exposure_us, dark.mean
                )
            } else {
                "a longer exposure clips pixels: part of the view is much brighter than the rest"
                    .to_owned()
            };
            return Some(ExposureResult {
                best: *dark,
                complaint: Some(complaint),
            });
        }
        let bright = self.tried.iter().min_by_key(|found| found.exposure_us)?;
        Some(ExposureResult {
            best: *bright,
            complaint: Some(format!(
                "the light is strong: at the shortest exposure, {} us, the mean level is {:.0} of 255 and {:.1} % are clipped",
                bright.exposure_us,
                bright.mean,
                100.0 * bright.clipped
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a search on a camera whose frames have the mean and the clipped share that `light` gives for an exposure.
    fn search(
        range: [u32; 2],
        first: u32,
        light: impl Fn(u32) -> (f32, f32),
    ) -> (ExposureResult, usize) {
        let mut search = ExposureSearch::new(range[0], range[1], first);
        let mut steps = 0;
        while let Some(exposure_us) = search.next_us() {
            let (mean, clipped) = light(exposure_us);
            search.measured(ExposureMeasurement {
                exposure_us,
                mean,
                clipped,
            });
            steps += 1;
            assert!(steps <= STEPS, "bounded");
        }
        (search.result().expect("measured"), steps)
    }

    #[test]
    fn linear_and_gamma_cameras_are_set_in_a_few_steps() {
        for gamma in [1.0, 0.45] {
            for brightness in [0.002, 0.02, 0.2_f64] {
                let light = |exposure: u32| {
                    let level = 255.0 * (f64::from(exposure) * brightness / 255.0).powf(gamma);
                    (
                        level.min(255.0) as f32,
                        if level > 245.0 { 0.5 } else { 0.0 },
                    )
                };
                for first in [10, 1000, 100_000] {
                    let (found, steps) = search([10, 100_000], first, light);
                    assert_eq!(
                        found.complaint, None,
                        "{gamma} {brightness} {first}: {found:?}"
                    );
                    assert!(GOOD_MEAN.contains(&found.best.mean), "{found:?}");
                    assert!(steps <= 8, "{gamma} {brightness} {first}: {steps} steps");
                }
            }
        }
    }

    #[test]
    fn step_in_the_light_leaves_the_longest_exposure_that_is_not_too_bright() {
        let light = |exposure: u32| {
            if exposure >= 4000 {
                (250.0, 1.0)
            } else {
                (128.0, 0.0)
            }
        };
        for first in [100, 3900, 50_000] {
            let (found, _) = search([100, 1_000_000], first, light);
            assert_eq!(found.complaint, None, "{first}");
            assert!(found.best.exposure_us < 4000, "{found:?}");
        }
    }

    #[test]
    fn light_that_no_exposure_suits_is_reported() {
        let check = |light: fn(u32) -> (f32, f32), best: fn(u32) -> bool, complaint: &str| {
            let (found, _) = search([100, 20_000], 5000, light);
            assert!(best(found.best.exposure_us), "{found:?}");
            let said = found.complaint.expect("a complaint");
            assert!(said.starts_with(complaint), "{said}");
        };
        check(
            |us| (us as f32 * 0.002, 0.0),
            |us| us == 20_000,
            "the light is weak",
        );
        check(|_| (255.0, 1.0), |us| us == 100, "the light is strong");
        // A lamp in the view clips although the rest is dark.
        let lamp = |us: u32| (us as f32 * 0.005, if us > 2000 { 0.02 } else { 0.0 });
        check(
            lamp,
            |us| (1500..=2000).contains(&us),
            "a longer exposure clips",
        );
    }
}
