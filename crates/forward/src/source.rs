//! The stream of a consumer as items: verdicts that are forwarded, verdicts that are not, and gaps.

use std::sync::Arc;
use std::time::Duration;

use inspectd_client::{
    Client, Code, ConsumerName, Error, Event, Refusal, Start, Subscription, VerdictStream,
};
use thiserror::Error as ThisError;
use tokio::sync::mpsc;

use crate::clock::now;
use crate::config::{Filter, Origin};
use crate::continuation::{Continuation, Facts, Memory, OpenedJournal, continuation};
use crate::record::{Gap, Notice, Record};
use crate::state::SinkState;

/// One step of the stream.
#[derive(Debug)]
pub struct Item {
    /// The sequence that may be acknowledged once everything up to here is confirmed; 0: none.
    pub sequence: u64,
    /// What is forwarded; `None`: the filter removed the verdict.
    pub record: Option<Record>,
    /// What is stored once the record is confirmed.
    pub memory: Option<Memory>,
}

/// Why a stream ended, or could not be opened.
#[derive(Debug, ThisError)]
pub enum SourceError {
    /// The daemon does not answer, refuses, or ended the stream.
    #[error(transparent)]
    Client(#[from] Error),
    /// Another program uses the consumer.
    #[error("another program reads as the consumer {0}: only one may, this sink is stopped")]
    Superseded(String),
    /// The daemon has no journal.
    #[error("the daemon has no journal (journal.folder): nothing can be forwarded")]
    NoJournal,
    /// The daemon was restarted since the stream was opened.
    #[error("the daemon was restarted since the stream was opened: its journal may be another one")]
    OtherRun,
    /// The next verdicts were removed; a gap was reported.
    #[error("verdicts up to {0} were removed before they were forwarded")]
    Removed(u64),
    /// The memory file of the sink cannot be read.
    #[error("the memory file of the sink cannot be used: {0}")]
    Memory(std::io::Error),
    /// The worker has ended.
    #[error("the sink has stopped")]
    Closed,
}

/// What a sink reads.
#[derive(Clone, Debug)]
pub struct Source {
    /// The connection, which belongs to this sink: a sink that does not read must not block another one.
    pub client: Client,
    /// The consumer.
    pub consumer: ConsumerName,
    /// The names of the box and its site.
    pub origin: Arc<Origin>,
    /// What is forwarded.
    pub filter: Filter,
    /// Silence after which a stream counts as lost; three intervals of heartbeats, if that is longer.
    pub silence: Duration,
    /// The state of the sink.
    pub state: Arc<SinkState>,
}

/// A stream that is open.
pub struct Reader {
    source: Source,
    stream: VerdictStream,
    items: mpsc::Sender<Item>,
    epoch: u64,
    run_id: String,
    /// Everything up to this sequence was received, or is known to be missing.
    passed: u64,
}

impl Source {
    /// Determines how to continue, acknowledges what was confirmed before, and opens the stream. The items go to
    /// `items`, of which the first are sent at once. Returns the confirmed sequence.
    pub async fn open(
        &self,
        memory: Option<Memory>,
        confirmed: u64,
        items: mpsc::Sender<Item>,
    ) -> Result<(Reader, u64), SourceError> {
        let (facts, run_id) = self.facts().await?;
        let Continuation {
            gap,
            acknowledge,
            confirmed,
        } = continuation(memory, confirmed, facts);
        if let Some(sequence) = acknowledge {
            self.acknowledge(sequence).await?;
        }
        let position = facts.acknowledged.max(acknowledge).unwrap_or(0);
        self.state.opened(position, facts.newest);
        let subscription = Subscription {
            reconnect: None,
            silence: Some(self.silence),
            ..Subscription::from(Start::Consumer(self.consumer.clone()))
        };
        let mut reader = Reader {
            stream: self.client.subscribe(subscription),
            source: self.clone(),
            items,
            epoch: facts.epoch,
            run_id,
            passed: position,
        };
        let epoch = facts.epoch;
        let memory = (memory != Some(Memory { epoch })).then_some(Memory { epoch });
        let record = gap.map(|gap| reader.gap(gap));
        if record.is_some() || memory.is_some() {
            // The channel is new: it has space.
            reader.send(0, record, memory).await?;
        }
        Ok((reader, confirmed))
    }

