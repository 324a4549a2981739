//! Recipes at work: read, made ready, brought into force, and taken back.

use std::collections::VecDeque;
use std::sync::Arc;

use thiserror::Error;

use crate::config::settings::{Settings, Source};
use crate::pipeline::model::{Model, ModelError};
use crate::recipe::{Folder, FolderError, Recipe, RecipeError};
use inspectd_core::bundle::Bundle;
use inspectd_core::id::RecipeId;

/// Why a recipe cannot be used.
#[derive(Debug, Error)]
pub enum RecipeRefusal {
    /// There is no folder of recipes.
    #[error("there are no recipes: recipes.folder is not set")]
    NoFolder,
    /// The folder cannot be listed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It is not valid, or not there.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Its model is not usable.
    #[error("recipe {id}: bundle: {source}")]
    Model {
        /// The recipe.
        id: RecipeId,
        /// Why not.
        source: Box<ModelError>,
    },
    /// It names a camera that there is not, or sets what the camera does not have.
    #[error("recipe {id}: {what}")]
    Camera {
        /// The recipe.
        id: RecipeId,
        /// What is wrong.
        what: String,
    },
    /// It is to be used at once, and is not prepared.
    #[error("recipe {0} is not prepared: PrepareRecipe loads its model beforehand")]
    NotPrepared(RecipeId),
    /// What was remembered is no recipe.
    #[error("journal.folder: state.toml: recipe: {what}")]
    Remembered {
        /// What is wrong.
        what: String,
    },
    /// Nothing was in force before.
    #[error("there is nothing to roll back to: no recipe was activated since the start")]
    NoPrevious,
}

/// A recipe with its model, loaded and warm.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The recipe.
    pub recipe: Arc<Recipe>,
    /// Its model.
    pub model: Arc<Model>,
}

/// Recipes that are ready to be used. Bounded: the one that was used longest ago makes room.
#[derive(Debug)]
pub struct RecipeCache {
    folder: Option<Folder>,
    limit: usize,
    prepared: VecDeque<Prepared>,
}

impl RecipeCache {
    /// The recipes of the settings' folder.
    pub fn new(settings: &Settings) -> Self {
        Self {
            folder: settings.recipes.folder.clone().map(Folder::new),
            limit: settings.recipes.prepared_limit,
            prepared: VecDeque::new(),
        }
    }

    /// The folder.
    ///
    /// # Errors
    /// When there is none.
    pub fn folder(&self) -> Result<&Folder, RecipeRefusal> {
        self.folder.as_ref().ok_or(RecipeRefusal::NoFolder)
    }

    /// A recipe that goes with the cameras, as its file is now.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(&self, id: &RecipeId, settings: &Settings) -> Result<Recipe, RecipeRefusal> {
        let recipe = self.folder()?.read(id)?;
        check(&recipe, settings)?;
        Ok(recipe)
    }

    /// The recipes that are ready.
    pub fn prepared(&self) -> impl Iterator<Item = &Prepared> {
        self.prepared.iter()
    }

    /// The recipe as its file is now, if it is ready.
    ///
    /// # Errors
    /// When its file is not valid, or it is not ready.
    pub fn ready(&self, id: &RecipeId) -> Result<Prepared, RecipeRefusal> {
        let recipe = self.folder()?.read(id)?;
        let same =
            |prepared: &&Prepared| prepared.recipe.id == *id && prepared.recipe.hash == recipe.hash;
        let prepared = self.prepared.iter().find(same).cloned();
        prepared.ok_or_else(|| RecipeRefusal::NotPrepared(id.clone()))
    }

    /// Makes a recipe ready: reads it, and loads its model unless one that is loaded is the same.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn prepare(
        &mut self,
        id: &RecipeId,
        settings: &Settings,
        loaded: &Arc<Model>,
    ) -> Result<Prepared, RecipeRefusal> {
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
        let prepared = Prepared {
            recipe: Arc::new(recipe),
            model,
        };
        self.keep(prepared.clone());
        Ok(prepared)
    }

    /// Keeps a recipe that is ready.
    pub fn keep(&mut self, prepared: Prepared) {
        self.prepared
            .retain(|other| other.recipe.id != prepared.recipe.id);
        self.prepared.push_back(prepared);
        while self.prepared.len() > self.limit {
            self.prepared.pop_front();
        }
    }
}

/// Whether the daemon has the cameras that the recipe names, and can set them so.
fn check(recipe: &Recipe, settings: &Settings) -> Result<(), RecipeRefusal> {
    let refused = |what: String| RecipeRefusal::Camera {
        id: recipe.id.clone(),
        what,
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
            let what = format!(
                "cameras.{id}: exposure_us and gain are for cameras with source \"device\" alone"
            );
            return Err(refused(what));
        }
    }
    Ok(())
}
