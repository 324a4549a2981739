//! The last step of a verdict: counted, kept, handed to the streams and to who waits for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::broadcast;
use uuid::Uuid;

use super::{Entry, Seen};
use crate::config::settings::{OnFailure, Settings};
use crate::evidence::{CapturePolicy, DiskStore, Evidence, Recent};
use crate::pipeline::camera_stats::{CameraStats, DecisionCounts};
use crate::pipeline::job::Reply;
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::record::{Fault, FaultReason, Outcome, Verdict};

/// Is told of each verdict once it is announced; must not wait.
pub type Made = Box<dyn Fn(&Arc<Verdict>) + Send + Sync>;

/// A verdict with its sequence, and all that its announcement needs.
pub(super) struct Ready {
    pub(super) verdict: Arc<Verdict>,
    seen: Seen,
    board: Option<Arc<CameraStats>>,
    reply: Option<Reply>,
}

/// What has been announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The newest sequence; 0 if there is none yet.
    pub sequence: u64,
    /// The oldest sequence that the journal keeps; above `sequence` if it keeps none.
    pub oldest: u64,
    /// All verdicts of this run.
    pub decisions: DecisionCounts,
    /// Verdicts that were announced without a sequence.
    pub unjournalled: u64,
}

impl Totals {
    /// Sequences from the oldest that the journal keeps to the newest.
    pub fn kept(self) -> u64 {
        (self.sequence + 1).saturating_sub(self.oldest)
    }
}

/// What announcing changes, under one lock: the order of sequences is the order of the streams.
#[derive(Debug)]
struct State {
    totals: Totals,
    recorded: SystemTime,
    recent: Recent,
    /// PASS verdicts of each camera since one was kept.
    passed: HashMap<Option<CameraId>, u64>,
    policy: CapturePolicy,
}

/// Announces verdicts.
pub(super) struct Broadcaster {
    start: Instant,
    run: Uuid,
    state: Mutex<State>,
    feed: broadcast::Sender<Arc<Verdict>>,
    disk_store: Option<DiskStore>,
    /// Whether a verdict that could not be journalled is announced as it is.
    goes_on: AtomicBool,
    made: Made,
}

impl std::fmt::Debug for Broadcaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broadcaster")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

impl Broadcaster {
    pub(super) fn new(
        start: Moment,
        run: Uuid,
        settings: &Settings,
        disk_store: Option<DiskStore>,
        made: Made,
    ) -> Self {
        Self {
            start: start.monotonic,
            run,
            state: Mutex::new(State {
                totals: Totals {
                    oldest: 1,
                    ..Totals::default()
                },
                recorded: start.utc,
                recent: Recent::new(settings.evidence.memory_limit),
                passed: HashMap::new(),
                policy: CapturePolicy::new(&settings.evidence),
            }),
            feed: broadcast::Sender::new(settings.server.stream_backlog),
            disk_store,
            goes_on: AtomicBool::new(settings.journal.on_failure == OnFailure::Continue),
            made,
        }
    }

    pub(super) fn run(&self) -> Uuid {
        self.run
    }

