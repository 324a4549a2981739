//! `inspectctl camera set`: exposure and gain of a camera.

use std::io::Write;

use clap::{ArgGroup, Args};
use inspectd_client::Client;
use inspectd_client::proto::{
    GetCameraViewRequest, SetCameraControlsRequest, SetCameraControlsResponse,
};

use super::CHANGE_TIMEOUT;
use crate::failure::Failure;

/// Longer side of the picture that comes with the present values, pixels. It is not used.
const PICTURE_SIDE: u32 = 64;

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

impl Set {
    /// The new values if both are given.
    fn complete(&self) -> Option<Controls> {
        Some(Controls {
            exposure_us: self.exposure_us?.0,
            gain: self.gain?.0,
        })
    }

    /// The new values; one that is not given is the present one.
    fn change(&self, present: Controls) -> Controls {
        Controls {
            exposure_us: self.exposure_us.map_or(present.exposure_us, |new| new.0),
            gain: self.gain.map_or(present.gain, |new| new.0),
        }
    }
}

/// Changes the values, and prints where they were set and what they were before.
pub async fn run(client: &Client, arguments: &Set) -> Result<(), Failure> {
    let controls = match arguments.complete() {
        Some(controls) => controls,
        None => arguments.change(present(client, &arguments.camera).await?),
    };
    let mut line = client.line();
    let call = line.set_camera_controls(SetCameraControlsRequest {
        camera_id: arguments.camera.clone(),
        exposure_us: controls.exposure_us,
        gain: controls.gain,
    });
    let answer = client.answer_within(CHANGE_TIMEOUT, call).await?;
    let text = describe(&arguments.camera, controls, &answer);
    Ok(write!(anstream::stdout(), "{text}")?)
}

/// The values that the camera has.
async fn present(client: &Client, camera: &str) -> Result<Controls, Failure> {
    let mut line = client.line();
    let call = line.get_camera_view(GetCameraViewRequest {
        camera_id: camera.to_owned(),
        side_limit: PICTURE_SIDE,
    });
    let view = client.answer(call).await?;
    Ok(Controls {
        exposure_us: view.exposure_us,
        gain: view.gain,
    })
}

fn describe(camera: &str, now: Controls, answer: &SetCameraControlsResponse) -> String {
    let place = match answer.recipe_id.as_str() {
        "" => "the configuration".to_owned(),
        recipe => format!("recipe {recipe}, which is active"),
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
    fn value_that_is_not_given_keeps_its_present_value() {
        let present = Controls {
            exposure_us: Some(8000),
            gain: Some(2.0),
        };
        let mut set = Set {
            camera: "top".to_owned(),
            exposure_us: Some(NewValue(None)),
            gain: None,
        };
        assert_eq!(set.complete(), None);
        let expected = Controls {
            exposure_us: None,
            gain: Some(2.0),
        };
        assert_eq!(set.change(present), expected);
        set.gain = Some(NewValue(Some(3.0)));
        let expected = Controls {
            exposure_us: None,
            gain: Some(3.0),
        };
        assert_eq!(set.complete(), Some(expected));
    }

    #[test]
    fn change_is_described_with_its_place_and_the_values_before() {
        let now = Controls {
            exposure_us: Some(8000),
            gain: None,
        };
        let mut answer = SetCameraControlsResponse {
            previous_gain: Some(1.5),
            ..SetCameraControlsResponse::default()
        };
        assert_eq!(
            describe("top", now, &answer),
            "camera top: exposure 8000 us, gain own, set in the configuration\n\
             before: exposure own, gain 1.5\n"
        );
        answer.recipe_id = "juice".to_owned();
        let text = describe("top", now, &answer);
        assert!(
            text.contains("set in recipe juice, which is active\n"),
            "{text}"
        );
    }
}
