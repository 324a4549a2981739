//! One client's stream of verdicts. It is polled by the connection and owns no task: a client that reads
//! slowly is polled rarely, the bounded feed overtakes it, and it gets a gap.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Interval, interval};
use tonic::Status;

use super::proto::stream_verdicts_response::Event;
use super::proto::{Gap, Heartbeat, StreamVerdictsResponse};
use super::{convert, refusal};
use crate::camera::CameraId;
use crate::line::Line;
use crate::line::record::Verdict;
use crate::metrics::Streams;
use crate::verdict::Decision;

/// Open streams, and what they missed. Bounded.
#[derive(Debug)]
pub struct StreamBook {
    limit: usize,
    open: AtomicUsize,
    missed: AtomicU64,
}

impl StreamBook {
    /// Allows `limit` streams at a time.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            open: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
        }
    }

    /// The counts now.
    pub fn counts(&self) -> Streams {
        Streams {
            open: self.open.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
        }
    }

    /// One more stream, if there may be one; it counts until the entry is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Entry, Status> {
        let grow = |open| (open < self.limit).then_some(open + 1);
        let grown = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow);
        match grown {
            Ok(_) => Ok(Entry(Arc::clone(self))),
            Err(open) => Err(refusal::exhausted(
                "streams",
                format!("{open} verdict streams are open, as many as server.stream_limit allows"),
            )),
        }
    }
}

/// An open stream's place in the book.
#[derive(Debug)]
pub(super) struct Entry(Arc<StreamBook>);

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which verdicts a client wants; an empty set lets all through.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) cameras: HashSet<CameraId>,
    pub(super) decisions: HashSet<Decision>,
}

impl Filter {
    fn lets_through(&self, verdict: &Verdict) -> bool {
        let camera = verdict.draft.camera.as_ref();
        let camera = self.cameras.is_empty() || camera.is_some_and(|id| self.cameras.contains(id));
        camera && (self.decisions.is_empty() || self.decisions.contains(&verdict.decision()))
    }
}

/// What a stream waited for.
enum Woken {
    Feed(Result<Arc<Verdict>, RecvError>),
    Ending,
    Heartbeat,
}

/// A stream in the making.
pub(super) struct VerdictStream {
    line: Arc<Line>,
    run_id: String,
    feed: broadcast::Receiver<Arc<Verdict>>,
    filter: Filter,
    heartbeat: Interval,
    ending: watch::Receiver<bool>,
    ended: bool,
    entry: Entry,
}

impl VerdictStream {
    pub(super) fn new(
        line: Arc<Line>,
        filter: Filter,
        heartbeat: Duration,
        ending: watch::Receiver<bool>,
        entry: Entry,
    ) -> Self {
        Self {
            run_id: line.run_id().to_string(),
            feed: line.subscribe(),
            line,
            filter,
            // Its first tick is at once: the client knows that it is connected.
            heartbeat: interval(heartbeat),
            ending,
            ended: false,
            entry,
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
            let woken = self.wait().await;
            match self.apply(woken) {
                Some(Ok(event)) => {
                    self.heartbeat.reset();
                    return Some(Ok(StreamVerdictsResponse { event: Some(event) }));
                }
                Some(Err(status)) => return Some(Err(status)),
                None => {}
            }
        }
        None
    }

    /// Waits, and changes nothing.
    async fn wait(&mut self) -> Woken {
        tokio::select! {
            biased;
            received = self.feed.recv() => Woken::Feed(received),
            _ = self.ending.wait_for(|&ending| ending) => Woken::Ending,
            _ = self.heartbeat.tick() => Woken::Heartbeat,
        }
    }

    /// What is to be sent, if anything.
    fn apply(&mut self, woken: Woken) -> Option<Result<Event, Status>> {
        match woken {
            Woken::Feed(Ok(verdict)) => self.event(&verdict).map(Ok),
            Woken::Feed(Err(RecvError::Lagged(missed))) => Some(Ok(self.gap(missed))),
            // A stop publishes everything before it ends the streams, and the feed is asked first: it
            // is empty here.
            Woken::Feed(Err(RecvError::Closed)) | Woken::Ending => {
                self.ended = true;
                Some(Err(refusal::stopping()))
            }
            Woken::Heartbeat => Some(Ok(self.sign_of_life())),
        }
    }

    fn event(&self, verdict: &Verdict) -> Option<Event> {
        self.filter
            .lets_through(verdict)
            .then(|| Event::Verdict(convert::verdict(verdict, &self.run_id)))
    }

    fn gap(&self, missed: u64) -> Event {
        self.entry.0.missed.fetch_add(missed, Ordering::Relaxed);
        Event::Gap(Gap { missed })
    }

    fn sign_of_life(&self) -> Event {
        Event::Heartbeat(Heartbeat {
            time: Some(SystemTime::now().into()),
            sequence: self.line.sequence(),
            run_id: self.run_id.clone(),
        })
    }
}
