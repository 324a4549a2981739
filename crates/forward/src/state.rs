//! The state of a sink, for status and metrics. The worker writes it, others read snapshots.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::clock::now;

/// Time over which the rate is measured.
const RATE_WINDOW: Duration = Duration::from_secs(5);
/// Time after which acknowledgements that fail are a fault of the sink.
const ACKNOWLEDGEMENT_PATIENCE: Duration = Duration::from_mins(1);

/// What a sink does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// It connects to the daemon.
    #[default]
    Connecting,
    /// It forwards.
    Running,
    /// The receiver does not store a batch, which is sent again.
    Retrying,
    /// Another program reads as its consumer. It stays stopped.
    Superseded,
    /// It was asked to stop.
    Stopped,
}

impl Activity {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Superseded => "superseded",
            Self::Stopped => "stopped",
        }
    }
}

/// An error and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// When it happened, RFC 3339.
    pub time: String,
    /// What happened.
    pub message: String,
}

/// A copy of the state. Counts are those since the start of the program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The id of the sink.
    pub sink: String,
    /// Its type.
    pub r#type: String,
    /// Its consumer.
    pub consumer: String,
    /// What it does.
    pub state: Activity,
    /// The sequence that it has acknowledged.
    pub position: u64,
    /// The newest sequence that is known.
    pub newest: u64,
    /// Sequences after the position.
    pub lag_verdicts: u64,
    /// How long the oldest verdict after the position has been waiting, as the daemon reports it.
    pub lag_s: f64,
    /// Records that the receiver confirmed.
    pub delivered: u64,
    /// Records that the receiver confirmed per second.
    pub rate: f64,
    /// Verdicts that the filter removed.
    pub filtered: u64,
    /// Gaps.
    pub gaps: u64,
    /// The largest possible number of verdicts that are missing because of gaps.
    pub missed: u64,
    /// Records that the receiver refused.
    pub dead_letters: u64,
    /// Attempts that failed and were repeated.
    pub retries: u64,
    /// Verdicts whose evidence was sent.
    pub evidence: u64,
    /// Verdicts whose evidence was no longer there.
    pub evidence_missing: u64,
    /// How long acknowledgements to the daemon have been failing; 0: they do not fail.
    #[serde(default)]
    pub acknowledgement_failing_s: f64,
    /// The last error.
    pub last_error: Option<LastError>,
}

impl Snapshot {
    /// Returns why the sink does not forward as it should; `None`: it does.
    pub fn fault(&self) -> Option<&'static str> {
        if self.state != Activity::Running {
            return Some(self.state.name());
        }
        let limit = ACKNOWLEDGEMENT_PATIENCE.as_secs_f64();
        (self.acknowledgement_failing_s >= limit).then_some("acknowledgements fail")
    }
}

#[derive(Debug, Default)]
struct Inner {
    snapshot: Snapshot,
    /// The beginning of the time of the rate, and the number of delivered records then.
    measured: Option<(Instant, u64)>,
    /// The first acknowledgement that failed after the last one that did not.
    failing_since: Option<Instant>,
}

/// The state of a sink.
#[derive(Debug)]
pub struct SinkState(Mutex<Inner>);

impl SinkState {
    /// The state of a sink that has just started.
    pub fn new(sink: &str, kind: &str, consumer: &str) -> Self {
        Self(Mutex::new(Inner {
            snapshot: Snapshot {
                sink: sink.to_owned(),
                r#type: kind.to_owned(),
                consumer: consumer.to_owned(),
                ..Snapshot::default()
            },
            measured: None,
            failing_since: None,
        }))
    }

