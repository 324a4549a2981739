//! Changes of values in the file of the active recipe, which is then activated again.

use std::sync::Arc;

use tracing::error;

use super::actor::Actor;
use super::error::ChangeError;
use super::recipe_files::RecipeText;
use super::{ChangeState, Control, ControlResult};
use crate::audit::{Action, AuditError};
use crate::pipeline::PreparedRecipe;
use crate::pipeline::model::Model;
use crate::recipe::Recipe;

/// A value that changes, as the audit log records it.
#[derive(Clone, Debug)]
pub(super) struct ChangedValue {
    pub(super) action: Action,
    pub(super) subject: String,
    pub(super) before: String,
    pub(super) after: String,
}

impl Control {
    /// Changes the text of the active recipe, writes its file, and activates it. `model` is used if the changed recipe names its
    /// bundle. If the recipe cannot be activated, the file gets its previous text.
    ///
    /// # Errors
    /// When the file is not what is active, would not be valid, or cannot be written, a camera does not take the new
    /// settings, or the change cannot be recorded. Nothing is then changed.
    pub(super) fn edit_active_recipe(
        &self,
        actor: &Actor,
        change: &mut ChangeState,
        (recipe, model): (&Arc<Recipe>, &Arc<Model>),
        values: &[ChangedValue],
        edit: impl FnOnce(&str) -> Result<String, String>,
    ) -> ControlResult<()> {
        let id = &recipe.id;
        let before = self.recipe_text(id, None)?;
        if before.text != *recipe.text {
            return Err(ChangeError::NotChanged(format!(
                "the file of recipe {id} is not what is active; activate it, or save what is active, first"
            )));
        }
        let text = edit(&before.text).map_err(ChangeError::NotChanged)?;
        if text == before.text {
            return Ok(());
        }
        self.check_recipe(id, &text)?;
        self.record_values(actor, values)?;
        if let Err(error) = self.write_recipe(actor, id, Some(&before), Some(&text)) {
            self.record_reverted(actor, values)?;
            return Err(error);
        }
        let active = self.pipeline.active();
        let prepared = self.recipe_cache.prepare(id, &active.settings, model);
        let activated = match prepared {
            Ok(prepared) => self.activate_prepared(actor, change, Some(prepared)),
            Err(refusal) => Err(refusal.into()),
        };
        if activated.is_err() {
            let text = RecipeText::new(text);
            let reverted = self
                .record_reverted(actor, values)
                .map_err(ChangeError::from);
            let reverted = reverted
                .and_then(|()| self.write_recipe(actor, id, Some(&text), Some(&before.text)));
            if let Err(error) = reverted {
                error!(%error, recipe = %id, "the file of the recipe has a value that is not active");
            }
            // Requests that name the recipe are judged by what is active.
            self.recipe_cache.keep(PreparedRecipe {
                recipe: Arc::clone(recipe),
                model: Arc::clone(&active.model),
            });
        }
        activated
    }

    fn record_values(&self, actor: &Actor, values: &[ChangedValue]) -> Result<(), AuditError> {
        values.iter().try_for_each(|value| {
            let ChangedValue {
                action,
                subject,
                before,
                after,
            } = value;
            self.record(actor, *action, subject, before, after)
        })
    }

    /// Records that recorded changes were not made.
    fn record_reverted(&self, actor: &Actor, values: &[ChangedValue]) -> Result<(), AuditError> {
        values.iter().try_for_each(|value| {
            let ChangedValue {
                action,
                subject,
                before,
                after,
            } = value;
            self.record(actor, *action, subject, after, before)
        })
    }
}
