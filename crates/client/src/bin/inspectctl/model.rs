//! `inspectctl model`: the active model, the installation of a new one, and its undoing.

mod comparison;
mod install;
mod progress;
mod upload;

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use inspectd_client::Client;
use inspectd_client::proto::{
    GetInstallationRequest, Installation, Status, UndoInstallationRequest,
};

use crate::failure::Failure;
use crate::{format, json};

/// A model is hashed, loaded and warmed up, which takes seconds on a GPU.
const LOAD_TIMEOUT: Duration = Duration::from_mins(2);

/// Arguments of `model`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send a bundle to the daemon, judge the challenge by it and by the active model, and activate it if it passes.
    #[command(after_help = install::EXIT_CODES)]
    Install(install::Install),
    /// Activate the model that was active before the last installation.
    Undo,
    /// Show the active model and the last installation.
    Show(Show),
}

/// Arguments of `model show`.
#[derive(Debug, Args)]
struct Show {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Install(arguments) => install::run(client, arguments).await,
        Action::Undo => undo(client).await,
        Action::Show(arguments) => show(client, arguments).await,
    }
}

async fn undo(client: &Client) -> Result<(), Failure> {
    let mut models = client.models();
    let call = models.get_installation(GetInstallationRequest {});
    let installed = client.answer(call).await?.installation.unwrap_or_default();
    let call = models.undo_installation(UndoInstallationRequest {
        model_sha256: installed.model.unwrap_or_default().sha256,
    });
    let answer = client.answer_within(LOAD_TIMEOUT, call).await?;
    let undone = answer.undone.unwrap_or_default();
    Ok(write!(anstream::stdout(), "{}", describe_undone(&undone))?)
}

async fn show(client: &Client, arguments: &Show) -> Result<(), Failure> {
    let status = client.status().await?;
    let mut models = client.models();
    let call = models.get_installation(GetInstallationRequest {});
    let installation = client.answer(call).await?.installation;
    let mut out = anstream::stdout();
    if arguments.json {
        let active = json::ActiveModel::new(&status, installation.as_ref());
        return Ok(json::write(&mut out, &active)?);
    }
    Ok(write!(
        out,
        "{}",
        describe_active(&status, installation.as_ref())
    )?)
}

fn describe_undone(undone: &Installation) -> String {
    format!(
        "active: {}\nundone: {}, {}\n",
        format::model(undone.previous.as_ref()),
        format::model(undone.model.as_ref()),
        origin(undone)
    )
}

fn describe_active(status: &Status, installation: Option<&Installation>) -> String {
    let mut out = format!(
        "model     {}, threshold {:.4}\nrecipe    {}\n",
        format::model(status.model.as_ref()),
        status.threshold,
        format::recipe(status.recipe.as_ref())
    );
    let Some(installation) = installation else {
        return out + "installed no model, or its installation was undone\n";
    };
    let _ = writeln!(
        out,
        "installed {}, {}\nplace     {}, folder {}\nbefore    {}",
        format::model(installation.model.as_ref()),
        origin(installation),
        place(installation),
        installation.folder,
        format::model(installation.previous.as_ref())
    );
    out
}

/// When a model was installed, and by whom.
fn origin(installation: &Installation) -> String {
    let time = installation.time.as_ref();
    let time = time.map_or_else(|| "-".to_owned(), format::second);
    match installation.by.as_str() {
        "" => format!("installed at {time}"),
        by => format!("installed at {time} by {by}"),
    }
}

/// The key that was changed.
fn place(installation: &Installation) -> String {
    match installation.recipe_id.as_str() {
        "" => "model.bundle of the configuration".to_owned(),
        recipe => format!("bundle of recipe {recipe}"),
    }
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::Model;

    use super::*;

    fn model(version: &str) -> Model {
        Model {
            name: "cells".to_owned(),
            version: version.to_owned(),
            sha256: "0123456789abcdef".to_owned(),
            precision: "f32".to_owned(),
        }
    }

    fn installation() -> Installation {
        Installation {
            time: Some(prost_types::Timestamp {
                seconds: 1_795_000_000,
                nanos: 250_000_000,
            }),
            model: Some(model("2")),
            previous: Some(model("1")),
            recipe_id: String::new(),
            folder: "/var/lib/inspectd/bundles/cells-2".to_owned(),
            by: "anna".to_owned(),
        }
    }

    #[test]
    fn undone_installation_names_the_model_that_is_active_again() {
        assert_eq!(
            describe_undone(&installation()),
            "active: cells 1 (0123456789ab)\n\
             undone: cells 2 (0123456789ab), installed at 2026-11-18T11:06:40Z by anna\n"
        );
    }

    #[test]
    fn active_model_is_shown_with_the_last_installation() {
        let status = Status {
            model: Some(model("2")),
            threshold: 0.5,
            ..Status::default()
        };
        let active = "model     cells 2 (0123456789ab), threshold 0.5000\nrecipe    none\n";
        assert_eq!(
            describe_active(&status, None),
            format!("{active}installed no model, or its installation was undone\n")
        );
        let mut installation = installation();
        let installed =
            "installed cells 2 (0123456789ab), installed at 2026-11-18T11:06:40Z by anna\n";
        assert_eq!(
            describe_active(&status, Some(&installation)),
            format!(
                "{active}{installed}place     model.bundle of the configuration, folder \
                 /var/lib/inspectd/bundles/cells-2\nbefore    cells 1 (0123456789ab)\n"
            )
        );
        installation.recipe_id = "juice".to_owned();
        let text = describe_active(&status, Some(&installation));
        assert!(text.contains("bundle of recipe juice, folder "), "{text}");
    }
}
