//! The last step of a verdict: counted, kept in memory, sent to the streams and to the caller that waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use chrono::Local;
use inspectd_core::id::CameraId;
use inspectd_core::record::{Fault, FaultReason, Outcome, Verdict};
use parking_lot::{Condvar, Mutex};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::entry::{InspectedImages, ReadyVerdict, VerdictEntry};
use super::shift_counts::{CountRequest, ShiftCounts, ShiftSnapshot};
use crate::clock::SharedClock;
use crate::config::settings::{OnFailure, Settings};
use crate::evidence::{CapturePolicy, DiskStore, Evidence, Recent};
use crate::journal::{CameraCount, Opened};
use crate::pipeline::camera_stats::{CameraStats, DecisionCounts};
use inspectd_core::moment::Moment;

/// `recorded` does not decrease while the wall clock is set back by less than this: searches by time are simpler.
const STEP_LIMIT: Duration = Duration::from_mins(10);

/// How often it is looked whether verdicts of the shift are to be counted in the journal, if nobody says so.
const COUNT_POLL: Duration = Duration::from_secs(1);

/// When a verdict was published, since the start of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishTimes {
    /// When it was durable, or no longer waited for the journal.
    pub committed: Duration,
    /// When the streams had it.
    pub published: Duration,
}

/// Called with each verdict once it is broadcast. Must not wait.
pub type OnPublished = Box<dyn Fn(&Arc<Verdict>, PublishTimes) + Send + Sync>;

/// What was broadcast since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The newest sequence; 0 before the first.
    pub sequence: u64,
    /// The oldest sequence in the journal; larger than `sequence` if the journal is empty.
    pub oldest: u64,
    /// The epoch of the journal; 0 without one.
    pub epoch: u64,
    /// First and last sequence that were lost with a journal that was replaced.
    pub lost: Option<(u64, u64)>,
    /// Verdicts of this run by decision.
    pub decisions: DecisionCounts,
    /// Verdicts of this run that were broadcast without a sequence.
    pub unjournalled: u64,
}

impl Totals {
    /// Sequences from the oldest in the journal to the newest.
    pub fn kept(self) -> u64 {
        (self.sequence + 1).saturating_sub(self.oldest)
    }

    /// Whether a verdict was lost with a journal that was replaced.
    pub fn is_lost(self, sequence: u64) -> bool {
        self.lost
            .is_some_and(|(first, last)| (first..=last).contains(&sequence))
    }

    /// Where a stream of all verdicts begins: with the oldest, or with those before it that were lost.
    pub fn oldest_or_lost(self) -> u64 {
        match self.lost {
            Some((first, last)) if last + 1 == self.oldest => first,
            _ => self.oldest,
        }
    }
}

/// What broadcasting changes, under one lock: the order of sequences is the order of the streams.
#[derive(Debug)]
struct BroadcastState {
    totals: Totals,
    recorded: SystemTime,
    recent: Recent,
    /// PASS verdicts of each camera since the evidence of one was kept.
    passed: HashMap<Option<CameraId>, u64>,
    policy: CapturePolicy,
    shift: ShiftCounts<Local>,
    /// No more verdicts are counted in the journal.
    closed: bool,
}

