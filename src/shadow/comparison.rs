//! The shadow of active settings: what it consists of, and what it decides otherwise.

use std::sync::Arc;

use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::decision::Decision;
use inspectd_core::id::CameraId;
use inspectd_core::manifest::Manifest;
use inspectd_core::record::{ModelId, RecipeTag, Stamp};
use inspectd_core::verdict::Judgement;

use super::candidate::{Candidate, CandidateError, CandidateParts};
use super::process::ProcessError;
use super::record::{Compared, Disagreement, Side};
use crate::evidence::Evidence;
use crate::pipeline::Active;
use crate::pipeline::camera_view::CameraView;
use crate::recipe::{Folder, Recipe};

/// A candidate that is compared with what is active.
#[derive(Debug)]
pub(super) struct Comparison {
    candidate: Candidate,
    own_recipe: Option<RecipeTag>,
    active: Arc<Active>,
}

/// What the shadow decides about the frame of a verdict.
#[derive(Debug)]
pub(super) struct Compare {
    pub(super) decision: Decision,
    /// Set if it decides otherwise, with its map over the frame, a JPEG file.
    pub(super) disagreement: Option<(Disagreement, Vec<u8>)>,
}

impl Comparison {
    /// Starts the shadow that the settings of `active` name. Keeps the process of `present` if it runs the same model.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn start(
        active: Arc<Active>,
        present: Option<Self>,
    ) -> Result<Self, CandidateError> {
        let (parts, own_recipe) = parts(&active)?;
        let present = present.map(|present| present.candidate);
        Ok(Self {
            candidate: Candidate::start(parts, present)?,
            own_recipe,
            active,
        })
    }

    /// Whether it was started for these active settings.
    pub(super) fn is_for(&self, active: &Arc<Active>) -> bool {
        Arc::ptr_eq(&self.active, active)
    }

    /// The configuration whose verdicts it can be compared with.
    pub(super) fn stamp(&self) -> &Arc<Stamp> {
        &self.active.stamp
    }

    /// The model of the shadow.
    pub(super) fn model(&self) -> ModelId {
        self.candidate.model()
    }

    /// The recipe of the shadow, if it has its own.
    pub(super) fn own_recipe(&self) -> Option<RecipeTag> {
        self.own_recipe.clone()
    }

    /// What is compared.
    pub(super) fn compared(&self) -> Compared {
        let hash = |recipe: Option<&Arc<Recipe>>| {
            recipe.map_or_else(String::new, |recipe| recipe.hash.clone())
        };
        let content = |manifest: &Manifest| sha256(manifest.to_toml().as_bytes());
        Compared {
            models: [
                content(&self.active.model.manifest),
                content(self.candidate.manifest()),
            ],
            recipes: [
                hash(self.active.recipe.as_ref()),
                hash(self.candidate.recipe()),
            ],
        }
    }

    /// Judges the frame of a verdict about `camera`.
    ///
    /// # Errors
    /// When the frame cannot be judged, or the process is not usable.
    pub(super) fn judge(
        &mut self,
        camera: &CameraId,
        active: &Judgement,
        evidence: &Evidence,
    ) -> Result<Compare, ProcessError> {
        let recipe = self.active.recipe.as_ref();
        let own = recipe.and_then(|recipe| recipe.cameras.get(camera));
        let settings = self.active.settings.cameras.get(camera);
        let rotated = settings.map(|settings| CameraView::of(settings, own).rotate);
        let judged = self.candidate.judge(
            Some(camera),
            &evidence.frame.frame,
            rotated.unwrap_or_default(),
        )?;
        let shadow = &judged.judgement;
        let differs = active.decision != shadow.decision;
        let verdict = &evidence.verdict;
        let tag = verdict.subject.tag.as_ref();
        let disagreement = differs.then(|| {
            let disagreement = Disagreement {
                sequence: verdict.sequence,
                camera: camera.to_string(),
                captured: verdict.captured,
                part_id: tag.map(|tag| tag.part_id.clone()).unwrap_or_default(),
                active: side(active),
                shadow: side(shadow),
                region: shadow.decided_by.as_deref().unwrap_or_default().to_owned(),
            };
            (disagreement, judged.heatmap())
        });
        Ok(Compare {
            decision: shadow.decision,
            disagreement,
        })
    }
}

fn side(judgement: &Judgement) -> Side {
    let threshold = judgement.thresholds.reject_above;
    Side::new(judgement.decision, judgement.score.score, threshold)
}

/// Reads the recipe and the manifest of the shadow. Returns its own recipe, if it has one.
fn parts(active: &Active) -> Result<(CandidateParts, Option<RecipeTag>), CandidateError> {
    let settings = active.settings.clone();
    let (folder, recipe, own_recipe) = match &settings.shadow.recipe {
        None => {
            let folder = settings.shadow.bundle.clone();
            let folder = folder.expect("a shadow without a recipe has a bundle");
            (folder, active.recipe.clone(), None)
        }
        Some(id) => {
            let folder = settings.recipes.folder.as_deref();
            let folder = folder.expect("the folder of recipes is set with a recipe");
            let recipe = Folder::new(folder).read(id)?;
            let tag = recipe.tag();
            (recipe.bundle.clone(), Some(Arc::new(recipe)), Some(tag))
        }
    };
    let parts = CandidateParts {
        manifest: Bundle::read_manifest_in(&folder, settings.engine.graph_precisions())?,
        folder,
        recipe,
        settings,
        threads: 1,
    };
    Ok((parts, own_recipe))
}
