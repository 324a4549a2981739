//! One client's stream of verdicts. The connection polls it; it has no task of its own. A slow client polls
//! it rarely: when the bounded broadcast channel overruns it, it continues from the journal.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use inspectd_core::record::Verdict;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Interval, interval, sleep};
use tonic::Status;
use tracing::error;

use super::blocking::{ReadPermits, disk_work};
use super::encoded_response::{EncodedResponse, EncodedVerdicts};
use super::proto::stream_verdicts_response::Event;
use super::proto::{Gap, GapReason, Heartbeat};
use super::status;
use super::stream_registry::{ConsumerStream, StreamSlot};
use crate::clock::SharedClock;
use crate::journal::{Filter, JournalError, Order, Page};
use crate::pipeline::Pipeline;
use crate::pipeline::publisher::Totals;

/// Number of verdicts read from the journal at a time, and held for one client.
const PAGE_SIZE: usize = 256;

/// Pause between two reads of a journal that is damaged and being replaced.
const DAMAGE_PAUSE: Duration = Duration::from_millis(200);

/// Such reads in a row until a stream ends.
const DAMAGED_READS: u32 = 50;

/// The beginning of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamStart {
    /// The next verdict.
    Now,
    /// The verdict with this sequence.
    At(u64),
}

/// What ended a stream's wait.
enum Wake {
    Received(Result<Arc<Verdict>, RecvError>),
    Ending,
    Superseded,
    Heartbeat,
}

/// A stream of verdicts.
pub(super) struct VerdictStream {
    pipeline: Arc<Pipeline>,
    clock: SharedClock,
    receiver: broadcast::Receiver<Arc<Verdict>>,
    filter: Filter,
    /// With a journal: the next sequence.
    next: Option<u64>,
    /// The last sequence to read from the journal before verdicts are taken from the channel.
    journal_until: u64,
    /// Verdicts that were read and not sent yet.
    page: VecDeque<Verdict>,
    /// A verdict in the journal that cannot be read.
    unreadable: Option<u64>,
    /// Number of unjournalled verdicts up to now, since the start of the pipeline.
    unjournalled: u64,
    /// Pages in a row that could not be read because the journal is damaged.
    damaged_reads: u32,
    heartbeat: Interval,
    /// Whether the first heartbeat, which confirms the connection, was sent.
    confirmed: bool,
    ending: watch::Receiver<bool>,
    consumer: Option<ConsumerStream>,
    ended: bool,
    read_permits: ReadPermits,
    page_timeout: Duration,
    slot: StreamSlot,
    encoded: Arc<EncodedVerdicts>,
}

/// Options of a stream.
pub(super) struct StreamOptions {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) clock: SharedClock,
    pub(super) filter: Filter,
    pub(super) start: StreamStart,
    pub(super) heartbeat: Duration,
    pub(super) ending: watch::Receiver<bool>,
    pub(super) consumer: Option<ConsumerStream>,
    /// Permits of reads of the journal, and the time limit of one.
    pub(super) read_permits: ReadPermits,
    pub(super) page_timeout: Duration,
    pub(super) slot: StreamSlot,
    /// Encodings that all streams share.
    pub(super) encoded: Arc<EncodedVerdicts>,
}

impl VerdictStream {
    /// Subscribes to the pipeline's verdicts.
    pub(super) fn new(options: StreamOptions) -> Self {
        let (receiver, totals) = options.pipeline.subscribe();
        let next = match options.start {
            StreamStart::Now => totals.sequence + 1,
            StreamStart::At(sequence) => sequence,
        };
        Self {
            next: options.pipeline.journal().map(|_| next),
            pipeline: options.pipeline,
            clock: options.clock,
            receiver,
            filter: options.filter,
            journal_until: totals.sequence,
            page: VecDeque::new(),
            unreadable: None,
            unjournalled: totals.unjournalled,
            damaged_reads: 0,
            confirmed: false,
            heartbeat: interval(options.heartbeat),
            ending: options.ending,
            consumer: options.consumer,
            ended: false,
            read_permits: options.read_permits,
            page_timeout: options.page_timeout,
            slot: options.slot,
            encoded: options.encoded,
        }
    }

