//! The bounded queue of verdicts that wait for the journal, and the state of the write in progress.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::entry::{ReadyVerdict, VerdictEntry};
use crate::clock::SharedClock;
use crate::journal::{Consumer, JournalError, Label};

/// Verdicts that may wait. One more waits for room in the thread that made it: a disk that is slower than
/// the pipeline slows the pipeline down, until writes count as stalled.
const CAPACITY: usize = 1024;

/// Most verdicts of one write.
const BATCH: usize = 1024;

/// Most consumers that the journal keeps.
pub(super) const CONSUMER_LIMIT: usize = 256;

/// Most acknowledgements and labels that may wait.
const ACKNOWLEDGEMENT_CAPACITY: usize = 4096;

/// Longest sleep of a waiting thread before it checks again.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Why verdicts are not journalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalTrouble {
    /// Start of the trouble.
    pub since: SystemTime,
    /// The error as text.
    pub message: String,
}

/// Why an acknowledgement was not recorded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AcknowledgeError {
    /// The journal keeps the largest number of consumers already.
    #[error("there are {CONSUMER_LIMIT} consumers already")]
    Full,
    /// Writes take longer than the stall timeout, or too many acknowledgements wait.
    #[error("journal writes are stalled")]
    Stalled,
    /// The journal cannot be opened.
    #[error("the journal cannot be opened")]
    NotOpen,
    /// The write failed.
    #[error("the journal cannot be written: {0}")]
    Journal(Arc<JournalError>),
}

/// What a client changes in the journal.
#[derive(Debug)]
pub(super) enum Change {
    /// The state of a consumer; `None` removes it.
    Consumer(String, Option<Consumer>),
    /// The label of a verdict; `None` removes it.
    Label(u64, Option<Label>),
}

/// The change of a client, on its way to the journal.
#[derive(Debug)]
pub(super) struct Acknowledgement {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<Result<(), AcknowledgeError>>,
}

/// What the committer takes for one write.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) entries: Vec<VerdictEntry>,
    pub(super) acknowledgements: Vec<Acknowledgement>,
    pub(super) counters: BTreeMap<String, u64>,
}

/// Verdicts that are published without the journal, because its writes are stalled.
#[derive(Default)]
pub(super) struct Overdue {
    /// Verdicts that waited for a write.
    pub(super) entries: Vec<VerdictEntry>,
    /// Verdicts of the write in progress, which may reach the disk later.
    pub(super) ready: Vec<ReadyVerdict>,
    /// Whether those of the write are published unchanged.
    pub(super) continues: bool,
}

/// What the journal's thread does while it does not wait for the queue.
struct Work {
    /// When it last made progress.
    since: Instant,
    /// The verdicts of a write; `None` once they were published without the journal.
    ready: Option<Vec<ReadyVerdict>>,
    /// Whether these verdicts are published unchanged if the write takes too long.
    continues: bool,
}

#[derive(Default)]
struct QueueState {
    entries: VecDeque<VerdictEntry>,
    acknowledgements: VecDeque<Acknowledgement>,
    /// `None` while the thread waits for the queue.
    work: Option<Work>,
    /// The work takes too long: nothing waits for it.
    stalled: bool,
    trouble: Option<JournalTrouble>,
    /// `None` before the journal was opened.
    consumers: Option<BTreeMap<String, Consumer>>,
    counters: BTreeMap<String, u64>,
    /// Counters that were changed since the last write.
    changed_counters: BTreeMap<String, u64>,
    /// Number of journals that were set aside since the start.
    generation: u64,
    /// What a check has found damaged, and was not handled yet; with the generation that was checked.
    damage: Option<(u64, String)>,
    /// Verdicts that were taken are not broadcast yet.
    busy: bool,
    closed: bool,
}

/// The queue between the threads that make verdicts and the thread that writes the journal.
pub(super) struct CommitQueue {
    state: Mutex<QueueState>,
    filled: Condvar,
    emptied: Condvar,
    /// The journal may be damaged: it is to be checked.
    suspected: AtomicBool,
    /// Size of the write-ahead log when the journal's thread last looked.
    wal_bytes: AtomicU64,
    stall_timeout: Duration,
    clock: SharedClock,
}

impl std::fmt::Debug for CommitQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitQueue").finish_non_exhaustive()
    }
}

impl Taken {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.acknowledgements.is_empty()
    }
}

