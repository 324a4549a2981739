//! A random order that its seed determines, so that a study can be continued and checked.

/// The generator SplitMix64 (Steele et al. 2014).
pub(super) struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator that starts with `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, all with the same probability.
    fn below(&mut self, limit: u64) -> u64 {
        // Numbers beyond the last whole multiple of `limit` would favour small results.
        let whole = u64::MAX - u64::MAX % limit;
        loop {
            let number = self.next();
            if number < whole {
                return number % limit;
            }
        }
    }

    /// Shuffles values (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            let other = self.below(last as u64 + 1);
            values.swap(last, other as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        // The first outputs for the seed 1234567, as published with the generator.
        let mut random = SplitMix64::new(1_234_567);
        let found: Vec<u64> = (0..3).map(|_| random.next()).collect();
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_order_is_about_equally_frequent() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            let mut values = [1, 2, 3];
            SplitMix64::new(seed).shuffle(&mut values);
            *counts.entry(values).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }
}