    /// Returns the stream for tonic.
    pub(super) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<EncodedResponse, Status>> + Send + 'static {
        unfold(self, |mut stream| async move {
            let item = stream.next().await?;
            Some((item, stream))
        })
    }

    async fn next(&mut self) -> Option<Result<EncodedResponse, Status>> {
        while !self.ended {
            let event = if !std::mem::replace(&mut self.confirmed, true) {
                Some(Ok(EncodedResponse::of(self.heartbeat())))
            } else if self.is_behind() {
                self.catch_up().await
            } else {
                let wake = self.wait().await;
                self.apply(wake)
            };
            match event {
                Some(Ok(response)) => {
                    self.heartbeat.reset();
                    return Some(Ok(response));
                }
                Some(Err(status)) => {
                    self.ended = true;
                    return Some(Err(status));
                }
                None => {}
            }
        }
        None
    }

    fn is_behind(&self) -> bool {
        !self.page.is_empty() || self.next.is_some_and(|next| next <= self.journal_until)
    }

    /// Returns the next verdict of the journal, if the page or the next page contains one. A long search
    /// for few verdicts does not delay heartbeats: each call reads one page.
    async fn catch_up(&mut self) -> Option<Result<EncodedResponse, Status>> {
        if self
            .consumer
            .as_ref()
            .is_some_and(ConsumerStream::is_superseded)
        {
            return Some(Err(status::superseded()));
        }
        if self.page.is_empty() {
            match self.read_page().await {
                Ok(None) => {}
                Ok(Some(event)) => return Some(Ok(EncodedResponse::of(event))),
                Err(status) => return Some(Err(status)),
            }
        }
        let verdict = self.page.pop_front()?;
        Some(Ok(EncodedResponse::of_verdict(&verdict)))
    }

    /// Reads the next page. Returns the event of verdicts that were lost with the journal instead.
    async fn read_page(&mut self) -> Result<Option<Event>, Status> {
        let Some(next) = self.next else {
            return Ok(None);
        };
        let totals = self.pipeline.totals();
        if next < totals.oldest || totals.is_lost(next) {
            return self.lost(next, totals).map(Some);
        }
        // Up to those that are lost or not readable, which are reported when the stream reaches them.
        let missing = [totals.lost.map(|(first, _)| first), self.unreadable];
        let missing = missing.into_iter().flatten().filter(|first| *first > next);
        let until = missing.map(|first| first - 1).min();
        let until = until.map_or(self.journal_until, |last| last.min(self.journal_until));
        let page = Page {
            filter: self.filter.clone(),
            from: next,
            to: until,
            order: Order::Ascending,
            limit: PAGE_SIZE,
        };
        let pipeline = Arc::clone(&self.pipeline);
        let read = move || match pipeline.journal() {
            Some(journal) => journal.readers().page(&page),
            None => Ok(Vec::new()),
        };
        let read = disk_work(&self.read_permits, self.page_timeout, read).await?;
        let verdicts = match read {
            Err(error) if error.is_damage() && self.damaged_reads < DAMAGED_READS => {
                // The journal is being replaced; then its verdicts are lost.
                if let Some(journal) = self.pipeline.journal() {
                    journal.suspect_damage();
                }
                self.damaged_reads += 1;
                sleep(DAMAGE_PAUSE).await;
                return Ok(None);
            }
            Err(JournalError::Row { sequence, source }) => {
                if sequence > next {
                    // First those before it.
                    self.unreadable = Some(sequence);
                    return Ok(None);
                }
                error!(sequence, %source, "a verdict in the journal cannot be read; the stream goes on after it");
                self.next = Some(sequence + 1);
                return Ok(Some(self.gap_of(sequence, sequence)));
            }
            read => read.map_err(|error| status::journal(&error))?,
        };
        self.damaged_reads = 0;
        // The oldest sequence is raised before verdicts are deleted: they may have been deleted while
        // the page was read.
        let begins = verdicts.first().is_some_and(|first| first.sequence == next);
        let totals = self.pipeline.totals();
        if !begins && next < totals.oldest {
            return self.lost(next, totals).map(Some);
        }
        self.next = Some(match verdicts.last() {
            Some(last) if verdicts.len() == PAGE_SIZE => last.sequence + 1,
            _ => until + 1,
        });
        self.page.extend(verdicts);
        Ok(None)
    }

    /// The event of verdicts that were lost with the journal, from `next` on.
    ///
    /// # Errors
    /// When they aged out instead.
    fn lost(&mut self, next: u64, totals: Totals) -> Result<Event, Status> {
        let (_, last) = totals
            .lost
            .filter(|(first, last)| (*first..=*last).contains(&next))
            .ok_or_else(|| status::aged_out(next, totals))?;
        self.next = Some(last + 1);
        Ok(self.gap_of(next, last))
    }

    /// The event of verdicts that were lost.
    fn gap_of(&self, first_sequence: u64, last_sequence: u64) -> Event {
        let missed = last_sequence + 1 - first_sequence;
        self.slot.add_missed(missed);
        Event::Gap(Gap {
            missed,
            reason: GapReason::Lost.into(),
            first_sequence,
            last_sequence,
        })
    }

    /// Waits, without changing any state.
    async fn wait(&mut self) -> Wake {
        let superseded = async {
            match &mut self.consumer {
                Some(consumer) => consumer.superseded().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            received = self.receiver.recv() => Wake::Received(received),
            _ = self.ending.wait_for(|&ending| ending) => Wake::Ending,
            () = superseded => Wake::Superseded,
            _ = self.heartbeat.tick() => Wake::Heartbeat,
        }
    }

    /// Returns what to send, if anything.
    fn apply(&mut self, wake: Wake) -> Option<Result<EncodedResponse, Status>> {
        match wake {
            Wake::Received(Ok(verdict)) => self.response(&verdict).map(Ok),
            Wake::Received(Err(RecvError::Lagged(missed))) => {
                self.overrun(missed).map(EncodedResponse::of).map(Ok)
            }
            // A stop publishes all verdicts before it ends the streams, and `wait` polls the channel
            // first: it is empty here.
            Wake::Received(Err(RecvError::Closed)) | Wake::Ending => Some(Err(status::stopping())),
            Wake::Superseded => Some(Err(status::superseded())),
            Wake::Heartbeat => Some(Ok(EncodedResponse::of(self.heartbeat()))),
        }
    }

    fn response(&mut self, verdict: &Arc<Verdict>) -> Option<EncodedResponse> {
        if let Some(next) = &mut self.next {
            match verdict.sequence {
                0 => self.unjournalled += 1,
                // Already sent from the journal.
                sequence if sequence < *next => return None,
                sequence => *next = sequence + 1,
            }
        }
        self.filter
            .matches(verdict)
            .then(|| self.encoded.get(verdict))
    }

    /// The channel has dropped verdicts. Journalled ones are read from the journal; the others are missed.
    fn overrun(&mut self, missed: u64) -> Option<Event> {
        if self.next.is_none() {
            return Some(self.gap(missed));
        }
        let (receiver, totals) = self.pipeline.subscribe();
        self.receiver = receiver;
        self.journal_until = totals.sequence;
        let missed = totals.unjournalled - self.unjournalled;
        self.unjournalled = totals.unjournalled;
        (missed > 0).then(|| self.gap(missed))
    }

    fn gap(&self, missed: u64) -> Event {
        self.slot.add_missed(missed);
        Event::Gap(Gap {
            missed,
            ..Gap::default()
        })
    }

    fn heartbeat(&self) -> Event {
        let Totals {
            sequence, epoch, ..
        } = self.pipeline.totals();
        Event::Heartbeat(Heartbeat {
            time: Some(self.clock.now().utc.into()),
            sequence,
            run_id: self.pipeline.run_id().to_string(),
            epoch,
            interval: prost_types::Duration::try_from(self.heartbeat.period()).ok(),
        })
    }
}
