//! Where verdicts are made: journalled, counted, kept, and sent to the streams.
//!
//! With a journal, verdicts wait in the commit queue until the committer's thread has made them durable,
//! many at a time; only then are they broadcast. Without a journal they are broadcast immediately.

mod broadcaster;
mod commit_queue;
mod committer;
mod damage_check;
mod earlier_verdicts;
mod entry;
mod journal;
mod shift_counts;
#[cfg(test)]
mod tests;
mod wall_clock;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::record::Verdict;
use tokio::sync::broadcast;
use tracing::error;
use uuid::Uuid;

use crate::alarm::Alarms;
use crate::clock::SharedClock;
use crate::config::settings::Settings;
use crate::evidence::{DiskStore, Evidence};
use crate::journal::{JournalError, Readers};
use crate::on_panic::OnPanic;

use broadcaster::Broadcaster;
use commit_queue::CommitQueue;
pub(super) use committer::Committer;
use damage_check::DamageCheck;

pub use broadcaster::{OnPublished, PublishTimes, Totals};
pub use commit_queue::{AcknowledgeError, JournalTrouble};
pub use entry::{InspectedImages, VerdictEntry};
pub use journal::{Acknowledged, Journal};
pub use shift_counts::ShiftSnapshot;

/// How often [`Publisher::flush`] checks whether everything is broadcast.
const FLUSH_POLL: Duration = Duration::from_millis(1);

/// Makes verdicts and broadcasts them. The channel of the streams is bounded: a slow reader continues from
/// the journal, and nothing waits for it.
#[derive(Debug)]
pub struct Publisher {
    broadcaster: Arc<Broadcaster>,
    journal: Option<Journal>,
    damage_check: Option<DamageCheck>,
    clock: SharedClock,
}

/// What a publisher is started with.
pub struct PublisherOptions<'a> {
    /// Start of the run on both clocks.
    pub start: Moment,
    /// Id of the run.
    pub run: Uuid,
    /// The settings.
    pub settings: &'a Settings,
    /// Called with each verdict that is broadcast.
    pub on_published: OnPublished,
    /// The clock.
    pub clock: SharedClock,
    /// The alarms.
    pub alarms: Alarms,
    /// Called when the thread that writes the journal panics.
    pub failed: Arc<dyn Fn() + Send + Sync>,
}

