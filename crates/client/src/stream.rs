//! The live stream of verdicts, which reconnects and resumes.

mod position;

use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream::unfold;
use prost_types::Timestamp;
use tonic::Streaming;

use self::position::Position;
use crate::backoff::Backoff;
use crate::client::Client;
use crate::consumer::ConsumerName;
use crate::error::Error;
use crate::proto::{Decision, Heartbeat, StreamVerdictsRequest, StreamVerdictsResponse, Verdict};

/// Where a stream starts, and where it resumes after a lost connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// With the next verdict. A stream of a daemon with a journal resumes after the last verdict received;
    /// one of a daemon without a journal continues with the next verdict after the outage.
    Next,
    /// With the next verdict, at the start and after each outage: for displays of the present.
    Live,
    /// With this sequence of the journal; 0 is the oldest that is kept. Resumes after the last verdict
    /// received.
    Sequence(u64),
    /// With the first verdict that was journalled at or after this time (UTC). Resumes after the last
    /// verdict received.
    Time(Timestamp),
    /// After the last verdict that this consumer acknowledged. Its first stream starts with the oldest that is kept; until it
    /// acknowledges, later ones start with the same verdict. Resumes in the same way; what was received before is not
    /// repeated within one stream.
    Consumer(ConsumerName),
}

/// The default of [`Subscription::silence`]: three intervals of heartbeats, if the configuration of the daemon has no other
/// `server.heartbeat_interval_s`.
pub const DEFAULT_SILENCE: Duration = Duration::from_secs(15);

/// A request for a stream.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Where to start.
    pub start: Start,
    /// Ids of cameras. Empty: all cameras, and images that clients sent.
    pub camera_ids: Vec<String>,
    /// Decisions. Empty: all.
    pub decisions: Vec<Decision>,
    /// The pauses between attempts to reconnect. `None`: the stream ends with the first error.
    pub reconnect: Option<Backoff>,
    /// An open stream on which nothing is received for so long, neither a verdict nor a heartbeat, counts as lost:
    /// the network may be broken without a sign. Three of the intervals that the daemon's heartbeats state, if that is
    /// longer. `None`: no limit.
    pub silence: Option<Duration>,
}

impl From<Start> for Subscription {
    /// All verdicts from `start` on, with reconnection.
    fn from(start: Start) -> Self {
        Self {
            start,
            camera_ids: Vec::new(),
            decisions: Vec::new(),
            reconnect: Some(Backoff::default()),
            silence: Some(DEFAULT_SILENCE),
        }
    }
}

/// An event of a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A verdict that matches the subscription.
    Verdict(Box<Verdict>),
    /// Verdicts that the daemon cannot deliver.
    Gap {
        /// The number of verdicts, whether they matched the subscription or not. Of lost ones at most as many.
        missed: u64,
        /// The sequences of verdicts that were lost with a journal which was damaged, moved away or replaced. `None`: this
        /// client read too slowly; only verdicts that are not in the journal are dropped then.
        lost: Option<RangeInclusive<u64>>,
    },
    /// A sign of life: at the start of each connection, and after an interval without other events.
    Heartbeat(Heartbeat),
    /// The stream was lost, or could not be opened. It is opened again after a pause.
    Disconnected {
        /// The reason.
        error: Error,
        /// The pause.
        retry_in: Duration,
    },
    /// The stream is open again after [`Event::Disconnected`].
    Reconnected,
}

/// Verdicts as they are made: a [`Stream`] of events that reconnects by itself.
///
/// It ends after the first error that cannot pass by itself, such as an unknown camera, a position that the journal
/// has removed, another stream of the same consumer, or sequences that began again ([`Error::SequencesRestarted`]). Waiting for the next event can be cancelled without loss.
pub struct VerdictStream {
    events: Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>,
    last_sequence: u64,
    finished: bool,
}

impl Client {
    /// Subscribes to verdicts. The first poll connects.
    pub fn subscribe(&self, subscription: Subscription) -> VerdictStream {
        let session = Session::new(self.clone(), subscription);
        let events = unfold(session, |mut session| async move {
            let event = session.next().await?;
            Some((event, session))
        });
        VerdictStream {
            events: Box::pin(events),
            last_sequence: 0,
            finished: false,
        }
    }
}

