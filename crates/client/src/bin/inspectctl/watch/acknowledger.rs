//! Tells the daemon what a consumer has been shown, beside the stream that shows it.

use std::time::Duration;

use inspectd_client::proto::AcknowledgeVerdictsRequest;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connection::{ANSWER_TIMEOUT, Daemon};
use crate::failure::{Failure, note};

/// At most once in so long: each acknowledgement is written to the daemon's disk.
const INTERVAL: Duration = Duration::from_millis(100);

/// Acknowledges the newest sequence that was shown; those that are overtaken are never sent.
#[derive(Debug)]
pub struct Acknowledger {
    shown: watch::Sender<u64>,
    task: JoinHandle<Result<(), Failure>>,
}

impl Acknowledger {
    /// For a consumer of this name. Must be called inside a runtime.
    pub fn new(daemon: Daemon, consumer: String) -> Self {
        let (shown, changes) = watch::channel(0);
        let task = tokio::spawn(run(daemon, consumer, changes));
        Self { shown, task }
    }

    /// Everything up to `sequence` has been shown.
    pub fn shown(&self, sequence: u64) {
        self.shown.send_replace(sequence);
    }

    /// Up to where everything has been shown; 0: nothing was yet.
    pub fn newest(&self) -> u64 {
        *self.shown.borrow()
    }

    /// Acknowledges the last one.
    ///
    /// # Errors
    /// When that was refused, or the daemon is away: it will show it again.
    pub async fn finish(self) -> Result<(), Failure> {
        drop(self.shown);
        match self.task.await {
            Ok(end) => end,
            Err(error) => Err(Failure::Local(anyhow::Error::new(error))),
        }
    }
}

async fn run(
    daemon: Daemon,
    consumer: String,
    mut changes: watch::Receiver<u64>,
) -> Result<(), Failure> {
    let mut last = Ok(());
    // The last change is seen even if the sender is gone by then.
    while changes.changed().await.is_ok() {
        let sequence = *changes.borrow_and_update();
        let outcome = acknowledge(&daemon, &consumer, sequence).await;
        if let (Err(failure), Ok(())) = (&outcome, &last) {
            note(&format!(
                "inspectctl: cannot acknowledge {sequence}: {failure}"
            ));
        }
        last = outcome.map(|_| ());
        tokio::time::sleep(INTERVAL).await;
    }
    last
}

/// Acknowledges everything up to `sequence`.
///
/// # Errors
/// When the daemon is away, or refuses.
pub async fn acknowledge(
    daemon: &Daemon,
    consumer: &str,
    sequence: u64,
) -> Result<inspectd_client::proto::Consumer, Failure> {
    let mut inspection = daemon.inspection();
    let call = inspection.acknowledge_verdicts(AcknowledgeVerdictsRequest {
        consumer: consumer.to_owned(),
        sequence,
    });
    let response = daemon.answer(ANSWER_TIMEOUT, call).await?;
    Ok(response.consumer.unwrap_or_default())
}
