//! Questions on a terminal.

use std::io::ErrorKind;

use anyhow::{Result, anyhow};
use dialoguer::console::Term;
use dialoguer::theme::ColorfulTheme;
use dialoguer::{Confirm, Input, MultiSelect, Select};

use super::Interrupted;

/// Asks a yes-or-no question; `yes` is the answer of an empty line.
///
/// # Errors
/// When the person interrupts, or the terminal is gone.
pub fn confirm(question: &str, yes: bool) -> Result<bool> {
    let theme = ColorfulTheme::default();
    let asked = Confirm::with_theme(&theme)
        .with_prompt(question)
        .default(yes);
    answer(asked.interact())
}

/// Asks for one of several; `default` is selected at first. Returns its position.
///
/// # Errors
/// As [`confirm`].
pub fn choose(question: &str, items: &[String], default: usize) -> Result<usize> {
    let theme = ColorfulTheme::default();
    let asked = Select::with_theme(&theme)
        .with_prompt(question)
        .items(items)
        .default(default);
    answer(asked.interact())
}

/// Asks for any number of several. Returns their positions.
///
/// # Errors
/// As [`confirm`].
pub fn choose_several(question: &str, items: &[String]) -> Result<Vec<usize>> {
    let theme = ColorfulTheme::default();
    let asked = MultiSelect::with_theme(&theme)
        .with_prompt(format!("{question} (space selects, Enter continues)"))
        .items(items);
    answer(asked.interact())
}

/// Asks for a text that `check` accepts; `default` is the answer of an empty line.
///
/// # Errors
/// As [`confirm`].
pub fn input(
    question: &str,
    default: Option<String>,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String> {
    let theme = ColorfulTheme::default();
    let mut asked = Input::<String>::with_theme(&theme)
        .with_prompt(question)
        .validate_with(|text: &String| check(text.trim()));
    if let Some(default) = default {
        asked = asked.default(default);
    }
    answer(asked.interact_text()).map(|text| text.trim().to_owned())
}

fn answer<T>(asked: dialoguer::Result<T>) -> Result<T> {
    asked.map_err(|error| {
        // A list hides the cursor while it is shown.
        let _ = Term::stderr().show_cursor();
        let dialoguer::Error::IO(error) = error;
        match error.kind() {
            ErrorKind::Interrupted => Interrupted.into(),
            _ => anyhow!("the terminal cannot be used: {error}"),
        }
    })
}
