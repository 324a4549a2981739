//! The thread that writes the journal.

#[cfg(test)]
mod inject;
mod maintenance;
mod opening;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant, SystemTime};

use inspectd_core::record::Verdict;
use tracing::{error, warn};

use super::broadcaster::{Broadcaster, withdrawn};
use super::commit_queue::{AcknowledgeError, Acknowledgement, Change, CommitQueue, Taken};
use super::entry::{ReadyVerdict, VerdictEntry};
use super::wall_clock::WallClock;
use crate::alarm::Alarms;
use crate::clock::SharedClock;
use crate::config::settings;
use crate::journal::{
    self, Batch, Consumer, JournalError, Known, Label, Readers, STEP_BACK, Store,
};

/// Time between two attempts to open a journal that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The journal's counter of the last sequence that was published as it is stored.
const CONFIRMED: &str = "journal/confirmed";

/// Shortest time between two removals of old verdicts.
const TRIM_INTERVAL: Duration = Duration::from_millis(200);

/// Result of the first attempt to open the journal.
pub(super) type FirstOpening = SyncSender<Result<(), JournalError>>;

/// Writes verdicts to the journal and broadcasts them.
pub(in crate::pipeline) struct Committer {
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
    wall_clock: WallClock,
    alarms: Alarms,
    /// When the newest verdict was recorded.
    last_recorded: Option<SystemTime>,
    /// The last sequence that is known to be published as it is stored, as the journal has it.
    confirmed: u64,
    /// Whether the journal was opened in this run.
    was_opened: bool,
    /// Why verdicts are published without the journal although it is open: it holds unacknowledged verdicts.
    hold_full: Option<String>,
    /// The same, because the write-ahead log is too large. Nothing at all is written then.
    wal_full: Option<String>,
    readers: Arc<Readers>,
    /// What was read of a damaged journal that was set aside at the start.
    rescued: Known,
    /// Whether the alarm of a damaged journal is active because of files that were set aside.
    aside: bool,
    #[cfg(test)]
    pub(in crate::pipeline) inject: inject::Inject,
}

impl Committer {
    pub(super) fn new(
        folder: PathBuf,
        settings: settings::Journal,
        queue: Arc<CommitQueue>,
        broadcaster: Arc<Broadcaster>,
        readers: Arc<Readers>,
        clock: SharedClock,
        alarms: Alarms,
    ) -> Self {
        let now = clock.now();
        Self {
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
            wall_clock: WallClock::new(now),
            alarms,
            last_recorded: None,
            confirmed: 0,
            was_opened: false,
            hold_full: None,
            wal_full: None,
            readers,
            rescued: Known::default(),
            aside: false,
            #[cfg(test)]
            inject: inject::Inject::default(),
        }
    }

    /// Opens the journal, reports the result to `first_opening`, then writes until the queue is closed and empty.
    pub(super) fn run(mut self, first_opening: &FirstOpening) {
        // The start no longer waits if the disk took too long.
        let _ = first_opening.send(self.open_first());
        loop {
            self.rest();
            let not_before = self.last_commit + self.settings.commit_window;
            let Some(taken) = self.queue.take(not_before, TRIM_INTERVAL) else {
                break;
            };
            self.handle(taken);
        }
        self.confirm();
    }

    /// The first attempt to open the journal.
    fn open_first(&mut self) -> Result<(), JournalError> {
        let mut opened = self.open();
        if let Err(error) = &opened {
            // In a folder that was never used, a file that is not a database belongs to another program.
            if error.is_damage() && (!error.is_foreign() || journal::was_used(&self.folder)) {
                let damage = error.to_string();
                opened = self
                    .confirm_damage(&damage)
                    .and_then(|()| self.set_aside(&damage));
                opened = opened.and_then(|()| self.open());
            }
            if let Err(error) = &opened {
                self.failed(error);
            }
        }
        opened
    }

    /// Makes one step without waiting, for the simulation.
    #[cfg(test)]
    pub(in crate::pipeline) fn step(&mut self) {
        if !self.was_opened {
            let _ = self.open_first();
        }
        let now = self.clock.now().monotonic;
        if let Some(taken) = self.queue.take(now, Duration::ZERO) {
            self.handle(taken);
        }
        self.rest();
    }

