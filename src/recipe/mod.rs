//! Recipes: the inspection of one product. A recipe is a TOML file with the model bundle, thresholds,
//! regions and masks as polygons, and settings of cameras; recipes are kept in a folder.
//!
//! A [`Recipe`] is always valid: [`parse`] makes it of a file's text, a [`Folder`] of a file. Nothing
//! downstream validates it again. docs/recipes.md describes the format.

mod contents;
pub mod draft;
mod editions;
mod error;
mod fields;
mod folder;
mod plan_builder;
mod polygons;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inspectd_core::decision::Thresholds;
use inspectd_core::id::{CameraId, RecipeId};
use inspectd_core::polygon::Polygon;
use inspectd_core::preprocess::{Crop, Rotation};
use inspectd_core::record::RecipeTag;
use inspectd_core::regions::RegionRules;
use inspectd_core::rules::{InspectionPlan, Rule, RuledPolygon};
use serde::Serialize;

use crate::config::settings::Overrides;

pub use crate::config::Fault;
pub use editions::{Edition, MOST_EDITIONS};
pub use error::{FolderError, MOST_FAULTS, RecipeError};
pub use folder::{Folder, RecipeFile};
pub use plan_builder::{PlanBuilder, UninspectedArea};

/// Maximum number of recipes of a folder. A folder with more was probably configured by mistake.
pub const MOST_RECIPES: usize = 1000;

/// Maximum size of a recipe, bytes. A recipe with all polygons has about a hundred kilobytes.
pub const LARGEST_RECIPE_BYTES: u64 = 1 << 20;

/// Maximum number of regions, and of masks, of a recipe.
pub const MOST_POLYGONS: usize = 64;

/// The inspection of one product.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// Id, the name of its file.
    pub id: RecipeId,
    /// Name of the product, for people.
    pub product: String,
    /// Version of the recipe.
    pub version: String,
    /// SHA-256 of its content, including the defaults of keys that are not set: 64 lower-case hexadecimal
    /// digits. Comments and the order of keys do not affect it. The bundle's path is hashed as written, so
    /// that a folder of recipes has the same hashes on another machine.
    #[serde(skip)]
    pub hash: String,
    /// The text it was read from.
    #[serde(skip)]
    pub text: Arc<str>,
    /// The bundle's folder, absolute.
    #[serde(skip)]
    pub bundle: PathBuf,
    /// Thresholds of cameras without thresholds of their own.
    #[serde(flatten)]
    pub thresholds: Overrides,
    /// Minimum area outside of regions, as a fraction of the frame: smaller defects do not count.
    pub min_area: f32,
    /// Recipe regions. The first one applies where they overlap.
    pub regions: Vec<RegionRule>,
    /// Masks: parts of the frame that are ignored.
    pub ignore: Vec<Mask>,
    /// Settings of cameras. A camera that is not named keeps its configured settings.
    pub cameras: BTreeMap<CameraId, CameraRecipe>,
}

/// `[[regions]]`: a part of the frame with its own rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionRule {
    /// Name in verdicts.
    pub name: String,
    /// Polygon, in fractions of the inspected frame: after rotation and crop.
    pub polygon: Polygon,
    /// Thresholds of the region.
    #[serde(flatten)]
    pub thresholds: Overrides,
    /// Minimum area, as a fraction of the frame: smaller defects in the region do not count.
    pub min_area: f32,
    /// Cameras that have it; all if unset.
    pub cameras: Option<BTreeSet<CameraId>>,
}

/// `[[ignore]]`: a part of the frame that is ignored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mask {
    /// Name.
    pub name: String,
    /// Polygon, in fractions of the inspected frame: after rotation and crop.
    pub polygon: Polygon,
    /// Cameras that have it; all if unset.
    pub cameras: Option<BTreeSet<CameraId>>,
}

/// `[cameras.ID]`: settings of a camera. Unset ones keep the configured value.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CameraRecipe {
    /// Thresholds of the camera.
    #[serde(flatten)]
    pub thresholds: Overrides,
    /// The part of the frame that is inspected, after rotation, pixels.
    pub crop: Option<Crop>,
    /// Clockwise rotation of the frame.
    pub rotate: Option<Rotation>,
    /// A fixed exposure, microseconds.
    pub exposure_us: Option<u32>,
    /// Gain, in the camera's own units.
    pub gain: Option<f64>,
}

/// Parses the text of the recipe `id` in `file`. The bundle's path is relative to the folder of the file. The
/// file itself is not read.
///
/// # Errors
/// All its faults, each with its line. A text that is not TOML has only that fault.
pub fn parse(id: &RecipeId, file: &Path, text: &str) -> Result<Recipe, RecipeError> {
    if text.len() as u64 > LARGEST_RECIPE_BYTES {
        return Err(RecipeError::TooLarge {
            file: file.to_owned(),
        });
    }
    contents::read(id, file, text).map_err(RecipeError::invalid)
}

impl Recipe {
    /// Returns the rules for frames of `camera`; without a camera, for images that clients send. `configured`
    /// are the thresholds where the recipe sets none; `listing` selects the defects that are listed.
    ///
    /// A threshold or review band that a region does not set is the camera's, then the recipe's, then the
    /// configured one.
    pub fn plan(
        &self,
        camera: Option<&CameraId>,
        configured: Thresholds,
        listing: RegionRules,
    ) -> InspectionPlan {
        let own = camera.and_then(|id| self.cameras.get(id));
        let own = own.map_or_else(Overrides::default, |own| own.thresholds);
        let general = over(own, over(self.thresholds, configured));
        let applies = |cameras: &Option<BTreeSet<CameraId>>| {
            let named = |cameras: &BTreeSet<_>| camera.is_some_and(|id| cameras.contains(id));
            cameras.as_ref().is_none_or(named)
        };
        let region = |region: &RegionRule| RuledPolygon {
            name: region.name.as_str().into(),
            polygon: region.polygon.clone(),
            rule: Rule {
                thresholds: over(region.thresholds, general),
                min_area: region.min_area,
            },
        };
        let regions = self.regions.iter();
        let masks = self.ignore.iter();
        InspectionPlan {
            general: Rule {
                thresholds: general,
                min_area: self.min_area,
            },
            regions: regions
                .filter(|region| applies(&region.cameras))
                .map(region)
                .collect(),
            ignored: masks
                .filter(|mask| applies(&mask.cameras))
                .map(|mask| mask.polygon.clone())
                .collect(),
            listing,
        }
    }

    /// Its identification in verdicts.
    pub fn tag(&self) -> RecipeTag {
        RecipeTag {
            id: self.id.to_string(),
            version: self.version.clone(),
            sha256: self.hash.clone(),
        }
    }

    /// Returns all cameras that the recipe names, so that a missing one can be reported.
    pub fn named_cameras(&self) -> BTreeSet<&CameraId> {
        let regions = self
            .regions
            .iter()
            .filter_map(|region| region.cameras.as_ref());
        let masks = self.ignore.iter().filter_map(|mask| mask.cameras.as_ref());
        self.cameras
            .keys()
            .chain(regions.chain(masks).flatten())
            .collect()
    }
}

/// Returns the thresholds of `set`, and those of `general` where they are unset.
fn over(set: Overrides, general: Thresholds) -> Thresholds {
    Thresholds {
        reject_above: set.threshold.unwrap_or(general.reject_above),
        review_from: set.review_from.or(general.review_from),
    }
}
