//! `inspectd.v1.RecipeService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::auth::actor;
use super::blocking::blocking;
use super::proto::recipe_service_server::RecipeService;
use super::proto::{
    ActivateRecipeRequest, ActivateRecipeResponse, DeleteRecipeRequest, DeleteRecipeResponse,
    DraftRecipeRequest, DraftRecipeResponse, GetRecipeRequest, GetRecipeResponse,
    ListRecipeEditionsRequest, ListRecipeEditionsResponse, ListRecipesRequest, ListRecipesResponse,
    PrepareRecipeRequest, PrepareRecipeResponse, RollBackRecipeRequest, RollBackRecipeResponse,
    SaveRecipeRequest, SaveRecipeResponse,
};
use super::service::GrpcService;
use super::{fields, proto, status};
use crate::control::RecipeState;
use crate::recipe::Recipe;

#[tonic::async_trait]
impl RecipeService for GrpcService {
    async fn list_recipes(
        &self,
        _: Request<ListRecipesRequest>,
    ) -> Result<Response<ListRecipesResponse>, Status> {
        let control = Arc::clone(&self.control);
        let recipes = blocking(move || control.recipes()).await?;
        let recipes = recipes.map_err(|error| status::change(&error))?;
        let active = self.pipeline.active();
        let active = active.recipe.as_ref();
        Ok(Response::new(ListRecipesResponse {
            recipes: recipes.iter().map(state).collect(),
            active_id: active.map_or_else(String::new, |recipe| recipe.id.to_string()),
            active_sha256: active.map_or_else(String::new, |recipe| recipe.hash.clone()),
        }))
    }

    async fn prepare_recipe(
        &self,
        request: Request<PrepareRecipeRequest>,
    ) -> Result<Response<PrepareRecipeResponse>, Status> {
        let id = fields::recipe_id("id", &request.into_inner().id)?;
        let control = Arc::clone(&self.control);
        let prepared = blocking(move || control.prepare(&id)).await?;
        let prepared = prepared.map_err(|error| status::change(&error))?;
        let active = self.active_hash() == Some(prepared.hash.clone());
        Ok(Response::new(PrepareRecipeResponse {
            recipe: Some(recipe(&prepared, true, active)),
        }))
    }

    async fn activate_recipe(
        &self,
        request: Request<ActivateRecipeRequest>,
    ) -> Result<Response<ActivateRecipeResponse>, Status> {
        let actor = actor(&request);
        let id = match request.into_inner().id.as_str() {
            "" => None,
            id => Some(fields::recipe_id("id", id)?),
        };
        let control = Arc::clone(&self.control);
        let activated = blocking(move || control.activate(&actor, id.as_ref())).await?;
        activated.map_err(|error| status::change(&error))?;
        let recipe = self.active_recipe();
        Ok(Response::new(ActivateRecipeResponse { recipe }))
    }

    async fn roll_back_recipe(
        &self,
        request: Request<RollBackRecipeRequest>,
    ) -> Result<Response<RollBackRecipeResponse>, Status> {
        let actor = actor(&request);
        let control = Arc::clone(&self.control);
        let rolled_back = blocking(move || control.roll_back(&actor)).await?;
        rolled_back.map_err(|error| status::change(&error))?;
        let recipe = self.active_recipe();
        Ok(Response::new(RollBackRecipeResponse { recipe }))
    }

    async fn get_recipe(
        &self,
        request: Request<GetRecipeRequest>,
    ) -> Result<Response<GetRecipeResponse>, Status> {
        Ok(Response::new(self.read_recipe(request.into_inner()).await?))
    }

    async fn draft_recipe(
        &self,
        request: Request<DraftRecipeRequest>,
    ) -> Result<Response<DraftRecipeResponse>, Status> {
        Ok(Response::new(self.draft(request.into_inner()).await?))
    }

    async fn save_recipe(
        &self,
        request: Request<SaveRecipeRequest>,
    ) -> Result<Response<SaveRecipeResponse>, Status> {
        let actor = actor(&request);
        let saved = self.save_recipe_file(actor, request.into_inner()).await?;
        Ok(Response::new(saved))
    }

    async fn delete_recipe(
        &self,
        request: Request<DeleteRecipeRequest>,
    ) -> Result<Response<DeleteRecipeResponse>, Status> {
        let actor = actor(&request);
        let id = request.into_inner().id;
        self.delete_recipe_file(actor, &id).await?;
        Ok(Response::new(DeleteRecipeResponse {}))
    }

    async fn list_recipe_editions(
        &self,
        request: Request<ListRecipeEditionsRequest>,
    ) -> Result<Response<ListRecipeEditionsResponse>, Status> {
        let editions = self.editions(&request.into_inner().id).await?;
        Ok(Response::new(editions))
    }
}

impl GrpcService {
    pub(super) fn active_hash(&self) -> Option<String> {
        let active = self.pipeline.active();
        active.recipe.as_ref().map(|recipe| recipe.hash.clone())
    }

    fn active_recipe(&self) -> Option<proto::Recipe> {
        let active = self.pipeline.active();
        active
            .recipe
            .as_ref()
            .map(|active| recipe(active, true, true))
    }
}

pub(super) fn recipe(recipe: &Recipe, prepared: bool, active: bool) -> proto::Recipe {
    proto::Recipe {
        id: recipe.id.to_string(),
        product: recipe.product.clone(),
        version: recipe.version.clone(),
        sha256: recipe.hash.clone(),
        bundle: recipe.bundle.display().to_string(),
        regions: recipe
            .regions
            .iter()
            .map(|region| region.name.clone())
            .collect(),
        masks: recipe.ignore.iter().map(|mask| mask.name.clone()).collect(),
        prepared,
        active,
        faults: Vec::new(),
    }
}

fn state(state: &RecipeState) -> proto::Recipe {
    match &state.listed.recipe {
        Ok(valid) => recipe(valid, state.prepared, state.active),
        Err(error) => {
            let stem = state.listed.file.file_stem();
            let id = stem.unwrap_or_default().to_string_lossy();
            faulty(&id, error.faults())
        }
    }
}

/// A recipe with errors.
pub(super) fn faulty(id: &str, faults: Vec<String>) -> proto::Recipe {
    proto::Recipe {
        id: id.to_owned(),
        faults,
        ..proto::Recipe::default()
    }
}