    /// Closes the journal as a process that is killed does, for the simulation.
    #[cfg(test)]
    pub(in crate::pipeline) fn close(&mut self) {
        self.store = None;
    }

    /// Writes the batch first, then maintains the journal: verdicts do not wait for maintenance.
    fn handle(&mut self, taken: Taken) {
        let idle = taken.is_empty();
        self.write(taken);
        self.queue.finish();
        if idle {
            self.confirm();
        }
        self.maintain();
        if let Some(damage) = self.queue.take_damage() {
            self.replace(&damage);
        }
        if self.store.is_none() && self.clock.now().monotonic >= self.retry_at {
            self.reopen();
        }
    }

    /// The end of the work, before waiting for more.
    fn rest(&self) {
        if self.queue.rest() && self.store.is_some() {
            self.stall_ended();
        }
    }

    /// A call into the store. A call that takes too long is treated as a write that does: verdicts are published without
    /// the journal meanwhile.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Store) -> Result<T, JournalError>,
    ) -> Option<Result<T, JournalError>> {
        let store = self.store.as_mut()?;
        self.queue.start_call();
        let result = call(store);
        let stalled = self.queue.end_call();
        match &result {
            Ok(_) if stalled => self.stall_ended(),
            Ok(_) => {}
            Err(error) => {
                error!(%error, "the journal cannot be maintained");
                self.failed(error);
            }
        }
        Some(result)
    }

    fn stall_ended(&self) {
        warn!("a stalled call of the journal has ended; the journal is written in time again");
        self.queue.set_trouble(self.full_reason().cloned());
    }

    fn count(&self, changes: impl IntoIterator<Item = (String, u64)>) {
        for (name, value) in changes {
            self.queue.count(&name, value);
        }
    }

    /// Records that all verdicts so far are published as they are stored, so that none is marked after a kill.
    fn confirm(&mut self) {
        let newest = self.next - 1;
        if self.confirmed >= newest || self.wal_full.is_some() {
            return;
        }
        let batch = Batch {
            counters: BTreeMap::from([(CONFIRMED.to_owned(), newest)]),
            ..Batch::default()
        };
        if let Some(Ok(())) = self.call(|store| store.commit(&batch)) {
            self.confirmed = newest;
        }
    }

    /// Closes the journal until the next attempt.
    fn failed(&mut self, error: &JournalError) {
        self.store = None;
        if error.is_damage() {
            self.queue.suspect_damage();
        }
        self.retry_at = self.clock.now().monotonic + RETRY_INTERVAL;
        self.queue.set_trouble(Some(error.to_string()));
    }

    fn write(&mut self, taken: Taken) {
        if taken.is_empty() {
            return;
        }
        let Taken {
            mut entries,
            acknowledgements,
            mut counters,
        } = taken;
        if self.hold_full.is_some() || self.wal_full.is_some() {
            for entry in entries.drain(..) {
                self.broadcaster.broadcast_unjournalled(entry);
            }
        }
        // Where holding is the reason, acknowledgements make room.
        if self.wal_full.is_some() {
            self.queue.give_back(counters);
            return refuse(acknowledgements, &AcknowledgeError::NotOpen);
        }
        let continues = self.broadcaster.continues();
        let ready = self.number(entries);
        if let Some(first) = ready.first() {
            counters.insert(
                CONFIRMED.to_owned(),
                first.verdict.sequence.saturating_sub(1),
            );
            self.note_steps_back(&ready, &mut counters);
        }
        let Some(store) = &mut self.store else {
            for ready in ready {
                self.broadcaster.broadcast_withdrawn(ready, continues);
            }
            counters.remove(CONFIRMED);
            self.queue.give_back(counters);
            return refuse(acknowledgements, &AcknowledgeError::NotOpen);
        };
        let verdicts = ready.iter().map(|ready| Arc::clone(&ready.verdict));
        let mut batch = Batch {
            verdicts: verdicts.collect(),
            consumers: latest(&acknowledgements, &self.queue),
            labels: labels(&acknowledgements),
            counters,
            ..Batch::default()
        };
        self.queue.start_write(ready, continues);
        #[cfg(test)]
        let written = self.inject.commit(store, &batch);
        #[cfg(not(test))]
        let written = store.commit(&batch);
        self.last_commit = self.clock.now().monotonic;
        let ready = self.queue.end_write();
        match written {
            Ok(()) => self.written(&batch, ready, acknowledgements, continues),
            Err(error) => {
                self.uncertain = as_broadcast(&batch, continues);
                batch.counters.remove(CONFIRMED);
                self.queue.give_back(std::mem::take(&mut batch.counters));
                self.not_written(error, ready, acknowledgements, continues);
            }
        }
    }

    /// Notes from which sequence on `recorded` is earlier than before, because the wall clock was set back: searches by
    /// time need it.
    fn note_steps_back(&mut self, ready: &[ReadyVerdict], counters: &mut BTreeMap<String, u64>) {
        for ReadyVerdict { verdict, .. } in ready {
            if self
                .last_recorded
                .is_some_and(|last| verdict.recorded < last)
            {
                let sequence = verdict.sequence;
                counters.insert(format!("{STEP_BACK}{sequence:020}"), sequence);
            }
            self.last_recorded = Some(verdict.recorded);
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
        continues: bool,
    ) {
        for (name, state) in &batch.consumers {
            self.queue.set_consumer(name.clone(), state.clone());
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
            None => self.amend(batch, continues),
        }
    }

    /// The verdicts were broadcast before their write ended: overwrites them with what was broadcast.
    fn amend(&mut self, batch: &Batch, continues: bool) {
        let amended = Batch {
            verdicts: as_broadcast(batch, continues),
            ..Batch::default()
        };
        let Some(store) = &mut self.store else { return };
        self.queue.start_call();
        let committed = store.commit(&amended);
        self.queue.end_call();
        match committed {
            Ok(()) => {
                if let Some(last) = amended.verdicts.last() {
                    self.broadcaster.reached(last.sequence);
                }
                self.stall_ended();
            }
            Err(error) => {
                self.uncertain = amended.verdicts;
                self.failed(&error);
            }
        }
    }

    fn not_written(
        &mut self,
        error: JournalError,
        ready: Option<Vec<ReadyVerdict>>,
        acknowledgements: Vec<Acknowledgement>,
        continues: bool,
    ) {
        error!(%error, "verdicts were not journalled");
        self.failed(&error);
        refuse(
            acknowledgements,
            &AcknowledgeError::Journal(Arc::new(error)),
        );
        for ready in ready.unwrap_or_default() {
            self.broadcaster.broadcast_withdrawn(ready, continues);
        }
    }
}