impl CommitQueue {
    pub(super) fn new(stall_timeout: Duration, clock: SharedClock) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            suspected: AtomicBool::new(false),
            wal_bytes: AtomicU64::new(0),
            stall_timeout,
            clock,
        }
    }

    /// Queues a verdict; waits for room if `wait`. Returns it where writes are stalled or the queue is
    /// closed.
    pub(super) fn push(&self, entry: VerdictEntry, wait: bool) -> Result<(), Box<VerdictEntry>> {
        let mut state = self.state.lock();
        while wait && !state.stalled && !state.closed && state.entries.len() >= CAPACITY {
            self.emptied.wait_for(&mut state, POLL_INTERVAL);
        }
        if state.stalled || state.closed {
            return Err(Box::new(entry));
        }
        state.entries.push_back(entry);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Queues the change of a client.
    pub(super) fn acknowledge(&self, change: Acknowledgement) -> Result<(), AcknowledgeError> {
        let mut state = self.state.lock();
        let full = state.acknowledgements.len() >= ACKNOWLEDGEMENT_CAPACITY;
        if state.stalled || state.closed || full {
            return Err(AcknowledgeError::Stalled);
        }
        if let Change::Consumer(changed, Some(_)) = &change.change {
            let consumers = state.consumers.iter().flatten();
            let others = consumers.filter(|(name, _)| *name != changed);
            if others.count() >= CONSUMER_LIMIT {
                return Err(AcknowledgeError::Full);
            }
        }
        state.acknowledgements.push_back(change);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes what waits for the journal, not before `not_before`. Returns an empty batch after `patience`
    /// without any; `None` once the queue is closed and empty.
    pub(super) fn take(&self, not_before: Instant, patience: Duration) -> Option<Taken> {
        let mut state = self.state.lock();
        let deadline = self.clock.now().monotonic + patience;
        loop {
            let now = self.clock.now().monotonic;
            let waits = !state.entries.is_empty() || !state.acknowledgements.is_empty();
            let due = if waits { not_before } else { deadline };
            if state.closed || now >= due {
                break;
            }
            self.filled.wait_for(&mut state, due - now);
        }
        if state.closed && state.entries.is_empty() && state.acknowledgements.is_empty() {
            return None;
        }
        let count = state.entries.len().min(BATCH);
        state.busy = count > 0;
        let taken = Taken {
            entries: state.entries.drain(..count).collect(),
            acknowledgements: state.acknowledgements.drain(..).collect(),
            counters: if count > 0 {
                std::mem::take(&mut state.changed_counters)
            } else {
                BTreeMap::new()
            },
        };
        state.work = Some(self.work(Vec::new(), false));
        drop(state);
        self.emptied.notify_all();
        Some(taken)
    }

    /// Work that makes progress now.
    fn work(&self, ready: Vec<ReadyVerdict>, continues: bool) -> Work {
        Work {
            since: self.clock.now().monotonic,
            ready: Some(ready),
            continues,
        }
    }

    /// The thread has ended its work and is about to wait. Returns whether the work was stalled at its end.
    pub(super) fn rest(&self) -> bool {
        let mut state = self.state.lock();
        state.work = None;
        std::mem::take(&mut state.stalled)
    }

    /// Marks the start of a call into the store that writes no verdicts. It counts as stalled like a write.
    pub(super) fn start_call(&self) {
        self.start_write(Vec::new(), false);
    }

    /// Marks the end of the call. Returns whether it was stalled: verdicts were published without the journal.
    pub(super) fn end_call(&self) -> bool {
        self.end_write().is_none()
    }

    /// Marks the start of a write of these verdicts, which are published unchanged if it takes too long and the line
    /// `continues`.
    pub(super) fn start_write(&self, ready: Vec<ReadyVerdict>, continues: bool) {
        let mut state = self.state.lock();
        state.stalled = false;
        state.work = Some(self.work(ready, continues));
    }

    /// Marks the end of the write. Returns its verdicts unless they were published without the journal.
    pub(super) fn end_write(&self) -> Option<Vec<ReadyVerdict>> {
        let mut state = self.state.lock();
        state.stalled = false;
        state.work.replace(self.work(Vec::new(), false))?.ready
    }

    /// Takes over everything that waits for the thread, if that makes no progress for longer than the stall timeout. Every
    /// access to the disk counts, also one that is not marked as a call.
    pub(super) fn take_overdue(&self, now: Instant) -> Overdue {
        let mut state = self.state.lock();
        let timeout = self.stall_timeout;
        let Some(work) = &mut state.work else {
            return Overdue::default();
        };
        if now.saturating_duration_since(work.since) < timeout {
            return Overdue::default();
        }
        let ready = work.ready.take().unwrap_or_default();
        let continues = work.continues;
        let entries: Vec<VerdictEntry> = state.entries.drain(..).collect();
        state.stalled = true;
        state.trouble.get_or_insert_with(|| JournalTrouble {
            since: self.clock.now().utc,
            message: format!("the disk does not answer within {timeout:?}"),
        });
        for change in state.acknowledgements.drain(..) {
            // The caller may have stopped waiting.
            let _ = change.done.send(Err(AcknowledgeError::Stalled));
        }
        drop(state);
        self.emptied.notify_all();
        Overdue {
            entries,
            ready,
            continues,
        }
    }

    /// Whether verdicts wait for the journal or are being written.
    pub(super) fn has_unpublished(&self) -> bool {
        let state = self.state.lock();
        let taken = state.busy && state.work.as_ref().is_some_and(|work| work.ready.is_some());
        taken || !state.entries.is_empty()
    }

    /// The time after which work counts as stalled.
    pub(super) fn stall_timeout(&self) -> Duration {
        self.stall_timeout
    }

    /// Verdicts that wait for the journal.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().entries.len()
    }

    /// Marks that the verdicts that were taken are broadcast.
    pub(super) fn finish(&self) {
        self.state.lock().busy = false;
    }

    pub(super) fn set_trouble(&self, message: Option<String>) {
        let mut state = self.state.lock();
        let since = state.trouble.as_ref().map(|trouble| trouble.since);
        state.trouble = message.map(|message| JournalTrouble {
            since: since.unwrap_or_else(|| self.clock.now().utc),
            message,
        });
    }

    /// Notes the size of the write-ahead log.
    pub(super) fn set_wal_bytes(&self, bytes: u64) {
        self.wal_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn wal_bytes(&self) -> u64 {
        self.wal_bytes.load(Ordering::Relaxed)
    }

    /// Has the journal checked for damage: an error says that it may be damaged.
    pub(super) fn suspect_damage(&self) {
        self.suspected.store(true, Ordering::Relaxed);
    }

    /// Whether the journal is to be checked; false again afterwards.
    pub(super) fn take_suspicion(&self) -> bool {
        self.suspected.swap(false, Ordering::Relaxed)
    }

    /// The present journal's generation.
    pub(super) fn generation(&self) -> u64 {
        self.state.lock().generation
    }

    /// The journal was set aside.
    pub(super) fn next_generation(&self) {
        self.state.lock().generation += 1;
        self.suspected.store(false, Ordering::Relaxed);
    }

    /// Reports what a check has found in the journal of a generation.
    pub(super) fn report_damage(&self, generation: u64, damage: &str) {
        self.state.lock().damage = Some((generation, damage.to_owned()));
    }

    /// Takes a report of damage of the present journal.
    pub(super) fn take_damage(&self) -> Option<String> {
        let mut state = self.state.lock();
        let (generation, damage) = state.damage.take()?;
        (generation == state.generation).then_some(damage)
    }

    /// Gives counters back that could not be written. Newer values stay.
    pub(super) fn give_back(&self, counters: BTreeMap<String, u64>) {
        let mut state = self.state.lock();
        for (name, value) in counters {
            state.changed_counters.entry(name).or_insert(value);
        }
    }

    /// The counters.
    pub(super) fn counters(&self) -> BTreeMap<String, u64> {
        self.state.lock().counters.clone()
    }

    pub(super) fn trouble(&self) -> Option<JournalTrouble> {
        self.state.lock().trouble.clone()
    }

    pub(super) fn consumers(&self) -> BTreeMap<String, Consumer> {
        self.state.lock().consumers.clone().unwrap_or_default()
    }

    /// Takes over a consumer as it is in the journal now.
    pub(super) fn set_consumer(&self, name: String, consumer: Option<Consumer>) {
        let mut state = self.state.lock();
        let consumers = state.consumers.get_or_insert_default();
        match consumer {
            Some(consumer) => consumers.insert(name, consumer),
            None => consumers.remove(&name),
        };
    }

    /// Takes over what the opened journal holds.
    pub(super) fn restore(
        &self,
        consumers: BTreeMap<String, Consumer>,
        counters: BTreeMap<String, u64>,
    ) {
        let mut state = self.state.lock();
        state.consumers = Some(consumers);
        for (name, value) in counters {
            let counter = state.counters.entry(name).or_default();
            *counter = value.max(*counter);
        }
    }

    /// Whether the journal was opened since the start.
    pub(super) fn was_opened(&self) -> bool {
        self.state.lock().consumers.is_some()
    }

    pub(super) fn counter(&self, name: &str) -> u64 {
        self.state.lock().counters.get(name).copied().unwrap_or(0)
    }

    pub(super) fn count(&self, name: &str, value: u64) {
        let mut state = self.state.lock();
        state.counters.insert(name.to_owned(), value);
        state.changed_counters.insert(name.to_owned(), value);
    }

    /// Closes the queue. Verdicts that wait are still written.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }
}
