//! Chart axes: position of a value in pixels, grid lines and labels.

/// A range of values mapped to a range of pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    low_px: f32,
    high_px: f32,
}

/// A grid line, with a label if there is space for one.
#[derive(Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) label: Option<String>,
}

impl Axis {
    /// Maps `low` to `low_px` and `high` to `high_px`. An empty range is widened by 1.
    pub(crate) fn new((low, high): (f64, f64), (low_px, high_px): (f32, f32)) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self {
            low,
            high,
            low_px,
            high_px,
        }
    }

    pub(crate) fn px(&self, value: f64) -> f32 {
        let share = (value - self.low) / (self.high - self.low);
        self.low_px + share as f32 * (self.high_px - self.low_px)
    }

    /// Ticks for counts; thousands are abbreviated as `20k`.
    pub(crate) fn count_ticks(&self) -> Vec<Tick> {
        let step = nice_step(self.high - self.low, 8.0).max(1.0);
        let label = |value: f64| {
            if step >= 1000.0 && value > 0.0 {
                format!("{}k", value / 1000.0)
            } else {
                format!("{value}")
            }
        };
        multiples(step, self.low, self.high)
            .map(|at| Tick {
                at,
                label: Some(label(at)),
            })
            .collect()
    }

    /// Ticks for arbitrary values, with at most `parts` intervals.
    pub(crate) fn ticks(&self, parts: f64) -> Vec<Tick> {
        let step = nice_step(self.high - self.low, parts);
        let decimals = decimals(step);
        multiples(step, self.low, self.high)
            .map(|at| Tick {
                at,
                // Avoids "-0" for a value rounded to zero.
                label: Some(format!("{:.decimals$}", at + 0.0)),
            })
            .collect()
    }

    /// Ticks for base-10 logarithms, labelled with the original values.
    pub(crate) fn log_ticks(&self) -> Vec<Tick> {
        let decades = self.high - self.low;
        if decades < 1.0 {
            self.ticks_within_decade()
        } else {
            self.decade_ticks(decades)
        }
    }

    /// Ticks at 1 to 9 times each power of ten; fewer labels if there are many powers.
    fn decade_ticks(&self, decades: f64) -> Vec<Tick> {
        let labelled: &[i32] = if decades < 2.0 { &[1, 2, 5] } else { &[1] };
        (self.low.floor() as i32..=self.high.ceil() as i32)
            .flat_map(|power| (1..10).map(move |digit| (digit, power)))
            .map(|(digit, power)| Tick {
                at: f64::from(digit).log10() + f64::from(power),
                label: labelled.contains(&digit).then(|| decimal(digit, power)),
            })
            .filter(|tick| (self.low..=self.high).contains(&tick.at))
            .collect()
    }

    /// Ticks for a range of less than one power of ten: round numbers, almost evenly spaced.
    fn ticks_within_decade(&self) -> Vec<Tick> {
        let (low, high) = (10_f64.powf(self.low), 10_f64.powf(self.high));
        let step = nice_step(high - low, 6.0);
        let decimals = decimals(step);
        multiples(step, low, high)
            .map(|value| Tick {
                at: value.log10(),
                label: Some(format!("{value:.decimals$}")),
            })
            .collect()
    }
}

/// Returns the smallest step of 1, 2 or 5 times a power of ten with at most `parts` steps in `extent`.
fn nice_step(extent: f64, parts: f64) -> f64 {
    let least = extent / parts;
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|step| *step >= least)
        .unwrap_or(10.0 * power)
}

/// Number of decimals that multiples of `step` need.
fn decimals(step: f64) -> usize {
    (-step.log10().floor()).max(0.0) as usize
}

/// Multiples of `step` from `low` to `high`, including the ends within rounding.
fn multiples(step: f64, low: f64, high: f64) -> impl Iterator<Item = f64> {
    let room = 1e-6;
    ((low / step - room).ceil() as i64..=(high / step + room).floor() as i64)
        .map(move |count| count as f64 * step)
}

/// Formats `digit` times ten to the power of `power`; written out if that is short.
fn decimal(digit: i32, power: i32) -> String {
    match power {
        -4..0 => format!("0.{}{digit}", "0".repeat((-power - 1) as usize)),
        0..5 => format!("{digit}{}", "0".repeat(power as usize)),
        _ => format!("{digit}e{power}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: Vec<Tick>) -> Vec<String> {
        ticks.into_iter().filter_map(|tick| tick.label).collect()
    }

    fn axis(low: f64, high: f64) -> Axis {
        Axis::new((low, high), (0.0, 100.0))
    }

    #[test]
    fn count_labels_are_round_and_short() {
        assert_eq!(
            labels(axis(0.0, 80_000.0).count_ticks()).join(" "),
            "0 10k 20k 30k 40k 50k 60k 70k 80k"
        );
        assert_eq!(
            labels(axis(0.0, 100.0).count_ticks()).join(" "),
            "0 20 40 60 80 100"
        );
        assert_eq!(labels(axis(0.0, 3.0).count_ticks()).join(" "), "0 1 2 3");
    }

    #[test]
    fn value_labels_have_the_precision_of_their_step() {
        let check = |low, high, parts, expected: &str| {
            assert_eq!(labels(axis(low, high).ticks(parts)).join(" "), expected);
        };
        check(0.0, 1.0, 5.0, "0.0 0.2 0.4 0.6 0.8 1.0");
        check(-0.12, 0.31, 5.0, "-0.1 0.0 0.1 0.2 0.3");
        check(3.0, 250.0, 6.0, "50 100 150 200 250");
        check(0.0, 0.3, 6.0, "0.00 0.05 0.10 0.15 0.20 0.25 0.30");
    }

    #[test]
    fn log_labels_are_decades_or_finer() {
        assert_eq!(
            labels(axis(-5.0, 1.0).log_ticks()).join(" "),
            "1e-5 0.0001 0.001 0.01 0.1 1 10"
        );
        assert_eq!(
            labels(axis(-1.1, 0.2).log_ticks()).join(" "),
            "0.1 0.2 0.5 1"
        );
        assert_eq!(
            labels(axis(-0.9, -0.7).log_ticks()).join(" "),
            "0.14 0.16 0.18"
        );
    }

    #[test]
    fn empty_range_has_positions_and_ticks() {
        let axis = axis(5.0, 5.0);
        assert!(axis.px(5.0).abs() < 1e-6);
        assert!(!axis.count_ticks().is_empty() && !axis.log_ticks().is_empty());
    }
}
