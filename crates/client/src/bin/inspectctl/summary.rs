//! The summary of a watch, a few lines at its end.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Instant;

use inspectd_client::proto::{Decision, Verdict};

use crate::format::{self, Correctness};

/// Percentiles are those of this number of latest frames: exact, in bounded memory.
const KEPT_LATENCIES: usize = 100_000;

/// Counts of the events of a watch.
#[derive(Debug, Default)]
pub struct Summary {
    decisions: BTreeMap<Decision, u64>,
    frames: FrameTimes,
    total: Latencies,
    inference: Latencies,
    correctness: CorrectnessCounts,
    missed_by_kind: BTreeMap<String, u64>,
    dropped: u64,
}

/// The number of frames, and the times of the first and the last one.
#[derive(Debug, Default)]
struct FrameTimes {
    count: u64,
    span: Option<(Instant, Instant)>,
}

/// Verdicts of parts of known condition.
#[derive(Debug, Default)]
struct CorrectnessCounts {
    found: u64,
    missed: u64,
    false_alarms: u64,
    passed: u64,
    not_judged: u64,
}

/// Latencies in milliseconds.
#[derive(Debug, Default)]
struct Latencies {
    last: VecDeque<f64>,
    max: f64,
}

impl Summary {
    /// Counts a verdict.
    pub fn add(&mut self, verdict: &Verdict, received: Instant) {
        *self.decisions.entry(verdict.decision()).or_default() += 1;
        if verdict.width > 0 {
            self.frames.add(received);
        }
        let timings = verdict.timings.unwrap_or_default();
        self.total.add(timings.total);
        self.inference.add(timings.inference);
        if let Some(correctness) = format::correctness(verdict) {
            self.correctness.add(correctness);
            if correctness == Correctness::DefectMissed {
                *self
                    .missed_by_kind
                    .entry(verdict.truth.clone())
                    .or_default() += 1;
            }
        }
    }

    /// Counts verdicts that the daemon dropped.
    pub fn add_gap(&mut self, missed: u64) {
        self.dropped = self.dropped.saturating_add(missed);
    }

    /// Returns the lines.
    pub fn describe(&self) -> String {
        let mut out = String::new();
        let count = |decision| self.decisions.get(&decision).copied().unwrap_or(0);
        let _ = writeln!(
            out,
            "{}: {} pass, {} reject, {} review, {} fault",
            format::count(self.decisions.values().sum(), "verdict"),
            count(Decision::Pass),
            count(Decision::Reject),
            count(Decision::Review),
            count(Decision::Fault)
        );
        if let Some(rate) = self.frames.rate() {
            let _ = writeln!(out, "{rate:.1} frames/s");
        }
        let latencies = [
            ("capture to verdict", &self.total),
            ("inference", &self.inference),
        ];
        for (name, latencies) in latencies {
            if let Some(line) = latencies.describe() {
                let _ = writeln!(out, "{name}, ms: {line}");
            }
        }
        if let Some(line) = self.correctness.describe() {
            let _ = writeln!(out, "{line}");
        }
        if !self.missed_by_kind.is_empty() {
            let kinds = self.missed_by_kind.iter();
            let kinds: Vec<_> = kinds
                .map(|(kind, count)| format!("{kind} {count}"))
                .collect();
            let _ = writeln!(out, "missed: {}", kinds.join(", "));
        }
        if self.dropped > 0 {
            let (verdicts, were) = (format::count(self.dropped, "verdict"), were(self.dropped));
            let _ = writeln!(out, "{verdicts} {were} dropped: read too slowly");
        }
        out
    }
}

impl FrameTimes {
    fn add(&mut self, received: Instant) {
        self.count += 1;
        self.span = Some(match self.span {
            None => (received, received),
            Some((first, _)) => (first, received),
        });
    }

    /// Frames per second: there is one interval less than frames.
    fn rate(&self) -> Option<f64> {
        let (first, last) = self.span?;
        let seconds = last.duration_since(first).as_secs_f64();
        (seconds > 0.0).then(|| (self.count - 1) as f64 / seconds)
    }
}

impl CorrectnessCounts {
    fn add(&mut self, correctness: Correctness) {
        let counter = match correctness {
            Correctness::DefectFound => &mut self.found,
            Correctness::DefectMissed => &mut self.missed,
            Correctness::FalseAlarm => &mut self.false_alarms,
            Correctness::GoodPassed => &mut self.passed,
            Correctness::NotJudged => &mut self.not_judged,
        };
        *counter += 1;
    }

