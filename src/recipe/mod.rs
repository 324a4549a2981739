//! Recipes: how one product is inspected. A folder of TOML files, one a recipe, each with the model
//! bundle, thresholds, regions and masks as polygons, and what cameras are set to.
//!
//! A [`Recipe`] exists only validated: by [`parse`] from a file's text, or by a [`Folder`] from a file.
//! Nothing downstream checks again. docs/recipes.md is the format for people.

mod contents;
mod error;
mod folder;
mod polygons;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::settings::Overrides;
use inspectd_core::decision::Thresholds;
use inspectd_core::id::{CameraId, RecipeId};
use inspectd_core::polygon::Polygon;
use inspectd_core::preprocess::{Crop, Rotation};
use inspectd_core::regions::RegionRules;
use inspectd_core::rules::{InspectionPlan, Rule, RuledPolygon};

pub use crate::config::Fault;
pub use error::{FolderError, MOST_FAULTS, RecipeError};
pub use folder::{Entry, Folder, MOST_RECIPES};

/// A recipe with its polygons in full is a hundred kilobytes at most; a larger file is something else.
pub const LARGEST_RECIPE_BYTES: u64 = 1 << 20;

/// The most regions, and the most masks, of a recipe.
pub const MOST_POLYGONS: usize = 64;

/// How one product is inspected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// Its name.
    pub id: RecipeId,
    /// What is inspected, in words.
    pub product: String,
    /// Which edition of the recipe it is.
    pub version: String,
    /// SHA-256 over everything in it, the defaults of what is not written included: 64 lower-case
    /// hexadecimal digits. Comments and the order of keys have no part in it; the bundle's path counts
    /// as it is written, so that a folder of recipes has the same hashes on another machine.
    #[serde(skip)]
    pub hash: String,
    /// The bundle's folder, absolute.
    #[serde(skip)]
    pub bundle: PathBuf,
    /// What a camera without thresholds of its own is held to.
    #[serde(flatten)]
    pub thresholds: Overrides,
    /// Smaller connected defects outside of regions do not count, as a fraction of the frame.
    pub min_area: f32,
    /// Parts of the frame with rules of their own; the first holds where they overlap.
    pub regions: Vec<RegionRule>,
    /// Parts of the frame that count for nothing.
    pub ignore: Vec<Mask>,
    /// What cameras are set to; one that is not named stays as it is configured.
    pub cameras: BTreeMap<CameraId, CameraRecipe>,
}

/// `[[regions]]`: a part of the frame with a rule of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionRule {
    /// Its name in verdicts.
    pub name: String,
    /// Where it is, in fractions of the inspected frame: after rotation and crop.
    pub polygon: Polygon,
    /// What it is held to.
    #[serde(flatten)]
    pub thresholds: Overrides,
    /// Smaller connected defects in it do not count, as a fraction of the frame.
    pub min_area: f32,
    /// The cameras that have it; all if unset.
    pub cameras: Option<BTreeSet<CameraId>>,
}

/// `[[ignore]]`: a part of the frame that counts for nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mask {
    /// Its name.
    pub name: String,
    /// Where it is, in fractions of the inspected frame: after rotation and crop.
    pub polygon: Polygon,
    /// The cameras that have it; all if unset.
    pub cameras: Option<BTreeSet<CameraId>>,
}

/// `[cameras.ID]`: what a camera is set to. What is unset stays as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CameraRecipe {
    /// What this camera is held to.
    #[serde(flatten)]
    pub thresholds: Overrides,
    /// The part that is inspected, after rotation, pixels.
    pub crop: Option<Crop>,
    /// Turns the frame clockwise.
    pub rotate: Option<Rotation>,
    /// A fixed exposure, microseconds.
    pub exposure_us: Option<u32>,
    /// Gain, in the camera's own units.
    pub gain: Option<f64>,
}

/// Reads the text of the recipe `id` in `file`. Its bundle's path is relative to the file's folder; the
/// file is not touched.
///
/// # Errors
/// Every fault in it, each with its line. A text that is not TOML has that fault alone.
pub fn parse(id: &RecipeId, file: &Path, text: &str) -> Result<Recipe, RecipeError> {
    if text.len() as u64 > LARGEST_RECIPE_BYTES {
        return Err(RecipeError::TooLarge {
            file: file.to_owned(),
        });
    }
    contents::read(id, file, text).map_err(RecipeError::invalid)
}

impl Recipe {
    /// What frames of `camera` are held to (of no camera: images that clients send). `configured` holds
    /// where the recipe says nothing, and `listing` says which defects are listed.
    ///
    /// A threshold or review band that is unset is the camera's, then the recipe's, then the
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

    /// Every camera that the recipe names, so that one that is not there can be told.
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

/// What is set, and the rest as it is in `general`.
fn over(set: Overrides, general: Thresholds) -> Thresholds {
    Thresholds {
        reject_above: set.threshold.unwrap_or(general.reject_above),
        review_from: set.review_from.or(general.review_from),
    }
}
