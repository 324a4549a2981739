//! Runs schedules on several threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use inspectd_test_support::{onnx_runtime, require};

use super::{Seen, WANTED, simulate};

/// Schedules after which the progress is shown.
const PROGRESS: u64 = 10_000;

/// Schedules, unless `INSPECTD_SIMULATE_SEEDS` is set.
const SEEDS: u64 = 10_000;

/// Threads that run schedules.
const THREADS: u64 = 2;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}: must be a whole number")))
}

#[test]
fn invariants_hold_in_random_schedules() {
    require!(onnx_runtime());
    if let Some(seed) = number("INSPECTD_SIMULATE_SEED") {
        println!("{:#?}", simulate(seed));
        return;
    }
    let seeds = number("INSPECTD_SIMULATE_SEEDS").unwrap_or(SEEDS);
    let begin = number("INSPECTD_SIMULATE_FIRST").unwrap_or(0);
    let done = AtomicU64::new(0);
    let begun = Instant::now();
    let all = |first: u64| {
        let mut seen = Seen::new();
        for seed in (begin + first..begin + seeds).step_by(THREADS as usize) {
            let result = std::panic::catch_unwind(|| simulate(seed));
            let Ok(found) = result else {
                panic!("schedule {seed} failed; repeat it with INSPECTD_SIMULATE_SEED={seed}");
            };
            for (what, count) in found {
                *seen.entry(what).or_default() += count;
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(PROGRESS) {
                let rate = done as f64 / begun.elapsed().as_secs_f64();
                let left = (seeds - done) as f64 / rate / 60.0;
                eprintln!("{done} of {seeds} schedules, {rate:.0} a second, {left:.0} min left");
            }
        }
        seen
    };
    let seen = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|first| scope.spawn(move || all(first)))
            .collect();
        let mut seen = Seen::new();
        for thread in threads {
            let found = thread.join();
            for (what, count) in found.unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                *seen.entry(what).or_default() += count;
            }
        }
        seen
    });
    println!("{seeds} schedules: {seen:#?}");
    if seeds >= 100 {
        for what in WANTED {
            assert!(seen.contains_key(what), "no schedule comes to: {what}");
        }
    }
}
