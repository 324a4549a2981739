//! Where verdicts wait for the journal. Bounded; the one owner of what is under way to the disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::broadcaster::Ready;
use super::{AcknowledgeError, Entry};
use crate::journal::Consumer;

/// Verdicts that may wait. One more waits for room, in the thread that made it: a disk that is slower
/// than the line slows the line down, until it counts as stalled.
const QUEUE: usize = 1024;

/// Verdicts that share a write at most.
const BATCH: usize = 1024;

/// Consumers that are remembered at most.
pub(super) const CONSUMER_LIMIT: usize = 256;

/// Acknowledgements that may wait at most: one a consumer, the latest.
const ACKNOWLEDGEMENTS: usize = 4096;

/// How long a sleeper sleeps at most before it looks again.
const PATIENCE: Duration = Duration::from_millis(50);

/// Why verdicts are not journalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: SystemTime,
    /// In words.
    pub message: String,
}

/// A consumer's word, on its way to the disk.
#[derive(Debug)]
pub(super) struct Acknowledgement {
    pub(super) consumer: String,
    /// Nothing: it is to be forgotten.
    pub(super) state: Option<Consumer>,
    pub(super) done: oneshot::Sender<Result<(), String>>,
}

/// What the committer takes at a time.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) entries: Vec<Entry>,
    pub(super) acknowledgements: Vec<Acknowledgement>,
    pub(super) counters: BTreeMap<String, u64>,
}

/// What is announced without the journal, as that stands still.
#[derive(Default)]
pub(super) struct Overdue {
    /// Never on their way.
    pub(super) entries: Vec<Entry>,
    /// On their way to the disk, and perhaps arriving there later.
    pub(super) ready: Vec<Ready>,
}

struct UnderWay {
    since: Instant,
    ready: Option<Vec<Ready>>,
}

#[derive(Default)]
struct Inner {
    entries: VecDeque<Entry>,
    acknowledgements: VecDeque<Acknowledgement>,
    under_way: Option<UnderWay>,
    /// The write that is under way takes too long: nothing waits for it any more.
    stalled: bool,
    trouble: Option<Trouble>,
    /// Nothing before the journal was opened.
    consumers: Option<BTreeMap<String, Consumer>>,
    counters: BTreeMap<String, u64>,
    counted: BTreeMap<String, u64>,
    /// What was taken is not announced yet.
    busy: bool,
    closed: bool,
}

/// Where verdicts wait.
pub(super) struct CommitQueue {
    inner: Mutex<Inner>,
    filled: Condvar,
    emptied: Condvar,
    stall_timeout: Duration,
}

impl std::fmt::Debug for CommitQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitQueue").finish_non_exhaustive()
    }
}

