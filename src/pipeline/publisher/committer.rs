//! The thread that writes the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{error, info, warn};

use super::broadcaster::{Broadcaster, Ready};
use super::commit_queue::{Acknowledgement, CommitQueue, Taken};
use crate::config::settings;
use crate::journal::{Batch, JournalError, Limits, Opened, Store};
use inspectd_core::record::Verdict;

/// How long a journal that failed is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// Counter of the journal that is written when it is opened anew: the next sequence.
const REOPENED: &str = "journal/reopened";

/// How often what is beyond the limits is removed, at most.
const TRIM_INTERVAL: Duration = Duration::from_millis(200);

/// A clock that is set forward by more makes nothing old for a while: it may be a mistake, and what is
/// removed does not come back when it is set right.
const CLOCK_STEP: Duration = Duration::from_secs(600);

/// How long that while is.
const CLOCK_TRUST: Duration = Duration::from_secs(3600);

/// Writes what waits in the ledger, and announces it.
pub(super) struct Committer {
    folder: PathBuf,
    settings: settings::Journal,
    ledger: Arc<CommitQueue>,
    announcer: Arc<Broadcaster>,
    store: Option<Store>,
    /// Verdicts of a write that failed, as clients were told them: whether they are in the journal all
    /// the same is known once it is opened anew.
    doubtful: Vec<Arc<Verdict>>,
    /// The next sequence. It never falls, whatever the disk says.
    next: u64,
    retry_at: Instant,
    last_commit: Instant,
    last_trim: Instant,
    clock: Clock,
}

impl Committer {
    pub(super) fn new(
        folder: PathBuf,
        settings: settings::Journal,
        ledger: Arc<CommitQueue>,
        announcer: Arc<Broadcaster>,
        journal: Option<(Store, Opened)>,
    ) -> Self {
        let now = Instant::now();
        let mut committer = Self {
            folder,
            settings,
            ledger,
            announcer,
            store: None,
            doubtful: Vec::new(),
            next: 1,
            retry_at: now,
            last_commit: now,
            last_trim: now,
            clock: Clock::new(now, SystemTime::now()),
        };
        match journal {
            Some((store, opened)) => committer.opened(store, opened),
            None => committer.failed("it cannot be opened"),
        }
        committer
    }

    /// Writes until the ledger is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            let not_before = self.last_commit + self.settings.commit_window;
            let Some(taken) = self.ledger.take(not_before, TRIM_INTERVAL) else {
                break;
            };
            if self.store.is_none() && Instant::now() >= self.retry_at {
                self.open();
            }
            self.write(taken);
            self.ledger.rest();
            self.trim();
        }
    }

    fn open(&mut self) {
        let reopened = Store::open(&self.folder, self.announcer.run());
        let settled = reopened.and_then(|(mut store, opened)| {
            self.settle(&mut store, opened.sequence)?;
            Ok((store, opened))
        });
        match settled {
            Ok((store, opened)) => {
                info!(sequence = opened.sequence, "the journal is written again");
                self.doubtful.clear();
                self.opened(store, opened);
            }
            Err(error) => self.failed(&error.to_string()),
        }
    }

    /// Has a journal that failed say what clients were told. Writes in any case: opening does not show
    /// whether a disk is still full.
    fn settle(&self, store: &mut Store, sequence: u64) -> Result<(), JournalError> {
        // All of them arrived, or none.
        let arrived = self
            .doubtful
            .first()
            .is_some_and(|first| first.sequence <= sequence);
        store.commit(&Batch {
            verdicts: self.doubtful.iter().filter(|_| arrived).cloned().collect(),
            counters: BTreeMap::from([(REOPENED.to_owned(), self.next)]),
            ..Batch::default()
        })
    }

    fn opened(&mut self, store: Store, opened: Opened) {
        self.next = self.next.max(opened.sequence + 1);
        self.announcer
            .restore(opened.sequence, opened.oldest, opened.recorded);
        self.ledger.restore(opened.consumers, opened.counters);
        self.ledger.set_trouble(None);
        self.store = Some(store);
    }

    fn failed(&mut self, message: &str) {
        self.store = None;
        self.retry_at = Instant::now() + RETRY;
        self.ledger.set_trouble(Some(message.to_owned()));
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
        let Some(store) = &mut self.store else {
            for entry in entries {
                self.announcer.announce_unjournalled(entry);
            }
            return refuse(acknowledgements, "the journal cannot be written");
        };
        let first = self.next;
        let ready: Vec<Ready> = (first..)
            .zip(entries)
            .map(|(sequence, entry)| self.announcer.ready(entry, sequence))
            .collect();
        self.next += ready.len() as u64;
        let batch = Batch {
            verdicts: ready
                .iter()
                .map(|ready| Arc::clone(&ready.verdict))
                .collect(),
            consumers: latest(&acknowledgements, &self.ledger),
            counters,
        };
        self.ledger.begin(ready);
        let written = store.commit(&batch);
        self.last_commit = Instant::now();
        let ready = self.ledger.end();
        match written {
            Ok(()) => self.written(&batch, ready, acknowledgements),
            Err(error) => {
                self.doubtful = self.told(&batch);
                self.not_written(&error, ready, acknowledgements);
            }
        }
    }

    fn written(
        &mut self,
        batch: &Batch,
        ready: Option<Vec<Ready>>,
        acknowledgements: Vec<Acknowledgement>,
    ) {
        for (name, state) in &batch.consumers {
            self.ledger.set_consumer(name.clone(), *state);
        }
        for word in acknowledgements {
            // Who no longer waits needs no word.
            let _ = word.done.send(Ok(()));
        }
        match ready {
            Some(ready) => {
                for ready in ready {
                    self.announcer.announce(ready);
                }
            }
            None => self.amend(batch),
        }
    }

    /// The verdicts were announced before they arrived on the disk: what is there is made to say what
    /// clients were told.
    fn amend(&mut self, batch: &Batch) {
        let amended = Batch {
            verdicts: self.told(batch),
            ..Batch::default()
        };
        let Some(store) = &mut self.store else { return };
        match store.commit(&amended) {
            Ok(()) => {
                if let Some(last) = amended.verdicts.last() {
                    self.announcer.reached(last.sequence);
                }
                warn!("the journal was written late, and is written in time again");
                self.ledger.set_trouble(None);
            }
            Err(error) => {
                self.doubtful = amended.verdicts;
                self.failed(&error.to_string());
            }
        }
    }

    /// Verdicts as clients were told them that could not be journalled in time.
    fn told(&self, batch: &Batch) -> Vec<Arc<Verdict>> {
        let told = |verdict: &Arc<Verdict>| Arc::new(self.announcer.withdrawn(verdict));
        batch.verdicts.iter().map(told).collect()
    }

    fn not_written(
        &mut self,
        error: &JournalError,
        ready: Option<Vec<Ready>>,
        acknowledgements: Vec<Acknowledgement>,
    ) {
        error!(%error, "verdicts could not be journalled");
        self.failed(&error.to_string());
        refuse(acknowledgements, &error.to_string());
        for ready in ready.unwrap_or_default() {
            self.announcer.announce_withdrawn(ready);
        }
    }

    /// Removes some of what is beyond the limits.
    fn trim(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.last_trim) < TRIM_INTERVAL {
            return;
        }
        self.last_trim = now;
        let Some(store) = &mut self.store else { return };
        let time = self.clock.trusted(now, SystemTime::now());
        let limits = Limits {
            before: time.and_then(|time| time.checked_sub(self.settings.age_limit)),
            bytes: self.settings.size_limit,
        };
        // Told before it happens: who reads meanwhile sees why something is not there.
        let going = |oldest| self.announcer.trimmed(oldest);
        if let Err(error) = store.trim(limits, going) {
            error!(%error, "old verdicts could not be removed");
            self.failed(&error.to_string());
        }
    }
}

