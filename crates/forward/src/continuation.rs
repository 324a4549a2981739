//! How a sink goes on with a daemon that it connects to: whether the journal is the one that it read before, and whether
//! its position may be acknowledged there. Pure, so that every case is a line of a table.

use serde::{Deserialize, Serialize};

use crate::record::Gap;

/// What is remembered of the journal over restarts of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The epoch of the journal.
    pub epoch: u64,
}

/// What the daemon says of its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The epoch of the journal.
    pub epoch: u64,
    /// The newest sequence.
    pub newest: u64,
    /// What the consumer has acknowledged; `None`: the daemon does not know the consumer.
    pub acknowledged: Option<u64>,
}

/// How to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// A gap to report first.
    pub gap: Option<Gap>,
    /// A sequence to acknowledge before the stream is opened.
    pub acknowledge: Option<u64>,
    /// The last sequence that this process has confirmed in this journal; 0: none.
    pub confirmed: u64,
}

/// Compares what is remembered with what the daemon says. `confirmed` is the last sequence that this process has
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
        // A sequence of the journal before would acknowledge other verdicts in this one.
        return restart(Gap::SequencesRestarted { previous });
    }
    if facts.epoch > previous {
        // Sequences go on after those of the journal before.
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
        // A lost connection: what was confirmed meanwhile is acknowledged first.
        check(Some(1), 60, (1, 90, Some(50)), None, Some(60));
        check(Some(1), 50, (1, 90, Some(50)), None, None);
        // The journal was damaged, moved away or restored: sequences go on.
        let replaced = Some(Gap::JournalReplaced { previous: 1 });
        check(Some(1), 60, (2, 1090, None), replaced.clone(), Some(60));
        check(Some(1), 0, (2, 1090, None), replaced.clone(), None);
        check(Some(1), 60, (2, 1090, Some(55)), replaced, Some(60));
        // The whole folder was removed.
        let restarted = |previous| Some(Gap::SequencesRestarted { previous });
        check(Some(2), 0, (1, 90, None), restarted(2), None);
        check(Some(1), 60, (1, 59, None), restarted(1), None);
        check(Some(1), 60, (1, 90, None), Some(Gap::PositionLost), None);
        // Somebody forgot the consumer.
        check(Some(1), 0, (1, 90, None), Some(Gap::PositionLost), None);
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