impl CommitQueue {
    pub(super) fn new(stall_timeout: Duration) -> Self {
        Self {
            inner: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            stall_timeout,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change leaves it whole, whatever panicked beside it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a verdict in; waits for room if `wait`. Gives it back where the journal stands still, or is
    /// closed.
    pub(super) fn push(&self, entry: Entry, wait: bool) -> Result<(), Box<Entry>> {
        let mut inner = self.lock();
        while wait && !inner.stalled && !inner.closed && inner.entries.len() >= QUEUE {
            let woken = self.emptied.wait_timeout(inner, PATIENCE);
            inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        if inner.stalled || inner.closed {
            return Err(Box::new(entry));
        }
        inner.entries.push_back(entry);
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// Puts a consumer's word in.
    pub(super) fn acknowledge(&self, word: Acknowledgement) -> Result<(), AcknowledgeError> {
        let mut inner = self.lock();
        if inner.stalled || inner.closed || inner.acknowledgements.len() >= ACKNOWLEDGEMENTS {
            return Err(AcknowledgeError::Journal("it stands still".to_owned()));
        }
        let consumers = inner.consumers.iter().flatten();
        let others = consumers.filter(|(name, _)| **name != word.consumer);
        if word.state.is_some() && others.count() >= CONSUMER_LIMIT {
            return Err(AcknowledgeError::Full);
        }
        inner.acknowledgements.push_back(word);
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for something to write; nothing once the ledger is closed and empty. Gives up after
    /// `patience` with nothing, for what the writer does beside.
    pub(super) fn take(&self, not_before: Instant, patience: Duration) -> Option<Taken> {
        let mut inner = self.lock();
        let deadline = Instant::now() + patience;
        loop {
            let now = Instant::now();
            let waits = !inner.entries.is_empty() || !inner.acknowledgements.is_empty();
            let due = if waits { not_before } else { deadline };
            if inner.closed || now >= due {
                break;
            }
            let woken = self.filled.wait_timeout(inner, due - now);
            inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        if inner.closed && inner.entries.is_empty() && inner.acknowledgements.is_empty() {
            return None;
        }
        let count = inner.entries.len().min(BATCH);
        inner.busy = count > 0;
        let taken = Taken {
            entries: inner.entries.drain(..count).collect(),
            acknowledgements: inner.acknowledgements.drain(..).collect(),
            counters: if count > 0 {
                std::mem::take(&mut inner.counted)
            } else {
                BTreeMap::new()
            },
        };
        drop(inner);
        self.emptied.notify_all();
        Some(taken)
    }

    /// The write of these begins.
    pub(super) fn begin(&self, ready: Vec<Ready>) {
        self.lock().under_way = Some(UnderWay {
            since: Instant::now(),
            ready: Some(ready),
        });
    }

    /// The write has ended. Gives them back unless they were announced without.
    pub(super) fn end(&self) -> Option<Vec<Ready>> {
        let mut inner = self.lock();
        inner.stalled = false;
        inner.under_way.take()?.ready
    }

    /// Takes over what waits for a write that takes too long.
    pub(super) fn take_over(&self, now: Instant) -> Overdue {
        let mut inner = self.lock();
        let timeout = self.stall_timeout;
        let Some(under_way) = &mut inner.under_way else {
            return Overdue::default();
        };
        let since = now.saturating_duration_since(under_way.since);
        if since < timeout {
            return Overdue::default();
        }
        let ready = under_way.ready.take().unwrap_or_default();
        let entries: Vec<Entry> = inner.entries.drain(..).collect();
        inner.stalled = true;
        inner.trouble.get_or_insert_with(|| Trouble {
            since: SystemTime::now(),
            message: format!("a write takes more than {timeout:?}"),
        });
        for word in inner.acknowledgements.drain(..) {
            // Who no longer waits needs no word.
            let _ = word.done.send(Err("it stands still".to_owned()));
        }
        drop(inner);
        self.emptied.notify_all();
        Overdue { entries, ready }
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.entries.is_empty() && !inner.busy
    }

    /// What was taken is announced.
    pub(super) fn rest(&self) {
        self.lock().busy = false;
    }

    pub(super) fn set_trouble(&self, message: Option<String>) {
        let mut inner = self.lock();
        let since = inner.trouble.as_ref().map(|trouble| trouble.since);
        inner.trouble = message.map(|message| Trouble {
            since: since.unwrap_or_else(SystemTime::now),
            message,
        });
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.lock().trouble.clone()
    }

    pub(super) fn consumers(&self) -> BTreeMap<String, Consumer> {
        self.lock().consumers.clone().unwrap_or_default()
    }

    /// A consumer as it now is on the disk.
    pub(super) fn set_consumer(&self, name: String, state: Option<Consumer>) {
        let mut inner = self.lock();
        let consumers = inner.consumers.get_or_insert_default();
        match state {
            Some(state) => consumers.insert(name, state),
            None => consumers.remove(&name),
        };
    }

    /// What the opened journal says.
    pub(super) fn restore(
        &self,
        consumers: BTreeMap<String, Consumer>,
        counters: BTreeMap<String, u64>,
    ) {
        let mut inner = self.lock();
        inner.consumers = Some(consumers);
        for (name, value) in counters {
            let counter = inner.counters.entry(name).or_default();
            *counter = value.max(*counter);
        }
    }

    pub(super) fn is_known(&self) -> bool {
        self.lock().consumers.is_some()
    }

    pub(super) fn counter(&self, name: &str) -> u64 {
        self.lock().counters.get(name).copied().unwrap_or(0)
    }

    pub(super) fn count(&self, name: &str, value: u64) {
        let mut inner = self.lock();
        inner.counters.insert(name.to_owned(), value);
        inner.counted.insert(name.to_owned(), value);
    }

    /// Takes nothing more in.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }
}
