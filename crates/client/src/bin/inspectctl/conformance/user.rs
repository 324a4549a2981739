//! What the user of the client has to receive, compared with the lines of the program. No IO.

use std::collections::{BTreeSet, VecDeque};

/// What a line of the program has to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A verdict.
    Verdict {
        /// The daemon's run.
        run: u32,
        /// The epoch of the last heartbeat.
        epoch: u64,
        /// The sequence.
        sequence: u64,
        /// The decision.
        decision: &'static str,
    },
    /// Sequences that are lost.
    Loss {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Verdicts that are missing, by their number.
    Missed(u64),
}

/// A line that the program printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Printed {
    /// A verdict was handed to the user.
    Verdict(u64),
    /// A loss was reported, or nothing that matters.
    Other,
    /// The verdict of a trigger: its sequence and decision.
    Triggered(u64, String),
    /// The client gave up: the code.
    Failed(String),
}

/// The user of one process of the client.
#[derive(Debug, Default)]
pub struct User {
    /// What was sent and not printed yet.
    expected: VecDeque<Expected>,
    /// Verdicts that were sent, by run and sequence.
    sent: BTreeSet<(u32, u64)>,
    /// Losses that were sent.
    losses: BTreeSet<(u64, u64)>,
    /// The highest sequence that was printed.
    pub last: u64,
    /// Number of verdicts that were printed.
    pub verdicts: usize,
    /// The verdict that the user is processing.
    pub processing: Option<u64>,
}

impl User {
    /// Something was sent to the client. What is sent again has to be printed only once.
    pub fn sent(&mut self, expected: Expected) {
        let new = match expected {
            // Verdicts that are not journalled are all different.
            Expected::Verdict { sequence: 0, .. } | Expected::Missed(_) => true,
            Expected::Verdict { run, sequence, .. } => self.sent.insert((run, sequence)),
            Expected::Loss { from, to } => self.losses.insert((from, to)),
        };
        if new {
            self.expected.push_back(expected);
        }
    }

    /// Whether the verdict of this run was sent.
    pub fn was_sent(&self, run: u32, sequence: u64) -> bool {
        self.sent.contains(&(run, sequence))
    }

    /// Whether everything that was sent was printed and processed.
    pub fn is_up_to_date(&self) -> bool {
        self.expected.is_empty() && self.processing.is_none()
    }

    /// What is missing, for people.
    pub fn missing(&self) -> Option<String> {
        Some(match self.expected.front()? {
            Expected::Verdict { sequence: 0, .. } => {
                "a verdict with the sequence 0 was not handed to the user".to_owned()
            }
            Expected::Verdict { sequence, .. } => {
                format!("sequence {sequence} was not handed to the user")
            }
            Expected::Loss { from, to } => format!("the loss of {from} to {to} was not reported"),
            Expected::Missed(count) => format!("the gap of {count} verdicts was not reported"),
        })
    }

