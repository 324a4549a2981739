//! Changes of the files of recipes. What is active does not change.

use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::id::RecipeId;

use super::actor::Actor;
use super::error::ChangeError;
use super::recipe_cache::{RecipeCache, RecipeRefusal, check_cameras};
use super::{Control, ControlResult};
use crate::audit::Action;
use crate::config::settings::Settings;
use crate::pipeline::model::ModelError;
use crate::recipe::{self, Edition, PlanBuilder, Recipe, RecipeError};

/// The text of a recipe's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeText {
    /// The text.
    pub text: String,
    /// Its SHA-256.
    pub sha256: String,
}

impl RecipeText {
    pub(super) fn new(text: String) -> Self {
        Self {
            sha256: sha256(text.as_bytes()),
            text,
        }
    }
}

impl Control {
    /// Returns the text of a recipe, or that of an edition.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    pub fn recipe_text(&self, id: &RecipeId, edition: Option<&str>) -> ControlResult<RecipeText> {
        let folder = self.recipe_cache.folder()?;
        let text = match edition {
            None => folder.read_text(id),
            Some(edition) => folder.edition_text(id, edition),
        };
        match text.map_err(|source| unreadable(id, source))? {
            Some(text) => Ok(RecipeText::new(text)),
            None => Err(absent(&self.recipe_cache, id, edition)?),
        }
    }

    /// Returns the editions of a recipe, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn recipe_editions(&self, id: &RecipeId) -> ControlResult<Vec<Edition>> {
        let folder = self.recipe_cache.folder()?;
        Ok(folder
            .editions(id)
            .map_err(|source| unreadable(id, source))?)
    }

    /// Checks a text of a recipe against the cameras and the manifest of its bundle. The model is not loaded.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check_recipe(&self, id: &RecipeId, text: &str) -> ControlResult<Recipe> {
        let settings = &self.pipeline.active().settings;
        let recipe = self.recipe_cache.activated(id, text, settings)?;
        check_bundle(&recipe, settings)?;
        Ok(recipe)
    }

    /// Checks a recipe of the folder as [`Self::check_recipe`] checks a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_listed_recipe(&self, recipe: &Recipe) -> ControlResult<()> {
        let settings = &self.pipeline.active().settings;
        check_cameras(recipe, settings)?;
        Ok(check_bundle(recipe, settings)?)
    }

    /// Writes the file of a recipe. `expected` is the SHA-256 of the text that the file has; none for a new file.
    ///
    /// # Errors
    /// Everything that is wrong with it, or when the file has another text.
    pub fn save_recipe_text(
        &self,
        actor: &Actor,
        id: &RecipeId,
        text: &str,
        expected: Option<&str>,
    ) -> ControlResult<Recipe> {
        self.check_lock(actor)?;
        let _change = self.change.lock();
        let present = self.recipe_cache.folder()?.read_text(id);
        let present = present.map_err(|source| unreadable(id, source))?;
        let present = present.map(RecipeText::new);
        if present.as_ref().map(|present| present.sha256.as_str()) != expected {
            return Err(ChangeError::Conflict(match present {
                None => format!("recipe {id} was removed"),
                Some(_) if expected.is_none() => format!("recipe {id} exists"),
                Some(_) => format!("recipe {id} was changed by someone else"),
            }));
        }
        let recipe = self.check_recipe(id, text)?;
        self.write_recipe(actor, id, present.as_ref(), Some(text))?;
        Ok(recipe)
    }

    /// Deletes the file of a recipe that is not active.
    ///
    /// # Errors
    /// When it is active or does not exist, or the file cannot be removed.
    pub fn delete_recipe(&self, actor: &Actor, id: &RecipeId) -> ControlResult<()> {
        self.check_lock(actor)?;
        let _change = self.change.lock();
        let present = self.recipe_text(id, None)?;
        let active = self.pipeline.active();
        if active
            .recipe
            .as_ref()
            .is_some_and(|recipe| recipe.id == *id)
        {
            return Err(RecipeRefusal::Active(id.clone()).into());
        }
        self.write_recipe(actor, id, Some(&present), None)
    }

    /// Records a change of the file of a recipe, and makes it. The caller holds the lock of changes.
    pub(super) fn write_recipe(
        &self,
        actor: &Actor,
        id: &RecipeId,
        before: Option<&RecipeText>,
        after: Option<&str>,
    ) -> ControlResult<()> {
        let subject = format!("file {id}.toml");
        let hash = |text: &str| format!("text {}", sha256(text.as_bytes()));
        let from = before.map_or_else(String::new, |before| hash(&before.text));
        let to = after.map_or_else(String::new, hash);
        self.record(actor, Action::Recipe, &subject, &from, &to)?;
        let folder = self.recipe_cache.folder()?;
        folder
            .replace(id, after, self.clock.now().utc)
            .map_err(|source| {
                let error = ChangeError::Write {
                    file: folder.file(id),
                    source,
                };
                match self.record(actor, Action::Recipe, &subject, &to, &from) {
                    Ok(()) => error,
                    Err(audit) => ChangeError::Audit(audit),
                }
            })
    }
}

