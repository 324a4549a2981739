//! Changes of a threshold in the file that sets it, applied at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inspectd_core::atomic_file;
use inspectd_core::decision::Thresholds;
use inspectd_core::id::{CameraId, RecipeId};
use tracing::error;

use super::actor::Actor;
use super::error::ChangeError;
use super::recipe_files::RecipeText;
use super::{ChangeState, Control, ControlResult};
use crate::audit::Action;
use crate::config::toml_text::TomlText;
use crate::config::{self, Settings};
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
        recipe: &Recipe,
        previous: &ThresholdPlace,
        (camera, region): (Option<&CameraId>, Option<&str>),
        threshold: Option<f32>,
    ) -> ControlResult<()> {
        let id = &recipe.id;
        let before = self.recipe_text(id, None)?;
        if before.text != *recipe.text {
            let text = format!(
                "the file of recipe {id} is not what is active; activate it, or save what is active, first"
            );
            return Err(ChangeError::Threshold(text));
        }
        // A region has one threshold for all of its cameras.
        let key = match (region, camera) {
            (Some(region), _) => ThresholdKey::Region(region.to_owned()),
            (None, Some(camera)) => ThresholdKey::Camera(camera.to_string()),
            (None, None) => ThresholdKey::General,
        };
        let text = with_threshold(&before.text, &key, threshold.map(decimal));
        let text = text.map_err(ChangeError::Threshold)?;
        self.check_recipe(id, &text)?;
        self.record_threshold(actor, previous, threshold)?;
        self.write_recipe(actor, id, Some(&before), Some(&text))?;
        let active = self.pipeline.active();
        let prepared = self
            .recipe_cache
            .prepare(id, &active.settings, &active.model);
        let activated = match prepared {
            Ok(prepared) => self.activate_prepared(actor, change, Some(prepared)),
            Err(refusal) => Err(refusal.into()),
        };
        if activated.is_err() {
            self.undo_recipe(actor, id, text, &before, previous, threshold);
        }
        activated
    }

    /// Writes the text of a recipe back whose threshold was changed, and records that.
    fn undo_recipe(
        &self,
        actor: &Actor,
        id: &RecipeId,
        text: String,
        before: &RecipeText,
        previous: &ThresholdPlace,
        threshold: Option<f32>,
    ) {
        let failed = ThresholdPlace {
            threshold,
            ..previous.clone()
        };
        let text = RecipeText::new(text);
        let undone = self
            .record_threshold(actor, &failed, previous.threshold)
            .and_then(|()| self.write_recipe(actor, id, Some(&text), Some(&before.text)));
        if let Err(error) = undone {
            error!(%error, recipe = %id, "the file of the recipe has a threshold that is not active");
        }
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
        let loaded = config::load(&self.sources)?;
        let pending = config::changes(&active.settings, &loaded.settings).live;
        if !pending.is_empty() {
            let keys = pending.join(", ");
            let text = format!(
                "the configuration has changes that are not active yet ({keys}); reload it first"
            );
            return Err(ChangeError::Threshold(text));
        }
        let path: Vec<&str> = match camera {
            Some(camera) => vec!["cameras", camera.as_str()],
            None => vec!["verdict"],
        };
        let main = loaded.files.first().cloned();
        let file = file_with(&loaded.files, &path).or(main);
        let file = file.ok_or_else(|| ChangeError::Threshold("there is no file".to_owned()))?;
        let before = read(&file)?;
        let mut text = TomlText::parse(&before).map_err(ChangeError::Threshold)?;
        text.set(&path, "threshold", threshold.map(|one| decimal(one).into()))
            .map_err(|path| ChangeError::Threshold(format!("{path} is not a table")))?;
        let text = text.to_string();
        let next = config::load_with(&self.sources, &file, &text)?.settings;
        let own = own_threshold(&next, camera);
        if own != threshold {
            let key = &previous.key;
            let found = own.map_or_else(|| "not set".to_owned(), |own| own.to_string());
            let text = format!(
                "{key} would still be {found}: an environment variable, or another file, sets it as well as {}",
                file.display()
            );
            return Err(ChangeError::Threshold(text));
        }
        let next = config::applied(&active.settings, &next);
        self.record_settings(actor, &active, &next, &active.model)?;
        if let Err(error) = write(&file, &text) {
            self.record_keys(actor, &next, &active.settings)?;
            return Err(error);
        }
        self.activate_settings(change, &active, next, Arc::clone(&active.model));
        Ok(())
    }

    fn record_threshold(
        &self,
        actor: &Actor,
        previous: &ThresholdPlace,
        threshold: Option<f32>,
    ) -> ControlResult<()> {
        let shown = |value: Option<f32>| value.map_or_else(String::new, |value| value.to_string());
        let subject = match &previous.recipe {
            Some(recipe) => format!("recipe {recipe}: {}", previous.key),
            None => previous.key.clone(),
        };
        let (before, after) = (shown(previous.threshold), shown(threshold));
        Ok(self.record(actor, Action::Threshold, &subject, &before, &after)?)
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

/// The last of the files that sets the threshold of the table at `path`: it decides.
fn file_with(files: &[PathBuf], path: &[&str]) -> Option<PathBuf> {
    let mut key = path.to_vec();
    key.push("threshold");
    let sets = |file: &&PathBuf| {
        let text = read(file).ok().and_then(|text| TomlText::parse(&text).ok());
        text.is_some_and(|text| text.has(&key))
    };
    files.iter().rev().find(sets).cloned()
}

fn read(file: &Path) -> ControlResult<String> {
    std::fs::read_to_string(file).map_err(|source| ChangeError::Write {
        file: file.to_owned(),
        source,
    })
}

fn write(file: &Path, text: &str) -> ControlResult<()> {
    atomic_file::rewrite(file, text).map_err(|source| ChangeError::Write {
        file: file.to_owned(),
        source,
    })
}
