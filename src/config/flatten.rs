//! From the settings back to values by path. Every field is named, so that a new one is not forgotten.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::build::{
    DAY, FORMATS, MIB, MISSING_VIEWS, NO_JUDGEMENTS, ON_FAILURES, PRECISIONS, PROVIDERS, ROTATIONS,
    SHEDS,
};
use super::settings::{
    Access, Camera, Check, Controls, Crop, Engine, Evidence, Journal, Life, Log, Mode, Model,
    Overrides, Pace, Parts, Recipes, Server, Settings, Source, Tls, Verdict,
};
use super::table::{CAMERAS, Setting};
use crate::config::settings::HealthLimits;

/// The values of `settings` by path; unset keys are left out.
pub(super) fn flatten(settings: &Settings) -> BTreeMap<String, Setting> {
    let Settings {
        server,
        tls,
        access,
        model,
        engine,
        verdict,
        cameras,
        recipes,
        parts,
        journal,
        evidence,
        life,
        log,
    } = settings;
    let mut values = BTreeMap::new();
    let mut part = |path: &str, fill: &dyn Fn(&mut Part<'_>)| {
        fill(&mut Part {
            path,
            values: &mut values,
        });
    };
    part("server", &|part| put_server(part, server));
    if let Some(tls) = tls {
        part("tls", &|part| put_tls(part, tls));
    }
    part("access", &|part| put_access(part, access));
    part("model", &|part| put_model(part, model));
    part("engine", &|part| put_engine(part, engine));
    part("verdict", &|part| put_verdict(part, verdict));
    for (id, camera) in cameras {
        part(&format!("{CAMERAS}.{id}"), &|part| put_camera(part, camera));
    }
    part("recipes", &|part| put_recipes(part, recipes));
    part("parts", &|part| put_parts(part, parts));
    part("journal", &|part| put_journal(part, journal));
    part("evidence", &|part| put_evidence(part, evidence));
    part("life", &|part| put_life(part, life));
    part("log", &|part| put_log(part, log));
    values
}

struct Part<'a> {
    path: &'a str,
    values: &'a mut BTreeMap<String, Setting>,
}

impl Part<'_> {
    fn put(&mut self, key: &str, value: Setting) {
        self.values.insert(format!("{}.{key}", self.path), value);
    }

    fn whole(&mut self, key: &str, value: impl Into<u64>) {
        self.put(key, Setting::Whole(value.into()));
    }

    fn number(&mut self, key: &str, value: f64) {
        self.put(key, Setting::Number(value));
    }

    fn seconds(&mut self, key: &str, value: Duration) {
        self.number(key, value.as_secs_f64());
    }

    fn milliseconds(&mut self, key: &str, value: Duration) {
        self.number(key, value.as_secs_f64() * 1000.0);
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.put(key, Setting::Flag(value));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.put(key, Setting::Text(value.to_owned()));
    }

    fn path(&mut self, key: &str, value: &Path) {
        self.put(key, Setting::Path(value.to_owned()));
    }

    fn some_path(&mut self, key: &str, value: Option<&Path>) {
        if let Some(value) = value {
            self.path(key, value);
        }
    }

    fn size(&mut self, width: &str, height: &str, value: Option<[u32; 2]>) {
        if let Some([columns, rows]) = value {
            self.whole(width, columns);
            self.whole(height, rows);
        }
    }
}

fn put_server(part: &mut Part<'_>, server: &Server) {
    let Server {
        listen,
        unix_socket,
        metrics_listen,
        message_limit,
        keepalive_interval,
        keepalive_timeout,
        heartbeat_interval,
        stream_backlog,
        stream_limit,
        connection_limit,
        image_side_limit,
    } = server;
    part.put("listen", Setting::Address(Some(*listen)));
    part.some_path("unix_socket", unix_socket.as_deref());
    part.put("metrics_listen", Setting::Address(*metrics_listen));
    part.whole("message_limit_mib", *message_limit as u64 / MIB);
    part.seconds("keepalive_interval_s", *keepalive_interval);
    part.seconds("keepalive_timeout_s", *keepalive_timeout);
    part.seconds("heartbeat_interval_s", *heartbeat_interval);
    part.whole("stream_backlog", *stream_backlog as u64);
    part.whole("stream_limit", *stream_limit as u64);
    part.whole("connection_limit", *connection_limit as u64);
    part.whole("image_side_limit", *image_side_limit);
}

fn put_tls(part: &mut Part<'_>, tls: &Tls) {
    let Tls {
        certificate,
        key,
        client_ca,
        require_client_certificate,
    } = tls;
    part.path("certificate", certificate);
    part.path("key", key);
    part.some_path("client_ca", client_ca.as_deref());
    part.flag("require_client_certificate", *require_client_certificate);
}

