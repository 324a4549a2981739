//! A model that is not active, with the areas and thresholds that it would have if it were: it judges in a process of its own.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use inspectd_core::bundle::BundleError;
use inspectd_core::frame::Frame;
use inspectd_core::id::CameraId;
use inspectd_core::manifest::Manifest;
use inspectd_core::maps::combine;
use inspectd_core::preprocess::{Crop, Rotation, crop, resize, rotate};
use inspectd_core::record::ModelId;
use inspectd_core::rules::{FrameShape, Rules};
use inspectd_core::verdict::{FrameMaps, Judgement, judge};
use thiserror::Error;

use super::process::{ProcessError, ShadowProcess, Start};
use crate::config::Settings;
use crate::evidence::{AnomalyMap, Encoding, encode, overlay, scaled};
use crate::pipeline::camera_view::CameraView;
use crate::recipe::{PlanBuilder, Recipe, RecipeError, UninspectedArea};

/// Longer side of the pictures of disagreements, pixels.
const HEATMAP_SIDE: u32 = 320;

/// Prepared rules that are kept, one for each camera and frame size. Above that number all are prepared again.
const RULES_KEPT: usize = 64;

/// Why a candidate cannot be used.
#[derive(Debug, Error)]
pub enum CandidateError {
    /// Its recipe is not valid or not found.
    #[error("the recipe: {0}")]
    Recipe(#[from] RecipeError),
    /// Its bundle is not valid.
    #[error("the bundle: {0}")]
    Bundle(#[from] BundleError),
    /// Nothing would be inspected in an area.
    #[error("the recipe: {0}")]
    Uninspected(#[from] UninspectedArea),
    /// Its process is not usable.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// What a candidate consists of.
#[derive(Clone, Debug)]
pub struct CandidateParts {
    /// Folder of its bundle.
    pub folder: PathBuf,
    /// The manifest of its bundle.
    pub manifest: Manifest,
    /// The recipe by which it judges, if any.
    pub recipe: Option<Arc<Recipe>>,
    /// The settings with the cameras and thresholds by which it judges.
    pub settings: Settings,
    /// CPU threads of its process; 0 for all cores. Its priority is the lowest in any case.
    pub threads: usize,
}

/// A candidate that judges.
#[derive(Debug)]
pub struct Candidate {
    process: ShadowProcess,
    folder: PathBuf,
    manifest: Manifest,
    recipe: Option<Arc<Recipe>>,
    settings: Settings,
    plans: PlanBuilder,
    rules: HashMap<(Option<CameraId>, FrameShape), Rules>,
}

/// The judgement about a frame, with what it is based on.
#[derive(Debug)]
pub struct CandidateJudgement<'a> {
    /// The judgement.
    pub judgement: Judgement,
    /// The rotated frame.
    frame: Cow<'a, Frame>,
    /// Its inspected area.
    crop: Option<Crop>,
    map: AnomalyMap,
}

impl Candidate {
    /// Starts a candidate. Keeps the process of `present` if it runs the same model. The calling thread must live as long as
    /// the candidate.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn start(parts: CandidateParts, present: Option<Self>) -> Result<Self, CandidateError> {
        let CandidateParts {
            folder,
            manifest,
            recipe,
            settings,
            threads,
        } = parts;
        let plans = PlanBuilder::new(&settings, manifest.threshold.value);
        if let Some(recipe) = &recipe {
            plans.check_inspected(recipe, manifest.map_size())?;
        }
        let same = |present: &Self| present.folder == folder && present.manifest == manifest;
        let process = if let Some(present) = present.filter(same) {
            present.process
        } else {
            let start = Start {
                bundle: std::path::absolute(&folder).unwrap_or_else(|_| folder.clone()),
                precision: manifest.graph.precision,
                library: settings.engine.library.clone(),
                threads,
            };
            ShadowProcess::start(&start, &manifest)?
        };
        Ok(Self {
            process,
            folder,
            manifest,
            recipe,
            settings,
            plans,
            rules: HashMap::new(),
        })
    }

    /// Its model.
    pub fn model(&self) -> ModelId {
        self.manifest.model_id()
    }

    /// The manifest of its bundle.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The recipe by which it judges.
    pub fn recipe(&self) -> Option<&Arc<Recipe>> {
        self.recipe.as_ref()
    }

    /// Judges a frame of a camera, or of none. `rotated` is the rotation that the frame already has.
    ///
    /// # Errors
    /// When the frame cannot be judged, or the process is not usable.
    pub fn judge<'a>(
        &mut self,
        camera: Option<&CameraId>,
        frame: &'a Frame,
        rotated: Rotation,
    ) -> Result<CandidateJudgement<'a>, ProcessError> {
        let unusable = |error: &dyn std::fmt::Display| ProcessError::Frame(error.to_string());
        let view = self
            .view(camera)
            .ok_or_else(|| unusable(&"the camera was removed"))?;
        let frame = match between(rotated, view.rotate) {
            Rotation::R0 => Cow::Borrowed(frame),
            rotation => Cow::Owned(rotate(frame.clone(), rotation)),
        };
        let as_captured = match view.rotate {
            Rotation::R0 | Rotation::R180 => [frame.width(), frame.height()],
            Rotation::R90 | Rotation::R270 => [frame.height(), frame.width()],
        };
        let input = [self.manifest.input.width, self.manifest.input.height];
        let [width, height] = view
            .inspected_size(as_captured, input)
            .map_err(|error| unusable(&error))?;
        let input = resize(&frame, view.crop, input[0], input[1]);
        let input = input.map_err(|error| unusable(&error))?;
        let [structural, logical] = self.process.maps(&input)?;
        let size = self.manifest.map_size();
        let calibration = self.manifest.maps.calibration();
        let maps = FrameMaps {
            structural: &structural,
            logical: &logical,
            size,
            width,
            height,
        };
        let shape = FrameShape {
            map: size,
            width,
            height,
        };
        let rules = self.rules(camera, shape);
        let judgement = judge(maps, &calibration, rules).map_err(|error| unusable(&error))?;
        Ok(CandidateJudgement {
            judgement,
            frame,
            crop: view.crop,
            map: AnomalyMap {
                cells: combine(&structural, &logical, &calibration),
                size,
            },
        })
    }

