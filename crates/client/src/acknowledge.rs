//! Acknowledgements of a consumer, sent in the background while its stream is read.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::client::Client;
use crate::consumer::ConsumerName;
use crate::error::Error;

/// The shortest time between two acknowledgements: each one is written to the daemon's disk.
const INTERVAL: Duration = Duration::from_millis(100);

/// Sends the newest acknowledged sequence of a consumer to the daemon, at most ten times a second.
///
/// Acknowledgements are batched: a sequence that a later one overtakes is not sent. After an outage the
/// newest one is sent again until it succeeds. Dropping the acknowledger sends what is pending in the
/// background; [`Acknowledger::finish`] waits for it.
#[derive(Debug)]
pub struct Acknowledger {
    newest: watch::Sender<u64>,
    task: JoinHandle<Result<(), Error>>,
}

impl Client {
    /// Starts to acknowledge for a consumer.
    ///
    /// # Panics
    /// If called outside a Tokio runtime.
    pub fn acknowledger(&self, consumer: ConsumerName) -> Acknowledger {
        self.acknowledger_with(consumer, |_, _| {})
    }

    /// Starts to acknowledge for a consumer, as [`Client::acknowledger`]. `on_failure` is called with the
    /// sequence and the error at the first failure of a series.
    ///
    /// # Panics
    /// If called outside a Tokio runtime.
    pub fn acknowledger_with(
        &self,
        consumer: ConsumerName,
        on_failure: impl FnMut(u64, &Error) + Send + 'static,
    ) -> Acknowledger {
        let (newest, changes) = watch::channel(0);
        let task = tokio::spawn(run(self.clone(), consumer, changes, on_failure));
        Acknowledger { newest, task }
    }
}

impl Acknowledger {
    /// Acknowledges all verdicts up to and including `sequence`. A sequence below the newest one has no
    /// effect. Returns at once.
    pub fn acknowledge(&self, sequence: u64) {
        self.newest.send_if_modified(|newest| {
            let later = sequence > *newest;
            *newest = sequence.max(*newest);
            later
        });
    }

    /// Returns the newest sequence passed to [`Acknowledger::acknowledge`]; 0 if none was.
    pub fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// Sends the newest sequence and waits until the daemon has stored it.
    ///
    /// # Errors
    /// If the last acknowledgement failed: the daemon will send those verdicts again.
    pub async fn finish(self) -> Result<(), Error> {
        drop(self.newest);
        match self.task.await {
            Ok(result) => result,
            // Only a panic of `on_failure` can end the task: nobody else has its handle.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

async fn run(
    client: Client,
    consumer: ConsumerName,
    mut changes: watch::Receiver<u64>,
    mut on_failure: impl FnMut(u64, &Error),
) -> Result<(), Error> {
    let mut last = Ok(());
    let mut failures = 0;
    // The last change is seen even if the sender has been dropped by then.
    while changed_or_due(&mut changes, &last, failures).await {
        let sequence = *changes.borrow_and_update();
        let result = client.acknowledge(&consumer, sequence).await.map(|_| ());
        if let (Err(error), Ok(())) = (&result, &last) {
            on_failure(sequence, error);
        }
        failures = if result.is_ok() { 0 } else { failures + 1 };
        last = result;
        tokio::time::sleep(INTERVAL).await;
    }
    last
}

/// Waits for a newer sequence, or until the last one is due again after a transient failure. Returns false
/// once the acknowledger is gone and has nothing newer.
async fn changed_or_due(
    changes: &mut watch::Receiver<u64>,
    last: &Result<(), Error>,
    failures: u32,
) -> bool {
    let changed = changes.changed();
    match last {
        Err(error) if error.is_transient() => {
            let pause = Backoff::default().pause(failures);
            let changed = tokio::time::timeout(pause, changed).await;
            changed.map_or(true, |changed| changed.is_ok())
        }
        _ => changed.await.is_ok(),
    }
}
