//! Changes of a threshold in the file that sets it, applied at once.

use std::sync::Arc;

use inspectd_core::decision::Thresholds;
use inspectd_core::id::{CameraId, RecipeId};

use super::actor::Actor;
use super::error::ChangeError;
use super::recipe_values::ChangedValue;
use super::settings_file::SettingsFiles;
use super::{ChangeState, Control, ControlResult};
use crate::audit::Action;
use crate::config::Settings;
use crate::pipeline::Active;
use crate::recipe::draft::{ThresholdKey, with_threshold};
use crate::recipe::{PlanBuilder, Recipe};

/// Where a threshold is set.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdPlace {
    /// The recipe; none for the configuration.
    pub recipe: Option<RecipeId>,
    /// The key, such as `cameras.top.threshold`.
    pub key: String,
    /// The value of the key; none if it is not set.
    pub threshold: Option<f32>,
}

/// A threshold that was changed.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdChange {
    /// Where it was set, with the value before.
    pub previous: ThresholdPlace,
    /// The threshold that applies now.
    pub threshold: f32,
}

impl Control {
    /// Returns where the threshold of a camera is set (of all cameras without one of their own, if there is none), or
    /// that of a region of the active recipe, which is the same for all cameras.
    ///
    /// # Errors
    /// When the active recipe does not have the region.
    pub fn threshold_place(
        &self,
        camera: Option<&CameraId>,
        region: Option<&str>,
    ) -> ControlResult<ThresholdPlace> {
        place(&self.pipeline.active(), camera, region)
    }

    /// Changes a threshold, and applies it. Without `threshold`, its key is removed. `expected` is the threshold that
    /// the caller believes to apply.
    ///
    /// # Errors
    /// When the file would not be valid, does not decide the threshold, or cannot be written, or the change cannot be
    /// recorded. Nothing is then changed.
    pub fn set_threshold(
        &self,
        actor: &Actor,
        camera: Option<&CameraId>,
        region: Option<&str>,
        threshold: Option<f32>,
        expected: Option<f32>,
    ) -> ControlResult<ThresholdChange> {
        self.check_lock(actor)?;
        let mut change = self.change.lock();
        let active = self.pipeline.active();
        let present = applied(&active, camera, region)?.reject_above;
        if let Some(expected) = expected.filter(|expected| expected.total_cmp(&present).is_ne()) {
            let text = format!("the threshold is {present}, not {expected}");
            return Err(ChangeError::Conflict(text));
        }
        let previous = place(&active, camera, region)?;
        match active.recipe.clone() {
            Some(recipe) => {
                self.set_in_recipe(
                    actor,
                    &mut change,
                    &recipe,
                    &previous,
                    (camera, region),
                    threshold,
                )?;
            }
            None => {
                self.set_in_configuration(actor, &mut change, &previous, camera, threshold)?;
            }
        }
        Ok(ThresholdChange {
            threshold: applied(&self.pipeline.active(), camera, region)?.reject_above,
            previous,
        })
    }

    fn set_in_recipe(
        &self,
        actor: &Actor,
        change: &mut ChangeState,
        recipe: &Arc<Recipe>,
        previous: &ThresholdPlace,
        (camera, region): (Option<&CameraId>, Option<&str>),
        threshold: Option<f32>,
    ) -> ControlResult<()> {
        // A region has one threshold for all of its cameras.
        let key = match (region, camera) {
            (Some(region), _) => ThresholdKey::Region(region.to_owned()),
            (None, Some(camera)) => ThresholdKey::Camera(camera.to_string()),
            (None, None) => ThresholdKey::General,
        };
        let shown = |value: Option<f32>| value.map_or_else(String::new, |value| value.to_string());
        let values = [ChangedValue {
            action: Action::Threshold,
            subject: format!("recipe {}: {}", recipe.id, previous.key),
            before: shown(previous.threshold),
            after: shown(threshold),
        }];
        let model = &self.pipeline.active().model;
        self.edit_active_recipe(actor, change, (recipe, model), &values, |text| {
            with_threshold(text, &key, threshold.map(decimal))
        })
    }

