//! The one place where verdicts come into being: journalled, counted, kept, and handed to the streams.
//!
//! With a journal, verdicts wait in the ledger until a thread of its own has made them durable, many
//! at a time; only then are they announced. Without one they are announced at once.

mod broadcaster;
mod commit_queue;
mod committer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Instant, SystemTime};

use tokio::sync::{broadcast, oneshot};
use uuid::Uuid;

use self::broadcaster::Broadcaster;
use self::commit_queue::{Acknowledgement, CommitQueue};
use self::committer::Committer;
use super::camera_stats::CameraStats;
use super::job::Reply;
use crate::config::settings::Settings;
use crate::evidence::{AnomalyMap, CapturedFrame, DiskStore, Evidence};
use crate::journal::{Consumer, JournalError, Opened, Readers, Store};
use inspectd_core::moment::Moment;
use inspectd_core::record::{Outcome, Subject, Verdict};

pub use broadcaster::{Made, Totals};
pub use commit_queue::Trouble;

/// What a verdict is made of, where there is a frame.
pub type Seen = Option<(CapturedFrame, Option<AnomalyMap>)>;

/// A verdict in the making: all but what the journal adds.
pub struct Entry {
    /// When the frame was captured, or the trouble seen.
    pub moment: Moment,
    /// What it is about.
    pub subject: Subject,
    /// What was decided.
    pub outcome: Outcome,
    /// What it is made of.
    pub seen: Seen,
    /// The counts of its camera.
    pub board: Option<Arc<CameraStats>>,
    /// Who waits for it.
    pub reply: Option<Reply>,
}

/// Where the journal is read.
#[derive(Debug)]
pub struct Journal {
    ledger: Arc<CommitQueue>,
    readers: Readers,
}

/// Why verdicts cannot be acknowledged.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AcknowledgeError {
    /// There are as many as there may be.
    #[error("there are {} consumers already", commit_queue::CONSUMER_LIMIT)]
    Full,
    /// The journal does not take it.
    #[error("the journal fails: {0}")]
    Journal(String),
}

impl Journal {
    /// Who reads verdicts.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> BTreeMap<String, Consumer> {
        self.ledger.consumers()
    }

    /// Whether it was opened since the start: before, nobody knows what it holds.
    pub fn is_known(&self) -> bool {
        self.ledger.is_known()
    }

    /// What keeps verdicts from being journalled.
    pub fn trouble(&self) -> Option<Trouble> {
        self.ledger.trouble()
    }

    /// Notes that `consumer` has all verdicts up to `sequence`; the receiver gets a word once that is
    /// durable. An acknowledgement never goes back.
    ///
    /// # Errors
    /// When there are too many consumers.
    pub fn acknowledge(
        &self,
        consumer: &str,
        sequence: u64,
    ) -> Result<oneshot::Receiver<Result<(), String>>, AcknowledgeError> {
        let (done, receiver) = oneshot::channel();
        let consumer_now = Consumer {
            acknowledged: sequence,
            changed: SystemTime::now(),
        };
        self.ledger.acknowledge(Acknowledgement {
            consumer: consumer.to_owned(),
            state: Some(consumer_now),
            done,
        })?;
        Ok(receiver)
    }

    /// Forgets a consumer; the receiver gets a word once that is durable.
    ///
    /// # Errors
    /// Never; as [`Self::acknowledge`].
    pub fn forget(
        &self,
        consumer: &str,
    ) -> Result<oneshot::Receiver<Result<(), String>>, AcknowledgeError> {
        let (done, receiver) = oneshot::channel();
        self.ledger.acknowledge(Acknowledgement {
            consumer: consumer.to_owned(),
            state: None,
            done,
        })?;
        Ok(receiver)
    }

    /// The last values of the counters.
    pub fn counter(&self, name: &str) -> u64 {
        self.ledger.counter(name)
    }

    /// Keeps a counter's value with the next verdicts.
    pub fn count(&self, name: &str, value: u64) {
        self.ledger.count(name, value);
    }
}

/// Makes verdicts and hands them out. The streams' channel is bounded: a slow reader falls back to the
/// journal, and nobody waits for it.
#[derive(Debug)]
pub struct Publisher {
    announcer: Arc<Broadcaster>,
    journal: Option<Journal>,
}

