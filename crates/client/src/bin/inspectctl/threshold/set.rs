//! `inspectctl threshold set`: changes a threshold in the file that sets it.

use std::io::Write;

use clap::Args;
use inspectd_client::Client;
use inspectd_client::proto::SetThresholdRequest;

use crate::failure::Failure;

/// Arguments of `threshold set`.
#[derive(Debug, Args)]
pub struct Set {
    /// The new threshold; `unset` to remove it, so that the more general one applies.
    #[arg(value_name = "THRESHOLD", allow_negative_numbers = true, value_parser = threshold)]
    threshold: NewThreshold,
    /// The camera whose threshold is set; the general one if unset.
    #[arg(
        long,
        value_name = "ID",
        default_value = "",
        hide_default_value = true,
        conflicts_with = "region"
    )]
    camera: String,
    /// The region of the active recipe whose threshold is set.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    region: String,
}

/// A threshold, or none.
#[derive(Clone, Copy, Debug)]
struct NewThreshold(Option<f64>);

fn threshold(text: &str) -> Result<NewThreshold, String> {
    if text == "unset" {
        return Ok(NewThreshold(None));
    }
    let finite = text.parse().ok().filter(|value: &f64| value.is_finite());
    let allowed = "must be a finite number, or unset";
    finite
        .map(|value| NewThreshold(Some(value)))
        .ok_or_else(|| allowed.to_owned())
}

/// Changes the threshold, and prints where it was set and how to undo it.
pub async fn run(client: &Client, arguments: &Set) -> Result<(), Failure> {
    let mut tuning = client.tuning();
    let call = tuning.set_threshold(SetThresholdRequest {
        camera_id: arguments.camera.clone(),
        region: arguments.region.clone(),
        threshold: arguments.threshold.0,
        expected_threshold: None,
    });
    let answer = client.answer(call).await?;
    let previous = answer.previous.unwrap_or_default();
    let before = previous.threshold;
    let before = before.map_or_else(|| "unset".to_owned(), |value| value.to_string());
    let place = match previous.recipe_id.as_str() {
        "" => "the configuration".to_owned(),
        recipe => format!("recipe {recipe}"),
    };
    let mut out = anstream::stdout();
    writeln!(out, "threshold {} applies", answer.threshold)?;
    let key = &previous.key;
    Ok(writeln!(out, "{key} of {place} was {before}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threshold_is_a_finite_number_or_unset() {
        assert_eq!(threshold("0.25").expect("a number").0, Some(0.25));
        assert_eq!(threshold("unset").expect("none").0, None);
        for text in ["nan", "inf", "high", ""] {
            threshold(text).expect_err(text);
        }
    }
}