    /// Takes a line.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn printed(&mut self, line: &str) -> Result<Printed, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: &str| {
            let wanted =
                |_| format!("the program printed {line:?}: {word:?} is not a whole number");
            word.parse::<u64>().map_err(wanted)
        };
        match words[..] {
            [] => Ok(Printed::Other),
            [first, ..] if first.starts_with('#') => Ok(Printed::Other),
            ["verdict", epoch, sequence, decision] => {
                self.verdict(number(epoch)?, number(sequence)?, decision)
            }
            ["loss", from, to] => self.loss(number(from)?, number(to)?),
            ["missed", count] => self.missed(number(count)?),
            ["triggered", sequence, decision] => {
                Ok(Printed::Triggered(number(sequence)?, decision.to_owned()))
            }
            ["failed", code] => Ok(Printed::Failed(code.to_owned())),
            _ => Err(format!(
                "the program printed {line:?}, which is no line of the protocol"
            )),
        }
    }

    fn verdict(&mut self, epoch: u64, sequence: u64, decision: &str) -> Result<Printed, String> {
        if let Some(before) = self.processing {
            return Err(format!(
                "sequence {sequence} was handed to the user before sequence {before} was processed"
            ));
        }
        let Some(Expected::Verdict {
            epoch: expected_epoch,
            sequence: expected_sequence,
            decision: expected,
            ..
        }) = self.expected.front().copied()
        else {
            return Err(self.unexpected(sequence));
        };
        if sequence != expected_sequence {
            return Err(self.unexpected(sequence));
        }
        if decision != expected {
            return Err(format!(
                "sequence {sequence} is {expected}, the program printed {decision}"
            ));
        }
        if epoch != expected_epoch {
            return Err(format!(
                "sequence {sequence} was sent in epoch {expected_epoch}, the program printed epoch {epoch}"
            ));
        }
        self.expected.pop_front();
        self.last = self.last.max(sequence);
        self.verdicts += 1;
        self.processing = Some(sequence);
        Ok(Printed::Verdict(sequence))
    }

    /// Why a verdict should not have been printed now.
    fn unexpected(&self, sequence: u64) -> String {
        let later = |expected: &Expected| matches!(expected, Expected::Verdict { sequence: later, .. } if *later == sequence);
        if sequence > 0 && self.expected.iter().any(later) {
            let missing = self.missing().unwrap_or_default();
            return format!("{missing} before sequence {sequence}");
        }
        if self.sent.iter().any(|(_, sent)| *sent == sequence) {
            return format!("sequence {sequence} was handed to the user twice");
        }
        format!("sequence {sequence} was handed to the user, but was not sent")
    }

    fn loss(&mut self, from: u64, to: u64) -> Result<Printed, String> {
        match self.expected.front() {
            Some(Expected::Loss {
                from: expected,
                to: last,
            }) if to == *last && (from == *expected || from == 0) => {
                self.expected.pop_front();
                Ok(Printed::Other)
            }
            // A loss may be reported again.
            _ if self
                .losses
                .iter()
                .any(|(first, last)| to == *last && (from == 0 || from >= *first)) =>
            {
                let waits = |expected: &Expected| matches!(expected, Expected::Loss { to: last, .. } if *last == to);
                if self.expected.iter().any(waits) {
                    return Err(format!(
                        "{} before the loss of {from} to {to}",
                        self.missing().unwrap_or_default()
                    ));
                }
                Ok(Printed::Other)
            }
            _ => Err(format!(
                "the loss of {from} to {to} was reported, but was not sent"
            )),
        }
    }

    fn missed(&mut self, count: u64) -> Result<Printed, String> {
        if self.expected.front() == Some(&Expected::Missed(count)) {
            self.expected.pop_front();
            return Ok(Printed::Other);
        }
        Err(format!(
            "a gap of {count} verdicts was reported, but was not sent, or not now"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(sequence: u64) -> Expected {
        Expected::Verdict {
            run: 1,
            epoch: 1,
            sequence,
            decision: "PASS",
        }
    }

    /// A user to whom these were sent, and the results of lines; verdicts are processed at once.
    fn results(sent: &[Expected], lines: &[&str]) -> (User, Vec<Result<Printed, String>>) {
        let mut user = User::default();
        for expected in sent {
            user.sent(*expected);
        }
        let results = lines
            .iter()
            .map(|line| {
                let result = user.printed(line);
                user.processing = None;
                result
            })
            .collect();
        (user, results)
    }

    #[test]
    fn lines_in_the_order_of_what_was_sent_are_accepted() {
        let loss = Expected::Loss { from: 3, to: 5 };
        let sent = [
            verdict(1),
            verdict(0),
            verdict(0),
            loss,
            verdict(6),
            verdict(1),
            Expected::Missed(9),
        ];
        let lines = [
            "verdict 1 1 PASS",
            "# a note",
            "",
            "verdict 1 0 PASS",
            "verdict 1 0 PASS",
            "loss 3 5",
            "verdict 1 6 PASS",
            "loss 3 5",
            "missed 9",
        ];
        let (user, results) = results(&sent, &lines);
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert!(user.is_up_to_date());
        assert_eq!((user.last, user.verdicts), (6, 4));
    }

    #[test]
    fn line_that_breaks_a_rule_is_named() {
        let loss = Expected::Loss { from: 3, to: 5 };
        let check = |sent: &[Expected], lines: &[&str], expected: &str| {
            let (_, results) = results(sent, lines);
            let last = results.last().expect("a line").clone();
            assert_eq!(last, Err(expected.to_owned()), "{lines:?}");
        };
        let twice = ["verdict 1 1 PASS", "verdict 1 1 PASS"];
        check(
            &[verdict(1)],
            &twice,
            "sequence 1 was handed to the user twice",
        );
        check(
            &[verdict(1), verdict(2)],
            &["verdict 1 2 PASS"],
            "sequence 1 was not handed to the user before sequence 2",
        );
        check(
            &[loss, verdict(6)],
            &["verdict 1 6 PASS"],
            "the loss of 3 to 5 was not reported before sequence 6",
        );
        check(
            &[verdict(1)],
            &["verdict 1 1 REJECT"],
            "sequence 1 is PASS, the program printed REJECT",
        );
        check(
            &[verdict(1)],
            &["verdict 2 1 PASS"],
            "sequence 1 was sent in epoch 1, the program printed epoch 2",
        );
        check(
            &[],
            &["verdict 1 9 PASS"],
            "sequence 9 was handed to the user, but was not sent",
        );
        check(
            &[],
            &["loss 3 5"],
            "the loss of 3 to 5 was reported, but was not sent",
        );
        check(
            &[],
            &["hello"],
            "the program printed \"hello\", which is no line of the protocol",
        );
        check(
            &[],
            &["loss a 5"],
            "the program printed \"loss a 5\": \"a\" is not a whole number",
        );
    }

    #[test]
    fn verdict_before_the_one_before_is_processed_breaks_a_rule() {
        let mut user = User::default();
        user.sent(verdict(1));
        user.sent(verdict(2));
        assert_eq!(user.printed("verdict 1 1 PASS"), Ok(Printed::Verdict(1)));
        assert!(!user.is_up_to_date());
        let error = user
            .printed("verdict 1 2 PASS")
            .expect_err("1 is in process");
        assert!(
            error.ends_with("before sequence 1 was processed"),
            "{error}"
        );
    }
}
