//! `inspectctl replay`: how another recipe would have decided stored verdicts.

mod output;
mod report;

use std::io::Read;
use std::path::Path;
use std::time::{Instant, SystemTime};

use anyhow::Context;
use clap::Args;
use inspectd_client::proto::replay_verdicts_request::Recipe;
use inspectd_client::proto::replay_verdicts_response::Event;
use inspectd_client::proto::{InlineRecipe, ReplayVerdictsRequest};
use inspectd_client::{Client, Error};

use self::output::ReplayOutput;
use crate::failure::Failure;
use crate::time_arg::TimeArg;

/// The largest recipe that the daemon accepts.
const LARGEST_RECIPE_BYTES: u64 = 1 << 20;

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Id of a recipe of the daemon, or a local file whose name ends in .toml.
    #[arg(long, value_name = "ID|FILE")]
    recipe: String,
    /// Use the loaded model, whatever bundle the recipe names.
    #[arg(long)]
    loaded_model: bool,
    /// Only verdicts of this camera; can be repeated. Excludes parts, which have no camera.
    #[arg(long = "camera", value_name = "ID")]
    cameras: Vec<String>,
    /// Only verdicts journalled at or after this time: a date and time, or an age ("2h").
    #[arg(long, value_name = "TIME")]
    from: Option<TimeArg>,
    /// Only verdicts journalled before this time: a date and time, or an age.
    #[arg(long, value_name = "TIME")]
    to: Option<TimeArg>,
    /// Show this number of changes; --json shows all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    changes: u64,
    /// Print one JSON object per line, {"change": ...} and at the end {"summary": ...}.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn request(&self, now: SystemTime) -> Result<ReplayVerdictsRequest, anyhow::Error> {
        Ok(ReplayVerdictsRequest {
            recipe: Some(recipe(&self.recipe)?),
            loaded_model: self.loaded_model,
            camera_ids: self.cameras.clone(),
            from_time: self.from.map(|from| from.timestamp(now)),
            to_time: self.to.map(|to| to.timestamp(now)),
        })
    }
}

/// Returns the id of a recipe, or the text of its file.
fn recipe(text: &str) -> Result<Recipe, anyhow::Error> {
    let Some(id) = text.strip_suffix(".toml") else {
        return Ok(Recipe::RecipeId(text.to_owned()));
    };
    let id = Path::new(id).file_name().unwrap_or_default();
    let path = std::path::absolute(text).with_context(|| text.to_owned())?;
    let mut toml = String::new();
    std::fs::File::open(&path)
        .and_then(|file| {
            file.take(LARGEST_RECIPE_BYTES + 1)
                .read_to_string(&mut toml)
        })
        .with_context(|| path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    Ok(Recipe::Inline(InlineRecipe {
        id: id.to_string_lossy().into_owned(),
        toml,
        folder: folder.display().to_string(),
    }))
}

/// Replays, and shows the decisions that change.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    let request = arguments.request(SystemTime::now())?;
    let mut tuning = client.tuning();
    let call = tuning.replay_verdicts(request);
    let mut events = client.answer(call).await?;
    let mut output = ReplayOutput::new(arguments, anstream::stdout());
    while let Some(response) = events
        .message()
        .await
        .map_err(|status| Error::from_stream(&status))?
    {
        match response.event {
            Some(Event::Change(change)) => output.change(&change)?,
            Some(Event::Progress(progress)) => output.progress(&progress, Instant::now()),
            Some(Event::Summary(summary)) => return Ok(output.summary(&summary)?),
            None => {}
        }
    }
    output.erase_progress();
    Err(Error::stream_closed().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipe_is_an_id_or_a_toml_file() {
        assert_eq!(
            recipe("mx24").expect("an id"),
            Recipe::RecipeId("mx24".into())
        );
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("mx24.toml");
        std::fs::write(&file, "product = \"x\"").expect("a file");
        let expected = Recipe::Inline(InlineRecipe {
            id: "mx24".into(),
            toml: "product = \"x\"".into(),
            folder: folder.path().display().to_string(),
        });
        assert_eq!(
            recipe(&file.display().to_string()).expect("a file"),
            expected
        );
        let error = recipe("/nowhere/a.toml").expect_err("no file");
        assert!(
            format!("{error:#}").starts_with("/nowhere/a.toml: "),
            "{error:#}"
        );
    }
}
