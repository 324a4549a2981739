//! Models and their installation.

use inspectd_client::proto;
use serde::Serialize;

use super::{Challenge, Model, RecipeTag, time};

/// `model install --json`: the fields of [`proto::InstallResult`].
#[derive(Serialize)]
pub struct InstallResult<'a> {
    activated: bool,
    reason: &'a str,
    model: Option<Model<'a>>,
    challenge: Option<Challenge<'a>>,
    active_challenge: Option<Challenge<'a>>,
    installation: Option<Installation<'a>>,
}

/// `model show --json`: the active model and recipe, and the last installation.
#[derive(Serialize)]
pub struct ActiveModel<'a> {
    model: Option<Model<'a>>,
    recipe: Option<RecipeTag<'a>>,
    threshold: f32,
    installation: Option<Installation<'a>>,
}

/// The fields of [`proto::Installation`].
#[derive(Serialize)]
struct Installation<'a> {
    time: Option<String>,
    model: Option<Model<'a>>,
    previous: Option<Model<'a>>,
    recipe_id: &'a str,
    folder: &'a str,
    by: &'a str,
}

impl<'a> From<&'a proto::InstallResult> for InstallResult<'a> {
    fn from(result: &'a proto::InstallResult) -> Self {
        Self {
            activated: result.activated,
            reason: &result.reason,
            model: result.model.as_ref().map(Model::from),
            challenge: result.challenge.as_ref().map(Challenge::from),
            active_challenge: result.active_challenge.as_ref().map(Challenge::from),
            installation: result.installation.as_ref().map(Installation::from),
        }
    }
}

impl<'a> ActiveModel<'a> {
    /// The active model of a status, and the last installation.
    pub fn new(status: &'a proto::Status, installation: Option<&'a proto::Installation>) -> Self {
        Self {
            model: status.model.as_ref().map(Model::from),
            recipe: status.recipe.as_ref().map(RecipeTag::from),
            threshold: status.threshold,
            installation: installation.map(Installation::from),
        }
    }
}

impl<'a> From<&'a proto::Installation> for Installation<'a> {
    fn from(installation: &'a proto::Installation) -> Self {
        Self {
            time: time(installation.time.as_ref()),
            model: installation.model.as_ref().map(Model::from),
            previous: installation.previous.as_ref().map(Model::from),
            recipe_id: &installation.recipe_id,
            folder: &installation.folder,
            by: &installation.by,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn result_of_an_installation_has_the_field_names_of_the_proto() {
        let result = proto::InstallResult {
            activated: true,
            model: Some(proto::Model {
                name: "cells".to_owned(),
                version: "2".to_owned(),
                sha256: "ab".to_owned(),
                precision: "int8".to_owned(),
            }),
            challenge: Some(proto::ChallengeResult {
                passed: true,
                good: 2,
                failures: vec!["good/a.png: REJECT (0.7)".to_owned()],
                ..proto::ChallengeResult::default()
            }),
            installation: Some(proto::Installation {
                recipe_id: "juice".to_owned(),
                folder: "/bundles/cells-2".to_owned(),
                ..proto::Installation::default()
            }),
            ..proto::InstallResult::default()
        };
        let printed = serde_json::to_value(InstallResult::from(&result)).expect("plain data");
        assert_eq!(
            printed,
            json!({
                "activated": true, "reason": "",
                "model": {"name": "cells", "version": "2", "sha256": "ab", "precision": "int8"},
                "challenge": {"time": null, "passed": true, "error": "", "good": 2, "false_rejects": 0,
                    "defective": 0, "misses": 0, "failures": ["good/a.png: REJECT (0.7)"],
                    "model": null, "recipe": null},
                "active_challenge": null,
                "installation": {"time": null, "model": null, "previous": null, "recipe_id": "juice",
                    "folder": "/bundles/cells-2", "by": ""},
            })
        );
    }

    #[test]
    fn active_model_without_an_installation_has_null_for_it() {
        let status = proto::Status::default();
        let printed = serde_json::to_value(ActiveModel::new(&status, None)).expect("plain data");
        assert_eq!(printed["installation"], Value::Null);
    }
}
