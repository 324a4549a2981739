//! Verdicts that the client cannot receive.

use inspectd_client::proto::Gap;
use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::stream_verdicts_response::Event;

use crate::conformance::encoded::EncodedResponse;
use crate::conformance::stage::{LONGEST_PAUSE, PROMPTLY, Played, Stage, ensure};
use crate::conformance::task::Task;
use crate::conformance::user::Expected;

pub(super) async fn gap(stage: &mut Stage) -> Played {
    stage.publish(1..=3);
    stage.journal.lose(4..=6);
    stage.publish([7]);
    stage.start_stream(Task::Follow(1)).await?;
    stage.delivered().await?;
    let gap = Gap {
        missed: 3,
        ..Gap::default()
    };
    let response = EncodedResponse::of(Event::Gap(gap));
    stage.send_once(&response, Some(Expected::Missed(3)));
    stage.delivered().await?;
    // The loss is the last event before the connection is lost.
    stage.journal.lose(8..=9);
    stage.serve_streams();
    stage.delivered().await?;
    stage.reset().await?;
    stage.publish([10]);
    stage.requested_again(1, LONGEST_PAUSE).await?;
    let start = stage.requests[1].start.clone();
    ensure(start == Some(Start::FromSequence(10)), || {
        format!("after the loss of 8 to 9 the stream starts with {start:?} instead of sequence 10")
    })?;
    stage.delivered().await
}

pub(super) async fn out_of_range(stage: &mut Stage) -> Played {
    stage.journal.remove_below(10);
    stage.publish(10..=12);
    stage.start_stream(Task::Follow(10)).await?;
    stage.delivered().await?;
    // The client was too slow: what comes next is removed.
    stage.journal.remove_below(50);
    stage.publish(50..=53);
    stage.requested_again(1, LONGEST_PAUSE).await?;
    let start = stage.requests[1].start.clone();
    ensure(start == Some(Start::FromSequence(50)), || {
        format!("after OUT_OF_RANGE the stream starts with {start:?} instead of sequence 50")
    })?;
    stage.delivered().await
}

pub(super) async fn out_of_range_consumer(stage: &mut Stage) -> Played {
    stage.journal.acknowledged = Some(9);
    stage.journal.remove_below(50);
    stage.publish(50..=53);
    stage.start_stream(Task::Consume).await?;
    stage.requested_again(1, LONGEST_PAUSE).await?;
    let first = stage.acknowledgements.first().map(|(_, first)| *first);
    ensure(first == Some(49), || match first {
        Some(other) => {
            format!("sequence {other} was acknowledged instead of 49, the oldest minus one")
        }
        None => "sequence 49, the oldest minus one, was not acknowledged before the next request"
            .to_owned(),
    })?;
    stage.delivered().await?;
    stage.acknowledged(53, PROMPTLY).await
}
