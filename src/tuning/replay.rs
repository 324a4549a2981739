//! Replay: judges stored verdicts again by another recipe.
//!
//! Without the frame, only verdicts of the same model can be judged: by their score if only a threshold
//! decides, otherwise by the stored map. All others are counted by obstacle.

use std::collections::{BTreeMap, HashMap};
use std::io;

use crate::evidence::AnomalyMap;
use crate::recipe::PlanBuilder;
use crate::recipe::Recipe;
use inspectd_core::decision::Decision;
use inspectd_core::id::CameraId;
use inspectd_core::record::{Outcome, PartDecision, Verdict};
use inspectd_core::rules::{FrameShape, InspectionPlan, Rules};
use inspectd_core::verdict::{JudgeError, Judgement, rejudge};

/// Maximum number of cached rules: more than there are cameras and frame sizes.
const RULES_KEPT: usize = 64;

/// Maximum number of changed verdicts that are remembered for the verdict of their part, which follows soon.
const CHANGES_KEPT: usize = 4096;

/// Why a verdict cannot be judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// Its map is not stored, and its score is not sufficient.
    NoMap,
    /// The recipe has another model.
    OtherModel,
    /// The recipe inspects another area of the frame.
    OtherView,
    /// An image of a client: the camera whose thresholds were requested is not stored.
    ClientImage,
    /// The verdict is a FAULT.
    Fault,
    /// Its map is damaged.
    DamagedMap,
    /// The recipe inspects nothing of the frame, or of a region.
    NothingInspected,
}

/// Numbers of verdicts by old and new decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix(BTreeMap<(usize, usize), u64>);

impl Matrix {
    fn add(&mut self, old: Decision, new: Decision) {
        let place = |decision| Decision::ALL.iter().position(|&known| known == decision);
        let cell = (place(old).unwrap_or(0), place(new).unwrap_or(0));
        *self.0.entry(cell).or_default() += 1;
    }

    /// The cells that are not zero: old decision, new decision, number.
    pub fn cells(&self) -> impl Iterator<Item = (Decision, Decision, u64)> {
        let cells = self.0.iter();
        cells.map(|(&(old, new), &count)| (Decision::ALL[old], Decision::ALL[new], count))
    }
}

/// Result of a replay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Number of verdicts.
    pub verdicts: u64,
    /// Number of frames that were judged by their map.
    pub by_map: u64,
    /// Number of frames that were judged by their score.
    pub by_score: u64,
    /// Old and new decisions of frames.
    pub frames: Matrix,
    /// Old and new decisions of parts.
    pub parts: Matrix,
    /// Numbers of verdicts that were not judged, by obstacle.
    pub skipped: BTreeMap<Obstacle, u64>,
}

/// A verdict with another decision than before.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The stored decision.
    pub old: Decision,
    /// The new decision.
    pub new: Decision,
    /// Scores of a frame; `None` for a part.
    pub scores: Option<ScoreChange>,
}

/// Old and new score of a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreChange {
    /// The stored score.
    pub old: f32,
    /// The score with the recipe.
    pub new: f32,
    /// The threshold of the new score.
    pub threshold: f32,
    /// The region that decided; empty for the area outside all regions.
    pub region: String,
}

/// A running replay.
#[derive(Debug)]
pub struct Replay {
    recipe: Recipe,
    /// SHA-256 of the graph of its model.
    model: String,
    configured: PlanBuilder,
    plans: HashMap<CameraId, InspectionPlan>,
    rules: HashMap<(CameraId, FrameShape), Rules>,
    /// New decisions of changed verdicts, by sequence.
    changes: BTreeMap<u64, Decision>,
    summary: Summary,
}

impl Replay {
    /// Creates a replay by `recipe`. `model` is the SHA-256 of the graph of its model.
    pub fn new(recipe: Recipe, model: String, configured: PlanBuilder) -> Self {
        Self {
            recipe,
            model,
            configured,
            plans: HashMap::new(),
            rules: HashMap::new(),
            changes: BTreeMap::new(),
            summary: Summary::default(),
        }
    }

    /// The result so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Judges a verdict again. Returns the change of its decision, if any. Verdicts must be passed in the order
    /// of their sequences. `map` reads the map of this verdict; it is called only if the map is needed.
    pub fn apply(
        &mut self,
        verdict: &Verdict,
        map: impl FnOnce() -> io::Result<Option<AnomalyMap>>,
    ) -> Option<Change> {
        self.summary.verdicts += 1;
        match &verdict.outcome {
            Outcome::Part(fusion) => self.part(fusion),
            Outcome::Fault(_) => self.skip(Obstacle::Fault),
            Outcome::Judged(judgement) => match self.judged(verdict, judgement, map) {
                Ok(scored) => self.frame(verdict.sequence, judgement, scored),
                Err(obstacle) => self.skip(obstacle),
            },
        }
    }

    fn skip(&mut self, obstacle: Obstacle) -> Option<Change> {
        *self.summary.skipped.entry(obstacle).or_default() += 1;
        None
    }

