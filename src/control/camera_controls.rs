//! Changes of a camera's exposure and gain in the file that sets them, applied at once.

use std::fmt::Display;
use std::sync::Arc;

use inspectd_core::id::{CameraId, RecipeId};
use toml_edit::Value;

use super::actor::Actor;
use super::error::ChangeError;
use super::recipe_values::ChangedValue;
use super::settings_file::SettingsFiles;
use super::{ChangeState, Control, ControlResult};
use crate::audit::Action;
use crate::config::Settings;
use crate::config::settings::{Camera, Source};
use crate::recipe::draft::with_controls;
use crate::recipe::{CameraRecipe, Recipe};

/// Exposure and gain of a camera. An unset one is the camera's own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CameraControls {
    /// Exposure, microseconds.
    pub exposure_us: Option<u32>,
    /// Gain, in units of the driver.
    pub gain: Option<f64>,
}

/// New exposure and gain of a camera. None: the present value is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NewControls {
    /// The exposure in microseconds, or the camera's own.
    pub exposure_us: Option<Option<u32>>,
    /// The gain in units of the driver, or the camera's own.
    pub gain: Option<Option<f64>>,
}

/// Exposure and gain that were changed.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlsChange {
    /// The recipe that was changed; none for the configuration.
    pub recipe: Option<RecipeId>,
    /// The values before.
    pub previous: CameraControls,
    /// The values now.
    pub present: CameraControls,
}

impl Control {
    /// Changes exposure and gain of a camera, and opens it again with them. A paused camera has them when it is resumed.
    ///
    /// # Errors
    /// When the camera is not configured, has another source than `device` or refuses the values, the file would not be valid, does not
    /// decide them or cannot be written, or the change cannot be recorded. Nothing is then changed.
    pub fn set_camera_controls(
        &self,
        actor: &Actor,
        camera: &CameraId,
        new: NewControls,
    ) -> ControlResult<ControlsChange> {
        self.check_lock(actor)?;
        let mut change = self.change.lock();
        let active = self.pipeline.active();
        let configured = configured(&active.settings, camera)?;
        let previous = of_camera(camera, &active.camera(camera))?;
        let controls = CameraControls {
            exposure_us: new.exposure_us.unwrap_or(previous.exposure_us),
            gain: new.gain.unwrap_or(previous.gain),
        };
        let recipe = active.recipe.as_ref();
        let own = recipe.and_then(|recipe| Some((recipe, recipe.cameras.get(camera)?)));
        let own = own.filter(|(_, own)| own.exposure_us.is_some() || own.gain.is_some());
        match own {
            Some((recipe, own)) => {
                let next = CameraControls {
                    exposure_us: recipe_value(
                        recipe,
                        camera,
                        "exposure_us",
                        [
                            own.exposure_us,
                            configured.exposure_us,
                            controls.exposure_us,
                        ],
                    )?,
                    gain: recipe_value(
                        recipe,
                        camera,
                        "gain",
                        [own.gain, configured.gain, controls.gain],
                    )?,
                };
                self.set_controls_in_recipe(actor, &mut change, recipe, (camera, own), next)?;
            }
            None => self.set_controls_in_configuration(actor, &mut change, camera, new)?,
        }
        Ok(ControlsChange {
            recipe: own.map(|(recipe, _)| recipe.id.clone()),
            previous,
            present: controls,
        })
    }

    fn set_controls_in_recipe(
        &self,
        actor: &Actor,
        change: &mut ChangeState,
        recipe: &Arc<Recipe>,
        (camera, own): (&CameraId, &CameraRecipe),
        next: CameraControls,
    ) -> ControlResult<()> {
        let CameraControls { exposure_us, gain } = next;
        let values = [
            changed_value(recipe, camera, "exposure_us", own.exposure_us, exposure_us),
            changed_value(recipe, camera, "gain", own.gain, gain),
        ];
        let values: Vec<ChangedValue> = values.into_iter().flatten().collect();
        let model = &self.pipeline.active().model;
        self.edit_active_recipe(actor, change, (recipe, model), &values, |text| {
            with_controls(text, camera.as_str(), exposure_us, gain)
        })
    }

