//! The recipe that is active from the start, and the check of all recipes.

use std::sync::Arc;

use inspectd_core::id::RecipeId;

use crate::alarm::{AlarmKind, Alarms};
use crate::config::settings::Settings;
use crate::control::persisted_state::PersistedState;
use crate::control::recipe_cache::{RecipeCache, RecipeRefusal};
use crate::recipe::Recipe;

/// Returns the initial recipe: the one that was activated last, with the content that it had then, or else that of
/// the settings. The daemon does not start with a different one.
///
/// # Errors
/// When it is not usable.
pub(super) fn initial(
    settings: &Settings,
    state: &PersistedState,
    alarms: &Alarms,
) -> Result<Option<Arc<Recipe>>, RecipeRefusal> {
    let id = match &state.recipe {
        Some(none) if none.is_empty() => None,
        Some(id) => Some(id.parse::<RecipeId>()?),
        None => settings.recipes.active.clone(),
    };
    let Some(id) = id else { return Ok(None) };
    let recipes = RecipeCache::new(settings);
    let Some(activated) = &state.activated else {
        return Ok(Some(Arc::new(recipes.read(&id, settings)?)));
    };
    let recipe = recipes.activated(&id, &activated.text, settings)?;
    if recipe.hash != activated.sha256 {
        return Err(RecipeRefusal::PersistedContent(id));
    }
    report_change(&recipes, &recipe, alarms);
    Ok(Some(Arc::new(recipe)))
}

/// Raises an alarm if the file of the active recipe has another content than when it was activated.
fn report_change(recipes: &RecipeCache, active: &Recipe, alarms: &Alarms) {
    let present = recipes.folder().map(|folder| folder.read(&active.id));
    let reason = match present {
        Ok(Ok(present)) if present.hash == active.hash => return,
        Ok(Ok(_)) => "it was edited".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let message = format!(
        "the file of the active recipe {} is not what was activated ({reason}); the activated content {} is used \
         until a recipe is activated",
        active.id, active.hash
    );
    alarms.raise(AlarmKind::RecipeChanged, "file", message);
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
