//! Settings from texts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::documentation::page;
use super::super::settings::{
    Access, Camera, Controls, Crop, LogFormat, Mode, Overrides, Pace, Precision, ProviderChoice,
    Rotation, Settings, Source, Tls,
};
use super::super::values::Values;
use super::{MINIMAL, Site, camera, loaded};
use crate::config::settings::HealthLimits;

fn only_camera(text: &str) -> Camera {
    let settings = loaded(&camera(text)).settings;
    settings.cameras.into_values().next().expect("one camera")
}

#[test]
fn minimal_configuration_has_defaults() {
    let settings = loaded(MINIMAL).settings;
    let server = &settings.server;
    assert_eq!(server.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(
        server.metrics_listen.map(|address| address.port()),
        Some(9464)
    );
    assert_eq!(server.message_limit, 64 << 20);
    assert_eq!(server.heartbeat_interval, Duration::from_secs(5));
    assert_eq!((server.stream_backlog, server.stream_limit), (1024, 64));
    assert_eq!(
        (server.connection_limit, server.image_side_limit),
        (256, 8192)
    );
    assert_eq!((&server.unix_socket, &settings.tls), (&None, &None));
    let access = &settings.access;
    assert_eq!((&access.clients, access.burst), (&None, 400));
    let engine = &settings.engine;
    assert_eq!(
        (engine.provider, engine.allow_fallback),
        (ProviderChoice::Cpu, false)
    );
    assert_eq!((engine.memory_limit, &engine.library), (None, &None));
    assert_eq!(settings.verdict.thresholds, Overrides::default());
    assert_eq!(settings.verdict.region_limit, 32);
    assert_eq!(settings.evidence.memory_limit, 64 << 20);
    assert!(settings.life.watch_files && !settings.life.exit_when_ended);
    assert_eq!(
        (settings.log.filter.as_str(), settings.log.format),
        ("info", LogFormat::Auto)
    );
    let camera = &settings.cameras[&"left".parse().expect("an id")];
    assert_eq!(
        (camera.mode, camera.crop, camera.rotate),
        (Mode::FreeRunning, None, Rotation::R0)
    );
    assert_eq!(camera.reopen_after_max, Duration::from_secs(30));
}

#[test]
fn keys_of_the_daemon_are_read() {
    let text = "[server]\nmetrics_listen = \"off\"\nkeepalive_interval_s = 1.5\n\
                [engine]\nprovider = \"cuda\"\nfallback = \"allow\"\nmemory_limit_mib = 512\n\
                precision = \"tf32\"\nbatch_window_ms = 2.5\ndevice_id = 3\nlibrary = \"/ort.so\"\n\
                [verdict]\nthreshold = 1\nreview_from = -0.5\nregion_min_area = 0.25\n\
                [log]\nfilter = \"warn,inspectd=debug\"\nformat = \"json\"\n";
    let settings = loaded(&format!("{MINIMAL}{text}")).settings;
    assert_eq!(settings.server.metrics_listen, None);
    assert_eq!(
        settings.server.keepalive_interval,
        Duration::from_millis(1500)
    );
    let engine = settings.engine;
    assert_eq!(
        (engine.provider, engine.allow_fallback),
        (ProviderChoice::Cuda, true)
    );
    assert_eq!((engine.precision, engine.device_id), (Precision::Tf32, 3));
    assert_eq!(engine.memory_limit, Some(512 << 20));
    assert_eq!(engine.batch_window, Duration::from_micros(2500));
    assert_eq!(engine.library.as_deref(), Some(Path::new("/ort.so")));
    let thresholds = Overrides {
        threshold: Some(1.0),
        review_from: Some(-0.5),
    };
    assert_eq!(settings.verdict.thresholds, thresholds);
    assert_eq!(settings.log.format, LogFormat::Json);
}

#[test]
fn other_address_with_certificates_and_clients_is_accepted() {
    let site = Site::with(&format!(
        "{MINIMAL}[server]\nlisten = \"[::]:50051\"\nunix_socket = \"/run/s\"\n[tls]\ncertificate = \"c.pem\"\n\
         key = \"/key.pem\"\nclient_ca = \"ca.pem\"\nrequire_client_certificate = true\n\
         [access]\nclients = \"clients.toml\"\nrequests_per_second = 0.5\n"
    ));
    let settings = site.load().expect("valid").settings;
    let tls = Tls {
        certificate: site.path("c.pem"),
        key: "/key.pem".into(),
        client_ca: Some(site.path("ca.pem")),
        require_client_certificate: true,
    };
    assert_eq!(settings.tls, Some(tls));
    assert_eq!(
        settings.server.unix_socket.as_deref(),
        Some(Path::new("/run/s"))
    );
    let access = Access {
        clients: Some(site.path("clients.toml")),
        requests_per_second: 0.5,
        burst: 400,
    };
    assert_eq!(settings.access, access);
}

#[test]
fn keys_of_each_source_are_read() {
    let check =
        |text: &str, expected: Source| assert_eq!(only_camera(text).source, expected, "{text}");
    let path = || "/x".into();
    check(
        "source = \"device\"\ndevice = \"/x\"",
        Source::Device {
            path: path(),
            controls: Controls::default(),
        },
    );
    check(
        "source = \"device\"\ndevice = \"/x\"\nwidth = 640\nheight = 480\nfps = 30\nexposure_us = 900\n\
         gain = 1.5\npixel_format = \"MJPG\"",
        Source::Device {
            path: path(),
            controls: Controls {
                size: Some([640, 480]),
                fps: Some(30.0),
                exposure_us: Some(900),
                gain: Some(1.5),
                pixel_format: Some(*b"MJPG"),
            },
        },
    );
    let url = "rtsp://u:p@host/s".to_owned();
    check(
        "source = \"url\"\nurl = \"rtsp://u:p@host/s\"",
        Source::Url {
            url: url.clone(),
            rtsp_tcp: true,
        },
    );
    check(
        "source = \"url\"\nurl = \"rtsp://u:p@host/s\"\nrtsp_transport = \"udp\"",
        Source::Url {
            url,
            rtsp_tcp: false,
        },
    );
    check(
        "source = \"gstreamer\"\npipeline = \"videotestsrc ! appsink\"",
        Source::GStreamer {
            pipeline: "videotestsrc ! appsink".to_owned(),
        },
    );
    check(
        "source = \"file\"\npath = \"/x\"\npace = \"fast\"",
        Source::File {
            path: path(),
            repeat: false,
            pace: Pace::Fast,
        },
    );
    check(
        "source = \"folder\"\npath = \"/x\"\nrepeat = true\nfps = 5",
        Source::Folder {
            path: path(),
            repeat: true,
            pace: Pace::Fps(5.0),
        },
    );
    check(
        "source = \"simulator\"\nparts = 9\nwidth = 64\nprerender = 20",
        Source::Simulator {
            prerender: Some(20),
            seed: 1,
            defect_rate: 0.1,
            width: 64,
            height: 256,
            pace: Pace::Native,
            parts: Some(9),
        },
    );
}

#[test]
fn common_keys_of_cameras_are_read() {
    let camera = only_camera(
        "source = \"simulator\"\nmode = \"triggered\"\nqueue = 3\nrotate = 270\nexpected_width = 640\n\
         expected_height = 480\nallow_upscaling = true\ncrop = { left = 1, top = 2, right = 3, bottom = 4 }\n\
         threshold = 0.5\nread_timeout_s = 0.25\n",
    );
    assert_eq!(camera.mode, Mode::Triggered { queue: 3 });
    assert_eq!(camera.rotate, Rotation::R270);
    assert_eq!(
        camera.crop,
        Some(Crop {
            left: 1,
            top: 2,
            right: 3,
            bottom: 4
        })
    );
    assert_eq!(camera.expected_size, Some([640, 480]));
    assert!(camera.allow_upscaling);
    assert_eq!(camera.thresholds.threshold, Some(0.5));
    assert_eq!(camera.read_timeout, Duration::from_millis(250));
}

#[test]
fn checks_of_cameras_are_read() {
    let site = Site::with(&camera(
        "source = \"simulator\"\nexpected_width = 40\nexpected_height = 50\n[cameras.left.check]\n\
         frozen_after = 4\nfrozen_difference = 0.5\ndark_below = 30\nsaturated_above = 0.25\n\
         blurred_below = 0.125\nreference = \"view.png\"\nshift_above = 0.0625\nturn_above_deg = 2\n",
    ));
    let view = image::RgbImage::new(40, 50);
    view.save(site.path("view.png")).expect("an image");
    let settings = site.load().expect("valid").settings;
    let left = &settings.cameras[&"left".parse().expect("an id")];
    let limits = HealthLimits {
        frozen_after: Some(4),
        frozen_difference: 0.5,
        dark_below: Some(30.0),
        saturated_above: Some(0.25),
        blurred_below: Some(0.125),
        shift_above: Some(0.0625),
        turn_above_deg: Some(2.0),
    };
    assert_eq!((left.check.limits, left.limits()), (limits, limits));
    assert_eq!(left.check.reference, Some(site.path("view.png")));
}

#[test]
fn only_devices_and_streams_are_frozen_by_default() {
    let check = |text: &str, expected| {
        assert_eq!(only_camera(text).limits().frozen_after, expected, "{text}");
    };
    check("source = \"device\"\ndevice = \"/x\"", Some(10));
    check("source = \"url\"\nurl = \"rtsp://host\"", Some(250));
    check("source = \"folder\"\npath = \"/x\"", None);
    check("source = \"simulator\"", None);
    check(
        "source = \"device\"\ndevice = \"/x\"\ncheck.frozen_after = 0",
        Some(0),
    );
}

#[test]
fn parts_of_live_sources_may_repeat_once() {
    let check = |text: &str, expected| {
        assert_eq!(only_camera(text).frozen_parts_after(), expected, "{text}");
    };
    let device = "source = \"device\"\ndevice = \"/x\"\n";
    check(device, None);
    check(&format!("{device}mode = \"triggered\""), Some(2));
    check(&format!("{device}mode = \"requested\""), Some(2));
    check(
        &format!("{device}mode = \"triggered\"\ncheck.frozen_after = 0"),
        Some(0),
    );
    check(
        &format!("{device}mode = \"triggered\"\ncheck.frozen_after = 7"),
        Some(7),
    );
    check(
        "source = \"url\"\nurl = \"rtsp://host\"\nmode = \"triggered\"",
        Some(2),
    );
    check(
        "source = \"folder\"\npath = \"/x\"\nmode = \"triggered\"",
        None,
    );
    check("source = \"simulator\"\nmode = \"requested\"", None);
}

#[test]
fn example_is_a_configuration_of_two_cameras() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/inspectd.toml");
    let text = fs::read_to_string(file).expect("the example");
    let settings = loaded(&text).settings;
    let cameras: Vec<_> = settings
        .cameras
        .iter()
        .map(|(id, camera)| (id.as_str(), camera.source.name()))
        .collect();
    assert_eq!(cameras, [("front", "device"), ("label", "url")]);
}

