//! Model components: recipes as clients of the edge agent of Lookout for Vision know them. They are started and stopped one by
//! one; none of them becomes active.
//!
//! The cache of prepared recipes is the only truth about what is running. This module adds what is in progress, and why a
//! start failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use inspectd_core::id::RecipeId;
use parking_lot::Mutex;
use tracing::{error, info};

pub use super::component::{
    Component, ComponentError, ComponentId, ComponentStatus, DEFAULT_COMPONENT,
};
use super::component::{Facts, Transition, in_progress, status, status_error};
use super::recipe_cache::RecipeRefusal;
use super::{ChangeError, Control, ControlResult};
use crate::pipeline::{Pipeline, PreparedRecipe, RequestedRecipe};
use crate::recipe::{Recipe, RecipeError};

/// The model components of the line.
#[derive(Debug)]
pub struct ModelComponents {
    control: Arc<Control>,
    pipeline: Arc<Pipeline>,
    transitions: Mutex<BTreeMap<RecipeId, Transition>>,
}

impl ModelComponents {
    /// The recipes of `control`.
    pub fn new(control: Arc<Control>, pipeline: Arc<Pipeline>) -> Self {
        Self {
            control,
            pipeline,
            transitions: Mutex::default(),
        }
    }

    /// Returns all components, the default one first, then by id. Files whose names are no ids are left out.
    ///
    /// # Errors
    /// When the folder of recipes cannot be listed.
    pub fn list(&self) -> ControlResult<Vec<Component>> {
        let listed = match self.control.recipes() {
            Err(ChangeError::Recipe(RecipeRefusal::NoFolder)) => Vec::new(),
            listed => listed?,
        };
        let mut files: BTreeMap<RecipeId, RecipeFile> = BTreeMap::new();
        for state in listed {
            let stem = state.listed.file.file_stem().unwrap_or_default();
            if let Some(id) = stem.to_str().and_then(|stem| stem.parse().ok()) {
                let recipe = state.listed.recipe.map_err(|error| error.to_string());
                files.insert(id, Some(recipe));
            }
        }
        // Recipes in use whose files were removed.
        for recipe in self.in_use() {
            files.entry(recipe.id.clone()).or_insert(None);
        }
        files.retain(|id, _| id.as_str() != DEFAULT_COMPONENT);
        let recipes = files.into_iter();
        let recipes = recipes.filter_map(|(id, file)| self.component(&id, file));
        Ok([self.default_component()]
            .into_iter()
            .chain(recipes)
            .collect())
    }

