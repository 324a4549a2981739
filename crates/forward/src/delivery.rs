//! Sends records until each is either confirmed by the receiver or a dead letter. After transient failures a batch is
//! sent again, without a limit on attempts; a batch that the receiver refuses is divided until the refused records are
//! found.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use inspectd_client::{Client, Code, Error, proto::ImageFormat};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::clock::now;
use crate::config::EvidencePolicy;
use crate::dead_letters::DeadLetters;
use crate::record::{Record, VerdictRecord};
use crate::sink::{Failure, Rejected, Sink};
use crate::state::{Activity, SinkState};
use crate::stop;

/// Maximum time to open a connection before there is something to send.
const LONGEST_OPENING: Duration = Duration::from_secs(5);
/// The pause before a receiver that asked to wait is tried again. The sink has already waited.
const SHORT_PAUSE: Duration = Duration::from_millis(50);

/// A connection that is lost so many times in a row with the same records may be closed because of one of them.
const SUSPICIOUS_LOSSES: u32 = 5;

/// The program stops; the records are not confirmed.
#[derive(Debug, PartialEq, Eq)]
pub struct Stopped;

/// Sends batches to one sink.
pub struct Delivery {
    /// The id of the sink.
    pub id: String,
    /// The receiver.
    pub sink: Box<dyn Sink>,
    /// Where refused records go.
    pub dead_letters: DeadLetters,
    /// The pauses after failures.
    pub backoff: Backoff,
    /// Maximum time of an attempt.
    pub timeout: Duration,
    /// Verdicts whose evidence is sent.
    pub evidence: EvidencePolicy,
    /// The state of the sink.
    pub state: Arc<SinkState>,
    /// Becomes true when the program stops: an attempt in progress continues, no other one begins.
    pub stop: watch::Receiver<bool>,
}