/// Broadcasts verdicts.
pub(super) struct Broadcaster {
    clock: SharedClock,
    start: Instant,
    run: Uuid,
    state: Mutex<BroadcastState>,
    /// Notified when verdicts of the shift are to be counted in the journal, and at the end.
    count_requested: Condvar,
    feed: broadcast::Sender<Arc<Verdict>>,
    disk_store: Option<DiskStore>,
    /// Whether a verdict that is not journalled keeps its outcome; otherwise it becomes a FAULT.
    continue_unjournalled: AtomicBool,
    on_published: OnPublished,
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
        on_published: OnPublished,
        clock: SharedClock,
    ) -> Self {
        Self {
            clock,
            start: start.monotonic,
            run,
            state: Mutex::new(BroadcastState {
                totals: Totals {
                    oldest: 1,
                    ..Totals::default()
                },
                recorded: start.utc,
                recent: Recent::new(settings.evidence.memory_limit),
                passed: HashMap::new(),
                policy: CapturePolicy::new(&settings.evidence),
                shift: ShiftCounts::new(
                    settings.shifts.starts.clone(),
                    Local,
                    start.utc,
                    settings.journal.folder.is_some(),
                ),
                closed: false,
            }),
            count_requested: Condvar::new(),
            feed: broadcast::Sender::new(settings.server.stream_backlog),
            disk_store,
            continue_unjournalled: AtomicBool::new(
                settings.journal.on_failure == OnFailure::Continue,
            ),
            on_published,
        }
    }

    pub(super) fn run(&self) -> Uuid {
        self.run
    }

    /// Applies settings that a reload changes.
    pub(super) fn apply(&self, settings: &Settings) {
        let continues = settings.journal.on_failure == OnFailure::Continue;
        self.continue_unjournalled
            .store(continues, Ordering::Relaxed);
        let mut state = self.state.lock();
        let now = state.recorded_at(self.clock.now().utc);
        let newest = state.totals.sequence;
        state.shift.set_starts(&settings.shifts.starts, now, newest);
        self.count_requested.notify_all();
    }

    /// Takes over the content of the opened journal: all sequences from `oldest` to `sequence`.
    pub(super) fn restore(&self, opened: &Opened) {
        let Opened {
            sequence,
            oldest,
            recorded,
            epoch,
            lost,
            ..
        } = *opened;
        let mut state = self.state.lock();
        state.totals.epoch = epoch;
        state.totals.lost = lost;
        state.totals.sequence = sequence.max(state.totals.sequence);
        state.totals.oldest = oldest.unwrap_or(state.totals.sequence + 1);
        // A time in the future is of a clock that has been corrected since.
        let latest = self.clock.now().utc + STEP_LIMIT;
        let recorded = recorded.filter(|recorded| *recorded <= latest);
        state.recorded = state.recorded.max(recorded.unwrap_or(state.recorded));
        state.shift.opened(sequence);
        self.count_requested.notify_all();
    }

    /// Verdicts before `oldest` are removed from the journal, and with them their evidence.
    pub(super) fn trimmed(&self, oldest: u64) {
        self.state.lock().totals.oldest = oldest;
        if let Some(disk_store) = &self.disk_store {
            disk_store.forget_before(oldest);
        }
    }

    /// The journal holds all sequences up to `sequence`, whether they were broadcast or not.
    pub(super) fn reached(&self, sequence: u64) {
        let mut state = self.state.lock();
        state.totals.sequence = sequence.max(state.totals.sequence);
    }

    /// Makes a verdict with this sequence; 0 is none.
    pub(super) fn ready(&self, entry: VerdictEntry, sequence: u64) -> ReadyVerdict {
        let VerdictEntry {
            moment,
            subject,
            outcome,
            images,
            stats,
            reply,
        } = entry;
        let mut state = self.state.lock();
        state.recorded = state.recorded_at(self.clock.now().utc);
        let (recorded, newest) = (state.recorded, state.totals.sequence);
        state.shift.advance(recorded, newest);
        let mut verdict = Verdict {
            sequence,
            run: self.run,
            captured: moment.utc,
            since_start: moment.monotonic.saturating_duration_since(self.start),
            recorded: state.recorded,
            evidence: false,
            unconfirmed: false,
            subject,
            outcome,
        };
        // Evidence files are named by the sequence.
        let storable = self.disk_store.is_some() && images.is_some() && sequence > 0;
        verdict.evidence = storable && state.keeps_evidence(&verdict);
        drop(state);
        ReadyVerdict {
            verdict: Arc::new(verdict),
            images,
            stats,
            reply,
        }
    }

    /// Broadcasts the next verdict of a pipeline without a journal.
    pub(super) fn broadcast_next(&self, entry: VerdictEntry) {
        let ready = self.ready(entry, 0);
        self.broadcast_as(ready, None);
    }

    /// Broadcasts a verdict that is in the journal.
    pub(super) fn broadcast(&self, ready: ReadyVerdict) {
        let sequence = ready.verdict.sequence;
        self.broadcast_as(ready, Some(sequence));
    }

    /// Broadcasts a verdict that should be in the journal and is not.
    pub(super) fn broadcast_unjournalled(&self, entry: VerdictEntry) {
        let ready = self.ready(entry, 0);
        self.broadcast_withdrawn(ready, self.continues());
    }

    /// Whether verdicts that are not journalled are broadcast unchanged. A reload may change it, so it is asked once for
    /// each write.
    pub(super) fn continues(&self) -> bool {
        self.continue_unjournalled.load(Ordering::Relaxed)
    }

    /// Broadcasts a verdict that is not journalled in time, without its sequence; unchanged if the line `continues`.
    pub(super) fn broadcast_withdrawn(&self, mut ready: ReadyVerdict, continues: bool) {
        let mut verdict = withdrawn(&ready.verdict, continues);
        verdict.sequence = 0;
        ready.verdict = Arc::new(verdict);
        self.broadcast_as(ready, Some(0));
    }

    /// Broadcasts a verdict as `sequence`; as the next one if `None`.
    fn broadcast_as(&self, ready: ReadyVerdict, sequence: Option<u64>) {
        let ReadyVerdict {
            mut verdict,
            images,
            stats,
            reply,
        } = ready;
        let committed = self.since_start();
        if let Some(stats) = stats {
            count(&stats, &verdict);
        }
        let disk_store = self.disk_store.as_ref().filter(|_| verdict.evidence);
        let stored_images = disk_store.and(images.clone());
        let evicted = {
            let mut state = self.state.lock();
            let sequence = sequence.unwrap_or(state.totals.sequence + 1);
            if verdict.sequence != sequence {
                Arc::make_mut(&mut verdict).sequence = sequence;
            }
            state.totals.decisions.add(verdict.decision());
            state.shift.count(&verdict);
            state.totals.unjournalled += u64::from(sequence == 0);
            state.totals.sequence = state.totals.sequence.max(sequence);
            // An error means that nobody subscribes.
            let _ = self.feed.send(Arc::clone(&verdict));
            let images = images.filter(|_| sequence > 0);
            images.map(|images| state.recent.push(evidence(&verdict, images)))
        };
        // Freed outside the lock.
        drop(evicted);
        if let (Some(disk_store), Some(images)) = (disk_store, stored_images) {
            disk_store.keep(evidence(&verdict, images));
        }
        let published = self.since_start();
        let times = PublishTimes {
            committed,
            published,
        };
        (self.on_published)(&verdict, times);
        if let Some(reply) = reply {
            reply(verdict);
        }
    }

    fn since_start(&self) -> Duration {
        let now = self.clock.now().monotonic;
        now.saturating_duration_since(self.start)
    }

    /// All verdicts from now on, and what was broadcast until now.
    pub(super) fn subscribe(&self) -> (broadcast::Receiver<Arc<Verdict>>, Totals) {
        let state = self.state.lock();
        (self.feed.subscribe(), state.totals)
    }

    pub(super) fn evidence(&self, sequence: u64) -> Option<Evidence> {
        self.state.lock().recent.get(sequence).cloned()
    }

    pub(super) fn disk_store(&self) -> Option<&DiskStore> {
        self.disk_store.as_ref()
    }

    pub(super) fn totals(&self) -> Totals {
        self.state.lock().totals
    }

    /// What was broadcast, and the present shift, at the same moment.
    pub(super) fn counts(&self) -> (Totals, ShiftSnapshot) {
        let mut state = self.state.lock();
        let now = state.recorded_at(self.clock.now().utc);
        let totals = state.totals;
        state.shift.advance(now, totals.sequence);
        (totals, state.shift.snapshot())
    }

    /// Forgets what a camera that is added or removed counted in the shift.
    pub(super) fn forget_camera(&self, camera: &CameraId) {
        self.state.lock().shift.forget(camera);
    }

    /// Waits until verdicts of the shift are to be counted in the journal, at least for `pause`. Returns `None` once the
    /// broadcaster is closed.
    pub(super) fn next_count(&self, pause: Duration) -> Option<CountRequest> {
        let mut state = self.state.lock();
        let mut waited = Duration::ZERO;
        while !state.closed {
            if let Some(request) = state.shift.request().filter(|_| waited >= pause) {
                return Some(request);
            }
            let wait = self.count_requested.wait_for(&mut state, COUNT_POLL);
            if wait.timed_out() {
                waited += COUNT_POLL;
            }
        }
        None
    }

    /// Adds the verdicts of a request that were counted in the journal.
    pub(super) fn add_earlier(&self, request: CountRequest, counts: &[CameraCount]) {
        self.state.lock().shift.add_earlier(request, counts);
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.count_requested.notify_all();
        if let Some(disk_store) = &self.disk_store {
            disk_store.close();
        }
    }
}

