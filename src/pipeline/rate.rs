//! Events per second, over the last ten seconds.

use std::time::Duration;

/// Length of the window, in seconds.
const WINDOW: u64 = 10;

/// Counters of the last seconds, one slot for each second. The time is an argument.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// The second that a slot counts, and its counter.
    slots: [(u64, u32); WINDOW as usize + 1],
}

impl Rate {
    /// Counts one event at `now`, from any fixed start.
    pub fn add(&mut self, now: Duration) {
        let second = now.as_secs();
        let slot = &mut self.slots[(second % (WINDOW + 1)) as usize];
        if slot.0 != second {
            *slot = (second, 0);
        }
        slot.1 += 1;
    }

    /// Events per second at `now`, over the last ten whole seconds, or over all of them if fewer passed.
    pub fn per_second(&self, now: Duration) -> f32 {
        let second = now.as_secs();
        if second == 0 {
            return self.slots[0].1 as f32 / now.as_secs_f32().max(0.1);
        }
        let from = second.saturating_sub(WINDOW);
        let counted = |slot: &&(u64, u32)| (from..second).contains(&slot.0);
        let sum: u32 = self.slots.iter().filter(counted).map(|slot| slot.1).sum();
        sum as f32 / (second - from) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_events_per_second_are_20_and_fall_to_0_within_the_window() {
        let mut rate = Rate::default();
        for tick in 0..600 {
            rate.add(Duration::from_millis(tick * 50));
        }
        let check = |seconds: u64, expected: f32| {
            let found = rate.per_second(Duration::from_secs(seconds));
            assert!((found - expected).abs() < 1e-3, "{seconds} s: {found}");
        };
        check(30, 20.0);
        check(35, 10.0);
        check(41, 0.0);
    }

    #[test]
    fn the_first_two_seconds_are_averaged_over_two_seconds() {
        let mut rate = Rate::default();
        for tick in 0..20 {
            rate.add(Duration::from_millis(tick * 100));
        }
        assert!((rate.per_second(Duration::from_secs(2)) - 10.0).abs() < 1e-3);
    }
}
