//! `inspectctl recipe`: the recipes, and which one is in force.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use inspectd_client::proto::{
    ActivateRecipeRequest, ListRecipesRequest, ListRecipesResponse, PrepareRecipeRequest, Recipe,
    RollBackRecipeRequest,
};

use crate::connection::{ANSWER_TIMEOUT, Daemon};
use crate::failure::Failure;
use crate::format;
use crate::table::{Cell, render};

/// A model is hashed, loaded and warmed up, which takes seconds on a GPU.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// Of `recipe`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the recipes of the daemon's folder, and what is wrong with those that cannot be used.
    List,
    /// Load and warm a recipe's model, while the line goes on.
    Prepare {
        /// The recipe.
        id: String,
    },
    /// Bring a recipe into force, for all frames that are captured from now on.
    Activate {
        /// The recipe; `none` for the configuration's own model and thresholds.
        id: String,
    },
    /// Bring into force what was before the recipe that is.
    Rollback,
}

/// Does it, and prints what is in force.
pub async fn run(daemon: &Daemon, arguments: &Arguments) -> Result<(), Failure> {
    let mut client = daemon.recipes();
    let text = match &arguments.command {
        Command::List => {
            let call = client.list_recipes(ListRecipesRequest {});
            list(&daemon.answer(ANSWER_TIMEOUT, call).await?)
        }
        Command::Prepare { id } => {
            let call = client.prepare_recipe(PrepareRecipeRequest { id: id.clone() });
            let answer = daemon.answer(LOAD_TIMEOUT, call).await?;
            format!("prepared: {}\n", describe(answer.recipe.as_ref()))
        }
        Command::Activate { id } => {
            let id = if id == "none" {
                String::new()
            } else {
                id.clone()
            };
            let call = client.activate_recipe(ActivateRecipeRequest { id });
            let answer = daemon.answer(LOAD_TIMEOUT, call).await?;
            format!("in force: {}\n", describe(answer.recipe.as_ref()))
        }
        Command::Rollback => {
            let call = client.roll_back_recipe(RollBackRecipeRequest {});
            let answer = daemon.answer(LOAD_TIMEOUT, call).await?;
            format!("in force: {}\n", describe(answer.recipe.as_ref()))
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
            format::short(&recipe.sha256)
        ),
    }
}

fn list(answer: &ListRecipesResponse) -> String {
    let row = |recipe: &Recipe| {
        let state = match recipe {
            recipe if !recipe.faults.is_empty() => {
                Cell::text("not valid").styled(format::warning_style())
            }
            recipe if recipe.active => Cell::text("in force"),
            recipe if recipe.id == answer.active_id => {
                Cell::text("changed since it was activated").styled(format::warning_style())
            }
            recipe if recipe.prepared => Cell::text("prepared"),
            _ => Cell::text("-"),
        };
        [
            Cell::text(&recipe.id),
            Cell::text(&recipe.product),
            Cell::text(&recipe.version),
            Cell::text(format::short(&recipe.sha256)),
            Cell::number(recipe.regions.len().to_string()),
            Cell::number(recipe.masks.len().to_string()),
            state,
        ]
    };
    let rows: Vec<_> = answer.recipes.iter().map(row).collect();
    let headings = [
        "recipe", "product", "version", "sha256", "regions", "masks", "state",
    ];
    let mut out = render(headings, &rows);
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
    fn the_list_shows_states_and_faults() {
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
        assert!(lines[1].ends_with("in force"), "{text}");
        assert!(lines[2].ends_with("not valid"), "{text}");
        assert!(lines[3].ends_with('-'), "{text}");
        assert!(lines[4].contains("b: b.toml:3: threshold"), "{text}");
    }
}