    pub(super) fn apply(&self, settings: &Settings) {
        let goes_on = settings.journal.on_failure == OnFailure::Continue;
        self.goes_on.store(goes_on, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The journal holds all sequences from `oldest` up to `sequence`.
    pub(super) fn restore(&self, sequence: u64, oldest: Option<u64>, recorded: Option<SystemTime>) {
        let mut state = self.lock();
        state.totals.sequence = sequence.max(state.totals.sequence);
        state.totals.oldest = oldest.unwrap_or(state.totals.sequence + 1);
        state.recorded = state.recorded.max(recorded.unwrap_or(state.recorded));
    }

    /// What is below is gone from the journal.
    pub(super) fn trimmed(&self, oldest: u64) {
        self.lock().totals.oldest = oldest;
        if let Some(disk_store) = &self.disk_store {
            disk_store.forget_before(oldest);
        }
    }

    /// The journal holds everything up to `sequence`, announced or not.
    pub(super) fn reached(&self, sequence: u64) {
        let mut state = self.lock();
        state.totals.sequence = sequence.max(state.totals.sequence);
    }

    /// Numbers a verdict.
    pub(super) fn ready(&self, entry: Entry, sequence: u64) -> Ready {
        let Entry {
            moment,
            subject,
            outcome,
            seen,
            board,
            reply,
        } = entry;
        let mut state = self.lock();
        state.recorded = state.recorded.max(SystemTime::now());
        let mut verdict = Verdict {
            sequence,
            run: self.run,
            captured: moment.utc,
            since_start: moment.monotonic.saturating_duration_since(self.start),
            recorded: state.recorded,
            evidence: false,
            subject,
            outcome,
        };
        // Without a sequence there is no name for the files.
        let kept = self.disk_store.is_some() && seen.is_some() && sequence > 0;
        verdict.evidence = kept && state.keeps(&verdict);
        drop(state);
        Ready {
            verdict: Arc::new(verdict),
            seen,
            board,
            reply,
        }
    }

    /// Announces the next verdict of a line without a journal.
    pub(super) fn announce_next(&self, entry: Entry) {
        let ready = self.ready(entry, 0);
        self.announce_as(ready, None);
    }

    /// Announces a verdict that is in the journal.
    pub(super) fn announce(&self, ready: Ready) {
        let sequence = ready.verdict.sequence;
        self.announce_as(ready, Some(sequence));
    }

    /// Announces a verdict that is not in the journal, and should be.
    pub(super) fn announce_unjournalled(&self, entry: Entry) {
        let ready = self.ready(entry, 0);
        self.announce_withdrawn(ready);
    }

    /// Announces a verdict that was on its way into the journal without its sequence.
    pub(super) fn announce_withdrawn(&self, mut ready: Ready) {
        let mut verdict = self.withdrawn(&ready.verdict);
        verdict.sequence = 0;
        ready.verdict = Arc::new(verdict);
        self.announce_as(ready, Some(0));
    }

    /// What becomes of a verdict that could not be journalled in time.
    pub(super) fn withdrawn(&self, verdict: &Verdict) -> Verdict {
        let mut verdict = verdict.clone();
        verdict.evidence = false;
        if !self.goes_on.load(Ordering::Relaxed) {
            let message = "the verdict could not be journalled";
            verdict.outcome = Outcome::Fault(Fault::new(FaultReason::Journal, message));
        }
        verdict
    }

    /// Announces a verdict under `sequence`; under the next one if unset.
    fn announce_as(&self, ready: Ready, sequence: Option<u64>) {
        let Ready {
            mut verdict,
            seen,
            board,
            reply,
        } = ready;
        let decision = verdict.decision();
        if let Some(board) = board {
            let mut facts = board.lock();
            // A camera's trouble has no frame, and is none of its frames.
            if verdict.subject.frame_id == 0 {
                facts.decisions.add(decision);
            } else if matches!(verdict.outcome, Outcome::Fault(_)) {
                facts.faulted(decision);
            } else {
                facts.judged(decision);
            }
        }
        let disk_store = self.disk_store.as_ref().filter(|_| verdict.evidence);
        let shelved = disk_store.and(seen.clone());
        let gone = {
            let mut state = self.lock();
            let sequence = sequence.unwrap_or(state.totals.sequence + 1);
            if verdict.sequence != sequence {
                Arc::make_mut(&mut verdict).sequence = sequence;
            }
            state.totals.decisions.add(decision);
            state.totals.unjournalled += u64::from(sequence == 0);
            state.totals.sequence = state.totals.sequence.max(sequence);
            // Nobody listening is no error.
            let _ = self.feed.send(Arc::clone(&verdict));
            let evidence = seen.map(|(frame, anomaly_map)| Evidence {
                verdict: Arc::clone(&verdict),
                frame,
                anomaly_map,
            });
            evidence
                .filter(|_| sequence > 0)
                .map(|evidence| state.recent.push(evidence))
        };
        drop(gone);
        if let (Some(disk_store), Some((frame, anomaly_map))) = (disk_store, shelved) {
            disk_store.keep(Evidence {
                verdict: Arc::clone(&verdict),
                frame,
                anomaly_map,
            });
        }
        (self.made)(&verdict);
        if let Some(reply) = reply {
            reply(verdict);
        }
    }

    /// All verdicts from now on, and what was announced until now.
    pub(super) fn subscribe(&self) -> (broadcast::Receiver<Arc<Verdict>>, Totals) {
        let state = self.lock();
        (self.feed.subscribe(), state.totals)
    }

    pub(super) fn evidence(&self, sequence: u64) -> Option<Evidence> {
        self.lock().recent.get(sequence).cloned()
    }

    pub(super) fn disk_store(&self) -> Option<&DiskStore> {
        self.disk_store.as_ref()
    }

    pub(super) fn totals(&self) -> Totals {
        self.lock().totals
    }

    pub(super) fn close(&self) {
        if let Some(disk_store) = &self.disk_store {
            disk_store.close();
        }
    }
}

impl State {
    /// Whether files of this verdict are kept.
    fn keeps(&mut self, verdict: &Verdict) -> bool {
        let passed = self
            .passed
            .entry(verdict.subject.camera.clone())
            .or_default();
        self.policy.keeps(verdict, passed)
    }
}
