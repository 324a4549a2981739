//! What judges in a study: model, recipe and configuration, which must not change while it lasts.

use std::time::SystemTime;

use inspectd_client::acceptance::{Header, ModelIdentity, Plan, RecipeIdentity};
use inspectd_client::proto::{Model, RecipeTag, Verdict};
use inspectd_client::{Client, Timestamp};

use super::Arguments;
use crate::failure::Failure;
use crate::format;

/// The header of a study that begins now.
///
/// # Errors
/// When the daemon does not answer.
pub async fn header(
    client: &Client,
    arguments: &Arguments,
    plan: Plan,
    id: String,
    now: SystemTime,
) -> Result<Header, Failure> {
    let status = client.status().await?;
    let (format, version) = Header::format_and_version();
    Ok(Header {
        format,
        version,
        id,
        started: format::second(&Timestamp::from(now)),
        operator: arguments.operator.clone(),
        subject: arguments.subject.clone(),
        camera: arguments.camera.clone(),
        live: arguments.live,
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
        daemon_version: status.version,
        model: model(&status.model.unwrap_or_default()),
        recipe: status.recipe.as_ref().map(recipe),
        config_hash: status.configuration.unwrap_or_default().hash,
        plan,
    })
}

fn model(model: &Model) -> ModelIdentity {
    ModelIdentity {
        name: model.name.clone(),
        version: model.version.clone(),
        sha256: model.sha256.clone(),
        precision: model.precision.clone(),
    }
}

fn recipe(recipe: &RecipeTag) -> RecipeIdentity {
    RecipeIdentity {
        id: recipe.id.clone(),
        version: recipe.version.clone(),
        sha256: recipe.sha256.clone(),
    }
}

/// What differs between the verdict and the study; none if nothing does.
pub fn changed(header: &Header, verdict: &Verdict) -> Option<&'static str> {
    let found = verdict.model.as_ref().map(model);
    if found.as_ref() != Some(&header.model) {
        return Some("model");
    }
    if verdict.recipe.as_ref().map(recipe) != header.recipe {
        return Some("recipe");
    }
    (verdict.config_hash != header.config_hash).then_some("configuration")
}
