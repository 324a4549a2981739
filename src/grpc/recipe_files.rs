//! Files of recipes: reading, checking, saving and deleting them.

use std::sync::Arc;

use inspectd_core::bundle::sha256;
use tonic::Status;

use super::blocking::blocking;
use super::proto::{
    self, DraftRecipeRequest, DraftRecipeResponse, GetRecipeRequest, GetRecipeResponse,
    ListRecipeEditionsResponse, RecipeEdition, RecipeFault, SaveRecipeRequest, SaveRecipeResponse,
};
use super::recipe_service::{faulty, recipe};
use super::service::GrpcService;
use super::{convert, fields, recipe_content, status};
use crate::control::actor::Actor;
use crate::control::recipe_files::{LocatedFault, located_faults};
use crate::recipe::LARGEST_RECIPE_BYTES;
use crate::recipe::draft::{Draft, new_text};

impl GrpcService {
    /// Reads a recipe and its text.
    pub(super) async fn read_recipe(
        &self,
        request: GetRecipeRequest,
    ) -> Result<GetRecipeResponse, Status> {
        let id = fields::recipe_id("id", &request.id)?;
        let edition = Some(request.edition).filter(|edition| !edition.is_empty());
        let control = Arc::clone(&self.control);
        let read = blocking(move || {
            let text = control.recipe_text(&id, edition.as_deref())?;
            let checked = control.check_recipe(&id, &text.text);
            let prepared = control.recipes()?.into_iter().find_map(|state| {
                let known = state.listed.recipe.ok()?;
                let same = checked
                    .as_ref()
                    .is_ok_and(|one| one.id == known.id && one.hash == known.hash);
                same.then_some((state.prepared, state.active))
            });
            let (prepared, active) = prepared.unwrap_or_default();
            let recipe = match &checked {
                Ok(checked) => recipe(checked, prepared, active),
                Err(error) => faulty(id.as_str(), error.faults()),
            };
            Ok((recipe, text))
        });
        let (recipe, text) = read.await?.map_err(|error| status::change(&error))?;
        Ok(GetRecipeResponse {
            recipe: Some(recipe),
            content: Draft::read(&text.text).map(recipe_content::to_proto),
            toml: text.text,
            text_sha256: text.sha256,
        })
    }

    /// Checks a text, and changes its content.
    pub(super) async fn draft(
        &self,
        request: DraftRecipeRequest,
    ) -> Result<DraftRecipeResponse, Status> {
        let id = fields::recipe_id("id", &request.id)?;
        fields::bounded("toml", request.toml.len(), LARGEST_RECIPE_BYTES as usize)?;
        let content = request.content.map(recipe_content::from_proto);
        let text = match (request.toml, &content) {
            (text, Some(_)) if text.is_empty() => new_text(&id),
            (text, _) => text,
        };
        let control = Arc::clone(&self.control);
        let drafted = blocking(move || {
            let text = match content.map(|content| content.write_to(&text)) {
                None => text,
                Some(Ok(text)) => text,
                Some(Err(reason)) => return Err(reason),
            };
            let checked = control.check_recipe(&id, &text);
            Ok((text, checked))
        });
        let (text, checked) = drafted
            .await?
            .map_err(|reason| status::invalid("toml", format!("must be TOML: {reason}")))?;
        Ok(DraftRecipeResponse {
            content: Draft::read(&text).map(recipe_content::to_proto),
            toml: text,
            faults: match &checked {
                Ok(_) => Vec::new(),
                Err(error) => located_faults(error).into_iter().map(fault).collect(),
            },
            sha256: checked.map_or_else(|_| String::new(), |recipe| recipe.hash),
        })
    }

    /// Saves the text of a recipe.
    pub(super) async fn save_recipe_file(
        &self,
        actor: Actor,
        request: SaveRecipeRequest,
    ) -> Result<SaveRecipeResponse, Status> {
        let id = fields::recipe_id("id", &request.id)?;
        fields::bounded("toml", request.toml.len(), LARGEST_RECIPE_BYTES as usize)?;
        let expected = fields::sha256("expected_text_sha256", request.expected_text_sha256)?;
        let text_sha256 = sha256(request.toml.as_bytes());
        let control = Arc::clone(&self.control);
        let saved = blocking(move || {
            control.save_recipe_text(&actor, &id, &request.toml, expected.as_deref())
        });
        let saved = saved.await?.map_err(|error| status::change(&error))?;
        let active = self.active_hash() == Some(saved.hash.clone());
        Ok(SaveRecipeResponse {
            recipe: Some(recipe(&saved, active, active)),
            text_sha256,
        })
    }

    /// Deletes the file of a recipe.
    pub(super) async fn delete_recipe_file(&self, actor: Actor, id: &str) -> Result<(), Status> {
        let id = fields::recipe_id("id", id)?;
        let control = Arc::clone(&self.control);
        let deleted = blocking(move || control.delete_recipe(&actor, &id)).await?;
        deleted.map_err(|error| status::change(&error))
    }

    /// Lists the editions of a recipe.
    pub(super) async fn editions(&self, id: &str) -> Result<ListRecipeEditionsResponse, Status> {
        let id = fields::recipe_id("id", id)?;
        let control = Arc::clone(&self.control);
        let editions = blocking(move || control.recipe_editions(&id)).await?;
        let editions = editions
            .map_err(|error| status::change(&error))?
            .into_iter();
        let editions = editions.map(|edition| RecipeEdition {
            edition: edition.id,
            replace_time: Some(convert::timestamp(edition.replaced)),
            text_sha256: edition.text_sha256,
        });
        Ok(ListRecipeEditionsResponse {
            editions: editions.collect(),
        })
    }
}

fn fault(fault: LocatedFault) -> RecipeFault {
    proto::RecipeFault {
        line: fault.line.unwrap_or_default(),
        key: fault.key,
        message: fault.message,
    }
}
