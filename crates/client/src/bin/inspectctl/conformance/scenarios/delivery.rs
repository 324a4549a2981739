//! What the user receives.

use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{Decision, Gap};

use crate::conformance::decision::word;
use crate::conformance::encoded::EncodedResponse;
use crate::conformance::stage::{PROMPTLY, Played, Stage};
use crate::conformance::task::Task;
use crate::conformance::user::Expected;

/// A decision that no daemon of this version sends.
const LATER_DECISION: i32 = 17;

/// A reason of a gap that no daemon of this version gives.
const LATER_REASON: i32 = 9;

pub(super) async fn delivery(stage: &mut Stage) -> Played {
    let decisions = [
        Decision::Pass,
        Decision::Reject,
        Decision::Review,
        Decision::Fault,
    ];
    for (sequence, decision) in (1..).zip(decisions) {
        stage.publish_decision(sequence, decision.into());
    }
    stage.start_stream(Task::Follow(1)).await?;
    stage.delivered().await?;
    // Sequences may have gaps, and verdicts may come fast.
    stage.publish([7, 9]);
    stage.publish(20..=220);
    stage.delivered().await
}

pub(super) async fn unknown_values(stage: &mut Stage) -> Played {
    stage.publish([1]);
    stage.start_stream(Task::Follow(1)).await?;
    stage.delivered().await?;
    let verdict = stage.journal.verdict(0, Decision::Reject.into());
    let expected = |decision: i32| Expected::Verdict {
        run: 1,
        epoch: 1,
        sequence: 0,
        decision: word(decision),
    };
    let response = EncodedResponse::with_unknown_fields(&verdict);
    stage.send_once(&response, Some(expected(Decision::Reject.into())));
    stage.send_once(&EncodedResponse::of_unknown_event(), None);
    stage.send_once(&EncodedResponse::empty(), None);
    stage.delivered().await?;
    stage.publish_decision(2, LATER_DECISION);
    stage.publish_decision(3, Decision::Unspecified.into());
    let gap = Gap {
        missed: 2,
        reason: LATER_REASON,
        ..Gap::default()
    };
    let response = EncodedResponse::of(Event::Gap(gap));
    stage.send_once(&response, Some(Expected::Missed(2)));
    stage.publish([4]);
    stage.delivered().await
}

pub(super) async fn unjournalled(stage: &mut Stage) -> Played {
    stage.publish([1, 2]);
    stage.start_stream(Task::Consume).await?;
    stage.delivered().await?;
    stage.send_unjournalled(Decision::Fault.into());
    stage.send_unjournalled(Decision::Fault.into());
    stage.delivered().await?;
    stage.acknowledged(2, PROMPTLY).await?;
    stage.publish([3]);
    stage.delivered().await?;
    stage.acknowledged(3, PROMPTLY).await
}
