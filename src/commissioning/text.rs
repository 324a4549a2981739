//! The text of a configuration as a person would write it: keys that differ from their defaults, and the most useful other
//! ones as comments with their documentation.

use std::fmt::Write as _;

use toml_edit::Value;

use super::plan::{CameraPlan, ExposurePlan, Plan, PlannedMode, PlannedSource};
use crate::config::documentation_of;
use crate::config::settings::HealthLimits;

/// Width of comments, characters.
const WIDTH: usize = 110;

/// A review band to begin with, as a share of the threshold.
const REVIEW_SHARE: f32 = 0.1;

/// A deadline to begin with, milliseconds.
const USUAL_DEADLINE_MS: f64 = 150.0;

/// Returns the text of the configuration. `date` is the day on which it is written.
pub fn configuration_text(plan: &Plan, date: &str) -> String {
    let mut text = Text(String::new());
    let version = env!("CARGO_PKG_VERSION");
    text.comment(&format!(
        "Written by `inspectd init` {version} on {date}. `inspectd check` reports all faults; inspectd.toml(5) describes \
         every key. Keys that are commented out are optional."
    ));
    text.table("model", None);
    text.key("bundle", Value::from(plan.bundle.display().to_string()), "");
    text.table("verdict", None);
    let review_from = plan.threshold - REVIEW_SHARE * plan.threshold.abs();
    text.optional("verdict", "threshold", &number(plan.threshold));
    text.optional("verdict", "review_from", &number(review_from));
    for camera in &plan.cameras {
        write_camera(&mut text, camera);
    }
    write_journal(&mut text, plan);
    text.table("server", None);
    text.optional("server", "page_listen", "\"127.0.0.1:8080\"");
    text.optional("server", "unix_socket", "\"/run/inspectd/inspectd.sock\"");
    text.0
}

/// A score, as a number of TOML.
fn number(score: f32) -> String {
    Value::from((f64::from(score) * 1e4).round() / 1e4).to_string()
}

fn write_journal(text: &mut Text, plan: &Plan) {
    text.table("journal", None);
    match &plan.journal {
        Some(folder) => {
            text.comment("Every verdict is on disk before a client receives it.");
            text.key("folder", Value::from(folder.display().to_string()), "");
        }
        None => text.optional("journal", "folder", "\"/var/lib/inspectd/journal\""),
    }
}

fn write_camera(text: &mut Text, camera: &CameraPlan) {
    let CameraPlan {
        id,
        about,
        source,
        mode,
        exposure,
        latency_ms,
        crop,
        size,
        upscaled,
        limits,
    } = camera;
    text.table(&format!("cameras.{id}"), Some(about));
    write_source(text, source);
    write_mode(text, *mode);
    if let Some(exposure) = exposure {
        write_exposure(text, *exposure);
    }
    if let Some(latency_ms) = latency_ms {
        text.key(
            "latency_ms",
            Value::from(*latency_ms),
            "`inspectctl camera latency` measures it",
        );
    }
    if let Some(crop) = crop {
        let of = size.map_or_else(String::new, |[width, height]| {
            format!(" # of {width}x{height} pixels")
        });
        let _ = writeln!(
            text.0,
            "crop = {{ left = {}, top = {}, right = {}, bottom = {} }}{of}",
            crop.left, crop.top, crop.right, crop.bottom
        );
    }
    if let Some([width, height]) = size {
        text.comment(
            "Frames of another size mean another camera or a changed setting, and are FAULTs.",
        );
        text.key("expected_width", Value::from(i64::from(*width)), "");
        text.key("expected_height", Value::from(i64::from(*height)), "");
    }
    if *upscaled {
        text.comment(
            "The inspected part is smaller than the input of the model: without this key each frame is a FAULT. A view with \
             more pixels is better.",
        );
        text.key("allow_upscaling", Value::from(true), "");
    }
    write_options(text, camera);
    if let Some(limits) = limits {
        write_limits(text, limits);
    }
}

fn write_source(text: &mut Text, source: &PlannedSource) {
    let path = |path: &std::path::Path| Value::from(path.display().to_string());
    match source {
        PlannedSource::Device {
            path: device,
            format,
        } => {
            text.key("source", Value::from("device"), "");
            text.key("device", path(device), "");
            if let Some((code, [width, height])) = format {
                text.key("pixel_format", Value::from(code.as_str()), "");
                text.key("width", Value::from(i64::from(*width)), "");
                text.key("height", Value::from(i64::from(*height)), "");
            }
        }
        PlannedSource::Url { url } => {
            text.key("source", Value::from("url"), "");
            text.key("url", Value::from(url.as_str()), "");
        }
        PlannedSource::Folder { path: folder } => {
            text.key("source", Value::from("folder"), "");
            text.key("path", path(folder), "");
        }
        PlannedSource::File { path: file } => {
            text.key("source", Value::from("file"), "");
            text.key("path", path(file), "");
        }
        PlannedSource::Simulator => {
            text.key(
                "source",
                Value::from("simulator"),
                "rendered parts: no camera",
            );
        }
    }
}

