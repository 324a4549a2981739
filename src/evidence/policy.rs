//! Which verdicts' evidence is worth a place on the disk.

use crate::config::settings;
use inspectd_core::decision::Decision;
use inspectd_core::record::Verdict;

/// All but PASS; of PASS those that nearly were not, and a few others.
#[derive(Clone, Debug)]
pub struct CapturePolicy {
    near_threshold: f32,
    pass_every: u64,
}

impl CapturePolicy {
    /// As the settings have it.
    pub fn new(settings: &settings::Evidence) -> Self {
        Self {
            near_threshold: settings.near_threshold as f32,
            pass_every: settings.pass_every,
        }
    }

    /// Whether the evidence of `verdict` is kept. `passed` counts its camera's PASS verdicts since one
    /// was kept.
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
        let turn = self.pass_every > 0 && *passed >= self.pass_every;
        if near || turn {
            *passed = 0;
        }
        near || turn
    }
}
