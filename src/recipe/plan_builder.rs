//! The inspection plan of each camera.

use std::collections::BTreeMap;

use inspectd_core::decision::Thresholds;
use inspectd_core::id::CameraId;
use inspectd_core::maps::MapSize;
use inspectd_core::regions::RegionRules;
use inspectd_core::rules::{FrameShape, InspectionPlan, Rule, Rules};
use inspectd_core::verdict::{NothingInspected, check_inspected};
use thiserror::Error;

use super::Recipe;
use crate::config::settings::{Overrides, Settings};

/// Pixels in each direction of a map cell, for checking areas before the size of the frames is known.
const NOMINAL_PIXELS: u32 = 8;

/// An area of a recipe in which no defect can be found.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{images}: {source}")]
pub struct UninspectedArea {
    /// The camera, or that it is images of clients.
    pub images: String,
    /// The area.
    pub source: NothingInspected,
}

/// Builds the inspection plan of each camera from the settings, the threshold of the bundle and a recipe.
#[derive(Clone, Debug)]
pub struct PlanBuilder {
    /// The thresholds of the settings.
    pub general: Overrides,
    /// The thresholds of each camera in the settings.
    pub cameras: BTreeMap<CameraId, Overrides>,
    /// The threshold of the bundle.
    pub bundle: f32,
    /// Which defects are listed.
    pub listing: RegionRules,
}

impl PlanBuilder {
    /// A builder for these settings; `bundle` is the threshold of the bundle.
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

    /// Checks that every region of `recipe`, and something of each frame, can be rejected with maps of the size `map`,
    /// for every camera and for clients' images.
    ///
    /// # Errors
    /// The first area in which no defect can be found.
    pub fn check_inspected(&self, recipe: &Recipe, map: MapSize) -> Result<(), UninspectedArea> {
        let pixels = |cells: usize| cells as u32 * NOMINAL_PIXELS;
        let shape = FrameShape {
            map,
            width: pixels(map.width),
            height: pixels(map.height),
        };
        for camera in self.cameras.keys().map(Some).chain([None]) {
            let rules = Rules::new(self.plan(camera, Some(recipe)), shape);
            check_inspected(&rules, shape).map_err(|source| UninspectedArea {
                images: camera.map_or_else(
                    || "images of clients".to_owned(),
                    |camera| format!("camera {camera}"),
                ),
                source,
            })?;
        }
        Ok(())
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
