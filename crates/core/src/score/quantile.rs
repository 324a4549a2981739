//! Exact quantiles of any number of values. Tensor libraries limit the number (`torch.quantile` to 2^24
//! values), and the maps of a validation set exceed that limit.

/// Returns the position `q (n - 1)` among sorted values as an index and a fraction.
fn position(count: usize, q: f64) -> (usize, f64) {
    assert!(count > 0, "a quantile needs at least one value");
    let at = q.clamp(0.0, 1.0) * (count - 1) as f64;
    (at as usize, at.fract())
}

fn interpolate(low: f64, high: f64, fraction: f64) -> f64 {
    low + (high - low) * fraction
}

/// Returns the `q`-quantile with linear interpolation, the default of `numpy.quantile` and
/// `torch.quantile`. It reorders `values` without sorting them, in linear time. `q` is clamped to 0..=1; NaN
/// is ordered above infinity.
///
/// # Panics
/// When there are no values.
pub fn quantile(values: &mut [f32], q: f64) -> f64 {
    let (index, fraction) = position(values.len(), q);
    let (_, &mut low, above) = values.select_nth_unstable_by(index, f32::total_cmp);
    let next = above.iter().copied().min_by(f32::total_cmp);
    match next {
        Some(high) if fraction > 0.0 => interpolate(f64::from(low), f64::from(high), fraction),
        _ => f64::from(low),
    }
}

/// As [`quantile`], for values that are already sorted.
///
/// # Panics
/// When there are no values.
pub fn quantile_sorted(sorted: &[f64], q: f64) -> f64 {
    let (index, fraction) = position(sorted.len(), q);
    match sorted.get(index + 1) {
        Some(&high) if fraction > 0.0 => interpolate(sorted[index], high, fraction),
        _ => sorted[index],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantile_agrees_with_numpy() {
        let check = |values: &[f32], q, expected| {
            let found = quantile(&mut values.to_vec(), q);
            assert!(
                f64::total_cmp(&found, &expected).is_eq(),
                "{values:?} at {q}: {found}"
            );
        };
        check(&[7.0], 0.3, 7.0);
        check(&[3.0, 1.0, 2.0, 4.0], 0.0, 1.0);
        check(&[3.0, 1.0, 2.0, 4.0], 1.0, 4.0);
        check(&[3.0, 1.0, 2.0, 4.0], 0.5, 2.5);
        check(&[3.0, 1.0, 2.0, 4.0], 0.25, 1.75);
        check(&[2.0, 2.0, 2.0, 9.0], 0.5, 2.0);
        check(&[0.0, f32::INFINITY], 0.0, 0.0);
    }

    #[test]
    fn quantile_of_more_than_two_to_the_24_values_is_exact() {
        let count = (1usize << 24) + 11;
        // Every integer below 2^24 is exact in f32, so the ramp wraps once at the top.
        let mut values: Vec<f32> = (0..count).rev().map(|i| (i % (1 << 24)) as f32).collect();
        // The values 0 to 10 occur twice, the others once.
        let sorted = |index: usize| if index < 22 { index / 2 } else { index - 11 };
        for q in [0.0, 0.9, 0.995, 1.0] {
            let at = q * (count - 1) as f64;
            let low = sorted(at as usize) as f64;
            let high = sorted((at as usize + 1).min(count - 1)) as f64;
            let expected = low + (high - low) * at.fract();
            let found = quantile(&mut values, q);
            assert!(
                (found - expected).abs() < 1e-6,
                "{q}: {found}, not {expected}"
            );
        }
    }

    proptest! {
        #[test]
        fn quantile_agrees_with_quantile_sorted(
            mut values in prop::collection::vec(-5i8..5, 1..60),
            q in 0.0f64..=1.0,
        ) {
            let mut floats: Vec<f32> = values.iter().map(|&v| f32::from(v)).collect();
            values.sort_unstable();
            let sorted: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
            let (found, expected) = (quantile(&mut floats, q), quantile_sorted(&sorted, q));
            prop_assert!(found.total_cmp(&expected).is_eq(), "{found} {expected}");
        }
    }
}
