//! One client's stream of verdicts. It is polled by the connection and owns no task: a client that reads
//! slowly is polled rarely, and falls back to reading the journal where the bounded feed overtakes it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Interval, interval};
use tonic::Status;

use super::proto::stream_verdicts_response::Event;
use super::proto::{Gap, Heartbeat, StreamVerdictsResponse};
use super::stream_registry::{Consuming, Entry};
use super::{convert, status};
use crate::journal::{Filter, Order, Page};
use crate::pipeline::Line;
use crate::pipeline::publisher::Totals;
use inspectd_core::record::Verdict;

/// Verdicts that are read from the journal at a time, and held for one client.
const PAGE: usize = 256;

/// Where a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// With the next verdict.
    Now,
    /// With this sequence.
    At(u64),
}

/// What a stream waited for.
enum Woken {
    Feed(Result<Arc<Verdict>, RecvError>),
    Ending,
    Superseded,
    Heartbeat,
}

/// A stream in the making.
pub(super) struct VerdictStream {
    line: Arc<Line>,
    feed: broadcast::Receiver<Arc<Verdict>>,
    filter: Filter,
    /// With a journal: the next sequence.
    next: Option<u64>,
    /// The last sequence that is to be read from the journal before the feed is listened to.
    behind_until: u64,
    /// Read, and not sent yet.
    page: VecDeque<Verdict>,
    /// Verdicts without a sequence that were announced before the feed began, and since then.
    unjournalled: u64,
    heartbeat: Interval,
    /// Whether it was told that it is connected.
    greeted: bool,
    ending: watch::Receiver<bool>,
    consuming: Option<Consuming>,
    ended: bool,
    entry: Entry,
}

/// What a stream is made of.
pub(super) struct Parts {
    pub(super) line: Arc<Line>,
    pub(super) filter: Filter,
    pub(super) start: Start,
    pub(super) heartbeat: Duration,
    pub(super) ending: watch::Receiver<bool>,
    pub(super) consuming: Option<Consuming>,
    pub(super) entry: Entry,
}

impl VerdictStream {
    pub(super) fn new(parts: Parts) -> Self {
        let (feed, totals) = parts.line.subscribe();
        let next = match parts.start {
            Start::Now => totals.sequence + 1,
            Start::At(sequence) => sequence,
        };
        Self {
            next: parts.line.journal().map(|_| next),
            line: parts.line,
            feed,
            filter: parts.filter,
            behind_until: totals.sequence,
            page: VecDeque::new(),
            unjournalled: totals.unjournalled,
            greeted: false,
            heartbeat: interval(parts.heartbeat),
            ending: parts.ending,
            consuming: parts.consuming,
            ended: false,
            entry: parts.entry,
        }
    }

