//! An endless sequence of parts, for a simulated camera.

use rand::Rng;

use super::defect::Defect;
use super::line::{ProductionLine, stream};
use super::scene::Scene;

/// Random stream of the feed; no part uses it.
const FEED_PURPOSE: u64 = 1 << 32;

/// An endless sequence of parts, some of them defective. It depends only on the seed and the defect rate.
#[derive(Clone, Debug)]
pub struct Feed {
    line: ProductionLine,
    seed: u64,
    defect_rate: f64,
    next: u64,
}

impl Feed {
    /// Builds a feed in which a share `defect_rate` of the parts is defective. The rate is clamped to 0..=1; NaN
    /// counts as 0.
    pub fn new(seed: u64, defect_rate: f64) -> Self {
        let defect_rate = if defect_rate.is_nan() {
            0.0
        } else {
            defect_rate
        };
        Self {
            line: ProductionLine::new(seed),
            seed,
            defect_rate: defect_rate.clamp(0.0, 1.0),
            next: 0,
        }
    }

    /// Returns the part number `index` and its defect, independent of the position of the iterator.
    pub fn at(&self, index: u64) -> (Scene, Option<Defect>) {
        let rng = &mut stream(self.seed, index, FEED_PURPOSE);
        let kind = rng.random_range(0..Defect::ALL.len() as u32) as usize;
        let defect = rng
            .random_bool(self.defect_rate)
            .then_some(Defect::ALL[kind]);
        (self.line.part(index, defect.as_slice()), defect)
    }
}

impl Iterator for Feed {
    type Item = (Scene, Option<Defect>);

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        self.next += 1;
        Some(self.at(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defects_follow_the_rate_and_the_seed() {
        let defects = |seed, rate| -> Vec<Option<Defect>> {
            Feed::new(seed, rate).take(300).map(|(_, d)| d).collect()
        };
        assert!(defects(1, 0.0).iter().all(Option::is_none));
        assert!(defects(1, 1.0).iter().all(Option::is_some));
        let third = defects(1, 0.3);
        let count = third.iter().flatten().count();
        assert!((60..120).contains(&count), "{count}");
        assert_eq!(third, defects(1, 0.3));
        assert_ne!(third, defects(2, 0.3));
    }

    #[test]
    fn scene_lists_the_defect_of_the_feed() {
        for (scene, defect) in Feed::new(5, 0.5).take(30) {
            assert_eq!(scene.defects().next(), defect);
        }
    }
}
