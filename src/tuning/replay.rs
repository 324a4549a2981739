//! Stored verdicts, judged once more by another recipe.
//!
//! What can be judged without the frame is what the same model judged: by its score, where nothing but a
//! threshold decides, else by the map that was kept of it. The rest is counted, by what it lacks.

use std::collections::{BTreeMap, HashMap};
use std::io;

use super::Configured;
use crate::evidence::AnomalyMap;
use crate::recipe::Recipe;
use inspectd_core::decision::Decision;
use inspectd_core::id::CameraId;
use inspectd_core::record::{Outcome, PartDecision, Verdict};
use inspectd_core::rules::{FrameShape, InspectionPlan, Rules};
use inspectd_core::verdict::{Judgement, rejudge};

/// Prepared rules that are kept: more than there are cameras with a frame size each.
const RULES_KEPT: usize = 64;

/// Changed verdicts that are remembered for their part's verdict, which comes soon after them.
const CHANGES_KEPT: usize = 4096;

/// Why a verdict is not judged once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// No map of it is kept, and its score alone does not decide.
    NoMap,
    /// The recipe has another model.
    OtherModel,
    /// The recipe inspects another part of the frame.
    OtherView,
    /// Which camera's thresholds the client asked for is not kept.
    ClientImage,
    /// It was not judged.
    Fault,
    /// Its map cannot be used.
    DamagedMap,
}

/// Counts by what verdicts were and would have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix(BTreeMap<(usize, usize), u64>);

impl Matrix {
    fn add(&mut self, old: Decision, new: Decision) {
        let place = |decision| Decision::ALL.iter().position(|&known| known == decision);
        let cell = (place(old).unwrap_or(0), place(new).unwrap_or(0));
        *self.0.entry(cell).or_default() += 1;
    }

    /// What occurred: what they were, what they would have been, how many.
    pub fn cells(&self) -> impl Iterator<Item = (Decision, Decision, u64)> {
        let cells = self.0.iter();
        cells.map(|(&(old, new), &count)| (Decision::ALL[old], Decision::ALL[new], count))
    }
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Verdicts that were looked at.
    pub verdicts: u64,
    /// Frames that were judged by their map.
    pub by_map: u64,
    /// Frames that were judged by their score.
    pub by_score: u64,
    /// What frames were and would have been.
    pub frames: Matrix,
    /// What parts were and would have been.
    pub parts: Matrix,
    /// What was not judged once more.
    pub skipped: BTreeMap<Obstacle, u64>,
}

/// A verdict that would have been another.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What it was.
    pub old: Decision,
    /// What it would have been.
    pub new: Decision,
    /// How a frame's score changed; nothing for a part.
    pub scores: Option<Scores>,
}

/// What decided about a frame, and what would have.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The score.
    pub old: f32,
    /// The score by the recipe.
    pub new: f32,
    /// What that is held against.
    pub threshold: f32,
    /// The recipe's region; empty for the rest of the frame.
    pub region: String,
}

/// A replay under way.
#[derive(Debug)]
pub struct Replay {
    recipe: Recipe,
    /// SHA-256 of its model's graph.
    model: String,
    configured: Configured,
    plans: HashMap<CameraId, InspectionPlan>,
    rules: HashMap<(CameraId, FrameShape), Rules>,
    /// What changed verdicts would have been, by their sequences.
    changes: BTreeMap<u64, Decision>,
    summary: Summary,
}

impl Replay {
    /// By this recipe, whose model's graph has this hash, over what is configured.
    pub fn new(recipe: Recipe, model: String, configured: Configured) -> Self {
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

    /// What it came to so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Judges a verdict once more; gives back what changes, if anything. Verdicts come in the order of
    /// their sequences. `map` reads what was kept of this one, and is asked only if that is needed.
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
        (new, scores): (Decision, Scores),
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

    /// What a part would have been: REJECT if a view is; else FAULT, REVIEW, PASS, the first of these that
    /// a view is. A view that is missing is missing still.
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
    ) -> Result<(Decision, Scores), Obstacle> {
        let subject = &verdict.subject;
        if subject.stamp.model.sha256 != self.model {
            return Err(Obstacle::OtherModel);
        }
        let camera = subject.camera.as_ref().ok_or(Obstacle::ClientImage)?;
        if self.looks_elsewhere(camera, subject.size) {
            return Err(Obstacle::OtherView);
        }
        let plain = self.score_decides(verdict);
        let plan = self.plan(camera);
        if plain
            && plan.regions.is_empty()
            && plan.ignored.is_empty()
            && plan.general.min_area <= 0.0
        {
            let thresholds = plan.general.thresholds;
            self.summary.by_score += 1;
            let scores = Scores {
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
        if heat.side == 0 || width == 0 || height == 0 {
            return Err(Obstacle::DamagedMap);
        }
        let shape = FrameShape {
            side: heat.side,
            width,
            height,
        };
        let new = rejudge(&heat.cells, None, shape, self.rules(camera, shape));
        let new = new.map_err(|_| Obstacle::DamagedMap)?;
        self.summary.by_map += 1;
        let scores = Scores {
            old: old.score.score,
            new: new.score.score,
            threshold: new.thresholds.reject_above,
            region: new.decided_by.as_deref().unwrap_or_default().to_owned(),
        };
        Ok((new.decision, scores))
    }

    /// Whether the recipe cuts frames of a camera to another size. Another place of the same size cannot be
    /// told: verdicts do not say what was cut.
    fn looks_elsewhere(&self, camera: &CameraId, size: Option<[u32; 2]>) -> bool {
        let own = self.recipe.cameras.get(camera);
        let crop = own.and_then(|own| own.crop);
        crop.is_some_and(|crop| size != Some([crop.right - crop.left, crop.bottom - crop.top]))
    }

    /// Whether a verdict's score is the largest value of its whole frame: with another recipe, some of the
    /// frame may not have counted. With this one, the plan says whether it did.
    fn score_decides(&self, verdict: &Verdict) -> bool {
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
