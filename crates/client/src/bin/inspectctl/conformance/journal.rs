//! The journal of the played daemon: which verdicts exist, and what a stream has from a sequence on. No IO.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use inspectd_client::proto;
use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::{Consumer, Gap, GapReason, Heartbeat, Model, Status, Verdict};
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt};

use super::task::{CAMERA, CONSUMER};

/// A verdict.
#[derive(Clone, Copy, Debug)]
struct Stored {
    run: u32,
    decision: i32,
}

/// What a stream has next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Nothing,
    /// The verdict with this sequence.
    Verdict(u64),
    /// The report that these sequences were lost.
    Lost(u64, u64),
    /// The status `OUT_OF_RANGE`: the next verdict is no longer kept.
    NotKept,
}

/// The journal, or the counter of sequences of a daemon without one.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Its epoch; 0 without a journal.
    pub epoch: u64,
    /// Number of the daemon's run.
    pub run: u32,
    /// Verdicts below it are no longer kept.
    pub oldest: u64,
    /// The newest sequence.
    pub newest: u64,
    /// What the consumer has acknowledged.
    pub acknowledged: Option<u64>,
    stored: BTreeMap<u64, Stored>,
    lost: Vec<RangeInclusive<u64>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            epoch: 1,
            run: 1,
            oldest: 1,
            newest: 0,
            acknowledged: None,
            stored: BTreeMap::new(),
            lost: Vec::new(),
        }
    }
}

impl Journal {
    /// Adds a verdict.
    pub fn add(&mut self, sequence: u64, decision: i32) {
        let run = self.run;
        self.stored.insert(sequence, Stored { run, decision });
        self.newest = self.newest.max(sequence);
    }

    /// These sequences were lost with a journal.
    pub fn lose(&mut self, range: RangeInclusive<u64>) {
        self.newest = self.newest.max(*range.end());
        self.lost.push(range);
    }

    /// Removes all verdicts below `oldest`.
    pub fn remove_below(&mut self, oldest: u64) {
        self.oldest = oldest;
        self.stored.retain(|sequence, _| *sequence >= oldest);
        self.newest = self.newest.max(oldest - 1);
    }

    /// Another run of a daemon. Without a journal it counts from 1.
    pub fn restart(&mut self) {
        self.run += 1;
        if self.epoch == 0 {
            self.stored.clear();
            self.newest = 0;
        }
    }

    /// The folder of the journal is removed: nothing is known of what was there.
    pub fn remove(&mut self) {
        self.stored.clear();
        self.lost.clear();
        self.oldest = 1;
        self.newest = 0;
        self.acknowledged = None;
    }

    /// Where a stream starts, as `src/grpc/stream_start.rs` decides it.
    pub fn start(&self, start: Option<&Start>) -> Result<u64, tonic::Status> {
        let Some(start) = start else {
            return Ok(self.newest + 1);
        };
        if self.epoch == 0 {
            return Err(tonic::Status::failed_precondition(
                "no journal is configured",
            ));
        }
        let next = match start {
            Start::FromSequence(0) | Start::FromTime(_) => self.oldest,
            Start::FromSequence(sequence) => *sequence,
            Start::Consumer(_) => match self.acknowledged {
                Some(acknowledged) => acknowledged + 1,
                None => self
                    .lost
                    .iter()
                    .map(|lost| *lost.start())
                    .fold(self.oldest, u64::min),
            },
        };
        if self.next(next) == Next::NotKept || next > self.newest + 1 {
            return Err(self.not_kept(next));
        }
        Ok(next)
    }

    /// What a stream has from this sequence on. Sequences may have gaps.
    pub fn next(&self, from: u64) -> Next {
        if let Some(lost) = self.lost.iter().find(|lost| lost.contains(&from)) {
            return Next::Lost(from, *lost.end());
        }
        if from < self.oldest {
            return Next::NotKept;
        }
        let stored = self
            .stored
            .range(from..)
            .next()
            .map(|(sequence, _)| *sequence);
        let lost = self.lost.iter().filter(|lost| *lost.start() > from);
        let lost = lost.min_by_key(|lost| *lost.start());
        match (stored, lost) {
            (Some(sequence), Some(lost)) if sequence < *lost.start() => Next::Verdict(sequence),
            (_, Some(lost)) => Next::Lost(*lost.start(), *lost.end()),
            (Some(sequence), None) => Next::Verdict(sequence),
            (None, None) => Next::Nothing,
        }
    }