    fn set_controls_in_configuration(
        &self,
        actor: &Actor,
        change: &mut ChangeState,
        camera: &CameraId,
        new: NewControls,
    ) -> ControlResult<()> {
        let active = self.pipeline.active();
        let mut files = SettingsFiles::read(&self.sources, &active)?;
        let path = ["cameras", camera.as_str()];
        let exposure = new.exposure_us.map(|exposure| {
            let value = exposure.map(|exposure| Value::from(i64::from(exposure)));
            let file = files.set(&path, "exposure_us", value);
            file.map(|file| (file, exposure))
        });
        let exposure = exposure.transpose()?;
        let gain = new.gain.map(|gain| {
            let file = files.set(&path, "gain", gain.map(Value::from));
            file.map(|file| (file, gain))
        });
        let gain = gain.transpose()?;
        let next = files.validated(&self.sources, &active)?;
        let own = configured(&next.loaded, camera)?;
        let exposure = exposure.filter(|(_, exposure)| own.exposure_us != *exposure);
        let gain = gain.filter(|(_, gain)| own.gain != *gain);
        let (key, found, file) = if let Some((file, _)) = exposure {
            ("exposure_us", shown(own.exposure_us), file)
        } else if let Some((file, _)) = gain {
            ("gain", shown(own.gain), file)
        } else {
            return self.apply_settings(actor, change, &next);
        };
        let found = if found.is_empty() { "not set" } else { &found };
        Err(ChangeError::NotChanged(format!(
            "cameras.{camera}.{key} would still be {found}: an environment variable, or another file, sets it as well \
             as {}",
            file.display()
        )))
    }
}

/// The configured exposure and gain of a camera.
fn configured(settings: &Settings, camera: &CameraId) -> ControlResult<CameraControls> {
    let absent = || ChangeError::NoCamera(camera.clone());
    let settings = settings.cameras.get(camera).ok_or_else(absent)?;
    of_camera(camera, settings)
}

fn of_camera(id: &CameraId, camera: &Camera) -> ControlResult<CameraControls> {
    match &camera.source {
        Source::Device { controls, .. } => Ok(CameraControls {
            exposure_us: controls.exposure_us,
            gain: controls.gain,
        }),
        source => Err(ChangeError::NotChanged(format!(
            "camera {id} has the source {:?}; only \"device\" has exposure and gain",
            source.name()
        ))),
    }
}

/// The value of a key of the recipe, by the recipe's own value, the configured and the requested one. A key that the recipe
/// does not set stays unset where the configuration has the value.
fn recipe_value<T: Copy + Display + PartialEq>(
    recipe: &Recipe,
    camera: &CameraId,
    key: &str,
    [own, configured, requested]: [Option<T>; 3],
) -> ControlResult<Option<T>> {
    match (own, configured, requested) {
        (None, Some(value), None) => {
            let recipe = &recipe.id;
            Err(ChangeError::NotChanged(format!(
                "cameras.{camera}.{key} would still be {value}: the configuration sets it, and not recipe {recipe}"
            )))
        }
        (None, _, _) if configured == requested => Ok(None),
        _ => Ok(requested),
    }
}

/// A value of the recipe that changes; none if it stays.
fn changed_value<T: Display + PartialEq>(
    recipe: &Recipe,
    camera: &CameraId,
    key: &str,
    before: Option<T>,
    after: Option<T>,
) -> Option<ChangedValue> {
    let changes = before != after;
    changes.then(|| ChangedValue {
        action: Action::Recipe,
        subject: format!("recipe {}: cameras.{camera}.{key}", recipe.id),
        before: shown(before),
        after: shown(after),
    })
}

fn shown<T: Display>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
