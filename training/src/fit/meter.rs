//! Means of the losses between two log entries. The losses are summed on their device, so that values are
//! read from a GPU once per log entry instead of once per step.

use std::time::{Duration, Instant};

use tch::{Kind, Tensor};

/// Accumulates losses since the last reading.
#[derive(Debug)]
pub(super) struct Meter {
    sum: Option<Tensor>, // [losses]
    steps: u64,
    since: Instant,
    waited: Duration,
}

/// Mean losses and speed since the last reading.
#[derive(Clone, Debug)]
pub(super) struct MeterReading {
    /// Mean losses, in the order of the task.
    pub(super) losses: Vec<f64>,
    /// Number of steps since the last reading.
    pub(super) steps: u64,
    /// Steps per second.
    pub(super) rate: f64,
    /// Fraction of the time spent waiting for data, 0 to 1.
    pub(super) wait_share: f64,
}

impl Meter {
    pub(super) fn new(waited: Duration) -> Self {
        Self {
            sum: None,
            steps: 0,
            since: Instant::now(),
            waited,
        }
    }

    pub(super) fn add(&mut self, losses: &[Tensor]) {
        let losses: Vec<Tensor> = losses
            .iter()
            .map(|loss| loss.detach().to_kind(Kind::Float))
            .collect();
        let losses = Tensor::stack(&losses, 0);
        self.sum = Some(
            self.sum
                .take()
                .map_or_else(|| losses.copy(), |sum| sum + &losses),
        );
        self.steps += 1;
    }

    /// Returns the means since the last reading and resets the meter. Returns `None` if no step was added.
    pub(super) fn read(&mut self, waited: Duration) -> Option<MeterReading> {
        let sum = self.sum.take()?;
        let losses = Vec::<f64>::try_from(&sum.to_kind(Kind::Double)).expect("a vector of losses");
        let elapsed = self.since.elapsed().as_secs_f64();
        let reading = MeterReading {
            losses: losses.iter().map(|loss| loss / self.steps as f64).collect(),
            steps: self.steps,
            rate: self.steps as f64 / elapsed,
            wait_share: waited.saturating_sub(self.waited).as_secs_f64() / elapsed,
        };
        *self = Self::new(waited);
        Some(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_has_the_means_of_the_steps_since_the_last_one() {
        let mut meter = Meter::new(Duration::ZERO);
        assert!(meter.read(Duration::ZERO).is_none());
        for losses in [[1.0_f32, 10.0], [3.0, 30.0]] {
            meter.add(&losses.map(|loss| Tensor::from_slice(&[loss]).reshape([] as [i64; 0])));
        }
        let reading = meter.read(Duration::ZERO).expect("two steps");
        assert_eq!((reading.losses, reading.steps), (vec![2.0, 20.0], 2));
        assert!(meter.read(Duration::ZERO).is_none());
    }

    #[test]
    fn one_non_finite_step_makes_the_mean_non_finite() {
        let mut meter = Meter::new(Duration::ZERO);
        for loss in [1.0_f32, f32::NAN, 1.0] {
            meter.add(&[Tensor::from_slice(&[loss]).reshape([] as [i64; 0])]);
        }
        let reading = meter.read(Duration::ZERO).expect("three steps");
        assert!(reading.losses[0].is_nan());
    }
}
