//! `inspectctl recipe`: the recipes, and which one is active.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::Cell;
use inspectd_client::Client;
use inspectd_client::proto::{
    ActivateRecipeRequest, ListRecipesRequest, ListRecipesResponse, PrepareRecipeRequest, Recipe,
    RollBackRecipeRequest,
};

use crate::failure::Failure;
use crate::format;
use crate::table::{self, Column, styled};

/// A model is hashed, loaded and warmed up, which takes seconds on a GPU.
const LOAD_TIMEOUT: Duration = Duration::from_mins(2);

/// Arguments of `recipe`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the recipes of the daemon, and the faults of those that are not valid.
    List,
    /// Load and warm up the model of a recipe, while the line runs.
    Prepare {
        /// Id of the recipe.
        id: String,
    },
    /// Activate a recipe, for all frames captured from now on.
    Activate {
        /// Id of the recipe; `none` for the model and the thresholds of the configuration.
        id: String,
    },
    /// Activate the recipe that was active before.
    Rollback,
}

/// Runs the command, and prints the recipe that is active or prepared.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    let mut recipes = client.recipes();
    let text = match &arguments.command {
        Command::List => {
            let call = recipes.list_recipes(ListRecipesRequest {});
            list(&client.answer(call).await?)
        }
        Command::Prepare { id } => {
            let call = recipes.prepare_recipe(PrepareRecipeRequest { id: id.clone() });
            let answer = client.answer_within(LOAD_TIMEOUT, call).await?;
            format!("prepared: {}\n", describe(answer.recipe.as_ref()))
        }
        Command::Activate { id } => {
            let id = if id == "none" {
                String::new()
            } else {
                id.clone()
            };
            let call = recipes.activate_recipe(ActivateRecipeRequest { id });
            let answer = client.answer_within(LOAD_TIMEOUT, call).await?;
            format!("active: {}\n", describe(answer.recipe.as_ref()))
        }
        Command::Rollback => {
            let call = recipes.roll_back_recipe(RollBackRecipeRequest {});
            let answer = client.answer_within(LOAD_TIMEOUT, call).await?;
            format!("active: {}\n", describe(answer.recipe.as_ref()))
        }
    };
    Ok(write!(anstream::stdout(), "{text}")?)
}

fn describe(recipe: Option<&Recipe>) -> String {
    match recipe {
        None => "no recipe".to_owned(),
        Some(recipe) => format!(
            "{} ({}, version {}, {})",
            recipe.id,
            recipe.product,
            recipe.version,
            format::short_hash(&recipe.sha256)
        ),
    }
}

fn list(answer: &ListRecipesResponse) -> String {
    let row = |recipe: &Recipe| {
        let state = match recipe {
            recipe if !recipe.faults.is_empty() => styled("not valid", format::warning_style()),
            recipe if recipe.active => Cell::new("active"),
            recipe if recipe.id == answer.active_id => {
                styled("changed since it was activated", format::warning_style())
            }
            recipe if recipe.prepared => Cell::new("prepared"),
            _ => Cell::new("-"),
        };
        [
            Cell::new(&recipe.id),
            Cell::new(&recipe.product),
            Cell::new(&recipe.version),
            Cell::new(format::short_hash(&recipe.sha256)),
            Cell::new(recipe.regions.len()),
            Cell::new(recipe.masks.len()),
            state,
        ]
    };
    let columns = [
        Column::text("recipe"),
        Column::text("product"),
        Column::text("version"),
        Column::text("sha256"),
        Column::number("regions"),
        Column::number("masks"),
        Column::text("state"),
    ];
    let mut out = table::render(columns, answer.recipes.iter().map(row).collect());
    let warning = format::warning_style();
    for recipe in &answer.recipes {
        for fault in &recipe.faults {
            let _ = writeln!(out, "{warning}{}: {fault}{warning:#}", recipe.id);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_shows_the_states_and_then_the_faults() {
        let recipe = |id: &str| Recipe {
            id: id.to_owned(),
            product: "Juice".to_owned(),
            version: "3".to_owned(),
            sha256: "0123456789abcdef".to_owned(),
            ..Recipe::default()
        };
        let answer = ListRecipesResponse {
            recipes: vec![
                Recipe {
                    active: true,
                    ..recipe("a")
                },
                Recipe {
                    id: "b".to_owned(),
                    faults: vec!["b.toml:3: threshold: \"x\", must be a number".to_owned()],
                    ..Recipe::default()
                },
                recipe("c"),
            ],
            active_id: "a".to_owned(),
            active_sha256: String::new(),
        };
        let text = anstream::adapter::strip_str(&list(&answer)).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].ends_with("active"), "{text}");
        assert!(lines[2].ends_with("not valid"), "{text}");
        assert!(lines[3].ends_with('-'), "{text}");
        assert!(lines[4].contains("b: b.toml:3: threshold"), "{text}");
    }
}
