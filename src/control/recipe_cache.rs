//! Prepared recipes: read, checked against the cameras, with their models loaded.

use std::collections::VecDeque;
use std::sync::Arc;

use inspectd_core::bundle::Bundle;
use inspectd_core::id::{RecipeId, RecipeIdError};
use parking_lot::Mutex;
use thiserror::Error;

use crate::config::settings::{Controls, Settings, Source};
use crate::pipeline::PreparedRecipe;
use crate::pipeline::model::{Model, ModelError};
use crate::recipe::{self, Folder, FolderError, PlanBuilder, Recipe, RecipeError, UninspectedArea};

/// Why a recipe is not usable.
#[derive(Debug, Error)]
pub enum RecipeRefusal {
    /// No recipe folder is configured.
    #[error("recipes.folder is not set")]
    NoFolder,
    /// The folder cannot be listed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The recipe is not valid or not found.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The model of its bundle is not usable.
    #[error("recipe {id}: bundle: {source}")]
    Model {
        /// The recipe.
        id: RecipeId,
        /// The reason.
        source: Box<ModelError>,
    },
    /// It names a camera that is not configured, or a setting that the camera does not have.
    #[error("recipe {id}: {fault}")]
    Camera {
        /// The recipe.
        id: RecipeId,
        /// What is wrong.
        fault: String,
    },
    /// A region, or the whole frame, cannot be rejected.
    #[error("recipe {id}: {source}")]
    NothingInspected {
        /// The recipe.
        id: RecipeId,
        /// The area.
        source: UninspectedArea,
    },
    /// The active recipe cannot be released.
    #[error("recipe {0} is active: it judges the cameras; activate another one, or none, first")]
    ActiveNotReleased(RecipeId),
    /// It must be prepared before it can be used immediately.
    #[error("recipe {0} is not prepared; call PrepareRecipe first")]
    NotPrepared(RecipeId),
    /// Another content of it is prepared.
    #[error(
        "recipe {id} is prepared with the content {prepared}, not {requested}; call PrepareRecipe first"
    )]
    OtherContent {
        /// The recipe.
        id: RecipeId,
        /// SHA-256 of the prepared content.
        prepared: String,
        /// SHA-256 of the requested content.
        requested: String,
    },
    /// The recipe id in the persisted state is not valid.
    #[error("journal.folder: state.toml: recipe: {0}")]
    PersistedId(#[from] RecipeIdError),
    /// The recipe in the persisted state is not the one that was activated.
    #[error(
        "journal.folder: state.toml: activated.text does not have the SHA-256 of recipe {0} as it was activated: the file was edited; to start with recipes.active instead, remove recipe and [activated] from it"
    )]
    PersistedContent(RecipeId),
    /// The active recipe cannot be deleted.
    #[error("recipe {0} is active; activate another one, or none, before it is deleted")]
    Active(RecipeId),
    /// The recipe does not have this edition.
    #[error("recipe {id} has no edition {edition}")]
    NoEdition {
        /// The recipe.
        id: RecipeId,
        /// The requested edition.
        edition: String,
    },
    /// No recipe was activated since the start.
    #[error("cannot roll back: no recipe was activated since the start")]
    NoPrevious,
}

/// Recipes that are prepared. Bounded: the least recently used one is dropped. No lock is held while a file is read
/// or a model is loaded.
#[derive(Debug)]
pub struct RecipeCache {
    folder: Option<Folder>,
    limit: usize,
    prepared: Mutex<VecDeque<PreparedRecipe>>,
}

