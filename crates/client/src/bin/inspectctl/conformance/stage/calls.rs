//! The calls of the client: whether they keep the rules, and their answers.

use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::{
    AcknowledgeVerdictsRequest, AcknowledgeVerdictsResponse, StreamVerdictsRequest,
    TriggerInspectionRequest, TriggerInspectionResponse,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{Played, Stage, StreamRequest, TriggerCall, broken, ensure};
use crate::conformance::behaviour::Answer;
use crate::conformance::call::{Message, Reply};
use crate::conformance::task::{CONSUMER, Task};

/// The sequence of the verdict of a trigger.
pub const TRIGGERED: u64 = 7;

impl Stage {
    pub(super) fn stream_called(
        &mut self,
        at: Instant,
        request: &StreamVerdictsRequest,
        reply: Reply<mpsc::UnboundedReceiver<Message>>,
    ) -> Played {
        self.note(format!("StreamVerdicts, start: {:?}", request.start));
        let start = request.start.clone();
        self.requests.push(StreamRequest { at, start });
        ensure(
            request.camera_ids.is_empty() && request.decisions.is_empty(),
            || "the request filters cameras or decisions, the task does not".to_owned(),
        )?;
        self.check_start(request.start.as_ref())?;
        if let Some(status) = self.behaviour.streams.refusal() {
            self.note(format!("answered with {:?}", status.code()));
            let _ = reply.send(Err(status));
            return Ok(());
        }
        match self.journal.start(request.start.as_ref()) {
            Ok(next) => {
                if self.task == Task::Consume {
                    let text = "replaced by a newer stream of this consumer";
                    self.end_streams(Some(&Status::new(Code::Aborted, text)));
                }
                let receiver = self.open_stream(next);
                let _ = reply.send(Ok(receiver));
            }
            Err(status) => {
                if status.code() == Code::OutOfRange {
                    self.out_of_range(self.position(request.start.as_ref()));
                }
                let _ = reply.send(Err(status));
            }
        }
        Ok(())
    }

    /// The next sequence that a start asks for.
    fn position(&self, start: Option<&Start>) -> u64 {
        match start {
            Some(Start::FromSequence(sequence)) => *sequence,
            Some(Start::Consumer(_)) => self.journal.acknowledged.unwrap_or(0) + 1,
            Some(Start::FromTime(_)) | None => self.journal.newest + 1,
        }
    }

    /// Checks where a stream starts.
    fn check_start(&self, start: Option<&Start>) -> Played {
        match (&self.task, start) {
            (Task::Consume, Some(Start::Consumer(name))) if name == CONSUMER => Ok(()),
            (Task::Consume, other) => broken(format!(
                "the stream starts with {other:?} instead of consumer {CONSUMER:?}"
            )),
            (Task::Live, None) => Ok(()),
            (Task::Live, Some(other)) => broken(format!(
                "the stream starts with {other:?} instead of no start"
            )),
            (Task::Follow(first), Some(Start::FromSequence(from))) => {
                self.check_sequence(*first, *from)
            }
            (Task::Follow(_), other) => broken(format!(
                "the stream starts with {other:?} instead of from_sequence"
            )),
            (Task::Trigger { .. }, _) => broken("the task is to trigger, and the client streams"),
        }
    }

    /// Checks the start of a stream that follows: after what the user has, and nothing is left out.
    fn check_sequence(&self, first: u64, from: u64) -> Played {
        let user = &self.user;
        if user.verdicts == 0 && self.requests.len() == 1 {
            return ensure(from == first, || {
                format!("the stream starts from sequence {from} instead of {first}")
            });
        }
        ensure(from > user.last, || {
            format!(
                "the stream was opened again from sequence {from}, although the user has {}",
                user.last
            )
        })?;
        let unsent = self
            .journal
            .kept(first.max(1)..=from.saturating_sub(1))
            .find(|sequence| {
                let run = self.journal.stored(*sequence).map_or(0, |(run, _)| run);
                !user.was_sent(run, *sequence)
            });
        match unsent {
            Some(sequence) => broken(format!(
                "the stream was opened again from sequence {from}, but {sequence} was not received"
            )),
            None => Ok(()),
        }
    }

    pub(super) fn acknowledge_called(
        &mut self,
        at: Instant,
        request: &AcknowledgeVerdictsRequest,
        reply: Reply<AcknowledgeVerdictsResponse>,
    ) -> Played {
        let sequence = request.sequence;
        self.note(format!("AcknowledgeVerdicts {sequence}"));
        self.check_acknowledgement(&request.consumer, sequence)?;
        self.acknowledgements.push((at, sequence));
        if let Some(status) = self.behaviour.acknowledgements.refusal() {
            self.note(format!("answered with {:?}", status.code()));
            let _ = reply.send(Err(status));
            return Ok(());
        }
        self.journal.acknowledged = self.journal.acknowledged.max(Some(sequence));
        let consumer = Some(self.journal.consumer());
        let _ = reply.send(Ok(AcknowledgeVerdictsResponse { consumer }));
        Ok(())
    }

    fn check_acknowledgement(&self, consumer: &str, sequence: u64) -> Played {
        ensure(self.task == Task::Consume, || {
            format!("sequence {sequence} was acknowledged, although the task is not to consume")
        })?;
        ensure(consumer == CONSUMER, || {
            format!("the consumer {consumer:?} acknowledged instead of {CONSUMER:?}")
        })?;
        ensure(sequence > 0, || {
            "the sequence 0 of a verdict that is not journalled was acknowledged".to_owned()
        })?;
        let newest = self.journal.newest;
        ensure(sequence <= newest, || {
            format!("sequence {sequence} was acknowledged, the newest is {newest}")
        })?;
        let before = self
            .acknowledgements
            .iter()
            .map(|(_, before)| *before)
            .max();
        let before = before.max(self.journal.acknowledged).unwrap_or(0);
        ensure(sequence >= before, || {
            format!("sequence {sequence} was acknowledged after {before}")
        })?;
        let first = self.journal.acknowledged.unwrap_or(0) + 1;
        let mut kept = self.journal.kept(first..=sequence);
        match kept.find(|kept| !self.processed.contains(kept)) {
            Some(kept) => broken(format!(
                "sequence {sequence} was acknowledged before the user had processed sequence {kept}"
            )),
            None => Ok(()),
        }
    }

    pub(super) fn trigger_called(
        &mut self,
        request: TriggerInspectionRequest,
        reply: Reply<TriggerInspectionResponse>,
    ) {
        self.note(format!(
            "TriggerInspection, part {:?}, key {:?}",
            request.part_id, request.idempotency_key
        ));
        let repeated = self
            .triggers
            .iter()
            .any(|call| call.request.idempotency_key == request.idempotency_key);
        let mut held = None;
        match self.behaviour.triggers {
            Answer::Hold => held = Some(reply),
            Answer::Refuse(code) => {
                let _ = reply.send(Err(Status::new(code, "refused by the scenario")));
            }
            Answer::Serve => {
                let mut verdict = self.journal.verdict(TRIGGERED, 2);
                verdict.part_id.clone_from(&request.part_id);
                let _ = reply.send(Ok(TriggerInspectionResponse {
                    trigger_id: "00000000-0000-7000-8000-0000000000aa".to_owned(),
                    repeated,
                    verdict: Some(verdict),
                }));
            }
        }
        self.triggers.push(TriggerCall { request, held });
    }
}