fn write_mode(text: &mut Text, mode: PlannedMode) {
    let about = match mode {
        PlannedMode::FreeRunning => "only the latest frame counts",
        PlannedMode::Triggered => "every frame counts",
        PlannedMode::Requested => "only the frame after each TriggerInspection counts",
    };
    text.key("mode", Value::from(mode.name()), about);
}

fn write_exposure(text: &mut Text, exposure: ExposurePlan) {
    let about = exposure.measured.map_or_else(String::new, |measured| {
        format!(
            "mean level {:.0} of 255, {:.1} % of the pixels clipped",
            measured.mean,
            100.0 * measured.clipped
        )
    });
    let value = Value::from(i64::from(exposure.exposure_us));
    text.key("exposure_us", value, &about);
}

/// Keys that many lines need later.
fn write_options(text: &mut Text, camera: &CameraPlan) {
    if matches!(
        camera.source,
        PlannedSource::Folder { .. } | PlannedSource::File { .. }
    ) {
        text.optional("cameras.ID", "repeat", "true");
    }
    if matches!(camera.source, PlannedSource::Simulator) {
        text.optional("cameras.ID", "fps", "2.0");
    }
    if camera.mode != PlannedMode::FreeRunning {
        // It begins with the exposure, so that it is longer than the latency.
        let deadline_ms = USUAL_DEADLINE_MS + camera.latency_ms.unwrap_or(0.0);
        text.optional("cameras.ID", "deadline_ms", &deadline_ms.to_string());
        text.optional("cameras.ID", "on_deadline", "\"reject\"");
    }
}

fn write_limits(text: &mut Text, limits: &HealthLimits) {
    // Towards more tolerance, so that the pictures still satisfy them.
    let down = |value: f32, digits: i32| {
        (f64::from(value) * 10_f64.powi(digits)).floor() / 10_f64.powi(digits)
    };
    let up = |value: f32, digits: i32| {
        (f64::from(value) * 10_f64.powi(digits)).ceil() / 10_f64.powi(digits)
    };
    let values = [
        (
            "check.dark_below",
            limits.dark_below.map(|value| down(value, 0)),
        ),
        (
            "check.saturated_above",
            limits.saturated_above.map(|value| up(value, 3)),
        ),
        (
            "check.blurred_below",
            limits.blurred_below.map(|value| down(value, 2)),
        ),
    ];
    text.comment(
        "Limits that these pictures suggest; docs/camera-faults.md describes how to confirm them.",
    );
    for (key, value) in values {
        if let Some(value) = value {
            text.optional("cameras.ID", key, &Value::from(value).to_string());
        }
    }
}

/// The text so far.
struct Text(String);

impl Text {
    /// A comment of whole lines.
    fn comment(&mut self, comment: &str) {
        for line in wrapped(comment) {
            let _ = writeln!(self.0, "# {line}");
        }
    }

    /// The header of a table, after an empty line and a comment.
    fn table(&mut self, name: &str, comment: Option<&str>) {
        self.0.push('\n');
        if let Some(comment) = comment {
            self.comment(comment);
        }
        let _ = writeln!(self.0, "[{name}]");
    }

    /// A key with a comment behind it.
    fn key(&mut self, name: &str, value: impl Into<Value>, comment: &str) {
        let value = value.into();
        let _ = write!(self.0, "{name} = {value}");
        if !comment.is_empty() {
            let _ = write!(self.0, " # {comment}");
        }
        self.0.push('\n');
    }

    /// A key that is commented out, with its documentation before it.
    fn optional(&mut self, section: &str, key: &str, value: &str) {
        if let Some(documentation) = documentation_of(&format!("{section}.{key}")) {
            self.comment(documentation);
        }
        let _ = writeln!(self.0, "# {key} = {value}");
    }
}