impl RecipeCache {
    /// A cache for the recipe folder of the settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            folder: settings.recipes.folder.clone().map(Folder::new),
            limit: settings.recipes.prepared_limit,
            prepared: Mutex::default(),
        }
    }

    /// Returns the recipe folder.
    ///
    /// # Errors
    /// When none is configured.
    pub fn folder(&self) -> Result<&Folder, RecipeRefusal> {
        self.folder.as_ref().ok_or(RecipeRefusal::NoFolder)
    }

    /// Reads a recipe from its file and checks it against the cameras.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(&self, id: &RecipeId, settings: &Settings) -> Result<Recipe, RecipeRefusal> {
        let recipe = self.folder()?.read(id)?;
        check_cameras(&recipe, settings)?;
        Ok(recipe)
    }

    /// Returns the recipe as it was activated: `text` is the text of its file at that time. The file may have changed
    /// since.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn activated(
        &self,
        id: &RecipeId,
        text: &str,
        settings: &Settings,
    ) -> Result<Recipe, RecipeRefusal> {
        let recipe = recipe::parse(id, &self.folder()?.file(id), text)?;
        check_cameras(&recipe, settings)?;
        Ok(recipe)
    }

    /// Returns the prepared recipes.
    pub fn prepared(&self) -> Vec<PreparedRecipe> {
        self.prepared.lock().iter().cloned().collect()
    }

    /// Returns the prepared recipe that `matches`, which then counts as used.
    pub fn find(&self, matches: impl Fn(&Recipe) -> bool) -> Option<PreparedRecipe> {
        let mut prepared = self.prepared.lock();
        let position = prepared
            .iter()
            .position(|prepared| matches(&prepared.recipe))?;
        let found = prepared.remove(position)?;
        prepared.push_back(found.clone());
        Some(found)
    }

    /// Prepares a recipe: reads it, and loads its model unless the same one is already loaded.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn prepare(
        &self,
        id: &RecipeId,
        settings: &Settings,
        loaded: &Arc<Model>,
    ) -> Result<PreparedRecipe, RecipeRefusal> {
        let recipe = self.read(id, settings)?;
        let failed = |source| RecipeRefusal::Model {
            id: id.clone(),
            source: Box::new(source),
        };
        let bundle = Bundle::open_in(&recipe.bundle, settings.engine.graph_precisions())
            .map_err(|error| failed(error.into()))?;
        let known = self.prepared().into_iter().map(|prepared| prepared.model);
        let same = |model: &Arc<Model>| model.manifest == *bundle.manifest();
        let model = match known.chain([Arc::clone(loaded)]).find(same) {
            Some(model) => model,
            None => Arc::new(Model::load(&bundle, &settings.engine).map_err(failed)?),
        };
        PlanBuilder::new(settings, model.threshold)
            .check_inspected(&recipe, model.map_size)
            .map_err(|source| RecipeRefusal::NothingInspected {
                id: id.clone(),
                source,
            })?;
        let prepared = PreparedRecipe {
            recipe: Arc::new(recipe),
            model,
        };
        self.keep(prepared.clone());
        Ok(prepared)
    }

    /// Returns the maximum number of prepared recipes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Removes a prepared recipe, and returns it.
    pub fn release(&self, id: &RecipeId) -> Option<PreparedRecipe> {
        let mut prepared = self.prepared.lock();
        let position = prepared
            .iter()
            .position(|prepared| prepared.recipe.id == *id)?;
        prepared.remove(position)
    }

    /// Adds a prepared recipe, in place of an earlier content of it.
    pub fn keep(&self, added: PreparedRecipe) {
        let mut prepared = self.prepared.lock();
        prepared.retain(|other| other.recipe.id != added.recipe.id);
        prepared.push_back(added);
        while prepared.len() > self.limit {
            prepared.pop_front();
        }
    }
}

/// Checks that the recipe's cameras are configured and have the settings that it changes.
pub(super) fn check_cameras(recipe: &Recipe, settings: &Settings) -> Result<(), RecipeRefusal> {
    let refused = |fault: String| RecipeRefusal::Camera {
        id: recipe.id.clone(),
        fault,
    };
    for id in recipe.named_cameras() {
        if !settings.cameras.contains_key(id) {
            return Err(refused(format!("camera {id} is not configured")));
        }
    }
    for (id, own) in &recipe.cameras {
        let controls = match settings.cameras.get(id).map(|camera| &camera.source) {
            Some(Source::Device { controls, .. }) => *controls,
            _ => Controls::default(),
        };
        let keys = [
            (
                "exposure_us",
                own.exposure_us.is_some(),
                controls.exposure_us.is_some(),
            ),
            ("gain", own.gain.is_some(), controls.gain.is_some()),
        ];
        if let Some((key, ..)) = keys.iter().find(|(_, own, configured)| *own && !configured) {
            return Err(refused(format!(
                "cameras.{id}.{key}: set, must be left out unless the configuration sets cameras.{id}.{key} (only for \
                 source \"device\"): a device keeps the value, and recipes that do not set it would be judged with it"
            )));
        }
    }
    Ok(())
}

/// A recipe as the audit log records it.
pub(super) fn describe_recipe(recipe: &Recipe) -> String {
    format!("{} {} {}", recipe.id, recipe.version, recipe.hash)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    #[test]
    fn exposure_and_gain_of_a_recipe_require_a_configured_value() {
        let device = |id: &str, key: &str| {
            format!("[cameras.{id}]\nsource = \"device\"\ndevice = \"/dev/{id}\"\n{key}\n")
        };
        let cameras = [
            device("exposed", "exposure_us = 800"),
            device("amplified", "gain = 4"),
            "[cameras.rendered]\nsource = \"simulator\"\n".to_owned(),
        ];
        let text = format!("model.bundle = \"b\"\n{}", cameras.concat());
        let settings = parse(Path::new("inspectd.toml"), &text, &[])
            .expect("a configuration")
            .settings;
        let check = |camera: &str, key: &str, value: &str, allowed: bool| {
            let text = format!(
                "product = \"p\"\nversion = \"1\"\nbundle = \"b\"\n[cameras.{camera}]\n{key} = {value}\n"
            );
            let id = "bright".parse().expect("an id");
            let recipe = recipe::parse(&id, Path::new("bright.toml"), &text).expect("a recipe");
            let expected = format!(
                "recipe bright: cameras.{camera}.{key}: set, must be left out unless the configuration sets \
                 cameras.{camera}.{key} (only for source \"device\"): a device keeps the value, and recipes that do \
                 not set it would be judged with it"
            );
            let refused = super::check_cameras(&recipe, &settings).err();
            let refused = refused.map(|refusal| refusal.to_string());
            assert_eq!(refused, (!allowed).then_some(expected));
        };
        check("exposed", "exposure_us", "500", true);
        check("exposed", "gain", "2", false);
        check("amplified", "gain", "2", true);
        check("amplified", "exposure_us", "500", false);
        check("rendered", "exposure_us", "500", false);
        check("rendered", "threshold", "0.5", true);
    }
}
