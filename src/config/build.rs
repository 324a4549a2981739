//! From valid values to the settings, and back.

use std::time::Duration;

use super::settings::{
    Camera, Check, Controls, Crop, Engine, Evidence, Life, Log, LogFormat, Mode, Model, Overrides,
    Pace, Precision, ProviderChoice, Rotation, Server, Settings, Source, Verdict,
};
use super::table::CAMERAS;
use super::values::{Part, Values};
use crate::condition::Limits;

/// Bytes of a MiB.
pub(super) const MIB: u64 = 1 << 20;

/// The words of `provider`.
pub(super) const PROVIDERS: [(&str, ProviderChoice); 3] = [
    ("cpu", ProviderChoice::Cpu),
    ("cuda", ProviderChoice::Cuda),
    ("openvino", ProviderChoice::OpenVino),
];

/// The words of `precision`.
pub(super) const PRECISIONS: [(&str, Precision); 3] = [
    ("f32", Precision::F32),
    ("tf32", Precision::Tf32),
    ("bf16", Precision::Bf16),
];

/// The words of `format`.
pub(super) const FORMATS: [(&str, LogFormat); 4] = [
    ("auto", LogFormat::Auto),
    ("text", LogFormat::Text),
    ("json", LogFormat::Json),
    ("journald", LogFormat::Journald),
];

/// The degrees of `rotate`.
pub(super) const ROTATIONS: [(u64, Rotation); 4] = [
    (0, Rotation::R0),
    (90, Rotation::R90),
    (180, Rotation::R180),
    (270, Rotation::R270),
];

/// The settings. All of `values` must be valid: nothing is missing and no relation is broken.
///
/// # Panics
/// If they are not.
pub(super) fn settings(values: &Values) -> Settings {
    let camera = |id| camera(&values.part(format!("{CAMERAS}.{id}")));
    Settings {
        server: server(&values.part("server")),
        model: Model {
            bundle: values.part("model").must("bundle"),
        },
        engine: engine(&values.part("engine")),
        verdict: verdict(&values.part("verdict")),
        cameras: values
            .cameras
            .iter()
            .map(|id| (id.clone(), camera(id)))
            .collect(),
        evidence: Evidence {
            memory_limit: bytes(values.part("evidence").must("memory_mib")),
        },
        life: life(&values.part("life")),
        log: log(&values.part("log")),
    }
}

fn server(part: &Part<'_>) -> Server {
    let listen: Option<_> = part.must("listen");
    Server {
        listen: listen.expect("this address cannot be switched off"),
        metrics_listen: part.must("metrics_listen"),
        message_limit: bytes(part.must("message_limit_mib")),
        keepalive_interval: seconds(part, "keepalive_interval_s"),
        keepalive_timeout: seconds(part, "keepalive_timeout_s"),
        heartbeat_interval: seconds(part, "heartbeat_interval_s"),
        stream_backlog: count(part, "stream_backlog"),
        stream_limit: count(part, "stream_limit"),
    }
}

fn engine(part: &Part<'_>) -> Engine {
    Engine {
        provider: choice(part, "provider", &PROVIDERS),
        allow_fallback: part.must::<String>("fallback") == "allow",
        device_id: part.must::<u64>("device_id") as i32,
        threads: count(part, "threads"),
        memory_limit: part.get("memory_limit_mib").map(bytes),
        precision: choice(part, "precision", &PRECISIONS),
        batch_limit: count(part, "batch_limit"),
        batch_window: Duration::from_secs_f64(part.must::<f64>("batch_window_ms") / 1000.0),
        library: part.get("library"),
        hang_timeout: seconds(part, "hang_timeout_s"),
    }
}

fn verdict(part: &Part<'_>) -> Verdict {
    Verdict {
        thresholds: thresholds(part),
        region_min_area: part.must::<f64>("region_min_area") as f32,
        region_limit: count(part, "region_limit"),
    }
}

fn thresholds(part: &Part<'_>) -> Overrides {
    let score = |key| part.get::<f64>(key).map(|score| score as f32);
    Overrides {
        threshold: score("threshold"),
        review_from: score("review_from"),
    }
}

fn life(part: &Part<'_>) -> Life {
    Life {
        shutdown_deadline: seconds(part, "shutdown_deadline_s"),
        exit_when_ended: part.must("exit_when_ended"),
        watch_files: part.must("watch_files"),
    }
}

fn log(part: &Part<'_>) -> Log {
    Log {
        filter: part.must("filter"),
        format: choice(part, "format", &FORMATS),
    }
}

