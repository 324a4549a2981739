//! What is in force: settings, model and recipe, replaced as a whole between two frames.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::job::View;
use super::model::Model;
use crate::config::settings::{Camera, Overrides, Settings, Source};
use crate::recipe::Recipe;
use inspectd_core::id::CameraId;
use inspectd_core::record::{RecipeTag, Stamp};
use inspectd_core::regions::RegionRules;
use inspectd_core::rules::{FrameShape, Rules};

/// Prepared rules that are kept: more than there are cameras with a frame size each. Where there are
/// more, they are prepared anew.
const RULES_KEPT: usize = 256;

/// What frames are judged by. A frame is judged by what was in force when it was captured.
#[derive(Debug)]
pub struct Active {
    /// The settings.
    pub settings: Settings,
    /// 1 at the start, one more with each change.
    pub generation: u64,
    /// When they came into force.
    pub since: SystemTime,
    /// The model.
    pub model: Arc<Model>,
    /// The recipe, if there is one.
    pub recipe: Option<Arc<Recipe>>,
    /// What of each camera's frames is inspected.
    views: BTreeMap<CameraId, Arc<View>>,
    /// What verdicts say of all this.
    pub stamp: Arc<Stamp>,
    rules: Mutex<PreparedRules>,
}

/// Rules by camera (none for clients' images) and sizes.
type PreparedRules = HashMap<(Option<CameraId>, FrameShape), Arc<Rules>>;

impl Active {
    /// Settings, a model and a recipe, in force from now on.
    pub fn new(
        settings: Settings,
        hash: String,
        generation: u64,
        model: Arc<Model>,
        recipe: Option<Arc<Recipe>>,
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
            (id.clone(), Arc::new(View::of(camera, own)))
        };
        Self {
            views: cameras.map(view).collect(),
            settings,
            generation,
            since: SystemTime::now(),
            model,
            recipe,
            stamp,
            rules: Mutex::default(),
        }
    }

    /// What of a camera's frames is inspected.
    pub(super) fn view(&self, camera: &CameraId) -> Arc<View> {
        self.views.get(camera).cloned().unwrap_or_default()
    }

    /// What a camera is set to: as the recipe says, and else as it is configured.
    ///
    /// # Panics
    /// When there is no such camera.
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

    /// What frames of a camera are held to; of none, images that clients send.
    pub(super) fn rules(&self, camera: Option<&CameraId>, shape: FrameShape) -> Arc<Rules> {
        let key = (camera.cloned(), shape);
        let lock = || self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rules) = lock().get(&key) {
            return Arc::clone(rules);
        }
        // Prepared outside of the lock: it takes some milliseconds.
        let rules = Arc::new(self.prepare(camera, shape));
        let mut kept = lock();
        if kept.len() >= RULES_KEPT {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&rules));
        rules
    }

    fn prepare(&self, camera: Option<&CameraId>, shape: FrameShape) -> Rules {
        let verdict = &self.settings.verdict;
        let own = camera.and_then(|id| self.settings.cameras.get(id));
        let own = own.map_or_else(Overrides::default, |camera| camera.thresholds);
        let thresholds = own.resolve(verdict.thresholds, self.model.threshold);
        let listing = RegionRules {
            min_area: verdict.region_min_area,
            limit: verdict.region_limit,
        };
        match &self.recipe {
            None => Rules::plain(thresholds, listing),
            Some(recipe) => Rules::new(recipe.plan(camera, thresholds, listing), shape),
        }
    }
}