#[test]
fn example_without_comment_marks_is_a_configuration() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/inspectd.toml");
    let text = fs::read_to_string(file).expect("the example");
    let shown =
        |line: &str| !line.starts_with("# ") || line.starts_with("#  ") || !line.contains(" = ");
    let lines = text
        .lines()
        .map(|line| if shown(line) { line } else { &line[2..] });
    loaded(&lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn example_of_the_documentation_is_a_configuration() {
    let text = fs::read_to_string(page()).expect("the page");
    let (_, rest) = text.split_once("```toml\n").expect("an example");
    loaded(rest.split_once("```").expect("its end").0);
}

#[test]
fn hash_depends_only_on_the_effective_settings() {
    let hash = |text: &str| loaded(text).hash;
    let least = hash(MINIMAL);
    assert_eq!(least.len(), 64);
    assert_eq!(
        hash(&format!("# A comment\n{MINIMAL}[log]\nfilter = \"info\"\n")),
        least
    );
    assert_ne!(hash(&format!("{MINIMAL}[log]\nfilter = \"warn\"\n")), least);
}

#[test]
fn password_affects_neither_hash_nor_json() {
    let url = |url: &str| loaded(&camera(&format!("source = \"url\"\nurl = \"{url}\"")));
    let bare = url("rtsp://host:554/a-b?c");
    let whole = url("rtsp://user:pass@word@host:554/a-b?c");
    assert_eq!(whole.hash, bare.hash);
    assert_ne!(whole.settings, bare.settings);
    let json = serde_json::to_string(&whole.settings).expect("JSON");
    assert!(
        json.contains("rtsp://host:554/a-b?c") && !json.contains("word"),
        "{json}"
    );
    assert_ne!(url("rtsp://other:554/a-b?c").hash, bare.hash);
}

#[test]
fn days_are_restored_from_their_values() {
    // This number of days and the days of its duration in nanoseconds differ.
    let text = format!("{MINIMAL}[journal]\nfolder = \"/j\"\nmax_age_days = 35.970969922031074\n");
    let settings = loaded(&text).settings;
    let cameras = settings.cameras.keys().cloned().collect();
    let restored = Settings::read(&Values::new(settings.values(), cameras));
    assert_eq!(restored.journal, settings.journal);
}

#[test]
fn relative_path_is_relative_to_the_folder_of_its_file() {
    let site = Site::with("[model]\nbundle = \"bundles/a\"\n");
    site.write(
        "conf.d/cameras.toml",
        "[cameras.a]\nsource = \"folder\"\npath = \"../images\"\n",
    );
    let settings = site.load().expect("valid").settings;
    assert_eq!(settings.model.bundle, site.path("bundles/a"));
    let source = &settings.cameras[&"a".parse().expect("an id")].source;
    let Source::Folder { path, .. } = source else {
        panic!("{source:?}");
    };
    assert_eq!(*path, site.path("conf.d/../images"));
}

/// Three configurations that together set all keys except those of TLS and of the reference image.
fn full() -> [String; 3] {
    let daemon = "[server]\nlisten = \"127.0.0.1:1\"\nunix_socket = \"/s\"\nmetrics_listen = \"off\"\n\
        message_limit_mib = 2\nkeepalive_interval_s = 1.5\nkeepalive_timeout_s = 2.5\nheartbeat_interval_s = 0.3\n\
        stream_backlog = 17\nstream_limit = 18\nconnection_limit = 19\nimage_side_limit = 33\n\
        [access]\nclients = \"/c\"\nrequests_per_second = 0.7\nburst = 3\n\
        [engine]\nprovider = \"cuda\"\nfallback = \"allow\"\ndevice_id = 2\nthreads = 3\nmemory_limit_mib = 65\n\
        precision = \"tf32\"\nbatch_limit = 4\nbatch_window_ms = 1.7\nlibrary = \"/o\"\nhang_timeout_s = 7\n\
        [verdict]\nthreshold = 0.9\nreview_from = 0.8\nregion_min_area = 0.1\nregion_limit = 5\n\
        [recipes]\nfolder = \"/r\"\nactive = \"a-1\"\nprepared_limit = 4\n\
        [parts]\nwindow_ms = 12.3\nmissing_view = \"ignore\"\n\
        [journal]\nfolder = \"/j\"\ncommit_window_ms = 0.3\non_journal_failure = \"continue\"\nstall_timeout_s = 0.06\n\
        max_age_days = 3.3\nmax_mib = 7\n\
        [evidence]\nmemory_mib = 8\ndisk_mib = 9\nnear_threshold = 0.15\npass_every = 11\n\
        [life]\nshutdown_deadline_s = 0.9\nexit_when_ended = true\nwatch_files = false\n\
        [log]\nfilter = \"warn\"\nformat = \"journald\"\n";
    let sources = "[cameras.b]\nsource = \"url\"\nurl = \"rtsp://h/s\"\nrtsp_transport = \"udp\"\nmode = \"requested\"\n\
        latency_ms = 40\nqueue = 9\n[cameras.c]\nsource = \"gstreamer\"\npipeline = \"x ! appsink\"\n[cameras.d]\nsource = \"file\"\n\
        path = \"/f\"\nrepeat = true\npace = \"fast\"\n[cameras.e]\nsource = \"folder\"\npath = \"/g\"\nfps = 0.3\n\
        [cameras.f]\nsource = \"simulator\"\nseed = 3\ndefect_rate = 0.3\nwidth = 33\nheight = 34\nparts = 35\n";
    let device = "source = \"device\"\ndevice = \"/d\"\nwidth = 640\nheight = 480\nfps = 29.97\nexposure_us = 900\n\
        gain = 1.1\npixel_format = \"YUYV\"\nmode = \"triggered\"\nqueue = 3\nshed = \"oldest\"\ndeadline_ms = 150.5\n\
        on_deadline = \"reject\"\ngroup = \"g\"\npart_counter = true\ncrop = { left = 1, top = 2, right = 3, bottom = 4 }\n\
        rotate = 270\nexpected_width = 50\nexpected_height = 40\nallow_upscaling = true\nopen_timeout_s = 0.2\n\
        read_timeout_s = 0.3\nreopen_after_s = 0.4\nreopen_after_max_s = 0.5\nthreshold = 0.6\nreview_from = 0.55\n\
        check.frozen_after = 4\ncheck.frozen_difference = 0.1\ncheck.dark_below = 0.2\ncheck.saturated_above = 0.3\n\
        check.blurred_below = 0.4\n";
    [
        format!("{MINIMAL}{daemon}"),
        format!("{MINIMAL}{sources}"),
        camera(device),
    ]
}

#[test]
fn hash_of_the_same_settings_is_the_same_in_every_version() {
    let hashes = full().map(|text| loaded(&text).hash);
    let expected = [
        "e24d2e67bace9b488e81e5069eb3f474f3e23ba1688e3ca4a98fed47d0b99317",
        "bb33c66f6aac634ac49dbfd8da18b0b7f251886686d9033bf5b3e752ba235f33",
        "668219dba8eec13c97f8df009a9f390575edfadacc1adbdab94f0dad2f9c8188",
    ];
    assert_eq!(hashes, expected);
}