    /// What the daemon reports of its journal, and its run.
    async fn facts(&self) -> Result<(Facts, String), SourceError> {
        let status = self.client.status().await?;
        let journal = status.journal.ok_or(SourceError::NoJournal)?;
        let consumers = self.client.consumers().await?;
        let known = consumers
            .into_iter()
            .find(|one| one.name == self.consumer.as_str());
        let facts = Facts {
            epoch: journal.epoch,
            newest: status.sequence,
            acknowledged: known.map(|consumer| consumer.acknowledged),
        };
        Ok((facts, status.run_id))
    }

    /// Checks that the sequences of a stream are valid in the journal that the daemon has now.
    ///
    /// # Errors
    /// If they may not be, or the daemon does not answer.
    pub async fn check_journal(&self, opened: &OpenedJournal) -> Result<(), SourceError> {
        let status = self.client.status().await?;
        let epoch = status.journal.map_or(0, |journal| journal.epoch);
        if opened.continues(&status.run_id, epoch) {
            Ok(())
        } else {
            Err(SourceError::OtherRun)
        }
    }

    /// Acknowledges all verdicts up to `sequence`.
    pub async fn acknowledge(&self, sequence: u64) -> Result<(), Error> {
        self.client.acknowledge(&self.consumer, sequence).await?;
        self.state.acknowledged(sequence);
        Ok(())
    }
}

impl Reader {
    /// Returns the journal that the stream was opened with.
    pub fn journal(&self) -> OpenedJournal {
        OpenedJournal {
            run_id: self.run_id.clone(),
            epoch: self.epoch,
        }
    }

    /// Reads until the stream ends. Returns why.
    pub async fn run(mut self) -> SourceError {
        loop {
            let event = match self.stream.next().await {
                Some(Ok(event)) => event,
                Some(Err(error)) => return self.failed(error).await,
                None => return Error::stream_closed().into(),
            };
            if let Err(error) = self.take(event).await {
                return error;
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<(), SourceError> {
        match event {
            Event::Verdict(verdict) => {
                let sequence = verdict.sequence;
                self.passed = self.passed.max(sequence);
                self.source.state.newest(sequence);
                let accepted = self.source.filter.accepts(&verdict);
                let record = accepted.then(|| Record::of_verdict(&self.source.origin, *verdict));
                self.send(sequence, record, None).await
            }
            Event::Gap {
                lost: Some(lost), ..
            } => {
                let (first, last) = lost.into_inner();
                self.passed = self.passed.max(last);
                let record = self.gap(Gap::Lost { first, last });
                self.send(last, Some(record), None).await
            }
            Event::Gap { missed, lost: None } => {
                let record = self.gap(Gap::Missed { missed });
                self.send(0, Some(record), None).await
            }
            Event::Heartbeat(heartbeat) => {
                self.source.state.newest(heartbeat.sequence);
                let (previous, epoch) = (self.epoch, heartbeat.epoch);
                if epoch == previous || epoch == 0 {
                    return Ok(());
                }
                self.epoch = epoch;
                let record = self.gap(Gap::JournalReplaced { previous });
                self.send(0, Some(record), Some(Memory { epoch })).await
            }
            _ => Ok(()),
        }
    }

    fn gap(&self, gap: Gap) -> Record {
        let notice = Notice {
            epoch: self.epoch,
            run_id: &self.run_id,
            time: now(),
        };
        Record::of_gap(&self.source.origin, gap, notice)
    }

    async fn send(
        &mut self,
        sequence: u64,
        record: Option<Record>,
        memory: Option<Memory>,
    ) -> Result<(), SourceError> {
        let item = Item {
            sequence,
            record,
            memory,
        };
        self.items.send(item).await.map_err(|_| SourceError::Closed)
    }

    /// Reports a gap if the next verdicts were removed.
    async fn failed(mut self, error: Error) -> SourceError {
        let Error::Refused(refusal) = &error else {
            return error.into();
        };
        if refusal.code == Code::Aborted {
            return SourceError::Superseded(self.source.consumer.to_string());
        }
        let Some(last) = removed_up_to(refusal).filter(|last| *last > self.passed) else {
            return error.into();
        };
        let first = self.passed + 1;
        let record = self.gap(Gap::Removed { first, last });
        match self.send(last, Some(record), None).await {
            Ok(()) => SourceError::Removed(last),
            Err(error) => error,
        }
    }
}

/// The last sequence that was removed, if that is the reason of the refusal.
fn removed_up_to(refusal: &Refusal) -> Option<u64> {
    let info = refusal.details.error_info()?;
    let oldest: u64 = info.metadata.get("oldest_sequence")?.parse().ok()?;
    (refusal.code == Code::OutOfRange).then_some(oldest.saturating_sub(1))
}
