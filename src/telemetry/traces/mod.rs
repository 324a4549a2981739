//! Traces: one for each inspected part, sent with OTLP. Spans are made of the times that a verdict carries, after it is
//! published: nothing on the way of a frame is slower for them, and nothing waits for the collector.

mod context;
mod exporter;
mod identity;
mod queue;
mod requested;
mod spans;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use inspectd_core::record::Verdict;
use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample, SpanExporter};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::info;
use uuid::Uuid;

pub use context::RemoteContext;
pub use exporter::TracesError;

use crate::clock::SharedClock;
use crate::config::settings;
use identity::TraceIdentity;
use queue::{EVENT_QUEUE, Event, SpanCounts, SpanQueue};
use requested::{RequestedPart, RequestedParts};
use spans::{Acknowledgement, TracedVerdict};

/// A batch that is not sent within the configured time ends by itself; a collector that holds the connection does not.
const TIMEOUT_MARGIN: Duration = Duration::from_millis(500);

/// Traces of the inspected parts. Cheap to clone. Without a collector, its functions do nothing.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Active>>);

#[derive(Debug)]
struct Active {
    run: Uuid,
    sampler: Sampler,
    requested: Mutex<RequestedParts>,
    events: mpsc::Sender<Event>,
    counts: Arc<SpanCounts>,
}

/// Spans since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanTotals {
    /// Spans that the collector has received.
    pub sent: u64,
    /// Spans that were not sent.
    pub dropped: u64,
}

/// An image of a client that was inspected. Times are since the start of the daemon.
#[derive(Clone, Debug)]
pub struct InspectedImage {
    /// When the call was received.
    pub received: Duration,
    /// When the verdict was durable, or published without a journal.
    pub committed: Duration,
    /// When the call was answered.
    pub answered: Duration,
    /// The client's span that the call belongs to.
    pub parent: Option<RemoteContext>,
}

impl Traces {
    /// No traces.
    pub fn off() -> Self {
        Self(None)
    }

    /// Starts to send the traces of a run of the daemon, if the settings name a collector. Must be called within an async
    /// runtime.
    ///
    /// # Errors
    /// When a file of the settings cannot be read, or its content is not valid. Whether the collector answers is not checked.
    pub fn start(
        settings: &settings::Traces,
        run: Uuid,
        clock: SharedClock,
    ) -> Result<Self, TracesError> {
        let Some(endpoint) = &settings.endpoint else {
            return Ok(Self::off());
        };
        let exporter = exporter::exporter(settings, endpoint)?;
        info!(%endpoint, sampling = settings.sampling, "traces are sent");
        let limit = settings.timeout + TIMEOUT_MARGIN;
        Ok(Self::with_exporter(
            exporter,
            settings.sampling,
            limit,
            run,
            clock,
        ))
    }

