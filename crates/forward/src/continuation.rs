//! How a sink continues with a daemon that it connects to: whether the journal is the one that it read before, and
//! whether its position may be acknowledged there. Pure, so that the tests list every case in a table.

use serde::{Deserialize, Serialize};

use crate::record::Gap;

/// What is stored of the journal over restarts of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The epoch of the journal.
    pub epoch: u64,
}

/// What the daemon reports of its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The epoch of the journal.
    pub epoch: u64,
    /// The newest sequence.
    pub newest: u64,
    /// What the consumer has acknowledged; `None`: the daemon does not know the consumer.
    pub acknowledged: Option<u64>,
}

/// The journal that a stream was opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedJournal {
    /// The run of the daemon.
    pub run_id: String,
    /// The epoch of the journal.
    pub epoch: u64,
}

impl OpenedJournal {
    /// Whether a sequence of the stream is valid in the journal that the daemon has now. Within a run of the daemon sequences
    /// continue, also in a journal that replaces a damaged one. After a restart, [`continuation`] decides.
    pub fn continues(&self, run_id: &str, epoch: u64) -> bool {
        self.run_id == run_id && self.epoch <= epoch
    }
}

/// How to continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// A gap to report first.
    pub gap: Option<Gap>,
    /// A sequence to acknowledge before the stream is opened.
    pub acknowledge: Option<u64>,
    /// The last sequence that this process has confirmed in this journal; 0: none.
    pub confirmed: u64,
}

/// Compares what is stored with what the daemon reports. `confirmed` is the last sequence that this process has
/// confirmed; 0 if it has just started.
pub fn continuation(memory: Option<Memory>, confirmed: u64, facts: Facts) -> Continuation {
    let restart = |gap| Continuation {
        gap: Some(gap),
        acknowledge: None,
        confirmed: 0,
    };
    let Some(memory) = memory else {
        return resume(None, confirmed, facts);
    };
    let previous = memory.epoch;
    if facts.epoch < previous || facts.newest < confirmed {
        // A sequence of the previous journal would acknowledge other verdicts in this one.
        return restart(Gap::SequencesRestarted { previous });
    }
    if facts.epoch > previous {
        // Sequences continue after those of the previous journal.
        return resume(Some(Gap::JournalReplaced { previous }), confirmed, facts);
    }
    if facts.acknowledged.is_none() {
        return restart(Gap::PositionLost);
    }
    resume(None, confirmed, facts)
}

fn resume(gap: Option<Gap>, confirmed: u64, facts: Facts) -> Continuation {
    let acknowledged = facts.acknowledged.unwrap_or(0);
    Continuation {
        gap,
        acknowledge: (confirmed > acknowledged).then_some(confirmed),
        confirmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_is_acknowledged_only_where_sequences_go_on() {
        let check =
            |memory: Option<u64>, confirmed, (epoch, newest, acknowledged), gap, acknowledge| {
                let facts = Facts {
                    epoch,
                    newest,
                    acknowledged,
                };
                let found = continuation(memory.map(|epoch| Memory { epoch }), confirmed, facts);
                assert_eq!(
                    (found.gap, found.acknowledge),
                    (gap, acknowledge),
                    "{facts:?}"
                );
            };
        // The first start, and a start after a stop.
        check(None, 0, (1, 90, None), None, None);
        check(Some(1), 0, (1, 90, Some(50)), None, None);
        // A lost connection: what was confirmed in the meantime is acknowledged first.
        check(Some(1), 60, (1, 90, Some(50)), None, Some(60));
        check(Some(1), 50, (1, 90, Some(50)), None, None);
        // The journal was damaged, moved away or restored: sequences continue.
        let replaced = Some(Gap::JournalReplaced { previous: 1 });
        check(Some(1), 60, (2, 1090, None), replaced.clone(), Some(60));
        check(Some(1), 0, (2, 1090, None), replaced.clone(), None);
        check(Some(1), 60, (2, 1090, Some(55)), replaced, Some(60));
        // The whole folder was removed.
        let restarted = |previous| Some(Gap::SequencesRestarted { previous });
        check(Some(2), 0, (1, 90, None), restarted(2), None);
        check(Some(1), 60, (1, 59, None), restarted(1), None);
        check(Some(1), 60, (1, 90, None), Some(Gap::PositionLost), None);
        // The consumer was forgotten (`ForgetConsumer`).
        check(Some(1), 0, (1, 90, None), Some(Gap::PositionLost), None);
    }

    #[test]
    fn sequences_of_a_stream_are_valid_only_in_its_run() {
        let opened = OpenedJournal {
            run_id: "0190".to_owned(),
            epoch: 2,
        };
        let check = |run_id, epoch, expected| {
            assert_eq!(
                opened.continues(run_id, epoch),
                expected,
                "{run_id} {epoch}"
            );
        };
        check("0190", 2, true);
        // The journal was damaged, and replaced while the daemon ran.
        check("0190", 3, true);
        // A restart: the folder of the journal may have been removed, with or without another epoch.
        check("0191", 2, false);
        check("0191", 1, false);
        check("0191", 3, false);
        // The journal was switched off.
        check("0190", 0, false);
    }

    #[test]
    fn confirmed_position_is_forgotten_with_the_sequences() {
        let facts = Facts {
            epoch: 1,
            newest: 5,
            acknowledged: None,
        };
        let memory = Some(Memory { epoch: 1 });
        assert_eq!(continuation(memory, 60, facts).confirmed, 0);
        let facts = Facts {
            newest: 60,
            acknowledged: Some(60),
            ..facts
        };
        assert_eq!(continuation(memory, 60, facts).confirmed, 60);
    }
}
