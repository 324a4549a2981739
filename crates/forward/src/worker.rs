//! One sink: reads the stream of its consumer, collects batches, delivers them, and acknowledges what is confirmed.
//!
//! Positions are acknowledged only while the stream is open, or after a check that the daemon still has the same
//! journal: a sequence is not valid in another one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::continuation::{Memory, OpenedJournal};
use crate::delivery::{Delivery, Stopped};
use crate::memory_file::MemoryFile;
use crate::progress::Progress;
use crate::record::Record;
use crate::source::{Item, Source, SourceError};
use crate::state::{Activity, SinkState};
use crate::stop;

/// The shortest time between two acknowledgements: each is written to the daemon's disk.
const ACKNOWLEDGE_INTERVAL: Duration = Duration::from_millis(100);
/// The pause after an acknowledgement that failed.
const ACKNOWLEDGE_RETRY: Duration = Duration::from_secs(1);
/// Time after which the journal is checked again before an acknowledgement. A daemon needs longer to stop, and to start with
/// another journal.
const JOURNAL_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest time between two log messages about acknowledgements that fail.
const LOG_INTERVAL: Duration = Duration::from_mins(1);
/// Maximum time of the last acknowledgement before the program ends.
const LAST_ACKNOWLEDGEMENT: Duration = Duration::from_secs(2);
/// Time without a batch after which the connection to the receiver is checked.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// The pauses before the daemon is called again.
const DAEMON_PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A sink and what it reads.
pub struct Worker {
    /// The id of the sink.
    pub id: String,
    /// What it reads.
    pub source: Source,
    /// How it sends.
    pub delivery: Delivery,
    /// What it stores of the journal.
    pub memory_file: MemoryFile,
    /// Most records of a batch.
    pub batch_limit: usize,
    /// Time that a batch waits for more records.
    pub batch_window: Duration,
    /// The state.
    pub state: Arc<SinkState>,
    /// Becomes true when the program stops.
    pub stop: watch::Receiver<bool>,
}

/// Why a sink ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// Another program reads as its consumer.
    Superseded,
}

/// A task that is aborted when its owner is dropped.
struct OwnedTask(JoinHandle<SourceError>);

impl Drop for OwnedTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An open stream and what was received of it.
struct Session {
    reader: OwnedTask,
    items: mpsc::Receiver<Item>,
    progress: Progress,
    batch: Batch,
    /// When the next acknowledgement may be sent.
    acknowledge_at: Instant,
    acknowledged: u64,
    /// The journal whose sequences were received.
    journal: OpenedJournal,
    /// When it was checked last that the daemon has this journal. The stream does not show it while the receiver is away:
    /// its end is noticed only when everything received before is delivered.
    checked_at: Instant,
    /// When a failed acknowledgement may be logged.
    log_failure_at: Instant,
}

/// How a session ended.
enum SessionEnd {
    Stopped,
    Lost(SourceError),
}

impl Worker {
    /// Forwards until the program stops, or another program takes over the consumer.
    pub async fn run(mut self) -> Ended {
        let mut backoff = Backoff::new(DAEMON_PAUSES.0, DAEMON_PAUSES.1);
        let mut confirmed = 0;
        let mut quiet = false;
        let ended = loop {
            let error = match self.session(&mut confirmed, &mut backoff).await {
                SessionEnd::Stopped => break Ended::Stopped,
                SessionEnd::Lost(error) => error,
            };
            let text = error.to_string();
            self.state.error(&text);
            if let SourceError::Superseded(_) = error {
                error!(sink = self.id, "{text}");
                break Ended::Superseded;
            }
            self.state.activity(Activity::Connecting);
            let pause = backoff.next();
            // Failures in a row are one line.
            if !std::mem::replace(&mut quiet, pause > DAEMON_PAUSES.0 * 2) {
                warn!(
                    sink = self.id,
                    error = text,
                    "the stream of verdicts is opened again"
                );
            }
            let mut stop = self.stop.clone();
            tokio::select! {
                () = stop::requested(&mut stop) => break Ended::Stopped,
                () = sleep(pause) => {}
            }
        };
        self.delivery.sink.close().await;
        self.state.activity(match ended {
            Ended::Stopped => Activity::Stopped,
            Ended::Superseded => Activity::Superseded,
        });
        ended
    }

