//! The thread that writes the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_core::record::Verdict;
use tracing::{error, info, warn};

use super::broadcaster::Broadcaster;
use super::commit_queue::{AcknowledgeError, Acknowledgement, CommitQueue, Taken};
use super::entry::{ReadyVerdict, VerdictEntry};
use super::wall_clock_guard::WallClockGuard;
use crate::clock::SharedClock;
use crate::config::settings;
use crate::journal::{Batch, Consumer, JournalError, Limits, Opened, Store};

/// Time between two attempts to open a journal that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The journal's counter that is written when a journal is opened again: the next sequence.
const REOPENED: &str = "journal/reopened";

/// Shortest time between two removals of old verdicts.
const TRIM_INTERVAL: Duration = Duration::from_millis(200);

/// Writes verdicts to the journal and broadcasts them.
pub(super) struct Committer {
    folder: PathBuf,
    settings: settings::Journal,
    queue: Arc<CommitQueue>,
    broadcaster: Arc<Broadcaster>,
    clock: SharedClock,
    store: Option<Store>,
    /// Verdicts of a write that failed, as they were broadcast. Whether they reached the disk is known
    /// once the journal is opened again.
    uncertain: Vec<Arc<Verdict>>,
    /// The next sequence. It never decreases, whatever the disk holds.
    next: u64,
    retry_at: Instant,
    last_commit: Instant,
    last_trim: Instant,
    wall_clock: WallClockGuard,
}

