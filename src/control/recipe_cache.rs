//! Prepared recipes: read, checked against the cameras, with their models loaded.

use std::collections::VecDeque;
use std::sync::Arc;

use inspectd_core::bundle::Bundle;
use inspectd_core::id::{RecipeId, RecipeIdError};
use thiserror::Error;

use crate::config::settings::{Settings, Source};
use crate::pipeline::model::{Model, ModelError};
use crate::recipe::{Folder, FolderError, PlanBuilder, Recipe, RecipeError, UninspectedArea};

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
    /// It must be prepared before it can be used immediately.
    #[error("recipe {0} is not prepared; call PrepareRecipe first")]
    NotPrepared(RecipeId),
    /// The recipe id in the persisted state is not valid.
    #[error("journal.folder: state.toml: recipe: {0}")]
    PersistedId(#[from] RecipeIdError),
    /// No recipe was activated since the start.
    #[error("cannot roll back: no recipe was activated since the start")]
    NoPrevious,
}

/// A recipe with its model, loaded and warmed up.
#[derive(Clone, Debug)]
pub struct PreparedRecipe {
    /// The recipe.
    pub recipe: Arc<Recipe>,
    /// Its model.
    pub model: Arc<Model>,
}

/// Recipes that are prepared. Bounded: the least recently used one is dropped.
#[derive(Debug)]
pub struct RecipeCache {
    folder: Option<Folder>,
    limit: usize,
    prepared: VecDeque<PreparedRecipe>,
}

impl RecipeCache {
    /// A cache for the recipe folder of the settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            folder: settings.recipes.folder.clone().map(Folder::new),
            limit: settings.recipes.prepared_limit,
            prepared: VecDeque::new(),
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
        check(&recipe, settings)?;
        Ok(recipe)
    }

    /// Returns the prepared recipes.
    pub fn prepared(&self) -> impl Iterator<Item = &PreparedRecipe> {
        self.prepared.iter()
    }

    /// Returns the recipe if it is prepared for the present content of its file.
    ///
    /// # Errors
    /// When its file is not valid, or it is not prepared.
    pub fn find(&self, id: &RecipeId) -> Result<PreparedRecipe, RecipeRefusal> {
        let recipe = self.folder()?.read(id)?;
        let same = |prepared: &&PreparedRecipe| {
            prepared.recipe.id == *id && prepared.recipe.hash == recipe.hash
        };
        let prepared = self.prepared.iter().find(same).cloned();
        prepared.ok_or_else(|| RecipeRefusal::NotPrepared(id.clone()))
    }

    /// Prepares a recipe: reads it, and loads its model unless the same one is already loaded.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn prepare(
        &mut self,
        id: &RecipeId,
        settings: &Settings,
        loaded: &Arc<Model>,
    ) -> Result<PreparedRecipe, RecipeRefusal> {
        let recipe = self.read(id, settings)?;
        let failed = |source| RecipeRefusal::Model {
            id: id.clone(),
            source: Box::new(source),
        };
        let bundle = Bundle::open(&recipe.bundle).map_err(|error| failed(error.into()))?;
        let known = self.prepared.iter().map(|prepared| &prepared.model);
        let same = |model: &&Arc<Model>| model.manifest == *bundle.manifest();
        let model = match known.chain([loaded]).find(same) {
            Some(model) => Arc::clone(model),
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

    /// Adds a prepared recipe.
    pub fn keep(&mut self, prepared: PreparedRecipe) {
        self.prepared
            .retain(|other| other.recipe.id != prepared.recipe.id);
        self.prepared.push_back(prepared);
        while self.prepared.len() > self.limit {
            self.prepared.pop_front();
        }
    }
}

/// Checks that the recipe's cameras are configured and have the settings that it changes.
fn check(recipe: &Recipe, settings: &Settings) -> Result<(), RecipeRefusal> {
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
        let source = settings.cameras.get(id).map(|camera| &camera.source);
        let device = matches!(source, Some(Source::Device { .. }));
        if !device && (own.exposure_us.is_some() || own.gain.is_some()) {
            let fault = format!(
                "cameras.{id}: exposure_us and gain require a camera with source \"device\""
            );
            return Err(refused(fault));
        }
    }
    Ok(())
}

/// A recipe as the audit log records it.
pub(super) fn describe_recipe(recipe: &Recipe) -> String {
    format!("{} {} {}", recipe.id, recipe.version, recipe.hash)
}
