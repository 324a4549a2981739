//! The thread that writes the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant, SystemTime};

use inspectd_core::moment::Moment;
use inspectd_core::record::Verdict;
use tracing::{error, info, warn};

use super::broadcaster::Broadcaster;
use super::commit_queue::{AcknowledgeError, Acknowledgement, CommitQueue, Taken};
use super::entry::{ReadyVerdict, VerdictEntry};
use super::wall_clock::WallClock;
use crate::alarm::{AlarmKind, Alarms};
use crate::clock::SharedClock;
use crate::config::settings::{self, HoldOverflow};
use crate::journal::{
    Batch, Consumer, JournalError, Limits, Opened, Readers, STEP_BACK, Store, repair,
};

/// Time between two attempts to open a journal that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The journal's counter that is written when a journal is opened again: the next sequence.
const REOPENED: &str = "journal/reopened";

/// The journal's counter of the last sequence that was published as it is stored.
const CONFIRMED: &str = "journal/confirmed";

/// The journal's counters of the first and the last sequence that were lost with journals that were replaced.
const LOST: [&str; 2] = ["journal/lost_from", "journal/lost_to"];

/// Shortest time between two removals of old verdicts.
const TRIM_INTERVAL: Duration = Duration::from_millis(200);

/// Size of the write-ahead log from which its growth is reported: several times that at which it is checkpointed.
const WAL_REPORTED: u64 = 64 << 20;

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
    /// Why no verdict may be written although the journal is open.
    full: Option<String>,
    readers: Arc<Readers>,
    /// Whether the alarm of a damaged journal is active because of files that were set aside.
    aside: bool,
    #[cfg(test)]
    pub(in crate::pipeline) inject: Inject,
}

/// Failures of writes that the simulation injects.
#[cfg(test)]
#[derive(Default)]
pub(in crate::pipeline) struct Inject {
    /// The next write fails and leaves nothing on the disk.
    pub(in crate::pipeline) fail_before: bool,
    /// The next write fails and is on the disk nevertheless.
    pub(in crate::pipeline) fail_after: bool,
    /// Called within the next write.
    pub(in crate::pipeline) during: Option<Box<dyn FnOnce() + Send>>,
}

