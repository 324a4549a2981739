//! Preparing, activating and rolling back recipes.

use std::sync::Arc;

use inspectd_core::bundle::Bundle;
use inspectd_core::id::RecipeId;
use tracing::info;

use super::actor::Actor;
use super::error::ChangeError;
use super::recipe_cache::{PreparedRecipe, RecipeRefusal, describe_recipe};
use super::{ChangeState, Control, ControlResult, PreviousRecipe};
use crate::audit::Action;
use crate::pipeline::Active;
use crate::pipeline::model::{Model, ModelError};
use crate::recipe::{Recipe, RecipeFile as ListedRecipe};

/// A recipe of the folder, with its state.
#[derive(Debug)]
pub struct RecipeState {
    /// The content of its file, or what is wrong with it.
    pub listed: ListedRecipe,
    /// Whether it is prepared, for the present content of its file.
    pub prepared: bool,
    /// Whether it is active, with the present content of its file.
    pub active: bool,
}

impl Control {
    /// Returns the recipes of the folder, by id.
    ///
    /// # Errors
    /// When no folder is configured, or it cannot be listed.
    pub fn recipes(&self) -> ControlResult<Vec<RecipeState>> {
        let change = self.change.lock();
        let active = self.pipeline.active();
        let listed = change
            .recipe_cache
            .folder()?
            .list()
            .map_err(RecipeRefusal::from)?;
        let same = |one: &Recipe, other: &Recipe| one.id == other.id && one.hash == other.hash;
        let state = |listed: ListedRecipe| {
            let recipe = listed.recipe.as_ref().ok();
            let is = |other: &Recipe| recipe.is_some_and(|recipe| same(recipe, other));
            RecipeState {
                prepared: change
                    .recipe_cache
                    .prepared()
                    .any(|prepared| is(&prepared.recipe)),
                active: active.recipe.as_ref().is_some_and(|recipe| is(recipe)),
                listed,
            }
        };
        Ok(listed.into_iter().map(state).collect())
    }

    /// Reads a recipe from its file.
    ///
    /// # Errors
    /// When it is not found or not valid.
    pub fn recipe(&self, id: &RecipeId) -> ControlResult<Recipe> {
        let change = self.change.lock();
        let recipe = change.recipe_cache.folder()?.read(id);
        Ok(recipe.map_err(RecipeRefusal::from)?)
    }

    /// Prepares a recipe, while the pipeline runs: reads it, loads its model and warms it up.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn prepare(&self, id: &RecipeId) -> ControlResult<Arc<Recipe>> {
        let mut change = self.change.lock();
        let active = self.pipeline.active();
        let prepared = change
            .recipe_cache
            .prepare(id, &active.settings, &active.model)?;
        Ok(prepared.recipe)
    }

    /// Activates a recipe, or none if unset, for all frames that are captured from now on. Prepares it
    /// first if it is not prepared.
    ///
    /// # Errors
    /// Everything that is wrong with it; the pipeline continues unchanged.
    pub fn activate(&self, actor: &Actor, id: Option<&RecipeId>) -> ControlResult<()> {
        self.check_lock(actor)?;
        let mut change = self.change.lock();
        let active = self.pipeline.active();
        let next = match id {
            None => None,
            Some(id) => Some(match change.recipe_cache.find(id) {
                Err(RecipeRefusal::NotPrepared(_)) => {
                    change
                        .recipe_cache
                        .prepare(id, &active.settings, &active.model)?
                }
                found => found?,
            }),
        };
        self.activate_prepared(actor, &mut change, next)
    }

    /// Like [`Self::activate`], for a recipe that is already active or prepared. Does not load a model.
    ///
    /// # Errors
    /// When it is neither active nor prepared.
    pub fn use_prepared(&self, actor: &Actor, id: &RecipeId) -> ControlResult<()> {
        let is_active = |active: &Active| {
            active
                .recipe
                .as_ref()
                .is_some_and(|recipe| recipe.id == *id)
        };
        if is_active(&self.pipeline.active()) {
            return Ok(());
        }
        self.check_lock(actor)?;
        let mut change = self.change.lock();
        if is_active(&self.pipeline.active()) {
            return Ok(());
        }
        let next = change.recipe_cache.find(id)?;
        self.activate_prepared(actor, &mut change, Some(next))
    }

    /// Activates the recipe that was active before the present one.
    ///
    /// # Errors
    /// When no recipe was activated since the start.
    pub fn roll_back(&self, actor: &Actor) -> ControlResult<()> {
        self.check_lock(actor)?;
        let mut change = self.change.lock();
        let previous = change.previous.take().ok_or(RecipeRefusal::NoPrevious)?;
        let result = self.activate_prepared(actor, &mut change, previous.0.clone());
        if result.is_err() {
            change.previous = Some(previous);
        }
        result
    }

    fn activate_prepared(
        &self,
        actor: &Actor,
        change: &mut ChangeState,
        next: Option<PreparedRecipe>,
    ) -> ControlResult<()> {
        let active = self.pipeline.active();
        let before = active.recipe.clone();
        if next.as_ref().map(|next| &next.recipe.hash) == before.as_ref().map(|recipe| &recipe.hash)
        {
            return Ok(());
        }
        let (model, recipe) = match next {
            Some(PreparedRecipe { recipe, model }) => (model, Some(recipe)),
            None => (configured_model(&active)?, None),
        };
        let describe = |recipe: Option<&Arc<Recipe>>| {
            recipe.map_or_else(String::new, |recipe| describe_recipe(recipe))
        };
        let (from, to) = (describe(before.as_ref()), describe(recipe.as_ref()));
        self.record(actor, Action::Recipe, "recipe", &from, &to)?;
        self.save_recipe(change, recipe.as_deref())?;
        change.previous = Some(PreviousRecipe(before.map(|recipe| PreparedRecipe {
            recipe,
            model: Arc::clone(&active.model),
        })));
        if let Some(recipe) = &recipe {
            change.recipe_cache.keep(PreparedRecipe {
                recipe: Arc::clone(recipe),
                model: Arc::clone(&model),
            });
        }
        let hash = active.stamp.config_hash.clone();
        let next = Active::new(
            active.settings.clone(),
            hash,
            active.generation,
            model,
            recipe,
            self.clock.now().utc,
        );
        self.pipeline.activate(next);
        info!(by = actor.name(), %from, %to, "recipe changed");
        self.cameras
            .apply(&self.pipeline.active())
            .map_err(ChangeError::Camera)
    }

    /// Saves the active recipe for the next start.
    fn save_recipe(&self, change: &mut ChangeState, recipe: Option<&Recipe>) -> ControlResult<()> {
        let mut state = change.state.clone();
        state.recipe = Some(recipe.map_or_else(String::new, |recipe| recipe.id.to_string()));
        self.state_file.write(&state)?;
        change.state = state;
        Ok(())
    }
}

/// The model of the configuration, for when no recipe is active.
fn configured_model(active: &Active) -> Result<Arc<Model>, ModelError> {
    let bundle = Bundle::open(&active.settings.model.bundle)?;
    if *bundle.manifest() == active.model.manifest {
        return Ok(Arc::clone(&active.model));
    }
    Ok(Arc::new(Model::load(&bundle, &active.settings.engine)?))
}
