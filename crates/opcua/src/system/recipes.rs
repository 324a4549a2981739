//! Recipes: the one that is prepared for a system, and the one that the line runs with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use inspectd_client::proto::{
    ActivateRecipeRequest, DeleteRecipeRequest, ListRecipesRequest, ListRecipesResponse,
    PrepareRecipeRequest, Recipe,
};
use inspectd_client::{Client, Code, Error};
use opcua::types::StatusCode;
use parking_lot::Mutex;

use super::status;
use crate::request::RecipeChoice;

/// A model is loaded by the preparation of its recipe.
const LOAD_TIMEOUT: Duration = Duration::from_mins(2);

/// A recipe that is prepared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The id.
    pub id: String,
    /// The version.
    pub version: String,
    /// The SHA-256 of its content.
    pub sha256: String,
}

impl From<Recipe> for Prepared {
    fn from(recipe: Recipe) -> Self {
        Self {
            id: recipe.id,
            version: recipe.version,
            sha256: recipe.sha256,
        }
    }
}

/// The recipes of the systems that are in ContinuousExecution. The daemon has one active recipe: two systems cannot run
/// continuously with different ones.
#[derive(Clone, Debug, Default)]
pub struct ContinuousRecipes(Arc<Mutex<BTreeMap<String, String>>>);

impl ContinuousRecipes {
    /// Enters the recipe of a system. Returns false if another system runs with another one.
    pub fn enter(&self, system: &str, recipe_id: &str) -> bool {
        let mut running = self.0.lock();
        let mut others = running.iter().filter(|(name, _)| *name != system);
        if others.any(|(_, id)| id != recipe_id) {
            return false;
        }
        running.insert(system.to_owned(), recipe_id.to_owned());
        true
    }

    /// Removes the recipe of a system.
    pub fn leave(&self, system: &str) {
        self.0.lock().remove(system);
    }
}

/// Returns the recipes of the daemon. `None` if it inspects without recipes.
pub async fn list(client: &Client) -> Result<Option<ListRecipesResponse>, Error> {
    let mut recipes = client.recipes();
    match client
        .answer(recipes.list_recipes(ListRecipesRequest {}))
        .await
    {
        Ok(list) => Ok(Some(list)),
        Err(Error::Refused(refusal)) if refusal.code == Code::FailedPrecondition => Ok(None),
        Err(error) => Err(error),
    }
}

/// Prepares a recipe, which must have the version and the content that the client names.
pub async fn prepare(client: &Client, choice: &RecipeChoice) -> Result<Prepared, StatusCode> {
    let mut recipes = client.recipes();
    let request = PrepareRecipeRequest {
        id: choice.id.clone(),
    };
    let call = recipes.prepare_recipe(request);
    let answer = client.answer_within(LOAD_TIMEOUT, call).await;
    let recipe = answer
        .map_err(|error| logged(&error, "recipe not prepared"))?
        .recipe;
    let recipe = recipe.ok_or(StatusCode::BadUnexpectedError)?;
    if !choice.is(&recipe.id, &recipe.version, &recipe.sha256) {
        return Err(StatusCode::BadNoMatch);
    }
    Ok(recipe.into())
}

/// Returns the recipe that a client names, which must have its version and its content now.
pub async fn named(client: &Client, choice: &RecipeChoice) -> Result<Prepared, StatusCode> {
    let listed = list(client).await;
    let listed = listed.map_err(|error| logged(&error, "recipes not listed"))?;
    find(listed.unwrap_or_default().recipes, choice)
}

fn find(recipes: Vec<Recipe>, choice: &RecipeChoice) -> Result<Prepared, StatusCode> {
    let mut same_id = recipes.into_iter().filter(|recipe| recipe.id == choice.id);
    let recipe = same_id.next().ok_or(StatusCode::BadNotFound)?;
    if choice.is(&recipe.id, &recipe.version, &recipe.sha256) {
        Ok(recipe.into())
    } else {
        Err(StatusCode::BadNoMatch)
    }
}

/// Makes a recipe the active one, unless it is. The content is the one that was prepared, or the call is refused.
pub async fn activate(client: &Client, prepared: &Prepared) -> Result<(), StatusCode> {
    let listed = list(client).await;
    let listed = listed.map_err(|error| logged(&error, "recipes not listed"))?;
    let listed = listed.unwrap_or_default();
    if listed.active_id == prepared.id && listed.active_sha256 == prepared.sha256 {
        return Ok(());
    }
    let mut found = listed
        .recipes
        .iter()
        .filter(|recipe| recipe.id == prepared.id);
    if !found.any(|recipe| recipe.sha256 == prepared.sha256) {
        // The file was changed or removed after the preparation.
        return Err(StatusCode::BadNoMatch);
    }
    let mut recipes = client.recipes();
    let request = ActivateRecipeRequest {
        id: prepared.id.clone(),
    };
    let call = recipes.activate_recipe(request);
    let answer = client.answer_within(LOAD_TIMEOUT, call).await;
    answer.map_err(|error| logged(&error, "recipe not activated"))?;
    Ok(())
}

/// Deletes the file of a recipe.
pub async fn remove(client: &Client, id: &str) -> Result<(), StatusCode> {
    let mut recipes = client.recipes();
    let call = recipes.delete_recipe(DeleteRecipeRequest { id: id.to_owned() });
    let answer = client.answer(call).await;
    answer.map_err(|error| logged(&error, "recipe not removed"))?;
    Ok(())
}

/// Logs an error of the daemon, of which the client gets only a code.
pub fn logged(error: &Error, what: &str) -> StatusCode {
    tracing::warn!(%error, "{what}");
    status::of_error(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_recipe_has_the_named_version_and_content() {
        let recipe = |id: &str, version: &str, sha256: &str| Recipe {
            id: id.to_owned(),
            version: version.to_owned(),
            sha256: sha256.to_owned(),
            ..Recipe::default()
        };
        let check = |id: &str, version: &str, sha256: &str, expected: Result<&str, StatusCode>| {
            let choice = RecipeChoice {
                id: id.to_owned(),
                version: version.to_owned(),
                sha256: sha256.to_owned(),
            };
            let recipes = vec![recipe("juice", "1", "aa"), recipe("water", "3", "bb")];
            let found = find(recipes, &choice).map(|found| found.sha256);
            assert_eq!(found, expected.map(str::to_owned), "{choice:?}");
        };
        check("water", "3", "", Ok("bb"));
        check("water", "", "bb", Ok("bb"));
        check("water", "2", "", Err(StatusCode::BadNoMatch));
        check("water", "3", "aa", Err(StatusCode::BadNoMatch));
        check("milk", "1", "", Err(StatusCode::BadNotFound));
    }

    #[test]
    fn systems_run_continuously_only_with_the_same_recipe() {
        let running = ContinuousRecipes::default();
        assert!(running.enter("a", "juice"));
        assert!(running.enter("b", "juice"));
        assert!(!running.enter("c", "milk"));
        // The system itself may change its recipe only after the others have left ContinuousExecution.
        assert!(!running.enter("a", "milk"));
        running.leave("b");
        assert!(running.enter("a", "milk"));
        assert!(!running.enter("b", "juice"));
    }
}