/// The verdict as it is when it is not journalled in time.
pub(super) fn withdrawn(verdict: &Verdict, continues: bool) -> Verdict {
    let mut verdict = verdict.clone();
    verdict.evidence = false;
    if !continues {
        let message = "the verdict could not be journalled";
        verdict.outcome = Outcome::Fault(Fault::new(FaultReason::Journal, message));
    }
    verdict
}

/// Counts a verdict in the statistics of its camera.
fn count(stats: &CameraStats, verdict: &Verdict) {
    let decision = verdict.decision();
    let mut stats = stats.lock();
    // The fault of a camera has no frame.
    if verdict.subject.frame_id == 0 {
        stats.decisions.add(decision);
    } else if matches!(verdict.outcome, Outcome::Fault(_)) {
        stats.faulted(decision);
    } else {
        stats.judged(decision);
    }
}

fn evidence(verdict: &Arc<Verdict>, images: InspectedImages) -> Evidence {
    Evidence {
        verdict: Arc::clone(verdict),
        frame: images.captured,
        anomaly_map: images.anomaly_map,
    }
}

impl BroadcastState {
    /// The time of recording of a verdict that is made now.
    fn recorded_at(&self, now: SystemTime) -> SystemTime {
        if self.recorded > now + STEP_LIMIT {
            now
        } else {
            self.recorded.max(now)
        }
    }

    /// Whether evidence files of this verdict are kept.
    fn keeps_evidence(&mut self, verdict: &Verdict) -> bool {
        let camera = verdict.subject.camera.clone();
        self.policy
            .keeps(verdict, self.passed.entry(camera).or_default())
    }
}
