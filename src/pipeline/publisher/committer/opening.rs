//! Opening the journal: at the start, after a failure, and in place of a damaged one.

use std::collections::BTreeMap;

use tracing::{error, info, warn};

use super::{CONFIRMED, Committer};
use crate::alarm::AlarmKind;
use crate::journal::repair::Depth;
use crate::journal::{
    self, Batch, EPOCH, JournalError, Known, LOST, OPENING, Opened, Store, repair,
};

impl Committer {
    pub(super) fn open(&mut self) -> Result<(), JournalError> {
        self.queue.start_call();
        let known = self.known();
        let lost = known.counters.get(LOST[0]).copied();
        let lost_from = lost.unwrap_or(self.broadcaster.totals().oldest);
        let opened = Store::open(&self.folder, self.broadcaster.run(), lost_from);
        let opened = opened.and_then(|(mut store, mut opened)| {
            if opened.replaced {
                continue_with(known, &mut store, &mut opened)?;
            }
            if self.was_opened {
                self.settle(&mut store, &opened)?;
            } else {
                mark_tail(&mut store, &opened)?;
            }
            Ok((store, opened))
        });
        self.queue.end_call();
        let (store, opened) = opened?;
        self.opened(store, opened);
        Ok(())
    }

    /// Checks a journal that seems damaged when it is opened at the start: on a failing disk, an intact file may look
    /// damaged. While the daemon runs, another thread checks.
    pub(super) fn confirm_damage(&mut self, damage: &str) -> Result<(), JournalError> {
        self.queue.start_call();
        let file = journal::file(&self.folder);
        let found = repair::confirmed_damage(&file, Depth::Indexes, || false);
        self.queue.end_call();
        if found?.is_none() {
            return Err(JournalError::NotDamaged(damage.to_owned()));
        }
        Ok(())
    }

    /// Closes a damaged journal and renames it.
    pub(super) fn set_aside(&mut self, damage: &str) -> Result<(), JournalError> {
        self.store = None;
        self.uncertain.clear();
        if !self.was_opened {
            self.rescued = repair::rescue(&journal::file(&self.folder));
        }
        let aside = repair::set_aside(&self.folder).map_err(JournalError::Aside)?;
        self.queue.next_generation();
        self.readers.reset();
        error!(%damage, aside = %aside.display(), "the journal is damaged: it was set aside, and a new one is begun");
        Ok(())
    }

    /// Begins a new journal in place of a damaged one. Sequences, consumers and counters go on.
    pub(super) fn replace(&mut self, damage: &str) {
        let replaced = self.set_aside(damage).and_then(|()| self.open());
        if let Err(error) = replaced {
            self.failed(&error);
        }
    }

    pub(super) fn reopen(&mut self) {
        match self.open() {
            Ok(()) => {
                info!(sequence = self.next - 1, "the journal is written again");
                self.uncertain.clear();
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Makes a journal that failed agree with what was broadcast. It always writes, because opening
    /// does not show whether the disk is still full.
    fn settle(&self, store: &mut Store, opened: &Opened) -> Result<(), JournalError> {
        // A write is one transaction: all of its verdicts reached the disk, or none.
        let first = self.uncertain.first();
        let reached_disk = first.is_some_and(|first| first.sequence <= opened.sequence);
        let verdicts = self.uncertain.iter().filter(|_| reached_disk);
        let batch = Batch {
            verdicts: verdicts.cloned().collect(),
            used: self.next - 1,
            ..Batch::default()
        };
        store.commit(&batch)
    }

    /// Consumers and counters, for a journal in place of a damaged one: from memory, or from the damaged file if
    /// the damage was found at the start.
    fn known(&mut self) -> Known {
        if self.was_opened {
            return Known {
                consumers: self.queue.consumers(),
                counters: self.queue.counters(),
            };
        }
        self.rescued.clone()
    }

    fn opened(&mut self, store: Store, opened: Opened) {
        self.next = self.next.max(opened.sequence + 1);
        self.broadcaster.restore(&opened);
        self.report_damage(&opened);
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
        self.queue.set_trouble(self.full_reason().cloned());
        self.store = Some(store);
    }

    fn report_damage(&mut self, opened: &Opened) {
        let aside = repair::aside(&self.folder);
        self.aside = !aside.is_empty();
        let (from, to) = opened.lost.unwrap_or_default();
        let message = match aside.last() {
            Some(damaged) => format!(
                "a damaged journal was set aside: {}; verdicts {from} to {to} may be in it (inspectd journal salvage); \
                 this alarm ends when it is moved away",
                damaged.display()
            ),
            None if opened.replaced => format!(
                "this is not the journal that was used last (moved away or restored?); verdicts {from} to {to} are missing, \
                 new ones have later sequences"
            ),
            None => return,
        };
        self.alarms.raise(AlarmKind::JournalDamaged, "", message);
    }
}

/// Writes what is known of the journal before into the one that replaces it, except the counters that identify
/// it.
fn continue_with(known: Known, store: &mut Store, opened: &mut Opened) -> Result<(), JournalError> {
    let [from, to] = LOST;
    let own = |name: &str| [EPOCH, OPENING, from, to].contains(&name);
    let counters = known.counters.into_iter();
    let counters: BTreeMap<_, _> = counters.filter(|(name, _)| !own(name)).collect();
    opened.consumers.extend(known.consumers);
    opened.counters.extend(counters.clone());
    let consumers = opened.consumers.clone().into_iter();
    store.commit(&Batch {
        consumers: consumers
            .map(|(name, consumer)| (name, Some(consumer)))
            .collect(),
        counters,
        ..Batch::default()
    })?;
    Ok(())
}

/// Marks the verdicts of an earlier run that was killed before it knew that they were published as they are stored.
fn mark_tail(store: &mut Store, opened: &Opened) -> Result<(), JournalError> {
    let Some(confirmed) = opened.counters.get(CONFIRMED) else {
        return Ok(());
    };
    if opened.sequence > *confirmed {
        let marked = store.mark_unconfirmed(confirmed + 1)?;
        if marked > 0 {
            warn!(
                first = confirmed + 1,
                marked,
                "the process was killed while these verdicts were published: they are marked as unconfirmed"
            );
        }
        // Marked once.
        store.commit(&Batch {
            counters: BTreeMap::from([(CONFIRMED.to_owned(), opened.sequence)]),
            ..Batch::default()
        })?;
    }
    Ok(())
}