    pub(super) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<StreamVerdictsResponse, Status>> + Send + 'static {
        unfold(self, |mut stream| async move {
            let item = stream.next().await?;
            Some((item, stream))
        })
    }

    async fn next(&mut self) -> Option<Result<StreamVerdictsResponse, Status>> {
        while !self.ended {
            let event = if !std::mem::replace(&mut self.greeted, true) {
                Some(Ok(self.sign_of_life()))
            } else if self.is_behind() {
                self.catch_up().await
            } else {
                let woken = self.wait().await;
                self.apply(woken)
            };
            match event {
                Some(Ok(event)) => {
                    self.heartbeat.reset();
                    return Some(Ok(StreamVerdictsResponse { event: Some(event) }));
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
        !self.page.is_empty() || self.next.is_some_and(|next| next <= self.behind_until)
    }

    /// The next verdict of the journal, if one of the page is left or another page has one. A long
    /// search for few verdicts is no silence: it is a page a look.
    async fn catch_up(&mut self) -> Option<Result<Event, Status>> {
        if self
            .consuming
            .as_ref()
            .is_some_and(Consuming::is_superseded)
        {
            return Some(Err(status::superseded()));
        }
        if self.page.is_empty()
            && let Err(status) = self.read_page().await
        {
            return Some(Err(status));
        }
        let verdict = self.page.pop_front()?;
        Some(Ok(Event::Verdict(convert::verdict(&verdict))))
    }

    async fn read_page(&mut self) -> Result<(), Status> {
        let Some(next) = self.next else { return Ok(()) };
        let oldest = self.line.totals().oldest;
        if next < oldest {
            return Err(status::aged_out(next, self.line.totals()));
        }
        let page = Page {
            filter: self.filter.clone(),
            from: next,
            to: self.behind_until,
            order: Order::Ascending,
            limit: PAGE,
        };
        let line = Arc::clone(&self.line);
        let read = move || match line.journal() {
            Some(journal) => journal.readers().page(&page),
            None => Ok(Vec::new()),
        };
        let read = spawn_blocking(read)
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
        let verdicts = read.map_err(|error| status::journal(&error))?;
        // What ages out is named before it is removed: it may have gone while the page was read.
        let begins = verdicts.first().is_some_and(|first| first.sequence == next);
        if !begins && next < self.line.totals().oldest {
            return Err(status::aged_out(next, self.line.totals()));
        }
        self.next = Some(match verdicts.last() {
            Some(last) if verdicts.len() == PAGE => last.sequence + 1,
            _ => self.behind_until + 1,
        });
        self.page.extend(verdicts);
        Ok(())
    }

    /// Waits, and changes nothing.
    async fn wait(&mut self) -> Woken {
        let superseded = async {
            match &mut self.consuming {
                Some(consuming) => consuming.superseded().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            received = self.feed.recv() => Woken::Feed(received),
            _ = self.ending.wait_for(|&ending| ending) => Woken::Ending,
            () = superseded => Woken::Superseded,
            _ = self.heartbeat.tick() => Woken::Heartbeat,
        }
    }

    /// What is to be sent, if anything.
    fn apply(&mut self, woken: Woken) -> Option<Result<Event, Status>> {
        match woken {
            Woken::Feed(Ok(verdict)) => self.event(&verdict).map(Ok),
            Woken::Feed(Err(RecvError::Lagged(missed))) => self.overtaken(missed).map(Ok),
            // A stop publishes everything before it ends the streams, and the feed is asked first: it
            // is empty here.
            Woken::Feed(Err(RecvError::Closed)) | Woken::Ending => Some(Err(status::stopping())),
            Woken::Superseded => Some(Err(status::superseded())),
            Woken::Heartbeat => Some(Ok(self.sign_of_life())),
        }
    }

    fn event(&mut self, verdict: &Verdict) -> Option<Event> {
        if let Some(next) = &mut self.next {
            match verdict.sequence {
                0 => self.unjournalled += 1,
                // It came from the journal already.
                sequence if sequence < *next => return None,
                sequence => *next = sequence + 1,
            }
        }
        self.filter
            .matches(verdict)
            .then(|| Event::Verdict(convert::verdict(verdict)))
    }

    /// The feed has dropped verdicts. What is in the journal is read there; the rest is missed.
    fn overtaken(&mut self, missed: u64) -> Option<Event> {
        if self.next.is_none() {
            return Some(self.gap(missed));
        }
        let (feed, totals) = self.line.subscribe();
        self.feed = feed;
        self.behind_until = totals.sequence;
        let missed = totals.unjournalled - self.unjournalled;
        self.unjournalled = totals.unjournalled;
        (missed > 0).then(|| self.gap(missed))
    }

    fn gap(&self, missed: u64) -> Event {
        self.entry.missed(missed);
        Event::Gap(Gap { missed })
    }

    fn sign_of_life(&self) -> Event {
        let Totals { sequence, .. } = self.line.totals();
        Event::Heartbeat(Heartbeat {
            time: Some(SystemTime::now().into()),
            sequence,
            run_id: self.line.run_id().to_string(),
        })
    }
}