    fn describe(&self) -> Option<String> {
        let judged = self.found + self.missed + self.false_alarms + self.passed;
        if judged + self.not_judged == 0 {
            return None;
        }
        let mut line = format!(
            "{} of known condition: {} found, {} missed, {}, {} passed",
            format::count(judged, "part"),
            format::count(self.found, "defect"),
            self.missed,
            format::count(self.false_alarms, "false alarm"),
            format::count(self.passed, "good part")
        );
        if self.not_judged > 0 {
            let _ = write!(line, "; {} more not judged", self.not_judged);
        }
        Some(line)
    }
}

impl Latencies {
    fn add(&mut self, duration: Option<prost_types::Duration>) {
        let Some(ms) = duration.map(format::milliseconds) else {
            return;
        };
        if self.last.len() == KEPT_LATENCIES {
            self.last.pop_front();
        }
        self.last.push_back(ms);
        self.max = self.max.max(ms);
    }

    fn describe(&self) -> Option<String> {
        let mut sorted: Vec<f64> = self.last.iter().copied().collect();
        if sorted.is_empty() {
            return None;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        let percentile = |share| sorted[rank(sorted.len(), share)];
        Some(format!(
            "p50 {:.1}, p95 {:.1}, p99 {:.1}, max {:.1}",
            percentile(0.5),
            percentile(0.95),
            percentile(0.99),
            self.max
        ))
    }
}

fn were(number: u64) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

/// The index of the nearest rank: the smallest of `len` sorted values that `share` of them do not exceed.
fn rank(len: usize, share: f64) -> usize {
    ((len as f64 * share).ceil() as usize).clamp(1, len) - 1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use inspectd_client::proto::Timings;

    use super::*;

    fn verdict(decision: Decision, truth: &str, total_ms: i32) -> Verdict {
        let ms = |ms: i32| {
            Some(prost_types::Duration {
                seconds: 0,
                nanos: ms * 1_000_000,
            })
        };
        Verdict {
            decision: decision.into(),
            truth: truth.into(),
            width: 256,
            timings: Some(Timings {
                total: ms(total_ms),
                inference: ms(total_ms / 2),
                ..Timings::default()
            }),
            ..Verdict::default()
        }
    }

    #[test]
    fn summary_has_counts_rate_latencies_and_correctness() {
        let mut summary = Summary::default();
        let start = Instant::now();
        let seen = [
            (Decision::Pass, "good", 10),
            (Decision::Reject, "scratch", 20),
            (Decision::Pass, "dent", 30),
            (Decision::Review, "good", 40),
            (Decision::Fault, "dent", 50),
        ];
        for (index, (decision, truth, ms)) in seen.into_iter().enumerate() {
            let received = start + Duration::from_millis(100) * index as u32;
            summary.add(&verdict(decision, truth, ms), received);
        }
        summary.add_gap(3);
        assert_eq!(
            summary.describe(),
            "5 verdicts: 2 pass, 1 reject, 1 review, 1 fault\n\
             10.0 frames/s\n\
             capture to verdict, ms: p50 30.0, p95 50.0, p99 50.0, max 50.0\n\
             inference, ms: p50 15.0, p95 25.0, p99 25.0, max 25.0\n\
             4 parts of known condition: 1 defect found, 1 missed, 1 false alarm, \
             1 good part passed; 1 more not judged\n\
             missed: dent 1\n\
             3 verdicts were dropped: read too slowly\n"
        );
    }

    #[test]
    fn summary_without_verdicts_is_one_line() {
        assert_eq!(
            Summary::default().describe(),
            "0 verdicts: 0 pass, 0 reject, 0 review, 0 fault\n"
        );
    }

    #[test]
    fn faults_without_frames_have_no_rate() {
        let mut summary = Summary::default();
        for _ in 0..2 {
            summary.add(&Verdict::default(), Instant::now());
        }
        assert!(!summary.describe().contains("frames/s"));
    }

    #[test]
    fn percentile_is_the_nearest_rank() {
        let check = |len, share, expected| assert_eq!(rank(len, share), expected);
        check(1, 0.99, 0);
        check(2, 0.5, 0);
        check(3, 0.5, 1);
        check(100, 0.95, 94);
        check(100, 0.99, 98);
        check(1000, 0.99, 989);
    }

    #[test]
    fn maximum_includes_latencies_that_are_no_longer_kept() {
        let mut latencies = Latencies::default();
        let ms = |nanos| Some(prost_types::Duration { seconds: 0, nanos });
        latencies.add(ms(90_000_000));
        for _ in 0..KEPT_LATENCIES {
            latencies.add(ms(1_000_000));
        }
        assert_eq!(latencies.last.len(), KEPT_LATENCIES);
        let line = latencies.describe().expect("there are some");
        assert_eq!(line, "p50 1.0, p95 1.0, p99 1.0, max 90.0");
    }
}
