//! Triggers.

use std::time::Duration;

use inspectd_client::proto::trigger_inspection_request::Target;
use tokio::time::Instant;
use tonic::Code;

use crate::conformance::behaviour::Answer;
use crate::conformance::stage::{Played, Stage, TOLERANCE, TriggerCall, ensure};
use crate::conformance::task::{CAMERA, Task};

/// The deadline of a trigger that is answered.
const DEADLINE: Duration = Duration::from_secs(8);

/// The deadline of a trigger that is not answered.
const SHORT_DEADLINE: Duration = Duration::from_secs(3);

/// How much later the client may report it, and how much earlier: its clock started before its request arrived here.
const LATE: Duration = Duration::from_millis(1500);
const EARLY: Duration = Duration::from_millis(1500);

/// How long a refused trigger must not be repeated.
const FINAL: Duration = Duration::from_secs(2);

/// The line for the verdict of a trigger.
const VERDICT: (u64, &str) = (7, "REJECT");

pub(super) async fn trigger(stage: &mut Stage) -> Played {
    for part in ["A-1", "A-2"] {
        stage.triggered.clear();
        start(stage, part, DEADLINE).await?;
        printed_verdict(stage).await?;
        stage.ended().await?;
    }
    let calls = &stage.triggers;
    ensure(calls.len() == 2, || {
        format!("{} requests for two parts", calls.len())
    })?;
    let keys = [0, 1].map(|index| calls[index].request.idempotency_key.clone());
    ensure(keys[0] != keys[1], || {
        format!("two parts have the same idempotency key {:?}", keys[0])
    })
}

pub(super) async fn deadline(stage: &mut Stage) -> Played {
    stage.behaviour.triggers = Answer::Hold;
    start(stage, "A-1", SHORT_DEADLINE).await?;
    let called = Instant::now();
    let failed = |stage: &Stage| stage.failed.is_some() || !stage.triggered.is_empty();
    stage
        .until(
            "the deadline was not reported",
            SHORT_DEADLINE + LATE,
            failed,
        )
        .await?;
    let (at, code) = stage
        .failed
        .clone()
        .unwrap_or_else(|| (Instant::now(), String::new()));
    ensure(code == "DEADLINE_EXCEEDED", || {
        format!("the program printed failed {code} instead of failed DEADLINE_EXCEEDED")
    })?;
    let after = at - called;
    let earliest = SHORT_DEADLINE.saturating_sub(EARLY);
    ensure(
        after >= earliest && after <= SHORT_DEADLINE + LATE + TOLERANCE,
        || {
            format!(
                "the deadline of {} s was reported after {:.1} s",
                SHORT_DEADLINE.as_secs(),
                after.as_secs_f64()
            )
        },
    )?;
    stage.during(LATE).await?;
    ensure(stage.triggers.iter().all(TriggerCall::is_over), || {
        "the call was not cancelled at its deadline".to_owned()
    })
}

pub(super) async fn retry(stage: &mut Stage) -> Played {
    // Accepted, and the answer is lost.
    stage.behaviour.triggers = Answer::Hold;
    start(stage, "A-1", DEADLINE).await?;
    stage.reset().await?;
    stage.behaviour.triggers = Answer::Refuse(Code::Unavailable);
    called_again(stage, 1).await?;
    stage.behaviour.triggers = Answer::Serve;
    called_again(stage, 2).await?;
    printed_verdict(stage).await?;
    let first = stage.triggers[0].request.clone();
    for call in &stage.triggers {
        ensure(call.request == first, || {
            format!(
                "a repetition differs: key {:?} instead of {:?}, part {:?} instead of {:?}",
                call.request.idempotency_key,
                first.idempotency_key,
                call.request.part_id,
                first.part_id
            )
        })?;
    }
    stage.ended().await
}

pub(super) async fn refused(stage: &mut Stage) -> Played {
    stage.behaviour.triggers = Answer::Refuse(Code::FailedPrecondition);
    start(stage, "A-1", DEADLINE).await?;
    let failed = |stage: &Stage| stage.failed.is_some();
    stage
        .until("FAILED_PRECONDITION was not reported", FINAL, failed)
        .await?;
    stage.during(FINAL).await?;
    let code = stage.failed.clone().map(|(_, code)| code);
    ensure(code.as_deref() == Some("FAILED_PRECONDITION"), || {
        format!("the program printed failed {}", code.unwrap_or_default())
    })?;
    let calls = stage.triggers.len();
    ensure(calls == 1, || {
        format!("{calls} requests, although the first one was refused with FAILED_PRECONDITION")
    })
}

/// Starts the program, and waits for its request, which it checks.
async fn start(stage: &mut Stage, part: &'static str, deadline: Duration) -> Played {
    let known = stage.triggers.len();
    stage.start(Task::Trigger { part, deadline })?;
    let limit = stage.start_timeout();
    let called = |stage: &Stage| stage.triggers.len() > known;
    stage
        .until(
            "the program made no TriggerInspection request",
            limit,
            called,
        )
        .await?;
    let request = &stage.triggers[known].request;
    let target = Some(Target::CameraId(CAMERA.to_owned()));
    ensure(request.target == target, || {
        format!(
            "the target is {:?} instead of camera {CAMERA:?}",
            request.target
        )
    })?;
    ensure(request.part_id == part, || {
        format!("the part is {:?} instead of {part:?}", request.part_id)
    })?;
    ensure(request.wait, || "the request does not set wait".to_owned())?;
    ensure(!request.idempotency_key.is_empty(), || {
        "the request has no idempotency key".to_owned()
    })
}

async fn called_again(stage: &mut Stage, known: usize) -> Played {
    let called = |stage: &Stage| stage.triggers.len() > known;
    stage
        .until("the request was not repeated", DEADLINE, called)
        .await
}

/// Waits for the line with the verdict, and for one that should not follow.
async fn printed_verdict(stage: &mut Stage) -> Played {
    let printed = |stage: &Stage| !stage.triggered.is_empty() || stage.failed.is_some();
    stage
        .until("no verdict was printed", DEADLINE, printed)
        .await?;
    stage.during(TOLERANCE).await?;
    let (sequence, decision) = VERDICT;
    let expected = vec![(sequence, decision.to_owned())];
    ensure(stage.triggered == expected, || {
        format!(
            "the program printed {:?} {:?} instead of one line: triggered {sequence} {decision}",
            stage.triggered,
            stage.failed.as_ref().map(|(_, code)| code)
        )
    })
}