fn put_access(part: &mut Part<'_>, access: &Access) {
    let Access {
        clients,
        requests_per_second,
        burst,
    } = access;
    part.some_path("clients", clients.as_deref());
    part.number("requests_per_second", *requests_per_second);
    part.whole("burst", *burst);
}

fn put_model(part: &mut Part<'_>, model: &Model) {
    let Model { bundle } = model;
    part.path("bundle", bundle);
}

fn put_engine(part: &mut Part<'_>, engine: &Engine) {
    let Engine {
        provider,
        allow_fallback,
        device_id,
        threads,
        memory_limit,
        precision,
        batch_limit,
        batch_window,
        library,
        hang_timeout,
    } = engine;
    part.text("provider", word(&PROVIDERS, *provider));
    part.text("fallback", if *allow_fallback { "allow" } else { "deny" });
    part.whole("device_id", u64::from(device_id.unsigned_abs()));
    part.whole("threads", *threads as u64);
    if let Some(bytes) = memory_limit {
        part.whole("memory_limit_mib", *bytes as u64 / MIB);
    }
    part.text("precision", word(&PRECISIONS, *precision));
    part.whole("batch_limit", *batch_limit as u64);
    part.milliseconds("batch_window_ms", *batch_window);
    if let Some(library) = library {
        part.path("library", library);
    }
    part.seconds("hang_timeout_s", *hang_timeout);
}

fn put_verdict(part: &mut Part<'_>, verdict: &Verdict) {
    let Verdict {
        thresholds,
        region_min_area,
        region_limit,
    } = verdict;
    put_thresholds(part, *thresholds);
    part.number("region_min_area", f64::from(*region_min_area));
    part.whole("region_limit", *region_limit as u64);
}

fn put_thresholds(part: &mut Part<'_>, thresholds: Overrides) {
    let Overrides {
        threshold,
        review_from,
    } = thresholds;
    if let Some(threshold) = threshold {
        part.number("threshold", f64::from(threshold));
    }
    if let Some(review_from) = review_from {
        part.number("review_from", f64::from(review_from));
    }
}

fn put_camera(part: &mut Part<'_>, camera: &Camera) {
    let Camera {
        source,
        mode,
        crop,
        rotate,
        expected_size,
        allow_upscaling,
        open_timeout,
        read_timeout,
        reopen_after,
        reopen_after_max,
        check,
        thresholds,
        shed,
        deadline,
        on_deadline,
        group,
        part_counter,
    } = camera;
    part.text("source", source.name());
    put_source(part, source);
    match mode {
        Mode::FreeRunning => part.text("mode", "free-running"),
        Mode::Triggered { queue } => {
            part.text("mode", "triggered");
            part.whole("queue", *queue as u64);
        }
        Mode::Requested { queue } => {
            part.text("mode", "requested");
            part.whole("queue", *queue as u64);
        }
    }
    if let Some(crop) = *crop {
        put_crop(part, crop);
    }
    part.whole("rotate", word(&ROTATIONS, *rotate));
    part.size("expected_width", "expected_height", *expected_size);
    part.flag("allow_upscaling", *allow_upscaling);
    part.seconds("open_timeout_s", *open_timeout);
    part.seconds("read_timeout_s", *read_timeout);
    part.seconds("reopen_after_s", *reopen_after);
    part.seconds("reopen_after_max_s", *reopen_after_max);
    put_check(part, check);
    put_thresholds(part, *thresholds);
    part.text("shed", word(&SHEDS, *shed));
    if let Some(deadline) = *deadline {
        part.milliseconds("deadline_ms", deadline);
    }
    part.text("on_deadline", word(&NO_JUDGEMENTS, *on_deadline));
    if let Some(group) = group {
        part.text("group", group);
    }
    part.flag("part_counter", *part_counter);
}

fn put_check(part: &mut Part<'_>, check: &Check) {
    let Check { limits, reference } = check;
    let HealthLimits {
        frozen_after,
        frozen_difference,
        dark_below,
        saturated_above,
        blurred_below,
        shift_above,
        turn_above_deg,
    } = *limits;
    if let Some(frames) = frozen_after {
        part.whole("check.frozen_after", frames);
    }
    part.number("check.frozen_difference", f64::from(frozen_difference));
    let optional = [
        ("check.dark_below", dark_below),
        ("check.saturated_above", saturated_above),
        ("check.blurred_below", blurred_below),
        ("check.shift_above", shift_above),
        ("check.turn_above_deg", turn_above_deg),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            part.number(key, f64::from(value));
        }
    }
    if let Some(reference) = reference {
        part.path("check.reference", reference);
    }
}

