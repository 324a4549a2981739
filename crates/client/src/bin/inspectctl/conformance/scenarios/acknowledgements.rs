//! Acknowledgements of a consumer.

use std::time::Duration;

use tonic::Code;

use crate::conformance::behaviour::Answer;
use crate::conformance::stage::{LONGEST_PAUSE, PROMPTLY, Played, Stage, ensure};
use crate::conformance::task::Task;

/// How long the user needs for a verdict.
const PROCESSING: Duration = Duration::from_millis(1500);

/// How long acknowledgements are refused.
const OUTAGE: Duration = Duration::from_secs(4);

/// Acknowledgements during [`OUTAGE`].
const MOST_ATTEMPTS: usize = 10;

pub(super) async fn acknowledge(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.start_stream(Task::Consume).await?;
    stage.delivered().await?;
    stage.acknowledged(3, PROMPTLY).await?;
    // The user takes its time: nothing later is acknowledged.
    stage.behaviour.processes = false;
    stage.publish(4..=6);
    handed_over(stage, 4).await?;
    stage.during(PROCESSING).await?;
    stage.behaviour.processes = true;
    stage.process().await;
    stage.delivered().await?;
    stage.acknowledged(6, PROMPTLY).await
}

pub(super) async fn resume(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.start_stream(Task::Consume).await?;
    stage.delivered().await?;
    stage.acknowledged(3, PROMPTLY).await?;
    stage.behaviour.processes = false;
    stage.publish(4..=5);
    handed_over(stage, 4).await?;
    stage.during(PROCESSING).await?;
    stage.kill().await;
    stage.behaviour.processes = true;
    stage.start_stream(Task::Consume).await?;
    stage.delivered().await?;
    stage.acknowledged(5, PROMPTLY).await
}

pub(super) async fn duplicates(stage: &mut Stage) -> Played {
    stage.behaviour.acknowledgements = Answer::Refuse(Code::Unavailable);
    stage.publish(1..=4);
    stage.start_stream(Task::Consume).await?;
    stage.delivered().await?;
    stage.reset().await?;
    stage.publish([5]);
    stage.requested_again(1, LONGEST_PAUSE).await?;
    stage.delivered().await?;
    stage.behaviour.acknowledgements = Answer::Serve;
    stage.acknowledged(5, LONGEST_PAUSE).await
}

pub(super) async fn failure(stage: &mut Stage) -> Played {
    stage.behaviour.acknowledgements = Answer::Refuse(Code::Unavailable);
    stage.publish(1..=3);
    stage.start_stream(Task::Consume).await?;
    stage.delivered().await?;
    let attempted = |stage: &Stage| !stage.acknowledgements.is_empty();
    stage
        .until("nothing was acknowledged", PROMPTLY, attempted)
        .await?;
    stage.publish(4..=5);
    stage.delivered().await?;
    let since = stage.acknowledgements.first().map(|(at, _)| at.elapsed());
    stage
        .during(OUTAGE.saturating_sub(since.unwrap_or_default()))
        .await?;
    let attempts = stage.acknowledgements.len();
    ensure(attempts <= MOST_ATTEMPTS, || {
        format!(
            "{attempts} acknowledgements in {} s of UNAVAILABLE, at most {MOST_ATTEMPTS} are permitted",
            OUTAGE.as_secs()
        )
    })?;
    ensure(stage.requests.len() == 1, || {
        "the stream was opened again because an acknowledgement failed".to_owned()
    })?;
    stage.behaviour.acknowledgements = Answer::Serve;
    stage.acknowledged(5, LONGEST_PAUSE).await
}

/// Waits until the user processes this sequence.
async fn handed_over(stage: &mut Stage, sequence: u64) -> Played {
    let otherwise = format!("sequence {sequence} was not handed to the user");
    let done = |stage: &Stage| stage.user.processing == Some(sequence);
    stage.until(&otherwise, PROMPTLY, done).await
}
