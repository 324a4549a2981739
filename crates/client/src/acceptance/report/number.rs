//! Numbers as text.

use crate::acceptance::criteria::percent;

/// A score, with four digits after the point, or more for small ones.
pub(super) fn score(value: f64) -> String {
    significant(value, 4)
}

/// A number with at least `digits` digits after the point, and with three significant digits.
pub(super) fn significant(value: f64, digits: usize) -> String {
    if value.total_cmp(&0.0).is_eq() {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    if magnitude < -6.0 {
        return format!("{value:.2e}");
    }
    let wanted = (2.0 - magnitude).max(0.0) as usize;
    format!("{value:.*}", wanted.max(digits).min(9))
}

/// A capability; `unlimited` without one.
pub(super) fn capability(value: Option<f64>) -> String {
    value.map_or_else(|| "unlimited".to_owned(), |value| format!("{value:.2}"))
}

/// A kappa; why there is none.
pub(super) fn kappa(value: Option<f64>) -> String {
    value.map_or_else(|| "not defined".to_owned(), |value| format!("{value:.3}"))
}

/// An interval of a share, in percent.
pub(super) fn between([low, high]: [f64; 2]) -> String {
    format!("{} to {}", percent(low), percent(high))
}

/// A share of counts, in percent.
pub(super) fn share(count: u64, of: u64) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    percent(count as f64 / of as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_enough_digits() {
        for (value, expected) in [
            (0.312_345, "0.3123"),
            (0.000_312_345, "0.000312"),
            (0.0, "0"),
            (123.456, "123.4560"),
            (1.2e-9, "1.20e-9"),
            (-0.05, "-0.0500"),
        ] {
            assert_eq!(score(value), expected);
        }
        assert_eq!(significant(12.345, 1), "12.3");
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(0, 0), "-");
    }
}