/// The verdicts of a batch as they were broadcast because they were not journalled in time.
fn as_broadcast(batch: &Batch, continues: bool) -> Vec<Arc<Verdict>> {
    let withdrawn = |verdict: &Arc<Verdict>| Arc::new(withdrawn(verdict, continues));
    batch.verdicts.iter().map(withdrawn).collect()
}

/// The latest change of each consumer. An acknowledged sequence never decreases.
fn latest(changes: &[Acknowledgement], queue: &CommitQueue) -> BTreeMap<String, Option<Consumer>> {
    let mut known = queue.consumers();
    let mut latest = BTreeMap::new();
    for change in changes {
        let Change::Consumer(name, state) = &change.change else {
            continue;
        };
        let state = state.clone().map(|mut state| {
            if let Some(before) = known.get(name) {
                state.acknowledged = state.acknowledged.max(before.acknowledged);
                state.client = before.client.clone().or(state.client);
            }
            state
        });
        match state.clone() {
            Some(state) => known.insert(name.clone(), state),
            None => known.remove(name),
        };
        latest.insert(name.clone(), state);
    }
    latest
}

/// The latest label of each verdict.
fn labels(changes: &[Acknowledgement]) -> BTreeMap<u64, Option<Label>> {
    let label = |change: &Acknowledgement| match &change.change {
        Change::Label(sequence, label) => Some((*sequence, label.clone())),
        Change::Consumer(..) => None,
    };
    changes.iter().filter_map(label).collect()
}

fn refuse(changes: Vec<Acknowledgement>, error: &AcknowledgeError) {
    for change in changes {
        // The caller may have stopped waiting.
        let _ = change.done.send(Err(error.clone()));
    }
}
