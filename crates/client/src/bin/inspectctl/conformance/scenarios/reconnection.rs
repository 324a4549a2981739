//! Streams that end.

use std::time::Duration;

use tonic::{Code, Status};

use crate::conformance::behaviour::Answer;
use crate::conformance::scenarios::fails;
use crate::conformance::stage::{LONGEST_PAUSE, Played, Stage, ensure};
use crate::conformance::task::Task;

/// How long the port of a daemon that restarts is closed.
const RESTART: Duration = Duration::from_secs(3);

/// How long every request is refused.
const OUTAGE: Duration = Duration::from_secs(6);

/// Requests during [`OUTAGE`].
const FEWEST_REQUESTS: usize = 2;
const MOST_REQUESTS: usize = 10;

pub(super) async fn reset(stage: &mut Stage) -> Played {
    stage.publish(1..=4);
    stage.start_stream(Task::Follow(1)).await?;
    stage.delivered().await?;
    stage.reset().await?;
    stage.publish(5..=8);
    stage.requested_again(1, LONGEST_PAUSE).await?;
    stage.delivered().await?;
    // While verdicts are on their way: the client decides what it has received.
    let requests = stage.requests.len();
    stage.publish(9..=40);
    stage.reset().await?;
    stage.requested_again(requests, LONGEST_PAUSE).await?;
    stage.delivered().await
}

pub(super) async fn closed(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.start_stream(Task::Follow(1)).await?;
    stage.delivered().await?;
    stage.end_streams(None);
    stage.publish(4..=6);
    stage.requested_again(1, LONGEST_PAUSE).await?;
    stage.delivered().await
}

pub(super) async fn restart(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.start_stream(Task::Follow(1)).await?;
    stage.delivered().await?;
    stage.restart(RESTART).await?;
    let requests = stage.requests.len();
    stage.publish(4..=6);
    stage.requested_again(requests, LONGEST_PAUSE).await?;
    stage.delivered().await
}

pub(super) async fn back_off(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.behaviour.streams = Answer::Refuse(Code::Unavailable);
    stage.start_stream(Task::Follow(1)).await?;
    stage.during(OUTAGE).await?;
    let requests = stage.requests.len();
    ensure(
        (FEWEST_REQUESTS..=MOST_REQUESTS).contains(&requests),
        || {
            format!(
                "{requests} requests in {} s of UNAVAILABLE, {FEWEST_REQUESTS} to {MOST_REQUESTS} are permitted",
                OUTAGE.as_secs()
            )
        },
    )?;
    stage.behaviour.streams = Answer::Serve;
    stage.requested_again(requests, LONGEST_PAUSE).await?;
    stage.delivered().await
}

pub(super) async fn refused(stage: &mut Stage) -> Played {
    stage.behaviour.streams = Answer::Refuse(Code::PermissionDenied);
    stage.start_stream(Task::Follow(1)).await?;
    fails(stage, "PERMISSION_DENIED", 1).await
}

pub(super) async fn replaced(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.start_stream(Task::Consume).await?;
    stage.delivered().await?;
    let text = "replaced by a newer stream of this consumer";
    stage.end_streams(Some(&Status::new(Code::Aborted, text)));
    fails(stage, "ABORTED", 1).await
}
