//! Streams without messages.

use std::time::Duration;

use crate::conformance::stage::{PROMPTLY, Played, Stage, TOLERANCE, broken, ensure};
use crate::conformance::task::{SILENCE, Task};

/// The client may be a little early: its clock started when the message arrived.
const EARLIEST: Duration = Duration::from_millis(1500);

/// Three times the silence limit: the limit, and pauses between attempts.
const LATEST: Duration = Duration::from_secs(6);

pub(super) async fn heartbeats(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.start_stream(Task::Follow(1)).await?;
    stage.delivered().await?;
    stage.during(3 * SILENCE).await?;
    let requests = stage.requests.len();
    ensure(requests == 1 && stage.open_streams() == 1, || {
        "a stream with heartbeats and without verdicts was closed".to_owned()
    })?;
    stage.publish([4]);
    stage.delivered().await
}

pub(super) async fn silence(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.start_stream(Task::Follow(1)).await?;
    stage.delivered().await?;
    stage.behaviour.heartbeats = false;
    let Some(last_message) = stage.last_message() else {
        return broken("the client closed the stream");
    };
    stage.requested_again(1, LATEST).await?;
    let after = stage.requests[1].at - last_message;
    ensure(after >= EARLIEST && after <= LATEST + TOLERANCE, || {
        format!(
            "the next request came {:.1} s after the last message, with a limit of {} s",
            after.as_secs_f64(),
            SILENCE.as_secs()
        )
    })?;
    stage.behaviour.heartbeats = true;
    let replaced = |stage: &Stage| stage.open_streams() == 1;
    stage
        .until("the silent stream was not cancelled", PROMPTLY, replaced)
        .await?;
    stage.publish(4..=6);
    stage.delivered().await
}

pub(super) async fn interval(stage: &mut Stage) -> Played {
    stage.behaviour.interval = SILENCE;
    stage.publish(1..=3);
    stage.start_stream(Task::Follow(1)).await?;
    stage.delivered().await?;
    // Longer than the limit, and shorter than three intervals.
    stage.behaviour.heartbeats = false;
    stage.during(2 * SILENCE).await?;
    let requests = stage.requests.len();
    ensure(requests == 1 && stage.open_streams() == 1, || {
        format!(
            "the stream was closed after less than {} s, although its heartbeats state an interval of {} s",
            2 * SILENCE.as_secs(),
            SILENCE.as_secs()
        )
    })?;
    stage.publish([4]);
    stage.delivered().await
}