impl Committer {
    pub(super) fn new(
        folder: PathBuf,
        settings: settings::Journal,
        queue: Arc<CommitQueue>,
        broadcaster: Arc<Broadcaster>,
        clock: SharedClock,
        journal: Option<(Store, Opened)>,
    ) -> Self {
        let now = clock.now();
        let mut committer = Self {
            folder,
            settings,
            queue,
            broadcaster,
            clock,
            store: None,
            uncertain: Vec::new(),
            next: 1,
            retry_at: now.monotonic,
            last_commit: now.monotonic,
            last_trim: now.monotonic,
            wall_clock: WallClockGuard::new(now),
        };
        match journal {
            Some((store, opened)) => committer.opened(store, opened),
            None => committer.failed("it cannot be opened"),
        }
        committer
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            let not_before = self.last_commit + self.settings.commit_window;
            let Some(taken) = self.queue.take(not_before, TRIM_INTERVAL) else {
                break;
            };
            if self.store.is_none() && self.clock.now().monotonic >= self.retry_at {
                self.reopen();
            }
            self.write(taken);
            self.queue.finish();
            self.trim();
        }
    }

    fn reopen(&mut self) {
        let store = Store::open(&self.folder, self.broadcaster.run());
        let settled = store.and_then(|(mut store, opened)| {
            self.settle(&mut store, opened.sequence)?;
            Ok((store, opened))
        });
        match settled {
            Ok((store, opened)) => {
                info!(sequence = opened.sequence, "the journal is written again");
                self.uncertain.clear();
                self.opened(store, opened);
            }
            Err(error) => self.failed(&error.to_string()),
        }
    }

    /// Makes a journal that failed agree with what was broadcast. It always writes, because opening
    /// does not show whether the disk is still full.
    fn settle(&self, store: &mut Store, sequence: u64) -> Result<(), JournalError> {
        // A write is one transaction: all of its verdicts reached the disk, or none.
        let first = self.uncertain.first();
        let reached_disk = first.is_some_and(|first| first.sequence <= sequence);
        let verdicts = self.uncertain.iter().filter(|_| reached_disk);
        store.commit(&Batch {
            verdicts: verdicts.cloned().collect(),
            counters: BTreeMap::from([(REOPENED.to_owned(), self.next)]),
            ..Batch::default()
        })
    }

    fn opened(&mut self, store: Store, opened: Opened) {
        self.next = self.next.max(opened.sequence + 1);
        self.broadcaster
            .restore(opened.sequence, opened.oldest, opened.recorded);
        self.queue.restore(opened.consumers, opened.counters);
        self.queue.set_trouble(None);
        self.store = Some(store);
    }

    fn failed(&mut self, message: &str) {
        self.store = None;
        self.retry_at = self.clock.now().monotonic + RETRY_INTERVAL;
        self.queue.set_trouble(Some(message.to_owned()));
    }

    fn write(&mut self, taken: Taken) {
        let Taken {
            entries,
            acknowledgements,
            counters,
        } = taken;
        if entries.is_empty() && acknowledgements.is_empty() {
            return;
        }
        let ready = self.number(entries);
        let Some(store) = &mut self.store else {
            for ready in ready {
                self.broadcaster.broadcast_withdrawn(ready);
            }
            return refuse(acknowledgements, &AcknowledgeError::NotOpen);
        };
        let verdicts = ready.iter().map(|ready| Arc::clone(&ready.verdict));
        let batch = Batch {
            verdicts: verdicts.collect(),
            consumers: latest(&acknowledgements, &self.queue),
            counters,
        };
        self.queue.start_write(ready);
        let written = store.commit(&batch);
        self.last_commit = self.clock.now().monotonic;
        let ready = self.queue.end_write();
        match written {
            Ok(()) => self.written(&batch, ready, acknowledgements),
            Err(error) => {
                self.uncertain = self.as_broadcast(&batch);
                self.not_written(error, ready, acknowledgements);
            }
        }
    }

    /// Assigns the next sequences; 0, which is none, where the journal is not open.
    fn number(&mut self, entries: Vec<VerdictEntry>) -> Vec<ReadyVerdict> {
        let open = self.store.is_some();
        let mut ready = Vec::with_capacity(entries.len());
        for entry in entries {
            let sequence = if open { self.next } else { 0 };
            self.next += u64::from(open);
            ready.push(self.broadcaster.ready(entry, sequence));
        }
        ready
    }

    fn written(
        &mut self,
        batch: &Batch,
        ready: Option<Vec<ReadyVerdict>>,
        acknowledgements: Vec<Acknowledgement>,
    ) {
        for (name, state) in &batch.consumers {
            self.queue.set_consumer(name.clone(), *state);
        }
        for change in acknowledgements {
            // The caller may have stopped waiting.
            let _ = change.done.send(Ok(()));
        }
        match ready {
            Some(ready) => {
                for ready in ready {
                    self.broadcaster.broadcast(ready);
                }
            }
            None => self.amend(batch),
        }
    }

    /// The verdicts were broadcast before their write ended: overwrites them with what was broadcast.
    fn amend(&mut self, batch: &Batch) {
        let amended = Batch {
            verdicts: self.as_broadcast(batch),
            ..Batch::default()
        };
        let Some(store) = &mut self.store else { return };
        match store.commit(&amended) {
            Ok(()) => {
                if let Some(last) = amended.verdicts.last() {
                    self.broadcaster.reached(last.sequence);
                }
                warn!("a stalled journal write has ended; the journal is written in time again");
                self.queue.set_trouble(None);
            }
            Err(error) => {
                self.uncertain = amended.verdicts;
                self.failed(&error.to_string());
            }
        }
    }

    /// The verdicts of a batch as they were broadcast because they were not journalled in time.
    fn as_broadcast(&self, batch: &Batch) -> Vec<Arc<Verdict>> {
        let withdrawn = |verdict: &Arc<Verdict>| Arc::new(self.broadcaster.withdrawn(verdict));
        batch.verdicts.iter().map(withdrawn).collect()
    }

    fn not_written(
        &mut self,
        error: JournalError,
        ready: Option<Vec<ReadyVerdict>>,
        acknowledgements: Vec<Acknowledgement>,
    ) {
        error!(%error, "verdicts were not journalled");
        self.failed(&error.to_string());
        refuse(
            acknowledgements,
            &AcknowledgeError::Journal(Arc::new(error)),
        );
        for ready in ready.unwrap_or_default() {
            self.broadcaster.broadcast_withdrawn(ready);
        }
    }

    /// Removes some of the verdicts that exceed the limits of age and size.
    fn trim(&mut self) {
        let now = self.clock.now();
        if now.monotonic.saturating_duration_since(self.last_trim) < TRIM_INTERVAL {
            return;
        }
        self.last_trim = now.monotonic;
        let Some(store) = &mut self.store else { return };
        let time = self.wall_clock.trusted(now);
        let limits = Limits {
            before: time.and_then(|time| time.checked_sub(self.settings.age_limit)),
            bytes: self.settings.size_limit,
        };
        // Before the removal, so that a reader sees why a verdict does not exist.
        let trimmed = |oldest| self.broadcaster.trimmed(oldest);
        if let Err(error) = store.trim(limits, trimmed) {
            error!(%error, "old verdicts were not removed");
            self.failed(&error.to_string());
        }
    }
}

/// The latest change of each consumer. An acknowledged sequence never decreases.
fn latest(changes: &[Acknowledgement], queue: &CommitQueue) -> BTreeMap<String, Option<Consumer>> {
    let mut known = queue.consumers();
    let mut latest = BTreeMap::new();
    for change in changes {
        let state = change.state.map(|mut state| {
            let before = known.get(&change.consumer);
            let before = before.map_or(0, |consumer| consumer.acknowledged);
            state.acknowledged = state.acknowledged.max(before);
            state
        });
        match state {
            Some(state) => known.insert(change.consumer.clone(), state),
            None => known.remove(&change.consumer),
        };
        latest.insert(change.consumer.clone(), state);
    }
    latest
}

fn refuse(changes: Vec<Acknowledgement>, error: &AcknowledgeError) {
    for change in changes {
        // The caller may have stopped waiting.
        let _ = change.done.send(Err(error.clone()));
    }
}
