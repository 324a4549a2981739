//! Which verdicts a sink forwards.

use inspectd_client::{Decision, Verdict};

use crate::config::{EvidencePolicy, Filter};

impl Filter {
    /// Whether the verdict is forwarded. A decision that this version does not know is forwarded unless decisions are
    /// selected.
    pub fn accepts(&self, verdict: &Verdict) -> bool {
        let camera = self.cameras.is_empty() || self.cameras.iter().any(|id| is_of(id, verdict));
        let decision = self.decisions.is_empty()
            || Decision::try_from(verdict.decision).is_ok_and(|one| self.decisions.contains(&one));
        camera && decision
    }
}

/// Whether a verdict is that of the camera, or of a part of the group `group:ID`.
fn is_of(id: &str, verdict: &Verdict) -> bool {
    match id.strip_prefix("group:") {
        Some(group) => verdict.camera_id.is_empty() && verdict.group_id == group,
        None => verdict.camera_id == id,
    }
}

impl EvidencePolicy {
    /// Whether the evidence of the verdict is sent along. The evidence of an unjournalled verdict cannot be requested.
    pub fn selects(self, verdict: &Verdict) -> bool {
        let wanted = match self {
            Self::None => false,
            Self::Reject => verdict.decision == i32::from(Decision::Reject),
            Self::All => true,
        };
        wanted && verdict.sequence > 0 && verdict.evidence_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(camera: &str, group: &str, decision: Decision) -> Verdict {
        Verdict {
            sequence: 1,
            camera_id: camera.to_owned(),
            group_id: group.to_owned(),
            decision: decision.into(),
            evidence_kept: true,
            ..Verdict::default()
        }
    }

    #[test]
    fn verdict_passes_if_camera_and_decision_are_selected() {
        let check = |cameras: &[&str], decisions: &[Decision], verdict: &Verdict, expected| {
            let filter = Filter {
                cameras: cameras.iter().map(|&id| id.to_owned()).collect(),
                decisions: decisions.to_vec(),
            };
            assert_eq!(filter.accepts(verdict), expected, "{filter:?} {verdict:?}");
        };
        let reject = verdict("top", "cell", Decision::Reject);
        check(&[], &[], &reject, true);
        check(&["top"], &[], &reject, true);
        check(&["side"], &[], &reject, false);
        check(&["side", "top"], &[Decision::Reject], &reject, true);
        check(&["top"], &[Decision::Fault], &reject, false);
        check(&["group:cell"], &[], &reject, false);
        let part = verdict("", "cell", Decision::Pass);
        check(&["group:cell"], &[], &part, true);
        check(&["group:other"], &[], &part, false);
        check(&["cell"], &[], &part, false);
        let unknown = Verdict {
            decision: 99,
            ..part
        };
        check(&[], &[], &unknown, true);
        check(&[], &[Decision::Pass], &unknown, false);
    }

    #[test]
    fn evidence_is_selected_by_decision_and_only_if_it_is_kept() {
        let check = |policy: EvidencePolicy, verdict: &Verdict, expected| {
            assert_eq!(policy.selects(verdict), expected, "{policy:?} {verdict:?}");
        };
        let reject = verdict("top", "", Decision::Reject);
        let pass = verdict("top", "", Decision::Pass);
        check(EvidencePolicy::None, &reject, false);
        check(EvidencePolicy::Reject, &reject, true);
        check(EvidencePolicy::Reject, &pass, false);
        check(EvidencePolicy::All, &pass, true);
        let removed = Verdict {
            evidence_kept: false,
            ..reject.clone()
        };
        check(EvidencePolicy::All, &removed, false);
        check(
            EvidencePolicy::All,
            &Verdict {
                sequence: 0,
                ..reject
            },
            false,
        );
    }
}