    fn set_in_configuration(
        &self,
        actor: &Actor,
        change: &mut ChangeState,
        previous: &ThresholdPlace,
        camera: Option<&CameraId>,
        threshold: Option<f32>,
    ) -> ControlResult<()> {
        let active = self.pipeline.active();
        let mut files = SettingsFiles::read(&self.sources, &active)?;
        let path: Vec<&str> = match camera {
            Some(camera) => vec!["cameras", camera.as_str()],
            None => vec!["verdict"],
        };
        let value = threshold.map(|one| decimal(one).into());
        let file = files.set(&path, "threshold", value)?;
        let next = files.validated(&self.sources, &active)?;
        let own = own_threshold(&next.loaded, camera);
        if own != threshold {
            let key = &previous.key;
            let found = own.map_or_else(|| "not set".to_owned(), |own| own.to_string());
            let text = format!(
                "{key} would still be {found}: an environment variable, or another file, sets it as well as {}",
                file.display()
            );
            return Err(ChangeError::Threshold(text));
        }
        self.apply_settings(actor, change, &next)
    }
}

/// The number with the digits that single precision has.
pub fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

/// Returns the thresholds that apply to a camera (without one, generally), or to a region of the active recipe. Without a
/// camera, a region is that of its first camera: a threshold that it does not set depends on the camera.
///
/// # Errors
/// When the active recipe does not have the region, or not for this camera.
pub fn applied(
    active: &Active,
    camera: Option<&CameraId>,
    region: Option<&str>,
) -> ControlResult<Thresholds> {
    let plans = PlanBuilder::new(&active.settings, active.model.threshold);
    let recipe = active.recipe.as_deref();
    let Some(name) = region else {
        return Ok(plans.plan(camera, recipe).general.thresholds);
    };
    let mut regions = recipe.iter().flat_map(|recipe| &recipe.regions);
    let own = regions.find(|region| region.name == name);
    let own = own.and_then(|region| region.cameras.as_ref()?.first());
    let plan = plans.plan(camera.or(own), recipe);
    let region = plan.regions.iter().find(|region| *region.name == *name);
    let region = region.ok_or_else(|| ChangeError::NoRegion(name.to_owned()))?;
    Ok(region.rule.thresholds)
}

fn place(
    active: &Active,
    camera: Option<&CameraId>,
    region: Option<&str>,
) -> ControlResult<ThresholdPlace> {
    let recipe = active.recipe.as_ref();
    if let Some(name) = region {
        let mut regions = recipe.iter().flat_map(|recipe| &recipe.regions);
        let region = regions.find(|region| region.name == *name);
        let region = region.ok_or_else(|| ChangeError::NoRegion(name.to_owned()))?;
        return Ok(ThresholdPlace {
            recipe: recipe.map(|recipe| recipe.id.clone()),
            key: format!("regions.{name}.threshold"),
            threshold: region.thresholds.threshold,
        });
    }
    let camera_key = camera.map(|id| format!("cameras.{id}.threshold"));
    Ok(match recipe {
        Some(recipe) => ThresholdPlace {
            recipe: Some(recipe.id.clone()),
            threshold: match camera {
                Some(id) => recipe
                    .cameras
                    .get(id)
                    .and_then(|own| own.thresholds.threshold),
                None => recipe.thresholds.threshold,
            },
            key: camera_key.unwrap_or_else(|| "threshold".to_owned()),
        },
        None => ThresholdPlace {
            recipe: None,
            threshold: own_threshold(&active.settings, camera),
            key: camera_key.unwrap_or_else(|| "verdict.threshold".to_owned()),
        },
    })
}

/// The configured threshold of a camera, or the general one.
fn own_threshold(settings: &Settings, camera: Option<&CameraId>) -> Option<f32> {
    match camera {
        Some(id) => settings.cameras.get(id)?.thresholds.threshold,
        None => settings.verdict.thresholds.threshold,
    }
}
