//! The spans that wait for the collector: one task makes, keeps and sends them. Nothing waits for it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use super::spans::{Acknowledgement, PublishedSpan, SpanMaker, TracedVerdict, count};
use crate::clock::SharedClock;

/// Verdicts and acknowledgements that wait for the task. It only makes spans of them, so they do not wait long.
pub(super) const EVENT_QUEUE: usize = 1024;

/// Spans that wait for the collector, a batch in progress not included. Further ones are dropped and counted.
const SPAN_LIMIT: usize = 4096;

/// Most spans in a batch.
const BATCH_LIMIT: usize = 512;

/// Longest time that a span waits for others of its batch.
const BATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The newest verdicts that are traced, whose acknowledgement is waited for.
const REMEMBERED: usize = 1024;

/// Dropped spans are logged at most once in this time.
const LOG_INTERVAL: Duration = Duration::from_mins(10);

/// What the task is given.
pub(super) enum Event {
    Verdict(Box<TracedVerdict>),
    Acknowledged(Acknowledgement),
    /// Send everything that waits, then answer and end.
    End(oneshot::Sender<()>),
}

impl Event {
    /// Number of the spans that are made of it; at least 1 for an acknowledgement.
    pub(super) fn spans(&self) -> u64 {
        match self {
            Self::Verdict(traced) => count(traced),
            Self::Acknowledged(_) => 1,
            Self::End(_) => 0,
        }
    }
}

/// Counts of spans since the start.
#[derive(Debug, Default)]
pub(super) struct SpanCounts {
    pub(super) sent: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// The result of sending a batch: the number of its spans, and why they were not sent.
struct SentBatch {
    spans: usize,
    error: Option<String>,
}

type Sending = Pin<Box<dyn Future<Output = SentBatch> + Send>>;

/// What the task owns.
pub(super) struct SpanQueue {
    maker: SpanMaker,
    waiting: Vec<SpanData>,
    /// By sequence.
    remembered: BTreeMap<u64, PublishedSpan>,
    counts: Arc<SpanCounts>,
    clock: SharedClock,
    failing: bool,
    logged: Option<Instant>,
}

impl SpanQueue {
    pub(super) fn new(counts: Arc<SpanCounts>, clock: SharedClock) -> Self {
        Self {
            maker: SpanMaker::new(),
            waiting: Vec::new(),
            remembered: BTreeMap::new(),
            counts,
            clock,
            failing: false,
            logged: None,
        }
    }

    /// Makes and sends spans until [`Event::End`], or until all senders are gone. A batch that is not sent within `limit` is
    /// dropped.
    pub(super) async fn run<E: SpanExporter + 'static>(
        mut self,
        mut events: mpsc::Receiver<Event>,
        exporter: E,
        limit: Duration,
    ) {
        let exporter = Arc::new(exporter);
        let mut batch_interval = interval(BATCH_INTERVAL);
        batch_interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sending: Option<Sending> = None;
        let mut ended: Option<oneshot::Sender<()>> = None;
        let mut due = false;
        loop {
            tokio::select! {
                event = events.recv(), if ended.is_none() => match event {
                    Some(Event::End(done)) => ended = Some(done),
                    Some(event) => self.take(event),
                    None => return,
                },
                sent = wait_for(&mut sending) => {
                    sending = None;
                    self.sent(sent);
                }
                _ = batch_interval.tick() => due = true,
            }
            due |= ended.is_some() || self.waiting.len() >= BATCH_LIMIT;
            if due && sending.is_none() {
                due = false;
                if let Some(batch) = self.next_batch() {
                    sending = Some(Box::pin(send(Arc::clone(&exporter), batch, limit)));
                } else if let Some(done) = ended.take() {
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Verdict(traced) => {
                let (spans, published) = self.maker.of_verdict(&traced);
                if traced.verdict.sequence > 0 {
                    self.remembered.insert(traced.verdict.sequence, published);
                    if self.remembered.len() > REMEMBERED {
                        self.remembered.pop_first();
                    }
                }
                self.push(spans);
            }
            Event::Acknowledged(acknowledgement) => {
                let Acknowledgement { after, up_to, .. } = acknowledgement;
                if after >= up_to {
                    return;
                }
                let verdicts = self.remembered.range(after + 1..=up_to);
                let spans = verdicts.map(|(sequence, published)| {
                    self.maker
                        .of_acknowledgement(&acknowledgement, *sequence, published)
                });
                let spans = spans.collect();
                self.push(spans);
            }
            Event::End(_) => {}
        }
    }

    /// Queues spans; those that do not fit are dropped.
    fn push(&mut self, mut spans: Vec<SpanData>) {
        let room = SPAN_LIMIT.saturating_sub(self.waiting.len());
        let dropped = spans.len().saturating_sub(room);
        spans.truncate(room);
        self.waiting.extend(spans);
        if dropped > 0 {
            self.drop_spans(dropped, "the collector is too slow");
        }
    }

    fn next_batch(&mut self) -> Option<Vec<SpanData>> {
        let spans = self.waiting.len().min(BATCH_LIMIT);
        (spans > 0).then(|| self.waiting.drain(..spans).collect())
    }

    fn sent(&mut self, batch: SentBatch) {
        match batch.error {
            None => {
                let sent = batch.spans as u64;
                self.counts.sent.fetch_add(sent, Ordering::Relaxed);
                if std::mem::take(&mut self.failing) {
                    info!("spans are sent to the collector again");
                }
            }
            Some(error) => {
                self.failing = true;
                self.drop_spans(batch.spans, &error);
            }
        }
    }

    fn drop_spans(&mut self, spans: usize, reason: &str) {
        let dropped = self
            .counts
            .dropped
            .fetch_add(spans as u64, Ordering::Relaxed);
        let dropped = dropped + spans as u64;
        let now = self.clock.now().monotonic;
        let early = self
            .logged
            .is_some_and(|last| now.saturating_duration_since(last) < LOG_INTERVAL);
        if !early {
            self.logged = Some(now);
            warn!(
                reason,
                dropped, "spans are not sent to the collector; inspection continues"
            );
        }
    }
}

/// The result of the batch in progress; never without one.
async fn wait_for(sending: &mut Option<Sending>) -> SentBatch {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

async fn send<E: SpanExporter>(
    exporter: Arc<E>,
    batch: Vec<SpanData>,
    limit: Duration,
) -> SentBatch {
    let spans = batch.len();
    let error = match timeout(limit, exporter.export(batch)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {} s", limit.as_secs_f64())),
    };
    SentBatch { spans, error }
}
