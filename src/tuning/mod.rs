//! Suggests thresholds from scores of good parts, and judges stored verdicts again by another recipe. No
//! IO: the caller reads the journal and the disk store.

mod interval;
pub mod replay;
pub mod suggest;

use std::collections::BTreeMap;

use crate::config::settings::{Overrides, Settings};
use crate::recipe::Recipe;
use inspectd_core::decision::Thresholds;
use inspectd_core::id::CameraId;
use inspectd_core::regions::RegionRules;
use inspectd_core::rules::{InspectionPlan, Rule};

/// The thresholds and list limits of the settings, without a recipe.
#[derive(Clone, Debug)]
pub struct Configured {
    general: Overrides,
    cameras: BTreeMap<CameraId, Overrides>,
    bundle: f32,
    listing: RegionRules,
}

impl Configured {
    /// Creates it from settings and the threshold of the bundle.
    pub fn new(settings: &Settings, bundle: f32) -> Self {
        let cameras = settings.cameras.iter();
        Self {
            general: settings.verdict.thresholds,
            cameras: cameras
                .map(|(id, camera)| (id.clone(), camera.thresholds))
                .collect(),
            bundle,
            listing: RegionRules {
                min_area: settings.verdict.region_min_area,
                limit: settings.verdict.region_limit,
            },
        }
    }

    /// The thresholds of a camera; for a camera that is not configured, the general ones.
    pub fn thresholds(&self, camera: Option<&CameraId>) -> Thresholds {
        let own = camera.and_then(|id| self.cameras.get(id)).copied();
        own.unwrap_or_default().resolve(self.general, self.bundle)
    }

    /// The plan of a camera with this recipe.
    pub fn plan(&self, camera: Option<&CameraId>, recipe: Option<&Recipe>) -> InspectionPlan {
        let thresholds = self.thresholds(camera);
        match recipe {
            Some(recipe) => recipe.plan(camera, thresholds, self.listing),
            None => InspectionPlan {
                general: Rule {
                    thresholds,
                    min_area: 0.0,
                },
                regions: Vec::new(),
                ignored: Vec::new(),
                listing: self.listing,
            },
        }
    }
}