/// The lines of a comment.
fn wrapped(comment: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in comment.split_whitespace() {
        let line = lines.last_mut().expect("never empty");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use inspectd_core::id::CameraId;

    use super::*;
    use crate::commissioning::exposure::ExposureMeasurement;
    use crate::config;
    use crate::config::settings::{Crop, Mode, Source};

    fn id(text: &str) -> CameraId {
        text.parse().expect("an id")
    }

    fn camera(id: &str, source: PlannedSource, mode: PlannedMode) -> CameraPlan {
        CameraPlan {
            id: id.parse().expect("an id"),
            about: format!("The camera {id}."),
            source,
            mode,
            exposure: None,
            latency_ms: None,
            crop: None,
            size: None,
            upscaled: false,
            limits: None,
        }
    }

    fn plan() -> Plan {
        let device = PlannedSource::Device {
            path: "/dev/v4l/by-id/usb-A \"quoted\" camera".into(),
            format: Some(("MJPG".to_owned(), [1280, 720])),
        };
        let folder = PlannedSource::Folder {
            path: "parts".into(),
        };
        let file = PlannedSource::File {
            path: "/v/line.avi".into(),
        };
        let url = PlannedSource::Url {
            url: "rtsp://user:p%40ss@10.0.0.7/stream".to_owned(),
        };
        let measured = ExposureMeasurement {
            exposure_us: 2400,
            mean: 118.4,
            clipped: 0.0012,
        };
        Plan {
            bundle: "/var/lib/inspectd/bundles/juice".into(),
            threshold: 0.5,
            journal: Some("journal".into()),
            cameras: vec![
                CameraPlan {
                    exposure: Some(ExposurePlan {
                        exposure_us: 2400,
                        measured: Some(measured),
                    }),
                    crop: Some(Crop {
                        left: 100,
                        top: 20,
                        right: 900,
                        bottom: 700,
                    }),
                    size: Some([1280, 720]),
                    limits: Some(HealthLimits {
                        dark_below: Some(50.7),
                        saturated_above: Some(0.2001),
                        blurred_below: Some(0.376),
                        ..HealthLimits::default()
                    }),
                    ..camera("left", device, PlannedMode::Triggered)
                },
                CameraPlan {
                    latency_ms: Some(400.0),
                    ..camera("street", url, PlannedMode::Requested)
                },
                CameraPlan {
                    upscaled: true,
                    ..camera("shelf", folder, PlannedMode::FreeRunning)
                },
                camera("video", file, PlannedMode::Triggered),
                camera("demo", PlannedSource::Simulator, PlannedMode::Triggered),
            ],
        }
    }

    /// The text with its comments of keys made keys.
    fn uncommented(text: &str) -> String {
        let lines = text.lines().map(|line| {
            let key = line.strip_prefix("# ").filter(|rest| {
                let name = rest.split(" = ").next().unwrap_or_default();
                rest.contains(" = ") && !name.contains([' ', '`'])
            });
            format!("{}\n", key.unwrap_or(line))
        });
        lines.collect()
    }

    #[test]
    fn text_is_a_valid_configuration_with_and_without_its_optional_keys() {
        let text = configuration_text(&plan(), "2026-11-30");
        let file = Path::new("/etc/inspectd/inspectd.toml");
        let settings = |text: &str| {
            let loaded = config::parse(file, text, &[]);
            loaded
                .unwrap_or_else(|error| panic!("{error}\n{text}"))
                .settings
        };
        let read = settings(&text);
        let left = &read.cameras[&id("left")];
        assert_eq!(left.mode, Mode::Triggered { queue: 8 });
        assert_eq!(left.expected_size, Some([1280, 720]));
        assert_eq!(left.crop.expect("a crop").right, 900);
        let Source::Device { path, controls } = &left.source else {
            panic!("{left:?}");
        };
        assert_eq!(path, Path::new("/dev/v4l/by-id/usb-A \"quoted\" camera"));
        assert_eq!(controls.exposure_us, Some(2400));
        assert_eq!(controls.pixel_format, Some(*b"MJPG"));
        assert_eq!(left.check.limits, HealthLimits::default());
        assert_eq!(read.verdict.thresholds.threshold, None);
        // Rounded towards more tolerance.
        let all = settings(&uncommented(&text));
        let left = &all.cameras[&id("left")];
        let limits = left.check.limits;
        assert_eq!(limits.dark_below, Some(50.0));
        assert_eq!(limits.saturated_above, Some(0.201));
        assert_eq!(limits.blurred_below, Some(0.37));
        assert_eq!(all.verdict.thresholds.threshold, Some(0.5));
        assert_eq!(all.verdict.thresholds.review_from, Some(0.45));
    }

    #[test]
    fn optional_keys_have_the_documentation_of_the_key_table_before_them() {
        let text = configuration_text(&plan(), "2026-11-30");
        let expected = "# Scores above it are REJECT. Unset: the threshold of the bundle.\n# threshold = 0.5\n";
        assert!(text.contains(expected), "{text}");
        assert!(
            text.contains(
                "exposure_us = 2400 # mean level 118 of 255, 0.1 % of the pixels clipped\n"
            )
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH + 2),
            "{text}"
        );
        let keys = text
            .lines()
            .filter(|line| line.starts_with("# ") && line.contains(" = "));
        assert!(keys.count() >= 8, "{text}");
    }

    #[test]
    fn comments_are_wrapped_between_words() {
        let lines = wrapped(&"word ".repeat(60));
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{lines:?}");
        assert_eq!(wrapped("one  two"), ["one two"]);
    }
}
