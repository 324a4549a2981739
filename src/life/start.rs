//! What a line judges by from the start.

use std::sync::Arc;

use super::memory::State;
use super::recipes::{Kitchen, RecipeRefusal};
use crate::config::settings::Settings;
use crate::recipe::{Recipe, RecipeId};

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
    let recipe = Kitchen::new(settings).read(&id, settings)?;
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
    let kitchen = Kitchen::new(settings);
    for listed in kitchen.folder()?.list()? {
        let id = listed.recipe?.id;
        kitchen.read(&id, settings)?;
    }
    match &settings.recipes.active {
        Some(id) => kitchen.read(id, settings).map(drop),
        None => Ok(()),
    }
}
