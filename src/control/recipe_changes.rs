//! Preparing, activating and rolling back recipes.

use std::sync::Arc;

use inspectd_core::bundle::Bundle;
use inspectd_core::id::{CameraId, RecipeId};
use tracing::{error, info, warn};

use super::actor::Actor;
use super::error::ChangeError;
use super::persisted_state::ActivatedRecipe;
use super::recipe_cache::{RecipeRefusal, describe_recipe};
use super::{ChangeState, Control, ControlResult, PreviousRecipe};
use crate::alarm::AlarmKind;
use crate::audit::Action;
use crate::pipeline::model::{Model, ModelError};
use crate::pipeline::{Active, PreparedRecipe, RequestedRecipe};
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
        let active = self.pipeline.active();
        let prepared = self.recipe_cache.prepared();
        let folder = self.recipe_cache.folder()?;
        let listed = folder.list().map_err(RecipeRefusal::from)?;
        let same = |one: &Recipe, other: &Recipe| one.id == other.id && one.hash == other.hash;
        let state = |listed: ListedRecipe| {
            let recipe = listed.recipe.as_ref().ok();
            let is = |other: &Recipe| recipe.is_some_and(|recipe| same(recipe, other));
            RecipeState {
                prepared: prepared.iter().any(|prepared| is(&prepared.recipe)),
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
        let recipe = self.recipe_cache.folder()?.read(id);
        Ok(recipe.map_err(RecipeRefusal::from)?)
    }

    /// Prepares a recipe, while the pipeline runs: reads it, loads its model and warms it up.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn prepare(&self, id: &RecipeId) -> ControlResult<Arc<Recipe>> {
        let _change = self.change.lock();
        let active = self.pipeline.active();
        let prepared = self
            .recipe_cache
            .prepare(id, &active.settings, &active.model)?;
        Ok(prepared.recipe)
    }

    /// Releases a prepared recipe and its model. Images that wait are still judged by it.
    ///
    /// # Errors
    /// When it is active or not prepared.
    pub fn release(&self, id: &RecipeId) -> ControlResult<()> {
        let active = self.pipeline.active();
        let is = |recipe: &Arc<Recipe>| recipe.id == *id;
        if active.recipe.as_ref().is_some_and(is) {
            return Err(RecipeRefusal::ActiveNotReleased(id.clone()).into());
        }
        let released = self.recipe_cache.release(id);
        let released = released.ok_or_else(|| RecipeRefusal::NotPrepared(id.clone()))?;
        active.forget_recipe(id);
        drop(released);
        Ok(())
    }

    /// Returns the prepared recipes, and how many there may be.
    pub fn prepared_recipes(&self) -> (Vec<PreparedRecipe>, usize) {
        (self.recipe_cache.prepared(), self.recipe_cache.limit())
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
        let next = id.map(|id| {
            let present = self.recipe_cache.folder()?.read(id)?;
            let same = |recipe: &Recipe| recipe.id == *id && recipe.hash == present.hash;
            match self.recipe_cache.find(same) {
                Some(prepared) => Ok(prepared),
                None => self
                    .recipe_cache
                    .prepare(id, &active.settings, &active.model),
            }
        });
        let next = next.transpose()?;
        self.activate_prepared(actor, &mut change, next)
    }

    /// Returns a recipe that was prepared or activated, whatever its file contains now. Does not wait for a change
    /// that is being made.
    ///
    /// # Errors
    /// When the requested content is not prepared.
    pub fn prepared(&self, requested: &RequestedRecipe) -> ControlResult<PreparedRecipe> {
        let id = &requested.id;
        let is = |recipe: &Recipe| requested.is(recipe.id.as_str(), &recipe.hash);
        if let Some(prepared) = self.recipe_cache.find(is) {
            return Ok(prepared);
        }
        let active = self.pipeline.active();
        if let Some(recipe) = active.recipe.as_ref().filter(|recipe| is(recipe)) {
            return Ok(PreparedRecipe {
                recipe: Arc::clone(recipe),
                model: Arc::clone(&active.model),
            });
        }
        let other = self.recipe_cache.find(|recipe| recipe.id == *id);
        Err(match (other, &requested.sha256) {
            (Some(other), Some(sha256)) => RecipeRefusal::OtherContent {
                id: id.clone(),
                prepared: other.recipe.hash.clone(),
                requested: sha256.clone(),
            },
            _ => RecipeRefusal::NotPrepared(id.clone()),
        })?
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

    pub(super) fn activate_prepared(
        &self,
        actor: &Actor,
        change: &mut ChangeState,
        next: Option<PreparedRecipe>,
    ) -> ControlResult<()> {
        let active = self.pipeline.active();
        let before = active.recipe.clone();
        if next.as_ref().map(|next| &next.recipe.hash) == before.as_ref().map(|recipe| &recipe.hash)
        {
            if let Some(active) = &next {
                self.save_unsaved(change, active)?;
            }
            // Its file has the content that is active.
            self.alarms.clear(AlarmKind::RecipeChanged, "file");
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
        let saved = recipe.clone().map(|recipe| PreparedRecipe {
            recipe,
            model: Arc::clone(&model),
        });
        let next = Active::new(
            active.settings.clone(),
            active.stamp.config_hash.clone(),
            active.generation,
            model,
            recipe,
            self.clock.now().utc,
        );
        self.record(actor, Action::Recipe, "recipe", &from, &to)?;
        let changing = self.cameras.changed(&active, &next);
        self.pipeline.settings_change(&changing);
        if let Err(error) = self
            .cameras
            .restart(&changing, &next)
            .map_err(ChangeError::Camera)
            .and_then(|()| self.save_recipe(change, saved.as_ref()))
        {
            error!(%error, recipe = %to, "the recipe is not activated");
            self.restore_cameras(&changing, &active);
            return Err(self.record_failure(actor, &to, &from, error));
        }
        change.previous = Some(PreviousRecipe(before.map(|recipe| PreparedRecipe {
            recipe,
            model: Arc::clone(&active.model),
        })));
        if let Some(saved) = saved {
            self.recipe_cache.keep(saved);
        }
        self.pipeline.activate(next);
        self.pipeline.settings_changed(&changing);
        for subject in ["file", "model"] {
            self.alarms.clear(AlarmKind::RecipeChanged, subject);
        }
        info!(by = actor.name(), %from, %to, "recipe changed");
        Ok(())
    }

    /// Gives the cameras their previous settings after a change that was not made.
    pub(super) fn restore_cameras(&self, changed: &[CameraId], active: &Active) {
        if let Err(error) = self.cameras.restart(changed, active) {
            // A camera that does not open reports its own fault until it does.
            warn!(%error, "a camera does not run again with its previous settings yet");
        }
        self.pipeline.settings_changed(changed);
    }

    /// Records that a recorded change was not made.
    fn record_failure(
        &self,
        actor: &Actor,
        from: &str,
        to: &str,
        error: ChangeError,
    ) -> ChangeError {
        match self.record(actor, Action::Recipe, "recipe", from, to) {
            Ok(()) => error,
            Err(audit) => ChangeError::Audit(audit),
        }
    }

    /// Saves the recipe that is active from the start, as it was activated: by `recipes.active`, or by version 0.1,
    /// which saved only its id. The next start uses this content, whatever its file then contains.
    pub fn save_initial_recipe(&self) {
        let mut change = self.change.lock();
        let active = self.pipeline.active();
        let Some(recipe) = active.recipe.clone() else {
            return;
        };
        let model = Arc::clone(&active.model);
        let prepared = PreparedRecipe { recipe, model };
        if let Err(error) = self.save_unsaved(&mut change, &prepared) {
            error!(%error, "the active recipe cannot be saved: the next start reads its file again");
        }
    }

    /// Saves the active recipe, unless this content of it is saved.
    fn save_unsaved(&self, change: &mut ChangeState, active: &PreparedRecipe) -> ControlResult<()> {
        let saved = change.state.activated.as_ref();
        if saved.is_some_and(|saved| saved.sha256 == active.recipe.hash) {
            return Ok(());
        }
        self.save_recipe(change, Some(active))
    }

    /// Saves the active recipe for the next start, with its text: the file may change before it is activated again.
    fn save_recipe(
        &self,
        change: &mut ChangeState,
        active: Option<&PreparedRecipe>,
    ) -> ControlResult<()> {
        let mut state = change.state.clone();
        let id = |prepared: &PreparedRecipe| prepared.recipe.id.to_string();
        state.recipe = Some(active.map_or_else(String::new, id));
        state.activated = active.map(|PreparedRecipe { recipe, model }| ActivatedRecipe {
            sha256: recipe.hash.clone(),
            model_sha256: model.id.sha256.clone(),
            text: recipe.text.to_string(),
        });
        self.state_file.write(&state)?;
        change.state = state;
        Ok(())
    }
}

/// The model of the configuration, for when no recipe is active.
fn configured_model(active: &Active) -> Result<Arc<Model>, ModelError> {
    let precisions = active.settings.engine.graph_precisions();
    let bundle = Bundle::open_in(&active.settings.model.bundle, precisions)?;
    if *bundle.manifest() == active.model.manifest {
        return Ok(Arc::clone(&active.model));
    }
    Ok(Arc::new(Model::load(&bundle, &active.settings.engine)?))
}
