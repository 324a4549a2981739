//! Selection of the verdicts whose evidence is stored on disk.

use crate::config::settings;
use inspectd_core::decision::Decision;
use inspectd_core::record::Verdict;

/// Selects all verdicts but PASS, and of PASS those near the threshold and every nth other one.
#[derive(Clone, Debug)]
pub struct CapturePolicy {
    near_threshold: f32,
    pass_every: u64,
}

impl CapturePolicy {
    /// Creates the policy of these settings.
    pub fn new(settings: &settings::Evidence) -> Self {
        Self {
            near_threshold: settings.near_threshold as f32,
            pass_every: settings.pass_every,
        }
    }

    /// Whether the evidence of `verdict` is stored. `passed` counts the PASS verdicts of its camera since
    /// the last stored one.
    pub fn keeps(&self, verdict: &Verdict, passed: &mut u64) -> bool {
        let Some(judgement) = verdict.outcome.judgement() else {
            return true;
        };
        if judgement.decision != Decision::Pass {
            return true;
        }
        let thresholds = judgement.thresholds;
        let level = thresholds.level();
        let near = judgement.score.score >= level - self.near_threshold * level.abs();
        *passed += 1;
        let due = self.pass_every > 0 && *passed >= self.pass_every;
        if near || due {
            *passed = 0;
        }
        near || due
    }
}