    /// The sequences of the verdicts that are kept, in this range.
    pub fn kept(&self, range: RangeInclusive<u64>) -> impl Iterator<Item = u64> + '_ {
        let range = (!range.is_empty()).then(|| self.stored.range(range));
        range.into_iter().flatten().map(|(sequence, _)| *sequence)
    }

    /// The run and the decision of a verdict that is kept.
    pub fn stored(&self, sequence: u64) -> Option<(u32, i32)> {
        let stored = self.stored.get(&sequence)?;
        Some((stored.run, stored.decision))
    }

    /// A verdict as a message.
    pub fn verdict(&self, sequence: u64, decision: i32) -> Verdict {
        let now = Some(SystemTime::now().into());
        let run = self.stored(sequence).map_or(self.run, |(run, _)| run);
        Verdict {
            sequence,
            run_id: run_id(run),
            camera_id: CAMERA.to_owned(),
            frame_id: sequence,
            capture_time: now,
            // Clients may require what a daemon always sets.
            capture_monotonic: Duration::from_millis(sequence).try_into().ok(),
            record_time: now,
            decision,
            model: Some(Model {
                name: "conformance".to_owned(),
                version: "1".to_owned(),
                sha256: "0".repeat(64),
                precision: "f32".to_owned(),
            }),
            config_hash: "0".repeat(64),
            provider: "cpu".to_owned(),
            timings: Some(proto::Timings::default()),
            simulated: true,
            ..Verdict::default()
        }
    }

    /// The message about lost sequences.
    pub fn gap(first_sequence: u64, last_sequence: u64) -> Gap {
        Gap {
            missed: last_sequence + 1 - first_sequence,
            reason: GapReason::Lost.into(),
            first_sequence,
            last_sequence,
        }
    }

    /// The status of a stream whose next verdict is not kept, or not assigned.
    pub fn not_kept(&self, next: u64) -> tonic::Status {
        let (oldest, newest) = (self.oldest, self.newest);
        let metadata = [("oldest_sequence", oldest), ("newest_sequence", newest)];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_string()));
        let details = ErrorDetails::with_error_info("NOT_KEPT", "inspectd", metadata);
        let text = format!("verdict {next} is not kept: {oldest} to {newest} are kept");
        tonic::Status::with_error_details(Code::OutOfRange, text, details)
    }

    /// A heartbeat that states this interval, unless it is zero.
    pub fn heartbeat(&self, interval: Duration) -> Heartbeat {
        Heartbeat {
            time: Some(SystemTime::now().into()),
            sequence: self.newest,
            run_id: run_id(self.run),
            epoch: self.epoch,
            interval: (!interval.is_zero())
                .then(|| interval.try_into().ok())
                .flatten(),
        }
    }

    /// The consumer.
    pub fn consumer(&self) -> Consumer {
        let acknowledged = self.acknowledged.unwrap_or(0);
        Consumer {
            name: CONSUMER.to_owned(),
            acknowledged,
            acknowledge_time: Some(SystemTime::now().into()),
            pending: self.newest.saturating_sub(acknowledged),
            ..Consumer::default()
        }
    }

    /// The state of the line.
    pub fn status(&self) -> Status {
        Status {
            state: proto::LineState::Running.into(),
            run_id: run_id(self.run),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sequence: self.newest,
            journal: (self.epoch > 0).then(|| proto::Journal {
                oldest_sequence: self.oldest,
                epoch: self.epoch,
                ..proto::Journal::default()
            }),
            ..Status::default()
        }
    }
}

fn run_id(run: u32) -> String {
    format!("00000000-0000-7000-8000-{run:012}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS: i32 = 1;

    #[test]
    fn stream_has_verdicts_losses_and_gaps_in_the_order_of_sequences() {
        let mut journal = Journal::default();
        for sequence in [1, 2, 7] {
            journal.add(sequence, PASS);
        }
        journal.lose(4..=5);
        let mut from = 1;
        let mut found = Vec::new();
        while journal.next(from) != Next::Nothing {
            let next = journal.next(from);
            from = match next {
                Next::Verdict(sequence) => sequence + 1,
                Next::Lost(_, last) => last + 1,
                Next::NotKept | Next::Nothing => unreachable!("nothing is removed"),
            };
            found.push(next);
        }
        let verdict = Next::Verdict;
        assert_eq!(
            found,
            [verdict(1), verdict(2), Next::Lost(4, 5), verdict(7)]
        );
    }

    #[test]
    fn start_that_is_not_kept_or_not_assigned_is_out_of_range() {
        let mut journal = Journal::default();
        for sequence in 1..=9 {
            journal.add(sequence, PASS);
        }
        journal.remove_below(5);
        let check = |journal: &Journal, start: Option<Start>, expected: Result<u64, Code>| {
            let found = journal
                .start(start.as_ref())
                .map_err(|status| status.code());
            assert_eq!(found, expected, "{start:?}");
        };
        check(&journal, None, Ok(10));
        check(&journal, Some(Start::FromSequence(0)), Ok(5));
        check(
            &journal,
            Some(Start::FromSequence(4)),
            Err(Code::OutOfRange),
        );
        check(&journal, Some(Start::FromSequence(10)), Ok(10));
        check(
            &journal,
            Some(Start::FromSequence(11)),
            Err(Code::OutOfRange),
        );
        let consumer = || Some(Start::Consumer(CONSUMER.to_owned()));
        check(&journal, consumer(), Ok(5));
        journal.acknowledged = Some(2);
        check(&journal, consumer(), Err(Code::OutOfRange));
        journal.epoch = 0;
        check(&journal, consumer(), Err(Code::FailedPrecondition));
    }
}