impl VerdictStream {
    /// Waits for the next event. `None` after an error.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Returns the highest sequence received; 0 if there was none.
    pub fn last_sequence(&self) -> u64 {
        self.last_sequence
    }
}

impl Stream for VerdictStream {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.finished {
            return Poll::Ready(None);
        }
        let polled = self.events.as_mut().poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(Event::Verdict(verdict)))) => {
                self.last_sequence = self.last_sequence.max(verdict.sequence);
            }
            Poll::Ready(Some(Err(_)) | None) => self.finished = true,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl std::fmt::Debug for VerdictStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerdictStream")
            .field("last_sequence", &self.last_sequence)
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}

/// The state of a subscription over all its connections.
struct Session {
    client: Client,
    subscription: Subscription,
    position: Position,
    open: Option<Streaming<StreamVerdictsResponse>>,
    /// The interval of heartbeats, as the daemon stated it last.
    interval: Duration,
    /// Failures since the last message.
    failures: u32,
    /// The pause before the next attempt.
    pause: Option<Duration>,
    finished: bool,
}

impl Session {
    fn new(client: Client, subscription: Subscription) -> Self {
        Self {
            client,
            position: Position::new(subscription.start.clone()),
            subscription,
            open: None,
            interval: Duration::ZERO,
            failures: 0,
            pause: None,
            finished: false,
        }
    }

    async fn next(&mut self) -> Option<Result<Event, Error>> {
        while !self.finished {
            let step = match &mut self.open {
                Some(stream) => {
                    let silence = self.subscription.silence;
                    let silence = silence.map(|limit| limit.max(3 * self.interval));
                    receive(stream, silence, &mut self.position).await
                }
                None => self.connect().await,
            };
            match step {
                Ok(event) => {
                    if self.open.is_some() && !matches!(event, Some(Event::Reconnected)) {
                        self.failures = 0;
                    }
                    if let Some(Event::Heartbeat(heartbeat)) = &event {
                        let stated = heartbeat.interval.map(TryInto::try_into);
                        self.interval = stated.and_then(Result::ok).unwrap_or_default();
                    }
                    if let Some(event) = event {
                        return Some(Ok(event));
                    }
                }
                Err(error) => return Some(self.fail(error)),
            }
        }
        None
    }

    /// Opens the stream, after the pause that is due.
    async fn connect(&mut self) -> Result<Option<Event>, Error> {
        let again = self.pause.is_some();
        if let Some(pause) = self.pause {
            tokio::time::sleep(pause).await;
        }
        if self.position.requires_newest() {
            let status = self.client.status().await?;
            let journalled = status.journal.is_some();
            self.position
                .begin_after(journalled.then_some(status.sequence));
        }
        let decisions = self.subscription.decisions.iter();
        let request = StreamVerdictsRequest {
            camera_ids: self.subscription.camera_ids.clone(),
            decisions: decisions.copied().map(Into::into).collect(),
            start: self.position.start(),
        };
        let mut inspection = self.client.inspection();
        let stream = self
            .client
            .answer(inspection.stream_verdicts(request))
            .await?;
        self.open = Some(stream);
        self.position.connected();
        self.pause = None;
        Ok(again.then_some(Event::Reconnected))
    }

    /// Schedules another attempt, or ends the stream with the error.
    fn fail(&mut self, error: Error) -> Result<Event, Error> {
        self.open = None;
        let Some(backoff) = self.subscription.reconnect.filter(|_| error.is_transient()) else {
            self.finished = true;
            return Err(error);
        };
        let retry_in = backoff.pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.pause = Some(retry_in);
        Ok(Event::Disconnected { error, retry_in })
    }
}

async fn receive(
    stream: &mut Streaming<StreamVerdictsResponse>,
    silence: Option<Duration>,
    position: &mut Position,
) -> Result<Option<Event>, Error> {
    let message = match silence {
        Some(limit) => tokio::time::timeout(limit, stream.message())
            .await
            .map_err(|_| Error::silent(limit))?,
        None => stream.message().await,
    };
    let message = message.map_err(|status| Error::from_stream(&status))?;
    let response = message.ok_or_else(Error::stream_closed)?;
    response
        .event
        .map_or(Ok(None), |event| position.apply(event))
}