    fn frame(
        &mut self,
        sequence: u64,
        old: &Judgement,
        (new, scores): (Decision, ScoreChange),
    ) -> Option<Change> {
        self.summary.frames.add(old.decision, new);
        if new == old.decision {
            return None;
        }
        self.changes.insert(sequence, new);
        if self.changes.len() > CHANGES_KEPT {
            self.changes.pop_first();
        }
        Some(Change {
            old: old.decision,
            new,
            scores: Some(scores),
        })
    }

    /// The part's new decision: the most severe of its views, in the order REJECT, FAULT, REVIEW, PASS. A
    /// missing view stays missing.
    fn part(&mut self, fusion: &PartDecision) -> Option<Change> {
        let changed = |sequence| self.changes.get(&sequence).copied();
        let views = fusion.views.iter();
        let views = views.map(|view| changed(view.sequence).unwrap_or(view.decision));
        let own = fusion
            .fault
            .as_ref()
            .map(inspectd_core::record::Fault::decision);
        let worst = views.chain(own).max_by_key(|decision| decision.severity());
        let new = worst.unwrap_or(fusion.decision);
        self.summary.parts.add(fusion.decision, new);
        (new != fusion.decision).then_some(Change {
            old: fusion.decision,
            new,
            scores: None,
        })
    }

    fn judged(
        &mut self,
        verdict: &Verdict,
        old: &Judgement,
        map: impl FnOnce() -> io::Result<Option<AnomalyMap>>,
    ) -> Result<(Decision, ScoreChange), Obstacle> {
        let subject = &verdict.subject;
        if subject.stamp.model.sha256 != self.model {
            return Err(Obstacle::OtherModel);
        }
        let camera = subject.camera.as_ref().ok_or(Obstacle::ClientImage)?;
        if self.has_other_crop(camera, subject.size) {
            return Err(Obstacle::OtherView);
        }
        let comparable = self.has_comparable_score(verdict);
        let plan = self.plan(camera);
        if comparable
            && plan.regions.is_empty()
            && plan.ignored.is_empty()
            && plan.general.min_area <= 0.0
        {
            let thresholds = plan.general.thresholds;
            self.summary.by_score += 1;
            let scores = ScoreChange {
                old: old.score.score,
                new: old.score.score,
                threshold: thresholds.reject_above,
                region: String::new(),
            };
            return Ok((thresholds.decide(old.score.score), scores));
        }
        let heat = map().map_err(|_| Obstacle::DamagedMap)?;
        let heat = heat.ok_or(Obstacle::NoMap)?;
        let [width, height] = subject.size.unwrap_or_default();
        if heat.size.cells() == 0 || width == 0 || height == 0 {
            return Err(Obstacle::DamagedMap);
        }
        let shape = FrameShape {
            map: heat.size,
            width,
            height,
        };
        let new = rejudge(&heat.cells, None, shape, self.rules(camera, shape));
        let new = new.map_err(|error| match error {
            JudgeError::NotFinite => Obstacle::DamagedMap,
            JudgeError::NothingInspected(_) => Obstacle::NothingInspected,
        })?;
        self.summary.by_map += 1;
        let scores = ScoreChange {
            old: old.score.score,
            new: new.score.score,
            threshold: new.thresholds.reject_above,
            region: new.decided_by.as_deref().unwrap_or_default().to_owned(),
        };
        Ok((new.decision, scores))
    }

    /// Whether the recipe crops frames of a camera to another size. Another position of the same size cannot be
    /// detected: the crop is not stored with the verdict.
    fn has_other_crop(&self, camera: &CameraId, size: Option<[u32; 2]>) -> bool {
        let own = self.recipe.cameras.get(camera);
        let crop = own.and_then(|own| own.crop);
        crop.is_some_and(|crop| size != Some([crop.right - crop.left, crop.bottom - crop.top]))
    }

    /// Whether a verdict's score is known to be the maximum of the same area: it was judged without a recipe,
    /// or by this one. Another recipe may have had masks or regions.
    fn has_comparable_score(&self, verdict: &Verdict) -> bool {
        let recipe = verdict.subject.stamp.recipe.as_ref();
        recipe.is_none_or(|tag| tag.sha256 == self.recipe.hash)
    }

    fn plan(&mut self, camera: &CameraId) -> &InspectionPlan {
        let Self {
            recipe,
            configured,
            plans,
            ..
        } = self;
        plans
            .entry(camera.clone())
            .or_insert_with(|| configured.plan(Some(camera), Some(recipe)))
    }

    fn rules(&mut self, camera: &CameraId, shape: FrameShape) -> &Rules {
        let plan = self.plan(camera).clone();
        if self.rules.len() >= RULES_KEPT {
            self.rules.clear();
        }
        self.rules
            .entry((camera.clone(), shape))
            .or_insert_with(|| Rules::new(plan, shape))
    }
}

#[cfg(test)]
mod tests;
