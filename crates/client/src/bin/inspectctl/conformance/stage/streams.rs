//! The open streams of a stage: what they have sent, and what comes next.

use std::time::Duration;

use inspectd_client::proto::stream_verdicts_response::Event as Message;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

use super::Stage;
use crate::conformance::call;
use crate::conformance::decision;
use crate::conformance::encoded::EncodedResponse;
use crate::conformance::journal::{Journal, Next};
use crate::conformance::user::Expected;

/// Interval of heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// An open stream.
#[derive(Debug)]
pub(super) struct OpenStream {
    messages: mpsc::UnboundedSender<call::Message>,
    /// The next sequence.
    next: u64,
    /// When the last message was sent.
    last_message: Instant,
}

impl Stage {
    /// Opens a stream from `next` on; returns the receiver of its messages.
    pub(super) fn open_stream(&mut self, next: u64) -> mpsc::UnboundedReceiver<call::Message> {
        let (messages, receiver) = mpsc::unbounded_channel();
        self.streams.push(OpenStream {
            messages,
            next,
            last_message: Instant::now(),
        });
        let heartbeat = self.journal.heartbeat(self.behaviour.interval);
        let heartbeat = EncodedResponse::of(Message::Heartbeat(heartbeat));
        let opened = self.streams.len() - 1;
        self.send(opened, Ok(heartbeat));
        self.serve_streams();
        receiver
    }

    /// Adds verdicts, which all open streams send.
    pub fn publish(&mut self, sequences: impl IntoIterator<Item = u64>) {
        for sequence in sequences {
            self.publish_decision(sequence, 1);
        }
    }

    /// As [`Self::publish`], with a decision, which need not be known.
    pub fn publish_decision(&mut self, sequence: u64, decision: i32) {
        self.journal.add(sequence, decision);
        self.serve_streams();
    }

    /// Sends a message that is not in the journal to all open streams. `expected`: what the user has to receive.
    pub fn send_once(&mut self, message: &EncodedResponse, expected: Option<Expected>) {
        self.forget_closed();
        for index in 0..self.streams.len() {
            self.send(index, Ok(message.clone()));
        }
        if let Some(expected) = expected.filter(|_| !self.streams.is_empty()) {
            self.user.sent(expected);
        }
    }

    /// Sends a verdict that could not be journalled.
    pub fn send_unjournalled(&mut self, decision: i32) {
        let verdict = self.journal.verdict(0, decision);
        let expected = self.expected(0, decision);
        self.send_once(
            &EncodedResponse::of(Message::Verdict(verdict)),
            Some(expected),
        );
    }

    /// Sends what the journal has to all open streams.
    pub fn serve_streams(&mut self) {
        self.forget_closed();
        for index in 0..self.streams.len() {
            while let Some(message) = self.next_message(index) {
                self.send(index, message);
            }
        }
        // A stream that ended with OUT_OF_RANGE has sent it.
        let journal = &self.journal;
        self.streams
            .retain(|stream| journal.next(stream.next) != Next::NotKept);
    }

    /// The next message of a stream, which the user then has to receive.
    fn next_message(&mut self, index: usize) -> Option<call::Message> {
        let next = self.streams[index].next;
        match self.journal.next(next) {
            Next::Nothing => None,
            Next::Verdict(sequence) => {
                let (_, decision) = self.journal.stored(sequence)?;
                self.streams[index].next = sequence + 1;
                self.user.sent(self.expected(sequence, decision));
                let verdict = self.journal.verdict(sequence, decision);
                Some(Ok(EncodedResponse::of(Message::Verdict(verdict))))
            }
            Next::Lost(from, to) => {
                self.streams[index].next = to + 1;
                self.user.sent(Expected::Loss { from, to });
                Some(Ok(EncodedResponse::of(Message::Gap(Journal::gap(
                    from, to,
                )))))
            }
            Next::NotKept => {
                self.out_of_range(next);
                let status = self.journal.not_kept(next);
                self.send(index, Err(status));
                None
            }
        }
    }

    /// The client is answered with `OUT_OF_RANGE`: it has to report the loss.
    pub(super) fn out_of_range(&mut self, next: u64) {
        let oldest = self.journal.oldest;
        self.note(format!(
            "OUT_OF_RANGE: {next} is not kept, the oldest is {oldest}"
        ));
        if next < oldest {
            self.user.sent(Expected::Loss {
                from: next,
                to: oldest - 1,
            });
        }
    }

    /// Ends all streams: with this status, or with OK.
    pub fn end_streams(&mut self, status: Option<&Status>) {
        let code = status.map_or(tonic::Code::Ok, Status::code);
        self.note(format!("all streams are ended with {code:?}"));
        for stream in self.streams.drain(..) {
            if let Some(status) = status {
                let _ = stream.messages.send(Err(status.clone()));
            }
        }
    }

    /// Number of streams that the client has open.
    pub fn open_streams(&self) -> usize {
        let open = |stream: &&OpenStream| !stream.messages.is_closed();
        self.streams.iter().filter(open).count()
    }

    /// When the last message was sent.
    pub fn last_message(&self) -> Option<Instant> {
        self.streams.iter().map(|stream| stream.last_message).max()
    }

    /// Sends heartbeats to the streams that are silent.
    pub(super) fn send_heartbeats(&mut self) {
        if !self.behaviour.heartbeats {
            return;
        }
        self.forget_closed();
        let heartbeat = self.journal.heartbeat(self.behaviour.interval);
        let heartbeat = EncodedResponse::of(Message::Heartbeat(heartbeat));
        for index in 0..self.streams.len() {
            if self.streams[index].last_message.elapsed() >= HEARTBEAT {
                self.send(index, Ok(heartbeat.clone()));
            }
        }
    }

    fn expected(&self, sequence: u64, decision: i32) -> Expected {
        let stored = self.journal.stored(sequence);
        Expected::Verdict {
            run: stored.map_or(self.journal.run, |(run, _)| run),
            epoch: self.journal.epoch,
            sequence,
            decision: decision::word(decision),
        }
    }

    fn send(&mut self, index: usize, message: call::Message) {
        let stream = &mut self.streams[index];
        stream.last_message = Instant::now();
        // A stream that the client has closed receives nothing.
        let _ = stream.messages.send(message);
    }

    fn forget_closed(&mut self) {
        self.streams.retain(|stream| !stream.messages.is_closed());
    }
}
