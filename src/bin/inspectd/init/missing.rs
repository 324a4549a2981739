//! Options that a run without questions needs.

use inspectd::commissioning::{PlannedMode, PlannedSource};
use inspectd_core::id::CameraId;

use super::arguments::{Arguments, value_for};

/// The options that name cameras.
pub const CAMERAS: &str = "--camera ID=SOURCE, --device, --url, --folder, --file or --simulator";

/// The missing options, with their values.
pub fn options(arguments: &Arguments, cameras: &[(CameraId, PlannedSource)]) -> Vec<String> {
    let mut missing = Vec::new();
    if arguments.bundle.is_none() {
        missing.push("--bundle FOLDER".to_owned());
    }
    for (id, source) in cameras {
        let mode = value_for(&arguments.modes, id);
        let stream = matches!(source, PlannedSource::Url { .. });
        if mode == Some(&PlannedMode::Requested)
            && stream
            && value_for(&arguments.latencies, id).is_none()
        {
            missing.push(format!("--latency-ms {id}=NUMBER"));
        }
        if arguments.yes {
            continue;
        }
        if mode.is_none() {
            missing.push(format!("--mode {id}=free-running|triggered|requested"));
        }
        if value_for(&arguments.crops, id).is_none() {
            missing.push(format!("--crop {id}=auto|none|LEFT,TOP,RIGHT,BOTTOM"));
        }
        let device = matches!(source, PlannedSource::Device { .. });
        if device && value_for(&arguments.exposures, id).is_none() {
            missing.push(format!("--exposure-us {id}=auto|keep|NUMBER"));
        }
    }
    if !arguments.yes {
        if cameras.is_empty() {
            missing.insert(0, CAMERAS.to_owned());
        }
        if arguments.journal.is_none() {
            missing.push("--journal FOLDER|none".to_owned());
        }
    }
    missing
}

/// The message about missing options.
pub fn message(missing: &[String], yes: bool) -> String {
    let begin = if yes {
        "answers are missing:"
    } else {
        "standard input is not a terminal, and answers are missing:"
    };
    let mut text = begin.to_owned();
    for option in missing {
        text.push_str("\n  ");
        text.push_str(option);
    }
    if !yes {
        text.push_str("\nor --yes, which accepts all proposals that can be made");
    }
    text
}
