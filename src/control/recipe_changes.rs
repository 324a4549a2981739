//! Bringing recipes into force.

use std::sync::Arc;

use tracing::info;

use super::{ChangeError, ChangeState, Control, Earlier};
use crate::audit::Action;
use crate::control::actor::Actor;
use crate::control::recipe_cache::{Prepared, RecipeRefusal};
use crate::pipeline::Active;
use crate::pipeline::model::{Model, ModelError};
use crate::recipe::{Entry as Listed, Recipe};
use inspectd_core::bundle::Bundle;
use inspectd_core::id::RecipeId;

/// A recipe of the folder, and how far it is.
#[derive(Debug)]
pub struct RecipeState {
    /// What its file says, or what is wrong with it.
    pub listed: Listed,
    /// Its model is loaded and warm, for the file as it is now.
    pub prepared: bool,
    /// It is in force, as its file is now.
    pub active: bool,
}

impl Control {
    /// The recipes of the folder, by id.
    ///
    /// # Errors
    /// When there is no folder, or it cannot be listed.
    pub fn recipes(&self) -> Result<Vec<RecipeState>, ChangeError> {
        let change = self.change();
        let active = self.line.active();
        let listed = change
            .recipe_cache
            .folder()?
            .list()
            .map_err(RecipeRefusal::from)?;
        let same = |one: &Recipe, other: &Recipe| one.id == other.id && one.hash == other.hash;
        let state = |listed: Listed| {
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

    /// A recipe as its file is now.
    ///
    /// # Errors
    /// When there is none, or it is not valid.
    pub fn recipe(&self, id: &RecipeId) -> Result<Recipe, ChangeError> {
        let change = self.change();
        let recipe = change.recipe_cache.folder()?.read(id);
        Ok(recipe.map_err(RecipeRefusal::from)?)
    }

    /// Reads a recipe, and loads and warms its model, while the line goes on.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn prepare(&self, id: &RecipeId) -> Result<Arc<Recipe>, ChangeError> {
        let mut change = self.change();
        let active = self.line.active();
        let prepared = change
            .recipe_cache
            .prepare(id, &active.settings, &active.model)?;
        Ok(prepared.recipe)
    }

    /// Brings a recipe into force for all frames that are captured from now on; none if unset. One that
    /// is not prepared is prepared first.
    ///
    /// # Errors
    /// Everything that is wrong with it; the line goes on as before.
    pub fn activate(&self, actor: &Actor, id: Option<&RecipeId>) -> Result<(), ChangeError> {
        self.allowed(actor)?;
        let mut change = self.change();
        let active = self.line.active();
        let next = match id {
            None => None,
            Some(id) => Some(match change.recipe_cache.ready(id) {
                Err(RecipeRefusal::NotPrepared(_)) => {
                    change
                        .recipe_cache
                        .prepare(id, &active.settings, &active.model)?
                }
                ready => ready?,
            }),
        };
        self.bring(actor, &mut change, next)
    }

    /// As [`Self::activate`], for a recipe that is in force already, or prepared: it takes no longer
    /// than a moment.
    ///
    /// # Errors
    /// When it is neither.
    pub fn use_prepared(&self, actor: &Actor, id: &RecipeId) -> Result<(), ChangeError> {
        let in_force = |active: &Active| {
            active
                .recipe
                .as_ref()
                .is_some_and(|recipe| recipe.id == *id)
        };
        if in_force(&self.line.active()) {
            return Ok(());
        }
        self.allowed(actor)?;
        let mut change = self.change();
        if in_force(&self.line.active()) {
            return Ok(());
        }
        let next = change.recipe_cache.ready(id)?;
        self.bring(actor, &mut change, Some(next))
    }

    /// Brings into force what was before the recipe that is.
    ///
    /// # Errors
    /// When nothing was.
    pub fn roll_back(&self, actor: &Actor) -> Result<(), ChangeError> {
        self.allowed(actor)?;
        let mut change = self.change();
        let previous = change.previous.take().ok_or(RecipeRefusal::NoPrevious)?;
        let result = self.bring(actor, &mut change, previous.0.clone());
        if result.is_err() {
            change.previous = Some(previous);
        }
        result
    }

    fn bring(
        &self,
        actor: &Actor,
        change: &mut ChangeState,
        next: Option<Prepared>,
    ) -> Result<(), ChangeError> {
        let active = self.line.active();
        let before = active.recipe.clone();
        if next.as_ref().map(|next| &next.recipe.hash) == before.as_ref().map(|recipe| &recipe.hash)
        {
            return Ok(());
        }
        let (model, recipe) = match next {
            Some(Prepared { recipe, model }) => (model, Some(recipe)),
            None => (configured_model(&active)?, None),
        };
        let name =
            |recipe: Option<&Arc<Recipe>>| recipe.map_or_else(String::new, |recipe| told(recipe));
        let (from, to) = (name(before.as_ref()), name(recipe.as_ref()));
        self.record(actor, Action::Recipe, "recipe", &from, &to)?;
        let mut state = change.state.clone();
        state.recipe = Some(
            recipe
                .as_ref()
                .map_or_else(String::new, |recipe| recipe.id.to_string()),
        );
        self.state_file.write(&state)?;
        change.state = state;
        change.previous = Some(Earlier(before.map(|recipe| Prepared {
            recipe,
            model: Arc::clone(&active.model),
        })));
        if let Some(recipe) = &recipe {
            change.recipe_cache.keep(Prepared {
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
            self.line.clock().now().utc,
        );
        self.line.activate(next);
        info!(by = actor.name(), %from, %to, "recipe changed");
        self.cameras
            .apply(&self.line.active())
            .map_err(ChangeError::Camera)
    }
}

/// The model that holds where no recipe does.
fn configured_model(active: &Active) -> Result<Arc<Model>, ModelError> {
    let bundle = Bundle::open(&active.settings.model.bundle)?;
    if *bundle.manifest() == active.model.manifest {
        return Ok(Arc::clone(&active.model));
    }
    Ok(Arc::new(Model::load(&bundle, &active.settings.engine)?))
}

/// A recipe in the words of the audit log.
pub(super) fn told(recipe: &Recipe) -> String {
    format!("{} {} {}", recipe.id, recipe.version, recipe.hash)
}
