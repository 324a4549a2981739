//! From valid values to the settings, and back.

use std::time::Duration;

use super::settings::{
    Access, Camera, Check, Controls, Crop, Engine, Evidence, Journal, Life, Log, LogFormat,
    MissingView, Mode, Model, NoJudgement, OnFailure, Overrides, Pace, Parts, Precision,
    ProviderChoice, Recipes, Rotation, Server, Settings, Shed, Source, Tls, Verdict,
};
use super::table::CAMERAS;
use super::values::{Part, Values};
use crate::config::settings::HealthLimits;

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

/// The words of `shed`.
pub(super) const SHEDS: [(&str, Shed); 2] = [("newest", Shed::Newest), ("oldest", Shed::Oldest)];

/// The words of `on_deadline`.
pub(super) const NO_JUDGEMENTS: [(&str, NoJudgement); 2] = [
    ("fault", NoJudgement::Fault),
    ("reject", NoJudgement::Reject),
];

/// The words of `missing_view`.
pub(super) const MISSING_VIEWS: [(&str, MissingView); 3] = [
    ("fault", MissingView::Fault),
    ("reject", MissingView::Reject),
    ("ignore", MissingView::Ignore),
];

/// The words of `on_journal_failure`.
pub(super) const ON_FAILURES: [(&str, OnFailure); 2] = [
    ("fault", OnFailure::Fault),
    ("continue", OnFailure::Continue),
];

/// Seconds of a day.
pub(super) const DAY: f64 = 86_400.0;

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
        tls: tls(&values.part("tls")),
        access: access(&values.part("access")),
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
        recipes: recipes(&values.part("recipes")),
        parts: parts(&values.part("parts")),
        journal: journal(&values.part("journal")),
        evidence: evidence(&values.part("evidence")),
        life: life(&values.part("life")),
        log: log(&values.part("log")),
    }
}

fn server(part: &Part<'_>) -> Server {
    let listen: Option<_> = part.must("listen");
    Server {
        listen: listen.expect("this address cannot be switched off"),
        unix_socket: part.get("unix_socket"),
        metrics_listen: part.must("metrics_listen"),
        message_limit: bytes(part.must("message_limit_mib")),
        keepalive_interval: seconds(part, "keepalive_interval_s"),
        keepalive_timeout: seconds(part, "keepalive_timeout_s"),
        heartbeat_interval: seconds(part, "heartbeat_interval_s"),
        stream_backlog: count(part, "stream_backlog"),
        stream_limit: count(part, "stream_limit"),
        connection_limit: count(part, "connection_limit"),
        image_side_limit: part.must::<u64>("image_side_limit") as u32,
    }
}

/// None without a certificate: relations have seen to it that nothing else is set then.
fn tls(part: &Part<'_>) -> Option<Tls> {
    Some(Tls {
        certificate: part.get("certificate")?,
        key: part.must("key"),
        client_ca: part.get("client_ca"),
        require_client_certificate: part.must("require_client_certificate"),
    })
}

fn access(part: &Part<'_>) -> Access {
    Access {
        clients: part.get("clients"),
        requests_per_second: part.must("requests_per_second"),
        burst: part.must::<u64>("burst") as u32,
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
        batch_window: milliseconds(part.must("batch_window_ms")),
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

fn recipes(part: &Part<'_>) -> Recipes {
    let active: Option<String> = part.get("active");
    Recipes {
        folder: part.get("folder"),
        active: active.map(|id| id.parse().expect("the table of keys allows ids alone")),
        prepared_limit: count(part, "prepared_limit"),
    }
}

fn parts(part: &Part<'_>) -> Parts {
    Parts {
        window: milliseconds(part.must("window_ms")),
        missing_view: choice(part, "missing_view", &MISSING_VIEWS),
    }
}

fn journal(part: &Part<'_>) -> Journal {
    Journal {
        folder: part.get("folder"),
        commit_window: milliseconds(part.must("commit_window_ms")),
        on_failure: choice(part, "on_journal_failure", &ON_FAILURES),
        stall_timeout: seconds(part, "stall_timeout_s"),
        age_limit: Duration::from_secs_f64(part.must::<f64>("max_age_days") * DAY),
        size_limit: part.must::<u64>("max_mib") * MIB,
    }
}

fn evidence(part: &Part<'_>) -> Evidence {
    Evidence {
        memory_limit: bytes(part.must("memory_mib")),
        disk_limit: part.must::<u64>("disk_mib") * MIB,
        near_threshold: part.must("near_threshold"),
        pass_every: part.must("pass_every"),
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
            "requested" => Mode::Requested {
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
        shed: choice(part, "shed", &SHEDS),
        deadline: part.get("deadline_ms").map(milliseconds),
        on_deadline: choice(part, "on_deadline", &NO_JUDGEMENTS),
        group: part.get("group"),
        part_counter: part.must("part_counter"),
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
        limits: HealthLimits {
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

fn milliseconds(value: f64) -> Duration {
    Duration::from_secs_f64(value / 1000.0)
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