/// Why a publisher does not start.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// The operating system refuses a thread.
    #[error(transparent)]
    Thread(#[from] io::Error),
    /// Another daemon uses the journal, or the file is not a journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Publisher {
    /// Starts to publish. Where the settings name a journal, a thread writes it until [`Self::close`].
    /// Returns the threads to join. That thread opens the journal as well; if that takes longer than the stall timeout, or
    /// fails for a reason that may pass, verdicts are published without the journal until it is open.
    ///
    /// # Errors
    /// When the operating system refuses a thread, or the journal cannot be opened for a reason that does not pass.
    pub fn start(
        options: PublisherOptions<'_>,
    ) -> Result<(Self, Vec<JoinHandle<()>>), PublisherError> {
        let mut threads = Vec::new();
        let settings = options.settings;
        let failed = Arc::clone(&options.failed);
        let failed_check = Arc::clone(&options.failed);
        let failed_count = Arc::clone(&options.failed);
        let folder = settings.journal.folder.as_ref();
        let disk_store = match folder.filter(|_| settings.evidence.disk_limit > 0) {
            None => None,
            Some(folder) => {
                let folder = folder.join("evidence");
                let (disk_store, thread) = DiskStore::start(folder, &settings.evidence)?;
                threads.push(thread);
                Some(disk_store)
            }
        };
        let (mut publisher, committer) = Self::assemble(options, disk_store);
        if let (Some(committer), Some(journal), Some(folder)) =
            (committer, &publisher.journal, folder)
        {
            let builder = thread::Builder::new().name("journal".to_owned());
            let (first_opening, opened) = sync_channel(1);
            // First, as it is joined before the thread that stores evidence.
            let thread = builder.spawn(move || {
                let _guard = OnPanic(failed);
                committer.run(&first_opening);
            })?;
            threads.insert(0, thread);
            if let Err(error) = wait_until_open(&opened, settings.journal.stall_timeout) {
                journal.queue.close();
                return Err(error.into());
            }
            let interval = settings.journal.check_interval;
            let queue = Arc::clone(&journal.queue);
            let file = crate::journal::file(folder);
            let check = DamageCheck::start(file, interval, queue, failed_check)?;
            publisher.damage_check = Some(check);
            earlier_verdicts::start(
                Arc::clone(&publisher.broadcaster),
                Arc::clone(&journal.readers),
                Arc::clone(&journal.queue),
                failed_count,
            )?;
        }
        Ok((publisher, threads))
    }

    /// A publisher, and what writes its journal, without threads.
    pub(super) fn assemble(
        options: PublisherOptions<'_>,
        disk_store: Option<DiskStore>,
    ) -> (Self, Option<Committer>) {
        let PublisherOptions {
            start,
            run,
            settings,
            on_published,
            clock,
            alarms,
            failed: _,
        } = options;
        let broadcaster = Arc::new(Broadcaster::new(
            start,
            run,
            settings,
            disk_store,
            on_published,
            Arc::clone(&clock),
        ));
        let mut publisher = Self {
            broadcaster,
            journal: None,
            damage_check: None,
            clock,
        };
        let Some(folder) = &settings.journal.folder else {
            return (publisher, None);
        };
        let clock = Arc::clone(&publisher.clock);
        let timeout = settings.journal.stall_timeout;
        let queue = Arc::new(CommitQueue::new(timeout, Arc::clone(&clock)));
        let readers = Arc::new(Readers::new(crate::journal::file(folder)));
        let committer = Committer::new(
            folder.clone(),
            settings.journal.clone(),
            Arc::clone(&queue),
            Arc::clone(&publisher.broadcaster),
            Arc::clone(&readers),
            Arc::clone(&clock),
            alarms,
        );
        publisher.journal = Some(Journal {
            queue,
            readers,
            clock,
        });
        (publisher, Some(committer))
    }

    /// Publishes a verdict. Waits while the commit queue is full, unless journal writes are stalled.
    pub fn publish(&self, entry: VerdictEntry) {
        self.push(entry, true);
    }

    /// As [`Self::publish`], and never waits: for threads that the committer waits for. They publish few
    /// verdicts.
    pub fn publish_without_waiting(&self, entry: VerdictEntry) {
        self.push(entry, false);
    }

    fn push(&self, mut entry: VerdictEntry, wait: bool) {
        let now = self.clock.now().monotonic;
        let captured = entry.moment.monotonic;
        entry.subject.timings.total = now.saturating_duration_since(captured);
        match &self.journal {
            None => self.broadcaster.broadcast_next(entry),
            Some(journal) => {
                if let Err(entry) = journal.queue.push(entry, wait) {
                    self.broadcaster.broadcast_unjournalled(*entry);
                }
            }
        }
    }

    /// Broadcasts what waits for a stalled journal write. Called every few milliseconds.
    pub fn check_stalled(&self, now: Instant) {
        let Some(journal) = &self.journal else { return };
        let overdue = journal.queue.take_overdue(now);
        for entry in overdue.entries {
            self.broadcaster.broadcast_unjournalled(entry);
        }
        for ready in overdue.ready {
            self.broadcaster
                .broadcast_withdrawn(ready, overdue.continues);
        }
    }

    /// Broadcasts what waits for the journal, however short the wait was.
    pub fn abandon_journal(&self) {
        if let Some(journal) = &self.journal {
            self.check_stalled(self.clock.now().monotonic + journal.queue.stall_timeout());
        }
    }

    /// Waits until everything that was published is broadcast, until the deadline at most.
    pub fn flush(&self, deadline: Instant) {
        let Some(journal) = &self.journal else { return };
        while journal.queue.has_unpublished() && self.clock.now().monotonic < deadline {
            thread::sleep(FLUSH_POLL);
        }
    }

    /// Verdicts that wait for the journal, for the simulation.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.journal
            .as_ref()
            .map_or(0, |journal| journal.queue.waiting())
    }

    /// Whether verdicts are journalled, or there is no journal.
    pub fn journalling(&self) -> bool {
        let journal = self.journal.as_ref();
        journal.is_none_or(|journal| journal.trouble().is_none())
    }

    /// Takes no more verdicts. The threads end once the verdicts that wait are broadcast.
    pub fn close(&self) {
        if let Some(check) = &self.damage_check {
            check.stop();
        }
        if let Some(journal) = &self.journal {
            journal.queue.close();
        }
        self.broadcaster.close();
    }

    /// The journal, if one is configured.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// All verdicts from now on, and what was broadcast until now.
    pub fn subscribe(&self) -> (broadcast::Receiver<Arc<Verdict>>, Totals) {
        self.broadcaster.subscribe()
    }

    /// The evidence of a recent verdict, from memory.
    pub fn evidence(&self, sequence: u64) -> Option<Evidence> {
        self.broadcaster.evidence(sequence)
    }

    /// The evidence on the disk, if it is kept.
    pub fn disk_store(&self) -> Option<&DiskStore> {
        self.broadcaster.disk_store()
    }

    /// What was broadcast since the start.
    pub fn totals(&self) -> Totals {
        self.broadcaster.totals()
    }

    /// What was broadcast since the start, and the present shift, at the same moment.
    pub fn counts(&self) -> (Totals, ShiftSnapshot) {
        self.broadcaster.counts()
    }

    /// Forgets what a camera that is added or removed counted in the shift. Its verdicts stay in the total.
    pub fn forget_camera(&self, camera: &CameraId) {
        self.broadcaster.forget_camera(camera);
    }

    /// Applies settings that a reload changes.
    pub fn apply(&self, settings: &Settings) {
        self.broadcaster.apply(settings);
    }
}

/// Waits until the journal is open, at most for `timeout`.
///
/// # Errors
/// Errors that do not pass by waiting: another daemon uses the journal, or the file is not a journal.
fn wait_until_open(
    opened: &Receiver<Result<(), JournalError>>,
    timeout: Duration,
) -> Result<(), JournalError> {
    match opened.recv_timeout(timeout) {
        Ok(Err(error)) if error.is_permanent() => Err(error),
        Ok(Err(error)) => {
            error!(%error, "the journal cannot be opened; opening is retried");
            Ok(())
        }
        Ok(Ok(())) => Ok(()),
        Err(_) => {
            error!(
                ?timeout,
                "opening the journal takes too long; verdicts are not journalled until it is open"
            );
            Ok(())
        }
    }
}
