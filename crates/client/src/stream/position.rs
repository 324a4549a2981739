//! The position of a subscription: what a new connection has to request.

use super::{Event, Start};
use crate::error::Error;
use crate::proto::stream_verdicts_request::Start as RequestStart;
use crate::proto::stream_verdicts_response::Event as Message;
use crate::proto::{GapReason, Verdict};

/// Where a subscription is. Changed by messages only, so that it can be tested without a connection.
pub(super) struct Position {
    start: Start,
    /// Everything up to this sequence was received, or did not match the filter; 0: nothing yet.
    passed: u64,
    /// The last verdict received; 0: none.
    received: u64,
    /// The runs of the daemon whose verdicts were received: the first sequence and the id of each.
    runs: Vec<(u64, String)>,
    /// The sequence in the last heartbeat of this connection.
    heartbeat: Option<u64>,
}

impl Position {
    pub(super) fn new(start: Start) -> Self {
        Self {
            start,
            passed: 0,
            received: 0,
            runs: Vec::new(),
            heartbeat: None,
        }
    }

    /// Whether [`Position::begin_after`] has to be called before a stream is requested.
    pub(super) fn requires_newest(&self) -> bool {
        self.start == Start::Next
    }

    /// Resolves [`Start::Next`]: the newest sequence of the journal, or `None` without a journal.
    pub(super) fn begin_after(&mut self, newest: Option<u64>) {
        self.start = match newest {
            Some(newest) => Start::Sequence(newest + 1),
            None => Start::Live,
        };
    }

    /// The start of the next request.
    pub(super) fn start(&self) -> Option<RequestStart> {
        match &self.start {
            Start::Next | Start::Live => None,
            Start::Consumer(name) => Some(RequestStart::Consumer(name.to_string())),
            Start::Sequence(_) | Start::Time(_) if self.passed > 0 => {
                Some(RequestStart::FromSequence(self.passed + 1))
            }
            Start::Sequence(sequence) => Some(RequestStart::FromSequence(*sequence)),
            Start::Time(time) => Some(RequestStart::FromTime(*time)),
        }
    }

    /// A new connection is open.
    pub(super) fn connected(&mut self) {
        self.heartbeat = None;
    }

    /// Takes a message. Returns the event, unless the message repeats what was received before.
    ///
    /// # Errors
    /// If a verdict has the sequence of another one that was received: sequences began again.
    pub(super) fn apply(&mut self, message: Message) -> Result<Option<Event>, Error> {
        Ok(match message {
            Message::Verdict(verdict) => {
                if self.is_repeated(&verdict)? {
                    return Ok(None);
                }
                self.passed = self.passed.max(verdict.sequence);
                Some(Event::Verdict(Box::new(verdict)))
            }
            Message::Gap(gap) => {
                let lost = gap.reason() == GapReason::Lost;
                let lost = lost.then_some(gap.first_sequence..=gap.last_sequence);
                if let Some(lost) = &lost {
                    // A new connection does not ask for them again.
                    self.passed = self.passed.max(*lost.end());
                }
                Some(Event::Gap {
                    missed: gap.missed,
                    lost,
                })
            }
            Message::Heartbeat(heartbeat) => {
                // The daemon sends another heartbeat only once it has nothing else to send: what was the
                // newest sequence at the one before has been sent, or does not match the filter. Without
                // this, a subscription that rarely matches would resume where the journal has aged out.
                if let Some(before) = self.heartbeat.replace(heartbeat.sequence) {
                    self.passed = self.passed.max(before);
                }
                Some(Event::Heartbeat(heartbeat))
            }
        })
    }

