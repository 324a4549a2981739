//! The result of a part, as the registers show it.

use std::time::Duration;

use crate::map;
use crate::registers::PartNumber;

/// A decision about a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// The part is good.
    Pass,
    /// The part is not good.
    Reject,
    /// A person should look.
    Review,
    /// The part was not judged.
    #[default]
    Fault,
}

impl Decision {
    /// Returns the value in the registers.
    pub fn number(self) -> u16 {
        match self {
            Self::Pass => map::DECISION_PASS.number,
            Self::Reject => map::DECISION_REJECT.number,
            Self::Review => map::DECISION_REVIEW.number,
            Self::Fault => map::DECISION_FAULT.number,
        }
    }
}

/// The score of a part and the threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The score.
    pub value: f32,
    /// Scores above it are REJECT.
    pub threshold: f32,
}

impl Score {
    /// Returns the score in thousandths of the threshold, at most 65535.
    pub fn per_mille(self) -> u16 {
        let share = f64::from(self.value) / f64::from(self.threshold) * 1000.0;
        // A conversion saturates, and turns NaN into 0: neither must look like a good score.
        if self.threshold > 0.0 && share.is_finite() {
            share.round() as u16
        } else {
            u16::MAX
        }
    }
}

/// A defect: box in fractions of the frame, largest value, kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Defect {
    /// Left, top, width, height.
    pub place: [f32; 4],
    /// The largest value.
    pub peak: f32,
    /// 1 structural, 2 logical; 0: no defect.
    pub kind: u16,
}

/// A verdict of the daemon, as far as the registers show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// The idempotency key of the trigger. Empty: the verdict was not triggered by this program.
    pub key: String,
    /// The part id.
    pub part_id: String,
    /// The decision. `None`: one that this version does not know.
    pub decision: Option<Decision>,
    /// Number of the reason of a FAULT; 0: none.
    pub fault_reason: u16,
    /// The score. `None`: the verdict has none.
    pub score: Option<Score>,
    /// The number of defects.
    pub defects: u16,
    /// The defect with the largest value.
    pub worst: Defect,
    /// The time from the capture to the verdict.
    pub inspection_time: Duration,
    /// The sequence in the journal; 0: none.
    pub sequence: u64,
    /// The recipe that judged. Empty: none.
    pub recipe: String,
    /// The time from the moment when the verdict was made until it was received.
    pub age: Duration,
    /// Whether the daemon was killed before it knew that the verdict was published like this.
    pub unconfirmed: bool,
}

/// What the registers show of a part.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownResult {
    /// The decision.
    pub decision: Decision,
    /// Why it is FAULT; 0: it is not.
    pub fault_code: u16,
    /// The part.
    pub part: PartNumber,
    /// The command sequence number of the part.
    pub command: u16,
    /// The verdict. `None`: this program made the result itself.
    pub judged: Option<Judged>,
    /// The time since the trigger.
    pub latency: Duration,
}

impl ShownResult {
    /// Returns a result of this program: FAULT.
    pub fn fault(code: u16, part: PartNumber, command: u16, latency: Duration) -> Self {
        Self {
            decision: Decision::Fault,
            fault_code: code,
            part,
            command,
            judged: None,
            latency,
        }
    }

    /// Returns the result for a verdict. `objection` is the code of the reason why the verdict is not shown, if there
    /// is one.
    pub fn judged(
        judged: Judged,
        objection: Option<u16>,
        part: PartNumber,
        command: u16,
        latency: Duration,
    ) -> Self {
        let objection = objection.or(match judged.decision {
            None => Some(map::FAULT_UNKNOWN_DECISION.number),
            // A client may have received it as a FAULT.
            Some(Decision::Pass) if judged.unconfirmed => Some(map::FAULT_UNCONFIRMED.number),
            Some(_) => None,
        });
        Self {
            decision: match (objection, judged.decision) {
                (None, Some(decision)) => decision,
                _ => Decision::Fault,
            },
            fault_code: objection.unwrap_or(judged.fault_reason),
            part,
            command,
            judged: Some(judged),
            latency,
        }
    }

    /// Makes the result a FAULT.
    pub fn spoil(&mut self, code: u16) {
        self.decision = Decision::Fault;
        self.fault_code = code;
    }

    /// Returns the sequence to acknowledge to the daemon.
    pub fn sequence(&self) -> Option<u64> {
        let sequence = self.judged.as_ref().map(|judged| judged.sequence);
        sequence.filter(|&sequence| sequence > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn score_in_thousandths_never_looks_good_without_a_threshold() {
        let check = |value, threshold, expected| {
            let score = Score { value, threshold };
            assert_eq!(score.per_mille(), expected, "{score:?}");
        };
        check(0.25, 0.5, 500);
        check(0.5, 0.5, 1000);
        check(0.0, 0.5, 0);
        check(100.0, 0.5, u16::MAX);
        check(-1.0, 0.5, 0);
        check(0.1, 0.0, u16::MAX);
        check(0.1, -1.0, u16::MAX);
        check(f32::NAN, 0.5, u16::MAX);
        check(0.1, f32::NAN, u16::MAX);
        check(f32::INFINITY, 0.5, u16::MAX);
    }

    #[test]
    fn unknown_decision_and_objection_are_fault() {
        let check = |decision, objection, expected: (Decision, u16)| {
            let judged = Judged {
                decision,
                ..Judged::default()
            };
            let part = PartNumber::default();
            let shown = ShownResult::judged(judged, objection, part, 0, Duration::ZERO);
            assert_eq!((shown.decision, shown.fault_code), expected);
        };
        check(Some(Decision::Pass), None, (Decision::Pass, 0));
        check(Some(Decision::Pass), Some(107), (Decision::Fault, 107));
        check(
            None,
            None,
            (Decision::Fault, map::FAULT_UNKNOWN_DECISION.number),
        );
    }

    #[test]
    fn unconfirmed_pass_is_fault_and_other_unconfirmed_decisions_stay() {
        let check = |decision, expected: (Decision, u16)| {
            let judged = Judged {
                decision: Some(decision),
                unconfirmed: true,
                ..Judged::default()
            };
            let part = PartNumber::default();
            let shown = ShownResult::judged(judged, None, part, 0, Duration::ZERO);
            assert_eq!((shown.decision, shown.fault_code), expected);
        };
        let fault = (Decision::Fault, map::FAULT_UNCONFIRMED.number);
        check(Decision::Pass, fault);
        check(Decision::Reject, (Decision::Reject, 0));
        check(Decision::Review, (Decision::Review, 0));
        check(Decision::Fault, (Decision::Fault, 0));
    }
}