fn unreadable(id: &RecipeId, source: std::io::Error) -> RecipeRefusal {
    RecipeRefusal::Recipe(RecipeError::Unreadable {
        file: format!("{id}.toml").into(),
        source,
    })
}

fn absent(
    cache: &RecipeCache,
    id: &RecipeId,
    edition: Option<&str>,
) -> Result<ChangeError, RecipeRefusal> {
    let folder = cache.folder()?.path().to_owned();
    let id = id.clone();
    Ok(ChangeError::Recipe(match edition {
        None => RecipeRefusal::Recipe(RecipeError::Absent { folder, id }),
        Some(edition) => RecipeRefusal::NoEdition {
            id,
            edition: edition.to_owned(),
        },
    }))
}

/// Checks that the recipe's bundle has a manifest, and that a defect can be found in every region.
fn check_bundle(recipe: &Recipe, settings: &Settings) -> Result<(), RecipeRefusal> {
    let precisions = settings.engine.graph_precisions();
    let manifest = Bundle::read_manifest_in(&recipe.bundle, precisions).map_err(|error| {
        RecipeRefusal::Model {
            id: recipe.id.clone(),
            source: Box::new(ModelError::from(error)),
        }
    })?;
    let plans = PlanBuilder::new(settings, manifest.threshold.value);
    let inspected = plans.check_inspected(recipe, manifest.map_size());
    inspected.map_err(|source| RecipeRefusal::NothingInspected {
        id: recipe.id.clone(),
        source,
    })
}

/// The faults of a text of a recipe, each with the key and line that it is about.
pub fn located_faults(error: &ChangeError) -> Vec<LocatedFault> {
    match error {
        ChangeError::Recipe(RecipeRefusal::Recipe(RecipeError::Invalid { faults, .. })) => {
            faults.iter().map(LocatedFault::of).collect()
        }
        ChangeError::Recipe(RecipeRefusal::Model { .. }) => vec![LocatedFault {
            line: None,
            key: "bundle".to_owned(),
            message: error.to_string(),
        }],
        _ => error
            .faults()
            .into_iter()
            .map(LocatedFault::general)
            .collect(),
    }
}

/// A fault and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedFault {
    /// The line, from 1; none if it is not known.
    pub line: Option<u32>,
    /// The key; empty if it is not known.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl LocatedFault {
    fn general(message: String) -> Self {
        Self {
            line: None,
            key: String::new(),
            message,
        }
    }

    fn of(fault: &recipe::Fault) -> Self {
        let message = fault.to_string();
        // The place is `FILE:LINE`; the file is the one that is edited.
        let place = fault.place();
        let line = place
            .rsplit_once(':')
            .and_then(|(_, line)| line.parse().ok());
        let text = message.strip_prefix(place).unwrap_or(&message);
        Self {
            line,
            key: fault.key().unwrap_or_default().to_owned(),
            message: text.trim_start_matches([':', ' ']).to_owned(),
        }
    }
}