fn put_crop(part: &mut Part<'_>, crop: Crop) {
    let Crop {
        left,
        top,
        right,
        bottom,
    } = crop;
    part.whole("crop.left", left);
    part.whole("crop.top", top);
    part.whole("crop.right", right);
    part.whole("crop.bottom", bottom);
}

fn put_source(part: &mut Part<'_>, source: &Source) {
    match source {
        Source::Device { path, controls } => {
            part.path("device", path);
            put_controls(part, controls);
        }
        Source::Url { url, rtsp_tcp } => {
            part.text("url", url);
            part.text("rtsp_transport", if *rtsp_tcp { "tcp" } else { "udp" });
        }
        Source::GStreamer { pipeline } => part.text("pipeline", pipeline),
        Source::File { path, repeat, pace } | Source::Folder { path, repeat, pace } => {
            part.path("path", path);
            part.flag("repeat", *repeat);
            put_pace(part, *pace);
        }
        Source::Simulator {
            seed,
            defect_rate,
            width,
            height,
            pace,
            parts,
        } => {
            part.whole("seed", *seed);
            part.number("defect_rate", *defect_rate);
            part.size("width", "height", Some([*width, *height]));
            put_pace(part, *pace);
            if let Some(parts) = parts {
                part.whole("parts", *parts);
            }
        }
    }
}

fn put_pace(part: &mut Part<'_>, pace: Pace) {
    match pace {
        Pace::Native => part.text("pace", "native"),
        Pace::Fast => part.text("pace", "fast"),
        Pace::Fps(fps) => part.number("fps", fps),
    }
}

fn put_controls(part: &mut Part<'_>, controls: &Controls) {
    let Controls {
        size,
        fps,
        exposure_us,
        gain,
        pixel_format,
    } = controls;
    part.size("width", "height", *size);
    if let Some(fps) = fps {
        part.number("fps", *fps);
    }
    if let Some(exposure) = exposure_us {
        part.whole("exposure_us", *exposure);
    }
    if let Some(gain) = gain {
        part.number("gain", *gain);
    }
    if let Some(format) = pixel_format {
        part.text("pixel_format", &String::from_utf8_lossy(format));
    }
}

fn put_evidence(part: &mut Part<'_>, evidence: &Evidence) {
    let Evidence {
        memory_limit,
        disk_limit,
        near_threshold,
        pass_every,
    } = evidence;
    part.whole("memory_mib", *memory_limit as u64 / MIB);
    part.whole("disk_mib", *disk_limit / MIB);
    part.number("near_threshold", *near_threshold);
    part.whole("pass_every", *pass_every);
}

fn put_recipes(part: &mut Part<'_>, recipes: &Recipes) {
    let Recipes {
        folder,
        active,
        prepared_limit,
    } = recipes;
    if let Some(folder) = folder {
        part.path("folder", folder);
    }
    if let Some(active) = active {
        part.text("active", active.as_str());
    }
    part.whole("prepared_limit", *prepared_limit as u64);
}

fn put_parts(part: &mut Part<'_>, parts: &Parts) {
    let Parts {
        window,
        missing_view,
    } = parts;
    part.milliseconds("window_ms", *window);
    part.text("missing_view", word(&MISSING_VIEWS, *missing_view));
}

fn put_journal(part: &mut Part<'_>, journal: &Journal) {
    let Journal {
        folder,
        commit_window,
        on_failure,
        stall_timeout,
        age_limit,
        size_limit,
    } = journal;
    if let Some(folder) = folder {
        part.path("folder", folder);
    }
    part.milliseconds("commit_window_ms", *commit_window);
    part.text("on_journal_failure", word(&ON_FAILURES, *on_failure));
    part.seconds("stall_timeout_s", *stall_timeout);
    part.number("max_age_days", age_limit.as_secs_f64() / DAY);
    part.whole("max_mib", *size_limit / MIB);
}

fn put_life(part: &mut Part<'_>, life: &Life) {
    let Life {
        shutdown_deadline,
        exit_when_ended,
        watch_files,
    } = life;
    part.seconds("shutdown_deadline_s", *shutdown_deadline);
    part.flag("exit_when_ended", *exit_when_ended);
    part.flag("watch_files", *watch_files);
}

fn put_log(part: &mut Part<'_>, log: &Log) {
    let Log { filter, format } = log;
    part.text("filter", filter);
    part.text("format", word(&FORMATS, *format));
}

/// The word for `value`.
fn word<K: Copy, T: Copy + PartialEq>(words: &[(K, T)], value: T) -> K {
    let found = words.iter().find(|(_, named)| *named == value);
    found.expect("every value has its word").0
}