#[cfg(test)]
impl Inject {
    fn commit(&mut self, store: &mut Store, batch: &Batch) -> Result<(), JournalError> {
        let failed = || JournalError::Mark(std::io::Error::other("injected"));
        if let Some(during) = self.during.take() {
            during();
        }
        if std::mem::take(&mut self.fail_before) {
            return Err(failed());
        }
        store.commit(batch)?;
        if std::mem::take(&mut self.fail_after) {
            return Err(failed());
        }
        Ok(())
    }
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
            full: None,
            readers,
            aside: false,
            #[cfg(test)]
            inject: Inject::default(),
        }
    }

    /// Opens the journal, reports the result to `first_opening`, then writes until the queue is closed and empty.
    pub(super) fn run(mut self, first_opening: &FirstOpening) {
        // The start no longer waits if the disk took too long.
        let _ = first_opening.send(self.open_first());
        loop {
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
            if error.is_damage() {
                let damage = error.to_string();
                opened = self.set_aside(&damage).and_then(|()| self.open());
            }
            if let Err(error) = &opened {
                self.failed(&error.to_string());
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
    }

    /// Closes the journal as a process that is killed does, for the simulation.
    #[cfg(test)]
    pub(in crate::pipeline) fn close(&mut self) {
        self.store = None;
    }

    /// Writes what was taken, and maintains the journal.
    fn handle(&mut self, taken: Taken) {
        if self.store.is_none() && self.clock.now().monotonic >= self.retry_at {
            self.reopen();
        }
        if let Some(damage) = self.queue.take_damage() {
            self.replace(&damage);
        }
        let idle = taken.is_empty();
        self.write(taken);
        self.queue.finish();
        if idle {
            self.confirm();
        }
        self.maintain();
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
            Err(error) if error.is_damage() => {
                let damage = error.to_string();
                self.replace(&damage);
            }
            Err(error) => {
                error!(%error, "the journal cannot be maintained");
                self.failed(&error.to_string());
            }
        }
        Some(result)
    }

    fn stall_ended(&self) {
        warn!("a stalled call of the journal has ended; the journal is written in time again");
        self.queue.set_trouble(None);
    }

    fn open(&mut self) -> Result<(), JournalError> {
        self.queue.start_call();
        let opened = Store::open(&self.folder, self.broadcaster.run());
        let opened = opened.and_then(|(mut store, opened)| {
            let mut opened = opened;
            if self.was_opened {
                self.settle(&mut store, &opened)?;
            } else {
                mark_tail(&mut store, &opened)?;
            }
            self.note_loss(&mut store, &mut opened)?;
            Ok((store, opened))
        });
        self.queue.end_call();
        let (store, opened) = opened?;
        self.opened(store, opened);
        Ok(())
    }

    /// Closes a damaged journal and renames it.
    fn set_aside(&mut self, damage: &str) -> Result<(), JournalError> {
        self.store = None;
        self.uncertain.clear();
        let aside = repair::set_aside(&self.folder).map_err(JournalError::Aside)?;
        self.readers.reset();
        error!(%damage, aside = %aside.display(), "the journal is damaged: it was set aside, and a new one is begun");
        Ok(())
    }

    /// Begins a new journal in place of a damaged one. Sequences, consumers and counters go on.
    fn replace(&mut self, damage: &str) {
        let replaced = self.set_aside(damage).and_then(|()| self.open());
        if let Err(error) = replaced {
            self.failed(&error.to_string());
        }
    }

    fn reopen(&mut self) {
        match self.open() {
            Ok(()) => {
                info!(sequence = self.next - 1, "the journal is written again");
                self.uncertain.clear();
            }
            Err(error) => self.failed(&error.to_string()),
        }
    }

    /// Makes a journal that failed agree with what was broadcast. It always writes, because opening
    /// does not show whether the disk is still full.
    fn settle(&self, store: &mut Store, opened: &Opened) -> Result<(), JournalError> {
        // A write is one transaction: all of its verdicts reached the disk, or none.
        let first = self.uncertain.first();
        let reached_disk = first.is_some_and(|first| first.sequence <= opened.sequence);
        let verdicts = self.uncertain.iter().filter(|_| reached_disk);
        let mut batch = Batch {
            verdicts: verdicts.cloned().collect(),
            counters: BTreeMap::from([(REOPENED.to_owned(), self.next)]),
            ..Batch::default()
        };
        if opened.replaced {
            let consumers = self.queue.consumers().into_iter();
            batch.consumers = consumers
                .map(|(name, consumer)| (name, Some(consumer)))
                .collect();
            let own = |(name, _): &(String, u64)| name != crate::journal::EPOCH;
            batch
                .counters
                .extend(self.queue.counters().into_iter().filter(own));
        }
        store.commit(&batch)
    }

    /// Notes which sequences are lost if the journal was replaced, so that streams report them.
    fn note_loss(&self, store: &mut Store, opened: &mut Opened) -> Result<(), JournalError> {
        if !opened.replaced {
            return Ok(());
        }
        let before = self.broadcaster.totals();
        let known = self.queue.counters().get(LOST[0]).copied();
        let from = known.unwrap_or(before.oldest).max(1);
        let counters = LOST
            .map(str::to_owned)
            .into_iter()
            .zip([from, opened.sequence]);
        let batch = Batch {
            counters: counters.collect(),
            ..Batch::default()
        };
        store.commit(&batch)?;
        opened.counters.extend(batch.counters);
        Ok(())
    }

    fn opened(&mut self, store: Store, opened: Opened) {
        self.next = self.next.max(opened.sequence + 1);
        let lost = |name: &str| opened.counters.get(name).copied();
        let lost = lost(LOST[0])
            .zip(lost(LOST[1]))
            .filter(|(from, to)| from <= to);
        self.broadcaster.restore(&opened, lost);
        self.report_damage(&opened, lost);
        if !self.was_opened {
            let now = self.clock.now();
            let Opened {
                counters,
                sequence,
                recorded,
                ..
            } = &opened;
            let changes = self.wall_clock.opened(now, counters, *sequence, *recorded);
            self.count(changes);
            self.last_recorded = opened.recorded;
            self.was_opened = true;
        }
        self.confirmed = opened.sequence;
        self.queue.restore(opened.consumers, opened.counters);
        self.queue.set_trouble(None);
        self.store = Some(store);
    }

    fn report_damage(&mut self, opened: &Opened, lost: Option<(u64, u64)>) {
        let aside = repair::aside(&self.folder);
        self.aside = !aside.is_empty();
        let (from, to) = lost.unwrap_or_default();
        let epoch = opened.epoch;
        let message = match aside.last() {
            Some(damaged) => format!(
                "a damaged journal was set aside: {}; verdicts {from} to {to} may be in it (inspectd journal salvage); \
                 this alarm ends when it is moved away",
                damaged.display()
            ),
            None if opened.replaced => format!(
                "the journal was replaced: it does not belong to the sequences used before; it goes on after {to}, epoch \
                 {epoch}"
            ),
            None => return,
        };
        self.alarms.raise(AlarmKind::JournalDamaged, "", message);
    }

    fn count(&self, changes: impl IntoIterator<Item = (String, u64)>) {
        for (name, value) in changes {
            self.queue.count(&name, value);
        }
    }

    /// Records that all verdicts so far are published as they are stored, so that none is marked after a kill.
    fn confirm(&mut self) {
        let newest = self.next - 1;
        if self.confirmed >= newest {
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

    fn failed(&mut self, message: &str) {
        self.store = None;
        self.retry_at = self.clock.now().monotonic + RETRY_INTERVAL;
        self.queue.set_trouble(Some(message.to_owned()));
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
        if self.full.is_some() {
            // Acknowledgements are what makes room.
            for entry in entries.drain(..) {
                self.broadcaster.broadcast_unjournalled(entry);
            }
        }
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
        #[cfg(test)]
        let written = self.inject.commit(store, &batch);
        #[cfg(not(test))]
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
        if error.is_damage() {
            self.replace(&error.to_string());
        } else {
            self.failed(&error.to_string());
        }
        refuse(
            acknowledgements,
            &AcknowledgeError::Journal(Arc::new(error)),
        );
        for ready in ready.unwrap_or_default() {
            self.broadcaster.broadcast_withdrawn(ready);
        }
    }

    /// Observes the clock, removes some of the verdicts that exceed the limits, and limits the write-ahead log.
    fn maintain(&mut self) {
        let now = self.clock.now();
        if now.monotonic.saturating_duration_since(self.last_trim) < TRIM_INTERVAL {
            return;
        }
        self.last_trim = now.monotonic;
        let changes = self.wall_clock.observe(now, self.next - 1);
        self.count(changes);
        self.report_clock(now);
        if self.aside && repair::aside(&self.folder).is_empty() {
            self.aside = false;
            self.alarms.clear(AlarmKind::JournalDamaged, "");
        }
        self.trim(now);
        self.limit_wal();
    }

    fn report_clock(&self, now: Moment) {
        match self.wall_clock.reported(now) {
            None => self.alarms.clear(AlarmKind::ClockJumped, ""),
            Some(by) => {
                let hours = by.as_secs() / 3600;
                let message = format!(
                    "the wall clock jumped forward by {hours} h, or the daemon was off that long; verdicts of before \
                     do not age by that, and none is removed for it; check the time of this machine"
                );
                self.alarms.raise(AlarmKind::ClockJumped, "", message);
            }
        }
    }

    fn trim(&mut self, now: Moment) {
        let oldest = self.broadcaster.totals().oldest;
        let changes = self.wall_clock.forget_before(oldest);
        self.count(changes);
        let settings = &self.settings;
        let removes = settings.hold_overflow == HoldOverflow::Remove;
        let consumers = self.queue.consumers();
        let behind = consumers
            .iter()
            .min_by_key(|(_, consumer)| consumer.acknowledged);
        let unacknowledged =
            behind.map(|(name, consumer)| (name.clone(), consumer.acknowledged + 1));
        let limits = Limits {
            before: self.wall_clock.aged_since(now, settings.age_limit, oldest),
            bytes: settings.size_limit,
            hold_from: unacknowledged
                .as_ref()
                .filter(|_| settings.hold)
                .map(|(_, from)| *from),
            held_bytes: removes.then_some(settings.hold_limit),
        };
        let (hold_limit, stops) = (settings.hold_limit, settings.hold && !removes);
        // Before the removal, so that a reader sees why a verdict does not exist.
        let broadcaster = Arc::clone(&self.broadcaster);
        let Some(Ok(trimmed)) =
            self.call(|store| store.trim(limits, |oldest| broadcaster.trimmed(oldest)))
        else {
            return;
        };
        let name = unacknowledged.as_ref().map_or("", |(name, _)| name);
        if let (Some(kept), Some((name, from))) = (trimmed.kept_from, &unacknowledged)
            && kept > *from
        {
            let message = format!(
                "verdicts {from} to {} were removed before consumer {name} acknowledged them; if it does not exist any \
                 more: inspectctl consumers forget {name}",
                kept - 1
            );
            self.alarms
                .raise(AlarmKind::UnacknowledgedRemoved, name, message);
        } else if unacknowledged
            .as_ref()
            .is_none_or(|(_, from)| *from >= oldest)
        {
            for consumer in consumers.keys() {
                self.alarms
                    .clear(AlarmKind::UnacknowledgedRemoved, consumer);
            }
        }
        let overflows = stops && trimmed.held && trimmed.bytes > hold_limit;
        if trimmed.held {
            let message = format!(
                "the journal is beyond its limits, because consumer {name} has not acknowledged its verdicts{}",
                if overflows {
                    "; it is full, and verdicts are not journalled"
                } else {
                    ""
                }
            );
            self.alarms.raise(AlarmKind::Held, "", message);
        } else {
            self.alarms.clear(AlarmKind::Held, "");
        }
        self.set_full(overflows.then(|| {
            format!(
                "the journal holds unacknowledged verdicts up to hold_max_mib (consumer {name})"
            )
        }));
    }

    /// Has verdicts published without the journal, or no longer, although it is open.
    fn set_full(&mut self, reason: Option<String>) {
        if self.store.is_some() && (self.full.is_some() || reason.is_some()) {
            self.queue.set_trouble(reason.clone());
        }
        self.full = reason;
    }

    /// Empties a large write-ahead log if no reader needs it. If it exceeds its limit, nothing is written until the reader
    /// has ended.
    fn limit_wal(&mut self) {
        let Some(bytes) = self.store.as_ref().map(Store::wal_bytes) else {
            return;
        };
        if bytes <= WAL_REPORTED {
            return self.alarms.clear(AlarmKind::WalGrows, "");
        }
        if self
            .call(Store::checkpoint)
            .is_none_or(|done| done.is_err())
        {
            return;
        }
        let bytes = self.store.as_ref().map_or(0, Store::wal_bytes);
        if bytes <= WAL_REPORTED {
            return self.alarms.clear(AlarmKind::WalGrows, "");
        }
        let (mib, limit) = (bytes >> 20, self.settings.wal_limit);
        let message = format!(
            "the write-ahead log of the journal has {mib} MiB, because a program has read the journal for long \
             (fuser {}); at {} MiB verdicts are no longer journalled",
            crate::journal::file(&self.folder).display(),
            limit >> 20
        );
        self.alarms.raise(AlarmKind::WalGrows, "", message);
        if bytes > limit {
            let reason = format!("the write-ahead log has {mib} MiB, more than wal_max_mib");
            self.set_full(Some(reason));
        }
    }
}

/// Marks the verdicts of an earlier run that was killed before it knew that they were published as they are stored.
fn mark_tail(store: &mut Store, opened: &Opened) -> Result<(), JournalError> {
    let Some(confirmed) = opened.counters.get(CONFIRMED) else {
        return Ok(());
    };
    if opened.sequence > *confirmed {
        let marked = store.mark_unconfirmed(confirmed + 1)?;
        warn!(
            first = confirmed + 1,
            marked,
            "the process was killed while these verdicts were published: they are marked as unconfirmed"
        );
    }
    Ok(())
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