    /// Returns a copy.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(Instant::now())
    }

    fn snapshot_at(&self, now: Instant) -> Snapshot {
        let inner = self.0.lock();
        let mut copy = inner.snapshot.clone();
        let failing = inner.failing_since;
        copy.acknowledgement_failing_s = failing.map_or(0.0, |since| {
            now.saturating_duration_since(since).as_secs_f64()
        });
        copy.lag_verdicts = copy.newest.saturating_sub(copy.position);
        if copy.lag_verdicts == 0 {
            copy.lag_s = 0.0;
        }
        copy
    }

    /// Changes the copy that readers see.
    pub fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.0.lock().snapshot);
    }

    /// Records what the sink does.
    pub fn activity(&self, state: Activity) {
        self.update(|snapshot| snapshot.state = state);
    }

    /// Records an error.
    pub fn error(&self, message: &str) {
        let error = LastError {
            time: now().to_string(),
            message: message.to_owned(),
        };
        self.update(|snapshot| snapshot.last_error = Some(error));
    }

    /// Records an open stream, whose sequences may have begun again.
    pub fn opened(&self, position: u64, newest: u64) {
        let mut inner = self.0.lock();
        inner.failing_since = None;
        inner.snapshot.state = Activity::Running;
        inner.snapshot.position = position;
        inner.snapshot.newest = newest;
    }

    /// Records a sequence that exists.
    pub fn newest(&self, sequence: u64) {
        self.update(|snapshot| snapshot.newest = snapshot.newest.max(sequence));
    }

    /// Records an acknowledgement.
    pub fn acknowledged(&self, sequence: u64) {
        let mut inner = self.0.lock();
        inner.failing_since = None;
        inner.snapshot.position = sequence;
    }

    /// Records an acknowledgement that failed.
    pub fn acknowledgement_failed(&self, message: &str, now: Instant) {
        self.error(message);
        self.0.lock().failing_since.get_or_insert(now);
    }

    /// Records what the daemon reports of the consumer.
    pub fn reported(&self, consumer: &inspectd_client::proto::Consumer) {
        let lag = consumer.lag.and_then(|lag| Duration::try_from(lag).ok());
        self.update(|snapshot| {
            snapshot.lag_s = lag.map_or(0.0, |lag| lag.as_secs_f64());
            snapshot.newest = snapshot
                .newest
                .max(consumer.acknowledged + consumer.pending);
        });
    }

    /// Measures the rate, if the period of the measurement has ended.
    pub fn measure_rate(&self, now: Instant) {
        let mut inner = self.0.lock();
        let delivered = inner.snapshot.delivered;
        match inner.measured {
            Some((since, before)) => {
                let elapsed = now.saturating_duration_since(since);
                if elapsed >= RATE_WINDOW {
                    inner.snapshot.rate = (delivered - before) as f64 / elapsed.as_secs_f64();
                    inner.measured = Some((now, delivered));
                }
            }
            None => inner.measured = Some((now, delivered)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_distance_from_the_position_to_the_newest_sequence() {
        let state = SinkState::new("mes", "files", "forward-mes");
        state.opened(5, 9);
        state.reported(&inspectd_client::proto::Consumer {
            acknowledged: 5,
            pending: 7,
            lag: Some(prost_types::Duration {
                seconds: 3,
                nanos: 500_000_000,
            }),
            ..Default::default()
        });
        let snapshot = state.snapshot();
        assert_eq!((snapshot.newest, snapshot.lag_verdicts), (12, 7));
        assert!((snapshot.lag_s - 3.5).abs() < 1e-9);
        state.acknowledged(12);
        let snapshot = state.snapshot();
        assert_eq!((snapshot.position, snapshot.lag_verdicts), (12, 0));
        assert!(snapshot.lag_s.abs() < 1e-9);
    }

    #[test]
    fn acknowledgements_that_fail_for_a_minute_are_a_fault() {
        let state = SinkState::new("mes", "files", "forward-mes");
        let start = Instant::now();
        let fault = |second| {
            let now = start + Duration::from_secs(second);
            state.snapshot_at(now).fault()
        };
        assert_eq!(fault(0), Some("connecting"));
        state.opened(5, 9);
        assert_eq!(fault(0), None);
        for second in [0, 1, 59] {
            let now = start + Duration::from_secs(second);
            state.acknowledgement_failed("acknowledgement of 7: no", now);
            assert_eq!(fault(second), None);
        }
        assert_eq!(fault(60), Some("acknowledgements fail"));
        let error = state.snapshot().last_error.expect("an error");
        assert_eq!(error.message, "acknowledgement of 7: no");
        state.acknowledged(7);
        assert_eq!(fault(120), None);
    }

    #[test]
    fn rate_is_measured_over_the_window() {
        let state = SinkState::new("mes", "files", "forward-mes");
        let start = Instant::now();
        state.measure_rate(start);
        state.update(|snapshot| snapshot.delivered = 50);
        state.measure_rate(start + Duration::from_secs(1));
        assert!(state.snapshot().rate.abs() < 1e-9);
        state.measure_rate(start + Duration::from_secs(10));
        assert!((state.snapshot().rate - 5.0).abs() < 1e-9);
    }
}