    /// Returns a component.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn describe(&self, id: &ComponentId) -> Result<Component, ComponentError> {
        let ComponentId::Recipe(recipe) = id else {
            return Ok(self.default_component());
        };
        let file = match self.control.recipe(recipe) {
            Ok(recipe) => Some(Ok(recipe)),
            Err(ChangeError::Recipe(
                RecipeRefusal::NoFolder | RecipeRefusal::Recipe(RecipeError::Absent { .. }),
            )) => None,
            Err(error) => Some(Err(error.to_string())),
        };
        let component = self.component(recipe, file);
        component.ok_or_else(|| ComponentError::NotFound(id.to_string()))
    }

    /// Begins to start a component; the returned work finishes it.
    ///
    /// # Errors
    /// When it does not exist, is neither stopped nor failed, or no further recipe can be prepared.
    pub fn start(self: &Arc<Self>, id: &ComponentId) -> Result<Loading, ComponentError> {
        use ComponentStatus::{Failed, Stopped};
        let component = self.describe(id)?;
        let needs = |component| status_error(component, "STOPPED or FAILED");
        let ComponentId::Recipe(recipe) = id else {
            return Err(match component.status {
                ComponentStatus::Running => needs(component),
                _ => ComponentError::Default,
            });
        };
        if !matches!(component.status, Stopped | Failed) {
            return Err(needs(component));
        }
        let (prepared, limit) = self.control.prepared_recipes();
        let mut transitions = self.transitions.lock();
        // Another call may have come first.
        if let Some(transition @ (Transition::Starting | Transition::Stopping)) =
            transitions.get(recipe)
        {
            let (status, message) = in_progress(transition);
            return Err(needs(Component {
                status,
                message,
                ..component
            }));
        }
        let starting = transitions
            .iter()
            .filter(|(_, transition)| **transition == Transition::Starting)
            .map(|(id, _)| id);
        let prepared = prepared.iter().map(|prepared| &prepared.recipe.id);
        let used: BTreeSet<&RecipeId> = prepared.chain(starting).collect();
        if used.len() >= limit {
            return Err(ComponentError::Full(used.len()));
        }
        transitions.insert(recipe.clone(), Transition::Starting);
        Ok(Loading {
            components: Arc::clone(self),
            id: recipe.clone(),
        })
    }

    /// Stops a component: releases its model.
    ///
    /// # Errors
    /// When it does not exist or is not running, or judges the cameras.
    pub fn stop(&self, id: &ComponentId) -> Result<(), ComponentError> {
        let component = self.describe(id)?;
        if component.status != ComponentStatus::Running {
            return Err(status_error(component, "RUNNING"));
        }
        let ComponentId::Recipe(recipe) = id else {
            return Err(ComponentError::Default);
        };
        self.transitions
            .lock()
            .insert(recipe.clone(), Transition::Stopping);
        let released = self.control.release(recipe);
        self.transitions.lock().remove(recipe);
        released?;
        info!(recipe = %recipe, "model component stopped");
        Ok(())
    }

    /// Returns the prepared recipe of a component; none for the default one.
    ///
    /// # Errors
    /// When it does not exist or is not running.
    pub fn running(&self, id: &ComponentId) -> Result<Option<PreparedRecipe>, ComponentError> {
        let ComponentId::Recipe(recipe) = id else {
            return Ok(None);
        };
        let requested = RequestedRecipe {
            id: recipe.clone(),
            sha256: None,
        };
        if let Ok(prepared) = self.control.prepared(&requested) {
            return Ok(Some(prepared));
        }
        Err(status_error(self.describe(id)?, "RUNNING"))
    }

    fn default_component(&self) -> Component {
        let active = self.pipeline.active();
        let (status, message) = match &active.recipe {
            None => (
                ComponentStatus::Running,
                "active: the model of the configuration judges the cameras".to_owned(),
            ),
            Some(recipe) => (
                ComponentStatus::Stopped,
                format!("recipe {} is active", recipe.id),
            ),
        };
        Component {
            id: ComponentId::Default,
            status,
            message,
        }
    }

    /// The recipes that judge: those that are prepared, then the active one.
    fn in_use(&self) -> Vec<Arc<Recipe>> {
        let (prepared, _) = self.control.prepared_recipes();
        let prepared = prepared.into_iter().map(|prepared| prepared.recipe);
        prepared
            .chain(self.pipeline.active().recipe.clone())
            .collect()
    }

    /// A recipe as a component; none if there is neither a file nor a prepared content.
    fn component(&self, id: &RecipeId, file: RecipeFile) -> Option<Component> {
        let active = self.pipeline.active().recipe.clone();
        let used = self.in_use().into_iter().find(|recipe| recipe.id == *id);
        let transition = self.transitions.lock().get(id).cloned();
        if file.is_none() && used.is_none() && transition.is_none() {
            return None;
        }
        let changed = match (&file, &used) {
            (Some(Ok(present)), Some(used)) => present.hash != used.hash,
            (Some(Err(_)) | None, Some(_)) => true,
            (_, None) => false,
        };
        let fault = match file {
            Some(Err(error)) => Some(error),
            Some(Ok(recipe)) if used.is_none() => {
                let checked = self.control.check_listed_recipe(&recipe);
                checked.err().map(|error| error.to_string())
            }
            _ => None,
        };
        let (status, message) = status(Facts {
            active: active.is_some_and(|active| active.id == *id),
            prepared: used.is_some(),
            changed,
            fault,
            transition,
        });
        Some(Component {
            id: ComponentId::Recipe(id.clone()),
            status,
            message,
        })
    }
}

/// The file of a recipe: its content, or what is wrong with it; none if there is no file.
type RecipeFile = Option<Result<Recipe, String>>;

/// A component that is being started.
#[derive(Debug)]
pub struct Loading {
    components: Arc<ModelComponents>,
    id: RecipeId,
}

impl Loading {
    /// Prepares the recipe. Takes as long as loading a model.
    pub fn finish(self) {
        let prepared = self.components.control.prepare(&self.id);
        let mut transitions = self.components.transitions.lock();
        match prepared {
            Ok(_) => {
                info!(recipe = %self.id, "model component started");
                transitions.remove(&self.id);
            }
            Err(error) => {
                error!(recipe = %self.id, %error, "a model component cannot be started");
                let failed = Transition::Failed(error.to_string());
                transitions.insert(self.id.clone(), failed);
            }
        }
    }
}

/// Work that was not finished has failed.
impl Drop for Loading {
    fn drop(&mut self) {
        let mut transitions = self.components.transitions.lock();
        if transitions.get(&self.id) == Some(&Transition::Starting) {
            let reason = "the thread that loaded the model failed".to_owned();
            transitions.insert(self.id.clone(), Transition::Failed(reason));
        }
    }
}
