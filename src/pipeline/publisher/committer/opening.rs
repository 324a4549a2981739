//! Opening the journal: at the start, after a failure, and in place of a damaged one.

use std::collections::BTreeMap;

use tracing::{error, info, warn};

use super::{CONFIRMED, Committer};
use crate::alarm::AlarmKind;
use crate::journal::repair::Check;
use crate::journal::{self, Batch, JournalError, Opened, Store, repair};

/// The journal's counter that is written when a journal is opened again: the next sequence.
const REOPENED: &str = "journal/reopened";

/// The journal's counters of the first and the last sequence that were lost with journals that were replaced.
const LOST: [&str; 2] = ["journal/lost_from", "journal/lost_to"];

impl Committer {
    pub(super) fn open(&mut self) -> Result<(), JournalError> {
        self.queue.start_call();
        let opened = Store::open(&self.folder, self.broadcaster.run());
        let opened = opened.and_then(|(mut store, opened)| {
            let mut opened = opened;
            if self.was_opened {
                self.settle(&mut store, &opened)?;
                if opened.replaced {
                    opened.consumers = self.queue.consumers();
                }
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

    /// Closes a damaged journal and renames it, if a check of the whole file finds damage as well: on a failing disk, an
    /// intact file may look damaged.
    pub(super) fn set_aside(&mut self, damage: &str) -> Result<(), JournalError> {
        self.store = None;
        self.queue.start_call();
        let found = Check::open(&journal::file(&self.folder)).and_then(|check| check.run(1));
        self.queue.end_call();
        if found?.is_empty() {
            return Err(JournalError::NotDamaged(damage.to_owned()));
        }
        self.uncertain.clear();
        let aside = repair::set_aside(&self.folder).map_err(JournalError::Aside)?;
        self.readers.reset();
        error!(%damage, aside = %aside.display(), "the journal is damaged: it was set aside, and a new one is begun");
        Ok(())
    }

    /// Begins a new journal in place of a damaged one. Sequences, consumers and counters go on.
    pub(super) fn replace(&mut self, damage: &str) {
        let replaced = self.set_aside(damage).and_then(|()| self.open());
        if let Err(error) = replaced {
            self.failed(&error.to_string());
        }
    }

    pub(super) fn reopen(&mut self) {
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
