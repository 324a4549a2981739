//! Means of the losses between two entries of the log, summed where they are so that a GPU is asked
//! for them once an entry, not once a step.

use std::time::{Duration, Instant};

use tch::{Kind, Tensor};

/// Gathers losses since the last reading.
#[derive(Debug)]
pub(super) struct Meter {
    sum: Option<Tensor>, // [losses]
    steps: u64,
    since: Instant,
    waited: Duration,
}

/// What was gathered.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// Means, in the task's order.
    pub(super) losses: Vec<f64>,
    /// Steps that the means are over.
    pub(super) steps: u64,
    /// Steps a second.
    pub(super) rate: f64,
    /// Share of the time that went into waiting for data, 0 to 1.
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

    /// The reading since the last one, nothing when there was no step.
    pub(super) fn read(&mut self, waited: Duration) -> Option<Reading> {
        let sum = self.sum.take()?;
        let losses = Vec::<f64>::try_from(&sum.to_kind(Kind::Double)).expect("a vector of losses");
        let elapsed = self.since.elapsed().as_secs_f64();
        let reading = Reading {
            losses: losses.iter().map(|loss| loss / self.steps as f64).collect(),
            steps: self.steps,
            rate: self.steps as f64 / elapsed,
            wait_share: waited.saturating_sub(self.waited).as_secs_f64() / elapsed,
        };
        *self = Self::new(waited);
        Some(reading)
    }
}
