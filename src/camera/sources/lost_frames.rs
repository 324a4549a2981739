//! Frames that a driver lost, found by the times of capture.

use std::time::{Duration, Instant};

/// A frame is missing if the time since the last one is at least this many times the interval: timestamps vary a little.
const MISSING: f64 = 1.75;

/// Finds lost frames of a camera that captures at a fixed rate. OpenCV does not show the frame numbers of the driver.
#[derive(Clone, Copy, Debug)]
pub struct LostFrames {
    interval: Duration,
    last: Option<Instant>,
}

impl LostFrames {
    /// A camera that captures `fps` frames per second.
    pub fn at_rate(fps: f64) -> Self {
        Self {
            interval: Duration::from_secs_f64(1.0 / fps),
            last: None,
        }
    }

    /// Takes the time of capture of a frame; returns the number of frames that were lost before it.
    pub fn before(&mut self, captured: Instant) -> u64 {
        let Some(last) = self.last.replace(captured) else {
            return 0;
        };
        let passed = captured.saturating_duration_since(last).as_secs_f64();
        let intervals = passed / self.interval.as_secs_f64();
        if intervals < MISSING {
            return 0;
        }
        intervals.round() as u64 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::clock::tests::ManualClock;

    #[test]
    fn gap_of_several_intervals_is_lost_frames_and_jitter_is_not() {
        let start = ManualClock::new().now().monotonic;
        let mut lost = LostFrames::at_rate(50.0);
        for (ms, expected) in [
            (1000, 0),
            (1020, 0),
            (1054, 0),
            (1060, 0),
            (1100, 1),
            (1200, 4),
            (1220, 0),
            (1219, 0),
        ] {
            let found = lost.before(start + Duration::from_millis(ms));
            assert_eq!(found, expected, "{ms} ms");
        }
    }
}
