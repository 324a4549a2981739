//! The recipe that is active from the start, and the check of all recipes.

use std::sync::Arc;

use inspectd_core::id::RecipeId;

use crate::config::settings::Settings;
use crate::control::persisted_state::PersistedState;
use crate::control::recipe_cache::{RecipeCache, RecipeRefusal};
use crate::recipe::Recipe;

/// Returns the initial recipe: the one that was activated last, or else that of the settings. The daemon
/// does not start with a different one.
///
/// # Errors
/// When it is not usable.
pub(super) fn initial(
    settings: &Settings,
    state: &PersistedState,
) -> Result<Option<Arc<Recipe>>, RecipeRefusal> {
    let id = match &state.recipe {
        Some(none) if none.is_empty() => None,
        Some(id) => Some(id.parse::<RecipeId>()?),
        None => settings.recipes.active.clone(),
    };
    let Some(id) = id else { return Ok(None) };
    let recipe = RecipeCache::new(settings).read(&id, settings)?;
    Ok(Some(Arc::new(recipe)))
}

/// Checks that all recipes of the folder are valid and compatible with the cameras.
///
/// # Errors
/// The faults of the first recipe that is not.
pub(super) fn check_all(settings: &Settings) -> Result<(), RecipeRefusal> {
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
