//! How long frames of a stream waited in buffers, found by the stream's own timestamps.

/// Length of the two periods of which the smallest difference is remembered, milliseconds: the clocks of camera and
/// machine drift apart.
const PERIOD_MS: f64 = 300_000.0;

/// A longer delay is a stream whose timestamps began again, milliseconds.
const LONGEST_MS: f64 = 30_000.0;

/// The delay of frames against the fastest one: the differences between arrival and timestamp grow when frames wait in
/// the buffers of network and decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransitTime {
    /// Beginning of the present period, and the smallest differences of this and of the last one.
    period: Option<(f64, f64, f64)>,
}

impl TransitTime {
    /// Takes a frame with the timestamp `stamp_ms` that arrived at `now_ms`; returns its delay. The two clocks need not
    /// agree.
    pub fn delay_ms(&mut self, stamp_ms: f64, now_ms: f64) -> f64 {
        let difference = now_ms - stamp_ms;
        let (begun, least, before) = match self.period {
            Some(period) if now_ms - period.0 < PERIOD_MS => period,
            Some((_, least, _)) => (now_ms, difference, least),
            None => (now_ms, difference, difference),
        };
        let least = least.min(difference);
        let delay = difference - least.min(before);
        if delay > LONGEST_MS {
            self.period = Some((now_ms, difference, difference));
            return 0.0;
        }
        self.period = Some((begun, least, before));
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_waited_are_older_and_new_timestamps_are_a_new_beginning() {
        let mut transit = TransitTime::default();
        for (stamp_ms, now_ms, expected) in [
            (0.0, 1000.0, 0.0),
            (20.0, 1025.0, 5.0),
            // Faster than all before.
            (40.0, 1030.0, 0.0),
            // The reader was late.
            (60.0, 2050.0, 1000.0),
            (1080.0, 2080.0, 10.0),
            // The camera counts from 0 again.
            (0.0, 60_000.0, 0.0),
            (20.0, 60_040.0, 20.0),
        ] {
            let found = transit.delay_ms(stamp_ms, now_ms);
            assert!((found - expected).abs() < 1e-6, "{stamp_ms}: {found}");
        }
    }

    #[test]
    fn drift_of_the_clocks_is_forgotten_after_two_periods() {
        let mut transit = TransitTime::default();
        // A camera whose clock loses 0.1 ms in a second.
        let delays = (0..3600).map(|second| {
            let now_ms = f64::from(second) * 1000.0;
            transit.delay_ms(now_ms * 0.9999, now_ms)
        });
        let largest = delays.fold(0.0, f64::max);
        assert!((29.0..=60.1).contains(&largest), "{largest}");
    }
}