    /// Opens a stream and forwards until it ends and everything received is confirmed.
    async fn session(&mut self, confirmed: &mut u64, backoff: &mut Backoff) -> SessionEnd {
        let mut stop = self.stop.clone();
        let opened = tokio::select! {
            () = stop::requested(&mut stop) => return SessionEnd::Stopped,
            opened = self.open(confirmed) => opened,
        };
        let mut session = match opened {
            Ok(session) => session,
            Err(error) => return SessionEnd::Lost(error),
        };
        self.delivery.keep_open().await;
        info!(
            sink = self.id,
            position = session.acknowledged,
            "the stream of verdicts is open"
        );
        let ended = self.forward(&mut session, backoff).await;
        *confirmed = session.progress.confirmed().max(*confirmed);
        if let Err(Stopped) = ended {
            self.acknowledge_last(&mut session).await;
            return SessionEnd::Stopped;
        }
        match (&mut session.reader.0).await {
            Ok(error) => SessionEnd::Lost(error),
            // No other code aborts the reader.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn open(&self, confirmed: &mut u64) -> Result<Session, SourceError> {
        let memory = self.memory_file.load().map_err(SourceError::Memory)?;
        let (sender, items) = mpsc::channel(self.batch_limit);
        let checked_at = Instant::now();
        let (reader, known) = self.source.open(memory, *confirmed, sender).await?;
        *confirmed = known;
        let acknowledged = self.state.snapshot().position;
        let journal = reader.journal();
        Ok(Session {
            reader: OwnedTask(tokio::spawn(reader.run())),
            items,
            progress: Progress::default(),
            batch: Batch::new(self.batch_limit, self.batch_window),
            acknowledge_at: Instant::now(),
            acknowledged,
            journal,
            checked_at,
            log_failure_at: Instant::now(),
        })
    }

    /// Forwards until the stream has ended and the last batch is confirmed.
    async fn forward(
        &mut self,
        session: &mut Session,
        backoff: &mut Backoff,
    ) -> Result<(), Stopped> {
        let mut received = Vec::with_capacity(self.batch_limit);
        let mut stop = self.stop.clone();
        let mut open = true;
        let mut idle_until = Instant::now() + IDLE_INTERVAL;
        while open || !session.batch.is_empty() {
            if session.batch.is_due(Instant::now()) || !open {
                self.deliver(session).await?;
                backoff.reset();
                idle_until = Instant::now() + IDLE_INTERVAL;
                continue;
            }
            let pending = session.progress.confirmed() > session.acknowledged;
            let room = session.batch.room();
            tokio::select! {
                () = stop::requested(&mut stop) => {
                    // What was received and not sent yet is delivered again after the next start.
                    return Err(Stopped);
                }
                count = session.items.recv_many(&mut received, room) => {
                    open = count > 0;
                    for item in received.drain(..) {
                        self.receive(session, item);
                    }
                }
                () = sleep_until(session.batch.deadline()), if !session.batch.is_empty() => {}
                () = sleep_until(session.acknowledge_at), if pending => self.acknowledge(session).await,
                () = sleep_until(idle_until) => {
                    self.delivery.keep_open().await;
                    idle_until = Instant::now() + IDLE_INTERVAL;
                }
            }
        }
        Ok(())
    }

    /// Puts an item into the batch. One without a record is confirmed at once.
    fn receive(&self, session: &mut Session, item: Item) {
        let ticket = session.progress.receive(item.sequence);
        let Some(record) = item.record else {
            if let Some(memory) = item.memory {
                self.remember(memory);
            } else {
                self.state.update(|snapshot| snapshot.filtered += 1);
            }
            session.progress.confirm(ticket);
            return;
        };
        if let Record::Gap(gap) = &record {
            let (reason, missed) = (gap.gap.reason(), gap.gap.missed());
            let (first, last) = gap.gap.sequences().unwrap_or_default();
            warn!(
                sink = self.id,
                reason,
                missed,
                first,
                last,
                epoch = gap.epoch,
                "gap in the verdicts"
            );
            self.state.update(|snapshot| {
                snapshot.gaps += 1;
                snapshot.missed += missed;
            });
        }
        session
            .batch
            .push(record, ticket, item.memory, Instant::now());
    }

    /// Sends the batch until it is confirmed.
    async fn deliver(&mut self, session: &mut Session) -> Result<(), Stopped> {
        self.delivery
            .deliver(&self.source.client, session.batch.records())
            .await?;
        for (ticket, memory) in session.batch.take() {
            if let Some(memory) = memory {
                self.remember(memory);
            }
            session.progress.confirm(ticket);
        }
        Ok(())
    }

    /// If it cannot be written, the gap is reported again after the next start.
    fn remember(&self, memory: Memory) {
        if let Err(error) = self.memory_file.save(memory) {
            warn!(sink = self.id, %error, "the epoch of the journal cannot be stored");
            self.state.error(&error.to_string());
        }
    }

    /// Acknowledges what is confirmed, if the stream is still open: otherwise the journal may be another one.
    async fn acknowledge(&self, session: &mut Session) {
        let sequence = session.progress.confirmed();
        if session.reader.0.is_finished() {
            // The next session acknowledges.
            session.acknowledged = sequence;
            return;
        }
        let pause = match self.acknowledge_checked(session, sequence).await {
            Ok(()) => {
                session.acknowledged = sequence;
                ACKNOWLEDGE_INTERVAL
            }
            Err(error) => {
                self.acknowledgement_failed(session, sequence, &error);
                ACKNOWLEDGE_RETRY
            }
        };
        session.acknowledge_at = Instant::now() + pause;
    }

    /// Acknowledges, after a check of the journal if the last one is too old. The call has another connection than the
    /// stream: it could reach a daemon that has another journal.
    async fn acknowledge_checked(
        &self,
        session: &mut Session,
        sequence: u64,
    ) -> Result<(), SourceError> {
        if session.checked_at.elapsed() >= JOURNAL_CHECK_INTERVAL {
            let checked_at = Instant::now();
            self.source.check_journal(&session.journal).await?;
            session.checked_at = checked_at;
        }
        self.source.acknowledge(sequence).await?;
        Ok(())
    }

    /// The acknowledgement is repeated. If the daemon was restarted, the reader ends, and the next session acknowledges.
    fn acknowledgement_failed(&self, session: &mut Session, sequence: u64, error: &SourceError) {
        let now = Instant::now();
        let message = format!("acknowledgement of {sequence}: {error}");
        self.state.acknowledgement_failed(&message, now.into_std());
        if now >= session.log_failure_at {
            session.log_failure_at = now + LOG_INTERVAL;
            warn!(sink = self.id, sequence, %error, "not acknowledged; tried again");
        }
    }

    /// Acknowledges what is confirmed before the program ends.
    async fn acknowledge_last(&self, session: &mut Session) {
        let sequence = session.progress.confirmed();
        if sequence <= session.acknowledged || session.reader.0.is_finished() {
            return;
        }
        let acknowledged = self.acknowledge_checked(session, sequence);
        match timeout(LAST_ACKNOWLEDGEMENT, acknowledged).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(sink = self.id, sequence, %error, "not acknowledged; the records are sent again");
            }
            Err(_) => warn!(
                sink = self.id,
                sequence, "not acknowledged in time; the records are sent again"
            ),
        }
    }
}
