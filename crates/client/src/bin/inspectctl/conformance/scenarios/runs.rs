//! Other runs of the daemon, and other journals.

use std::time::Duration;

use crate::conformance::scenarios::fails;
use crate::conformance::stage::{LONGEST_PAUSE, PROMPTLY, Played, Stage};
use crate::conformance::task::Task;

/// How long the port of a daemon that restarts is closed.
const RESTART: Duration = Duration::from_millis(500);

/// How long a client that starts from the beginning has to show it.
const OBSERVATION: Duration = Duration::from_millis(1500);

pub(super) async fn epoch(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.start_stream(Task::Follow(1)).await?;
    stage.delivered().await?;
    // The journal is replaced by one that lacks 4 to 6.
    stage.restart(RESTART).await?;
    stage.journal.epoch = 2;
    stage.journal.lose(4..=6);
    stage.publish(7..=9);
    let requests = stage.requests.len();
    stage.requested_again(requests, LONGEST_PAUSE).await?;
    stage.delivered().await?;
    stage.during(OBSERVATION).await?;
    stage.publish([10]);
    stage.delivered().await
}

pub(super) async fn no_journal(stage: &mut Stage) -> Played {
    stage.journal.epoch = 0;
    stage.start_stream(Task::Live).await?;
    stage.publish(1..=3);
    stage.delivered().await?;
    stage.restart(RESTART).await?;
    let requests = stage.requests.len();
    stage.requested_again(requests, LONGEST_PAUSE).await?;
    stage.publish(1..=5);
    stage.delivered().await
}

pub(super) async fn restarted_sequences(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.start_stream(Task::Consume).await?;
    stage.delivered().await?;
    stage.acknowledged(3, PROMPTLY).await?;
    stage.restart(RESTART).await?;
    stage.journal.remove();
    stage.publish(1..=9);
    let requests = stage.requests.len();
    stage.requested_again(requests, LONGEST_PAUSE).await?;
    fails(stage, "DATA_LOSS", requests + 1).await
}