    /// Checks the settings as [`Self::start`] does, and starts nothing.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn check(settings: &settings::Traces) -> Result<(), TracesError> {
        match &settings.endpoint {
            Some(endpoint) => exporter::exporter(settings, endpoint).map(drop),
            None => Ok(()),
        }
    }

    fn with_exporter(
        exporter: impl SpanExporter + 'static,
        sampling: f64,
        limit: Duration,
        run: Uuid,
        clock: SharedClock,
    ) -> Self {
        let (events, received) = mpsc::channel(EVENT_QUEUE);
        let counts = Arc::new(SpanCounts::default());
        let queue = SpanQueue::new(Arc::clone(&counts), clock);
        tokio::spawn(queue.run(received, exporter, limit));
        Self(Some(Arc::new(Active {
            run,
            sampler: Sampler::TraceIdRatioBased(sampling),
            requested: Mutex::default(),
            events,
            counts,
        })))
    }

    /// Whether there are traces: whether contexts of clients are of use.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Notes that an inspection was requested `at`, a time since the start of the daemon. Called before its verdict can be
    /// made.
    pub fn requested(&self, trigger: Uuid, at: Duration, parent: Option<&RemoteContext>) {
        if let Some(active) = &self.0 {
            let part = RequestedPart {
                at,
                parent: parent.cloned(),
            };
            active.requested.lock().insert(trigger, part);
        }
    }

    /// Traces a published verdict. Times are since the start of the daemon: when it was durable, or published without a
    /// journal, and when streams and callers had it. Images of clients are left to [`Self::inspected`].
    pub fn published(&self, verdict: &Arc<Verdict>, committed: Duration, published: Duration) {
        let Some(active) = &self.0 else { return };
        let subject = &verdict.subject;
        let Some(identity) = TraceIdentity::of(active.run, subject) else {
            return;
        };
        let trigger = subject.tag.as_ref().and_then(|tag| tag.trigger);
        let requested = trigger.and_then(|trigger| active.requested.lock().get(trigger));
        let (before, parent) = match requested {
            Some(part) => (Some(("wait_for_frame", part.at)), part.parent),
            None => (None, None),
        };
        if active.samples(identity.trace, parent.as_ref()) {
            active.send(Event::Verdict(Box::new(TracedVerdict {
                verdict: Arc::clone(verdict),
                identity,
                parent,
                before,
                committed,
                published,
            })));
        }
    }

    /// Traces the image of a client.
    pub fn inspected(&self, verdict: &Arc<Verdict>, image: InspectedImage) {
        let Some(active) = &self.0 else { return };
        let identity = TraceIdentity::of_image(Uuid::now_v7());
        if active.samples(identity.trace, image.parent.as_ref()) {
            active.send(Event::Verdict(Box::new(TracedVerdict {
                verdict: Arc::clone(verdict),
                identity,
                parent: image.parent,
                before: Some(("decode", image.received)),
                committed: image.committed,
                published: image.answered,
            })));
        }
    }

    /// Traces that `consumer`, which had acknowledged up to the sequence `after` before, has acknowledged up to `up_to`, which
    /// was durable `at`.
    pub fn acknowledged(
        &self,
        consumer: &str,
        after: u64,
        up_to: u64,
        at: SystemTime,
        caller: Option<RemoteContext>,
    ) {
        if let Some(active) = self.0.as_ref().filter(|_| after < up_to) {
            active.send(Event::Acknowledged(Acknowledgement {
                consumer: consumer.to_owned(),
                after,
                up_to,
                at,
                caller,
            }));
        }
    }

    /// Spans since the start.
    pub fn totals(&self) -> SpanTotals {
        self.0
            .as_ref()
            .map_or_else(SpanTotals::default, |active| SpanTotals {
                sent: active.counts.sent.load(Ordering::Relaxed),
                dropped: active.counts.dropped.load(Ordering::Relaxed),
            })
    }

    /// Sends what waits, at most for `limit`. Nothing is sent after that.
    pub async fn finish(&self, limit: Duration) {
        let Some(active) = &self.0 else { return };
        let (done, ended) = oneshot::channel();
        let finish = async {
            if active.events.send(Event::End(done)).await.is_ok() {
                let _ = ended.await;
            }
        };
        // A collector that does not answer does not delay the stop.
        let _ = timeout(limit, finish).await;
    }
}

impl Active {
    /// Whether a trace is sampled: as the client says if it sent a context, otherwise by the share of the settings.
    fn samples(&self, trace: TraceId, parent: Option<&RemoteContext>) -> bool {
        if let Some(parent) = parent {
            return parent.span().is_sampled();
        }
        let sampled =
            self.sampler
                .should_sample(None, trace, "inspect", &SpanKind::Internal, &[], &[]);
        sampled.decision == SamplingDecision::RecordAndSample
    }

    /// Hands an event over, or drops it: never waits.
    fn send(&self, event: Event) {
        let refused = match self.events.try_send(event) {
            Ok(()) => return,
            Err(
                mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event),
            ) => event,
        };
        self.counts
            .dropped
            .fetch_add(refused.spans(), Ordering::Relaxed);
    }
}
