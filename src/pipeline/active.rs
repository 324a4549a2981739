//! The active settings, model and recipe, which are replaced as a whole between two frames.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use inspectd_core::id::CameraId;
use inspectd_core::record::{RecipeTag, Stamp};
use inspectd_core::rules::{FrameShape, Rules};
use parking_lot::Mutex;

use super::camera_view::CameraView;
use super::model::Model;
use crate::config::settings::{Camera, Settings, Source};
use crate::recipe::{PlanBuilder, Recipe};

/// Prepared rules that are kept, one for each camera and frame size. Above that number all are prepared
/// again.
const PREPARED_RULES: usize = 256;

/// What frames are judged by. A frame is judged by what was active when it was captured.
#[derive(Debug)]
pub struct Active {
    /// The settings.
    pub settings: Settings,
    /// Number of changes of the settings, from 1 at the start.
    pub generation: u64,
    /// Time of activation.
    pub since: SystemTime,
    /// The model.
    pub model: Arc<Model>,
    /// The recipe, if one is active.
    pub recipe: Option<Arc<Recipe>>,
    /// The inspected part of each camera's frames.
    views: BTreeMap<CameraId, Arc<CameraView>>,
    /// Identification of all this in verdicts.
    pub stamp: Arc<Stamp>,
    plans: PlanBuilder,
    rules: Mutex<PreparedRules>,
}

/// Rules by camera (`None` for clients' images) and sizes.
type PreparedRules = HashMap<(Option<CameraId>, FrameShape), Arc<Rules>>;

impl Active {
    /// Settings, a model and a recipe that are active from `since` on.
    pub fn new(
        settings: Settings,
        hash: String,
        generation: u64,
        model: Arc<Model>,
        recipe: Option<Arc<Recipe>>,
        since: SystemTime,
    ) -> Self {
        let tag = |recipe: &Arc<Recipe>| RecipeTag {
            id: recipe.id.to_string(),
            version: recipe.version.clone(),
            sha256: recipe.hash.clone(),
        };
        let stamp = Arc::new(Stamp {
            model: model.id.clone(),
            config_hash: hash,
            provider: model.provider.to_owned(),
            recipe: recipe.as_ref().map(tag),
        });
        let cameras = settings.cameras.iter();
        let view = |(id, camera): (&CameraId, &Camera)| {
            let own = recipe.as_ref().and_then(|recipe| recipe.cameras.get(id));
            (id.clone(), Arc::new(CameraView::of(camera, own)))
        };
        Self {
            views: cameras.map(view).collect(),
            plans: PlanBuilder::new(&settings, model.threshold),
            settings,
            generation,
            since,
            model,
            recipe,
            stamp,
            rules: Mutex::default(),
        }
    }

    /// The inspected part of a camera's frames.
    pub(super) fn view(&self, camera: &CameraId) -> Arc<CameraView> {
        self.views.get(camera).cloned().unwrap_or_default()
    }

    /// The settings of a camera: the recipe's where it has any, else the configured ones.
    ///
    /// # Panics
    /// When the camera is not configured.
    pub fn camera(&self, id: &CameraId) -> Camera {
        let mut camera = self.settings.cameras[id].clone();
        let own = self
            .recipe
            .as_ref()
            .and_then(|recipe| recipe.cameras.get(id));
        if let (Some(own), Source::Device { controls, .. }) = (own, &mut camera.source) {
            controls.exposure_us = own.exposure_us.or(controls.exposure_us);
            controls.gain = own.gain.or(controls.gain);
        }
        camera
    }

    /// The rules for frames of a camera; for clients' images if `None`.
    pub(super) fn rules(&self, camera: Option<&CameraId>, shape: FrameShape) -> Arc<Rules> {
        let key = (camera.cloned(), shape);
        if let Some(rules) = self.rules.lock().get(&key) {
            return Arc::clone(rules);
        }
        // Prepared outside the lock, as it takes some milliseconds.
        let rules = Arc::new(self.prepare(camera, shape));
        let mut kept = self.rules.lock();
        if kept.len() >= PREPARED_RULES {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&rules));
        rules
    }

    fn prepare(&self, camera: Option<&CameraId>, shape: FrameShape) -> Rules {
        match &self.recipe {
            None => Rules::plain(self.plans.thresholds(camera), self.plans.listing),
            Some(recipe) => Rules::new(self.plans.plan(camera, Some(recipe)), shape),
        }
    }
}