impl Delivery {
    /// Sends the records, and before each one its evidence.
    ///
    /// # Errors
    /// If the program stops before all are confirmed.
    pub async fn deliver(&mut self, client: &Client, records: &[Record]) -> Result<(), Stopped> {
        for record in records {
            if let Record::Verdict(record) = record
                && self.evidence.selects(&record.verdict)
            {
                self.deliver_evidence(client, record).await?;
            }
        }
        // The parts that are not confirmed yet, the first one last.
        let mut parts: Vec<_> = std::iter::once(0..records.len()).collect();
        let mut losses = Losses::default();
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let attempt = self.sink.deliver(&records[part.clone()]);
            let outcome = timeout(self.timeout, attempt).await;
            let outcome = outcome.unwrap_or_else(|_| Err(timed_out(self.timeout)));
            if !matches!(outcome, Err(Failure::Lost(_))) {
                losses.in_a_row = 0;
            }
            match outcome {
                Ok(rejected) => self.confirmed(&records[part], rejected).await?,
                Err(Failure::Refused(reason)) if part.len() == 1 => {
                    self.confirmed(&records[part], vec![Rejected { place: 0, reason }])
                        .await?;
                }
                Err(Failure::Refused(_)) => parts.extend(halves(part)),
                Err(Failure::NotReady(reason)) => {
                    self.wait(&reason).await?;
                    parts.push(part);
                }
                Err(Failure::Lost(reason)) => {
                    self.sink.reset();
                    self.pause(&reason, None).await?;
                    if !losses.are_suspicious(part.len()) || !self.receiver_answers().await {
                        parts.push(part);
                    } else if part.len() > 1 {
                        losses.divided();
                        parts.extend(halves(part));
                    } else {
                        losses.in_a_row = 0;
                        let reason = format!("each attempt lost the connection: {reason}");
                        self.confirmed(&records[part], vec![Rejected { place: 0, reason }])
                            .await?;
                    }
                }
                Err(Failure::Transient {
                    reason,
                    retry_after,
                }) => {
                    self.sink.reset();
                    self.pause(&reason, retry_after).await?;
                    parts.push(part);
                }
            }
        }
        Ok(())
    }

    /// Whether the receiver handles something other than records.
    async fn receiver_answers(&mut self) -> bool {
        let answered = timeout(self.timeout, self.sink.ping()).await;
        let answers = matches!(answered, Ok(Ok(())));
        if !answers {
            self.sink.reset();
        }
        answers
    }

    /// Connects to the receiver, so that a fault is noticed before there is something to send.
    pub async fn keep_open(&mut self) {
        let opened = timeout(self.timeout.min(LONGEST_OPENING), self.sink.keep_open()).await;
        match opened.unwrap_or_else(|_| Err(timed_out(LONGEST_OPENING))) {
            Ok(()) => self.succeeded(),
            Err(failure) => {
                if !matches!(failure, Failure::NotReady(_)) {
                    self.sink.reset();
                }
                self.failed(&failure.to_string());
            }
        }
    }

    /// The receiver has the records, except for the rejected ones, which become dead letters.
    async fn confirmed(
        &mut self,
        records: &[Record],
        rejected: Vec<Rejected>,
    ) -> Result<(), Stopped> {
        let delivered = records.len().saturating_sub(rejected.len()) as u64;
        for Rejected { place, reason } in rejected {
            let Some(record) = records.get(place) else {
                continue;
            };
            while let Err(error) = self.dead_letters.append(record, &reason, now()) {
                let path = self.dead_letters.path().display();
                let error = format!("the dead letter cannot be written to {path}: {error}");
                self.pause(&error, None).await?;
            }
            warn!(
                sink = self.id,
                id = record.id(),
                reason,
                "refused by the receiver; now a dead letter"
            );
            self.state.error(&format!("{}: {reason}", record.id()));
            self.state.update(|snapshot| snapshot.dead_letters += 1);
        }
        self.state
            .update(|snapshot| snapshot.delivered += delivered);
        self.succeeded();
        Ok(())
    }

    fn succeeded(&mut self) {
        self.backoff.reset();
        if self.state.snapshot().state == Activity::Retrying {
            self.state.activity(Activity::Running);
            info!(sink = self.id, "the receiver stores records again");
        }
    }

    fn failed(&self, reason: &str) {
        // Failures in a row are one line.
        if self.state.snapshot().state != Activity::Retrying {
            warn!(
                sink = self.id,
                reason, "the receiver does not store records; they are sent again until it does"
            );
        }
        self.state.activity(Activity::Retrying);
        self.state.error(reason);
    }

    /// The receiver asks to wait. The pauses after failures do not apply, so that its readiness is noticed soon.
    async fn wait(&mut self, reason: &str) -> Result<(), Stopped> {
        self.failed(reason);
        tokio::select! {
            () = stop::requested(&mut self.stop) => Err(Stopped),
            () = sleep(SHORT_PAUSE) => Ok(()),
        }
    }

    /// Waits before another attempt.
    async fn pause(&mut self, reason: &str, retry_after: Option<Duration>) -> Result<(), Stopped> {
        let pause = self.backoff.next().max(retry_after.unwrap_or_default());
        self.failed(reason);
        self.state.update(|snapshot| snapshot.retries += 1);
        tokio::select! {
            () = stop::requested(&mut self.stop) => Err(Stopped),
            () = sleep(pause) => Ok(()),
        }
    }

    /// Fetches the evidence of a verdict and sends it. Only one is in memory at a time.
    async fn deliver_evidence(
        &mut self,
        client: &Client,
        record: &VerdictRecord,
    ) -> Result<(), Stopped> {
        let sequence = record.verdict.sequence;
        let evidence = loop {
            match client.evidence(sequence, ImageFormat::Png).await {
                Ok(evidence) => break evidence,
                Err(error) if is_gone(&error) => {
                    self.evidence_missing(record, &error);
                    return Ok(());
                }
                // The daemon may have the evidence, and refuses for another reason, such as an expired token.
                Err(error) => {
                    let reason = format!("the evidence of {sequence} cannot be fetched: {error}");
                    self.pause(&reason, None).await?;
                }
            }
        };
        loop {
            let attempt = self.sink.deliver_evidence(record, &evidence);
            match timeout(self.timeout, attempt)
                .await
                .unwrap_or_else(|_| Err(timed_out(self.timeout)))
            {
                Ok(()) => {
                    self.state.update(|snapshot| snapshot.evidence += 1);
                    self.succeeded();
                    return Ok(());
                }
                Err(Failure::Refused(reason)) => {
                    warn!(
                        sink = self.id,
                        id = record.id,
                        reason,
                        "the receiver refuses the evidence; it is left out"
                    );
                    self.state.error(&reason);
                    self.state.update(|snapshot| snapshot.evidence_missing += 1);
                    return Ok(());
                }
                Err(Failure::NotReady(reason)) => self.wait(&reason).await?,
                Err(Failure::Lost(reason)) => {
                    self.sink.reset();
                    self.pause(&reason, None).await?;
                }
                Err(Failure::Transient {
                    reason,
                    retry_after,
                }) => {
                    self.sink.reset();
                    self.pause(&reason, retry_after).await?;
                }
            }
        }
    }

    fn evidence_missing(&self, record: &VerdictRecord, error: &Error) {
        info!(sink = self.id, id = record.id, %error, "the evidence is not available; the verdict is sent without it");
        self.state.update(|snapshot| snapshot.evidence_missing += 1);
    }
}

/// Connections that were lost while the records of a batch were sent.
#[derive(Debug, Default)]
struct Losses {
    /// Those in a row, with the same part of the batch.
    in_a_row: u32,
    /// Whether the batch was divided because of them.
    are_searched: bool,
}

impl Losses {
    /// Counts a loss of a part of `length` records. Returns whether a record of the part may be the reason.
    fn are_suspicious(&mut self, length: usize) -> bool {
        self.in_a_row += 1;
        // A smaller part does no harm; only a dead letter must be certain.
        let search = self.are_searched && length > 1;
        search || self.in_a_row >= SUSPICIOUS_LOSSES
    }

    fn divided(&mut self) {
        self.in_a_row = 0;
        self.are_searched = true;
    }
}

/// Whether the error says that the daemon does not have the evidence.
fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal) if refusal.code == Code::NotFound)
}

fn timed_out(limit: Duration) -> Failure {
    Failure::transient(format!("no confirmation within {} s", limit.as_secs_f64()))
}

/// The two halves of a part, the first one last.
fn halves(part: Range<usize>) -> [Range<usize>; 2] {
    let middle = part.start + part.len() / 2;
    [middle..part.end, part.start..middle]
}

#[cfg(test)]
mod tests;