/// The latest word of each consumer. None goes back behind what is on the disk.
fn latest(
    words: &[Acknowledgement],
    ledger: &CommitQueue,
) -> BTreeMap<String, Option<crate::journal::Consumer>> {
    let mut known = ledger.consumers();
    let mut latest = BTreeMap::new();
    for word in words {
        let state = word.state.map(|mut state| {
            let before = known.get(&word.consumer);
            let before = before.map_or(0, |consumer| consumer.acknowledged);
            state.acknowledged = state.acknowledged.max(before);
            state
        });
        match state {
            Some(state) => known.insert(word.consumer.clone(), state),
            None => known.remove(&word.consumer),
        };
        latest.insert(word.consumer.clone(), state);
    }
    latest
}

fn refuse(words: Vec<Acknowledgement>, why: &str) {
    for word in words {
        // Who no longer waits needs no word.
        let _ = word.done.send(Err(why.to_owned()));
    }
}

/// Tells whether the system's clock can be trusted with removing what is old.
#[derive(Debug)]
struct Clock {
    at: Instant,
    time: SystemTime,
    stepped: Option<Instant>,
}

impl Clock {
    fn new(at: Instant, time: SystemTime) -> Self {
        Self {
            at,
            time,
            stepped: None,
        }
    }

    /// The time, unless the clock was set forward a short while ago.
    fn trusted(&mut self, at: Instant, time: SystemTime) -> Option<SystemTime> {
        let expected = self.time + at.duration_since(self.at);
        let ahead = time.duration_since(expected).unwrap_or_default();
        if ahead > CLOCK_STEP {
            warn!(
                ahead_s = ahead.as_secs(),
                "the clock was set forward: nothing is removed for its age for an hour"
            );
            self.stepped = Some(at);
        }
        (self.at, self.time) = (at, time);
        let trusted = self
            .stepped
            .is_none_or(|stepped| at.duration_since(stepped) >= CLOCK_TRUST);
        trusted.then_some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_forward_makes_nothing_old_for_an_hour() {
        let (at, time) = (Instant::now(), SystemTime::now());
        let mut clock = Clock::new(at, time);
        let mut check = |after_s: u64, says_s: u64, trusted: bool| {
            let after = at + Duration::from_secs(after_s);
            let says = time + Duration::from_secs(says_s);
            assert_eq!(
                clock.trusted(after, says).is_some(),
                trusted,
                "{after_s} {says_s}"
            );
        };
        check(10, 10, true);
        check(20, 500, true);
        check(30, 90_000, false);
        check(40, 40, false);
        check(3640, 3640, true);
        check(3650, 0, true);
    }
}
