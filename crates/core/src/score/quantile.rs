//! Exact quantiles of any number of values. Libraries for tensors limit the count (`torch.quantile`
//! to 2^24), and the maps of a validation set exceed that.

/// Position `q (n - 1)` among sorted values, split into an index and the way to the next one.
fn position(count: usize, q: f64) -> (usize, f64) {
    assert!(count > 0, "a quantile of no values");
    let at = q.clamp(0.0, 1.0) * (count - 1) as f64;
    (at as usize, at.fract())
}

fn between(low: f64, high: f64, way: f64) -> f64 {
    low + (high - low) * way
}

/// The `q`-quantile with linear interpolation, as `numpy.quantile`'s and `torch.quantile`'s
/// default. Reorders `values`, but needs no sort: the time is linear. `q` is clamped to 0..=1; NaN
/// sorts above infinity.
///
/// # Panics
/// When there are no values.
pub fn quantile(values: &mut [f32], q: f64) -> f64 {
    let (index, way) = position(values.len(), q);
    let (_, &mut low, above) = values.select_nth_unstable_by(index, f32::total_cmp);
    let next = above.iter().copied().min_by(f32::total_cmp);
    match next {
        Some(high) if way > 0.0 => between(f64::from(low), f64::from(high), way),
        _ => f64::from(low),
    }
}

/// [`quantile`] of values that are sorted already.
///
/// # Panics
/// When there are no values.
pub fn quantile_sorted(sorted: &[f64], q: f64) -> f64 {
    let (index, way) = position(sorted.len(), q);
    match sorted.get(index + 1) {
        Some(&high) if way > 0.0 => between(sorted[index], high, way),
        _ => sorted[index],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agrees_with_numpy() {
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
    fn has_no_limit_of_two_to_the_24_values() {
        let count = (1usize << 24) + 11;
        // Every f32 below 2^24 is exact, so the ramp wraps round once at the top.
        let mut values: Vec<f32> = (0..count).rev().map(|i| (i % (1 << 24)) as f32).collect();
        // Eleven values occur twice, 0 to 10; the rest once.
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
        fn selecting_finds_what_sorting_finds(
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
