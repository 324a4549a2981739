//! `inspectctl camera set`: exposure and gain of a camera.

use std::io::Write;

use clap::{ArgGroup, Args};
use inspectd_client::Client;
use inspectd_client::proto::{SetCameraControlsRequest, SetCameraControlsResponse};

use super::CHANGE_TIMEOUT;
use crate::failure::Failure;

/// Arguments of `camera set`. At least one value must be given.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("value").args(["exposure_us", "gain"]).required(true).multiple(true)))]
pub struct Set {
    /// Id of the camera.
    camera: String,
    /// Exposure, microseconds; `own` for the camera's own. The present one is kept if unset.
    #[arg(long, value_name = "N|own", value_parser = exposure)]
    exposure_us: Option<NewValue<u32>>,
    /// Gain, in units of the driver; `own` for the camera's own. The present one is kept if unset.
    #[arg(long, value_name = "X|own", value_parser = gain, allow_negative_numbers = true)]
    gain: Option<NewValue<f64>>,
}

/// A value, or the camera's own.
#[derive(Clone, Copy, Debug, PartialEq)]
struct NewValue<T>(Option<T>);

fn exposure(text: &str) -> Result<NewValue<u32>, String> {
    let positive = |text: &str| text.parse().ok().filter(|&value: &u32| value > 0);
    parse(text, positive, "a whole number of microseconds")
}

fn gain(text: &str) -> Result<NewValue<f64>, String> {
    let finite = |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite());
    parse(text, finite, "a finite number")
}

/// Parses `own`, or a value.
fn parse<T>(
    text: &str,
    value: impl Fn(&str) -> Option<T>,
    allowed: &str,
) -> Result<NewValue<T>, String> {
    if text == "own" {
        return Ok(NewValue(None));
    }
    value(text)
        .map(|value| NewValue(Some(value)))
        .ok_or_else(|| format!("must be {allowed}, or own"))
}

/// Exposure and gain; an unset one is the camera's own.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Controls {
    exposure_us: Option<u32>,
    gain: Option<f64>,
}

/// Changes the values, and prints where they were set and what they were before.
pub async fn run(client: &Client, arguments: &Set) -> Result<(), Failure> {
    let mut line = client.line();
    let call = line.set_camera_controls(request(arguments));
    let answer = client.answer_within(CHANGE_TIMEOUT, call).await?;
    let text = describe(&arguments.camera, &answer);
    Ok(write!(anstream::stdout(), "{text}")?)
}

/// A value that is not given is kept.
fn request(arguments: &Set) -> SetCameraControlsRequest {
    let Set {
        camera,
        exposure_us,
        gain,
    } = arguments;
    SetCameraControlsRequest {
        camera_id: camera.clone(),
        exposure_us: exposure_us.and_then(|new| new.0),
        gain: gain.and_then(|new| new.0),
        keep_exposure: exposure_us.is_none(),
        keep_gain: gain.is_none(),
    }
}

fn describe(camera: &str, answer: &SetCameraControlsResponse) -> String {
    let place = match answer.recipe_id.as_str() {
        "" => "the configuration".to_owned(),
        recipe => format!("recipe {recipe}, which is active"),
    };
    let now = Controls {
        exposure_us: answer.exposure_us,
        gain: answer.gain,
    };
    let before = Controls {
        exposure_us: answer.previous_exposure_us,
        gain: answer.previous_gain,
    };
    format!(
        "camera {camera}: {}, set in {place}\nbefore: {}\n",
        values(now),
        values(before)
    )
}

fn values(controls: Controls) -> String {
    let exposure = controls
        .exposure_us
        .map_or_else(|| "own".to_owned(), |value| format!("{value} us"));
    let gain = controls
        .gain
        .map_or_else(|| "own".to_owned(), |value| value.to_string());
    format!("exposure {exposure}, gain {gain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbers_or_own() {
        assert_eq!(exposure("8000"), Ok(NewValue(Some(8000))));
        assert_eq!(exposure("own"), Ok(NewValue(None)));
        for text in ["0", "-1", "1.5", "auto", ""] {
            exposure(text).expect_err(text);
        }
        assert_eq!(gain("1.5"), Ok(NewValue(Some(1.5))));
        assert_eq!(gain("-3"), Ok(NewValue(Some(-3.0))));
        assert_eq!(gain("own"), Ok(NewValue(None)));
        for text in ["nan", "inf", "high", ""] {
            gain(text).expect_err(text);
        }
    }

    #[test]
    fn value_that_is_not_given_is_kept() {
        let mut set = Set {
            camera: "top".to_owned(),
            exposure_us: Some(NewValue(None)),
            gain: None,
        };
        let mut expected = SetCameraControlsRequest {
            camera_id: "top".to_owned(),
            keep_gain: true,
            ..SetCameraControlsRequest::default()
        };
        assert_eq!(request(&set), expected, "the camera's own exposure");
        set.gain = Some(NewValue(Some(3.0)));
        (expected.gain, expected.keep_gain) = (Some(3.0), false);
        assert_eq!(request(&set), expected);
        set.exposure_us = None;
        expected.keep_exposure = true;
        assert_eq!(request(&set), expected);
    }

    #[test]
    fn change_is_described_with_its_place_and_the_values_before() {
        let mut answer = SetCameraControlsResponse {
            exposure_us: Some(8000),
            previous_gain: Some(1.5),
            ..SetCameraControlsResponse::default()
        };
        assert_eq!(
            describe("top", &answer),
            "camera top: exposure 8000 us, gain own, set in the configuration\n\
             before: exposure own, gain 1.5\n"
        );
        answer.recipe_id = "juice".to_owned();
        let text = describe("top", &answer);
        assert!(
            text.contains("set in recipe juice, which is active\n"),
            "{text}"
        );
    }
}