impl Publisher {
    /// Publishes for the run `run`, which began at `start`. Where the settings name a journal, a thread
    /// writes it until [`Self::close`].
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        start: Moment,
        run: Uuid,
        settings: &Settings,
        made: Made,
        journal: Option<(Store, Opened)>,
    ) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let mut threads = Vec::new();
        let folder = settings.journal.folder.as_ref();
        let disk_store = match folder.filter(|_| settings.evidence.disk_limit > 0) {
            None => None,
            Some(folder) => {
                let (disk_store, thread) =
                    DiskStore::start(folder.join("evidence"), &settings.evidence)?;
                threads.push(thread);
                Some(disk_store)
            }
        };
        let announcer = Arc::new(Broadcaster::new(start, run, settings, disk_store, made));
        let Some(folder) = folder else {
            let journal = None;
            return Ok((Self { announcer, journal }, threads));
        };
        let ledger = Arc::new(CommitQueue::new(settings.journal.stall_timeout));
        let committer = Committer::new(
            folder.clone(),
            settings.journal.clone(),
            Arc::clone(&ledger),
            Arc::clone(&announcer),
            journal,
        );
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || committer.run())?;
        threads.insert(0, thread);
        let journal = Journal {
            ledger,
            readers: Readers::new(crate::journal::file(folder)),
        };
        let journal = Some(journal);
        Ok((Self { announcer, journal }, threads))
    }

    /// Makes a verdict. Waits while the ledger is full, as long as the journal is written at all.
    pub fn publish(&self, mut entry: Entry) {
        entry.subject.timings.total = entry.moment.monotonic.elapsed();
        match &self.journal {
            None => self.announcer.announce_next(entry),
            Some(journal) => {
                if let Err(entry) = journal.ledger.push(entry, true) {
                    self.announcer.announce_unjournalled(*entry);
                }
            }
        }
    }

    /// As [`Self::publish`], and never waits: for the thread that empties the ledger. Its verdicts are
    /// few, one for several.
    pub fn publish_at_once(&self, mut entry: Entry) {
        entry.subject.timings.total = entry.moment.monotonic.elapsed();
        match &self.journal {
            None => self.announcer.announce_next(entry),
            Some(journal) => {
                if let Err(entry) = journal.ledger.push(entry, false) {
                    self.announcer.announce_unjournalled(*entry);
                }
            }
        }
    }

    /// Looks whether the journal stands still, and goes on without it then. To be called every few
    /// milliseconds.
    pub fn watch(&self, now: Instant) {
        let Some(journal) = &self.journal else { return };
        let overdue = journal.ledger.take_over(now);
        for entry in overdue.entries {
            self.announcer.announce_unjournalled(entry);
        }
        for ready in overdue.ready {
            self.announcer.announce_withdrawn(ready);
        }
    }

    /// Waits until everything that was published is announced, at most until the deadline.
    pub fn flush(&self, deadline: Instant) {
        let Some(journal) = &self.journal else { return };
        while !journal.ledger.is_idle() && Instant::now() < deadline {
            thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Whether verdicts are written as they should be.
    pub fn journalling(&self) -> bool {
        self.journal
            .as_ref()
            .is_none_or(|journal| journal.trouble().is_none())
    }

    /// Takes no more verdicts; the threads end once those that are there are announced.
    pub fn close(&self) {
        if let Some(journal) = &self.journal {
            journal.ledger.close();
        }
        self.announcer.close();
    }

    /// The journal, if there is one.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// A reader of all verdicts from now on, and what was announced until now.
    pub fn subscribe(&self) -> (broadcast::Receiver<Arc<Verdict>>, Totals) {
        self.announcer.subscribe()
    }

    /// The evidence of a recent verdict, from memory.
    pub fn evidence(&self, sequence: u64) -> Option<Evidence> {
        self.announcer.evidence(sequence)
    }

    /// The evidence on the disk.
    pub fn disk_store(&self) -> Option<&DiskStore> {
        self.announcer.disk_store()
    }

    /// What has been announced.
    pub fn totals(&self) -> Totals {
        self.announcer.totals()
    }

    /// Brings what reloads change into force.
    pub fn apply(&self, settings: &Settings) {
        self.announcer.apply(settings);
    }
}

/// Opens the journal that the settings name, if they do.
///
/// # Errors
/// What no waiting mends: another daemon has it, or it is none. For a disk that is full or cannot be
/// written there is nothing: the line goes on without, and it is tried again.
pub fn open_journal(
    settings: &Settings,
    run: Uuid,
) -> Result<Option<(Store, Opened)>, JournalError> {
    let Some(folder) = &settings.journal.folder else {
        return Ok(None);
    };
    match Store::open(folder, run) {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.is_permanent() => Err(error),
        Err(error) => {
            tracing::error!(%error, "the journal cannot be opened; it is tried again");
            Ok(None)
        }
    }
}