    /// The inspected part of the frames of a camera.
    fn view(&self, camera: Option<&CameraId>) -> Option<CameraView> {
        let Some(camera) = camera else {
            return Some(CameraView::default());
        };
        let recipe = self.recipe.as_ref();
        let own = recipe.and_then(|recipe| recipe.cameras.get(camera));
        let settings = self.settings.cameras.get(camera)?;
        Some(CameraView::of(settings, own))
    }

    fn rules(&mut self, camera: Option<&CameraId>, shape: FrameShape) -> &Rules {
        if self.rules.len() >= RULES_KEPT {
            self.rules.clear();
        }
        let (plans, recipe) = (&self.plans, self.recipe.as_deref());
        self.rules
            .entry((camera.cloned(), shape))
            .or_insert_with(|| match recipe {
                None => Rules::plain(plans.thresholds(camera), plans.listing),
                Some(recipe) => Rules::new(plans.plan(camera, Some(recipe)), shape),
            })
    }
}

impl CandidateJudgement<'_> {
    /// The map over the frame, a JPEG file; empty if it cannot be encoded.
    pub fn heatmap(&self) -> Vec<u8> {
        let threshold = self.judgement.thresholds.reject_above;
        let inspected = crop(&self.frame, self.crop);
        let small = inspected.and_then(|inspected| scaled(inspected, Some(HEATMAP_SIDE)));
        let heatmap = small.map(|small| overlay(&small, &self.map, threshold));
        let jpeg = heatmap.map(|heatmap| encode(&heatmap, Encoding::Jpeg).unwrap_or_default());
        jpeg.unwrap_or_default()
    }
}

/// The rotation that leads from one to another.
fn between(from: Rotation, to: Rotation) -> Rotation {
    const TURNS: [Rotation; 4] = [Rotation::R0, Rotation::R90, Rotation::R180, Rotation::R270];
    let turns = |rotation| TURNS.iter().position(|one| *one == rotation).unwrap_or(0);
    TURNS[(turns(to) + TURNS.len() - turns(from)) % TURNS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_between_two_views_leads_from_one_to_the_other() {
        use Rotation::{R0, R90, R180, R270};
        for (from, to, expected) in [
            (R0, R0, R0),
            (R0, R270, R270),
            (R90, R90, R0),
            (R90, R0, R270),
            (R270, R180, R270),
            (R180, R270, R90),
        ] {
            assert_eq!(between(from, to), expected, "{from:?} to {to:?}");
        }
    }
}
