//! What a line judges by from the start.

use std::sync::Arc;

use crate::config::settings::Settings;
use crate::control::persisted_state::State;
use crate::control::recipe_cache::{RecipeCache, RecipeRefusal};
use crate::recipe::Recipe;
use inspectd_core::id::RecipeId;

/// The recipe of the start: the one that was activated last, or that the settings name. A line never
/// starts with another one than it should.
///
/// # Errors
/// When it cannot be used.
pub(super) fn recipe(
    settings: &Settings,
    state: &State,
) -> Result<Option<Arc<Recipe>>, RecipeRefusal> {
    let id = match &state.recipe {
        Some(none) if none.is_empty() => None,
        Some(id) => Some(
            id.parse::<RecipeId>()
                .map_err(|error| RecipeRefusal::Remembered {
                    what: error.to_string(),
                })?,
        ),
        None => settings.recipes.active.clone(),
    };
    let Some(id) = id else { return Ok(None) };
    let recipe = RecipeCache::new(settings).read(&id, settings)?;
    Ok(Some(Arc::new(recipe)))
}

/// Whether all recipes of the folder are valid, and go with the cameras.
///
/// # Errors
/// What is wrong with the first that is not.
pub(super) fn check_recipes(settings: &Settings) -> Result<(), RecipeRefusal> {
    if settings.recipes.folder.is_none() {
        return match &settings.recipes.active {
            Some(_) => Err(RecipeRefusal::NoFolder),
            None => Ok(()),
        };
    }
    let recipe_cache = RecipeCache::new(settings);
    for listed in recipe_cache.folder()?.list()? {
        let id = listed.recipe?.id;
        recipe_cache.read(&id, settings)?;
    }
    match &settings.recipes.active {
        Some(id) => recipe_cache.read(id, settings).map(drop),
        None => Ok(()),
    }
}
