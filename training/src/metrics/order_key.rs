//! Integer keys with the same order as map values: faster to sort and compare, and both zeros are equal.

const SIGN: u32 = 1 << 31;

/// Returns the key of a finite value.
pub(super) fn of(value: f32) -> u32 {
    // Adding zero turns minus zero into zero, so that equal values have equal keys.
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// Returns the value with the given key.
pub(super) fn value(key: u32) -> f32 {
    f32::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_have_the_order_of_the_values(
            one in proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO,
            other in proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO,
        ) {
            prop_assert_eq!(Some(of(one).cmp(&of(other))), one.partial_cmp(&other));
            prop_assert_eq!(value(of(one)).to_bits(), (one + 0.0).to_bits());
        }
    }

    #[test]
    fn both_zeros_have_the_same_key() {
        assert_eq!(of(-0.0), of(0.0));
    }
}
