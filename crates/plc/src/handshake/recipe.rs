//! The recipe that the PLC selects by its number.

use std::collections::BTreeMap;

use crate::map::{self, Named};

/// The state of the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipeState {
    /// No recipe is selected: the active one of the daemon applies.
    NotSelected,
    /// The selected recipe is active.
    Active,
    /// It is to be activated when no part is being inspected.
    Wanted,
    /// The daemon is activating it.
    Activating,
    /// The number has no recipe.
    Unknown,
    /// The daemon could not activate it.
    Failed,
    /// Another client has activated another recipe.
    Other,
}

impl RecipeState {
    /// Returns the value in the registers.
    pub fn named(self) -> Named {
        match self {
            Self::NotSelected => map::RECIPE_NOT_SELECTED,
            Self::Active => map::RECIPE_ACTIVE,
            Self::Wanted | Self::Activating => map::RECIPE_ACTIVATING,
            Self::Unknown => map::RECIPE_UNKNOWN,
            Self::Failed => map::RECIPE_FAILED,
            Self::Other => map::RECIPE_OTHER,
        }
    }

    /// Returns whether the selection needs a person or another selection.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Unknown | Self::Failed | Self::Other)
    }
}

/// The answer to an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The recipe is active.
    Done,
    /// The daemon could not activate it.
    Refused,
    /// The daemon did not answer.
    Unanswered,
}

/// The selection of a station.
#[derive(Clone, Debug)]
pub struct RecipeSelection {
    recipes: BTreeMap<u16, String>,
    selected: u16,
    state: RecipeState,
    /// The active recipe, as the daemon reported it last. Empty: none.
    active: String,
    /// Whether the last report named another recipe than the selected one. A report may have been made before the
    /// activation and arrive after it: only the second one counts.
    deviated: bool,
}

impl RecipeSelection {
    /// Returns a station without a selection.
    pub fn new(recipes: BTreeMap<u16, String>) -> Self {
        Self {
            recipes,
            selected: 0,
            state: RecipeState::NotSelected,
            active: String::new(),
            deviated: false,
        }
    }

    /// Selects a recipe by its number. The number that is already selected has no effect.
    pub fn select(&mut self, number: u16) {
        if number != self.selected {
            self.selected = number;
            self.state = self.begin();
        }
    }

    /// Tries the selection again after an error.
    pub fn retry(&mut self) {
        if self.state.is_error() {
            self.state = self.begin();
        }
    }

    fn begin(&self) -> RecipeState {
        match self.selected {
            0 => RecipeState::NotSelected,
            number if self.recipes.contains_key(&number) => RecipeState::Wanted,
            _ => RecipeState::Unknown,
        }
    }

    /// Returns the recipe to activate now, if there is one. To be called while no part is being inspected.
    pub fn take_wanted(&mut self) -> Option<(u16, String)> {
        if self.state != RecipeState::Wanted {
            return None;
        }
        let id = self.recipes.get(&self.selected)?.clone();
        self.state = RecipeState::Activating;
        Some((self.selected, id))
    }

    /// Records the answer to an activation.
    pub fn activated(&mut self, number: u16, answer: Activation) {
        if self.state != RecipeState::Activating {
            return;
        }
        if number != self.selected {
            self.state = self.begin();
            return;
        }
        self.deviated = false;
        self.state = match answer {
            Activation::Done => RecipeState::Active,
            Activation::Refused => RecipeState::Failed,
            Activation::Unanswered => RecipeState::Wanted,
        };
        if answer == Activation::Done {
            self.active = self.wanted().unwrap_or_default().to_owned();
        }
    }

    /// Records which recipe the daemon reports as active.
    pub fn reported(&mut self, active: &str) {
        let deviates = self.wanted().is_some_and(|wanted| wanted != active);
        if self.state == RecipeState::Active && deviates {
            if self.deviated {
                self.state = RecipeState::Other;
            }
            self.deviated = true;
        } else {
            self.deviated = false;
        }
        if self.state != RecipeState::Active || !deviates {
            active.clone_into(&mut self.active);
        }
    }

    /// Returns the id of the selected recipe.
    pub fn wanted(&self) -> Option<&str> {
        self.recipes.get(&self.selected).map(String::as_str)
    }

    /// Returns the state of the selection.
    pub fn state(&self) -> RecipeState {
        self.state
    }

    /// Returns whether parts may be inspected.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, RecipeState::NotSelected | RecipeState::Active)
    }

    /// Returns the number of the active recipe; 0: none, or one without a number.
    pub fn active_number(&self) -> u16 {
        let mut recipes = self.recipes.iter();
        recipes
            .find(|(_, id)| !self.active.is_empty() && **id == self.active)
            .map_or(0, |(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection() -> RecipeSelection {
        RecipeSelection::new([(1, "juice".to_owned()), (2, "water".to_owned())].into())
    }

    #[test]
    fn selected_recipe_is_activated_once() {
        let mut selection = selection();
        selection.select(2);
        assert!(!selection.is_ready());
        assert_eq!(selection.take_wanted(), Some((2, "water".to_owned())));
        assert_eq!(selection.take_wanted(), None);
        selection.activated(2, Activation::Done);
        assert!(selection.is_ready());
        assert_eq!(selection.active_number(), 2);
        selection.select(2);
        assert_eq!(selection.take_wanted(), None);
    }

    #[test]
    fn unknown_and_failed_recipes_are_errors_until_another_selection() {
        let mut selection = selection();
        selection.select(9);
        assert_eq!(selection.state(), RecipeState::Unknown);
        assert_eq!(selection.take_wanted(), None);
        selection.select(1);
        selection.take_wanted().expect("a known recipe");
        selection.activated(1, Activation::Refused);
        assert_eq!(selection.state(), RecipeState::Failed);
        selection.retry();
        assert!(selection.take_wanted().is_some());
        selection.activated(1, Activation::Done);
        assert!(selection.is_ready());
        selection.select(0);
        assert_eq!(selection.state(), RecipeState::NotSelected);
    }

    #[test]
    fn answer_for_an_earlier_selection_does_not_count() {
        let mut selection = selection();
        selection.select(1);
        selection.take_wanted().expect("a known recipe");
        selection.select(2);
        // The second selection waits for the answer to the first one only if it was made after it.
        assert_eq!(selection.take_wanted(), Some((2, "water".to_owned())));
        selection.activated(1, Activation::Done);
        assert!(!selection.is_ready());
        assert_eq!(selection.take_wanted(), Some((2, "water".to_owned())));
        selection.activated(2, Activation::Done);
        assert!(selection.is_ready());
    }

    #[test]
    fn recipe_of_somebody_else_is_an_error_at_its_second_report() {
        let mut selection = selection();
        selection.reported("juice");
        assert_eq!(selection.active_number(), 1);
        selection.select(2);
        selection.take_wanted().expect("a known recipe");
        selection.activated(2, Activation::Done);
        // Made before the activation.
        selection.reported("juice");
        assert_eq!(selection.state(), RecipeState::Active);
        selection.reported("water");
        selection.reported("juice");
        assert_eq!(selection.state(), RecipeState::Active);
        selection.reported("juice");
        assert_eq!(selection.state(), RecipeState::Other);
        assert_eq!(selection.active_number(), 1);
    }
}
