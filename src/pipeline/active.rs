//! The active settings, model and recipe, which are replaced as a whole between two frames.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use inspectd_core::id::{CameraId, RecipeId};
use inspectd_core::record::Stamp;
use inspectd_core::rules::{FrameShape, Rules};
use parking_lot::Mutex;

use super::camera_view::CameraView;
use super::model::{Model, RanOn};
use super::remote;
use crate::config::settings::{Camera, Settings, Source};
use crate::recipe::{PlanBuilder, Recipe};

/// Prepared rules that are kept, one for each camera and frame size. Above that number all are prepared
/// again.
const PREPARED_RULES: usize = 256;

/// A recipe with its model, loaded and warmed up.
#[derive(Clone, Debug)]
pub struct PreparedRecipe {
    /// The recipe.
    pub recipe: Arc<Recipe>,
    /// Its model.
    pub model: Arc<Model>,
}

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
    /// The same in verdicts that a server judged.
    server_stamp: Arc<Stamp>,
    plans: PlanBuilder,
    rules: Mutex<PreparedRules>,
    /// The same settings with the recipes of requests that name one.
    variants: Mutex<Vec<Arc<Active>>>,
}

/// Recipes of requests for which [`Active`] keeps a variant. Above that number the oldest is made again.
const VARIANTS: usize = 32;

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
        let stamp = Arc::new(Stamp {
            model: model.id.clone(),
            config_hash: hash,
            provider: model.provider.to_owned(),
            recipe: recipe.as_ref().map(|recipe| recipe.tag()),
        });
        let server_stamp = Arc::new(Stamp {
            provider: remote::PROVIDER.to_owned(),
            ..(*stamp).clone()
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
            server_stamp,
            rules: Mutex::default(),
            variants: Mutex::default(),
        }
    }

    /// The same settings with another recipe, for frames of requests that name it. The same for all frames of a
    /// recipe, so that they share batches.
    pub(super) fn with_recipe(self: &Arc<Self>, prepared: &PreparedRecipe) -> Arc<Self> {
        let PreparedRecipe { recipe, model } = prepared;
        let is = |active: &Self| {
            let same = |own: &Arc<Recipe>| own.id == recipe.id && own.hash == recipe.hash;
            active.recipe.as_ref().is_some_and(same) && Arc::ptr_eq(&active.model, model)
        };
        if is(self) {
            return Arc::clone(self);
        }
        let mut variants = self.variants.lock();
        if let Some(variant) = variants.iter().find(|variant| is(variant)) {
            return Arc::clone(variant);
        }
        let variant = Arc::new(Self::new(
            self.settings.clone(),
            self.stamp.config_hash.clone(),
            self.generation,
            Arc::clone(model),
            Some(Arc::clone(recipe)),
            self.since,
        ));
        if variants.len() >= VARIANTS {
            variants.remove(0);
        }
        variants.push(Arc::clone(&variant));
        variant
    }

    /// Drops what is kept of a recipe for requests that name it. Frames that wait are still judged by it.
    pub fn forget_recipe(&self, id: &RecipeId) {
        let is = |variant: &Arc<Self>| variant.recipe.as_ref().is_some_and(|own| own.id == *id);
        // Freed without the lock: that takes as long as unloading a model.
        let forgotten: Vec<_> = self
            .variants
            .lock()
            .extract_if(.., |variant| is(variant))
            .collect();
        drop(forgotten);
    }

    /// The configured provider: that of the server, if there is one.
    pub fn requested_provider(&self) -> &'static str {
        let engine = &self.settings.engine;
        if engine.remote.is_unset() {
            engine.provider.name()
        } else {
            remote::PROVIDER
        }
    }

    /// Identification in verdicts of a run on the local engine or on a server.
    pub(super) fn stamp_of(&self, on: RanOn) -> &Arc<Stamp> {
        match on {
            RanOn::Local => &self.stamp,
            RanOn::Server => &self.server_stamp,
        }
    }

    /// Whether the camera has the exposure and gain that `other` needs.
    pub fn same_controls(&self, other: &Self, camera: &CameraId) -> bool {
        self.controls(camera) == other.controls(camera)
    }

    /// Exposure and gain of a camera, by the recipe or the configuration.
    fn controls(&self, camera: &CameraId) -> (Option<u32>, Option<f64>) {
        let own = self
            .recipe
            .as_ref()
            .and_then(|recipe| recipe.cameras.get(camera));
        let (exposure_us, gain) = match self
            .settings
            .cameras
            .get(camera)
            .map(|camera| &camera.source)
        {
            Some(Source::Device { controls, .. }) => (controls.exposure_us, controls.gain),
            _ => (None, None),
        };
        (
            own.and_then(|own| own.exposure_us).or(exposure_us),
            own.and_then(|own| own.gain).or(gain),
        )
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
        let (exposure_us, gain) = self.controls(id);
        if let Source::Device { controls, .. } = &mut camera.source {
            controls.exposure_us = exposure_us;
            controls.gain = gain;
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