    /// Whether the verdict was received before: a consumer's new connection starts with what was received and not
    /// acknowledged yet.
    fn is_repeated(&mut self, verdict: &Verdict) -> Result<bool, Error> {
        let (sequence, run) = (verdict.sequence, &verdict.run_id);
        if sequence == 0 || !matches!(self.start, Start::Consumer(_)) {
            self.received = self.received.max(sequence);
            return Ok(false);
        }
        let known = self.runs.iter().rev().find(|(first, _)| *first <= sequence);
        let same = known.is_some_and(|(_, known)| known == run);
        if sequence <= self.received {
            let restarted = Error::SequencesRestarted { sequence };
            return if same { Ok(true) } else { Err(restarted) };
        }
        self.received = sequence;
        if !same {
            self.runs.push((sequence, run.clone()));
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;
    use crate::proto::{Gap, Heartbeat, Verdict};

    /// Verdicts that were lost with the journal.
    fn lost(first_sequence: u64, last_sequence: u64) -> Message {
        Message::Gap(Gap {
            missed: last_sequence + 1 - first_sequence,
            reason: GapReason::Lost.into(),
            first_sequence,
            last_sequence,
        })
    }

    fn verdict(sequence: u64) -> Message {
        Message::Verdict(Verdict {
            sequence,
            ..Verdict::default()
        })
    }

    fn heartbeat(sequence: u64) -> Message {
        Message::Heartbeat(Heartbeat {
            sequence,
            ..Heartbeat::default()
        })
    }

    fn consumer() -> Start {
        Start::Consumer("mes".parse().expect("a name"))
    }

    #[test]
    fn reconnection_requests_what_follows_the_last_verdict() {
        let check = |start: Start, messages: Vec<Message>, expected: Option<RequestStart>| {
            let mut position = Position::new(start.clone());
            position.connected();
            for message in messages {
                position.apply(message).expect("one journal");
            }
            assert_eq!(position.start(), expected, "{start:?}");
        };
        let time = Timestamp {
            seconds: 400,
            nanos: 0,
        };
        let from = |sequence| Some(RequestStart::FromSequence(sequence));
        check(Start::Live, vec![], None);
        check(Start::Live, vec![verdict(7)], None);
        check(Start::Sequence(0), vec![], from(0));
        check(Start::Sequence(3), vec![verdict(7)], from(8));
        check(Start::Sequence(3), vec![verdict(7), verdict(0)], from(8));
        check(Start::Sequence(3), vec![verdict(7), lost(8, 90)], from(91));
        check(
            Start::Time(time),
            vec![],
            Some(RequestStart::FromTime(time)),
        );
        check(Start::Time(time), vec![verdict(7)], from(8));
        let stored = Some(RequestStart::Consumer("mes".to_owned()));
        check(consumer(), vec![verdict(7)], stored);
    }

    #[test]
    fn second_heartbeat_moves_the_position_to_the_first_one() {
        let mut position = Position::new(Start::Sequence(3));
        position.connected();
        let apply = |position: &mut Position, sequence| {
            position.apply(heartbeat(sequence)).expect("one journal");
        };
        apply(&mut position, 90);
        assert_eq!(position.start(), Some(RequestStart::FromSequence(3)));
        apply(&mut position, 120);
        assert_eq!(position.start(), Some(RequestStart::FromSequence(91)));
        // The first heartbeat of a connection comes before what it requested.
        position.connected();
        apply(&mut position, 200);
        assert_eq!(position.start(), Some(RequestStart::FromSequence(91)));
    }

    #[test]
    fn next_is_after_the_newest_with_a_journal_and_live_without() {
        let check = |newest, expected| {
            let mut position = Position::new(Start::Next);
            assert!(position.requires_newest());
            position.begin_after(newest);
            assert!(!position.requires_newest());
            assert_eq!(position.start(), expected);
        };
        check(Some(9), Some(RequestStart::FromSequence(10)));
        check(Some(0), Some(RequestStart::FromSequence(1)));
        check(None, None);
    }

    #[test]
    fn consumer_receives_no_verdict_twice_in_one_stream() {
        let mut position = Position::new(consumer());
        let sequences = [5, 6, 0, 5, 6, 7];
        let received: Vec<_> = sequences
            .into_iter()
            .filter_map(|sequence| match position.apply(verdict(sequence)) {
                Ok(Some(Event::Verdict(verdict))) => Some(verdict.sequence),
                _ => None,
            })
            .collect();
        assert_eq!(received, [5, 6, 0, 7]);
    }

    #[test]
    fn consumer_ends_where_another_verdict_has_a_received_sequence() {
        let of_run = |run: &str, sequence| {
            Message::Verdict(Verdict {
                sequence,
                run_id: run.to_owned(),
                ..Verdict::default()
            })
        };
        let mut position = Position::new(consumer());
        for (run, sequence) in [("a", 1), ("a", 2), ("b", 3), ("b", 7), ("c", 8)] {
            position.apply(of_run(run, sequence)).expect("one journal");
        }
        // What is repeated has the run that it had; verdicts that do not match the filter lie between.
        for (run, sequence) in [("a", 2), ("b", 3), ("b", 7), ("c", 8)] {
            let repeated = position.apply(of_run(run, sequence));
            assert!(matches!(repeated, Ok(None)), "{run} {sequence}");
        }
        for (run, sequence) in [("d", 1), ("a", 3), ("b", 8)] {
            let other = position.apply(of_run(run, sequence));
            let expected = matches!(other, Err(Error::SequencesRestarted { sequence: found }) if found == sequence);
            assert!(expected, "{run} {sequence}: {other:?}");
        }
        // A stream that is not a consumer's has no repetitions.
        let mut position = Position::new(Start::Live);
        for (run, sequence) in [("a", 5), ("b", 1)] {
            let new = position.apply(of_run(run, sequence));
            assert!(
                matches!(new, Ok(Some(Event::Verdict(_)))),
                "{run} {sequence}"
            );
        }
    }
}