fn camera(part: &Part<'_>) -> Camera {
    let degrees: u64 = part.must("rotate");
    Camera {
        source: source(part),
        mode: match part.must::<String>("mode").as_str() {
            "triggered" => Mode::Triggered {
                queue: count(part, "queue"),
            },
            _ => Mode::FreeRunning,
        },
        crop: crop(part),
        rotate: pick(&ROTATIONS, &degrees),
        expected_size: size(part, "expected_width", "expected_height"),
        allow_upscaling: part.must("allow_upscaling"),
        open_timeout: seconds(part, "open_timeout_s"),
        read_timeout: seconds(part, "read_timeout_s"),
        reopen_after: seconds(part, "reopen_after_s"),
        reopen_after_max: seconds(part, "reopen_after_max_s"),
        check: check(part),
        thresholds: thresholds(part),
    }
}

fn source(part: &Part<'_>) -> Source {
    let name: String = part.must("source");
    match name.as_str() {
        "device" => Source::Device {
            path: part.must("device"),
            controls: controls(part),
        },
        "url" => Source::Url {
            url: part.must("url"),
            rtsp_tcp: part.must::<String>("rtsp_transport") == "tcp",
        },
        "gstreamer" => Source::GStreamer {
            pipeline: part.must("pipeline"),
        },
        "file" => Source::File {
            path: part.must("path"),
            repeat: part.must("repeat"),
            pace: pace(part),
        },
        "folder" => Source::Folder {
            path: part.must("path"),
            repeat: part.must("repeat"),
            pace: pace(part),
        },
        "simulator" => Source::Simulator {
            seed: part.must("seed"),
            defect_rate: part.must("defect_rate"),
            width: part.must::<u64>("width") as u32,
            height: part.must::<u64>("height") as u32,
            pace: pace(part),
            parts: part.get("parts"),
        },
        other => unreachable!("the table of keys knows no source {other:?}"),
    }
}

fn controls(part: &Part<'_>) -> Controls {
    let pixel_format = part.get::<String>("pixel_format");
    Controls {
        size: size(part, "width", "height"),
        fps: part.get("fps"),
        exposure_us: part
            .get::<u64>("exposure_us")
            .map(|exposure| exposure as u32),
        gain: part.get("gain"),
        pixel_format: pixel_format
            .map(|text| text.as_bytes().try_into().expect("four ASCII letters")),
    }
}

fn pace(part: &Part<'_>) -> Pace {
    let word = part.get::<String>("pace");
    match (part.get("fps"), word.as_deref()) {
        (Some(fps), _) => Pace::Fps(fps),
        (None, Some("fast")) => Pace::Fast,
        (None, _) => Pace::Native,
    }
}

fn check(part: &Part<'_>) -> Check {
    let number = |key| part.get::<f64>(key).map(|number| number as f32);
    Check {
        limits: Limits {
            frozen_after: part
                .get::<u64>("check.frozen_after")
                .map(|frames| frames as u32),
            frozen_difference: part.must::<f64>("check.frozen_difference") as f32,
            dark_below: number("check.dark_below"),
            saturated_above: number("check.saturated_above"),
            blurred_below: number("check.blurred_below"),
            shift_above: number("check.shift_above"),
            turn_above_deg: number("check.turn_above_deg"),
        },
        reference: part.get("check.reference"),
    }
}

fn crop(part: &Part<'_>) -> Option<Crop> {
    let side = |key| part.get::<u64>(key).map(|side| side as u32);
    Some(Crop {
        left: side("crop.left")?,
        top: side("crop.top")?,
        right: side("crop.right")?,
        bottom: side("crop.bottom")?,
    })
}

fn size(part: &Part<'_>, width: &str, height: &str) -> Option<[u32; 2]> {
    let side = |key| part.get::<u64>(key).map(|side| side as u32);
    Some([side(width)?, side(height)?])
}

fn seconds(part: &Part<'_>, key: &str) -> Duration {
    Duration::from_secs_f64(part.must(key))
}

fn count(part: &Part<'_>, key: &str) -> usize {
    part.must::<u64>(key) as usize
}

fn bytes(mib: u64) -> usize {
    (mib * MIB) as usize
}

fn choice<T: Copy>(part: &Part<'_>, key: &str, words: &[(&str, T)]) -> T {
    pick(words, &part.must::<String>(key).as_str())
}

fn pick<K: PartialEq, T: Copy>(words: &[(K, T)], word: &K) -> T {
    let found = words.iter().find(|(name, _)| name == word);
    found.expect("the table of keys allows no other word").1
}
